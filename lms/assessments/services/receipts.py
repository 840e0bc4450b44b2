"""Receipts of what was handed in, and the key that signs them."""

import contextlib
import logging
import os
import secrets
from datetime import datetime
from pathlib import Path

from lms.assessments import queries, rules
from lms.assessments.models import Sitting, SittingReceipt
from lms.assessments.rules import receipts as rule
from lms.core.db import db
from lms.core.digests import ed25519_public_key, new_ed25519_key, public_pem, read_ed25519_key
from lms.core.site import settings

log = logging.getLogger("lms.assessments")

KEY = "receipts.key"
_opened: dict[tuple[Path, str], bytes] = {}


def signing_key() -> bytes:
    """The site's key for receipts (32 bytes), in the data folder; made at first need, never overwritten."""
    site = settings()
    path, passphrase = site.data_dir / KEY, site.keys_passphrase
    if (path, passphrase) not in _opened:
        if not path.exists():
            _make(path, passphrase)
        _opened[path, passphrase] = read_ed25519_key(path.read_bytes(), passphrase)
    return _opened[path, passphrase]


def _make(path: Path, passphrase: str) -> None:
    """Complete or not at all, and one only, however many processes need it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(new_ed25519_key(passphrase))
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
    finally:
        draft.unlink()


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
            "questions": len(sitting.form.slots),
            "state": str(sitting.state),
            "started_at": rule.instant(sitting.started_at),
            "handed_in_at": rule.instant(sitting.submitted_at),
            "given_at": rule.instant(at),
            "chain": rule.chain(sitting.public_id, events),
            **queries.counted(events),
        },
        private_key=signing_key(),
    )
