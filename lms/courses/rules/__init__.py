"""Courses, the pure decisions: what a lecture may become, and how much of a video a person has really watched.

Evidence is a bitmap with one bit for each second of one version of a video, kept for each person. The player reports
played intervals, never a position, so seeking to the end proves nothing. The wall clock bounds what can be true: nobody
plays more than twice as fast as time passes, whatever the number of tabs and devices. A second counts once, and what was
already counted costs nothing, so a report that is sent again changes nothing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from lms.core.errors import RuleBroken
from lms.core.i18n import _


class LectureState(StrEnum):
    """Whether learners see a lecture."""

    DRAFT = "draft"
    PUBLISHED = "published"


class VideoState(StrEnum):
    """How far an uploaded video has come."""

    UPLOADED = "uploaded"
    TRANSCODING = "transcoding"
    READY = "ready"
    FAILED = "failed"


LECTURE_MOVES: Mapping[str, tuple[frozenset[LectureState], LectureState]] = {
    "publish": (frozenset({LectureState.DRAFT}), LectureState.PUBLISHED),
    "withdraw": (frozenset({LectureState.PUBLISHED}), LectureState.DRAFT),
}

VIDEO_MOVES: Mapping[str, tuple[frozenset[VideoState], VideoState]] = {
    "start": (frozenset({VideoState.UPLOADED}), VideoState.TRANSCODING),
    "finish": (frozenset({VideoState.TRANSCODING}), VideoState.READY),
    "fail": (frozenset({VideoState.UPLOADED, VideoState.TRANSCODING}), VideoState.FAILED),
    "put_back": (frozenset({VideoState.TRANSCODING}), VideoState.UPLOADED),
    "try_again": (frozenset({VideoState.FAILED}), VideoState.UPLOADED),
}
"""``put_back``: the worker died and its lease ran out. ``try_again``: an educator asks for it."""


class DraftState(StrEnum):
    """How far captions have come that a recogniser drafts."""

    ASKED = "asked"
    DRAFTING = "drafting"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"
    """Published, discarded or stopped: nothing of it is shown."""


DRAFT_MOVES: Mapping[str, tuple[frozenset[DraftState], DraftState]] = {
    "ask": (frozenset({DraftState.FAILED, DraftState.CLOSED}), DraftState.ASKED),
    "start": (frozenset({DraftState.ASKED, DraftState.DRAFTING}), DraftState.DRAFTING),
    "finish": (frozenset({DraftState.DRAFTING}), DraftState.READY),
    "fail": (frozenset({DraftState.ASKED, DraftState.DRAFTING}), DraftState.FAILED),
    "close": (
        frozenset({DraftState.ASKED, DraftState.DRAFTING, DraftState.READY, DraftState.FAILED}),
        DraftState.CLOSED,
    ),
}
"""``start`` again: the worker before died and its lease ran out."""


S = TypeVar("S", bound=StrEnum)


def move(moves: Mapping[str, tuple[frozenset[S], S]], name: str, state: S) -> S:
    """The state after the move ``name``. Raises RuleBroken("wrong_state"); an unknown name is a KeyError."""
    sources, target = moves[name]
    if state not in sources:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    return target


def possible(moves: Mapping[str, tuple[frozenset[S], S]], state: S) -> list[str]:
    """The names of the moves that may start from ``state``, in the order of the table."""
    return [name for name, (sources, _target) in moves.items() if state in sources]


COMPLETE_SHARE = Fraction(9, 10)
"""Share of the seconds of a video that makes a lecture watched."""

MAX_RATE = 2
"""Media seconds that one second of the clock can hold: the fastest speed the player offers."""

SLACK_S = 4.0
"""Granted once at the start, for rounding to whole seconds."""

LONGEST_SILENCE_S = 3600.0
"""A player cut off from the network longer than this cannot make up for all of it: without a limit a page left open for
a night would be worth a day of lectures."""

MAX_INTERVALS = 500
"""In one report. An hour of seeking back and forth makes about a hundred."""

_RESUME_BACK_S = 3
_RESUME_EDGE_S = 10

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Purse:
    """Media seconds that one person may still claim: filled by the wall clock, emptied by new seconds.

    There is one for each person, not for each tab, device or lecture. ``at``: the instant up to which it was filled.
    """

    at: datetime
    seconds: float


def open_purse(purse: Purse | None, *, at: datetime) -> Purse:
    """The purse of a person who opens a lecture. Time in which no lecture was open is worth nothing."""
    if purse is None or (at - purse.at).total_seconds() > LONGEST_SILENCE_S:
        return Purse(at, SLACK_S)
    return fill_purse(purse, at=at)


def fill_purse(purse: Purse, *, at: datetime) -> Purse:
    """The purse at a later instant of the same watching. A clock that went back fills nothing."""
    passed = min(max(0.0, (at - purse.at).total_seconds()), LONGEST_SILENCE_S)
    most = MAX_RATE * LONGEST_SILENCE_S + SLACK_S
    return Purse(max(at, purse.at), min(most, purse.seconds + MAX_RATE * passed))


def spend(purse: Purse, seconds: int) -> Purse:
    """The purse after ``seconds`` were counted."""
    return replace(purse, seconds=max(0.0, purse.seconds - seconds))


def at_most(purse: Purse, seconds: float) -> Purse:
    """The purse, holding no more than ``seconds``."""
    return replace(purse, seconds=max(0.0, min(purse.seconds, seconds)))


def wall_budget_s(
    purse: Purse, *, session_opened_at: datetime, session_credited_s: int, at: datetime
) -> float:
    """Seconds that a report of one player session may add: what both the person's and the session's clock allow.

    ``purse`` is already filled up to ``at``; ``session_credited_s`` is what this session has added before.
    """
    alive = max(0.0, (at - session_opened_at).total_seconds())
    return max(0.0, min(purse.seconds, MAX_RATE * alive + SLACK_S - session_credited_s))


LEASE_LASTS_S = 14 * 24 * 3600.0
"""How long a lecture kept on a phone may be watched without a connection before the phone asks again."""


def lease_budget_s(*, opened_at: datetime, counted_then_s: int, counted_now_s: int, at: datetime) -> float:
    """Seconds that a report under an offline lease may add.

    Nobody knows when the phone played; the clock since the lease was given bounds it, and whatever was counted for the
    person since then, on any device and for any lecture, is taken off.
    """
    alive = min(max(0.0, (at - opened_at).total_seconds()), LEASE_LASTS_S)
    return max(0.0, MAX_RATE * alive + SLACK_S - (counted_now_s - counted_then_s))


def intervals_from(given: object) -> list[Interval]:
    """The played intervals of a report as the browser sent it: ``[[start, end], …]`` in seconds.

    Raises RuleBroken("bad_intervals") for anything that no honest player can have played.
    """
    if not isinstance(given, list) or len(given) > MAX_INTERVALS:
        raise _bad_intervals()
    intervals: list[Interval] = []
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _bad_intervals()
        intervals.append((_moment(pair[0]), _moment(pair[1])))
        if intervals[-1][0] > intervals[-1][1]:
            raise _bad_intervals()
    return intervals


def credit(
    bitmap: bytes, intervals: Iterable[Sequence[float]], *, duration_s: int, wall_budget_s: float
) -> tuple[bytes, int]:
    """The bitmap with the played seconds added, and how many of them are new.

    ``bitmap`` holds second 0 in the lowest bit of its first byte; an empty one is a person who has seen nothing.
    A second counts when more than half of it was played, so neighbouring intervals neither overlap nor leave gaps.
    What exceeds ``duration_s`` is cut off; of what exceeds ``wall_budget_s`` the earliest seconds of the film are kept.
    Raises RuleBroken("bad_intervals").
    """
    if duration_s < 1:
        raise ValueError("a video has at least one second")
    seen = _bits(bitmap, duration_s)
    played = spans_as_bits(intervals_from([list(pair) for pair in intervals]), duration_s)
    new = _lowest_bits(played & ~seen, int(max(0.0, wall_budget_s)))
    return (seen | new).to_bytes((duration_s + 7) // 8, "little"), new.bit_count()


def spans_as_bits(intervals: Iterable[Interval], duration_s: int) -> int:
    """Played intervals as a bit for each second of which more than half was played."""
    played = 0
    for start, end in intervals:
        first, last = min(_nearest(start), duration_s), min(_nearest(end), duration_s)
        played |= ((1 << (last - first)) - 1) << first
    return played


def watched_seconds(bitmap: bytes) -> int:
    """How many different seconds were watched."""
    return int.from_bytes(bitmap, "little").bit_count()


def covered_share(bitmap: bytes, *, duration_s: int) -> Fraction:
    """Watched seconds as an exact share of the video, from 0 to 1."""
    return Fraction(_bits(bitmap, duration_s).bit_count(), duration_s)


def is_complete(share: Fraction, threshold: Fraction = COMPLETE_SHARE) -> bool:
    """Whether the share makes the lecture watched."""
    return share >= threshold


def shown_percent(share: Fraction) -> int:
    """Whole percent for the bar, rounded down: it never promises what was not reached."""
    return int(share * 100)


def watched_spans(bitmap: bytes) -> list[tuple[int, int]]:
    """The watched seconds as spans ``[start, end)``, in order."""
    spans: list[tuple[int, int]] = []
    bits, at = int.from_bytes(bitmap, "little"), 0
    while bits:
        gap = (bits & -bits).bit_length() - 1
        bits >>= gap
        length = (~bits & (bits + 1)).bit_length() - 1
        bits >>= length
        spans.append((at + gap, at + gap + length))
        at += gap + length
    return spans


def resume_position_s(position_s: float, *, duration_s: int) -> int:
    """Where to go on: three seconds before one stopped, to find the thread; from the start near either end."""
    if (
        not math.isfinite(position_s)
        or position_s < _RESUME_EDGE_S
        or position_s > duration_s - _RESUME_EDGE_S
    ):
        return 0
    return int(position_s) - _RESUME_BACK_S


def _moment(value: object) -> float:
    if (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6
    ):  # NaN compares false
        raise _bad_intervals()
    return float(value)


def _bad_intervals() -> RuleBroken:
    return RuleBroken("bad_intervals", _("The player sent something that cannot have been played."))


def _nearest(seconds: float) -> int:
    return math.floor(seconds + 0.5)


def _bits(bitmap: bytes, duration_s: int) -> int:
    return int.from_bytes(bitmap, "little") & ((1 << duration_s) - 1)


def _lowest_bits(bits: int, most: int) -> int:
    """The ``most`` lowest set bits."""
    if bits.bit_count() <= most:
        return bits
    low, high = 0, bits.bit_length()
    while low < high:  # the shortest prefix that holds enough of them
        middle = (low + high) // 2
        if (bits & ((1 << middle) - 1)).bit_count() >= most:
            high = middle
        else:
            low = middle + 1
    return bits & ((1 << low) - 1)
