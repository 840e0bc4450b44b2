"""The exam drill: its judgement on rows that are wrong on purpose, a short one with a kill, and in the slow suite the kill-loops."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from lms import drill
from lms.assessments.models import ResponseEvent, Sitting
from lms.drill import day
from lms.drill.candidates import CASE_STEPS, Candidate, Tally, play
from lms.drill.judging import Verdict, compare
from lms.drill.site import Site, place, settings_of
from tests.servers import services

ROOT = Path(__file__).parent.parent


@pytest.fixture
def candidate(tmp_path):
    """One who had two answers acknowledged and a third one sent."""
    one = Candidate(Site(settings_of(tmp_path), "t", ("a",)), "a", 1, drop=0, seed=1, tally=Tally())
    one.path, one.acked = "/sittings/abc", 2
    one.made = {1: (1, {"choice": "a"}), 2: (2, {"choice": "b"}), 3: (1, {"choice": "c"})}
    return one


def sitting(number=1, enrolment=1, state="in_progress"):
    return Sitting(id=number, public_id="abc", enrolment_id=enrolment, state=state)


def event(candidate, number, seq, slot, choice, **changed):
    given = {
        "id": number,
        "sitting_id": 1,
        "device": candidate.device,
        "client_seq": seq,
        "slot": slot,
        "kind": "answer",
        "body": {"choice": choice},
        "epoch": 1,
        "applied": True,
    }
    return ResponseEvent(**given | changed)


def heads(*events):
    return {(row.sitting_id, row.slot, row.kind): row.id for row in events}


def test_what_was_promised_and_is_there_is_not_lost(candidate):
    rows = [event(candidate, 1, 1, 1, "a"), event(candidate, 2, 2, 2, "b")]
    assert compare([candidate], rows, heads(*rows), [sitting()]) == Verdict(2, 0, 0)


def test_an_answer_that_arrived_without_its_acknowledgement_is_no_duplicate(candidate):
    rows = [
        event(candidate, n, n, slot, choice) for n, slot, choice in ((1, 1, "a"), (2, 2, "b"), (3, 1, "c"))
    ]
    assert compare([candidate], rows, heads(*rows), [sitting()]) == Verdict(2, 0, 0)


def test_a_promise_that_is_missing_or_says_something_else_is_lost(candidate):
    first, second = event(candidate, 1, 1, 1, "a"), event(candidate, 2, 2, 2, "b")
    assert compare([candidate], [first], heads(first), [sitting()]).lost == 1
    other = event(candidate, 2, 2, 2, "c")
    assert compare([candidate], [first, other], heads(first, other), [sitting()]).lost == 1
    kept = event(candidate, 2, 2, 2, "b", applied=False)
    assert compare([candidate], [first, kept], heads(first), [sitting()]).lost == 1
    assert (
        compare([candidate], [first, second], heads(first), [sitting()]).lost == 1
    )  # stands there, does not count
    assert compare([candidate], [first, second], heads(first, second), []).lost == 2


def test_a_hand_in_that_the_database_does_not_know_is_lost(candidate):
    rows = [event(candidate, 1, 1, 1, "a"), event(candidate, 2, 2, 2, "b")]
    candidate.is_over = True
    assert compare([candidate], rows, heads(*rows), [sitting()]).lost == 1
    assert compare([candidate], rows, heads(*rows), [sitting(state="submitted")]).lost == 0


def test_what_stands_twice_or_was_never_sent_is_counted(candidate):
    first, second = event(candidate, 1, 1, 1, "a"), event(candidate, 2, 2, 2, "b")
    again = event(candidate, 3, 2, 2, "b")
    assert compare([candidate], [first, second, again], heads(first, again), [sitting()]).duplicated == 1
    foreign = event(candidate, 3, 9, 3, "b")
    assert (
        compare([candidate], [first, second, foreign], heads(first, second, foreign), [sitting()]).duplicated
        == 1
    )
    assert (
        compare([candidate], [first, second], heads(first, second), [sitting(), sitting(2)]).duplicated == 1
    )


def test_a_drill_that_lost_or_doubled_something_ends_with_one():
    assert drill.status({"lost": 0, "duplicated": 0}) == 0
    assert drill.status({"lost": 1, "duplicated": 0}) == 1
    assert drill.status({"lost": 0, "duplicated": 1}) == 1


@pytest.mark.parametrize(
    "plan",
    [
        drill.Plan(0, 10, 1, 0, 0),
        drill.Plan(10, 0, 1, 0, 0),
        drill.Plan(10, 10, 0, 0, 0),
        drill.Plan(10, 10, 1, 91, 0),
        drill.Plan(10, 10, 1, 0, -1),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(plan, capsys):
    assert drill.main(plan) == 2
    assert capsys.readouterr().out == ""


def test_acts_go_on_when_they_are_due_and_one_that_fails_stops_nobody(candidate, tmp_path):
    tally, seen = Tally(), []
    now = time.monotonic()

    def act(name, *dues):
        for due in dues:
            yield now + due
            seen.append((name, due))
        if name == "bad":
            raise ValueError("no")

    other = Candidate(Site(settings_of(tmp_path), "t", ("b",)), "b", 1, drop=0, seed=1, tally=tally)
    play([(candidate, act("good", 0.1, 0.3)), (other, act("bad", 0.2))], port=1, threads=2, tally=tally)
    assert seen == [("good", 0.1), ("bad", 0.2), ("good", 0.3)]
    assert time.monotonic() - now >= 0.3
    assert tally.errors == ["b: no"]
    assert other.is_stuck
    assert not candidate.is_stuck


def test_a_drill_leaves_nothing_behind(tmp_path):
    with place(beside=tmp_path) as settings:
        assert settings.data_dir.parent == tmp_path
        assert settings.database_url.startswith(f"sqlite:///{tmp_path}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_prints_one_line_and_loses_nothing():
    command = [
        "drill",
        "exam",
        "--users",
        "8",
        "--questions",
        "5",
        "--minutes",
        "0.2",
        "--drop",
        "20",
        "--kill",
        "3",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "lms.cli", *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (printed,) = done.stdout.splitlines()
    line = json.loads(printed)
    assert (line["lost"], line["duplicated"], line["errors"], line["kills"]) == (0, 0, 0, 3), line
    assert line["acknowledged"] >= 8 * (5 + CASE_STEPS + 1)  # whoever is through early changes an answer
    assert line["database"] == "sqlite"
    assert line["replies_dropped"] > 0
    assert line["save_cpu_ms"] > 0
    assert line["start_cpu_ms"] > 0
    assert "hand-in" in done.stderr


def shown(line):
    """What a slow drill found, for whoever reads the test's output."""
    print(json.dumps(line))
    assert (line["lost"], line["duplicated"], line["errors"]) == (0, 0, 0), line


@pytest.mark.slow
def test_no_acknowledged_answer_is_lost_in_two_hundred_kills():
    line = drill.rehearse(drill.Plan(users=12, questions=10, minutes=0.5, drop_percent=10, kills=202))
    shown(line)
    assert line["kills"] == 202
    assert line["acknowledged"] > 500


class Cluster:
    """A PostgreSQL of our own that can be killed and comes back; durable as in production."""

    def __init__(self, folder: Path) -> None:
        self.tools = services()
        self.user = "postgres" if os.getuid() == 0 else None
        folder.chmod(0o755)
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        if self.user:
            shutil.chown(folder, self.user)
        self.log.touch()
        self.port = self.tools.free_port()
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [self.tools.program("initdb"), "-D", self.data, "-U", "firefly", "-A", "trust", "-E", "UTF8", "--no-instructions"],
            check=True, user=self.user, cwd=folder, env=self.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.url = f"postgresql+psycopg://firefly@127.0.0.1:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        """Start it, through its recovery, until it answers."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.tools.program("postgres"), "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-c", "max_connections=100"],
                user=self.user, cwd=self.folder, env=self.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        ready = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.tools.wait_until(lambda: self.tools.answers(ready), self.process, self.log)

    def kill(self) -> None:
        """kill -9 of every process of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def cluster():
    """A PostgreSQL of this test's own; skipped where there is none."""
    tools = services()
    try:
        tools.program("initdb")
    except tools.ProgramMissingError as missing:
        pytest.skip(f"no program named {missing}")
    with tempfile.TemporaryDirectory(prefix="firefly-cluster-", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        try:
            yield made
        finally:
            made.kill()


@pytest.mark.slow
def test_no_acknowledged_answer_is_lost_when_postgresql_is_killed(cluster):
    turns = threading.Lock()

    def strike(_serving):
        with turns:
            cluster.kill()
            time.sleep(0.3)
            cluster.start()

    line = drill.rehearse(
        drill.Plan(users=12, questions=10, minutes=0.5, drop_percent=10, kills=20),
        database_url=cluster.url,
        strike=strike,
    )
    shown(line)
    assert line["kills"] == 20
    assert line["database"] == "postgresql"


@pytest.mark.slow
def test_a_small_day_has_no_errors_and_says_what_it_cost():
    line = day.rehearse(day.Plan(users=6, minutes=0.3))
    assert line["errors"] == 0, line["error_words"]
    assert {"home", "lecture", "media", "beat", "inbox", "roll", "verify"} <= set(line["p95_ms_of"])
    assert line["acts"] > 20
    assert line["cpu_ms_per_act"] > 0


@pytest.mark.parametrize(("users", "minutes"), [(2, 1), (5_001, 1), (10, 0), (10, 241)])
def test_a_day_without_sense_is_refused(users, minutes, capsys):
    assert day.main(day.Plan(users, minutes)) == 2
    assert "a drill takes" in capsys.readouterr().err


def test_the_figures_of_a_day_come_from_what_people_waited():
    tally = Tally(walls={"home": [0.1] * 98, "log entry": [0.5, 0.5]}, errors=["x: GET /: 500"])
    line = day.figures(day.Plan(10, 1.0), tally, day_s=50.0, spent_s=1.0)
    assert (line["acts"], line["acts_per_s"], line["cpu_ms_per_act"]) == (100, 2.0, 10.0)
    assert (line["p50_ms"], line["p99_ms"]) == (100.0, 500.0)
    assert line["p95_ms_of"] == {"home": 100.0, "log entry": 500.0}
    assert line["errors"] == 1
