"""Conditions of response processing, as tests of one response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.qti.declarations import Outcome, Response
from lms.assessments.interchange.safexml import Element, children, counted, local, said
from lms.assessments.rules.items.numbers import fraction
from lms.core.i18n import _

Test = tuple[Any, ...]
"""``("correct", response)``, ``("is", response, value)``, ``("equal", response, value, tolerance, is_relative)``,
``("text", response, pattern, keeps_case)``, ``("like", response, regular expression)``, ``("at", response, place, value)``,
``("has", response, values)``, ``("set", response, values)``, ``("unit", response, test, unit response, unit)``."""


class Unclear(Exception):
    """What is computed here has no like."""


@dataclass(frozen=True)
class Condition:
    """What must hold."""

    kind: str
    """``tests`` (one of them holds), ``null``, ``not``, ``negative`` (an outcome is below nought), ``bound``."""
    response: str = ""
    tests: tuple[Test, ...] = ()
    inner: "Condition | None" = None
    low: Fraction | None = None
    high: Fraction | None = None


@dataclass
class Operands:
    """The variables that conditions speak of, and what a person should know about how they were read."""

    responses: Mapping[str, Response]
    outcomes: Mapping[str, Outcome]
    notes: list[str] = field(default_factory=list)


def condition_of(node: Element, operands: Operands) -> Condition:
    """The condition of an expression. Raises Unclear."""
    name, parts = local(node), children(node)
    if name in {"and", "or"} and parts:
        conditions = [condition_of(part, operands) for part in parts]
        return (
            conditions[0] if len(conditions) == 1 else (_all if name == "and" else _any)(conditions, operands)
        )
    if name == "not" and len(parts) == 1:
        inner = condition_of(parts[0], operands)
        return (
            inner.inner
            if inner.kind == "not" and inner.inner
            else Condition("not", inner.response, inner=inner)
        )
    if name == "isNull" and len(parts) == 1 and (found := _operand(parts[0], operands))[0] == "response":
        return Condition("null", found[1])
    if name in _COMPARED and len(parts) == 2:
        return _COMPARED[name](node, [_operand(part, operands) for part in parts], operands)
    if (
        name == "patternMatch"
        and len(parts) == 1
        and (found := _operand(parts[0], operands))[0] == "response"
    ):
        return _test("like", found[1], str(node.get("pattern") or ""))
    raise Unclear


def _test(kind: str, response: str, *values: Any) -> Condition:
    return Condition("tests", response, ((kind, response, *values),))


def _near(response: str, value: Fraction, tolerance: Fraction, mode: str = "absolute") -> Condition:
    return _test("equal", response, value, tolerance, mode == "relative")


Operand = tuple[Any, ...]


def _operand(node: Element, operands: Operands) -> Operand:
    """``("response", name)``, ``("correct", name)``, ``("outcome", name)``, ``("value", text)``, ``("place", name, n, of)`` or ``("list", texts)``."""
    name, parts = local(node), children(node)
    identifier = str(node.get("identifier") or "")
    if name == "variable":
        if identifier in operands.responses:
            return "response", identifier
        if identifier in operands.outcomes:
            return "outcome", identifier
    if name == "correct" and identifier in operands.responses:
        return "correct", identifier
    if name == "baseValue":
        return "value", " ".join(said(node).split())
    if name == "divide" and [local(part) for part in parts] == ["baseValue", "baseValue"]:
        return "value", "/".join(said(part) for part in parts)
    if name == "index" and len(parts) == 1 and counted(node.get("n")):
        of, identifier = _operand(parts[0], operands)[:2]
        return "place", identifier, counted(node.get("n")), of
    if name in {"multiple", "ordered"}:
        values = [_operand(part, operands) for part in parts]
        if all(value[0] == "value" for value in values):
            return "list", tuple(value[1] for value in values)
    raise Unclear


def _pair(found: Sequence[Operand]) -> tuple[Operand, Operand]:
    """The response (or a place of it) and what it is compared with."""
    first, second = found
    if first[0] in {"response", "outcome"} or (first[0] == "place" and first[3] == "response"):
        return first, second
    return second, first


def _match(_node: Element, found: Sequence[Operand], operands: Operands) -> Condition:
    one, other = _pair(found)
    if one[0] == "response":
        response = one[1]
        if other == ("correct", response):
            return _test("correct", response)
        if other[0] == "value":
            return _test("is", response, other[1])
        if other[0] == "list":
            return _test("set", response, other[1])
    if one[0] == "place" and one[3] == "response":
        correct = operands.responses[one[1]].correct
        if other[0] == "value":
            return _test("at", one[1], one[2], other[1])
        if other[0] == "place" and other[1:4] == (one[1], one[2], "correct") and 0 < one[2] <= len(correct):
            return _test("at", one[1], one[2], correct[one[2] - 1])
    raise Unclear


def _numbers(node: Element) -> tuple[Fraction, Fraction]:
    found = [fraction(one) for one in str(node.get("tolerance") or "0").split()]
    if not 1 <= len(found) <= 2 or any(one is None or one < 0 for one in found):
        raise Unclear
    return found[0] or Fraction(0), found[-1] or Fraction(0)


def _value(operand: Operand, operands: Operands) -> Fraction:
    text = operand[1] if operand[0] == "value" else ""
    if operand[0] == "correct":
        text = next(iter(operands.responses[operand[1]].correct), "")
    found = fraction(text)
    if found is None:
        raise Unclear
    return found


def _equal(node: Element, found: Sequence[Operand], operands: Operands) -> Condition:
    one, other = _pair(found)
    if one[0] != "response":
        raise Unclear
    mode = str(node.get("toleranceMode") or "exact")
    if mode == "exact" and other == ("correct", one[1]):
        return _test("correct", one[1])
    value = _value(other, operands)
    if "false" in {str(node.get(bound) or "true") for bound in ("includeLowerBound", "includeUpperBound")}:
        raise Unclear
    below, above = _numbers(node) if mode != "exact" else (Fraction(0), Fraction(0))
    if mode == "relative":
        if below != above:
            raise Unclear
        if found[0] == one and below:  # the tolerance is then a part of the answer
            operands.notes.append(
                _("Its tolerance is a part of the answer given; here it is a part of the right value.")
            )
        return _near(one[1], value, below / 100, "relative")
    if found[0] == one:
        below, above = above, below
    return _near(one[1], value + (above - below) / 2, (above + below) / 2)


def _bound(node: Element, found: Sequence[Operand], operands: Operands) -> Condition:
    one, other = _pair(found)
    value = _value(other, operands)
    is_least = local(node) in {"gte", "gt"}
    is_strict = local(node) in {"gt", "lt"}
    if found[0] != one:
        is_least = not is_least
    if one[0] == "outcome":
        if local(node) == "lt" and found[0] == one and not value:
            return Condition("negative", one[1])
        raise Unclear
    if one[0] != "response":
        raise Unclear
    if is_strict:
        if operands.responses[one[1]].base != "integer":
            raise Unclear
        value += 1 if is_least else -1
    return Condition("bound", one[1], low=value if is_least else None, high=None if is_least else value)


def _string(node: Element, found: Sequence[Operand], operands: Operands) -> Condition:
    one, other = _pair(found)
    if one[0] != "response":
        raise Unclear
    texts = (
        [other[1]]
        if other[0] == "value"
        else list(operands.responses[other[1]].correct)
        if other[0] == "correct"
        else []
    )
    if len(texts) != 1:
        raise Unclear
    keeps_case = str(node.get("caseSensitive") or "true") == "true"
    is_part = local(node) == "substring" or str(node.get("substring") or "false") == "true"
    if is_part and found[-1] != one and local(node) == "substring":
        raise Unclear  # the answer within the value
    plain = texts[0].replace("*", r"\*")
    return _test("text", one[1], f"*{plain}*" if is_part else plain, keeps_case)


def _member(_node: Element, found: Sequence[Operand], operands: Operands) -> Condition:
    first, second = found
    if first[0] == "value" and second[0] == "response":
        return _test("has", second[1], frozenset({first[1]}))
    if first[0] == "response" and second[0] in {"list", "correct"}:
        values = second[1] if second[0] == "list" else operands.responses[second[1]].correct
        return Condition("tests", first[1], tuple(("is", first[1], value) for value in values))
    raise Unclear


def _contains(_node: Element, found: Sequence[Operand], _operands: Operands) -> Condition:
    first, second = found
    if first[0] == "response" and second[0] == "list" and len(set(second[1])) == len(second[1]):
        return _test("has", first[1], frozenset(second[1]))
    raise Unclear


_COMPARED = {
    "match": _match,
    "equal": _equal,
    "gte": _bound,
    "lte": _bound,
    "gt": _bound,
    "lt": _bound,
    "stringMatch": _string,
    "substring": _string,
    "member": _member,
    "contains": _contains,
}


# ---------------------------------------------------------------- together


def _any(conditions: Sequence[Condition], _operands: Operands) -> Condition:
    names = {one.response for one in conditions}
    if len(names) != 1 or any(one.kind != "tests" for one in conditions):
        raise Unclear
    return Condition("tests", names.pop(), tuple(test for one in conditions for test in one.tests))


def _all(conditions: Sequence[Condition], operands: Operands) -> Condition:
    there = {
        one.response for one in conditions if one.kind == "not" and one.inner and one.inner.kind == "null"
    }
    rest = [one for one in conditions if not (one.kind == "not" and one.inner and one.inner.kind == "null")]
    if not rest or not there <= {one.response for one in rest}:
        raise Unclear
    if len(rest) == 1:
        return rest[0]
    names = {one.response for one in rest}
    bounds = [one for one in rest if one.kind == "bound"]
    if len(bounds) == len(rest) == 2 and len(names) == 1:
        low, high = (
            next((getattr(one, end) for one in bounds if getattr(one, end) is not None), None)
            for end in ("low", "high")
        )
        if low is not None and high is not None and low <= high:
            return _near(names.pop(), (low + high) / 2, (high - low) / 2)
    if any(one.kind != "tests" or len(one.tests) != 1 for one in rest):
        raise Unclear
    tests = [one.tests[0] for one in rest]
    if len(names) == 1:
        return _together(names.pop(), tests, operands)
    kinds = {test[0]: test for test in tests}
    if len(tests) == 2 and set(kinds) == {"is", "equal"}:
        number, unit = kinds["equal"], kinds["is"]
        return _test("unit", number[1], number, unit[1], unit[2])
    raise Unclear


def _together(name: str, tests: Sequence[Test], operands: Operands) -> Condition:
    if all(test[0] == "has" for test in tests):
        return _test("has", name, frozenset().union(*(test[2] for test in tests)))
    correct = operands.responses[name].correct
    if {test[1:] for test in tests if test[0] == "at"} == {
        (name, n, value) for n, value in enumerate(correct, 1)
    }:
        return _test("correct", name)
    raise Unclear
