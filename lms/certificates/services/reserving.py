"""Taking a number of the register for one person: the one place where a certificate's row is made, whatever its kind."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from lms.accounts.models import Person
from lms.certificates import rules, summary
from lms.certificates.face import CertificateFace
from lms.certificates.models import Certificate, RuleVersion, SerialCounter
from lms.core import audit, clock, ids, jobs, site
from lms.core.db import db, upsert
from lms.core.digests import digest_of
from lms.policy import Actor
from lms.programmes.models import Cohort, Enrolment

ISSUE = "certificates.issue"


def shared(
    enrolment: Enrolment, cohort: Cohort, *, serial: str, verify_key: str, issued_on: date
) -> dict[str, Any]:
    """What certificates of every kind say of the holder, the programme and themselves, copied from where it is kept."""
    person, programme, home = enrolment.person, cohort.programme, enrolment.home_hospital
    return {
        "serial": serial,
        "name_zh": person.name_zh,
        "name_latin": person.name_latin,
        "name_native": person.name_native,
        "native_lang": person.native_lang,
        "hospital_zh": home.name_zh if home else programme.sponsor.name_zh,
        "hospital_en": home.name_en if home else programme.sponsor.name_en,
        "programme_zh": programme.title_zh,
        "programme_en": programme.title_en,
        "cohort_zh": cohort.name_zh,
        "cohort_en": cohort.name_en,
        "sponsor_zh": programme.sponsor.name_zh,
        "sponsor_en": programme.sponsor.name_en,
        "director_name": programme.director_name,
        "issued_on": issued_on,
        "verify_url": rules.verify_url(site.settings().base_url, serial, verify_key),
        "demo": programme.is_sample,
        "summary": summary.FORM,
    }


def reserve(
    enrolment: Enrolment,
    cohort: Cohort,
    *,
    kind: str,
    face: Callable[[str, str], CertificateFace],
    trace: Mapping[str, Any],
    rule: RuleVersion | None,
    at: datetime,
    by: Actor,
    instead_of: Certificate | None = None,
    cause: str = "",
) -> Certificate:
    """Take the next serial and freeze the facts; the one that is being made or counts already is given back instead.

    ``face``: what it says, from its serial and the key of its QR code. ``instead_of``: the certificate that the new one
    replaces. The person is locked by the caller.
    """
    programme, today = cohort.programme, clock.today(at)
    editions = db.session.scalars(
        select(Certificate)
        .where(
            Certificate.person_id == enrolment.person_id,
            Certificate.programme_id == programme.id,
            Certificate.kind == kind,
        )
        .order_by(Certificate.edition)
    ).all()
    for earlier in editions:
        if earlier.state == "reserved" or (earlier.state in {"good", "suspended"} and instead_of is None):
            return earlier
    serial = rules.serial(programme.code, today.year, _next_number(programme.id, today.year))
    key = ids.public_id()
    facts = face(serial, key).facts()
    row = Certificate(
        serial=serial,
        programme_id=programme.id,
        cohort_id=cohort.id,
        enrolment_id=enrolment.id,
        person_id=enrolment.person_id,
        kind=kind,
        edition=len(editions) + 1,
        supersedes=instead_of.serial if instead_of else None,
        cause=cause,
        facts=facts,
        facts_sha256=digest_of(facts),
        trace=dict(trace),
        rule_id=rule.id if rule else None,
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


def lock_people(person_ids: Sequence[int]) -> None:
    """One reservation at a time for each person, taken in one order, so that two presses wait and never meet.

    Rows that only point to the person (a lease that ends) need not wait: waiting for each other they would lock up.
    """
    people = select(Person.id).where(Person.id.in_(person_ids)).order_by(Person.id)
    db.session.execute(people.with_for_update(key_share=True)).all()


def _next_number(programme_id: int, year: int) -> int:
    number = db.session.scalar(
        upsert(SerialCounter)
        .values(programme_id=programme_id, year=year, last=1)
        .on_conflict_do_update(index_elements=["programme_id", "year"], set_={"last": SerialCounter.last + 1})
        .returning(SerialCounter.last)
    )
    assert number is not None
    return int(number)
