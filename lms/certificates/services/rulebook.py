"""Which rule a cohort runs under, and what is waived for one trainee: changes after the first issue take two people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.certificates import queries, rules
from lms.certificates.models import CohortRule, RuleVersion, Waiver
from lms.certificates.services import standing
from lms.core import approvals, audit, jobs
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment, Programme

RESTAND = "certificates.restand"


def _who(by: Actor | None) -> int | None:
    return by.account_id if by else None


def publish_rule(
    programme: Programme, expression: Mapping[str, Any], *, at: datetime, by: Actor | None
) -> RuleVersion:
    """Publish the next version of a programme's rule. Raises RuleBroken for one that no feature could answer."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, programme)
    rules.require_expression(expression)
    last = queries.latest_rule(programme.id)
    row = RuleVersion(
        programme_id=programme.id,
        number=(last.number if last else 0) + 1,
        expression=dict(expression),
        sha256=digest_of(dict(expression)),
        published_at=at,
        published_by=_who(by),
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "certificates.rule.publish",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=_who(by),
        subject=f"rule:{row.public_id}",
        sha256=row.sha256,
    )
    return row


def pin_rule(cohort: Cohort, rule: RuleVersion, *, at: datetime, by: Actor | None) -> CohortRule:
    """Pin a rule to a cohort; it stays the cohort's own, whatever is published later."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, cohort)
    if queries.cohort_rule(cohort.id) is not None:
        raise RuleBroken("rule_pinned", _("This cohort already runs under a rule."))
    row = CohortRule(cohort_id=cohort.id, rule_id=rule.id, pinned_at=at, is_stale=True)
    row.rule = rule
    db.session.add(row)
    db.session.flush()
    audit.record(
        "certificates.rule.pin",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=_who(by),
        subject=f"cohort:{cohort.public_id}",
        sha256=rule.sha256,
    )
    jobs.enqueue(RESTAND, row.id)
    return row


def set_rule(
    cohort: Cohort,
    *,
    lectures: bool,
    tests: bool,
    entries: int,
    items: int = 0,
    reason: str = "",
    at: datetime,
    by: Actor,
) -> CohortRule | approvals.Approval:
    """Give a cohort its certificate rule, published in its programme if it is a new one. The same rule twice is once.

    A change while nobody has a certificate is made at once; afterwards it is proposed, and a second person decides.
    Raises RuleBroken ``rule_empty``, ``reason_missing`` or ``already_proposed``.
    """
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    wanted = rules.expression(lectures=lectures, tests=tests, entries=entries, items=items)
    pinned = queries.cohort_rule(cohort.id)
    if pinned is not None and pinned.rule.sha256 == digest_of(wanted):
        return pinned
    if pinned is not None and queries.has_issued(cohort.id):
        if not reason.strip():
            raise RuleBroken("reason_missing", _("Say why the rule has to change."), field="reason")
        return approvals.propose(
            CHANGE,
            f"cohort:{cohort.public_id}",
            {"cohort": cohort.public_id, "from": pinned.rule.sha256, "to": wanted},
            by=by,
            reason=reason.strip(),
            at=at,
            scope=f"programme:{cohort.programme_id}",
        )
    rule = _version(cohort.programme, wanted, at=at, by=by)
    return (
        pin_rule(cohort, rule, at=at, by=by) if pinned is None else _repin(pinned, cohort, rule, at=at, by=by)
    )


def _version(programme: Programme, wanted: dict[str, Any], *, at: datetime, by: Actor | None) -> RuleVersion:
    """The programme's newest rule if it says the same, else the next one."""
    last = queries.latest_rule(programme.id)
    if last is not None and last.sha256 == digest_of(wanted):
        return last
    return publish_rule(programme, wanted, at=at, by=by)


def _repin(
    pinned: CohortRule, cohort: Cohort, rule: RuleVersion, *, at: datetime, by: approvals.By | None
) -> CohortRule:
    """The cohort runs under another rule; certificates that were issued keep the one they were issued under."""
    before = pinned.rule.sha256
    pinned.rule_id, pinned.rule = rule.id, rule
    pinned.pinned_at, pinned.is_stale, pinned.attempts = at, True, 0
    db.session.flush()
    audit.record(
        "certificates.rule.change",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"cohort:{cohort.public_id}",
        before=before,
        sha256=rule.sha256,
    )
    jobs.enqueue(RESTAND, pinned.id)
    return pinned


def _cohort_of(approval: approvals.Approval) -> Cohort:
    return db.session.scalars(
        select(Cohort)
        .options(joinedload(Cohort.programme))
        .where(Cohort.public_id == approval.payload["cohort"])
    ).one()


def _change_now(approval: approvals.Approval) -> dict[str, Any] | None:
    pinned = queries.cohort_rule(_cohort_of(approval).id)
    return None if pinned is None else {**approval.payload, "from": pinned.rule.sha256}


def _change(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    cohort = _cohort_of(approval)
    pinned = queries.cohort_rule(cohort.id)
    assert pinned is not None
    rule = _version(cohort.programme, approval.payload["to"], at=at, by=None)
    _repin(pinned, cohort, rule, at=at, by=by)


CHANGE = approvals.Kind(
    code="certificates.rule.change",
    label=lazy("Change a cohort's certificate rule"),
    act=_change,
    current=_change_now,
)


# Waivers


def _waive(approval: approvals.Approval, _by: approvals.By, at: datetime) -> None:
    enrolment = db.session.scalars(
        select(Enrolment).where(Enrolment.public_id == approval.payload["enrolment"])
    ).one()
    db.session.add(
        Waiver(
            enrolment_id=enrolment.id,
            fact=approval.payload["fact"],
            reason=approval.reason,
            approval_id=approval.id,
            at=at,
        )
    )
    db.session.flush()
    pinned = queries.cohort_rule(enrolment.cohort_id)
    assert pinned is not None
    standing.restand(pinned, at=at, only=enrolment)


WAIVE = approvals.Kind(
    code="certificates.requirement.waive",
    label=lazy("Waive a requirement of a certificate"),
    act=_waive,
)


def propose_waiver(
    enrolment: Enrolment, fact: str, *, reason: str, by: Actor, at: datetime
) -> approvals.Approval:
    """Propose to waive one open requirement for one trainee; another person decides.

    Raises RuleBroken ``reason_missing`` or ``nothing_open``.
    """
    policy.require(by, Permission.CERTIFICATE_ISSUE, enrolment.cohort)
    if not reason.strip():
        raise RuleBroken(
            "reason_missing", _("Say why; the reason is kept with the certificate."), field="reason"
        )
    trace = queries.standing(enrolment)
    if trace is None or not any(clause.fact == fact and not clause.met for clause in trace.clauses):
        raise RuleBroken("nothing_open", _("This requirement is not open."))
    return approvals.propose(
        WAIVE,
        f"waiver:{enrolment.public_id}:{fact}",
        {"enrolment": enrolment.public_id, "fact": fact},
        by=by,
        reason=reason.strip()[:1000],
        at=at,
        scope=f"programme:{enrolment.cohort.programme_id}",
    )


def decide(
    approval: approvals.Approval,
    cohort: Cohort,
    *,
    outcome: str,
    seen_sha256: str,
    words: str,
    by: Actor,
    at: datetime,
) -> approvals.Approval:
    """Approve a change of rule or a waiver (it is done at once), or refuse it with words."""
    policy.require(by, Permission.APPROVE, cohort, see=Permission.COHORT_READ)
    return approvals.decide(approval, by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words)
