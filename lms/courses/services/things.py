"""Acts on what a module holds: units, their files, the order, when things open, what they rest on."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from lms import policy
from lms.core import audit, deid, markdown
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.storage import storage
from lms.courses.models import (
    Course,
    CourseFile,
    Lecture,
    Module,
    Source,
    SourceUse,
    Unit,
    UnitDone,
)
from lms.courses.queries import things
from lms.courses.queries.opening import offered
from lms.courses.queries.things import MODELS, Thing
from lms.courses.rules import release
from lms.courses.rules.wordings import Order, is_rearrangement
from lms.courses.services.base import kind_of, lock, next_number, scope_of, subject_of, who
from lms.courses.services.wordings import keep, publish_thing
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment

FILE_LIMIT_BYTES = 50_000_000
FILE_TYPES = {
    ".pdf": b"%PDF-",
    ".docx": b"PK\x03\x04",
    ".xlsx": b"PK\x03\x04",
    ".pptx": b"PK\x03\x04",
}
"""What may be handed out, and how such a file begins."""
TEST_PURPOSES = {"test": "exam", "checkpoint": "practice"}


def _note(thing: Thing, act: str, *, at: datetime, by: Actor | None) -> None:
    audit.record(
        f"courses.{kind_of(thing)}.{act}",
        scope=scope_of(thing.cohort),
        at=at,
        account_id=who(by),
        subject=subject_of(thing),
    )


def require_readable(**texts: str) -> None:
    """Refuse what identifies a patient, pictures without words, pictures of other sites, and formulas that cannot be read."""
    for field, text in texts.items():
        deid.require_clean(text, field=field)
        if len(text) > markdown.LIMIT:
            raise RuleBroken("too_long", _("The text is too long for one page."), field=field)
        for fault in markdown.faults(text):
            raise RuleBroken(fault.code, _fault_words(fault), field=field)


def _fault_words(fault: markdown.Fault) -> str:
    if fault.code == "alt_missing":
        return _(
            "Say in words what the picture %(picture)s shows, for those who do not see it: ![words](address).",
            picture=fault.what,
        )
    if fault.code == "foreign_picture":
        return _("The picture %(picture)s is on another site. Upload it here first.", picture=fault.what)
    return _("This formula cannot be read: %(formula)s", formula=fault.what[:80])


def add_unit(
    module: Module,
    *,
    kind: str,
    title_zh: str,
    title_en: str,
    body_zh: str = "",
    body_en: str = "",
    test_ref: str = "",
    file: CourseFile | None = None,
    is_sample: bool = False,
    client_uuid: str | None = None,
    at: datetime,
    by: Actor | None,
) -> Unit:
    """Append a page, file, test or checkpoint to a module, as a draft; the same ``client_uuid`` twice is one unit."""
    course = module.course
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    deid.require_clean(title_zh, field="title_zh")
    deid.require_clean(title_en, field="title_en")
    require_readable(body_zh=body_zh, body_en=body_en)
    if kind in TEST_PURPOSES:
        test = offered(course.cohort_id).get(test_ref)
        if test is None or test.purpose != TEST_PURPOSES[kind]:
            raise RuleBroken("test_missing", _("Choose the test that this leads to."), field="test_ref")
    if kind == "file" and file is None:
        raise RuleBroken("file_missing", _("Choose a file."), field="file")
    lock(Module, module.id)
    again = db.session.scalar(
        select(Unit).where(Unit.client_uuid == client_uuid, Unit.module_id == module.id)
    )
    if client_uuid and again is not None:
        again.module, again.cohort, again.file = module, course.cohort, file
        return again
    row = Unit(
        module_id=module.id,
        cohort_id=course.cohort_id,
        number=next_number(module.id),
        kind=kind,
        title_zh=title_zh,
        title_en=title_en,
        body_zh=body_zh,
        body_en=body_en,
        test_ref=test_ref if kind in TEST_PURPOSES else "",
        file_id=file.id if file else None,
        is_sample=is_sample,
        client_uuid=client_uuid or None,
    )
    row.module, row.cohort, row.file = module, course.cohort, file
    db.session.add(row)
    db.session.flush()
    keep(row, row.content, at=at, by=by)
    _note(row, "add", at=at, by=by)
    return row


def edit_unit(
    unit: Unit, *, title_zh: str, title_en: str, body_zh: str, body_en: str, at: datetime, by: Actor
) -> None:
    """Change a unit's words; those of a published one are a draft until they are published."""
    policy.require(by, Permission.COURSE_EDIT, unit, see=Permission.COURSE_READ)
    deid.require_clean(title_zh, field="title_zh")
    deid.require_clean(title_en, field="title_en")
    require_readable(body_zh=body_zh, body_en=body_en)
    keep(
        unit,
        {"title_zh": title_zh, "title_en": title_en, "body_zh": body_zh, "body_en": body_en},
        at=at,
        by=by,
    )
    _note(unit, "edit", at=at, by=by)


def publish_unit(unit: Unit, *, at: datetime, by: Actor | None) -> None:
    """Let the cohort see a unit with its newest words."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, unit, see=Permission.COURSE_READ)
    publish_thing(unit, at=at, by=by)
    if unit.state != "published":
        unit.state = "published"
        db.session.flush()
        _note(unit, "publish", at=at, by=by)


def withdraw_unit(unit: Unit, *, at: datetime, by: Actor) -> None:
    """Take a unit back into draft; what was marked as read stays."""
    policy.require(by, Permission.COURSE_EDIT, unit, see=Permission.COURSE_READ)
    if unit.state == "published":
        unit.state = "draft"
        db.session.flush()
        _note(unit, "withdraw", at=at, by=by)


def mark_read(unit: Unit, enrolment: Enrolment, *, at: datetime, by: Actor) -> None:
    """A learner says that they have read a page or file; twice is once."""
    policy.require(by, Permission.LECTURE_WATCH, unit)
    if unit.kind not in {"page", "file"} or enrolment.person_id != by.person_id:
        raise RuleBroken("not_readable", _("This is not marked by hand."))
    lock_enrolment = select(Enrolment.id).where(Enrolment.id == enrolment.id).with_for_update()
    db.session.execute(lock_enrolment)
    done = select(UnitDone.id).where(UnitDone.enrolment_id == enrolment.id, UnitDone.unit_id == unit.id)
    if db.session.scalar(done) is None:
        db.session.add(UnitDone(enrolment_id=enrolment.id, unit_id=unit.id, at=at))
        db.session.flush()
        _note(unit, "read", at=at, by=by)


# Files


def add_picture(
    course: Course, data: bytes, *, name: str, alt_zh: str, alt_en: str, at: datetime, by: Actor
) -> CourseFile:
    """Keep a picture for the pages of a course, cleaned of all that is not the picture; it needs words in both languages."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    for field, words in (("alt_zh", alt_zh), ("alt_en", alt_en)):
        if not words.strip():
            raise RuleBroken("alt_missing", _("Say in words what the picture shows."), field=field)
        deid.require_clean(words, field=field)
    try:
        clean = deid.clean_image(data)
    except RuleBroken as refusal:
        raise RuleBroken(refusal.code, refusal.message, field="picture") from None
    suffix = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[deid.image_format(clean) or "PNG"]
    return keep_file(
        course, clean, kind="picture", suffix=suffix, name=name, alt_zh=alt_zh, alt_en=alt_en, at=at, by=by
    )


def add_file(course: Course, data: bytes, *, name: str, at: datetime, by: Actor | None) -> CourseFile:
    """Keep a document that learners may take with them."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    suffix = "." + name.lower().rpartition(".")[2]
    if len(data) > FILE_LIMIT_BYTES:
        raise RuleBroken("file_too_large", _("The file is larger than 50 MB."), field="file")
    if suffix not in FILE_TYPES or not data.startswith(FILE_TYPES[suffix]):
        raise RuleBroken("file_type", _("Take a PDF, Word, Excel or PowerPoint file."), field="file")
    deid.require_clean(name, field="file")
    return keep_file(course, data, kind="file", suffix=suffix, name=name, at=at, by=by)


def keep_file(
    course: Course,
    data: bytes,
    *,
    kind: str,
    suffix: str,
    name: str,
    at: datetime,
    by: Actor | None,
    alt_zh: str = "",
    alt_en: str = "",
) -> CourseFile:
    """Keep the bytes of a picture or file that passed its gate."""
    key = storage().put("courses", data, suffix=suffix)
    row = CourseFile(
        course_id=course.id,
        kind=kind,
        name=name[-160:],
        key=key,
        size_bytes=len(data),
        sha256=key.rpartition("/")[2].partition(".")[0],
        alt_zh=alt_zh.strip(),
        alt_en=alt_en.strip(),
        account_id=who(by),
        at=at,
    )
    row.course = course
    db.session.add(row)
    db.session.flush()
    audit.record(
        "courses.file.add",
        scope=scope_of(course.cohort),
        at=at,
        account_id=who(by),
        subject=f"file:{row.public_id}",
    )
    return row


# Order


def arrange(course: Course, order: Sequence[tuple[str, Sequence[str]]], *, at: datetime, by: Actor) -> None:
    """Put modules and what they hold into another order, over the borders of modules too; all of it or nothing."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    lock(Course, course.id)
    known: Order = things.order(course)
    if not is_rearrangement(order, known):
        raise RuleBroken("changed_meanwhile", _("The course was changed meanwhile. Please reload the page."))
    modules = {
        f"module:{one.public_id}": one
        for one in db.session.scalars(select(Module).where(Module.course_id == course.id))
    }
    held = {f"{kind_of(one)}:{one.public_id}": one for one in things.things_of(course)}
    ids = [one.id for one in modules.values()]
    # Two steps: no two rows may ever have the same number.
    db.session.execute(update(Module).where(Module.id.in_(ids)).values(number=-Module.id))
    for model in MODELS.values():
        db.session.execute(update(model).where(model.module_id.in_(ids)).values(number=-model.id))
    for number, (ref, refs) in enumerate(order, 1):
        module = modules[ref]
        db.session.execute(update(Module).where(Module.id == module.id).values(number=number))
        for place, one in enumerate((held[each] for each in refs), 1):
            model = MODELS[kind_of(one)]
            db.session.execute(
                update(model).where(model.id == one.id).values(number=place, module_id=module.id)
            )
    db.session.flush()
    audit.record(
        "courses.course.arrange",
        scope=scope_of(course.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"course:{course.public_id}",
    )


def set_review(course: Course, *, needed: bool, at: datetime, by: Actor) -> None:
    """Say whether words need a clinical review before they are published."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    if course.needs_review != needed:
        course.needs_review = needed
        db.session.flush()
        audit.record(
            "courses.course.review",
            scope=scope_of(course.cohort),
            at=at,
            account_id=by.account_id,
            subject=f"course:{course.public_id}",
            detail={"needed": needed},
        )


# When it opens


def set_release(thing: Thing, condition: Any, *, at: datetime, by: Actor | None) -> None:
    """Say when something opens for a learner. Refused: what names nothing, and loops."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, thing, see=Permission.COURSE_READ)
    course = thing.module.course
    lock(Course, course.id)
    everything = things.things_of(course)
    conditions = {one.public_id: one.release for one in everything}
    if condition is not None:
        release.checked(
            condition,
            refs=conditions.keys(),
            tests=offered(course.cohort_id).keys(),
            groups=[code for code, _name in programmes.tracks()],
        )
    release.refuse_loop(conditions | {thing.public_id: condition})
    thing.release = condition
    db.session.flush()
    _note(thing, "release", at=at, by=by)


# Sources


def add_source(
    course: Course, *, title: str, edition: str, url: str, at: datetime, by: Actor | None
) -> Source:
    """Name a source of the programme's content."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    if not title.strip():
        raise RuleBroken("title_missing", _("Give the title of the source."), field="title")
    row = Source(
        programme_id=course.programme_id, title=title.strip(), edition=edition.strip(), url=url.strip()
    )
    db.session.add(row)
    db.session.flush()
    _source_note(course, row, "add", at=at, by=by)
    return row


def change_source(course: Course, row: Source, *, edition: str, change: str, at: datetime, by: Actor) -> None:
    """Note a new edition: everything that rests on the source is marked until it is reviewed."""
    policy.require(by, Permission.COURSE_EDIT, course, see=Permission.COURSE_READ)
    if not change.strip():
        raise RuleBroken("change_missing", _("Say in a sentence what changed."), field="change")
    row.edition, row.change, row.changed_at = edition.strip(), change.strip(), at
    db.session.flush()
    _source_note(course, row, "change", at=at, by=by)


def link_sources(thing: Thing, rows: Collection[Source], *, at: datetime, by: Actor | None) -> None:
    """Say what a lecture or unit rests on."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, thing, see=Permission.COURSE_READ)
    column = SourceUse.lecture_id if isinstance(thing, Lecture) else SourceUse.unit_id
    before = {use.source_id: use for use in db.session.scalars(select(SourceUse).where(column == thing.id))}
    wanted = {row.id: row for row in rows}
    for source_id, use in before.items():
        if source_id not in wanted:
            db.session.delete(use)
    for source_id, row in wanted.items():
        if source_id not in before:
            db.session.add(
                SourceUse(
                    source_id=row.id,
                    lecture_id=thing.id if isinstance(thing, Lecture) else None,
                    unit_id=thing.id if isinstance(thing, Unit) else None,
                )
            )
    db.session.flush()
    if before.keys() != wanted.keys():
        audit.record(
            "courses.source.link",
            scope=scope_of(thing.cohort),
            at=at,
            account_id=who(by),
            subject=subject_of(thing),
        )


def _source_note(course: Course, row: Source, act: str, *, at: datetime, by: Actor | None) -> None:
    audit.record(
        f"courses.source.{act}",
        scope=scope_of(course.cohort),
        at=at,
        account_id=who(by),
        subject=f"source:{row.public_id}",
    )
