"""Tables of rules, waivers, standings, the register with its public log, and issuing batches."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.certificates.models.crediting import CreditEntry, CreditPlan
from lms.core.db import Base, WithId, append_only
from lms.core.jobs import Leased
from lms.programmes.models import Cohort, Enrolment

__all__ = [
    "Certificate",
    "CertificateDocument",
    "CertificateFile",
    "CohortRule",
    "CreditEntry",
    "CreditPlan",
    "IssueBatch",
    "IssueItem",
    "LogEntry",
    "LogHead",
    "LogState",
    "RuleVersion",
    "SerialCounter",
    "Standing",
    "StatusList",
    "Waiver",
]


class RuleVersion(WithId, Base):
    """A published rule of a programme; never changed, only followed by another version."""

    __tablename__ = "certificate_rule_version"
    __table_args__ = (UniqueConstraint("programme_id", "number"),)

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    number: Mapped[int]
    expression: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64))
    published_at: Mapped[datetime]
    published_by: Mapped[int | None]


class CohortRule(Leased, Base):
    """The rule that a cohort runs under, pinned when it opened; and whether its standings must be made anew."""

    __tablename__ = "certificate_cohort_rule"

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), unique=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("certificate_rule_version.id"))
    pinned_at: Mapped[datetime]
    is_stale: Mapped[bool] = mapped_column(default=False)

    rule: Mapped[RuleVersion] = relationship(lazy="raise")
    cohort: Mapped[Cohort] = relationship(lazy="raise")


class Standing(Base):
    """How one trainee stands against the cohort's rule: a cache of the evaluation, made anew at each changed fact.

    Never the truth: issuing evaluates again.
    """

    __tablename__ = "certificate_standing"
    __table_args__ = (Index("ix_certificate_standing_cohort_met", "cohort_id", "met"),)

    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"), primary_key=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    met: Mapped[bool]
    trace: Mapped[dict[str, Any]]
    evaluated_at: Mapped[datetime]

    enrolment: Mapped[Enrolment] = relationship(lazy="raise")


class SerialCounter(Base):
    """The last number given, per programme and year; locked while one is taken, so that serials have no gap."""

    __tablename__ = "certificate_serial_counter"

    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(default=0)


class Certificate(WithId, Leased, Base):
    """One line of the register: the facts as they were copied at issue, and the digest of the signed file."""

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "kind", "edition"),
        CheckConstraint("state IN ('reserved', 'good', 'suspended', 'revoked', 'superseded')", name="state"),
        CheckConstraint("(state = 'reserved') = (pdf_sha256 IS NULL)", name="file"),
        Index("uq_certificate_edition", "person_id", "programme_id", "kind", "edition", unique=True),
        Index(
            "uq_certificate_one",
            "person_id",
            "programme_id",
            "kind",
            unique=True,
            sqlite_where=text("state IN ('good', 'suspended')"),
            postgresql_where=text("state IN ('good', 'suspended')"),
        ),
        Index(
            "uq_certificate_making",
            "person_id",
            "programme_id",
            "kind",
            unique=True,
            sqlite_where=text("state = 'reserved'"),
            postgresql_where=text("state = 'reserved'"),
        ),
    )

    serial: Mapped[str] = mapped_column(String(40), unique=True)
    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"), index=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20), default="completion")
    """``completion`` (结业证书) or ``credit`` (学分证明); ``rules.KINDS``."""
    edition: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(12), default="reserved")
    facts: Mapped[dict[str, Any]]
    """What the document says (``CertificateFace.facts()``); frozen at reservation."""
    facts_sha256: Mapped[str] = mapped_column(String(64))
    trace: Mapped[dict[str, Any]]
    """The evaluation that allowed it; of a credit certificate, the years and sums that it states."""
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("certificate_rule_version.id"))
    """The rule of a completion certificate; None for a credit certificate, which states what the ledger has."""
    rule: Mapped[RuleVersion | None] = relationship(lazy="raise")
    verify_key: Mapped[str] = mapped_column(String(24))
    """In the QR's address: who holds the paper sees the full name on the verification page."""
    reserved_at: Mapped[datetime]
    requested_by: Mapped[int | None]
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))
    pdf_key: Mapped[str | None] = mapped_column(String(160))
    pdf_bytes: Mapped[int | None]
    finished_at: Mapped[datetime | None]
    gave_up_at: Mapped[datetime | None]
    """No further attempt is made until somebody asks for one."""
    closed_at: Mapped[datetime | None]
    """When it was revoked or superseded."""
    reason: Mapped[str] = mapped_column(String(300), default="")
    supersedes: Mapped[str | None] = mapped_column(String(40))
    """Serial of the certificate that this one replaces as soon as its file is made."""
    cause: Mapped[str] = mapped_column(String(300), default="")
    """Why it replaces another one."""
    suspended_for: Mapped[str | None] = mapped_column(String(10))
    """``facts``: what it was issued for is no longer there, and it is lifted when it is again; ``person``: by somebody's act."""

    @property
    def trainee_person_id(self) -> int:
        """Whose it is (the shape that the policy asks for)."""
        return self.person_id


class CertificateFile(Base):
    """One state of a certificate's file: as it was signed, and each time evidence or a time stamp was added behind it.

    Whoever shows any of them shows the genuine document.
    """

    __tablename__ = "certificate_file"
    __table_args__ = (
        UniqueConstraint("certificate_id", "number"),
        CheckConstraint("level IN ('B-B', 'B-T', 'B-LTA')", name="level"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificate.id"))
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    pdf_key: Mapped[str] = mapped_column(String(160))
    pdf_bytes: Mapped[int]
    level: Mapped[str] = mapped_column(String(5))
    signer_sha256: Mapped[str | None] = mapped_column(String(64))
    """Fingerprint of the signing certificate; None for files from before it was kept."""
    at: Mapped[datetime]


class CertificateDocument(Leased, Base):
    """How far a certificate's file is signed now, when it must be stamped again, and the credential that lies inside."""

    __tablename__ = "certificate_document"

    id: Mapped[int] = mapped_column(ForeignKey("certificate.id"), primary_key=True)
    level: Mapped[str] = mapped_column(String(5))
    due_at: Mapped[datetime | None]
    """When its last time stamp must be followed by another."""
    credential: Mapped[dict[str, Any] | None]
    """Open Badges 3.0 as it was signed; None for certificates issued before there was one."""


class StatusList(Leased, Base):
    """A published list of withdrawn (or suspended) credentials, signed; made anew when the register says otherwise."""

    __tablename__ = "certificate_status_list"
    __table_args__ = (
        UniqueConstraint("purpose", "number"),
        CheckConstraint("purpose IN ('revocation', 'suspension')", name="purpose"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(12))
    number: Mapped[int]
    listed: Mapped[int] = mapped_column(default=0)
    """How many certificates it names; with ``listed_sum``, their numbers added up, it tells whether it is still true."""
    listed_sum: Mapped[int] = mapped_column(BigInteger, default=0)
    document: Mapped[dict[str, Any] | None]
    valid_until: Mapped[datetime | None]


class IssueBatch(WithId, Base):
    """One press of "issue": whom it named and what became of each."""

    __tablename__ = "certificate_batch"

    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohort.id"))
    client_uuid: Mapped[str] = mapped_column(String(80), unique=True)
    requested_by: Mapped[int]
    requested_at: Mapped[datetime]

    cohort: Mapped[Cohort] = relationship(lazy="raise")
    items: Mapped[list["IssueItem"]] = relationship(lazy="raise", order_by="IssueItem.id")


class IssueItem(Base):
    """One person of a batch."""

    __tablename__ = "certificate_batch_item"
    __table_args__ = (UniqueConstraint("batch_id", "enrolment_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("certificate_batch.id"))
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    certificate_id: Mapped[int | None] = mapped_column(ForeignKey("certificate.id"))
    refusal: Mapped[str] = mapped_column(String(40), default="")
    """Code of why no certificate was made: ``open``, ``name_missing``, ``name_glyphs``; empty where one was."""
    detail: Mapped[str] = mapped_column(String(200), default="")

    certificate: Mapped[Certificate | None] = relationship(lazy="raise")
    enrolment: Mapped[Enrolment] = relationship(lazy="raise")


class Waiver(Base):
    """One clause of the rule that two people have waived for one trainee."""

    __tablename__ = "certificate_waiver"
    __table_args__ = (UniqueConstraint("enrolment_id", "fact"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolment.id"))
    fact: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(1000))
    approval_id: Mapped[int] = mapped_column(ForeignKey("approval.id"))
    at: Mapped[datetime]


class LogEntry(Base):
    """One act on a certificate: its history, and a leaf of the public log. ``n`` counts from 0 without a gap."""

    __tablename__ = "certificate_log_entry"

    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    certificate_id: Mapped[int] = mapped_column(ForeignKey("certificate.id"), index=True)
    act: Mapped[str] = mapped_column(String(12))
    """``issue``, ``suspend``, ``lift``, ``revoke`` or ``supersede``."""
    at: Mapped[datetime]
    account_id: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(300), default="")
    """For the staff; never part of the leaf."""
    document: Mapped[dict[str, Any]]
    """What the leaf is the hash of (RFC 8785), salted: it says nothing to who does not hold it."""
    leaf: Mapped[str] = mapped_column(String(64))


class LogState(Base):
    """The one row that appending locks: how many leaves there are, and the roots of the perfect subtrees."""

    __tablename__ = "certificate_log_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    peaks: Mapped[list[Any]]


class LogHead(Base):
    """A root of the log that the site has signed; whoever keeps one can catch any later rewriting."""

    __tablename__ = "certificate_log_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    root: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    signature: Mapped[str] = mapped_column(String(128))
    """Ed25519 over ``rules.log.head_document`` in its canonical form."""
    public_key: Mapped[str] = mapped_column(String(64))


append_only("certificate_rule_version")
append_only("certificate_waiver")
append_only("certificate_log_entry")
append_only("certificate_log_head")
append_only("certificate_file")
append_only(
    "certificate",
    unless=(
        "NEW.serial = OLD.serial AND NEW.enrolment_id = OLD.enrolment_id AND NEW.person_id = OLD.person_id "
        "AND NEW.kind = OLD.kind AND NEW.edition = OLD.edition AND NEW.facts = OLD.facts "
        "AND NEW.facts_sha256 = OLD.facts_sha256 AND NEW.trace = OLD.trace AND NEW.verify_key = OLD.verify_key "
        "AND (OLD.pdf_sha256 IS NULL OR (NEW.pdf_sha256 = OLD.pdf_sha256 AND NEW.pdf_key = OLD.pdf_key)) "
        "AND (NEW.state = OLD.state OR (OLD.state = 'reserved' AND NEW.state = 'good') "
        "OR (OLD.state = 'good' AND NEW.state IN ('suspended', 'revoked', 'superseded')) "
        "OR (OLD.state = 'suspended' AND NEW.state IN ('good', 'revoked', 'superseded'))) "
        "AND COALESCE(NEW.supersedes, '') = COALESCE(OLD.supersedes, '') AND NEW.cause = OLD.cause"
    ),
)
