"""A trainee takes a test: start, answer, hand in, result; and what others see of it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.accounts import services as accounts
from lms.accounts.models import Account
from lms.assessments import models, queries, rules, services
from lms.assessments.writer import SignedOut, Writer, _Waiting
from lms.core import clock, jobs, ports
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.policy import Permission, allows


def count(app, model) -> int:
    with app.app_context():
        return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def answer_all(desk, trainee, right=10):
    """Answer every question, the first ``right`` of them rightly."""
    for slot in range(1, 11):
        reply = trainee.choose(slot, desk.keys[slot] if slot <= right else desk.wrong(slot))
        assert (reply["acked"], reply["rejected"]) == (slot, [])


def test_a_trainee_takes_a_test_from_the_list_to_the_verdict(desk, candidate):
    trainee = candidate()
    assert "The first hour" in trainee.client.get("/tests").text
    page = trainee.client.get(f"/tests/{desk.test.public_id}")
    assert "15 minutes" in page.text
    assert "70% or more" in page.text
    trainee.start(desk.test)
    assert trainee.client.get(trainee.url).text.count('<fieldset class="card question"') == 10
    answer_all(desk, trainee, right=7)
    done = trainee.client.post(f"{trainee.url}/submit")
    assert (done.status_code, done.headers["Location"]) == (303, f"{trainee.url}/result")
    result = trainee.client.get(done.headers["Location"]).text
    assert "Passed: you have 7 of 10 points (70%)." in result
    assert "Children hold their blood pressure for long" in result
    assert "10 of 10" in result


def test_six_of_ten_is_not_a_pass_at_seventy_per_cent(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee, right=6)
    trainee.client.post(f"{trainee.url}/submit")
    assert "Not passed: you have 6 of 10 points (60%)." in trainee.client.get(f"{trainee.url}/result").text


def test_two_clicks_on_start_make_one_sitting(desk, candidate):
    trainee = candidate()
    first, second = trainee.start(desk.test), trainee.start(desk.test)
    assert first.headers["Location"] == second.headers["Location"]
    assert count(desk.app, models.Sitting) == 1


def test_starting_again_while_a_sitting_runs_leads_back_to_it(desk, candidate):
    trainee = candidate()
    first = trainee.start(desk.test, uuid="click-0001")
    assert trainee.start(desk.test, uuid="click-0002").headers["Location"] == first.headers["Location"]
    assert count(desk.app, models.Sitting) == 1


def test_the_database_itself_refuses_a_second_sitting_of_the_same_attempt(desk, at):
    from sqlalchemy.exc import IntegrityError

    sitting = desk.start(at=at)
    with desk.app.app_context(), pytest.raises(IntegrityError), transaction():
        db.session.add(
            models.Sitting(
                test_id=sitting.test_id,
                form_id=sitting.form_id,
                enrolment_id=sitting.enrolment_id,
                trainee_person_id=sitting.trainee_person_id,
                attempt=1,
                client_uuid="another",
                seed=sitting.seed,
                started_at=at,
            )
        )


def test_handing_in_twice_gives_the_same_receipt(desk, candidate, later):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee)
    trainee.client.post(f"{trainee.url}/submit")
    first = trainee.client.get(f"{trainee.url}/result").text
    with later(minutes=1):
        assert trainee.client.post(f"{trainee.url}/submit").status_code == 303
        trainee.client.post(f"{trainee.url}/answers", data={"act": "submit", "slot-1": desk.wrong(1)})
    second = trainee.client.get(f"{trainee.url}/result").text
    fingerprint = first.split("<code>")[1].split("</code>")[0]
    assert len(fingerprint.replace("<wbr>", "")) == 64
    assert fingerprint in second
    assert count(desk.app, models.Grade) == 1
    assert desk.heads(desk_sitting(desk))[1]["choice"] == desk.keys[1]


def desk_sitting(desk):
    with desk.app.app_context():
        return db.session.scalars(select(models.Sitting)).one()


def test_answers_after_handing_in_are_kept_and_do_not_count(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, desk.keys[1])
    trainee.client.post(f"{trainee.url}/submit")
    reply = trainee.choose(1, desk.wrong(1))
    assert reply["state"] == "submitted"
    assert reply["remaining_ms"] == 0
    assert reply["rejected"] == [{"device": "device-1", "seq": 2, "reason": "submitted"}]
    assert reply["acked"] == 2
    assert [event.applied for event in desk.events(desk_sitting(desk))] == [True, False]


def test_a_hand_in_made_without_a_connection_is_an_operation_like_the_others(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    ops = [trainee.op(slot, {"choice": desk.keys[slot]}) for slot in range(1, 11)] + [
        trainee.op(None, {"submit": True})
    ]
    reply = trainee.send(*ops).json
    assert (reply["acked"], reply["state"]) == (11, "submitted")
    assert trainee.send(*ops).json["acked"] == 11
    assert "(100%)" in trainee.client.get(f"{trainee.url}/result").text


def test_another_trainees_sitting_does_not_exist(desk, candidate, cast):
    trainee, other = candidate(), candidate(cast.other_trainee)
    trainee.start(desk.test)
    for path in ("", "/result", "/supervise"):
        assert other.client.get(trainee.url + path).status_code == 404, path
    for path in ("/answers", "/submit", "/take-over", "/extend"):
        assert other.client.post(trainee.url + path).status_code == 404, path
    other.url = trainee.url
    assert other.send(other.op(1, {"choice": "a"})).status_code == 404
    assert desk.events(desk_sitting(desk)) == []


@pytest.mark.parametrize("name", ["zzzzzzzzzzzz", "x", "%00", "AAAAAAAAAAAA"])
def test_unknown_and_malformed_ids_do_not_exist(desk, candidate, name):
    trainee = candidate()
    for path in (f"/tests/{name}", f"/sittings/{name}", f"/sittings/{name}/result"):
        assert trainee.client.get(path).status_code == 404, path
    trainee.url = f"/sittings/{name}"
    assert trainee.send(trainee.op(1, {"choice": "a"})).status_code == 404


def test_a_stranger_is_not_signed_in_at_the_answers_door(desk, candidate, browser):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.client = browser()
    assert trainee.send(trainee.op(1, {"choice": "a"})).status_code == 401


def shut(cast, at):
    """The administrator shuts the trainee's account."""
    account = db.session.get_one(Account, cast.trainee.account_id)
    accounts.disable_account(account, at=at, by=cast.administrator)


@pytest.mark.parametrize(
    "end",
    [lambda cast, at: accounts.sign_out_everywhere(at=at, by=cast.trainee), shut],
    ids=["signed out everywhere", "account shut"],
)
def test_an_exam_tab_writes_no_more_once_its_session_has_ended_and_others_go_on(
    desk, candidate, browser, cast, at, end
):
    trainee, other = candidate(), candidate(cast.other_trainee)
    trainee.start(desk.test)
    other.start(desk.test)
    trainee.choose(1, "a")
    with desk.app.app_context(), transaction():
        end(cast, at)
    waiting = trainee.op(1, {"choice": "b"})
    for ops in ([waiting], []):
        refused = trainee.send(*ops)
        assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")
    assert other.choose(1, "a")["acked"] == 1
    with desk.app.app_context(), transaction():
        assert db.session.scalar(select(func.count()).select_from(models.ResponseEvent)) == 2
        db.session.get_one(Account, cast.trainee.account_id).disabled_at = None
    old = trainee.client.get_cookie("sitting", path=trainee.url).value
    trainee.client = browser(cast.trainee, lang="en")
    trainee.client.set_cookie("sitting", old, path=trainee.url)
    assert trainee.send(waiting).json["acked"] == 2


def test_one_ended_session_in_a_batch_keeps_the_others_answers_and_costs_them_nothing(desk, at):
    sitting = desk.start(at=at)
    with desk.app.app_context():
        hand = Writer(db.engine)
        batch = [
            _Waiting(
                sitting.id, [rules.Op("gone", 1, 1, "answer", {"choice": "a"})], 1, "gone", at, "0" * 64
            ),
            _Waiting(sitting.id, [rules.Op("here", 1, 2, "answer", {"choice": "b"})], 1, "here", at),
        ]
        hand._serve(batch)
    assert isinstance(batch[0].problem, SignedOut)
    assert batch[1].problem is None
    assert batch[1].ack.acked == {"here": 1}
    assert [event.device for event in desk.events(sitting)] == ["here"]


def test_answers_from_another_site_are_refused(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    answer = trainee.client.post(
        f"{trainee.url}/ops",
        json={"epoch": 1, "ops": [trainee.op(1, {"choice": "a"})]},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert desk.events(desk_sitting(desk)) == []


def test_the_pass_of_one_sitting_opens_no_other_one(desk, candidate, cast):
    trainee, other = candidate(), candidate(cast.other_trainee)
    trainee.start(desk.test)
    other.start(desk.test)
    passed = other.client.get_cookie("sitting", path=other.url)
    other.client.set_cookie("sitting", passed.value, path=trainee.url)
    other.url = trainee.url
    assert other.send(other.op(1, {"choice": "a"})).status_code == 404


def test_signing_in_anew_during_a_test_goes_on_without_a_hitch(desk, candidate, browser, cast):
    trainee = candidate()
    trainee.start(desk.test)
    old = trainee.client.get_cookie("sitting", path=trainee.url).value
    trainee.client = browser(cast.trainee, lang="en")
    trainee.client.set_cookie("sitting", old, path=trainee.url)
    assert trainee.choose(1, "a")["acked"] == 1
    assert trainee.client.get_cookie("sitting", path=trainee.url).value != old


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"epoch": "1"}', '{"epoch": 1, "ops": 7}', '{"epoch": 1, "ops": [], "device": 7}', "{"],
)
def test_a_broken_message_is_refused(desk, candidate, body):
    trainee = candidate()
    trainee.start(desk.test)
    assert (
        trainee.client.post(f"{trainee.url}/ops", data=body, content_type="application/json").status_code
        == 400
    )


def test_too_large_a_message_is_refused_unread(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    answer = trainee.client.post(
        f"{trainee.url}/ops", data=b"{" + b" " * 1_000_001, content_type="application/json"
    )
    assert answer.status_code == 413


def test_a_heartbeat_tells_the_time_that_is_left(desk, candidate, later):
    trainee = candidate()
    trainee.start(desk.test)
    first = trainee.send().json
    assert (first["acked"], first["state"], first["epoch"]) == (0, "open", 1)
    assert 895_000 < first["remaining_ms"] <= 900_000
    with later(minutes=5):
        assert 595_000 < trainee.send().json["remaining_ms"] <= 600_000


def test_the_candidates_own_clock_changes_nothing(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    for skew in (-86_400_000, 86_400_000, 0):
        reply = trainee.send(
            trainee.op(1, {"choice": "b"}, mono_ms=skew, client_time="1970-01-01T00:00:00Z")
        ).json
        assert reply["rejected"] == []
        assert 895_000 < reply["remaining_ms"] <= 900_000


def test_an_extension_shows_at_the_next_acknowledgement(desk, candidate, browser, cast, later):
    trainee = candidate()
    trainee.start(desk.test)
    examiner = browser(cast.examiner, lang="en")
    answer = examiner.post(f"{trainee.url}/extend", data={"more-minutes": "10", "more-reason": "power cut"})
    assert answer.status_code == 303, answer.text
    assert 1_495_000 < trainee.send().json["remaining_ms"] <= 1_500_000
    with later(minutes=20):
        assert trainee.choose(1, "a")["rejected"] == []
    with later(minutes=26):
        assert trainee.choose(2, "a")["rejected"] == [{"device": "device-1", "seq": 2, "reason": "late"}]


@pytest.mark.parametrize(
    ("minutes", "reason"), [("0", "x"), ("241", "x"), ("-5", "x"), ("ten", "x"), ("10", ""), ("10", "   ")]
)
def test_an_extension_without_sense_is_refused_at_its_field(desk, candidate, browser, cast, minutes, reason):
    trainee = candidate()
    trainee.start(desk.test)
    answer = browser(cast.examiner, lang="en").post(
        f"{trainee.url}/extend", data={"more-minutes": minutes, "more-reason": reason}
    )
    assert answer.status_code == 422
    assert "error-summary" in answer.text
    assert count(desk.app, models.ClockEvent) == 1


def test_a_sitting_that_is_over_cannot_be_extended(desk, candidate, browser, cast):
    trainee = candidate()
    trainee.start(desk.test)
    trainee.client.post(f"{trainee.url}/submit")
    assert (
        browser(cast.examiner)
        .post(f"{trainee.url}/extend", data={"more-minutes": "10", "more-reason": "power cut"})
        .status_code
        == 422
    )


def test_when_the_time_is_up_the_clock_hands_in_what_was_answered(desk, candidate, later):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee, right=8)
    with later(minutes=15, seconds=16):
        assert trainee.send().json["state"] == "auto_submitted"
        assert trainee.client.get(trainee.url).headers["Location"].endswith("/result")
        result = trainee.client.get(f"{trainee.url}/result").text
    assert "(80%)" in result
    assert "The time was up" in result


def test_the_sweep_writes_down_and_marks_what_the_clock_handed_in(desk, at, later):
    sitting = desk.start(at=at)
    with later(minutes=16):
        worker = Worker(desk.app)
        worker.chores()
        with desk.app.app_context():
            row = db.session.get_one(models.Sitting, sitting.id)
            assert (row.state, row.marked_at) == ("auto_submitted", None)
        assert worker.drain() == 1
    with desk.app.app_context():
        row = db.session.get_one(models.Sitting, sitting.id)
        assert row.submitted_at == at + timedelta(minutes=15)
        assert db.session.scalars(select(models.Grade)).one().decision == "fail"
        assert row.lease_until is None


def test_a_sitting_before_its_deadline_is_left_alone_by_the_sweep(desk, at, later):
    desk.start(at=at)
    with later(minutes=14):
        Worker(desk.app).chores()
    assert desk_sitting(desk).state == "in_progress"


def test_a_second_attempt_gets_another_order_and_a_third_is_refused(desk, at, cast):
    one = desk.start(at=at, uuid="click-0001")
    with desk.app.app_context(), transaction():
        services.submit(one, by=cast.trainee, at=at)
    two = desk.start(at=at, uuid="click-0002")
    assert (two.attempt, two.seed != one.seed) == (2, True)
    with desk.app.app_context(), transaction():
        services.submit(two, by=cast.trainee, at=at)
    with pytest.raises(RuleBroken) as refusal:
        desk.start(at=at, uuid="click-0003")
    assert refusal.value.code == "no_attempts_left"


def test_the_click_of_a_finished_attempt_leads_to_that_attempt(desk, at, cast):
    one = desk.start(at=at, uuid="click-0001")
    with desk.app.app_context(), transaction():
        services.submit(one, by=cast.trainee, at=at)
    assert desk.start(at=at, uuid="click-0001").id == one.id


def test_who_has_passed_does_not_start_again(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee)
    trainee.client.post(f"{trainee.url}/submit")
    answer = trainee.client.post(f"/tests/{desk.test.public_id}/start", data={"client_uuid": "click-0009"})
    assert answer.status_code == 422
    assert "You have passed this test" in answer.text


def test_a_test_opens_and_closes_at_its_instants(desk, at):
    opens, closes = desk.test.opens_at, desk.test.closes_at
    for moment, code in ((opens - timedelta(microseconds=1), "not_open_yet"), (closes, "closed")):
        with pytest.raises(RuleBroken) as refusal:
            desk.start(at=moment)
        assert refusal.value.code == code
    assert desk.start(at=closes - timedelta(seconds=1)).attempt == 1


def test_no_key_and_no_reason_leaves_the_server_before_the_hand_in(desk, candidate):
    with desk.app.app_context():
        revisions = list(db.session.scalars(select(models.KeyRevision)))
        secrets = [text for revision in revisions for text in revision.rationale.values()]
    for lang in ("en", "zh_Hans"):
        trainee = candidate(lang=lang)
        if lang == "en":
            trainee.start(desk.test)
        else:
            trainee.url = f"/sittings/{desk_sitting(desk).public_id}"
        seen = [
            trainee.client.get(path).text
            for path in ("/", "/tests", f"/tests/{desk.test.public_id}", trainee.url)
        ]
        seen += [
            trainee.client.get(f"{trainee.url}/result").text,
            trainee.choose(1, "a").__repr__(),
            trainee.send().text,
        ]
        seen.append(trainee.client.post(f"{trainee.url}/answers", data={"act": "save", "slot-2": "b"}).text)
        assert len(secrets) == 20
        for text in seen:
            assert not [secret for secret in secrets if secret[:20] in text]
            assert "rationale" not in text
            assert '"right"' not in text


def test_the_paper_of_right_and_wrong_answers_is_the_same_for_the_eye(desk, at, cast):
    """Nothing in the markup tells the right option from the others: with the answers swapped, it is the same page."""
    sitting = desk.start(at=at)
    with desk.app.test_request_context():
        for item in queries.paper(sitting.form, sitting.seed):
            assert sorted(option.id for option in item.options) == list("abcde")
            assert not hasattr(item, "right")


def test_right_answers_stay_hidden_while_an_attempt_is_left(desk, candidate):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee, right=3)
    trainee.client.post(f"{trainee.url}/submit")
    result = trainee.client.get(f"{trainee.url}/result").text
    assert "Right answers are shown once no attempt is left" in result
    assert "Children hold their blood pressure" not in result
    assert "1 more attempt" in result


def test_held_results_are_shown_only_after_the_examiner_released_them(desk, candidate, browser, cast):
    with desk.app.app_context(), transaction():
        db.session.get_one(models.Test, desk.test.id).release = "held"
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee)
    told = []
    ports.fact_changed.subscribers.append(told.append)
    try:
        trainee.client.post(f"{trainee.url}/submit")
        assert "released" in trainee.client.get(f"{trainee.url}/result").text
        assert "100%" not in trainee.client.get("/tests").text
        assert told == []
        assert browser(cast.examiner).post(f"/tests/{desk.test.public_id}/release").status_code == 303
        assert [change.fact for change in told] == ["tests"]
    finally:
        ports.fact_changed.subscribers.remove(told.append)
    assert "(100%)" in trainee.client.get(f"{trainee.url}/result").text


def test_a_recorded_grade_tells_those_who_count_tests(desk, at, cast):
    told = []
    ports.fact_changed.subscribers.append(told.append)
    try:
        sitting = desk.start(at=at)
        with desk.app.app_context(), transaction():
            services.submit(sitting, by=cast.trainee, at=at)
    finally:
        ports.fact_changed.subscribers.remove(told.append)
    assert [(change.fact, change.enrolment_id) for change in told] == [("tests", cast.enrolment.id)]


def test_facts_count_passed_tests_for_a_cohort_and_for_one(desk, candidate, cast, queries):
    from lms.assessments import queries as assessments

    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee)
    trainee.client.post(f"{trainee.url}/submit")
    with desk.app.app_context():
        with queries() as seen:
            facts = assessments.test_facts(cast.cohort.id)
        assert seen.count == 3
        assert facts == {
            cast.enrolment.id: assessments.TestFacts(1, 1),
            cast.other_enrolment.id: assessments.TestFacts(1, 0),
        }
        assert assessments.test_facts_of(cast.enrolment) == assessments.TestFacts(1, 1)
        assert assessments.passed_tests([cast.enrolment.id, cast.other_enrolment.id]) == {
            cast.enrolment.id: 1
        }


def test_the_list_shows_exactly_the_tests_that_the_policy_lets_one_read(desk, cast):
    with desk.app.app_context():
        with transaction():
            from sqlalchemy.orm import joinedload

            from lms.programmes.models import Cohort

            cohort = db.session.scalars(select(Cohort).options(joinedload(Cohort.programme))).one()
            versions = list(
                db.session.scalars(
                    select(models.QuestionVersion).options(
                        joinedload(models.QuestionVersion.question).joinedload(models.Question.bank)
                    )
                )
            )
            services.make_test(
                cohort,
                versions[:3],
                title_zh="草稿",
                title_en="A draft",
                duration_s=600,
                opens_at=desk.test.opens_at,
                closes_at=desk.test.closes_at,
                cut_percent=60,
                at=desk.test.opens_at,
                by=cast.examiner,
            )
        everything = list(db.session.scalars(queries.catalogue.loaded_tests()))
        assert len(everything) == 2
        for name, who in cast.everyone().items():
            readable = {test.id for test in everything if allows(who, Permission.TEST_READ, test)}
            assert {test.id for test in queries.tests(who)} == readable, name
            for test in everything:
                if test.id in readable:
                    assert queries.test(test.public_id, who).id == test.id
                else:
                    with pytest.raises(NotFound):
                        queries.test(test.public_id, who)


def test_a_trainee_is_reminded_of_an_open_and_of_a_running_test(desk, at, cast):
    with desk.app.test_request_context():
        (task,) = queries.tasks(cast.trainee, at)
        assert (task.kind, task.url, task.urgency) == ("test", f"/tests/{desk.test.public_id}", 3)
        assert queries.tasks(cast.mentor, at) == []
    sitting = desk.start(at=at)
    with desk.app.test_request_context():
        (task,) = queries.tasks(cast.trainee, at)
        assert (task.url, task.urgency) == (f"/sittings/{sitting.public_id}", 0)
        with transaction():
            services.submit(sitting, by=cast.trainee, at=at)


def test_history_is_refused_by_the_database_itself(desk, candidate):
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, "a")
    trainee.client.post(f"{trainee.url}/submit")
    for table in (
        "question_version",
        "key_revision",
        "exam_form",
        "clock_event",
        "response_event",
        "mark",
        "grade",
        "grade_run",
    ):
        for statement in (
            f"DELETE FROM {table}",
            f"UPDATE {table} SET {'sitting_id = sitting_id' if table == 'mark' else 'id = id'}",
        ):
            with desk.app.app_context(), pytest.raises(DBAPIError, match="append-only"), transaction():
                db.session.execute(text(statement))


def test_a_sitting_that_cannot_be_marked_is_shown_to_the_examiner_and_tried_again(
    desk, candidate, browser, cast, later, monkeypatch
):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee, right=8)

    def fails(*_given):
        raise ZeroDivisionError("a key without a value")

    worker = Worker(desk.app)
    monkeypatch.setattr(rules, "mark", fails)
    for minutes in (16, 30, 45, 60, 75, 90):
        with later(minutes=minutes):
            worker.chores()
            worker.drain()
    row = desk_sitting(desk)
    assert (row.state, row.marked_at, row.attempts) == ("auto_submitted", None, 5)
    with later(days=1), desk.app.app_context():
        assert [one for one in jobs.sweep(at=clock.now()) if one[0] == services.MARK_JOB] == []

    manage = f"/tests/{desk.test.public_id}/manage"
    examiner = browser(cast.examiner, lang="en")
    page = examiner.get(manage).text
    assert "1 sitting could not be marked." in page
    assert "ZeroDivisionError: a key without a value" in page
    assert "stopped at a fault" in trainee.client.get(f"{trainee.url}/result").text
    assert trainee.client.post(f"{trainee.url}/mark-again").status_code == 404
    assert browser(cast.coordinator).post(f"{trainee.url}/mark-again").status_code == 404

    monkeypatch.undo()
    for _press in range(2):
        assert examiner.post(f"{trainee.url}/mark-again").headers["Location"] == manage
    assert worker.drain() == 1
    assert "could not be marked" not in examiner.get(manage).text
    assert "(80%)" in trainee.client.get(f"{trainee.url}/result").text


def test_a_hand_in_stands_though_it_cannot_be_marked(desk, candidate, monkeypatch):
    trainee = candidate()
    trainee.start(desk.test)
    answer_all(desk, trainee)

    def fails(*_given):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(rules, "mark", fails)
        assert trainee.client.post(f"{trainee.url}/submit").status_code == 303
        assert "It is being marked" in trainee.client.get(f"{trainee.url}/result").text
    assert (desk_sitting(desk).state, count(desk.app, models.Mark)) == ("submitted", 0)
    assert Worker(desk.app).drain() == 1
    assert "(100%)" in trainee.client.get(f"{trainee.url}/result").text
