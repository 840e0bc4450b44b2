"""The paragraphs and tables of a Word document as lines of text, with what is marked in them and the pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lms.assessments.interchange import office, package
from lms.assessments.interchange.docx_math import math_text
from lms.assessments.interchange.docx_numbering import Label, Numbering, numbering_of
from lms.assessments.interchange.office import Element
from lms.assessments.interchange.package import Package
from lms.assessments.interchange.plain import OBJECT, clean, raised
from lms.core.errors import RuleBroken
from lms.core.i18n import _

RED, LIT, BOLD = 1, 2, 4
"""How a sign is marked: in red, highlighted, bold."""


@dataclass(frozen=True)
class Shown:
    """A picture in a line."""

    content: bytes
    alt: str
    at: int
    """Where it stands in the line's text."""


@dataclass(frozen=True)
class Line:
    """One line of a document: a paragraph, or a part of it between two line breaks."""

    number: int
    """Of its paragraph, from 1, empty ones and those of tables counted."""
    text: str
    marks: bytes = b""
    """For each sign how it is marked."""
    pictures: tuple[Shown, ...] = ()
    label: Label | None = None
    """The automatic number or letter with which the text begins."""
    is_heading: bool = False

    def is_marked(self, mark: int, start: int, end: int) -> bool:
        """Whether every sign between two places that is no white space is marked so."""
        places = [at for at in range(max(start, 0), min(end, len(self.text))) if not self.text[at].isspace()]
        return bool(places) and all(at < len(self.marks) and self.marks[at] & mark for at in places)


Table: TypeAlias = list[list[list[Line]]]
"""Rows of cells of lines."""


@dataclass
class _Run:
    """A paragraph's text while it is put together."""

    text: list[str] = field(default_factory=list)
    marks: bytearray = field(default_factory=bytearray)
    pictures: list[Shown] = field(default_factory=list)

    def add(self, text: str, mark: int = 0) -> None:
        text = clean(text)
        self.text.append(text)
        self.marks += bytes([mark]) * len(text)

    @property
    def length(self) -> int:
        return len(self.marks)


def parts_of(data: bytes) -> list[Line | Table]:
    """The lines and tables of a ``.docx`` in their order. Raises RuleBroken for what is none or is not safe to read."""
    if not data.startswith(b"PK"):
        raise RuleBroken(
            "file_type", _("This is no Word document (.docx). Save an older .doc file as .docx.")
        )
    try:
        archive = _opened(data)
        main = office.relation_of_type(archive, "", "officeDocument") or "word/document.xml"
        body = office.child(office.part(archive, main), "body")
        return list(_Reader(archive, main).blocks(body)) if body is not None else []
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise RuleBroken("file_broken", _("The file is damaged and cannot be read.")) from problem


def _opened(data: bytes) -> Package:
    try:
        return package.open(data)
    except RuleBroken as refusal:
        if refusal.code == "zip_broken":
            raise RuleBroken("file_broken", _("The file is damaged and cannot be read.")) from refusal
        raise RuleBroken(
            "file_unsafe", _("The file is not an ordinary document and was not opened.")
        ) from refusal


class _Reader:
    """Walks through a document."""

    def __init__(self, archive: Package, main: str) -> None:
        self._archive = archive
        self._paths = office.relations(archive, main)
        self._styles = _styles(office.part(archive, office.relation_of_type(archive, main, "styles")))
        self._numbering: Numbering = numbering_of(
            archive, office.relation_of_type(archive, main, "numbering")
        )
        self._count = 0

    def blocks(self, body: Element) -> Iterator[Line | Table]:
        """The blocks of a body, a cell or a content control."""
        for block in body:
            name = office.name_of(block)
            if name == "p":
                yield from self._paragraph(block)
            elif name == "tbl":
                yield [
                    [[line for line in self.blocks(cell) if isinstance(line, Line)] for cell in _cells(row)]
                    for row in office.inside(block, "tr")
                    if row.getparent() is block or office.name_of(row.getparent()) in {"sdtContent", "ins"}
                ]
                yield from ()
            elif name in {"sdt", "ins", "customXml", "sdtContent", "moveTo"}:
                yield from self.blocks(block)

    def _paragraph(self, paragraph: Element) -> Iterator[Line]:
        self._count += 1
        number = self._count
        properties = office.child(paragraph, "pPr")
        style = office.get(office.child(properties, "pStyle"), "val")
        run = _Run()
        label = self._label(properties, style)
        if label is not None:
            run.add(f"{label.text} ")
        self._inline(paragraph, run, self._style_marks(style))
        boxed = [box for box in office.inside(paragraph, "txbxContent") if not _is_fallback(box)]
        yield from _lines(number, run, label, is_heading=self._is_heading(style))
        for box in boxed:
            yield from (one for one in self.blocks(box) if isinstance(one, Line))

    # ------------------------------------------------------------ styles and lists

    def _chain(self, style: str) -> Iterator[Element]:
        """A style and those on which it is based."""
        for _step in range(20):
            element = self._styles.get(style)
            if element is None:
                return
            yield element
            style = office.get(office.child(element, "basedOn"), "val")

    def _style_marks(self, style: str) -> int:
        for element in self._chain(style):
            if (properties := office.child(element, "rPr")) is not None:
                return _marks(properties, 0)
        return 0

    def _is_heading(self, style: str) -> bool:
        for element in self._chain(style):
            name = office.get(office.child(element, "name"), "val").lower()
            if (
                name.startswith(("heading", "title", "标题"))
                or office.child(element, "pPr", "outlineLvl") is not None
            ):
                return True
        return False

    def _label(self, properties: Element | None, style: str) -> Label | None:
        found = office.child(properties, "numPr")
        if found is None:
            found = next(
                (
                    one
                    for each in self._chain(style)
                    if (one := office.child(each, "pPr", "numPr")) is not None
                ),
                None,
            )
        number_id = office.get(office.child(found, "numId"), "val")
        level = office.get(office.child(found, "ilvl"), "val") or "0"
        if not number_id or number_id == "0" or not level.isdigit():
            return None
        return self._numbering.label(number_id, int(level))

    # ------------------------------------------------------------ runs

    def _inline(self, element: Element, run: _Run, inherited: int) -> None:
        """The text inside a paragraph, a link, an insertion…"""
        for one in element:
            name = office.name_of(one)
            if name == "r":
                self._run(one, run, inherited)
            elif name in {
                "hyperlink",
                "ins",
                "smartTag",
                "fldSimple",
                "sdt",
                "sdtContent",
                "bdo",
                "dir",
                "customXml",
                "moveTo",
            }:
                self._inline(one, run, inherited)
            elif name in {"oMath", "oMathPara"}:
                run.add(math_text(one), inherited)
            elif name == "AlternateContent":
                self._inline(
                    office.child(one, "Choice") if office.child(one, "Choice") is not None else one,
                    run,
                    inherited,
                )

    def _run(self, element: Element, run: _Run, inherited: int) -> None:
        properties = office.child(element, "rPr")
        if _is_on(properties, "vanish"):
            return
        for style in self._chain(office.get(office.child(properties, "rStyle"), "val")):
            inherited = _marks(office.child(style, "rPr"), inherited)
        mark = _marks(properties, inherited)
        align = office.get(office.child(properties, "vertAlign"), "val")
        for one in element:
            self._piece(one, run, mark, align)

    def _piece(self, one: Element, run: _Run, mark: int, align: str) -> None:
        name = office.name_of(one)
        if name == "t":
            text = one.text or ""
            text = (
                raised(text, "sup" if align == "superscript" else "sub")
                if align in {"superscript", "subscript"}
                else text
            )
            run.add(text, mark)
        elif name in {"tab", "ptab"}:
            run.add("\t")
        elif name in {"br", "cr"}:
            run.add("\n")
        elif name == "noBreakHyphen":
            run.add("-", mark)
        elif name == "sym":
            run.add(_symbol(office.get(one, "font"), office.get(one, "char")), mark)
        elif name in {"drawing", "pict", "object"}:
            self._pictures(one, run)
        elif name == "AlternateContent":
            for inner in office.children_of(office.child(one, "Choice")):
                self._piece(inner, run, mark, align)
        elif name == "ruby":
            for base in office.children(office.child(one, "rubyBase"), "r"):
                self._run(base, run, mark)

    def _pictures(self, element: Element, run: _Run) -> None:
        named = next(office.inside(element, "docPr"), None)
        alt = office.get(named, "descr") or office.get(named, "title")
        for one in office.inside(element, "blip", "imagedata"):
            path = self._paths.get(office.get(one, "embed") or office.get(one, "id"), "")
            content = self._archive.files.get(path)
            if content is not None:
                run.pictures.append(Shown(content, alt or office.get(one, "title"), run.length))
                run.add(OBJECT)


def _cells(row: Element) -> Iterator[Element]:
    for one in row:
        if office.name_of(one) == "tc":
            yield one
        elif office.name_of(one) == "sdt":
            yield from office.children(office.child(one, "sdtContent"), "tc")


def _is_fallback(element: Element) -> bool:
    return any(office.name_of(one) == "Fallback" for one in element.iterancestors())


def _styles(root: Element | None) -> Mapping[str, Element]:
    return {office.get(one, "styleId"): one for one in office.children(root, "style")}


def _is_on(properties: Element | None, name: str) -> bool:
    found = office.child(properties, name)
    return found is not None and office.get(found, "val").lower() not in {"0", "false", "off", "none"}


def _marks(properties: Element | None, inherited: int) -> int:
    """How a run is marked by its properties, over what its style says."""
    if properties is None:
        return inherited
    found = inherited
    for name, mark in (("b", BOLD), ("highlight", LIT)):
        if office.child(properties, name) is not None:
            found = found | mark if _is_on(properties, name) else found & ~mark
    colour = office.get(office.child(properties, "color"), "val")
    if colour:
        found = found | RED if _is_red(colour) else found & ~RED
    return found


def _is_red(colour: str) -> bool:
    """Whether a colour such as ``FF0000`` is a red that stands out."""
    try:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    except ValueError:
        return False
    return len(colour) == 6 and red >= 0xA0 and green <= 0x60 and blue <= 0x60


_SYMBOLS = {
    "wingdings": {0xFB: "×", 0xFC: "√", 0xA8: "□", 0xFE: "√", 0xFD: "×", 0xE0: "→", 0xE8: "→"},
    "wingdings 2": {0x4F: "×", 0x50: "√", 0x52: "√", 0x54: "×", 0x51: "×"},
    "symbol": {
        0xD6: "√", 0xB4: "×", 0xB1: "±", 0xB0: "°", 0xA3: "≤", 0xB3: "≥", 0xB9: "≠", 0xBB: "≈", 0xAE: "→", 0xAD: "↑", 0xAF: "↓", 0x61: "α",
        0x62: "β", 0x67: "γ", 0x64: "δ", 0x6D: "μ", 0x44: "Δ", 0x57: "Ω", 0x70: "π", 0x6C: "λ", 0x71: "θ", 0xB7: "•", 0xA5: "∞",
    },
}  # fmt: skip


def _symbol(font: str, code: str) -> str:
    """A sign of a symbol font as its Unicode sign."""
    try:
        number = int(code, 16) & 0xFF
    except ValueError:
        return ""
    return _SYMBOLS.get(font.lower(), {}).get(number, "")


def _lines(number: int, run: _Run, label: Label | None, *, is_heading: bool) -> Iterator[Line]:
    """A paragraph as lines; empty ones are left out."""
    whole, start = "".join(run.text), 0
    for index, text in enumerate(whole.split("\n")):
        end = start + len(text)
        pictures = tuple(
            Shown(one.content, one.alt, one.at - start) for one in run.pictures if start <= one.at < end
        )
        if text.strip():
            yield Line(
                number, text, bytes(run.marks[start:end]), pictures, label if index == 0 else None, is_heading
            )
        start = end + 1
