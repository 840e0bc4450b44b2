"""What waits too long, and how the signers of a programme sign."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import and_, func, or_, select

from lms.accounts.models import Person
from lms.core.db import db
from lms.logbooks import rules
from lms.logbooks.models import Entry
from lms.logbooks.queries.records import shown
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
