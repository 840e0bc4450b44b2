"""Certificates from the command line."""

import json
from pathlib import Path

from lms.certificates import queries
from lms.core import signing
from lms.core.storage import storage
from lms.settings import Settings

WORDS = {
    "valid": "valid: signed by the named authority, and nothing in the file has changed since",
    "no_signature": "not valid: the file carries no signature",
    "altered": "not valid: the file was changed after it was signed",
    "appended": "not valid: something was added to the file after it was signed",
    "untrusted": "not valid: signed, but not by an authority of this root",
    "revoked": "not valid: the signer's certificate has been revoked",
    "unreadable": "not valid: this is no readable PDF",
}


def verify(file: Path, *, root: Path) -> int:
    """Check a PDF offline; 0 valid, 1 not, 2 if a file is not there."""
    try:
        data, trusted = file.read_bytes(), root.read_bytes()
    except OSError as problem:
        print(f"lms: {problem.strerror}: {problem.filename}")
        return 2
    try:
        check = signing.check_pdf(data, root=trusted)
    except ValueError:
        print(f"lms: {root} is not a certificate")
        return 2
    print(f"{file.name}: {WORDS.get(check.code, check.code)}")
    return 0 if check.code == "valid" else 1


def export(to: Path, *, settings: Settings) -> int:
    """Write every issued PDF as ``<serial>.pdf`` and the root certificate as ``root.crt``."""
    to.mkdir(parents=True, exist_ok=True)
    written = 0
    for certificate in queries.issued():
        assert certificate.pdf_key is not None
        (to / f"{certificate.serial}.pdf").write_bytes(storage().path(certificate.pdf_key).read_bytes())
        written += 1
    (to / "root.crt").write_bytes((settings.keys_dir / "root.crt").read_bytes())
    print(json.dumps({"written": written, "to": str(to), "root": str(to / "root.crt")}))
    return 0
