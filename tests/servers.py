"""Real servers around the product: nginx with the configuration that `lms deploy nginx` writes, PostgreSQL and Redis, an S3 service."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from lms.operations import deploy
from lms.settings import Settings


def services() -> ModuleType:
    """tools/services.py, which knows where the server programs are."""
    spec = importlib.util.spec_from_file_location(
        "services", Path(__file__).parent.parent / "tools" / "services.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def nginx(settings: Settings, folder: Path, *, port: int, bind: Sequence[str]) -> Iterator[None]:
    """An nginx that listens on ``port`` (that of the settings' address) and sends people to ``bind``."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("nginx is not here")
    server = deploy.written("nginx", settings, bind=bind)["firefly.conf"]
    places = "".join(
        f"    {name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    user = "user root;\n" if os.getuid() == 0 else ""  # of this test only: it must read a folder of ours
    conf.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{places}{server}}}\n",
        encoding="utf-8",
    )
    subprocess.run([program, "-t", "-q", "-p", folder, "-c", conf], check=True)
    process = subprocess.Popen([program, "-p", folder, "-c", conf], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.monotonic() > end:
                pytest.fail((folder / "nginx.log").read_text())
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


class ObjectStore:
    """A real S3 service (nanio) over a folder: it checks every signature, signed addresses too, and can be away for a while."""

    ACCESS_KEY, SECRET_KEY = "firefly-tests", "a secret of the tests only"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer, with everything that was kept before."""
        program = Path(sys.executable).parent / "nanio"
        self._process = subprocess.Popen(
            [program, "serve", "--data-dir", self.folder, "--host", "127.0.0.1", f"--port={self.port}", "--log-level=error"],
            env={**os.environ, "NANIO_ACCESS_KEY": self.ACCESS_KEY, "NANIO_SECRET_KEY": self.SECRET_KEY},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if time.monotonic() > end or self._process.poll() is not None:
                pytest.fail("the S3 service does not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """Be away, as after a power cut."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def new_bucket(self) -> dict[str, str]:
        """Settings that name an empty bucket."""
        name = f"firefly-{secrets.token_hex(4)}"
        (self.folder / name).mkdir(parents=True)
        return {
            "media_url": f"s3://{name}/media",
            "media_endpoint": self.address,
            "media_access_key": self.ACCESS_KEY,
            "media_secret_key": self.SECRET_KEY,
        }
