"""Who may be a primary mentor: the director's word, entered and corrected, never changed."""

from datetime import date, datetime

from sqlalchemy import select

from lms import policy
from lms.accounts.models import Person
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import MentorQualification, Programme
from lms.programmes.queries import mentoring as queries
from lms.programmes.rules import mentoring as rules


def enter(
    programme: Programme,
    person: Person,
    *,
    title: str,
    years: int,
    from_on: date,
    to_on: date | None,
    reason: str,
    at: datetime,
    by: Actor,
) -> MentorQualification:
    """Enter that a person may be a primary mentor from day to day; twice is once.

    Raises RuleBroken ``qualification_overlaps`` where something is entered for some of these days already.
    """
    policy.require(by, Permission.QUALIFICATION_ENTER, programme, see=Permission.QUALIFICATION_READ)
    deid.require_clean(reason, field="reason")
    rules.require_record(title, years, from_on, to_on)
    _lock(programme)
    for row in queries.qualifications(programme):
        if row.person_id != person.id:
            continue
        if _facts(row) == (title, years, from_on, to_on, reason):
            return row
        if _meet((from_on, to_on), (row.from_on, row.to_on)):
            raise RuleBroken(
                "qualification_overlaps",
                _("For some of these days a qualification is entered already. Correct that one."),
                field="from_on",
            )
    same = select(MentorQualification.id).where(
        MentorQualification.programme_id == programme.id,
        MentorQualification.person_id == person.id,
        MentorQualification.from_on == from_on,
        MentorQualification.supersedes_id.is_(None),
    )
    if db.session.scalar(same) is not None:
        raise RuleBroken(
            "qualification_overlaps",
            _("One that began on this day was corrected since. Correct that one again."),
            field="from_on",
        )
    return _write(programme, person, None, title, years, from_on, to_on, reason, at=at, by=by)


def correct(
    programme: Programme,
    row: MentorQualification,
    *,
    title: str,
    years: int,
    from_on: date,
    to_on: date | None,
    reason: str,
    at: datetime,
    by: Actor,
) -> MentorQualification:
    """Correct or end a qualification that stands; what stood before is superseded and stays. The same again is once."""
    policy.require(by, Permission.QUALIFICATION_ENTER, programme, see=Permission.QUALIFICATION_READ)
    deid.require_clean(reason, field="reason")
    rules.require_record(title, years, from_on, to_on)
    _lock(programme)
    if _facts(row) == (title, years, from_on, to_on, reason):
        return row
    others = queries.qualifications(programme)
    if all(one.id != row.id for one in others):
        raise RuleBroken(
            "changed_meanwhile", _("Somebody else corrected this meanwhile. Look at what stands now.")
        )
    for one in others:
        of_same = one.person_id == row.person_id and one.id != row.id
        if of_same and _meet((from_on, to_on), (one.from_on, one.to_on)):
            raise RuleBroken(
                "qualification_overlaps",
                _("For some of these days another qualification is entered."),
                field="from_on",
            )
    return _write(programme, row.person, row, title, years, from_on, to_on, reason, at=at, by=by)


def _facts(row: MentorQualification) -> tuple[str, int, date, date | None, str]:
    return row.title, row.years, row.from_on, row.to_on, row.reason


def _meet(one: tuple[date, date | None], other: tuple[date, date | None]) -> bool:
    return one[0] <= (other[1] or date.max) and other[0] <= (one[1] or date.max)


def _lock(programme: Programme) -> None:
    db.session.execute(select(Programme.id).where(Programme.id == programme.id).with_for_update())


def _write(
    programme: Programme,
    person: Person,
    before: MentorQualification | None,
    title: str,
    years: int,
    from_on: date,
    to_on: date | None,
    reason: str,
    *,
    at: datetime,
    by: Actor,
) -> MentorQualification:
    row = MentorQualification(
        programme_id=programme.id,
        person_id=person.id,
        title=title,
        years=years,
        from_on=from_on,
        to_on=to_on,
        reason=reason,
        recorded_at=at,
        recorded_by=by.person_id,
        supersedes_id=before.id if before else None,
    )
    row.person = person
    db.session.add(row)
    db.session.flush()
    audit.record(
        f"programmes.qualification.{'correct' if before else 'enter'}",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=by.account_id,
        subject=f"qualification:{row.public_id}",
        person=person.public_id,
        title=title,
        years=years,
        from_on=from_on.isoformat(),
        to_on=to_on.isoformat() if to_on else None,
    )
    return row
