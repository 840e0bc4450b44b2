"""The pages: without JavaScript, on two devices, in both languages, cheap; and the examiner's desk."""

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from lms.accounts.models import Person
from lms.assessments import models
from lms.core.db import db, transaction
from lms.programmes.models import Enrolment


def test_a_whole_test_works_without_javascript(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    page = trainee.client.get(trainee.url).text
    assert page.count('name="slot-1" value="') == 5
    assert f'action="{trainee.url}/answers"' in page
    assert 'name="act" value="save"' in page
    saved = trainee.client.post(
        f"{trainee.url}/answers",
        data={"act": "save", "slot-1": desk.keys[1], "slot-2": desk.wrong(2)},
        follow_redirects=True,
    ).text
    assert "2 answers are on the server" in saved
    assert saved.count(" checked>") >= 2
    everything = {f"slot-{slot}": desk.keys[slot] for slot in range(1, 11)}
    done = trainee.client.post(f"{trainee.url}/answers", data={"act": "submit", **everything})
    assert done.headers["Location"] == f"{trainee.url}/result"
    assert "(100%)" in trainee.client.get(f"{trainee.url}/result").text


def test_saving_the_plain_page_again_adds_only_what_changed(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    for choice in ("a", "a", "b"):
        trainee.client.post(f"{trainee.url}/answers", data={"act": "save", "slot-1": choice, "slot-2": "c"})
    with desk.app.app_context():
        events = db.session.execute(
            select(
                models.ResponseEvent.device, models.ResponseEvent.client_seq, models.ResponseEvent.slot
            ).order_by(models.ResponseEvent.id)
        ).all()
    assert [tuple(event) for event in events] == [("form", 1, 1), ("form", 2, 2), ("form", 3, 1)]


def test_a_reload_shows_exactly_what_was_acknowledged(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(3, "d")
    trainee.choose(3, "b")
    page = trainee.client.get(trainee.url).text
    assert 'name="slot-3" value="b" checked' in page
    assert page.count(" checked>") == 1 + page.count('id="keys" checked>')


def test_the_page_tells_the_script_what_it_needs(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    page = trainee.client.get(trainee.url).text
    for attribute in (
        f'data-ops="{trainee.url}/ops"',
        f'data-done="{trainee.url}/result"',
        'data-epoch="1"',
        f'data-takeover="{trainee.url}/take-over"',
    ):
        assert attribute in page
    remaining = int(page.split('data-remaining-ms="')[1].split('"')[0])
    assert 890_000 < remaining <= 900_000
    assert "data-readonly" not in page


def test_a_second_device_reads_and_takes_over_with_one_press(desk, candidate, browser, cast):
    phone, ward = candidate(device="phone"), candidate(device="ward")
    phone.start(desk.test)
    phone.choose(1, "a")
    ward.url = phone.url
    page = ward.client.get(ward.url).text
    assert "data-readonly" in page
    refused = ward.client.post(
        f"{ward.url}/answers", data={"act": "save", "slot-1": "e"}, follow_redirects=True
    ).text
    assert "open on another device" in refused
    assert desk.heads(sitting_of(desk))[1] == {"choice": "a"}
    assert ward.client.post(f"{ward.url}/take-over").status_code == 303
    page = ward.client.get(ward.url).text
    assert "data-readonly" not in page
    assert 'data-epoch="2"' in page
    ward.epoch = 2
    assert ward.choose(1, "c")["rejected"] == []
    stale = phone.choose(1, "b")
    assert stale["rejected"] == [{"device": "phone", "seq": 2, "reason": "stale_epoch"}]
    assert stale["epoch"] == 2
    assert desk.heads(sitting_of(desk))[1] == {"choice": "c"}
    assert "data-readonly" in phone.client.get(phone.url).text


def sitting_of(desk):
    with desk.app.app_context():
        return db.session.scalars(select(models.Sitting)).one()


def test_pages_speak_the_readers_language(desk, candidate, cast, browser):
    trainee = candidate(lang="zh_Hans")
    trainee.start(desk.test)
    chinese = trainee.client.get(trainee.url).text
    assert "儿童休克时" in chinese
    english = browser(cast.trainee, lang="en").get(trainee.url).text
    assert "In a child with shock" in english
    assert "儿童休克时" not in english


@pytest.mark.parametrize(
    "page", ["/tests", "/tests/{test}", "{sitting}", "{sitting}/result", "/tests/{test}/manage"]
)
def test_a_page_asks_few_questions_of_the_database_however_large_the_cohort(
    desk, candidate, browser, cast, queries, page
):
    crowd(desk, 2000)
    trainee = candidate()
    trainee.start(desk.test)
    if page.endswith("result"):
        trainee.choose(1, "a")
        trainee.client.post(f"{trainee.url}/submit")
    client = browser(cast.examiner, lang="en") if page.endswith("manage") else trainee.client
    address = page.format(test=desk.test.public_id, sitting=trainee.url)
    assert client.get(address).status_code == 200
    with queries() as seen:
        client.get(address)
    assert seen.count <= 12, "\n".join(seen.statements)


def crowd(desk, count):
    """So many other trainees with a sitting each."""
    with desk.app.app_context(), transaction():
        at = desk.test.opens_at
        session = db.session
        first = (session.execute(select(Person.id).order_by(Person.id.desc()).limit(1)).scalar_one()) + 1
        numbers = range(first, first + count)
        session.execute(insert(Person), [{"id": n, "name_zh": f"学员{n}", "created_at": at} for n in numbers])
        session.execute(
            insert(Enrolment),
            [
                {"id": n, "cohort_id": desk.test.cohort_id, "person_id": n, "track": "PED", "enrolled_at": at}
                for n in numbers
            ],
        )
        session.execute(
            insert(models.Sitting),
            [
                {
                    "id": n,
                    "test_id": desk.test.id,
                    "form_id": desk.form.id,
                    "enrolment_id": n,
                    "trainee_person_id": n,
                    "attempt": 1,
                    "client_uuid": f"crowd-{n}",
                    "seed": "00" * 32,
                    "started_at": at,
                }
                for n in numbers
            ],
        )
        session.execute(
            insert(models.ClockEvent),
            [{"sitting_id": n, "kind": "start", "ms": 0, "at": at} for n in numbers],
        )


def test_a_start_a_save_and_a_hand_in_ask_few_questions(desk, candidate, queries):
    crowd(desk, 500)
    trainee = candidate()
    trainee.client.get("/tests")
    with queries() as seen:
        trainee.start(desk.test)
    assert seen.count <= 16, "\n".join(seen.statements)
    trainee.choose(1, "a")
    with queries() as seen:
        trainee.choose(2, "b")
    assert seen.count == 3, "\n".join(seen.statements)
    with queries() as seen:
        trainee.client.post(f"{trainee.url}/submit")
    assert seen.count <= 28, "\n".join(seen.statements)


def test_the_examiner_sees_the_paper_with_keys_and_the_sittings(desk, candidate, browser, cast):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, desk.keys[1])
    trainee.choose(99, "a")
    page = browser(cast.examiner, lang="en").get(f"/tests/{desk.test.public_id}/manage").text
    assert "李思远" in page
    assert "Children hold their blood pressure for long" in page
    assert "1 / 10" in page
    assert "Supervise" in page


@pytest.mark.parametrize(
    "who", ["trainee", "mentor", "educator", "coordinator", "administrator", "auditor", "stranger"]
)
def test_only_examiners_enter_the_desk(desk, browser, cast, who):
    client = browser(getattr(cast, who))
    for path in ("manage", "scores.csv"):
        assert client.get(f"/tests/{desk.test.public_id}/{path}").status_code == 404
    for path in ("publish", "release"):
        assert client.post(f"/tests/{desk.test.public_id}/{path}").status_code == 404


def test_scores_are_exported_as_shown_and_no_name_becomes_a_formula(desk, candidate, browser, cast):
    trainee = candidate()
    trainee.start(desk.test)
    for slot in range(1, 11):
        trainee.choose(slot, desk.keys[slot] if slot < 9 else desk.wrong(slot))
    trainee.client.post(f"{trainee.url}/submit")
    with desk.app.app_context(), transaction():
        db.session.get_one(Person, cast.trainee.person_id).name_latin = "=HYPERLINK(1)"
    answer = browser(cast.examiner).get(f"/tests/{desk.test.public_id}/scores.csv")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    (row,) = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert (row["name_zh"], row["name_latin"]) == ("李思远", "'=HYPERLINK(1)")
    assert (row["score"], row["maximum"], row["percent"], row["decision"], row["answered"]) == (
        "8",
        "10",
        "80",
        "pass",
        "10",
    )


def test_a_test_that_is_not_open_yet_says_when_and_offers_no_start(desk, browser, cast, later):
    with desk.app.app_context(), transaction():
        row = db.session.get_one(models.Test, desk.test.id)
        row.opens_at = row.opens_at + timedelta(days=2)
    page = browser(cast.trainee, lang="en").get(f"/tests/{desk.test.public_id}").text
    assert "This test opens" in page
    assert "Start now" not in page
    refused = browser(cast.trainee, lang="en").post(
        f"/tests/{desk.test.public_id}/start", data={"client_uuid": "click-0001"}
    )
    assert refused.status_code == 422
    assert "This test is not open yet." in refused.text


@pytest.mark.parametrize("who", ["mentor", "examiner", "educator", "administrator"])
def test_nobody_but_a_trainee_of_the_cohort_starts_a_test(desk, browser, cast, who):
    assert browser(getattr(cast, who)).post(
        f"/tests/{desk.test.public_id}/start", data={"client_uuid": "click-0001"}
    ).status_code in {403, 404}
    with desk.app.app_context():
        assert db.session.scalars(select(models.Sitting)).all() == []


def test_the_paper_stays_within_its_budget_of_bytes(desk, candidate):
    trainee = candidate(lang="zh_Hans")
    trainee.start(desk.test)
    answer = trainee.client.get(trainee.url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) < 40_000
