"""Questions about courses, lectures and what was watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms import policy
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.figures import Figure, by_state
from lms.core.i18n import _, _n, lazy, pick
from lms.core.ports import Task
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
    boot,
    draft_of,
    draft_words,
    drafts,
    keepable,
    lecture_id_of,
    lecture_to_fill,
    moments,
    note,
    notes,
    progress_words,
    trouble,
    upload,
    uploads,
    video_of,
    videos,
)
from lms.courses.queries.outlining import Line as Line
from lms.courses.queries.outlining import Outline as Outline
from lms.courses.queries.outlining import Part as Part
from lms.courses.queries.outlining import Seen as Seen
from lms.courses.queries.outlining import outline as outline
from lms.courses.queries.outlining import outlines as outlines
from lms.courses.queries.things import reviews_waiting as reviews_waiting
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment

__all__ = [
    "Keepable",
    "boot",
    "draft_of",
    "draft_words",
    "drafts",
    "keepable",
    "lecture_id_of",
    "lecture_to_fill",
    "moments",
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


def courses(by: Actor, *, archived: bool = False) -> Sequence[Course]:
    """The courses the actor may read, the newest cohort first; archived ones apart."""
    query = (
        select(Course)
        .join(Cohort, Cohort.id == Course.cohort_id)
        .options(joinedload(Course.cohort).joinedload(Cohort.programme))
        .where(Course.archived_at.is_not(None) if archived else Course.archived_at.is_(None))
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
    """A lecture and the enrolment for which the actor watches it, in one query.

    Raises NotFound for whoever may not watch it.
    """
    if not ids.is_public_id(public_id):
        raise NotFound
    row = db.session.execute(_watching_query(), {"wanted": public_id, "person_id": by.person_id}).first()
    if row is None:
        raise NotFound
    policy.require(by, Permission.LECTURE_WATCH, row[0])
    return row[0], row[1]


@dataclass(frozen=True, slots=True)
class Watched:
    """A lecture, as far as the door of its reports needs to know it."""

    id: int
    public_id: str
    state: str
    cohort_id: int
    programme_id: int


@dataclass(frozen=True, slots=True)
class Watcher:
    """An enrolment, as far as evidence needs to know it."""

    id: int
    person_id: int


@cache
def _reporting_query() -> Select[int, str, str, int, int, int, int]:
    return (
        select(
            Lecture.id,
            Lecture.public_id,
            Lecture.state,
            Lecture.cohort_id,
            Cohort.programme_id,
            Enrolment.id,
            Enrolment.person_id,
        )
        .select_from(Lecture)
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .join(Cohort, Cohort.id == Lecture.cohort_id)
        .join(Enrolment, Enrolment.cohort_id == Lecture.cohort_id)
        .where(
            Lecture.public_id == bindparam("wanted"),
            Course.state == "published",
            Enrolment.person_id == bindparam("person_id"),
            Enrolment.state != "withdrawn",
        )
    )


def reporting(public_id: str, by: Actor) -> tuple[Watched, Watcher]:
    """What ``watching`` answers, without making objects of it: asked by every player every 15 seconds."""
    if not ids.is_public_id(public_id):
        raise NotFound
    row = (
        db.session.connection()
        .execute(_reporting_query(), {"wanted": public_id, "person_id": by.person_id})
        .first()
    )
    if row is None:
        raise NotFound
    found = Watched(*row[:5])
    policy.require(by, Permission.LECTURE_WATCH, found)
    return found, Watcher(*row[5:])


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


def _closed(course_ids: set[int], by: Actor, at: datetime) -> set[str]:
    """What of some courses is not open yet for the actor."""
    if not course_ids:
        return set()
    found = db.session.scalars(
        select(Course).options(joinedload(Course.cohort)).where(Course.id.in_(course_ids))
    )
    return {
        line.public_id
        for outline in outlines(found, by, at=at).values()
        for line in outline.steps
        if line.closed
    }


def tasks(by: Actor, at: datetime) -> Sequence[Task]:
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
            Lecture.release,
            Module.course_id,
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
            Course.archived_at.is_(None),
            ~done.exists(),
        )
        .order_by(func.coalesce(Watch.watched_s, 0).desc(), Module.number, Lecture.number)
        .limit(12)
    ).all()
    found = []
    closed = _closed({row.course_id for row in rows if row.release}, by, at)
    for row in [row for row in rows if row.public_id not in closed][:3]:
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
