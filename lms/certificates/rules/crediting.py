"""Minutes attended into credits and hours (学时), by dated tables: pure.

Two ledgers stand side by side, credits and hours, and neither is ever derived from the other: the annual target of
CN-2024 is 25 credits and 90 hours, while 25 credits at 180 minutes would be 75 hours.

What is counted here: minutes that somebody was there (K1), by the table that is valid on the day of the activity (K2); a
film counts once a test is passed (K3). Entries keep exact rationals; caps and rounding come once, on the sum of a
calendar year, so that twelve lectures of 20 minutes are four hours and not nothing.
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from lms.core.errors import RuleBroken
from lms.core.i18n import _

KINDS = ("lecture", "placement", "session")
"""What can be counted: a lecture watched, a placement (进修), a session attended or given."""
ROLES = ("learner", "speaker")
LEVELS = ("national", "provincial")
"""Level of a project in China; only CN-2006 tells them apart."""
JURISDICTIONS = ("CN", "EACCME", "AMA")

PROJECT, SELF_STUDY, PLACEMENT = "project", "self_study", "placement"
"""By what an activity is counted: as part of an approved project, as planned self-study, as a training placement."""

HALF_DAY_S = 4 * 3600
"""Seconds of an attended half day; a confirmed day says that somebody was there, not for how many minutes."""
ATTENDED_SHARE = Fraction(9, 10)
"""Part of the planned days of a placement that must have been attended, as the programme's certificate asks."""


@dataclass(frozen=True)
class Rate:
    """``unit_minutes`` in this part are worth ``credits``."""

    category: str
    unit_minutes: int
    credits: Fraction
    role: str = "learner"
    level: str = ""
    """Only for projects of this level; empty: of any."""
    year_cap: Fraction | None = None
    """Credits that one calendar year can bring in this category at most."""


@dataclass(frozen=True)
class Award:
    """What a training placement brings as a whole, once it has lasted so many calendar months."""

    months: int
    credits: Fraction
    hours: Fraction


@dataclass(frozen=True)
class Table:
    """The rules of one jurisdiction from one day to another (inclusive; None: until further notice)."""

    code: str
    jurisdiction: str
    from_on: date
    to_on: date | None
    rates: tuple[Rate, ...]
    step: Fraction
    """Credits and hours of a year come in steps of this size."""
    nearest: bool = False
    """Rounded to the nearest step (half a step up); else down."""
    award: Award | None = None
    hour_minutes: int | None = 60
    """Minutes of one hour (学时); None where the table knows no hours."""
    year_target: tuple[int, int] | None = None
    """Credits and hours that a year asks for."""


HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)

CN_2006 = Table(
    code="CN-2006",
    jurisdiction="CN",
    from_on=date(2006, 1, 1),
    to_on=date(2024, 12, 31),
    rates=(
        Rate(PROJECT, 180, Fraction(1), level="national"),
        Rate(PROJECT, 60, Fraction(2), role="speaker", level="national"),
        Rate(PROJECT, 360, Fraction(1), level="provincial"),
        Rate(PROJECT, 60, Fraction(1), role="speaker", level="provincial"),
    ),
    step=HALF,
    award=Award(6, Fraction(25), Fraction(0)),
)
"""《继续医学教育学分授予与管理办法》 (2006), in force until the end of 2024: national projects 3 hours for a credit, speakers
2 credits an hour; provincial ones 6 hours, speakers 1 an hour; a placement of six months brings the year's 25.

Source: common knowledge, to be verified before it is relied on. The rule had no target of hours."""

CN_2024 = Table(
    code="CN-2024",
    jurisdiction="CN",
    from_on=date(2025, 1, 1),
    to_on=None,
    rates=(
        Rate(PROJECT, 180, Fraction(1)),
        Rate(SELF_STUDY, 180, Fraction(1), year_cap=Fraction(10)),
    ),
    step=HALF,
    award=Award(3, Fraction(25), Fraction(90)),
    year_target=(25, 90),
)
"""国卫办科教发〔2024〕20号 (23 October 2024) 《继续医学教育学分管理办法（试行）》: 25 credits and 90 hours a year
(wjw.fujian.gov.cn/xxgk/fgwj/gjwj/202411/t20241108_6563549.htm). From secondary summaries, to be verified: 3 hours for a
credit, self-study at most 10 credits a year after an assessment, a placement (进修) of three months brings the whole
year's credits (fudaoke.com/exam/2769832.html). What it gives to speakers is not known here and is not counted."""

EACCME = Table(
    code="EACCME",
    jurisdiction="EACCME",
    from_on=date(2000, 1, 1),
    to_on=None,
    rates=(Rate(PROJECT, 30, HALF),),
    step=HALF,
)
"""European Accreditation Council for CME: half an hour of an accredited activity for half a credit (ECMEC), whole half
hours only; what an activity brings at most is the project's own cap. Common knowledge, to be verified."""

AMA = Table(
    code="AMA",
    jurisdiction="AMA",
    from_on=date(2000, 1, 1),
    to_on=None,
    rates=(Rate(PROJECT, 60, Fraction(1)),),
    step=QUARTER,
    nearest=True,
)
"""AMA PRA Category 1: an hour for a credit, to the nearest quarter of an hour. Common knowledge, to be verified."""

TABLES = (CN_2006, CN_2024, EACCME, AMA)


def table_on(jurisdiction: str, day: date) -> Table | None:
    """The table of a jurisdiction that is valid on the day of an activity (K2).

    >>> table_on("CN", date(2024, 12, 31)).code, table_on("CN", date(2025, 1, 1)).code
    ('CN-2006', 'CN-2024')
    """
    return next(
        (
            one
            for one in TABLES
            if one.jurisdiction == jurisdiction
            and one.from_on <= day
            and (one.to_on is None or day <= one.to_on)
        ),
        None,
    )


def table(code: str) -> Table:
    """A table by its code."""
    return next(one for one in TABLES if one.code == code)


@dataclass(frozen=True)
class Plan:
    """How a cohort's activities are counted."""

    jurisdiction: str = "CN"
    project_number: str = ""
    """Number of the approved project (项目编号) or accreditation; empty: there is none, what is studied is self-study."""
    level: str = "national"
    project_cap: int | None = None
    """Credits that the project brings one person at most; None: no cap."""


def require_plan(plan: Plan) -> None:
    """Refuse a plan that no table could count by: ``plan_jurisdiction``, ``plan_level``, ``plan_number``, ``plan_cap``."""
    if plan.jurisdiction not in JURISDICTIONS:
        raise RuleBroken(
            "plan_jurisdiction", _("Choose by whose rules credits are counted."), field="jurisdiction"
        )
    if plan.level not in LEVELS:
        raise RuleBroken("plan_level", _("Choose the level of the project."), field="level")
    if plan.jurisdiction != "CN" and not plan.project_number:
        raise RuleBroken(
            "plan_number",
            _("These rules count accredited activities only: enter the number of the accreditation."),
            field="project_number",
        )
    if plan.project_cap is not None and plan.project_cap < 1:
        raise RuleBroken("plan_cap", _("The most credits must be a number from 1."), field="project_cap")


@dataclass(frozen=True)
class Worth:
    """What an activity is worth, exactly: before caps and rounding."""

    table: str
    category: str
    credits: Fraction
    hours: Fraction


def worth(
    kind: str, *, role: str, seconds: int, day: date, plan: Plan, is_tested: bool = True
) -> Worth | None:
    """What so many attended seconds of a lecture or session are worth; None where no table counts them.

    ``is_tested``: whether a test was passed, without which a lecture counts nothing (K3).

    >>> worth("session", role="learner", seconds=3 * 3600, day=date(2025, 3, 1), plan=Plan(project_number="1")).credits
    Fraction(1, 1)
    """
    found = table_on(plan.jurisdiction, day)
    if found is None or seconds <= 0 or (kind == "lecture" and not is_tested):
        return None
    category = PROJECT if plan.project_number else SELF_STUDY
    for rate in found.rates:
        if (rate.category, rate.role) == (category, role) and rate.level in ("", plan.level):
            exact = Fraction(seconds, 60 * rate.unit_minutes) * rate.credits
            hours = Fraction(seconds, 60 * found.hour_minutes) if found.hour_minutes else Fraction(0)
            return Worth(found.code, category, exact, hours)
    return None


@dataclass(frozen=True)
class Reached:
    """A placement that has lasted long enough, and the day on which it had."""

    day: date
    seconds: int
    """Attended by that day."""
    worth: Worth


def reached(halves: Mapping[date, int], planned: Sequence[date], *, plan: Plan) -> Reached | None:
    """The first day on which a placement brings its award; ``halves``: attended half days, ``planned``: days in order.

    From the first attended day on, the calendar months of the table valid on that day must have passed, and nine tenths
    of the days planned in that time must have been attended.
    """
    days = sorted(day for day, number in halves.items() if number)
    total = 0
    for day in days:
        total += halves[day]
        found = table_on(plan.jurisdiction, day)
        if found is None or found.award is None:
            continue
        if day + timedelta(days=1) < after_months(days[0], found.award.months):
            continue
        asked = bisect_right(planned, day) - bisect_left(planned, days[0])
        if Fraction(total, 2) >= ATTENDED_SHARE * asked:
            award = found.award
            return Reached(day, total * HALF_DAY_S, Worth(found.code, PLACEMENT, award.credits, award.hours))
    return None


def after_months(day: date, months: int) -> date:
    """The same day so many calendar months later, the last of the month where there is none.

    >>> after_months(date(2025, 11, 30), 3)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Line:
    """One entry of the ledger as far as sums need it; a counter-entry has everything negative."""

    table: str
    category: str
    day: date
    seconds: int
    credits: Fraction
    hours: Fraction


@dataclass(frozen=True)
class YearTotal:
    """A calendar year under one table, capped and rounded."""

    year: int
    table: str
    credits: Fraction
    hours: Fraction
    seconds: int
    is_capped: bool = False
    """Whether more was earned than the year may bring."""


def totals(lines: Iterable[Line], *, project_cap: int | None = None) -> tuple[YearTotal, ...]:
    """Sum entries by calendar year and table: caps first, then rounding; years in order, those of nothing left out."""
    sums: dict[tuple[int, str], dict[str, Fraction]] = {}
    seconds: dict[tuple[int, str], int] = {}
    hours: dict[tuple[int, str], Fraction] = {}
    for line in lines:
        year = line.day.year, line.table
        found = sums.setdefault(year, {})
        found[line.category] = found.get(line.category, Fraction(0)) + line.credits
        seconds[year] = seconds.get(year, 0) + line.seconds
        hours[year] = hours.get(year, Fraction(0)) + line.hours
    left = Fraction(project_cap) if project_cap is not None else None
    made = []
    for year in sorted(sums):
        rules = table(year[1])
        counted, is_capped = Fraction(0), False
        for category, amount in sorted(sums[year].items()):
            cap = next((one.year_cap for one in rules.rates if one.category == category), None)
            allowed = amount if cap is None else min(amount, cap)
            if category == PROJECT and left is not None:
                allowed = min(allowed, left)
                left -= allowed
            is_capped = is_capped or allowed < amount
            counted += allowed
        if seconds[year] or counted or hours[year]:
            made.append(
                YearTotal(
                    year[0],
                    year[1],
                    rounded(counted, rules),
                    rounded(hours[year], rules),
                    seconds[year],
                    is_capped,
                )
            )
    return tuple(made)


def rounded(amount: Fraction, table: Table) -> Fraction:
    """An amount in whole steps of its table.

    >>> rounded(Fraction(7, 8), AMA), rounded(Fraction(7, 8), EACCME)
    (Fraction(1, 1), Fraction(1, 2))
    """
    steps = amount / table.step
    return (steps + HALF if table.nearest else steps).__floor__() * table.step


def covers(now: Iterable[YearTotal], stated: Iterable[YearTotal]) -> bool:
    """Whether the ledger still has, year by year, all that a certificate states; more than that makes none wrong."""
    have = {(one.year, one.table): one for one in now}
    for one in stated:
        found = have.get((one.year, one.table))
        if found is None:
            if one.credits > 0 or one.hours > 0:
                return False
        elif found.credits < one.credits or found.hours < one.hours:
            return False
    return True


def shown(amount: Fraction, places: int = 2) -> str:
    """An amount as it is printed: at most ``places`` decimals, cut off and never rounded up, no zeros behind.

    >>> shown(Fraction(5, 2)), shown(Fraction(25)), shown(Fraction(-2, 3))
    ('2.5', '25', '-0.66')
    """
    whole = abs(amount) * 10**places
    text = f"{whole.__floor__():0{places + 1}d}"
    text = f"{text[:-places]}.{text[-places:]}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 and text != "0" else text


def minutes(seconds: int) -> Fraction:
    """Seconds as minutes."""
    return Fraction(seconds, 60)


def require_period(first: date, last: date, *, today: date) -> None:
    """Refuse a period that ends before it begins or after today: ``period_order``, ``period_future``."""
    if last < first:
        raise RuleBroken("period_order", _("The last day lies before the first one."), field="last")
    if last > today:
        raise RuleBroken("period_future", _("The last day lies in the future."), field="last")
