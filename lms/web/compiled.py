"""Templates as Python compiled them, kept over restarts: what a page costs that nobody has asked for since the server began.

Only for the web server's own user: who may write into the folder decides what its readers do. So the signer, who stands apart
for the sake of its keys, has no part in it.
"""

import contextlib
import hashlib
import shutil
from pathlib import Path

from flask import Flask
from jinja2.bccache import Bucket, FileSystemBytecodeCache


class _Kept(FileSystemBytecodeCache):
    """A folder that may be full, lost or damaged: then a template is compiled as if there were none."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """See Jinja."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # noqa: BLE001 (whatever half a file may hold; it is written anew)
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """See Jinja."""
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


def keep_templates(app: Flask, folder: Path) -> None:
    """Keep compiled templates under ``folder``, apart for each build of the program (a filter may be worked out in them)."""
    kept = folder / build_of(Path(app.root_path), Path(app.template_folder or ""))
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old != kept:
                shutil.rmtree(old, ignore_errors=True)
    app.jinja_env.bytecode_cache = _Kept(str(kept))


def build_of(*folders: Path) -> str:
    """Names a build by sizes and times of its files, as Python does for its own."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.suffix != ".pyc"):
        about = path.stat()
        found.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]
