"""A sealed paper as the judgement of an answer needs it: what is asked in each slot, and what has to come before it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lms.assessments.rules.choosing import (
    case_number,
    choice_number,
    choices_of,
    first_of,
    part_number,
    parts_of,
)
from lms.assessments.rules.items import TYPES, Ask, ask_of


@dataclass(frozen=True)
class Paper:
    """What a sealed paper asks, as far as judging an answer needs it: no key."""

    asks: Mapping[int, Ask]
    """Slot → what is asked there."""
    before: Mapping[int, int]
    """Slot → what must be locked before it is shown: the ask before in a serial case, the choice that it belongs to."""
    lockable: frozenset[int]
    """The slots of serial cases, the choices, and the parts that another part follows (see rules.choosing)."""
    choices: Mapping[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    """Number of a choice → how many questions are taken, and the first slots of those there are."""
    parts: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Slot, choice or part → what closes its part, and what must be locked before that part is open (0: nothing)."""

    def closed(self, slot: int, locked: Container[int]) -> str | None:
        """Why nothing can be said at a slot now, ``locked`` or ``not_shown``; None: it is open."""
        end, start = self.parts.get(slot, (0, 0))
        if slot in locked or (end and end in locked):
            return "locked"
        if (start and start not in locked) or (slot in self.before and self.before[slot] not in locked):
            return "not_shown"
        return None


def paper_of(
    slots: Sequence[Mapping[str, Any]], bodies: Mapping[int, tuple[str, Mapping[str, Any]]]
) -> Paper:
    """The paper of a form. ``bodies``: version id → type and body."""
    found: dict[int, Ask] = {}
    before: dict[int, int] = {}
    lockable: set[int] = set()
    choices = choices_of(slots)
    parts: dict[int, tuple[int, int]] = {}
    order = parts_of(slots)
    for slot in slots:
        kind, body = bodies[slot["version"]]
        number, index = int(slot["slot"]), slot.get("ask")
        found[number] = ask_of(kind, body, index)
        if "choice" in slot:
            before[number] = case_number(first_of(slot))
        if TYPES[kind].is_serial:
            lockable.add(number)
            if index:
                before[number] = number - 1
        if "part" in slot:
            place = order.index(slot["part"])
            gates = part_number(slot["part"]), part_number(order[place - 1]) if place else 0
            parts[number] = parts[gates[0]] = gates
            if "choice" in slot:
                parts[choice_number(slot["choice"])] = gates
    lockable |= {*choices, *(part_number(part) for part in order[:-1])}
    return Paper(found, before, frozenset(lockable), choices, parts)
