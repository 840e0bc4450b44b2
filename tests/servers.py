"""Real servers around the product: nginx with the configuration that `lms deploy nginx` writes, PostgreSQL and Redis."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
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
