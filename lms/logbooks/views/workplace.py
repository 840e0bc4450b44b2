"""Assessments in the workplace: the trainee asks, the assessor's form, the trainee's answer, and the lists."""

from collections.abc import Sequence
from datetime import date

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _, pick
from lms.logbooks import queries as logbooks
from lms.logbooks.forms.workplace import (
    AskForm,
    AssessForm,
    DeclineForm,
    RespondForm,
    StartForm,
    VoidAssessmentForm,
)
from lms.logbooks.models import Item
from lms.logbooks.models.workplace import WorkplaceAssessment, WorkplaceRecord
from lms.logbooks.queries import workplace as queries
from lms.logbooks.rules import workplace as rules
from lms.logbooks.services import workplace as services
from lms.logbooks.views.blueprint import PER_PAGE, bp
from lms.policy import Permission, require
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment
from lms.web import files
from lms.web.confirm import confirmation, confirmed
from lms.web.forms import request_value, request_values
from lms.web.guard import actor, members, reads_first
from lms.web.paging import Page, page_number

# ---------------------------------------------------------------- lists


def _own() -> Enrolment:
    found = programmes.own_enrolment(actor())
    if found is None:
        raise NotFound
    return found


def _readable(public_id: str) -> Enrolment:
    by = actor()
    found = programmes.enrolment(public_id, by)
    if not queries.may_read_assessments(by, found):
        raise NotFound
    return found


def _wish(state: str = "") -> queries.Wish:
    """What the list is narrowed to; a value that is none lets all through."""
    kind, state = request.args.get("kind", ""), request.args.get("state", state)
    return queries.Wish(kind if kind in rules.KINDS else "", state if state in rules.STATES else "")


@bp.get("/workplace")
@members
def workplace() -> ResponseReturnValue:
    """The trainee's own assessments."""
    enrolment, wish, number = _own(), _wish(), page_number()
    rows, total = queries.assessments_of(enrolment, wish, page=number, per_page=PER_PAGE)
    return render_template(
        "logbooks/workplace/list.html",
        tab="logbook",
        base="/workplace",
        whose="own",
        page=Page(rows, number, total, PER_PAGE),
        wish=wish,
        wp=rules,
        standing=queries.standing_of(enrolment),
    )


@bp.get("/workplace/to-assess")
@members
def to_assess() -> ResponseReturnValue:
    """What the actor was asked for; those that wait, unless another state is chosen."""
    wish, number = _wish(rules.REQUESTED), page_number()
    rows, total = queries.assessed_by(actor(), wish, page=number, per_page=PER_PAGE)
    return render_template(
        "logbooks/workplace/list.html",
        tab="to-sign",
        base="/workplace/to-assess",
        whose="asked",
        page=Page(rows, number, total, PER_PAGE),
        wish=wish,
        wp=rules,
    )


@bp.get("/trainees/<public_id>/workplace")
@members
def workplace_of(public_id: str) -> ResponseReturnValue:
    """One trainee's assessments, for their mentors and who runs the programme."""
    enrolment, wish, number = _readable(public_id), _wish(), page_number()
    rows, total = queries.assessments_of(enrolment, wish, page=number, per_page=PER_PAGE)
    return render_template(
        "logbooks/workplace/list.html",
        tab="trainees",
        base=f"/trainees/{public_id}/workplace",
        whose="trainee",
        enrolment=enrolment,
        starts=queries.may_start(actor(), enrolment),
        page=Page(rows, number, total, PER_PAGE),
        wish=wish,
        wp=rules,
        standing=queries.standing_of(enrolment),
    )


@bp.get("/workplace.csv")
@members
def workplace_csv() -> ResponseReturnValue:
    """The trainee's own list as a file."""
    return _file(queries.assessments_of(_own(), _wish())[0])


@bp.get("/workplace/to-assess.csv")
@members
def to_assess_csv() -> ResponseReturnValue:
    """What the actor was asked for, as a file."""
    return _file(queries.assessed_by(actor(), _wish())[0])


@bp.get("/trainees/<public_id>/workplace.csv")
@members
def workplace_of_csv(public_id: str) -> ResponseReturnValue:
    """One trainee's list as a file."""
    return _file(queries.assessments_of(_readable(public_id), _wish())[0])


def _file(rows: Sequence[WorkplaceAssessment]) -> ResponseReturnValue:
    head = [
        _("Date"),
        _("Trainee"),
        _("Kind"),
        _("Item"),
        _("Assessor"),
        _("State"),
        _("Level"),
        _("What went well"),
        _("What would make it better"),
        _("What you agreed on"),
        _("The trainee’s answer"),
    ]
    lines = (
        [
            row.happened_on.isoformat(),
            row.trainee.name,
            str(rules.KINDS[row.kind].name),
            f"{row.item.code} {pick(row.item.title_zh, row.item.title_en)}",
            row.assessor.name,
            str(rules.STATES[row.state]),
            row.record.level if row.record else "",
            *(
                (row.record.payload[name] if row.record else "")
                for name in ("strength", "improvement", "plan")
            ),
            row.response.words if row.response else "",
        ]
        for row in rows
    )
    return files.table("workplace.csv", head, lines)


# ---------------------------------------------------------------- ask, begin


def _items(enrolment: Enrolment, day: date) -> list[Item]:
    """Everything that can be assessed, the unit's own first."""
    placement = programmes.placement_on(enrolment.id, day)
    unit = placement.unit if placement else ""
    return sorted(logbooks.items(enrolment.cohort_id), key=lambda item: item.framework.code != unit)


def _request_page(form: StartForm, enrolment: Enrolment) -> ResponseReturnValue:
    today = clock.today(clock.now())
    asking = isinstance(form, AskForm)
    form.offer(_items(enrolment, today), queries.assessors_of(enrolment, on=today) if asking else ())
    page = render_template(
        "logbooks/workplace/ask.html",
        tab="logbook" if asking else "trainees",
        form=form,
        enrolment=enrolment,
        asking=asking,
        wp=rules,
        today=today,
        earliest=today - rules.STARTS_WITHIN,
    )
    return page, form.status


@bp.route("/workplace/new", methods=["GET", "POST"])
@members
def ask() -> ResponseReturnValue:
    """The trainee asks for an assessment of something that happened in the last seven days."""
    by, at, enrolment = actor(), clock.now(), _own()
    form = AskForm.of_request()
    if request.method == "GET":
        form.happened_on.data = clock.today(at)
        form.item.data = request.args.get("item", "")
        return _request_page(form, enrolment)
    form.offer(_items(enrolment, clock.today(at)), queries.assessors_of(enrolment, on=clock.today(at)))

    def act() -> WorkplaceAssessment:
        happened_on = form.happened_on.data
        assert happened_on is not None
        asked, _new = services.ask(
            enrolment,
            kind=form.kind.data or "",
            item=form.chosen_item(),
            assessor_person_id=form.assessor_person_id(),
            happened_on=happened_on,
            setting=form.setting.data or "",
            age_band=form.age_band.data or "",
            focus=form.focus.data or "",
            client_uuid=request_value("client_uuid"),
            at=at,
            by=by,
        )
        return asked

    if form.run(act):
        flash(_("Asked: %(name)s.", name=form.result.assessor.name), "ok")
        return redirect("/workplace", 303)
    return _request_page(form, _own())


@bp.route("/trainees/<public_id>/workplace/new", methods=["GET", "POST"])
@members
def start(public_id: str) -> ResponseReturnValue:
    """A mentor begins an assessment of what they have just watched."""
    by, at, enrolment = actor(), clock.now(), _readable(public_id)
    require(by, Permission.WORKPLACE_START, queries.AssessmentScope(enrolment), see=Permission.WORKPLACE_READ)
    form = StartForm.of_request()
    if request.method == "GET":
        form.happened_on.data = clock.today(at)
        return _request_page(form, enrolment)
    form.offer(_items(enrolment, clock.today(at)))

    def act() -> WorkplaceAssessment:
        happened_on = form.happened_on.data
        assert happened_on is not None
        begun, _new = services.start(
            enrolment,
            kind=form.kind.data or "",
            item=form.chosen_item(),
            happened_on=happened_on,
            setting=form.setting.data or "",
            age_band=form.age_band.data or "",
            client_uuid=request_value("client_uuid"),
            at=at,
            by=by,
        )
        return begun

    if form.run(act):
        return redirect(f"/workplace/{form.result.public_id}/assess", 303)
    return _request_page(form, _readable(public_id))


# ---------------------------------------------------------------- one


def _may(public_id: str, permission: Permission, *, for_update: bool = False) -> WorkplaceAssessment:
    by = actor()
    found = queries.assessment(public_id, by, for_update=for_update)
    require(by, permission, queries.scope_of(found), see=Permission.WORKPLACE_READ)
    return found


@bp.get("/workplace/<public_id>")
@members
def assessment(public_id: str) -> ResponseReturnValue:
    """One assessment; its signature is checked anew as it is shown."""
    return _one(public_id, None)


def _one(public_id: str, form: RespondForm | None) -> ResponseReturnValue:
    by = actor()
    found = queries.assessment(public_id, by)
    own = found.trainee_person_id == by.person_id
    page = render_template(
        "logbooks/workplace/one.html",
        tab="logbook" if own else "to-sign" if found.assessor_person_id == by.person_id else "trainees",
        one=found,
        own=own,
        reads_all=own or queries.reads_whole_list(by, found),
        wp=rules,
        broken=queries.broken_of([found]).get(found.id, ""),
        ended=queries.act_of(found),
        acts=rules.acts(found.state, hands=queries.hands_of(found, by)),
        form=form or RespondForm(),
    )
    return page, form.status if form else 200


@bp.get("/workplace/<public_id>/assess")
@members
def assess_form(public_id: str) -> ResponseReturnValue:
    """The assessor's form."""
    return _assess_page(public_id, AssessForm(), DeclineForm())


def _assess_page(public_id: str, form: AssessForm, declining: DeclineForm) -> ResponseReturnValue:
    """Both forms with what was typed; its record, where somebody has decided it meanwhile."""
    found = _may(public_id, Permission.WORKPLACE_ASSESS)
    if found.state != rules.REQUESTED:
        for text in (*form.problems, *declining.problems):
            flash(text, "warn")
        return redirect(f"/workplace/{public_id}", 303)
    page = render_template(
        "logbooks/workplace/assess.html",
        tab="to-sign",
        one=found,
        form=form,
        declining=declining,
        given={name: value for name, value in request_values().items() if name.startswith("d-")},
        wp=rules,
        confirmation=confirmation(clock.now()),
    )
    return page, 422 if form.failed or declining.failed else 200


@bp.post("/workplace/<public_id>/assess")
@members
@reads_first
def assess(public_id: str) -> ResponseReturnValue:
    """Tapping a level signs the form, after a fresh confirmation; a second tap finds the first one's."""
    by, at = actor(), clock.now()
    _may(public_id, Permission.WORKPLACE_ASSESS)
    form = AssessForm.of_request()
    ratings = {
        name.removeprefix("d-"): int(value)
        for name, value in request_values().items()
        if name.startswith("d-") and value in {"1", "2", "3"}
    }

    def act() -> WorkplaceRecord:
        filled = rules.Filled(
            form.level.data or 0,
            ratings,
            form.strength.data or "",
            form.improvement.data or "",
            form.plan.data or "",
        )
        held = _may(public_id, Permission.WORKPLACE_ASSESS, for_update=True)
        return services.assess(held, filled, at=at, by=by)

    if confirmed(form, at=at) and form.run(act):
        flash(_("Signed. The trainee is told."), "ok")
        return redirect(f"/workplace/{public_id}", 303)
    return _assess_page(public_id, form, DeclineForm())


@bp.post("/workplace/<public_id>/decline")
@members
def decline(public_id: str) -> ResponseReturnValue:
    """Say that one cannot assess, and why."""
    by, at = actor(), clock.now()
    _may(public_id, Permission.WORKPLACE_ASSESS)
    form = DeclineForm.of_request()

    def act() -> object:
        held = _may(public_id, Permission.WORKPLACE_ASSESS, for_update=True)
        return services.decline(
            held, reason=form.reason.data or "", words=form.words.data or "", at=at, by=by
        )

    if form.run(act):
        flash(_("Declined. The trainee is told."), "ok")
        return redirect("/workplace/to-assess", 303)
    return _assess_page(public_id, AssessForm(), form)


@bp.post("/workplace/<public_id>/cancel")
@members
def cancel(public_id: str) -> ResponseReturnValue:
    """The trainee takes a request back."""
    by, at = actor(), clock.now()
    with transaction():
        services.cancel(_may(public_id, Permission.WORKPLACE_ASK, for_update=True), at=at, by=by)
    flash(_("The request is taken back."), "ok")
    return redirect("/workplace", 303)


@bp.post("/workplace/<public_id>/respond")
@members
def respond(public_id: str) -> ResponseReturnValue:
    """The trainee's answer."""
    by, at = actor(), clock.now()
    _may(public_id, Permission.WORKPLACE_RESPOND)
    form = RespondForm.of_request()

    def act() -> object:
        held = _may(public_id, Permission.WORKPLACE_RESPOND, for_update=True)
        return services.respond(held, words=form.words.data or "", at=at, by=by)

    if form.run(act):
        flash(_("Your answer is kept."), "ok")
        return redirect(f"/workplace/{public_id}", 303)
    return _one(public_id, form)


@bp.route("/workplace/<public_id>/void", methods=["GET", "POST"])
@members
def void_assessment(public_id: str) -> ResponseReturnValue:
    """Make a signed assessment void, with a reason."""
    by, at = actor(), clock.now()
    _may(public_id, Permission.WORKPLACE_VOID)
    form = VoidAssessmentForm.of_request()

    def act() -> object:
        held = _may(public_id, Permission.WORKPLACE_VOID, for_update=True)
        return services.void(held, reason=form.reason.data or "", words=form.words.data or "", at=at, by=by)

    if request.method == "POST" and form.run(act):
        flash(_("The assessment is void. It stays visible and counts no more."), "ok")
        return redirect(f"/workplace/{public_id}", 303)
    page = render_template(
        "logbooks/workplace/void.html",
        tab="cohorts",
        one=_may(public_id, Permission.WORKPLACE_VOID),
        form=form,
        wp=rules,
    )
    return page, form.status
