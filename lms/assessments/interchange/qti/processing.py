"""Response processing, read as what it means: a sum of what each response earns, or a reason why it has no like here.

The rules are computed with signs in the place of responses. What comes out for the score is a sum of parts, each of one
response (``Part``) with a factor. The templates of the standard and all that is written out to the same effect give the same
parts; for anything else the reason is told, and a person looks at the item.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.qti.conditions import (
    Condition,
    Operands,
    Test,
    Unclear,
    condition_of,
)
from lms.assessments.interchange.qti.declarations import Outcome, Response
from lms.assessments.interchange.safexml import Element, child, children, local, said
from lms.assessments.rules.items.numbers import fraction
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
CONSTANT = ("", "")


@dataclass(frozen=True)
class Part:
    """What one response earns."""

    kind: str
    """``map``, ``map0`` (not below nought), ``point``, ``first`` (the points of the first test that holds), ``each`` (one for each
    right pair, one off for each beyond their number), ``gate`` (the mapping, if all of ``detail`` are chosen)."""
    response: str
    detail: Any = ()

    def __post_init__(self) -> None:
        hash(self)


Sum = Mapping[Any, Fraction]
"""Part or CONSTANT → factor."""


@dataclass(frozen=True)
class Scoring:
    """What an item's score is made of."""

    parts: Mapping[str, Sequence[tuple[Part, Fraction]]] = field(default_factory=dict)
    """Response → its parts."""
    reason: str = ""
    """Why the processing has no like here; empty: it has."""
    is_human: bool = False
    is_written: bool = False
    """Whether the file says at all how it is marked."""
    notes: tuple[str, ...] = ()


def scoring_of(item: Element, responses: Mapping[str, Response], outcomes: Mapping[str, Outcome]) -> Scoring:
    """How an item is scored."""
    processing = child(item, "responseProcessing")
    score = _score_name(outcomes)
    is_human = bool(score) and outcomes[score].is_human
    if processing is None:
        return Scoring(is_human=is_human, reason="" if is_human else _no_processing())
    if template := str(processing.get("template") or processing.get("templateLocation") or ""):
        if not children(processing):
            return _template(template, responses)
    elif not children(processing):
        return Scoring(is_human=is_human, reason="" if is_human else _no_processing())
    machine = _Machine(responses, outcomes)
    machine.run(children(processing))
    chosen = score if score in machine.state else _only_assigned(machine, outcomes)
    value = machine.state.get(chosen)
    if isinstance(value, Unclear) or value is None or (chosen not in machine.assigned):
        if is_human and chosen not in machine.assigned:
            return Scoring(is_human=True)
        return Scoring(reason=_no_like(), is_human=is_human, is_written=True)
    if value.get(CONSTANT, NONE):
        return Scoring(reason=_no_like(), is_written=True)
    parts: dict[str, list[tuple[Part, Fraction]]] = {}
    for part, factor in value.items():
        if part != CONSTANT and factor:
            parts.setdefault(part.response, []).append((part, factor))
    return Scoring(parts, notes=tuple(machine.operands.notes))


def _no_like() -> str:
    return _(
        "Its marks are given by rules of its own that have no like here; only its right answer was taken over."
    )


def _no_processing() -> str:
    return _("The file does not say how it is marked; only its right answer was taken over.")


def _score_name(outcomes: Mapping[str, Outcome]) -> str:
    return next((name for name in outcomes if name.upper() == "SCORE"), "")


def _only_assigned(machine: "_Machine", outcomes: Mapping[str, Outcome]) -> str:
    numeric = [
        name
        for name in machine.assigned
        if name not in outcomes or outcomes[name].base in {"float", "integer"}
    ]
    return numeric[0] if len(numeric) == 1 else ""


def _template(address: str, responses: Mapping[str, Response]) -> Scoring:
    name = address.rstrip("/").rpartition("/")[2].lower().removesuffix(".xml").removeprefix("cc2_")
    target = "RESPONSE" if "RESPONSE" in responses else next(iter(responses), "")
    if "RESPONSE" not in responses and len(responses) > 1:
        return Scoring(reason=_no_like())
    parts = {
        "match_correct": Part("first", target, ((("correct", target), ONE),)),
        "map_response": Part("map", target),
        "map_response_point": Part("point", target),
    }
    if name not in parts or not target:
        return Scoring(reason=_no_like())
    return Scoring({target: [(parts[name], ONE)]})


class _Machine:
    """Runs rules with signs in the place of responses."""

    def __init__(self, responses: Mapping[str, Response], outcomes: Mapping[str, Outcome]) -> None:
        self.state: dict[str, Sum | Unclear] = {}
        for name, outcome in outcomes.items():
            default = fraction(outcome.default) if outcome.default else NONE
            self.state[name] = {CONSTANT: default} if default is not None else Unclear()
        self.assigned: dict[str, None] = {}
        self.operands = Operands(responses, outcomes)

    def run(self, rules: Sequence[Element]) -> None:
        """Each rule in turn."""
        for rule in rules:
            name = local(rule)
            if name == "setOutcomeValue":
                self._set(str(rule.get("identifier") or ""), rule)
            elif name == "responseCondition":
                self._condition(rule)
            elif name == "responseProcessingFragment":
                self.run(children(rule))
            else:  # lookups, exits, what is not known
                target = str(rule.get("identifier") or "")
                for one in [target] if target else list(self.state):
                    self._put(one, Unclear())

    def _put(self, name: str, value: Sum | Unclear) -> None:
        self.state[name] = value
        self.assigned[name] = None

    def _set(self, name: str, rule: Element) -> None:
        parts = children(rule)
        try:
            self._put(name, self._value(parts[0]) if parts else {CONSTANT: NONE})
        except Unclear as problem:
            self._put(name, problem)

    def _condition(self, rule: Element) -> None:
        before = dict(self.state)
        branches: list[tuple[Condition | None, dict[str, Sum | Unclear]]] = []
        otherwise = before
        touched: dict[str, None] = {}
        outer, self.assigned = self.assigned, {}
        for branch in children(rule):
            parts = children(branch)
            self.state = dict(before)
            if local(branch) == "responseElse":
                self.run(parts)
                otherwise = self.state
            else:
                self.run(parts[1:])
                branches.append((self._read(parts[0]) if parts else None, self.state))
        touched = self.assigned
        self.assigned = outer
        self.state = before
        for name in touched:
            self._put(
                name,
                _merged([(one, state.get(name, {})) for one, state in branches], otherwise.get(name, {})),
            )

    def _read(self, node: Element) -> Condition | None:
        try:
            return condition_of(node, self.operands)
        except Unclear:
            return None

    # ------------------------------------------------------------ numbers

    def _value(self, node: Element) -> Sum:
        name, parts = local(node), children(node)
        identifier = str(node.get("identifier") or "")
        if name == "baseValue":
            value = fraction(" ".join(said(node).split()))
            if value is None:
                raise Unclear
            return {CONSTANT: value}
        if name == "variable" and identifier in self.state:
            found = self.state[identifier]
            if isinstance(found, Unclear):
                raise found
            return found
        if name in {"mapResponse", "mapResponsePoint"}:
            return {Part("map" if name == "mapResponse" else "point", identifier): ONE}
        if name == "containerSize" and len(parts) == 1 and local(parts[0]) == "variable":
            return {Part("size", str(parts[0].get("identifier") or "")): ONE}
        if name == "integerToFloat" and len(parts) == 1:
            return self._value(parts[0])
        if name in {"sum", "subtract", "product", "divide", "max"} and parts:
            return _ARITHMETIC[name]([self._value(part) for part in parts])
        raise Unclear


def _plus(parts: Sequence[Sum]) -> Sum:
    whole: dict[Any, Fraction] = {}
    for part in parts:
        for one, factor in part.items():
            whole[one] = whole.get(one, NONE) + factor
    return {one: factor for one, factor in whole.items() if factor}


def _times(value: Sum, factor: Fraction) -> Sum:
    return {one: own * factor for one, own in value.items() if own * factor}


def _minus(parts: Sequence[Sum]) -> Sum:
    return _plus([parts[0], *(_times(part, -ONE) for part in parts[1:])])


def _constant(value: Sum) -> Fraction | None:
    return value.get(CONSTANT, NONE) if not set(value) - {CONSTANT} else None


def _product(parts: Sequence[Sum]) -> Sum:
    whole: Sum = {CONSTANT: ONE}
    for part in parts:
        left, right = _constant(whole), _constant(part)
        if left is None and right is None:
            raise Unclear
        whole = _times(part, left) if left is not None else _times(whole, right or NONE)
    return whole


def _quotient(parts: Sequence[Sum]) -> Sum:
    below = _constant(parts[1]) if len(parts) == 2 else None
    if not below:
        raise Unclear
    return _times(parts[0], 1 / below)


def _most(parts: Sequence[Sum]) -> Sum:
    """``max(0, …)`` of what one response earns."""
    others = [part for part in parts if _constant(part) != NONE]
    if len(others) != 1 or len(parts) != 2:
        raise Unclear
    found = dict(others[0])
    named = {part.kind: part for part in found if part != CONSTANT}
    if len({part.response for part in named.values()}) != 1:
        raise Unclear
    response = next(iter(named.values())).response
    if set(named) == {"size"} and found[named["size"]] == ONE:
        return {Part("over", response, -found.get(CONSTANT, NONE)): ONE}
    if (
        set(named) == {"map", "over"}
        and found[named["map"]] == ONE
        and found[named["over"]] == -ONE
        and CONSTANT not in found
    ):
        return {Part("each", response, named["over"].detail): ONE}
    return _floored(found)


def _floored(value: Sum) -> Sum:
    parts = [part for part in value if part != CONSTANT]
    if len(parts) != 1 or CONSTANT in value or parts[0].kind not in {"map", "map0"} or value[parts[0]] < 0:
        raise Unclear
    return {Part("map0", parts[0].response): value[parts[0]]}


_ARITHMETIC = {"sum": _plus, "subtract": _minus, "product": _product, "divide": _quotient, "max": _most}


# ---------------------------------------------------------------- branches


def _merged(
    branches: Sequence[tuple[Condition | None, Sum | Unclear]], otherwise: Sum | Unclear
) -> Sum | Unclear:
    """The value after a condition: that of the first branch whose condition holds, else ``otherwise``."""
    if isinstance(otherwise, Unclear):
        return otherwise
    result: Sum = otherwise
    for condition, value in reversed(branches):
        if isinstance(value, Unclear):
            return value
        try:
            result = _either(condition, value, result)
        except Unclear as problem:
            return problem
    return result


def _either(condition: Condition | None, value: Sum, otherwise: Sum) -> Sum:
    if _plus([value]) == _plus([otherwise]):
        return otherwise
    if condition is None:
        raise Unclear
    if condition.kind == "not":
        return _either(condition.inner, otherwise, value)
    if condition.kind == "null":
        rest = {
            one: factor
            for one, factor in otherwise.items()
            if one == CONSTANT or one.response != condition.response
        }
        if _plus([value]) == _plus([rest]):  # a response that is not there earns nothing of itself
            return otherwise
        raise Unclear
    if condition.kind == "negative":
        if _constant(value) != NONE:
            raise Unclear
        return _floored(otherwise)
    if condition.kind != "tests":
        raise Unclear
    return _first(condition.response, condition.tests, value, otherwise)


def _first(response: str, tests: Sequence[Test], value: Sum, otherwise: Sum) -> Sum:
    more = _constant(_minus([value, otherwise]))
    if more is not None:
        return _plus([otherwise, {Part("first", response, tuple((test, more) for test in tests)): ONE}])
    chains = [
        part
        for part, factor in otherwise.items()
        if part != CONSTANT and part.kind == "first" and part.response == response and factor == ONE
    ]
    for chain in chains:  # an "else if": the tests before come first
        base = {one: factor for one, factor in otherwise.items() if one != chain}
        more = _constant(_minus([value, base]))
        if more is not None:
            tested = tuple((test, more) for test in tests)
            return _plus([base, {Part("first", response, tested + chain.detail): ONE}])
    difference = _minus([value, otherwise])
    if len(tests) == 1 and tests[0][0] == "has" and len(difference) == 1:
        part, factor = next(iter(difference.items()))
        if part.kind in {"map", "map0"} and part.response == response:
            return _plus([otherwise, {Part("gate", response, (part.kind, tests[0][2])): factor}])
    raise Unclear
