"""Passkeys, proved with an authenticator written in software."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lms.core import passkeys
from lms.core.passkeys import PasskeyRefused, Site

SITE = Site("lms.example.org", "https://lms.example.org", "Firefly")
PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """A platform authenticator: ES256, attestation ``none``, and a counter."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0
    counts: bool = True
    origin: str = SITE.origin
    rp_id: str = SITE.rp_id
    flags: int = PRESENT | VERIFIED

    def _data(self, *, flags: int) -> bytes:
        self.count += self.counts
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _credential(self, **response: bytes) -> dict[str, Any]:
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "response": {name: b64(value) for name, value in response.items()},
            "clientExtensionResults": {},
        }

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        point = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )
        data = self._data(flags=self.flags | HAS_KEY)
        data += bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cose
        return self._credential(
            clientDataJSON=self._client("webauthn.create", options),
            attestationObject=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        data = self._data(flags=self.flags)
        client = self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(clientDataJSON=client, authenticatorData=data, signature=signature)


def register(device: Authenticator) -> passkeys.NewPasskey:
    asked = passkeys.ask_registration(SITE, user_id=b"abc", user_name="li@example.com", display_name="李芳")
    return passkeys.verify_registration(SITE, challenge=asked.challenge, answer=device.create(asked.options))


def confirm(
    device: Authenticator, passkey: passkeys.NewPasskey, *, sign_count: int | None = None
) -> passkeys.Proof:
    asked = passkeys.ask_authentication(SITE, allowed=[passkey.credential_id])
    return passkeys.verify_authentication(
        SITE,
        challenge=asked.challenge,
        answer=json.dumps(device.get(asked.options)),
        public_key=passkey.public_key,
        sign_count=passkey.sign_count if sign_count is None else sign_count,
    )


def code(act: Callable[[], object]) -> str:
    with pytest.raises(PasskeyRefused) as refused:
        act()
    assert refused.value.why
    return refused.value.code


def test_a_person_makes_a_passkey_and_confirms_with_it() -> None:
    device = Authenticator()
    passkey = register(device)
    assert passkey.credential_id == device.credential_id
    assert passkey.sign_count == 1
    assert confirm(device, passkey) == passkeys.Proof(device.credential_id, 2)


def test_the_options_name_the_site_and_demand_verification() -> None:
    asked = passkeys.ask_registration(
        SITE, user_id=b"abc", user_name="li", display_name="李芳", known=[b"old"]
    )
    assert asked.options["rp"] == {"name": "Firefly", "id": "lms.example.org"}
    assert asked.options["user"]["displayName"] == "李芳"
    assert asked.options["authenticatorSelection"]["userVerification"] == "required"
    assert [one["id"] for one in asked.options["excludeCredentials"]] == [b64(b"old")]
    assert asked.options["attestation"] == "none"
    json.dumps(asked.options)
    asking = passkeys.ask_authentication(SITE, allowed=[b"old"])
    assert asking.options["userVerification"] == "required"
    assert [one["id"] for one in asking.options["allowCredentials"]] == [b64(b"old")]
    assert asking.options["challenge"] == b64(asking.challenge)


def test_each_challenge_is_new() -> None:
    assert len({passkeys.ask_authentication(SITE, allowed=[]).challenge for _number in range(20)}) == 20


def test_an_answer_names_its_passkey() -> None:
    device = Authenticator()
    asked = passkeys.ask_authentication(SITE, allowed=[])
    assert passkeys.credential_id(device.get(asked.options)) == device.credential_id
    assert code(lambda: passkeys.credential_id({"rawId": "x"})) == "passkey_invalid"
    assert code(lambda: passkeys.credential_id({"id": 5})) == "passkey_invalid"


def test_a_device_without_a_counter_may_be_used_again_and_again() -> None:
    device = Authenticator(counts=False)
    passkey = register(device)
    assert passkey.sign_count == 0
    assert confirm(device, passkey).sign_count == 0
    assert confirm(device, passkey).sign_count == 0


def test_a_counter_that_goes_back_tells_of_a_copy() -> None:
    device = Authenticator()
    passkey = register(device)
    assert code(lambda: confirm(device, passkey, sign_count=7)) == "passkey_copied"
    device.count, device.counts = 0, False
    assert code(lambda: confirm(device, passkey, sign_count=7)) == "passkey_copied"


def test_another_persons_key_is_refused_and_no_copy_is_alleged() -> None:
    passkey = register(Authenticator())
    assert (
        code(lambda: confirm(Authenticator(credential_id=passkey.credential_id), passkey, sign_count=9))
        == "passkey_invalid"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://evil.example.org"},
        {"rp_id": "evil.example.org"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
    ],
    ids=["another origin", "another site", "nobody verified", "nobody present"],
)
def test_an_answer_to_another_site_or_without_the_person_is_refused(change: dict[str, Any]) -> None:
    device = Authenticator()
    passkey = register(device)
    for name, value in change.items():
        setattr(device, name, value)
    assert code(lambda: confirm(device, passkey)) == "passkey_invalid"
    assert code(lambda: register(device)) == "passkey_invalid"


def test_an_answer_to_an_older_challenge_is_refused() -> None:
    device = Authenticator()
    passkey = register(device)
    old = device.get(passkeys.ask_authentication(SITE, allowed=[]).options)
    asked = passkeys.ask_authentication(SITE, allowed=[])
    assert (
        code(
            lambda: passkeys.verify_authentication(
                SITE, challenge=asked.challenge, answer=old, public_key=passkey.public_key, sign_count=0
            )
        )
        == "passkey_invalid"
    )


def test_an_altered_answer_is_refused() -> None:
    device = Authenticator()
    passkey = register(device)
    asked = passkeys.ask_authentication(SITE, allowed=[])
    for part in ("signature", "authenticatorData", "clientDataJSON"):
        answer = device.get(asked.options)
        raw = base64.urlsafe_b64decode(answer["response"][part] + "==")
        answer["response"][part] = b64(raw[:-1] + bytes([raw[-1] ^ 1]))
        assert (
            code(
                lambda answer=answer: passkeys.verify_authentication(
                    SITE,
                    challenge=asked.challenge,
                    answer=answer,
                    public_key=passkey.public_key,
                    sign_count=0,
                )
            )
            == "passkey_invalid"
        )


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        "{}",
        '{"id":"a","rawId":"a","type":"public-key","response":{}}',
        "[" * 100_000,
        '"' + "x" * 70_000 + '"',
    ],
)
def test_what_is_no_answer_is_refused_politely(answer: str) -> None:
    assert (
        code(lambda: passkeys.verify_registration(SITE, challenge=b"x", answer=answer)) == "passkey_invalid"
    )
    assert (
        code(
            lambda: passkeys.verify_authentication(
                SITE, challenge=b"x", answer=answer, public_key=b"", sign_count=0
            )
        )
        == "passkey_invalid"
    )


def test_an_answer_of_creation_is_no_confirmation() -> None:
    device = Authenticator()
    asked = passkeys.ask_registration(SITE, user_id=b"abc", user_name="li", display_name="")
    made = device.create(asked.options)
    assert (
        code(
            lambda: passkeys.verify_authentication(
                SITE, challenge=asked.challenge, answer=made, public_key=b"", sign_count=0
            )
        )
        == "passkey_invalid"
    )


@pytest.mark.parametrize(
    ("address", "rp_id", "origin", "works"),
    [
        ("https://lms.example.org", "lms.example.org", "https://lms.example.org", True),
        ("https://lms.example.org:8443/", "lms.example.org", "https://lms.example.org:8443", True),
        ("http://localhost:8000", "localhost", "http://localhost:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1", "http://127.0.0.1:8000", False),
        ("https://[::1]", "::1", "https://[::1]", False),
        ("http://lms.example.org", "lms.example.org", "http://lms.example.org", False),
    ],
)
def test_a_site_is_known_by_its_domain(address: str, rp_id: str, origin: str, works: bool) -> None:
    assert passkeys.site_of(address, "Firefly") == Site(rp_id, origin, "Firefly")
    assert passkeys.possible(address) is works


def test_what_is_no_address_makes_no_site() -> None:
    with pytest.raises(ValueError, match="address"):
        passkeys.site_of("ftp://x", "Firefly")
    assert not passkeys.possible("")
