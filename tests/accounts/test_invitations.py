"""New links for everybody of a cohort who has not accepted their invitation: on paper, as a file, by letter."""

import csv
import io
import re

import pytest

from lms.accounts import services
from lms.core.db import transaction
from lms.core.jobs import Worker
from lms.policy import Role
from tests.accounts.test_links import letters

NEW = {"password": "七月的夜灯 sea", "again": "七月的夜灯 sea"}


@pytest.fixture
def invited(app, cast, at):
    """Two newcomers of the cohort with a link each, one of the programme only."""

    def welcome(name, login, role, scope):
        return services.welcome(
            name_zh=name,
            name_latin="",
            login=login,
            roles=[role],
            scope=scope,
            track="PED",
            at=at,
            by=cast.administrator,
        )

    cohort = f"cohort:{cast.cohort.id}"
    with transaction():
        return [
            welcome("古丽", "guli@example.org", Role.TRAINEE, cohort),
            welcome("阿依", "13900139000", Role.MENTOR, cohort),
            welcome("别人", "bieren@example.org", Role.EXAMINER, f"programme:{cast.programme.id}"),
        ]


@pytest.fixture
def office(browser, cast):
    return browser(cast.administrator, lang="en")


def make(office, cast, **more):
    return office.post("/people/invitations", data={"cohort": f"cohort:{cast.cohort.id}"} | more)


def test_the_page_lists_who_has_not_accepted_and_makes_links_to_print(office, browser, cast, invited):
    page = office.get("/people/invitations").text
    assert re.findall(r'<a href="/people/\w{12}">(.+?)</a>', page) == ["古丽", "阿依"]
    done = make(office, cast, **{"as": "page"})
    assert done.headers["Cache-Control"] == "no-store"
    tokens = re.findall(r"/invitation/([\w-]+)<", done.text)
    assert len(set(tokens)) == 2
    assert done.text.count('src="data:image/svg+xml') == 2
    assert browser().get(f"/invitation/{invited[1].token}").status_code == 404
    assert browser().get(f"/invitation/{invited[2].token}").status_code == 200
    assert browser().post(f"/invitation/{tokens[0]}", data=NEW).status_code == 303
    page = office.get("/people/invitations").text
    assert "古丽" not in page
    assert "阿依" in page


def test_the_same_as_a_file_and_letters_only_where_asked_for(app, office, browser, cast, invited, settings):
    Worker(app).drain()
    before = len(letters(settings))
    answer = make(office, cast, **{"as": "csv"})
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row[:3] for row in rows[1:]] == [["古丽", "", "guli@example.org"], ["阿依", "", "13900139000"]]
    assert browser().get(rows[2][3].removeprefix("http://localhost")).status_code == 200
    Worker(app).drain()
    assert len(letters(settings)) == before
    assert make(office, cast, letters="y").text.count("mailed") == 1
    Worker(app).drain()
    sent = [to for to, _text in letters(settings)]
    assert (len(sent), sent.count("guli@example.org")) == (before + 1, 2)


def test_only_administrators_make_links_and_only_of_cohorts_that_exist(office, browser, cast, invited):
    for name, who in cast.everyone().items():
        if name != "administrator":
            assert browser(who).get("/people/invitations").status_code == 404
            assert make(browser(who), cast).status_code == 404
    assert office.get("/people/invitations?cohort=cohort:999").status_code == 404
    assert office.post("/people/invitations", data={"cohort": "site"}).status_code == 404
