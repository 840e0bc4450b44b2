"""The signer's key in a token: a hardware security module, a USB token, or SoftHSM, by way of PKCS#11.

The key is made inside and never leaves; the certificate lies beside the others (``signer.crt``). The library is loaded when a
token is first asked: a site without one never needs it.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from lms.core.signing.faults import KeyAway, SigningFailed

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before the digest in a signature of RSASSA-PKCS1-v1_5 (RFC 8017, 9.2, note 1)."""


@dataclass(frozen=True)
class Token:
    """Which key of which token, and how to open it."""

    module: Path
    """The library of its maker (``libsofthsm2.so``)."""
    label: str
    key: str
    """Label of the key in it."""
    pin_file: Path


class TokenKey:
    """A private key that stays inside its token."""

    def __init__(self, token: Token, handle: Any, *, is_elliptic: bool) -> None:
        self._token, self._handle, self._is_elliptic = token, handle, is_elliptic

    def sign(self, data: bytes, digest_algorithm: str) -> bytes:
        """Sign the digest of ``data``; only the digest goes into the token. Raises ``KeyAway``."""
        import pkcs11

        digest = hashlib.new(digest_algorithm, data).digest()
        with _in_words(self._token):
            if not self._is_elliptic:
                made = self._handle.sign(
                    _DIGEST_INFO[digest_algorithm] + digest, mechanism=pkcs11.Mechanism.RSA_PKCS
                )
                return bytes(made)
            raw = bytes(self._handle.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        half = len(raw) // 2
        return utils.encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )


def open_key(token: Token, certificate: x509.Certificate) -> TokenKey:
    """The key in the token that belongs to the certificate. Raises ``KeyAway``."""
    import pkcs11

    wanted = certificate.public_key()
    with _in_words(token):
        session = _session(token)
        for handle, public in _public_keys(session, token):
            if public == wanted:
                found = session.get_key(
                    object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=handle[pkcs11.Attribute.ID]
                )
                return TokenKey(token, found, is_elliptic=isinstance(wanted, ec.EllipticCurvePublicKey))
    raise KeyAway(
        f"the token {token.label} holds no key {token.key} of the present certificate; "
        "lms certificates keys rotate makes one"
    )


def keys_in(token: Token) -> int:
    """How many keys of that label the token holds. Raises ``KeyAway``."""
    with _in_words(token):
        return sum(1 for _one in _public_keys(_session(token), token))


def make_key(token: Token, *, is_elliptic: bool) -> PublicKey:
    """Make a key pair inside the token, not to be read out, beside those that are there. Raises ``KeyAway``."""
    import pkcs11

    name: dict[str, Any] = {"label": token.key, "id": secrets.token_bytes(16), "store": True}
    inside = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
    with _in_words(token):
        session = _session(token)
        if is_elliptic:
            curve = pkcs11.util.ec.encode_named_curve_parameters("secp256r1")
            about = session.create_domain_parameters(
                pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
            )
            public, _private = about.generate_keypair(
                **name,
                capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                private_template=inside,
            )
        else:
            public, _private = session.generate_keypair(
                pkcs11.KeyType.RSA,
                3072,
                **name,
                capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                private_template=inside,
            )
        return _read(public)


def keep_only(token: Token, certificate: x509.Certificate) -> int:
    """Destroy every key of that label but the certificate's; gives back how many. Raises ``KeyAway``."""
    import pkcs11

    wanted, gone = certificate.public_key(), 0
    with _in_words(token):
        session = _session(token)
        for handle, public in list(_public_keys(session, token)):
            if public == wanted:
                continue
            number = handle[pkcs11.Attribute.ID]
            for private in list(
                session.get_objects(
                    {
                        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
                        pkcs11.Attribute.ID: number,
                    }
                )
            ):
                private.destroy()
            handle.destroy()
            gone += 1
    return gone


def _public_keys(session: Any, token: Token) -> Iterator[tuple[Any, PublicKey]]:
    import pkcs11

    about = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.LABEL: token.key}
    for handle in list(session.get_objects(about)):
        yield handle, _read(handle)


def _read(handle: Any) -> PublicKey:
    import pkcs11

    if handle.key_type == pkcs11.KeyType.RSA:
        modulus, exponent = handle[pkcs11.Attribute.MODULUS], handle[pkcs11.Attribute.PUBLIC_EXPONENT]
        return rsa.RSAPublicNumbers(
            int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
        ).public_key()
    found = load_der_public_key(pkcs11.util.ec.encode_ec_public_key(handle))
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise SigningFailed("the token holds a key of another kind")
    return found


# ---------------------------------------------------------------- sessions

_sessions: dict[tuple[Path, str], Any] = {}
_libraries: dict[Path, Any] = {}
_refused: set[tuple[Path, str, bytes]] = set()
"""PINs that a token has refused: a token locks itself after some wrong ones, so none is tried twice."""


def _session(token: Token) -> Any:
    """The one open session with a token, logged in."""
    import pkcs11

    place = token.module, token.label
    if place in _sessions:
        return _sessions[place]
    if not token.module.is_file():
        raise KeyAway(f"the PKCS#11 module {token.module} is not there")
    try:
        pin = token.pin_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise KeyAway(f"the PIN of the token cannot be read: {problem}") from problem
    tried = *place, hashlib.sha256(pin.encode()).digest()
    if tried in _refused:
        raise KeyAway(_wrong_pin(token))
    library = pkcs11.lib(str(token.module))
    _libraries[token.module] = library
    try:
        _sessions[place] = library.get_token(token_label=token.label).open(user_pin=pin, rw=True)
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as problem:
        _refused.add(tried)
        raise KeyAway(_wrong_pin(token)) from problem
    return _sessions[place]


def _wrong_pin(token: Token) -> str:
    return (
        f"the token {token.label} refuses the PIN in {token.pin_file}; it is not tried again until it is another, "
        "since a token locks itself after a few wrong ones"
    )


def forget() -> None:
    """Close every session and library; the next use begins anew, and then also sees tokens that were plugged in since."""
    for session in _sessions.values():
        with contextlib.suppress(Exception):
            session.close()
    for library in _libraries.values():
        with contextlib.suppress(Exception):
            library.finalize()
    _sessions.clear()


@contextlib.contextmanager
def _in_words(token: Token) -> Iterator[None]:
    """What the token or its library says, as ``KeyAway``; the session is opened anew the next time."""
    try:
        import pkcs11
    except ImportError as problem:
        raise KeyAway("the library for tokens is not installed (pip install python-pkcs11)") from problem
    try:
        yield
    except pkcs11.NoSuchToken as problem:
        forget()
        raise KeyAway(f"no token is called {token.label}: is it plugged in?") from problem
    except pkcs11.MultipleTokensReturned as problem:
        forget()
        raise KeyAway(f"more than one token is called {token.label}") from problem
    except pkcs11.PinLocked as problem:
        forget()
        raise KeyAway(
            f"the token {token.label} has locked itself after wrong PINs; its keeper can open it"
        ) from problem
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as problem:
        forget()
        said = str(problem) or type(problem).__name__
        raise KeyAway(f"the token {token.label} does not answer as it should: {said}") from problem
