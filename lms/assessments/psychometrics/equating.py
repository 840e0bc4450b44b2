"""Equating: which score on form Y is worth as much as a score on form X.

Kolen and Brennan, Test Equating, Scaling, and Linking (2014): chapters 2 (random groups) and 4 (anchor items).
Moments divide by n.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from lms.assessments.psychometrics.arrays import vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


class Anchor(StrEnum):
    """Whether the shared items count in the scores."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True)
class Moments:
    """A form's scores, and those on the anchor, in the group that took it."""

    n: int
    mean: float
    variance: float
    anchor_mean: float
    anchor_variance: float
    covariance: float


@dataclass(frozen=True)
class Equated:
    """A straight line from form X to form Y."""

    n_x: int
    n_y: int
    slope: float | None
    intercept: float | None
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]

    @property
    def n(self) -> int:
        """People in both groups."""
        return self.n_x + self.n_y

    def __call__(self, score: float) -> float | None:
        """The score on Y that is worth as much as ``score`` on X."""
        if self.slope is None or self.intercept is None:
            return None
        return self.intercept + self.slope * score


@dataclass(frozen=True)
class Equipercentile:
    """A table from the scores of form X to form Y."""

    n_x: int
    n_y: int
    scores: tuple[float, ...]
    equivalents: tuple[float, ...]
    ranks: tuple[float, ...]
    """Percentile rank of each score on X."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]

    @property
    def n(self) -> int:
        """People in both groups."""
        return self.n_x + self.n_y


def moments(scores: Any, anchor: Any) -> Moments:
    """Moments of one group. Raises ValueError on an empty group or lists of two lengths."""
    x, v = vector(scores), vector(anchor)
    if not len(x) or len(x) != len(v):
        raise ValueError("as many scores as anchor scores are needed, at least one")
    return Moments(
        len(x),
        float(x.mean()),
        float(x.var()),
        float(v.mean()),
        float(v.var()),
        float(((x - x.mean()) * (v - v.mean())).mean()),
    )


# ---------------------------------------------------------------- random groups


def mean_equating(x: Any, y: Any) -> Equated:
    """Random groups: scores differ by the difference of the means."""
    a, b = vector(x), vector(y)
    found: tuple[Value, Value] = (
        (1.0, float(b.mean() - a.mean())) if len(a) and len(b) else (Reason.NOBODY, Reason.NOBODY)
    )
    return _equated(len(a), len(b), found, Definition.MEAN_EQUATING)


def linear_equating(x: Any, y: Any) -> Equated:
    """Random groups: equal standard scores are equal."""
    a, b = vector(x), vector(y)
    found: tuple[Value, Value] = (Reason.NOBODY, Reason.NOBODY)
    if len(a) and len(b):
        found = _line(float(a.mean()), float(a.var()), float(b.mean()), float(b.var()))
    return _equated(len(a), len(b), found, Definition.LINEAR_EQUATING)


def equipercentile(x: Any, y: Any, *, max_x: int, max_y: int) -> Equipercentile:
    """Random groups: whole scores from 0 to the maximum of each form; equal percentile ranks are equal.

    Each score stands for the unit around it, in which candidates lie evenly. Where no candidate lies at the rank, the
    middle between the two ends of the gap counts. Raises ValueError on scores that are not whole or out of range.
    """
    a, b = _counts(x, max_x), _counts(y, max_y)
    names = (Definition.EQUIPERCENTILE,)
    n_x, n_y = int(a.sum()), int(b.sum())
    if not n_x or not n_y:
        return Equipercentile(n_x, n_y, (), (), (), {"equivalents": Reason.NOBODY}, names)
    below_x = np.concatenate([[0], np.cumsum(a)])
    twice = below_x[:-1] + below_x[1:]
    ranks = 100.0 * twice / (2.0 * n_x)
    equivalents = tuple(_at_rank(int(one) * n_y, 2 * n_x, b) for one in twice)
    return Equipercentile(
        n_x, n_y, tuple(map(float, range(max_x + 1))), equivalents, tuple(ranks.tolist()), {}, names
    )


def _counts(values: Any, maximum: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    scores = vector(values)
    whole = np.round(scores)
    if np.any(np.abs(scores - whole) > 1e-9) or np.any(whole < 0) or np.any(whole > maximum):
        raise ValueError("scores must be whole and within the form's range")
    return np.bincount(whole.astype(np.int64), minlength=maximum + 1).astype(np.int64)


def _at_rank(up: int, down: int, counts: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """The score below which ``up/down`` candidates lie, in whole numbers so that no rounding decides about a gap."""
    cumulated = np.concatenate([[0], np.cumsum(counts)])
    upper = int(np.argmax(cumulated[1:] * down > up)) if cumulated[-1] * down > up else None
    reached = np.flatnonzero(cumulated * down >= up)
    lower = int(reached[0]) - 1
    from_above = None
    if upper is not None:
        from_above = upper - 0.5 + (up / down - float(cumulated[upper])) / float(counts[upper])
    from_below = -0.5
    if lower >= 0:
        from_below = lower - 0.5 + (up / down - float(cumulated[lower])) / float(counts[lower])
    return from_below if from_above is None else (from_above + from_below) / 2.0


# ---------------------------------------------------------------- anchor items


def tucker(x: Moments, y: Moments, *, weight: float | None = None) -> Equated:
    """Anchor items: the regression of scores on the anchor is the same in both groups.

    ``weight``: of the group that took X in the population for which is equated; its share of the people unless given.
    """
    if min(x.anchor_variance, y.anchor_variance) <= 0:
        found: tuple[Value, Value] = (Reason.CONSTANT_ANCHOR, Reason.CONSTANT_ANCHOR)
    else:
        found = _synthetic(
            x, y, x.covariance / x.anchor_variance, y.covariance / y.anchor_variance, _weight(x, y, weight)
        )
    return _equated(x.n, y.n, found, Definition.TUCKER)


def levine(
    x: Moments, y: Moments, *, anchor: Anchor = Anchor.INTERNAL, weight: float | None = None
) -> Equated:
    """Anchor items, observed scores: true scores relate to the anchor's alike in both groups (congeneric forms)."""
    gammas = [_effective_length(one, anchor) for one in (x, y)]
    if None in gammas:
        found: tuple[Value, Value] = (Reason.CONSTANT_ANCHOR, Reason.CONSTANT_ANCHOR)
    else:
        found = _synthetic(x, y, gammas[0] or 0.0, gammas[1] or 0.0, _weight(x, y, weight))
    return _equated(x.n, y.n, found, Definition.LEVINE)


def _effective_length(one: Moments, anchor: Anchor) -> float | None:
    """How many anchors long a form is, by its true scores (Angoff 1953)."""
    if anchor is Anchor.INTERNAL:
        return one.variance / one.covariance if one.covariance > 0 else None
    whole = one.anchor_variance + one.covariance
    return (one.variance + one.covariance) / whole if one.covariance > 0 else None


def _weight(x: Moments, y: Moments, weight: float | None) -> float:
    return x.n / (x.n + y.n) if weight is None else weight


def _synthetic(x: Moments, y: Moments, gx: float, gy: float, wx: float) -> tuple[Value, Value]:
    """The line through the moments of both forms in the synthetic population."""
    wy = 1.0 - wx
    apart, spread = x.anchor_mean - y.anchor_mean, x.anchor_variance - y.anchor_variance
    shared = wx * wy * apart**2
    return _line(
        x.mean - wy * gx * apart,
        x.variance - wy * gx**2 * spread + shared * gx**2,
        y.mean + wx * gy * apart,
        y.variance + wx * gy**2 * spread + shared * gy**2,
    )


def _line(mean_x: float, variance_x: float, mean_y: float, variance_y: float) -> tuple[Value, Value]:
    if variance_x <= 0 or variance_y < 0:
        return Reason.CONSTANT_TOTAL, Reason.CONSTANT_TOTAL
    slope = (variance_y / variance_x) ** 0.5
    return slope, mean_y - slope * mean_x


def _equated(n_x: int, n_y: int, found: tuple[Value, Value], name: Definition) -> Equated:
    numbers, why = told(slope=found[0], intercept=found[1])
    return Equated(n_x=n_x, n_y=n_y, why=why, definitions=(name,), **numbers)
