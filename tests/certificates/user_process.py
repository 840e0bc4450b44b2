"""A worker or signer that works as another user: ``python -m tests.certificates.user_process worker|signer SETTINGS UID GID``.

It loads all it needs before it becomes that user, who may not be able to read this Python.
"""

import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":
    from lms.app import create_app
    from lms.certificates.jobs import key_trouble
    from lms.certificates.rendering import render_face
    from lms.core import signing
    from lms.core.jobs import Worker
    from lms.core.signer import Signer
    from lms.settings import load, read_file
    from tests.outside.test_pdf_tools import FACE

    at = datetime(2026, 11, 1, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        signing.create_authority(keys, organisation="x", at=at, passphrase="x" * 12, kind=signing.P256)
        signer = signing.load_signer(keys, "x" * 12)
        signing.sign_pdf(render_face(FACE), signer=signer, reason="x", location="x", at=at)

    kind, file, uid, gid = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.umask(0o007)
    os.environ["HOME"] = "/"
    app = create_app(load(read_file(Path(file))))
    working = Signer(app, trouble=key_trouble, sweep_s=0.5) if kind == "signer" else Worker(app, sweep_s=0.5)
    signal.signal(signal.SIGTERM, lambda *_: working.stop())
    working.run()
