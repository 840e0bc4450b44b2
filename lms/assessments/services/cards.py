"""Acts on cards: make them from what was missed, review, undo, name equivalents. A card never refers to an exam bank."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import (
    Card,
    CardReview,
    CardSource,
    DeckMade,
    Grade,
    ItemBank,
    KeyRevision,
    Mark,
    PracticeAnswer,
    Question,
    QuestionEquivalent,
    QuestionVersion,
    Sitting,
    Test,
)
from lms.assessments.queries import Posed
from lms.assessments.services import practice
from lms.core import audit, clock, spacing
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission


def make_decks(*, at: datetime, limit: int = 200) -> int:
    """Make the cards of results that were released or regraded since; returns how many sittings."""
    found = queries.decks_to_make(limit)
    for sitting_id in found:
        make_cards(sitting_id, at=at)
    return len(found)


def make_cards(sitting_id: int, *, at: datetime) -> None:
    """Bring the cards of a sitting in line with its newest result: new misses make cards, what is no miss any more retires them.

    Twice is once. A card that another sitting gives a reason for stays.
    """
    sitting = db.session.scalars(
        select(Sitting)
        .options(joinedload(Sitting.test).joinedload(Test.cohort))
        .where(Sitting.id == sitting_id)
        .with_for_update(of=Sitting)
    ).one()
    grade = db.session.scalars(
        select(Grade).where(Grade.sitting_id == sitting_id).order_by(Grade.id.desc()).limit(1)
    ).first()
    if grade is None or not sitting.test.is_released:
        return
    wanted = _wanted(sitting, grade, at)
    cards = {
        card.question_id: card
        for card in db.session.scalars(
            select(Card).where(
                Card.trainee_person_id == sitting.trainee_person_id, Card.question_id.in_(wanted)
            )
        )
    }
    for question_id, bank_id in sorted(wanted.items()):
        if question_id not in cards:
            cards[question_id] = Card(
                enrolment_id=sitting.enrolment_id,
                trainee_person_id=sitting.trainee_person_id,
                question_id=question_id,
                bank_id=bank_id,
                made_at=at,
                due_at=at,
            )
            db.session.add(cards[question_id])
    db.session.flush()
    now = {card.id for card in cards.values()}
    before = set(
        db.session.scalars(select(CardSource.card_id).where(CardSource.sitting_id == sitting_id)).all()
    )
    db.session.add_all(CardSource(card_id=one, sitting_id=sitting_id) for one in sorted(now - before))
    db.session.execute(
        delete(CardSource).where(CardSource.sitting_id == sitting_id, CardSource.card_id.in_(before - now))
    )
    db.session.flush()
    _retire(now | before, at)
    made = db.session.get(DeckMade, sitting_id)
    if made is None:
        db.session.add(DeckMade(sitting_id=sitting_id, grade_id=grade.id))
    else:
        made.grade_id = grade.id
    db.session.flush()
    if now != before:
        audit.record(
            "assessments.card.make",
            scope=f"learning:{sitting.enrolment_id}",
            at=at,
            account_id=None,
            subject=f"sitting:{sitting.public_id}",
            more=len(now - before),
            fewer=len(before - now),
        )


def _wanted(sitting: Sitting, grade: Grade, at: datetime) -> dict[int, int]:
    """Question of a practice bank → its bank, for each question that earned less than everything."""
    missed = db.session.scalars(
        select(QuestionVersion.question_id)
        .join(KeyRevision, KeyRevision.question_version_id == QuestionVersion.id)
        .join(Mark, Mark.key_revision_id == KeyRevision.id)
        .where(
            Mark.grade_run_id == grade.grade_run_id,
            Mark.sitting_id == sitting.id,
            Mark.score != Mark.maximum,
        )
        .distinct()
    ).all()
    found = queries.equivalents(missed, sitting.programme_id, clock.today(at))
    return {question_id: bank_id for question_id, bank_id, _named in found.values()}


def _retire(card_ids: set[int], at: datetime) -> None:
    kept = set(db.session.scalars(select(CardSource.card_id).where(CardSource.card_id.in_(card_ids))).all())
    for card in db.session.scalars(select(Card).where(Card.id.in_(card_ids))):
        if card.id in kept:
            card.retired_at = None
        elif card.retired_at is None:
            card.retired_at = at
    db.session.flush()


# ---------------------------------------------------------------- reviewing


def answer_card(
    card: Card, posed: Posed, values: practice.Values, *, client_uuid: str, by: Actor, at: datetime
) -> PracticeAnswer:
    """Mark an answer to a card; it counts as a review once it is rated. Two clicks are one answer."""
    policy.require(by, Permission.PRACTICE_READ, card)
    queries.own_place(by)
    kept = practice.kept_answer(client_uuid, by)
    if kept is not None:
        return kept
    if card.retired_at is not None or card.due_at > at:
        raise RuleBroken("not_due", _("This card is not due."))
    answer = practice.marked(
        posed, values, enrolment_id=card.enrolment_id, client_uuid=client_uuid, by=by, at=at
    )
    answer.card_id = card.id
    return practice.keep(answer, by=by, at=at)


def rate_card(answer: PracticeAnswer, rating: int, *, by: Actor, at: datetime) -> CardReview:
    """Say how an answer to a card went; the server's clock says when it comes back. Twice is once."""
    policy.require(by, Permission.PRACTICE_READ, answer)
    if answer.card_id is None:
        raise RuleBroken("no_card", _("This answer belongs to no card."))
    if rating not in {spacing.AGAIN, spacing.HARD, spacing.GOOD, spacing.EASY}:
        raise RuleBroken("rating", _("Say how it went."))
    card = db.session.scalars(select(Card).where(Card.id == answer.card_id).with_for_update()).one()
    kept = queries.review_of(answer.id)
    if kept is not None:
        return kept
    last = _newest(card.id)
    if last is not None and last.at > answer.at:
        raise RuleBroken("stale", _("This card was reviewed since. Answer it again when it is due."))
    spaced = spacing.review(last.state if last else None, rating, at=at)
    review = CardReview(
        card_id=card.id,
        trainee_person_id=card.trainee_person_id,
        answer_id=answer.id,
        rating=rating,
        state=spaced.state,
        due_at=spaced.due_at,
        at=at,
    )
    return _write(card, review)


def undo_review(*, by: Actor, at: datetime) -> None:
    """Undo the last review: a further row that puts the card back to where it was. Raises RuleBroken("nothing_to_undo")."""
    queries.own_place(by)
    last = db.session.scalars(
        select(CardReview)
        .where(CardReview.trainee_person_id == by.person_id)
        .order_by(CardReview.id.desc())
        .limit(1)
    ).first()
    if last is None or last.rating is None:
        raise RuleBroken("nothing_to_undo", _("There is no review to undo."))
    card = db.session.scalars(select(Card).where(Card.id == last.card_id).with_for_update()).one()
    before = db.session.scalars(
        select(CardReview)
        .where(CardReview.card_id == card.id, CardReview.id < last.id)
        .order_by(CardReview.id.desc())
        .limit(1)
    ).first()
    undoing = CardReview(
        card_id=card.id,
        trainee_person_id=card.trainee_person_id,
        undoes_id=last.id,
        state=dict(before.state) if before else {},
        due_at=before.due_at if before else card.made_at,
        at=at,
    )
    _write(card, undoing)


def _newest(card_id: int) -> CardReview | None:
    return db.session.scalars(
        select(CardReview).where(CardReview.card_id == card_id).order_by(CardReview.id.desc()).limit(1)
    ).first()


def _write(card: Card, review: CardReview) -> CardReview:
    db.session.add(review)
    card.due_at = review.due_at
    db.session.flush()
    return review


# ---------------------------------------------------------------- equivalents


def set_equivalent(bank: ItemBank, code: str, practice_code: str, *, by: Actor, at: datetime) -> None:
    """Say which question of a practice bank teaches what a question of an exam bank asks; empty: none in particular.

    Cards of earlier sittings follow. Raises RuleBroken("unknown_code") for a code that the bank, or the programme's practice
    banks, do not have.
    """
    exam = db.session.scalar(
        select(Question)
        .options(joinedload(Question.bank))
        .where(Question.bank_id == bank.id, Question.code == code.strip())
    )
    if exam is None or bank.purpose != rules.Purpose.EXAM:
        raise RuleBroken(
            "unknown_code", _("This bank has no question with the code “%(code)s”.", code=code[:40])
        )
    policy.require(by, Permission.ITEM_WRITE, exam, see=Permission.BANK_READ)
    teaches = None
    if practice_code.strip():
        teaches = db.session.scalars(
            queries.usable(bank.programme_id, clock.today(at)).where(Question.code == practice_code.strip())
        ).first()
        if teaches is None:
            raise RuleBroken(
                "unknown_code",
                _(
                    "No practice bank has a question in use with the code “%(code)s”.",
                    code=practice_code[:40],
                ),
            )
    db.session.execute(delete(QuestionEquivalent).where(QuestionEquivalent.exam_question_id == exam.id))
    if teaches is not None:
        db.session.add(
            QuestionEquivalent(
                exam_question_id=exam.id,
                question_id=teaches.id,
                bank_id=teaches.bank_id,
                account_id=by.account_id,
                at=at,
            )
        )
    asked_in = (
        select(Mark.sitting_id)
        .join(KeyRevision, KeyRevision.id == Mark.key_revision_id)
        .join(QuestionVersion, QuestionVersion.id == KeyRevision.question_version_id)
        .where(QuestionVersion.question_id == exam.id)
    )
    db.session.execute(delete(DeckMade).where(DeckMade.sitting_id.in_(asked_in)))
    db.session.flush()
    audit.record(
        "assessments.question.equivalent",
        scope=f"programme:{bank.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"question:{exam.public_id}",
        teaches=teaches.public_id if teaches else "",
    )
