"""The sheets of a workbook as rows of cells under the names of their columns, and rows that belong together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lms.assessments.interchange import words
from lms.assessments.interchange.columns import column_name, is_silent, numbered_types
from lms.assessments.interchange.drafting import Gathered
from lms.assessments.interchange.drafts import Place
from lms.assessments.interchange.plain import clean
from lms.assessments.interchange.sheet_pictures import Extras, Picture
from lms.assessments.rules.items import TYPES
from lms.core.i18n import _
from lms.core.imports import HEADER_WITHIN, Line, Sheet, column_letter

GROUPS = frozenset(code for code, shape in TYPES.items() if shape.is_group and code != "CLOZE")
_CONTINUED = re.compile(r"shared|group|type|topic|chapter|subject|option")
"""Columns whose merged cells say the same in every row; a stem or an answer is never meant twice."""


@dataclass
class Raw:
    """One row of a sheet."""

    sheet: str
    number: int
    values: dict[str, str]
    """Name of the column → text of the cell, where it says anything."""
    columns: Mapping[str, int]
    said_type: str = ""
    type: str = ""
    pictures: list[tuple[str, Picture]] = field(default_factory=list)
    """Name of the column (empty: one that is not known) and what lies there."""
    is_bilingual: bool = False
    """Whether the sheet has columns for English, so that the others are Chinese."""

    def text(self, name: str) -> str:
        """What the cell under a column says."""
        return self.values.get(name, "")

    @property
    def place(self) -> Place:
        """The row itself."""
        return Place("row", _at(self.sheet, str(self.number)))

    def cells(self) -> dict[str, Place]:
        """Where each column stands in this row; a problem with the options as a whole is shown at the first of them."""
        found = {
            name: Place("cell", _at(self.sheet, f"{column_letter(at)}{self.number}"))
            for name, at in self.columns.items()
        }
        if "options" not in found and "option A" in found:
            found["options"] = found["option A"]
        return found

    @property
    def is_shared(self) -> bool:
        """Whether the row says only what the rows after it share: a case without options, options without a question."""
        has_options = bool(self.text("options")) or any(name.startswith("option ") for name in self.values)
        if self.text("answer") or self.type not in GROUPS or self.text("shared"):
            return False
        if TYPES[self.type].shares_options:
            return has_options
        return bool(self.text("stem") or self.text("stem en")) and not has_options


def _at(sheet: str, cell: str) -> str:
    return f"{sheet}!{cell}" if sheet else cell


# ---------------------------------------------------------------- rows


def rows_of(sheet: Sheet, extras: Extras, gathered: Gathered, *, is_only: bool) -> list[Raw]:
    """The rows under the header (or headers) of a sheet; a sheet without one is named."""
    found: list[Raw] = []
    columns: dict[str, int] = {}
    codes: dict[str, str] = {}
    section = ""
    merged = extras.merged.get(sheet.name, {})
    by_row = {line.number: line for line in sheet.lines}
    for line in sheet.lines:
        if header := _header(line, has_one=bool(columns)):
            columns, codes = _columns(sheet.name, line, header, gathered), _codes(line, header)
            continue
        if not columns:
            if line.number > HEADER_WITHIN + 5:
                break
            continue
        if len(filled := [cell for cell in line.cells if cell]) == 1 and words.type_of(filled[0]):
            section = filled[0]
            continue
        values = _values(line, columns, merged, by_row)
        if values:
            found.append(_raw(sheet, line, values, columns, codes, section))
    if not columns:
        place = Place("file", sheet.name)
        message = _(
            "No row of this sheet has headers for the question and its answer, such as 题干 and 答案."
        )
        (gathered.refuse if is_only else gathered.notice)(place, "no_header", message)
        return []
    _lay_pictures(sheet, found, columns, extras, gathered)
    return found


def _header(line: Line, *, has_one: bool) -> dict[int, str]:
    """Places of the columns that a row names, if it is a header."""
    named = {at: name for at, cell in enumerate(line.cells) if (name := column_name(clean(cell)))}
    names = set(named.values())
    is_header = bool(names & {"stem", "stem en"}) and len(names) >= (3 if has_one else 2) and bool(names & {"answer", "options", "option A", "type", "why"})  # fmt: skip
    if not is_header or (not has_one and line.number > HEADER_WITHIN):
        return {}
    return named


def _columns(sheet: str, line: Line, header: Mapping[int, str], gathered: Gathered) -> dict[str, int]:
    columns: dict[str, int] = {}
    unknown = [
        cell.strip()
        for at, cell in enumerate(line.cells)
        if cell and at not in header and not is_silent(cell)
    ]
    for at, name in header.items():
        if name in columns:
            place = Place("cell", _at(sheet, f"{column_letter(at)}{line.number}"))
            message = _(
                "Two columns are called “%(column)s”; the first counts.", column=line.cells[at].strip()[:40]
            )
            gathered.notice(place, "column_twice", message)
        else:
            columns[name] = at
    if unknown:
        message = _(
            "These columns are not known and were left out: %(columns)s", columns=", ".join(unknown)[:200]
        )
        gathered.notice(Place("row", _at(sheet, str(line.number))), "column_unknown", message)
    if "answer" not in columns:
        message = _("The column “%(column)s” is missing.", column="答案")
        gathered.notice(Place("row", _at(sheet, str(line.number))), "column_missing", message)
    return columns


def _codes(line: Line, header: Mapping[int, str]) -> dict[str, str]:
    return next((numbered_types(line.cells[at]) for at, name in header.items() if name == "type"), {})


def _values(
    line: Line, columns: Mapping[str, int], merged: Mapping[tuple[int, int], int], by_row: Mapping[int, Line]
) -> dict[str, str]:
    values = {}
    for name, at in columns.items():
        text = line.cells[at] if at < len(line.cells) else ""
        first = by_row.get(merged.get((line.number, at), 0))
        if not text and first is not None and _CONTINUED.match(name) and at < len(first.cells):
            text = first.cells[at]
        if text := clean(text).strip():
            values[name] = text
    own = {
        name
        for name in values
        if name in columns and columns[name] < len(line.cells) and line.cells[columns[name]]
    }
    return values if own else {}


def _raw(
    sheet: Sheet,
    line: Line,
    values: dict[str, str],
    columns: Mapping[str, int],
    codes: Mapping[str, str],
    section: str,
) -> Raw:
    said = values.get("type", "")
    said = codes.get(said.strip(), said)
    code = words.type_of(said) if said else words.type_of(section) or words.type_of(sheet.name)
    is_bilingual = any(name.endswith(" en") for name in columns)
    return Raw(sheet.name, line.number, values, columns, said, code, is_bilingual=is_bilingual)


def _lay_pictures(
    sheet: Sheet, rows: Sequence[Raw], columns: Mapping[str, int], extras: Extras, gathered: Gathered
) -> None:
    """Give each picture to the row on which it lies; one that lies on no question is named."""
    by_number = {row.number: row for row in rows}
    names = {at: name for name, at in columns.items()}
    for picture in extras.pictures.get(sheet.name, ()):
        row = by_number.get(picture.row)
        if row is None:
            place = Place("cell", _at(sheet.name, f"{column_letter(picture.column)}{picture.row}"))
            message = _(
                "A picture lies on no question here and was left out. Move its upper left corner into a question's row."
            )
            gathered.notice(place, "picture_lost", message)
        else:
            row.pictures.append((names.get(picture.column, ""), picture))


# ---------------------------------------------------------------- rows that belong together


@dataclass
class Together:
    """Rows that become one item."""

    rows: list[Raw]
    head: Raw | None = None
    """A row that only says what the others share."""
    is_group: bool = False


def together(rows: Sequence[Raw]) -> Iterator[Together]:
    """Rows that share a case or options, by 题组号, by 共用题干, by a row that holds only the case, or by their type."""
    current: Together | None = None
    for row in rows:
        if current is not None and _belongs(row, current):
            current.rows.append(row)
            continue
        if current is not None:
            yield current
        if row.is_shared:
            current = Together([], head=row, is_group=True)
        else:
            is_group = (
                row.type in GROUPS
                or bool(row.text("group"))
                or bool(row.text("shared") or row.text("shared en"))
            )
            current = Together([row], is_group=is_group)
    if current is not None:
        yield current


def _belongs(row: Raw, current: Together) -> bool:
    first = current.head or current.rows[0]
    if not current.is_group or row.sheet != first.sheet or row.is_shared:
        return False
    if row.text("group") or first.text("group"):
        return row.text("group") == first.text("group") or (
            current.head is not None and not row.text("group")
        )
    if current.head is not None:
        return row.type in {first.type, ""} or (row.type not in GROUPS and not row.said_type)
    own, its = (one.text("shared") or one.text("shared en") for one in (row, first))
    if own:
        return own == its
    if row.type != first.type or row.type not in GROUPS:
        return False
    if TYPES[row.type].shares_options:
        return not _option_texts(row) or _option_texts(row) == _option_texts(first)
    return bool(its)


def _option_texts(row: Raw) -> list[str]:
    return [text for name, text in sorted(row.values.items()) if name.startswith("option")]
