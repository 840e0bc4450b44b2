"""What was gained from a test before to one after.

Normalised gain: Hake (1998). d_z: Cohen (1988); its interval by inverting the noncentral t distribution (Steiger and
Fouladi 1997).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any

import numpy as np

from lms.assessments.psychometrics.arrays import TINY, is_constant, vector
from lms.assessments.psychometrics.terms import Definition, Reason, Value, told

LEAST = 10
"""With fewer pairs nothing is shown of the group."""


@dataclass(frozen=True)
class PersonGain:
    """One person's change."""

    change: float
    """In marks."""
    g: float | None
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class Gains:
    """What a group gained."""

    n: int
    """People with both results."""
    left_out: int
    """People with only one."""
    mean_before: float | None
    mean_after: float | None
    mean_change: float | None
    class_g: float | None
    median_g: float | None
    """Of those who had not full marks before."""
    n_g: int
    """Those who had not."""
    d_z: float | None
    d_low: float | None
    d_high: float | None
    people: tuple[PersonGain | None, ...]
    """In the order given; None where a result is missing."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.GAIN, Definition.D_Z), init=False)


def gains(before: Any, after: Any, *, maximum: Any, confidence: float = 0.95) -> Gains:
    """Gains of people with a result before and after (None or nan where one is missing), in marks up to ``maximum``.

    Raises ValueError on lists of two lengths.
    """
    first, second, top = vector(before), vector(after), float(maximum)
    if len(first) != len(second):
        raise ValueError("as many results before as after are needed")
    people = tuple(_person(*pair, top) for pair in zip(first.tolist(), second.tolist(), strict=True))
    both = ~(np.isnan(first) | np.isnan(second))
    pre, post = first[both], second[both]
    n, single = len(pre), [one.g for one in people if one is not None and one.g is not None]
    names = ("mean_before", "mean_after", "mean_change", "class_g", "median_g", "d_z", "d_low", "d_high")
    found: dict[str, Value] = dict.fromkeys(names, Reason.FEWER_THAN_10 if n else Reason.NOBODY)
    if n >= LEAST:
        left = top - float(pre.mean())
        full = Reason.EVERYBODY_FULL_BEFORE
        found = {
            "mean_before": float(pre.mean()),
            "mean_after": float(post.mean()),
            "mean_change": float((post - pre).mean()),
            "class_g": float((post - pre).mean()) / left if left > TINY else full,
            "median_g": float(np.median(single)) if single else full,
            **_standardised(post - pre, confidence),
        }
    numbers, why = told(**found)
    return Gains(n=n, left_out=len(first) - n, n_g=len(single), people=people, why=why, **numbers)


def _person(before: float, after: float, top: float) -> PersonGain | None:
    if isnan(before) or isnan(after):
        return None
    left = top - before
    numbers, why = told(g=(after - before) / left if left > TINY else Reason.FULL_MARKS_BEFORE)
    return PersonGain(change=after - before, why=why, **numbers)


def _standardised(change: Any, confidence: float) -> dict[str, Value]:
    if is_constant(change):
        return dict.fromkeys(("d_z", "d_low", "d_high"), Reason.CONSTANT_CHANGE)
    n = len(change)
    d = float(change.mean() / change.std(ddof=1))
    tail = (1.0 - confidence) / 2.0
    root = n**0.5
    return {
        "d_z": d,
        "d_low": _noncentrality(d * root, n - 1, 1.0 - tail) / root,
        "d_high": _noncentrality(d * root, n - 1, tail) / root,
    }


def _noncentrality(t: float, df: int, share: float) -> float:
    """The noncentrality at which so large a share of the t distribution lies below ``t``."""
    from scipy.optimize import brentq
    from scipy.special import nctdtr

    wide = 10.0 + abs(t)
    return float(brentq(lambda at: float(nctdtr(df, at, t)) - share, t - wide, t + wide, xtol=1e-10))
