"""Script concordance: what a panel's answers are worth, and the scale on which results are told.

Aggregate scoring as Charlin and colleagues introduced it; the scale with panel mean 80 and standard deviation 5 as in
BMC Surgery 2016 (s12893-016-0173-y).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.psychometrics.arrays import is_constant, vector
from lms.assessments.psychometrics.terms import Definition, Reason, told

PANEL_MEAN = 80.0
PANEL_SD = 5.0
LEAST_PANEL = 10
"""Experts below which the literature calls a panel too small (Gagnon et al. 2005)."""


def aggregate_shares(counts: Mapping[str, int]) -> dict[str, Fraction]:
    """Share of each answer: experts who chose it over those who chose the commonest. Raises ValueError on an empty panel."""
    most = max(counts.values(), default=0)
    if most <= 0:
        raise ValueError("a panel without answers gives no key")
    return {answer: Fraction(count, most) for answer, count in counts.items()}


def panel_totals(answers: Sequence[Sequence[str | None]]) -> tuple[Fraction, ...]:
    """What each expert of the panel earns, experts × questions, by the key of the others alone.

    One's own answer would otherwise lift one's score. A question that nobody else answered earns nothing.
    """
    earned = [Fraction(0)] * len(answers)
    for column in zip(*answers, strict=True):
        counts = Counter(answer for answer in column if answer is not None)
        for place, answer in enumerate(column):
            others = counts - Counter([answer] if answer is not None else [])
            if answer is not None and others:
                earned[place] += aggregate_shares(others).get(answer, Fraction(0))
    return tuple(earned)


@dataclass(frozen=True)
class PanelScale:
    """From marks to the scale on which the panel has mean 80 and standard deviation 5."""

    n: int
    """Experts."""
    mean: float | None
    """Of the panel, in marks."""
    sd: float | None
    is_small: bool
    """Fewer than ten experts."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(
        default=(Definition.SCT_AGGREGATE, Definition.SCT_SCALE), init=False
    )

    def told(self, total: float) -> float | None:
        """A candidate's total on the scale; None without a panel whose scores differ."""
        if self.mean is None or not self.sd:
            return None
        return PANEL_MEAN + PANEL_SD * (float(total) - self.mean) / self.sd


def panel_scale(totals: Sequence[float | Fraction]) -> PanelScale:
    """The scale that a panel's totals give."""
    values = vector(totals)
    n = len(values)
    numbers, why = told(
        mean=float(values.mean()) if n else Reason.NO_JUDGES,
        sd=(Reason.NO_JUDGES if n == 0 else Reason.ONE_JUDGE)
        if n < 2
        else Reason.CONSTANT_TOTAL
        if is_constant(values)
        else float(values.std(ddof=1)),
    )
    return PanelScale(n=n, is_small=n < LEAST_PANEL, why=why, **numbers)
