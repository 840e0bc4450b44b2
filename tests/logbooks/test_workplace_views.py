"""The pages of assessments in the workplace, without scripts: ask, fill in, answer, the lists, the file."""

import re

import pytest
from sqlalchemy import select

from lms.core import clock, ids
from lms.core.db import db
from lms.logbooks.models.workplace import WorkplaceAssessment, WorkplaceRecord
from lms.logbooks.rules import workplace as rules
from tests.cast import PIN
from tests.logbooks.test_workplace import ask, brought_to, do


def wanted(at, mentor_id, **more):
    """What the trainee gives."""
    return {
        "kind": "dops",
        "item": "N13",
        "assessor": mentor_id,
        "happened_on": clock.today(at).isoformat(),
        "client_uuid": ids.token(),
        **more,
    }


FILLED = {"d-technique": "2", "d-asepsis": "", "strength": "好", "improvement": "慢一点", "plan": "再来一次"}


def rows(model=WorkplaceAssessment):
    """Every row as the database has it now."""
    db.session.rollback()
    return db.session.scalars(select(model).execution_options(populate_existing=True)).all()


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_from_the_request_to_the_answer(desk, cast, browser, app, at, lang):
    trainee, mentor = browser(cast.trainee, lang=lang), browser(cast.mentor, lang=lang)
    page = trainee.get("/workplace/new").text
    mentor_id = re.search(r'<option value="([^"]+)">王建国', page)[1]
    given = wanted(at, mentor_id)
    for _n in range(2):
        answer = trainee.post("/workplace/new", data=given)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/workplace")
    (asked,) = rows()
    assert "王建国" in trainee.get("/workplace").text
    assert "/workplace/to-assess" in mentor.get("/to-sign").text
    form_url = f"/workplace/{asked.public_id}/assess"
    assert form_url in mentor.get("/workplace/to-assess").text
    assert mentor.get(form_url).status_code == 200
    refused = mentor.post(form_url, data={**FILLED, "level": 4})
    assert refused.status_code == 422
    assert "慢一点" in refused.text
    assert re.search(r'name="d-technique" value="2" checked', refused.text)
    for _n in range(2):
        answer = mentor.post(form_url, data={**FILLED, "level": 4, "pin": PIN})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/workplace/{asked.public_id}")
    (record,) = rows(WorkplaceRecord)
    assert (record.level, record.payload["ratings"]) == (4, {"technique": 2})
    page = trainee.get(f"/workplace/{asked.public_id}").text
    assert "再来一次" in page
    assert trainee.post(f"/workplace/{asked.public_id}/respond", data={"words": ""}).status_code == 422
    trainee.post(f"/workplace/{asked.public_id}/respond", data={"words": "下次先说计划"})
    assert "下次先说计划" in mentor.get(f"/workplace/{asked.public_id}").text
    assert [row.state for row in rows()] == [rules.RESPONDED]


def test_a_mentor_begins_on_the_trainee_s_page(desk, cast, browser, app, at):
    mentor, base = browser(cast.mentor, lang="en"), f"/trainees/{cast.enrolment.public_id}/workplace"
    assert f"{base}/new" in mentor.get(base).text
    assert base in mentor.get(f"/trainees/{cast.enrolment.public_id}").text
    assert mentor.get(f"{base}/new").status_code == 200
    answer = mentor.post(f"{base}/new", data=wanted(at, "", kind="mini_cex"))
    assert answer.status_code == 303
    assert "History taking" in mentor.get(answer.headers["Location"]).text


def test_bad_input_is_refused_and_kept(desk, cast, browser, app, at):
    trainee = browser(cast.trainee, lang="en")
    for more in ({"assessor": ""}, {"item": ""}, {"kind": ""}, {"happened_on": "2020-01-01"}, {"kind": "x"}):
        answer = trainee.post("/workplace/new", data=wanted(at, "nobody", focus="看手法", **more))
        assert answer.status_code == 422
        assert "There is a problem" in answer.text
        assert "看手法" in answer.text
    assert rows() == []


def test_declining_taking_back_and_making_void(desk, cast, browser, app):
    mentor, trainee, director = (
        browser(who, lang="en") for who in (cast.mentor, cast.trainee, cast.director)
    )
    first, second, third = ask(desk), ask(desk), brought_to(desk, rules.SUBMITTED)
    assert mentor.post(f"/workplace/{first.public_id}/decline", data={}).status_code == 422
    mentor.post(f"/workplace/{first.public_id}/decline", data={"reason": "talk"})
    assert "Let us talk about it first." in trainee.get(f"/workplace/{first.public_id}").text
    trainee.post(f"/workplace/{second.public_id}/cancel")
    url = f"/workplace/{third.public_id}/void"
    assert director.get(url).status_code == 200
    assert director.post(url, data={"reason": "duplicate"}).status_code == 422
    director.post(url, data={"reason": "duplicate", "words": "录入两次"})
    assert "录入两次" in trainee.get(f"/workplace/{third.public_id}").text
    assert [row.state for row in rows()] == ["declined", "cancelled", "voided"]
    answer = mentor.get(f"/workplace/{first.public_id}/assess")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/workplace/{first.public_id}")


def test_lists_filter_page_and_leave_as_a_file(desk, cast, browser, app):
    for _n in range(27):
        ask(desk, kind="cbd", item=desk.item("N12"))
    do(desk, "submit", ask(desk), cast.mentor)
    trainee = browser(cast.trainee, lang="en")
    assert trainee.get("/workplace").text.count('class="task"') == 25
    assert trainee.get("/workplace?page=2").text.count('class="task"') == 3
    assert trainee.get("/workplace?kind=dops").text.count('class="task"') == 1
    assert "No assessments of this kind" in trainee.get("/workplace?state=voided").text
    lines = trainee.get("/workplace.csv?kind=dops").text.strip().splitlines()
    assert len(lines) == 2
    assert "铺巾有序" in lines[1]
    base = f"/trainees/{cast.enrolment.public_id}/workplace"
    for who, url, code in (
        (cast.mentor, f"{base}.csv", 200),
        (cast.director, base, 200),
        (cast.mentor, "/workplace/to-assess.csv", 200),
        (cast.other_mentor, base, 404),
        (cast.stranger, f"{base}.csv", 404),
        (cast.mentor, "/workplace", 404),
        (cast.director, f"{base}/new", 403),
        (cast.trainee, f"{base}/new", 403),
    ):
        assert browser(who).get(url).status_code == code, (url, who)


def test_strangers_do_not_know_that_it_exists(desk, cast, browser, app):
    one = ask(desk)
    for who in (cast.other_trainee, cast.other_mentor, cast.stranger, cast.educator):
        client = browser(who)
        for url in ("", "/assess", "/void"):
            assert client.get(f"/workplace/{one.public_id}{url}").status_code == 404
        for act in ("assess", "decline", "cancel", "respond"):
            assert client.post(f"/workplace/{one.public_id}/{act}", data={}).status_code == 404


@pytest.mark.parametrize("state", [rules.REQUESTED, rules.SUBMITTED, rules.RESPONDED, rules.DECLINED])
def test_all_assessments_lead_somewhere_for_everybody_who_reads_one(desk, cast, browser, app, state):
    assessment = brought_to(desk, state)
    for who in (cast.trainee, cast.mentor, cast.second_assessor, cast.director, cast.auditor):
        follow(browser(who), assessment)


def test_a_colleague_who_is_not_paired_is_led_to_what_they_were_asked_for(desk, cast, browser, app):
    assessment = ask(desk, assessor=cast.other_mentor)
    do(desk, "submit", assessment, cast.other_mentor)
    assert follow(browser(cast.other_mentor), assessment) == "/workplace/to-assess"


def follow(client, assessment):
    """The last link of the page, which opens."""
    page = client.get(f"/workplace/{assessment.public_id}").text
    link = re.findall(r'<a class="btn" href="([^"]+)"', page)[-1]
    assert client.get(link).status_code == 200
    return link


@pytest.mark.parametrize("many", [1, 6])
def test_the_pages_take_at_most_twelve_queries_however_long_the_list(desk, cast, browser, app, queries, many):
    for number in range(many):
        assessment = ask(desk, ago=number % 5)
        do(desk, "submit", assessment, cast.mentor)
    waiting = ask(desk)
    own, trainee = f"/trainees/{cast.enrolment.public_id}/workplace", cast.trainee
    for who, url in (
        (trainee, "/workplace"),
        (trainee, "/workplace/new"),
        (trainee, f"/workplace/{assessment.public_id}"),
        (cast.mentor, "/workplace/to-assess?state="),
        (cast.mentor, f"/workplace/{waiting.public_id}/assess"),
        (cast.mentor, f"/workplace/{assessment.public_id}"),
        (cast.mentor, own),
        (cast.director, own),
    ):
        client = browser(who)
        client.get(url)
        with queries() as seen:
            assert client.get(url).status_code == 200
        assert seen.count <= 12, (url, seen.statements)
