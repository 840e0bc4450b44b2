"""Acts on courses, modules and lectures: their words and whether learners see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from lms import policy
from lms.core import audit, deid, ids, ports
from lms.core.db import db
from lms.courses import rules
from lms.courses.models import Course, Lecture, Module
from lms.courses.rules import LECTURE_MOVES, LectureState
from lms.courses.services.base import lock, next_number, scope_of, who
from lms.courses.services.wordings import keep, publish_thing
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort


def _require_clean(**texts: str) -> None:
    """Refuse words that may identify a patient, each at its field of the form."""
    for field, text in texts.items():
        deid.require_clean(text, field=field)


def _lines(points: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(text for point in points for text in point.values())


def add_course(
    cohort: Cohort,
    *,
    title_zh: str,
    title_en: str,
    at: datetime,
    by: Actor | None,
    code: str = "",
    summary_zh: str = "",
    summary_en: str = "",
    is_sample: bool = False,
    client_uuid: str | None = None,
) -> Course:
    """Open a course for a cohort, as a draft; the same ``client_uuid`` twice is one course. ``by`` None: the demonstration."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, cohort)
        _require_clean(title_zh=title_zh, title_en=title_en, summary_zh=summary_zh, summary_en=summary_en)
    again = db.session.scalar(
        select(Course).where(Course.client_uuid == client_uuid, Course.cohort_id == cohort.id)
    )
    if client_uuid and again is not None:
        again.cohort = cohort
        return again
    course = Course(
        cohort_id=cohort.id,
        code=code or ids.public_id(),
        title_zh=title_zh,
        title_en=title_en,
        summary_zh=summary_zh,
        summary_en=summary_en,
        is_sample=is_sample,
        client_uuid=client_uuid or None,
    )
    course.cohort = cohort
    db.session.add(course)
    db.session.flush()
    audit.record(
        "courses.course.add",
        scope=scope_of(cohort),
        at=at,
        account_id=who(by),
        subject=f"course:{course.public_id}",
    )
    return course


def edit_course(
    course: Course,
    *,
    title_zh: str,
    title_en: str,
    summary_zh: str,
    summary_en: str,
    at: datetime,
    by: Actor,
) -> None:
    """Change a course's words."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    _require_clean(title_zh=title_zh, title_en=title_en, summary_zh=summary_zh, summary_en=summary_en)
    course.title_zh, course.title_en = title_zh, title_en
    course.summary_zh, course.summary_en = summary_zh, summary_en
    db.session.flush()
    audit.record(
        "courses.course.edit",
        scope=scope_of(course.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"course:{course.public_id}",
    )


def publish_course(course: Course, *, at: datetime, by: Actor | None) -> None:
    """Let the cohort see the course; its lectures are published one by one, and count from then on."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    if course.state != "published":
        course.state = "published"
        db.session.flush()
        audit.record(
            "courses.course.publish",
            scope=scope_of(course.cohort),
            at=at,
            account_id=who(by),
            subject=f"course:{course.public_id}",
        )
        ports.fact_changed.tell(ports.FactChanged("lectures", None, at, cohort_id=course.cohort_id))


def add_module(
    course: Course,
    *,
    title_zh: str,
    title_en: str,
    at: datetime,
    by: Actor | None,
    number: int | None = None,
    client_uuid: str | None = None,
) -> Module:
    """Append a module to a course; the same ``client_uuid`` twice is one module."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
        _require_clean(title_zh=title_zh, title_en=title_en)
    lock(Course, course.id)
    again = db.session.scalar(
        select(Module).where(Module.client_uuid == client_uuid, Module.course_id == course.id)
    )
    if client_uuid and again is not None:
        return again
    last = db.session.scalar(select(func.max(Module.number)).where(Module.course_id == course.id)) or 0
    module = Module(
        course_id=course.id,
        number=number or last + 1,
        title_zh=title_zh,
        title_en=title_en,
        client_uuid=client_uuid or None,
    )
    module.course = course
    db.session.add(module)
    db.session.flush()
    audit.record(
        "courses.module.add",
        scope=scope_of(course.cohort),
        at=at,
        account_id=who(by),
        subject=f"module:{module.public_id}",
    )
    return module


def add_lecture(
    module: Module,
    *,
    title_zh: str,
    title_en: str,
    at: datetime,
    by: Actor | None,
    code: str = "",
    summary_zh: str = "",
    summary_en: str = "",
    key_points: Sequence[Mapping[str, str]] = (),
    is_sample: bool = False,
    client_uuid: str | None = None,
) -> Lecture:
    """Append a lecture to a module, as a draft; the same ``client_uuid`` twice is one lecture."""
    course = module.course
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
        _require_clean(
            title_zh=title_zh,
            title_en=title_en,
            summary_zh=summary_zh,
            summary_en=summary_en,
            key_points=_lines(key_points),
        )
    lock(Module, module.id)
    again = db.session.scalar(
        select(Lecture).where(Lecture.client_uuid == client_uuid, Lecture.module_id == module.id)
    )
    if client_uuid and again is not None:
        again.module, again.cohort = module, course.cohort
        return again
    lecture = Lecture(
        module_id=module.id,
        cohort_id=course.cohort_id,
        number=next_number(module.id),
        code=code or ids.public_id(),
        title_zh=title_zh,
        title_en=title_en,
        summary_zh=summary_zh,
        summary_en=summary_en,
        key_points=[dict(point) for point in key_points],
        is_sample=is_sample,
        client_uuid=client_uuid or None,
    )
    lecture.module, lecture.cohort = module, course.cohort
    db.session.add(lecture)
    db.session.flush()
    keep(lecture, lecture.content, at=at, by=by)
    audit.record(
        "courses.lecture.add",
        scope=scope_of(course.cohort),
        at=at,
        account_id=who(by),
        subject=f"lecture:{lecture.public_id}",
    )
    return lecture


def edit_lecture(
    lecture: Lecture,
    *,
    title_zh: str,
    title_en: str,
    summary_zh: str,
    summary_en: str,
    key_points: Sequence[Mapping[str, str]],
    at: datetime,
    by: Actor,
) -> None:
    """Change a lecture's words; those of a published one are a draft until they are published."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    _require_clean(
        title_zh=title_zh,
        title_en=title_en,
        summary_zh=summary_zh,
        summary_en=summary_en,
        key_points=_lines(key_points),
    )
    keep(
        lecture,
        {
            "title_zh": title_zh,
            "title_en": title_en,
            "summary_zh": summary_zh,
            "summary_en": summary_en,
            "key_points": [dict(point) for point in key_points],
        },
        at=at,
        by=by,
    )
    audit.record(
        "courses.lecture.edit",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"lecture:{lecture.public_id}",
    )


def publish_lecture(lecture: Lecture, *, at: datetime, by: Actor | None) -> None:
    """Let the cohort watch a lecture with its newest words, as soon as its video is ready; from now on it counts."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    publish_thing(lecture, at=at, by=by)
    _move_lecture(lecture, "publish", at=at, by=by)


def withdraw_lecture(lecture: Lecture, *, at: datetime, by: Actor) -> None:
    """Take a lecture back into draft; evidence stays."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    _move_lecture(lecture, "withdraw", at=at, by=by)


def _move_lecture(lecture: Lecture, act: str, *, at: datetime, by: Actor | None) -> None:
    target = LECTURE_MOVES[act][1]
    if lecture.state == target:
        return
    lecture.state = rules.move(LECTURE_MOVES, act, LectureState(lecture.state))
    db.session.flush()
    audit.record(
        f"courses.lecture.{act}",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=who(by),
        subject=f"lecture:{lecture.public_id}",
    )
    ports.fact_changed.tell(ports.FactChanged("lectures", None, at, cohort_id=lecture.cohort_id))
