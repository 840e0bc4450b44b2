"""What a signature needs, what it binds, and whether it still holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from lms.core.digests import canonical_json, digest_of, verify_ed25519
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.rules.content import DECLINE_REASON, O_SCORE, RETURN_REASONS, WORDS_MAX, Content


def require_level(level: int) -> None:
    """The O-SCORE has five levels."""
    if level not in O_SCORE:
        raise RuleBroken("level", _("Choose a level from 1 to 5."), field="level")


def require_words(level: int, content: Content, words: str) -> None:
    """Level 1 or 2, or a major complication, needs a sentence that the trainee can learn from."""
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    if words:
        return
    if level <= 2:
        raise RuleBroken(
            "words_missing",
            _("At level 1 or 2, write one sentence: what should be different next time?"),
            field="words",
        )
    if content.complication == "major":
        raise RuleBroken(
            "words_missing",
            _("After a major complication, write one sentence about what happened."),
            field="words",
        )


def require_reason(reason: str, words: str) -> None:
    """An entry goes back with a reason that can be read: one of the phrases, or the signer's own words."""
    if reason and reason != DECLINE_REASON and reason not in RETURN_REASONS:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="reason")
    if len(words) > WORDS_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=WORDS_MAX), field="words")
    if not words and reason in {"", "other"}:
        raise RuleBroken("reason_missing", _("Write what should change."), field="words")


def require_revision(shown: int, now: int) -> None:
    """A signer decides on what was on the screen, not on what replaced it meanwhile."""
    if shown != now:
        raise RuleBroken("revision", _("This entry was changed after you opened it. Read it once more."))


BULK_MAX = 10
"""L7."""
BULK_ROLES = frozenset({"O", "A", "P"})
BULK_ALERT_PERCENT = 40


def require_bulk(contents: Sequence[tuple[Content, bool]], levels: Sequence[int]) -> None:
    """L7: at most ten at once, each of them routine; ``contents``: facts and whether the item is critical."""
    if not contents:
        raise RuleBroken("nothing_chosen", _("Choose a level for at least one entry."))
    if len(contents) > BULK_MAX:
        raise RuleBroken("bulk_many", _("Sign at most %(max)s entries at once.", max=BULK_MAX))
    if not all(is_routine(facts, critical=critical) for facts, critical in contents) or min(levels) <= 2:
        raise RuleBroken(
            "bulk_routine", _("Only routine entries at level 3 or above can be signed together.")
        )


def is_routine(facts: Content, *, critical: bool) -> bool:
    """Whether an entry may be signed among others: nothing critical, no trouble, no part that needs a talk."""
    return (
        not critical
        and facts.operator_role in BULK_ROLES
        and facts.complication in {"", "none"}
        and facts.success != "no"
    )


def statement(
    *,
    payload_sha256: str,
    signer: str,
    acted_as: str,
    kind: str,
    level: int,
    words: str,
    method: str,
    signed_at: str,
    key: str = "",
    batch: str = "",
) -> dict[str, Any]:
    """What the signer says by signing. Its canonical form is what the signer's key signs.

    It seals level, words and time to the record they are about. ``key`` is empty only in statements of the first
    version, which had a digest and no key; ``batch`` names the sitting in which several were signed together.
    """
    said: dict[str, Any] = {
        "payload_sha256": payload_sha256,
        "signer": signer,
        "acted_as": acted_as,
        "kind": kind,
        "level": level,
        "words": words,
        "method": method,
        "signed_at": signed_at,
    }
    if key:
        said["key"] = key
    if batch:
        said["batch"] = batch
    return said


LINKS: dict[str, str] = {
    "record": lazy("the record differs from what was signed"),
    "statement": lazy("level, words, signer or time differ from what was said"),
    "signature": lazy("the signature is not that of the signer’s key"),
    "key": lazy("the signer’s key is not the one that the audit trail knows"),
    "trail": lazy("the audit trail witnesses something else"),
    "entry": lazy("the entry shows other facts than those that were signed"),
    "form": lazy("the assessment shows other facts than those that were signed"),
    "unsigned": lazy("the entry counts as signed and no signature stands"),
    "chain": lazy("the audit trail itself is broken"),
}
"""Links of the chain from an entry to its proof, in words."""


def broken_link(
    *,
    payload: Mapping[str, Any],
    revision_sha256: str,
    signed_payload_sha256: str,
    said: Mapping[str, Any],
    statement_sha256: str,
    witnessed: Mapping[str, Any] | None,
    public_key: bytes = b"",
    signature: bytes = b"",
    witnessed_key: str | None = None,
) -> str:
    """Re-check a signature: empty when it fits the record, else the first link that does not hold (``LINKS``).

    ``witnessed``: what the audit trail says of the signing; ``witnessed_key``: the public key that it knows, as hex.
    """
    computed = digest_of(dict(payload))
    if not computed == revision_sha256 == signed_payload_sha256:
        return "record"
    if digest_of(dict(said)) != statement_sha256:
        return "statement"
    if witnessed is None or (witnessed.get("payload"), witnessed.get("statement")) != (
        computed,
        statement_sha256,
    ):
        return "trail"
    if "key" in said:
        if witnessed_key != public_key.hex():
            return "key"
        if not verify_ed25519(canonical_json(dict(said)), signature, public_key=public_key):
            return "signature"
    return ""
