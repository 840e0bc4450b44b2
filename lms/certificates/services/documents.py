"""The files of certificates: their states, their credentials, and the status lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lms.certificates import queries
from lms.certificates.credential import PURPOSES
from lms.certificates.models import Certificate, CertificateDocument, CertificateFile, StatusList
from lms.core import audit, credentials
from lms.core.db import db, insert_all, upsert

EXTEND = "certificates.extend"
LISTS = "certificates.lists"


@dataclass(frozen=True)
class Filed:
    """A signed file that lies in the storage, safe, and that the register does not know yet."""

    pdf_key: str
    pdf_sha256: str
    size_bytes: int
    level: str
    due_at: datetime | None
    """When its last time stamp must be followed by another."""
    credential: Mapping[str, Any] | None = None
    """The credential inside, as it was signed."""
    signer_sha256: str | None = None


def first_files(files: Mapping[int, Filed], *, at: datetime) -> None:
    """Note the first state of the files of certificates."""
    insert_all(
        CertificateFile,
        [
            {
                "certificate_id": number,
                "number": 1,
                "sha256": file.pdf_sha256,
                "pdf_key": file.pdf_key,
                "pdf_bytes": file.size_bytes,
                "level": file.level,
                "signer_sha256": file.signer_sha256,
                "at": at,
            }
            for number, file in files.items()
        ],
    )
    insert_all(
        CertificateDocument,
        [
            {
                "id": number,
                "level": file.level,
                "due_at": file.due_at,
                "credential": dict(file.credential) if file.credential else None,
            }
            for number, file in files.items()
        ],
    )
    _ensure_lists([number for number, file in files.items() if file.credential])


def _ensure_lists(certificate_ids: Sequence[int]) -> None:
    """The status lists on which the certificates' credentials have their places."""
    rows = [
        {"purpose": purpose, "number": number, "listed": 0, "listed_sum": 0, "lease_token": 0, "attempts": 0}
        for number in sorted({credentials.status_place(one)[0] for one in certificate_ids})
        for purpose in PURPOSES
    ]
    if rows:
        db.session.execute(upsert(StatusList).values(rows).on_conflict_do_nothing())


def extend(certificate_id: int, file: Filed, *, at: datetime) -> None:
    """Note the next state of a certificate's file, with more evidence behind it. The caller holds the document's lease."""
    document = db.session.get_one(CertificateDocument, certificate_id)
    certificate = db.session.get_one(Certificate, certificate_id)
    last = queries.latest_file(certificate_id)
    assert last is not None
    db.session.add(
        CertificateFile(
            certificate_id=certificate_id,
            number=last.number + 1,
            sha256=file.pdf_sha256,
            pdf_key=file.pdf_key,
            pdf_bytes=file.size_bytes,
            level=file.level,
            signer_sha256=last.signer_sha256,
            at=at,
        )
    )
    document.level, document.due_at, document.attempts = file.level, file.due_at, 0
    audit.record(
        "certificates.document.extend",
        scope=f"programme:{certificate.programme_id}",
        at=at,
        account_id=None,
        subject=f"certificate:{certificate.serial}",
        pdf=file.pdf_sha256,
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
