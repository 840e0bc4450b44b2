"""A code on the trainee's screen that opens exactly one entry on the signer's phone."""

from datetime import datetime, timedelta

from sqlalchemy import update

from lms.core import ids
from lms.core.db import db
from lms.core.digests import sha256_hex
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.logbooks import queries, rules
from lms.logbooks.models import Entry, Handover
from lms.logbooks.services.record import record, require
from lms.policy import Actor, Permission

HANDOVER_LASTS = timedelta(minutes=10)


def hand_over(entry: Entry, *, at: datetime, by: Actor) -> str:
    """A token that opens this entry for its signer, once, within ten minutes; only its digest is kept."""
    require(by, Permission.ENTRY_CHANGE, entry)
    if entry.state != rules.SUBMITTED:
        rules.move(entry.state, "sign")
    token = ids.token()
    db.session.add(
        Handover(
            entry_id=entry.id,
            token_sha256=sha256_hex(token.encode()),
            made_at=at,
            expires_at=at + HANDOVER_LASTS,
        )
    )
    db.session.flush()
    record(entry, "hand_over", at=at, by=by, revision=entry.revision_no)
    return token


def take_over(token: str, *, at: datetime, by: Actor) -> Entry:
    """The entry behind a token, for its signer. Raises NotFound for everybody else, RuleBroken when it was used or is too old."""
    row, entry = queries.handover(token, by)
    taken = db.session.execute(
        update(Handover)
        .where(Handover.id == row.id, Handover.used_at.is_(None), Handover.expires_at > at)
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )
    if not taken.rowcount:  # type: ignore[attr-defined]
        raise RuleBroken(
            "handover_over", _("This code was used or is older than ten minutes. Ask for a new one.")
        )
    record(entry, "take_over", at=at, by=by, revision=entry.revision_no)
    return entry
