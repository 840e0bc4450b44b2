"""Background work: an uploaded video becomes a playable one."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sqlalchemy import select, update

from lms.core import clock, jobs, site, video
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import lazy
from lms.core.jobs import Fenced, GiveUp, Job, Lease
from lms.core.storage import storage
from lms.courses import cli, services
from lms.courses.models import CaptionDraft, Video


def transcode(video_id: int, lease: Lease) -> None:
    """Source → temporary folder → one rename → one commit; killed anywhere, the old version stays and this is done again."""
    with transaction():
        lease.check()
        row = db.session.scalars(select(Video).where(Video.id == video_id)).one()
        services.start_transcode(row)
        source_key, public_id, token = row.source_key, row.public_id, lease.token

    with storage().local(source_key) as source, storage().temporary("transcode-") as folder:
        target = folder / "out"
        try:
            manifest = video.transcode(
                source,
                target,
                on_progress=_every_two_percent(partial(_tell, Video, lease)),
                should_stop=lease.lost.is_set,
                ffmpeg=site.settings().ffmpeg,
            )
        except video.VideoRefused as refusal:
            raise GiveUp(refusal.code) from refusal
        except video.TranscodeStopped as stopped:
            raise Fenced from stopped
        document = (target / "manifest.json").read_text("utf-8")
        sizes = {path.name: path.stat().st_size for path in target.iterdir() if path.is_file()}
        key = f"{services.FOLDERS}/{public_id}/{token}"
        storage().publish(target, key)
    with transaction():
        lease.check()
        row = db.session.scalars(select(Video).where(Video.id == video_id).with_for_update()).one()
        services.finish_transcode(
            row,
            folder_key=key,
            manifest=manifest,
            document=json.loads(document),
            at=clock.now(),
            lite_bytes=sizes.get(manifest.video_file, 0),
            audio_bytes=sizes.get(manifest.audio_file, 0),
        )
        lease.release()
    _sweep_attempts(public_id, token)


def _tell(model: type[Video] | type[CaptionDraft], lease: Lease, share: float) -> None:
    with suppress(Exception), transaction():  # a number for the page; the work goes on without it
        told = db.session.execute(
            update(model)
            .where(model.id == lease.row_id, model.lease_token == lease.token)
            .values(progress_percent=min(99, int(share * 100)))
        )
        if told.rowcount == 0:  # type: ignore[attr-defined]
            lease.lost.set()  # somebody stopped it; the renewal would notice a moment later


def draft(draft_id: int, lease: Lease) -> None:
    """The lecture's sound → the recogniser → text that only its authors see; killed anywhere, this is done again."""
    with transaction():
        lease.check()
        row = db.session.scalars(select(CaptionDraft).where(CaptionDraft.id == draft_id)).one()
        services.start_draft(row)
        film = db.session.scalars(select(Video).where(Video.id == row.video_id)).one()
        key = f"{film.folder_key}/{(film.manifest or {})['audio_file']}"
        lang, duration_s = row.lang, film.duration_s
    settings = site.settings()
    with storage().local(key) as sound, storage().temporary("draft-") as folder:
        try:
            data = video.transcribe(
                sound,
                folder,
                lang=lang,
                duration_s=duration_s,
                command=settings.transcriber,
                ffmpeg=settings.ffmpeg,
                on_progress=_every_two_percent(partial(_tell, CaptionDraft, lease)),
                should_stop=lease.lost.is_set,
            )
            text = services.draft_of_file(data)
        except video.SpeechFailed as failure:
            raise GiveUp(str(failure)) from failure
        except RuleBroken as refusal:
            code = "nothing_heard" if refusal.code == "captions_empty" else "no_captions"
            raise GiveUp(f"{code}: {refusal.code}") from refusal
        except video.TranscodeStopped as stopped:
            raise Fenced from stopped
    with transaction():
        lease.check()
        row = db.session.scalars(
            select(CaptionDraft).where(CaptionDraft.id == draft_id).with_for_update()
        ).one()
        services.finish_draft(row, text)
        lease.release()


def draft_gave_up(draft_id: int, why: str) -> None:
    """Mark the draft as failed, with the reason as a code the page can put into words."""
    row = db.session.scalars(select(CaptionDraft).where(CaptionDraft.id == draft_id).with_for_update()).one()
    services.fail_draft(row, why.partition(":")[0])


def _sweep_attempts(public_id: str, kept: int) -> None:
    """Remove the folders of attempts that died between their rename and their commit; no row names them."""
    for name in storage().names(f"{services.FOLDERS}/{public_id}"):
        if name != str(kept):
            storage().remove(f"{services.FOLDERS}/{public_id}/{name}")


def _every_two_percent(tell: Callable[[float], None]) -> Callable[[float], None]:
    last = -2.0

    def heard(share: float) -> None:
        nonlocal last
        if share * 100 >= last + 2:
            last = share * 100
            tell(share)

    return heard


def gave_up(video_id: int, why: str) -> None:
    """Mark the video as failed, with the reason as a code the page can put into words."""
    row = db.session.scalars(select(Video).where(Video.id == video_id).with_for_update()).one()
    services.fail_transcode(row, why if why in video.REASONS else "transcode")


def register() -> None:
    """Make the jobs of this feature known to the worker."""
    for chore in (services.forget_old_uploads, services.forget_parts, cli.look_into_inbox):
        if chore not in jobs.EVERY:
            jobs.EVERY.append(chore)
    if services.refresh_search not in jobs.EVERY:
        jobs.EVERY.append(services.refresh_search)
    jobs.register(
        Job(
            name=services.TRANSCODE,
            model=lambda: Video,
            ready=lambda: Video.state.in_(("uploaded", "transcoding")),
            run=transcode,
            gave_up=gave_up,
            label=lazy("Make a lecture’s film playable"),
            failed=lambda: Video.state == "failed",
            again={"state": "uploaded", "refusal": ""},
            max_attempts=3,
        )
    )
    jobs.register(
        Job(
            name=services.DRAFT,
            model=lambda: CaptionDraft,
            ready=lambda: CaptionDraft.state.in_(("asked", "drafting")),
            run=draft,
            gave_up=draft_gave_up,
            label=lazy("Draft captions of a lecture"),
            failed=lambda: CaptionDraft.state == "failed",
            again={"state": "asked", "refusal": ""},
            max_attempts=3,
        )
    )
