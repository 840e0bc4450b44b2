"""Links that set a password: invitation and reset, from the letter to the open account."""

import email
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lms.accounts import queries, services
from lms.accounts.models import Account, AccountLink, LinkMail, Person
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.jobs import Worker

NEW = "七月的夜灯 sea"


@pytest.fixture
def newcomer(app, cast, at):
    """An invited nurse who has not set a password yet, and her link's token."""
    with transaction():
        person = services.add_person(name_zh="古丽", name_latin="Guli", at=at, by=cast.administrator)
        account = services.add_account(person, login="guli@example.org", at=at, by=cast.administrator)
        token = services.invite(account, at=at, by=cast.administrator)
    return account, token


def follow(client, path, password=NEW, again=None):
    """Send the form of a link."""
    return client.post(path, data={"password": password, "again": password if again is None else again})


def letters(settings):
    """Subject, receiver and text of every letter of this site."""
    found = []
    for path in sorted((settings.data_dir / "mail").glob("*.eml")):
        letter = email.message_from_bytes(path.read_bytes())
        found.append((letter["To"], letter.get_payload(decode=True).decode()))
    return found


def test_an_invitation_shows_whose_account_it_is_and_opens_it(browser, newcomer, settings):
    _account, token = newcomer
    client = browser(lang="en")
    page = client.get(f"/invitation/{token}")
    assert page.status_code == 200
    assert "古丽" in page.text
    assert "guli@example.org" in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"
    answer = follow(client, f"/invitation/{token}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/account").status_code == 200
    assert browser().post("/sign-in", data={"login": "guli@example.org", "password": NEW}).status_code == 303


def test_a_second_click_on_the_invitation_leads_in_as_well(browser, newcomer):
    _account, token = newcomer
    first, second = browser(), browser()
    assert follow(first, f"/invitation/{token}").headers["Location"] == "/"
    assert follow(second, f"/invitation/{token}").headers["Location"] == "/"
    assert second.get("/account").status_code == 200


def test_a_used_link_with_another_password_opens_nothing(browser, newcomer):
    _account, token = newcomer
    follow(browser(), f"/invitation/{token}")
    answer = follow(browser(lang="en"), f"/invitation/{token}", "some other words")
    assert answer.status_code == 404
    assert "does not work any more" in answer.text
    with clock.travelled(rules_double_click()):
        assert follow(browser(), f"/invitation/{token}").status_code == 404


def rules_double_click():
    """Just longer than a second click may take."""
    from lms.accounts import rules

    return rules.DOUBLE_CLICK + timedelta(seconds=1)


@pytest.mark.parametrize("path", ["/invitation/", "/reset/"])
def test_unknown_used_expired_and_wrong_kind_look_alike(browser, newcomer, path):
    _account, token = newcomer
    unknown = browser(lang="en").get(f"{path}{'x' * 43}")
    assert unknown.status_code == 404
    with clock.travelled(timedelta(days=0 if path == "/reset/" else 15)):
        other = browser(lang="en").get(f"{path}{token}")
    assert other.status_code == 404
    assert other.text.replace(token, "x" * 43) == unknown.text


def test_two_different_passwords_or_a_weak_one_are_refused_at_their_field(browser, newcomer):
    _account, token = newcomer
    client = browser(lang="en")
    assert "not the same" in follow(client, f"/invitation/{token}", again="other").text
    weak = follow(client, f"/invitation/{token}", "guli@example.org")
    assert weak.status_code == 422
    assert "Leave your name" in weak.text
    assert follow(client, f"/invitation/{token}").status_code == 303


def test_a_new_invitation_voids_the_one_before(app, browser, cast, newcomer, at):
    account, token = newcomer
    with transaction():
        newer = services.invite(db.session.get_one(Account, account.id), at=at, by=cast.administrator)
    assert browser().get(f"/invitation/{token}").status_code == 404
    assert browser().get(f"/invitation/{newer}").status_code == 200


def test_a_shut_account_has_no_working_link(app, browser, cast, newcomer, at):
    account, token = newcomer
    with transaction():
        services.disable_account(db.session.get_one(Account, account.id), at=at, by=cast.administrator)
    assert browser().get(f"/invitation/{token}").status_code == 404
    assert follow(browser(), f"/invitation/{token}").status_code == 404
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.invite(db.session.get_one(Account, account.id), at=at, by=cast.administrator)
    assert refusal.value.code == "account_shut"


def test_only_an_administrator_invites(app, cast, newcomer, at):
    account, _token = newcomer
    for name, actor in cast.everyone().items():
        if name == "administrator":
            continue
        with pytest.raises((NotAllowed, NotFound)), transaction():
            services.invite(account, at=at, by=actor)


def test_a_reset_runs_from_the_question_to_the_new_password(bare_app, browser, cast, settings):
    inside = browser(cast.trainee)
    client = browser(lang="en")
    assert "on its way" in client.post("/reset", data={"login": " Siyuan@example.org"}).text
    assert Worker(bare_app).drain() == 1
    ((to, text),) = letters(settings)
    assert to == "siyuan@example.org"
    assert "李思远" in text
    (path,) = re.findall(r"http://localhost(/reset/\S+)", text)
    assert "李思远" in client.get(path).text
    assert follow(client, path).status_code == 303
    assert client.get("/account").status_code == 200
    assert inside.get("/account").status_code == 303
    assert (
        browser().post("/sign-in", data={"login": "siyuan@example.org", "password": NEW}).status_code == 303
    )
    assert browser().get(path).status_code == 404


def test_the_link_is_in_no_table(bare_app, browser, cast, settings):
    browser().post("/reset", data={"login": "siyuan@example.org"})
    Worker(bare_app).drain()
    ((_to, text),) = letters(settings)
    (token,) = re.findall(r"/reset/(\S+)", text)
    with bare_app.app_context():
        for table in db.metadata.sorted_tables:
            for row in db.session.execute(select(table)):
                assert token not in repr(row), table.name
        assert db.session.scalar(select(AccountLink.token_sha256)) == queries.digest(token)


def test_the_answer_to_a_reset_is_the_same_for_everybody(bare_app, browser, cast, settings):
    logins = ("siyuan@example.org", "nobody@example.org", "13800138000", "not even an address")
    pages = {browser(lang="en").post("/reset", data={"login": login}).text for login in logins}
    assert len(pages) == 1
    with bare_app.app_context():
        assert db.session.scalar(select(func.count()).select_from(LinkMail)) == len(logins)
    Worker(bare_app).drain()
    assert [to for to, _text in letters(settings)] == ["siyuan@example.org"]
    with bare_app.app_context():
        states = db.session.scalars(select(LinkMail.state).order_by(LinkMail.id)).all()
        assert states == ["sent", "nobody", "nobody", "nobody"]


def test_a_mailbox_is_not_flooded_and_the_asker_does_not_see_the_limit(bare_app, browser, cast, settings):
    pages = {browser(lang="en").post("/reset", data={"login": "siyuan@example.org"}).text for _ in range(6)}
    assert len(pages) == 1
    Worker(bare_app).drain()
    assert len(letters(settings)) == 3


def test_one_address_asks_for_thirty_links_and_no_more(browser, cast):
    client = browser()
    answers = [client.post("/reset", data={"login": f"n{i}@example.org"}).status_code for i in range(31)]
    assert answers == [200] * 30 + [429]


def test_a_reset_does_not_void_an_invitation_that_is_under_way(bare_app, browser, newcomer):
    _account, token = newcomer
    browser().post("/reset", data={"login": "guli@example.org"})
    Worker(bare_app).drain()
    assert browser().get(f"/invitation/{token}").status_code == 200


def test_using_one_link_voids_the_others(bare_app, browser, newcomer, settings):
    _account, token = newcomer
    browser().post("/reset", data={"login": "guli@example.org"})
    Worker(bare_app).drain()
    follow(browser(), f"/invitation/{token}")
    (path,) = re.findall(r"http://localhost(/reset/\S+)", letters(settings)[0][1])
    assert browser().get(path).status_code == 404


def test_an_invitation_goes_by_mail_in_the_language_of_the_account(bare_app, app, cast, at, settings):
    with transaction():
        person = services.add_person(name_zh="", name_latin="Aibek", at=at, by=None)
        account = services.add_account(person, login="aibek@example.org", at=at, by=None, locale="en")
        assert services.mail_invitation(account, at=at, by=cast.administrator)
        phone_only = services.add_account(person, login="13900139000", at=at, by=None)
        assert not services.mail_invitation(phone_only, at=at, by=cast.administrator)
    Worker(bare_app).drain()
    ((_to, text),) = letters(settings)
    assert "Hello Aibek" in text
    assert "/invitation/" in text


def test_old_links_letters_and_sessions_are_forgotten(app, cast, newcomer, at):
    from lms.accounts.jobs import tidy
    from lms.accounts.models import UserSession

    with transaction():
        services.sign_in(newcomer[0], at=at, user_agent="x", address="10.0.0.1")
        services.ask_reset("nobody@example.org", at=at, address="10.0.0.1")
        db.session.scalars(select(LinkMail)).one().state = "nobody"
    with transaction():
        tidy(at + timedelta(days=43))
    assert db.session.scalars(select(AccountLink)).one().expires_at > at
    with transaction():
        tidy(at + timedelta(days=45))
    assert db.session.scalars(select(AccountLink)).all() == []
    assert db.session.scalars(select(LinkMail)).all() == []
    assert db.session.scalars(select(UserSession)).all()
    with transaction():
        tidy(at + timedelta(days=211))
    assert db.session.scalars(select(UserSession)).all() == []
    assert db.session.scalars(select(Person)).all()
