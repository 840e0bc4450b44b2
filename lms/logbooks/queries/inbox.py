"""What waits for a signer, and what was just decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Select, func, or_, select

from lms import policy
from lms.core.db import db
from lms.core.ids import is_public_id
from lms.logbooks import rules
from lms.logbooks.models import Entry, EntryReturn, Item
from lms.logbooks.queries.records import returns_of, shown
from lms.policy import Actor
from lms.programmes.models import Cohort, Pairing, Placement


@dataclass(frozen=True)
class Waiting:
    """One card of the inbox."""

    entry: Entry
    nth: int
    """The how-many-eth entry of this trainee for this item (submitted ones, in order of doing)."""
    first_alone: bool
    """The first time the trainee says they did this alone: worth a second look."""
    returned: EntryReturn | None
    """Why it went back before, if this is a corrected one."""
    alike: int = 0
    """L11: other entries of the trainee for the same item on the same day; warned of, not refused."""


def to_sign(by: Actor, *, page: int = 1, per_page: int = 20) -> tuple[list[Waiting], int]:
    """Entries that wait for the actor's signature, the oldest first, and how many there are."""
    where = (
        Entry.signer_person_id == by.person_id,
        Entry.author_person_id != by.person_id,
        Entry.state == rules.SUBMITTED,
    )
    total = db.session.scalar(select(func.count(Entry.id)).where(*where)) or 0
    rows = db.session.scalars(
        shown(select(Entry).where(*where))
        .order_by(Entry.submitted_at, Entry.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    return _waiting(rows), total


def waiting(entry: Entry) -> Waiting:
    """The card of one entry."""
    return _waiting([entry])[0]


def _waiting(rows: Sequence[Entry]) -> list[Waiting]:
    returned = returns_of(rows)
    before: dict[tuple[int, int], list[tuple[date, int, str]]] = {}
    if rows:
        alike = db.session.execute(
            select(
                Entry.enrolment_id,
                Entry.item_id,
                Entry.performed_on,
                Entry.id,
                Entry.content["operator_role"].as_string(),
            )
            .where(
                Entry.enrolment_id.in_({row.enrolment_id for row in rows}),
                Entry.item_id.in_({row.item_id for row in rows}),
                Entry.state.in_([rules.SUBMITTED, *rules.COUNTED]),
            )
            .order_by(Entry.performed_on, Entry.id)
        )
        for enrolment_id, item_id, performed_on, number, role in alike:
            before.setdefault((enrolment_id, item_id), []).append((performed_on, number, role or ""))
    cards = []
    for row in rows:
        alike_rows = [
            one
            for one in before.get((row.enrolment_id, row.item_id), [])
            if one[:2] < (row.performed_on, row.id)
        ]
        alone = row.facts.operator_role == "P" and all(one[2] != "P" for one in alike_rows)
        same_day = sum(
            one[0] == row.performed_on and one[1] != row.id
            for one in before.get((row.enrolment_id, row.item_id), [])
        )
        cards.append(Waiting(row, len(alike_rows) + 1, alone, returned.get(row.id), same_day))
    return cards


def to_sign_count(by: Actor) -> int:
    """How many entries wait for the actor's signature."""
    if not by.is_any(policy.Role.MENTOR, policy.Role.SECOND_ASSESSOR):
        return 0
    return (
        db.session.scalar(
            select(func.count(Entry.id)).where(
                Entry.signer_person_id == by.person_id,
                Entry.author_person_id != by.person_id,
                Entry.state == rules.SUBMITTED,
            )
        )
        or 0
    )


def decided(public_id: str, by: Actor) -> Entry | None:
    """An entry that the actor has just decided, for the line that replaces its card."""
    if not is_public_id(public_id):
        return None
    return db.session.scalar(
        shown(
            select(Entry).where(
                Entry.public_id == public_id,
                Entry.signer_person_id == by.person_id,
                Entry.state.in_([rules.SIGNED, rules.RETURNED, rules.DECLINED]),
            )
        )
    )


def routine_to_sign(by: Actor) -> list[Waiting]:
    """The oldest entries before the actor that may be signed together, at most ten."""
    rows = db.session.scalars(
        shown(
            select(Entry)
            .join(Item, Item.id == Entry.item_id)
            .where(
                Entry.signer_person_id == by.person_id,
                Entry.author_person_id != by.person_id,
                Entry.state == rules.SUBMITTED,
                Item.critical.is_(False),
                Entry.content["operator_role"].as_string().in_(sorted(rules.BULK_ROLES)),
            )
        )
        .order_by(Entry.submitted_at, Entry.id)
        .limit(3 * rules.BULK_MAX)
    ).all()
    fitting = [row for row in rows if rules.is_routine(row.facts, critical=False)]
    return _waiting(fitting[: rules.BULK_MAX])


def to_second(by: Actor, *, limit: int = 20) -> Sequence[Entry]:
    """Signed entries that need the actor as the second, the oldest first."""
    leads = [Entry.cohort_id.in_(_cohorts_led(by))] if by.is_any(policy.Role.UNIT_LEAD) else []
    supervised = (
        select(Pairing.id)
        .join(Placement, Placement.id == Pairing.placement_id)
        .where(
            Placement.enrolment_id == Entry.enrolment_id,
            Pairing.mentor_person_id == by.person_id,
            Pairing.from_on <= Entry.performed_on,
            Pairing.to_on >= Entry.performed_on,
        )
        .exists()
    )
    return db.session.scalars(
        shown(
            select(Entry)
            .join(Item, Item.id == Entry.item_id)
            .where(
                Entry.state == rules.SIGNED,
                Entry.signer_person_id != by.person_id,
                Entry.author_person_id != by.person_id,
                or_(Item.critical, Entry.content["complication"].as_string() == "major"),
                or_(supervised, *leads),
            )
        )
        .order_by(Entry.decided_at, Entry.id)
        .limit(limit)
    ).all()


def _cohorts_led(by: Actor) -> Select[int]:
    """Ids of the cohorts in which the actor leads a unit."""
    query = select(Cohort.id)
    cohorts = by.scope_ids("cohort", policy.Role.UNIT_LEAD)
    programmes = by.scope_ids("programme", policy.Role.UNIT_LEAD)
    if cohorts is None or programmes is None:
        return query
    return query.where(or_(Cohort.id.in_(cohorts), Cohort.programme_id.in_(programmes)))
