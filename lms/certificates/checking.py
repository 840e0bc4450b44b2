"""What a PDF is that somebody holds for a certificate: the one judgement behind page and command line.

It reads the file and asks the register by the digests of what was signed; a number that stands in a file proves nothing and
only leads to the register's page.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lms.certificates import rules
from lms.certificates.credential import CREDITS
from lms.core import credentials, signing
from lms.core.digests import sha256_hex

GENUINE = "genuine"
WITHDRAWN = "withdrawn"
OVERLAID = "overlaid"
APPENDED = "appended"
CHANGED = "changed"
STRIPPED = "stripped"
LOOKALIKE = "lookalike"
REVOKED_SIGNER = "revoked_signer"
UNREGISTERED = "unregistered"
FOREIGN = "foreign"
UNREADABLE = "unreadable"

MOST_BYTES = 2 * 1024 * 1024
"""A larger file is none of ours: a certificate has about 80 KB, a score of time stamps included less than 1 MB."""


@dataclass(frozen=True)
class Registered:
    """What the register says of a file that it knows."""

    serial: str
    state: str


Register = Callable[[Sequence[str]], Registered | None]
"""Digests of a file's states (SHA-256) → what the register knows; None where it knows none of them."""


@dataclass(frozen=True)
class Finding:
    """What a file is. No sentences: wording belongs to page and command line."""

    code: str
    """``genuine``; ``withdrawn``: genuine, and the register says that it does not count now; ``overlaid``: something was added
    that changes what a page shows; ``appended``: something else was added; ``changed``: signed bytes are other ones;
    ``stripped``: names a certificate and has no signature; ``lookalike``: signed as a certificate by somebody else's
    authority; ``revoked_signer``; ``unregistered``: our signature over a file that the register does not know;
    ``foreign``: not a certificate; ``unreadable``: no PDF, or too large."""
    check: signing.PdfCheck
    serial: str | None = None
    """The register's where ``registered``; else the number that the file claims."""
    registered: Registered | None = None

    @property
    def is_good(self) -> bool:
        """Whether the file proves a certificate that counts."""
        return self.code == GENUINE


def inspect(data: bytes, trust: signing.Trust, *, register: Register | None = None) -> Finding:
    """Name what ``data`` is. Without a ``register`` (offline) a whole signature of ours is all that can be asked for.

    Raises ``ValueError`` if the root or a list is not what it should be; never for what is in ``data``.
    """
    check = signing.check_pdf(data, root=trust.root, crls=trust.crls, time_roots=trust.time_roots)
    if check.code == signing.UNREADABLE:
        return Finding(UNREADABLE, check)
    signed = serial_in(check.reason or "", wording=_REASON)
    if check.code in {signing.VALID, signing.REVOKED, signing.APPENDED} and signed is None:
        return Finding(FOREIGN, check)  # our own signature under a paper of another kind
    claimed = signed or next(filter(None, map(serial_in, signing.texts(data))), None)
    if claimed is None:
        return Finding(FOREIGN, check)
    if check.code != signing.VALID:
        return Finding(_BROKEN[check.code, check.redrawn], check, claimed)
    if register is None:
        return Finding(GENUINE, check, claimed)
    known = register(list(dict.fromkeys(sha256_hex(data[:length]) for length in (len(data), *check.states))))
    if known is None or known.serial != claimed:
        return Finding(UNREGISTERED, check, claimed)
    return Finding(GENUINE if known.state == "good" else WITHDRAWN, check, known.serial, known)


_BROKEN = {
    (signing.APPENDED, True): OVERLAID,
    (signing.APPENDED, False): APPENDED,
    (signing.ALTERED, False): CHANGED,
    (signing.NO_SIGNATURE, False): STRIPPED,
    (signing.UNTRUSTED, False): LOOKALIKE,
    (signing.REVOKED, False): REVOKED_SIGNER,
}
_REASON = re.compile(r"Certificate (.{4,40})", re.DOTALL)
_NUMBER = re.compile(r"(?<![0-9A-Z])([0-9A-Z]{2,8}-\d{4}-\d{6}-[0-9A-Z])(?![0-9A-Z])")


def serial_in(text: str, *, wording: re.Pattern[str] = _NUMBER) -> str | None:
    """The first possible certificate number in ``text``; with ``wording``, only where all of the text reads like that."""
    if wording is not _NUMBER:
        whole = wording.fullmatch(text)
        return rules.read_serial(whole[1]) if whole else None
    return next((serial for found in _NUMBER.findall(text) if (serial := rules.read_serial(found))), None)


def kind_in(data: bytes) -> str | None:
    """Which kind of certificate the credential inside a file says it is; None where there is no credential."""
    for text in signing.texts(data):
        if text.startswith("{") and "credentialSubject" in text:
            try:
                subject = json.loads(text)["credentialSubject"]
                number = str(subject["achievement"]["id"])
            except (ValueError, KeyError, TypeError):
                continue
            return rules.CREDIT if number.endswith(f"#{CREDITS}") else rules.COMPLETION
    return None


@dataclass(frozen=True)
class Listed:
    """What status lists that somebody kept say of a certificate that holds. No sentences."""

    code: str
    """``free``: on none of them; ``closed``: revoked or replaced; ``suspended``; ``unknown``: the file names no list, or one
    that is not among these; ``forged``: a list is not signed by the key it was checked against."""
    valid_until: str = ""
    """The first day on which one of the lists that were asked lapses."""


def listed(data: bytes, lists: Sequence[Mapping[str, Any]], *, key: bytes | None = None) -> Listed:
    """Look the certificate in ``data`` up in published status lists; ask ``inspect`` first whether the file holds.

    With ``key`` (the site's, ``credentials.key_in``) the proof of each list is checked before it is believed.
    Raises ``ValueError`` for what is no status list.
    """
    return listed_at(next(filter(None, map(_entries, signing.texts(data))), []), lists, key=key)


def listed_at(
    entries: Sequence[Mapping[str, Any]], lists: Sequence[Mapping[str, Any]], *, key: bytes | None = None
) -> Listed:
    """Look places up in published status lists (``credentialStatus`` of a credential); else as ``listed``."""
    try:
        known = {str(one["id"]): one for one in lists}
        asked = [(entry, known.get(str(entry["statusListCredential"]))) for entry in entries]
        untils = [str(found["validUntil"]) for _entry, found in asked if found]
        if key and not all(credentials.is_genuine(found, public_key=key) for _entry, found in asked if found):
            return Listed("forged")
        for entry, found in asked:
            if found and credentials.is_listed(found, int(entry["statusListIndex"])):
                return Listed(
                    "suspended" if entry["statusPurpose"] == "suspension" else "closed", min(untils)
                )
    except (KeyError, TypeError, IndexError, OSError, EOFError, zlib.error) as problem:
        raise ValueError("no status list") from problem
    whole = bool(asked) and all(found for _entry, found in asked)
    return Listed("free" if whole else "unknown", min(untils, default=""))


def _entries(text: str) -> list[dict[str, Any]]:
    """The places in status lists that the credential inside a file names."""
    if not text.startswith("{") or "credentialStatus" not in text:
        return []
    try:
        found = json.loads(text).get("credentialStatus")
    except ValueError:
        return []
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]
