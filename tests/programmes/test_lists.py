"""Import of hospitals and of a cohort's roll: preview, errors by cell, seats, twice is once."""

import html
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.core import imports
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes.models import Cohort, Enrolment, Hospital, HospitalVersion, Pairing, Placement
from lms.programmes.rules import lists


def send(client, url, header, rows, name="list.csv"):
    """Send a file."""
    data = imports.to_csv(header, rows) if name.endswith(".csv") else imports.to_xlsx(header, rows)
    return client.post(url, data={"file": (io.BytesIO(data), name)})


def go(client, url, page, *, excluded=(), act="run"):
    """Press a button of the preview."""
    sheet = html.unescape(re.search(r'<textarea name="sheet" hidden>(.*?)</textarea>', page, re.DOTALL)[1])
    return client.post(url, data={"sheet": sheet, "excluded": list(excluded), "go": act})


def cells(answer):
    """The cells that a preview names."""
    return re.findall(r'<b class="num">([A-Z]*\d*)</b>', answer.text)


def counts():
    """How many rows there are of all that an import makes."""
    db.session.rollback()
    models = (Hospital, HospitalVersion, Enrolment, Placement, Pairing)
    return [db.session.scalar(select(func.count()).select_from(model)) for model in models]


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("三级甲等", ("3", "甲")),
        ("三甲", ("3", "甲")),
        ("二级", ("2", "")),
        ("3", ("3", "")),
        ("Tier 2", ("2", "")),
        ("３ 级 乙等", ("3", "乙")),
        ("未定级", ("", "")),
    ],
)
def test_a_tier_is_read_as_people_write_it(text, means):
    assert lists.tier_and_grade(text) == means


@pytest.mark.parametrize("text", ["四级", "甲", "x", "三级丁等"])
def test_what_is_no_tier_is_refused(text):
    with pytest.raises(RuleBroken):
        lists.tier_and_grade(text)


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        (lists.unit_word, "新生儿重症监护室", "NICU"),
        (lists.unit_word, "picu", "PICU"),
        (lists.track_word, "全科医师", "GP"),
        (lists.region_word, "西部地区", "west"),
        (lists.relation_word, "培训基地", "base"),
        (lists.grade_of, "乙等", "乙"),
    ],
)
def test_words_stand_for_codes(read, text, code):
    assert read(text) == code
    with pytest.raises(RuleBroken):
        read("火星")


# ---------------------------------------------------------------- hospitals

HOSPITALS = ["医院名称", "英文名称", "代码", "医院等级", "区县代码"]
TWO = [
    ["红原县藏医院", "Hongyuan Hospital", "HY-1", "二级乙等", "513233"],
    ["若尔盖县人民医院", "", "", "未定级", "513232"],
]


@pytest.fixture
def office(cast, browser):
    """The administrator at work."""
    return browser(cast.administrator, lang="en")


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_hospitals_are_shown_then_entered_once_however_often_they_are_sent(office, app, name):
    before = counts()
    page = send(office, "/hospitals/import", HOSPITALS, TWO, name)
    assert page.status_code == 200
    assert "Hongyuan Hospital" in page.text
    assert page.text.count("gets one") == 1
    assert counts() == before
    assert go(office, "/hospitals/import", page.text).status_code == 303
    assert counts()[:2] == [before[0] + 2, before[1] + 2]
    kept = db.session.scalar(select(Hospital).where(Hospital.code == "HY-1"))
    assert (kept.tier, kept.grade, kept.region) == ("2", "乙", "west")
    assert go(office, "/hospitals/import", page.text).status_code == 303
    assert counts()[:2] == [before[0] + 2, before[1] + 2]
    again = send(office, "/hospitals/import", HOSPITALS, TWO, name)
    assert again.text.count("known already, nothing changes") == 2


def test_every_refused_hospital_is_named_by_its_cell_and_nothing_is_kept(office, app):
    before = counts()
    rows = [
        ["甲医院", "", "A-1", "四级", ""],
        ["乙医院", "", "B 1", "", ""],
        ["丙医院", "", "", "", "999999"],
        ["", "No Name", "", "", ""],
        ["某县人民医院", "", "", "三级", ""],
        ["某县人民医院二", "A County People's Hospital", "HOME", "", ""],
        ["丁医院", "", "A-1", "", ""],
        ["萤火儿童医院", "", "NEW", "", ""],
    ]
    answer = send(office, "/hospitals/import", HOSPITALS, rows)
    assert answer.status_code == 422
    assert set(cells(answer)) == {"D2", "C3", "E4", "A5", "D6", "A7", "C8", "A9"}
    assert 'value="run"' not in answer.text
    assert go(office, "/hospitals/import", answer.text).status_code == 422
    assert counts() == before


def test_the_exported_hospitals_come_back_without_a_change(office, app, browser, cast):
    for client in (office, browser(cast.administrator, lang="zh")):
        before = counts()
        data = client.get("/hospitals.csv").data
        page = client.post("/hospitals/import", data={"file": (io.BytesIO(data), "hospitals.csv")})
        assert page.status_code == 200, cells(page)
        assert go(client, "/hospitals/import", page.text).status_code == 303
        assert counts() == before


def test_the_list_of_hospitals_is_the_site_s(cast, browser):
    for name, actor in cast.everyone().items():
        if name == "administrator":
            continue
        client = browser(actor)
        for address in ("/hospitals/import", "/hospitals/import/template.xlsx"):
            assert client.get(address).status_code in {403, 404}, name
        assert client.post("/hospitals/import").status_code in {403, 404}, name


def test_the_empty_workbooks_are_read(office, cast, app):
    url = f"/cohorts/{cast.cohort.public_id}/import"
    for address, width in (("/hospitals/import", 8), (url, 10)):
        data = office.get(f"{address}/template.xlsx").data
        assert len(imports.read(data, "x.xlsx").lines[0].cells) == width


@pytest.mark.parametrize(("data", "says"), [({}, "Choose a file."), ({"sheet": "{"}, "damaged")])
def test_a_file_that_is_no_list_is_refused(office, data, says):
    answer = office.post("/hospitals/import", data=data)
    assert answer.status_code == 422
    assert says in answer.text


# ---------------------------------------------------------------- the roll

ROLL = [
    "姓名",
    "手机号或邮箱",
    "选送单位",
    "培训方向",
    "轮转科室",
    "入科日期",
    "出科日期",
    "带教老师",
    "第二评估人",
]


@pytest.fixture
def url(cast, app):
    """Address of the import of the cohort's roll."""
    return f"/cohorts/{cast.cohort.public_id}/import"


@pytest.fixture
def coordinator(cast, browser):
    """The coordinator at work."""
    return browser(cast.coordinator, lang="en")


def days(cast, first, last):
    """Two days of the cohort as people write them."""
    start = cast.cohort.start_on
    return [f"{start + timedelta(days=first):%Y/%m/%d}", (start + timedelta(days=last)).isoformat()]


def a_roll(cast):
    """Somebody new in two units, and somebody who stands as they stand."""
    return [
        ["孙一", "Sun@example.org", "某县人民医院", "护理", "NICU", *days(cast, 0, 90), "赵平", ""],
        ["", "sun@example.org", "", "", "儿童重症", *days(cast, 91, 181), "zhao@example.org", "热娜·吐尔逊"],
        ["李思远", "siyuan@example.org", "HOME", "儿科", "NICU", *days(cast, 0, 90), "王建国", ""],
    ]


def test_a_roll_is_shown_then_done_once_however_often_it_is_sent(cast, coordinator, url, app):
    before = counts()
    rows = a_roll(cast)
    rows[0][7] = "zhao@example.org"  # mentors nobody yet: known by login only
    page = send(coordinator, url, ROLL, rows)
    assert page.status_code == 200, cells(page)
    for words in ("is enrolled", "is placed", "enrolled already", "A County People", "赵平"):
        assert words in page.text
    assert counts() == before
    done = go(coordinator, url, page.text)
    assert done.status_code == 303
    made = counts()
    assert made[2:] == [before[2] + 1, before[3] + 2, before[4] + 3]
    assert go(coordinator, url, page.text).status_code == 303
    assert counts() == made
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "programmes.roll.import")).all()
    assert [event.detail["rows"] for event in events] == [3]
    assert "enrolled already" in send(coordinator, url, ROLL, rows).text


def test_every_refusal_of_a_roll_names_the_cell_and_nothing_is_kept(cast, coordinator, url, app):
    before = counts()
    first, last = days(cast, 0, 90)
    rows = [
        ["李四", "sun@example.org", "", "护理", "", "", "", "", ""],  # another name
        ["", "nobody@example.org", "", "护理", "", "", "", "", ""],
        ["", "zhou@example.org", "火星医院", "护理", "", "", "", "", ""],
        ["", "zhou@example.org", "", "", "", "", "", "", ""],  # no track
        ["", "siyuan@example.org", "", "护理", "", "", "", "", ""],  # another track
        ["", "siyuan@example.org", "BASE", "", "", "", "", "", ""],  # another hospital
        ["", "siyuan@example.org", "", "", "PICU", first, last, "", ""],  # placed elsewhere
        ["", "zhou@example.org", "", "护理", "NICU", last, first, "", ""],
        ["", "zhou@example.org", "", "护理", "NICU", first, "", "", ""],
        ["", "zhou@example.org", "", "护理", "NICU", first, last, "某某", ""],
        ["", "zhou@example.org", "", "护理", "NICU", first, last, "zhou@example.org", ""],
        ["", "zhou@example.org", "", "护理", "", "", "", "王建国", ""],
        ["", "siyuan@example.org", "", "", "NICU", first, last, "达瓦卓玛", ""],  # has a mentor
        ["", "zhou@example.org", "", "护理", "NICU", "2001-01-01", last, "", ""],
    ]
    answer = send(coordinator, url, ROLL, rows)
    assert answer.status_code == 422
    assert cells(answer) == [
        "A2", "B3", "C4", "D5", "D6", "C7", "F8", "G9", "G10", "H11", "H12", "H13", "H14", "F15",
    ]  # fmt: skip
    assert go(coordinator, url, answer.text).status_code == 422
    assert counts() == before


def test_seats_are_respected_row_by_row(cast, coordinator, url, app):
    with transaction():
        cohort = db.session.get_one(Cohort, cast.cohort.id)
        cohort.seats = {"total": 4, "track": {"NURSE": 1}, "region": {"west": 1}}
        db.session.get_one(Hospital, cast.home_hospital.id).region = "west"
    rows = [
        ["", "sun@example.org", "", "护理", "", "", "", "", ""],
        ["", "zhou@example.org", "", "护理", "", "", "", "", ""],
        ["", "zhao@example.org", "HOME", "儿科", "", "", "", "", ""],
        ["", "zhao@example.org", "BASE", "儿科", "", "", "", "", ""],
        ["", "qian@example.org", "", "儿科", "", "", "", "", ""],
    ]
    answer = send(coordinator, url, ROLL, rows)
    assert cells(answer) == ["D3", "C4", "B6"]
    done = go(coordinator, url, answer.text, excluded=(3, 4, 6))
    assert done.status_code == 303
    assert counts()[2] == 4


def test_a_home_hospital_that_was_not_known_is_filled_in(cast, coordinator, url, app):
    row = ["", "sun@example.org", "", "护理", "", "", "", "", ""]
    go(coordinator, url, send(coordinator, url, ROLL, [row]).text)
    row[2] = "HOME"
    go(coordinator, url, send(coordinator, url, ROLL, [row]).text)
    db.session.rollback()
    kept = db.session.scalar(select(Enrolment).where(Enrolment.person_id == cast.stranger.person_id))
    assert kept.home_hospital_id == cast.home_hospital.id


def test_a_closed_cohort_takes_nobody_from_a_list(cast, coordinator, url, app):
    with transaction():
        db.session.get_one(Cohort, cast.cohort.id).state = "closed"
    row = ["", "sun@example.org", "", "护理", "", "", "", "", ""]
    assert cells(send(coordinator, url, ROLL, [row])) == ["B2"]


def test_the_roll_is_imported_by_whoever_runs_the_cohort(cast, browser, url):
    for name, actor in cast.everyone().items():
        expected = 200 if name in {"coordinator", "director", "administrator"} else 404
        client = browser(actor)
        assert client.get(url).status_code == expected, name
        assert client.post(url).status_code == (422 if expected == 200 else 404), name


def test_a_preview_asks_the_database_no_more_for_a_longer_list(cast, coordinator, url, queries):
    row = ["", "sun@example.org", "HOME", "护理", "NICU", *days(cast, 0, 90), "zhao@example.org", ""]
    more = [["", login, "HOME", "护理", "NICU", *days(cast, 0, 90), "", ""] for login in (
        "zhou@example.org", "zhao@example.org", "qian@example.org", "lin@example.org", "wu@example.org",
    )]  # fmt: skip
    with queries() as one:
        send(coordinator, url, ROLL, [row])
    with queries() as many:
        send(coordinator, url, ROLL, [row, *more])
    assert many.count == one.count <= 14
