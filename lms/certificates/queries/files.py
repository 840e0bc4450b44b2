"""What the register knows of a file that somebody shows."""

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from lms.certificates.checking import Finding, Registered, inspect
from lms.certificates.models import Certificate, CertificateFile
from lms.core import signing, site
from lms.core.db import db


def registered(digests: Sequence[str]) -> Registered | None:
    """The certificate one of whose files has one of these digests."""
    found = db.session.execute(
        select(Certificate.serial, Certificate.state)
        .join(CertificateFile, CertificateFile.certificate_id == Certificate.id)
        .where(CertificateFile.sha256.in_(digests))
        .limit(1)
    ).first()
    return Registered(*found) if found else None


def inspect_here(data: bytes) -> Finding | None:
    """Name what a PDF is, by this site's root, lists and register; None where the site has no authority."""
    trust = signing.trust_of(site.settings().keys_dir)
    return inspect(data, trust, register=registered) if trust else None


def published_trust() -> dict[str, Any] | None:
    """Root and lists of the site's authority as a browser takes them: DER in base64; None where there is no authority."""
    trust = signing.trust_of(site.settings().keys_dir)
    if trust is None:
        return None
    return {
        "root": _base64(signing.der_of(trust.root)),
        "lists": [_base64(signing.der_of(one)) for one in trust.crls],
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def verify_key(serial: str) -> str:
    """The key of a certificate's QR code; only for an answer to who has shown the file itself."""
    return db.session.scalar(select(Certificate.verify_key).where(Certificate.serial == serial)) or ""
