"""The answer writer: one thread that group-commits what candidates answer.

A request hands its operations over and waits; the thread takes up to 256 waiting requests, writes them in one transaction,
and lets them go only after COMMIT. So an acknowledged answer survives ``kill -9`` and, with the database's own durability
(SQLite ``synchronous=FULL``, PostgreSQL ``synchronous_commit``), the loss of power; and on a slow disk a hundred
candidates share one flush. No ORM here: a save costs a few prepared statements.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, select, text, tuple_
from sqlalchemy.exc import OperationalError

from lms.accounts.models import Account, UserSession
from lms.accounts.rules import SESSION_LASTS
from lms.assessments import rules
from lms.assessments.models import (
    ClockEvent,
    ExamForm,
    Presence,
    QuestionVersion,
    ResponseEvent,
    ResponseHead,
    Sitting,
    SittingNote,
    Test,
)
from lms.core.db import upsert, writing
from lms.core.errors import NotFound

log = logging.getLogger("lms.assessments.writer")

BATCH = 256
MOST_WAITING = 5_000
WAIT_S = 25.0
IDLE_S = 10.0
_REMEMBERED = 20_000
_SEEN_EVERY = timedelta(seconds=20)
"""How old the note of when a sitting was last heard of may become."""


class Overloaded(Exception):
    """Too many requests wait already, or the database does not answer; the client keeps its outbox and comes again."""


class SignedOut(Exception):
    """The session that a request came with has ended, or its account was shut; nothing was written of it."""


@dataclass(frozen=True)
class Clock:
    """One clock event as the deadline needs it."""

    kind: str
    at: datetime
    ms: int


@dataclass(frozen=True)
class Ack:
    """What is now durable, and how the sitting stands."""

    acked: Mapping[str, int]
    """Device → highest number up to which everything has arrived."""
    rejected: Sequence[tuple[str, int, str]]
    """(device, number, reason) of operations that were kept but do not count."""
    remaining_ms: int
    epoch: int
    state: str
    hands_in: bool
    """Whether an operation that counts asks to hand in."""
    is_paused: bool = False
    """Whether the clock stands."""
    news: int = 0
    """Grows with each message to this sitting and each change of its clock."""


@dataclass(eq=False)
class _Waiting:
    sitting_id: int
    ops: Sequence[rules.Op]
    epoch: int
    device: str
    at: datetime
    session: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    ack: Ack | None = None
    problem: Exception | None = None


@dataclass
class _Sitting:
    """A sitting as the writer sees it inside one transaction."""

    state: str
    epoch: int
    ends_at: datetime
    is_paused: bool
    news: int
    paper: rules.Paper
    locked: set[int]
    """Everything that locks have closed, those of this batch too."""


@dataclass
class _Numbered:
    """An operation with its request and its number."""

    request: _Waiting
    op: rules.Op
    seq: int
    decision: rules.Decision

    @property
    def key(self) -> tuple[int, str, int]:
        """What makes it unique."""
        return (self.request.sitting_id, self.op.device, self.seq)

    @property
    def body(self) -> Mapping[str, Any]:
        """What is written down: the canonical answer where one counts."""
        return self.op.body if self.decision.body is None else self.decision.body


@dataclass(frozen=True)
class _Reach:
    """How far one device is: all numbers up to ``whole`` are here, and some up to ``largest``."""

    whole: int
    largest: int


class Writer:
    """The writer of one process. Started by its first request, so that it survives a fork; rests when nobody sits."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._reached: OrderedDict[tuple[int, str], _Reach] = OrderedDict()
        self._papers: dict[int, rules.Paper] = {}
        self._seen: OrderedDict[int, datetime] = OrderedDict()
        self._statements = _Statements(engine.dialect.name)

    def save(
        self,
        sitting_id: int,
        ops: Sequence[rules.Op],
        *,
        epoch: int,
        at: datetime,
        device: str = "",
        session: str = "",
    ) -> Ack:
        """Make ``ops`` durable, then say so. ``at``: when they reached the server; ``device``: asked about even without ops.

        ``session``: digest of the sign-in that the request came with, where no door has looked at it yet.

        Must not be called inside a transaction of the same thread. Raises NotFound, SignedOut, and Overloaded when the
        client should come again later.
        """
        request = _Waiting(sitting_id, ops, epoch, device, at, session)
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise Overloaded
            self._waiting += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True, name="answer-writer")
                self._thread.start()
        try:
            self._queue.put(request)
            if not request.done.wait(WAIT_S):
                raise Overloaded
        finally:
            with self._lock:
                self._waiting -= 1
        if request.problem is not None:
            raise request.problem
        assert request.ack is not None
        return request.ack

    def _run(self) -> None:
        while True:
            try:
                batch = [self._queue.get(timeout=IDLE_S)]
            except Empty:
                with self._lock:
                    if self._waiting == 0:
                        self._thread = None
                        return
                continue
            try:
                while len(batch) < BATCH:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            self._serve(batch)

    def _serve(self, batch: Sequence[_Waiting]) -> None:
        """Commit a batch, then let its requests go; one that breaks it does not take the others along."""
        try:
            self._commit(batch)
        except Exception as problem:
            if len(batch) > 1 and not isinstance(problem, OperationalError):
                for request in batch:
                    self._serve([request])
                return
            if not isinstance(problem, NotFound):
                log.exception("answers of %s sittings could not be written", len(batch))
                problem = Overloaded()
            for request in batch:
                request.problem = problem
        for request in batch:
            request.done.set()

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        reached: dict[tuple[int, str], _Reach] = {}
        with writing(), self.engine.begin() as connection:
            acks = self._write(connection, batch, reached)
        # Here the transaction is durable; from now on the numbers may be remembered and the requests answered.
        for key, reach in reached.items():
            self._reached[key] = reach
            self._reached.move_to_end(key)
        while len(self._reached) > _REMEMBERED:
            self._reached.popitem(last=False)
        for request, ack in zip(batch, acks, strict=True):
            request.ack = ack
            if ack is None:
                request.problem = SignedOut()

    def _write(
        self, connection: Connection, batch: Sequence[_Waiting], reached: dict[tuple[int, str], _Reach]
    ) -> list[Ack | None]:
        """The acknowledgements of the batch; None for a request whose session has ended."""
        seen = {request.sitting_id: request.at for request in batch}
        sittings, signed_in = self._sittings(connection, batch, seen)
        if missing := [request for request in batch if request.sitting_id not in sittings]:
            raise NotFound(missing[0].sitting_id)
        live = [request for request in batch if not request.session or request.session in signed_in]
        self._note_seen(connection, {request.sitting_id: request.at for request in live})
        numbered = self._numbered(connection, live, sittings)
        stood = self._insert(connection, numbered)
        found: dict[int, list[_Numbered]] = {}
        for item in numbered:
            item.decision = stood.get(item.key, item.decision)
            found.setdefault(id(item.request), []).append(item)
        self._count(connection, live, numbered, reached)
        return [
            _ack(request, found.get(id(request), []), sittings[request.sitting_id], reached)
            if request in live
            else None
            for request in batch
        ]

    def _note_seen(self, connection: Connection, seen: Mapping[int, datetime]) -> None:
        """Write down when sittings were heard of, at most every few seconds for each."""
        due = {
            number: at
            for number, at in seen.items()
            if at - self._seen.get(number, at - _SEEN_EVERY) >= _SEEN_EVERY
        }
        if due:
            rows = [{"sitting_id": number, "seen_at": at} for number, at in sorted(due.items())]
            connection.execute(self._statements.seen, rows)
            self._seen.update(due)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _sittings(
        self, connection: Connection, batch: Sequence[_Waiting], seen: Mapping[int, datetime]
    ) -> tuple[dict[int, _Sitting], set[str]]:
        """The sittings of the batch with their deadlines, and which of its sessions stand, in one question.

        Locked, so that a hand-in waits for the batch or the batch for it.
        """
        rows: dict[int, list[Any]] = {}
        signed_in: set[str] = set()
        values = {
            "ids": sorted(seen),
            "sessions": sorted({request.session for request in batch if request.session}),
            "since": max(request.at for request in batch) - SESSION_LASTS,
        }
        for row in connection.execute(self._statements.sittings, values):
            rows.setdefault(row.id, []).append(row)
            if row.signed_in and not signed_in:
                signed_in.update(row.signed_in.split(","))
        found = {}
        for number, events in rows.items():
            first = events[0]
            reckoning = rules.reckon(
                [Clock(event.kind, event.at, event.ms) for event in events],
                duration_s=first.duration_s,
                closes_at=first.closes_at,
                at=seen[number],
            )
            paper = self._paper_of(connection, first.form_id)
            locked: set[int] = set()
            for row in connection.execute(self._statements.locked, {"id": number}) if paper.lockable else ():
                locked |= rules.locked_by(row.slot, row.body)
            found[number] = _Sitting(
                first.state,
                first.writer_epoch,
                reckoning.ends_at,
                reckoning.paused_since is not None,
                (first.news or 0) + reckoning.events,
                paper,
                locked,
            )
        return found, signed_in

    def _paper_of(self, connection: Connection, form_id: int) -> rules.Paper:
        """What a sealed form asks; forms never change, so they are read once."""
        known = self._papers.get(form_id)
        if known is None:
            slots = connection.execute(select(ExamForm.slots).where(ExamForm.id == form_id)).scalar_one()
            version = QuestionVersion
            rows = connection.execute(
                select(version.id, version.type, version.body).where(
                    version.id.in_({slot["version"] for slot in slots})
                )
            )
            known = self._papers[form_id] = rules.paper_of(
                slots, {row.id: (row.type, row.body) for row in rows}
            )
        return known

    def _numbered(
        self, connection: Connection, batch: Sequence[_Waiting], sittings: Mapping[int, _Sitting]
    ) -> list[_Numbered]:
        """The operations with their judgements; those of the plain page get the next numbers of its device."""
        next_seq: dict[int, int] = {}
        numbered = []
        for request in batch:
            sitting = sittings[request.sitting_id]
            for op in request.ops:
                seq = op.seq
                if seq is None:
                    if request.sitting_id not in next_seq:
                        values = {"sitting_id": request.sitting_id, "device": op.device}
                        next_seq[request.sitting_id] = (
                            connection.execute(self._statements.largest, values).scalar_one() or 0
                        )
                    seq = next_seq[request.sitting_id] = next_seq[request.sitting_id] + 1
                decision = rules.decide(
                    op,
                    state=sitting.state,
                    epoch=request.epoch,
                    current_epoch=sitting.epoch,
                    ends_at=sitting.ends_at,
                    at=request.at,
                    paper=sitting.paper,
                    locked=sitting.locked,
                )
                if op.kind == "lock" and decision.applied and op.slot is not None:
                    sitting.locked |= rules.locked_by(op.slot, op.body)
                numbered.append(_Numbered(request, op, seq, decision))
        return numbered

    def _insert(
        self, connection: Connection, numbered: Sequence[_Numbered]
    ) -> dict[tuple[int, str, int], rules.Decision]:
        """Append the events and move the heads; returns how operations that were here before had been judged."""
        if not numbered:
            return {}
        by_key: dict[tuple[int, str, int], _Numbered] = {}
        for item in numbered:
            by_key.setdefault(item.key, item)  # twice in one batch: the first counts
        rows = connection.execute(
            self._statements.insert,
            [
                {
                    "sitting_id": item.request.sitting_id,
                    "device": item.op.device,
                    "client_seq": item.seq,
                    "slot": item.op.slot,
                    "kind": item.op.kind,
                    "body": item.body,
                    "epoch": item.request.epoch,
                    "mono_ms": item.op.mono_ms,
                    "at": item.request.at,
                    "late_ms": item.decision.late_ms,
                    "applied": item.decision.applied,
                    "reason": item.decision.reason,
                }
                for item in by_key.values()
            ],
        ).all()
        new = {(row.sitting_id, row.device, row.client_seq): row.id for row in rows}
        heads = [
            {
                "sitting_id": item.request.sitting_id,
                "slot": item.op.slot,
                "kind": item.op.kind,
                "event_id": new[key],
                "epoch": item.request.epoch,
                "device": item.op.device,
                "client_seq": item.seq,
                "body": item.body,
            }
            for key, item in by_key.items()
            if key in new and item.decision.applied and item.op.slot is not None
        ]
        if heads:
            connection.execute(self._statements.head, sorted(heads, key=lambda head: head["event_id"]))
        stood = {key: by_key[key].decision for key in new}
        if old := [key for key in by_key if key not in new]:
            for row in connection.execute(self._statements.judged, {"keys": old}):
                stood[row.sitting_id, row.device, row.client_seq] = rules.Decision(
                    applied=row.applied, reason=row.reason, late_ms=row.late_ms
                )
        return stood

    def _count(
        self,
        connection: Connection,
        batch: Sequence[_Waiting],
        numbered: Sequence[_Numbered],
        reached: dict[tuple[int, str], _Reach],
    ) -> None:
        """For each device of the batch, up to which number nothing is missing (``reached`` is filled).

        What another process wrote meanwhile may make the true number larger, never smaller.
        """
        arrived: dict[tuple[int, str], set[int]] = {
            (request.sitting_id, request.device): set() for request in batch if request.device
        }
        for item in numbered:
            arrived.setdefault((item.request.sitting_id, item.op.device), set()).add(item.seq)
        for key, numbers in arrived.items():
            known = self._reached.get(key)
            whole, largest = (known.whole, known.largest) if known else (0, 0)
            largest = max(largest, *numbers, 0)
            while whole + 1 in numbers:
                whole += 1
            place = {"sitting_id": key[0], "device": key[1]}
            if known is None:
                # First sight of the device in this process: the table knows what came before.
                whole, largest = 0, connection.execute(self._statements.largest, place).scalar_one() or 0
            if largest > whole:
                for (number,) in connection.execute(self._statements.numbers, {**place, "after": whole}):
                    if number != whole + 1:
                        break
                    whole = number
            reached[key] = _Reach(whole, largest)


def _ack(
    request: _Waiting,
    items: Sequence[_Numbered],
    sitting: _Sitting,
    reached: Mapping[tuple[int, str], _Reach],
) -> Ack:
    devices = {request.device, *(item.op.device for item in items)} - {""}
    state = rules.state_at(sitting.state, sitting.ends_at, request.at)
    return Ack(
        acked={device: reached[request.sitting_id, device].whole for device in devices},
        rejected=[
            (item.op.device, item.seq, item.decision.reason or "")
            for item in items
            if not item.decision.applied
        ],
        remaining_ms=rules.remaining_ms(sitting.ends_at, request.at)
        if state == rules.SittingState.IN_PROGRESS
        else 0,
        epoch=sitting.epoch,
        state=state,
        hands_in=any(item.op.kind == "submit" and item.decision.applied for item in items),
        is_paused=sitting.is_paused and state == rules.SittingState.IN_PROGRESS,
        news=sitting.news,
    )


class _Statements:
    """The writer's statements, built once for one kind of database."""

    def __init__(self, dialect: str) -> None:
        event, note = ResponseEvent, SittingNote
        news = (
            select(func.max(note.id))
            .where(
                note.test_id == Sitting.test_id,
                note.kind == "message",
                (note.sitting_id == Sitting.id)
                | (note.sitting_id.is_(None) & (note.at >= Sitting.started_at)),
            )
            .correlate(Sitting)
            .scalar_subquery()
        )
        signed_in = (
            select(func.aggregate_strings(UserSession.token_sha256, ","))
            .join(Account, Account.id == UserSession.account_id)
            .where(
                UserSession.token_sha256.in_(bindparam("sessions", expanding=True)),
                UserSession.ended_at.is_(None),
                UserSession.started_at > bindparam("since"),
                Account.disabled_at.is_(None),
            )
            .scalar_subquery()
        )
        self.sittings = (
            select(
                Sitting.id,
                Sitting.state,
                Sitting.writer_epoch,
                Sitting.form_id,
                Test.duration_s,
                Test.closes_at,
                ClockEvent.kind,
                ClockEvent.ms,
                ClockEvent.at,
                news.label("news"),
                signed_in.label("signed_in"),
            )
            .join(Test, Test.id == Sitting.test_id)
            .join(ClockEvent, ClockEvent.sitting_id == Sitting.id)
            .where(Sitting.id.in_(bindparam("ids", expanding=True)))
            .order_by(Sitting.id, ClockEvent.id)
            .with_for_update(of=Sitting, key_share=True)
        )
        self.locked = select(ResponseHead.slot, ResponseHead.body).where(
            ResponseHead.sitting_id == bindparam("id"), ResponseHead.kind == "lock"
        )
        self.insert = (
            upsert(event, dialect=dialect)
            .on_conflict_do_nothing(index_elements=["sitting_id", "device", "client_seq"])
            .returning(event.id, event.sitting_id, event.device, event.client_seq)
        )
        self.largest = select(func.max(event.client_seq)).where(
            event.sitting_id == bindparam("sitting_id"), event.device == bindparam("device")
        )
        self.numbers = (
            select(event.client_seq)
            .where(
                event.sitting_id == bindparam("sitting_id"),
                event.device == bindparam("device"),
                event.client_seq > bindparam("after"),
            )
            .order_by(event.client_seq)
        )
        self.judged = select(
            event.sitting_id, event.device, event.client_seq, event.applied, event.reason, event.late_ms
        ).where(
            tuple_(event.sitting_id, event.device, event.client_seq).in_(bindparam("keys", expanding=True))
        )
        presence = upsert(Presence, dialect=dialect)
        self.seen = presence.on_conflict_do_update(
            index_elements=["sitting_id"], set_={"seen_at": presence.excluded.seen_at}
        )
        head = upsert(ResponseHead, dialect=dialect)
        new = head.excluded
        # The same rule as rules.fold: an older number of the same device never wins, an older epoch never wins.
        self.head = head.on_conflict_do_update(
            index_elements=["sitting_id", "slot", "kind"],
            set_={name: new[name] for name in ("event_id", "epoch", "device", "client_seq", "body")},
            where=(new.epoch >= ResponseHead.epoch)
            & text(
                "NOT EXISTS (SELECT 1 FROM response_event AS e WHERE e.sitting_id = excluded.sitting_id"
                " AND e.device = excluded.device AND e.client_seq > excluded.client_seq"
                " AND e.slot = excluded.slot AND e.kind = excluded.kind AND e.applied)"
            ),
        )
