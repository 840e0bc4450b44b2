"""The numbers of a test: asked for by its staff, computed by a job, kept with the digest of what they rest on."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries
from lms.assessments.models import Test, TestStatistics
from lms.assessments.psychometrics.answers import ENGINE_VERSION
from lms.assessments.queries.statistics import Data
from lms.core import audit, jobs
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission

STATISTICS_JOB = "assessments.statistics"


def request_statistics(test: Test, *, by: Actor, at: datetime) -> TestStatistics:
    """Have the numbers computed over all results there are now; asking twice for the same results is once.

    Raises RuleBroken("no_results") while nothing is marked.
    """
    policy.require(by, Permission.STATISTICS_READ, test, see=Permission.TEST_READ)
    # Two clicks at once wait for each other here.
    db.session.execute(select(Test.id).where(Test.id == test.id).with_for_update())
    now = queries.stand(test.id)
    if now.run is None or now.last_grade_id is None:
        raise RuleBroken("no_results", _("No sitting has been handed in and marked yet."))
    row = db.session.scalar(
        select(TestStatistics).where(
            TestStatistics.test_id == test.id,
            TestStatistics.grade_run_id == now.run.id,
            TestStatistics.last_grade_id == now.last_grade_id,
            TestStatistics.engine_version == ENGINE_VERSION,
        )
    )
    if row is not None and (row.state == "waiting" or (row.state == "done" and queries.is_current(row, now))):
        return row
    if row is None:
        row = TestStatistics(
            test_id=test.id,
            grade_run_id=now.run.id,
            last_grade_id=now.last_grade_id,
            engine_version=ENGINE_VERSION,
            account_id=by.account_id,
            requested_at=at,
        )
        db.session.add(row)
    row.state, row.attempts, row.retry_at = "waiting", 0, None
    db.session.flush()
    audit.record(
        "assessments.statistics.request",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        run=now.run.public_id,
    )
    jobs.enqueue(STATISTICS_JOB, row.id)
    return row


def compute_statistics(statistics_id: int, data: Data, report: dict[str, Any], *, at: datetime) -> None:
    """Keep what a job has computed."""
    row = db.session.get_one(TestStatistics, statistics_id, populate_existing=True)
    row.n, row.left_out, row.data_sha256 = len(data.answers.candidates), data.left_out, data.sha256
    row.report, row.state, row.computed_at = report, "done", at
    db.session.flush()
    test = db.session.scalars(
        select(Test).options(joinedload(Test.cohort)).where(Test.id == row.test_id)
    ).one()
    audit.record(
        "assessments.statistics.compute",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=None,
        subject=f"test:{test.public_id}",
        data=data.sha256,
        n=row.n,
    )


def fail_statistics(statistics_id: int, why: str) -> None:
    """Keep the reason; the page offers to try again."""
    row = db.session.get_one(TestStatistics, statistics_id, populate_existing=True)
    row.state, row.failure = "failed", why[:400]
