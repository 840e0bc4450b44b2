"""How the score of an ask is written: by the standard's templates where it is theirs, else as rules that mean the same."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.interchange.qti.parts import decimal, number
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items.numbers import written

ONE = Fraction(1)
TEMPLATES = "https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/"


@dataclass
class Marking:
    """The score of one ask."""

    marks: Fraction
    template: str = ""
    """``match_correct``, ``map_response`` or ``map_response_point``: what the rules say, if the response is the only one."""
    rules: list[Element] = field(default_factory=list)


def base(kind: str, value: str) -> Element:
    """A value as an expression."""
    return node("qti-base-value", {"base-type": kind}, value)


def variable(name: str) -> Element:
    """A variable as an expression."""
    return node("qti-variable", {"identifier": name})


def correct(name: str) -> Element:
    """The right response as an expression."""
    return node("qti-correct", {"identifier": name})


def put(outcome: str, value: Element) -> Element:
    """The rule that gives an outcome a value."""
    return node("qti-set-outcome-value", {"identifier": outcome}, value)


def chain(outcome: str, tests: Sequence[tuple[Element, Element]]) -> Element:
    """The rule that gives an outcome the value of the first test that holds, else nought."""
    rule = node("qti-response-condition")
    for n, (test, value) in enumerate(tests):
        extend(rule, node("qti-response-else-if" if n else "qti-response-if", {}, test, put(outcome, value)))
    return extend(rule, node("qti-response-else", {}, put(outcome, base("float", "0"))))


def matched(outcome: str, name: str, marks: Fraction) -> Marking:
    """All the marks for exactly the right response."""
    test = node("qti-match", {}, variable(name), correct(name))
    return Marking(marks, "match_correct" if marks == 1 else "", [chain(outcome, [(test, number(marks))])])


def scaled(value: Element, factor: Fraction) -> Element:
    """A value times a factor, exact."""
    if factor.numerator != 1:
        value = node("qti-product", {}, value, base("float", str(factor.numerator)))
    return (
        node("qti-divide", {}, value, base("float", str(factor.denominator)))
        if factor.denominator != 1
        else value
    )


def scale_of(shares: Iterable[Fraction], marks: Fraction) -> Fraction:
    """What shares are multiplied with so that decimal numbers write them: the marks, else a common denominator."""
    told = list(shares)
    if all("/" not in written(share * marks) for share in told):
        return marks
    return Fraction(math.lcm(*(share.denominator for share in told)))


def by_mapping(
    outcome: str, name: str, marks: Fraction, scale: Fraction, *, is_point: bool = False
) -> Marking:
    """What a mapping gives whose most is ``scale``."""
    kind = "map-response-point" if is_point else "map-response"
    value = scaled(node(f"qti-{kind}", {"identifier": name}), marks / scale)
    return Marking(marks, kind.replace("-", "_") if marks == scale else "", [put(outcome, value)])


def mapping(values: Mapping[str, Fraction], upper: Fraction, *, keeps_case: bool | None = None) -> Element:
    """A mapping of a response between nought and ``upper``."""
    made = node("qti-mapping", {"default-value": "0", "lower-bound": "0", "upper-bound": decimal(upper)})
    case = {} if keeps_case is None else {"case-sensitive": "true" if keeps_case else "false"}
    for key, value in values.items():
        extend(made, node("qti-map-entry", {"map-key": key, "mapped-value": decimal(value), **case}))
    return made


def declaration(
    name: str, cardinality: str, kind: str, right: Sequence[str] = (), *parts: Element
) -> Element:
    """The declaration of a response."""
    made = node(
        "qti-response-declaration", {"identifier": name, "cardinality": cardinality, "base-type": kind}
    )
    if right:
        extend(made, node("qti-correct-response", {}, *(node("qti-value", {}, one) for one in right)))
    return extend(made, *parts)


def near(given: Element, value: Fraction, tolerance: Fraction, *, is_relative: bool = False) -> Element:
    """Whether a number lies within the tolerance of a value, its limits counted in."""
    if not tolerance:
        return node("qti-equal", {"tolerance-mode": "exact"}, number(value), given)
    margin = tolerance * 100 if is_relative else tolerance
    if "/" not in written(margin) and "/" not in written(value):
        attributes = {
            "tolerance-mode": "relative" if is_relative else "absolute",
            "tolerance": f"{written(margin)} {written(margin)}",
        }
        return node("qti-equal", attributes, number(value), given)
    width = abs(value) * tolerance if is_relative else tolerance
    low = node("qti-gte", {}, given, number(value - width))
    high = node("qti-lte", {}, variable(str(given.get("identifier"))), number(value + width))
    return node("qti-and", {}, low, high)
