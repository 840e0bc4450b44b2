"""What all acts of this feature share: who did it, where it is written down, which row waits."""

from sqlalchemy import func, select

from lms.core.db import db
from lms.courses.models import Course, Lecture, Module, Unit
from lms.policy import Actor
from lms.programmes.models import Cohort


def who(by: Actor | None) -> int | None:
    """The account to name in the audit trail; None: the demonstration or the site itself."""
    return by.account_id if by else None


def scope_of(cohort: Cohort) -> str:
    """The chain of the audit trail in which acts on a cohort's courses are written."""
    return f"programme:{cohort.programme_id}"


def lock(model: type[Course] | type[Module] | type[Lecture], row_id: int) -> None:
    """Hold a row until the end of the transaction, so that what is appended to it gets the next number."""
    db.session.execute(select(model.id).where(model.id == row_id).with_for_update())


def next_number(module_id: int) -> int:
    """The place after everything that a module holds, lectures and units; lock the module before."""
    last = [
        db.session.scalar(select(func.max(model.number)).where(model.module_id == module_id)) or 0
        for model in (Lecture, Unit)
    ]
    return max(last) + 1


def kind_of(thing: Lecture | Unit) -> str:
    """``lecture`` or ``unit``, as the audit trail and addresses say it."""
    return "lecture" if isinstance(thing, Lecture) else "unit"


def subject_of(thing: Lecture | Unit) -> str:
    """How the audit trail names it."""
    return f"{kind_of(thing)}:{thing.public_id}"
