"""Practice of a trainee: questions of practice banks with their fields, answers with their reasons, checkpoints of lectures.

Nothing here is read by a certificate.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import rules
from lms.assessments.models import (
    Checkpoint,
    ItemBank,
    KeyRevision,
    PracticeAnswer,
    PracticeRound,
    Question,
    QuestionVersion,
)
from lms.assessments.queries.results import ResultItem, key_of, newest_keys, reason_of
from lms.assessments.queries.shown import Item, item, key_words
from lms.core import ids, site
from lms.core.db import db
from lms.core.digests import keyed_digest
from lms.core.errors import NotFound
from lms.core.i18n import pick
from lms.core.ports import Checkpoint as Shown
from lms.courses import queries as courses
from lms.courses.models import Lecture
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment

PURPOSE = rules.Purpose.PRACTICE


@dataclass(frozen=True)
class Place:
    """Where a trainee practises (the shape that the policy asks for)."""

    enrolment_id: int
    cohort_id: int
    programme_id: int
    purpose: str = PURPOSE


def place(by: Actor) -> Place | None:
    """The newest running enrolment of the actor; None for whoever has none."""
    row = db.session.execute(
        select(Enrolment.id, Enrolment.cohort_id, Cohort.programme_id)
        .join(Cohort, Cohort.id == Enrolment.cohort_id)
        .where(Enrolment.person_id == by.person_id, Enrolment.state == "active")
        .order_by(Cohort.start_on.desc(), Enrolment.id.desc())
        .limit(1)
    ).first()
    return Place(*row) if row else None


def own_place(by: Actor) -> Place:
    """The same, for whoever may practise there. Raises NotFound."""
    found = place(by)
    if found is None:
        raise NotFound
    policy.require(by, Permission.PRACTICE_ANSWER, found)
    return found


def usable(programme_id: int | None, today: date) -> Select[Question, QuestionVersion]:
    """The questions of a programme (None: of any) that can be practised, each with the wording in use."""
    version = QuestionVersion
    found = (
        select(Question, version)
        .join(ItemBank, ItemBank.id == Question.bank_id)
        .join(version, and_(version.question_id == Question.id, version.n == Question.live_n))
        .where(
            ItemBank.purpose == PURPOSE,
            Question.state.not_in((rules.ItemState.SUSPENDED, rules.ItemState.RETIRED)),
            or_(Question.review_due.is_(None), Question.review_due >= today),
            version.type.in_(rules.PRACTISED),
        )
        .order_by(Question.id)
    )
    return found if programme_id is None else found.where(ItemBank.programme_id == programme_id)


def practice_topics(programme_id: int, today: date) -> list[tuple[str, int]]:
    """Topic → how many questions can be practised; questions without a topic under the empty one."""
    found = usable(programme_id, today).order_by(None).subquery()
    return [
        (topic, count)
        for topic, count in db.session.execute(
            select(found.c.topic, func.count()).group_by(found.c.topic).order_by(found.c.topic)
        )
    ]


def last_answers(person_id: int, question_ids: Sequence[int]) -> dict[int, PracticeAnswer]:
    """Question → the person's last answer to it."""
    rows = db.session.scalars(
        select(PracticeAnswer)
        .where(PracticeAnswer.trainee_person_id == person_id, PracticeAnswer.question_id.in_(question_ids))
        .order_by(PracticeAnswer.id)
    )
    return {row.question_id: row for row in rows}


@dataclass(frozen=True)
class Posed:
    """A question of a practice bank as it is put to somebody, and what its answer is marked by."""

    question: Question
    version: QuestionVersion
    revision: KeyRevision
    seed: bytes
    items: Sequence[Item]

    def __post_init__(self) -> None:
        assert self.question.bank.purpose == PURPOSE


def seed_of(client_uuid: str) -> bytes:
    """The seed of a form."""
    return hashlib.sha256(client_uuid.encode()).digest()


def posed(question_id: int, client_uuid: str) -> Posed:
    """A question in its wording in use. Raises NotFound while it has none."""
    row = db.session.execute(
        select(Question, QuestionVersion)
        .options(joinedload(Question.bank))
        .join(
            QuestionVersion,
            and_(QuestionVersion.question_id == Question.id, QuestionVersion.n == Question.live_n),
        )
        .join(ItemBank, ItemBank.id == Question.bank_id)
        .where(Question.id == question_id, ItemBank.purpose == PURPOSE)
    ).first()
    if row is None:
        raise NotFound
    question, version = row
    seed = seed_of(client_uuid)
    return Posed(question, version, newest_keys([version.id])[version.id], seed, _items(version, seed))


def _items(version: QuestionVersion, seed: bytes) -> list[Item]:
    return [
        item(
            version.type,
            version.body,
            ask.index,
            slot=slot,
            version_id=version.id,
            source=version.source,
            seed=rules.sub_seed(seed, f"slot:{slot}"),
            group_seed=rules.sub_seed(seed, "slot:1"),
        )
        for slot, ask in enumerate(rules.asks(version.type, version.body), 1)
    ]


@dataclass(frozen=True)
class Step:
    """How far somebody has come in a case whose asks open one after the other."""

    locked: int
    """Asks that are closed."""
    total: int
    items: Sequence[Item]
    """What may be seen: the closed asks and the open one."""
    carried: Sequence[tuple[str, str]]
    """The fields of the closed asks, which the page hands on."""
    seal: str
    """Over how far it is and what was carried; without it no step counts as closed."""

    @property
    def is_last(self) -> bool:
        """Whether the open ask is the last one."""
        return self.locked + 1 == self.total


def step_of(posed: Posed, fields: Sequence[tuple[str, str]], *, closes: bool, by: Actor) -> Step | None:
    """The step of a serial case that a form stands at; None for any other question.

    ``closes``: the form was sent, which closes its open ask; the last one is closed by the answer itself. The page carries
    what is closed under a seal for this person and this form: closed steps that were changed on the way, or made up, open the
    case at its first step again, with what was typed.
    """
    if not posed.items[0].is_serial:
        return None
    last = len(posed.items) - 1
    given = next((value for name, value in fields if name == "locked"), "")
    locked = min(int(given) if given.isascii() and given.isdigit() and len(given) < 3 else 0, last)
    shown = next((value for name, value in fields if name == "seal"), "")
    wanted = _sealed(posed, locked, _fields_of(posed, fields, locked), by)
    if not hmac.compare_digest(shown.encode(), wanted.encode()):
        locked = 0
    if closes:
        locked = min(locked + 1, last)
    carried = _fields_of(posed, fields, locked)
    return Step(
        locked,
        len(posed.items),
        [
            replace(one, is_locked=place < locked, is_serial=place < last)
            for place, one in enumerate(posed.items[: locked + 1])
        ],
        carried,
        _sealed(posed, locked, carried, by),
    )


def _fields_of(posed: Posed, fields: Sequence[tuple[str, str]], locked: int) -> Sequence[tuple[str, str]]:
    closed = {f"slot-{one.slot}" for one in posed.items[:locked]}
    return [(name, value) for name, value in fields if "-".join(name.split("-")[:2]) in closed]


def _sealed(posed: Posed, locked: int, carried: Sequence[tuple[str, str]], by: Actor) -> str:
    said = ["practice step", by.person_id, posed.question.id, posed.seed.hex(), locked, sorted(carried)]
    return keyed_digest(json.dumps(said).encode(), key=site.settings().secret_key.encode())


def read_form(
    posed: Posed, values: Callable[[str], list[str]]
) -> tuple[dict[int, dict[str, Any]], dict[int, rules.Refused]]:
    """What a form answers, by slot, and what could not be read. ``values``: name of a field → what was sent for it."""
    asks = rules.asks(posed.version.type, posed.version.body)
    given, refused = rules.read_fields(
        {shown.slot: ask for shown, ask in zip(posed.items, asks, strict=True)}, values
    )
    return {slot: response for slot, response in given.items() if rules.is_answered(response)}, refused


# ---------------------------------------------------------------- answers


@dataclass(frozen=True)
class Told:
    """An answer with what is right and why."""

    answer: PracticeAnswer
    items: Sequence[ResultItem]

    @property
    def certainty_marks(self) -> str:
        """The marks for being right, or wrong, while that sure; empty where it was not asked."""
        marks = certainty_marks(self.answer)
        return "" if marks is None else f"{'+' if marks > 0 else ''}{rules.shown(marks)}".replace("-", "−")


def certainty_marks(answer: PracticeAnswer) -> Fraction | None:
    """Certainty-based marks of an answer; None where it was not asked."""
    if answer.certainty is None:
        return None
    return rules.confidence(Fraction(answer.score, answer.maximum), answer.certainty)


def own_answer(public_id: str, by: Actor) -> PracticeAnswer:
    """An answer of the actor's own. Raises NotFound."""
    found = (
        db.session.scalar(select(PracticeAnswer).where(PracticeAnswer.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.PRACTICE_READ, found)
    return found


def told(answer: PracticeAnswer) -> Told:
    """An answer as it was put, with the key by which it was marked."""
    version = db.session.get_one(QuestionVersion, answer.version_id)
    revision = db.session.get_one(KeyRevision, answer.key_revision_id)
    found = []
    for shown, ask in zip(
        _items(version, seed_of(answer.client_uuid)),
        rules.asks(version.type, version.body, revision.key),
        strict=True,
    ):
        response = answer.responses.get(str(shown.slot))
        found.append(
            ResultItem(
                item=shown,
                said=shown.said(response),
                score=rules.mark(ask, response, ask.marks, shown.drawn),
                maximum=Fraction(ask.marks),
                right=key_words(shown, key_of(revision, shown.index)),
                rationale=reason_of(revision, shown.index),
            )
        )
    return Told(answer, found)


@dataclass(frozen=True)
class Practised:
    """A line of somebody's own practice: a topic."""

    topic: str
    answers: int
    right: int


def history(by: Actor) -> list[Practised]:
    """How the actor's own practice went, by topic."""
    rows = db.session.execute(
        select(
            Question.topic,
            func.count(),
            func.count().filter(PracticeAnswer.score == PracticeAnswer.maximum),
        )
        .join(Question, Question.id == PracticeAnswer.question_id)
        .where(PracticeAnswer.trainee_person_id == by.person_id)
        .group_by(Question.topic)
        .order_by(Question.topic)
    )
    return [Practised(*row) for row in rows]


def own_answers(by: Actor, *, limit: int) -> Sequence[tuple[PracticeAnswer, str]]:
    """The actor's last answers with their topics, the newest first."""
    return [
        (answer, topic)
        for answer, topic in db.session.execute(
            select(PracticeAnswer, Question.topic)
            .join(Question, Question.id == PracticeAnswer.question_id)
            .where(PracticeAnswer.trainee_person_id == by.person_id)
            .order_by(PracticeAnswer.id.desc())
            .limit(limit)
        )
    ]


# ---------------------------------------------------------------- rounds


def own_round(public_id: str, by: Actor) -> PracticeRound:
    """A round of the actor's own. Raises NotFound."""
    found = (
        db.session.scalar(select(PracticeRound).where(PracticeRound.public_id == public_id))
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.PRACTICE_READ, found)
    return found


def own_round_of(answer: PracticeAnswer, by: Actor) -> PracticeRound:
    """The round in which an answer of the actor's own was given."""
    found = db.session.get_one(PracticeRound, answer.round_id)
    policy.require(by, Permission.PRACTICE_READ, found)
    return found


def lecture_of(answer: PracticeAnswer) -> Lecture | None:
    """The lecture at whose checkpoint an answer was given."""
    return db.session.scalar(
        select(Lecture)
        .join(Checkpoint, Checkpoint.lecture_id == Lecture.id)
        .where(Checkpoint.id == answer.checkpoint_id)
    )


@dataclass(frozen=True)
class RoundStand:
    """How far a round has come."""

    round: PracticeRound
    answers: Sequence[PracticeAnswer]
    """In order of time."""

    @property
    def total(self) -> int:
        """All its questions."""
        return len(self.round.questions)

    @property
    def right(self) -> int:
        """Answers that earned everything."""
        return sum(answer.is_right for answer in self.answers)

    @property
    def next_id(self) -> int | None:
        """The first question that has no answer."""
        done = {answer.question_id for answer in self.answers}
        return next((one for one in self.round.questions if one not in done), None)

    @property
    def certainty_total(self) -> str:
        """Certainty-based marks of the whole round."""
        total = sum((certainty_marks(answer) or Fraction(0) for answer in self.answers), Fraction(0))
        return str(total).replace("-", "−")


def round_stand(round: PracticeRound) -> RoundStand:  # noqa: A002 (a round of practice)
    """How far a round has come."""
    rows = db.session.scalars(
        select(PracticeAnswer).where(PracticeAnswer.round_id == round.id).order_by(PracticeAnswer.id)
    ).all()
    return RoundStand(round, rows)


# ---------------------------------------------------------------- checkpoints


@dataclass(frozen=True)
class PlacedCheckpoint:
    """A checkpoint as its educator sees it."""

    checkpoint: Checkpoint
    code: str
    stem: str
    answers: int
    people: int


def placed_checkpoints(lecture: Lecture) -> list[PlacedCheckpoint]:
    """The checkpoints of a lecture in their order, for its educators."""
    answer, version = PracticeAnswer, QuestionVersion
    count = (
        select(func.count(answer.id)).where(answer.checkpoint_id == Checkpoint.id).correlate(Checkpoint)
    ).scalar_subquery()
    people = (
        select(func.count(answer.trainee_person_id.distinct()))
        .where(answer.checkpoint_id == Checkpoint.id)
        .correlate(Checkpoint)
    ).scalar_subquery()
    rows = db.session.execute(
        select(Checkpoint, Question.code, version.body, count, people)
        .join(Question, Question.id == Checkpoint.question_id)
        .join(version, and_(version.question_id == Question.id, version.n == Question.live_n))
        .where(Checkpoint.lecture_id == lecture.id, Checkpoint.removed_at.is_(None))
        .order_by(Checkpoint.at_s.is_(None), Checkpoint.at_s, Checkpoint.id)
    )
    return [PlacedCheckpoint(row[0], row[1], stem_of(row[2]), row[3], row[4]) for row in rows]


def stem_of(body: Mapping[str, object]) -> str:
    """The first words of a question, in the reader's language."""
    stem = body.get("stem")
    words: Mapping[str, str] = stem if isinstance(stem, dict) else {}
    text = pick(words.get("zh") or "", words.get("en") or "")
    return text if len(text) <= 80 else f"{text[:79]}…"


def placeable(programme_id: int, today: date) -> list[tuple[str, str]]:
    """Public id and words of each question that can become a checkpoint."""
    return [
        (question.public_id, f"{question.code} · {stem_of(version.body)}")
        for question, version in db.session.execute(usable(programme_id, today))
    ]


def checkpoint(public_id: str, by: Actor, *, permission: Permission) -> tuple[Checkpoint, Lecture]:
    """A checkpoint that stands, with its lecture. Raises NotFound."""
    row = (
        db.session.execute(
            select(Checkpoint, Lecture.public_id)
            .join(Lecture, Lecture.id == Checkpoint.lecture_id)
            .where(Checkpoint.public_id == public_id, Checkpoint.removed_at.is_(None))
        ).first()
        if ids.is_public_id(public_id)
        else None
    )
    if row is None:
        raise NotFound
    return row[0], courses.lecture(row[1], by, permission=permission)


def checkpoints_of(lecture_id: int, person_id: int) -> Sequence[Shown]:
    """The checkpoints of a lecture as one person stands to them: the answer to a port."""
    answered = (
        select(PracticeAnswer.id)
        .where(
            PracticeAnswer.checkpoint_id == Checkpoint.id,
            PracticeAnswer.trainee_person_id == person_id,
        )
        .exists()
    )
    rows = db.session.execute(
        select(Checkpoint.public_id, Checkpoint.at_s, Checkpoint.is_required, answered)
        .where(Checkpoint.lecture_id == lecture_id, Checkpoint.removed_at.is_(None))
        .order_by(Checkpoint.at_s.is_(None), Checkpoint.at_s, Checkpoint.id)
    )
    return [
        Shown(f"/checkpoints/{public_id}", at_s, is_required, is_answered)
        for public_id, at_s, is_required, is_answered in rows
    ]


def waits_at(lecture_id: int, person_id: int) -> bool:
    """Whether a person has not answered a required checkpoint of a lecture: the answer to a port."""
    return any(one.is_required and not one.is_answered for one in checkpoints_of(lecture_id, person_id))
