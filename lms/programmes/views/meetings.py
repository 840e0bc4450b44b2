"""Meetings of a trainee with their mentor: what is due, writing down, correcting, confirming."""

from collections.abc import Sequence
from datetime import date

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission, allows, require
from lms.programmes.forms.meetings import CorrectionForm, MeetingForm
from lms.programmes.models import Enrolment, Meeting, Placement
from lms.programmes.queries import meetings as queries
from lms.programmes.services import meetings as services
from lms.web.filters import day
from lms.web.guard import actor, members

bp = Blueprint("meetings", __name__)


def _names() -> dict[str, str]:
    return {
        "induction": _("Induction meeting"),
        "mid": _("Mid-placement meeting"),
        "final": _("Final meeting"),
        "concern": _("Meeting about a concern"),
    }


def _tab(by: Actor, enrolment: Enrolment) -> str:
    if enrolment.person_id == by.person_id:
        return "logbook"
    return "cohorts" if allows(by, Permission.COHORT_MANAGE, enrolment.cohort) else "trainees"


def _mentored(by: Actor, placements: Sequence[Placement]) -> list[Placement]:
    """The placements in which the actor mentors the trainee on some day."""
    return [one for one in placements if by.person_id in queries.mentors_on([one])]


@bp.get("/trainees/<public_id>/meetings")
@members
def meetings(public_id: str) -> ResponseReturnValue:
    """Every meeting of a trainee, due and held, with what was agreed and who confirmed it."""
    by, today = actor(), clock.today()
    enrolment, placements = queries.enrolment(public_id, by)
    scope = queries.scope_of(enrolment, placements)
    rows = queries.rows(placements, today=today)
    return render_template(
        "programmes/meetings.html",
        tab=_tab(by, enrolment),
        enrolment=enrolment,
        rows=rows,
        names=_names(),
        today=today,
        mine=frozenset(one.id for one in _mentored(by, placements)),
        holds=allows(by, Permission.MEETING_HOLD, scope),
        acknowledges=allows(by, Permission.MEETING_ACKNOWLEDGE, scope),
        me=by.person_id,
    )


# ---------------------------------------------------------------- write down


@bp.get("/trainees/<public_id>/meetings/new")
@members
def meeting_form(public_id: str) -> ResponseReturnValue:
    """The form in which a mentor writes down a meeting."""
    form = MeetingForm()
    enrolment, placements = _may_hold(public_id, actor())
    _offer(form, placements)
    form.what.data = request.args.get("what", "")
    form.held_on.data = clock.today()
    return _meeting_page(form, enrolment)


def _may_hold(public_id: str, by: Actor) -> tuple[Enrolment, Sequence[Placement]]:
    enrolment, placements = queries.enrolment(public_id, by)
    require(by, Permission.MEETING_HOLD, queries.scope_of(enrolment, placements), see=Permission.MEETING_READ)
    return enrolment, placements


def _offer(form: MeetingForm, placements: Sequence[Placement]) -> None:
    """The planned meetings that nobody has written down, then a concern in each placement."""
    mine, names = _mentored(actor(), placements), _names()
    rows = queries.rows(mine, today=clock.today())
    posted = request.form.get("what", "")
    choices = [
        (
            row.key,
            _(
                "%(meeting)s, due on %(day)s (%(unit)s)",
                meeting=names[row.kind],
                day=day(row.due_on),
                unit=_unit(row.placement),
            ),
        )
        for row in rows
        if row.due_on is not None and (row.standing != "held" or row.key == posted)
    ]
    choices += [(queries.key_of(one, "concern", None), f"{names['concern']} ({_unit(one)})") for one in mine]
    form.offer(choices)


def _unit(placement: Placement) -> str:
    return _("Other unit") if placement.unit == "other" else placement.unit


def _meeting_page(
    form: CorrectionForm, enrolment: Enrolment, meeting: Meeting | None = None
) -> ResponseReturnValue:
    return render_template(
        "programmes/meeting_form.html",
        tab=_tab(actor(), enrolment),
        form=form,
        enrolment=enrolment,
        meeting=meeting,
        names=_names(),
    ), form.status


@bp.post("/trainees/<public_id>/meetings/new")
@members
def hold(public_id: str) -> ResponseReturnValue:
    """Write down a meeting; twice is once."""
    by, at = actor(), clock.now()
    enrolment, placements = _may_hold(public_id, by)
    form = MeetingForm.of_request()
    _offer(form, placements)

    def act() -> Meeting:
        placement, kind, due_on = _chosen(form.what.data, placements)
        assert form.held_on.data is not None
        return services.hold(
            enrolment,
            placement,
            kind=kind,
            due_on=due_on,
            held_on=form.held_on.data,
            summary=form.summary.data or "",
            plan=form.plan.data or "",
            at=at,
            by=by,
        )

    if not form.run(act):
        enrolment, placements = _may_hold(public_id, by)
        return _meeting_page(form, enrolment)
    flash(_("The meeting is written down. The trainee is asked to confirm it."), "ok")
    return redirect(f"/trainees/{public_id}/meetings", 303)


def _chosen(key: str, placements: Sequence[Placement]) -> tuple[Placement, str, date | None]:
    place, _dot, rest = key.partition(".")
    kind, _dot, due = rest.partition(".")
    placement = next(one for one in placements if one.public_id == place)
    return placement, kind, date.fromisoformat(due) if due else None


# ---------------------------------------------------------------- correct, confirm


@bp.route("/trainees/<public_id>/meetings/<meeting_id>/correct", methods=["GET", "POST"])
@members
def correct(public_id: str, meeting_id: str) -> ResponseReturnValue:
    """Put right what was written down; the old words stay readable."""
    by, at = actor(), clock.now()
    enrolment, placements = _may_hold(public_id, by)
    meeting = queries.meeting(meeting_id, placements)
    if meeting.mentor_person_id != by.person_id:
        raise NotFound
    form = CorrectionForm.of_request()

    def act() -> Meeting:
        held = queries.meeting(meeting_id, placements, for_update=True)
        assert form.held_on.data is not None
        return services.correct(
            enrolment,
            next(one for one in placements if one.id == held.placement_id),
            held,
            held_on=form.held_on.data,
            summary=form.summary.data or "",
            plan=form.plan.data or "",
            at=at,
            by=by,
        )

    if request.method == "GET":
        form.fill(meeting)
    elif form.run(act):
        flash(_("The correction is kept. The trainee is asked to confirm it."), "ok")
        return redirect(f"/trainees/{public_id}/meetings", 303)
    enrolment, placements = _may_hold(public_id, by)
    return _meeting_page(form, enrolment, queries.meeting(meeting_id, placements))


@bp.post("/trainees/<public_id>/meetings/<meeting_id>/acknowledge")
@members
def acknowledge(public_id: str, meeting_id: str) -> ResponseReturnValue:
    """The trainee confirms a meeting; twice is once."""
    by, at = actor(), clock.now()
    try:
        with transaction():
            enrolment, placements = queries.enrolment(public_id, by)
            meeting = queries.meeting(meeting_id, placements, for_update=True)
            services.acknowledge(enrolment, placements, meeting, at=at, by=by)
    except RuleBroken as refusal:
        flash(refusal.message, "warn")
    else:
        flash(_("You have confirmed this meeting."), "ok")
    return redirect(f"/trainees/{public_id}/meetings", 303)
