"""Pages on which a programme, a cohort and its timetable are changed."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.core.i18n import _
from lms.policy import Permission, allows
from lms.programmes import queries
from lms.programmes.forms.intakes import CohortEditForm, EventForm, ProgrammeEditForm
from lms.programmes.models import Cohort, CohortEvent, Programme
from lms.programmes.queries import intakes
from lms.programmes.services import intakes as services
from lms.web.guard import actor, staff

bp = Blueprint("intakes", __name__)


def _managed(public_id: str) -> Cohort:
    return queries.cohort(public_id, actor(), permission=Permission.COHORT_MANAGE)


@bp.get("/programmes/<public_id>/edit")
@staff(*queries.MANAGERS)
def programme(public_id: str) -> ResponseReturnValue:
    """The form of a programme that stands."""
    found = intakes.programme(public_id, actor())
    return _programme_page(found, ProgrammeEditForm(obj=found))


def _programme_page(found: Programme, form: ProgrammeEditForm) -> ResponseReturnValue:
    page = render_template(
        "programmes/programme_edit.html",
        tab="cohorts",
        form=form,
        programme=found,
        directs=allows(actor(), Permission.LOAD_EXCEED, found),
    )
    return page, form.status


@bp.post("/programmes/<public_id>/edit")
@staff(*queries.MANAGERS)
def change_programme(public_id: str) -> ResponseReturnValue:
    """Change a programme's names and director."""
    found = intakes.programme(public_id, actor())
    form = ProgrammeEditForm.of_request()
    directs = allows(actor(), Permission.LOAD_EXCEED, found)
    if not form.run(
        lambda: services.change_programme(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            director_name=form.director_name.data,
            mentor_cap=form.mentor_cap.data if directs else None,
            asks_qualification=form.asks_qualification.data if directs else None,
            at=clock.now(),
            by=actor(),
        )
    ):
        return _programme_page(found, form)
    flash(_("Saved."), "ok")
    return redirect("/cohorts", 303)


@bp.get("/cohorts/<public_id>/edit")
@staff(*queries.MANAGERS)
def cohort(public_id: str) -> ResponseReturnValue:
    """The form of a cohort that stands."""
    found = _managed(public_id)
    return _cohort_page(found, CohortEditForm.of(found))


def _cohort_page(found: Cohort, form: CohortEditForm) -> ResponseReturnValue:
    return render_template("programmes/cohort_edit.html", tab="cohorts", form=form, cohort=found), form.status


@bp.post("/cohorts/<public_id>/edit")
@staff(*queries.MANAGERS)
def change_cohort(public_id: str) -> ResponseReturnValue:
    """Change a cohort's names, dates, hours, seats or state."""
    found = _managed(public_id)
    form = CohortEditForm.of_request()

    def act() -> Cohort:
        assert form.start_on.data is not None
        assert form.end_on.data is not None
        return services.change_cohort(
            found,
            name_zh=form.name_zh.data,
            name_en=form.name_en.data,
            start_on=form.start_on.data,
            end_on=form.end_on.data,
            hours=form.hours.data,
            seats=form.seats(),
            state=form.state.data,
            at=clock.now(),
            by=actor(),
        )

    if not form.run(act):
        return _cohort_page(_managed(public_id), form)
    flash(_("Saved."), "ok")
    return redirect(f"/cohorts/{public_id}", 303)


@bp.get("/cohorts/<public_id>/timetable")
@staff(*queries.RUNNERS)
def timetable(public_id: str) -> ResponseReturnValue:
    """What a cohort meets for, and for whoever runs it the form of a further date."""
    return _timetable_page(queries.cohort(public_id, actor()), EventForm())


def _timetable_page(found: Cohort, form: EventForm) -> ResponseReturnValue:
    page = render_template(
        "programmes/timetable.html",
        tab="cohorts",
        form=form,
        cohort=found,
        events=intakes.events(found),
        manages=allows(actor(), Permission.COHORT_MANAGE, found),
    )
    return page, form.status


@bp.post("/cohorts/<public_id>/timetable")
@staff(*queries.MANAGERS)
def add_event(public_id: str) -> ResponseReturnValue:
    """Put a date into the timetable; the same date twice is once."""
    found = _managed(public_id)
    form = EventForm.of_request()

    def act() -> CohortEvent:
        assert form.day.data is not None
        return services.add_event(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            day=form.day.data,
            begins=form.begins.data,
            ends=form.ends.data,
            place=form.place.data,
            at=clock.now(),
            by=actor(),
        )

    if not form.run(act):
        return _timetable_page(_managed(public_id), form)
    flash(_("The date is in the trainees’ calendars."), "ok")
    return redirect(f"/cohorts/{public_id}/timetable", 303)


@bp.post("/cohorts/<public_id>/timetable/<event_id>/remove")
@staff(*queries.MANAGERS)
def remove_event(public_id: str, event_id: str) -> ResponseReturnValue:
    """Take a date out of the timetable."""
    found = _managed(public_id)
    with transaction():
        services.remove_event(found, intakes.event(found, event_id), at=clock.now(), by=actor())
    flash(_("The date is taken out."), "ok")
    return redirect(f"/cohorts/{public_id}/timetable", 303)
