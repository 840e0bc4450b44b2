"""A worker that dies again and again over one certificate: a person sees it where they look, and tries it again."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.certificates import services
from lms.certificates.models import Certificate
from lms.core import clock, jobs
from lms.core.db import db, transaction
from tests.certificates.conftest import issue_to

WORDS = "The work was broken off five times"


def fresh():
    db.session.rollback()
    db.session.expire_all()


def killed_over(row_id, app):
    """Five workers take it and are never heard of again; the next one finds the attempts used up."""
    later = timedelta()
    for _attempt in range(jobs.MAX_ATTEMPTS):
        with clock.travelled(later):
            assert jobs.claim(jobs.JOBS[services.ISSUE], row_id, at=clock.now())
        later += timedelta(seconds=jobs.LEASE_S + 1)
    with clock.travelled(later):
        jobs.Worker(app).drain()
    fresh()
    return db.session.get_one(Certificate, row_id)


@pytest.fixture
def reserved(app, ruled, complete, keys, at):
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    return db.session.scalars(select(Certificate)).one()


def test_what_killed_workers_left_is_given_up_named_and_made_at_the_next_try(
    bare_app, reserved, ruled, browser
):
    row = killed_over(reserved.id, bare_app)
    assert (row.state, row.gave_up_at is None, row.lease_until) == ("reserved", False, None)
    client = browser(ruled.administrator, lang="en")
    page = client.get(f"/certificates/{row.serial}").text
    assert WORDS in page
    assert f'action="/certificates/{row.serial}/retry"' in page
    assert "Could not be made" in client.get(f"/certificates/cohorts/{ruled.cohort.public_id}?state=all").text
    assert client.post(f"/certificates/{row.serial}/retry").status_code == 303
    jobs.Worker(bare_app).drain()
    fresh()
    assert db.session.get_one(Certificate, row.id).state == "good"


def test_a_replacement_that_could_not_be_made_shows_beside_the_one_that_still_counts(
    bare_app, issued, ruled, browser, at
):
    with transaction():
        new = services.replace(issued, reason="the name", at=at, by=ruled.director)
    matrix = f"/certificates/cohorts/{ruled.cohort.public_id}?state=all"
    client = browser(ruled.director, lang="en")
    assert "A new one is being made" in client.get(matrix).text
    row = killed_over(new.id, bare_app)
    for page in (matrix, f"/certificates/{issued.serial}"):
        text = client.get(page).text
        assert "could not be made" in text
        assert f'href="/certificates/{row.serial}"' in text
    assert WORDS in client.get(f"/certificates/{row.serial}").text
    client.post(f"/certificates/{row.serial}/retry")
    jobs.Worker(bare_app).drain()
    fresh()
    states = {one.serial: one.state for one in db.session.scalars(select(Certificate))}
    assert states == {issued.serial: "superseded", row.serial: "good"}
