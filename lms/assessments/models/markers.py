"""Tables of what people mark: files of candidates, markers and their seats, their markings, what was settled.

What was handed in, marked and settled is never changed. Seats only say who is asked; they move until something is marked on them.
"""

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.assessments.models.bank import QuestionVersion
from lms.assessments.models.exact import Exact
from lms.assessments.models.sitting import Sitting
from lms.core.db import Base, WithId, append_only


class SlotFile(WithId, Base):
    """A file that a candidate sent for one slot. The response names the one that stands; those it replaced stay."""

    __tablename__ = "slot_file"

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"), index=True)
    slot: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    """As its candidate called it; markers never see it."""
    storage_key: Mapped[str] = mapped_column(String(120))
    """Made of its SHA-256."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    account_id: Mapped[int]
    at: Mapped[datetime]


class MarkingPlan(Base):
    """How many people mark in a test, and how far two may lie apart. A test without one has the defaults of the rules."""

    __tablename__ = "marking_plan"
    __table_args__ = (
        CheckConstraint("markers BETWEEN 1 AND 2 AND examiners BETWEEN 1 AND 2", name="people"),
        CheckConstraint("apart_percent BETWEEN 0 AND 100", name="apart"),
    )

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True, autoincrement=False)
    markers: Mapped[int]
    """Of each essay and file, blind to each other."""
    examiners: Mapped[int]
    """Of each candidate at a station."""
    apart_percent: Mapped[int]
    """The largest difference of two markings that is still averaged, per cent of what can be earned."""


class TestMarker(Base):
    """A person who was asked to mark one question of a test (to examine at its station)."""

    __tablename__ = "test_marker"

    test_id: Mapped[int] = mapped_column(ForeignKey("test.id"), primary_key=True)
    question_version_id: Mapped[int] = mapped_column(ForeignKey("question_version.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class MarkedResponse(WithId, Base):
    """One response that people mark. Its public id is the code by which they know it: it says nothing of whose it is."""

    __tablename__ = "marked_response"
    __table_args__ = (UniqueConstraint("sitting_id", "slot"),)

    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    slot: Mapped[int]
    question_version_id: Mapped[int] = mapped_column(ForeignKey("question_version.id"), index=True)
    round: Mapped[int] = mapped_column(default=1)
    """Grows with each remark."""
    made_at: Mapped[datetime]

    sitting: Mapped[Sitting] = relationship(lazy="raise")
    version: Mapped[QuestionVersion] = relationship(lazy="raise")


class MarkerSeat(WithId, Base):
    """One person's place at one response: first, second, or third where the two lie apart. Nobody sits twice at one response."""

    __tablename__ = "marker_seat"
    __table_args__ = (
        UniqueConstraint("response_id", "round", "place"),
        UniqueConstraint("response_id", "person_id"),
        CheckConstraint("place BETWEEN 1 AND 3", name="place"),
    )

    response_id: Mapped[int] = mapped_column(ForeignKey("marked_response.id"))
    round: Mapped[int]
    place: Mapped[int]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    at: Mapped[datetime]

    response: Mapped[MarkedResponse] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")


class Marking(Base):
    """What one marker gave, line by line; a change is a further row, and the newest counts. Never changed."""

    __tablename__ = "marking"
    __table_args__ = (
        UniqueConstraint("seat_id", "n"),
        UniqueConstraint("seat_id", "client_uuid"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int] = mapped_column(ForeignKey("marker_seat.id"))
    n: Mapped[int]
    """From 1."""
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Of the form; pressed twice it is said once."""
    key_revision_id: Mapped[int] = mapped_column(ForeignKey("key_revision.id"))
    """The rubric by which it was marked."""
    given: Mapped[dict[str, Any]]
    """Line of the rubric → marks, as text (``"3/2"``)."""
    share: Mapped[Fraction] = mapped_column(Exact)
    """Of what can be earned, from 0 to 1."""
    note: Mapped[str] = mapped_column(String(2000), default="")
    """For the candidate, after the release."""
    rating: Mapped[int | None]
    """At a station: the examiner's global rating (1 clear fail, 2 borderline … 5 excellent); it earns nothing."""
    account_id: Mapped[int]
    at: Mapped[datetime]


class SettledMark(Base):
    """What a response earned in one round: the share that the marking of the test takes over. Never changed."""

    __tablename__ = "settled_mark"
    __table_args__ = (CheckConstraint("round >= 1", name="round"),)

    response_id: Mapped[int] = mapped_column(
        ForeignKey("marked_response.id"), primary_key=True, autoincrement=False
    )
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    share: Mapped[Fraction] = mapped_column(Exact)
    markings: Mapped[list[Any]]
    """Ids of the markings whose mean it is."""
    at: Mapped[datetime]


class RemarkOrder(Base):
    """Why a response was marked once more, and who ordered it. Never changed."""

    __tablename__ = "remark_order"

    response_id: Mapped[int] = mapped_column(
        ForeignKey("marked_response.id"), primary_key=True, autoincrement=False
    )
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(500))
    account_id: Mapped[int]
    at: Mapped[datetime]


for _table in ("slot_file", "marking", "settled_mark", "remark_order"):
    append_only(_table)
