"""What a result says about topics, and where a question is taught."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from lms.assessments.rules.marking import percent, shown
from lms.core.errors import RuleBroken
from lms.core.i18n import _


@dataclass(frozen=True)
class TopicMarks:
    """What was earned in one topic."""

    topic: str
    """Empty: questions without one."""
    questions: int
    score: Fraction
    maximum: Fraction

    @property
    def points(self) -> str:
        """Earned of possible, as shown."""
        return f"{shown(self.score)} / {shown(self.maximum)}"

    @property
    def percent(self) -> str:
        """As shown."""
        return shown(percent(self.score, self.maximum))


def by_topic(marks: Iterable[tuple[str, Fraction, Fraction]]) -> list[TopicMarks]:
    """Marks added up for each topic, the weakest first; ``marks``: topic, earned, possible. The sums are those of the whole."""
    found: dict[str, TopicMarks] = {}
    for topic, score, maximum in marks:
        old = found.get(topic, TopicMarks(topic, 0, Fraction(0), Fraction(0)))
        found[topic] = TopicMarks(topic, old.questions + 1, old.score + score, old.maximum + maximum)
    return sorted(found.values(), key=lambda one: (percent(one.score, one.maximum), one.topic))


def read_moment(text: str) -> int:
    """Seconds from the beginning of a film, as people write them: ``12:30``, ``1:02:05``, ``12`` (minutes); empty: 0."""
    parts = text.strip().replace("：", ":").split(":")
    if parts == [""]:
        return 0
    if len(parts) > 3 or not all(re.fullmatch(r"[0-9]{1,3}", part) for part in parts):
        raise RuleBroken("moment", _("Write minutes and seconds, for example 12:30."), field="lecture_at")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        numbers.append(0)
    if any(number > 59 for number in numbers[1:]):
        raise RuleBroken("moment", _("Write minutes and seconds, for example 12:30."), field="lecture_at")
    seconds = 0
    for number in numbers:
        seconds = 60 * seconds + number
    return seconds


def moment(seconds: int) -> str:
    """As ``read_moment`` reads it: ``12:30``, ``1:02:05``."""
    minutes, rest = divmod(seconds, 60)
    hours, less = divmod(minutes, 60)
    return f"{hours}:{less:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
