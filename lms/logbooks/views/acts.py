"""Acts on one entry beside writing and signing: correct, make void, bring back, hand over, think about it, let in late."""

from collections.abc import Callable

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.core import clock, qr, site
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _, pick
from lms.logbooks import queries, rules, services
from lms.logbooks.forms import AmendForm, LateForm, ReflectionForm, ReviveForm, VoidForm
from lms.logbooks.models import Entry
from lms.logbooks.views.blueprint import bp
from lms.logbooks.views.own import given, offer, page_of
from lms.policy import Permission, require
from lms.programmes import queries as programmes
from lms.web.forms import Form
from lms.web.guard import actor, members


def _entry_for(public_id: str, permission: Permission, *, for_update: bool = False) -> Entry:
    by = actor()
    found = queries.entry(public_id, by, for_update=for_update)
    require(by, permission, queries.scope_of(found), see=Permission.ENTRY_READ)
    return found


# ---------------------------------------------------------------- correct


@bp.get("/logbook/<public_id>/amend")
@members
def amend_form(public_id: str) -> ResponseReturnValue:
    """The form of a correction, with what the signed entry holds."""
    found = _entry_for(public_id, Permission.ENTRY_AMEND)
    if found.state not in rules.COUNTED:
        return redirect(f"/logbook/{public_id}", 303)
    form = AmendForm()
    form.fill(found)
    return page_of(form, found.enrolment, found)


@bp.post("/logbook/<public_id>/amend")
@members
def amend(public_id: str) -> ResponseReturnValue:
    """Send the corrected entry for a new signature; the signed one is kept and counts no more."""
    by, at = actor(), clock.now()
    found = _entry_for(public_id, Permission.ENTRY_AMEND)
    form = AmendForm.of_request()
    offer(form, found.enrolment, today=clock.today(at))

    def act() -> Entry:
        held = _entry_for(public_id, Permission.ENTRY_AMEND, for_update=True)
        return services.amend(held, **given(form), reason=form.reason.data, at=at, by=by)

    if form.run(act):
        flash(_("The corrected entry waits for its signature; the old version is kept."), "ok")
        return redirect(f"/logbook/{form.result.public_id}", 303)
    found = _entry_for(public_id, Permission.ENTRY_AMEND)
    return page_of(form, found.enrolment, found)


# ---------------------------------------------------------------- the director


@bp.route("/logbook/<public_id>/void", methods=["GET", "POST"])
@members
def void(public_id: str) -> ResponseReturnValue:
    """Make a signed entry void, with a reason."""
    by, at = actor(), clock.now()
    _entry_for(public_id, Permission.ENTRY_VOID)
    form = VoidForm.of_request()
    return _decided(
        form,
        public_id,
        act="void",
        do=lambda entry: services.void(
            entry, reason=form.reason.data or "", words=form.words.data or "", at=at, by=by
        ),
        done=_("The entry is void. It stays visible and counts no more."),
    )


@bp.route("/logbook/<public_id>/revive", methods=["GET", "POST"])
@members
def revive(public_id: str) -> ResponseReturnValue:
    """Bring a lapsed entry back to its author, with a reason."""
    by, at = actor(), clock.now()
    _entry_for(public_id, Permission.ENTRY_VOID)
    form = ReviveForm.of_request()
    return _decided(
        form,
        public_id,
        act="revive",
        do=lambda entry: services.revive(entry, words=form.words.data or "", at=at, by=by),
        done=_("The entry is with its author again."),
        then="/trainees/{enrolment}",
    )


def _decided(
    form: Form, public_id: str, *, act: str, do: Callable[[Entry], object], done: str, then: str = ""
) -> ResponseReturnValue:
    """A page with a reason to give, and the act."""

    def run() -> str:
        held = _entry_for(public_id, Permission.ENTRY_VOID, for_update=True)
        enrolment = held.enrolment.public_id
        do(held)
        return enrolment

    if request.method == "POST" and form.run(run):
        flash(done, "ok")
        return redirect(then.format(enrolment=form.result) or f"/logbook/{public_id}", 303)
    page = render_template(
        "logbooks/decide.html",
        tab="cohorts",
        entry=_entry_for(public_id, Permission.ENTRY_VOID),
        form=form,
        act=act,
    )
    return page, form.status


# ---------------------------------------------------------------- hand over


@bp.post("/logbook/<public_id>/hand")
@members
def hand(public_id: str) -> ResponseReturnValue:
    """A code on the screen that opens this entry on the signer's phone, once, within ten minutes."""
    by, at = actor(), clock.now()
    with transaction():
        found = queries.own_entry(public_id, by)
        code = services.hand_over(found, at=at, by=by)
    found = queries.own_entry(public_id, by)
    url = f"{site.settings().base_url}/hand/{code}"
    return render_template(
        "logbooks/hand.html",
        tab="logbook",
        entry=found,
        url=url,
        code=qr.svg(url, label=_("Code for %(item)s", item=pick(found.item.title_zh, found.item.title_en))),
        until=at + services.HANDOVER_LASTS,
    )


@bp.get("/logbook/<public_id>/hand")
@members
def hand_again(public_id: str) -> ResponseReturnValue:
    """A page that was reloaded: its code is made by a button."""
    queries.own_entry(public_id, actor())
    return redirect(f"/logbook/{public_id}", 303)


@bp.get("/hand/<code>")
@members
def take_over(code: str) -> ResponseReturnValue:
    """Where the code leads: exactly one entry, on its signer's own phone."""
    by, at = actor(), clock.now()
    try:
        with transaction():
            public_id = services.take_over(code, at=at, by=by).public_id
    except RuleBroken as refusal:
        flash(refusal.message, "warn")
        return redirect("/to-sign", 303)
    return redirect(f"/to-sign/{public_id}", 303)


# ---------------------------------------------------------------- thoughts, late days


@bp.post("/logbook/<public_id>/reflection")
@members
def reflect(public_id: str) -> ResponseReturnValue:
    """Keep the author's thoughts."""
    by, at = actor(), clock.now()
    queries.own_entry(public_id, by)
    form = ReflectionForm.of_request()

    def act() -> None:
        services.reflect(
            queries.own_entry(public_id, by),
            text=form.text.data or "",
            shared=bool(form.shared.data),
            at=at,
            by=by,
        )

    if form.run(act):
        flash(_("Your thoughts are kept."), "ok")
        return redirect(f"/logbook/{public_id}", 303)
    page = render_template(
        "logbooks/reflection.html", tab="logbook", entry=queries.own_entry(public_id, by), form=form
    )
    return page, form.status


@bp.route("/trainees/<public_id>/late", methods=["GET", "POST"])
@members
def let_in(public_id: str) -> ResponseReturnValue:
    """Let late entries of some days in, with a reason."""
    by, at = actor(), clock.now()
    enrolment = programmes.enrolment(public_id, by)
    require(by, Permission.ENTRY_LET_IN, enrolment.cohort, see=Permission.COHORT_READ)
    form = LateForm.of_request()

    def act() -> object:
        return services.let_in(
            programmes.enrolment(public_id, by),
            from_on=form.from_on.data,
            to_on=form.to_on.data,
            reason=form.reason.data or "",
            at=at,
            by=by,
        )

    if request.method == "POST" and form.run(act):
        flash(_("Late entries of these days are let in, and stay marked as late."), "ok")
        return redirect(f"/trainees/{public_id}", 303)
    page = render_template(
        "logbooks/late.html", tab="cohorts", enrolment=programmes.enrolment(public_id, by), form=form
    )
    return page, form.status
