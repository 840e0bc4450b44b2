"""Asks that are answered in words or with a file; the long ones are marked by people."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from lms.assessments.rules.items.numbers import fraction
from lms.assessments.rules.items.shape import (
    ID,
    Fault,
    as_list,
    as_map,
    is_storable,
    is_whole,
    text_faults,
)
from lms.core.i18n import _

Json = Mapping[str, Any]
NONE, ALL = Fraction(0), Fraction(1)
LONGEST_ANSWER = 1_000
LONGEST_ESSAY = 20_000
LONGEST_NAME = 200
LARGEST_FILE = 50 * 1024 * 1024
MOST_FORMS = 100
MOST_LINES = 100
_ENDS = " \t\n.,;:!?。，；：！？、"


def short_faults(_body: Json, key: Json) -> Iterator[Fault]:
    """At least one accepted form, one of them worth everything."""
    forms = as_list(key.get("accepted"))
    if not 1 <= len(forms) <= MOST_FORMS:
        yield Fault("accepted", "no_key", _("Give at least one accepted answer."))
        return
    if type(key.get("case", False)) is not bool:
        yield Fault("case", "case", _("Say whether capital letters count."))
    for index, form in enumerate(map(as_map, forms)):
        text, share = form.get("text"), fraction(form.get("share", "1"))
        if (
            not isinstance(text, str)
            or len(text) > LONGEST_ANSWER
            or not is_storable(text)
            or not folded(text)
        ):
            yield Fault(f"accepted.{index}.text", "no_key", _("Give at least one accepted answer."))
        if share is None or not 0 <= share <= 1:
            yield Fault(f"accepted.{index}.share", "weights", _("A share lies between 0 and 1."))
    if all((fraction(form.get("share", "1")) or NONE) < 1 for form in map(as_map, forms)):
        yield Fault(
            "accepted", "unreachable", _("No answer earns all the marks. Give one of them the share 1.")
        )


def read_text(_body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"text"}`` of at most a thousand characters."""
    return _read_words(raw, LONGEST_ANSWER)


def _read_words(raw: Any, most: int) -> dict[str, Any] | None:
    text = as_map(raw).get("text")
    return {"text": text} if isinstance(text, str) and len(text) <= most and is_storable(text) else None


def folded(text: str, *, keeps_case: bool = False) -> str:
    """A short answer as it is compared: NFKC, one space for white space, end punctuation away, case too unless it counts."""
    return _folded(text, keeps_case=keeps_case).lstrip().rstrip(_ENDS)


def _folded(text: str, *, keeps_case: bool) -> str:
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))
    return plain if keeps_case else unicodedata.normalize("NFKC", plain.casefold())


@lru_cache(maxsize=2048)
def _parts(pattern: str, *, keeps_case: bool) -> tuple[str, ...]:
    """What stands between the stars. Only the ends of the whole are trimmed: else ``* ml`` would fit "html"."""
    parts = [_folded(part.replace(r"\*", "*"), keeps_case=keeps_case) for part in _STAR.split(pattern)]
    parts[0] = parts[0].lstrip()
    parts[-1] = parts[-1].rstrip(_ENDS)
    return tuple(parts)


_STAR = re.compile(r"(?<!\\)\*")


def fits(pattern: str, text: str, *, keeps_case: bool = False) -> bool:
    r"""Whether a short answer is of an accepted form: ``*`` stands for anything, ``\*`` for itself."""
    parts = _parts(pattern, keeps_case=keeps_case)
    given = folded(text, keeps_case=keeps_case)
    if len(parts) == 1:
        return given == parts[0]
    first, *middle, last = parts
    if not given.startswith(first) or not given.endswith(last) or len(given) < len(first) + len(last):
        return False
    at, end = len(first), len(given) - len(last)
    for part in middle:  # the earliest place of each part is as good as any: no backtracking
        found = given.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def share_text(_body: Json, key: Json, response: Json, _drawn: Mapping[str, Fraction]) -> Fraction:
    """The share of the first accepted form that fits."""
    given = response.get("text")
    if not isinstance(given, str) or not given.strip():
        return NONE
    for form in map(as_map, as_list(key.get("accepted"))):
        text = form.get("text")
        if isinstance(text, str) and fits(text, given, keeps_case=bool(key.get("case"))):
            return max(NONE, min(ALL, fraction(form.get("share", "1")) or NONE))
    return NONE


# ---------------------------------------------------------------- marked by people


def by_people(_body: Json, _key: Json, _response: Json, _drawn: Mapping[str, Fraction]) -> None:
    """No rule gives marks here."""


def _line_faults(value: Any, path: str) -> Iterator[Fault]:
    lines = as_list(value)
    if not 1 <= len(lines) <= MOST_LINES:
        yield Fault(path, "no_key", _("Say what the marks are given for."))
        return
    taken: set[str] = set()
    for index, line in enumerate(map(as_map, lines)):
        name, place = line.get("id"), f"{path}.{index}"
        if not isinstance(name, str) or not ID.fullmatch(name) or name in taken:
            yield Fault(f"{place}.id", "rubric", _("Each line needs an id of its own."))
        taken.add(str(name))
        yield from text_faults(line, place)
        if not is_whole(line.get("marks"), 1, 100):
            yield Fault(f"{place}.marks", "rubric", _("Each line has a text and 1 to 100 marks."))
        if type(line.get("must", False)) is not bool:
            yield Fault(f"{place}.must", "rubric", _("A line must be met or not."))


def essay_faults(body: Json, key: Json) -> Iterator[Fault]:
    """An essay has a length and a rubric."""
    most = body.get("max_chars", LONGEST_ESSAY)
    if not is_whole(most, 10, LONGEST_ESSAY):
        yield Fault("max_chars", "max_chars", _("An essay has 10 to 20000 characters at most."))
    yield from _line_faults(key.get("rubric"), "rubric")


def read_essay(body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"text"}`` of at most ``max_chars``."""
    most = body.get("max_chars", LONGEST_ESSAY)
    return _read_words(raw, most if is_whole(most, 1, LONGEST_ESSAY) else LONGEST_ESSAY)


def file_faults(body: Json, key: Json) -> Iterator[Fault]:
    """A file has formats, a size and a rubric."""
    formats = as_list(body.get("formats"))
    if not 1 <= len(formats) <= 20 or not all(
        isinstance(one, str) and re.fullmatch(r"[a-z0-9]{2,5}", one) for one in formats
    ):
        yield Fault("formats", "formats", _("Say which kinds of files are taken."))
    most = body.get("max_bytes")
    if not is_whole(most, 1, LARGEST_FILE):
        yield Fault("max_bytes", "max_bytes", _("A file has 50 MB at most."))
    yield from _line_faults(key.get("rubric"), "rubric")


def read_file(_body: Json, raw: Any) -> dict[str, Any] | None:
    """``{"file": id of what was sent, "name"}``; empty takes it back."""
    given = as_map(raw)
    name, key = given.get("name", ""), given.get("file")
    if not all(isinstance(one, str) and len(one) <= LONGEST_NAME and is_storable(one) for one in (name, key)):
        return None
    return {"file": key, "name": name} if key else {"file": ""}


def checklist_faults(_body: Json, key: Json) -> Iterator[Fault]:
    """What is looked for at a station."""
    yield from _line_faults(key.get("checklist"), "checklist")


def read_nothing(_body: Json, _raw: Any) -> None:
    """The candidate writes nothing here."""
