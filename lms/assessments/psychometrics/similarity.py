"""Pairs of candidates whose wrong answers are more alike than chance explains: suggestions for a review, never verdicts.

A generalised binomial test, as van der Linden and Sotaridona (2006) use it, of the errors alone (Bellezza and Bellezza
1989). Which questions both got wrong is taken as given, for it follows from ability; that they then chose the same wrong
option has a chance that follows from how often people of like ability who were wrong chose each. The number of equal
wrong answers is a sum of independent yes-or-no events of different chances. Shared teaching, a wrong key and seats far
apart are all things that the numbers do not know.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import Floats, vector
from lms.assessments.psychometrics.terms import Definition, Reason

LEAST = 30
"""With fewer candidates, chance cannot be told from the cohort."""
FALSE_DISCOVERIES = 0.01
"""Of the pairs that are suggested, the share that is expected to be chance."""
TESTED = 500
"""Pairs, the least likely first, of which the probability is computed exactly."""
_PER_STRATUM = 60
_MAX_STRATA = 8
_SHRINKAGE = 5.0
"""How many wrong answers of the whole cohort are added to each stratum, so that none is impossible in it."""
_BLOCK = 512
"""Candidates at a time in the comparison of all with all: bounds its memory."""

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two candidates, by their places, the smaller first."""

    first: int
    second: int
    identical_wrong: int
    """Questions to which both gave the same wrong answer."""
    both_wrong: int
    """Questions that both answered wrongly, alike or not."""
    expected: float
    """Equal wrong answers that chance gives, of those that both got wrong."""
    p: float
    """Probability of at least so many by chance."""
    q: float
    """After control of the false discovery rate over all pairs."""
    items: tuple[int, ...]
    """The questions with the same wrong answer, by their places."""


@dataclass(frozen=True)
class Similarity:
    """Which pairs a person should look at."""

    n: int
    """Candidates."""
    k: int
    """Questions."""
    pairs: int
    """All pairs of candidates: what the false discovery rate is controlled over."""
    strata: int
    """Groups of like ability."""
    tested: tuple[Pair, ...]
    """The least likely pairs, the least likely first."""
    suggested: tuple[Pair, ...]
    """Those of them to review; each needs a second, independent sign before anything is said of anybody."""
    false_discoveries: float
    reason: Reason | None
    """Why nothing was compared."""
    definitions: tuple[Definition, ...] = field(
        default=(Definition.IDENTICAL_WRONG, Definition.BENJAMINI_HOCHBERG), init=False
    )


def coded(answers: Sequence[Sequence[Hashable | None]]) -> _Ints:
    """Candidates × questions answers as whole numbers, from 0 in each question; −1 for no answer."""
    found = np.full((len(answers), len(answers[0]) if len(answers) else 0), -1, dtype=np.int64)
    for place, column in enumerate(zip(*answers, strict=True)):
        codes: dict[Hashable, int] = {}
        found[:, place] = [-1 if one is None else codes.setdefault(one, len(codes)) for one in column]
    return found


def similarity(
    answers: Any,
    right: Any,
    *,
    totals: Any = None,
    false_discoveries: float = FALSE_DISCOVERIES,
    tested: int = TESTED,
) -> Similarity:
    """Compare the wrong answers of all pairs.

    ``answers``: candidates × questions as ``coded`` gives them; ``right``: whether each is right; ``totals``: what
    ability is judged by, the number of right answers unless given. No answer is no wrong answer.
    """
    codes = np.asarray(answers, dtype=np.int64)
    codes = codes if codes.ndim == 2 else codes.reshape(len(codes), 0)
    n, k = codes.shape
    is_right = np.asarray(right, dtype=bool).reshape(n, k)
    pairs = n * (n - 1) // 2
    reason = Reason.FEWER_THAN_30 if n < LEAST else Reason.NO_ITEMS if k == 0 else None
    if reason:
        return Similarity(n, k, pairs, 0, (), (), false_discoveries, reason)
    wrong = np.where(is_right, -1, codes)
    ability = is_right.sum(axis=1).astype(np.float64) if totals is None else vector(totals)
    stratum = _strata(ability)
    columns, item_of = _columns(wrong)
    hot = _one_hot(wrong, columns)
    chances = _chances(hot, item_of, stratum)
    overall = np.bincount(item_of, weights=_shares(hot, item_of) ** 2, minlength=k)
    top = _most_striking(hot, (wrong >= 0).astype(np.float32), overall.astype(np.float32), tested)
    found = _ranked(top, wrong, stratum, _by_item(chances, item_of, k), pairs)
    return Similarity(
        n=n,
        k=k,
        pairs=pairs,
        strata=len(chances),
        tested=found,
        suggested=tuple(pair for pair in found if pair.q <= false_discoveries),
        false_discoveries=false_discoveries,
        reason=None,
    )


def adjusted(p: Any, *, tests: int | None = None) -> tuple[float, ...]:
    """Probabilities after Benjamini and Hochberg, in the order given.

    ``tests``: how many were made in all, if more than the smallest are given; the others count as larger than these.
    """
    values = vector(p)
    order = np.argsort(values, kind="stable")
    raised = values[order] * (tests or len(values)) / np.arange(1, len(values) + 1)
    found = np.empty_like(values)
    found[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return tuple(found.tolist())


def at_least(chances: Floats, counts: Any) -> Floats:
    """Probability of at least ``counts`` successes in independent trials: cases × trials chances, one count each."""
    cases, trials = chances.shape
    spread = np.zeros((cases, trials + 1))
    spread[:, 0] = 1.0
    for trial in range(trials):
        p = chances[:, trial : trial + 1]
        spread[:, 1:] = spread[:, 1:] * (1.0 - p) + spread[:, :-1] * p
        spread[:, 0] *= 1.0 - p[:, 0]
    # summed from the small end, so that a tiny probability keeps its digits
    tails = np.cumsum(spread[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.clip(tails[np.arange(cases), np.asarray(counts, dtype=np.int64)], 0.0, 1.0))


# ---------------------------------------------------------------- chance


def _strata(ability: Floats) -> _Ints:
    """Groups of like ability, about equally large, equal totals together."""
    groups = int(np.clip(len(ability) // _PER_STRATUM, 1, _MAX_STRATA))
    edges = np.unique(np.quantile(ability, np.arange(1, groups) / groups))
    found = np.searchsorted(edges, ability, side="right")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def _columns(wrong: _Ints) -> tuple[_Ints, _Ints]:
    """Of each question, the column of its first wrong option; of each column, its question."""
    sizes = wrong.max(axis=0) + 1
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return starts.astype(np.int64), np.repeat(np.arange(len(sizes)), sizes)


def _one_hot(wrong: _Ints, starts: _Ints) -> npt.NDArray[np.float32]:
    """Candidates × wrong options: 1 where chosen."""
    people, items = np.nonzero(wrong >= 0)
    width = int((wrong.max(axis=0) + 1).sum())
    hot = np.zeros((len(wrong), width), dtype=np.float32)
    hot[people, starts[items] + wrong[people, items]] = 1.0
    return hot


def _shares(hot: npt.NDArray[np.float32], item_of: _Ints) -> Floats:
    """Of those who were wrong, the share that chose each wrong option."""
    counts = hot.sum(axis=0, dtype=np.float64)
    wrong = np.bincount(item_of, weights=counts, minlength=int(item_of.max(initial=-1)) + 1)
    return np.asarray(counts / wrong[item_of])


def _chances(hot: npt.NDArray[np.float32], item_of: _Ints, stratum: _Ints) -> Floats:
    """Strata × wrong options: the share that chose each, of those who were wrong; drawn a little towards all strata."""
    whole, items = _shares(hot, item_of), int(item_of.max(initial=-1)) + 1
    found = []
    for group in range(int(stratum.max()) + 1):
        counts = hot[stratum == group].sum(axis=0, dtype=np.float64)
        wrong = np.bincount(item_of, weights=counts, minlength=items)
        found.append((counts + _SHRINKAGE * whole) / (wrong + _SHRINKAGE)[item_of])
    return np.array(found)


def _by_item(chances: Floats, item_of: _Ints, k: int) -> Floats:
    """Strata × strata × questions: the chance that two who are wrong are so alike."""
    groups = len(chances)
    found = np.zeros((groups, groups, k))
    for one in range(groups):
        for other in range(groups):
            both = chances[one] * chances[other]
            found[one, other] = np.bincount(item_of, weights=both, minlength=k)
    return found


# ---------------------------------------------------------------- pairs


def _most_striking(
    hot: npt.NDArray[np.float32],
    is_wrong: npt.NDArray[np.float32],
    overall: npt.NDArray[np.float32],
    tested: int,
) -> list[tuple[int, int]]:
    """The pairs that chance explains least, by a bound on their probability.

    The tail of such a sum is at most exp(−D), D the deviance of a binomial with the same mean (Hoeffding 1956, 1963).
    Pairs within two standard deviations of chance are not looked at.
    """
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(hot), _BLOCK):
        own, rest = slice(start, start + _BLOCK), slice(start, None)
        equal = hot[own] @ hot[rest].T
        mean = (is_wrong[own] * overall) @ is_wrong[rest].T
        off = equal - mean
        rows, columns = np.nonzero(off > 2.0 * np.sqrt(mean))
        later = columns > rows
        rows, columns = rows[later], columns[later]
        both = np.einsum("ij,ij->i", is_wrong[own][rows], is_wrong[rest][columns])
        deviance = _deviance(equal[rows, columns], mean[rows, columns], both)
        best = np.argsort(-deviance, kind="stable")[:tested]
        places = zip(deviance[best].tolist(), rows[best].tolist(), columns[best].tolist(), strict=True)
        found.extend((value, row + start, column + start) for value, row, column in places)
    found.sort(key=lambda each: (-each[0], each[1], each[2]))
    return [(first, second) for _value, first, second in found[:tested]]


def _deviance(equal: Any, mean: Any, both: Any) -> Floats:
    """How far a number of successes lies above the mean, in units of the logarithm of its probability."""
    from scipy.special import xlogy

    x, m, n = vector(equal), vector(mean), vector(both)
    return np.asarray(xlogy(x, x / m) + xlogy(n - x, (n - x) / np.maximum(n - m, 1e-12)))


def _ranked(
    top: list[tuple[int, int]], wrong: _Ints, stratum: _Ints, by_item: Floats, pairs: int
) -> tuple[Pair, ...]:
    """The pairs with their probabilities, the least likely first."""
    if not top:
        return ()
    first, second = np.array(top).T
    one, other = wrong[first], wrong[second]
    both = (one >= 0) & (other >= 0)
    equal = both & (one == other)
    counts = equal.sum(axis=1)
    chances = np.where(both, by_item[stratum[first], stratum[second]], 0.0)
    p = at_least(chances, counts)
    q = adjusted(p, tests=pairs)
    found = [
        Pair(
            first=int(first[at]),
            second=int(second[at]),
            identical_wrong=int(counts[at]),
            both_wrong=int(both[at].sum()),
            expected=float(chances[at].sum()),
            p=float(p[at]),
            q=q[at],
            items=tuple(np.flatnonzero(equal[at]).tolist()),
        )
        for at in range(len(top))
    ]
    return tuple(sorted(found, key=lambda pair: (pair.p, pair.first, pair.second)))
