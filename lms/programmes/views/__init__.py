"""Pages of programmes: cohorts and their rolls; enrol, place, pair."""

from collections.abc import Sequence
from datetime import date

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms import policy
from lms.core import clock
from lms.core.i18n import _, pick
from lms.policy import Permission, Role, allows
from lms.programmes import queries, services
from lms.programmes.forms import CohortForm, EnrolForm, PairForm, PlaceForm, ProgrammeForm
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement
from lms.programmes.views import mentors
from lms.programmes.views.blueprint import PER_PAGE, bp, colleague, person_of_login
from lms.web import files
from lms.web.filters import day
from lms.web.guard import actor, staff
from lms.web.paging import Page, page_number

__all__ = ["bp", "mentors"]


def _today() -> date:
    return clock.today(clock.now())


# ---------------------------------------------------------------- cohorts


@bp.get("/cohorts")
@staff(*queries.RUNNERS)
def cohorts() -> ResponseReturnValue:
    """The cohorts that the actor may look at, the newest first."""
    by = actor()
    rows = queries.cohorts(by)
    return render_template(
        "programmes/cohorts.html",
        tab="cohorts",
        cohorts=rows,
        counts=queries.enrolment_counts(row.id for row in rows),
        today=_today(),
        may_add=bool(by.is_any(*queries.MANAGERS) and queries.managed_programmes(by)),
        runs_site=allows(by, Permission.COHORT_MANAGE),
    )


@bp.get("/programmes/new")
@staff(*queries.MANAGERS)
def new_programme() -> ResponseReturnValue:
    """The form of a new programme."""
    return _programme_page(ProgrammeForm())


def _programme_page(form: ProgrammeForm) -> ResponseReturnValue:
    policy.require(actor(), Permission.COHORT_MANAGE)
    return render_template("programmes/programme_form.html", tab="cohorts", form=form), form.status


@bp.post("/programmes/new")
@staff(*queries.MANAGERS)
def open_programme() -> ResponseReturnValue:
    """Open a programme; the same programme twice is once."""
    form = ProgrammeForm.of_request()
    if not form.run(
        lambda: services.open_programme(
            code=form.code.data,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            hospital_zh=form.hospital_zh.data,
            hospital_en=form.hospital_en.data,
            director_name=form.director_name.data,
            at=clock.now(),
            by=actor(),
        )
    ):
        return _programme_page(form)
    flash(_("The programme is open. Next: its first cohort."), "ok")
    return redirect("/cohorts/new", 303)


@bp.get("/cohorts/new")
@staff(*queries.MANAGERS)
def new_cohort() -> ResponseReturnValue:
    """The form of a new cohort."""
    return _cohort_page(CohortForm())


def _cohort_page(form: CohortForm) -> ResponseReturnValue:
    programmes = queries.managed_programmes(actor())
    form.offer(programmes)
    page = render_template(
        "programmes/cohort_form.html",
        tab="cohorts",
        form=form,
        programmes=programmes,
        runs_site=allows(actor(), Permission.COHORT_MANAGE),
    )
    return page, form.status


@bp.post("/cohorts/new")
@staff(*queries.MANAGERS)
def add_cohort() -> ResponseReturnValue:
    """Open a cohort; the same cohort twice is once."""
    by, at = actor(), clock.now()
    form = CohortForm.of_request()
    programmes = queries.managed_programmes(by)
    form.offer(programmes)

    def act() -> Cohort:
        programme = next(row for row in programmes if row.public_id == form.programme.data)
        assert form.start_on.data is not None
        assert form.end_on.data is not None
        return services.add_cohort(
            programme,
            code=form.code.data,
            name_zh=form.name_zh.data,
            name_en=form.name_en.data,
            start_on=form.start_on.data,
            end_on=form.end_on.data,
            hours=form.hours.data,
            at=at,
            by=by,
        )

    if not form.run(act):
        return _cohort_page(form)
    flash(_("The cohort is open."), "ok")
    return redirect(f"/cohorts/{form.result.public_id}", 303)


@bp.get("/cohorts/<public_id>")
@staff(*queries.RUNNERS)
def cohort(public_id: str) -> ResponseReturnValue:
    """A cohort's roll: who trains where with whom today."""
    by, today, number = actor(), _today(), page_number()
    found = queries.cohort(public_id, by)
    search = request.args.get("q", "")[:80]
    rows, total = queries.roll_page(found, on=today, search=search, page=number, per_page=PER_PAGE)
    return render_template(
        "programmes/cohort.html",
        tab="cohorts",
        cohort=found,
        page=Page(rows, number, total, PER_PAGE),
        search=search,
        today=today,
        tracks=dict(queries.tracks()),
        manages=allows(by, Permission.COHORT_MANAGE, found),
        reads_ledger=by.is_any(Role.COORDINATOR, Role.DIRECTOR),
        reads_qualifications=allows(by, Permission.QUALIFICATION_READ, found),
        reads_attendance=allows(by, Permission.ATTENDANCE_READ, found),
    )


@bp.get("/cohorts/<public_id>/roll.csv")
@staff(*queries.RUNNERS)
def roll_csv(public_id: str) -> ResponseReturnValue:
    """The whole roll for a spreadsheet, as it stands today."""
    found, today = queries.cohort(public_id, actor()), _today()
    tracks = dict(queries.tracks())
    head = [
        _("Name"),
        _("Name in Latin letters"),
        _("Track"),
        _("Home hospital"),
        _("Unit today"),
        _("Mentor today"),
        _("Second assessor today"),
        _("State"),
    ]
    rows = (
        [
            row.enrolment.person.name_zh,
            row.enrolment.person.name_latin,
            tracks.get(row.enrolment.track, row.enrolment.track),
            pick(row.enrolment.home_hospital.name_zh, row.enrolment.home_hospital.name_en)
            if row.enrolment.home_hospital
            else "",
            row.where.unit,
            _(", ").join(row.where.mentors),
            _(", ").join(row.where.seconds),
            row.enrolment.state,
        ]
        for row in queries.whole_roll(found, on=today)
    )
    return files.table(f"{found.code}-{today.isoformat()}.csv", head, rows)


# ---------------------------------------------------------------- enrol, place, pair


@bp.get("/cohorts/<public_id>/enrol")
@staff(*queries.MANAGERS)
def enrol_form(public_id: str) -> ResponseReturnValue:
    """The form to enrol a person."""
    return _enrol_page(public_id, EnrolForm())


def _enrol_page(public_id: str, form: EnrolForm) -> ResponseReturnValue:
    found = queries.cohort(public_id, actor(), permission=Permission.COHORT_MANAGE)
    form.offer(queries.tracks(), queries.hospitals())
    return render_template(
        "programmes/enrol.html",
        tab="cohorts",
        form=form,
        cohort=found,
        runs_site=allows(actor(), Permission.COHORT_MANAGE),
    ), form.status


@bp.post("/cohorts/<public_id>/enrol")
@staff(*queries.MANAGERS)
def enrol(public_id: str) -> ResponseReturnValue:
    """Enrol a person; twice is once."""
    by, at = actor(), clock.now()
    found = queries.cohort(public_id, by, permission=Permission.COHORT_MANAGE)
    form = EnrolForm.of_request()
    form.offer(queries.tracks(), queries.hospitals())

    def act() -> Enrolment:
        person = person_of_login(form.login.data)
        home = queries.hospital(form.home_hospital.data) if form.home_hospital.data else None
        return services.enrol(person, found, track=form.track.data, home_hospital=home, at=at, by=by)

    if not form.run(act):
        return _enrol_page(public_id, form)
    flash(_("Enrolled. Next: a placement and a mentor."), "ok")
    return redirect(f"/trainees/{form.result.public_id}", 303)


@bp.get("/trainees/<public_id>/place")
@staff(*queries.MANAGERS)
def place_form(public_id: str) -> ResponseReturnValue:
    """The form of a new placement."""
    return _place_page(public_id, PlaceForm())


def _place_page(public_id: str, form: PlaceForm) -> ResponseReturnValue:
    found = queries.managed_enrolment(public_id, actor())
    page = render_template(
        "programmes/place.html",
        tab="cohorts",
        form=form,
        enrolment=found,
        placements=queries.placements(found.id),
    )
    return page, form.status


@bp.post("/trainees/<public_id>/place")
@staff(*queries.MANAGERS)
def place(public_id: str) -> ResponseReturnValue:
    """Give a trainee their weeks in a unit; the same weeks twice are once."""
    by, at = actor(), clock.now()
    found = queries.managed_enrolment(public_id, by)
    form = PlaceForm.of_request()

    def act() -> Placement:
        assert form.from_on.data is not None
        assert form.to_on.data is not None
        return services.place(
            found, unit=form.unit.data, from_on=form.from_on.data, to_on=form.to_on.data, at=at, by=by
        )

    if not form.run(act):
        return _place_page(public_id, form)
    flash(_("The placement is noted. Next: a mentor for these days."), "ok")
    return redirect(f"/trainees/{public_id}/pair?placement={form.result.public_id}", 303)


@bp.get("/trainees/<public_id>/pair")
@staff(*queries.MANAGERS)
def pair_form(public_id: str) -> ResponseReturnValue:
    """The form of a new pairing; the days of the chosen placement are filled in."""
    return _pair_page(public_id, PairForm())


def _pair_page(public_id: str, form: PairForm) -> ResponseReturnValue:
    found = queries.managed_enrolment(public_id, actor())
    placements = queries.placements(found.id)
    _offer_pairing(form, found, placements)
    chosen = next((row for row in placements if row.public_id == request.args.get("placement")), None)
    if request.method == "GET" and chosen is not None:
        form.placement.data = chosen.public_id
        form.from_on.data, form.to_on.data = chosen.from_on, chosen.to_on
    page = render_template(
        "programmes/pair.html",
        tab="cohorts",
        form=form,
        enrolment=found,
        placements=placements,
        may_exceed=allows(actor(), Permission.LOAD_EXCEED, found.cohort),
    )
    return page, form.status


def _offer_pairing(form: PairForm, enrolment: Enrolment, placements: Sequence[Placement]) -> None:
    words = [(row, f"{row.unit} · {day(row.from_on)} – {day(row.to_on)}") for row in placements]
    form.offer(words, queries.colleagues(enrolment.cohort.programme_id))


@bp.post("/trainees/<public_id>/pair")
@staff(*queries.MANAGERS)
def pair(public_id: str) -> ResponseReturnValue:
    """Pair a trainee with a colleague for some days; the same pairing twice is once."""
    by, at = actor(), clock.now()
    found = queries.managed_enrolment(public_id, by)
    placements = queries.placements(found.id)
    form = PairForm.of_request()
    _offer_pairing(form, found, placements)

    def act() -> Pairing:
        placement = next(row for row in placements if row.public_id == form.placement.data)
        assert form.from_on.data is not None
        assert form.to_on.data is not None
        return services.pair(
            found,
            placement,
            colleague(form, found.cohort.programme_id),
            kind=form.kind.data,
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            at=at,
            by=by,
            beyond=form.beyond.data,
        )

    if not form.run(act):
        return _pair_page(public_id, form)
    flash(_("The pairing is noted."), "ok")
    return redirect(f"/trainees/{public_id}", 303)
