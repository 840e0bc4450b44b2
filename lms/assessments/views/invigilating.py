"""The invigilator's board, and what is done there for one candidate or for all."""

from collections.abc import Callable

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.forms import AccommodationForm, ExtendForm, NoteForm, PauseForm
from lms.assessments.models import Sitting, Test
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _, _n
from lms.policy import Permission, Role
from lms.web.forms import Form
from lms.web.guard import actor, members, staff
from lms.web.paging import PER_PAGE, Page, page_number

invigilators = staff(Role.EXAMINER, Role.INVIGILATOR)


def _test(public_id: str) -> Test:
    found = queries.test(public_id, actor(), permission=Permission.SITTING_SUPERVISE)
    if found.state != rules.TestState.PUBLISHED:
        raise NotFound
    return found


def _sitting(public_id: str) -> Sitting:
    return queries.sitting(public_id, actor(), permission=Permission.SITTING_SUPERVISE)


# ---------------------------------------------------------------- everybody


@bp.get("/tests/<public_id>/board")
@invigilators
def board(public_id: str) -> ResponseReturnValue:
    """Who sits, who is connected, what is saved, how much time is left. Scripts ask for the changing part alone."""
    return _board(_test(public_id))


def _board(test: Test, **failed: Form) -> ResponseReturnValue:
    at, number = clock.now(), page_number()
    show = request.args.get("show", "")
    show = show if show in queries.STATES else ""
    slots = queries.form_of(test.id).slots
    found = queries.board(
        test,
        at,
        show=show,
        choices=rules.choices_of(slots),
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
    )
    is_piece = request.headers.get("X-Requested-With") == "lms"
    page = render_template(
        "assessments/_board.html" if is_piece else "assessments/board.html",
        test=test,
        total_asks=rules.ask_counts(slots)[1],
        found=found,
        show=show,
        page=Page((), number, found.total),
        at=at,
        **(
            {}
            if is_piece
            else {
                "notes": queries.notes(test.id),
                "more": failed.get("more") or ExtendForm(prefix="more-"),
                "stop": failed.get("stop") or PauseForm(prefix="stop-"),
                "say": failed.get("say") or NoteForm(),
                "failed": next(iter(failed), ""),
            }
        ),
        tab="tests",
    )
    return page, next((form.status for form in failed.values()), 200)


@bp.post("/tests/<public_id>/extend")
@invigilators
def extend_all(public_id: str) -> ResponseReturnValue:
    """Give everybody who sits now more time."""
    by, at, test = actor(), clock.now(), _test(public_id)
    form = ExtendForm.of_request(prefix="more-")
    if form.run(
        lambda: services.extend_all(test, minutes=form.minutes.data, reason=form.reason.data, by=by, at=at)
    ):
        flash(_count(form.result), "success")
        return redirect(url_for(".board", public_id=public_id), 303)
    return _board(_test(public_id), more=form)


@bp.post("/tests/<public_id>/pause")
@invigilators
def pause_all(public_id: str) -> ResponseReturnValue:
    """Stop the clock of everybody who sits now."""
    by, at, test = actor(), clock.now(), _test(public_id)
    form = PauseForm.of_request(prefix="stop-")
    if form.run(lambda: services.pause_all(test, reason=form.reason.data, by=by, at=at)):
        flash(_count(form.result), "success")
        return redirect(url_for(".board", public_id=public_id), 303)
    return _board(_test(public_id), stop=form)


@bp.post("/tests/<public_id>/resume")
@invigilators
def resume_all(public_id: str) -> ResponseReturnValue:
    """Let the clock of everybody who sits now run on."""
    by, at, test = actor(), clock.now(), _test(public_id)
    with transaction():
        count = services.resume_all(test, by=by, at=at)
    flash(_count(count), "success")
    return redirect(url_for(".board", public_id=public_id), 303)


def _count(number: int) -> str:
    return _n(
        "Done for %(num)s candidate; the page there follows within half a minute.",
        "Done for %(num)s candidates; the pages there follow within half a minute.",
        number,
    )


@bp.post("/tests/<public_id>/notes")
@invigilators
def note_to_all(public_id: str) -> ResponseReturnValue:
    """Say something to everybody, or write an incident down."""
    test = _test(public_id)
    form = NoteForm.of_request()
    if form.run(lambda: _say(test, None, form)):
        flash(_("Written down."), "success")
        return redirect(url_for(".board", public_id=public_id), 303)
    return _board(_test(public_id), say=form)


def _say(test: Test, sitting: Sitting | None, form: NoteForm) -> object:
    return services.note(
        test,
        sitting,
        kind=form.kind.data,
        words=form.words.data,
        client_uuid=form.client_uuid.data,
        by=actor(),
        at=clock.now(),
    )


# ---------------------------------------------------------------- one candidate


@bp.get("/sittings/<public_id>/supervise")
@invigilators
def supervise(public_id: str) -> ResponseReturnValue:
    """One candidate: the deadline explained, time, messages, what was refused."""
    return _supervise(_sitting(public_id))


def _supervise(found: Sitting, **failed: Form) -> ResponseReturnValue:
    at = clock.now()
    reckoning, standing = queries.reckoning(found, at), queries.standing(found.id)
    choices = rules.choices_of(queries.form_of(found.test_id).slots)
    page = render_template(
        "assessments/supervise.html",
        sitting=found,
        test=found.test,
        reckoning=reckoning,
        is_running=rules.state_at(found.state, reckoning.ends_at, at) == rules.SittingState.IN_PROGRESS,
        remaining_ms=rules.remaining_ms(reckoning.ends_at, at),
        answered=standing.answered,
        has_choice=bool(choices),
        is_chosen=all(number in standing.locked for number in choices),
        ticks=queries.clock_events([found.id])[found.id],
        notes=queries.notes(found.test_id, found),
        refused=queries.refused(found.id),
        granted=queries.accommodation(found.enrolment_id),
        more=failed.get("more") or ExtendForm(prefix="more-"),
        stop=failed.get("stop") or PauseForm(prefix="stop-"),
        say=failed.get("say") or NoteForm(),
        failed=next(iter(failed), ""),
        tab="tests",
    )
    return page, next((form.status for form in failed.values()), 200)


def _act(
    public_id: str, name: str, form: Form, act: Callable[[Sitting], object], done: str
) -> ResponseReturnValue:
    found = _sitting(public_id)
    if form.run(lambda: act(found)):
        flash(done, "success")
        return redirect(url_for(".supervise", public_id=public_id), 303)
    return _supervise(_sitting(public_id), **{name: form})


@bp.post("/sittings/<public_id>/extend")
@invigilators
def extend(public_id: str) -> ResponseReturnValue:
    """Give one candidate more time."""
    form = ExtendForm.of_request(prefix="more-")
    return _act(
        public_id,
        "more",
        form,
        lambda found: services.extend(
            found, minutes=form.minutes.data, reason=form.reason.data, by=actor(), at=clock.now()
        ),
        _("The time is extended. The candidate’s clock follows within half a minute."),
    )


@bp.post("/sittings/<public_id>/pause")
@invigilators
def pause(public_id: str) -> ResponseReturnValue:
    """Stop the clock of one candidate."""
    form = PauseForm.of_request(prefix="stop-")
    return _act(
        public_id,
        "stop",
        form,
        lambda found: services.pause(found, reason=form.reason.data, by=actor(), at=clock.now()),
        _("The clock stands. The candidate’s page follows within half a minute."),
    )


@bp.post("/sittings/<public_id>/resume")
@invigilators
def resume(public_id: str) -> ResponseReturnValue:
    """Let the clock of one candidate run on."""
    found = _sitting(public_id)
    with transaction():
        services.resume(found, by=actor(), at=clock.now())
    flash(_("The clock runs on."), "success")
    return redirect(url_for(".supervise", public_id=public_id), 303)


@bp.post("/sittings/<public_id>/notes")
@invigilators
def note(public_id: str) -> ResponseReturnValue:
    """Say something to one candidate, or write an incident down."""
    form = NoteForm.of_request()
    return _act(public_id, "say", form, lambda found: _say(found.test, found, form), _("Written down."))


@bp.route("/tests/<public_id>/candidates/<enrolment_id>", methods=["GET", "POST"])
@invigilators
def accommodate(public_id: str, enrolment_id: str) -> ResponseReturnValue:
    """Give a trainee more time in every test of the cohort; before they begin as well as while they sit."""
    by, at, test = actor(), clock.now(), _test(public_id)
    candidate = queries.candidate(test, enrolment_id)
    granted = queries.accommodation(candidate.id)
    form = AccommodationForm.of_request(obj=granted)
    if request.method == "POST":
        if form.run(
            lambda: services.accommodate(
                test,
                candidate,
                percent=form.percent.data,
                minutes=form.minutes.data,
                need=form.need.data,
                by=by,
                at=at,
            )
        ):
            flash(_("Kept. It holds for every test of this trainee from now on."), "success")
            return redirect(url_for(".board", public_id=public_id), 303)
        test = _test(public_id)
        candidate = queries.candidate(test, enrolment_id)
    page = render_template(
        "assessments/accommodate.html",
        test=test,
        candidate=candidate,
        granted=queries.accommodation(candidate.id),
        form=form,
        tab="tests",
    )
    return page, form.status


@bp.get("/sittings/<public_id>/messages")
@members
def messages(public_id: str) -> ResponseReturnValue:
    """What invigilators said to this candidate: a piece of the exam page."""
    found = queries.sitting(public_id, actor(), permission=Permission.SITTING_ANSWER)
    response = make_response(
        render_template(
            "assessments/_messages.html",
            messages=queries.notes(found.test_id, found, kind="message"),
            reckoning=queries.reckoning(found, clock.now()),
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response
