"""Sittings: order of questions and options, deadline, which answers count."""

import hashlib
import hmac
import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from lms.assessments.rules.appeals import MOST_DAYS
from lms.assessments.rules.choosing import read_choice
from lms.assessments.rules.items import read_response
from lms.assessments.rules.sealed import Paper
from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n

# ---------------------------------------------------------------- states


class Purpose(StrEnum):
    """What the items of a bank are for; the two kinds never mix."""

    EXAM = "exam"
    PRACTICE = "practice"


class TestState(StrEnum):
    """Whether candidates see a test."""

    DRAFT = "draft"
    PUBLISHED = "published"


class SittingState(StrEnum):
    """How far one candidate's attempt has come."""

    IN_PROGRESS = "in_progress"
    SUBMITTED = "submitted"
    AUTO_SUBMITTED = "auto_submitted"


class Release(StrEnum):
    """When candidates see their result."""

    AT_ONCE = "at_once"
    HELD = "held"


S = TypeVar("S", bound=StrEnum)

TEST_MOVES: Mapping[str, tuple[frozenset[TestState], TestState]] = {
    "publish": (frozenset({TestState.DRAFT}), TestState.PUBLISHED),
}

SITTING_MOVES: Mapping[str, tuple[frozenset[SittingState], SittingState]] = {
    "submit": (frozenset({SittingState.IN_PROGRESS}), SittingState.SUBMITTED),
    "expire": (frozenset({SittingState.IN_PROGRESS}), SittingState.AUTO_SUBMITTED),
    "take_over": (frozenset({SittingState.IN_PROGRESS}), SittingState.IN_PROGRESS),
    "extend": (frozenset({SittingState.IN_PROGRESS}), SittingState.IN_PROGRESS),
    "pause": (frozenset({SittingState.IN_PROGRESS}), SittingState.IN_PROGRESS),
    "resume": (frozenset({SittingState.IN_PROGRESS}), SittingState.IN_PROGRESS),
}


def move(moves: Mapping[str, tuple[frozenset[S], S]], name: str, state: str) -> S:
    """The state after the move ``name``. Raises RuleBroken("wrong_state"); an unknown name is a KeyError."""
    sources, target = moves[name]
    if state not in sources:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    return target


# ---------------------------------------------------------------- order


def shuffled(ids: Sequence[str], seed: bytes, *, fixed: Iterable[str] = ()) -> list[str]:
    """``ids`` in the order of HMAC-SHA256(seed, id); those in ``fixed`` ("none of the above") keep their place.

    Depends on the seed and the ids alone, not on language, machine or the order they come in (apart from ``fixed``).
    """
    stay = set(fixed)
    moving = iter(sorted((name for name in ids if name not in stay), key=lambda name: _hmac(seed, name)))
    return [name if name in stay else next(moving) for name in ids]


def sub_seed(seed: bytes, name: str) -> bytes:
    """A seed of its own for one part of a paper, so that equal option ids are not ordered alike in every question."""
    return _hmac(seed, name)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)


# ---------------------------------------------------------------- time

GRACE = timedelta(seconds=15)
"""For an answer that was under way when the time ran out: for the network, never for thinking.

How much of it an answer used is kept with that answer."""


class Tick(Protocol):
    """What the deadline needs of a clock event."""

    @property
    def kind(self) -> str:
        """``start``, ``extend``, ``pause`` or ``resume``."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def ms(self) -> int:
        """Milliseconds given by ``extend``, else 0."""


@dataclass(frozen=True)
class Reckoning:
    """How a deadline comes about."""

    started: datetime
    duration: timedelta
    is_cut: bool
    """Whether the window closes before the duration is over."""
    given: tuple[timedelta, ...]
    """Each extension."""
    paused: timedelta
    """All pauses together, the one that lasts up to now."""
    paused_since: datetime | None
    """None: the clock runs."""
    ends_at: datetime
    """Half-open: an answer at this very instant is late. While the clock is paused it moves along."""
    events: int
    """How many clock events there are: it grows whenever something changes."""

    @property
    def ordinary_end(self) -> datetime:
        """When the time would end if nothing had been given and the clock had never stood."""
        return self.ends_at - self.paused - sum(self.given, timedelta(0))


def reckon(ticks: Iterable[Tick], *, duration_s: int, closes_at: datetime, at: datetime) -> Reckoning:
    """When the time ends and why, seen at ``at``.

    ``min(start + duration, close of the window) + extensions + pauses``: what is given to the person is never eaten up by the
    window. Derived at each look, never stored. Raises ValueError without a ``start``.
    """
    started: datetime | None = None
    since: datetime | None = None
    given: list[timedelta] = []
    paused = timedelta(0)
    events = 0
    for tick in ticks:
        events += 1
        if tick.kind == "start":
            started = tick.at
        elif tick.kind == "extend":
            given.append(timedelta(milliseconds=tick.ms))
        elif tick.kind == "pause":
            since = since or tick.at
        elif since is not None:
            paused += max(tick.at - since, timedelta(0))
            since = None
    if started is None:
        raise ValueError("no start among the clock events")
    if since is not None:
        paused += max(at - since, timedelta(0))
    whole = started + timedelta(seconds=duration_s)
    return Reckoning(
        started=started,
        duration=timedelta(seconds=duration_s),
        is_cut=closes_at < whole,
        given=tuple(given),
        paused=paused,
        paused_since=since,
        ends_at=min(whole, closes_at) + sum(given, timedelta(0)) + paused,
        events=events,
    )


def deadline(ticks: Iterable[Tick], *, duration_s: int, closes_at: datetime, at: datetime) -> datetime:
    """When the time ends, seen at ``at``. See ``reckon``."""
    return reckon(ticks, duration_s=duration_s, closes_at=closes_at, at=at).ends_at


def remaining_ms(ends_at: datetime, at: datetime) -> int:
    """Whole milliseconds until the deadline, never negative."""
    return max(0, (ends_at - at) // timedelta(milliseconds=1))


def is_expired(state: str, ends_at: datetime, at: datetime) -> bool:
    """Whether a sitting that nobody handed in counts as handed in by the clock."""
    return state == SittingState.IN_PROGRESS and at >= ends_at + GRACE


def state_at(state: str, ends_at: datetime, at: datetime) -> SittingState:
    """The state as everybody reads it at ``at``, whether or not the sweep has written it down yet."""
    return SittingState.AUTO_SUBMITTED if is_expired(state, ends_at, at) else SittingState(state)


def window(opens_at: datetime, closes_at: datetime, at: datetime) -> str:
    """``before``, ``open`` or ``after`` the half-open window in which a test may be started."""
    if at < opens_at:
        return "before"
    return "open" if at < closes_at else "after"


# ---------------------------------------------------------------- starting


MOST_COOLDOWN_DAYS = 365


def free_from(last_ended_at: datetime | None, cooldown_days: int) -> datetime | None:
    """From when the next attempt may begin by the days between attempts; None: there was none before, or no days are asked."""
    if last_ended_at is None or not cooldown_days:
        return None
    return last_ended_at + timedelta(days=cooldown_days)


def require_start(
    *,
    opens_at: datetime,
    closes_at: datetime,
    at: datetime,
    used: int,
    allowed: int,
    passed: bool,
    last_ended_at: datetime | None = None,
    cooldown_days: int = 0,
    being_marked: bool = False,
) -> None:
    """Whether a new attempt may begin now. Raises RuleBroken with the reason."""
    where = window(opens_at, closes_at, at)
    if where == "before":
        raise RuleBroken("not_open_yet", _("This test is not open yet."))
    if where == "after":
        raise RuleBroken("closed", _("This test has closed."))
    if passed:
        raise RuleBroken("already_passed", _("You have passed this test. It need not be taken again."))
    if being_marked:
        raise RuleBroken("being_marked", _("Your last attempt waits for its markers."))
    if used >= allowed:
        raise RuleBroken("no_attempts_left", _("You have used all your attempts."))
    free = free_from(last_ended_at, cooldown_days)
    if free is not None and at < free:
        raise RuleBroken(
            "cooling_down",
            _n(
                "Between two attempts at this test lies %(num)s day at least.",
                "Between two attempts at this test lie %(num)s days at least.",
                cooldown_days,
            ),
        )


def may_see_keys(*, released: bool, passed: bool, attempts_left: int, closed: bool) -> bool:
    """Whether right answers and reasons may leave the server: only when nothing can be gained with them any more."""
    return released and (passed or attempts_left <= 0 or closed)


# ---------------------------------------------------------------- answers

MAX_BODY_CHARS = 65_536
MAX_OPS = 500
"""Operations in one request; a client with more sends them in several."""

FORM_DEVICE = "form"
"""The device name of answers saved by the plain page; the server numbers them."""
ACCEPTED_DEVICE = "accepted"
"""The device name of late answers that two people let count; the server numbers them too."""

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_OURS = frozenset({FORM_DEVICE, ACCEPTED_DEVICE})


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a candidate's device."""

    device: str
    seq: int | None
    """Grows by one for each operation of the device, from 1; None: the server numbers it (the plain page)."""
    slot: int | None
    kind: str
    """``answer``, ``flag``, ``choose``, ``lock``, ``submit`` or ``malformed``."""
    body: Mapping[str, Any]
    mono_ms: int | None = None
    """Milliseconds since the page was loaded, by the device's monotonic clock: evidence, never a decision."""


def read_op(raw: object, device: str = "") -> Op | None:
    """The operation a client sent; kind ``malformed`` if only its content is wrong, None if it cannot even be numbered."""
    if not isinstance(raw, dict):
        return None
    name, seq = raw.get("device", device), raw.get("seq")
    if not isinstance(name, str) or not _DEVICE.fullmatch(name) or name in _OURS:
        return None
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq < 2**31:
        return None
    slot, mono = raw.get("slot"), raw.get("mono_ms")
    if isinstance(mono, float):
        mono = int(mono) if -(2**53) < mono < 2**53 else None
    if not isinstance(mono, int) or isinstance(mono, bool) or not 0 <= mono < 2**53:
        mono = None
    if slot is not None and (not isinstance(slot, int) or isinstance(slot, bool) or not 0 < slot < 2**15):
        return Op(name, seq, None, "malformed", {}, mono)
    kind, body = _read_body(raw.get("body"))
    if (slot is None) != (kind == "submit"):
        return Op(name, seq, slot, "malformed", {}, mono)
    return Op(name, seq, slot, kind, body, mono)


_RESPONSES = frozenset(
    {"choice", "choices", "number", "unit", "text", "order", "pairs", "points", "file", "name"}
)


def _read_body(body: object) -> tuple[str, dict[str, Any]]:
    """Kind and content; whether an answer fits its question, ``decide`` says."""
    if not isinstance(body, dict) or not body:
        return "malformed", {}
    if set(body) <= _RESPONSES and _is_storable(body):
        return "answer", body
    if len(body) == 1 and isinstance(body.get("flag"), bool):
        return "flag", body
    if body in ({"submit": True}, {"lock": True}):
        return next(iter(body)), body
    name, value = next(iter(body.items()))
    if len(body) == 1 and name in {"choose", "lock"} and isinstance(value, list) and _is_storable(body):
        return name, body
    return "malformed", {}


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _is_storable(body: dict[str, Any]) -> bool:
    """Whether every database keeps it: neither NUL nor half of a surrogate pair, not too long, not nested without end."""
    try:
        text = json.dumps(body, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return len(text) <= MAX_BODY_CHARS and not _NUL.search(text)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an operation counts. What does not count is kept all the same, with its reason."""

    applied: bool
    reason: str | None = None
    """``submitted``, ``late``, ``stale_epoch``, ``unknown_slot``, ``locked``, ``not_shown``, ``too_many``, ``too_few`` or ``malformed``."""
    late_ms: int = 0
    """Milliseconds after the deadline; up to the grace an operation with some still counts."""
    body: Mapping[str, Any] | None = None
    """The canonical answer, where one counts."""


def decide(
    op: Op,
    *,
    state: str,
    epoch: int,
    current_epoch: int,
    ends_at: datetime,
    at: datetime,
    paper: Paper,
    locked: Container[int] = frozenset(),
) -> Decision:
    """Judge one operation that reached the server at ``at``; the client's clock plays no part.

    ``epoch``: that of the page which sent it; ``locked``: everything that locks before it closed (see choosing.locked_by).
    """
    late_ms = max(1, (at - ends_at) // timedelta(milliseconds=1)) if at >= ends_at else 0
    if state == SittingState.SUBMITTED:
        return Decision(applied=False, reason="submitted", late_ms=late_ms)
    if state == SittingState.AUTO_SUBMITTED or at >= ends_at + GRACE:
        return Decision(applied=False, reason="late", late_ms=late_ms)
    if epoch != current_epoch:
        return Decision(applied=False, reason="stale_epoch", late_ms=late_ms)
    if op.kind == "malformed":
        return Decision(applied=False, reason="malformed", late_ms=late_ms)
    if op.slot is None:
        return Decision(applied=True, late_ms=late_ms)
    known: Container[int] = paper.lockable if op.kind == "lock" else paper.asks
    if op.slot not in (paper.choices if op.kind == "choose" else known):
        return Decision(applied=False, reason="unknown_slot", late_ms=late_ms)
    if op.kind == "flag":
        return Decision(applied=True, late_ms=late_ms)
    if why := paper.closed(op.slot, locked):
        return Decision(applied=False, reason=why, late_ms=late_ms)
    if op.slot in paper.choices:
        return replace(_decide_choice(op, paper.choices[op.slot]), late_ms=late_ms)
    if op.kind == "lock":
        is_plain = op.body == {"lock": True}
        return Decision(applied=is_plain, reason=None if is_plain else "malformed", late_ms=late_ms)
    response = read_response(paper.asks[op.slot], op.body)
    if response is None:
        return Decision(applied=False, reason="malformed", late_ms=late_ms)
    return Decision(applied=True, late_ms=late_ms, body=response)


def _decide_choice(op: Op, choice: tuple[int, tuple[int, ...]]) -> Decision:
    """Judge what chooses questions: as many as may be taken, or for good exactly as many."""
    chosen = read_choice(op.body.get(op.kind), choice)
    if chosen is None:
        return Decision(applied=False, reason="malformed")
    if len(chosen) > choice[0]:
        return Decision(applied=False, reason="too_many")
    if op.kind == "lock" and len(chosen) < choice[0]:
        return Decision(applied=False, reason="too_few")
    return Decision(applied=True, body={op.kind: chosen})


class Event(Protocol):
    """What folding needs of a response event."""

    @property
    def device(self) -> str:
        """Which device sent it."""

    @property
    def client_seq(self) -> int:
        """Its number on that device."""

    @property
    def slot(self) -> int | None:
        """Which question it belongs to."""

    @property
    def kind(self) -> str:
        """See Op."""

    @property
    def epoch(self) -> int:
        """The writer epoch it was made in."""

    @property
    def applied(self) -> bool:
        """Whether it counts."""


E = TypeVar("E", bound=Event)


def fold(events: Iterable[E]) -> dict[tuple[int, str], E]:
    """The event that stands for each (slot, kind), from all events of a sitting in the order the server took them.

    Within one device the larger number wins, however late the smaller one arrives; a newer epoch (a take-over) wins over
    an older; two tabs of one epoch win in the order of arrival.
    """
    heads: dict[tuple[int, str], E] = {}
    largest: dict[tuple[int, str, str], int] = {}
    for event in events:
        if not event.applied or event.slot is None:
            continue
        place = (event.slot, event.kind)
        mine = (*place, event.device)
        if event.client_seq < largest.get(mine, 0):
            continue
        largest[mine] = event.client_seq
        head = heads.get(place)
        if head is None or event.epoch >= head.epoch:
            heads[place] = event
    return heads


# ---------------------------------------------------------------- tests


def require_test(
    *,
    duration_s: int,
    opens_at: datetime,
    closes_at: datetime,
    cut_percent: int,
    attempts_allowed: int,
    cooldown_days: int = 0,
    appeal_days: int = 0,
) -> None:
    """Whether the terms of a test make sense."""
    if closes_at <= opens_at:
        raise RuleBroken("window", _("The test closes before it opens."), field="closes_at")
    if duration_s < 60:
        raise RuleBroken("duration", _("A test lasts at least one minute."), field="duration_s")
    if closes_at - opens_at < timedelta(seconds=duration_s):
        raise RuleBroken("window_too_short", _("The window is shorter than the test."), field="closes_at")
    if not 1 <= cut_percent <= 100:
        raise RuleBroken("cut", _("The cut score lies between 1 and 100 per cent."), field="cut_percent")
    if not 1 <= attempts_allowed <= 10:
        raise RuleBroken("attempts", _("Allow 1 to 10 attempts."), field="attempts_allowed")
    if not 0 <= cooldown_days <= MOST_COOLDOWN_DAYS:
        raise RuleBroken("cooldown", _("Ask for 0 to 365 days between attempts."), field="cooldown_days")
    if not 0 <= appeal_days <= MOST_DAYS:
        raise RuleBroken("appeal_days", _("Give 0 to 60 days for appeals."), field="appeal_days")


MAX_EXTENSION = timedelta(hours=4)


def require_extension(minutes: int, reason: str) -> int:
    """Milliseconds of an extension. Raises RuleBroken: it only ever adds, and it has a reason."""
    if not 1 <= minutes <= MAX_EXTENSION // timedelta(minutes=1):
        raise RuleBroken("extension", _("Give 1 to 240 minutes."), field="minutes")
    if not reason.strip():
        raise RuleBroken("extension_reason", _("Say why the time is extended."), field="reason")
    return minutes * 60_000


def require_reason(reason: str) -> str:
    """The words for a pause. Raises RuleBroken without any."""
    if not reason.strip():
        raise RuleBroken("pause_reason", _("Say why the clock is stopped."), field="reason")
    return reason.strip()[:200]


class Need(StrEnum):
    """Why a candidate has more time, in groups that tell nothing of their health."""

    LANGUAGE = "language"
    READING = "reading"
    BREAKS = "breaks"
    OTHER = "other"


MOST_PERCENT, MOST_MINUTES = 200, 120


def require_accommodation(percent: int, minutes: int) -> None:
    """Raises RuleBroken for more time than anybody is granted, or none at all."""
    if not 0 <= percent <= MOST_PERCENT:
        raise RuleBroken("percent", _("Give 0 to 200 per cent more."), field="percent")
    if not 0 <= minutes <= MOST_MINUTES:
        raise RuleBroken("minutes", _("Give 0 to 120 minutes more."), field="minutes")


def accommodated_ms(percent: int, minutes: int, *, duration_s: int) -> int:
    """Milliseconds that an accommodation adds to a test of that length."""
    return duration_s * percent * 10 + minutes * 60_000
