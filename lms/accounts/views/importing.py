"""Import of a list of people: file, preview with errors by cell, then the import of what was shown."""

import json

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts import services
from lms.accounts.forms import ImportFileForm
from lms.accounts.rules.profiles import TITLES
from lms.accounts.rules.words import place_names
from lms.accounts.views.blueprint import bp
from lms.accounts.views.people import administrators
from lms.core import clock, imports, ports, site
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import Line, Sheet
from lms.web.guard import actor, reads_first, takes

AT_ONCE = 50
"""People made in one transaction, so that nobody else's write waits longer than about a second."""


@bp.get("/people/import")
@administrators
def import_page() -> ResponseReturnValue:
    """Choose the file."""
    return render_template("accounts/import.html", tab="people", form=ImportFileForm())


@bp.get("/people/import/template.xlsx")
@administrators
def import_template() -> ResponseReturnValue:
    """An empty workbook with the columns that the import reads."""
    return (
        imports.template_of(services.columns()),
        200,
        {
            "Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "Content-Disposition": "attachment; filename=people.xlsx",
        },
    )


@bp.post("/people/import")
@administrators
@takes(imports.LIMIT_BYTES + 1_000_000)
@reads_first
def import_people() -> ResponseReturnValue:
    """Read the file, or the sheet as it was shown; preview it, or do it. Only what was shown is imported."""
    form = ImportFileForm.of_request()
    try:
        sheet = _shown_sheet() or _sent_sheet()
        excluded = {int(number) for number in request.form.getlist("excluded") if _is_number(number)}
        plan = services.plan(sheet, excluded=excluded, today=clock.today(), by=actor())
    except RuleBroken as refusal:
        form.refuse(RuleBroken(refusal.code, refusal.message, field="file"))
        return render_template("accounts/import.html", tab="people", form=form), form.status
    if request.form.get("go") == "run" and plan.ok:
        return _run(plan)
    broken = sorted({_row_of(error.cell) for error in plan.preview.errors} - {0})
    page = render_template(
        "accounts/import_preview.html",
        tab="people",
        plan=plan,
        names=place_names(ports.places[0].scopes()),
        sheet=json.dumps([[line.number, line.cells] for line in plan.shown.lines], ensure_ascii=False),
        titles=TITLES,
        broken=broken,
        headers=plan.preview.matched,
    )
    return page, 422 if plan.preview.errors else 200


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8


def _row_of(cell: str) -> int:
    digits = cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return int(digits) if _is_number(digits) else 0


def _sent_sheet() -> Sheet:
    """The sheet of the uploaded file."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise RuleBroken("file_missing", _("Choose a file."))
    return imports.read(file.stream.read(imports.LIMIT_BYTES + 1), file.filename)


def _shown_sheet() -> Sheet | None:
    """The sheet that the preview carried along; None where a file was sent instead."""
    text = request.form.get("sheet", "")
    if not text:
        return None
    try:
        given = json.loads(text)
        lines = tuple(Line(int(number), tuple(str(cell) for cell in cells)) for number, cells in given)
        "".join(cell for line in lines for cell in line.cells).encode()
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        raise RuleBroken("file_broken", _("The file is damaged and cannot be read.")) from problem
    return Sheet("", lines)


def _run(plan: services.Plan) -> ResponseReturnValue:
    """Import in portions; a portion that is refused leaves the earlier ones standing, and a second try goes on."""
    by, at = actor(), clock.now()
    done: list[services.Imported] = []
    refused = ""
    for start in range(0, len(plan.rows), AT_ONCE):
        try:
            with transaction():
                done += services.carry_out(plan.rows[start : start + AT_ONCE], at=at, by=by)
        except RuleBroken as refusal:
            refused = refusal.message
            break
    page = render_template(
        "accounts/import_done.html",
        tab="people",
        done=done,
        left=len(plan.rows) - len(done),
        refused=refused,
        base_url=site.settings().base_url,
        names=place_names(ports.places[0].scopes()),
    )
    return page, 409 if refused else 200, {"Cache-Control": "no-store"}
