"""The sign-in page: who comes in, what a refusal says, what it does not say."""

import time
from datetime import timedelta

import pytest

from lms.accounts import services
from lms.core import clock
from lms.core.db import transaction
from tests.cast import PASSWORD


def enter(client, login, password=PASSWORD, **more):
    """Send the sign-in form."""
    return client.post("/sign-in", data={"login": login, "password": password, **more})


@pytest.mark.parametrize(
    "login", ["siyuan@example.org", " Siyuan@Example.org ", "13800138000", "+86 138-0013-8000"]
)
def test_a_person_signs_in_with_e_mail_or_phone(browser, cast, login):
    client = browser()
    answer = enter(client, login)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/account").status_code != 303


def test_wrong_password_and_unknown_account_get_the_same_page(browser, cast):
    known = enter(browser(lang="en"), "siyuan@example.org", "wrong one")
    unknown = enter(browser(lang="en"), "nobodyn@example.org", "wrong one")
    assert known.status_code == unknown.status_code == 422
    assert known.text.replace("siyuan@", "") == unknown.text.replace("nobodyn@", "")
    assert "siyuan@example.org" in known.text
    assert "wrong one" not in known.text


def test_an_unknown_account_takes_as_long_as_a_wrong_password(browser, cast):
    def took(login):  # CPU time of this thread: the wall clock belongs to the whole machine
        start = time.thread_time()
        enter(browser(), login, "wrong one")
        return time.thread_time() - start

    pairs = [(took("siyuan@example.org"), took("nobody@example.org")) for _ in range(6)]
    known, unknown = (min(column) for column in zip(*pairs, strict=True))
    assert known == pytest.approx(unknown, rel=0.5)


def test_a_shut_account_does_not_come_in_and_leaves_at_once(app, browser, cast, at):
    from lms.accounts.models import Account
    from lms.core.db import db

    inside = browser(cast.trainee)
    with transaction():
        services.disable_account(
            db.session.get_one(Account, cast.trainee.account_id), at=at, by=cast.administrator
        )
    assert inside.get("/account").status_code == 303
    assert enter(browser(), "siyuan@example.org").status_code == 422


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "http:evil",
    ],
)
def test_only_own_pages_are_gone_on_to(browser, cast, target):
    assert enter(browser(), "siyuan@example.org", next=target).headers["Location"] == "/"
    inside = browser(cast.trainee)
    assert inside.get("/sign-in", query_string={"next": target}).headers["Location"] == "/"


def test_an_own_page_is_gone_on_to(browser, cast):
    assert (
        enter(browser(), "siyuan@example.org", next="/logbook?page=2").headers["Location"]
        == "/logbook?page=2"
    )


def test_the_ninth_wrong_try_waits_and_says_how_long(browser, cast):
    client = browser(lang="en")
    assert {enter(client, "siyuan@example.org", "wrong").status_code for _ in range(8)} == {422}
    answer = enter(client, "siyuan@example.org")
    assert answer.status_code == 429
    assert "Wait 2 minutes" in answer.text
    assert enter(client, "wang@example.org").status_code == 303
    with clock.travelled(timedelta(minutes=16)):
        assert enter(browser(), "siyuan@example.org").status_code == 303


def test_an_unknown_account_waits_the_same(browser, cast):
    client = browser()
    assert [enter(client, "no@example.org", "wrong").status_code for _ in range(9)] == [422] * 8 + [429]


def test_one_address_tries_sixty_accounts_and_no_more(app, cast, at):
    from lms.core.errors import RuleBroken, TooManyTries

    def attempt(number, address):
        services.check_sign_in(f"guess{number}@example.org", "x", at=at, address=address)

    for number in range(60):
        with pytest.raises(RuleBroken):
            attempt(number, "10.0.0.7")
    with pytest.raises(TooManyTries):
        attempt(61, "10.0.0.7")
    with pytest.raises(RuleBroken):
        attempt(62, "10.0.0.8")


def test_a_whole_class_behind_one_address_signs_in(app, cast, at):
    for _number in range(70):
        services.check_sign_in("siyuan@example.org", PASSWORD, at=at, address="10.0.0.7")


def test_each_sign_in_has_a_token_of_its_own(browser, cast):
    client = browser()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "planted by somebody else"
        cookie["other"] = "kept?"
    enter(client, "siyuan@example.org")
    with client.session_transaction() as cookie:
        first = cookie["_user_id"]
        assert first != "planted by somebody else"
        assert "other" not in cookie
    client.post("/sign-out")
    enter(client, "siyuan@example.org")
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] not in {first, "planted by somebody else"}


def test_sign_out_ends_the_session_on_the_server_and_clears_the_cache_only(browser, cast):
    client = browser(cast.trainee)
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    answer = client.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    again = browser()
    with again.session_transaction() as cookie:
        cookie["_user_id"] = token
    assert again.get("/account").status_code == 303
    assert client.post("/sign-out").status_code == 303


def test_an_empty_form_names_both_fields_and_keeps_the_login(browser, cast):
    answer = browser(lang="en").post("/sign-in", data={"login": "siyuan@example.org", "password": ""})
    assert answer.status_code == 422
    assert "Enter your password." in answer.text
    assert "siyuan@example.org" in answer.text


@pytest.mark.parametrize(
    "login", ["\x00", "a\x00b@example.org", "x" * 5000, "'; drop table person; --", "𠮷@例え.jp"]
)
def test_odd_logins_are_wrong_logins(browser, cast, login):
    assert enter(browser(), login).status_code == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
def test_the_form_comes_from_our_own_pages(bare_app, cast, headers, status):
    client = bare_app.test_client()
    answer = client.post(
        "/sign-in", data={"login": "siyuan@example.org", "password": PASSWORD}, headers=headers
    )
    assert answer.status_code == status


def test_a_browser_that_names_no_origin_brings_the_token_of_the_page(bare_app, cast):
    import re

    client = bare_app.test_client()
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get("/sign-in").text)
    assert token
    form = {"login": "siyuan@example.org", "password": PASSWORD}
    assert client.post("/sign-in", data={**form, "form_token": token[1]}).status_code == 303


def test_the_token_of_an_open_form_outlives_a_message_but_not_the_session(bare_app, cast):
    import re

    client = bare_app.test_client()

    def token(path):
        return {"form_token": re.search(r'name="form_token" value="([0-9a-f]+)"', client.get(path).text)[1]}

    stranger = token("/sign-in")
    enter(client, "siyuan@example.org", **stranger)
    mine = token("/account")
    chosen = {"locale": "en", "xinjiang_time": "y"}
    client.post("/account/notices", data=mine)
    with client.session_transaction() as cookie:
        assert cookie["_flashes"]
    assert client.post("/account/preferences", data={**chosen, **mine}).status_code == 303
    assert client.post("/account/preferences", data={**chosen, **stranger}).status_code == 403
    client.post("/account/sessions/end", data=mine)
    enter(client, "siyuan@example.org", **token("/sign-in"))
    assert client.post("/account/preferences", data={**chosen, **mine}).status_code == 403


def test_the_demonstration_shows_its_accounts(bare_app, browser, cast):
    bare_app.config["DEMO_ACCOUNTS"] = [("李思远", "trainee", "siyuan@example.org", PASSWORD)]
    page = browser(lang="en").get("/sign-in").text
    assert "李思远" in page
    assert "Trainee" in page
    bare_app.config["DEMO_ACCOUNTS"] = []
    assert "demonstration" not in browser(lang="en").get("/sign-in").text


def test_the_page_costs_no_query_and_signing_in_few(browser, cast, queries):
    client = browser()
    with queries() as seen:
        assert client.get("/sign-in").status_code == 200
    assert seen.count == 0
    with queries() as seen:
        assert enter(client, "siyuan@example.org").status_code == 303
    assert seen.count <= 12
