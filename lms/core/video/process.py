"""Run one child program under limits, listening to it, and never leave it behind."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lms.core.video.limits import TranscodeFailed, TranscodeStopped

_LAUNCH = Path(__file__).with_name("launch.py")
_TAIL_BYTES = 4000
_LISTEN_S = 0.25


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one child. Seconds and bytes."""

    wall_s: float
    cpu_s: int
    memory_bytes: int
    file_bytes: int
    out_bytes: int = 64 << 20
    """Of its output that is kept: all of it, or with ``on_line`` one line."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: its exit status (negative: the signal) and the end of what it said."""

    status: int
    out: bytes
    err: str


def run(
    command: Sequence[str],
    *,
    bounds: Bounds,
    folder: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Finished:
    """Run ``command`` to its end and tell how it ended.

    With ``on_line`` every line of its output is handed over and not kept. Both pipes are always read, so a talkative
    child cannot block itself. Raises TranscodeStopped when ``should_stop`` says so, TranscodeFailed("timeout") when the
    wall time is up and TranscodeFailed("too_much") when it says more than is kept; in all cases, and whatever else happens, the whole process group is dead on return.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid())]
    limits = [str(bounds.cpu_s), str(bounds.memory_bytes), str(bounds.file_bytes)]
    child = subprocess.Popen(  # noqa: S603  # a list made by us, no shell
        [*launcher, *limits, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    assert child.stdout
    assert child.stderr
    out, err, line = bytearray(), bytearray(), bytearray()
    deadline = time.monotonic() + bounds.wall_s
    try:
        with selectors.DefaultSelector() as ears:
            ears.register(child.stdout, selectors.EVENT_READ)
            ears.register(child.stderr, selectors.EVENT_READ)
            while ears.get_map():
                for key, _events in ears.select(_LISTEN_S):
                    heard = os.read(key.fd, 65536)
                    if not heard:
                        ears.unregister(key.fileobj)
                    elif key.fileobj is child.stderr:
                        err += heard
                        del err[:-_TAIL_BYTES]
                    elif on_line is None:
                        out += heard
                    else:
                        line += heard
                        *whole, rest = line.split(b"\n")
                        line = bytearray(rest)
                        for text in whole:
                            on_line(text.decode("utf-8", "replace").strip())
                if max(len(out), len(line)) > bounds.out_bytes:
                    raise TranscodeFailed("too_much", err.decode("utf-8", "replace"))
                if should_stop is not None and should_stop():
                    raise TranscodeStopped("stopped")
                if time.monotonic() > deadline:
                    raise TranscodeFailed("timeout", err.decode("utf-8", "replace"))
        status = child.wait(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TranscodeFailed("timeout", err.decode("utf-8", "replace")) from None
    finally:
        _kill(child)
        child.stdout.close()
        child.stderr.close()
    return Finished(status, bytes(out), err.decode("utf-8", "replace"))


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """SIGKILL and not SIGTERM: told to end, ffmpeg finishes its files neatly, and a neat half is worse than none.

    The whole group, also where the child itself has ended: what it started may live on and hold its pipes.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left; on macOS a dead child
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
