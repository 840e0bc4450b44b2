"""A finished document of WeasyPrint 70 whose texts can be exchanged; ``stamping`` says when."""

import copy
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from lms.core.pdf import drawing
from lms.core.pdf.about import information, xmp
from lms.core.pdf.drawing import Drawn, Mark
from lms.core.pdf.order import Order
from lms.core.pdf.page import Page, joined

FONTS_KEPT = 8
"""Fonts as they were last cut; some 350 KB each."""


class NotAlike(Exception):
    """The document must be drawn from nothing; the text says why."""


@dataclass
class Piece:
    """One tagged text."""

    mark: Mark
    fonts: dict[Any, Any]
    """A font with the glyphs of this text only, by key, in the order in which they come."""
    data: bytes
    """Its operators, with the marks around them."""


@dataclass
class Paragraph:
    """A block of lines."""

    block: Any
    """As it is laid out."""
    source: Any
    """The line box that it was laid out from."""
    shape: tuple[Any, ...]
    pieces: list[Piece]
    may_change: bool
    """Nothing outside it depends on how wide its texts are."""


class Plate:
    """A document drawn before, as its texts were last stamped. Raises NotAlike where it cannot be made or stamped."""

    def __init__(self) -> None:
        self.made = self.proven = False
        self._figure_data = b""
        self.misses = 0

    def make(self, page: Page, order: Order, drawn: Drawn) -> None:
        """Take a finished drawing as the plate."""
        if len(page.images) > 1 or len(page.links) > 1 or len(order.attachments) > 1:
            raise NotAlike("more than one image, link or attachment that changes")
        self._drawn = drawn
        self._texts, self._images = list(page.texts), page.images
        self._sources = [box for box in _walk(drawn.root) if _is(box, "TextBox") and box.text.strip()]
        if [joined(box.text) for box in self._sources] != [joined(text) for text in page.texts]:
            raise NotAlike("texts that cannot be found among the boxes")
        self._pieces = [self._put_down(mark, mark.box) for mark in drawn.marks if _is(mark.box, "TextBox")]
        for piece in self._pieces:
            if piece.data != _joined(piece.mark.stream.stream[piece.mark.first : piece.mark.end]):
                raise NotAlike("a text that does not draw the same twice")
        self._find_paragraphs()
        self._find_figure()
        self._find_objects()
        self.made = True

    def stamp(self, page: Page, order: Order) -> bytes:
        """The document of another order that is alike."""
        changed = [number for number, text in enumerate(page.texts) if text != self._texts[number]]
        before = [(self._sources[number], self._sources[number].text) for number in changed]
        fits = False
        try:
            laid_out = self._lay_out(page, changed)
            texts = [
                (piece, self._put_down(piece.mark, box))
                for paragraph, lines in laid_out
                for piece, box in zip(paragraph.pieces, _texts(lines), strict=True)
            ]
            figure = self._figure_data if page.images == self._images else self._redrawn(page)
            fits = True
        finally:  # all of it or nothing
            if not fits:
                for box, text in before:
                    box.text = text
        for paragraph, lines in laid_out:
            paragraph.block.children = lines
        for piece, new in texts:
            piece.data, piece.fonts = new.data, new.fonts
        self._texts, self._images, self._figure_data = list(page.texts), page.images, figure
        return self._written(page, order)

    # -- texts

    def _find_paragraphs(self) -> None:
        before, after = _blocks_before(self._drawn.root), _blocks_after(self._drawn.document)
        if [one.element for one, _ in before] != [one.element for one in after]:
            raise NotAlike("paragraphs that were divided")
        piece_of = {id(piece.mark.box): piece for piece in self._pieces}
        numbers = {id(box): number for number, box in enumerate(self._sources)}
        self._paragraph_of: dict[int, Paragraph] = {}
        for (source, may_change), block in zip(before, after, strict=True):
            pieces = [piece_of[id(box)] for box in _texts(block.children)]
            paragraph = Paragraph(
                block,
                source.children[0],
                _shape(block.children),
                pieces,
                may_change and _is_plain(block.children),
            )
            for box in _walk(source.children[0]):
                if id(box) in numbers:  # a box within a box comes later, and has the last word
                    self._paragraph_of[numbers[id(box)]] = paragraph
        if len(self._paragraph_of) != len(self._texts):
            raise NotAlike("texts outside the paragraphs")

    def _lay_out(self, page: Page, changed: list[int]) -> list[tuple[Paragraph, list[Any]]]:
        """Lay out the paragraphs of changed texts in their places."""
        for number in changed:
            text, box = page.texts[number], self._sources[number]
            if text != joined(text) or not self._paragraph_of[number].may_change:
                raise NotAlike("a text that other boxes depend on")
            bare = box.text.strip(" ")
            at = box.text.index(bare)
            box.text = box.text[:at] + text + box.text[at + len(bare) :]
        found = []
        for paragraph in {
            id(one): one for one in (self._paragraph_of[number] for number in changed)
        }.values():
            lines = self._lines(paragraph)
            if _shape(lines) != paragraph.shape:
                raise NotAlike("a paragraph that breaks in other places")
            for new, old in zip(lines, paragraph.block.children, strict=True):
                new.position_y = old.position_y
            found.append((paragraph, lines))
        return found

    def _lines(self, paragraph: Paragraph) -> list[Any]:
        from weasyprint.layout.inline import iter_line_boxes

        context, block = self._drawn.context, paragraph.block
        context.create_block_formatting_context(block)
        try:
            lines = iter_line_boxes(
                context, paragraph.source, block.children[0].position_y, 0, None, block, [], [], None, None
            )
            return [line for line, _resume_at in lines]
        finally:
            context.finish_block_formatting_context(block)

    def _put_down(self, mark: Mark, box: Any) -> "Piece":
        """One text as it is drawn."""
        from weasyprint.draw.text import draw_text

        shelf = _Shelf(self._drawn.document.fonts)
        stream = mark.stream.clone(fonts=shelf, tags=None)
        draw_text(stream, box, 0, "clip", "none")
        whole = mark.stream.stream[mark.first : mark.end]
        if b"BT" not in whole:
            raise NotAlike("a text that is not drawn as one")
        operators = stream.stream[stream.stream.index(b"BT") :]
        return Piece(mark, dict(shelf), _joined([*whole[: whole.index(b"BT")], *operators, whole[-1]]))

    # -- the image that changes

    def _find_figure(self) -> None:
        self._figure: Mark | None = None
        if not self._images:
            return
        for mark in self._drawn.marks:
            source = getattr(mark.box, "replacement", None) and mark.box.element.attrib.get("src", "")
            if source and source.startswith("data:"):
                self._figure = mark
        if self._figure is None or "auto" in (
            self._figure.box.style["width"],
            self._figure.box.style["height"],
        ):
            raise NotAlike("an image that was not drawn as one of a fixed size")
        operators = self._figure.stream.stream[self._figure.first : self._figure.end]
        self._figure_data = self._figure_of(self._figure.box)
        if self._figure_data != _joined(operators):
            raise NotAlike("an image that does not draw the same twice")
        self._around, path = _last_path(self._images[0])
        self._figure_ends = self._figure_data.split(_operators_of(path)) if path else []

    def _redrawn(self, page: Page) -> bytes:
        """The operators of another image: at once where only the last path of a drawing is another, as in codes of one size."""
        from weasyprint.images import get_image_from_uri

        assert self._figure is not None
        around, path = _last_path(page.images[0])
        if path and around == self._around and len(self._figure_ends) == 2:
            return _operators_of(path).join(self._figure_ends)
        box = self._figure.box.copy()
        options = drawing.options_of()
        box.replacement = get_image_from_uri(
            {}, self._drawn.document.url_fetcher, options, page.images[0], context=self._drawn.context
        )
        if box.replacement is None:
            raise NotAlike("an image that cannot be read")
        return self._figure_of(box)

    def _figure_of(self, box: Any) -> bytes:
        from weasyprint.draw import draw_replacedbox

        assert self._figure is not None
        resources = {name: dict(one) for name, one in self._resources_of(self._figure.stream).items()}
        stream = self._figure.stream.clone(tags=None)
        with drawing.errors_of("weasyprint") as errors:
            draw_replacedbox(stream, box)
        if errors or resources != {
            name: dict(one) for name, one in self._resources_of(self._figure.stream).items()
        }:
            raise NotAlike("an image that brings things of its own")
        whole = self._figure.stream.stream[self._figure.first : self._figure.end]
        old, new = _first_matrix(whole), _first_matrix(stream.stream)
        return _joined([*whole[:old], *stream.stream[new:], whole[-1]])

    @staticmethod
    def _resources_of(stream: Any) -> dict[str, Any]:
        resources = stream._resources  # noqa: SLF001
        return {name: resources[name] for name in ("ExtGState", "XObject", "Pattern", "Shading")}

    # -- the file

    def _find_objects(self) -> None:
        import pydyf

        pdf, objects, fonts = self._drawn.pdf, self._drawn.objects, self._drawn.document.fonts
        if any(font.upem != 1000 or font.bitmap or font.missing for font in fonts.values()):
            raise NotAlike("a font whose widths may round in two ways")
        self._first_use = self._fonts_in_use()[1]
        dictionaries = [one for one in objects if isinstance(one, dict)]
        resources = next(one for one in dictionaries if "ExtGState" in one)
        self._fonts_at = range(
            min(
                int(one["FontFile2"].split()[0])
                for one in dictionaries
                if one.get("Type") == "/FontDescriptor" and "FontFile2" in one
            ),
            int(resources["Font"].split()[0]) + 1,
        )
        self._about_at = int(pdf.catalog["Metadata"].split()[0])
        self._cut: OrderedDict[Any, bytes] = OrderedDict()
        self._options = drawing.options_of()
        self._files = [
            one
            for one in objects
            if isinstance(one, pydyf.Stream) and one.extra.get("Type") == "/EmbeddedFile"
        ]
        self._links = [
            (index, link[3]) for index, page in enumerate(self._drawn.document.pages) for link in page.links
        ]
        linked = [box for _index, box in self._links]
        self._link_blocks = [
            block
            for block in _blocks_after(self._drawn.document)
            if any(box is one for box in _walk(block) for one in linked)
        ]
        if self._linked() != linked:
            raise NotAlike("links that cannot be found among the boxes")
        self._settled = [drawing.settled(one) for one in objects]
        self._streams = []
        for stream in {id(mark.stream): mark.stream for mark in self._drawn.marks}.values():
            pieces: list[Piece | None] = []
            between, last = [], 0
            marks = [(piece.mark, piece) for piece in self._pieces if piece.mark.stream is stream]
            if self._figure is not None and self._figure.stream is stream:
                marks.append((self._figure, None))  # type: ignore[arg-type]
            for mark, piece in sorted(marks, key=lambda one: one[0].first):
                between.append(_joined(stream.stream[last : mark.first]))
                pieces.append(piece)
                last = mark.end
            between.append(_joined(stream.stream[last:]))
            self._streams.append((stream, between, pieces))

    def _fonts_in_use(self) -> tuple[dict[Any, Any], dict[Any, int]]:
        fonts: dict[Any, Any] = {}
        first: dict[Any, int] = {}
        for number, piece in enumerate(self._pieces):
            for key, part in piece.fonts.items():
                first.setdefault(key, number)
                font = fonts.get(key)
                if font is None:
                    font = fonts[key] = _empty(part)
                for glyph, text in part.to_unicode.items():
                    font.to_unicode.setdefault(glyph, text)
                for glyph, width in part.widths.items():
                    font.widths.setdefault(glyph, width)
        return fonts, first

    def _written(self, page: Page, order: Order) -> bytes:
        import pydyf

        fonts, first = self._fonts_in_use()
        if first != self._first_use:
            raise NotAlike("other fonts")
        objects = list(self._settled)

        def put(number: int, one: Any) -> None:
            one.number = number
            objects[number] = drawing.settled(one)

        for stream, between, pieces in self._streams:
            parts = [between[0]]
            for piece, behind in zip(pieces, between[1:], strict=True):
                parts += [self._figure_data if piece is None else piece.data, behind]
            put(
                stream.number,
                pydyf.Stream([b"\n".join(one for one in parts if one)], stream.extra, compress=True),
            )
        self._write_fonts(fonts, objects)
        if self._files:
            put(self._files[0].number, _file_of(order))
        self._write_link(page, put)
        about = self._drawn.objects[self._about_at]
        put(
            self._about_at,
            pydyf.Stream([xmp(order.facts, producer=self._drawn.pdf.info["Producer"].string)], about.extra),
        )
        pdf = pydyf.PDF()
        pdf.objects, pdf.catalog = objects, self._drawn.pdf.catalog
        pdf.info = pydyf.Dictionary({**self._drawn.pdf.info, **information(order.facts)})
        output = BytesIO()
        pdf.write(output, self._options["pdf_version"], drawing.identifier_of(order), compress=True)
        return output.getvalue()

    def _write_fonts(self, fonts: dict[Any, Any], objects: list[Any]) -> None:
        import pydyf
        from weasyprint.pdf.fonts import build_fonts_dictionary

        for font in fonts.values():
            font.clean = self._cutter(font)
        pdf = pydyf.PDF()
        pdf.objects = objects[: self._fonts_at.start]
        pdf.add_object(build_fonts_dictionary(pdf, fonts, True, True, self._options))  # noqa: FBT003
        if len(pdf.objects) != self._fonts_at.stop:
            raise NotAlike("another number of fonts")
        for number in self._fonts_at:
            objects[number] = drawing.settled(pdf.objects[number])

    def _cutter(self, font: Any) -> Any:
        """Cuts a font for some glyphs, or finds it cut: headings hold the same from one document to the next."""

        def cut(to_unicode: dict[int, str], hinting: bool) -> None:  # noqa: FBT001
            key = (font.hash, frozenset(to_unicode))
            if key not in self._cut:
                type(font).clean(font, to_unicode, hinting)
                self._cut[key] = font.file_content
                if len(self._cut) > FONTS_KEPT:
                    self._cut.popitem(last=False)
            self._cut.move_to_end(key)
            font.file_content = self._cut[key]

        return cut

    def _write_link(self, page: Page, put: Callable[[int, Any], None]) -> None:
        import pydyf
        from weasyprint.matrix import Matrix

        if not page.links:
            return
        scale, target = 0.75, pydyf.String(page.links[0])  # points of PDF in a pixel of CSS
        for (index, old), new in zip(self._links, self._linked(), strict=True):
            x, y, width, height = new.hit_area()
            whole = self._drawn.document.pages[index]
            matrix = Matrix(scale, 0, 0, -scale, 0, whole.height * scale)
            corners = (*matrix.transform_point(x, y), *matrix.transform_point(x + width, y + height))
            link = old.link_annotation
            changed = {
                "Rect": pydyf.Array(corners),
                "Contents": target,
                "A": pydyf.Dictionary({**link["A"], "URI": target}),
            }
            put(link.number, pydyf.Dictionary({**link, **changed}))

    def _linked(self) -> list[Any]:
        """The boxes of the link as they stand now, one for each line."""
        return [
            box
            for block in self._link_blocks
            for box in _walk(block)
            if box.link and not (_is(box, "TextBox") or _is(box, "LineBox"))
        ]


class _Shelf(dict[Any, Any]):
    """The fonts of a document, each handed out empty when it is first asked for."""

    def __init__(self, fonts: dict[Any, Any]) -> None:
        super().__init__()
        self._all = fonts

    def __contains__(self, key: object) -> bool:
        if super().__contains__(key):
            return True
        if key not in self._all:
            raise NotAlike("a font that the document has not")
        self[key] = _empty(self._all[key])
        return True


def _empty(font: Any) -> Any:
    new = copy.copy(font)
    new.widths, new.to_unicode, new.missing = {}, {}, {}
    return new


def _file_of(order: Order) -> Any:
    """The embedded file of an order."""
    import pydyf
    from weasyprint.pdf.anchors import write_pdf_attachment

    pdf = pydyf.PDF()
    first = len(pdf.objects)
    write_pdf_attachment(pdf, drawing.attachments_of(order)[0], True)  # noqa: FBT003
    return pdf.objects[first]


# ---------------------------------------------------------------- boxes


def _is(box: Any, kind: str) -> bool:
    from weasyprint.formatting_structure import boxes

    return isinstance(box, getattr(boxes, kind))


def _walk(box: Any) -> Iterator[Any]:
    """A box and all within it, in the order of the page."""
    from weasyprint.layout.absolute import AbsolutePlaceholder

    if isinstance(box, AbsolutePlaceholder):
        box = box._box  # noqa: SLF001
    yield box
    for child in box.children:
        yield from _walk(child)


def _has_lines(box: Any) -> bool:
    return bool(box.children) and _is(box.children[0], "LineBox")


def _blocks_before(root: Any) -> list[tuple[Any, bool]]:
    """Blocks of lines that are not laid out yet, and whether nothing outside of each depends on the width of its texts."""
    found = []

    def look(box: Any, free: bool) -> None:  # noqa: FBT001
        if box.style["float"] != "none" or box.style["block_ellipsis"] != "none":
            raise NotAlike("floats")
        free = free and not _is_as_wide_as_its_content(box)
        if _has_lines(box) and any(
            (_is(one, "TextBox") and one.text.strip()) or _is(one, "ReplacedBox") for one in _walk(box)
        ):
            found.append((box, free))
        for child in box.children:
            look(child, free)

    look(root, True)  # noqa: FBT003
    return found


def _is_as_wide_as_its_content(box: Any) -> bool:
    style = box.style
    if style["position"] in {"absolute", "fixed"}:
        return bool(style["width"] == "auto" and "auto" in (style["left"], style["right"]))
    if _is(box, "TableBox"):
        return bool(style["table_layout"] != "fixed" or style["width"] == "auto")
    odd = ("InlineBlockBox", "FlexContainerBox", "GridContainerBox")
    return any(_is(box, kind) for kind in odd)


def _blocks_after(document: Any) -> list[Any]:
    return [box for page in document.pages for box in _walk(page._page_box) if _has_lines(box)]  # noqa: SLF001


def _texts(lines: list[Any]) -> list[Any]:
    """The texts of some lines, without those of boxes within boxes."""
    found = []

    def look(box: Any) -> None:
        if _is(box, "TextBox"):
            found.append(box)
        elif _is(box, "LineBox") or _is(box, "InlineBox"):
            for child in box.children:
                look(child)

    for line in lines:
        look(line)
    return found


def _is_plain(lines: list[Any]) -> bool:
    """Nothing but texts without lines or colours behind them, which would have to be drawn as wide as the texts."""
    for line in lines:
        if line.text_overflow != "clip" or line.block_ellipsis != "none":
            return False
        for box in _walk(line):
            if not any(_is(box, kind) for kind in ("LineBox", "InlineBox", "TextBox")):
                return False
            if box.style["text_decoration_line"] != "none" or box.background is not None:
                return False
            if _is(box, "InlineBox") and (box.border_width() != box.width or box.style["transform"]):
                return False
    return True


def _shape(lines: list[Any]) -> tuple[Any, ...]:
    """What of some lines decides where everything else stands, and into which tags they go."""

    def of(box: Any) -> tuple[Any, ...]:
        own = (
            type(box),
            id(box.element),
            round(box.position_y, 6),
            round(box.height, 6),
            round(getattr(box, "baseline", None) or 0, 6),
        )
        return (*own, tuple(of(child) for child in box.children))

    return tuple(of(line) for line in lines)


def _first_matrix(operators: list[Any]) -> int:
    return next(i for i, one in enumerate(operators) if isinstance(one, bytes) and one.endswith(b" cm"))


_PATH = re.compile(r"(?s)^(.* d=')([^']*)('/></svg>)$")
_STEP = re.compile(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?")


def _last_path(address: str) -> tuple[str, str]:
    """A drawing in its own address: all but its last path, and that path if it consists of strokes to the right."""
    found = _PATH.match(unquote(address.partition(",")[2]))
    if found is None or _STEP.sub("", found[2]):
        return "", ""
    return found[1] + found[3], found[2]


def _operators_of(path: str) -> bytes:
    """Strokes to the right as WeasyPrint writes them."""
    x, y, lines = 0.0, 0.0, []
    for kind, first, second in _STEP.findall(path):
        x, y = (x if kind != "M" else 0) + float(first), (y if kind != "M" else 0) + float(second or 0)
        lines.append(f"{x:g} {y:g} {'l' if kind == 'h' else 'm'}")
    return ("0 0 m\n" + "\n".join(lines) + "\nB").encode()


def _joined(operators: Sequence[Any]) -> bytes:
    return b"\n".join(_bytes(one) for one in operators)


def _bytes(one: Any) -> bytes:
    """An operator as pydyf writes it."""
    if isinstance(one, bytes):
        return one
    if isinstance(one, str):
        return one.encode()
    data: bytes = one.data
    return data
