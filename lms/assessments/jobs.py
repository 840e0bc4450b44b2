"""Background work of assessments: write down what the clock handed in, and mark it; tell results; compute the numbers of
tests; suspend questions past their review date."""

import json
import os
import subprocess
import sys
from datetime import datetime
from threading import Timer
from typing import Any

from sqlalchemy import and_

from lms.assessments import queries, rules, services
from lms.assessments.models import ExamDrill, GradeRun, Sitting, TestStatistics
from lms.assessments.rules.readiness import STEPS
from lms.core import clock, site
from lms.core.db import db, transaction
from lms.core.i18n import lazy
from lms.core.jobs import EVERY, GiveUp, Job, Lease
from lms.core.jobs import register as register_job
from lms.settings import NAMES, Settings

_SLOWER = 4
"""A drill on a busy machine may take so many times its minutes, and ten more, before it is stopped."""


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
                Sitting.marking_since.is_(None),  # what waits for markers is marked when it is settled
            ),
            run=mark,
            gave_up=lambda sitting_id, why: services.give_marking_up(sitting_id, why, at=clock.now()),
            label=lazy("Mark a sitting"),
            failed=lambda: Sitting.gave_up_at.is_not(None),
            again={"gave_up_at": None},
        )
    )
    register_job(
        Job(
            name=services.STATISTICS_JOB,
            model=lambda: TestStatistics,
            ready=lambda: TestStatistics.state == "waiting",
            run=compute,
            gave_up=services.fail_statistics,
            label=lazy("Compute the statistics of a test"),
            failed=lambda: TestStatistics.state == "failed",
            max_attempts=3,
        )
    )
    register_job(
        Job(
            name=services.DRILL_JOB,
            model=lambda: ExamDrill,
            ready=lambda: ExamDrill.state == "waiting",
            run=rehearse,
            gave_up=services.fail_drill,
            label=lazy("Exam drill"),
            failed=lambda: ExamDrill.state == "failed",
            max_attempts=2,
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


def rehearse(drill_id: int, lease: Lease) -> None:
    """The drill in processes of its own, on a temporary site beside this one: ``lms drill exam``."""
    row = db.session.get_one(ExamDrill, drill_id)
    command = [
        *(sys.executable, "-m", "lms.cli", "drill", "exam", "--beside"),
        *("--users", str(row.users), "--questions", str(row.questions), "--minutes", str(row.minutes)),
        *("--drop", str(row.drop_percent), "--kill", str(row.kills)),
    ]
    longest_s = 60 * (_SLOWER * row.minutes + 10)
    db.session.rollback()  # nobody waits for a reader while it runs
    running = subprocess.Popen(  # noqa: S603 (our own command, numbers only)
        command,
        env=os.environ | _variables(site.settings()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    stop = Timer(longest_s, running.terminate)
    stop.start()
    said = ""
    try:
        for line in running.stderr:
            said = line.strip() or said
            if lease.lost.is_set():
                break
            _note_step(drill_id, lease, said)
        else:
            printed = running.stdout.read().strip()
            running.wait()
    finally:
        stop.cancel()
        running.terminate()
        running.wait()
        running.stdout.close()
        running.stderr.close()
    if not lease.lost.is_set():
        _keep_drill(drill_id, lease, printed, said)


def _note_step(drill_id: int, lease: Lease, said: str) -> None:
    words = said.removeprefix("drill: ").partition(" ")[0].rstrip(":")
    if words in STEPS:
        with transaction():
            lease.check()
            services.note_step(drill_id, STEPS.index(words))


def _keep_drill(drill_id: int, lease: Lease, printed: str, said: str) -> None:
    try:
        figures: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise GiveUp(said[-400:] or "the drill printed nothing") from None
    with transaction():
        lease.check()
        services.finish_drill(drill_id, figures, at=clock.now())
        lease.release()


def _variables(settings: Settings) -> dict[str, str]:
    """The settings of this site as variables."""
    found = {}
    for name in NAMES:
        value = getattr(settings, name.lower())
        found[f"LMS_{name}"] = str(int(value)) if isinstance(value, bool) else str(value)
    return found


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
