"""Doses as template processing: each candidate's values are drawn, and what is right is computed from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.qti import marking
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.qti.doses import TRAP
from lms.assessments.interchange.qti.entries import Shown
from lms.assessments.interchange.qti.formulas import expression, rounded
from lms.assessments.interchange.qti.marking import Marking, base, correct, declaration, variable
from lms.assessments.interchange.qti.parts import Cannot, decimal, number
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items import Ask
from lms.assessments.rules.items.formulas import steps
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.assessments.rules.items.units import converted
from lms.core.i18n import _

NONE = Fraction(0)
EXACT = "EXACT"
"""The template variable that holds the value before it is rounded."""


@dataclass
class Dose:
    """A dose as it is written."""

    shown: Shown
    templates: list[Element]
    outcomes: list[Element]
    rules: list[Element]
    names: frozenset[str]


def dose_of(ask: Ask) -> Dose:
    """A dose with its drawn values. Raises Cannot."""
    units, unit = as_ids(ask.body.get("units")), str(ask.key.get("unit") or "")
    if len(units) > 1 or (unit and units and converted(Fraction(1), unit, units[0]) != 1):
        raise Cannot(
            "units", _("The candidate chooses the unit of a drawn value there, and QTI has no like for that.")
        )
    parameters = [as_map(one) for one in as_list(ask.body.get("parameters"))]
    try:
        return _dose(ask, parameters, units)
    except Unclear as problem:
        raise Cannot("formula", _("Its formula cannot be written in QTI.")) from problem


def _dose(ask: Ask, parameters: list[Mapping[str, Any]], units: list[str]) -> Dose:
    names = frozenset(str(one["name"]) for one in parameters)
    if names & {EXACT, TRAP, "RESPONSE", "SCORE"}:
        raise Unclear
    step = str(ask.key.get("round") or "")
    if step and "/" in step:
        raise Unclear
    formula = str(ask.key.get("formula"))
    declared = [
        _declared(name) for name in (*(str(one["name"]) for one in parameters), *([EXACT] if step else []))
    ]
    rules = [_drawn(one) for one in parameters]
    right = expression(formula)
    if step:
        rules.append(node("qti-set-template-value", {"identifier": EXACT}, right))
        right = rounded(variable(EXACT), step)
    rules.append(node("qti-set-correct-response", {"identifier": "RESPONSE"}, right))
    marks = Fraction(ask.marks)
    tests = [(_near(ask, correct("RESPONSE")), number(marks))]
    attributes = {
        "response-identifier": "RESPONSE",
        "expected-length": "10",
        **({"data-unit": units[0]} if units else {}),
    }
    behind: list[Element | str] = [" ", node("span", {"data-unit": units[0]}, units[0])] if units else []
    shown = Shown(
        node("qti-text-entry-interaction", attributes),
        [declaration("RESPONSE", "single", "float")],
        Marking(marks, "", [marking.chain("SCORE", tests)]),
        behind,
    )
    traps = [as_map(one) for one in as_list(ask.key.get("traps"))]
    outcomes = (
        [
            node(
                "qti-outcome-declaration",
                {"identifier": TRAP, "cardinality": "single", "base-type": "string"},
            )
        ]
        if traps
        else []
    )
    templates = [*declared, node("qti-template-processing", {}, *rules)]
    return Dose(shown, templates, outcomes, [_trap(ask, one, step) for one in traps], names)


def _declared(name: str) -> Element:
    return node(
        "qti-template-declaration", {"identifier": name, "cardinality": "single", "base-type": "float"}
    )


def _drawn(parameter: Mapping[str, Any]) -> Element:
    low, step = (fraction(parameter.get(name)) or NONE for name in ("low", "step"))
    count = len(steps(parameter)) - 1
    drawn = node("qti-random-integer", {"min": "0", "max": str(count)})
    value = node(
        "qti-sum",
        {},
        base("float", decimal(low)),
        node("qti-product", {}, base("float", decimal(step)), drawn),
    )
    return node("qti-set-template-value", {"identifier": str(parameter["name"])}, value)


def _near(ask: Ask, right: Element) -> Element:
    tolerance = fraction(ask.key.get("tolerance", "0")) or NONE
    margin = tolerance * 100 if ask.key.get("relative") else tolerance
    mode = "exact" if not tolerance else "relative" if ask.key.get("relative") else "absolute"
    if "/" in written(margin):
        raise Unclear
    limits = {} if mode == "exact" else {"tolerance": f"{written(margin)} {written(margin)}"}
    return node("qti-equal", {"tolerance-mode": mode, **limits}, right, variable("RESPONSE"))


def _trap(ask: Ask, trap: Mapping[str, Any], step: str) -> Element:
    value = expression(str(trap.get("formula")))
    test = _near(ask, rounded(value, step) if step else value)
    told = marking.put(TRAP, base("string", str(trap.get("name"))))
    return node("qti-response-condition", {}, node("qti-response-if", {}, test, told))


def print_variables(paragraph: Element, names: frozenset[str]) -> None:
    """Put what is drawn in the place of ``{name}`` in a paragraph of text and breaks."""
    pieces: list[Element | str] = [paragraph.text or ""]
    for one in list(paragraph):
        tail, one.tail = one.tail or "", None
        paragraph.remove(one)
        pieces += [one, tail]
    paragraph.text = None
    for piece in pieces:
        if not isinstance(piece, str):
            extend(paragraph, piece)
            continue
        for n, part in enumerate(re.split(r"\{([A-Za-z_][A-Za-z0-9_]{0,29})\}", piece)):
            if n % 2 == 0:
                extend(paragraph, part)
            elif part in names:
                extend(paragraph, node("qti-printed-variable", {"identifier": part}))
            else:
                extend(paragraph, f"{{{part}}}")
