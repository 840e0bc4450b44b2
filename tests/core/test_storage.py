"""Files: whole or not there, under names that cannot leave their folder."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lms.core.storage import LocalStorage, init_storage, storage
from lms.settings import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "media")


def leftovers(place: LocalStorage) -> list[str]:
    return [path.name for path in (place.root / ".tmp").iterdir()]


def test_a_file_is_kept_under_its_digest_once(place: LocalStorage) -> None:
    key = place.put("certificates", b"%PDF", suffix=".pdf")
    digest = hashlib.sha256(b"%PDF").hexdigest()
    assert key == f"certificates/{digest[:2]}/{digest}.pdf"
    assert place.path(key).read_bytes() == b"%PDF"
    assert place.path(key).stat().st_mode & 0o777 == 0o640
    assert place.put("certificates", b"%PDF", suffix=".pdf") == key
    assert leftovers(place) == []


def test_what_is_not_there_is_not_found(place: LocalStorage) -> None:
    assert not place.exists("certificates/aa/bb.pdf")
    with pytest.raises(FileNotFoundError):
        place.path("certificates/aa/bb.pdf")
    place.remove("certificates/aa/bb.pdf")


@pytest.mark.parametrize(
    "key",
    [
        "", ".", "..", "/etc/passwd", "../secret", "a/../../b", "a/..", "a//b", "a/./b", ".tmp/x", "a/.hidden", "a\x00b",
        "a\\..\\b", "A", "a/b\n", "a b", "a/", "/a", "~", "a..b", "ａ", "a/%2e%2e/b",
    ],
)  # fmt: skip
def test_a_key_cannot_leave_its_folder(place: LocalStorage, key: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    for act in (place.path, place.exists, place.remove):
        with pytest.raises(FileNotFoundError):
            act(key)
    with place.temporary() as folder:
        with pytest.raises(FileNotFoundError):
            place.publish(folder, key)
        with pytest.raises(FileNotFoundError):
            place.adopt(folder / "x", key)
    assert victim.exists()


@given(
    key=st.text(max_size=20)
    | st.lists(st.sampled_from(["a", "..", ".", "/", "\\", "0", "\x00", "-"]), max_size=8).map("".join)
)
@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_accepted_lies_inside(place: LocalStorage, key: str) -> None:
    try:
        found = place._resolve(key)
    except FileNotFoundError:
        return
    assert found.resolve().is_relative_to(place.root.resolve())
    assert found != place.root
    assert not found.is_relative_to(place.root / ".tmp")


def test_a_folder_appears_whole_by_one_rename(place: LocalStorage) -> None:
    with place.temporary("transcode-") as folder:
        out = folder / "out"
        (out / "deep").mkdir(parents=True)
        (out / "deep" / "a.m4s").write_bytes(b"x")
        assert not place.exists("videos/abc/1")
        place.publish(out, "videos/abc/1")
    assert (place.path("videos/abc/1") / "deep" / "a.m4s").read_bytes() == b"x"
    assert leftovers(place) == []
    place.remove("videos/abc/1")
    assert not place.exists("videos/abc/1")


def test_what_a_crash_left_under_the_same_name_is_replaced(place: LocalStorage) -> None:
    for word in ("old", "new"):
        with place.temporary() as folder:
            (folder / "out").mkdir()
            (folder / "out" / word).write_text(word)
            place.publish(folder / "out", "videos/abc/1")
    assert [path.name for path in place.path("videos/abc/1").iterdir()] == ["new"]


def test_a_temporary_folder_is_gone_after_a_failure(place: LocalStorage) -> None:
    def fail() -> None:
        with place.temporary() as folder:
            (folder / "half").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert leftovers(place) == []


def test_an_upload_is_received_and_adopted(place: LocalStorage) -> None:
    path = place.receive(io.BytesIO(b"x" * 3_000_000), limit_bytes=3_000_000)
    place.adopt(path, "uploads/abc/video.mp4")
    assert place.path("uploads/abc/video.mp4").stat().st_size == 3_000_000
    assert leftovers(place) == []


def test_an_upload_past_its_limit_is_refused_and_leaves_nothing(place: LocalStorage) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(ValueError, match="too large"):
        place.receive(stream, limit_bytes=5_000_000)  # type: ignore[arg-type]
    assert stream.given < 8_000_000
    assert leftovers(place) == []


def test_an_upload_that_breaks_off_leaves_nothing(place: LocalStorage) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        place.receive(Broken(), limit_bytes=10)  # type: ignore[arg-type]
    assert leftovers(place) == []


def test_many_who_keep_the_same_bytes_keep_one_file(place: LocalStorage) -> None:
    keys: list[str] = []
    threads = [
        threading.Thread(target=lambda: keys.append(place.put("a", b"same" * 1000))) for _number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert leftovers(place) == []


SCRIPT = """
import os, sys, time
from pathlib import Path
from lms.core.storage import LocalStorage
place = LocalStorage(Path(sys.argv[1]))
number = 0
while True:
    place.put("a", str(number).encode() * 100_000)
    with place.temporary() as folder:
        (folder / "out").mkdir()
        for name in "abc":
            (folder / "out" / name).write_bytes(b"x" * 100_000)
        place.publish(folder / "out", f"b/{number}")
    number += 1
    print(number, flush=True)
"""


def test_whatever_is_visible_after_a_kill_is_whole_and_the_rest_is_swept(place: LocalStorage) -> None:
    for pause_s in (0.0, 0.004, 0.011):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(place.root)], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(pause_s)
            os.kill(process.pid, signal.SIGKILL)
    for path in (place.root / "a").rglob("*"):
        if path.is_file():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    for folder in (place.root / "b").iterdir():
        assert sorted((one.name, one.stat().st_size) for one in folder.iterdir()) == [
            (name, 100_000) for name in "abc"
        ]
    place.forget_leftovers(before=datetime.now(UTC) + timedelta(minutes=1))
    assert leftovers(place) == []


def test_the_sweep_leaves_alone_what_is_still_being_written(place: LocalStorage) -> None:
    now = datetime.now(UTC)
    with place.temporary() as busy, place.temporary() as dead:
        for folder in (busy, dead):
            (folder / "file").write_text("x")
            os.utime(folder, (0, 0))
        os.utime(dead / "file", (0, 0))
        (place.root / ".tmp" / "upload-dead").write_text("x")
        os.utime(place.root / ".tmp" / "upload-dead", (0, 0))
        assert place.forget_leftovers(before=now - timedelta(days=1)) == 2
        assert leftovers(place) == [busy.name]


def test_a_process_has_one_place(tmp_path: Path) -> None:
    made = init_storage(load({}, env="test", data_dir=tmp_path))
    assert storage() is made
