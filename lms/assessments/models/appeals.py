"""Tables of appeals."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.assessments.models.bank import QuestionVersion
from lms.assessments.models.sitting import Sitting
from lms.core.db import Base, WithId, append_only


class Appeal(WithId, Base):
    """A candidate's objection to the marking of one question; only its state moves, once."""

    __tablename__ = "appeal"
    __table_args__ = (
        UniqueConstraint("trainee_person_id", "client_uuid"),
        CheckConstraint("state IN ('open', 'upheld', 'partly', 'refused', 'withdrawn')", name="state"),
        Index(
            "uq_appeal_open",
            "trainee_person_id",
            "question_version_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_appeal_sitting", "sitting_id"),
        Index("ix_appeal_state", "state", "id"),
    )

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    slot: Mapped[int]
    question_version_id: Mapped[int] = mapped_column(ForeignKey("question_version.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form; two clicks make one appeal."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    made_at: Mapped[datetime]

    sitting: Mapped[Sitting] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")
    version: Mapped[QuestionVersion] = relationship(lazy="raise")

    @property
    def cohort_id(self) -> int:
        """The cohort whose test it is (the shape that the policy asks for)."""
        return self.sitting.test.cohort_id

    @property
    def programme_id(self) -> int:
        """The programme it belongs to (the shape that the policy asks for)."""
        return self.sitting.test.programme_id

    @property
    def purpose(self) -> str:
        """What its test is for (the shape that the policy asks for)."""
        return self.sitting.test.purpose


class AppealStep(Base):
    """What was said in an appeal, for ever: its reason, and what became of it."""

    __tablename__ = "appeal_step"
    __table_args__ = (
        CheckConstraint("act IN ('raise', 'uphold', 'partly', 'refuse', 'withdraw')", name="act"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    appeal_id: Mapped[int] = mapped_column(ForeignKey("appeal.id"), index=True)
    act: Mapped[str] = mapped_column(String(10))
    words: Mapped[str] = mapped_column(String(2000), default="")
    account_id: Mapped[int]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime]


_FROZEN = (
    "id",
    "public_id",
    "sitting_id",
    "slot",
    "question_version_id",
    "trainee_person_id",
    "client_uuid",
    "made_at",
)
append_only(
    "appeal",
    # One update is let through: what became of it.
    unless="OLD.state = 'open' AND NEW.state <> 'open' AND "
    + " AND ".join(f"NEW.{column} = OLD.{column}" for column in _FROZEN),
)
append_only("appeal_step")
