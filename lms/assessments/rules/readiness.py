"""Whether a site is ready for an exam, judged by what a drill found there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _

STEPS = ("making", "sign-in", "start", "answers", "hand-in", "comparing")
"""Of a drill, by the first word of what it says on its way."""
MOST_USERS, MOST_MINUTES, MOST_KILLS = 2_000, 10, 20

SAVE_P99_MS, START_P95_MS, FSYNC_MS = 250, 1_000, 20
LEAST_FREE_GB = 2.0


class Check(StrEnum):
    """What is looked at, in the order of the sheet."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    ERRORS = "errors"
    KILLS = "kills"
    SAVE = "save_p99_ms"
    START = "start_p95_ms"
    FSYNC = "fsync_ms"
    DISK = "disk_free_gb"
    CLOCK = "clock_ok"


@dataclass(frozen=True)
class Found:
    """One line of the sheet."""

    check: Check
    value: Any
    """None: not known, which is no reason against."""
    ok: bool


def require_drill(*, users: int, minutes: int, drop_percent: int, kills: int) -> None:
    """Whether a drill from the page makes sense. Raises RuleBroken with the field."""
    if not 1 <= users <= MOST_USERS:
        raise RuleBroken(
            "drill_users", _("Between 1 and %(most)s candidates.", most=MOST_USERS), field="users"
        )
    if not 1 <= minutes <= MOST_MINUTES:
        raise RuleBroken(
            "drill_minutes", _("Between 1 and %(most)s minutes.", most=MOST_MINUTES), field="minutes"
        )
    if not 0 <= drop_percent <= 50:
        raise RuleBroken("drill_drop", _("Between 0 and 50 per cent."), field="drop_percent")
    if not 0 <= kills <= MOST_KILLS:
        raise RuleBroken("drill_kills", _("Between 0 and %(most)s times.", most=MOST_KILLS), field="kills")


def readiness(figures: Mapping[str, Any], *, kills: int) -> list[Found]:
    """Every line of the sheet; the site is ready when all of them are well. ``kills``: as many as were asked for."""
    values = {check: figures.get(check.value) for check in Check}
    measured = {Check.LOST, Check.DUPLICATED, Check.ERRORS, Check.KILLS, Check.SAVE, Check.START}
    return [
        Found(check, value, _is_fine(check, value, kills) if value is not None else check not in measured)
        for check, value in values.items()
    ]


def _is_fine(check: Check, value: Any, kills: int) -> bool:
    most = {Check.SAVE: SAVE_P99_MS, Check.START: START_P95_MS, Check.FSYNC: FSYNC_MS}
    if check in most:
        return bool(value < most[check])
    if check is Check.KILLS:
        return bool(value >= kills)
    if check is Check.DISK:
        return bool(value >= LEAST_FREE_GB)
    return bool(value) if check is Check.CLOCK else bool(value == 0)
