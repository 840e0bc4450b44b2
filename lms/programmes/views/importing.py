"""Pages of imports: hospitals, a cohort's roll. First what will happen, with errors by cell; then what was shown is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms import policy
from lms.core import clock, imports
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n
from lms.core.imports import Column, Sheet
from lms.policy import Permission
from lms.programmes import queries
from lms.programmes.models import Cohort
from lms.programmes.services import hospital_lists, rolls
from lms.programmes.views.places import words
from lms.web.guard import actor, reads_first, staff, takes
from lms.web.importing import ImportFileForm, asked_sheet, broken_rows, carried, excluded_rows, is_confirmed

bp = Blueprint("imports", __name__)

LIMIT_BYTES = imports.LIMIT_BYTES + 1_000_000


@dataclass(frozen=True)
class Kind:
    """What is imported, in the words of its pages."""

    title: str
    lead: str
    url: str
    back: tuple[str, str]
    """Address and words of the page it belongs to."""
    template: str
    """The rows of its preview."""


def file_page(kind: Kind, form: ImportFileForm) -> ResponseReturnValue:
    """Choose the file."""
    return render_template("programmes/import.html", tab="cohorts", kind=kind, form=form), form.status


def workbook(columns: list[Column], name: str) -> ResponseReturnValue:
    """An empty workbook with the columns that an import reads."""
    answer = Response(
        imports.template_of(columns),
        content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def read(
    kind: Kind,
    plan: Callable[[Sheet], Any],  # each import has its own
    carry_out: Callable[[Any], str],
    *,
    form: ImportFileForm | None = None,
    **facts: object,
) -> ResponseReturnValue:
    """Read the file, or the sheet as it was shown; preview it, or do it. ``carry_out`` answers what is said then."""
    form = form or ImportFileForm.of_request()
    try:
        sheet = asked_sheet()
        found = plan(sheet)
    except RuleBroken as refusal:
        form.refuse(RuleBroken(refusal.code, refusal.message, field="file"))
        return file_page(kind, form)
    if is_confirmed() and found.ok:
        try:
            with transaction():
                said = carry_out(found)
        except RuleBroken as refusal:
            form.refuse(RuleBroken(refusal.code, refusal.message))
            return file_page(kind, form)
        flash(said, "ok")
        return redirect(kind.back[0], 303)
    page = render_template(
        kind.template,
        tab="cohorts",
        kind=kind,
        plan=found,
        sheet=carried(sheet),
        broken=broken_rows(found.preview),
        headers=found.preview.matched,
        **facts,
    )
    return page, 422 if found.preview.errors else 200


# ---------------------------------------------------------------- hospitals


def _hospitals() -> Kind:
    policy.require(actor(), Permission.COHORT_MANAGE)
    return Kind(
        _("Import a list of hospitals"),
        _(
            "One row for each hospital: names, code, tier, grade, county code. Nothing is changed before you have seen what will happen."
        ),
        "/hospitals/import",
        ("/hospitals", _("Hospitals")),
        "programmes/import_hospitals.html",
    )


@bp.get("/hospitals/import")
@staff(*queries.MANAGERS)
def hospitals_page() -> ResponseReturnValue:
    """Choose the list of hospitals."""
    return file_page(_hospitals(), ImportFileForm())


@bp.get("/hospitals/import/template.xlsx")
@staff(*queries.MANAGERS)
def hospitals_template() -> ResponseReturnValue:
    """An empty workbook for hospitals."""
    _hospitals()
    return workbook(hospital_lists.columns(), "hospitals.xlsx")


@bp.post("/hospitals/import")
@staff(*queries.MANAGERS)
@takes(LIMIT_BYTES)
@reads_first
def import_hospitals() -> ResponseReturnValue:
    """Preview a list of hospitals, or enter what was shown; twice is once."""
    by, at = actor(), clock.now()

    def carry_out(plan: hospital_lists.Plan) -> str:
        new = hospital_lists.carry_out(plan.rows, at=at, by=by)
        return _n("%(num)s new hospital is in the list.", "%(num)s new hospitals are in the list.", new)

    return read(
        _hospitals(),
        lambda sheet: hospital_lists.plan(sheet, excluded=excluded_rows(), by=by),
        carry_out,
        words=words(),
    )


# ---------------------------------------------------------------- a cohort's roll


def _managed(public_id: str) -> Cohort:
    return queries.cohort(public_id, actor(), permission=Permission.COHORT_MANAGE)


def _roll(cohort: Cohort) -> Kind:
    return Kind(
        _("Import the roll"),
        _(
            "One row for each trainee and placement: e-mail address or phone number, home hospital, track, unit, first and last day, mentor. The people have accounts already. Nothing is changed before you have seen what will happen."
        ),
        f"/cohorts/{cohort.public_id}/import",
        (f"/cohorts/{cohort.public_id}", _("Cohort")),
        "programmes/import_roll.html",
    )


@bp.get("/cohorts/<public_id>/import")
@staff(*queries.MANAGERS)
def roll_page(public_id: str) -> ResponseReturnValue:
    """Choose the roll of a cohort."""
    return file_page(_roll(_managed(public_id)), ImportFileForm())


@bp.get("/cohorts/<public_id>/import/template.xlsx")
@staff(*queries.MANAGERS)
def roll_template(public_id: str) -> ResponseReturnValue:
    """An empty workbook for a roll."""
    return workbook(rolls.columns(), f"{_managed(public_id).code}.xlsx")


@bp.post("/cohorts/<public_id>/import")
@staff(*queries.MANAGERS)
@takes(LIMIT_BYTES)
@reads_first
def import_roll(public_id: str) -> ResponseReturnValue:
    """Preview a cohort's roll, or do what was shown; twice is once."""
    by, at, cohort = actor(), clock.now(), _managed(public_id)

    def carry_out(plan: rolls.Plan) -> str:
        count = rolls.carry_out(cohort, plan.rows, at=at, by=by)
        return _n("%(num)s row of the roll is in.", "%(num)s rows of the roll are in.", count)

    return read(
        _roll(cohort),
        lambda sheet: rolls.plan(sheet, cohort, excluded=excluded_rows(), by=by),
        carry_out,
        tracks=dict(queries.tracks()),
    )
