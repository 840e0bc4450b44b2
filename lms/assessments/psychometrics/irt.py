"""Item response theory: Rasch, one- and two-parameter logistic models, and what they say about a test.

P = 1/(1 + exp(−a(θ − b))) with standard normal abilities. Estimation in ``marginal``. What was not answered counts as
wrong, as everywhere in an examination.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from lms.assessments.psychometrics import marginal
from lms.assessments.psychometrics.arrays import Floats, Rows, marks, vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


class Model(StrEnum):
    """What is estimated of each item."""

    RASCH = "rasch"
    """Its difficulty; every discrimination is 1."""
    ONE_PL = "one_pl"
    """Its difficulty, and one discrimination for all."""
    TWO_PL = "two_pl"
    """Its difficulty and its discrimination."""


LEAST: Mapping[Model, tuple[int, Reason]] = {
    Model.RASCH: (100, Reason.FEWER_THAN_100),
    Model.ONE_PL: (100, Reason.FEWER_THAN_100),
    Model.TWO_PL: (250, Reason.FEWER_THAN_250),
}
"""Candidates that a model needs before it is shown."""

_NAMES = {
    Model.RASCH: Definition.RASCH,
    Model.ONE_PL: Definition.ONE_PL,
    Model.TWO_PL: Definition.TWO_PL,
}
_LEAST_ITEMS = {Model.RASCH: 2, Model.ONE_PL: 2, Model.TWO_PL: 3}


@dataclass(frozen=True)
class ItemCurve:
    """The estimated response curve of one item."""

    index: int
    """Its place in the rows, from 0."""
    a: float | None
    b: float | None
    d: float | None
    """Intercept −ab: the logit of a candidate of mean ability."""
    se_a: float | None
    """0 where the discrimination is fixed."""
    se_b: float | None
    se_d: float | None
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Ability:
    """One candidate's ability, in standard deviations from the mean of this cohort."""

    theta: float
    se: float
    """Posterior standard deviation."""


@dataclass(frozen=True)
class Fit:
    """A fitted model."""

    n: int
    model: Model
    items: tuple[ItemCurve, ...]
    abilities: tuple[Ability, ...]
    """In the order of candidates; empty without a fit."""
    log_likelihood: float | None
    parameters: int
    """Estimated freely."""
    iterations: int
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]

    @property
    def is_fitted(self) -> bool:
        """Whether there is anything to show."""
        return self.log_likelihood is not None


def fit(rows: Rows, model: Model, maxima: Sequence[Any] | None = None) -> Fit:
    """Fit a model to candidates × items marks; without enough candidates or items, only the reason.

    Items must be right or wrong (0 or their maximum, 1 unless given); others, and those that everybody or nobody got
    right, are left out and say why.
    """
    scores = marks(rows)
    n, k = scores.shape
    best = np.ones(k) if maxima is None else vector(maxima)
    excluded = [_exclusion(scores[:, place], float(best[place])) for place in range(k)]
    used = [place for place, reason in enumerate(excluded) if reason is None]
    least, too_few = LEAST[model]
    reason = too_few if n < least else Reason.FEW_ITEMS if len(used) < _LEAST_ITEMS[model] else None
    if reason:
        items = tuple(_curve(place, excluded[place] or reason) for place in range(k))
        return Fit(n, model, items, (), None, 0, 0, {"log_likelihood": reason}, _definitions(model))
    right = (scores[:, used] > 0).astype(np.float64)
    tied = marginal.Tied(model.value)
    found = marginal.estimate(right, tied)
    places = {place: at for at, place in enumerate(used)}
    items = tuple(
        _curve(place, out) if (out := excluded[place]) else _estimated(place, found, places[place])
        for place in range(k)
    )
    theta, se = marginal.expected_abilities(right, found.a, found.d)
    abilities = tuple(Ability(*one) for one in zip(theta.tolist(), se.tolist(), strict=True))
    why: dict[str, Reason] = {} if found.has_settled else {"iterations": Reason.NOT_CONVERGED}
    return Fit(
        n=n,
        model=model,
        items=items,
        abilities=abilities,
        log_likelihood=found.log_likelihood,
        parameters=found.parameters,
        iterations=found.iterations,
        why=why,
        definitions=_definitions(model),
    )


def unfitted(n: int, k: int, model: Model, reason: Reason) -> Fit:
    """A model that says nothing of k items, and why."""
    items = tuple(_curve(place, reason) for place in range(k))
    return Fit(n, model, items, (), None, 0, 0, {"log_likelihood": reason}, _definitions(model))


def _definitions(model: Model) -> tuple[Definition, ...]:
    return (
        _NAMES[model],
        Definition.MISSING_AS_ZERO,
        Definition.MARGINAL_ML,
        Definition.OBSERVED_INFORMATION,
        Definition.EAP,
    )


def _exclusion(own: Floats, best: float) -> Reason | None:
    if best <= 0:
        return Reason.NO_MARKS
    if not np.all((own == 0.0) | (own == best)):
        return Reason.NOT_DICHOTOMOUS
    if not np.any(own):
        return Reason.NOBODY_RIGHT
    return Reason.EVERYBODY_RIGHT if np.all(own) else None


def _curve(place: int, reason: Reason) -> ItemCurve:
    names = ("a", "b", "d", "se_a", "se_b", "se_d")
    return ItemCurve(place, None, None, None, None, None, None, dict.fromkeys(names, reason))


def _estimated(place: int, found: marginal.Estimate, at: int) -> ItemCurve:
    a, d = float(found.a[at]), float(found.d[at])
    cov = found.covariance[at]
    is_flat = abs(a) < 1e-6
    b: Value = Reason.NO_INFORMATION if is_flat else -d / a
    missing = Reason.AT_BOUND if found.at_bound[at] else Reason.NO_INFORMATION
    se: dict[str, Value] = dict.fromkeys(("se_a", "se_b", "se_d"), missing)
    if cov is not None:
        slope = np.array([d / a**2, -1.0 / a]) if not is_flat else None
        se = {
            "se_a": _root(cov[0, 0]),
            "se_b": Reason.NO_INFORMATION if slope is None else _root(slope @ cov @ slope),
            "se_d": _root(cov[1, 1]),
        }
    numbers, why = told(a=a, b=b, d=d, **se)
    return ItemCurve(index=place, why=why, **numbers)


def _root(variance: float) -> float:
    return float(max(variance, 0.0) ** 0.5)


# ---------------------------------------------------------------- what a test says at an ability


def _known(items: Iterable[ItemCurve]) -> tuple[Floats, Floats]:
    pairs = [(item.a, item.d) for item in items if item.a is not None and item.d is not None]
    return vector([a for a, _d in pairs]), vector([d for _a, d in pairs])


def information(items: Iterable[ItemCurve], theta: float) -> float:
    """Fisher information at an ability: the sum of a²P(1 − P) over the items that have a curve."""
    a, d = _known(items)
    p = marginal.chance(a, d, vector(theta))[:, 0]
    return float((a * a * p * (1.0 - p)).sum())


def conditional_sem(items: Iterable[ItemCurve], theta: float) -> float | None:
    """Standard error of measurement at an ability, on the scale of abilities: 1/√information. None without any."""
    found = information(items, theta)
    return found**-0.5 if found > 0 else None


def expected_score(items: Iterable[ItemCurve], theta: float) -> float:
    """Items right that are expected at an ability (the test characteristic curve)."""
    a, d = _known(items)
    return float(marginal.chance(a, d, vector(theta)).sum())


def score_sem(items: Iterable[ItemCurve], theta: float) -> float:
    """Standard error of measurement at an ability, in items right: √ΣP(1 − P)."""
    a, d = _known(items)
    p = marginal.chance(a, d, vector(theta))
    return float((p * (1.0 - p)).sum() ** 0.5)


def ability_at(items: Sequence[ItemCurve], score: float) -> float | None:
    """The ability at which so many items right are expected; None if no ability between −8 and 8 does it."""
    from scipy.optimize import brentq

    if not (expected_score(items, -8.0) < score < expected_score(items, 8.0)):
        return None
    return float(brentq(lambda theta: expected_score(items, theta) - score, -8.0, 8.0, xtol=1e-10))
