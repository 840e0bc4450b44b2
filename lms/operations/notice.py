"""What people see while the site stands still: a page at the site's own address that says what is done and what is to come."""

import base64
import hashlib
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from flask import Flask, json
from markupsafe import Markup
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from lms.core import i18n
from lms.core.errors import RuleBroken

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

AGAIN_S = 5
"""After so many seconds the page asks again by itself."""

STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:34em;margin:10vh auto;padding:0 16px;color:#17202a;background:#fff}"
    "ol{padding-left:1.4em}progress{width:100%;height:12px}small{color:#5a6570}"
    "@media(prefers-color-scheme:dark){body{color:#e6eaee;background:#14181d}small{color:#9aa5b1}}"
)


class Notice:
    """Answers every address with 503 and the same page, in the reader's language, until it is closed."""

    def __init__(self, app: Flask, bind: str, *, steps: tuple[str, ...]) -> None:
        self._app, self._steps = app, steps
        self._now = (steps[0], 0, 1)
        host, _colon, port = bind.rpartition(":")
        try:
            self._socket = socket.create_server((host or "127.0.0.1", int(port)))
        except OSError as problem:
            raise RuleBroken(
                "running", f"Something still answers at {bind}: stop the site first, or give --bind none."
            ) from problem
        self._server: BaseWSGIServer = make_server(
            host, int(port), self, threaded=True, request_handler=_Silent, fd=self._socket.fileno()
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="notice", daemon=True)

    def tell(self, step: str, done: int = 0, of: int = 1) -> None:
        """What is being done, and how much of it is done."""
        self._now = (step, done, of)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._socket.close()
        self._thread.join()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """A WSGI application of one answer."""
        request = Request(environ)
        step, done, of = self._now
        number = self._steps.index(step)
        share = (number + done / max(of, 1)) / len(self._steps)
        if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json" or (
            request.is_json
        ):
            body = {
                "type": "urn:firefly:upgrading", "status": 503, "code": "upgrading",
                "step": step, "done": done, "of": of, "share": round(share, 3),
            }  # fmt: skip
            answer = Response(json.dumps(body), mimetype="application/problem+json")
        else:
            chosen = request.cookies.get("lang", "")
            locale = (
                chosen
                if chosen in i18n.LOCALES
                else i18n.from_accept_language(request.headers.get("Accept-Language", ""))
            )
            with self._app.app_context(), i18n.speaking(locale):
                page = self._app.jinja_env.get_template("upgrading.html").render(
                    lang="en" if locale == "en" else "zh-Hans",
                    style=Markup(STYLE),  # noqa: S704 (a constant of this file)
                    number=number,
                    of=of,
                    done=done,
                    share=round(share * 100),
                    asks_again=request.method == "GET",
                    again_s=AGAIN_S,
                )
            answer = Response(page, mimetype="text/html")
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        answer.status_code = 503
        answer.headers.extend(
            {
                "Retry-After": str(AGAIN_S),
                "Cache-Control": "no-store",
                "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'",
                "X-Content-Type-Options": "nosniff",
            }
        )
        return answer(environ, start_response)


class _Silent(WSGIRequestHandler):
    """Who asked is nobody's business."""

    def log(self, kind: str, message: str, *args: object) -> None:
        """Say nothing."""
