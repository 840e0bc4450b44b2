"""Numbers, scales and doses as questions of Moodle."""

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.moodle_parts import Cannot, Page
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items.formulas import steps
from lms.assessments.rules.items.numbers import fraction, places, written
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.assessments.rules.items.units import converted
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
MOST_ROWS = 100
Json = Mapping[str, Any]


def decimal(value: Fraction) -> str:
    """A number as Moodle writes it. Raises Cannot where no decimal number is exactly it."""
    text = written(value)
    if "/" in text:
        raise Cannot("not_decimal", _("One of its numbers is no decimal number, and Moodle knows no others."))
    return text


def number(draft: Draft, page: Page) -> Element:
    """A number with its tolerance and its units, as a numerical question."""
    units = as_ids(draft.body.get("units"))
    answers = [as_map(one) for one in as_list(draft.key.get("answers"))] or [draft.key]
    base = str(answers[0].get("unit") or (units[0] if units else ""))
    if base and base not in units:
        base = units[0]
    made = node("question", {"type": "numerical"})
    for one in sorted(answers, key=lambda own: -(fraction(own.get("share", "1")) or NONE)):
        value, tolerance = (fraction(one.get(name, "0")) or NONE for name in ("value", "tolerance"))
        own = str(one.get("unit") or "")
        if own and own != base:
            value = converted(value, own, base) or NONE
            tolerance = tolerance if one.get("relative") else converted(tolerance, own, base) or NONE
        relative = {"relative": written(tolerance)} if one.get("relative") else {}
        margin = abs(value) * tolerance if one.get("relative") else tolerance
        extend(
            made,
            page.plain_answer(
                decimal(value),
                fraction(one.get("share", "1")) or NONE,
                node("tolerance", {}, decimal(margin)),
                **relative,
            ),
        )
    return extend(made, *_units(units, base))


def _units(units: list[str], base: str) -> list[Element]:
    """The units with their factors; the base comes first."""
    told = []
    for unit in [base, *(one for one in units if one != base)] if base else []:
        times = converted(ONE, base, unit) or ONE
        is_exact = places(times) is not None
        exact = {} if is_exact else {"data-multiplier": written(times)}
        multiplier = written(times) if is_exact else f"{times.numerator / times.denominator:.10g}"
        told.append(node("unit", exact, node("multiplier", {}, multiplier), node("unit_name", {}, unit)))
    showing = [node("unitgradingtype", {}, "2" if len(units) > 1 else "0"), node("unitpenalty", {}, "1.0")]
    showing.append(node("showunits", {}, ("1" if len(units) > 1 else "0") if units else "3"))
    return [*([node("units", {}, *told)] if told else []), *showing]


def slider(draft: Draft, page: Page) -> Element:
    """A scale, as a numerical question that tells our own reader of its ends."""
    page.loses("type", _("Moodle has no scale to be moved; it asks for a number."))
    scale = {
        f"data-{name}": str(draft.body[name])
        for name in ("low", "high", "step", "unit")
        if draft.body.get(name)
    }
    value, tolerance = (fraction(draft.key.get(name, "0")) or NONE for name in ("value", "tolerance"))
    made = node("question", {"type": "numerical", **scale})
    return extend(
        made,
        page.plain_answer(decimal(value), ONE, node("tolerance", {}, decimal(tolerance))),
        node("showunits", {}, "3"),
    )


def dose(draft: Draft, page: Page) -> Element:
    """A dose, as a calculated question with a data set for each value that is drawn. Raises Cannot."""
    units, key = as_ids(draft.body.get("units")), draft.key
    unit = str(key.get("unit") or (units[0] if units else ""))
    if len(units) > 1 or (units and unit != units[0]):
        raise Cannot(
            "units", _("The candidate chooses the unit of a drawn value, and Moodle has no like for that.")
        )
    formula, step = str(key["formula"]), str(key.get("round") or "")
    try:
        told = _moodle(formula)
        told = f"round(({told})/{decimal(fraction(step) or ONE)})*{step}" if step else told
    except (SyntaxError, ValueError) as problem:
        raise Cannot("formula", _("Its formula cannot be written in Moodle.")) from problem
    tolerance = node("tolerance", {}, decimal(fraction(key.get("tolerance", "0")) or NONE))
    kind = node("tolerancetype", {}, "1" if key.get("relative") else "2")
    shown = [node("correctanswerformat", {}, "1"), node("correctanswerlength", {}, "3")]
    own = {"formula": formula, **({"round": step} if step else {})}
    made = node(
        "question", {"type": "calculated"}, page.plain_answer(told, ONE, tolerance, kind, *shown, **own)
    )
    extend(made, *_units(units, unit))
    if traps := as_list(key.get("traps")):
        page.loses("traps", _("Moodle does not name the mistake behind a wrong dose."))
        extend(
            made,
            *(
                node("trap", {"data-formula": str(as_map(one).get("formula"))}, str(as_map(one).get("name")))
                for one in traps
            ),
        )
    parameters = [as_map(one) for one in as_list(draft.body.get("parameters"))]
    return extend(
        made, node("dataset_definitions", {}, *(_dataset(one, n) for n, one in enumerate(parameters)))
    )


def _moodle(formula: str) -> str:
    """A formula of ours as Moodle reads it. Raises SyntaxError, ValueError."""
    tree = ast.parse(formula.strip(), mode="eval")

    class Named(ast.NodeTransformer):
        def visit_Name(self, found: ast.Name) -> ast.AST:
            return found if found.id in {"min", "max", "round"} else ast.Name(f"__{found.id}__", found.ctx)

        def visit_Call(self, found: ast.Call) -> ast.AST:
            self.generic_visit(found)
            if isinstance(found.func, ast.Name) and found.func.id == "round" and len(found.args) == 2:
                inner = ast.Call(found.func, [ast.BinOp(found.args[0], ast.Div(), found.args[1])], [])
                return ast.BinOp(inner, ast.Mult(), found.args[1])
            return found

    told = ast.unparse(ast.fix_missing_locations(Named().visit(tree)))
    return re.sub(r"__([A-Za-z_]\w*?)__", r"{\1}", told)


def _dataset(parameter: Json, shift: int) -> Element:
    """The values that Moodle draws from: all there are, or a hundred spread over them."""
    values = steps(parameter)
    count = min(MOST_ROWS, len(values))
    chosen = [
        values[(n * (len(values) - 1) // max(1, count - 1) + shift * 7) % len(values)] for n in range(count)
    ]
    step = fraction(parameter.get("step")) or ONE
    low = values[0]
    decimals = max(places(one) or 0 for one in (low, step))

    def told(name: str, text: str) -> Element:
        return node(name, {}, node("text", {}, text))

    items = [
        node("dataset_item", {}, node("number", {}, str(n)), node("value", {}, written(one)))
        for n, one in enumerate(chosen, 1)
    ]
    return node(
        "dataset_definition",
        {"data-step": written(step)},
        told("status", "private"),
        told("name", str(parameter["name"])),
        node("type", {}, "calculated"),
        told("distribution", "uniform"),
        told("minimum", written(low)),
        told("maximum", str(parameter["high"])),
        told("decimals", str(decimals)),
        node("itemcount", {}, str(count)),
        node("dataset_items", {}, *items),
        node("number_of_items", {}, str(count)),
    )
