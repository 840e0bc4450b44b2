"""Marks and pass. Marks are exact fractions; nothing is rounded before it is shown."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items import Ask, share

ENGINE_VERSION = 2
"""Grows when marking changes its meaning; kept with each grade run."""


def mark(
    ask: Ask, response: Mapping[str, Any] | None, marks: int, drawn: Mapping[str, Fraction] | None = None
) -> Fraction | None:
    """The marks of one response, exact: its share of what the ask is worth. None: people mark it.

    ``drawn``: the values of a dose calculation in this sitting.
    """
    earned = share(ask, response, drawn)
    return None if earned is None else marks * earned


CONFIDENCE = {1: (1, 0), 2: (2, -2), 3: (3, -6)}
"""Certainty → marks if right, marks if wrong. For practice only.

A. R. Gardner-Medwin, Confidence assessment in the teaching of basic science, ALT-J 3 (1995), 80–85.
"""


def confidence(earned: Fraction, certainty: int) -> Fraction:
    """Certainty-based marks of a response in practice: half right earns half of what right would have.

    >>> [str(confidence(Fraction(1), c)) for c in (1, 2, 3)], [str(confidence(Fraction(0), c)) for c in (1, 2, 3)]
    (['1', '2', '3'], ['0', '-2', '-6'])
    """
    right, wrong = CONFIDENCE[certainty]
    return earned * right if earned > 0 else Fraction(wrong)


def percent(score: Fraction, maximum: Fraction) -> Fraction:
    """The share of the maximum, exact, as per cent; 0 of an empty paper."""
    return 100 * score / maximum if maximum else Fraction(0)


def decision(score: Fraction, maximum: Fraction, cut_percent: int) -> str:
    """``pass`` at or above the cut score, else ``fail``; compared exactly, before any rounding."""
    return "pass" if percent(score, maximum) >= cut_percent else "fail"


def shown(value: Fraction) -> str:
    """A number as people read it: at most one decimal, cut off and not rounded.

    So no failing result ever looks like the cut score itself: 59.97 is shown as 59.9.

    >>> shown(Fraction(200, 3)), shown(Fraction(70))
    ('66.6', '70')
    """
    tenths = value.numerator * 10 // value.denominator
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest}" if rest else str(whole)
