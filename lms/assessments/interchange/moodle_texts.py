"""Texts of Moodle XML: formats, languages, embedded files; shares as percentages."""

import base64
import binascii
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from urllib.parse import unquote

from lms.assessments.interchange.drafting import Album, Json
from lms.assessments.interchange.plain import Plain, filled, read_html, said
from lms.assessments.interchange.safexml import Element, child, children, descendants
from lms.assessments.interchange.safexml import said as said_in
from lms.assessments.interchange.safexml_math import without_math
from lms.assessments.rules.items.numbers import fraction
from lms.core.i18n import _
from lms.core.markdown import render

Text = dict[str, str]
_OPENS = re.compile(r"<(span|div|p)\b([^<>]*)>", re.IGNORECASE)
_LANG = re.compile(r"\blang\s*=\s*[\"']?([a-z]{2})(?![a-z])[\w-]*", re.IGNORECASE)
_MLANG = re.compile(r"\{mlang\s+([^}]{1,60})\}(.*?)\{mlang\}", re.IGNORECASE | re.DOTALL)
_FILES = "@@PLUGINFILE@@/"
_MOST_MARKS = 500
"""Marks of languages in one text; beyond it is none of a question."""
_CLOSEST = 100
"""The largest denominator that a rounded percentage may stand for: 33.33333 is a third."""


@dataclass(frozen=True)
class Prose:
    """A text with the media beside it."""

    text: Text
    media: list[Json] = field(default_factory=list)

    @property
    def body(self) -> Json:
        """As the parts of an option."""
        return {**self.text, **({"media": self.media} if self.media else {})}


@dataclass
class Texts:
    """Reads the texts of one question."""

    question: Element
    album: Album

    def read(self, node: Element | None, *, holds: bool = True, also: Element | None = None) -> Prose:
        """The text of an element with a ``<text>``. ``also``: another element whose files it may show."""
        if node is None:
            return Prose({})
        return self.read_html(raw(node), str(node.get("format") or "html"), node, holds=holds)

    def read_html(
        self, source: str, form: str = "html", node: Element | None = None, *, holds: bool = True
    ) -> Prose:
        """A text in one of Moodle's formats."""
        parts = tongues_of(source)
        media: list[Json] = []
        found: Text = {}
        for tongue, part in parts.items():
            plain = plain_of(part, form)
            words = self._settle(plain, media if not found else None, node, holds=holds)
            if words:
                found[tongue or self.album.tongue] = words
        return Prose(found, media)

    def _settle(self, plain: Plain, media: list[Json] | None, node: Element | None, *, holds: bool) -> str:
        words = []
        for one in plain.embedded:
            alt = said(one.alt)
            content = (one.content or self.file(one.source, node)) if holds and media is not None else None
            alts = self._alts(one.source)
            entry = self.album.add(content, alts or alt, kind=one.kind) if content else None
            words.append("" if entry or media is None else alt)
            if entry and media is not None:
                media.append(entry)
            elif holds and media is not None and content is None:
                self.missing(one.source)
        return filled(plain, words)

    def missing(self, source: str) -> None:
        """Say that a file is not there."""
        message = _(
            "“%(source)s” is not in the file; add it to the question.", source=source.replace(_FILES, "")[:80]
        )
        self.album.gathered.notice(self.album.place, "media_missing", message)
        self.album.reviews.append(_("A picture of the file could not be taken over."))

    def file(self, source: str, node: Element | None = None) -> bytes | None:
        """What an embedded file holds, looked for in the element first, then in the whole question."""
        found = self._file(source, node)
        return content_of(found) if found is not None else None

    def _file(self, source: str, node: Element | None) -> Element | None:
        name = unquote(source.replace(_FILES, "").partition("?")[0]).rpartition("/")[2]
        near = children(node, "file") if node is not None else []
        return next(
            (one for one in [*near, *descendants(self.question, "file")] if one.get("name") == name), None
        )

    def _alts(self, source: str) -> Text:
        found = self._file(source, None)
        return {} if found is None else alts_of(found)


def alts_of(file: Element) -> Text:
    """What our own files say that a picture shows."""
    return {one: str(file.get(f"alt-{one}")) for one in ("zh", "en") if file.get(f"alt-{one}")}


def raw(node: Element | None) -> str:
    """The source of a text; old files have it without ``<text>``."""
    if node is None:
        return ""
    inner = child(node, "text")
    if inner is not None:
        return said_in(inner)
    return (node.text or "").strip()


def content_of(file: Element) -> bytes | None:
    """What a ``<file>`` holds; None for what is no base64."""
    try:
        return base64.b64decode("".join((file.text or "").split()), validate=True) or None
    except (ValueError, binascii.Error):
        return None


def plain_of(source: str, form: str) -> Plain:
    """A text without its marks."""
    if form == "plain_text":
        return read_html(html.escape(source), keeps_lines=True)
    if form == "markdown":
        return read_html(without_math(render(source[:100_000])))
    return read_html(without_math(source), keeps_lines=form == "moodle_auto_format")


# ---------------------------------------------------------------- languages


def tongues_of(source: str) -> dict[str, str]:
    """A text by language, where parts of it are marked for one; the rest belongs to all. Else one, under the empty name.

    Of languages that an item does not keep, the first stands for them all where there is neither Chinese nor English.
    """
    if "{mlang" in source and source.count("{mlang") <= _MOST_MARKS:
        source = _MLANG.sub(_span, source)
    spoken = list(_spoken(source)) if source.count("lang") <= _MOST_MARKS else []
    if not spoken:
        return {"": source}
    known = [tongue for tongue in ("zh", "en") if any(one[0] == tongue for one in spoken)] or [spoken[0][0]]
    parts = {
        tongue: "".join(_cut(source, [one[1:] for one in spoken if one[0] != tongue])) for tongue in known
    }
    if len(known) == 2:
        return parts
    rest = "".join(_cut(source, [one[1:] for one in spoken]))
    is_whole = known[0] in {"zh", "en"} and not re.sub(r"<[^<>]*>|\s", "", rest)
    return {known[0] if is_whole else "": parts[known[0]]}


def _span(found: re.Match[str]) -> str:
    return f'<span lang="{found[1].split(",")[0].strip()[:20]}" class="multilang">{found[2]}</span>'


def _spoken(source: str) -> Iterator[tuple[str, int, int]]:
    """Language, begin and end of each outermost element that is marked for one."""
    at = 0
    while found := _OPENS.search(source, at):
        at = found.end()
        tongue = _LANG.search(found[2])
        if tongue is None or (tongue[1].lower() not in {"zh", "en"} and "multilang" not in found[2]):
            continue
        end = _end(source, found[1].lower(), found.end())
        yield tongue[1].lower(), found.start(), end
        at = end


def _end(source: str, name: str, at: int) -> int:
    depth = 1
    for found in re.finditer(rf"<(/?){name}\b[^<>]*>", source[at:], re.IGNORECASE):
        depth += -1 if found[1] else 1
        if depth == 0:
            return at + found.end()
    return len(source)


def _cut(source: str, spans: list[tuple[int, int]]) -> Iterator[str]:
    at = 0
    for start, end in spans:
        yield source[at:start]
        at = end
    yield source[at:]


# ---------------------------------------------------------------- numbers


def share_of(percent: object) -> Fraction:
    """A percentage as an exact share: what is rounded stands for the fraction it comes from."""
    value = fraction(str(percent if percent is not None else "0").strip().replace(",", ".") or "0")
    if value is None:
        return Fraction(0)
    share = value / 100
    near = share.limit_denominator(_CLOSEST)
    return near if abs(near - share) < Fraction(1, 10**6) else share


def percent_of(share: Fraction) -> str:
    """A share as Moodle writes it, with seven decimals where it needs them."""
    scaled = share * 100 * 10**7
    whole = (abs(scaled.numerator) * 2 + scaled.denominator) // (2 * scaled.denominator)
    digits = f"{whole // 10**7}.{whole % 10**7:07d}".rstrip("0").rstrip(".")
    return f"-{digits}" if share < 0 and whole else digits


def flag(question: Element, name: str) -> bool | None:
    """Whether an element says yes; None where it is not there."""
    node = child(question, name)
    if node is None:
        return None
    return said_in(node).strip().lower() not in {"", "0", "false", "no"}


def value(question: Element, name: str, default: str = "") -> str:
    """The text of a child element."""
    node = child(question, name)
    return default if node is None else said_in(node) or default


def titled(prose: Prose, fallback: Mapping[str, str]) -> Prose:
    """A text, or the one that stands for it where it says nothing."""
    return prose if prose.text or prose.media else replace(prose, text=dict(fallback))
