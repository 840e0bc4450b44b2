"""Tables of pass marks by panel: who was asked to judge by Ebel's or Hofstee's method, and what they said.

What a judge said is never changed; a further row supersedes it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.assessments.models.sitting import ExamForm, Test
from lms.core.db import Base, WithId, append_only


class StandardStudy(WithId, Base):
    """Judges who sort the questions of a sealed paper (Ebel, two rounds), or say what they accept (Hofstee, one)."""

    __tablename__ = "standard_study"
    __table_args__ = (
        CheckConstraint("method IN ('ebel', 'hofstee')", name="method"),
        CheckConstraint("state IN ('round_1', 'round_2', 'closed')", name="state"),
        Index(
            "uq_standard_study_open",
            "test_id",
            "method",
            unique=True,
            sqlite_where=text("state <> 'closed'"),
            postgresql_where=text("state <> 'closed'"),
        ),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), index=True)
    form_id: Mapped[int] = mapped_column(ForeignKey("exam_form.id"))
    method: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default="round_1")
    started_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    test: Mapped[Test] = relationship(lazy="raise")
    form: Mapped[ExamForm] = relationship(lazy="raise")

    @property
    def round(self) -> int:
        """The round that counts now; of a closed study the last one."""
        return 2 if self.method == "ebel" and self.state != "round_1" else 1


class StandardJudge(Base):
    """Somebody who was asked to judge."""

    __tablename__ = "standard_judge"

    study_id: Mapped[int] = mapped_column(ForeignKey("standard_study.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    invited_at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class StandardJudgement(Base):
    """The page of one judge in one round as it was saved, for ever; the newest counts."""

    __tablename__ = "standard_judgement"
    __table_args__ = (
        CheckConstraint("round IN (1, 2)", name="round"),
        Index("ix_standard_judgement_study", "study_id", "person_id", "round"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("standard_study.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    round: Mapped[int]
    given: Mapped[dict[str, Any]]
    """Ebel: ``{"sorted": {slot: cell}, "expected": {cell: per cent}}``, cells as rules.standards names them. Hofstee:
    ``{"least_cut", "most_cut", "least_fail", "most_fail"}`` in per cent."""
    at: Mapped[datetime]


append_only("standard_judgement")
