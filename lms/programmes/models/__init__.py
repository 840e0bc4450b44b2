"""Tables of places, programmes and who trains where with whom."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId
from lms.programmes.models.attendance import Attendance
from lms.programmes.models.intakes import CohortEvent
from lms.programmes.models.meetings import Meeting, MeetingAcknowledgement
from lms.programmes.models.mentoring import MentorQualification
from lms.programmes.models.places import HospitalVersion
from lms.programmes.models.roster import Duty

__all__ = [
    "Attendance",
    "Cohort",
    "CohortEvent",
    "Duty",
    "Enrolment",
    "Hospital",
    "HospitalVersion",
    "Meeting",
    "MeetingAcknowledgement",
    "MentorQualification",
    "Pairing",
    "Placement",
    "Programme",
]


class Hospital(WithId, Base):
    """A hospital: the base that trains, or a home hospital that sends its people."""

    __tablename__ = "hospital"

    code: Mapped[str] = mapped_column(String(40), unique=True)
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(160), default="")
    tier: Mapped[str] = mapped_column(String(10), default="")
    """``3``, ``2``, ``1`` or empty (未定级)."""
    grade: Mapped[str] = mapped_column(String(10), default="")
    """``甲``, ``乙``, ``丙`` or empty."""
    county_code: Mapped[str] = mapped_column(String(6), default="")
    """GB/T 2260 code of the county."""
    region: Mapped[str] = mapped_column(String(12), default="")
    """``east``, ``central``, ``west`` or ``northeast``."""
    relation: Mapped[str] = mapped_column(String(20), default="trainee-source")
    """``base``, ``partner`` or ``trainee-source``."""
    closed_on: Mapped[date | None] = mapped_column(Date)
    """Since when it is offered no more; None while it is open."""


class Programme(WithId, Base):
    """A training programme of a sponsoring hospital."""

    __tablename__ = "programme"

    code: Mapped[str] = mapped_column(String(20), unique=True)
    """Upper case letters and digits; opens the serial of its certificates."""
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    sponsor_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    director_name: Mapped[str] = mapped_column(String(60), default="")
    """As printed on certificates."""
    is_sample: Mapped[bool] = mapped_column(default=False)
    """Content not yet reviewed by a named clinician; pages and certificates say so."""
    mentor_cap: Mapped[int] = mapped_column(default=1)
    """Trainees whom a mentor has as primary mentor on any one day; more needs the director's reason."""
    asks_qualification: Mapped[bool] = mapped_column(default=False)
    """Whether a primary mentor needs a qualification that the director has entered."""

    sponsor: Mapped[Hospital] = relationship(lazy="raise")

    @property
    def programme_id(self) -> int:
        """The scope it makes (the shape that the policy asks for)."""
        return self.id


class Cohort(WithId, Base):
    """One intake of a programme."""

    __tablename__ = "cohort"
    __table_args__ = (
        UniqueConstraint("programme_id", "code"),
        CheckConstraint("end_on > start_on", name="dates"),
    )

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    code: Mapped[str] = mapped_column(String(20))
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(120))
    start_on: Mapped[date] = mapped_column(Date)
    end_on: Mapped[date] = mapped_column(Date)
    hours: Mapped[int | None]
    """Study hours (学时) of the whole programme as printed; None where none are declared."""
    seats: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Limits in all, by track and by region (``rules.intakes.Seats``); what is not named has none."""
    state: Mapped[str] = mapped_column(String(20), default="running")
    """``planned``, ``running`` or ``closed``."""

    programme: Mapped[Programme] = relationship(lazy="raise")

    @property
    def cohort_id(self) -> int:
        """The scope it makes (the shape that the policy asks for)."""
        return self.id

    @property
    def weeks(self) -> int:
        """Length in whole weeks, begun weeks counted."""
        return -(-((self.end_on - self.start_on).days + 1) // 7)

    def week_on(self, day: date) -> int:
        """The week of the programme that ``day`` lies in, from 1, held within the cohort's weeks."""
        return min(max((day - self.start_on).days // 7 + 1, 1), self.weeks)


class Enrolment(WithId, Base):
    """One trainee in one cohort; whatever they do for it hangs here."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("cohort_id", "person_id"),)

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    home_hospital_id: Mapped[int | None] = mapped_column(ForeignKey("hospital.id"))
    track: Mapped[str] = mapped_column(String(10))
    """``GP``, ``PED`` or ``NURSE``."""
    state: Mapped[str] = mapped_column(String(20), default="active")
    """``active``, ``paused``, ``completed`` or ``withdrawn``."""
    enrolled_at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")
    home_hospital: Mapped[Hospital | None] = relationship(lazy="raise")
    placements: Mapped[list["Placement"]] = relationship(
        back_populates="enrolment", lazy="raise", order_by="Placement.from_on"
    )

    @property
    def trainee_person_id(self) -> int:
        """Whose training this is (the shape that the policy asks for)."""
        return self.person_id


class Placement(WithId, Base):
    """A trainee's weeks in one unit."""

    __tablename__ = "placement"
    __table_args__ = (CheckConstraint("to_on >= from_on", name="dates"),)

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    unit: Mapped[str] = mapped_column(String(10))
    """``NICU``, ``PICU`` or ``other``."""
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date] = mapped_column(Date)
    """Last day, inclusive."""

    enrolment: Mapped[Enrolment] = relationship(back_populates="placements", lazy="raise")
    pairings: Mapped[list["Pairing"]] = relationship(
        back_populates="placement", lazy="raise", order_by="Pairing.from_on"
    )


class Pairing(WithId, Base):
    """Who mentors or assesses a trainee during a placement, from day to day.

    A change of pairing never moves an old signature: a new row begins, the old one ends.
    """

    __tablename__ = "pairing"
    __table_args__ = (
        CheckConstraint("to_on >= from_on", name="dates"),
        CheckConstraint("kind IN ('primary', 'second', 'deputy')", name="kind"),
        Index("ix_pairing_mentor", "mentor_person_id", "from_on"),
        Index(
            "uq_pairing_primary_start",
            "placement_id",
            "from_on",
            unique=True,
            sqlite_where=text("kind = 'primary'"),
            postgresql_where=text("kind = 'primary'"),
        ),
    )

    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"), index=True)
    mentor_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[str] = mapped_column(String(10))
    """``primary`` (the one-to-one mentor), ``second`` (second assessor) or ``deputy``."""
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date] = mapped_column(Date)
    """Last day, inclusive."""
    given_by_id: Mapped[int | None] = mapped_column(ForeignKey("pairing.id"), index=True)
    """The primary mentor's own pairing out of which a deputy acts: a delegation, at most 14 days, never passed on."""
    reason: Mapped[str] = mapped_column(String(200), default="")
    """Why it was given, or why it ended before its day."""

    placement: Mapped[Placement] = relationship(back_populates="pairings", lazy="raise")
    mentor: Mapped[Person] = relationship(lazy="raise")
