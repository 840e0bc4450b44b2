"""How trainees stand against their cohort's rule, and whether a certificate still stands on its facts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from lms.certificates import queries, rules
from lms.certificates.models import Certificate, CohortRule, Standing
from lms.certificates.services import register
from lms.core import jobs
from lms.core.db import db, upsert
from lms.core.i18n import _
from lms.core.ports import FactChanged
from lms.programmes.models import Enrolment

RESTAND = "certificates.restand"


def fact_changed(change: FactChanged) -> None:
    """A counted fact changed: make the one standing anew at once, or mark the whole cohort's as stale."""
    if change.fact not in rules.FACTS:
        return
    if change.enrolment_id is not None:
        enrolment = db.session.get_one(Enrolment, change.enrolment_id)
        pinned = queries.cohort_rule(enrolment.cohort_id)
        if pinned is not None:
            restand(pinned, at=change.at, only=enrolment)
        return
    pinned = queries.cohort_rule(change.cohort_id) if change.cohort_id else None
    if pinned is not None:
        pinned.is_stale = True
        pinned.attempts = 0
        db.session.flush()
        jobs.enqueue(RESTAND, pinned.id)


def restand(pinned: CohortRule, *, at: datetime, only: Enrolment | None = None) -> int:
    """Evaluate the rule for a cohort (or one trainee) and keep the outcome; returns for how many."""
    db.session.flush()
    found = queries.facts(pinned.cohort_id) if only is None else {only.id: queries.facts_of(only)}
    waived = queries.waived(found)
    rows = []
    for number, values in found.items():
        trace = rules.evaluate(pinned.rule.expression, values, waived.get(number, frozenset()))
        rows.append(
            {
                "enrolment_id": number,
                "cohort_id": pinned.cohort_id,
                "met": trace.met,
                "trace": trace.document(),
                "evaluated_at": at,
            }
        )
    if not rows:
        return 0
    statement = upsert(Standing)
    statement = statement.on_conflict_do_update(
        index_elements=[Standing.enrolment_id],
        set_={
            name: getattr(statement.excluded, name) for name in ("cohort_id", "met", "trace", "evaluated_at")
        },
    )
    db.session.execute(statement, rows)
    for row in rows:
        held = db.session.identity_map.get(db.session.identity_key(Standing, row["enrolment_id"]))
        if held is not None:
            db.session.expire(held)
    for certificate in queries.standing_certificates(list(found)):
        weigh(
            certificate,
            found[certificate.enrolment_id],
            waived.get(certificate.enrolment_id, frozenset()),
            at=at,
        )
    return len(rows)


def weigh(certificate: Certificate, facts: queries.Facts, waived: frozenset[str], *, at: datetime) -> None:
    """Suspend a certificate whose facts are gone; lift one that was suspended for that and has them again."""
    assert certificate.rule is not None  # every certificate of completion has one
    holds = rules.still_holds(
        certificate.rule.expression, rules.Trace.of_document(certificate.trace), facts, waived
    )
    if certificate.state == "good" and not holds:
        why = _("A requirement that it was issued for is no longer met.")
        register.suspend_for_facts(certificate, why=why, at=at)
    elif certificate.state == "suspended" and certificate.suspended_for == "facts" and holds:
        register.lift_now(certificate, reason=_("The requirement is met again."), at=at, account_id=None)


def forget_standing(enrolment: Enrolment) -> None:
    """Drop the cached standing of a trainee who has left."""
    db.session.execute(delete(Standing).where(Standing.enrolment_id == enrolment.id))


def weigh_again(enrolment_ids: Collection[int], *, at: datetime) -> None:
    """Facts may have gone while the files were being made; the cached standings say at whom to look closely."""
    unmet = select(Standing.enrolment_id).where(
        Standing.enrolment_id.in_(list(enrolment_ids)), Standing.met.is_(False)
    )
    doubtful = db.session.scalars(unmet).all()
    if not doubtful:
        return
    waived = queries.waived(doubtful)
    for one in queries.standing_certificates(doubtful):
        facts = queries.facts_of(db.session.get_one(Enrolment, one.enrolment_id))
        weigh(one, facts, waived.get(one.enrolment_id, frozenset()), at=at)
