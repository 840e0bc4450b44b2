"""When something opens for a learner: conditions as data, nested, decided without a database.

A condition is one of ``{"all": [...]}``, ``{"any": [...]}``, ``{"done": ref}``, ``{"from": "2026-12-01"}``,
``{"score": ref, "percent": 60}`` and ``{"group": "GP"}``. ``ref`` is the public id of a lecture, a unit or a test. An empty
``all`` holds, an empty ``any`` does not.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _

DEEPEST = 5
MOST = 40
"""Parts of one condition: more than that nobody understands."""

Condition = Mapping[str, Any]
LEAVES = ("done", "from", "score", "group")
GROUPS = ("all", "any")


@dataclass(frozen=True)
class Facts:
    """What is known of one learner on one day."""

    day: date
    """In the programme's zone."""
    group: str = ""
    """The learner's track."""
    done: Collection[str] = frozenset()
    """Public ids of lectures and units that are done."""
    scores: Mapping[str, int] = field(default_factory=dict)
    """Public id of a test → the best result, whole per cent rounded down."""


@dataclass(frozen=True)
class Verdict:
    """A condition with what holds of it, in the same shape."""

    kind: str
    met: bool
    leaf: Condition = field(default_factory=dict)
    parts: tuple["Verdict", ...] = ()


def kind_of(condition: Condition) -> str:
    """Which sort of condition it is. Raises RuleBroken("bad_condition")."""
    found = [name for name in (*GROUPS, *LEAVES) if name in condition]
    if len(found) != 1:
        raise _bad()
    return found[0]


def checked(condition: Any, *, refs: Collection[str], tests: Collection[str], groups: Collection[str]) -> Any:
    """The condition if it is whole and names only what exists. Raises RuleBroken("bad_condition")."""
    if sum(1 for _node in _walk(condition, 1)) > MOST:
        raise _bad()
    for node in _walk(condition, 1):
        kind = kind_of(node)
        value = node[kind]
        extra = {"percent"} if kind == "score" else set()
        if set(node) != {kind} | extra:
            raise _bad()
        if kind == "from":
            _day(value)
        elif kind == "score":
            percent = node["percent"]
            if value not in tests or type(percent) is not int or not 1 <= percent <= 100:
                raise _bad()
        elif (kind == "done" and value not in refs) or (kind == "group" and value not in groups):
            raise _bad()
    return condition


def _walk(condition: Any, depth: int) -> Iterator[Condition]:
    if not isinstance(condition, Mapping) or depth > DEEPEST:
        raise _bad()
    yield condition
    kind = kind_of(condition)
    if kind in GROUPS:
        if not isinstance(condition[kind], list):
            raise _bad()
        for part in condition[kind]:
            yield from _walk(part, depth + 1)


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _bad() from None


def _bad() -> RuleBroken:
    return RuleBroken("bad_condition", _("This condition is not complete. Choose again."))


def verdict(condition: Condition | None, facts: Facts) -> Verdict:
    """What holds of a condition for a learner; no condition always holds."""
    if not condition:
        return Verdict("all", met=True)
    kind = kind_of(condition)
    if kind in GROUPS:
        parts = tuple(verdict(part, facts) for part in condition[kind])
        met = all(part.met for part in parts) if kind == "all" else any(part.met for part in parts)
        return Verdict(kind, met=met, parts=parts)
    value = condition[kind]
    if kind == "done":
        met = value in facts.done
    elif kind == "from":
        met = facts.day >= date.fromisoformat(value)
    elif kind == "score":
        met = facts.scores.get(value, -1) >= condition["percent"]
    else:
        met = facts.group == value
    return Verdict(kind, met=met, leaf=condition)


def leaves(condition: Condition | None) -> Iterator[Condition]:
    """The conditions that are no groups, in their order."""
    if condition:
        yield from (node for node in _walk(condition, 1) if kind_of(node) not in GROUPS)


def needs(condition: Condition | None) -> set[str]:
    """The lectures and units that it waits for."""
    return {leaf["done"] for leaf in leaves(condition) if "done" in leaf}


def tests_in(condition: Condition | None) -> set[str]:
    """The tests whose results it asks for."""
    return {leaf["score"] for leaf in leaves(condition) if "score" in leaf}


def refuse_loop(conditions: Mapping[str, Condition | None]) -> None:
    """Refuse if something would wait for itself, however far around. Raises RuleBroken("release_loop")."""
    waits = {ref: needs(condition) for ref, condition in conditions.items()}
    safe: set[str] = set()
    for start, first in waits.items():
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(first))]
        path = {start}
        while stack:
            ref, rest = stack[-1]
            following = next((one for one in rest if one not in safe), None)
            if following is None:
                stack.pop()
                path.discard(ref)
                safe.add(ref)
            elif following in path:
                raise RuleBroken(
                    "release_loop",
                    _("Then two things would wait for each other, and neither would ever open."),
                )
            else:
                path.add(following)
                stack.append((following, iter(waits.get(following, ()))))


# Editing, one small step at a time


def at_path(condition: Condition, path: Sequence[int]) -> Any:
    """The part of a condition at a path of places. Raises RuleBroken("bad_condition")."""
    node: Any = condition
    for place in path:
        kind = kind_of(node)
        if kind not in GROUPS or not 0 <= place < len(node[kind]):
            raise _bad()
        node = node[kind][place]
    return node


def with_added(condition: Condition | None, path: Sequence[int], part: Condition) -> dict[str, Any]:
    """The condition with one more part in the group at ``path``."""
    whole = _copy(condition or {"all": []})
    group = at_path(whole, path)
    kind = kind_of(group)
    if kind not in GROUPS:
        raise _bad()
    group[kind].append(_copy(part))
    return whole


def with_removed(condition: Condition | None, path: Sequence[int]) -> dict[str, Any] | None:
    """The condition without its part at ``path``; None where nothing is left."""
    whole = _copy(condition or {"all": []})
    if not path:
        return None
    at_path(whole, path)
    group = at_path(whole, path[:-1])
    del group[kind_of(group)][path[-1]]
    return whole if next(leaves(whole), None) or any(_groups_within(whole)) else None


def with_turned(condition: Condition | None, path: Sequence[int]) -> dict[str, Any]:
    """The condition with the group at ``path`` turned from all to any, or back."""
    whole = _copy(condition or {"all": []})
    group = at_path(whole, path)
    kind = kind_of(group)
    if kind not in GROUPS:
        raise _bad()
    group["any" if kind == "all" else "all"] = group.pop(kind)
    return whole


def _groups_within(condition: Condition) -> list[Any]:
    return [part for part in condition[kind_of(condition)] if kind_of(part) in GROUPS]


def _copy(condition: Condition) -> dict[str, Any]:
    kind = kind_of(condition)
    if kind not in GROUPS:
        return dict(condition)
    return {kind: [_copy(part) for part in condition[kind]]}


def renamed(
    condition: Condition | None,
    names: Mapping[str, str],
    *,
    tests: Mapping[str, str] | None = None,
    shift_days: int | None = None,
) -> dict[str, Any] | None:
    """The condition for a copy of a course: what it waits for by its new names; what was not copied is left out.

    ``tests``: those that the copy has too, by their new names. Dates move by ``shift_days``; without it they are left out.
    """
    if not condition:
        return None
    kind = kind_of(condition)
    if kind in GROUPS:
        parts = [
            part
            for one in condition[kind]
            if (part := renamed(one, names, tests=tests, shift_days=shift_days))
        ]
        return {kind: parts} if parts else None
    if kind == "done":
        return {"done": names[condition["done"]]} if condition["done"] in names else None
    if kind == "score":
        here = (tests or {}).get(condition["score"])
        return dict(condition) | {"score": here} if here else None
    if kind == "from":
        return None if shift_days is None else {"from": _moved(condition["from"], shift_days)}
    return dict(condition)


def _moved(day: Any, days: int) -> str:
    try:
        return (_day(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        raise _bad() from None
