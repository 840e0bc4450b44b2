"""Classical test theory: items and totals of one test.

Formulas as in Crocker and Algina, Introduction to Classical and Modern Test Theory (1986); alpha is Cronbach's (1951),
KR-20 and KR-21 are Kuder and Richardson's (1937), upper and lower groups Kelley's (1939).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import (
    TINY,
    Floats,
    Rows,
    few,
    is_constant,
    marks,
    related,
    table,
    vector,
)
from lms.assessments.psychometrics.chosen import Chosen, stratified_alpha
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


@dataclass(frozen=True)
class Item:
    """Numbers about one item."""

    index: int
    """Its place in the rows, from 0."""
    n: int
    omitted: int
    """Candidates who gave no answer; they count with 0 marks."""
    maximum: float
    mean: float | None
    variance: float | None
    facility: float | None
    discrimination: float | None
    upper: float | None
    """Facility in the upper group."""
    lower: float | None
    item_rest: float | None
    """Corrected point-biserial."""
    item_total: float | None
    """The same against the total with the item in it."""
    alpha_if_deleted: float | None
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Totals:
    """The distribution of the totals of a test."""

    n: int
    mean: float | None
    variance: float | None
    sd: float | None
    median: float | None
    lowest: float | None
    highest: float | None
    skewness: float | None
    kurtosis: float | None
    """In excess of the normal distribution's."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(
        default=(Definition.VARIANCE, Definition.K_STATISTICS), init=False
    )


@dataclass(frozen=True)
class Classical:
    """Classical statistics of one test."""

    n: int
    k: int
    """Items."""
    group_size: int
    """Candidates in the upper, and in the lower, 27 % group."""
    totals: Totals
    items: tuple[Item, ...]
    alpha: float | None
    kr20: float | None
    kr21: float | None
    sem: float | None
    """In marks."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...]


_DEFINITIONS = (
    Definition.MISSING_AS_ZERO,
    Definition.FACILITY,
    Definition.GROUPS_27,
    Definition.ITEM_REST,
    Definition.ALPHA,
    Definition.KR21,
    Definition.SEM,
    Definition.VARIANCE,
    Definition.K_STATISTICS,
)
_WHERE_CHOSEN = tuple(
    {Definition.ALPHA: Definition.STRATIFIED_ALPHA, Definition.KR21: Definition.CHOSEN_ITEM}.get(one, one)
    for one in _DEFINITIONS
)


def group_size(n: int) -> int:
    """Candidates in each of the two extreme groups: 0.27 n, half rounded up."""
    return (27 * n + 50) // 100


def extreme_groups(totals: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Who is in the lower and in the upper group.

    Sorted by total upwards, equal totals in the order of candidates; the first and the last ``group_size`` of them.
    """
    size = group_size(len(totals))
    order = np.argsort(np.round(totals / TINY), kind="stable")
    return order[:size], order[len(order) - size :]


def classical(rows: Rows, maxima: Sequence[Any] | None = None, *, chosen: Chosen | None = None) -> Classical:
    """Item and test statistics of candidates × items marks. ``maxima``: marks that each item can earn, 1 unless given.

    ``chosen``: where candidates chose some of the items; then those are judged by who had them, and alpha is stratified.
    """
    scores = marks(rows)
    n, k = scores.shape
    best = np.ones(k) if maxima is None else vector(maxima)
    total = scores.sum(axis=1)
    distribution = totals(total)
    alpha = (
        stratified_alpha(scores, chosen)
        if chosen
        else _alpha(scores.var(axis=0) if n else np.zeros(k), total)
    )
    kr20, kr21 = (Reason.CHOSEN, Reason.CHOSEN) if chosen else _kuder_richardson(scores, best, alpha)
    sem: Value = (
        alpha if isinstance(alpha, Reason) else (distribution.sd or 0.0) * max(1.0 - alpha, 0.0) ** 0.5
    )
    numbers, why = told(alpha=alpha, kr20=kr20, kr21=kr21, sem=sem)
    return Classical(
        n=n,
        k=k,
        group_size=group_size(n),
        totals=distribution,
        items=_items(scores, total, best, np.isnan(table(rows)), chosen),
        why=why,
        definitions=_DEFINITIONS if chosen is None else _WHERE_CHOSEN,
        **numbers,
    )


def totals(values: Any) -> Totals:
    """Mean, variance, skewness and kurtosis of totals, as k-statistics (Fisher 1930)."""
    total = vector(values)
    n = len(total)
    mean: Value = float(total.mean()) if n else Reason.NOBODY
    k2, skewness, kurtosis = _k_statistics(total)
    numbers, why = told(
        mean=mean,
        variance=k2,
        sd=k2 if isinstance(k2, Reason) else k2**0.5,
        median=float(np.median(total)) if n else Reason.NOBODY,
        lowest=float(total.min()) if n else Reason.NOBODY,
        highest=float(total.max()) if n else Reason.NOBODY,
        skewness=skewness,
        kurtosis=kurtosis,
    )
    return Totals(n=n, why=why, **numbers)


def _k_statistics(total: Floats) -> tuple[Value, Value, Value]:
    """k₂, k₃/k₂^1.5 and k₄/k₂²."""
    n = len(total)
    if n < 2:
        few = Reason.ONE_CANDIDATE if n else Reason.NOBODY
        return few, few, few
    if is_constant(total):
        return 0.0, Reason.CONSTANT_TOTAL, Reason.CONSTANT_TOTAL
    off = total - total.mean()
    s2, s3, s4 = (float((off**power).sum()) for power in (2, 3, 4))
    k2 = s2 / (n - 1)
    if n < 3:
        return k2, Reason.FEWER_THAN_3, Reason.FEWER_THAN_4
    skewness = n * s3 / ((n - 1) * (n - 2)) / k2**1.5
    if n < 4:
        return k2, skewness, Reason.FEWER_THAN_4
    k4 = n * ((n + 1) * s4 - 3 * (n - 1) * s2 * s2 / n) / ((n - 1) * (n - 2) * (n - 3))
    return k2, skewness, k4 / k2**2


# ---------------------------------------------------------------- items


def _items(
    scores: Floats, totals: Floats, best: Floats, empty: npt.NDArray[np.bool_], chosen: Chosen | None
) -> tuple[Item, ...]:
    k = scores.shape[1]
    groups = extreme_groups(totals)
    variances = scores.var(axis=0) if len(scores) else np.zeros(k)
    found = []
    for place in range(k):
        own, total, omitted, maximum = scores[:, place], totals, empty[:, place], float(best[place])
        lower, upper = groups
        if chosen is not None and chosen.choice[place] is not None:
            had = chosen.had[:, place]
            own, total, omitted = own[had], totals[had], omitted[had]
            lower, upper = extreme_groups(total)
        n, rest = len(own), total - own
        high, low = (_facility_of(own[group], maximum, total) for group in (upper, lower))
        numbers, why = told(
            mean=float(own.mean()) if n else Reason.NOBODY,
            variance=float(own.var() * n / (n - 1)) if n > 1 else few(n),
            facility=_facility(own, maximum),
            upper=high,
            lower=low,
            discrimination=high
            if isinstance(high, Reason)
            else low
            if isinstance(low, Reason)
            else high - low,
            item_rest=related(own, rest, Reason.CONSTANT_ITEM, Reason.CONSTANT_REST),
            item_total=related(own, total, Reason.CONSTANT_ITEM, Reason.CONSTANT_TOTAL),
            alpha_if_deleted=Reason.CHOSEN if chosen else _alpha(np.delete(variances, place), rest),
        )
        found.append(Item(index=place, n=n, omitted=int(omitted.sum()), maximum=maximum, why=why, **numbers))
    return tuple(found)


def _facility(own: Floats, maximum: float) -> Value:
    if not len(own):
        return Reason.NOBODY
    return float(own.mean() / maximum) if maximum > 0 else Reason.NO_MARKS


def _facility_of(own: Floats, maximum: float, total: Floats) -> Value:
    """Facility in an extreme group, which nobody belongs to where all totals are equal."""
    if len(total) < 2:
        return few(len(total))
    return Reason.CONSTANT_TOTAL if is_constant(total) else _facility(own, maximum)


# ---------------------------------------------------------------- reliability


def _alpha(variances: Floats, total: Floats) -> Value:
    """Alpha of items with these (population) variances and this total."""
    n, k = len(total), len(variances)
    if n < 2:
        return few(n)
    if k < 2:
        return Reason.ONE_ITEM if k else Reason.NO_ITEMS
    if is_constant(total):
        return Reason.CONSTANT_TOTAL
    return float(k / (k - 1) * (1.0 - variances.sum() / total.var()))


def _kuder_richardson(scores: Floats, best: Floats, alpha: Value) -> tuple[Value, Value]:
    """KR-20 and KR-21 of items that are right or wrong and weigh the same."""
    if isinstance(alpha, Reason):
        return alpha, alpha
    k, unit = scores.shape[1], float(best[0])
    right = scores / unit if unit > 0 else scores
    if not np.all(best == unit) or not np.all((right == 0.0) | (right == 1.0)):
        return Reason.NOT_DICHOTOMOUS, Reason.NOT_DICHOTOMOUS
    p, total = right.mean(axis=0), right.sum(axis=1)
    mean, variance = float(total.mean()), float(total.var())
    kr20 = k / (k - 1) * (1.0 - float((p * (1.0 - p)).sum()) / variance)
    return kr20, k / (k - 1) * (1.0 - mean * (k - mean) / (k * variance))
