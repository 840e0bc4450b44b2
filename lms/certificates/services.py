"""Acts on rules, standings and the register."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lms import policy
from lms.certificates import queries, rules
from lms.certificates.credential import PURPOSES
from lms.certificates.face import CertificateFace
from lms.certificates.models import (
    Certificate,
    CertificateDocument,
    CertificateFile,
    CohortRule,
    IssueBatch,
    IssueItem,
    RuleVersion,
    SerialCounter,
    Standing,
    StatusList,
)
from lms.core import audit, clock, credentials, ids, jobs, pdf, site
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.ports import FactChanged
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment, Programme

UNIT_NAMES = {
    "NICU": ("新生儿重症监护室", "Neonatal Intensive Care Unit"),
    "PICU": ("儿童重症监护室", "Pediatric Intensive Care Unit"),
    "other": ("其他科室", "another unit"),
}

ISSUE = "certificates.issue"
RESTAND = "certificates.restand"
EXTEND = "certificates.extend"
LISTS = "certificates.lists"


def _who(by: Actor | None) -> int | None:
    return by.account_id if by else None


# Rules


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
    cohort: Cohort, *, lectures: bool, tests: bool, entries: int, at: datetime, by: Actor
) -> CohortRule:
    """Give a cohort its certificate rule, published in its programme if it is a new one. The same rule twice is once.

    Raises RuleBroken ``rule_empty`` or ``rule_pinned``.
    """
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    wanted = rules.expression(lectures=lectures, tests=tests, entries=entries)
    pinned = queries.cohort_rule(cohort.id)
    if pinned is not None and pinned.rule.sha256 == digest_of(wanted):
        return pinned
    last = queries.latest_rule(cohort.programme_id)
    if last is None or last.sha256 != digest_of(wanted):
        last = publish_rule(cohort.programme, wanted, at=at, by=by)
    return pin_rule(cohort, last, at=at, by=by)


# Standings


def fact_changed(change: FactChanged) -> None:
    """A counted fact changed: make the one standing anew at once, or mark the whole cohort's as stale."""
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
    rows = []
    for number, values in found.items():
        trace = rules.evaluate(pinned.rule.expression, values)
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
    insert: Any = postgresql.insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Standing)
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
    return len(rows)


def forget_standing(enrolment: Enrolment) -> None:
    """Drop the cached standing of a trainee who has left."""
    db.session.execute(delete(Standing).where(Standing.enrolment_id == enrolment.id))


# Issue


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
    everyone = queries.facts(cohort.id) if len(enrolments) > 5 else {}
    for enrolment in enrolments:
        values = everyone.get(enrolment.id) or queries.facts_of(enrolment)
        trace = rules.evaluate(pinned.rule.expression, values)
        item = IssueItem(batch_id=batch.id, enrolment_id=enrolment.id)
        refusal = _refusal(enrolment, trace)
        if refusal is None:
            item.certificate_id = _reserve(enrolment, cohort, trace, rule=pinned.rule, at=at, by=by).id
        else:
            item.refusal, item.detail = refusal
        db.session.add(item)
    db.session.flush()
    return batch


def _refusal(enrolment: Enrolment, trace: rules.Trace) -> tuple[str, str] | None:
    person = enrolment.person
    if not trace.met:
        return "open", ""
    if not (person.name_zh or person.name_latin):
        return "name_missing", ""
    characters = pdf.missing_glyphs(f"{person.name_zh}{person.name_latin}{person.name_native}")
    if characters:
        return "name_glyphs", " ".join(characters)[:200]
    return None


def _reserve(
    enrolment: Enrolment, cohort: Cohort, trace: rules.Trace, *, rule: RuleVersion, at: datetime, by: Actor
) -> Certificate:
    """Take the next serial and freeze the facts; the one that is reserved or good already is given back instead."""
    editions = db.session.scalars(
        select(Certificate)
        .where(Certificate.enrolment_id == enrolment.id, Certificate.kind == "completion")
        .order_by(Certificate.edition)
        .with_for_update()
    ).all()
    for earlier in editions:
        if earlier.state in {"reserved", "good"}:
            return earlier
    programme, today = cohort.programme, clock.today(at)
    serial = rules.serial(programme.code, today.year, _next_number(programme.id, today.year))
    key = ids.public_id()
    face = _face(enrolment, cohort, serial=serial, verify_key=key, issued_on=today)
    row = Certificate(
        serial=serial,
        programme_id=programme.id,
        cohort_id=cohort.id,
        enrolment_id=enrolment.id,
        person_id=enrolment.person_id,
        edition=len(editions) + 1,
        facts=face.facts(),
        facts_sha256=digest_of(face.facts()),
        trace=trace.document(),
        rule_id=rule.id,
        verify_key=key,
        reserved_at=at,
        requested_by=by.account_id,
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "certificates.certificate.reserve",
        scope=f"programme:{programme.id}",
        at=at,
        account_id=by.account_id,
        subject=f"certificate:{serial}",
        facts=row.facts_sha256,
    )
    jobs.enqueue(ISSUE, row.id)
    return row


def _next_number(programme_id: int, year: int) -> int:
    insert: Any = postgresql.insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    number = db.session.scalar(
        insert(SerialCounter)
        .values(programme_id=programme_id, year=year, last=1)
        .on_conflict_do_update(index_elements=["programme_id", "year"], set_={"last": SerialCounter.last + 1})
        .returning(SerialCounter.last)
    )
    assert number is not None
    return int(number)


def _face(
    enrolment: Enrolment, cohort: Cohort, *, serial: str, verify_key: str, issued_on: date
) -> CertificateFace:
    person, programme, home = enrolment.person, cohort.programme, enrolment.home_hospital
    return CertificateFace(
        serial=serial,
        name_zh=person.name_zh,
        name_latin=person.name_latin,
        name_native=person.name_native,
        native_lang=person.native_lang,
        hospital_zh=home.name_zh if home else programme.sponsor.name_zh,
        hospital_en=home.name_en if home else programme.sponsor.name_en,
        programme_zh=programme.title_zh,
        programme_en=programme.title_en,
        cohort_zh=cohort.name_zh,
        cohort_en=cohort.name_en,
        sponsor_zh=programme.sponsor.name_zh,
        sponsor_en=programme.sponsor.name_en,
        from_on=cohort.start_on,
        to_on=cohort.end_on,
        weeks=cohort.weeks,
        units=_units(enrolment, on=issued_on),
        hours=cohort.hours,
        director_name=programme.director_name,
        issued_on=issued_on,
        verify_url=f"{site.settings().base_url}/verify/{serial}?k={verify_key}",
        demo=programme.is_sample,
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
    """Note the signed file in the register: from now on the certificate is good. The caller holds the lease.

    ``due_at``: when its last time stamp must be followed by another.
    """
    row = db.session.scalars(
        select(Certificate).where(Certificate.id == certificate_id).with_for_update()
    ).one()
    row.state = rules.move(row.state, "finish")
    row.pdf_key, row.pdf_sha256, row.pdf_bytes, row.finished_at = pdf_key, pdf_sha256, size_bytes, at
    audit.record(
        "certificates.certificate.issue",
        scope=f"programme:{row.programme_id}",
        at=at,
        account_id=row.requested_by,
        subject=f"certificate:{row.serial}",
        pdf=pdf_sha256,
    )
    db.session.add(
        CertificateFile(
            certificate_id=row.id,
            number=1,
            sha256=pdf_sha256,
            pdf_key=pdf_key,
            pdf_bytes=size_bytes,
            level=level,
            signer_sha256=signer_sha256,
            at=at,
        )
    )
    db.session.add(
        CertificateDocument(
            id=row.id, level=level, due_at=due_at, credential=dict(credential) if credential else None
        )
    )
    if credential:
        _ensure_lists(row.id)
    db.session.flush()


def _ensure_lists(certificate_id: int) -> None:
    """The status lists on which the certificate's credential has its place."""
    insert: Any = postgresql.insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    number, _index = credentials.status_place(certificate_id)
    rows = [
        {"purpose": purpose, "number": number, "listed": 0, "listed_sum": 0, "lease_token": 0, "attempts": 0}
        for purpose in PURPOSES
    ]
    db.session.execute(insert(StatusList).values(rows).on_conflict_do_nothing())


def extend(
    certificate_id: int,
    *,
    pdf_key: str,
    pdf_sha256: str,
    size_bytes: int,
    level: str,
    due_at: datetime | None,
    at: datetime,
) -> None:
    """Note the next state of a certificate's file, with more evidence behind it. The caller holds the document's lease."""
    document = db.session.get_one(CertificateDocument, certificate_id)
    certificate = db.session.get_one(Certificate, certificate_id)
    last = queries.latest_file(certificate_id)
    assert last is not None
    db.session.add(
        CertificateFile(
            certificate_id=certificate_id,
            number=last.number + 1,
            sha256=pdf_sha256,
            pdf_key=pdf_key,
            pdf_bytes=size_bytes,
            level=level,
            signer_sha256=last.signer_sha256,
            at=at,
        )
    )
    document.level, document.due_at, document.attempts = level, due_at, 0
    audit.record(
        "certificates.document.extend",
        scope=f"programme:{certificate.programme_id}",
        at=at,
        account_id=None,
        subject=f"certificate:{certificate.serial}",
        pdf=pdf_sha256,
    )
    db.session.flush()


def publish_list(
    status_list: StatusList,
    document: Mapping[str, Any],
    *,
    listed: Sequence[int],
    valid_until: datetime,
) -> None:
    """Put a freshly signed status list in the place of the last one. The caller holds its lease."""
    status_list.document, status_list.valid_until = dict(document), valid_until
    status_list.listed, status_list.listed_sum = len(listed), sum(listed)
    status_list.attempts = 0
    db.session.flush()


def give_up(certificate_id: int, why: str, *, at: datetime) -> None:
    """No further attempt until somebody asks for one; the reason is kept for the page."""
    db.session.execute(
        update(Certificate)
        .where(Certificate.id == certificate_id, Certificate.state == "reserved")
        .values(gave_up_at=at, failure=why[:400])
    )


def revoke(certificate: Certificate, *, reason: str, at: datetime, by: Actor) -> None:
    """Take a certificate back, for good; the verification page says so at once."""
    policy.require(by, Permission.CERTIFICATE_REVOKE, certificate, see=Permission.CERTIFICATE_READ)
    if certificate.state == "revoked":
        return
    reason = reason.strip()
    if not reason:
        raise RuleBroken(
            "reason_missing", _("Say why; the reason is kept with the certificate."), field="reason"
        )
    certificate.state = rules.move(certificate.state, "revoke")
    certificate.closed_at, certificate.reason = at, reason[:300]
    for number in queries.status_list_ids(certificate.id):
        jobs.enqueue(LISTS, number)
    audit.record(
        "certificates.certificate.revoke",
        scope=f"programme:{certificate.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"certificate:{certificate.serial}",
    )
    db.session.flush()
