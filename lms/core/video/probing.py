"""Look into an upload and refuse it by name before it costs anything."""

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lms.core.video.limits import Limits, TranscodeFailed, VideoRefused
from lms.core.video.process import Bounds, run

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,asf,wav,mp3,aac,ogg"
"""Containers that hold their media themselves. What is missing here on purpose (hls, concat, dash, sdp…) can name other
files: ffmpeg 5 and 9 both decode a stranger's lecture out of a playlist unless the format itself is forbidden."""

_PLAYLISTS = (
    b"#extm3u", b"ffconcat", b"<mpd", b"<?xml", b"<smil", b"<asx", b"<assetmap", b"[playlist]", b"[reference]", b"v=0",
    b"rtsptext", b"http:", b"https:", b"file:", b"file ",
)  # fmt: skip
_LOOK = Path(__file__).with_name("look.py")

_RATES = (
    Fraction(10), Fraction(12), Fraction(25, 2), Fraction(15), Fraction(20), Fraction(24000, 1001), Fraction(24),
    Fraction(25), Fraction(30000, 1001), Fraction(30),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """What an upload is. Width and height are as shown: after rotation and with square pixels."""

    container: str
    duration_s: float
    size_bytes: int
    width: int
    height: int
    frames_per_s: float
    """As the file says, an average where the rate varies."""

    video_index: int
    audio_index: int | None
    video_codec: str
    audio_codec: str | None

    @property
    def short_side(self) -> int:
        """The lines of a landscape picture, the columns of a portrait one."""
        return min(self.width, self.height)

    @property
    def steady_rate(self) -> Fraction:
        """The constant frame rate of every rendition, at most 30: the nearest usual one.

        All renditions share it, because fragmented MP4 starts two frames late and mixed rates would leave holes at
        every change of quality.
        """
        rate = Fraction(self.frames_per_s).limit_denominator(1001)
        while rate > Fraction(61, 2):
            rate /= 2
        return min(_RATES, key=lambda usual: abs(usual - rate))


def probe(path: Path, *, limits: Limits | None = None) -> Probe:
    """Facts of an upload. Raises VideoRefused with one of REASONS."""
    limits = limits or Limits()
    path = path.resolve()
    size = _refuse_at_first_sight(path, limits)
    found = _look(path, limits=limits)
    if not found.has_sound and limits.needs_audio:
        raise VideoRefused("no_audio")
    return Probe(
        container=found.container,
        duration_s=found.duration_s,
        size_bytes=size,
        width=found.height if found.turned else found.width,
        height=found.width if found.turned else found.height,
        frames_per_s=found.frames_per_s,
        video_index=found.video_index,
        audio_index=found.audio_index,
        video_codec=found.video_codec,
        audio_codec=found.audio_codec,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the child saw."""

    container: str
    streams: int
    duration_s: float
    reached_s: float
    width: int
    height: int
    turned: bool
    frames_per_s: float
    video_index: int
    audio_index: int | None
    video_codec: str
    audio_codec: str | None

    @property
    def has_sound(self) -> bool:
        return self.audio_index is not None

    def refuse(self, limits: Limits) -> None:
        """Raise VideoRefused where the facts pass the limits."""
        if self.streams > limits.max_streams:
            raise VideoRefused("too_many_streams")
        if self.duration_s > limits.max_duration_s:
            raise VideoRefused("too_long", f"{self.duration_s:.0f} s")
        if not ends_in_time(self.reached_s, self.duration_s):
            raise VideoRefused("truncated", f"{self.reached_s} of {self.duration_s} s")
        if self.duration_s < limits.min_duration_s:
            raise VideoRefused("too_short")


def _refuse_at_first_sight(path: Path, limits: Limits) -> int:
    """The size in bytes. Raises VideoRefused for what needs no child to see."""
    size = path.stat().st_size
    if size == 0:
        raise VideoRefused("empty")
    if size > limits.max_bytes:
        raise VideoRefused("too_large", f"{size} bytes")
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_PLAYLISTS):
        raise VideoRefused("names_other_files", repr(head[:20]))
    return size


def ends_in_time(reached_s: float, duration_s: float) -> bool:
    """Whether media that reach ``reached_s`` fill the stated duration: two percent or half a second may be missing.

    ffmpeg ends with status 0 on a file cut in the middle, so this comparison is the only proof of a whole one.
    """
    return reached_s >= duration_s - max(0.5, 0.02 * duration_s)


def measure(folders: list[Path], *, limits: Limits) -> list[dict[str, object]]:
    """Times, keyframes and codec words of renditions that we made, in the order given."""
    done = run(
        [sys.executable, "-I", str(_LOOK), "measure", *map(str, folders)], bounds=_bounds(limits, factor=10)
    )
    if done.status != 0:
        raise TranscodeFailed("encoder", done.err)
    answer: list[dict[str, object]] = json.loads(done.out)
    return answer


def slides(grey: Path, size: tuple[int, int], *, limits: Limits) -> list[int]:
    """The seconds at which a new slide appears, from one grey picture of ``size`` for each second."""
    command = [sys.executable, "-I", str(_LOOK), "slides", *map(str, size), str(grey)]
    done = run(command, bounds=_bounds(limits, factor=10))
    if done.status != 0:
        raise TranscodeFailed("encoder", done.err)
    answer: list[int] = json.loads(done.out)
    return answer


def peaks(samples: Path, count: int, *, limits: Limits) -> bytes:
    """A waveform of ``count`` places (an even number), each from 0 to 15, two in a byte, the earlier in its upper half."""
    command = [sys.executable, "-I", str(_LOOK), "peaks", str(count), str(samples)]
    done = run(command, bounds=_bounds(limits, factor=10))
    if done.status != 0:
        raise TranscodeFailed("encoder", done.err)
    return bytes.fromhex(json.loads(done.out))


def _look(path: Path, *, limits: Limits) -> _Found:
    command = [sys.executable, "-I", str(_LOOK), "probe", FORMATS, str(limits.max_pixels), str(path)]
    try:
        done = run(command, bounds=_bounds(limits))
    except TranscodeFailed as failure:
        raise VideoRefused("too_costly", failure.detail) from None
    if done.status < 0 or "MemoryError" in done.err:
        raise VideoRefused("too_costly", f"status {done.status} {done.err}")
    if done.status != 0:
        raise VideoRefused("unreadable", done.err)
    answer = json.loads(done.out)
    if "refused" in answer:
        raise VideoRefused(answer["refused"])
    found = _Found(**answer)
    found.refuse(limits)
    return found


def _bounds(limits: Limits, *, factor: int = 1) -> Bounds:
    return Bounds(
        wall_s=limits.probe_wall_s * factor,
        cpu_s=limits.probe_cpu_s * factor,
        memory_bytes=limits.probe_memory_bytes,
        file_bytes=0,
    )
