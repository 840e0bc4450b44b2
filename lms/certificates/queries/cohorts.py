"""Questions about standings, the register and issuing batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from lms import policy
from lms.accounts.models import Person
from lms.assessments import queries as assessments
from lms.certificates import rules
from lms.certificates.models import (
    Certificate,
    CohortRule,
    IssueBatch,
    IssueItem,
    RuleVersion,
    Standing,
    Waiver,
)
from lms.certificates.rules import FactValue, Trace
from lms.core import approvals, pdf
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.figures import Figure, by_state
from lms.core.i18n import _, lazy
from lms.core.ports import Progress, Requirement, Task
from lms.courses import queries as courses
from lms.logbooks import queries as logbooks
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Programme

Facts = Mapping[str, FactValue]


# Facts and standings


def facts(cohort_id: int) -> dict[int, Facts]:
    """What every trainee of a cohort has of every fact; a set-based query per feature."""
    lectures = courses.lecture_facts(cohort_id)
    entries, items = logbooks.entry_facts(cohort_id), logbooks.approved_facts(cohort_id)
    return {
        number: _facts(
            (lectures.completed.get(number, 0), lectures.total),
            (tests.tests_passed, tests.tests_total),
            entries.get(number, 0),
            (items.approved.get(number, 0), items.total.get(number, 0)),
        )
        for number, tests in assessments.test_facts(cohort_id).items()
    }


def facts_of(enrolment: Enrolment) -> Facts:
    """What one trainee has of every fact."""
    lectures = courses.lecture_facts(enrolment.cohort_id, enrolment_id=enrolment.id)
    tests = assessments.test_facts_of(enrolment)
    items = logbooks.approved_facts(enrolment.cohort_id, enrolment_id=enrolment.id)
    return _facts(
        (lectures.completed.get(enrolment.id, 0), lectures.total),
        (tests.tests_passed, tests.tests_total),
        logbooks.signed_count(enrolment.id),
        (items.approved.get(enrolment.id, 0), items.total.get(enrolment.id, 0)),
    )


def _facts(lectures: tuple[int, int], tests: tuple[int, int], entries: int, items: tuple[int, int]) -> Facts:
    return {
        "lectures": FactValue(*lectures),
        "tests": FactValue(*tests),
        "entries_signed": FactValue(entries),
        "items_approved": FactValue(*items),
    }


def waived(enrolment_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """Enrolment → facts that two people waived for it."""
    found: dict[int, set[str]] = {}
    for number, fact in db.session.execute(
        select(Waiver.enrolment_id, Waiver.fact).where(Waiver.enrolment_id.in_(list(enrolment_ids)))
    ):
        found.setdefault(number, set()).add(fact)
    return {number: frozenset(names) for number, names in found.items()}


def waivers(enrolment_id: int) -> Sequence[Waiver]:
    """What was waived for a trainee."""
    return db.session.scalars(
        select(Waiver).where(Waiver.enrolment_id == enrolment_id).order_by(Waiver.id)
    ).all()


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
    return rules.evaluate(
        pinned.rule.expression,
        facts_of(enrolment),
        waived([enrolment.id]).get(enrolment.id, frozenset()),
    )


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
        .where(
            person_or_enrolment,
            Certificate.kind == rules.COMPLETION,
            Certificate.state.in_(("good", "suspended", "reserved")),
        )
        .order_by(Certificate.id.desc())
        .limit(1)
    )


def holders(enrolment_ids: Collection[int]) -> frozenset[int]:
    """Which of the enrolments hold a good certificate of completion."""
    return frozenset(
        db.session.scalars(
            select(Certificate.enrolment_id).where(
                Certificate.enrolment_id.in_(enrolment_ids),
                Certificate.kind == rules.COMPLETION,
                Certificate.state == "good",
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
            Certificate,
            and_(
                Certificate.enrolment_id == Standing.enrolment_id,
                Certificate.kind == rules.COMPLETION,
                Certificate.state == "good",
            ),
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

FILTERS = ("ready", "open", "making", "issued", "suspended")


@dataclass(frozen=True)
class MatrixRow:
    """One trainee in the matrix."""

    enrolment: Enrolment
    trace: Trace | None
    certificate: Certificate | None
    successor: Certificate | None = None
    """What is being made to replace the certificate."""

    @property
    def state(self) -> str:
        """``issued``, ``suspended``, ``making``, ``ready`` or ``open``."""
        if self.certificate is not None:
            return {"good": "issued", "suspended": "suspended"}.get(self.certificate.state, "making")
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
    return exists().where(
        Certificate.enrolment_id == Enrolment.id,
        Certificate.kind == rules.COMPLETION,
        Certificate.state.in_(states),
    )


def matrix(cohort: Cohort, *, state: str, search: str, page: int, per_page: int) -> Matrix:
    """One page of the matrix and the counts of its filters. Ask ``programmes.cohort`` first: it holds the door."""
    is_met = exists().where(Standing.enrolment_id == Enrolment.id, Standing.met.is_(True))
    conditions = {
        "issued": _certificate_in("good"),
        "suspended": _certificate_in("suspended"),
        "making": _certificate_in("reserved"),
        "ready": and_(is_met, ~_certificate_in("good", "suspended", "reserved")),
        "open": and_(~is_met, ~_certificate_in("good", "suspended", "reserved")),
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
    certificates: dict[int, list[Certificate]] = {}
    for row in db.session.scalars(
        select(Certificate)
        .where(
            Certificate.enrolment_id.in_(numbers),
            Certificate.kind == rules.COMPLETION,
            Certificate.state.in_(("good", "suspended", "reserved")),
        )
        .order_by(Certificate.edition)  # the one that counts comes before the one that is to replace it
    ):
        certificates.setdefault(row.enrolment_id, []).append(row)
    return Matrix(
        [
            MatrixRow(
                enrolment,
                traces.get(enrolment.id),
                *([*certificates.get(enrolment.id, []), None, None][:2]),
            )
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
        .where(
            Enrolment.cohort_id == cohort_id,
            Standing.met.is_(True),
            ~_certificate_in("good", "suspended", "reserved"),
        )
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


def refusal(enrolment: Enrolment, trace: Trace) -> tuple[str, str] | None:
    """Why no certificate could be made for a person now, as code and detail; their person is loaded."""
    person = enrolment.person
    if not trace.met:
        return "open", ""
    if not (person.name_zh or person.name_latin):
        return "name_missing", ""
    characters = pdf.missing_glyphs(f"{person.name_zh}{person.name_latin}{person.name_native}")
    if characters:
        return "name_glyphs", " ".join(characters)[:200]
    return None


def enrolment_to_issue(enrolment_id: int) -> Enrolment:
    """An enrolment with all that a certificate says about it."""
    return db.session.scalars(
        select(Enrolment)
        .options(
            joinedload(Enrolment.person),
            joinedload(Enrolment.home_hospital),
            selectinload(Enrolment.placements),
            joinedload(Enrolment.cohort).joinedload(Cohort.programme).joinedload(Programme.sponsor),
        )
        .where(Enrolment.id == enrolment_id)
        .execution_options(populate_existing=True)
    ).one()


def rule_of(certificate: Certificate) -> RuleVersion | None:
    """The rule that a certificate was issued under; a certificate of credits has none."""
    return db.session.get_one(RuleVersion, certificate.rule_id) if certificate.rule_id else None


def has_issued(cohort_id: int) -> bool:
    """Whether anybody in the cohort has ever been given the number of a certificate of completion."""
    given = exists().where(Certificate.cohort_id == cohort_id, Certificate.kind == rules.COMPLETION)
    return bool(db.session.scalar(select(given)))


def standing_certificates(enrolment_ids: Collection[int]) -> Sequence[Certificate]:
    """The good and suspended certificates of completion of some enrolments, with the rules they were issued under."""
    return db.session.scalars(
        select(Certificate)
        .options(joinedload(Certificate.rule))
        .where(
            Certificate.enrolment_id.in_(list(enrolment_ids)),
            Certificate.kind == rules.COMPLETION,
            Certificate.state.in_(("good", "suspended")),
        )
    ).all()


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


def successor(certificate: Certificate) -> Certificate | None:
    """What is being made to replace a certificate, or could not be made."""
    return db.session.scalar(
        select(Certificate).where(
            Certificate.supersedes == certificate.serial, Certificate.state == "reserved"
        )
    )


def decisions(cohort: Cohort) -> Sequence[approvals.Approval]:
    """Changes of rule and waivers of a cohort that wait for a second person."""
    members = select(Enrolment.public_id).where(Enrolment.cohort_id == cohort.id)
    waiting = db.session.scalars(
        select(approvals.Approval)
        .where(
            approvals.Approval.kind.in_(("certificates.rule.change", "certificates.requirement.waive")),
            approvals.Approval.state == approvals.OPEN,
            approvals.Approval.scope == f"programme:{cohort.programme_id}",
        )
        .order_by(approvals.Approval.id)
    ).all()
    ids = set(db.session.scalars(members)) if any("enrolment" in one.payload for one in waiting) else set()
    return [
        one
        for one in waiting
        if one.payload.get("cohort") == cohort.public_id or one.payload.get("enrolment") in ids
    ]


def decision_words(approval: approvals.Approval) -> str:
    """What is proposed, in one sentence."""
    if "to" in approval.payload:
        return _("Change the certificate rule to: %(rule)s", rule=expression_words(approval.payload["to"]))
    person = db.session.scalars(
        select(Person)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .where(Enrolment.public_id == approval.payload["enrolment"])
    ).one()
    return _("Waive “%(fact)s” for %(name)s", fact=rules.title(approval.payload["fact"]), name=person.name)


def expression_words(expression: Mapping[str, Any]) -> str:
    """A rule in words."""
    if "fact" not in expression:
        return _("; ").join(expression_words(part) for part in next(iter(expression.values())))
    title = rules.title(expression["fact"])
    if expression["at_least"] == rules.ALL:
        return _("%(fact)s: all", fact=title)
    return _("%(fact)s: at least %(number)s", fact=title, number=expression["at_least"])


def files_of_batch(batch: IssueBatch) -> Sequence[Certificate]:
    """The certificates of a batch that count now."""
    return [item.certificate for item in batch.items if item.certificate and item.certificate.state == "good"]


def register_counts() -> dict[str, int]:
    """State → how many certificates; and ``given_up``, those whose file could not be made."""
    rows = db.session.execute(select(Certificate.state, func.count()).group_by(Certificate.state))
    counts = {row[0]: int(row[1]) for row in rows}
    counts["given_up"] = (
        db.session.scalar(
            select(func.count()).where(Certificate.state == "reserved", Certificate.gave_up_at.is_not(None))
        )
        or 0
    )
    return counts


def issued() -> Sequence[Certificate]:
    """Every certificate with a file, in order of serial; for the command line."""
    return db.session.scalars(
        select(Certificate).where(Certificate.pdf_key.is_not(None)).order_by(Certificate.serial)
    ).all()


def refusal_words(code: str, detail: str) -> str:
    """Why no certificate was made for a person, in one sentence."""
    return {
        "open": _("Requirements are still open."),
        "name_missing": _("The name in Chinese or Latin letters is missing."),
        "name_glyphs": _("No shipped font can draw: %(characters)s", characters=detail),
        "no_credits": _("The ledger has no credits and no hours in this period."),
    }.get(code, code)


def certificates_of_cohort(cohort_id: int) -> Sequence[Certificate]:
    """Every certificate ever reserved in a cohort."""
    return db.session.scalars(
        select(Certificate).where(Certificate.cohort_id == cohort_id).order_by(Certificate.id)
    ).all()


def figures(at: datetime) -> list[Figure]:  # noqa: ARG001 (the port's shape)
    """Certificates by state."""
    return by_state("certificates", lazy("Certificates"), Certificate.state)
