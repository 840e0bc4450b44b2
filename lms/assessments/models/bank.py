"""Tables of the item bank.

What a question says and what is right are never changed: a new version, a new key revision follows the old one, and the
database itself refuses the rest. Only what is said *about* a question moves: its state, its topic, its review date.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.assessments.rules import ItemState
from lms.core.db import Base, WithId, append_only
from lms.programmes.models import Programme


class ItemBank(WithId, Base):
    """A collection of questions of one programme, for exams or for practice, never for both."""

    __tablename__ = "item_bank"
    __table_args__ = (
        CheckConstraint("purpose IN ('exam', 'practice')", name="purpose"),
        Index("ux_item_bank_purpose", "id", "purpose", unique=True),  # what practice refers to
    )

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(10))
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))

    programme: Mapped[Programme] = relationship(lazy="raise")


class Question(WithId, Base):
    """The identity of a question; what it says stands in its versions."""

    __tablename__ = "question"
    __table_args__ = (
        UniqueConstraint("bank_id", "code"),
        Index("ix_question_state", "bank_id", "state"),
        CheckConstraint("lecture_second >= 0", name="lecture_second"),
        Index("ux_question_bank", "id", "bank_id", unique=True),  # what practice refers to
    )

    bank_id: Mapped[int] = mapped_column(ForeignKey("item_bank.id"))
    code: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), default=ItemState.DRAFT)
    """Of the newest version."""
    live_n: Mapped[int | None]
    """Number of the version that new forms use; an older one while a newer is still in review."""
    topic: Mapped[str] = mapped_column(String(120), default="")
    cognitive: Mapped[str] = mapped_column(String(20), default="")
    difficulty: Mapped[int | None]
    """The share of candidates, in per cent, that the author expects to answer it."""
    review_due: Mapped[date | None]
    """Last day on which it may be used without a look at what it rests on."""
    lecture_code: Mapped[str] = mapped_column(String(60), default="", server_default="")
    """Code of the lecture that teaches it, in whichever cohort somebody answers it; empty: none is named."""
    lecture_second: Mapped[int] = mapped_column(default=0, server_default="0")
    """From where in that lecture."""
    review_note: Mapped[str] = mapped_column(String(300), default="")
    """Why an imported question needs a person's eye before it goes to review."""
    words: Mapped[str] = mapped_column(Text, default="")
    """The newest wording as it is searched."""
    changed_at: Mapped[datetime | None]

    bank: Mapped[ItemBank] = relationship(lazy="raise")

    @property
    def programme_id(self) -> int:
        """The programme it belongs to (the shape that the policy asks for)."""
        return self.bank.programme_id

    @property
    def purpose(self) -> str:
        """What its bank is for (the shape that the policy asks for)."""
        return self.bank.purpose


class QuestionVersion(Base):
    """One wording of a question, for ever."""

    __tablename__ = "question_version"
    __table_args__ = (UniqueConstraint("question_id", "n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    n: Mapped[int]
    type: Mapped[str] = mapped_column(String(10))
    """See docs/items.md, as for body and key."""
    body: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the canonical JSON of type and body."""
    author_account_id: Mapped[int | None]
    author_person_id: Mapped[int | None]
    """Whoever wrote it does not approve it."""
    source: Mapped[str] = mapped_column(String(300), default="")
    """Guideline or book that the item rests on."""
    is_sample: Mapped[bool] = mapped_column(default=False)
    """Not yet reviewed by a named clinician."""
    created_at: Mapped[datetime]

    question: Mapped[Question] = relationship(lazy="raise")


class KeyRevision(Base):
    """One statement of what is right and why, for ever; a correction is a new one."""

    __tablename__ = "key_revision"
    __table_args__ = (UniqueConstraint("question_version_id", "n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    question_version_id: Mapped[int] = mapped_column(ForeignKey("question_version.id"))
    n: Mapped[int]
    key: Mapped[dict[str, Any]]
    rationale: Mapped[dict[str, Any]]
    """``{"zh", "en", "asks"?}``."""
    reason: Mapped[str] = mapped_column(String(200), default="")
    account_id: Mapped[int | None]
    approval_id: Mapped[int | None]
    """The two-person approval of a correction; the first key is approved with its wording."""
    created_at: Mapped[datetime]


class QuestionTag(Base):
    """A word under which a question is found."""

    __tablename__ = "question_tag"

    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(60), primary_key=True, index=True)


class EnemyPair(Base):
    """Two questions that never stand in the same form, since one gives the other away."""

    __tablename__ = "enemy_pair"
    __table_args__ = (CheckConstraint("low_id < high_id", name="order"),)

    low_id: Mapped[int] = mapped_column(ForeignKey("question.id"), primary_key=True)
    high_id: Mapped[int] = mapped_column(ForeignKey("question.id"), primary_key=True, index=True)


class QuestionEvent(Base):
    """Something that happened to a question, or was said of it, for ever."""

    __tablename__ = "question_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), index=True)
    n: Mapped[int]
    """The version it is about."""
    act: Mapped[str] = mapped_column(String(20))
    """A move of the rules, ``comment`` or ``revise_key``."""
    words: Mapped[str] = mapped_column(String(2000), default="")
    account_id: Mapped[int | None]
    person_id: Mapped[int | None]
    at: Mapped[datetime]


class ItemMedia(WithId, Base):
    """A picture, sound or film that questions of a programme show; kept once however many show it."""

    __tablename__ = "item_media"
    __table_args__ = (UniqueConstraint("programme_id", "sha256"),)

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(200))
    mime: Mapped[str] = mapped_column(String(60))
    size_bytes: Mapped[int]
    created_at: Mapped[datetime]


class ItemImport(WithId, Base):
    """A file of questions that was handed in: looked at, then imported or put away."""

    __tablename__ = "item_import"
    __table_args__ = (CheckConstraint("state IN ('open', 'imported', 'discarded')", name="state"),)

    bank_id: Mapped[int] = mapped_column(ForeignKey("item_bank.id"), index=True)
    filename: Mapped[str] = mapped_column(String(200))
    storage_key: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), default="open")
    count: Mapped[int] = mapped_column(default=0)
    """Questions that were imported."""
    account_id: Mapped[int | None]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]

    bank: Mapped[ItemBank] = relationship(lazy="raise")

    @property
    def programme_id(self) -> int:
        """The programme it belongs to (the shape that the policy asks for)."""
        return self.bank.programme_id

    @property
    def purpose(self) -> str:
        """What its bank is for (the shape that the policy asks for)."""
        return self.bank.purpose


for _table in ("question_version", "key_revision", "question_event"):
    append_only(_table)
