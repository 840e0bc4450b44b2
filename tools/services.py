"""Starts a PostgreSQL and a Redis of their own for one command, and stops them after it.

    python tools/services.py -- pytest tests

The command finds LMS_TEST_DATABASE_URL and LMS_TEST_QUEUE_URL set; its exit status is ours. Both servers listen on free
ports of 127.0.0.1 only, keep their data in a temporary folder, and never touch a server that already runs on the machine.
A variable that is already set is kept, and its server is not started. `--find` only tells where the programs are.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

DATABASE, QUEUE = "LMS_TEST_DATABASE_URL", "LMS_TEST_QUEUE_URL"

POSTGRES_SETTINGS = {
    # What a program can see of durability stays as in production (synchronous_commit is on, a killed server recovers its
    # commits). Only the wait for the disk goes: nobody pulls the plug on a test, and each test makes a database.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


class ProgramMissingError(Exception):
    """A program is not on this machine; the message names it."""


def program(name: str) -> Path:
    """Path of a server program: on PATH, or where Debian, Red Hat and brew keep PostgreSQL (the newest version wins)."""
    if found := shutil.which(name):
        return Path(found)
    places: list[Path] = []
    for folder, pattern in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/usr", "pgsql-*/bin"),
        ("/opt/homebrew/opt", "postgresql*/bin"),
        ("/usr/local/opt", "postgresql*/bin"),
    ):
        places += [place / name for place in Path(folder).glob(pattern) if (place / name).is_file()]
    if not places:
        raise ProgramMissingError(name)
    return max(places, key=lambda place: int("".join(re.findall(r"\d+", place.parent.parent.name)) or 0))


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(
    ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path, *, within_s: float = 60
) -> None:
    """Waits for a server that was just started; raises with the end of its log when it dies or does not come."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        if ready():
            return
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{Path(str(server.args[0])).name} did not start:\n{tail}")  # type: ignore[index]


@contextmanager
def stopped_after(server: subprocess.Popen[bytes], how: signal.Signals) -> Iterator[None]:
    """Sends the server its polite stop signal at the end, and waits."""
    try:
        yield
    finally:
        if server.poll() is None:
            server.send_signal(how)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


class Postgres:
    """A PostgreSQL that can be killed and started again; superuser `firefly`, so that tests may create databases."""

    def __init__(self, start: Callable[[], "subprocess.Popen[bytes]"], port: int, log: Path) -> None:
        self._start, self._port, self._log = start, port, log
        self.url = f"postgresql+psycopg://firefly@127.0.0.1:{port}/postgres"
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self.server = self._start()
        wait_until(
            lambda: answers(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]),
            self.server,
            self._log,
        )

    def kill(self) -> None:
        """The end of its machine: every process at once, without a word."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()


@contextmanager
def postgres() -> Iterator[str]:
    """A temporary PostgreSQL; yields its address."""
    with postgres_server() as server:
        yield server.url


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A temporary PostgreSQL."""
    initdb, server_program = program("initdb"), program("postgres")
    user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    with tempfile.TemporaryDirectory(prefix="firefly-pg-") as name:
        folder, port = Path(name), free_port()
        data, log = folder / "data", folder / "log"
        log.touch()
        if user:
            shutil.chown(folder, user)
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [initdb, "-D", data, "-U", "firefly", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C", "--no-instructions"],
            check=True, user=user, cwd=folder, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        options = [part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")]

        def start() -> subprocess.Popen[bytes]:
            with log.open("ab") as output:
                return subprocess.Popen(
                    [server_program, "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", *options],
                    user=user, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    start_new_session=True,
                )  # fmt: skip

        found = Postgres(start, port, log)
        try:
            yield found
        finally:
            with stopped_after(found.server, signal.SIGINT):  # a fast shutdown that does not wait for clients
                pass


def answers(command: list[str]) -> bool:
    """Whether the client program of a server says that it is ready."""
    return (
        subprocess.run([program(command[0]), *command[1:]], check=False, capture_output=True).returncode == 0
    )


@contextmanager
def redis() -> Iterator[str]:
    """A temporary Redis without persistence; yields its address."""
    server_program = program("redis-server")
    with tempfile.TemporaryDirectory(prefix="firefly-redis-") as name:
        folder, port = Path(name), free_port()
        log = folder / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [server_program, "--bind", "127.0.0.1", "--port", str(port), "--dir", name, "--save", "", "--appendonly", "no", "--databases", "64"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        with stopped_after(server, signal.SIGTERM):
            wait_until(lambda: pong(port), server, log)
            yield f"redis://127.0.0.1:{port}/0"


def pong(port: int) -> bool:
    """Whether a Redis answers PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Runs the command; a stop signal that reaches us reaches it too, so that the servers still end in order."""
    child = subprocess.Popen(command, env=environment)

    def pass_on(number: int, _frame: object) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child as well
    status = child.wait()
    return status if status >= 0 else 128 - status


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    try:
        if arguments == ["--find"]:
            print(program("initdb"), program("redis-server"), sep="\n")
            return 0
        if len(arguments) < 2 or arguments[0] != "--":
            print("usage: services.py -- COMMAND [ARGUMENTS] | services.py --find", file=sys.stderr)
            return 2
        with ExitStack() as servers:
            environment = dict(os.environ)
            for variable, start in ((DATABASE, postgres), (QUEUE, redis)):
                if not environment.get(variable):
                    environment[variable] = servers.enter_context(start())
            return run(arguments[1:], environment)
    except ProgramMissingError as missing:
        print(f"services.py: no program named {missing} on this machine", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
