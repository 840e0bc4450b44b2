"""What stands after a line of a paper, which often tells what the line is."""

from collections.abc import Sequence

from lms.assessments.interchange import paper, words
from lms.assessments.interchange.docx_parts import Line
from lms.assessments.interchange.drafts import Place
from lms.assessments.interchange.paper import Section
from lms.assessments.interchange.paper_options import first_option


def place(number: int) -> Place:
    """The place of a paragraph."""
    return Place("paragraph", str(number))


class Ahead:
    """The lines of a paper and how far they have been read."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self.at = 0

    def after(self, count: int) -> Sequence[Line]:
        """The next lines."""
        return self._lines[self.at + 1 : self.at + 1 + count]

    def options_follow(self, within: int = 6, expected: int = 0) -> bool:
        """Whether the first option of a question comes before the next question or heading.

        ``expected``: the next question's number, which is one even where it looks like a decimal.
        """
        following = self.after(within + 1)
        for index, line in enumerate(following[:within]):
            if first_option(line, next(iter(following[index + 1 :]), None)):
                return True
            if (found := paper.numbered(line.text)) and not (
                index == 0 and found.is_doubtful and found.number != expected
            ):
                return False
            if paper.key_line(line.text) or paper.group_heading(line.text):
                return False
            if paper.section(line.text, 0, Section(), is_heading=line.is_heading):
                return False
        return False

    def key_follows(self) -> bool:
        """Whether a key comes before the next number."""
        for line in self.after(12):
            if paper.key_line(line.text):
                return True
            if paper.numbered(line.text):
                return False
        return False

    def heads_questions(self) -> bool:
        """Whether questions with options follow, and no table of keys."""
        following = self.after(8)
        has_rows = any(paper.key_tokens(line.text) for line in following[:2])
        return not has_rows and any(
            first_option(line) and not paper.key_tokens(line.text) for line in following
        )

    def has_bracketed(self) -> bool:
        """Whether questions of this paper are numbered ``（1）``: options follow such a line somewhere."""
        before = self.at
        found = False
        for index, line in enumerate(self._lines):
            number = paper.numbered(line.text)
            if number and number.is_bracketed:
                self.at = index
                found = self.options_follow(3) or bool(words.options_in(number.rest))
            if found:
                break
        self.at = before
        return found
