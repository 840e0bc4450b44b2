"""Where a site's signing keys lie, how they open, and how they move to a user who alone may read them."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from lms.core.signing.authority import (
    CREDENTIALS,
    ISSUING_KEY,
    ROOT_KEY,
    SIGNER,
    SIGNER_OPEN,
    STAMPER,
    STAMPER_OPEN,
    load_bundle,
    write,
)
from lms.core.signing.faults import KeyAway, SigningFailed
from lms.core.signing.tokens import Token
from lms.settings import Settings

LOG_KEY = "log.key"
PRIVATE = (SIGNER, STAMPER, CREDENTIALS, ROOT_KEY, ISSUING_KEY, LOG_KEY)
"""Files of the folder that nobody but the signer may read; all others are public."""


def passphrase_of(settings: Settings) -> str:
    """What opens the signing keys: the signer's own passphrase, or where there is none, the site's. Raises ``KeyAway``."""
    if not settings.signer_passphrase_file:
        return settings.keys_passphrase
    try:
        found = Path(settings.signer_passphrase_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise KeyAway(f"the passphrase of the signing keys cannot be read: {problem}") from problem
    if not found:
        raise KeyAway(f"there is no passphrase in {settings.signer_passphrase_file}")
    return found


def token_of(settings: Settings) -> Token | None:
    """The token that holds the signer's key; None where the key is a file."""
    if not settings.pkcs11_module:
        return None
    return Token(
        Path(settings.pkcs11_module),
        settings.pkcs11_token,
        settings.pkcs11_key,
        Path(settings.pkcs11_pin_file),
    )


def private_files(folder: Path) -> list[Path]:
    """The files with private keys that are there."""
    return [folder / name for name in PRIVATE if (folder / name).exists()]


def relocked(path: Path, before: str, after: str) -> bytes:
    """A file with a key, locked with another passphrase. Raises ``SigningFailed``."""
    lock = BestAvailableEncryption(after.encode())
    if path.suffix == ".p12":
        key, chain = load_bundle(path, before)
        return pkcs12.serialize_key_and_certificates(path.stem.encode(), key, chain[0], chain[1:], lock)
    try:
        opened = load_pem_private_key(path.read_bytes(), before.encode())
    except (OSError, ValueError) as problem:
        raise SigningFailed(f"cannot open {path.name}: {problem}") from problem
    return opened.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def take_in(settings: Settings) -> None:
    """Keys of the authorities that were in their safe while the passphrase changed are locked with the signer's of today.

    Raises ``KeyAway``.
    """
    passphrase = passphrase_of(settings)
    if passphrase == settings.keys_passphrase:
        return
    for name in (ROOT_KEY, ISSUING_KEY):
        path = settings.keys_dir / name
        if not path.exists():
            continue
        try:
            load_pem_private_key(path.read_bytes(), passphrase.encode())
        except ValueError:
            write(path, relocked(path, settings.keys_passphrase, passphrase), mode=0o600)


def set_apart(folder: Path, to: Path, *, before: str, after: str, owner: tuple[int, int]) -> None:
    """Copy every key to the folder ``to``, locked with ``after`` and owned by ``owner`` (user, group); nothing is taken away.

    What is public may be read by everybody there, the rest by the owner alone. The folder appears complete or not at all.
    Raises ``SigningFailed``, and ``FileExistsError`` where something lies at ``to``.
    """
    if to.exists() and any(to.iterdir()):
        raise FileExistsError(f"{to} is not empty")
    to.parent.mkdir(parents=True, exist_ok=True)
    fresh = to.with_name(f".{to.name}-fresh")
    fresh.mkdir(mode=0o700, exist_ok=True)
    private = private_files(folder)
    for path in sorted(folder.rglob("*")):
        inside = fresh / path.relative_to(folder)
        if path.is_dir():
            inside.mkdir(exist_ok=True)
        else:
            data = relocked(path, before, after) if path in private else path.read_bytes()
            write(inside, data, mode=0o600 if path in private else 0o644)
    for bundle, beside in ((SIGNER, SIGNER_OPEN), (STAMPER, STAMPER_OPEN)):
        if (folder / bundle).exists() and not (fresh / beside).exists():
            chain = load_bundle(folder / bundle, before)[1]
            pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
            write(fresh / beside, pem, mode=0o644)
    own(fresh, owner)
    fresh.rename(to)


def own(folder: Path, owner: tuple[int, int]) -> None:
    """Give the folder and all in it to ``owner``, private files readable by nobody else."""
    private = private_files(folder)
    for path in (*folder.rglob("*"), folder):
        os.chown(path, *owner)
        path.chmod(0o755 if path.is_dir() else 0o600 if path in private else 0o644)
