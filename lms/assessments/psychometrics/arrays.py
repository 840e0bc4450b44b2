"""Arrays as the formulas need them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.terms import Reason, Value

Floats = npt.NDArray[np.float64]
Rows = Any
"""Candidates × items: lists, tuples or an array of marks (Fractions too); None or nan where nothing was answered."""

TINY = 1e-9
"""Marks are parts of whole numbers; what differs by less is the same mark, added up in another order."""


def table(rows: Rows) -> Floats:
    """The rows as a matrix, with nan where something is missing."""
    found = np.asarray(rows, dtype=np.float64)
    return found.reshape(len(found), 0) if found.ndim == 1 and found.size == 0 else np.atleast_2d(found)


def marks(rows: Rows) -> Floats:
    """The rows as a matrix in which what is missing earned 0."""
    found = table(rows)
    return np.where(np.isnan(found), 0.0, found)


def vector(values: Any) -> Floats:
    """One number each."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


def is_constant(values: Floats) -> bool:
    """Whether all values are the same mark (or there are none)."""
    return values.size == 0 or bool(np.ptp(values) <= TINY * max(1.0, float(np.abs(values).max())))


def few(n: int) -> Reason:
    """Why nothing can be compared among fewer than two."""
    return Reason.ONE_CANDIDATE if n else Reason.NOBODY


def related(one: Floats, other: Floats, constant_one: Reason, constant_other: Reason) -> Value:
    """Pearson's r of two lists, or why there is none."""
    if len(one) < 2:
        return few(len(one))
    if is_constant(one):
        return constant_one
    if is_constant(other):
        return constant_other
    x, y = one - one.mean(), other - other.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))
