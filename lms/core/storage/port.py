"""What the house asks of a place for files, whichever it is."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from lms.core.errors import LmsError
from lms.core.i18n import _

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".png": "image/png",
    ".vtt": "text/vtt; charset=utf-8",
    ".pdf": "application/pdf",
    ".json": "application/json",
}
"""The files that browsers are given, by the ending of their names."""


class Busy(Exception):
    """Another request is still writing this file."""


class WrongOffset(Exception):
    """The file does not end where the sender believes."""


class Away(LmsError):
    """The place of the files does not answer, or not as it should; it passes. The text says what it said."""

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return _(
            "The place where files are kept does not answer. Whatever needs no file works on, and nothing you saved is lost. Try "
            "again in a minute."
        )


@dataclass(frozen=True)
class Stored:
    """A file as it stands, for copies."""

    name: str
    """Its key; of a folder also names that are no keys, where somebody laid a file there by hand."""
    size_bytes: int
    changed_ns: int
    """Instant of its last change, in nanoseconds since 1970."""


class Storage(Protocol):
    """What the house asks of a place for files. Keys are lower-case paths without ``..``.

    Everything may raise Away where the place is another machine.
    """

    is_remote: bool
    """Whether files lie on another machine, which may be out of reach for a while."""

    def put(self, kind: str, data: bytes, *, suffix: str = "") -> str:
        """Keep ``data`` under its SHA-256; returns the key. Twice the same bytes is one file."""

    def read(self, key: str) -> bytes:
        """All of a small file. Raises FileNotFoundError."""

    def size(self, key: str) -> int:
        """How many bytes a file has. Raises FileNotFoundError."""

    def chunks(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from ``start`` up to ``stop``. Raises FileNotFoundError before the first."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """A path on this machine to read the file ``key``, for as long as the context lasts. Raises FileNotFoundError."""

    def address(self, key: str, *, method: str) -> str:
        """Where a web server in front gets the file: its key, and what opens it there for some minutes."""

    def exists(self, key: str) -> bool:
        """Whether ``key``, file or folder, is there and whole."""

    def names(self, key: str) -> list[str]:
        """What lies in the folder ``key``, files and folders; nothing if it is not there."""

    def publish(self, folder: Path, key: str) -> None:
        """Make a finished temporary folder visible as ``key``, durable before it returns. What was there before is gone."""

    def remove(self, key: str) -> None:
        """Forget ``key``, file or folder; nothing happens if it is not there."""

    def temporary(self, prefix: str = "job-") -> AbstractContextManager[Path]:
        """A folder on this machine from which one publishes, removed afterwards."""

    def receive(self, stream: BinaryIO, *, limit_bytes: int) -> Path:
        """Write an upload to a temporary file of this machine; raises ValueError as soon as it passes the limit."""

    def send_ahead(self, path: Path, key: str) -> None:
        """What of ``adopt`` takes long, done before a transaction: nothing in a folder, all of it in a bucket."""

    def adopt(self, path: Path, key: str) -> None:
        """Move a received file to its key."""

    def discard(self, path: Path) -> None:
        """Forget a received file, and what was sent ahead of it, unless it was adopted."""

    def grow(self, stream: BinaryIO, key: str, *, offset: int, most_bytes: int) -> int:
        """Append to ``key`` what the stream brings, until ``most_bytes`` lie there; returns how many do, durably.

        What arrived before a broken line stays. Raises WrongOffset where the file does not end at ``offset``, and Busy
        where an earlier request of the same file still runs and both cannot. ``offset`` 0 begins the file.
        """

    def grown(self, key: str) -> int:
        """How many bytes of a growing file have come in; 0 where nothing has."""

    def second_name(self, key: str) -> Path:
        """A temporary second name of a file that has grown, to be adopted or discarded without losing the first."""

    def free_bytes(self) -> int:
        """Room that is left on this machine; whatever comes in passes through it."""

    def forget_leftovers(self, *, before: datetime) -> int:
        """Remove what dead processes left behind half made, untouched since ``before``; returns how many."""

    def everything(self) -> Iterator[Stored]:
        """Every file, for copies, in the order of their names."""

    def contents(self, name: str) -> Iterator[bytes]:
        """The bytes of a file that ``everything`` named, whatever its name. Raises FileNotFoundError."""

    def put_back(self, path: Path, stored: Stored) -> None:
        """Put a file of a copy in its place. Raises ValueError for a name that leads elsewhere."""


def checked(key: str) -> str:
    """The key itself. Raises FileNotFoundError for what is none."""
    if not _KEY.fullmatch(key) or ".." in key:
        raise FileNotFoundError(key)
    return key


def media_type(key: str) -> str:
    """What a file is, by the ending of its name."""
    return TYPES.get(Path(key).suffix, "application/octet-stream")
