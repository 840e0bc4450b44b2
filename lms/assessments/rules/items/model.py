"""The key of an ask, put as the response that earns everything: for results, reviewers and tests."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.doses import is_near, right_value
from lms.assessments.rules.items.formulas import BadFormula, rounded
from lms.assessments.rules.items.numbers import MOST_PLACES, fraction, written
from lms.assessments.rules.items.numeric import answers_of
from lms.assessments.rules.items.pairing import is_within
from lms.assessments.rules.items.shape import as_ids, as_list, as_map, is_whole
from lms.assessments.rules.items.units import converted

Json = Mapping[str, Any]


def model_response(kind: str, body: Json, key: Json, drawn: Mapping[str, Fraction]) -> dict[str, Any]:
    """A response that earns all the marks, as far as the key names one; empty for places and where people mark."""
    if kind == "choice":
        panel = as_map(key.get("panel"))
        return {"choice": max(panel, key=lambda one: panel[one]) if panel else key.get("right")}
    if kind == "multiple":
        return {"choices": _choices(body, key)}
    if kind in {"number", "slider"}:
        return _number(body, key, drawn)
    if kind == "text":
        forms = [as_map(one) for one in as_list(key.get("accepted"))]
        return {"text": max(forms, key=_worth).get("text", "")} if forms else {}
    if kind == "order":
        return {"order": as_ids(key.get("order"))}
    if kind == "pairs":
        return {"pairs": _pairs(body, key)}
    return {}


def _worth(part: Json) -> Fraction:
    return fraction(part.get("share", "1")) or Fraction(0)


def _choices(body: Json, key: Json) -> list[str]:
    """The right options; where each has its share, the best ones that may be chosen together."""
    if body.get("scoring") != "weights":
        return as_ids(key.get("right"))
    shares = {name: fraction(share) or Fraction(0) for name, share in as_map(key.get("weights")).items()}
    best = sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])
    limit = body.get("limit")
    return best[:limit] if is_whole(limit, 1, len(best)) else best


def _pairs(body: Json, key: Json) -> list[list[str]]:
    """The right pairs; where each has its share, the best ones that may stand together."""
    if body.get("scoring") != "weights":
        return [as_ids(one) for one in as_list(key.get("pairs"))]
    entries = [as_list(one) for one in as_list(key.get("weights"))]
    shares = [((one[0], one[1]), fraction(one[2]) or Fraction(0)) for one in entries if len(one) == 3]
    found: list[tuple[str, str]] = []
    for pair, share in sorted(shares, key=lambda entry: -entry[1]):
        if share > 0 and is_within(body, [*found, pair]):
            found.append(pair)
    return [list(pair) for pair in found]


def _number(body: Json, key: Json, drawn: Mapping[str, Fraction]) -> dict[str, Any]:
    answer: Json = key
    try:
        value = right_value(key, drawn) if "formula" in key else None
    except BadFormula:
        return {}
    if value is None:
        answers = answers_of(key)
        answer = max(answers, key=_worth) if answers else {}
        value = fraction(answer.get("value"))
    if value is None:
        return {}
    unit, units = str(answer.get("unit") or ""), as_ids(body.get("units"))
    if unit and units and unit not in units:
        value, unit = converted(value, unit, units[0]) or value, units[0]
    return {"number": _typed(value, answer), **({"unit": unit} if unit else {})}


def _typed(value: Fraction, answer: Json) -> str:
    """The shortest decimal number within the tolerance that looks like the value."""
    for count in range(MOST_PLACES + 1):
        near = rounded(value, Fraction(1, 10**count))
        if near == value:
            return written(near)
    short = (rounded(value, Fraction(1, 10**count)) for count in range(3, MOST_PLACES + 1))
    return next((written(near) for near in short if is_near(near, value, answer)), written(value))
