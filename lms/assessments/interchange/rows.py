"""Questions as a sheet or a document tells them, before anybody has made items of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lms.assessments.interchange.drafting import Album, Json
from lms.assessments.interchange.drafts import Place

Words = Mapping[str, str]


@dataclass
class Choice:
    """One option as it is written."""

    letter: str
    text: Words
    media: list[Json] = field(default_factory=list)


@dataclass
class Row:
    """One thing that is asked, as the file tells it."""

    place: Place
    said_type: str = ""
    """As the file says it."""
    type: str = ""
    """Code of the type that was understood, or words.CALCULATION; empty: the file says none."""
    stem: dict[str, str] = field(default_factory=dict)
    media: list[Json] = field(default_factory=list)
    options: list[Choice] = field(default_factory=list)
    answer: str = ""
    answer_en: str = ""
    why: dict[str, str] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    """``marks``, ``topic``, ``tags``, ``difficulty``, ``source``, ``code``, ``scoring``, ``limit``, ``must``, ``never``, ``fixed``,
    ``tolerance``, ``unit``, ``longest`` as they are written."""
    cells: Mapping[str, Place] = field(default_factory=dict)
    """Where the parts stand: ``stem``, ``answer``, ``option A``… """
    reviews: list[str] = field(default_factory=list)
    tongue: str = "zh"
    """In which language the answer is."""

    def where(self, part: str) -> Place:
        """Where a part stands, as exactly as the file's kind allows."""
        return self.cells.get(part) or self.place

    def said(self, name: str) -> str:
        """One of ``more``, without white space at the ends."""
        return self.more.get(name, "").strip()


@dataclass
class Unit:
    """What becomes one item: one row, or rows that share a case or options."""

    rows: list[Row]
    album: Album
    type: str = ""
    """Code of the group's type; empty for a single row or where the rows must tell."""
    shared: dict[str, str] = field(default_factory=dict)
    shared_media: list[Json] = field(default_factory=list)
    shared_why: dict[str, str] = field(default_factory=dict)
    options: list[Choice] = field(default_factory=list)
    is_group: bool = False
