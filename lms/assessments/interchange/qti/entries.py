"""Asks that are answered in words and numbers, as interactions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.qti import marking
from lms.assessments.interchange.qti.marking import Marking, base, declaration, variable
from lms.assessments.interchange.qti.parts import Shelf, decimal, number
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items import Ask
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.assessments.rules.items.units import converted

ONE, NONE = Fraction(1), Fraction(0)
Json = Mapping[str, Any]


@dataclass
class Shown:
    """An ask as it is written."""

    interaction: Element
    declarations: list[Element] = field(default_factory=list)
    marking: Marking | None = None
    """None: people mark it."""
    behind: list[Element | str] = field(default_factory=list)
    """What stands behind the interaction, on its line."""


@dataclass
class Pen:
    """What writing an ask needs."""

    shelf: Shelf
    response: str
    outcome: str
    is_inline: bool = False
    """Whether the ask stands in a text."""
    prompt: Element | None = None


def interaction_of(kind: str, pen: Pen, attributes: dict[str, str], *content: Element | str) -> Element:
    """An interaction with its prompt."""
    made = node(f"qti-{kind}-interaction", {"response-identifier": pen.response, **attributes})
    return extend(made, *([pen.prompt] if pen.prompt is not None else []), *content)


def _entry(pen: Pen, attributes: dict[str, str]) -> Element:
    return node("qti-text-entry-interaction", {"response-identifier": pen.response, **attributes})


def text(ask: Ask, pen: Pen) -> Shown:
    """A short answer as a text entry, by a mapping or, where something stands for anything, by patterns."""
    forms = [as_map(one) for one in as_list(ask.key.get("accepted"))]
    keeps_case, marks = bool(ask.key.get("case")), Fraction(ask.marks)
    told = [(str(one["text"]), fraction(one.get("share", "1")) or NONE) for one in forms]
    best = next((_plain(text) for text, share in told if share == 1), "")
    folded = [text if keeps_case else text.casefold() for text, _share in told]
    if any(re.search(r"(?<!\\)\*", text) for text, _share in told):
        tests = [
            (
                node(
                    "qti-pattern-match",
                    {"pattern": _regex(text, keeps_case=keeps_case)},
                    variable(pen.response),
                ),
                number(share * marks),
            )
            for text, share in told
        ]
        made = declaration(pen.response, "single", "string", [best] if "*" not in best else [])
        return Shown(
            _entry(pen, {"expected-length": "30"}),
            [made],
            Marking(marks, "", [marking.chain(pen.outcome, tests)]),
        )
    shares = {
        _plain(text): share
        for (text, share), own in zip(told, folded, strict=True)
        if folded.index(own) == told.index((text, share))
    }
    scale = marking.scale_of(shares.values(), marks)
    mapped = marking.mapping(
        {text: share * scale for text, share in shares.items()}, scale, keeps_case=keeps_case
    )
    made = declaration(pen.response, "single", "string", [best], mapped)
    return Shown(
        _entry(pen, {"expected-length": "30"}),
        [made],
        marking.by_mapping(pen.outcome, pen.response, marks, scale),
    )


def _plain(text: str) -> str:
    return " ".join(text.replace(r"\*", "*").split())


def _regex(text: str, *, keeps_case: bool) -> str:
    """A pattern of ours as a regular expression of XML Schema."""
    made = []
    for piece in re.split(r"(\\\*|\*)", " ".join(text.split())):
        if piece == "*":
            made.append(".*")
            continue
        for sign in piece.replace(r"\*", "*"):
            low, high = sign.lower(), sign.upper()
            is_letter = low != high and len(low) == len(high) == 1 and low.casefold() == high.casefold()
            if is_letter and not keeps_case:
                made.append(f"[{low}{high}]")
            else:
                made.append(f"\\{sign}" if sign in ".^$*+?()[]{}|\\" else sign)
    return "".join(made)


def answers_of(key: Json) -> list[Json]:
    """The answers of a number, the best first."""
    found = [as_map(one) for one in as_list(key.get("answers"))] or [key]
    return sorted(found, key=lambda one: -(fraction(one.get("share", "1")) or NONE))


def number_of(ask: Ask, pen: Pen) -> Shown:
    """A number as a text entry; where the candidate chooses the unit, an inline choice stands beside it."""
    units, marks = as_ids(ask.body.get("units")), Fraction(ask.marks)
    first = answers_of(ask.key)[0]
    value = fraction(first.get("value")) or NONE
    tests = [
        (_near(answer, unit, units, pen), number((fraction(answer.get("share", "1")) or NONE) * marks))
        for answer in answers_of(ask.key)
        for unit in (units if len(units) > 1 else [units[0] if units else ""])
    ]
    right = [written(value)] if "/" not in written(value) else []
    made = [declaration(pen.response, "single", "float", right)]
    behind: list[Element | str] = []
    if len(units) == 1:
        behind += [" ", node("span", {"data-unit": units[0]}, units[0])]
    if len(units) > 1:
        made.append(
            declaration(
                f"{pen.response}_UNIT",
                "single",
                "identifier",
                [f"u{units.index(str(first.get('unit'))) + 1}"],
            )
        )
        choices = [
            node("qti-inline-choice", {"identifier": f"u{n}"}, unit) for n, unit in enumerate(units, 1)
        ]
        behind.append(" ")
        behind.append(
            node(
                "qti-inline-choice-interaction",
                {"response-identifier": f"{pen.response}_UNIT", "shuffle": "false"},
                *choices,
            )
        )
    attributes = {"expected-length": "10", **({"data-unit": units[0]} if len(units) == 1 else {})}
    return Shown(
        _entry(pen, attributes), made, Marking(marks, "", [marking.chain(pen.outcome, tests)]), behind
    )


def _near(answer: Json, unit: str, units: Sequence[str], pen: Pen) -> Element:
    value, tolerance = (fraction(answer.get(name, "0")) or NONE for name in ("value", "tolerance"))
    own = str(answer.get("unit") or "")
    if own and unit and own != unit:
        value = converted(value, own, unit) or NONE
        tolerance = tolerance if answer.get("relative") else converted(tolerance, own, unit) or NONE
    test = marking.near(variable(pen.response), value, tolerance, is_relative=bool(answer.get("relative")))
    if len(units) < 2:
        return test
    chosen = node(
        "qti-match", {}, variable(f"{pen.response}_UNIT"), base("identifier", f"u{units.index(unit) + 1}")
    )
    return node("qti-and", {}, chosen, test)


def slider(ask: Ask, pen: Pen) -> Shown:
    """A value on a scale."""
    scale = {
        f"{name}-bound": decimal(fraction(ask.body.get(side)) or NONE)
        for name, side in (("lower", "low"), ("upper", "high"))
    }
    unit = {"data-unit": str(ask.body["unit"])} if ask.body.get("unit") else {}
    interaction = interaction_of(
        "slider", pen, {**scale, "step": decimal(fraction(ask.body.get("step")) or ONE), **unit}
    )
    value, tolerance = (fraction(ask.key.get(name, "0")) or NONE for name in ("value", "tolerance"))
    made = declaration(pen.response, "single", "float", [written(value)] if "/" not in written(value) else [])
    tests = [(marking.near(variable(pen.response), value, tolerance), number(Fraction(ask.marks)))]
    return Shown(interaction, [made], Marking(Fraction(ask.marks), "", [marking.chain(pen.outcome, tests)]))
