"""Doorman of HarfBuzz: what the shipped fonts can draw."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from html import unescape

from lms.core.pdf.order import FONTS, MissingGlyphs

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
    import uharfbuzz

    found: set[int] = set()
    for file in sorted(FONTS.glob("*.ttf")):
        found.update(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(file))).unicodes)
    return frozenset(found)


_NOT_TEXT = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def refuse_boxes(html: str) -> None:
    """Better no document than one with boxes in it."""
    text = unescape(_NOT_TEXT.sub(" ", html))
    boxes = [problem.label for problem in glyph_problems(text) if problem.kind in {NO_GLYPH, PRIVATE_USE}]
    if boxes:
        raise MissingGlyphs(boxes)
