"""Signatures in PDFs, PAdES B-B to B-LTA: certified with no changes allowed, the file stays PDF/A-3 and PDF/UA-1."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import InvisSigSettings, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError, as_signing_certificate_v2
from pyhanko.sign.signers.pdf_signer import PdfTimeStamper, TimestampDSSContentSettings
from pyhanko.sign.timestamps import HTTPTimeStamper, TimeStamper, TimestampRequestError
from pyhanko.sign.validation import add_validation_info
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from lms.core.signing.authority import (
    ISSUING,
    ISSUING_CRL,
    ROOT,
    ROOT_CRL,
    SIGNER,
    SIGNER_OPEN,
    STAMPER,
    TIME_ROOTS,
    PrivateKey,
    load_bundle,
    load_chain,
    revoked_numbers,
)
from lms.core.signing.faults import KeyAway, SigningFailed
from lms.core.signing.levels import B_B, B_LTA
from lms.core.signing.tokens import Token, TokenKey, open_key

STAMP_RENEWAL = timedelta(days=365)
"""A file gets its next time stamp so long before the certificate of the last one ends."""

_FIELD = "Signature1"
_RESERVED_DIGITS, _OWN_STAMP_DIGITS, _FOREIGN_STAMP_DIGITS = 8192, 8192, 16384
"""Room for the CMS object in hexadecimal: two certificates and an RSA-3072 signature take 4 800 to 6 200 digits, a time
stamp with its chain about 5 400 of our own and up to 14 000 of foreign authorities."""

_OUTSIDE = InvisSigSettings(set_print_flag=True, box_out_of_bounds=True)
"""The one form of an invisible field that both PDF/A-3 (printed) and PDF/UA (outside the page, untagged) allow."""

_POLICY = "2.25.304164215906186413361208104937418163521"
"""Policy of our own time stamps: the clock of the site, kept by NTP."""


class Signer(signers.Signer):
    """A signer with its key parsed once: pyHanko's own parses RSA keys anew for each signature, 240 ms against 17."""

    def __init__(
        self,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | TokenKey,
        chain: Sequence[x509.Certificate],
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
        if isinstance(self._key, TokenKey):
            return self._key.sign(data, digest_algorithm)
        digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[
            digest_algorithm
        ]
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), digest)
        return self._key.sign(data, ec.ECDSA(digest))


def load_signer(folder: Path, passphrase: str, token: Token | None = None) -> Signer:
    """Open ``signer.p12``, or the key in the token; keep the result, opening costs some 100 ms.

    Raises ``SigningFailed`` if the file is missing or broken, the passphrase is wrong, or the certificate is withdrawn;
    ``KeyAway`` where the token is not there or refuses.
    """
    key: PrivateKey | TokenKey
    if token is None:
        key, chain = load_bundle(folder / SIGNER, passphrase)
    else:
        if not (folder / SIGNER_OPEN).exists():
            raise KeyAway(
                f"{SIGNER_OPEN} is not there; lms certificates keys rotate makes a key in the token"
            )
        chain = load_chain(folder / SIGNER_OPEN)
        key = open_key(token, chain[0])
    if chain[0].serial_number in revoked_numbers(folder):
        raise SigningFailed("the signer's certificate is revoked; lms certificates keys rotate makes another")
    return Signer(key, chain)


class OwnTimeStamper(TimeStamper):
    """A time-stamp authority of our own (RFC 3161) in this process: it asks no network, and its time is ours."""

    def __init__(self, key: PrivateKey, chain: Sequence[x509.Certificate], at: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._signer = Signer(key, chain)
        self._at = at.astimezone(UTC).replace(microsecond=0)

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Answer a request. Called by pyHanko."""
        info: dict[str, Any] = {
            "version": "v1",
            "policy": _POLICY,
            "message_imprint": req["message_imprint"],
            "serial_number": secrets.randbits(127) | 1,
            "gen_time": self._at,
        }
        if req["nonce"].native is not None:
            info["nonce"] = req["nonce"]
        return tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": await self._token(tsp.TSTInfo(info).dump())}
        )

    async def _token(self, info: bytes) -> dict[str, Any]:
        own = self._signer.signing_cert
        assert own is not None
        values: dict[str, Any] = {
            "content_type": "tst_info",
            "signing_time": cms.Time({"utc_time": core.UTCTime(self._at)}),
            "signing_certificate_v2": as_signing_certificate_v2(own),
            "message_digest": hashlib.sha256(info).digest(),
        }
        attributes = cms.CMSAttributes(
            [cms.CMSAttribute({"type": name, "values": (value,)}) for name, value in values.items()]
        )
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signature = await self._signer.async_sign_raw(attributes.dump(), "sha256")
        elliptic = own.public_key.algorithm == "ec"
        signed = cms.SignerInfo(
            {
                "version": "v1",
                "sid": {
                    "issuer_and_serial_number": {"issuer": own.issuer, "serial_number": own.serial_number}
                },
                "digest_algorithm": sha256,
                "signature_algorithm": {"algorithm": "sha256_ecdsa" if elliptic else "sha256_rsa"},
                "signed_attrs": attributes,
                "signature": signature,
            }
        )
        others = [one for one in self._signer.cert_registry if one.subject != one.issuer]
        return {
            "content_type": "signed_data",
            "content": {
                "version": "v3",
                "digest_algorithms": [sha256],
                "encap_content_info": {
                    "content_type": "tst_info",
                    "content": core.ParsableOctetString(info),
                },
                "certificates": [own, *others],
                "signer_infos": [signed],
            },
        }


@dataclass(frozen=True)
class Sealing:
    """How far a signature goes, who vouches for its time, and the evidence that goes into the file."""

    level: str
    timestamper: Any = None
    roots: tuple[Any, ...] = ()
    others: tuple[Any, ...] = ()
    lists: tuple[bytes, ...] = ()
    asks_network: bool = False
    """A foreign authority's own lists must be fetched from its servers."""

    @property
    def stamp_digits(self) -> int:
        """Room for a time stamp in the signature."""
        if self.timestamper is None:
            return 0
        return _FOREIGN_STAMP_DIGITS if self.asks_network else _OWN_STAMP_DIGITS

    def context(self, at: datetime) -> ValidationContext:
        """What pyHanko needs to gather evidence."""
        return ValidationContext(
            trust_roots=list(self.roots),
            other_certs=list(self.others),
            crls=list(self.lists),
            allow_fetching=self.asks_network,
            moment=None if self.asks_network else at,
            revocation_mode="soft-fail",
        )


PLAIN = Sealing(B_B)


def load_sealing(folder: Path, passphrase: str, *, level: str, authority_url: str, at: datetime) -> Sealing:
    """What ``level`` needs: our own time-stamp signer, or the foreign authority at ``authority_url`` (RFC 3161 over HTTP).

    Raises ``SigningFailed`` where a key or list is missing.
    """
    if level == B_B:
        return PLAIN
    try:
        roots = [_load(folder / ROOT)]
        others = [_load(folder / ISSUING)]
        lists = (
            tuple((folder / name).read_bytes() for name in (ISSUING_CRL, ROOT_CRL)) if level == B_LTA else ()
        )
        if (folder / TIME_ROOTS).exists():
            found = asn1_pem.unarmor((folder / TIME_ROOTS).read_bytes(), multiple=True)
            roots += [asn1_x509.Certificate.load(der) for _kind, _headers, der in found]
    except (OSError, ValueError) as problem:
        raise SigningFailed(
            f"{problem}; lms certificates keys rotate makes what an authority needs for {level}"
        ) from problem
    if authority_url:
        return Sealing(
            level,
            HTTPTimeStamper(authority_url, timeout=15),
            tuple(roots),
            tuple(others),
            lists,
            asks_network=True,
        )
    key, chain = _stamper(folder / STAMPER, passphrase, _changed_ns(folder / STAMPER))
    return Sealing(level, OwnTimeStamper(key, chain, at), tuple(roots), tuple(others), lists)


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=4)
def _stamper(path: Path, passphrase: str, _changed: int) -> tuple[PrivateKey, list[x509.Certificate]]:
    return load_bundle(path, passphrase)


def _load(path: Path) -> Any:
    data = path.read_bytes()
    return asn1_x509.Certificate.load(asn1_pem.unarmor(data)[2] if asn1_pem.detect(data) else data)


_FAULTS = (
    SigningError,
    PdfError,
    TimestampRequestError,
    SignatureValidationError,
    PathError,
    ValidationError,
)


def sign_pdf(
    pdf: bytes, *, signer: Signer, reason: str, location: str, at: datetime, sealing: Sealing = PLAIN
) -> bytes:
    """Sign as far as ``sealing`` says, certified, no changes allowed; the file stays PDF/A-3 and PDF/UA-1.

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
    field = SigFieldSpec(_FIELD, on_page=0, box=(0, 0, 0, 0), invis_sig_settings=_OUTSIDE)
    moment = at.astimezone(UTC).replace(microsecond=0)
    try:
        signed = asyncio.run(_sign(pdf, signer, metadata, field, moment, sealing))
    except _FAULTS as error:
        raise SigningFailed(str(error)) from error
    return extend_pdf(signed, sealing=sealing, at=at) if sealing.level == B_LTA else signed


class _Writer(IncrementalPdfFileWriter):
    """Adds the signature and nothing else."""

    def _update_meta(self) -> None:
        # pyHanko would write "modified now" over dates and XMP that were made for PDF/A and PDF/UA.
        pass


async def _sign(
    pdf: bytes, signer: Signer, metadata: Any, field: Any, at: datetime, sealing: Sealing
) -> bytes:
    # PdfSigner.sign_pdf in single steps, as only the session takes a clock.
    session = signers.PdfSigner(
        metadata, signer, timestamper=sealing.timestamper, new_field_spec=field
    ).init_signing_session(_Writer(BytesIO(pdf)))
    session.system_time = at
    document = session.prepare_tbs_document(
        validation_info=None,
        bytes_reserved=_RESERVED_DIGITS + sealing.stamp_digits,
        appearance_text_params=None,
    )
    out = BytesIO()
    prepared, output = document.digest_tbs_document(output=out)
    finished = await document.perform_signature(
        document_digest=prepared.document_digest,
        pdf_cms_signed_attrs=signers.pdf_cms.PdfCMSSignedAttributes(signing_time=at),
    )
    await finished.post_signature_processing(output)
    return out.getvalue()


def extend_pdf(pdf: bytes, *, sealing: Sealing, at: datetime) -> bytes:
    """Make a signed file B-LTA, or renew its time stamp: add the evidence of now and stamp all that is there.

    Nothing that was signed is touched. Raises ``SigningFailed``.
    """
    try:
        reader = PdfFileReader(BytesIO(pdf))
        signature, stamps = reader.embedded_regular_signatures[0], reader.embedded_timestamp_signatures
        # What an earlier stamp covers it has proved; the signer may have expired since.
        last = stamps[-1] if stamps else signature
        evidence = BytesIO()
        add_validation_info(last, sealing.context(at), output=evidence)
        out = BytesIO()
        PdfTimeStamper(sealing.timestamper, invis_settings=_OUTSIDE).timestamp_pdf(
            _Writer(evidence),
            "sha256",
            validation_context=sealing.context(at),
            output=out,
            dss_settings=TimestampDSSContentSettings(include_vri=False, update_before_ts=True),
        )
    except (*_FAULTS, IndexError, ValueError) as error:
        raise SigningFailed(f"cannot extend: {error}") from error
    return out.getvalue()


def stamp_due(pdf: bytes) -> datetime | None:
    """When the last time stamp over a whole file should be followed by another; None where there is none."""
    stamps = PdfFileReader(BytesIO(pdf)).embedded_timestamp_signatures
    if not stamps:
        return None
    until: datetime = stamps[-1].signer_cert.not_valid_after
    return until - STAMP_RENEWAL
