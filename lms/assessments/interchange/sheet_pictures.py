"""What a workbook holds besides the text of its cells: pictures, and cells that were merged downwards.

Excel lays pictures over the cells; WPS also puts them into cells, as ``=DISPIMG("ID_…",1)`` and a list of pictures in
``xl/cellimages.xml``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lms.assessments.interchange import office, package
from lms.assessments.interchange.office import Element
from lms.assessments.interchange.package import Package
from lms.core.errors import RuleBroken

MOST_MERGED = 20_000


@dataclass(frozen=True)
class Picture:
    """One picture of a sheet."""

    row: int
    """As the spreadsheet counts, from 1; of the upper left corner."""
    column: int
    """From 0."""
    content: bytes
    alt: str = ""


@dataclass(frozen=True)
class Extras:
    """What one workbook holds besides text."""

    pictures: Mapping[str, tuple[Picture, ...]] = field(default_factory=dict)
    """Name of the sheet → its pictures, from above and from the left."""
    merged: Mapping[str, Mapping[tuple[int, int], int]] = field(default_factory=dict)
    """Name of the sheet → (row, column) of a cell that continues one above → the row of that one."""
    in_cells: Mapping[str, tuple[bytes, str]] = field(default_factory=dict)
    """Id of a picture in a cell → content and words."""


def extras(data: bytes) -> Extras:
    """The pictures and the merged cells of a workbook; what cannot be read is not there. Never raises."""
    if not data.startswith(b"PK"):
        return Extras()
    try:
        archive = package.open(data)
        sheets = _sheets(archive)
        return Extras(
            {name: _pictures(archive, path) for name, path in sheets.items()},
            {name: _merged(archive.files.get(path, b"")) for name, path in sheets.items()},
            _in_cells(archive),
        )
    except (RuleBroken, ValueError, KeyError, TypeError):
        return Extras()


def _sheets(archive: Package) -> dict[str, str]:
    """Names of the sheets → paths of their parts."""
    book = office.part(archive, "xl/workbook.xml")
    paths = office.relations(archive, "xl/workbook.xml")
    return {
        office.get(sheet, "name"): paths[office.get(sheet, "id")]
        for sheet in office.inside(book, "sheet")
        if office.get(sheet, "id") in paths
    }


def _pictures(archive: Package, sheet: str) -> tuple[Picture, ...]:
    drawing = office.relation_of_type(archive, sheet, "drawing")
    if not drawing:
        return ()
    root, paths = office.part(archive, drawing), office.relations(archive, drawing)
    found = []
    for anchor in office.inside(root, "oneCellAnchor", "twoCellAnchor"):
        start = office.child(anchor, "from")
        row, column = _whole(office.child(start, "row")), _whole(office.child(start, "col"))
        for picture in office.inside(anchor, "pic"):
            content = _content(archive, picture, paths)
            if content is not None and row is not None and column is not None:
                found.append(Picture(row + 1, column, content, _alt(picture)))
    return tuple(sorted(found, key=lambda one: (one.row, one.column)))


def _whole(element: Element | None) -> int | None:
    text = (element.text or "").strip() if element is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else None


def _content(archive: Package, picture: Element, paths: Mapping[str, str]) -> bytes | None:
    blip = next(office.inside(picture, "blip"), None)
    return archive.files.get(paths.get(office.get(blip, "embed"), ""))


def _alt(picture: Element) -> str:
    named = next(office.inside(picture, "cNvPr"), None)
    return office.get(named, "descr") or office.get(named, "title")


def _in_cells(archive: Package) -> dict[str, tuple[bytes, str]]:
    path = "xl/cellimages.xml"
    root = office.part(archive, path)
    if root is None:
        return {}
    paths = office.relations(archive, path)
    found = {}
    for picture in office.inside(root, "pic"):
        named = next(office.inside(picture, "cNvPr"), None)
        content = _content(archive, picture, paths)
        if content is not None:
            found[office.get(named, "name")] = (content, office.get(named, "descr"))
    return found


_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")


def _merged(sheet: bytes) -> dict[tuple[int, int], int]:
    """Cells that continue the one above them; cells merged across columns too are titles and count for nothing."""
    found: dict[tuple[int, int], int] = {}
    for one in _MERGE.finditer(sheet):
        first, top, last, bottom = one.groups()
        if first != last:
            continue
        column = 0
        for letter in first.decode():
            column = column * 26 + ord(letter) - 64
        for row in range(int(top) + 1, min(int(bottom), int(top) + MOST_MERGED) + 1):
            if len(found) >= MOST_MERGED:
                return found
            found[row, column - 1] = int(top)
    return found


IN_CELL = re.compile(r"=\s*(?:_xlfn\.)?DISPIMG\(\s*\"([^\"]+)\"\s*,\s*\d+\s*\)", re.IGNORECASE)
"""How the text of a cell names a picture that stands in it."""
