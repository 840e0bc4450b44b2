"""Drills of a test and what they found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from lms.assessments import rules
from lms.assessments.models import ExamDrill, ExamDrillResult, ExamForm, Presence, Sitting, Test
from lms.assessments.rules.readiness import Found, readiness
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.programmes.models import Enrolment

LATELY = timedelta(minutes=5)


@dataclass(frozen=True)
class Rehearsed:
    """A drill with its sheet."""

    drill: ExamDrill
    result: ExamDrillResult | None

    @property
    def lines(self) -> list[Found]:
        """The lines of the sheet; none before there is a result."""
        return readiness(self.result.figures, kills=self.drill.kills) if self.result else []

    @property
    def is_ready(self) -> bool:
        """Whether nothing speaks against the exam."""
        return self.result is not None and all(line.ok for line in self.lines)


def drills(test: Test, *, limit: int = 20) -> list[Rehearsed]:
    """The drills of a test, the newest first (ask ``test`` with DRILL_RUN first)."""
    rows = db.session.execute(
        select(ExamDrill, ExamDrillResult)
        .outerjoin(ExamDrillResult, ExamDrillResult.drill_id == ExamDrill.id)
        .where(ExamDrill.test_id == test.id)
        .order_by(ExamDrill.id.desc())
        .limit(limit)
    ).all()
    return [Rehearsed(drill, result) for drill, result in rows]


def drill(test: Test, public_id: str) -> Rehearsed:
    """One drill of a test. Raises NotFound."""
    row = (
        db.session.execute(
            select(ExamDrill, ExamDrillResult)
            .outerjoin(ExamDrillResult, ExamDrillResult.drill_id == ExamDrill.id)
            .where(ExamDrill.test_id == test.id, ExamDrill.public_id == public_id)
        ).first()
        if ids.is_public_id(public_id)
        else None
    )
    if row is None:
        raise NotFound
    return Rehearsed(row[0], row[1])


def drill_under_way() -> ExamDrill | None:
    """The drill that waits or runs, of whatever test: one at a time."""
    return db.session.scalar(select(ExamDrill).where(ExamDrill.state == "waiting").limit(1))


def expected(test: Test) -> tuple[int, int]:
    """How many may sit a test, and how many questions its paper has (0: not sealed yet)."""
    candidates = db.session.execute(
        select(func.count()).where(Enrolment.cohort_id == test.cohort_id, Enrolment.state == "active")
    ).scalar_one()
    slots: Sequence[Mapping[str, Any]] | None = db.session.scalar(
        select(ExamForm.slots).where(ExamForm.test_id == test.id).order_by(ExamForm.n.desc()).limit(1)
    )
    return candidates, rules.ask_counts(slots or ())[1]


def somebody_sits(at: datetime) -> bool:
    """Whether a real candidate has been heard of in the last minutes, in whatever test."""
    return (
        db.session.scalar(
            select(Sitting.id)
            .join(Presence, Presence.sitting_id == Sitting.id)
            .where(Sitting.state == rules.SittingState.IN_PROGRESS, Presence.seen_at > at - LATELY)
            .limit(1)
        )
        is not None
    )
