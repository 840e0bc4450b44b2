"""A question paper, line by line, as questions and groups of questions."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lms.assessments.interchange import paper, words
from lms.assessments.interchange.docx_parts import Line
from lms.assessments.interchange.drafting import Gathered
from lms.assessments.interchange.paper import Asked, Group, Numbered, Option, Section
from lms.assessments.interchange.paper_ahead import Ahead, place
from lms.assessments.interchange.paper_keys import Chapter
from lms.assessments.interchange.paper_options import first_option, inner_start, options_of
from lms.assessments.interchange.plain import OBJECT
from lms.core.i18n import _

_SERIAL = frozenset({"A3", "A4", "CASE"})
_SHARING = frozenset({"B1", "EMQ"})
_MOST_SKIPPED = 5
"""Numbers that misprints leave out."""
_IN_WORDS = frozenset({"ESSAY", words.BLANKS, "SHORT", words.CALCULATION, "NUM"})


class PaperReader:
    """Takes the lines of a paper in their order."""

    def __init__(self, lines: Sequence[Line], gathered: Gathered) -> None:
        self._lines = lines
        self._ahead = Ahead(lines)
        self._gathered = gathered
        self.chapters = [Chapter()]
        self._section = Section()
        self._sections = 0
        self._group: Group | None = None
        self._asked: Asked | None = None
        self._expected = 1
        self._in_keys = False
        self.unread: list[Line] = []
        """Lines that belong to no question."""
        self._allows_bracketed = self._ahead.has_bracketed()

    def read(self) -> list[Chapter]:
        """The questions of all lines."""
        for index, line in enumerate(self._lines):
            self._ahead.at = index
            if not (self._in_keys and self._key_table(line)):
                self._take(line)
        self._finish()
        return self.chapters

    # ------------------------------------------------------------ one line

    def _take(self, line: Line) -> None:
        for attempt in self._attempts():
            if attempt(line):
                return
        self._words(line)

    def _attempts(self) -> Sequence[Callable[[Line], bool]]:
        return (
            self._group_heading,
            self._case_heading,
            self._ask_heading,
            self._key_line,
            self._why_line,
            self._more_line,
            self._section_heading,
            self._option_line,
            self._numbered_line,
            self._hint_line,
        )

    def _section_heading(self, line: Line) -> bool:
        found = paper.section(line.text, self._sections + 1, self._section, is_heading=line.is_heading)
        if found is None or (
            self._asked and self._asked.zone == "stem" and not found.code and self._asked.is_open
        ):
            return False
        if (
            self._asked
            and not found.code
            and not line.is_heading
            and self._asked.awaits_words
            and self._asked.key is not None
        ):
            return False  # 一、… inside an answer in words
        self._finish()
        self._sections += 1
        self._section = found
        self._expected = min(self._expected, 1) if found.code else self._expected
        return True

    def _group_heading(self, line: Line) -> bool:
        found = paper.group_heading(line.text)
        if found is None:
            return False
        self._finish()
        code = (
            self._section.code
            if self._section.code in (_SHARING if found.shares_options else _SERIAL)
            else ""
        )
        self._open_group(
            Group(line.number, self._section, code, span=found.span, shares_options=found.shares_options)
        )
        if found.rest:
            self._rest(line, found.rest)
        return True

    def _open_group(self, group: Group) -> None:
        self._group = group
        self.chapters[-1].units.append(group)

    def _case_heading(self, line: Line) -> bool:
        found = paper.case_heading(line.text)
        if found is None or (self._asked is not None and self._asked.is_open):
            return False
        self._finish()
        code = self._section.code if self._section.code in _SERIAL else "CASE"
        self._open_group(Group(line.number, self._section, code))
        if found.rest:
            self._rest(line, found.rest)
        return True

    def _ask_heading(self, line: Line) -> bool:
        found = paper.ask_heading(line.text)
        if found is None:
            return False
        if self._group is None and not self._nest():
            return False
        self._begin(line, found.number, found.rest, style="named")
        return True

    def _nest(self) -> bool:
        """Make the open question the case of the ones that follow."""
        held = self._asked
        units = self.chapters[-1].units
        if held is None or not held.is_open or held not in units:
            return False
        code = held.section.code if held.section.code in _SERIAL else ""
        group = Group(held.place, held.section, code, shared=held.stem, pictures=held.pictures)
        units[units.index(held)] = group
        self._group, self._asked = group, None
        return True

    def _hint_line(self, line: Line) -> bool:
        if self._group is None or (self._asked and self._asked.is_open):
            return False
        if paper.hint(line.text) is None:
            return False
        self._group.pending.append(line.text.strip())
        self._asked = None
        return True

    def _numbered_line(self, line: Line) -> bool:
        found = paper.numbered(line.text)
        if found is None or not self._begins_question(line, found):
            return False
        self._begin(line, found.number, found.rest, style="bracketed" if found.is_bracketed else "plain")
        return True

    def _begins_question(self, line: Line, found: Numbered) -> bool:
        held = self._asked
        follows = (
            self._ahead.options_follow() or bool(words.options_in(found.rest)) or inner_start(found.rest) > 0
        )
        is_next = found.number == self._expected or (held is None and found.number == 1)
        if found.is_doubtful and not (is_next and (follows or self._section.code in {"TF", *_IN_WORDS})):
            return False
        if found.is_bracketed and not self._allows_bracketed and line.label is None:
            return False
        if found.is_bracketed and follows and held is not None and held.is_open and found.number == 1:
            return self._nest()
        if held is None:
            return True
        if held.awaits_words and held.key is not None and found.number == held.points + 1:
            is_question = is_next and (follows or self._ahead.key_follows())
            held.points += not is_question
            return is_question
        if held.is_open:
            goes_on = held.number is not None and held.number < found.number <= held.number + _MOST_SKIPPED
            return is_next or follows or goes_on or held.section.code == "TF"
        if self._group is not None and self._group.style == "bracketed" and not found.is_bracketed:
            return True  # the next case
        if held.zone == "why":
            return follows or (is_next and (not held.options or self._ahead.key_follows()))
        return is_next or follows or line.label is not None or not held.options

    def _begin(self, line: Line, number: int | None, text: str, *, style: str) -> None:
        """A new question, numbered in a style of its own: ``plain``, ``bracketed`` or ``named``."""
        if self._group is not None and not self._group.takes(number, style):
            self._group = None
        self._asked = Asked(line.number, number, self._section)
        self._expected = (number or self._expected - 1) + 1
        if self._group is not None:
            self._asked.stem += self._group.pending
            self._group.pending = []
            self._group.asked.append(self._asked)
        else:
            self.chapters[-1].units.append(self._asked)
        self._rest(line, text)

    def _rest(self, line: Line, text: str) -> None:
        """What follows a number or a heading in the same line: options, or words."""
        start = line.text.rfind(text) if text else len(line.text)
        cut = inner_start(text)
        head = text[:cut] if cut else text
        pictures = tuple(one for one in line.pictures if one.at < start + (cut or len(text)))
        self._words(replace(line, text=head, pictures=pictures, marks=line.marks[start : start + len(head)]))
        if cut:
            shift = start + cut
            later = tuple(replace(one, at=one.at - shift) for one in line.pictures if one.at >= shift)
            self._option_line(
                replace(line, text=text[cut:], pictures=later, marks=line.marks[shift:], label=None)
            )

    # ------------------------------------------------------------ options

    def _options(self) -> list[Option] | None:
        """The list to which the next option belongs."""
        if self._asked is not None:
            return self._asked.options if self._asked.key is None and not self._asked.why else None
        if self._group is not None and (self._group.shares_options or self._group.code in _SHARING):
            return self._group.options
        return None

    def _option_line(self, line: Line) -> bool:
        options = self._options()
        if options is None and self._section.code in _SHARING and first_option(line):
            self._finish()
            self._open_group(Group(line.number, self._section, self._section.code, shares_options=True))
            options = self._options()
        if options is None:
            return False
        more = options_of(line, options, self._ahead.after(3))
        if more and options and ord(more[0].letter) - ord(options[-1].letter) > 1:
            message = _(
                "An option is missing between %(one)s and %(other)s.",
                one=options[-1].letter,
                other=more[0].letter,
            )
            self._gathered.notice(place(line.number), "option_gap", message)
        options += more
        if more and self._asked is not None:
            self._asked.zone = "options"
        return bool(more)

    # ------------------------------------------------------------ keys and what else is said

    def _key_line(self, line: Line) -> bool:
        found = paper.key_line(line.text)
        if found is None:
            return False
        tokens = paper.key_tokens(found.rest)
        next_one = next(iter(self._ahead.after(1)), None)
        is_table = bool(tokens) and not (found.has_colon and words.letters_of(found.rest))
        if not found.rest and next_one is not None:
            heading = paper.section(next_one.text, 0, Section(), is_heading=False)
            is_table = bool(paper.key_tokens(next_one.text)) or (heading is not None and bool(heading.code))
            is_table = is_table or paper.is_numbered_key(next_one.text)
            is_table = is_table or self._asked is None or self._asked.key is not None
        if is_table:
            self._begin_keys()
            self.chapters[-1].tables.take_tokens(found.rest)
            return True
        if self._asked is None:
            return False
        if self._asked.key is None or (self._asked.has_weak_key and not found.is_weak):
            self._asked.key = []
        self._asked.has_weak_key = found.is_weak
        self._asked.key += [found.rest] if found.rest else []
        self._asked.zone, self._asked.points = "key", 0
        self._pictures_lost(line)
        return True

    def _why_line(self, line: Line) -> bool:
        found = paper.why_line(line.text)
        if found is None or self._asked is None:
            return False
        self._asked.why += [found] if found else []
        self._asked.zone = "why"
        self._pictures_lost(line)
        return True

    def _more_line(self, line: Line) -> bool:
        found = paper.more_line(line.text)
        if found is None or self._asked is None:
            return False
        self._asked.more.setdefault(*found)
        return True

    def _pictures_lost(self, line: Line) -> None:
        if line.pictures:
            message = _("A picture in an answer or an explanation was left out.")
            self._gathered.notice(place(line.number), "picture_lost", message)

    # ------------------------------------------------------------ words

    def _words(self, line: Line) -> None:
        """A line that says nothing of itself belongs to what is open, or begins a question whose number is missing."""
        text = line.text.replace(OBJECT, "").strip()
        held = self._asked
        if (
            (held is None or held.zone != "stem")
            and self._ahead.options_follow(2, self._expected)
            and text
            and not (self._is_case_open())
        ):
            self._begin_unnumbered(line)
            return
        if held is None:
            self._shared_words(line, text)
        elif held.zone == "stem":
            text, marks = paper.without_marks(text)
            held.stem += [text] if text else []
            held.more |= {"marks": marks} if marks else {}
            held.pictures += line.pictures
        elif held.zone == "options" and held.options:
            last = held.options[-1]
            last.text = f"{last.text}\n{text}".strip()
            last.pictures += line.pictures
        else:
            into = (
                held.key
                if held.zone == "key" and held.key is not None and (held.awaits_words or not held.key)
                else held.why
            )
            into += [text] if text else []
            self._pictures_lost(line)

    def _is_case_open(self) -> bool:
        """Whether the words may still be the case that a group shares."""
        return self._group is not None and not self._group.asked and self._asked is None

    def _begin_unnumbered(self, line: Line) -> None:
        if self._group is not None and self._group.span is None and self._group.code != "CASE":
            self._group = None
        number = self._expected if self._asked is None or self._asked.number is not None else None
        self._asked = Asked(line.number, number, self._section)
        self._expected += 1
        (self._group.asked if self._group is not None else self.chapters[-1].units).append(self._asked)
        self._words(line)

    def _shared_words(self, line: Line, text: str) -> None:
        group = self._group
        if group is None and self._section.code in _SERIAL and (text or line.pictures):
            group = Group(line.number, self._section, self._section.code)
            self._open_group(group)
        if group is None:
            self.unread.append(line)
        elif group.asked:
            group.pending.append(text)
            self._pictures_lost(line)
        elif group.options and not line.pictures:
            group.options[-1].text += f"\n{text}"
        else:
            group.shared += [text] if text else []
            group.pictures += line.pictures

    # ------------------------------------------------------------ tables of keys

    def _begin_keys(self) -> None:
        self._finish()
        self._in_keys = True
        if self.chapters[-1].tables.keys:
            self.chapters[-1].tables.begin_section("")

    def _key_table(self, line: Line) -> bool:
        """A line of the table of keys; False where questions begin again, with a table of their own."""
        table = self.chapters[-1].tables
        found = paper.numbered(line.text)
        is_row = bool(paper.key_tokens(line.text))
        heading = paper.section(line.text, 0, Section(), is_heading=line.is_heading)
        begins = (
            first_option(line)
            or (found is not None and self._ahead.options_follow(3))
            or (heading is not None and self._ahead.heads_questions())
        )
        if begins and not is_row:
            self._in_keys = False
            self.chapters.append(Chapter())
            self._section = Section(self._sections)
            self._expected = 1
            return False
        if heading is not None and heading.code:
            table.begin_section(heading.code)
            table.take_tokens(line.text.partition(heading.said)[2].lstrip(" ：:"))
        elif not table.take_tokens(line.text):
            table.take(line.text)
        return True

    # ------------------------------------------------------------ ends

    def _finish(self) -> None:
        """Whatever is open is read."""
        self._asked = self._group = None
