"""Minutes into credits and hours: the examples of the rules, and what holds for any ledger."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certificates.rules import crediting as rules
from lms.certificates.rules.crediting import Line, Plan, YearTotal, covers, reached, totals, worth
from lms.core.errors import RuleBroken

HOUR = 3600
NATIONAL = Plan(project_number="2026-06-01-012(国)")
PROVINCIAL = Plan(project_number="2020-XJ-7", level="provincial")
NEW, OLD = date(2025, 1, 1), date(2024, 12, 31)


def credit_of(kind="session", role="learner", hours=3, day=NEW, plan=NATIONAL, **more):
    found = worth(kind, role=role, seconds=int(hours * HOUR), day=day, plan=plan, **more)
    return found and found.credits


def lines(*amounts, category="project", table="CN-2024", year=2026):
    return [
        Line(table, category, date(year, 3, 1), 60, Fraction(amount), Fraction(amount) * 3)
        for amount in amounts
    ]


def test_every_day_has_the_table_that_was_valid_on_it():
    assert rules.table_on("CN", OLD).code == "CN-2006"
    assert rules.table_on("CN", NEW).code == "CN-2024"
    assert rules.table_on("CN", date(2005, 12, 31)) is None
    assert {one.jurisdiction for one in rules.TABLES} == set(rules.JURISDICTIONS)


@pytest.mark.parametrize(
    ("plan", "day", "role", "hours", "wanted"),
    [
        (NATIONAL, NEW, "learner", 3, 1),
        (NATIONAL, OLD, "learner", 3, 1),
        (NATIONAL, OLD, "speaker", 1, 2),
        (PROVINCIAL, OLD, "learner", 6, 1),
        (PROVINCIAL, OLD, "speaker", 1, 1),
        (PROVINCIAL, NEW, "learner", 3, 1),
        (NATIONAL, NEW, "speaker", 1, None),
        (Plan(), OLD, "learner", 3, None),
        (Plan(), NEW, "learner", 3, 1),
        (Plan("EACCME", "E-1"), NEW, "learner", 0.5, Fraction(1, 2)),
        (Plan("AMA", "A-1"), NEW, "learner", 1, 1),
        (Plan("AMA"), NEW, "learner", 1, None),
    ],
)
def test_hours_are_worth_what_the_table_of_the_day_says(plan, day, role, hours, wanted):
    assert credit_of(role=role, hours=hours, day=day, plan=plan) == wanted


def test_minutes_attended_count_and_a_film_only_with_a_passed_test():
    assert credit_of(hours=2.5) == Fraction(5, 6)
    assert credit_of(hours=0) is None
    assert credit_of("lecture", is_tested=False) is None
    assert credit_of("lecture", is_tested=True) == 1


def test_credits_and_hours_are_two_accounts():
    found = reached(*attended(date(2025, 1, 1), 100), plan=NATIONAL)
    assert (found.worth.credits, found.worth.hours) == (25, 90)
    assert found.worth.credits * 3 != found.worth.hours


def test_self_study_brings_at_most_ten_credits_a_year_and_its_hours_all_the_same():
    (year,) = totals(lines(6, 6, category="self_study"))
    assert (year.credits, year.hours, year.is_capped) == (10, 36, True)
    both = totals([*lines(12, category="self_study"), *lines(4, category="self_study", year=2027)])
    assert [one.credits for one in both] == [10, 4]
    (mixed,) = totals([*lines(12, category="self_study"), *lines(5)])
    assert mixed.credits == 15


def test_a_project_brings_no_more_than_its_own_cap_over_all_years():
    years = totals([*lines(8), *lines(8, year=2027)], project_cap=10)
    assert [one.credits for one in years] == [8, 2]


def test_sums_are_rounded_once_and_as_the_table_says():
    twelve = [Fraction(20, 180)] * 12
    assert totals(lines(*twelve))[0].credits == 1
    assert totals(lines(Fraction(29, 20)))[0].credits == 1
    assert totals(lines(Fraction(59, 60), table="EACCME"))[0].credits == Fraction(1, 2)
    assert totals(lines(Fraction(22, 60), table="AMA"))[0].credits == Fraction(1, 4)
    assert totals(lines(Fraction(23, 60), table="AMA"))[0].credits == Fraction(1, 2)


def attended(first: date, days: int, *, missed: int = 0):
    """Weekdays from a day on, each attended but for the first so many after it."""
    every = [first + timedelta(days=n) for n in range(days)]
    planned = [day for day in every if day.weekday() < 5]
    return dict.fromkeys(planned[:1] + planned[1 + missed :], 2), planned


def test_a_placement_brings_the_year_after_three_months_since_2025_and_after_six_before():
    three = reached(*attended(date(2025, 3, 3), 200), plan=Plan())
    assert (three.day, three.worth.table, three.worth.hours) == (date(2025, 6, 2), "CN-2024", 90)
    six = reached(*attended(date(2024, 3, 4), 200), plan=Plan())
    assert (six.day, six.worth.table, six.worth.credits) == (date(2024, 9, 3), "CN-2006", 25)
    assert reached(*attended(date(2025, 3, 3), 91), plan=Plan()) is None


def test_a_placement_over_the_new_year_of_2025_is_judged_by_the_table_of_each_day():
    found = reached(*attended(date(2024, 9, 2), 200), plan=Plan())
    assert (found.day, found.worth.table) == (NEW, "CN-2024")


def test_a_placement_needs_nine_tenths_of_its_planned_days():
    halves, planned = attended(date(2025, 3, 3), 92, missed=7)
    assert reached(halves, planned, plan=Plan()) is None
    halves, planned = attended(date(2025, 3, 3), 92, missed=6)
    assert reached(halves, planned, plan=Plan()) is not None
    half = dict.fromkeys(halves, 1)
    assert reached(half, planned, plan=Plan()) is None
    assert reached({}, planned, plan=Plan()) is None


def test_other_countries_count_no_placement():
    assert reached(*attended(date(2025, 3, 3), 200), plan=Plan("EACCME", "E-1")) is None


@given(st.lists(st.tuples(st.fractions(0, 30), st.booleans()), max_size=12))
def test_what_is_taken_back_leaves_nothing_behind(amounts):
    """A ledger with a line against every line comes to nothing; with none against them, never to less than nothing."""
    made = [
        line
        for amount, study in amounts
        for line in lines(amount, category="self_study" if study else "project")
    ]
    back = [Line(one.table, one.category, one.day, -one.seconds, -one.credits, -one.hours) for one in made]
    assert totals([*made, *back]) == ()
    assert all(one.credits >= 0 and one.credits % Fraction(1, 2) == 0 for one in totals(made))
    assert totals(made) == totals(made[::-1])


def test_a_certificate_is_covered_by_as_much_or_more_in_each_year():
    stated = (YearTotal(2026, "CN-2024", Fraction(2), Fraction(6), 0),)
    assert covers((YearTotal(2026, "CN-2024", Fraction(3), Fraction(6), 0),), stated)
    assert not covers((YearTotal(2026, "CN-2024", Fraction(3), Fraction(5), 0),), stated)
    assert not covers((YearTotal(2027, "CN-2024", Fraction(3), Fraction(9), 0),), stated)
    assert not covers((), stated)


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (Plan("DE"), "plan_jurisdiction"),
        (Plan("AMA"), "plan_number"),
        (Plan(level="county"), "plan_level"),
        (Plan(project_cap=0), "plan_cap"),
    ],
)
def test_a_plan_that_no_table_can_count_by_is_refused(plan, code):
    with pytest.raises(RuleBroken) as refused:
        rules.require_plan(plan)
    assert refused.value.code == code
