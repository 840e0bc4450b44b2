"""The duty roster: as wards write it, errors by cell, later rosters supersede, planned days, calendar, a ward's week."""

import io
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.core import clock, imports
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.imports import Line, Sheet
from lms.programmes.models import Duty
from lms.programmes.queries import roster as queries_of_roster
from lms.programmes.rules import attendance, roster
from lms.programmes.services import roster_sheets
from tests.programmes.test_lists import cells, go

WITHIN = (date(2026, 10, 19), date(2027, 4, 18))


def sheet(*rows):
    """A sheet as a file would give it; empty rows are left out."""
    return Sheet("", tuple(Line(n, tuple(row)) for n, row in enumerate(rows, start=1) if any(row)))


def said(*rows):
    """Name, day and shift of each cell that is read."""
    reading = roster_sheets.read(sheet(*rows), WITHIN, excluded=())
    assert not reading.preview.errors
    return [(one.name, one.day.isoformat(), one.shift) for one in reading.said]


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("word", "shift"),
    [
        ("白", "day"), ("D", "day"), ("夜班", "night"), ("N", "night"), ("小夜", "evening"), ("D/N", "full"),
        ("24h", "full"), ("值", "full"), ("休", "off"), ("O", "off"), ("下夜班", "off"), ("/", "off"), ("学", "study"),
        ("年假", "leave"), ("白（带教）", "day"), ("Ｎ", "night"), ("半天", "half"), ("24小时值班", "full"),
    ],
)  # fmt: skip
def test_a_ward_s_code_is_a_shift(word, shift):
    assert roster.shift_of(word) == shift


@pytest.mark.parametrize("shift", list(roster.SHIFTS))
def test_what_the_export_writes_is_read_again(shift):
    assert roster.shift_of(roster.SIGNS[shift]) == shift
    for name in roster.SHIFTS[shift]:
        assert roster.shift_of(name) == shift


def test_a_word_that_is_no_shift_is_refused():
    with pytest.raises(RuleBroken):
        roster.shift_of("手术")


@pytest.mark.parametrize(
    ("header", "written"),
    [
        ("2026-12-01", (2026, 12, 1)), ("2026年12月1日", (2026, 12, 1)), ("12月1日", (None, 12, 1)),
        ("12/1 周二", (None, 12, 1)), ("1日", (None, None, 1)), ("1（二）", (None, None, 1)), ("31", (None, None, 31)),
        ("32", None), ("合计", None), ("", None), ("周一", None), ("Tue 1", (None, None, 1)),
    ],
)  # fmt: skip
def test_a_column_s_header_is_a_day(header, written):
    assert roster.header_day(header) == written


def test_people_down_and_days_across_with_a_merged_month_and_weekdays_beneath():
    found = said(
        ["NICU 排班表"],
        ["姓名", "11月", "", "12月", "", "备注"],
        ["", "29", "30", "1", "2", ""],
        ["", "日", "一", "二", "三", ""],
        ["李思远", "白", "夜", "下夜", "", "三线"],
        ["备注：夜班 17:00 起"],
    )
    assert found == [
        ("李思远", "2026-11-29", "day"),
        ("李思远", "2026-11-30", "night"),
        ("李思远", "2026-12-01", "off"),
    ]


def test_the_title_names_the_month_and_the_days_run_on_into_the_next_year():
    found = said(
        ["2026年12月新生儿科排班表"],
        ["序号", "姓名", "30", "31", "1", "2"],
        ["1", "李思远", "D", "N", "O", "D"],
    )
    assert [day for _name, day, _shift in found] == ["2026-12-30", "2026-12-31", "2027-01-01", "2027-01-02"]


def test_the_year_follows_from_the_cohort():
    assert said(["姓名", "1月4日", "1月5日"], ["李思远", "白", "白"])[0][1] == "2027-01-04"


def test_real_dates_and_the_long_form_are_read():
    assert said(["姓名", "2026-12-01", "2026-12-02"], ["李思远", "白", "夜"])[1] == (
        "李思远",
        "2026-12-02",
        "night",
    )
    long = said(["日期", "姓名", "班次"], ["2026/12/1", "李思远", "夜"], ["2026年12月2日", "李思远", "休"])
    assert long == [("李思远", "2026-12-01", "night"), ("李思远", "2026-12-02", "off")]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([["姓名", "1", "2"], ["李思远", "白", "夜"]], "roster_month"),
        ([["2026年2月"], ["姓名", "29", "30"], ["李思远", "白", "夜"]], "roster_day"),
        ([["一", "二"], ["三", "四"]], "no_header"),
    ],
)
def test_what_is_no_roster_is_refused(rows, code):
    with pytest.raises(RuleBroken) as refused:
        roster_sheets.read(sheet(*rows), WITHIN, excluded=())
    assert refused.value.code == code


def test_an_unknown_shift_is_named_by_its_cell():
    reading = roster_sheets.read(
        sheet(["姓名", "2026-12-01", "2026-12-02"], ["李思远", "白", "手术"], ["王建国", "夜", "夜"]),
        WITHIN,
        excluded={3},
    )
    assert [error.cell for error in reading.preview.errors] == ["C2"]
    assert len(reading.said) == 1


@given(st.dates(WITHIN[0], WITHIN[1] - timedelta(days=70)), st.integers(2, 62))
def test_days_that_run_on_are_the_days_that_follow(first, count):
    days = [first + timedelta(days=n) for n in range(count)]
    written = [(None, None, day.day) for day in days]
    months = [(None, days[0].month), *[None] * (count - 1)]
    assert roster.days_of(written, months, WITHIN) == days


# ---------------------------------------------------------------- planned days and the next chance


def test_a_day_of_which_the_roster_speaks_is_planned_as_it_says():
    monday = date(2026, 11, 2)
    spans = [(monday, monday + timedelta(days=13))]
    weekdays = attendance.planned_days(spans, until=monday + timedelta(days=9))
    assert len(weekdays) == 8
    said_of = {
        monday: "off",
        monday + timedelta(days=1): "night",
        monday + timedelta(days=5): "day",  # a Saturday
        monday + timedelta(days=6): "leave",
        monday + timedelta(days=12): "day",  # to come
        monday + timedelta(days=30): "day",  # outside
    }
    found = roster.planned_days(weekdays, spans, said_of, until=monday + timedelta(days=9))
    assert found == sorted({*weekdays, monday + timedelta(days=5)} - {monday})


TODAY = date(2026, 12, 1)
NICU = roster.Stay(
    "NICU", (date(2026, 11, 1), date(2026, 12, 31)), ((7, "王建国", (date(2026, 11, 1), date(2026, 12, 31))),)
)
PICU = roster.Stay("PICU", (date(2027, 1, 1), date(2027, 3, 31)))


def test_the_next_chance_is_the_first_duty_in_the_unit_and_says_who_is_there():
    duties = {
        date(2026, 11, 30): ("day", "NICU"),
        TODAY: ("off", "NICU"),
        date(2026, 12, 2): ("study", "NICU"),
        date(2026, 12, 3): ("night", "NICU"),
    }
    found = roster.next_chances([PICU, NICU], duties, {(7, date(2026, 12, 3))}, today=TODAY)
    assert found["NICU"] == roster.Chance("NICU", date(2026, 12, 3), "night", "王建国", is_mentor_there=True)
    assert found["PICU"] == roster.Chance("PICU", date(2027, 1, 1), "")
    alone = roster.next_chances([NICU], duties, (), today=TODAY)
    assert (alone["NICU"].mentor, alone["NICU"].is_mentor_there) == ("王建国", False)


def test_without_a_roster_only_the_placement_is_said_and_a_past_one_is_none():
    assert roster.next_chances([NICU], {}, (), today=TODAY)["NICU"] == roster.Chance(
        "NICU", TODAY, "", "王建国"
    )
    assert roster.next_chances([NICU], {}, (), today=date(2027, 1, 1)) == {}
    rest = {TODAY + timedelta(days=n): ("off", "NICU") for n in range(31)}
    assert roster.next_chances([NICU], rest, (), today=TODAY) == {}
    assert roster.next_chances([NICU], {TODAY: ("off", "NICU")}, (), today=TODAY)["NICU"].day == date(
        2026, 12, 2
    )


# ---------------------------------------------------------------- import


@pytest.fixture
def url(cast, app):
    """Address of the import."""
    return f"/cohorts/{cast.cohort.public_id}/roster/import"


@pytest.fixture
def coordinator(cast, browser):
    """The coordinator at work."""
    return browser(cast.coordinator, lang="en")


def send(client, url, rows, **more):
    """Send a roster as a workbook."""
    data = imports.to_xlsx(rows[0], rows[1:])
    return client.post(url, data={"file": (io.BytesIO(data), "roster.xlsx"), **more})


def week_of(cast):
    """A week that begins today."""
    return [clock.today() + timedelta(days=n) for n in range(7)]


def a_roster(cast, codes="白夜休休学假白", mentor="夜夜休白白白休"):
    """Trainee, mentor and a colleague of the ward."""
    days = week_of(cast)
    return [
        ["姓名", *days, "合计"],
        ["李思远", *codes, 4],
        ["王建国", *mentor, 5],
        ["不相干", *"白白白白白白白", 7],
    ]


def kept(cast):
    """Standing shifts of the trainee, and how many rows there are."""
    db.session.rollback()
    rows = queries_of_roster.of_enrolment(cast.enrolment)
    return "".join(roster.SIGNS[row.shift] for _day, row in sorted(rows.items())), db.session.scalar(
        select(func.count()).select_from(Duty)
    )


def test_a_roster_is_shown_then_kept_once_and_a_later_one_supersedes_days(cast, coordinator, url):
    page = send(coordinator, url, a_roster(cast))
    assert page.status_code == 200, cells(page)
    assert 'Not of this cohort, and not read: <span lang="zh-Hans">不相干</span>' in page.text
    assert page.text.count("7 new days") == 2
    assert kept(cast) == ("", 0)
    for _time in range(2):
        assert go(coordinator, url, page.text).status_code == 303
        assert kept(cast) == ("白夜休休学假白", 14)
    assert send(coordinator, url, a_roster(cast)).text.count("known already, nothing changes") == 2
    later = a_roster(cast, codes=["", "", "夜", "夜", "", "", "白"])
    page = send(coordinator, url, later)
    assert "2 days change" in page.text
    go(coordinator, url, page.text)
    assert kept(cast) == ("白夜夜夜学假白", 16)


def test_what_a_roster_gets_wrong_is_named_by_its_cell(cast, coordinator, url):
    days = week_of(cast)
    far = cast.cohort.end_on + timedelta(days=3)
    rows = [["姓名", *days[:2], far], ["李思远", "手术", "白", "白"], ["王建国", "白", "休", ""]]
    answer = send(coordinator, url, rows)
    assert answer.status_code == 422
    assert cells(answer) == ["B2", "D2"]
    assert go(coordinator, url, answer.text).status_code == 422
    assert kept(cast) == ("", 0)
    other = send(coordinator, url, [["姓名", *days[:2]], ["李思远", "白", "休"]], unit="PICU")
    assert cells(other) == ["B2"]
    nobody = send(coordinator, url, [["姓名", *days[:2]], ["不相干", "白", "休"]])
    assert "names nobody of this cohort" in nobody.text
    twice = send(
        coordinator, url, [["日期", "姓名", "班次"], [days[0], "李思远", "白"], [days[0], "李思远", "夜"]]
    )
    assert cells(twice) == ["C3"]


def test_the_roster_is_in_calendar_attendance_and_the_ward_s_week(cast, browser, coordinator, url, queries):
    go(coordinator, url, send(coordinator, url, a_roster(cast)).text)
    trainee = browser(cast.trainee, lang="en")
    calendar = trainee.get("/calendar").text
    assert "Night shift · NICU" in calendar
    assert "Off duty" not in calendar
    today = clock.today()
    week = f"/cohorts/{cast.cohort.public_id}/roster?week={today.isoformat()}"
    with queries() as seen:
        page = trainee.get(week)
    assert seen.count <= 12
    assert page.status_code == 200
    for words in ("李思远", "王建国", "Day shift"):
        assert words in page.text
    assert "Import" not in page.text
    attended = browser(cast.mentor, lang="en").get(
        f"/trainees/{cast.enrolment.public_id}/attendance?week={today.isoformat()}"
    )
    assert "planned: Day shift" in attended.text
    cohort = coordinator.get(f"/cohorts/{cast.cohort.public_id}/attendance?week={today.isoformat()}")
    assert "planned: Day shift" in cohort.text
    data = coordinator.get(f"/cohorts/{cast.cohort.public_id}/roster.csv?week={today.isoformat()}").data
    again = coordinator.post(url, data={"file": (io.BytesIO(data), "roster.csv")})
    assert again.text.count("known already, nothing changes") == 2


def test_the_ical_feed_holds_the_shifts(cast, browser, coordinator, url):
    go(coordinator, url, send(coordinator, url, a_roster(cast)).text)
    trainee = browser(cast.trainee, lang="en")
    page = trainee.post("/calendar/feed").text
    address = page.split('id="address" value="')[1].split('"')[0]
    feed = browser().get("/" + address.split("/", 3)[3]).text
    assert f"duty-{cast.cohort.public_id}-{clock.today().isoformat()}@firefly" in feed.replace("\r\n ", "")


@pytest.mark.parametrize("act", ["UPDATE duty SET shift = 'off'", "DELETE FROM duty"])
def test_the_database_refuses_to_change_a_duty(cast, coordinator, url, act):
    go(coordinator, url, send(coordinator, url, a_roster(cast)).text)
    db.session.rollback()
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text(act))


def test_who_reads_a_roster_and_who_imports_one(cast, browser, url):
    page = f"/cohorts/{cast.cohort.public_id}/roster"
    readers = {
        "trainee",
        "other_trainee",
        "mentor",
        "other_mentor",
        "second_assessor",
        "coordinator",
        "director",
    }
    readers |= {"administrator", "auditor"}
    for name, actor in cast.everyone().items():
        client = browser(actor)
        assert client.get(page).status_code == (200 if name in readers else 404), name
        assert client.get(f"{page}.csv").status_code == (200 if name in readers else 404), name
        runs = name in {"coordinator", "director", "administrator"}
        assert client.get(url).status_code == (200 if runs else 404), name
        assert client.post(url).status_code == (422 if runs else 404), name


def test_the_item_s_page_names_the_next_duty_and_who_is_there(cast, browser, coordinator, url, app, at):
    from lms.logbooks import services as logbooks

    with transaction():
        logbooks.add_sample_frameworks(at - timedelta(days=90))
    address = f"/trainees/{cast.enrolment.public_id}/items"
    trainee = browser(cast.trainee, lang="en")
    assert "In NICU from" in trainee.get(f"{address}/N02").text
    assert "In PICU from" in trainee.get(f"{address}/P03").text
    go(
        coordinator,
        url,
        send(coordinator, url, a_roster(cast, codes="休夜休学白休休", mentor="白夜休白休休休")).text,
    )
    page = trainee.get(f"{address}/N02").text
    assert 'night shift, with <span lang="zh-Hans">王建国</span>.' in page
    assert "In PICU from" in trainee.get(f"{address}/P03").text
    page = browser(cast.mentor, lang="zh").get(f"{address}/N02").text
    assert "夜班，带教王建国同班" in page
