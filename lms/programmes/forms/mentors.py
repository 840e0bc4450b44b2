"""Forms of changing, ending, handing over and delegating."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wtforms import DateField, SelectChoice, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, Optional

from lms.core.i18n import _, lazy
from lms.programmes.forms import _trimmed
from lms.web.forms import Form

if TYPE_CHECKING:
    from lms.accounts.models import Person
    from lms.programmes.models import Pairing


def _people(people: "Iterable[Person]") -> list[SelectChoice]:
    return [SelectChoice("", _("Choose")), *(SelectChoice(row.public_id, row.name) for row in people)]


class _ReasonForm(Form):
    reason = StringField(
        lazy("Reason"), [InputRequired(lazy("Say why.")), Length(max=200)], filters=[_trimmed]
    )


class ChangeMentorForm(_ReasonForm):
    """Another mentor from a day on."""

    mentor = SelectField(lazy("Colleague"), [Optional()], validate_choice=False)
    login = StringField(
        lazy("Somebody else: e-mail address or phone number"),
        [Optional(), Length(max=254)],
        filters=[_trimmed],
    )
    from_on = DateField(lazy("From this day on"), [InputRequired(lazy("Give the first day."))])
    beyond = StringField(
        lazy("Why beyond the load cap"),
        [Optional(), Length(max=200)],
        filters=[_trimmed],
        description=lazy(
            "Only where the colleague has as many trainees as the cap allows. It is kept with the pairing."
        ),
    )

    def offer(self, people: "Iterable[Person]") -> None:
        """Give who mentors in the programme already."""
        self.mentor.choices = _people(people)


class HandOverForm(ChangeMentorForm):
    """A mentor leaves: which of their trainees go to whom."""

    pairings = SelectMultipleField(
        lazy("Who is handed over"), [InputRequired(lazy("Choose at least one."))], validate_choice=True
    )

    def offer_pairings(self, rows: "Iterable[tuple[Pairing, str]]") -> None:
        """Give what the mentor holds, in words."""
        self.pairings.choices = [SelectChoice(row.public_id, words) for row, words in rows]


class EndPairingForm(_ReasonForm):
    """The last day of a pairing."""

    last_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])


class DelegateForm(_ReasonForm):
    """A colleague who signs for some days."""

    deputy = SelectField(lazy("Colleague"), [InputRequired(lazy("Choose a colleague."))])
    from_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    to_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])

    def offer(self, people: "Iterable[Person]") -> None:
        """Give the colleagues."""
        self.deputy.choices = _people(people)
