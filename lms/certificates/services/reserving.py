"""Taking a number of the register for one person: the one place where a certificate's row is made, whatever its kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from lms.accounts.models import Person
from lms.certificates import rules, summary
from lms.certificates.face import CertificateFace
from lms.certificates.models import Certificate, IssueBatch, IssueItem, RuleVersion, SerialCounter
from lms.core import audit, clock, ids, jobs, site
from lms.core.db import db, insert_all, upsert
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


@dataclass(frozen=True)
class Candidate:
    """One person for whom a number is taken, and what stands on the paper."""

    enrolment: Enrolment
    face: Callable[[str, str], CertificateFace]
    """What it says, from its serial and the key of its QR code."""
    trace: Mapping[str, Any]
    """The evaluation that allows it; of a credit certificate, what it states."""


def reserve(
    candidates: Sequence[Candidate],
    cohort: Cohort,
    *,
    kind: str,
    rule: RuleVersion | None,
    at: datetime,
    by: Actor,
    instead_of: Certificate | None = None,
    cause: str = "",
) -> list[Certificate]:
    """Take the next serials and freeze the facts, in the order of the candidates.

    Whose certificate is being made or counts already gets that one back instead. ``instead_of``: the certificate that the
    new one (of one candidate) replaces. The persons are locked by the caller.
    """
    programme, year = cohort.programme, clock.today(at).year
    found = _editions([one.enrolment.person_id for one in candidates], programme.id, kind)
    going_on = {"reserved"} if instead_of else {"reserved", "good", "suspended"}
    # One person for each number, also if two enrolments of the same person were chosen.
    fresh = {
        one.enrolment.person_id: one
        for one in reversed(candidates)
        if not any(row.state in going_on for row in found.get(one.enrolment.person_id, ()))
    }
    numbers = _next_numbers(programme.id, year, len(fresh))
    rows: list[dict[str, Any]] = []
    for one in candidates:
        person_id = one.enrolment.person_id
        if fresh.get(person_id) is not one:
            continue
        serial, key = rules.serial(programme.code, year, next(numbers)), ids.public_id()
        facts = one.face(serial, key).facts()
        rows.append(
            {
                "serial": serial,
                "programme_id": programme.id,
                "cohort_id": cohort.id,
                "enrolment_id": one.enrolment.id,
                "person_id": person_id,
                "kind": kind,
                "edition": len(found.get(person_id, ())) + 1,
                "supersedes": instead_of.serial if instead_of else None,
                "cause": cause,
                "facts": facts,
                "facts_sha256": digest_of(facts),
                "trace": dict(one.trace),
                "rule_id": rule.id if rule else None,
                "verify_key": key,
                "reserved_at": at,
                "requested_by": by.account_id,
            }
        )
    made = {row.person_id: row for row in insert_all(Certificate, rows, giving=Certificate)}
    audit.record_all(
        "certificates.certificate.reserve",
        [(f"certificate:{row['serial']}", {"facts": row["facts_sha256"]}) for row in rows],
        scope=f"programme:{programme.id}",
        at=at,
        account_id=by.account_id,
    )
    if made:
        jobs.enqueue_all(ISSUE, [row.id for row in made.values()])
    return [
        made.get(person_id) or next(row for row in found[person_id] if row.state in going_on)
        for person_id in (one.enrolment.person_id for one in candidates)
    ]


def _editions(person_ids: Sequence[int], programme_id: int, kind: str) -> dict[int, list[Certificate]]:
    """Person → every certificate of the kind, as the register has them now that the persons are locked."""
    query = (
        select(Certificate)
        .where(
            Certificate.person_id.in_(person_ids),
            Certificate.programme_id == programme_id,
            Certificate.kind == kind,
        )
        .order_by(Certificate.edition)
        .execution_options(populate_existing=True)
    )
    found: dict[int, list[Certificate]] = {}
    for row in db.session.scalars(query):
        found.setdefault(row.person_id, []).append(row)
    return found


def note_items(
    batch: IssueBatch,
    enrolments: Sequence[Enrolment],
    certificates: Sequence[Certificate],
    refusals: Mapping[int, tuple[str, str]],
) -> None:
    """Note what became of each person of a batch. ``certificates``: of those who were not refused, in their order."""
    theirs = iter(certificates)
    rows = []
    for one in enrolments:
        refusal, detail = refusals.get(one.id, ("", ""))
        rows.append(
            {
                "batch_id": batch.id,
                "enrolment_id": one.id,
                "certificate_id": None if refusal else next(theirs).id,
                "refusal": refusal,
                "detail": detail,
            }
        )
    insert_all(IssueItem, rows)


def lock_people(person_ids: Sequence[int]) -> None:
    """One reservation at a time for each person, taken in one order, so that two presses wait and never meet.

    Rows that only point to the person (a lease that ends) need not wait: waiting for each other they would lock up.
    """
    people = select(Person.id).where(Person.id.in_(person_ids)).order_by(Person.id)
    db.session.execute(people.with_for_update(key_share=True)).all()


def _next_numbers(programme_id: int, year: int, many: int) -> Iterator[int]:
    """The next numbers of a programme's year; those that are not used after all are given to nobody, so all must be."""
    if not many:
        return iter(())
    last = db.session.scalar(
        upsert(SerialCounter)
        .values(programme_id=programme_id, year=year, last=many)
        .on_conflict_do_update(
            index_elements=["programme_id", "year"], set_={"last": SerialCounter.last + many}
        )
        .returning(SerialCounter.last)
    )
    assert last is not None
    return iter(range(last - many + 1, last + 1))
