"""Shapes of input."""

from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from lms.core.i18n import lazy
from lms.web.forms import Form


class ChooseForm(Form):
    """Whom to issue; each value is an enrolment's public id."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    id = SelectMultipleField(lazy("Trainees"), validate_choice=False)


class RuleForm(Form):
    """What a cohort's certificate asks for."""

    lectures = BooleanField(lazy("Every published lecture is watched"), default=True)
    tests = BooleanField(lazy("Every published test that counts is passed"), default=True)
    entries = IntegerField(
        lazy("Signed log entries, at least"), validators=[Optional(), NumberRange(0, 5000)], default=None
    )


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
