"""Reading a duty roster as wards write them: people down and days across, or one line for each person and day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from lms.accounts import rules as account_rules
from lms.core import imports
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import CellError, Column, Line, Preview, Sheet
from lms.programmes.rules import Span, lists
from lms.programmes.rules import roster as rules

NAMES = (
    "姓名",
    "Name",
    "人员",
    "医生",
    "医师",
    "护士",
    "学员",
    "学员姓名",
    "值班人员",
    "医生姓名",
    "Trainee",
)
LOGINS = (
    "手机号或邮箱",
    "E-mail or phone",
    "手机号",
    "手机",
    "联系电话",
    "邮箱",
    "登录名",
    "Login",
    "Phone",
    "E-mail",
)
DAYS = ("日期", "Date", "Day", "值班日期", "排班日期")
SHIFTS = ("班次", "Shift", "班别", "班种", "班", "排班")

_NAME_WORDS = {lists.plain(word) for word in NAMES} | {"姓名日期", "日期姓名", "姓名/日期", "日期/姓名"}
_LOGIN_WORDS = {lists.plain(word) for word in LOGINS}
_NOT_PEOPLE = {"备注", "说明", "合计", "总计", "注", "note", "notes", "total"}


@dataclass(frozen=True)
class Said:
    """One cell of a roster: who, on which day, which shift."""

    row: int
    name: str
    login: str
    day: date
    shift: str
    written: str
    cell: str
    """Of the shift."""
    name_cell: str


@dataclass(frozen=True)
class Reading:
    """What a file says."""

    said: tuple[Said, ...]
    preview: Preview
    """Its errors, and the rows that were left out."""


def columns() -> list[Column]:
    """The columns of the long form; also the empty workbook."""
    return [
        Column("day", DAYS, required=True, parse=imports.a_date),
        Column("name", NAMES, required=True),
        Column("login", LOGINS, parse=account_rules.clean_login),
        Column("shift", SHIFTS, required=True, parse=_shift),
    ]


def _shift(text: str) -> tuple[str, str]:
    return rules.shift_of(text), text[:20]


def read(sheet: Sheet, within: Span, *, excluded: Collection[int]) -> Reading:
    """Everything a roster says, in either form; ``within`` are the cohort's days, from which a missing year follows.

    Raises RuleBroken ``no_header``, ``roster_month`` or ``too_many_rows`` where the file as a whole is no roster.
    """
    grid = _grid(sheet)
    reading = _read_long(sheet, excluded) if grid is None else _read_grid(sheet, grid, within, excluded)
    if len(reading.said) > rules.MOST_DUTIES:
        raise RuleBroken(
            "too_many_rows", _("The file has more than %(limit)s days.", limit=rules.MOST_DUTIES)
        )
    return reading


# ---------------------------------------------------------------- one line for each day


def _read_long(sheet: Sheet, excluded: Collection[int]) -> Reading:
    try:
        found = imports.preview(sheet, columns(), excluded=excluded)
    except RuleBroken as refusal:
        if refusal.code != "no_header":
            raise
        raise RuleBroken(
            "no_header",
            _("No row names people and days. Write 姓名 and the days in one row, or 日期, 姓名 and 班次."),
        ) from refusal
    letters = imports.letters(sheet, found)
    said = []
    for row in found.rows:
        shift, written = row.values["shift"]
        said.append(
            Said(
                row.number,
                row.values["name"],
                row.values["login"] or "",
                row.values["day"],
                shift,
                written,
                f"{letters['shift']}{row.number}",
                f"{letters['name']}{row.number}",
            )
        )
    return Reading(tuple(said), found)


# ---------------------------------------------------------------- people down, days across


@dataclass(frozen=True)
class _Grid:
    """Where a grid keeps what."""

    first: int
    """Place among the lines of the first row of people."""
    name: int
    login: int | None
    days: tuple[tuple[int, rules.Written, str], ...]
    """Column, what its header writes, and the header's cell."""
    months: tuple[tuple[int | None, int] | None, ...]
    """What stands above each of the days."""


def _grid(sheet: Sheet) -> _Grid | None:
    """Where a grid begins; None where the file is none. The days may stand a row or two below the word for names."""
    head = sheet.lines[: imports.HEADER_WITHIN]
    for place, line in enumerate(head):
        name = next((n for n, cell in enumerate(line.cells) if lists.plain(cell) in _NAME_WORDS), None)
        if name is None:
            continue
        candidates = [(at, _day_columns(head[at], name)) for at in range(place, min(place + 3, len(head)))]
        at, days = max(candidates, key=lambda one: len(one[1]))
        if len(days) < 2:
            continue
        login = next((n for n, cell in enumerate(line.cells) if lists.plain(cell) in _LOGIN_WORDS), None)
        months = _months(head[:at], [column for column, _written, _cell in days])
        return _Grid(at + 1, name, login, tuple(days), tuple(months))
    return None


def _day_columns(line: Line, name: int) -> list[tuple[int, rules.Written, str]]:
    found = []
    for column, cell in enumerate(line.cells):
        written = rules.header_day(cell) if column > name else None
        if written is not None:
            found.append((column, written, f"{imports.column_letter(column)}{line.number}"))
    return found


def _months(above: tuple[Line, ...] | list[Line], days: list[int]) -> list[tuple[int | None, int] | None]:
    """The month written above each column of a day; a merged header stands in its first column only.

    Above the first day counts what stands furthest right of what is left of it, else the title.
    """
    found: list[tuple[int | None, int] | None] = [None] * len(days)
    for line in above:
        for column, cell in enumerate(line.cells):
            month = rules.header_month(cell) if cell else None
            if month is None:
                continue
            place = next((n for n, day in enumerate(days) if day >= column), None)
            if place is not None:
                found[place] = month
    return found


def _read_grid(sheet: Sheet, grid: _Grid, within: Span, excluded: Collection[int]) -> Reading:
    days = rules.days_of([written for _column, written, _cell in grid.days], grid.months, within)
    errors: list[CellError] = []
    said: list[Said] = []
    left_out: list[int] = []
    for line in sheet.lines[grid.first :]:
        name = line.cells[grid.name] if grid.name < len(line.cells) else ""
        if not name or lists.plain(name) in _NOT_PEOPLE:
            continue  # weekdays beneath the days, notes and sums
        if line.number in excluded:
            left_out.append(line.number)
            continue
        login = line.cells[grid.login] if grid.login is not None and grid.login < len(line.cells) else ""
        for (column, _written, _cell), day in zip(grid.days, days, strict=True):
            text = line.cells[column] if column < len(line.cells) else ""
            if not text:
                continue
            cell = f"{imports.column_letter(column)}{line.number}"
            try:
                shift = rules.shift_of(text)
            except RuleBroken as refusal:
                errors.append(CellError(cell, "shift", refusal.code, refusal.message, text[:40]))
                continue
            said.append(
                Said(
                    line.number,
                    name,
                    account_rules.clean_login(login) if login else "",
                    day,
                    shift,
                    text[:20],
                    cell,
                    f"{imports.column_letter(grid.name)}{line.number}",
                )
            )
    return Reading(tuple(said), Preview((), tuple(errors), excluded=tuple(left_out)))
