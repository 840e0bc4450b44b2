"""Tables of assessments in the workplace: what was asked for, what was signed, what the trainee answered."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.logbooks.models import Item, SigningKey
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import workplace as rules
from lms.programmes.models import Enrolment


def _one_of(column: str, values: object) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"  # type: ignore[attr-defined]


class WorkplaceAssessment(WithId, Base):
    """One event that somebody watched, on its way from the wish to the trainee's answer."""

    __tablename__ = "workplace_assessment"
    __table_args__ = (
        UniqueConstraint("starter_person_id", "client_uuid"),
        CheckConstraint("assessor_person_id <> trainee_person_id", name="not_own"),
        CheckConstraint("starter_person_id IN (trainee_person_id, assessor_person_id)", name="starter"),
        CheckConstraint(_one_of("state", rules.STATES), name="state"),
        Index("ix_workplace_assessment_enrolment", "enrolment_id", "state", "item_id"),
        Index("ix_workplace_assessment_assessor", "assessor_person_id", "state", "asked_at"),
        Index("ix_workplace_assessment_cohort", "cohort_id", "state"),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    assessor_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    starter_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Trainee or assessor: who began it."""
    starter_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    client_uuid: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(12))
    """A key of ``rules.KINDS``."""
    item_id: Mapped[int] = mapped_column(ForeignKey("framework_item.id"))
    happened_on: Mapped[date] = mapped_column(Date)
    setting: Mapped[str] = mapped_column(String(12), default="")
    age_band: Mapped[str] = mapped_column(String(10), default="")
    focus: Mapped[str] = mapped_column(String(rules.FOCUS_MAX), default="")
    """What the trainee wants watched."""
    state: Mapped[str] = mapped_column(String(10), default=rules.REQUESTED)
    asked_at: Mapped[datetime]
    reminded: Mapped[int] = mapped_column(default=0)
    """Reminders sent so far."""

    item: Mapped[Item] = relationship(lazy="raise")
    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    trainee: Mapped[Person] = relationship(lazy="raise", foreign_keys=[trainee_person_id])
    assessor: Mapped[Person] = relationship(lazy="raise", foreign_keys=[assessor_person_id])
    record: Mapped["WorkplaceRecord | None"] = relationship(lazy="raise", back_populates="assessment")
    response: Mapped["WorkplaceResponse | None"] = relationship(lazy="raise")


class WorkplaceRecord(WithId, Base):
    """The assessor's signed form, never changed."""

    __tablename__ = "workplace_record"
    __table_args__ = (
        UniqueConstraint("assessment_id"),
        CheckConstraint("assessor_person_id <> trainee_person_id", name="not_own"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
    )

    assessment_id: Mapped[int] = mapped_column(ForeignKey("workplace_assessment.id"))
    trainee_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Copied so that the table itself refuses an own assessment."""
    assessor_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    assessor_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    acted_as: Mapped[str] = mapped_column(String(10))
    """``mentor``, ``second``, ``deputy``, or ``colleague``: paired with somebody else of the programme."""
    level: Mapped[int]
    """O-SCORE, 1 to 5."""
    payload: Mapped[dict[str, Any]]
    """Everything that was assessed, as one canonical document."""
    payload_sha256: Mapped[str] = mapped_column(String(64))
    statement_sha256: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(10))
    key_id: Mapped[int] = mapped_column(ForeignKey("signing_key.id"))
    signature: Mapped[str] = mapped_column(String(128))
    """Ed25519 over the canonical JSON of the statement, hexadecimal."""
    signed_at: Mapped[datetime]

    assessment: Mapped[WorkplaceAssessment] = relationship(lazy="raise", back_populates="record")
    key: Mapped[SigningKey] = relationship(lazy="raise")
    assessor: Mapped[Person] = relationship(lazy="raise", foreign_keys=[assessor_person_id])


class WorkplaceResponse(Base):
    """What the trainee makes of an assessment, never changed."""

    __tablename__ = "workplace_response"
    __table_args__ = (UniqueConstraint("assessment_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("workplace_assessment.id"))
    words: Mapped[str] = mapped_column(String(rules.TEXT_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


class WorkplaceAct(Base):
    """An act that ends an assessment, added to it with its reason, never changed."""

    __tablename__ = "workplace_act"
    __table_args__ = (
        UniqueConstraint("assessment_id", "act"),
        CheckConstraint("act IN ('decline', 'cancel', 'lapse', 'void')", name="act"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("workplace_assessment.id"))
    act: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(20), default="")
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """None: the clock."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person | None] = relationship(lazy="raise")


# ---------------------------------------------------------------- what the database itself refuses

_NEVER = (
    "id",
    "public_id",
    "enrolment_id",
    "cohort_id",
    "trainee_person_id",
    "assessor_person_id",
    "starter_person_id",
    "starter_account_id",
    "client_uuid",
    "kind",
    "item_id",
    "happened_on",
    "setting",
    "age_band",
    "focus",
    "asked_at",
)


def assessment_unless() -> str:
    """When the database lets an assessment change: only its state along ``rules.MOVES``, each with the row that says so."""
    ways = sorted(
        {(before, way.after) for way in rules.MOVES.values() for before in way.before if before != way.after}
    )
    moves = " OR ".join(f"(OLD.state = '{before}' AND NEW.state = '{after}')" for before, after in ways)
    acts = (("declined", "decline"), ("cancelled", "cancel"), ("lapsed", "lapse"), ("voided", "void"))
    ended = "SELECT 1 FROM workplace_act a WHERE a.assessment_id = NEW.id"
    return " AND ".join(
        (
            *(f"NEW.{name} = OLD.{name}" for name in _NEVER),
            f"({moves} OR (NEW.state = OLD.state AND OLD.state = '{rules.REQUESTED}'))",
            "(NEW.state <> 'submitted' OR EXISTS (SELECT 1 FROM workplace_record r WHERE r.assessment_id = NEW.id))",
            "(NEW.state <> 'responded' OR EXISTS (SELECT 1 FROM workplace_response r WHERE r.assessment_id = NEW.id))",
            *(f"(NEW.state <> '{state}' OR EXISTS ({ended} AND a.act = '{act}'))" for state, act in acts),
        )
    )


append_only("workplace_assessment", unless=assessment_unless())
for _table in ("workplace_record", "workplace_response", "workplace_act"):
    append_only(_table)
