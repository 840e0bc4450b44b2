"""Shapes of input."""

from wtforms import HiddenField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from lms.core.i18n import lazy
from lms.web.forms import Form


class ChooseForm(Form):
    """Whom to issue; each value is an enrolment's public id."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    id = SelectMultipleField(lazy("Trainees"), validate_choice=False)


class RevokeForm(Form):
    """Why a certificate is taken back."""

    reason = TextAreaField(
        lazy("Reason"),
        validators=[
            InputRequired(lazy("Say why; the reason is kept with the certificate.")),
            Length(max=300),
        ],
    )


class SerialForm(Form):
    """A certificate number as a person types it."""

    serial = StringField(
        lazy("Certificate number"),
        validators=[DataRequired(lazy("Type the number printed on the certificate.")), Length(max=60)],
    )
