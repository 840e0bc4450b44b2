"""A process gives back what it no longer needs, and processes that part share what they do not change."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux and its C library")

KEPT = """
import re, sys, threading
from pathlib import Path
from lms.core import memory
if sys.argv[1] == "frugal":
    memory.be_frugal()

def kept():
    return int(re.search(r"^Private_Dirty:\\s+(\\d+)", Path("/proc/self/smaps_rollup").read_text(), re.M)[1]) // 1024

def large(together):
    together.wait()
    for _time in range(3):
        b"x" * len(range(19_000_000))

before, together = kept(), threading.Barrier(8)
crowd = [threading.Thread(target=large, args=(together,)) for _one in range(8)]
for one in crowd: one.start()
for one in crowd: one.join()
print(kept() - before)
"""
"""Prints the MB kept after eight threads had some pieces of 19 MB, as a password's hash takes them."""


def test_large_pieces_go_back_to_the_machine():
    def kept_mb(how):
        return int(subprocess.check_output([sys.executable, "-c", KEPT, how], text=True))

    wasteful, frugal = kept_mb("by itself"), kept_mb("frugal")
    assert frugal < 10
    if wasteful < 20:
        pytest.skip(f"this C library gives back by itself: {wasteful} MB kept")


def test_processes_that_part_share_what_was_read_in():
    program = (
        "import lms.app, os, re\n"
        "from pathlib import Path\n"
        "from lms.core import memory\n"
        "memory.share()\n"
        "if os.fork() == 0:\n"
        "    import gc; gc.collect()\n"
        "    said = Path('/proc/self/smaps_rollup').read_text()\n"
        "    print(*(re.search(rf'^{n}:\\s+(\\d+)', said, re.M)[1] for n in ('Rss', 'Private_Dirty')), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    whole, own = map(int, re.findall(r"\d+", said))
    assert own < whole / 3, f"{own} of {whole} kB are its own"
