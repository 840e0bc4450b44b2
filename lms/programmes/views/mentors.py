"""Pages of the board, of changing mentors, of handing over and of delegation."""

from collections.abc import Sequence
from datetime import date, timedelta

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts.models import Person
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.policy import Permission, allows
from lms.programmes import queries
from lms.programmes.forms.mentors import ChangeMentorForm, DelegateForm, EndPairingForm, HandOverForm
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement
from lms.programmes.queries import board as boards
from lms.programmes.rules.board import DELEGATION_DAYS, Gap
from lms.programmes.services import mentors
from lms.programmes.views.blueprint import PER_PAGE, bp, colleague
from lms.web import files
from lms.web.filters import day
from lms.web.guard import actor, members, staff
from lms.web.paging import Page, page_number


def _today() -> date:
    return clock.today(clock.now())


def gap_words(gap: Gap) -> str:
    """A gap in words, without its days."""
    return {
        "unplaced": _("no placement"),
        "no_primary": _("no mentor"),
        "no_second": _("no second assessor"),
    }[gap.kind]


# ---------------------------------------------------------------- the board


@bp.get("/cohorts/<public_id>/board")
@staff(*queries.RUNNERS)
def board(public_id: str) -> ResponseReturnValue:
    """The cohort week by week, and what is missing from today on."""
    by, today, number = actor(), _today(), page_number()
    found = queries.cohort(public_id, by)
    shown = boards.board(found, today=today, page=number, per_page=PER_PAGE)
    return render_template(
        "programmes/board.html",
        tab="cohorts",
        cohort=found,
        board=shown,
        page=Page(shown.rows, number, shown.total, PER_PAGE),
        today=today,
        week=found.week_on(today) if found.start_on <= today <= found.end_on else 0,
        manages=allows(by, Permission.COHORT_MANAGE, found),
        gap_words=gap_words,
        cap=found.programme.mentor_cap,
    )


@bp.get("/cohorts/<public_id>/board.csv")
@staff(*queries.RUNNERS)
def board_csv(public_id: str) -> ResponseReturnValue:
    """The whole board for a spreadsheet: a trainee a line, a week a column."""
    found, today = queries.cohort(public_id, actor()), _today()
    shown = boards.board(found, today=today, whole=True)
    head = [_("Trainee"), *(day(found.start_on + timedelta(weeks=number)) for number in range(found.weeks))]

    def line(row: boards.Row) -> list[str]:
        cells: list[str] = []
        for part in row.stretches:
            names = [part.unit, shown.names.get(part.mentor_id or 0, "")]
            cells += [" ".join(word for word in names if word)] * part.weeks
        return [row.enrolment.person.name, *cells]

    return files.table(f"{found.code}-board-{today.isoformat()}.csv", head, map(line, shown.rows))


# ---------------------------------------------------------------- another mentor


def _placement(enrolment: Enrolment, public_id: str) -> Placement:
    for row in queries.placements(enrolment.id):
        if row.public_id == public_id:
            return row
    raise NotFound


@bp.get("/trainees/<public_id>/placements/<placement_id>/mentor")
@staff(*queries.MANAGERS)
def change_form(public_id: str, placement_id: str) -> ResponseReturnValue:
    """The form of another mentor from a day on."""
    return _change_page(public_id, placement_id, ChangeMentorForm())


def _change_page(public_id: str, placement_id: str, form: ChangeMentorForm) -> ResponseReturnValue:
    found = queries.managed_enrolment(public_id, actor())
    placement = _placement(found, placement_id)
    form.offer(queries.colleagues(found.cohort.programme_id))
    if request.method == "GET":
        form.from_on.data = max(_today(), placement.from_on)
    page = render_template(
        "programmes/change.html",
        tab="cohorts",
        form=form,
        enrolment=found,
        placement=placement,
        may_exceed=allows(actor(), Permission.LOAD_EXCEED, found.cohort),
    )
    return page, form.status


@bp.post("/trainees/<public_id>/placements/<placement_id>/mentor")
@staff(*queries.MANAGERS)
def change(public_id: str, placement_id: str) -> ResponseReturnValue:
    """Another mentor from a day on; twice is once."""
    by, at = actor(), clock.now()
    found = queries.managed_enrolment(public_id, by)
    placement = _placement(found, placement_id)
    form = ChangeMentorForm.of_request()
    form.offer(queries.colleagues(found.cohort.programme_id))

    def act() -> Pairing:
        assert form.from_on.data is not None
        return mentors.change_mentor(
            found,
            placement,
            colleague(form, found.cohort.programme_id),
            from_on=form.from_on.data,
            reason=form.reason.data,
            at=at,
            by=by,
            beyond=form.beyond.data,
        )

    if not form.run(act):
        return _change_page(public_id, placement_id, form)
    flash(_("The change is noted. What was signed before stays as it was signed."), "ok")
    return redirect(f"/trainees/{public_id}", 303)


@bp.get("/pairings/<public_id>/end")
@members
def end_form(public_id: str) -> ResponseReturnValue:
    """The form that ends a pairing."""
    return _end_page(boards.pairing(public_id, actor()), EndPairingForm())


def _end_page(pairing: Pairing, form: EndPairingForm) -> ResponseReturnValue:
    enrolment = pairing.placement.enrolment
    queries.managed_enrolment(enrolment.public_id, actor())
    if request.method == "GET":
        form.last_on.data = _today()
    page = render_template(
        "programmes/end.html", tab="cohorts", form=form, pairing=pairing, enrolment=enrolment
    )
    return page, form.status


@bp.post("/pairings/<public_id>/end")
@members
def end(public_id: str) -> ResponseReturnValue:
    """End a pairing after a day; twice is once."""
    by, at = actor(), clock.now()
    found = boards.pairing(public_id, by)
    enrolment = found.placement.enrolment.public_id
    form = EndPairingForm.of_request()

    def act() -> None:
        assert form.last_on.data is not None
        mentors.end_pairing(found, last_on=form.last_on.data, reason=form.reason.data, at=at, by=by)

    if not form.run(act):
        return _end_page(found, form)
    flash(_("The pairing ends on that day."), "ok")
    return redirect(f"/trainees/{enrolment}", 303)


# ---------------------------------------------------------------- a mentor leaves


def _leaving(cohort: Cohort, today: date) -> tuple[Person | None, Sequence[tuple[Person, int]]]:
    people = boards.mentors_of(cohort, from_on=today)
    wanted = request.values.get("leaving", "")
    return next((one for one, _count in people if one.public_id == wanted), None), people


@bp.get("/cohorts/<public_id>/hand-over")
@staff(*queries.MANAGERS)
def hand_over_form(public_id: str) -> ResponseReturnValue:
    """Who leaves, and then what they hold and who takes it."""
    return _hand_over_page(public_id, HandOverForm())


def _held(rows: Sequence[Pairing]) -> list[tuple[Pairing, str]]:
    kinds = {"primary": _("Mentor"), "second": _("Second assessor"), "deputy": _("Deputy")}
    return [
        (
            row,
            f"{row.placement.enrolment.person.name} · {row.placement.unit} · {kinds[row.kind]} · {day(row.from_on)} – {day(row.to_on)}",
        )
        for row in rows
    ]


def _hand_over_page(public_id: str, form: HandOverForm) -> ResponseReturnValue:
    today = _today()
    cohort = queries.cohort(public_id, actor(), permission=Permission.COHORT_MANAGE)
    leaving, people = _leaving(cohort, today)
    if leaving is not None:
        rows = boards.pairings_of(leaving, cohort, from_on=today)
        form.offer_pairings(_held(rows))
        form.offer(one for one in queries.colleagues(cohort.programme_id) if one.id != leaving.id)
        if request.method == "GET":
            form.pairings.data = [row.public_id for row in rows]
            form.from_on.data = today + timedelta(days=1)
    page = render_template(
        "programmes/hand_over.html",
        tab="cohorts",
        form=form,
        cohort=cohort,
        leaving=leaving,
        people=people,
        may_exceed=allows(actor(), Permission.LOAD_EXCEED, cohort),
    )
    return page, form.status


@bp.post("/cohorts/<public_id>/hand-over")
@staff(*queries.MANAGERS)
def hand_over(public_id: str) -> ResponseReturnValue:
    """Hand a leaving mentor's trainees to a successor, all that were chosen or none."""
    by, at = actor(), clock.now()
    cohort = queries.cohort(public_id, by, permission=Permission.COHORT_MANAGE)
    leaving, _people = _leaving(cohort, _today())
    if leaving is None:
        raise NotFound
    rows = boards.pairings_of(leaving, cohort, from_on=_today())
    form = HandOverForm.of_request()
    form.offer_pairings(_held(rows))
    form.offer(one for one in queries.colleagues(cohort.programme_id) if one.id != leaving.id)

    def act() -> int:
        assert form.from_on.data is not None
        successor = colleague(form, cohort.programme_id)
        chosen = {row: successor for row in rows if row.public_id in form.pairings.data}
        return mentors.hand_over(
            chosen,
            from_on=form.from_on.data,
            reason=form.reason.data,
            at=at,
            by=by,
            beyond=form.beyond.data,
        )

    if not form.run(act):
        return _hand_over_page(public_id, form)
    flash(_("Handed over. What was signed stays as it was signed."), "ok")
    return redirect(f"/cohorts/{public_id}/board", 303)


# ---------------------------------------------------------------- delegation


@bp.get("/delegation")
@members
def delegation() -> ResponseReturnValue:
    """What the actor has delegated, and the form of a new delegation."""
    return _delegation_page(DelegateForm())


def _delegation_page(form: DelegateForm) -> ResponseReturnValue:
    by, today = actor(), _today()
    own = boards.own_pairings(by, today=today)
    form.offer(boards.deputies(by, today=today))
    if request.method == "GET":
        form.from_on.data = today
    page = render_template(
        "programmes/delegation.html",
        tab="trainees",
        form=form,
        own=own,
        given=boards.given(by, today=today),
        days=DELEGATION_DAYS,
    )
    return page, form.status


@bp.post("/delegation")
@members
def delegate() -> ResponseReturnValue:
    """Delegate signing for some days; twice is once."""
    by, at, today = actor(), clock.now(), _today()
    people = boards.deputies(by, today=today)
    form = DelegateForm.of_request()
    form.offer(people)

    def act() -> list[Pairing]:
        assert form.from_on.data is not None
        assert form.to_on.data is not None
        return mentors.delegate(
            list(boards.own_pairings(by, today=today)),
            next(one for one in people if one.public_id == form.deputy.data),
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            reason=form.reason.data,
            at=at,
            by=by,
        )

    if not form.run(act):
        return _delegation_page(form)
    flash(_("Your colleague can sign for what is done on these days, in their own name."), "ok")
    return redirect("/delegation", 303)


@bp.post("/delegation/<public_id>/end")
@members
def end_delegation(public_id: str) -> ResponseReturnValue:
    """Take a delegation back from today on; twice is once."""
    by, at = actor(), clock.now()
    found = boards.pairing(public_id, by)
    own = any(row.public_id == public_id for row in boards.given(by, today=_today()))
    trainee = found.placement.enrolment.public_id
    with transaction():
        mentors.end_delegation(found, at=at, by=by)
    flash(_("The delegation has ended. What was signed under it stands."), "ok")
    return redirect("/delegation" if own else f"/trainees/{trainee}", 303)
