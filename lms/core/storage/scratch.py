"""This machine's own disk for what is on the way: half made, coming in, fetched for a while."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO


class Scratch:
    """The folder ``.tmp`` of a place; what lies in it belongs to one process and is swept once that is dead."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self._temp = root / ".tmp"
        self._temp.mkdir(exist_ok=True)

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
