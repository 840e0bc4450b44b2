"""Sittings, their clock, and the paper as its candidate sees it. No key is read here."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import rules
from lms.assessments.models import ClockEvent, QuestionVersion, ResponseHead, Sitting, Test
from lms.assessments.queries.shown import Item, choice, item
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort


def sitting(public_id: str, by: Actor, *, permission: Permission = Permission.SITTING_READ) -> Sitting:
    """One sitting with test, cohort, programme, form and candidate. Raises NotFound for whoever has no business with it."""
    found = (
        db.session.scalar(
            select(Sitting)
            .options(
                joinedload(Sitting.test).joinedload(Test.cohort).joinedload(Cohort.programme),
                joinedload(Sitting.form),
                joinedload(Sitting.person),
                joinedload(Sitting.enrolment),
            )
            .where(Sitting.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, found)
    return found


def reckoning(sitting: Sitting, at: datetime) -> rules.Reckoning:
    """How the deadline of a sitting comes about whose test is loaded."""
    return rules.reckon(
        clock_events([sitting.id])[sitting.id],
        duration_s=sitting.test.duration_s,
        closes_at=sitting.test.closes_at,
        at=at,
    )


def ends_at(sitting: Sitting, at: datetime) -> datetime:
    """The deadline of a sitting whose test is loaded, from its clock events."""
    return reckoning(sitting, at).ends_at


@dataclass(frozen=True)
class Standing:
    """What stands now in a sitting."""

    answers: Mapping[int, Mapping[str, Any]]
    """Slot → body, as far as anything was ever chosen (a choice taken back is there with None)."""
    flagged: frozenset[int]
    """Slots marked for later."""

    locked: frozenset[int] = frozenset()
    """Everything that is closed: slots of serial cases, choices with what was chosen, parts (see rules.choosing)."""
    chosen: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Number of a choice → first slots of the questions that are ticked in it."""

    @property
    def answered(self) -> int:
        """How many questions have an answer."""
        return sum(1 for body in self.answers.values() if rules.is_answered(body))


def standing(sitting_id: int) -> Standing:
    """What stands now, from the heads."""
    rows = db.session.execute(
        select(ResponseHead.slot, ResponseHead.kind, ResponseHead.body).where(
            ResponseHead.sitting_id == sitting_id
        )
    ).all()
    return Standing(
        answers={row.slot: row.body for row in rows if row.kind == "answer"},
        flagged=frozenset(row.slot for row in rows if row.kind == "flag" and row.body["flag"]),
        locked=frozenset().union(
            *(rules.locked_by(row.slot, row.body) for row in rows if row.kind == "lock")
        ),
        chosen={row.slot: row.body["choose"] for row in rows if row.kind == "choose"},
    )


def clock_events(sitting_ids: Iterable[int]) -> dict[int, list[ClockEvent]]:
    """The clock events of sittings, in order."""
    wanted = list(sitting_ids)
    found: dict[int, list[ClockEvent]] = {number: [] for number in wanted}
    if wanted:
        for event in db.session.scalars(
            select(ClockEvent).where(ClockEvent.sitting_id.in_(wanted)).order_by(ClockEvent.id)
        ):
            found[event.sitting_id].append(event)
    return found


def overdue(at: datetime) -> list[tuple[int, datetime]]:
    """Sittings whose time is over but whose state does not say so yet, with their deadlines."""
    rows = db.session.execute(
        select(Sitting.id, Test.duration_s, Test.closes_at)
        .join(Test, Test.id == Sitting.test_id)
        .where(Sitting.state == rules.SittingState.IN_PROGRESS)
    ).all()
    clock = clock_events(row.id for row in rows)
    ends = [
        (row.id, rules.deadline(clock[row.id], duration_s=row.duration_s, closes_at=row.closes_at, at=at))
        for row in rows
    ]
    return [(number, end) for number, end in ends if at >= end + rules.GRACE]


class HasSlots(Protocol):
    """A paper, sealed or not."""

    @property
    def slots(self) -> Sequence[Mapping[str, Any]]:
        """See ExamForm."""


def form_items(form: HasSlots) -> dict[int, Any]:
    """Version id → type, body and source of everything a form holds."""
    version = QuestionVersion
    rows = db.session.execute(
        select(version.id, version.type, version.body, version.source).where(
            version.id.in_({slot["version"] for slot in form.slots})
        )
    )
    return {row.id: row for row in rows}


def paper(form: HasSlots, seed: str | None, *, locked: Container[int] | None = None) -> list[Item]:
    """The asks in a sitting's order, in the reader's language; ``seed`` None: as written (for staff).

    ``locked``: what the candidate has closed. Then only what is open or was just now is there: of a paper in parts the
    part that has come; in the place of questions of which some are chosen the choice, until it is made, and then those
    that were chosen; a later ask of a serial case once the one before is locked. None: the sitting is over or nobody sits
    it, and all are there.
    """
    versions = form_items(form)
    key = bytes.fromhex(seed) if seed else None
    found: list[Item] = []
    for unit in _seen(form.slots, key, locked):
        if isinstance(unit, int):
            found.append(_choice(form, unit, versions, key))
            continue
        first = unit[0]["slot"]
        for slot in unit:
            number, row = slot["slot"], versions[slot["version"]]
            is_serial = rules.TYPES[row.type].is_serial
            if locked is not None and is_serial and number != first and number - 1 not in locked:
                break
            found.append(
                item(
                    row.type,
                    row.body,
                    slot.get("ask"),
                    slot=number,
                    version_id=row.id,
                    source=row.source,
                    seed=rules.sub_seed(key, f"slot:{number}") if key else None,
                    group_seed=rules.sub_seed(key, f"slot:{first}") if key else None,
                    is_locked=locked is not None and is_serial and number in locked,
                )
            )
    return found


def _choice(form: HasSlots, number: int, versions: Mapping[int, Any], key: bytes | None) -> Item:
    """A choice as its candidate sees it: the stems of its questions, in the order in which the paper would show them."""
    units = [
        unit for unit in _units(form.slots, key) if rules.choice_number(unit[0].get("choice", 0)) == number
    ]
    take, _firsts = rules.choices_of(form.slots)[number]
    whole = [
        item(
            versions[unit[0]["version"]].type,
            versions[unit[0]["version"]].body,
            unit[0].get("ask"),
            slot=unit[0]["slot"],
        )
        for unit in units
    ]
    return choice(number, take, whole)


def numbers(form: HasSlots, seed: str, locked: Container[int] | None = None) -> dict[int, int]:
    """Slot → the number under which this candidate sees it, those too that are not open yet.

    ``locked`` as for ``paper``: counted are what the open part holds, and a choice that is still to be made as one. None:
    all slots of the paper.
    """
    places: list[int] = []
    for unit in _seen(form.slots, bytes.fromhex(seed), locked):
        places += [unit] if isinstance(unit, int) else [slot["slot"] for slot in unit]
    return {slot: n for n, slot in enumerate(places, 1)}


Unit = list[Mapping[str, Any]]


def _seen(
    slots: Sequence[Mapping[str, Any]], key: bytes | None, locked: Container[int] | None
) -> list[Unit | int]:
    """The questions that a candidate has come to, in order; the number of a choice stands for its questions until it is made."""
    units = _units(slots, key)
    if locked is None:
        return list(units)
    part = rules.current_part(slots, locked)
    found: list[Unit | int] = []
    for unit in units:
        first = unit[0]
        if first.get("part") != part:
            continue
        number = rules.choice_number(first["choice"]) if "choice" in first else None
        if number is None or rules.case_number(first["slot"]) in locked:
            found.append(unit)
        elif number not in locked and number not in found:
            found.append(number)
    return found


def _units(slots: Sequence[Mapping[str, Any]], key: bytes | None) -> list[Unit]:
    """The slots of each question together, the questions in the order of the seed; those that are fixed stay.

    Parts keep their order, and the questions of a choice stay together, in an order of their own.
    """
    found: list[Unit] = []
    parts: Sequence[int | None] = rules.parts_of(slots) or [None]
    for part in parts:
        blocks: dict[str, dict[str, Unit]] = {}
        for slot in slots:
            if slot.get("part") == part:
                first = str(rules.first_of(slot))
                block = f"choice-{slot['choice']}" if "choice" in slot else first
                blocks.setdefault(block, {}).setdefault(first, []).append(slot)
        for name in _order(
            blocks, {one: next(iter(block.values())) for one, block in blocks.items()}, key, "slots"
        ):
            inside = blocks[name]
            found += [inside[one] for one in _order(inside, inside, key, name)]
    return found


def _order(names: Iterable[str], units: Mapping[str, Unit], key: bytes | None, label: str) -> list[str]:
    names = list(names)
    fixed = [name for name in names if units[name][0].get("fixed")]
    return rules.shuffled(names, rules.sub_seed(key, label), fixed=fixed) if key and len(names) > 1 else names
