"""Excel and CSV, as Chinese hospitals write their questions: columns found by what their header says, never by where they stand."""

import re
from collections.abc import Sequence

from lms.assessments.interchange import making, words
from lms.assessments.interchange.drafting import Album, Gathered, Json
from lms.assessments.interchange.drafts import Place, Reading
from lms.assessments.interchange.plain import read_html, tongue_of
from lms.assessments.interchange.rows import Choice, Row, Unit
from lms.assessments.interchange.sheet_pictures import IN_CELL, Extras, extras
from lms.assessments.interchange.sheet_rows import Raw, Together, rows_of, together
from lms.assessments.interchange.sheet_writing import NO_WORDS, write
from lms.assessments.rules.items import TYPES
from lms.core import imports
from lms.core.errors import RuleBroken
from lms.core.i18n import _

__all__ = ["read", "write"]


def read(data: bytes, filename: str) -> Reading:
    """Every row of every visible sheet as a draft (rows that share a case together) or as a problem named by its cell. Never raises."""
    gathered = Gathered()
    try:
        sheets = imports.read_all(data, filename)
    except RuleBroken as refusal:
        gathered.refuse(Place("file"), refusal.code, refusal.message)
        return Reading("xlsx", (), tuple(gathered.problems))
    more = extras(data)
    for sheet in sheets:
        for one in together(rows_of(sheet, more, gathered, is_only=len(sheets) == 1)):
            making.take(_Rows(one, more, gathered).unit(), gathered)
    if not gathered.drafts and not any(one.is_blocking for one in gathered.problems):
        gathered.refuse(Place("file"), "no_items", _("The file holds no questions."))
    return Reading("xlsx", tuple(gathered.drafts), tuple(gathered.problems))


_MARKED_UP = re.compile(
    r"</?(?:p|br|div|span|img|sub|sup|b|strong|em|i|u|font|table|ul|ol|li)\b[^<>]*>|&(?:nbsp|lt|gt|amp|#\d+);",
    re.IGNORECASE,
)
_TEXTS = re.compile(r"stem|shared|option|answer|why")


class _Rows:
    """Rows that become one item, on their way there."""

    def __init__(self, one: Together, more: Extras, gathered: Gathered) -> None:
        self._one = one
        self._more = more
        self._gathered = gathered
        whole = [one.head, *one.rows] if one.head else one.rows
        texts = [text for raw in whole for name, text in raw.values.items() if _TEXTS.match(name)]
        self._is_literal = whole[0].is_bilingual
        """A sheet with columns for English is one of this site's own: every text means just what it says."""
        self._tongue = "zh" if self._is_literal else tongue_of(*texts)
        self._album = Album(whole[0].place, gathered, self._tongue)

    def unit(self) -> Unit:
        """The rows as one unit; what they share is read first, so that its pictures come first."""
        one, head = self._one, self._one.head
        first = head or one.rows[0]
        unit = Unit([], self._album, is_group=one.is_group)
        if head is not None:
            shown = self._row(head, is_head=True)
            unit.shared, unit.shared_media, unit.shared_why = shown.stem, shown.media, shown.why
            unit.options = shown.options if TYPES[head.type].shares_options else []
        else:
            unit.shared, unit.shared_media = self._words(first, "shared"), self._media(first, "shared")
        unit.rows = [self._row(raw, is_head=False) for raw in one.rows]
        if not unit.rows:
            unit.rows = [Row(first.place, first.said_type, first.type, cells=first.cells())]
        unit.shared_why = self._words(first, "shared why") or unit.shared_why
        unit.type = first.type if one.is_group and first.type in TYPES and TYPES[first.type].is_group else ""
        return unit

    def _row(self, raw: Raw, *, is_head: bool) -> Row:
        more = {name: raw.text(name) for name in ("marks", "difficulty", "source", "code", "scoring", "limit", "must", "never", "tolerance", "unit", "longest")}  # fmt: skip
        if "fixed" in raw.columns:
            more["fixed"] = raw.text("fixed")
        topics = [text for name in ("topic", "chapter", "subject") if (text := raw.text(name))]
        more["topic"] = topics[0] if topics else ""
        more["tags"] = "；".join([raw.text("tags"), *topics[1:]])
        media = [
            entry
            for part in ("shared", "stem")
            if is_head or part == "stem"
            for entry in self._media(raw, part)
        ]
        stem = self._words(raw, "stem", media)
        return Row(
            raw.place,
            raw.said_type,
            raw.type,
            stem,
            media,
            self._options(raw),
            raw.text("answer"),
            raw.text("answer en"),
            self._words(raw, "why"),
            more,
            raw.cells(),
            tongue=self._tongue,
        )

    # ------------------------------------------------------------ texts

    def _words(self, raw: Raw, name: str, media: list[Json] | None = None) -> dict[str, str]:
        """The text of a column in the languages in which it stands."""
        found = {}
        for tongue, column in ((self._tongue, name), ("en", f"{name} en")):
            text = self._shown(raw.text(column), media)
            if text:
                found[tongue] = text
        return found

    def _shown(self, text: str, media: list[Json] | None = None) -> str:
        """The text of a cell without the formula of a picture and without marks of HTML."""
        if not text:
            return ""
        plain = IN_CELL.sub("", text).strip()
        if not self._is_literal and _MARKED_UP.search(plain):
            plain, entries = self._album.settle(read_html(plain, keeps_lines=True), holds=media is not None)
            if media is not None:
                media += entries
        return plain

    def _media(self, raw: Raw, part: str) -> list[Json]:
        """The entries for the pictures in and over the cells of a part."""
        found = []
        for content, alt in self._pictures(raw).get(part, ()):
            entry = self._album.add(content, alt, where=raw.cells().get(part))
            if entry:
                found.append(entry)
        return found

    def _pictures(self, raw: Raw) -> dict[str, list[tuple[bytes, str | dict[str, str]]]]:
        """Pictures by the part of the question to which they belong; 图片说明 has a line for each, in this order."""
        if not raw.pictures and not self._more.in_cells:
            return {}
        by_part: dict[str, list[tuple[bytes, str]]] = {}
        for name, text in raw.values.items():
            for one in IN_CELL.findall(text):
                by_part.setdefault(_part(name), []).append(self._more.in_cells.get(one, (b"", "")))
        for name, picture in raw.pictures:
            by_part.setdefault(_part(name), []).append((picture.content, picture.alt))
        lines = [
            (tongue, raw.text(column).split("\n"))
            for tongue, column in ((self._tongue, "alt"), ("en", "alt en"))
        ]
        found: dict[str, list[tuple[bytes, str | dict[str, str]]]] = {}
        order = 0
        for name in sorted(by_part, key=_order):
            for content, alt in by_part[name]:
                said = {
                    tongue: text
                    for tongue, texts in lines
                    if (text := texts[order].strip() if order < len(texts) else "") not in {"", NO_WORDS}
                }
                found.setdefault(name, []).append((content, said or alt))
                order += 1
        return found

    def _options(self, raw: Raw) -> list[Choice]:
        """The options of a row: a column for each, or all in one cell."""
        found = []
        for letter in words.LETTERS:
            name = f"option {letter}"
            if name not in raw.columns and f"{name} en" not in raw.columns:
                continue
            media = self._media(raw, name)
            text = self._words(raw, name, media)
            if text or media:
                found.append(Choice(letter, text, media))
        if not found and raw.text("options"):
            parts = words.split_options(self._shown(raw.text("options")))
            return [Choice(letter, {self._tongue: part}) for letter, part in parts]
        return found if self._is_literal else _without_letters(found)


def _part(column: str) -> str:
    """The part of a question to which a picture under a column belongs."""
    name = column.removesuffix(" en")
    return name if name == "shared" or name.startswith("option ") else "stem"


def _order(part: str) -> tuple[int, str]:
    return (("shared", "stem").index(part) if part in {"shared", "stem"} else 2, part)


def _without_letters(options: Sequence[Choice]) -> list[Choice]:
    """Options without ``A.`` before each, if all have their own letter there."""
    found = []
    for one in options:
        texts = {tongue: words.lettered(text, one.letter) for tongue, text in one.text.items()}
        if not texts or any(text is None for text in texts.values()):
            return list(options)
        found.append(Choice(one.letter, {tongue: text for tongue, text in texts.items() if text}, one.media))
    return found
