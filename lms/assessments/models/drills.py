"""Exam drills: what was rehearsed before a test, and what came of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased


class ExamDrill(WithId, Leased, Base):
    """A drill that somebody asked for; a job runs it on a temporary site."""

    __tablename__ = "exam_drill"
    __table_args__ = (
        UniqueConstraint("account_id", "client_uuid"),
        CheckConstraint("state IN ('waiting', 'done', 'failed')", name="state"),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), index=True)
    account_id: Mapped[int]
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form: two clicks make one drill."""
    users: Mapped[int]
    questions: Mapped[int]
    minutes: Mapped[int]
    drop_percent: Mapped[int]
    kills: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    step: Mapped[int] = mapped_column(default=0)
    """How many of ``rules.readiness.STEPS`` are behind it."""
    requested_at: Mapped[datetime]


class ExamDrillResult(Base):
    """What a drill found. Never changed."""

    __tablename__ = "exam_drill_result"

    drill_id: Mapped[int] = mapped_column(ForeignKey("exam_drill.id"), primary_key=True, autoincrement=False)
    figures: Mapped[dict[str, Any]]
    """The line of ``lms drill exam``."""
    at: Mapped[datetime]


append_only("exam_drill_result")
