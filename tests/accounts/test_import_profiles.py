"""Professional details and identity numbers in a list of people: found by header, refused by cell, legible nowhere."""

import html
import json
import re

import pytest
from sqlalchemy import func, select

from lms.accounts import services
from lms.accounts.models import IdentityNumber, Person, PersonProfile
from lms.accounts.queries import profiles as queries
from lms.core.db import db, transaction
from lms.programmes.models import Enrolment
from tests.accounts.test_import import go, send
from tests.accounts.test_profiles import STANDARD, made_up
from tests.conftest import POSTGRES

HEADER = ["姓名", "手机号或邮箱", "班级", "职称", "专业", "执业证号", "身份证号", "备注"]
OTHER, THIRD = made_up(), made_up(order="888")
GULI = ["古丽", "guli@example.org", "2026A", "主治医师", "新生儿科", "1101 1010 0012 345", STANDARD, "note 7"]


@pytest.fixture
def office(browser, cast):
    """The administrator's browser, in English."""
    return browser(cast.administrator, lang="en")


def of(name):
    """A person by name."""
    return db.session.scalars(select(Person).where(Person.name_zh == name)).one()


def counts():
    """Rows of both tables."""
    return [
        db.session.scalar(select(func.count()).select_from(table))
        for table in (PersonProfile, IdentityNumber)
    ]


def carried(page):
    """The sheet as the preview carries it."""
    found = re.search(r'<textarea name="sheet" hidden>(.*?)</textarea>', page, re.DOTALL)
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_what_a_list_says_of_a_profession_is_kept_once_and_never_legible(app, office, settings, name):
    page = send(office, [GULI], header=HEADER, name=name)
    assert page.status_code == 200
    for words in ("Attending physician", "新生儿科", "110110100012345", "110105********002X"):
        assert words in page.text
    row = carried(page.text)[1][1]
    assert row[6].startswith("sealed:")
    assert row[7:] in ([], [""])
    done = go(office, page.text)
    again = go(office, page.text)
    third = go(office, send(office, [GULI], header=HEADER, name=name).text)
    for answer in (page, done, again, third):
        assert STANDARD not in answer.text
    assert (done.status_code, again.status_code, third.status_code) == (200, 200, 200)
    assert counts() == [1, 1]
    facts = queries.facts_of(queries.newest(of("古丽").id))
    assert (facts.title, facts.specialty, facts.licence_number) == (
        "attending",
        "新生儿科",
        "110110100012345",
    )
    assert queries.identity(of("古丽").id).masked == "110105********002X"
    if not POSTGRES:
        for file in settings.data_dir.iterdir():
            assert not file.is_file() or STANDARD.encode() not in file.read_bytes(), file


def test_what_a_row_leaves_empty_stays_as_it_is(app, office):
    go(office, send(office, [GULI], header=HEADER).text)
    later = ["古丽", "guli@example.org", "2026A", "副主任医师", "", "", "", ""]
    assert go(office, send(office, [later], header=HEADER).text).status_code == 200
    facts = queries.facts_of(queries.newest(of("古丽").id))
    assert (facts.title, facts.specialty, facts.licence_number) == (
        "associate_chief",
        "新生儿科",
        "110110100012345",
    )
    assert queries.identity(of("古丽").id).masked
    assert counts() == [2, 1]


def test_each_wrong_cell_is_named_and_no_number_is_repeated(app, cast, office, at):
    with transaction():
        services.enter_identity(db.session.get_one(Person, cast.mentor.person_id), THIRD, at=at, by=None)
    rows = [
        GULI,
        ["甲", "a@example.org", "2026A", "院长", "", "", "", ""],
        ["乙", "b@example.org", "2026A", "", "儿" * 61, "", "", ""],
        ["丙", "c@example.org", "2026A", "", "", "123", "", ""],
        ["丁", "d@example.org", "2026A", "", "", OTHER, "", ""],
        ["戊", "e@example.org", "2026A", "", "", "", OTHER[:17], ""],
        ["己", "f@example.org", "2026A", "", "", "", "110105194912310021", ""],
        ["庚", "g@example.org", "2026A", "", "", "", STANDARD, ""],
        ["辛", "h@example.org", "2026A", "", "", "", THIRD, ""],
        ["王建国", "wang@example.org", "2026A", "", "", "", OTHER, ""],
        ["古丽", "guli@example.org", "2026A", "", "", "", OTHER, ""],
        [OTHER, "i@example.org", "1999Z", "", "", "", "", OTHER],
    ]
    answer = send(office, rows, header=HEADER)
    assert answer.status_code == 422
    cells = re.findall(r'<b class="num">([A-Z][0-9]+)</b>', answer.text)
    assert sorted(cells) == sorted(["D3", "E4", "F5", "F6", "G7", "G8", "G9", "G10", "G11", "G12", "C13"])
    assert "kept for 王建国 already" in answer.text
    again = go(office, answer.text, act="check")
    assert re.findall(r'<b class="num">([A-Z][0-9]+)</b>', again.text) == cells
    for text in (answer.text, again.text):
        for number in (STANDARD, OTHER, THIRD, "110105194912310021", OTHER[:17]):
            assert number not in text
    assert counts() == [0, 1]


def test_one_person_in_two_rows_has_one_number(app, office):
    mentor = [*HEADER, "角色"]
    rows = [[*GULI, "学员"], [*GULI[:2], "2026A", *GULI[3:], "带教老师"]]
    assert go(office, send(office, rows, header=mentor).text).status_code == 200
    assert counts() == [1, 1]


def test_a_track_under_the_old_header_is_still_a_track(app, office):
    rows = [["古丽", "guli@example.org", "2026A", "GP"], ["阿依", "ayi@example.org", "2026A", "小儿呼吸"]]
    page = send(office, rows, header=["姓名", "手机号或邮箱", "班级", "专业"])
    assert go(office, page.text).status_code == 200
    tracks = dict(
        db.session.execute(
            select(Person.name_zh, Enrolment.track).join(Enrolment, Enrolment.person_id == Person.id)
        ).all()
    )
    assert (tracks["古丽"], tracks["阿依"]) == ("GP", "PED")
    assert queries.newest(of("古丽").id) is None
    assert queries.facts_of(queries.newest(of("阿依").id)).specialty == "小儿呼吸"


def test_a_sheet_sealed_for_another_account_is_not_opened(app, browser, cast, office, at):
    from lms.policy import SITE, Role

    with transaction():
        services.grant(
            db.session.get_one(Person, cast.stranger.person_id), Role.ADMINISTRATOR, SITE, at=at, by=None
        )
    page = send(office, [GULI], header=HEADER)
    answer = go(browser(cast.stranger, lang="en"), page.text)
    assert answer.status_code == 422
    assert counts() == [0, 0]
