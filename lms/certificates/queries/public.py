"""What the register says of a certificate to anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from lms.certificates import rules
from lms.certificates.models import Certificate, LogEntry
from lms.certificates.queries.log import history
from lms.core.db import db


@dataclass(frozen=True)
class PublicCertificate:
    """What anybody may know of a certificate."""

    serial: str
    kind: str
    state: str
    name: str
    """Masked unless the asker holds the key of the paper's QR."""
    name_is_full: bool
    facts: Mapping[str, Any]
    closed_at: datetime | None
    superseded_by: str | None
    history: Sequence[LogEntry]
    pdf_sha256: str


def public_certificate(text: str, *, key: str) -> PublicCertificate | None:
    """The register's answer to a stranger; None where no such certificate was ever issued."""
    serial = rules.read_serial(text)
    found = db.session.scalar(select(Certificate).where(Certificate.serial == serial)) if serial else None
    if found is None or found.state == "reserved":
        return None
    is_full = bool(key) and key == found.verify_key
    name = found.facts["name_zh"] or found.facts["name_latin"]
    latin = found.facts["name_latin"] if found.facts["name_zh"] else ""
    shown = " ".join(
        filter(None, (name, latin) if is_full else (rules.masked(name), rules.masked(latin) if latin else ""))
    )
    follower = None
    if found.state == "superseded":
        follower = db.session.scalar(
            select(Certificate.serial).where(
                Certificate.supersedes == found.serial, Certificate.state != "reserved"
            )
        )
    return PublicCertificate(
        found.serial,
        found.kind,
        found.state,
        shown,
        is_full,
        found.facts,
        found.closed_at,
        follower,
        history(found.id),
        found.pdf_sha256 or "",
    )
