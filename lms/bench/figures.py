"""Figures: what was measured of one job, against its target."""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lms.bench.client import Reply
from lms.bench.processes import cpu_s

Ask = Callable[[], Reply]


@dataclass(frozen=True)
class Target:
    """What a job may cost."""

    cpu_ms: float
    queries: int | None = None
    """None: not bounded; it must not grow with the cohort (see the ratios)."""


PAGE = Target(8, 12)
ACT = Target(8)
"""An act writes what it did three times over (the row, its frozen revision, the audit trail), so its statements are not bounded."""
SAVE = Target(1.5)
CERTIFICATE, CERTIFICATE_OF_CLASS = Target(300), Target(300, 5)
"""A small batch shares among few what is asked once for all: its statements are not bounded."""


CHUNK = 20
"""Units between two readings of the CPU clock."""


@dataclass(frozen=True)
class Figure:
    """One measured job, printed as one line."""

    job: str
    trainees: int
    n: int
    cpu_ms: float
    """Per unit, user and system."""
    cpu_best_ms: float
    """The same over the cheapest ``CHUNK`` units in a row: what it costs while nobody else uses the machine."""
    queries: float
    """Per unit."""
    queries_most: int
    wall_p50_ms: float
    wall_p95_ms: float
    bytes: int
    """Per unit, on the wire towards the browser."""
    target: Target
    more: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it keeps to its target."""
        bounded = self.target.queries is not None
        return self.cpu_ms <= self.target.cpu_ms and (
            not bounded or self.queries_most <= (self.target.queries or 0)
        )

    def line(self) -> dict[str, Any]:
        """What is printed."""
        return {
            "job": self.job,
            "trainees": self.trainees,
            "n": self.n,
            "cpu_ms": round(self.cpu_ms, 2),
            "cpu_best_ms": round(self.cpu_best_ms, 2),
            "queries": round(self.queries, 1),
            "queries_most": self.queries_most,
            "wall_p50_ms": round(self.wall_p50_ms, 2),
            "wall_p95_ms": round(self.wall_p95_ms, 2),
            "bytes": self.bytes,
            "target_ms": round(self.target.cpu_ms, 2),
            "target_queries": self.target.queries,
            "ok": self.ok,
            **{name: round(value, 2) for name, value in self.more.items()},
        }


class Meter:
    """Adds up what a job costs the server, over as many runs as it takes."""

    def __init__(self, job: str, target: Target, *, pid: int, trainees: int) -> None:
        self.job, self.target, self.pid, self.trainees = job, target, pid, trainees
        self._cpu_s: list[tuple[float, int]] = []
        self._walls: list[float] = []
        self._queries: list[int] = []
        self._sizes: list[int] = []

    def run(self, asks: Iterable[Ask]) -> list[Reply]:
        """Ask one after the other; everything the server does meanwhile counts."""
        replies: list[Reply] = []
        waiting = iter(asks)
        while chunk := list(itertools.islice(waiting, CHUNK)):
            before = cpu_s(self.pid)
            replies += [ask() for ask in chunk]
            self._cpu_s.append((cpu_s(self.pid) - before, len(chunk)))
        for reply in replies:
            self._walls.append(reply.wall_s)
            self._queries.append(reply.queries)
            self._sizes.append(reply.size_bytes)
        return replies

    def figure(self) -> Figure:
        """What came out."""
        n = len(self._walls)
        return Figure(
            job=self.job,
            trainees=self.trainees,
            n=n,
            cpu_ms=1000 * sum(spent for spent, _many in self._cpu_s) / n,
            cpu_best_ms=1000 * min(spent / many for spent, many in self._cpu_s if many == self._cpu_s[0][1]),
            queries=sum(self._queries) / n,
            queries_most=max(self._queries),
            wall_p50_ms=1000 * quantile(self._walls, 0.5),
            wall_p95_ms=1000 * quantile(self._walls, 0.95),
            bytes=round(sum(self._sizes) / n),
            target=self.target,
        )


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * round(share * 100) // 100) - 1)]


def yardstick_ms() -> float:
    """CPU milliseconds of a fixed piece of plain Python, the median of nine: says how fast this machine is just now.

    CPU time, too, grows when others share the core's caches and its second thread.
    """

    def once() -> float:
        before, held = time.process_time(), dict.fromkeys(range(1024), 0)
        for number in range(200_000):
            held[number & 1023] += number
        return 1000 * (time.process_time() - before)

    return quantile([once() for _time in range(9)], 0.5)


def ratios(small: Iterable[Figure], large: Iterable[Figure]) -> dict[str, Any]:
    """The last line: how much more each job costs in the larger cohort."""
    first = {one.job: one for one in small}
    pairs = [(first[one.job], one) for one in large if one.job in first]
    sizes = [pairs[0][0].trainees, pairs[0][1].trainees] if pairs else []
    return {
        "job": "ratio",
        "trainees": sizes,
        "cpu_ms": {a.job: _ratio(b.cpu_ms, a.cpu_ms) for a, b in pairs},
        "cpu_best_ms": {a.job: _ratio(b.cpu_best_ms, a.cpu_best_ms) for a, b in pairs},
        "queries": {a.job: _ratio(b.queries, a.queries) for a, b in pairs},
        "bytes": {a.job: _ratio(b.bytes, a.bytes) for a, b in pairs},
    }


def _ratio(large: float, small: float) -> float | None:
    return round(large / small, 2) if small else None
