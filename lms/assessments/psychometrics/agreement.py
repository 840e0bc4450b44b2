"""Whether raters agree: kappa and intraclass correlations.

Cohen (1960, 1968); Shrout and Fleiss (Psychological Bulletin 1979).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from lms.assessments.psychometrics.arrays import TINY, Floats, few, is_constant, table
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


class Weights(StrEnum):
    """How much a disagreement counts."""

    NONE = "none"
    """Any as much as any other."""
    LINEAR = "linear"
    QUADRATIC = "quadratic"


_KAPPAS = {
    Weights.NONE: Definition.KAPPA,
    Weights.LINEAR: Definition.KAPPA_LINEAR,
    Weights.QUADRATIC: Definition.KAPPA_QUADRATIC,
}


@dataclass(frozen=True)
class Kappa:
    """Agreement of two raters beyond chance."""

    n: int
    weights: Weights
    kappa: float | None
    observed: float | None
    """Share of agreement, weighted."""
    by_chance: float | None
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations of targets × raters."""

    n: int
    """Targets that every rater rated."""
    left_out: int
    """Targets with a missing rating."""
    k: int
    """Raters."""
    icc_1_1: float | None
    """Each target has raters of its own; one rater."""
    icc_2_1: float | None
    """The same raters for all, a sample of many; absolute agreement of one rater."""
    icc_3_1: float | None
    """The same raters for all, and only these; consistency of one rater."""
    icc_1_k: float | None
    """As 1, for the mean of all k raters."""
    icc_2_k: float | None
    icc_3_k: float | None
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.SHROUT_FLEISS,), init=False)


def cross_table(
    first: Sequence[Hashable], second: Sequence[Hashable], categories: Sequence[Hashable]
) -> tuple[tuple[int, ...], ...]:
    """Counts of what two raters said of the same targets, in the order of the categories."""
    place = {name: at for at, name in enumerate(categories)}
    counts = [[0] * len(categories) for _row in categories]
    for one, other in zip(first, second, strict=True):
        counts[place[one]][place[other]] += 1
    return tuple(map(tuple, counts))


def kappa(counts: Any, weights: Weights = Weights.NONE) -> Kappa:
    """Cohen's kappa of a square table of counts; with weights, the categories are in their natural order."""
    cells = table(counts)
    size, n = len(cells), float(cells.sum())
    value: Value = Reason.NOBODY
    observed: Value = Reason.NOBODY
    by_chance: Value = Reason.NOBODY
    if n > 0:
        apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
        power = {Weights.NONE: np.sign(apart), Weights.LINEAR: apart, Weights.QUADRATIC: apart**2}
        lost = power[weights] / max(float(power[weights].max()), 1.0)
        expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / n**2
        observed = 1.0 - float((lost * cells).sum()) / n
        by_chance = 1.0 - float((lost * expected).sum())
        possible = float((lost * expected).sum())
        value = Reason.AGREEMENT_BY_CHANCE if possible <= TINY else 1.0 - (1.0 - observed) / possible
    numbers, why = told(kappa=value, observed=observed, by_chance=by_chance)
    return Kappa(n=int(n), weights=weights, why=why, definitions=(_KAPPAS[weights],), **numbers)


def icc(ratings: Any) -> Icc:
    """The six intraclass correlations of targets × raters. Targets with a missing rating are left out."""
    raw = table(ratings)
    whole = raw[~np.isnan(raw).any(axis=1)] if raw.size else raw
    n, k = whole.shape
    reason = (
        few(n)
        if n < 2
        else Reason.ONE_JUDGE
        if k < 2
        else Reason.CONSTANT_RATINGS
        if is_constant(whole)
        else None
    )
    found: dict[str, Value] = dict.fromkeys(_NAMES, reason) if reason else _correlations(whole)
    numbers, why = told(**found)
    return Icc(n=n, left_out=len(raw) - n, k=k, why=why, **numbers)


_NAMES = ("icc_1_1", "icc_2_1", "icc_3_1", "icc_1_k", "icc_2_k", "icc_3_k")


def _correlations(whole: Floats) -> dict[str, Value]:
    """From the mean squares between targets, within targets, between raters, and of the residual."""
    n, k = whole.shape
    grand, targets, raters = whole.mean(), whole.mean(axis=1), whole.mean(axis=0)
    between = k * float(((targets - grand) ** 2).sum()) / (n - 1)
    within = float(((whole - targets[:, None]) ** 2).sum()) / (n * (k - 1))
    judges = n * float(((raters - grand) ** 2).sum()) / (k - 1)
    residual = whole - targets[:, None] - raters + grand
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    return {
        "icc_1_1": _share(between - within, between + (k - 1) * within),
        "icc_2_1": _share(between - error, between + (k - 1) * error + k * (judges - error) / n),
        "icc_3_1": _share(between - error, between + (k - 1) * error),
        "icc_1_k": _share(between - within, between),
        "icc_2_k": _share(between - error, between + (judges - error) / n),
        "icc_3_k": _share(between - error, between),
    }


def _share(part: float, whole: float) -> Value:
    return part / whole if abs(whole) > TINY * max(1.0, abs(part)) else Reason.CONSTANT_RATINGS
