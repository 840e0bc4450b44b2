"""The invigilator's board: who sits, who is connected, what was said. The number of queries is fixed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload

from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    Accommodation,
    ClockEvent,
    Presence,
    ResponseEvent,
    ResponseHead,
    Sitting,
    SittingNote,
    Test,
)
from lms.assessments.queries.papers import clock_events
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.programmes.models import Enrolment

CONNECTED = timedelta(seconds=90)
"""A page says at least every 36 s that it is there, and that is written down every 20 s: two may be lost."""
STATES = ("trouble", "running", "paused", "absent", "over")


@dataclass(frozen=True)
class Candidate:
    """One trainee of the cohort at this moment."""

    name: str
    enrolment_public_id: str
    public_id: str
    """Of the newest sitting; empty: not begun."""
    state: str
    """``absent``, ``running``, ``paused`` or ``over``."""
    is_connected: bool
    seen_at: datetime | None = None
    ends_at: datetime | None = None
    remaining_ms: int = 0
    submitted_at: datetime | None = None

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should look: the clock runs and nothing is heard."""
        return self.state == "running" and not self.is_connected


@dataclass(frozen=True)
class Board:
    """A test at this moment."""

    candidates: Sequence[Candidate]
    """Those of the page, the ones in trouble first."""
    total: int
    counts: Mapping[str, int]
    """Of STATES → how many."""
    answered: Mapping[str, int]
    """Sitting's public id → questions with an answer, for those of the page."""
    saved_at: Mapping[str, datetime]
    refused: Mapping[str, int]
    """Operations that were kept but do not count."""
    in_pause: Mapping[str, int]
    """Operations that came while the clock stood; they count."""
    choices: int = 0
    """Choices of cases that the paper has; 0: nobody chooses."""
    confirmed: Mapping[str, int] = field(default_factory=dict)
    """Of them, how many a candidate of the page has confirmed for good."""

    def is_chosen(self, public_id: str) -> bool:
        """Whether a candidate has confirmed everything there is to choose."""
        return self.confirmed.get(public_id, 0) >= self.choices


def running(test: Test, at: datetime) -> list[int]:
    """Ids of the sittings of a test whose clock has not run out, the oldest first."""
    rows = db.session.execute(
        select(Sitting.id)
        .where(Sitting.test_id == test.id, Sitting.state == rules.SittingState.IN_PROGRESS)
        .order_by(Sitting.id)
    ).all()
    clock = clock_events(row.id for row in rows)
    return [row.id for row in rows if not _is_over(test, clock[row.id], at)]


def running_of(enrolment_id: int, at: datetime) -> list[int]:
    """Ids of the sittings of a trainee whose clock has not run out."""
    rows = db.session.execute(
        select(Sitting.id, Test.duration_s, Test.closes_at)
        .join(Test, Test.id == Sitting.test_id)
        .where(Sitting.enrolment_id == enrolment_id, Sitting.state == rules.SittingState.IN_PROGRESS)
    ).all()
    clock = clock_events(row.id for row in rows)
    return [row.id for row in rows if not _is_over(row, clock[row.id], at)]


def _is_over(terms: Test | object, ticks: Sequence[ClockEvent], at: datetime) -> bool:
    ends_at = rules.deadline(ticks, duration_s=terms.duration_s, closes_at=terms.closes_at, at=at)  # type: ignore[union-attr]
    return rules.is_expired(rules.SittingState.IN_PROGRESS, ends_at, at)


def accommodation(enrolment_id: int) -> Accommodation | None:
    """What a trainee is granted now."""
    return db.session.scalar(
        select(Accommodation)
        .where(Accommodation.enrolment_id == enrolment_id)
        .order_by(Accommodation.id.desc())
        .limit(1)
    )


def candidate(test: Test, enrolment_id: str) -> Enrolment:
    """One trainee of the cohort that takes the test, the person loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(Enrolment)
            .options(joinedload(Enrolment.person))
            .where(Enrolment.public_id == enrolment_id, Enrolment.cohort_id == test.cohort_id)
        )
        if ids.is_public_id(enrolment_id)
        else None
    )
    if found is None:
        raise NotFound
    return found


def notes(
    test_id: int, sitting: Sitting | None = None, *, kind: str = "", limit: int = 50
) -> Sequence[SittingNote]:
    """What was said and written down, the newest first; with ``sitting`` what concerns that one."""
    query = select(SittingNote).where(SittingNote.test_id == test_id)
    if kind:
        query = query.where(SittingNote.kind == kind)
    if sitting is not None:
        to_all = SittingNote.sitting_id.is_(None) & (SittingNote.at >= sitting.started_at)
        query = query.where(or_(SittingNote.sitting_id == sitting.id, to_all))
    return db.session.scalars(query.order_by(SittingNote.id.desc()).limit(limit)).all()


def refused(sitting_id: int, *, limit: int = 200) -> Sequence[ResponseEvent]:
    """Operations of a sitting that were kept but do not count, the newest first."""
    return db.session.scalars(
        select(ResponseEvent)
        .where(ResponseEvent.sitting_id == sitting_id, ResponseEvent.applied.is_(False))
        .order_by(ResponseEvent.id.desc())
        .limit(limit)
    ).all()


def board(
    test: Test,
    at: datetime,
    *,
    show: str = "",
    choices: Collection[int] = (),
    limit: int = 50,
    offset: int = 0,
) -> Board:
    """Everybody who may sit a test, as it stands (ask ``test`` with SITTING_SUPERVISE first); seven queries for any number.

    ``choices``: the numbers of the choices of cases in its paper (``rules.choices_of``).
    """
    newest = (
        select(Sitting.enrolment_id, func.max(Sitting.attempt).label("attempt"))
        .where(Sitting.test_id == test.id)
        .group_by(Sitting.enrolment_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Enrolment.public_id, Person.name_zh, Person.name_latin, Sitting, Presence.seen_at)
        .select_from(Enrolment)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(newest, newest.c.enrolment_id == Enrolment.id)
        .outerjoin(
            Sitting,
            (Sitting.test_id == test.id)
            & (Sitting.enrolment_id == Enrolment.id)
            & (Sitting.attempt == newest.c.attempt),
        )
        .outerjoin(Presence, Presence.sitting_id == Sitting.id)
        .where(
            Enrolment.cohort_id == test.cohort_id, or_(Enrolment.state == "active", Sitting.id.is_not(None))
        )
        .order_by(Person.name_zh, Person.id)
    ).all()
    clock = clock_events(row[3].id for row in rows if row[3])
    found = [
        _candidate(test, name or latin, enrolment, sitting, seen_at, clock, at)
        for enrolment, name, latin, sitting, seen_at in rows
    ]
    counts = {
        state: sum(one.is_trouble if state == "trouble" else one.state == state for one in found)
        for state in STATES
    }
    order = {"running": 1, "paused": 2, "absent": 3, "over": 4}
    chosen = [one for one in found if not show or one.state == show or (show == "trouble" and one.is_trouble)]
    chosen.sort(key=lambda one: 0 if one.is_trouble else order[one.state])
    page = chosen[offset : offset + limit]
    shown = {one.public_id for one in page if one.public_id}
    names = {row[3].id: row[3].public_id for row in rows if row[3] and row[3].public_id in shown}
    return Board(page, len(chosen), counts, *_work(names, clock), len(choices), _confirmed(names, choices))


def _confirmed(names: Mapping[int, str], choices: Collection[int]) -> dict[str, int]:
    """How many of these choices each sitting has locked, by public id."""
    if not choices:
        return {}
    return {
        names[number]: count
        for number, count in db.session.execute(
            select(ResponseHead.sitting_id, func.count())
            .where(
                ResponseHead.sitting_id.in_(list(names)),
                ResponseHead.kind == "lock",
                ResponseHead.slot.in_(list(choices)),
            )
            .group_by(ResponseHead.sitting_id)
        )
    }


def _candidate(
    test: Test,
    name: str,
    enrolment: str,
    sitting: Sitting | None,
    seen_at: datetime | None,
    clock: Mapping[int, Sequence[ClockEvent]],
    at: datetime,
) -> Candidate:
    if sitting is None:
        return Candidate(name, enrolment, "", "absent", is_connected=False)
    reckoning = rules.reckon(clock[sitting.id], duration_s=test.duration_s, closes_at=test.closes_at, at=at)
    is_open = rules.state_at(sitting.state, reckoning.ends_at, at) == rules.SittingState.IN_PROGRESS
    state = "over" if not is_open else "running" if reckoning.paused_since is None else "paused"
    return Candidate(
        name,
        enrolment,
        sitting.public_id,
        state,
        is_open and at - (seen_at or sitting.started_at) < CONNECTED,
        seen_at,
        reckoning.ends_at if is_open else None,
        rules.remaining_ms(reckoning.ends_at, at) if is_open else 0,
        sitting.submitted_at or (None if is_open else reckoning.ends_at),
    )


def _work(
    names: Mapping[int, str], clock: Mapping[int, Sequence[ClockEvent]]
) -> tuple[dict[str, int], dict[str, datetime], dict[str, int], dict[str, int]]:
    """Answers, last save, refusals and what came in a pause, by public id."""
    answered = dict.fromkeys(names.values(), 0)
    for number, body in db.session.execute(
        select(ResponseHead.sitting_id, ResponseHead.body).where(
            ResponseHead.sitting_id.in_(list(names)), ResponseHead.kind == "answer"
        )
    ):
        answered[names[number]] += rules.is_answered(body)
    saved: dict[str, datetime] = {}
    refused: dict[str, int] = {}
    for number, latest, count in db.session.execute(
        select(
            ResponseEvent.sitting_id,
            func.max(ResponseEvent.at),
            func.count().filter(ResponseEvent.applied.is_(False)),
        )
        .where(ResponseEvent.sitting_id.in_(list(names)))
        .group_by(ResponseEvent.sitting_id)
    ):
        saved[names[number]], refused[names[number]] = latest, count
    stopped = {
        number: _pauses(clock[number]) for number in names if any(e.kind == "pause" for e in clock[number])
    }
    in_pause: dict[str, int] = {}
    if stopped:
        for number, when in db.session.execute(
            select(ResponseEvent.sitting_id, ResponseEvent.at).where(
                ResponseEvent.sitting_id.in_(list(stopped)), ResponseEvent.applied.is_(True)
            )
        ):
            if any(start < when and (end is None or when < end) for start, end in stopped[number]):
                in_pause[names[number]] = in_pause.get(names[number], 0) + 1
    return answered, saved, refused, in_pause


def _pauses(ticks: Sequence[ClockEvent]) -> list[tuple[datetime, datetime | None]]:
    found: list[tuple[datetime, datetime | None]] = []
    for tick in ticks:
        if tick.kind == "pause":
            found.append((tick.at, None))
        elif tick.kind == "resume" and found:
            found[-1] = (found[-1][0], tick.at)
    return found
