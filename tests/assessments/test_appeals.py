"""A trainee objects to the marking of a question, and another person answers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lms.assessments import models, queries, rules, services
from lms.assessments.rules import appeals as rule
from lms.core import notices
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.policy import Permission, allows

WORDS = "The guideline of 2020 gives ten millilitres per kilogram."


@pytest.fixture
def handed_in(desk, candidate):
    """A marked sitting of the trainee with one right answer; the candidate."""
    trainee = candidate()
    trainee.start(desk.test)
    trainee.choose(1, desk.keys[1])
    trainee.choose(2, desk.wrong(2))
    trainee.client.post(f"{trainee.url}/submit")
    return trainee


@pytest.fixture
def made(desk, handed_in, cast, at):
    """An open appeal about question 2; its public id."""
    with desk.app.app_context(), transaction():
        return services.appeal(
            sitting_of(handed_in, cast.trainee), 2, WORDS, client_uuid="appeal-0001", by=cast.trainee, at=at
        ).public_id


def sitting_of(trainee, who):
    return queries.sitting(trainee.url.rsplit("/", 1)[1], who)


def refused(act) -> str:
    with pytest.raises(RuleBroken) as refusal, transaction():
        act()
    return refusal.value.code


# ---------------------------------------------------------------- laws


@given(st.lists(st.sampled_from([*rule.MOVES]), max_size=5))
def test_an_appeal_is_answered_or_taken_back_once_whatever_is_tried(acts):
    state, moved = rule.AppealState.OPEN, 0
    for act in acts:
        try:
            state = rules.move(rule.MOVES, act, state)
            moved += 1
        except RuleBroken:
            assert state != rule.AppealState.OPEN
    assert moved == min(1, len(acts))


@given(st.integers(0, 60), st.integers(0, 90 * 24 * 60), st.integers(0, 10_000))
def test_the_days_count_from_when_the_result_could_be_seen(days, minutes, held):
    marked = datetime(2026, 3, 2, tzinfo=UTC)
    released = marked + timedelta(minutes=held)
    moment = released + timedelta(minutes=minutes)
    until = rule.ends_at(released, marked, days)
    try:
        rule.require_open(released=True, until=until, at=moment, answered=False)
        is_open = True
    except RuleBroken:
        is_open = False
    assert is_open is (bool(days) and moment - released < timedelta(days=days))


# ---------------------------------------------------------------- making one


def test_an_appeal_goes_from_the_result_to_the_answer_and_both_are_told(desk, handed_in, cast, browser):
    page = handed_in.client.get(f"{handed_in.url}/result").text
    assert f"{handed_in.url}/appeals/2" in page
    assert handed_in.client.get(f"{handed_in.url}/appeals/2").status_code == 200
    sent = {"client_uuid": "appeal-0001", "words": WORDS}
    first = handed_in.client.post(f"{handed_in.url}/appeals/2", data=sent)
    assert first.status_code == 303
    assert (
        handed_in.client.post(f"{handed_in.url}/appeals/2", data=sent).headers["Location"]
        == first.headers["Location"]
    )
    examiner = browser(cast.examiner, lang="en")
    assert first.headers["Location"] in examiner.get("/appeals").text
    assert WORDS in examiner.get(first.headers["Location"]).text
    with desk.app.app_context():
        assert told(cast.examiner, "assessments.appeal_made") == 1
    answer = {"act": "partly", "words": "Both volumes are taught; the mark stays."}
    for _click in range(2):
        assert examiner.post(f"{first.headers['Location']}/answer", data=answer).status_code == 303
    assert "Both volumes are taught" in handed_in.client.get(first.headers["Location"]).text
    assert "right in part" in handed_in.client.get(f"{handed_in.url}/result").text
    with desk.app.app_context():
        assert told(cast.trainee, "assessments.appeal_answered") == 1
        assert [step.act for step in db.session.scalars(select(models.AppealStep))] == ["raise", "partly"]


def told(who, kind: str) -> int:
    row = notices.Notice
    return db.session.scalar(
        select(func.count()).select_from(row).where(row.account_id == who.account_id, row.kind == kind)
    )


def test_what_is_too_short_or_names_a_patient_is_refused_at_its_field(handed_in):
    for words in ("No.", "The patient with the phone number 13800138000 had this."):
        answer = handed_in.client.post(
            f"{handed_in.url}/appeals/2", data={"client_uuid": "appeal-0001", "words": words}
        )
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text


def test_there_is_no_appeal_before_the_release_nor_after_the_days(desk, handed_in, cast, at):
    with desk.app.app_context():
        with transaction():
            db.session.execute(update(models.Test).values(release="held"))
        assert refused(lambda: appeal_now(handed_in, cast, at)) == "no_appeals"
        with transaction():
            db.session.execute(update(models.Test).values(released_at=at))
        assert refused(lambda: appeal_now(handed_in, cast, at + timedelta(days=8))) == "appeal_too_late"
        with transaction():
            db.session.execute(update(models.Test).values(appeal_days=0))
        assert refused(lambda: appeal_now(handed_in, cast, at)) == "no_appeals"
    assert "/appeals/2" not in handed_in.client.get(f"{handed_in.url}/result").text


def appeal_now(trainee, cast, at, uuid="appeal-0009"):
    return services.appeal(
        sitting_of(trainee, cast.trainee), 2, WORDS, client_uuid=uuid, by=cast.trainee, at=at
    )


def test_another_click_finds_the_open_appeal_and_an_answered_one_is_final(desk, handed_in, made, cast, at):
    with desk.app.app_context():
        with transaction():
            assert appeal_now(handed_in, cast, at).public_id == made
        with transaction():
            services.answer_appeal(
                queries.appeal(made, cast.director), "refuse", WORDS, by=cast.director, at=at
            )
        assert refused(lambda: appeal_now(handed_in, cast, at)) == "answered_already"
        found = queries.appeal(made, cast.examiner)
        assert (
            refused(lambda: services.answer_appeal(found, "uphold", WORDS, by=cast.examiner, at=at))
            == "wrong_state"
        )


def test_one_that_was_taken_back_may_be_made_again(desk, handed_in, made, cast, at):
    assert handed_in.client.post(f"/appeals/{made}/withdraw").status_code == 303
    with desk.app.app_context(), transaction():
        assert appeal_now(handed_in, cast, at).public_id != made


# ---------------------------------------------------------------- who may


def test_the_appeal_of_another_trainee_does_not_exist_and_a_mentor_knows_none(made, browser, cast):
    for who in (cast.other_trainee, cast.mentor, cast.stranger):
        assert browser(who).get(f"/appeals/{made}").status_code == 404
    assert browser(cast.trainee).get("/appeals").status_code in {403, 404}


def test_nobody_answers_their_own_appeal_and_an_auditor_only_reads(desk, made, cast, at):
    with desk.app.app_context():
        with pytest.raises(NotAllowed):
            services.answer_appeal(
                queries.appeal(made, cast.trainee), "uphold", WORDS, by=cast.trainee, at=at
            )
        with pytest.raises(NotAllowed):
            services.answer_appeal(
                queries.appeal(made, cast.auditor), "uphold", WORDS, by=cast.auditor, at=at
            )
        with pytest.raises(NotFound):
            services.answer_appeal(
                queries.appeal(made, cast.examiner), "withdraw", WORDS, by=cast.examiner, at=at
            )


def test_the_list_holds_exactly_the_appeals_that_the_table_admits(desk, made, cast):
    with desk.app.app_context():
        for who in (
            cast.examiner,
            cast.director,
            cast.auditor,
            cast.educator,
            cast.mentor,
            cast.administrator,
        ):
            rows, total = queries.appeals(who, limit=50, offset=0)
            one = queries.appeal(made, cast.examiner)
            assert (total, len(rows)) == ((1, 1) if allows(who, Permission.APPEAL_READ, one) else (0, 0))
        assert queries.appeals(cast.examiner, state="refused", limit=50, offset=0) == ([], 0)


def test_the_list_asks_few_questions(made, browser, cast, queries):
    client = browser(cast.examiner)
    client.get("/appeals")
    with queries() as seen:
        assert client.get("/appeals").status_code == 200
    assert seen.count <= 12, seen.statements


# ---------------------------------------------------------------- the database itself


def test_the_database_refuses_a_second_open_appeal_and_any_change_of_what_was_said(
    desk, handed_in, made, cast, at
):
    with desk.app.app_context():
        row = db.session.scalars(select(models.Appeal)).one()
        with pytest.raises(IntegrityError), transaction():
            db.session.add(
                models.Appeal(
                    sitting_id=row.sitting_id, slot=2, question_version_id=row.question_version_id,
                    trainee_person_id=row.trainee_person_id, client_uuid="appeal-0002", state="open", made_at=at,
                )
            )  # fmt: skip
        for statement in (
            "UPDATE appeal_step SET words = 'x'",
            "DELETE FROM appeal_step",
            "DELETE FROM appeal",
            "UPDATE appeal SET slot = 3",
        ):
            with pytest.raises(DBAPIError, match="append-only"), transaction():
                db.session.execute(text(statement))


def test_an_upheld_appeal_leads_to_the_correction_of_its_key_with_the_reason_written(
    desk, made, cast, at, browser
):
    with desk.app.app_context(), transaction():
        services.answer_appeal(queries.appeal(made, cast.examiner), "uphold", WORDS, by=cast.examiner, at=at)
    examiner = browser(cast.examiner, lang="en")
    page = examiner.get(f"/appeals/{made}").text
    link = page.split('btn small primary" href="')[1].split('"')[0]
    assert link.endswith(f"/key?appeal={made}")
    assert f"An appeal was right: {WORDS}" in examiner.get(link).text
    assert "An appeal was right" not in examiner.get(link.split("?")[0]).text
    assert examiner.get(link.split("?")[0] + "?appeal=zzzzzzzzzzzz").status_code == 404
