"""The ledger of credits and hours: counted by the product, corrected by counter-entries, never changed."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.certificates import queries
from lms.certificates.models import CreditEntry, CreditPlan
from lms.certificates.rules import crediting as rules
from lms.certificates.services import register
from lms.certificates.services.reserving import lock_people
from lms.core import audit
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.ports import FactChanged
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment

COUNTED = frozenset({"lectures", "tests", "attendance", "sessions"})
"""Facts that change what a ledger has to say."""
CHANGED, GONE = "changed", "gone"
"""Why the product takes a line back: the activity is worth something else now, or nothing."""


def credits_changed(change: FactChanged) -> None:
    """What was attended changed: count anew in the same transaction; a lecture that is only published changes nothing."""
    if change.fact not in COUNTED or change.enrolment_id is None:
        return
    if queries.is_credited(change.enrolment_id):
        count(db.session.get_one(Enrolment, change.enrolment_id), at=change.at)


def set_plan(cohort: Cohort, plan: rules.Plan, *, at: datetime, by: Actor | None) -> CreditPlan:
    """Say by whose rules a cohort is counted, and count everybody anew by them. The same plan twice is once.

    Raises RuleBroken with the codes of ``rules.require_plan``.
    """
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, cohort)
    rules.require_plan(plan)
    db.session.execute(select(Cohort.id).where(Cohort.id == cohort.id).with_for_update(key_share=True))
    before = queries.credit_plan(cohort.id)
    if before is not None and before.rules == plan:
        return before
    row = CreditPlan(
        cohort_id=cohort.id,
        number=before.number + 1 if before else 1,
        jurisdiction=plan.jurisdiction,
        project_number=plan.project_number,
        level=plan.level,
        project_cap=plan.project_cap,
        account_id=by.account_id if by else None,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "certificates.credits.plan",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id if by else None,
        subject=f"cohort:{cohort.public_id}",
        jurisdiction=plan.jurisdiction,
        project=plan.project_number,
    )
    roll = programmes.roll(cohort)
    lock_people([enrolment.person_id for enrolment in roll])
    for enrolment in roll:
        count(enrolment, at=at)
    return row


def count(enrolment: Enrolment, *, at: datetime) -> int:
    """Bring the ledger to what the product knows now; returns how many lines were written, none where nothing changed.

    What somebody struck by hand stays struck. Certificates that state more than the ledger has are suspended.
    """
    plan = queries.credit_plan(enrolment.cohort_id)
    if plan is None:
        return 0
    lock_people([enrolment.person_id])
    db.session.flush()
    counted = queries.done(enrolment, plan.rules).counted
    last = queries.last_lines(queries.ledger(enrolment.id))
    written = 0
    for key, standing in last.items():
        if standing.is_counter:
            continue
        found = counted.get(key)
        if found is None or _differs(standing, found):
            last[key] = _counter(standing, reason=CHANGED if found else GONE, at=at)
            written += 1
    for key, found in sorted(counted.items(), key=lambda one: (one[1].day, one[0])):
        before = last.get(key)
        if before is not None and (not before.is_counter or before.account_id is not None):
            continue
        db.session.add(_entry(enrolment.id, found, number=before.number + 1 if before else 1, at=at))
        written += 1
    if written:
        db.session.flush()
        _note("count", enrolment, str(written), at=at, account_id=None)
        weigh([enrolment.id], at=at)
    return written


def _differs(entry: CreditEntry, found: queries.Activity) -> bool:
    worth = found.worth
    return (entry.day, entry.seconds, entry.role, entry.table_code, entry.category) != (
        found.day,
        found.seconds,
        found.role,
        worth.table,
        worth.category,
    ) or (entry.credits, entry.hours) != (worth.credits, worth.hours)


def _entry(enrolment_id: int, found: queries.Activity, *, number: int, at: datetime) -> CreditEntry:
    return CreditEntry(
        enrolment_id=enrolment_id,
        activity=found.key,
        number=number,
        kind=found.kind,
        role=found.role,
        title_zh=found.title_zh,
        title_en=found.title_en,
        day=found.day,
        seconds=found.seconds,
        table_code=found.worth.table,
        category=found.worth.category,
        credits=found.worth.credits,
        hours=found.worth.hours,
        at=at,
    )


def _counter(
    entry: CreditEntry, *, reason: str, at: datetime, account_id: int | None = None, sign: int = -1
) -> CreditEntry:
    """The line that takes another one back; with ``sign`` 1, the line that puts it back after it was struck."""
    row = CreditEntry(
        enrolment_id=entry.enrolment_id,
        activity=entry.activity,
        number=entry.number + (1 if sign < 0 else 2),
        kind=entry.kind,
        role=entry.role,
        title_zh=entry.title_zh,
        title_en=entry.title_en,
        day=entry.day,
        seconds=sign * entry.seconds,
        table_code=entry.table_code,
        category=entry.category,
        credits=sign * entry.credits,
        hours=sign * entry.hours,
        counters_id=entry.id if sign < 0 else None,
        account_id=account_id,
        reason=reason,
        at=at,
    )
    db.session.add(row)
    db.session.flush()
    return row


def strike(enrolment: Enrolment, entry_id: str, *, reason: str, at: datetime, by: Actor) -> CreditEntry:
    """Take a line out of a ledger by hand; a line against it is written. Twice is once.

    Raises RuleBroken ``reason_missing`` or ``no_such_line``. ``enrolment`` comes from ``queries.enrolment_for_credits``.
    """
    policy.require(by, Permission.CREDIT_CORRECT, queries.ledger_scope(enrolment), see=Permission.CREDIT_READ)
    why = _said(reason)
    lock_people([enrolment.person_id])
    entries = queries.ledger(enrolment.id)
    entry = _the(entry_id, entries)
    if entry.id not in queries.standing_ids(entries):
        return next(one for one in entries if one.counters_id == entry.id)
    made = _counter(entry, reason=why, at=at, account_id=by.account_id)
    _note("strike", enrolment, entry.activity, at=at, account_id=by.account_id)
    weigh([enrolment.id], at=at)
    return made


def put_back(enrolment: Enrolment, entry_id: str, *, reason: str, at: datetime, by: Actor) -> None:
    """Put a line back that was struck by hand, then count anew. Twice is once.

    ``entry_id``: the line that was struck. Raises RuleBroken ``reason_missing`` or ``no_such_line``.
    """
    policy.require(by, Permission.CREDIT_CORRECT, queries.ledger_scope(enrolment), see=Permission.CREDIT_READ)
    why = _said(reason)
    lock_people([enrolment.person_id])
    entries = queries.ledger(enrolment.id)
    entry = _the(entry_id, entries)
    last = queries.last_lines(entries)[entry.activity]
    if last.counters_id != entry.id or last.account_id is None:
        return
    _counter(entry, reason=why, at=at, account_id=by.account_id, sign=1)
    _note("restore", enrolment, entry.activity, at=at, account_id=by.account_id)
    count(enrolment, at=at)
    weigh([enrolment.id], at=at)


def _the(entry_id: str, entries: Sequence[CreditEntry]) -> CreditEntry:
    found = next((one for one in entries if one.public_id == entry_id and not one.is_counter), None)
    if found is None:
        raise RuleBroken("no_such_line", _("This line is not in the ledger."))
    return found


def _said(reason: str) -> str:
    if not reason.strip():
        raise RuleBroken("reason_missing", _("Say why; the reason stays in the ledger."), field="reason")
    return reason.strip()[:300]


def _note(act: str, enrolment: Enrolment, what: str, *, at: datetime, account_id: int | None) -> None:
    """``what``: the activity that somebody corrected, or how many lines were written."""
    audit.record(
        f"certificates.credits.{act}",
        scope=f"learning:{enrolment.id}",
        at=at,
        account_id=account_id,
        subject=f"enrolment:{enrolment.public_id}",
        what=what,
    )


# Certificates of credits against the ledger


def weigh(enrolment_ids: Collection[int], *, at: datetime) -> None:
    """Suspend certificates that state more than the ledger has; lift those that were suspended for it and hold again."""
    held = queries.credit_certificates(enrolment_ids, "good", "suspended")
    if not held:
        return
    ledgers = queries.ledgers({one.enrolment_id for one in held})
    for certificate in held:
        holds = queries.ledger_covers(certificate, ledgers.get(certificate.enrolment_id, []))
        if certificate.state == "good" and not holds:
            why = _("The ledger has less than it states: a line was corrected.")
            register.suspend_for_facts(certificate, why=why, at=at)
        elif certificate.state == "suspended" and certificate.suspended_for == "facts" and holds:
            why = _("The ledger has again what it states.")
            register.lift_now(certificate, reason=why, at=at, account_id=None)
