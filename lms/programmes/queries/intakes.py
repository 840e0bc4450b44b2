"""Questions about programmes one may change, and about timetables."""

from collections.abc import Sequence
from datetime import datetime, time

from sqlalchemy import select

from lms import policy
from lms.core.clock import BEIJING
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.ports import Dated
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, CohortEvent, Enrolment, Programme


def programme(public_id: str, by: Actor) -> Programme:
    """A programme that the actor runs. Raises NotFound."""
    found = db.session.scalar(select(Programme).where(Programme.public_id == public_id))
    if found is None:
        raise NotFound
    policy.require(by, Permission.COHORT_MANAGE, found)
    return found


def events(cohort: Cohort) -> Sequence[CohortEvent]:
    """The timetable of a cohort in order of time. Ask ``cohort`` first: it holds the door."""
    found = db.session.scalars(
        select(CohortEvent).where(CohortEvent.cohort_id == cohort.id, CohortEvent.removed_at.is_(None))
    )
    return sorted(found, key=lambda one: (one.day, one.begins or time.min, one.id))


def event(cohort: Cohort, public_id: str) -> CohortEvent:
    """One date of a cohort's timetable. Raises NotFound."""
    found = db.session.scalar(
        select(CohortEvent).where(CohortEvent.cohort_id == cohort.id, CohortEvent.public_id == public_id)
    )
    if found is None:
        raise NotFound
    return found


def event_dates(person_id: int) -> Sequence[Dated]:
    """The timetables of a person's cohorts, for their calendar."""
    found = db.session.scalars(
        select(CohortEvent)
        .join(Enrolment, Enrolment.cohort_id == CohortEvent.cohort_id)
        .where(
            Enrolment.person_id == person_id,
            Enrolment.state != "withdrawn",
            CohortEvent.removed_at.is_(None),
        )
        .order_by(CohortEvent.day, CohortEvent.id)
    )
    return [_dated(one) for one in found]


def _dated(one: CohortEvent) -> Dated:
    at = f" · {one.place}" if one.place else ""
    begins, ends = one.day, one.day
    if one.begins is not None:
        begins = datetime.combine(one.day, one.begins, BEIJING)
        ends = datetime.combine(one.day, one.ends or one.begins, BEIJING)
    return Dated(f"event-{one.public_id}", one.title_zh + at, one.title_en + at, begins, ends, "/calendar")
