"""What every reader makes of a file: drafts of items, and problems that name their place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where in a file something stands, as the person finds it there."""

    kind: str
    """``row``, ``cell``, ``paragraph``, ``line``, ``element`` or ``file``."""
    at: str = ""
    """``Sheet1!C7``, a paragraph's or line's number, or the name of a file or element inside the package."""


@dataclass(frozen=True)
class Problem:
    """Something a person must know before they import."""

    place: Place
    code: str
    """Snake case, the same for the same reason in every format: ``no_key``, ``unknown_type``, ``xml_entities``…"""
    message: str
    """A sentence in the reader's language, with the mend where there is one."""
    is_blocking: bool = True
    """Whether the item at this place cannot be imported; else it is imported and the sentence is a notice."""


@dataclass(frozen=True)
class Draft:
    """One item as a file tells it. ``type``, ``body``, ``key``, ``rationale``: see docs/items.md."""

    place: Place
    type: str
    body: Mapping[str, Any]
    """Media stand in it under names of ``media``; the bank stores them and puts the storage keys in their place."""
    key: Mapping[str, Any]
    rationale: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    """The item's own identifier in the file, empty if it has none."""
    topic: str = ""
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    """As the file says it."""
    source: str = ""
    """Guideline or book."""
    media: Mapping[str, bytes] = field(default_factory=dict)
    """Name → content of the pictures, sounds and films that the item shows."""
    review: str = ""
    """Why the item needs a person's eye before it can be used (marking that has no like here, for example); empty: it does not."""


@dataclass(frozen=True)
class Reading:
    """A whole file."""

    format: str
    """``xlsx``, ``docx``, ``gift``, ``aiken``, ``moodle_xml``, ``qti_2``, ``qti_3``."""
    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
