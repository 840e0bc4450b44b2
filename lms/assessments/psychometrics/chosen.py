"""Tests in which candidates choose some of the questions: who had which, and how reliable the total is then.

Everybody can earn the same number of marks, so totals compare. A question is judged by those who had it; nobody else is
counted as having failed it.

The total is a sum of strata: the questions that everybody had, and each choice. Its reliability is stratified alpha
(Cronbach, Schönemann and McKie, Educational and Psychological Measurement 1965): 1 less the error variances of the strata
by the variance of the total. The error of the common questions comes from their alpha. In a choice the k cases are nested
in persons, each with their own; the error variance of their sum is k times the mean square within persons, as in the
one-way intraclass correlation ICC(1,k) of Shrout and Fleiss (Psychological Bulletin 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import Floats, few, is_constant
from lms.assessments.psychometrics.terms import Reason, Value


@dataclass(frozen=True)
class Chosen:
    """What candidates chose."""

    had: npt.NDArray[np.bool_]
    """Candidates × questions."""
    choice: Sequence[int | None]
    """Of each question the choice that it belongs to; None: everybody had it."""
    case: Sequence[int]
    """Of each question the case that it belongs to: its asks are chosen together."""


def chosen_of(
    had: Sequence[Sequence[bool]], choice: Sequence[int | None], case: Sequence[int]
) -> Chosen | None:
    """What candidates chose, from plain lists; None where everybody had everything."""
    if not any(choice):
        return None
    return Chosen(np.array(had, dtype=bool).reshape(len(had), len(choice)), choice, case)


def stratified_alpha(scores: Floats, chosen: Chosen) -> Value:
    """The reliability of the total of candidates × questions marks, 0 where a question was not had."""
    n = len(scores)
    if n < 2:
        return few(n)
    total = scores.sum(axis=1)
    if is_constant(total):
        return Reason.CONSTANT_TOTAL
    common = [place for place, choice in enumerate(chosen.choice) if choice is None]
    errors: list[Value] = [_error_of_common(scores[:, common])] if common else []
    choices = dict.fromkeys(one for one in chosen.choice if one is not None)
    errors += [_error_of_choice(scores, chosen, choice) for choice in choices]
    error = 0.0
    for one in errors:
        if isinstance(one, Reason):
            return one
        error += one
    return 1.0 - error / float(total.var(ddof=1))


def _error_of_common(scores: Floats) -> Value:
    """Variance of the error of a sum of questions that everybody had: its variance times (1 − alpha)."""
    k = scores.shape[1]
    if k < 2:
        return Reason.ONE_ITEM
    variances, whole = scores.var(axis=0, ddof=1).sum(), scores.sum(axis=1).var(ddof=1)
    return float(whole - k / (k - 1) * (whole - variances))


def _error_of_choice(scores: Floats, chosen: Chosen, choice: int) -> Value:
    """Variance of the error of the sum over the cases that each candidate chose: k times the mean square within persons."""
    places = [place for place, one in enumerate(chosen.choice) if one == choice]
    cases = list(dict.fromkeys(chosen.case[place] for place in places))
    within: list[float] = []
    sizes = []
    for person in range(len(scores)):
        own = [
            float(sum(scores[person, place] for place in places if chosen.case[place] == case))
            for case in cases
            if any(chosen.had[person, place] for place in places if chosen.case[place] == case)
        ]
        if len(own) > 1:
            within.append(float(np.var(own, ddof=1)))
            sizes.append(len(own))
    if not within:
        return Reason.ONE_ITEM
    return float(np.mean(sizes)) * float(np.mean(within))
