"""Forms of human marking."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from wtforms import HiddenField, IntegerField, RadioField, SelectMultipleField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from lms.accounts.models import Person
from lms.assessments.rules.markers import Line, read_line
from lms.assessments.rules.standards import RATINGS
from lms.core.i18n import _, lazy, pick
from lms.web.forms import Form, request_value


class MarkForm(Form):
    """What a marker gives, line by line: the field of line ``a`` is called ``line-a``."""

    client_uuid = HiddenField(validators=[InputRequired(), Length(min=8, max=64)])
    note = TextAreaField(
        lazy("Note for the candidate"),
        validators=[Length(max=2000)],
        description=lazy("Shown with the result, without your name. No names or data of patients."),
    )

    rating = RadioField(
        lazy("The candidate as a whole"),
        description=lazy("It earns nothing; the pass mark can be computed from it."),
        validate_choice=False,
        choices=[SelectChoice(str(number), words) for number, words in RATINGS.items()],
    )

    @property
    def global_rating(self) -> int | None:
        """The rating at a station, if one was chosen; 0 for one that is none."""
        text = str(self.rating.data or "").strip()
        if not text or text == "None":
            return None
        return int(text) if text in set(map(str, RATINGS)) else 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: dict[str, str] = {}
        """Line → what is wrong."""
        self.typed: dict[str, str] = {}

    def read(self, lines: Sequence[Line]) -> dict[str, Fraction]:
        """Line → marks; what cannot be read becomes a fault."""
        found = {}
        for line in lines:
            text = request_value(f"line-{line.id}").strip()[:10]
            self.typed[line.id] = text
            marks = read_line(text, line)
            if marks is None:
                self.faults[line.id] = (
                    _("Give whole or half marks, from 0 to %(most)s.", most=line.marks)
                    if text
                    else _("Give marks for this line.")
                )
            else:
                found[line.id] = marks
        return found

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Whether every line could be read."""
        return bool(super().validate(*args, **kwargs)) and not self.faults

    @property
    def failed(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.faults) or super().failed


class MarkingPlanForm(Form):
    """How many people mark, and how far two may lie apart."""

    markers = IntegerField(
        lazy("Markers of each essay and file"), validators=[InputRequired(lazy("Enter a number."))]
    )
    examiners = IntegerField(
        lazy("Examiners of each candidate at a station"), validators=[InputRequired(lazy("Enter a number."))]
    )
    apart_percent = IntegerField(
        lazy("A third marks from a difference of more than, per cent"),
        validators=[InputRequired(lazy("Enter a number."))],
    )


class MultiCheckboxField(SelectMultipleField):  # type: ignore[misc]
    """Several of a list, each with a box to tick."""


class AskMarkersForm(Form):
    """Who marks one question."""

    question = HiddenField(validators=[InputRequired(), Length(max=12)])
    people = MultiCheckboxField(lazy("Who marks it"), validators=[])

    def offer(self, people: Iterable[Person]) -> None:
        """Hand in who can be chosen."""
        self.people.choices = [
            SelectChoice(one.public_id, pick(one.name_zh, one.name_latin)) for one in people
        ]


class RemarkForm(Form):
    """Why a response is marked once more."""

    reason = TextAreaField(
        lazy("Why it is marked once more"),
        validators=[InputRequired(lazy("Say why it is marked once more.")), Length(max=500)],
    )
