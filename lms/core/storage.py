"""Files behind one port: a local folder now. A name is shown to nobody before the file is whole and on the disk."""

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

log = logging.getLogger("lms.storage")

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class Storage(Protocol):
    """What the house asks of a place for files. Keys are lower-case paths without ``..``."""

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """Keep ``data`` under its SHA-256; returns the key. Twice the same bytes is one file."""

    def path(self, key: str) -> Path:
        """A local path to read the file or folder ``key``. Raises FileNotFoundError."""

    def exists(self, key: str) -> bool:
        """Whether ``key`` is there and whole."""

    def publish(self, folder: Path, key: str) -> None:
        """Make a finished temporary folder visible as ``key`` by one rename, durable before it returns."""

    def remove(self, key: str) -> None:
        """Forget ``key``, file or folder; nothing happens if it is not there."""

    def temporary(self, prefix: str = "job-") -> AbstractContextManager[Path]:
        """A folder from which ``publish`` is one rename, removed afterwards unless it was published."""

    def receive(self, stream: BinaryIO, *, limit_bytes: int) -> Path:
        """Write an upload to a temporary file; raises ValueError as soon as it passes the limit."""

    def adopt(self, path: Path, key: str) -> None:
        """Move a received file to its key by one rename."""

    def grow(self, stream: BinaryIO, key: str, *, offset: int, most_bytes: int) -> int:
        """Append to ``key`` what the stream brings, until ``most_bytes`` lie there; returns how many do, durably.

        What arrived before a broken line stays. Raises WrongOffset where the file does not end at ``offset``, and Busy
        while an earlier request of the same file still runs. ``offset`` 0 begins the file.
        """

    def second_name(self, key: str) -> Path:
        """A temporary second name of a file, to be adopted or removed without losing the first."""

    def free_bytes(self) -> int:
        """Room that is left for files."""

    def forget_leftovers(self, *, before: datetime) -> int:
        """Remove what dead processes left behind half made, untouched since ``before``; returns how many."""


class Busy(Exception):
    """Another request is still writing this file."""


class WrongOffset(Exception):
    """The file does not end where the sender believes."""


class LocalStorage(Storage):
    """Files in one folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self._temp = root / ".tmp"
        self._temp.mkdir(exist_ok=True)

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """See Storage."""
        digest = hashlib.sha256(data).hexdigest()
        key = f"{kind}/{digest[:2]}/{digest}{suffix}"
        target = self._resolve(key)
        if target.exists():
            return key
        handle, name = tempfile.mkstemp(dir=self._temp)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _make_folder(target.parent)
        Path(name).chmod(0o640)
        Path(name).rename(target)
        _sync_folder(target.parent)
        return key

    def path(self, key: str) -> Path:
        """See Storage."""
        found = self._resolve(key)
        if not found.exists():
            raise FileNotFoundError(key)
        return found

    def exists(self, key: str) -> bool:
        """See Storage."""
        return self._resolve(key).exists()

    def publish(self, folder: Path, key: str) -> None:
        """See Storage."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        for path in [p for p in folder.rglob("*") if p.is_dir()] + [folder]:
            _sync_folder(path)
        target = self._resolve(key)
        _make_folder(target.parent)
        folder.chmod(0o755)  # the web server in front may read it as another user
        with self.temporary() as aside:
            if target.exists():  # left by a crash between rename and commit; the row never named it
                target.rename(aside / "left")  # whole or not there, never half removed
            folder.rename(target)
        _sync_folder(target.parent)

    def remove(self, key: str) -> None:
        """See Storage."""
        target = self._resolve(key)
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)

    @contextmanager
    def temporary(self, prefix: str = "job-") -> Iterator[Path]:
        """See Storage."""
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=self._temp))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def receive(self, stream: BinaryIO, *, limit_bytes: int) -> Path:
        """See Storage."""
        handle, name = tempfile.mkstemp(prefix="upload-", dir=self._temp)
        path = Path(name)
        size = 0
        try:
            with os.fdopen(handle, "wb") as file:
                while chunk := stream.read(1 << 20):
                    size += len(chunk)
                    if size > limit_bytes:
                        raise ValueError("too large")  # noqa: TRY301 (the clean-up below is the same for all)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def adopt(self, path: Path, key: str) -> None:
        """See Storage."""
        target = self._resolve(key)
        _make_folder(target.parent)
        path.rename(target)
        _sync_folder(target.parent)

    def grow(self, stream: BinaryIO, key: str, *, offset: int, most_bytes: int) -> int:
        """See Storage."""
        target = self._resolve(key)
        if not target.exists():
            _make_folder(target.parent)
            target.touch(mode=0o640)
            _sync_folder(target.parent)
        with target.open("r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(key) from None
            size = file.seek(0, os.SEEK_END)
            if size != offset:
                raise WrongOffset(key)
            try:
                while size < most_bytes and (chunk := stream.read(min(1 << 18, most_bytes - size))):
                    written = 0
                    while written < len(chunk):
                        written += file.write(chunk[written:])
                    size += len(chunk)
            except Exception as broken:  # noqa: BLE001 (the line broke, in one of the many ways a line can)
                log.info("%s: the line broke after %s bytes: %s", key, size, broken)
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def second_name(self, key: str) -> Path:
        """See Storage."""
        name = self._temp / f"upload-{secrets.token_hex(8)}"
        name.hardlink_to(self.path(key))
        return name

    def free_bytes(self) -> int:
        """See Storage."""
        return shutil.disk_usage(self.root).free

    def forget_leftovers(self, *, before: datetime) -> int:
        """See Storage."""
        gone = 0
        for path in self._temp.iterdir():
            try:
                newest = max(one.stat().st_mtime for one in (path, *path.rglob("*")))
            except FileNotFoundError:  # its owner is alive and just took it away
                continue
            if newest < before.timestamp():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _resolve(self, key: str) -> Path:
        if not _KEY.fullmatch(key) or ".." in key:
            raise FileNotFoundError(key)
        return self.root / key


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, each one's name on the disk before anything is put inside."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_current: Storage | None = None


def init_storage(root: Path) -> Storage:
    """Choose the place for this process; called by ``create_app``."""
    global _current
    _current = LocalStorage(root)
    return _current


def storage() -> Storage:
    """The place of this process; callers find in ``Storage`` all they may ask of it."""
    if _current is None:
        raise RuntimeError("no storage chosen")
    return _current
