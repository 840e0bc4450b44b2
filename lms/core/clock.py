"""The one clock. Edges ask it once and hand the instant down as ``at``; nothing else in the house reads time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")
"""The zone of all calendar facts and deadlines of the programme."""

XINJIANG = ZoneInfo("Asia/Urumqi")
"""Shown beside Beijing time to people who chose it (two hours behind)."""

_shift = timedelta(0)


def now() -> datetime:
    """This instant, aware, in UTC."""
    return datetime.now(UTC) + _shift


def today(at: datetime | None = None) -> date:
    """The calendar day in Beijing at ``at`` (default: now)."""
    return (at or now()).astimezone(BEIJING).date()


@contextmanager
def travelled(by: timedelta) -> Iterator[None]:
    """Move the whole process's clock; for tests that walk through a deadline."""
    global _shift
    before = _shift
    _shift = before + by
    try:
        yield
    finally:
        _shift = before
