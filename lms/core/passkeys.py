"""Passkeys: the doorman of py_webauthn. Options and verification over plain values; nothing is stored here.

A ceremony has two halves: the site asks with a fresh challenge (keep it in the session, use it once), the browser's
authenticator answers. Both ceremonies demand user verification, that is a fingerprint, a face or the device's own code:
a passkey confirms that the person is present, not only their phone. The library is imported where it is used: most processes never need its 13 MB.
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lms.core.errors import RuleBroken
from lms.core.i18n import _

TIMEOUT_MS = 120_000
ANSWER_LIMIT = 64 * 1024
"""Characters of an answer; a registration with attestation is about 2,000."""


class PasskeyRefused(RuleBroken):
    """The authenticator's answer does not prove what was asked. Codes ``passkey_invalid`` and ``passkey_copied``.

    ``why`` is for the log, not for the person.
    """

    def __init__(self, code: str, message: str, *, why: str = "") -> None:
        super().__init__(code, message)
        self.why = why


@dataclass(frozen=True)
class Site:
    """The relying party: what a passkey is bound to."""

    rp_id: str
    """Domain of the site, without port. A passkey works nowhere else, so a site that moves loses them all."""
    origin: str
    """Scheme, host and port as the browser names them."""
    name: str


@dataclass(frozen=True)
class Asked:
    """First half of a ceremony."""

    challenge: bytes
    """To be kept for the second half and used once."""
    options: dict[str, Any]
    """For ``PublicKeyCredential.parseCreationOptionsFromJSON`` or ``parseRequestOptionsFromJSON``."""


@dataclass(frozen=True)
class NewPasskey:
    """What to store after a registration."""

    credential_id: bytes
    public_key: bytes
    """COSE key."""
    sign_count: int
    backed_up: bool
    """Whether the passkey is kept in the person's cloud and will survive a lost phone."""


@dataclass(frozen=True)
class Proof:
    """What to store after an authentication."""

    credential_id: bytes
    sign_count: int


def site_of(base_url: str, name: str) -> Site:
    """The relying party of a site's public address."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not the address of a site")
    return Site(parts.hostname, f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}", name)


def possible(base_url: str) -> bool:
    """Whether browsers offer passkeys at this address: https with a domain, or localhost; never a bare IP address."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and (parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"))
    return False


def ask_registration(
    site: Site, *, user_id: bytes, user_name: str, display_name: str, known: Sequence[bytes] = ()
) -> Asked:
    """Ask a browser to make a passkey. ``user_id``: opaque, never an e-mail; ``known``: credential ids to leave out."""
    import webauthn
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=site.name,
        user_id=user_id,
        user_name=user_name,
        user_display_name=display_name or user_name,
        timeout=TIMEOUT_MS,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=key) for key in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return Asked(options.challenge, options_to_json_dict(options))


def verify_registration(site: Site, *, challenge: bytes, answer: str | Mapping[str, Any]) -> NewPasskey:
    """The passkey that the browser made. Raises PasskeyRefused."""
    import webauthn

    given = _answer(answer)
    try:
        verified = webauthn.verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except Exception as problem:  # hostile input: the library also lets its parsers' own errors out
        raise _invalid(problem) from problem
    return NewPasskey(
        verified.credential_id,
        verified.credential_public_key,
        verified.sign_count,
        verified.credential_backed_up,
    )


def ask_authentication(site: Site, *, allowed: Sequence[bytes]) -> Asked:
    """Ask for a proof with one of the person's passkeys (``allowed``: their credential ids)."""
    import webauthn
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id,
        timeout=TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=key) for key in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(options.challenge, options_to_json_dict(options))


def credential_id(answer: str | Mapping[str, Any]) -> bytes:
    """Which passkey an answer claims to come from, to find its stored key. Raises PasskeyRefused."""
    from webauthn.helpers import base64url_to_bytes

    try:
        return base64url_to_bytes(_answer(answer)["id"])
    except PasskeyRefused:
        raise
    except Exception as problem:
        raise _invalid(problem) from problem


def verify_authentication(
    site: Site, *, challenge: bytes, answer: str | Mapping[str, Any], public_key: bytes, sign_count: int
) -> Proof:
    """Whether the holder of the stored key answered this challenge, here and now. Raises PasskeyRefused.

    Code ``passkey_copied``: the signature is right but the authenticator's counter did not grow, so there are two of it.
    """
    import webauthn

    given = _answer(answer)

    # The library looks at the counter before the signature; with a stored count of 0 it leaves the counter to us. The
    # signature comes first: only then does a counter that went back say anything about the authenticator.
    try:
        proof = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as problem:
        raise _invalid(problem) from problem
    if (proof.new_sign_count or sign_count) and proof.new_sign_count <= sign_count:
        raise PasskeyRefused(
            "passkey_copied",
            _("This passkey may have been copied. Remove it from your account and make a new one."),
            why=f"counter {proof.new_sign_count} after {sign_count}",
        )
    return Proof(proof.credential_id, proof.new_sign_count)


def _answer(answer: str | Mapping[str, Any]) -> dict[str, Any]:
    """The answer as a JSON object."""
    try:
        text = answer if isinstance(answer, str) else json.dumps(dict(answer))
        given = json.loads(text[: ANSWER_LIMIT + 1])  # a longer one is cut and no longer JSON
    except (ValueError, TypeError, RecursionError) as problem:
        raise _invalid(problem) from problem
    if not isinstance(given, dict):
        raise _invalid(TypeError("not an object"))
    return given


def _invalid(problem: Exception) -> PasskeyRefused:
    is_plain = type(problem).__module__.startswith("webauthn")
    kind = problem if is_plain else f"{type(problem).__name__}: {problem}"
    return PasskeyRefused(
        "passkey_invalid",
        _("The passkey was not accepted. Please try again, or use your PIN."),
        why=str(kind),
    )
