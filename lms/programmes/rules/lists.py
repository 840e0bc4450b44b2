"""What people write in lists: tiers and grades, regions, tracks, units, in Chinese or English, by their names or codes."""

import re
import unicodedata
from collections.abc import Mapping

from lms.core.errors import RuleBroken
from lms.core.i18n import _


def plain(text: str) -> str:
    """A word without what people write differently: width, case, spaces, stops."""
    return re.sub(r"[\s·.,_\-]+", "", unicodedata.normalize("NFKC", text).casefold())


_TIER = re.compile(r"(?:tier)?([三二一123])(?:级)?(?:([甲乙丙abc])等?)?(?:医院)?")
_DIGIT = {"三": "3", "二": "2", "一": "1"}
_LETTER = {"a": "甲", "b": "乙", "c": "丙"}
_NONE = {"未定级", "未评级", "未定等", "无", "无等级", "none", "notier", "nograde", "0"}


def tier_and_grade(text: str) -> tuple[str, str]:
    """Tier and, where it is written beside it, grade: 三级甲等, 三甲, 二级, 3, Tier 2, 未定级."""
    word = plain(text)
    if word in _NONE:
        return "", ""
    match = _TIER.fullmatch(word)
    if match is None:
        raise RuleBroken(
            "tier", _("This is no tier. Write 三级, 二级, 一级 or 未定级, with 甲等 where it has a grade.")
        )
    tier, grade = match.groups()
    return _DIGIT.get(tier, tier), _LETTER.get(grade or "", grade or "")


def grade_of(text: str) -> str:
    """A grade: 甲, 甲等, A, Grade A, 无."""
    word = plain(text).removeprefix("grade").removesuffix("等")
    if word in _NONE or word == "无":
        return ""
    found = _LETTER.get(word, word)
    if found not in {"甲", "乙", "丙"}:
        raise RuleBroken("grade", _("This is no grade. Write 甲, 乙 or 丙."))
    return found


_REGIONS = {
    "east": ("east", "东部", "东部地区", "东"),
    "central": ("central", "中部", "中部地区", "中"),
    "west": ("west", "西部", "西部地区", "西"),
    "northeast": ("northeast", "东北", "东北地区"),
}
_RELATIONS = {
    "base": ("base", "培训基地", "基地", "培训医院", "trains", "承担培训"),
    "partner": ("partner", "协作医院", "合作医院", "协作单位", "合作单位"),
    "trainee-source": ("trainee-source", "选送医院", "选送单位", "派出医院", "sends trainees", "选送学员"),
}
_UNITS = {
    "NICU": (
        "nicu",
        "新生儿重症",
        "新生儿重症监护",
        "新生儿重症监护室",
        "新生儿重症监护病房",
        "新生儿科",
        "新生儿icu",
    ),
    "PICU": (
        "picu",
        "儿童重症",
        "儿童重症监护",
        "儿童重症监护室",
        "儿童重症监护病房",
        "儿科重症",
        "儿科icu",
        "重症医学科",
    ),
    "other": ("other", "other unit", "其他", "其他病区", "其他科室", "其它"),
}
_TRACKS = {
    "PED": ("ped", "pediatrician", "paediatrician", "pediatrics", "儿科", "儿科医师", "儿科医生"),
    "GP": ("gp", "general practitioner", "全科", "全科医师", "全科医生"),
    "NURSE": ("nurse", "nursing", "护理", "护士"),
}


def _one_of(words: Mapping[str, tuple[str, ...]], text: str) -> str:
    """The code that a word stands for; empty for a word that is not known."""
    wanted = plain(text)
    return next((code for code, known in words.items() if wanted in {plain(word) for word in known}), "")


def region_word(text: str) -> str:
    """A region. Raises RuleBroken ``region``."""
    found = _one_of(_REGIONS, text)
    if not found:
        raise RuleBroken("region", _("This is no region. Write 东部, 中部, 西部 or 东北."))
    return found


def relation_word(text: str) -> str:
    """What a hospital does here. Raises RuleBroken ``relation``."""
    found = _one_of(_RELATIONS, text)
    if not found:
        raise RuleBroken("relation", _("Write 培训基地, 选送医院 or 协作医院."))
    return found


def unit_word(text: str) -> str:
    """A unit. Raises RuleBroken ``unit``."""
    found = _one_of(_UNITS, text)
    if not found:
        raise RuleBroken("unit", _("This is no unit. Write NICU, PICU or 其他."))
    return found


def track_word(text: str) -> str:
    """A track. Raises RuleBroken ``track``."""
    found = _one_of(_TRACKS, text)
    if not found:
        raise RuleBroken("track", _("This is no track. Write 儿科, 全科 or 护理."))
    return found
