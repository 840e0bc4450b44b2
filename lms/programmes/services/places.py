"""Acts on hospitals. What was said before stays: each change is a new version."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import func, or_, select

from lms import policy
from lms.core import audit, clock
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Hospital, HospitalVersion
from lms.programmes.rules import places as rules
from lms.programmes.rules.places import HospitalFacts


def facts_of(row: Hospital | HospitalVersion) -> HospitalFacts:
    """What a hospital, or a version of it, says."""
    return HospitalFacts(
        row.code,
        row.name_zh,
        row.name_en,
        row.tier,
        row.grade,
        row.county_code,
        row.region,
        row.relation,
        row.closed_on,
    )


def _who(by: Actor | None) -> int | None:
    return by.account_id if by else None


def _write(hospital: Hospital, number: int, *, at: datetime, by: Actor | None, act: str) -> None:
    version = HospitalVersion(
        hospital_id=hospital.id, number=number, at=at, account_id=_who(by), **asdict(facts_of(hospital))
    )
    db.session.add(version)
    db.session.flush()
    audit.record(
        f"programmes.hospital.{act}",
        scope="site",
        at=at,
        account_id=_who(by),
        subject=f"hospital:{hospital.public_id}",
        version=number,
    )


def add_hospital(
    *,
    code: str,
    name_zh: str,
    name_en: str,
    at: datetime,
    by: Actor | None,
    relation: str = "trainee-source",
    tier: str = "",
    grade: str = "",
    county_code: str = "",
    region: str = "",
) -> Hospital:
    """Make a hospital known. ``by`` None: the demonstration."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, None)
    facts = rules.settled(HospitalFacts(code, name_zh, name_en, tier, grade, county_code, region, relation))
    hospital = Hospital(**asdict(facts))
    db.session.add(hospital)
    db.session.flush()
    _write(hospital, 1, at=at, by=by, act="add")
    return hospital


def _free_code() -> str:
    last = db.session.scalar(select(func.max(Hospital.id))) or 0
    return f"H{last + 1}"  # two at once get the same, and the second one is asked to look again


def name_hospital(
    *, name_zh: str, name_en: str, relation: str = "trainee-source", at: datetime, by: Actor
) -> Hospital:
    """The hospital of this Chinese name, made known if it is not."""
    policy.require(by, Permission.COHORT_MANAGE, None)
    known = db.session.scalar(select(Hospital).where(Hospital.name_zh == name_zh).order_by(Hospital.id))
    if known is not None:
        return known
    return add_hospital(code=_free_code(), name_zh=name_zh, name_en=name_en, relation=relation, at=at, by=by)


def enter_hospital(facts: HospitalFacts, *, at: datetime, by: Actor) -> Hospital:
    """Make a hospital known with all that is said of it; the same twice is once. Without a code it gets one.

    Raises RuleBroken ``hospital_known`` or ``code_taken``.
    """
    policy.require(by, Permission.COHORT_MANAGE, None)
    wanted = rules.settled(replace(facts, code=facts.code or _free_code()))
    others = db.session.scalars(
        select(Hospital)
        .where(or_(Hospital.name_zh == wanted.name_zh, Hospital.code == wanted.code))
        .order_by(Hospital.id)
    ).all()
    for other in others:
        if facts_of(other) == (wanted if facts.code else replace(wanted, code=other.code)):
            return other
    _require_unlike(wanted, others)
    return add_hospital(**_given(wanted), at=at, by=by)


def _given(facts: HospitalFacts) -> dict[str, str]:
    given = asdict(facts)
    del given["closed_on"]
    return given


def _require_unlike(wanted: HospitalFacts, others: Iterable[Hospital]) -> None:
    for other in others:
        if other.code == wanted.code:
            raise RuleBroken("code_taken", _("Another hospital already has this code."), field="code")
        if other.name_zh == wanted.name_zh:
            raise RuleBroken(
                "hospital_known", _("A hospital of this name is already known."), field="name_zh"
            )


def change_hospital(
    hospital: Hospital, facts: HospitalFacts, *, seen: int, at: datetime, by: Actor
) -> Hospital:
    """Write down what is now true of a hospital, as a new version; the same facts again make none.

    ``seen`` is the number of the version that the person had before them. Raises RuleBroken ``changed_meanwhile``.
    """
    policy.require(by, Permission.COHORT_MANAGE, None)
    number = _lock(hospital)
    wanted = rules.settled(replace(facts, closed_on=hospital.closed_on))
    if wanted == facts_of(hospital):
        return hospital
    if seen != number:
        raise RuleBroken(
            "changed_meanwhile",
            _(
                "Somebody else changed this hospital meanwhile. Compare with what stands now, then save again."
            ),
        )
    others = db.session.scalars(
        select(Hospital).where(
            or_(Hospital.code == wanted.code, Hospital.name_zh == wanted.name_zh), Hospital.id != hospital.id
        )
    ).all()
    _require_unlike(wanted, others)
    for name, value in asdict(wanted).items():
        setattr(hospital, name, value)
    _write(hospital, number + 1, at=at, by=by, act="change")
    return hospital


def close_hospital(hospital: Hospital, *, at: datetime, by: Actor) -> Hospital:
    """Send no further trainees from a hospital: it is offered nowhere, and what was stays. Twice is once."""
    policy.require(by, Permission.COHORT_MANAGE, None)
    number = _lock(hospital)
    if hospital.closed_on is None:
        hospital.closed_on = clock.today(at)
        _write(hospital, number + 1, at=at, by=by, act="close")
    return hospital


def reopen_hospital(hospital: Hospital, *, at: datetime, by: Actor) -> Hospital:
    """Offer a closed hospital again. Twice is once."""
    policy.require(by, Permission.COHORT_MANAGE, None)
    number = _lock(hospital)
    if hospital.closed_on is not None:
        hospital.closed_on = None
        _write(hospital, number + 1, at=at, by=by, act="reopen")
    return hospital


def _lock(hospital: Hospital) -> int:
    """Hold the hospital until the end of the act; the number of its latest version."""
    db.session.refresh(hospital, with_for_update=True)
    latest = select(func.max(HospitalVersion.number)).where(HospitalVersion.hospital_id == hospital.id)
    return db.session.scalar(latest) or 0
