"""Start a program with limits: ``python -I launch.py PARENT CPU_S MEMORY_BYTES FILE_BYTES -- PROGRAM ARGUMENT…``

A script of its own because ``preexec_fn`` is unsafe in a process with threads. It lowers its priority, sets the limits,
asks the kernel to kill it when its parent dies (so that a worker killed by -9 leaves nothing running) and becomes the
program. Imports nothing of the product. A limit the system does not know (macOS has no address-space limit and no death
signal) is skipped.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Set the limits and become the program. Does not return."""
    parent, cpu_s, memory_bytes, file_bytes = (int(value) for value in arguments[:4])
    program = arguments[5:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(1)
    os.nice(10)
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 5),
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))
    try:
        os.execv(program[0], program)  # noqa: S606  # no shell: the arguments are a list made by us
    except OSError as problem:
        sys.stderr.write(f"{program[0]}: {problem.strerror}\n")
        sys.exit(127)  # as a shell would say it


if __name__ == "__main__":
    main(sys.argv[1:])
