"""Files in a folder. A name is shown to nobody before the file is whole and on the disk."""

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lms.core.storage.port import Busy, Storage, Stored, WrongOffset, checked
from lms.core.storage.scratch import Scratch

log = logging.getLogger("lms.storage")

CHUNK_BYTES = 256 * 1024


class LocalStorage(Scratch, Storage):
    """Files in one folder, of this machine or of one that it shares."""

    is_remote = False

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
        """Where the file or folder ``key`` lies. Raises FileNotFoundError."""
        found = self._resolve(key)
        if not found.exists():
            raise FileNotFoundError(key)
        return found

    def read(self, key: str) -> bytes:
        """See Storage."""
        return self.path(key).read_bytes()

    def size(self, key: str) -> int:
        """See Storage."""
        found = self.path(key)
        if not found.is_file():
            raise FileNotFoundError(key)
        return found.stat().st_size

    def chunks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See Storage."""
        return _read(self.path(key), start, stop)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """See Storage."""
        yield self.path(key)

    def address(self, key: str, *, method: str) -> str:
        """See Storage."""
        self.path(key)
        return key

    def exists(self, key: str) -> bool:
        """See Storage."""
        return self._resolve(key).exists()

    def names(self, key: str) -> list[str]:
        """See Storage."""
        found = self._resolve(key)
        return sorted(path.name for path in found.iterdir()) if found.is_dir() else []

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

    def send_ahead(self, path: Path, key: str) -> None:
        """See Storage: to adopt is one rename here."""

    def adopt(self, path: Path, key: str) -> None:
        """See Storage."""
        target = self._resolve(key)
        _make_folder(target.parent)
        path.rename(target)
        _sync_folder(target.parent)

    def discard(self, path: Path) -> None:
        """See Storage."""
        path.unlink(missing_ok=True)

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

    def grown(self, key: str) -> int:
        """See Storage."""
        target = self._resolve(key)
        return target.stat().st_size if target.is_file() else 0

    def second_name(self, key: str) -> Path:
        """See Storage."""
        name = self._temp / f"upload-{secrets.token_hex(8)}"
        name.hardlink_to(self.path(key))
        return name

    def everything(self) -> Iterator[Stored]:
        """See Storage."""
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if name.startswith(".tmp") or path.is_symlink() or not path.is_file():
                continue
            with suppress(FileNotFoundError):  # removed this moment
                stat = path.stat()
                yield Stored(name, stat.st_size, stat.st_mtime_ns)

    def contents(self, name: str) -> Iterator[bytes]:
        """See Storage."""
        return _read(self.root / name, 0, None)

    def put_back(self, path: Path, stored: Stored) -> None:
        """See Storage."""
        target = self.root / stored.name
        if not target.resolve().is_relative_to(self.root.resolve()):
            raise ValueError(stored.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, ns=(stored.changed_ns, stored.changed_ns))
        with target.open("rb") as file:
            os.fsync(file.fileno())

    def _resolve(self, key: str) -> Path:
        return self.root / checked(key)


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


def _read(path: Path, start: int, stop: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start, os.SEEK_SET)
        left = path.stat().st_size - start if stop is None else stop - start
        while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
