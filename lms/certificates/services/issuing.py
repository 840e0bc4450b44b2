"""Issuing: numbers are reserved at once, the worker makes the files."""

from collections.abc import Sequence
from datetime import date, datetime

from lms import policy
from lms.certificates import queries, rules
from lms.certificates.face import AnnexLine, CertificateFace
from lms.certificates.models import Certificate, IssueBatch, RuleVersion
from lms.certificates.services import register, statements
from lms.certificates.services.reserving import ISSUE, Candidate, lock_people, note_items, reserve, shared
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
    traces = {}
    refusals: dict[int, tuple[str, str]] = {}
    for one in enrolments:
        values = everyone.get(one.id) or queries.facts_of(one)
        traces[one.id] = rules.evaluate(pinned.rule.expression, values, waived.get(one.id, frozenset()))
        refusal = queries.refusal(one, traces[one.id])
        if refusal is not None:
            refusals[one.id] = refusal
    able = [(one, traces[one.id]) for one in enrolments if one.id not in refusals]
    note_items(batch, enrolments, _complete(able, cohort, rule=pinned.rule, at=at, by=by), refusals)
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
    (made,) = _complete([(enrolment, trace)], cohort, rule=rule, at=at, by=by, instead_of=held, cause=why)
    return made


def _complete(
    able: Sequence[tuple[Enrolment, rules.Trace]],
    cohort: Cohort,
    *,
    rule: RuleVersion,
    at: datetime,
    by: Actor,
    instead_of: Certificate | None = None,
    cause: str = "",
) -> list[Certificate]:
    """Reserve certificates of completion for those whose evaluation allows it."""
    today = clock.today(at)
    entrusted = committee.entrustments_of([enrolment.id for enrolment, _trace in able], today=today)

    def candidate(enrolment: Enrolment, trace: rules.Trace) -> Candidate:
        annex = annex_of(entrusted.get(enrolment.id, []))
        return Candidate(
            enrolment,
            lambda serial, key: face_of(
                enrolment, cohort, annex, serial=serial, verify_key=key, issued_on=today
            ),
            trace.document(),
        )

    return reserve(
        [candidate(*one) for one in able],
        cohort,
        kind=rules.COMPLETION,
        rule=rule,
        at=at,
        by=by,
        instead_of=instead_of,
        cause=cause,
    )


def annex_of(entrusted: Sequence[committee.Entrusted]) -> tuple[AnnexLine, ...]:
    """The procedures that are entrusted to a trainee now, as the annex names them."""
    return tuple(
        AnnexLine(one.item.code, one.item.title_zh, one.item.title_en, one.record.level, one.record.from_on)
        for one in entrusted
        if one.standing == "in_force"
    )


def face_of(
    enrolment: Enrolment,
    cohort: Cohort,
    annex: tuple[AnnexLine, ...],
    *,
    serial: str,
    verify_key: str,
    issued_on: date,
) -> CertificateFace:
    """What a certificate of that day says, copied from where it is kept."""
    return CertificateFace(
        **shared(enrolment, cohort, serial=serial, verify_key=verify_key, issued_on=issued_on),
        from_on=cohort.start_on,
        to_on=max(cohort.start_on, min(cohort.end_on, issued_on)),
        weeks=cohort.weeks,
        units=_units(enrolment, on=issued_on),
        hours=cohort.hours,
        annex=annex,
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
