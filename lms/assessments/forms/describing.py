"""What is said about a question: topic, tags, the lecture that teaches it."""

import re
from collections.abc import Iterable
from typing import Any

from wtforms import DateField, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, NumberRange, Optional

from lms.assessments.models import Question
from lms.assessments.queries import Dossier
from lms.assessments.rules import COGNITIVE
from lms.assessments.rules.teaching import moment, read_moment
from lms.assessments.services import Facts
from lms.core.i18n import lazy
from lms.web.forms import Form


class DescribeForm(Form):
    """What is said about a question."""

    topic = StringField(lazy("Topic"), validators=[Length(max=120)])
    tags = StringField(lazy("Tags"), validators=[Length(max=600)], description=lazy("Separated by commas"))
    cognitive = SelectField(lazy("Level"), choices=[], validate_choice=False)
    difficulty = IntegerField(
        lazy("Expected right answers, per cent"), validators=[Optional(), NumberRange(1, 99)]
    )
    review_due = DateField(lazy("Read its source again by"), validators=[Optional()])
    lecture_code = SelectField(lazy("Lecture that teaches it"), choices=[], validate_choice=False)
    lecture_at = StringField(
        lazy("From minute"),
        validators=[Length(max=12)],
        description=lazy("Minutes and seconds, for example 12:30"),
    )
    enemies = StringField(
        lazy("Never in a paper with"),
        validators=[Length(max=600)],
        description=lazy("Codes of questions that would give this one away"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cognitive.choices = [SelectChoice("", "—"), *(SelectChoice(*pair) for pair in COGNITIVE.items())]

    def offer(self, lectures: Iterable[tuple[str, str]]) -> "DescribeForm":
        """Hand in the lectures that can be chosen: code and title."""
        self.lecture_code.choices = [
            SelectChoice("", "—"),
            *(SelectChoice(code, f"{code} · {title}") for code, title in lectures),
        ]
        return self

    @classmethod
    def showing(cls, question: Question, dossier: Dossier) -> "DescribeForm":
        """The form as the question stands."""
        return cls(
            data={
                "topic": question.topic,
                "tags": ", ".join(dossier.tags),
                "cognitive": question.cognitive,
                "difficulty": question.difficulty,
                "review_due": question.review_due,
                "lecture_code": question.lecture_code,
                "lecture_at": moment(question.lecture_second) if question.lecture_code else "",
                "enemies": ", ".join(enemy.code for enemy in dossier.enemies),
            }
        )

    def facts(self) -> Facts:
        """What was typed, for the service."""
        return Facts(
            topic=self.topic.data or "",
            cognitive=self.cognitive.data or "",
            difficulty=self.difficulty.data,
            review_due=self.review_due.data,
            tags=self.words_of(self.tags.data),
            lecture_code=self.lecture_code.data or "",
            lecture_second=read_moment(self.lecture_at.data or ""),
        )

    @staticmethod
    def words_of(text: str | None) -> list[str]:
        """The parts of a list that people separate in their own ways."""
        return [part.strip() for part in re.split(r"[,，、;；]", text or "") if part.strip()]
