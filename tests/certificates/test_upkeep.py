"""What keeps running by itself or by one press: lists that lapse, and files that failed together."""

import shutil
from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.certificates import jobs, queries, services
from lms.certificates.models import Certificate, IssueBatch
from lms.core import signing
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound
from lms.core.jobs import Worker
from lms.core.notices import Notice


@pytest.fixture
def own(settings, authority):
    shutil.copytree(authority, settings.keys_dir)
    return settings.keys_dir


@pytest.fixture
def failed(app, bare_app, ruled, complete, at) -> IssueBatch:
    """Two certificates that could not be made, as the keys were not there."""
    complete(ruled.enrolment)
    complete(ruled.other_enrolment)
    chosen = queries.chosen(ruled.cohort, [ruled.enrolment.public_id, ruled.other_enrolment.public_id])
    with transaction():
        batch = services.issue(ruled.cohort, chosen, client_uuid="two", at=at, by=ruled.administrator)
    Worker(bare_app).drain()
    db.session.expire_all()
    assert all(row.gave_up_at for row in db.session.scalars(select(Certificate)))
    return batch


def test_all_that_failed_is_tried_again_by_one_press(failed, browser, ruled, settings, authority, bare_app):
    address = f"/certificates/batches/{failed.public_id}"
    client = browser(ruled.administrator, lang="en")
    assert "2 certificates could not be made." in client.get(address).text
    settings.keys_dir.symlink_to(authority)
    assert client.post(f"{address}/retry").status_code == 303
    assert client.post(f"{address}/retry").status_code == 303  # twice is once
    db.session.rollback()
    Worker(bare_app).drain()
    db.session.expire_all()
    assert [row.state for row in db.session.scalars(select(Certificate))] == ["good", "good"]
    assert "could not be made" not in client.get(address).text


def test_only_who_may_issue_may_try_again(failed, browser, ruled, at):
    batch = queries.batch(failed.public_id, ruled.administrator)
    for who in (ruled.trainee, ruled.auditor):
        with pytest.raises((NotFound, NotAllowed)), transaction():
            services.retry_all(batch, at=at, by=who)
    assert browser(ruled.trainee).post(f"/certificates/batches/{failed.public_id}/retry").status_code == 404


def test_lists_are_signed_anew_before_they_lapse(app, cast, own):
    until = min(signing.lists_until(own).values())
    with transaction():
        jobs.keep_lists(until - timedelta(days=61))
    assert min(signing.lists_until(own).values()) == until
    with transaction():
        jobs.keep_lists(until - timedelta(days=59))
    assert min(signing.lists_until(own).values()) > until + timedelta(days=300)
    assert db.session.scalars(select(Notice)).all() == []


def test_where_a_key_is_in_its_safe_the_administrators_are_told_once_a_week(app, cast, own):
    (own / signing.ISSUING_KEY).unlink()
    until = signing.lists_until(own)[signing.ISSUING_CRL]
    for days in (59, 59, 45):
        with transaction():
            jobs.keep_lists(until - timedelta(days=days))
    told = db.session.scalars(select(Notice).where(Notice.kind == "certificates.lists")).all()
    assert {one.account_id for one in told} == {cast.administrator.account_id}
    assert len(told) == 2
    assert signing.lists_until(own)[signing.ISSUING_CRL] == until
    assert signing.lists_until(own)[signing.ROOT_CRL] > until


def test_a_site_without_an_authority_has_nothing_to_renew(app, cast, at):
    with transaction():
        jobs.keep_lists(at)
    assert db.session.scalars(select(Notice)).all() == []
