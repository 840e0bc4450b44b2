"""How the options of a question did their work."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lms.assessments.psychometrics.arrays import Floats, is_constant, related, vector
from lms.assessments.psychometrics.classical import extreme_groups
from lms.assessments.psychometrics.flags import RARE, Flag
from lms.assessments.psychometrics.terms import Definition, Reason, told


@dataclass(frozen=True)
class Option:
    """How one option was used."""

    id: str
    is_right: bool
    count: int
    share: float | None
    upper: float | None
    """Share of the upper 27 % group who chose it."""
    lower: float | None
    point_biserial: float | None
    """Correlation of having chosen it with the sum of all other questions."""
    point_biserial_total: float | None
    """The same with the total, this question in it."""
    works: bool | None
    """A wrong option: chosen by at least 5 % and with a negative point-biserial. None for a right one."""
    flags: tuple[Flag, ...]
    why: Mapping[str, Reason]


@dataclass(frozen=True)
class OptionTable:
    """How the options of one question were used."""

    n: int
    omitted: int
    """Candidates who chose nothing."""
    options: tuple[Option, ...]
    working_distractors: int
    definitions: tuple[Definition, ...] = field(
        default=(Definition.OPTION_REST, Definition.DISTRACTOR, Definition.GROUPS_27), init=False
    )


def option_table(
    chosen: Sequence[Collection[str]],
    own: Any,
    total: Any,
    *,
    options: Sequence[str],
    right: Collection[str],
) -> OptionTable:
    """Who chose what. ``chosen``: each candidate's options, empty for none; ``own``: marks on the question.

    ``total``: marks on the whole test, the question in it; ``options``: all ids in their order; ``right``: the key's.
    Ids that are not among the options count as chosen by nobody.
    """
    picks = np.array([[name in one for name in options] for one in chosen], dtype=np.float64)
    picks = picks.reshape(len(chosen), len(options))
    whole, rest = vector(total), vector(total) - vector(own)
    lower, upper = extreme_groups(whole)
    found = [
        _option(name, picks[:, place], rest, whole, lower, upper, is_right=name in right)
        for place, name in enumerate(options)
    ]
    keys = [
        option.point_biserial for option in found if option.is_right and option.point_biserial is not None
    ]
    judged = tuple(_judged(option, max(keys, default=None)) for option in found)
    return OptionTable(
        n=len(chosen),
        omitted=sum(not one for one in chosen),
        options=judged,
        working_distractors=sum(option.works is True for option in judged),
    )


@dataclass(frozen=True)
class _Counted:
    id: str
    is_right: bool
    count: int
    numbers: Mapping[str, float | None]
    why: Mapping[str, Reason]

    @property
    def point_biserial(self) -> float | None:
        """Against the other questions."""
        return self.numbers["point_biserial"]


def _option(
    name: str,
    picks: Floats,
    rest: Floats,
    whole: Floats,
    lower: npt.NDArray[np.intp],
    upper: npt.NDArray[np.intp],
    *,
    is_right: bool,
) -> _Counted:
    n = len(picks)
    few = Reason.NOBODY if n == 0 else Reason.ONE_CANDIDATE
    level = few if n < 2 else Reason.CONSTANT_TOTAL if is_constant(whole) else None
    numbers, why = told(
        share=float(picks.mean()) if n else Reason.NOBODY,
        upper=level or float(picks[upper].mean()),
        lower=level or float(picks[lower].mean()),
        point_biserial=related(picks, rest, Reason.CONSTANT_OPTION, Reason.CONSTANT_REST),
        point_biserial_total=related(picks, whole, Reason.CONSTANT_OPTION, Reason.CONSTANT_TOTAL),
    )
    return _Counted(name, is_right, int(picks.sum()), numbers, why)


def _judged(option: _Counted, key: float | None) -> Option:
    share, r = option.numbers["share"], option.point_biserial
    is_common = share is not None and share >= RARE
    flags = []
    if option.is_right:
        if r is not None and r < 0:
            flags.append(Flag.KEY_CHOSEN_BY_THE_WEAK)
    else:
        if share is not None and not is_common:
            flags.append(Flag.RARELY_CHOSEN)
        if is_common and r is not None and r > 0:
            flags.append(Flag.CHOSEN_BY_THE_STRONG)
        if is_common and r is not None and key is not None and r > key:
            flags.append(Flag.BETTER_THAN_THE_KEY)
    works = None if option.is_right or share is None else is_common and r is not None and r < 0
    return Option(
        id=option.id,
        is_right=option.is_right,
        count=option.count,
        works=works,
        flags=tuple(flags),
        why=option.why,
        **option.numbers,
    )
