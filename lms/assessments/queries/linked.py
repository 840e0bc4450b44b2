"""Tests as courses see them: what they lead to, and what a person has reached there."""

from collections.abc import Collection, Sequence
from fractions import Fraction

from sqlalchemy import func, select

from lms.assessments import rules
from lms.assessments.models import Grade, Sitting, Test
from lms.core.db import db
from lms.core.ports import Dated, LinkedTest
from lms.programmes.models import Enrolment


def _shown(
    test: Test, percent: int | None = None, *, passed: bool = False, handed_in: bool = False
) -> LinkedTest:
    return LinkedTest(
        test.public_id,
        test.title_zh,
        test.title_en,
        test.purpose,
        f"/tests/{test.public_id}",
        test.opens_at,
        test.closes_at,
        percent,
        passed,
        handed_in,
    )


def tests_of(cohort_id: int) -> Sequence[LinkedTest]:
    """All tests of a cohort, by their opening."""
    found = db.session.scalars(
        select(Test).where(Test.cohort_id == cohort_id).order_by(Test.opens_at, Test.id)
    )
    return [_shown(test) for test in found]


def results_in(refs: Collection[str], person_id: int) -> Sequence[LinkedTest]:
    """Published tests with the best result that the person may see, in one query: of each sitting its newest grade."""
    newest = (
        select(func.max(Grade.id)).where(Grade.sitting_id == Sitting.id).correlate(Sitting).scalar_subquery()
    )
    rows = db.session.execute(
        select(Test, Sitting.id, Sitting.state, Grade)
        .outerjoin(Sitting, (Sitting.test_id == Test.id) & (Sitting.trainee_person_id == person_id))
        .outerjoin(Grade, Grade.id == newest)
        .where(Test.public_id.in_(list(refs)), Test.state == "published")
    ).all()
    found: dict[str, LinkedTest] = {}
    for test, sitting_id, state, grade in rows:
        before = found.get(test.public_id) or _shown(test)
        percent, passed = before.percent, before.is_passed
        if grade is not None and test.is_released:
            best = int(rules.percent(grade.score, grade.maximum) or Fraction(0))
            percent = max(best, percent or 0)
            passed = passed or grade.decision == "pass"
        handed_in = before.is_handed_in or (
            sitting_id is not None and state != rules.SittingState.IN_PROGRESS
        )
        found[test.public_id] = _shown(test, percent, passed=passed, handed_in=handed_in)
    return list(found.values())


def test_dates(person_id: int) -> Sequence[Dated]:
    """When the published tests of a person's cohorts are open."""
    found = db.session.scalars(
        select(Test)
        .join(Enrolment, Enrolment.cohort_id == Test.cohort_id)
        .where(Enrolment.person_id == person_id, Enrolment.state != "withdrawn", Test.state == "published")
        .order_by(Test.opens_at, Test.id)
    )
    return [
        Dated(
            f"test-{test.public_id}",
            test.title_zh,
            test.title_en,
            test.opens_at,
            test.closes_at,
            f"/tests/{test.public_id}",
        )
        for test in found
    ]
