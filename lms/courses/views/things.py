"""Pages of what a module holds beside films: pages, files, tests; the course's desk; words and their review; release; sources."""

from collections.abc import Callable
from datetime import date
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import clock, i18n, markdown
from lms.core.db import transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.courses import queries, services
from lms.courses.forms import (
    ConditionForm,
    NewUnitForm,
    PictureForm,
    ReviewForm,
    SourceForm,
    UnitForm,
)
from lms.courses.models import Course, Unit
from lms.courses.queries import opening, things
from lms.courses.queries.things import Thing
from lms.courses.rules import release, wordings
from lms.courses.views.blueprint import bp
from lms.policy import Actor, Permission, Role, allows
from lms.programmes import queries as programmes
from lms.web import files
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members, staff, takes

UNIT_KINDS = ("page", "file", "test", "checkpoint")
FORM_LIMIT_BYTES = services.FILE_LIMIT_BYTES + 1_000_000


def closed_page(thing: Thing, course: Course, why: str) -> ResponseReturnValue:
    """What a learner sees of something that is not open yet: when it opens."""
    return render_template("courses/closed.html", tab="learn", thing=thing, course=course, why=why)


def why_closed(thing: Thing, course: Course, by: Actor) -> str:
    """Why something is not open yet for the actor; empty where it is open, and for its teachers."""
    if not thing.release:
        return ""
    line = queries.outline(course, by, at=clock.now()).line(thing.public_id)
    return line.closed if line else ""


@bp.get("/units/<unit_id>")
@members
def unit(unit_id: str) -> ResponseReturnValue:
    """A page to read, a file to take, or the way to a test."""
    by, at = actor(), clock.now()
    found = things.unit(unit_id, by)
    course = found.module.course
    outline = queries.outline(course, by, at=at)
    line = outline.line(found.public_id)
    if line and line.closed:
        return closed_page(found, course, line.closed)
    test = opening.linked({found.test_ref}, by.person_id).get(found.test_ref) if found.test_ref else None
    if test is not None and outline.learning:
        return redirect(test.url, 303)
    before, after = outline.around(found.public_id)
    return render_template(
        "courses/unit.html",
        tab="learn",
        unit=found,
        course=course,
        outline=outline,
        line=line,
        before=before,
        after=after,
        test=test or (opening.offered(found.cohort_id).get(found.test_ref) if found.test_ref else None),
        body=i18n.pick(found.body_zh, found.body_en),
        may_edit=queries.may_edit(by, course),
        is_overdue=wordings.is_overdue(found.review_due_on, clock.today(at)),
    )


@bp.get("/units/<unit_id>/file")
@members
def unit_file(unit_id: str) -> ResponseReturnValue:
    """The file of a unit, to keep."""
    by = actor()
    found = things.unit(unit_id, by)
    if found.file is None or why_closed(found, found.module.course, by):
        raise NotFound
    return files.send(found.file.key, download_name=found.file.name, immutable=False)


@bp.get("/learn/pictures/<picture_id>")
@members
def picture(picture_id: str) -> ResponseReturnValue:
    """A picture of a page."""
    return files.send(things.picture(picture_id, actor()).key)


@bp.post("/units/<unit_id>/read")
@members
def mark_read(unit_id: str) -> ResponseReturnValue:
    """A learner's own mark: read."""
    by, at = actor(), clock.now()
    found = things.unit(unit_id, by, permission=Permission.LECTURE_WATCH)
    enrolment = queries.enrolment_in(by, found.cohort_id)
    if enrolment is None or why_closed(found, found.module.course, by):
        raise NotFound
    with transaction():
        services.mark_read(found, enrolment, at=at, by=by)
    _before, after = queries.outline(found.module.course, by, at=at).around(unit_id)
    flash(_("Marked as read."), "success")
    return redirect(after.url if after and not after.closed else url_for(".unit", unit_id=unit_id), 303)


# The course's desk


@bp.get("/learn/<course_id>/desk")
@staff(Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.DIRECTOR)
def course_desk(course_id: str) -> ResponseReturnValue:
    """The whole of a course for those who make it: order, states, what is to be done."""
    by = actor()
    return _course_desk(queries.course(course_id, by, permission=Permission.DRAFT_READ), by, SourceForm())


def _course_desk(course: Course, by: Actor, form: SourceForm) -> ResponseReturnValue:
    at = clock.now()
    rows = things.sources(course)
    return render_template(
        "courses/course_desk.html",
        tab="learn",
        course=course,
        outline=queries.outline(course, by, at=at),
        marks=things.desk_marks(course, at=at),
        sources=rows,
        uses={row.id: things.uses(row) for row in rows if row.changed_at},
        form=form,
        may_edit=queries.may_edit(by, course),
    ), form.status


@bp.post("/learn/<course_id>/order")
@staff(Role.EDUCATOR)
def arrange(course_id: str) -> ResponseReturnValue:
    """Put the course into another order: one thing a place up or down, or all at once as it was dragged."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    form = Form.of_request()
    whole = request_value("order")
    ref = request_value("up") or request_value("down")
    order = (
        [
            (head, rest.split(",") if rest else [])
            for head, _eq, rest in (p.partition("=") for p in whole.split(";"))
        ]
        if whole
        else wordings.nudged(things.order(found), ref, up=bool(request_value("up")))
    )
    if not form.run(lambda: services.arrange(found, order, at=clock.now(), by=by)):
        flash(form.problems[0], "error")
    anchor = "#" + ref.partition(":")[2] if ref else ""
    return redirect(url_for(".course_desk", course_id=course_id) + anchor, 303)


@bp.post("/learn/<course_id>/review")
@staff(Role.EDUCATOR)
def set_review(course_id: str) -> ResponseReturnValue:
    """Whether words need a clinical review before they are published."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    with transaction():
        services.set_review(found, needed=request_value("needed") == "yes", at=clock.now(), by=by)
    flash(_("Saved."), "success")
    return redirect(url_for(".course_desk", course_id=course_id), 303)


@bp.post("/learn/<course_id>/sources")
@staff(Role.EDUCATOR)
def add_source(course_id: str) -> ResponseReturnValue:
    """Name a source, or note that one changed."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    form = SourceForm.of_request()

    def act() -> None:
        if form.source.data:
            services.change_source(
                found,
                things.source(found, form.source.data),
                edition=form.edition.data,
                change=form.change.data,
                at=clock.now(),
                by=by,
            )
        else:
            services.add_source(
                found,
                title=form.title.data,
                edition=form.edition.data,
                url=form.url.data,
                at=clock.now(),
                by=by,
            )

    if form.run(act):
        flash(_("Saved."), "success")
        return redirect(url_for(".course_desk", course_id=course_id) + "#sources", 303)
    return _course_desk(queries.course(course_id, by, permission=Permission.COURSE_EDIT), by, form)


# Making and writing pages, files, tests


@bp.route("/modules/<module_id>/units", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
@takes(FORM_LIMIT_BYTES)
def new_unit(module_id: str) -> ResponseReturnValue:
    """Append a page, file, test or checkpoint to a module."""
    by = actor()
    module = queries.module(module_id, by)
    kind = request.values.get("kind", "page")
    if kind not in UNIT_KINDS:
        raise NotFound
    form = NewUnitForm.of_request()
    form.offer(opening.offered(module.course.cohort_id).values(), kind)
    if request.method == "POST" and form.run(lambda: _make_unit(module, kind, form, by)):
        flash(_("Saved."), "success")
        return redirect(url_for(".edit_unit", unit_id=form.result.public_id), 303)
    if form.failed:
        module = queries.module(module_id, by)
    return render_template(
        "courses/new_unit.html", tab="learn", module=module, kind=kind, form=form
    ), form.status


def _make_unit(module: Any, kind: str, form: NewUnitForm, by: Actor) -> Unit:
    at = clock.now()
    file = None
    if kind == "file":
        if not form.file.data:
            raise RuleBroken("file_missing", _("Choose a file."), field="file")
        file = services.add_file(
            module.course,
            form.file.data.stream.read(services.FILE_LIMIT_BYTES + 1),
            name=form.file.data.filename or "",
            at=at,
            by=by,
        )
    return services.add_unit(
        module,
        kind=kind,
        title_zh=form.title_zh.data,
        title_en=form.title_en.data,
        test_ref=form.test_ref.data or "",
        file=file,
        client_uuid=form.client_uuid.data,
        at=at,
        by=by,
    )


def _unit_desk(
    unit_id: str,
    by: Actor,
    *,
    form: UnitForm | None = None,
    picture: PictureForm | None = None,
    preview: bool = False,
) -> ResponseReturnValue:
    found = things.unit(unit_id, by, permission=Permission.COURSE_EDIT)
    shown = form or picture
    words = form or UnitForm(data=things.draft_of(found))
    return render_template(
        "courses/unit_desk.html",
        tab="learn",
        unit=found,
        course=found.module.course,
        form=words,
        picture=picture or PictureForm(),
        refused=shown or words,
        pictures=things.files(found.module.course, "picture"),
        standing=things.standing(found, by, at=clock.now()),
        preview=[
            (lang, text)
            for lang, text in (("zh-Hans", words.body_zh.data), ("en", words.body_en.data))
            if text and len(text) <= markdown.LIMIT
        ]
        if preview
        else [],
        faults=markdown.faults(words.body_zh.data or "") + markdown.faults(words.body_en.data or "")
        if preview
        else [],
    ), shown.status if shown else 200


@bp.route("/units/<unit_id>/edit", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def edit_unit(unit_id: str) -> ResponseReturnValue:
    """The words of a unit, with a preview that saves nothing."""
    by = actor()
    if request.method == "GET":
        return _unit_desk(unit_id, by)
    form = UnitForm.of_request()
    if request_value("act") == "preview":
        form.validate()
        return _unit_desk(unit_id, by, form=form, preview=True)
    found = things.unit(unit_id, by, permission=Permission.COURSE_EDIT)
    if form.run(
        lambda: services.edit_unit(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            body_zh=form.body_zh.data,
            body_en=form.body_en.data,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for(".edit_unit", unit_id=unit_id), 303)
    return _unit_desk(unit_id, by, form=form)


@bp.post("/units/<unit_id>/pictures")
@staff(Role.EDUCATOR)
@takes(30_000_000)
def add_picture(unit_id: str) -> ResponseReturnValue:
    """Keep a picture for the pages of the course."""
    by = actor()
    found = things.unit(unit_id, by, permission=Permission.COURSE_EDIT)
    form = PictureForm.of_request()
    if form.run(
        lambda: services.add_picture(
            found.module.course,
            form.picture.data.stream.read(),
            name=form.picture.data.filename or "",
            alt_zh=form.alt_zh.data,
            alt_en=form.alt_en.data,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("The picture is kept. Copy its line into the text."), "success")
        return redirect(url_for(".edit_unit", unit_id=unit_id) + "#pictures", 303)
    return _unit_desk(unit_id, by, picture=form)


@bp.post("/units/<unit_id>/publish")
@staff(Role.EDUCATOR)
def publish_unit(unit_id: str) -> ResponseReturnValue:
    """Let the cohort see it."""
    return _act(
        "unit",
        unit_id,
        url_for(".edit_unit", unit_id=unit_id),
        lambda one, by: services.publish_unit(_as_unit(one), at=clock.now(), by=by),
    )


@bp.post("/units/<unit_id>/withdraw")
@staff(Role.EDUCATOR)
def withdraw_unit(unit_id: str) -> ResponseReturnValue:
    """Take it back into draft."""
    return _act(
        "unit",
        unit_id,
        url_for(".edit_unit", unit_id=unit_id),
        lambda one, by: services.withdraw_unit(_as_unit(one), at=clock.now(), by=by),
    )


def _as_unit(one: Thing) -> Unit:
    assert isinstance(one, Unit)
    return one


def _act(kind: str, public_id: str, to: str, act: Callable[[Thing, Actor], None]) -> ResponseReturnValue:
    """One button; what a rule refuses is said on the page that follows."""
    by = actor()
    found = things.thing(kind, public_id, by, permission=Permission.COURSE_EDIT)
    form = Form.of_request()
    if not form.run(lambda: act(found, by)):
        flash(form.problems[0], "error")
    return redirect(to, 303)


# Words of lectures and units: draft beside published, review


def _changes(kind: str, public_id: str, form: ReviewForm | None = None) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = things.thing(kind, public_id, by, permission=Permission.DRAFT_READ)
    stand = things.standing(found, by, at=at)
    form = form or ReviewForm(
        number=str(stand.number), due_on=clock.today(at) + services.REVIEW_LASTS, act="approve"
    )
    return render_template(
        "courses/changes.html",
        tab="learn",
        kind=kind,
        thing=found,
        course=found.module.course,
        standing=stand,
        changes=things.changes(found),
        form=form,
        may_edit=allows(by, Permission.COURSE_EDIT, found),
        sources=things.sources(found.module.course),
        used={one.id for one in things.sources_of(found)},
    ), form.status


@bp.get("/lectures/<lecture_id>/changes")
@staff(Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.DIRECTOR)
def lecture_changes(lecture_id: str) -> ResponseReturnValue:
    """Published and draft of a lecture's words side by side, and their review."""
    return _changes("lecture", lecture_id)


@bp.get("/units/<unit_id>/changes")
@staff(Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.DIRECTOR)
def unit_changes(unit_id: str) -> ResponseReturnValue:
    """Published and draft of a unit's words side by side, and their review."""
    return _changes("unit", unit_id)


def _review(kind: str, public_id: str) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = things.thing(kind, public_id, by, permission=Permission.DRAFT_READ)
    form = ReviewForm.of_request()

    def act() -> None:
        wanted = request_value("act")
        number = int(form.number.data) if (form.number.data or "").isdecimal() else 0
        if wanted == "ask":
            services.ask_review(found, at=at, by=by)
        elif wanted == "again":
            services.ask_review_again(found, at=at, by=by)
        elif wanted == "sources":
            chosen = set(request.form.getlist("source"))
            rows = [row for row in things.sources(found.module.course) if row.public_id in chosen]
            services.link_sources(found, rows, at=at, by=by)
        elif wanted == "return":
            services.return_words(found, number=number, why=form.why.data or "", at=at, by=by)
        else:
            services.approve(found, number=number, due_on=form.due_on.data or date.min, at=at, by=by)

    if form.run(act):
        flash(_("Saved."), "success")
        return redirect(f"/{kind}s/{public_id}/changes", 303)
    return _changes(kind, public_id, form)


@bp.post("/lectures/<lecture_id>/review")
@staff(Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.DIRECTOR)
def review_lecture(lecture_id: str) -> ResponseReturnValue:
    """One step of the review of a lecture's words."""
    return _review("lecture", lecture_id)


@bp.post("/units/<unit_id>/review")
@staff(Role.EDUCATOR, Role.CLINICAL_REVIEWER, Role.DIRECTOR)
def review_unit(unit_id: str) -> ResponseReturnValue:
    """One step of the review of a unit's words."""
    return _review("unit", unit_id)


# When it opens


def _opens(kind: str, public_id: str) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = things.thing(kind, public_id, by, permission=Permission.COURSE_EDIT)
    course = found.module.course
    tests = opening.offered(course.cohort_id)
    form = ConditionForm.of_request()
    outline = queries.outline(course, by, at=at)
    titles = {line.public_id: i18n.pick(line.title_zh, line.title_en) for line in outline.steps} | {
        ref: i18n.pick(test.title_zh, test.title_en) for ref, test in tests.items()
    }
    form.offer(
        [(line.public_id, titles[line.public_id]) for line in outline.steps if line.public_id != public_id],
        [(ref, titles[ref]) for ref in tests],
        programmes.tracks(),
    )
    if request.method == "POST":
        form.path.data = form.path.data or ""
        if form.run(lambda: services.set_release(found, form.changed(found.release), at=at, by=by)):
            return redirect(f"/{kind}s/{public_id}/opens", 303)
        found = things.thing(kind, public_id, by, permission=Permission.COURSE_EDIT)
        course = found.module.course
    return render_template(
        "courses/opens.html",
        tab="learn",
        kind=kind,
        thing=found,
        course=course,
        form=form,
        condition=found.release,
        kind_of=release.kind_of,
        phrase=lambda leaf: opening.phrase(leaf, titles),
    ), form.status


@bp.route("/lectures/<lecture_id>/opens", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def lecture_opens(lecture_id: str) -> ResponseReturnValue:
    """When a lecture opens for a learner."""
    return _opens("lecture", lecture_id)


@bp.route("/units/<unit_id>/opens", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def unit_opens(unit_id: str) -> ResponseReturnValue:
    """When a unit opens for a learner."""
    return _opens("unit", unit_id)
