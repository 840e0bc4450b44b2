"""The line of the browser tests (tests/browser/link.py) leaves nothing behind that would fail the test after it."""

import contextlib
import gc
import socket
import threading
import warnings

from tests.browser.link import Link


def test_who_comes_while_the_line_closes_is_not_forgotten(monkeypatch):
    forgotten = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: forgotten.append(str(found.exc_value)))
    with socket.create_server(("127.0.0.1", 0)) as site, warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for _time in range(60):
            came, now = [], threading.Event()
            with Link(site.getsockname()[1]) as link:
                port = link.port

                def knock(port=port, came=came, now=now):
                    now.wait()
                    with contextlib.suppress(OSError):  # it was closed
                        came.extend(socket.create_connection(("127.0.0.1", port), 1) for _one in range(3))

                visitor = threading.Thread(target=knock)
                visitor.start()
                now.set()
            visitor.join()
            for one in came:
                one.close()
            gc.collect()
    assert not forgotten
