"""Uploads in pieces, by the protocol tus 1.0 (core, creation, termination): a broken line loses nothing.

The browser asks how much has arrived (HEAD) and sends the rest in pieces (PATCH). When all of it is there, the form of the
desk names the upload instead of carrying the file. https://tus.io/protocols/resumable-upload
"""

import base64
import binascii
from typing import BinaryIO, cast

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import clock, storage, video
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.courses import queries, services
from lms.courses.views.blueprint import bp
from lms.policy import Permission, Role
from lms.web.errors import problem
from lms.web.guard import actor, reads_first, staff, takes

PIECE_LIMIT_BYTES = 64 << 20
"""Of one PATCH; our page sends 8 MB at a time, which every proxy lets through."""

_VERSION = "1.0.0"


def _answer(status: int, **headers: object) -> Response:
    sent = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return Response(status=status, headers={"Tus-Resumable": _VERSION, "Cache-Control": "no-store"} | sent)


def _number(header: str) -> int:
    value = request.headers.get(header, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else -1


def _metadata() -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        key, _space, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            continue
    return found


@bp.route("/lectures/<lecture_id>/uploads", methods=["OPTIONS", "POST"], provide_automatic_options=False)
@staff(Role.EDUCATOR)
def begin_upload(lecture_id: str) -> ResponseReturnValue:
    """Begin an upload (or find the one that this file has begun before); OPTIONS tells what this server can."""
    if request.method == "OPTIONS":
        return _answer(
            204,
            Tus_Version=_VERSION,
            Tus_Extension="creation,termination",
            Tus_Max_Size=video.Limits().max_bytes,
        )
    by = actor()
    lecture = queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    given = _metadata()
    modified = given.get("modified", "0")
    try:
        with transaction():
            row = services.begin_upload(
                lecture,
                name=given.get("filename", ""),
                size_bytes=_number("Upload-Length"),
                modified_ms=int(modified)
                if modified.isascii() and modified.isdecimal() and len(modified) < 16
                else 0,
                at=clock.now(),
                by=by,
            )
            upload_id = row.public_id
    except RuleBroken as refusal:
        status = {"too_large": 413, "no_space": 507, "empty": 400}.get(refusal.code, 422)
        return problem(status, refusal.code, refusal.message)
    return _answer(201, Location=url_for(".upload_piece", upload_id=upload_id))


@bp.route("/uploads/<upload_id>", methods=["HEAD", "PATCH", "DELETE"], provide_automatic_options=False)
@staff(Role.EDUCATOR)
@takes(PIECE_LIMIT_BYTES)
@reads_first
def upload_piece(upload_id: str) -> ResponseReturnValue:
    """How much has arrived (HEAD), the next piece (PATCH), or not wanted any more (DELETE)."""
    by = actor()
    row = queries.upload(upload_id, by)
    size = row.size_bytes
    if request.method == "HEAD":
        return _answer(200, Upload_Offset=services.received_bytes(row), Upload_Length=size)
    if request.method == "DELETE":
        with transaction():
            row = queries.upload(upload_id, by)
            services.discard_upload(
                row,
                queries.lecture(queries.lecture_id_of(row), by, permission=Permission.COURSE_EDIT),
                at=clock.now(),
                by=by,
            )
        return _answer(204)
    if request.mimetype != "application/offset+octet-stream":
        return _answer(415)
    db.session.rollback()  # a piece takes minutes on a slow line; hold no snapshot meanwhile
    try:
        reached = services.take_piece(
            upload_id, size, cast("BinaryIO", request.stream), offset=_number("Upload-Offset")
        )
    except storage.Busy:
        return _answer(423)
    except storage.WrongOffset:
        return _answer(409)
    with transaction():
        services.touch_upload(upload_id, at=clock.now())
    return _answer(204, Upload_Offset=reached)


@bp.post("/uploads/<upload_id>/discard")
@staff(Role.EDUCATOR)
def discard_upload(upload_id: str) -> ResponseReturnValue:
    """Discard an upload from the desk's page."""
    by = actor()
    row = queries.upload(upload_id, by)
    lecture = queries.lecture(queries.lecture_id_of(row), by, permission=Permission.COURSE_EDIT)
    with transaction():
        services.discard_upload(row, lecture, at=clock.now(), by=by)
    return redirect(url_for(".desk", lecture_id=lecture.public_id) + "#video-part", 303)
