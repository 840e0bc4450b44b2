"""Pages of whole courses: catalogue, syllabus, out and in as one file, copy, archive."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, pick
from lms.core.storage import storage
from lms.courses import interchange, queries, services
from lms.courses.forms import CopyForm, PackageForm
from lms.courses.interchange import Package
from lms.courses.queries import things
from lms.courses.rules.carrying import Plan
from lms.courses.views.blueprint import bp
from lms.policy import Actor, Permission, Role
from lms.web.forms import request_value
from lms.web.guard import actor, members, reads_first, staff, takes

PACKAGE_LIMIT_BYTES = 2_000_000_000


@bp.get("/learn/catalogue")
@members
def catalogue() -> ResponseReturnValue:
    """Every course one may read, with what it is about; the archive for those who make courses."""
    by = actor()
    found = queries.courses(by)
    return render_template(
        "courses/catalogue.html",
        tab="learn",
        courses=found,
        outlines=queries.outlines(found, by, at=clock.now()),
        archive=queries.courses(by, archived=True) if by.is_any(Role.EDUCATOR, Role.DIRECTOR) else [],
        may_add=by.is_any(Role.EDUCATOR),
    )


@bp.get("/learn/<course_id>/syllabus")
@members
def syllabus(course_id: str) -> ResponseReturnValue:
    """All of a course on paper: modules, lectures with their key points, lengths, sources."""
    by = actor()
    found = queries.course(course_id, by)
    outline = queries.outline(found, by, at=clock.now())
    points = {one.public_id: one for one in things.things_of(found)}
    return render_template(
        "courses/syllabus.html",
        tab="learn",
        course=found,
        outline=outline,
        points=points,
        minutes=sum(line.duration_s for line in outline.lectures) // 60,
        sources=things.sources(found),
    )


@bp.get("/learn/<course_id>/whole")
@staff(Role.EDUCATOR)
def whole(course_id: str) -> ResponseReturnValue:
    """What can be done with a whole course."""
    by = actor()
    return _whole(course_id, by, CopyForm())


def _whole(course_id: str, by: Actor, form: CopyForm) -> ResponseReturnValue:
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    form.offer(queries.taught_cohorts(by), found.cohort_id)
    return render_template("courses/whole.html", tab="learn", course=found, form=form), form.status


@bp.get("/learn/<course_id>/export")
@staff(Role.EDUCATOR)
def export_course(course_id: str) -> ResponseReturnValue:
    """The course as one file to keep."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    target = Path(tempfile.mkdtemp(prefix="course-")) / "course.zip"
    try:
        with transaction():
            services.export_course(
                found, target, with_films=request.args.get("films") == "yes", at=clock.now(), by=by
            )
    except BaseException:
        shutil.rmtree(target.parent)
        raise
    answer = Response(_sent(target), content_type="application/zip")
    answer.headers.set("Content-Disposition", "attachment", filename=f"{found.title_en[:60]}.course.zip")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _sent(path: Path) -> Iterator[bytes]:
    """The bytes of a file that was made for this answer only, and is gone after it."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(interchange.CHUNK):
                yield chunk
    finally:
        shutil.rmtree(path.parent)


def _waiting(by: Actor) -> str:
    """Where the one course file lies that an account has handed in and not decided on."""
    return f"packages/{by.account_public_id.lower()}.zip"


@bp.route("/learn/import", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
@takes(PACKAGE_LIMIT_BYTES)
@reads_first
def import_course() -> ResponseReturnValue:
    """Hand in a course file; nothing is made before its preview was looked at."""
    by = actor()
    form = PackageForm.of_request()
    if request.method == "POST" and form.validate():
        db.session.rollback()
        received = None
        try:
            received = storage().receive(form.package.data.stream, limit_bytes=PACKAGE_LIMIT_BYTES)
            interchange.read(received)
            storage().remove(_waiting(by))
            storage().adopt(received, _waiting(by))
            return redirect(url_for(".import_preview"), 303)
        except ValueError:
            form.refuse(RuleBroken("file_too_large", _("The file is too large."), field="package"))
        except RuleBroken as refusal:
            form.refuse(RuleBroken(refusal.code, refusal.message, field="package"))
        finally:
            if received is not None:
                storage().discard(received)
    return render_template("courses/import.html", tab="learn", form=form), form.status


@bp.route("/learn/import/preview", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
@reads_first
def import_preview() -> ResponseReturnValue:
    """What a course file would make, and the button that makes it."""
    by = actor()
    try:
        with storage().local(_waiting(by)) as path:
            return _preview(path, by)
    except FileNotFoundError:
        raise NotFound from None


def _preview(path: Path, by: Actor) -> ResponseReturnValue:
    package = interchange.read(path)
    form = CopyForm.of_request()
    cohorts = {cohort.public_id: cohort for cohort in queries.taught_cohorts(by)}
    form.offer(cohorts.values(), None)
    if request.method == "GET":
        form.cohort.data = request.args.get("cohort") or next(iter(cohorts), None)
    cohort = cohorts.get(form.cohort.data or "")
    plan = services.plan_for(package.manifest, cohort) if cohort else None
    if (
        request.method == "POST"
        and form.validate()
        and plan
        and _has_seen(form, plan)
        and _import(path, package, form, by)
    ):
        storage().remove(_waiting(by))
        flash(_("The course was taken in as a draft."), "success")
        return redirect(url_for(".course_desk", course_id=form.result.public_id), 303)
    status = form.status
    if plan is not None:
        form.seen_for.data = form.cohort.data
    return render_template(
        "courses/import_preview.html", tab="learn", form=form, package=package, plan=plan, cohort=cohort
    ), status


def _has_seen(form: CopyForm, plan: Plan) -> bool:
    """Whether the page has named what cannot be carried to this cohort; nothing is left out unseen."""
    if not plan.lost or form.seen_for.data == form.cohort.data:
        return True
    form.refuse(
        RuleBroken(
            "carried_unseen",
            _("Not everything can be carried to this cohort. Look at the list below, then press again."),
            field="cohort",
        )
    )
    return False


def _import(path: Path, package: Package, form: CopyForm, by: Actor) -> bool:
    with storage().temporary("films-") as folder:
        try:
            films = services.unpack_films(path, package, folder)
        except RuleBroken as refusal:
            form.refuse(RuleBroken(refusal.code, refusal.message))
            return False
        cohorts = {cohort.public_id: cohort for cohort in queries.taught_cohorts(by)}
        try:
            return form.run(
                lambda: services.import_course(
                    path,
                    package,
                    cohorts[form.cohort.data],
                    films=films,
                    client_uuid=form.client_uuid.data,
                    at=clock.now(),
                    by=by,
                )
            )
        finally:
            for film, _examined in films.values():
                storage().discard(film)


@bp.post("/learn/<course_id>/copy")
@staff(Role.EDUCATOR)
def copy_course(course_id: str) -> ResponseReturnValue:
    """Copy a course for another cohort."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    cohorts = {cohort.public_id: cohort for cohort in queries.taught_cohorts(by)}
    form = CopyForm.of_request()
    form.offer(list(cohorts.values()), found.cohort_id)
    target = cohorts.get(form.cohort.data or "")
    lost = services.plan_of_copy(found, target, by=by).lost if target else ()
    if form.run(
        lambda: services.copy_course(
            found, cohorts[form.cohort.data], client_uuid=form.client_uuid.data, at=clock.now(), by=by
        )
    ):
        flash(
            _("The course was copied as a draft; its dates moved with the beginning of the cohort."),
            "success",
        )
        if lost:
            names = dict.fromkeys(pick(one.title_zh, one.title_en) for one in lost)
            flash(
                _("Left out, because the new cohort has no such test: %(names)s.", names=", ".join(names)),
                "info",
            )
        return redirect(url_for(".course_desk", course_id=form.result.public_id), 303)
    return _whole(course_id, by, form)


@bp.post("/learn/<course_id>/archive")
@staff(Role.EDUCATOR)
def archive_course(course_id: str) -> ResponseReturnValue:
    """Take a course out of the lists, or back."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    with transaction():
        services.archive_course(found, archived=request_value("archived") == "yes", at=clock.now(), by=by)
    flash(_("Saved."), "success")
    return redirect(url_for(".whole", course_id=course_id), 303)
