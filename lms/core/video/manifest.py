"""What one finished transcode consists of, and the master playlist written from measured bytes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

NAME = "manifest.json"
MASTER = "master.m3u8"


@dataclass(frozen=True, slots=True)
class Rendition:
    """One picture or sound stream of the ladder. Bit-rates in bits per second, sizes in bytes."""

    name: str
    kind: str
    """``video`` or ``audio``."""

    playlist: str
    codecs: str
    average_bps: int
    peak_bps: int
    """Of the heaviest segment."""

    size_bytes: int
    segments: int
    width: int = 0
    height: int = 0
    sound: str = ""
    """Of a picture: the sound rendition that goes with it; empty for a silent film."""

    file: str = ""
    """Of a picture: the same, with its sound, as one whole MP4 to download."""

    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A transcoded lecture: paths are relative to its folder."""

    duration_s: float
    width: int
    height: int
    frames_per_s: float
    master: str
    renditions: tuple[Rendition, ...]
    """Pictures from the cheapest up, then sounds."""

    video_file: str
    """A small whole MP4 for browsers without scripts, and for download."""

    audio_file: str
    """The sound alone as one M4A; empty for a silent film."""

    poster: str
    size_bytes: int
    """Of everything in the folder but this manifest."""

    thumbs: str = ""
    """WebVTT that names, for every five seconds, a rectangle of a sheet of thumbnails."""

    slides: tuple[int, ...] = ()
    """Seconds at which a new slide appears: chapters to propose."""

    peaks: str = ""
    """The waveform of the sound, two places in a byte (waveform.py); empty for a silent film."""

    peaks_per_s: float = 0.0

    loudness_lufs: float | None = None
    """Of the better sound as it was encoded, by EBU R 128; None for a silent film."""

    peak_dbtp: float | None = None

    @property
    def seconds(self) -> int:
        """Whole seconds, the length of the bitmap of watch evidence."""
        return max(1, int(self.duration_s + 0.5))

    def bps(self, name: str) -> int:
        """Average bits per second of a picture rendition together with its sound."""
        by_name = {one.name: one for one in self.renditions}
        one = by_name[name]
        return one.average_bps + (by_name[one.sound].average_bps if one.sound else 0)

    def mb_per_10_min(self, name: str) -> float:
        """Megabytes that ten minutes of a rendition cost the learner, sound included."""
        return round(self.bps(name) * 600 / 8 / 1e6, 1)

    def to_json(self) -> str:
        """The text kept as ``manifest.json`` and in the row of the video."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The manifest from its text."""
        given: dict[str, Any] = json.loads(text)
        given["renditions"] = tuple(Rendition(**one) for one in given["renditions"])
        given["slides"] = tuple(given.get("slides", ()))
        return cls(**given)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The manifest of a published folder. Raises FileNotFoundError."""
        return cls.from_json((folder / NAME).read_text("utf-8"))


def weigh(folder: Path) -> tuple[int, int, int, int]:
    """Average and peak bits per second, bytes and number of the segments of one rendition.

    A last segment shorter than half a second is no peak: no player waits for it.
    """
    seconds: list[float] = []
    sizes: list[int] = []
    for line in (folder / "index.m3u8").read_text("ascii").splitlines():
        if line.startswith("#EXTINF:"):
            seconds.append(float(line[8:].split(",")[0]))
        elif line and not line.startswith("#"):
            sizes.append((folder / line).stat().st_size)
    peaks = [8 * size / time for size, time in zip(sizes, seconds, strict=True) if time >= 0.5]
    average = 8 * sum(sizes) / max(0.001, sum(seconds))
    return round(average), round(max(peaks, default=average)), sum(sizes), len(sizes)


def thumbs_track(
    duration_s: float, *, every_s: int, size: tuple[int, int], grid: tuple[int, int], suffix: str
) -> str:
    """WebVTT with one cue for each thumbnail, as players read it: ``sheet#xywh=x,y,width,height``."""
    lines = ["WEBVTT", ""]
    across, down = grid
    for number in range(max(1, -int(-duration_s // every_s))):
        sheet, place = divmod(number, across * down)
        x, y = place % across * size[0], place // across * size[1]
        begin, end = number * every_s, min((number + 1) * every_s, max(1.0, duration_s))
        lines += [
            f"{_clock(begin)} --> {_clock(end)}",
            f"thumbs-{sheet + 1:02d}.{suffix}#xywh={x},{y},{size[0]},{size[1]}",
            "",
        ]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"


def master_playlist(renditions: tuple[Rendition, ...], frames_per_s: float) -> str:
    """The HLS master, cheapest rendition first. ffmpeg's own would state the limits and not what was measured.

    The sound alone is no variant here: hls.js drops it beside pictures, so listening only is a switch of the player.
    """
    sounds = {one.name: one for one in renditions if one.kind == "audio"}
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{one.name}",NAME="main",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",'
        f'URI="{one.playlist}"'
        for one in sounds.values()
    ]
    for one in renditions:
        if one.kind != "video":
            continue
        sound = sounds.get(one.sound)
        peak = one.peak_bps + (sound.peak_bps if sound else 0)
        average = one.average_bps + (sound.average_bps if sound else 0)
        codecs = one.codecs + (f",{sound.codecs}" if sound else "")
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},RESOLUTION={one.width}x{one.height},"
            f'FRAME-RATE={frames_per_s:.3f},CODECS="{codecs}"' + (f',AUDIO="{sound.name}"' if sound else "")
        )
        lines.append(one.playlist)
    return "\n".join(lines) + "\n"
