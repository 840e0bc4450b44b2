"""The measured server: the product's own, which also says how many statements each request cost.

Started as a process of its own by ``lms.bench``: ``python -m lms.bench.server DATA_DIR SOCKET``.
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event

from lms.bench.client import HEADER
from lms.bench.site import settings_of
from lms.serving import Server

THREADS = 16
_CONTROL = ("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")


class CountingServer(Server):
    """The server with a count of statements on every answer; nothing else differs."""

    def load(self) -> Any:
        """Wrap the app once it is made in the web process."""
        return _counted(super().load())


def _counted(app: Flask) -> Callable[..., Iterable[bytes]]:
    # One number for the whole process: the answer writer works for a request in a thread of its own. Right as long as
    # one request is under way at a time, and so the measurements ask.
    count = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def _count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal count
        if not statement.startswith(_CONTROL):
            count += 1

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        before = count

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, (HEADER, str(count - before))], *rest)

        return app(environ, start)

    return answer


def _say_who(_app: Flask) -> None:
    """The number of the web process, for whoever measures it."""
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve the site in ``DATA_DIR`` on a listening socket that was handed over."""
    data_dir, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    CountingServer(settings_of(data_dir), bind=f"fd://{descriptor}", threads=THREADS, started=_say_who).run()


if __name__ == "__main__":
    main()
