"""Captions that the site's recogniser drafts: asking for them, waiting, letting go."""

from typing import Any

from flask import flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import clock, site
from lms.core.db import transaction
from lms.core.errors import RuleBroken
from lms.courses import queries, services
from lms.courses.models import CaptionDraft, Lecture
from lms.courses.rules import DraftState
from lms.courses.services.drafting import trouble
from lms.courses.views.blueprint import bp
from lms.policy import Permission, Role
from lms.web.guard import actor, staff, wants_json


def on_desk(lecture: Lecture) -> dict[str, Any]:
    """What the desk shows of drafts."""
    found = queries.drafts(lecture)
    can = bool(site.settings().transcriber) and bool(lecture.video and lecture.video.audio_bytes)
    return {
        "drafts": found,
        "drafts_under_way": any(row.state in {"asked", "drafting"} for row in found),
        "draft_words": queries.draft_words,
        "draft_trouble": trouble,
        "can_draft": can,
        "draftable": [one for one in services.CAPTION_LANGS if one not in {row.lang for row in found}],
    }


def in_editor(lecture: Lecture, lang: str) -> CaptionDraft | None:
    """The draft that the editor's address asks for, while it is one."""
    if "draft" not in request.args:
        return None
    ready = (row for row in queries.drafts(lecture) if row.state == DraftState.READY)
    return next((row for row in ready if row.lang == lang), None)


def _mine(lecture_id: str) -> Lecture:
    return queries.lecture(lecture_id, actor(), permission=Permission.COURSE_EDIT)


def _to_desk(lecture_id: str) -> ResponseReturnValue:
    return redirect(url_for(".desk", lecture_id=lecture_id) + "#captions-part", 303)


@bp.post("/lectures/<lecture_id>/drafts")
@staff(Role.EDUCATOR)
def ask_draft(lecture_id: str) -> ResponseReturnValue:
    """Have captions drafted in the language that is spoken."""
    found = _mine(lecture_id)
    try:
        with transaction():
            services.ask_draft(found, lang=request.form.get("lang", ""), at=clock.now(), by=actor())
    except RuleBroken as refusal:
        flash(refusal.message, "error")
    return _to_desk(lecture_id)


@bp.get("/lectures/<lecture_id>/drafts/<draft_id>")
@staff(Role.EDUCATOR)
def draft_progress(lecture_id: str, draft_id: str) -> ResponseReturnValue:
    """How far a draft has come, for the page that waits for it."""
    row = queries.draft_of(_mine(lecture_id), draft_id)
    if not wants_json():
        return _to_desk(lecture_id)
    is_waiting = row.state in {DraftState.ASKED, DraftState.DRAFTING}
    return jsonify(
        done=min(row.progress_percent, 99) if is_waiting else 100,
        total=100,
        text=queries.draft_words(row),
        state=row.state,
    )


@bp.post("/lectures/<lecture_id>/drafts/<draft_id>/discard")
@staff(Role.EDUCATOR)
def discard_draft(lecture_id: str, draft_id: str) -> ResponseReturnValue:
    """Stop drafting, or throw a draft away."""
    found = _mine(lecture_id)
    with transaction():
        services.discard_draft(queries.draft_of(found, draft_id), found, at=clock.now(), by=actor())
    return _to_desk(lecture_id)
