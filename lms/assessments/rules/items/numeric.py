"""Asks that are answered with a number: measured values, doses with drawn parameters, scales."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.doses import dose_faults, is_near, is_typeable, right_value, trap_near
from lms.assessments.rules.items.formulas import BadFormula, steps
from lms.assessments.rules.items.numbers import fraction, number
from lms.assessments.rules.items.shape import Fault, as_ids, as_list, as_map, is_storable
from lms.assessments.rules.items.units import converted, unit_parts
from lms.core.i18n import _

Json = Mapping[str, Any]
NONE, ALL = Fraction(0), Fraction(1)
MOST_UNITS = 12
MOST_ANSWERS = 20


def number_faults(body: Json, key: Json) -> Iterator[Fault]:
    """A value (or a formula) with a tolerance, in a unit that is known and can be chosen."""
    units = as_ids(body.get("units"))
    if (
        not (body.get("units") is None or isinstance(body.get("units"), list | tuple))
        or len(units) != len(as_list(body.get("units")))
        or len(units) > MOST_UNITS
        or any(unit_parts(unit) is None for unit in units)
    ):
        yield Fault("units", "unit", _("One of the units is not known."))
        return
    if as_list(body.get("parameters")):
        found = [*_tolerance_faults(key, ""), *_unit_faults(key, units, "")]
        yield from found or dose_faults(body, key, units)
        return
    answers = answers_of(key)
    if not 1 <= len(answers) <= MOST_ANSWERS:
        yield Fault("value", "no_key", _("Give the right value."))
        return
    for index, answer in enumerate(answers):
        prefix = f"answers.{index}." if as_list(key.get("answers")) else ""
        yield from _answer_faults(answer, units, prefix)
    if all((_share(answer) or NONE) < 1 for answer in answers):
        yield Fault("share", "unreachable", _("No answer earns all the marks. Give one of them the share 1."))


def answers_of(key: Json) -> list[Json]:
    """The answers that earn something; a key with one answer is that answer."""
    several = as_list(key.get("answers"))
    return [as_map(one) for one in several] if several else ([key] if "value" in key else [])


def _share(answer: Json) -> Fraction | None:
    return fraction(answer.get("share", "1"))


def _answer_faults(answer: Json, units: list[str], prefix: str) -> Iterator[Fault]:
    value = fraction(answer.get("value"))
    if value is None:
        yield Fault(f"{prefix}value", "number", _("Write the value as a decimal number, with a point."))
    share = _share(answer)
    if share is None or not 0 <= share <= 1:
        yield Fault(f"{prefix}share", "weights", _("A share lies between 0 and 1."))
    found = [*_tolerance_faults(answer, prefix), *_unit_faults(answer, units, prefix)]
    yield from found
    if value is not None and not found and not is_typeable(value, answer, units):
        yield Fault(
            f"{prefix}value",
            "not_decimal",
            _("Nobody can type the right value as a decimal number. Round it, or give a tolerance."),
        )


def _tolerance_faults(answer: Json, prefix: str) -> Iterator[Fault]:
    tolerance = fraction(answer.get("tolerance", "0"))
    if tolerance is None or tolerance < 0:
        yield Fault(f"{prefix}tolerance", "tolerance", _("The tolerance is a number, nought or more."))
    elif answer.get("relative") and tolerance >= 1:
        yield Fault(
            f"{prefix}tolerance",
            "tolerance",
            _("A tolerance that is a part of the value is less than 1: 0.05 for 5 per cent."),
        )
    if type(answer.get("relative", False)) is not bool:
        yield Fault(f"{prefix}relative", "tolerance", _("The tolerance is a number, nought or more."))


def _unit_faults(answer: Json, units: list[str], prefix: str) -> Iterator[Fault]:
    unit = answer.get("unit") or ""
    if not isinstance(unit, str) or (unit and unit_parts(unit) is None):
        yield Fault(f"{prefix}unit", "unit", _("One of the units is not known."))
    elif unit and not units:
        yield Fault("units", "unit", _("The right value has a unit: offer it beside the field."))
    elif len(units) > 1 and not unit:
        yield Fault(f"{prefix}unit", "unit", _("Say in which of the units the right value is."))
    elif unit and any(converted(ALL, unit, one) is None for one in units):
        yield Fault(
            f"{prefix}unit",
            "unit",
            _("The units that are offered and that of the key do not measure the same."),
        )


def read_number(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"number", "unit"?}``: a number as it was typed, in one of the offered units; empty takes the answer back.

    A single unit stands beside the field and is not chosen: it becomes part of the response, so that a key alone can mark it.
    """
    given, units = as_map(raw), as_ids(body.get("units"))
    text, unit = given.get("number"), given.get("unit", "")
    if not isinstance(text, str) or not isinstance(unit, str):
        return None
    if not text.strip():
        return {"number": ""}
    unit = unit or (units[0] if len(units) == 1 else "")
    if number(text) is None or (unit and unit not in units):
        return None
    return {"number": text.strip(), "unit": unit} if unit else {"number": text.strip()}


def share_number(_body: Json, key: Json, response: Json, drawn: Mapping[str, Fraction]) -> Fraction:
    """All within the tolerance, after exact conversion of the unit; the best of several answers."""
    if "formula" in key:
        measured = _measured(response, key.get("unit"))
        try:
            is_right = measured is not None and is_near(measured, right_value(key, drawn), key)
        except BadFormula:
            return NONE
        return ALL if is_right else NONE
    best = NONE
    for answer in answers_of(key):
        wanted, measured = fraction(answer.get("value")), _measured(response, answer.get("unit"))
        if wanted is not None and measured is not None and is_near(measured, wanted, answer):
            best = max(best, _share(answer) or NONE)
    return min(ALL, best)


def trap_in(key: Json, response: Json, drawn: Mapping[str, Fraction]) -> str | None:
    """The name of the trap that a wrong dose fell into; None for a right one and for a mistake that nobody foresaw."""
    measured = _measured(response, key.get("unit"))
    if measured is None or share_number({}, key, response, drawn) == ALL:
        return None
    return trap_near(measured, key, drawn)


def _measured(response: Json, wanted: Any) -> Fraction | None:
    """What was answered, in the unit of the key."""
    value, given = number(response.get("number")), response.get("unit")
    if value is None or not wanted:
        return value
    return converted(value, given, str(wanted)) if isinstance(given, str) and given else None


# ---------------------------------------------------------------- a scale


def slider_faults(body: Json, key: Json) -> Iterator[Fault]:
    """A scale, and a value that somebody who moves it can reach."""
    try:
        values = steps(body)
    except BadFormula:
        yield Fault("low", "range", _("Give the lowest and the highest value and the step."))
        return
    unit = body.get("unit") or ""  # words beside the scale ("points"), never converted
    if not isinstance(unit, str) or len(unit) > 40 or not is_storable(unit):
        yield Fault("unit", "unit", _("One of the units is not known."))
    found = [*_tolerance_faults(key, "")]
    yield from found
    value = fraction(key.get("value"))
    if value is None or not values[0] <= value <= values[-1]:
        yield Fault("value", "no_key", _("The right value lies on the scale."))
    elif not found and not any(is_near(step, value, key) for step in values):
        yield Fault("value", "unreachable", _("No step of the scale comes as near as the tolerance."))


def read_slider(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"number"}``: a step of the scale; empty takes the answer back."""
    text = as_map(raw).get("number")
    if not isinstance(text, str):
        return None
    if not text.strip():
        return {"number": ""}
    value, low, high, step = (number(one) for one in (text, *(body.get(name) for name in _SCALE)))
    if value is None or low is None or high is None or step is None or step <= 0:
        return None
    is_step = low <= value <= high and (value - low) % step == 0
    return {"number": text.strip()} if is_step else None


_SCALE = ("low", "high", "step")


def share_slider(_body: Json, key: Json, response: Json, _drawn: Mapping[str, Fraction]) -> Fraction:
    """All within the tolerance."""
    value, right = number(response.get("number")), fraction(key.get("value"))
    return ALL if value is not None and right is not None and is_near(value, right, key) else NONE
