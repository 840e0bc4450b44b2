"""Doorman of WeasyPrint: one document, drawn from nothing."""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lms.core.pdf.about import finisher
from lms.core.pdf.order import FONTS, ForbiddenResource, Order, PdfError, TooManyPages

VARIANT = "pdf/a-3a"


@dataclass
class Drawn:
    """A finished document with what ``stamping`` needs to draw the next one like it."""

    data: bytes
    document: Any
    """WeasyPrint's, laid out."""
    context: Any
    """Of the layout."""
    root: Any
    """The boxes before they were laid out."""
    pdf: Any
    """pydyf's, as it was before it was written."""
    objects: list[Any] = field(default_factory=list)
    """The objects of ``pdf``, not yet put together."""
    marks: list["Mark"] = field(default_factory=list)


@dataclass
class Mark:
    """One piece of tagged content: the box it came from and its place among the operators of its page."""

    stream: Any
    box: Any
    first: int
    end: int


def draw(order: Order) -> Drawn:
    """Draw ``order`` as PDF/A-3a + PDF/UA-1. One at a time: a Pango font map belongs to one thread."""
    weasyprint, fonts = engine()
    from weasyprint.urls import FatalURLFetchingError

    stamps = tuple((path, path.stat().st_mtime_ns) for path in order.css)
    art = _art(order.assets)
    images = dict(art)
    try:
        with errors_of("weasyprint") as errors:
            page = weasyprint.HTML(
                string=order.html, base_url=f"{order.assets.as_uri()}/", url_fetcher=_fetcher(order.assets)
            )
            styles = [_style(stamps, order.assets)]
            drawn = _lay_out(page, fonts, stylesheets=styles, cache=images)
            if order.max_pages is not None and len(drawn.document.pages) > order.max_pages:
                raise TooManyPages(f"{len(drawn.document.pages)} pages, {order.max_pages} allowed")
            with warnings.catch_warnings():
                # WeasyPrint 70 leaves the file of its colour profile to the collector; remove when it closes it.
                warnings.simplefilter("ignore", ResourceWarning)
                _write(drawn, order, images)
    except FatalURLFetchingError as refusal:
        raise ForbiddenResource(str(refusal)) from None
    if errors:
        raise PdfError("; ".join(errors))
    # Art of the house stays warm. A QR code lives in the address of its own image: kept, every document would
    # leave a megabyte behind.
    art.update(
        {
            k: v
            for k, v in images.items()
            if isinstance(k, str) and k.startswith("file:") and k.endswith(".svg")
        }
    )
    return drawn


def _lay_out(page: Any, fonts: Any, **given: Any) -> Drawn:
    """What ``HTML.render`` of WeasyPrint 70 does, with the boxes and the context kept."""
    from weasyprint import Document, Page
    from weasyprint.css.counters import CounterStyle
    from weasyprint.document import DocumentMetadata
    from weasyprint.formatting_structure.build import build_formatting_structure
    from weasyprint.html import get_html_metadata
    from weasyprint.layout import layout_document

    options, counters = options_of(**given), CounterStyle()
    context = Document._build_layout_context(page, fonts, counters, {}, options)  # noqa: SLF001
    root = build_formatting_structure(
        page.etree_element,
        context.style_for,
        context.get_image_from_uri,
        page.base_url,
        context.target_collector,
        counters,
        context.footnotes,
    )
    pages = [Page(box) for box in layout_document(page, root, context)]
    about = DocumentMetadata(**get_html_metadata(page))
    document = Document(pages, about, page.url_fetcher, fonts, {}, options["output_intent"])
    document._html = page  # noqa: SLF001
    return Drawn(b"", document, context, root, None)


def _write(drawn: Drawn, order: Order, images: dict[str, Any]) -> None:
    about = finisher(order.facts)

    def finish(document: Any, pdf: Any) -> None:
        about(document, pdf)
        drawn.pdf = pdf
        drawn.objects = list(pdf.objects)
        pdf.objects = [settled(one) for one in pdf.objects]

    for page in drawn.document.pages:
        page.paint = _watched(page.paint, drawn.marks)
    drawn.data = drawn.document.write_pdf(
        finisher=finish,
        cache=images,
        attachments=attachments_of(order) or None,
        pdf_identifier=identifier_of(order),
        pdf_variant=VARIANT,
        pdf_tags=True,
    )


def options_of(**given: Any) -> dict[str, Any]:
    """All options of WeasyPrint as it fills them in for our variant of PDF."""
    from weasyprint import DEFAULT_OPTIONS
    from weasyprint.pdf import VARIANTS

    options = {**DEFAULT_OPTIONS, "pdf_variant": VARIANT, "pdf_tags": True, **given}
    defaults = VARIANTS[VARIANT][1]
    return {name: defaults.get(name) if value is None else value for name, value in options.items()}


def identifier_of(order: Order) -> bytes:
    """The first half of the file's id."""
    return hashlib.sha256(order.facts.identifier.encode()).digest()[:16]


def attachments_of(order: Order) -> list[Any]:
    """The attachments as WeasyPrint takes them."""
    weasyprint, _fonts = engine()
    return [
        weasyprint.Attachment(
            file_obj=_Source(file.data),
            base_url=order.assets.as_uri(),
            url_fetcher=_fetcher(order.assets),
            name=file.name,
            description=file.description,
            created=order.facts.created,
            modified=order.facts.created,
            relationship=file.relationship,
        )
        for file in order.attachments
    ]


def _watched(paint: Any, marks: list[Mark]) -> Any:
    """``paint`` of a page, noting where among the operators each tagged box stands."""

    def painted(stream: Any, *sizes: Any) -> None:
        marked = stream.marked

        @contextmanager
        def noted(box: Any, tag: str) -> Iterator[None]:
            first = len(stream.stream)
            with marked(box, tag):
                yield
            marks.append(Mark(stream, box, first, len(stream.stream)))

        stream.marked = noted
        try:
            paint(stream, *sizes)
        finally:
            del stream.marked

    return painted


def settled(one: Any) -> Any:
    """An object of a PDF that is put together and compressed once; the file's id asks for it a second time."""
    import pydyf

    if one.free == "f" or isinstance(one, _settled_kind()):
        return one
    made = _settled_kind()()
    made.number, made.generation, made.fixed = one.number, one.generation, one.data
    made.loose = one.compressible
    assert isinstance(one, pydyf.Object)
    return made


@cache
def _settled_kind() -> Any:
    import pydyf

    class Settled(pydyf.Object):  # type: ignore[misc]
        fixed, loose = b"", True

        @property
        def data(self) -> bytes:
            return self.fixed

        @property
        def compressible(self) -> bool:
            return self.loose

    return Settled


@cache
def engine() -> tuple[Any, Any]:
    """WeasyPrint and a font configuration that knows the shipped fonts only."""
    # fontconfig reads the variable while a configuration is made and never again; a browser started later by the
    # same process must not inherit it.
    before = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(FONTS / "fonts.conf")
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration

        return weasyprint, FontConfiguration()
    finally:
        if before is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = before


@lru_cache(maxsize=16)
def _fetcher(assets: Path) -> Any:
    """A fetcher for data images and for files in ``assets`` and the font folder; all else stops the drawing."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class HouseFetcher(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            if not _allowed(url, assets):
                raise FatalURLFetchingError(f"not allowed in a document: {url[:200]}")
            return super().fetch(url, headers)

    return HouseFetcher(allow_redirects=False, allowed_protocols=("file", "data"))


def _allowed(url: str, assets: Path) -> bool:
    if url.startswith("data:image/"):
        return True
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        return False
    path = Path(url2pathname(parts.path)).resolve()
    return path.is_file() and (path.is_relative_to(assets) or path.is_relative_to(FONTS))


@lru_cache(maxsize=16)
def _style(stamps: tuple[tuple[Path, int], ...], assets: Path) -> Any:
    """The parsed style sheets; ``stamps`` holds the time of change, so that an edit counts at once."""
    weasyprint, fonts = engine()
    text = "\n".join(path.read_text(encoding="utf-8") for path, _ in stamps)
    return weasyprint.CSS(
        string=text, base_url=f"{assets.as_uri()}/", font_config=fonts, url_fetcher=_fetcher(assets)
    )


@lru_cache(maxsize=16)
def _art(assets: Path) -> dict[str, Any]:  # noqa: ARG001 - one dict for each folder
    """Parsed drawings of a folder, kept between documents."""
    return {}


class _Source:
    """A nameless readable: WeasyPrint would take the name of a real file as an address."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        taken = self._data if size < 0 else self._data[:size]
        self._data = self._data[len(taken) :]
        return taken


@contextmanager
def errors_of(logger_name: str) -> Iterator[list[str]]:
    """Collect what the library only logs: a certificate without its seal must not pass silently."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    collector = Collector(logging.ERROR)
    logger = logging.getLogger(logger_name)
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
