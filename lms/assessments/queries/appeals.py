"""Appeals, for the trainee who makes one and for those who answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from lms import policy
from lms.accounts.models import Person
from lms.assessments.models import Appeal, AppealStep, QuestionVersion, Sitting, Test
from lms.assessments.rules import appeals as rule
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import pick
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

ANSWERERS = (Role.EXAMINER, Role.DIRECTOR, Role.EDUCATOR)
READERS = (*ANSWERERS, Role.AUDITOR)


@dataclass(frozen=True)
class Step:
    """Something that was said in an appeal."""

    act: str
    words: str
    name: str
    at: datetime


def _loaded() -> "Select[Appeal]":
    return (
        select(Appeal)
        .join(Appeal.sitting)
        .join(Sitting.test)
        .join(Test.cohort)
        .options(
            contains_eager(Appeal.sitting).options(
                contains_eager(Sitting.test).contains_eager(Test.cohort), joinedload(Sitting.form)
            ),
            joinedload(Appeal.person),
            joinedload(Appeal.version).joinedload(QuestionVersion.question),
        )
    )


def appeal(public_id: str, by: Actor) -> Appeal:
    """One appeal with sitting, test, form, question and person. Raises NotFound for whoever has no business with it."""
    found = (
        db.session.scalar(_loaded().where(Appeal.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.APPEAL_READ, found)
    return found


def appeals(by: Actor, *, state: str = "", limit: int, offset: int) -> tuple[Sequence[Appeal], int]:
    """Appeals that the actor reads as staff, those that wait first and the oldest of them on top; and how many there are."""
    allowed = or_(
        _in_scope(by, Role.EXAMINER, Role.DIRECTOR, Role.AUDITOR),
        and_(_in_scope(by, Role.EDUCATOR), Test.purpose == "practice"),
    )
    wanted = [allowed, *([Appeal.state == state] if state in set(rule.AppealState) else [])]
    total = db.session.scalar(
        select(func.count(Appeal.id)).join(Appeal.sitting).join(Sitting.test).join(Test.cohort).where(*wanted)
    )
    rows = db.session.scalars(
        _loaded().where(*wanted).order_by(Appeal.state != "open", Appeal.id).limit(limit).offset(offset)
    ).all()
    return rows, total or 0


def _in_scope(by: Actor, *roles: Role) -> Any:
    programmes, cohorts = by.scope_ids("programme", *roles), by.scope_ids("cohort", *roles)
    if programmes is None or cohorts is None:
        return Cohort.id.is_not(None)
    return or_(Cohort.programme_id.in_(programmes), Cohort.id.in_(cohorts))


def appeals_of(sitting_id: int) -> dict[int, Appeal]:
    """Slot → its newest appeal."""
    rows = db.session.scalars(select(Appeal).where(Appeal.sitting_id == sitting_id).order_by(Appeal.id))
    return {row.slot: row for row in rows}


def appeal_steps(appeal_id: int) -> Sequence[Step]:
    """What was said, in order."""
    rows = db.session.execute(
        select(AppealStep, Person.name_zh, Person.name_latin)
        .join(Person, Person.id == AppealStep.person_id)
        .where(AppealStep.appeal_id == appeal_id)
        .order_by(AppealStep.id)
    )
    return [Step(row.act, row.words, pick(zh or "", latin or ""), row.at) for row, zh, latin in rows]


def appeals_until(sitting: Sitting) -> datetime | None:
    """Until when questions of a sitting (test loaded) may be appealed; None: not at all, or not yet."""
    test = sitting.test
    return rule.ends_at(test.released_at, sitting.marked_at, test.appeal_days) if test.is_released else None
