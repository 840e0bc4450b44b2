"""The numbers of a large test: 2,400 candidates and 100 questions, computed in this process as the worker computes them."""

import json
import random
import time
from collections.abc import Callable, Iterator
from math import exp
from typing import Any

from lms.assessments.psychometrics import irt
from lms.assessments.psychometrics.answers import Answers, Asked
from lms.assessments.psychometrics.classical import classical
from lms.assessments.psychometrics.report import report
from lms.bench.figures import Figure, Target

CANDIDATES, QUESTIONS = 2_400, 100
CLASSICAL, RESPONSE_MODEL = Target(1_000), Target(60_000)
OPTIONS = ("a", "b", "c", "d", "e")


def figures() -> Iterator[Figure]:
    """Classical statistics, the two-parameter model, and the whole report of the statistics page."""
    given = answers(CANDIDATES, QUESTIONS)
    yield _measured("classical statistics", CLASSICAL, lambda: classical(given.marks))
    yield _measured("two-parameter model", RESPONSE_MODEL, lambda: irt.fit(given.marks, irt.Model.TWO_PL))
    yield _measured("statistics of a test", RESPONSE_MODEL, lambda: report(given))


def answers(candidates: int, questions: int) -> Answers:
    """Answers by the two-parameter model, the same each time; the first option is right."""
    chance = random.Random(1)  # noqa: S311 (a simulation)
    items = [(exp(chance.gauss(0, 0.3)), chance.gauss(-0.5, 1)) for _item in range(questions)]
    said = []
    for _candidate in range(candidates):
        ability = chance.gauss(0, 1)
        said.append(
            [
                "a" if chance.random() < 1 / (1 + exp(-a * (ability - b))) else chance.choice("bcde")
                for a, b in items
            ]
        )
    return Answers(
        asked=[
            Asked(place + 1, f"Q{place + 1}", 1.0, OPTIONS, frozenset("a"), is_closed=True)
            for place in range(questions)
        ],
        candidates=[f"sitting-{number}" for number in range(candidates)],
        marks=[[float(one == "a") for one in row] for row in said],
        said=said,
        groups={"track": [("PED", "GP", "NURSE")[number % 3] for number in range(candidates)]},
        cut=0.6 * questions,
    )


def _measured(job: str, target: Target, act: Callable[[], Any]) -> Figure:
    began, cpu_began = time.perf_counter(), time.process_time()
    found = act()
    wall_ms, cpu_ms = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - cpu_began)
    return Figure(
        job=job,
        trainees=CANDIDATES,
        n=1,
        cpu_ms=cpu_ms,
        cpu_best_ms=cpu_ms,
        queries=0.0,
        queries_most=0,
        wall_p50_ms=wall_ms,
        wall_p95_ms=wall_ms,
        bytes=len(json.dumps(found)) if isinstance(found, dict) else 0,
        target=target,
    )
