"""Marginal maximum likelihood for logistic response models.

EM as Bock and Aitkin (Psychometrika 1981) have it, over 61 Gauss–Hermite nodes, until it comes near; then Newton's
method with the observed information of Louis (JRSS B 1982), which also gives the standard errors.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import Floats

NODES = 61
STEEPEST = 8.0
"""A discrimination beyond it is no estimate any more but a likelihood without a maximum."""
_FARTHEST = 40.0
_MAX_ITERATIONS = 2_000
_NEAR = 1e-2
"""Gain in log-likelihood from which Newton's method is tried."""
_SETTLED = 1e-9
_CHUNK = 256
"""Candidates at a time in the observed information: bounds its memory."""


class Tied(StrEnum):
    """Which discriminations are estimated; the values are those of the models."""

    FIXED = "rasch"
    COMMON = "one_pl"
    FREE = "two_pl"


@dataclass(frozen=True)
class Estimate:
    """Parameters of items, and how sure they are."""

    a: Floats
    d: Floats
    covariance: tuple[Floats | None, ...]
    """Of (a, d) of each item; None where there is none."""
    at_bound: npt.NDArray[np.bool_]
    log_likelihood: float
    parameters: int
    iterations: int
    has_settled: bool


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Abilities and the logarithms of their weights in a standard normal population."""
    at, weights = np.polynomial.hermite.hermgauss(NODES)
    return np.sqrt(2.0) * at, np.log(weights) - 0.5 * np.log(np.pi)


def chance(a: Floats, d: Floats, theta: Floats) -> Floats:
    """Probability of a right answer, items × abilities."""
    z = np.outer(a, theta) + d[:, None]
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))


def _posterior(
    right: Floats, a: Floats, d: Floats, theta: Floats, log_weights: Floats
) -> tuple[Floats, Floats]:
    """Weights of the abilities for each pattern, and the logarithm of its probability."""
    z = np.outer(a, theta) + d[:, None]
    joint = right @ z - np.logaddexp(0.0, z).sum(axis=0) + log_weights
    top = joint.max(axis=1, keepdims=True)
    weights = np.exp(joint - top)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, (top + np.log(sums))[:, 0]


def expected_abilities(right: Floats, a: Floats, d: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and standard deviation of each candidate's ability.

    By the trapezoid rule on 241 abilities from −6 to 6: with many items a posterior is narrower than the distance of
    Gauss–Hermite nodes.
    """
    theta = np.linspace(-6.0, 6.0, 241)
    weights, _log = _posterior(right, a, d, theta, -0.5 * theta**2)
    mean = weights @ theta
    return mean, np.sqrt(np.maximum(weights @ theta**2 - mean**2, 0.0))


# ---------------------------------------------------------------- estimation


@dataclass(frozen=True)
class _Data:
    right: Floats
    """Patterns × items."""
    counts: Floats
    """Candidates with each pattern."""
    tied: Tied


@dataclass(frozen=True)
class _State:
    """Where the parameters stand."""

    a: Floats
    d: Floats
    weights: Floats
    log_likelihood: float


def estimate(right: Floats, tied: Tied) -> Estimate:
    """Fit the model to candidates × items of 0 and 1; each item has both."""
    patterns, counts = np.unique(right, axis=0, return_counts=True)
    data = _Data(patterns, counts.astype(np.float64), tied)
    share = right.mean(axis=0)
    k = right.shape[1]
    state = _at(data, np.ones(k), 1.2 * np.log(share / (1.0 - share)))
    iterations, gain = 0, np.inf
    while iterations < _MAX_ITERATIONS and gain > _SETTLED:
        iterations += 1
        after = _newton(data, state) if gain < _NEAR else None
        if after is None:
            after = _em(data, state)
        gain, state = abs(after.log_likelihood - state.log_likelihood), after
    return _finished(data, state, iterations, has_settled=bool(gain <= _SETTLED))


def _at(data: _Data, a: Floats, d: Floats) -> _State:
    theta, log_weights = _nodes()
    weights, logs = _posterior(data.right, a, d, theta, log_weights)
    return _State(a, d, weights, float(logs @ data.counts))


def _expected(data: _Data, state: _State) -> tuple[Floats, Floats]:
    """Candidates at each node, and of them those who are right, by item."""
    weighted = state.weights * data.counts[:, None]
    return weighted.sum(axis=0), data.right.T @ weighted


def _em(data: _Data, state: _State) -> _State:
    """One step of EM; the maximum over the items by a few steps of Newton's method, item by item."""
    theta, _log = _nodes()
    people, right = _expected(data, state)
    a, d = state.a, state.d
    for _step in range(3):
        p = chance(a, d, theta)
        off, spread = right - people * p, people * p * (1.0 - p)
        to_a, to_d = off @ theta, off.sum(axis=1)
        aa, ad, dd = spread @ theta**2, spread @ theta, spread.sum(axis=1)
        if data.tied is Tied.FREE:
            scale = np.maximum(aa * dd - ad * ad, 1e-12)
            step_a, step_d = (dd * to_a - ad * to_d) / scale, (aa * to_d - ad * to_a) / scale
        else:
            step_a, step_d = np.zeros_like(a), to_d / np.maximum(dd, 1e-12)
            if data.tied is Tied.COMMON:
                step_a += to_a.sum() / max(float(aa.sum()), 1e-12)
        stopped = np.abs(a + step_a) >= STEEPEST
        step_d = np.where(stopped, to_d / np.maximum(dd, 1e-12), step_d)
        a = np.clip(a + np.clip(step_a, -1.0, 1.0), -STEEPEST, STEEPEST)
        d = np.clip(d + np.clip(step_d, -1.0, 1.0), -_FARTHEST, _FARTHEST)
    return _at(data, a, d)


def _at_bound(state: _State) -> npt.NDArray[np.bool_]:
    return np.asarray((np.abs(state.a) >= STEEPEST) | (np.abs(state.d) >= _FARTHEST))


def _directions(data: _Data, state: _State) -> Floats:
    """How (a₁ … aₖ, d₁ … dₖ) move with the free parameters: one column each. Items at a bound do not move."""
    free = np.flatnonzero(~_at_bound(state))
    k, m = len(state.a), len(free)
    intercepts = np.zeros((2 * k, m))
    intercepts[k + free, np.arange(m)] = 1.0
    if data.tied is Tied.FIXED:
        return intercepts
    slopes = np.zeros((2 * k, m))
    slopes[free, np.arange(m)] = 1.0
    if data.tied is Tied.COMMON:
        slopes = slopes.sum(axis=1, keepdims=True)
    return np.hstack([slopes, intercepts])


def _gradient(data: _Data, state: _State) -> Floats:
    theta, _log = _nodes()
    people, right = _expected(data, state)
    off = right - people * chance(state.a, state.d, theta)
    return np.concatenate([off @ theta, off.sum(axis=1)])


def _information(data: _Data, state: _State) -> Floats:
    """Observed information of (a₁ … aₖ, d₁ … dₖ): that of the complete data less what is missing (Louis 1982)."""
    theta, _log = _nodes()
    k = len(state.a)
    people, _right = _expected(data, state)
    p = chance(state.a, state.d, theta)
    spread = people * p * (1.0 - p)
    found = np.zeros((2 * k, 2 * k))
    own = np.arange(k)
    found[own, own] = spread @ theta**2
    found[own, k + own] = found[k + own, own] = spread @ theta
    found[k + own, k + own] = spread.sum(axis=1)
    blocks = np.zeros((3, k, k))
    for start in range(0, len(data.right), _CHUNK):
        part = slice(start, start + _CHUNK)
        x, w = data.right[part], state.weights[part]
        counts = data.counts[part]
        for node, at in enumerate(theta):
            mass = w[:, node] * counts
            heavy = mass > 1e-14
            if not np.any(heavy):
                continue
            off = (x[heavy] - p[:, node]) * np.sqrt(mass[heavy])[:, None]
            shared = off.T @ off
            blocks += np.array([at * at, at, 1.0])[:, None, None] * shared
        mean = x * w.sum(axis=1)[:, None] - w @ p.T
        tilted = x * (w @ theta)[:, None] - w @ (p * theta).T
        scores = np.hstack([tilted, mean]) * np.sqrt(counts)[:, None]
        found += scores.T @ scores
    found[:k, :k] -= blocks[0]
    found[:k, k:] -= blocks[1]
    found[k:, :k] -= blocks[1]
    found[k:, k:] -= blocks[2]
    return found


def _newton(data: _Data, state: _State) -> _State | None:
    """One step of Newton's method, shortened until it gains; None where the likelihood is not yet curved downwards."""
    turn = _directions(data, state)
    inner = turn.T @ _information(data, state) @ turn
    try:
        np.linalg.cholesky(inner)
    except np.linalg.LinAlgError:
        return None
    step = turn @ np.linalg.solve(inner, turn.T @ _gradient(data, state))
    k = len(state.a)
    for _half in range(6):
        after = _at(
            data,
            np.clip(state.a + step[:k], -STEEPEST, STEEPEST),
            np.clip(state.d + step[k:], -_FARTHEST, _FARTHEST),
        )
        if after.log_likelihood >= state.log_likelihood - _SETTLED:
            return after
        step = step / 2.0
    return None


def _finished(data: _Data, state: _State, iterations: int, *, has_settled: bool) -> Estimate:
    turn, k = _directions(data, state), len(state.a)
    inner = turn.T @ _information(data, state) @ turn
    bound = _at_bound(state)
    covariance: list[Floats | None] = [None] * k
    try:
        np.linalg.cholesky(inner)
        whole = turn @ np.linalg.inv(inner) @ turn.T
    except np.linalg.LinAlgError:
        pass
    else:
        for place in np.flatnonzero(~bound):
            own = [place, k + place]
            covariance[place] = whole[np.ix_(own, own)]
    return Estimate(
        a=state.a,
        d=state.d,
        covariance=tuple(covariance),
        at_bound=bound,
        log_likelihood=state.log_likelihood,
        parameters=turn.shape[1],
        iterations=iterations,
        has_settled=has_settled,
    )
