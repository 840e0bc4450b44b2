"""One's own account: language, password, PIN, passkeys, browsers, notices."""

from collections.abc import Callable

from flask import flash, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import Form as AnyForm

from lms.accounts import queries, services
from lms.accounts.forms import PasswordForm, PinForm, PreferencesForm
from lms.accounts.views.blueprint import bp
from lms.core import clock, notices, passkeys, site
from lms.core.db import transaction
from lms.core.errors import RuleBroken, TooManyTries
from lms.core.i18n import LOCALES, _, locale
from lms.web import login
from lms.web.back import own_page
from lms.web.confirm import confirmation, wait_text
from lms.web.errors import problem
from lms.web.forms import Form
from lms.web.guard import actor, members, reads_first


def own_site() -> passkeys.Site:
    """What passkeys of this site are bound to."""
    return passkeys.site_of(site.settings().base_url, "Firefly")


def _account_page(**failed: Form) -> ResponseReturnValue:
    """The page with all its forms; a form that failed keeps what was typed."""
    at, by = clock.now(), actor()
    account = queries.own_account(by)
    shown: dict[str, AnyForm] = {
        "preferences": PreferencesForm(locale=locale(), xinjiang_time=account.xinjiang_time),
        "password": PasswordForm(),
        "pin": PinForm(),
        **failed,
    }
    return render_template(
        "accounts/account.html",
        account=account,
        forms=shown,
        failed=next(iter(failed.values()), None),
        sessions=queries.open_sessions(by, at=at),
        passkeys=queries.passkeys_of(by.account_id),
        passkeys_possible=passkeys.possible(site.settings().base_url),
        confirmation=confirmation(at),
        kinds=notices.preferences_of(by.account_id, is_staff=by.is_staff),
    ), (422 if failed else 200)


@bp.get("/account")
@members
def account_page() -> ResponseReturnValue:
    """All that belongs to one's own account."""
    return _account_page()


@bp.post("/account/preferences")
@members
def preferences() -> ResponseReturnValue:
    """Keep language and time; this browser speaks the chosen language at once."""
    form = PreferencesForm.of_request()
    chosen = form.locale.data if form.locale.data in LOCALES else ""
    if not form.run(
        lambda: services.set_preferences(
            locale=chosen or "zh_Hans", xinjiang_time=form.xinjiang_time.data, by=actor()
        )
    ):
        return _account_page(preferences=form)
    answer = redirect("/account", 303)
    answer.set_cookie("lang", chosen, max_age=365 * 86400, samesite="Lax", secure=request.is_secure)
    return answer


@bp.post("/account/password")
@members
@reads_first
def change_password() -> ResponseReturnValue:
    """Change the password; other browsers are signed out."""
    form, at, by = PasswordForm.of_request(), clock.now(), actor()
    if not _run(
        form,
        lambda: services.hash_new_password(old=form.old.data or "", new=form.new.data or "", at=at, by=by),
        lambda new: services.change_password(new, at=at, by=by),
        renamed={"password": "new"},
    ):
        return _account_page(password=form)
    flash(_("Your password is changed. Other browsers have been signed out."), "ok")
    return redirect("/account", 303)


@bp.get("/account/pin")
@members
def pin_page() -> ResponseReturnValue:
    """Set a PIN on the way to something that asked for it, then go on there."""
    return _pin_page(PinForm(next=own_page(request.args.get("next"), otherwise="/account")))


def _pin_page(form: PinForm) -> ResponseReturnValue:
    return render_template("accounts/pin.html", form=form, account=queries.own_account(actor())), form.status


@bp.post("/account/pin")
@members
@reads_first
def set_pin() -> ResponseReturnValue:
    """Set or change the PIN of the bedside."""
    form, at, by = PinForm.of_request(), clock.now(), actor()
    asked_at = own_page(form.next.data, otherwise="")
    if not _run(
        form,
        lambda: services.hash_new_pin(
            password=form.pin_password.data or "", pin=form.pin.data or "", at=at, by=by
        ),
        lambda new: services.set_pin(new, at=at, by=by),
        renamed={"password": "pin_password"},
    ):
        return _pin_page(form) if asked_at else _account_page(pin=form)
    flash(_("Your PIN is set. You confirm with it when you sign for a trainee."), "ok")
    return redirect(asked_at or "/account#pin-card", 303)


def _run(
    form: Form,
    hashed: Callable[[], services.NewSecret],
    act: Callable[[services.NewSecret], None],
    *,
    renamed: dict[str, str],
) -> bool:
    """Hash, slowly, before the transaction opens; then act. A refusal of a service's field is shown at this form's field."""
    if not form.validate():
        return False
    try:
        new = hashed()
    except RuleBroken as refusal:
        field = renamed.get(refusal.field or "", refusal.field)
        form.refuse(RuleBroken(refusal.code, refusal.message, field=field))
        return False
    except TooManyTries as refusal:
        form.problems.append(wait_text(refusal))
        return False
    return form.run(lambda: act(new))


# Browsers that are signed in


@bp.post("/account/sessions/<public_id>/end")
@members
def end_session(public_id: str) -> ResponseReturnValue:
    """Sign one browser out."""
    with transaction():
        services.end_session(public_id, at=clock.now(), by=actor())
    flash(_("That browser is signed out."), "ok")
    return redirect("/account#sessions", 303)


@bp.post("/account/sessions/end")
@members
def end_all_sessions() -> ResponseReturnValue:
    """Sign out everywhere, here too."""
    with transaction():
        services.sign_out_everywhere(at=clock.now(), by=actor())
    login.leave()
    answer = redirect("/sign-in", 303)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


# Passkeys


@bp.post("/account/passkeys/options")
@members
@reads_first
def passkey_options() -> ResponseReturnValue:
    """Begin to make a passkey; needs the password."""
    given = request.get_json(silent=True)
    password = given.get("password") if isinstance(given, dict) else None
    at, by = clock.now(), actor()
    try:
        account = services.check_own_password(str(password or ""), field="password", at=at, by=by)
        checked = account.password_hash
        with transaction():
            return jsonify(
                services.ask_passkey_registration(own_site(), checked_against=checked, at=at, by=by)
            )
    except RuleBroken as refusal:
        return problem(422, refusal.code, refusal.message)


@bp.post("/account/passkeys")
@members
def add_passkey() -> ResponseReturnValue:
    """Keep the passkey that the browser made."""
    given = request.get_json(silent=True)
    fields = given if isinstance(given, dict) else {}
    answer, label = fields.get("answer"), fields.get("label")
    at, by = clock.now(), actor()
    try:
        with transaction():
            challenge = services.take_challenge("register", at=at, by=by)
        with transaction():
            key = services.register_passkey(
                own_site(),
                answer if isinstance(answer, dict) else {},
                challenge=challenge,
                label=label if isinstance(label, str) else "",
                at=at,
                by=by,
            )
    except RuleBroken as refusal:
        return problem(422, refusal.code, refusal.message)
    flash(_("The passkey is registered."), "ok")
    return jsonify({"id": key.public_id}), 201


@bp.post("/account/passkeys/<public_id>/remove")
@members
def remove_passkey(public_id: str) -> ResponseReturnValue:
    """Forget a passkey."""
    with transaction():
        services.remove_passkey(public_id, at=clock.now(), by=actor())
    flash(_("The passkey is removed."), "ok")
    return redirect("/account#passkeys", 303)


# Notices


@bp.post("/account/notices")
@members
def choose_notices() -> ResponseReturnValue:
    """Keep which notices also come by mail."""
    with transaction():
        for preference in notices.preferences_of(actor().account_id, is_staff=actor().is_staff):
            code = preference.kind.code
            notices.prefer(
                actor().account_id,
                preference.kind,
                by_mail=f"mail:{code}" in request.form,
                by_webhook=preference.by_webhook,
            )
    flash(_("Kept."), "ok")
    return redirect("/account#notices", 303)


@bp.get("/notices")
@members
def notices_page() -> ResponseReturnValue:
    """What one has been told, the newest first."""
    before = request.args.get("before", "")
    page = notices.page_of(actor().account_id, before=_number(before))
    return render_template("accounts/notices.html", page=page, older=page.older)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


@bp.post("/notices/read")
@members
def read_notices() -> ResponseReturnValue:
    """Mark one notice (``notice``) or all as read; with ``go`` the browser goes on to what the notice is about."""
    chosen = request.form.get("notice", "")
    with transaction():
        url = queries.notice_url(chosen, actor()) if chosen and "go" in request.form else ""
        notices.mark_read(actor().account_id, public_ids=[chosen] if chosen else None, at=clock.now())
    return redirect(url or "/notices", 303)
