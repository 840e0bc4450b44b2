"""What a QR code proves by itself: the address of a certificate with a signed summary of the paper in its fragment.

    https://lms.example.org/verify/FFLY-2026-000412-K?k=…#1 and base32 of: signature (64 bytes), text

A fragment never leaves the device that opens the address. Signed (Ed25519, by the key of the credentials) are the words
``FFLY-QR-1``, the address up to its query, and the text, a line each; so neither site nor number can be another one.
decisions/0015 says why it is this and no more.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import date

from lms.certificates import rules
from lms.certificates.face import CertificateFace, CreditFace
from lms.core.digests import sign_ed25519, verify_ed25519

FORM = 1
"""The form that new certificates carry; the first sign of the fragment."""
HOLDS = "paper"
BROKEN = "paper_changed"
BARE = "paper_bare"
SAID = (
    HOLDS,
    BROKEN,
    BARE,
    "paper_listed",
    "paper_unlisted",
    "paper_closed",
    "paper_suspended",
    "paper_unable",
)
"""What verify.js may say of a code: ``paper`` where the register says that it counts, ``…_listed`` where the lists of a saved
page do not withdraw it, ``…_unlisted`` where nobody could be asked, ``…_unable`` where the browser lacks Ed25519."""

PROGRAMME_SIGNS = 20
"""Of a longer title only so many signs and ``…``: a code with more modules is read by fewer cameras."""
_KINDS = {"c": rules.COMPLETION, "k": rules.CREDIT}
_ADDRESS = re.compile(r"(https?://[^\s?#]+/verify/([0-9A-Z-]+))(?:\?[^\s#]*)?(?:#(\S*))?")


@dataclass(frozen=True)
class Paper:
    """What a paper must say that carries the code."""

    serial: str
    kind: str
    issued_on: date
    from_on: date
    to_on: date
    amount: str
    """Hours of a certificate of completion, empty where none stand on it; ``credits/hours`` of one of credits."""
    name: str
    """Chinese and Latin as printed."""
    programme: str
    """The Chinese title, or its beginning and ``…``."""
    is_sample: bool
    number: int
    """Place in the site's status lists."""
    site: str
    """Origin of the site that issued it: ``https://lms.example.org``."""


@dataclass(frozen=True)
class Reading:
    """What a text is that somebody read from a QR code."""

    code: str
    """``paper``: signed by this key; ``paper_changed``: another key's, or not as it was signed; ``paper_bare``: an address
    of a certificate without a summary, or no address of a certificate."""
    serial: str = ""
    """Also where nothing proves it."""
    paper: Paper | None = None


def address_of(face: CertificateFace, *, number: int, private_key: bytes) -> str:
    """What the QR code of this certificate says; ``number``: its place in the status lists.

    The same facts and key give the same address (RFC 8032 signs without chance).
    """
    text = _text(face, number=number)
    signature = sign_ed25519(_message(face.verify_url.split("?")[0], text), private_key=private_key)
    return f"{face.verify_url}#{FORM}{base64.b32encode(signature + text).decode().rstrip('=')}"


def read(typed: str, *, public_key: bytes) -> Reading:
    """Judge what a QR code says. Never raises, whatever stands in it."""
    found = _ADDRESS.fullmatch(typed.strip())
    if found is None:
        return Reading(BARE)
    address, serial, fragment = found[1], rules.read_serial(found[2]) or "", found[3] or ""
    if not fragment:
        return Reading(BARE, serial)
    try:
        packed = fragment.removeprefix(str(FORM))
        data = base64.b32decode(packed + "=" * (-len(packed) % 8))
        if packed == fragment or not verify_ed25519(
            _message(address, data[64:]), data[:64], public_key=public_key
        ):
            return Reading(BROKEN, serial)
        return Reading(HOLDS, serial, _paper(address, serial, data[64:]))
    except (binascii.Error, ValueError, LookupError):
        return Reading(BROKEN, serial)


def _message(address: str, text: bytes) -> bytes:
    return b"FFLY-QR-1\n" + address.encode() + b"\n" + text


def _text(face: CertificateFace, *, number: int) -> bytes:
    is_credit = isinstance(face, CreditFace)
    amount = f"{face.credits}/{face.study_hours}" if isinstance(face, CreditFace) else str(face.hours or "")
    programme = face.programme_zh
    if len(programme) > PROGRAMME_SIGNS:
        programme = programme[:PROGRAMME_SIGNS] + "…"
    lines = (
        ("k" if is_credit else "c") + ("s" if face.demo else ""),
        str(number),
        f"{face.issued_on:%Y%m%d}",
        f"{face.from_on:%Y%m%d}{face.to_on:%Y%m%d}",
        amount,
        face.name_zh,
        face.name_latin,
        programme,
    )
    return "\n".join(" ".join(line.split()) for line in lines).encode()


def _paper(address: str, serial: str, text: bytes) -> Paper:
    kind, number, issued, period, amount, zh, latin, programme = text.decode().split("\n")
    return Paper(
        serial=serial,
        kind=_KINDS[kind[:1]],
        issued_on=date.fromisoformat(issued),
        from_on=date.fromisoformat(period[:8]),
        to_on=date.fromisoformat(period[8:]),
        amount=amount,
        name=" ".join(filter(None, (zh, latin))),
        programme=programme,
        is_sample=kind[1:] == "s",
        number=int(number),
        site=address.rpartition("/verify/")[0],
    )
