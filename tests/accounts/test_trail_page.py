"""The audit trail in words, its filters, its proof."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from lms.accounts import services
from lms.accounts.models import Person
from lms.accounts.rules import trail
from lms.core import clock
from lms.core.db import db, transaction
from lms.policy import SITE, Role
from tests.cast import PIN


@pytest.fixture
def auditor(browser, cast):
    """The auditor's browser, in English."""
    return browser(cast.auditor, lang="en")


def acts(page):
    """The acts that a page lists."""
    return re.findall(r"<p><a href=\"/audit\?who=\w+\">(.+?)</a> <b>(.+?)</b>", page)


def test_only_auditor_administrator_and_data_protection_officer_read_it(app, browser, cast, at):
    with transaction():
        person = db.session.get_one(Person, cast.stranger.person_id)
        services.grant(person, Role.DATA_PROTECTION_OFFICER, SITE, at=at, by=cast.administrator)
    readers = {"auditor", "administrator", "stranger"}
    for name, actor in cast.everyone().items():
        client = browser(actor)
        expected = 200 if name in readers else 404
        assert client.get("/audit").status_code == expected, name
        assert client.post("/audit/verify").status_code == expected, name
    assert browser().get("/audit").status_code == 303


def test_an_auditor_of_one_programme_reads_and_verifies_its_chain_and_no_other(app, browser, cast, at):
    with transaction():
        person = db.session.get_one(Person, cast.stranger.person_id)
        services.grant(person, Role.AUDITOR, f"programme:{cast.programme.id}", at=at, by=cast.administrator)
    chain = f"programme:{cast.programme.id}"
    client = browser(cast.stranger, lang="en")
    page = client.get("/audit").text
    assert set(re.findall(r"/audit\?scope=([^\"]+)", page)) == {chain.replace(":", "%3A")}
    assert "opened a cohort" in page
    assert "signed in" not in str(acts(page))
    assert "No event fits" in client.get("/audit?scope=site").text
    assert "of all chains hold together" in client.post("/audit/verify").text
    assert "this chain hold" in client.post("/audit/verify", data={"scope": chain}).text
    assert client.post("/audit/verify", data={"scope": "site"}).status_code == 404


def test_the_trail_speaks_in_words(browser, cast, auditor):
    browser(cast.mentor).post("/confirm", data={"pin": PIN})
    page = auditor.get("/audit").text
    assert ("王建国", "confirmed that it is them") in acts(page)
    assert "Account 3" in page
    assert "how: pin" in page


def test_it_is_filtered_by_person_act_chain_and_day(browser, cast, auditor):
    browser(cast.mentor).post("/confirm", data={"pin": PIN})
    for who in ("王建国", "wang@", "WANG JIAN"):
        found = acts(auditor.get("/audit", query_string={"who": who}).text)
        assert {name for name, _act in found} == {"王建国"}
    found = acts(auditor.get("/audit?act=accounts.session.confirm").text)
    assert found == [("王建国", "confirmed that it is them")]
    found = acts(auditor.get("/audit?act=accounts.session").text)
    assert {act for _name, act in found} == {"signed in", "confirmed that it is them"}
    scope = f"account:{cast.mentor.account_id}"
    assert {name for name, _act in acts(auditor.get("/audit", query_string={"scope": scope}).text)} == {
        "王建国"
    }
    today = clock.today().isoformat()
    assert acts(auditor.get(f"/audit?day={today}&who=wang").text)
    yesterday = (clock.today() - timedelta(days=1)).isoformat()
    assert "No event fits" in auditor.get(f"/audit?day={yesterday}").text
    assert auditor.get("/audit?day=rubbish&before=rubbish&who=%00").status_code == 200


def test_it_is_paged_and_keeps_its_filter(app, cast, auditor, at, queries):
    with transaction():
        for number in range(60):
            services.add_person(name_zh=f"人{number}", name_latin="", at=at, by=cast.administrator)
    with queries() as seen:
        page = auditor.get("/audit?act=accounts.person.add&who=chen").text
    assert seen.count <= 12
    assert len(acts(page)) == 50
    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    assert len(acts(auditor.get(older.replace("&amp;", "&")).text)) == 10


def test_the_proof_says_that_all_holds(cast, auditor):
    page = auditor.post("/audit/verify").text
    assert "of all chains hold together" in page
    page = auditor.post("/audit/verify", data={"scope": "site"}).text
    assert "of this chain hold together" in page


def test_the_proof_names_the_link_that_was_tampered_with(app, cast, auditor):
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text("DROP TRIGGER audit_event_no_update"))
        else:
            db.session.execute(text("ALTER TABLE audit_event DISABLE TRIGGER USER"))
        db.session.execute(text("UPDATE audit_event SET act = 'x' WHERE scope = 'site' AND seq = 5"))
    page = auditor.post("/audit/verify", data={"scope": "site"}).text
    assert "tampered with" in page
    assert "Whole site, event 5: it was changed after it had been written" in page
    assert "tampered" not in auditor.post("/audit/verify", data={"scope": "account:1"}).text
    assert "no such chain" in auditor.post("/audit/verify", data={"scope": "account:999999"}).text


def test_every_act_recorded_by_the_product_has_its_words():
    from pathlib import Path

    found = set()
    for path in (Path(__file__).parents[2] / "lms").rglob("*.py"):
        if "rules" in path.parts:
            continue
        found |= set(re.findall(r'audit\.record(?:_all)?\(\s*"([a-z_.]+)"', path.read_text(encoding="utf-8")))
    assert len(found) > 20
    assert not found - set(trail.ACTS)


def test_the_trail_holds_no_names_and_no_logins(app, cast, auditor):
    from sqlalchemy import select

    from lms.core.audit import AuditEvent

    for event in db.session.scalars(select(AuditEvent)):
        line = f"{event.subject} {event.detail}"
        assert "@" not in line
        assert not re.search(r"[\u4e00-\u9fff]", line)
