"""Questions about attendance: a trainee's week, everything so far, a cohort's week."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased, joinedload

from lms import policy
from lms.core.db import db
from lms.policy import Actor, Permission
from lms.programmes import queries
from lms.programmes.models import Attendance, Cohort, Duty, Enrolment, Placement
from lms.programmes.queries import EnrolmentScope
from lms.programmes.queries import roster as roster_queries
from lms.programmes.queries.meetings import mentors_on, scope_of
from lms.programmes.rules import attendance as rules
from lms.programmes.rules import roster as rosters


def enrolment(public_id: str, by: Actor) -> tuple[Enrolment, Sequence[Placement]]:
    """A trainee whose attendance the actor may read, and their placements. Raises NotFound."""
    found = queries.enrolment(public_id, by)
    placements = queries.placements(found.id)
    policy.require(by, Permission.ATTENDANCE_READ, scope_of(found, placements))
    return found, placements


def scope_on(enrolment: Enrolment, placements: Collection[Placement], day: date) -> EnrolmentScope:
    """The shape of one day: mentors are those of that day."""
    return EnrolmentScope(
        enrolment.person_id,
        enrolment.cohort_id,
        enrolment.cohort.programme_id,
        mentors_on(placements, day),
    )


def placement_of(placements: Iterable[Placement], day: date) -> Placement | None:
    """The placement that a day lies in."""
    return next((one for one in placements if one.from_on <= day <= one.to_on), None)


def _standing() -> Select[Attendance]:
    later = aliased(Attendance)
    return select(Attendance).where(~exists().where(later.supersedes_id == Attendance.id))


def confirmed(
    placements: Collection[Placement], *, first: date | None = None, last: date | None = None
) -> dict[date, Attendance]:
    """What stands for the days of some placements, by day; who confirmed it loaded."""
    query = (
        _standing()
        .options(joinedload(Attendance.confirmer))
        .where(Attendance.placement_id.in_([one.id for one in placements]))
        .order_by(Attendance.day, Attendance.id)
    )
    if first is not None:
        query = query.where(Attendance.day >= first)
    if last is not None:
        query = query.where(Attendance.day <= last)
    return {row.day: row for row in db.session.scalars(query)}


def corrections(placements: Collection[Placement], first: date, last: date) -> Sequence[Attendance]:
    """Rows of some days that were superseded, in the order in which they were written."""
    later = aliased(Attendance)
    return db.session.scalars(
        select(Attendance)
        .options(joinedload(Attendance.confirmer))
        .where(
            Attendance.placement_id.in_([one.id for one in placements]),
            Attendance.day.between(first, last),
            exists().where(later.supersedes_id == Attendance.id),
        )
        .order_by(Attendance.id)
    ).all()


def totals(
    placements: Collection[Placement],
    confirmed: dict[date, Attendance],
    *,
    today: date,
    roster: Mapping[date, Duty] | None = None,
) -> rules.Totals:
    """Planned against attended days up to a day, over all placements; a day of which the roster speaks is as it says."""
    spans = [(one.from_on, one.to_on) for one in placements]
    weekdays = rules.planned_days(spans, until=today)
    shifts = {day: duty.shift for day, duty in (roster or {}).items()}
    planned = rosters.planned_days(weekdays, spans, shifts, until=today)
    return rules.totals(planned, {day: row.kind for day, row in confirmed.items()})


@dataclass(frozen=True)
class Day:
    """One day of a trainee's week."""

    day: date
    placement: Placement | None
    row: Attendance | None
    open: bool
    """Whether the actor may say what it was."""
    earlier: list[Attendance] = field(default_factory=list)


def week(
    enrolment: Enrolment,
    placements: Sequence[Placement],
    known: dict[date, Attendance],
    monday: date,
    *,
    today: date,
    by: Actor,
) -> list[Day]:
    """Seven days with what stands for each, and whether the actor may confirm it."""
    old = corrections(placements, monday, monday + timedelta(days=6))
    found = []
    for n in range(7):
        day = monday + timedelta(days=n)
        placement = placement_of(placements, day)
        scope = scope_on(enrolment, placements, day)
        may = (
            placement is not None and day <= today and policy.allows(by, Permission.ATTENDANCE_CONFIRM, scope)
        )
        found.append(Day(day, placement, known.get(day), may, [one for one in old if one.day == day]))
    return found


@dataclass(frozen=True)
class CohortRow:
    """One trainee's week in a cohort's."""

    enrolment: Enrolment
    kinds: tuple[str, ...]
    """Monday to Sunday; empty where nothing is confirmed, ``-`` outside a placement."""
    planned: tuple[str, ...] = ()
    """The roster's shifts of these days; empty where it says nothing."""


def cohort_week(cohort: Cohort, monday: date) -> list[CohortRow]:
    """A cohort's week, trainees by name. Ask ``queries.cohort`` first: it holds the door."""
    days = [monday + timedelta(days=n) for n in range(7)]
    placed: dict[int, list[tuple[date, date]]] = {}
    spans = db.session.execute(
        select(Placement.enrolment_id, Placement.from_on, Placement.to_on)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id, Placement.from_on <= days[-1], Placement.to_on >= monday)
    )
    for number, first, last in spans:
        placed.setdefault(number, []).append((first, last))
    later = aliased(Attendance)
    rows = db.session.execute(
        select(Placement.enrolment_id, Attendance.day, Attendance.kind)
        .join(Placement, Placement.id == Attendance.placement_id)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(
            Enrolment.cohort_id == cohort.id,
            Attendance.day.between(monday, days[-1]),
            ~exists().where(later.supersedes_id == Attendance.id),
        )
    )
    kinds = {(number, day): kind for number, day, kind in rows}

    def cell(number: int, day: date) -> str:
        if not any(first <= day <= last for first, last in placed.get(number, [])):
            return "-"
        return kinds.get((number, day), "")

    shifts = roster_queries.shifts_of_cohort(cohort, monday, days[-1])
    return [
        CohortRow(
            one,
            tuple(cell(one.id, day) for day in days),
            tuple(shifts.get((one.person_id, day), "") for day in days),
        )
        for one in queries.roll(cohort)
    ]
