"""Captions drafted by the site's speech recogniser: asked for, written by the worker, put right and published by an author."""

import re
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.core import audit, jobs, site
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.courses import rules
from lms.courses.models import CaptionDraft, Lecture
from lms.courses.rules import DRAFT_MOVES, DraftState
from lms.courses.services.base import lock, scope_of
from lms.courses.services.captions import (
    CAPTION_LANGS,
    captions_text,
    cues,
    from_srt,
    looks_like_srt,
    set_captions,
    to_vtt,
)
from lms.policy import Actor, Permission

DRAFT = "courses.draft_captions"

REASONS: dict[str, str] = {
    "no_recogniser": lazy("The recogniser of this site cannot be run. Tell the administrator."),
    "recogniser": lazy(
        "The recogniser ended with an error. Try again; if it fails again, tell the administrator."
    ),
    "too_slow": lazy(
        "The recogniser took too long and was stopped. Tell the administrator: a smaller model is faster."
    ),
    "too_much": lazy("The recogniser wrote more than captions can be. Tell the administrator."),
    "no_result": lazy("The recogniser ended without writing captions. Tell the administrator."),
    "no_captions": lazy(
        "What the recogniser wrote are no captions that can be read. Tell the administrator."
    ),
    "nothing_heard": lazy("The recogniser heard nobody speak in this language."),
    "sound": lazy("The sound of the film could not be taken out. Tell the administrator."),
    "drafting": lazy(
        "The captions could not be drafted. Try again; if it fails again, tell the administrator."
    ),
}
"""Reason codes and the sentence for the educator."""

_NO_LENGTH = re.compile(r"^([\d:.,]+)[ \t]*-->[ \t]*\1[ \t]*$(?:\n.+)*", re.MULTILINE)
"""Recognisers leave captions that end where they begin; nobody could read them, and an hour of work is not refused for one."""


def trouble(row: CaptionDraft) -> str:
    """Why captions could not be drafted, in a sentence for the educator."""
    return str(REASONS.get(row.refusal, REASONS["drafting"]))


def _record(act: str, row: CaptionDraft, lecture: Lecture, *, at: datetime, by: Actor) -> None:
    audit.record(
        act,
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=by.account_id,
        subject=f"lecture:{lecture.public_id}",
        lang=row.lang,
    )


def _mine(row: CaptionDraft, lecture: Lecture, by: Actor) -> None:
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if row.lecture_id != lecture.id:
        raise NotFound
    db.session.refresh(row, with_for_update=True)


def ask_draft(lecture: Lecture, *, lang: str, at: datetime, by: Actor) -> CaptionDraft:
    """Have the captions of a lecture drafted; one that waits or is ready stays as it is.

    Raises NotFound where the site has no recogniser, RuleBroken for a language that is none and a film without sound.
    """
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if not site.settings().transcriber:
        raise NotFound
    if lang not in CAPTION_LANGS:
        raise RuleBroken("captions_lang", _("Choose the language of the captions."), field="lang")
    if lecture.video is None or not lecture.video.audio_bytes:
        raise RuleBroken("no_sound", _("Captions can be drafted once the film is ready, if it has sound."))
    lock(Lecture, lecture.id)
    row = db.session.scalar(
        select(CaptionDraft)
        .where(CaptionDraft.lecture_id == lecture.id, CaptionDraft.lang == lang)
        .with_for_update()
    )
    if row is None:
        row = CaptionDraft(lecture_id=lecture.id, lang=lang, state=DraftState.ASKED)
        db.session.add(row)
    elif "ask" not in rules.possible(DRAFT_MOVES, DraftState(row.state)):
        return row
    else:
        row.state = rules.move(DRAFT_MOVES, "ask", DraftState(row.state))
        row.attempts, row.retry_at, row.failure = 0, None, None
    row.video_id, row.asked_at, row.asked_by = lecture.video.id, at, by.account_id
    row.text, row.refusal, row.progress_percent = "", "", 0
    db.session.flush()
    _record("courses.captions.draft", row, lecture, at=at, by=by)
    jobs.enqueue(DRAFT, row.id)
    return row


def start_draft(row: CaptionDraft) -> None:
    """The worker has begun (again)."""
    row.state = rules.move(DRAFT_MOVES, "start", DraftState(row.state))
    row.progress_percent = 0


def draft_of_file(data: bytes) -> str:
    """The WebVTT of what a recogniser wrote, by the rules of every caption file. Raises RuleBroken."""
    text = _NO_LENGTH.sub("", captions_text(data).replace("\r\n", "\n"))
    return to_vtt(cues(from_srt(text) if looks_like_srt(text) else text))


def finish_draft(row: CaptionDraft, text: str) -> None:
    """The draft is there for its author. The caller holds the lease."""
    row.state = rules.move(DRAFT_MOVES, "finish", DraftState(row.state))
    row.text, row.progress_percent = text, 100


def fail_draft(row: CaptionDraft, code: str) -> None:
    """No further attempt; the page says why."""
    if row.state in {DraftState.ASKED, DraftState.DRAFTING}:
        row.state = rules.move(DRAFT_MOVES, "fail", DraftState(row.state))
        row.refusal = code if code in REASONS else "drafting"


def save_draft(row: CaptionDraft, lecture: Lecture, *, text: str, at: datetime, by: Actor) -> None:
    """Keep what was corrected so far; it stays a draft. Raises RuleBroken where it makes no captions."""
    _mine(row, lecture, by)
    if row.state != DraftState.READY:
        raise RuleBroken("wrong_state", _("This draft was published or discarded meanwhile."), field="text")
    cues(text)
    row.text = text
    db.session.flush()
    _record("courses.captions.save", row, lecture, at=at, by=by)


def publish_draft(row: CaptionDraft, lecture: Lecture, *, text: str, at: datetime, by: Actor) -> None:
    """The author answers for it now: it becomes the captions of the lecture. Raises RuleBroken."""
    _mine(row, lecture, by)
    set_captions(lecture, lang=row.lang, text=text, at=at, by=by)
    if row.state == DraftState.READY:
        row.state, row.text = rules.move(DRAFT_MOVES, "close", DraftState(row.state)), ""
    db.session.flush()


def discard_draft(row: CaptionDraft, lecture: Lecture, *, at: datetime, by: Actor) -> None:
    """Stop drafting, or throw the draft away; a worker lets go within seconds, and its result is kept by nobody."""
    _mine(row, lecture, by)
    if row.state == DraftState.CLOSED:
        return
    row.state, row.text = rules.move(DRAFT_MOVES, "close", DraftState(row.state)), ""
    row.lease_token, row.lease_owner, row.lease_until = row.lease_token + 1, None, None
    db.session.flush()
    _record("courses.captions.discard", row, lecture, at=at, by=by)
