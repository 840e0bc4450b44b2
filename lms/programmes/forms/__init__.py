"""Forms of programmes."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from wtforms import DateField, IntegerField, RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from lms.core.i18n import _, lazy, pick
from lms.web.forms import Form

if TYPE_CHECKING:
    from lms.accounts.models import Person
    from lms.programmes.models import Hospital, Placement, Programme

UNITS = [
    SelectChoice("NICU", lazy("NICU")),
    SelectChoice("PICU", lazy("PICU")),
    SelectChoice("other", lazy("Other unit")),
]
KINDS = [
    SelectChoice("primary", lazy("Mentor")),
    SelectChoice("second", lazy("Second assessor")),
    SelectChoice("deputy", lazy("Deputy")),
]


def _trimmed(text: str | None) -> str:
    return (text or "").strip()


class ProgrammeForm(Form):
    """A new programme and the hospital that runs it."""

    code = StringField(
        lazy("Code"),
        [InputRequired(lazy("Give a code.")), Length(max=8)],
        filters=[_trimmed],
        description=lazy("2 to 8 capital letters or digits; the number of every certificate begins with it."),
    )
    title_zh = StringField(
        lazy("Chinese name of the programme"),
        [InputRequired(lazy("Give the name in Chinese.")), Length(max=160)],
        filters=[_trimmed],
    )
    title_en = StringField(
        lazy("English name of the programme"),
        [InputRequired(lazy("Give the name in English.")), Length(max=160)],
        filters=[_trimmed],
    )
    hospital_zh = StringField(
        lazy("Chinese name of the training hospital"),
        [InputRequired(lazy("Give the hospital’s name in Chinese.")), Length(max=120)],
        filters=[_trimmed],
        description=lazy("As it stands on the certificate."),
    )
    hospital_en = StringField(
        lazy("English name of the training hospital"),
        [InputRequired(lazy("Give the hospital’s name in English.")), Length(max=160)],
        filters=[_trimmed],
    )
    director_name = StringField(
        lazy("Programme director"),
        [InputRequired(lazy("Give the director’s name.")), Length(max=60)],
        filters=[_trimmed],
        description=lazy("As printed on the certificate."),
    )


class CohortForm(Form):
    """A new intake."""

    programme = SelectField(lazy("Programme"), [InputRequired()])
    code = StringField(
        lazy("Code"),
        [InputRequired(lazy("Give a code.")), Length(max=20)],
        filters=[_trimmed],
        description=lazy("Short, as it stands in lists: 2026A."),
    )
    name_zh = StringField(
        lazy("Chinese name of the cohort"),
        [InputRequired(lazy("Give the name in Chinese.")), Length(max=120)],
        filters=[_trimmed],
    )
    name_en = StringField(
        lazy("English name of the cohort"),
        [InputRequired(lazy("Give the name in English.")), Length(max=120)],
        filters=[_trimmed],
    )
    start_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    end_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])
    hours = IntegerField(lazy("Study hours"), [Optional(), NumberRange(1, 5000)])

    def offer(self, programmes: Iterable["Programme"]) -> None:
        """Give the programmes that the actor may choose."""
        self.programme.choices = [
            SelectChoice(row.public_id, pick(row.title_zh, row.title_en)) for row in programmes
        ]


class EnrolForm(Form):
    """A person who joins a cohort, known by how they sign in."""

    login = StringField(
        lazy("E-mail address or phone number"),
        [
            InputRequired(lazy("Give the e-mail address or phone number with which the person signs in.")),
            Length(max=254),
        ],
        filters=[_trimmed],
        description=lazy("As in the person’s account. New people get their account first."),
    )
    track = RadioField(lazy("Track"), [InputRequired(lazy("Choose a track."))])
    home_hospital = SelectField(lazy("Home hospital"), [Optional()], validate_choice=False)

    def offer(self, tracks: Sequence[tuple[str, str]], hospitals: Iterable["Hospital"]) -> None:
        """Give tracks and hospitals."""
        self.track.choices = [SelectChoice(code, name) for code, name in tracks]
        self.home_hospital.choices = [
            SelectChoice("", _("Not given")),
            *(SelectChoice(row.public_id, pick(row.name_zh, row.name_en)) for row in hospitals),
        ]


class PlaceForm(Form):
    """A trainee's weeks in a unit."""

    unit = RadioField(lazy("Unit"), [InputRequired(lazy("Choose a unit."))], choices=UNITS)
    from_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    to_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])


class PairForm(Form):
    """A colleague who mentors or assesses a trainee for some days of a placement."""

    placement = SelectField(lazy("Placement"), [InputRequired(lazy("Choose a placement."))])
    kind = RadioField(
        lazy("As what?"), [InputRequired(lazy("Choose what the colleague will be."))], choices=KINDS
    )
    mentor = SelectField(lazy("Colleague"), [Optional()], validate_choice=False)
    login = StringField(
        lazy("Somebody else: e-mail address or phone number"),
        [Optional(), Length(max=254)],
        filters=[_trimmed],
    )
    from_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    to_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])
    beyond = StringField(
        lazy("Why beyond the load cap"),
        [Optional(), Length(max=200)],
        filters=[_trimmed],
        description=lazy(
            "Only where the colleague has as many trainees as the cap allows. It is kept with the pairing."
        ),
    )

    def offer(self, placements: Iterable[tuple["Placement", str]], colleagues: Iterable["Person"]) -> None:
        """Give the placements with their words, and who mentors in the programme already."""
        self.placement.choices = [SelectChoice(row.public_id, words) for row, words in placements]
        self.mentor.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(row.public_id, row.name) for row in colleagues),
        ]
