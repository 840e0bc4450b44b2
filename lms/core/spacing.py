"""When a card comes back: the FSRS scheduler (open-spaced-repetition, version 6) behind one page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fsrs import Card, Rating, Scheduler

AGAIN, HARD, GOOD, EASY = (int(one) for one in (Rating.Again, Rating.Hard, Rating.Good, Rating.Easy))

_scheduler = Scheduler(enable_fuzzing=False)  # the same reviews give the same days on any machine


@dataclass(frozen=True)
class Spaced:
    """A card after a review."""

    state: dict[str, Any]
    """What the next review starts from, as JSON."""
    due_at: datetime


def review(state: Mapping[str, Any] | None, rating: int, *, at: datetime) -> Spaced:
    """The card after a review at an instant of the server's clock. ``state``: after the review before; None: it is new.

    A later due date for a better rating, and always later than the review itself.
    """
    at = at.astimezone(UTC)
    card = Card.from_dict({"card_id": 0, **state}) if state else Card(card_id=0, due=at)  # type: ignore[typeddict-item]
    after, _log = _scheduler.review_card(card, Rating(rating), at)
    kept: dict[str, Any] = dict(after.to_dict())
    del kept["card_id"]
    return Spaced(kept, after.due)
