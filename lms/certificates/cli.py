"""Certificates from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

from lms.certificates import queries
from lms.core import audit, clock, signing
from lms.core.db import transaction
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


def verify(file: Path, *, root: Path, crls: Sequence[Path] = (), time_roots: Sequence[Path] = ()) -> int:
    """Check a PDF offline; 0 valid, 1 not, 2 if a file is not there."""
    try:
        data, trusted = file.read_bytes(), root.read_bytes()
        lists = [path.read_bytes() for path in crls]
        clocks = [path.read_bytes() for path in time_roots]
    except OSError as problem:
        print(f"lms: {problem.strerror}: {problem.filename}")
        return 2
    try:
        check = signing.check_pdf(data, root=trusted, crls=lists, time_roots=clocks)
    except ValueError:
        print(f"lms: {root} is not a certificate, or one of the lists is none")
        return 2
    print(f"{file.name}: {WORDS.get(check.code, check.code)}")
    if check.is_valid and check.revoked_at:
        print(
            f"The signer was withdrawn on {check.revoked_at:%Y-%m-%d}; time stamps prove that it signed before."
        )
    return 0 if check.code == "valid" else 1


def export(to: Path, *, settings: Settings) -> int:
    """Write every issued PDF as ``<serial>.pdf`` and the root certificate as ``root.crt``."""
    to.mkdir(parents=True, exist_ok=True)
    written = 0
    for certificate in queries.issued():
        newest = queries.latest_file(certificate.id)
        key = newest.pdf_key if newest else certificate.pdf_key
        assert key is not None
        (to / f"{certificate.serial}.pdf").write_bytes(storage().path(key).read_bytes())
        written += 1
    for name in signing.PUBLIC:
        if (settings.keys_dir / name).exists():
            (to / name).write_bytes((settings.keys_dir / name).read_bytes())
    print(json.dumps({"written": written, "to": str(to), "root": str(to / "root.crt")}))
    return 0


def make_keys(*, settings: Settings, kind: str) -> int:
    """Make the authority of a site that has none."""
    try:
        signing.create_authority(
            settings.keys_dir,
            organisation=settings.organisation,
            at=clock.now(),
            passphrase=settings.keys_passphrase,
            address=settings.base_url,
            kind=kind,
        )
    except (FileExistsError, ValueError) as problem:
        print(f"lms: {problem}")
        return 2
    print(f"Keys are in {settings.keys_dir}. Move root.key and issuing.key into a safe; publish root.crt.")
    return 0


def rotate_keys(*, settings: Settings, kind: str) -> int:
    """Make the next signer; the key of the last one is destroyed and its files stay valid."""
    at = clock.now()
    try:
        signing.rotate(
            settings.keys_dir,
            at=at,
            passphrase=settings.keys_passphrase,
            address=settings.base_url,
            kind=kind,
        )
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    fingerprint = signing.load_signer(settings.keys_dir, settings.keys_passphrase).fingerprint
    with transaction():
        audit.record(
            "certificates.keys.rotate", scope="site", at=at, account_id=None, subject=f"key:{fingerprint}"
        )
    print(f"The signer is now {fingerprint}. Put issuing.key back into its safe.")
    return 0


def revoke_key(fingerprint: str, *, settings: Settings, why: str) -> int:
    """Withdraw a signer and say which certificates must be issued again."""
    at = clock.now()
    try:
        found = signing.revoke(
            settings.keys_dir, at=at, passphrase=settings.keys_passphrase, fingerprint=fingerprint, why=why
        )
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    with transaction():
        audit.record(
            "certificates.keys.revoke", scope="site", at=at, account_id=None, subject=f"key:{found}", why=why
        )
    again = queries.lost_with(found)
    print(f"{found} is on the list at {settings.base_url}/pki/{signing.ISSUING_CRL}.")
    print("Make the next signer: lms certificates keys rotate")
    print(f"{len(again)} certificates no longer prove themselves and must be issued again:")
    for serial in again:
        print(serial)
    return 0


def keys_status(*, settings: Settings) -> int:
    """Every certificate of the authority and until when the lists speak, as JSON lines."""
    try:
        every = signing.status(settings.keys_dir, settings.keys_passphrase, at=clock.now())
    except signing.SigningFailed as problem:
        print(f"lms: {problem}")
        return 2
    for one in every:
        line = {"file": one.file, "name": one.name, "state": one.state, "until": f"{one.until:%Y-%m-%d}"}
        print(json.dumps({**line, "sha256": one.fingerprint}, ensure_ascii=False))
    for name, until in signing.lists_until(settings.keys_dir).items():
        print(json.dumps({"file": name, "until": f"{until:%Y-%m-%d}"}))
    return 0
