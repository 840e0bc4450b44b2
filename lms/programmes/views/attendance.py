"""Attendance: a trainee's week to read and confirm, everything so far as a table, a cohort's week."""

from collections.abc import Iterator
from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.i18n import _, _n
from lms.policy import Permission, Role, allows
from lms.programmes import queries as programmes
from lms.programmes.forms.attendance import WeekForm, week_form
from lms.programmes.queries import attendance as queries
from lms.programmes.queries import roster as rosters
from lms.programmes.queries.meetings import scope_of
from lms.programmes.rules.attendance import DAYS, field_of, week_from
from lms.programmes.services import attendance as services
from lms.programmes.views.roster import shift_names
from lms.web import files
from lms.web.filters import day as day_words
from lms.web.guard import actor, members, staff
from lms.web.paging import Page, page_number

bp = Blueprint("attendance", __name__)

PER_PAGE = 50
WEEK = timedelta(days=7)


def _names() -> dict[str, str]:
    names = {
        "duty": _("On duty"),
        "night": _("Night duty"),
        "half": _("Half a day"),
        "study": _("Study day"),
        "leave": _("Leave"),
        "sick": _("Sick"),
        "absent": _("Absent without leave"),
    }
    return {code: names[code] for code in DAYS}


def _week() -> date:
    return week_from(request.args.get("week", ""), today=clock.today())


@bp.get("/trainees/<public_id>/attendance")
@members
def attendance(public_id: str) -> ResponseReturnValue:
    """One week of a trainee, with planned against attended days so far."""
    return _page(public_id, None)


def _page(public_id: str, form: WeekForm | None) -> ResponseReturnValue:
    by, today, monday = actor(), clock.today(), _week()
    enrolment, placements = queries.enrolment(public_id, by)
    known = queries.confirmed(placements)
    days = queries.week(enrolment, placements, known, monday, today=today, by=by)
    roster = rosters.of_enrolment(enrolment)
    form = form or _form(days, posted=False)
    manages = allows(by, Permission.COHORT_MANAGE, enrolment.cohort)
    own = enrolment.person_id == by.person_id
    return render_template(
        "programmes/attendance.html",
        tab="logbook" if own else "cohorts" if manages else "trainees",
        enrolment=enrolment,
        days=days,
        form=form,
        field_of=field_of,
        names=_names(),
        totals=queries.totals(placements, known, today=today, roster=roster),
        roster=roster,
        shifts=shift_names(),
        monday=monday,
        before=monday - WEEK,
        after=monday + WEEK,
        today=today,
        own=own,
        reads_meetings=allows(by, Permission.MEETING_READ, scope_of(enrolment, placements)),
    ), form.status


def _form(days: list[queries.Day], *, posted: bool) -> WeekForm:
    return week_form(
        {
            one.day: (day_words(one.day, weekday=True), one.row.kind if one.row else "")
            for one in days
            if one.open
        },
        _names(),
        posted=posted,
    )


@bp.post("/trainees/<public_id>/attendance")
@members
def confirm(public_id: str) -> ResponseReturnValue:
    """Confirm the days of a week; twice is once."""
    by, at, monday = actor(), clock.now(), _week()
    enrolment, placements = queries.enrolment(public_id, by)
    known = queries.confirmed(placements)
    days = queries.week(enrolment, placements, known, monday, today=clock.today(at), by=by)
    form = _form(days, posted=True)

    def act() -> int:
        return services.confirm(enrolment, placements, form.given(), at=at, by=by)

    if not form.run(act):
        return _page(public_id, form)
    if form.result:
        flash(_n("%(num)s day is confirmed.", "%(num)s days are confirmed.", form.result), "ok")
    return redirect(f"/trainees/{public_id}/attendance?week={monday.isoformat()}", 303)


@bp.get("/trainees/<public_id>/attendance.csv")
@members
def attendance_csv(public_id: str) -> ResponseReturnValue:
    """Every confirmed day of a trainee for a spreadsheet."""
    enrolment, placements = queries.enrolment(public_id, actor())
    names, units = _names(), {one.id: one.unit for one in placements}
    head = [_("Name"), _("Day"), _("Unit"), _("What it was"), _("Confirmed by"), _("Confirmed on")]
    rows = (
        [
            enrolment.person.name,
            day.isoformat(),
            units[row.placement_id],
            names[row.kind],
            row.confirmer.name,
            clock.today(row.confirmed_at).isoformat(),
        ]
        for day, row in sorted(queries.confirmed(placements).items())
    )
    return files.table(f"attendance-{enrolment.public_id}.csv", head, rows)


# ---------------------------------------------------------------- a cohort's week

READERS = (Role.COORDINATOR, Role.DIRECTOR, Role.AUDITOR)


@bp.get("/cohorts/<public_id>/attendance")
@staff(*READERS)
def cohort_attendance(public_id: str) -> ResponseReturnValue:
    """A whole cohort's week, one line for each trainee."""
    found, monday, number = (
        programmes.cohort(public_id, actor(), permission=Permission.ATTENDANCE_READ),
        _week(),
        page_number(),
    )
    rows = queries.cohort_week(found, monday)
    return render_template(
        "programmes/cohort_attendance.html",
        tab="cohorts",
        cohort=found,
        page=Page(rows[(number - 1) * PER_PAGE : number * PER_PAGE], number, len(rows), PER_PAGE),
        names=_names(),
        shifts=shift_names(),
        monday=monday,
        before=monday - WEEK,
        after=monday + WEEK,
        days=[monday + timedelta(days=n) for n in range(7)],
    )


@bp.get("/cohorts/<public_id>/attendance.csv")
@staff(*READERS)
def cohort_attendance_csv(public_id: str) -> ResponseReturnValue:
    """A whole cohort's week for a spreadsheet."""
    found, monday = programmes.cohort(public_id, actor(), permission=Permission.ATTENDANCE_READ), _week()
    names = {**_names(), "": "", "-": "-"}
    head = [
        _("Name"),
        _("Name in Latin letters"),
        *((monday + timedelta(days=n)).isoformat() for n in range(7)),
    ]

    def lines() -> Iterator[list[str]]:
        for row in queries.cohort_week(found, monday):
            person = row.enrolment.person
            yield [person.name_zh, person.name_latin, *(names[kind] for kind in row.kinds)]

    return files.table(f"{found.code}-attendance-{monday.isoformat()}.csv", head, lines())
