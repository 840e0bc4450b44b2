"""Checkpoints in lectures and practice by topic: from practice banks only, marked as sittings are, counting for nothing."""

import re
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, IntegrityError

from lms.assessments import models, queries, rules, services
from lms.certificates import queries as certificates
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.courses import queries as courses
from lms.courses import services as course_services
from lms.courses.models import Lecture, LectureCompletion, Module
from lms.policy import Permission, allows
from tests.assessments.papers import asked
from tests.courses.conftest import fresh, ready


@pytest.fixture
def banks(app, cast, at):
    """An exam bank and a practice bank of six questions each, on shock and on airways."""
    with transaction():
        found = {}
        for purpose in ("exam", "practice"):
            found[purpose] = services.create_bank(
                cast.programme, purpose=purpose, title_zh=purpose, title_en=purpose, at=at, by=None
            )
            for number in range(6):
                asked(bank=found[purpose], number=number, at=at, topic=("shock", "airway")[number % 2])
    return found


@pytest.fixture
def lecture(app, cast, at) -> Lecture:
    """A published lecture of a hundred seconds."""
    with transaction():
        course = course_services.add_course(
            cast.cohort, code="C1", title_zh="急症", title_en="Emergencies", at=at, by=None
        )
        course_services.publish_course(course, at=at, by=None)
        module = course_services.add_module(course, title_zh="休克", title_en="Shock", at=at, by=None)
        module.course = course
        found = course_services.add_lecture(
            db.session.get_one(Module, module.id), title_zh="讲座", title_en="Lecture", at=at, by=None
        )
        ready(found, 100, at)
        course_services.publish_lecture(found, at=at, by=None)
    return courses.lecture(found.public_id, cast.educator)


def one_of(bank) -> models.Question:
    return db.session.scalars(
        select(models.Question).where(models.Question.bank_id == bank.id).order_by(models.Question.id)
    ).first()


def placed(lecture, question, cast, at, *, at_s=30, is_required=False) -> models.Checkpoint:
    with transaction():
        return services.place_checkpoint(
            lecture,
            question.public_id,
            at_s=at_s,
            is_required=is_required,
            today=clock.today(at),
            by=cast.educator,
            at=at,
        )


def watched(lecture, enrolment, at) -> bool:
    """Report the whole film at once; whether it counts."""
    session = course_services.player_session(lecture.video, enrolment, at=at)
    with transaction():
        counted = course_services.beat(
            lecture,
            enrolment,
            session=session,
            seq=1,
            intervals=[[0, 100]],
            position_s=100,
            at=at + timedelta(seconds=200),
        )
    return counted.complete


# ---------------------------------------------------------------- checkpoints


def test_a_checkpoint_takes_no_question_of_an_exam_bank(banks, lecture, cast, at):
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.place_checkpoint(
            lecture,
            one_of(banks["exam"]).public_id,
            at_s=3,
            is_required=False,
            today=clock.today(at),
            by=cast.educator,
            at=at,
        )
    assert refusal.value.code == "wrong_bank"


@pytest.mark.parametrize("lie", ["exam", "practice"])
def test_the_database_itself_refuses_an_exam_question_in_a_checkpoint(banks, lecture, at, lie):
    question = one_of(banks["exam"])
    row = models.Checkpoint(
        lecture_id=lecture.id, question_id=question.id, bank_id=question.bank_id, purpose=lie, placed_at=at
    )
    db.session.add(row)
    with pytest.raises(IntegrityError):
        db.session.flush()


def test_a_checkpoint_lies_within_its_film(banks, lecture, cast, at):
    with pytest.raises(RuleBroken) as refusal:
        placed(lecture, one_of(banks["practice"]), cast, at, at_s=101)
    assert refusal.value.code == "at_s"


def test_a_question_that_is_placed_again_is_moved(banks, lecture, cast, at):
    question = one_of(banks["practice"])
    first = placed(lecture, question, cast, at, at_s=3)
    again = placed(lecture, question, cast, at, at_s=None, is_required=True)
    assert first.id == again.id
    assert [
        (row.checkpoint.at_s, row.checkpoint.is_required) for row in queries.placed_checkpoints(lecture)
    ] == [(None, True)]


def test_an_educator_places_and_removes_on_the_page(banks, lecture, cast, browser):
    page = browser(cast.educator)
    address = f"/lectures/{lecture.public_id}/checkpoints"
    key = one_of(banks["practice"]).public_id
    told = page.post(address, data={"question": key, "when": "at", "minute": "1", "second": "x"})
    assert told.status_code == 422
    assert (
        page.post(address, data={"question": key, "when": "at", "minute": "1", "second": "5"}).status_code
        == 303
    )
    assert "1:05" in page.get(address).text
    fresh()
    row = db.session.scalars(select(models.Checkpoint)).one()
    assert page.post(f"/checkpoints/{row.public_id}/remove").status_code == 303
    assert page.get(f"/checkpoints/{row.public_id}").status_code == 404
    assert one_of(banks["exam"]).public_id not in page.get(address).text


def test_a_trainee_answers_at_a_checkpoint_and_reads_the_reason_at_once(banks, lecture, cast, at, browser):
    found = placed(lecture, one_of(banks["practice"]), cast, at)
    page = browser(cast.trainee, lang="en")
    assert (
        f'href="/checkpoints/{found.public_id}" data-at="30"'
        in page.get(f"/lectures/{lecture.public_id}").text
    )
    address = f"/checkpoints/{found.public_id}"
    assert "because" not in page.get(address).text
    assert page.post(address, data={"client_uuid": "answer-01"}).status_code == 422
    wrong = page.post(address, data={"client_uuid": "answer-02", "slot-1": "b"})
    assert wrong.status_code == 303
    assert "because" in page.get(wrong.headers["Location"]).text
    again = page.post(address, data={"client_uuid": "answer-02", "slot-1": "a"})
    assert again.headers["Location"] == wrong.headers["Location"]  # two clicks are one answer
    page.post(address, data={"client_uuid": "answer-03", "slot-1": "a"})
    answers = db.session.scalars(select(models.PracticeAnswer).order_by(models.PracticeAnswer.id)).all()
    assert [answer.score for answer in answers] == [Fraction(0), Fraction(1)]
    assert browser(cast.other_trainee).get(wrong.headers["Location"]).status_code == 404
    assert browser(cast.stranger).get(address).status_code == 404
    piece = page.get(address, headers={"X-Requested-With": "lms"}).text
    assert "<html" not in piece
    assert "<form" in piece


def test_an_answer_is_never_changed(banks, lecture, cast, at, browser):
    found = placed(lecture, one_of(banks["practice"]), cast, at)
    browser(cast.trainee, lang="en").post(
        f"/checkpoints/{found.public_id}", data={"client_uuid": "answer-02", "slot-1": "b"}
    )
    answer = db.session.scalars(select(models.PracticeAnswer)).one()
    answer.score = Fraction(1)
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.flush()


def test_a_required_checkpoint_holds_the_lecture_until_it_is_answered(banks, lecture, cast, at, browser):
    found = placed(lecture, one_of(banks["practice"]), cast, at, is_required=True)
    assert not watched(lecture, cast.enrolment, at)
    browser(cast.trainee, lang="en").post(
        f"/checkpoints/{found.public_id}", data={"client_uuid": "answer-01", "slot-1": "b"}
    )
    done = db.session.scalars(select(LectureCompletion)).all()
    assert [row.enrolment_id for row in done] == [cast.enrolment.id]


def test_a_checkpoint_that_is_not_required_holds_nothing(banks, lecture, cast, at):
    placed(lecture, one_of(banks["practice"]), cast, at)
    assert watched(lecture, cast.enrolment, at)


def test_an_answer_alone_does_not_complete_a_lecture(banks, lecture, cast, at, browser):
    found = placed(lecture, one_of(banks["practice"]), cast, at, is_required=True)
    browser(cast.trainee, lang="en").post(
        f"/checkpoints/{found.public_id}", data={"client_uuid": "answer-01", "slot-1": "a"}
    )
    assert not db.session.scalars(select(LectureCompletion)).all()


# ---------------------------------------------------------------- practice


def begun(page, **more) -> str:
    told = page.post("/practice", data={"client_uuid": "round-0001", "topic": "shock", "size": "5"} | more)
    assert told.status_code == 303, told.text
    return told.headers["Location"]


def test_a_round_asks_the_questions_of_its_topic_from_the_practice_bank(banks, cast, browser):
    page = browser(cast.trainee, lang="en")
    address = begun(page)
    row = db.session.scalars(select(models.PracticeRound)).one()
    rows = db.session.scalars(select(models.Question).where(models.Question.id.in_(row.questions))).all()
    assert {(one.bank_id, one.topic) for one in rows} == {(banks["practice"].id, "shock")}
    assert begun(page) == address  # two clicks are one round
    for number in range(len(row.questions)):
        form = page.get(address).text
        assert "because" not in form
        told = page.post(address, data={"client_uuid": f"answer-{number:02d}", "slot-1": "ab"[number % 2]})
        assert "because" in page.get(told.headers["Location"]).text
    assert "2 of 3 right" in page.get(address).text
    assert "2 of 3 right" in page.get("/practice").text


def test_certainty_is_marked_as_gardner_medwin_says(banks, cast, browser):
    page = browser(cast.trainee, lang="en")
    address = begun(page, certainty="1")
    assert page.post(address, data={"client_uuid": "answer-00", "slot-1": "a"}).status_code == 422
    for number, (choice, certainty) in enumerate([("a", "3"), ("b", "3"), ("a", "1")], 1):
        page.post(
            address,
            data={"client_uuid": f"answer-{number:02d}", "slot-1": choice, "certainty": certainty},
        )
    assert "With your certainty: −2" in page.get(address).text


def test_a_topic_without_questions_begins_no_round(banks, cast, at):
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.begin_round(
            topic="kidney",
            size=5,
            with_certainty=False,
            client_uuid="round-0001",
            today=clock.today(at),
            by=cast.trainee,
            at=at,
        )
    assert refusal.value.code == "no_items"


def test_practice_moves_no_fact_of_a_certificate(banks, lecture, cast, at, browser):
    found = placed(lecture, one_of(banks["practice"]), cast, at)
    before = certificates.progress_of(cast.trainee, at), queries.test_facts(cast.cohort.id)
    page = browser(cast.trainee, lang="en")
    page.post(f"/checkpoints/{found.public_id}", data={"client_uuid": "answer-01", "slot-1": "a"})
    page.post(begun(page), data={"client_uuid": "answer-02", "slot-1": "a"})
    assert (certificates.progress_of(cast.trainee, at), queries.test_facts(cast.cohort.id)) == before


def test_no_rule_of_certificates_names_a_table_of_practice():
    root = Path(rules.__file__).parents[2]
    readers = [*root.glob("certificates/**/*.py"), root / "assessments" / "queries" / "facts.py"]
    assert len(readers) > 8
    tables = ("Checkpoint", "PracticeRound", "PracticeAnswer")
    assert not [(path.name, table) for path in readers for table in tables if table in path.read_text()]


def test_whoever_is_no_trainee_has_no_practice(banks, cast, browser):
    assert browser(cast.educator).get("/practice").status_code == 404
    assert browser(cast.stranger).get("/practice").status_code == 404
    assert browser(cast.trainee, lang="en").get("/tests").text.count('href="/practice"') == 1


def test_a_round_of_another_trainee_does_not_exist(banks, cast, browser):
    address = begun(browser(cast.trainee, lang="en"))
    assert browser(cast.other_trainee).get(address).status_code == 404


@given(
    st.dictionaries(st.integers(1, 60), st.none() | st.datetimes(), min_size=1),
    st.sampled_from(rules.ROUND_SIZES),
    st.binary(min_size=1, max_size=8),
)
def test_what_was_never_practised_comes_first_and_nothing_comes_twice(last_at, size, seed):
    drawn = rules.draw_round(last_at, size, seed)
    assert len(drawn) == len(set(drawn)) == min(size, len(last_at))
    fresh = [one for one in last_at if last_at[one] is None]
    assert set(drawn[: len(fresh)]) <= set(fresh)
    assert drawn == rules.draw_round(dict(reversed(last_at.items())), size, seed)


def test_only_a_practice_place_admits_practice(cast):
    place = queries.Place(cast.enrolment.id, cast.cohort.id, cast.programme.id)
    assert allows(cast.trainee, Permission.PRACTICE_ANSWER, place)
    assert not allows(cast.trainee, Permission.PRACTICE_ANSWER, replace(place, purpose="exam"))
    assert not allows(cast.educator, Permission.PRACTICE_ANSWER, place)


# ---------------------------------------------------------------- cases, step by step


def case_in(bank, at):
    """A case of two asks; the second tells what happened."""
    options = [{"id": one, "zh": f"选项{one}", "en": f"option {one}"} for one in "abcdef"]
    with transaction():
        return services.add_question(
            bank,
            kind="CASE",
            body={
                "stem": {"zh": "患儿", "en": "A child"},
                "asks": [
                    {"stem": {"zh": "先做什么？", "en": "What first?"}, "options": options},
                    {"stem": {"zh": "血压下降。", "en": "The pressure fell."}, "options": options},
                ],
            },
            key={"asks": [{"right": ["a", "b"]}, {"right": ["c"]}]},
            rationale={"zh": "因为", "en": "because"},
            facts=services.Facts(topic="case"),
            at=at,
            by=None,
        )


def test_a_case_is_practised_step_by_step_as_in_a_paper(banks, cast, browser, at):
    case_in(banks["practice"], at)
    page = browser(cast.trainee, lang="en")
    address = begun(page, topic="case")
    first = page.get(address).text
    assert "What first?" in first
    assert "The pressure fell." not in first
    assert "Give this answer" not in first
    sent = {"client_uuid": "answer-01", "locked": "0", "slot-1": ["a", "b"], "slot-1-here": "1"}
    second = page.post(address, data=sent | {"act": "lock-1"})
    assert second.status_code == 200
    assert "The pressure fell." in second.text
    assert 'type="hidden" name="slot-1" value="a"' in second.text
    assert db.session.scalar(select(models.PracticeAnswer)) is None
    told = page.post(
        address,
        data=sent | {"locked": "1", "seal": seal_in(second.text), "slot-2": ["c"], "slot-2-here": "1"},
    )
    assert told.status_code == 303
    db.session.rollback()
    answer = db.session.scalars(select(models.PracticeAnswer)).one()
    assert (answer.score, answer.maximum) == (3, 3)
    assert answer.responses == {"1": {"choices": ["a", "b"]}, "2": {"choices": ["c"]}}


def test_what_cannot_be_read_is_said_and_kept_and_nothing_counts_as_wrong(banks, cast, browser, at):
    rows = [{"id": one, "zh": one} for one in ("g1", "g2")]
    with transaction():
        services.add_question(
            banks["practice"],
            kind="GAP",
            body={
                "stem": {"zh": "[[g1]]和[[g2]]"},
                "rows": rows,
                "options": [{"id": one, "zh": f"药{one}"} for one in "abc"],
                "per_option": 1,
            },
            key={"pairs": [["g1", "a"], ["g2", "c"]]},
            rationale={"zh": "因为"},
            facts=services.Facts(topic="gaps"),
            at=at,
            by=None,
        )
    page = browser(cast.trainee, lang="en")
    address = begun(page, topic="gaps")
    sent = {"client_uuid": "answer-01", "slot-1-g1": "a", "slot-1-g2": "a"}
    refused = page.post(address, data=sent)
    assert refused.status_code == 422
    assert refused.text.count('value="a" selected') == 2
    assert "may be used once" in refused.text
    assert db.session.scalar(select(models.PracticeAnswer)) is None
    assert page.post(address, data=sent | {"slot-1-g2": "c"}).status_code == 303
    db.session.rollback()
    answer = db.session.scalars(select(models.PracticeAnswer)).one()
    assert answer.score == answer.maximum


def seal_in(page):
    return re.search(r'name="seal" value="(\w+)"', page)[1]


def test_a_closed_step_that_was_changed_on_the_way_opens_the_case_again(banks, cast, browser, at):
    case_in(banks["practice"], at)
    page, other = browser(cast.trainee, lang="en"), browser(cast.other_trainee, lang="en")
    address = begun(page, topic="case")
    first = {"client_uuid": "answer-01", "locked": "0", "slot-1": ["a", "c"], "slot-1-here": "1"}
    seal = seal_in(page.post(address, data=first).text)
    last = {"slot-2": ["c"], "slot-2-here": "1", "locked": "1"}
    forged = (
        first | last,
        first | last | {"seal": seal, "slot-1": ["a", "b"]},
        first | last | {"seal": seal, "client_uuid": "answer-02"},
        first | last | {"seal": f"{int(seal, 16) ^ 1:064x}"},
        first | last | {"seal": "密封"},
    )
    for data in forged:
        answer = page.post(address, data=data)
        assert answer.status_code == 200
        assert 'name="locked" value="1"' in answer.text
    elsewhere = begun(other, topic="case")
    assert other.post(elsewhere, data=first | last | {"seal": seal}).status_code == 200
    assert db.session.scalar(select(models.PracticeAnswer)) is None
    assert page.post(address, data=first | last | {"seal": seal}).status_code == 303


@pytest.mark.parametrize("locked", ["", "-1", "x", "99"])
def test_a_step_that_a_form_makes_up_is_one_that_there_is(banks, cast, browser, at, locked):
    case_in(banks["practice"], at)
    page = browser(cast.trainee, lang="en")
    address = begun(page, topic="case")
    answer = page.post(address, data={"client_uuid": "answer-01", "locked": locked, "slot-1": "a"})
    assert answer.status_code in {200, 303, 422}
