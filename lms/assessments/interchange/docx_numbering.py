"""Automatic numbers and letters of Word's lists, which stand in no paragraph's text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lms.assessments.interchange import office
from lms.assessments.interchange.office import Element
from lms.assessments.interchange.package import Package

_DIGITS = "〇一二三四五六七八九"
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip
_LARGEST = 9_999


@dataclass(frozen=True)
class Level:
    """How one level of a list is numbered."""

    form: str = "decimal"
    text: str = "%1."
    start: int = 1


@dataclass(frozen=True)
class Label:
    """The number or letter before one paragraph."""

    text: str
    form: str
    level: int
    count: int


@dataclass
class Numbering:
    """The lists of a document, and how far each has come."""

    lists: Mapping[str, tuple[str, Mapping[int, Level], frozenset[int]]] = field(default_factory=dict)
    """numId → the list it belongs to, its levels, those that begin again here."""
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)

    def label(self, number_id: str, level: int) -> Label | None:
        """The label of the next paragraph of a list; None for bullets and for lists that are not known."""
        found = self.lists.get(number_id)
        if found is None or level not in found[1]:
            return None
        of_list, levels, again = found
        counts = self._counts.setdefault(of_list, {})
        if number_id not in self._begun:
            self._begun.add(number_id)
            for one in again:
                counts.pop(one, None)
        shape = levels[level]
        counts[level] = counts.get(level, shape.start - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        if shape.form in {"bullet", "none"}:
            return None

        def shown(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            other = levels.get(at, Level())
            return formatted(counts.get(at, other.start), other.form)

        return Label(re.sub(r"%([1-9])", shown, shape.text), shape.form, level, counts[level])


def formatted(number: int, form: str) -> str:
    """A number as Word writes it: ``decimal``, ``upperLetter``, ``chineseCounting``…"""
    number = min(max(number, 0), _LARGEST)
    if form in {"upperLetter", "lowerLetter"}:
        letter = chr(ord("A") + (number - 1) % 26) * ((number - 1) // 26 + 1) if number else ""
        return letter if form == "upperLetter" else letter.lower()
    if form in {"upperRoman", "lowerRoman"}:
        roman = _roman(number)
        return roman if form == "upperRoman" else roman.lower()
    if form.startswith(("chinese", "ideographDigital", "japanese", "taiwanese", "ideographLegal", "korean")):
        return _chinese(number)
    if form == "ideographTraditional":
        return _STEMS[(number - 1) % 10]
    if form == "decimalEnclosedParen":
        return f"({number})"
    if form == "decimalEnclosedFullstop":
        return f"{number}."
    if form.startswith("decimalEnclosed"):
        return chr(0x245F + number) if 1 <= number <= 20 else f"({number})"
    return f"0{number}" if form == "decimalZero" and number < 10 else str(number)


def _roman(number: int) -> str:
    found = ""
    for value, sign in _ROMAN:
        found += sign * (number // value)
        number %= value
    return found


def _chinese(number: int) -> str:
    """1 to 99 in words; more in digits."""
    if number < 10:
        return _DIGITS[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return ("" if tens == 1 else _DIGITS[tens]) + "十" + (_DIGITS[ones] if ones else "")
    return str(number)


def numbering_of(package: Package, path: str) -> Numbering:
    """The lists of a document whose part ``path`` describes them."""
    root = office.part(package, path) if path else None
    abstract = {
        office.get(one, "abstractNumId"): _levels(one) for one in office.children(root, "abstractNum")
    }
    lists = {}
    for one in office.children(root, "num"):
        of_list = office.get(office.child(one, "abstractNumId"), "val")
        levels, again = dict(abstract.get(of_list, {})), set()
        for override in office.children(one, "lvlOverride"):
            at = _whole(office.get(override, "ilvl"))
            levels |= _levels(override)
            begin = office.child(override, "startOverride")
            if begin is not None:
                again.add(at)
                before = levels.get(at, Level())
                levels[at] = Level(before.form, before.text, _whole(office.get(begin, "val")))
        lists[office.get(one, "numId")] = (of_list, levels, frozenset(again))
    return Numbering(lists)


def _levels(element: Element) -> dict[int, Level]:
    found = {}
    for one in office.children(element, "lvl"):
        begin = office.child(one, "start")
        form = office.get(office.child(one, "numFmt"), "val") or "decimal"
        text = office.get(office.child(one, "lvlText"), "val")
        found[_whole(office.get(one, "ilvl"))] = Level(
            form, text, 1 if begin is None else _whole(office.get(begin, "val"))
        )
    return found


def _whole(text: str) -> int:
    return min(int(text), _LARGEST) if text.isascii() and text.isdigit() else 0
