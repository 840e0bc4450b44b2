"""What was typed in a session that had ended comes back to the account that typed it, and to nobody else."""

import html
import re

import pytest
from sqlalchemy import select

from lms.accounts import services
from lms.accounts.models import Person
from lms.core.db import db, transaction
from lms.web import kept
from tests.cast import PASSWORD, PIN

TYPED = {
    "name_zh": "王“小”明 & 妹",
    "name_latin": "a\r\nb <i>",
    "native_lang": "",
    "login": "ming@example.org",
    "locale": "en",
    "scope": "",
    "track": "PED",
}


def fields_of(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the first form that goes to an address."""
    form = re.search(rf'<form[^>]* action="{re.escape(action)}"[^>]*>.*?</form>', page, re.DOTALL)
    assert form, page
    found = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = (re.search(rf' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if 'type="hidden"' in tag and name and value:
            found[name[1]] = html.unescape(value[1])
    return found


def refused(client, app, who, at):
    """Somebody's session ends behind their back; then they send what they had typed."""
    with app.app_context(), transaction():
        services.sign_out_everywhere(at=at, by=who)
    data = {**TYPED, "roles": ["mentor", "educator"], "pin": PIN, "form_token": "x"}
    return client.post("/people/new", data=data, headers={"Referer": "http://localhost/people/new"})


@pytest.fixture
def client(browser, cast):
    return browser(cast.administrator, lang="en")


def enter(client, page, login):
    carried = fields_of(page.text, "/sign-in")
    return client.post("/sign-in", data={**carried, "login": login, "password": PASSWORD})


def test_what_was_typed_comes_back_after_sign_in_and_is_sent_by_one_button(client, bare_app, cast, at):
    answer = refused(client, bare_app, cast.administrator, at)
    assert answer.status_code == 401
    assert PIN not in answer.text
    wrong = client.post(
        "/sign-in",
        data={**fields_of(answer.text, "/sign-in"), "login": "chen@example.org", "password": "wrong"},
    )
    page = enter(client, wrong, "chen@example.org")
    assert page.status_code == 200
    again = fields_of(page.text, "/people/new")
    assert again.items() >= TYPED.items()
    assert page.text.count('name="roles"') == 2
    assert not kept.SECRETS & set(again)
    del again["roles"]
    assert client.post("/people/new", data=again).status_code == 303
    with bare_app.app_context():
        assert db.session.scalar(select(Person).where(Person.name_zh == TYPED["name_zh"])) is not None


def test_another_person_gets_nothing_of_it(client, bare_app, cast, at):
    answer = refused(client, bare_app, cast.administrator, at)
    page = enter(client, answer, "wang@example.org")
    assert (page.status_code, page.headers["Location"]) == (303, "/")
    assert "belonged to another account" in client.get("/to-sign").text


def test_a_form_sent_after_sign_out_in_another_tab_is_kept_too(client, bare_app, cast, at):
    client.post("/sign-out")
    page = enter(client, client.post("/people/new", data=TYPED), "chen@example.org")
    assert fields_of(page.text, "/people/new").items() >= TYPED.items()


def test_without_an_ended_session_nothing_is_carried_and_the_page_says_so(browser, cast):
    answer = browser(lang="en").post("/people/new", data=TYPED)
    assert answer.status_code == 401
    assert "it cannot be kept here" in answer.text
    assert TYPED["login"] not in answer.text


def test_nobody_can_make_up_what_was_kept(client, bare_app, cast, at):
    carried = fields_of(refused(client, bare_app, cast.administrator, at).text, "/sign-in")["kept"]
    for made_up in ("", "x", carried.replace("ming@", "mong@"), "0" * 64 + carried[64:]):
        data = {"login": "chen@example.org", "password": PASSWORD, "kept": made_up}
        assert client.post("/sign-in", data=data).status_code == 303


def test_too_much_is_not_carried_and_an_upload_not_even_read(client, bare_app, cast, at):
    with bare_app.app_context(), transaction():
        services.sign_out_everywhere(at=at, by=cast.administrator)
    assert "it cannot be kept" in client.post("/people/new", data={"name_zh": "长" * 90_000}).text
    answer = client.post("/people/import", data=b"x", headers={"Content-Length": str(5_000_000_000)})
    assert answer.status_code == 401


def test_a_script_is_told_to_sign_in(client, bare_app, cast, at):
    with bare_app.app_context(), transaction():
        services.sign_out_everywhere(at=at, by=cast.administrator)
    answer = client.post("/people/new", data=TYPED, headers={"X-Requested-With": "lms"})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
