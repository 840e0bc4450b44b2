"""Asks: what is answered and marked by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lms.assessments.rules.items.shape import as_list, as_map, is_whole
from lms.assessments.rules.items.types import TYPES, Type

Json = Mapping[str, Any]
MOST_MARKS = 1_000


@dataclass(frozen=True)
class Ask:
    """One thing that is asked, answered and marked by itself."""

    index: int | None
    """Within its group; None for an item that is one ask."""
    kind: str
    body: Json
    """With the group's options, where they are shared; empty where only the key is at hand to mark."""
    key: Json = field(default_factory=dict)

    @property
    def marks(self) -> int:
        """What it is worth unless a paper says otherwise: as written, else one mark for each right option of a case, the sum of a rubric, or 1."""
        given = self.body.get("marks")
        if is_whole(given, 1, MOST_MARKS):
            return given
        if self.body.get("scoring") == "plus_minus":
            return max(1, len(as_list(self.key.get("right"))))
        lines = as_list(self.key.get("rubric")) or as_list(self.key.get("checklist"))
        total = sum(line["marks"] for line in map(as_map, lines) if type(line.get("marks")) is int)
        return max(1, int(total))


def asks(type_code: str, body: Json, key: Json | None = None) -> tuple[Ask, ...]:
    """The asks of an item with their bodies and, where it is given, their keys. An unknown type is a KeyError."""
    shape, keys = TYPES[type_code], as_map(key)
    if not shape.is_group:
        return (Ask(None, shape.kind, _with_scoring(shape, body), keys),)
    found = []
    of_asks = as_list(keys.get("asks"))
    for index, part in enumerate(map(as_map, as_list(body.get("asks")))):
        whole = {**part, "options": body.get("options")} if shape.shares_options else dict(part)
        kind = shape.kind or str(part.get("kind", ""))
        its_key = as_map(of_asks[index]) if index < len(of_asks) else {}
        found.append(Ask(index, kind, _with_scoring(shape, whole), its_key))
    return tuple(found)


def _with_scoring(shape: Type, body: Json) -> Json:
    return {**body, "scoring": shape.scoring} if shape.scoring else body


def ask_of(type_code: str, body: Json, index: int | None, key: Json | None = None) -> Ask:
    """One ask of an item."""
    return asks(type_code, body, key)[index or 0]
