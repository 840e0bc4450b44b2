"""Formulas of doses as expressions of template processing, there and back."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.interchange.drafting import Json
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.safexml import Element, child, children, local, node, said
from lms.assessments.rules.items.numbers import fraction, written

_OPERATORS = {ast.Add: "sum", ast.Sub: "subtract", ast.Mult: "product", ast.Div: "divide"}

# ---------------------------------------------------------------- there


def expression(formula: str) -> Element:
    """A formula as an expression. Raises Unclear for one that the other side could not compute alike."""
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise Unclear from problem
    return _node(tree, formula.strip())


def base_value(value: str) -> Element:
    """A number as an expression."""
    return node("qti-base-value", {"base-type": "float"}, value)


def rounded(inner: Element, step: str) -> Element:
    """The multiple of ``step`` next to an expression."""
    nearest = node("qti-round", {}, node("qti-divide", {}, inner, base_value(step)))
    return node("qti-product", {}, nearest, base_value(step))


def _node(tree: ast.expr, source: str) -> Element:
    if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATORS:
        return node(
            f"qti-{_OPERATORS[type(tree.op)]}", {}, _node(tree.left, source), _node(tree.right, source)
        )
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.UAdd):
        return _node(tree.operand, source)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return node("qti-product", {}, base_value("-1"), _node(tree.operand, source))
    if isinstance(tree, ast.Name):
        return node("qti-variable", {"identifier": tree.id})
    if (
        isinstance(tree, ast.Constant)
        and (text := ast.get_source_segment(source, tree))
        and fraction(text) is not None
    ):
        return base_value(text)
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and len(tree.args) == 2
        and not tree.keywords
    ):
        left, right = (_node(one, source) for one in tree.args)
        if tree.func.id in {"min", "max"}:
            return node(f"qti-{tree.func.id}", {}, left, right)
        if tree.func.id == "round" and local(right) == "qti-base-value":
            return rounded(left, said(right))
    raise Unclear


# ---------------------------------------------------------------- back


def formula_of(given: Element, derived: Mapping[str, str] | None = None) -> str:
    """An expression as a formula. ``derived``: template variables that are computed → their formulas. Raises Unclear."""
    return _formula(given, derived or {})[0]


def _formula(given: Element, derived: Mapping[str, str]) -> tuple[str, int]:
    """Formula and how firmly it holds together: 0 sums, 1 products, 2 all else."""
    name, parts = local(given), children(given)
    if name == "baseValue":
        value = fraction(said(given))
        if value is None:
            raise Unclear
        return written(value), 2 if value >= 0 and "/" not in written(value) else 0
    if name == "variable":
        identifier = str(given.get("identifier") or "")
        return (f"({derived[identifier]})", 2) if identifier in derived else (identifier, 2)
    if name == "integerToFloat" and len(parts) == 1:
        return _formula(parts[0], derived)
    if name == "product" and len(parts) == 2 and local(parts[0]) == "round":
        return _rounded(parts, derived)
    if name in {"min", "max"} and len(parts) == 2:
        return f"{name}({_formula(parts[0], derived)[0]}, {_formula(parts[1], derived)[0]})", 2
    signs = {"sum": (" + ", 0), "subtract": (" - ", 0), "product": (" * ", 1), "divide": (" / ", 1)}
    if name not in signs or not parts:
        raise Unclear
    sign, level = signs[name]
    told = []
    for n, part in enumerate(parts):
        text, own = _formula(part, derived)
        is_loose = own < level or (own == level and n and name in {"subtract", "divide"})
        told.append(f"({text})" if is_loose else text)
    return sign.join(told), level if len(told) > 1 else 2


def _rounded(parts: Sequence[Element], derived: Mapping[str, str]) -> tuple[str, int]:
    inner = children(parts[0])
    if len(inner) != 1 or local(inner[0]) != "divide" or local(parts[1]) != "baseValue":
        raise Unclear
    divided = children(inner[0])
    if len(divided) != 2 or local(divided[1]) != "baseValue" or said(divided[1]) != said(parts[1]):
        raise Unclear
    return f"round({_formula(divided[0], derived)[0]}, {said(parts[1])})", 2


@dataclass
class Drawn:
    """An item whose values are drawn."""

    parameters: list[Json] = field(default_factory=list)
    formulas: dict[str, str] = field(default_factory=dict)
    """Response → formula of its right value."""
    rounds: dict[str, str] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)
    """Template variables that are computed and never shown."""


def drawn_of(item: Element) -> Drawn:
    """What an item draws, and the formula of what is right. Raises Unclear for other processing than that."""
    found = Drawn()
    processing = child(item, "templateProcessing")
    shown = {str(one.get("identifier")) for one in item.iter("printedVariable")}
    for rule in children(processing) if processing is not None else []:
        name, parts = str(rule.get("identifier") or ""), children(rule)
        if local(rule) not in {"setTemplateValue", "setCorrectResponse"} or len(parts) != 1:
            raise Unclear
        if local(rule) == "setCorrectResponse":
            _right(found, name, parts[0])
        elif (parameter := _parameter(name, parts[0])) is not None:
            found.parameters.append(parameter)
        elif name in shown:
            raise Unclear
        else:
            found.derived[name] = formula_of(parts[0], found.derived)
    if not found.parameters or not found.formulas:
        raise Unclear
    return found


def _right(found: Drawn, name: str, given: Element) -> None:
    """``round`` stands apart where the exact value has a variable of its own, as our packages write it."""
    parts = children(given)
    if local(given) == "product" and len(parts) == 2 and local(parts[0]) == "round":
        divided = next(iter(children(parts[0])), None)
        inner = children(divided) if divided is not None else []
        if inner and local(inner[0]) == "variable" and inner[0].get("identifier") in found.derived:
            formula_of(given, found.derived)  # its shape is that of a rounding
            found.formulas[name] = found.derived[inner[0].get("identifier")]
            found.rounds[name] = said(parts[1])
            return
    found.formulas[name] = formula_of(given, found.derived)


def _parameter(name: str, given: Element) -> Json | None:
    """``low + step * n`` or a whole number that is drawn; None for what is computed. Raises Unclear."""
    if not any(local(one).startswith("random") for one in given.iter()):
        return None
    line = _linear(given)
    low, high, step = line
    return {"name": name, "low": written(low), "high": written(high), "step": written(step)}


def _linear(given: Element) -> tuple[Fraction, Fraction, Fraction]:
    name, parts = local(given), children(given)
    if name == "randomInteger":
        low, high, step = (
            fraction(given.get(one) or default) for one, default in (("min", "0"), ("max", ""), ("step", "1"))
        )
        if low is None or high is None or not step or step < 0:
            raise Unclear
        return low, high, step
    if name == "integerToFloat" and len(parts) == 1:
        return _linear(parts[0])
    if name in {"sum", "product"} and len(parts) == 2:
        constant, other = parts if local(parts[0]) == "baseValue" else (parts[1], parts[0])
        value = fraction(said(constant)) if local(constant) == "baseValue" else None
        if value is None or (name == "product" and value <= 0):
            raise Unclear
        low, high, step = _linear(other)
        return (
            (low + value, high + value, step) if name == "sum" else (low * value, high * value, step * value)
        )
    raise Unclear
