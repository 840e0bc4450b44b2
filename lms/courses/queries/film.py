"""Questions about the film of a lecture: its versions and uploads, what can be kept of it, and the notes beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.core import video
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.courses.models import CaptionDraft, Lecture, LectureNote, Video, VideoUpload
from lms.courses.rules import DraftState, VideoState, stills
from lms.policy import Actor


def videos(lecture: Lecture) -> Sequence[Video]:
    """All versions of a lecture's video, the newest first."""
    return db.session.scalars(
        select(Video).where(Video.lecture_id == lecture.id).order_by(Video.version.desc())
    ).all()


def video_of(lecture: Lecture, public_id: str) -> Video:
    """One version of a lecture's video; whoever asks holds the lecture's door. Raises NotFound."""
    found = db.session.scalar(
        select(Video).where(Video.public_id == public_id, Video.lecture_id == lecture.id)
    )
    if found is None:
        raise NotFound
    return found


def lecture_to_fill(public_id: str) -> Lecture:
    """A lecture for whoever works on the machine itself, where nobody is signed in. Raises NotFound."""
    found = db.session.scalar(
        select(Lecture).options(joinedload(Lecture.cohort)).where(Lecture.public_id == public_id)
    )
    if found is None:
        raise NotFound
    return found


def uploads(lecture: Lecture, by: Actor) -> Sequence[VideoUpload]:
    """The actor's own files that are still coming in for a lecture."""
    return db.session.scalars(
        select(VideoUpload)
        .where(VideoUpload.lecture_id == lecture.id, VideoUpload.account_id == by.account_id)
        .order_by(VideoUpload.id)
    ).all()


def upload(public_id: str, by: Actor) -> VideoUpload:
    """One of the actor's own uploads. Raises NotFound."""
    found = db.session.scalar(
        select(VideoUpload).where(VideoUpload.public_id == public_id, VideoUpload.account_id == by.account_id)
    )
    if found is None:
        raise NotFound
    return found


def lecture_id_of(row: VideoUpload) -> str:
    """The public id of the lecture that an upload is for."""
    return db.session.scalars(select(Lecture.public_id).where(Lecture.id == row.lecture_id)).one()


def trouble(row: Video) -> str:
    """Why a video could not be made playable, in a sentence for the educator."""
    if row.refusal in video.REASONS:
        return video.reason(row.refusal)
    if row.refusal == "cancelled":
        return _("The preparation was stopped.")
    return _(
        "The video could not be prepared, and the file is probably not to blame. Try again; if it fails again, "
        "tell the administrator."
    )


def drafts(lecture: Lecture) -> Sequence[CaptionDraft]:
    """The drafts of a lecture's captions that are asked for, under way, ready or failed."""
    return db.session.scalars(
        select(CaptionDraft)
        .where(CaptionDraft.lecture_id == lecture.id, CaptionDraft.state != DraftState.CLOSED)
        .order_by(CaptionDraft.lang.desc())
    ).all()


def draft_of(lecture: Lecture, public_id: str) -> CaptionDraft:
    """One draft of a lecture's captions; whoever asks holds the lecture's door. Raises NotFound."""
    found = db.session.scalar(
        select(CaptionDraft).where(CaptionDraft.public_id == public_id, CaptionDraft.lecture_id == lecture.id)
    )
    if found is None:
        raise NotFound
    return found


def draft_words(row: CaptionDraft) -> str:
    """How far a draft has come, in words."""
    return {
        DraftState.ASKED: _("Waiting to be drafted."),
        DraftState.DRAFTING: _("Being drafted: %(percent)s%%", percent=row.progress_percent),
        DraftState.READY: _("Drafted by machine"),
        DraftState.FAILED: _("Not drafted"),
        DraftState.CLOSED: _("Closed"),
    }[DraftState(row.state)]


def progress_words(row: Video) -> str:
    """How far a video has come, in words."""
    return {
        VideoState.UPLOADED: _("Received. Waiting to be prepared."),
        VideoState.TRANSCODING: _("Being prepared: %(percent)s%%", percent=row.progress_percent),
        VideoState.READY: _("Ready"),
        VideoState.FAILED: _("Not usable"),
    }[VideoState(row.state)]


@dataclass(frozen=True)
class Keepable:
    """One way to keep a lecture on a phone."""

    name: str
    lines: int
    """0: the sound alone."""
    size_bytes: int
    playlists: tuple[str, ...]


def keepable(row: Video) -> list[Keepable]:
    """The ways to keep a lecture on a phone, the smallest first."""
    made = (row.manifest or {}).get("renditions", ())
    sounds = {one["name"]: one for one in made if one["kind"] == "audio"}
    found = [Keepable("sound", 0, row.audio_bytes, ())] if row.audio_bytes else []
    for one in made:
        if one["kind"] == "video":
            both = [one, *([sounds[one["sound"]]] if one["sound"] else [])]
            found.append(
                Keepable(
                    one["name"],
                    min(one["width"], one["height"]),
                    sum(part["size_bytes"] for part in both),
                    tuple(part["playlist"] for part in both),
                )
            )
    return found


def boot(row: Video, at: str) -> dict[str, Any] | None:
    """What the player needs to bring the cheapest rendition without a playlist; None for a film of another make.

    ``at`` is the address of its folder. Tracks name their folder, codec and number of segments: ``short`` of 2 s, then of
    ``step`` seconds, as the ladder cuts them. Levels are lines and MB in ten minutes, from the cheapest up.
    """
    if not (row.manifest or {}).get("renditions"):
        return None
    made = video.Manifest.from_json(json.dumps(row.manifest))
    pictures = [one for one in made.renditions if one.kind == "video"]
    sounds = {one.name: one for one in made.renditions if one.kind == "audio"}
    first = pictures[0]
    sound = sounds.get(first.sound)
    tracks = [
        _track(first, short=video.SHORT_SEGMENTS, step=video.SEGMENT_S),
        *([_track(sound, short=0, step=video.SOUND_SEGMENT_S)] if sound else []),
    ]
    levels = [[min(one.width, one.height), made.mb_per_10_min(one.name)] for one in pictures]
    return {"at": at, "duration": made.duration_s, "tracks": tracks, "levels": levels}


def _track(one: video.Rendition, *, short: int, step: int) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "folder": one.playlist.rpartition("/")[0] + "/",
        "container": f"{one.kind}/mp4",
        "codec": one.codecs,
        "count": one.segments,
        "short": short,
        "step": step,
    }


def moments(lecture: Lecture) -> list[stills.Moment]:
    """The moments of its film that are shown as pictures; none where the film has no thumbnails."""
    made = (lecture.video.manifest or {}) if lecture.video else {}
    if not lecture.video or not made.get("thumbs"):
        return []
    return stills.moments(lecture.video.duration_s, made.get("slides") or (), lecture.chapters)


def notes(lecture: Lecture, by: Actor) -> Sequence[LectureNote]:
    """The actor's own notes in a lecture, in the order of the film."""
    return db.session.scalars(
        select(LectureNote)
        .where(LectureNote.lecture_id == lecture.id, LectureNote.person_id == by.person_id)
        .order_by(LectureNote.at_s, LectureNote.id)
    ).all()


def note(lecture: Lecture, public_id: str, by: Actor) -> LectureNote:
    """One of the actor's own notes. Raises NotFound."""
    found = db.session.scalar(
        select(LectureNote).where(
            LectureNote.public_id == public_id,
            LectureNote.lecture_id == lecture.id,
            LectureNote.person_id == by.person_id,
        )
    )
    if found is None:
        raise NotFound
    return found
