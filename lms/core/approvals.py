"""Two-person approval: one person proposes an act, another person decides, and only then does it happen.

A feature declares a kind with the act to be done. What is proposed is frozen as a payload with its digest; the decider
decides on exactly what they were shown. The same person is refused, also through another account of theirs: by the
service with a plain sentence, and by the database in any case.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from lms.core import audit
from lms.core.db import Base, WithId, append_only, db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _

OPEN, APPROVED, REFUSED, WITHDRAWN = "open", "approved", "refused", "withdrawn"


class By(Protocol):
    """Who acts: an account and the person behind it."""

    @property
    def account_id(self) -> int:
        """The account."""

    @property
    def person_id(self) -> int:
        """The person, known once however many accounts they have."""


class Approval(WithId, Base):
    """A proposal and what became of it."""

    __tablename__ = "approval"
    __table_args__ = (
        Index(
            "uq_approval_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_approval_subject", "kind", "subject", "id"),
        CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state NOT IN ('approved', 'refused') OR decided_by_person_id <> proposed_by_person_id",
            name="two_persons",
        ),
    )

    kind: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(80))
    """``kind:public id`` of the thing it is about."""
    scope: Mapped[str] = mapped_column(String(80))
    """The chain of the audit trail that it belongs to."""
    payload: Mapped[dict[str, Any]]
    """What is to happen, frozen."""
    payload_sha256: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(1000), default="")
    proposed_by_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    proposed_by_person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    proposed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), default=OPEN)
    decided_by_account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    decided_by_person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(String(1000), default="")
    """The decider's words."""


_FROZEN = (
    "public_id",
    "kind",
    "subject",
    "scope",
    "payload",
    "payload_sha256",
    "reason",
    "proposed_by_account_id",
    "proposed_by_person_id",
    "proposed_at",
)
append_only(
    "approval",
    # One update is let through: the decision. What was proposed stays as it was.
    unless="OLD.state = 'open' AND NEW.id = OLD.id AND "
    + " AND ".join(f"NEW.{column} = OLD.{column}" for column in _FROZEN),
)


@dataclass(frozen=True)
class Kind:
    """A kind of act that needs two persons; making one makes it known."""

    code: str
    """``feature.thing.act``, for example ``certificates.certificate.revoke``."""
    label: str
    """Lazy words for lists and letters."""
    act: Callable[[Approval, By, datetime], None]
    """Done on approval, inside the same transaction; if it raises, the approval is undone with it."""
    current: Callable[[Approval], Mapping[str, Any] | None] | None = None
    """What the payload would be if it were proposed now; another one than the frozen is refused as stale. None: gone."""

    def __post_init__(self) -> None:
        """Join the registry; one code means one kind."""
        if self.code in KINDS:
            raise ValueError(f"two kinds of approval called {self.code}")
        KINDS[self.code] = self


KINDS: dict[str, Kind] = {}


def digest(payload: Mapping[str, Any]) -> str:
    """SHA-256 of a payload, whatever the order of its keys."""
    document = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(document.encode()).hexdigest()


# ---------------------------------------------------------------- questions


def get(public_id: str) -> Approval:
    """The approval with this public id. Raises NotFound."""
    found = db.session.scalar(select(Approval).where(Approval.public_id == public_id))
    if found is None:
        raise NotFound
    return found


def open_for(kind: Kind, subject: str) -> Approval | None:
    """The proposal that waits for a decision on this subject."""
    return db.session.scalar(
        select(Approval).where(
            Approval.kind == kind.code, Approval.subject == subject, Approval.state == OPEN
        )
    )


def is_waiting(kinds: Iterable[Kind], subject: str) -> bool:
    """Whether a proposal of any of these kinds waits for a decision on this subject; one question."""
    return bool(
        db.session.scalar(
            select(Approval.id)
            .where(
                Approval.kind.in_([kind.code for kind in kinds]),
                Approval.subject == subject,
                Approval.state == OPEN,
            )
            .limit(1)
        )
    )


def may_decide(approval: Approval, by: By) -> bool:
    """Whether this person could decide at all (the policy is asked by the caller)."""
    return approval.state == OPEN and approval.proposed_by_person_id != by.person_id


# ---------------------------------------------------------------- acts


def propose(
    kind: Kind,
    subject: str,
    payload: Mapping[str, Any],
    *,
    by: By,
    reason: str,
    at: datetime,
    scope: str = "site",
) -> Approval:
    """Propose an act; the same proposal by the same person again is the one that waits already.

    Raises RuleBroken("already_proposed") when another proposal waits for this subject.
    """
    sha256 = digest(payload)
    approval = Approval(
        kind=kind.code,
        subject=subject,
        scope=scope,
        payload=dict(payload),
        payload_sha256=sha256,
        reason=reason,
        proposed_by_account_id=by.account_id,
        proposed_by_person_id=by.person_id,
        proposed_at=at,
    )
    waiting = open_for(kind, subject) or _added(kind, subject, approval)
    if waiting is not None:
        if waiting.payload_sha256 == sha256 and waiting.proposed_by_person_id == by.person_id:
            return waiting
        raise RuleBroken("already_proposed", _("Another proposal for this is waiting for a decision."))
    _record(approval, "propose", by=by, at=at)
    return approval


def _added(kind: Kind, subject: str, approval: Approval) -> Approval | None:
    """Add the proposal; the one that somebody else added at this very moment, if so."""
    try:
        with db.session.begin_nested():
            db.session.add(approval)
            db.session.flush()
    except IntegrityError:
        waiting = open_for(kind, subject)
        if waiting is None:
            raise
        return waiting
    return None


def decide(
    approval: Approval,
    *,
    by: By,
    outcome: str,
    seen_sha256: str,
    at: datetime,
    note: str = "",
) -> Approval:
    """Approve or refuse (``outcome``: APPROVED or REFUSED); on approval the kind's act is done.

    ``seen_sha256``: digest of the payload that the decider was shown. A second click with the same outcome changes
    nothing. Raises RuleBroken with the code ``same_person``, ``decided``, ``stale`` or ``reason_needed``.
    """
    if outcome not in {APPROVED, REFUSED}:
        raise ValueError("an outcome is approved or refused")
    held = _locked(approval)
    if held.proposed_by_person_id == by.person_id:
        raise RuleBroken("same_person", _("Another person than the one who proposed this has to decide."))
    if held.state != OPEN:
        if held.state == outcome and held.decided_by_person_id == by.person_id:
            return held
        raise RuleBroken("decided", _("This has been decided already."))
    if outcome == REFUSED and not note.strip():
        raise RuleBroken("reason_needed", _("Say why you refuse."), field="note")
    kind = KINDS[held.kind]
    if not _holds(held, seen_sha256) or (outcome == APPROVED and _has_changed(held, kind)):
        raise RuleBroken(
            "stale", _("What was proposed has changed since. Look at it again, or ask for a new proposal.")
        )
    _close(held, outcome, by=by, at=at, note=note)
    _record(held, "approve" if outcome == APPROVED else "refuse", by=by, at=at)
    if outcome == APPROVED:
        kind.act(held, by, at)
        db.session.flush()
    return held


def withdraw(approval: Approval, *, by: By, at: datetime, note: str = "") -> Approval:
    """Take a proposal back; only the person who made it. Raises RuleBroken("not_proposer") or ("decided")."""
    held = _locked(approval)
    if held.proposed_by_person_id != by.person_id:
        raise RuleBroken("not_proposer", _("Only the person who proposed this can take it back."))
    if held.state == WITHDRAWN:
        return held
    if held.state != OPEN:
        raise RuleBroken("decided", _("This has been decided already."))
    _close(held, WITHDRAWN, by=by, at=at, note=note)
    _record(held, "withdraw", by=by, at=at)
    return held


def _locked(approval: Approval) -> Approval:
    """The row as it is now, locked until the transaction ends."""
    query = select(Approval).where(Approval.id == approval.id).with_for_update()
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def _holds(approval: Approval, seen_sha256: str) -> bool:
    """Whether the row holds what its digest says and what the decider saw."""
    return digest(approval.payload) == approval.payload_sha256 == seen_sha256


def _has_changed(approval: Approval, kind: Kind) -> bool:
    if kind.current is None:
        return False
    now = kind.current(approval)
    return now is None or digest(now) != approval.payload_sha256


def _close(approval: Approval, state: str, *, by: By, at: datetime, note: str) -> None:
    approval.state = state
    approval.decided_by_account_id = by.account_id
    approval.decided_by_person_id = by.person_id
    approval.decided_at = at
    approval.note = note
    db.session.flush()


def _record(approval: Approval, verb: str, *, by: By, at: datetime) -> None:
    audit.record(
        f"core.approval.{verb}",
        scope=approval.scope,
        at=at,
        account_id=by.account_id,
        subject=f"approval:{approval.public_id}",
        kind=approval.kind,
        about=approval.subject,
        payload_sha256=approval.payload_sha256,
    )
