"""Banks and their questions, with keys, for those who write and review them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    AngoffJudge,
    AngoffStudy,
    EnemyPair,
    ExamForm,
    ItemBank,
    ItemImport,
    ItemMedia,
    KeyRevision,
    Question,
    QuestionEvent,
    QuestionTag,
    QuestionVersion,
    StandardJudge,
    StandardStudy,
    Test,
)
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import pick
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort, Programme

BANK_STAFF = (Role.EXAMINER, Role.CLINICAL_REVIEWER, Role.DIRECTOR, Role.EDUCATOR)


@dataclass(frozen=True)
class BankRow:
    """One bank in the list."""

    bank: ItemBank
    counts: Mapping[str, int]
    """State → how many questions."""

    @property
    def total(self) -> int:
        """All its questions."""
        return sum(self.counts.values())


def banks(by: Actor) -> list[BankRow]:
    """The banks that the actor may read, by programme and name; programme loaded."""
    programmes = by.scope_ids("programme", *BANK_STAFF)
    query = (
        select(ItemBank)
        .options(joinedload(ItemBank.programme))
        .order_by(ItemBank.programme_id, ItemBank.purpose, ItemBank.title_zh, ItemBank.id)
    )
    if programmes is not None:
        query = query.where(ItemBank.programme_id.in_(programmes))
    found = [bank for bank in db.session.scalars(query) if policy.allows(by, Permission.BANK_READ, bank)]
    counts: dict[int, dict[str, int]] = {bank.id: {} for bank in found}
    for number, state, count in db.session.execute(
        select(Question.bank_id, Question.state, func.count())
        .where(Question.bank_id.in_(counts))
        .group_by(Question.bank_id, Question.state)
    ):
        counts[number][state] = count
    return [BankRow(bank, counts[bank.id]) for bank in found]


def bank_programmes(by: Actor) -> Sequence[Programme]:
    """The programmes in which the actor may open a bank."""
    allowed = by.scope_ids("programme", Role.EXAMINER)
    query = select(Programme).order_by(Programme.id)
    return db.session.scalars(query if allowed is None else query.where(Programme.id.in_(allowed))).all()


def bank(public_id: str, by: Actor, *, permission: Permission = Permission.BANK_READ) -> ItemBank:
    """One bank, its programme loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(ItemBank).options(joinedload(ItemBank.programme)).where(ItemBank.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(
        by, permission, found, see=None if permission == Permission.BANK_READ else Permission.BANK_READ
    )
    return found


@dataclass(frozen=True)
class Wanted:
    """What a list of questions is narrowed to; empty: no matter."""

    text: str = ""
    state: str = ""
    kind: str = ""
    topic: str = ""
    tag: str = ""
    is_past_due: bool = False
    sort: str = "code"
    """``code``, ``changed`` (newest first) or ``topic``."""


@dataclass(frozen=True)
class QuestionRow:
    """One question in a list."""

    question: Question
    kind: str
    n: int
    stem: str
    tags: Sequence[str]
    is_past_due: bool


_SORTS = {
    "code": (Question.code, Question.id),
    "changed": (Question.changed_at.desc(), Question.id.desc()),
    "topic": (Question.topic, Question.code, Question.id),
}


def questions(
    bank: ItemBank, wanted: Wanted, today: date, *, page: int = 1, per_page: int = 50
) -> tuple[list[QuestionRow], int]:
    """A page of a bank's questions (ask ``bank`` first), and how many fit in all; three queries."""
    version = QuestionVersion
    query = (
        select(Question, version)
        .join(version, and_(version.question_id == Question.id, version.n == _newest()))
        .where(Question.bank_id == bank.id, *_narrowed(wanted, today))
    )
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = db.session.execute(
        query.order_by(*_SORTS.get(wanted.sort, _SORTS["code"])).limit(per_page).offset((page - 1) * per_page)
    ).all()
    tags = tags_of([question.id for question, _version in rows])
    found = []
    for question, newest in rows:
        question.bank = bank
        stem = newest.body.get("stem") or {}
        found.append(
            QuestionRow(
                question,
                newest.type,
                newest.n,
                pick(stem.get("zh", ""), stem.get("en", "")),
                tags.get(question.id, ()),
                rules.is_past_due(question.review_due, today),
            )
        )
    return found, total


def _newest() -> Any:
    """Number of a question's newest version."""
    other = QuestionVersion.__table__.alias("other")
    return select(func.max(other.c.n)).where(other.c.question_id == Question.id).scalar_subquery()


def _narrowed(wanted: Wanted, today: date) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        or_(
            Question.words.contains(word, autoescape=True),
            func.lower(Question.code).contains(word, autoescape=True),
        )
        for word in wanted.text.lower().split()[:8]
    ]
    if wanted.state:
        found.append(Question.state == wanted.state)
    if wanted.kind:
        found.append(QuestionVersion.type == wanted.kind)
    if wanted.topic:
        found.append(Question.topic == wanted.topic)
    if wanted.tag:
        found.append(Question.id.in_(select(QuestionTag.question_id).where(QuestionTag.tag == wanted.tag)))
    if wanted.is_past_due:
        found.append(Question.review_due < today)
    return found


def tags_of(question_ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags of questions, in order."""
    found: dict[int, list[str]] = {}
    for number, tag in db.session.execute(
        select(QuestionTag.question_id, QuestionTag.tag)
        .where(QuestionTag.question_id.in_(question_ids))
        .order_by(QuestionTag.tag)
    ):
        found.setdefault(number, []).append(tag)
    return found


def topics(bank_id: int) -> list[str]:
    """The topics of a bank, in order."""
    return list(
        db.session.scalars(
            select(Question.topic)
            .where(Question.bank_id == bank_id, Question.topic != "")
            .distinct()
            .order_by(Question.topic)
        )
    )


# ---------------------------------------------------------------- one question


def question(public_id: str, by: Actor) -> Question:
    """One question, its bank and programme loaded. Raises NotFound."""
    found = (
        db.session.scalar(_loaded().where(Question.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.BANK_READ, found)
    return found


def question_by_id(public_id: str) -> Question:
    """The question of an approval; asked by services, which ask the policy."""
    return db.session.scalars(_loaded().where(Question.public_id == public_id)).one()


def _loaded() -> Select[Question]:
    return select(Question).options(joinedload(Question.bank).joinedload(ItemBank.programme))


def newest_n(question_id: int) -> int:
    """Number of the newest version."""
    return db.session.execute(
        select(func.max(QuestionVersion.n)).where(QuestionVersion.question_id == question_id)
    ).scalar_one()


def version_of(question_id: int, n: int | None = None) -> QuestionVersion:
    """A version of a question; the newest by default. Raises NotFound."""
    query = select(QuestionVersion).where(QuestionVersion.question_id == question_id)
    query = (
        query.where(QuestionVersion.n == n)
        if n is not None
        else query.order_by(QuestionVersion.n.desc()).limit(1)
    )
    found = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class Reviewable:
    """The newest wording of a question as the policy asks about it."""

    programme_id: int
    purpose: str
    author_person_id: int | None

    @classmethod
    def of(cls, question: Question) -> "Reviewable":
        """Ask with the author of the newest version."""
        return cls(question.programme_id, question.purpose, version_of(question.id).author_person_id)


@dataclass(frozen=True)
class EventRow:
    """One line of a question's history."""

    act: str
    n: int
    words: str
    name: str
    at: datetime


@dataclass(frozen=True)
class Dossier:
    """Everything that is known of a question."""

    question: Question
    versions: Sequence[QuestionVersion]
    """Newest first."""
    keys: Sequence[KeyRevision]
    """Of the newest version, newest first."""
    tags: Sequence[str]
    enemies: Sequence[Question]
    events: Sequence[EventRow]
    """Newest first."""
    used_in: Sequence[Test] = field(default=())

    @property
    def newest(self) -> QuestionVersion:
        """The newest wording."""
        return self.versions[0]

    @property
    def key(self) -> KeyRevision:
        """Its newest key."""
        return self.keys[0]


def dossier(question: Question) -> Dossier:
    """A question with its versions, keys, tags, enemies, history, and the tests whose sealed papers hold it."""
    versions = db.session.scalars(
        select(QuestionVersion)
        .where(QuestionVersion.question_id == question.id)
        .order_by(QuestionVersion.n.desc())
    ).all()
    keys = db.session.scalars(
        select(KeyRevision)
        .where(KeyRevision.question_version_id == versions[0].id)
        .order_by(KeyRevision.n.desc())
    ).all()
    pair = EnemyPair
    enemies = db.session.scalars(
        select(Question)
        .where(
            or_(
                Question.id.in_(select(pair.high_id).where(pair.low_id == question.id)),
                Question.id.in_(select(pair.low_id).where(pair.high_id == question.id)),
            )
        )
        .order_by(Question.code)
    ).all()
    events = [
        EventRow(event.act, event.n, event.words, pick(name_zh or "", name_latin or ""), event.at)
        for event, name_zh, name_latin in db.session.execute(
            select(QuestionEvent, Person.name_zh, Person.name_latin)
            .outerjoin(Person, Person.id == QuestionEvent.person_id)
            .where(QuestionEvent.question_id == question.id)
            .order_by(QuestionEvent.id.desc())
        )
    ]
    return Dossier(
        question,
        versions,
        keys,
        tags_of([question.id]).get(question.id, []),
        enemies,
        events,
        _used_in(question, {version.id for version in versions}),
    )


def _used_in(question: Question, version_ids: set[int]) -> list[Test]:
    """Tests of the programme whose sealed papers hold one of the versions."""
    rows = db.session.execute(
        select(Test, ExamForm.slots)
        .join(ExamForm, ExamForm.test_id == Test.id)
        .join(Cohort, Cohort.id == Test.cohort_id)
        .where(Cohort.programme_id == question.programme_id)
        .order_by(Test.opens_at.desc())
    )
    return [test for test, slots in rows if any(slot["version"] in version_ids for slot in slots)]


def past_due(today: date) -> Sequence[Question]:
    """Live questions whose source should have been read again, with their banks."""
    return db.session.scalars(
        _loaded()
        .where(Question.state == rules.ItemState.LIVE, Question.review_due < today)
        .order_by(Question.id)
        .limit(500)
    ).all()


def newest_versions(bank_id: int) -> list[tuple[Question, QuestionVersion]]:
    """The questions of a bank that are not retired with their newest wordings, by code."""
    version = QuestionVersion
    rows = db.session.execute(
        select(Question, version)
        .join(version, and_(version.question_id == Question.id, version.n == _newest()))
        .where(Question.bank_id == bank_id, Question.state != rules.ItemState.RETIRED)
        .order_by(Question.code, Question.id)
    )
    return [(question, newest) for question, newest in rows]


# ---------------------------------------------------------------- files handed in


def item_import(public_id: str, by: Actor) -> ItemImport:
    """A file that was handed in, its bank and programme loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(ItemImport)
            .options(joinedload(ItemImport.bank).joinedload(ItemBank.programme))
            .where(ItemImport.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.ITEM_WRITE, found)
    return found


def item_media(public_id: str, by: Actor) -> ItemMedia:
    """A picture, sound or film of the questions of a programme. Raises NotFound for whoever neither writes, sits nor judges them."""
    found = (
        db.session.execute(
            select(ItemMedia, Cohort.id)
            .outerjoin(Cohort, Cohort.programme_id == ItemMedia.programme_id)
            .where(ItemMedia.public_id == public_id)
        ).all()
        if ids.is_public_id(public_id)
        else []
    )
    if not found:
        raise NotFound
    medium = found[0][0]
    is_staff = policy.allows(by, Permission.BANK_READ, medium)
    is_candidate = any(by.has(Role.TRAINEE, f"cohort:{cohort_id}") for _medium, cohort_id in found)
    if not is_staff and not is_candidate and not _judges_in(medium.programme_id, by):
        raise NotFound
    return medium


def _judges_in(programme_id: int, by: Actor) -> bool:
    """Whether the actor is asked to judge a test of the programme at this time."""
    return any(
        db.session.scalar(
            select(judge.person_id)
            .join(study, study.id == judge.study_id)
            .join(Test, Test.id == study.test_id)
            .join(Cohort, Cohort.id == Test.cohort_id)
            .where(
                judge.person_id == by.person_id,
                study.state != "closed",
                Cohort.programme_id == programme_id,
            )
            .limit(1)
        )
        for judge, study in ((AngoffJudge, AngoffStudy), (StandardJudge, StandardStudy))
    )
