"""Forms of hospitals."""

from wtforms import HiddenField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

from lms.core.i18n import lazy
from lms.programmes.models import Hospital
from lms.programmes.rules.places import HospitalFacts
from lms.web.forms import Form

TIERS = [
    SelectChoice("", lazy("No tier")),
    SelectChoice("3", lazy("Tier 3")),
    SelectChoice("2", lazy("Tier 2")),
    SelectChoice("1", lazy("Tier 1")),
]
GRADES = [
    SelectChoice("", lazy("No grade")),
    SelectChoice("甲", lazy("Grade A")),
    SelectChoice("乙", lazy("Grade B")),
    SelectChoice("丙", lazy("Grade C")),
]
REGIONS = [
    SelectChoice("", lazy("As the county says")),
    SelectChoice("east", lazy("East")),
    SelectChoice("central", lazy("Central")),
    SelectChoice("west", lazy("West")),
    SelectChoice("northeast", lazy("Northeast")),
]
RELATIONS = [
    SelectChoice("trainee-source", lazy("Sends trainees")),
    SelectChoice("base", lazy("Trains")),
    SelectChoice("partner", lazy("Partner")),
]


def _trimmed(text: str | None) -> str:
    return (text or "").strip()


class HospitalForm(Form):
    """What is true of a hospital."""

    name_zh = StringField(
        lazy("Chinese name of the hospital"),
        [InputRequired(lazy("Give the hospital’s name in Chinese.")), Length(max=120)],
        filters=[_trimmed],
    )
    name_en = StringField(
        lazy("English name of the hospital"),
        [InputRequired(lazy("Give the hospital’s name in English.")), Length(max=160)],
        filters=[_trimmed],
    )
    code = StringField(
        lazy("Code"),
        [Length(max=40)],
        filters=[_trimmed],
        description=lazy("Letters, digits and hyphens. Left empty, the hospital gets one."),
    )
    relation = SelectField(lazy("What it does here"), choices=RELATIONS, default="trainee-source")
    tier = SelectField(lazy("Tier"), choices=TIERS, default="")
    grade = SelectField(lazy("Grade"), choices=GRADES, default="")
    county_code = StringField(
        lazy("County code"),
        [Length(max=6)],
        filters=[_trimmed],
        description=lazy("Six digits, as in GB/T 2260. The region follows from it."),
    )
    region = SelectField(lazy("Region"), choices=REGIONS, default="")
    seen = HiddenField()

    @classmethod
    def of(cls, hospital: Hospital, number: int) -> "HospitalForm":
        """The form with what stands, and the number of that version."""
        return cls(obj=hospital, seen=str(number))

    def facts(self, *, code: str = "") -> HospitalFacts:
        """What was typed; ``code`` stands in for one left empty."""
        return HospitalFacts(
            code=self.code.data or code,
            name_zh=self.name_zh.data,
            name_en=self.name_en.data,
            tier=self.tier.data,
            grade=self.grade.data,
            county_code=self.county_code.data,
            region=self.region.data,
            relation=self.relation.data,
        )
