"""Receipts: what a candidate can prove later about what the server had when the sitting was handed in.

A receipt is one canonical JSON text. Its ``chain`` is the head of a hash chain over all operations that the server had
kept by then, those too that did not count; its ``signature`` is Ed25519 over the canonical JSON of everything else. So no
byte of it, and none of those operations, can change unnoticed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from lms.core.digests import canonical_json, ed25519_public_key, sha256_hex, sign_ed25519, verify_ed25519
from lms.core.errors import RuleBroken
from lms.core.i18n import _

KIND = "firefly.sitting.receipt.1"
MOST_BYTES = 16_384


class Kept(Protocol):
    """What the chain needs of a response event: everything."""

    @property
    def device(self) -> str:
        """See ResponseEvent, for all of these."""

    @property
    def client_seq(self) -> int: ...
    @property
    def slot(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def epoch(self) -> int: ...
    @property
    def mono_ms(self) -> int | None: ...
    @property
    def at(self) -> datetime: ...
    @property
    def late_ms(self) -> int: ...
    @property
    def applied(self) -> bool: ...
    @property
    def reason(self) -> str | None: ...


def chain(sitting: str, events: Iterable[Kept]) -> str:
    """Head of the hash chain over the events of a sitting (its public id) in the server's order, 64 hexadecimal digits.

    ``h0 = SHA-256(public id)``, then ``h = SHA-256(h, event)``, the event as JSON in ASCII with sorted keys and no spaces
    (not RFC 8785: what a device sends may hold numbers that it cannot say).
    """
    head = hashlib.sha256(sitting.encode()).digest()
    for event in events:
        written = {
            "device": event.device,
            "seq": event.client_seq,
            "slot": event.slot,
            "kind": event.kind,
            "body": event.body,
            "epoch": event.epoch,
            "mono_ms": event.mono_ms,
            "at": instant(event.at),
            "late_ms": event.late_ms,
            "applied": event.applied,
            "reason": event.reason,
        }
        text = json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        head = hashlib.sha256(head + text.encode()).digest()
    return head.hex()


def instant(at: datetime) -> str:
    """A moment as receipts write it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def signed(facts: Mapping[str, Any], *, private_key: bytes) -> bytes:
    """The receipt over these facts, byte for byte as it is kept and handed out."""
    said = {"kind": KIND, **facts, "key": sha256_hex(ed25519_public_key(private_key))}
    return canonical_json(
        {**said, "signature": sign_ed25519(canonical_json(said), private_key=private_key).hex()}
    )


def read(data: bytes) -> dict[str, Any]:
    """What a file says, believed or not. Raises RuleBroken("unreadable") for what is no receipt."""
    try:
        found = json.loads(data) if len(data) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, dict)
        or found.get("kind") != KIND
        or not isinstance(found.get("signature"), str)
    ):
        raise RuleBroken("unreadable", _("This is no receipt."))
    return found


def fault(data: bytes, *, public_key: bytes) -> str | None:
    """Why a receipt that can be read is not the one that was handed out: ``other_key``, ``altered``; None: it is genuine."""
    said = read(data)
    signature = said.pop("signature")
    if said.get("key") != sha256_hex(public_key):
        return "other_key"
    try:
        raw = bytes.fromhex(signature)
        is_exact = canonical_json({**said, "signature": raw.hex()}) == data
        is_signed = verify_ed25519(canonical_json(said), raw, public_key=public_key)
    except ValueError:
        return "altered"
    return None if is_exact and is_signed else "altered"
