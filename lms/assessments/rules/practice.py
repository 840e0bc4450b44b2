"""Practice: which types can be practised, which questions come next."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lms.assessments.rules.items import TYPES
from lms.assessments.rules.sitting import shuffled
from lms.core.errors import RuleBroken
from lms.core.i18n import _

PRACTISED = tuple(code for code, shape in TYPES.items() if not shape.is_marked_by_people)
"""Types whose reason can be shown as soon as they are answered: marked by a rule."""

ROUND_SIZES = (5, 10, 20)


def draw_round(
    last_at: Mapping[int, datetime | None], size: int, seed: bytes, *, right_last: Iterable[int] = ()
) -> list[int]:
    """The questions of a round: never practised ones first, then those whose last answer was wrong, then the longest ago.

    ``last_at``: question → when it was last practised. Equals come in the order of the seed.
    """
    known = set(right_last)
    place = {name: n for n, name in enumerate(shuffled([str(one) for one in last_at], seed))}

    def order(one: int) -> tuple[bool, bool, float, int]:
        at = last_at[one]
        return (at is not None, one in known, at.timestamp() if at else 0.0, place[str(one)])

    return sorted(last_at, key=order)[:size]


def require_certainty(certainty: int | None, *, is_asked: bool) -> None:
    """Refuse an answer without its certainty, and a certainty that nobody asked for."""
    if is_asked and certainty not in {1, 2, 3}:
        raise RuleBroken("certainty", _("Say how sure you are."))
    if not is_asked and certainty is not None:
        raise RuleBroken("certainty", _("This round does not ask how sure you are."))


@dataclass(frozen=True)
class Labels:
    """What a question is about."""

    question_id: int
    topic: str
    tags: frozenset[str] = frozenset()


def equivalent(missed: Labels, offered: Iterable[Labels]) -> int | None:
    """The question of a practice bank that teaches what a missed one asks: of the same topic, then with the most tags in common.

    Equals are told apart by a digest of both ids, so that several missed questions of one topic lead to several cards, and the
    same one always to the same. None: none has its topic or one of its tags.
    """

    def nearness(one: Labels) -> tuple[bool, int]:
        return (bool(missed.topic) and one.topic == missed.topic, len(one.tags & missed.tags))

    near = [one for one in offered if nearness(one) > (False, 0)]
    if not near:
        return None
    return max(near, key=lambda one: (*nearness(one), _tie(missed, one), one.question_id)).question_id


def _tie(missed: Labels, one: Labels) -> str:
    return hashlib.sha256(f"{missed.question_id}:{one.question_id}".encode()).hexdigest()
