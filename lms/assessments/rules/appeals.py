"""Appeals: when a candidate may object to the marking of a question, and what may become of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from lms.core.errors import RuleBroken
from lms.core.i18n import _

MOST_DAYS = 60


class AppealState(StrEnum):
    """How far an appeal has come."""

    OPEN = "open"
    UPHELD = "upheld"
    PARTLY = "partly"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


_OPEN = frozenset({AppealState.OPEN})
MOVES: Mapping[str, tuple[frozenset[AppealState], AppealState]] = {
    "uphold": (_OPEN, AppealState.UPHELD),
    "partly": (_OPEN, AppealState.PARTLY),
    "refuse": (_OPEN, AppealState.REFUSED),
    "withdraw": (_OPEN, AppealState.WITHDRAWN),
}
ANSWERS = ("uphold", "partly", "refuse")
"""The moves of whoever answers; the other one is the trainee's."""


def ends_at(released_at: datetime | None, marked_at: datetime | None, days: int) -> datetime | None:
    """Until when one may appeal, half-open: so many days of 24 hours after the result could be seen; None: not at all.

    ``released_at``: when held results were released; ``marked_at``: of the sitting, from which results count that are shown at
    once.
    """
    if marked_at is None or not days:
        return None
    return max(released_at or marked_at, marked_at) + timedelta(days=days)


def require_open(*, released: bool, until: datetime | None, at: datetime, answered: bool) -> None:
    """Whether a question may be appealed now. Raises RuleBroken with the reason."""
    if not released or until is None:
        raise RuleBroken("no_appeals", _("The marking of this test cannot be appealed."))
    if answered:
        raise RuleBroken("answered_already", _("Your appeal about this question was answered already."))
    if at >= until:
        raise RuleBroken("appeal_too_late", _("The time for appeals about this test is over."))


def require_words(words: str) -> str:
    """The reason as it is kept. Raises RuleBroken for fewer than ten characters: nobody can answer those."""
    kept = words.strip()
    if len(kept) < 10:
        raise RuleBroken("words", _("Give the reason in a sentence."), field="words")
    return kept[:2000]
