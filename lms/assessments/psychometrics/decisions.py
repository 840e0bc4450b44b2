"""How likely a decision at a cut is wrong, and how sure one candidate's is.

The normal error model: a true score T, and a score X = T + E that misses it with the standard error of measurement; T
and E normal and independent (Lord and Novick 1968). X and T then correlate by √reliability, and the shares of wrong
decisions are quadrants of a bivariate normal distribution (Owen 1956).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import asin, copysign, inf, pi

from lms.assessments.psychometrics.terms import Definition, Reason, Value, told


@dataclass(frozen=True)
class Decisions:
    """How good the decisions at a cut are."""

    n: int
    cut: float
    sem: float | None
    """Standard error of measurement, in marks."""
    false_pass: float | None
    """Share of all candidates who pass although their true score is below the cut."""
    false_fail: float | None
    """Share of all candidates who fail although their true score reaches the cut."""
    wrong: float | None
    """Both together: the probability of misclassification."""
    consistency: float | None
    """Probability that a parallel test would decide alike."""
    kappa: float | None
    """Consistency beyond chance."""
    why: Mapping[str, Reason]
    definitions: tuple[Definition, ...] = field(default=(Definition.NORMAL_ERROR, Definition.SEM), init=False)


def decisions(
    *, n: int, mean: float | None, sd: float | None, reliability: float | None, cut: float
) -> Decisions:
    """Quality of the decisions "passes from the cut on", from what is known of the totals (marks)."""
    reason = (
        Reason.NOBODY
        if mean is None
        else Reason.ONE_CANDIDATE
        if sd is None
        else Reason.CONSTANT_TOTAL
        if sd <= 0
        else Reason.NO_RELIABILITY
        if reliability is None or not 0.0 < reliability <= 1.0
        else None
    )
    names = ("sem", "false_pass", "false_fail", "wrong", "consistency", "kappa")
    if reason or mean is None or sd is None or reliability is None:
        found: dict[str, Value] = dict.fromkeys(names, reason or Reason.NO_RELIABILITY)
    else:
        found = _shares((cut - mean) / sd, reliability)
        found["sem"] = sd * (1.0 - reliability) ** 0.5
    numbers, why = told(**found)
    return Decisions(n=n, cut=cut, why=why, **numbers)


def chance_of_passing(score: float, *, cut: float, sem: float) -> float:
    """Probability that a candidate with this score has a true score from the cut on: for the band around the cut.

    The error is taken around the score itself, not drawn to the mean of the cohort: what would be said of this candidate
    alone. Without error it is 0 or 1.
    """
    from scipy.special import ndtr

    if sem <= 0:
        return 1.0 if score >= cut else 0.0
    return float(ndtr((score - cut) / sem))


def _shares(z: float, reliability: float) -> dict[str, Value]:
    """``z``: the cut in standard deviations of observed scores from their mean."""
    from scipy.special import ndtr

    fails = float(ndtr(z))
    truly = float(ndtr(z / reliability**0.5))
    both = _quadrant(z, z / reliability**0.5, reliability**0.5)
    twice = _quadrant(z, z, reliability)
    consistency = 1.0 - 2.0 * (fails - twice)
    by_chance = fails**2 + (1.0 - fails) ** 2
    false_fail, false_pass = max(fails - both, 0.0), max(truly - both, 0.0)
    return {
        "false_pass": false_pass,
        "false_fail": false_fail,
        "wrong": false_pass + false_fail,
        "consistency": consistency,
        "kappa": (consistency - by_chance) / (1.0 - by_chance)
        if by_chance < 1.0
        else Reason.AGREEMENT_BY_CHANCE,
    }


def _quadrant(h: float, k: float, r: float) -> float:
    """P(X < h, Y < k) of standard normal X and Y that correlate by r, by Owen's T."""
    from scipy.special import ndtr, owens_t

    if r >= 1.0:
        return float(ndtr(min(h, k)))
    if h == 0.0 and k == 0.0:
        return 0.25 + asin(r) / (2.0 * pi)
    root = ((1.0 - r) * (1.0 + r)) ** 0.5
    parts = sum(
        float(owens_t(one, (other / one - r) / root if one else copysign(inf, other)))
        for one, other in ((h, k), (k, h))
    )
    apart = 0.5 if h * k < 0 or (h * k == 0 and h + k < 0) else 0.0
    return 0.5 * float(ndtr(h) + ndtr(k)) - parts - apart
