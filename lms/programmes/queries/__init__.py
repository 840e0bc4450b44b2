"""Questions about places, cohorts, enrolments and pairings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms import policy
from lms.accounts.models import Person
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.ports import Scope
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort, Enrolment, Hospital, Pairing, Placement, Programme

RUNNERS = (
    Role.COORDINATOR,
    Role.DIRECTOR,
    Role.ADMINISTRATOR,
    Role.AUDITOR,
    Role.EDUCATOR,
    Role.EDUCATION_OFFICE,
)


def cohorts(by: Actor) -> Sequence[Cohort]:
    """The cohorts the actor may look at, the newest first, their programmes loaded."""
    query = (
        select(Cohort)
        .options(joinedload(Cohort.programme))
        .order_by(Cohort.start_on.desc(), Cohort.id.desc())
    )
    cohort_ids = by.scope_ids("cohort", *RUNNERS)
    programme_ids = by.scope_ids("programme", *RUNNERS)
    if cohort_ids is not None and programme_ids is not None:
        query = query.where(Cohort.id.in_(cohort_ids) | Cohort.programme_id.in_(programme_ids))
    return db.session.scalars(query).all()


def cohort(public_id: str, by: Actor, *, permission: Permission = Permission.COHORT_READ) -> Cohort:
    """One cohort with its programme and sponsor. Raises NotFound."""
    found = db.session.scalar(
        select(Cohort)
        .options(joinedload(Cohort.programme).joinedload(Programme.sponsor))
        .where(Cohort.public_id == public_id)
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, found)
    return found


def roll(cohort: Cohort) -> Sequence[Enrolment]:
    """All enrolments of a cohort with person and home hospital, by name. Ask ``cohort`` first: it holds the door."""
    return db.session.scalars(
        select(Enrolment)
        .options(joinedload(Enrolment.person), joinedload(Enrolment.home_hospital))
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.cohort_id == cohort.id)
        .order_by(Person.name_latin, Person.id)
    ).all()


def enrolment_counts(cohort_ids: Iterable[int]) -> dict[int, int]:
    """How many trainees each cohort has."""
    rows = db.session.execute(
        select(Enrolment.cohort_id, func.count())
        .where(Enrolment.cohort_id.in_(list(cohort_ids)))
        .group_by(Enrolment.cohort_id)
    )
    return {row[0]: row[1] for row in rows}


def _loaded(query: Select[Enrolment]) -> Select[Enrolment]:
    return query.options(
        joinedload(Enrolment.person),
        joinedload(Enrolment.home_hospital),
        joinedload(Enrolment.cohort).joinedload(Cohort.programme).joinedload(Programme.sponsor),
    )


def own_enrolment(by: Actor) -> Enrolment | None:
    """The actor's own training that runs now (the latest), cohort and programme loaded; None for whoever is no trainee."""
    return db.session.scalar(
        _loaded(select(Enrolment))
        .where(Enrolment.person_id == by.person_id, Enrolment.state != "withdrawn")
        .order_by(Enrolment.id.desc())
        .limit(1)
    )


def enrolment(public_id: str, by: Actor) -> Enrolment:
    """One enrolment with all that surrounds it. Raises NotFound for whoever has no business with it."""
    found = db.session.scalar(_loaded(select(Enrolment)).where(Enrolment.public_id == public_id))
    if found is None:
        raise NotFound
    if not may_see_enrolment(by, found):
        raise NotFound
    return found


def may_see_enrolment(by: Actor, enrolment: Enrolment) -> bool:
    """Whether the policy lets the actor read this enrolment; mentors are looked up here."""
    scope = EnrolmentScope(
        enrolment.person_id,
        enrolment.cohort_id,
        enrolment.cohort.programme_id,
        frozenset(mentor_ids(enrolment.id)),
    )
    return policy.allows(by, Permission.ENROLMENT_READ, scope)


class EnrolmentScope:
    """The shape of an enrolment that the policy table asks for."""

    def __init__(
        self, trainee_person_id: int, cohort_id: int, programme_id: int, mentor_person_ids: frozenset[int]
    ) -> None:
        self.trainee_person_id = trainee_person_id
        self.cohort_id = cohort_id
        self.programme_id = programme_id
        self.mentor_person_ids = mentor_person_ids


def mentor_ids(enrolment_id: int) -> set[int]:
    """Persons who mentor or assess this trainee now or did before (they keep sight of what they signed)."""
    return set(
        db.session.scalars(
            select(Pairing.mentor_person_id)
            .join(Placement, Placement.id == Pairing.placement_id)
            .where(Placement.enrolment_id == enrolment_id)
        )
    )


def mentees(by: Actor, *, on: date) -> Sequence[Enrolment]:
    """The trainees whom the actor mentors or assesses on a day, placements loaded."""
    return db.session.scalars(
        _loaded(select(Enrolment))
        .options(selectinload(Enrolment.placements))
        .where(
            Enrolment.id.in_(
                select(Placement.enrolment_id)
                .join(Pairing, Pairing.placement_id == Placement.id)
                .where(Pairing.mentor_person_id == by.person_id, Pairing.from_on <= on, Pairing.to_on >= on)
            )
        )
        .order_by(Enrolment.id)
    ).all()


def placement_on(enrolment_id: int, day: date) -> Placement | None:
    """Where the trainee works on a day."""
    return db.session.scalar(
        select(Placement)
        .where(Placement.enrolment_id == enrolment_id, Placement.from_on <= day, Placement.to_on >= day)
        .order_by(Placement.id.desc())
        .limit(1)
    )


def placements(enrolment_id: int) -> Sequence[Placement]:
    """All placements of a trainee with their pairings and mentors, in order of time."""
    return db.session.scalars(
        select(Placement)
        .options(selectinload(Placement.pairings).joinedload(Pairing.mentor))
        .where(Placement.enrolment_id == enrolment_id)
        .order_by(Placement.from_on)
    ).all()


def signers_on(enrolment_id: int, day: date) -> Sequence[Pairing]:
    """Who may sign for what the trainee did on a day: the primary mentor first, then second assessor and deputies."""
    rows = db.session.scalars(
        select(Pairing)
        .options(joinedload(Pairing.mentor))
        .join(Placement, Placement.id == Pairing.placement_id)
        .where(Placement.enrolment_id == enrolment_id, Pairing.from_on <= day, Pairing.to_on >= day)
        .order_by(Pairing.id)
    ).all()
    return sorted(rows, key=lambda pairing: ("primary", "second", "deputy").index(pairing.kind))


def pairings_between(enrolment_id: int, first: date, last: date) -> Sequence[Pairing]:
    """Who supervised a trainee on any day of a span, mentors loaded."""
    return db.session.scalars(
        select(Pairing)
        .options(joinedload(Pairing.mentor))
        .join(Placement, Placement.id == Pairing.placement_id)
        .where(Placement.enrolment_id == enrolment_id, Pairing.from_on <= last, Pairing.to_on >= first)
        .order_by(Pairing.id)
    ).all()


def scopes() -> Sequence[Scope]:
    """Every place in which a role can be held: programmes with their cohorts (the newest first), then hospitals."""
    found: list[Scope] = []
    cohorts = db.session.scalars(select(Cohort).order_by(Cohort.start_on.desc(), Cohort.id.desc())).all()
    for programme in db.session.scalars(select(Programme).order_by(Programme.id)):
        found.append(
            Scope(
                f"programme:{programme.id}",
                "programme",
                programme.title_zh,
                programme.title_en,
                programme.code,
            )
        )
        found += [
            Scope(
                f"cohort:{cohort.id}",
                "cohort",
                cohort.name_zh,
                cohort.name_en,
                cohort.code,
                inside=f"programme:{programme.id}",
            )
            for cohort in cohorts
            if cohort.programme_id == programme.id
        ]
    found += [
        Scope(f"hospital:{hospital.id}", "hospital", hospital.name_zh, hospital.name_en, hospital.code)
        for hospital in db.session.scalars(select(Hospital).order_by(Hospital.name_zh))
    ]
    return found


def tracks() -> Sequence[tuple[str, str]]:
    """The tracks that a trainee can follow, with their names."""
    names = {"PED": _("Pediatrician"), "GP": _("General practitioner"), "NURSE": _("Nurse")}
    return [(code, names[code]) for code in ("PED", "GP", "NURSE")]


# ---------------------------------------------------------------- pages


MANAGERS = (Role.COORDINATOR, Role.DIRECTOR, Role.ADMINISTRATOR)
"""Who opens cohorts, enrols, places and pairs."""


@dataclass(frozen=True)
class Where:
    """Where a trainee works on a day, and with whom."""

    unit: str = ""
    mentors: tuple[str, ...] = ()
    """Names of primary mentors."""
    seconds: tuple[str, ...] = ()
    """Names of second assessors and deputies."""


@dataclass(frozen=True)
class RollRow:
    """A trainee in a cohort's roll."""

    enrolment: Enrolment
    where: Where


def roll_page(
    cohort: Cohort, *, on: date, search: str = "", page: int = 1, per_page: int = 50
) -> tuple[list[RollRow], int]:
    """One page of a cohort's roll by name, and how many trainees fit. Ask ``cohort`` first: it holds the door."""
    conditions: list[ColumnElement[bool]] = [Enrolment.cohort_id == cohort.id]
    if search.strip():
        names = (Person.name_zh, Person.name_latin, Person.name_native, Hospital.name_zh, Hospital.name_en)
        wanted = search.strip().lower()
        conditions.append(or_(*(func.lower(name).contains(wanted, autoescape=True) for name in names)))
    fitting = (
        select(Enrolment)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(Hospital, Hospital.id == Enrolment.home_hospital_id)
        .where(*conditions)
    )
    total = db.session.scalar(fitting.with_only_columns(func.count(Enrolment.id))) or 0
    rows = db.session.scalars(
        fitting.options(joinedload(Enrolment.person), joinedload(Enrolment.home_hospital))
        .order_by(Person.name_latin, Person.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    places = where_on([row.id for row in rows], on=on)
    return [RollRow(row, places.get(row.id, Where())) for row in rows], total


def whole_roll(cohort: Cohort, *, on: date) -> list[RollRow]:
    """All trainees of a cohort with unit and mentors of a day, by name; for the export."""
    rows = roll(cohort)
    places = where_on(None, on=on, cohort_id=cohort.id)
    return [RollRow(row, places.get(row.id, Where())) for row in rows]


def where_on(
    enrolment_ids: Sequence[int] | None, *, on: date, cohort_id: int | None = None
) -> dict[int, Where]:
    """Unit and mentors of trainees on a day, by enrolment id; of a whole cohort where no ids are given."""
    if enrolment_ids is not None and not enrolment_ids:
        return {}
    query = (
        select(Placement.enrolment_id, Placement.unit, Pairing.kind, Person.name_zh, Person.name_latin)
        .outerjoin(
            Pairing, (Pairing.placement_id == Placement.id) & (Pairing.from_on <= on) & (Pairing.to_on >= on)
        )
        .outerjoin(Person, Person.id == Pairing.mentor_person_id)
        .where(Placement.from_on <= on, Placement.to_on >= on)
        .order_by(Pairing.id)
    )
    if enrolment_ids is None:
        query = query.join(Enrolment, Enrolment.id == Placement.enrolment_id).where(
            Enrolment.cohort_id == cohort_id
        )
    else:
        query = query.where(Placement.enrolment_id.in_(enrolment_ids))
    found: dict[int, Where] = {}
    for enrolment_id, unit, kind, name_zh, name_latin in db.session.execute(query):
        before = found.get(enrolment_id, Where(unit))
        name = (name_zh or name_latin,) if kind else ()
        if kind == "primary":
            before = Where(before.unit, before.mentors + name, before.seconds)
        else:
            before = Where(before.unit, before.mentors, before.seconds + name)
        found[enrolment_id] = before
    return found


def managed_programmes(by: Actor) -> Sequence[Programme]:
    """The programmes in which the actor may open a cohort."""
    query = select(Programme).order_by(Programme.code)
    numbers = by.scope_ids("programme", *MANAGERS)
    if numbers is not None:
        query = query.where(Programme.id.in_(numbers))
    return db.session.scalars(query).all()


def hospitals() -> Sequence[Hospital]:
    """Every open hospital by its Chinese name."""
    return db.session.scalars(
        select(Hospital).where(Hospital.closed_on.is_(None)).order_by(Hospital.name_zh)
    ).all()


def hospital(public_id: str) -> Hospital | None:
    """One hospital."""
    return db.session.scalar(select(Hospital).where(Hospital.public_id == public_id))


def managed_enrolment(public_id: str, by: Actor) -> Enrolment:
    """An enrolment that the actor may place and pair. NotFound for strangers, NotAllowed for who may only read it."""
    found = enrolment(public_id, by)
    policy.require(by, Permission.COHORT_MANAGE, found.cohort, see=Permission.COHORT_READ)
    return found


def colleagues(programme_id: int) -> Sequence[Person]:
    """Who mentors or assesses anybody in the programme, by name."""
    return db.session.scalars(
        select(Person)
        .where(
            Person.id.in_(
                select(Pairing.mentor_person_id)
                .join(Placement, Placement.id == Pairing.placement_id)
                .join(Enrolment, Enrolment.id == Placement.enrolment_id)
                .join(Cohort, Cohort.id == Enrolment.cohort_id)
                .where(Cohort.programme_id == programme_id)
            )
        )
        .order_by(Person.name_zh, Person.id)
    ).all()
