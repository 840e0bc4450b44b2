"""Questions about standings, the register and issuing batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms import policy
from lms.accounts.models import Person
from lms.assessments import queries as assessments
from lms.certificates import rules
from lms.certificates.models import (
    Certificate,
    CertificateDocument,
    CertificateFile,
    CohortRule,
    IssueBatch,
    IssueItem,
    RuleVersion,
    Standing,
    StatusList,
)
from lms.certificates.rules import FactValue, Trace
from lms.core import credentials
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.ports import Progress, Requirement, Task
from lms.courses import queries as courses
from lms.logbooks import queries as logbooks
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment

Facts = Mapping[str, FactValue]


# Facts and standings


def facts(cohort_id: int) -> dict[int, Facts]:
    """What every trainee of a cohort has of every fact; a set-based query per feature."""
    lectures = courses.lecture_facts(cohort_id)
    entries = logbooks.entry_facts(cohort_id)
    return {
        number: _facts(
            (lectures.completed.get(number, 0), lectures.total),
            (tests.tests_passed, tests.tests_total),
            entries.get(number, 0),
        )
        for number, tests in assessments.test_facts(cohort_id).items()
    }


def facts_of(enrolment: Enrolment) -> Facts:
    """What one trainee has of every fact."""
    lectures = courses.lecture_facts(enrolment.cohort_id, enrolment_id=enrolment.id)
    tests = assessments.test_facts_of(enrolment)
    return _facts(
        (lectures.completed.get(enrolment.id, 0), lectures.total),
        (tests.tests_passed, tests.tests_total),
        logbooks.signed_count(enrolment.id),
    )


def _facts(lectures: tuple[int, int], tests: tuple[int, int], entries: int) -> Facts:
    return {
        "lectures": FactValue(*lectures),
        "tests": FactValue(*tests),
        "entries_signed": FactValue(entries),
    }


def cohort_rule(cohort_id: int) -> CohortRule | None:
    """The rule a cohort is pinned to, with its text."""
    return db.session.scalar(
        select(CohortRule).options(joinedload(CohortRule.rule)).where(CohortRule.cohort_id == cohort_id)
    )


def latest_rule(programme_id: int) -> RuleVersion | None:
    """The newest published rule of a programme."""
    return db.session.scalar(
        select(RuleVersion)
        .where(RuleVersion.programme_id == programme_id)
        .order_by(RuleVersion.number.desc())
        .limit(1)
    )


def standing(enrolment: Enrolment) -> Trace | None:
    """How one trainee stands; None while the cohort has no rule."""
    row = db.session.get(Standing, enrolment.id)
    if row is not None:
        return Trace.of_document(row.trace)
    pinned = cohort_rule(enrolment.cohort_id)
    if pinned is None:
        return None
    return rules.evaluate(pinned.rule.expression, facts_of(enrolment))


def requirements(trace: Trace) -> tuple[Requirement, ...]:
    """A trace in words."""
    return tuple(
        Requirement(
            fact=clause.fact,
            title=rules.title(clause.fact),
            have=clause.have,
            need=clause.need,
            unit="",
            met=clause.met,
            missing=rules.missing(clause),
        )
        for clause in trace.clauses
    )


def _current(person_or_enrolment: Any) -> Certificate | None:
    return db.session.scalar(
        select(Certificate)
        .where(person_or_enrolment, Certificate.state.in_(("good", "reserved")))
        .order_by(Certificate.id.desc())
        .limit(1)
    )


def holders(enrolment_ids: Collection[int]) -> frozenset[int]:
    """Which of the enrolments hold a good certificate."""
    return frozenset(
        db.session.scalars(
            select(Certificate.enrolment_id).where(
                Certificate.enrolment_id.in_(enrolment_ids), Certificate.state == "good"
            )
        )
    )


def progress_of(by: Actor, _at: datetime) -> Progress | None:
    """The actor's own way to the certificate, for the home page."""
    if not by.is_any(Role.TRAINEE):
        return None
    row = db.session.execute(
        select(Standing.trace, Certificate.serial)
        .join(Enrolment, Enrolment.id == Standing.enrolment_id)
        .outerjoin(
            Certificate, and_(Certificate.enrolment_id == Standing.enrolment_id, Certificate.state == "good")
        )
        .where(Enrolment.person_id == by.person_id, Enrolment.state != "withdrawn")
        .order_by(Enrolment.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Progress(
        requirements(Trace.of_document(row[0])), "/progress", f"/certificates/{row[1]}" if row[1] else None
    )


def tasks(_by: Actor, _at: datetime) -> Sequence[Task]:
    """Nothing to do here but to fetch a certificate; the way to it stands beside the tasks."""
    return []


@dataclass(frozen=True)
class Way:
    """One trainee's way to the certificate with what surrounds it."""

    enrolment: Enrolment
    trace: Trace | None
    certificate: Certificate | None

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The clauses in words."""
        return requirements(self.trace) if self.trace else ()


def own_way(by: Actor) -> Way | None:
    """The actor's own way; None for whoever is no trainee."""
    enrolment = programmes.own_enrolment(by)
    return (
        None
        if enrolment is None
        else Way(enrolment, standing(enrolment), _current(Certificate.enrolment_id == enrolment.id))
    )


def way(enrolment_public_id: str, by: Actor) -> Way:
    """A trainee's way for those who may see it (mentor, coordinator…). Raises NotFound."""
    enrolment = programmes.enrolment(enrolment_public_id, by)
    return Way(enrolment, standing(enrolment), _current(Certificate.enrolment_id == enrolment.id))


# The cohort's matrix

FILTERS = ("ready", "open", "making", "issued")


@dataclass(frozen=True)
class MatrixRow:
    """One trainee in the matrix."""

    enrolment: Enrolment
    trace: Trace | None
    certificate: Certificate | None

    @property
    def state(self) -> str:
        """``issued``, ``making``, ``ready`` or ``open``."""
        if self.certificate is not None:
            return "issued" if self.certificate.state == "good" else "making"
        return "ready" if self.trace is not None and self.trace.met else "open"

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The clauses in words."""
        return requirements(self.trace) if self.trace else ()


@dataclass(frozen=True)
class Matrix:
    """The cohort with what each trainee still needs."""

    rows: list[MatrixRow]
    counts: dict[str, int]
    total: int
    """Rows under the chosen filter and search, over all pages."""


def _certificate_in(*states: str) -> Any:
    return exists().where(Certificate.enrolment_id == Enrolment.id, Certificate.state.in_(states))


def matrix(cohort: Cohort, *, state: str, search: str, page: int, per_page: int) -> Matrix:
    """One page of the matrix and the counts of its filters. Ask ``programmes.cohort`` first: it holds the door."""
    is_met = exists().where(Standing.enrolment_id == Enrolment.id, Standing.met.is_(True))
    conditions = {
        "issued": _certificate_in("good"),
        "making": _certificate_in("reserved"),
        "ready": and_(is_met, ~_certificate_in("good", "reserved")),
        "open": and_(~is_met, ~_certificate_in("good", "reserved")),
    }
    mine = Enrolment.cohort_id == cohort.id
    counts_row = db.session.execute(
        select(*[func.count().filter(condition).label(name) for name, condition in conditions.items()])
        .select_from(Enrolment)
        .where(mine)
    ).one()
    counts: dict[str, int] = counts_row._asdict()
    query = select(Enrolment).join(Person, Person.id == Enrolment.person_id).where(mine)
    if state in conditions:
        query = query.where(conditions[state])
    if search:
        like = f"%{search.strip().lower()}%"
        query = query.where(
            or_(func.lower(Person.name_zh).like(like), func.lower(Person.name_latin).like(like))
        )
    total = (
        counts[state]
        if state in conditions and not search
        else db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    )
    enrolments = db.session.scalars(
        query.options(joinedload(Enrolment.person), joinedload(Enrolment.home_hospital))
        .order_by(Person.name_latin, Person.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    ).all()
    numbers = [enrolment.id for enrolment in enrolments]
    traces = {
        row.enrolment_id: Trace.of_document(row.trace)
        for row in db.session.scalars(select(Standing).where(Standing.enrolment_id.in_(numbers)))
    }
    certificates = {
        row.enrolment_id: row
        for row in db.session.scalars(
            select(Certificate).where(
                Certificate.enrolment_id.in_(numbers), Certificate.state.in_(("good", "reserved"))
            )
        )
    }
    return Matrix(
        [
            MatrixRow(enrolment, traces.get(enrolment.id), certificates.get(enrolment.id))
            for enrolment in enrolments
        ],
        counts,
        total,
    )


def ready_ids(cohort_id: int) -> Sequence[str]:
    """Public ids of all enrolments that could be issued now."""
    return db.session.scalars(
        select(Enrolment.public_id)
        .join(Standing, Standing.enrolment_id == Enrolment.id)
        .where(Enrolment.cohort_id == cohort_id, Standing.met.is_(True), ~_certificate_in("good", "reserved"))
        .order_by(Enrolment.id)
    ).all()


def chosen(cohort: Cohort, public_ids: Sequence[str]) -> Sequence[Enrolment]:
    """The chosen enrolments of this cohort, persons and hospitals loaded; ids of other cohorts do not exist here."""
    return db.session.scalars(
        select(Enrolment)
        .join(Person, Person.id == Enrolment.person_id)
        .options(
            joinedload(Enrolment.person),
            joinedload(Enrolment.home_hospital),
            selectinload(Enrolment.placements),
        )
        .where(Enrolment.cohort_id == cohort.id, Enrolment.public_id.in_(list(public_ids)))
        .order_by(Person.name_latin, Person.id)
    ).all()


def batch(public_id: str, by: Actor) -> IssueBatch:
    """One batch with its people and their certificates. Raises NotFound."""
    found = db.session.scalar(
        select(IssueBatch)
        .options(
            joinedload(IssueBatch.cohort).joinedload(Cohort.programme),
            selectinload(IssueBatch.items).joinedload(IssueItem.certificate),
            selectinload(IssueBatch.items).joinedload(IssueItem.enrolment).joinedload(Enrolment.person),
        )
        .where(IssueBatch.public_id == public_id)
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.CERTIFICATE_ISSUE, found.cohort)
    return found


def batch_of_uuid(client_uuid: str) -> IssueBatch | None:
    """The batch that a form's key has made already."""
    return db.session.scalar(select(IssueBatch).where(IssueBatch.client_uuid == client_uuid))


# The register


def certificate(
    serial: str, by: Actor, *, permission: Permission = Permission.CERTIFICATE_READ
) -> Certificate:
    """A certificate for its holder or the staff of its programme. Raises NotFound."""
    proper = rules.read_serial(serial)
    found = db.session.scalar(select(Certificate).where(Certificate.serial == proper)) if proper else None
    if found is None:
        raise NotFound
    policy.require(by, permission, found, see=Permission.CERTIFICATE_READ)
    return found


@dataclass(frozen=True)
class PublicCertificate:
    """What anybody may know of a certificate."""

    serial: str
    state: str
    name: str
    """Masked unless the asker holds the key of the paper's QR."""
    name_is_full: bool
    facts: Mapping[str, Any]
    closed_at: datetime | None
    superseded_by: str | None


def public_certificate(text: str, *, key: str) -> PublicCertificate | None:
    """The register's answer to a stranger; None where no such certificate was ever issued."""
    serial = rules.read_serial(text)
    found = db.session.scalar(select(Certificate).where(Certificate.serial == serial)) if serial else None
    if found is None or found.state == "reserved":
        return None
    is_full = bool(key) and key == found.verify_key
    name = found.facts["name_zh"] or found.facts["name_latin"]
    latin = found.facts["name_latin"] if found.facts["name_zh"] else ""
    shown = " ".join(
        filter(None, (name, latin) if is_full else (rules.masked(name), rules.masked(latin) if latin else ""))
    )
    follower = None
    if found.state == "superseded":
        follower = db.session.scalar(
            select(Certificate.serial).where(
                Certificate.enrolment_id == found.enrolment_id,
                Certificate.kind == found.kind,
                Certificate.state == "good",
            )
        )
    return PublicCertificate(
        found.serial, found.state, shown, is_full, found.facts, found.closed_at, follower
    )


def issued() -> Sequence[Certificate]:
    """Every certificate with a file, in order of serial; for the command line."""
    return db.session.scalars(
        select(Certificate).where(Certificate.pdf_key.is_not(None)).order_by(Certificate.serial)
    ).all()


def latest_file(certificate_id: int) -> CertificateFile | None:
    """The newest state of a certificate's file; None while it is being made."""
    return db.session.scalar(
        select(CertificateFile)
        .where(CertificateFile.certificate_id == certificate_id)
        .order_by(CertificateFile.number.desc())
        .limit(1)
    )


def files_of(certificate_id: int) -> Sequence[CertificateFile]:
    """Every state that a certificate's file has had, the first first."""
    return db.session.scalars(
        select(CertificateFile)
        .where(CertificateFile.certificate_id == certificate_id)
        .order_by(CertificateFile.number)
    ).all()


def lost_with(signer_sha256: str) -> Sequence[str]:
    """Serials of good certificates that no longer prove themselves once this signer is withdrawn: all but B-LTA."""
    return db.session.scalars(
        select(Certificate.serial)
        .join(CertificateDocument, CertificateDocument.id == Certificate.id)
        .join(CertificateFile, CertificateFile.certificate_id == Certificate.id)
        .where(
            Certificate.state == "good",
            CertificateDocument.level != "B-LTA",
            CertificateFile.number == 1,
            or_(CertificateFile.signer_sha256 == signer_sha256, CertificateFile.signer_sha256.is_(None)),
        )
        .order_by(Certificate.serial)
    ).all()


def certificate_of_file(sha256: str) -> Certificate | None:
    """Whose file has this digest, in whatever state it was handed out."""
    return db.session.scalar(
        select(Certificate)
        .join(CertificateFile, CertificateFile.certificate_id == Certificate.id)
        .where(CertificateFile.sha256 == sha256)
    )


def credential_of(certificate: Certificate) -> Mapping[str, Any]:
    """The credential inside a certificate. Raises NotFound where there is none."""
    found = db.session.scalar(
        select(CertificateDocument.credential).where(CertificateDocument.id == certificate.id)
    )
    if found is None:
        raise NotFound
    return cast("Mapping[str, Any]", found)


def has_credential(certificate: Certificate) -> bool:
    """Whether a credential lies inside the certificate."""
    found = select(CertificateDocument.credential).where(CertificateDocument.id == certificate.id)
    return db.session.scalar(found) is not None


LISTED_STATES = {"revocation": ("revoked", "superseded"), "suspension": ("suspended",)}
"""Which states of the register stand on which status list."""


def listed_on(purpose: str, number: int) -> Sequence[int]:
    """Numbers of the certificates that a status list must name."""
    first = (number - 1) * credentials.LIST_BITS
    return db.session.scalars(
        select(Certificate.id)
        .where(
            Certificate.id.between(first, first + credentials.LIST_BITS - 1),
            Certificate.state.in_(LISTED_STATES[purpose]),
        )
        .order_by(Certificate.id)
    ).all()


def untrue_list() -> ColumnElement[bool]:
    """Which status lists say something else than the register."""
    first = (StatusList.number - 1) * credentials.LIST_BITS
    state = or_(
        *(
            and_(StatusList.purpose == purpose, Certificate.state.in_(states))
            for purpose, states in LISTED_STATES.items()
        )
    )
    where = and_(Certificate.id >= first, Certificate.id < first + credentials.LIST_BITS, state)
    count = select(func.count()).select_from(Certificate).where(where).scalar_subquery()
    total = select(func.coalesce(func.sum(Certificate.id), 0)).where(where).scalar_subquery()
    return or_(StatusList.listed != count, StatusList.listed_sum != total)


def status_list(purpose: str, number: int) -> Mapping[str, Any]:
    """A published status list. Raises NotFound."""
    found = db.session.scalar(
        select(StatusList.document).where(StatusList.purpose == purpose, StatusList.number == number)
    )
    if found is None:
        raise NotFound
    return cast("Mapping[str, Any]", found)


def status_list_ids(certificate_id: int) -> Sequence[int]:
    """The status lists on which a certificate's credential has its place."""
    number, _index = credentials.status_place(certificate_id)
    return db.session.scalars(select(StatusList.id).where(StatusList.number == number)).all()


def refusal_words(code: str, detail: str) -> str:
    """Why no certificate was made for a person, in one sentence."""
    return {
        "open": _("Requirements are still open."),
        "name_missing": _("The name in Chinese or Latin letters is missing."),
        "name_glyphs": _("No shipped font can draw: %(characters)s", characters=detail),
    }.get(code, code)


def certificates_of_cohort(cohort_id: int) -> Sequence[Certificate]:
    """Every certificate ever reserved in a cohort."""
    return db.session.scalars(
        select(Certificate).where(Certificate.cohort_id == cohort_id).order_by(Certificate.id)
    ).all()
