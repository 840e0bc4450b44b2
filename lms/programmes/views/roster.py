"""Pages of the duty roster: its import, and a ward's week."""

from datetime import date, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.i18n import _, _n, pick
from lms.policy import Permission, allows
from lms.programmes import queries as programmes
from lms.programmes.forms import UNITS
from lms.programmes.forms.roster import RosterFileForm
from lms.programmes.models import Cohort
from lms.programmes.queries import roster as queries
from lms.programmes.rules import roster as rules
from lms.programmes.rules.attendance import week_from
from lms.programmes.services import roster_sheets, rosters
from lms.programmes.views.importing import LIMIT_BYTES, Kind, file_page, read, workbook
from lms.web import files
from lms.web.guard import actor, members, reads_first, staff, takes
from lms.web.importing import excluded_rows

bp = Blueprint("roster", __name__)

WEEK = timedelta(days=7)


def shift_names() -> dict[str, str]:
    """What each shift is called in the reader's language, to begin a sentence with."""
    found = {shift: pick(*names) for shift, names in rules.SHIFTS.items()}
    return {shift: name[0].upper() + name[1:] for shift, name in found.items()}


def _asked() -> tuple[date, str]:
    unit = request.args.get("unit", "")
    monday = week_from(request.args.get("week", ""), today=clock.today())
    return monday, unit if unit in {choice.value for choice in UNITS} else ""


@bp.get("/cohorts/<public_id>/roster")
@members
def week(public_id: str) -> ResponseReturnValue:
    """A ward's week: who of the cohort is on which shift."""
    by, (monday, unit) = actor(), _asked()
    found = programmes.cohort(public_id, by, permission=Permission.ROSTER_READ)
    runs = allows(by, Permission.COHORT_READ, found)
    return render_template(
        "programmes/roster.html",
        tab="cohorts" if runs else "",
        cohort=found,
        rows=queries.ward_week(found, monday, unit=unit),
        days=[monday + timedelta(days=n) for n in range(7)],
        monday=monday,
        before=monday - WEEK,
        after=monday + WEEK,
        today=clock.today(),
        unit=unit,
        units=UNITS,
        names=shift_names(),
        runs=runs,
        manages=allows(by, Permission.COHORT_MANAGE, found),
    )


@bp.get("/cohorts/<public_id>/roster.csv")
@members
def week_csv(public_id: str) -> ResponseReturnValue:
    """A ward's week for a spreadsheet, as wards write it; the import reads it again."""
    monday, unit = _asked()
    found = programmes.cohort(public_id, actor(), permission=Permission.ROSTER_READ)
    head = [_("Name"), *((monday + timedelta(days=n)).isoformat() for n in range(7))]
    rows = (
        [row.person.name, *(rules.SIGNS.get(shift, "") for shift in row.shifts)]
        for row in queries.ward_week(found, monday, unit=unit)
    )
    return files.table(f"{found.code}-roster-{monday.isoformat()}.csv", head, rows)


# ---------------------------------------------------------------- import


def _managed(public_id: str) -> Cohort:
    return programmes.cohort(public_id, actor(), permission=Permission.COHORT_MANAGE)


def _kind(cohort: Cohort) -> Kind:
    return Kind(
        _("Import a duty roster"),
        _(
            "As wards write it: people down and days across, or one row for each date, name and shift. An empty cell says nothing; a later roster replaces the days that it names."
        ),
        f"/cohorts/{cohort.public_id}/roster/import",
        (f"/cohorts/{cohort.public_id}/roster", _("Duty roster")),
        "programmes/import_roster.html",
    )


@bp.get("/cohorts/<public_id>/roster/import")
@staff(*programmes.MANAGERS)
def import_page(public_id: str) -> ResponseReturnValue:
    """Choose the roster of a cohort's ward."""
    return file_page(_kind(_managed(public_id)), RosterFileForm())


@bp.get("/cohorts/<public_id>/roster/import/template.xlsx")
@staff(*programmes.MANAGERS)
def template(public_id: str) -> ResponseReturnValue:
    """An empty workbook in the long form."""
    return workbook(roster_sheets.columns(), f"{_managed(public_id).code}-roster.xlsx")


@bp.post("/cohorts/<public_id>/roster/import")
@staff(*programmes.MANAGERS)
@takes(LIMIT_BYTES)
@reads_first
def import_roster(public_id: str) -> ResponseReturnValue:
    """Preview a duty roster, or keep what was shown; twice is once."""
    by, at, cohort = actor(), clock.now(), _managed(public_id)
    form = RosterFileForm.of_request()
    unit = form.unit.data or ""

    def carry_out(plan: rosters.Plan) -> str:
        count = rosters.carry_out(cohort, plan.rows, at=at, by=by)
        if not count:
            return _("The roster stands already; nothing is new.")
        return _n("%(num)s day of the roster is in.", "%(num)s days of the roster are in.", count)

    return read(
        _kind(cohort),
        lambda sheet: rosters.plan(sheet, cohort, unit=unit, excluded=excluded_rows(), by=by),
        carry_out,
        form=form,
        unit=unit,
        names=shift_names(),
    )
