"""Pages: courses, the lecture and its player, what the player reports, media, and the educator's desk."""

import io
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from flask import (
    Response,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from lms.core import clock, i18n, ports, video
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.core.storage import storage
from lms.courses import queries, services
from lms.courses.forms import (
    CaptionsForm,
    CourseForm,
    LectureForm,
    ModuleForm,
    NewCourseForm,
    NoteForm,
    VideoForm,
)
from lms.courses.models import Course, Lecture
from lms.courses.queries import things
from lms.courses.rules import VideoState, wordings
from lms.courses.views import drafting
from lms.courses.views.blueprint import bp
from lms.courses.views.things import closed_page, why_closed
from lms.policy import Actor, Permission, Role, allows
from lms.web import files
from lms.web.errors import problem
from lms.web.forms import Form
from lms.web.guard import actor, lean, members, public, reads_first, staff, takes, wants_json

REPORT_LIMIT_BYTES = 1_000_000
UPLOAD_LIMIT_BYTES = 512 * 1024 * 1024  # of a video
LARGEST_SEQ = 2**31 - 1
TRANSCRIPT_ON_PAGE = 3000
"""Characters of a transcript that stand on the lecture's page; a longer one has a page of its own."""

MEDIA = frozenset({".m3u8", ".m4s", ".mp4", ".m4a", ".webp", ".jpg", ".vtt"})


# Learning


@bp.get("/learn")
@members
def learn() -> ResponseReturnValue:
    """The courses of whoever asks; an only course is shown at once."""
    by = actor()
    found = queries.courses(by)
    may_add = by.is_any(Role.EDUCATOR)
    if len(found) == 1:
        return _course_page(found[0], by)
    own = [course for course in found if by.has(Role.TRAINEE, f"cohort:{course.cohort_id}")]
    return render_template(
        "courses/learn.html",
        tab="learn",
        courses=found,
        outlines=queries.outlines(own, by, at=clock.now()),
        may_add=may_add,
    )


@bp.get("/learn/<course_id>")
@members
def course(course_id: str) -> ResponseReturnValue:
    """One course: its modules and lectures, and how far one has come."""
    by = actor()
    return _course_page(queries.course(course_id, by), by)


def _course_page(course: Course, by: Actor, form: ModuleForm | None = None) -> ResponseReturnValue:
    form = form or ModuleForm()
    return render_template(
        "courses/course.html",
        tab="learn",
        course=course,
        outline=queries.outline(course, by, at=clock.now()),
        may_edit=queries.may_edit(by, course),
        may_desk=allows(by, Permission.DRAFT_READ, course),
        form=form,
    ), form.status


@bp.get("/lectures/<lecture_id>")
@members
def lecture(lecture_id: str) -> ResponseReturnValue:
    """The film first; what the server counts under it; key points, transcript, sizes, outline."""
    by, at = actor(), clock.now()
    found = queries.lecture(lecture_id, by)
    course = found.module.course
    outline = queries.outline(course, by, at=at)
    line = outline.line(found.public_id)
    if line and line.closed:
        return closed_page(found, course, line.closed)
    enrolment = queries.enrolment_in(by, found.cohort_id) if outline.learning else None
    row = found.video
    counted = row is not None and enrolment is not None and found.state == "published"
    before, after = outline.around(found.public_id)
    language, cues = _cues(found)
    wanted = request.args.get("t", type=int)
    media = _media_address(found, by, at) if row else ""
    return render_template(
        "courses/lecture.html",
        tab="learn",
        lecture=found,
        course=course,
        outline=outline,
        before=before,
        after=after,
        video=row,
        files=row.manifest if row else None,
        moments=queries.moments(found),
        from_s=wanted if wanted is not None and 0 <= wanted < 86_400 else None,
        media=media,
        boot=queries.boot(row, media) if counted and row else None,
        seen=queries.seen(enrolment, found) if counted and enrolment else None,
        session=services.player_session(row, enrolment, at=at) if counted and row and enrolment else "",
        cues=cues,
        cues_lang=language,
        cues_here=sum(len(cue.text) for cue in cues) <= TRANSCRIPT_ON_PAGE,
        may_edit=queries.may_edit(by, course),
        notes=queries.notes(found, by),
        note_form=NoteForm(),
        keeps=queries.keepable(row) if counted and row else [],
        is_overdue=wordings.is_overdue(found.review_due_on, clock.today(at)),
        checkpoints=[one for provider in ports.checkpoints for one in provider.of(found.id, by.person_id)],
    )


def _media_address(lecture: Lecture, by: Actor, at: Any) -> str:
    assert lecture.video
    token = services.media_token(lecture.video, by=by, at=at)
    return f"/media/{token}/{lecture.video.public_id}/"


def _cues(lecture: Lecture) -> tuple[str, list[services.Cue]]:
    """The captions in the reader's language, else in the one there is."""
    by_lang = {caption.lang: caption for caption in lecture.captions}
    found = by_lang.get(i18n.html_lang()) or next(iter(by_lang.values()), None)
    return (found.lang, services.cues(found.text)) if found else ("", [])


@bp.get("/lectures/<lecture_id>/transcript")
@members
def transcript(lecture_id: str) -> ResponseReturnValue:
    """What is said in the lecture, to read."""
    found = queries.lecture(lecture_id, actor())
    language, cues = _cues(found)
    if not cues or why_closed(found, found.module.course, actor()):
        raise NotFound
    q = request.args.get("q", "").strip()[:80]
    cues = [cue for cue in cues if q.casefold() in cue.text.casefold()]
    return render_template(
        "courses/transcript.html", tab="learn", lecture=found, cues=cues, cues_lang=language, q=q
    )


@bp.get("/lectures/<lecture_id>/captions/<lang>.vtt")
@members
def captions(lecture_id: str, lang: str) -> ResponseReturnValue:
    """The captions of a lecture in one language."""
    by = actor()
    whole = queries.lecture(lecture_id, by)
    found = next((one for one in whole.captions if one.lang == lang), None)
    if found is None or why_closed(whole, whole.module.course, by):
        raise NotFound
    response = Response(found.text, content_type="text/vtt; charset=utf-8")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


# What the player reports


@bp.post("/lectures/<lecture_id>/beats")
@members
@takes(REPORT_LIMIT_BYTES)
def beat(lecture_id: str) -> ResponseReturnValue:
    """Count what a player has played. JSON ``{session, seq, intervals: [[start, end], …], again: […], position, rate}``.

    Beacons of a page that is left may call it plain text. What no honest player sends is a 422: sending it again is
    no use.
    """
    try:
        report = request.get_json(force=True, silent=True)
    except RecursionError:
        report = None
    given: dict[str, Any] = report if isinstance(report, dict) else {}
    session, seq, position = given.get("session"), given.get("seq"), given.get("position")
    if not isinstance(session, str) or type(seq) is not int or not 0 < seq <= LARGEST_SEQ:
        return problem(422, "bad_report", _("The player sent something that cannot have been played."))
    if isinstance(position, bool) or not isinstance(position, int | float) or not math.isfinite(position):
        position = None
    found, enrolment = queries.reporting(lecture_id, actor())
    try:
        with transaction():
            counted = services.beat(
                found,
                enrolment,
                session=session,
                seq=seq,
                intervals=given.get("intervals"),
                again=given.get("again", ()),
                position_s=position,
                at=clock.now(),
            )
    except RuleBroken as refusal:
        return problem(422, refusal.code, refusal.message)
    return jsonify(asdict(counted))


# Media


@bp.get("/media/<token>/<video_id>/<path:name>")
@public
@lean
def media(token: str, video_id: str, name: str) -> ResponseReturnValue:
    """A file of a published video, behind an address signed for one person and a shift; asks no database."""
    folder = services.check_media_token(token, video_id, at=clock.now())
    if Path(name).suffix not in MEDIA:
        raise NotFound
    try:
        return files.send(f"{folder}/{name}")
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound from None


@bp.get("/media/<token>/<video_id>/stills/<int:second>.webp")
@public
@lean
def still(token: str, video_id: str, second: int) -> ResponseReturnValue:
    """One small picture of a film, cut out of its sheet of thumbnails; behind the same signed address."""
    folder = services.check_media_token(token, video_id, at=clock.now())
    try:
        data = video.still(folder, second, read=storage().read)
    except OSError:
        raise NotFound from None
    answer = Response(data, content_type="image/webp")
    answer.headers["Cache-Control"] = "private, max-age=2592000, immutable"
    return answer


# The educator's desk


@bp.route("/learn/new", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def new_course() -> ResponseReturnValue:
    """Open a course for a cohort."""
    by = actor()
    cohorts = {cohort.public_id: cohort for cohort in queries.taught_cohorts(by)}
    form = NewCourseForm.of_request()
    form.offer(cohorts)
    if request.method == "POST" and form.run(
        lambda: services.add_course(
            cohorts[form.cohort.data],
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            summary_zh=form.summary_zh.data,
            summary_en=form.summary_en.data,
            client_uuid=form.client_uuid.data,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for(".course", course_id=form.result.public_id), 303)
    return render_template("courses/new_course.html", tab="learn", form=form), form.status


@bp.route("/learn/<course_id>/edit", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def edit_course(course_id: str) -> ResponseReturnValue:
    """Change a course's words."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    form = CourseForm.of_request(obj=found)
    if request.method == "POST" and form.run(
        lambda: services.edit_course(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            summary_zh=form.summary_zh.data,
            summary_en=form.summary_en.data,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for(".course", course_id=course_id), 303)
    return render_template("courses/edit_course.html", tab="learn", course=found, form=form), form.status


@bp.post("/learn/<course_id>/publish")
@staff(Role.EDUCATOR)
def publish_course(course_id: str) -> ResponseReturnValue:
    """Let the cohort see the course."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    with transaction():
        services.publish_course(found, at=clock.now(), by=by)
    flash(_("The cohort sees this course now, with the lectures that are published."), "success")
    return redirect(url_for(".course", course_id=course_id), 303)


@bp.post("/learn/<course_id>/modules")
@staff(Role.EDUCATOR)
def add_module(course_id: str) -> ResponseReturnValue:
    """Append a module to a course."""
    by = actor()
    found = queries.course(course_id, by, permission=Permission.COURSE_EDIT)
    form = ModuleForm.of_request()
    if form.run(
        lambda: services.add_module(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            client_uuid=form.client_uuid.data,
            at=clock.now(),
            by=by,
        )
    ):
        return redirect(url_for(".course", course_id=course_id), 303)
    return _course_page(found, by, form)


@bp.route("/modules/<module_id>/lectures", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def new_lecture(module_id: str) -> ResponseReturnValue:
    """Append a lecture to a module; its video and captions follow on its desk."""
    by = actor()
    module = queries.module(module_id, by)
    form = LectureForm.of_request()
    if request.method == "POST" and form.run(
        lambda: services.add_lecture(
            module,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            summary_zh=form.summary_zh.data,
            summary_en=form.summary_en.data,
            key_points=form.points,
            client_uuid=form.client_uuid.data,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for(".desk", lecture_id=form.result.public_id), 303)
    return render_template("courses/new_lecture.html", tab="learn", module=module, form=form), form.status


def _desk(
    lecture: Lecture,
    *,
    words: LectureForm | None = None,
    film: VideoForm | None = None,
    caption: CaptionsForm | None = None,
) -> ResponseReturnValue:
    """A lecture's desk; of its three forms at most one has just been refused."""
    shown = next((form for form in (words, film, caption) if form is not None), None)
    versions = queries.videos(lecture)
    return render_template(
        "courses/desk.html",
        tab="learn",
        lecture=lecture,
        course=lecture.module.course,
        versions=versions,
        uploads=[(row, services.received_bytes(row)) for row in queries.uploads(lecture, actor())],
        largest_bytes=video.Limits().max_bytes,
        under_way=next((row for row in versions if row.state in {"uploaded", "transcoding"}), None),
        trouble=queries.trouble,
        progress_words=queries.progress_words,
        refused=shown or words,
        words=words or LectureForm.showing(things.draft_of(lecture)),
        film=film or VideoForm(),
        caption=caption or CaptionsForm(),
        limit_bytes=UPLOAD_LIMIT_BYTES,
        standing=things.standing(lecture, actor(), at=clock.now()),
        **drafting.on_desk(lecture),
    ), shown.status if shown else 200


def _mine(lecture_id: str, by: Actor) -> Lecture:
    return queries.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)


@bp.route("/lectures/<lecture_id>/edit", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def desk(lecture_id: str) -> ResponseReturnValue:
    """Everything an educator does with a lecture: words, video, captions, publishing."""
    by = actor()
    found = _mine(lecture_id, by)
    if request.method == "GET":
        return _desk(found)
    form = LectureForm.of_request()
    if form.run(
        lambda: services.edit_lecture(
            found,
            title_zh=form.title_zh.data,
            title_en=form.title_en.data,
            summary_zh=form.summary_zh.data,
            summary_en=form.summary_en.data,
            key_points=form.points,
            at=clock.now(),
            by=by,
        )
    ):
        flash(_("Saved."), "success")
        return redirect(url_for(".desk", lecture_id=lecture_id), 303)
    return _desk(found, words=form)


@bp.post("/lectures/<lecture_id>/publish")
@staff(Role.EDUCATOR)
def publish_lecture(lecture_id: str) -> ResponseReturnValue:
    """Let the cohort watch it."""
    by = actor()
    found = _mine(lecture_id, by)
    form = Form.of_request()
    if not form.run(lambda: services.publish_lecture(found, at=clock.now(), by=by)):
        flash(form.problems[0], "error")
    return redirect(url_for(".desk", lecture_id=lecture_id), 303)


@bp.post("/lectures/<lecture_id>/withdraw")
@staff(Role.EDUCATOR)
def withdraw_lecture(lecture_id: str) -> ResponseReturnValue:
    """Take it back into draft; what was watched stays."""
    by = actor()
    with transaction():
        services.withdraw_lecture(_mine(lecture_id, by), at=clock.now(), by=by)
    return redirect(url_for(".desk", lecture_id=lecture_id), 303)


@bp.post("/lectures/<lecture_id>/captions")
@staff(Role.EDUCATOR)
def set_captions(lecture_id: str) -> ResponseReturnValue:
    """Put captions of one language beside the video; the newest replaces the one before."""
    by = actor()
    found = _mine(lecture_id, by)
    form = CaptionsForm.of_request()
    if form.run(lambda: _keep_captions(found, form, by)):
        flash(_("The captions are beside the video now, and the transcript is made from them."), "success")
        return redirect(url_for(".desk", lecture_id=lecture_id), 303)
    return _desk(found, caption=form)


def _keep_captions(lecture: Lecture, form: CaptionsForm, by: Actor) -> None:
    data = form.captions.data.stream.read(services.CAPTIONS_LIMIT_BYTES + 1)
    text = services.captions_text(data)
    services.set_captions(lecture, lang=form.lang.data, text=text, at=clock.now(), by=by)


@bp.post("/lectures/<lecture_id>/video")
@staff(Role.EDUCATOR)
@takes(UPLOAD_LIMIT_BYTES)
@reads_first
def upload(lecture_id: str) -> ResponseReturnValue:
    """Take a video: door first, then the size, then the file, then a look into it; only then a transaction."""
    by = actor()
    found = _mine(lecture_id, by)
    limit = UPLOAD_LIMIT_BYTES
    if (request.content_length or 0) > limit:
        # Nothing was read yet, and nothing will be: the page below asks for the form's hidden fields.
        request.environ |= {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        return _desk(found, film=_refused(VideoForm(), video.VideoRefused("too_large")))
    db.session.rollback()  # an upload takes minutes on a slow line; hold no snapshot meanwhile
    form = VideoForm.of_request()
    if not form.validate():
        return _desk(_mine(lecture_id, by), film=form)
    if form.upload.data and services.uploaded_before(_mine(lecture_id, by), form.client_uuid.data):
        return redirect(url_for(".desk", lecture_id=lecture_id) + "#video-part", 303)
    try:
        received, name = _brought(form, lecture_id, by)
    except RuleBroken as refusal:
        return _desk(_mine(lecture_id, by), film=_refused(form, refusal))
    try:
        examined = services.examine_video(received)
        with transaction():
            services.receive_video(
                _mine(lecture_id, by),
                received,
                name=name,
                client_uuid=form.client_uuid.data,
                examined=examined,
                at=clock.now(),
                by=by,
            )
    except RuleBroken as refusal:
        if isinstance(refusal, video.VideoRefused):
            _forget_pieces(form)
        return _desk(_mine(lecture_id, by), film=_refused(form, refusal))
    finally:
        storage().discard(received)
    _forget_pieces(form)
    flash(_("The video has been received and is being prepared."), "success")
    return redirect(url_for(".desk", lecture_id=lecture_id) + "#video-part", 303)


def _brought(form: VideoForm, lecture_id: str, by: Actor) -> tuple[Path, str]:
    """The file that the form brings, or the one that came in pieces before; and its name. Raises RuleBroken."""
    if form.upload.data:
        return services.whole_upload(_mine(lecture_id, by), form.upload.data, by=by)
    given: FileStorage = form.video.data
    try:
        received = storage().receive(cast("BinaryIO", given.stream), limit_bytes=UPLOAD_LIMIT_BYTES)
    except ValueError:
        raise video.VideoRefused("too_large") from None
    return received, given.filename or ""


def _forget_pieces(form: VideoForm) -> None:
    """An upload in pieces has become a video, or never will; whatever else goes wrong, it stays."""
    if form.upload.data:
        with transaction():
            services.forget_upload(form.upload.data)


def _refused(form: VideoForm, refusal: RuleBroken) -> VideoForm:
    form.refuse(RuleBroken(refusal.code, refusal.message, field="video"))
    return form


@bp.get("/lectures/<lecture_id>/videos/<video_id>")
@staff(Role.EDUCATOR)
def video_progress(lecture_id: str, video_id: str) -> ResponseReturnValue:
    """How far a video has come, for the page that waits for it."""
    row = queries.video_of(_mine(lecture_id, actor()), video_id)
    if not wants_json():
        return redirect(url_for(".desk", lecture_id=lecture_id) + "#video-part", 303)
    return jsonify(
        done=100 if row.state == VideoState.READY else min(row.progress_percent, 99),
        total=100,
        text=queries.progress_words(row),
        state=row.state,
    )


@bp.post("/lectures/<lecture_id>/videos/<video_id>/cancel")
@staff(Role.EDUCATOR)
def cancel_video(lecture_id: str, video_id: str) -> ResponseReturnValue:
    """Stop preparing a video."""
    by = actor()
    found = _mine(lecture_id, by)
    with transaction():
        services.cancel_transcode(queries.video_of(found, video_id), found, at=clock.now(), by=by)
    return redirect(url_for(".desk", lecture_id=lecture_id) + "#video-part", 303)


@bp.post("/lectures/<lecture_id>/videos/<video_id>/retry")
@staff(Role.EDUCATOR)
def retry_video(lecture_id: str, video_id: str) -> ResponseReturnValue:
    """Try again to prepare a video."""
    by = actor()
    found = _mine(lecture_id, by)
    with transaction():
        services.retry_transcode(queries.video_of(found, video_id), found, at=clock.now(), by=by)
    return redirect(url_for(".desk", lecture_id=lecture_id) + "#video-part", 303)
