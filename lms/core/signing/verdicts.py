"""What a check answers, and what it believes: words that every room may use without pyHanko being read in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lms.core.signing.authority import ISSUING_CRL, ROOT, ROOT_CRL, TIME_ROOTS

MAX_BYTES = 32 * 1024 * 1024
"""A larger file is not read: no certificate of ours comes near."""

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
    revoked_at: datetime | None = None
    """When the signer's certificate was withdrawn; set also where time stamps prove that it signed before."""
    covers_whole_file: bool = False
    """False also for a lawful B-LTA file: evidence and time stamps stand behind the signature."""
    reason: str | None = None
    """What the signer says the file is; only where the signed bytes are whole. Anybody can have written it if ``untrusted``."""
    redrawn: bool = False
    """Whether what was ``appended`` changes what a page shows."""
    states: tuple[int, ...] = ()
    """Lengths of the file after each signature or time stamp: the digests by which a register knows it."""

    @property
    def is_valid(self) -> bool:
        """Whether the file is the one that the signer made; it may carry evidence and time stamps added since."""
        return self.code == VALID


@dataclass(frozen=True)
class Trust:
    """Whom a reader believes: a root, the lists of what its authorities withdrew, the roots of foreign clocks."""

    root: bytes
    crls: Sequence[bytes] = ()
    time_roots: Sequence[bytes] = ()


def trust_of(folder: Path) -> Trust | None:
    """Whom a site believes: the authority in its own folder; None where there is none."""
    if not (folder / ROOT).exists():
        return None
    lists = [(folder / name).read_bytes() for name in (ISSUING_CRL, ROOT_CRL) if (folder / name).exists()]
    clocks = (folder / TIME_ROOTS).read_bytes() if (folder / TIME_ROOTS).exists() else b""
    ends = b"-----END CERTIFICATE-----"
    return Trust((folder / ROOT).read_bytes(), lists, [one + ends for one in clocks.split(ends)[:-1]])
