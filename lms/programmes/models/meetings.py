"""Tables of the meetings of trainee and mentor; append-only, a correction is a row that supersedes another."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only

if TYPE_CHECKING:
    from lms.programmes.models import Placement

_FIRST_PLANNED = text("supersedes_id IS NULL AND kind <> 'concern'")
_FIRST_CONCERN = text("supersedes_id IS NULL AND kind = 'concern'")


class Meeting(WithId, Base):
    """A talk of a trainee with their mentor, written down by the mentor who held it."""

    __tablename__ = "meeting"
    __table_args__ = (
        CheckConstraint("kind IN ('induction', 'mid', 'final', 'concern')", name="kind"),
        CheckConstraint("(kind = 'concern') = (due_on IS NULL)", name="due"),
        Index(
            "uq_meeting_planned",
            "placement_id",
            "kind",
            "due_on",
            unique=True,
            sqlite_where=_FIRST_PLANNED,
            postgresql_where=_FIRST_PLANNED,
        ),
        Index(
            "uq_meeting_concern",
            "placement_id",
            "held_on",
            "mentor_person_id",
            unique=True,
            sqlite_where=_FIRST_CONCERN,
            postgresql_where=_FIRST_CONCERN,
        ),
    )

    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    """``induction``, ``mid``, ``final`` or ``concern``."""
    due_on: Mapped[date | None] = mapped_column(Date)
    """When it was due by the rule; None for a concern."""
    held_on: Mapped[date] = mapped_column(Date)
    mentor_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    summary: Mapped[str] = mapped_column(String(2000))
    plan: Mapped[str] = mapped_column(String(2000))
    """What the two agreed on."""
    recorded_at: Mapped[datetime]
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("meeting.id"), unique=True)
    """The row that this one corrects."""

    placement: Mapped["Placement"] = relationship(lazy="raise")
    mentor: Mapped[Person] = relationship(lazy="raise")
    acknowledgements: Mapped[list["MeetingAcknowledgement"]] = relationship(
        lazy="raise", order_by="MeetingAcknowledgement.id"
    )


class MeetingAcknowledgement(Base):
    """Mentor or trainee confirms what was written down; of a corrected meeting each confirms the new words."""

    __tablename__ = "meeting_acknowledgement"
    __table_args__ = (
        UniqueConstraint("meeting_id", "person_id"),
        CheckConstraint("part IN ('mentor', 'trainee')", name="part"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meeting.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    part: Mapped[str] = mapped_column(String(10))
    """``mentor`` or ``trainee``."""
    at: Mapped[datetime]


for _table in ("meeting", "meeting_acknowledgement"):
    append_only(_table)
