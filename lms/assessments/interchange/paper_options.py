"""Options in the lines of a paper: several in one line, lettered by Word, starred, coloured, bold."""

import re
from collections.abc import Sequence

from lms.assessments.interchange import words
from lms.assessments.interchange.docx_parts import BOLD, LIT, RED, Line
from lms.assessments.interchange.paper import Option
from lms.assessments.interchange.plain import OBJECT

_MOST = 12
_LETTERED = frozenset({"upperLetter", "lowerLetter"})


def options_of(line: Line, options: Sequence[Option], after: Sequence[Line]) -> list[Option]:
    """The options that a line adds to those before it; none if it holds no option."""
    text = line.text
    if line.label is not None and line.label.form in _LETTERED:
        if line.label.count == 1 and len(options) > 1:
            return []  # another question's options
        start = len(line.label.text) + 1
        parts = [words.Part(words.LETTERS[len(options) % 26], text[start:].strip(), start)]
    else:
        parts = words.options_in(text, len(options))
        parts = _kept(line, parts, len(options), after) if parts else _skipped(text, options)
    ends = [*(part.at for part in parts[1:]), len(text)][: len(parts)]
    return [_option(line, part, end) for part, end in zip(parts, ends, strict=True)]


def _kept(line: Line, parts: list[words.Part], begin: int, after: Sequence[Line]) -> list[words.Part]:
    """The parts of a line that are options: what the next line begins again is text, and a bare ``A `` needs a ``B`` after it."""
    if len(parts) > 1:
        following = words.options_in(after[0].text, begin + 1) if after else []
        is_text = bool(following) and following[0].letter == parts[1].letter
        return [parts[0]._replace(text=line.text[parts[0].at :].strip())] if is_text else parts
    if begin or not _is_bare(line.text, parts[0]):
        return parts
    return parts if any(words.options_in(one.text, 1) for one in after) else []


def _is_bare(text: str, part: words.Part) -> bool:
    """Whether nothing but white space parts a letter from the text of its option."""
    return words.fold(text)[: part.at].strip().isalpha()


def _skipped(text: str, options: Sequence[Option]) -> list[words.Part]:
    """An option whose letter leaves out one or two, as misprints do."""
    for begin in range(len(options) + 1, min(len(options) + 3, _MOST)):
        parts = words.options_in(text, begin) if options else []
        if parts and not _is_bare(text, parts[0]):
            return parts
    return []


def first_option(line: Line, following: Line | None = None) -> bool:
    """Whether a line begins the options of a question; a bare ``A `` does if ``following`` begins with the next letter."""
    if line.label is not None and line.label.form in _LETTERED:
        return line.label.count == 1
    parts = words.options_in(line.text)
    if not parts or len(parts) > 1 or not _is_bare(line.text, parts[0]):
        return bool(parts)
    return following is not None and bool(words.options_in(following.text, 1))


def inner_start(text: str) -> int:
    """Where options begin behind a stem in the same line: ``…是 A.甲 B.乙``; 0 if none do."""
    plain = words.fold(text)
    for found in re.finditer(r"(?<![A-Za-z0-9])(?=[(\[【]?A\s*[.、:)\]】])", plain):
        if found.start() and len(words.options_in(text[found.start() :])) >= 3:
            return found.start()
    return 0


_SAID_RIGHT = re.compile(r"\s*[(（\[【]\s*(?:此项为本题\s*正确\s*答案|正确答案|正确选项)\s*[)）\]】]\s*")


def _option(line: Line, part: words.Part, end: int) -> Option:
    """An option with how it is marked: all of its text, or its letter alone."""
    text = _SAID_RIGHT.sub("", part.text)
    start = part.at
    letter = line.text.upper().rfind(part.letter, 0, start)
    marks = 0
    for mark in (RED, LIT, BOLD):
        is_whole = line.is_marked(mark, start, start + len(part.text))
        if is_whole or (mark != BOLD and letter >= 0 and line.is_marked(mark, letter, letter + 1)):
            marks |= mark
    pictures = [one for one in line.pictures if start <= one.at < end]
    shown = text.replace(OBJECT, "").strip()
    return Option(part.letter, shown, line.number, part.is_starred or text != part.text, marks, pictures)
