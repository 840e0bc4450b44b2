"""Dose calculations with drawn values: proven over every combination before anybody is asked."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.formulas import (
    FUNCTIONS,
    NAME,
    BadFormula,
    Formula,
    combinations,
    parsed,
    rounded,
    steps,
)
from lms.assessments.rules.items.numbers import MOST_PLACES, fraction, places
from lms.assessments.rules.items.shape import Fault, as_list, as_map
from lms.assessments.rules.items.units import converted, unit_parts
from lms.core.i18n import _

Json = Mapping[str, Any]
Values = Mapping[str, Fraction]
MOST_PARAMETERS = 8
MOST_TRAPS = 12


def is_near(value: Fraction, right: Fraction, answer: Json) -> bool:
    """Whether a value lies within the tolerance of an answer, the limits counted in; ``relative``: a part of the right value."""
    tolerance = fraction(answer.get("tolerance", "0")) or Fraction(0)
    if answer.get("relative"):
        tolerance *= abs(right)
    return abs(value - right) <= tolerance


def is_typeable(value: Fraction, answer: Json, units: Sequence[str]) -> bool:
    """Whether somebody who has only decimals can give a value: one within the tolerance, in one of the units."""
    if fraction(answer.get("tolerance", "0")):
        return True
    wanted = str(answer.get("unit") or "")
    same = [converted(value, wanted, unit) for unit in units] if wanted and units else [value]
    counts = [places(one) for one in same if one is not None]
    return any(count is not None and count <= MOST_PLACES for count in counts)


def right_value(key: Json, drawn: Values) -> Fraction:
    """The right value for what was drawn. Raises BadFormula."""
    return _rounded(parsed(_formula(key)).value(drawn), key)


def trap_value(trap: Json, key: Json, drawn: Values) -> Fraction:
    """What somebody who makes this mistake arrives at, rounded as the right value is. Raises BadFormula."""
    return _rounded(parsed(_formula(trap)).value(drawn), key)


def _formula(part: Json) -> str:
    text = part.get("formula")
    return text if isinstance(text, str) else ""


def _rounded(value: Fraction, key: Json) -> Fraction:
    step = fraction(key.get("round"))
    return value if step is None else rounded(value, step)


# ---------------------------------------------------------------- what is wrong


def dose_faults(body: Json, key: Json, units: Sequence[str]) -> Iterator[Fault]:
    """Every combination has one right value, above nought and typeable, and no trap comes near it."""
    parameters = [as_map(one) for one in as_list(body.get("parameters"))]
    found = [*_parameter_faults(parameters), *_key_faults(key, {str(one.get("name")) for one in parameters})]
    yield from found
    if not found:
        yield from _proof(parameters, key, units)


def _parameter_faults(parameters: Sequence[Json]) -> Iterator[Fault]:
    if len(parameters) > MOST_PARAMETERS:
        yield Fault("parameters", "parameters", _("Draw %(most)s values at most.", most=MOST_PARAMETERS))
        return
    taken: set[str] = set(FUNCTIONS)
    for index, parameter in enumerate(parameters):
        name, place = parameter.get("name"), f"parameters.{index}"
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in taken:
            yield Fault(
                f"{place}.name", "parameter_name", _("Each value that is drawn has a name of Latin letters.")
            )
        taken.add(str(name))
        unit = parameter.get("unit")
        if unit and (not isinstance(unit, str) or unit_parts(unit) is None):
            yield Fault(f"{place}.unit", "unit", _("One of the units is not known."))
        try:
            steps(parameter)
        except BadFormula:
            yield Fault(place, "range", _("Give the lowest and the highest value and the step."))


def _key_faults(key: Json, names: set[str]) -> Iterator[Fault]:
    if not _reads(_formula(key), names):
        yield Fault("formula", "formula", _cannot_be_read())
    step = fraction(key.get("round"))
    if key.get("round") is not None and (step is None or step <= 0):
        yield Fault("round", "round", _("Values are rounded to a step above nought."))
    traps = as_list(key.get("traps"))
    if len(traps) > MOST_TRAPS:
        yield Fault("traps", "traps", _("Name %(most)s traps at most.", most=MOST_TRAPS))
        return
    for index, trap in enumerate(map(as_map, traps)):
        if not isinstance(trap.get("name"), str) or not trap["name"].strip():
            yield Fault(f"traps.{index}.name", "trap_name", _("Each trap has a name."))
        if not _reads(_formula(trap), names):
            yield Fault(f"traps.{index}.formula", "formula", _cannot_be_read())


def _reads(text: str, names: set[str]) -> bool:
    try:
        formula: Formula = parsed(text)
    except BadFormula:
        return False
    return formula.names <= names


def _cannot_be_read() -> str:
    return _(
        "The formula cannot be computed for every value: names, numbers, + − * / ( ), min, max, round(a, step)."
    )


def _proof(parameters: Sequence[Json], key: Json, units: Sequence[str]) -> Iterator[Fault]:
    traps = [as_map(one) for one in as_list(key.get("traps"))]
    sound = dict(enumerate(traps))
    place = "formula"
    try:
        for drawn in combinations(parameters):
            place = "formula"
            right = right_value(key, drawn)
            if right <= 0:
                yield Fault(
                    place, "not_positive", _("The formula does not always give a value above nought.")
                )
                return
            if not is_typeable(right, key, units):
                yield Fault(
                    place,
                    "not_decimal",
                    _("Nobody can type the right value as a decimal number. Round it, or give a tolerance."),
                )
                return
            for index, trap in list(sound.items()):
                place = f"traps.{index}.formula"
                if is_near(trap_value(trap, key, drawn), right, key):
                    yield Fault(place, "trap", _("A trap comes as near as the tolerance to the right value."))
                    del sound[index]
    except BadFormula as problem:
        if "combinations" in str(problem):
            yield Fault(
                "parameters",
                "combinations",
                _("The values can be drawn in more than 20,000 ways. Take larger steps."),
            )
        else:
            yield Fault(place, "formula", _cannot_be_read())


# ---------------------------------------------------------------- what an answer shows


def trap_near(value: Fraction, key: Json, drawn: Values) -> str | None:
    """The name of the trap whose value an answer comes near, for the report of dangerous mistakes; None for none."""
    for trap in map(as_map, as_list(key.get("traps"))):
        try:
            if is_near(value, trap_value(trap, key, drawn), key):
                return str(trap.get("name", ""))
        except BadFormula:
            continue
    return None
