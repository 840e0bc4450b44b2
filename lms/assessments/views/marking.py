"""Human marking: a marker's queue and page, stations, and the overview of whoever manages it."""

from collections.abc import Sequence

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.accounts.models import Person
from lms.assessments import queries, services
from lms.assessments.forms.markers import AskMarkersForm, MarkForm, MarkingPlanForm, RemarkForm
from lms.assessments.models import Test
from lms.assessments.queries import markers, overview
from lms.assessments.rules.markers import format_of, typed
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _, _n
from lms.policy import Permission, Role
from lms.web import files
from lms.web.forms import Form
from lms.web.guard import actor, staff

MANAGERS = (Role.COORDINATOR, Role.EXAMINER)
marker = staff(Role.MARKER)
manager = staff(*MANAGERS)


# ---------------------------------------------------------------- the marker


@bp.get("/marking")
@marker
def marking_queue() -> ResponseReturnValue:
    """What waits for the marker, question by question, and the stations at which they examine."""
    by = actor()
    return render_template(
        "assessments/marking_queue.html",
        batches=markers.queue(by),
        stations=markers.stations(by),
        tab="marking",
    )


@bp.get("/marking/<public_id>")
@marker
def mark_response(public_id: str) -> ResponseReturnValue:
    """One answer under its code, the rubric, and the marks."""
    return _marking_page(public_id, MarkForm())


def _marking_page(public_id: str, form: MarkForm) -> ResponseReturnValue:
    work = markers.work(markers.seat(public_id, actor()))
    if work.marking is not None and request.method == "GET":
        form.note.data = work.marking.note
    page = render_template(
        "assessments/marking.html",
        work=work,
        seat=public_id,
        given=_shown(work.marking.given if work.marking else {}, form),
        form=form,
        tab="marking",
    )
    return page, form.status


def _shown(given: dict[str, str], form: MarkForm) -> dict[str, str]:
    """Line → what stands in its field: what was typed, else what was given last."""
    kept = {name: typed(value) for name, value in given.items()}
    return kept | form.typed


@bp.post("/marking/<public_id>")
@marker
def save_marking(public_id: str) -> ResponseReturnValue:
    """Save the marks and go to the next answer that waits."""
    by, at = actor(), clock.now()
    seat = markers.seat(public_id, by)
    work = markers.work(seat)
    form = MarkForm.of_request()
    given = form.read(work.lines)
    if not form.run(
        lambda: services.mark_response(
            seat, given, form.note.data or "", client_uuid=form.client_uuid.data, by=by, at=at
        )
    ):
        return _marking_page(public_id, form)
    following = markers.next_seat(markers.seat(public_id, by))
    if following is None:
        flash(_("Saved. Nothing more waits for this question."), "success")
        return redirect(url_for(".marking_queue"), 303)
    flash(_("Saved. This is the next answer."), "success")
    return redirect(url_for(".mark_response", public_id=following), 303)


@bp.get("/marking/<public_id>/file")
@marker
def marked_file(public_id: str) -> ResponseReturnValue:
    """The file that a candidate sent, under its code instead of its name."""
    work = markers.work(markers.seat(public_id, actor()))
    if work.file is None:
        raise NotFound
    return _file(work.file.storage_key, f"{work.code}.{format_of(work.file.storage_key)}")


def _file(key: str, name: str) -> ResponseReturnValue:
    response = files.send(key, download_name=name, immutable=False)
    response.headers["Cache-Control"] = "private, no-store"
    return response


# ---------------------------------------------------------------- stations


@bp.get("/tests/<public_id>/stations/<question_id>")
@marker
def station(public_id: str, question_id: str) -> ResponseReturnValue:
    """Who comes to a station: those not marked yet first."""
    by = actor()
    found = markers.station(public_id, question_id, by)
    people = markers.station_people(found.test, found.version.id, by)
    return render_template(
        "assessments/station.html",
        station=found,
        people=sorted(people, key=lambda one: one.is_done),
        question_id=question_id,
        tab="marking",
    )


@bp.route("/tests/<public_id>/stations/<question_id>/<sitting_id>", methods=["GET", "POST"])
@marker
def examine(public_id: str, question_id: str, sitting_id: str) -> ResponseReturnValue:
    """The checklist of a station for one candidate."""
    by, at = actor(), clock.now()
    found, row = _candidate(public_id, question_id, sitting_id)
    form = MarkForm.of_request()
    if request.method == "POST":
        given = form.read(found.lines)
        if form.run(
            lambda: services.mark_at_station(
                found,
                row.sitting,
                given,
                form.note.data or "",
                client_uuid=form.client_uuid.data,
                rating=form.global_rating,
                by=by,
                at=at,
            )
        ):
            flash(_("Saved."), "success")
            return redirect(url_for(".station", public_id=public_id, question_id=question_id), 303)
        found, row = _candidate(public_id, question_id, sitting_id)
    elif row.marking is not None:
        form.note.data = row.marking.note
        form.rating.data = str(row.marking.rating or "")
    page = render_template(
        "assessments/examine.html",
        station=found,
        row=row,
        question_id=question_id,
        given=_shown(row.marking.given if row.marking else {}, form),
        form=form,
        tab="marking",
    )
    return page, form.status


def _candidate(
    public_id: str, question_id: str, sitting_id: str
) -> tuple[markers.Station, markers.AtStation]:
    by = actor()
    found = markers.station(public_id, question_id, by)
    row = next(
        (
            one
            for one in markers.station_people(found.test, found.version.id, by)
            if one.sitting.public_id == sitting_id
        ),
        None,
    )
    if row is None:
        raise NotFound
    return found, row


# ---------------------------------------------------------------- whoever manages it


def _managed(public_id: str) -> Test:
    return queries.test(public_id, actor(), permission=Permission.MARKING_MANAGE)


@bp.get("/tests/<public_id>/marking")
@manager
def marking(public_id: str) -> ResponseReturnValue:
    """Progress, disagreements and agreement of the markers of a test; who marks what."""
    return _overview(public_id)


def _overview(
    public_id: str, *, plan: MarkingPlanForm | None = None, asked: AskMarkersForm | None = None
) -> ResponseReturnValue:
    test = _managed(public_id)
    found = overview.overview(test, actor(), on=clock.today(clock.now()))
    if plan is None:
        plan = MarkingPlanForm(
            markers=found.plan.markers,
            examiners=found.plan.examiners,
            apart_percent=found.plan.apart_percent,
        )
    forms = []
    for row in found.questions:
        number = row.question.public_id
        if asked is not None and asked.question.data == number:
            form = asked
        else:
            form = AskMarkersForm(
                prefix="", question=number, people=[person.public_id for person in row.markers]
            )
            form.offer(_with(found.possible, row.markers))
        forms.append((row, form))
    broken = asked or plan
    page = render_template(
        "assessments/marking_overview.html",
        test=test,
        found=found,
        forms=forms,
        plan=plan,
        broken=broken,
        tab="tests",
    )
    return page, broken.status


def _with(possible: Sequence[Person], asked: Sequence[Person]) -> list[Person]:
    """Who can be asked, and who was: a role may have ended since."""
    known = {person.id for person in possible}
    return [*possible, *(person for person in asked if person.id not in known)]


@bp.post("/tests/<public_id>/marking/plan")
@manager
def plan_marking(public_id: str) -> ResponseReturnValue:
    """How many people mark, and how far two may lie apart."""
    by, at = actor(), clock.now()
    test = _managed(public_id)
    form = MarkingPlanForm.of_request()
    if not form.run(
        lambda: services.set_marking(
            test,
            markers=form.markers.data,
            examiners=form.examiners.data,
            apart_percent=form.apart_percent.data,
            by=by,
            at=at,
        )
    ):
        return _overview(public_id, plan=form)
    flash(_("The terms of the marking are saved."), "success")
    return redirect(url_for(".marking", public_id=public_id), 303)


@bp.post("/tests/<public_id>/marking/markers")
@manager
def ask_markers(public_id: str) -> ResponseReturnValue:
    """Ask people to mark one question."""
    by, at = actor(), clock.now()
    test = _managed(public_id)
    form = AskMarkersForm.of_request()
    found = overview.overview(test, by, on=clock.today(at))
    row = next((one for one in found.questions if one.question.public_id == form.question.data), None)
    if row is None:
        raise NotFound
    people = _with(found.possible, row.markers)
    form.offer(people)
    chosen = [person for person in people if person.public_id in (form.people.data or [])]
    if not form.run(lambda: services.ask_markers(test, row.version, chosen, by=by, at=at)):
        return _overview(public_id, asked=form)
    flash(_("Saved. Those who were asked are told as soon as something waits for them."), "success")
    return redirect(url_for(".marking", public_id=public_id), 303)


@bp.post("/tests/<public_id>/marking/settle")
@manager
def settle_marking(public_id: str) -> ResponseReturnValue:
    """Settle what is marked; the other sittings go on waiting."""
    by, at = actor(), clock.now()
    test = _managed(public_id)
    with transaction():
        done = services.settle(test, by=by, at=at)
    if done.sittings:
        flash(
            _n("%(num)s sitting has its result.", "%(num)s sittings have their result.", done.sittings),
            "success",
        )
    if done.remarks:
        flash(
            _("What was marked once more is settled. Regrade the test: two people approve the change."),
            "info",
        )
    if not (done.sittings or done.remarks):
        flash(_("Nothing can be settled yet."), "info")
    return redirect(url_for(".marking", public_id=public_id), 303)


@bp.get("/marking/responses/<code>")
@manager
def marked_response(code: str) -> ResponseReturnValue:
    """Everything that was given for one response."""
    return _response(code, RemarkForm())


def _response(code: str, form: Form) -> ResponseReturnValue:
    by = actor()
    found = overview.response(code, by)
    page = render_template(
        "assessments/marked_response.html",
        view=overview.response_view(found, by),
        test=found.sitting.test,
        form=form,
        tab="tests",
    )
    return page, form.status


@bp.post("/marking/responses/<code>/remark")
@manager
def remark(code: str) -> ResponseReturnValue:
    """Have a response marked once more by others."""
    by, at = actor(), clock.now()
    found = overview.response(code, by)
    form = RemarkForm.of_request()
    if not form.run(lambda: services.order_remark(found, form.reason.data, by=by, at=at)):
        return _response(code, form)
    flash(_("It is marked once more by people who have not marked it."), "success")
    return redirect(url_for(".marked_response", code=code), 303)
