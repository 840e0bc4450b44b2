"""The monthly audit sample: what is drawn, from what, what was found, and what is overdue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.core import clock
from lms.core.audit import AuditRoot
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks import rules as logbook
from lms.logbooks.models import Entry, EntryRevision, Signature
from lms.logbooks.models.sampling import AuditSample, SampleCheck, SampleLine
from lms.logbooks.queries.records import standing
from lms.logbooks.rules import sampling as rules
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort, Programme

READERS = (Role.UNIT_LEAD, Role.COORDINATOR, Role.DIRECTOR, Role.AUDITOR)


class LineScope:
    """The shape of one line that the policy table asks for."""

    def __init__(self, line: SampleLine) -> None:
        self.cohort_id = line.entry.cohort_id
        self.programme_id = line.sample.programme_id
        self.author_person_id = line.entry.author_person_id
        self.signer_person_id = line.signer_person_id


# ---------------------------------------------------------------- the draw


def closing_root(month: date) -> AuditRoot | None:
    """The seal that closes a month: of its last day, or the first later one, which then holds what moved until its end."""
    following = rules.first_of(month + timedelta(days=31))
    return db.session.scalar(
        select(AuditRoot)
        .where(AuditRoot.day >= following - timedelta(days=1))
        .order_by(AuditRoot.day)
        .limit(1)
    )


def undrawn_programmes(month: date) -> Sequence[Programme]:
    """Programmes whose sample of a month was not drawn."""
    return db.session.scalars(
        select(Programme)
        .where(Programme.id.not_in(select(AuditSample.programme_id).where(AuditSample.month == month)))
        .order_by(Programme.id)
    ).all()


def population(programme_id: int, month: date) -> dict[str, tuple[int, int]]:
    """Entries signed in a month whose signature stands and which count: public id → (entry, signer)."""
    following = rules.first_of(month + timedelta(days=31))
    rows = db.session.execute(
        select(Entry.public_id, Entry.id, Signature.signer_person_id)
        .join(EntryRevision, EntryRevision.id == Signature.revision_id)
        .join(Entry, Entry.id == Signature.entry_id)
        .join(Cohort, Cohort.id == Entry.cohort_id)
        .where(
            Cohort.programme_id == programme_id,
            Entry.state.in_(logbook.COUNTED),
            EntryRevision.number == Entry.revision_no,
            Signature.kind == "sign",
            Signature.signed_at >= datetime.combine(month, time(), tzinfo=clock.BEIJING),
            Signature.signed_at < datetime.combine(following, time(), tzinfo=clock.BEIJING),
            standing(),
        )
    )
    return {row[0]: (row[1], row[2]) for row in rows}


# ---------------------------------------------------------------- reading and checking


@dataclass(frozen=True)
class Row:
    """One line of a sample with what was found."""

    line: SampleLine
    checks: tuple[SampleCheck, ...]
    """The latest first."""
    checks_it: bool
    """Whether the reader may say what the ward's record says."""

    @property
    def latest(self) -> SampleCheck | None:
        """What counts."""
        return self.checks[0] if self.checks else None


@dataclass(frozen=True)
class Listed:
    """A sample in the list, with how far it is checked."""

    sample: AuditSample
    counts: dict[str, int]

    @property
    def open(self) -> int:
        """Lines nobody has checked."""
        return self.sample.drawn - sum(self.counts.values())


def samples(by: Actor, *, page: int, per_page: int) -> tuple[list[Listed], int]:
    """Samples of the programmes that the actor may read, the latest month first. Raises NotFound where there are none to read."""
    found = by.scope_ids("programme", *READERS)
    if found is not None and not found:
        raise NotFound
    query = select(AuditSample)
    if found is not None:
        query = query.where(AuditSample.programme_id.in_(found))
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = db.session.scalars(
        query.options(joinedload(AuditSample.programme))
        .order_by(AuditSample.month.desc(), AuditSample.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    counts: dict[int, dict[str, int]] = {}
    latest = (
        select(SampleCheck.line_id, func.max(SampleCheck.number).label("number"))
        .group_by(SampleCheck.line_id)
        .subquery()
    )
    for sample_id, outcome, count in db.session.execute(
        select(SampleLine.sample_id, SampleCheck.outcome, func.count())
        .join(SampleCheck, SampleCheck.line_id == SampleLine.id)
        .join(latest, (latest.c.line_id == SampleCheck.line_id) & (latest.c.number == SampleCheck.number))
        .where(SampleLine.sample_id.in_([row.id for row in rows]))
        .group_by(SampleLine.sample_id, SampleCheck.outcome)
    ):
        counts.setdefault(sample_id, {})[outcome] = count
    return [Listed(row, counts.get(row.id, {})) for row in rows], total


def may_read_samples(by: Actor) -> bool:
    """Whether the actor reads samples of any programme."""
    found = by.scope_ids("programme", *READERS)
    return found is None or bool(found)


def sample(public_id: str, by: Actor) -> AuditSample:
    """One sample. Raises NotFound for whoever may not read it."""
    found = None
    if is_public_id(public_id):
        found = db.session.scalar(
            select(AuditSample)
            .options(joinedload(AuditSample.programme))
            .where(AuditSample.public_id == public_id)
        )
    if found is None or not policy.allows(by, Permission.SAMPLE_READ, found):
        raise NotFound
    return found


def rows(found: AuditSample, by: Actor) -> list[Row]:
    """The lines of a sample by signer, with what was found. Two queries."""
    lines = db.session.scalars(
        select(SampleLine)
        .options(
            joinedload(SampleLine.sample),
            joinedload(SampleLine.signer),
            joinedload(SampleLine.entry).joinedload(Entry.item),
            joinedload(SampleLine.entry).joinedload(Entry.author),
        )
        .where(SampleLine.sample_id == found.id)
        .order_by(SampleLine.signer_person_id, SampleLine.id)
    ).all()
    said: dict[int, list[SampleCheck]] = {}
    for check in db.session.scalars(
        select(SampleCheck)
        .options(joinedload(SampleCheck.person))
        .where(SampleCheck.line_id.in_([line.id for line in lines]))
        .order_by(SampleCheck.number.desc())
    ):
        said.setdefault(check.line_id, []).append(check)
    return [
        Row(
            line,
            tuple(said.get(line.id, ())),
            policy.allows(by, Permission.SAMPLE_CHECK, LineScope(line)),
        )
        for line in lines
    ]


def row(found: AuditSample, line_id: str, by: Actor) -> Row:
    """One line. Raises NotFound."""
    one = next((row for row in rows(found, by) if row.line.public_id == line_id), None)
    if one is None:
        raise NotFound
    return one


def overdue(at: datetime) -> list[tuple[AuditSample, int]]:
    """Samples with lines that nobody has checked in time, and how many such lines."""
    unchecked = (
        select(SampleLine.sample_id, func.count().label("open"))
        .where(SampleLine.id.not_in(select(SampleCheck.line_id)))
        .group_by(SampleLine.sample_id)
        .subquery()
    )
    found = db.session.execute(
        select(AuditSample, unchecked.c.open)
        .options(joinedload(AuditSample.programme))
        .join(unchecked, unchecked.c.sample_id == AuditSample.id)
        .where(AuditSample.at <= at - rules.CHECKED_WITHIN, AuditSample.at > at - rules.REMINDS_UNTIL)
        .order_by(AuditSample.id)
    )
    return [(one[0], one[1]) for one in found]
