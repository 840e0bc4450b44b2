"""Pages of multisource feedback: a trainee's rounds, one round, the colleague's questions, the result."""

from collections.abc import Callable

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock, limits, qr, site
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, _n
from lms.logbooks.forms.multisource import FeedbackForm, GuestForm, ReleaseForm, given_groups, given_ratings
from lms.logbooks.models.multisource import FeedbackGuest, FeedbackRound
from lms.logbooks.queries import multisource as queries
from lms.logbooks.rules import multisource as rules
from lms.logbooks.services import multisource as services
from lms.logbooks.views.blueprint import bp
from lms.policy import Permission, Role, allows, require
from lms.web.forms import Form, request_value
from lms.web.guard import actor, current_actor, members, public

LINK_LIMIT = (120, 600.0)
"""Pages of links that one network address may ask for, and in how many seconds."""
NO_TRACE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Of pages with a link in their address or on them."""


@bp.context_processor
def _feedback_words() -> dict[str, object]:
    return {"msf": rules}


def _tab(found: FeedbackRound | None = None) -> str:
    by = actor()
    if found is not None and found.trainee_person_id == by.person_id:
        return "logbook"
    return "trainees" if by.is_any(Role.MENTOR, Role.SECOND_ASSESSOR) else "cohorts"


# ---------------------------------------------------------------- a trainee's rounds


@bp.route("/trainees/<public_id>/feedback", methods=["GET", "POST"])
@members
def feedback_of(public_id: str) -> ResponseReturnValue:
    """A trainee's rounds; sending begins one, or finds the one that is under way."""
    by, at, form = actor(), clock.now(), Form.of_request()
    enrolment = queries.seen_enrolment(public_id, by)
    if request.method == "POST" and form.run(
        lambda: services.begin(queries.seen_enrolment(public_id, by), at=at, by=by)[0].public_id
    ):
        return redirect(f"/feedback/{form.result}", 303)
    rounds = queries.rounds_of(enrolment)
    own = enrolment.person_id == by.person_id
    page = render_template(
        "logbooks/feedback/list.html",
        tab="logbook" if own else _tab(),
        form=form,
        enrolment=enrolment,
        own=own,
        rounds=rounds,
        begins=bool(queries.hands_of(by, queries.FeedbackScope(enrolment)))
        and not any(one.state in rules.UNDER_WAY for one in rounds),
    )
    return page, form.status


@bp.get("/feedback")
@members
def feedback_to_give() -> ResponseReturnValue:
    """Colleagues about whom the actor is asked for feedback."""
    return render_template("logbooks/feedback/to_give.html", tab="home", rounds=queries.to_rate(actor()))


# ---------------------------------------------------------------- one round


@bp.get("/feedback/<public_id>")
@members
def feedback_round(public_id: str) -> ResponseReturnValue:
    """One round as the reader may see it: the raters, the own view, the result."""
    return _round_page(public_id, Form())


def _round_page(public_id: str, form: Form) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = queries.feedback_round(public_id, by)
    scope = queries.scope_of(found)
    hands = queries.hands_of(by, scope)
    acts = rules.acts(found.state, hands=hands)
    released = queries.release_of(found) if found.state == rules.CLOSED else None
    reads = queries.may_read(by, found, released=released is not None)
    lists = bool(acts & {"choose", "add"})
    search = request.args.get("q", "").replace("\x00", "").strip()[:80]
    raters = queries.raters(found) if lists else []
    chosen = {rater.person_id for rater in raters}
    people, total = (
        queries.candidates(
            found.enrolment,
            search=search,
            everybody=rules.RUNNER in hands,
            without=() if search else chosen,
            on=clock.today(at),
        )
        if lists
        else ([], 0)
    )
    own = found.trainee_person_id == by.person_id
    page = render_template(
        "logbooks/feedback/round.html",
        tab=_tab(found),
        form=form,
        one=found,
        own=own,
        acts=acts,
        raters=raters,
        chosen=chosen,
        people=people,
        total=total,
        search=search,
        given=given_groups() if request.method == "POST" else {},
        answered=queries.answered_count(found) if found.state == rules.OPEN else 0,
        self_given=queries.own_view(found) if own else None,
        runs=rules.RUNNER in hands and lists,
        guests=queries.guests(found) if lists and rules.RUNNER in hands else [],
        guest_form=form if isinstance(form, GuestForm) else GuestForm(),
        released=released,
        result=queries.result_of(found) if reads else None,
        releases=found.state == rules.CLOSED
        and released is None
        and allows(by, Permission.FEEDBACK_RELEASE, scope),
        release_form=form if isinstance(form, ReleaseForm) else ReleaseForm(),
    )
    return page, form.status


def _do(public_id: str, act: Callable[[FeedbackRound], object], form: Form | None = None) -> Form:
    """An act on the round as it stands, held until the end of its transaction."""
    by = actor()
    form = form or Form.of_request()
    form.run(lambda: act(queries.feedback_round(public_id, by, for_update=True)))
    return form


def _answered(public_id: str, form: Form, said: str) -> ResponseReturnValue:
    if form.failed:
        return _round_page(public_id, form)
    flash(said, "ok")
    return redirect(f"/feedback/{public_id}", 303)


@bp.post("/feedback/<public_id>/raters")
@members
def choose_raters(public_id: str) -> ResponseReturnValue:
    """Put the people on the list for whom a group was chosen."""
    by, at = actor(), clock.now()

    def act(found: FeedbackRound) -> int:
        wanted = given_groups()
        people = queries.persons(list(wanted))
        if set(wanted) - set(people):
            raise RuleBroken("unknown_value", _("Choose one of the answers given."))
        chosen = {people[public].id: group for public, group in wanted.items()}
        return services.choose(found, chosen, at=at, by=by)

    form = _do(public_id, act)
    number = form.result or 0
    said = _n("%(num)s person is new on the list.", "%(num)s people are new on the list.", number)
    return _answered(public_id, form, said)


@bp.post("/feedback/<public_id>/raters/remove")
@members
def remove_rater(public_id: str) -> ResponseReturnValue:
    """Take somebody off the list."""
    by, person = actor(), request_value("person")

    def act(found: FeedbackRound) -> None:
        for one in queries.persons([person]).values():
            services.take_off(found, one.id, by=by)

    return _answered(public_id, _do(public_id, act), _("Taken off the list."))


@bp.post("/feedback/<public_id>/guests")
@members
def ask_guest(public_id: str) -> ResponseReturnValue:
    """Ask somebody without an account: their link is shown once, to be handed on."""
    by, at, form = actor(), clock.now(), GuestForm.of_request()

    def act(found: FeedbackRound) -> str:
        return services.ask_guest(found, name=form.name.data or "", group=form.group.data or "", at=at, by=by)

    _do(public_id, act, form)
    if form.failed:
        return _round_page(public_id, form)
    url = f"{site.settings().base_url}/feedback/link/{form.result}"
    page = render_template(
        "logbooks/feedback/link.html",
        tab=_tab(),
        one=queries.feedback_round(public_id, by),
        name=form.name.data,
        url=url,
        code=qr.svg(url, label=_("Code for %(item)s", item=form.name.data)),
    )
    return page, 200, NO_TRACE


@bp.get("/feedback/<public_id>/guests")
@members
def ask_guest_again(public_id: str) -> ResponseReturnValue:
    """A page with a link that was reloaded: its link is made by a button."""
    queries.feedback_round(public_id, actor())
    return redirect(f"/feedback/{public_id}", 303)


@bp.post("/feedback/<public_id>/guests/remove")
@members
def remove_guest(public_id: str) -> ResponseReturnValue:
    """Take somebody without an account off the list; their link is void."""
    by, name = actor(), request_value("name")
    form = _do(public_id, lambda found: services.take_guest_off(found, name, by=by))
    return _answered(public_id, form, _("Taken off the list."))


@bp.post("/feedback/<public_id>/open")
@members
def open_feedback(public_id: str) -> ResponseReturnValue:
    """Open the round; the raters are asked."""
    by, at = actor(), clock.now()
    form = _do(public_id, lambda found: services.open_round(found, at=at, by=by))
    return _answered(public_id, form, _("The round is open, and the raters are asked."))


@bp.post("/feedback/<public_id>/extend")
@members
def extend_feedback(public_id: str) -> ResponseReturnValue:
    """Two more weeks, once."""
    by, at = actor(), clock.now()
    form = _do(public_id, lambda found: services.extend(found, at=at, by=by))
    return _answered(public_id, form, _("The raters have two more weeks."))


@bp.post("/feedback/<public_id>/remind")
@members
def remind_raters(public_id: str) -> ResponseReturnValue:
    """Remind whoever has not answered."""
    by, at = actor(), clock.now()
    form = _do(public_id, lambda found: services.remind(found, at=at, by=by))
    number = form.result or 0
    said = _n("%(num)s person is reminded.", "%(num)s people are reminded.", number)
    return _answered(public_id, form, said)


@bp.route("/feedback/<public_id>/close", methods=["GET", "POST"])
@members
def close_feedback(public_id: str) -> ResponseReturnValue:
    """Close a round, after one question."""
    return _end(public_id, closes=True)


@bp.route("/feedback/<public_id>/cancel", methods=["GET", "POST"])
@members
def cancel_feedback(public_id: str) -> ResponseReturnValue:
    """Take a round back, after one question."""
    return _end(public_id, closes=False)


def _end(public_id: str, *, closes: bool) -> ResponseReturnValue:
    by, at = actor(), clock.now()
    found = queries.feedback_round(public_id, by)
    scope = queries.scope_of(found)
    if closes or found.state != rules.PROPOSED or not queries.hands_of(by, scope):
        require(by, Permission.FEEDBACK_RUN, scope, see=Permission.FEEDBACK_SEE)
    ends = services.close if closes else services.cancel
    if request.method == "POST":
        form = _do(public_id, lambda held: ends(held, at=at, by=by))
        said = _("The round is closed.") if closes else _("The round is taken back.")
        return _answered(public_id, form, said)
    if found.state not in rules.UNDER_WAY:
        return redirect(f"/feedback/{public_id}", 303)
    return render_template("logbooks/feedback/end.html", tab=_tab(found), one=found, closes=closes)


@bp.post("/feedback/<public_id>/release")
@members
def release_feedback(public_id: str) -> ResponseReturnValue:
    """After the talk: the trainee may read it."""
    by, at, form = actor(), clock.now(), ReleaseForm.of_request()
    _do(public_id, lambda found: services.release(found, words=form.words.data or "", at=at, by=by), form)
    return _answered(public_id, form, _("Released. The trainee is told."))


@bp.route("/feedback/<public_id>/self", methods=["GET", "POST"])
@members
def own_feedback(public_id: str) -> ResponseReturnValue:
    """The trainee's own view: the same questions."""
    by, at = actor(), clock.now()
    found = queries.feedback_round(public_id, by)
    require(by, Permission.FEEDBACK_SELF, queries.scope_of(found), see=Permission.FEEDBACK_SEE)
    form = Form.of_request()
    if request.method == "POST":
        form = _do(public_id, lambda held: services.rate_self(held, ratings=given_ratings(), at=at, by=by))
        if not form.failed:
            flash(_("Your own view is kept."), "ok")
            return redirect(f"/feedback/{public_id}", 303)
    elif queries.own_view(found) is not None:
        return redirect(f"/feedback/{public_id}", 303)
    page = render_template(
        "logbooks/feedback/answer.html",
        tab="logbook",
        one=queries.feedback_round(public_id, by),
        form=form,
        given=given_ratings() if request.method == "POST" else {},
        own=True,
        back=f"/feedback/{public_id}",
        declines="",
    )
    return page, form.status


# ---------------------------------------------------------------- the colleague


@bp.route("/feedback/<public_id>/answer", methods=["GET", "POST"])
@members
def answer_feedback(public_id: str) -> ResponseReturnValue:
    """The colleague's questions; once sent they cannot be seen or changed by anybody."""
    by, at, form = actor(), clock.now(), FeedbackForm.of_request()

    def act() -> bool:
        return services.answer(
            *queries.asked_round(public_id, by, for_update=True),
            ratings=given_ratings(),
            well=form.well.data or "",
            better=form.better.data or "",
            at=at,
            by=by,
        )

    if request.method == "POST" and form.run(act):
        flash(_("Thank you. Your answer is kept without your name."), "ok")
        return redirect("/feedback", 303)
    found, mine = queries.asked_round(public_id, by)
    if mine.state == rules.ANSWERED:
        flash(_("You have answered already. It cannot be looked up or changed."), "ok")
        return redirect("/feedback", 303)
    page = render_template(
        "logbooks/feedback/answer.html",
        tab="home",
        one=found,
        form=form,
        given=given_ratings() if request.method == "POST" else {},
        own=False,
        back="/feedback",
        declines=f"/feedback/{public_id}/cannot-say",
    )
    return page, form.status


@bp.post("/feedback/<public_id>/cannot-say")
@members
def cannot_say(public_id: str) -> ResponseReturnValue:
    """The colleague does not know the trainee well enough."""
    by, at, form = actor(), clock.now(), Form.of_request()
    if form.run(
        lambda: services.cannot_say(*queries.asked_round(public_id, by, for_update=True), at=at, by=by)
    ):
        flash(_("Noted. You are not reminded."), "ok")
    else:
        for said in form.problems:
            flash(said, "warn")
    return redirect("/feedback", 303)


# ---------------------------------------------------------------- the colleague without an account


def _held(token: str, *, for_update: bool = False) -> tuple[FeedbackRound, FeedbackGuest]:
    return queries.linked_round(token, current_actor(), for_update=for_update)


@bp.route("/feedback/link/<token>", methods=["GET", "POST"])
@public
def answer_by_link(token: str) -> ResponseReturnValue:
    """The same questions for whoever holds a link; it takes one answer."""
    limits.hit(
        f"feedback-link:{request.remote_addr}", limit=LINK_LIMIT[0], per_s=LINK_LIMIT[1], at=clock.now()
    )
    at, form = clock.now(), FeedbackForm.of_request()

    def act() -> bool:
        return services.answer_by_link(
            *_held(token, for_update=True),
            ratings=given_ratings(),
            well=form.well.data or "",
            better=form.better.data or "",
            at=at,
        )

    try:
        if request.method == "POST" and form.run(act):
            return redirect(request.path, 303)
        found, mine = _held(token)
    except NotFound:
        return _link_ends("void", 404)
    if mine.state == rules.ANSWERED:
        return _link_ends("answered")
    if found.state != rules.OPEN:
        return _link_ends("early")
    if mine.state == rules.DECLINED and request.method == "GET" and "again" not in request.args:
        return _link_ends("declined")
    page = render_template(
        "logbooks/feedback/answer.html",
        tab="",
        one=found,
        form=form,
        given=given_ratings() if request.method == "POST" else {},
        own=False,
        back="",
        declines=f"{request.path}/cannot-say",
    )
    return page, form.status, NO_TRACE


@bp.post("/feedback/link/<token>/cannot-say")
@public
def decline_by_link(token: str) -> ResponseReturnValue:
    """Whoever holds a link does not know the trainee well enough."""
    limits.hit(
        f"feedback-link:{request.remote_addr}", limit=LINK_LIMIT[0], per_s=LINK_LIMIT[1], at=clock.now()
    )
    at, form = clock.now(), Form.of_request()
    try:
        form.run(lambda: services.decline_by_link(*_held(token, for_update=True), at=at))
    except NotFound:
        return _link_ends("void", 404)
    return redirect(f"/feedback/link/{token}", 303)


def _link_ends(state: str, status: int = 200) -> ResponseReturnValue:
    return (
        render_template("logbooks/feedback/link_ends.html", state=state, again=request.path),
        status,
        NO_TRACE,
    )
