"""Make the ladder of one upload in a temporary folder; whoever asked publishes it by one rename."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lms.core.video import ladder, waveform
from lms.core.video.limits import Limits, TranscodeFailed, TranscodeStopped, VideoRefused
from lms.core.video.manifest import MASTER, NAME, Manifest, Rendition, master_playlist, thumbs_track, weigh
from lms.core.video.probing import Probe, ends_in_time, measure, peaks, probe, slides
from lms.core.video.process import Bounds, Finished, run

_ENCODED = 0.92
"""Share of the progress bar that the encoder gets; cutting and measuring take the rest."""

_FRAME_SLACK_S = 0.005

LOUDNESS_LUFS = -16.0
_LOUDNESS_SLACK = 2.0
_PEAK_DBTP = -1.0
_LIMITS = (0.6, 0.45)
"""Highest sample allowed at the first and the second correction; AAC adds what nobody can foretell."""
_SILENCE_LUFS = -55.0
"""Below this nothing is said; making it louder would make noise."""


def transcode(
    source: Path,
    target_dir: Path,
    *,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    limits: Limits | None = None,
    ffmpeg: str = "",
) -> Manifest:
    """Make every rendition of ``source`` in ``target_dir``, which is emptied first, and return what was made.

    A job that died is simply done again: the same source gives the same segments, and the same bytes as long as no cap
    of a rung bites. ``on_progress`` hears a share from 0
    to 1 that never falls, about twice a second; ``should_stop`` is asked four times a second. ``ffmpeg`` is the
    setting for the program, see ``find_ffmpeg``. Raises VideoRefused, TranscodeStopped and TranscodeFailed; whatever is
    raised, no child is left running and ``target_dir`` is empty again. Nothing is made durable here.
    """
    limits = limits or Limits()
    program = ladder.find_ffmpeg(ffmpeg)
    tell = _never_falling(on_progress)
    tell(0.0)
    facts = probe(source, limits=limits)
    _empty(target_dir)
    try:
        manifest = _Work(source.resolve(), target_dir, facts, limits, program, tell, should_stop).do()
    except BaseException:
        shutil.rmtree(target_dir, ignore_errors=True)
        target_dir.mkdir(parents=True, exist_ok=True)
        raise
    tell(1.0)
    return manifest


class _Work:
    """One transcode: what its steps share."""

    def __init__(
        self,
        source: Path,
        folder: Path,
        facts: Probe,
        limits: Limits,
        program: str,
        tell: Callable[[float], None],
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.source, self.folder, self.facts = source, folder, facts
        self.limits, self.program, self.tell, self.should_stop = limits, program, tell, should_stop
        self.planned = ladder.plan(facts)
        self.has_sound = facts.audio_index is not None

    def do(self) -> Manifest:
        """All steps in their order."""
        (self.folder / "work").mkdir()
        self._encode()
        loudness = self._loudness() if self.has_sound else None
        pictures = self._package_pictures()
        sounds = self._package_sounds(offset_s=pictures[0]["start_s"]) if self.has_sound else []
        self._check(pictures, sounds)
        self._run(ladder.whole_files(self.planned, sound=self.has_sound, program=self.program))
        self.tell(0.97)
        poster = self._poster()
        thumbs, changes = self._thumbs()
        peaks_per_s = self._peaks() if self.has_sound else 0.0
        shutil.rmtree(self.folder / "work")
        return self._write(pictures, sounds, poster, thumbs, changes, loudness, peaks_per_s)

    def _encode(self) -> None:
        command = ladder.encode(
            self.source,
            self.facts,
            self.planned,
            program=self.program,
            max_pixels=self.limits.max_pixels,
        )
        reached = 0.0

        def listen(line: str) -> None:
            nonlocal reached
            key, _equals, value = line.partition("=")
            if key == "out_time_us" and value.isdigit():
                reached = max(reached, int(value) / 1e6)
                self.tell(_ENCODED * min(1.0, reached / self.facts.duration_s))

        self._run(command, listen)
        if not ends_in_time(reached, self.facts.duration_s):
            raise VideoRefused("truncated", f"{reached} of {self.facts.duration_s} s")

    def _loudness(self) -> tuple[float, float]:
        """What the encoded sound measures; one that one pass did not bring to -16 LUFS and under -1 dBTP is corrected."""
        lufs, peak = self._measured_loudness()
        for limit in _LIMITS:
            is_off = abs(lufs - LOUDNESS_LUFS) > _LOUDNESS_SLACK or peak > _PEAK_DBTP
            if lufs <= _SILENCE_LUFS or not is_off:
                break
            gain = LOUDNESS_LUFS - lufs if abs(lufs - LOUDNESS_LUFS) > _LOUDNESS_SLACK / 2 else 0.0
            self._run(ladder.louder(gain, limit, program=self.program))
            for one in ladder.SOUNDS:
                (self.folder / "work" / f"b-{one.name}.mp4").rename(
                    self.folder / "work" / f"a-{one.name}.mp4"
                )
            lufs, peak = self._measured_loudness()
        return lufs, peak

    def _measured_loudness(self) -> tuple[float, float]:
        said = self._run(ladder.loudness("high", program=self.program)).err.rpartition("Summary:")[2]
        lufs = re.search(r"\bI:\s+(-?[\d.]+|-inf|nan) LUFS", said)
        peak = re.search(r"\bPeak:\s+(-?[\d.]+|-inf|nan) dBFS", said)
        if not lufs or not peak:
            raise TranscodeFailed("encoder", f"no loudness: {said[-200:]}")
        return tuple(-70.0 if one[1] in {"-inf", "nan"} else float(one[1]) for one in (lufs, peak))  # type: ignore[return-value]

    def _thumbs(self) -> tuple[str, list[int]]:
        """The name of the track of thumbnails, and the seconds at which a new slide appears."""
        lite = self.planned[0]
        width = max(2, 2 * round(ladder.THUMB_LINES * lite.width / lite.height / 2))
        for suffix in ("webp", "jpg"):
            try:
                self._run(ladder.thumbs(width, suffix=suffix, program=self.program))
            except TranscodeFailed:
                if suffix == "jpg":
                    raise
                continue
            if (self.folder / f"thumbs-01.{suffix}").exists():
                break
        track = thumbs_track(
            self.facts.duration_s,
            every_s=ladder.THUMBS_EVERY_S,
            size=(width, ladder.THUMB_LINES),
            grid=(ladder.THUMBS_ACROSS, ladder.THUMBS_DOWN),
            suffix=suffix,
        )
        (self.folder / "thumbs.vtt").write_text(track, "ascii")
        return "thumbs.vtt", slides(self.folder / "work" / "grey.raw", ladder.GREY, limits=self.limits)

    def _peaks(self) -> float:
        """Write the waveform; how many places it has in a second."""
        self._run(ladder.plain_sound(program=self.program))
        samples = self.folder / "work" / "sound.raw"
        length_s = max(0.1, samples.stat().st_size / 2 / ladder.PEAK_RATE_HZ)
        count = waveform.places(length_s)
        (self.folder / waveform.NAME).write_bytes(peaks(samples, count, limits=self.limits))
        return round(count / length_s, 5)

    def _package_pictures(self) -> list[dict[str, float]]:
        names = [one.name for one in self.planned]
        for name in names:
            (self.folder / name).mkdir()
        self._run(ladder.package_pictures(names, program=self.program))
        self.tell(0.94)
        return self._measure(names)

    def _package_sounds(self, *, offset_s: float) -> list[dict[str, float]]:
        """Cut the sound, late by what the picture is late: fragmented MP4 starts after its reordered frames."""
        names = [f"a-{one.name}" for one in ladder.SOUNDS]
        for name in names:
            (self.folder / name).mkdir()
        self._run(ladder.package_sounds(offset_s, program=self.program))
        self.tell(0.96)
        return self._measure(names)

    def _measure(self, names: list[str]) -> list[dict[str, float]]:
        found = measure([self.folder / name for name in names], limits=self.limits)
        return [dict(one) for one in found]  # type: ignore[arg-type]

    def _check(self, pictures: list[dict[str, float]], sounds: list[dict[str, float]]) -> None:
        """Renditions between which a player may change must agree; publish nothing that does not."""
        first = pictures[0]
        for found, planned in zip(pictures, self.planned, strict=True):
            if (found["width"], found["height"]) != (planned.width, planned.height):
                raise TranscodeFailed("uneven", f"size of {found['folder']}")
        for other in pictures[1:]:
            if other["keyframes"] != first["keyframes"]:
                raise TranscodeFailed("uneven", f"keyframes of {other['folder']}")
            if abs(other["end_s"] - first["end_s"]) > _FRAME_SLACK_S + 1 / float(self.facts.steady_rate):
                raise TranscodeFailed("uneven", f"end of {other['folder']}")
        longest = max(one["end_s"] - first["start_s"] for one in [*pictures, *sounds])
        if not ends_in_time(longest, self.facts.duration_s):
            raise VideoRefused("truncated", f"{longest} of {self.facts.duration_s} s")

    def _poster(self) -> str:
        """A still of the beginning. A program without WebP gives a JPEG."""
        at = min(2.0, self.facts.duration_s / 3)
        for target in ("poster.webp", "poster.jpg"):
            command = ladder.poster(self.planned[-1].name, at_s=at, target=target, program=self.program)
            try:
                self._run(command)
            except TranscodeFailed:
                if target.endswith(".jpg"):
                    raise
                continue
            if (self.folder / target).exists():
                return target
        raise TranscodeFailed("encoder", "no poster")

    def _write(
        self,
        pictures: list[dict[str, float]],
        sounds: list[dict[str, float]],
        poster: str,
        thumbs: str,
        changes: list[int],
        loudness: tuple[float, float] | None,
        peaks_per_s: float,
    ) -> Manifest:
        made = [
            self._rendition(found, "video", planned.name, planned.rung.sound if self.has_sound else "")
            for found, planned in zip(pictures, self.planned, strict=True)
        ]
        made += [
            self._rendition(found, "audio", sound.name, "")
            for found, sound in zip(sounds, ladder.SOUNDS, strict=bool(sounds))
        ]
        renditions = tuple(made)
        rate = float(self.facts.steady_rate)
        (self.folder / MASTER).write_text(master_playlist(renditions, rate), "ascii")
        start = pictures[0]["start_s"]
        manifest = Manifest(
            duration_s=round(max(one["end_s"] - start for one in [*pictures, *sounds]), 3),
            width=self.planned[-1].width,
            height=self.planned[-1].height,
            frames_per_s=round(rate, 3),
            master=MASTER,
            renditions=renditions,
            video_file="lite.mp4",
            audio_file="audio.m4a" if self.has_sound else "",
            poster=poster,
            size_bytes=sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
            thumbs=thumbs,
            slides=tuple(changes),
            peaks=waveform.NAME if peaks_per_s else "",
            peaks_per_s=peaks_per_s,
            loudness_lufs=loudness[0] if loudness else None,
            peak_dbtp=loudness[1] if loudness else None,
        )
        (self.folder / NAME).write_text(manifest.to_json(), "utf-8")
        return manifest

    def _rendition(self, found: dict[str, float], kind: str, name: str, sound: str) -> Rendition:
        folder = str(found["folder"])
        average, peak, size, segments = weigh(self.folder / folder)
        return Rendition(
            name=name,
            kind=kind,
            playlist=f"{folder}/index.m3u8",
            codecs=str(found["codecs"]),
            average_bps=average,
            peak_bps=peak,
            size_bytes=size,
            segments=segments,
            width=int(found["width"]),
            height=int(found["height"]),
            sound=sound,
            file=f"{name}.mp4" if kind == "video" else "",
            file_bytes=(self.folder / f"{name}.mp4").stat().st_size if kind == "video" else 0,
        )

    def _run(self, command: list[str], on_line: Callable[[str], None] | None = None) -> Finished:
        wall_s = self.limits.encode_wall_s(self.facts.duration_s)
        highest = sum(one.rung.max_kbps for one in self.planned) * 1000 / 8
        bounds = Bounds(
            wall_s=wall_s,
            cpu_s=int(wall_s * 4),
            memory_bytes=self.limits.encode_memory_bytes,
            file_bytes=int(highest * self.facts.duration_s * 2) + (64 << 20),
        )
        done = run(command, bounds=bounds, folder=self.folder, on_line=on_line, should_stop=self.should_stop)
        if done.status == 0:
            return done
        if self.should_stop is not None and self.should_stop():
            raise TranscodeStopped("stopped")
        full = "No space left" in done.err or "Disk quota" in done.err
        raise TranscodeFailed("no_space" if full else "encoder", f"status {done.status}: {done.err}")


def _never_falling(on_progress: Callable[[float], None] | None) -> Callable[[float], None]:
    highest = -1.0

    def tell(share: float) -> None:
        nonlocal highest
        if on_progress is not None and share > highest:
            highest = share
            on_progress(share)

    return tell


def _empty(folder: Path) -> None:
    """Remove what a dead attempt left."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
