"""Tables of the monthly audit sample: what was drawn by which seed, and what the ward's own record says."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.logbooks.models import Entry
from lms.logbooks.rules import WORDS_MAX
from lms.programmes.models import Programme


class AuditSample(WithId, Base):
    """The sample of one month's signed entries in one programme, never changed."""

    __tablename__ = "audit_sample"
    __table_args__ = (UniqueConstraint("programme_id", "month"),)

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    month: Mapped[date] = mapped_column(Date)
    """Its first day."""
    root_day: Mapped[date] = mapped_column(Date)
    """The day whose seal of the audit trail the seed is made of: the last sealed one of the month."""
    root: Mapped[str] = mapped_column(String(64))
    seed: Mapped[str] = mapped_column(String(64))
    """``rules.sampling.seed_of``."""
    population: Mapped[int]
    """Entries signed in the month whose signature stood when it was drawn."""
    population_sha256: Mapped[str] = mapped_column(String(64))
    """Over their public ids, sorted, one a line."""
    drawn: Mapped[int]
    at: Mapped[datetime]

    programme: Mapped[Programme] = relationship(lazy="raise")


class SampleLine(WithId, Base):
    """One entry that is checked against the ward's own record, never changed."""

    __tablename__ = "audit_sample_line"
    __table_args__ = (
        UniqueConstraint("sample_id", "entry_id"),
        Index("ix_audit_sample_line_signer", "signer_person_id"),
    )

    sample_id: Mapped[int] = mapped_column(ForeignKey("audit_sample.id"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    signer_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Who had signed it when it was drawn."""

    sample: Mapped[AuditSample] = relationship(lazy="raise")
    entry: Mapped[Entry] = relationship(lazy="raise")
    signer: Mapped[Person] = relationship(lazy="raise")


class SampleCheck(Base):
    """What somebody found in the ward's record, never changed; the one with the highest number counts."""

    __tablename__ = "audit_sample_check"
    __table_args__ = (
        UniqueConstraint("line_id", "number"),
        CheckConstraint("outcome IN ('found', 'not_found', 'differs')", name="outcome"),
        CheckConstraint("outcome = 'found' OR words <> ''", name="reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("audit_sample_line.id"))
    number: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(10))
    words: Mapped[str] = mapped_column(String(WORDS_MAX), default="")
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


for _table in ("audit_sample", "audit_sample_line", "audit_sample_check"):
    append_only(_table)
