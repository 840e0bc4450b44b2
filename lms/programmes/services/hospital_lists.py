"""Import of a list of hospitals: what it would do, then doing it. Doing it twice changes nothing."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import or_, select

from lms import policy
from lms.core import audit, imports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import Cells, Column, Preview, Row, Sheet
from lms.policy import Actor, Permission
from lms.programmes.models import Hospital
from lms.programmes.rules import lists
from lms.programmes.rules.places import HospitalFacts, settled
from lms.programmes.services.places import enter_hospital, facts_of

MOST_ROWS = 2_000


@dataclass(frozen=True)
class Planned:
    """One hospital of the list, and what will happen."""

    number: int
    facts: HospitalFacts
    """With an empty code where it will get one."""
    is_known: bool


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    preview: Preview
    rows: tuple[Planned, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is left to put right."""
        return not self.preview.errors and bool(self.rows)


def columns() -> list[Column]:
    """The columns of the list, with the words that their headers may say."""
    return [
        Column(
            "name_zh",
            (
                "医院中文名称",
                "Chinese name of the hospital",
                "医院名称",
                "医院",
                "医院中文名",
                "中文名称",
                "名称",
                "单位名称",
                "Hospital",
            ),
            required=True,
            parse=_within(120),
            unique=True,
        ),
        Column(
            "name_en",
            ("医院英文名称", "English name of the hospital", "英文名称", "医院英文名", "英文名"),
            parse=_within(160),
        ),
        Column("code", ("代码", "Code", "医院代码", "编码", "编号"), parse=_within(40), unique=True),
        Column("tier", ("级别", "Tier", "医院级别", "医院等级", "等级"), parse=lists.tier_and_grade),
        Column("grade", ("等次", "Grade", "医院等次"), parse=lists.grade_of),
        Column(
            "county_code",
            ("县级代码", "County code", "区县代码", "县区代码", "区划代码", "行政区划代码"),
            parse=_within(6),
        ),
        Column("region", ("地区", "Region", "区域", "所在地区"), parse=lists.region_word),
        Column(
            "relation",
            ("在本项目中的角色", "What it does here", "角色", "作用", "类型", "医院类型"),
            parse=lists.relation_word,
        ),
    ]


def _within(most: int) -> imports.Parser:
    """A parser: a text of at most so many characters."""

    def parse(text: str) -> str:
        if len(text) > most:
            raise RuleBroken("too_long", _("At most %(most)s characters.", most=most))
        return text

    return parse


def plan(sheet: Sheet, *, excluded: Collection[int], by: Actor) -> Plan:
    """What the list would do, without doing it. Raises RuleBroken where the file holds no list of hospitals."""
    policy.require(by, Permission.COHORT_MANAGE, None)
    found = imports.preview(sheet, columns(), excluded=excluded)
    if len(found.rows) > MOST_ROWS:
        raise RuleBroken("too_many_rows", _("The file has more than %(limit)s rows.", limit=MOST_ROWS))
    cells = Cells(sheet, found)
    names = {row.values["name_zh"] for row in found.rows}
    codes = {row.values["code"] for row in found.rows if row.values["code"]}
    known = db.session.scalars(
        select(Hospital).where(or_(Hospital.name_zh.in_(names), Hospital.code.in_(codes)))
    ).all()
    by_name = {one.name_zh: one for one in reversed(known)}
    by_code = {one.code: one for one in known}
    rows: list[Planned] = []
    for row in found.rows:
        code = row.values["code"]
        same = by_code.get(code) if code else by_name.get(row.values["name_zh"])
        try:
            facts = settled(_facts(row, facts_of(same) if same else None))
            _require_no_other(facts, same, by_name)
        except RuleBroken as refusal:
            cells.refuse(row, _column(row, refusal), refusal)
            continue
        wrong = _differs(facts, same)
        if wrong is not None:
            cells.refuse(row, *wrong)
            continue
        rows.append(Planned(row.number, facts if code or same else replace(facts, code=""), same is not None))
    return Plan(replace(found, errors=tuple(cells.errors)), tuple(rows))


def _facts(row: Row, before: HospitalFacts | None) -> HospitalFacts:
    """What a row says; of a known hospital an empty cell says what is known already."""
    values = row.values
    tier, beside = values["tier"] or (None, "")
    if beside and values["grade"] not in (None, beside):
        raise RuleBroken("grade", _("The tier’s cell names another grade."), field="grade")
    given = {
        "code": values["code"],
        "name_zh": values["name_zh"],
        "name_en": values["name_en"],
        "tier": tier,
        "grade": values["grade"] if values["grade"] is not None else beside or None,
        "county_code": values["county_code"],
        "region": values["region"],
        "relation": values["relation"],
    }
    said = {name: value for name, value in given.items() if value is not None}
    if before is not None:
        if "county_code" in said and "region" not in said:
            said["region"] = ""  # follows from the county
        return replace(before, **said)
    return HospitalFacts(**{"code": "new", "name_en": "", **said})  # a code of its own comes with the import


def _column(row: Row, refusal: RuleBroken) -> str:
    """Where a contradiction is shown: a grade that was written in the tier's cell belongs there."""
    if refusal.field == "grade" and row.values["grade"] is None:
        return "tier"
    return refusal.field or "name_zh"


def _require_no_other(facts: HospitalFacts, same: Hospital | None, by_name: dict[str, Hospital]) -> None:
    other = by_name.get(facts.name_zh)
    if other is not None and other is not same:
        raise RuleBroken(
            "hospital_known",
            _("A hospital of this name is known under the code %(code)s.", code=other.code),
            field="name_zh",
        )


def _differs(facts: HospitalFacts, same: Hospital | None) -> tuple[str, RuleBroken] | None:
    """The first fact that differs from what is known. A list adds hospitals; one that stands is changed on its page."""
    if same is None:
        return None
    known = asdict(facts_of(same))
    for name, value in asdict(facts).items():
        if value != known[name]:
            refusal = RuleBroken(
                "hospital_differs",
                _(
                    "This hospital is known with “%(known)s” here. Change it on its own page, or leave the row out.",
                    known=known[name] or _("nothing"),
                ),
            )
            return name, refusal
    return None


def carry_out(rows: Iterable[Planned], *, at: datetime, by: Actor) -> int:
    """Enter the hospitals of a list, all or none; answers how many were new."""
    policy.require(by, Permission.COHORT_MANAGE, None)
    new = [enter_hospital(row.facts, at=at, by=by) for row in rows if not row.is_known]
    if new:
        audit.record(
            "programmes.hospital.import", scope="site", at=at, account_id=by.account_id, rows=len(new)
        )
    return len(new)
