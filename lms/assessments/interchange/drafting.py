"""What readers share when they make drafts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lms.assessments.interchange.drafts import Draft, Place, Problem
from lms.assessments.interchange.plain import Plain, filled, said
from lms.assessments.rules.items import faults
from lms.core.i18n import _

Json = dict[str, Any]

LONGEST_CODE, LONGEST_TOPIC, LONGEST_TAG, LONGEST_SOURCE, LONGEST_REVIEW = 40, 120, 60, 300, 300
"""Characters that the bank keeps."""

NO_ALT = {"zh": "题目附图", "en": "Picture of the question"}
"""Stands for the words of a picture until somebody has written them."""


class Refused(Exception):
    """This question cannot be imported, for a reason that has a name."""

    def __init__(self, code: str, message: str, *, part: str = "", place: Place | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.part = part
        """Which part of the question it is about: ``answer``, ``stem``, ``options``…"""
        self.place = place
        """Where that stands, if it is not the question's own place."""


@dataclass
class Gathered:
    """What comes out of a file, one thing after another."""

    drafts: list[Draft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, place: Place, code: str, message: str) -> None:
        """What stands at a place cannot be imported."""
        self.problems.append(Problem(place, code, message))

    def notice(self, place: Place, code: str, message: str) -> None:
        """What stands at a place is imported, and a person should know something about it."""
        self.problems.append(Problem(place, code, message, is_blocking=False))

    def take(self, draft: Draft) -> list[tuple[str, Problem]]:
        """Keep a draft if it obeys the rules of items; else the fault's paths with what is wrong there, which the caller places."""
        found = [
            (one.path, Problem(draft.place, one.code, one.message))
            for one in faults(draft.type, draft.body, draft.key)
        ]
        if not found:
            self.drafts.append(
                replace(
                    draft,
                    code=draft.code.strip()[:LONGEST_CODE].strip(),
                    topic=draft.topic.strip()[:LONGEST_TOPIC].strip(),
                    tags=tuple(
                        dict.fromkeys(tag.strip()[:LONGEST_TAG].strip() for tag in draft.tags if tag.strip())
                    ),
                    source=draft.source.strip()[:LONGEST_SOURCE].strip(),
                    review=draft.review[:LONGEST_REVIEW],
                )
            )
        return found


def true_or_false() -> list[Json]:
    """The two options of a question that is true or false."""
    return [
        {"id": "true", "zh": "对", "en": "True", "fixed": True},
        {"id": "false", "zh": "错", "en": "False", "fixed": True},
    ]


def whole_rubric() -> list[Json]:
    """The rubric of an essay for which a file has none."""
    return [{"id": "c1", "zh": "整体评分", "en": "The answer as a whole", "marks": 1}]


def no_rubric() -> str:
    """Why an essay without a rubric needs a person's eye."""
    return _("The file does not say what the marks are given for.")


def joined(reasons: Iterable[str]) -> str:
    """Several reasons for a person's eye as one text, each once."""
    return " ".join(dict.fromkeys(one for one in reasons if one))


# ---------------------------------------------------------------- pictures

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)


def picture_kind(content: bytes) -> str:
    """The ending for a picture's name by what it holds; empty for what browsers do not show."""
    for signature, ending in _SIGNATURES:
        if content.startswith(signature):
            return ending
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""


@dataclass
class Album:
    """The pictures of one draft while it is made."""

    place: Place
    gathered: Gathered
    tongue: str = "zh"
    media: dict[str, bytes] = field(default_factory=dict)
    reviews: list[str] = field(default_factory=list)

    def add(
        self,
        content: bytes,
        alt: str | Mapping[str, str] = "",
        *,
        kind: str = "image",
        where: Place | None = None,
    ) -> Json | None:
        """The entry for a picture, sound or film, or None (with a notice) where no browser could show it."""
        ending = picture_kind(content) if kind == "image" else kind
        if not ending:
            self.gathered.notice(
                where or self.place,
                "media_format",
                _(
                    "A picture was left out: it is no PNG, JPEG, GIF or WebP. Save it as one of these and add it."
                ),
            )
            self.reviews.append(_("A picture of the file could not be taken over."))
            return None
        name = next(
            (one for one, held in self.media.items() if held == content), f"{len(self.media) + 1}.{ending}"
        )
        self.media[name] = content
        words = {self.tongue: said(alt)} if isinstance(alt, str) else dict(alt)
        if not any(words.values()):
            words = {} if kind != "image" else NO_ALT
            if kind == "image":
                self.reviews.append(_("A picture has no words for those who cannot see it."))
        return {"kind": kind, "key": name, "alt": dict(words)}

    def settle(self, plain: Plain, *, holds: bool = True) -> tuple[str, list[Json]]:
        """A marked-up text and the media beside it; what the file does not carry is a notice, its words stay in the text.

        ``holds``: whether media may stand beside this text; else only their words stay.
        """
        words: list[str] = []
        entries: list[Json] = []
        for one in plain.embedded:
            content = one.content if holds else None
            entry = self.add(content, one.alt, kind=one.kind) if content else None
            words.append("" if entry else said(one.alt))
            if entry:
                entries.append(entry)
            elif holds and content is None:
                self.gathered.notice(
                    self.place,
                    "media_missing",
                    _("“%(source)s” is not in the file; add it to the question.", source=one.source[:80]),
                )
                self.reviews.append(_("A picture of the file could not be taken over."))
        return filled(plain, words), entries


def with_media(body: Json, entries: Sequence[Json]) -> Json:
    """The body with media beside it, if there are any."""
    return {**body, "media": list(entries)} if entries else body
