"""Acts on places, cohorts, enrolments and pairings."""

from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Grant, Person
from lms.core import audit, clock
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission, Role
from lms.programmes import rules
from lms.programmes.models import Cohort, Enrolment, Hospital, Pairing, Placement, Programme
from lms.programmes.services import intakes, loads
from lms.programmes.services.places import add_hospital as add_hospital
from lms.programmes.services.places import name_hospital as name_hospital


def _who(by: Actor | None) -> int | None:
    return by.account_id if by else None


def add_programme(
    *,
    code: str,
    title_zh: str,
    title_en: str,
    sponsor: Hospital,
    director_name: str,
    is_sample: bool,
    at: datetime,
    by: Actor | None,
) -> Programme:
    """Open a programme."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, None)
    if not code.isascii() or not code.isalnum() or code != code.upper() or not 2 <= len(code) <= 8:
        raise RuleBroken("programme_code", _("The code has 2 to 8 capital letters or digits."), field="code")
    programme = Programme(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        sponsor_id=sponsor.id,
        director_name=director_name,
        is_sample=is_sample,
    )
    programme.sponsor = sponsor
    db.session.add(programme)
    db.session.flush()
    audit.record(
        "programmes.programme.add",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=_who(by),
        subject=f"programme:{programme.public_id}",
    )
    return programme


def open_programme(
    *,
    code: str,
    title_zh: str,
    title_en: str,
    hospital_zh: str,
    hospital_en: str,
    director_name: str,
    at: datetime,
    by: Actor,
) -> Programme:
    """Open a programme of a training hospital, which is made known if it is not; the same programme twice is once.

    Raises RuleBroken ``programme_code`` or ``programme_taken``.
    """
    policy.require(by, Permission.COHORT_MANAGE, None)
    taken = db.session.scalar(
        select(Programme).options(joinedload(Programme.sponsor)).where(Programme.code == code)
    )
    if taken is not None:
        if (taken.title_zh, taken.title_en, taken.sponsor.name_zh) == (title_zh, title_en, hospital_zh):
            return taken
        raise RuleBroken("programme_taken", _("Another programme already has this code."), field="code")
    sponsor = name_hospital(name_zh=hospital_zh, name_en=hospital_en, relation="base", at=at, by=by)
    return add_programme(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        sponsor=sponsor,
        director_name=director_name,
        is_sample=False,
        at=at,
        by=by,
    )


def add_cohort(
    programme: Programme,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    start_on: date,
    end_on: date,
    hours: int | None,
    at: datetime,
    by: Actor | None,
) -> Cohort:
    """Open an intake of a programme."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, programme)
    rules.require_cohort_code(code)
    rules.require_span(start_on, end_on, field="end_on")
    taken = db.session.scalar(select(Cohort).where(Cohort.programme_id == programme.id, Cohort.code == code))
    if taken is not None:
        if (taken.name_zh, taken.name_en, taken.start_on, taken.end_on) == (
            name_zh,
            name_en,
            start_on,
            end_on,
        ):
            return taken
        raise RuleBroken(
            "code_taken", _("Another cohort of this programme already has this code."), field="code"
        )
    cohort = Cohort(
        programme_id=programme.id,
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        start_on=start_on,
        end_on=end_on,
        hours=hours,
    )
    cohort.programme = programme
    db.session.add(cohort)
    db.session.flush()
    audit.record(
        "programmes.cohort.add",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=_who(by),
        subject=f"cohort:{cohort.public_id}",
    )
    return cohort


def enrol(
    person: Person,
    cohort: Cohort,
    *,
    track: str,
    home_hospital: Hospital | None,
    at: datetime,
    by: Actor | None,
) -> Enrolment:
    """Enrol a person in a cohort; twice is once. The trainee's role begins with it."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, cohort)
    if track not in rules.TRACKS:
        raise RuleBroken("track", _("Choose a track."), field="track")
    intakes.lock(cohort)
    found = db.session.scalar(
        select(Enrolment)
        .options(joinedload(Enrolment.cohort))
        .where(Enrolment.cohort_id == cohort.id, Enrolment.person_id == person.id)
    )
    if found is not None:
        _give_trainee_role(person, cohort, at=at, by=by)
        return found
    intakes.hold_seat(cohort, track=track, home_hospital=home_hospital)
    row = Enrolment(
        cohort_id=cohort.id,
        person_id=person.id,
        track=track,
        home_hospital_id=home_hospital.id if home_hospital else None,
        enrolled_at=at,
    )
    row.cohort, row.person, row.home_hospital = cohort, person, home_hospital
    db.session.add(row)
    _give_trainee_role(person, cohort, at=at, by=by)
    db.session.flush()
    audit.record(
        "programmes.enrolment.add",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"enrolment:{row.public_id}",
    )
    return row


def _give_trainee_role(person: Person, cohort: Cohort, *, at: datetime, by: Actor | None) -> None:
    """The trainee's role in the cohort, from today, unless it is held already (it may have been ended by mistake)."""
    scope, today = f"cohort:{cohort.id}", clock.today(at)
    held = db.session.scalar(
        select(Grant.id).where(
            Grant.person_id == person.id,
            Grant.role == Role.TRAINEE,
            Grant.scope == scope,
            or_(Grant.to_on.is_(None), Grant.to_on >= today),
            Grant.ended_at.is_(None),
        )
    )
    if held is None:
        db.session.add(
            Grant(person_id=person.id, role=Role.TRAINEE, scope=scope, from_on=today, granted_by=_who(by))
        )
        db.session.flush()


def enrol_at(person: Person, scope: str, *, track: str, at: datetime, by: Actor | None) -> Enrolment:
    """Enrol a person in the cohort of a scope code (``cohort:12``), home hospital not yet known. Raises NotFound."""
    kind, _colon, number = scope.partition(":")
    cohort = db.session.get(Cohort, int(number)) if kind == "cohort" and number.isdigit() else None
    if cohort is None:
        raise NotFound
    return enrol(person, cohort, track=track, home_hospital=None, at=at, by=by)


def place(
    enrolment: Enrolment, *, unit: str, from_on: date, to_on: date, at: datetime, by: Actor | None
) -> Placement:
    """Give a trainee their weeks in a unit; the same weeks twice are once."""
    cohort = enrolment.cohort
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, cohort)
    if unit not in rules.UNITS:
        raise RuleBroken("unit", _("Choose a unit."), field="unit")
    rules.require_span(from_on, to_on, within=(cohort.start_on, cohort.end_on))
    db.session.execute(select(Enrolment.id).where(Enrolment.id == enrolment.id).with_for_update())
    others = db.session.scalars(select(Placement).where(Placement.enrolment_id == enrolment.id)).all()
    for other in others:
        if (other.unit, other.from_on, other.to_on) == (unit, from_on, to_on):
            return other
    if rules.overlaps((from_on, to_on), [(other.from_on, other.to_on) for other in others]):
        raise RuleBroken(
            "placement_overlaps",
            _("On some of these days the trainee is already placed elsewhere."),
            field="from_on",
        )
    placement = Placement(enrolment_id=enrolment.id, unit=unit, from_on=from_on, to_on=to_on)
    db.session.add(placement)
    db.session.flush()
    audit.record(
        "programmes.placement.add",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"enrolment:{enrolment.public_id}",
        unit=unit,
    )
    return placement


def pair(
    enrolment: Enrolment,
    placement: Placement,
    mentor: Person,
    *,
    kind: str,
    from_on: date,
    to_on: date,
    at: datetime,
    by: Actor | None,
    beyond: str = "",
) -> Pairing:
    """Pair a trainee with a mentor, second assessor or deputy for some days of a placement; twice is once.

    ``beyond``: the director's reason for passing the load cap.
    """
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, enrolment.cohort)
    return join(
        enrolment, placement, mentor, kind=kind, from_on=from_on, to_on=to_on, at=at, by=by, beyond=beyond
    )


def join(
    enrolment: Enrolment,
    placement: Placement,
    mentor: Person,
    *,
    kind: str,
    from_on: date,
    to_on: date,
    at: datetime,
    by: Actor | None,
    given_by: Pairing | None = None,
    reason: str = "",
    beyond: str = "",
) -> Pairing:
    """``pair`` for whoever was found to be allowed it: the coordinator, or the mentor who delegates (``given_by``)."""
    cohort = enrolment.cohort
    if kind not in rules.KINDS:
        raise RuleBroken("pairing_kind", _("Choose what the colleague will be."), field="kind")
    rules.require_other_person(enrolment.person_id, mentor.id)
    rules.require_span(from_on, to_on, within=(placement.from_on, placement.to_on))
    db.session.execute(select(Placement.id).where(Placement.id == placement.id).with_for_update())
    others = db.session.scalars(
        select(Pairing).options(joinedload(Pairing.mentor)).where(Pairing.placement_id == placement.id)
    ).all()
    for other in others:
        if (other.mentor_person_id, other.kind, other.from_on, other.to_on) == (
            mentor.id,
            kind,
            from_on,
            to_on,
        ):
            return other
    primaries = [(other.from_on, other.to_on) for other in others if other.kind == "primary"]
    rules.require_single_primary(kind, (from_on, to_on), primaries)
    if kind == "primary" and by is not None:  # what the product itself sets up has been thought about
        loads.require_fit(enrolment, mentor, (from_on, to_on), beyond=beyond, at=at, by=by)
    pairing = Pairing(
        placement_id=placement.id,
        mentor_person_id=mentor.id,
        kind=kind,
        from_on=from_on,
        to_on=to_on,
        given_by_id=given_by.id if given_by else None,
        reason=reason or beyond,
    )
    pairing.mentor = mentor
    db.session.add(pairing)
    role = Role.SECOND_ASSESSOR if kind == "second" else Role.MENTOR
    scope = f"cohort:{cohort.id}"
    held = db.session.scalar(
        select(Grant.id).where(
            Grant.person_id == mentor.id, Grant.role == role, Grant.scope == scope, Grant.to_on.is_(None)
        )
    )
    if held is None:
        db.session.add(
            Grant(person_id=mentor.id, role=role, scope=scope, from_on=clock.today(at), granted_by=_who(by))
        )
    db.session.flush()
    audit.record(
        "programmes.pairing.add",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"enrolment:{enrolment.public_id}",
        kind=kind,
        person=mentor.public_id,
        from_on=from_on.isoformat(),
        to_on=to_on.isoformat(),
    )
    return pairing
