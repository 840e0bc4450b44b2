"""Which parts of a film somebody watched again, counted once for each visit and without a name.

A part is 10 seconds of the film. In a visit (one page with its player) it counts as watched again

- if it had been watched in an earlier visit, and most of it is played in this one;
- or if the player says that most of it was played a second time in this visit.

What is known of a visit are bit sets of parts, some 20 bytes for half an hour.
"""

from collections.abc import Iterable, Sequence

from lms.courses.rules import MAX_RATE, SLACK_S, Interval, spans_as_bits

PART_S = 10
VISIT_COUNTS_DAYS = 60
"""So long after it was opened a visit may count parts, as long as players keep what they could not send. Afterwards nothing of
it is counted as watched again, so its parts may be forgotten and no late repetition counts twice."""

_MOST = PART_S // 2
_KNOWN = PART_S - 1
"""Seconds of a part that make it watched before: one may be missing at a cut."""


def known_parts(bitmap: bytes, duration_s: int) -> bytes:
    """The parts that had been watched, of the seconds that had."""
    return _kept(_parts(int.from_bytes(bitmap, "little"), duration_s, least=_KNOWN), duration_s)


def watched_again(
    played: Iterable[Interval],
    again: Iterable[Interval],
    *,
    known: bytes,
    counted: bytes,
    duration_s: int,
    alive_s: float,
    credited_s: int,
) -> tuple[bytes, list[int]]:
    """The parts of a visit that count as watched again, and which of them are new, in the order of the film.

    ``played`` and ``again`` are all that the visit has reported; ``alive_s`` and ``credited_s`` bound what it can have
    played twice: a part costs at least five seconds of the same clock as all evidence.
    """
    before = int.from_bytes(counted, "little")
    found = _parts(spans_as_bits(played, duration_s), duration_s, least=_MOST) & int.from_bytes(
        known, "little"
    )
    found |= _parts(spans_as_bits(again, duration_s), duration_s, least=_MOST)
    new = list(_places(found & ~before))
    room = int(max(0.0, MAX_RATE * alive_s + SLACK_S - credited_s)) // _MOST - before.bit_count()
    new = new[: max(0, room)]
    for place in new:
        before |= 1 << place
    return _kept(before, duration_s), new


def at_most(times: Sequence[int], bars: int) -> tuple[int, list[int]]:
    """The counts of parts as at most so many bars: how many parts make one, and the highest count in each."""
    length = max(1, -(-len(times) // bars))
    return length, [max(times[start : start + length]) for start in range(0, len(times), length)]


def highest(times: Sequence[int], start_s: int, end_s: int) -> int:
    """How often the most repeated part of a stretch was watched again."""
    return max(times[start_s // PART_S : -(-end_s // PART_S)], default=0)


def parts_of(duration_s: int) -> int:
    """How many parts a film has; the last may be shorter."""
    return -(-duration_s // PART_S)


def _parts(bits: int, duration_s: int, *, least: int) -> int:
    """The parts of which at least so many seconds are set; of a shorter last one, all but what is missing from ten."""
    found, whole = 0, (1 << PART_S) - 1
    for place in range(parts_of(duration_s)):
        here = (bits >> (place * PART_S)) & whole
        length = min(PART_S, duration_s - place * PART_S)
        if here and here.bit_count() >= max(1, least * length // PART_S):
            found |= 1 << place
    return found


def _places(bits: int) -> Iterable[int]:
    place = 0
    while bits:
        gap = (bits & -bits).bit_length()
        place += gap
        bits >>= gap
        yield place - 1


def _kept(bits: int, duration_s: int) -> bytes:
    return bits.to_bytes((parts_of(duration_s) + 7) // 8, "little")
