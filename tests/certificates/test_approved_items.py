"""Approved items as a requirement: what counts, what is missing, and a revocation that suspends in the same transaction."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.certificates import queries, rules, services
from lms.certificates.models import Certificate
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.logbooks import queries as logbooks
from lms.logbooks import services as logbook_services
from lms.logbooks.queries import committee
from lms.logbooks.services import committee as committee_services
from tests.certificates.conftest import issue_to
from tests.logbooks.committee.conftest import Board
from tests.logbooks.conftest import Desk


@pytest.fixture
def board(bare_app, app, cast, keys, at) -> Board:
    """The committee of a cohort whose certificate asks for one approved item, an application context open."""
    with transaction():
        logbook_services.add_sample_frameworks(at)
    rule = rules.expression(lectures=False, tests=False, entries=0, items=1)
    with transaction():
        services.pin_rule(
            cast.cohort, services.publish_rule(cast.programme, rule, at=at, by=None), at=at, by=None
        )
    return Board(Desk(cast, at))


def have(board):
    """Approved items of the trainee, by both ways of asking."""
    db.session.expire_all()
    number = board.cast.enrolment.id
    one = queries.facts_of(queries.enrolment_to_issue(number))["items_approved"]
    assert queries.facts(board.cast.cohort.id)[number]["items_approved"] == one
    assert one.of > 40
    return one.have


def revoke(board, at):
    """The chair takes the entrustment back."""
    today = clock.today(at)
    with transaction():
        current = committee.entrustments(board.cast.enrolment, today=today)[0]
        committee_services.revoke(
            *committee.entrustment(current.record.public_id, board.chair, today=today),
            words="A serious event.",
            at=at,
            by=board.chair,
        )


def test_an_item_counts_from_the_target_level_while_nobody_takes_it_back(board):
    assert have(board) == 0
    board.decide(2, 2, 2)  # the track aims at level 3
    assert have(board) == 0
    board.decide(3, 3, 3)
    assert have(board) == 1
    board.decide(5, 5, 5, code="N02")
    assert have(board) == 2
    board.decide(0, 0, 0, code="N02")  # a deferral takes nothing away
    assert have(board) == 2
    board.decide(2, 2, 2)  # a later decision for less supersedes
    assert have(board) == 1
    assert logbooks.approved_facts(board.cast.cohort.id).approved == {board.cast.enrolment.id: 1}


def test_what_expires_before_the_end_of_the_training_does_not_count(board, at):
    with transaction():
        cohort = queries.enrolment_to_issue(board.cast.enrolment.id).cohort
        cohort.end_on = clock.today(at) + timedelta(days=300)
    board.decide(3, 3, 3)
    assert have(board) == 0
    with transaction():
        cohort = queries.enrolment_to_issue(board.cast.enrolment.id).cohort
        cohort.end_on = clock.today(at) + timedelta(days=100)
    assert have(board) == 1


def test_a_revocation_suspends_the_certificate_at_once_and_a_new_decision_lifts_it(bare_app, board, at):
    standing = queries.standing(queries.enrolment_to_issue(board.cast.enrolment.id))
    assert [clause.fact for clause in standing.clauses] == ["items_approved"]
    assert rules.missing(standing.clauses[0]).startswith(("1 item", "还"))
    board.decide(3, 3, 3)
    issue_to(board.cast, board.cast.enrolment, at)
    Worker(bare_app).drain()

    def state():
        db.session.rollback()
        db.session.expire_all()
        row = db.session.scalars(select(Certificate)).one()
        return row.state, row.suspended_for

    assert state()[0] == "good"
    revoke(board, at)
    assert state() == ("suspended", "facts")
    board.decide(3, 3, 3)
    assert state()[0] == "good"


def test_the_form_of_the_rule_knows_approved_items(board, cast, browser):
    page = browser(cast.coordinator, lang="en")
    url = f"/certificates/cohorts/{cast.cohort.public_id}/rule"
    assert 'name="items"' in page.get(url).text
    assert page.post(url, data={"items": "501"}).status_code == 422
    assert page.post(url, data={"items": "7"}).status_code == 303
    db.session.rollback()
    db.session.expire_all()
    assert queries.cohort_rule(cast.cohort.id).rule.expression == {
        "all": [{"fact": "items_approved", "at_least": 7}]
    }


def test_the_annex_names_what_the_holder_is_entrusted_with_on_the_day_of_issue(board, bare_app, at):
    board.decide(3, 3, 3)
    board.decide(5, 5, 5, code="N02")
    revoked = committee.entrustments(board.cast.enrolment, today=clock.today(at))
    assert {one.standing for one in revoked} == {"in_force"}
    issue_to(board.cast, board.cast.enrolment, at)
    revoke(board, at)
    Worker(bare_app).drain()
    db.session.rollback()
    db.session.expire_all()
    row = db.session.scalars(select(Certificate)).one()
    assert [(line["code"], line["level"]) for line in row.facts["annex"]] == [("N02", 5), ("N13", 3)]
    with transaction():
        services.replace(row, reason="the annex", at=at, by=board.cast.director)
    new = db.session.scalars(select(Certificate).where(Certificate.supersedes == row.serial)).one()
    assert len(new.facts["annex"]) == 1
