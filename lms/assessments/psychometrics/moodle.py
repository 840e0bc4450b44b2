"""The quiz statistics that users of Moodle know, by Moodle's own definitions.

From the public documentation "Quiz statistics calculations" (docs.moodle.org/dev): all shares in per cent, every
covariance divided by n − 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from lms.assessments.psychometrics.arrays import Floats, Rows, is_constant, marks, vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


@dataclass(frozen=True)
class MoodleItem:
    """Moodle's numbers about one question."""

    index: int
    """Its place in the rows, from 0."""
    n: int
    facility_index: float | None
    sd: float | None
    """In marks; Moodle shows it as a share of the marks that can be earned (``sd_percent``)."""
    sd_percent: float | None
    intended_weight: float | None
    effective_weight: float | None
    discrimination_index: float | None
    discriminative_efficiency: float | None
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Moodle:
    """Moodle's numbers about one quiz."""

    n: int
    items: tuple[MoodleItem, ...]
    cic: float | None
    """Coefficient of internal consistency: 100 times alpha."""
    error_ratio: float | None
    standard_error: float | None
    """In marks."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(
        default=(Definition.MISSING_AS_ZERO, Definition.MOODLE), init=False
    )


def moodle(rows: Rows, maxima: Sequence[Any] | None = None) -> Moodle:
    """Moodle's statistics of candidates × questions marks. ``maxima``: marks that each can earn, 1 unless given."""
    scores = marks(rows)
    n, k = scores.shape
    best = np.ones(k) if maxima is None else vector(maxima)
    total = scores.sum(axis=1)
    few = Reason.NOBODY if n == 0 else Reason.ONE_CANDIDATE if n == 1 else None
    with_total = [0.0 if few else _covariance(scores[:, place], total) for place in range(k)]
    roots = sum(value**0.5 for value in with_total if value > 0)
    cic, ratio, error = (few, few, few) if few else _consistency(scores, total)
    numbers, why = told(cic=cic, error_ratio=ratio, standard_error=error)
    items = tuple(
        _item(
            place,
            scores[:, place],
            total - scores[:, place],
            float(best[place]),
            few or _effective(with_total[place], roots),
            _percent(float(best[place]), float(best.sum())),
        )
        for place in range(k)
    )
    return Moodle(n=n, items=items, why=why, **numbers)


def uncounted(n: int, k: int, reason: Reason) -> Moodle:
    """Nothing of k questions, and why: Moodle's definitions know no choice."""
    numbers, why = told(cic=reason, error_ratio=reason, standard_error=reason)
    names = [one.name for one in fields(MoodleItem) if one.name not in {"index", "n", "why"}]
    of_item, its_why = told(**dict.fromkeys(names, reason))
    items = tuple(MoodleItem(index=place, n=n, why=its_why, **of_item) for place in range(k))
    return Moodle(n=n, items=items, why=why, **numbers)


def _item(
    place: int, own: Floats, rest: Floats, best: float, effective: Value, intended: Value
) -> MoodleItem:
    few = Reason.NOBODY if len(own) == 0 else Reason.ONE_CANDIDATE if len(own) == 1 else None
    sd: Value = few or (0.0 if is_constant(own) else float(own.std(ddof=1)))
    constant = (
        Reason.CONSTANT_ITEM if is_constant(own) else Reason.CONSTANT_REST if is_constant(rest) else None
    )
    index: Value = few or constant or Reason.NO_INFORMATION
    efficiency = index
    if not few and not constant:
        shared = _covariance(own, rest)
        index = 100.0 * shared / float(own.std(ddof=1) * rest.std(ddof=1))
        efficiency = 100.0 * shared / _covariance(np.sort(own), np.sort(rest))
    numbers, why = told(
        facility_index=_percent(float(own.mean()), best) if len(own) else Reason.NOBODY,
        sd=sd,
        sd_percent=sd if isinstance(sd, Reason) else _percent(sd, best),
        intended_weight=intended,
        effective_weight=effective,
        discrimination_index=index,
        discriminative_efficiency=efficiency,
    )
    return MoodleItem(index=place, n=len(own), why=why, **numbers)


def _covariance(one: Floats, other: Floats) -> float:
    return float((one - one.mean()) @ (other - other.mean())) / (len(one) - 1)


def _percent(part: float, whole: float) -> Value:
    return 100.0 * part / whole if whole > 0 else Reason.NO_MARKS


def _effective(with_total: float, roots: float) -> Value:
    """How much of the spread of totals comes from one question."""
    if with_total < 0:
        return Reason.NEGATIVE_COVARIANCE
    return 100.0 * with_total**0.5 / roots if roots > 0 else Reason.CONSTANT_TOTAL


def _consistency(scores: Floats, total: Floats) -> tuple[Value, Value, Value]:
    """Coefficient of internal consistency, error ratio and standard error."""
    k = scores.shape[1]
    if k < 2 or is_constant(total):
        reason = Reason.NO_ITEMS if k == 0 else Reason.ONE_ITEM if k == 1 else Reason.CONSTANT_TOTAL
        return reason, reason, reason
    cic = 100.0 * k / (k - 1) * (1.0 - float(scores.var(axis=0).sum() / total.var()))
    ratio = 100.0 * max(0.0, 1.0 - cic / 100.0) ** 0.5
    return cic, ratio, ratio * float(total.std(ddof=1)) / 100.0
