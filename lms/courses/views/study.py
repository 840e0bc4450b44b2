"""Pages beside the film: one's own notes, chapters, and lectures kept on a phone."""

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.courses import queries, services
from lms.courses.forms import CaptionTextForm, ChaptersForm, NoteForm
from lms.courses.views import drafting
from lms.courses.views.blueprint import bp
from lms.policy import Permission, Role
from lms.web.guard import actor, members, staff, takes


@bp.post("/lectures/<lecture_id>/lease")
@members
def lease(lecture_id: str) -> ResponseReturnValue:
    """Let this person's phone watch the lecture without a connection, and be counted later."""
    found, enrolment = queries.watching(lecture_id, actor())
    return jsonify(lease=services.give_lease(found, enrolment, at=clock.now()))


@bp.get("/learn/offline")
@members
def offline_lectures() -> ResponseReturnValue:
    """What is kept on this phone, with its MB; the phone itself knows."""
    return render_template("courses/offline.html", tab="learn")


@bp.route("/lectures/<lecture_id>/notes", methods=["GET", "POST"])
@members
def notes(lecture_id: str) -> ResponseReturnValue:
    """One's own notes in a lecture, and another one."""
    by = actor()
    found = queries.lecture(lecture_id, by)
    form = NoteForm.of_request()
    if request.method == "POST" and form.run(
        lambda: services.add_note(
            found,
            at_s=form.at_s.data or 0,
            text=form.text.data or "",
            client_uuid=form.client_uuid.data,
            at=clock.now(),
            by=by,
        )
    ):
        return redirect(
            url_for(".lecture", lecture_id=lecture_id, t=form.result.at_s or None) + "#notes", 303
        )
    found = queries.lecture(lecture_id, by)
    return render_template(
        "courses/notes.html", tab="learn", lecture=found, notes=queries.notes(found, by), form=form
    ), form.status


@bp.post("/lectures/<lecture_id>/notes/<note_id>/remove")
@members
def remove_note(lecture_id: str, note_id: str) -> ResponseReturnValue:
    """Throw one of one's own notes away."""
    by = actor()
    found = queries.lecture(lecture_id, by)
    with transaction():
        services.remove_note(queries.note(found, note_id, by))
    return redirect(url_for(".lecture", lecture_id=lecture_id) + "#notes", 303)


@bp.route("/lectures/<lecture_id>/captions/<lang>/edit", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
@takes(4 * services.CAPTIONS_LIMIT_BYTES)
def edit_captions(lecture_id: str, lang: str) -> ResponseReturnValue:
    """Captions beside the film, timed by keys; without JavaScript a text."""
    by, at = actor(), clock.now()
    found = queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    if lang not in services.CAPTION_LANGS:
        raise NotFound
    draft = drafting.in_editor(found, lang)
    saves = draft is not None and request.form.get("act") == "save"
    form = CaptionTextForm.of_request()

    def keep() -> None:
        text = form.text.data or ""
        if draft is None:
            services.set_captions(found, lang=lang, text=text, at=at, by=by)
        else:
            (services.save_draft if saves else services.publish_draft)(draft, found, text=text, at=at, by=by)

    if request.method == "POST" and form.run(keep):
        if saves:
            flash(_("The draft is saved. Learners do not see it yet."), "success")
            return redirect(url_for(".edit_captions", lecture_id=lecture_id, lang=lang, draft=1), 303)
        flash(_("The captions are beside the video now, and the transcript is made from them."), "success")
        return redirect(url_for(".desk", lecture_id=lecture_id), 303)
    if request.method == "POST":
        found = queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    else:
        kept = next((one.text for one in found.captions if one.lang == lang), "WEBVTT\n\n")
        form = CaptionTextForm(text=draft.text if draft else kept)
    row = found.video
    try:
        sound = services.whole_sound(row)
    except NotFound:
        sound = None
    media = f"/media/{services.media_token(row, by=by, at=at)}/{row.public_id}/" if row else ""
    return render_template(
        "courses/edit_captions.html",
        tab="learn",
        lecture=found,
        caption_lang=lang,
        form=form,
        is_draft=draft is not None,
        media=media,
        sound=sound,
        window_s=services.WINDOW_S,
        files=row.manifest if row else None,
    ), form.status


@bp.get("/lectures/<lecture_id>/videos/<video_id>/sound.svg")
@staff(Role.EDUCATOR)
def sound(lecture_id: str, video_id: str) -> ResponseReturnValue:
    """Twenty seconds of the sound, drawn, for the editor of captions."""
    found = queries.lecture(lecture_id, actor(), permission=Permission.COURSE_EDIT)
    row = queries.video_of(found, video_id)
    drawn = services.part_of_sound(row, request.args.get("from", 0, type=int))
    answer = Response(
        render_template("courses/sound.svg", sound=drawn), content_type="image/svg+xml; charset=utf-8"
    )
    answer.headers["Cache-Control"] = "private, max-age=86400"
    return answer


@bp.route("/lectures/<lecture_id>/chapters", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def chapters(lecture_id: str) -> ResponseReturnValue:
    """The chapters of a lecture; where it has none, the changes of slides are proposed."""
    by = actor()
    found = queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    if request.method == "GET":
        form = ChaptersForm.showing(found)
    else:
        form = ChaptersForm.of_request()
        if form.run(lambda: services.set_chapters(found, form.rows, at=clock.now(), by=by)):
            flash(_("Saved."), "success")
            return redirect(url_for(".desk", lecture_id=lecture_id), 303)
        found = queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    row = found.video
    return render_template(
        "courses/chapters.html",
        tab="learn",
        lecture=found,
        moments=queries.moments(found),
        media=f"/media/{services.media_token(row, by=by, at=clock.now())}/{row.public_id}/" if row else "",
        form=form,
        is_proposed=not found.chapters and request.method == "GET",
    ), form.status
