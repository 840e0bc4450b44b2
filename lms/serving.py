"""The web server: gunicorn's processes and their threads around the app (docs/decisions/0017-web-processes.md)."""

import os
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from lms.core import memory
from lms.core.copies import is_sqlite
from lms.settings import Settings


def fitting_processes(settings: Settings) -> int:
    """How many web processes suit this machine: one for each core, as Python uses one at a time.

    With SQLite two at most, for they share one write lock; with PostgreSQL two at least, so that one may die.
    """
    cores = os.cpu_count() or 1
    return min(2, cores) if is_sqlite(settings.database_url) else max(2, cores)


class Server(BaseApplication):  # type: ignore[misc]
    """Serves one site until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        bind: str,
        processes: int = 1,
        threads: int = 16,
        with_worker: bool = False,
        started: Callable[[Flask], None] | None = None,
    ) -> None:
        self.settings, self.processes = settings, processes
        self.options = {
            "bind": bind,
            "workers": processes,
            "threads": threads,
            "worker_class": "gthread",
            "keepalive": 30,
            "timeout": 120,
            "graceful_timeout": 20,
            "loglevel": "warning",
            "proc_name": "firefly",
            "worker_tmp_dir": None,
            "control_socket_disable": True,
            "forwarded_allow_ips": "127.0.0.1",
        }
        self.with_worker = with_worker
        self.started = started
        super().__init__()

    def load_config(self) -> None:
        """Hand our options to gunicorn; unknown ones (of other versions) are left out."""
        for name, value in self.options.items():
            if name in self.cfg.settings and value is not None:
                self.cfg.set(name, value)

    def run(self) -> None:
        """Serve. Where several processes will, what they read in is read once, before they part, and shared."""
        memory.be_frugal()
        if self.processes > 1:
            import lms.app  # noqa: F401 (only to have it in memory)

            memory.share()
        super().run()

    def load(self) -> Any:
        """Make the app in the web process, with a worker thread beside it where asked.

        Imported here: beside a single web process gunicorn's own, which only watches, stays small.
        """
        from lms.app import create_app
        from lms.core import logs
        from lms.core.jobs import Worker
        from lms.web.compiled import keep_templates

        logs.configure()
        app = create_app(self.settings)
        keep_templates(app, self.settings.data_dir / "compiled")
        if self.with_worker:
            threading.Thread(target=Worker(app, sweep_s=3.0).run, daemon=True, name="worker").start()
        if self.started is not None:
            threading.Thread(target=self.started, args=(app,), daemon=True, name="started").start()
        return app
