"""Programmes and cohorts that change: dates around placements, seats, status, timetable."""

import re
from datetime import date, time, timedelta

import pytest
from sqlalchemy import select

from lms.core import audit
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes import services
from lms.programmes.models import Cohort, CohortEvent, Enrolment, Programme
from lms.programmes.rules import intakes as rules


def fresh(model, number):
    """A row as the database has it now."""
    db.session.rollback()
    return db.session.get_one(model, number, populate_existing=True)


@pytest.fixture
def ids(cast, app):
    """What the tests name, read before any page changes what the session has seen."""
    return {
        "cohort": (cast.cohort.id, cast.cohort.public_id),
        "programme": (cast.programme.id, cast.programme.public_id),
        "start": cast.cohort.start_on,
        "end": cast.cohort.end_on,
    }


@pytest.fixture
def office(cast, browser):
    """The coordinator at work."""
    return browser(cast.coordinator, lang="en")


def edit(ids, **more):
    """What the form of the cohort sends."""
    return {
        "name_zh": "秋季班",
        "name_en": "Autumn again",
        "start_on": ids["start"].isoformat(),
        "end_on": ids["end"].isoformat(),
        "hours": "1040",
        "state": "running",
    } | more


def url(ids, end="edit"):
    """Address of a page of the cohort."""
    return f"/cohorts/{ids['cohort'][1]}/{end}"


# ---------------------------------------------------------------- rules


def test_a_limit_counts_only_those_of_its_kind():
    seats = rules.seats_of(3, {"GP": 1}, {"west": 1})
    held = [("GP", "east"), ("PED", "west")]
    for track, region, field in (("GP", "east", "track"), ("PED", "west", "home_hospital")):
        with pytest.raises(RuleBroken) as refusal:
            rules.require_seat(seats, held, track, region)
        assert refusal.value.field == field
    rules.require_seat(seats, held, "PED", "east")
    rules.require_seat(seats, held, "NURSE", "")
    with pytest.raises(RuleBroken) as refusal:
        rules.require_seat(seats, [*held, ("NURSE", "")], "NURSE", "")
    assert refusal.value.field == "login"


def test_no_limit_is_not_a_limit_of_nought():
    assert rules.seats_of(None, {"GP": None, "PED": 0}, {}) == {"track": {"PED": 0}}
    rules.require_seat({}, [("GP", "")] * 500, "GP", "")


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [(date(1, 1, 1), None, None), (date(2026, 3, 1), None, time(9)), (date(2026, 3, 1), time(9), time(9))],
)
def test_a_date_of_the_timetable_makes_sense(day, begins, ends):
    with pytest.raises(RuleBroken):
        rules.require_event(day, begins, ends)


# ---------------------------------------------------------------- cohort and programme


def test_a_cohort_is_changed_and_the_same_again_changes_nothing(office, ids, app):
    assert "Autumn 2026" in office.get(url(ids)).text
    sent = edit(ids, seats_total="40", seats_GP="10", seats_west="30", state="closed")
    for _press in range(2):
        assert office.post(url(ids), data=sent).status_code == 303
    cohort = fresh(Cohort, ids["cohort"][0])
    assert (cohort.name_en, cohort.state) == ("Autumn again", "closed")
    assert cohort.seats == {"total": 40, "track": {"GP": 10}, "region": {"west": 30}}
    events = db.session.scalars(
        select(audit.AuditEvent).where(audit.AuditEvent.act == "programmes.cohort.change")
    ).all()
    assert len(events) == 1
    assert 'value="30"' in office.get(url(ids)).text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("start_on", "end", "before this day"),
        ("seats_total", "1", "hold such a seat already"),
        ("seats_total", "-1", "Number must be"),
        ("state", "paused", "Not a valid choice"),
        ("name_zh", "", "name in Chinese"),
        ("hours", "x", "Not a valid integer"),
    ],
)
def test_a_refused_change_keeps_what_was_typed(office, ids, app, field, value, sentence):
    typed = (ids["end"] - timedelta(days=2)).isoformat() if value == "end" else value
    answer = office.post(url(ids), data=edit(ids, name_en="Typed by me") | {field: typed})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Typed by me" in answer.text
    assert fresh(Cohort, ids["cohort"][0]).name_en == "Autumn 2026"


def test_a_last_day_before_a_placement_ends_is_refused(office, ids, app):
    typed = (ids["start"] + timedelta(days=2)).isoformat()
    answer = office.post(url(ids), data=edit(ids, end_on=typed))
    assert answer.status_code == 422
    assert "A placement ends on" in answer.text


def test_a_programme_is_changed_by_whoever_runs_it(office, ids, app):
    address = f"/programmes/{ids['programme'][1]}/edit"
    assert office.get(address).status_code == 200
    sent = {"title_zh": "新名", "title_en": "New name", "director_name": "某主任"}
    assert office.post(address, data=sent).status_code == 303
    assert office.post(address, data=sent | {"title_zh": ""}).status_code == 422
    programme = fresh(Programme, ids["programme"][0])
    assert (programme.title_en, programme.director_name) == ("New name", "某主任")


@pytest.mark.parametrize(
    ("part", "status"), [("auditor", 404), ("trainee", 404), ("mentor", 404), ("educator", 404)]
)
def test_who_does_not_run_it_changes_nothing(cast, ids, browser, app, part, status):
    client = browser(getattr(cast, part))
    for address in (url(ids), f"/programmes/{ids['programme'][1]}/edit"):
        assert client.get(address).status_code == status
        assert client.post(address, data=edit(ids)).status_code == status
    assert client.post(url(ids, "timetable"), data=EVENT).status_code == status
    assert fresh(Cohort, ids["cohort"][0]).name_en == "Autumn 2026"


# ---------------------------------------------------------------- seats


def enrol(office, ids, **more):
    """Enrol the stranger."""
    return office.post(url(ids, "enrol"), data={"login": "sun@example.org", "track": "NURSE"} | more)


def test_nobody_is_enrolled_beyond_the_seats_and_who_withdrew_holds_none(office, ids, app):
    office.post(url(ids), data=edit(ids, seats_total="2"))
    answer = enrol(office, ids)
    assert answer.status_code == 422
    assert "All 2 seats of this cohort are taken" in answer.text
    with transaction():
        db.session.scalars(select(Enrolment).order_by(Enrolment.id)).first().state = "withdrawn"
    assert enrol(office, ids).status_code == 303
    assert enrol(office, ids).status_code == 303  # holds a seat already: twice is once


def test_seats_of_a_region_count_home_hospitals_there(office, cast, ids, app, at):
    with transaction():
        far = services.add_hospital(
            code="FAR", name_zh="远", name_en="Far", region="northeast", at=at, by=None
        )
        far_id = far.public_id
    office.post(url(ids), data=edit(ids, seats_northeast="0"))
    answer = enrol(office, ids, home_hospital=far_id)
    assert answer.status_code == 422
    assert "home hospital’s region" in answer.text
    assert enrol(office, ids).status_code == 303


def test_nobody_joins_a_closed_cohort(office, ids, app):
    office.post(url(ids), data=edit(ids, state="closed"))
    answer = enrol(office, ids)
    assert answer.status_code == 422
    assert "closed" in answer.text


# ---------------------------------------------------------------- timetable


EVENT = {
    "title_zh": "开班典礼",
    "title_en": "Opening",
    "day": "2026-12-01",
    "begins": "09:00",
    "ends": "10:30",
    "place": "第一报告厅",
}


def test_a_date_stands_in_the_trainees_calendar_until_it_is_taken_out(office, cast, ids, browser, app):
    for _press in range(2):
        assert office.post(url(ids, "timetable"), data=EVENT).status_code == 303
    page = office.get(url(ids, "timetable")).text
    assert page.count("<b>Opening</b>") == 1
    assert "09:00" in page
    trainee = browser(cast.trainee, lang="en")
    assert "Opening · 第一报告厅" in trainee.get("/calendar").text.replace(
        '<span lang="zh-Hans">', ""
    ).replace("</span>", "")
    assert "Opening" not in browser(cast.stranger, lang="en").get("/calendar").text
    event = db.session.scalars(select(CohortEvent)).one().public_id
    for _press in range(2):
        assert office.post(url(ids, f"timetable/{event}/remove")).status_code == 303
    assert "Opening" not in trainee.get("/calendar").text
    assert office.post(url(ids, "timetable/aaaaaaaaaaaa/remove")).status_code == 404


def test_a_date_without_time_is_a_whole_day(office, cast, ids, browser, app):
    office.post(url(ids, "timetable"), data=EVENT | {"begins": "", "ends": "", "place": ""})
    assert "Opening" in browser(cast.trainee, lang="en").get("/calendar").text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("day", "0001-01-01"),
        ("day", ""),
        ("ends", "08:00"),
        ("begins", "25:00"),
        ("begins", ""),
        ("title_zh", ""),
    ],
)
def test_a_refused_date_keeps_what_was_typed(office, ids, app, field, value):
    answer = office.post(url(ids, "timetable"), data=EVENT | {field: value})
    assert answer.status_code == 422
    assert "第一报告厅" in answer.text
    assert not db.session.scalars(select(CohortEvent)).all()


def test_the_pages_stay_within_twelve_queries(office, ids, app, queries):
    for address in (url(ids), url(ids, "timetable"), f"/programmes/{ids['programme'][1]}/edit"):
        office.get(address)
        with queries() as seen:
            assert office.get(address).status_code == 200
        assert seen.count <= 12


# ---------------------------------------------------------------- two at one form


def seen_of(page):
    """The stamp that a form carries."""
    return re.search(r'name="seen"[^>]*value="([0-9a-f]{16})"', page)[1]


def test_a_cohort_that_somebody_else_changed_is_shown_instead_of_overwritten(ids, office, cast, browser):
    seen = seen_of(office.get(url(ids)).text)
    other = browser(cast.director, lang="en")
    assert other.post(url(ids), data=edit(ids, name_en="Hers", seats_GP="20", seen=seen)).status_code == 303
    refused = office.post(url(ids), data=edit(ids, name_en="Mine", seen=seen))
    assert refused.status_code == 422
    for words in (
        "Somebody else changed this meanwhile",
        "What stands now",
        "Hers",
        "Mine",
        "General practitioner 20",
    ):
        assert words in refused.text
    assert fresh(Cohort, ids["cohort"][0]).name_en == "Hers"
    again = edit(ids, name_en="Mine", seen=seen_of(refused.text))
    for _time in range(2):
        assert office.post(url(ids), data=again).status_code == 303
    assert fresh(Cohort, ids["cohort"][0]).name_en == "Mine"


def test_a_programme_that_somebody_else_changed_is_shown_instead_of_overwritten(ids, office, cast, browser):
    address = f"/programmes/{ids['programme'][1]}/edit"
    seen = seen_of(office.get(address).text)
    data = {"title_zh": "培训", "title_en": "Training", "director_name": "林海", "seen": seen}
    browser(cast.director).post(address, data={**data, "mentor_cap": "3"})
    refused = office.post(address, data={**data, "title_en": "Mine"})
    assert refused.status_code == 422
    assert "What stands now" in refused.text
    assert fresh(Programme, ids["programme"][0]).title_en == "Training"
    assert office.post(address, data=data).status_code == 303  # the same as what stands
