"""Tests, their forms and their grade runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import rules
from lms.assessments.models import ExamForm, Grade, GradeRun, Test
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

STAFF = (
    Role.EXAMINER,
    Role.INVIGILATOR,
    Role.EDUCATOR,
    Role.COORDINATOR,
    Role.DIRECTOR,
    Role.ADMINISTRATOR,
    Role.AUDITOR,
)


def loaded_tests() -> Select[Test]:
    """Tests with cohort and programme, to be narrowed by the caller."""
    return select(Test).options(joinedload(Test.cohort).joinedload(Cohort.programme))


def tests(by: Actor) -> Sequence[Test]:
    """The tests the actor may look at, in the order in which they open; cohort and programme loaded."""
    query = loaded_tests().join(Cohort, Cohort.id == Test.cohort_id).order_by(Test.opens_at, Test.id)
    staff = _in_scopes(by, *STAFF)
    if staff is not None:
        own = _in_scopes(by, Role.TRAINEE)
        published = Test.state == rules.TestState.PUBLISHED
        query = query.where(or_(staff, published if own is None else and_(published, own)))
    return db.session.scalars(query).all()


def _in_scopes(by: Actor, *roles: Role) -> ColumnElement[bool] | None:
    """Tests within the cohorts and programmes where the actor holds one of the roles; None: all of them."""
    cohorts, programmes = by.scope_ids("cohort", *roles), by.scope_ids("programme", *roles)
    if cohorts is None or programmes is None:
        return None
    return or_(Test.cohort_id.in_(cohorts), Cohort.programme_id.in_(programmes))


def test(public_id: str, by: Actor, *, permission: Permission = Permission.TEST_READ) -> Test:  # noqa: PT028 (a test of trainees)
    """One test, its cohort and programme loaded. Raises NotFound."""
    found = (
        db.session.scalar(loaded_tests().where(Test.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, found)
    return found


def form_of(test_id: int) -> ExamForm:
    """The sealed paper of a test (the newest)."""
    return db.session.scalars(
        select(ExamForm).where(ExamForm.test_id == test_id).order_by(ExamForm.n.desc()).limit(1)
    ).one()


def run_of(test_id: int) -> GradeRun:
    """The newest grade run: what is handed in now is marked in it."""
    return db.session.scalars(
        select(GradeRun).where(GradeRun.test_id == test_id).order_by(GradeRun.n.desc()).limit(1)
    ).one()


def counting_run(sitting_id: Any) -> Any:
    """The run whose grade counts for a sitting (the newest that has one), as a subquery over its column."""
    newest, own = GradeRun.__table__.alias("newest"), Grade.__table__.alias("own")
    return (
        select(newest.c.id)
        .join(own, own.c.grade_run_id == newest.c.id)
        .where(own.c.sitting_id == sitting_id)
        .order_by(newest.c.n.desc())
        .limit(1)
        .scalar_subquery()
    )
