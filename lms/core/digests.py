"""Digests, canonical JSON, plain Ed25519 signatures, sealed envelopes and fields: what the proofs and copies of other rooms are made of."""

import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data``, 64 lower-case hexadecimal digits (FIPS 180-4)."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> bytes:
    """The one way to write ``value`` as JSON (RFC 8785), so that equal facts have equal digests.

    Raises ``ValueError`` for what JSON cannot say the same way everywhere: NaN, an integer beyond 2^53, a key that
    is no string, a lone surrogate, a date.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"not canonical JSON: {error}") from error


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return sha256_hex(canonical_json(value))


def ed25519_public_key(private_key: bytes) -> bytes:
    """The 32-byte public key that belongs to a 32-byte private key (RFC 8032, 5.1.5)."""
    return (
        Ed25519PrivateKey.from_private_bytes(private_key)
        .public_key()
        .public_bytes(Encoding.Raw, PublicFormat.Raw)
    )


def ed25519_private_key() -> bytes:
    """A fresh 32-byte private key."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def sign_ed25519(message: bytes, *, private_key: bytes) -> bytes:
    """The 64-byte Ed25519 signature of ``message`` (RFC 8032); ``private_key``: 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(private_key).sign(message)


def verify_ed25519(message: bytes, signature: bytes, *, public_key: bytes) -> bool:
    """Whether ``signature`` is that of ``message``; a key or signature of the wrong shape is simply not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


_SEALED = b"FFLY-SEALED-1\n"
_SALT_BYTES, _NONCE_BYTES = 16, 12


class NotOpened(Exception):
    """Another passphrase sealed it, or it was changed since."""


def seal(data: bytes, passphrase: str) -> bytes:
    """``data`` so that only who knows ``passphrase`` reads it and nobody changes it unseen.

    AES-256-GCM (NIST SP 800-38D) under a key by scrypt (RFC 7914; N = 2^16, r = 8, p = 1: 64 MB, a fifth of a second).
    """
    salt, nonce = _new_salt(), os.urandom(_NONCE_BYTES)
    return _SEALED + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, data, _SEALED)


def _new_salt() -> bytes:
    return os.urandom(_SALT_BYTES)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """What was sealed. Raises NotOpened."""
    start = len(_SEALED)
    if not sealed.startswith(_SEALED) or len(sealed) < start + _SALT_BYTES + _NONCE_BYTES:
        raise NotOpened("this is no sealed file of ours")
    salt, rest = sealed[start : start + _SALT_BYTES], sealed[start + _SALT_BYTES :]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _SEALED)
    except InvalidTag as problem:
        raise NotOpened("another passphrase sealed it, or it was changed since") from problem


@lru_cache(maxsize=512)
def _key(passphrase: str, salt: bytes) -> bytes:
    # Slow on purpose against guessing; a process that holds the passphrase anyway derives each key once.
    return Scrypt(salt=salt, length=32, n=2**16, r=8, p=1).derive(passphrase.encode())


_ROOT_SALT = b"FFLY-FIELD-ROOT1"
"""The same for every field: rows must be found by their digest. A guess at the passphrase still costs a whole scrypt."""


@lru_cache(maxsize=64)
def subkey(passphrase: str, purpose: str) -> bytes:
    """The 32-byte key of one purpose under the site's passphrase: HKDF-Expand (RFC 5869) of one root by scrypt.

    The root costs a fifth of a second once in the life of a process; keys of different purposes say nothing of each other.
    """
    return HKDFExpand(hashes.SHA256(), 32, purpose.encode()).derive(_key(passphrase, _ROOT_SALT))


def seal_field(data: bytes, *, key: bytes, bound_to: str) -> bytes:
    """``data`` encrypted for one row: AES-256-GCM under a ``subkey``, never twice the same, read only with the same ``bound_to``."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound_to.encode())


def unseal_field(sealed: bytes, *, key: bytes, bound_to: str) -> bytes:
    """What ``seal_field`` sealed. Raises NotOpened for another key, another row, or a changed byte."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError) as problem:
        raise NotOpened("another key or row, or it was changed since") from problem


def keyed_digest(data: bytes, *, key: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104), 64 lower-case hexadecimal digits: equal for equal data, and not to be guessed without ``key``."""
    return hmac.digest(key, data, "sha256").hex()


def new_box_key() -> bytes:
    """A fresh key of 32 bytes for ``lock_box``."""
    return os.urandom(32)


def lock_box(data: bytes, *, key: bytes, size: int) -> bytes:
    """``data`` filled up to ``size`` bytes and locked (AES-256-GCM): its length says nothing. Raises ValueError where it is too large."""
    if len(data) + 4 > size:
        raise ValueError("too large for the box")
    filled = (len(data).to_bytes(4, "big") + data).ljust(size, b"\0")
    return seal_field(filled, key=key, bound_to="box")


def open_box(locked: bytes, *, key: bytes) -> bytes:
    """What ``lock_box`` locked. Raises NotOpened."""
    filled = unseal_field(locked, key=key, bound_to="box")
    return filled[4 : 4 + int.from_bytes(filled[:4], "big")]


def new_ed25519_key(passphrase: str) -> bytes:
    """A fresh private key as encrypted PEM (PKCS #8), for a file that only the site reads."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )


def read_ed25519_key(pem: bytes, passphrase: str) -> bytes:
    """The 32-byte private key in encrypted PEM. Raises ``ValueError`` for another passphrase or another kind of key."""
    key = load_pem_private_key(pem, passphrase.encode())
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 (a fault of the file, not of the caller)
    return key.private_bytes_raw()


def public_pem(public_key: bytes) -> bytes:
    """A 32-byte public key as PEM, as ``openssl`` reads it."""
    return Ed25519PublicKey.from_public_bytes(public_key).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )


def read_public_pem(pem: bytes) -> bytes:
    """The 32-byte public key in a PEM file. Raises ``ValueError`` for anything else."""
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("not an Ed25519 key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 (a fault of the file, not of the caller)
    return key.public_bytes_raw()
