"""Look into media files with PyAV; a script run as a child under limits, never imported by the product.

``python -I look.py probe FORMATS MAX_PIXELS PATH``       one JSON object: facts of an upload, or {"refused": code}
``python -I look.py measure FOLDER…``                      one JSON object per rendition made by us, in a list
``python -I look.py slides WIDTH HEIGHT GREY``             the seconds at which a new slide appears, in a list
``python -I look.py peaks COUNT SAMPLES``                  the height of a waveform at so many places, a hexadecimal digit each
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

_TAIL_S = 12.0
"""How far before the stated end we look for the last packets."""

_AUDIO_PREFIXES = ("pcm_", "adpcm_", "wma", "amr")
_CODECS = {
    "aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis",
    "av1", "libdav1d", "libaom-av1", "dvvideo", "flv", "flv1", "h263", "h264", "hevc", "mjpeg", "mpeg1video",
    "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "prores", "theora", "vc1", "vp8", "vp9",
    "libvpx", "libvpx-vp9", "wmv1", "wmv2", "wmv3",
}  # fmt: skip


class Refused(Exception):
    """The upload is refused; the argument is the reason code."""


def probe(path: str, *, formats: str, max_pixels: int) -> dict[str, Any]:
    """Facts of an upload. Raises Refused."""
    options = {"protocol_whitelist": "file", "format_whitelist": formats}
    try:
        container = av.open(f"file:{path}", container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as problem:
        with Path(path).open("rb") as file:
            head = file.read(12)
        known = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free") or head[:4] == b"\x1aE\xdf\xa3"
        raise Refused("truncated" if known else "unknown_container") from problem
    with container:
        pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not pictures:
            raise Refused("no_video")
        video = pictures[0]
        audio = container.streams.audio[0] if container.streams.audio else None
        for stream in (video, audio):
            if stream is not None and not _known(stream):
                raise Refused("unknown_codec")
        width, height = video.codec_context.width, video.codec_context.height
        if width < 16 or height < 16:
            raise Refused("unreadable")
        if width * height > max_pixels:
            raise Refused("too_many_pixels")
        stated = _stated_end(container, video)
        first = _first_frame(container, video)
        if first.width * first.height > max_pixels:
            raise Refused("too_many_pixels")
        reached = _last_packet(container, stated)
        sar = video.sample_aspect_ratio
        rate = video.average_rate or video.guessed_rate
        return {
            "container": container.format.name,
            "streams": len(container.streams),
            "duration_s": stated if stated is not None else reached,
            "reached_s": reached,
            "video_index": video.index,
            "audio_index": None if audio is None else audio.index,
            "video_codec": video.codec_context.name,
            "audio_codec": None if audio is None else audio.codec_context.name,
            "width": round(width * float(sar)) if sar else width,
            "height": height,
            "turned": abs(int(getattr(first, "rotation", 0) or 0)) % 180 == 90,
            "frames_per_s": float(rate) if rate else 25.0,
        }


def _known(stream: Any) -> bool:
    name = stream.codec_context.name if stream.codec_context is not None else ""
    return name in _CODECS or name.startswith(_AUDIO_PREFIXES)


def _stated_end(container: Any, video: Any) -> float | None:
    """Seconds that the file claims, or None where it does not say (recordings made by a browser)."""
    if container.duration:
        return float(container.duration / av.time_base)
    return float(video.duration * video.time_base) if video.duration else None


def _first_frame(container: Any, video: Any) -> Any:
    """The first picture, proof that the file is what it says and the place where its rotation stands."""
    video.codec_context.thread_count = 1
    tried = 0
    try:
        for frame in container.decode(video):
            return frame
        tried = 1
    except av.error.FFmpegError as problem:
        raise Refused("unreadable") from problem
    raise Refused("unreadable" if tried else "no_video")


def _last_packet(container: Any, stated: float | None) -> float:
    """Seconds of media that are really there, by reading packets near the stated end (all, if none is stated)."""
    begin = (container.start_time or 0) / av.time_base
    reached = 0.0
    try:
        container.seek(int((begin + max(0.0, (stated or 0.0) - _TAIL_S)) * av.time_base), backward=True)
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                reached = max(
                    reached, float((packet.pts + (packet.duration or 0)) * packet.time_base) - begin
                )
    except av.error.FFmpegError:  # what was read until here counts
        pass
    return reached


def measure(folder: Path) -> dict[str, Any]:
    """Facts of one HLS rendition of ours: first and last time, keyframes, codec words, picture."""
    parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
    with _Joined(parts) as whole, av.open(whole, mode="r", format="mp4") as container:
        stream = container.streams[0]
        context = stream.codec_context
        starts, ends, keys = [], [], []
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            at = float(packet.pts * packet.time_base)
            starts.append(at)
            ends.append(at + float((packet.duration or 0) * packet.time_base))
            if packet.is_keyframe and stream.type == "video":
                keys.append(round(at, 4))
        head = bytes(context.extradata or b"")
        return {
            "folder": folder.name,
            "codecs": f"avc1.{head[1:4].hex()}" if stream.type == "video" else "mp4a.40.2",
            "start_s": min(starts, default=0.0),
            "end_s": max(ends, default=0.0),
            "keyframes": keys,
            "width": getattr(context, "width", 0) or 0,
            "height": getattr(context, "height", 0) or 0,
        }


_MOVED = 14
"""Steps of grey that a point of a picture must change by: more than the noise of a camera."""
_ALWAYS_MOVING = 0.18
"""Share of the seconds in which a point changes that makes it part of a talking head, not of a slide."""
_NEW_SLIDE = 0.006
"""Share of the still points that a bullet or a new slide changes; a pointer changes less."""
_SLIDE_STANDS_S = 5
_RESTLESS = (10, 3)
"""More changes than three in ten seconds are a film inside the lecture; only its beginning counts."""
_MOST_SLIDES = 60


def slides(path: Path, width: int, height: int) -> list[int]:
    """The seconds at which another slide appears, from one grey picture a second; the beginning is not one."""
    pictures = np.memmap(path, np.uint8, "r").reshape(-1, height, width) if path.stat().st_size else np.zeros((0, height, width), np.uint8)  # fmt: skip
    if len(pictures) < 2:
        return []
    often = np.zeros((height, width), np.uint32)
    for before, after in itertools.pairwise(pictures):
        often += np.abs(after.astype(np.int16) - before) > _MOVED
    restless = often > max(2.0, _ALWAYS_MOVING * (len(pictures) - 1))
    still = max(0.05, 1 - float(restless.mean())) * width * height
    changes = [
        second
        for second, (before, after) in enumerate(itertools.pairwise(pictures), 1)
        if ((np.abs(after.astype(np.int16) - before) > _MOVED) & ~restless).sum() / still > _NEW_SLIDE
    ]
    span, most = _RESTLESS
    found: list[int] = []
    for place, second in enumerate(changes):
        crowd = sum(abs(other - second) <= span / 2 for other in changes)
        starts_crowd = place == 0 or second - changes[place - 1] > span / 2
        if (crowd <= most or starts_crowd) and second - (found[-1] if found else 0) >= _SLIDE_STANDS_S:
            found.append(second)
    return found[:_MOST_SLIDES]


def peaks(path: Path, count: int) -> str:
    """The highest sample of each of ``count`` equal parts, from 0 to 15: the square root, so that soft words show."""
    samples = np.memmap(path, "<i2", "r") if path.stat().st_size >= 2 else np.zeros(1, "<i2")
    edges = np.linspace(0, len(samples), count + 1).astype(np.int64)
    digits = []
    for begin, end in itertools.pairwise(edges):
        part = samples[begin : max(end, begin + 1)]
        highest = max(-int(part.min()), int(part.max())) if len(part) else 0
        digits.append(min(15, round(15 * (max(0, highest) / 32768) ** 0.5)))
    return "".join(f"{digit:x}" for digit in digits)


class _Joined:
    """Files read one after the other as if they were one, without holding them in memory."""

    def __init__(self, paths: list[Path]) -> None:
        self._waiting = list(reversed(paths))
        self._file = self._waiting.pop().open("rb")

    def read(self, size: int) -> bytes:
        while not (data := self._file.read(size)) and self._waiting:
            self._file.close()
            self._file = self._waiting.pop().open("rb")
        return data

    def __enter__(self) -> "_Joined":
        return self

    def __exit__(self, *_problem: object) -> None:
        self._file.close()


def main(arguments: list[str]) -> None:
    """Answer on standard output, in JSON."""
    av.logging.set_level(None)
    if arguments[0] == "measure":
        answer: Any = [measure(Path(name)) for name in arguments[1:]]
    elif arguments[0] == "slides":
        answer = slides(Path(arguments[3]), int(arguments[1]), int(arguments[2]))
    elif arguments[0] == "peaks":
        answer = peaks(Path(arguments[2]), int(arguments[1]))
    else:
        try:
            answer = probe(arguments[3], formats=arguments[1], max_pixels=int(arguments[2]))
        except Refused as refusal:
            answer = {"refused": str(refusal)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
