"""Letters: to a real server on this machine, or into the folder; never with a header that somebody smuggled in."""

import contextlib
import dataclasses
import email
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from lms.core import mail
from lms.core.mail import MailFailed
from lms.settings import Settings

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class PostOffice:
    """A mail server that says what it is told to say, and keeps what it gets."""

    def __init__(self, **replies: str) -> None:
        self.replies = {
            "MAIL": "250 ok",
            "RCPT": "250 ok",
            "DATA": "354 go on",
            ".": "250 kept",
            "QUIT": "221 bye",
        } | replies
        self.letters: list[bytes] = []
        self.commands: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self.socket.accept()
                with connection, connection.makefile("rwb") as stream:
                    self.talk(stream)

    def talk(self, stream) -> None:
        def say(line: str) -> bool:
            if line == "hang up":
                return False
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            return True

        say("220 here")
        while line := stream.readline().decode().strip():
            command = line.split()[0].upper()
            self.commands.append(line)
            if command in {"EHLO", "HELO"}:
                say("250 here")
                continue
            if not say(self.replies.get(command, "502 what")) or command == "QUIT":
                return
            if command == "DATA" and self.replies["DATA"].startswith("354"):
                letter = b""
                while not letter.endswith(b"\r\n.\r\n"):
                    letter += stream.readline()
                self.letters.append(letter)
                if not say(self.replies["."]):
                    return

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def office() -> Iterator[Callable[..., PostOffice]]:
    opened: list[PostOffice] = []

    def make(**replies: str) -> PostOffice:
        opened.append(PostOffice(**replies))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def with_url(settings: Settings, url: str) -> Settings:
    return dataclasses.replace(settings, mail_url=url, mail_from="萤火 <lms@example.org>")


def send(
    settings: Settings,
    to: str = "li.fang@example.com",
    subject: str = "您的证书已签发",
    text: str = "您好，\n\n.\n再见",
) -> None:
    mail.send(to, subject, text, settings=settings, at=AT, message_id="notice.abc.1")


def test_without_a_server_letters_are_kept_as_files_for_the_owner_only(settings: Settings) -> None:
    send(settings)
    (path,) = (settings.data_dir / "mail").iterdir()
    assert path.suffix == ".eml"
    assert path.stat().st_mode & 0o777 == 0o600
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert letter["Subject"] == "您的证书已签发"
    assert letter["To"] == "li.fang@example.com"
    assert letter["Message-ID"] == "<notice.abc.1@localhost>"
    assert letter["Date"].datetime == AT
    assert letter.get_content().replace("\r", "").rstrip("\n") == "您好，\n\n.\n再见"


def test_a_server_gets_the_letter_whole(settings: Settings, office: Callable[..., PostOffice]) -> None:
    server = office()
    send(with_url(settings, f"smtp://127.0.0.1:{server.port}"))
    (raw,) = server.letters
    letter = email.message_from_bytes(raw, policy=email.policy.default)
    assert letter["From"] == "萤火 <lms@example.org>"
    assert letter.get_content().replace("\r", "").startswith("您好，\n\n.\n再见")
    assert "mail FROM:<lms@example.org>" in server.commands
    assert "rcpt TO:<li.fang@example.com>" in server.commands


def test_how_the_server_says_goodbye_does_not_matter(
    settings: Settings, office: Callable[..., PostOffice]
) -> None:
    server = office(QUIT="hang up")
    send(with_url(settings, f"smtp://127.0.0.1:{server.port}"))
    assert len(server.letters) == 1


@pytest.mark.parametrize(
    ("replies", "for_good", "may_have_left"),
    [
        ({"RCPT": "550 nobody"}, True, False),
        ({"RCPT": "450 later"}, False, False),
        ({"MAIL": "451 later"}, False, False),
        ({"DATA": "554 no"}, True, False),
        ({".": "552 too big"}, True, False),
        ({".": "451 later"}, False, False),
        ({"RCPT": "hang up"}, False, False),
        ({".": "hang up"}, False, True),
    ],
)
def test_a_failure_says_whether_to_try_again(
    settings: Settings,
    office: Callable[..., PostOffice],
    replies: dict[str, str],
    for_good: bool,
    may_have_left: bool,
) -> None:
    server = office(**replies)
    with pytest.raises(MailFailed) as failed:
        send(with_url(settings, f"smtp://127.0.0.1:{server.port}"))
    assert (failed.value.for_good, failed.value.may_have_left) == (for_good, may_have_left)


def test_no_server_there_is_worth_another_try(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MailFailed) as failed:
        send(with_url(settings, f"smtp://127.0.0.1:{port}"))
    assert not failed.value.for_good


def test_a_password_never_leaves_without_encryption(
    settings: Settings, office: Callable[..., PostOffice]
) -> None:
    server = office()
    with pytest.raises(MailFailed, match="no TLS"):
        send(with_url(settings, f"smtp://lms:secret@127.0.0.1:{server.port}"))
    assert not any("AUTH" in command for command in server.commands)
    with pytest.raises(MailFailed):  # the server has no STARTTLS
        send(with_url(settings, f"smtp://lms:secret@127.0.0.1:{server.port}?tls=1"))
    assert not any("AUTH" in command for command in server.commands)
    assert not server.letters


def test_another_kind_of_address_of_the_server_is_refused(settings: Settings) -> None:
    with pytest.raises(MailFailed, match="smtp://"):
        send(with_url(settings, "http://127.0.0.1:1"))


@pytest.mark.parametrize(
    "to",
    [
        "a@b.c\r\nBcc: all@example.com",
        "a@b.c\n",
        "a@b.c, d@e.f",
        "a@b.c;d@e.f",
        "<a@b.c>",
        "Li <a@b.c>",
        "",
        "a",
        "a@",
        "@b",
        "a b@c.d",
        "李@example.com",
        "a@b.c\u2028",
    ],
)
def test_what_is_not_one_plain_address_gets_no_letter(settings: Settings, to: str) -> None:
    with pytest.raises(MailFailed) as failed:
        send(settings, to=to)
    assert failed.value.for_good
    assert not (settings.data_dir / "mail").exists()


@pytest.mark.parametrize("subject", ["x\r\nBcc: a@b.c", "x\ny", "x\x00", "x\u2028y", "x\x85y"])
def test_a_subject_cannot_begin_a_header(settings: Settings, subject: str) -> None:
    with pytest.raises(MailFailed) as failed:
        send(settings, subject=subject)
    assert failed.value.for_good


def test_a_lonely_surrogate_is_no_letter(settings: Settings) -> None:
    with pytest.raises(MailFailed):
        send(settings, text="x\ud800")
