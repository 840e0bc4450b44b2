"""Asks that are answered by putting things in order or together."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

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
Pair = tuple[str, str]
NONE, ALL = Fraction(0), Fraction(1)
MOST = 40
ORDER_SCORINGS = ("all", "pairs", "places")
PAIR_SCORINGS = ("all", "each", "weights")

# ---------------------------------------------------------------- order


def order_faults(body: Json, key: Json) -> Iterator[Fault]:
    """The key holds every option once."""
    yield from option_faults(body.get("options"), least=2, most=MOST)
    if body.get("scoring", "all") not in ORDER_SCORINGS:
        yield Fault("scoring", "scoring", _("Choose how the marks are given."))
    order = as_list(key.get("order"))
    if len(order) > MOST or not _is_all(order, option_ids(body.get("options"))):
        yield Fault("order", "no_key", _("The right order holds every option once."))


def _is_all(order: Sequence[Any], ids: list[str]) -> bool:
    return all(isinstance(one, str) for one in order) and sorted(order) == sorted(ids)


def read_order(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"order": [ids]}`` of all options; empty takes the answer back."""
    value = as_map(raw).get("order")
    if not isinstance(value, list) or len(value) > MOST:
        return None
    return {"order": list(value)} if not value or _is_all(value, option_ids(body.get("options"))) else None


def share_order(body: Json, key: Json, response: Json, _drawn: Mapping[str, Fraction]) -> Fraction:
    """Exactly; or by right neighbours; or by right places."""
    given, right = as_ids(response.get("order")), as_ids(key.get("order"))
    if not right or sorted(given) != sorted(right):
        return NONE
    scoring = body.get("scoring", "all")
    if scoring == "places":
        return Fraction(sum(a == b for a, b in zip(given, right, strict=True)), len(right))
    if scoring == "pairs" and len(right) > 1:
        neighbours = set(itertools.pairwise(right))
        return Fraction(sum(pair in neighbours for pair in itertools.pairwise(given)), len(right) - 1)
    return ALL if given == right else NONE


# ---------------------------------------------------------------- pairs


def rows_of(body: Json) -> list[str]:
    """The ids of what is paired with options; where a pair has no direction, the options themselves."""
    return option_ids(body.get("options" if body.get("symmetric") else "rows"))


def pair_faults(body: Json, key: Json) -> Iterator[Fault]:
    """Rows, options, and pairs of them that a candidate may put together."""
    if type(body.get("symmetric", False)) is not bool:
        yield Fault("symmetric", "symmetric", _("A pair has a direction or it has none."))
    if not body.get("symmetric"):
        yield from option_faults(body.get("rows"), least=1, most=MOST, path="rows")
    yield from option_faults(body.get("options"), least=1, most=MOST)
    for name, default in (("per_row", 1), ("per_option", 0)):
        if not is_whole(body.get(name, default), 0, MOST):
            yield Fault(name, "limit", _("Say how often something may be used; 0: any number of times."))
    scoring = body.get("scoring", "all")
    if scoring not in PAIR_SCORINGS:
        yield Fault("scoring", "scoring", _("Choose how the marks are given."))
    name = "weights" if scoring == "weights" else "pairs"
    if name == "weights":
        yield from lower_faults(key)
    entries = [as_list(one) for one in as_list(key.get(name))]
    yield from _pair_key_faults(body, name, entries)


def _pair_key_faults(body: Json, name: str, entries: list[Sequence[Any]]) -> Iterator[Fault]:
    length = 3 if name == "weights" else 2
    rows, options = set(rows_of(body)), set(option_ids(body.get("options")))
    is_known = all(
        len(one) == length
        and all(isinstance(part, str) for part in one[:2])
        and one[0] in rows
        and one[1] in options
        for one in entries
    )
    if not 1 <= len(entries) <= MOST * MOST or not is_known:
        yield Fault(name, "no_key", _("Say which belong together."))
        return
    ways = [_way(body, (one[0], one[1])) for one in entries]
    if len(set(ways)) != len(ways):
        yield Fault(name, "key_twice", _("A pair stands in the key twice."))
    elif name == "pairs" and not is_within(body, ways):
        yield Fault(name, "limit", _("The key uses something more often than it may be used."))
    if name == "pairs":
        return
    shares = [fraction(one[2]) for one in entries]
    if any(share is None or not -1 <= share <= 1 for share in shares):
        yield Fault(name, "weights", _("The share of each pair lies between −1 and 1."))
    elif sum(max(NONE, share or NONE) for share in shares) < 1:
        yield Fault(name, "unreachable", _("No answer earns all the marks: the shares do not add up to 1."))


def is_within(body: Json, pairs: Sequence[Pair]) -> bool:
    """Whether nothing is used more often than it may be, no pair stands twice, and nothing is paired with itself."""
    per_row, per_option = body.get("per_row", 1), body.get("per_option", 0)
    if len({_way(body, pair) for pair in pairs}) != len(pairs):
        return False
    if body.get("symmetric"):
        used = Counter(one for pair in pairs for one in pair)
        return all(a != b for a, b in pairs) and _at_most(used, per_row)
    return _at_most(Counter(row for row, _option in pairs), per_row) and _at_most(
        Counter(option for _row, option in pairs), per_option
    )


def overused(body: Json, pairs: Sequence[Sequence[str]]) -> tuple[Json, int]:
    """The first option or row that pairs use more often than it may be used, and how often that is; ``({}, 0)``: none."""
    per_row, per_option = body.get("per_row", 1), body.get("per_option", 0)
    options = [as_map(one) for one in as_list(body.get("options"))]
    if body.get("symmetric"):
        sides = [(options, [one for pair in pairs for one in pair], per_row)]
    else:
        rows = [as_map(one) for one in as_list(body.get("rows"))]
        sides = [
            (options, [option for _row, option in pairs], per_option),
            (rows, [row for row, _option in pairs], per_row),
        ]
    for known, used, most in sides:
        counts = Counter(used)
        for one in known:
            if is_whole(most, 1, MOST) and counts[str(one.get("id"))] > most:
                return one, most
    return {}, 0


def _at_most(used: Counter[str], limit: Any) -> bool:
    return not is_whole(limit, 1, MOST) or all(count <= limit for count in used.values())


def _way(body: Json, pair: Pair) -> Pair:
    """A pair without its direction, where it has none."""
    first, second = sorted(pair)
    return (first, second) if body.get("symmetric") else pair


def read_pairs(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"pairs": [[row, option], …]}`` within what may be used; in the order of the rows."""
    value = as_map(raw).get("pairs")
    if not isinstance(value, list) or len(value) > MOST * MOST:
        return None
    rows = {name: place for place, name in enumerate(rows_of(body))}
    options = {name: place for place, name in enumerate(option_ids(body.get("options")))}
    pairs: list[Pair] = []
    for one in value:
        pair = as_ids(one)
        if len(as_list(one)) != 2 or len(pair) != 2 or pair[0] not in rows or pair[1] not in options:
            return None
        turned = bool(body.get("symmetric")) and rows[pair[0]] > rows[pair[1]]
        pairs.append((pair[1], pair[0]) if turned else (pair[0], pair[1]))
    if not is_within(body, pairs):
        return None
    pairs.sort(key=lambda pair: (rows[pair[0]], options[pair[1]]))
    return {"pairs": [list(pair) for pair in pairs]}


def share_pairs(body: Json, key: Json, response: Json, _drawn: Mapping[str, Fraction]) -> Fraction:
    """Exactly these; or by right pairs, less what goes beyond their number and is wrong; or by weights."""
    given = set(_pairs(body, response.get("pairs")))
    if not given:
        return NONE
    scoring = body.get("scoring", "all")
    if scoring == "weights":
        entries = [as_list(one) for one in as_list(key.get("weights"))]
        total = sum((fraction(one[2]) or NONE for one in entries if _hits(body, one, given)), NONE)
        return max(NONE, min(ALL, max(total, fraction(key.get("lower", "0")) or NONE)))
    right = set(_pairs(body, key.get("pairs")))
    if not right:
        return NONE
    hits = len(given & right)
    if scoring == "each":
        surplus = max(0, len(given) - len(right))
        return Fraction(max(0, hits - surplus), len(right))
    return ALL if given == right else NONE


def _pairs(body: Json, value: Any) -> Iterator[Pair]:
    for one in map(as_ids, as_list(value)):
        if len(one) == 2:
            yield _way(body, (one[0], one[1]))


def _hits(body: Json, entry: Sequence[Any], given: set[Pair]) -> bool:
    return len(entry) == 3 and bool(given.intersection(_pairs(body, [entry[:2]])))
