"""Regrading: a further grade run by the newest keys, looked at as a diff and approved by a second person."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import Grade, GradeRun, Mark, StandardStudy, Test
from lms.assessments.services.agreeing import keep_cut
from lms.assessments.services.standards import standard_evidence
from lms.core import approvals, audit, ports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.core.ports import FactChanged
from lms.policy import Actor, Permission


def _of(approval: approvals.Approval) -> Test:
    return db.session.scalars(
        select(Test)
        .options(joinedload(Test.cohort))
        .where(Test.public_id == approval.payload["test"])
        .with_for_update(of=Test)
    ).one()


def _current(approval: approvals.Approval) -> dict[str, Any]:
    test = _of(approval)
    diff = queries.regrade(test, approval.payload["cut_percent"])
    return diff.payload(test) | _standard(approval)


def _standard(approval: approvals.Approval) -> dict[str, Any]:
    """The method behind another pass mark; the marks that it came from are part of the diff."""
    return {"standard": approval.payload["standard"]} if "standard" in approval.payload else {}


def _write(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    """Write the run with all its marks and grades in this one transaction; earlier runs stay as they are."""
    test = _of(approval)
    diff = queries.regrade(test, approval.payload["cut_percent"])
    run = GradeRun(
        test_id=test.id,
        n=diff.run.n + 1,
        keys=dict(diff.keys),
        keys_sha256=diff.keys_sha256,
        engine_version=rules.ENGINE_VERSION,
        cut_percent=diff.cut_percent,
        reason=approval.reason[:200],
        created_at=at,
    )
    db.session.add(run)
    db.session.flush()
    for grade in diff.grades:
        db.session.add_all(
            Mark(
                grade_run_id=run.id,
                sitting_id=grade.sitting_id,
                slot=mark.slot,
                key_revision_id=mark.key_revision_id,
                response=dict(mark.response),
                score=mark.new,
                maximum=mark.maximum,
            )
            for mark in grade.marks
        )
        db.session.add(
            Grade(
                grade_run_id=run.id,
                sitting_id=grade.sitting_id,
                score=grade.new,
                maximum=grade.maximum,
                cut_percent=diff.cut_percent,
                decision=grade.new_decision,
                at=at,
            )
        )
    if diff.cut_percent != diff.run.cut_percent:
        standard = approval.payload.get("standard") or {"method": "fixed", "evidence": None}
        keep_cut(test, approval, **standard, percent=diff.cut_percent, at=at)
    db.session.flush()
    audit.record(
        "assessments.test.regrade",
        scope=f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"test:{test.public_id}",
        run=run.public_id,
        cut_before=diff.run.cut_percent,
        cut_percent=diff.cut_percent,
        payload_sha256=approval.payload_sha256,
    )
    if test.is_released:
        for enrolment_id in sorted({grade.enrolment_id for grade in diff.grades if grade.flips}):
            ports.fact_changed.tell(FactChanged("tests", enrolment_id, at))


REGRADE = approvals.Kind(
    code="assessments.test.regrade",
    label=lazy("Regrade a test"),
    act=_write,
    current=_current,
)


def propose_regrade(
    test: Test,
    *,
    cut_percent: int,
    seen_sha256: str,
    reason: str,
    standard: tuple[str, StandardStudy | None] | None = None,
    by: Actor,
    at: datetime,
) -> approvals.Approval:
    """Propose the diff that was seen; another person decides. ``standard``: method and study that found the pass mark.

    Raises RuleBroken("nothing_changes") for unchanged keys and cut, ("stale") when the diff is another by now,
    ("newer_keys") for a pass mark from results that newer keys would change.
    """
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    if test.state != rules.TestState.PUBLISHED:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    if not 1 <= cut_percent <= 100:
        raise RuleBroken("cut", _("Between 1 and 100."), field="cut")
    if not reason.strip():
        raise RuleBroken("reason", _("Say why the test is to be regraded."), field="reason")
    diff = queries.regrade(test, cut_percent)
    if diff.is_empty:
        raise RuleBroken("nothing_changes", _("Keys and pass mark are those of the last marking."))
    payload = diff.payload(test)
    if approvals.digest(payload) != seen_sha256:
        raise RuleBroken("stale", _("What would change is not what you saw. Look at it again."))
    if standard is not None:
        if diff.newer_keys:
            raise RuleBroken(
                "newer_keys",
                _("Regrade by the newer keys first: they change the results this pass mark rests on."),
            )
        evidence = standard_evidence(test, *standard, at=at)
        if evidence["whole_percent"] != cut_percent:
            raise RuleBroken(
                "not_the_result", _("What was found by now is another pass mark. Look at it again.")
            )
        payload["standard"] = {"method": standard[0], "evidence": evidence}
    return approvals.propose(
        REGRADE,
        f"test:{test.public_id}",
        payload,
        by=by,
        reason=reason.strip()[:200],
        at=at,
        scope=f"programme:{test.programme_id}",
    )


def decide_regrade(
    test: Test, *, outcome: str, seen_sha256: str, words: str, by: Actor, at: datetime
) -> approvals.Approval:
    """Approve (the run is written) or refuse. Raises RuleBroken("wrong_state") when nothing waits."""
    policy.require(by, Permission.APPROVE, test, see=Permission.TEST_READ)
    waiting = approvals.open_for(REGRADE, f"test:{test.public_id}")
    if waiting is None:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    return approvals.decide(waiting, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words)


def withdraw_regrade(test: Test, *, by: Actor, at: datetime) -> None:
    """Take one's own proposal back; none waiting is the same."""
    policy.require(by, Permission.TEST_MANAGE, test, see=Permission.TEST_READ)
    if waiting := approvals.open_for(REGRADE, f"test:{test.public_id}"):
        approvals.withdraw(waiting, by=by, at=at)
