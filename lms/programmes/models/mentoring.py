"""The table of who may be a primary mentor; append-only, a correction or an end is a row that supersedes another."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only


class MentorQualification(WithId, Base):
    """The director's word that a person may be a primary mentor in a programme, from day to day, and on what ground."""

    __tablename__ = "mentor_qualification"
    __table_args__ = (
        CheckConstraint("to_on IS NULL OR to_on >= from_on", name="dates"),
        CheckConstraint("years >= 0", name="years"),
        Index("ix_mentor_qualification_person", "programme_id", "person_id"),
        Index(
            "uq_mentor_qualification_first",
            "programme_id",
            "person_id",
            "from_on",
            unique=True,
            sqlite_where=text("supersedes_id IS NULL"),
            postgresql_where=text("supersedes_id IS NULL"),
        ),
    )

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    title: Mapped[str] = mapped_column(String(20))
    """Professional title, one of ``rules.mentoring.TITLES``."""
    years: Mapped[int]
    """Whole years of work in such a unit."""
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date | None] = mapped_column(Date)
    """Last day, inclusive; None: until it is ended."""
    reason: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("mentor_qualification.id"), unique=True)
    """The row that this one corrects or ends."""

    person: Mapped[Person] = relationship(lazy="raise", foreign_keys=[person_id])
    recorder: Mapped[Person] = relationship(lazy="raise", foreign_keys=[recorded_by])


append_only("mentor_qualification")
