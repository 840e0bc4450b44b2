"""One's own account: preferences, password, PIN, browsers, notices."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from lms.accounts import queries, rules, services
from lms.accounts.models import Account, UserSession
from lms.accounts.services import links, presence
from lms.core import clock, notices
from lms.core.db import db, transaction
from lms.core.errors import NotFound, RuleBroken
from lms.core.jobs import Worker
from lms.core.passwords import check_secret, hash_secret
from tests.accounts.test_links import letters
from tests.cast import PASSWORD, PIN

NEW = "七月的夜灯 sea"


def stored(app, actor):
    """The account as the database has it."""
    with app.app_context():
        return db.session.get_one(Account, actor.account_id)


def test_the_page_shows_what_is_known_and_costs_few_queries(browser, cast, queries):
    client = browser(cast.trainee, lang="en")
    with queries() as seen:
        page = client.get("/account")
    assert page.status_code == 200
    assert seen.count <= 12
    for words in ("李思远", "Li Siyuan", "siyuan@example.org", "this browser", "Trainee"):
        assert words in page.text


def test_every_one_of_the_cast_has_an_account_page_and_a_stranger_is_asked_to_sign_in(browser, cast):
    for actor in cast.everyone().values():
        assert browser(actor).get("/account").status_code == 200
        assert browser(actor).get("/notices").status_code == 200
        assert browser(actor).get("/confirm").status_code == 200
    for path in ("/account", "/notices", "/confirm"):
        assert browser().get(path).status_code == 303


def test_language_and_time_are_kept_and_speak_at_once(bare_app, browser, cast):
    client = browser(cast.trainee)
    client.post("/account/preferences", data={"locale": "en", "xinjiang_time": "y"})
    page = client.get("/account").text
    assert 'lang="en"' in page
    assert "Xinjiang time)" in page
    account = stored(bare_app, cast.trainee)
    assert (account.locale, account.xinjiang_time) == ("en", True)
    assert client.post("/account/preferences", data={"locale": "tlh"}).status_code == 422


def test_a_new_password_signs_other_browsers_out_and_keeps_this_one(browser, cast):
    here, there = browser(cast.trainee), browser(cast.trainee)
    form = {"old": PASSWORD, "new": NEW, "again": NEW}
    assert here.post("/account/password", data=form).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    login = {"login": "siyuan@example.org"}
    assert browser().post("/sign-in", data={**login, "password": NEW}).status_code == 303
    assert browser().post("/sign-in", data={**login, "password": PASSWORD}).status_code == 422


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"old": "wrong", "new": NEW, "again": NEW}, "not your present password"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "at least 8 characters"),
        ({"old": PASSWORD, "new": NEW, "again": "other"}, "not the same"),
        ({}, "Enter your present password"),
    ],
)
def test_a_password_is_not_changed_for_this(bare_app, browser, cast, form, says):
    answer = browser(cast.trainee, lang="en").post("/account/password", data=form)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'id="errors"' in answer.text
    assert check_secret(stored(bare_app, cast.trainee).password_hash, PASSWORD)


def test_the_present_password_cannot_be_guessed_from_inside(browser, cast):
    client = browser(cast.trainee, lang="en")
    form = {"old": "wrong", "new": NEW, "again": NEW}
    for _try in range(8):
        assert "not your present" in client.post("/account/password", data=form).text
    assert "Too many tries" in client.post("/account/password", data={**form, "old": PASSWORD}).text


def test_a_pin_needs_the_password_and_six_good_digits(bare_app, browser, cast):
    client = browser(cast.trainee, lang="en")

    def put(pin, password=PASSWORD):
        return client.post("/account/pin", data={"pin": pin, "pin_password": password})

    assert "six digits" in put("12345").text
    assert "not a run" in put("123456").text
    assert "not your present password" in put("314159", "wrong").text
    assert check_secret(stored(bare_app, cast.trainee).pin_hash, PIN)
    assert put("314159").status_code == 303
    assert check_secret(stored(bare_app, cast.trainee).pin_hash, "314159")


def test_the_list_names_browsers_and_signs_one_out(browser, cast, bare_app):
    here, there = browser(cast.trainee, lang="en"), browser()
    phone = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126 Mobile MicroMessenger/8.0"
    there.post(
        "/sign-in",
        data={"login": "siyuan@example.org", "password": PASSWORD},
        headers={"User-Agent": phone},
        environ_base={"REMOTE_ADDR": "10.20.30.40"},
    )
    page = here.get("/account").text
    assert "WeChat · Android" in page
    assert "10.20.30.0" in page
    assert "10.20.30.40" not in page
    (path,) = re.findall(r'action="(/account/sessions/\w+/end)"', page)
    assert browser(cast.mentor).post(path).status_code == 404
    assert there.get("/account").status_code == 200
    assert here.post(path).status_code == 303
    assert there.get("/account").status_code == 303
    assert here.get("/account").status_code == 200


def test_sign_out_everywhere_ends_all(browser, cast):
    here, there, other = browser(cast.trainee), browser(cast.trainee), browser(cast.mentor)
    assert here.post("/account/sessions/end").headers["Clear-Site-Data"] == '"cache"'
    assert here.get("/account").status_code == 303
    assert there.get("/account").status_code == 303
    assert other.get("/account").status_code == 200


def test_use_of_a_session_is_noted_at_most_every_ten_minutes(bare_app, browser, cast, queries):
    client = browser(cast.trainee)

    def seen_at():
        with bare_app.app_context():
            return db.session.scalars(db.select(UserSession.seen_at)).one()

    first = seen_at()
    with clock.travelled(timedelta(minutes=9)), queries() as seen:
        client.get("/notices")
    assert seen_at() == first
    assert not any(statement.startswith("UPDATE") for statement in seen.statements)
    with clock.travelled(timedelta(minutes=11)):
        client.get("/notices")
    assert seen_at() >= first + timedelta(minutes=11)


def test_a_session_ends_after_thirty_days(browser, cast):
    client = browser(cast.trainee)
    with clock.travelled(rules.SESSION_LASTS + timedelta(seconds=5)):
        assert client.get("/account").status_code == 303


# Notices

TOLD = notices.Kind(code="tests.accounts", title="Told %(number)s", body="Body", label="Test notices")


def tell(app, actor, number, url=""):
    """Tell an account something."""
    with app.app_context(), transaction():
        return notices.notify(actor.account_id, TOLD, values={"number": number}, url=url, at=clock.now())


def test_notices_are_listed_newest_first_in_pages_and_only_to_their_reader(bare_app, browser, cast, queries):
    for number in range(25):
        tell(bare_app, cast.trainee, number)
    client = browser(cast.trainee, lang="en")
    with queries() as seen:
        page = client.get("/notices").text
    assert seen.count <= 12
    assert re.findall(r"<b>Told (\d+)</b>", page) == [str(n) for n in range(24, 4, -1)]
    (older,) = re.findall(r'href="(/notices\?before=\d+)"', page)
    assert re.findall(r"<b>Told (\d+)</b>", client.get(older).text) == ["4", "3", "2", "1", "0"]
    assert "Told" not in browser(cast.mentor).get("/notices").text
    assert client.get("/notices?before=x").status_code == 200


def test_opening_a_notice_marks_it_read_and_leads_to_its_matter(bare_app, browser, cast):
    notice = tell(bare_app, cast.trainee, 1, url="/logbook")
    tell(bare_app, cast.trainee, 2)
    other = browser(cast.mentor)
    assert other.post("/notices/read", data={"notice": notice, "go": "1"}).headers["Location"] == "/notices"
    client = browser(cast.trainee, lang="en")
    assert client.post("/notices/read", data={"notice": notice, "go": "1"}).headers["Location"] == "/logbook"
    page = client.get("/notices").text
    assert "<b>Told 1</b>" not in page
    assert "<b>Told 2</b>" in page
    client.post("/notices/read")
    assert "<b>Told 2</b>" not in client.get("/notices").text


def test_a_person_chooses_which_notices_come_by_mail(bare_app, browser, cast):
    client = browser(cast.trainee, lang="en")
    assert "Test notices" in client.get("/account").text
    client.post("/account/notices", data={})
    with bare_app.app_context():
        chosen = {
            one.kind.code: one for one in notices.preferences_of(cast.trainee.account_id, is_staff=False)
        }
        assert not chosen[TOLD.code].by_mail
    client.post("/account/notices", data={f"mail:{TOLD.code}": "on"})
    with bare_app.app_context():
        chosen = {
            one.kind.code: one for one in notices.preferences_of(cast.trainee.account_id, is_staff=False)
        }
        assert chosen[TOLD.code].by_mail


def test_the_person_is_told_by_mail_of_a_new_password_or_pin_whatever_they_prefer(
    bare_app, browser, cast, settings
):
    client = browser(cast.trainee, lang="en")
    client.post("/account/notices", data={})
    client.post("/account/password", data={"old": PASSWORD, "new": NEW, "again": NEW})
    client.post("/account/pin", data={"pin": "314159", "pin_password": NEW})
    page = client.get("/notices").text
    assert "Your password was changed" in page
    assert "A PIN or passkey was set" in page
    Worker(bare_app).drain()
    told = letters(settings)
    assert [to for to, _text in told] == ["siyuan@example.org"] * 2
    assert not any(NEW in text or "314159" in text for _to, text in told)


def test_the_address_book_knows_open_accounts_only(app, cast, at):
    found = queries.address_of(cast.trainee.account_id)
    assert found == notices.Address(email="siyuan@example.org", locale="zh_Hans", name="李思远")
    assert queries.address_of(cast.other_trainee.account_id).email == ""
    with transaction():
        services.disable_account(
            db.session.get_one(Account, cast.trainee.account_id), at=at, by=cast.administrator
        )
    assert queries.address_of(cast.trainee.account_id) is None
    assert queries.address_of(10_000) is None


def test_somebody_elses_session_does_not_exist(app, cast, at):
    with transaction():
        account = db.session.get_one(Account, cast.trainee.account_id)
        services.sign_in(account, at=at, user_agent="x", address="")
    row = db.session.scalars(db.select(UserSession)).one()
    with pytest.raises(NotFound):
        services.end_session(row.public_id, at=at, by=cast.mentor)


def test_nobody_waits_for_the_database_while_a_password_or_pin_is_hashed(
    bare_app, browser, cast, at, monkeypatch
):
    waited = []

    def slow(secret):
        with bare_app.app_context(), transaction():  # somebody else writes meanwhile
            db.session.execute(text("UPDATE account SET locale = locale"))
        waited.append(secret)
        return hash_secret(secret)

    monkeypatch.setattr(links, "hash_secret", slow)
    monkeypatch.setattr(presence, "hash_secret", slow)
    client = browser(cast.trainee)
    changed = {"old": PASSWORD, "new": NEW, "again": NEW}
    assert client.post("/account/pin", data={"pin": "314159", "pin_password": PASSWORD}).status_code == 303
    assert client.post("/account/password", data=changed).status_code == 303
    with bare_app.app_context(), transaction():
        account = db.session.get_one(Account, cast.mentor.account_id)
        token = services.make_link(account, "reset", at=at, by=None)
    form = {"password": NEW, "again": NEW}
    assert browser().post(f"/reset/{token}", data=form).headers["Location"] == "/"
    assert waited == ["314159", NEW, NEW]


def test_a_password_that_changed_meanwhile_permits_nothing(app, cast, at):
    with transaction():
        new = services.hash_new_pin(password=PASSWORD, pin="314159", at=at, by=cast.trainee)
        db.session.get_one(Account, cast.trainee.account_id).password_hash = hash_secret(NEW)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.set_pin(new, at=at, by=cast.trainee)
    assert refused.value.code == "password_wrong"


def test_who_reads_in_english_and_asks_for_xinjiang_time_goes_on_in_english(cast, browser):
    client = browser(cast.mentor, lang="en")
    page = client.get("/account").text
    chosen = re.search(r'<input[^>]*name="locale"[^>]*checked[^>]*>', page) or re.search(
        r'<input[^>]*checked[^>]*name="locale"[^>]*>', page
    )
    assert chosen
    assert 'value="en"' in chosen[0]


def test_a_trainee_is_not_asked_about_notices_for_staff(browser, cast):
    asked = {who: browser(who).get("/account").text for who in (cast.trainee, cast.mentor)}
    assert "mail:logbooks.entry_submitted" in asked[cast.mentor]
    assert "mail:logbooks.entry_submitted" not in asked[cast.trainee]
    assert "mail:logbooks.entry_returned" in asked[cast.trainee]
