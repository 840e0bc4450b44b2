"""What the parts of an item look like, and how a fault in one of them is named."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from lms.assessments.rules.items.numbers import fraction
from lms.core.i18n import _

ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")
LONGEST_TEXT = 8_000
LONGEST_STORAGE_KEY = 200
MEDIA_KINDS = ("image", "audio", "video", "wave")
MOST_MEDIA = 20
LANGUAGES = ("zh", "en")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Fault:
    """Something that must be put right before an item can be used."""

    path: str
    """Where in the body or in the key, from the top, counted from 0: ``asks.1.options.2.zh``."""
    code: str
    message: str

    def under(self, prefix: str) -> "Fault":
        """The same fault of a part of something larger."""
        return Fault(f"{prefix}.{self.path}" if self.path else prefix, self.code, self.message)


def as_map(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def as_ids(value: Any) -> list[str]:
    """The ids of a list of texts; what is no text is left out."""
    return [one for one in as_list(value) if isinstance(one, str)]


def is_whole(value: Any, least: int, most: int) -> TypeGuard[int]:
    """Whether a value is a whole number between two bounds; ``true`` is none."""
    return type(value) is int and least <= value <= most


def is_storable(text: str) -> bool:
    """Whether every database keeps a text: no NUL, no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


# ---------------------------------------------------------------- texts and media


def is_text(value: Any) -> bool:
    """Whether a bilingual text says something in at least one language."""
    return any(isinstance(text, str) and text.strip() for text in _languages(value))


def _languages(value: Any) -> list[Any]:
    return [as_map(value).get(language) for language in LANGUAGES]


def text_faults(value: Any, path: str, message: str = "") -> Iterator[Fault]:
    """A bilingual text says something, and a database can keep it. ``message``: the sentence where it says nothing."""
    if not is_text(value):
        yield Fault(path, "text", message or _("A text is missing here, in Chinese or in English."))
    yield from wording_faults(value, path)


def wording_faults(value: Any, path: str) -> Iterator[Fault]:
    """A bilingual text that may say nothing; what it says must be words that a database can keep."""
    if not (value is None or isinstance(value, Mapping)):
        yield Fault(path, "text_unreadable", _("This text cannot be read."))
    for language, text in zip(LANGUAGES, _languages(value), strict=True):
        place = f"{path}.{language}" if path else language
        if text is None:
            continue
        if not isinstance(text, str) or not is_storable(text):
            yield Fault(place, "text_unreadable", _("This text cannot be read."))
        elif len(text) > LONGEST_TEXT:
            yield Fault(place, "text_long", _("A text has %(most)s characters at most.", most=LONGEST_TEXT))


def media_faults(value: Any, path: str = "media") -> Iterator[Fault]:
    """Pictures, sounds and films that stand beside a text."""
    if value is None:
        return
    if not isinstance(value, list | tuple) or len(value) > MOST_MEDIA:
        yield Fault(path, "media", _("The pictures cannot be read."))
        return
    for index, one in enumerate(value):
        medium, place = as_map(one), f"{path}.{index}"
        if medium.get("kind") not in MEDIA_KINDS or not is_storage_key(medium.get("key")):
            yield Fault(place, "media", _("The pictures cannot be read."))
        elif medium["kind"] in {"image", "wave"}:
            yield from alt_faults(medium.get("alt"), f"{place}.alt")
        else:
            yield from wording_faults(medium.get("alt"), f"{place}.alt")


def alt_faults(value: Any, path: str) -> Iterator[Fault]:
    """What a picture shows must be said in words too."""
    if is_text(value):
        yield from wording_faults(value, path)
    else:
        yield Fault(path, "no_alt", _("Say in words what the picture shows."))


def is_storage_key(value: Any) -> bool:
    """Whether a value may name a file of the storage."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= LONGEST_STORAGE_KEY
        and bool(value.strip())
        and is_storable(value)
    )


# ---------------------------------------------------------------- options


def option_ids(value: Any) -> list[str]:
    """The ids of a list of options, as far as it has them."""
    return [one["id"] for one in map(as_map, as_list(value)) if isinstance(one.get("id"), str)]


def option_faults(value: Any, *, least: int, most: int, path: str = "options") -> Iterator[Fault]:
    """Options have ids of their own and texts (or pictures), and no two of them say the same."""
    options = as_list(value)
    if not least <= len(options) <= most:
        yield Fault(path, "options", _("Give %(least)s to %(most)s options.", least=least, most=most))
    if len(options) > most:
        return
    ids = option_ids(value)
    if len(ids) != len(options) or len(set(ids)) != len(ids) or not all(ID.fullmatch(one) for one in ids):
        yield Fault(path, "option_ids", _("Each option needs an id of its own."))
    said: set[tuple[str, ...]] = set()
    for index, option in enumerate(map(as_map, options)):
        place = f"{path}.{index}"
        yield from media_faults(option.get("media"), f"{place}.media")
        if as_list(option.get("media")):
            yield from wording_faults(option, place)
        else:
            yield from text_faults(option, place, _("An option has no text."))
            words = tuple(str(text or "").strip() for text in _languages(option))
            if any(words) and words in said:
                yield Fault(place, "same_options", _("Two options say the same."))
            said.add(words)
        if type(option.get("fixed", False)) is not bool:
            yield Fault(f"{place}.fixed", "fixed", _("An option keeps its place or does not."))


def lower_faults(key: Mapping[str, Any]) -> Iterator[Fault]:
    """The least that an answer earns whose shares are added up."""
    lower = fraction(key.get("lower", "0"))
    if lower is None or lower >= 1:
        yield Fault("lower", "weights", _("The least that an answer earns is a number below 1."))
