"""Where a film is seen and where not: from the bitmaps of its viewers to a few stretches of time."""

from collections.abc import Sequence
from dataclasses import dataclass

from lms.courses.rules import watched_spans

MOST_STRETCHES = 24


@dataclass(frozen=True)
class Stretch:
    """A part of a film."""

    start_s: int
    end_s: int
    viewers: int
    """How many saw most of it: the median over its seconds."""


def seen_by_second(bitmaps: Sequence[bytes], duration_s: int) -> list[int]:
    """For each second of a film, by how many it was seen."""
    steps = [0] * (duration_s + 1)
    for bitmap in bitmaps:
        for start, end in watched_spans(bitmap):
            if start < duration_s:
                steps[start] += 1
                steps[min(end, duration_s)] -= 1
    counts, now = [], 0
    for step in steps[:-1]:
        now += step
        counts.append(now)
    return counts


def stretches(counts: Sequence[int]) -> list[Stretch]:
    """A film in at most 24 equal parts of whole seconds; the last may be shorter."""
    if not counts:
        return []
    length = -(-len(counts) // MOST_STRETCHES)
    return [
        Stretch(
            start,
            min(start + length, len(counts)),
            sorted(counts[start : start + length])[len(counts[start : start + length]) // 2],
        )
        for start in range(0, len(counts), length)
    ]
