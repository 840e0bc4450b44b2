"""Notices: told once, in the reader's language, by the ways the person chose; a dead webhook holds up no letter."""

import email
import email.policy
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from lms.accounts.models import Account, Person
from lms.core import clock, jobs, notices, webhooks
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.i18n import lazy, speaking
from lms.core.notices import Address, Kind, Notice, NoticeDelivery, Webhook, delivery
from lms.settings import Settings

RETURNED = Kind(
    "tests.entry_returned",
    lazy("Entry returned: %(procedure)s"),
    lazy("Please look at %(procedure)s, 100%% of it."),
)
ASKED = Kind("tests.entry_asked", lazy("Somebody asks for your signature"), gathers=True)
SIGNED = Kind("tests.entry_signed", lazy("Entry signed"), by_mail=False, by_webhook=True)
SECURITY = Kind("tests.password_changed", lazy("Your password was changed"), must_mail=True)
SECRET = "a webhook secret for tests"


@pytest.fixture
def kinds_and_addresses(bare_app: Flask, monkeypatch: pytest.MonkeyPatch) -> dict[int, Address]:
    book: dict[int, Address] = {}
    monkeypatch.setattr(notices, "address_book", book.get)
    delivery.register_jobs()
    return book


@pytest.fixture
def reader(app: Flask, at: datetime, kinds_and_addresses: dict[int, Address]) -> int:
    number = new_account(at)
    kinds_and_addresses[number] = Address("li.fang@example.com", "en", "Li Fang")
    return number


def new_account(at: datetime) -> int:
    with transaction():
        person = Person(name_zh="李芳", created_at=at)
        account = Account(person=person, created_at=at)
        db.session.add(account)
        db.session.flush()
        return account.id


def tell(account_id: int, kind: Kind = RETURNED, **more: Any) -> str | None:
    values = {"procedure": "腰椎穿刺"} if kind is RETURNED else {}
    with transaction():
        return notices.notify(
            account_id, kind, **({"values": values, "url": "/logbook/abc", "at": clock.now()} | more)
        )


def work(app: Flask) -> int:
    return jobs.Worker(app).drain()


def deliveries() -> list[tuple[str, str]]:
    db.session.rollback()
    rows = db.session.scalars(select(NoticeDelivery).order_by(NoticeDelivery.id))
    return [(row.target.partition(":")[0], row.state) for row in rows]


def letters(settings: Settings) -> list[Any]:
    folder = settings.data_dir / "mail"
    if not folder.exists():
        return []
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.iterdir())
    ]


# ---------------------------------------------------------------- the page


def test_a_notice_is_on_the_page_at_once_in_the_readers_language(reader: int) -> None:
    tell(reader)
    (notice,) = notices.page_of(reader).notices
    with speaking("en"):
        assert notice.title == "Entry returned: 腰椎穿刺"
        assert notice.body == "Please look at 腰椎穿刺, 100% of it."
    assert notices.unread_count(reader) == 1


def test_reading_marks_only_ones_own(app: Flask, reader: int, at: datetime) -> None:
    other = new_account(at)
    mine, theirs = tell(reader), tell(other)
    assert mine
    assert theirs
    with transaction():
        assert notices.mark_read(reader, public_ids=[theirs], at=at) == 0
        assert notices.mark_read(reader, public_ids=[mine], at=at) == 1
    assert (notices.unread_count(reader), notices.unread_count(other)) == (0, 1)
    tell(reader)
    tell(reader)
    with transaction():
        assert notices.mark_read(reader, at=at) == 2


def test_pages_go_back_from_the_newest(reader: int) -> None:
    told = [tell(reader, values={"procedure": str(number)}) for number in range(5)]
    first = notices.page_of(reader, size=2)
    second = notices.page_of(reader, size=2, before=first.older)
    third = notices.page_of(reader, size=2, before=second.older)
    seen = [notice.public_id for page in (first, second, third) for notice in page.notices]
    assert seen == told[::-1]
    assert third.older is None
    assert notices.page_of(reader, unread_only=True).older is None


def test_the_same_fact_is_told_once(reader: int, at: datetime) -> None:
    assert tell(reader, once="entry:7:returned:1")
    assert tell(reader, once="entry:7:returned:1") is None
    assert tell(reader, once="entry:7:returned:2")
    other = new_account(at)
    assert tell(other, once="entry:7:returned:1")
    assert notices.unread_count(reader) == 2


def test_a_notice_goes_with_its_act(app: Flask, reader: int) -> None:
    def act() -> None:
        with transaction():
            notices.notify(reader, RETURNED, values={"procedure": "x"}, at=clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()
    assert notices.unread_count(reader) == 0
    assert deliveries() == []


def test_a_wrong_call_is_found_by_its_programmer(reader: int) -> None:
    with pytest.raises(KeyError):
        tell(reader, values={})
    with pytest.raises(TypeError):
        tell(reader, values={"procedure": object()})
    for url in ("https://evil.example.org", "//evil.example.org", "logbook"):
        with pytest.raises(ValueError, match="path"):
            tell(reader, url=url)
    with pytest.raises(ValueError, match="two kinds"):
        Kind(RETURNED.code, "again")


def test_a_notice_of_a_feature_that_is_gone_still_shows(reader: int) -> None:
    with transaction():
        db.session.add(Notice(account_id=reader, kind="gone.kind", made_at=clock.now()))
    (notice,) = notices.page_of(reader).notices
    assert (notice.title, notice.body) == ("gone.kind", "")


# ---------------------------------------------------------------- letters


def test_a_letter_is_sent_once_in_the_readers_language(app: Flask, reader: int, settings: Settings) -> None:
    tell(reader)
    assert work(app) == 1
    assert work(app) == 0
    (letter,) = letters(settings)
    assert letter["To"] == "li.fang@example.com"
    assert letter["Subject"] == "Entry returned: 腰椎穿刺"
    body = letter.get_content()
    assert "Hello Li Fang," in body
    assert "http://localhost/logbook/abc" in body
    assert deliveries() == [("mail", "sent")]


def test_a_person_chooses_and_safety_cannot_be_chosen_away(
    app: Flask, reader: int, settings: Settings
) -> None:
    with transaction():
        for kind in (RETURNED, SECURITY):
            notices.prefer(reader, kind, by_mail=False, by_webhook=False)
        notices.prefer(reader, SIGNED, by_mail=True, by_webhook=False)
    chosen = {
        one.kind.code: (one.by_mail, one.by_webhook) for one in notices.preferences_of(reader, is_staff=True)
    }
    assert chosen[RETURNED.code] == (False, False)
    assert chosen[SIGNED.code] == (True, False)
    assert chosen[SECURITY.code] == (True, False)
    for kind in (RETURNED, SIGNED, SECURITY):
        tell(reader, kind)
    work(app)
    assert {letter["Subject"] for letter in letters(settings)} == {
        "Entry signed",
        "Your password was changed",
    }
    assert notices.unread_count(reader) == 3


def test_nobody_there_means_no_letter(
    app: Flask, reader: int, at: datetime, settings: Settings, kinds_and_addresses: dict[int, Address]
) -> None:
    kinds_and_addresses[reader] = Address("", "en")
    tell(reader)
    tell(new_account(at))  # closed: not in the book
    work(app)
    assert deliveries() == [("mail", "skipped")] * 2
    assert letters(settings) == []


def test_an_address_that_cannot_be_is_given_up_at_once(
    app: Flask, reader: int, kinds_and_addresses: dict[int, Address]
) -> None:
    kinds_and_addresses[reader] = Address("li fang", "en")
    tell(reader)
    work(app)
    assert deliveries() == [("mail", "failed")]


def test_a_letter_whose_fate_is_unknown_is_not_sent_again(
    app: Flask, reader: int, settings: Settings
) -> None:
    tell(reader)
    with transaction():  # what a kill -9 between sending and noting it leaves behind
        db.session.execute(
            NoticeDelivery.__table__.update().values(sending_at=clock.now(), attempts=1, lease_token=1)
        )  # type: ignore[attr-defined]
    work(app)
    assert deliveries() == [("mail", "unknown")]
    assert letters(settings) == []


def test_what_is_too_old_stays_on_the_page_only(app: Flask, reader: int, settings: Settings) -> None:
    tell(reader, at=clock.now() - timedelta(days=4))
    work(app)
    assert deliveries() == [("mail", "failed")]
    assert letters(settings) == []
    assert notices.unread_count(reader) == 1


# ---------------------------------------------------------------- webhooks


class Receiver:
    """Another system, listening on this machine."""

    def __init__(self) -> None:
        self.status, self.answer = 200, b'{"errcode": 0}'
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://169.254.169.254/")
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def hook(url: str, **more: Any) -> int:
    with transaction():
        return notices.add_webhook(
            url, at=clock.now(), **({"secret": SECRET, "private_allowed": True} | more)
        ).id


def rested(hook_id: int) -> None:
    """Let the webhook and its deliveries be tried again now."""
    with transaction():
        db.session.execute(Webhook.__table__.update().where(Webhook.id == hook_id).values(rests_until=None))  # type: ignore[attr-defined]
        db.session.execute(NoticeDelivery.__table__.update().values(retry_at=None))  # type: ignore[attr-defined]


def test_a_webhook_is_signed_so_that_the_receiver_can_check_it(
    app: Flask, reader: int, receiver: Receiver
) -> None:
    hook(receiver.url)
    notice = tell(reader, SIGNED)
    assert notice
    work(app)
    assert deliveries() == [("webhook", "sent")]
    ((path, headers, body),) = receiver.got
    assert path == "/hook?key=1"
    told = json.loads(body)
    assert told["kind"] == SIGNED.code
    assert told["url"] == "http://localhost/logbook/abc"
    moment, mac = (part.split("=")[1] for part in headers["X-Firefly-Signature"].split(","))
    assert hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest() == mac
    assert abs(int(moment) - clock.now().timestamp()) < 30
    assert headers["X-Firefly-Delivery"] == told["id"]


def test_a_persons_own_webhook_hears_of_that_person_only(
    app: Flask, reader: int, at: datetime, receiver: Receiver
) -> None:
    other = new_account(at)
    hook(receiver.url, account_id=other)
    tell(reader, SIGNED)
    tell(reader, RETURNED)
    assert [target for target, _state in deliveries()] == ["mail"]
    hook(receiver.url, account_id=reader)
    with transaction():
        notices.prefer(reader, RETURNED, by_mail=False, by_webhook=True)
        notices.prefer(reader, SIGNED, by_mail=False, by_webhook=False)
    tell(reader, RETURNED)
    tell(reader, SIGNED)
    assert [target for target, _state in deliveries()] == ["mail", "webhook"]


def test_the_group_robots_get_a_text_message(app: Flask, reader: int, receiver: Receiver) -> None:
    hook(receiver.url, shape="wecom", secret="")
    hook(receiver.url, shape="dingtalk", secret="SECabc")
    tell(reader, SIGNED)
    work(app)
    assert deliveries() == [("webhook", "sent")] * 2
    for path, headers, body in receiver.got:
        told = json.loads(body)
        assert told["msgtype"] == "text"
        assert "Entry signed" in told["text"]["content"]
        assert "X-Firefly-Signature" not in headers
        assert ("timestamp" in path) == ("sign" in path)
    query = parse_qs(urlsplit(receiver.got[1][0]).query)
    assert set(query) == {"key", "timestamp", "sign"}


def test_the_signature_of_dingtalk_is_the_one_of_its_manual() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    url = webhooks.dingtalk_url("https://oapi.dingtalk.com/robot/send?access_token=x", "SECabc", at=at)
    moment = int(at.timestamp() * 1000)
    import base64
    import urllib.parse

    mac = hmac.new(b"SECabc", f"{moment}\nSECabc".encode(), digestmod=hashlib.sha256).digest()
    assert url.endswith(f"&timestamp={moment}&sign={urllib.parse.quote_plus(base64.b64encode(mac))}")


@pytest.mark.parametrize("answer", [b'{"errcode": 310000, "errmsg": "sign not match"}', b"<html>", b"[]"])
def test_an_error_inside_a_200_is_an_error(
    app: Flask, reader: int, receiver: Receiver, answer: bytes
) -> None:
    receiver.answer = answer
    hook(receiver.url, shape="wecom")
    tell(reader, SIGNED)
    work(app)
    assert deliveries() == [("webhook", "due")]


def test_a_failed_webhook_rests_and_is_tried_again(app: Flask, reader: int, receiver: Receiver) -> None:
    number = hook(receiver.url)
    with transaction():  # so often already that it rests for longer than the slowest machine takes
        db.session.get_one(Webhook, number).failures = 9
    receiver.status = 503
    tell(reader, SIGNED)
    tell(reader, SIGNED)
    assert work(app) == 1  # the second one does not even knock
    assert deliveries() == [("webhook", "due")] * 2
    assert work(app) == 0
    rested(number)
    receiver.status = 204
    receiver.answer = b""
    assert work(app) == 2
    assert deliveries() == [("webhook", "sent")] * 2
    healed = db.session.get_one(Webhook, number, populate_existing=True)
    assert (healed.failures, healed.rests_until) == (0, None)


def test_a_dead_webhook_holds_up_no_letter(app: Flask, reader: int, settings: Settings) -> None:
    hook("http://127.0.0.1:9/")
    with transaction():
        notices.prefer(reader, SIGNED, by_mail=True, by_webhook=True)
    for _number in range(4):
        tell(reader, SIGNED)
    work(app)
    assert sorted(deliveries()) == [("mail", "sent")] * 4 + [("webhook", "due")] * 4
    assert len(letters(settings)) == 4


def test_a_redirect_is_not_followed(app: Flask, reader: int, receiver: Receiver) -> None:
    hook(receiver.url)
    receiver.status = 302
    tell(reader, SIGNED)
    work(app)
    assert deliveries() == [("webhook", "due")]
    failure = db.session.scalars(select(NoticeDelivery.failure)).one()
    assert failure
    assert "302" in failure


def test_a_webhook_into_the_machine_itself_is_given_up_unless_allowed(
    app: Flask, reader: int, receiver: Receiver
) -> None:
    hook(receiver.url, private_allowed=False)
    tell(reader, SIGNED)
    work(app)
    assert deliveries() == [("webhook", "failed")]
    assert receiver.got == []


def test_a_webhook_that_was_switched_off_stays_silent(app: Flask, reader: int, receiver: Receiver) -> None:
    number = hook(receiver.url)
    tell(reader, SIGNED)
    with transaction():
        db.session.get_one(Webhook, number).disabled_at = clock.now()
    assert work(app) == 0
    tell(reader, SIGNED)
    assert len(deliveries()) == 1
    assert receiver.got == []


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("172.16.0.1", False, True),
        ("fd12::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("fe80::1%eth0", False, False),
        ("100.100.100.200", False, False),
        ("fd00:ec2::254", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("::ffff:127.0.0.1", False, True),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("::ffff:8.8.8.8", True, True),
    ],
)
def test_where_a_webhook_may_lead(address: str, public: bool, private: bool) -> None:
    assert webhooks.may_reach(address, private_allowed=False) is public
    assert webhooks.may_reach(address, private_allowed=True) is private


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org",
        "file:///etc/passwd",
        "//example.org",
        "https://",
        "https://u:p@example.org",
        "https://example.org/ x",
        "http://exa\nmple.org",
        "gopher://x",
        "https://[::1",
        "http://x:99999/",
    ],
)
def test_what_is_no_web_address_is_no_webhook(app: Flask, at: datetime, url: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        notices.add_webhook(url, secret=SECRET, at=at)
    assert refused.value.code == "webhook_url"


def test_our_own_shape_needs_a_secret(app: Flask, at: datetime) -> None:
    with pytest.raises(RuleBroken) as refused:
        notices.add_webhook("https://example.org", secret="short", at=at)
    assert refused.value.code == "webhook_secret"


def test_two_telling_the_same_fact_at_once_tell_it_once(bare_app: Flask, at: datetime) -> None:
    with bare_app.app_context():
        reader = new_account(at)
    gate = threading.Barrier(4)
    told: list[bool] = []

    def act(run: Callable[[], Notice | None]) -> None:
        with bare_app.app_context():
            gate.wait()
            told.append(run() is not None)

    threads = [
        threading.Thread(target=act, args=(lambda: tell(reader, SIGNED, once="x"),)) for _number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False, False, False, True]


# ---------------------------------------------------------------- heaps


def test_a_letter_that_nobody_has_read_speaks_for_those_that_follow(app, reader, settings, at):
    """A phone that comes back with sixty entries makes sixty notices and one letter."""
    for number in range(3):
        tell(reader, ASKED, values={}, at=at + timedelta(minutes=number))
    assert notices.unread_count(reader) == 3
    assert deliveries() == [("mail", "due")]
    assert work(app) == 1
    (letter,) = letters(settings)
    assert "without a letter" in letter.get_content()
    tell(reader, ASKED, values={}, at=at + timedelta(minutes=9))
    assert len(deliveries()) == 1, "sent, and not read yet"
    tell(reader, RETURNED, at=at + timedelta(minutes=10))
    assert len(deliveries()) == 2, "another kind"


@pytest.mark.parametrize("what", ["read", "later", "given up"])
def test_after_that_the_next_one_gets_a_letter_again(app, reader, at, what):
    tell(reader, ASKED, values={}, at=at)
    with transaction():
        if what == "read":
            notices.mark_read(reader, at=at)
        if what == "given up":
            db.session.execute(update(NoticeDelivery).values(state="failed"))
    tell(reader, ASKED, values={}, at=at + timedelta(minutes=61 if what == "later" else 1))
    assert [target for target, _state in deliveries()] == ["mail", "mail"]
