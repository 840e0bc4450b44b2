"""The benchmark itself, on the smallest site and with hardly any rounds: what it prints, and how many questions pages ask.

No time is asserted here: a busy machine is not a slow product.
"""

import json
import subprocess
import sys

import pytest

from lms import bench
from lms.bench import figures
from lms.bench.figures import ACT, PAGE, Figure, Target

PAGES = {
    "home",
    "course page",
    "lecture page",
    "logbook page",
    "entry form",
    "tests page",
    "exam paper",
    "test result",
    "progress page",
    "mentor's inbox",
    "mentor's trainees",
    "certificate matrix",
    "cohort roll",
    "people",
    "verify page",
    "sign-in page, first visit",
}
ACTS = {
    "sign-in",
    "watch report",
    "start test",
    "save one answer",
    "submit",
    "log entry",
    "sign entry",
    "issue certificate",
}
CLASS = "certificates of a class"
"""As large as the site allows, measured on the first site alone."""
PROOF = "proof of 1,000 signatures"
COUNTED = {"classical statistics", "two-parameter model", "statistics of a test"}
"""Computed once, in no cohort's site."""
PAPERS = {"certificate's file, drawn", "certificate's file, stamped"}
"""Made in the bench's own process."""
WARD_PAGES = {
    "home over 1,500 entries",
    "inbox of 500",
    "progress over 1,500 entries",
    "cohort board",
}
"""Measured on the first site alone, after all others."""
NUMBERS = {
    "trainees",
    "n",
    "cpu_ms",
    "cpu_best_ms",
    "queries",
    "queries_most",
    "wall_p50_ms",
    "wall_p95_ms",
    "bytes",
    "target_ms",
}
MOST_QUERIES = 12


def figure(**changed):
    """A figure of a page that keeps to its target."""
    given = {
        "job": "home",
        "trainees": 40,
        "n": 200,
        "cpu_ms": 4.0,
        "cpu_best_ms": 3.5,
        "queries": 9.0,
        "queries_most": 9,
        "wall_p50_ms": 5.0,
        "wall_p95_ms": 6.0,
        "bytes": 5000,
        "target": PAGE,
    }
    return Figure(**{**given, **changed})


@pytest.fixture(scope="module")
def printed():
    """What the smallest measurement prints, in a process of its own as the command line starts it."""
    command = "import sys; from lms import bench; sys.exit(bench.main(trainees=[3], rounds=2))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_every_job_is_printed_once_with_all_its_numbers(printed):
    known = PAGES | ACTS | COUNTED | PAPERS | WARD_PAGES | {"sync of 60 entries", PROOF, CLASS}
    assert sorted(line["job"] for line in printed if line["job"] in known) == sorted(known)
    for line in printed:
        if line["job"] not in known:  # films
            continue
        assert all(isinstance(line[name], int | float) for name in NUMBERS), line
        assert line["n"] > 0
        assert line["cpu_ms"] > 0
        in_process = line["job"] in PAPERS | {PROOF}
        assert line["bytes"] > 0 or line["job"] in COUNTED | {PROOF}
        assert line["trainees"] == (2_400 if line["job"] in COUNTED else 0 if in_process else 3)
        assert isinstance(line["ok"], bool)


@pytest.mark.slow
def test_no_page_asks_more_than_twelve_questions(printed):
    assert {
        line["job"]: line["queries_most"]
        for line in printed
        if line["job"] in PAGES | WARD_PAGES and line["queries_most"] > MOST_QUERIES
    } == {}
    assert {line["job"] for line in printed if line["target_queries"] == MOST_QUERIES} == PAGES | WARD_PAGES


@pytest.mark.slow
def test_a_certificate_says_what_the_first_one_of_a_worker_costs(printed):
    (line,) = [line for line in printed if line["job"] == "issue certificate"]
    assert line["first_ms"] > line["worker_ms"] > 0


@pytest.mark.slow
def test_a_certificate_of_a_class_counts_the_workers_statements_too(printed):
    (line,) = [line for line in printed if line["job"] == CLASS]
    assert line["n"] == 75
    assert line["request_queries"] > 0
    assert line["worker_queries"] > line["n"]
    assert line["queries"] == round((line["request_queries"] + line["worker_queries"]) / line["n"], 1)
    assert line["target_queries"] == 5


def test_a_figure_is_fine_within_both_of_its_targets():
    assert figure().ok
    assert figure(cpu_ms=8.0, queries_most=12).ok
    assert not figure(cpu_ms=8.1).ok
    assert not figure(queries_most=13).ok
    assert figure(target=ACT, queries_most=30).ok


def test_a_line_holds_what_was_measured_besides():
    line = figure(target=Target(300), more={"worker_ms": 211.128}).line()
    assert line["worker_ms"] == 211.13
    assert line["target_queries"] is None


def test_quantiles_are_values_that_were_seen():
    walls = [0.4, 0.1, 0.3, 0.2]
    assert figures.quantile(walls, 0.5) == 0.2
    assert figures.quantile(walls, 0.95) == 0.4
    assert figures.quantile([7.0], 0.5) == 7.0


def test_ratios_compare_each_job_with_itself():
    small = [figure(), figure(job="sign-in page", queries=0.0)]
    large = [
        figure(trainees=2000, cpu_ms=5.0, queries=9.0, bytes=5500),
        figure(job="sign-in page", queries=0.0, trainees=2000),
    ]
    found = figures.ratios(small, large)
    assert found["trainees"] == [40, 2000]
    assert found["cpu_ms"]["home"] == 1.25
    assert found["queries"] == {"home": 1.0, "sign-in page": None}
    assert found["bytes"]["home"] == 1.1


def test_a_cohort_too_small_to_measure_is_refused(capsys):
    assert bench.main(trainees=[2], rounds=1) == 2
    assert bench.main(trainees=[], rounds=1) == 2
    assert bench.main(trainees=[40], rounds=0) == 2
    assert capsys.readouterr().out == ""
