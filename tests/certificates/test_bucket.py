# ruff: noqa: F811 (fixtures of other modules)
"""Certificates of a site whose files lie in a bucket: made, handed out, carried off, and made later where the bucket was away."""

from datetime import timedelta

from sqlalchemy import select

from lms.certificates import services
from lms.certificates.models import Certificate
from lms.core import clock, storage
from lms.core.db import db
from lms.core.jobs import Worker, run_one
from tests.certificates.conftest import issue_to
from tests.certificates.test_documents import (  # noqa: F401 (the same promises, kept by a bucket)
    issue,
    level,
    own_keys,
    test_a_site_that_signs_b_lta_extends_what_it_signed_before,
    test_the_holder_downloads_credential_and_badge_and_a_stranger_knows_neither,
)
from tests.certificates.test_register import (  # noqa: F401
    test_an_issued_certificate_is_a_signed_pdf_that_holds,
    test_export_and_offline_verification,
    test_the_file_is_for_its_holder_and_the_staff,
)
from tests.courses.test_bucket import leaving, media, own_store  # noqa: F401


def test_a_certificate_waits_for_the_bucket_with_its_number_and_is_made_once(
    app, bare_app, browser, ruled, complete, keys, leaving, at
):
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    number, serial = db.session.execute(select(Certificate.id, Certificate.serial)).one()
    db.session.rollback()
    leaving.stop()
    for minutes in range(7):  # more often than a job has attempts
        with clock.travelled(timedelta(minutes=minutes)):
            assert run_one(bare_app, services.ISSUE, number)
    db.session.expire_all()
    row = db.session.get_one(Certificate, number)
    assert (row.state, row.attempts, row.gave_up_at) == ("reserved", 0, None)
    db.session.rollback()
    assert browser(ruled.trainee).get(f"/certificates/{serial}").status_code == 200
    leaving.start()
    storage.storage().objects._rests_until = 0.0
    with clock.travelled(timedelta(minutes=9)):
        Worker(bare_app).drain()
    db.session.expire_all()
    row = db.session.scalars(select(Certificate)).one()
    assert (row.state, row.serial) == ("good", serial)
    answer = browser(ruled.trainee).get(f"/certificates/{serial}/{serial}.pdf")
    assert answer.data.startswith(b"%PDF-")
