"""Webhooks: telling another system by a signed POST, without being led astray into networks that are nobody's business."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlsplit

from lms.core.errors import RuleBroken
from lms.core.i18n import _

SHAPES = ("firefly", "wecom", "dingtalk")
"""``firefly``: our own JSON, signed; ``wecom`` and ``dingtalk``: a text message of their group robots."""

WEBHOOK_TIMEOUT_S = 5.0
ANSWER_LIMIT = 64 * 1024
ROBOT_LIMIT_BYTES = 2048
"""The longest text that WeCom's robots take; DingTalk's take more."""
SIGNATURE = "X-Firefly-Signature"


class WebhookFailed(Exception):
    """The other system did not take it."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


def check_url(url: str) -> None:
    """Raise RuleBroken("webhook_url") unless ``url`` is a plain http(s) address without a password in it."""
    try:
        parts = urlsplit(url)
        fine = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.username is None
            and parts.password is None
            and parts.port != 0
            and len(url) <= 500
            and url.isascii()
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        fine = False
    if not fine:
        raise RuleBroken(
            "webhook_url",
            _("A webhook address begins with https:// or http:// and holds no password."),
            field="url",
        )


def shown_url(url: str) -> str:
    """An address without what may open its door: the keys of robots stand in the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?…' if parts.query else ''}"


def signature(secret: str, body: bytes, *, at: datetime) -> str:
    """The header ``X-Firefly-Signature``: ``t=<seconds>,v1=<HMAC-SHA256 of "t.body">``.

    The receiver computes the same, compares in constant time, and refuses a ``t`` more than five minutes old.
    """
    moment = int(at.timestamp())
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


@dataclass(frozen=True)
class Message:
    """What is told."""

    id: str
    """The same for every try; by it the receiver knows what it has already."""
    kind: str
    made_at: datetime
    title: str
    body: str
    url: str
    values: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Title, body and address, for people."""
        return "\n".join(part for part in (self.title, self.body, self.url) if part)

    @property
    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "id": self.id,
            "kind": self.kind,
            "made_at": self.made_at.isoformat(),
            "title": self.title,
            "body": self.body,
            "url": self.url,
            "values": dict(self.values),
        }


def post(message: Message, *, url: str, secret: str, shape: str, private_allowed: bool, at: datetime) -> None:
    """Tell it, in one try. Raises WebhookFailed."""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Firefly-LMS"}
    if shape == "firefly":
        body = json.dumps(message.document, ensure_ascii=False).encode()
        headers[SIGNATURE] = signature(secret, body, at=at)
        headers["X-Firefly-Delivery"] = message.id
    else:
        content = message.text.encode()[:ROBOT_LIMIT_BYTES].decode(errors="ignore")
        body = json.dumps({"msgtype": "text", "text": {"content": content}}, ensure_ascii=False).encode()
        if shape == "dingtalk" and secret:
            url = dingtalk_url(url, secret, at=at)
    status, answer = _send(url, body, headers, private_allowed=private_allowed)
    if not 200 <= status < 300:
        raise WebhookFailed(f"answered {status}")
    if shape != "firefly":
        _refuse_robot_error(answer)


def dingtalk_url(url: str, secret: str, *, at: datetime) -> str:
    """DingTalk's signed robots: base64 of HMAC-SHA256 over "milliseconds newline secret", in the query."""
    moment = round(at.timestamp() * 1000)
    mac = hmac.new(secret.encode(), f"{moment}\n{secret}".encode(), hashlib.sha256).digest()
    return f"{url}{'&' if '?' in url else '?'}timestamp={moment}&sign={quote_plus(base64.b64encode(mac))}"


def _refuse_robot_error(answer: bytes) -> None:
    """WeCom and DingTalk answer 200 with an error code inside."""
    try:
        code = json.loads(answer).get("errcode", 0)
    except (ValueError, AttributeError) as problem:
        raise WebhookFailed("answered no JSON") from problem
    if code != 0:
        raise WebhookFailed(f"answered errcode {code}")


def _send(url: str, body: bytes, headers: Mapping[str, str], *, private_allowed: bool) -> tuple[int, bytes]:
    """POST to the address that was checked, and to no other: no second look-up, no redirect, no proxy."""
    try:
        check_url(url)
    except RuleBroken as problem:
        raise WebhookFailed("not an address", for_good=True) from problem
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(host, port, timeout=WEBHOOK_TIMEOUT_S)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=WEBHOOK_TIMEOUT_S)
    try:
        with contextlib.closing(connection), _time_limit(connection):
            address = _safe_address(host, port, private_allowed=private_allowed)
            connection.sock = socket.create_connection((address, port), WEBHOOK_TIMEOUT_S)
            if secure:
                connection.sock = ssl.create_default_context().wrap_socket(
                    connection.sock, server_hostname=host
                )
            connection.request("POST", target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_LIMIT)
    except (OSError, http.client.HTTPException) as problem:
        raise WebhookFailed(f"{type(problem).__name__}: {problem}"[:300]) from problem


@contextlib.contextmanager
def _time_limit(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Hang up on a server that answers byte by byte."""

    def hang_up() -> None:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(3 * WEBHOOK_TIMEOUT_S, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _safe_address(host: str, port: int, *, private_allowed: bool) -> str:
    """An address of ``host`` that a webhook may reach; every one of its addresses must be allowed."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not may_reach(address, private_allowed=private_allowed):
            raise WebhookFailed(f"{host} leads to {address}, which a webhook may not reach", for_good=True)
    return addresses[0]


_CLOUD_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)
"""Where clouds tell a machine its secrets, besides the link-local 169.254.169.254."""


def may_reach(address: str, *, private_allowed: bool) -> bool:
    """Whether a webhook may lead to this IP address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return may_reach(str(inner), private_allowed=private_allowed)
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return may_reach(str(ipaddress.ip_address(int(ip) & 0xFFFFFFFF)), private_allowed=private_allowed)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _CLOUD_METADATA:
        return False
    return ip.is_global or (private_allowed and (ip.is_private or ip.is_loopback))
