"""Sessions of the browser: the doorman of Flask-Login.

The cookie holds a random token; the session itself is a row, so that it can be listed and ended from another device.
"""

from collections.abc import Callable
from datetime import timedelta

from flask import Flask, g, session
from flask_login import AnonymousUserMixin, LoginManager, UserMixin, current_user, login_user, logout_user

from lms.policy import Actor
from lms.settings import Settings

COOKIE_DAYS = 30
_ENDED = "ended"


class _Visitor(UserMixin):  # type: ignore[misc]
    """What Flask-Login carries through a request: the token and the actor it stands for."""

    def __init__(self, token: str, actor: Actor) -> None:
        self.id = token
        self.actor = actor


def init_app(app: Flask, settings: Settings, *, load_session: Callable[[str], Actor | None]) -> None:
    """Join Flask-Login; ``load_session`` finds the actor of a session token."""
    app.config.update(
        SESSION_COOKIE_NAME="firefly",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=timedelta(days=COOKIE_DAYS),
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    manager = LoginManager()
    manager.session_protection = None  # networks change between ward and bus; the token row is what counts
    manager.init_app(app)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def _load(token: str) -> _Visitor | None:
        actor = load_session(token)
        return _Visitor(token, actor) if actor else None


def load_actor() -> Actor | None:
    """The actor of the current request's cookie."""
    return current_user.actor if current_user.is_authenticated else None


def forget() -> None:
    """The rest of this request's page is for nobody: the database, which would say who asks, does not answer."""
    g.actor = None
    g._login_user = AnonymousUserMixin()  # noqa: SLF001 (where Flask-Login keeps whom it has found)


def enter(token: str, actor: Actor) -> None:
    """Put a new session's token into the cookie (anything the cookie held before is dropped)."""
    session.clear()
    session.permanent = True
    login_user(_Visitor(token, actor))


def leave() -> None:
    """Empty the cookie, but for the name of the session that ended: a form sent later from another tab was typed in it."""
    token = ended_token()
    logout_user()
    session.clear()
    if token:
        session[_ENDED] = token


def ended_token() -> str:
    """The token of this browser's session, which may have ended; empty where there was none. It lets nobody in."""
    return str(session.get("_user_id") or session.get(_ENDED) or "")
