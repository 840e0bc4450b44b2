"""Word documents (.docx), as Chinese hospitals write their question papers: paragraphs, lists, marked options, tables of keys."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lms.assessments.interchange import making, paper, words
from lms.assessments.interchange.docx_parts import BOLD, LIT, RED, Line, Shown, Table, parts_of
from lms.assessments.interchange.drafting import Album, Gathered, Json
from lms.assessments.interchange.drafts import Place, Reading
from lms.assessments.interchange.paper import Asked, Group, Option
from lms.assessments.interchange.paper_ahead import place
from lms.assessments.interchange.paper_keys import give_keys
from lms.assessments.interchange.paper_reading import PaperReader
from lms.assessments.interchange.plain import tongue_of
from lms.assessments.interchange.rows import Choice, Row, Unit
from lms.core.errors import RuleBroken
from lms.core.i18n import _

LIMIT_LINES = 60_000


def read(data: bytes, filename: str) -> Reading:  # noqa: ARG001 (readers of files have one shape)
    """Every question of a document as a draft, or as a problem named by its paragraph. Never raises."""
    gathered = Gathered()
    try:
        lines = _lines(parts_of(data))
    except RuleBroken as refusal:
        gathered.refuse(Place("file"), refusal.code, refusal.message)
        return Reading("docx", (), tuple(gathered.problems))
    if len(lines) > LIMIT_LINES:
        gathered.refuse(Place("file"), "too_many", _("The document is too long; split it into several."))
        lines = []
    reader = PaperReader(lines, gathered)
    for chapter in reader.read():
        give_keys(chapter)
        for unit in chapter.units:
            _take(unit, gathered)
    _name_unread(reader.unread, gathered)
    if not gathered.drafts and not any(one.is_blocking for one in gathered.problems):
        gathered.refuse(Place("file"), "no_items", _("The file holds no questions."))
    return Reading("docx", tuple(gathered.drafts), tuple(gathered.problems))


def _name_unread(lines: Sequence[Line], gathered: Gathered) -> None:
    """Lines that belong to no question are named, those beside each other together."""
    start = 0
    for index, line in enumerate(lines):
        following = lines[index + 1].number if index + 1 < len(lines) else 0
        if following - line.number not in {0, 1}:
            first = lines[start]
            message = _(
                "These words belong to no question and were left out: “%(start)s…”",
                start=first.text.strip()[:40],
            )
            gathered.notice(place(first.number), "text_unread", message)
            start = index + 1


# ---------------------------------------------------------------- lines


_PARTS = re.compile(
    r"【选项】|(?<=\S)\s*(?=[【\[(]\s*(?:正确|参考|标准)?答案\s*[】\])])|(?<=\S)\s*(?=【(?:解析|考点|难度|知识点|分析|详解)】)"
    r"|(?<=\S)(?<!正确)(?<!参考)(?<!标准)\s*(?=(?:正确|参考|标准)?答案\s*:\s*(?:[A-Z]+(?![A-Za-z])|[√×对错]))"
)


def _parted(line: Line) -> list[Line]:
    """A line in which options or the key follow without a line end, as the lines that it would be."""
    plain = words.fold(line.text)
    cuts = [
        found.span()
        for found in _PARTS.finditer(plain)
        if not re.fullmatch(r"\s*\d{0,4}\s*[.、]?\s*", plain[: found.start()])
    ]
    starts = [0, *(stop for _start, stop in cuts)]
    ends = [*(start for start, _stop in cuts), len(plain)]
    found = []
    for start, end in zip(starts, ends, strict=True):
        pictures = tuple(replace(one, at=one.at - start) for one in line.pictures if start <= one.at < end)
        if line.text[start:end].strip():
            label = line.label if start == 0 else None
            part = replace(
                line, text=line.text[start:end], marks=line.marks[start:end], pictures=pictures, label=label
            )
            found.append(part)
    return found


def _lines(parts: Iterable[Line | Table]) -> list[Line]:
    found: list[Line] = []
    for part in parts:
        for line in [part] if isinstance(part, Line) else _of_table(part):
            found += _parted(line)
    return found


# ---------------------------------------------------------------- tables


def _of_table(table: Table) -> list[Line]:
    """A table as lines: one of keys as its numbers and letters, one that lays out questions cell by cell, any other row by row."""
    cells = [[" ".join(line.text.strip() for line in cell) for cell in row] for row in table]
    lines = [line for row in table for cell in row for line in cell]
    if not lines:
        return []
    if keys := _keys(cells):
        text = " ".join(f"{number}.{key}" for number, key in keys)
        return [Line(lines[0].number, f"参考答案 {text}")]
    is_layout = any(_is_of_question(line.text) for line in lines)
    if is_layout:
        return lines
    found = []
    for row, texts in zip(table, cells, strict=True):
        inner = [line for cell in row for line in cell]
        if inner:
            pictures = tuple(one for line in inner for one in line.pictures)
            found.append(
                Line(
                    inner[0].number, " | ".join(texts), pictures=tuple(replace(one, at=0) for one in pictures)
                )
            )
    return found


def _is_of_question(text: str) -> bool:
    number = paper.numbered(text)
    is_numbered = number is not None and not number.is_doubtful and bool(number.rest)
    return is_numbered or paper.key_line(text) is not None or bool(words.options_in(text))


def _keys(cells: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """Numbers and keys of a table that has one above the other: 题号 | 1 | 2, 答案 | A | B; empty for any other table."""
    found: list[tuple[int, str]] = []
    for above, below in zip(cells[::2], cells[1::2], strict=False):
        numbers, keys = [words.normal(cell) for cell in above], [words.normal(cell) for cell in below]
        pairs = [
            (number, key)
            for number, key in zip(numbers, keys, strict=False)
            if number.isdigit() and len(number) < 5 and key
        ]
        is_key = all(
            words.letters_of(key) is not None or words.truth(key) is not None for _number, key in pairs
        )
        heads = {"题号", "序号", "题目", "答案", "参考答案", "正确答案", ""}
        others = [
            cell
            for cell in (*numbers, *keys)
            if not cell.isdigit() and cell not in {key for _number, key in pairs}
        ]
        if not pairs or not is_key or not set(others) <= heads:
            return []
        found += [(int(number), _said(key)) for number, key in pairs]
    return found


def _said(key: str) -> str:
    letters = words.letters_of(key)
    return "".join(letters) if letters else ("√" if words.truth(key) else "×")


# ---------------------------------------------------------------- units


def _take(unit: Asked | Group, gathered: Gathered) -> None:
    asked = unit.asked if isinstance(unit, Group) else [unit]
    if not asked:
        message = _("A case or shared options stand here, and no question that uses them follows.")
        gathered.refuse(place(unit.place), "asks", message)
        return
    making.take(_Maker(unit, asked, gathered).unit(), gathered)


_ALONE = {"A3": "A2", "A4": "A2", "B1": "A1", "EMQ": "X", "CASE": "X"}


class _Maker:
    """Questions that become one item, on their way there."""

    def __init__(self, unit: Asked | Group, asked: Sequence[Asked], gathered: Gathered) -> None:
        self._unit = unit
        self._asked = asked
        texts = [
            text for one in asked for text in (*one.stem, *(option.text for option in one.options), *one.why)
        ]
        if isinstance(unit, Group):
            texts += [*unit.shared, *(option.text for option in unit.options)]
        self._tongue = tongue_of(*texts)
        self._album = Album(place(unit.place), gathered, self._tongue)

    def unit(self) -> Unit:
        """The questions as one unit."""
        unit = Unit([], self._album)
        if isinstance(self._unit, Group):
            unit.is_group = True
            unit.type = self._unit.code
            unit.shared = self._text(self._unit.shared)
            unit.shared_media = self._media(self._unit.pictures, self._unit.place)
            unit.options = [self._choice(one) for one in self._unit.options]
        unit.rows = [self._row(one) for one in self._asked]
        return unit

    def _text(self, lines: Iterable[str]) -> dict[str, str]:
        text = "\n".join(line for line in lines if line.strip()).strip()
        return {self._tongue: text} if text else {}

    def _media(self, pictures: Iterable[Shown], number: int) -> list[Json]:
        entries = (self._album.add(one.content, one.alt, where=place(number)) for one in pictures)
        return [entry for entry in entries if entry]

    def _choice(self, option: Option) -> Choice:
        text = {self._tongue: option.text} if option.text else {}
        return Choice(option.letter, text, self._media(option.pictures, option.number))

    def _row(self, one: Asked) -> Row:
        said = one.more.get("type") or one.section.said
        code = words.type_of(one.more["type"]) if "type" in one.more else one.section.code
        is_alone = not isinstance(self._unit, Group)
        stem, answer, reason = _key_of(one, code)
        reviews = []
        if is_alone and code in _ALONE:
            more = {"scoring": "±"} if code == "CASE" else {}
            reviews = [_("The file gives it as %(type)s, and nothing that it shares with others.", type=said)]
            code = _ALONE[code]
        else:
            more = {}
            code = (
                ""
                if not is_alone
                and code in {"A1", "A2", "X", *_ALONE, words.CHOICE}
                and "type" not in one.more
                else code
            )
        more |= {
            "marks": one.more.get("marks") or one.section.marks,
            "topic": one.more.get("topic") or one.section.topic,
        }
        more |= {name: text for name, text in one.more.items() if name not in {"marks", "topic", "type"}}
        media = self._media(one.pictures, one.place)
        options = [self._choice(option) for option in one.options]
        cells = {f"option {option.letter}": place(option.number) for option in one.options}
        why = self._text([reason, *one.why])
        row = Row(
            place(one.place),
            said,
            code,
            self._text(stem),
            media,
            options,
            answer,
            "",
            why,
            more,
            cells,
            tongue=self._tongue,
        )
        row.reviews += reviews
        return row


# ---------------------------------------------------------------- keys

_VERDICT = r"√|×|✓|✗|对|错|正确|错误|T|F"
_IN_BRACKETS = re.compile(rf"[(\[]\s*(?P<key>[A-L](?:[ ,、]*[A-L]){{0,11}}|{_VERDICT})\s*[)\]]")


def _key_of(one: Asked, code: str) -> tuple[list[str], str, str]:
    """Stem, answer and reason: 答案： first, else starred options, the brackets of the stem, or what is marked."""
    said = "\n".join(one.key or ()).strip()
    if said:
        is_lettered = bool(one.options) or code in {
            "TF",
            "A1",
            "A2",
            "X",
            "A3",
            "A4",
            "B1",
            "CASE",
            "",
            words.CHOICE,
        }
        answer, reason = words.key_and_reason(said) if is_lettered else _without_reason(said)
        return one.stem, answer, reason
    starred = [option.letter for option in one.options if option.is_starred]
    if starred:
        return one.stem, "".join(starred), ""
    stem, key = _out_of_brackets(one, code)
    if key:
        return stem, key, ""
    for mark in (RED, LIT, BOLD):
        marked = [option.letter for option in one.options if option.marks & mark]
        if 0 < len(marked) < len(one.options):
            return one.stem, "".join(marked), ""
    return one.stem, "", ""


def _without_reason(said: str) -> tuple[str, str]:
    found = re.search(r"[【\[]\s*(?:答案)?解析\s*[】\]]\s*[:：]?|(?:^|\n)解析\s*[:：]", said)
    answer, reason = (said[: found.start()].strip(), said[found.end() :].strip()) if found else (said, "")
    whole = re.fullmatch(r"[(（]([^()（）]*)[)）]", answer)
    return (whole[1].strip() if whole else answer), reason


def _out_of_brackets(one: Asked, code: str) -> tuple[list[str], str]:
    """The key in the brackets of the stem, ``…是（B）。`` or ``（√）…``, and the stem with them empty."""
    whole = "\n".join(one.stem)
    plain = words.fold(whole)
    known = {option.letter for option in one.options}
    found = []
    for each in _IN_BRACKETS.finditer(plain):
        is_verdict = words.truth(each["key"]) is not None and not known
        letters = words.letters_of(each["key"]) or []
        at_end = not re.search(r"\w", plain[each.end() :])
        at_start = not plain[: each.start()].strip()
        if (is_verdict and (at_end or at_start) and code in {"TF", ""}) or (
            known and letters and set(letters) <= known
        ):
            found.append(each)
    if len(found) != 1:
        found = [each for each in found if not re.search(r"\w", plain[each.end() :])][-1:]
    if not found:
        return one.stem, ""
    each = found[0]
    gap = "" if words.truth(each["key"]) is not None and not known else "（　　）"
    return [f"{whole[: each.start()]}{gap}{whole[each.end() :]}".strip()], each["key"]
