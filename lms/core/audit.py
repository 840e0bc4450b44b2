"""The audit trail: append-only, hash-chained per scope, the chains sealed together once a day.

Each scope (a programme, a sitting, a logbook, an account) has its own chain, so that no act waits for a lock that
others hold. The head row of a scope is locked while one event is appended. A daily root hashes all heads that moved
and the root before it, so that no whole chain can be swapped without every later root changing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, cast

from sqlalchemy import (
    Date,
    ForeignKey,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.event import listens_for
from sqlalchemy.orm import Mapped, Session, mapped_column

from lms.core import clock
from lms.core.db import Base, append_only, db, upsert

GENESIS = "0" * 64


class AuditChain(Base):
    """Head of one scope's chain; locked while an event is appended."""

    __tablename__ = "audit_chain"

    scope: Mapped[str] = mapped_column(String(80), primary_key=True)
    """``kind:id``, for example ``logbook:12`` or ``site``."""
    seq: Mapped[int] = mapped_column(default=0)
    head: Mapped[str] = mapped_column(String(64), default=GENESIS)


class AuditEvent(Base):
    """Who did what to which thing, when, in which role; never changed."""

    __tablename__ = "audit_event"
    __table_args__ = (UniqueConstraint("scope", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(ForeignKey("audit_chain.scope"))
    seq: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    act: Mapped[str] = mapped_column(String(60))
    """``feature.thing.verb``, for example ``logbooks.entry.sign``."""
    account_id: Mapped[int | None]
    """Who; None for the clock and the site itself."""
    acted_as: Mapped[str] = mapped_column(String(40), default="")
    subject: Mapped[str] = mapped_column(String(80), default="")
    """``kind:public id`` of what it was done to."""
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Codes and digests only; never free text of people, never personal data."""
    prev: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditRoot(Base):
    """The seal of one day over the heads of all chains."""

    __tablename__ = "audit_root"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    heads: Mapped[dict[str, Any]]
    """Scope → [seq, head] of every chain that moved since the root before."""
    prev: Mapped[str] = mapped_column(String(64))
    root: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[datetime]


append_only("audit_event")
append_only("audit_root")


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _event_hash(event: AuditEvent) -> str:
    return _digest(
        {
            "scope": event.scope,
            "seq": event.seq,
            "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "act": event.act,
            "account": event.account_id,
            "as": event.acted_as,
            "subject": event.subject,
            "detail": event.detail,
            "prev": event.prev,
        }
    )


_chain, _events = cast("Table", AuditChain.__table__), cast("Table", AuditEvent.__table__)

# Built once and run beside the unit of work: every act of everybody writes its event.
_HEAD = select(_chain.c.seq, _chain.c.head).where(_chain.c.scope == bindparam("wanted")).with_for_update()
_MOVE = (
    update(_chain)
    .where(_chain.c.scope == bindparam("wanted"))
    .values(seq=bindparam("to_seq"), head=bindparam("to_head"))
)
_APPEND = insert(_events)
_APPEND_ALL = _APPEND.returning(_events.c.id)
"""What gives something back is written as one statement, however many rows there are."""
_HELD = "audit_heads"


def _locked_head(session: Session, scope: str) -> tuple[int, str]:
    """Number and hash at the head of a scope's chain, made if new, its row locked until the transaction ends."""
    whole, held = session.info.get(_HELD, (None, {}))
    if whole is None or whole is not session.get_transaction():
        session.connection()  # begins one
        session.info[_HELD] = session.get_transaction(), (held := {})
    if scope not in held:
        ask = partial(session.connection().execute, _HEAD, {"wanted": scope})
        found = ask().first()
        if found is None:
            start = upsert(_chain).values(scope=scope, seq=0, head=GENESIS)
            session.connection().execute(start.on_conflict_do_nothing())
            found = ask().one()
        held[scope] = found.seq, found.head
    return cast("tuple[int, str]", held[scope])


@listens_for(Session, "after_soft_rollback")
def _forget_heads(session: Session, _previous: object) -> None:
    """What was taken back, be it to a savepoint, may have moved a head, or have been what locked it."""
    session.info.pop(_HELD, None)


def _as_it_will_be_read(detail: Mapping[str, object]) -> dict[str, Any]:
    """The detail in the shape in which every database gives it back, so that its digest holds.

    Keys become text; so do fractions, which PostgreSQL keeps in another notation.
    """
    found: dict[str, Any] = json.loads(json.dumps(detail, allow_nan=False), parse_float=str)
    return found


def record(
    act: str,
    *,
    scope: str,
    at: datetime,
    account_id: int | None,
    acted_as: str = "",
    subject: str = "",
    **detail: object,
) -> None:
    """Append one event to the scope's chain, in the current transaction.

    ``detail``: what JSON can say, else TypeError or ValueError.
    """
    record_all(act, [(subject, detail)], scope=scope, at=at, account_id=account_id, acted_as=acted_as)


def record_all(
    act: str,
    subjects: Sequence[tuple[str, Mapping[str, object]]],
    *,
    scope: str,
    at: datetime,
    account_id: int | None,
    acted_as: str = "",
) -> None:
    """Append an event for each subject, with its detail, in that order: the same act on many at once."""
    if not subjects:
        return
    session = db.session()
    seq, head = _locked_head(session, scope)
    events: list[dict[str, Any]] = []
    for subject, detail in subjects:
        event = {
            "scope": scope,
            "seq": (seq := seq + 1),
            "at": at,
            "act": act,
            "account_id": account_id,
            "acted_as": acted_as,
            "subject": subject,
            "detail": _as_it_will_be_read(detail),
            "prev": head,
        }
        event["hash"] = head = _event_hash(AuditEvent(**event))
        events.append(event)
    connection = session.connection()
    connection.execute(*(_APPEND, events[0]) if len(events) == 1 else (_APPEND_ALL, events))
    connection.execute(_MOVE, {"wanted": scope, "to_seq": seq, "to_head": head})
    session.info[_HELD][1][scope] = seq, head


def seal(day: date, *, at: datetime) -> AuditRoot | None:
    """Seal the day: one root over all heads that moved since the last root. Idempotent per day.

    None: it is sealed already, or a later day is, whose seal holds what moved until then.
    """
    newest = select(AuditRoot).order_by(AuditRoot.day.desc()).limit(1)
    last = db.session.scalar(newest)
    if last and last.day >= day:
        return None
    if db.session.get_bind().dialect.name == "postgresql":
        # Several workers, and the command line: one seals after the other. (SQLite has one writer anyway.)
        db.session.execute(text("LOCK TABLE audit_root IN EXCLUSIVE MODE"))
        last = db.session.scalar(newest)
        if last and last.day >= day:
            return None
    sealed: dict[str, Any] = {}
    for root in db.session.scalars(select(AuditRoot)):
        sealed.update(root.heads)
    heads = {
        chain.scope: [chain.seq, chain.head]
        for chain in db.session.scalars(select(AuditChain).order_by(AuditChain.scope))
        if sealed.get(chain.scope) != [chain.seq, chain.head]
    }
    prev = last.root if last else GENESIS
    root = AuditRoot(day=day, heads=heads, prev=prev, root=_root_hash(day, heads, prev), sealed_at=at)
    db.session.add(root)
    db.session.flush()
    return root


def seal_yesterday(at: datetime) -> None:
    """The worker's chore: once the day is over in Beijing, seal it."""
    seal(clock.today(at) - timedelta(days=1), at=at)


def _root_hash(day: date, heads: Mapping[str, Any], prev: str) -> str:
    return _digest({"day": day.isoformat(), "heads": heads, "prev": prev})


@dataclass(frozen=True)
class Broken:
    """A link that does not hold."""

    scope: str
    """Of the chain, or ``root:<day>``."""
    seq: int
    why: str
    """``hash``, ``prev``, ``gap``, ``head``, ``root``, ``root-order`` or ``sealed``."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of checking the whole trail."""

    events: int
    chains: int
    roots: int
    broken: tuple[Broken, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to check: no chain of that name has ever been."""
        return not (self.events or self.chains or self.broken)


def verify(*, scope: str | None = None) -> Verdict:
    """Check every chain (or one) against itself, its head and the daily roots; reports each chain's first broken link.

    Everything is read in one snapshot, apart from the caller's transaction: who writes meanwhile does not disturb.
    """
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with Session(connection) as snapshot:
            return _verify(snapshot, scope)


def _verify(snapshot: Session, scope: str | None) -> Verdict:
    broken: list[Broken] = []
    events = 0
    heads: dict[str, tuple[int, str]] = {}
    sealed_at: dict[tuple[str, int], str] = {}
    roots = list(snapshot.scalars(select(AuditRoot).order_by(AuditRoot.day)))
    prev_root = GENESIS
    for root in roots:
        if root.prev != prev_root:
            broken.append(Broken(f"root:{root.day.isoformat()}", 0, "root-order"))
        if _root_hash(root.day, root.heads, root.prev) != root.root:
            broken.append(Broken(f"root:{root.day.isoformat()}", 0, "root"))
        prev_root = root.root
        for name, (seq, head) in root.heads.items():
            sealed_at[name, seq] = head
    bad: set[str] = set()
    for event in _all_events(snapshot, scope):
        events += 1
        seq, head = heads.get(event.scope, (0, GENESIS))
        why = None
        if event.seq != seq + 1:
            why = "gap"
        elif event.prev != head:
            why = "prev"
        elif _event_hash(event) != event.hash:
            why = "hash"
        elif sealed_at.pop((event.scope, event.seq), event.hash) != event.hash:
            why = "sealed"
        if why and event.scope not in bad:
            bad.add(event.scope)
            broken.append(Broken(event.scope, event.seq, why))
        heads[event.scope] = (event.seq, event.hash)
    chains = snapshot.scalars(
        select(AuditChain).where(AuditChain.scope == scope) if scope else select(AuditChain)
    ).all()
    for chain in chains:
        if heads.get(chain.scope, (0, GENESIS)) != (chain.seq, chain.head) and chain.scope not in bad:
            bad.add(chain.scope)
            broken.append(Broken(chain.scope, chain.seq, "head"))
    headless = heads.keys() - {chain.scope for chain in chains} - bad
    bad |= headless
    broken += [Broken(name, heads[name][0], "head") for name in sorted(headless)]
    missing = {
        name: seq
        for (name, seq) in reversed(sealed_at)
        if name not in bad and (scope is None or name == scope)
    }
    broken += [Broken(name, seq, "sealed") for name, seq in sorted(missing.items())]
    return Verdict(events, len(chains), len(roots), tuple(broken))


def _all_events(snapshot: Session, scope: str | None) -> Iterator[AuditEvent]:
    query = select(AuditEvent).order_by(AuditEvent.scope, AuditEvent.seq).execution_options(yield_per=500)
    if scope:
        query = query.where(AuditEvent.scope == scope)
    yield from snapshot.scalars(query)
