"""Ed25519 keys of the site itself: each a file in the data folder, encrypted, made at first need, never overwritten."""

import contextlib
import os
import secrets
from pathlib import Path

from lms.core.digests import new_ed25519_key, read_ed25519_key
from lms.core.signing.faults import KeyAway
from lms.core.signing.keyring import LOG_KEY, passphrase_of
from lms.core.site import settings
from lms.settings import Settings

_opened: dict[tuple[Path, str], bytes] = {}


def site_key(name: str) -> bytes:
    """The private key (32 bytes) in the file ``name`` of the data folder; a signer that stands apart has that of the log."""
    path, passphrase = _place(settings(), name)
    if (path, passphrase) not in _opened:
        if not path.exists():
            # Where a signer stands apart, copies are made by its user, who is of the site's group.
            _make(path, passphrase, mode=0o640 if settings().signs_apart and name != LOG_KEY else 0o600)
        _opened[path, passphrase] = read_ed25519_key(path.read_bytes(), passphrase)
    return _opened[path, passphrase]


def _place(site: Settings, name: str) -> tuple[Path, str]:
    """Raises ``KeyAway`` where the log's key was left behind: another one would be a break in its heads."""
    if not (site.signs_apart and name == LOG_KEY):
        return site.data_dir / name, site.keys_passphrase
    if not (site.keys_dir / name).exists() and (site.data_dir / name).exists():
        raise KeyAway(f"{site.data_dir / name} belongs to the signer: lms certificates keys apart moves it")
    return site.keys_dir / name, passphrase_of(site)


def _make(path: Path, passphrase: str, *, mode: int) -> None:
    """Complete or not at all, and one only, however many processes need it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(new_ed25519_key(passphrase))
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(draft, path)
    finally:
        draft.unlink()
