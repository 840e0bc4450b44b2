"""Receipts of what was handed in, and the key that signs them."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lms.assessments import queries, rules
from lms.assessments.models import Sitting, SittingReceipt
from lms.assessments.rules import receipts as rule
from lms.core.db import db
from lms.core.digests import ed25519_public_key, public_pem
from lms.core.site import settings
from lms.core.sitekeys import site_key

log = logging.getLogger("lms.assessments")

KEY = "receipts.key"


def signing_key() -> bytes:
    """The site's key for receipts (32 bytes)."""
    return site_key(KEY)


def public_key() -> bytes:
    """By which anybody checks a receipt: PEM."""
    return public_pem(ed25519_public_key(signing_key()))


def give_receipt(sitting: Sitting, *, at: datetime) -> str | None:
    """The receipt of a sitting (locked, test and form loaded) that was handed in; made once, the same ever after.

    Where it cannot be signed the hand-in stands all the same, and the next look at the result tries again: None.
    """
    if sitting.state == rules.SittingState.IN_PROGRESS:
        return None
    return queries.receipt(sitting.id) or new_receipt(sitting, at=at)


def new_receipt(sitting: Sitting, *, at: datetime) -> str | None:
    """The first receipt of a sitting that is handed in by this very act. See ``give_receipt``."""
    try:
        document = _document(sitting, at).decode()
    except Exception:
        log.exception("no receipt could be signed for sitting %s", sitting.id)
        return None
    db.session.add(SittingReceipt(sitting_id=sitting.id, document=document, at=at))
    db.session.flush()
    return document


def _locked(events: Sequence[Any]) -> set[int]:
    heads = rules.fold(events)
    locks = [event for (_slot, kind), event in heads.items() if kind == "lock"]
    return set().union(*(rules.locked_by(event.slot, event.body) for event in locks))


def _document(sitting: Sitting, at: datetime) -> bytes:
    assert sitting.submitted_at is not None
    events = queries.kept_events(sitting.id)
    return rule.signed(
        {
            "site": settings().base_url,
            "test": sitting.test.public_id,
            "sitting": sitting.public_id,
            "attempt": sitting.attempt,
            "form": sitting.form.sha256,
            "questions": len(rules.administered(sitting.form.slots, _locked(events))),
            "state": str(sitting.state),
            "started_at": rule.instant(sitting.started_at),
            "handed_in_at": rule.instant(sitting.submitted_at),
            "given_at": rule.instant(at),
            "chain": rule.chain(sitting.public_id, events),
            **queries.counted(events),
        },
        private_key=signing_key(),
    )
