"""The product's processes under measurement, and their CPU time."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lms.settings import NAMES, Settings


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that all threads of a process have had, also those that ended.

    On Linux from the process's own CPU clock, in nanoseconds (the sum of utime and stime in ``/proc/<pid>/stat`` is
    the same number cut to hundredths); elsewhere from ``ps``, in hundredths.
    """
    if sys.platform == "linux":
        return time.clock_gettime(
            (~pid << 3) | 2
        )  # clock_getcpuclockid(3): CPUCLOCK_SCHED of a whole process
    shown = subprocess.run(  # noqa: S603 (a number of ours)
        ["/bin/ps", "-o", "time=", "-p", str(pid)], check=True, capture_output=True, text=True
    ).stdout
    parts = [float(part) for part in re.split("[-:]", shown.strip())]
    return sum(part * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))


class Served:
    """The web server on a free port of the loopback."""

    def __init__(self, data_dir: Path) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            self.port: int = listening.getsockname()[1]
            self._process = start(
                ["lms.bench.server", str(data_dir), str(listening.fileno())], hand_over=(listening.fileno(),)
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if not said:
            self._process.wait()
            raise RuntimeError("the measured server did not start")
        self.pid = int(said)
        """Of the web process; gunicorn's own parent does nothing for a request."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _problem: BaseException | None, _trace: TracebackType | None
    ) -> None:
        end(self._process)


@dataclass(frozen=True)
class Working:
    """A worker process that has come to rest."""

    pid: int

    def spent_s(self, act: Callable[[], None]) -> float:
        """CPU seconds that the worker had for what ``act`` gave it to do, until it rests again."""
        before = cpu_s(self.pid)
        act()
        _rest(self.pid)
        return cpu_s(self.pid) - before


@contextmanager
def working(settings: Settings) -> Iterator[Working]:
    """The worker on the site; it says besides what it asks of the database (``lms.bench.worker``)."""
    process = start(["lms.bench.worker", str(settings.data_dir)])
    try:
        _rest(process.pid)
        yield Working(process.pid)
    finally:
        end(process)


COUNTS = "statements.json"
"""In the folder of a site: job → statements since its measured worker has started."""


def counts(data_dir: Path) -> Counter[str]:
    """What the worker of the site in ``data_dir`` has written down so far."""
    path = data_dir / COUNTS
    return Counter(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})


REST_S = 1.0
_IDLE_SHARE = 0.02


def _rest(pid: int) -> None:
    """Wait until a process has hardly worked for a second (a worker looks for messages three times in it)."""
    while True:
        before = cpu_s(pid)
        time.sleep(REST_S)
        spent = cpu_s(pid) - before
        if 0 < spent < _IDLE_SHARE * REST_S:
            return


def start(
    arguments: list[str],
    *,
    hand_over: tuple[int, ...] = (),
    group: bool = False,
    **variables: str,
) -> "subprocess.Popen[str]":
    """A module of ours as a process, with no setting of the surroundings; ``group``: at the head of a group of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in {f"LMS_{one}" for one in NAMES}}
    return subprocess.Popen(  # noqa: S603 (our own modules)
        [sys.executable, "-m", *arguments],
        env=kept | variables,
        pass_fds=hand_over,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if variables else None,
        text=True,
        start_new_session=group,
    )


def end(process: "subprocess.Popen[str]") -> None:
    """Stop a process, kindly at first."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
