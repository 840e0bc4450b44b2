"""Papers in parts, and questions of which candidates choose some: which slots a candidate has, and what can be earned.

A slot of a sealed form says ``part`` where the paper has several, and ``choice`` and ``take`` where it belongs to questions
of which the candidate answers so many: choose 8 of 11 cases. All questions of a choice are worth the same, so every
candidate can earn the same number of marks, whatever they choose.

What has no slot of its own (a choice, a part) has a number here, so that an operation on it is an operation like any other:
it is appended, numbered and acknowledged as an answer is. Locks carry all of it: a choice is locked with the questions that
were chosen, a part is locked when it is finished.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from lms.core.i18n import _, _n

CASES_FROM, CHOICES_FROM, PARTS_FROM = 10_000, 20_000, 30_000
MOST_PARTS = 9

CHOOSABLE = ("CASE", "A3", "A4", "ESSAY")
"""Types of which candidates may choose: those that have a stem to choose by, and show their asks only afterwards."""

Slot = Mapping[str, Any]


def first_of(slot: Slot) -> int:
    """The first slot of the question that a slot belongs to."""
    return int(slot["slot"]) - int(slot.get("ask") or 0)


def case_number(first: int) -> int:
    """What stands among the locked slots once the question that begins at this slot is chosen for good."""
    return CASES_FROM + first


def choice_number(choice: int) -> int:
    """Under which number a choice is made and locked."""
    return CHOICES_FROM + choice


def part_number(part: int) -> int:
    """Under which number a part is finished."""
    return PARTS_FROM + part


def choices_of(slots: Iterable[Slot]) -> dict[int, tuple[int, tuple[int, ...]]]:
    """Number of a choice → how many of its questions each candidate answers, and the first slots of all of them."""
    found: dict[int, tuple[int, tuple[int, ...]]] = {}
    for slot in slots:
        if "choice" not in slot:
            continue
        number, first = choice_number(slot["choice"]), first_of(slot)
        take, firsts = found.get(number, (int(slot["take"]), ()))
        found[number] = (take, firsts if first in firsts else (*firsts, first))
    return found


def parts_of(slots: Iterable[Slot]) -> list[int]:
    """The parts of a paper in order; none where it is one whole."""
    return sorted({int(slot["part"]) for slot in slots if "part" in slot})


def current_part(slots: Iterable[Slot], locked: Container[int]) -> int | None:
    """The part that is open now; None: the paper is one whole. The last part is never finished but by handing in."""
    parts = parts_of(slots)
    return next((one for one in parts[:-1] if part_number(one) not in locked), parts[-1] if parts else None)


def locked_by(slot: int, body: Mapping[str, Any]) -> set[int]:
    """What a lock that counts closes: its slot, and with a choice the questions that were chosen."""
    chosen = body.get("lock")
    return {slot} | ({case_number(one) for one in chosen} if isinstance(chosen, list) else set())


def administered(slots: Iterable[Slot], locked: Container[int]) -> list[Slot]:
    """The slots that a candidate has: all but the questions of a choice that were not chosen for good."""
    return [slot for slot in slots if "choice" not in slot or case_number(first_of(slot)) in locked]


def maximum(slots: Iterable[Slot]) -> int:
    """The marks that every candidate of a paper can earn, whatever they choose, and whether or not they did."""
    return int(sum(weights(slots).values()))


def weights(slots: Iterable[Slot]) -> dict[int, Fraction]:
    """Slot → its marks as they count in the maximum: of 11 equal cases of which 8 are taken, each counts for 8/11."""
    slots = list(slots)
    choices = choices_of(slots)
    found = {}
    for slot in slots:
        worth = Fraction(slot["marks"])
        if "choice" in slot:
            take, firsts = choices[choice_number(slot["choice"])]
            worth *= Fraction(take, len(firsts))
        found[int(slot["slot"])] = worth
    return found


def ask_counts(slots: Iterable[Slot]) -> tuple[int, int]:
    """The fewest and the most asks that a candidate of a paper can come to have."""
    slots = list(slots)
    fewest = most = sum("choice" not in slot for slot in slots)
    for take, firsts in choices_of(slots).values():
        sizes = sorted(sum(first_of(slot) == first for slot in slots) for first in firsts)
        fewest, most = fewest + sum(sizes[:take]), most + sum(sizes[-take:])
    return fewest, most


def read_choice(given: object, choice: tuple[int, tuple[int, ...]]) -> list[int] | None:
    """The questions of a choice that an operation names, in their order; None where it names others, or one twice."""
    if not isinstance(given, list) or any(type(one) is not int for one in given):
        return None
    if len(set(given)) != len(given) or not set(given) <= set(choice[1]):
        return None
    return [one for one in choice[1] if one in given]


def too_many(take: int, total: int) -> str:
    """What somebody reads who wants more questions than they may choose."""
    return _n(
        "Choose %(num)s of these %(total)s, no more. To take another one, put one back first.",
        "Choose %(num)s of these %(total)s, no more. To take another one, put one back first.",
        take,
        total=total,
    )


def too_few(chosen: int, take: int) -> str:
    """What somebody reads who wants to settle a choice that is not whole."""
    return _(
        "You have chosen %(chosen)s of %(take)s. Choose %(take)s, then confirm.", chosen=chosen, take=take
    )


def unconfirmed(slots: Sequence[Slot], locked: Container[int]) -> list[str]:
    """What a candidate should know before leaving the part that is open: choices in it that are not confirmed."""
    part, numbers = current_part(slots, locked), choices_of(slots)
    here = {choice_number(slot["choice"]) for slot in slots if "choice" in slot and slot.get("part") == part}
    return [
        _(
            "You have not confirmed which %(take)s of the %(total)s cases you answer. As it stands, none of them counts.",
            take=numbers[number][0],
            total=len(numbers[number][1]),
        )
        for number in sorted(here)
        if number not in locked
    ]


def unopened(slots: Sequence[Slot], locked: Container[int]) -> list[str]:
    """What a candidate should know before handing in: parts that are not open yet."""
    part = current_part(slots, locked)
    later = [one for one in parts_of(slots) if part is not None and one > part]
    if not later:
        return []
    return [
        _n(
            "%(num)s part of the paper is not open yet. Its questions stay unanswered.",
            "%(num)s parts of the paper are not open yet. Their questions stay unanswered.",
            len(later),
        )
    ]
