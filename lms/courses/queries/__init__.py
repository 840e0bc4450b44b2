"""Questions about courses, lectures and what was watched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms import policy
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.figures import Figure, by_state
from lms.core.i18n import _, _n, lazy, pick
from lms.core.ports import Task
from lms.courses import rules
from lms.courses.models import (
    Course,
    Lecture,
    LectureCompletion,
    Module,
    Video,
    Watch,
)
from lms.courses.queries.film import (
    Keepable,
    keepable,
    lecture_id_of,
    lecture_to_fill,
    note,
    notes,
    progress_words,
    trouble,
    upload,
    uploads,
    video_of,
    videos,
)
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment

__all__ = [
    "Keepable",
    "keepable",
    "lecture_id_of",
    "lecture_to_fill",
    "note",
    "notes",
    "progress_words",
    "trouble",
    "upload",
    "uploads",
    "video_of",
    "videos",
]

TEACHERS = (
    Role.EDUCATOR,
    Role.CLINICAL_REVIEWER,
    Role.COORDINATOR,
    Role.DIRECTOR,
    Role.ADMINISTRATOR,
    Role.AUDITOR,
    Role.MENTOR,
)


# Courses and their outlines


def courses(by: Actor) -> Sequence[Course]:
    """The courses the actor may read, the newest cohort first."""
    query = (
        select(Course)
        .join(Cohort, Cohort.id == Course.cohort_id)
        .options(joinedload(Course.cohort).joinedload(Cohort.programme))
    )
    cohort_ids, programme_ids = by.scope_ids("cohort", *TEACHERS), by.scope_ids("programme", *TEACHERS)
    if cohort_ids is not None and programme_ids is not None:
        learning = by.scope_ids("cohort", Role.TRAINEE) or set()
        query = query.where(
            or_(
                Cohort.id.in_(cohort_ids),
                Cohort.programme_id.in_(programme_ids),
                Cohort.id.in_(learning) & (Course.state == "published"),
            )
        )
    return db.session.scalars(query.order_by(Cohort.start_on.desc(), Course.id)).all()


def course(public_id: str, by: Actor, *, permission: Permission = Permission.COURSE_READ) -> Course:
    """One course with its cohort and programme. Raises NotFound."""
    found = (
        db.session.scalar(
            select(Course)
            .options(joinedload(Course.cohort).joinedload(Cohort.programme))
            .where(Course.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, found, see=Permission.COURSE_READ)
    return found


def module(public_id: str, by: Actor, *, permission: Permission = Permission.COURSE_EDIT) -> Module:
    """One module with its course, for its educators. Raises NotFound."""
    found = (
        db.session.scalar(
            select(Module)
            .options(joinedload(Module.course).joinedload(Course.cohort).joinedload(Cohort.programme))
            .where(Module.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, found.course, see=Permission.COURSE_READ)
    return found


def may_edit(by: Actor, course: Course) -> bool:
    """Whether the actor writes this course."""
    return policy.allows(by, Permission.COURSE_EDIT, course)


def taught_cohorts(by: Actor) -> list[Cohort]:
    """The cohorts for which the actor may open a course."""
    return [cohort for cohort in programmes.cohorts(by) if policy.allows(by, Permission.COURSE_EDIT, cohort)]


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
    """None for whoever is not enrolled."""

    @property
    def is_done(self) -> bool:
        """Whether the trainee has watched it."""
        return self.seen is not None and self.seen.complete


@dataclass(frozen=True)
class Part:
    """A module with its lectures."""

    public_id: str
    number: int
    title_zh: str
    title_en: str
    lectures: tuple[Line, ...]


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
    def total(self) -> int:
        """Lectures that count: published and playable."""
        return sum(line.is_playable and line.state == "published" for line in self.lectures)

    @property
    def done(self) -> int:
        """Of those, the watched ones."""
        return sum(line.is_done for line in self.lectures if line.is_playable and line.state == "published")

    @property
    def next(self) -> Line | None:
        """The lecture under way, else the first unwatched one."""
        left = [line for line in self.lectures if line.is_playable and not line.is_done]
        return next((line for line in left if line.seen and line.seen.watched_s), left[0] if left else None)

    def around(self, public_id: str) -> tuple[Line | None, Line | None]:
        """The lectures before and after one."""
        lines = self.lectures
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
            Lecture.title_zh,
            Lecture.title_en,
            Lecture.state,
            Lecture.is_sample,
            Video.id.label("video_id"),
            Video.duration_s,
            Video.lite_bytes,
            Enrolment.id.label("enrolment_id"),
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


def outlines(courses: Iterable[Course], by: Actor) -> dict[int, Outline]:
    """Course id → outline, for any number of courses in one query; drafts only for their teachers."""
    wanted = {course.id: course for course in courses}
    if not wanted:
        return {}
    rows = db.session.execute(
        _outlines_query(), {"person_id": by.person_id, "course_ids": list(wanted)}
    ).all()
    sees_drafts = {
        course.id: policy.allows(by, Permission.COURSE_READ, _Draft(course.cohort_id, course.programme_id))
        for course in wanted.values()
    }
    parts: dict[int, dict[str, Part]] = {course_id: {} for course_id in wanted}
    learning: set[int] = set()
    for row in rows:
        of_course = parts[row.course_id]
        part = of_course.setdefault(
            row.module_public_id,
            Part(row.module_public_id, row.number, row.module_zh, row.module_en, ()),
        )
        if row.public_id is None or (row.state != "published" and not sees_drafts[row.course_id]):
            continue
        seen = None
        if row.enrolment_id is not None:
            learning.add(row.course_id)
            seen = Seen(
                row.watched_s or 0, row.duration_s or 0, row.position_s or 0.0, row.completion_id is not None
            )
        line = Line(
            row.public_id,
            row.title_zh,
            row.title_en,
            row.state,
            row.is_sample,
            row.video_id is not None,
            row.duration_s or 0,
            row.lite_bytes or 0,
            seen,
        )
        of_course[part.public_id] = Part(
            part.public_id, part.number, part.title_zh, part.title_en, (*part.lectures, line)
        )
    return {
        course_id: Outline(
            tuple(part for part in found.values() if part.lectures or sees_drafts[course_id]),
            course_id in learning,
        )
        for course_id, found in parts.items()
    }


def outline(course: Course, by: Actor) -> Outline:
    """What one course consists of for the actor."""
    return outlines([course], by)[course.id]


# Lectures and videos


@cache
def _lecture_query() -> Select[Lecture]:
    return (
        select(Lecture)
        .options(
            joinedload(Lecture.module)
            .joinedload(Module.course)
            .joinedload(Course.cohort)
            .joinedload(Cohort.programme),
            joinedload(Lecture.cohort),
            joinedload(Lecture.video),
            selectinload(Lecture.captions),
        )
        .where(Lecture.public_id == bindparam("wanted"))
    )


def lecture(public_id: str, by: Actor, *, permission: Permission = Permission.COURSE_READ) -> Lecture:
    """One lecture with its module, course, video and captions. Raises NotFound.

    Drafts, and lectures of a course that is a draft, exist only for their teachers.
    """
    if not ids.is_public_id(public_id):
        raise NotFound
    found = db.session.scalar(_lecture_query(), {"wanted": public_id})
    if found is None:
        raise NotFound
    policy.require(by, permission, found, see=Permission.COURSE_READ)
    policy.require(by, Permission.COURSE_READ, found.module.course)
    return found


@cache
def _watching_query() -> Select[Lecture, Enrolment]:
    return (
        select(Lecture, Enrolment)
        .select_from(Lecture)
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .join(Enrolment, Enrolment.cohort_id == Lecture.cohort_id)
        .options(joinedload(Lecture.cohort))
        .where(
            Lecture.public_id == bindparam("wanted"),
            Course.state == "published",
            Enrolment.person_id == bindparam("person_id"),
            Enrolment.state != "withdrawn",
        )
    )


def watching(public_id: str, by: Actor) -> tuple[Lecture, Enrolment]:
    """A lecture and the enrolment for which the actor watches it, in one query: asked every 15 seconds.

    Raises NotFound for whoever may not watch it.
    """
    if not ids.is_public_id(public_id):
        raise NotFound
    row = db.session.execute(_watching_query(), {"wanted": public_id, "person_id": by.person_id}).first()
    if row is None:
        raise NotFound
    policy.require(by, Permission.LECTURE_WATCH, row[0])
    return row[0], row[1]


# Evidence


def enrolment_in(by: Actor, cohort_id: int) -> Enrolment | None:
    """The actor's own enrolment in a cohort."""
    return db.session.scalar(
        select(Enrolment).where(
            Enrolment.person_id == by.person_id,
            Enrolment.cohort_id == cohort_id,
            Enrolment.state != "withdrawn",
        )
    )


def seen(enrolment: Enrolment, lecture: Lecture) -> Seen:
    """What a trainee has seen of a lecture's present video, in one query."""
    row = db.session.execute(
        select(Watch, LectureCompletion.id)
        .select_from(Enrolment)
        .outerjoin(Watch, (Watch.enrolment_id == Enrolment.id) & (Watch.video_id == lecture.video_id))
        .outerjoin(
            LectureCompletion,
            (LectureCompletion.enrolment_id == Enrolment.id) & (LectureCompletion.lecture_id == lecture.id),
        )
        .where(Enrolment.id == enrolment.id)
    ).one()
    duration_s = lecture.video.duration_s if lecture.video else 0
    watch: Watch | None = row[0]
    if watch is None:
        return Seen(0, duration_s, 0.0, row[1] is not None)
    return Seen(
        watch.watched_s, duration_s, watch.position_s, row[1] is not None, watch.bitmap, watch.updated_at
    )


@dataclass(frozen=True)
class LectureFacts:
    """How many lectures a cohort has to watch, and how many each trainee has watched."""

    total: int
    completed: Mapping[int, int]


def lecture_facts(cohort_id: int, *, enrolment_id: int | None = None) -> LectureFacts:
    """For certificate rules: published lectures of published courses with a playable video, and completions per enrolment."""
    counted = (
        select(Lecture.id)
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .where(
            Lecture.cohort_id == cohort_id,
            Lecture.state == "published",
            Course.state == "published",
            Lecture.video_id.is_not(None),
        )
    )
    total = db.session.scalar(select(func.count()).select_from(counted.subquery())) or 0
    query = (
        select(LectureCompletion.enrolment_id, func.count())
        .where(LectureCompletion.lecture_id.in_(counted))
        .group_by(LectureCompletion.enrolment_id)
    )
    if enrolment_id is not None:
        query = query.where(LectureCompletion.enrolment_id == enrolment_id)
    return LectureFacts(total, {row[0]: row[1] for row in db.session.execute(query)})


def tasks(by: Actor, _at: datetime) -> Sequence[Task]:
    """The lecture under way and the next unwatched ones, at most three."""
    if not by.is_any(Role.TRAINEE):
        return []
    done = select(LectureCompletion.id).where(
        LectureCompletion.enrolment_id == Enrolment.id, LectureCompletion.lecture_id == Lecture.id
    )
    rows = db.session.execute(
        select(
            Lecture.public_id,
            Lecture.title_zh,
            Lecture.title_en,
            Video.duration_s,
            Video.lite_bytes,
            Watch.watched_s,
        )
        .select_from(Lecture)
        .join(Enrolment, Enrolment.cohort_id == Lecture.cohort_id)
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .join(Video, Video.id == Lecture.video_id)
        .outerjoin(Watch, (Watch.enrolment_id == Enrolment.id) & (Watch.video_id == Lecture.video_id))
        .where(
            Enrolment.person_id == by.person_id,
            Enrolment.state == "active",
            Lecture.state == "published",
            Course.state == "published",
            ~done.exists(),
        )
        .order_by(func.coalesce(Watch.watched_s, 0).desc(), Module.number, Lecture.number)
        .limit(3)
    ).all()
    found = []
    for row in rows:
        left_s = max(row.duration_s - (row.watched_s or 0), 1)
        under_way = bool(row.watched_s)
        meta = [_("Lecture"), _n("%(num)s minute left", "%(num)s minutes left", -(-left_s // 60))]
        if row.lite_bytes:
            meta.append(_("%(size)s MB", size=f"{row.lite_bytes / 1e6:.1f}"))
        found.append(
            Task(
                kind="lecture",
                title=pick(row.title_zh, row.title_en),
                url=f"/lectures/{row.public_id}",
                urgency=2 if under_way else 3,
                action=_("Go on watching") if under_way else _("Watch"),
                meta=tuple(meta),
                progress=100 * (row.watched_s or 0) // (row.duration_s or 1) if under_way else None,
            )
        )
    return found


def figures(at: datetime) -> list[Figure]:  # noqa: ARG001 (the port's shape)
    """Videos by state."""
    return by_state("videos", lazy("Films of lectures"), Video.state)
