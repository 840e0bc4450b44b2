"""Pass marks beyond Angoff's: what judges say by Ebel's and Hofstee's methods, and when a method may be used.

Ebel (1972): each judge sorts every question by relevance and difficulty, and says of each of the nine cells how many of a
hundred borderline candidates answer such a question right. A judge's cut is the sum of the marks, each times the share of
its cell. Hofstee (1983): each judge says which pass marks and which fail rates are acceptable at all; the cut is where the
results meet what the panel accepts. Borderline regression: the score that the examiners' global ratings give to a
borderline candidate, station by station.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.shape import as_map
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

RELEVANCE = {
    "essential": lazy("Essential"),
    "important": lazy("Important"),
    "acceptable": lazy("Acceptable"),
}
DIFFICULTY = {"easy": lazy("Easy"), "medium": lazy("Medium"), "hard": lazy("Hard")}
CELLS = tuple(f"{relevance}-{difficulty}" for relevance in RELEVANCE for difficulty in DIFFICULTY)

METHODS = {
    "fixed": lazy("Fixed value"),
    "angoff": lazy("Modified Angoff"),
    "ebel": lazy("Ebel"),
    "hofstee": lazy("Hofstee"),
    "borderline": lazy("Borderline regression"),
}
FROM_RESULTS = frozenset({"hofstee", "borderline"})
"""Methods that need the marks of the sittings."""
LEAST_RESULTS = 5
"""From fewer results no pass mark is computed."""
FEW_RESULTS = 30
"""From fewer it is shown with a warning."""

RATINGS = {
    1: lazy("Clear fail"),
    2: lazy("Borderline"),
    3: lazy("Clear pass"),
    4: lazy("Good"),
    5: lazy("Excellent"),
}
"""The examiner's global rating at a station."""
BORDERLINE = 2

LIMITS = ("least_cut", "most_cut", "least_fail", "most_fail")
"""What a judge accepts by Hofstee, in per cent."""

STUDY_MOVES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ebel": {"next_round": ("round_1", "round_2"), "close": ("round_2", "closed")},
    "hofstee": {"close": ("round_1", "closed")},
}
"""Method → move → from and to."""


def cell_words(cell: str) -> str:
    """A cell in words."""
    relevance, _dash, difficulty = cell.partition("-")
    return f"{RELEVANCE[relevance]} · {DIFFICULTY[difficulty]}"


# ---------------------------------------------------------------- Ebel


@dataclass(frozen=True)
class Sorted:
    """What one judge said by Ebel's method."""

    cells: Mapping[int, str]
    """Slot → cell."""
    expected: Mapping[str, int]
    """Cell → per cent of borderline candidates who answer such a question right."""

    def given(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "sorted": {str(slot): cell for slot, cell in sorted(self.cells.items())},
            "expected": dict(sorted(self.expected.items())),
        }

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> "Sorted":
        """From what was kept."""
        found = given or {}
        return cls(
            {int(slot): str(cell) for slot, cell in as_map(found.get("sorted")).items()},
            {str(cell): int(percent) for cell, percent in as_map(found.get("expected")).items()},
        )

    def is_complete(self, marks: Mapping[int, Fraction] | Mapping[int, int]) -> bool:
        """Whether every question has its cell, and every cell that holds one its expectation."""
        return self.cells.keys() == marks.keys() and set(self.cells.values()) <= self.expected.keys()

    def ratings(self) -> dict[int, int]:
        """Slot → what a borderline candidate is expected to earn of it, in per cent."""
        return {slot: self.expected[cell] for slot, cell in self.cells.items()}


def require_sorted(said: Sorted, slots: Sequence[int]) -> None:
    """Raises RuleBroken for a question or cell that is none, or a share that is no per cent."""
    if not set(said.cells) <= set(slots) or not {*said.cells.values(), *said.expected} <= set(CELLS):
        raise RuleBroken("cell", _("Choose one of the nine cells."))
    if any(not 0 <= percent <= 100 for percent in said.expected.values()):
        raise RuleBroken("rating", _("Give a number from 0 to 100."))


# ---------------------------------------------------------------- Hofstee


def require_limits(given: Mapping[str, int]) -> None:
    """Raises RuleBroken with the field unless pass marks and fail rates are per cent and in order."""
    for name in LIMITS:
        if name not in given:
            raise RuleBroken("limit", _("Enter a number."), field=name)
        if not 0 <= given[name] <= 100:
            raise RuleBroken("limit", _("Give a number from 0 to 100."), field=name)
    if given["least_cut"] >= given["most_cut"]:
        raise RuleBroken("order", _("The highest pass mark has to be above the lowest."), field="most_cut")
    if given["least_fail"] > given["most_fail"]:
        raise RuleBroken("order", _("The highest fail rate cannot be below the lowest."), field="most_fail")


def whole(percent: float) -> int:
    """As a test keeps it: rounded to whole per cent, a half upwards.

    >>> whole(62.7586), whole(62.5)
    (63, 63)
    """
    return math.floor(round(percent, 9) + 0.5)


def require_percent(percent: int) -> None:
    """Raises RuleBroken for a pass mark that no test can have."""
    if not 1 <= percent <= 100:
        raise RuleBroken("cut", _("The cut score lies between 1 and 100 per cent."))


def require_results(*, is_over: bool, unmarked: int) -> None:
    """Raises RuleBroken while results are still to come: a pass mark from results counts all of them."""
    if not is_over:
        raise RuleBroken(
            "still_open", _("The test is still open. Its results show the pass mark once it has closed.")
        )
    if unmarked:
        raise RuleBroken("unmarked", _("Some sittings have no marks yet. Wait until all of them are marked."))


def require_rating_of_station(rating: int | None) -> None:
    """Raises RuleBroken for a global rating that is none of the five."""
    if rating is not None and rating not in RATINGS:
        raise RuleBroken("global_rating", _("Choose one of the five ratings."), field="rating")
