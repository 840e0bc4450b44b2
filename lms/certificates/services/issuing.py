"""Issuing: numbers are reserved at once, the worker makes the files."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, update

from lms import policy
from lms.certificates import queries, rules
from lms.certificates.face import AnnexLine, CertificateFace
from lms.certificates.models import Certificate, IssueBatch, IssueItem, RuleVersion
from lms.certificates.services import crediting, documents, log, register, standing, statements
from lms.certificates.services.reserving import ISSUE, lock_people, reserve, shared
from lms.core import audit, clock, jobs
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.logbooks.queries import committee
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment

UNIT_NAMES = {
    "NICU": ("新生儿重症监护室", "Neonatal Intensive Care Unit"),
    "PICU": ("儿童重症监护室", "Pediatric Intensive Care Unit"),
    "other": ("其他科室", "another unit"),
}


def issue(
    cohort: Cohort, enrolments: Sequence[Enrolment], *, client_uuid: str, at: datetime, by: Actor
) -> IssueBatch:
    """Reserve a certificate for each person who may have one and let the worker make the files.

    The same ``client_uuid`` twice is one batch; a person who has a certificate gets no second one, whoever presses.
    ``enrolments`` come from ``queries.chosen``.
    """
    policy.require(by, Permission.CERTIFICATE_ISSUE, cohort)
    again = queries.batch_of_uuid(client_uuid)
    if again is not None:
        return again
    if not enrolments:
        raise RuleBroken("nobody_chosen", _("Choose at least one trainee."))
    pinned = queries.cohort_rule(cohort.id)
    if pinned is None:
        raise RuleBroken("no_rule", _("This cohort has no certificate rule yet."))
    batch = IssueBatch(
        cohort_id=cohort.id, client_uuid=client_uuid, requested_by=by.account_id, requested_at=at
    )
    db.session.add(batch)
    db.session.flush()
    lock_people([enrolment.person_id for enrolment in enrolments])
    everyone = queries.facts(cohort.id) if len(enrolments) > 5 else {}
    waived = queries.waived([enrolment.id for enrolment in enrolments])
    for enrolment in enrolments:
        values = everyone.get(enrolment.id) or queries.facts_of(enrolment)
        trace = rules.evaluate(pinned.rule.expression, values, waived.get(enrolment.id, frozenset()))
        item = IssueItem(batch_id=batch.id, enrolment_id=enrolment.id)
        refusal = queries.refusal(enrolment, trace)
        if refusal is None:
            item.certificate_id = _complete(enrolment, cohort, trace, rule=pinned.rule, at=at, by=by).id
        else:
            item.refusal, item.detail = refusal
        db.session.add(item)
    db.session.flush()
    return batch


def replace(certificate: Certificate, *, reason: str, at: datetime, by: Actor) -> Certificate:
    """Issue a new one in place of this one: with the name and facts of today, a new number and the reason.

    The old one counts until the file of the new one is made; then it is superseded in the same moment. Twice is once.
    Raises RuleBroken with the code ``certificate_state``, ``reason_missing``, or that of a refusal at issue.
    """
    policy.require(by, Permission.CERTIFICATE_REVOKE, certificate, see=Permission.CERTIFICATE_READ)
    why = register.said(reason)
    lock_people([certificate.person_id])
    held = register.locked(certificate.id)
    rules.move(held.state, "supersede")
    enrolment = queries.enrolment_to_issue(held.enrolment_id)
    cohort = enrolment.cohort
    if held.kind == rules.CREDIT:
        return statements.again(held, enrolment, cause=why, at=at, by=by)
    pinned = queries.cohort_rule(cohort.id)
    assert pinned is not None
    waived = queries.waived([enrolment.id]).get(enrolment.id, frozenset())
    facts = queries.facts_of(enrolment)
    trace = rules.evaluate(pinned.rule.expression, facts, waived)
    rule = pinned.rule
    if not trace.met:
        earlier = queries.rule_of(held)
        assert earlier is not None  # every certificate of completion has one
        if rules.still_holds(earlier.expression, rules.Trace.of_document(held.trace), facts, waived):
            trace, rule = rules.Trace.of_document(held.trace), earlier
    refusal = queries.refusal(enrolment, trace)
    if refusal is not None:
        raise RuleBroken(refusal[0], queries.refusal_words(*refusal))
    return _complete(enrolment, cohort, trace, rule=rule, at=at, by=by, instead_of=held, cause=why)


def _complete(
    enrolment: Enrolment,
    cohort: Cohort,
    trace: rules.Trace,
    *,
    rule: RuleVersion,
    at: datetime,
    by: Actor,
    instead_of: Certificate | None = None,
    cause: str = "",
) -> Certificate:
    """Reserve a certificate of completion."""
    return reserve(
        enrolment,
        cohort,
        kind=rules.COMPLETION,
        face=lambda serial, key: face_of(
            enrolment, cohort, serial=serial, verify_key=key, issued_on=clock.today(at)
        ),
        trace=trace.document(),
        rule=rule,
        at=at,
        by=by,
        instead_of=instead_of,
        cause=cause,
    )


def face_of(
    enrolment: Enrolment, cohort: Cohort, *, serial: str, verify_key: str, issued_on: date
) -> CertificateFace:
    """What a certificate of that day says, copied from where it is kept."""
    return CertificateFace(
        **shared(enrolment, cohort, serial=serial, verify_key=verify_key, issued_on=issued_on),
        from_on=cohort.start_on,
        to_on=max(cohort.start_on, min(cohort.end_on, issued_on)),
        weeks=cohort.weeks,
        units=_units(enrolment, on=issued_on),
        hours=cohort.hours,
        annex=tuple(
            AnnexLine(
                one.item.code, one.item.title_zh, one.item.title_en, one.record.level, one.record.from_on
            )
            for one in committee.entrustments(enrolment, today=issued_on)
            if one.standing == "in_force"
        ),
    )


def _units(enrolment: Enrolment, *, on: date) -> tuple[tuple[str, str], ...]:
    """Where the trainee has been placed by that day, each unit once, in order."""
    return tuple(dict.fromkeys(UNIT_NAMES[row.unit] for row in enrolment.placements if row.from_on <= on))


def retry(certificate: Certificate, *, at: datetime, by: Actor) -> None:
    """Try a certificate again whose making was given up."""
    policy.require(by, Permission.CERTIFICATE_ISSUE, certificate)
    if certificate.gave_up_at is None:
        return
    certificate.gave_up_at = certificate.retry_at = certificate.failure = None
    certificate.attempts = 0
    audit.record(
        "certificates.certificate.retry",
        scope=f"programme:{certificate.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"certificate:{certificate.serial}",
    )
    jobs.enqueue(ISSUE, certificate.id)


def retry_all(batch: IssueBatch, *, at: datetime, by: Actor) -> int:
    """Try all of a batch again whose making was given up; gives back how many. ``batch`` comes from ``queries.batch``."""
    policy.require(by, Permission.CERTIFICATE_ISSUE, batch.cohort)
    failed = [
        item.certificate
        for item in batch.items
        if item.certificate and item.certificate.state == "reserved" and item.certificate.gave_up_at
    ]
    for certificate in failed:
        retry(certificate, at=at, by=by)
    return len(failed)


def finish(
    certificate_id: int,
    *,
    pdf_key: str,
    pdf_sha256: str,
    size_bytes: int,
    at: datetime,
    level: str = "B-B",
    due_at: datetime | None = None,
    credential: Mapping[str, Any] | None = None,
    signer_sha256: str | None = None,
) -> None:
    """Note the signed file in the register: from now on the certificate is good. The caller holds the lease."""
    row = register.locked(certificate_id)
    state = rules.move(row.state, "finish")
    before = _superseded_by(row, at=at)
    row.state = state
    row.pdf_key, row.pdf_sha256, row.pdf_bytes, row.finished_at = pdf_key, pdf_sha256, size_bytes, at
    db.session.flush()
    log.append(row, "issue", at=at, account_id=row.requested_by, reason=row.cause)
    audit.record(
        "certificates.certificate.issue",
        scope=f"programme:{row.programme_id}",
        at=at,
        account_id=row.requested_by,
        subject=f"certificate:{row.serial}",
        pdf=pdf_sha256,
    )
    documents.first_file(
        row,
        pdf_key=pdf_key,
        pdf_sha256=pdf_sha256,
        size_bytes=size_bytes,
        at=at,
        level=level,
        due_at=due_at,
        credential=credential,
        signer_sha256=signer_sha256,
    )
    if before is not None and before.state == "revoked":
        register.act(row, "revoke", reason=before.reason, at=at, account_id=row.requested_by)
    else:
        (crediting if row.kind == rules.CREDIT else standing).weigh_now(row, at=at)


def _superseded_by(row: Certificate, *, at: datetime) -> Certificate | None:
    """The certificate that ``row`` replaces, closed: never do two count, not even for a moment."""
    if row.supersedes is None:
        return None
    before = db.session.scalars(select(Certificate).where(Certificate.serial == row.supersedes)).one()
    before = register.locked(before.id)
    if before.state in {"good", "suspended"}:
        register.act(before, "supersede", reason=row.cause, at=at, account_id=row.requested_by)
    return before


def give_up(certificate_id: int, why: str, *, at: datetime) -> None:
    """No further attempt until somebody asks for one; the reason is kept for the page."""
    db.session.execute(
        update(Certificate)
        .where(Certificate.id == certificate_id, Certificate.state == "reserved")
        .values(gave_up_at=at, failure=why[:400])
    )
