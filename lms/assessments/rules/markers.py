"""What people mark: the lines of a rubric or checklist, what they earn together, who may mark, which files are taken."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lms.assessments.rules.items.shape import as_list, as_map
from lms.core.errors import RuleBroken
from lms.core.i18n import _, pick

MARKERS, EXAMINERS, APART_PERCENT = 2, 1, 15
"""Where nothing else was said: two markers of each answer, one examiner at a station, a third from more than 15 per cent."""

STATION = "checklist"
"""The kind of ask whose candidate is seen and writes nothing."""
PEOPLE = frozenset({"file", "essay", STATION})
"""The kinds of ask that people mark."""


@dataclass(frozen=True)
class Line:
    """One line of a rubric or checklist."""

    id: str
    text: str
    """In the reader's language."""
    marks: int
    must: bool
    """A key item: where it earns nothing, nothing else counts."""


def lines_of(key: Mapping[str, Any]) -> list[Line]:
    """The lines of a rubric or checklist, in their order."""
    return [
        Line(
            str(line["id"]),
            pick(line.get("zh") or "", line.get("en") or ""),
            int(line["marks"]),
            bool(line.get("must")),
        )
        for line in map(as_map, as_list(key.get("rubric")) or as_list(key.get("checklist")))
    ]


def as_marked(kind: str, response: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A response as the mark keeps it: at a station, that somebody filled in the checklist."""
    return {"checklist": True} if kind == STATION else response


_MARKS = re.compile(r"[0-9]{1,3}(?:[.][05]0?)?")


def read_line(text: str, line: Line) -> Fraction | None:
    """Marks as a marker typed them: whole or half, from 0 to what the line is worth; None for anything else.

    >>> read_line("1.5", Line("a", "", 2, must=False)), read_line("2,5", Line("a", "", 2, must=False))
    (Fraction(3, 2), None)
    """
    plain = text.strip()
    if not plain.isascii() or not _MARKS.fullmatch(plain):
        return None
    found = Fraction(plain)
    return found if found <= line.marks else None


def typed(given: str) -> str:
    """Marks as a field shows them: ``"3/2"`` → ``1.5``."""
    value = Fraction(given)
    return str(value.numerator) if value.denominator == 1 else f"{float(value):g}"


def require_given(lines: Sequence[Line], given: Mapping[str, Fraction]) -> None:
    """Raises RuleBroken unless every line has whole or half marks within its worth, and nothing else has any."""
    if set(given) != {line.id for line in lines}:
        raise RuleBroken("lines", _("Give marks for every line."))
    for line in lines:
        if not 0 <= given[line.id] <= line.marks or (2 * given[line.id]).denominator != 1:
            raise RuleBroken(
                "line_marks",
                _("Whole or half marks, from 0 to what the line is worth."),
                field=f"line-{line.id}",
            )


def earned(lines: Iterable[Line], given: Mapping[str, Fraction]) -> Fraction:
    """The share of all marks that a response earned, from 0 to 1; nothing where a key item earned nothing.

    >>> two = [Line("a", "", 2, must=True), Line("b", "", 2, must=False)]
    >>> earned(two, {"a": Fraction(1), "b": Fraction(2)}), earned(two, {"a": Fraction(0), "b": Fraction(2)})
    (Fraction(3, 4), Fraction(0, 1))
    """
    known = list(lines)
    if any(line.must and not given[line.id] for line in known):
        return Fraction(0)
    return Fraction(sum(given[line.id] for line in known)) / sum(line.marks for line in known)


def require_plan(markers: int, examiners: int, apart_percent: int) -> None:
    """Raises RuleBroken for another number of people than one or two, or a difference that is none."""
    if markers not in {1, 2}:
        raise RuleBroken("markers", _("One or two people."), field="markers")
    if examiners not in {1, 2}:
        raise RuleBroken("examiners", _("One or two people."), field="examiners")
    if not 0 <= apart_percent <= 100:
        raise RuleBroken("apart", _("Between 0 and 100."), field="apart_percent")


def least_loaded(possible: Iterable[int], load: Mapping[int, int], number: int) -> int | None:
    """Who of some people is asked next: whoever has least to mark; among equals in turn, so that pairs change.

    >>> least_loaded([3, 5], {3: 2, 5: 1}, 0), least_loaded([], {}, 0)
    (5, None)
    """
    people = sorted(possible)
    if not people:
        return None
    least = min(load.get(one, 0) for one in people)
    equal = [one for one in people if load.get(one, 0) == least]
    return equal[number % len(equal)]


# ---------------------------------------------------------------- files of candidates

MOST_FILES = 20
"""So many times a candidate may send a file for one question."""
IMAGES = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
"""Format of a question → of a picture, which passes the de-identification gate."""
_ZIPPED = frozenset({"docx", "xlsx", "pptx", "odt", "ods", "odp", "zip"})
_BEGIN = {"pdf": b"%PDF-", "rtf": b"{\\rtf", "mp3": b"", "wav": b"RIFF"}
_OLD_OFFICE = frozenset({"doc", "xls", "ppt"})
_TEXT = frozenset({"txt", "md", "csv"})


def format_of(name: str) -> str:
    """The ending of a file's name, in small letters; empty for none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def require_format(name: str, formats: Iterable[str]) -> str:
    """The format of a file by its name, if the question takes it. Raises RuleBroken("file_format")."""
    found = format_of(name)
    if found not in set(formats):
        raise RuleBroken("file_format", _("This kind of file is not taken."), field="file")
    return found


def require_size(size_bytes: int, most: int) -> None:
    """Raises RuleBroken ("file_empty", "file_large")."""
    if size_bytes <= 0:
        raise RuleBroken("file_empty", _("Choose a file first."), field="file")
    if size_bytes > most:
        raise RuleBroken("file_large", _("This file is too large. Choose a smaller one."), field="file")


def require_content(format_: str, data: bytes) -> None:
    """Raises RuleBroken("file_content") where a file is not what its name says. Pictures are looked at by the gate."""
    begins = (
        b"PK\x03\x04"
        if format_ in _ZIPPED
        else b"\xd0\xcf\x11\xe0"
        if format_ in _OLD_OFFICE
        else _BEGIN.get(format_, b"")
    )
    is_text = format_ not in _TEXT or b"\0" not in data
    if not data.startswith(begins) or not is_text:
        raise RuleBroken("file_content", _("The file is not what its name says."), field="file")
