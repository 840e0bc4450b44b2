"""Parts of written questions: texts as HTML, files, answers."""

import base64
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.drafting import picture_kind
from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.moodle_cloze import RULE
from lms.assessments.interchange.moodle_texts import percent_of
from lms.assessments.interchange.plain import tongue_of
from lms.assessments.interchange.qti.parts import Cannot, texts_of
from lms.assessments.interchange.safexml import Element, cdata, extend, node
from lms.assessments.rules.items.shape import as_list, as_map
from lms.core.i18n import _

__all__ = ["Cannot", "Page", "texts_of"]

LANGUAGES = {"zh": "zh_cn", "en": "en"}
_ENDINGS = {"audio": "mp3", "video": "mp4"}
Json = Mapping[str, Any]


@dataclass
class Page:
    """One question while it is written."""

    draft: Draft
    losses: list[tuple[str, str]] = field(default_factory=list)
    """What Moodle does otherwise: code and sentence."""
    _names: dict[str, str] = field(default_factory=dict)

    def loses(self, code: str, message: str) -> None:
        """Note what Moodle does otherwise."""
        if (code, message) not in self.losses:
            self.losses.append((code, message))

    def marks_otherwise(self) -> None:
        """Note that Moodle gives marks otherwise."""
        self.loses(
            "scoring",
            _(
                "Moodle gives part of the marks where this question gives all or nothing, or the other way round."
            ),
        )

    def title(self) -> str:
        """The question's name."""
        words = next(
            (words for _tongue, words in texts_of(self.draft.body.get("stem"))),
            self.draft.code or self.draft.type,
        )
        return " ".join(re.sub(r"\[\[[^\[\]]*\]\]", "…", words).split())[:60] or self.draft.type

    # ------------------------------------------------------------ texts

    def html(self, text: Any, *, is_line: bool = False) -> str:
        """A text as HTML, each language in its span, as Moodle's filter for languages reads it."""
        told = texts_of(text)
        parts = [(tongue, _paragraphs(words, is_line=is_line)) for tongue, words in told]
        if len(parts) == 1 and self._is_plain(*told[0]):
            return parts[0][1]
        return "".join(
            f'<span lang="{LANGUAGES[tongue]}" class="multilang">{part}</span>' for tongue, part in parts
        )

    def _is_plain(self, tongue: str, _words: str) -> bool:
        """Whether the reader takes a text without a mark for one of this language."""
        return self._tongues() == {tongue} and tongue_of("\n".join(self._said())) == tongue

    def _tongues(self) -> set[str]:
        return {tongue for tongue in LANGUAGES if any(True for _words in self._said(tongue))}

    def _said(self, *tongues: str) -> list[str]:
        found: list[str] = []
        stack: list[Any] = [self.draft.body, self.draft.key, self.draft.rationale]
        while stack:
            one = stack.pop()
            if isinstance(one, Mapping):
                found += [
                    one[tongue]
                    for tongue in tongues or LANGUAGES
                    if isinstance(one.get(tongue), str) and one[tongue].strip()
                ]
                stack.extend(one.values())
            elif isinstance(one, list | tuple):
                stack.extend(one)
        return found

    def text(
        self,
        name: str,
        text: Any,
        media: Any = None,
        *,
        is_line: bool = False,
        more: str = "",
        attributes: dict[str, str] | None = None,
    ) -> Element:
        """An element with a text and its files."""
        shown, files = self.shown(media)
        made = node(name, {"format": "html", **(attributes or {})})
        inner = node("text")
        inner.text = cdata(self.html(text, is_line=is_line) + shown + more)
        return extend(made, inner, *files)

    def source(self, name: str, source: str, *files: Element) -> Element:
        """An element with HTML that is already written."""
        inner = node("text")
        inner.text = cdata(source)
        return extend(node(name, {"format": "html"}), inner, *files)

    def feedback(self, rationale: Json) -> Element:
        """The reasons; those of the asks of a group behind rules."""
        parts = [self.html(rationale), *(self.html(one) for one in as_list(rationale.get("asks")))]
        return self.source("generalfeedback", RULE.join(parts))

    # ------------------------------------------------------------ files

    def shown(self, media: Any) -> tuple[str, list[Element]]:
        """Media as HTML, and the elements that hold their files."""
        parts, files = [], []
        for entry in map(as_map, as_list(media)):
            kind = str(entry.get("kind") or "image")
            if kind == "wave":
                raise Cannot("media", _("Moodle does not show wave strips."))
            name, file = self.file(entry.get("key"), kind, entry.get("alt"))
            words = html.escape(next((words for _tongue, words in texts_of(entry.get("alt"))), ""))
            address = f"@@PLUGINFILE@@/{name}"
            if kind == "image":
                parts.append(f'<img src="{address}" alt="{words}">')
            else:
                parts.append(f'<{kind} src="{address}" controls title="{words}"></{kind}>')
            files.append(file)
        return (f"<p>{''.join(parts)}</p>" if parts else ""), files

    def file(self, key: Any, kind: str, alt: Any) -> tuple[str, Element]:
        """The name of a file, and the element that holds it. Raises Cannot where its content is not there."""
        content = self.draft.media.get(str(key))
        if content is None:
            raise Cannot("media_missing", _("One of its pictures, sounds or films is not there."))
        ending = (picture_kind(content) if kind == "image" else _ENDINGS.get(kind)) or "bin"
        name = self._names.setdefault(str(key), f"{len(self._names) + 1}.{ending}")
        alts = {f"alt-{tongue}": words for tongue, words in texts_of(alt)}
        return name, node(
            "file",
            {"name": name, "path": "/", "encoding": "base64", **alts},
            base64.b64encode(content).decode(),
        )

    # ------------------------------------------------------------ answers

    def answer(self, option: Json, share: Fraction) -> Element:
        """An option with what it earns."""
        fixed = {"data-fixed": "true"} if option.get("fixed") else {}
        attributes = {"fraction": percent_of(share), "data-id": str(option["id"]), **fixed}
        made = self.text("answer", option, option.get("media"), is_line=True, attributes=attributes)
        return extend(made, self.source("feedback", ""))

    def plain_answer(self, text: str, share: Fraction, *more: Element, **attributes: str) -> Element:
        """An answer in plain text."""
        named = {f"data-{name}": value for name, value in attributes.items()}
        made = node(
            "answer", {"fraction": percent_of(share), "format": "plain_text", **named}, node("text", {}, text)
        )
        return extend(made, *more, self.source("feedback", ""))


def _paragraphs(words: str, *, is_line: bool) -> str:
    parts = [
        html.escape(part, quote=False).replace("\n", "<br>") for part in re.split(r"\n\s*\n", words.strip())
    ]
    return parts[0] if is_line and len(parts) == 1 else "".join(f"<p>{part}</p>" for part in parts)
