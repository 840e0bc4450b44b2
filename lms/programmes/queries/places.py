"""Questions about hospitals and what was said of them before."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, or_, select

from lms import policy
from lms.accounts.models import Account, Person
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment, Hospital, HospitalVersion

SORTS = ("name", "code", "region", "tier")


@dataclass(frozen=True)
class Said:
    """A version of a hospital and who wrote it."""

    version: HospitalVersion
    name: str
    """Of the writer; empty where the product wrote it."""


def hospitals_page(
    by: Actor, *, search: str = "", sort: str = "name", page: int = 1, per_page: int = 50
) -> tuple[Sequence[Hospital], int]:
    """One page of the hospitals that fit, and how many fit."""
    policy.require(by, Permission.COHORT_MANAGE)
    fitting = _fitting(search)
    total = db.session.scalar(fitting.with_only_columns(func.count(Hospital.id))) or 0
    shown = _sorted(fitting, sort).limit(per_page).offset((page - 1) * per_page)
    return db.session.scalars(shown).all(), total


def every_hospital(by: Actor, *, search: str = "", sort: str = "name") -> Sequence[Hospital]:
    """All hospitals that fit, for the export."""
    policy.require(by, Permission.COHORT_MANAGE)
    return db.session.scalars(_sorted(_fitting(search), sort)).all()


def _fitting(search: str) -> Select[Hospital]:
    query = select(Hospital)
    wanted = search.strip().lower()
    if wanted:
        fields = (Hospital.name_zh, Hospital.name_en, Hospital.code, Hospital.county_code)
        query = query.where(or_(*(func.lower(name).contains(wanted, autoescape=True) for name in fields)))
    return query


def _sorted(query: Select[Hospital], sort: str) -> Select[Hospital]:
    column = {
        "code": Hospital.code.asc(),
        "region": Hospital.region.asc(),
        "tier": Hospital.tier.desc(),
    }.get(sort, Hospital.name_zh.asc())
    return query.order_by(column, Hospital.name_zh, Hospital.id)


def hospital_page(public_id: str, by: Actor) -> Hospital:
    """One hospital for whoever keeps the list. Raises NotFound."""
    policy.require(by, Permission.COHORT_MANAGE)
    found = db.session.scalar(select(Hospital).where(Hospital.public_id == public_id))
    if found is None:
        raise NotFound
    return found


def history(hospital: Hospital, *, most: int = 100) -> Sequence[Said]:
    """What was said of a hospital, the latest first. Ask ``hospital_page`` first: it holds the door."""
    rows = db.session.execute(
        select(HospitalVersion, Person.name_zh, Person.name_latin)
        .outerjoin(Account, Account.id == HospitalVersion.account_id)
        .outerjoin(Person, Person.id == Account.person_id)
        .where(HospitalVersion.hospital_id == hospital.id)
        .order_by(HospitalVersion.number.desc())
        .limit(most)
    )
    return [Said(version, name_zh or name_latin or "") for version, name_zh, name_latin in rows]


def sent(hospital: Hospital) -> int:
    """How many trainees came from a hospital."""
    return (
        db.session.scalar(select(func.count(Enrolment.id)).where(Enrolment.home_hospital_id == hospital.id))
        or 0
    )
