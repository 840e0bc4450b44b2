"""The item bank: what a question may become next, and what must be so before it is used."""

from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from lms.core.i18n import lazy


class ItemState(StrEnum):
    """How far the newest wording of a question has come."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    LIVE = "live"
    SUSPENDED = "suspended"
    RETIRED = "retired"


_S = ItemState

ITEM_MOVES: Mapping[str, tuple[frozenset[ItemState], ItemState]] = {
    "propose": (frozenset({_S.DRAFT}), _S.IN_REVIEW),
    "approve": (frozenset({_S.IN_REVIEW}), _S.APPROVED),
    "refuse": (frozenset({_S.IN_REVIEW}), _S.DRAFT),
    "withdraw": (frozenset({_S.IN_REVIEW}), _S.DRAFT),
    "activate": (frozenset({_S.APPROVED, _S.SUSPENDED}), _S.LIVE),
    "suspend": (frozenset({_S.LIVE}), _S.SUSPENDED),
    "retire": (frozenset({_S.DRAFT, _S.APPROVED, _S.LIVE, _S.SUSPENDED}), _S.RETIRED),
    "rewrite": (frozenset({_S.DRAFT, _S.APPROVED, _S.LIVE, _S.SUSPENDED}), _S.DRAFT),
}
"""``rewrite``: a new wording. The wording that was live stays in use until the new one is."""

BY_HAND = ("propose", "activate", "suspend", "retire")
"""Moves that a person makes with a button of the question's page; the others follow from an approval or a new wording."""

WORDS_NEEDED = frozenset({"suspend", "retire"})


class Cognitive(StrEnum):
    """What a question asks of the mind (Bloom's taxonomy, in the three steps that item writers use)."""

    RECALL = "recall"
    UNDERSTAND = "understand"
    APPLY = "apply"


COGNITIVE = {
    Cognitive.RECALL: lazy("Recall"),
    Cognitive.UNDERSTAND: lazy("Understand"),
    Cognitive.APPLY: lazy("Apply"),
}


def is_past_due(review_due: date | None, today: date) -> bool:
    """Whether what a question rests on has to be read again before the question is used."""
    return review_due is not None and today > review_due


def may_be_used(state: str, review_due: date | None, today: date) -> bool:
    """Whether a question may go into a new form."""
    return state == ItemState.LIVE and not is_past_due(review_due, today)


def words_of(body: Any) -> str:
    """All texts of an item in both languages, lower case, for search."""
    return texts_of(body).lower()


def texts_of(body: Any) -> str:
    """All texts of an item, or of the reasons of its key, as they are written, line by line."""
    return "\n".join(_texts(body))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (part[language] for language in ("zh", "en") if part.get(language))
        part = [value for name, value in part.items() if name not in {"zh", "en"}]
    if isinstance(part, list):
        for value in part:
            yield from _texts(value)
