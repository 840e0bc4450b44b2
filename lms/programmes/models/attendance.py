"""The table of attendance; append-only, a correction is a row that supersedes another."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, append_only

if TYPE_CHECKING:
    from lms.programmes.models import Placement

_FIRST = text("supersedes_id IS NULL")


class Attendance(Base):
    """What one day of a placement was for the trainee, confirmed by mentor or coordinator."""

    __tablename__ = "attendance"
    __table_args__ = (
        CheckConstraint("kind IN ('duty', 'night', 'half', 'leave', 'sick', 'study', 'absent')", name="kind"),
        Index(
            "uq_attendance_first",
            "placement_id",
            "day",
            unique=True,
            sqlite_where=_FIRST,
            postgresql_where=_FIRST,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"))
    day: Mapped[date] = mapped_column(Date)
    kind: Mapped[str] = mapped_column(String(10))
    """``duty``, ``night``, ``half``, ``leave``, ``sick``, ``study`` or ``absent``."""
    confirmed_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    confirmed_at: Mapped[datetime]
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("attendance.id"), unique=True)
    """The row that this one corrects."""

    placement: Mapped["Placement"] = relationship(lazy="raise")
    confirmer: Mapped[Person] = relationship(lazy="raise")


append_only("attendance")
