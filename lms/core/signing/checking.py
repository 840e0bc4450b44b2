"""The check of a signed PDF: whose it is, and whether a byte has changed since.

A fresh file of ours is certified with no changes allowed and one signature covers every byte, so that the check reads no
PDF structure at all: it finds the byte range, insists that it covers the whole file, and judges the CMS object in the one
hole. Only where something stands behind a genuine signature is the structure read, to tell the one lawful addition
(evidence and time stamps of PAdES B-LT and B-LTA) from all others.
"""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

from asn1crypto import cms
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.validation import ades, generic_cms
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer

from lms.core import clock
from lms.core.signing.authority import load_certificate, load_crl
from lms.core.signing.traces import is_bomb, redraws, signed_reason
from lms.core.signing.verdicts import (
    ALTERED,
    APPENDED,
    MAX_BYTES,
    NO_SIGNATURE,
    REVOKED,
    UNREADABLE,
    UNTRUSTED,
    VALID,
    PdfCheck,
)


def check_pdf(
    data: bytes,
    *,
    root: bytes,
    crls: Sequence[bytes] = (),
    at: datetime | None = None,
    time_roots: Sequence[bytes] = (),
    today: datetime | None = None,
) -> PdfCheck:
    """Judge the signature of ``data`` against the one ``root`` (PEM or DER). Never raises for what is in ``data``.

    ``crls``: revocation lists (DER or PEM) of the authorities; a certificate in one of them is refused whatever the
    dates, as a stolen key can sign with any date; only the time stamps of a B-LTA file prove that it signed before.
    ``at``: the moment at which certificates must be in force; by default the signing time in the file, since a
    certificate on paper outlives its signer's. ``time_roots``: roots of foreign time-stamp authorities, ``today``: the
    moment of the check; both count for B-LTA files only.

    Raises ``ValueError`` if ``root`` or a list is not what it should be.
    """
    trusted = load_certificate(root)
    lists = [load_crl(crl) for crl in crls]
    if len(data) > MAX_BYTES or b"%PDF-" not in data[:1024]:
        return PdfCheck(UNREADABLE)
    ranges = [tuple(map(int, found.groups())) for found in _BYTE_RANGE.finditer(data)]
    if not ranges:
        return PdfCheck(NO_SIGNATURE if b"%%EOF" in data[-1024:] else UNREADABLE)
    # A file of ours has one range. Where somebody added others, the most telling answer counts; a signature that
    # covers the whole file and holds is enough, whatever else stands in it.
    findings = [_check_range(data, found, trusted, lists, at) for found in (*ranges[:4], *ranges[4:][-4:])]
    found = min(findings, key=lambda finding: _TELLING.index(finding.code))
    if found.code in {REVOKED, APPENDED} and len(ranges) > 1 and at is None:
        anchors = [trusted, *map(load_certificate, time_roots)]
        if _is_long_term(data, anchors, lists, today=today, withdrawn=found.revoked_at):
            found = replace(found, code=VALID)
    if found.code == APPENDED:
        added = data[found.states[0] :]
        found = replace(
            found, redrawn=len(added) > _MOST_ADDED or is_bomb(added) or redraws(data, found.states[0])
        )
    ends = {_end(one) for one in ranges[:64] if 0 < _end(one) <= len(data)}
    return replace(found, states=tuple(sorted(ends)))


_MOST_ADDED = 1024 * 1024
"""Bytes behind our signature that are looked into: a score of time stamps, and no bomb worth the name."""


def _is_long_term(
    data: bytes,
    anchors: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    *,
    today: datetime | None,
    withdrawn: datetime | None,
) -> bool:
    """Whether nothing but evidence and time stamps was added, and the signature is older than the day of ``withdrawn``.

    The proof is the validation of EN 319 102-1, 5.6.3: each stamp holds and was followed by another in time, and the first
    over the whole file was made before the signer's certificate was withdrawn.
    """
    if is_bomb(data):
        return False
    try:
        reader = PdfFileReader(BytesIO(data))
        signature = reader.embedded_regular_signatures[0]
        own = _end(signature.byte_range)
        if len(reader.embedded_regular_signatures) != 1 or len(data) - own > _MOST_ADDED:
            return False
        signature.compute_integrity_info()
        stamps = reader.embedded_timestamp_signatures
        lawful = (
            isinstance(signature.diff_result, DiffResult)
            and signature.diff_result.modification_level <= ModificationLevel.LTA_UPDATES
        )
        if not lawful or not stamps or len(data) != _end(stamps[-1].byte_range):
            return False
        if withdrawn is None:
            return True
        # With the evidence in the file alone, else with the newest lists: a list that names the signer makes the
        # standard's procedure stop where its own evidence is whole, and the date below is the stricter rule anyway.
        for known in ([], crls):
            result = asyncio.run(_long_term(signature, anchors, known, today))
            oldest = result.oldest_evidence_record_timestamp
            if isinstance(result.ades_subindic, AdESPassed) and oldest is not None and oldest < withdrawn:
                numbers = {one.signer_cert.serial_number for one in stamps}
                return not any(
                    crl.get_revoked_certificate_by_serial_number(n) for crl in crls for n in numbers
                )
        return False
    except Exception:  # noqa: BLE001 - readers over hostile bytes: whatever they stumble over, it is not ours
        return False


def _end(byte_range: Any) -> int:
    """Where the covered bytes end."""
    return int(byte_range[2]) + int(byte_range[3])


async def _long_term(
    signature: Any,
    anchors: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    today: datetime | None,
) -> Any:
    trust = SimpleTrustManager.build(
        trust_roots=[asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in anchors]
    )
    policy = CertValidationPolicySpec(
        trust_manager=trust,
        revinfo_policy=CertRevTrustPolicy(
            RevocationCheckingPolicy.from_legacy("require"), retroactive_revinfo=False
        ),
    )
    known = [CRLContainer(asn1_crl.CertificateList.load(one.public_bytes(Encoding.DER))) for one in crls]
    spec = PdfSignatureValidationSpec(
        SignatureValidationSpec(
            cert_validation_policy=policy,
            revinfo_gathering_policy=RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
            local_knowledge=LocalKnowledge(known_crls=known),
            key_usage_settings=_PURPOSES,
        )
    )
    moment = today or clock.now()
    timing = ValidationTimingInfo(
        validation_time=moment, best_signature_time=moment, point_in_time_validation=today is not None
    )
    return await ades.ades_lta_validation(signature, spec, timing)


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
    if not hole.strip(b"<0>"):
        return PdfCheck(NO_SIGNATURE)
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
    revoked_at = _revoked_at(status.validation_path, crls) if trusted else None
    if not trusted:
        code = UNTRUSTED
    elif revoked_at:
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
        revoked_at=revoked_at,
        covers_whole_file=whole,
        reason=signed_reason(data, before, resume),
        states=(resume + after,),
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


def _revoked_at(path: Any, crls: Sequence[x509.CertificateRevocationList]) -> datetime | None:
    """When a certificate of the path was withdrawn, by the genuine lists; the earliest day counts."""
    chain = [x509.load_der_x509_certificate(c.dump()) for c in path.iter_certs(include_root=True)]
    days = []
    for issuer, certificate in itertools.pairwise(chain):
        key = issuer.public_key()
        for crl in crls:
            if crl.issuer == issuer.subject and crl.is_signature_valid(key):  # type: ignore[arg-type]
                entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                days += [entry.revocation_date_utc] if entry is not None else []
    return min(days, default=None)


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
