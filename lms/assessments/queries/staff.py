"""Papers with keys and lists of sittings, for examiners. Ask ``test`` with TEST_MANAGE first."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, and_, func, select

from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    ExamForm,
    Grade,
    ResponseEvent,
    ResponseHead,
    Sitting,
    Test,
)
from lms.assessments.queries.catalogue import counting_run
from lms.assessments.queries.papers import clock_events, paper
from lms.assessments.queries.results import key_of, newest_keys, reason_of
from lms.assessments.queries.shown import Item, key_words
from lms.core.db import db


@dataclass(frozen=True)
class StaffItem:
    """One question with its key, for examiners."""

    item: Item
    right: str
    """The right answer in words."""
    rationale: str
    source: str
    key_revision_id: int


def staff_items(form: ExamForm) -> list[StaffItem]:
    """The paper with its keys, as written."""
    items = paper(form, None)
    keys = newest_keys(item.version_id for item in items)
    return [
        StaffItem(
            item,
            key_words(item, key_of(keys[item.version_id], item.index)),
            reason_of(keys[item.version_id], item.index),
            item.source,
            keys[item.version_id].id,
        )
        for item in items
    ]


@dataclass(frozen=True)
class StaffSitting:
    """One sitting as an examiner sees it."""

    public_id: str
    name: str
    name_latin: str
    attempt: int
    state: rules.SittingState
    started_at: datetime
    ends_at: datetime
    submitted_at: datetime | None
    answered: int
    refused: int
    """Operations that were kept but do not count."""
    score: Fraction | None
    maximum: Fraction | None
    decision: str | None

    @property
    def percent(self) -> str:
        """As shown."""
        return (
            rules.shown(rules.percent(self.score, self.maximum))
            if self.score is not None and self.maximum is not None
            else ""
        )


@dataclass(frozen=True)
class Unmarked:
    """A sitting whose marking was given up."""

    public_id: str
    name: str
    attempt: int
    why: str


def unmarked(test: Test) -> list[Unmarked]:
    """The sittings of a test whose marking was given up, the oldest first."""
    rows = db.session.execute(
        select(Sitting.public_id, Person.name_zh, Person.name_latin, Sitting.attempt, Sitting.failure)
        .join(Person, Person.id == Sitting.trainee_person_id)
        .where(Sitting.test_id == test.id, Sitting.gave_up_at.is_not(None))
        .order_by(Sitting.gave_up_at, Sitting.id)
    )
    return [Unmarked(row[0], row[1] or row[2], row[3], row[4] or "") for row in rows]


def sittings_count(test: Test) -> tuple[int, int]:
    """How many sittings a test has, and of how many the marking was given up."""
    row = db.session.execute(
        select(func.count(), func.count(Sitting.gave_up_at)).where(Sitting.test_id == test.id)
    ).one()
    return row[0], row[1]


def staff_sittings(
    test: Test, at: datetime, *, limit: int | None = None, offset: int = 0
) -> list[StaffSitting]:
    """The sittings of a test (ask ``test`` with TEST_MANAGE first), the newest first; four queries for any number."""
    rows = db.session.execute(
        select(Sitting, Person, Grade)
        .select_from(Sitting)
        .join(Person, Person.id == Sitting.trainee_person_id)
        .outerjoin(
            Grade, and_(Grade.sitting_id == Sitting.id, Grade.grade_run_id == counting_run(Sitting.id))
        )
        .where(Sitting.test_id == test.id)
        .order_by(Sitting.started_at.desc(), Sitting.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    numbers = [sitting.id for sitting, _person, _grade in rows]
    clock = clock_events(numbers)
    answered = _counts(
        select(ResponseHead.sitting_id, ResponseHead.body).where(
            ResponseHead.sitting_id.in_(numbers), ResponseHead.kind == "answer"
        )
    )
    refused = dict(
        db.session.execute(
            select(ResponseEvent.sitting_id, func.count())
            .where(ResponseEvent.sitting_id.in_(numbers), ResponseEvent.applied.is_(False))
            .group_by(ResponseEvent.sitting_id)
        ).all()
    )
    found = []
    for sitting, person, grade in rows:
        ends = rules.deadline(clock[sitting.id], duration_s=test.duration_s, closes_at=test.closes_at, at=at)
        found.append(
            StaffSitting(
                public_id=sitting.public_id,
                name=person.name_zh,
                name_latin=person.name_latin,
                attempt=sitting.attempt,
                state=rules.state_at(sitting.state, ends, at),
                started_at=sitting.started_at,
                ends_at=ends,
                submitted_at=sitting.submitted_at,
                answered=answered.get(sitting.id, 0),
                refused=refused.get(sitting.id, 0),
                score=grade.score if grade else None,
                maximum=grade.maximum if grade else None,
                decision=grade.decision if grade else None,
            )
        )
    return found


def _counts(query: Select[Any]) -> dict[int, int]:
    found: dict[int, int] = {}
    for sitting_id, body in db.session.execute(query):
        if rules.is_answered(body):
            found[sitting_id] = found.get(sitting_id, 0) + 1
    return found


def score_bands(test: Test) -> list[tuple[str, int, bool]]:
    """Sittings of the newest marking by tens of percent: (label, how many, below the cut); empty where none is marked."""
    rows = db.session.execute(
        select(Grade.score, Grade.maximum, func.count())
        .join(Sitting, Sitting.id == Grade.sitting_id)
        .where(Sitting.test_id == test.id, Grade.grade_run_id == counting_run(Sitting.id))
        .group_by(Grade.score, Grade.maximum)
    ).all()
    if not rows:
        return []
    counts = [0] * 10
    for score, maximum, count in rows:
        counts[min(9, int(10 * score / maximum))] += count
    return [
        (f"{10 * band}–{10 * band + (10 if band == 9 else 9)}", count, 10 * band + 10 <= test.cut_percent)
        for band, count in enumerate(counts)
    ]
