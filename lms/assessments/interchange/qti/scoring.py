"""Keys: what a response's part in the score means for an ask of a kind. Raises Unclear where it means nothing here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.interchange.drafting import Json
from lms.assessments.interchange.qti.conditions import Test, Unclear
from lms.assessments.interchange.qti.declarations import Mapped, Response
from lms.assessments.interchange.qti.processing import Part
from lms.assessments.rules.items.numbers import written
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
Rule = Sequence[tuple[Part, Fraction]]


@dataclass
class Scored:
    """How an ask is marked."""

    key: Json
    points: Fraction
    """The most it earns; the shares of the key are parts of it."""
    body: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def costs_more() -> str:
    """What a person should know where a wrong answer costs marks of other questions."""
    return _("A wrong answer takes marks off the rest of the test there; here it earns nothing.")


def only(rule: Rule, *kinds: str) -> tuple[Part, Fraction]:
    """The one part of a rule. Raises Unclear if it is not of these kinds or not the only one."""
    if len(rule) != 1 or rule[0][0].kind not in kinds or rule[0][1] <= 0:
        raise Unclear
    return rule[0]


def _chain(part: Part, factor: Fraction) -> list[tuple[Test, Fraction]]:
    return [(test, points * factor) for test, points in part.detail]


def exact(rule: Rule) -> Fraction:
    """The points of a rule that gives them for the right response and for no other."""
    part, factor = only(rule, "first")
    tests = _chain(part, factor)
    if len(tests) != 1 or tests[0][0][0] != "correct" or tests[0][1] <= 0:
        raise Unclear
    return tests[0][1]


def mapped(response: Response) -> Mapped:
    """The mapping of a response. Raises Unclear if it has none."""
    if response.mapping is None or not response.mapping.entries or (response.mapping.lower or NONE) > 0:
        raise Unclear
    return response.mapping


def _bounded(value: Fraction, found: Mapped) -> Fraction:
    value = value if found.upper is None else min(value, found.upper)
    return value if found.lower is None else max(value, found.lower)


# ---------------------------------------------------------------- one option


def choice(ids: Sequence[str], response: Response, rule: Rule) -> Scored:
    """The key of a single choice: the option that earns most, and what the others earn."""
    points = {one: sum((_single(part, one, response) * factor for part, factor in rule), NONE) for one in ids}
    best = max(points.values(), default=NONE)
    if best <= 0:
        raise Unclear
    correct = [one for one in response.correct if points.get(one) == best]
    right = correct[0] if correct else next(one for one in ids if points[one] == best)
    weights = {
        one: written(max(-ONE, value / best)) for one, value in points.items() if one != right and value
    }
    notes = (
        [costs_more()]
        if any(value < 0 for value in points.values()) and not _has_floor(rule, response)
        else []
    )
    return Scored({"right": right, **({"weights": weights} if weights else {})}, best, notes=notes)


def _has_floor(rule: Rule, response: Response) -> bool:
    lower = response.mapping.lower if response.mapping else None
    return all(part.kind == "map0" or (part.kind == "map" and lower is not None) for part, _factor in rule)


def _single(part: Part, value: str, response: Response) -> Fraction:
    if part.kind in {"map", "map0"}:
        found = mapped(response)
        points = next((one.points for one in found.entries if one.value == value), found.default)
        return _bounded(max(NONE, points) if part.kind == "map0" else points, found)
    if part.kind != "first":
        raise Unclear
    for test, points in part.detail:
        if test[0] not in {"correct", "is"}:
            raise Unclear
        if value == test[2] if test[0] == "is" else (value,) == response.correct:
            return Fraction(points)
    return NONE


# ---------------------------------------------------------------- several options


def multiple(ids: Sequence[str], response: Response, rule: Rule, wanted: str = "") -> Scored:
    """The key of a multiple choice. ``wanted``: the scoring that the item's type has, where it is known."""
    if len(rule) == 1 and rule[0][0].kind == "first" and rule[0][0].detail[0][0][0] in {"correct", "set"}:
        part, factor = rule[0]
        tests = _chain(part, factor)
        right = list(response.correct if tests[0][0][0] == "correct" else tests[0][0][2])
        if len(tests) > 1 or tests[0][1] <= 0 or not right:
            raise Unclear
        return Scored({"right": right}, tests[0][1])
    if rule and all(part.kind == "first" for part, _factor in rule):
        return _weighted(_added(ids, rule), None, ids, wanted=wanted, has_floor=False)
    part, factor = only(rule, "map", "map0", "gate")
    found = mapped(response)
    values = {
        one: next((entry.points for entry in found.entries if entry.value == one), found.default) * factor
        for one in ids
    }
    has_floor = part.kind == "map0" or (part.kind == "gate" and part.detail[0] == "map0") or found.lower == 0
    upper = found.upper * factor if found.upper is not None else None
    if part.kind == "gate":
        return _key_feature(values, upper, part.detail[1], has_floor=has_floor)
    if wanted == "key_feature":
        return _key_feature(values, upper, frozenset(), has_floor=has_floor)
    return _weighted(values, upper, ids, wanted=wanted, has_floor=has_floor)


def _added(ids: Sequence[str], rule: Rule) -> dict[str, Fraction]:
    """Points option by option, where each is tested for itself."""
    values = dict.fromkeys(ids, NONE)
    for part, factor in rule:
        tests = _chain(part, factor)
        if len(tests) != 1 or tests[0][0][0] != "has" or len(tests[0][0][2]) != 1:
            raise Unclear
        name = next(iter(tests[0][0][2]))
        values[name] = values.get(name, NONE) + tests[0][1]
    if set(values) != set(ids):
        raise Unclear
    return values


def _weighted(
    values: Mapping[str, Fraction],
    upper: Fraction | None,
    ids: Sequence[str],
    *,
    wanted: str,
    has_floor: bool,
) -> Scored:
    right = [one for one in ids if values[one] > 0]
    wrong = [values[one] for one in ids if values[one] <= 0]
    whole = sum((values[one] for one in right), NONE)
    most = whole if upper is None else min(whole, upper)
    if not right or most <= 0:
        raise Unclear
    each = values[right[0]]
    is_even = most == whole and all(values[one] == each for one in right)
    notes = [] if has_floor or all(value == 0 for value in wrong) else [costs_more()]
    if is_even and all(value == -each for value in wrong) and (wrong or wanted == "plus_minus"):
        return Scored({"right": right}, most, {"scoring": "plus_minus"}, notes)
    if is_even and wrong and all(value <= -whole for value in wrong):
        return Scored({"right": right}, most, {"scoring": "partial"}, notes)
    shares = {one: value / most for one, value in values.items() if value}
    if any(share > 1 or (share < -1 and most != whole) for share in shares.values()) and any(
        value < 0 for value in wrong
    ):
        raise Unclear
    weights = {one: written(max(-ONE, min(ONE, share))) for one, share in shares.items()}
    return Scored({"weights": weights, "lower": "0"}, most, {"scoring": "weights"}, notes)


def _key_feature(
    values: Mapping[str, Fraction], upper: Fraction | None, must: frozenset[str], *, has_floor: bool
) -> Scored:
    right = [one for one, value in values.items() if value > 0]
    never = [one for one, value in values.items() if value < 0]
    whole = sum((values[one] for one in right), NONE)
    is_even = right and all(values[one] == values[right[0]] for one in right)
    is_barred = all(values[one] <= -whole for one in never) and (has_floor or not never)
    if not is_even or not is_barred or not must <= set(right) or (upper is not None and upper < whole):
        raise Unclear
    key: Json = {"right": right, "must": [one for one in right if one in must], "never": never}
    return Scored(key, whole, {"scoring": "key_feature"})


# ---------------------------------------------------------------- order and pairs


def order(ids: Sequence[str], response: Response, rule: Rule) -> Scored:
    """The key of an ordering: all or nothing, or place by place."""
    if len(rule) == 1 and rule[0][0].kind == "first" and rule[0][0].detail[0][0][0] == "correct":
        return Scored({"order": list(response.correct)}, exact(rule))
    places: dict[int, str] = {}
    points = set()
    for part, factor in rule:
        if part.kind != "first":
            raise Unclear
        for test, earned in _chain(part, factor):
            if len(part.detail) != 1 or test[0] != "at" or test[2] in places:
                raise Unclear
            places[test[2]] = test[3]
            points.add(earned)
    named = [places[n] for n in sorted(places)]
    if len(points) != 1 or sorted(places) != list(range(1, len(ids) + 1)) or sorted(named) != sorted(ids):
        raise Unclear
    return Scored({"order": named}, points.pop() * len(ids), {"scoring": "places"})


Pair = tuple[str, str]


def pairs(
    possible: Sequence[Pair], response: Response, rule: Rule, *, most_given: int | None, is_symmetric: bool
) -> Scored:
    """The key of an association. ``most_given``: how many pairs a candidate can make at most; None: any number."""

    def told(value: str) -> Pair:
        first, _space, second = value.partition(" ")
        pair = (first, second.strip())
        return pair if pair in known or not is_symmetric else (pair[1], pair[0])

    known = set(possible)
    right = [told(value) for value in response.correct]
    if len(rule) == 1 and rule[0][0].kind == "first":
        return Scored({"pairs": [list(pair) for pair in right]}, exact(rule))
    part, factor = only(rule, "map", "map0", "each")
    found = mapped(response)
    values = dict.fromkeys(possible, found.default * factor) if found.default else {}
    values |= {
        told(entry.value): entry.points * factor for entry in found.entries if told(entry.value) in known
    }
    good = [pair for pair, value in values.items() if value > 0]
    whole = sum((values[pair] for pair in good), NONE)
    upper = found.upper * factor if found.upper is not None else whole
    most = min(whole, upper)
    if most <= 0:
        raise Unclear
    is_even = most == whole and all(values[pair] == values[good[0]] for pair in good)
    is_free = all(value >= 0 for value in values.values())
    if part.kind == "each":
        if not is_even or part.detail != len(good) or values[good[0]] != factor or not is_free:
            raise Unclear
        return Scored({"pairs": [list(pair) for pair in good]}, most, {"scoring": "each"})
    if is_even and is_free and most_given is not None and most_given <= len(good):
        return Scored({"pairs": [list(pair) for pair in good]}, most, {"scoring": "each"})
    if any(not -most <= value <= most for value in values.values()):
        raise Unclear
    notes = [] if is_free or part.kind == "map0" or found.lower == 0 else [costs_more()]
    weights = [[*pair, written(value / most)] for pair, value in values.items() if value]
    return Scored({"weights": weights, "lower": "0"}, most, {"scoring": "weights"}, notes)
