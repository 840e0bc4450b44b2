"""Background work of assessments: write down what the clock handed in, and mark it; tell results; compute the numbers of
tests; suspend questions past their review date."""

from datetime import datetime

from sqlalchemy import and_

from lms.assessments import queries, rules, services
from lms.assessments.models import GradeRun, Sitting, TestStatistics
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.jobs import EVERY, Job, Lease
from lms.core.jobs import register as register_job


def register() -> None:
    """Make the jobs of this feature known to the worker."""
    register_job(
        Job(
            name=services.MARK_JOB,
            model=lambda: Sitting,
            ready=lambda: and_(
                Sitting.state != rules.SittingState.IN_PROGRESS,
                Sitting.marked_at.is_(None),
                Sitting.gave_up_at.is_(None),
            ),
            run=mark,
            gave_up=lambda sitting_id, why: services.give_marking_up(sitting_id, why, at=clock.now()),
        )
    )
    register_job(
        Job(
            name=services.STATISTICS_JOB,
            model=lambda: TestStatistics,
            ready=lambda: TestStatistics.state == "waiting",
            run=compute,
            gave_up=services.fail_statistics,
            max_attempts=3,
        )
    )
    for act in (expire, suspend_past_due, tell_results, make_decks):
        if act not in EVERY:
            EVERY.append(act)


def mark(sitting_id: int, lease: Lease) -> None:
    """Mark one sitting that the clock handed in."""
    with transaction():
        services.mark_sitting(sitting_id, at=clock.now())
        lease.release()


def compute(statistics_id: int, lease: Lease) -> None:
    """Results → numbers → row. What is read never changes, so whoever does it again finds the same."""
    from lms.assessments.psychometrics.report import report

    row = db.session.get_one(TestStatistics, statistics_id)
    data = queries.data_of(row.test_id, db.session.get_one(GradeRun, row.grade_run_id), row.last_grade_id)
    db.session.rollback()  # nobody waits for a reader while it counts
    found = report(data.answers)
    with transaction():
        lease.check()
        services.compute_statistics(statistics_id, data, found, at=clock.now())
        lease.release()


def expire(at: datetime) -> None:
    """Once a minute: sittings whose time is over."""
    services.expire_overdue(at=at)


def suspend_past_due(at: datetime) -> None:
    """Once a minute: live questions whose source should have been read again by yesterday."""
    services.suspend_past_due(today=clock.today(at), at=at)


def tell_results(at: datetime) -> None:
    """Once a minute: results that were released, or that the clock brought about."""
    services.tell_results(at=at)


def make_decks(at: datetime) -> None:
    """Once a minute: cards from results that were released or regraded."""
    services.make_decks(at=at)
