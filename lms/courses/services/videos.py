"""Acts on videos: taking an upload, and the steps of the worker that makes it playable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from lms import policy
from lms.core import audit, ids, jobs, ports, storage, video
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.courses import rules
from lms.courses.models import Lecture, Video
from lms.courses.rules import VIDEO_MOVES, VideoState
from lms.courses.services.base import lock, scope_of, who
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

TRANSCODE = "courses.transcode"

FOLDERS = "lectures"
"""Where published folders are kept: ``lectures/<video>/<lease token of the attempt>``."""


@dataclass(frozen=True)
class Examined:
    """What looking into an uploaded file found out."""

    size_bytes: int
    sha256: str
    video_id: str = ""
    """Public id that the video will have; the file is on its way to its place already."""
    source_key: str = ""
    """Where the file lies already, as that of another version: nothing is taken in again."""


SOURCES = "sources"
"""Where uploaded files are kept: ``sources/<video>``; nothing changes or removes them."""


def examine_video(path: Path) -> Examined:
    """Look into an uploaded file and bring it on its way, outside any transaction: it takes a moment. Raises VideoRefused.

    Who examined a file discards it in the end (``storage().discard``), whether it was received or not.
    """
    facts = video.probe(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    video_id = ids.public_id()
    storage.storage().send_ahead(path, f"{SOURCES}/{video_id}")
    return Examined(facts.size_bytes, digest, video_id)


def uploaded_before(lecture: Lecture, client_uuid: str | None) -> Video | None:
    """The video that this very upload has made already. Raises RuleBroken if its key belongs to another lecture."""
    if not client_uuid:
        return None
    again = db.session.scalar(select(Video).where(Video.client_uuid == client_uuid))
    if again is not None and again.lecture_id != lecture.id:
        raise RuleBroken("upload_key", _("Please reload the page and choose the file again."), field="video")
    return again


def receive_video(
    lecture: Lecture,
    path: Path | None,
    *,
    name: str,
    client_uuid: str | None,
    at: datetime,
    by: Actor | None,
    examined: Examined | None = None,
) -> Video:
    """Take an uploaded file for a lecture: refuse by name before it costs anything, keep it, wake the worker.

    ``path`` is a temporary file of ``storage().receive``; it is gone afterwards, kept or refused. ``examined`` is what
    ``examine_video`` said of it, where the caller did not want to hold a transaction meanwhile; where it names a
    ``source_key``, there is no ``path``. Raises VideoRefused. The same ``client_uuid`` twice is one upload.
    """
    try:
        if by is not None:
            policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
        facts = examined or examine_video(_given(path))
        lock(Lecture, lecture.id)
        again = uploaded_before(lecture, client_uuid)
        if again is not None:
            return again
        last = db.session.scalar(select(func.max(Video.version)).where(Video.lecture_id == lecture.id)) or 0
        public_id = facts.video_id or ids.public_id()
        row = Video(
            public_id=public_id,
            lecture_id=lecture.id,
            version=last + 1,
            client_uuid=client_uuid or None,
            source_key=facts.source_key or f"{SOURCES}/{public_id}",
            source_name=name.replace("\0", "")[-160:],
            source_bytes=facts.size_bytes,
            source_sha256=facts.sha256,
            uploaded_at=at,
            uploaded_by=who(by),
        )
        db.session.add(row)
        db.session.flush()
        if not facts.source_key:
            storage.storage().adopt(_given(path), row.source_key)
    finally:
        if path is not None:
            storage.storage().discard(path)
    audit.record(
        "courses.video.upload",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=who(by),
        subject=f"video:{row.public_id}",
        sha256=facts.sha256,
    )
    jobs.enqueue(TRANSCODE, row.id)
    return row


def _given(path: Path | None) -> Path:
    assert path is not None
    return path


def start_transcode(row: Video) -> None:
    """The worker has begun (again)."""
    if row.state == VideoState.TRANSCODING:  # a worker died over it
        row.state = rules.move(VIDEO_MOVES, "put_back", VideoState(row.state))
    row.state = rules.move(VIDEO_MOVES, "start", VideoState(row.state))
    row.progress_percent = 0


def finish_transcode(
    row: Video,
    *,
    folder_key: str,
    manifest: video.Manifest,
    document: Mapping[str, Any],
    at: datetime,
    lite_bytes: int = 0,
    audio_bytes: int = 0,
) -> None:
    """The folder is whole and published: this version becomes the one that learners see. The caller holds the lease."""
    row.state = rules.move(VIDEO_MOVES, "finish", VideoState(row.state))
    row.folder_key, row.manifest, row.duration_s = folder_key, dict(document), manifest.seconds
    row.lite_bytes, row.audio_bytes = lite_bytes, audio_bytes
    row.progress_percent, row.ready_at = 100, at
    lecture = db.session.scalars(select(Lecture).where(Lecture.id == row.lecture_id).with_for_update()).one()
    shown = (
        db.session.scalar(select(Video.version).where(Video.id == lecture.video_id))
        if lecture.video_id
        else None
    )
    if shown is None or shown < row.version:
        lecture.video_id = row.id
    db.session.flush()
    programme_id = db.session.scalars(select(Cohort.programme_id).where(Cohort.id == lecture.cohort_id)).one()
    audit.record(
        "courses.video.ready",
        scope=f"programme:{programme_id}",
        at=at,
        account_id=None,
        subject=f"video:{row.public_id}",
        seconds=manifest.seconds,
    )
    ports.fact_changed.tell(ports.FactChanged("lectures", None, at, cohort_id=lecture.cohort_id))


def fail_transcode(row: Video, code: str) -> None:
    """No further attempt; the page says why."""
    if row.state in {VideoState.UPLOADED, VideoState.TRANSCODING}:
        row.state = rules.move(VIDEO_MOVES, "fail", VideoState(row.state))
        row.refusal = code[:40]


def cancel_transcode(row: Video, lecture: Lecture, *, at: datetime, by: Actor) -> None:
    """An educator stops the preparation; the worker lets go within seconds, and its result is kept by nobody."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if row.lecture_id != lecture.id:
        raise NotFound
    db.session.refresh(row, with_for_update=True)
    if row.state not in {VideoState.UPLOADED, VideoState.TRANSCODING}:
        return
    fail_transcode(row, "cancelled")
    row.lease_token, row.lease_owner, row.lease_until = row.lease_token + 1, None, None
    db.session.flush()
    audit.record(
        "courses.video.cancel",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"video:{row.public_id}",
    )


def retry_transcode(row: Video, lecture: Lecture, *, at: datetime, by: Actor) -> None:
    """An educator asks for another attempt."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if row.lecture_id != lecture.id:
        raise NotFound
    if row.state != VideoState.FAILED:
        return
    row.state = rules.move(VIDEO_MOVES, "try_again", VideoState(row.state))
    row.attempts, row.retry_at, row.refusal, row.failure, row.progress_percent = 0, None, "", None, 0
    db.session.flush()
    audit.record(
        "courses.video.retry",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"video:{row.public_id}",
    )
    jobs.enqueue(TRANSCODE, row.id)
