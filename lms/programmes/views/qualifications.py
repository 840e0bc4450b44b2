"""Pages of who may be a primary mentor: the list, a new qualification, a correction with what stood before."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms import policy
from lms.accounts.queries import profiles
from lms.accounts.rules.profiles import TITLES as PROFILE_TITLES
from lms.core import clock
from lms.core.i18n import _, pick
from lms.policy import Permission, Role, allows
from lms.programmes import queries as programmes
from lms.programmes.forms.qualifications import NewQualificationForm, QualificationForm
from lms.programmes.models import MentorQualification, Programme
from lms.programmes.queries import mentoring as queries
from lms.programmes.rules.mentoring import LEAST_YEARS, TITLES, is_as_in_profile, is_by_title
from lms.programmes.services import qualifications as services
from lms.programmes.views.blueprint import colleague
from lms.web import files
from lms.web.guard import actor, staff

bp = Blueprint("qualifications", __name__)

READERS = (Role.COORDINATOR, Role.DIRECTOR, Role.ADMINISTRATOR, Role.AUDITOR)


def _titles() -> dict[str, str]:
    return {code: pick(*names) for code, names in TITLES.items()}


@bp.get("/programmes/<public_id>/qualifications")
@staff(*READERS)
def qualifications(public_id: str) -> ResponseReturnValue:
    """Who may be a primary mentor in a programme, and for the director the form of a further one."""
    return _page(queries.programme(public_id, actor()), NewQualificationForm())


def _page(programme: Programme, form: NewQualificationForm) -> ResponseReturnValue:
    enters = allows(actor(), Permission.QUALIFICATION_ENTER, programme)
    if enters:
        form.offer(programmes.colleagues(programme.id))
    page = render_template(
        "programmes/qualifications.html",
        tab="cohorts",
        programme=programme,
        rows=queries.qualifications(programme),
        form=form,
        enters=enters,
        titles=_titles(),
        is_by_title=is_by_title,
        least_years=LEAST_YEARS,
        today=clock.today(),
    )
    return page, form.status


@bp.get("/programmes/<public_id>/qualifications.csv")
@staff(*READERS)
def qualifications_csv(public_id: str) -> ResponseReturnValue:
    """The list for a spreadsheet."""
    programme, titles = queries.programme(public_id, actor()), _titles()
    head = [
        _("Name"),
        _("Professional title"),
        _("Years"),
        _("First day"),
        _("Last day"),
        _("Ground"),
        _("Reason"),
    ]
    rows = (
        [
            row.person.name,
            titles[row.title],
            row.years,
            row.from_on,
            row.to_on,
            _("by title") if is_by_title(row.title, row.years) else _("exception"),
            row.reason,
        ]
        for row in queries.qualifications(programme)
    )
    return files.table(f"{programme.code}-mentors.csv", head, rows)


@bp.post("/programmes/<public_id>/qualifications")
@staff(*READERS)
def enter(public_id: str) -> ResponseReturnValue:
    """Enter a qualification; twice is once."""
    by = actor()
    programme = queries.programme(public_id, by)
    policy.require(by, Permission.QUALIFICATION_ENTER, programme, see=Permission.QUALIFICATION_READ)
    form = NewQualificationForm.of_request()

    def act() -> MentorQualification:
        return services.enter(
            programme,
            colleague(form, programme.id),
            title=form.title.data,
            years=form.years.data,
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            reason=form.reason.data,
            at=clock.now(),
            by=by,
        )

    if not form.run(act):
        return _page(queries.programme(public_id, by), form)
    flash(_("The qualification is entered."), "ok")
    return redirect(f"/programmes/{public_id}/qualifications", 303)


@bp.get("/programmes/<public_id>/qualifications/<row_id>")
@staff(*READERS)
def qualification(public_id: str, row_id: str) -> ResponseReturnValue:
    """One qualification with what stood before, and for the director its correction."""
    programme = queries.programme(public_id, actor())
    row = queries.qualification(programme, row_id)
    return _one_page(programme, row, QualificationForm.of(row))


def _one_page(programme: Programme, row: MentorQualification, form: QualificationForm) -> ResponseReturnValue:
    by = actor()
    reads_profile = allows(by, Permission.PROFILE_READ, profiles.scope_of(row.person_id, on=clock.today()))
    profile = profiles.newest(row.person_id) if reads_profile else None
    profile_title = profile.title if profile else ""
    page = render_template(
        "programmes/qualification.html",
        tab="cohorts",
        programme=programme,
        row=row,
        earlier=queries.history(row),
        form=form,
        enters=allows(by, Permission.QUALIFICATION_ENTER, programme),
        titles=_titles(),
        reads_profile=reads_profile,
        profile_title=PROFILE_TITLES.get(profile_title, ""),
        is_as_in_profile=is_as_in_profile(row.title, profile_title),
    )
    return page, form.status


@bp.post("/programmes/<public_id>/qualifications/<row_id>")
@staff(*READERS)
def correct(public_id: str, row_id: str) -> ResponseReturnValue:
    """Correct or end a qualification; what stood before stays."""
    by = actor()
    programme = queries.programme(public_id, by)
    policy.require(by, Permission.QUALIFICATION_ENTER, programme, see=Permission.QUALIFICATION_READ)
    row = queries.qualification(programme, row_id)
    form = QualificationForm.of_request()

    def act() -> MentorQualification:
        return services.correct(
            programme,
            row,
            title=form.title.data,
            years=form.years.data,
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            reason=form.reason.data,
            at=clock.now(),
            by=by,
        )

    if not form.run(act):
        programme = queries.programme(public_id, by)
        return _one_page(programme, queries.qualification(programme, row_id), form)
    flash(_("Saved. What stood before stays."), "ok")
    return redirect(f"/programmes/{public_id}/qualifications", 303)
