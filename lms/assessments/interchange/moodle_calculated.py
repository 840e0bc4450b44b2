"""Moodle's calculated questions as doses: their formulas in our grammar, their data sets as drawn values."""

import ast
import re
from collections.abc import Sequence
from fractions import Fraction

from lms.assessments.interchange.drafting import Json
from lms.assessments.interchange.moodle_kinds import Made, as_essay
from lms.assessments.interchange.moodle_texts import Texts, raw, share_of, value
from lms.assessments.interchange.safexml import Element, child, children, counted, said
from lms.assessments.rules.items import faults, formulas
from lms.assessments.rules.items.numbers import number, written
from lms.assessments.rules.items.units import unit_parts
from lms.core.i18n import _

_WILD = re.compile(r"\{([A-Za-z][A-Za-z0-9_ -]{0,28})\}")
_TOKENS = re.compile(r"(?:\s|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])|[A-Za-z_]\w*|[-+*/(),])*+")
_LONGEST = 500
MOST_COMBINATIONS = 2_000
"""Of drawn values that are taken over: a data set of Moodle has a hundred rows at most, and each combination is proven."""
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class _Unfit(Exception):
    """The formula is none of ours."""


def formula_of(text: str) -> str:
    """A formula of Moodle in our grammar: ``{w}`` becomes ``w``, ``round(x, 1)`` rounds to ``0.1``. Raises ValueError."""
    plain = _WILD.sub(lambda found: f" {named(found[1])} ", text).strip()
    if len(plain) > _LONGEST or not _TOKENS.fullmatch(plain):
        raise ValueError(text)
    try:
        return _told(ast.parse(plain, mode="eval").body, plain)[0]
    except (SyntaxError, RecursionError, MemoryError, _Unfit) as problem:
        raise ValueError(text) from problem


def named(wild: str) -> str:
    """The name of a drawn value."""
    return re.sub(r"[ -]", "_", wild)


def _told(tree: ast.expr, source: str) -> tuple[str, int]:
    if isinstance(tree, ast.BinOp) and type(tree.op) in _SIGNS:
        sign = _SIGNS[type(tree.op)]
        level = 0 if sign in "+-" else 1
        (left, first), (right, second) = _told(tree.left, source), _told(tree.right, source)
        left = f"({left})" if first < level else left
        right = f"({right})" if second < level or (second == level and sign in "-/") else right
        return f"{left} {sign} {right}", level
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
        inner, level = _told(tree.operand, source)
        sign = "-" if isinstance(tree.op, ast.USub) else ""
        return f"{sign}{inner}" if level == 2 else f"{sign}({inner})", 0 if sign else 2
    if isinstance(tree, ast.Name):
        return tree.id, 2
    if isinstance(tree, ast.Constant):
        text = ast.get_source_segment(source, tree) or ""
        found = number(text)
        if found is None or "/" in written(found):
            raise _Unfit
        return written(found), 2
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.args and not tree.keywords:
        return _call(tree.func.id, [_told(one, source)[0] for one in tree.args], tree.args), 2
    raise _Unfit


def _call(name: str, told: Sequence[str], parts: Sequence[ast.expr]) -> str:
    if name in {"min", "max"} and len(told) > 1:
        whole = told[0]
        for one in told[1:]:
            whole = f"{name}({whole}, {one})"
        return whole
    if name == "round" and len(told) <= 2:
        places = parts[1].value if len(parts) == 2 and isinstance(parts[1], ast.Constant) else 0
        if (
            type(places) is int
            and 0 <= places <= 9
            and (len(parts) == 1 or isinstance(parts[1], ast.Constant))
        ):
            return f"round({told[0]}, {written(Fraction(1, 10**places))})"
    raise _Unfit


# ---------------------------------------------------------------- questions


def calculated(question: Element, texts: Texts) -> Made:
    """A dose where everything fits, else an essay that a person makes something of."""
    told = [raw(one) for one in children(question, "answer")]
    reason = _("Its formula has no like here: %(formula)s", formula="; ".join(told)[:120])
    if question.get("type") == "calculatedmulti":
        return as_essay(_("Its options are computed there from drawn values; here they have to be written."))
    good = [one for one in children(question, "answer") if share_of(one.get("fraction")) == 1]
    if (
        len(good) != 1
        or len([one for one in children(question, "answer") if share_of(one.get("fraction")) > 0]) != 1
    ):
        return as_essay(reason)
    try:
        formula = str(good[0].get("data-formula") or "") or formula_of(raw(good[0]))
    except ValueError:
        return as_essay(reason)
    used = {named(one) for one in _WILD.findall(raw(child(question, "questiontext")))}
    parameters = _parameters(question, used | set(re.findall(r"[A-Za-z_]\w*", formula)))
    unit = _unit(question)
    margin, reviews = _margin(good[0])
    body: Json = {"units": [unit] if unit else [], "parameters": parameters}
    key: Json = {"formula": formula, **margin, **({"unit": unit} if unit else {})}
    if step := good[0].get("data-round"):
        key["round"] = str(step)
    if traps := [
        {"name": said(one), "formula": str(one.get("data-formula"))} for one in children(question, "trap")
    ]:
        key["traps"] = traps
    stem = texts.read(child(question, "questiontext"))
    renamed = {
        tongue: _WILD.sub(lambda found: f"{{{named(found[1])}}}", words)
        for tongue, words in stem.text.items()
    }
    stem = type(stem)(renamed, stem.media)
    if faults("DOSE", {"stem": stem.text, **body}, key):
        made = as_essay(reason)
        made.stem = stem
        return made
    if _is_coarse(question, parameters):
        texts.album.gathered.notice(
            texts.album.place, "steps", _("Its values are drawn in larger steps here.")
        )
    return Made("DOSE", body, key, stem, reviews)


def _margin(answer: Element) -> tuple[Json, list[str]]:
    tolerance = number(value(answer, "tolerance", "0").replace(",", ".")) or Fraction(0)
    kind = value(answer, "tolerancetype", "1")
    if kind in {"2", "nominal"}:
        return {"tolerance": written(abs(tolerance))}, []
    reviews = (
        [_("Its tolerance is a factor there; here it is a part of the value.")]
        if kind in {"3", "geometric"}
        else []
    )
    return {"tolerance": written(abs(tolerance)), "relative": True}, reviews


def _unit(question: Element) -> str:
    units = child(question, "units")
    names = [value(one, "unit_name") for one in children(units, "unit")] if units is not None else []
    return (
        names[0]
        if len(names) >= 1 and value(question, "showunits") != "3" and unit_parts(names[0]) is not None
        else ""
    )


def _definitions(question: Element) -> list[Element]:
    whole = child(question, "dataset_definitions")
    return children(whole, "dataset_definition") if whole is not None else []


def _parameters(question: Element, wanted: set[str]) -> list[Json]:
    """Each data set as a range with its step; the steps grow until the values can be proven one by one."""
    found = []
    for one in _definitions(question):
        name = named(raw(child(one, "name")) or raw(child(one, "n")))
        low, high = (number(raw(child(one, side)).replace(",", ".")) for side in ("minimum", "maximum"))
        if name not in wanted or low is None or high is None:
            continue
        found.append((name, low, high, _step(one)))
    is_ours = all(one.get("data-step") for one in _definitions(question))
    most = formulas.MOST_COMBINATIONS if is_ours else MOST_COMBINATIONS
    while _combinations([one[1:] for one in found]) > most:
        widest = max(range(len(found)), key=lambda n: (found[n][2] - found[n][1]) / found[n][3])
        name, low, high, step = found[widest]
        found[widest] = (name, low, high, _next(step))
    return [
        {"name": name, "low": written(low), "high": written(high), "step": written(step)}
        for name, low, high, step in found
    ]


def _next(step: Fraction) -> Fraction:
    """The next of 1, 2, 5, 10…"""
    return step * (Fraction(5, 2) if written(step).strip("0.")[:1] == "2" else 2)


def _step(definition: Element) -> Fraction:
    own = number(definition.get("data-step"))
    if own:
        return own
    places = raw(child(definition, "decimals")) or "0"
    return Fraction(1, 10 ** min(9, counted(places)))


def _combinations(ranges: Sequence[tuple[Fraction, Fraction, Fraction]]) -> int:
    whole = 1
    for low, high, step in ranges:
        whole *= max(1, int((high - low) // step) + 1)
    return whole


def _is_coarse(question: Element, parameters: Sequence[Json]) -> bool:
    steps = {
        named(raw(child(one, "name")) or raw(child(one, "n"))): _step(one) for one in _definitions(question)
    }
    return any(number(one["step"]) != steps.get(str(one["name"])) for one in parameters)
