"""Tables of frameworks under work, of what was published, ratified, and by which version a cohort trains."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.approvals import Approval
from lms.core.db import Base, WithId, append_only
from lms.logbooks.models import Framework
from lms.logbooks.rules import WORDS_MAX
from lms.programmes.models import Cohort


class FrameworkDraft(WithId, Base):
    """A framework under work: one document that people change part by part until it is published or dropped."""

    __tablename__ = "framework_draft"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'in_review', 'done', 'dropped')", name="state"),
        CheckConstraint("(state = 'done') = (framework_id IS NOT NULL)", name="done"),
        Index("ix_framework_draft_state", "state", "saved_at"),
    )

    code: Mapped[str] = mapped_column(String(10))
    """The unit: ``NICU`` or ``PICU``."""
    document: Mapped[dict[str, Any]]
    """See ``rules.framework_documents``."""
    edition: Mapped[int] = mapped_column(default=1)
    """Counts the saves."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    from_framework_id: Mapped[int | None] = mapped_column(ForeignKey("framework.id"))
    """The version it began as a copy of."""
    framework_id: Mapped[int | None] = mapped_column(ForeignKey("framework.id"), unique=True)
    """The version that was published from it."""
    client_uuid: Mapped[str] = mapped_column(String(64), unique=True)
    editors: Mapped[list[Any]] = mapped_column(default=list)
    """Persons who wrote in it: none of them reviews it."""
    saved_by_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    saved_at: Mapped[datetime]
    made_at: Mapped[datetime]

    saved_by: Mapped[Person] = relationship(lazy="raise", foreign_keys=[saved_by_id])
    origin: Mapped[Framework | None] = relationship(lazy="raise", foreign_keys=[from_framework_id])

    @property
    def editor_person_ids(self) -> frozenset[int]:
        """Who wrote in it (the shape that the policy asks for)."""
        return frozenset(self.editors)


class FrameworkEdition(Base):
    """How a version came to be: what it says beside its items, its seal, its author and its reviewer; never changed."""

    __tablename__ = "framework_edition"
    __table_args__ = (CheckConstraint("author_id <> reviewer_id", name="two_persons"),)

    framework_id: Mapped[int] = mapped_column(
        ForeignKey("framework.id"), primary_key=True, autoincrement=False
    )
    label: Mapped[str] = mapped_column(String(60))
    domains: Mapped[list[Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    """Over the canonical JSON of the document as it was reviewed."""
    from_framework_id: Mapped[int | None] = mapped_column(ForeignKey("framework.id"))
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"), unique=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Who submitted it."""
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("person.id"))

    approval: Mapped[Approval] = relationship(lazy="raise")
    author: Mapped[Person] = relationship(lazy="raise", foreign_keys=[author_id])
    reviewer: Mapped[Person] = relationship(lazy="raise", foreign_keys=[reviewer_id])


class FrameworkRatification(Base):
    """That a committee stands behind a published version, never changed."""

    __tablename__ = "framework_ratification"

    framework_id: Mapped[int] = mapped_column(
        ForeignKey("framework.id"), primary_key=True, autoincrement=False
    )
    held_on: Mapped[date] = mapped_column(Date)
    """Day of the meeting."""
    meeting: Mapped[str] = mapped_column(String(120))
    """The committee and the number of its minutes."""
    words: Mapped[str] = mapped_column(String(WORDS_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class CohortFramework(Base):
    """By which version of a unit's framework a cohort trains, never changed; the highest number counts."""

    __tablename__ = "cohort_framework"
    __table_args__ = (
        UniqueConstraint("cohort_id", "code", "number"),
        CheckConstraint("kind IN ('chosen', 'kept')", name="kind"),
        Index("ix_cohort_framework_framework", "framework_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    code: Mapped[str] = mapped_column(String(10))
    number: Mapped[int]
    framework_id: Mapped[int] = mapped_column(ForeignKey("framework.id"))
    kind: Mapped[str] = mapped_column(String(10))
    """``chosen`` by a person, or ``kept`` when a later version was published while the cohort ran."""
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    framework: Mapped[Framework] = relationship(lazy="raise")
    cohort: Mapped[Cohort] = relationship(lazy="raise")


DRAFT_UNLESS = (
    "OLD.state IN ('open', 'in_review') AND NEW.id = OLD.id AND NEW.public_id = OLD.public_id "
    "AND NEW.code = OLD.code AND NEW.made_at = OLD.made_at AND NEW.edition >= OLD.edition"
)
"""A draft changes until it is published or dropped; its saves are never counted back."""

append_only("framework_draft", unless=DRAFT_UNLESS)
for _table in (
    "framework",
    "framework_item",
    "framework_edition",
    "framework_ratification",
    "cohort_framework",
):
    append_only(_table)
