"""The public log of the register: every act on a certificate is a leaf, and signed heads pin them all down."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from lms.certificates import queries, rules
from lms.certificates.models import Certificate, LogEntry, LogHead, LogState
from lms.core import clock, merkle
from lms.core.db import db, insert_all, upsert
from lms.core.digests import canonical_json, ed25519_public_key, sign_ed25519
from lms.core.signing import LOG_KEY
from lms.core.sitekeys import site_key


def append(
    certificate: Certificate, act: str, *, at: datetime, account_id: int | None, reason: str = ""
) -> None:
    """Add an act to the history of a certificate and to the log, in the caller's transaction."""
    _append([(certificate, account_id, reason)], act, at=at)


def append_issued(certificates: Sequence[Certificate], *, at: datetime) -> None:
    """The same for certificates that were made together: each was asked for by somebody, and may have a cause."""
    _append([(one, one.requested_by, one.cause) for one in certificates], "issue", at=at)


def _append(acts: Sequence[tuple[Certificate, int | None, str]], act: str, *, at: datetime) -> None:
    """``acts``: certificate, who did it, and why."""
    if not acts:
        return
    state = _locked()
    frontier = merkle.Frontier(state.size, tuple(bytes.fromhex(peak) for peak in state.peaks))
    rows = []
    for certificate, account_id, reason in acts:
        document = rules.leaf_document(
            serial=certificate.serial,
            act=act,
            at=at.isoformat(),
            facts_sha256=certificate.facts_sha256,
            pdf_sha256=certificate.pdf_sha256 or "",
            salt=secrets.token_hex(16),
        )
        leaf = merkle.leaf_hash(canonical_json(document))
        rows.append(
            {
                "n": frontier.size,
                "certificate_id": certificate.id,
                "act": act,
                "at": at,
                "account_id": account_id,
                "reason": reason[:300],
                "document": document,
                "leaf": leaf.hex(),
            }
        )
        frontier = frontier.plus(leaf)
    state.size, state.peaks = frontier.size, [peak.hex() for peak in frontier.peaks]
    db.session.flush()
    insert_all(LogEntry, rows)


def _locked() -> LogState:
    """The state of the log, locked: leaves are added one after the other, whatever the number of workers."""
    query = select(LogState).where(LogState.id == 1).with_for_update()
    query = query.execution_options(populate_existing=True)
    found = db.session.scalars(query).one_or_none()
    if found is None:
        db.session.execute(upsert(LogState).values(id=1, size=0, peaks=[]).on_conflict_do_nothing())
        found = db.session.scalars(query).one()
    return found


def sign_head(*, at: datetime) -> LogHead | None:
    """Sign the log as it stands; None while it is empty."""
    state = _locked()
    if not state.size:
        return None
    root = merkle.Frontier(state.size, tuple(bytes.fromhex(peak) for peak in state.peaks)).root.hex()
    key = site_key(LOG_KEY)
    message = canonical_json(rules.head_document(size=state.size, root=root, at=at.isoformat()))
    head = LogHead(
        size=state.size,
        root=root,
        at=at,
        signature=sign_ed25519(message, private_key=key).hex(),
        public_key=ed25519_public_key(key).hex(),
    )
    db.session.add(head)
    db.session.flush()
    return head


def sign_daily_head(at: datetime) -> None:
    """Once a day, whoever asks: a head, if the log has any leaf. What was issued before there was a log joins it first."""
    last = queries.log_head()
    if last is not None and clock.today(last.at) >= clock.today(at):
        return
    _append([(row, None, "") for row in queries.unlogged()], "issue", at=at)
    sign_head(at=at)
