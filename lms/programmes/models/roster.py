"""The table of the duty roster; append-only, a later roster's day is a row that supersedes another."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, append_only

_FIRST = text("supersedes_id IS NULL")


class Duty(Base):
    """What one day is for a trainee or mentor of a cohort, as a ward's roster plans it."""

    __tablename__ = "duty"
    __table_args__ = (
        CheckConstraint(
            "shift IN ('day', 'evening', 'night', 'full', 'half', 'study', 'leave', 'off')", name="shift"
        ),
        Index(
            "uq_duty_first",
            "cohort_id",
            "person_id",
            "day",
            unique=True,
            sqlite_where=_FIRST,
            postgresql_where=_FIRST,
        ),
        Index("ix_duty_person", "person_id", "day"),
        Index("ix_duty_week", "cohort_id", "day"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    day: Mapped[date] = mapped_column(Date)
    shift: Mapped[str] = mapped_column(String(10))
    """``day``, ``evening``, ``night``, ``full`` (24 hours), ``half``, ``study``, ``leave`` or ``off``."""
    unit: Mapped[str] = mapped_column(String(10), default="")
    """Where; of a mentor empty where the roster was that of all units."""
    written: Mapped[str] = mapped_column(String(20))
    """The cell as the ward wrote it."""
    imported_at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """None: the demonstration."""
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("duty.id"), unique=True)
    """The row of an earlier roster that this one replaces."""

    person: Mapped[Person] = relationship(lazy="raise")


append_only("duty")
