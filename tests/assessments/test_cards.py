"""Spaced repetition: cards from what was missed, of practice banks only, on the server's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, IntegrityError

from lms.assessments import models, queries, rules, services
from lms.core import clock, spacing
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from tests.assessments.conftest import Candidate
from tests.assessments.papers import asked
from tests.courses.conftest import fresh

TOPIC = "shock"


@pytest.fixture
def practice_bank(desk, app, cast, at):
    """Six practice questions on the topic that every question of the sample test gets."""
    with transaction():
        bank = services.create_bank(
            cast.programme, purpose="practice", title_zh="练习", title_en="Practice", at=at, by=None
        )
        for number in range(6):
            asked(bank=bank, number=number, at=at, topic=TOPIC)
        for question in exam_questions():
            question.topic = TOPIC
    return bank


def exam_questions():
    return db.session.scalars(
        select(models.Question)
        .join(models.ItemBank, models.ItemBank.id == models.Question.bank_id)
        .where(models.ItemBank.purpose == "exam")
        .order_by(models.Question.id)
    ).all()


@pytest.fixture
def sat(desk, browser, cast, practice_bank):
    """Handed in with everything wrong but the first answer."""
    candidate = Candidate(browser(cast.trainee, lang="en"))
    candidate.start(desk.test)
    for slot in desk.keys:
        candidate.choose(slot, desk.keys[slot] if slot == 1 else desk.wrong(slot))
    candidate.client.post(f"{candidate.url}/submit")
    fresh()
    return db.session.scalars(select(models.Sitting)).one()


def made(at):
    with transaction():
        count = services.make_decks(at=at)
    return count, db.session.scalars(select(models.Card).order_by(models.Card.id)).all()


def test_each_missed_question_becomes_a_card_of_a_practice_bank_and_twice_is_once(sat, practice_bank, at):
    count, cards = made(at)
    assert count == 1
    assert cards
    assert {card.bank_id for card in cards} == {practice_bank.id}
    assert not {card.question_id for card in cards} & {one.id for one in exam_questions()}
    assert made(at) == (0, cards)
    with transaction():
        services.make_cards(sat.id, at=at)
    assert made(at) == (0, cards)


def test_no_card_is_made_before_the_release(sat, desk, at):
    with transaction():
        db.session.get_one(models.Test, desk.test.id).release = rules.Release.HELD
    assert made(at) == (0, [])


def test_the_database_itself_refuses_a_card_of_an_exam_bank(cast, practice_bank, at):
    exam = exam_questions()[0]
    for purpose in ("exam", "practice"):
        db.session.add(
            models.Card(
                enrolment_id=cast.enrolment.id,
                trainee_person_id=cast.trainee.person_id,
                question_id=exam.id,
                bank_id=exam.bank_id,
                purpose=purpose,
                made_at=at,
                due_at=at,
            )
        )
        with pytest.raises(IntegrityError):
            db.session.flush()
        db.session.rollback()


def test_without_an_equivalent_there_is_no_card_and_the_list_says_so(sat, cast, at, browser):
    with transaction():
        for question in exam_questions():
            question.topic = "something else"
    assert made(at) == (1, [])
    bank = exam_questions()[0].bank_id
    bank = db.session.get_one(models.ItemBank, bank)
    page = browser(cast.examiner, lang="en").get(f"/bank/{bank.public_id}/equivalents").text
    assert "have no equivalent" in page


def test_an_equivalent_that_an_examiner_names_is_taken_and_earlier_sittings_follow(sat, cast, at, browser):
    with transaction():
        for question in exam_questions():
            question.topic = "something else"
    assert made(at) == (1, [])
    exam = exam_questions()[1]
    bank = db.session.get_one(models.ItemBank, exam.bank_id)
    page = browser(cast.examiner, lang="en")
    address = f"/bank/{bank.public_id}/equivalents"
    assert page.post(address, data={"code": exam.code, "teaches": "nothing"}).status_code == 422
    assert page.post(address, data={"code": exam.code, "teaches": "Q03"}).status_code == 303
    fresh()
    count, cards = made(at)
    assert count == 1
    assert [db.session.get_one(models.Question, card.question_id).code for card in cards] == ["Q03"]
    page.post(address, data={"code": exam.code, "teaches": ""})
    fresh()
    _count, cards = made(at)
    assert [card.retired_at for card in cards] == [at]
    assert browser(cast.educator).post(address, data={"code": exam.code}).status_code == 404


def test_a_regrade_retires_the_cards_of_what_is_no_miss_any_more(sat, desk, at):
    _count, cards = made(at)
    run = db.session.scalars(select(models.GradeRun)).one()
    marks = db.session.scalars(select(models.Mark).where(models.Mark.grade_run_id == run.id)).all()
    grade = db.session.scalars(select(models.Grade)).one()
    with transaction():  # a further run in which everything was right
        again = models.GradeRun(
            test_id=run.test_id, n=2, keys=run.keys, keys_sha256=run.keys_sha256,
            engine_version=run.engine_version, cut_percent=run.cut_percent, created_at=at,
        )  # fmt: skip
        db.session.add(again)
        db.session.flush()
        db.session.add_all(
            models.Mark(
                grade_run_id=again.id, sitting_id=sat.id, slot=mark.slot, key_revision_id=mark.key_revision_id,
                response=mark.response, score=mark.maximum, maximum=mark.maximum,
            )
            for mark in marks
        )  # fmt: skip
        db.session.add(
            models.Grade(
                grade_run_id=again.id, sitting_id=sat.id, score=grade.maximum, maximum=grade.maximum,
                cut_percent=60, decision="pass", at=at,
            )
        )  # fmt: skip
    count, after = made(at + timedelta(hours=1))
    assert count == 1
    assert [card.id for card in after] == [card.id for card in cards]
    assert all(card.retired_at for card in after)


def test_a_trainee_reviews_a_card_rates_it_and_undoes_it(sat, cast, at, browser):
    _count, cards = made(at)
    page = browser(cast.trainee, lang="en")
    due = len(cards)
    assert f"{due} card" in page.get("/").text
    form = page.get("/practice/cards").text
    assert "because" not in form
    first = cards[0]
    told = page.post(
        "/practice/cards",
        data={"client_uuid": "answer-01", "question": str(first.question_id), "slot-1": "a"},
    )
    reason = page.get(told.headers["Location"]).text
    assert "because" in reason
    assert 'class="btn primary" name="rating" value="3"' in reason
    rating = told.headers["Location"] + "/rating"
    assert page.post(rating, data={"rating": "9"}).status_code == 409
    assert browser(cast.other_trainee).post(rating, data={"rating": "3"}).status_code == 404
    for _click in range(2):
        assert page.post(rating, data={"rating": "4"}).status_code == 303
    fresh()
    reviews = db.session.scalars(select(models.CardReview)).all()
    assert [(row.rating, row.card_id) for row in reviews] == [(4, first.id)]
    assert db.session.get_one(models.Card, first.id).due_at > clock.now() + timedelta(days=1)
    assert queries.deck(cast.trainee, clock.now()).days[0][1] == 1
    assert page.post("/practice/cards/undo").status_code == 303
    assert page.post("/practice/cards/undo").status_code == 409
    fresh()
    card = db.session.get_one(models.Card, first.id)
    assert card.due_at == card.made_at
    assert queries.deck(cast.trainee, clock.now()).days[0][1] == 0
    assert len(db.session.scalars(select(models.CardReview)).all()) == 2


def test_a_card_that_is_not_due_takes_no_answer(sat, cast, at):
    _count, cards = made(at)
    with transaction():
        cards[0].due_at = at + timedelta(days=1)
    with pytest.raises(RuleBroken) as refusal:
        services.answer_card(
            cards[0],
            queries.posed(cards[0].question_id, "answer-01"),
            lambda name: ["a"] if name == "slot-1" else [],
            client_uuid="answer-01",
            by=cast.trainee,
            at=at,
        )
    assert refusal.value.code == "not_due"


def test_a_review_is_never_changed(sat, cast, at, browser):
    _count, cards = made(at)
    page = browser(cast.trainee)
    told = page.post(
        "/practice/cards",
        data={"client_uuid": "answer-01", "question": str(cards[0].question_id), "slot-1": "b"},
    )
    page.post(told.headers["Location"] + "/rating", data={"rating": "1"})
    fresh()
    row = db.session.scalars(select(models.CardReview)).one()
    row.rating = 4
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.flush()


def test_the_home_page_with_cards_keeps_its_budget_of_queries(sat, cast, at, browser, queries):
    made(at)
    page = browser(cast.trainee)
    page.get("/")
    with queries() as seen:
        assert page.get("/").status_code == 200
    assert seen.count <= 12, "\n".join(seen.statements)


# ---------------------------------------------------------------- laws

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 200)), max_size=12), st.integers(0, 400))
def test_a_better_rating_never_brings_a_card_back_earlier(past, wait):
    state, at = None, START
    for rating, days in past:
        at += timedelta(days=days)
        state = spacing.review(state, rating, at=at).state
    at += timedelta(days=wait)
    due = [spacing.review(state, rating, at=at).due_at for rating in (1, 2, 3, 4)]
    assert due == sorted(due)
    assert due[0] > at
    assert due == [spacing.review(state, rating, at=at).due_at for rating in (1, 2, 3, 4)]


labels = st.builds(
    rules.Labels,
    st.integers(1, 99),
    st.sampled_from(["", "shock", "airway"]),
    st.frozensets(st.sampled_from("abcd"), max_size=3),
)


@given(labels, st.lists(labels, unique_by=lambda one: one.question_id))
def test_the_equivalent_of_a_question_depends_on_nothing_but_what_is_offered(missed, offered):
    found = rules.equivalent(missed, offered)
    assert found == rules.equivalent(missed, reversed(offered))
    near = [one for one in offered if one.tags & missed.tags or (missed.topic and one.topic == missed.topic)]
    assert (found is None) == (not near)
    if near:
        chosen = next(one for one in offered if one.question_id == found)
        assert chosen in near
        if any(missed.topic and one.topic == missed.topic for one in offered):
            assert chosen.topic == missed.topic
