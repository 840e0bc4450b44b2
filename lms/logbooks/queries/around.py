"""What mentors, the home page and certificates ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.core import clock
from lms.core.db import db
from lms.core.i18n import _, _n, pick
from lms.core.ports import Task
from lms.logbooks import rules
from lms.logbooks.models import Entry
from lms.logbooks.queries.inbox import to_sign_count
from lms.logbooks.queries.multisource import to_rate
from lms.logbooks.queries.records import reason_text, returns_of
from lms.policy import Actor
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class Mentee:
    """A trainee on their mentor's page."""

    enrolment: Enrolment
    unit: str
    """Where they work today; empty between placements."""
    for_me: int
    """Entries that wait for the actor."""
    waiting: int
    returned: int
    signed: int


def mentees(by: Actor, *, on: date) -> list[Mentee]:
    """The trainees whom the actor mentors or assesses on a day, with what waits in their logbooks."""
    rows = programmes.mentees(by, on=on)
    counts: dict[int, dict[str, int]] = {}
    mine: dict[int, int] = {}
    if rows:
        found = db.session.execute(
            select(Entry.enrolment_id, Entry.state, Entry.signer_person_id, func.count())
            .where(
                Entry.enrolment_id.in_([row.id for row in rows]),
                Entry.state.notin_([rules.DRAFT, rules.DISCARDED]),
            )
            .group_by(Entry.enrolment_id, Entry.state, Entry.signer_person_id)
        )
        for enrolment_id, state, signer_id, count in found:
            states = counts.setdefault(enrolment_id, {})
            states[state] = states.get(state, 0) + count
            if signer_id == by.person_id and state == rules.SUBMITTED:
                mine[enrolment_id] = mine.get(enrolment_id, 0) + count
    return [
        Mentee(
            row,
            unit=next(
                (
                    placement.unit
                    for placement in row.placements
                    if placement.from_on <= on <= placement.to_on
                ),
                "",
            ),
            for_me=mine.get(row.id, 0),
            waiting=counts.get(row.id, {}).get(rules.SUBMITTED, 0),
            returned=counts.get(row.id, {}).get(rules.RETURNED, 0)
            + counts.get(row.id, {}).get(rules.DECLINED, 0),
            signed=sum(counts.get(row.id, {}).get(state, 0) for state in rules.COUNTED),
        )
        for row in rows
    ]


def entry_facts(cohort_id: int) -> dict[int, int]:
    """Signed entries of each trainee of a cohort, by enrolment id; who has none is left out (L4)."""
    rows = db.session.execute(
        select(Entry.enrolment_id, func.count())
        .where(Entry.cohort_id == cohort_id, Entry.state.in_(rules.COUNTED))
        .group_by(Entry.enrolment_id)
    )
    return {row[0]: row[1] for row in rows}


def signed_count(enrolment_id: int) -> int:
    """Signed entries of one trainee (L4)."""
    return (
        db.session.scalar(
            select(func.count(Entry.id)).where(
                Entry.enrolment_id == enrolment_id, Entry.state.in_(rules.COUNTED)
            )
        )
        or 0
    )


def tasks(by: Actor, at: datetime) -> Sequence[Task]:  # noqa: ARG001 (the port's shape)
    """What the actor should do next in their logbook: returned entries first, then what waits for their signature."""
    found: list[Task] = []
    if by.is_any(policy.Role.TRAINEE):
        rows = db.session.scalars(
            select(Entry)
            .options(joinedload(Entry.item))
            .where(Entry.author_person_id == by.person_id, Entry.state.in_([rules.RETURNED, rules.DECLINED]))
            .order_by(Entry.decided_at)
            .limit(5)
        ).all()
        returned = returns_of(rows)
        for row in rows:
            back = returned.get(row.id)
            found.append(
                Task(
                    "entry_returned",
                    pick(row.item.title_zh, row.item.title_en),
                    f"/logbook/{row.public_id}/edit",
                    0,
                    _("Fix and resend") if row.state == rules.RETURNED else _("Choose another signer"),
                    meta=(_("%(name)s: %(words)s", name=back.person.name, words=reason_text(back)),)
                    if back
                    else (),
                )
            )
    found += [
        Task(
            "feedback",
            _("Your feedback on %(name)s is asked for", name=one.trainee.name),
            f"/feedback/{one.public_id}/answer",
            1,
            _("Answer seven questions"),
            due_at=datetime.combine(one.closes_on, time(23, 59), tzinfo=clock.BEIJING)
            if one.closes_on
            else None,
        )
        for one in to_rate(by)[:5]
    ]
    count = to_sign_count(by)
    if count:
        found.append(
            Task(
                "entries_to_sign",
                _n(
                    "%(num)s entry waits for your signature", "%(num)s entries wait for your signature", count
                ),
                "/to-sign",
                1,
                _("Read and sign"),
            )
        )
    return found
