"""Papers in the making: lines of a blueprint as they are kept, exchange and order of questions, and who gets which paper."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from lms.assessments.rules.blueprint import (
    Blueprint,
    Cell,
    Form,
    Overlap,
    Per,
    Pick,
    PoolItem,
    fits,
    forms_faults,
    most_shared,
    places,
)
from lms.assessments.rules.items import Fault
from lms.assessments.rules.sitting import shuffled, sub_seed
from lms.core.errors import RuleBroken
from lms.core.i18n import _

MOST_FORMS = 6


@dataclass(frozen=True)
class Limits:
    """What holds for all papers of a test together."""

    forms: int = 1
    max_shared: int | None = 0
    """The most questions that two papers may share; None: any number."""
    max_exposure_percent: int | None = None
    """Questions shown to more of the sittings of the last twelve months are left out; None: all may be drawn."""

    @property
    def overlap(self) -> Overlap:
        """As the blueprint's rules take it."""
        return "any" if self.max_shared is None else self.max_shared

    @property
    def max_exposure(self) -> Fraction | None:
        """As a share."""
        return None if self.max_exposure_percent is None else Fraction(self.max_exposure_percent, 100)


def require_limits(limits: Limits) -> None:
    """Whether the limits make sense. Raises RuleBroken."""
    if not 1 <= limits.forms <= MOST_FORMS:
        raise RuleBroken("forms", _("Make 1 to %(most)s papers.", most=MOST_FORMS), field="forms_wanted")
    if limits.max_shared is not None and not 0 <= limits.max_shared <= 500:
        raise RuleBroken("max_shared", _("Two papers share between 0 and 500 questions."), field="max_shared")
    if limits.max_exposure_percent is not None and not 1 <= limits.max_exposure_percent <= 100:
        raise RuleBroken(
            "max_exposure", _("The limit lies between 1 and 100 per cent."), field="max_exposure_percent"
        )


def require_late_start(starts_until: datetime | None, *, opens_at: datetime, closes_at: datetime) -> None:
    """Whether the last moment to begin lies within the window. Raises RuleBroken."""
    if starts_until is not None and not opens_at < starts_until <= closes_at:
        raise RuleBroken(
            "starts_until", _("The last moment to begin lies within the window."), field="starts_until"
        )


# ---------------------------------------------------------------- the blueprint as it is kept


def written_cells(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """The lines of a blueprint as JSON."""
    return [
        {
            "count": cell.count,
            "topic": cell.topic,
            "type": cell.type,
            "cognitive": cell.cognitive,
            "difficulty": None if cell.difficulty is None else [round(end) for end in cell.difficulty],
            "marks": cell.marks,
            **({} if cell.per == Per.ASK else {"per": str(cell.per)}),
            **({} if cell.choose is None else {"choose": cell.choose}),
            **({} if cell.part == 1 else {"part": cell.part}),
        }
        for cell in cells
    ]


def read_cells(written: Iterable[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """The lines of a blueprint that were kept."""
    return tuple(
        Cell(
            count=one["count"],
            topic=one["topic"],
            type=one["type"],
            cognitive=one["cognitive"],
            difficulty=None if one["difficulty"] is None else (one["difficulty"][0], one["difficulty"][1]),
            marks=one["marks"],
            per=Per(one.get("per", Per.ASK)),
            choose=one.get("choose"),
            part=one.get("part", 1),
        )
        for one in written
    )


# ---------------------------------------------------------------- exchange and order


def exchanged(form: Form, old: int, new: int) -> list[Pick]:
    """The paper with another item in the place of one."""
    return [replace(pick, item=new) if pick.item == old else pick for pick in form]


def new_faults(
    blueprint: Blueprint,
    before: Sequence[Form],
    after: Sequence[Form],
    pool: Iterable[PoolItem],
    limits: Limits,
) -> list[Fault]:
    """In what the papers after a change depart from their blueprint and did not before."""
    items = list(pool)

    def found(forms: Sequence[Form]) -> list[Fault]:
        return forms_faults(blueprint, forms, items, overlap=limits.overlap, max_exposure=limits.max_exposure)

    known = {(fault.path, fault.code) for fault in found(before)}
    return [fault for fault in found(after) if (fault.path, fault.code) not in known]


def equivalents(
    blueprint: Blueprint,
    forms: Sequence[Form],
    number: int,
    item_id: int,
    pool: Iterable[PoolItem],
    limits: Limits,
) -> list[PoolItem]:
    """Items that may stand in the place of one of a paper (index ``number``) without breaking a rule, most alike first.

    Most alike: nearest in difficulty, then seen by fewest.
    """
    items = list(pool)
    by_id = {item.id: item for item in items}
    form = forms[number]
    cell = next((blueprint.cells[pick.cell] for pick in form if pick.item == item_id), None)
    if cell is None:
        return []
    inside = {pick.item for pick in form}
    enemies = _enemies(inside - {item_id}, by_id)
    old = by_id.get(item_id)
    found = [
        item
        for item in items
        if item.id not in inside
        and fits(item, cell)
        and item.id not in enemies
        and (old is None or places(item, cell) == places(old, cell))
        and _keeps_sharing(forms, number, item_id, item.id, limits)
        and (limits.max_exposure is None or item.exposure <= limits.max_exposure)
        and (old is None or cell.drawn_marks is None or item.marks == old.marks)
    ]
    aim = old.difficulty if old is not None else None
    return sorted(
        found,
        key=lambda item: (
            abs(item.difficulty - aim) if aim is not None and item.difficulty is not None else 101.0,
            item.exposure,
            item.id,
        ),
    )


def _enemies(inside: Iterable[int], by_id: Mapping[int, PoolItem]) -> set[int]:
    standing = set(inside)
    return {enemy for one in standing if one in by_id for enemy in by_id[one].enemies} | {
        item.id for item in by_id.values() if item.enemies & standing
    }


def _keeps_sharing(forms: Sequence[Form], number: int, old: int, new: int, limits: Limits) -> bool:
    most = most_shared(limits.overlap)
    if most is None:
        return True
    mine = {pick.item for pick in forms[number]} - {old} | {new}
    return all(
        len(mine & (others := {pick.item for pick in other})) <= most or (old in others and new not in others)
        for place, other in enumerate(forms)
        if place != number
    )


def ordered(form: Form, wished: Mapping[int, int]) -> list[Pick]:
    """The paper in the order of the places that were wished for (item → place); the rest keeps the order it has.

    Whoever wishes for a taken place gets it: coming from behind they push its holder back, coming from before forward.
    """

    def turn(place: int, pick: Pick) -> tuple[int, int, int]:
        wish = wished.get(pick.item, place)
        return wish, (place < wish) - (place > wish), place

    return [pick for place, pick in sorted(enumerate(form, 1), key=lambda one: turn(*one))]


def gathered(form: Form, cells: Sequence[Cell]) -> list[Pick]:
    """The paper with its parts in order, and the questions of each choice together, where the first of them stands."""
    place = {pick: (cells[pick.cell].part, at) for at, pick in enumerate(form)}
    first: dict[int, tuple[int, int]] = {}
    for pick in form:
        first.setdefault(pick.cell, place[pick])
    return sorted(
        form, key=lambda pick: (first[pick.cell] if cells[pick.cell].choose else place[pick], place[pick])
    )


# ---------------------------------------------------------------- who gets which paper


def form_for(rank: int, before: Sequence[int], forms: Sequence[int], seed: bytes) -> int:
    """The paper (one of ``forms``) of the candidate who is the ``rank``-th of the cohort from 0, in their next attempt.

    Each run of as many candidates as there are papers gets each of them once, in an order of its own that follows from
    the seed; so numbers differ by one at most, and who comes to the cohort later changes nothing for the others.
    ``before``: papers of the earlier attempts, in order. A retake gets a paper not seen yet, else the one seen longest ago.
    """
    names = shuffled([str(number) for number in forms], sub_seed(seed, f"candidates:{rank // len(forms)}"))
    first = rank % len(forms)
    turn = [int(name) for name in names[first:] + names[:first]]
    last = {number: place for place, number in enumerate(before)}
    return min(turn, key=lambda number: (last.get(number, -1), turn.index(number)))
