"""Frameworks: published versions with their seal and ratification, drafts, and which cohort trains by which version."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from lms import policy
from lms.core.approvals import OPEN, Approval
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound
from lms.core.i18n import _
from lms.core.ids import is_public_id
from lms.core.ports import Task
from lms.logbooks import rules
from lms.logbooks.models import Entry, Framework, Item
from lms.logbooks.models.committee import Agenda
from lms.logbooks.models.frameworks import (
    CohortFramework,
    FrameworkDraft,
    FrameworkEdition,
    FrameworkRatification,
)
from lms.logbooks.models.workplace import WorkplaceAssessment
from lms.logbooks.queries.choices import frameworks_of
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules.frameworks import Document
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort, Enrolment

PUBLISH_CODE = "logbooks.framework.publish"
"""The kind of approval by which a draft becomes a version."""
WORKERS = (Role.DIRECTOR, Role.CLINICAL_REVIEWER, Role.COMMITTEE_CHAIR, Role.AUDITOR)
"""Who sees what is not yet published."""


@dataclass(frozen=True)
class Version:
    """A published version in the list."""

    framework: Framework
    edition: FrameworkEdition | None
    """None: a sample that came with the software."""
    ratification: FrameworkRatification | None
    cohorts: Sequence[Cohort]
    """Which train by it."""
    is_latest: bool


def subject_of(draft: FrameworkDraft) -> str:
    """The subject of a draft's approvals."""
    return f"framework_draft:{draft.public_id}"


# ---------------------------------------------------------------- versions


def ratifications(framework_ids: Collection[int]) -> Mapping[int, FrameworkRatification]:
    """Who stands behind these versions, people loaded."""
    rows = db.session.scalars(
        select(FrameworkRatification)
        .options(joinedload(FrameworkRatification.person))
        .where(FrameworkRatification.framework_id.in_(framework_ids))
    )
    return {row.framework_id: row for row in rows}


def standings(items: Iterable[Item]) -> list[tuple[Framework, FrameworkRatification | None]]:
    """The frameworks of some items (loaded) with their ratification."""
    found = {item.framework_id: item.framework for item in items}
    known = ratifications(found)
    return [(framework, known.get(number)) for number, framework in found.items()]


def versions(by: Actor) -> list[Version]:
    """Every published version, the newest of each unit first. Five queries."""
    frameworks = db.session.scalars(
        select(Framework)
        .where(Framework.state == "published")
        .order_by(Framework.code, Framework.version.desc())
    ).all()
    editions = {row.framework_id: row for row in db.session.scalars(select(FrameworkEdition))}
    known = ratifications([framework.id for framework in frameworks])
    used = _cohorts_by_framework(by, frameworks)
    newest: dict[str, int] = {}
    for framework in frameworks:
        newest.setdefault(framework.code, framework.id)
    return [
        Version(
            framework,
            editions.get(framework.id),
            known.get(framework.id),
            used.get(framework.id, ()),
            newest[framework.code] == framework.id,
        )
        for framework in frameworks
        if policy.allows(by, Permission.FRAMEWORK_READ, framework)
    ]


def _cohorts_by_framework(by: Actor, frameworks: Sequence[Framework]) -> Mapping[int, list[Cohort]]:
    cohorts = [
        cohort
        for cohort in db.session.scalars(select(Cohort).order_by(Cohort.start_on, Cohort.id))
        if policy.allows(by, Permission.COHORT_READ, cohort)
    ]
    pins: dict[tuple[int, str], int] = {}
    for pin in db.session.scalars(select(CohortFramework).order_by(CohortFramework.number)):
        pins[pin.cohort_id, pin.code] = pin.framework_id
    newest: dict[str, int] = {}
    for framework in frameworks:
        newest.setdefault(framework.code, framework.id)
    found: dict[int, list[Cohort]] = {}
    for cohort in cohorts:
        for code, latest in newest.items():
            found.setdefault(pins.get((cohort.id, code), latest), []).append(cohort)
    return found


def version(public_id: str, by: Actor) -> Framework:
    """One published version, items loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(Framework).options(selectinload(Framework.items)).where(Framework.public_id == public_id)
        )
        if is_public_id(public_id)
        else None
    )
    if found is None or not policy.allows(by, Permission.FRAMEWORK_READ, found):
        raise NotFound
    return found


def edition_of(framework: Framework) -> FrameworkEdition | None:
    """How a version came to be, people and approval loaded; None: it came with the software."""
    return db.session.scalar(
        select(FrameworkEdition)
        .options(
            joinedload(FrameworkEdition.author),
            joinedload(FrameworkEdition.reviewer),
            joinedload(FrameworkEdition.approval),
        )
        .where(FrameworkEdition.framework_id == framework.id)
    )


def document_of(framework: Framework, edition: FrameworkEdition | None) -> Document:
    """A version (items loaded) as the document it was published from."""
    found: Document = {
        "code": framework.code,
        "label": edition.label if edition else "",
        "title_zh": framework.title_zh,
        "title_en": framework.title_en,
        "is_sample": framework.is_sample,
        "domains": [{"key": one["code"], **one} for one in (edition.domains if edition else [])],
        "items": [
            documents.item_of(
                item.code,
                kind=item.kind,
                critical=item.critical,
                domain=item.domain,
                title_zh=item.title_zh,
                title_en=item.title_en,
                targets=item.targets,
                rule=item.rule,
            )
            for item in framework.items
        ],
    }
    return found


def seal_holds(document: Document, edition: FrameworkEdition | None) -> bool | None:
    """Whether a version still says what was reviewed; None: it was never sealed."""
    if edition is None:
        return None
    return digest_of(documents.without_keys(document)) == edition.sha256


def latest(code: str) -> Framework | None:
    """The newest published version of a unit."""
    return db.session.scalar(
        select(Framework)
        .where(Framework.code == code, Framework.state == "published")
        .order_by(Framework.version.desc())
        .limit(1)
    )


def next_version(code: str) -> int:
    """The number that the next version of a unit gets."""
    return 1 + (db.session.scalar(select(func.max(Framework.version)).where(Framework.code == code)) or 0)


def taken_codes(code: str) -> set[str]:
    """Codes of items that the published frameworks of other units have."""
    rows = db.session.scalars(
        select(Item.code)
        .join(Item.framework)
        .where(Framework.code != code, Framework.state == "published")
        .distinct()
    )
    return set(rows)


# ---------------------------------------------------------------- drafts


def drafts() -> Sequence[FrameworkDraft]:
    """Drafts that are under work or wait for a review, the latest saved first. The caller holds the door."""
    return db.session.scalars(
        select(FrameworkDraft)
        .options(joinedload(FrameworkDraft.saved_by), joinedload(FrameworkDraft.origin))
        .where(FrameworkDraft.state.in_(("open", "in_review")))
        .order_by(FrameworkDraft.saved_at.desc(), FrameworkDraft.id.desc())
        .limit(50)
    ).all()


def draft(public_id: str, by: Actor, *, for_update: bool = False) -> FrameworkDraft:
    """One draft. Raises NotFound for whoever may not read what is not yet published."""
    if not is_public_id(public_id) or not policy.allows(by, Permission.FRAMEWORK_READ):
        raise NotFound
    query = (
        select(FrameworkDraft)
        .options(joinedload(FrameworkDraft.saved_by), joinedload(FrameworkDraft.origin))
        .where(FrameworkDraft.public_id == public_id)
    )
    if for_update:
        query = query.with_for_update(of=FrameworkDraft).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    return found


def draft_of_client(client_uuid: str) -> FrameworkDraft | None:
    """The draft that an earlier delivery of the same form made."""
    return db.session.scalar(select(FrameworkDraft).where(FrameworkDraft.client_uuid == client_uuid))


def reviews(draft: FrameworkDraft) -> Sequence[Approval]:
    """What became of the draft's submissions, the latest first."""
    return db.session.scalars(
        select(Approval)
        .where(Approval.kind == PUBLISH_CODE, Approval.subject == subject_of(draft))
        .order_by(Approval.id.desc())
    ).all()


def origin_document(draft: FrameworkDraft) -> Document:
    """The document that the draft began as a copy of; an empty one where it began with nothing."""
    if draft.from_framework_id is None:
        return documents.empty(draft.code)
    framework = db.session.scalars(
        select(Framework)
        .options(selectinload(Framework.items))
        .where(Framework.id == draft.from_framework_id)
    ).one()
    return document_of(framework, edition_of(framework))


def review_tasks(by: Actor) -> list[Task]:
    """Drafts that wait for the actor's review, for the home page."""
    if not by.is_any(Role.CLINICAL_REVIEWER):
        return []
    waiting = db.session.scalars(
        select(FrameworkDraft)
        .join(Approval, Approval.subject == "framework_draft:" + FrameworkDraft.public_id)
        .where(FrameworkDraft.state == "in_review", Approval.kind == PUBLISH_CODE, Approval.state == OPEN)
        .order_by(FrameworkDraft.id)
    )
    return [
        Task(
            kind="decision",
            title=_("A competency framework waits for your review: %(code)s", code=one.code),
            url=f"/frameworks/drafts/{one.public_id}",
            urgency=1,
            action=_("Review"),
        )
        for one in waiting
        if policy.allows(by, Permission.FRAMEWORK_REVIEW, one)
    ]


# ---------------------------------------------------------------- cohorts


@dataclass(frozen=True)
class Pinned:
    """By which version a cohort trains in one unit, and why."""

    framework: Framework
    pin: CohortFramework | None
    """None: it follows the newest version until it begins."""
    choices: Sequence[Framework]
    in_use: bool
    """Whether something was recorded by it: then it stays."""


def cohort_versions(cohort: Cohort) -> list[Pinned]:
    """One line for each unit that has a framework. The caller holds the door. Five queries."""
    frameworks = db.session.scalars(
        select(Framework)
        .where(Framework.state == "published")
        .order_by(Framework.code, Framework.version.desc())
    ).all()
    now = set(db.session.scalars(frameworks_of(cohort.id)))
    pins = {
        row.code: row
        for row in db.session.scalars(
            select(CohortFramework)
            .where(CohortFramework.cohort_id == cohort.id)
            .order_by(CohortFramework.number)
        )
    }
    used = codes_in_use([cohort.id]).get(cohort.id, frozenset())
    return [
        Pinned(
            framework,
            pins.get(framework.code),
            [one for one in frameworks if one.code == framework.code],
            framework.code in used,
        )
        for framework in frameworks
        if framework.id in now
    ]


def pin_of(cohort_id: int, code: str) -> CohortFramework | None:
    """The version that a cohort was given or kept, where it was."""
    return db.session.scalar(
        select(CohortFramework)
        .where(CohortFramework.cohort_id == cohort_id, CohortFramework.code == code)
        .order_by(CohortFramework.number.desc())
        .limit(1)
    )


def codes_in_use(cohort_ids: Collection[int]) -> Mapping[int, frozenset[str]]:
    """By cohort: the units by whose framework anything was logged, assessed or put before the committee."""
    found: dict[int, set[str]] = {}
    for query in (
        select(Entry.cohort_id, Framework.code)
        .join(Item, Item.id == Entry.item_id)
        .join(Framework, Framework.id == Item.framework_id)
        .where(Entry.cohort_id.in_(cohort_ids), Entry.state != rules.DISCARDED),
        select(WorkplaceAssessment.cohort_id, Framework.code)
        .join(Item, Item.id == WorkplaceAssessment.item_id)
        .join(Framework, Framework.id == Item.framework_id)
        .where(WorkplaceAssessment.cohort_id.in_(cohort_ids)),
        select(Enrolment.cohort_id, Framework.code)
        .join(Agenda, Agenda.enrolment_id == Enrolment.id)
        .join(Item, Item.id == Agenda.item_id)
        .join(Framework, Framework.id == Item.framework_id)
        .where(Enrolment.cohort_id.in_(cohort_ids)),
    ):
        for cohort_id, code in db.session.execute(query.distinct()):
            found.setdefault(cohort_id, set()).add(code)
    return {number: frozenset(codes) for number, codes in found.items()}


def unpinned_cohorts(code: str) -> Sequence[Cohort]:
    """Cohorts that were given no version of a unit and kept none."""
    pin = aliased(CohortFramework)
    return db.session.scalars(
        select(Cohort)
        .where(~exists().where(pin.cohort_id == Cohort.id, pin.code == code))
        .order_by(Cohort.id)
    ).all()


def cohort(public_id: str, by: Actor) -> Cohort:
    """A cohort, programme loaded, for whoever may read it. Raises NotFound."""
    found = db.session.scalar(
        select(Cohort).options(joinedload(Cohort.programme)).where(Cohort.public_id == public_id)
    )
    if found is None or not policy.allows(by, Permission.COHORT_READ, found):
        raise NotFound
    return found
