"""Pages of practice: checkpoints in lectures, rounds by topic, answers with their reasons."""

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, rules, services
from lms.assessments.models import PracticeAnswer
from lms.assessments.views.blueprint import bp
from lms.core import clock, ids
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.courses import queries as courses
from lms.policy import Permission, Role
from lms.web.forms import Form, request_value
from lms.web.guard import actor, members, reads_first, staff


def is_piece() -> bool:
    """Whether a script of ours asks, who needs the changing part only."""
    return request.headers.get("X-Requested-With") == "lms"


def pose(
    question_id: int, answer: Callable[[queries.Posed, str, int | None], PracticeAnswer], **page: Any
) -> ResponseReturnValue:
    """Put a question (GET), or take its answer and lead to the reason (POST)."""
    client_uuid = request_value("client_uuid") if request.method == "POST" else ids.token()
    if not 8 <= len(client_uuid) <= 64:
        raise NotFound
    form = Form()
    posed = queries.posed(question_id, client_uuid)
    given = request_value("certainty")
    certainty = int(given) if given in {"1", "2", "3"} else None
    fields = list(request.form.items(multi=True))
    answers, refused = queries.read_form(posed, request.form.getlist)
    step = queries.step_of(posed, fields, closes=False, by=actor())
    if request.method == "POST" and step is not None and not step.is_last and not refused:
        step = queries.step_of(posed, fields, closes=True, by=actor())
    elif request.method == "POST":
        if form.run(lambda: answer(posed, client_uuid, certainty)):
            return redirect(url_for("assessments.practice_answer", public_id=form.result.public_id), 303)
        posed = queries.posed(question_id, client_uuid)
    return render_template(
        "assessments/posed_piece.html" if is_piece() else "assessments/posed.html",
        form=form,
        posed=posed,
        step=step,
        answers=answers | {slot: one.given for slot, one in refused.items()},
        refused={slot: one.why for slot, one in refused.items()},
        certainty=certainty,
        client_uuid=client_uuid,
        action=request.path,
        **page,
    ), form.status


@bp.get("/practice/answers/<public_id>")
@members
def practice_answer(public_id: str) -> ResponseReturnValue:
    """What was answered, what is right and why; then what next."""
    by = actor()
    found = queries.own_answer(public_id, by)
    stand = queries.round_stand(queries.own_round_of(found, by)) if found.round_id else None
    lecture = queries.lecture_of(found)
    return render_template(
        "assessments/answer_piece.html" if is_piece() else "assessments/answer.html",
        told=queries.told(found),
        stand=stand,
        lecture=lecture,
        rates=found.card_id is not None and queries.review_of(found.id) is None,
        tab="learn" if lecture else "tests",
    )


# ---------------------------------------------------------------- practice by topic


@bp.route("/practice", methods=["GET", "POST"])
@members
def practice() -> ResponseReturnValue:
    """Choose a topic and begin; how one's own practice went."""
    by, at = actor(), clock.now()
    place = queries.own_place(by)
    form = Form.of_request()
    size = request_value("size")
    if request.method == "POST" and form.run(
        lambda: services.begin_round(
            topic=request_value("topic")[:120],
            size=int(size) if size.isascii() and size.isdigit() else 0,
            with_certainty=bool(request_value("certainty")),
            client_uuid=request_value("client_uuid")[:64],
            today=clock.today(at),
            by=by,
            at=at,
        )
    ):
        return redirect(url_for("assessments.practice_round", public_id=form.result.public_id), 303)
    return render_template(
        "assessments/practice.html",
        form=form,
        topics=queries.practice_topics(place.programme_id, clock.today(at)),
        sizes=rules.ROUND_SIZES,
        history=queries.history(by),
        due=queries.deck(by, at).due,
        answers=queries.own_answers(by, limit=10),
        tab="tests",
    ), form.status


@bp.route("/practice/rounds/<public_id>", methods=["GET", "POST"])
@members
@reads_first
def practice_round(public_id: str) -> ResponseReturnValue:
    """The next question of a round; after the last one, how it went."""
    by, at = actor(), clock.now()
    found = queries.own_round(public_id, by)
    stand = queries.round_stand(found)
    if stand.next_id is None:
        return render_template("assessments/round.html", stand=stand, tab="tests")
    asked = request_value("question") if request.method == "POST" else ""
    question_id = int(asked) if asked.isascii() and asked.isdigit() else stand.next_id
    if question_id not in found.questions:
        raise NotFound
    return pose(
        question_id,
        lambda posed, client_uuid, certainty: services.answer_round(
            found,
            posed,
            request.form.getlist,
            certainty=certainty,
            client_uuid=client_uuid,
            by=by,
            at=at,
        ),
        with_certainty=found.with_certainty,
        stand=stand,
        tab="tests",
    )


# ---------------------------------------------------------------- checkpoints


@bp.route("/checkpoints/<public_id>", methods=["GET", "POST"])
@members
@reads_first
def checkpoint(public_id: str) -> ResponseReturnValue:
    """The question of a checkpoint, for whoever watches its lecture."""
    by, at = actor(), clock.now()
    found, lecture = queries.checkpoint(public_id, by, permission=Permission.LECTURE_WATCH)
    enrolment = courses.enrolment_in(by, lecture.cohort_id)
    if enrolment is None:
        raise NotFound
    return pose(
        found.question_id,
        lambda posed, client_uuid, _certainty: services.answer_checkpoint(
            found,
            lecture,
            posed,
            request.form.getlist,
            enrolment_id=enrolment.id,
            client_uuid=client_uuid,
            by=by,
            at=at,
        ),
        lecture=lecture,
        tab="learn",
    )


@bp.route("/lectures/<lecture_id>/checkpoints", methods=["GET", "POST"])
@staff(Role.EDUCATOR)
def checkpoints(lecture_id: str) -> ResponseReturnValue:
    """Where an educator puts questions of a practice bank into a lecture."""
    by, at = actor(), clock.now()
    lecture = courses.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    form = Form.of_request()
    if request.method == "POST" and form.run(
        lambda: services.place_checkpoint(
            lecture,
            request_value("question"),
            at_s=_second(request_value("when"), request_value("minute"), request_value("second")),
            is_required=bool(request_value("required")),
            today=clock.today(at),
            by=by,
            at=at,
        )
    ):
        flash(_("The question stands in the lecture."), "success")
        return redirect(url_for("assessments.checkpoints", lecture_id=lecture_id), 303)
    if form.failed:
        lecture = courses.lecture(lecture_id, by, permission=Permission.COURSE_EDIT)
    return render_template(
        "assessments/checkpoints.html",
        lecture=lecture,
        placed=queries.placed_checkpoints(lecture),
        offered=queries.placeable(lecture.programme_id, clock.today(at)),
        form=form,
        tab="learn",
    ), form.status


def _second(when: str, minute: str, second: str) -> int | None:
    """Second of the film; None: after it. What is no number lies outside of every film."""
    if when == "after":
        return None
    parts = [part or "0" for part in (minute[:6], second[:6])]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return -1
    return int(parts[0]) * 60 + int(parts[1])


@bp.post("/checkpoints/<public_id>/remove")
@staff(Role.EDUCATOR)
def remove_checkpoint(public_id: str) -> ResponseReturnValue:
    """Take a question out of its lecture."""
    by, at = actor(), clock.now()
    found, lecture = queries.checkpoint(public_id, by, permission=Permission.COURSE_EDIT)
    form = Form.of_request()
    form.run(lambda: services.remove_checkpoint(found, lecture, by=by, at=at))
    flash(_("The question is out of the lecture. What was answered stays."), "success")
    return redirect(url_for("assessments.checkpoints", lecture_id=lecture.public_id), 303)
