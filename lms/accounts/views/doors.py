"""The doors: sign-in, sign-out, links that set a password."""

from flask import current_app, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from lms.accounts import queries, services
from lms.accounts.forms import NewPasswordForm, ResetForm, SignInForm
from lms.accounts.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound, RuleBroken, TooManyTries
from lms.core.i18n import _
from lms.web import kept, login
from lms.web.back import own_page, page_before
from lms.web.confirm import wait_text
from lms.web.guard import current_actor, has_come_in, public, reads_first


@bp.get("/sign-in")
@public
def sign_in_page() -> ResponseReturnValue:
    """The sign-in form; whoever is signed in goes on to where they wanted."""
    target = own_page(request.args.get("next"))
    if current_actor() is not None:
        return redirect(target, 303)
    return _sign_in_page(SignInForm.of_request(next=target), 200)


def ask_sign_in() -> ResponseReturnValue:
    """The answer to a form of somebody who is not signed in any more: the sign-in page, with what was typed on it.

    Whose work it is the ended session's row knows; without one nothing is carried along.
    """
    owner = queries.owner_of_session(login.ended_token())
    found = kept.of_request(owner) if owner else None
    sealed = found.sealed() if found else ""
    form = SignInForm(next=page_before(), kept=sealed)
    return _sign_in_page(form, 401, is_lost=not sealed and bool(request.content_length))


def _sign_in_page(form: SignInForm, status: int, *, is_lost: bool = False) -> ResponseReturnValue:
    shown = current_app.config.get("DEMO_ACCOUNTS") or ()
    page = render_template("accounts/sign_in.html", form=form, demo_accounts=shown, is_lost=is_lost)
    return page, status, {"Cache-Control": "no-store"} if form.kept.data else {}


@bp.post("/sign-in")
@public
@reads_first
def sign_in() -> ResponseReturnValue:
    """Check login and password, slowly and outside a transaction, then open a session under a new token."""
    form = SignInForm.of_request()
    if not form.validate():
        return _sign_in_page(form, form.status)
    at, address = clock.now(), request.remote_addr or ""
    try:
        checked = services.check_sign_in(
            form.login.data or "", form.password.data or "", at=at, address=address
        )
        with transaction():
            token = services.sign_in_checked(
                checked, at=at, user_agent=request.user_agent.string, address=address
            )
    except TooManyTries as refusal:
        form.problems.append(wait_text(refusal))
        return _sign_in_page(form, 429)
    except RuleBroken as refusal:
        form.refuse(refusal)
        return _sign_in_page(form, form.status)
    return welcome(token, own_page(form.next.data), brought=kept.opened(form.kept.data))


def welcome(token: str, target: str, *, brought: kept.Kept | None = None) -> ResponseReturnValue:
    """Put a new session into the cookie and go on to ``target``, or to what the same account had typed before."""
    actor = queries.actor_of_token(token, at=clock.now())
    if actor is None:
        return redirect("/sign-in", 303)
    login.enter(token, actor)
    if brought is None:
        return redirect(target, 303)
    if brought.owner != actor.account_public_id:
        flash(
            _("What was typed here before belonged to another account. It was not sent and is gone."), "warn"
        )
        return redirect("/", 303)
    has_come_in(actor)
    return render_template("accounts/kept.html", kept=brought, back=target), {"Cache-Control": "no-store"}


@bp.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End this session. Pages kept by the browser go; what waits on the device to be sent stays."""
    by = current_actor()
    if by is not None:
        with transaction():
            services.sign_out(at=clock.now(), by=by)
    login.leave()
    answer = redirect("/sign-in", 303)
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@bp.get("/invitation/<token>")
@public
def invitation_page(token: str) -> ResponseReturnValue:
    """Whose account the invitation opens, and the form that sets its first password."""
    return _link_page(token, "invite", NewPasswordForm.of_request())


@bp.post("/invitation/<token>")
@public
@reads_first
def invitation(token: str) -> ResponseReturnValue:
    """Set the first password and sign in."""
    return _follow(token, "invite")


@bp.get("/reset/<token>")
@public
def new_password_page(token: str) -> ResponseReturnValue:
    """Whose password the link sets anew."""
    return _link_page(token, "reset", NewPasswordForm.of_request())


@bp.post("/reset/<token>")
@public
@reads_first
def new_password(token: str) -> ResponseReturnValue:
    """Set the new password and sign in."""
    return _follow(token, "reset")


def _link_page(token: str, kind: str, form: NewPasswordForm) -> ResponseReturnValue:
    try:
        account = queries.account_of_link(token, kind, at=clock.now())
    except NotFound:
        return render_template("accounts/link_gone.html", kind=kind), 404
    answer = make_response(
        render_template("accounts/new_password.html", form=form, kind=kind, account=account), form.status
    )
    # Not "no-referrer": with it a browser without Fetch Metadata sends `Origin: null`, and its form would be refused.
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _follow(token: str, kind: str) -> ResponseReturnValue:
    at, address = clock.now(), request.remote_addr or ""
    form = NewPasswordForm.of_request()
    agent = request.user_agent.string
    if not form.validate():
        return _link_page(token, kind, form)
    try:
        new = services.hash_password_by_link(token, kind, form.password.data or "", at=at)

        def act() -> str:
            account = services.set_password_by_link(token, kind, new, at=at)
            return services.sign_in(account, at=at, user_agent=agent, address=address)

        if form.run(act):
            return welcome(form.result, "/")
    except RuleBroken as refusal:
        form.refuse(refusal)
    except NotFound:
        # A second click on the button: the first one has used the link. The same password lets the person in.
        used = queries.login_of_used_link(token, kind, at=at)
        if used is not None:
            try:
                checked = services.check_sign_in(used, form.password.data or "", at=at, address=address)
                with transaction():
                    session = services.sign_in_checked(checked, at=at, user_agent=agent, address=address)
                return welcome(session, "/")
            except (RuleBroken, TooManyTries):
                pass
    return _link_page(token, kind, form)


@bp.get("/reset")
@public
def reset_page() -> ResponseReturnValue:
    """Ask for a link that sets a new password."""
    return render_template("accounts/reset.html", form=ResetForm.of_request(), sent=False)


@bp.post("/reset")
@public
def reset() -> ResponseReturnValue:
    """Send the link. The answer is the same for every address, known or not."""
    form = ResetForm.of_request()
    at = clock.now()
    try:
        sent = form.run(
            lambda: services.ask_reset(form.login.data or "", at=at, address=request.remote_addr or "")
        )
    except TooManyTries as refusal:
        form.problems.append(wait_text(refusal))
        return render_template("accounts/reset.html", form=form, sent=False), 429
    return render_template("accounts/reset.html", form=form, sent=sent), form.status
