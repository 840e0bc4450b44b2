"""Doorman of WeasyPrint: a page of HTML becomes a PDF that archives and screen readers accept.

Each file is PDF/A-3a and PDF/UA-1 at once, is drawn with the fonts in ``lms/fonts`` only, and is the same
bytes for the same inputs (and the same versions of WeasyPrint, Pango and HarfBuzz), so that a certificate can
be drawn again as an audit.
"""

import hashlib
import logging
import os
import re
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.sax.saxutils import escape

import jinja2
import uharfbuzz

FONTS = Path(__file__).resolve().parent.parent / "fonts"
"""The shipped fonts; see the README there."""

FAMILIES = (
    "Noto Serif SC",
    "Firefly Rare Han",
    "Noto Serif Tibetan",
    "Noto Naskh Arabic",
    "Noto Sans Mongolian",
)
"""Families of the shipped fonts, in the order in which a style sheet should name them."""

_CREATOR = "Firefly LMS"


class PdfError(Exception):
    """The page cannot become the PDF that was asked for; the text says why."""


class ForbiddenResource(PdfError):
    """The page names something outside its folder of art (or a file that does not exist)."""


class TooManyPages(PdfError):
    """The content needs more pages than it may have."""


class MissingGlyphs(PdfError):
    """No shipped font draws some of the text. ``labels``: the characters, as ``missing_glyphs`` names them."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__("no glyph for " + ", ".join(labels))
        self.labels = tuple(labels)


@dataclass(frozen=True)
class Attachment:
    """A file that travels inside the PDF."""

    name: str
    description: str
    data: bytes
    relationship: str = "Data"
    """One of the AFRelationship values of ISO 32000-2, 7.11.3."""


# ---------------------------------------------------------------- drawing


def templates(folder: Path) -> jinja2.Environment:
    """The environment of print templates: everything escaped, an undefined name is an error, no Flask needed."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_ONE_AT_A_TIME = threading.Lock()
"""A Pango font map belongs to one thread at a time; drawing is all CPU anyway."""


def render(
    html: str,
    *,
    css: Sequence[Path],
    assets: Path,
    title: Mapping[str, str],
    identifier: str,
    created: datetime,
    languages: Sequence[str] = ("zh-CN", "en"),
    author: str = "",
    subject: str = "",
    attachments: Sequence[Attachment] = (),
    max_pages: int | None = None,
) -> bytes:
    """Draw ``html`` as PDF/A-3a + PDF/UA-1.

    ``assets``: the only folder, with the fonts, that the page may take files from. ``title``: by language, the
    first is also the default. ``identifier``: what names the document (a serial), it also makes the file's id.
    ``created`` stands in all dates of the file.

    Raises ``ForbiddenResource``, ``TooManyPages``, ``MissingGlyphs``, or plain ``PdfError`` for art that is
    broken.
    """
    if created.tzinfo is None:
        raise ValueError("created must be aware")
    if not title or not languages:
        raise ValueError("a PDF needs a title and a language")
    _refuse_boxes(html)
    facts = _Facts(
        dict(title),
        identifier,
        created.astimezone(UTC).replace(microsecond=0),
        tuple(languages),
        author,
        subject,
    )
    with _ONE_AT_A_TIME:
        return _draw(
            html, facts, css=css, assets=assets.resolve(), attachments=attachments, max_pages=max_pages
        )


@dataclass(frozen=True)
class _Facts:
    """What the file says about itself."""

    title: dict[str, str]
    identifier: str
    created: datetime
    languages: tuple[str, ...]
    author: str
    subject: str

    @property
    def default_title(self) -> str:
        return next(iter(self.title.values()))


def _draw(
    html: str,
    facts: _Facts,
    *,
    css: Sequence[Path],
    assets: Path,
    attachments: Sequence[Attachment],
    max_pages: int | None,
) -> bytes:
    weasyprint, fonts = _engine()
    from weasyprint.urls import FatalURLFetchingError

    fetcher = _fetcher(assets)
    stamps = tuple((path, path.stat().st_mtime_ns) for path in css)
    art = _art(assets)
    images = dict(art)
    files = [
        weasyprint.Attachment(
            file_obj=_Source(file.data),
            base_url=assets.as_uri(),
            url_fetcher=fetcher,
            name=file.name,
            description=file.description,
            created=facts.created,
            modified=facts.created,
            relationship=file.relationship,
        )
        for file in attachments
    ]
    try:
        with _errors_of("weasyprint") as errors:
            page = weasyprint.HTML(string=html, base_url=f"{assets.as_uri()}/", url_fetcher=fetcher)
            options: dict[str, Any] = {
                "pdf_variant": "pdf/a-3a",
                "pdf_tags": True,
                "attachments": files or None,
            }
            document = page.render(
                stylesheets=[_style(stamps, assets)], font_config=fonts, cache=images, **options
            )
            if max_pages is not None and len(document.pages) > max_pages:
                raise TooManyPages(f"{len(document.pages)} pages, {max_pages} allowed")
            with warnings.catch_warnings():
                # WeasyPrint 70 leaves the file of its colour profile to the collector; remove when it closes it.
                warnings.simplefilter("ignore", ResourceWarning)
                data: bytes = document.write_pdf(
                    finisher=_finisher(facts),
                    cache=images,
                    pdf_identifier=hashlib.sha256(facts.identifier.encode()).digest()[:16],
                    **options,
                )
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
    return data


def ready() -> None:
    """Load what drawing needs. Raises OSError where the machine has no Pango."""
    _engine()


@cache
def _engine() -> tuple[Any, Any]:
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
    weasyprint, fonts = _engine()
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
def _errors_of(logger_name: str) -> Iterator[list[str]]:
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


# ---------------------------------------------------------------- what the file says about itself


def _finisher(facts: _Facts) -> Callable[[Any, Any], None]:
    """WeasyPrint knows one variant at a time and writes XMP of its own; this puts ours in its place."""

    def finish(_document: Any, pdf: Any) -> None:
        import pydyf

        stamp = facts.created.strftime("D:%Y%m%d%H%M%SZ")
        texts = {
            "Title": facts.default_title,
            "Author": facts.author,
            "Subject": facts.subject,
            "Keywords": facts.identifier,
            "Creator": _CREATOR,
            "CreationDate": stamp,
            "ModDate": stamp,
        }
        pdf.info.update({name: pydyf.String(text) for name, text in texts.items() if text})
        pdf.catalog["Lang"] = pydyf.String(facts.languages[0])
        metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
        metadata.stream = [_xmp(facts, producer=pdf.info["Producer"].string)]
        metadata.compress = False

    return finish


_DESCRIPTION = """<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">"""

_UA_SCHEMA = """<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Indicates which part of ISO 14289 is followed</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""
"""PDF/A wants every property it does not know described (ISO 19005-3, 6.6.2.3); PDF/UA's is one of them."""


def _xmp(facts: _Facts, *, producer: str) -> bytes:
    def alternatives(tag: str, texts: Mapping[str, str]) -> str:
        items = "".join(
            f'<rdf:li xml:lang="{escape(lang)}">{escape(text)}</rdf:li>' for lang, text in texts.items()
        )
        return f"<{tag}><rdf:Alt>{items}</rdf:Alt></{tag}>"

    when = facts.created.strftime("%Y-%m-%dT%H:%M:%SZ")
    about = [
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance><pdfuaid:part>1</pdfuaid:part>",
        alternatives("dc:title", {"x-default": facts.default_title} | facts.title),
        f"<dc:identifier>{escape(facts.identifier)}</dc:identifier>",
        "<dc:language><rdf:Bag>"
        + "".join(f"<rdf:li>{escape(x)}</rdf:li>" for x in facts.languages)
        + "</rdf:Bag></dc:language>",
        f"<pdf:Producer>{escape(producer)}</pdf:Producer><pdf:Keywords>{escape(facts.identifier)}</pdf:Keywords>",
        f"<xmp:CreatorTool>{_CREATOR}</xmp:CreatorTool>",
        f"<xmp:CreateDate>{when}</xmp:CreateDate><xmp:ModifyDate>{when}</xmp:ModifyDate>",
    ]
    if facts.author:
        about.append(f"<dc:creator><rdf:Seq><rdf:li>{escape(facts.author)}</rdf:li></rdf:Seq></dc:creator>")
    if facts.subject:
        about.append(alternatives("dc:description", {"x-default": facts.subject}))
    lines = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
        _DESCRIPTION,
        *about,
        "</rdf:Description>",
        _UA_SCHEMA,
        "</rdf:RDF></x:xmpmeta>",
        '<?xpacket end="r"?>',
    )
    return "\n".join(lines).encode()


# ---------------------------------------------------------------- what the fonts can draw

NO_GLYPH = "no_glyph"
PRIVATE_USE = "private_use"
RADICAL = "radical"
NOT_NORMAL = "not_normal"
CONTROL = "control"


@dataclass(frozen=True)
class GlyphProblem:
    """A character that a name on paper should not hold, and why."""

    character: str
    kind: str
    """``no_glyph``; ``private_use``: an old ID-card or GBK code, means nothing elsewhere; ``radical``: looks like an
    ideograph and is none (U+2F5F for U+7389); ``not_normal``: Unicode's NFC writes it otherwise; ``control``."""

    @property
    def label(self) -> str:
        """The code point, and the character where it can be shown: ``U+2F5F ⽟``."""
        code_point = f"U+{ord(self.character):04X}"
        return code_point if self.kind in {PRIVATE_USE, CONTROL} else f"{code_point} {self.character}"


_JOINERS = frozenset((0x200C, 0x200D, 0x180B, 0x180C, 0x180D, 0x180E, 0x180F, 0x202F))
"""Invisible, and needed to write Uyghur, Mongolian and others."""


def glyph_problems(text: str) -> list[GlyphProblem]:
    """What in ``text`` cannot be printed as it stands, each character once, in the order of its first place."""
    drawn = _drawn_code_points()
    normal = unicodedata.normalize("NFC", text)
    problems = [
        GlyphProblem(character, kind)
        for character in dict.fromkeys(normal)
        if (kind := _problem(character, drawn))
    ]
    if normal != text:
        changed = [
            character
            for character in dict.fromkeys(text)
            if unicodedata.normalize("NFC", character) != character
            or (unicodedata.combining(character) and character not in normal)
        ]
        problems += [GlyphProblem(character, NOT_NORMAL) for character in changed]
    return problems


def missing_glyphs(text: str) -> list[str]:
    """Labels (``U+E863``, ``U+2F5F ⽟``) of all that ``glyph_problems`` finds; empty if ``text`` can be printed."""
    return [problem.label for problem in glyph_problems(text)]


def _problem(character: str, drawn: frozenset[int]) -> str | None:
    code_point = ord(character)
    category = unicodedata.category(character)
    if category == "Co":
        return PRIVATE_USE
    if 0x2E80 <= code_point <= 0x2FDF:
        return RADICAL
    if code_point in _JOINERS or 0xFE00 <= code_point <= 0xFE0F or 0xE0100 <= code_point <= 0xE01EF:
        return None
    if category in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return CONTROL
    return None if code_point in drawn else NO_GLYPH


@cache
def _drawn_code_points() -> frozenset[int]:
    found: set[int] = set()
    for file in sorted(FONTS.glob("*.ttf")):
        found.update(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(file))).unicodes)
    return frozenset(found)


_NOT_TEXT = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def _refuse_boxes(html: str) -> None:
    """Better no document than one with boxes in it."""
    text = unescape(_NOT_TEXT.sub(" ", html))
    boxes = [problem.label for problem in glyph_problems(text) if problem.kind in {NO_GLYPH, PRIVATE_USE}]
    if boxes:
        raise MissingGlyphs(boxes)
