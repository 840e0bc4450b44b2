"""Tables of pass marks: what two people approved, and what judges said of the borderline candidate."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.assessments.models.sitting import ExamForm, Test
from lms.core.db import Base, WithId, append_only


class CutScore(Base):
    """A pass mark that two people agreed on, for ever; a further one supersedes it."""

    __tablename__ = "cut_score"
    __table_args__ = (
        UniqueConstraint("test_id", "n"),
        CheckConstraint("method IN ('fixed', 'angoff', 'ebel', 'hofstee', 'borderline')", name="method"),
        CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"))
    n: Mapped[int]
    method: Mapped[str] = mapped_column(String(10))
    percent: Mapped[int]
    reason: Mapped[str] = mapped_column(String(1000))
    evidence: Mapped[dict[str, Any] | None]
    """What judges or results showed, as it was approved; None: fixed."""
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"))
    at: Mapped[datetime]


class AngoffStudy(WithId, Base):
    """Judges who rate the questions of a sealed paper in two rounds (modified Angoff)."""

    __tablename__ = "angoff_study"
    __table_args__ = (
        CheckConstraint("state IN ('round_1', 'round_2', 'closed')", name="state"),
        Index(
            "uq_angoff_study_open",
            "test_id",
            unique=True,
            sqlite_where=text("state <> 'closed'"),
            postgresql_where=text("state <> 'closed'"),
        ),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), index=True)
    form_id: Mapped[int] = mapped_column(ForeignKey("exam_form.id"))
    state: Mapped[str] = mapped_column(String(10), default="round_1")
    started_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    test: Mapped[Test] = relationship(lazy="raise")
    form: Mapped[ExamForm] = relationship(lazy="raise")

    @property
    def round(self) -> int:
        """The round that counts now."""
        return 1 if self.state == "round_1" else 2


class AngoffJudge(Base):
    """Somebody who was asked to rate."""

    __tablename__ = "angoff_judge"

    study_id: Mapped[int] = mapped_column(ForeignKey("angoff_study.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    invited_at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class AngoffRating(Base):
    """What a judge said of one question in one round, for ever; the newest counts."""

    __tablename__ = "angoff_rating"
    __table_args__ = (
        CheckConstraint("round IN (1, 2)", name="round"),
        CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        Index("ix_angoff_rating_study", "study_id", "person_id", "round"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("angoff_study.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    round: Mapped[int]
    slot: Mapped[int]
    percent: Mapped[int]
    """Of a hundred candidates who just pass, how many answer it right."""
    at: Mapped[datetime]


for _table in ("cut_score", "angoff_rating"):
    append_only(_table)
