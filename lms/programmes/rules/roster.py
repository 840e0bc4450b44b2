"""Pure decisions about duty rosters: what a ward's codes mean, which day a column is, what is planned, what comes next."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.programmes.rules import Span
from lms.programmes.rules.lists import plain

SHIFTS: dict[str, tuple[str, str]] = {
    "day": ("白班", "day shift"),
    "evening": ("小夜班", "evening shift"),
    "night": ("夜班", "night shift"),
    "full": ("24 小时值班", "24-hour duty"),
    "half": ("半天", "half a day"),
    "study": ("学习", "study day"),
    "leave": ("请假", "leave"),
    "off": ("休息", "off duty"),
}
"""What a day can be planned to be, with its name in Chinese and English."""

SIGNS = {
    "day": "白",
    "evening": "小夜",
    "night": "夜",
    "full": "值",
    "half": "半",
    "study": "学",
    "leave": "假",
    "off": "休",
}
"""How a ward writes them; the export uses these, and the import reads them."""

WARD = frozenset({"day", "evening", "night", "full", "half"})
"""Shifts in the ward."""
PLANNED = WARD | {"study"}
"""Shifts that count as a planned day of training."""

_WORDS = {
    "day": "白 白班 日 日班 主班 责班 责任班 d day dayshift 早 早班 a班 行政班 正常班 上班 班 √",
    "evening": "小夜 小夜班 中 中班 前夜 前夜班 e evening eveningshift p p班 两头班",
    "night": "夜 夜班 大夜 大夜班 后夜 后夜班 晚 晚班 n night nightshift n班",
    "full": "值 值班 24 24h 24小时 全 全天 全班 连班 白夜 白夜班 白/夜 白+夜 d/n dn d+n 24小时值班 24hourduty 一线 一线值班 住院总",
    "half": "半 半天 半日 上午 下午 h half halfaday am pm",
    "study": "学 学习 学习日 课 上课 授课 培训 理论 讲座 s study studyday 考试 会 会议",
    "leave": "假 请假 年假 年休 年休假 公休 事假 病假 婚假 产假 陪产假 丧假 探亲假 l al sl leave",
    "off": "休 休息 轮休 补休 调休 下夜 下夜班 夜休 出夜班 下 o off offduty 空 / -",
}
_SHIFT_OF = {plain(word) or word: shift for shift, words in _WORDS.items() for word in words.split()}

MOST_DUTIES = 6_000
"""Days of people in one roster: a quarter of a year of sixty."""


def shift_of(text: str) -> str:
    """The shift that a cell of a roster means. Raises RuleBroken ``shift``."""
    word = re.sub(r"[\(\[【〔].*?[\)\]】〕]", "", unicodedata.normalize("NFKC", text))
    found = _SHIFT_OF.get(plain(word) or word.strip())
    if found is None:
        raise RuleBroken(
            "shift", _("This is no shift. Write 白, 小夜, 夜, 值, 半, 学, 假 or 休, or D, E, N, O.")
        )
    return found


# ---------------------------------------------------------------- which day a column is

_WEEKDAY = re.compile(
    r"(?:星期|周|礼拜)[一二三四五六日天]|\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\b\.?", re.IGNORECASE
)
_FULL = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?: 00:00(?::00)?)?")
_MONTH_DAY = re.compile(r"(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?")
_DAY = re.compile(r"(\d{1,2})\s*[日号]?")
_MONTH = re.compile(
    r"(?:(\d{4})\s*[-/.年]\s*)?(\d{1,2})\s*月(?!\s*\d)|(\d{4})\s*[-/.]\s*(\d{1,2})(?![-/.\d])"
)


def _bare(text: str) -> str:
    """A header without weekday and notes in brackets."""
    word = unicodedata.normalize("NFKC", text)
    word = re.sub(r"[\(\[【〔].*?[\)\]】〕]", " ", word)
    return re.sub(r"\s+", " ", _WEEKDAY.sub(" ", word)).strip()


Written = tuple[int | None, int | None, int]
"""Year, month and day as far as a header writes them."""


def header_day(text: str) -> Written | None:
    """The day that a column's header writes: 2026-12-01, 12月1日, 12/1, 1日, 1 (二); None where it is no day."""
    word = _bare(text)
    if match := _FULL.fullmatch(word):
        year, month, day = (int(part) for part in match.groups())
        return year, month, day
    if match := _MONTH_DAY.fullmatch(word):
        return None, int(match[1]), int(match[2])
    match = _DAY.fullmatch(word)
    return (None, None, int(match[1])) if match and 1 <= int(match[1]) <= 31 else None


def header_month(text: str) -> tuple[int | None, int] | None:
    """Year, where it is written, and month of a merged header or a title: 12月, 2026年12月NICU排班表, 2026-12."""
    match = _MONTH.search(unicodedata.normalize("NFKC", text))
    if match is None:
        return None
    year, month = (match[1], match[2]) if match[2] else (match[3], match[4])
    return (int(year) if year else None, int(month)) if 1 <= int(month) <= 12 else None


def days_of(
    written: Sequence[Written], months: Sequence[tuple[int | None, int] | None], within: Span
) -> list[date]:
    """The days of a roster's columns: what is not written follows from the month above, the column before, the cohort's dates.

    ``months`` holds what stands above each column. Raises RuleBroken ``roster_month`` or ``roster_day``.
    """
    found: list[date] = []
    for (year, month, day), above in zip(written, months, strict=True):
        if month is None and above is not None:
            year, month = above
        if month is None and found:
            before = found[-1]
            month = before.month if day > before.day else before.month % 12 + 1
            year = before.year + (day <= before.day and before.month == 12)
        if month is None:
            raise RuleBroken("roster_month", _("Write the month above the days, such as 2026年12月."))
        found.append(_dated(year, month, day, within))
    return found


def _dated(year: int | None, month: int, day: int, within: Span) -> date:
    """A day whose year may be missing: the one in which it lies in the cohort, or else nearest to its first day."""
    years = [year] if year is not None else range(within[0].year, within[1].year + 1)
    days = []
    for one in years:
        try:
            days.append(date(one, month, day))
        except ValueError:
            continue
    if not days:
        raise RuleBroken("roster_day", _("There is no such day: %(month)s/%(day)s.", month=month, day=day))
    inside = [one for one in days if within[0] <= one <= within[1]]
    return (inside or days)[0]


# ---------------------------------------------------------------- what is planned


def planned_days(
    weekdays: Collection[date], spans: Collection[Span], roster: Mapping[date, str], *, until: date
) -> list[date]:
    """The planned days of some placements up to ``until``: a day of which a roster speaks is as it says, else a weekday is."""
    found = {day for day in weekdays if day not in roster}
    found |= {
        day
        for day, shift in roster.items()
        if shift in PLANNED and day <= until and any(first <= day <= last for first, last in spans)
    }
    return sorted(found)


# ---------------------------------------------------------------- what comes next


@dataclass(frozen=True)
class Chance:
    """The next time when a trainee is in a unit: a duty of the roster, or the first day of a placement that comes."""

    unit: str
    day: date
    shift: str
    """Empty: no roster says; the trainee is placed there from this day on."""
    mentor: str = ""
    """Name of the primary mentor of that day."""
    is_mentor_there: bool = False
    """Whether the roster has the mentor in the ward on that day."""


@dataclass(frozen=True)
class Stay:
    """A placement with its primary mentors: person, name, span."""

    unit: str
    span: Span
    mentors: tuple[tuple[int, str, Span], ...] = ()


def next_chances(
    stays: Iterable[Stay],
    duties: Mapping[date, tuple[str, str]],
    mentors_there: Collection[tuple[int, date]],
    *,
    today: date,
) -> dict[str, Chance]:
    """The next chance in each unit, by unit. Nothing is guessed: the first duty in the ward from today on that the roster
    names (``duties``: day → shift and unit); where it names none, from when the trainee is placed there.

    ``mentors_there``: persons and days on which the roster has them in the ward.
    """
    found: dict[str, Chance] = {}
    ordered = sorted(stays, key=lambda stay: stay.span)
    for day, (shift, unit) in sorted(duties.items()):
        if day < today or shift not in WARD or unit in found:
            continue
        stay = next((one for one in ordered if one.unit == unit and one.span[0] <= day <= one.span[1]), None)
        if stay is None:
            continue
        found[unit] = _chance(stay, day, shift, mentors_there)
    for stay in ordered:
        if stay.unit in found or stay.span[1] < today:
            continue
        ahead = [day for day in duties if day >= today and stay.span[0] <= day <= stay.span[1]]
        day = max(
            today, stay.span[0], *(one + timedelta(days=1) for one in ahead)
        )  # the roster says: not on these
        if day <= stay.span[1]:
            found[stay.unit] = _chance(stay, day, "", ())
    return found


def _chance(stay: Stay, day: date, shift: str, mentors_there: Collection[tuple[int, date]]) -> Chance:
    mentor = next((one for one in stay.mentors if one[2][0] <= day <= one[2][1]), None)
    if mentor is None:
        return Chance(stay.unit, day, shift)
    return Chance(stay.unit, day, shift, mentor[1], (mentor[0], day) in mentors_there)
