"""A page of HTML becomes a PDF that archives and screen readers accept.

Each file is PDF/A-3a and PDF/UA-1 at once, is drawn with the fonts in ``lms/fonts`` only, and is the same
bytes for the same inputs (and the same versions of WeasyPrint, Pango and HarfBuzz), so that a certificate can
be drawn again as an audit. A document that differs from an earlier one in a few texts only is not drawn anew: the
texts are stamped into the earlier one (``stamping``), and the bytes are those of a drawing.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from lms.core.pdf import drawing, stamping
from lms.core.pdf.glyphs import (
    CONTROL,
    NO_GLYPH,
    NOT_NORMAL,
    PRIVATE_USE,
    RADICAL,
    GlyphProblem,
    glyph_problems,
    missing_glyphs,
    refuse_boxes,
)
from lms.core.pdf.order import (
    FAMILIES,
    FONTS,
    Attachment,
    Facts,
    ForbiddenResource,
    MissingGlyphs,
    Order,
    PdfError,
    TooManyPages,
)

__all__ = [
    "CONTROL",
    "FAMILIES",
    "FONTS",
    "NOT_NORMAL",
    "NO_GLYPH",
    "PRIVATE_USE",
    "RADICAL",
    "Attachment",
    "ForbiddenResource",
    "GlyphProblem",
    "MissingGlyphs",
    "PdfError",
    "TooManyPages",
    "glyph_problems",
    "missing_glyphs",
    "ready",
    "render",
    "templates",
]

_ONE_AT_A_TIME = threading.Lock()
"""A Pango font map belongs to one thread at a time; drawing is all CPU anyway."""


def templates(folder: Path) -> jinja2.Environment:
    """The environment of print templates: everything escaped, an undefined name is an error, no Flask needed."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def ready() -> None:
    """Load what drawing needs. Raises OSError where the machine has no Pango."""
    drawing.engine()


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
    afresh: bool = False,
) -> bytes:
    """Draw ``html`` as PDF/A-3a + PDF/UA-1.

    ``assets``: the only folder, with the fonts, that the page may take files from. ``title``: by language, the
    first is also the default. ``identifier``: what names the document (a serial), it also makes the file's id.
    ``created`` stands in all dates of the file. ``afresh``: from nothing, whatever has been drawn before.

    Raises ``ForbiddenResource``, ``TooManyPages``, ``MissingGlyphs``, or plain ``PdfError`` for art that is
    broken.
    """
    if created.tzinfo is None:
        raise ValueError("created must be aware")
    if not title or not languages:
        raise ValueError("a PDF needs a title and a language")
    refuse_boxes(html)
    facts = Facts(
        dict(title),
        identifier,
        created.astimezone(UTC).replace(microsecond=0),
        tuple(languages),
        author,
        subject,
    )
    order = Order(html, tuple(css), assets.resolve(), facts, tuple(attachments), max_pages)
    with _ONE_AT_A_TIME:
        return drawing.draw(order).data if afresh else stamping.render(order)
