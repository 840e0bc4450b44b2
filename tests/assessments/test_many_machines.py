"""Two web machines, two workers, PostgreSQL, Redis and nginx: one of each dies while a test is sat, and nothing is lost."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from lms.app import create_app
from lms.assessments import models
from lms.core import audit
from lms.core.db import db
from lms.operations import move
from lms.settings import load
from tests import servers
from tests.assessments.test_durability import Device, assert_kept
from tests.conftest import POSTGRES

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(bool(POSTGRES), reason="it starts and kills a database of its own"),
]


class Machine:
    """One process of the product, in a process group of its own."""

    def __init__(self, environment, *command) -> None:
        self.environment, self.command = environment, command
        self.process = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lms.cli", *self.command],
            env=self.environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        """The loss of power."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def machines(settings, tmp_path):
    """`with machines() as (site, webs, workers, postgres)`: the test's site moved to PostgreSQL and served by two of each."""

    @contextmanager
    def start():
        with ExitStack() as running:
            services = servers.services()
            postgres = running.enter_context(services.postgres_server())
            redis = running.enter_context(services.redis())
            port, ports = servers.free_port(), [servers.free_port(), servers.free_port()]
            target = postgres.url.replace("/postgres", "/firefly")
            engine = create_engine(postgres.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with engine.connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE firefly")
            move.move(settings.database_url, target, says=lambda _line: None)
            variables = {
                "LMS_ENV": "test",
                "LMS_DATA_DIR": str(settings.data_dir),
                "LMS_DATABASE_URL": target,
                "LMS_QUEUE_URL": redis,
                "LMS_SECRET_KEY": settings.secret_key,
                "LMS_KEYS_PASSPHRASE": settings.keys_passphrase,
                "LMS_BASE_URL": f"http://localhost:{port}",
                "LMS_TRUSTED_PROXIES": "1",
                "LMS_X_ACCEL_PREFIX": "/_media/",
            }
            site = load(variables)
            environment = {key: value for key, value in os.environ.items() if not key.startswith("LMS_")}
            webs = [Machine(environment | variables, "serve", "--bind", f"127.0.0.1:{one}") for one in ports]
            workers = [Machine(environment | variables, "worker") for _ in range(2)]
            for machine in (*webs, *workers):
                running.callback(machine.kill)
                machine.start()
            folder = tmp_path / "nginx"
            folder.mkdir()
            running.enter_context(
                servers.nginx(site, folder, port=port, bind=[f"127.0.0.1:{one}" for one in ports])
            )
            for one in (*ports, port):
                until_ready(one)
            yield port, site, webs, workers, postgres

    return start


def until_ready(port):
    """Waits until the site answers there."""
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz", headers={"Host": f"localhost:{port}"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError("the site did not start")


def until_more(devices, number=20):
    """Waits until so many more answers are acknowledged."""
    before, end = sum(device.acked for device in devices), time.monotonic() + 60
    while sum(device.acked for device in devices) < before + number:
        assert time.monotonic() < end, "nothing is acknowledged any more"
        time.sleep(0.02)


def submitted(port, device):
    """Submits a sitting until the site says it is."""
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(
                "POST", f"{device.url}/submit", "", device.headers | {"Content-Type": "application/x-www-form-urlencoded"}
            )  # fmt: skip
            if (status := connection.getresponse().status) == 303:
                return
            assert status >= 500, status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError("the sitting was not submitted")


def test_a_web_a_worker_and_the_database_die_and_the_test_goes_on(desk, candidate, cast, settings, machines):
    sitters = [candidate(cast.trainee), candidate(cast.other_trainee)]
    for sitter in sitters:
        sitter.start(desk.test)
    with desk.app.app_context():
        db.session.remove()
        db.engine.dispose()
    stop = threading.Event()
    with machines() as (port, site, webs, workers, postgres):
        devices = []
        for number in range(4):
            sitter = sitters[number % 2]
            cookies = f"firefly={sitter.client.get_cookie('firefly').value}; sitting={sitter.client.get_cookie('sitting', path=sitter.url).value}"
            device = Device(f"device-{number}", port, sitter.url, cookies, stop)
            device.headers["Host"] = f"localhost:{port}"
            devices.append(device)
        for device in devices:
            device.start()
        until_more(devices)
        webs[0].kill()
        until_more(devices)  # the other machine alone
        webs[0].start()
        postgres.kill()
        time.sleep(0.5)
        postgres.start()
        until_more(devices)
        workers[0].kill()
        stop.set()
        for device in devices:
            device.join(60)
            assert not device.is_alive()
        for device in devices[:2]:
            submitted(port, device)
        assert sum(device.lost_replies for device in devices) >= 1
        app = create_app(site)
        desk.app = app
        assert assert_kept(desk, devices, {device.name: device.acked for device in devices}) == 0
        with app.app_context():
            for _ in range(300):  # the worker that is left marks both
                db.session.rollback()
                graded = list(db.session.scalars(select(models.Grade.sitting_id)))
                if len(graded) == 2:
                    break
                time.sleep(0.1)
            assert len(set(graded)) == len(graded) == 2
            assert audit.verify().broken == ()
            db.session.remove()
            db.engine.dispose()
