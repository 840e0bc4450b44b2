"""Who mentors from which day on: the board's findings, change, end, hand over, delegate."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st
from sqlalchemy import select

from lms.accounts.models import Person
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement
from lms.programmes.queries import board as boards
from lms.programmes.rules import board as rules
from lms.programmes.services import mentors

DAY = timedelta(days=1)
FIRST = date(2026, 9, 1)

spans = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(
    lambda pair: (FIRST + pair[0] * DAY, FIRST + (pair[0] + pair[1]) * DAY)
)


def days_of(span):
    return {span[0] + number * DAY for number in range((span[1] - span[0]).days + 1)}


# ---------------------------------------------------------------- rules


@given_values(whole=spans, parts=st.lists(spans, max_size=6))
def test_uncovered_days_are_exactly_those_that_no_part_covers(whole, parts):
    found = rules.uncovered(whole, parts)
    covered = set().union(*map(days_of, parts)) if parts else set()
    assert set().union(*map(days_of, found)) if found else set() == days_of(whole) - covered
    assert all(one[1] + DAY < two[0] for one, two in pairwise(found))


@given_values(parts=st.lists(st.tuples(st.integers(1, 3), spans), max_size=8))
def test_overloads_are_exactly_the_days_above_the_cap(parts):
    found = rules.overloads([rules.Pair(person, "primary", span) for person, span in parts])
    for person in (1, 2, 3):
        said = set().union(*[days_of(load.span) for load in found if load.person_id == person])
        held = [day for who, span in parts if who == person for day in days_of(span)]
        assert said == {day for day in held if held.count(day) > rules.PRIMARY_CAP}


def test_gaps_name_days_without_place_mentor_and_second_assessor():
    stay = rules.Stay(
        "a",
        "NICU",
        (FIRST + 3 * DAY, FIRST + 20 * DAY),
        (
            rules.Pair(1, "primary", (FIRST + 3 * DAY, FIRST + 9 * DAY)),
            rules.Pair(2, "second", (FIRST + 3 * DAY, FIRST + 20 * DAY)),
        ),
    )
    assert rules.gaps((FIRST, FIRST + 20 * DAY), [stay]) == [
        rules.Gap("unplaced", (FIRST, FIRST + 2 * DAY)),
        rules.Gap("no_primary", (FIRST + 10 * DAY, FIRST + 20 * DAY), "a"),
    ]


def test_equal_weeks_are_joined_and_add_up_to_the_cohort():
    stay = rules.Stay(
        "a",
        "NICU",
        (FIRST, FIRST + 27 * DAY),
        (
            rules.Pair(1, "primary", (FIRST, FIRST + 13 * DAY)),
            rules.Pair(2, "primary", (FIRST + 14 * DAY, FIRST + 27 * DAY)),
        ),
    )
    found = rules.stretches(FIRST, 6, [stay], 3)
    assert [(one.weeks, one.unit, one.mentor_id, one.has_now) for one in found] == [
        (2, "NICU", 1, False),
        (2, "NICU", 2, True),
        (2, "", None, False),
    ]


# ---------------------------------------------------------------- acts


def person(actor):
    return db.session.get(Person, actor.person_id)


def enrolment_of(cast):
    return programmes.enrolment(cast.enrolment.public_id, cast.coordinator)


def primaries(cast):
    db.session.expire_all()
    return [
        (row.mentor_person_id, row.from_on, row.to_on)
        for row in db.session.scalars(
            select(Pairing)
            .where(Pairing.placement_id == cast.placement.id, Pairing.kind == "primary")
            .order_by(Pairing.from_on)
        )
    ]


def change(cast, at, who, from_on, by=None):
    with transaction():
        enrolment = enrolment_of(cast)
        placement = next(row for row in programmes.placements(enrolment.id) if row.id == cast.placement.id)
        return mentors.change_mentor(
            enrolment,
            placement,
            person(who),
            from_on=from_on,
            reason="leave",
            at=at,
            by=by or cast.coordinator,
        )


def test_another_mentor_from_a_day_on_ends_the_one_before_and_twice_is_once(cast, app, at):
    day = clock.today(at) + 5 * DAY
    before = primaries(cast)
    change(cast, at, cast.other_mentor, day)
    change(cast, at, cast.other_mentor, day)
    assert primaries(cast) == [
        (cast.mentor.person_id, before[0][1], day - DAY),
        (cast.other_mentor.person_id, day, before[0][2]),
    ]


def test_what_is_past_stays(cast, app, at):
    before = primaries(cast)
    with pytest.raises(RuleBroken) as refusal:
        change(cast, at, cast.other_mentor, clock.today(at) - DAY)
    assert refusal.value.code == "from_today"
    assert primaries(cast) == before


def test_nobody_but_the_coordinator_changes_a_mentor(cast, app, at):
    for who in (cast.mentor, cast.trainee, cast.auditor, cast.educator):
        with pytest.raises(NotFound):
            change(cast, at, cast.other_mentor, clock.today(at), by=who)


def test_a_change_that_is_taken_back_leaves_one_mentor_on_every_day(cast, app, at):
    today = clock.today(at)
    change(cast, at, cast.other_mentor, today + 5 * DAY)
    change(cast, at, cast.mentor, today + 5 * DAY)
    spans_now = [(row[1], row[2]) for row in primaries(cast)]
    assert rules.uncovered((cast.placement.from_on, cast.placement.to_on), spans_now) == []
    assert all(one[1] < two[0] for one, two in pairwise(spans_now))
    assert {row[0] for row in primaries(cast)} == {cast.mentor.person_id}


def delegate(cast, at, *, days=7, by=None, start=0):
    today = clock.today(at)
    giver = by or cast.mentor
    with transaction():
        return [
            row.public_id
            for row in mentors.delegate(
                list(boards.own_pairings(giver, today=today)),
                person(cast.other_mentor),
                from_on=today + start * DAY,
                to_on=today + (start + days - 1) * DAY,
                reason="leave",
                at=at,
                by=giver,
            )
        ]


def test_a_delegate_signs_on_these_days_in_their_own_name(cast, app, at):
    today = clock.today(at)
    assert delegate(cast, at) == delegate(cast, at)
    for day, held in ((today, True), (today + 6 * DAY, True), (today + 7 * DAY, False), (today - DAY, False)):
        rows = programmes.signers_on(cast.enrolment.id, day)
        assert (
            (cast.other_mentor.person_id, "deputy") in [(r.mentor_person_id, r.kind) for r in rows]
        ) is held


@pytest.mark.parametrize(
    ("days", "start", "code"), [(15, 0, "delegation_long"), (0, 0, "dates_reversed"), (2, -1, "from_today")]
)
def test_a_delegation_has_its_bounds(cast, app, at, days, start, code):
    with pytest.raises(RuleBroken) as refusal:
        delegate(cast, at, days=days, start=start)
    assert refusal.value.code == code


def test_delegations_in_a_row_do_not_add_up_to_more(cast, app, at):
    delegate(cast, at, days=10)
    with pytest.raises(RuleBroken) as refusal:
        delegate(cast, at, days=5, start=10)
    assert refusal.value.code == "delegation_long"


def test_what_was_delegated_cannot_be_passed_on(cast, app, at):
    delegate(cast, at)
    given = db.session.scalars(select(Pairing).where(Pairing.given_by_id.is_not(None))).all()
    held = boards.own_pairings(cast.other_mentor, today=clock.today(at))
    assert not {row.id for row in held} & {row.id for row in given}
    assert all(row.kind == "primary" for row in held)


def test_a_delegation_ends_with_one_tap_and_with_the_mentor_who_gave_it(cast, app, at, browser):
    today = clock.today(at)
    keys = delegate(cast, at)
    client = browser(cast.mentor, lang="en")
    assert "Take back" in client.get("/delegation").text
    for _twice in range(2):
        reply = client.post(f"/delegation/{keys[0]}/end")
        assert reply.status_code in (303, 404)  # a delegation that had not begun is gone
    db.session.rollback()
    assert "deputy" not in [row.kind for row in programmes.signers_on(cast.enrolment.id, today)]
    delegate(cast, at, days=5)
    change(cast, at, cast.second_assessor, today + 2 * DAY)
    assert "deputy" in [row.kind for row in programmes.signers_on(cast.enrolment.id, today + DAY)]
    assert "deputy" not in [row.kind for row in programmes.signers_on(cast.enrolment.id, today + 2 * DAY)]


# ---------------------------------------------------------------- pages


@pytest.fixture
def ids(cast, app):
    """Public ids, read before any page changes what the session has seen."""
    return {
        "cohort": cast.cohort.public_id,
        "enrolment": cast.enrolment.public_id,
        "placement": cast.placement.public_id,
        "mentor": person(cast.mentor).public_id,
        "other": person(cast.other_mentor).public_id,
    }


@pytest.mark.parametrize(
    ("part", "reads", "manages"),
    [
        ("coordinator", 200, 200),
        ("director", 200, 200),
        ("administrator", 200, 200),
        ("auditor", 200, 404),
        ("educator", 200, 404),
        ("mentor", 404, 404),
        ("trainee", 404, 404),
        ("stranger", 404, 404),
    ],
)
def test_who_sees_the_board_and_who_changes_it(cast, ids, browser, part, reads, manages):
    client = browser(getattr(cast, part), lang="en")
    assert client.get(f"/cohorts/{ids['cohort']}/board").status_code == reads
    assert client.get(f"/cohorts/{ids['cohort']}/board.csv").status_code == reads
    assert client.get(f"/cohorts/{ids['cohort']}/hand-over").status_code == manages
    mentor_page = f"/trainees/{ids['enrolment']}/placements/{ids['placement']}/mentor"
    assert client.get(mentor_page).status_code == manages


def test_the_board_says_what_is_missing_with_a_way_to_mend_it(cast, ids, app, at, browser):
    with transaction():
        pairing = db.session.scalar(
            select(Pairing).where(Pairing.placement_id == cast.placement.id, Pairing.kind == "primary")
        )
        pairing.to_on = clock.today(at)
    page = browser(cast.coordinator, lang="en").get(f"/cohorts/{ids['cohort']}/board").text
    assert "no mentor" in page
    assert f"/trainees/{ids['enrolment']}/pair?placement={ids['placement']}" in page
    assert (
        f"/trainees/{ids['enrolment']}/pair?placement="
        not in browser(cast.auditor, lang="en").get(f"/cohorts/{ids['cohort']}/board").text
    )


def test_the_board_asks_a_known_number_of_questions(cast, ids, app, at, browser, queries):
    client = browser(cast.coordinator)
    client.get(f"/cohorts/{ids['cohort']}/board")
    with queries() as few:
        client.get(f"/cohorts/{ids['cohort']}/board")
    with transaction():
        cohort = db.session.get(Cohort, cast.cohort.id)
        for number in range(30):
            one = Person(name_zh=f"学员{number}", created_at=at)
            db.session.add(one)
            db.session.flush()
            row = Enrolment(cohort_id=cohort.id, person_id=one.id, track="GP", enrolled_at=at)
            db.session.add(row)
            db.session.flush()
            db.session.add(
                Placement(enrolment_id=row.id, unit="NICU", from_on=cohort.start_on, to_on=cohort.end_on)
            )
    with queries() as many:
        page = client.get(f"/cohorts/{ids['cohort']}/board")
    assert "学员29" in page.text
    assert many.count == few.count <= 12


def test_a_leaving_mentor_is_handed_over_in_one_act(cast, ids, app, at, browser):
    client, today = browser(cast.coordinator, lang="en"), clock.today(at)
    url = f"/cohorts/{ids['cohort']}/hand-over"
    assert f"leaving={ids['mentor']}" in client.get(url).text
    page = client.get(f"{url}?leaving={ids['mentor']}").text
    assert "李思远" in page
    held = boards.pairings_of(person(cast.mentor), db.session.get(Cohort, cast.cohort.id), from_on=today)
    keys, first = [row.public_id for row in held], (today + DAY).isoformat()
    db.session.rollback()
    sent = {"leaving": ids["mentor"], "pairings": keys, "mentor": ids["other"], "from_on": first}
    refused = client.post(url, data=sent)
    assert refused.status_code == 422
    assert first in refused.text
    assert client.post(url, data=sent | {"reason": "maternity leave"}).status_code == 303
    db.session.rollback()
    cohort = db.session.get(Cohort, cast.cohort.id)
    assert boards.pairings_of(person(cast.mentor), cohort, from_on=today + DAY) == []
    assert (cast.other_mentor.person_id, today + DAY) in [(row[0], row[1]) for row in primaries(cast)]


def test_pages_of_change_end_and_delegation_work_without_scripts(cast, ids, app, at, browser):
    client, today = browser(cast.coordinator, lang="en"), clock.today(at)
    url = f"/trainees/{ids['enrolment']}/placements/{ids['placement']}/mentor"
    assert client.post(url, data={"from_on": today.isoformat(), "reason": "ill"}).status_code == 422
    sent = {"from_on": (today + DAY).isoformat(), "mentor": ids["other"], "reason": "ill"}
    assert client.post(url, data=sent).status_code == 303
    db.session.rollback()
    new = db.session.scalar(
        select(Pairing).where(Pairing.placement_id == cast.placement.id, Pairing.from_on == today + DAY)
    ).public_id
    db.session.rollback()
    assert f"/pairings/{new}/end" in client.get(f"/trainees/{ids['enrolment']}").text
    assert client.get(f"/pairings/{new}/end").status_code == 200
    assert browser(cast.other_mentor).get(f"/pairings/{new}/end").status_code == 404
    assert (
        client.post(f"/pairings/{new}/end", data={"last_on": today.isoformat(), "reason": "x"}).status_code
        == 303
    )
    mentor = browser(cast.mentor, lang="en")
    sent = {"deputy": ids["other"], "from_on": today.isoformat(), "to_on": (today + 20 * DAY).isoformat()}
    reply = mentor.post("/delegation", data=sent | {"reason": "congress"})
    assert reply.status_code == 422
    assert "14 days" in reply.text
    assert "congress" in reply.text
    sent["to_on"] = today.isoformat()
    assert mentor.post("/delegation", data=sent | {"reason": "congress"}).status_code == 303
    assert browser(cast.trainee, lang="en").get("/delegation").status_code == 200
    assert "You mentor nobody" in browser(cast.trainee, lang="en").get("/delegation").text
