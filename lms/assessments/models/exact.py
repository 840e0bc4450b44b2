"""Exact rationals in the database."""

from fractions import Fraction

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator


class Exact(TypeDecorator[Fraction]):
    """An exact rational, kept as ``n/d``."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Fraction | None, dialect: Dialect) -> str | None:
        """``Fraction(1, 2)`` → ``1/2``."""
        return None if value is None else f"{value.numerator}/{value.denominator}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Fraction | None:
        """``1/2`` → ``Fraction(1, 2)``."""
        return None if value is None else Fraction(value)
