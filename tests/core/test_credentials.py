"""Credentials against another implementation, and against whoever changes them."""

import base64
import gzip
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certificates.credential import open_badge, signed_badge
from lms.core import credentials, qr
from lms.core.digests import ed25519_public_key, public_pem
from tests.certificates.test_face import FACE

KEY = bytes(range(32))
PUBLIC = ed25519_public_key(KEY)
NOW = datetime.now(UTC)
FACE = replace(FACE, issued_on=(NOW - timedelta(days=2)).date())


@pytest.fixture(scope="module")
def badge() -> dict:
    return signed_badge(FACE, number=131_075, private_key=KEY)


@given(st.binary(max_size=80))
def test_base58_comes_back(data):
    assert credentials.unbase58(credentials.base58(data)) == data


def test_base58_is_that_of_the_draft():
    assert credentials.base58(b"Hello World!") == "2NEpo7TZRRrLZSi2U"
    assert credentials.base58(bytes.fromhex("0000287fb4cd")) == "11233QC4"


def test_the_same_facts_give_the_same_credential(badge):
    assert signed_badge(FACE, number=131_075, private_key=KEY) == badge
    assert credentials.is_genuine(badge, public_key=PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["credentialSubject"]["identifier"][0].update(identityHash="another"),
        lambda c: c.update(validFrom="2020-01-01T00:00:00Z"),
        lambda c: c["credentialStatus"][0].update(statusListIndex="5"),
        lambda c: c["issuer"].update(id="did:web:elsewhere.example.org"),
        lambda c: c["proof"].update(created="2020-01-01T00:00:00Z"),
        lambda c: c["proof"].update(proofValue="z" + "1" * 80),
        lambda c: c.pop("proof"),
        lambda c: c.update({"@context": ["https://elsewhere.example.org/context"]}),
    ],
)
def test_a_changed_credential_is_not_genuine(badge, change):
    import copy

    changed = copy.deepcopy(badge)
    change(changed)
    assert not credentials.is_genuine(changed, public_key=PUBLIC)


def test_openbadgeslib_finds_it_genuine_and_reads_its_status(badge):
    ldp = pytest.importorskip("openbadgeslib.ob3.ldp")
    verifier = ldp.OB3LdpVerifier(pubkey_pem=public_pem(PUBLIC), issuer_did=None)
    revoked: set[int] = set()

    def fetch(url: str) -> bytes:
        purpose = url.rsplit("/", 2)[1]
        document = credentials.status_list(
            url,
            issuer=badge["issuer"]["id"],
            purpose=purpose,
            indexes=revoked if purpose == "revocation" else (),
            valid_from=NOW - timedelta(hours=1),
            valid_until=NOW + timedelta(days=7),
        )
        method = credentials.key_id(badge["issuer"]["id"])
        signed = credentials.sign(document, private_key=KEY, method=method, created=NOW)
        assert credentials.is_genuine(signed, public_key=PUBLIC)
        return credentials.as_file(signed)

    read = verifier.verify(
        credentials.as_file(badge), check_status=True, download=fetch, verify_status_list=False
    )
    assert read.issuer.id == "did:web:firefly.example.org"
    revoked.add(3)
    with pytest.raises(ldp.OB3VerificationError):
        verifier.verify(
            credentials.as_file(badge), check_status=True, download=fetch, verify_status_list=False
        )
    with pytest.raises(ldp.OB3VerificationError):
        verifier.verify(credentials.as_file(badge | {"name": "another"}))


def test_openbadgeslib_finds_the_baked_credential(badge, tmp_path):
    baking = pytest.importorskip("openbadgeslib.baking")
    picture = credentials.bake(qr.png("https://firefly.example.org/verify/1"), badge)
    chunks, place = {}, 8
    while place < len(picture):
        (size,) = struct.unpack(">I", picture[place : place + 4])
        kind, data = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + size]
        assert (
            zlib.crc32(kind + data) == struct.unpack(">I", picture[place + 8 + size : place + 12 + size])[0]
        )
        chunks[kind], place = data, place + 12 + size
    assert chunks[b"iTXt"].endswith(credentials.as_file(badge))
    assert list(chunks)[-1] == b"IEND"
    assert baking


@given(st.sets(st.integers(0, credentials.LIST_BITS - 1), max_size=20))
def test_a_status_list_sets_these_bits_and_no_others(indexes):
    document = credentials.status_list(
        "https://x.example.org/status/revocation/1",
        issuer="did:web:x.example.org",
        purpose="revocation",
        indexes=indexes,
        valid_from=NOW,
        valid_until=NOW,
    )
    packed = document["credentialSubject"]["encodedList"][1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    assert len(bits) * 8 == credentials.LIST_BITS
    assert sum(byte.bit_count() for byte in bits) == len(indexes)
    assert all(credentials.is_listed(document, index) for index in indexes)


def test_a_context_that_is_not_bundled_is_never_fetched():
    document = open_badge(FACE, number=1) | {"@context": ["https://elsewhere.example.org/context"]}
    with pytest.raises(ValueError, match=r"bundled|credential"):
        credentials.sign(document, private_key=KEY, method="did:web:x#k", created=NOW)
