"""What was acknowledged survives ``kill -9`` of the real server, again and again."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

from lms.assessments import models, rules
from lms.core.db import db
from tests.assessments.cases import case_test

SERVE = """
import os
from lms.serving import Server
from lms.settings import load
Server(load(), bind="127.0.0.1:" + os.environ["PORT"], threads=16).run()
"""

DEVICES = 6


class Site:
    """The real server in a process group of its own."""

    def __init__(self, settings) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.env = os.environ | {
            "PORT": str(self.port),
            "LMS_ENV": "test",
            "LMS_DATA_DIR": str(settings.data_dir),
            "LMS_DATABASE_URL": settings.database_url,
            "LMS_QUEUE_URL": settings.queue_url,
            "LMS_SECRET_KEY": settings.secret_key,
            "LMS_KEYS_PASSPHRASE": settings.keys_passphrase,
            "LMS_BASE_URL": "http://localhost",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE], env=self.env, start_new_session=True, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """kill -9, master and workers, without a word."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def running(settings) -> Iterator[Site]:
    """A site that is gone afterwards, whatever happens."""
    site = Site(settings)
    try:
        yield site
    finally:
        site.kill()


class Device(threading.Thread):
    """A candidate's device: sends one operation after another, repeats what was not acknowledged."""

    def __init__(self, name, port, url, cookies, stop) -> None:
        super().__init__(daemon=True, name=name)
        self.port, self.url, self.stop = port, url, stop
        self.headers = {
            "Content-Type": "application/json",
            "Sec-Fetch-Site": "same-origin",
            "Cookie": cookies,
        }
        self.made: dict[int, dict] = {}
        self.acked = 0
        self.lost_replies = 0
        self.chance = random.Random(name)

    def run(self) -> None:
        """Until told to stop; then until everything made is acknowledged."""
        connection = None
        while not (self.stop.is_set() and self.acked == len(self.made)):
            if not self.stop.is_set() and len(self.made) - self.acked < 5:
                seq = len(self.made) + 1
                self.made[seq] = {
                    "device": self.name,
                    "seq": seq,
                    "slot": self.chance.randint(1, 10),
                    "body": {"choice": self.chance.choice("abcde")},
                }
            waiting = [self.made[seq] for seq in range(self.acked + 1, len(self.made) + 1)]
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request(
                    "POST", f"{self.url}/ops", json.dumps({"epoch": 1, "ops": waiting}), self.headers
                )
                answer = connection.getresponse()
                body = answer.read()
                reply = json.loads(body) if answer.status == 200 else self.come_again(answer.status)
                assert reply["rejected"] == [], reply
                assert reply["acked"] >= self.acked
                self.acked = reply["acked"]
            except (OSError, http.client.HTTPException, ValueError):
                self.lost_replies += 1
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.1)
        if connection is not None:
            connection.close()

    def come_again(self, status: int) -> dict:
        """The server is busy: that is no answer."""
        raise OSError(status)


def play(desk, candidate, cast, settings, *, kills: int) -> tuple[int, int]:
    """Devices of two candidates answer while the server is killed; returns (acknowledged, lost)."""
    chance = random.Random(7)
    sitters = [candidate(cast.trainee), candidate(cast.other_trainee)]
    for sitter in sitters:
        sitter.start(desk.test)
    stop = threading.Event()
    with running(settings) as site:
        site.start()
        devices = []
        for number in range(DEVICES):
            sitter = sitters[number % 2]
            cookies = f"firefly={sitter.client.get_cookie('firefly').value}; sitting={sitter.client.get_cookie('sitting', path=sitter.url).value}"
            devices.append(Device(f"device-{number}", site.port, sitter.url, cookies, stop))
        for device in devices:
            device.start()
        promised: dict[str, int] = {}
        for _ in range(kills):
            before = sum(device.acked for device in devices)
            while sum(device.acked for device in devices) < before + 10:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.2)
            site.kill()
            promised = {device.name: device.acked for device in devices}
            assert_kept(desk, devices, promised)
            site.start()
        stop.set()
        for device in devices:
            device.join(60)
            assert not device.is_alive()
    lost = assert_kept(desk, devices, {device.name: device.acked for device in devices})
    assert sum(device.lost_replies for device in devices) >= kills
    return sum(device.acked for device in devices), lost


def assert_kept(desk, devices, promised) -> int:
    """Every acknowledged operation is there, once, as it was sent; heads are what the events say."""
    with desk.app.app_context():
        rows = db.session.execute(
            select(
                models.ResponseEvent.device,
                models.ResponseEvent.client_seq,
                models.ResponseEvent.slot,
                models.ResponseEvent.body,
            )
        ).all()
        stored = {(row.device, row.client_seq): (row.slot, row.body) for row in rows}
        assert len(stored) == len(rows)
        lost = 0
        for device in devices:
            for seq in range(1, promised[device.name] + 1):
                sent = device.made[seq]
                lost += stored.get((device.name, seq)) != (sent["slot"], sent["body"])
        assert lost == 0
        for sitting_id in db.session.scalars(select(models.Sitting.id)):
            events = db.session.scalars(
                select(models.ResponseEvent)
                .where(models.ResponseEvent.sitting_id == sitting_id)
                .order_by(models.ResponseEvent.id)
            ).all()
            heads = db.session.scalars(
                select(models.ResponseHead).where(models.ResponseHead.sitting_id == sitting_id)
            ).all()
            assert {(head.slot, head.kind): head.event_id for head in heads} == {
                place: event.id for place, event in rules.fold(events).items()
            }
        return lost


def test_no_acknowledged_answer_is_lost_when_the_server_is_killed(desk, candidate, cast, settings):
    acknowledged, lost = play(desk, candidate, cast, settings, kills=3)
    assert acknowledged > 30
    assert lost == 0


@pytest.mark.slow
def test_no_acknowledged_answer_is_lost_in_forty_kills(desk, candidate, cast, settings):
    acknowledged, lost = play(desk, candidate, cast, settings, kills=40)
    assert acknowledged > 400
    assert lost == 0
    with desk.app.app_context():
        total = db.session.execute(select(func.count()).select_from(models.ResponseEvent)).scalar_one()
    print(json.dumps({"kills": 40, "acknowledged": acknowledged, "stored": total, "lost": lost}))


def test_a_choice_of_cases_that_was_acknowledged_survives_kill_9(bare_app, cast, at, candidate, settings):
    """Ticks, confirmation and hand-over of the next ask, each acknowledged and followed by a kill; sent again they change nothing."""
    with bare_app.app_context():
        test = case_test(cast, at)
    sitter = candidate(cast.trainee)
    sitter.start(test)
    cookies = f"firefly={sitter.client.get_cookie('firefly').value}; sitting={sitter.client.get_cookie('sitting', path=sitter.url).value}"
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", "Cookie": cookies}
    steps = [
        sitter.op(20_002, {"choose": [3, 7]}),
        sitter.op(20_002, {"lock": [3, 7]}),
        sitter.op(3, {"choices": ["a"]}),
        sitter.op(3, {"lock": True}),
    ]
    with running(settings) as site:
        for number in range(1, len(steps) + 1):
            site.start()
            for ops in (steps[:number], steps[number - 1 : number]):
                connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
                connection.request("POST", f"{sitter.url}/ops", json.dumps({"epoch": 1, "ops": ops}), headers)
                said = json.loads(connection.getresponse().read())
                connection.close()
                assert (said["acked"], said["rejected"]) == (number, [])
            site.kill()
    head = models.ResponseHead
    with bare_app.app_context():
        rows = db.session.execute(select(head.slot, head.kind, head.body)).all()
        events = db.session.scalar(select(func.count()).select_from(models.ResponseEvent))
    assert {(row.slot, row.kind): row.body for row in rows} == {
        (20_002, "choose"): {"choose": [3, 7]},
        (20_002, "lock"): {"lock": [3, 7]},
        (3, "answer"): {"choices": ["a"]},
        (3, "lock"): {"lock": True},
    }
    assert events == len(steps)
