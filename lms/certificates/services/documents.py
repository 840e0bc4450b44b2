"""The files of certificates: their states, their credentials, and the status lists."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lms.certificates import queries
from lms.certificates.credential import PURPOSES
from lms.certificates.models import Certificate, CertificateDocument, CertificateFile, StatusList
from lms.core import audit, credentials
from lms.core.db import db, upsert

EXTEND = "certificates.extend"
LISTS = "certificates.lists"


def first_file(
    row: Certificate,
    *,
    pdf_key: str,
    pdf_sha256: str,
    size_bytes: int,
    at: datetime,
    level: str,
    due_at: datetime | None,
    credential: Mapping[str, Any] | None,
    signer_sha256: str | None,
) -> None:
    """Note the first state of a certificate's file. ``due_at``: when its last time stamp must be followed by another."""
    db.session.add(
        CertificateFile(
            certificate_id=row.id,
            number=1,
            sha256=pdf_sha256,
            pdf_key=pdf_key,
            pdf_bytes=size_bytes,
            level=level,
            signer_sha256=signer_sha256,
            at=at,
        )
    )
    db.session.add(
        CertificateDocument(
            id=row.id, level=level, due_at=due_at, credential=dict(credential) if credential else None
        )
    )
    if credential:
        _ensure_lists(row.id)
    db.session.flush()


def _ensure_lists(certificate_id: int) -> None:
    """The status lists on which the certificate's credential has its place."""
    number, _index = credentials.status_place(certificate_id)
    rows = [
        {"purpose": purpose, "number": number, "listed": 0, "listed_sum": 0, "lease_token": 0, "attempts": 0}
        for purpose in PURPOSES
    ]
    db.session.execute(upsert(StatusList).values(rows).on_conflict_do_nothing())


def extend(
    certificate_id: int,
    *,
    pdf_key: str,
    pdf_sha256: str,
    size_bytes: int,
    level: str,
    due_at: datetime | None,
    at: datetime,
) -> None:
    """Note the next state of a certificate's file, with more evidence behind it. The caller holds the document's lease."""
    document = db.session.get_one(CertificateDocument, certificate_id)
    certificate = db.session.get_one(Certificate, certificate_id)
    last = queries.latest_file(certificate_id)
    assert last is not None
    db.session.add(
        CertificateFile(
            certificate_id=certificate_id,
            number=last.number + 1,
            sha256=pdf_sha256,
            pdf_key=pdf_key,
            pdf_bytes=size_bytes,
            level=level,
            signer_sha256=last.signer_sha256,
            at=at,
        )
    )
    document.level, document.due_at, document.attempts = level, due_at, 0
    audit.record(
        "certificates.document.extend",
        scope=f"programme:{certificate.programme_id}",
        at=at,
        account_id=None,
        subject=f"certificate:{certificate.serial}",
        pdf=pdf_sha256,
    )
    db.session.flush()


def publish_list(
    status_list: StatusList,
    document: Mapping[str, Any],
    *,
    listed: Sequence[int],
    valid_until: datetime,
) -> None:
    """Put a freshly signed status list in the place of the last one. The caller holds its lease."""
    status_list.document, status_list.valid_until = dict(document), valid_until
    status_list.listed, status_list.listed_sum = len(listed), sum(listed)
    status_list.attempts = 0
    db.session.flush()
