"""Questions about what a module holds: lectures and units with their words, reviews, sources and files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from lms import policy
from lms.core import clock, ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _, pick
from lms.core.ports import Task
from lms.courses.models import (
    WORDS,
    Course,
    CourseFile,
    Lecture,
    Module,
    Source,
    SourceUse,
    Unit,
    Wording,
    WordingReview,
)
from lms.courses.rules.wordings import (
    Order,
    Piece,
    ReviewState,
    compared,
    is_outdated,
    is_overdue,
    review_state,
)
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

Thing = Lecture | Unit
MODELS: dict[str, type[Lecture] | type[Unit]] = {"lecture": Lecture, "unit": Unit}


def thing(kind: str, public_id: str, by: Actor, *, permission: Permission = Permission.COURSE_READ) -> Thing:
    """A lecture or a unit with its module, course and cohort. Raises NotFound."""
    model = MODELS[kind]
    query: Select[Any] = (
        select(model)
        .options(
            joinedload(model.module)
            .joinedload(Module.course)
            .joinedload(Course.cohort)
            .joinedload(Cohort.programme),
            joinedload(model.cohort),
        )
        .where(model.public_id == public_id)
    )
    if model is Unit:
        query = query.options(joinedload(Unit.file))
    found: Thing | None = db.session.scalar(query) if ids.is_public_id(public_id) else None
    if found is None:
        raise NotFound
    policy.require(by, permission, found, see=Permission.COURSE_READ)
    policy.require(by, Permission.COURSE_READ, found.module.course)
    return found


def unit(public_id: str, by: Actor, *, permission: Permission = Permission.COURSE_READ) -> Unit:
    """A unit. Raises NotFound."""
    found = thing("unit", public_id, by, permission=permission)
    assert isinstance(found, Unit)
    return found


def newest(thing: Thing) -> Wording | None:
    """The newest wording with its review; None for what was made before wordings were kept."""
    column = Wording.lecture_id if isinstance(thing, Lecture) else Wording.unit_id
    return db.session.scalar(
        select(Wording)
        .options(selectinload(Wording.reviews))
        .where(column == thing.id)
        .order_by(Wording.number.desc())
        .limit(1)
    )


@dataclass(frozen=True)
class WordingShape:
    """A wording as the policy asks for it."""

    cohort_id: int
    programme_id: int
    author_person_id: int | None


def shape(thing: Thing, row: Wording) -> WordingShape:
    """Who wrote it, and where."""
    return WordingShape(thing.cohort_id, thing.programme_id, row.person_id)


@dataclass(frozen=True)
class Change:
    """One text of a thing: what learners see, what the draft says, and what differs."""

    name: str
    old: str
    new: str
    pieces: tuple[Piece, ...]

    @property
    def is_changed(self) -> bool:
        """Whether anything differs."""
        return self.old != self.new


@dataclass(frozen=True)
class Standing:
    """How far the words of a thing are: draft, review, publication."""

    number: int
    state: ReviewState
    is_draft: bool
    """Learners see other words than the newest, or none yet."""
    differs: bool
    returned: str = ""
    may_review: bool = False
    is_overdue: bool = False
    changed: tuple[Source, ...] = ()
    """Sources that changed since the last review."""
    asked_at: datetime | None = None


def standing(thing: Thing, by: Actor, *, at: datetime) -> Standing:
    """How far the words of a thing are, for its author and its reviewer."""
    row = newest(thing)
    reviews = row.reviews if row else []
    state = review_state(one.act for one in reviews)
    content = row.content if row else thing.content
    last = reviews[-1] if reviews else None
    return Standing(
        row.number if row else 0,
        state,
        thing.state != "published" or content != thing.content,
        content != thing.content,
        last.words if last and last.act == "return" else "",
        row is not None
        and state == ReviewState.ASKED
        and policy.allows(by, Permission.WORDING_REVIEW, shape(thing, row)),
        is_overdue(thing.review_due_on, clock.today(at)),
        tuple(one for one in sources_of(thing) if is_outdated(thing.reviewed_at, [one.changed_at])),
        last.at if last else None,
    )


def changes(thing: Thing) -> list[Change]:
    """Published and draft side by side, text by text."""
    row = newest(thing)
    draft = row.content if row else thing.content
    live = thing.content if thing.state == "published" else dict.fromkeys(draft, "")
    found = []
    for name in WORDS["lecture" if isinstance(thing, Lecture) else "unit"]:
        old, new = _as_text(live.get(name)), _as_text(draft.get(name))
        if old or new:
            found.append(Change(name, old, new, tuple(compared(old, new))))
    return found


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(f"{point.get('zh', '')} | {point.get('en', '')}" for point in value)
    return str(value or "")


def draft_of(thing: Thing) -> dict[str, object]:
    """The newest words, for the form that goes on writing them."""
    row = newest(thing)
    return dict(row.content if row else thing.content)


# Order


def order(course: Course) -> Order:
    """Modules of a course with what they hold, by reference (``lecture:…``, ``unit:…``), in their order."""
    rows = [
        (row.module, row.number, f"{kind}:{row.public_id}")
        for kind, model in MODELS.items()
        for row in db.session.execute(
            select(Module.public_id.label("module"), model.number, model.public_id)
            .join(Module, Module.id == model.module_id)
            .where(Module.course_id == course.id)
        )
    ]
    modules = db.session.scalars(
        select(Module.public_id).where(Module.course_id == course.id).order_by(Module.number)
    )
    return [
        (
            f"module:{module}",
            [ref for where, _number, ref in sorted(rows, key=lambda row: row[1]) if where == module],
        )
        for module in modules
    ]


def things_of(course: Course) -> list[Thing]:
    """All lectures and units of a course."""
    found: list[Thing] = []
    for model in MODELS.values():
        found += db.session.scalars(
            select(model)
            .join(Module, Module.id == model.module_id)
            .where(Module.course_id == course.id)
            .order_by(Module.number, model.number)
        )
    return found


@dataclass(frozen=True)
class DeskMark:
    """What the course's desk says of one lecture or unit."""

    state: ReviewState
    differs: bool
    is_overdue: bool
    is_outdated: bool


def desk_marks(course: Course, *, at: datetime) -> dict[str, DeskMark]:
    """Public id → what an author has to know, for all of a course in a handful of queries."""
    things = things_of(course)
    found: dict[str, DeskMark] = {}
    for model in MODELS.values():
        column = Wording.lecture_id if model is Lecture else Wording.unit_id
        use = SourceUse.lecture_id if model is Lecture else SourceUse.unit_id
        mine = [one for one in things if isinstance(one, model)]
        wanted = [one.id for one in mine]
        other = aliased(Wording)
        same = (
            other.lecture_id == Wording.lecture_id if model is Lecture else other.unit_id == Wording.unit_id
        )
        last = {
            row.lecture_id or row.unit_id or 0: row
            for row in db.session.scalars(
                select(Wording)
                .options(selectinload(Wording.reviews))
                .where(
                    column.in_(wanted),
                    Wording.number == select(func.max(other.number)).where(same).scalar_subquery(),
                )
            )
        }
        changed: dict[int, list[datetime | None]] = {}
        for used_by, changed_at in db.session.execute(
            select(use, Source.changed_at)
            .join(Source, Source.id == SourceUse.source_id)
            .where(use.in_(wanted))
        ):
            changed.setdefault(used_by or 0, []).append(changed_at)
        for one in mine:
            row = last.get(one.id)
            found[one.public_id] = DeskMark(
                review_state(step.act for step in row.reviews) if row else ReviewState.WRITTEN,
                row is not None and one.state == "published" and row.content != one.content,
                is_overdue(one.review_due_on, clock.today(at)),
                is_outdated(one.reviewed_at, changed.get(one.id, ())),
            )
    return found


# Sources


def sources(course: Course) -> Sequence[Source]:
    """The sources of a programme's content, by title."""
    return db.session.scalars(
        select(Source).where(Source.programme_id == course.programme_id).order_by(Source.title, Source.id)
    ).all()


def source(course: Course, public_id: str) -> Source:
    """One source of the course's programme. Raises NotFound."""
    found = db.session.scalar(
        select(Source).where(Source.programme_id == course.programme_id, Source.public_id == public_id)
    )
    if found is None:
        raise NotFound
    return found


def sources_of(thing: Thing) -> Sequence[Source]:
    """What a lecture or unit rests on."""
    column = SourceUse.lecture_id if isinstance(thing, Lecture) else SourceUse.unit_id
    return db.session.scalars(
        select(Source)
        .join(SourceUse, SourceUse.source_id == Source.id)
        .where(column == thing.id)
        .order_by(Source.title, Source.id)
    ).all()


def sources_by_thing(course: Course) -> dict[str, list[Source]]:
    """What each lecture and unit of a course rests on, by its public id, in two queries."""
    found: dict[str, list[Source]] = {}
    for model in MODELS.values():
        column = SourceUse.lecture_id if model is Lecture else SourceUse.unit_id
        rows = db.session.execute(
            select(model.public_id, Source)
            .select_from(SourceUse)
            .join(Source, Source.id == SourceUse.source_id)
            .join(model, column == model.id)
            .join(Module, Module.id == model.module_id)
            .where(Module.course_id == course.id)
            .order_by(Source.title, Source.id)
        )
        for ref, row in rows:
            found.setdefault(ref, []).append(row)
    return found


def uses(row: Source) -> list[Thing]:
    """The lectures and units of all courses that rest on a source."""
    found: list[Thing] = []
    for model in MODELS.values():
        column = SourceUse.lecture_id if model is Lecture else SourceUse.unit_id
        found += db.session.scalars(
            select(model)
            .join(SourceUse, column == model.id)
            .options(joinedload(model.module).joinedload(Module.course))
            .where(SourceUse.source_id == row.id)
            .order_by(model.id)
        )
    return found


# Files


def files(course: Course, kind: str) -> Sequence[CourseFile]:
    """The pictures or files of a course, the newest first."""
    return db.session.scalars(
        select(CourseFile)
        .where(CourseFile.course_id == course.id, CourseFile.kind == kind)
        .order_by(CourseFile.id.desc())
    ).all()


def picture(public_id: str, by: Actor) -> CourseFile:
    """A picture of a course that the actor may read. Raises NotFound."""
    found = (
        db.session.scalar(
            select(CourseFile)
            .options(joinedload(CourseFile.course).joinedload(Course.cohort))
            .where(CourseFile.public_id == public_id, CourseFile.kind == "picture")
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.COURSE_READ, found.course)
    return found


# What waits for a reviewer


def reviews_waiting(by: Actor, _at: datetime) -> Sequence[Task]:
    """Words that wait for the actor's review, at most three."""
    if not by.is_any(Role.CLINICAL_REVIEWER, Role.DIRECTOR):
        return []
    found = []
    for kind, model in MODELS.items():
        column = Wording.lecture_id if model is Lecture else Wording.unit_id
        later = aliased(WordingReview)
        newer = aliased(Wording)
        asked: Select[Any, Any] = (
            select(model, Wording)
            .join(Wording, column == model.id)
            .join(WordingReview, (WordingReview.wording_id == Wording.id) & (WordingReview.act == "submit"))
            .options(joinedload(model.cohort))
            .where(
                ~select(later.id).where(later.wording_id == Wording.id, later.act != "submit").exists(),
                ~select(newer.id)
                .where(
                    newer.lecture_id == Wording.lecture_id
                    if model is Lecture
                    else newer.unit_id == Wording.unit_id,
                    newer.number > Wording.number,
                )
                .exists(),
            )
            .order_by(WordingReview.id)
            .limit(20)
        )
        rows = db.session.execute(asked).all()
        found += [
            Task(
                kind="decision",
                title=pick(one.title_zh, one.title_en),
                url=f"/{kind}s/{one.public_id}/changes",
                urgency=1,
                action=_("Review"),
                meta=(_("Words of a course"),),
            )
            for one, row in rows
            if policy.allows(by, Permission.WORDING_REVIEW, shape(one, row))
        ]
    return found[:3]
