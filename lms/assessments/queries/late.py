"""The answers of a sitting that were kept and not counted, with what speaks for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.assessments import rules
from lms.assessments.models import ResponseEvent, Sitting, Test
from lms.assessments.queries.decisions import SHOWN
from lms.assessments.queries.papers import ends_at, form_items, numbers, standing
from lms.core import approvals
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.i18n import _, pick
from lms.core.ports import Task
from lms.policy import Actor, Permission, Role, allows

LATE_CODE = "assessments.sitting.accept"
"""Code of the kind of approval."""


@dataclass(frozen=True)
class LateAnswer:
    """The newest answer to one question that does not count."""

    event_id: int
    slot: int
    number: int
    """Of the question, as the candidate counts."""
    body: Mapping[str, Any]
    """The canonical answer."""
    at: datetime
    late_ms: int
    reason: str
    made_by: datetime | None
    """See ``rules.made_by``."""
    is_in_time: bool | None
    """Whether the device's own clock says that it was made in time; None: it says nothing."""
    stands: str
    """``none``, ``other`` or ``same`` answer that counts now."""
    is_accepted: bool

    @property
    def fact(self) -> dict[str, Any]:
        """What two people agree on."""
        return {"event": self.event_id, "slot": self.slot, "answer_sha256": digest_of(self.body)}


def late_subject(sitting: Sitting) -> str:
    """Of the approvals about a sitting."""
    return f"sitting:{sitting.public_id}"


def late_answers(sitting: Sitting, at: datetime) -> Sequence[LateAnswer]:
    """One for each question with an answer that may be accepted, in the candidate's order (form loaded)."""
    events = db.session.scalars(
        select(ResponseEvent).where(ResponseEvent.sitting_id == sitting.id).order_by(ResponseEvent.id)
    ).all()
    if all(event.applied for event in events):
        return []
    bodies = {key: (row.type, row.body) for key, row in form_items(sitting.form).items()}
    paper = rules.paper_of(sitting.form.slots, bodies)
    stands = standing(sitting.id)
    by_device: dict[str, list[ResponseEvent]] = {}
    for event in events:
        by_device.setdefault(event.device, []).append(event)
    newest: dict[int, tuple[ResponseEvent, dict[str, Any]]] = {}
    for device in by_device.values():
        for event in sorted(device, key=lambda one: one.client_seq):
            body = rules.acceptable(event, paper, stands.locked)
            if body is not None and event.slot is not None:
                newest[event.slot] = event, body
    own = {slot["slot"] for slot in rules.administered(sitting.form.slots, stands.locked)}
    order = [slot for slot in numbers(sitting.form, sitting.seed) if slot in own]
    shown = {slot: number for number, slot in enumerate(order, 1)}
    over_at = min(filter(None, (ends_at(sitting, at), sitting.submitted_at)))
    accepted = _accepted(sitting)
    found = []
    for slot, (event, body) in newest.items():
        now = stands.answers.get(slot)
        made = rules.made_by(event, by_device[event.device])
        found.append(
            LateAnswer(
                event_id=event.id,
                slot=slot,
                number=shown[slot],
                body=body,
                at=event.at,
                late_ms=event.late_ms,
                reason=event.reason or "",
                made_by=made,
                is_in_time=None if made is None else made < over_at,
                stands="none" if not rules.is_answered(now) else "same" if now == body else "other",
                is_accepted=event.id in accepted,
            )
        )
    return sorted(found, key=lambda one: one.number)


def _accepted(sitting: Sitting) -> set[int]:
    """Ids of the operations that two people have accepted."""
    payloads = db.session.scalars(
        select(approvals.Approval.payload).where(
            approvals.Approval.kind == LATE_CODE,
            approvals.Approval.subject == late_subject(sitting),
            approvals.Approval.state == approvals.APPROVED,
        )
    )
    return {fact["event"] for payload in payloads for fact in payload["answers"]}


def late_decisions(by: Actor, at: datetime) -> Sequence[Task]:  # noqa: ARG001 (the port's shape)
    """The sittings whose late answers somebody else has proposed to count, the oldest first."""
    if not by.is_any(Role.EXAMINER, Role.INVIGILATOR, Role.DIRECTOR):
        return []
    rows = db.session.scalars(
        select(Sitting)
        .join(approvals.Approval, approvals.Approval.subject == "sitting:" + Sitting.public_id)
        .options(joinedload(Sitting.test).joinedload(Test.cohort), joinedload(Sitting.person))
        .where(
            approvals.Approval.kind == LATE_CODE,
            approvals.Approval.state == approvals.OPEN,
            approvals.Approval.proposed_by_person_id != by.person_id,
        )
        .order_by(approvals.Approval.id)
        .limit(SHOWN)
    ).all()
    return [
        Task(
            "decision",
            _("Decide on late answers of %(name)s", name=one.person.name),
            f"/sittings/{one.public_id}/late",
            1,
            _("Read and decide"),
            meta=(pick(one.test.title_zh, one.test.title_en),),
        )
        for one in rows
        if allows(by, Permission.SITTING_ADJUDICATE, one)
    ]
