"""What becomes of the blind markings of one response."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Stand(StrEnum):
    """How far a response has come."""

    WAITS = "waits"
    """Somebody who was to mark it has not."""
    APART = "apart"
    """Two lie too far apart, and no third has marked it."""
    READY = "ready"
    """It can be settled."""


@dataclass(frozen=True)
class Outcome:
    """How a response stands by the shares that its markers gave."""

    stand: Stand
    share: Fraction | None = None
    """What it earns, once ready."""
    places: tuple[int, ...] = ()
    """The places (1, 2, 3) whose mean that is."""


def outcome(shares: dict[int, Fraction], *, wanted: int, apart: Fraction, third: bool = True) -> Outcome:
    """From the newest share at each place (1, 2, 3).

    ``wanted``: 1 or 2 people for each response; ``apart``: the largest difference that is averaged; ``third``: whether a
    third can be asked where two lie further apart (at a station nobody else was there). A third marking counts only as
    long as the first two lie apart: whoever corrects theirs may end the quarrel.

    >>> outcome({1: Fraction(1, 2), 2: Fraction(3, 5)}, wanted=2, apart=Fraction(1, 5)).share
    Fraction(11, 20)
    """
    if any(place not in shares for place in range(1, wanted + 1)):
        return Outcome(Stand.WAITS)
    first = shares[1]
    if wanted == 1:
        return Outcome(Stand.READY, first, (1,))
    second = shares[2]
    if not third or not needs_third(first, second, maximum=Fraction(1), apart=apart):
        return Outcome(Stand.READY, settled(first, second), (1, 2))
    last = shares.get(3)
    if last is None:
        return Outcome(Stand.APART)
    to_first, to_second = abs(last - first), abs(last - second)
    nearer = (3,) if to_first == to_second else (1, 3) if to_first < to_second else (2, 3)
    return Outcome(Stand.READY, settled(first, second, last), nearer)


def needs_third(
    first: Fraction, second: Fraction, *, maximum: Fraction, apart: Fraction, cut: Fraction | None = None
) -> bool:
    """Whether two blind marks are too far apart to be averaged.

    ``apart``: the largest difference that is still averaged, as a share of the maximum; ``cut``: where given, marks on
    different sides of it always need a third.
    """
    if cut is not None and (first >= cut) != (second >= cut):
        return True
    return abs(first - second) > apart * maximum


def settled(first: Fraction, second: Fraction, third: Fraction | None = None) -> Fraction:
    """The mark that counts: the mean of two; with a third, the mean of the third and the nearer of the others.

    A third mark halfway between the others counts as it is.
    """
    if third is None:
        return (first + second) / 2
    to_first, to_second = abs(third - first), abs(third - second)
    if to_first == to_second:
        return third if first != second else (first + third) / 2
    return (third + (first if to_first < to_second else second)) / 2
