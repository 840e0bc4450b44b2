"""Forms of who may be a primary mentor."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wtforms import DateField, IntegerField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from lms.core.i18n import _, lazy, pick
from lms.programmes.forms import _trimmed
from lms.programmes.rules.mentoring import MOST_YEARS, TITLES
from lms.web.forms import Form

if TYPE_CHECKING:
    from lms.accounts.models import Person
    from lms.programmes.models import MentorQualification


class QualificationForm(Form):
    """On what ground, from when until when."""

    title = SelectField(lazy("Professional title"), [InputRequired(lazy("Choose a title."))])
    years = IntegerField(
        lazy("Years of work in such a unit"),
        [InputRequired(lazy("Give the years.")), NumberRange(0, MOST_YEARS)],
    )
    from_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    to_on = DateField(
        lazy("Last day"), [Optional()], description=lazy("Left empty, it counts until you end it.")
    )
    reason = StringField(
        lazy("Reason"),
        [InputRequired(lazy("Say why.")), Length(max=200)],
        filters=[_trimmed],
        description=lazy("Such as the teaching course taken, or why an exception is right."),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.title.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(code, pick(*names)) for code, names in TITLES.items()),
        ]

    @classmethod
    def of(cls, row: "MentorQualification") -> "QualificationForm":
        """The form with what stands; a correction gives its own reason."""
        return cls(title=row.title, years=row.years, from_on=row.from_on, to_on=row.to_on)


class NewQualificationForm(QualificationForm):
    """And of whom."""

    mentor = SelectField(lazy("Colleague"), [Optional()], validate_choice=False)
    login = StringField(
        lazy("Somebody else: e-mail address or phone number"),
        [Optional(), Length(max=254)],
        filters=[_trimmed],
    )

    def offer(self, people: "Iterable[Person]") -> None:
        """Give who mentors in the programme already."""
        self.mentor.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(row.public_id, row.name) for row in people),
        ]
