"""Tables of logbooks: the competency framework, entries, and what was said about them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Person
from lms.core.db import Base, WithId, append_only
from lms.logbooks import rules
from lms.programmes.models import Enrolment, Placement


class Framework(WithId, Base):
    """One published version of a unit's list of competencies, never changed. Entries keep the version they were made with."""

    __tablename__ = "framework"
    __table_args__ = (
        UniqueConstraint("code", "version"),
        CheckConstraint("state IN ('draft', 'published', 'retired')", name="state"),
    )

    code: Mapped[str] = mapped_column(String(10))
    """``NICU`` or ``PICU``."""
    version: Mapped[int]
    title_zh: Mapped[str] = mapped_column(String(120))
    title_en: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(10), default="draft")
    is_sample: Mapped[bool] = mapped_column(default=False)
    """Sample content; pages say so until a committee ratifies it."""
    published_at: Mapped[datetime | None]

    items: Mapped[list["Item"]] = relationship(
        back_populates="framework", lazy="raise", order_by="Item.position"
    )


class Item(Base):
    """One competency: an entrustable activity or a procedure."""

    __tablename__ = "framework_item"
    __table_args__ = (UniqueConstraint("framework_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    framework_id: Mapped[int] = mapped_column(ForeignKey("framework.id"))
    position: Mapped[int]
    code: Mapped[str] = mapped_column(String(10))
    """``N01`` … in NICU, ``P01`` … in PICU; unique over all frameworks of a site."""
    kind: Mapped[str] = mapped_column(String(12))
    """``EPA``, ``PROCEDURE``, ``KNOWLEDGE`` or ``BEHAVIOUR``."""
    critical: Mapped[bool] = mapped_column(default=False)
    title_zh: Mapped[str] = mapped_column(String(160))
    title_en: Mapped[str] = mapped_column(String(160))
    initials: Mapped[str] = mapped_column(String(80), default="")
    """Pinyin initials of the Chinese title, for search: 腰椎穿刺 is ``yzcc``."""
    targets: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Per track: ``{"PED": {"level": 3, "min_count": 5, "max_simulated": 2}, …}``; levels on ten Cate's prospective scale."""
    rule: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Facets in words (``zh``, ``en``) and the ``sources`` of the numbers."""
    domain: Mapped[str] = mapped_column(String(10), default="", server_default="")
    """Code of the domain it belongs to; empty where the framework has none."""

    framework: Mapped[Framework] = relationship(back_populates="items", lazy="raise")


class Entry(WithId, Base):
    """One thing a trainee did, on its way from their hand to a signature."""

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("author_person_id", "client_uuid"),
        CheckConstraint("signer_person_id IS NULL OR signer_person_id <> author_person_id", name="not_own"),
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in rules.STATES)})", name="state"),
        Index("ix_entry_enrolment", "enrolment_id", "state", "item_id"),
        Index("ix_entry_signer", "signer_person_id", "state", "submitted_at"),
        Index("ix_entry_cohort", "cohort_id", "state"),
    )

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    placement_id: Mapped[int] = mapped_column(ForeignKey("placement.id"))
    unit: Mapped[str] = mapped_column(String(10))
    """Unit of the placement on the day it was done."""
    author_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    author_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    signer_person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("framework_item.id"))
    performed_on: Mapped[date] = mapped_column(Date)
    content: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The clinical facts as they stand now (``rules.Content``); what was signed is the revision's payload."""
    state: Mapped[str] = mapped_column(String(14), default=rules.DRAFT)
    revision_no: Mapped[int] = mapped_column(default=0)
    """Number of the latest revision; 0 while it was never submitted."""
    late: Mapped[bool] = mapped_column(default=False)
    """L5: first submitted more than seven days after it was done."""
    client_uuid: Mapped[str] = mapped_column(String(64))
    """Made by the author's device; a replay finds the entry that the first delivery made (L14)."""
    created_at: Mapped[datetime]
    first_submitted_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    """Of the latest revision: the age in the signer's inbox."""
    opened_at: Mapped[datetime | None]
    """When the signer first had this revision on the screen; from then on it cannot be recalled."""
    decided_at: Mapped[datetime | None]
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"), index=True)
    """The signed entry that this one corrects; it stays as it was, and no longer counts."""
    escalated: Mapped[int] = mapped_column(default=0, server_default="0")
    """The last stage of ``rules.STAGES`` that this revision has reached while it waited."""
    seen_at: Mapped[datetime | None]
    """When somebody other than the signer first read the signature; from then on it cannot be withdrawn."""

    item: Mapped[Item] = relationship(lazy="raise")
    enrolment: Mapped[Enrolment] = relationship(lazy="raise")
    placement: Mapped[Placement] = relationship(lazy="raise")
    author: Mapped[Person] = relationship(lazy="raise", foreign_keys=[author_person_id])
    signer: Mapped[Person | None] = relationship(lazy="raise", foreign_keys=[signer_person_id])
    revisions: Mapped[list["EntryRevision"]] = relationship(lazy="raise", order_by="EntryRevision.number")

    @property
    def trainee_person_id(self) -> int:
        """Whose training this is (the shape that the policy asks for)."""
        return self.author_person_id

    @property
    def facts(self) -> rules.Content:
        """The clinical facts as they stand now."""
        return rules.Content.of_json(self.content)


class EntryRevision(Base):
    """What was put before the signer: one canonical document, never changed."""

    __tablename__ = "entry_revision"
    __table_args__ = (UniqueConstraint("entry_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    number: Mapped[int]
    payload: Mapped[dict[str, Any]]
    payload_sha256: Mapped[str] = mapped_column(String(64))
    """Over the RFC 8785 form of ``payload``."""
    made_at: Mapped[datetime]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))


class SigningKey(WithId, Base):
    """A person's own Ed25519 key, made when they first sign, never changed.

    The private half is sealed under the site's key passphrase; a fresh confirmation authorises each use.
    """

    __tablename__ = "signing_key"
    __table_args__ = (UniqueConstraint("person_id", "number"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    number: Mapped[int] = mapped_column(default=1)
    """The highest is in use."""
    public_key: Mapped[str] = mapped_column(String(64))
    """Hexadecimal."""
    sealed: Mapped[str] = mapped_column(String(300))
    """The private half (``core.digests.seal``), base64."""
    made_at: Mapped[datetime]


class Signature(WithId, Base):
    """A signer's word on one revision, never changed."""

    __tablename__ = "entry_signature"
    __table_args__ = (
        UniqueConstraint("revision_id", "kind", "number"),
        CheckConstraint("signer_person_id <> author_person_id", name="not_own"),
        CheckConstraint("level BETWEEN 1 AND 5", name="level"),
        Index("ix_entry_signature_entry", "entry_id"),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("entry_revision.id"))
    kind: Mapped[str] = mapped_column(String(12), default="sign")
    """``sign`` or ``countersign``."""
    author_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    """Copied from the entry so that the table itself refuses an own signature (L1)."""
    signer_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    signer_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    acted_as: Mapped[str] = mapped_column(String(10))
    """``mentor``, ``second`` or ``deputy``: the pairing valid on the day it was done."""
    level: Mapped[int]
    """O-SCORE, 1 to 5."""
    words: Mapped[str] = mapped_column(String(rules.WORDS_MAX), default="")
    method: Mapped[str] = mapped_column(String(10))
    """How the signer proved their presence: ``pin`` or ``passkey``."""
    payload_sha256: Mapped[str] = mapped_column(String(64))
    statement_sha256: Mapped[str] = mapped_column(String(64))
    """Over ``rules.statement``: seals level, words and time to the payload."""
    number: Mapped[int] = mapped_column(default=1, server_default="1")
    """Counts the signatures of one kind on a revision: the second follows a withdrawn first."""
    key_id: Mapped[int | None] = mapped_column(ForeignKey("signing_key.id"))
    """None only for signatures of the first version, which had a digest and no key."""
    signature: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """Ed25519 over the canonical JSON of ``rules.statement``, hexadecimal."""
    batch: Mapped[str] = mapped_column(String(12), default="", server_default="")
    """Names the sitting in which several entries were signed together; empty for one that was signed alone."""
    opened_at: Mapped[datetime | None]
    signed_at: Mapped[datetime]

    key: Mapped[SigningKey | None] = relationship(lazy="raise")
    signer: Mapped[Person] = relationship(lazy="raise", foreign_keys=[signer_person_id])


class EntryReturn(Base):
    """Why a signer gave a revision back, never changed."""

    __tablename__ = "entry_return"
    __table_args__ = (
        UniqueConstraint("revision_id"),
        CheckConstraint("kind IN ('return', 'decline')", name="kind"),
        Index("ix_entry_return_entry", "entry_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("entry_revision.id"))
    kind: Mapped[str] = mapped_column(String(10))
    """``return``: the author corrects it; ``decline``: the author asks somebody else."""
    reason: Mapped[str] = mapped_column(String(20), default="")
    """A key of ``rules.RETURN_REASONS``, ``not_present``, or empty where the words say it all."""
    words: Mapped[str] = mapped_column(String(rules.WORDS_MAX), default="")
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="raise")


class EntryAct(Base):
    """An act that is added to an entry's record with its reason, never changed."""

    __tablename__ = "entry_act"
    __table_args__ = (
        UniqueConstraint("signature_id"),
        CheckConstraint("act IN ('withdraw', 'amend', 'void', 'revive', 'lapse')", name="act"),
        CheckConstraint("(act = 'withdraw') = (signature_id IS NOT NULL)", name="signature"),
        Index("ix_entry_act_entry", "entry_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    signature_id: Mapped[int | None] = mapped_column(ForeignKey("entry_signature.id"))
    """The signature that a withdrawal takes back."""
    act: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(20), default="")
    """A key of ``rules.VOID_REASONS``, or empty where the words say it all."""
    words: Mapped[str] = mapped_column(String(rules.WORDS_MAX), default="")
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    """None: the clock."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]

    person: Mapped[Person | None] = relationship(lazy="raise")


class LateWindow(WithId, Base):
    """Days of which a coordinator lets late entries in (L5), with the reason; never changed."""

    __tablename__ = "late_window"
    __table_args__ = (CheckConstraint("to_on >= from_on", name="dates"),)

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), index=True)
    from_on: Mapped[date] = mapped_column(Date)
    to_on: Mapped[date] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(String(rules.WORDS_MAX))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


class Handover(Base):
    """A code on the trainee's screen that opens one entry on the signer's phone, once, within ten minutes."""

    __tablename__ = "entry_handover"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Reflection(Base):
    """What the trainee thinks about an entry: theirs alone unless they share it; no part of what is signed."""

    __tablename__ = "reflection"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(String(rules.REFLECTION_MAX))
    shared: Mapped[bool] = mapped_column(default=False)
    """With whoever may read the entry; never in exports and certificates (L15)."""
    at: Mapped[datetime]


# ---------------------------------------------------------------- what the database itself refuses

_NEVER = (
    "id",
    "public_id",
    "enrolment_id",
    "cohort_id",
    "author_person_id",
    "author_account_id",
    "client_uuid",
    "created_at",
)
_IN_HAND_ONLY = ("placement_id", "unit", "item_id", "performed_on", "content", "revision_no", "late")
_IN_HAND_ONLY_OR_NULL = (
    ("signer_person_id", "0"),
    ("first_submitted_at", "{}.created_at"),
    ("submitted_at", "{}.created_at"),
)
_UNTIL_DECIDED = (("opened_at", "{}.created_at"), ("decided_at", "{}.created_at"))


def _same(*columns: str) -> str:
    return " AND ".join(f"NEW.{name} = OLD.{name}" for name in columns)


def _same_or_null(*columns: tuple[str, str]) -> str:
    # IS NOT DISTINCT FROM would say it shorter; SQLite knows it only since 3.39.
    return " AND ".join(
        f"COALESCE(NEW.{name}, {other.format('NEW')}) = COALESCE(OLD.{name}, {other.format('OLD')})"
        f" AND (NEW.{name} IS NULL) = (OLD.{name} IS NULL)"
        for name, other in columns
    )


def _listed(states: frozenset[str]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def entry_unless() -> str:
    """When the database lets an entry change: only along ``rules.MOVES``, and its content only in the author's hand (L3).

    A signed state needs its signature row, a submitted one its revision row; a signature is withdrawn only by an appended
    act, while nobody has read it.
    """
    ways = sorted(
        {(before, way.after) for way in rules.MOVES.values() for before in way.before if before != way.after}
    )
    moves = " OR ".join(f"(OLD.state = '{before}' AND NEW.state = '{after}')" for before, after in ways)
    revision = "SELECT 1 FROM entry_revision r WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no"
    signature = (
        "SELECT 1 FROM entry_signature s JOIN entry_revision r ON r.id = s.revision_id "
        "WHERE r.entry_id = NEW.id AND r.number = NEW.revision_no "
        "AND NOT EXISTS (SELECT 1 FROM entry_act a WHERE a.signature_id = s.id)"
    )
    open_ = _listed(rules.OPEN)
    withdrawn = f"OLD.state = '{rules.SIGNED}' AND NEW.state = '{rules.SUBMITTED}'"
    return " AND ".join(
        (
            _same(*_NEVER),
            _same_or_null(("supersedes_id", "0")),
            f"({moves} OR (NEW.state = OLD.state AND OLD.state IN {_listed(rules.OPEN | {rules.SIGNED})}))",
            f"(OLD.state IN {_listed(rules.IN_HAND)} OR ({_same(*_IN_HAND_ONLY)} AND {_same_or_null(*_IN_HAND_ONLY_OR_NULL)}))",
            f"(OLD.state IN {open_} OR ({withdrawn}) OR ({_same_or_null(*_UNTIL_DECIDED)}))",
            f"(NOT ({withdrawn}) OR (OLD.seen_at IS NULL AND NOT EXISTS ({signature})))",
            "(OLD.seen_at IS NULL OR COALESCE(NEW.seen_at, NEW.created_at) = OLD.seen_at)",
            f"(NEW.state <> '{rules.SUBMITTED}' OR EXISTS ({revision}))",
            f"(NEW.state <> '{rules.SIGNED}' OR EXISTS ({signature} AND s.kind = 'sign'))",
            f"(NEW.state <> '{rules.COUNTERSIGNED}' OR EXISTS ({signature} AND s.kind = 'countersign'))",
        )
    )


append_only("entry", unless=entry_unless())
for _table in (
    "entry_revision",
    "entry_signature",
    "entry_return",
    "entry_act",
    "signing_key",
    "late_window",
):
    append_only(_table)

from lms.logbooks.models import frameworks, workplace  # noqa: E402, F401  (their tables hang on those above)
