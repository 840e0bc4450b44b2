"""Files in a bucket. What was acknowledged lies there; this machine's disk holds only what is on the way.

A file is shown to nobody before it is whole: S3 shows an object when all of it is there, and of a published folder the row that
names it is committed afterwards.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from lms.core import ids
from lms.core.storage.objects import Objects
from lms.core.storage.port import Storage, Stored, WrongOffset, checked
from lms.core.storage.scratch import Scratch
from lms.settings import Settings

log = logging.getLogger("lms.storage")

AHEAD = "ahead"
"""``ahead/<name>`` names an object that was sent before its transaction; adopted, the note is gone, and without it the object
would be nobody's for ever."""

PIECES = "pieces"
"""``pieces/<key>/<first byte>-<byte after the last>``: what has come in of a file that grows. Not below the key itself: several
services keep objects as files, and no file is a folder as well."""


class BucketStorage(Scratch, Storage):
    """Objects under their keys; ``root`` is this machine's disk for what is on the way."""

    is_remote = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.media_dir)
        self.objects = Objects(settings)
        self._ahead: dict[Path, str] = {}

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """See Storage."""
        digest = hashlib.sha256(data).hexdigest()
        key = checked(f"{kind}/{digest[:2]}/{digest}{suffix}")
        if not self.objects.has(key):
            self.objects.put(key, data)
        return key

    def read(self, key: str) -> bytes:
        """See Storage."""
        return self.objects.get(checked(key))

    def size(self, key: str) -> int:
        """See Storage."""
        return self.objects.facts(checked(key)).size_bytes

    def chunks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See Storage."""
        return self.objects.ranges(key, start, self.objects.facts(key).size_bytes if stop is None else stop)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """See Storage."""
        with self.temporary("fetched-") as folder:
            path = folder / PurePosixPath(checked(key)).name
            self._fetch(self.chunks(key), path)
            yield path

    def address(self, key: str, *, method: str) -> str:
        """See Storage."""
        way: Literal["GET", "HEAD"] = "HEAD" if method == "HEAD" else "GET"
        return f"{key}?{self.objects.signed(checked(key), method=way).partition('?')[2]}"

    def exists(self, key: str) -> bool:
        """See Storage."""
        return self.objects.has(checked(key)) or next(self.objects.below(key), None) is not None

    def names(self, key: str) -> list[str]:
        """See Storage."""
        return self.objects.directly_below(checked(key))

    def publish(self, folder: Path, key: str) -> None:
        """See Storage. Nobody asks for any of it before a row names the folder."""
        checked(key)
        fresh = {
            f"{key}/{path.relative_to(folder).as_posix()}": path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        for name, path in fresh.items():
            self.objects.put(checked(name), path)
        self.objects.delete([one.name for one in self.objects.below(key) if one.name not in fresh])

    def remove(self, key: str) -> None:
        """See Storage."""
        found = [one.name for place in (checked(key), f"{PIECES}/{key}") for one in self.objects.below(place)]
        self.objects.delete([*found, key] if self.objects.has(key) else found)

    def send_ahead(self, path: Path, key: str) -> None:
        """See Storage."""
        self.objects.put(_note_of(key), key.encode())
        self._ahead[path] = key
        self.objects.put(checked(key), path)

    def adopt(self, path: Path, key: str) -> None:
        """See Storage."""
        if self._ahead.get(path) == checked(key):
            del self._ahead[path]
            self.objects.delete([_note_of(key)])
        else:
            self.objects.put(key, path)
        path.unlink()

    def discard(self, path: Path) -> None:
        """See Storage."""
        path.unlink(missing_ok=True)
        if key := self._ahead.pop(path, ""):
            self.objects.delete([key, _note_of(key)])

    def grow(self, stream: BinaryIO, key: str, *, offset: int, most_bytes: int) -> int:
        """See Storage. Each piece is an object of its own: the next may come to another machine.

        Two requests at once for the same place bring the same bytes of the same file; no lock is needed, and what both
        brought is read once.
        """
        reached = self.grown(key)
        if reached != offset:
            raise WrongOffset(key)
        with self.temporary("piece-") as folder:
            piece = folder / "piece"
            size = _take(stream, piece, most_bytes - offset)
            if size:
                self.objects.put(f"{PIECES}/{key}/{offset:016d}-{offset + size:016d}", piece)
        return offset + size

    def grown(self, key: str) -> int:
        """See Storage."""
        return sum(stop - start for _name, start, stop in self._pieces(key))

    def second_name(self, key: str) -> Path:
        """See Storage."""
        path = self._temp / f"upload-{ids.public_id()}"
        pieces = self._pieces(key)
        if not pieces:
            raise FileNotFoundError(key)

        def joined() -> Iterator[bytes]:
            for name, start, stop in pieces:
                yield from self.chunks(name, start, stop)

        try:
            self._fetch(joined(), path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _pieces(self, key: str) -> list[tuple[str, int, int]]:
        """What has come in without a gap: objects, and the part of each that the one before has not brought."""
        found: list[tuple[int, int, str]] = []
        if self.objects.has(checked(key)):  # carried from a folder
            found.append((0, self.size(key), key))
        for one in self.objects.below(f"{PIECES}/{key}"):
            first, _dash, after = one.name.rpartition("/")[2].partition("-")
            found.append((int(first), int(after), one.name))
        reached = 0
        used: list[tuple[str, int, int]] = []
        for start, stop, name in sorted(found, key=lambda piece: (piece[0], -piece[1])):
            if start <= reached < stop:
                used.append((name, reached - start, stop - start))
                reached = stop
        return used

    def _fetch(self, chunks: Iterator[bytes], path: Path) -> None:
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def forget_leftovers(self, *, before: datetime) -> int:
        """See Storage."""
        gone = super().forget_leftovers(before=before)
        for note in self.objects.below(AHEAD):
            if note.changed_ns < before.timestamp() * 1_000_000_000:
                self.objects.delete([self.read(note.name).decode(), note.name])
                gone += 1
        return gone

    def everything(self) -> Iterator[Stored]:
        """See Storage. Of files that are still coming in nothing is copied: whoever sends one begins again."""
        return (one for one in self.objects.below() if not one.name.startswith((f"{AHEAD}/", f"{PIECES}/")))

    def contents(self, name: str) -> Iterator[bytes]:
        """See Storage."""
        return self.objects.ranges(name, 0, self.objects.facts(name).size_bytes)

    def put_back(self, path: Path, stored: Stored) -> None:
        """See Storage."""
        if stored.name.startswith("/") or ".." in PurePosixPath(stored.name).parts:
            raise ValueError(stored.name)
        self.objects.put(stored.name, path)


def _note_of(key: str) -> str:
    return f"{AHEAD}/{checked(key).replace('/', '.')}"


def _take(stream: BinaryIO, path: Path, most_bytes: int) -> int:
    """Write what the stream brings before it ends or breaks; returns how many bytes that is."""
    size = 0
    with path.open("wb") as file:
        while size < most_bytes:
            try:
                chunk = stream.read(min(1 << 18, most_bytes - size))
            except Exception as broken:  # noqa: BLE001 (the line broke, in one of the many ways a line can)
                log.info("the line broke after %s bytes: %s", size, broken)
                break
            if not chunk:
                break
            file.write(chunk)
            size += len(chunk)
    return size
