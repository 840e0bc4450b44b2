"""Invigilation: the clock stopped and started, more time, messages, the board."""

import pytest
from sqlalchemy import func, select

from lms.assessments import models, services
from lms.core import clock
from lms.core.db import db, transaction


@pytest.fixture
def examiner(desk, cast, browser):
    return browser(cast.examiner, lang="en")


def rows(app, model):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model))


def test_a_stopped_clock_keeps_what_is_left_and_still_takes_answers(desk, candidate, examiner, later):
    trainee = candidate()
    trainee.start(desk.test)
    with later(minutes=5):
        assert examiner.post(f"{trainee.url}/pause", data={"stop-reason": "fire alarm"}).status_code == 303
        reply = trainee.send().json
        assert reply["state"] == "paused"
        assert 595_000 < reply["remaining_ms"] <= 600_000
    with later(minutes=65):
        # What was on its way when the clock stopped is not lost.
        assert trainee.choose(1, "a")["rejected"] == []
        assert trainee.client.get(trainee.url).headers["Location"] == f"{trainee.url}/paused"
        page = trainee.client.get(f"{trainee.url}/paused").text
        assert "Your time stands still" in page
        assert "<fieldset" not in page
        assert "1 in the pause" in examiner.get(f"/tests/{desk.test.public_id}/board").text
        assert examiner.post(f"{trainee.url}/resume").status_code == 303
        reply = trainee.send().json
        assert (reply["state"], 595_000 < reply["remaining_ms"] <= 600_000) == ("open", True)
    with later(minutes=74):
        assert trainee.choose(2, "a")["rejected"] == []
    with later(minutes=76):
        assert trainee.choose(3, "a")["rejected"][0]["reason"] == "late"


def test_the_sweep_leaves_a_stopped_clock_alone(desk, candidate, examiner, later, app):
    trainee = candidate()
    trainee.start(desk.test)
    examiner.post(f"{trainee.url}/pause", data={"stop-reason": "fire alarm"})
    with later(minutes=600), app.app_context(), transaction():
        assert services.expire_overdue(at=clock.now()) == 0


def test_a_button_pressed_twice_stops_once(desk, candidate, examiner, cast):
    trainee = candidate()
    trainee.start(desk.test)
    for _press in range(2):
        assert examiner.post(f"{trainee.url}/pause", data={"stop-reason": "alarm"}).status_code == 303
    assert rows(desk.app, models.ClockEvent) == 2
    for _press in range(2):
        assert examiner.post(f"{trainee.url}/resume").status_code == 303
    assert rows(desk.app, models.ClockEvent) == 3


def test_everybody_who_sits_is_stopped_extended_and_told_at_once(desk, candidate, examiner, cast):
    one, two = candidate(), candidate(cast.other_trainee)
    for trainee in (one, two):
        trainee.start(desk.test)
    heard = one.send().json["news"]
    base = f"/tests/{desk.test.public_id}"
    assert (
        examiner.post(f"{base}/extend", data={"more-minutes": "10", "more-reason": "late"}).status_code == 303
    )
    assert examiner.post(f"{base}/pause", data={"stop-reason": "alarm"}).status_code == 303
    assert {trainee.send().json["state"] for trainee in (one, two)} == {"paused"}
    assert examiner.post(f"{base}/resume").status_code == 303
    note = {"client_uuid": "a-key-of-the-form", "kind": "message", "words": "Question 3: read mg, not g."}
    for _press in range(2):
        assert examiner.post(f"{base}/notes", data=note).status_code == 303
    assert rows(desk.app, models.SittingNote) == 1
    for trainee in (one, two):
        reply = trainee.send().json
        assert reply["news"] > heard
        assert 1_380_000 < reply["remaining_ms"] <= 1_500_000  # a busy machine takes its time
        piece = trainee.client.get(f"{trainee.url}/messages").text
        assert "Question 3: read mg, not g." in piece
        assert "+ 15 min" in piece
        assert "+ 10.0 min more" in piece


def test_an_incident_is_for_the_record_and_names_no_patient(desk, candidate, examiner, cast):
    trainee = candidate()
    trainee.start(desk.test)
    note = {"client_uuid": "a-key-of-the-form", "kind": "incident"}
    answer = examiner.post(f"{trainee.url}/notes", data={**note, "words": "患儿李小明 13912345678"})
    assert answer.status_code == 422
    assert "患儿李小明 13912345678</textarea>" in answer.text
    assert examiner.post(f"{trainee.url}/notes", data={**note, "words": "Left the room."}).status_code == 303
    assert "Left the room." in examiner.get(f"{trainee.url}/supervise").text
    assert "Left the room." not in trainee.client.get(f"{trainee.url}/messages").text


def test_more_time_in_every_test_counts_from_the_start_and_while_it_runs(
    desk, candidate, examiner, cast, app
):
    address = f"/tests/{desk.test.public_id}/candidates/{cast.enrolment.public_id}"
    form = {"percent": "20", "minutes": "2", "need": "language"}
    assert examiner.post(address, data=form).status_code == 303
    trainee = candidate()
    trainee.start(desk.test)
    assert 1_195_000 < trainee.send().json["remaining_ms"] <= 1_200_000  # 15 + 3 + 2 minutes
    assert examiner.post(address, data={**form, "minutes": "5"}).status_code == 303
    assert 1_375_000 < trainee.send().json["remaining_ms"] <= 1_380_000
    assert examiner.post(address, data={**form, "minutes": "0"}).status_code == 303
    assert 1_375_000 < trainee.send().json["remaining_ms"] <= 1_380_000
    assert examiner.post(address, data={**form, "minutes": "5"}).status_code == 303
    assert 1_375_000 < trainee.send().json["remaining_ms"] <= 1_380_000
    for field, value in (("percent", "201"), ("minutes", "-1"), ("need", "illness"), ("percent", "x")):
        answer = examiner.post(address, data={**form, field: value})
        assert (answer.status_code, "error-summary" in answer.text) == (422, True), field
    assert rows(app, models.Accommodation) == 4


def test_the_board_says_who_is_there_and_how_far(desk, candidate, examiner, later):
    trainee = candidate()
    address = f"/tests/{desk.test.public_id}/board"
    assert "not begun" in examiner.get(address).text
    trainee.start(desk.test)
    trainee.choose(1, "a")
    piece = examiner.get(address, headers={"X-Requested-With": "lms"}).text
    assert "<html" not in piece
    assert "connected" in piece
    assert "1 / 10" in piece
    with later(minutes=3):
        assert "not heard of since" in examiner.get(f"{address}?show=trouble").text
        trainee.send()
        assert "not heard of since" not in examiner.get(address).text
    trainee.client.post(f"{trainee.url}/submit")
    assert "handed in" in examiner.get(f"{address}?show=over").text


def test_the_board_asks_the_database_a_fixed_number_of_times(desk, candidate, examiner, cast, queries):
    address = f"/tests/{desk.test.public_id}/board"
    one = candidate()
    one.start(desk.test)
    with queries() as first:
        examiner.get(address)
    two = candidate(cast.other_trainee)
    two.start(desk.test)
    with queries() as second:
        examiner.get(address)
    assert second.count == first.count <= 20


def test_only_who_supervises_comes_in(desk, candidate, browser, cast):
    trainee = candidate()
    trainee.start(desk.test)
    for who in (cast.trainee, cast.other_trainee, cast.mentor, cast.educator):
        client = browser(who)
        for path in (f"/tests/{desk.test.public_id}/board", f"{trainee.url}/supervise"):
            assert client.get(path).status_code == 404, path
        for path in (f"/tests/{desk.test.public_id}", trainee.url):
            for act in ("pause", "resume", "extend", "notes"):
                assert client.post(f"{path}/{act}").status_code == 404, (path, act)
    assert browser(cast.other_trainee).get(f"{trainee.url}/messages").status_code == 404


def test_what_is_over_cannot_be_stopped(desk, candidate, examiner, app, cast, at):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.client.post(f"{trainee.url}/submit")
    answer = examiner.post(f"{trainee.url}/pause", data={"stop-reason": "alarm"})
    assert answer.status_code == 422
    assert rows(app, models.ClockEvent) == 1


def test_a_candidate_of_another_cohort_does_not_exist(desk, examiner):
    assert examiner.get(f"/tests/{desk.test.public_id}/candidates/AAAAAAAAAAAA").status_code == 404
