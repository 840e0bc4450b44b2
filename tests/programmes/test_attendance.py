"""Attendance: who confirms which days, corrections that supersede, two clicks, planned against attended, the tables."""

import csv
import io
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.programmes import queries as programmes
from lms.programmes.models import Attendance
from lms.programmes.queries import attendance as queries
from lms.programmes.rules import attendance as rules
from lms.programmes.services import attendance as services


@pytest.fixture
def placements(cast, app):
    """The trainee's placements, pairings loaded."""
    return programmes.placements(cast.enrolment.id)


def confirm(cast, _placements, at, days, by=None):
    enrolment = programmes.enrolment(cast.enrolment.public_id, cast.coordinator)
    placements = programmes.placements(enrolment.id)  # anew: a refusal has ended what was loaded before
    with transaction():
        return services.confirm(enrolment, placements, days, at=at, by=by or cast.mentor)


def refusal(*args, **kwargs):
    with pytest.raises(RuleBroken) as refused:
        confirm(*args, **kwargs)
    return refused.value.code


def count():
    return db.session.scalar(select(func.count()).select_from(Attendance))


# ---------------------------------------------------------------- rules


def test_planned_days_are_weekdays_once_and_never_to_come():
    monday = date(2026, 3, 2)
    spans = [
        (monday, monday + timedelta(days=13)),
        (monday + timedelta(days=10), monday + timedelta(days=20)),
    ]
    assert len(rules.planned_days(spans, until=date(2027, 1, 1))) == 15
    assert len(rules.planned_days(spans, until=monday + timedelta(days=2))) == 3
    assert rules.planned_days(spans, until=monday - timedelta(days=1)) == []


def test_halves_nights_and_study_days_count():
    monday = date(2026, 3, 2)
    kinds = ("duty", "night", "half", "study", "leave", "sick", "absent")
    found = rules.totals(
        rules.planned_days([(monday, monday + timedelta(days=11))], until=date(2027, 1, 1)),
        {monday + timedelta(days=n): kind for n, kind in enumerate(kinds)},
    )
    assert (found.planned, found.attended, found.open) == (10, "3.5", 5)
    assert sum(found.kinds.values()) == 7


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_a_week_that_cannot_be_is_this_week(text):
    assert rules.week_from(text, today=date(2026, 3, 4)) == date(2026, 3, 2)


# ---------------------------------------------------------------- confirm


def test_the_same_days_twice_are_once_and_a_correction_supersedes(cast, placements, at):
    today = clock.today(at)
    days = {today: ("", "duty"), today - timedelta(days=1): ("", "sick"), today - timedelta(days=2): ("", "")}
    assert confirm(cast, placements, at, days) == 2
    assert confirm(cast, placements, at, days) == 0
    assert confirm(cast, placements, at, {today: ("duty", "night")}, by=cast.coordinator) == 1
    assert count() == 3
    row = queries.confirmed(placements)[today]
    assert (row.kind, row.confirmed_by) == ("night", cast.coordinator.person_id)
    (old,) = queries.corrections(placements, today, today)
    assert (old.kind, row.supersedes_id) == ("duty", old.id)


def test_what_is_refused(cast, placements, at):
    today = clock.today(at)
    confirm(cast, placements, at, {today: ("", "duty")})
    assert refusal(cast, placements, at, {today + timedelta(days=1): ("", "duty")}) == "future"
    assert refusal(cast, placements, at, {today - timedelta(days=400): ("", "duty")}) == "no_placement"
    assert refusal(cast, placements, at, {today: ("duty", "")}) == "attendance_blank"
    assert refusal(cast, placements, at, {today: ("duty", "tea")}) == "attendance_kind"
    assert refusal(cast, placements, at, {today: ("", "sick")}) == "attendance_moved"
    assert count() == 1


def test_the_mentor_confirms_only_days_of_the_pairing_and_the_coordinator_all(cast, placements, at):
    later = at + timedelta(days=100)  # in the second placement, which nobody mentors
    day = clock.today(later)
    assert refusal(cast, placements, later, {day: ("", "duty")}) == "not_paired"
    assert confirm(cast, placements, later, {day: ("", "duty")}, by=cast.coordinator) == 1


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("trainee", NotAllowed),
        ("director", NotAllowed),
        ("auditor", NotAllowed),
        ("second_assessor", NotFound),
        ("other_mentor", NotFound),
        ("other_trainee", NotFound),
        ("administrator", NotFound),
        ("educator", NotFound),
        ("examiner", NotFound),
        ("stranger", NotFound),
    ],
)
def test_nobody_else_confirms(cast, placements, at, part, error):
    with pytest.raises(error):
        confirm(cast, placements, at, {clock.today(at): ("", "duty")}, by=getattr(cast, part))
    assert count() == 0


@pytest.mark.parametrize("act", ["UPDATE attendance SET kind = 'leave'", "DELETE FROM attendance"])
def test_the_database_refuses_to_change_a_day(cast, placements, at, act):
    confirm(cast, placements, at, {clock.today(at): ("", "duty")})
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text(act))


def test_one_day_has_one_first_row(cast, placements, at):
    confirm(cast, placements, at, {clock.today(at): ("", "duty")})
    with pytest.raises(DBAPIError), transaction():
        db.session.add(
            Attendance(
                placement_id=placements[0].id,
                day=clock.today(at),
                kind="sick",
                confirmed_by=cast.mentor.person_id,
                confirmed_at=at,
            )
        )


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("part", "reads", "writes", "cohort"),
    [
        ("trainee", 200, 403, 404),
        ("mentor", 200, 303, 404),
        ("coordinator", 200, 303, 200),
        ("director", 200, 403, 200),
        ("auditor", 200, 403, 200),
        ("second_assessor", 404, 404, 404),
        ("other_mentor", 404, 404, 404),
        ("other_trainee", 404, 404, 404),
        ("administrator", 404, 404, 404),
        ("educator", 404, 404, 404),
        ("stranger", 404, 404, 404),
    ],
)
def test_who_reads_and_confirms(cast, browser, part, reads, writes, cohort):
    url = f"/trainees/{cast.enrolment.public_id}/attendance"
    roll = f"/cohorts/{cast.cohort.public_id}/attendance"
    client = browser(getattr(cast, part), lang="en")
    assert client.get(url).status_code == reads
    assert client.get(f"{url}.csv").status_code == reads
    assert client.get(roll).status_code == cohort
    assert client.get(f"{roll}.csv").status_code == cohort
    day = rules.field_of(clock.today())
    assert client.post(url, data={day: "duty"}).status_code == writes


def test_a_week_on_one_screen(cast, browser, queries):
    url = f"/trainees/{cast.enrolment.public_id}/attendance"
    monday = rules.monday_of(clock.today()) - timedelta(days=7)
    week = f"{url}?week={monday.isoformat()}"
    mentor = browser(cast.mentor, lang="en")
    fields = [rules.field_of(monday + timedelta(days=n)) for n in range(7)]
    page = mentor.get(week).text
    assert all(f'name="{name}"' in page for name in fields)
    kinds = ["duty", "night", "half", "sick", "study", "", ""]
    given = dict(zip(fields, kinds, strict=True))
    for _time in range(2):
        assert mentor.post(week, data=given).status_code == 303
    answer = mentor.post(week, data={**given, fields[0]: "sick"})
    assert answer.status_code == 422  # the page was older than what is known
    moved = {f"was_{fields[0]}": "duty", fields[0]: "leave"}
    assert mentor.post(week, data=moved).status_code == 303
    with queries() as seen:
        page = browser(cast.trainee, lang="en").get(week).text
    assert seen.count <= 12 + 3  # signing in is counted too
    assert "Before: On duty" in page
    assert "<select" not in page
    assert ">2.5<" in page
    found = list(csv.reader(io.StringIO(mentor.get(f"{url}.csv").data.decode("utf-8-sig"))))
    assert len(found) == 6
    assert found[1][1:4] == [monday.isoformat(), "NICU", "Leave"]
    roll = f"/cohorts/{cast.cohort.public_id}/attendance"
    coordinator = browser(cast.coordinator, lang="en")
    page = coordinator.get(f"{roll}?week={monday.isoformat()}").text
    assert "Night duty" in page
    found = list(
        csv.reader(
            io.StringIO(coordinator.get(f"{roll}.csv?week={monday.isoformat()}").data.decode("utf-8-sig"))
        )
    )
    mine = next(row for row in found if row[0] == "李思远")
    assert mine[2:] == ["Leave", "Night duty", "Half a day", "Sick", "Study day", "", ""]


def test_the_cohort_s_week_does_not_ask_more_for_more_trainees(cast, browser, queries):
    client = browser(cast.coordinator)
    client.get("/account")
    with queries() as seen:
        client.get(f"/cohorts/{cast.cohort.public_id}/attendance")
    assert seen.count <= 12
