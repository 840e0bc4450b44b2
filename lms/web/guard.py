"""Doors: every route declares who may come in, and the actor is made once per request.

Forgery is refused without a token in the page: the session cookie is SameSite=Lax, and every unsafe request must come
from our own pages by ``Sec-Fetch-Site`` or ``Origin``. Only a browser that sends neither must bring a form token.
"""

import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

import flask
from flask import Flask, abort, current_app, g, redirect, request, session
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from lms.core.db import db, writing
from lms.policy import Actor, Role

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Request(flask.Request):
    """A request whose JSON may be nested without end or hold half a character: a bad request, not an error of ours."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: FBT001, FBT002 (Flask's signature)
        """See Flask."""
        try:
            found = super().get_json(force=force, silent=silent, cache=cache)
            if b"\\ud" in self.get_data().lower():
                json.dumps(found, ensure_ascii=False).encode()
            return found
        except (RecursionError, UnicodeEncodeError):
            if silent:
                return None
            abort(400)


def public(view: View) -> View:
    """A door for anyone, signed in or not."""
    view.__door__ = "public"  # type: ignore[attr-defined]
    return view


def members(view: View) -> View:
    """A door for whoever is signed in; what they may do there the policy table says."""
    return cast("View", _door(view, ()))


def staff(*roles: Role) -> Callable[[View], View]:
    """A door for holders of one of the roles in any scope; to all others the page does not exist."""

    def mark(view: View) -> View:
        return cast("View", _door(view, roles))

    return mark


def _door(
    view: Callable[..., ResponseReturnValue], roles: tuple[Role, ...]
) -> Callable[..., ResponseReturnValue]:
    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        actor = current_actor()
        if actor is None:
            if wants_json():
                abort(401)
            if request.method not in SAFE:
                return cast("ResponseReturnValue", current_app.extensions["lms_ask_sign_in"]())
            return redirect(f"/sign-in?next={quote(request.full_path.rstrip('?'))}", 303)
        if roles and not actor.is_any(*roles):
            abort(404)
        return view(*args, **kwargs)

    guarded.__door__ = "members" if not roles else "staff: " + ", ".join(roles)  # type: ignore[attr-defined]
    return guarded


def current_actor() -> Actor | None:
    """Who asks, or None."""
    return cast("Actor | None", g.get("actor"))


def actor() -> Actor:
    """Who asks, behind a door that let only members in."""
    found = current_actor()
    if found is None:
        abort(401)
    return found


def has_come_in(by: Actor) -> None:
    """Whoever has just signed in is who the rest of this request's page is for."""
    g.actor = by


def wants_json() -> bool:
    """Whether the caller is a script of ours and not a person's navigation."""
    return (
        request.is_json
        or request.headers.get("X-Requested-With") == "lms"
        or (request.accept_mimetypes.best == "application/json")
    )


def form_token() -> str:
    """The token for browsers that send neither Origin nor Sec-Fetch-Site: bound to who is signed in here.

    Not to the whole cookie: that changes with every message on a page, and an open form would be refused.
    """
    key = str(current_app.secret_key).encode()
    bound = str(session.get("_user_id", ""))
    return hmac.new(key, b"form|" + bound.encode(), hashlib.sha256).hexdigest()[:32]


def sends_origin() -> bool:
    """Whether this browser marks where its requests come from (decided on the page that shows the form)."""
    return "Sec-Fetch-Site" in request.headers or "Origin" in request.headers


def _refuse_forgery() -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            abort(403, "cross-site")
        return
    origin = request.headers.get("Origin")
    if origin is not None:
        if urlsplit(origin).netloc != request.host:
            abort(403, "cross-site")
        return
    token = request.headers.get("X-Form-Token") or (
        request.form.get("form_token", "") if not request.is_json else ""
    )
    if not hmac.compare_digest(token.encode(), form_token().encode()):
        abort(403, "form token")


def init_app(
    app: Flask,
    *,
    load_actor: Callable[[], Actor | None],
    ask_sign_in: Callable[[], ResponseReturnValue],
) -> None:
    """Make the actor before each request, and hold writing requests to one writing transaction from their first query.

    ``ask_sign_in`` answers a form that nobody signed in sends; it loses nothing that was typed.
    """
    app.extensions["lms_ask_sign_in"] = ask_sign_in

    def who() -> Actor | None:
        return load_actor() if request.cookies.get(app.config["SESSION_COOKIE_NAME"]) else None

    @app.before_request
    def _enter() -> None:
        try:
            _let_in()
        except HTTPException:
            if "actor" not in g:
                g.actor = who()  # whose page says what was refused: it keeps their tabs and their language
            raise

    def _let_in() -> None:
        # Databases disagree about a zero byte; nothing of ours has one in its address.
        if "\0" in request.path:
            abort(404)
        endpoint = app.view_functions.get(request.endpoint or "")
        if endpoint is None:
            g.actor = who()
            return
        if request.method not in SAFE:
            if limit := getattr(endpoint, "__takes__", 0):
                request.max_content_length = limit
            if not getattr(endpoint, "__foreign__", False):
                _refuse_forgery()
            if not getattr(endpoint, "__lean__", False) and not getattr(endpoint, "__reads_first__", False):
                request.get_data(
                    parse_form_data=True
                )  # a slow sender must not hold the database's write lock
                g.writing = writing()
                g.writing.__enter__()
        if getattr(endpoint, "__lean__", False):
            g.actor = None
            return
        g.actor = who()
        meant_for = request.headers.get("X-Account")
        if meant_for and g.actor is not None and meant_for != g.actor.account_public_id:
            abort(401, "another account")  # a queue on a shared phone: it waits until its own person signs in

    @app.teardown_request
    def _leave(_problem: BaseException | None) -> None:
        scope: Any = g.pop("writing", None)
        if scope is not None:
            db.session.rollback()
            scope.__exit__(None, None, None)


def takes(limit_bytes: int) -> Callable[[View], View]:
    """A door for bodies of up to so many bytes instead of ``MAX_CONTENT_LENGTH``; a larger one is a 413, unread."""

    def mark(view: View) -> View:
        view.__takes__ = limit_bytes  # type: ignore[attr-defined]
        return view

    return mark


def reads_first(view: View) -> View:
    """A POST that does slow work (hashing a password, taking an upload) before it opens its writing transaction."""
    view.__reads_first__ = True  # type: ignore[attr-defined]
    return view


def lean(view: View) -> View:
    """Asked many times a second and checks a token of its own: no actor, and for a POST no transaction before the view."""
    view.__lean__ = True  # type: ignore[attr-defined]
    return view
