"""Files that candidates send as answers: by a script, which makes the operation itself, or by the plain form."""

from flask import flash, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from lms.assessments import api, queries, services
from lms.assessments.queries import markers
from lms.assessments.rules.items.wording import LARGEST_FILE
from lms.assessments.rules.markers import format_of
from lms.assessments.views import tests
from lms.assessments.views.blueprint import bp
from lms.assessments.writer import Overloaded
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Permission
from lms.web import files
from lms.web.guard import actor, members, reads_first, takes, wants_json

_AROUND = 1_000_000
"""Bytes of a form around its file."""


@bp.post("/sittings/<public_id>/slots/<int:slot>/file")
@members
@takes(LARGEST_FILE + _AROUND)
@reads_first
def send_file(public_id: str, slot: int) -> ResponseReturnValue:
    """Take the file of one question while the time runs; the plain form's other answers are saved with it."""
    try:
        kept = _receive(public_id, slot)
    except RuleBroken as refusal:
        if wants_json():
            raise
        db.session.rollback()
        flash(refusal.message, "warning")
        return redirect(f"/sittings/{public_id}", 303)
    if wants_json():
        return jsonify(kept)
    try:
        api.save_form(
            queries.sitting(public_id, actor(), permission=Permission.SITTING_ANSWER),
            {slot: kept},
            at=clock.now(),
        )
    except Overloaded:
        flash(
            _("The server is busy. Nothing was changed; please press the button again in a few seconds."),
            "warning",
        )
        return redirect(f"/sittings/{public_id}", 303)
    return tests.answers(public_id)


def _receive(public_id: str, slot: int) -> dict[str, str]:
    """The response that names the file that was sent. What can be refused is refused before the file is looked at."""
    by, at = actor(), clock.now()
    found = queries.sitting(public_id, by, permission=Permission.SITTING_ANSWER)
    if api.is_barred(found.test):
        raise RuleBroken("seb_needed", _("This test needs Safe Exam Browser"))
    if not api.is_writer(found, at):
        raise RuleBroken(
            "stale_epoch",
            _("Not saved: this exam is open on another device. Press “Continue here” to write on this one."),
        )
    alone = (
        (request.content_length or 0) - _AROUND if wants_json() else 0
    )  # a plain form holds other files too
    services.require_slot(found, slot, size_bytes=alone, at=at)
    given = request.files.get(f"slot-{slot}")
    name, data = _read(given)
    services.require_sendable(found, slot, name, len(data), at=at)
    db.session.rollback()  # cleaning a picture takes a while; hold no snapshot meanwhile
    clean = services.clean_file(format_of(name), data)
    key = services.keep_file(format_of(name), clean)
    with transaction():
        found = queries.sitting(public_id, by, permission=Permission.SITTING_ANSWER)
        row = services.send_file(found, slot, name=name, key=key, size_bytes=len(clean), by=by, at=at)
        return {"file": row.public_id, "name": row.name}


def _read(given: FileStorage | None) -> tuple[str, bytes]:
    if given is None or not given.filename:
        raise RuleBroken("file_empty", _("Choose a file first."), field="file")
    return given.filename, given.stream.read(LARGEST_FILE + 1)


@bp.get("/sittings/<public_id>/slots/<int:slot>/file")
@members
def own_file(public_id: str, slot: int) -> ResponseReturnValue:
    """The file that stands for a question, for its candidate only."""
    found = queries.sitting(public_id, actor(), permission=Permission.SITTING_ANSWER)
    row = markers.kept_file(found.id, slot, queries.standing(found.id).answers.get(slot))
    if row is None:
        raise NotFound
    response = files.send(row.storage_key, download_name=row.name, immutable=False)
    response.headers["Cache-Control"] = "private, no-store"
    return response
