"""What the clock does with entries that wait: remind, escalate, let lapse."""

from datetime import datetime

from lms.accounts import queries as accounts
from lms.core import audit, clock, notices
from lms.core.db import db
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry
from lms.logbooks.services.record import CROWDED, LAPSED, REMINDED, appended, fact_key, record, tell
from lms.policy import Role
from lms.programmes import queries as programmes

AT_ONCE = 200
"""Entries of one round of the worker; the next round goes on."""


def escalate(at: datetime) -> None:
    """The worker's chore: on day 3, 7, 14 and after day 30 tell those who can see to it; and of a crowded inbox the director."""
    for entry in queries.due_to_escalate(at, limit=AT_ONCE):
        _escalate(entry, at=at)
    for signer_id, programme_id, count in queries.crowded_signers():
        _crowded(signer_id, programme_id, count, at=at)


def _escalate(entry: Entry, *, at: datetime) -> None:
    assert entry.submitted_at is not None
    assert entry.signer is not None
    rules.move(entry.state, "escalate")
    stage = rules.stage_of(at - entry.submitted_at)
    told: set[int] = set()
    for step in rules.STAGES[entry.escalated : stage]:
        for who in step.who:
            told |= _people(entry, who, at=at)
    entry.escalated = stage
    db.session.flush()
    values = {
        "days": (at - entry.submitted_at).days,
        "trainee": entry.author.name,
        "signer": entry.signer.name,
    }
    for person_id in sorted(told):
        url = "/to-sign" if person_id == entry.signer_person_id else "/logbook"
        tell(person_id, REMINDED, entry, values, url=url, at=at, once=fact_key(entry, f"waits{stage}"))
    record(entry, "escalate", at=at, by=None, revision=entry.revision_no, stage=stage)


def _people(entry: Entry, who: str, *, at: datetime) -> set[int]:
    if who == "signer":
        return {entry.signer_person_id} if entry.signer_person_id else set()
    if who == "paired":
        pairings = programmes.signers_on(entry.enrolment_id, entry.performed_on)
        return {pairing.mentor_person_id for pairing in pairings}
    role = Role.UNIT_LEAD if who == "unit_lead" else Role.DIRECTOR
    scopes = (f"programme:{entry.enrolment.cohort.programme_id}", f"cohort:{entry.cohort_id}")
    return {person.id for person in accounts.persons_with_role(role, *scopes, on=clock.today(at))}


def _crowded(signer_id: int, programme_id: int, count: int, *, at: datetime) -> None:
    """Tell the directors, once a week for each signer."""
    signer = queries.person(signer_id)
    year, week, _day = clock.today(at).isocalendar()
    scope = f"programme:{programme_id}"
    told = False
    for director in accounts.persons_with_role(Role.DIRECTOR, scope, on=clock.today(at)):
        for account in accounts.accounts_of_person(director.id):
            notice = notices.notify(
                account.id,
                CROWDED,
                values={"signer": signer.name, "count": count},
                url="/mentors",
                at=at,
                once=f"inbox:{signer.public_id}:{year}-{week}",
            )
            told = told or notice is not None
    if told:
        audit.record(
            "logbooks.inbox.escalate",
            scope=scope,
            at=at,
            account_id=None,
            subject=f"person:{signer.public_id}",
            open=count,
        )


def lapse(at: datetime) -> None:
    """The worker's chore: thirty days after the end of its placement an entry that nobody decided on lapses."""
    for entry in queries.due_to_lapse(clock.today(at), limit=AT_ONCE):
        after = rules.move(entry.state, "lapse")
        appended(entry, "lapse", reason="", words="", at=at, by=None)
        entry.state = after
        db.session.flush()
        record(entry, "lapse", at=at, by=None, revision=entry.revision_no)
        tell(entry.author_person_id, LAPSED, entry, {}, url="/logbook", at=at)
