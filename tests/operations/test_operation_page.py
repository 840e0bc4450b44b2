"""The operator's page and the figures for Prometheus: what waits, what was given up, whether anybody works."""

import dataclasses
import re
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, update

from lms.app import create_app
from lms.core import audit, clock, failed, jobs
from lms.core.db import db, transaction
from lms.core.errors import NotFound
from lms.core.jobs import Worker
from lms.core.notices import Notice, NoticeDelivery

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def given_up(bare_app, cast, at):
    """A letter that was given up after its last attempt."""
    with bare_app.app_context(), transaction():
        notice = Notice(account_id=cast.trainee.account_id, kind="x.y", values={}, url="", made_at=at)
        db.session.add(notice)
        db.session.flush()
        letter = NoticeDelivery(
            notice_id=notice.id,
            target="mail",
            state="failed",
            failure="550 mailbox full",
            attempts=5,
            done_at=at,
        )
        db.session.add(letter)
        db.session.flush()
        return letter.id


def state(bare_app, number):
    with bare_app.app_context():
        return db.session.execute(
            select(NoticeDelivery.state, NoticeDelivery.attempts, NoticeDelivery.failure).where(
                NoticeDelivery.id == number
            )
        ).one()


def test_work_that_was_given_up_is_listed_with_its_reason_and_tried_again(bare_app, browser, cast, given_up):
    operator = browser(cast.administrator, lang="en")
    page = operator.get("/operation").text
    assert "550 mailbox full" in page
    assert operator.post(f"/operation/jobs/notices.deliver/{given_up}/retry").status_code == 303
    assert tuple(state(bare_app, given_up)) == ("due", 0, None)
    assert "550 mailbox full" not in operator.get("/operation").text
    assert operator.post(f"/operation/jobs/notices.deliver/{given_up}/retry").status_code == 404
    with bare_app.app_context():
        acts = db.session.scalars(select(audit.AuditEvent.act).order_by(audit.AuditEvent.id)).all()
        assert "core.job.retry" in acts


def test_what_was_put_away_is_listed_again_only_when_it_fails_anew(bare_app, browser, cast, given_up):
    operator = browser(cast.administrator, lang="en")
    operator.post(f"/operation/jobs/notices.deliver/{given_up}/put-away")
    assert "550 mailbox full" not in operator.get("/operation").text
    assert state(bare_app, given_up).state == "failed", "the row stays as it is"
    with bare_app.app_context(), transaction():
        db.session.execute(update(NoticeDelivery).values(lease_token=NoticeDelivery.lease_token + 1))
    assert "550 mailbox full" in operator.get("/operation").text


def test_unknown_work_cannot_be_tried_again(bare_app, browser, cast, given_up):
    operator = browser(cast.administrator)
    for place in ("notices.deliver/999", f"nothing.known/{given_up}"):
        assert operator.post(f"/operation/jobs/{place}/retry").status_code == 404
        assert operator.post(f"/operation/jobs/{place}/put-away").status_code == 404


def test_the_page_is_for_administrators(browser, cast):
    for who in (cast.trainee, cast.mentor, cast.director):
        assert browser(who).get("/operation").status_code == 404


def test_the_page_says_that_nobody_works_until_a_worker_was_there(bare_app, browser, cast):
    operator = browser(cast.administrator, lang="en")
    assert "No worker is at work" in operator.get("/operation").text
    Worker(bare_app).chores()
    assert "No worker is at work" not in operator.get("/operation").text
    with clock.travelled(timedelta(minutes=10)):
        assert "No worker is at work" in operator.get("/operation").text


def test_prometheus_reads_the_figures_with_the_token_and_nobody_without(settings, bare_app, given_up, cast):
    joined = create_app(dataclasses.replace(settings, metrics_token=TOKEN))
    asker = joined.test_client()
    assert asker.get("/metrics").status_code == 404
    assert asker.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    asker.get("/sign-in")
    answer = asker.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["firefly_jobs_given_up", ("job", "notices.deliver")] == 1
    assert found["firefly_jobs_waiting", ("job", "courses.transcode")] == 0
    assert found["firefly_signatures",] == 0
    assert found["firefly_requests_total", ("page", "operation.metrics"), ("status", "404")] >= 2
    assert found["firefly_request_seconds_count",] >= 1
    assert not re.search("李思远|Li Siyuan|example.org", answer.text), "the figures name nobody"
    with joined.app_context():
        db.session.remove()
        db.engine.dispose()


def test_without_a_token_in_the_settings_there_is_no_such_address(bare_app):
    assert bare_app.test_client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_every_kind_of_work_that_can_be_given_up_says_so(bare_app):
    """A new job without these would fail unseen."""
    silent = {"certificates.restand", "certificates.extend", "certificates.lists"}  # tried without end
    for name, job in jobs.JOBS.items():
        assert (job.failed is not None and str(job.label)) or name in silent, name


def test_nothing_that_runs_can_be_put_away(bare_app, cast, at):
    with bare_app.app_context(), pytest.raises(NotFound):
        failed.put_away("courses.transcode", 1, by=cast.administrator, at=at)
