"""Identifiers that people and addresses see."""

import re
import secrets

ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
"""Without 0 o 1 i l u: nothing that is misread on a ward printout, and few accidental words."""

LENGTH = 12

_SHAPE = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")


def public_id() -> str:
    """A new unguessable public id: 12 characters of 30, about 59 bits.

    With a million rows of one kind the chance of any collision is about 1e-6; the unique key catches it.
    """
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def is_public_id(text: str) -> bool:
    """Whether ``text`` has the shape of a public id (a malformed id does not exist)."""
    return bool(_SHAPE.fullmatch(text))


def token() -> str:
    """A secret for links and cookies: 32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)
