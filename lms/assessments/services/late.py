"""Accepting answers that came too late: one person proposes, another decides, and the sitting is marked anew."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from lms import policy
from lms.assessments import queries, rules
from lms.assessments.models import ResponseEvent, ResponseHead, Sitting
from lms.assessments.services.sitting import locked, mark_anew
from lms.core import approvals, audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission


def _payload(sitting: Sitting, event_ids: Collection[int], at: datetime) -> dict[str, Any]:
    chosen = [
        one.fact
        for one in queries.late_answers(sitting, at)
        if one.event_id in event_ids and not one.is_accepted
    ]
    return {"sitting": sitting.public_id, "answers": chosen}


def _of(approval: approvals.Approval) -> Sitting:
    number = db.session.scalars(
        select(Sitting.id).where(Sitting.public_id == approval.payload["sitting"])
    ).one()
    return locked(number)


def _current(approval: approvals.Approval) -> dict[str, Any]:
    chosen = {fact["event"] for fact in approval.payload["answers"]}
    return _payload(_of(approval), chosen, approval.proposed_at)


def _accept(approval: approvals.Approval, by: approvals.By, at: datetime) -> None:
    """Append each answer anew as one that counts; the late operations stay as they are."""
    sitting = _of(approval)
    chosen = {fact["event"] for fact in approval.payload["answers"]}
    place = ResponseEvent.sitting_id == sitting.id, ResponseEvent.device == rules.ACCEPTED_DEVICE
    seq = db.session.scalar(select(func.max(ResponseEvent.client_seq)).where(*place)) or 0
    for one in queries.late_answers(sitting, at):
        if one.event_id not in chosen:
            continue
        seq += 1
        event = ResponseEvent(
            sitting_id=sitting.id,
            device=rules.ACCEPTED_DEVICE,
            client_seq=seq,
            slot=one.slot,
            kind="answer",
            body=dict(one.body),
            epoch=sitting.writer_epoch,
            at=at,
            late_ms=one.late_ms,
            applied=True,
        )
        db.session.add(event)
        db.session.flush()
        _stand(event)
    audit.record(
        LATE_ACT,
        scope=f"sitting:{sitting.id}",
        at=at,
        account_id=by.account_id,
        subject=f"sitting:{sitting.public_id}",
        answers=len(chosen),
        payload_sha256=approval.payload_sha256,
    )
    if sitting.marked_at is not None:
        mark_anew(sitting, reason=approval.reason, at=at)


def _stand(event: ResponseEvent) -> None:
    """Let an event stand for its question."""
    head = db.session.get(ResponseHead, (event.sitting_id, event.slot, event.kind))
    if head is None:
        head = ResponseHead(sitting_id=event.sitting_id, slot=event.slot, kind=event.kind)
        db.session.add(head)
    head.event_id, head.epoch = event.id, event.epoch
    head.device, head.client_seq, head.body = event.device, event.client_seq, event.body
    db.session.flush()


LATE_ACT = "assessments.sitting.accept_late"
ACCEPT_LATE = approvals.Kind(
    code=queries.LATE_CODE,
    label=lazy("Accept answers that came too late"),
    act=_accept,
    current=_current,
)


def propose_late(
    sitting: Sitting, event_ids: Collection[int], *, reason: str, by: Actor, at: datetime
) -> approvals.Approval:
    """Propose that answers which were kept and not counted should count.

    Raises RuleBroken: ``running`` while the candidate may still answer, ``no_answers``, ``reason``, or what
    ``approvals.propose`` and the gate for personal details raise.
    """
    policy.require(by, Permission.SITTING_ADJUDICATE, sitting, see=Permission.SITTING_READ)
    sitting = locked(sitting.id)
    if sitting.state == rules.SittingState.IN_PROGRESS:
        raise RuleBroken("running", _("Wait until the sitting is over."))
    if not reason.strip():
        raise RuleBroken(
            "reason", _("Say what happened, for example “no network in room 2”."), field="reason"
        )
    deid.require_clean(reason, field="reason")
    payload = _payload(sitting, event_ids, at)
    if not payload["answers"]:
        raise RuleBroken("no_answers", _("Choose at least one answer."), field="answers")
    return approvals.propose(
        ACCEPT_LATE,
        queries.late_subject(sitting),
        payload,
        by=by,
        reason=reason.strip()[:200],
        at=at,
        scope=f"sitting:{sitting.id}",
    )


def _waiting(sitting: Sitting) -> approvals.Approval:
    waiting = approvals.open_for(ACCEPT_LATE, queries.late_subject(sitting))
    if waiting is None:
        raise RuleBroken("wrong_state", _("This is not possible any more. Please reload the page."))
    return waiting


def decide_late(
    sitting: Sitting, *, outcome: str, seen_sha256: str, words: str, by: Actor, at: datetime
) -> approvals.Approval:
    """Let the proposed answers count, or refuse. Raises RuleBroken("wrong_state") when nothing waits."""
    policy.require(by, Permission.SITTING_ADJUDICATE, sitting, see=Permission.SITTING_READ)
    return approvals.decide(
        _waiting(sitting), by=by, outcome=outcome, seen_sha256=seen_sha256, at=at, note=words
    )


def withdraw_late(sitting: Sitting, *, by: Actor, at: datetime) -> None:
    """Take one's own proposal back; none waiting is the same."""
    policy.require(by, Permission.SITTING_ADJUDICATE, sitting, see=Permission.SITTING_READ)
    if waiting := approvals.open_for(ACCEPT_LATE, queries.late_subject(sitting)):
        approvals.withdraw(waiting, by=by, at=at)
