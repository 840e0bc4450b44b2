"""Cut scores, and how sure they are.

Judges: modified Angoff (1971), Ebel (1972). Results: Hofstee (1983), borderline regression (Wood et al. 2006; Kramer et
al. 2003), Cohen-Schotanus and van der Vleuten (2010). How likely a decision is wrong: ``decisions``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lms.assessments.psychometrics.arrays import Floats, is_constant, related, table, vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told

# ---------------------------------------------------------------- judges


@dataclass(frozen=True)
class Judge:
    """What one judge said."""

    cut: float
    """In marks, after the last round."""
    change: float | None
    """Of the cut, from the first round to the second."""
    consistency: float | None
    """Correlation of the ratings with the facility of the items."""
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Angoff:
    """A cut by modified Angoff."""

    n: int
    """Judges."""
    k: int
    """Items."""
    rounds: int
    cut: float | None
    """In marks."""
    sd: float | None
    """Of the judges' cuts."""
    se: float | None
    first_cut: float | None
    """After the first round, where there was a second."""
    change: float | None
    first_sd: float | None
    judges: tuple[Judge, ...]
    item_means: tuple[float, ...]
    """What a borderline candidate is expected to earn of each item, as a share; after the last round."""
    item_sds: tuple[float | None, ...]
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.ANGOFF,), init=False)


def angoff(
    first: Any,
    second: Any = None,
    *,
    maxima: Sequence[Any] | None = None,
    facility: Sequence[Any] | None = None,
) -> Angoff:
    """Cut from judges × items shares (0 to 1) that a borderline candidate earns.

    ``second``: the ratings after discussion, by the same judges in the same order. ``maxima``: marks of each item, 1
    unless given. ``facility``: how the items turned out, where it is known.
    """
    rounds = [table(first)] if second is None else [table(first), table(second)]
    last = rounds[-1]
    n, k = last.shape
    reason = (
        Reason.NO_JUDGES
        if n == 0
        else Reason.NO_ITEMS
        if k == 0
        else Reason.RATINGS_INCOMPLETE
        if any(np.isnan(one).any() for one in rounds) or rounds[0].shape != last.shape
        else None
    )
    if reason:
        names = ("cut", "sd", "se", "first_cut", "change", "first_sd")
        return Angoff(
            n=n, k=k, rounds=len(rounds), judges=(), item_means=(), item_sds=(),
            why=dict.fromkeys(names, reason), **dict.fromkeys(names),
        )  # fmt: skip
    best = np.ones(k) if maxima is None else vector(maxima)
    cuts = [one @ best for one in rounds]
    sds: list[Value] = [Reason.ONE_JUDGE if n < 2 else float(one.std(ddof=1)) for one in cuts]
    sd, once = sds[-1], Reason.FIRST_ROUND_ONLY
    numbers, why = told(
        cut=float(cuts[-1].mean()),
        sd=sd,
        se=sd if isinstance(sd, Reason) else sd / n**0.5,
        first_cut=once if second is None else float(cuts[0].mean()),
        change=once if second is None else float(cuts[-1].mean() - cuts[0].mean()),
        first_sd=once if second is None else sds[0],
    )
    return Angoff(
        n=n,
        k=k,
        rounds=len(rounds),
        judges=tuple(_judge(place, rounds, cuts, facility) for place in range(n)),
        item_means=tuple(last.mean(axis=0).tolist()),
        item_sds=tuple(last.std(axis=0, ddof=1).tolist()) if n > 1 else (None,) * k,
        why=why,
        **numbers,
    )


def _judge(place: int, rounds: list[Floats], cuts: list[Floats], facility: Sequence[Any] | None) -> Judge:
    consistency: Value = Reason.NO_FACILITY
    if facility is not None:
        ratings, known = rounds[-1][place], vector(facility)
        usable = ~np.isnan(known)
        consistency = related(ratings[usable], known[usable], Reason.CONSTANT_RATINGS, Reason.CONSTANT_TOTAL)
        if usable.sum() < 2:
            consistency = Reason.NO_FACILITY
    change = float(cuts[-1][place] - cuts[0][place]) if len(cuts) > 1 else Reason.FIRST_ROUND_ONLY
    numbers, why = told(change=change, consistency=consistency)
    return Judge(cut=float(cuts[-1][place]), why=why, **numbers)


@dataclass(frozen=True)
class Ebel:
    """A cut by Ebel."""

    n: int
    """Judges."""
    cut: float | None
    """In marks."""
    sd: float | None
    se: float | None
    judges: tuple[float, ...]
    """Each judge's cut."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.EBEL,), init=False)


def ebel(cells: Any, expected: Any) -> Ebel:
    """Cut from a grid of difficulty × relevance, usually 3 × 3.

    ``cells``: marks of the items in each cell; ``expected``: the share of them that a borderline candidate earns (0 to
    1), one grid, or one for each judge. Where judges sort the items differently, ``cells`` has a grid for each too.
    """
    weights, shares = np.asarray(cells, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    grids = shares.reshape(-1, *shares.shape[-2:]) if shares.size else np.zeros((0, 1, 1))
    weights = weights if weights.ndim == 3 else weights[None]
    empty = Reason.NO_JUDGES if len(grids) == 0 else None
    counted = np.where(weights > 0, grids, 0.0) if not empty else grids
    if empty or np.isnan(counted).any():
        reason = empty or Reason.RATINGS_INCOMPLETE
        return Ebel(len(grids), None, None, None, (), dict.fromkeys(("cut", "sd", "se"), reason))
    cuts = (weights * counted).sum(axis=(1, 2))
    n = len(cuts)
    sd: Value = Reason.ONE_JUDGE if n < 2 else float(cuts.std(ddof=1))
    numbers, why = told(cut=float(cuts.mean()), sd=sd, se=sd if isinstance(sd, Reason) else sd / n**0.5)
    return Ebel(n=n, judges=tuple(cuts.tolist()), why=why, **numbers)


# ---------------------------------------------------------------- relative and fixed


@dataclass(frozen=True)
class Cut:
    """A cut that follows from one formula."""

    n: int
    cut: float | None
    """In marks."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]


def cohen(totals: Any, *, share: float = 0.6, guess: float = 0.0) -> Cut:
    """``share`` of the 95th percentile, above the score that guessing gives (``guess``, in marks)."""
    values = vector(totals)
    if not len(values):
        return Cut(0, None, {"cut": Reason.NOBODY}, (Definition.COHEN,))
    top = float(np.percentile(values, 95.0))
    return Cut(len(values), guess + share * (top - guess), {}, (Definition.COHEN,))


def fixed(maximum: Any, *, share: Any) -> Cut:
    """``share`` (0 to 1) of the marks that can be earned; n is 0, for nobody's result plays a part."""
    return Cut(0, float(maximum) * float(share), {}, (Definition.FIXED,))


@dataclass(frozen=True)
class Hofstee:
    """A cut by Hofstee's compromise."""

    n: int
    cut: float | None
    """In marks."""
    fail_rate: float | None
    """Share of totals below the cut, by the interpolated curve."""
    at_lowest: float | None
    """The same at the lowest cut that the judges accept; above the highest fail rate, the curve passes over the line."""
    at_highest: float | None
    """At the highest cut; below the lowest fail rate, the curve passes under the line."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.HOFSTEE,), init=False)


def hofstee(totals: Any, *, kmin: float, kmax: float, fmin: float, fmax: float) -> Hofstee:
    """Cut between ``kmin`` and ``kmax`` (marks) at a fail rate between ``fmin`` and ``fmax`` (shares).

    The curve is F(c) = P(X < c), known at the totals that occur and linear between them; above the highest, everybody
    fails. "No intersection" is a result, with the curve's values at both ends of the line. Raises ValueError where the
    line would not run from left to right and not upwards.
    """
    if not (kmin < kmax and 0 <= fmin <= fmax <= 1):
        raise ValueError("the cuts or the fail rates are not in order")
    values = np.sort(vector(totals))
    if not len(values):
        names = ("cut", "fail_rate", "at_lowest", "at_highest")
        return Hofstee(0, None, None, None, None, dict.fromkeys(names, Reason.NOBODY))
    knots = np.unique(values)
    rates = np.searchsorted(values, knots, side="left") / len(values)
    inside = knots[(knots > kmin) & (knots < kmax)]
    at = np.concatenate([[kmin], inside, [kmax]])
    curve = np.interp(at, knots, rates, right=1.0)
    over = curve - (fmax + (fmin - fmax) * (at - kmin) / (kmax - kmin))
    numbers, why = told(
        **_meeting(at, curve, over, float(values[-1])),
        at_lowest=float(curve[0]),
        at_highest=float(curve[-1]),
    )
    return Hofstee(n=len(values), why=why, **numbers)


def _meeting(at: Floats, curve: Floats, over: Floats, highest: float) -> dict[str, Value]:
    """Where the rising curve meets the line; it may also leap over it above the highest total."""
    after = int(np.argmax(over >= 0.0))
    if over[after] < 0.0 or over[0] > 0.0:
        return dict.fromkeys(("cut", "fail_rate"), Reason.NO_INTERSECTION)
    if over[after] == 0.0 or after == 0:
        return {"cut": float(at[after]), "fail_rate": float(curve[after])}
    if at[after] > highest:
        return dict.fromkeys(("cut", "fail_rate"), Reason.NO_INTERSECTION)
    part = -over[after - 1] / (over[after] - over[after - 1])
    return {
        "cut": float(at[after - 1] + part * (at[after] - at[after - 1])),
        "fail_rate": float(curve[after - 1] + part * (curve[after] - curve[after - 1])),
    }


# ---------------------------------------------------------------- borderline regression


@dataclass(frozen=True)
class Group:
    """The candidates with one global rating."""

    rating: float
    n: int
    mean: float
    """Of their scores."""


@dataclass(frozen=True)
class BorderlineRegression:
    """A station's cut by borderline regression."""

    n: int
    borderline: float
    """The global rating that is the border."""
    cut: float | None
    """In marks of the station."""
    cut_se: float | None
    slope: float | None
    intercept: float | None
    r_squared: float | None
    rmse: float | None
    """√(sum of squared residuals / n)."""
    residual_se: float | None
    """√(sum of squared residuals / (n − 2)); the standard error of the cut rests on it."""
    groups: tuple[Group, ...]
    """Scores by rating: categories that do not lie equally far apart show here (BMC Medical Education 2022)."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.BORDERLINE_REGRESSION,), init=False)


def borderline_regression(ratings: Any, scores: Any, *, borderline: float) -> BorderlineRegression:
    """Least squares of score on global rating, read at the borderline rating. Raises ValueError on lists of two lengths."""
    x, y = vector(ratings), vector(scores)
    if len(x) != len(y):
        raise ValueError("as many ratings as scores are needed")
    n = len(x)
    groups = tuple(
        Group(float(rating), int((x == rating).sum()), float(y[x == rating].mean()))
        for rating in np.unique(x)
    )
    reason = (
        Reason.NOBODY
        if n == 0
        else Reason.ONE_CANDIDATE
        if n == 1
        else Reason.CONSTANT_RATINGS
        if is_constant(x)
        else None
    )
    names = ("cut", "cut_se", "slope", "intercept", "r_squared", "rmse", "residual_se")
    found: dict[str, Value] = dict.fromkeys(names, reason) if reason else _line(x, y, borderline)
    numbers, why = told(**found)
    return BorderlineRegression(n=n, borderline=borderline, groups=groups, why=why, **numbers)


def _line(x: Floats, y: Floats, at: float) -> dict[str, Value]:
    n, off = len(x), x - x.mean()
    sxx = float(off @ off)
    slope = float(off @ (y - y.mean())) / sxx
    intercept = float(y.mean()) - slope * float(x.mean())
    left, all_of = float(((y - intercept - slope * x) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    residual: Value = (left / (n - 2)) ** 0.5 if n > 2 else Reason.FEWER_THAN_3
    distance = 1.0 / n + (at - float(x.mean())) ** 2 / sxx
    return {
        "cut": intercept + slope * at,
        "cut_se": residual if isinstance(residual, Reason) else residual * distance**0.5,
        "slope": slope,
        "intercept": intercept,
        "r_squared": Reason.CONSTANT_TOTAL if is_constant(y) else 1.0 - left / all_of,
        "rmse": (left / n) ** 0.5,
        "residual_se": residual,
    }
