"""Assessments in the workplace: who may read which, what waits for whom, and whether the signatures hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.core import audit
from lms.core.db import db
from lms.core.digests import canonical_json
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks.models import Item
from lms.logbooks.models.workplace import WorkplaceAct, WorkplaceAssessment, WorkplaceRecord
from lms.logbooks.queries.records import chain_of, keys_known
from lms.logbooks.rules import broken_link, statement
from lms.logbooks.rules import workplace as rules
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Enrolment

SIGNED = "logbooks.workplace.submit"
"""The act under which the trail witnesses a signed form."""


class AssessmentScope:
    """The shape of an assessment that the policy table asks for; without one, of anything in a trainee's training."""

    def __init__(self, enrolment: Enrolment, assessor_person_id: int | None = None) -> None:
        self._enrolment_id = enrolment.id
        self.trainee_person_id = enrolment.person_id
        self.assessor_person_id = assessor_person_id
        self.cohort_id = enrolment.cohort_id
        self.programme_id = enrolment.cohort.programme_id

    @cached_property
    def mentor_person_ids(self) -> frozenset[int]:
        """Looked up only for whoever is neither trainee nor assessor."""
        return frozenset(programmes.mentor_ids(self._enrolment_id))


def scope_of(assessment: WorkplaceAssessment) -> AssessmentScope:
    """The policy's view of an assessment (its enrolment and cohort loaded)."""
    return AssessmentScope(assessment.enrolment, assessment.assessor_person_id)


def shown(query: Select[WorkplaceAssessment]) -> Select[WorkplaceAssessment]:
    """A query of assessments with item, people, enrolment, form and answer loaded."""
    return query.options(
        joinedload(WorkplaceAssessment.item).joinedload(Item.framework),
        joinedload(WorkplaceAssessment.trainee),
        joinedload(WorkplaceAssessment.assessor),
        joinedload(WorkplaceAssessment.enrolment).joinedload(Enrolment.cohort),
        joinedload(WorkplaceAssessment.record).joinedload(WorkplaceRecord.key),
        joinedload(WorkplaceAssessment.record).joinedload(WorkplaceRecord.assessor),
        joinedload(WorkplaceAssessment.response),
    )


def assessment(public_id: str, by: Actor, *, for_update: bool = False) -> WorkplaceAssessment:
    """One assessment with all that belongs to it. Raises NotFound for whoever may not read it.

    ``for_update``: the row as it stands now, held until the transaction ends.
    """
    if not is_public_id(public_id):
        raise NotFound
    query = shown(select(WorkplaceAssessment).where(WorkplaceAssessment.public_id == public_id))
    if for_update:
        query = query.with_for_update(of=WorkplaceAssessment).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    policy.require(by, Permission.WORKPLACE_READ, scope_of(found))
    return found


def assessment_of_client(starter_person_id: int, client_uuid: str) -> WorkplaceAssessment | None:
    """What an earlier delivery of the same client id made."""
    return db.session.scalar(
        shown(
            select(WorkplaceAssessment).where(
                WorkplaceAssessment.starter_person_id == starter_person_id,
                WorkplaceAssessment.client_uuid == client_uuid,
            )
        )
    )


def hands_of(assessment: WorkplaceAssessment, by: Actor) -> set[str]:
    """Which hands of the state machine the actor has on an assessment."""
    scope = scope_of(assessment)
    asked = (
        (rules.TRAINEE, Permission.WORKPLACE_RESPOND),
        (rules.ASSESSOR, Permission.WORKPLACE_ASSESS),
        (rules.DIRECTOR, Permission.WORKPLACE_VOID),
    )
    return {hand for hand, permission in asked if policy.allows(by, permission, scope)}


def may_start(by: Actor, enrolment: Enrolment) -> bool:
    """Whether the actor may begin an assessment of this trainee."""
    return policy.allows(by, Permission.WORKPLACE_START, AssessmentScope(enrolment))


def may_read_assessments(by: Actor, enrolment: Enrolment) -> bool:
    """Whether the actor may read all assessments of this trainee."""
    return policy.allows(by, Permission.WORKPLACE_READ, AssessmentScope(enrolment))


def reads_whole_list(by: Actor, assessment: WorkplaceAssessment) -> bool:
    """Whether the list of all assessments of this trainee opens for the actor; it does not for whoever was only asked."""
    enrolment = assessment.enrolment
    return may_read_assessments(by, enrolment) and programmes.may_see_enrolment(by, enrolment)


def assessors_of(enrolment: Enrolment, *, on: date) -> list[Person]:
    """Who may be asked: the supervisors of the day first, then everybody who mentors or assesses in the programme."""
    found = {pairing.mentor_person_id: pairing.mentor for pairing in programmes.signers_on(enrolment.id, on)}
    for person in programmes.colleagues(enrolment.cohort.programme_id):
        found.setdefault(person.id, person)
    found.pop(enrolment.person_id, None)
    return list(found.values())


def act_of(assessment: WorkplaceAssessment, act: str = "") -> WorkplaceAct | None:
    """The act that ended an assessment, with its reason and its person."""
    query = (
        select(WorkplaceAct)
        .options(joinedload(WorkplaceAct.person))
        .where(WorkplaceAct.assessment_id == assessment.id)
        .order_by(WorkplaceAct.id.desc())
        .limit(1)
    )
    return db.session.scalar(query.where(WorkplaceAct.act == act) if act else query)


# ---------------------------------------------------------------- lists


@dataclass(frozen=True)
class Wish:
    """What a list of assessments is narrowed to; empty lets all through."""

    kind: str = ""
    state: str = ""


def _where(wish: Wish) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wish.kind:
        conditions.append(WorkplaceAssessment.kind == wish.kind)
    if wish.state:
        conditions.append(WorkplaceAssessment.state == wish.state)
    return conditions


def assessments_of(
    enrolment: Enrolment, wish: Wish, *, page: int = 1, per_page: int | None = None
) -> tuple[Sequence[WorkplaceAssessment], int]:
    """A trainee's assessments, the latest event first, and how many fit. Ask ``may_read_assessments`` first."""
    return _listed([WorkplaceAssessment.enrolment_id == enrolment.id, *_where(wish)], page, per_page)


def assessed_by(
    by: Actor, wish: Wish, *, page: int = 1, per_page: int | None = None
) -> tuple[Sequence[WorkplaceAssessment], int]:
    """What the actor was asked for as an assessor, the latest event first, and how many fit."""
    return _listed([WorkplaceAssessment.assessor_person_id == by.person_id, *_where(wish)], page, per_page)


def _listed(
    conditions: list[ColumnElement[bool]], page: int, per_page: int | None
) -> tuple[Sequence[WorkplaceAssessment], int]:
    query = (
        shown(select(WorkplaceAssessment).where(*conditions))
        .order_by(WorkplaceAssessment.happened_on.desc(), WorkplaceAssessment.id.desc())
        .limit(per_page)
    )
    if per_page is None:
        rows = db.session.scalars(query).all()
        return rows, len(rows)
    total = db.session.scalar(select(func.count(WorkplaceAssessment.id)).where(*conditions)) or 0
    return db.session.scalars(query.offset((page - 1) * per_page)).all(), total


def to_assess_count(by: Actor) -> int:
    """How many assessments wait for the actor."""
    return (
        db.session.scalar(
            select(func.count(WorkplaceAssessment.id)).where(
                WorkplaceAssessment.assessor_person_id == by.person_id,
                WorkplaceAssessment.state == rules.REQUESTED,
            )
        )
        or 0
    )


def standing_of(enrolment: Enrolment) -> Sequence[rules.Wanted]:
    """A trainee's counted assessments against the guide."""
    rows = db.session.execute(
        select(WorkplaceAssessment.kind, WorkplaceAssessment.assessor_person_id).where(
            WorkplaceAssessment.enrolment_id == enrolment.id, WorkplaceAssessment.state.in_(rules.COUNTED)
        )
    )
    return rules.standing([(row[0], row[1]) for row in rows])


def waiting_since(before: datetime, *, stage: int, limit: int) -> Sequence[WorkplaceAssessment]:
    """Requests made up to a moment that have had fewer than ``stage`` reminders, the oldest first."""
    return db.session.scalars(
        shown(
            select(WorkplaceAssessment).where(
                WorkplaceAssessment.state == rules.REQUESTED,
                WorkplaceAssessment.asked_at <= before,
                WorkplaceAssessment.reminded < stage,
            )
        )
        .order_by(WorkplaceAssessment.asked_at, WorkplaceAssessment.id)
        .limit(limit)
    ).all()


# ---------------------------------------------------------------- proof


def said(record: WorkplaceRecord) -> dict[str, Any]:
    """The statement that a signed form makes (its assessor and key loaded)."""
    return statement(
        payload_sha256=record.payload_sha256,
        signer=record.assessor.public_id,
        acted_as=record.acted_as,
        kind="assess",
        level=record.level,
        words="",
        method=record.method,
        signed_at=record.signed_at.isoformat(timespec="microseconds"),
        key=record.key.public_id,
    )


def payload_of(assessment: WorkplaceAssessment, form: rules.Filled) -> dict[str, Any]:
    """Everything that is signed, as one document (item with framework and trainee loaded)."""
    return {**_facts(assessment), **form.as_json()}


def _facts(assessment: WorkplaceAssessment) -> dict[str, Any]:
    return {
        "assessment": assessment.public_id,
        "trainee": assessment.trainee.public_id,
        "kind": assessment.kind,
        "item": {
            "code": assessment.item.code,
            "framework": assessment.item.framework.code,
            "version": assessment.item.framework.version,
        },
        "happened_on": assessment.happened_on.isoformat(),
        "setting": assessment.setting,
        "age_band": assessment.age_band,
        "focus": assessment.focus,
    }


def broken_of(assessments: Sequence[WorkplaceAssessment]) -> dict[int, str]:
    """Re-check the signed forms: assessment id → the first link that does not hold (a key of ``rules.LINKS``)."""
    if not assessments:
        return {}
    events = db.session.execute(
        select(audit.AuditEvent.subject, audit.AuditEvent.detail).where(
            audit.AuditEvent.scope.in_({chain_of(one.enrolment_id) for one in assessments}),
            audit.AuditEvent.subject.in_([f"workplace:{one.public_id}" for one in assessments]),
            audit.AuditEvent.act == SIGNED,
        )
    )
    witnesses = {row[0]: row[1] for row in events}
    keys = keys_known()
    found = {one.id: _broken(one, witnesses.get(f"workplace:{one.public_id}"), keys) for one in assessments}
    return {number: link for number, link in found.items() if link}


def _broken(assessment: WorkplaceAssessment, witnessed: dict[str, Any] | None, keys: dict[str, str]) -> str:
    record = assessment.record
    if record is None:
        return "unsigned" if assessment.state in rules.COUNTED | {rules.VOIDED} else ""
    try:
        public_key, signature = bytes.fromhex(record.key.public_key), bytes.fromhex(record.signature)
    except ValueError:
        return "signature"
    broken = broken_link(
        payload=record.payload,
        revision_sha256=record.payload_sha256,
        signed_payload_sha256=record.payload_sha256,
        said=said(record),
        statement_sha256=record.statement_sha256,
        witnessed=witnessed,
        public_key=public_key,
        signature=signature,
        witnessed_key=keys.get(record.key.public_id),
    )
    if broken:
        return broken
    facts = _facts(assessment)
    signed = {name: record.payload.get(name) for name in facts}
    fits = canonical_json(facts) == canonical_json(signed) and record.payload.get("level") == record.level
    return "" if fits else "form"


def signed_forms(enrolment_id: int) -> Sequence[WorkplaceAssessment]:
    """Every assessment of a trainee that was ever signed, or says so."""
    return db.session.scalars(
        shown(
            select(WorkplaceAssessment).where(
                WorkplaceAssessment.enrolment_id == enrolment_id,
                WorkplaceAssessment.state.in_(rules.COUNTED | {rules.VOIDED}),
            )
        ).order_by(WorkplaceAssessment.id)
    ).all()
