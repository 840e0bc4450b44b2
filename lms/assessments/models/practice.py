"""Tables of practice: checkpoints in lectures, rounds, answers, cards. None of them is a fact of a certificate.

Each row carries the bank and its purpose beside the question, so that the database itself refuses a question of an exam bank.
"""

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lms.assessments.models.exact import Exact
from lms.core.db import Base, WithId, append_only


class FromPractice:
    """A row about a question of a practice bank."""

    question_id: Mapped[int]
    bank_id: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(10), default="practice")


def of_practice() -> tuple[ForeignKeyConstraint, ForeignKeyConstraint, CheckConstraint]:
    """The question lies in the bank, the bank has the purpose, and the purpose is practice."""
    return (
        ForeignKeyConstraint(["question_id", "bank_id"], ["question.id", "question.bank_id"]),
        ForeignKeyConstraint(["bank_id", "purpose"], ["item_bank.id", "item_bank.purpose"]),
        CheckConstraint("purpose = 'practice'", name="purpose"),
    )


class Checkpoint(WithId, FromPractice, Base):
    """A question at a second of a lecture's film, or after it."""

    __tablename__ = "checkpoint"
    __table_args__ = (
        UniqueConstraint("lecture_id", "question_id"),
        CheckConstraint("at_s >= 0", name="at_s"),
        *of_practice(),
    )

    lecture_id: Mapped[int] = mapped_column(ForeignKey("lecture.id"))
    at_s: Mapped[int | None]
    """Second of the film; None: after it."""
    is_required: Mapped[bool] = mapped_column(default=False)
    """Whether the lecture counts as watched only once this was answered, rightly or not."""
    account_id: Mapped[int | None]
    placed_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    """Its answers stay."""


class PracticeRound(WithId, Base):
    """A few questions that a trainee practises in a row."""

    __tablename__ = "practice_round"
    __table_args__ = (UniqueConstraint("trainee_person_id", "client_uuid"),)

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    topic: Mapped[str] = mapped_column(String(120), default="")
    """Empty: all topics."""
    questions: Mapped[list[Any]]
    """Ids, in the order in which they are asked."""
    with_certainty: Mapped[bool] = mapped_column(default=False)
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form: two clicks begin one round."""
    begun_at: Mapped[datetime]


class PracticeAnswer(WithId, FromPractice, Base):
    """What a trainee answered to a question of a practice bank, and what it earned; for ever."""

    __tablename__ = "practice_answer"
    __table_args__ = (
        UniqueConstraint("trainee_person_id", "client_uuid"),
        UniqueConstraint("round_id", "question_id"),
        CheckConstraint("certainty IN (1, 2, 3)", name="certainty"),
        CheckConstraint(
            "CASE WHEN round_id IS NULL THEN 0 ELSE 1 END + CASE WHEN checkpoint_id IS NULL THEN 0 ELSE 1 END"
            " + CASE WHEN card_id IS NULL THEN 0 ELSE 1 END = 1",
            name="occasion",
        ),
        Index("ix_practice_answer_own", "trainee_person_id", "at"),
        *of_practice(),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("question_version.id"))
    key_revision_id: Mapped[int] = mapped_column(ForeignKey("key_revision.id"))
    responses: Mapped[dict[str, Any]]
    """Slot (from "1", one for each ask) → canonical response."""
    score: Mapped[Fraction] = mapped_column(Exact)
    maximum: Mapped[Fraction] = mapped_column(Exact)
    certainty: Mapped[int | None]
    """1 to 3, where the round asks how sure one is."""
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form; the order of options and the drawn values follow from it, and two clicks are one answer."""
    round_id: Mapped[int | None] = mapped_column(ForeignKey("practice_round.id"))
    checkpoint_id: Mapped[int | None] = mapped_column(ForeignKey("checkpoint.id"), index=True)
    card_id: Mapped[int | None] = mapped_column(ForeignKey("card.id"))
    at: Mapped[datetime]

    @property
    def is_right(self) -> bool:
        """Whether it earned everything."""
        return self.score == self.maximum


class QuestionEquivalent(FromPractice, Base):
    """Which question of a practice bank teaches what a question of an exam bank asks, as an examiner said."""

    __tablename__ = "question_equivalent"
    __table_args__ = (*of_practice(),)

    exam_question_id: Mapped[int] = mapped_column(
        ForeignKey("question.id"), primary_key=True, autoincrement=False
    )
    account_id: Mapped[int | None]
    at: Mapped[datetime]


class Card(WithId, FromPractice, Base):
    """A question of a practice bank that comes back to a trainee, since they missed its like in a test."""

    __tablename__ = "card"
    __table_args__ = (
        UniqueConstraint("trainee_person_id", "question_id"),
        Index("ix_card_due", "trainee_person_id", "due_at"),
        *of_practice(),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """As its newest review says."""
    retired_at: Mapped[datetime | None]
    """While no sitting gives a reason for it any more; its reviews stay."""


class CardSource(Base):
    """A sitting in which something was missed that a card teaches."""

    __tablename__ = "card_source"

    card_id: Mapped[int] = mapped_column(ForeignKey("card.id"), primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True, index=True)


class DeckMade(Base):
    """By which result of a sitting its cards were last made; a later result has them made again."""

    __tablename__ = "deck_made"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), primary_key=True, autoincrement=False)
    grade_id: Mapped[int] = mapped_column(ForeignKey("grade.id"))


class CardReview(Base):
    """A review of a card, or the undoing of one; the newest row of a card says how it stands. Never changed."""

    __tablename__ = "card_review"
    __table_args__ = (
        CheckConstraint("rating IN (1, 2, 3, 4)", name="rating"),
        CheckConstraint("(rating IS NULL) = (answer_id IS NULL)", name="answer"),
        CheckConstraint("(rating IS NULL) <> (undoes_id IS NULL)", name="act"),
        UniqueConstraint("answer_id"),
        UniqueConstraint("undoes_id"),
        Index("ix_card_review_own", "trainee_person_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("card.id"), index=True)
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("practice_answer.id"))
    rating: Mapped[int | None]
    """1 again, 2 hard, 3 good, 4 easy."""
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("card_review.id"))
    state: Mapped[dict[str, Any]]
    """Of the scheduler after it (``core.spacing``); empty: as if new."""
    due_at: Mapped[datetime]
    at: Mapped[datetime]


for _table in ("practice_answer", "card_review"):
    append_only(_table)
