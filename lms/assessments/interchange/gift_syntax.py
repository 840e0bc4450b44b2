"""The grammar of GIFT: a file as questions, a question as title, text and answers.

As Moodle reads it (question/format/gift of Moodle 4: the first sign that tells a type decides), more patient where people
write by hand: empty lines inside braces, braces and equals signs of formulas and HTML that nobody escaped.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.interchange.drafting import Refused
from lms.assessments.interchange.plain import clean
from lms.core.i18n import _

_SIGNS = "~=#{}:\\[]"
_HIDDEN = {sign: chr(0xFDD0 + index) for index, sign in enumerate(_SIGNS)}
"""Escaped signs become characters that no text holds, so that nothing takes them for syntax."""
_SHOWN = str.maketrans({mark: sign for sign, mark in _HIDDEN.items()})
_ESCAPE = re.compile(r"\\([~=#{}:\\\[\]n])")
_ATTRIBUTES = re.compile(r"<[A-Za-z][A-Za-z0-9]*(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"\n]*\"|'[^'\n]*'))+\s*/?>")
_ENTITY = re.compile(r"&#(?=x?[0-9A-Fa-f]{1,6};)")


@dataclass(frozen=True)
class Block:
    """One question of a file as it is written, escaped signs hidden."""

    line: int
    text: str
    topic: str = ""
    tags: tuple[str, ...] = ()
    id_number: str = ""


@dataclass(frozen=True)
class Answer:
    """One answer inside the braces."""

    mark: str
    """``=``, ``~`` or nothing."""
    text: str
    share: Fraction | None = None
    feedback: str = ""


@dataclass(frozen=True)
class Parsed:
    """One question in its parts; texts are still to be shown."""

    title: str
    stem: str
    """With ``_____`` where the answer belongs, if it stands inside the text."""
    answers: str | None
    """What stands between the braces, without the general feedback; None: there are none."""
    general: str = ""
    form: str = "moodle"
    """``moodle``, ``html``, ``markdown`` or ``plain``: how its texts are marked up."""


def hide(text: str) -> str:
    r"""Escaped signs out of the way; ``\n`` becomes a line end; the signs inside HTML tags and entities are no syntax either."""
    found = _ESCAPE.sub(lambda one: "\n" if one[1] == "n" else _HIDDEN[one[1]], text)
    found = _ENTITY.sub("&" + _HIDDEN["#"], found)
    return _ATTRIBUTES.sub(lambda tag: "".join(_HIDDEN.get(sign, sign) for sign in tag[0]), found)


def show(text: str) -> str:
    """The text as a person reads it."""
    return text.translate(_SHOWN)


# ---------------------------------------------------------------- a file as blocks


@dataclass
class _Lines:
    """The lines of the question that is being read."""

    line: int = 0
    parts: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    id_number: str = ""


_ID = re.compile(r"\[id:([^\]\x00-\x1f]+)\]")
_TAG = re.compile(r"\[tag:([^\]\x00-\x1f]+)\]")
_CATEGORY = re.compile(r"\s*\$CATEGORY\s*:(.*)", re.IGNORECASE)


def blocks(text: str) -> Iterator[Block]:
    """The questions of a file: parted by empty lines, unless those stand inside braces that are closed further on."""
    lines = clean(text).split("\n")
    topic = ""
    held = _Lines()
    depth = 0
    for index, line in enumerate(lines):
        plain = line.strip()
        if plain.startswith("//"):
            held.id_number = next((one.strip() for one in _ID.findall(plain)), held.id_number)
            held.tags += [tag.strip() for tag in _TAG.findall(plain)]
            continue
        category = _CATEGORY.fullmatch(line)
        is_end = not plain and not (depth > 0 and _closes(lines, index))
        if (is_end or category) and held.parts:
            yield from _split(held, topic)
            held, depth = _Lines(), 0
        if category:
            topic = _topic(category[1])
            held = _Lines()
        elif plain or held.parts:
            if not held.parts:
                held.line = index + 1
            hidden = hide(line)
            depth = max(0, depth + hidden.count("{") - hidden.count("}"))
            held.parts.append(hidden)
    if held.parts:
        yield from _split(held, topic)


def _closes(lines: Sequence[str], index: int) -> bool:
    """Whether the brace that is open at an empty line is closed before another question begins."""
    for line in lines[index + 1 : index + 400]:
        plain = line.strip()
        if plain.startswith(("::", "$CATEGORY")):
            return False
        if plain.startswith("//"):
            continue
        for sign in hide(line):
            if sign in "{}":
                return sign == "}"
    return False


def _topic(path: str) -> str:
    """``$course$/top/Neonatology/Jaundice`` → ``Neonatology/Jaundice``."""
    parts = [show(part).strip() for part in re.split(r"(?<!/)/(?!/)", hide(path))]
    kept = [part for part in parts if part and part != "top" and not re.fullmatch(r"\$\w+\$", part)]
    return "/".join(kept)


def _split(held: _Lines, topic: str) -> Iterator[Block]:
    """A block as one question, or as several where only the empty line between them is missing."""
    whole = "\n".join(held.parts)
    sections = _sections(whole)
    start, line = 0, held.line
    for (_begun, stop), (following, _end) in itertools.pairwise(sections):
        cut = whole.find("\n", stop, following)
        if cut >= 0 and not whole[stop:cut].strip(" \t.;,。；"):
            yield Block(line, whole[start:cut], topic, tuple(held.tags), held.id_number)
            line += whole.count("\n", start, cut + 1)
            start = cut + 1
    yield Block(line, whole[start:], topic, tuple(held.tags), held.id_number)


# ---------------------------------------------------------------- a block as its parts

_BEGINS_ANSWERS = re.compile(r"\s*(?:[=~#]|(?:T|F|TRUE|FALSE)\s*(?:#|\Z)|\Z)", re.IGNORECASE)


def _sections(text: str) -> list[tuple[int, int]]:
    """Where the parts in braces that read like answers begin and end; without one, where any part in braces does."""
    spans: list[tuple[int, int]] = []
    depth, begun = 0, 0
    for place in re.finditer(r"[{}]", text):
        if place[0] == "{":
            begun = place.start() if depth == 0 else begun
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                spans.append((begun, place.end()))
    likely = [
        (start, stop)
        for start, stop in spans
        if _BEGINS_ANSWERS.match(text[start + 1 : stop - 1])
        and not re.search(r"(?:[\^_]|\\[A-Za-z]+)\Z", text[max(0, start - 30) : start])
    ]
    return likely or spans


def parse(block: Block) -> Parsed:
    """The parts of one question. Raises Refused where its braces cannot be understood."""
    text = block.text.strip()
    title = ""
    if found := re.match(r"::(.*?)::", text, re.DOTALL):
        title, text = show(found[1]).strip(), text[found.end() :].strip()
    form, text = form_of(text, "moodle")
    sections = _sections(text)
    if not sections:
        if "{" in text or "}" in text:
            raise Refused("braces", _("A brace is opened and not closed, or closed and not opened."))
        return Parsed(title, text, None, form=form)
    if len(sections) > 1:
        raise Refused(
            "several_answers",
            _("This question has more than one part in braces. Put an empty line between questions."),
        )
    start, stop = sections[0]
    head, inside, tail = text[:start], text[start + 1 : stop - 1].strip(), text[stop:].strip()
    stem = _with_gap(head.rstrip(), tail)
    answers, _marks, general = inside.partition("####")
    if inside.startswith("####"):
        answers, general = "", inside[4:]
    return Parsed(title, stem, answers.strip(), general.strip(), form)


def _with_gap(head: str, tail: str) -> str:
    """The text with a line where the answer belongs, unless nothing but a stray sign follows a whole sentence."""
    if not re.search(r"\w", tail) and (not tail or re.search(r"[?？.。!！:：]\Z", head)):
        return head
    joint = "" if tail[:1] in ".,;:!?)。，；：！？）、" else " "
    return f"{head} _____{joint}{tail}".strip()


_FORM = re.compile(r"\s*\[(html|markdown|moodle|plain)\]", re.IGNORECASE)


def form_of(text: str, default: str) -> tuple[str, str]:
    """How a text is marked up, and the text without the word that says so."""
    found = _FORM.match(text)
    return (found[1].lower(), text[found.end() :]) if found else (default, text)


_WEIGHT = re.compile(r"\s*%\s*([+-]?\d{1,3}(?:[.,]\d{0,12})?)\s*%")


def answers_of(text: str) -> list[Answer]:
    """The answers between the braces, each with its mark, weight and feedback."""
    parts = re.split(r"(~=|[~=])", text)  # people write ~= for the right one of several
    found = [_answer("", parts[0])] if parts[0].strip() else []
    for sign, content in zip(parts[1::2], parts[2::2], strict=True):
        found.append(_answer(sign[-1], content))
    return found


def _answer(mark: str, content: str) -> Answer:
    text, _hash, feedback = content.partition("#")
    share = None
    if weight := _WEIGHT.match(text):
        share, text = share_of(weight[1]), text[weight.end() :]
    return Answer(mark, text.strip(), share, feedback.strip())


def share_of(percent: str) -> Fraction:
    """A percentage as an exact share: ``33.33333`` is a third, since a third is what was rounded."""
    exact = Fraction(percent.replace(",", ".").rstrip(".")) / 100
    near = exact.limit_denominator(30)
    is_rounded = re.search(r"[.,]\d{2,}\Z", percent) is not None and abs(near - exact) < Fraction(1, 10_000)
    return near if is_rounded else exact


def true_or_false(text: str) -> tuple[bool, list[str]] | None:
    """Whether it is true, and the feedbacks; None where the answers are of another type."""
    word, *feedbacks = text.split("#", 2)
    plain = re.sub(r"//.*", "", word).strip().upper()  # a comment behind it
    if plain not in {"T", "TRUE", "F", "FALSE"}:
        return None
    return plain in {"T", "TRUE"}, [one.strip() for one in feedbacks]
