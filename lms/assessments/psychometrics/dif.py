"""Differential item functioning: whether equally able people of two groups meet an item on equal terms.

Mantel and Haenszel (1959) as Holland and Thayer (1988) use them, with the variance of Robins, Breslow and Greenland
(1986); classes of the Educational Testing Service as Zieky (1993) describes them.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import TINY, Floats, Rows, marks, vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told

SMALLEST_GROUP = 100
"""With fewer in a group, no class is given."""
LEVEL = 0.05
_ROUNDS = 20


@dataclass(frozen=True)
class Association:
    """A common odds ratio over strata of 2 × 2 tables, and its test."""

    n: int
    """People in strata that say something: both groups, and both right and wrong."""
    strata: int
    odds_ratio: float | None
    """Odds of a right answer in the reference group over those in the focal group."""
    log_odds_se: float | None
    chi_square: float | None
    """With continuity correction, 1 degree of freedom."""
    p: float | None
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class ItemDif:
    """How one item treats the two groups."""

    index: int
    """Its place in the rows, from 0."""
    association: Association
    delta: float | None
    """−2.35 ln(odds ratio): below 0 where the item is harder for the focal group."""
    delta_se: float | None
    ets: str | None
    """A (negligible), B (moderate) or C (large)."""
    size: str | None
    """The same by |delta| alone: below 1, to 1.5, above."""
    favours: str | None
    """``reference`` or ``focal`` where the class is not A."""
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Dif:
    """How the items of a test treat two groups."""

    n_reference: int
    n_focal: int
    items: tuple[ItemDif, ...]
    left_out: tuple[int, ...]
    """Items that purification left out of the total, by their place."""
    definitions: tuple[Definition, ...]

    @property
    def n(self) -> int:
        """People compared."""
        return self.n_reference + self.n_focal


def association(tables: Any) -> Association:
    """Mantel–Haenszel over strata × 2 groups × (right, wrong) counts; the reference group comes first."""
    cells = np.asarray(tables, dtype=np.float64).reshape(-1, 2, 2)
    size = cells.sum(axis=(1, 2))
    group, outcome = cells.sum(axis=2), cells.sum(axis=1)
    speaks = (size > 1) & np.all(group > 0, axis=1) & np.all(outcome > 0, axis=1)
    cells, size, group, outcome = cells[speaks], size[speaks], group[speaks], outcome[speaks]
    odds: Value = Reason.NO_COMPARISON
    se: Value = Reason.NO_COMPARISON
    chi: Value = Reason.NO_COMPARISON
    p: Value = Reason.NO_COMPARISON
    if len(cells):
        odds, se = _odds(cells, size)
        expected = group[:, 0] * outcome[:, 0] / size
        variance = group.prod(axis=1) * outcome.prod(axis=1) / (size**2 * (size - 1.0))
        off = abs(float((cells[:, 0, 0] - expected).sum()))
        chi = (off - 0.5) ** 2 / float(variance.sum())
        p = _tail(chi)
    numbers, why = told(odds_ratio=odds, log_odds_se=se, chi_square=chi, p=p)
    return Association(n=int(size.sum()), strata=len(cells), why=why, **numbers)


def dif(
    rows: Rows,
    groups: Sequence[Hashable],
    *,
    reference: Hashable,
    focal: Hashable,
    maxima: Sequence[Any] | None = None,
    purify: bool = False,
) -> Dif:
    """Compare two groups item by item, within equal totals. Candidates of other groups are left out.

    ``purify``: items that differ significantly leave the total (an item always counts in the total by which it is itself
    judged) until nothing changes (Candell and Drasgow 1988).
    """
    keep = [place for place, group in enumerate(groups) if group in (reference, focal)]
    scores = marks(rows)
    scores = scores[keep] if len(scores) else scores
    is_focal = np.array([groups[place] == focal for place in keep], dtype=bool)
    k = scores.shape[1]
    best = np.ones(k) if maxima is None else vector(maxima)
    out: frozenset[int] = frozenset()
    found = _judged(scores, best, is_focal, out)
    for _round in range(_ROUNDS if purify else 0):
        flagged = frozenset(
            item.index for item in found if item.association.p is not None and item.association.p < LEVEL
        )
        if flagged == out or len(flagged) == k:
            break
        out = flagged
        found = _judged(scores, best, is_focal, out)
    names = (Definition.MANTEL_HAENSZEL, Definition.ETS, Definition.TOTAL_STRATA)
    return Dif(
        n_reference=int((~is_focal).sum()),
        n_focal=int(is_focal.sum()),
        items=found,
        left_out=tuple(sorted(out)),
        definitions=(*names, Definition.PURIFIED) if purify else names,
    )


# ---------------------------------------------------------------- one item


def _judged(
    scores: Floats, best: Floats, is_focal: npt.NDArray[np.bool_], out: frozenset[int]
) -> tuple[ItemDif, ...]:
    inside = [place for place in range(scores.shape[1]) if place not in out]
    base = scores[:, inside].sum(axis=1)
    smallest = min(int(is_focal.sum()), int((~is_focal).sum()))
    return tuple(
        _item(
            place,
            scores[:, place],
            float(best[place]),
            base + scores[:, place] if place in out else base,
            is_focal,
            smallest,
        )
        for place in range(scores.shape[1])
    )


def _item(
    place: int, own: Floats, best: float, total: Floats, is_focal: npt.NDArray[np.bool_], smallest: int
) -> ItemDif:
    if best <= 0 or not np.all((own == 0.0) | (own == best)):
        reason = Reason.NOT_DICHOTOMOUS if best > 0 else Reason.NO_MARKS
        return _unjudged(place, association([]), reason)
    found = association(_tables(own > 0, total, is_focal))
    if found.odds_ratio is None:
        return _unjudged(place, found, found.why["odds_ratio"])
    if found.odds_ratio == 0.0 or found.log_odds_se is None:
        return _unjudged(place, found, Reason.NO_INFORMATION)
    delta, se = -2.35 * float(np.log(found.odds_ratio)), 2.35 * found.log_odds_se
    ets = None if smallest < SMALLEST_GROUP else _class(delta, se, found.p)
    why: dict[str, Reason] = {}
    if ets is None:
        why["ets"] = Reason.FEW_IN_A_GROUP
    size = "A" if abs(delta) < 1.0 else "B" if abs(delta) < 1.5 else "C"
    favours = None if ets in (None, "A") else "reference" if delta < 0 else "focal"
    return ItemDif(place, found, delta, se, ets, size, favours, why)


def _unjudged(place: int, found: Association, reason: Reason) -> ItemDif:
    return ItemDif(
        place, found, None, None, None, None, None,
        dict.fromkeys(("delta", "delta_se", "ets", "size"), reason),
    )  # fmt: skip


def _tables(
    right: npt.NDArray[np.bool_], total: Floats, is_focal: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Strata × (reference, focal) × (right, wrong)."""
    _levels, stratum = np.unique(np.round(total / TINY), return_inverse=True)
    strata = int(stratum.max(initial=-1)) + 1
    code = stratum * 4 + is_focal * 2 + ~right
    return np.bincount(code, minlength=4 * strata).reshape(strata, 2, 2).astype(np.float64)


def _class(delta: float, se: float, p: float | None) -> str:
    if abs(delta) < 1.0 or p is None or p >= LEVEL:
        return "A"
    return "C" if abs(delta) >= 1.5 and (abs(delta) - 1.0) / se > 1.645 else "B"


def _odds(cells: Floats, size: Floats) -> tuple[Value, Value]:
    """Common odds ratio and the standard error of its logarithm."""
    a, b, c, d = cells[:, 0, 0], cells[:, 0, 1], cells[:, 1, 0], cells[:, 1, 1]
    r, s = a * d / size, b * c / size
    up, down = float(r.sum()), float(s.sum())
    if down == 0.0:
        return Reason.NO_INFORMATION, Reason.NO_INFORMATION
    if up == 0.0:
        return 0.0, Reason.NO_INFORMATION
    one, other = (a + d) / size, (b + c) / size
    variance = (
        float((one * r).sum()) / (2 * up**2)
        + float((one * s + other * r).sum()) / (2 * up * down)
        + float((other * s).sum()) / (2 * down**2)
    )
    return up / down, variance**0.5


def _tail(chi_square: float) -> float:
    """Probability of a larger χ² with 1 degree of freedom."""
    from scipy.special import erfc

    return float(erfc((chi_square / 2.0) ** 0.5))
