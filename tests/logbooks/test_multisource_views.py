"""The pages of multisource feedback, without scripts: choose, open, answer, close, read, release."""

import re

import pytest
from sqlalchemy import select

from lms.core.db import db, transaction
from lms.logbooks.models.multisource import (
    FeedbackGuest,
    FeedbackRater,
    FeedbackRelease,
    FeedbackRound,
    FeedbackSelf,
)
from lms.logbooks.rules import multisource as rules
from lms.logbooks.services import multisource as services
from tests.logbooks.test_multisource import Ward

ANSWER = {f"q-{code}": "3" for code in rules.QUESTIONS}


@pytest.fixture
def ward(desk, bare_app):
    """The ward, made in a context of its own: pages make theirs."""
    with bare_app.app_context():
        return Ward(desk)


def rows(app, model):
    """Every row as the database has it now."""
    with app.app_context():
        return db.session.scalars(select(model)).all()


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_from_the_trainee_s_wish_to_the_talk(ward, cast, browser, app, lang):
    trainee, mentor = browser(cast.trainee, lang=lang), browser(cast.mentor, lang=lang)
    base = f"/trainees/{cast.enrolment.public_id}/feedback"
    assert base in trainee.get("/logbook").text
    assert base in mentor.get(f"/trainees/{cast.enrolment.public_id}").text
    places = {trainee.post(base).headers["Location"] for _n in range(2)}
    (here,) = places
    page = trainee.get(here).text
    chosen = dict(
        zip(sorted(set(re.findall(r'name="(g-[^"]+)"', page))), ["doctor", "nurse"] * 20, strict=False)
    )
    assert len(chosen) >= 10
    assert trainee.post(f"{here}/raters", data={}).status_code == 422
    assert trainee.post(f"{here}/raters", data={"g-nobodyknows1": "nurse"}).status_code == 422
    assert trainee.post(f"{here}/raters", data=chosen).status_code == 303
    person = re.search(r'name="person" value="([^"]+)"', trainee.get(here).text)[1]
    trainee.post(f"{here}/raters/remove", data={"person": person})
    asked = rows(app, FeedbackRater)
    assert len(asked) == len(chosen) - 1
    assert f"{here}/open" not in trainee.get(here).text
    assert trainee.post(f"{here}/open").status_code == 403
    assert f"{here}/open" in mentor.get(here).text
    for _n in range(2):
        assert mentor.post(f"{here}/open").status_code == 303
    assert trainee.get(f"{here}/self").status_code == 200
    assert trainee.post(f"{here}/self", data={}).status_code == 422
    trainee.post(f"{here}/self", data={"q-care": "4"})
    (own,) = rows(app, FeedbackSelf)
    assert own.ratings == {"care": 4}
    by_person = {one.person_id: one for one in ward.colleagues}
    raters = [by_person[one.person_id] for one in asked if one.person_id in by_person]
    assert len(raters) >= 8
    for number, who in enumerate(raters):
        rater = browser(who, lang=lang)
        if not number:
            assert f"{here}/answer" in rater.get("/").text
            assert f"{here}/answer" in rater.get("/feedback").text
            refused = rater.post(f"{here}/answer", data={"well": "好", "q-care": ""})
            assert refused.status_code == 422
            assert "好" in refused.text
        for _n in range(2):
            answer = rater.post(f"{here}/answer", data={**ANSWER, "well": "耐心"})
            assert (answer.status_code, answer.headers["Location"]) == (303, "/feedback")
        assert rater.get(here).status_code == 404
    assert f"{here}/close" in mentor.get(here).text
    assert mentor.get(f"{here}/close").status_code == 200
    assert mentor.post(f"{here}/close").status_code == 303
    assert "耐心" in mentor.get(here).text
    assert "耐心" not in trainee.get(here).text
    assert mentor.post(f"{here}/release", data={"words": ""}).status_code == 422
    for _n in range(2):
        assert mentor.post(f"{here}/release", data={"words": "每周一起查一次房"}).status_code == 303
    page = trainee.get(here).text
    assert "耐心" in page
    assert "每周一起查一次房" in page
    assert len(rows(app, FeedbackRelease)) == 1


def test_whoever_has_no_business_finds_nothing(ward, cast, browser, app):
    with app.app_context():
        ward.open()
    here, base = f"/feedback/{ward.number}", f"/trainees/{cast.enrolment.public_id}/feedback"
    for who in (cast.stranger, cast.other_mentor, cast.other_trainee, cast.auditor, cast.administrator):
        person = browser(who)
        for url in (here, f"{here}/answer", f"{here}/self", f"{here}/close", base, "/feedback/unknown"):
            assert person.get(url).status_code == 404, (who.name, url)
        for act in ("raters", "raters/remove", "open", "extend", "remind", "close", "cancel", "release"):
            assert person.post(f"{here}/{act}", data={"words": "x"}).status_code == 404, (who.name, act)
    director = browser(cast.director)
    page = director.get(here).text
    assert "同事1" in page
    assert "同事1" not in browser(cast.trainee).get(here).text, (
        "while it is open the trainee sees numbers only"
    )
    assert [one.state for one in rows(app, FeedbackRound)] == [rules.OPEN]


def test_the_runner_s_buttons_and_the_colleague_who_cannot_say(ward, cast, browser, app):
    with app.app_context():
        ward.open()
    here, runner = f"/feedback/{ward.number}", browser(cast.coordinator, lang="en")
    rater = browser(ward.colleagues[0], lang="en")
    assert rater.get(f"{here}/answer").status_code == 200
    assert rater.post(f"{here}/cannot-say").status_code == 303
    assert "Cannot say" in runner.get(here).text
    assert runner.post(f"{here}/remind").status_code == 303
    assert runner.post(f"{here}/extend").status_code == 303
    assert runner.post(f"{here}/extend").status_code == 422
    assert runner.post(f"{here}/close").status_code == 422
    found = re.search(r'name="(g-[^"]+)"', runner.get(f"{here}?q=孙一").text)
    assert found, "who runs a round finds everybody in the house by name"
    assert runner.post(f"{here}/raters", data={found[1]: "other"}).status_code == 303
    assert runner.get(f"{here}?q=nobody-of-this-name").status_code == 200
    assert runner.get(f"{here}/cancel").status_code == 200
    for _n in range(2):
        assert runner.post(f"{here}/cancel").status_code == 303
    assert rater.get(f"{here}/answer").status_code == 404
    assert rows(app, FeedbackRater) == []


@pytest.mark.parametrize("who", ["trainee", "mentor", "director"])
@pytest.mark.parametrize("state", ["proposed", "open", "closed"])
def test_a_round_takes_at_most_twelve_queries(ward, cast, browser, app, queries, who, state):
    with app.app_context():
        {"proposed": lambda: (ward.begin(), ward.choose()), "open": ward.open, "closed": ward.closed}[state]()
    person = browser(getattr(cast, who))
    for url in (f"/feedback/{ward.number}", f"/trainees/{cast.enrolment.public_id}/feedback"):
        person.get(url)
        with queries() as seen:
            assert person.get(url).status_code == 200
        assert seen.count <= 12, seen.statements


def test_the_next_round_shows_the_one_before(ward, cast, browser, app):
    with app.app_context():
        ward.closed()
        ward.number = ""
        ward.open()
        for who in ward.colleagues:
            ward.answer(who, step=4)
        ward.do(services.close, cast.mentor, at=ward.at)
    page = browser(cast.mentor, lang="en").get(f"/feedback/{ward.number}").text
    assert "The round before: 2.3" in page
    assert re.search(r"Outstanding 5\s*</p>", page), "the distribution of a set of five"
    assert "Worries me 0" not in page
    assert "4.0" in page
    with app.app_context(), transaction():
        assert len(db.session.scalars(select(FeedbackRound)).all()) == 2


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_somebody_without_an_account_answers_by_a_link(ward, cast, browser, app, lang):
    with app.app_context():
        ward.open()
    here, mentor, anybody = f"/feedback/{ward.number}", browser(cast.mentor, lang=lang), browser(lang=lang)
    for data in ({}, {"name": "王护士"}, {"name": "王护士", "group": "family"}):
        refused = mentor.post(f"{here}/guests", data=data)
        assert refused.status_code == 422
        assert "error-summary" in refused.text
    assert "王护士" in refused.text
    assert f"{here}/guests" not in browser(cast.trainee).get(here).text
    assert (
        browser(cast.trainee).post(f"{here}/guests", data={"name": "x", "group": "nurse"}).status_code == 403
    )
    made = mentor.post(f"{here}/guests", data={"name": "王护士", "group": "nurse"})
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    assert "<svg" in made.text
    link = re.search(r"/feedback/link/[\w-]+", made.text)[0]
    assert "王护士" in mentor.get(here).text
    assert mentor.get(f"{here}/guests").status_code == 303
    page = anybody.get(link)
    assert page.status_code == 200
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "q-care" in page.text
    assert "王护士" not in page.text
    refused = anybody.post(link, data={"well": "好"})
    assert refused.status_code == 422
    assert "好" in refused.text
    assert anybody.post(f"{link}/cannot-say").status_code == 303
    assert "q-care" not in anybody.get(link).text
    assert "q-care" in anybody.get(f"{link}?again=1").text
    for _n in range(2):
        assert anybody.post(link, data={**ANSWER, "well": "耐心"}).status_code == 303
    over = anybody.get(link)
    assert over.status_code == 200
    assert "q-care" not in over.text
    assert anybody.post(f"{link}/cannot-say").status_code == 303
    assert [one.state for one in rows(app, FeedbackGuest)] == [rules.ANSWERED]
    assert anybody.get(f"{link}x").status_code == 404
    assert mentor.get(link).status_code == 404


def test_links_are_not_tried_out(ward, browser):
    anybody = browser()
    answers = [anybody.get(f"/feedback/link/guess{number}").status_code for number in range(130)]
    assert answers[0] == 404
    assert answers[-1] == 429
