"""Import of a list of people: file, preview with errors by cell, then the import of what was shown."""

from flask import render_template
from flask.typing import ResponseReturnValue

from lms.accounts import services
from lms.accounts.rules.profiles import TITLES
from lms.accounts.rules.words import place_names
from lms.accounts.views.blueprint import bp
from lms.accounts.views.people import administrators
from lms.core import clock, imports, ports, site
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.web.guard import actor, reads_first, takes
from lms.web.importing import ImportFileForm, asked_sheet, broken_rows, carried, excluded_rows, is_confirmed

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
        sheet = asked_sheet()
        plan = services.plan(sheet, excluded=excluded_rows(), today=clock.today(), by=actor())
    except RuleBroken as refusal:
        form.refuse(RuleBroken(refusal.code, refusal.message, field="file"))
        return render_template("accounts/import.html", tab="people", form=form), form.status
    if is_confirmed() and plan.ok:
        return _run(plan)
    page = render_template(
        "accounts/import_preview.html",
        tab="people",
        plan=plan,
        names=place_names(ports.places[0].scopes()),
        sheet=carried(plan.shown),
        titles=TITLES,
        broken=broken_rows(plan.preview),
        headers=plan.preview.matched,
    )
    return page, 422 if plan.preview.errors else 200


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
