"""The browsers of the measurement: keep-alive connections over loopback that ask as Chromium asks."""

import gzip
import html
import http.client
import itertools
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

HEADER = "X-Queries"
"""The measured server says here how many statements the answer cost."""

_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
_numbers = itertools.count(1)


class Unexpected(Exception):
    """The product answered something that cannot be measured."""


@dataclass(frozen=True)
class Reply:
    """One answer and what it cost."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    """As received."""
    queries: int
    wall_s: float
    size_bytes: int
    """Status line, headers and body as received, without our own header."""

    @property
    def text(self) -> str:
        """The page."""
        packed = self.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode("utf-8")

    @property
    def json(self) -> Any:
        """The document."""
        return json.loads(self.text)

    def expect(self, *statuses: int) -> "Reply":
        """Itself, if it is one of these. Raises Unexpected."""
        if self.status not in statuses:
            raise Unexpected(f"{self.method} {self.path}: {self.status}\n{self.text[:2000]}")
        return self


def attribute(page: str, name: str) -> str:
    """A data attribute of a page. Raises Unexpected where it has none."""
    found = re.search(rf'data-{name}="([^"]*)"', page)
    if found is None:
        raise Unexpected(f"the page has no data-{name}")
    return html.unescape(found[1])


def choices(page: str) -> dict[int, list[str]]:
    """Slot → what may be chosen, on an exam paper of single choices."""
    found: dict[int, list[str]] = {}
    for slot, choice in re.findall(r'name="slot-(\d+)"[^>]*value="([^"]+)"', page):
        found.setdefault(int(slot), []).append(choice)
    if not found:
        raise Unexpected("the exam paper shows no options")
    return found


class Browser:
    """One person's browser, behind a network address of its own."""

    def __init__(self, port: int, cookies: Mapping[str, str] | None = None) -> None:
        number = next(_numbers)
        self.address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.cookies = dict(cookies or {})
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, *, accept: str = "text/html", span: str = "") -> Reply:
        """Go to a page, or ask for a span of a file (``bytes=0-99``)."""
        return self._ask("GET", path, None, {"Accept": accept} | ({"Range": span} if span else {}))

    def post(
        self, path: str, fields: Iterable[tuple[str, str]], *, script: bool = False, **headers: str
    ) -> Reply:
        """Send a form; ``script``: as our outbox sends it."""
        given = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        if script:
            given |= {"X-Requested-With": "lms", "Accept": "application/json, text/html;q=0.5"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", path, urlencode(list(fields)).encode(), given)

    def send(self, path: str, document: object) -> Reply:
        """Send JSON, as our scripts do."""
        body = json.dumps(document, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/html;q=0.5"}
        return self._ask("POST", path, body, headers | {"X-Requested-With": "lms"})

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def through(self, connection: http.client.HTTPConnection) -> Self:
        """Ask through a connection that others use too, as behind a proxy."""
        self._connection = connection
        return self

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        headers |= {
            "User-Agent": _AGENT,
            "Accept-Encoding": "gzip, deflate",
            "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
            "Sec-Fetch-Site": "same-origin",
            "X-Forwarded-For": self.address,
        }
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            return self._once(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()  # it had rested longer than the server keeps one
            return self._once(method, path, body, headers)

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        received = answer.read()
        wall_s = time.perf_counter() - began
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _equals, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        kept = {name: value for name, value in answer.getheaders() if name != HEADER}
        lines = [f"{name}: {value}" for name, value in answer.getheaders() if name != HEADER]
        head = "\r\n".join([f"HTTP/1.1 {answer.status} {answer.reason}", *lines, "", ""])
        return Reply(
            method,
            path,
            answer.status,
            kept,
            received,
            int(answer.headers.get(HEADER, "0")),
            wall_s,
            len(head.encode("latin-1")) + len(received),
        )
