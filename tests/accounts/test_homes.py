"""Whatever role somebody holds, wherever: the first page works, and so does every tab that they see."""

import re

import pytest

from lms.accounts import rules, services
from lms.accounts.models import Person
from lms.core.db import db, transaction
from lms.policy import SITE, Role

PLACES = [(role, kind) for role, kinds in rules.SCOPE_KINDS.items() for kind in kinds]
HAVE_WORK = {
    Role.MARKER: "/marking",
    Role.TRAINEE: "/",
    Role.MENTOR: "/to-sign",
    Role.SECOND_ASSESSOR: "/to-sign",
    Role.ADMINISTRATOR: "/cohorts",
    Role.COORDINATOR: "/cohorts",
    Role.DIRECTOR: "/cohorts",
    Role.EDUCATION_OFFICE: "/cohorts",
    Role.EDUCATOR: "/learn",
    Role.CLINICAL_REVIEWER: "/learn",
    Role.EXAMINER: "/tests",
    Role.INVIGILATOR: "/tests",
    Role.COMMITTEE_MEMBER: "/committee",
    Role.COMMITTEE_CHAIR: "/committee",
    Role.UNIT_LEAD: "/bedside",
    Role.AUDITOR: "/audit",
    Role.DATA_PROTECTION_OFFICER: "/audit",
}


def tabs_of(page):
    """Where the tabs of a page lead."""
    nav = re.search(r'<nav class="tabs".*?</nav>', page, re.DOTALL)
    return re.findall(r'<a href="([^"]+)"', nav[0]) if nav else []


@pytest.mark.parametrize(("role", "kind"), PLACES)
def test_a_role_arrives_at_a_page_that_works_and_so_does_each_of_its_tabs(app, browser, cast, at, role, kind):
    places = {
        "programme": f"programme:{cast.programme.id}",
        "cohort": f"cohort:{cast.cohort.id}",
        "hospital": f"hospital:{cast.hospital.id}",
    }
    with transaction():
        person = db.session.get_one(Person, cast.stranger.person_id)
        services.assign(person, role, places.get(kind, SITE), track="PED", at=at, by=cast.administrator)
    client = browser(cast.stranger)
    first = client.get("/")
    arrived = first.headers.get("Location", "/")
    assert arrived == HAVE_WORK.get(role, "/account")
    page = client.get(arrived)
    assert page.status_code == 200
    tabs = tabs_of(page.text)
    assert len(tabs) <= 5
    assert (arrived in tabs) is (role in HAVE_WORK)
    for tab in tabs:
        assert client.get(tab, follow_redirects=True).status_code == 200, tab


def test_an_auditor_sees_what_may_be_audited(browser, cast):
    assert tabs_of(browser(cast.auditor).get("/audit").text) == [
        "/audit",
        "/cohorts",
        "/certificates",
        "/learn",
        "/tests",
    ]
