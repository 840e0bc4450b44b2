"""Acts on banks and on what is said about their questions: topics, tags, enemies, review dates, comments."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, or_, select

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import EnemyPair, ItemBank, Question, QuestionEvent, QuestionTag
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Programme

MOST_TAGS = 20


def create_bank(
    programme: Programme, *, purpose: str, title_zh: str, title_en: str, at: datetime, by: Actor | None
) -> ItemBank:
    """Open a bank for exams or for practice. ``by`` None: the demonstration."""
    if purpose not in set(rules.Purpose):
        raise RuleBroken("purpose", _("A bank is for exams or for practice."), field="purpose")
    if not (title_zh.strip() or title_en.strip()):
        raise RuleBroken("title", _("Give the bank a name."), field="title_zh")
    bank = ItemBank(
        programme_id=programme.id, purpose=purpose, title_zh=title_zh.strip(), title_en=title_en.strip()
    )
    if by is not None:
        policy.require(by, Permission.BANK_MANAGE, bank)
        same = db.session.scalar(
            select(ItemBank).where(
                ItemBank.programme_id == programme.id,
                ItemBank.purpose == purpose,
                ItemBank.title_zh == bank.title_zh,
                ItemBank.title_en == bank.title_en,
            )
        )
        if same is not None:  # two clicks, or somebody who did not see it
            return same
    db.session.add(bank)
    db.session.flush()
    audit.record(
        "assessments.bank.create",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"bank:{bank.public_id}",
    )
    return bank


@dataclass(frozen=True)
class Facts:
    """What is said about a question without being part of it."""

    topic: str = ""
    cognitive: str = ""
    difficulty: int | None = None
    """Per cent of candidates expected to answer it."""
    review_due: date | None = None
    tags: Collection[str] = ()
    lecture_code: str = ""
    """The lecture that teaches it."""
    lecture_second: int = 0


def describe(question: Question, facts: Facts, *, by: Actor, at: datetime) -> Question:
    """Set topic, tags, cognitive level, expected difficulty and the day on which its source has to be read again."""
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    if facts.lecture_code and facts.lecture_code not in dict(queries.lectures(question.programme_id)):
        raise RuleBroken("lecture", _("Choose a lecture of this programme."), field="lecture_code")
    set_facts(question, facts)
    question.changed_at = at
    record(question, "describe", by=by, at=at)
    return question


def set_facts(question: Question, facts: Facts) -> None:
    """Check the facts and write them at the question."""
    if facts.cognitive and facts.cognitive not in set(rules.Cognitive):
        raise RuleBroken("cognitive", _("Choose one of the levels."), field="cognitive")
    if facts.difficulty is not None and not 1 <= facts.difficulty <= 99:
        raise RuleBroken(
            "difficulty",
            _("The expected share of right answers lies between 1 and 99 per cent."),
            field="difficulty",
        )
    tags = sorted({tag.strip()[:60] for tag in facts.tags if tag.strip()})
    if len(tags) > MOST_TAGS:
        raise RuleBroken("tags", _("Give at most %(most)s tags.", most=MOST_TAGS), field="tags")
    question.topic = facts.topic.strip()[:120]
    question.cognitive = facts.cognitive
    question.difficulty = facts.difficulty
    question.review_due = facts.review_due
    question.lecture_code = facts.lecture_code
    question.lecture_second = facts.lecture_second if facts.lecture_code else 0
    db.session.execute(delete(QuestionTag).where(QuestionTag.question_id == question.id))
    db.session.add_all(QuestionTag(question_id=question.id, tag=tag) for tag in tags)
    db.session.flush()


def comment(question: Question, words: str, *, by: Actor, at: datetime) -> None:
    """Say something about the newest wording; it stays."""
    policy.require(by, Permission.BANK_READ, question)
    if not words.strip():
        raise RuleBroken("words", _("Write your comment."), field="words")
    said = db.session.scalars(
        select(QuestionEvent)
        .where(QuestionEvent.question_id == question.id)
        .order_by(QuestionEvent.id.desc())
        .limit(1)
    ).one_or_none()
    if said is not None and (said.act, said.person_id, said.words) == (
        "comment",
        by.person_id,
        words.strip()[:2000],
    ):
        return  # a second click
    note(question, "comment", words, by=by, at=at)


def note(question: Question, act: str, words: str, *, by: Actor | None, at: datetime) -> None:
    """Append to the question's history. Raises RuleBroken("identifying") for words of a person that may identify a patient."""
    if by is not None:
        deid.require_clean(words, field="words")
    db.session.add(
        QuestionEvent(
            question_id=question.id,
            n=queries.newest_n(question.id),
            act=act,
            words=words.strip()[:2000],
            account_id=by.account_id if by else None,
            person_id=by.person_id if by else None,
            at=at,
        )
    )
    db.session.flush()


def record(question: Question, act: str, *, by: Actor | None, at: datetime, **facts: Any) -> None:
    """Write an act on a question into the audit trail."""
    audit.record(
        f"assessments.question.{act}",
        scope=f"programme:{question.programme_id}",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"question:{question.public_id}",
        **facts,
    )


def set_enemies(question: Question, codes: Collection[str], *, by: Actor, at: datetime) -> None:
    """Name the questions of the same programme that never stand in a form with this one; others are let go.

    Raises RuleBroken("unknown_code") for a code that no question of the bank has.
    """
    policy.require(by, Permission.ITEM_WRITE, question, see=Permission.BANK_READ)
    wanted = {code.strip() for code in codes if code.strip()}
    found = {
        row.code: row.id
        for row in db.session.execute(
            select(Question.code, Question.id).where(
                Question.bank_id == question.bank_id, Question.code.in_(wanted), Question.id != question.id
            )
        )
    }
    if missing := sorted(wanted - found.keys()):
        raise RuleBroken(
            "unknown_code",
            _("No other question of this bank has the code “%(code)s”.", code=missing[0][:40]),
            field="enemies",
        )
    db.session.execute(
        delete(EnemyPair).where(or_(EnemyPair.low_id == question.id, EnemyPair.high_id == question.id))
    )
    db.session.add_all(
        EnemyPair(low_id=min(question.id, other), high_id=max(question.id, other)) for other in found.values()
    )
    db.session.flush()
    record(question, "enemies", by=by, at=at, enemies=",".join(sorted(found)))
