"""Numbers as candidates and authors write them, exact."""

import re
from fractions import Fraction

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_FRACTION = re.compile(r"([+-]?[0-9]{1,38})/([0-9]{1,38})")
_LARGEST_EXPONENT = 30
_LONGEST = 80
MOST_PLACES = 12
"""Decimals that are written; what needs more is written as a fraction."""

_PLAIN = {0xFF01 + index: 0x21 + index for index in range(94)} | {ord("−"): "-"}
"""Full-width signs and the minus sign. Not NFKC, which would read 5² as 52."""


def number(text: object) -> Fraction | None:
    """The exact value of a decimal number (``12.5``, ``1.5e-3``, full-width digits too), or None.

    A comma is refused: half the world reads it as a decimal point, the other half as a separator of thousands. Exponents lie
    within ±30.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    plain = text.translate(_PLAIN).strip()
    if not _NUMBER.fullmatch(plain):
        return None
    mantissa, _e, exponent = plain.lower().partition("e")
    if exponent and abs(int(exponent)) > _LARGEST_EXPONENT:
        return None
    return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)


def fraction(text: object) -> Fraction | None:
    """The exact value of a number or of a fraction such as ``1/3``, or None."""
    if isinstance(text, str) and (found := _FRACTION.fullmatch(text.strip())):
        below = int(found[2])
        return Fraction(int(found[1]), below) if below else None
    return number(text)


def places(value: Fraction) -> int | None:
    """How many decimals write a value exactly; None where no number of them does."""
    below, counts = value.denominator, [0, 0]
    for index, prime in enumerate((2, 5)):
        while below % prime == 0:
            below //= prime
            counts[index] += 1
    return max(counts) if below == 1 else None


def written(value: Fraction) -> str:
    """A fraction as a decimal where it has one of at most 12 places, else as ``n/d``.

    >>> written(Fraction(-5, 8)), written(Fraction(1, 3))
    ('-0.625', '1/3')
    """
    count = places(value)
    if count is None or count > MOST_PLACES:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**count // value.denominator).rjust(count + 1, "0")
    whole, rest = (digits[:-count], f".{digits[-count:]}") if count else (digits, "")
    return ("-" if value < 0 else "") + whole + rest
