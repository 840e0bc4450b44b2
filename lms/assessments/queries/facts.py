"""What certificates count."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select

from lms.assessments import rules
from lms.assessments.models import Grade, Sitting, Test
from lms.assessments.queries.catalogue import counting_run
from lms.core.db import db
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class TestFacts:
    """How many tests an enrolment's cohort has, and how many of them it passed."""

    tests_total: int
    tests_passed: int


def test_facts(cohort_id: int) -> dict[int, TestFacts]:
    """Enrolment → facts, for a whole cohort in three queries; only published tests, none for practice, and released results of the newest run."""
    enrolments = db.session.scalars(select(Enrolment.id).where(Enrolment.cohort_id == cohort_id)).all()
    total = _published(cohort_id)
    passed = _passed_counts(Sitting.test_id.in_(select(Test.id).where(Test.cohort_id == cohort_id)))
    return {number: TestFacts(total, passed.get(number, 0)) for number in enrolments}


def test_facts_of(enrolment: Enrolment) -> TestFacts:
    """The facts of one enrolment, in two queries."""
    return TestFacts(_published(enrolment.cohort_id), passed_tests([enrolment.id]).get(enrolment.id, 0))


def passed_tests(enrolment_ids: Iterable[int]) -> dict[int, int]:
    """Enrolment → number of different tests passed, as far as results are released; none is left out as 0."""
    return _passed_counts(Sitting.enrolment_id.in_(list(enrolment_ids)))


def passed_of(test: Test, enrolment_id: int) -> bool:
    """Whether an enrolment has passed a test by its newest run, released or not."""
    found = db.session.execute(
        select(Grade.id)
        .join(Sitting, Sitting.id == Grade.sitting_id)
        .where(
            Sitting.test_id == test.id,
            Sitting.enrolment_id == enrolment_id,
            Grade.grade_run_id == counting_run(Sitting.id),
            Grade.decision == "pass",
        )
        .limit(1)
    )
    return found.first() is not None


def _published(cohort_id: int) -> int:
    return db.session.execute(
        select(func.count()).where(
            Test.cohort_id == cohort_id,
            Test.state == rules.TestState.PUBLISHED,
            Test.purpose == rules.Purpose.EXAM,
        )
    ).scalar_one()


def _passed_counts(which: Any) -> dict[int, int]:
    rows = db.session.execute(
        select(Sitting.enrolment_id, func.count(Sitting.test_id.distinct()))
        .join(Test, Test.id == Sitting.test_id)
        .join(Grade, and_(Grade.sitting_id == Sitting.id, Grade.grade_run_id == counting_run(Sitting.id)))
        .where(
            which,
            Grade.decision == "pass",
            Test.state == rules.TestState.PUBLISHED,
            Test.purpose == rules.Purpose.EXAM,
            or_(Test.release == rules.Release.AT_ONCE, Test.released_at.is_not(None)),
        )
        .group_by(Sitting.enrolment_id)
    )
    return dict(rows.all())
