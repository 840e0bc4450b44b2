"""Passwords and PINs: the doorman of argon2."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""argon2id with the OWASP minimum (19 MiB, t=2, p=1): about 25 ms, so a ward phone never waits and a web worker stays small."""

HANDS = 2
"""Hashes computed at once: two hundred who sign in together queue for a moment, and no other page waits for them."""

T = TypeVar("T")


@lru_cache(maxsize=1)
def _hands(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(HANDS, thread_name_prefix="argon2")


def _by_hand(act: Callable[[], T]) -> T:
    """Do it in one of a few threads: the C library keeps the memory of each thread that ever hashed, 19 MiB apiece."""
    return _hands(os.getpid()).submit(act).result()


_DUMMY = _hasher.hash("nobody has this password")


def hash_secret(secret: str) -> str:
    """The argon2id hash of a password or PIN."""
    return _by_hand(lambda: _hasher.hash(secret))


def check_secret(stored: str | None, given: str) -> bool:
    """Whether ``given`` is the secret behind ``stored``; takes the same time when there is none."""
    try:
        return _by_hand(lambda: _hasher.verify(stored or _DUMMY, given)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_stale(stored: str) -> bool:
    """Whether a stored hash used older parameters and should be made anew at the next sign-in."""
    return _hasher.check_needs_rehash(stored)


COMMON = frozenset(
    [
        "12345678",
        "123456789",
        "1234567890",
        "password",
        "password1",
        "qwertyui",
        "qwerty123",
        "11111111",
        "00000000",
        "88888888",
        "66666666",
        "12341234",
        "iloveyou",
        "abc12345",
        "abcd1234",
        "a1234567",
        "a12345678",
        "woaini1314",
        "woaini520",
        "5201314520",
        "firefly1",
        "pediatric",
        "children123",
        "hospital1",
        "admin123",
        "administrator",
        "letmein1",
        "welcome1",
        "1q2w3e4r",
        "1qaz2wsx",
        "zaq12wsx",
        "asdfghjk",
        "147258369",
        "987654321",
        "password123",
        "qwertyuiop",
        "11223344",
        "12344321",
        "123123123",
        "321321321",
    ]
)
"""The passwords people try first; refused whatever their length."""


def weakness(secret: str, *, about: tuple[str, ...] = ()) -> str | None:
    """Why a password is refused: ``short``, ``common``, ``personal``, ``repeated``; None when it will do.

    Length and lists, no composition rules (NIST SP 800-63B, section 5.1.1.2). ``about``: e-mail, phone, name.
    """
    if len(secret) < 8:
        return "short"
    low = secret.lower()
    if low in COMMON:
        return "common"
    if len(set(low)) < 4:
        return "repeated"
    if any(
        part and len(part) >= 4 and part.lower() in low
        for word in about
        for part in (word, word.split("@")[0])
    ):
        return "personal"
    return None
