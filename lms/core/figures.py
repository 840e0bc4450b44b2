"""What a site measures of itself, for Prometheus and for the operator's page: the doorman of prometheus_client.

Requests are counted in each process; everything else is asked of the database when somebody looks, so that it is true for the
whole site whichever process is asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import func, select

from lms.core.db import db

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
_registry = CollectorRegistry(auto_describe=False)
_requests = Counter(
    "firefly_requests", "Requests answered by this process.", ["page", "status"], registry=_registry
)
_seconds = Histogram(
    "firefly_request_seconds",
    "Seconds from request to answer, this process.",
    registry=_registry,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


@dataclass(frozen=True)
class Figure:
    """One number of the site at this moment."""

    name: str
    """As Prometheus calls it, without the prefix: ``certificates``."""
    label: str
    """Lazy words for the operator's page."""
    value: float
    of: Mapping[str, str] = field(default_factory=dict)
    """What it is a number of, where there are several: ``{"state": "good"}``."""


SITE: list[Callable[[datetime], Iterable[Figure]]] = []
"""Who tells figures of the site; joined in ``app.py``."""


def count_request(page: str, status: int, seconds: float) -> None:
    """Count an answered request. ``page``: name of the view, of which there is a known number."""
    _requests.labels(page, str(status)).inc()
    _seconds.observe(seconds)


def of_site(at: datetime) -> list[Figure]:
    """The figures of the site at this moment."""
    return [figure for ask in SITE for figure in ask(at)]


class _Site:
    """Hands the figures of the site to the library in its own shapes."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.figures = list(figures)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family for each name, in the order of the figures."""
        families: dict[str, GaugeMetricFamily] = {}
        for figure in self.figures:
            names = list(figure.of)
            family = families.setdefault(
                figure.name,
                GaugeMetricFamily(f"firefly_{figure.name}", figure.name.replace("_", " "), labels=names),
            )
            family.add_metric([figure.of[name] for name in names], figure.value)
        yield from families.values()


def exposition(at: datetime) -> bytes:
    """Everything in the text format of Prometheus."""
    whole = CollectorRegistry(auto_describe=False)
    whole.register(_Site(of_site(at)))
    return generate_latest(_registry) + generate_latest(whole)


def by_state(name: str, label: str, column: Any) -> list[Figure]:
    """How many rows are in each state. ``column``: of the states."""
    rows = db.session.execute(select(column, func.count()).group_by(column).order_by(column))
    return [Figure(name, label, count, {"state": state}) for state, count in rows]
