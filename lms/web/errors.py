"""Errors as pages in plain words, or as problem+json for scripts."""

import logging

from flask import Flask, Response, jsonify, make_response, render_template, request
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from werkzeug.exceptions import HTTPException

from lms.core import ids
from lms.core.db import db
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken, TooManyTries
from lms.core.i18n import _
from lms.core.storage import Away
from lms.web import login
from lms.web.guard import wants_json

log = logging.getLogger("lms.web")


def problem(status: int, code: str, detail: str, **extra: object) -> tuple[Response, int]:
    """An answer for scripts (RFC 9457)."""
    answer = jsonify(
        {"type": f"urn:firefly:{code}", "status": status, "code": code, "detail": detail, **extra}
    )
    answer.mimetype = "application/problem+json"
    return answer, status


def _most_mb() -> int:
    """How large a file may be at the door that was asked: what it takes, less room for the form around the file."""
    return max(1, ((request.max_content_length or 0) - 1_000_000) // 1_000_000)


def _page(status: int, title: str, text: str, number: str = "") -> tuple[str, int]:
    return render_template("error.html", status=status, title=title, text=text, number=number), status


def _texts(status: int) -> tuple[str, str]:
    return {
        400: (_("We could not read that"), _("The request was broken. Go back and try once more.")),
        401: (_("Please sign in"), _("Sign in to go on. What you typed is kept on this device.")),
        403: (_("Not possible here"), _("Your role does not allow this here.")),
        404: (
            _("There is nothing here"),
            _("The address may be mistyped, or the page is not for your account."),
        ),
        405: (_("That does not work here"), _("Go back and use the buttons of the page.")),
        413: (
            _("The file is too large"),
            _("Here a file may have at most %(number)s MB. Choose a smaller one.", number=_most_mb()),
        ),
        429: (_("Please wait a moment"), _("Too many tries in a short time. Nothing is lost.")),
        503: (
            _("The site cannot reach its data just now"),
            _("Nothing you saved is lost. What you are writing stays on this device; try again in a minute."),
        ),
    }.get(
        status,
        (
            _("Something went wrong on our side"),
            _("It has been noted. Try again in a minute; nothing you saved is lost."),
        ),
    )


def _answer(status: int, code: str, text: str = "", **extra: object) -> tuple[str | Response, int]:
    db.session.rollback()
    title, standard = _texts(status)
    return (
        problem(status, code, text or standard, **extra)
        if wants_json()
        else _page(status, title, text or standard, str(extra.get("number", "")))
    )


def _trouble(app: Flask, status: int, code: str, error: Exception) -> tuple[str | Response, int]:
    """An answer whose number stands in the log beside what happened."""
    if app.testing and not app.config.get("SHOW_ERROR_PAGES"):
        raise error
    number = ids.public_id()
    log.error("%s", code, exc_info=error, extra={"number": number})
    return _answer(status, code, number=number)


def init_app(app: Flask) -> None:
    """Join the error pages to the app."""
    _join_database_errors(app)

    @app.errorhandler(NotFound)
    def _not_found(_error: NotFound) -> tuple[str | Response, int]:
        return _answer(404, "not_found")

    @app.errorhandler(NotAllowed)
    def _not_allowed(error: NotAllowed) -> tuple[str | Response, int]:
        return _answer(403, "not_allowed", error.message)

    @app.errorhandler(NeedsConfirmation)
    def _needs_confirmation(_error: NeedsConfirmation) -> tuple[str | Response, int]:
        return _answer(403, "needs_confirmation", _("Confirm with your PIN or passkey first."))

    @app.errorhandler(RuleBroken)
    def _rule_broken(error: RuleBroken) -> tuple[str | Response, int]:
        db.session.rollback()
        if wants_json():
            return problem(
                409, error.code, error.message, **({"details": error.details} if error.details else {})
            )
        return _page(409, _("That is not possible now"), error.message)

    @app.errorhandler(TooManyTries)
    def _too_many(error: TooManyTries) -> tuple[str | Response, int]:
        return _answer(429, "too_many_tries", wait_s=error.wait_s)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> tuple[str | Response, int] | HTTPException:
        if error.code is None or error.code < 400:
            return error
        if error.code == 403:  # the check against forgery; what a role may not do is NotAllowed
            return _answer(
                403,
                "refused",
                _(
                    "The page was open for too long, or another site sent this. Reload the page and try once more."
                ),
            )
        return _answer(error.code, {404: "not_found"}.get(error.code, f"http_{error.code}"))

    @app.errorhandler(Away)
    def _files_away(error: Away) -> Response:
        # The bucket of the files: it passes, and everything that needs no file goes on.
        number = ids.public_id()
        log.warning("files_away: %s", error, extra={"number": number})
        response = make_response(_answer(503, "files_away", error.message, number=number))
        response.headers["Retry-After"] = "10"
        return response

    @app.errorhandler(Exception)
    def _broken(error: Exception) -> tuple[str | Response, int]:
        return _trouble(app, 500, "internal", error)


def _join_database_errors(app: Flask) -> None:
    """What the database refuses, and when it cannot be asked."""

    @app.errorhandler(IntegrityError)
    def _integrity(error: IntegrityError) -> tuple[str | Response, int]:
        # Two clicks at once: the second meets the unique key. The page after a reload shows the first one's result.
        log.info("constraint: %s", type(error.orig).__name__)
        db.session.rollback()
        text = _("This was just done, perhaps by a second click. Reload the page to see it.")
        return problem(409, "conflict", text) if wants_json() else _page(409, _("Already done"), text)

    @app.errorhandler(DataError)
    def _unfit(error: DataError) -> tuple[str | Response, int]:
        # A zero byte, a number beyond all columns: nothing that a page of ours sends; PostgreSQL says no.
        log.info("unfit data: %s", type(error.orig).__name__)
        return _answer(400, "unfit_data")

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(NoConnectionFree)
    def _away(error: Exception) -> Response:
        # No server, no connection free, a locked or full disk: it passes, and the person may come again. The page asks
        # the database nothing, not even who is here.
        login.forget()
        response = make_response(_trouble(app, 503, "database_away", error))
        response.headers["Retry-After"] = "3"
        return response
