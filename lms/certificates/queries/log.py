"""Questions about the public log."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select

from lms.certificates import rules
from lms.certificates.models import Certificate, LogEntry, LogHead, LogState
from lms.core import merkle, site
from lms.core.db import db
from lms.core.digests import canonical_json, sha256_hex, verify_ed25519


def log_head() -> LogHead | None:
    """The head that was signed last."""
    return db.session.scalar(select(LogHead).order_by(LogHead.id.desc()).limit(1))


def log_heads() -> Sequence[LogHead]:
    """Every signed head, oldest first."""
    return db.session.scalars(select(LogHead).order_by(LogHead.id)).all()


def unlogged() -> Sequence[Certificate]:
    """Issued certificates that the log does not know."""
    return db.session.scalars(
        select(Certificate)
        .where(
            Certificate.pdf_sha256.is_not(None), ~exists().where(LogEntry.certificate_id == Certificate.id)
        )
        .order_by(Certificate.id)
    ).all()


def history(certificate_id: int) -> Sequence[LogEntry]:
    """What happened to a certificate, in order."""
    return db.session.scalars(
        select(LogEntry).where(LogEntry.certificate_id == certificate_id).order_by(LogEntry.n)
    ).all()


def leaves(size: int | None = None) -> list[bytes]:
    """The leaf hashes in their order; the first ``size`` of them."""
    found = db.session.scalars(select(LogEntry.leaf).order_by(LogEntry.n).limit(size)).all()
    return [bytes.fromhex(one) for one in found]


def entry(serial: str, act: str | None = None) -> LogEntry | None:
    """The leaf of the last act on a certificate (or of its last ``act``)."""
    query = (
        select(LogEntry)
        .join(Certificate, Certificate.id == LogEntry.certificate_id)
        .where(Certificate.serial == serial)
        .order_by(LogEntry.n.desc())
        .limit(1)
    )
    return db.session.scalar(query if act is None else query.where(LogEntry.act == act))


def log_document(size_before: int = 0) -> dict[str, Any]:
    """The newest signed head, and the proof that the log of ``size_before`` leaves is a beginning of it."""
    head = log_head()
    if head is None:
        return {"head": None, "consistency": None}
    document: dict[str, Any] = {"head": _head(head), "consistency": None}
    if 0 < size_before <= head.size:
        steps = merkle.consistency(size_before, leaves(head.size))
        document["consistency"] = {
            "from": size_before,
            "to": head.size,
            "path": [step.hex() for step in steps],
        }
    return document


def _head(head: LogHead) -> dict[str, Any]:
    return {
        **rules.head_document(size=head.size, root=head.root, at=head.at.isoformat()),
        "signature": head.signature,
        "public_key": head.public_key,
    }


def inclusion_document(serial: str, key: str) -> dict[str, Any] | None:
    """That the newest act on a certificate is in the log; what the leaf says only for who holds the paper's key."""
    proper = rules.read_serial(serial)
    found = entry(proper) if proper else None
    if found is None:
        return None
    head = log_head()
    document: dict[str, Any] = {
        "serial": proper,
        "n": found.n,
        "leaf": found.leaf,
        "head": _head(head) if head else None,
        "path": None,
    }
    if head is not None and found.n < head.size:
        document["path"] = [step.hex() for step in merkle.inclusion(found.n, leaves(head.size))]
    owner = db.session.scalar(select(Certificate.verify_key).where(Certificate.serial == proper))
    if key and key == owner:
        document["entry"] = found.document
    return document


def root_fingerprint() -> str:
    """SHA-256 of the root certificate, in pairs as readers show it; empty where the site has no authority."""
    path = site.settings().keys_dir / "root.crt"
    try:
        return _fingerprint(path, path.stat().st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _fingerprint(path: Path, _changed: int) -> str:
    data = path.read_bytes()
    der = ssl.PEM_cert_to_DER_cert(data.decode()) if data.startswith(b"-----") else data
    digits = sha256_hex(der).upper()
    return ":".join(digits[place : place + 2] for place in range(0, 64, 2))


@dataclass(frozen=True)
class LogVerdict:
    """What a walk through the whole log found."""

    size: int
    root: str
    heads: int
    broken: tuple[str, ...]


def check_log(kept: tuple[int, str] | None = None) -> LogVerdict:
    """Compute every leaf, the root, and each signed head anew. ``kept``: size and root that somebody wrote down earlier."""
    broken: list[str] = []
    frontier = merkle.Frontier()
    roots = {0: merkle.EMPTY.hex()}
    for entry in db.session.scalars(select(LogEntry).order_by(LogEntry.n)):
        leaf = merkle.leaf_hash(canonical_json(entry.document))
        if entry.n != frontier.size:
            broken.append(f"leaf {frontier.size} is missing")
            break
        if leaf.hex() != entry.leaf:
            broken.append(f"leaf {entry.n} is not the hash of its document")
        frontier = frontier.plus(leaf)
        roots[frontier.size] = frontier.root.hex()
    state = db.session.scalar(select(LogState))
    size = state.size if state else 0
    if size != frontier.size or (
        state and [bytes.fromhex(peak) for peak in state.peaks] != list(frontier.peaks)
    ):
        broken.append(f"the log's state says {size} leaves, there are {frontier.size}")
    heads = log_heads()
    for head in heads:
        if roots.get(head.size) != head.root:
            broken.append(f"the head of {head.at.isoformat()} is not a beginning of this log")
        message = canonical_json(rules.head_document(size=head.size, root=head.root, at=head.at.isoformat()))
        if not verify_ed25519(
            message, bytes.fromhex(head.signature), public_key=bytes.fromhex(head.public_key)
        ):
            broken.append(f"the head of {head.at.isoformat()} has a wrong signature")
    if kept is not None and roots.get(kept[0]) != kept[1]:
        broken.append(f"the kept head of {kept[0]} leaves is not a beginning of this log")
    return LogVerdict(frontier.size, frontier.root.hex(), len(heads), tuple(broken))
