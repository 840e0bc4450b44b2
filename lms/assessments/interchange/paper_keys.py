"""Tables of keys at the end of a paper or of each of its chapters, and which question each key is for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lms.assessments.interchange import paper
from lms.assessments.interchange.paper import Asked, Group, Section


@dataclass
class Keys:
    """A table of keys while it is read."""

    types: list[str] = field(default_factory=lambda: [""])
    """Of its sections, in order; the first is what stands before any heading."""
    keys: dict[tuple[int, int], str] = field(default_factory=dict)
    """Section and number → key."""
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    last: tuple[int, int] | None = None
    """The key that was read last; words that follow belong to it."""

    def begin_section(self, code: str) -> None:
        """Numbers begin again."""
        self.types.append(code)
        self.last = None

    def take_tokens(self, text: str) -> bool:
        """``1.A 2.B 3-5 CDE``; whether the line is such a row."""
        tokens = paper.key_tokens(text)
        for number, key in tokens.items():
            self.keys[self._at(number)] = key
        self.last = self._at(max(tokens)) if tokens else self.last
        return bool(tokens)

    def _at(self, number: int) -> tuple[int, int]:
        return len(self.types) - 1, number

    def take(self, text: str) -> None:
        """Any other line of the table: ``3. 肾上腺素``, ``4.【答案】A``, ``【解析】…``, words that go on."""
        found = paper.numbered(text)
        rest = found.rest if found else text.strip()
        if found is not None:
            self.last = self._at(found.number)
        if self.last is None:
            return
        why = paper.why_line(rest)
        if why is not None:
            self._add(self.reasons, why)
        elif found is not None:
            inner = paper.key_line(rest)
            self.keys[self.last] = inner.rest if inner else rest
        else:
            inner = paper.key_line(rest)
            if inner is not None and self.last not in self.keys:
                self.keys[self.last] = inner.rest
            else:
                self._add(self.reasons if self.last in self.reasons else self.keys, rest)

    def _add(self, into: dict[tuple[int, int], str], text: str) -> None:
        if self.last is not None:
            into[self.last] = "\n".join(part for part in (into.get(self.last, ""), text) if part)


@dataclass
class Chapter:
    """Questions and the table of their keys; numbers begin again with the next one."""

    units: list[Asked | Group] = field(default_factory=list)
    tables: Keys = field(default_factory=Keys)

    def asked(self) -> Iterator[Asked]:
        """All the questions, in order."""
        for unit in self.units:
            yield from unit.asked if isinstance(unit, Group) else [unit]


def give_keys(chapter: Chapter) -> None:
    """Put the keys of a chapter's table to its questions; what a question says itself comes first."""
    table = chapter.tables
    if not table.keys and not table.reasons:
        return
    section_of = _sections(chapter)
    for one in chapter.asked():
        if one.number is None:
            continue
        at = (section_of.get(one.section.index, -1), one.number)
        if not one.key and at in table.keys:
            one.key = [table.keys[at]]
        if not one.why and at in table.reasons:
            one.why = [table.reasons[at]]


def _sections(chapter: Chapter) -> Mapping[int, int]:
    """Index of a section of questions → index of the section of the table that holds its keys.

    One section of keys serves all questions if no number is used twice; several go by their order, else by their types.
    """
    asked = list(chapter.asked())
    parts = list(dict.fromkeys(one.section.index for one in asked))
    used = sorted({section for section, _number in (*chapter.tables.keys, *chapter.tables.reasons)})
    if len(used) == 1:
        numbers = [one.number for one in asked if one.number is not None]
        if len(set(numbers)) == len(numbers):
            return dict.fromkeys(parts, used[0])
        return {parts[0]: used[0]} if len(parts) == 1 else {}
    if len(used) == len(parts):
        return dict(zip(parts, used, strict=True))
    codes = {one.section.index: one.section.code for one in asked}
    left = list(used)
    found = {}
    for part in parts:
        match = next((one for one in left if chapter.tables.types[one] == codes[part]), None)
        if match is not None:
            found[part] = match
            left.remove(match)
    return found


__all__ = ["Chapter", "Keys", "Section", "give_keys"]
