"""Cards: practice questions that come back to a trainee until they stay, and which exam questions have an equivalent."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, and_, func, or_, select

from lms.assessments import rules
from lms.assessments.models import (
    Card,
    CardReview,
    DeckMade,
    Grade,
    ItemBank,
    Question,
    QuestionEquivalent,
    QuestionTag,
    QuestionVersion,
    Sitting,
    Test,
)
from lms.assessments.queries.practice import stem_of, usable
from lms.core import clock
from lms.core.db import db
from lms.core.i18n import _, _n
from lms.core.ports import Task
from lms.policy import Actor, Role

DAYS_SHOWN = 7


def _due(by: Actor, at: datetime) -> Select[Card]:
    in_use = usable(None, clock.today(at)).order_by(None).with_only_columns(Question.id)
    return select(Card).where(
        Card.trainee_person_id == by.person_id,
        Card.retired_at.is_(None),
        Card.due_at <= at,
        Card.question_id.in_(in_use),
    )


@dataclass(frozen=True)
class Deck:
    """How the cards of a trainee stand."""

    due: int
    first: Card | None
    """The one that is due longest."""
    total: int
    next_due_at: datetime | None
    """When the next one comes, where none is due."""
    days: Sequence[tuple[date, int]]
    """Reviews of the last days, the newest first."""
    can_undo: bool


def deck(by: Actor, at: datetime) -> Deck:
    """How the actor's own cards stand."""
    due = db.session.scalars(_due(by, at).order_by(Card.due_at, Card.id)).all()
    total, next_due_at = db.session.execute(
        select(func.count(), func.min(Card.due_at).filter(Card.due_at > at)).where(
            Card.trainee_person_id == by.person_id, Card.retired_at.is_(None)
        )
    ).one()
    today = clock.today(at)
    rows = db.session.scalars(
        select(CardReview)
        .where(
            CardReview.trainee_person_id == by.person_id, CardReview.at > at - timedelta(days=DAYS_SHOWN + 1)
        )
        .order_by(CardReview.id)
    ).all()
    undone = {row.undoes_id for row in rows}
    counted = Counter(clock.today(row.at) for row in rows if row.rating is not None and row.id not in undone)
    days = [today - timedelta(days=n) for n in range(DAYS_SHOWN)]
    return Deck(
        due=len(due),
        first=due[0] if due else None,
        total=total,
        next_due_at=next_due_at,
        days=[(day, counted[day]) for day in days],
        can_undo=bool(rows) and rows[-1].rating is not None,
    )


def own_card(by: Actor, question_id: int) -> Card | None:
    """The actor's card of a question."""
    return db.session.scalar(
        select(Card).where(Card.trainee_person_id == by.person_id, Card.question_id == question_id)
    )


def review_of(answer_id: int) -> CardReview | None:
    """The review that followed an answer."""
    return db.session.scalar(select(CardReview).where(CardReview.answer_id == answer_id))


def cards_due(by: Actor, at: datetime) -> Sequence[Task]:
    """The line of the home page: how many cards are due."""
    if not by.is_any(Role.TRAINEE):
        return []
    count = db.session.scalar(select(func.count()).select_from(_due(by, at).subquery())) or 0
    if not count:
        return []
    return [
        Task(
            "cards",
            _n("%(num)s card due", "%(num)s cards due", count),
            "/practice/cards",
            3,
            _("Review cards"),
            (_("One free minute"),),
        )
    ]


# ---------------------------------------------------------------- making them


def decks_to_make(limit: int) -> Sequence[int]:
    """Sittings with a released result by which no cards were made yet: first results and regrades."""
    newest = func.max(Grade.id)
    return db.session.scalars(
        select(Grade.sitting_id)
        .join(Sitting, Sitting.id == Grade.sitting_id)
        .join(Test, Test.id == Sitting.test_id)
        .outerjoin(DeckMade, DeckMade.sitting_id == Grade.sitting_id)
        .where(or_(Test.release == rules.Release.AT_ONCE, Test.released_at.is_not(None)))
        .group_by(Grade.sitting_id, DeckMade.grade_id)
        .having(newest > func.coalesce(DeckMade.grade_id, 0))
        .order_by(Grade.sitting_id)
        .limit(limit)
    ).all()


def equivalents(
    exam_question_ids: Iterable[int], programme_id: int, today: date
) -> dict[int, tuple[int, int, bool]]:
    """Exam question → question of a practice bank, its bank, and whether an examiner named it. Those without are missing."""
    wanted = set(exam_question_ids)
    offered = {
        question.id: question for question, _version in db.session.execute(usable(programme_id, today))
    }
    named = {
        row.exam_question_id: row.question_id
        for row in db.session.scalars(
            select(QuestionEquivalent).where(QuestionEquivalent.exam_question_id.in_(wanted))
        )
        if row.question_id in offered
    }
    topics: dict[int, str] = dict(
        db.session.execute(select(Question.id, Question.topic).where(Question.id.in_(wanted))).all()
    )
    tags: dict[int, set[str]] = {}
    for question_id, tag in db.session.execute(
        select(QuestionTag.question_id, QuestionTag.tag).where(
            QuestionTag.question_id.in_(wanted | offered.keys())
        )
    ):
        tags.setdefault(question_id, set()).add(tag)
    labels = [rules.Labels(one.id, one.topic, frozenset(tags.get(one.id, ()))) for one in offered.values()]
    found = {}
    for number in sorted(topics):
        missed = rules.Labels(number, topics[number], frozenset(tags.get(number, ())))
        chosen = named.get(number) or rules.equivalent(missed, labels)
        if chosen is not None:
            found[number] = (chosen, offered[chosen].bank_id, number in named)
    return found


@dataclass(frozen=True)
class EquivalentRow:
    """A question of an exam bank and what teaches it."""

    code: str
    stem: str
    topic: str
    teaches: str
    """Code of the question of a practice bank; empty: there is none, so missing it makes no card."""
    is_named: bool


def equivalent_rows(bank: ItemBank, today: date) -> list[EquivalentRow]:
    """The questions of an exam bank that are in use, those without an equivalent first."""
    rows = db.session.execute(
        select(Question, QuestionVersion.body)
        .join(
            QuestionVersion,
            and_(QuestionVersion.question_id == Question.id, QuestionVersion.n == Question.live_n),
        )
        .where(Question.bank_id == bank.id)
        .order_by(Question.code, Question.id)
    ).all()
    found = equivalents([question.id for question, _body in rows], bank.programme_id, today)
    taught = {chosen for chosen, _bank, _named in found.values()}
    codes: Mapping[int, str] = dict(
        db.session.execute(select(Question.id, Question.code).where(Question.id.in_(taught))).all()
    )
    lines = []
    for question, body in rows:
        chosen = found.get(question.id)
        lines.append(
            EquivalentRow(
                question.code,
                stem_of(body),
                question.topic,
                codes[chosen[0]] if chosen else "",
                is_named=chosen is not None and chosen[2],
            )
        )
    return sorted(lines, key=lambda line: bool(line.teaches))
