"""Parts of written items: texts in two languages, media, names, numbers."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.drafting import picture_kind
from lms.assessments.interchange.safexml import XML_LANG, Element, extend, node
from lms.assessments.rules.items.numbers import written
from lms.assessments.rules.items.shape import as_list, as_map
from lms.core.i18n import _

Json = Mapping[str, Any]
TONGUES = {"zh": "zh-Hans", "en": "en"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_GAP = re.compile(r"\[\[([A-Za-z0-9_.-]{1,40})\]\]")
_DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")


class Cannot(Exception):
    """QTI has no like for this."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def texts_of(text: Any) -> list[tuple[str, str]]:
    """The languages in which a text says something, with what it says."""
    return [
        (tongue, words)
        for tongue in TONGUES
        if isinstance(words := as_map(text).get(tongue), str) and words.strip()
    ]


def decimal(value: Fraction) -> str:
    """A number as XML writes it. Raises Cannot where no decimal number is exactly it."""
    text = written(value)
    if not _DECIMAL.fullmatch(text):
        raise Cannot("not_decimal", _("One of its numbers is no decimal number, and QTI knows no others."))
    return text


def number(value: Fraction) -> Element:
    """A number as an expression, exact."""
    text = written(value)
    if _DECIMAL.fullmatch(text):
        return node("qti-base-value", {"base-type": "float"}, text)
    above, _stroke, below = text.partition("/")
    parts = [node("qti-base-value", {"base-type": "float"}, one) for one in (above, below)]
    return node("qti-divide", {}, *parts)


# ---------------------------------------------------------------- names


def names_of(ids: Sequence[str]) -> dict[str, str]:
    """Id → a name that XML allows; most stay as they are."""
    found: dict[str, str] = {}
    for one in ids:
        name = one if _NAME.fullmatch(one) else f"_{one}"
        while name in found.values():
            name += "_"
        found[one] = name
    return found


# ---------------------------------------------------------------- texts


def inline(text: Any) -> list[Element | str]:
    """A text as spans, one a language."""
    return [_lined(node("span", {XML_LANG: TONGUES[tongue]}), words) for tongue, words in texts_of(text)]


def _lined(holder: Element, words: str) -> Element:
    for n, line in enumerate(words.strip().split("\n")):
        if n:
            extend(holder, node("br"))
        extend(holder, line)
    return holder


def blocks(text: Any) -> list[Element]:
    """A text as paragraphs, one language after the other."""
    return [
        _lined(node("p", {XML_LANG: TONGUES[tongue]}), part)
        for tongue, words in texts_of(text)
        for part in re.split(r"\n\s*\n", words.strip())
    ]


def woven(text: Any, put: Callable[[str], Element | None]) -> list[Element]:
    """A text with gaps as paragraphs. ``put``: name of a gap → what stands there, once; None: the gap's name only."""
    done: set[str] = set()
    made = []
    for tongue, words in texts_of(text):
        for part in re.split(r"\n\s*\n", words.strip()):
            holder = node("p", {XML_LANG: TONGUES[tongue]})
            for n, line in enumerate(part.split("\n")):
                if n:
                    extend(holder, node("br"))
                for m, piece in enumerate(_GAP.split(line)):
                    if m % 2 == 0:
                        extend(holder, piece)
                        continue
                    live = put(piece) if piece not in done else None
                    done.add(piece)
                    extend(
                        holder, live if live is not None else node("span", {"data-gap": piece}, f"[{piece}]")
                    )
            made.append(holder)
    return made


# ---------------------------------------------------------------- media

_ENDINGS = {"audio": "mp3", "video": "mp4", "wave": "bin"}


@dataclass
class Shelf:
    """The media files of one item while it is written."""

    stem: str
    media: Mapping[str, bytes]
    files: dict[str, bytes] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def address(self, key: Any, kind: str = "image") -> str:
        """The address of a file within the package, from an item. Raises Cannot where its content is not there."""
        content = self.media.get(str(key))
        if content is None:
            raise Cannot("media_missing", _("One of its pictures, sounds or films is not there."))
        if key not in self._known:
            ending = picture_kind(content) if kind == "image" else _ENDINGS.get(kind, "bin")
            name = f"media/{self.stem}-{len(self._known) + 1}.{ending or 'bin'}"
            self._known[key] = name
            self.files[name] = content
        return f"../{self._known[key]}"

    def shown(self, entries: Any) -> list[Element]:
        """Media beside a text."""
        made = []
        for entry in map(as_map, as_list(entries)):
            kind = str(entry.get("kind") or "image")
            address = self.address(entry.get("key"), kind)
            alts = {f"data-alt-{tongue}": words for tongue, words in texts_of(entry.get("alt"))}
            words = next(iter(alts.values()), "")
            if kind == "image":
                made.append(node("img", {"src": address, "alt": words, **alts}))
            elif kind in {"audio", "video"}:
                made.append(node(kind, {"src": address, "controls": "controls", **alts}))
            else:
                made.append(
                    node(
                        "object",
                        {"data": address, "type": "application/octet-stream", "data-kind": kind, **alts},
                    )
                )
        return [node("div", {}, *made)] if made else []
