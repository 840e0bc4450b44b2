"""What a course consists of for one reader: modules, lectures and units in their order, what is done and what opens when."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from lms import policy
from lms.core import clock
from lms.core.db import db
from lms.core.i18n import pick
from lms.courses import rules
from lms.courses.models import Course, Lecture, LectureCompletion, Module, Unit, UnitDone, Video, Watch
from lms.courses.queries.opening import Tests, linked, sentence
from lms.courses.rules.release import Condition, Facts, tests_in, verdict
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class Seen:
    """What one trainee has seen of one lecture."""

    watched_s: int
    duration_s: int
    position_s: float
    complete: bool
    bitmap: bytes = b""
    updated_at: datetime | None = None

    @property
    def percent(self) -> int:
        """Whole percent, rounded down."""
        return rules.shown_percent(Fraction(min(self.watched_s, self.duration_s), self.duration_s or 1))

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The watched seconds as spans ``[start, end)``."""
        return rules.watched_spans(self.bitmap)

    @property
    def resume_s(self) -> int:
        """Where to go on."""
        return rules.resume_position_s(self.position_s, duration_s=self.duration_s)


@dataclass(frozen=True)
class Line:
    """One lecture as an outline shows it."""

    public_id: str
    title_zh: str
    title_en: str
    state: str
    is_sample: bool
    is_playable: bool
    duration_s: int
    lite_bytes: int
    seen: Seen | None
    """None for whoever is not enrolled; lectures only."""
    number: int = 0
    kind: str = "lecture"
    """``lecture``, ``page``, ``file``, ``test`` or ``checkpoint``."""
    is_read: bool = False
    """Of a unit: whether the trainee has done with it."""
    closed: str = ""
    """Why it is not open yet for the trainee, in a sentence; empty: it is open."""
    is_conditional: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the trainee has done with it."""
        return self.is_read or (self.seen is not None and self.seen.complete)

    @property
    def is_lecture(self) -> bool:
        """Whether it is watched."""
        return self.kind == "lecture"

    @property
    def url(self) -> str:
        """Where it stands."""
        return f"/{'lectures' if self.is_lecture else 'units'}/{self.public_id}"


@dataclass(frozen=True)
class Part:
    """A module with its lectures."""

    public_id: str
    number: int
    title_zh: str
    title_en: str
    steps: tuple[Line, ...]
    """Everything in its order."""

    @property
    def lectures(self) -> tuple[Line, ...]:
        """The lectures alone."""
        return tuple(line for line in self.steps if line.is_lecture)


@dataclass(frozen=True)
class Outline:
    """What a course consists of, as far as its reader may see it."""

    parts: tuple[Part, ...] = ()
    learning: bool = False
    """Whether the reader is enrolled, so that the lines tell what they have seen."""

    @property
    def lectures(self) -> list[Line]:
        """All lectures in their order."""
        return [line for part in self.parts for line in part.lectures]

    @property
    def steps(self) -> list[Line]:
        """Everything in its order."""
        return [line for part in self.parts for line in part.steps]

    def line(self, public_id: str) -> Line | None:
        """The line of one lecture or unit."""
        return next((line for line in self.steps if line.public_id == public_id), None)

    @property
    def total(self) -> int:
        """Lectures that count: published and playable."""
        return sum(line.is_playable and line.state == "published" for line in self.lectures)

    @property
    def done(self) -> int:
        """Of those, the watched ones."""
        return sum(line.is_done for line in self.lectures if line.is_playable and line.state == "published")

    @property
    def next(self) -> Line | None:
        """The lecture under way, else the first open thing that is not done."""
        left = [line for line in self.steps if line.is_playable and not line.is_done and not line.closed]
        return next((line for line in left if line.seen and line.seen.watched_s), left[0] if left else None)

    def around(self, public_id: str) -> tuple[Line | None, Line | None]:
        """What stands before and after a lecture or unit."""
        lines = self.steps
        place = next((n for n, line in enumerate(lines) if line.public_id == public_id), None)
        if place is None:
            return None, None
        return (
            lines[place - 1] if place else None,
            lines[place + 1] if place + 1 < len(lines) else None,
        )


@dataclass(frozen=True)
class _Draft:
    """The shape of a draft of a course, for asking the policy who sees such things."""

    cohort_id: int
    programme_id: int
    state: str = "draft"


@cache
def _outlines_query() -> Select[*tuple[Any, ...]]:
    """Built once: putting it together costs more than running it."""
    return (
        select(
            Module.course_id,
            Module.public_id.label("module_public_id"),
            Module.number,
            Module.title_zh.label("module_zh"),
            Module.title_en.label("module_en"),
            Lecture.public_id,
            Lecture.number.label("place"),
            Lecture.release,
            Lecture.title_zh,
            Lecture.title_en,
            Lecture.state,
            Lecture.is_sample,
            Video.id.label("video_id"),
            Video.duration_s,
            Video.lite_bytes,
            Enrolment.id.label("enrolment_id"),
            Enrolment.track,
            Watch.watched_s,
            Watch.position_s,
            LectureCompletion.id.label("completion_id"),
        )
        .select_from(Module)
        .outerjoin(Lecture, Lecture.module_id == Module.id)
        .outerjoin(Video, Video.id == Lecture.video_id)
        .outerjoin(
            Enrolment,
            (Enrolment.cohort_id == Lecture.cohort_id)
            & (Enrolment.person_id == bindparam("person_id"))
            & (Enrolment.state != "withdrawn"),
        )
        .outerjoin(Watch, (Watch.enrolment_id == Enrolment.id) & (Watch.video_id == Video.id))
        .outerjoin(
            LectureCompletion,
            (LectureCompletion.enrolment_id == Enrolment.id) & (LectureCompletion.lecture_id == Lecture.id),
        )
        .where(Module.course_id.in_(bindparam("course_ids", expanding=True)))
        .order_by(Module.course_id, Module.number, Lecture.number)
    )


@cache
def _units_query() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Module.course_id,
            Module.public_id.label("module_public_id"),
            Unit.public_id,
            Unit.number,
            Unit.kind,
            Unit.title_zh,
            Unit.title_en,
            Unit.state,
            Unit.is_sample,
            Unit.release,
            Unit.test_ref,
            Enrolment.track,
            UnitDone.id.label("done_id"),
        )
        .select_from(Unit)
        .join(Module, Module.id == Unit.module_id)
        .outerjoin(
            Enrolment,
            (Enrolment.cohort_id == Unit.cohort_id)
            & (Enrolment.person_id == bindparam("person_id"))
            & (Enrolment.state != "withdrawn"),
        )
        .outerjoin(UnitDone, (UnitDone.enrolment_id == Enrolment.id) & (UnitDone.unit_id == Unit.id))
        .where(Module.course_id.in_(bindparam("course_ids", expanding=True)))
        .order_by(Unit.number)
    )


def outlines(courses: Iterable[Course], by: Actor, *, at: datetime) -> dict[int, Outline]:
    """Course id → outline, for any number of courses in two queries; drafts only for their teachers."""
    wanted = {course.id: course for course in courses}
    if not wanted:
        return {}
    asked = {"person_id": by.person_id, "course_ids": list(wanted)}
    rows = db.session.execute(_outlines_query(), asked).all()
    units = db.session.execute(_units_query(), asked).all()
    tests = linked(
        {row.test_ref for row in units if row.test_ref}
        | {ref for row in (*rows, *units) if row.public_id for ref in tests_in(row.release)},
        by.person_id,
    )
    groups = {row.course_id: row.track for row in (*rows, *units) if row.track is not None}
    sees_drafts = {
        course.id: policy.allows(by, Permission.COURSE_READ, _Draft(course.cohort_id, course.programme_id))
        for course in wanted.values()
    }
    modules: dict[int, dict[str, Part]] = {course_id: {} for course_id in wanted}
    lines: dict[str, list[Line]] = {}
    conditions: dict[str, Condition | None] = {}
    for row in rows:
        modules[row.course_id].setdefault(
            row.module_public_id,
            Part(row.module_public_id, row.number, row.module_zh, row.module_en, ()),
        )
        if row.public_id is not None and (row.state == "published" or sees_drafts[row.course_id]):
            lines.setdefault(row.module_public_id, []).append(_lecture_line(row))
            conditions[row.public_id] = row.release
    for row in units:
        if row.state == "published" or sees_drafts[row.course_id]:
            lines.setdefault(row.module_public_id, []).append(_unit_line(row, tests))
            conditions[row.public_id] = row.release
    found: dict[int, Outline] = {}
    for course_id, parts in modules.items():
        everything = [line for key in parts for line in lines.get(key, ())]
        facts = Facts(
            clock.today(at),
            groups.get(course_id, ""),
            frozenset(line.public_id for line in everything if line.is_done),
            {ref: test.percent for ref, test in tests.items() if test.percent is not None},
        )
        titles = {line.public_id: pick(line.title_zh, line.title_en) for line in everything} | {
            ref: pick(test.title_zh, test.title_en) for ref, test in tests.items()
        }
        found[course_id] = Outline(
            tuple(
                replace(
                    part,
                    steps=tuple(
                        replace(
                            line,
                            is_conditional=bool(conditions[line.public_id]),
                            closed=sentence(verdict(conditions[line.public_id], facts), titles)
                            if course_id in groups
                            else "",
                        )
                        for line in sorted(lines.get(key, ()), key=lambda line: line.number)
                    ),
                )
                for key, part in parts.items()
                if lines.get(key) or sees_drafts[course_id]
            ),
            course_id in groups,
        )
    return found


def _lecture_line(row: Row[Any]) -> Line:
    seen = None
    if row.enrolment_id is not None:
        seen = Seen(
            row.watched_s or 0, row.duration_s or 0, row.position_s or 0.0, row.completion_id is not None
        )
    return Line(
        row.public_id,
        row.title_zh,
        row.title_en,
        row.state,
        row.is_sample,
        row.video_id is not None,
        row.duration_s or 0,
        row.lite_bytes or 0,
        seen,
        number=row.place,
    )


def _unit_line(row: Row[Any], tests: Tests) -> Line:
    test = tests.get(row.test_ref)
    reached = test is not None and (test.is_passed if row.kind == "test" else test.is_handed_in)
    return Line(
        row.public_id,
        row.title_zh,
        row.title_en,
        row.state,
        row.is_sample,
        is_playable=True,
        duration_s=0,
        lite_bytes=0,
        seen=None,
        number=row.number,
        kind=row.kind,
        is_read=row.done_id is not None or reached,
    )


def outline(course: Course, by: Actor, *, at: datetime) -> Outline:
    """What one course consists of for the actor."""
    return outlines([course], by, at=at)[course.id]
