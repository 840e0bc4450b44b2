"""Acts of practice: place a checkpoint, begin a round, answer. Marked by the rules that mark sittings; counts for nothing."""

from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import Checkpoint, ItemBank, PracticeAnswer, PracticeRound, Question
from lms.assessments.queries import Posed
from lms.core import audit, ids, ports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.courses.models import Lecture
from lms.policy import Actor, Permission

# ---------------------------------------------------------------- checkpoints


def place_checkpoint(
    lecture: Lecture,
    question_public_id: str,
    *,
    at_s: int | None,
    is_required: bool,
    today: date,
    by: Actor,
    at: datetime,
) -> Checkpoint:
    """Put a question at a second of a lecture's film (None: after it); a question that stands there already is moved.

    Raises RuleBroken("wrong_bank") for a question that is none of the programme's practice banks, ("not_in_use") for one that
    cannot be practised, ("at_s") for a second that the film has not.
    """
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    question = (
        db.session.scalar(
            select(Question)
            .join(ItemBank, ItemBank.id == Question.bank_id)
            .options(joinedload(Question.bank))
            .where(
                Question.public_id == question_public_id,
                ItemBank.programme_id == lecture.programme_id,
                ItemBank.purpose == rules.Purpose.PRACTICE,
            )
        )
        if ids.is_public_id(question_public_id)
        else None
    )
    if question is None:
        raise RuleBroken("wrong_bank", _("Checkpoints take their questions from practice banks only."))
    policy.require(by, Permission.BANK_READ, question)
    in_use = queries.usable(lecture.programme_id, today).where(Question.id == question.id)
    if db.session.execute(in_use).first() is None:
        raise RuleBroken("not_in_use", _("This question is not in use."))
    length = lecture.video.duration_s if lecture.video else 0
    if at_s is not None and not 0 <= at_s <= length:
        raise RuleBroken("at_s", _("The film is not that long."))
    found = db.session.scalar(
        select(Checkpoint)
        .where(Checkpoint.lecture_id == lecture.id, Checkpoint.question_id == question.id)
        .with_for_update()
    )
    if found is None:
        found = Checkpoint(lecture_id=lecture.id, question_id=question.id, bank_id=question.bank_id)
        db.session.add(found)
    found.at_s, found.is_required, found.removed_at = at_s, is_required, None
    found.account_id, found.placed_at = by.account_id, at
    db.session.flush()
    _record("checkpoint.place", lecture, found, by=by, at=at)
    return found


def remove_checkpoint(checkpoint: Checkpoint, lecture: Lecture, *, by: Actor, at: datetime) -> None:
    """Take a checkpoint out of its lecture; what was answered stays. Twice is once."""
    policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if checkpoint.removed_at is None:
        checkpoint.removed_at = at
        db.session.flush()
        _record("checkpoint.remove", lecture, checkpoint, by=by, at=at)


def _record(act: str, lecture: Lecture, checkpoint: Checkpoint, *, by: Actor, at: datetime) -> None:
    audit.record(
        f"assessments.{act}",
        scope=f"programme:{lecture.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"lecture:{lecture.public_id}",
        checkpoint=checkpoint.public_id,
    )


# ---------------------------------------------------------------- rounds


def begin_round(
    *, topic: str, size: int, with_certainty: bool, client_uuid: str, today: date, by: Actor, at: datetime
) -> PracticeRound:
    """Draw the questions of a round. Two clicks are one round. Raises RuleBroken("no_items") where the topic has none."""
    place = queries.own_place(by)
    kept = db.session.scalar(
        select(PracticeRound).where(
            PracticeRound.trainee_person_id == by.person_id, PracticeRound.client_uuid == client_uuid
        )
    )
    if kept is not None:
        return kept
    if size not in rules.ROUND_SIZES:
        raise RuleBroken("size", _("Choose how many questions."))
    found = queries.usable(place.programme_id, today)
    if topic:
        found = found.where(Question.topic == topic)
    offered = [question.id for question, _version in db.session.execute(found)]
    if not offered:
        raise RuleBroken("no_items", _("There is nothing to practise on this topic yet."))
    answers = queries.last_answers(by.person_id, offered)
    questions = rules.draw_round(
        {one: answers[one].at if one in answers else None for one in offered},
        size,
        queries.seed_of(client_uuid),
        right_last=[one for one, answer in answers.items() if answer.is_right],
    )
    begun = PracticeRound(
        enrolment_id=place.enrolment_id,
        trainee_person_id=by.person_id,
        topic=topic,
        questions=questions,
        with_certainty=with_certainty,
        client_uuid=client_uuid,
        begun_at=at,
    )
    db.session.add(begun)
    db.session.flush()
    _practised("round", begun.enrolment_id, f"round:{begun.public_id}", by=by, at=at)
    return begun


# ---------------------------------------------------------------- answers

Values = Callable[[str], list[str]]
"""Name of a field → what was sent for it."""


def answer_round(
    round: PracticeRound,  # noqa: A002 (a round of practice)
    posed: Posed,
    values: Values,
    *,
    certainty: int | None,
    client_uuid: str,
    by: Actor,
    at: datetime,
) -> PracticeAnswer:
    """Mark an answer in a round; each question is answered once, a second time finds the first answer."""
    policy.require(by, Permission.PRACTICE_READ, round)
    queries.own_place(by)
    kept = db.session.scalar(
        select(PracticeAnswer).where(
            PracticeAnswer.round_id == round.id, PracticeAnswer.question_id == posed.question.id
        )
    )
    if kept is not None:
        return kept
    if posed.question.id not in round.questions:
        raise RuleBroken("not_in_round", _("This question does not belong to the round."))
    rules.require_certainty(certainty, is_asked=round.with_certainty)
    answer = marked(posed, values, enrolment_id=round.enrolment_id, client_uuid=client_uuid, by=by, at=at)
    answer.round_id, answer.certainty = round.id, certainty
    return keep(answer, by=by, at=at)


def answer_checkpoint(
    checkpoint: Checkpoint,
    lecture: Lecture,
    posed: Posed,
    values: Values,
    *,
    enrolment_id: int,
    client_uuid: str,
    by: Actor,
    at: datetime,
) -> PracticeAnswer:
    """Mark an answer at a checkpoint. Whoever answers again is marked again, and every answer stays."""
    policy.require(by, Permission.LECTURE_WATCH, lecture, see=Permission.COURSE_READ)
    kept = kept_answer(client_uuid, by)
    if kept is not None:
        return kept
    answer = marked(posed, values, enrolment_id=enrolment_id, client_uuid=client_uuid, by=by, at=at)
    answer.checkpoint_id = checkpoint.id
    keep(answer, by=by, at=at)
    for tell in ports.checkpoint_answered:
        tell(enrolment_id, lecture.id, at)
    return answer


def kept_answer(client_uuid: str, by: Actor) -> PracticeAnswer | None:
    """The answer that a form has given already."""
    return db.session.scalar(
        select(PracticeAnswer).where(
            PracticeAnswer.trainee_person_id == by.person_id, PracticeAnswer.client_uuid == client_uuid
        )
    )


def marked(
    posed: Posed, values: Values, *, enrolment_id: int, client_uuid: str, by: Actor, at: datetime
) -> PracticeAnswer:
    """Read and mark a form by the rules of sittings.

    Raises RuleBroken: ``unreadable`` where something cannot be read, ``no_answer`` where nothing was answered.
    """
    version, key = posed.version, posed.revision.key
    responses, refused = queries.read_form(posed, values)
    for slot, one in refused.items():
        message = _("Question %(n)s: %(why)s", n=slot, why=one.why) if len(posed.items) > 1 else one.why
        raise RuleBroken("unreadable", message)
    score, maximum = Fraction(0), Fraction(0)
    for shown, ask in zip(posed.items, rules.asks(version.type, version.body, key), strict=True):
        earned = rules.mark(ask, responses.get(shown.slot), ask.marks, shown.drawn)
        assert earned is not None, "only what rules can mark is practised"
        score, maximum = score + earned, maximum + ask.marks
    if not responses:
        raise RuleBroken("no_answer", _("Answer first; then you see what is right and why."))
    return PracticeAnswer(
        enrolment_id=enrolment_id,
        trainee_person_id=by.person_id,
        question_id=posed.question.id,
        bank_id=posed.question.bank_id,
        version_id=version.id,
        key_revision_id=posed.revision.id,
        responses={str(slot): response for slot, response in responses.items()},
        score=score,
        maximum=maximum,
        client_uuid=client_uuid,
        at=at,
    )


def keep(answer: PracticeAnswer, *, by: Actor, at: datetime) -> PracticeAnswer:
    """Write an answer down, for ever."""
    db.session.add(answer)
    db.session.flush()
    _practised("answer", answer.enrolment_id, f"answer:{answer.public_id}", by=by, at=at)
    return answer


def _practised(act: str, enrolment_id: int, subject: str, *, by: Actor, at: datetime) -> None:
    audit.record(
        f"assessments.practice.{act}",
        scope=f"learning:{enrolment_id}",
        at=at,
        account_id=by.account_id,
        subject=subject,
    )
