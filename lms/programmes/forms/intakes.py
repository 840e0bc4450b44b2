"""Forms of programmes and cohorts that stand already."""

from typing import Any

from wtforms import BooleanField, DateField, IntegerField, SelectChoice, SelectField, StringField, TimeField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from lms.core.i18n import lazy
from lms.programmes.models import Cohort
from lms.programmes.rules import TRACKS, intakes
from lms.programmes.rules.mentoring import MOST_CAP
from lms.programmes.rules.places import REGIONS
from lms.web.forms import Form

STATES = [
    SelectChoice("planned", lazy("planned")),
    SelectChoice("running", lazy("running")),
    SelectChoice("closed", lazy("closed")),
]


def _trimmed(text: str | None) -> str:
    return (text or "").strip()


def _name(label: str, missing: str, most: int = 120) -> StringField:
    return StringField(label, [InputRequired(missing), Length(max=most)], filters=[_trimmed])


def _seats(label: str) -> IntegerField:
    return IntegerField(label, [Optional(), NumberRange(0, intakes.MOST_SEATS)])


class ProgrammeEditForm(Form):
    """What can change about a programme."""

    title_zh = _name(lazy("Chinese name of the programme"), lazy("Give the name in Chinese."), 160)
    title_en = _name(lazy("English name of the programme"), lazy("Give the name in English."), 160)
    director_name = StringField(
        lazy("Programme director"),
        [InputRequired(lazy("Give the director’s name.")), Length(max=60)],
        filters=[_trimmed],
        description=lazy("As printed on the certificate."),
    )
    mentor_cap = IntegerField(
        lazy("Trainees of one mentor at a time"),
        [Optional(), NumberRange(1, MOST_CAP)],
        description=lazy(
            "Primary mentors only; a delegation does not count. More needs the director’s reason."
        ),
    )
    asks_qualification = BooleanField(
        lazy("Only who is entered as qualified becomes a primary mentor"),
    )


class CohortEditForm(Form):
    """What can change about a cohort."""

    name_zh = _name(lazy("Chinese name of the cohort"), lazy("Give the name in Chinese."))
    name_en = _name(lazy("English name of the cohort"), lazy("Give the name in English."))
    start_on = DateField(lazy("First day"), [InputRequired(lazy("Give the first day."))])
    end_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the last day."))])
    hours = IntegerField(lazy("Study hours"), [Optional(), NumberRange(1, 5000)])
    state = SelectField(lazy("Status"), choices=STATES)
    seats_total = _seats(lazy("Seats in all"))
    seats_PED = _seats(lazy("Pediatrician"))  # noqa: N815 (named like the track)
    seats_GP = _seats(lazy("General practitioner"))  # noqa: N815
    seats_NURSE = _seats(lazy("Nurse"))  # noqa: N815
    seats_east = _seats(lazy("East"))
    seats_central = _seats(lazy("Central"))
    seats_west = _seats(lazy("West"))
    seats_northeast = _seats(lazy("Northeast"))

    @classmethod
    def of(cls, cohort: Cohort) -> "CohortEditForm":
        """The form with what stands."""
        seats = cohort.seats
        limits = {"total": seats.get("total"), **seats.get("track", {}), **seats.get("region", {})}
        return cls(obj=cohort, data={f"seats_{name}": limit for name, limit in limits.items()})

    def seats(self) -> dict[str, Any]:
        """The seats as a cohort keeps them."""
        return intakes.seats_of(
            self.seats_total.data,
            {name: self[f"seats_{name}"].data for name in TRACKS},
            {name: self[f"seats_{name}"].data for name in REGIONS},
        )


class EventForm(Form):
    """A date of a cohort's timetable."""

    title_zh = _name(lazy("What, in Chinese"), lazy("Say in Chinese what it is."))
    title_en = _name(lazy("What, in English"), lazy("Say in English what it is."))
    day = DateField(lazy("Day"), [InputRequired(lazy("Give the day."))])
    begins = TimeField(lazy("Begins"), [Optional()])
    ends = TimeField(lazy("Ends"), [Optional()])
    place = StringField(lazy("Where"), [Length(max=120)], filters=[_trimmed])
