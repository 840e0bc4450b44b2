"""Counting by facets and the learning curve: published numbers, laws, and what counts at all."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core import clock
from lms.core.db import db, transaction
from lms.logbooks import queries, rules, services
from lms.logbooks.rules import Chart, Content, Evidence, Facet, Requirement
from lms.programmes import queries as programmes

TODAY = date(2026, 11, 22)


def one(number=1, *, level=4, signer=1, ago=0, role="mentor", **facts):
    """One signed entry."""
    content = Content(**{"operator_role": "P", "age_band": "7-28d", **facts})
    return Evidence(number, TODAY - timedelta(days=ago), content, level, signer, role)


def asks(**given):
    """A requirement."""
    return Requirement(**{"min_count": 5, **given})


def cell(rows, requirement):
    """The progress of these rows."""
    return rules.progress(rows, requirement, today=TODAY)


# ---------------------------------------------------------------- the numbers of the reference


def test_five_by_one_observer_are_not_achieved_and_a_second_observer_makes_them_so(app):
    """acceptance.md, "Competency counting"."""
    requirement = rules.requirement_of({"PED": {"level": 3, "min_count": 5}}, {}, "PED")
    rows = [one(n, level=3) for n in range(5)]
    assert not cell(rows, requirement).achieved
    assert cell([*rows[:4], one(9, level=3, signer=2)], requirement).achieved


@pytest.mark.parametrize(
    ("p0", "p1", "s", "h", "first"), [(0.10, 0.20, 0.1452, 2.7095, 19), (0.20, 0.40, 0.2933, 2.2402, 8)]
)
def test_the_curve_has_the_published_steps_lines_and_first_verdict(p0, p1, s, h, first):
    """acceptance.md, "Learning curve" (Bolsin and Kestin's form), alpha = beta = 0.1."""
    chart = Chart(p0, p1)
    assert (round(chart.s, 4), round(chart.h0, 4), round(chart.h1, 4)) == (s, h, h)
    points = rules.curve([True] * (first + 1), chart)
    assert [point.number for point in points if point.verdict] == [first]
    assert rules.verdict(points) == "competent"
    assert rules.verdict(rules.curve([True] * (first - 1), chart)) == ""


def test_failures_in_a_row_ask_for_a_look_together():
    chart = Chart(0.2, 0.4)
    points = rules.curve([False] * 4, chart)
    assert [point.verdict for point in points] == ["", "", "", "review"]
    assert points[0].height == pytest.approx(1 - chart.s)


@pytest.mark.parametrize(
    ("count", "days", "overdue"), [(26, 0, True), (25, 0, False), (1, 31, True), (1, 30, False)]
)
def test_ageing_is_told_to_the_director_as_the_reference_says(count, days, overdue):
    """acceptance.md: 26 open, or one for 31 days."""
    assert rules.is_overdue(open_entries=count, oldest=timedelta(days=days)) is overdue


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("facts", "counted"),
    [
        ({}, 1),
        ({"level": 2}, 0),
        ({"success": "no"}, 0),
        ({"operator_role": "O"}, 0),
        ({"mode": "observed_broadcast"}, 0),
        ({"mode": "simulation"}, 0),
        ({"setting": "simulation"}, 0),
        ({"complication": "major"}, 1),
    ],
)
def test_failures_watching_and_simulations_are_experience_and_never_competence(facts, counted):
    found = cell([one(**facts)], asks())
    assert (found.counted, found.exposure) == (counted, 1)


def test_simulations_count_up_to_their_cap_in_the_count_and_in_each_facet(app):
    night = Facet("shift", 3, of=("night",))
    rows = [one(n, mode="simulation", shift="night") for n in range(6)]
    found = cell(rows, asks(max_simulated=2, facets=(night,), plus_simulated=4))
    assert [(tally.have, tally.need) for tally in found.tallies] == [(2, 5), (4, 4), (2, 3)]


def test_spread_currency_window_and_attempts_are_tallies_of_their_own(app):
    rows = [one(1, ago=40, attempts=1), one(2, ago=40, attempts=3), one(3, ago=33, attempts=2)]
    found = cell(
        rows,
        asks(
            distinct_days=2,
            distinct_weeks=3,
            currency_days=30,
            facets=(Facet("attempts", 2, at_most=2),),
        ),
    )
    assert [tally.have for tally in found.tallies] == [3, 2, 2, 2, 0]
    assert cell(rows, asks(window_days=35)).counted == 1


def test_what_is_missing_is_one_sentence(app):
    from lms.core.i18n import speaking

    requirement = asks(
        facets=(
            Facet("weight_band", 2, of=("<750g",), zh="体重<750 g", en="under 750 g"),
            Facet("observer", 2, distinct=True),
        )
    )
    with speaking("en"):
        found = cell([one(1, weight_band="<750g")], requirement).missing
        assert found == (
            "Still missing: at level 3 or above (4 more); under 750 g (1 more); different signers (1 more)."
        )
        rows = [one(n, weight_band="<750g", signer=n) for n in range(5)]
        assert cell(rows, requirement).missing == ""
    with speaking("zh_Hans"):
        assert cell([], requirement).missing.startswith("还缺")


def test_an_item_without_a_number_for_the_track_is_never_achieved_by_counting(app):
    requirement = rules.requirement_of({"GP": {"level": 2}}, {}, "GP")
    assert not cell([one()], requirement).achieved
    assert cell([one()], requirement).missing == ""


# ---------------------------------------------------------------- laws

evidence = st.builds(
    Evidence,
    id=st.integers(1, 10_000),
    performed_on=st.dates(TODAY - timedelta(days=180), TODAY),
    content=st.builds(
        Content,
        operator_role=st.sampled_from(sorted(rules.ROLES)),
        age_band=st.sampled_from(sorted(rules.AGE_BANDS)),
        weight_band=st.sampled_from(["", *sorted(rules.WEIGHT_BANDS)]),
        setting=st.sampled_from(["", *sorted(rules.SETTINGS)]),
        mode=st.sampled_from(["", *sorted(rules.MODES)]),
        shift=st.sampled_from(["", "day", "night"]),
        success=st.sampled_from(["", "yes", "no"]),
        attempts=st.one_of(st.none(), st.integers(1, 5)),
    ),
    level=st.integers(1, 5),
    signer=st.integers(1, 4),
    signer_role=st.sampled_from(["mentor", "second", "deputy"]),
)
facets = st.one_of(
    st.builds(Facet, st.sampled_from(["shift"]), st.integers(1, 4), of=st.just(("night",))),
    st.builds(
        Facet,
        st.sampled_from(["weight_band", "age_band", "setting"]),
        st.integers(1, 4),
        distinct=st.just(True),
    ),
    st.builds(Facet, st.just("observer"), st.integers(1, 4), distinct=st.just(True)),
    st.builds(Facet, st.just("observer_role"), st.integers(1, 4), of=st.just(("second",))),
    st.builds(Facet, st.just("attempts"), st.integers(1, 4), at_most=st.integers(1, 3)),
)
requirements = st.builds(
    Requirement,
    min_count=st.integers(1, 12),
    min_level=st.integers(1, 5),
    max_simulated=st.integers(0, 4),
    plus_simulated=st.integers(0, 4),
    facets=st.lists(facets, max_size=4).map(tuple),
    currency_days=st.sampled_from([0, 30, 90]),
    distinct_days=st.integers(0, 4),
    distinct_weeks=st.integers(0, 4),
)


@given(rows=st.lists(evidence, max_size=12), more=evidence, requirement=requirements)
def test_more_evidence_never_counts_less(rows, more, requirement):
    before, after = cell(rows, requirement), cell([*rows, more], requirement)
    for left, right in zip(before.tallies, after.tallies, strict=True):
        assert left.have <= right.have
    assert not (before.achieved and not after.achieved)


@given(rows=st.lists(evidence, max_size=12), requirement=requirements, other=facets)
def test_a_facet_s_tally_depends_on_no_other_facet(rows, requirement, other):
    alone = cell(rows, replace(requirement, facets=(other,)))
    among = cell(rows, replace(requirement, facets=(*requirement.facets, other)))
    place = 1 + bool(requirement.plus_simulated)
    assert alone.tallies[place] == among.tallies[place + len(requirement.facets)]
    assert alone.counted == among.counted


@given(rows=st.lists(evidence, max_size=12), requirement=requirements, data=st.data())
def test_the_order_in_which_entries_come_does_not_matter(rows, requirement, data):
    shuffled = data.draw(st.permutations(rows))
    assert cell(rows, requirement).tallies == cell(shuffled, requirement).tallies


@given(rows=st.lists(evidence, max_size=12), requirement=requirements)
def test_a_stricter_level_or_a_lower_cap_never_counts_more(rows, requirement):
    found = cell(rows, requirement).counted
    if requirement.min_level < 5:
        assert cell(rows, replace(requirement, min_level=requirement.min_level + 1)).counted <= found
    if requirement.max_simulated:
        assert cell(rows, replace(requirement, max_simulated=requirement.max_simulated - 1)).counted <= found


@given(outcomes=st.lists(st.booleans(), max_size=60), more=st.booleans())
def test_what_comes_later_changes_nothing_of_the_curve_before(outcomes, more):
    chart = Chart(0.2, 0.4)
    assert rules.curve([*outcomes, more], chart)[: len(outcomes)] == rules.curve(outcomes, chart)


# ---------------------------------------------------------------- what is evidence at all


def test_only_signed_entries_of_the_latest_version_are_evidence(desk, app):
    """L4, with the life of entries: voided, superseded, withdrawn, waiting and returned ones are none."""
    by = desk.cast.trainee

    def kept(act):
        entry = desk.log()
        desk.sign(entry)
        at = desk.at + timedelta(minutes=2)
        with transaction():
            found = queries.entry(entry.public_id, desk.cast.mentor, for_update=True)
            if act == "void":
                services.void(found, reason="duplicate", words="重复", at=at, by=desk.cast.director)
            elif act == "withdraw":
                services.withdraw(found, at=at, by=desk.cast.mentor)
            elif act == "amend":
                services.amend(
                    found,
                    item=desk.item(),
                    performed_on=found.performed_on,
                    content=Content(operator_role="A", age_band="7-28d"),
                    signer_person_id=None,
                    reason="更正",
                    at=at,
                    by=by,
                )
        return entry

    signed = kept("")
    for act in ("void", "withdraw", "amend"):
        kept(act)
    desk.log()
    desk.give_back(desk.log())
    desk.log(as_draft=True)
    assert [row.id for row in queries.evidence(desk.cast.enrolment.id)["N13"]] == [signed.id]


def test_a_signature_given_again_after_a_withdrawal_counts_once(desk, app):
    entry = desk.log()
    desk.sign(entry, level=5)
    with transaction():
        services.withdraw(
            queries.entry(entry.public_id, desk.cast.mentor, for_update=True), at=desk.at, by=desk.cast.mentor
        )
    desk.sign(entry, level=3, at=desk.at + timedelta(minutes=3))
    assert [row.level for row in queries.evidence(desk.cast.enrolment.id)["N13"]] == [3]


def test_the_page_shows_count_facets_and_curve_of_an_item(desk, cast, browser, app):
    for number in range(9):
        desk.sign(desk.log(operator_role="P", success="no" if number == 4 else "yes", mode="real"))
    client = browser(cast.trainee, lang="en")
    address = f"/trainees/{cast.enrolment.public_id}/items"
    page = client.get(address).text
    assert "N13" in page
    assert "different signers (1 more)" in page
    page = client.get(f"{address}/N13").text
    assert "<svg" in page
    assert page.count('<circle class="dot"') == 9
    assert "8 / 5" in page
    assert client.get(f"{address}/X99").status_code == 404


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("trainee", 200),
        ("mentor", 200),
        ("second_assessor", 200),
        ("director", 200),
        ("auditor", 200),
        ("administrator", 404),
        ("other_mentor", 404),
        ("other_trainee", 404),
        ("stranger", 404),
    ],
)
def test_who_reads_progress_item_by_item(desk, cast, browser, app, who, status):
    for address in ("items", "items/N13"):
        path = f"/trainees/{cast.enrolment.public_id}/{address}"
        assert browser(getattr(cast, who)).get(path).status_code == status


def test_progress_takes_few_queries_however_much_is_logged(desk, cast, browser, app, queries):
    for code in ("N01", "N02", "N03", "P01"):
        desk.sign(desk.log(code=code))
    enrolment_id = cast.enrolment.public_id
    db.session.remove()
    client = browser(cast.trainee)
    client.get(f"/trainees/{enrolment_id}/items")
    with queries() as seen:
        assert client.get(f"/trainees/{enrolment_id}/items").status_code == 200
    assert seen.count <= 12


def test_the_samples_facets_are_understood(desk, app):
    today = clock.today(desk.at)
    enrolment = programmes.own_enrolment(desk.cast.trainee)
    page = queries.progress_page(enrolment, programmes.placements(enrolment.id), today=today)
    assert page.asked == 50
    assert page.achieved == 0
    for item in queries.items():
        for track in ("PED", "GP", "NURSE"):
            rules.requirement_of(item.targets, item.rule, track)
    intubation = next(row for row in page.rows if row.item.code == "N03")
    assert intubation.chart == Chart(0.2, 0.4)
    assert len(intubation.cell.tallies) == 5
