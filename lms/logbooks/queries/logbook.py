"""A trainee's logbook: counts and lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, select

from lms.core.db import db
from lms.logbooks import rules
from lms.logbooks.models import Entry, Item
from lms.logbooks.queries.records import shown
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class ItemCount:
    """How far a trainee is with one item."""

    item: Item
    signed: int
    waiting: int
    returned: int
    needed: int | None
    """Signed real events that the framework asks of this track, where it names a number."""


@dataclass(frozen=True)
class Overview:
    """Counts of a whole logbook."""

    items: Sequence[ItemCount]
    counts: Mapping[tuple[str, str], int]
    """By code of the item and state."""

    @property
    def by_state(self) -> Mapping[str, int]:
        """Entries in each state that occurs."""
        found: dict[str, int] = {}
        for (_code, state), count in self.counts.items():
            found[state] = found.get(state, 0) + count
        return found

    def total(self, *, state: str = "", item: str = "") -> int:
        """How many entries ``entries`` would list with these filters."""
        states = _filtered_states(state)
        return sum(
            count
            for (code, stands), count in self.counts.items()
            if (not item or code == item) and (states is None or stands in states)
        )


def overview(enrolment: Enrolment, *, own: bool) -> Overview:
    """Counts by state and by item, of items that were logged at all; drafts only for the author (``own``).

    Ask ``enrolment`` first: it holds the door.
    """
    hidden = [rules.DISCARDED] if own else [rules.DISCARDED, rules.DRAFT]
    rows = db.session.execute(
        select(Item, Entry.state, func.count(Entry.id))
        .join(Entry, Entry.item_id == Item.id)
        .where(Entry.enrolment_id == enrolment.id, Entry.state.notin_(hidden))
        .group_by(Item.id, Entry.state)
        .order_by(Item.code, Item.id)
    ).all()
    by_item: dict[Item, dict[str, int]] = {}
    counts: dict[tuple[str, str], int] = {}
    for item, state, count in rows:
        by_item.setdefault(item, {})[state] = count
        counts[item.code, state] = counts.get((item.code, state), 0) + count
    return Overview([_item_count(item, states, enrolment.track) for item, states in by_item.items()], counts)


def _filtered_states(state: str) -> frozenset[str] | None:
    """The states that a filter lets through; None where it is no filter."""
    if state == rules.SIGNED:
        return rules.COUNTED
    return frozenset({state}) if state in rules.STATES else None


def _item_count(item: Item, states: Mapping[str, int], track: str) -> ItemCount:
    return ItemCount(
        item,
        signed=sum(states.get(state, 0) for state in rules.COUNTED),
        waiting=states.get(rules.SUBMITTED, 0),
        returned=states.get(rules.RETURNED, 0) + states.get(rules.DECLINED, 0),
        needed=item.targets.get(track, {}).get("min_count"),
    )


def entries(
    enrolment: Enrolment, *, own: bool, state: str = "", item: str = "", page: int = 1, per_page: int = 25
) -> Sequence[Entry]:
    """Entries of one trainee, what asks for attention first; drafts only for the author (``own``).

    How many there are says ``Overview.total``. Ask ``enrolment`` first: it holds the door.
    """
    where: list[ColumnElement[bool]] = [Entry.enrolment_id == enrolment.id, Entry.state != rules.DISCARDED]
    if not own:
        where.append(Entry.state != rules.DRAFT)
    states = _filtered_states(state)
    if states is not None:
        where.append(Entry.state.in_(states))
    if item:
        where.append(Entry.item_id.in_(select(Item.id).where(Item.code == item)))
    order = case({name: place for place, name in enumerate(rules.SHOWN[:3])}, value=Entry.state, else_=9)
    return db.session.scalars(
        shown(select(Entry).where(*where))
        .order_by(order, Entry.performed_on.desc(), Entry.id.desc())
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
