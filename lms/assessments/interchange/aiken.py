"""Aiken: a question, lettered options, ``ANSWER: B``; questions one after another."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from lms.assessments.interchange.drafting import Gathered
from lms.assessments.interchange.drafts import Draft, Place, Reading
from lms.assessments.interchange.gift import guessed
from lms.assessments.interchange.plain import clean, decode, tongue_of
from lms.core.i18n import _

_OPTION = re.compile(r"\(?([A-Za-z])\s?[.):、](?:\s+|(?=\S))(.*)", re.DOTALL)
_ANSWER = re.compile(r"(?:(?:CORRECT )?ANSWERS?|ANS|答案|正确答案)\s*[:=](.*)", re.IGNORECASE)
_REASON = re.compile(r"(?:FEEDBACK|EXPLANATION|RATIONALE|解析)\s*:\s*(.*)", re.IGNORECASE)


_AHEAD = 20
"""Lines that are looked at to tell whether words go on."""


@dataclass
class _Open:
    """The question that is being read."""

    line: int
    stem: list[str]
    options: list[str] = field(default_factory=list)
    is_apart: bool = False
    """Whether an empty line stands after the last thing that was read."""


def read(data: bytes | str) -> Reading:
    """Every question of an Aiken file as a draft, or as a problem named by its line. Never raises."""
    text, is_guess = (data, False) if isinstance(data, str) else decode(data)
    reader = _Reader()
    if is_guess:
        reader.gathered.notice(Place("file"), "encoding_guessed", guessed())
    lines = [line.strip() for line in clean(text).split("\n")]
    for index, line in enumerate(lines):
        reader.take(index + 1, line, lines[index + 1 : index + 1 + _AHEAD])
    reader.finish()
    gathered = reader.gathered
    if not gathered.drafts and not any(one.is_blocking for one in gathered.problems):
        gathered.refuse(Place("file"), "no_items", _("The file holds no questions."))
    return Reading("aiken", tuple(gathered.drafts), tuple(gathered.problems))


class _Reader:
    """Takes one line after another."""

    def __init__(self) -> None:
        self.gathered = Gathered()
        self._open: _Open | None = None
        self._made: Draft | None = None
        """The question before, while its explanation may follow."""

    def take(self, number: int, line: str, rest: Sequence[str]) -> None:
        """The line ``number``; ``rest``: some of those after it."""
        if not line:
            if self._open:
                self._open.is_apart = True
            return
        plain = unicodedata.normalize("NFKC", line)
        place = Place("line", str(number))
        if answer := _ANSWER.fullmatch(plain):
            self._answer(place, answer[1])
        elif self._made and (reason := _REASON.fullmatch(plain)):
            self._explain(line[len(line) - len(reason[1]) :] if line.endswith(reason[1]) else reason[1])
        elif option := self._option(line):
            self._put_option(place, option)
        else:
            self._words(number, line, rest)

    def finish(self) -> None:
        """Nothing follows any more."""
        self._flush_made()
        self._refuse_open()

    # ------------------------------------------------------------ the kinds of lines

    def _option(self, line: str) -> str | None:
        """The text of the next option, if the line is one."""
        count = len(self._open.options) if self._open else 0
        found = _OPTION.fullmatch(
            line.replace("）", ")").replace("（", "(").replace("．", ".").replace("：", ":")
        )
        if found is None or found[1].upper() != chr(ord("A") + count):
            return None
        return found[2].strip()

    def _put_option(self, place: Place, option: str) -> None:
        if self._open is None:
            self.gathered.refuse(place, "no_stem", _("An option stands here, and no question before it."))
            return
        self._open.options.append(option)
        self._open.is_apart = False

    def _words(self, number: int, line: str, rest: Sequence[str]) -> None:
        self._flush_made()
        held = self._open
        if held is None:
            self._open = _Open(number, [line])
        elif held.options and self._goes_on(rest):
            held.options[-1] += f"\n{line}"
        elif held.options or held.is_apart:
            self._refuse_open()
            self._open = _Open(number, [line])
        else:
            held.stem.append(line)

    def _goes_on(self, rest: Sequence[str]) -> bool:
        """Whether words after an option belong to it: the next option or the answer follows before another question begins."""
        held = self._open
        if held is None or held.is_apart:
            return False
        for line in rest:
            if not line:
                return False
            plain = unicodedata.normalize("NFKC", line)
            if _ANSWER.fullmatch(plain):
                return True
            if found := _OPTION.fullmatch(plain):
                return found[1].upper() != "A"
        return False

    def _answer(self, place: Place, said: str) -> None:
        self._flush_made()
        held, self._open = self._open, None
        if held is None:
            self.gathered.refuse(place, "no_stem", _("An answer stands here, and no question before it."))
            return
        at = Place("line", str(held.line))
        if len(held.options) < 2:
            self.gathered.refuse(
                at, "no_options", _("A question needs at least two options, each on its own line: A. …")
            )
            return
        ids = [chr(ord("a") + index) for index in range(len(held.options))]
        letters = _letters(said)
        if not letters or not set(letters) <= set(ids):
            message = _("The answer “%(text)s” names no option of this question.", text=said.strip()[:40])
            self.gathered.refuse(place, "no_key", message)
            return
        stem, options = "\n".join(held.stem), held.options  # plain text: a < is a <
        tongue = tongue_of(stem, *options)
        body = {
            "stem": {tongue: stem},
            "options": [{"id": name, tongue: one} for name, one in zip(ids, options, strict=True)],
        }
        several = len(letters) > 1
        self._made = Draft(
            at,
            "X" if several else "A1",
            {**body, "scoring": "all"} if several else body,
            {"right": letters if several else letters[0]},
        )

    def _explain(self, words: str) -> None:
        made = self._made
        if made is not None and words:
            self._made = Draft(made.place, made.type, made.body, made.key, {tongue_of(words): words})

    # ------------------------------------------------------------ what is done

    def _flush_made(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            self.gathered.problems += [problem for _path, problem in self.gathered.take(made)]

    def _refuse_open(self) -> None:
        held, self._open = self._open, None
        if held is None:
            return
        at = Place("line", str(held.line))
        if held.options:
            self.gathered.refuse(
                at, "no_key", _("The answer of this question is missing: a line such as ANSWER: B.")
            )
        else:
            message = _(
                "Neither options nor an answer follow these words: “%(start)s…”", start=held.stem[0][:40]
            )
            self.gathered.refuse(at, "no_options", message)


_SEVERAL = re.compile(r"[A-Z](?:(?:\s*[,;、/&+]\s*|\s+AND\s+|\s+)[A-Z])*", re.IGNORECASE)


def _letters(said: str) -> list[str]:
    """The ids that an answer names: ``B``, ``B) the second``, ``A, C``, ``A and C``, ``AC``."""
    plain = unicodedata.normalize("NFKC", said).strip().strip(".。")
    if _SEVERAL.fullmatch(plain):
        return sorted(set(re.findall(r"\b[a-z]\b", plain.lower())))
    if re.fullmatch(r"[A-Z]{2,26}", plain) and list(plain) == sorted(set(plain)):
        return list(plain.lower())
    first = re.match(r"\(?([A-Za-z])(?:[.):、]|\s*\Z)", plain)
    return [first[1].lower()] if first else []
