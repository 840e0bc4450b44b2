"""What may be asked of the drawing and what can go wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FONTS = Path(__file__).resolve().parent.parent.parent / "fonts"
"""The shipped fonts; see the README there."""

FAMILIES = (
    "Noto Serif SC",
    "Firefly Rare Han",
    "Noto Serif Tibetan",
    "Noto Naskh Arabic",
    "Noto Sans Mongolian",
)
"""Families of the shipped fonts, in the order in which a style sheet should name them."""


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


@dataclass(frozen=True)
class Facts:
    """What the file says about itself."""

    title: dict[str, str]
    """By language; the first is also the default."""
    identifier: str
    created: datetime
    languages: tuple[str, ...]
    author: str
    subject: str

    @property
    def default_title(self) -> str:
        """The title for readers of another language."""
        return next(iter(self.title.values()))


@dataclass(frozen=True)
class Order:
    """One document as it is to be drawn."""

    html: str
    css: tuple[Path, ...]
    assets: Path
    """The only folder, with the fonts, that the page may take files from."""
    facts: Facts
    attachments: Sequence[Attachment]
    max_pages: int | None
