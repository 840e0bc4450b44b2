"""Acts on programmes and cohorts that stand already: their facts, seats, state and timetable."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import func, select

from lms import policy
from lms.core import audit
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, CohortEvent, Enrolment, Hospital, Placement, Programme
from lms.programmes.rules import intakes as rules
from lms.programmes.rules.mentoring import MOST_CAP


def _set(thing: Any, values: Mapping[str, Any]) -> dict[str, str]:
    """Write what differs; gives back what stood there before, for the trail."""
    before = {name: str(getattr(thing, name)) for name, new in values.items() if getattr(thing, name) != new}
    for name in before:
        setattr(thing, name, values[name])
    db.session.flush()
    return before


def change_programme(
    programme: Programme,
    *,
    title_zh: str,
    title_en: str,
    director_name: str,
    mentor_cap: int | None = None,
    asks_qualification: bool | None = None,
    at: datetime,
    by: Actor,
) -> Programme:
    """Change a programme's names and its director; certificates that were issued keep what they say. Twice is once.

    How many trainees a mentor has and whether they need a qualification is for the director; None leaves it as it is.
    """
    policy.require(by, Permission.COHORT_MANAGE, programme)
    values: dict[str, Any] = {
        "title_zh": title_zh,
        "title_en": title_en,
        "director_name": director_name,
        "mentor_cap": mentor_cap,
        "asks_qualification": asks_qualification,
    }
    if mentor_cap is not None or asks_qualification is not None:
        policy.require(by, Permission.LOAD_EXCEED, programme, see=Permission.COHORT_MANAGE)
    if mentor_cap is not None and not 1 <= mentor_cap <= MOST_CAP:
        raise RuleBroken(
            "mentor_cap", _("The cap is a number from 1 to %(most)s.", most=MOST_CAP), field="mentor_cap"
        )
    before = _set(programme, {name: value for name, value in values.items() if value is not None})
    if before:
        audit.record(
            "programmes.programme.change",
            scope=f"programme:{programme.id}",
            at=at,
            account_id=by.account_id,
            subject=f"programme:{programme.public_id}",
            before=before,
        )
    return programme


def change_cohort(
    cohort: Cohort,
    *,
    name_zh: str,
    name_en: str,
    start_on: date,
    end_on: date,
    hours: int | None,
    seats: dict[str, Any],
    state: str,
    at: datetime,
    by: Actor,
) -> Cohort:
    """Change a cohort's names, dates, hours, seats or state; placements and trainees stay within them. Twice is once."""
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    lock(cohort)
    if state not in rules.STATES:
        raise RuleBroken("cohort_state", _("Choose a state."), field="state")
    first, last = db.session.execute(
        select(func.min(Placement.from_on), func.max(Placement.to_on))
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id)
    ).one()
    rules.require_around(start_on, end_on, first, last)
    if seats != cohort.seats:
        rules.require_seats_enough(seats, taken(cohort))
    before = _set(
        cohort,
        {
            "name_zh": name_zh,
            "name_en": name_en,
            "start_on": start_on,
            "end_on": end_on,
            "hours": hours,
            "seats": seats,
            "state": state,
        },
    )
    if before:
        _record("change", cohort, at=at, by=by, before=before)
    return cohort


def _record(act: str, cohort: Cohort, *, at: datetime, by: Actor, **facts: Any) -> None:
    audit.record(
        f"programmes.cohort.{act}",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"cohort:{cohort.public_id}",
        **facts,
    )


def lock(cohort: Cohort) -> None:
    """Hold a cohort until the end of the act, so that two who take the last seat come one after the other."""
    db.session.refresh(cohort, ["seats", "state"], with_for_update=True)


def taken(cohort: Cohort) -> list[rules.Taken]:
    """Track and region of each who holds a seat; who withdrew holds none."""
    rows = db.session.execute(
        select(Enrolment.track, Hospital.region)
        .outerjoin(Hospital, Hospital.id == Enrolment.home_hospital_id)
        .where(Enrolment.cohort_id == cohort.id, Enrolment.state != "withdrawn")
    )
    return [(track, region or "") for track, region in rows]


def hold_seat(cohort: Cohort, *, track: str, home_hospital: Hospital | None) -> None:
    """Refuse a trainee for whom a cohort has no seat. The cohort is locked before: ``lock``."""
    rules.require_open(cohort.state)
    if cohort.seats:
        region = home_hospital.region if home_hospital else ""
        rules.require_seat(cohort.seats, taken(cohort), track, region)


def add_event(
    cohort: Cohort,
    *,
    title_zh: str,
    title_en: str,
    day: date,
    begins: time | None,
    ends: time | None,
    place: str,
    at: datetime,
    by: Actor,
) -> CohortEvent:
    """Put a date into a cohort's timetable; the same date twice is once."""
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    rules.require_event(day, begins, ends)
    lock(cohort)
    known = db.session.scalar(
        select(CohortEvent).where(
            CohortEvent.cohort_id == cohort.id,
            CohortEvent.removed_at.is_(None),
            CohortEvent.day == day,
            CohortEvent.title_zh == title_zh,
            CohortEvent.begins.is_(None) if begins is None else CohortEvent.begins == begins,
        )
    )
    if known is not None:
        return known
    event = CohortEvent(
        cohort_id=cohort.id,
        title_zh=title_zh,
        title_en=title_en,
        day=day,
        begins=begins,
        ends=ends,
        place=place,
    )
    db.session.add(event)
    db.session.flush()
    _record("event", cohort, at=at, by=by, event=event.public_id)
    return event


def remove_event(cohort: Cohort, event: CohortEvent, *, at: datetime, by: Actor) -> None:
    """Take a date out of a timetable. Twice is once."""
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    if event.removed_at is None:
        event.removed_at = at
        db.session.flush()
        _record("event_removed", cohort, at=at, by=by, event=event.public_id)
