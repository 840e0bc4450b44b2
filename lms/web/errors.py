"""Errors as pages in plain words, or as problem+json for scripts."""

import logging

from flask import Flask, Response, jsonify, make_response, render_template
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException

from lms.core.db import db
from lms.core.errors import NeedsConfirmation, NotAllowed, NotFound, RuleBroken, TooManyTries
from lms.core.i18n import _
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


def _page(status: int, title: str, text: str) -> tuple[str, int]:
    return render_template("error.html", status=status, title=title, text=text), status


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
        413: (_("The file is too large"), _("Choose a smaller file.")),
        429: (_("Please wait a moment"), _("Too many tries in a short time. Nothing is lost.")),
        503: (
            _("The server is not ready"),
            _("Try again in a few seconds; nothing you saved is lost."),
        ),
    }.get(
        status,
        (
            _("Something went wrong on our side"),
            _("It has been noted. Try again in a minute; nothing you saved is lost."),
        ),
    )


def init_app(app: Flask) -> None:
    """Join the error pages to the app."""

    def answer(status: int, code: str, text: str = "", **extra: object) -> tuple[str | Response, int]:
        db.session.rollback()
        title, standard = _texts(status)
        return (
            problem(status, code, text or standard, **extra)
            if wants_json()
            else _page(status, title, text or standard)
        )

    @app.errorhandler(NotFound)
    def _not_found(_error: NotFound) -> tuple[str | Response, int]:
        return answer(404, "not_found")

    @app.errorhandler(NotAllowed)
    def _not_allowed(error: NotAllowed) -> tuple[str | Response, int]:
        return answer(403, "not_allowed", error.message)

    @app.errorhandler(NeedsConfirmation)
    def _needs_confirmation(_error: NeedsConfirmation) -> tuple[str | Response, int]:
        return answer(403, "needs_confirmation", _("Confirm with your PIN or passkey first."))

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
        return answer(429, "too_many_tries", wait_s=error.wait_s)

    @app.errorhandler(IntegrityError)
    def _integrity(error: IntegrityError) -> tuple[str | Response, int]:
        # Two clicks at once: the second meets the unique key. The page after a reload shows the first one's result.
        log.info("constraint: %s", error.orig)
        db.session.rollback()
        text = _("This was just done, perhaps by a second click. Reload the page to see it.")
        return problem(409, "conflict", text) if wants_json() else _page(409, _("Already done"), text)

    @app.errorhandler(DataError)
    def _unfit(error: DataError) -> tuple[str | Response, int]:
        # A zero byte, a number beyond all columns: nothing that a page of ours sends; PostgreSQL says no.
        log.info("unfit data: %s", error.orig)
        return answer(400, "unfit_data")

    @app.errorhandler(OperationalError)
    def _away(error: OperationalError) -> Response:
        # The database was restarted or is too busy: the page asks it nothing, not even who is here.
        if app.testing and not app.config.get("SHOW_ERROR_PAGES"):
            raise error
        log.error("the database does not answer: %s", error.orig)
        login.forget()
        response = make_response(answer(503, "database_away"))
        response.headers["Retry-After"] = "3"
        return response

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> tuple[str | Response, int] | HTTPException:
        if error.code is None or error.code < 400:
            return error
        return answer(error.code, {403: "refused", 404: "not_found"}.get(error.code, f"http_{error.code}"))

    @app.errorhandler(Exception)
    def _broken(error: Exception) -> tuple[str | Response, int]:
        if app.testing and not app.config.get("SHOW_ERROR_PAGES"):
            raise error
        log.error("unhandled", exc_info=error)
        return answer(500, "internal")
