"""Doorman of PyLD: W3C Verifiable Credentials 2.0 signed with ``eddsa-rdfc-2022``, their status lists, and badges with one inside.

Every context that may be named lies in ``contexts/``; nothing is ever fetched.
"""

import base64
import copy
import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from lms.core.digests import sign_ed25519, verify_ed25519

VC = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
_FOLDER = Path(__file__).resolve().parent / "contexts"
_FILES = {VC: "credentials-v2.json", OPEN_BADGES: "ob-v3p0-context-3.0.3.json"}

LIST_BITS = 131_072
"""Entries of one status list: the smallest that hides one among many (Bitstring Status List, 6.1)."""


def did_of(base_url: str) -> str:
    """The ``did:web`` of a site.

    >>> did_of("https://lms.example.org:8443")
    'did:web:lms.example.org%3A8443'
    """
    return "did:web:" + quote(urlsplit(base_url).netloc, safe=".-")


def key_id(did: str) -> str:
    """Name of the site's key in its DID document."""
    return f"{did}#credentials"


def did_document(did: str, public_key: bytes) -> dict[str, Any]:
    """What the site publishes as ``/.well-known/did.json``; ``public_key``: 32 bytes, Ed25519."""
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [
            {
                "id": key_id(did),
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": "z" + base58(b"\xed\x01" + public_key),
            }
        ],
        "assertionMethod": [key_id(did)],
    }


def key_in(document: Mapping[str, Any]) -> bytes:
    """The 32 bytes of the key that a DID document of a site publishes. Raises ``ValueError`` for anything else."""
    try:
        method = next(one for one in document["verificationMethod"] if one["id"] == key_id(document["id"]))
        multikey = unbase58(str(method["publicKeyMultibase"])[1:])
    except (KeyError, TypeError, StopIteration) as problem:
        raise ValueError("no DID document of a site") from problem
    if len(multikey) != 34 or not multikey.startswith(b"\xed\x01"):
        raise ValueError("not an Ed25519 key")
    return multikey[2:]


def sign(
    document: Mapping[str, Any], *, private_key: bytes, method: str, created: datetime
) -> dict[str, Any]:
    """``document`` with its proof (VC Data Integrity EdDSA Cryptosuites, ``eddsa-rdfc-2022``). The same in, the same out.

    Raises ``ValueError`` for a document that names a context which is not bundled, or a term that none of them defines.
    """
    proof = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    signature = sign_ed25519(_hashes(document, proof), private_key=private_key)
    return {**copy.deepcopy(dict(document)), "proof": {**proof, "proofValue": "z" + base58(signature)}}


def is_genuine(credential: Mapping[str, Any], *, public_key: bytes) -> bool:
    """Whether the proof is that of the document under this key."""
    try:
        document = {key: value for key, value in credential.items() if key != "proof"}
        proof = dict(credential["proof"])
        signature = unbase58(str(proof.pop("proofValue"))[1:])
        return proof["cryptosuite"] == "eddsa-rdfc-2022" and verify_ed25519(
            _hashes(document, proof), signature, public_key=public_key
        )
    except (KeyError, TypeError, ValueError):
        return False


def _hashes(document: Mapping[str, Any], proof: Mapping[str, Any]) -> bytes:
    configuration = {"@context": document["@context"], **proof}
    return b"".join(hashlib.sha256(_canonical(one)).digest() for one in (configuration, dict(document)))


def _canonical(document: Mapping[str, Any]) -> bytes:
    from pyld import jsonld

    try:
        text: str = jsonld.normalize(
            document,
            {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": _bundled},
        )
    except jsonld.JsonLdError as problem:
        raise ValueError(f"not a credential: {problem}") from problem
    return text.encode()


def _bundled(url: str, _options: Any = None) -> dict[str, Any]:
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": _context(url),
    }


@cache
def _context(url: str) -> Any:
    if url not in _FILES:
        raise ValueError(f"not among the bundled contexts: {url}")
    return json.loads((_FOLDER / _FILES[url]).read_text(encoding="utf-8"))


# ---------------------------------------------------------------- status


def status_place(number: int) -> tuple[int, int]:
    """(number of the list, index in it) of the credential with this number."""
    return number // LIST_BITS + 1, number % LIST_BITS


def status_list(
    url: str,
    *,
    issuer: str,
    purpose: str,
    indexes: Collection[int],
    valid_from: datetime,
    valid_until: datetime,
) -> dict[str, Any]:
    """The unsigned list in which the bits of ``indexes`` are set (W3C Bitstring Status List 1.0)."""
    bits = bytearray(LIST_BITS // 8)
    for index in indexes:
        bits[index // 8] |= 0x80 >> index % 8  # index 0 is the left-most bit
    packed = base64.urlsafe_b64encode(gzip.compress(bytes(bits), 9, mtime=0)).rstrip(b"=").decode()
    return {
        "@context": [VC],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": _moment(valid_from),
        "validUntil": _moment(valid_until),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": f"u{packed}",
        },
    }


def is_listed(document: Mapping[str, Any], index: int) -> bool:
    """Whether the bit at ``index`` of a status list is set."""
    packed = document["credentialSubject"]["encodedList"][1:]
    bits = gzip.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return bool(bits[index // 8] & 0x80 >> index % 8)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- files


def as_file(credential: Mapping[str, Any]) -> bytes:
    """The credential as the file that is handed out."""
    return json.dumps(credential, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


_PNG = b"\x89PNG\r\n\x1a\n"


def bake(picture: bytes, credential: Mapping[str, Any]) -> bytes:
    """A PNG that carries the credential (Open Badges 3.0, 5.3.2.1: an ``iTXt`` chunk before the picture's data)."""
    if not picture.startswith(_PNG):
        raise ValueError("a badge is a PNG")
    head = len(_PNG) + 25  # the first chunk is always the 13 bytes of IHDR
    data = b"openbadgecredential\x00\x00\x00\x00\x00" + as_file(credential)
    chunk = b"iTXt" + data
    return (
        picture[:head]
        + struct.pack(">I", len(data))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + picture[head:]
    )


_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    """Base58 as Bitcoin writes it (Multibase ``z`` without its letter)."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = _ALPHABET[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def unbase58(text: str) -> bytes:
    """The bytes that ``base58`` wrote. Raises ``ValueError``."""
    number = 0
    for letter in text:
        number = number * 58 + _ALPHABET.index(letter)
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return b"\0" * (len(text) - len(text.lstrip("1"))) + body
