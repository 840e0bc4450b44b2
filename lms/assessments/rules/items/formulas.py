"""Formulas of dose calculations: read by a grammar of our own, computed in exact fractions, drawn from a seed."""

import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from lms.assessments.rules.items.numbers import number, written

MOST_COMBINATIONS = 20_000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,29}")
FUNCTIONS = ("min", "max", "round")
_TOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+|[A-Za-z_][A-Za-z0-9_]*|[-+*/(),])")
_LONGEST = 500
_DEEPEST = 40

Values = Mapping[str, Fraction]
Node = Callable[[Values], Fraction]


class BadFormula(ValueError):
    """The text is no formula, or has no value here (a division by nought)."""


@dataclass(frozen=True)
class Formula:
    """A formula that was read once and can be computed for many values."""

    names: frozenset[str]
    """The parameters it needs."""
    node: Node

    def value(self, values: Values) -> Fraction:
        """The exact value. Raises BadFormula for a missing parameter and for a division by nought."""
        if not self.names <= values.keys():
            raise BadFormula("unknown name")
        return self.node(values)


@lru_cache(maxsize=512)
def parsed(text: str) -> Formula:
    """Read a formula. Raises BadFormula."""
    reader = _Reader(text)
    node = reader.whole()
    return Formula(frozenset(reader.names), node)


def compute(formula: str, values: Values) -> Fraction:
    """The exact value of a formula. Raises BadFormula."""
    return parsed(formula).value(values)


class _Reader:
    """Reads ``sum := product (±product)*``, ``product := factor (*/factor)*``, ``factor := number | name | call | (sum) | ±factor``."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise BadFormula("too long")
        self.tokens: list[str] = []
        self.names: set[str] = set()
        plain, at = text.rstrip(), 0
        while at < len(plain):
            found = _TOKEN.match(plain, at)
            if found is None:
                raise BadFormula(plain[at : at + 10])
            self.tokens.append(found[1])
            at = found.end()
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        """The whole text."""
        node = self._sum()
        if self.at != len(self.tokens):
            raise BadFormula(self.tokens[self.at])
        return node

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise BadFormula(token or "end")
        self.at += 1
        return token

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadFormula("too deep")

    def _sum(self) -> Node:
        self._deeper()
        parts = [("+", self._product())]
        while self._peek() in {"+", "-"}:
            parts.append((self._take(), self._product()))
        self.depth -= 1
        return parts[0][1] if len(parts) == 1 else _chain(parts)

    def _product(self) -> Node:
        parts = [("*", self._factor())]
        while self._peek() in {"*", "/"}:
            parts.append((self._take(), self._factor()))
        return parts[0][1] if len(parts) == 1 else _chain(parts)

    def _factor(self) -> Node:
        first = self._take()
        if first in {"+", "-"}:
            self._deeper()
            node = self._factor()
            self.depth -= 1
            return node if first == "+" else lambda values: -node(values)
        if first == "(":
            node = self._sum()
            self._take(")")
            return node
        if first in FUNCTIONS:
            return self._call(first)
        if NAME.fullmatch(first):
            self.names.add(first)
            return lambda values: values[first]
        value = number(first)
        if value is None:
            raise BadFormula(first)
        return lambda _values: value

    def _call(self, name: str) -> Node:
        self._take("(")
        first = self._sum()
        self._take(",")
        second = self._sum()
        self._take(")")
        if name == "round":
            return lambda values: rounded(first(values), second(values))
        if name == "min":
            return lambda values: min(first(values), second(values))
        return lambda values: max(first(values), second(values))


def _chain(parts: Sequence[tuple[str, Node]]) -> Node:
    """A sum or a product of many parts, from left to right."""

    def value(values: Values) -> Fraction:
        whole = parts[0][1](values)
        for sign, node in parts[1:]:
            part = node(values)
            if sign == "+":
                whole += part
            elif sign == "-":
                whole -= part
            elif sign == "*":
                whole *= part
            elif part:
                whole /= part
            else:
                raise BadFormula("division by nought")
        return whole

    return value


def rounded(value: Fraction, step: Fraction) -> Fraction:
    """The multiple of ``step`` next to ``value``, halves away from nought. Raises BadFormula for a step that is not positive."""
    if step <= 0:
        raise BadFormula("round to nought")
    times = abs(value) / step + Fraction(1, 2)
    whole = times.numerator // times.denominator
    return (whole if value >= 0 else -whole) * step


# ---------------------------------------------------------------- parameters


def steps(parameter: Mapping[str, Any]) -> Sequence[Fraction]:
    """The values a parameter may take, from low to high. Raises BadFormula for a range that has none or too many."""
    low, high, step = (number(parameter.get(name)) for name in ("low", "high", "step"))
    if low is None or high is None or step is None or step <= 0 or high < low:
        raise BadFormula("range")
    count = (high - low) // step + 1
    if count > MOST_COMBINATIONS:
        raise BadFormula("too many values")
    return [low + step * index for index in range(int(count))]


def combinations(parameters: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Fraction]]:
    """Every combination of the parameters' values. Raises BadFormula for more than 20,000."""
    ranges = [steps(parameter) for parameter in parameters]
    total = 1
    for values in ranges:
        total *= len(values)
    if total > MOST_COMBINATIONS:
        raise BadFormula("too many combinations")
    names = [str(parameter.get("name")) for parameter in parameters]
    for drawn in itertools.product(*ranges):
        yield dict(zip(names, drawn, strict=True))


def draw(parameters: Sequence[Mapping[str, Any]], seed: bytes) -> dict[str, Fraction]:
    """One value of each parameter, by HMAC-SHA256(seed, name): the same for the same seed on any machine."""
    found = {}
    for parameter in parameters:
        values = steps(parameter)
        name = str(parameter["name"])
        drawn = int.from_bytes(hmac.digest(seed, name.encode(), hashlib.sha256)[:8], "big")
        found[name] = values[drawn % len(values)]
    return found


def fill(text: str, drawn: Values) -> str:
    """A text with the drawn values in the place of their ``{names}``."""
    return re.sub(
        r"\{([A-Za-z_][A-Za-z0-9_]{0,29})\}",
        lambda found: written(drawn[found[1]]) if found[1] in drawn else found[0],
        text,
    )
