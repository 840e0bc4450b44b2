"""How each kind of ask is checked, how its responses are read, and which share of its marks a response earns.

Every function takes whatever JSON there is and never raises for it: a fault is named, a malformed response is None, and what
is no answer earns nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items import numeric, pairing, places, wording
from lms.assessments.rules.items.numbers import fraction
from lms.assessments.rules.items.shape import (
    Fault,
    as_ids,
    as_list,
    as_map,
    is_whole,
    lower_faults,
    option_faults,
    option_ids,
)
from lms.core.i18n import _

Json = Mapping[str, Any]
Drawn = Mapping[str, Fraction]
NONE, ALL = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Kind:
    """One kind of ask."""

    faults: Callable[[Json, Json], Iterator[Fault]]
    """What is wrong with a body and a key."""
    read: Callable[[Json, Any], dict[str, Any] | None]
    """The canonical response of what a client sent; None: malformed."""
    share: Callable[[Json, Json, Json, Drawn], Fraction | None]
    """From 0 to 1; None: people mark it."""


# ---------------------------------------------------------------- choice

MOST_OPTIONS = 26
MOST_JUDGES = 1_000


def _choice_faults(body: Json, key: Json) -> Iterator[Fault]:
    yield from option_faults(body.get("options"), least=2, most=MOST_OPTIONS)
    ids = option_ids(body.get("options"))
    if "panel" in key:
        panel = as_map(key.get("panel"))
        counts = list(panel.values())
        if (
            not set(panel) <= set(ids)
            or not all(is_whole(one, 0, MOST_JUDGES) for one in counts)
            or not any(counts)
        ):
            yield Fault("panel", "panel", _("Say how many of the panel chose each option."))
        return
    if key.get("right") not in ids:
        yield Fault("right", "no_key", _("The key is not one of the options."))
    if "weights" in key:
        yield from _weight_faults(key, ids)


def _weight_faults(key: Json, ids: list[str]) -> Iterator[Fault]:
    weights = as_map(key.get("weights"))
    values = [fraction(one) for one in weights.values()]
    if not set(weights) <= set(ids) or any(one is None or not -1 <= one <= 1 for one in values):
        yield Fault("weights", "weights", _("The share of each option lies between −1 and 1."))


def _read_choice(body: Json, raw: Any) -> dict[str, Any] | None:
    value = as_map(raw).get("choice", 0)
    if value is None or (isinstance(value, str) and value in option_ids(body.get("options"))):
        return {"choice": value}
    return None


def _share_choice(_body: Json, key: Json, response: Json, _drawn: Drawn) -> Fraction:
    chosen = response.get("choice")
    if not isinstance(chosen, str):
        return NONE
    if "panel" in key:
        counts = {
            name: count for name, count in as_map(key["panel"]).items() if is_whole(count, 1, MOST_JUDGES)
        }
        return Fraction(counts.get(chosen, 0), max(counts.values())) if counts else NONE
    if chosen == key.get("right"):
        return ALL
    return _clipped(fraction(as_map(key.get("weights")).get(chosen)) or NONE)


def _clipped(value: Fraction) -> Fraction:
    return max(NONE, min(ALL, value))


# ---------------------------------------------------------------- multiple

SCORINGS = ("all", "partial", "plus_minus", "key_feature", "weights")


def _multiple_faults(body: Json, key: Json) -> Iterator[Fault]:
    yield from option_faults(body.get("options"), least=2, most=MOST_OPTIONS)
    ids = option_ids(body.get("options"))
    scoring, limit = body.get("scoring", "all"), body.get("limit")
    if scoring not in SCORINGS:
        yield Fault("scoring", "scoring", _("Choose how the marks are given."))
    if limit is not None and not is_whole(limit, 1, max(1, len(ids))):
        yield Fault(
            "limit", "limit", _("The most that may be chosen lies between 1 and the number of options.")
        )
    if scoring == "weights":
        yield from _sum_faults(key, ids, limit if is_whole(limit, 1, len(ids)) else len(ids))
        return
    names = ("right", "must", "never")
    right, must, never = (as_ids(key.get(name)) for name in names)
    if not right or not set(right) <= set(ids) or len(right) != len(as_list(key.get("right"))):
        yield Fault("right", "no_key", _("Mark at least one option as right."))
    if len(set(right)) != len(right):
        yield Fault("right", "key_twice", _("An option stands in the key twice."))
    for name, chosen, among in (("must", must, set(right)), ("never", never, set(ids) - set(right))):
        if not set(chosen) <= among or len(chosen) != len(as_list(key.get(name))):
            yield Fault(
                name, "key_feature", _("What must be chosen is right, and what must never be chosen is not.")
            )
    if is_whole(limit, 1, len(right) - 1):
        yield Fault("limit", "limit", _("Fewer options may be chosen than are right."))


def _sum_faults(key: Json, ids: list[str], limit: int) -> Iterator[Fault]:
    """Shares that are added up: the best that may be chosen together reach 1."""
    wrong = list(_weight_faults(key, ids))
    yield from wrong
    shares = sorted((fraction(one) or NONE for one in as_map(key.get("weights")).values()), reverse=True)
    if not wrong and sum(max(NONE, share) for share in shares[:limit]) < 1:
        yield Fault(
            "weights", "unreachable", _("No answer earns all the marks: the shares do not add up to 1.")
        )
    yield from lower_faults(key)


def _read_multiple(body: Json, raw: Any) -> dict[str, Any] | None:
    value = as_map(raw).get("choices")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return None
    order = option_ids(body.get("options"))
    if len(set(value)) != len(value) or not set(value) <= set(order):
        return None
    limit = body.get("limit")
    if is_whole(limit, 0, len(value) - 1):
        return None
    return {"choices": [one for one in order if one in value]}


def _share_multiple(body: Json, key: Json, response: Json, _drawn: Drawn) -> Fraction:
    chosen, right = set(as_ids(response.get("choices"))), set(as_ids(key.get("right")))
    scoring = body.get("scoring", "all")
    if not chosen:
        return NONE
    if scoring == "weights":
        weights = as_map(key.get("weights"))
        total = sum((fraction(weights.get(one)) or NONE for one in chosen), NONE)
        return _clipped(max(total, fraction(key.get("lower", "0")) or NONE))
    if not right:
        return NONE
    hits, misses = len(chosen & right), len(chosen - right)
    if scoring == "plus_minus":
        return Fraction(max(0, hits - misses), len(right))
    if scoring == "partial":
        return NONE if misses else Fraction(hits, len(right))
    if scoring == "key_feature":
        limit = body.get("limit")
        failed = (
            not set(as_ids(key.get("must"))) <= chosen
            or chosen & set(as_ids(key.get("never")))
            or is_whole(limit, 0, len(chosen) - 1)
        )
        return NONE if failed else Fraction(hits, len(right))
    return ALL if chosen == right else NONE


# ---------------------------------------------------------------- the table


KINDS: Mapping[str, Kind] = {
    "choice": Kind(_choice_faults, _read_choice, _share_choice),
    "multiple": Kind(_multiple_faults, _read_multiple, _share_multiple),
    "number": Kind(numeric.number_faults, numeric.read_number, numeric.share_number),
    "slider": Kind(numeric.slider_faults, numeric.read_slider, numeric.share_slider),
    "text": Kind(wording.short_faults, wording.read_text, wording.share_text),
    "order": Kind(pairing.order_faults, pairing.read_order, pairing.share_order),
    "pairs": Kind(pairing.pair_faults, pairing.read_pairs, pairing.share_pairs),
    "point": Kind(places.point_faults, places.read_points, places.share_points),
    "file": Kind(wording.file_faults, wording.read_file, wording.by_people),
    "essay": Kind(wording.essay_faults, wording.read_essay, wording.by_people),
    "checklist": Kind(
        wording.checklist_faults,
        wording.read_nothing,
        wording.by_people,
    ),
}
