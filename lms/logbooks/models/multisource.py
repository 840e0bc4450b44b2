"""Tables of multisource feedback: rounds, who is asked while a round is under way, the box, and what is left when it closes.

There is no row of an answer. While a round is open all answers lie in one locked box of constant size, in no order and
without a name; a rater's row says that they answered. At the end box and raters are deleted.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import multisource as rules
from lms.programmes.models import Enrolment


class FeedbackRound(WithId, Base):
    """One round of feedback about one trainee."""

    __tablename__ = "feedback_round"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'open', 'closed', 'lapsed', 'cancelled')", name="state"),
        CheckConstraint("state IN ('proposed', 'cancelled') OR closes_on IS NOT NULL", name="dates"),
        Index("ix_feedback_round_enrolment", "enrolment_id"),
        Index("ix_feedback_round_state", "state", "closes_on"),
        Index(
            "uq_feedback_round_under_way",
            "enrolment_id",
            unique=True,
            sqlite_where=text("state IN ('proposed', 'open')"),
            postgresql_where=text("state IN ('proposed', 'open')"),
        ),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    starter_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Who began it: the trainee, a mentor, or who runs the programme."""
    starter_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    state: Mapped[str] = mapped_column(String(10), default=rules.PROPOSED)
    begun_on: Mapped[date] = mapped_column(Date)
    opened_on: Mapped[date | None] = mapped_column(Date)
    closes_on: Mapped[date | None] = mapped_column(Date)
    """Last day on which an answer is taken."""
    extended: Mapped[bool] = mapped_column(default=False)
    reminded: Mapped[bool] = mapped_column(default=False)
    """The clock's own reminder is sent."""
    invited: Mapped[int] = mapped_column(default=0)
    """How many were asked; the list itself goes when the round ends."""
    ended_on: Mapped[date | None] = mapped_column(Date)

    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    trainee: Mapped[Person] = relationship(lazy="raise", foreign_keys=[trainee_person_id])


class FeedbackRater(Base):
    """Somebody who is asked while the round is under way: whether they answered, never what or when; deleted at its end."""

    __tablename__ = "feedback_rater"
    __table_args__ = (
        UniqueConstraint("round_id", "person_id"),
        CheckConstraint("group_ IN ('doctor', 'nurse', 'other')", name="group"),
        CheckConstraint("state IN ('asked', 'answered', 'declined')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("feedback_round.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    group_: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default=rules.ASKED)

    person: Mapped[Person] = relationship(lazy="raise")


class FeedbackGuest(Base):
    """Somebody without an account who is asked while the round is under way, by a link of their own; deleted at its end."""

    __tablename__ = "feedback_guest"
    __table_args__ = (
        UniqueConstraint("round_id", "name"),
        CheckConstraint("group_ IN ('doctor', 'nurse', 'other')", name="group"),
        CheckConstraint("state IN ('asked', 'answered', 'declined')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("feedback_round.id"))
    name: Mapped[str] = mapped_column(String(rules.GUEST_NAME_MAX))
    """As whoever runs the round wrote it."""
    group_: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default=rules.ASKED)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the newest link; earlier ones are void."""


class FeedbackBox(Base):
    """Every answer of an open round, locked together; written anew with each answer, deleted with its key at the end."""

    __tablename__ = "feedback_box"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("feedback_round.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(String(300))
    """The box's own key (``core.digests.seal`` under the site's passphrase), base64."""
    locked: Mapped[str] = mapped_column(Text)
    """``core.digests.lock_box`` over the answers in the order of their content, base64; as long for none as for all."""


class FeedbackSelf(Base):
    """The trainee's own view, given before the result is there; never changed."""

    __tablename__ = "feedback_self"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("feedback_round.id"), primary_key=True, autoincrement=False
    )
    ratings: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class FeedbackResult(Base):
    """What is left of a round: sums over at least five people each, and comments in no order; never changed."""

    __tablename__ = "feedback_result"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("feedback_round.id"), primary_key=True, autoincrement=False
    )
    summed: Mapped[dict[str, Any]]
    """``rules.summed``."""
    well: Mapped[list[Any]]
    better: Mapped[list[Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    """Over the RFC 8785 form of the three; the audit trail holds it too."""


class FeedbackRelease(Base):
    """When the trainee could read the result, after which talk; never changed."""

    __tablename__ = "feedback_release"

    round_id: Mapped[int] = mapped_column(
        ForeignKey("feedback_round.id"), primary_key=True, autoincrement=False
    )
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    """What both agreed on; empty where the clock released it."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """None: the clock."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person | None] = relationship(lazy="raise")


_NEVER = (
    "id",
    "public_id",
    "enrolment_id",
    "cohort_id",
    "trainee_person_id",
    "starter_person_id",
    "starter_account_id",
    "begun_on",
)


def round_unless() -> str:
    """When the database lets a round change: while it is under way; it closes only over a result, and ends without raters and box."""
    gone = (
        "NOT EXISTS (SELECT 1 FROM feedback_rater g WHERE g.round_id = NEW.id)",
        "NOT EXISTS (SELECT 1 FROM feedback_guest g WHERE g.round_id = NEW.id)",
        "NOT EXISTS (SELECT 1 FROM feedback_box g WHERE g.round_id = NEW.id)",
    )
    return " AND ".join(
        (
            *(f"NEW.{name} = OLD.{name}" for name in _NEVER),
            "(OLD.state = 'open' OR (OLD.state = 'proposed' AND NEW.state IN ('proposed', 'open', 'cancelled')))",
            "(NEW.state <> 'proposed' OR OLD.state = 'proposed')",
            "(NEW.state IN ('proposed', 'open') OR NEW.ended_on IS NOT NULL)",
            "(NEW.state <> 'closed' OR EXISTS (SELECT 1 FROM feedback_result r WHERE r.round_id = NEW.id))",
            f"(NEW.state IN ('proposed', 'open') OR ({' AND '.join(gone)}))",
        )
    )


append_only("feedback_round", unless=round_unless())
for _table in ("feedback_self", "feedback_result", "feedback_release"):
    append_only(_table)
