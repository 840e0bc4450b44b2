"""Tests in the making: terms, blueprint, copies. Everything here is a draft until the test is opened."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import DraftForm, ExamForm, ItemBank, Question, QuestionVersion, Test, TestPlan
from lms.assessments.rules import blueprint as blueprints
from lms.assessments.rules.papers import (
    Limits,
    read_cells,
    require_late_start,
    require_limits,
    written_cells,
)
from lms.core import audit
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Terms:
    """The terms of a test, and what holds for its papers together."""

    title_zh: str
    title_en: str
    duration_s: int
    opens_at: datetime
    closes_at: datetime
    cut_percent: int
    starts_until: datetime | None = None
    attempts_allowed: int = 1
    cooldown_days: int = 0
    appeal_days: int = 7
    release: str = rules.Release.AT_ONCE
    keeps_order: bool = False
    limits: Limits = field(default_factory=Limits)


def require_terms(terms: Terms) -> None:
    """Whether the terms make sense. Raises RuleBroken with the field."""
    if not (terms.title_zh.strip() or terms.title_en.strip()):
        raise RuleBroken("title", _("Give the test a title."), field="title_zh")
    rules.require_test(
        duration_s=terms.duration_s,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
        cut_percent=terms.cut_percent,
        attempts_allowed=terms.attempts_allowed,
        cooldown_days=terms.cooldown_days,
        appeal_days=terms.appeal_days,
    )
    require_late_start(terms.starts_until, opens_at=terms.opens_at, closes_at=terms.closes_at)
    require_limits(terms.limits)
    if terms.release not in set(rules.Release):
        raise RuleBroken("release", _("Choose when results are shown."), field="release")


def draft_test(
    cohort: Cohort, bank: ItemBank, terms: Terms, *, client_uuid: str, by: Actor, at: datetime
) -> Test:
    """Begin a test for a cohort (its programme loaded) whose papers are drawn from one bank; two clicks make one.

    Raises RuleBroken("wrong_bank") for a bank of another programme.
    """
    test = Test(cohort_id=cohort.id, purpose=bank.purpose, created_at=at)
    test.cohort = cohort
    policy.require(by, Permission.TEST_MANAGE, test)
    policy.require(by, Permission.BANK_READ, bank)
    if again := _made_with(client_uuid):
        policy.require(by, Permission.TEST_MANAGE, again)
        return again
    _require_bank(bank, cohort)
    require_terms(terms)
    _set_terms(test, terms)
    plan = TestPlan(bank_id=bank.id, client_uuid=client_uuid, blueprint=[])
    _set_limits(plan, terms)
    try:
        with db.session.begin_nested():
            db.session.add(test)
            db.session.flush()
            plan.test_id = test.id
            db.session.add(plan)
            db.session.flush()
    except IntegrityError:  # the other click was faster
        again = _made_with(client_uuid)
        if again is None:
            raise
        return again
    record(test, "make", by=by, at=at)
    return test


def _made_with(client_uuid: str) -> Test | None:
    return db.session.scalar(
        select(Test)
        .options(joinedload(Test.cohort).joinedload(Cohort.programme))
        .join(TestPlan, TestPlan.test_id == Test.id)
        .where(TestPlan.client_uuid == client_uuid)
    )


def _require_bank(bank: ItemBank, cohort: Cohort) -> None:
    if bank.programme_id != cohort.programme_id:
        raise RuleBroken("wrong_bank", _("Choose a bank of the cohort’s own programme."), field="bank")


def _set_terms(test: Test, terms: Terms) -> None:
    test.title_zh, test.title_en = terms.title_zh.strip(), terms.title_en.strip()
    test.duration_s, test.cut_percent = terms.duration_s, terms.cut_percent
    test.opens_at, test.closes_at, test.starts_until = terms.opens_at, terms.closes_at, terms.starts_until
    test.attempts_allowed, test.cooldown_days = terms.attempts_allowed, terms.cooldown_days
    test.release, test.appeal_days = terms.release, terms.appeal_days


def _set_limits(plan: TestPlan, terms: Terms) -> None:
    plan.forms_wanted, plan.max_shared = terms.limits.forms, terms.limits.max_shared
    plan.max_exposure_percent = terms.limits.max_exposure_percent
    plan.keeps_order = terms.keeps_order


def record(test: Test, act: str, *, by: Actor, at: datetime, **facts: Any) -> None:
    """Write an act on a test into the audit trail."""
    audit.record(
        f"assessments.test.{act}",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        **facts,
    )


# ---------------------------------------------------------------- while it is a draft


def held_draft(test: Test, by: Actor) -> tuple[Test, TestPlan]:
    """A draft with its plan, locked until the transaction ends. Raises RuleBroken("wrong_state") once it is open.

    NotFound for a test whose questions were named one by one.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    held = db.session.scalars(
        select(Test)
        .options(joinedload(Test.cohort).joinedload(Cohort.programme))
        .where(Test.id == test.id)
        .with_for_update(of=Test)
        .execution_options(populate_existing=True)
    ).one_or_none()
    plan = queries.plan_of(test.id)
    if held is None or plan is None:
        raise NotFound
    if held.state != rules.TestState.DRAFT:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    return held, plan


def is_sealed(test_id: int) -> bool:
    """Whether a test has sealed papers."""
    return bool(db.session.scalar(select(exists().where(ExamForm.test_id == test_id))))


def require_unsealed(test: Test) -> None:
    """Refuse what would change sealed papers."""
    if is_sealed(test.id):
        raise RuleBroken("sealed", _("The papers of this test are sealed. Nothing changes them any more."))


def edit_terms(test: Test, terms: Terms, *, bank: ItemBank, by: Actor, at: datetime) -> Test:
    """Change a draft; what the papers were drawn by goes with a new bank, another number of papers or other limits.

    Once the papers are sealed, only what does not touch them may change.
    """
    test, plan = held_draft(test, by)
    require_terms(terms)
    before = (plan.bank_id, plan.limits, plan.keeps_order)
    if bank.id != plan.bank_id:
        policy.require(by, Permission.BANK_READ, bank)
        _require_bank(bank, test.cohort)
        if bank.purpose != test.purpose:
            raise RuleBroken(
                "purpose", _("Exams and practice stay apart: make another test for that."), field="bank"
            )
    touches = before != (bank.id, terms.limits, terms.keeps_order)
    if touches:
        require_unsealed(test)
    _set_terms(test, terms)
    plan.bank_id = bank.id
    _set_limits(plan, terms)
    if (bank.id, terms.limits) != before[:2]:
        _forget_papers(test)
    db.session.flush()
    record(test, "edit", by=by, at=at)
    return test


def _forget_papers(test: Test) -> None:
    db.session.execute(delete(DraftForm).where(DraftForm.test_id == test.id))


def set_blueprint(test: Test, cells: Sequence[blueprints.Cell], *, by: Actor, at: datetime) -> TestPlan:
    """Write the lines of the blueprint; papers that were drawn by other lines go.

    Raises RuleBroken with the first fault, its path (``cells.2.count``) as the field.
    """
    test, plan = held_draft(test, by)
    require_unsealed(test)
    found = blueprints.faults(blueprints.Blueprint(tuple(cells)))
    if found:
        raise RuleBroken("blueprint", found[0].message, field=found[0].path, details={"faults": found})
    written = written_cells(cells)
    if written != plan.blueprint:
        plan.blueprint = written
        _forget_papers(test)
        db.session.flush()
        record(test, "blueprint", by=by, at=at, lines=len(written))
    return plan


def delete_draft(test: Test, *, by: Actor, at: datetime) -> None:
    """Throw a draft away, with the papers that were drawn for it. Raises RuleBroken("sealed")."""
    test, plan = held_draft(test, by)
    require_unsealed(test)
    record(test, "delete", by=by, at=at, title=test.title_zh or test.title_en)
    _forget_papers(test)
    db.session.delete(plan)
    db.session.flush()
    db.session.delete(test)
    db.session.flush()


def copy_test(test: Test, *, client_uuid: str, by: Actor, at: datetime) -> Test:
    """A new draft with the terms and the blueprint of an old test; its papers are drawn anew. Two clicks make one.

    A window that has begun moves on by whole weeks into the future.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    plan = queries.plan_of(test.id)
    bank = plan.bank if plan is not None else _bank_of(test)
    later = max(timedelta(0), -(-(at - test.opens_at) // _WEEK) * _WEEK)
    copy = draft_test(
        test.cohort,
        bank,
        Terms(
            title_zh=test.title_zh,
            title_en=test.title_en,
            duration_s=test.duration_s,
            opens_at=test.opens_at + later,
            closes_at=test.closes_at + later,
            starts_until=test.starts_until and test.starts_until + later,
            cut_percent=test.cut_percent,
            attempts_allowed=test.attempts_allowed,
            cooldown_days=test.cooldown_days,
            appeal_days=test.appeal_days,
            release=test.release,
            keeps_order=plan.keeps_order if plan else False,
            limits=plan.limits if plan else Limits(),
        ),
        client_uuid=client_uuid,
        by=by,
        at=at,
    )
    held = queries.plan_of(copy.id)
    if held is not None and plan is not None and not held.blueprint:
        held.blueprint = written_cells(read_cells(plan.blueprint))
        db.session.flush()
    return copy


def _bank_of(test: Test) -> ItemBank:
    """Where the questions of a sealed paper come from."""
    form = queries.form_of(test.id)
    return db.session.scalars(
        select(ItemBank)
        .options(joinedload(ItemBank.programme))
        .join(Question, Question.bank_id == ItemBank.id)
        .join(QuestionVersion, QuestionVersion.question_id == Question.id)
        .where(QuestionVersion.id == form.slots[0]["version"])
    ).one()
