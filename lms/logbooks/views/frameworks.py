"""Pages of frameworks: versions to read, print and export, ratification, and the version a cohort trains by."""

import re
from typing import Any

from flask import Response, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.logbooks.forms.frameworks import BeginForm, GiveForm, ImportForm, RatifyForm
from lms.logbooks.models import Framework
from lms.logbooks.queries import frameworks as queries
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules import frameworks as grammar
from lms.logbooks.services import editions as services
from lms.logbooks.services import versions
from lms.logbooks.views.blueprint import bp
from lms.policy import Permission, Role, allows, require
from lms.web.guard import actor, members, takes

FILE_LIMIT_BYTES = documents.FILE_MAX + 20_000


@bp.context_processor
def _framework_words() -> dict[str, object]:
    return {"grammar": grammar, "documents": documents, "standings": queries.standings}


def framework_tab() -> str:
    """The tab that a reader of frameworks comes from."""
    by = actor()
    if by.is_any(Role.TRAINEE):
        return "logbook"
    if by.is_any(Role.DIRECTOR, Role.COORDINATOR, Role.ADMINISTRATOR):
        return "cohorts"
    return "committee" if by.is_any(Role.COMMITTEE_CHAIR, Role.COMMITTEE_MEMBER) else "home"


def json_file(data: bytes, name: str) -> Response:
    """A file to keep."""
    answer = Response(data, content_type="application/json")
    answer.headers.set("Content-Disposition", "attachment", filename=re.sub(r"[^\w.-]", "-", name))
    return answer


@bp.get("/frameworks")
@members
def frameworks() -> ResponseReturnValue:
    """Every published version, and for those who work on them the drafts."""
    by = actor()
    rows = queries.versions(by)
    works = allows(by, Permission.FRAMEWORK_READ)
    if not rows and not works:
        raise NotFound
    return render_template(
        "logbooks/frameworks/list.html",
        tab=framework_tab(),
        rows=rows,
        works=works,
        shows_cohorts=works or any(row.cohorts for row in rows),
        drafts=queries.drafts() if works else (),
        may_edit=allows(by, Permission.FRAMEWORK_EDIT),
    )


@bp.route("/frameworks/new", methods=["GET", "POST"])
@members
def begin_framework() -> ResponseReturnValue:
    """Begin a draft."""
    by, at, form = actor(), clock.now(), BeginForm.of_request()
    require(by, Permission.FRAMEWORK_EDIT, see=Permission.FRAMEWORK_READ)
    form.offer([row.framework for row in queries.versions(by)])

    def act() -> str:
        chosen = form.origin.data
        origin = None if chosen in grammar.UNITS else queries.version(chosen, by)
        return services.begin(chosen, origin, client_uuid=form.client_uuid.data, at=at, by=by).public_id

    if request.method == "POST" and form.run(act):
        return redirect(f"/frameworks/drafts/{form.result}", 303)
    return _begin_page(form, ImportForm())


def _begin_page(form: BeginForm, importing: ImportForm) -> ResponseReturnValue:
    form.offer([row.framework for row in queries.versions(actor())])
    page = render_template(
        "logbooks/frameworks/begin.html", tab=framework_tab(), form=form, importing=importing
    )
    return page, max(form.status, importing.status)


@bp.post("/frameworks/import")
@members
@takes(FILE_LIMIT_BYTES)
def import_framework() -> ResponseReturnValue:
    """Begin a draft from a file."""
    by, at, form = actor(), clock.now(), ImportForm.of_request()
    require(by, Permission.FRAMEWORK_EDIT, see=Permission.FRAMEWORK_READ)
    if form.run(
        lambda: (
            services.import_file(
                form.file.data.read(), client_uuid=form.client_uuid.data, at=at, by=by
            ).public_id
        )
    ):
        return redirect(f"/frameworks/drafts/{form.result}", 303)
    return _begin_page(BeginForm(), form)


def _framework_page(framework: Framework) -> dict[str, Any]:
    edition = queries.edition_of(framework)
    document = queries.document_of(framework, edition)
    return {
        "framework": framework,
        "edition": edition,
        "document": document,
        "seal": queries.seal_holds(document, edition),
        "ratification": queries.ratifications([framework.id]).get(framework.id),
    }


@bp.get("/frameworks/<public_id>")
@members
def framework(public_id: str) -> ResponseReturnValue:
    """One version, to read and to print."""
    by = actor()
    found = queries.version(public_id, by)
    return render_template(
        "logbooks/frameworks/version.html",
        tab=framework_tab(),
        may_ratify=allows(by, Permission.FRAMEWORK_RATIFY, found),
        **_framework_page(found),
    )


@bp.get("/frameworks/<public_id>/framework.json")
@members
def framework_file(public_id: str) -> ResponseReturnValue:
    """One version as a file."""
    found = queries.version(public_id, actor())
    document = queries.document_of(found, queries.edition_of(found))
    return json_file(
        documents.written(document, version=found.version), f"{found.code}-{found.version}.framework.json"
    )


@bp.route("/frameworks/<public_id>/ratify", methods=["GET", "POST"])
@members
def ratify_framework(public_id: str) -> ResponseReturnValue:
    """Record that a committee stands behind a version."""
    by, at, form = actor(), clock.now(), RatifyForm.of_request()
    found = queries.version(public_id, by)
    require(by, Permission.FRAMEWORK_RATIFY, found, see=Permission.FRAMEWORK_READ)

    def act() -> None:
        versions.ratify(
            queries.version(public_id, by),
            held_on=form.held_on.data,
            meeting=form.meeting.data,
            words=form.words.data,
            at=at,
            by=by,
        )

    if request.method == "POST" and form.run(act):
        flash(_("The ratification is recorded."), "ok")
        return redirect(f"/frameworks/{public_id}", 303)
    page = render_template(
        "logbooks/frameworks/ratify.html",
        tab=framework_tab(),
        form=form,
        today=clock.today(at),
        **_framework_page(queries.version(public_id, by)),
    )
    return page, form.status


@bp.route("/cohorts/<public_id>/frameworks", methods=["GET", "POST"])
@members
def cohort_frameworks(public_id: str) -> ResponseReturnValue:
    """By which versions a cohort trains, and until it has begun another choice."""
    by, at, form = actor(), clock.now(), GiveForm.of_request()

    def act() -> None:
        versions.give(queries.cohort(public_id, by), queries.version(form.version.data, by), at=at, by=by)

    if request.method == "POST" and form.run(act):
        flash(_("Saved."), "ok")
        return redirect(f"/cohorts/{public_id}/frameworks", 303)
    cohort = queries.cohort(public_id, by)
    rows = queries.cohort_versions(cohort)
    page = render_template(
        "logbooks/frameworks/cohort.html",
        tab="cohorts",
        form=form,
        cohort=cohort,
        rows=rows,
        ratified=queries.ratifications([one.id for row in rows for one in row.choices]),
        manages=allows(by, Permission.COHORT_MANAGE, cohort),
    )
    return page, form.status
