"""A cohort week by week: who is where with whom, and what is missing, in words."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement
from lms.programmes.rules import board as rules


@dataclass(frozen=True)
class Row:
    """A trainee's line on the board."""

    enrolment: Enrolment
    stretches: Sequence[rules.Stretch]


@dataclass(frozen=True)
class Missing:
    """A gap of a trainee, not yet past."""

    enrolment: Enrolment
    gap: rules.Gap
    unit: str


@dataclass(frozen=True)
class Board:
    """One page of trainees, and what is missing in the whole cohort from today on."""

    rows: Sequence[Row]
    total: int
    missing: Sequence[Missing]
    loads: Sequence[rules.Load]
    names: dict[int, str]
    """Names of mentors by person id."""


def board(cohort: Cohort, *, today: date, page: int = 1, per_page: int = 50, whole: bool = False) -> Board:
    """The board of a cohort; ``whole`` for the export and the print. Ask ``cohort`` first: it holds the door."""
    enrolments = db.session.scalars(
        select(Enrolment)
        .options(joinedload(Enrolment.person))
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.cohort_id == cohort.id, Enrolment.state.in_(("active", "paused")))
        .order_by(Person.name_latin, Person.id)
    ).all()
    stays = _stays(cohort)
    shown = enrolments if whole else enrolments[(page - 1) * per_page : page * per_page]
    week = cohort.week_on(today) if cohort.start_on <= today <= cohort.end_on else 0
    rows = [
        Row(row, rules.stretches(cohort.start_on, cohort.weeks, stays.get(row.id, ()), week)) for row in shown
    ]
    missing = [
        Missing(
            row, gap, next((stay.unit for stay in stays.get(row.id, ()) if stay.key == gap.placement), "")
        )
        for row in enrolments
        if row.state == "active"
        for gap in rules.gaps((cohort.start_on, cohort.end_on), stays.get(row.id, ()))
        if gap.span[1] >= today
    ]
    missing.sort(key=lambda one: (one.gap.span, one.enrolment.id))
    running = {row.id for row in enrolments}
    pairs = [pair for key, of in stays.items() if key in running for stay in of for pair in stay.pairs]
    loads = [load for load in rules.overloads(pairs, cohort.programme.mentor_cap) if load.span[1] >= today]
    return Board(rows, len(enrolments), missing, loads, _names({pair.person_id for pair in pairs}))


def _stays(cohort: Cohort) -> dict[int, list[rules.Stay]]:
    """Every placement of a cohort with its pairings, by enrolment; two questions whatever its size."""
    placements = db.session.execute(
        select(
            Placement.id,
            Placement.enrolment_id,
            Placement.public_id,
            Placement.unit,
            Placement.from_on,
            Placement.to_on,
        )
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id)
        .order_by(Placement.from_on)
    ).all()
    pairs: dict[int, list[rules.Pair]] = defaultdict(list)
    for placement_id, person_id, kind, from_on, to_on in db.session.execute(
        select(Pairing.placement_id, Pairing.mentor_person_id, Pairing.kind, Pairing.from_on, Pairing.to_on)
        .join(Placement, Placement.id == Pairing.placement_id)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id)
        .order_by(Pairing.from_on, Pairing.id)
    ):
        pairs[placement_id].append(rules.Pair(person_id, kind, (from_on, to_on)))
    found: dict[int, list[rules.Stay]] = defaultdict(list)
    for number, enrolment_id, key, unit, from_on, to_on in placements:
        found[enrolment_id].append(rules.Stay(key, unit, (from_on, to_on), tuple(pairs[number])))
    return found


def _names(person_ids: set[int]) -> dict[int, str]:
    rows = db.session.execute(
        select(Person.id, func.coalesce(func.nullif(Person.name_zh, ""), Person.name_latin)).where(
            Person.id.in_(person_ids)
        )
    )
    return {row[0]: row[1] for row in rows}


def _around(query_where: object) -> Sequence[Pairing]:
    return db.session.scalars(
        select(Pairing)
        .options(
            joinedload(Pairing.mentor),
            joinedload(Pairing.placement).joinedload(Placement.enrolment).joinedload(Enrolment.person),
            joinedload(Pairing.placement).joinedload(Placement.enrolment).joinedload(Enrolment.cohort),
        )
        .where(query_where)  # type: ignore[arg-type]
        .order_by(Pairing.from_on, Pairing.id)
    ).all()


def pairing(public_id: str, by: Actor) -> Pairing:
    """One pairing that the actor may end: as coordinator, or as the mentor who gave it. Raises NotFound."""
    found = next(iter(_around(Pairing.public_id == public_id)), None)
    if found is None:
        raise NotFound
    if policy.allows(by, Permission.COHORT_MANAGE, found.placement.enrolment.cohort):
        return found
    if found.given_by_id is not None:
        giver = db.session.scalar(select(Pairing.mentor_person_id).where(Pairing.id == found.given_by_id))
        if giver == by.person_id:
            return found
    raise NotFound


def own_pairings(by: Actor, *, today: date) -> Sequence[Pairing]:
    """The actor's trainees as primary mentor, now and to come."""
    return _around(
        (Pairing.mentor_person_id == by.person_id) & (Pairing.kind == "primary") & (Pairing.to_on >= today)
    )


def given(by: Actor, *, today: date) -> Sequence[Pairing]:
    """What the actor has delegated, now and to come."""
    own = select(Pairing.id).where(Pairing.mentor_person_id == by.person_id)
    return _around(Pairing.given_by_id.in_(own) & (Pairing.to_on >= today))


def pairings_of(mentor: Person, cohort: Cohort, *, from_on: date) -> Sequence[Pairing]:
    """What a mentor holds in a cohort from a day on, delegations apart."""
    in_cohort = (
        select(Placement.id)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id)
    )
    return _around(
        (Pairing.mentor_person_id == mentor.id)
        & Pairing.given_by_id.is_(None)
        & (Pairing.to_on >= from_on)
        & Pairing.placement_id.in_(in_cohort)
    )


def mentors_of(cohort: Cohort, *, from_on: date) -> Sequence[tuple[Person, int]]:
    """Who mentors or assesses in a cohort from a day on, with how many pairings, by name."""
    rows = db.session.execute(
        select(Person, func.count())
        .join(Pairing, Pairing.mentor_person_id == Person.id)
        .join(Placement, Placement.id == Pairing.placement_id)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(Enrolment.cohort_id == cohort.id, Pairing.to_on >= from_on, Pairing.given_by_id.is_(None))
        .group_by(Person.id)
        .order_by(Person.name_zh, Person.id)
    ).all()
    return [(row[0], row[1]) for row in rows]


def deputies(by: Actor, *, today: date) -> Sequence[Person]:
    """Colleagues to whom the actor may delegate: who mentors or assesses in the same programmes, trainees apart."""
    mine = (
        select(Cohort.programme_id)
        .join(Enrolment, Enrolment.cohort_id == Cohort.id)
        .join(Placement, Placement.enrolment_id == Enrolment.id)
        .join(Pairing, Pairing.placement_id == Placement.id)
        .where(Pairing.mentor_person_id == by.person_id, Pairing.kind == "primary", Pairing.to_on >= today)
    )
    colleagues = (
        select(Pairing.mentor_person_id)
        .join(Placement, Placement.id == Pairing.placement_id)
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .join(Cohort, Cohort.id == Enrolment.cohort_id)
        .where(Cohort.programme_id.in_(mine), Pairing.kind != "deputy")
    )
    return db.session.scalars(
        select(Person)
        .where(Person.id.in_(colleagues), Person.id != by.person_id)
        .order_by(Person.name_zh, Person.id)
    ).all()
