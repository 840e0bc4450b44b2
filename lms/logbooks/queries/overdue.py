"""What waits too long, and how the signers of a programme sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import Select, and_, func, or_, select

from lms import policy
from lms.accounts.models import Person
from lms.core import clock
from lms.core.db import db
from lms.logbooks import rules
from lms.logbooks.models import Entry, EntryReturn, EntryRevision, Signature
from lms.logbooks.models.sampling import AuditSample, SampleCheck, SampleLine
from lms.logbooks.queries.records import shown, standing
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Placement


def due_to_escalate(at: datetime, *, limit: int) -> Sequence[Entry]:
    """Submitted entries that have reached a stage of the escalation that nobody was told of, the oldest first."""
    due = or_(
        *(
            and_(Entry.submitted_at <= at - stage.after, Entry.escalated < number)
            for number, stage in enumerate(rules.STAGES, start=1)
        )
    )
    return db.session.scalars(
        shown(select(Entry).where(Entry.state == rules.SUBMITTED, due))
        .order_by(Entry.submitted_at, Entry.id)
        .limit(limit)
        .with_for_update(of=Entry, skip_locked=True)
    ).all()


def crowded_signers() -> Sequence[tuple[int, int, int]]:
    """(person, programme, open entries) of signers who have too much before them."""
    count = func.count(Entry.id)
    rows = db.session.execute(
        select(Entry.signer_person_id, Cohort.programme_id, count)
        .join(Cohort, Cohort.id == Entry.cohort_id)
        .where(Entry.state == rules.SUBMITTED)
        .group_by(Entry.signer_person_id, Cohort.programme_id)
        .having(count > rules.OPEN_MAX)
        .order_by(Entry.signer_person_id)
    )
    return [(row[0], row[1], row[2]) for row in rows if row[0] is not None]


def due_to_lapse(today: date, *, limit: int) -> Sequence[Entry]:
    """Entries that nobody decided on and whose placement ended more than thirty days ago."""
    return db.session.scalars(
        shown(
            select(Entry)
            .join(Placement, Placement.id == Entry.placement_id)
            .where(
                Entry.state.in_(sorted(rules.OPEN)),
                Placement.to_on < today - rules.LAPSES_AFTER,
            )
        )
        .order_by(Entry.id)
        .limit(limit)
        .with_for_update(of=Entry, skip_locked=True)
    ).all()


def person(person_id: int) -> Person:
    """One person."""
    return db.session.get_one(Person, person_id)


# ---------------------------------------------------------------- the ledger of signers


@dataclass(frozen=True)
class LedgerRow:
    """One signer's ledger."""

    person: Person
    ledger: rules.Ledger
    oldest: timedelta
    """Age of the oldest entry that waits; zero while none does."""

    @property
    def overdue(self) -> bool:
        """Whether the director has been told."""
        return rules.is_overdue(open_entries=self.ledger.open, oldest=self.oldest)

    @property
    def much_together(self) -> bool:
        """L7: more than two fifths of the signatures were given together with others."""
        return self.ledger.bulk_percent > rules.BULK_ALERT_PERCENT


def ledgers(cohort_ids: Sequence[int], *, at: datetime, since: date) -> list[LedgerRow]:
    """Every signer of some cohorts, who lets wait longest first; decisions since a day. The caller holds the door."""
    hours: dict[int, list[float]] = {}
    reading: dict[int, list[float]] = {}
    levels: dict[int, list[int]] = {}
    bulk: dict[int, int] = {}
    rows = db.session.execute(
        select(
            Signature.signer_person_id,
            Signature.level,
            Signature.batch,
            Signature.opened_at,
            Signature.signed_at,
            EntryRevision.made_at,
        )
        .join(EntryRevision, EntryRevision.id == Signature.revision_id)
        .join(Entry, Entry.id == Signature.entry_id)
        .where(
            Entry.cohort_id.in_(cohort_ids),
            Signature.kind == "sign",
            Signature.signed_at >= _begins(since),
            standing(),
        )
    )
    for signer, level, batch, opened_at, signed_at, made_at in rows:
        hours.setdefault(signer, []).append((signed_at - made_at).total_seconds() / 3600)
        levels.setdefault(signer, []).append(level)
        bulk[signer] = bulk.get(signer, 0) + bool(batch)
        if opened_at is not None:
            reading.setdefault(signer, []).append((signed_at - opened_at).total_seconds())
    returned = _counts(
        select(EntryReturn.person_id, func.count())
        .join(Entry, Entry.id == EntryReturn.entry_id)
        .where(
            Entry.cohort_id.in_(cohort_ids), EntryReturn.kind == "return", EntryReturn.at >= _begins(since)
        )
        .group_by(EntryReturn.person_id)
    )
    waiting: dict[int | None, tuple[int, timedelta]] = {
        row[0]: (row[1], at - (row[2] or at))
        for row in db.session.execute(
            select(Entry.signer_person_id, func.count(), func.min(Entry.submitted_at))
            .where(Entry.cohort_id.in_(cohort_ids), Entry.state == rules.SUBMITTED)
            .group_by(Entry.signer_person_id)
        )
    }
    people = db.session.scalars(
        select(Person).where(Person.id.in_({*levels, *returned, *(key for key in waiting if key)}))
    ).all()
    found = []
    for one in people:
        mine = levels.get(one.id, [])
        peers = [level for signer, given in levels.items() if signer != one.id for level in given]
        open_, oldest = waiting.get(one.id, (0, timedelta(0)))
        ledger = rules.Ledger(
            signed=len(mine),
            returned=returned.get(one.id, 0),
            open=open_,
            median_hours=rules.middle(hours.get(one.id, [])),
            p90_hours=rules.ninetieth(hours.get(one.id, [])),
            median_read_s=rules.middle(reading.get(one.id, [])),
            mean_level=sum(mine) / len(mine) if mine else None,
            peers_level=sum(peers) / len(peers) if peers else None,
            level_five_percent=rules.percent(sum(level == 5 for level in mine), len(mine)),
            bulk_percent=rules.percent(bulk.get(one.id, 0), len(mine)),
        )
        found.append(LedgerRow(one, ledger, oldest))
    return sorted(found, key=lambda row: (-row.oldest, -row.ledger.open, row.person.id))


@dataclass(frozen=True)
class Sampled:
    """What became of one signer's entries in the audit sample of one month."""

    month: date
    drawn: int
    found: int
    not_found: int
    differs: int

    @property
    def open(self) -> int:
        """Not checked yet."""
        return self.drawn - self.found - self.not_found - self.differs


def sampled(person_ids: Sequence[int], cohort_ids: Sequence[int], *, since: date) -> dict[int, list[Sampled]]:
    """Signer → the months in which entries of theirs were drawn, the latest first. The caller holds the door."""
    latest = (
        select(SampleCheck.line_id, func.max(SampleCheck.number).label("number"))
        .group_by(SampleCheck.line_id)
        .subquery()
    )
    rows = db.session.execute(
        select(SampleLine.signer_person_id, AuditSample.month, SampleCheck.outcome, func.count())
        .join(AuditSample, AuditSample.id == SampleLine.sample_id)
        .outerjoin(latest, latest.c.line_id == SampleLine.id)
        .outerjoin(
            SampleCheck, and_(SampleCheck.line_id == SampleLine.id, SampleCheck.number == latest.c.number)
        )
        .where(
            SampleLine.signer_person_id.in_(person_ids),
            AuditSample.programme_id.in_(select(Cohort.programme_id).where(Cohort.id.in_(cohort_ids))),
            AuditSample.month >= since,
        )
        .group_by(SampleLine.signer_person_id, AuditSample.month, SampleCheck.outcome)
    )
    counts: dict[int, dict[date, dict[str, int]]] = {}
    for signer, month, outcome, count in rows:
        counts.setdefault(signer, {}).setdefault(month, {})[outcome or ""] = count
    return {
        signer: [
            Sampled(
                month,
                sum(months[month].values()),
                months[month].get("found", 0),
                months[month].get("not_found", 0),
                months[month].get("differs", 0),
            )
            for month in sorted(months, reverse=True)
        ]
        for signer, months in counts.items()
    }


def _begins(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=clock.BEIJING)


def _counts(query: Select[int, int]) -> dict[int, int]:
    return {row[0]: row[1] for row in db.session.execute(query)}


def cohorts_of_signers(by: Actor) -> tuple[Sequence[int], bool]:
    """Cohorts whose signers the actor may see, and whether of those all of them (else only the actor's own line)."""
    everywhere = db.session.scalars(select(Cohort)).all()
    led = [cohort.id for cohort in everywhere if policy.allows(by, Permission.LEDGER_READ, cohort)]
    if led:
        return led, True
    own = select(Entry.cohort_id).where(Entry.signer_person_id == by.person_id).distinct()
    return db.session.scalars(own).all(), False
