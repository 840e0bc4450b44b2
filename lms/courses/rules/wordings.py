"""Wordings, the pure decisions: their review, what differs between two, the order of a course."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class ReviewState(StrEnum):
    """How far the review of a wording has come."""

    WRITTEN = "written"
    ASKED = "asked"
    APPROVED = "approved"
    RETURNED = "returned"


REVIEW_MOVES: Mapping[str, tuple[frozenset[ReviewState], ReviewState]] = {
    "submit": (frozenset({ReviewState.WRITTEN}), ReviewState.ASKED),
    "approve": (frozenset({ReviewState.ASKED}), ReviewState.APPROVED),
    "return": (frozenset({ReviewState.ASKED}), ReviewState.RETURNED),
}
"""What was returned is written anew: a further wording."""


def review_state(acts: Iterable[str]) -> ReviewState:
    """The state after the acts of a review, in their order."""
    state = ReviewState.WRITTEN
    for act in acts:
        state = REVIEW_MOVES[act][1]
    return state


def is_overdue(due_on: date | None, day: date) -> bool:
    """Whether the day of the next review is past."""
    return due_on is not None and day > due_on


def is_outdated(reviewed_at: datetime | None, changed: Iterable[datetime | None]) -> bool:
    """Whether a source changed after the last review, or was changed and nothing was reviewed since."""
    return any(at is not None and (reviewed_at is None or at > reviewed_at) for at in changed)


@dataclass(frozen=True)
class Piece:
    """A stretch of text in a comparison."""

    kind: str
    """``same``, ``gone`` or ``new``."""
    text: str


_TOKEN = re.compile(r"\n|[^\S\n]+|[A-Za-z0-9]+|.", re.DOTALL)
LONGEST_COMPARED = 20_000
"""Pieces; two texts longer than that are compared line by line."""


def compared(old: str, new: str) -> list[Piece]:
    """What differs, by words of Latin script and by single Chinese characters. Joined without ``new`` it is the old text, without ``gone`` the new."""
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(before) + len(after) > LONGEST_COMPARED:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    pieces: list[Piece] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, from_old, to_old, from_new, to_new in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(before[from_old:to_old])))
            continue
        if to_old > from_old:
            pieces.append(Piece("gone", "".join(before[from_old:to_old])))
        if to_new > from_new:
            pieces.append(Piece("new", "".join(after[from_new:to_new])))
    return pieces


Order = list[tuple[str, list[str]]]
"""Modules in their order, each with what it holds in its order, by reference."""


def nudged(order: Order, ref: str, *, up: bool) -> Order:
    """The order with one thing a place up or down, over the border of its module where it stands at its end; or one module moved."""
    found = [(module, list(things)) for module, things in order]
    names = [module for module, _things in found]
    step = -1 if up else 1
    if ref in names:
        here = names.index(ref)
        there = here + step
        if 0 <= there < len(found):
            found[here], found[there] = found[there], found[here]
        return found
    for number, (_module, things) in enumerate(found):
        if ref not in things:
            continue
        here = things.index(ref)
        there = here + step
        if 0 <= there < len(things):
            things[here], things[there] = things[there], things[here]
        elif 0 <= number + step < len(found):
            things.pop(here)
            neighbour = found[number + step][1]
            neighbour.insert(len(neighbour) if up else 0, ref)
        break
    return found


def is_rearrangement(order: Sequence[tuple[str, Sequence[str]]], known: Order) -> bool:
    """Whether two orders hold the same modules and the same things."""
    return sorted(module for module, _things in order) == sorted(
        module for module, _things in known
    ) and sorted(thing for _module, things in order for thing in things) == sorted(
        thing for _module, things in known for thing in things
    )
