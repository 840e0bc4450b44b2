"""What the machine of a drill is like: its clock, its disk, and what making something durable costs there."""

import ctypes
import os
import shutil
import sys
import time
from pathlib import Path

_TIME_ERROR = 5
"""ntp_adjtime(3): the clock is not synchronised."""


def facts(folder: Path) -> dict[str, object]:
    """For the readiness sheet; None where this machine does not say."""
    return {
        "clock_ok": clock_ok(),
        "disk_free_gb": round(shutil.disk_usage(folder).free / 1e9, 1),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def clock_ok() -> bool | None:
    """Whether the kernel knows its clock to be kept by a time server; None where it does not say."""
    if sys.platform != "linux":
        return None
    try:
        asked = ctypes.create_string_buffer(512)  # struct timex with modes 0: only look
        return bool(ctypes.CDLL(None, use_errno=True).ntp_adjtime(asked) != _TIME_ERROR)
    except (OSError, AttributeError):
        return None


def fsync_ms(folder: Path, *, times: int = 50) -> float:
    """Milliseconds, in the middle, that the disk under ``folder`` takes to make 4 KiB durable: what each save waits for."""
    path, walls = folder / ".fsync", []
    with path.open("wb") as stream:
        for _time in range(times):
            stream.write(b"\0" * 4096)
            stream.flush()
            began = time.perf_counter()
            os.fsync(stream.fileno())
            walls.append(time.perf_counter() - began)
    path.unlink()
    return 1000 * sorted(walls)[times // 2]


def resident_mb(*pids: int) -> int | None:
    """Memory that processes hold between them, shared pages once each (Linux: PSS); None where nobody says."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            return None
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total // 1024
