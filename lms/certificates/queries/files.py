"""What the register knows of a file that somebody shows."""

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from lms.certificates.checking import Finding, Registered, inspect
from lms.certificates.models import Certificate, CertificateFile
from lms.core import signing, site
from lms.core.db import db
from lms.core.digests import read_public_pem


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
    """What a browser judges by: root and lists of the site's authority (DER in base64), and the key of the codes on paper.

    The key (32 bytes, base64) is empty where the site has none; None where there is no authority.
    """
    folder = site.settings().keys_dir
    trust = signing.trust_of(folder)
    if trust is None:
        return None
    own = folder / signing.CREDENTIALS_PUBLIC
    return {
        "paper": _base64(read_public_pem(own.read_bytes())) if own.exists() else "",
        "root": _base64(signing.der_of(trust.root)),
        "lists": [_base64(signing.der_of(one)) for one in trust.crls],
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def verify_key(serial: str) -> str:
    """The key of a certificate's QR code; only for an answer to who has shown the file itself."""
    return db.session.scalar(select(Certificate.verify_key).where(Certificate.serial == serial)) or ""
