"""Mail: the doorman of smtplib. A site without a mail server keeps its letters as files in ``<data folder>/mail``."""

import contextlib
import os
import re
import secrets
import smtplib
import ssl
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from lms.core import clock
from lms.settings import Settings

TIMEOUT_S = 20
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
"""The addresses of HTML's e-mail field: plain ASCII, nothing that could end a header or begin a second address."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class MailFailed(Exception):
    """A letter could not be handed over."""

    def __init__(self, why: str, *, for_good: bool = False, may_have_left: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        """Whether no further try can help: the address is refused, the letter is malformed."""
        self.may_have_left = may_have_left
        """Whether the server fell silent after it had the letter: another try might be a second letter."""


def send(
    to: str,
    subject: str,
    text: str,
    *,
    settings: Settings,
    at: datetime | None = None,
    message_id: str = "",
) -> None:
    """Hand one letter to the site's mail server, or keep it as a file where there is none.

    ``message_id``: a stable name of the letter, so that a server or reader recognises one that comes twice.
    Returns when the server has accepted it. Raises MailFailed.
    """
    letter = _letter(to, subject, text, settings=settings, at=at or clock.now(), message_id=message_id)
    if not settings.mail_url:
        _keep(letter, settings.data_dir / "mail", at=at or clock.now())
        return
    try:
        with _connected(settings.mail_url) as server:
            _hand_over(server, letter)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as problem:
        raise MailFailed(_in_words(problem), for_good=_is_permanent(problem)) from problem
    except (OSError, smtplib.SMTPException) as problem:  # no server, wrong password: tomorrow is another day
        raise MailFailed(_in_words(problem), for_good=False) from problem


def is_address(text: str) -> bool:
    """Whether ``text`` is one plain address that may stand in a header."""
    return bool(_ADDRESS.fullmatch(text))


def _letter(
    to: str, subject: str, text: str, *, settings: Settings, at: datetime, message_id: str
) -> EmailMessage:
    """The letter; whatever would begin a header of its own is refused."""
    if not is_address(to):
        raise MailFailed("not an address", for_good=True)
    if _CONTROL.search(subject) or _CONTROL.search(settings.mail_from) or _CONTROL.search(message_id):
        raise MailFailed("control character in a header", for_good=True)
    name, sender = parseaddr(settings.mail_from)
    if not is_address(sender):
        raise MailFailed("LMS_MAIL_FROM is not an address", for_good=False)
    domain = sender.rpartition("@")[2]
    letter = EmailMessage(policy=policy.SMTP)
    try:
        letter["From"] = formataddr((name, sender))
        letter["To"] = to
        letter["Subject"] = subject
        letter["Date"] = at
        letter["Message-ID"] = f"<{message_id or secrets.token_hex(16)}@{domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(text, charset="utf-8", cte="base64")
    except (ValueError, MessageError, UnicodeError) as problem:
        raise MailFailed(f"malformed letter: {problem}", for_good=True) from problem
    return letter


def greet(settings: Settings) -> None:
    """Ask the site's mail server whether it would take letters from us; none is sent. Raises MailFailed."""
    try:
        with _connected(settings.mail_url) as server:
            server.ehlo_or_helo_if_needed()
            server.noop()
    except (OSError, smtplib.SMTPException) as problem:
        raise MailFailed(_in_words(problem)) from problem


@contextlib.contextmanager
def _connected(url: str) -> Iterator[smtplib.SMTP]:
    """A server by ``smtp://`` (STARTTLS with ``?tls=1``) or ``smtps://``; a password never leaves without TLS."""
    parts = urlsplit(url)
    wants_tls = parse_qs(parts.query).get("tls", ["0"])[0] in {"1", "true", "yes"}
    host = parts.hostname or "localhost"
    context = ssl.create_default_context()
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=context)
    elif parts.scheme == "smtp":
        server = smtplib.SMTP(host, parts.port or (587 if wants_tls else 25), timeout=TIMEOUT_S)
    else:
        raise OSError("LMS_MAIL_URL must begin with smtp:// or smtps://")
    try:
        if parts.scheme == "smtp" and wants_tls:
            server.starttls(context=context)
        if parts.username:
            if parts.scheme == "smtp" and not wants_tls:
                raise OSError("LMS_MAIL_URL has a password but no TLS: add ?tls=1")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()  # the letter is theirs; how they say goodbye does not matter
    finally:
        server.close()


def _hand_over(server: smtplib.SMTP, letter: EmailMessage) -> None:
    """Step by step, so that it is known whether a failure came before or after the letter had left."""
    server.ehlo_or_helo_if_needed()
    sender, to = parseaddr(str(letter["From"]))[1], str(letter["To"])
    code, text = server.mail(sender)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, text, sender)
    code, text = server.rcpt(to)
    if code not in {250, 251}:
        raise smtplib.SMTPRecipientsRefused({to: (code, text)})
    try:
        code, text = server.data(letter.as_bytes())
    except smtplib.SMTPDataError:  # it did not even want to begin
        raise
    except OSError as problem:  # smtplib's own errors are some, too
        raise MailFailed(_in_words(problem), may_have_left=True) from problem
    if code != 250:
        raise smtplib.SMTPDataError(code, text)


def _keep(letter: EmailMessage, folder: Path, *, at: datetime) -> None:
    """One ``.eml`` file, whole as soon as its name is seen, readable by the owner only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}"
    path = folder / f".{name}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(letter.as_bytes())
    path.rename(folder / f"{name}.eml")


def _is_permanent(problem: smtplib.SMTPException) -> bool:
    """Whether the server said no for good (a code of 5xx), to every recipient."""
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _text in problem.recipients.values())
    return isinstance(problem, smtplib.SMTPResponseException) and problem.smtp_code >= 500


def _in_words(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:300]
