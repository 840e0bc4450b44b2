"""``lms drill exam``: an exam rehearsed with the real server, a bad network and sudden deaths (docs/drill.md).

The server is started as ``lms serve``, on a temporary site. Candidates come over HTTP and speak the protocol of the exam page;
a share of the replies is lost, and the server is killed without warning. Afterwards every acknowledged answer has to be in the
database, once, and as it was sent.
"""

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.bench.figures import quantile, yardstick_ms
from lms.core import clock
from lms.drill import machine
from lms.drill.candidates import CASE_STEPS, Candidate, Tally, play
from lms.drill.judging import Verdict, judge
from lms.drill.server import Serving
from lms.drill.site import Site, build, place
from lms.serving import fitting_processes

CONNECTIONS = 32
"""Kept open to the server, as by a proxy: nobody else is to queue before the server does."""
SHARES = {"sign-in": 0.15, "start": 0.2, "answers": 0.45, "cases": 0.1, "hand-in": 0.1}
"""Of the minutes."""
BURST_S = 60.0
"""Everybody starts within this time, however long the exam lasts."""
MOST_USERS, MOST_QUESTIONS = 5_000, 300


@dataclass(frozen=True)
class Plan:
    """What is rehearsed."""

    users: int
    questions: int
    minutes: float
    drop_percent: float
    kills: int

    @property
    def problem(self) -> str:
        """Why nobody can rehearse this; empty: one can."""
        if not 1 <= self.users <= MOST_USERS:
            return f"between 1 and {MOST_USERS} candidates"
        if not 1 <= self.questions <= MOST_QUESTIONS:
            return f"between 1 and {MOST_QUESTIONS} questions"
        if not 0 < self.minutes <= 240:
            return "more than 0 and at most 240 minutes"
        if not 0 <= self.drop_percent <= 90:
            return "between 0 and 90 percent of the replies lost"
        return "" if 0 <= self.kills <= 10_000 else "between 0 and 10,000 kills"


def _say(words: str) -> None:
    print(f"drill: {words}", file=sys.stderr, flush=True)


def main(plan: Plan, *, database_url: str = "", beside: Path | None = None) -> int:
    """Rehearse it and print the line; 0 when nothing was lost or doubled, else 1; 2 for a plan that makes no sense."""
    if plan.problem:
        print(f"lms: a drill takes {plan.problem}", file=sys.stderr)
        return 2
    # Whoever stops the drill stops its server and its database too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    line = rehearse(plan, database_url=database_url, beside=beside)
    print(json.dumps(line), flush=True)
    return status(line)


def status(line: Mapping[str, Any]) -> int:
    """Exit status of a drill with these figures."""
    return 1 if line["lost"] or line["duplicated"] else 0


def rehearse(
    plan: Plan,
    *,
    database_url: str = "",
    beside: Path | None = None,
    say: Callable[[str], None] = _say,
    strike: Callable[[Serving], None] = Serving.kill,
) -> dict[str, Any]:
    """The whole drill; the figures. ``strike``: what a kill is (the tests of the database kill that instead)."""
    began = time.monotonic()
    with place(database_url, beside=beside) as settings:
        say(f"making a site for {plan.users} candidates and {plan.questions} questions")
        flush_ms = machine.fsync_ms(settings.data_dir)
        about = machine.facts(settings.data_dir)
        site = build(settings, users=plan.users, questions=plan.questions, at=clock.now())
        with Serving(settings, processes=fitting_processes(settings)) as serving:
            drill = _Drill(plan, site, serving, say, strike)
            drill.run()
        say("comparing every promise with the database")
        verdict = judge(settings, drill.candidates)
        is_sqlite = settings.database_url.startswith("sqlite")
    return {
        **figures(plan, verdict, drill.tally, drill.spent_s),
        "kills": drill.kills,
        "database": "sqlite" if is_sqlite else "postgresql",
        "seconds": round(time.monotonic() - began),
        "fsync_ms": round(flush_ms, 2),
        "yardstick_ms": round(yardstick_ms(), 1),
        **about,
    }


def figures(plan: Plan, verdict: Verdict, tally: Tally, spent_s: Mapping[str, float]) -> dict[str, Any]:
    """What is printed of it."""

    def wall(kind: str, share: float) -> float | None:
        found = tally.walls.get(kind)
        return round(1000 * quantile(found, share), 1) if found else None

    def cpu(phase: str, *kinds: str) -> float | None:
        asked = sum(tally.asked.get(kind, 0) for kind in kinds)
        return round(1000 * spent_s.get(phase, 0.0) / asked, 2) if asked else None

    walls = {
        f"{kind}_p{share}_ms": wall(kind, share / 100) for kind in ("save", "start") for share in (50, 95, 99)
    }
    return {
        "users": plan.users,
        "questions": plan.questions,
        "minutes": plan.minutes,
        "drop_percent": plan.drop_percent,
        "acknowledged": verdict.acknowledged,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        **walls,
        "save_cpu_ms": cpu("answers", "save", "heartbeat"),
        "start_cpu_ms": cpu("start", "start"),
        "saves": tally.asked.get("save", 0),
        "errors": len(tally.errors),
        "error_words": tally.errors[:5],
        "replies_dropped": tally.dropped,
        "sent_again": tally.unreached,
    }


class _Drill:
    """One drill under way."""

    def __init__(
        self,
        plan: Plan,
        site: Site,
        serving: Serving,
        say: Callable[[str], None],
        strike: Callable[[Serving], None],
    ) -> None:
        self.plan, self.serving, self.say, self.strike = plan, serving, say, strike
        self.tally = Tally()
        self.spent_s: dict[str, float] = {}
        self.kills = 0
        self._chance = random.Random(1)  # noqa: S311 (a rehearsal)
        self.candidates = [
            Candidate(site, login, serving.port, drop=plan.drop_percent / 100, seed=number, tally=self.tally)
            for number, login in enumerate(site.logins)
        ]

    def run(self) -> None:
        """All phases; in each everybody comes through before the next begins, so that what they cost can be told apart."""
        whole_s = 60 * self.plan.minutes
        spans = {name: share * whole_s for name, share in SHARES.items()}
        spans["start"] = min(BURST_S, spans["start"])
        spans["answers"] = whole_s - sum(spans[name] for name in spans if name != "answers")
        edge = 1 if self.plan.kills >= 3 else 0
        middle = 1 if self.plan.kills >= 5 else 0
        every_s = spans["answers"] / self.plan.questions
        self._phase("sign-in", spans, 0, lambda one, due, _over: one.enter(due))
        self._phase("start", spans, edge, lambda one, due, _over: one.start(due))
        self._phase(
            "answers",
            spans | {"answers": every_s},
            self.plan.kills - 2 * edge - middle,
            lambda one, due, over: one.answer(due, every_s=every_s, over=over),
            lasts_s=spans["answers"],
        )
        step_s = spans["cases"] / (2 * CASE_STEPS)
        self._phase(
            "cases",
            spans | {"cases": spans["cases"] / 2},
            middle,
            lambda one, due, _over: one.work_cases(due, every_s=step_s),
            lasts_s=spans["cases"],
        )
        self._phase("hand-in", spans, edge, lambda one, due, _over: one.hand_in(due))

    def _phase(
        self,
        name: str,
        spans: Mapping[str, float],
        kills: int,
        act: "Callable[[Candidate, float, threading.Event], Iterator[float]]",
        *,
        lasts_s: float = 0.0,
    ) -> None:
        """Everybody's act, its beginnings spread over the span, and meanwhile the kills."""
        before, began, over = self.serving.spent_s, time.monotonic(), threading.Event()
        span_s = spans[name]
        acts = [
            (one, act(one, began + self._chance.random() * span_s, over))
            for one in self.candidates
            if not one.is_stuck
        ]
        self.say(f"{name}: {len(acts)} candidates in {max(span_s, lasts_s):.0f} s, {kills} kills")
        failed: list[BaseException] = []
        killer = threading.Thread(
            target=self._kill, args=(kills, max(span_s, lasts_s), over, failed), daemon=True
        )
        killer.start()
        play(acts, port=self.serving.port, threads=CONNECTIONS, tally=self.tally)
        killer.join()
        if failed:
            raise failed[0]
        self.spent_s[name] = self.serving.spent_s - before
        self.say(
            f"{name}: through in {time.monotonic() - began:.0f} s, "
            f"{sum(one.acked for one in self.candidates)} acknowledged, {len(self.tally.errors)} errors"
        )

    def _kill(self, kills: int, span_s: float, over: threading.Event, failed: list[BaseException]) -> None:
        """The kills of a phase, spread over it, each only after something was acknowledged since the last."""
        try:
            for number in range(kills):
                time.sleep(self._chance.uniform(0.2, 1.0) * span_s / kills)
                before, waited = self._progress(), time.monotonic()
                while self._progress() == before and time.monotonic() - waited < 2.0:
                    time.sleep(0.01)
                self.strike(self.serving)
                self.tally.back_at = time.monotonic()
                self.kills += 1
                if kills >= 20 and number % 10 == 9:
                    self.say(f"{number + 1} of {kills} kills")
        except Exception as problem:  # noqa: BLE001 (raised again by the phase)
            failed.append(problem)
        finally:
            over.set()

    def _progress(self) -> int:
        return sum(self.tally.asked.values())
