"""Blueprints: what a form must hold, line by line, and the proof that a drawn form holds it.

Drawing is the work of ``psychometrics.assembly``. What it drew is judged here by counting, without any of its
arithmetic, when a form is sealed and at an appeal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import combinations
from typing import Literal

from lms.assessments.rules.bank import COGNITIVE, Cognitive
from lms.assessments.rules.choosing import CHOOSABLE, MOST_PARTS
from lms.assessments.rules.items import TYPES, Fault
from lms.core.i18n import _, _n

MOST_CELLS = 100
MOST_COUNT = 500
MOST_MARKS = 10_000
MOST_TO_CHOOSE_FROM = 20

Overlap = int | Literal["disjoint", "any"]
"""How many items two forms may share: none, at most so many, or as many as it comes."""


class Per(StrEnum):
    """What the number of a cell counts."""

    ASK = "ask"
    """What candidates see numbered: a paper of 100 questions has 100 asks, however they are grouped in cases."""
    ITEM = "item"
    """Whole items, as where candidates choose 8 of 11 cases."""


@dataclass(frozen=True)
class Cell:
    """One line of a blueprint. What is empty or None is not prescribed."""

    count: int
    topic: str = ""
    type: str = ""
    cognitive: str = ""
    difficulty: tuple[float, float] | None = None
    """Lowest and highest facility in per cent; both ends belong to the band."""
    marks: int | None = None
    """Of everything in the cell together; where candidates choose, what each of them can earn in it."""
    per: Per = Per.ASK
    choose: int | None = None
    """How many of its questions each candidate answers; None: all of them."""
    part: int = 1
    """Of the paper, from 1; a part opens when the one before is finished, and a finished part is closed."""

    @property
    def each(self) -> int | None:
        """Marks that every question of the cell has to be worth, since candidates choose among them; None: no such rule."""
        return self.marks // self.choose if self.choose and self.marks is not None else None

    @property
    def drawn_marks(self) -> int | None:
        """Marks of all questions that the cell draws; None: not prescribed."""
        return self.marks if self.each is None else self.each * self.count


@dataclass(frozen=True)
class Blueprint:
    """What every form of a test must hold."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PoolItem:
    """An item that may be drawn, as far as drawing needs to know it. It is drawn with all its asks or not at all."""

    id: int
    topic: str = ""
    type: str = ""
    cognitive: str = ""
    difficulty: float | None = None
    """Facility in per cent, measured or expected, the mean of its asks; None: unknown, so it fits no band."""
    asks: int = 1
    marks: int = 1
    """Of all its asks together."""
    exposure: Fraction = Fraction(0)
    """The share of the sittings of the last twelve months that showed it."""
    enemies: frozenset[int] = frozenset()
    """Items that may not stand in a form with it; saying so at one of the two is enough."""
    information: float | None = None
    """Fisher information of the whole item at the cut score; None: not estimated."""


@dataclass(frozen=True, order=True)
class Pick:
    """An item in the cell that it fills; a form is a list of these."""

    cell: int
    """Index in the blueprint."""
    item: int


Form = Sequence[Pick]


@dataclass(frozen=True)
class Shortfall:
    """What a cell lacks."""

    cell: int
    """Index in the blueprint."""
    missing: int
    """Asks or items, as the cell counts."""
    marks_off: int
    """How far the nearest possible sum of marks lies from the prescribed one."""
    message: str


def fits(item: PoolItem, cell: Cell) -> bool:
    """Whether an item may fill a place of a cell."""
    return (
        cell.topic in {"", item.topic}
        and cell.type in {"", item.type}
        and cell.cognitive in {"", item.cognitive}
        and _is_in_band(item.difficulty, cell.difficulty)
        and cell.each in {None, item.marks}
    )


def _is_in_band(value: float | None, band: tuple[float, float] | None) -> bool:
    return band is None or (value is not None and band[0] <= value <= band[1])


def places(item: PoolItem, cell: Cell) -> int:
    """How much of a cell's number an item fills: all its asks, or one where the cell counts whole items."""
    return item.asks if cell.per == Per.ASK else 1


def is_rested(item: PoolItem, max_exposure: Fraction | None) -> bool:
    """Whether an item was shown seldom enough to be drawn again."""
    return max_exposure is None or item.exposure <= max_exposure


def most_shared(overlap: Overlap) -> int | None:
    """The most items that two forms may share; None: any number."""
    if isinstance(overlap, int):
        return overlap
    return 0 if overlap == "disjoint" else None


# ---------------------------------------------------------------- the blueprint itself


def faults(blueprint: Blueprint) -> list[Fault]:
    """Everything that must be put right before forms can be drawn; each names its cell: ``cells.2.count``."""
    if not 1 <= len(blueprint.cells) <= MOST_CELLS:
        message = _("A blueprint has 1 to %(most)s lines.", most=MOST_CELLS)
        return [Fault("cells", "cells", message)]
    found = [
        fault.under(f"cells.{index}") for index, cell in enumerate(blueprint.cells) for fault in _faults(cell)
    ]
    first: dict[Cell, int] = {}
    for index, cell in enumerate(blueprint.cells):
        if first.setdefault(cell, index) != index:
            message = _("This line says the same as line %(line)s.", line=first[cell] + 1)
            found.append(Fault(f"cells.{index}", "twice", message))
    parts = {cell.part for cell in blueprint.cells}
    if not found and parts != set(range(1, len(parts) + 1)):
        index = max(range(len(blueprint.cells)), key=lambda one: blueprint.cells[one].part)
        message = _("Number the parts 1, 2, 3 without leaving one out.")
        found.append(Fault(f"cells.{index}.part", "parts", message))
    return found


def _faults(cell: Cell) -> Iterator[Fault]:
    if not 1 <= cell.count <= MOST_COUNT:
        yield Fault("count", "count", _("A line asks for 1 to %(most)s questions.", most=MOST_COUNT))
    if cell.marks is not None and not 1 <= cell.marks <= MOST_MARKS:
        yield Fault("marks", "marks", _("The marks of a line are 1 to %(most)s.", most=MOST_MARKS))
    if cell.type and cell.type not in TYPES:
        yield Fault("type", "item_type", _("Choose the type of the question."))
    elif cell.type and cell.per == Per.ASK and 1 <= cell.count < TYPES[cell.type].asks[0]:
        least = TYPES[cell.type].asks[0]
        message = _("A question of this type has at least %(least)s asks, more than the line.", least=least)
        yield Fault("count", "too_few", message)
    if cell.cognitive and cell.cognitive not in COGNITIVE:
        yield Fault("cognitive", "cognitive", _("This cognitive level is not known."))
    if cell.difficulty and not 0 <= cell.difficulty[0] <= cell.difficulty[1] <= 100:
        message = _("The difficulty goes from a lower to a higher number between 0 and 100 per cent.")
        yield Fault("difficulty", "band", message)
    if not 1 <= cell.part <= MOST_PARTS:
        yield Fault("part", "part", _("A paper has 1 to %(most)s parts.", most=MOST_PARTS))
    if cell.choose is not None:
        yield from _choice_faults(cell, cell.choose)


def _choice_faults(cell: Cell, choose: int) -> Iterator[Fault]:
    """What keeps candidates from choosing among the questions of a line."""
    if not 1 <= choose < cell.count:
        message = _("Candidates choose at least one, and fewer than the line holds.")
        yield Fault("choose", "choose", message)
    elif cell.per != Per.ITEM:
        message = _("Candidates choose whole questions: let the line count those, not asks.")
        yield Fault("choose", "choose_asks", message)
    elif cell.count > MOST_TO_CHOOSE_FROM:
        message = _("Candidates choose among at most %(most)s questions.", most=MOST_TO_CHOOSE_FROM)
        yield Fault("count", "choose_many", message)
    elif cell.type not in CHOOSABLE:
        message = _("Where candidates choose, name the type: case analysis, A3, A4 or essay.")
        yield Fault("type", "choose_type", message)
    elif cell.marks is None:
        message = _(
            "Where candidates choose, say the marks: all questions to choose from are worth the same."
        )
        yield Fault("marks", "choose_marks", message)
    elif cell.marks % choose:
        message = _(
            "Candidates answer %(choose)s questions that are worth the same: the marks must be a multiple of %(choose)s.",
            choose=choose,
        )
        yield Fault("marks", "choose_marks", message)


# ---------------------------------------------------------------- what the bank lacks


def shortfalls(
    blueprint: Blueprint, items: Iterable[PoolItem], *, max_exposure: Fraction | None = None
) -> list[Shortfall]:
    """What is still to be written before one form can be drawn, cell by cell.

    Each cell is looked at by itself: items that several cells need, enemies and further forms can only make it worse,
    which drawing finds out. Whole items are counted, so a cell of four asks lacks one where every case has three.
    """
    usable = [item for item in items if is_rested(item, max_exposure)]
    found = []
    for index, cell in enumerate(blueprint.cells):
        missing, marks_off = _lack(cell, [item for item in usable if fits(item, cell)])
        if missing or marks_off:
            found.append(shortfall(blueprint, index, missing=missing, marks_off=marks_off))
    return found


def _lack(cell: Cell, items: Iterable[PoolItem]) -> tuple[int, int]:
    """The smallest lack, and the smallest distance from the prescribed marks where nothing is lacking.

    Bit m of ``sums[n]`` says that some of the items fill n places and bring m marks.
    """
    sums = [1] + [0] * cell.count
    for item in items:
        size, marks = places(item, cell), 0 if cell.drawn_marks is None else item.marks
        for filled in range(cell.count, size - 1, -1):
            sums[filled] |= sums[filled - size] << marks
    reached = max(filled for filled, totals in enumerate(sums) if totals)
    if reached < cell.count or cell.drawn_marks is None:
        return cell.count - reached, 0
    totals, wanted = sums[cell.count], cell.drawn_marks
    return 0, min(abs(wanted - total) for total in range(totals.bit_length()) if totals >> total & 1)


def shortfall(
    blueprint: Blueprint, index: int, *, missing: int, marks_off: int = 0, forms: int = 1
) -> Shortfall:
    """A lack, put into words. ``forms``: how many are drawn at once; the lack is that of all of them."""
    cell = blueprint.cells[index]
    line, what = index + 1, in_words(cell)
    if missing and cell.per == Per.ASK:
        message = _(
            "Line %(line)s (%(what)s): %(needed)s asks needed, %(missing)s missing.",
            line=line,
            what=what,
            needed=cell.count * forms,
            missing=missing,
        )
    elif missing:
        message = _(
            "Line %(line)s (%(what)s): %(needed)s questions needed, %(missing)s missing.",
            line=line,
            what=what,
            needed=cell.count * forms,
            missing=missing,
        )
    else:
        message = _(
            "Line %(line)s (%(what)s): the marks cannot add up to %(marks)s; the nearest sum is off by %(off)s.",
            line=line,
            what=what,
            marks=(cell.drawn_marks or 0) * forms,
            off=marks_off,
        )
    return Shortfall(index, missing, marks_off, message)


def in_words(cell: Cell) -> str:
    """What a cell asks for, for people: type, topic, cognitive level and band, as far as they are prescribed."""
    words = [TYPES[cell.type].words if cell.type in TYPES else cell.type, cell.topic]
    words.append(COGNITIVE[Cognitive(cell.cognitive)] if cell.cognitive in COGNITIVE else cell.cognitive)
    parts = [str(word) for word in words if word]
    if cell.difficulty:
        low, high = cell.difficulty
        parts.append(_("%(low)s to %(high)s %% answer right", low=f"{low:g}", high=f"{high:g}"))
    if cell.choose:
        parts.append(_("candidates answer %(take)s of %(count)s", take=cell.choose, count=cell.count))
    if cell.each is not None:
        parts.append(_n("%(num)s mark each", "%(num)s marks each", cell.each))
    return " · ".join(parts) or _("any question")


# ---------------------------------------------------------------- proof


def form_faults(
    blueprint: Blueprint,
    form: Form,
    items: Iterable[PoolItem],
    *,
    max_exposure: Fraction | None = None,
) -> list[Fault]:
    """In what a form departs from its blueprint; empty: every cell is filled exactly, and every rule is kept.

    ``items``: the pool; a picked item that is not in it is a fault.
    """
    pool = {item.id: item for item in items}
    found = list(_pick_faults(blueprint, form, pool, max_exposure))
    for index, cell in enumerate(blueprint.cells):
        inside = [pool[pick.item] for pick in form if pick.cell == index and pick.item in pool]
        filled, marks = sum(places(item, cell) for item in inside), sum(item.marks for item in inside)
        if filled != cell.count:
            message = _(
                "Line %(line)s needs %(needed)s and has %(filled)s.",
                line=index + 1,
                needed=cell.count,
                filled=filled,
            )
            found.append(Fault(f"cells.{index}", "cell_count", message))
        if cell.drawn_marks is not None and marks != cell.drawn_marks:
            message = _(
                "Line %(line)s is worth %(marks)s marks instead of %(needed)s.",
                line=index + 1,
                marks=marks,
                needed=cell.drawn_marks,
            )
            found.append(Fault(f"cells.{index}", "cell_marks", message))
    return found


def _pick_faults(
    blueprint: Blueprint, form: Form, pool: Mapping[int, PoolItem], max_exposure: Fraction | None
) -> Iterator[Fault]:
    for number, times in Counter(pick.item for pick in form).items():
        if times > 1:
            yield Fault(f"items.{number}", "twice", _("A question stands in the form more than once."))
    for pick in form:
        item = pool.get(pick.item)
        if item is None:
            yield Fault(
                f"items.{pick.item}", "unknown_item", _("A question is not among those to draw from.")
            )
        elif not 0 <= pick.cell < len(blueprint.cells) or not fits(item, blueprint.cells[pick.cell]):
            yield Fault(
                f"items.{pick.item}", "misfit", _("A question does not fit its line of the blueprint.")
            )
        elif not is_rested(item, max_exposure):
            yield Fault(f"items.{pick.item}", "exposure", _("A question was shown too often."))
    for one, other in enemy_pairs([pool[pick.item] for pick in form if pick.item in pool]):
        yield Fault(f"items.{one}.{other}", "enemies", _("Two questions give each other away."))


def enemy_pairs(items: Iterable[PoolItem]) -> list[tuple[int, int]]:
    """The pairs among the items that may not stand together, the smaller id first, in order."""
    items = list(items)
    known = {item.id for item in items}
    pairs = {(min(item.id, other), max(item.id, other)) for item in items for other in item.enemies & known}
    return sorted((one, other) for one, other in pairs if one != other)


def forms_faults(
    blueprint: Blueprint,
    forms: Sequence[Form],
    items: Iterable[PoolItem],
    *,
    overlap: Overlap = "disjoint",
    max_exposure: Fraction | None = None,
) -> list[Fault]:
    """In what several forms depart from their blueprint or share more items than they may; see form_faults."""
    pool, most = list(items), most_shared(overlap)
    found = [
        fault.under(f"forms.{number}")
        for number, form in enumerate(forms)
        for fault in form_faults(blueprint, form, pool, max_exposure=max_exposure)
    ]
    for (one, first), (other, second) in combinations(enumerate(forms), 2):
        shared = len({pick.item for pick in first} & {pick.item for pick in second})
        if most is not None and shared > most:
            message = _(
                "Forms %(one)s and %(other)s share %(shared)s questions, more than %(most)s.",
                one=one + 1,
                other=other + 1,
                shared=shared,
                most=most,
            )
            found.append(Fault(f"forms.{one}.{other}", "overlap", message))
    return found
