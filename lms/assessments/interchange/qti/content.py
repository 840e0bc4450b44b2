"""What a candidate reads of an item's XML: texts in one or two languages, pictures beside them, marks where something is asked."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lms.assessments.interchange.drafting import Album, Json
from lms.assessments.interchange.plain import filled, read_html
from lms.assessments.interchange.plain import said as said_alt
from lms.assessments.interchange.safexml import XML_LANG, Element, children, counted, local, said
from lms.assessments.interchange.safexml_math import line_of_math
from lms.core.i18n import _

Text = dict[str, str]

HIDDEN = frozenset(
    {
        "feedbackInline", "feedbackBlock", "modalFeedback", "stylesheet", "catalogInfo", "companionMaterialsInfo", "style", "script",
        "responseDeclaration", "outcomeDeclaration", "templateDeclaration", "interactionMarkup", "interactionModules", "properties",
        "endAttemptInteraction", "include", "track", "rp",
    }
)  # fmt: skip
_CHOICES = frozenset(
    {
        "simpleChoice", "inlineChoice", "simpleAssociableChoice", "simpleMatchSet", "gapText", "gapImg", "hotspotChoice",
        "associableHotspot", "prompt",
    }
)  # fmt: skip
_KEPT = frozenset(
    [
        "p",
        "div",
        "li",
        "ul",
        "ol",
        "table",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "caption",
        "pre",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "dl",
        "dt",
        "dd",
        "sub",
        "sup",
        "hr",
        "figure",
        "figcaption",
        "section",
        "article",
        "header",
        "footer",
    ]
)
_INLINE = frozenset({"inlineChoiceInteraction", "textEntryInteraction", "endAttemptInteraction"})
_BACKDROPS = frozenset(
    {
        "hotspotInteraction", "selectPointInteraction", "graphicOrderInteraction", "graphicAssociateInteraction",
        "graphicGapMatchInteraction", "positionObjectStage", "positionObjectInteraction", "drawingInteraction",
    }
)  # fmt: skip
"""Interactions whose own picture is not a part of the stem."""

OPEN, CLOSE = "\ue000", "\ue001"
BLANK = "_____"
_MARK = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")

Files = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Prose:
    """A text with the media beside it."""

    text: Text
    media: list[Json] = field(default_factory=list)

    @property
    def body(self) -> Json:
        """As the parts of an option."""
        return {**self.text, **({"media": self.media} if self.media else {})}


def is_interaction(node: Element) -> bool:
    """Whether an element asks something of the candidate."""
    return local(node).endswith("Interaction") and local(node) != "endAttemptInteraction"


def tongue_at(node: Element) -> str:
    """``zh`` or ``en`` where the element itself says so, else empty."""
    named = str(node.get(XML_LANG) or node.get("lang") or "").lower()
    return named[:2] if named[:2] in {"zh", "en"} else ""


@dataclass
class Contents:
    """Reads the texts of one item."""

    album: Album
    files: Files
    """What a file holds that an element of the item names."""
    flat: bool = False
    """Whether interactions are written out as lists of their choices."""

    def read(self, *nodes: Element, holds: bool = True) -> Prose:
        """What elements say, one after another. ``holds``: whether media may stand beside the text."""
        tags = {tag for node in nodes for tag in self._tags(node, "")}
        tongues = ["zh", "en"] if tags == {"zh", "en"} else sorted(tags - {""}) if len(tags) == 1 else []
        media: list[Json] = []
        if len(tongues) == 2:
            text = {one: self._plain(nodes, other, media if one == "zh" else None, holds=holds) for one, other in (("zh", "en"), ("en", "zh"))}  # fmt: skip
        else:
            plain = self._plain(nodes, "", media, holds=holds)
            text = {(tongues or [self.album.tongue])[0]: plain} if plain else {}
        return Prose({one: plain for one, plain in text.items() if plain}, media)

    def _tags(self, node: Element, tag: str) -> Iterator[str]:
        """The language of each piece of text, empty where no element within says it."""
        if (
            local(node) in HIDDEN
            or not local(node)
            or node.get("data-unit")
            or (local(node) == "rubricBlock" and not _is_for_candidates(node))
        ):
            return
        if local(node) not in {"itemBody", "assessmentStimulus"}:
            tag = tongue_at(node) or tag
        if (node.text or "").strip():
            yield tag
        for one in node:
            if is_interaction(one) and not self.flat:
                yield from (found for part in self._asked(one) for found in self._tags(part, tag))
            else:
                yield from self._tags(one, tag)
            if (one.tail or "").strip():
                yield tag

    @staticmethod
    def _asked(node: Element) -> list[Element]:
        """The parts of an interaction that belong to the stem."""
        return [one for one in children(node) if local(one) not in _CHOICES or local(one) == "prompt"]

    def _plain(
        self, nodes: tuple[Element, ...], skipped: str, media: list[Json] | None, *, holds: bool
    ) -> str:
        shown: list[Element] = []
        plain = read_html("".join(self._html(node, skipped, shown) for node in nodes))
        words = [
            self._settle(shown[counted(one.source)], media, holds=holds)
            for one in plain.embedded
            if counted(one.source, len(shown)) < len(shown)
        ]
        return filled(plain, words)

    # ------------------------------------------------------------ marks of HTML

    def _html(self, node: Element, skipped: str, shown: list[Element]) -> str:
        name = local(node)
        if (
            name in HIDDEN
            or not name
            or (skipped and tongue_at(node) == skipped)
            or (name == "span" and node.get("data-unit"))
        ):
            return ""
        if name == "math":
            return html.escape(line_of_math(node))
        if name in {"img", "object", "audio", "video", "svg"}:
            shown.append(node)
            return f'<img src="{len(shown) - 1}"/>'
        if name == "br":
            return "<br/>"
        if name == "printedVariable":
            return html.escape(f"{{{node.get('identifier') or ''}}}")
        if name == "gap" or node.get("data-gap"):
            return f"{OPEN}gap {node.get('data-gap') or node.get('identifier') or ''}{CLOSE}"
        if is_interaction(node):
            return self._interaction(node, skipped, shown)
        if name == "rubricBlock" and not _is_for_candidates(node):
            return ""
        inner = self._inner(node, skipped, shown)
        if name == "rt":  # how a sign is spoken
            return f"({inner})"
        if name in _KEPT:
            return f"<{name}>{inner}</{name}>"
        if (
            name in {"simpleChoice", "simpleAssociableChoice", "gapText", "hottext", "inlineChoice"}
            and self.flat
        ):
            return f"<li>{inner}</li>" if name != "hottext" else inner
        return (
            f"<div>{inner}</div>" if name in {"prompt", "rubricBlock", "contentBody", "itemBody"} else inner
        )

    def _interaction(self, node: Element, skipped: str, shown: list[Element]) -> str:
        mark = f"{OPEN}ask {node.get('mark') or ''}{CLOSE}"
        name = local(node)
        if self.flat:
            if name in {"inlineChoiceInteraction", "textEntryInteraction"}:
                choices = " / ".join(
                    self._inner(one, skipped, shown) for one in children(node, "inlineChoice")
                )
                return f" _____ ({choices}) " if choices else " _____ "
            return f"<div>{self._inner(node, skipped, shown)}</div>"
        if name in _INLINE:
            return mark
        parts = [
            one for one in self._asked(node) if not (name in _BACKDROPS and local(one) in {"object", "img"})
        ]
        inner = "".join(self._html(one, skipped, shown) + html.escape(one.tail or "") for one in parts)
        return f"<div>{inner}</div><div>{mark}</div>"

    def _inner(self, node: Element, skipped: str, shown: list[Element]) -> str:
        found = [html.escape(node.text or "")]
        for one in node:
            found.append(self._html(one, skipped, shown))
            found.append(html.escape(one.tail or ""))
        return "".join(found)

    # ------------------------------------------------------------ media

    def _settle(self, node: Element, media: list[Json] | None, *, holds: bool) -> str:
        """Put a picture, sound or film beside the text; what stays in the text for it."""
        if media is None:
            return ""
        alt = alt_of(node)
        words = next((said_alt(one) for one in alt.values() if said_alt(one)), "")
        source = source_of(node)
        content = self.files(source) if source and holds else None
        kind = kind_of(node)
        entry = self.album.add(content, words if "" in alt else alt, kind=kind) if content else None
        if entry:
            media.append(entry)
            return ""
        if holds and content is None:
            self.missing(source)
        return words

    def missing(self, source: str) -> None:
        """Say that a file is not in the package."""
        message = _("“%(source)s” is not in the file; add it to the question.", source=source[:80] or "svg")
        self.album.gathered.notice(self.album.place, "media_missing", message)
        self.album.reviews.append(_("A picture of the file could not be taken over."))


def _is_for_candidates(node: Element) -> bool:
    views = str(node.get("view") or "candidate").split()
    return "candidate" in views or "testTaker" in views


def source_of(node: Element) -> str:
    """The address of a picture, sound or film."""
    first = next((one for one in children(node, "source", "img") if one.get("src")), None)
    own = node.get("src") or node.get("data") or node.get("href")
    return str(own or (first.get("src") if first is not None else "") or "").strip()


def kind_of(node: Element) -> str:
    """``image``, ``audio``, ``video`` or ``wave``."""
    name = local(node)
    if name in {"audio", "video"}:
        return name
    kind = str(node.get("data-kind") or node.get("type") or "").split("/")[0].lower()
    if kind in {"audio", "video", "wave"}:
        return kind
    ending = source_of(node).lower().rpartition(".")[2]
    return {
        "mp3": "audio",
        "wav": "audio",
        "ogg": "audio",
        "m4a": "audio",
        "mp4": "video",
        "webm": "video",
        "m4v": "video",
    }.get(ending, "image")


def alt_of(node: Element) -> Text:
    """What a picture is said to show."""
    own = {one: str(node.get(f"data-alt-{one}")) for one in ("zh", "en") if node.get(f"data-alt-{one}")}
    plain = (
        node.get("alt")
        or node.get("title")
        or node.get("aria-label")
        or ("" if local(node) == "svg" else said(node))
    )
    return own or ({"": str(plain)} if plain else {})


# ---------------------------------------------------------------- marks


def without_marks(text: Text) -> Text:
    """Texts with a blank where something is asked within a line; where it stands alone, with nothing."""
    made = {tongue: _tidy("\n".join(map(_blanked, words.split("\n")))) for tongue, words in text.items()}
    return {tongue: words for tongue, words in made.items() if words}


def _blanked(line: str) -> str:
    return _MARK.sub(BLANK if _MARK.sub("", line).strip() else "", line)


def with_gaps(text: Text, names: dict[str, str]) -> Text:
    """Texts with ``[[name]]`` where something is asked. ``names``: mark → name."""
    plain = {one: words.replace("[[", "[ [").replace("]]", "] ]") for one, words in text.items()}
    return _each(plain, lambda name: f"[[{names[name]}]]" if name in names else "")


def _each(text: Text, put: Callable[[str], str]) -> Text:
    made = {tongue: _tidy(_MARK.sub(lambda found: put(found[1]), words)) for tongue, words in text.items()}
    return {tongue: words for tongue, words in made.items() if words}


def _tidy(words: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", words)).strip()
