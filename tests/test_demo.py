"""The demonstration's command: it touches nothing that is not a demonstration's."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lms.cli.demo import MARK

ROOT = Path(__file__).resolve().parents[1]


def run(data, *more, port=0, **environment):
    """`lms demo` in a process of its own, which ends by itself only where it refuses."""
    return subprocess.run(
        [sys.executable, "-m", "lms.cli", "demo", "--no-open", "--data", data, "--port", str(port), *more],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--reset",)])
@pytest.mark.parametrize("name", ["firefly.sqlite3", "secret_key", "thesis.docx"])
def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path, more, name):
    (tmp_path / name).write_text("mine")
    answer = run(tmp_path, *more)
    assert answer.returncode == 2
    assert "nothing was changed" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_port_in_use_is_said_before_anything_is_removed(tmp_path):
    (tmp_path / MARK).touch()
    (tmp_path / "firefly.sqlite3").write_text("a running demonstration")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = run(tmp_path, "--reset", port=taken.getsockname()[1])
    assert answer.returncode == 2
    assert "is in use" in answer.stderr
    assert (tmp_path / "firefly.sqlite3").read_text() == "a running demonstration"
