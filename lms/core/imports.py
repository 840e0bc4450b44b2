"""The one import of tables: a workbook or CSV file becomes rows of typed values, or errors named by cell.

Columns are found by what their header says, never by where they stand; the same words in Chinese and English, with or
without full-width characters, count. Nothing is written: a preview is shown first, rows can be left out, and what is
then imported is what was shown. Formulas are never computed; a workbook's own last result counts.
"""

import contextlib
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from warnings import catch_warnings, simplefilter

from lms.core.errors import RuleBroken
from lms.core.i18n import _, pick

LIMIT_BYTES = 10 * 1024 * 1024
LIMIT_ROWS = 5_000
LIMIT_COLUMNS = 100
LIMIT_CELL = 5_000
"""Characters of one cell."""
LIMIT_UNPACKED_BYTES = 100 * 1024 * 1024
LIMIT_MEMBERS = 2_000
HEADER_WITHIN = 15
"""Rows searched for the header; above it stand titles and instructions."""
SCANNED_ROWS = 20_000
"""Rows looked at in a sheet, most of them empty."""


@dataclass(frozen=True)
class Line:
    """One row that is not empty."""

    number: int
    """As the spreadsheet counts, from 1."""
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """The rows of a file as text."""

    name: str
    lines: tuple[Line, ...]


# ---------------------------------------------------------------- reading


def read(data: bytes, filename: str) -> Sheet:
    """The first sheet of an ``.xlsx`` or the rows of a ``.csv``, as text. Raises RuleBroken as ``read_all`` does."""
    return read_all(data, filename, most=1)[0]


def read_all(data: bytes, filename: str, *, most: int = 50) -> tuple[Sheet, ...]:
    """The visible sheets of an ``.xlsx`` that hold rows (the first ``most``), or the rows of a ``.csv``, as text.

    Raises RuleBroken with the code ``file_too_large``, ``file_type``, ``file_broken``, ``file_unsafe``,
    ``file_encoding``, ``too_many_rows``, ``too_many_columns``, ``cell_too_long`` or ``file_empty``.
    """
    if len(data) > LIMIT_BYTES:
        raise RuleBroken(
            "file_too_large", _("The file is larger than %(limit)s MB.", limit=LIMIT_BYTES // (1024 * 1024))
        )
    if data.startswith(b"PK\x03\x04"):
        sheets = _read_xlsx(data, most)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise RuleBroken(
            "file_type",
            _("This is an old or password-protected Excel file. Save it as .xlsx without a password."),
        )
    elif filename.lower().endswith((".csv", ".tsv", ".txt")):
        sheets = (_read_csv(data),)
    else:
        raise RuleBroken("file_type", _("Only Excel workbooks (.xlsx) and CSV files are accepted."))
    filled = tuple(sheet for sheet in sheets if sheet.lines)
    if not filled:
        raise RuleBroken("file_empty", _("The file holds no rows."))
    return filled


def _read_xlsx(data: bytes, most: int) -> tuple[Sheet, ...]:
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_unsafe(archive)
        with catch_warnings():
            simplefilter("ignore")  # openpyxl speaks of styles and extensions that nobody here needs
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        with contextlib.closing(book):
            visible = [one for one in book.worksheets if one.sheet_state == "visible"]
            return tuple(_sheet(one) for one in (visible[:most] or [visible[0]]))
    except RuleBroken:
        raise
    except Exception as problem:  # hostile input: the parsers raise whatever they like
        raise _broken() from problem


def _sheet(one: Any) -> Sheet:
    one.reset_dimensions()  # what the file says of its own size may be a lie
    rows = one.iter_rows(max_row=SCANNED_ROWS, max_col=LIMIT_COLUMNS + 1, values_only=True)
    return Sheet(one.title, tuple(_lines([_text(value) for value in row] for row in rows)))


def column_letter(index: int) -> str:
    """What a spreadsheet calls a column; ``index`` from 0."""
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(index + 1))


_DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_STRANGE_ENCODING = re.compile(
    rb"^[^>]{0,200}encoding\s*=\s*[\"'](?!utf-?8[\"']|us-ascii[\"'])", re.IGNORECASE
)


def _refuse_unsafe(archive: zipfile.ZipFile) -> None:
    """Refuse archives that grow without bound, XML that declares entities, and XML in an encoding that hides them."""
    members = archive.infolist()
    if len(members) > LIMIT_MEMBERS or sum(member.file_size for member in members) > LIMIT_UNPACKED_BYTES:
        raise _unsafe()
    if any(member.flag_bits & 1 for member in members):
        raise RuleBroken("file_type", _("The file is protected with a password."))
    total = 0
    for member in members:
        with archive.open(member) as file:
            begun, is_xml = b"", False
            while chunk := file.read(1 << 20):
                total += len(chunk)
                if total > LIMIT_UNPACKED_BYTES:  # the sizes in the directory may be a lie
                    raise _unsafe()
                if not begun:  # any part may be read as XML, whatever it is called
                    is_xml = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
                    if chunk.startswith((*_UTF16, b"\x00<")) or (is_xml and _STRANGE_ENCODING.search(chunk)):
                        raise _unsafe()
                if is_xml and (b"\x00" in chunk or _DECLARATION.search(begun[-20:] + chunk)):
                    raise _unsafe()
                begun = chunk


def _broken() -> RuleBroken:
    return RuleBroken("file_broken", _("The file is damaged and cannot be read."))


def _unsafe() -> RuleBroken:
    return RuleBroken("file_unsafe", _("The file is not an ordinary workbook and was not opened."))


def _text(value: object) -> str:
    """A cell as a person would type it: no decimal point on whole numbers, dates as ISO."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e18 else repr(value)
    if isinstance(value, datetime):
        return (
            value.date().isoformat()
            if value.time() == time()
            else value.isoformat(sep=" ", timespec="minutes")
        )
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _read_csv(data: bytes) -> Sheet:
    text = _decoded(data)
    if "\x00" in text:
        raise _broken()
    head = text[:4096]
    delimiter = max(",\t;", key=head.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        return Sheet("", tuple(_lines(_unquoted(row) for row in rows)))
    except csv.Error as problem:
        raise _broken() from problem


_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def _decoded(data: bytes) -> str:
    """UTF-8 with or without its mark, UTF-16 with its mark, else GB 18030 (what a Chinese Excel writes)."""
    encodings = ["utf-16"] if data.startswith(_UTF16) else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(encoding)
    raise RuleBroken(
        "file_encoding", _("The file is neither UTF-8 nor GB 18030 text. Save it as “CSV UTF-8”.")
    )


def _unquoted(row: Sequence[str]) -> list[str]:
    """Without the apostrophe that ``to_csv`` puts before what looks like a formula."""
    return [cell[1:] if cell[:1] == "'" and _is_risky(cell) else cell for cell in row]


def _lines(rows: Iterable[Sequence[str]]) -> Iterable[Line]:
    """Rows that hold anything, within the limits."""
    found = 0
    for number, row in enumerate(rows, start=1):
        cells = [_trimmed(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        found += 1
        if found > LIMIT_ROWS + HEADER_WITHIN or number >= SCANNED_ROWS:
            raise RuleBroken("too_many_rows", _("The file has more than %(limit)s rows.", limit=LIMIT_ROWS))
        if len(cells) > LIMIT_COLUMNS:
            raise RuleBroken(
                "too_many_columns", _("The file has more than %(limit)s columns.", limit=LIMIT_COLUMNS)
            )
        if any(len(cell) > LIMIT_CELL for cell in cells):
            raise RuleBroken("cell_too_long", _("Row %(row)s holds a text that is too long.", row=number))
        yield Line(number, tuple(cells))


_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def _trimmed(cell: str) -> str:
    return _INVISIBLE.sub("", cell).strip()


# ---------------------------------------------------------------- columns and preview


def plain_text(text: str) -> str:
    """A parser: the text as it stands."""
    return text


Parser = Callable[[str], Any]
"""Text → value; raises RuleBroken (its code and sentence are shown) or ValueError."""


@dataclass(frozen=True)
class Column:
    """A column that an import knows."""

    name: str
    """Key of the value in a row."""
    synonyms: tuple[str, ...]
    """What its header may say: first the usual one in Chinese, then in English; case, width and spaces do not count."""
    required: bool = False
    """Whether the column and every cell in it must be filled."""
    parse: Parser = plain_text
    unique: bool = False
    """Whether two rows may not hold the same value."""

    @property
    def heading(self) -> str:
        """The usual header in the reader's language."""
        return pick(*(self.synonyms * 2)[:2])


@dataclass(frozen=True)
class CellError:
    """What is wrong in one cell, for the list above the preview."""

    cell: str
    """``B7``; ``B`` for a whole column; empty where the column is missing."""
    column: str
    """Name of the Column."""
    code: str
    """``required``, ``invalid``, ``duplicate``, ``column_missing``, ``column_twice`` or the parser's own."""
    message: str
    value: str = ""


@dataclass(frozen=True)
class Row:
    """One row that will be imported."""

    number: int
    values: dict[str, Any]
    """By Column name; None where the cell is empty or the file has no such column."""


@dataclass(frozen=True)
class Preview:
    """What an import would do."""

    rows: tuple[Row, ...]
    errors: tuple[CellError, ...]
    unknown: tuple[str, ...] = ()
    """Headers that no column knows; they are left out."""
    excluded: tuple[int, ...] = ()
    """Numbers of rows that were left out by hand."""
    header: int = 0
    """Number of the header's row."""
    matched: dict[str, str] = field(default_factory=dict)
    """Column name → header as the file writes it."""

    @property
    def ok(self) -> bool:
        """Whether everything that is left can be imported."""
        return not self.errors and bool(self.rows)


def preview(sheet: Sheet, columns: Sequence[Column], *, excluded: Collection[int] = ()) -> Preview:
    """Read the sheet by ``columns``; rows numbered in ``excluded`` are left out with their errors.

    Raises RuleBroken("no_header") when no row looks like a header.
    """
    names = _synonyms(columns)
    header, places, unknown, errors = _header(sheet, columns, names)
    if any(error.code in {"column_missing", "column_twice"} for error in errors):
        return Preview((), tuple(errors), tuple(unknown), header=header.number)
    rows: list[Row] = []
    left_out: list[int] = []
    seen: dict[str, dict[Any, str]] = {column.name: {} for column in columns if column.unique}
    for line in sheet.lines:
        if line.number <= header.number:
            continue
        if line.number in excluded:
            left_out.append(line.number)
            continue
        values: dict[str, Any] = {}
        problems = len(errors)
        for column in columns:
            place = places.get(column.name)
            text = line.cells[place] if place is not None and place < len(line.cells) else ""
            cell = f"{column_letter(place)}{line.number}" if place is not None else ""
            values[column.name] = _value(column, text, cell, errors)
            if column.unique and values[column.name] is not None:
                _refuse_twice(column, text, values[column.name], cell, seen[column.name], errors)
        if len(errors) == problems:
            rows.append(Row(line.number, values))
    if len(rows) > LIMIT_ROWS:
        raise RuleBroken("too_many_rows", _("The file has more than %(limit)s rows.", limit=LIMIT_ROWS))
    matched = {name: header.cells[place] for name, place in places.items()}
    return Preview(tuple(rows), tuple(errors), tuple(unknown), tuple(left_out), header.number, matched)


def letters(sheet: Sheet, found: Preview) -> dict[str, str]:
    """Letter of each column that the file has, by the Column's name."""
    header = next((line.cells for line in sheet.lines if line.number == found.header), ())
    return {name: column_letter(header.index(text)) for name, text in found.matched.items() if text in header}


class Cells:
    """What no single cell can know, noted at the cell that it is about; begins with what the preview found."""

    def __init__(self, sheet: Sheet, found: Preview) -> None:
        self.errors = list(found.errors)
        self._letters = letters(sheet, found)

    def refuse(self, row: Row, column: str, refusal: RuleBroken) -> None:
        """Note a refusal at a row's cell; at the first column that the file has where it lacks this one."""
        letter = self._letters.get(column) or next(iter(self._letters.values()), "")
        value = row.values.get(column)
        shown = value if isinstance(value, str) else value.isoformat() if isinstance(value, date) else ""
        cell = f"{letter}{row.number}"
        self.errors.append(CellError(cell, column, refusal.code, refusal.message, shown))


def _normal(header: str) -> str:
    """A header without what people write differently: width, case, spaces, stars, and notes in brackets."""
    text = unicodedata.normalize("NFKC", header).casefold()
    text = re.sub(r"[\(\[【〔].*?[\)\]】〕]", "", text)
    return re.sub(r"[\s*:_\-/·.、]+", "", text)


def _synonyms(columns: Sequence[Column]) -> dict[str, Column]:
    names: dict[str, Column] = {}
    for column in columns:
        for synonym in column.synonyms:
            if names.setdefault(_normal(synonym), column) is not column:
                raise ValueError(f"two columns are called {synonym}")
    return names


def _header(
    sheet: Sheet, columns: Sequence[Column], names: dict[str, Column]
) -> tuple[Line, dict[str, int], list[str], list[CellError]]:
    """The row among the first that says most of the columns' names, the places of the columns, and what is wrong."""

    def hits(line: Line) -> int:
        return len({names[_normal(cell)].name for cell in line.cells if _normal(cell) in names})

    header = max(sheet.lines[:HEADER_WITHIN], key=hits, default=None)
    if header is None or not hits(header):
        wanted = ", ".join(column.heading for column in columns)
        raise RuleBroken("no_header", _("No row names the columns. Expected: %(columns)s.", columns=wanted))
    places: dict[str, int] = {}
    unknown: list[str] = []
    errors: list[CellError] = []
    for place, cell in enumerate(header.cells):
        column = names.get(_normal(cell))
        if column is None:
            if cell:
                unknown.append(cell)
        elif column.name in places:
            message = _("Two columns are called “%(column)s”.", column=cell)
            errors.append(CellError(column_letter(place), column.name, "column_twice", message, cell))
        else:
            places[column.name] = place
    for column in columns:
        if column.required and column.name not in places:
            message = _("The column “%(column)s” is missing.", column=column.heading)
            errors.append(CellError("", column.name, "column_missing", message))
    return header, places, unknown, errors


def _value(column: Column, text: str, cell: str, errors: list[CellError]) -> Any:  # the column's own type
    if not text:
        if column.required:
            errors.append(CellError(cell, column.name, "required", _("This cell must be filled.")))
        return None
    try:
        return column.parse(text)
    except RuleBroken as problem:
        errors.append(CellError(cell, column.name, problem.code, problem.message, text))
    except ValueError:
        errors.append(CellError(cell, column.name, "invalid", _("This value is not understood."), text))
    return None


def _refuse_twice(
    column: Column, text: str, value: Any, cell: str, seen: dict[Any, str], errors: list[CellError]
) -> None:
    first = seen.setdefault(value, cell)
    if first != cell:
        message = _("This value is already in %(cell)s.", cell=first)
        errors.append(CellError(cell, column.name, "duplicate", message, text))


# ---------------------------------------------------------------- parsers


def a_date(text: str) -> date:
    """A parser of calendar days: 2026-03-01, 2026/3/1, 2026.3.1, 20260301, 2026年3月1日. Raises ValueError."""
    plain = unicodedata.normalize("NFKC", text).strip()
    match = re.fullmatch(
        r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})日)(?: 00:00(?::00)?)?", plain
    )
    if match:
        year, _mark, *parts = match.groups()
        month, day = [part for part in parts if part]
        return date(int(year), int(month), int(day))
    if re.fullmatch(r"\d{8}", plain):
        return date(int(plain[:4]), int(plain[4:6]), int(plain[6:]))
    raise ValueError("not a date")


def a_whole_number(text: str) -> int:
    """A parser of whole numbers. Raises ValueError."""
    return int(unicodedata.normalize("NFKC", text).replace(",", ""))


# ---------------------------------------------------------------- writing

Cell = str | int | float | date | datetime | bool | None


def _is_risky(text: str) -> bool:
    """Whether a spreadsheet program would take the text for a formula, apostrophes before it left aside."""
    text = text.lstrip("'")
    return text[:1] in {"\t", "\r", "\n"} or text.lstrip(" \u00a0\u3000\u200b\ufeff")[:1] in set(
        "=+-@＝＋－＠"
    )


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A CSV file that Excel opens as UTF-8; text that would be a formula begins with an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for row in [header, *rows]:
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue().encode("utf-8-sig")


def _harmless(value: Cell) -> str:
    if isinstance(value, str):
        text = value.replace("\x00", "")
        return "'" + text if _is_risky(text) else text
    return _text(value)


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def to_xlsx(header: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str = "Sheet1") -> bytes:
    """A workbook with one sheet; text is text, whatever it begins with."""
    return to_book(header, [Page(title, rows)])


@dataclass(frozen=True)
class Page:
    """One sheet of a workbook that is written."""

    title: str
    rows: Iterable[Sequence[Cell]]
    pictures: Sequence[tuple[int, int, bytes]] = ()
    """Row and column of the upper left corner, both from 0 (the header's row not counted), and a PNG, JPEG, GIF or BMP."""
    header: Sequence[str] | None = None
    """The sheet's own columns, where they are others than the book's."""


def to_book(header: Sequence[str], pages: Iterable[Page]) -> bytes:
    """A workbook whose sheets have these columns, or their own; text is text, whatever it begins with."""
    import openpyxl
    from openpyxl.drawing.image import Image

    book = openpyxl.Workbook(write_only=True)
    for page in pages:
        sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", page.title)[:31] or "Sheet1")
        sheet.freeze_panes = "A2"
        sheet.append([_styled(sheet, name, is_bold=True) for name in page.header or header])
        for row in page.rows:
            sheet.append([_styled(sheet, value) for value in row])
        for row_number, column, content in page.pictures:
            sheet.add_image(Image(io.BytesIO(content)), f"{column_letter(column)}{row_number + 2}")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def is_picture(content: bytes) -> bool:
    """Whether ``to_book`` can put it into a sheet."""
    from openpyxl.drawing.image import Image

    with catch_warnings():
        simplefilter("ignore")  # Pillow warns of large pictures; they are not decoded here
        try:
            Image(io.BytesIO(content))
        except Exception:  # noqa: BLE001 (hostile input: the decoders raise whatever they like)
            return False
    return True


def _styled(sheet: Any, value: Cell, *, is_bold: bool = False) -> Any:  # openpyxl's own sheet and cell
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.isoformat()
    made = WriteOnlyCell(sheet, value=None)
    if isinstance(value, str):
        made.value = _NOT_IN_XML.sub("", value)[:32_767]
        made.data_type = "s"
        made.quotePrefix = _is_risky(value)  # stays text when somebody edits the cell
    else:
        made.value = value
    if is_bold:
        made.font = Font(bold=True)
    return made


def template_of(columns: Sequence[Column]) -> bytes:
    """An empty workbook with the columns' headers, to be filled in; required ones carry a star."""
    return to_xlsx([column.heading + ("*" if column.required else "") for column in columns], [])


def errors_csv(preview: Preview) -> bytes:
    """The errors as a list to work through."""
    return to_csv(
        [_("Cell"), _("Column"), _("Value"), _("Problem")],
        [(error.cell, error.column, error.value, error.message) for error in preview.errors],
    )
