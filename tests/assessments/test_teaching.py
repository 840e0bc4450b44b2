"""What a result says topic by topic, and the second of the lecture that teaches a question."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from lms.assessments import models, queries, services
from lms.assessments.rules.teaching import by_topic, moment, read_moment
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.courses import services as courses
from lms.courses.models import Module

marks = st.lists(
    st.tuples(
        st.sampled_from(["", "shock", "airway"]),
        st.fractions(min_value=0, max_value=1, max_denominator=6),
        st.just(Fraction(1)),
    ),
    max_size=12,
)


@given(marks)
def test_the_topics_add_up_to_the_whole_and_the_weakest_comes_first(given_marks):
    rows = by_topic(given_marks)
    assert sum((row.score for row in rows), Fraction(0)) == sum((one[1] for one in given_marks), Fraction(0))
    assert sum((row.maximum for row in rows), Fraction(0)) == len(given_marks)
    assert sum(row.questions for row in rows) == len(given_marks)
    shares = [row.score / row.maximum for row in rows]
    assert shares == sorted(shares)


@given(st.integers(0, 359_999))
def test_a_moment_is_read_as_it_is_written(seconds):
    assert read_moment(moment(seconds)) == seconds


@pytest.mark.parametrize("typed", ["12:60", "1:60:00", "a", "-1", "1:2:3:4", "12:", "1.5", "①:00"])
def test_what_is_no_moment_is_refused(typed):
    with pytest.raises(RuleBroken) as refusal:
        read_moment(typed)
    assert refusal.value.code == "moment"


@pytest.fixture
def taught(desk, at):
    """The cohort's lecture, named as what teaches every question of the sample, from 1:30; its public id."""
    with desk.app.app_context(), transaction():
        course = courses.add_course(
            desk.cast.cohort, code="C1", title_zh="儿科急症", title_en="Emergencies", at=at, by=None
        )
        courses.publish_course(course, at=at, by=None)
        courses.add_module(course, title_zh="休克", title_en="Shock", at=at, by=None)
        module = db.session.scalars(select(Module).where(Module.course_id == course.id)).one()
        module.course = course
        lecture = courses.add_lecture(
            module, title_zh="讲座", title_en="The first hour of shock", key_points=[], at=at, by=None
        )
        lecture.state = "published"
        db.session.execute(update(models.Question).values(lecture_code=lecture.code, lecture_second=90))
        return lecture.public_id


def hand_in(desk, trainee, right: int) -> str:
    trainee.start(desk.test)
    for slot in range(1, 11):
        trainee.choose(slot, desk.keys[slot] if slot <= right else desk.wrong(slot))
    trainee.client.post(f"{trainee.url}/submit")
    return trainee.client.get(f"{trainee.url}/result").text


def test_a_result_shows_each_topic_and_leads_to_the_second_that_teaches_a_missed_question(
    desk, taught, candidate
):
    with desk.app.app_context(), transaction():
        db.session.execute(update(models.Question).values(topic="shock"))
    page = hand_in(desk, candidate(), right=6)
    assert "Topic by topic" in page
    assert "6 / 10" in page
    assert f'href="/lectures/{taught}?t=90"' in page
    assert page.count("Watch again: The first hour of shock, from 1:30") == 4


def test_nothing_of_it_is_seen_before_the_release(desk, taught, candidate):
    with desk.app.app_context(), transaction():
        db.session.execute(update(models.Test).values(release="held"))
        db.session.execute(update(models.Question).values(topic="shock"))
    page = hand_in(desk, candidate(), right=6)
    assert "Topic by topic" not in page
    assert taught not in page
    assert "Right answer" not in page


def test_a_lecture_of_another_cohort_or_one_not_published_is_not_named(desk, taught, candidate):
    from lms.courses.models import Lecture

    with desk.app.app_context(), transaction():
        db.session.execute(update(Lecture).values(state="draft"))
    assert taught not in hand_in(desk, candidate(), right=6)


def test_the_result_page_asks_few_questions(desk, taught, candidate, queries):
    trainee = candidate()
    hand_in(desk, trainee, right=6)
    with queries() as seen:
        trainee.client.get(f"{trainee.url}/result")
    assert seen.count <= 14, seen.statements


def test_the_film_begins_where_the_link_says_with_and_without_scripts(app, cast, browser, desk, taught, at):
    from lms.courses.models import Lecture
    from tests.courses.conftest import ready

    with transaction():
        lecture = db.session.scalars(select(Lecture).where(Lecture.public_id == taught)).one()
        ready(lecture, 100, at)
    page = browser(cast.trainee).get(f"/lectures/{taught}?t=90").text
    assert 'lite.mp4#t=90"' in page
    assert 'data-resume="90"' in page
    assert "#t=" not in browser(cast.trainee).get(f"/lectures/{taught}?t=nonsense").text


def test_an_examiner_names_the_lecture_and_the_minute_and_a_wrong_one_is_refused(desk, taught, browser, cast):
    client = browser(cast.examiner, lang="en")
    with desk.app.app_context():
        question = db.session.scalars(select(models.Question)).first()
        code = question.lecture_code
        address = f"/questions/{question.public_id}"
    assert "The first hour of shock" in client.get(address).text
    typed = {"topic": "shock", "lecture_code": code, "lecture_at": "2:05"}
    assert client.post(f"{address}/describe", data=typed).status_code == 303
    for wrong in ({"lecture_at": "2:99"}, {"lecture_code": "nowhere"}):
        answer = client.post(f"{address}/describe", data=typed | wrong)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    with desk.app.app_context():
        kept = db.session.get_one(models.Question, question.id)
        assert (kept.topic, kept.lecture_code, kept.lecture_second) == ("shock", code, 125)


def test_no_service_takes_a_lecture_that_the_programme_does_not_teach(desk, cast, at):
    with desk.app.app_context():
        found = db.session.scalars(select(models.Question)).first()
        question = queries.question(found.public_id, cast.examiner)
        with pytest.raises(RuleBroken) as refusal, transaction():
            services.describe(question, services.Facts(lecture_code="nowhere"), by=cast.examiner, at=at)
    assert refusal.value.code == "lecture"
