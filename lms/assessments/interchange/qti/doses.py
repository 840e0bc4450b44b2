"""Doses: items whose values are drawn and whose right value a formula gives."""

from collections.abc import Mapping
from dataclasses import replace

from lms.assessments.interchange.drafting import Json
from lms.assessments.interchange.qti.conditions import Unclear
from lms.assessments.interchange.qti.declarations import Outcome, Response
from lms.assessments.interchange.qti.formulas import Drawn, drawn_of, formula_of
from lms.assessments.interchange.qti.processing import scoring_of
from lms.assessments.interchange.safexml import Element, child, children, descendants, local, said
from lms.assessments.rules.items import faults
from lms.assessments.rules.items.numbers import written
from lms.assessments.rules.items.units import unit_parts

TRAP = "TRAP"
"""The outcome that names the mistake somebody has made."""


def dose_of(
    item: Element, responses: Mapping[str, Response], outcomes: Mapping[str, Outcome]
) -> tuple[Json, Json] | None:
    """Body (without stem) and key of an item that draws its values and asks for one number; None for any other."""
    if child(item, "templateProcessing") is None:
        return None
    try:
        drawn = drawn_of(item)
        return _dose(item, drawn, responses, outcomes)
    except Unclear:
        return None


def _dose(
    item: Element, drawn: Drawn, responses: Mapping[str, Response], outcomes: Mapping[str, Outcome]
) -> tuple[Json, Json]:
    fields = list(descendants(item, "textEntryInteraction"))
    if len(fields) != 1 or len(drawn.formulas) != 1:
        raise Unclear
    name = next(iter(drawn.formulas))
    if fields[0].get("responseIdentifier") != name or name not in responses:
        raise Unclear
    # The right value is drawn too: a nought stands for it, so that the tolerance shows.
    known = {**responses, name: replace(responses[name], correct=("0",))}
    scoring = scoring_of(item, known, outcomes)
    rule = scoring.parts.get(name, [])
    if scoring.reason or len(rule) != 1 or rule[0][0].kind != "first" or len(rule[0][0].detail) != 1:
        raise Unclear
    test, points = rule[0][0].detail[0]
    if test[0] not in {"correct", "equal"} or (test[0] == "equal" and test[2]):
        raise Unclear
    worth = points * rule[0][1]
    unit = str(fields[0].get("data-unit") or "")
    body: Json = {"units": [unit] if unit and unit_parts(unit) else [], "parameters": drawn.parameters}
    if worth.denominator == 1 and 1 < worth <= 1_000:
        body["marks"] = int(worth)
    key: Json = {
        "formula": drawn.formulas[name],
        "tolerance": written(test[3]) if test[0] == "equal" else "0",
    }
    if test[0] == "equal" and test[4]:
        key["relative"] = True
    if body["units"]:
        key["unit"] = unit
    if name in drawn.rounds:
        key["round"] = drawn.rounds[name]
    if traps := _traps(item, drawn, drawn.rounds.get(name, "")):
        key["traps"] = traps
    if faults(
        "DOSE", {"stem": {"en": " ".join(f"{{{one['name']}}}" for one in drawn.parameters)}, **body}, key
    ):
        raise Unclear
    return body, key


def _traps(item: Element, drawn: Drawn, step: str) -> list[Json]:
    """The mistakes that the processing names."""
    processing = child(item, "responseProcessing")
    found = []
    for rule in descendants(processing, "responseIf", "responseElseIf") if processing is not None else ():
        parts = children(rule)
        if len(parts) != 2 or local(parts[0]) != "equal" or parts[1].get("identifier") != TRAP:
            continue
        given = next((one for one in children(parts[0]) if local(one) != "variable"), None)
        if given is not None:
            if (
                step
                and local(given) == "product"
                and len(inner := list(descendants(given, "divide")))
                and children(inner[0])
            ):
                given = children(inner[0])[0]
            found.append({"name": said(parts[1]), "formula": formula_of(given, drawn.derived)})
    return found
