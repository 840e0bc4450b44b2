"""``lms drill site``: a mixed day at a hospital, played against the real server on a temporary site (docs/drill.md).

Everybody is at work at once, one request each few seconds on average: trainees read, watch and log, mentors sign, the
administrator looks at the board, strangers verify certificates.
"""

import http.client
import itertools
import json
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lms import demo
from lms.app import create_app
from lms.bench.client import Browser, Reply, Unexpected, attribute
from lms.bench.figures import quantile, yardstick_ms
from lms.bench.processes import working
from lms.bench.site import PASSWORD, PIN, Site, build, filmed
from lms.core import clock, ids
from lms.drill import machine
from lms.drill.candidates import Player, Tally, play
from lms.drill.server import Serving
from lms.drill.site import place
from lms.serving import fitting_processes

CONNECTIONS = 32
"""Kept open to the server, as by a proxy."""
EVERY_S = 5.0
"""Seconds between two requests of a person, on average."""
WARMING_S = 20.0
"""The server has just started; what its first pages cost is told apart, for a site that runs has had them."""
WALK = 13
"""Steps of a trainee's walk."""
RANGE = "bytes=0-262143"
MOST_USERS = 5_000
CONFIRMED_S = 240.0
"""A mentor types the PIN again after so long: it counts for five minutes."""
TARGET_P95_MS = 300.0


@dataclass(frozen=True)
class Plan:
    """What is played."""

    users: int
    minutes: float

    @property
    def problem(self) -> str:
        """Why nobody can play this; empty: one can."""
        if not 3 <= self.users <= MOST_USERS:
            return f"between 3 and {MOST_USERS} trainees"
        return "" if 0 < self.minutes <= 240 else "more than 0 and at most 240 minutes"


class _Person:
    """Somebody at work: signs in, then asks for one thing after the other."""

    def __init__(self, login: str, port: int, *, seed: int, tally: Tally) -> None:
        self.login, self.is_stuck = login, False
        self.browser = Browser(port)
        self.tally = tally
        self.chance = random.Random(seed)  # noqa: S311 (a rehearsal)

    def through(self, connection: http.client.HTTPConnection) -> None:
        """Use this connection for what comes next."""
        self.browser.through(connection)

    def enter(self, due: float) -> Iterator[float]:
        """Sign in, and get the stylesheet."""
        yield due
        fields = [("login", self.login), ("password", PASSWORD)]
        self.browser.post("/sign-in", fields).expect(303)
        self.browser.get("/account").expect(200)

    def day(self, due: float, over_at: float) -> Iterator[float]:
        """One thing after the other until the day is over."""
        acts = self.acts()
        while due < over_at:
            yield due
            kind, act = next(acts)
            act()
            self.tally.ask(kind)
            self.tally.done(kind, time.monotonic() - due)
            due = max(due + EVERY_S * self.chance.uniform(0.4, 1.6), time.monotonic())

    def acts(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """What they do, for ever."""
        raise NotImplementedError

    def page(self, path: str) -> Reply:
        """Go to a page that is there."""
        return self.browser.get(path).expect(200)


class _Trainee(_Person):
    """Reads, watches, logs."""

    def __init__(self, login: str, port: int, *, site: Site, seed: int, tally: Tally) -> None:
        super().__init__(login, port, seed=seed, tally=tally)
        self.site = site
        self.open: tuple[str, str, str] | None = None
        """The lecture at hand: its id, the address of its film, and what its player reports under."""

    def acts(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """One walk after the other. Everybody is somewhere in theirs when the day begins: it is mixed from its first minute."""
        self.open = None
        yield from self._walk(1)[self.chance.randrange(WALK) :]
        for number in itertools.count(2):
            yield from self._walk(number)

    def _walk(self, number: int) -> list[tuple[str, Callable[[], Reply]]]:
        """Mostly a lecture with its reports and its film, now and then everything else."""
        return [
            ("home", lambda: self.page("/")),
            ("course", lambda: self.page(f"/learn/{self.site.course}")),
            ("lecture", self._lecture),
            *[
                step
                for second in range(1, 4)
                for step in (("media", self._media), ("beat", partial(self._beat, second)))
            ],
            ("logbook", lambda: self.page("/logbook")),
            *([("log entry", self._log)] if number % 2 else []),
            ("tests", lambda: self.page("/tests")),
            ("progress", lambda: self.page("/progress")),
        ]

    def _lecture(self) -> Reply:
        lecture = self.chance.choice(self.site.lectures)
        reply = self.page(f"/lectures/{lecture}")
        self.open = lecture, attribute(reply.text, "hls"), attribute(reply.text, "session")
        return reply

    def _media(self) -> Reply:
        """A piece of the film as a player fetches it."""
        if self.open is None:
            return self._lecture()
        _lecture, playlist, _session = self.open
        text = self.browser.get(playlist, accept="*/*").expect(200).text
        folder = playlist.rpartition("/")[0]
        first = next(line for line in text.splitlines() if line and not line.startswith("#"))
        media = f"{folder}/{first}"
        pieces = self.browser.get(media, accept="*/*").expect(200).text
        piece = re.findall(r'^(?!#)(\S+)$|URI="([^"]+)"', pieces, re.MULTILINE)[-1]
        name = next(filter(None, piece))
        return self.browser.get(f"{media.rpartition('/')[0]}/{name}", accept="*/*", span=RANGE).expect(206)

    def _beat(self, second: int) -> Reply:
        if self.open is None:
            return self._lecture()
        lecture, _playlist, session = self.open
        report = {
            "session": session,
            "seq": second,
            "intervals": [[0, second]],
            "position": second,
            "rate": 1,
        }
        return self.browser.send(f"/lectures/{lecture}/beats", report).expect(200)

    def _log(self) -> Reply:
        key = ids.token()
        fields = [
            ("item", self.chance.choice(self.site.items)),
            ("operator_role", "S_TU"),
            ("age_band", "1-6d"),
            ("performed_on", clock.today(clock.now()).isoformat()),
            ("note", "面罩通气 30 秒后心率上升。"),
            ("client_uuid", key),
        ]
        return self.browser.post("/logbook/new", fields, script=True, X_Client_Id=key).expect(201)


class _Mentor(_Person):
    """Reads the inbox and signs what is there, one entry at a time."""

    confirmed_at = float("-inf")

    def acts(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """Inbox, a signature, the trainees."""
        while True:
            yield "inbox", lambda: self.page("/to-sign")
            yield "sign entry", self._sign
            yield "trainees", lambda: self.page("/trainees")

    def _sign(self) -> Reply:
        if time.monotonic() - self.confirmed_at > CONFIRMED_S:
            self.browser.post("/confirm", [("pin", PIN)], script=True).expect(204)
            self.confirmed_at = time.monotonic()
        inbox = self.page("/to-sign")
        found = re.search(
            r'action="(/to-sign/\w+/sign)".*?name="revision" value="(\d+)"', inbox.text, re.DOTALL
        )
        if found is None:
            return inbox
        fields = [("revision", found[2]), ("level", "4"), ("words", "")]
        return self.browser.post(found[1], fields).expect(303)


class _Administrator(_Person):
    """Looks after the cohort."""

    def __init__(self, login: str, port: int, *, site: Site, seed: int, tally: Tally) -> None:
        super().__init__(login, port, seed=seed, tally=tally)
        self.site = site

    def acts(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """Roll, matrix, people, operation."""
        while True:
            yield "roll", lambda: self.page(f"/cohorts/{self.site.cohort}")
            yield "matrix", lambda: self.page(f"/certificates/cohorts/{self.site.cohort}?state=open")
            yield "people", lambda: self.page("/people")
            yield "operation", lambda: self.page("/operation")


class _Stranger(_Person):
    """Asks about a certificate without signing in."""

    def enter(self, due: float) -> Iterator[float]:
        """No door."""
        yield due

    def acts(self) -> Iterator[tuple[str, Callable[[], Reply]]]:
        """A number that nobody was given."""
        while True:
            yield "verify", lambda: self.browser.get("/verify/FFLY-2026-000000-0").expect(200, 404)


def _say(words: str) -> None:
    print(f"drill: {words}", file=sys.stderr, flush=True)


def main(plan: Plan, *, database_url: str = "", beside: Path | None = None) -> int:
    """Play the day and print the line; 0 when nobody met an error and the pages came in time, else 1; 2 for a plan without sense."""
    if plan.problem:
        print(f"lms: a drill takes {plan.problem}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    line = rehearse(plan, database_url=database_url, beside=beside)
    print(json.dumps(line), flush=True)
    return 1 if line["errors"] or line["p95_ms"] > TARGET_P95_MS else 0


def rehearse(plan: Plan, *, database_url: str = "", beside: Path | None = None) -> dict[str, Any]:
    """The whole day; its figures."""
    began = time.monotonic()
    with place(database_url, beside=beside) as settings:
        about = machine.facts(settings.data_dir)
        _say(f"making a site with {plan.users} trainees")
        demo.prepare(settings)
        with filmed(settings) as film:
            site = build(create_app(settings), film, trainees=plan.users, at=clock.now())
        processes = fitting_processes(settings)
        with Serving(settings, processes=processes) as serving, working(settings) as worker:
            tally = Tally()
            people = _people(site, serving.port, plan.users, tally)
            rest_mb = machine.resident_mb(*serving.pids, worker.pid)
            _all(
                people, serving, "sign-in", tally, lambda one, due: one.enter(due), spread_s=plan.users * 0.1
            )
            tally.forget()
            _day(people, serving, "the first pages", tally, for_s=WARMING_S)
            first = tally.walls
            tally.forget()
            before, day_at = serving.spent_s, time.monotonic()
            _day(people, serving, "the day", tally, for_s=60 * plan.minutes)
            day_s, spent_s = time.monotonic() - day_at, serving.spent_s - before
            after_mb = machine.resident_mb(*serving.pids, worker.pid)
    return {
        **figures(plan, tally, day_s=day_s, spent_s=spent_s),
        "first_p95_ms": _p95_ms([wall for found in first.values() for wall in found]),
        "resident_rest_mb": rest_mb,
        "resident_after_mb": after_mb,
        "database": "sqlite" if settings.database_url.startswith("sqlite") else "postgresql",
        "web_processes": processes,
        "seconds": round(time.monotonic() - began),
        "yardstick_ms": round(yardstick_ms(), 1),
        **about,
    }


def _people(site: Site, port: int, users: int, tally: Tally) -> list[_Person]:
    seeds = itertools.count(1)
    trainees = [
        _Trainee(f"trainee{number}@bench.example", port, site=site, seed=next(seeds), tally=tally)
        for number in range(users)
    ]
    mentors = [_Mentor(one.login, port, seed=next(seeds), tally=tally) for one in site.mentors]
    assert site.administrator is not None
    chief = _Administrator(site.administrator.login, port, site=site, seed=next(seeds), tally=tally)
    strangers = [
        _Stranger(f"stranger {number}", port, seed=next(seeds), tally=tally)
        for number in range(max(1, users // 50))
    ]
    return [*trainees, *mentors, chief, *strangers]


def _day(people: Sequence[_Person], serving: Serving, name: str, tally: Tally, *, for_s: float) -> None:
    over_at = time.monotonic() + for_s
    _all(people, serving, name, tally, lambda one, due: one.day(due, over_at), spread_s=EVERY_S)


def _all(
    people: Sequence[_Person],
    serving: Serving,
    name: str,
    tally: Tally,
    act: Callable[[_Person, float], Iterator[float]],
    *,
    spread_s: float,
) -> None:
    chance, began = random.Random(1), time.monotonic()  # noqa: S311 (a rehearsal)
    acts: list[tuple[Player, Iterator[float]]] = [
        (one, act(one, began + chance.random() * spread_s)) for one in people if not one.is_stuck
    ]
    _say(f"{name}: {len(acts)} people")
    play(acts, port=serving.port, threads=CONNECTIONS, tally=tally)
    _say(f"{name}: through in {time.monotonic() - began:.0f} s, {len(tally.errors)} errors")


def figures(plan: Plan, tally: Tally, *, day_s: float, spent_s: float) -> dict[str, Any]:
    """What is printed of it. Times from the moment a person wanted something until they had it."""
    walls = [wall for found in tally.walls.values() for wall in found]
    if not walls:
        raise Unexpected(f"nobody got anything: {tally.errors[:3]}")
    return {
        "users": plan.users,
        "minutes": plan.minutes,
        "acts": len(walls),
        "acts_per_s": round(len(walls) / day_s, 1),
        **{f"p{share}_ms": round(1000 * quantile(walls, share / 100), 1) for share in (50, 95, 99)},
        "p95_ms_of": _of_each(tally.walls),
        "cpu_ms_per_act": round(1000 * spent_s / len(walls), 2),
        "errors": len(tally.errors),
        "error_words": tally.errors[:5],
    }


def _of_each(walls: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {kind: _p95_ms(found) for kind, found in sorted(walls.items())}


def _p95_ms(walls: Sequence[float]) -> float:
    return round(1000 * quantile(walls, 0.95), 1) if walls else 0.0
