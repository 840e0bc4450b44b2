"""What a film costs: the whole ladder for one minute of a lecture of 1080 lines, and each rendition by itself."""

import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lms.bench.figures import Figure, Target
from lms.core import video
from lms.core.video import ladder, process

SECONDS = 20
"""Of the film; the figures are for a minute."""

MINUTE = Target(120_000)
"""Two cores make a minute in a minute."""

_SLIDE = "drawbox=x='mod(floor(t/7)*97,900)':y='mod(floor(t/7)*61,500)':w=800:h=300:color=white@0.6:t=fill"


def figures(ffmpeg: str) -> Iterator[Figure]:
    """The ladder of a lecture with slides, a moving face and a voice, then each of its pictures alone."""
    with tempfile.TemporaryDirectory(prefix="firefly-ladder-") as name:
        folder = Path(name)
        program = video.find_ffmpeg(ffmpeg)
        film = _lecture(folder / "lecture.mp4", program)
        made: dict[str, Any] = {}

        def whole() -> None:
            made["manifest"] = video.transcode(film, folder / "out", ffmpeg=ffmpeg)

        yield _measured("transcode a minute", whole, size=lambda: made["manifest"].size_bytes)
        facts = video.probe(film)
        for one in ladder.plan(facts):
            work = folder / one.name / "work"
            work.mkdir(parents=True)
            command = ladder.encode(film, facts, [one], program=program, max_pixels=video.Limits().max_pixels)
            yield _measured(
                f"transcode a minute, {one.name} alone",
                lambda command=command, work=work: _run(command, work.parent),  # type: ignore[misc]
                size=lambda work=work, one=one: (work / f"v-{one.name}.mp4").stat().st_size,  # type: ignore[misc]
            )


def _lecture(path: Path, program: str) -> Path:
    """Slides that change every 7 s, and a face of noise in a corner."""
    picture = f"testsrc=s=1920x1080:r=25:d={SECONDS},trim=end_frame=1,loop=loop={SECONDS * 25 - 1}:size=1,setpts=N/25/TB,{_SLIDE}[slide];"  # fmt: skip
    picture += f"mandelbrot=s=480x270:r=25,trim=duration={SECONDS}[face];[slide][face]overlay=x=1400:y=780:shortest=1[v];"  # fmt: skip
    sound = f"anoisesrc=d={SECONDS}:c=pink:a=0.1,tremolo=f=4:d=0.7[a]"
    command = [program, "-nostdin", "-v", "error", "-y", "-filter_complex", picture + sound, "-map", "[v]", "-map", "[a]", "-t", str(SECONDS), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p", str(path)]  # fmt: skip
    subprocess.run(command, check=True)  # noqa: S603 (our own program, our own words)
    return path


def _run(command: list[str], folder: Path) -> None:
    bounds = process.Bounds(wall_s=600, cpu_s=1200, memory_bytes=4 << 30, file_bytes=1 << 30)
    done = process.run(command, bounds=bounds, folder=folder, on_line=lambda _line: None)
    if done.status:
        raise video.TranscodeFailed("encoder", done.err)


def _measured(job: str, act: Callable[[], Any], *, size: Callable[[], int]) -> Figure:
    before, began = _children_s(), time.perf_counter()
    act()
    a_minute = 60 / SECONDS
    cpu_ms, wall_ms = (
        1000 * (_children_s() - before) * a_minute,
        1000 * (time.perf_counter() - began) * a_minute,
    )
    most_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Figure(
        job=job,
        trainees=0,
        n=1,
        cpu_ms=cpu_ms,
        cpu_best_ms=cpu_ms,
        queries=0.0,
        queries_most=0,
        wall_p50_ms=wall_ms,
        wall_p95_ms=wall_ms,
        bytes=round(size() * a_minute),
        target=MINUTE,
        more={"memory_mb_most_so_far": most_mb},
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
