"""Import of a list of people: preview, errors by cell, rows left out, invitations, twice is once."""

import html
import io
import re

import pytest
from sqlalchemy import func, select

from lms.accounts.models import Account, Grant, Person
from lms.core import imports
from lms.core.audit import AuditEvent
from lms.core.db import db
from lms.core.jobs import Worker
from lms.programmes.models import Enrolment
from tests.accounts.test_links import letters

HEADER = ["姓名", "拼音", "手机号或邮箱", "角色", "班级"]


@pytest.fixture
def office(browser, cast):
    """The administrator's browser, in English."""
    return browser(cast.administrator, lang="en")


def send(client, rows, header=HEADER, name="list.csv"):
    """Send a file."""
    data = imports.to_csv(header, rows) if name.endswith(".csv") else imports.to_xlsx(header, rows)
    return client.post("/people/import", data={"file": (io.BytesIO(data), name)})


def go(client, page, *, excluded=(), act="run"):
    """Press a button of the preview."""
    sheet = html.unescape(re.search(r'<textarea name="sheet" hidden>(.*?)</textarea>', page, re.DOTALL)[1])
    return client.post("/people/import", data={"sheet": sheet, "excluded": list(excluded), "go": act})


def counts(app):
    """How many people, accounts and enrolments there are."""
    with app.app_context():
        models = (Person, Account, Enrolment)
        return [db.session.scalar(select(func.count()).select_from(model)) for model in models]


TWO_HUNDRED = [[f"学员{n}", f"Xueyuan {n}", f"{13900000000 + n}", "学员", "2026a"] for n in range(200)]


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_a_list_is_shown_before_anything_is_changed(bare_app, office, name):
    before = counts(bare_app)
    page = send(office, [["古丽", "Guli", "guli@example.org", "Mentor", "2026A"]], name=name)
    assert page.status_code == 200
    for text in ("古丽", "guli@example.org", "Mentor · Autumn 2026 (2026A)", "new, is invited"):
        assert text in page.text
    assert counts(bare_app) == before


def test_two_hundred_names_are_imported_once_however_often_they_are_sent(bare_app, office, settings, cast):
    people, accounts, enrolled = counts(bare_app)
    page = send(office, TWO_HUNDRED).text
    done = go(office, page)
    assert done.status_code == 200
    assert "200 rows imported" in done.text
    assert len(set(re.findall(r"/invitation/(\S+?)<", done.text))) == 200
    assert counts(bare_app) == [people + 200, accounts + 200, enrolled + 200]
    again = go(office, page)
    assert "0 new people" in again.text
    assert counts(bare_app) == [people + 200, accounts + 200, enrolled + 200]
    assert "known as 学员7" in send(office, TWO_HUNDRED).text
    assert "学员199" in office.get("/people?q=13900000199").text
    with bare_app.app_context():
        events = db.session.scalars(
            select(AuditEvent).where(AuditEvent.act == "accounts.people.import")
        ).all()
        assert sum(event.detail["new"] for event in events) == 200


def test_the_invitation_of_the_list_opens_the_account_and_mail_goes_where_it_can(
    bare_app, browser, office, settings
):
    rows = [["古丽", "", "guli@example.org", "学员", "2026A"], ["阿依", "", "13900139000", "学员", "2026A"]]
    done = go(office, send(office, rows).text).text
    assert done.count("mailed") == 1
    Worker(bare_app).drain()
    assert [to for to, _text in letters(settings)] == ["guli@example.org"]
    for token in re.findall(r"/invitation/(\S+?)<", done):
        client = browser()
        form = {"password": "七月的夜灯 sea", "again": "七月的夜灯 sea"}
        assert client.post(f"/invitation/{token}", data=form).status_code == 303
        assert client.get("/account").status_code == 200


def test_errors_are_named_by_cell_and_nothing_is_imported(bare_app, office):
    before = counts(bare_app)
    rows = [
        ["古丽", "", "guli@example.org", "学员", "2026A"],
        ["阿依", "", "not a login", "学员", "2026A"],
        ["巴图", "", "batu@example.org", "国王", "2026A"],
        ["次仁", "", "ciren@example.org", "学员", "1999Z"],
        ["", "", "nobody@example.org", "学员", "2026A"],
        ["丹增", "", "danzeng@example.org", "学员", ""],
        ["尔丹", "", "guli@example.org", "学员", "2026A"],
        ["飞", "", "", "学员", "2026A"],
        ["格桑", "", "gesang@example.org", "学员", "FFLY"],
    ]
    answer = send(office, rows)
    assert answer.status_code == 422
    for cell in ("C3", "D4", "E5", "A6", "E7", "C8", "C9", "E10"):
        assert f">{cell}</b>" in answer.text, cell
    assert "Row 2 has the same login for another name." in answer.text
    assert 'value="run"' not in answer.text
    assert go(office, answer.text).status_code == 422
    assert counts(bare_app) == before
    rest = go(office, answer.text, excluded=range(3, 11), act="check")
    assert rest.status_code == 200
    assert "8 rows left out" in rest.text
    done = go(office, rest.text, excluded=range(3, 11))
    assert "1 row imported" in done.text
    assert counts(bare_app) == [before[0] + 1, before[1] + 1, before[2] + 1]


def test_a_known_person_keeps_their_name_and_gets_the_further_role(bare_app, cast, office):
    rows = [
        ["王老师", "", "wang@example.org", "考官", "FFLY"],
        ["王老师", "", "wang@example.org", "讲师", "FFLY"],
    ]
    page = send(office, rows).text
    assert "known as 王建国" in page
    before = counts(bare_app)
    go(office, page)
    assert counts(bare_app) == before
    with bare_app.app_context():
        held = set(db.session.scalars(select(Grant.role).where(Grant.person_id == cast.mentor.person_id)))
        assert {"examiner", "educator", "mentor"} <= held
        assert db.session.get_one(Person, cast.mentor.person_id).name_zh == "王建国"


def test_the_exported_list_comes_back_without_a_change(bare_app, cast, office):
    data = office.get("/people.csv").data
    page = office.post("/people/import", data={"file": (io.BytesIO(data), "people.csv")})
    text = page.text
    before = counts(bare_app)
    with bare_app.app_context():
        grants = db.session.scalar(select(func.count()).select_from(Grant))
    numbers = re.findall(r'name="excluded" value="(\d+)"><span>row', text)
    done = go(office, text, excluded=numbers)
    assert "0 new people" in done.text
    assert counts(bare_app) == before
    with bare_app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Grant)) == grants


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "Choose a file."),
        ({"file": (b"", "x.csv")}, "holds no rows"),
        ({"file": (b"\x89PNG", "x.png")}, "Only Excel workbooks"),
        ({"file": (b"PK\x03\x04rubbish", "x.xlsx")}, "damaged"),
        ({"file": (b"one,two\n1,2\n", "x.csv")}, "No row names the columns"),
        ({"sheet": "[[1,2]]"}, "damaged"),
        ({"sheet": "{"}, "damaged"),
        ({"sheet": "[[Infinity, []]]"}, "damaged"),
        ({"sheet": '[[1, ["\\ud800"]]]'}, "damaged"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_name_of_the_problem(bare_app, office, data, says):
    fields = {
        key: (io.BytesIO(value[0]), value[1]) if key == "file" else value for key, value in data.items()
    }
    answer = office.post("/people/import", data=fields)
    assert answer.status_code == 422
    assert says in answer.text


def test_more_than_a_thousand_rows_are_refused(office):
    rows = [[f"学员{n}", "", f"{13900000000 + n}", "学员", "2026A"] for n in range(1001)]
    assert "more than 1000 rows" in send(office, rows).text


def test_the_import_is_the_administrators_alone(browser, cast):
    for name, actor in cast.everyone().items():
        if name == "administrator":
            continue
        client = browser(actor)
        assert client.get("/people/import").status_code == 404, name
        assert client.post("/people/import").status_code == 404, name
        assert client.get("/people/import/template.xlsx").status_code == 404, name


def test_the_empty_workbook_is_one_that_the_import_reads(office):
    data = office.get("/people/import/template.xlsx").data
    header = imports.read(data, "people.xlsx").lines[0].cells
    assert len(header) == 10
    answer = send(office, [["古丽", "", "guli@example.org", "学员", "2026A", "护士"]], header=list(header))
    assert "1 row can be imported" in answer.text or "Choose a track" in answer.text


@pytest.mark.parametrize(("lang", "words"), [("en", "E-mail or phone"), ("zh", "手机号或邮箱")])
def test_a_missing_column_is_named_in_the_reader_s_language(browser, cast, lang, words):
    page = send(browser(cast.administrator, lang=lang), [["古丽"]], header=["姓名"])
    assert page.status_code == 422
    assert words in page.text
