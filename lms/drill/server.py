"""The server of a drill: ``lms serve`` as a hospital starts it, killed without warning and started again."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Self

from lms.bench.processes import cpu_s, end, start
from lms.settings import Settings

STARTS_WITHIN_S = 60.0


class Serving:
    """The server's processes on one port of the loopback, over as many lives as the drill gives it."""

    def __init__(self, settings: Settings, *, processes: int = 1) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.kills = 0
        self._settings, self._processes = settings, processes
        self._process: subprocess.Popen[str] | None = None
        self._spent_s = 0.0
        self._began_s = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            end(self._process)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def start(self) -> None:
        """Start it, and wait until it answers. Raises RuntimeError where it does not."""
        given = self._settings
        self._process = start(
            ["lms.cli", "serve", "--bind", f"127.0.0.1:{self.port}", "--processes", str(self._processes)],
            group=True,
            LMS_ENV=given.env,
            LMS_DATA_DIR=str(given.data_dir),
            LMS_DATABASE_URL=given.database_url,
            LMS_BASE_URL=given.base_url,
            LMS_TRUSTED_PROXIES=str(given.trusted_proxies),
        )
        end_at = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < end_at and self._process.poll() is None:
            if self._answers():
                self._began_s = self._now_s()
                return
            time.sleep(0.05)
        raise RuntimeError("the server of the drill did not start")

    def kill(self) -> None:
        """kill -9 of the whole group, and start it anew."""
        assert self._process is not None
        self._spent_s += max(0.0, self._now_s() - self._began_s)
        os.killpg(self._process.pid, signal.SIGKILL)
        end(self._process)
        self.kills += 1
        self.start()

    @property
    def spent_s(self) -> float:
        """CPU seconds of all its lives, without what starting costs."""
        return self._spent_s + max(0.0, self._now_s() - self._began_s)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        assert self._process is not None
        listed = subprocess.run(
            ["/bin/ps", "-A", "-o", "pid=,pgid="], check=True, capture_output=True, text=True
        ).stdout
        group = str(self._process.pid)
        return [int(pid) for pid, found in (line.split() for line in listed.splitlines()) if found == group]

    def _now_s(self) -> float:
        total = 0.0
        for pid in self.pids:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                total += cpu_s(pid)
        return total
