"""The command `lms demo`: builds the demonstration where none stands, and serves it.

The programme is built by a process that ends with it, so that the one that stays, which only watches the web process, is small.
"""

import multiprocessing
import shutil
import socket
import sys
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from lms.serving import Server
from lms.settings import Settings, for_demonstration

if TYPE_CHECKING:
    from flask import Flask

MARK = "demonstration"
"""The file that says that a folder is a demonstration's, and may be removed."""


def main(*, port: int, data: Path, open_browser: bool, reset: bool) -> int:
    """Build and serve; prints Ready once a lecture plays."""
    data = data.resolve()
    if not _port_is_free(port):
        print(f"lms: port {port} is in use; choose another one with --port", file=sys.stderr)
        return 2
    if not _is_ours(data):
        print(
            f"lms: {data} holds something that is no demonstration; nothing was changed. Name another folder with --data",
            file=sys.stderr,
        )
        return 2
    if reset and data.exists():
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / MARK).touch()
    address = f"http://127.0.0.1:{port}"
    settings = for_demonstration(data_dir=data, base_url=address)
    print("Building the demonstration programme …", flush=True)
    builder = multiprocessing.get_context("spawn").Process(target=_build, args=(data, address))
    builder.start()
    builder.join()
    if builder.exitcode:
        return 1

    def started(serving: "Flask") -> None:
        from lms import demo
        from lms.core import clock

        serving.config["DEMO_ACCOUNTS"] = demo.accounts_shown()
        while demo.videos_ready(serving)[0] == 0 and demo.videos_ready(serving)[1]:
            time.sleep(0.5)
        print(_ready(settings), flush=True)
        if open_browser:
            webbrowser.open(settings.base_url)
        while (counts := demo.videos_ready(serving))[0] < counts[1]:
            time.sleep(1)
        demo.enliven(serving, at=clock.now())

    Server(settings, bind=f"127.0.0.1:{port}", threads=12, with_worker=True, started=started).run()
    return 0


def _build(data: Path, address: str) -> None:
    from lms import demo
    from lms.app import create_app
    from lms.core import clock

    settings = for_demonstration(data_dir=data, base_url=address)
    demo.prepare(settings)
    demo.build(create_app(settings), at=clock.now())


def _ready(settings: Settings) -> str:
    from lms.demo import PASSWORD, PIN, accounts_shown

    width = max(len(login) for _name, _role, login, _password in accounts_shown())
    lines = [
        f"Ready: {settings.base_url}",
        "",
        f"Demonstration accounts (password {PASSWORD}, PIN {PIN}):",
    ]
    lines += [f"  {login:<{width}}  {role:<14} {name}" for name, role, login, _password in accounts_shown()]
    lines += ["", f"Everything it writes is in {settings.data_dir}. Stop with Ctrl+C."]
    return "\n".join(lines)


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ours(data: Path) -> bool:
    """Whether a folder is empty, not there yet, or a demonstration's."""
    return not data.exists() or not any(data.iterdir()) or (data / MARK).exists()
