"""What follows once two people agreed on a pass mark: it is written down, and grades that exist are made anew by it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from lms.assessments import queries, rules
from lms.assessments.models import CutScore, Grade, GradeRun, Mark, Sitting, Test
from lms.assessments.queries.catalogue import counting_run
from lms.core import audit
from lms.core.approvals import Approval, By
from lms.core.db import db


def keep_cut(
    test: Test,
    approval: Approval,
    *,
    method: str,
    percent: int,
    evidence: Mapping[str, Any] | None,
    at: datetime,
) -> CutScore:
    """Write down a pass mark with what it rests on; the test has it from now on."""
    test.cut_percent = percent
    before = queries.cut_scores(test.id)
    made = CutScore(
        test_id=test.id,
        n=before[0].n + 1 if before else 1,
        method=method,
        percent=percent,
        reason=approval.reason,
        evidence=dict(evidence) if evidence is not None else None,
        approval_id=approval.id,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    return made


def grade_by(test: Test, percent: int, *, reason: str, by: By, at: datetime) -> GradeRun:
    """A further grade run of a test whose results nobody has seen: the marks as they count, the grades by another pass mark.

    Keys and marks stay; earlier runs stay as they are.
    """
    before = queries.run_of(test.id)
    run = GradeRun(
        test_id=test.id,
        n=before.n + 1,
        keys=dict(before.keys),
        keys_sha256=before.keys_sha256,
        engine_version=rules.ENGINE_VERSION,
        cut_percent=percent,
        reason=reason[:200],
        created_at=at,
    )
    counting = (
        select(Grade)
        .join(Sitting, Sitting.id == Grade.sitting_id)
        .where(Sitting.test_id == test.id, Grade.grade_run_id == counting_run(Sitting.id))
        .order_by(Grade.sitting_id)
    )
    grades = db.session.scalars(counting).all()
    marks = (
        select(Mark.sitting_id, Mark.slot, Mark.key_revision_id, Mark.response, Mark.score, Mark.maximum)
        .join(Sitting, Sitting.id == Mark.sitting_id)
        .where(Sitting.test_id == test.id, Mark.grade_run_id == counting_run(Sitting.id))
    )
    # Written out before the run exists: from then on it would be the one that counts.
    kept = db.session.execute(marks).mappings().all()
    db.session.add(run)
    db.session.flush()
    if kept:
        db.session.execute(insert(Mark), [{**row, "grade_run_id": run.id} for row in kept])
    db.session.add_all(
        Grade(
            grade_run_id=run.id,
            sitting_id=grade.sitting_id,
            score=grade.score,
            maximum=grade.maximum,
            cut_percent=percent,
            decision=rules.decision(grade.score, grade.maximum, percent),
            at=at,
        )
        for grade in grades
    )
    db.session.flush()
    audit.record(
        "assessments.test.grade_by_cut",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        run=run.public_id,
        cut_before=before.cut_percent,
        cut_percent=percent,
        sittings=len(grades),
    )
    return run
