"""What the ffmpeg program of this machine can do."""

import re

from lms.core.video.limits import TranscodeFailed
from lms.core.video.process import Bounds, run

NEEDED = ("libx264", "aac", "mjpeg")
"""The encoders of our ladder and of the poster."""
_BOUNDS = Bounds(wall_s=30, cpu_s=20, memory_bytes=2_000_000_000, file_bytes=1_000_000)


def version_and_lacks(program: str) -> tuple[str, list[str]]:
    """The first line that ``program`` says of itself, and which of the needed encoders it has not.

    Raises TranscodeFailed("no_ffmpeg") where it cannot be run.
    """
    said = []
    for question in ("-version", "-encoders"):
        finished = run([program, "-hide_banner", question], bounds=_BOUNDS)
        if finished.status != 0:
            raise TranscodeFailed("no_ffmpeg", finished.err or program)
        said.append(finished.out.decode(errors="replace"))
    known = set(re.findall(r"^ [VAS][A-Z.]{5} (\S+)", said[1], re.MULTILINE))
    return said[0].partition("\n")[0].partition(" Copyright")[0], [
        name for name in NEEDED if name not in known
    ]
