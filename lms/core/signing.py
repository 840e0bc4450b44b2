"""Doorman of pyHanko and cryptography: an authority of our own, signatures in PDFs, and their check.

A signed file is PAdES B-B and certified with no changes allowed: every byte is covered, and the only valid copy is
the one that left the signer. The check therefore reads no PDF structure at all (nothing in a hostile file is
unpacked or followed): it finds the byte range, insists that it covers the whole file, and judges the CMS object in
the one hole.
"""

import asyncio
import hashlib
import itertools
import logging
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import InvisSigSettings, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

ROOT = "root.crt"
ISSUING = "issuing.crt"
SIGNER = "signer.p12"
ROOT_KEY = "root.key"
ISSUING_KEY = "issuing.key"

_YEAR = timedelta(days=365.25)
ROOT_LIFE, ISSUING_LIFE, SIGNER_LIFE = 20 * _YEAR, 10 * _YEAR, 3 * _YEAR
CLOCK_TOLERANCE = timedelta(hours=1)
"""A certificate is valid from a little before it was made: readers' clocks differ."""

NAME_LIMIT = 64
"""Longest organisation name in a certificate (X.520, ub-organization-name)."""

_FIELD = "Signature1"
_RESERVED_DIGITS = 8192
"""Room for the CMS object in hexadecimal; two certificates and an RSA-3072 signature take 4 800 to 6 200 digits."""

MAX_BYTES = 32 * 1024 * 1024
"""A larger file is not read: no certificate of ours comes near."""

# pyHanko says by exception and return value what went wrong; its log would fill ours with every forged upload.
for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


# ---------------------------------------------------------------- the authority


def create_authority(folder: Path, *, organisation: str, at: datetime, passphrase: str) -> None:
    """Make root (20 years) → issuing (10) → signer (3) and their keys in ``folder``.

    Writes ``root.crt`` (to publish), ``issuing.crt``, ``signer.p12`` (the daily key with its chain), ``root.key`` and
    ``issuing.key`` (to keep away from the machine), keys encrypted with ``passphrase``, mode 0600. The folder appears
    complete or not at all.

    Raises ``FileExistsError`` if the folder holds something: an authority is never overwritten.
    Raises ``ValueError`` for an empty passphrase, or an organisation that is empty or too long for a certificate.
    """
    organisation = organisation.strip()
    if not organisation or len(organisation) > NAME_LIMIT:
        raise ValueError(f"the organisation's name needs 1 to {NAME_LIMIT} characters")
    if not passphrase:
        raise ValueError("the keys of an authority need a passphrase")
    if at.tzinfo is None:
        raise ValueError("at must be aware")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary) / "authority"
        made.mkdir(mode=0o700)
        _write_authority(
            made, organisation=organisation, at=at.astimezone(UTC), passphrase=passphrase.encode()
        )
        made.rename(folder)


def _write_authority(folder: Path, *, organisation: str, at: datetime, passphrase: bytes) -> None:
    # Elliptic keys for the two authorities: made at once, where RSA-4096 takes seconds. RSA for the signer, as the
    # oldest readers know it.
    root_key = ec.generate_private_key(ec.SECP384R1())
    issuing_key = ec.generate_private_key(ec.SECP384R1())
    signer_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    start = (at - CLOCK_TOLERANCE).replace(microsecond=0)
    root_name = _name(organisation, "Root Authority")
    issuing_name = _name(organisation, "Document Authority 1")

    root = _certificate(root_name, root_key.public_key(), issuer=root_name, start=start, life=ROOT_LIFE)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    root_crt = root.add_extension(_authority_usage(), critical=True).sign(root_key, hashes.SHA384())

    issuing = _certificate(
        issuing_name,
        issuing_key.public_key(),
        issuer=root_name,
        issuer_key=root_key.public_key(),
        start=start,
        life=ISSUING_LIFE,
    )
    issuing = issuing.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    issuing_crt = issuing.add_extension(_authority_usage(), critical=True).sign(root_key, hashes.SHA384())

    signer = _certificate(
        _name(organisation, f"Certificate Signer {at.year}"),
        signer_key.public_key(),
        issuer=issuing_name,
        issuer_key=issuing_key.public_key(),
        start=start,
        life=SIGNER_LIFE,
    )
    signer = signer.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    signer = signer.add_extension(_key_usage("digital_signature", "content_commitment"), critical=True)
    signer_crt = signer.add_extension(
        # RFC 9336 has a purpose for documents; poppler and NSS only trust a signer that may also sign mail.
        x509.ExtendedKeyUsage(
            [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"), ExtendedKeyUsageOID.EMAIL_PROTECTION]
        ),
        critical=False,
    ).sign(issuing_key, hashes.SHA384())

    lock = BestAvailableEncryption(passphrase)
    bundle = pkcs12.serialize_key_and_certificates(
        b"signer", signer_key, signer_crt, [issuing_crt, root_crt], lock
    )
    _write(folder / ROOT_KEY, root_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock), mode=0o600)
    _write(
        folder / ISSUING_KEY, issuing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock), mode=0o600
    )
    _write(folder / SIGNER, bundle, mode=0o600)
    _write(folder / ROOT, root_crt.public_bytes(Encoding.PEM), mode=0o644)
    _write(folder / ISSUING, issuing_crt.public_bytes(Encoding.PEM), mode=0o644)


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


def _write(path: Path, data: bytes, *, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


# ---------------------------------------------------------------- signing


class SigningFailed(Exception):
    """The PDF cannot be signed (it is broken, or carries a signature already), or the key cannot be opened."""


class Signer(signers.Signer):
    """A signer with its key parsed once: pyHanko's own parses RSA keys anew for each signature, 240 ms against 17."""

    def __init__(
        self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]
    ) -> None:
        own, *others = [asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in chain]
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register_multiple(others)
        super().__init__(signing_cert=own, cert_registry=store, embed_roots=False)
        self._key = key
        self.fingerprint: str = hashlib.sha256(own.dump()).hexdigest()
        """SHA-256 of the signing certificate."""

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002
        """Called by pyHanko with the attributes to sign."""
        digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[
            digest_algorithm
        ]
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), digest)
        return self._key.sign(data, ec.ECDSA(digest))


def load_signer(folder: Path, passphrase: str) -> Signer:
    """Open ``signer.p12``; keep the result, opening costs some 100 ms.

    Raises ``SigningFailed`` if the file is missing or broken or the passphrase is wrong.
    """
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(
            (folder / SIGNER).read_bytes(), passphrase.encode()
        )
    except (OSError, ValueError) as error:
        raise SigningFailed(f"cannot open {SIGNER}: {error}") from error
    if certificate is None or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SigningFailed(f"{SIGNER} holds no RSA or elliptic key with its certificate")
    return Signer(key, [certificate, *others])


def valid_until(folder: Path, passphrase: str) -> dict[str, datetime]:
    """Until when the certificates of an authority are in force, by their file names.

    Raises ``SigningFailed`` if one of them is missing or broken or the passphrase is wrong.
    """
    signer = load_signer(folder, passphrase)
    assert signer.signing_cert is not None
    try:
        found = {
            name: _load_certificate((folder / name).read_bytes()).not_valid_after_utc
            for name in (ROOT, ISSUING)
        }
    except (OSError, ValueError) as error:
        raise SigningFailed(f"cannot read a certificate in {folder}: {error}") from error
    return {**found, SIGNER: signer.signing_cert.not_valid_after}


def sign_pdf(pdf: bytes, *, signer: Signer, reason: str, location: str, at: datetime) -> bytes:
    """Sign as PAdES B-B, certified, no changes allowed; the file stays PDF/A-3 and PDF/UA-1.

    ``at`` is the signing time that readers show. Raises ``SigningFailed``.
    """
    if at.tzinfo is None:
        raise ValueError("at must be aware")
    metadata = signers.PdfSignatureMetadata(
        field_name=_FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        location=location,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    # The one form of an invisible field that both PDF/A-3 (printed) and PDF/UA (outside the page, untagged) allow.
    field = SigFieldSpec(
        _FIELD,
        on_page=0,
        box=(0, 0, 0, 0),
        invis_sig_settings=InvisSigSettings(set_print_flag=True, box_out_of_bounds=True),
    )
    try:
        return asyncio.run(_sign(pdf, signer, metadata, field, at.astimezone(UTC).replace(microsecond=0)))
    except (SigningError, PdfError) as error:
        raise SigningFailed(str(error)) from error


class _Writer(IncrementalPdfFileWriter):
    """Adds the signature and nothing else."""

    def _update_meta(self) -> None:
        # pyHanko would write "modified now" over dates and XMP that were made for PDF/A and PDF/UA.
        pass


async def _sign(pdf: bytes, signer: Signer, metadata: Any, field: Any, at: datetime) -> bytes:
    # PdfSigner.sign_pdf in single steps, as only the session takes a clock.
    session = signers.PdfSigner(metadata, signer, new_field_spec=field).init_signing_session(
        _Writer(BytesIO(pdf))
    )
    session.system_time = at
    document = session.prepare_tbs_document(
        validation_info=None, bytes_reserved=_RESERVED_DIGITS, appearance_text_params=None
    )
    out = BytesIO()
    prepared, output = document.digest_tbs_document(output=out)
    finished = await document.perform_signature(
        document_digest=prepared.document_digest,
        pdf_cms_signed_attrs=signers.pdf_cms.PdfCMSSignedAttributes(signing_time=at),
    )
    await finished.post_signature_processing(output)
    return out.getvalue()


# ---------------------------------------------------------------- checking

VALID = "valid"
NO_SIGNATURE = "no_signature"
ALTERED = "altered"
APPENDED = "appended"
UNTRUSTED = "untrusted"
REVOKED = "revoked"
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class PdfCheck:
    """What a file says and whether to believe it. No sentences: wording belongs to the caller."""

    code: str
    """``valid``; ``no_signature``; ``altered``: a signed byte changed or is missing; ``appended``: genuine, but something
    was added behind it (it may cover what is seen); ``untrusted``: whole, but signed by somebody else (or outside the
    life of the certificate); ``revoked``: signed with a key that was withdrawn; ``unreadable``: no PDF, or too large."""
    signer_name: str | None = None
    """Common name in the signing certificate. If ``untrusted``, anybody can have written it."""
    organisation: str | None = None
    signer_fingerprint: str | None = None
    """SHA-256 of the signing certificate, hexadecimal."""
    root_fingerprint: str | None = None
    """SHA-256 of the root that vouches for it; set only if it does."""
    signed_at: datetime | None = None
    """The signer's own word."""
    covers_whole_file: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether the file is, byte for byte, the one that the signer made."""
        return self.code == VALID


def check_pdf(
    data: bytes, *, root: bytes, crls: Sequence[bytes] = (), at: datetime | None = None
) -> PdfCheck:
    """Judge the signature of ``data`` against the one ``root`` (PEM or DER). Never raises for what is in ``data``.

    ``crls``: revocation lists (DER or PEM) of the authorities; a certificate in one of them is refused whatever the
    dates, as a stolen key can sign with any date. ``at``: the moment at which certificates must be in force; by
    default the signing time in the file, since a certificate on paper outlives its signer's.

    Raises ``ValueError`` if ``root`` or a list is not what it should be.
    """
    trusted = _load_certificate(root)
    lists = [_load_crl(crl) for crl in crls]
    if len(data) > MAX_BYTES or b"%PDF-" not in data[:1024]:
        return PdfCheck(UNREADABLE)
    ranges = [tuple(map(int, found.groups())) for found in _BYTE_RANGE.finditer(data)]
    if not ranges:
        return PdfCheck(NO_SIGNATURE if b"%%EOF" in data[-1024:] else UNREADABLE)
    # A file of ours has one range. Where somebody added others, the most telling answer counts; a signature that
    # covers the whole file and holds is enough, whatever else stands in it.
    findings = [_check_range(data, found, trusted, lists, at) for found in (*ranges[:4], *ranges[4:][-4:])]
    return min(findings, key=lambda finding: _TELLING.index(finding.code))


_BYTE_RANGE = re.compile(
    rb"/ByteRange\s{0,20}\[\s{0,20}(\d{1,9})\s{1,20}(\d{1,9})\s{1,20}(\d{1,9})\s{1,20}(\d{1,9})\s{0,20}\]"
)
_TELLING = (VALID, REVOKED, APPENDED, UNTRUSTED, ALTERED, NO_SIGNATURE, UNREADABLE)
_MAX_CMS_BYTES = 64 * 1024
_PURPOSES = KeyUsageConstraints(key_usage={"non_repudiation"}, extd_key_usage={"email_protection"})


def _check_range(
    data: bytes,
    byte_range: tuple[int, ...],
    root: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    at: datetime | None,
) -> PdfCheck:
    start, before, resume, after = byte_range
    hole = data[before:resume]
    if start != 0 or not 0 < before < resume or resume + after > len(data) or not _HOLE.fullmatch(hole):
        return PdfCheck(ALTERED)
    whole = resume + after == len(data)
    signed_at = _signing_time(data, before, resume)
    digest = hashlib.sha256(data[:before])
    digest.update(data[resume : resume + after])
    try:
        signed = _signed_data(bytes.fromhex(hole[1:-1].decode("ascii")))
        status = asyncio.run(_judge(signed, digest.digest(), root, at or signed_at))
    except Exception:  # noqa: BLE001 - three ASN.1 readers over hostile bytes: whatever they stumble over, it is not ours
        return PdfCheck(ALTERED, signed_at=signed_at)
    if not (status.intact and status.valid):
        return PdfCheck(ALTERED, signed_at=signed_at, covers_whole_file=whole)
    subject = status.signing_cert.subject.native
    trusted = bool(status.trusted) and (at or signed_at) is not None
    revoked = trusted and _is_revoked(status.validation_path, crls)
    if not trusted:
        code = UNTRUSTED
    elif revoked:
        code = REVOKED
    else:
        code = VALID if whole else APPENDED
    return PdfCheck(
        code,
        signer_name=_text(subject.get("common_name")),
        organisation=_text(subject.get("organization_name")),
        signer_fingerprint=hashlib.sha256(status.signing_cert.dump()).hexdigest(),
        root_fingerprint=root.fingerprint(hashes.SHA256()).hex() if trusted else None,
        signed_at=signed_at,
        covers_whole_file=whole,
    )


_HOLE = re.compile(rb"<[0-9A-Fa-f]+>")


def _signed_data(contents: bytes) -> cms.SignedData:
    """The CMS object in /Contents; what fills the rest of the room must be zeros."""
    info = cms.ContentInfo.load(contents)
    used = info.dump()
    if len(used) > _MAX_CMS_BYTES or contents[: len(used)] != used or contents[len(used) :].strip(b"\0"):
        raise ValueError("more than a CMS object")
    if info["content_type"].native != "signed_data":
        raise ValueError("not a signature")
    return info["content"]


async def _judge(signed: cms.SignedData, digest: bytes, root: x509.Certificate, at: datetime | None) -> Any:
    """Integrity and path to ``root``; without a moment nothing is trusted."""
    anchor = asn1_x509.Certificate.load(root.public_bytes(Encoding.DER))
    context = ValidationContext(
        trust_roots=[anchor],
        moment=at or root.not_valid_before_utc,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    return await generic_cms.async_validate_cms_signature(
        signed, raw_digest=digest, validation_context=context, key_usage_settings=_PURPOSES
    )


def _is_revoked(path: Any, crls: Sequence[x509.CertificateRevocationList]) -> bool:
    """Whether a genuine list names a certificate of the path."""
    chain = [x509.load_der_x509_certificate(c.dump()) for c in path.iter_certs(include_root=True)]
    for issuer, certificate in itertools.pairwise(chain):
        key = issuer.public_key()
        genuine = (crl for crl in crls if crl.issuer == issuer.subject and crl.is_signature_valid(key))  # type: ignore[arg-type]
        if any(crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for crl in genuine):
            return True
    return False


_TIME = re.compile(rb"/M\s{0,20}\(D(?::|\\072)(\d{14})(?:Z|([+-])(\d{2})'(\d{2})'?)")


def _signing_time(data: bytes, before: int, resume: int) -> datetime | None:
    """The /M entry of the signature's own dictionary; readers show it, and it is among the signed bytes."""
    begins = max(data.rfind(b" obj", 0, before), before - 4096, 0)
    ends = data.find(b"endobj", resume, resume + 4096)
    found = _TIME.search(data[begins:before]) or _TIME.search(data[resume : max(ends, resume)])
    if found is None:
        return None
    digits, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime.strptime(digits.decode(), "%Y%m%d%H%M%S").replace(
            tzinfo=timezone(-offset if sign == b"-" else offset)
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    """A name from a certificate; one that appears twice comes as a list."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


def _load_certificate(data: bytes) -> x509.Certificate:
    return (
        x509.load_pem_x509_certificate(data)
        if b"-----BEGIN" in data
        else x509.load_der_x509_certificate(data)
    )


def _load_crl(data: bytes) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
