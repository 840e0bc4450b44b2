"""Questions about the duty roster: a person's days, a ward's week, what comes next in each unit."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from lms.accounts.models import Person
from lms.core.db import db
from lms.core.ports import Dated
from lms.programmes.models import Cohort, Duty, Enrolment, Pairing, Placement
from lms.programmes.rules import roster as rules


def standing() -> Select[Duty]:
    """The rows that no later roster has replaced."""
    later = aliased(Duty)
    return select(Duty).where(~exists().where(later.supersedes_id == Duty.id))


def of_enrolment(
    enrolment: Enrolment, *, first: date | None = None, last: date | None = None
) -> dict[date, Duty]:
    """What the roster says of a trainee, by day."""
    query = standing().where(Duty.cohort_id == enrolment.cohort_id, Duty.person_id == enrolment.person_id)
    if first is not None:
        query = query.where(Duty.day >= first)
    if last is not None:
        query = query.where(Duty.day <= last)
    return {row.day: row for row in db.session.scalars(query)}


def of_people(
    cohort_id: int, person_ids: Collection[int], days: Collection[date]
) -> dict[tuple[int, date], Duty]:
    """What stands for some people between the first and the last of some days, by person and day."""
    if not days:
        return {}
    query = standing().where(
        Duty.cohort_id == cohort_id,
        Duty.person_id.in_(person_ids),
        Duty.day.between(min(days), max(days)),
    )
    return {(row.person_id, row.day): row for row in db.session.scalars(query)}


def shifts_of_cohort(cohort: Cohort, first: date, last: date) -> dict[tuple[int, date], str]:
    """Planned shifts of everybody in a cohort, by person and day."""
    query = standing().where(Duty.cohort_id == cohort.id, Duty.day.between(first, last))
    return {(row.person_id, row.day): row.shift for row in db.session.scalars(query)}


@dataclass(frozen=True)
class Member:
    """Somebody whose days a cohort's roster may name."""

    person: Person
    is_trainee: bool
    stays: tuple[tuple[str, date, date], ...]
    """A trainee's placements, or of a mentor the units and days of the pairings."""

    def unit_on(self, day: date) -> str:
        """Where they are on a day; empty for nowhere."""
        return next((unit for unit, first, last in self.stays if first <= day <= last), "")


def members(cohort: Cohort) -> list[Member]:
    """Trainees of a cohort who have not left, and those who are paired with any of them. Ask ``cohort`` first."""
    rows = db.session.scalars(
        select(Enrolment)
        .options(
            joinedload(Enrolment.person),
            selectinload(Enrolment.placements).selectinload(Placement.pairings).joinedload(Pairing.mentor),
        )
        .where(Enrolment.cohort_id == cohort.id, Enrolment.state != "withdrawn")
    ).all()
    people: dict[int, Person] = {}
    stays: dict[int, list[tuple[str, date, date]]] = defaultdict(list)
    for row in rows:
        for placement in row.placements:
            for pairing in placement.pairings:
                people[pairing.mentor_person_id] = pairing.mentor
                stays[pairing.mentor_person_id].append((placement.unit, pairing.from_on, pairing.to_on))
    own = [
        Member(row.person, is_trainee=True, stays=tuple((p.unit, p.from_on, p.to_on) for p in row.placements))
        for row in rows
    ]
    trainees = {row.person_id for row in rows}
    others = [
        Member(person, is_trainee=False, stays=tuple(stays[number]))
        for number, person in people.items()
        if number not in trainees
    ]
    return own + others


# ---------------------------------------------------------------- a ward's week


@dataclass(frozen=True)
class WeekRow:
    """One person's week in a ward."""

    person: Person
    is_trainee: bool
    shifts: tuple[str, ...]
    """Monday to Sunday; empty where the roster says nothing."""


def ward_week(cohort: Cohort, monday: date, *, unit: str = "") -> list[WeekRow]:
    """Who of a cohort is on which shift in a week, trainees first, by name; of one unit where one is given.

    Ask ``cohort`` first: it holds the door.
    """
    days = [monday + timedelta(days=n) for n in range(7)]
    query = (
        standing()
        .options(joinedload(Duty.person))
        .where(Duty.cohort_id == cohort.id, Duty.day.between(days[0], days[-1]))
    )
    if unit:
        query = query.where(Duty.unit.in_((unit, "")))
    trainees = set(db.session.scalars(select(Enrolment.person_id).where(Enrolment.cohort_id == cohort.id)))
    found: dict[int, dict[date, str]] = defaultdict(dict)
    people: dict[int, Person] = {}
    for row in db.session.scalars(query):
        people[row.person_id] = row.person
        found[row.person_id][row.day] = row.shift
    rows = [
        WeekRow(people[number], number in trainees, tuple(week.get(day, "") for day in days))
        for number, week in found.items()
    ]
    return sorted(
        rows, key=lambda row: (not row.is_trainee, row.person.name_latin or row.person.name, row.person.id)
    )


# ---------------------------------------------------------------- calendars and chances


def duty_dates(person_id: int) -> Sequence[Dated]:
    """A person's shifts and study days, for their calendar; days off are not dates."""
    rows = db.session.execute(
        standing()
        .with_only_columns(Duty.day, Duty.shift, Duty.unit, Cohort.public_id)
        .join(Cohort, Cohort.id == Duty.cohort_id)
        .where(Duty.person_id == person_id, Duty.shift.in_(rules.PLANNED))
        .order_by(Duty.day)
    )
    found = []
    for day, shift, unit, cohort in rows:
        where = f" · {unit}" if unit and unit != "other" else ""
        name_zh, name_en = rules.SHIFTS[shift]
        found.append(
            Dated(
                f"duty-{cohort}-{day.isoformat()}",
                name_zh + where,
                name_en[0].upper() + name_en[1:] + where,
                day,
                day,
                f"/cohorts/{cohort}/roster?week={day.isoformat()}",
            )
        )
    return found


def next_chances(
    enrolment: Enrolment, placements: Sequence[Placement], *, today: date
) -> dict[str, rules.Chance]:
    """The next time when a trainee is in each unit, by unit; ``placements`` with pairings and mentors. The caller holds the door."""
    stays = [
        rules.Stay(
            one.unit,
            (one.from_on, one.to_on),
            tuple(
                (pairing.mentor_person_id, pairing.mentor.name, (pairing.from_on, pairing.to_on))
                for pairing in one.pairings
                if pairing.kind == "primary"
            ),
        )
        for one in placements
        if one.to_on >= today
    ]
    if not stays:
        return {}
    mentors = {number for stay in stays for number, _name, _span in stay.mentors}
    duties: dict[date, tuple[str, str]] = {}
    there: set[tuple[int, date]] = set()
    for row in db.session.scalars(
        standing().where(
            Duty.cohort_id == enrolment.cohort_id,
            Duty.person_id.in_({enrolment.person_id, *mentors}),
            Duty.day >= today,
        )
    ):
        if row.person_id == enrolment.person_id:
            duties[row.day] = (row.shift, row.unit)
        elif row.shift in rules.WARD:
            there.add((row.person_id, row.day))
    return rules.next_chances(stays, duties, there, today=today)
