"""The candidates of a drill: they sign in, start, answer and hand in by the browser's own protocol, and never trust a reply."""

import heapq
import http
import http.client
import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from lms.bench.client import Browser, Reply, Unexpected, attribute, choices
from lms.core import ids
from lms.drill.site import PASSWORD, Site

HEARTBEAT_S = 30.0
"""A page that rests says this often that it is there."""
PATIENCE_S = 60.0
"""So long nothing gets through to a server that is there, and the candidate calls somebody: that is an error."""
MOST_OPS = 500
RETRY_S = (0.4, 1.2)
"""A refused or lost request is sent again after a time between these."""


CASE_STEPS = 2 + 2 * 4
"""What is said about cases: chosen, confirmed, and of each of the two chosen ones two asks, answered and locked."""


class ReplyLost(OSError):
    """The server may have done it, but its reply did not arrive."""


@dataclass
class Tally:
    """What all candidates saw, added up."""

    walls: dict[str, list[float]] = field(default_factory=dict)
    """Kind of act → seconds from the moment it was due until it was done, where the first try did it."""
    asked: dict[str, int] = field(default_factory=dict)
    """Kind of act → requests that the server got for it."""
    dropped: int = 0
    """Replies that were lost on the way."""
    unreached: int = 0
    """Requests that met no server, one that died, or one that asked to come later: they were sent again."""
    back_at: float = 0.0
    """When the server last came back from a kill (on the monotonic clock)."""
    errors: list[str] = field(default_factory=list)
    """What a candidate would have seen as an error."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, kind: str) -> None:
        """One more request of this kind reached the server."""
        with self._lock:
            self.asked[kind] = self.asked.get(kind, 0) + 1

    def drop(self) -> None:
        """One more reply was lost."""
        with self._lock:
            self.dropped += 1

    def miss(self) -> None:
        """One more request did not get through."""
        with self._lock:
            self.unreached += 1

    def done(self, kind: str, wall_s: float) -> None:
        """One more act was done at the first try."""
        with self._lock:
            self.walls.setdefault(kind, []).append(wall_s)

    def forget(self) -> None:
        """Begin to measure anew; errors stay."""
        with self._lock:
            self.walls, self.asked = {}, {}

    def fail(self, words: str) -> None:
        """One more thing that nobody should see."""
        with self._lock:
            self.errors.append(words)


class _Shaky(Browser):
    """A browser on a network that loses a share of the replies: half are cut while under way, half arrive and are ignored."""

    def __init__(self, port: int, *, drop: float, chance: random.Random, tally: Tally) -> None:
        super().__init__(port)
        self._drop, self._chance, self._tally = drop, chance, tally
        self.kind = ""

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        lost = self._chance.random() < self._drop
        if lost and self._chance.random() < 0.5:
            self._connection.request(method, path, body, headers)
            self._tally.ask(self.kind)
            self._tally.drop()
            self._connection.close()
            raise ReplyLost
        kept = dict(self.cookies)
        reply = super()._once(method, path, body, headers)
        self._tally.ask(self.kind)
        if lost:
            self.cookies = kept
            self._tally.drop()
            raise ReplyLost
        return reply


class Candidate:
    """One person at one device. What was acknowledged stays written down here, to be asked about afterwards."""

    def __init__(self, site: Site, login: str, port: int, *, drop: float, seed: int, tally: Tally) -> None:
        self.login, self.device = login, ids.public_id()
        self.made: dict[int, tuple[int | None, dict[str, object]]] = {}
        """Number → slot and answer, as sent."""
        self.acked = 0
        self.is_over = False
        """Whether the server has said that it was handed in."""
        self.is_stuck = False
        """Whether something unexpected ended this candidate's drill."""
        self.path = ""
        self._test, self._tally = site.test, tally
        self._chance = random.Random(seed)  # noqa: S311 (a rehearsal)
        self._browser = _Shaky(port, drop=drop, chance=self._chance, tally=tally)
        self._uuid = ids.token()
        self._epoch = 0
        self._options: dict[int, list[str]] = {}
        self._following: dict[int, int | None] = {}
        """Slot of an ask of a case → the ask that its lock opens."""
        self._cases: tuple[int, int, list[int]] = (0, 0, [])
        """Number of the choice, how many cases are chosen, and the first slots of all."""

    def through(self, connection: http.client.HTTPConnection) -> None:
        """Use this connection for what comes next."""
        self._browser.through(connection)

    # Acts: generators that say when they want to go on (on the monotonic clock).

    def enter(self, due: float) -> Iterator[float]:
        """Sign in."""
        yield from self._until("sign-in", due, self._sign_in)

    def start(self, due: float) -> Iterator[float]:
        """Begin, and get the paper."""
        yield from self._until("start", due, self._start)

    def answer(self, due: float, *, every_s: float, over: threading.Event) -> Iterator[float]:
        """Answer each question, one after the other; from then on change some until it is ``over``."""
        slots = self._chance.sample(sorted(self._options), len(self._options))
        for number in itertools.count():
            if number >= len(slots) and over.is_set():
                return
            slot = slots[number] if number < len(slots) else self._chance.choice(slots)
            while due - time.monotonic() > HEARTBEAT_S:
                yield from self._until("heartbeat", time.monotonic() + HEARTBEAT_S, self._send)
            yield due
            if number >= len(slots) and over.is_set():
                return
            self._write(slot, {"choice": self._chance.choice(self._options[slot])})
            yield from self._until("save", due, self._send)
            due = max(due + every_s * self._chance.uniform(0.5, 1.5), time.monotonic())

    def work_cases(self, due: float, *, every_s: float) -> Iterator[float]:
        """Choose cases and confirm; then answer what the page shows of them, and lock each ask before the next one is sent."""
        number, take, firsts = self._cases
        chosen = sorted(self._chance.sample(firsts, take))
        for act in ("choose", "lock"):
            due = yield from self._say(number, {act: chosen}, due, every_s)
        yield from self._until("paper", time.monotonic(), self._read)
        for first in chosen:
            slot: int | None = first
            while slot is not None:
                ticked = sorted(self._chance.sample(self._options[slot], 2))
                due = yield from self._say(slot, {"choices": ticked}, due, every_s)
                due = yield from self._say(slot, {"lock": True}, due, every_s)
                slot = self._following[slot]
                if slot is not None:
                    yield from self._until("ask", time.monotonic(), partial(self._open, slot))

    def _say(
        self, slot: int, body: dict[str, object], due: float, every_s: float
    ) -> Generator[float, None, float]:
        """One operation of a case, when it is due; when the next one is."""
        yield due
        self._write(slot, body)
        yield from self._until("case", due, self._send)
        return max(due + every_s * self._chance.uniform(0.5, 1.5), time.monotonic())

    def hand_in(self, due: float) -> Iterator[float]:
        """Hand in."""
        yield due
        self._write(None, {"submit": True})
        yield from self._until("submit", due, self._send)

    def _until(self, kind: str, due: float, act: Callable[[], None]) -> Iterator[float]:
        """Do it when it is due, again and again until the server has said yes."""
        yield due
        for tries in itertools.count():
            self._browser.kind = kind
            try:
                act()
            except ReplyLost:
                pass
            except (_Later, OSError, http.client.HTTPException):
                self._tally.miss()
                self._browser.close()
            else:
                if not tries:
                    self._tally.done(kind, time.monotonic() - due)
                return
            if time.monotonic() - max(due, self._tally.back_at) > PATIENCE_S:
                raise Unexpected(f"{kind}: nothing got through for {PATIENCE_S:.0f} s")
            yield time.monotonic() + self._chance.uniform(*RETRY_S)

    def _sign_in(self) -> None:
        fields = [("login", self.login), ("password", PASSWORD)]
        _come(self._browser.post("/sign-in", fields)).expect(303)

    def _start(self) -> None:
        reply = _come(self._browser.post(f"/tests/{self._test}/start", [("client_uuid", self._uuid)]))
        self.path = reply.expect(303).headers["Location"]
        self._browser.kind = "paper"
        self._read()

    def _read(self) -> None:
        """The whole paper, as it stands; asks of cases that are not chosen or not open yet are in no byte of it."""
        page = _come(self._browser.get(self.path)).expect(200).text
        self._epoch, self._options = int(attribute(page, "epoch")), choices(page)
        self._note(page)
        if choice := re.search(r'data-slot="(\d+)" data-kind="cases" data-limit="(\d+)"', page):
            number, take = map(int, choice.groups())
            self._cases = (
                number,
                take,
                [int(one) for one in re.findall(rf'name="choose-{number}" value="(\d+)"', page)],
            )

    def _open(self, slot: int) -> None:
        """The ask that a lock has opened, as a piece of the page."""
        piece = _come(self._browser.get(f"{self.path}/slots/{slot}")).expect(200).text
        self._options |= choices(piece)
        self._note(piece)

    def _note(self, page: str) -> None:
        for slot, following in re.findall(
            r'data-slot="(\d+)" data-kind="multiple"[^>]* data-next="(\d*)"', page
        ):
            self._following[int(slot)] = int(following) if following else None

    def _write(self, slot: int | None, body: dict[str, object]) -> None:
        self.made[len(self.made) + 1] = (slot, body)

    def _send(self) -> None:
        """Everything that is not acknowledged yet, as the outbox sends it; nothing, too, is said: I am here."""
        ops = [
            {"device": self.device, "seq": seq, "slot": slot, "body": body, "mono_ms": seq * 1000}
            for seq in range(self.acked + 1, min(len(self.made), self.acked + MOST_OPS) + 1)
            for slot, body in [self.made[seq]]
        ]
        document = {"epoch": self._epoch, "device": self.device, "ops": ops}
        said = _come(self._browser.send(f"{self.path}/ops", document)).expect(200).json
        if said["rejected"]:
            raise Unexpected(f"an answer was refused: {said['rejected'][:3]}")
        if not self.acked <= said["acked"] <= len(self.made):
            raise Unexpected(f"acknowledged {said['acked']} of {len(self.made)} after {self.acked}")
        self.acked = said["acked"]
        self.is_over = self.is_over or said["state"] in {"submitted", "auto_submitted"}
        if ops and self.acked < len(self.made):
            raise _Later


class _Later(Exception):
    """The server asks to come again."""


def _come(reply: Reply) -> Reply:
    """A reply, unless it says to come again later."""
    if reply.status == http.HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in reply.headers:
        raise _Later
    return reply


class Player(Protocol):
    """Somebody who acts in a drill."""

    login: str
    is_stuck: bool

    def through(self, connection: http.client.HTTPConnection) -> None:
        """Use this connection for what comes next."""


@dataclass(order=True)
class _Turn:
    due: float
    number: int
    candidate: Player = field(compare=False)
    act: Iterator[float] = field(compare=False)


def play(acts: Iterable[tuple[Player, Iterator[float]]], *, port: int, threads: int, tally: Tally) -> None:
    """Let each act go on whenever it is due, until all are through; requests share ``threads`` connections, as behind a proxy.

    An act that meets something unexpected ends there, and is an error.
    """
    turns = [_Turn(0.0, number, candidate, act) for number, (candidate, act) in enumerate(acts)]
    heapq.heapify(turns)
    running, changed = len(turns), threading.Condition()

    def work() -> None:
        nonlocal running
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        while True:
            with changed:
                while running and not (turns and turns[0].due <= time.monotonic()):
                    changed.wait(min(1.0, max(0.0, turns[0].due - time.monotonic())) if turns else None)
                if not running:
                    connection.close()
                    return
                turn = heapq.heappop(turns)
            turn.candidate.through(connection)
            due: float | None = None
            try:
                due = next(turn.act)
            except StopIteration:
                pass
            except Exception as problem:  # noqa: BLE001 (counted, whatever it is)
                connection.close()
                turn.candidate.is_stuck = True
                tally.fail(f"{turn.candidate.login}: {problem}"[:300])
            with changed:
                if due is None:
                    running -= 1
                    changed.notify_all()
                else:
                    heapq.heappush(turns, _Turn(due, turn.number, turn.candidate, turn.act))
                    if turns[0].number == turn.number:
                        changed.notify()

    workers = [threading.Thread(target=work, daemon=True) for _thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
