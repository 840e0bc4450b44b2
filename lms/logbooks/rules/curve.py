"""The learning curve: CUSUM of success and failure of consecutive real attempts (Bolsin and Kestin's form of Wald's test).

Formative: it is shown to trainee and mentor beside the count; a committee may not decide on it alone (Biau 2007).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lms.logbooks.rules.counting import Evidence, is_simulated

ATTEMPTED = frozenset({"P", "S_TS", "S_TU"})
"""Parts in which the trainee made the attempt."""


@dataclass(frozen=True)
class Chart:
    """Parameters of one item's curve."""

    p0: float
    """Acceptable share of failures."""
    p1: float
    """Unacceptable share of failures."""
    alpha: float = 0.1
    beta: float = 0.1

    @property
    def _sum(self) -> float:
        return math.log(self.p1 / self.p0) + math.log((1 - self.p0) / (1 - self.p1))

    @property
    def s(self) -> float:
        """What a success takes off; a failure adds ``1 - s``."""
        return math.log((1 - self.p0) / (1 - self.p1)) / self._sum

    @property
    def h0(self) -> float:
        """Competent once the curve has fallen by this since it was last reset."""
        return math.log((1 - self.alpha) / self.beta) / self._sum

    @property
    def h1(self) -> float:
        """To be looked at together once it has risen by this."""
        return math.log((1 - self.beta) / self.alpha) / self._sum


@dataclass(frozen=True)
class Point:
    """One attempt on the curve."""

    number: int
    success: bool
    height: float
    verdict: str = ""
    """``competent`` or ``review`` where the curve has crossed a line here, and begins anew."""


def chart_of(targets: Mapping[str, Any], rule: Mapping[str, Any], track: str) -> Chart | None:
    """The parameters that the framework gives an item; None: it has no curve."""
    given = targets.get(track, {}).get("cusum") or rule.get("cusum")
    if not given or not 0 < given["p0"] < given["p1"] < 1:
        return None
    return Chart(given["p0"], given["p1"], given.get("alpha", 0.1), given.get("beta", 0.1))


def attempts(evidence: Iterable[Evidence]) -> list[bool]:
    """Success or failure of each real attempt of the trainee's own, in order of doing."""
    rows = sorted(evidence, key=lambda one: (one.performed_on, one.id))
    return [
        one.content.success == "yes"
        for one in rows
        if one.content.success
        and one.content.operator_role in ATTEMPTED
        and one.content.mode in {"", "real"}
        and not is_simulated(one)
    ]


def curve(outcomes: Sequence[bool], chart: Chart) -> list[Point]:
    """The curve of these outcomes; each crossing of a line gives its verdict and resets the curve."""
    found: list[Point] = []
    height = base = 0.0
    for number, success in enumerate(outcomes, start=1):
        height += -chart.s if success else 1 - chart.s
        verdict = ""
        if base - height >= chart.h0 - 1e-9:
            verdict = "competent"
        elif height - base >= chart.h1 - 1e-9:
            verdict = "review"
        found.append(Point(number, success, height, verdict))
        if verdict:
            base = height
    return found


def verdict(points: Sequence[Point]) -> str:
    """The last verdict of a curve; empty while there is none."""
    return next((point.verdict for point in reversed(points) if point.verdict), "")


def bounds(points: Sequence[Point], chart: Chart) -> tuple[float, float]:
    """The heights at which the curve would cross its lower and its upper line now."""
    base = next((point.height for point in reversed(points) if point.verdict), 0.0)
    return base - chart.h0, base + chart.h1
