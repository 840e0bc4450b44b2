"""Acts of the monthly audit sample: the draw by the clock, what was found in the ward's record, reminders."""

from datetime import date, datetime

from sqlalchemy.exc import IntegrityError

from lms import policy
from lms.accounts import queries as accounts
from lms.core import audit, clock, deid, ids, notices
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.models.sampling import AuditSample, SampleCheck, SampleLine
from lms.logbooks.queries import sampling as queries
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import sampling as rules
from lms.logbooks.services.record import plain
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Programme

DRAWN = notices.Kind(
    "logbooks.sample_drawn",
    lazy("The audit sample of %(month)s is drawn: %(count)s entries"),
    lazy("Please look each of them up in the ward’s own record, and say what you find."),
    label=lazy("The audit sample of a month is drawn"),
    for_staff=True,
)
OVERDUE = notices.Kind(
    "logbooks.sample_overdue",
    lazy("Of the audit sample of %(month)s %(count)s entries are not checked"),
    lazy("Please look each of them up in the ward’s own record, and say what you find."),
    label=lazy("An audit sample is not checked yet"),
    for_staff=True,
)


def draw(at: datetime) -> None:
    """The worker's chore: once the seal of the audit trail that closes the last month is there, draw its sample, once."""
    month = rules.month_before(clock.today(at))
    programmes = queries.undrawn_programmes(month)
    if not programmes:
        return
    root = queries.closing_root(month)
    if root is None:
        return
    for programme in programmes:
        _draw(programme, month, root, at=at)


def _draw(programme: Programme, month: date, root: audit.AuditRoot, *, at: datetime) -> None:
    known = queries.population(programme.id, month)
    seed = rules.seed_of(root=root.root, programme=programme.public_id, month=month)
    chosen = rules.drawn(list(known), seed)
    made = AuditSample(
        public_id=ids.public_id(),
        programme_id=programme.id,
        month=month,
        root_day=root.day,
        root=root.root,
        seed=seed,
        population=len(known),
        population_sha256=rules.population_digest(known),
        drawn=len(chosen),
        at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError:  # another worker was faster
        return
    for entry in chosen:
        entry_id, signer_id = known[entry]
        db.session.add(
            SampleLine(
                public_id=ids.public_id(), sample_id=made.id, entry_id=entry_id, signer_person_id=signer_id
            )
        )
    db.session.flush()
    audit.record(
        "logbooks.sample.draw",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=None,
        subject=f"sample:{made.public_id}",
        month=month.strftime("%Y-%m"),
        root_day=made.root_day.isoformat(),
        root=root.root,
        seed=seed,
        population=made.population,
        population_sha256=made.population_sha256,
        drawn=rules.population_digest(chosen),
    )
    if chosen:
        _tell(made, programme.id, DRAWN, count=len(chosen), once="drawn", at=at)


def remind(at: datetime) -> None:
    """The worker's chore: while lines of a sample are not checked in time, remind those who check, once a week."""
    year, week, _day = clock.today(at).isocalendar()
    for sample, count in queries.overdue(at):
        _tell(sample, sample.programme_id, OVERDUE, count=count, once=f"{year}-{week}", at=at)


def _tell(
    sample: AuditSample, programme_id: int, kind: notices.Kind, *, count: int, once: str, at: datetime
) -> None:
    people = {
        person.id
        for role in (Role.UNIT_LEAD, Role.DIRECTOR)
        for person in accounts.persons_with_role(role, f"programme:{programme_id}", on=clock.today(at))
    }
    for person_id in sorted(people):
        for account in accounts.accounts_of_person(person_id):
            notices.notify(
                account.id,
                kind,
                values={"month": sample.month.strftime("%Y-%m"), "count": count},
                url=f"/samples/{sample.public_id}",
                at=at,
                once=f"sample:{sample.public_id}:{once}",
            )


def check(
    found: AuditSample, line_id: str, *, outcome: str, words: str, at: datetime, by: Actor
) -> SampleCheck:
    """Say what the ward's own record says of an entry; the same words twice are once, other words are a new check."""
    row = queries.row(found, line_id, by)
    policy.require(by, Permission.SAMPLE_CHECK, queries.LineScope(row.line), see=Permission.SAMPLE_READ)
    words = plain(words)
    rules.require_check(outcome, words)
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    deid.require_clean(words, field="words")
    last = row.latest
    if last is not None and (last.outcome, last.words, last.person_id) == (outcome, words, by.person_id):
        return last
    made = SampleCheck(
        line_id=row.line.id,
        number=last.number + 1 if last else 1,
        outcome=outcome,
        words=words,
        person_id=by.person_id,
        account_id=by.account_id,
        at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
            db.session.flush()
    except IntegrityError as fault:  # somebody was faster
        raise RuleBroken("checked_meanwhile", _("Somebody else has just checked this entry.")) from fault
    audit.record(
        "logbooks.sample.check",
        scope=f"programme:{found.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"sample-line:{row.line.public_id}",
        outcome=outcome,
        number=made.number,
    )
    return made
