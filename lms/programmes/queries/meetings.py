"""Questions about meetings: what a placement asks for, what was held, who has not confirmed it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from lms import policy
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes import queries
from lms.programmes.models import Enrolment, Meeting, MeetingAcknowledgement, Pairing, Placement
from lms.programmes.queries import EnrolmentScope
from lms.programmes.rules import meetings as rules

MENTORING = ("primary", "deputy")
"""Kinds of pairing that hold meetings; a second assessor judges and does not mentor."""


@dataclass(frozen=True)
class Row:
    """A meeting that is planned, held, or both; a concern is held only."""

    placement: Placement
    kind: str
    due_on: date | None
    standing: str
    """``held``, ``overdue``, ``due`` or ``later``."""
    meeting: Meeting | None = None
    earlier: tuple[Meeting, ...] = ()
    """What the meeting's row supersedes, the newest first."""

    @property
    def key(self) -> str:
        """The planned meeting in one word, as the form sends it."""
        return key_of(self.placement, self.kind, self.due_on)

    @property
    def confirmed(self) -> frozenset[str]:
        """Which parts, ``mentor`` and ``trainee``, have confirmed what was written down."""
        return frozenset(one.part for one in self.meeting.acknowledgements) if self.meeting else frozenset()


def key_of(placement: Placement, kind: str, due_on: date | None) -> str:
    """``<placement>.<kind>.<due day or empty>``."""
    return f"{placement.public_id}.{kind}.{due_on.isoformat() if due_on else ''}"


def mentors_on(placements: Collection[Placement], day: date | None = None) -> frozenset[int]:
    """Who mentors in these placements (pairings loaded) on a day, or ever where no day is given."""
    return frozenset(
        pairing.mentor_person_id
        for placement in placements
        for pairing in placement.pairings
        if pairing.kind in MENTORING and (day is None or pairing.from_on <= day <= pairing.to_on)
    )


def scope_of(enrolment: Enrolment, placements: Collection[Placement]) -> EnrolmentScope:
    """The shape that the policy asks for; mentors are those who mentor the trainee now or did before."""
    return EnrolmentScope(
        enrolment.person_id, enrolment.cohort_id, enrolment.cohort.programme_id, mentors_on(placements)
    )


def enrolment(public_id: str, by: Actor) -> tuple[Enrolment, Sequence[Placement]]:
    """A trainee whose meetings the actor may read, and their placements. Raises NotFound."""
    found = queries.enrolment(public_id, by)
    placements = queries.placements(found.id)
    policy.require(by, Permission.MEETING_READ, scope_of(found, placements))
    return found, placements


def rows(placements: Sequence[Placement], *, today: date) -> list[Row]:
    """Every meeting of some placements, planned and held, in order of time."""
    held, earlier = _held([placement.id for placement in placements])
    found: list[Row] = []
    for placement in placements:
        mine = [meeting for meeting in held if meeting.placement_id == placement.id]
        for due in rules.due_dates(placement.from_on, placement.to_on):
            if not any((one.kind, one.due_on) == (due.kind, due.due_on) for one in mine):
                standing = rules.standing(due.due_on, today=today, held=False)
                found.append(Row(placement, due.kind, due.due_on, standing))
        found += [Row(placement, one.kind, one.due_on, "held", one, _before(one, earlier)) for one in mine]
    return sorted(
        found,
        key=lambda row: (
            row.placement.from_on,
            row.due_on or _held_on(row),
            row.meeting.id if row.meeting else 0,
        ),
    )


def _held_on(row: Row) -> date:
    assert row.meeting is not None
    return row.meeting.held_on


def _held(placement_ids: Sequence[int]) -> tuple[list[Meeting], dict[int, Meeting]]:
    """Meetings that stand, and those that were superseded by their id."""
    every = db.session.scalars(
        select(Meeting)
        .options(joinedload(Meeting.mentor), selectinload(Meeting.acknowledgements))
        .where(Meeting.placement_id.in_(placement_ids))
        .order_by(Meeting.id)
    ).all()
    superseded = {meeting.supersedes_id for meeting in every}
    return (
        [meeting for meeting in every if meeting.id not in superseded],
        {meeting.id: meeting for meeting in every if meeting.id in superseded},
    )


def _before(meeting: Meeting, superseded: dict[int, Meeting]) -> tuple[Meeting, ...]:
    chain: list[Meeting] = []
    while meeting.supersedes_id is not None and meeting.supersedes_id in superseded:
        meeting = superseded[meeting.supersedes_id]
        chain.append(meeting)
    return tuple(chain)


def meeting(public_id: str, placements: Collection[Placement], *, for_update: bool = False) -> Meeting:
    """One meeting of these placements. Ask ``enrolment`` first: it holds the door. Raises NotFound."""
    query = (
        select(Meeting)
        .options(joinedload(Meeting.mentor), selectinload(Meeting.acknowledgements))
        .where(Meeting.public_id == public_id, Meeting.placement_id.in_([one.id for one in placements]))
    )
    if for_update:
        query = query.with_for_update(of=Meeting).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    return found


def successor(meeting_id: int) -> Meeting | None:
    """The row that corrects this one."""
    return db.session.scalar(
        select(Meeting)
        .options(joinedload(Meeting.mentor), selectinload(Meeting.acknowledgements))
        .where(Meeting.supersedes_id == meeting_id)
    )


# ---------------------------------------------------------------- the clock's questions


def running(on: date) -> Sequence[Placement]:
    """Placements that run, or ended so lately that a meeting of theirs is still told; pairings and trainee loaded."""
    return db.session.scalars(
        select(Placement)
        .options(
            selectinload(Placement.pairings).joinedload(Pairing.mentor),
            joinedload(Placement.enrolment).joinedload(Enrolment.person),
        )
        .join(Enrolment, Enrolment.id == Placement.enrolment_id)
        .where(
            Placement.from_on <= on,
            Placement.to_on >= on - rules.TOLD_FOR,
            Enrolment.state == "active",
        )
        .order_by(Placement.id)
    ).all()


def unread(at: datetime, *, within: timedelta) -> Sequence[Meeting]:
    """Standing meetings, written down some days ago and lately enough, that the trainee has not confirmed."""
    later = aliased(Meeting)
    return db.session.scalars(
        select(Meeting)
        .options(
            joinedload(Meeting.mentor),
            joinedload(Meeting.placement).joinedload(Placement.enrolment).joinedload(Enrolment.person),
        )
        .where(
            Meeting.recorded_at <= at - rules.UNREAD_AFTER,
            Meeting.recorded_at > at - within,
            ~exists().where(later.supersedes_id == Meeting.id),
            ~exists().where(
                MeetingAcknowledgement.meeting_id == Meeting.id, MeetingAcknowledgement.part == "trainee"
            ),
        )
        .order_by(Meeting.id)
    ).all()


def overdue(on: date) -> list[Row]:
    """Planned meetings whose day is over and that nobody has written down, of running placements."""
    placements = running(on)
    found = rows(placements, today=on) if placements else []
    return [
        row
        for row in found
        if row.standing == "overdue" and row.due_on is not None and on - row.due_on <= rules.TOLD_FOR
    ]
