"""What a start of the demonstration costs: seconds until it says Ready, and the memory of its processes.

    python3 tools/demo_cost.py ./run demo --port 18000 --no-open --reset

Runs the command in a process group of its own, watches it until a minute after Ready, and stops it as Ctrl+C does. Memory is
the sum of the resident sets that ps shows for the command and all its descendants, so pages that they share count twice.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

AFTER_S = 60
PATIENCE_S = 1800


def tree_kb(root: int) -> int:
    """Resident kilobytes of a process and everything below it."""
    shown = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], check=True, capture_output=True, text=True)
    below: dict[int, list[int]] = {}
    size: dict[int, int] = {}
    for line in shown.stdout.splitlines():
        pid, parent, rss = map(int, line.split())
        below.setdefault(parent, []).append(pid)
        size[pid] = rss
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += size.get(pid, 0)
        waiting += below.get(pid, [])
    return total


def main(command: list[str]) -> int:
    """Print one JSON line; exit status 1 where the command ended before it was ready."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    ready: list[float] = []

    def listen() -> None:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", file=sys.stderr)
            if line.startswith("Ready:"):
                ready.append(time.monotonic() - began)

    threading.Thread(target=listen, daemon=True).start()
    before_kb = after_kb = 0
    end = began + PATIENCE_S
    try:
        while process.poll() is None and time.monotonic() < end:
            now_kb = tree_kb(process.pid)
            if ready:
                after_kb = max(after_kb, now_kb)
                end = min(end, began + ready[0] + AFTER_S)
            else:
                before_kb = max(before_kb, now_kb)
            time.sleep(0.2)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    if not ready:
        print("it was never ready", file=sys.stderr)
        return 1
    figures = {
        "ready_s": round(ready[0], 1),
        "peak_mb_until_ready": round(before_kb / 1024),
        "peak_mb_in_the_minute_after": round(after_kb / 1024),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
