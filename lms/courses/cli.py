"""Films from the machine itself: the command line, and a folder that is watched."""

import hashlib
import logging
from datetime import datetime
from functools import partial
from pathlib import Path

from lms.core import clock, site, video
from lms.core.db import after_commit, transaction
from lms.core.errors import NotFound
from lms.core.storage import Away, storage
from lms.courses import queries, services

log = logging.getLogger("lms.courses")

SETTLED_S = 60
"""A file that was written to more recently is still being copied."""


def add(file: Path, lecture_id: str) -> str:
    """Make a file the next version of a lecture's film; returns the video's id. The same file twice is one version.

    Raises NotFound for an unknown lecture and VideoRefused; the file itself stays where it is.
    """
    with transaction():
        queries.lecture_to_fill(lecture_id)
    facts = file.stat()
    mark = hashlib.sha256(
        f"{lecture_id}|{file.name}|{facts.st_size}|{facts.st_mtime_ns}".encode()
    ).hexdigest()
    with file.open("rb") as stream:
        try:
            received = storage().receive(stream, limit_bytes=video.Limits().max_bytes)
        except ValueError:
            raise video.VideoRefused("too_large") from None
    try:
        examined = services.examine_video(received)
        with transaction():
            row = services.receive_video(
                queries.lecture_to_fill(lecture_id),
                received,
                name=file.name,
                client_uuid=f"file:{mark[:60]}",
                examined=examined,
                at=clock.now(),
                by=None,
            )
            return row.public_id
    finally:
        storage().discard(received)


def look_into_inbox(at: datetime) -> None:
    """Find films in the watched folder; they are taken after this transaction, since looking into them takes a moment."""
    folder = site.settings().video_inbox
    if not folder or not Path(folder).is_dir():
        return
    for place in sorted(Path(folder).iterdir()):
        if place.is_symlink() or not place.is_dir():
            continue
        for file in sorted(place.iterdir()):
            is_ours = file.name.startswith(".") or file.name.endswith((".refused", ".refused.txt"))
            if is_ours or file.is_symlink() or not file.is_file():
                continue
            if at.timestamp() - file.stat().st_mtime >= SETTLED_S:
                after_commit(partial(_take, file, place.name))


def _take(file: Path, lecture_id: str) -> None:
    try:
        add(file, lecture_id)
    except video.VideoRefused as refusal:
        _set_aside(file, f"{refusal.message} [{refusal.code}]")
    except NotFound:
        _set_aside(file, f"There is no lecture {lecture_id}.")
    except (OSError, Away) as problem:
        log.warning("inbox: %s waits for the next round: %s", file, problem)
    else:
        file.unlink()


def _set_aside(file: Path, why: str) -> None:
    file.with_name(file.name + ".refused.txt").write_text(why + "\n", "utf-8")
    file.rename(file.with_name(file.name + ".refused"))
