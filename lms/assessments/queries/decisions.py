"""What waits for the actor: proposals of others to decide on, sittings that could not be marked."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import joinedload

from lms.assessments.models import ItemBank, Question, QuestionVersion, Sitting, Test
from lms.assessments.queries.bank import BANK_STAFF, Reviewable
from lms.assessments.queries.catalogue import loaded_tests
from lms.assessments.queries.markers import queue
from lms.core.approvals import OPEN, Approval
from lms.core.db import db
from lms.core.i18n import _, _n, pick
from lms.core.ports import Task
from lms.policy import Actor, Permission, Role, allows

REVIEW_CODE, KEY_CODE = "assessments.question.approve", "assessments.key.revise"
"""Codes of the two kinds of approval of the item bank."""

SHOWN = 20
"""So many at a time; the next ones move up when these are decided."""


def decisions(by: Actor, at: datetime) -> Sequence[Task]:  # noqa: ARG001 (the port's shape)
    """The proposals of others on which the actor may decide, the oldest first."""
    if not by.is_any(*BANK_STAFF):
        return []
    other = QuestionVersion.__table__.alias("other")
    newest = select(func.max(other.c.n)).where(other.c.question_id == Question.id).scalar_subquery()
    query = (
        select(Approval, Question, QuestionVersion.author_person_id)
        .join(Question, Approval.subject == "question:" + Question.public_id)
        .join(ItemBank, ItemBank.id == Question.bank_id)
        .join(QuestionVersion, and_(QuestionVersion.question_id == Question.id, QuestionVersion.n == newest))
        .options(joinedload(Question.bank))
        .where(
            Approval.state == OPEN,
            Approval.kind.in_((REVIEW_CODE, KEY_CODE)),
            Approval.proposed_by_person_id != by.person_id,
        )
        .order_by(Approval.id)
    )
    programmes = by.scope_ids("programme", *BANK_STAFF)
    if programmes is not None:
        query = query.where(ItemBank.programme_id.in_(programmes))
    found = []
    for approval, question, author in db.session.execute(query):
        if not allows(by, Permission.BANK_READ, question):
            continue
        thing = Reviewable(question.programme_id, question.purpose, author)
        if approval.kind == REVIEW_CODE and allows(by, Permission.ITEM_REVIEW, thing):
            title, action = _("Review question %(code)s", code=question.code), _("Read and decide")
        elif approval.kind == KEY_CODE and allows(by, Permission.APPROVE, question):
            title, action = (
                _("Decide on the corrected key of question %(code)s", code=question.code),
                _("Read and decide"),
            )
        else:
            continue
        bank = pick(question.bank.title_zh, question.bank.title_en)
        found.append(Task("decision", title, f"/questions/{question.public_id}", 1, action, meta=(bank,)))
        if len(found) == SHOWN:
            break
    return found


def troubles(by: Actor, at: datetime) -> Sequence[Task]:  # noqa: ARG001 (the port's shape)
    """Tests of the examiner with sittings that could not be marked."""
    if not by.is_any(Role.EXAMINER):
        return []
    counts = (
        select(Sitting.test_id, func.count().label("many"))
        .where(Sitting.gave_up_at.is_not(None))
        .group_by(Sitting.test_id)
        .subquery()
    )
    rows = db.session.execute(
        loaded_tests().add_columns(counts.c.many).join(counts, counts.c.test_id == Test.id).order_by(Test.id)
    )
    return [
        Task(
            "trouble",
            _n("%(num)s sitting could not be marked.", "%(num)s sittings could not be marked.", many),
            f"/tests/{test.public_id}/manage",
            0,
            _("To the test"),
            meta=(pick(test.title_zh, test.title_en),),
        )
        for test, many in rows
        if allows(by, Permission.TEST_MANAGE, test)
    ]


def to_mark(by: Actor, at: datetime) -> Sequence[Task]:  # noqa: ARG001 (the port's shape)
    """Answers that wait for the actor's marks, test by test."""
    if not by.is_any(Role.MARKER):
        return []
    counts: dict[int, tuple[Test, int]] = {}
    for batch in queue(by):
        if batch.waiting:
            counts[batch.test.id] = (
                batch.test,
                counts.get(batch.test.id, (batch.test, 0))[1] + batch.waiting,
            )
    return [
        Task(
            "decision",
            _n("%(num)s answer waits for your marks.", "%(num)s answers wait for your marks.", many),
            "/marking",
            1,
            _("To the marking"),
            meta=(pick(test.title_zh, test.title_en),),
        )
        for test, many in counts.values()
    ]
