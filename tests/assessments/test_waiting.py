"""What waits for whom: proposals of others on the first page, notices of them, and of results that are there."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from lms.assessments import models, queries, services
from lms.core import approvals
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.core.notices import Notice
from lms.policy import Role
from tests.assessments.test_bank import BODY, KEY, WHY, again, bank, proposed, question, reviewed

__all__ = ["bank", "question"]  # fixtures


def told(who, kind):
    """The notices of one kind that an account has."""
    db.session.rollback()
    found = select(Notice).where(Notice.account_id == who.account_id, Notice.kind == kind)
    return db.session.scalars(found.order_by(Notice.id)).all()


def waiting(who, at):
    """Addresses of what waits for somebody's decision."""
    db.session.rollback()
    return [task.url for task in queries.decisions(who, at)]


def test_a_proposal_waits_for_everybody_who_may_decide_and_for_nobody_else(question, cast, at):
    assert waiting(cast.director, at) == []
    proposed(question, cast, at)
    for name, who in cast.everyone().items():
        expected = [f"/questions/{question.public_id}"] if name == "director" else []
        assert waiting(who, at) == expected, name
        assert len(told(who, "assessments.review_waits")) == len(expected), name
    reviewed(question, cast, at, by=cast.director)
    assert waiting(cast.director, at) == []


def test_the_author_is_not_asked_though_another_proposes(question, cast, at):
    both = replace(
        cast.director, grants=cast.director.grants | {(Role.EXAMINER, f"programme:{cast.programme.id}")}
    )
    with transaction():
        services.propose(again(question, cast), by=both, at=at)
    assert waiting(cast.examiner, at) == []  # she wrote it
    assert told(cast.examiner, "assessments.review_waits") == []


def test_many_proposals_of_a_day_are_one_notice(question, bank, cast, at):
    proposed(question, cast, at)
    with transaction():
        other = services.add_question(
            bank, kind="A1", body=BODY, key=KEY, rationale=WHY, code="X", at=at, by=cast.examiner
        )
    proposed(other.question, cast, at)
    assert len(waiting(cast.director, at)) == 2
    (notice,) = told(cast.director, "assessments.review_waits")
    assert notice.url == f"/bank/{again(question, cast).bank.public_id}?state=in_review"


def test_a_corrected_key_waits_for_another_person(question, cast, at):
    proposed(question, cast, at)
    reviewed(question, cast, at, by=cast.director)
    with transaction():
        services.propose_key(
            again(question, cast),
            n=1,
            key={"right": "c"},
            rationale=WHY,
            reason="typo",
            by=cast.examiner,
            at=at,
        )
    assert waiting(cast.director, at) == [f"/questions/{question.public_id}"]
    assert waiting(cast.examiner, at) == []
    assert len(told(cast.director, "assessments.key_waits")) == 1
    correction = approvals.open_for(services.KEY, f"question:{question.public_id}")
    with transaction():
        services.decide_key(
            again(question, cast),
            outcome=approvals.APPROVED,
            seen_sha256=correction.payload_sha256,
            words="",
            by=cast.director,
            at=at,
        )
    assert waiting(cast.director, at) == []


def test_the_first_page_shows_what_waits_and_else_leads_to_the_desk(
    question, cast, at, browser, queries_of_home
):
    director = browser(cast.director, lang="en")
    assert director.get("/").headers["Location"] == "/cohorts"
    proposed(question, cast, at)
    page = director.get("/").text
    assert "Waiting for you" in page
    assert f'href="/questions/{question.public_id}"' in page
    assert 'href="/cohorts"' in page
    assert queries_of_home(director) <= 10
    assert browser(cast.examiner).get("/").headers["Location"] == "/tests"


@pytest.fixture
def queries_of_home(queries):
    """Counts what the first page asks."""

    def count(client):
        with queries() as seen:
            client.get("/")
        return seen.count

    return count


# ---------------------------------------------------------------- results


def held_back(desk):
    with desk.app.app_context(), transaction():
        db.session.get_one(models.Test, desk.test.id).release = "held"


def test_a_trainee_is_told_once_when_held_results_are_released(desk, candidate, cast, browser):
    held_back(desk)
    trainee = candidate()
    trainee.start(desk.test)
    trainee.client.post(f"{trainee.url}/submit")
    worker = Worker(desk.app)
    worker.chores()
    with desk.app.app_context():
        assert told(cast.trainee, "assessments.result") == []
    browser(cast.examiner).post(f"/tests/{desk.test.public_id}/release")
    for _round in range(2):
        worker.chores()
    with desk.app.app_context():
        (notice,) = told(cast.trainee, "assessments.result")
        assert notice.url == f"{trainee.url}/result"
        assert told(cast.other_trainee, "assessments.result") == []


def test_whoever_saw_the_result_at_once_is_not_told_and_whom_the_clock_handed_in_is(
    desk, candidate, cast, later
):
    quick, slow = candidate(), candidate(cast.other_trainee)
    for trainee in (quick, slow):
        trainee.start(desk.test, uuid=f"click-{trainee.client}"[:20])
    quick.client.post(f"{quick.url}/submit")
    with later(minutes=16):
        worker = Worker(desk.app)
        worker.chores()
        worker.drain()
        worker.chores()
    with desk.app.app_context():
        assert told(cast.trainee, "assessments.result") == []
        assert len(told(cast.other_trainee, "assessments.result")) == 1


def test_the_examiner_finds_a_sitting_that_could_not_be_marked_on_the_first_page(desk, at, cast, browser):
    sitting = desk.start(at=at)
    with desk.app.app_context(), transaction():
        services.submit(sitting, by=cast.trainee, at=at)
        row = db.session.get_one(models.Sitting, sitting.id)
        row.marked_at, row.gave_up_at, row.failure = None, at, "no key"
    page = browser(cast.examiner, lang="en").get("/").text
    assert "1 sitting could not be marked." in page
    assert f'href="/tests/{desk.test.public_id}/manage"' in page
    assert browser(cast.auditor).get("/").headers["Location"] == "/audit"
