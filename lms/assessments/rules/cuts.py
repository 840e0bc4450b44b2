"""Pass marks that judges set: the modified Angoff method, counted exactly.

Each judge says of each question how many of a hundred candidates who just pass would answer it right. A judge's cut is the
sum of these shares, weighted by the marks; the cut is the mean over the judges, and its standard error the standard
deviation of their cuts (n - 1) by the root of their number (Angoff 1971; Cizek and Bunch, Standard Setting, 2007).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import mean, median, stdev

from lms.core.errors import RuleBroken
from lms.core.i18n import _

LEAST_JUDGES = 2
"""One judge has no spread."""

STUDY_MOVES: Mapping[str, tuple[str, str]] = {
    "next_round": ("round_1", "round_2"),
    "close": ("round_2", "closed"),
}
"""Move → from and to."""


@dataclass(frozen=True)
class Cut:
    """A pass mark by judges."""

    judges: int
    total: int
    """Marks of the paper."""
    marks: Fraction
    """The mean of the judges' cuts."""
    sd: float
    se: float

    @property
    def percent(self) -> Fraction:
        """Of all marks."""
        return 100 * self.marks / self.total

    @property
    def whole_percent(self) -> int:
        """As a test keeps it: rounded to whole per cent, a half upwards, 1 at least."""
        return max(1, math.floor(self.percent + Fraction(1, 2)))

    @property
    def se_percent(self) -> float:
        """The standard error, of all marks."""
        return 100 * self.se / self.total


def angoff(ratings: Iterable[Mapping[int, int]], marks: Mapping[int, Fraction | int]) -> Cut | None:
    """The cut from the complete ratings of each judge (slot → per cent); None for fewer judges than LEAST_JUDGES.

    ``marks``: slot → what it is worth; of questions of which some are chosen its share of what can be earned.
    """
    cuts = [
        sum((Fraction(given[slot] * worth) / 100 for slot, worth in marks.items()), Fraction(0))
        for given in ratings
    ]
    if len(cuts) < LEAST_JUDGES:
        return None
    spread = stdev(float(cut) for cut in cuts)
    return Cut(len(cuts), int(sum(marks.values())), mean(cuts), spread, spread / math.sqrt(len(cuts)))


@dataclass(frozen=True)
class Spread:
    """How far the judges lie apart on one question."""

    n: int
    low: int
    high: int
    middle: float
    mean: float


def spread(said: Iterable[int]) -> Spread | None:
    """The spread of what judges said; None of fewer than LEAST_JUDGES."""
    found = sorted(said)
    if len(found) < LEAST_JUDGES:
        return None
    return Spread(len(found), found[0], found[-1], float(median(found)), float(mean(found)))


def require_rating(percent: int) -> None:
    """Whether a rating makes sense."""
    if not 0 <= percent <= 100:
        raise RuleBroken("rating", _("Give a number from 0 to 100."))
