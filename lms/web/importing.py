"""The page of an import: the file that is sent, the sheet that the preview carries along, the rows left out by hand."""

import json

from flask import request

from lms.core import imports
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.core.imports import Line, Preview, Sheet
from lms.web.forms import FileField, Form


class ImportFileForm(Form):
    """The file with the list."""

    file = FileField(lazy("Excel workbook (.xlsx) or CSV file"))


def asked_sheet() -> Sheet:
    """The sheet as it was shown, else the one of the file that was sent. Raises RuleBroken."""
    return shown_sheet() or sent_sheet()


def sent_sheet() -> Sheet:
    """The sheet of the uploaded file."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise RuleBroken("file_missing", _("Choose a file."))
    return imports.read(file.stream.read(imports.LIMIT_BYTES + 1), file.filename)


def shown_sheet() -> Sheet | None:
    """The sheet that the preview carried along; None where a file was sent instead."""
    text = request.form.get("sheet", "")
    if not text:
        return None
    try:
        given = json.loads(text)
        lines = tuple(Line(int(number), tuple(str(cell) for cell in cells)) for number, cells in given)
        "".join(cell for line in lines for cell in line.cells).encode()
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        raise RuleBroken("file_broken", _("The file is damaged and cannot be read.")) from problem
    return Sheet("", lines)


def carried(sheet: Sheet) -> str:
    """The sheet as the preview carries it along."""
    return json.dumps([[line.number, line.cells] for line in sheet.lines], ensure_ascii=False)


def is_number(text: str) -> bool:
    """Whether a text is the number of a row."""
    return text.isascii() and text.isdigit() and len(text) < 8


def excluded_rows() -> set[int]:
    """Numbers of the rows that were left out by hand."""
    return {int(number) for number in request.form.getlist("excluded") if is_number(number)}


def row_of(cell: str) -> int:
    """The row of a cell (``B7`` → 7); 0 for a whole column."""
    digits = cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return int(digits) if is_number(digits) else 0


def broken_rows(preview: Preview) -> list[int]:
    """The rows in which something is wrong, in order."""
    return sorted({row_of(error.cell) for error in preview.errors} - {0})


def is_confirmed() -> bool:
    """Whether the button of the preview was pressed that imports what is shown."""
    return request.form.get("go") == "run"
