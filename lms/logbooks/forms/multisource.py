"""Forms of multisource feedback. The questions have names of their own (``q-care``), since their list is data."""

from wtforms import SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from lms.core.i18n import _, lazy
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import multisource as rules
from lms.web.forms import Form, request_values


def given_ratings() -> dict[str, int]:
    """What was chosen question by question; what is left out or unknown is none."""
    return {
        name.removeprefix("q-"): int(value)
        for name, value in request_values().items()
        if name.startswith("q-") and value in {str(step) for step in rules.SCALE}
    }


def given_groups() -> dict[str, str]:
    """Public id of a person → the group that was chosen for them."""
    return {
        name.removeprefix("g-"): value
        for name, value in request_values().items()
        if name.startswith("g-") and value
    }


class FeedbackForm(Form):
    """What a colleague writes beside the questions."""

    well = TextAreaField(
        lazy("What does this colleague do especially well?"),
        [Optional(), Length(max=rules.TEXT_MAX)],
        filters=[lambda text: text or ""],
    )
    better = TextAreaField(
        lazy("What could they do better?"),
        [Optional(), Length(max=rules.TEXT_MAX)],
        filters=[lambda text: text or ""],
    )


class GuestForm(Form):
    """Somebody without an account who is to be asked."""

    name = StringField(
        lazy("Name"),
        [InputRequired(lazy("Write the name of the colleague.")), Length(max=rules.GUEST_NAME_MAX)],
    )
    group = SelectField(lazy("Group"), [InputRequired(lazy("Choose a group."))])

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.group.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(*one) for one in rules.GROUPS.items()),
        ]


class ReleaseForm(Form):
    """What mentor and trainee agreed on in the talk."""

    words = TextAreaField(
        lazy("What you agreed on"),
        [InputRequired(lazy("One sentence is needed here.")), Length(max=WORDS_MAX)],
    )
