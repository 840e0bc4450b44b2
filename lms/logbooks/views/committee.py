"""Pages of the competence committee: meetings, agenda, evidence and votes, closing, decisions and appeals."""

from collections.abc import Callable

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.errors import NotFound
from lms.core.i18n import _, _n, pick
from lms.logbooks import queries as logbook
from lms.logbooks.forms import AgendaForm, AnswerForm, CloseForm, ConveneForm, ReasonForm, VoteForm
from lms.logbooks.queries import committee as queries
from lms.logbooks.rules import committee as rules
from lms.logbooks.services import committee as services
from lms.logbooks.views.blueprint import PER_PAGE, bp
from lms.policy import Permission, Role, allows, require
from lms.programmes import queries as programmes
from lms.web import files
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members
from lms.web.paging import Page, page_number


@bp.context_processor
def _committee_words() -> dict[str, object]:
    return {"board": rules}


def _tab() -> str:
    by = actor()
    if by.is_any(Role.COMMITTEE_MEMBER, Role.COMMITTEE_CHAIR):
        return "committee"
    return "progress" if by.is_any(Role.TRAINEE) else "cohorts"


@bp.get("/committee")
@members
def committee() -> ResponseReturnValue:
    """Meetings that the reader may read, and appeals that wait for an answer."""
    by, number = actor(), page_number()
    rows, total = queries.meetings(by, page=number, per_page=PER_PAGE)
    may_call = by.is_any(*queries.CONVENERS)
    if not total and not by.is_any(*queries.READERS, Role.COMMITTEE_MEMBER):
        raise NotFound
    return render_template(
        "logbooks/committee/meetings.html",
        tab=_tab(),
        page=Page(rows, number, total, PER_PAGE),
        may_call=may_call,
        appeals=queries.open_appeals(by),
    )


@bp.route("/committee/new", methods=["GET", "POST"])
@members
def convene() -> ResponseReturnValue:
    """Call a meeting of a cohort's committee."""
    by, at = actor(), clock.now()
    cohorts = queries.convenable_cohorts(by)
    if not cohorts:
        raise NotFound
    chosen = request.args.get("cohort", "") or cohorts[0].public_id
    cohort = queries.convenable_cohort(chosen, by)
    form = ConveneForm.of_request()
    form.offer(*queries.sitting_persons(cohort, on=clock.today(at)))

    def act() -> str:
        return services.convene(
            queries.convenable_cohort(chosen, by),
            held_on=form.held_on.data,
            chair=form.chosen_chair(),
            others=form.chosen_members(),
            client_uuid=form.client_uuid.data,
            at=at,
            by=by,
        ).public_id

    if request.method == "POST" and form.run(act):
        flash(_("The meeting is called, and its members are told. Now put items on its agenda."), "ok")
        return redirect(f"/committee/{form.result}", 303)
    page = render_template(
        "logbooks/committee/convene.html",
        tab=_tab(),
        form=form,
        cohort=queries.convenable_cohort(chosen, by),
        cohorts=queries.convenable_cohorts(by),
        quorum=rules.QUORUM,
    )
    return page, form.status


@bp.get("/committee/<public_id>")
@members
def meeting(public_id: str) -> ResponseReturnValue:
    """One meeting: its members, its agenda, and what may be done now."""
    return _meeting_page(public_id, Form())


def _meeting_page(public_id: str, form: Form) -> ResponseReturnValue:
    by = actor()
    called = queries.meeting(public_id, by)
    page = render_template(
        "logbooks/committee/meeting.html",
        tab=_tab(),
        form=form,
        called=called,
        lines=queries.lines(called),
        convenes=allows(by, Permission.COMMITTEE_CONVENE, called.scope),
        closes=allows(by, Permission.COMMITTEE_CLOSE, called.scope),
        me=by.person_id,
    )
    return page, form.status


@bp.get("/committee/<public_id>.csv")
@members
def meeting_csv(public_id: str) -> ResponseReturnValue:
    """The agenda of a meeting with what was decided, as a file."""
    called = queries.meeting(public_id, actor())
    head = [
        _("Meeting"),
        _("Trainee"),
        _("Item"),
        _("Numbers"),
        _("Approve"),
        _("Defer"),
        _("Abstain"),
        _("Decision"),
        _("Level"),
        _("Reason"),
        _("Evidence (SHA-256)"),
    ]
    lines = []
    for line in queries.lines(called):
        item, decision = line.agenda.item, line.decision
        lines.append(
            [
                called.meeting.held_on.isoformat(),
                line.agenda.enrolment.person.name,
                f"{item.code} {pick(item.title_zh, item.title_en)}",
                (_("achieved") if line.achieved else _("numbers not met")) if line.evidence else "",
                *(decision.votes.get(one, 0) if decision else "" for one in ("approve", "defer", "abstain")),
                (_("approved") if decision.level else _("deferred")) if decision else "",
                decision.level or "" if decision else "",
                decision.words if decision else "",
                line.evidence.sha256 if line.evidence else "",
            ]
        )
    return files.table(f"committee-{called.meeting.held_on.isoformat()}.csv", head, lines)


def _do(public_id: str, act: Callable[[queries.Called], None], done: str) -> ResponseReturnValue:
    form, by = Form.of_request(), actor()
    if form.run(lambda: act(queries.meeting(public_id, by, for_update=True))):
        flash(done, "ok")
        return redirect(f"/committee/{public_id}", 303)
    return _meeting_page(public_id, form)


@bp.post("/committee/<public_id>/open")
@members
def open_meeting(public_id: str) -> ResponseReturnValue:
    """Open the meeting; the evidence is frozen."""
    by, at = actor(), clock.now()
    return _do(
        public_id,
        lambda called: services.open_meeting(called, at=at, by=by),
        _("The meeting is open. The evidence is frozen as it stands now."),
    )


@bp.post("/committee/<public_id>/cancel")
@members
def cancel_meeting(public_id: str) -> ResponseReturnValue:
    """Cancel the meeting; nothing is decided."""
    by, at = actor(), clock.now()
    return _do(
        public_id,
        lambda called: services.cancel_meeting(called, at=at, by=by),
        _("The meeting is cancelled."),
    )


@bp.route("/committee/<public_id>/agenda", methods=["GET", "POST"])
@members
def agenda(public_id: str) -> ResponseReturnValue:
    """Put items of a trainee on the agenda."""
    by, at, form = actor(), clock.now(), AgendaForm.of_request()
    called = queries.meeting(public_id, by)
    require(by, Permission.COMMITTEE_CONVENE, called.scope, see=Permission.COMMITTEE_READ)
    form.offer(programmes.roll(called.meeting.cohort), logbook.items(called.meeting.cohort_id))

    def act() -> int:
        held = queries.meeting(public_id, by, for_update=True)
        trainee = queries.cohort_enrolment(held.meeting.cohort, form.trainee.data or "")
        return services.add_lines(held, trainee, form.items.data or (), at=at, by=by)

    if request.method == "POST" and form.run(act):
        flash(
            _n("%(num)s item is new on the agenda.", "%(num)s items are new on the agenda.", form.result),
            "ok",
        )
        return redirect(f"/committee/{public_id}", 303)
    called = queries.meeting(public_id, by)
    page = render_template("logbooks/committee/agenda.html", tab=_tab(), form=form, called=called)
    return page, form.status


@bp.route("/committee/<public_id>/lines/<line_id>", methods=["GET", "POST"])
@members
def line(public_id: str, line_id: str) -> ResponseReturnValue:
    """One line of the agenda: the frozen evidence, the votes, and one's own vote."""
    by, at, form = actor(), clock.now(), VoteForm.of_request()

    def act() -> None:
        held = queries.meeting(public_id, by, for_update=True)
        services.vote(
            held,
            queries.line(held, line_id),
            choice=form.choice.data,
            level=form.chosen_level,
            words=form.words.data,
            at=at,
            by=by,
        )

    if request.method == "POST" and form.run(act):
        flash(_("Your vote is noted. You can change it until the meeting is closed."), "ok")
        return redirect(f"/committee/{public_id}", 303)
    called = queries.meeting(public_id, by)
    found = queries.line(called, line_id)
    mine = found.votes.get(by.person_id)
    if request.method == "GET" and mine:
        form.choice.data, form.level.data, form.words.data = mine.choice, str(mine.level or ""), mine.words
    page = render_template(
        "logbooks/committee/line.html",
        tab=_tab(),
        form=form,
        called=called,
        line=found,
        votes=called.meeting.state == rules.IN_SESSION
        and allows(by, Permission.COMMITTEE_VOTE, queries.line_scope(called, found)),
    )
    return page, form.status


@bp.route("/committee/<public_id>/close", methods=["GET", "POST"])
@members
def close_meeting(public_id: str) -> ResponseReturnValue:
    """What the votes lead to, the chair's words, and the close."""
    by, at, form = actor(), clock.now(), CloseForm.of_request()
    called = queries.meeting(public_id, by)
    require(by, Permission.COMMITTEE_CLOSE, called.scope, see=Permission.COMMITTEE_READ)
    agenda = queries.lines(called)
    words = {one.agenda.public_id: request_value(f"words-{one.agenda.public_id}") for one in agenda}
    if request.method == "POST" and form.run(
        lambda: services.close_meeting(queries.meeting(public_id, by, for_update=True), words, at=at, by=by)
    ):
        flash(_("The meeting is closed; the trainees are told what was decided."), "ok")
        return redirect(f"/committee/{public_id}", 303)
    if request.method == "POST":
        called = queries.meeting(public_id, by)
        agenda = queries.lines(called)
    if called.meeting.state != rules.IN_SESSION:
        return redirect(f"/committee/{public_id}", 303)
    page = render_template(
        "logbooks/committee/close.html",
        tab=_tab(),
        form=form,
        called=called,
        rows=[(one, rules.outcome(one.ballots, quorum=called.meeting.quorum)) for one in agenda],
        given=words,
        refused=dict(form.linked),
    )
    return page, form.status


# ---------------------------------------------------------------- decisions and appeals


def _decision_page(public_id: str, form: Form) -> ResponseReturnValue:
    by = actor()
    found, scope = queries.decision(public_id, by)
    page = render_template(
        "logbooks/committee/decision.html",
        tab=_tab(),
        form=form,
        found=found,
        appeals=not found.appeal
        and clock.today(clock.now()) <= found.appeal_until
        and allows(by, Permission.DECISION_APPEAL, scope),
        answers=found.appeal and not found.answer and allows(by, Permission.DECISION_ANSWER, scope),
    )
    return page, form.status


@bp.get("/committee/decisions/<public_id>")
@members
def decision(public_id: str) -> ResponseReturnValue:
    """One decision with its reason; the trainee may appeal, another answers."""
    found, scope = queries.decision(public_id, actor())
    answers = found.appeal is not None and allows(actor(), Permission.DECISION_ANSWER, scope)
    return _decision_page(public_id, AnswerForm() if answers else ReasonForm())


@bp.post("/committee/decisions/<public_id>/appeal")
@members
def appeal_decision(public_id: str) -> ResponseReturnValue:
    """Appeal against a decision about oneself."""
    by, at, form = actor(), clock.now(), ReasonForm.of_request()
    if form.run(
        lambda: services.appeal(*queries.decision(public_id, by), words=form.words.data, at=at, by=by)
    ):
        flash(_("Your appeal is made. Somebody who did not decide will answer it."), "ok")
        return redirect(f"/committee/decisions/{public_id}", 303)
    return _decision_page(public_id, form)


@bp.post("/committee/decisions/<public_id>/answer")
@members
def answer_decision(public_id: str) -> ResponseReturnValue:
    """Answer an appeal."""
    by, at, form = actor(), clock.now(), AnswerForm.of_request()
    if form.run(
        lambda: services.answer(
            *queries.decision(public_id, by),
            outcome=form.outcome.data,
            words=form.words.data,
            at=at,
            by=by,
        )
    ):
        flash(_("The appeal is answered, and the trainee is told."), "ok")
        return redirect(f"/committee/decisions/{public_id}", 303)
    return _decision_page(public_id, form)
