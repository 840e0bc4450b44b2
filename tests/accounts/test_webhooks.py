"""The administrator's page of webhooks: added, tried, switched off, removed; names leave the site by none of them."""

import json
import re

import pytest
from sqlalchemy import func, select

from lms.accounts.rules import trail
from lms.core import notices
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.core.notices import NoticeDelivery, Webhook
from lms.logbooks import services as logbooks
from tests.core.test_notices import Receiver

SECRET = "sixteen letters and more"


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def added(client, receiver, **more):
    form = {"url": receiver.url, "shape": "firefly", "secret": SECRET, "private_allowed": "y"} | more
    return client.post("/webhooks", data=form)


def paths(client, act):
    return re.findall(rf'action="(/webhooks/\w+/{act})"', client.get("/webhooks").text)


def told(cast, at):
    with transaction():
        notices.notify(
            cast.mentor.account_id,
            logbooks.SUBMITTED,
            values={"trainee": "李思远", "item": "腰椎穿刺", "day": "2026-03-01"},
            url="/logbook/abc",
            at=at,
        )


def test_a_webhook_is_added_and_hears_what_happens_without_any_name(app, browser, cast, at, receiver):
    client = browser(cast.administrator, lang="en")
    assert "No other system is told" in client.get("/webhooks").text
    assert added(client, receiver).status_code == 303
    told(cast, at)
    Worker(app).drain()
    ((_path, _headers, body),) = receiver.got
    assert json.loads(body)["kind"] == "logbooks.entry_submitted"
    assert json.loads(body)["values"] == {}
    for word in ("李思远", "腰椎穿刺", "2026-03-01", "王建国"):
        assert word not in body.decode()
    page = client.get("/webhooks").text
    assert "arrived" in page
    assert "A trainee asks for your signature" in page
    assert SECRET not in page
    assert "key=1" not in page


def test_a_test_message_says_at_once_whether_it_arrived(app, browser, cast, receiver):
    client = browser(cast.administrator, lang="en")
    added(client, receiver, shape="wecom", secret="")
    (path,) = paths(client, "test")
    assert client.post(path).status_code == 303
    assert "has taken the test message" in client.get("/webhooks").text
    receiver.status = 500
    client.post(path)
    assert "did not arrive: answered 500" in client.get("/webhooks").text
    for _ in range(9):
        client.post(path)
    assert len(receiver.got) == 10
    assert "Too many tries" in client.get("/webhooks").text


def test_a_webhook_is_switched_off_and_on_and_removed_with_what_it_sent(app, browser, cast, at, receiver):
    client = browser(cast.administrator, lang="en")
    added(client, receiver)
    told(cast, at)
    Worker(app).drain()
    client.post(paths(client, "off")[0])
    told(cast, at)
    Worker(app).drain()
    assert len(receiver.got) == 1
    client.post(paths(client, "on")[0])
    told(cast, at)
    client.post(paths(client, "remove")[0])
    Worker(app).drain()
    assert len(receiver.got) == 1
    assert db.session.scalar(select(func.count()).select_from(Webhook)) == 0
    hooked = NoticeDelivery.webhook_id.is_not(None)
    assert db.session.scalar(select(func.count()).select_from(NoticeDelivery).where(hooked)) == 0
    acts = set(db.session.scalars(select(AuditEvent.act).where(AuditEvent.act.startswith("core.webhook"))))
    assert acts == {f"core.webhook.{act}" for act in ("add", "disable", "enable", "remove")}
    assert acts <= set(trail.ACTS)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"url": "ftp://example.org"}, "url"), ({"secret": "short"}, "secret"), ({"url": ""}, "url")],
)
def test_a_refused_webhook_keeps_what_was_typed_and_names_the_field(
    app, browser, cast, receiver, change, field
):
    answer = added(browser(cast.administrator, lang="en"), receiver, **change)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert "checked" in re.search(r"<input[^>]*private_allowed[^>]*>", answer.text)[0]


def test_a_second_click_adds_no_second_webhook(app, browser, cast, receiver):
    client = browser(cast.administrator, lang="en")
    assert [added(client, receiver).status_code for _click in range(2)] == [303, 422]


def test_only_administrators_find_the_page_and_its_cost_does_not_grow(
    app, browser, cast, at, receiver, queries
):
    for name, who in cast.everyone().items():
        expected = 200 if name == "administrator" else 404
        assert browser(who).get("/webhooks").status_code == expected, name
        if name != "administrator":
            assert browser(who).post("/webhooks", data={}).status_code == 404
    client = browser(cast.administrator)
    for number in range(4):
        added(client, receiver, url=f"{receiver.url}{number}")
        told(cast, at)
    client.get("/webhooks")
    with queries() as seen:
        client.get("/webhooks")
    assert seen.count <= 5
    assert client.post("/webhooks/AAAAAAAAAAAA/off").status_code == 404
    assert client.post("/webhooks/AAAAAAAAAAAA/dance").status_code == 404
