"""Forms of meetings."""

from collections.abc import Iterable

from wtforms import DateField, SelectChoice, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length

from lms.core.i18n import lazy
from lms.programmes.models import Meeting
from lms.programmes.rules.meetings import TEXT_LIMIT
from lms.web.forms import Form


class CorrectionForm(Form):
    """What was talked about and agreed on, and on which day."""

    held_on = DateField(lazy("Held on"), [InputRequired(lazy("Give the day of the meeting."))])
    summary = TextAreaField(
        lazy("What you talked about"),
        [InputRequired(lazy("Write down what you talked about.")), Length(max=TEXT_LIMIT)],
        description=lazy("No names, numbers or dates of patients."),
    )
    plan = TextAreaField(
        lazy("What you agreed on"),
        [InputRequired(lazy("Write down what you agreed on.")), Length(max=TEXT_LIMIT)],
        description=lazy("One step in each line: who does what until when."),
    )

    def fill(self, meeting: Meeting) -> None:
        """Give what is written down already."""
        self.held_on.data, self.summary.data, self.plan.data = meeting.held_on, meeting.summary, meeting.plan


class MeetingForm(CorrectionForm):
    """A meeting that was held."""

    what = SelectField(lazy("Which meeting?"), [InputRequired(lazy("Choose a meeting."))])

    def offer(self, meetings: Iterable[tuple[str, str]]) -> None:
        """Give the meetings that can be written down, by key and in words."""
        self.what.choices = [SelectChoice(key, words) for key, words in meetings]
