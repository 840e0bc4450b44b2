"""Responses: read into their canonical form, from a client or from a plain form, and the share that each earns."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.asks import Ask
from lms.assessments.rules.items.kinds import KINDS
from lms.assessments.rules.items.numeric import trap_in
from lms.assessments.rules.items.pairing import overused, rows_of
from lms.assessments.rules.items.shape import option_ids
from lms.core.i18n import _, _n, pick

Json = Mapping[str, Any]
LONGEST_RESPONSE = 65_536
"""Characters of a canonical response as JSON."""


def read_response(ask: Ask, raw: Any) -> dict[str, Any] | None:
    """The canonical response of what a client sent for an ask; None: malformed. Never raises.

    Equal answers have equal canonical responses: choices and pairs in the order of the body, whatever order they came in.
    """
    if ask.kind not in KINDS or not isinstance(raw, Mapping):
        return None
    found = KINDS[ask.kind].read(ask.body, raw)
    if found is None or len(json.dumps(found, ensure_ascii=False)) > LONGEST_RESPONSE:
        return None
    return found


def is_answered(response: Json | None) -> bool:
    """Whether a response of any kind says something."""
    said = [value for name, value in (response or {}).items() if name not in {"unit", "name"}]
    return any(value.strip() if isinstance(value, str) else value for value in said)


def share(ask: Ask, response: Json | None, drawn: Mapping[str, Fraction] | None = None) -> Fraction | None:
    """The exact part, from 0 to 1, of the ask's marks that a response earns; None: people mark it. No answer earns 0.

    ``drawn``: the values of a dose calculation in this sitting.
    """
    return KINDS[ask.kind].share(ask.body, ask.key, response or {}, drawn or {})


def trap_of(ask: Ask, response: Json | None, drawn: Mapping[str, Fraction] | None = None) -> str | None:
    """The name of the dangerous mistake that a wrong number shows (a tenfold dose, µg for mg); None for any other answer."""
    return trap_in(ask.key, response or {}, drawn or {}) if ask.kind == "number" else None


def from_fields(ask: Ask, slot: int, values: Callable[[str], list[str]]) -> dict[str, Any] | None:
    """What a plain form says for an ask, as a client would send it; None where the form does not hold it.

    ``values``: name of a field → what was sent for it. Names: templates/_macros/items.html.
    """
    name = f"slot-{slot}"
    first = (values(name) or [""])[0]
    body = ask.body
    if ask.kind == "choice":
        # A list says by its first line that nothing is chosen any more; of buttons nothing is sent then.
        return {"choice": first or None} if values(name) else None
    if ask.kind == "multiple":
        return {"choices": values(name)} if values(f"{name}-here") else None
    if ask.kind in {"text", "essay"}:
        return {"text": first} if values(name) else None
    if ask.kind in {"number", "slider"}:
        number = values(f"{name}-number")
        unit = (values(f"{name}-unit") or [""])[0]
        return ({"number": number[0], "unit": unit} if unit else {"number": number[0]}) if number else None
    if ask.kind == "order":
        ids = option_ids(body.get("options"))
        places = {one: sent[0] for one in ids if (sent := values(f"{name}-{one}"))}
        if not places:
            return None
        given = sorted((int(place[:4]), one) for one, place in places.items() if _is_whole(place))
        order = [one for _place, one in given]
        # Places that are missing or given twice are no order: they are refused, and shown again as they were.
        is_order = len({place for place, _one in given}) == len(given)
        return {"order": order, "places": places} if is_order else {"order": None, "places": places}
    if ask.kind == "pairs":
        rows = {row: sent for row in rows_of(body) if (sent := values(f"{name}-{row}"))}
        if not rows:
            return None
        pairs = [[row, option] for row, sent in rows.items() for option in sent if option]
        if body.get("symmetric"):  # both rows of a pair say the same
            pairs = [pair for n, pair in enumerate(pairs) if pair[::-1] not in pairs[:n]]
        return {"pairs": pairs, "rows": rows}
    if ask.kind == "point":
        across, down = (values(f"{name}-{axis}") for axis in "xy")
        if not across or not down:
            return None
        return {
            "points": [
                [int(one) if _is_whole(one) else one for one in pair]
                for pair in zip(across, down, strict=False)
                if any(pair)
            ]
        }
    return None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


@dataclass(frozen=True)
class Refused:
    """An answer of a plain form that could not be read, as it was given, with what to do about it."""

    given: Json
    why: str


def read_fields(
    asks: Mapping[int, Ask], values: Callable[[str], list[str]]
) -> tuple[dict[int, dict[str, Any]], dict[int, Refused]]:
    """The answers that a plain form holds, by slot, and those that could not be read."""
    given, refused = {}, {}
    for slot, ask in asks.items():
        raw = from_fields(ask, slot, values)
        if raw is None:
            continue
        response = read_response(ask, raw)
        if response is None:
            refused[slot] = Refused(raw, _why_refused(ask, raw))
        else:
            given[slot] = response
    return given, refused


def _why_refused(ask: Ask, raw: Json) -> str:
    """What a candidate does about it, by the kind of the ask."""
    body = ask.body
    if ask.kind == "multiple":
        most = body.get("limit") or len(option_ids(body.get("options")))
        return _("Too many are chosen. Choose at most %(most)s.", most=most)
    if ask.kind == "order":
        return _("Give each one its place, and no place twice.")
    if ask.kind == "pairs":
        one, most = overused(body, raw["pairs"])
        if what := pick(one.get("zh") or "", one.get("en") or ""):
            return _n(
                "“%(what)s” may be used once. Take it away elsewhere.",
                "“%(what)s” may be used %(num)s times. Take it away elsewhere.",
                most,
                what=what,
            )
        return _("Something is used more often than it may be, or stands beside itself.")
    if ask.kind == "point":
        return _("Give both numbers of a place, inside the picture.")
    if ask.kind == "number":
        return _("Write a number, such as 12.5; the unit is chosen beside it.")
    if ask.kind == "slider":
        low, high, step = (body.get(name) for name in ("low", "high", "step"))
        return _(
            "Write a number from %(low)s to %(high)s in steps of %(step)s.", low=low, high=high, step=step
        )
    return _("This answer is too long or holds characters that cannot be kept.")
