"""Pure decisions about hospitals: tier, grade, county and the region that follows from it."""

import re
from dataclasses import dataclass, replace
from datetime import date

from lms.core.errors import RuleBroken
from lms.core.i18n import _

TIERS = ("3", "2", "1", "")
GRADES = ("甲", "乙", "丙", "")
REGIONS = ("east", "central", "west", "northeast")
RELATIONS = ("base", "partner", "trainee-source")

REGION_OF_PROVINCE = {
    **dict.fromkeys(("11", "12", "13", "31", "32", "33", "35", "37", "44", "46"), "east"),
    **dict.fromkeys(("14", "34", "36", "41", "42", "43"), "central"),
    **dict.fromkeys(("15", "45", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65"), "west"),
    **dict.fromkeys(("21", "22", "23"), "northeast"),
}
"""The first two digits of a county code (GB/T 2260) → the region of the National Bureau of Statistics (2011).
Taiwan (71), Hong Kong (81) and Macao (82) lie in none of the four."""
OTHER_PROVINCES = ("71", "81", "82")

_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,39}")


@dataclass(frozen=True)
class HospitalFacts:
    """Everything a person says of a hospital; two equal ones are the same statement."""

    code: str
    name_zh: str
    name_en: str
    tier: str = ""
    grade: str = ""
    county_code: str = ""
    region: str = ""
    relation: str = "trainee-source"
    closed_on: date | None = None


def region_of(county_code: str) -> str:
    """The region in which a county lies; empty for a province that lies in none. Raises RuleBroken ``county``."""
    if not re.fullmatch(r"[0-9]{6}", county_code):
        raise RuleBroken(
            "county", _("A county code has six digits, as in GB/T 2260: 513233."), field="county_code"
        )
    province = county_code[:2]
    if province not in REGION_OF_PROVINCE and province not in OTHER_PROVINCES:
        raise RuleBroken(
            "county", _("No province has a code that begins with these digits."), field="county_code"
        )
    if county_code[2:] == "0000":
        raise RuleBroken(
            "county", _("This is the code of a province. Give the county’s."), field="county_code"
        )
    return REGION_OF_PROVINCE.get(province, "")


def settled(facts: HospitalFacts) -> HospitalFacts:
    """The facts with the region that follows from the county. Raises RuleBroken where they contradict each other."""
    if not _CODE.fullmatch(facts.code):
        raise RuleBroken(
            "hospital_code", _("The code has up to 40 letters, digits or hyphens."), field="code"
        )
    if not facts.name_zh:
        raise RuleBroken("name_missing", _("Give the hospital’s name in Chinese."), field="name_zh")
    if facts.tier not in TIERS:
        raise RuleBroken("tier", _("Choose a tier."), field="tier")
    if facts.grade not in GRADES:
        raise RuleBroken("grade", _("Choose a grade."), field="grade")
    if facts.grade and not facts.tier:
        raise RuleBroken("grade", _("A grade needs a tier."), field="grade")
    if facts.relation not in RELATIONS:
        raise RuleBroken("relation", _("Choose what the hospital does here."), field="relation")
    if facts.region not in (*REGIONS, ""):
        raise RuleBroken("region", _("Choose a region."), field="region")
    if not facts.county_code:
        return facts
    region = region_of(facts.county_code)
    if facts.region not in ("", region):
        raise RuleBroken("region", _("The county lies in another region."), field="region")
    return replace(facts, region=region)
