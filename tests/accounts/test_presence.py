"""Fresh confirmation: PIN and passkey, five minutes, inside any form."""

import base64
import html
import json
import re
import threading
from datetime import timedelta

import pytest
from flask import render_template_string
from sqlalchemy import select

from lms.accounts import queries, rules, services
from lms.accounts.models import Account, Passkey, UserSession
from lms.core import clock
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import NeedsConfirmation
from lms.web.confirm import ConfirmingForm, confirmation, confirmed
from lms.web.guard import actor, members, reads_first
from tests.cast import PASSWORD, PIN
from tests.core.test_passkeys import Authenticator

SCRIPT = {"X-Requested-With": "lms"}


def device():
    """An authenticator at the address of the test site."""
    return Authenticator(origin="http://localhost", rp_id="localhost")


def test_a_right_pin_confirms_for_five_minutes_and_leads_on(browser, cast):
    client = browser(cast.mentor)
    answer = client.post("/confirm", data={"pin": PIN, "next": "/to-sign"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/to-sign")
    assert client.get("/confirm?next=/to-sign").headers["Location"] == "/to-sign"
    with clock.travelled(rules.CONFIRMATION_LASTS + timedelta(seconds=1)):
        assert client.get("/confirm?next=/to-sign").status_code == 200
    assert browser(cast.mentor).get("/confirm").status_code == 200


def test_only_own_pages_follow_a_confirmation(browser, cast):
    client = browser(cast.mentor)
    page = client.get("/confirm?next=//evil.example").text
    assert "evil" not in page.split('id="main"')[1]
    assert client.post("/confirm", data={"pin": PIN, "next": "//evil.example"}).headers["Location"] == "/"


def test_a_script_confirms_without_leaving_its_page(browser, cast):
    client = browser(cast.mentor, lang="en")
    wrong = client.post("/confirm", json={"pin": "000001"}, headers=SCRIPT)
    assert wrong.status_code == 422
    assert wrong.json["detail"] == "This PIN is not right."
    assert client.post("/confirm", json={}, headers=SCRIPT).status_code == 422
    assert client.post("/confirm", data={"pin": PIN}, headers=SCRIPT).status_code == 204
    assert client.post("/confirm", json={}, headers=SCRIPT).status_code == 204


def test_the_seventh_wrong_pin_waits(browser, cast):
    client = browser(cast.mentor, lang="en")
    for _try in range(6):
        assert "not right" in client.post("/confirm", data={"pin": "000001"}).text
    refused = client.post("/confirm", data={"pin": PIN})
    assert refused.status_code == 422
    assert "Too many tries" in refused.text
    assert client.get("/confirm").status_code == 200
    assert browser(cast.other_mentor).post("/confirm", data={"pin": PIN}).status_code == 303


def test_without_a_pin_one_is_led_to_set_it(bare_app, browser, cast):
    with bare_app.app_context(), transaction():
        db.session.get_one(Account, cast.mentor.account_id).pin_hash = None
    client = browser(cast.mentor, lang="en")
    assert "have not set a PIN" in client.post("/confirm", data={"pin": PIN}).text
    (way,) = re.findall(r'href="(/account/pin[^"]+)"', client.get("/confirm?next=/to-sign?page=2").text)
    page = client.get(html.unescape(way)).text
    (back,) = re.findall(r'name="next"[^>]* value="([^"]+)"', page)
    form = {"next": html.unescape(back), "pin": "314159", "pin_password": PASSWORD}
    refused = client.post("/account/pin", data={**form, "pin": "1"})
    assert refused.status_code == 422
    assert back in refused.text
    there = client.post("/account/pin", data=form).headers["Location"]
    assert client.post("/confirm", data={"pin": "314159", "next": there}).status_code == 303
    assert client.get(there).headers["Location"] == "/to-sign?page=2"
    outside = client.post("/account/pin", data={**form, "next": "//evil.example"})
    assert outside.headers["Location"].startswith("/account")


def test_a_passkey_alone_leads_to_a_pin_too_since_not_every_browser_has_passkeys(bare_app, browser, cast, at):
    with bare_app.app_context(), transaction():
        db.session.get_one(Account, cast.mentor.account_id).pin_hash = None
        db.session.add(
            Passkey(account_id=cast.mentor.account_id, credential_id=b"1", public_key=b"2", made_at=at)
        )
    assert 'href="/account/pin?next=/confirm"' in browser(cast.mentor, lang="en").get("/confirm").text


def test_the_confirmation_is_in_the_trail_without_the_pin(app, browser, cast):
    browser(cast.mentor).post("/confirm", data={"pin": PIN})
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.act == "accounts.session.confirm")).one()
    assert event.detail == {"how": "pin"}
    assert PIN not in repr(vars(event))


def test_the_service_level_question_holds_the_session_that_confirmed(app, cast, at):
    account = db.session.get_one(Account, cast.mentor.account_id)
    with transaction():
        tokens = [services.sign_in(account, at=at, user_agent="x", address="") for _number in range(2)]
    here, there = (queries.actor_of_token(token, at=at) for token in tokens)
    with pytest.raises(NeedsConfirmation):
        queries.confirmation(here, at=at)
    with transaction():
        services.confirm_by_pin(PIN, at=at, by=here)
    assert queries.confirmation(here, at=at) == "pin"
    assert queries.confirmation_state(here, at).until == at + timedelta(minutes=5)
    with pytest.raises(NeedsConfirmation):
        queries.confirmation(there, at=at)
    with pytest.raises(NeedsConfirmation):
        queries.confirmation(here, at=at + timedelta(minutes=5))
    with pytest.raises(NeedsConfirmation):
        queries.confirmation(cast.mentor, at=at)


# The PIN inside another feature's form


@pytest.fixture
def signing(bare_app):
    """A page of another feature whose act needs a confirmation; counts how often it was done."""
    done = []

    @bare_app.post("/act")
    @members
    @reads_first
    def act():
        at, form = clock.now(), ConfirmingForm.of_request()

        def sign():
            queries.confirmation(actor(), at=at)
            done.append(actor().name)

        if confirmed(form, at=at) and form.run(sign):
            return "", 204
        page = (
            "{% from '_macros/confirm.html' import confirm_field %}"
            "<form>{{ confirm_field(state, form) }}</form>"
        )
        return render_template_string(page, state=confirmation(at), form=form), form.status

    return done


def test_one_post_carries_the_act_and_the_pin(browser, cast, signing):
    client = browser(cast.mentor)
    assert client.post("/act", data={"pin": PIN}).status_code == 204
    assert client.post("/act", data={}).status_code == 204
    assert signing == ["王建国", "王建国"]
    with clock.travelled(timedelta(minutes=6)):
        assert client.post("/act", data={}).status_code == 422
    assert len(signing) == 2


def test_the_form_asks_for_the_pin_only_while_it_is_needed(browser, cast, signing):
    client = browser(cast.mentor, lang="en")
    refused = client.post("/act", data={"pin": "000001"})
    assert refused.status_code == 422
    assert "This PIN is not right." in refused.text
    assert 'name="pin"' in refused.text
    assert "000001" not in refused.text
    asked = client.post("/act", data={})
    assert "Confirm with your PIN or passkey." in asked.text
    assert signing == []


def test_a_burst_of_signatures_by_one_browser_all_count(bare_app, browser, cast, signing):
    client = browser(cast.mentor)
    client.post("/confirm", data={"pin": PIN})
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    answers = []

    def sign():
        mine = browser()
        with mine.session_transaction() as cookie:
            cookie["_user_id"] = token
        answers.append(mine.post("/act", data={"pin": PIN}).status_code)

    threads = [threading.Thread(target=sign) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [204] * 4


# Passkeys


def make_passkey(client, phone, password=PASSWORD, label="My phone"):
    """Register a passkey as the script of the page does."""
    asked = client.post("/account/passkeys/options", json={"password": password}, headers=SCRIPT)
    if asked.status_code != 200:
        return asked
    answer = phone.create(asked.json)
    return client.post("/account/passkeys", json={"label": label, "answer": answer}, headers=SCRIPT)


def test_a_passkey_is_made_with_the_password_and_confirms(bare_app, browser, cast):
    client, phone = browser(cast.mentor, lang="en"), device()
    refused = make_passkey(client, phone, password="wrong")
    assert (refused.status_code, refused.json["code"]) == (422, "password_wrong")
    assert make_passkey(client, phone).status_code == 201
    assert "My phone" in client.get("/account").text
    asked = client.post("/confirm/passkey/options", headers=SCRIPT).json
    answer = phone.get(asked)
    assert client.post("/confirm/passkey", json=answer, headers=SCRIPT).status_code == 204
    assert client.get("/confirm").status_code == 303
    with bare_app.app_context():
        assert db.session.scalars(select(UserSession)).one().confirmed_by == "passkey"
    again = client.post("/confirm/passkey", json=answer, headers=SCRIPT)
    assert (again.status_code, again.json["code"]) == (422, "passkey_late")


def test_a_refused_answer_uses_its_challenge_up(browser, cast):
    client, phone = browser(cast.mentor), device()
    make_passkey(client, phone)
    asked = client.post("/confirm/passkey/options", headers=SCRIPT).json
    answer = phone.get(asked)
    broken = json.loads(json.dumps(answer))
    signature = bytearray(base64.urlsafe_b64decode(answer["response"]["signature"] + "=="))
    signature[-1] ^= 1
    broken["response"]["signature"] = base64.urlsafe_b64encode(bytes(signature)).decode().rstrip("=")
    assert client.post("/confirm/passkey", json=broken, headers=SCRIPT).json["code"] == "passkey_invalid"
    assert client.post("/confirm/passkey", json=answer, headers=SCRIPT).json["code"] == "passkey_late"
    assert client.get("/confirm").status_code == 200


def test_a_challenge_is_for_one_purpose_one_session_and_three_minutes(browser, cast):
    client, other, phone = browser(cast.mentor), browser(cast.mentor), device()
    make_passkey(client, phone)
    asked = client.post("/account/passkeys/options", json={"password": PASSWORD}, headers=SCRIPT).json
    assert client.post("/confirm/passkey", json=phone.get(asked), headers=SCRIPT).status_code == 422
    asked = client.post("/confirm/passkey/options", headers=SCRIPT).json
    assert other.post("/confirm/passkey", json=phone.get(asked), headers=SCRIPT).status_code == 422
    with clock.travelled(timedelta(minutes=3)):
        assert client.post("/confirm/passkey", json=phone.get(asked), headers=SCRIPT).status_code == 422


def test_anothers_passkey_confirms_nobody(browser, cast):
    mentor, other, phone = browser(cast.mentor), browser(cast.other_mentor), device()
    make_passkey(mentor, phone)
    own = device()
    make_passkey(other, own)
    asked = other.post("/confirm/passkey/options", headers=SCRIPT).json
    assert (
        other.post("/confirm/passkey", json=phone.get(asked), headers=SCRIPT).json["code"]
        == "passkey_invalid"
    )


def test_a_copied_passkey_is_refused(bare_app, browser, cast):
    client, phone = browser(cast.mentor), device()
    make_passkey(client, phone)
    phone.count = 0
    asked = client.post("/confirm/passkey/options", headers=SCRIPT).json
    assert (
        client.post("/confirm/passkey", json=phone.get(asked), headers=SCRIPT).json["code"]
        == "passkey_copied"
    )


def test_a_passkey_is_removed_by_its_owner_only(bare_app, browser, cast):
    client, phone = browser(cast.mentor), device()
    make_passkey(client, phone)
    with bare_app.app_context():
        public_id = db.session.scalars(select(Passkey.public_id)).one()
    assert browser(cast.trainee).post(f"/account/passkeys/{public_id}/remove").status_code == 404
    assert client.post(f"/account/passkeys/{public_id}/remove").status_code == 303
    refused = client.post("/confirm/passkey/options", headers=SCRIPT)
    assert (refused.status_code, refused.json["code"]) == (422, "passkey_unset")


def test_the_same_passkey_is_not_kept_twice(browser, cast):
    client, phone = browser(cast.mentor), device()
    assert make_passkey(client, phone).status_code == 201
    assert make_passkey(client, phone).json["code"] == "passkey_known"


@pytest.mark.parametrize("body", [None, [], "x", {}, {"answer": "x"}, {"answer": {"id": 5}, "label": 7}])
def test_odd_answers_are_refused(browser, cast, body):
    client = browser(cast.mentor)
    client.post("/account/passkeys/options", json={"password": PASSWORD}, headers=SCRIPT)
    assert client.post("/account/passkeys", json=body, headers=SCRIPT).status_code == 422
    client.post("/confirm/passkey/options", headers=SCRIPT)
    assert client.post("/confirm/passkey", json=body, headers=SCRIPT).status_code == 422
