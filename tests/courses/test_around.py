"""Around lectures: one's own dates and their secret feed, announcements, questions under a lecture."""

import re
from datetime import timedelta

import pytest
from icalendar import Calendar
from sqlalchemy import func, select

from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from lms.courses import services
from lms.courses.models import Announcement, Feed, Post
from lms.courses.queries import around, things
from tests.courses.conftest import fresh


def address(answer):
    """The secret address on the page that tells it."""
    return re.search(r'value="http://localhost(/calendar/[^"]+\.ics)"', answer.text)[1]


def test_a_feed_holds_ones_own_dates_and_a_new_address_ends_the_old_one(app, browser, cast, page, at):
    day = clock.today(at) + timedelta(days=9)
    with transaction():
        services.set_release(page, {"all": [{"from": day.isoformat()}]}, at=at, by=cast.educator)
    client, stranger = browser(cast.trainee), browser()
    first = address(client.post("/calendar/feed"))
    answer = stranger.get(first)
    events = {str(one["uid"]): one for one in Calendar.from_ical(answer.data).walk("vevent")}
    assert answer.content_type.startswith("text/calendar")
    assert events[f"opens-{page.public_id}@firefly"]["dtstart"].dt == day
    assert events[f"cohort-{cast.cohort.public_id}-last@firefly"]["dtstart"].dt == cast.cohort.end_on
    assert events[f"placement-{cast.placement.public_id}@firefly"]["dtend"].dt == (
        cast.placement.to_on + timedelta(days=1)
    )
    again = Calendar.from_ical(stranger.get(first).data)
    assert {str(one["uid"]) for one in again.walk("vevent")} == set(events), "calendars move a date they know"
    other = address(browser(cast.other_trainee).post("/calendar/feed"))
    assert cast.placement.public_id.encode() not in stranger.get(other).data
    second = address(client.post("/calendar/feed"))
    assert (stranger.get(first).status_code, stranger.get(second).status_code) == (404, 200)
    client.post("/calendar/feed", data={"act": "revoke"})
    assert stranger.get(second).status_code == 404
    fresh()
    secrets = [first[10:-4], second[10:-4]]
    assert not db.session.scalars(select(Feed).where(Feed.secret_sha256.in_(secrets))).all()


def test_an_unknown_address_leads_nowhere(browser):
    for secret in ("x", "A" * 43, "é" * 20):
        assert browser().get(f"/calendar/{secret}.ics").status_code == 404


def test_an_announcement_reaches_the_cohort_once_and_nobody_else(app, browser, cast):
    teacher = browser(cast.educator, lang="en")
    data = {
        "cohort": cast.cohort.public_id,
        "title": "Room moved",
        "text": "To **room 3**",
        "client_uuid": "a1",
    }
    for _click in range(2):
        assert teacher.post("/announcements", data=data).status_code == 303
    fresh()
    assert db.session.scalar(select(func.count()).select_from(Announcement)) == 1
    told = set(db.session.scalars(select(Notice.account_id).where(Notice.kind == "courses.announcement")))
    assert told == {cast.trainee.account_id, cast.other_trainee.account_id}
    assert "<strong>room 3</strong>" in browser(cast.trainee).get("/announcements").text
    assert "Room moved" not in browser(cast.stranger).get("/announcements").text
    assert browser(cast.trainee).post("/announcements", data=data | {"client_uuid": "a2"}).status_code == 404
    assert (
        teacher.post(
            "/announcements", data=data | {"text": "患儿张三，男，3岁", "client_uuid": "a3"}
        ).status_code
        == 422
    )


@pytest.fixture
def lecture(app, append_lecture, cast):
    """A lecture as its readers load it."""
    return things.thing("lecture", append_lecture(seconds=100, title="Shock").public_id, cast.educator)


def test_a_question_about_a_moment_is_answered_marked_and_told_to_whoever_asked(app, browser, cast, lecture):
    learner, peer = browser(cast.trainee, lang="en"), browser(cast.other_trainee, lang="en")
    teacher = browser(cast.educator, lang="en")
    at = f"/lectures/{lecture.public_id}/discussion"
    assert 'value="1:05"' in learner.get(f"{at}?t=65").text
    for _click in range(2):
        learner.post(at, data={"moment": "1:05", "text": "How fast?", "client_uuid": "q1"})
    fresh()
    question = db.session.scalars(select(Post)).one()
    assert question.at_s == 65
    assert f"/lectures/{lecture.public_id}?t=65" in peer.get(at).text
    peer.post(f"/posts/{question.public_id}/answers", data={"text": "In ten minutes", "client_uuid": "p1"})
    fresh()
    answer = db.session.scalars(select(Post).where(Post.parent_id == question.id)).one()
    notice = db.session.scalars(select(Notice).where(Notice.kind == "courses.post_answered")).one()
    assert notice.account_id == cast.trainee.account_id
    assert peer.post(f"/posts/{answer.public_id}/mark").status_code == 403
    assert browser(cast.stranger).post(f"/posts/{answer.public_id}/mark").status_code == 404
    teacher.post(f"/posts/{answer.public_id}/mark", data={"marked": "yes"})
    assert "Marked by a teacher" in learner.get(at).text
    assert browser(cast.stranger).get(at).status_code == 404


def test_a_hidden_post_shows_its_reason_and_keeps_its_words_for_teachers(app, cast, lecture, at):
    with transaction():
        question = services.ask(
            lecture, text="Rude words", at_s=None, client_uuid=None, at=at, by=cast.trainee
        )
    for person, problem in ((cast.trainee, NotAllowed), (cast.mentor, NotAllowed), (cast.stranger, NotFound)):
        with pytest.raises(problem):
            services.hide_post(lecture, question, why="x", at=at, by=person)
    with pytest.raises(RuleBroken) as refused:
        services.hide_post(lecture, question, why=" ", at=at, by=cast.educator)
    assert refused.value.code == "reason_missing"
    with transaction():
        services.hide_post(lecture, question, why="Unkind", at=at, by=cast.educator)
    with pytest.raises(RuleBroken) as refused:
        services.answer(lecture, question, text="x", client_uuid=None, at=at, by=cast.other_trainee)
    assert refused.value.code == "no_question"
    assert question.text == "Rude words"


def test_what_is_hidden_is_not_on_a_learners_page(app, browser, cast, lecture, at):
    with transaction():
        question = services.ask(lecture, text="Rude words", at_s=5, client_uuid=None, at=at, by=cast.trainee)
        services.hide_post(lecture, question, why="Unkind", at=at, by=cast.educator)
    shown = browser(cast.other_trainee, lang="en").get(f"/lectures/{lecture.public_id}/discussion").text
    assert "Unkind" in shown
    assert "Rude words" not in shown
    assert (
        "Rude words"
        in browser(cast.educator, lang="en").get(f"/lectures/{lecture.public_id}/discussion").text
    )


@pytest.mark.parametrize(
    ("text", "code"), [("  ", "text_missing"), ("患儿张三，男，3岁，怎么办", "identifying")]
)
def test_a_post_that_says_nothing_or_too_much_is_refused(app, cast, lecture, at, text, code):
    with pytest.raises(RuleBroken) as refused:
        services.ask(lecture, text=text, at_s=None, client_uuid=None, at=at, by=cast.trainee)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("text", "second"), [("1:05", 65), ("65", 65), (" 3:20 ", 200), ("", None), ("x", None), ("99999", None)]
)
def test_a_moment_is_read_as_people_write_it(text, second):
    assert around.asked_at(text) == second
