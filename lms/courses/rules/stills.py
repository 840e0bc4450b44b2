"""Which moments of a film are shown as pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 40
"""Pictures of one film; more nobody looks through on a phone."""

FEWEST_SLIDES = 4
"""With fewer changes of slides the pictures come at even steps: such a film is not made of slides."""

EVEN = 16

_STEP_S = 5
"""Thumbnails are that far apart; two moments nearer to each other show the same."""


@dataclass(frozen=True)
class Moment:
    """A moment that is shown as a picture."""

    at_s: int
    chapter: Mapping[str, Any] | None
    """The chapter in which it lies."""


def moments(duration_s: int, slides: Sequence[int], chapters: Sequence[Mapping[str, Any]]) -> list[Moment]:
    """The beginning, each new slide and each chapter; at even steps where a film has no slides. In the order of the film."""
    found = {0, *(one["at_s"] for one in chapters)}
    if len(slides) >= FEWEST_SLIDES:
        found.update(slides)
    else:
        step = max(_STEP_S, -(-duration_s // EVEN))
        found.update(range(0, duration_s, step))
    kept: list[int] = []
    for at_s in sorted(one for one in found if 0 <= one < duration_s):
        if not kept or at_s // _STEP_S > kept[-1] // _STEP_S:
            kept.append(at_s)
    if len(kept) > MOST:
        kept = [kept[len(kept) * place // MOST] for place in range(MOST)]
    return [
        Moment(at_s, next((one for one in reversed(chapters) if one["at_s"] <= at_s), None)) for at_s in kept
    ]
