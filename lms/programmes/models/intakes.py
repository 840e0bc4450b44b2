"""What a cohort meets for."""

from datetime import date, datetime, time

from sqlalchemy import Date, ForeignKey, String, Time
from sqlalchemy.orm import Mapped, mapped_column

from lms.core.db import Base, WithId


class CohortEvent(WithId, Base):
    """A date of a cohort's timetable, as it stands in the calendar of each trainee."""

    __tablename__ = "cohort_event"

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    title_zh: Mapped[str] = mapped_column(String(120))
    title_en: Mapped[str] = mapped_column(String(120))
    day: Mapped[date] = mapped_column(Date)
    begins: Mapped[time | None] = mapped_column(Time)
    """In Beijing; None: the whole day."""
    ends: Mapped[time | None] = mapped_column(Time)
    place: Mapped[str] = mapped_column(String(120), default="")
    removed_at: Mapped[datetime | None]
    """Since when it is in no calendar."""
