"""The ladder of renditions and the ffmpeg commands that make it, built with ffmpeg-python.

ffmpeg-python only builds command lines here: its own ``run`` deadlocks on full pipes and knows no limits, no progress
and no way to stop. It writes no ``-map`` for the first input of several, and ffmpeg then takes the best picture of them
all, so every output names its stream. Settings were measured on slide lectures with voice: ``-tune animation`` beats ``stillimage``,
keyframes are most of the bits of a slide, so after three segments of 2 s for a fast start they come every 6 s.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from lms.core.video.limits import TranscodeFailed
from lms.core.video.probing import FORMATS, Probe

SEGMENT_S = 6
SHORT_SEGMENT_S = 2
SOUND_SEGMENT_S = 4
SHORT_SEGMENTS = 3
"""Of 2 s, at the beginning; the boot player of the page reckons with them."""
_KEYFRAMES = f"expr:gte(t,if(lt(n_forced,{SHORT_SEGMENTS}),n_forced*2,(n_forced-2)*{SEGMENT_S}))"
_QUIET = ("-nostdin", "-hide_banner", "-v", "error")


@dataclass(frozen=True, slots=True)
class Rung:
    """One rendition of the picture. ``lines`` is the short side, so that a portrait film climbs the same ladder."""

    name: str
    lines: int
    crf: int
    max_kbps: int
    buffer_s: int
    """Seconds of ``max_kbps`` that a sudden slide change may use at once."""

    preset: str
    sound: str
    threads: int = 2
    """Fixed, whatever the machine. Where the cap bites, two threads of x264 race for its bits and no two runs give the
    same bytes; the cap of ``lite`` bites always."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One rendition of the sound: AAC-LC, one channel."""

    name: str
    kbps: int
    rate_hz: int


RUNGS = (
    Rung("lite", 360, crf=32, max_kbps=36, buffer_s=6, preset="medium", sound="low", threads=1),
    Rung("360", 360, crf=28, max_kbps=320, buffer_s=2, preset="medium", sound="low"),
    Rung("480", 480, crf=26, max_kbps=700, buffer_s=2, preset="veryfast", sound="high"),
    Rung("720", 720, crf=25, max_kbps=1400, buffer_s=2, preset="veryfast", sound="high"),
    Rung("1080", 1080, crf=24, max_kbps=2500, buffer_s=2, preset="veryfast", sound="high"),
)
"""From the cheapest up, the order of the master playlist; players start at the first. None may be taller than the next:
hls.js sorts by height before bit-rate."""

SOUNDS = (Sound("low", kbps=20, rate_hz=16000), Sound("high", kbps=64, rate_hz=48000))
"""The AAC encoder of ffmpeg passes a target as low as 20 kb/s by up to a half; the master states what came out."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A rung fitted to one source, with its name and even width and height."""

    name: str
    rung: Rung
    width: int
    height: int


def find_ffmpeg(setting: str = "") -> str:
    """The ffmpeg program: the setting, else the one on PATH, else the one in the imageio-ffmpeg wheel.

    Raises TranscodeFailed("no_ffmpeg"); a setting that points nowhere is not replaced by another program in silence.
    """
    if setting:
        found = shutil.which(setting)
        if found is None:
            raise TranscodeFailed("no_ffmpeg", setting)
        return str(Path(found).resolve())
    found = shutil.which("ffmpeg")
    if found is None:
        import imageio_ffmpeg

        try:
            found = str(imageio_ffmpeg.get_ffmpeg_exe())
        except RuntimeError as problem:
            raise TranscodeFailed("no_ffmpeg", str(problem)) from None
    return str(Path(found).resolve())


def plan(source: Probe) -> list[Planned]:
    """The rungs for this source, from the cheapest up, none above its own size.

    A source well between two rungs keeps its own size as the last one (600 lines: lite, 360, 480, 600).
    """
    planned: list[Planned] = []
    for rung in RUNGS:
        lines = min(rung.lines, source.short_side)
        if rung.name != "lite" and planned[1:] and lines < planned[-1].rung.lines * 1.15:
            continue
        scale = lines / source.short_side
        width, height = (max(2, 2 * round(side * scale / 2)) for side in (source.width, source.height))
        planned.append(Planned("lite" if rung.name == "lite" else str(lines), rung, width, height))
    return planned


def encode(
    path: Path, source: Probe, planned: Sequence[Planned], *, program: str, max_pixels: int
) -> list[str]:
    """The command that decodes the source once and writes ``work/v-<name>.mp4`` and ``work/a-<name>.mp4``."""
    given = ffmpeg.input(
        f"file:{path}",
        protocol_whitelist="file",
        format_whitelist=FORMATS,
        max_pixels=max_pixels,
        threads=2,
    )
    rate = source.steady_rate
    picture = given[str(source.video_index)].filter("fps", fps=_fraction(rate), start_time=0)
    sizes = list(dict.fromkeys((one.width, one.height) for one in planned))
    outputs = []
    by_size = picture.filter_multi_output("split", len(sizes))
    for number, (width, height) in enumerate(sizes):
        rungs = [one for one in planned if (one.width, one.height) == (width, height)]
        scaled = by_size[number].filter("scale", width, height, flags="bicubic").filter("setsar", 1)
        copies = scaled.filter_multi_output("split", len(rungs))
        outputs += [
            copies[n].output(f"work/v-{one.name}.mp4", **_x264(one.rung, rate)) for n, one in enumerate(rungs)
        ]
    if source.audio_index is not None:
        # One pass to -16 LUFS. The true-peak target leaves 2 dB for what AAC adds.
        voice = (
            given[str(source.audio_index)]
            .filter("aresample", 48000, **{"async": 1, "first_pts": 0})
            .filter("highpass", f=70)
            .filter("apad", whole_dur=4)  # of less than 3 s of silence loudnorm makes no numbers at all
            .filter("loudnorm", I=-16, TP=-3, LRA=11)
            .filter("aresample", 48000)
        )
        if source.duration_s < 4:
            voice = voice.filter("atrim", end=source.duration_s)
        voices = voice.filter_multi_output("asplit", len(SOUNDS))
        outputs += [voices[n].output(f"work/a-{one.name}.mp4", **_aac(one)) for n, one in enumerate(SOUNDS)]
    whole = ffmpeg.merge_outputs(*outputs).global_args(*_QUIET, "-progress", "pipe:1", "-stats_period", "0.5")
    return _command(whole, program)


def package_pictures(names: Sequence[str], *, program: str) -> list[str]:
    """The command that cuts ``work/v-<name>.mp4`` into ``<name>/`` without encoding again."""
    outputs = [
        ffmpeg.input(f"file:work/v-{name}.mp4")["v"].output(
            f"{name}/index.m3u8", **_hls(name, SHORT_SEGMENT_S)
        )
        for name in names
    ]
    return _command(ffmpeg.merge_outputs(*outputs).global_args(*_QUIET), program)


def package_sounds(offset_s: float, *, program: str) -> list[str]:
    """The command that cuts ``work/a-<name>.mp4`` into ``a-<name>/``, ``offset_s`` late as the picture is."""
    outputs = [
        ffmpeg.input(f"file:work/a-{one.name}.mp4", itsoffset=f"{offset_s:.6f}")["a"].output(
            f"a-{one.name}/index.m3u8", **_hls(f"a-{one.name}", SOUND_SEGMENT_S)
        )
        for one in SOUNDS
    ]
    return _command(ffmpeg.merge_outputs(*outputs).global_args(*_QUIET), program)


def whole_files(planned: Sequence[Planned], *, sound: bool, program: str) -> list[str]:
    """The command for the files that play without a script and travel as one: ``<name>.mp4`` and ``audio.m4a``."""
    options = {"c": "copy", "movflags": "+faststart", "map_metadata": -1, "fflags": "+bitexact"}
    outputs = []
    if sound:
        outputs.append(ffmpeg.input("file:work/a-low.mp4")["a"].output("audio.m4a", **options))
    for one in planned:
        streams = [ffmpeg.input(f"file:work/v-{one.name}.mp4")["v"]]
        if sound:
            streams.append(ffmpeg.input(f"file:work/a-{one.rung.sound}.mp4")["a"])
        outputs.append(ffmpeg.output(*streams, f"{one.name}.mp4", **options))
    return _command(ffmpeg.merge_outputs(*outputs).global_args(*_QUIET), program)


def loudness(name: str, *, program: str) -> list[str]:
    """The command that measures a sound by EBU R 128 and says so at the end of what it says."""
    measured = ffmpeg.input(f"file:work/a-{name}.mp4")["a"].filter("ebur128", peak="true", framelog="verbose")
    whole = measured.output("-", format="null")
    return _command(whole.global_args("-nostdin", "-hide_banner", "-nostats", "-v", "info"), program)


def louder(gain_db: float, limit: float, *, program: str) -> list[str]:
    """The command that raises (or lowers) ``work/a-high.mp4`` and keeps its peaks under ``limit``, into ``work/b-<name>.mp4``."""
    voice = (
        ffmpeg.input("file:work/a-high.mp4")["a"]
        .filter("volume", f"{gain_db:.2f}dB")
        .filter("aresample", 192000)  # peaks between samples are seen only here
        .filter("alimiter", limit=limit, level="false", attack=2, release=40)
        .filter("aresample", 48000)
        .filter_multi_output("asplit", len(SOUNDS))
    )
    outputs = [voice[n].output(f"work/b-{one.name}.mp4", **_aac(one)) for n, one in enumerate(SOUNDS)]
    return _command(ffmpeg.merge_outputs(*outputs).global_args(*_QUIET), program)


THUMBS_EVERY_S = 5
THUMB_LINES = 90
THUMBS_ACROSS = THUMBS_DOWN = 10
GREY = (160, 90)
"""Size of the grey pictures, one each second, in which slide changes are looked for."""


def thumbs(width: int, *, suffix: str, program: str) -> list[str]:
    """The command for the sheets of thumbnails (100 of ``width`` x 90 on each), and for ``work/grey.raw``."""
    given = ffmpeg.input("file:work/v-lite.mp4")["v"].filter_multi_output("split", 2)
    quality = {"vcodec": "libwebp", "quality": 60} if suffix == "webp" else {"vcodec": "mjpeg", "qscale": 6}
    sheet = (
        given[0]
        .filter(
            "select",
            f"isnan(prev_selected_t)+gt(floor(t/{THUMBS_EVERY_S}),floor(prev_selected_t/{THUMBS_EVERY_S}))",
        )
        .filter("scale", width, THUMB_LINES, flags="area")
        .filter("tile", f"{THUMBS_ACROSS}x{THUMBS_DOWN}")
        .output(
            f"thumbs-%02d.{suffix}",
            format="image2",
            fps_mode="passthrough",
            map_metadata=-1,
            fflags="+bitexact",
            **quality,
        )
    )
    grey = (
        given[1]
        .filter("fps", fps=1, start_time=0)
        .filter("scale", *GREY, flags="area")
        .output("work/grey.raw", format="rawvideo", pix_fmt="gray")
    )
    return _command(ffmpeg.merge_outputs(sheet, grey).global_args(*_QUIET), program)


PEAK_RATE_HZ = 4000
SPEECH_RATE_HZ = 16_000


def plain_sound(*, program: str) -> list[str]:
    """The command for ``work/sound.raw``: the sound as 16-bit samples, in which its peaks are looked for."""
    voice = ffmpeg.input("file:work/a-low.mp4")["a"]
    made = voice.output("work/sound.raw", format="s16le", acodec="pcm_s16le", ac=1, ar=PEAK_RATE_HZ)
    return _command(made.global_args(*_QUIET), program)


def speech(sound: Path, target: str, *, program: str) -> list[str]:
    """The command for the sound of a film as speech recognisers want it: one channel of 16-bit samples, 16 kHz, WAV."""
    voice = ffmpeg.input(f"file:{sound}")["a:0"]
    made = voice.output(
        f"file:{target}", format="wav", acodec="pcm_s16le", ac=1, ar=SPEECH_RATE_HZ, map_metadata=-1
    )
    return _command(made.global_args(*_QUIET), program)


def poster(name: str, *, at_s: float, target: str, program: str) -> list[str]:
    """The command for one still picture of at most 640 columns, WebP or JPEG by the name of ``target``."""
    quality = (
        {"vcodec": "libwebp", "quality": 70} if target.endswith(".webp") else {"vcodec": "mjpeg", "qscale": 5}
    )
    shrink = "scale=w='min(640,iw)':h=-2:flags=lanczos"
    made = ffmpeg.input(f"file:work/v-{name}.mp4", ss=f"{at_s:.3f}").output(
        target, vframes=1, vf=shrink, map_metadata=-1, fflags="+bitexact", **quality
    )
    return _command(made.global_args(*_QUIET), program)


def _x264(rung: Rung, rate: Fraction) -> dict[str, object]:
    return {
        "vcodec": "libx264",
        "preset": rung.preset,
        "tune": "animation",
        "profile:v": "high" if rung.lines >= 480 else "main",
        "pix_fmt": "yuv420p",
        "crf": rung.crf,
        "maxrate": f"{rung.max_kbps}k",
        "bufsize": f"{rung.max_kbps * rung.buffer_s}k",
        "g": int(rate * SEGMENT_S) + 2,  # only the forced keyframes, which are the same in every rendition
        "keyint_min": 1,
        "sc_threshold": 0,
        "force_key_frames": _KEYFRAMES,
        "threads": rung.threads,
        **_PLAIN,
    }


def _aac(sound: Sound) -> dict[str, object]:
    return {"acodec": "aac", "audio_bitrate": f"{sound.kbps}k", "ar": sound.rate_hz, "ac": 1, **_PLAIN}


_PLAIN: dict[str, object] = {
    "movflags": "+faststart",
    "map_metadata": -1,
    "map_chapters": -1,
    "fflags": "+bitexact",
    "flags": "+bitexact",
}
"""No name, place or date of the phone that filmed, and no date of ours."""


def _hls(folder: str, segment_s: int) -> dict[str, object]:
    return {
        "format": "hls",
        "c": "copy",
        "hls_time": segment_s,
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": f"{folder}/%04d.m4s",
        "fflags": "+bitexact",
    }


def _fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _command(stream: ffmpeg.Stream, program: str) -> list[str]:
    return ffmpeg.compile(stream, cmd=program, overwrite_output=True)
