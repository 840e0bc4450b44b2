"""A line between a browser and a site that can be cut, slowed down, and made to lose one reply.

A proxy of our own, because it covers everything a browser sends (its service worker too), and because it can do what
networks do and browsers cannot pretend: the request arrives, the answer does not.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

CHUNK = 16 * 1024


async def _turns(times: int) -> None:
    for _turn in range(times):
        await asyncio.sleep(0)


@dataclass(eq=False)
class _Wire:
    """One connection through the line."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    loses_reply: bool = False

    def tear(self) -> None:
        """End both halves at once, as a lost network does: with a reset, not with a goodbye."""
        self.near.transport.abort()
        self.far.transport.abort()


@dataclass
class Link:
    """A line to ``127.0.0.1:target``; browsers use ``url``. Use as a context manager."""

    target: int
    port: int = 0
    bytes_down: int = 0
    """Bytes the browser has received through the line, headers included."""
    _wires: set[_Wire] = field(default_factory=set)
    _is_cut: bool = False
    _rtt_s: float = 0
    _bytes_per_s: float = 0
    _downlink_free_at: float = 0
    _lost: bytes = b""
    _losses: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where a browser finds the site through this line (localhost: a secure context, as service workers want)."""
        return f"http://localhost:{self.port}"

    # ---------------------------------------------------------------- what a test does with the line

    def cut(self) -> None:
        """No network: open connections break, new ones are refused."""

        async def act() -> None:
            self._is_cut = True
            for wire in list(self._wires):
                wire.tear()

        self._do(act())

    def mend(self) -> None:
        """The network is back, at full speed and without losses."""

        async def act() -> None:
            self._is_cut, self._rtt_s, self._bytes_per_s, self._lost, self._losses = False, 0, 0, b"", 0

        self._do(act())

    def slow(self, *, rtt_ms: int, kbit_s: int = 0) -> None:
        """A far network: round-trip time, and a downlink that all connections share (0: no limit)."""

        async def act() -> None:
            self._rtt_s, self._bytes_per_s = rtt_ms / 1000, kbit_s * 1000 / 8

        self._do(act())

    def lose_reply_to(self, request: str, *, times: int = 1) -> None:
        """The next requests that begin with ``request`` (``POST /logbook``) reach the site; their answers are lost.

        Chromium by itself sends a request again whose connection broke, while it has used that connection before: only after
        several losses does the page's own script hear of one.
        """

        async def act() -> None:
            self._lost, self._losses = request.encode(), times

        self._do(act())

    # ---------------------------------------------------------------- the machinery

    def __enter__(self) -> "Link":
        ready = threading.Event()

        async def open_door() -> None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(open_door())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True, name="link")
        self._thread.start()
        assert ready.wait(5), "the line does not open"
        return self

    def __exit__(self, *_problem: object) -> None:
        async def end() -> None:
            assert self._server
            for door in self._server.sockets:
                self._loop.remove_reader(door.fileno())
            await _turns(
                10
            )  # who was let in at the last moment is thrown out: a closed server would forget them
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await _turns(5)  # what was torn is closed in the loop's next turn

        self.cut()
        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        assert self._thread
        self._thread.join(5)
        self._loop.close()

    def _do(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(5)

    async def _connect(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if self._is_cut:
            near.transport.abort()
            return
        try:
            await asyncio.sleep(self._rtt_s)  # the handshake, which loopback hides
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, asyncio.CancelledError):
            near.transport.abort()
            return
        wire = _Wire(near, far)
        self._wires.add(wire)
        try:
            await asyncio.gather(self._carry_up(near_reader, wire), self._carry_down(far_reader, wire))
        except asyncio.CancelledError:
            pass  # the line is being closed
        finally:
            self._wires.discard(wire)
            wire.tear()

    async def _carry_up(self, reader: asyncio.StreamReader, wire: _Wire) -> None:
        async def look(data: bytes) -> float:
            if self._lost and data.startswith(self._lost):
                wire.loses_reply = True
                self._losses -= 1
                if not self._losses:
                    self._lost = b""
            return time.monotonic() + self._rtt_s / 2

        await self._carry(reader, wire.far, look)

    async def _carry_down(self, reader: asyncio.StreamReader, wire: _Wire) -> None:
        async def look(data: bytes) -> float:
            if wire.loses_reply:
                wire.tear()
                raise ConnectionResetError
            self.bytes_down += len(data)
            now = time.monotonic()
            if not self._bytes_per_s:
                return now + self._rtt_s / 2
            self._downlink_free_at = max(self._downlink_free_at, now) + len(data) / self._bytes_per_s
            return self._downlink_free_at + self._rtt_s / 2

        await self._carry(reader, wire.near, look)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        look: Callable[[bytes], Awaitable[float]],
    ) -> None:
        """Carries bytes one way; ``look`` says when each piece arrives."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                arrives_at, data = await waiting.get()
                if not data:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                    return
                await asyncio.sleep(max(0, arrives_at - time.monotonic()))
                writer.write(data)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while data := await reader.read(1460 if self._bytes_per_s else CHUNK):
                waiting.put_nowait((await look(data), data))
        except OSError:
            delivery.cancel()
        waiting.put_nowait((0, b""))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await delivery
