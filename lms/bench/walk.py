"""The jobs, in an order in which each finds what the one before has left."""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select

from lms.bench.client import Browser, Reply, Unexpected, attribute, choices
from lms.bench.figures import ACT, CERTIFICATE, PAGE, SAVE, Ask, Figure, Meter, Target, quantile
from lms.bench.processes import Served, Working, counts, cpu_s, working
from lms.bench.site import ATTEMPTS, MOST_READY, PASSWORD, PIN, TRAINEES_OF_A_MENTOR, Member, Site
from lms.certificates.models import Certificate
from lms.certificates.services import ISSUE
from lms.core import clock, ids
from lms.core.db import db
from lms.core.notices import DELIVER
from lms.core.passwords import check_secret, hash_secret
from lms.settings import Settings

PIECE, FILE = 256 * 1024, 32 << 20
RANGE = Target(1000 * 5 * PIECE / 1e9, 0)
"""Five CPU seconds for a gigabyte."""
WARM_UP = 32
"""Requests before each measurement: twice as many as the server has threads."""
CHECKS_OF_AN_ADDRESS = 50
"""Verifications that one address asks for; a hundred and twenty a minute would be refused."""


class Walk:
    """Everything that is measured on one site."""

    def __init__(self, app: Flask, settings: Settings, site: Site, served: Served, *, rounds: int) -> None:
        self.app, self.settings, self.site, self.served, self.rounds = app, settings, site, served, rounds
        assert site.administrator is not None
        self.probes = [self._signed_in(one) for one in site.probes]
        self.mentors = [self._signed_in(one) for one in site.mentors]
        self.ready = [self._signed_in(one) for one in site.ready]
        self.administrator = self._signed_in(site.administrator)

    def figures(self) -> Iterator[Figure]:
        """All jobs, one after the other."""
        for browser in (*self.probes, *self.mentors, *self.ready, self.administrator):
            browser.get("/account").expect(200)  # every later visit has the stylesheet already
        yield from self._certificates()
        yield from self._pages()
        yield from self._watching()
        yield from self._sittings()
        yield from self._logbooks()
        yield from self._doors()

    # Browsers and meters

    def _signed_in(self, member: Member) -> Browser:
        serializer = SecureCookieSessionInterface().get_signing_serializer(self.app)
        assert serializer is not None
        content = serializer.dumps({"_user_id": member.token, "_fresh": True, "_permanent": True})
        return Browser(self.served.port, {self.app.config["SESSION_COOKIE_NAME"]: str(content)})

    def meter(self, job: str, target: Target) -> Meter:
        """Reads what a job costs the web process."""
        return Meter(job, target, pid=self.served.pid, trainees=self.site.trainees)

    def page(self, job: str, asks: Iterable[Ask], target: Target = PAGE) -> Figure:
        """Measure a page ``rounds`` times, warm."""
        endless = iter(asks)
        for ask in itertools.islice(endless, min(WARM_UP, self.rounds)):
            ask().expect(200)
        meter = self.meter(job, target)
        for reply in meter.run(itertools.islice(endless, self.rounds)):
            reply.expect(200)
        return meter.figure()

    def visits(self, browsers: Sequence[Browser], *paths: str) -> Iterator[Ask]:
        """Every browser in turn goes to every path in turn, for ever."""
        for number in itertools.count():
            browser = browsers[number % len(browsers)]
            path = paths[number // len(browsers) % len(paths)]
            yield lambda browser=browser, path=path: browser.get(path)  # type: ignore[misc]

    # Pages

    def _pages(self) -> Iterator[Figure]:
        site, probes, chief = self.site, self.probes, [self.administrator]
        lectures = [f"/lectures/{one}" for one in site.lectures]
        yield self.page("home", self.visits(probes, "/"))
        yield self.page("course page", self.visits(probes, f"/learn/{site.course}"))
        yield self.page("lecture page", self.visits(probes, *lectures))
        yield self.page("logbook page", self.visits(probes, "/logbook"))
        yield self.page("entry form", self.visits(probes, "/logbook/new"))
        yield self.page("tests page", self.visits(probes, "/tests"))
        yield self.page("progress page", self.visits(probes, "/progress"))
        yield self.page("mentor's inbox", self.visits(self.mentors, "/to-sign"))
        yield self.page("mentor's trainees", self.visits(self.mentors, "/trainees"))
        matrix = f"/certificates/cohorts/{site.cohort}?state=open"
        yield self.page("certificate matrix", self.visits(chief, matrix))
        yield self.page("cohort roll", self.visits(chief, f"/cohorts/{site.cohort}"))
        yield self.page("people", self.visits(chief, "/people"))

    def _watching(self) -> Iterator[Figure]:
        """What a player reports every few seconds while a lecture is watched."""
        lecture = self.site.lectures[0]
        players = []
        for browser in self.probes:
            page = browser.get(f"/lectures/{lecture}").expect(200).text
            players.append((browser, attribute(page, "session")))
        meter = self.meter("watch report", ACT)
        numbers = itertools.count(1)

        def reports(many: int) -> Iterator[Ask]:
            for number, (browser, session) in zip(range(many), itertools.cycle(players), strict=False):
                seconds = number // len(players) % 5
                report = {
                    "session": session,
                    "seq": next(numbers),
                    "intervals": [[seconds, seconds + 1]],
                    "position": seconds + 1,
                    "rate": 1,
                }
                yield lambda browser=browser, report=report: browser.send(  # type: ignore[misc]
                    f"/lectures/{lecture}/beats", report
                )

        for ask in reports(min(WARM_UP, self.rounds)):
            ask().expect(200)
        for reply in meter.run(reports(self.rounds)):
            reply.expect(200)
        yield meter.figure()
        yield self._ranges(attribute(page, "hls"))

    def _ranges(self, master: str) -> Figure:
        """Pieces of 256 KB from the middle of a whole file, as players of whole files ask for them."""
        address = master.rpartition("/")[0]
        token, version = address.split("/")[-2:]
        folder = self.settings.media_dir / "lectures" / version / token.split(".")[2]
        (folder / "long.mp4").write_bytes(bytes(range(256)) * (FILE // 256))
        film = f"{address}/long.mp4"
        meter = self.meter("256 KB range", RANGE)
        starts = itertools.cycle(range(0, FILE - PIECE, 65_536))

        def asks(many: int) -> Iterator[Ask]:
            for start, browser in zip(
                itertools.islice(starts, many), itertools.cycle(self.probes), strict=False
            ):
                span = f"bytes={start}-{start + PIECE - 1}"
                yield lambda browser=browser, span=span: browser.get(film, span=span)  # type: ignore[misc]

        for ask in asks(min(WARM_UP, self.rounds)):
            ask().expect(206)
        for reply in meter.run(asks(self.rounds)):
            reply.expect(206)
        figure = meter.figure()
        return replace(figure, more={"cpu_s_per_gb": figure.cpu_ms / 1000 / (figure.bytes / 1e9)})

    # Tests

    def _sittings(self) -> Iterator[Figure]:
        """Start, paper, answers, hand in and result, again and again; the first time warms up."""
        names = (
            ("start test", ACT),
            ("exam paper", PAGE),
            ("save one answer", SAVE),
            ("submit", ACT),
            ("test result", PAGE),
        )
        times = min(ATTEMPTS - 1, -(-self.rounds // len(self.probes)))
        meters = [self.meter(job, target) for job, target in names]
        self._sit([self.meter(job, target) for job, target in names])
        for _time in range(times):
            self._sit(meters)
        yield from (meter.figure() for meter in meters)

    def _sit(self, meters: Sequence[Meter]) -> None:
        start, paper, save, submit, result = meters
        test = self.site.test

        def starting(browser: Browser) -> Ask:
            return lambda: browser.post(f"/tests/{test}/start", [("client_uuid", ids.token())])

        started = start.run([starting(browser) for browser in self.probes])
        paths = [reply.expect(303).headers["Location"] for reply in started]
        pages = paper.run(
            [
                lambda browser=browser, path=path: browser.get(path)  # type: ignore[misc]
                for browser, path in zip(self.probes, paths, strict=True)
            ]
        )
        sittings = [
            _Sitting(browser, path, reply.expect(200).text, self.site.keys)
            for browser, path, reply in zip(self.probes, paths, pages, strict=True)
        ]
        for reply in save.run([ask for sitting in sittings for ask in sitting.answers()]):
            if not reply.expect(200).json["acked"] or reply.json["rejected"]:
                raise Unexpected(f"an answer did not count: {reply.text}")
        for reply in submit.run([sitting.hand_in for sitting in sittings]):
            if reply.expect(200).json["state"] == "open":
                raise Unexpected(f"a sitting stayed open: {reply.text}")
        for reply in result.run([sitting.result for sitting in sittings]):
            reply.expect(200)

    # Logbooks

    def _logbooks(self) -> Iterator[Figure]:
        """Entries sent by the outbox of the page, then signed by the mentor within the five minutes of one PIN."""
        log, sign = self.meter("log entry", ACT), self.meter("sign entry", ACT)
        warm = min(WARM_UP, self.rounds)
        waiting: list[tuple[Browser, str]] = []
        for meter, first, last in (
            (self.meter("", ACT), 0, warm),
            (log, warm, warm + self.rounds),
        ):
            numbers = range(first, last)
            asks = [self.logging(number, at=clock.now()) for number in numbers]
            for number, reply in zip(numbers, meter.run(asks), strict=True):
                mentor = self.mentors[number % len(self.probes) // TRAINEES_OF_A_MENTOR]
                waiting.append((mentor, str(reply.expect(201).json["id"])))
        yield log.figure()
        for mentor in self.mentors:
            mentor.post("/confirm", [("pin", PIN)], script=True).expect(204)
        for meter, chosen in ((self.meter("", ACT), waiting[:warm]), (sign, waiting[warm:])):
            for reply in meter.run([self._signing(mentor, entry) for mentor, entry in chosen]):
                reply.expect(303)
        yield sign.figure()

    def logging(self, number: int, *, at: datetime) -> Ask:
        """An entry as the page's outbox sends it, by one of the probes in turn."""
        browser, key = self.probes[number % len(self.probes)], ids.token()
        fields = [*self._taps(number, at=at), ("client_uuid", key)]
        return lambda: browser.post("/logbook/new", fields, script=True, X_Client_Id=key)

    def queue(self, number: int, entries: int, *, at: datetime) -> Ask:
        """So many entries in one delivery of the outbox."""
        browser = self.probes[number % len(self.probes)]
        body = [{"client_uuid": ids.token(), "fields": self._taps(one, at=at)} for one in range(entries)]
        return lambda: browser.send("/logbook/queue", {"entries": body})

    def _taps(self, number: int, *, at: datetime) -> list[tuple[str, str]]:
        return [
            ("item", self.site.items[number % len(self.site.items)]),
            ("operator_role", "S_TU"),
            ("age_band", "1-6d"),
            ("performed_on", clock.today(at).isoformat()),
            ("note", "面罩通气 30 秒后心率上升。"),
        ]

    def _signing(self, mentor: Browser, entry: str) -> Ask:
        fields = [("revision", "1"), ("level", "4"), ("words", "")]
        return lambda: mentor.post(f"/to-sign/{entry}/sign", fields)

    # Certificates

    def _certificates(self) -> Iterator[Figure]:
        """One certificate by a worker that has just started, then all others in one batch."""
        first, *others = [one.enrolment for one in self.site.ready]
        with working(self.settings) as worker:
            cold = batch = self.issue(self.site.cohort, [first], worker)
            if others:
                batch = self.issue(self.site.cohort, others, worker)
        made = self._made()[-len(others) or -1 :]
        n = max(1, len(others))
        files = [
            browser.get(f"/certificates/{one.serial}/{one.serial}.pdf").expect(200).size_bytes
            for browser, one in zip(self.ready[-n:], made, strict=True)
        ]
        yield self.issued(
            "issue certificate", batch, made=made, bytes_each=sum(files) / n, first_ms=1000 * cold.worker_s
        )
        yield self.page("verify page", self._checks(made))

    def issued(
        self,
        job: str,
        batch: "Batch",
        *,
        made: Sequence[Certificate],
        bytes_each: float,
        target: Target = CERTIFICATE,
        **more: float,
    ) -> Figure:
        """What each certificate of a batch cost; ``made``: their rows."""
        n = len(made)
        steps = sorted({one.finished_at for one in made if one.finished_at})
        gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(steps)] or [batch.wall_s]
        asked = batch.request.queries + batch.asked[ISSUE]
        cpu_ms = 1000 * (batch.request_s + batch.worker_s) / n
        return Figure(
            job=job,
            trainees=self.site.trainees,
            n=n,
            cpu_ms=cpu_ms,
            cpu_best_ms=cpu_ms,
            queries=asked / n,
            queries_most=-(-asked // n),
            wall_p50_ms=1000 * batch.wall_s / n,
            wall_p95_ms=1000 * quantile(gaps, 0.95),
            bytes=round(bytes_each),
            target=target,
            more={
                "worker_ms": 1000 * batch.worker_s / n,
                "request_ms": 1000 * batch.request_s,
                "request_queries": batch.request.queries,
                "worker_queries": batch.asked[ISSUE],
                "letter_queries": batch.asked[DELIVER],
                **more,
            },
        )

    def issue(self, cohort: str, enrolments: Sequence[str], worker: Working) -> "Batch":
        """Issue to these, and wait until the worker has made all of them and rests."""
        path = f"/certificates/cohorts/{cohort}/issue"
        fields = [("client_uuid", ids.token()), *(("id", one) for one in enrolments)]
        before, began = counts(self.settings.data_dir), time.perf_counter()
        replies: list[tuple[Reply, float]] = []
        walls: list[float] = []

        def act() -> None:
            spent = cpu_s(self.served.pid)
            reply = self.administrator.post(path, fields).expect(303)
            replies.append((reply, cpu_s(self.served.pid) - spent))
            while True:
                state = self.administrator.get(reply.headers["Location"], accept="application/json")
                told = state.expect(200).json
                if told["total"] != len(enrolments):
                    raise Unexpected(f"certificates were refused: {told}")
                if told["done"] == told["total"]:
                    break
                time.sleep(0.2 if len(enrolments) <= MOST_READY else 2.0)
            walls.append(time.perf_counter() - began)

        worker_s = worker.spent_s(act)
        asked = counts(self.settings.data_dir)
        asked.subtract(before)
        return Batch(*replies[0], worker_s, walls[0], asked)

    def _made(self) -> Sequence[Certificate]:
        with self.app.app_context():
            found = db.session.scalars(
                select(Certificate).where(Certificate.state == "good").order_by(Certificate.id)
            ).all()
            db.session.remove()
        return found

    def _checks(self, made: Sequence[Certificate]) -> Iterator[Ask]:
        """Strangers who scanned a certificate's code, each with some certificates in hand."""
        paths = [str(one.facts["verify_url"]).partition("localhost")[2] for one in made]
        for number in itertools.count():
            if number % CHECKS_OF_AN_ADDRESS == 0:
                browser = Browser(self.served.port)
            path = paths[number % len(paths)]
            yield lambda browser=browser, path=path: browser.get(path)  # type: ignore[misc]

    # Doors

    def _doors(self) -> Iterator[Figure]:
        """The first visit (the stylesheet comes inside the page), and the password."""
        yield self.page("sign-in page, first visit", self._first_visits())
        hash_ms = 1000 * _hash_s()
        meter = self.meter("sign-in", Target(ACT.cpu_ms + hash_ms))
        members = [*self.site.probes, *self.site.ready]
        browsers = [Browser(self.served.port) for _one in members]

        def tries(many: int) -> Iterator[Ask]:
            for number in range(many):
                browser, member = browsers[number % len(members)], members[number % len(members)]
                fields = [("login", member.login), ("password", PASSWORD)]
                yield lambda browser=browser, fields=fields: browser.post(  # type: ignore[misc]
                    "/sign-in", fields
                )

        for ask in tries(min(WARM_UP, self.rounds)):
            ask().expect(303)
        for reply in meter.run(tries(self.rounds)):
            reply.expect(303)
        found = meter.figure()
        found.more["password_hash_ms"] = hash_ms
        yield found

    def _first_visits(self) -> Iterator[Ask]:
        browser = Browser(self.served.port)

        def visit() -> Reply:
            browser.cookies.clear()
            return browser.get("/sign-in")

        while True:
            yield visit


@dataclass(frozen=True)
class Batch:
    """A batch of certificates that was issued and made."""

    request: Reply
    request_s: float
    """CPU seconds of the web process."""
    worker_s: float
    """CPU seconds of the worker, the letters to the holders included."""
    wall_s: float
    """From the press to the last certificate."""
    asked: Counter[str]
    """Job of the worker → statements."""


class _Sitting:
    """One browser in one sitting, speaking the protocol of the page's script."""

    def __init__(self, browser: Browser, path: str, page: str, keys: Mapping[int, str]) -> None:
        self.browser, self.path = browser, path
        self.epoch = int(attribute(page, "epoch"))
        self.device, self.seq = ids.public_id(), 0
        self.options = {
            slot: next(option for option in options if option != keys[slot])
            for slot, options in choices(page).items()
        }

    def answers(self) -> list[Ask]:
        """The first wrong option of every question, one by one."""
        return [
            lambda slot=slot, choice=choice: self._send(slot, {"choice": choice})  # type: ignore[misc]
            for slot, choice in self.options.items()
        ]

    def hand_in(self) -> Reply:
        """The last operation."""
        return self._send(None, {"submit": True})

    def result(self) -> Reply:
        """What came of it."""
        return self.browser.get(f"{self.path}/result")

    def _send(self, slot: int | None, body: dict[str, object]) -> Reply:
        self.seq += 1
        op = {
            "device": self.device,
            "seq": self.seq,
            "slot": slot,
            "body": body,
            "mono_ms": self.seq * 1000,
        }
        return self.browser.send(f"{self.path}/ops", {"epoch": self.epoch, "ops": [op]})


def _hash_s() -> float:
    """CPU seconds of one password check on this machine, here and now."""
    stored, times = hash_secret(PASSWORD), 20
    before = time.process_time()
    for _time in range(times):
        check_secret(stored, PASSWORD)
    return (time.process_time() - before) / times
