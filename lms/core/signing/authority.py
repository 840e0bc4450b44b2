"""An authority of our own: root → issuing → yearly signer and time-stamp signer, their keys, and the lists of what was withdrawn.

All of it is files in one folder. What the public needs is in the clear (``PUBLIC``), every key is locked with the site's
passphrase. The keys of root and issuing authority belong in a safe: they come back for a yearly ``rotate``, for ``revoke``
and to renew the lists, and the site works without them in between.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lms.core.digests import ed25519_public_key, new_ed25519_key, public_pem, read_ed25519_key
from lms.core.signing import tokens
from lms.core.signing.faults import SigningFailed
from lms.core.signing.tokens import Token

ROOT = "root.crt"
ISSUING = "issuing.crt"
ROOT_CRL = "root.crl"
ISSUING_CRL = "issuing.crl"
PUBLIC = (ROOT, ISSUING, ROOT_CRL, ISSUING_CRL)
"""What the site publishes under ``/pki/``."""
SIGNER = "signer.p12"
SIGNER_OPEN = "signer.crt"
"""Certificates of the signer, its own first: all there is where its key lies in a token, and what may be read without a key."""
STAMPER = "timestamps.p12"
STAMPER_OPEN = "timestamps.crt"
_OPEN = {SIGNER: SIGNER_OPEN, STAMPER: STAMPER_OPEN}
CREDENTIALS = "credentials.key"
CREDENTIALS_PUBLIC = "credentials.pub"
ROOT_KEY = "root.key"
ISSUING_KEY = "issuing.key"
RETIRED = "retired"
"""Folder of the certificates of former signers; their keys are gone."""
TIME_ROOTS = "time-roots.pem"
"""Roots of a foreign time-stamp authority, put there by the keeper."""

RSA, P256 = "rsa-3072", "p-256"
KEY_KINDS = (RSA, P256)

_YEAR = timedelta(days=365.25)
ROOT_LIFE, ISSUING_LIFE, SIGNER_LIFE, STAMPER_LIFE = 20 * _YEAR, 10 * _YEAR, 3 * _YEAR, 8 * _YEAR
STAMPER_RENEWAL = 2 * _YEAR
"""``rotate`` makes a new time-stamp signer as soon as the old one has less left."""
CRL_LIFE = timedelta(days=400)
"""A list speaks for a year and a month: the issuing key leaves its safe once a year."""
CLOCK_TOLERANCE = timedelta(hours=1)
"""A certificate is valid from a little before it was made: readers' clocks differ."""

NAME_LIMIT = 64
"""Longest organisation name in a certificate (X.520, ub-organization-name)."""

REASONS = {
    "compromise": x509.ReasonFlags.key_compromise,
    "superseded": x509.ReasonFlags.superseded,
    "ended": x509.ReasonFlags.cessation_of_operation,
}
"""Why a certificate is withdrawn: its key may be in strange hands; another took its place; the work ended."""

PublicKey = tokens.PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def create_authority(
    folder: Path,
    *,
    organisation: str,
    at: datetime,
    passphrase: str,
    address: str = "",
    kind: str = RSA,
    token: Token | None = None,
) -> None:
    """Make root (20 years) → issuing (10) → signer (3) and time-stamp signer (8), and the key of the credentials.

    ``address``: the site's public address, written into the certificates as the place of the lists. ``kind``: key of the
    signer, ``rsa-3072`` (every reader knows it) or ``p-256``. ``token``: where the signer's key is made, instead of in a file.
    The folder appears complete or not at all.

    Raises ``FileExistsError`` if the folder holds something: an authority is never overwritten.
    Raises ``ValueError`` for an empty passphrase, or an organisation that is empty or too long for a certificate.
    """
    organisation = organisation.strip()
    if not organisation or len(organisation) > NAME_LIMIT:
        raise ValueError(f"the organisation's name needs 1 to {NAME_LIMIT} characters")
    if not passphrase:
        raise ValueError("the keys of an authority need a passphrase")
    if kind not in KEY_KINDS:
        raise ValueError(f"a signer's key is one of {', '.join(KEY_KINDS)}")
    if at.tzinfo is None:
        raise ValueError("at must be aware")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    if token is not None and tokens.keys_in(token):
        raise FileExistsError(f"the token {token.label} holds a key {token.key} already")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / "authority"
        made.mkdir(mode=0o700)
        _write_roots(made, organisation, at.astimezone(UTC), passphrase.encode(), address)
        rotate(made, at=at, passphrase=passphrase, address=address, kind=kind, token=token)
        made.rename(folder)


def _write_roots(folder: Path, organisation: str, at: datetime, passphrase: bytes, address: str) -> None:
    # Elliptic keys for the two authorities: made at once, where RSA-4096 takes seconds. RSA for the signer, as the
    # oldest readers know it.
    root_key = ec.generate_private_key(ec.SECP384R1())
    issuing_key = ec.generate_private_key(ec.SECP384R1())
    start = (at - CLOCK_TOLERANCE).replace(microsecond=0)
    root_name = _name(organisation, "Root Authority")

    root = _certificate(root_name, root_key.public_key(), issuer=root_name, start=start, life=ROOT_LIFE)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    root_crt = root.add_extension(_authority_usage(), critical=True).sign(root_key, hashes.SHA384())

    issuing = _certificate(
        _name(organisation, "Document Authority 1"),
        issuing_key.public_key(),
        issuer=root_name,
        issuer_key=root_key.public_key(),
        start=start,
        life=ISSUING_LIFE,
        list_at=_list_address(address, ROOT_CRL),
    )
    issuing = issuing.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    issuing_crt = issuing.add_extension(_authority_usage(), critical=True).sign(root_key, hashes.SHA384())

    lock = BestAvailableEncryption(passphrase)
    for name, key in ((ROOT_KEY, root_key), (ISSUING_KEY, issuing_key)):
        write(folder / name, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock), mode=0o600)
    write(folder / ROOT, root_crt.public_bytes(Encoding.PEM), mode=0o644)
    write(folder / ISSUING, issuing_crt.public_bytes(Encoding.PEM), mode=0o644)


def _list_address(address: str, name: str) -> str:
    return f"{address}/pki/{name}" if address else ""


def rotate(
    folder: Path,
    *,
    at: datetime,
    passphrase: str,
    address: str = "",
    kind: str = RSA,
    token: Token | None = None,
) -> None:
    """Make a new signer and destroy the key of the old one, whose files stay valid; renew the lists.

    ``token``: where its key is made and stays; without one it lies in ``signer.p12``.

    Also makes what the folder lacks: a time-stamp signer (or one with less than two years left) and the key of the credentials.
    Needs ``issuing.key``. Raises ``SigningFailed`` where it is not there or another passphrase locks it.
    """
    at = at.astimezone(UTC)
    issuing, issuing_key = _issuer(folder, ISSUING, ISSUING_KEY, passphrase)
    root = load_certificate((folder / ROOT).read_bytes())
    organisation = str(issuing.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)

    def make(
        file: str,
        title: str,
        key: PrivateKey | None,
        life: timedelta,
        purposes: x509.ExtendedKeyUsage,
        public: PublicKey,
    ) -> x509.Certificate:
        start = (at - CLOCK_TOLERANCE).replace(microsecond=0)
        builder = _certificate(
            _name(organisation, title),
            public,
            issuer=issuing.subject,
            issuer_key=issuing_key.public_key(),
            start=start,
            life=min(life, issuing.not_valid_after_utc - start),
            list_at=_list_address(address, ISSUING_CRL),
        )
        usages = ("digital_signature", "content_commitment") if file == SIGNER else ("digital_signature",)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(*usages), critical=True)
            .add_extension(purposes, critical=ExtendedKeyUsageOID.TIME_STAMPING in purposes)
            .sign(issuing_key, hashes.SHA384())
        )
        _retire(folder, file, passphrase)
        if key is None:
            (folder / file).unlink(missing_ok=True)
        else:
            bundle = pkcs12.serialize_key_and_certificates(
                file.removesuffix(".p12").encode(),
                key,
                certificate,
                [issuing, root],
                BestAvailableEncryption(passphrase.encode()),
            )
            write(folder / file, bundle, mode=0o600)
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, issuing, root))
        write(folder / _OPEN[file], chain, mode=0o644)
        return certificate

    if token is None:
        made = new_key(kind)
        half: PublicKey = made.public_key()
    else:
        made, half = None, tokens.make_key(token, is_elliptic=kind == P256)
    signer = make(
        SIGNER,
        f"Certificate Signer {at.year}",
        made,
        SIGNER_LIFE,
        # RFC 9336 has a purpose for documents; poppler and NSS only trust a signer that may also sign mail.
        x509.ExtendedKeyUsage(
            [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"), ExtendedKeyUsageOID.EMAIL_PROTECTION]
        ),
        half,
    )
    if token is not None:
        tokens.keep_only(token, signer)
    stamper = _present(folder, STAMPER, passphrase)
    if stamper is None or stamper.not_valid_after_utc < at + STAMPER_RENEWAL:
        stamps = rsa.generate_private_key(65537, 3072)
        make(
            STAMPER,
            f"Time Stamps {at.year}",
            stamps,
            STAMPER_LIFE,
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]),
            stamps.public_key(),
        )
    if not (folder / CREDENTIALS).exists():
        pem = new_ed25519_key(passphrase)
        public = public_pem(ed25519_public_key(read_ed25519_key(pem, passphrase)))
        write(folder / CREDENTIALS_PUBLIC, public, mode=0o644)
        write(folder / CREDENTIALS, pem, mode=0o600)
    renew_lists(folder, at=at, passphrase=passphrase)


def revoke(
    folder: Path, *, at: datetime, passphrase: str, fingerprint: str = "", why: str = "compromise"
) -> str:
    """Put a certificate on the issuing authority's list and give back its fingerprint; by default the present signer's.

    Nothing is signed with a withdrawn key again; ``rotate`` makes the next one. ``fingerprint``: SHA-256, or its beginning.

    Raises ``SigningFailed`` where ``issuing.key`` is missing or no certificate of ours has that fingerprint.
    """
    known = {digest(one): one for _file, one in _leaves(folder, passphrase)}
    present = _present(folder, SIGNER, passphrase)
    wanted = fingerprint.lower().replace(":", "") or (digest(present) if present else "")
    found = [one for key, one in known.items() if wanted and key.startswith(wanted)]
    if len(found) != 1:
        raise SigningFailed(f"no certificate of this authority has the fingerprint {fingerprint or wanted}")
    number = found[0].serial_number
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(number)
        .revocation_date(at.astimezone(UTC).replace(microsecond=0))
        .add_extension(x509.CRLReason(REASONS[why]), critical=False)
        .build()
    )
    _sign_list(folder, ISSUING, ISSUING_KEY, ISSUING_CRL, at=at, passphrase=passphrase, more=[entry])
    return digest(found[0])


def renew_lists(folder: Path, *, at: datetime, passphrase: str) -> list[str]:
    """Sign the lists anew, as far as the authorities' keys lie here; gives back their names."""
    pairs = ((ROOT, ROOT_KEY, ROOT_CRL), (ISSUING, ISSUING_KEY, ISSUING_CRL))
    here = [pair for pair in pairs if (folder / pair[1]).exists()]
    for certificate, key, name in here:
        _sign_list(folder, certificate, key, name, at=at, passphrase=passphrase)
    return [name for _certificate, _key, name in here]


def _sign_list(
    folder: Path,
    certificate: str,
    key: str,
    name: str,
    *,
    at: datetime,
    passphrase: str,
    more: Sequence[x509.RevokedCertificate] = (),
) -> None:
    issuer, issuer_key = _issuer(folder, certificate, key, passphrase)
    earlier = load_crl((folder / name).read_bytes()) if (folder / name).exists() else None
    entries = {
        one.serial_number: one for one in (*more, *(earlier or ()))
    }  # the first word on a number stays
    number = 1
    if earlier is not None:
        number += earlier.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    start = at.astimezone(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=list(entries.values()))
        .issuer_name(issuer.subject)
        .last_update(start)
        .next_update(start + CRL_LIFE)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    signed = builder.sign(issuer_key, hashes.SHA384())
    write(folder / name, signed.public_bytes(Encoding.DER), mode=0o644)


def _issuer(
    folder: Path, certificate: str, key: str, passphrase: str
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        found = load_certificate((folder / certificate).read_bytes())
        opened = load_pem_private_key((folder / key).read_bytes(), passphrase.encode())
    except OSError as problem:
        raise SigningFailed(f"bring {problem.filename or key} back for this: it is not here") from problem
    except ValueError as problem:
        raise SigningFailed(f"cannot open {key}: {problem}") from problem
    if not isinstance(opened, ec.EllipticCurvePrivateKey):
        raise SigningFailed(f"{key} is no key of this authority")
    return found, opened


def new_key(kind: str) -> PrivateKey:
    """A key for a signer, outside any token."""
    return rsa.generate_private_key(65537, 3072) if kind == RSA else ec.generate_private_key(ec.SECP256R1())


def _present(folder: Path, file: str, passphrase: str) -> x509.Certificate | None:
    """The certificate of the signer or time-stamp signer; None where there is none.

    Where its key is not for us to read, or lies in a token, from the copy beside it.
    """
    path, beside = folder / file, folder / _OPEN[file]
    if path.exists() and (os.access(path, os.R_OK) or not beside.exists()):
        return load_bundle(path, passphrase)[1][0]
    return load_chain(beside)[0] if beside.exists() else None


def load_chain(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, its own first. Raises ``SigningFailed``."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SigningFailed(f"cannot read {path.name}: {error}") from error


def load_bundle(path: Path, passphrase: str) -> tuple[PrivateKey, list[x509.Certificate]]:
    """Key and chain, own certificate first, of a PKCS#12 file. Takes some 100 ms. Raises ``SigningFailed``."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(path.read_bytes(), passphrase.encode())
    except (OSError, ValueError) as error:
        raise SigningFailed(f"cannot open {path.name}: {error}") from error
    if certificate is None or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SigningFailed(f"{path.name} holds no RSA or elliptic key with its certificate")
    return key, [certificate, *others]


def _retire(folder: Path, file: str, passphrase: str) -> None:
    """Keep the certificate of a bundle that is about to be replaced."""
    old = _present(folder, file, passphrase)
    if old is None:
        return
    shelf = folder / RETIRED
    if not shelf.exists():
        shelf.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(shelf, folder.stat().st_uid, folder.stat().st_gid)
    write(shelf / f"{digest(old)[:16]}.crt", old.public_bytes(Encoding.PEM), mode=0o644)


def _leaves(folder: Path, passphrase: str) -> list[tuple[str, x509.Certificate]]:
    """The present and former signers, with their files."""
    present = [
        (name, found)
        for name in (SIGNER, STAMPER)
        if (found := _present(folder, name, passphrase)) is not None
    ]
    former = sorted((folder / RETIRED).glob("*.crt"))
    return present + [(f"{RETIRED}/{path.name}", load_certificate(path.read_bytes())) for path in former]


@dataclass(frozen=True)
class KeyState:
    """One certificate of the authority."""

    file: str
    name: str
    fingerprint: str
    until: datetime
    state: str
    """``in_force``, ``expired``, ``revoked`` or ``retired`` (its key is gone, its files stay valid)."""


def status(folder: Path, passphrase: str, *, at: datetime) -> list[KeyState]:
    """Every certificate of the authority, from the root down. Raises ``SigningFailed``."""
    try:
        above = [(name, load_certificate((folder / name).read_bytes())) for name in (ROOT, ISSUING)]
    except (OSError, ValueError) as error:
        raise SigningFailed(f"cannot read a certificate in {folder}: {error}") from error
    withdrawn = revoked_numbers(folder)

    def state(file: str, one: x509.Certificate) -> str:
        if file not in {ROOT, ISSUING} and one.serial_number in withdrawn:
            return "revoked"
        if one.not_valid_after_utc <= at:
            return "expired"
        return "retired" if file.startswith(RETIRED) else "in_force"

    return [
        KeyState(file, _common_name(one), digest(one), one.not_valid_after_utc, state(file, one))
        for file, one in (*above, *_leaves(folder, passphrase))
    ]


def lists_until(folder: Path) -> dict[str, datetime]:
    """Until when the lists speak, by their file names; those that are missing are left out."""
    found = {name: load_crl((folder / name).read_bytes()) for name in lists(folder)}
    return {name: crl.next_update_utc for name, crl in found.items() if crl.next_update_utc is not None}


def lists(folder: Path) -> list[str]:
    """Names of the lists that are there."""
    return [name for name in (ROOT_CRL, ISSUING_CRL) if (folder / name).exists()]


def revoked_numbers(folder: Path) -> frozenset[int]:
    """Serial numbers on the issuing authority's list."""
    path = folder / ISSUING_CRL
    return (
        frozenset(one.serial_number for one in load_crl(path.read_bytes())) if path.exists() else frozenset()
    )


def valid_until(folder: Path, passphrase: str, *, in_token: bool = False) -> dict[str, datetime]:
    """Until when the certificates of an authority are in force, by their file names. ``in_token``: there is no ``signer.p12``.

    Raises ``SigningFailed`` if one of them is missing or broken or the passphrase is wrong.
    """
    if not (folder / SIGNER).exists() and (not in_token or not (folder / SIGNER_OPEN).exists()):
        raise SigningFailed(f"cannot open {SIGNER_OPEN if in_token else SIGNER}: it is not there")
    every = status(folder, passphrase, at=datetime.max.replace(tzinfo=UTC))
    return {one.file: one.until for one in every if not one.file.startswith(RETIRED)}


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def digest(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: x509.Name,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey | None = None,
    start: datetime,
    life: timedelta,
    list_at: str = "",
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if list_at:
        place = x509.DistributionPoint([x509.UniformResourceIdentifier(list_at)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    if issuer_key is None:
        return builder
    return builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
    )


def _key_usage(*usages: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: usage in usages for usage in every})


def _authority_usage() -> x509.KeyUsage:
    return _key_usage("key_cert_sign", "crl_sign")


def write(path: Path, data: bytes, *, mode: int) -> None:
    """Put a whole file in its place by one rename, whatever the umask; written by root, it is the folder's owner's."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                about = path.parent.stat()
                os.fchown(file.fileno(), about.st_uid, about.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_certificate(data: bytes) -> x509.Certificate:
    """A certificate in PEM or DER. Raises ``ValueError``."""
    return (
        x509.load_pem_x509_certificate(data)
        if b"-----BEGIN" in data
        else x509.load_der_x509_certificate(data)
    )


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """A list in PEM or DER. Raises ``ValueError``."""
    return x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)


def der_of(data: bytes) -> bytes:
    """A certificate or list as plain DER, whether it came so or as PEM."""
    if b"-----BEGIN" not in data:
        return data
    return base64.b64decode(b"".join(data.split(b"-----")[2].split()))
