"""Doorman of pyHanko and cryptography: an authority of our own, signatures in PDFs, and their check.

pyHanko is large, and a process that serves pages seldom meets a PDF: the rooms that need it are opened at their first use.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from lms.core.signing.authority import (
    CREDENTIALS,
    CREDENTIALS_PUBLIC,
    ISSUING,
    ISSUING_CRL,
    ISSUING_KEY,
    KEY_KINDS,
    NAME_LIMIT,
    P256,
    PUBLIC,
    REASONS,
    ROOT,
    ROOT_CRL,
    ROOT_KEY,
    RSA,
    SIGNER,
    SIGNER_OPEN,
    STAMPER,
    KeyState,
    create_authority,
    der_of,
    lists_until,
    renew_lists,
    revoke,
    rotate,
    status,
    valid_until,
)
from lms.core.signing.faults import KeyAway, SigningFailed
from lms.core.signing.keyring import LOG_KEY, own, passphrase_of, private_files, set_apart, take_in, token_of
from lms.core.signing.levels import B_B, B_LTA, B_T, LEVELS
from lms.core.signing.tokens import Token
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
    Trust,
    trust_of,
)

if TYPE_CHECKING:
    from lms.core.signing.checking import check_pdf
    from lms.core.signing.sealing import (
        PLAIN,
        Sealing,
        Signer,
        extend_pdf,
        load_sealing,
        load_signer,
        sign_pdf,
        stamp_due,
    )
    from lms.core.signing.traces import texts

__all__ = [
    "ALTERED",
    "APPENDED",
    "B_B",
    "B_LTA",
    "B_T",
    "CREDENTIALS",
    "CREDENTIALS_PUBLIC",
    "ISSUING",
    "ISSUING_CRL",
    "ISSUING_KEY",
    "KEY_KINDS",
    "LEVELS",
    "LOG_KEY",
    "MAX_BYTES",
    "NAME_LIMIT",
    "NO_SIGNATURE",
    "P256",
    "PLAIN",
    "PUBLIC",
    "REASONS",
    "REVOKED",
    "ROOT",
    "ROOT_CRL",
    "ROOT_KEY",
    "RSA",
    "SIGNER",
    "SIGNER_OPEN",
    "STAMPER",
    "UNREADABLE",
    "UNTRUSTED",
    "VALID",
    "KeyAway",
    "KeyState",
    "PdfCheck",
    "Sealing",
    "Signer",
    "SigningFailed",
    "Token",
    "Trust",
    "check_pdf",
    "create_authority",
    "der_of",
    "extend_pdf",
    "lists_until",
    "load_sealing",
    "load_signer",
    "own",
    "passphrase_of",
    "private_files",
    "renew_lists",
    "revoke",
    "rotate",
    "set_apart",
    "sign_pdf",
    "stamp_due",
    "status",
    "take_in",
    "texts",
    "token_of",
    "trust_of",
    "valid_until",
]

_LARGE = {
    name: room
    for room, names in {
        "checking": ("check_pdf",),
        "sealing": (
            "PLAIN",
            "Sealing",
            "Signer",
            "extend_pdf",
            "load_sealing",
            "load_signer",
            "sign_pdf",
            "stamp_due",
        ),
        "traces": ("texts",),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    """A name of a room with pyHanko in it (PEP 562)."""
    if name not in _LARGE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_LARGE[name]}"), name)
    globals()[name] = found
    return found


# pyHanko says by exception and return value what went wrong; its log would fill ours with every forged upload.
for _library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)
