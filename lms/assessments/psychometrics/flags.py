"""What an author should look at in a question, in words. No NumPy here: pages read this without it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from lms.core.i18n import lazy

RARE = 0.05
"""A wrong option that fewer choose does not work."""
LEAST_RELIABLE = 0.7
"""Below it, a test says too little about single people (Nunnally and Bernstein 1994)."""
MOST_CHANCE = 0.1
"""Share of wrong decisions beyond which those near the pass mark deserve a second look."""
OMITTED = 0.1
"""Blanks beyond it ask for a reason."""


class Flag(StrEnum):
    """What an author should look at."""

    RARELY_CHOSEN = "rarely_chosen"
    CHOSEN_BY_THE_STRONG = "chosen_by_the_strong"
    BETTER_THAN_THE_KEY = "better_than_the_key"
    KEY_CHOSEN_BY_THE_WEAK = "key_chosen_by_the_weak"
    VERY_EASY = "very_easy"
    VERY_HARD = "very_hard"
    WEAK = "weak"
    NEGATIVE = "negative"
    OFTEN_OMITTED = "often_omitted"
    UNEQUAL = "unequal"
    UNRELIABLE = "unreliable"
    UNSURE_AT_THE_CUT = "unsure_at_the_cut"
    TOO_EASY = "too_easy"
    TOO_HARD = "too_hard"


FLAGS: Mapping[Flag, str] = {
    Flag.RARELY_CHOSEN: lazy("Fewer than 5 % chose this wrong option: it does not distract."),
    Flag.CHOSEN_BY_THE_STRONG: lazy(
        "Those who chose this wrong option did well on the other questions: is it really wrong?"
    ),
    Flag.BETTER_THAN_THE_KEY: lazy(
        "This wrong option goes with good results more than the right one does: check the key."
    ),
    Flag.KEY_CHOSEN_BY_THE_WEAK: lazy(
        "Those who chose the right option did badly on the other questions: check the key."
    ),
    Flag.VERY_EASY: lazy("More than 95 % of the marks were earned: the question hardly tells people apart."),
    Flag.VERY_HARD: lazy("Fewer than 20 % of the marks were earned: was it taught, and is it clear?"),
    Flag.WEAK: lazy("The question hardly goes with the rest of the test (point-biserial below 0.1)."),
    Flag.NEGATIVE: lazy(
        "Those who earned marks here did worse on the rest of the test: check key and wording."
    ),
    Flag.OFTEN_OMITTED: lazy("More than 10 % gave no answer: was there too little time, or is it unclear?"),
    Flag.UNEQUAL: lazy(
        "Equally able people of two groups did not meet this question on equal terms: look for words or things that "
        "only one group knows."
    ),
    Flag.UNRELIABLE: lazy(
        "The reliability is below 0.7: too little to decide about single people by this test alone. More questions, or "
        "better ones in place of those named below, would raise it."
    ),
    Flag.UNSURE_AT_THE_CUT: lazy(
        "More than one decision in ten at the pass mark may be chance: look a second time at those who are close to it."
    ),
    Flag.TOO_EASY: lazy(
        "On average more than 90 % of the marks were earned: the test hardly tells strong candidates apart."
    ),
    Flag.TOO_HARD: lazy(
        "On average fewer than 40 % of the marks were earned: was all of it taught, and was there enough time?"
    ),
}


class Numbers(Protocol):
    """The classical numbers of a question that are judged."""

    @property
    def n(self) -> int:
        """Candidates."""

    @property
    def omitted(self) -> int:
        """Those who gave no answer."""

    @property
    def facility(self) -> float | None:
        """Share of the marks that was earned."""

    @property
    def item_rest(self) -> float | None:
        """Corrected point-biserial."""


def item_flags(item: Numbers) -> tuple[Flag, ...]:
    """What an author should look at in a question, from its classical numbers."""
    found: list[Flag] = []
    if item.facility is not None and item.facility > 0.95:
        found.append(Flag.VERY_EASY)
    if item.facility is not None and item.facility < 0.2:
        found.append(Flag.VERY_HARD)
    if item.item_rest is not None and item.item_rest < 0:
        found.append(Flag.NEGATIVE)
    elif item.item_rest is not None and item.item_rest < 0.1:
        found.append(Flag.WEAK)
    if item.omitted > OMITTED * item.n:
        found.append(Flag.OFTEN_OMITTED)
    return tuple(found)


def whole_flags(
    *, alpha: float | None, wrong: float | None, mean: float | None, maximum: float
) -> tuple[Flag, ...]:
    """What to look at in a whole test. ``wrong``: share of wrong decisions; ``mean``: of the totals, in marks."""
    found: list[Flag] = []
    if alpha is not None and alpha < LEAST_RELIABLE:
        found.append(Flag.UNRELIABLE)
    if wrong is not None and wrong > MOST_CHANCE:
        found.append(Flag.UNSURE_AT_THE_CUT)
    if mean is not None and maximum > 0:
        if mean > 0.9 * maximum:
            found.append(Flag.TOO_EASY)
        elif mean < 0.4 * maximum:
            found.append(Flag.TOO_HARD)
    return tuple(found)
