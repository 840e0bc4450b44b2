"""Tests: what examiners prepare from the bank."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import ExamForm, GradeRun, KeyRevision, QuestionVersion, Sitting, Test
from lms.assessments.rules.blueprint import Blueprint, Cell, Per
from lms.assessments.rules.blueprint import faults as blueprint_faults
from lms.core import audit, ports
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.ports import FactChanged
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort


def _who(by: Actor | None) -> int | None:
    return by.account_id if by else None


def make_test(
    cohort: Cohort,
    versions: Sequence[QuestionVersion],
    *,
    title_zh: str,
    title_en: str,
    duration_s: int,
    opens_at: datetime,
    closes_at: datetime,
    cut_percent: int,
    attempts_allowed: int = 1,
    release: str = rules.Release.AT_ONCE,
    purpose: rules.Purpose = rules.Purpose.EXAM,
    cases: Sequence[QuestionVersion] = (),
    choose: int = 0,
    is_sample: bool = False,
    at: datetime,
    by: Actor | None,
) -> Test:
    """Draft a test for a cohort with its sealed form: its questions in the marks that they are worth, from banks of one purpose.

    ``cases``: come after the ``versions``; each candidate chooses so many of them, and they are worth the same.
    """
    if by is not None:
        policy.require(by, Permission.TEST_MANAGE, cohort)
    rules.require_test(
        duration_s=duration_s,
        opens_at=opens_at,
        closes_at=closes_at,
        cut_percent=cut_percent,
        attempts_allowed=attempts_allowed,
    )
    own = list(versions)
    versions = [*own, *cases]
    if not versions:
        raise RuleBroken("no_items", _("A test needs at least one question."))
    if len({version.question_id for version in versions}) != len(versions):
        raise RuleBroken("item_twice", _("The same question stands in the test twice."))
    if any(
        version.question.bank.purpose != purpose or version.question.bank.programme_id != cohort.programme_id
        for version in versions
    ):
        raise RuleBroken(
            "wrong_bank", _("Tests take their questions from exam banks of their own programme.")
        )
    keys = queries.newest_keys(version.id for version in versions)
    cells = [(0, Cell(len(own)))] * len(own) + _to_choose_from(cases, keys, choose) if cases else ()
    test = Test(
        cohort_id=cohort.id,
        title_zh=title_zh,
        title_en=title_en,
        duration_s=duration_s,
        opens_at=opens_at,
        closes_at=closes_at,
        cut_percent=cut_percent,
        attempts_allowed=attempts_allowed,
        release=release,
        purpose=purpose,
        is_sample=is_sample,
        created_at=at,
    )
    test.cohort = cohort
    db.session.add(test)
    db.session.flush()
    slots = queries.slots_of(versions, keys, cells=cells)
    form = ExamForm(test_id=test.id, n=1, slots=slots, sha256=digest_of(slots), sealed_at=at)
    db.session.add(form)
    db.session.flush()
    audit.record(
        "assessments.test.make",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"test:{test.public_id}",
        form=form.sha256,
    )
    return test


def _to_choose_from(
    versions: Sequence[QuestionVersion], keys: Mapping[int, KeyRevision], choose: int
) -> list[tuple[int, Cell]]:
    """One line of a blueprint that holds all the questions. Raises RuleBroken with the code of what is wrong with it."""
    marks = {sum(ask.marks for ask in rules.asks(one.type, one.body, keys[one.id].key)) for one in versions}
    line = Cell(len(versions), type=versions[0].type, marks=choose * max(marks), per=Per.ITEM, choose=choose)
    wrong = next(iter(blueprint_faults(Blueprint((line,)))), None)
    if wrong is not None:
        raise RuleBroken(wrong.code, wrong.message)
    if len(marks) > 1 or len({one.type for one in versions}) > 1:
        raise RuleBroken(
            "choose_marks",
            _("Where candidates choose, say the marks: all questions to choose from are worth the same."),
        )
    return [(1, line)] * len(versions)


def publish(test: Test, *, at: datetime, by: Actor | None) -> Test:
    """Open a test for its cohort and fix the keys by which it will be marked.

    Raises RuleBroken("not_sealed") without sealed papers, ("closed") when its window is over, ("cut_not_approved") for an exam
    drawn by a blueprint to whose pass mark no second person agreed.
    """
    if by is not None:
        policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    state = rules.move(rules.TEST_MOVES, "publish", test.state)
    forms = queries.forms_of(test.id)
    if not forms:
        raise RuleBroken("not_sealed", _("A test opens with sealed papers only."))
    if at >= test.last_start_at:
        raise RuleBroken("closed", _("Nobody could begin this test any more: set a later window first."))
    plan = queries.plan_of(test.id)
    if plan is not None and test.purpose == rules.Purpose.EXAM and not queries.is_cut_approved(test):
        raise RuleBroken("cut_not_approved", _("A second person has to agree to the pass mark first."))
    test.state = state
    revisions = queries.newest_keys({slot["version"] for form in forms for slot in form.slots})
    keys = {str(number): revision.id for number, revision in revisions.items()}
    db.session.add(
        GradeRun(
            test_id=test.id,
            n=1,
            keys=keys,
            keys_sha256=digest_of(
                {number: [revisions[int(number)].key, key] for number, key in keys.items()}
            ),
            engine_version=rules.ENGINE_VERSION,
            cut_percent=test.cut_percent,
            reason="first",
            created_at=at,
        )
    )
    db.session.flush()
    audit.record(
        "assessments.test.publish",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"test:{test.public_id}",
    )
    return test


def release(test: Test, *, at: datetime, by: Actor) -> Test:
    """Let the candidates of a test with held results see them; twice is once."""
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    if test.is_released:
        return test
    test.released_at = at
    db.session.flush()
    audit.record(
        "assessments.test.release",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
    )
    marked = (
        select(Sitting.enrolment_id)
        .where(Sitting.test_id == test.id, Sitting.marked_at.is_not(None))
        .distinct()
    )
    for enrolment_id in db.session.scalars(marked).all():
        ports.fact_changed.tell(FactChanged("tests", enrolment_id, at))
    return test
