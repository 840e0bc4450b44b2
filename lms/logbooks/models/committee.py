"""Tables of the competence committee: meetings, frozen evidence, votes, decisions, appeals, and the entrustment record."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.logbooks.models import Item
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import committee as rules
from lms.programmes.models import Cohort, Enrolment


class Meeting(WithId, Base):
    """A meeting of the competence committee for one cohort."""

    __tablename__ = "committee_meeting"
    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(one) for one in rules.STATES)})", name="state"),
        Index("ix_committee_meeting_cohort", "cohort_id", "held_on"),
    )

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    held_on: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(12), default=rules.SCHEDULED)
    quorum: Mapped[int]
    """Votes without a conflict of interest that an approval needs; as it was when the meeting was called."""
    convened_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    client_uuid: Mapped[str] = mapped_column(String(64), unique=True)
    """Made by the page; pressing twice calls one meeting."""
    made_at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")


class Member(Base):
    """Who sits in a meeting, never changed."""

    __tablename__ = "committee_member"
    __table_args__ = (
        UniqueConstraint("meeting_id", "person_id"),
        CheckConstraint("part IN ('chair', 'member')", name="part"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("committee_meeting.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    part: Mapped[str] = mapped_column(String(10))

    person: Mapped[Person] = relationship(lazy="raise")


class Agenda(WithId, Base):
    """One item of one trainee that a meeting decides on, never changed."""

    __tablename__ = "committee_agenda"
    __table_args__ = (UniqueConstraint("meeting_id", "enrolment_id", "item_id"),)

    meeting_id: Mapped[int] = mapped_column(ForeignKey("committee_meeting.id"))
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("framework_item.id"))

    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    item: Mapped[Item] = relationship(lazy="raise")


class FrozenEvidence(Base):
    """What stood for and against a trainee when the meeting was opened, never changed."""

    __tablename__ = "committee_evidence"

    agenda_id: Mapped[int] = mapped_column(
        ForeignKey("committee_agenda.id"), primary_key=True, autoincrement=False
    )
    document: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    """Over the RFC 8785 form of ``document``."""
    at: Mapped[datetime]


class Vote(Base):
    """A member's word on one line of the agenda, never changed; the one with the highest number counts."""

    __tablename__ = "committee_vote"
    __table_args__ = (
        UniqueConstraint("agenda_id", "person_id", "number"),
        CheckConstraint("choice IN ('approve', 'defer', 'abstain')", name="choice"),
        CheckConstraint("(choice = 'approve') = (level IS NOT NULL)", name="level_given"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    agenda_id: Mapped[int] = mapped_column(ForeignKey("committee_agenda.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    number: Mapped[int]
    choice: Mapped[str] = mapped_column(String(10))
    level: Mapped[int | None]
    """ten Cate, 1 to 5."""
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    at: Mapped[datetime]


class Decision(WithId, Base):
    """What a meeting decided on one line of its agenda, never changed."""

    __tablename__ = "committee_decision"
    __table_args__ = (
        CheckConstraint("outcome IN ('approved', 'deferred')", name="outcome"),
        CheckConstraint("(outcome = 'approved') = (level IS NOT NULL)", name="level_given"),
        CheckConstraint("outcome = 'approved' OR words <> ''", name="reason"),
        Index("ix_committee_decision_enrolment", "enrolment_id"),
    )

    agenda_id: Mapped[int] = mapped_column(ForeignKey("committee_agenda.id"), unique=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("framework_item.id"))
    outcome: Mapped[str] = mapped_column(String(10))
    level: Mapped[int | None]
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    votes: Mapped[dict[str, Any]]
    """How many voted which way."""
    evidence_sha256: Mapped[str] = mapped_column(String(64))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """The chair who closed the meeting."""
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    agenda: Mapped[Agenda] = relationship(lazy="raise")
    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    item: Mapped[Item] = relationship(lazy="raise")


class DecisionAppeal(WithId, Base):
    """A trainee's objection to a decision, never changed."""

    __tablename__ = "committee_appeal"

    decision_id: Mapped[int] = mapped_column(ForeignKey("committee_decision.id"), unique=True)
    words: Mapped[str] = mapped_column(String(WORDS_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    decision: Mapped[Decision] = relationship(lazy="raise")


class AppealAnswer(Base):
    """What others than those who decided say to an appeal, never changed."""

    __tablename__ = "committee_appeal_answer"
    __table_args__ = (CheckConstraint("outcome IN ('upheld', 'remitted')", name="outcome"),)

    appeal_id: Mapped[int] = mapped_column(
        ForeignKey("committee_appeal.id"), primary_key=True, autoincrement=False
    )
    outcome: Mapped[str] = mapped_column(String(10))
    """``upheld``: the decision stands; ``remitted``: a meeting decides anew."""
    words: Mapped[str] = mapped_column(String(WORDS_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


class Entrustment(WithId, Base):
    """At which level of supervision a trainee may do something, never changed; a later one supersedes."""

    __tablename__ = "entrustment"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "item_code", "number"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
        CheckConstraint("expires_on IS NULL OR expires_on > from_on", name="dates"),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    item_code: Mapped[str] = mapped_column(String(10))
    number: Mapped[int]
    level: Mapped[int]
    """ten Cate, 1 to 5."""
    from_on: Mapped[date] = mapped_column(Date)
    expires_on: Mapped[date | None] = mapped_column(Date)
    """First day on which it is no longer in force; None: it does not grow old."""
    decision_id: Mapped[int] = mapped_column(ForeignKey("committee_decision.id"), unique=True)


class EntrustmentRevocation(Base):
    """Why an entrustment was taken back, never changed; it counts at once."""

    __tablename__ = "entrustment_revocation"

    entrustment_id: Mapped[int] = mapped_column(
        ForeignKey("entrustment.id"), primary_key=True, autoincrement=False
    )
    words: Mapped[str] = mapped_column(String(WORDS_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


def meeting_unless() -> str:
    """When the database lets a meeting change: its state along ``rules.MOVES``, and nothing else."""
    kept = ("id", "public_id", "cohort_id", "held_on", "quorum", "convened_by_id", "client_uuid", "made_at")
    ways = sorted(
        {(before, way.after) for way in rules.MOVES.values() for before in way.before if before != way.after}
    )
    same = " AND ".join(f"NEW.{name} = OLD.{name}" for name in kept)
    moves = " OR ".join(f"(OLD.state = '{before}' AND NEW.state = '{after}')" for before, after in ways)
    return f"{same} AND ({moves})"


append_only("committee_meeting", unless=meeting_unless())
for _table in (
    "committee_member",
    "committee_agenda",
    "committee_evidence",
    "committee_vote",
    "committee_decision",
    "committee_appeal",
    "committee_appeal_answer",
    "entrustment",
    "entrustment_revocation",
):
    append_only(_table)
