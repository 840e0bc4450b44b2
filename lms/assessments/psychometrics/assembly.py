"""Forms drawn from a pool by integer programming (HiGHS, through SciPy).

One unknown of 0 or 1 for each item, cell that it fits and form; each cell is an equation, each pair of enemies and each
limit on sharing an inequality. Of all solutions the forms are taken that differ least from one another (van der Linden,
Linear Models for Optimal Test Design, 2005, chapters 5 and 6). Where nothing solves the equations they are solved with
what is missing as further unknowns, and the smallest lack is the answer.

The number of a cell counts asks or whole items, as the cell says; an item comes with all its asks. Forms compare by
their mean difficulty over the places of the blueprint: an ask weighs one in a cell of asks, an item one in a cell of
items. Information at the cut adds up over items. Where either is not known of an item, the mean of the known stands in.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import combinations

from lms.assessments.rules.blueprint import (
    Blueprint,
    Form,
    Overlap,
    Pick,
    PoolItem,
    Shortfall,
    enemy_pairs,
    fits,
    is_rested,
    most_shared,
    places,
    shortfall,
)
from lms.assessments.rules.sitting import sub_seed
from lms.core.i18n import lazy

DIFFICULTY_TOLERANCE = 0.25
"""Per cent of facility; forms that differ by less count as equal, so that the search may end."""
INFORMATION_TOLERANCE = 0.02
"""Of the information that a form has in the mean."""

TIME_LIMIT_S = 10.0
_SOLVE_ERROR = 4
"""SciPy's status for what is neither solved nor infeasible, unbounded or out of time."""

_CLOSENESS = 1000.0
"""Weight of one tolerance of difference; chance, which decides between equals, weighs 1 in all."""
_GAP = 1e-3
"""How far from the proven bound, relatively, the search may stop: at most as much as chance weighs."""
_GAP_OF_CHANCE = 0.1
"""The same where nothing but chance is minimised."""
_LACK = 10.0
"""Weight of a missing place; a mark too many or too few weighs 1."""


class Limit(StrEnum):
    """What beside the pool itself may keep forms from being drawn."""

    EXPOSURE = "exposure"
    ENEMIES = "enemies"
    OVERLAP = "overlap"


WITHOUT: Mapping[Limit, str] = {
    Limit.EXPOSURE: lazy("Without the limit on exposure the forms could be drawn."),
    Limit.ENEMIES: lazy(
        "If questions that give each other away might stand together, the forms could be drawn."
    ),
    Limit.OVERLAP: lazy("If the forms might share more questions, they could be drawn."),
}


@dataclass(frozen=True)
class Drawn:
    """Forms that fill their blueprint."""

    forms: tuple[tuple[Pick, ...], ...]
    """Each in the order of cells, then of ids."""
    difficulty: tuple[float, ...] | None
    """Mean difficulty of each form, per cent; None: not known of any item."""
    information: tuple[float, ...] | None
    """Information at the cut of each form; None: not known of any item."""
    is_best: bool
    """Whether it is proven that no other forms are closer to one another, beyond the tolerances."""


@dataclass(frozen=True)
class Infeasible:
    """Why no forms were drawn."""

    lacks: tuple[Shortfall, ...]
    """One smallest set of lacks, over all forms together; several may be equally small."""
    would_help: tuple[Limit, ...]
    """Limits each of which, lifted alone, would let the forms be drawn; its sentence is in WITHOUT."""
    is_proven: bool
    """False: the time ran out before forms were found, and the lacks may be smaller than they look."""


@dataclass(frozen=True)
class _Task:
    blueprint: Blueprint
    pool: Sequence[PoolItem]
    """In the order of ids: the order in which they were handed in must not matter."""
    forms: int
    shared: int | None
    max_exposure: Fraction | None
    seed: bytes
    time_limit_s: float
    has_enemies: bool = True

    @cached_property
    def places(self) -> int:
        """Places of one form."""
        return sum(cell.count for cell in self.blueprint.cells)

    @cached_property
    def usable(self) -> Mapping[Pick, PoolItem]:
        """Every item in every cell that it may fill."""
        return {
            Pick(index, item.id): item
            for index, cell in enumerate(self.blueprint.cells)
            for item in self.pool
            if is_rested(item, self.max_exposure) and fits(item, cell)
        }

    def size(self, pick: Pick) -> int:
        """Places that a pick fills."""
        return places(self.usable[pick], self.blueprint.cells[pick.cell])


def draw(
    blueprint: Blueprint,
    items: Iterable[PoolItem],
    *,
    forms: int = 1,
    overlap: Overlap = "disjoint",
    max_exposure: Fraction | None = None,
    parallel: bool = True,
    seed: bytes,
    time_limit_s: float = TIME_LIMIT_S,
) -> Drawn | Infeasible:
    """Draw ``forms`` forms of a blueprint without faults, or say what is lacking; chance comes from ``seed`` alone.

    ``max_exposure``: items shown to a larger share of sittings are left out. ``parallel``: the largest difference
    between the forms in mean difficulty, and in information at the cut, is made as small as it can be.
    ``time_limit_s``: of each search, of which there are at most five; when it runs out, the best that was found counts.
    Equal input gives equal forms (unless the time ran out) with one version of the solver.
    """
    pool = sorted(items, key=lambda item: item.id)
    task = _Task(blueprint, pool, forms, most_shared(overlap), max_exposure, seed, time_limit_s)
    best = _closest(task, parallel=parallel and forms > 1)
    if best.forms:
        return _drawn(task, best)
    nearest = _least_lacking(task)
    lacks = _lacks(task, nearest.forms)
    if not lacks:
        return _drawn(task, replace(nearest, is_proven=False))
    return Infeasible(lacks, tuple(limit for limit in Limit if _would_help(task, limit)), nearest.is_proven)


def _drawn(task: _Task, found: "_Found") -> Drawn:
    levels = [
        tuple(sum(weights[pick] for pick in form) for form in found.forms) if weights else None
        for weights in (_difficulty(task), _information(task))
    ]
    return Drawn(found.forms, levels[0], levels[1], found.is_proven)


# ---------------------------------------------------------------- the two searches


@dataclass(frozen=True)
class _Found:
    forms: tuple[tuple[Pick, ...], ...]
    """Empty: nothing was found."""
    is_proven: bool


def _closest(task: _Task, *, parallel: bool) -> _Found:
    """The forms that differ least, if they are to be parallel; among these, chance."""
    program, unknowns = _laid_out(task, chance=1.0)
    difficulty = _difficulty(task) if parallel else None
    information = _information(task) if parallel else None
    if difficulty:
        _hold_together(program, unknowns, difficulty, DIFFICULTY_TOLERANCE)
    if information:
        mean = task.places * sum(information.values()) / sum(map(task.size, information))
        _hold_together(program, unknowns, information, INFORMATION_TOLERANCE * (mean or 1.0))
    gap = _GAP if difficulty or information else _GAP_OF_CHANCE
    return _picked(unknowns, program.solve(task.time_limit_s, gap))


def _least_lacking(task: _Task) -> _Found:
    """The forms that lack least of their blueprint."""
    program, unknowns = _laid_out(task, may_lack=True)
    found = _picked(unknowns, program.solve(task.time_limit_s, 0.0))
    return found if found.forms else _Found(((),) * task.forms, is_proven=False)


def _hold_together(
    program: "_Program", unknowns: "_Unknowns", weights: Mapping[Pick, float], tolerance: float
) -> None:
    """Make the largest difference between forms costly; what is below the tolerance costs as much as the tolerance.

    So the search ends where the forms are close enough, and does not look for the last digit.
    """
    top, bottom = program.unknown(high=math.inf, whole=0), program.unknown(high=math.inf, whole=0)
    difference = program.unknown(cost=_CLOSENESS, low=1.0, high=math.inf, whole=0)
    for one in unknowns:
        level = [(place, weights[pick] / tolerance) for pick, place in one.items()]
        program.hold([*level, (top, -1.0)], high=0.0)
        program.hold([*level, (bottom, -1.0)], low=0.0)
    program.hold([(top, 1.0), (bottom, -1.0), (difference, -1.0)], high=0.0)


def _difficulty(task: _Task) -> dict[Pick, float] | None:
    """What each pick adds to the mean difficulty of a form."""
    known = [item.difficulty for item in task.usable.values() if item.difficulty is not None]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    return {
        pick: task.size(pick) * (mean if item.difficulty is None else item.difficulty) / task.places
        for pick, item in task.usable.items()
    }


def _information(task: _Task) -> dict[Pick, float] | None:
    """What each pick adds to the information of a form."""
    known = [item.information for item in task.usable.values() if item.information is not None]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    return {
        pick: mean if item.information is None else item.information for pick, item in task.usable.items()
    }


# ---------------------------------------------------------------- the equations

_Unknowns = Sequence[Mapping[Pick, int]]
"""For each form: pick → number of its unknown."""


def _laid_out(task: _Task, *, chance: float = 0.0, may_lack: bool = False) -> tuple["_Program", _Unknowns]:
    program = _Program()
    unknowns = [
        {pick: program.unknown(cost=chance * _chance(task, number, pick)) for pick in task.usable}
        for number in range(task.forms)
    ]
    for one in unknowns:
        _fill_cells(program, task, one, may_lack=may_lack)
    uses = [_uses(one) for one in unknowns]
    for use in uses:
        _keep_enemies_apart(program, task, use)
    _share(program, task, uses)
    return program, unknowns


def _chance(task: _Task, number: int, pick: Pick) -> float:
    """Between 0 and 1 in all for any solution."""
    digest = sub_seed(task.seed, f"{number}|{pick.cell}|{pick.item}")
    return int.from_bytes(digest[:6]) / 2**48 / (task.forms * task.places)


def _fill_cells(program: "_Program", task: _Task, one: Mapping[Pick, int], *, may_lack: bool) -> None:
    for index, cell in enumerate(task.blueprint.cells):
        inside = [(pick, place) for pick, place in one.items() if pick.cell == index]
        terms = [(place, float(task.size(pick))) for pick, place in inside]
        if may_lack:
            terms.append((program.unknown(cost=_LACK, high=cell.count), 1.0))
        program.hold(terms, low=cell.count, high=cell.count)
        if cell.drawn_marks is None:
            continue
        terms = [(place, float(task.usable[pick].marks)) for pick, place in inside]
        if may_lack:
            terms.append((program.unknown(cost=1.0, high=math.inf, whole=0), 1.0))
            terms.append((program.unknown(cost=1.0, high=math.inf, whole=0), -1.0))
        program.hold(terms, low=cell.drawn_marks, high=cell.drawn_marks)


def _uses(one: Mapping[Pick, int]) -> dict[int, list[tuple[int, float]]]:
    """Item → the sum that is 1 if the form holds it."""
    found: dict[int, list[tuple[int, float]]] = {}
    for pick, place in one.items():
        found.setdefault(pick.item, []).append((place, 1.0))
    return found


def _keep_enemies_apart(program: "_Program", task: _Task, use: Mapping[int, list[tuple[int, float]]]) -> None:
    pairs = enemy_pairs(item for item in task.pool if item.id in use) if task.has_enemies else []
    for one, other in pairs:
        program.hold([*use[one], *use[other]], high=1.0)


def _share(program: "_Program", task: _Task, uses: Sequence[Mapping[int, list[tuple[int, float]]]]) -> None:
    """Each item once in a form, and two forms with no more items in common than they may have."""
    items = uses[0]
    if task.shared == 0:
        for item in items:
            program.hold([term for use in uses for term in use[item]], high=1.0)
        return
    for use in uses:
        for terms in use.values():
            program.hold(terms, high=1.0)
    if task.shared is None:
        return
    for first, second in combinations(uses, 2):
        common = []
        for item in items:
            both = program.unknown(whole=0)
            program.hold([*first[item], *second[item], (both, -1.0)], high=1.0)
            common.append((both, 1.0))
        program.hold(common, high=float(task.shared))


class _Program:
    """An integer program while it is written: unknowns with their costs, and inequalities between them."""

    def __init__(self) -> None:
        self._unknowns: list[tuple[float, float, float, int]] = []
        self._bounds: list[tuple[float, float]] = []
        self._entries: list[tuple[int, int, float]] = []

    def unknown(self, *, cost: float = 0.0, low: float = 0.0, high: float = 1.0, whole: int = 1) -> int:
        """A new unknown; ``whole``: 1 for whole numbers, 0 for any."""
        self._unknowns.append((cost, low, high, whole))
        return len(self._unknowns) - 1

    def hold(
        self, terms: Iterable[tuple[int, float]], *, low: float = -math.inf, high: float = math.inf
    ) -> None:
        """Hold a sum of unknowns between two numbers."""
        row = len(self._bounds)
        self._entries.extend((row, place, factor) for place, factor in terms)
        self._bounds.append((low, high))

    def solve(self, time_limit_s: float, gap: float) -> tuple[list[float], bool] | None:
        """The cheapest values, and whether that is proven to within ``gap``; None: there are none, or none in time."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        if not self._unknowns:
            return None
        costs, lows, highs, whole = zip(*self._unknowns, strict=True)
        rows, columns, factors = zip(*self._entries, strict=True)
        matrix = coo_array((factors, (rows, columns)), shape=(len(self._bounds), len(costs))).tocsc()
        low, high = zip(*self._bounds, strict=True)
        for presolve in (
            True,
            False,
        ):  # HiGHS ends some small programs with "Solve error" only when it presolves them
            result = milp(
                costs,
                integrality=whole,
                bounds=Bounds(lows, highs),
                constraints=LinearConstraint(matrix, low, high),
                options={"time_limit": time_limit_s, "mip_rel_gap": gap, "presolve": presolve},
            )
            if result.status != _SOLVE_ERROR:
                break
        return None if result.x is None else (result.x.tolist(), result.status == 0)


def _picked(unknowns: _Unknowns, solution: tuple[list[float], bool] | None) -> _Found:
    if solution is None:
        return _Found((), is_proven=False)
    values, is_proven = solution
    forms = tuple(tuple(pick for pick in sorted(one) if values[one[pick]] > 0.5) for one in unknowns)
    return _Found(forms, is_proven)


# ---------------------------------------------------------------- what is lacking


def _lacks(task: _Task, forms: Iterable[Form]) -> tuple[Shortfall, ...]:
    """What forms lack of their blueprint, cell by cell over all of them."""
    found = []
    for index, cell in enumerate(task.blueprint.cells):
        missing = marks_off = 0
        for form in forms:
            inside = [pick for pick in form if pick.cell == index]
            lack = cell.count - sum(map(task.size, inside))
            missing += lack
            if not lack and cell.drawn_marks is not None:
                marks_off += abs(cell.drawn_marks - sum(task.usable[pick].marks for pick in inside))
        if missing or marks_off:
            found.append(
                shortfall(task.blueprint, index, missing=missing, marks_off=marks_off, forms=task.forms)
            )
    return tuple(found)


def _would_help(task: _Task, limit: Limit) -> bool:
    """Whether the forms could be drawn if a limit were lifted."""
    lifted = {
        Limit.EXPOSURE: replace(task, max_exposure=None),
        Limit.ENEMIES: replace(task, has_enemies=False),
        Limit.OVERLAP: replace(task, shared=None),
    }[limit]
    return lifted != task and not _lacks(lifted, _least_lacking(lifted).forms)
