"""Forms of appeals."""

from wtforms import HiddenField, RadioField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length

from lms.core.i18n import lazy
from lms.web.forms import Form


class AppealForm(Form):
    """The reason of an appeal."""

    client_uuid = HiddenField(validators=[InputRequired(), Length(min=8, max=64)])
    words = TextAreaField(
        lazy("Why the marking is wrong"),
        validators=[InputRequired(lazy("Give the reason in a sentence.")), Length(max=2000)],
        description=lazy("Name the guideline or book it rests on. No names or data of patients."),
    )


class AppealAnswerForm(Form):
    """The answer to an appeal."""

    act = RadioField(
        lazy("Answer"),
        choices=[
            SelectChoice("uphold", lazy("The trainee is right: the key is to be corrected")),
            SelectChoice("partly", lazy("The trainee is right in part")),
            SelectChoice("refuse", lazy("The marking stands")),
        ],
    )
    words = TextAreaField(
        lazy("Reason, as the trainee reads it"),
        validators=[InputRequired(lazy("Give the reason in a sentence.")), Length(max=2000)],
    )
