"""Acts on files that come in pieces: begun, grown over hours or days, made a video or discarded."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, func, select

from lms import policy
from lms.core import audit, ids, storage, video
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.courses.models import Lecture, VideoUpload
from lms.courses.services.base import lock, scope_of
from lms.policy import Actor, Permission

UPLOADS = "uploads"
"""Where files lie while they come in: ``uploads/<upload>``."""

UPLOAD_LASTS = timedelta(days=14)
"""An upload that nobody has touched for so long is forgotten."""

MOST_UPLOADS = 5
"""Of one person at a time."""

_ROOM_LEFT_BYTES = 1 << 30
"""Kept free for everything else that the site writes."""


def begin_upload(
    lecture: Lecture, *, name: str, size_bytes: int, modified_ms: int, at: datetime, by: Actor
) -> VideoUpload:
    """Make room for a file that will come in pieces. The same file of the same person goes on where it stopped.

    Raises VideoRefused for a size that no lecture has, RuleBroken("no_space") and RuleBroken("too_many_uploads").
    """
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if size_bytes < 1:
        raise video.VideoRefused("empty")
    if size_bytes > video.Limits().max_bytes:
        raise video.VideoRefused("too_large")
    lock(Lecture, lecture.id)
    name = name.replace("\0", "")[-160:]
    again = db.session.scalar(
        select(VideoUpload).where(
            VideoUpload.lecture_id == lecture.id,
            VideoUpload.account_id == by.account_id,
            VideoUpload.name == name,
            VideoUpload.size_bytes == size_bytes,
            VideoUpload.modified_ms == modified_ms,
        )
    )
    if again is not None:
        return again
    mine = select(func.count()).select_from(VideoUpload).where(VideoUpload.account_id == by.account_id)
    if (db.session.scalar(mine) or 0) >= MOST_UPLOADS:
        raise RuleBroken(
            "too_many_uploads",
            _("%(number)s files are coming in already. Finish or discard one first.", number=MOST_UPLOADS),
            field="video",
        )
    if size_bytes + _ROOM_LEFT_BYTES > storage.storage().free_bytes():
        raise RuleBroken(
            "no_space",
            _("The site has no room for a file of this size. Tell the administrator."),
            field="video",
        )
    row = VideoUpload(
        public_id=ids.public_id(),
        lecture_id=lecture.id,
        account_id=by.account_id,
        name=name,
        size_bytes=size_bytes,
        modified_ms=modified_ms,
        began_at=at,
        touched_at=at,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "courses.upload.begin",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"lecture:{lecture.public_id}",
        bytes=size_bytes,
    )
    return row


def received_bytes(row: VideoUpload) -> int:
    """How much of the file has come in: what lies there is the truth."""
    return storage.storage().grown(_key(row))


def take_piece(upload_public_id: str, size_bytes: int, stream: BinaryIO, *, offset: int) -> int:
    """Append a piece, outside any transaction; returns how much there is now. Raises storage.Busy and WrongOffset."""
    return storage.storage().grow(
        stream, f"{UPLOADS}/{upload_public_id}", offset=offset, most_bytes=size_bytes
    )


def touch_upload(upload_public_id: str, *, at: datetime) -> None:
    """Something came in, so the upload is not forgotten soon."""
    row = db.session.scalar(select(VideoUpload).where(VideoUpload.public_id == upload_public_id))
    if row is not None:
        row.touched_at = at


def discard_upload(row: VideoUpload, lecture: Lecture, *, at: datetime, by: Actor) -> None:
    """The educator does not want this file any more."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    forget_upload(row.public_id)
    audit.record(
        "courses.upload.discard",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"lecture:{lecture.public_id}",
    )


def whole_upload(lecture: Lecture, upload_public_id: str, *, by: Actor) -> tuple[Path, str]:
    """A second name of the file of an upload that is all there, and what it was called where it came from.

    Raises NotFound and RuleBroken("upload_unfinished").
    """
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    row = db.session.scalar(
        select(VideoUpload).where(
            VideoUpload.public_id == upload_public_id,
            VideoUpload.lecture_id == lecture.id,
            VideoUpload.account_id == by.account_id,
        )
    )
    if row is None:
        raise NotFound
    if received_bytes(row) != row.size_bytes:
        raise RuleBroken(
            "upload_unfinished",
            _("The file has not come in completely. Choose it again, and it goes on where it stopped."),
            field="video",
        )
    return storage.storage().second_name(_key(row)), row.name


def forget_upload(upload_public_id: str) -> None:
    """The row and what lies of the file go; nothing happens if they are gone."""
    db.session.execute(delete(VideoUpload).where(VideoUpload.public_id == upload_public_id))
    if ids.is_public_id(upload_public_id):
        storage.storage().remove(f"{UPLOADS}/{upload_public_id}")


def forget_old_uploads(at: datetime) -> None:
    """Forget what nobody has touched for two weeks."""
    for public_id in db.session.scalars(
        select(VideoUpload.public_id).where(VideoUpload.touched_at < at - UPLOAD_LASTS)
    ).all():
        forget_upload(public_id)


def _key(row: VideoUpload) -> str:
    return f"{UPLOADS}/{row.public_id}"
