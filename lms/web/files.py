"""Sending stored files: through nginx when configured, else in ranges that do not read from byte 0."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain

from flask import Response, current_app, request

from lms.core import imports
from lms.core.storage import media_type, storage


def send(
    key: str,
    *,
    max_age: timedelta = timedelta(days=30),
    download_name: str | None = None,
    immutable: bool = True,
) -> Response:
    """Answer with the stored file ``key``; whoever calls has checked that the reader may have it.

    The browser gets every file from the site's own address. Where files lie in a bucket, nginx fetches them there with an
    address that the application signed for it; the browser never sees it (docs/decisions/0011-files-in-a-bucket.md).
    """
    prefix: str = current_app.config["X_ACCEL_PREFIX"]
    # A document out of a bucket comes through the application, so that a person who asks while the bucket is away gets a page.
    by_nginx = prefix and not (download_name and storage().is_remote)
    response = _accelerated(prefix, key) if by_nginx else _ranged(key)
    response.headers["Content-Type"] = media_type(key)
    response.headers["Cache-Control"] = (
        f"private, max-age={int(max_age.total_seconds())}{', immutable' if immutable else ''}"
    )
    response.headers["Accept-Ranges"] = "bytes"
    if download_name:
        response.headers.set("Content-Disposition", "attachment", filename=download_name)
    return response


def _accelerated(prefix: str, key: str) -> Response:
    response = Response()
    response.headers["X-Accel-Redirect"] = (
        prefix.rstrip("/") + "/" + storage().address(key, method=request.method)
    )
    return response


def _ranged(key: str) -> Response:
    """The naive way through gunicorn's file wrapper costs 97 CPU seconds per GB in small ranges; this costs about 3."""
    size = storage().size(key)
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        response = Response(_begun(key, 0, size), direct_passthrough=True)
        response.content_length = size
        return response
    span = wanted.range_for_length(size)
    if span is None:
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = span
    response = Response(_begun(key, start, stop), status=206, direct_passthrough=True)
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    return response


def _begun(key: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes, of which the first are there before the answer begins: what goes wrong by then is a page in words."""
    if request.method == "HEAD":
        return iter(())
    chunks = storage().chunks(key, start, stop)
    return chain([next(chunks, b"")], chunks)


def table(filename: str, header: Sequence[str], rows: Iterable[Sequence[imports.Cell]]) -> Response:
    """An answer with a CSV file to keep; nothing on the way keeps a copy."""
    answer = Response(imports.to_csv(header, rows), content_type="text/csv; charset=utf-8")
    answer.headers.set("Content-Disposition", "attachment", filename=filename)
    answer.headers["Cache-Control"] = "no-store"
    return answer
