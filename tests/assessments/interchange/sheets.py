"""Files that the tests of sheets and documents are made of."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import docx
import openpyxl
from docx.document import Document
from docx.shared import RGBColor
from openpyxl.drawing.image import Image

Rows = Sequence[Sequence[Any]]


def png(shade: int = 0) -> bytes:
    """A grey picture of one pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes([0, shade])))
        + chunk(b"IEND", b"")
    )


def workbook_of(
    sheets: Mapping[str, Rows],
    *,
    pictures: Sequence[tuple[str, str, bytes]] = (),
    merged: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A workbook; ``pictures``: sheet, cell, content; ``merged``: sheet, range."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    for name, cell, content in pictures:
        book[name].add_image(Image(io.BytesIO(content)), cell)
    for name, cells in merged:
        book[name].merge_cells(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_parts(data: bytes, parts: Mapping[str, bytes]) -> bytes:
    """A package with some parts replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            if member.filename not in parts:
                new.writestr(member.filename, old.read(member))
        for name, body in parts.items():
            new.writestr(name, body)
    return out.getvalue()


def part_of(data: bytes, name: str) -> bytes:
    """One part of a package."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def document_of(text: str) -> bytes:
    """A Word document with a paragraph for each line; ``{r:red}``, ``{b:bold}``, ``{h:highlighted}``, ``{^:raised}``, ``{_:lowered}``."""
    document = docx.Document()
    for line in text.strip("\n").split("\n"):
        add_paragraph(document, line)
    return saved(document)


def add_paragraph(document: Document, line: str, *, style: str | None = None) -> Any:
    """One paragraph of a document, with the marks of ``document_of``."""
    paragraph = document.add_paragraph(style=style)
    for part in re.split(r"(\{[rbh^_]:.*?\})", line):
        found = re.fullmatch(r"\{([rbh^_]):(.*?)\}", part)
        run = paragraph.add_run(found[2] if found else part)
        if not found:
            continue
        if found[1] == "r":
            run.font.color.rgb = RGBColor(0xFF, 0, 0)
        elif found[1] == "b":
            run.bold = True
        elif found[1] == "h":
            run.font.highlight_color = 7
        elif found[1] == "^":
            run.font.superscript = True
        else:
            run.font.subscript = True
    return paragraph


def saved(document: Document) -> bytes:
    """A document as the bytes of its file."""
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
