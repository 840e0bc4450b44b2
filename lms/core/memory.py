"""What a process that runs for months keeps of the memory it no longer needs."""

import contextlib
import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""mallopt(3)."""
LARGE_BYTES = 1 << 20
ARENAS = 2


def be_frugal() -> None:
    """Let the C library give large pieces back to the machine, and keep few heaps for its threads (glibc; elsewhere nothing).

    By itself it learns from the first large piece (a password's 19 MiB) to keep all of them, in a heap for each thread: a
    web process of 16 threads so came to keep half as much again as it needed.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS)


def share() -> None:
    """Before processes part: what is in memory stays as it is, so that they go on sharing it.

    The collector writes into all it looks through, and a page written to is a page of one's own.
    """
    gc.collect()
    gc.freeze()
