"""Shapes of input."""

from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import AnyOf, DataRequired, InputRequired, Length, NumberRange, Optional

from lms.core.i18n import lazy
from lms.web.confirm import ConfirmingForm
from lms.web.forms import FileField, Form


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
    items = IntegerField(
        lazy("Items approved by the competence committee, at least"),
        validators=[Optional(), NumberRange(0, 500)],
        default=None,
    )
    reason = StringField(lazy("Reason for the change"), validators=[Optional(), Length(max=1000)])


class WaiverForm(Form):
    """Which open requirement is waived for a trainee, and why."""

    fact = HiddenField(validators=[Length(max=40)])
    reason = StringField(lazy("Reason"), validators=[Optional(), Length(max=1000)])


class DecideForm(Form):
    """A second person's decision."""

    outcome = HiddenField(validators=[AnyOf(("approved", "refused"))])
    seen = HiddenField(validators=[Length(max=64)])
    words = StringField(lazy("Your words (needed to refuse)"), validators=[Optional(), Length(max=1000)])


class ReasonForm(ConfirmingForm):
    """Why an act on a certificate is done, by somebody who has just confirmed that it is them."""

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


class FileForm(Form):
    """A certificate's PDF that somebody was handed."""

    file = FileField(lazy("PDF of a certificate"))


class PlanForm(Form):
    """By whose rules a cohort's credits are counted."""

    jurisdiction = RadioField(
        lazy("Rules"),
        choices=[
            SelectChoice("CN", lazy("China (CN-2006 until 2024, CN-2024 since)")),
            SelectChoice("EACCME", lazy("Europe (EACCME)")),
            SelectChoice("AMA", lazy("United States (AMA PRA Category 1)")),
        ],
        default="CN",
    )
    project_number = StringField(
        lazy("Project or accreditation number"),
        validators=[Optional(), Length(max=60)],
        description=lazy(
            "Without one, what is studied counts as self-study, at most 10 credits a year in China."
        ),
    )
    level = RadioField(
        lazy("Level of the project"),
        choices=[SelectChoice("national", lazy("National")), SelectChoice("provincial", lazy("Provincial"))],
        default="national",
        description=lazy("Only the rules of China until 2024 tell the two apart."),
    )
    project_cap = IntegerField(
        lazy("Credits that the project brings one person at most"),
        validators=[Optional(), NumberRange(1, 500)],
        default=None,
    )


class StatementForm(ChooseForm):
    """Whom to certify, for which period."""

    first = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    last = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])


class CorrectForm(ConfirmingForm):
    """Why a line of a ledger is taken out or put back, by somebody who has just confirmed that it is them."""

    reason = TextAreaField(
        lazy("Reason"),
        validators=[InputRequired(lazy("Say why; the reason stays in the ledger.")), Length(max=300)],
    )
