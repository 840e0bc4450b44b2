"""Exam drills before a test: asked for by whoever answers for the site, run by a job beside the real data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms import policy
from lms.assessments import queries
from lms.assessments.models import ExamDrill, ExamDrillResult, Test
from lms.assessments.rules.readiness import require_drill
from lms.core import audit, jobs
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission

DRILL_JOB = "assessments.drill"


def request_drill(
    test: Test,
    *,
    users: int,
    minutes: int,
    drop_percent: int,
    kills: int,
    client_uuid: str,
    by: Actor,
    at: datetime,
) -> ExamDrill:
    """Have an exam like this test rehearsed on a temporary site; two clicks are one.

    Raises RuleBroken("drill_runs") while another one is under way, ("somebody_sits") while real candidates are at work.
    """
    policy.require(by, Permission.DRILL_RUN, test, see=Permission.TEST_READ)
    require_drill(users=users, minutes=minutes, drop_percent=drop_percent, kills=kills)
    known = db.session.scalar(
        select(ExamDrill).where(ExamDrill.account_id == by.account_id, ExamDrill.client_uuid == client_uuid)
    )
    if known is not None:
        return known
    if queries.drill_under_way() is not None:
        raise RuleBroken("drill_runs", _("A drill is under way already. Wait until it is through."))
    if queries.somebody_sits(at):
        raise RuleBroken(
            "somebody_sits",
            _("Somebody is sitting a test just now. A drill would take the server from them."),
        )
    _candidates, questions = queries.expected(test)
    made = ExamDrill(
        test_id=test.id,
        account_id=by.account_id,
        client_uuid=client_uuid,
        users=users,
        questions=min(300, questions or 100),
        minutes=minutes,
        drop_percent=drop_percent,
        kills=kills,
        requested_at=at,
    )
    db.session.add(made)
    db.session.flush()
    audit.record(
        "assessments.drill.request",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        users=users,
        minutes=minutes,
    )
    jobs.enqueue(DRILL_JOB, made.id)
    return made


def note_step(drill_id: int, step: int) -> None:
    """How far a drill is."""
    db.session.get_one(ExamDrill, drill_id, populate_existing=True).step = step


def finish_drill(drill_id: int, figures: Mapping[str, Any], *, at: datetime) -> None:
    """Keep what a drill found."""
    row = db.session.get_one(ExamDrill, drill_id, populate_existing=True)
    row.state = "done"
    db.session.add(ExamDrillResult(drill_id=drill_id, figures=dict(figures), at=at))
    db.session.flush()
    audit.record(
        "assessments.drill.finish",
        scope="site",
        at=at,
        account_id=None,
        subject=f"drill:{row.public_id}",
        lost=figures.get("lost"),
        duplicated=figures.get("duplicated"),
    )


def fail_drill(drill_id: int, why: str) -> None:
    """The drill could not be run; the reason is kept, and another one may be asked for."""
    row = db.session.get_one(ExamDrill, drill_id, populate_existing=True)
    row.state, row.failure = "failed", why[:400]
