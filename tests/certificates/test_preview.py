"""Before anything is issued: one certificate as it would be printed, and what somebody should mend first."""

import shutil
import subprocess

import pytest
from sqlalchemy import func, select

from lms.accounts.models import Person
from lms.certificates import queries
from lms.certificates.models import Certificate, SerialCounter
from lms.certificates.views import pages
from lms.core import signing
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction


@pytest.fixture
def address(ruled):
    return f"/certificates/cohorts/{ruled.cohort.public_id}"


def preview_of(ruled, address):
    return f"{address}/preview/{ruled.enrolment.public_id}.pdf"


def rename(ruled, **names):
    with transaction():
        person = db.session.get_one(Person, ruled.enrolment.person_id)
        for field, value in names.items():
            setattr(person, field, value)


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_a_preview_looks_like_the_certificate_and_is_none(app, ruled, address, keys, browser, settings):
    client = browser(ruled.administrator)
    before = count(Certificate), count(SerialCounter), count(AuditEvent)
    answer = client.get(preview_of(ruled, address))
    db.session.rollback()
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Cache-Control"] == "no-store"
    assert before == (count(Certificate), count(SerialCounter), count(AuditEvent))
    trust = signing.trust_of(settings.keys_dir)
    assert signing.check_pdf(answer.data, root=trust.root).code == signing.NO_SIGNATURE
    assert queries.inspect_here(answer.data).code == "foreign"
    if shutil.which("pdftotext"):
        text = subprocess.run(
            ["pdftotext", "-raw", "-", "-"], input=answer.data, capture_output=True, check=True
        ).stdout.decode()
        for words in ("李思远", "Li Siyuan", "样张，非证书", "preview, not a certificate", "样张 PREVIEW"):
            assert words in text
        assert "FFLY-" not in text


def test_only_who_may_issue_sees_one(app, ruled, address, browser):
    assert browser(ruled.trainee).get(preview_of(ruled, address)).status_code in {403, 404}
    assert browser(ruled.administrator).get(f"{address}/preview/nobody.pdf").status_code == 404


def test_what_cannot_be_printed_is_said_instead_of_drawn(app, ruled, address, browser):
    rename(ruled, name_zh="李\ue863")
    client = browser(ruled.administrator, lang="en")
    answer = client.get(preview_of(ruled, address))
    assert answer.status_code == 409
    assert "U+E863" in answer.text
    page = client.get(f"{address}/names").text
    assert "U+E863" in page
    rename(ruled, name_zh="李思远")
    assert "Every name can be printed" in client.get(f"{address}/names").text


def test_the_check_before_issue_names_person_remark_and_fix(app, ruled, complete, address, browser):
    complete(ruled.enrolment)
    rename(ruled, name_latin="")
    client = browser(ruled.administrator, lang="en")
    text = client.post(f"{address}/check", data={"id": [ruled.enrolment.public_id]}).text
    person = db.session.get_one(Person, ruled.enrolment.person_id)
    assert "The name in Latin letters is missing" in text
    assert f'href="/people/{person.public_id}"' in text
    assert preview_of(ruled, address) in text
    assert "No certificate is made until it is mended." not in text
    rename(ruled, name_zh="", name_latin="")
    text = client.post(f"{address}/check", data={"id": [ruled.enrolment.public_id]}).text
    assert "No certificate is made until it is mended." in text
    assert preview_of(ruled, address) not in text


def test_the_matrix_leads_to_previews_and_names(app, ruled, complete, address, browser):
    complete(ruled.enrolment)
    text = browser(ruled.administrator, lang="en").get(f"{address}?state=all").text
    assert preview_of(ruled, address) in text
    assert f'href="{address}/names"' in text


def test_who_draws_without_end_waits(app, ruled, address, browser, monkeypatch):
    monkeypatch.setattr(pages, "PREVIEW_LIMIT", (1, 60))
    browser(ruled.administrator).get(preview_of(ruled, address))
    assert browser(ruled.administrator).get(preview_of(ruled, address)).status_code == 429
