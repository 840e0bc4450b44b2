"""Fresh confirmation, as a page and for scripts; and noting that a session is in use."""

import contextlib
import logging

from flask import Response, flash, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts import rules, services
from lms.accounts.forms import ConfirmForm
from lms.accounts.views.account import own_site
from lms.accounts.views.blueprint import bp
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.web.back import own_page
from lms.web.confirm import confirmation, confirmed
from lms.web.errors import problem
from lms.web.guard import actor, current_actor, members, reads_first, wants_json

log = logging.getLogger("lms.accounts")


@bp.get("/confirm")
@members
def confirm_page() -> ResponseReturnValue:
    """Confirm by PIN or passkey, then go on; whoever has just confirmed goes on at once."""
    target = own_page(request.args.get("next"))
    state = confirmation(clock.now())
    if state.fresh:
        return redirect(target, 303)
    return render_template("accounts/confirm.html", form=ConfirmForm(next=target), confirmation=state)


@bp.post("/confirm")
@members
@reads_first
def confirm() -> ResponseReturnValue:
    """Confirm by PIN. Scripts get 204, or a problem that says why not."""
    at, form = clock.now(), ConfirmForm.of_request()
    form.next.data = own_page(form.next.data)
    fine = confirmed(form, at=at)
    if wants_json():
        if fine:
            return "", 204
        return problem(422, "not_confirmed", (form.pin.errors or form.problems or [""])[0])
    if not fine:
        page = render_template("accounts/confirm.html", form=form, confirmation=confirmation(at))
        return page, form.status
    flash(_("Confirmed for five minutes."), "ok")
    return redirect(form.next.data, 303)


@bp.post("/confirm/passkey/options")
@members
def confirm_options() -> ResponseReturnValue:
    """Begin to confirm by passkey."""
    try:
        with transaction():
            return jsonify(services.ask_passkey_confirmation(own_site(), at=clock.now(), by=actor()))
    except RuleBroken as refusal:
        return problem(422, refusal.code, refusal.message)


@bp.post("/confirm/passkey")
@members
def confirm_by_passkey() -> ResponseReturnValue:
    """Confirm by the passkey's answer."""
    given = request.get_json(silent=True)
    at, by = clock.now(), actor()
    try:
        with transaction():
            challenge = services.take_challenge("confirm", at=at, by=by)
        with transaction():
            services.answer_passkey(
                own_site(), given if isinstance(given, dict) else {}, challenge=challenge, at=at, by=by
            )
    except RuleBroken as refusal:
        return problem(422, refusal.code, refusal.message)
    return "", 204


@bp.after_app_request
def note_seen(response: Response) -> Response:
    """Note about every ten minutes that a session is in use; a page never fails for it."""
    by = current_actor()
    if request.method != "GET" or by is None or by.seen_at is None:
        return response
    at = clock.now()
    if by.seen_at <= at - rules.SEEN_EVERY:
        with contextlib.suppress(Exception):
            db.session.rollback()
            with transaction():
                services.seen(by, at=at)
    return response
