"""``lms bench``: the product measured on a temporary site, one JSON object a line (docs/benchmark.md)."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lms import demo
from lms.app import create_app
from lms.bench import classroom, films, numbers, papers, ward
from lms.bench.figures import Figure, ratios, yardstick_ms
from lms.bench.processes import Served
from lms.bench.site import Film, build, filmed, settings_of
from lms.bench.walk import Walk
from lms.core import clock

LEAST_TRAINEES = 3
"""One who is measured, one for the first certificate, one for a certificate of a warm worker."""


def main(*, trainees: Sequence[int], rounds: int) -> int:
    """Measure every job in cohorts of these sizes; the last line holds the ratios of the last size to the first.

    Exit status 2 for a cohort too small to measure or no rounds; otherwise 0, whatever the figures say: every line
    carries its target and whether it keeps to it.
    """
    if not trainees or min(trainees) < LEAST_TRAINEES or rounds < 1:
        print(f"lms: measuring needs at least {LEAST_TRAINEES} trainees and one round", file=sys.stderr)
        return 2
    _say("computing the statistics of a large test")
    for figure in numbers.figures():
        _print(figure.line())
    _say(f"making certificates; the yardstick takes {yardstick_ms():.1f} ms of CPU")
    for figure in papers.figures():
        _print(figure.line())
    _say("making films")
    for figure in films.figures(""):
        _print(figure.line())
    _say("preparing a lecture")
    with (
        tempfile.TemporaryDirectory(prefix="firefly-bench-") as folder,
        filmed(settings_of(Path(folder))) as film,
    ):
        found = [
            _measured(Path(folder) / str(size), film, trainees=size, rounds=rounds, with_ward=not number)
            for number, size in enumerate(trainees)
        ]
    if len(found) > 1:
        _print(ratios(found[0], found[-1]))
    return 0


def _measured(data_dir: Path, film: Film, *, trainees: int, rounds: int, with_ward: bool) -> list[Figure]:
    began, cpu_began = time.perf_counter(), time.process_time()
    settings = settings_of(data_dir)
    demo.prepare(settings)
    app = create_app(settings)
    site = build(app, film, trainees=trainees, at=clock.now())
    built_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    _say(f"{trainees} trainees: built in {built_s:.0f} s ({cpu_s:.0f} s of CPU)")
    _say(f"{trainees} trainees: the yardstick takes {yardstick_ms():.1f} ms of CPU")
    figures = []
    with Served(data_dir) as served:
        walk = Walk(app, settings, site, served, rounds=rounds)
        for figure in walk.figures():
            _print(figure.line())
            figures.append(figure)
        if with_ward:
            _say("writing five hundred entries that wait and a thousand that are signed")
            for figure in ward.figures(app, site, walk, rounds=rounds):
                _print(figure.line())
            _say("issuing certificates to a large class")
            for figure in classroom.figures(app, site, walk):
                _print(figure.line())
    _say(f"{trainees} trainees: measured, {time.perf_counter() - began:.0f} s in all")
    return figures


def _print(line: object) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)
