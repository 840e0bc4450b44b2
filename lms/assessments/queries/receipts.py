"""Receipts, and what they say against what the database holds."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from lms.assessments import rules
from lms.assessments.models import ExamForm, ResponseEvent, Sitting, SittingReceipt
from lms.assessments.rules import receipts as rule
from lms.core.db import db


def receipt(sitting_id: int) -> str | None:
    """The receipt of a sitting as it was handed out; None: not handed in yet."""
    return db.session.scalar(select(SittingReceipt.document).where(SittingReceipt.sitting_id == sitting_id))


def kept_events(sitting_id: int) -> Sequence[Any]:
    """All operations of a sitting in the order the server took them, as rows without an identity."""
    event = ResponseEvent
    return db.session.execute(
        select(
            event.id,
            event.device,
            event.client_seq,
            event.slot,
            event.kind,
            event.body,
            event.epoch,
            event.mono_ms,
            event.at,
            event.late_ms,
            event.applied,
            event.reason,
        )
        .where(event.sitting_id == sitting_id)
        .order_by(event.id)
    ).all()


def counted(events: Sequence[Any]) -> dict[str, int]:
    """How many operations there are, how many of them count, and how many questions have an answer by them."""
    heads = rules.fold(events)
    return {
        "events": len(events),
        "applied": sum(1 for event in events if event.applied),
        "answered": sum(
            1 for (_slot, kind), event in heads.items() if kind == "answer" and rules.is_answered(event.body)
        ),
    }


def receipt_fault(data: bytes) -> str | None:
    """What a genuine receipt says that the database does not.

    ``unknown_sitting``, ``events_missing``, ``events_changed``, ``form_changed`` or ``other_receipt``; None: they agree. What
    arrived after the receipt is not in it and changes nothing.
    """
    said = rule.read(data)
    row = db.session.execute(
        select(Sitting.id, Sitting.public_id, ExamForm.sha256)
        .join(ExamForm, ExamForm.id == Sitting.form_id)
        .where(Sitting.public_id == str(said.get("sitting")))
    ).one_or_none()
    if row is None:
        return "unknown_sitting"
    events = kept_events(row.id)
    if len(events) < said["events"]:
        return "events_missing"
    first = events[: said["events"]]
    if rule.chain(row.public_id, first) != said["chain"]:
        return "events_changed"
    if row.sha256 != said["form"]:
        return "form_changed"
    return None if receipt(row.id) == data.decode() else "other_receipt"
