"""Background work: the doorman of Huey.

The domain row is the truth; the queue only wakes workers (Huey forgets a task whose worker is killed). A worker claims
the row by compare-and-set with a lease, a fencing token that grows at each claim, and an attempt limit. Output appears
by one rename and one commit, and that commit holds only if the token is still the row's. A sweep wakes what a crash
left behind. Used by transcoding, certificates, mail and every later long task.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, String, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from lms.core import clock, ids, site
from lms.core.db import Base, after_commit, db, transaction
from lms.core.storage import Away
from lms.settings import Settings

log = logging.getLogger("lms.jobs")

MAX_ATTEMPTS = 5
LEASE_S = 60
PORTION = 20
"""Rows of one kind that a sweep takes at a time."""
ROUND_S = 15.0
"""After so long a round of the sweep ends, once each kind had its turn: what is left is found by the next one."""


AWAY_S = 20
"""After so long a row is tried again that waited for files, or for the key, out of reach."""


class Leased:
    """Columns of a row that a job works on."""

    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[int] = mapped_column(default=0)
    """Fencing token: grows at each claim; a worker that slept past its lease finds a larger one and its work is dropped."""
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]
    """Not to be tried again before; None: at once."""
    failure: Mapped[str | None] = mapped_column(String(400))
    """Why the last attempt failed, in words for an operator."""


class Fenced(Exception):
    """The lease was lost: another worker has the row, and this one's result must not be kept."""


class NotNow(Exception):
    """Raised by a job for a row that waits for something outside (the key, the token): no attempt is lost, it is tried again."""


class GiveUp(Exception):
    """Raised by a job for a row that no further attempt can mend; the text is kept as the reason."""


class Lease:
    """One worker's hold on one row."""

    def __init__(self, model: type[Any], row_id: int, token: int) -> None:
        self.model = model
        self.row_id = row_id
        self.token = token
        self.lost = threading.Event()

    def check(self) -> None:
        """Inside the final transaction: lock the row and raise Fenced unless it is still ours."""
        model = self.model
        held = db.session.execute(
            update(model)
            .where(model.id == self.row_id, model.lease_token == self.token)
            .values(lease_until=model.lease_until)
            .execution_options(synchronize_session=False)
        )
        if held.rowcount != 1:  # type: ignore[attr-defined]
            raise Fenced

    def release(self) -> None:
        """Inside the final transaction: check, then give the row back."""
        self.check()
        db.session.execute(
            update(self.model)
            .where(self.model.id == self.row_id)
            .values(lease_owner=None, lease_until=None, failure=None)
            .execution_options(synchronize_session=False)
        )

    @contextlib.contextmanager
    def kept(self, app: Flask) -> Iterator[None]:
        """Renew the lease from a thread of its own while long work runs."""
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(LEASE_S / 3):
                with app.app_context(), contextlib.suppress(Exception), transaction():
                    self._extend()

        thread = threading.Thread(target=renew, daemon=True, name=f"lease-{self.row_id}")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _extend(self) -> None:
        held = db.session.execute(
            update(self.model)
            .where(self.model.id == self.row_id, self.model.lease_token == self.token)
            .values(lease_until=clock.now() + timedelta(seconds=LEASE_S))
            .execution_options(synchronize_session=False)
        )
        if held.rowcount != 1:  # type: ignore[attr-defined]
            self.lost.set()


@dataclass(frozen=True)
class Job:
    """A kind of background work over the rows of one table."""

    name: str
    model: Callable[[], type[Any]]
    ready: Callable[[], ColumnElement[bool]]
    """Which rows wait for this job (states only; leases and attempts are added here)."""
    run: Callable[[int, Lease], None]
    """Does the work for one row. Opens its own transactions; the last one calls ``lease.release()``."""
    gave_up: Callable[[int, str], None]
    """Inside a transaction: mark the row as failed for good."""
    max_attempts: int = MAX_ATTEMPTS
    label: str = ""
    """Lazy words for the operator's page."""
    failed: Callable[[], ColumnElement[bool]] | None = None
    """Which rows were given up."""
    again: Mapping[str, Any] | None = None
    """Columns with which a row that was given up waits once more; None: there is no second try."""
    signs: bool = False
    """Needs a private key of the site: where LMS_SIGNER is ``separate``, only ``lms signer`` does it."""
    urgent: bool = False
    """Somebody waits for it: the signer, who reads no queue, looks for it every second."""


class WorkerSeen(Base):
    """When each worker was last at work: without one, everything that takes long stands still."""

    __tablename__ = "worker_seen"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Host and process."""
    seen_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(10), default="worker")
    """``worker`` or ``signer``."""
    trouble: Mapped[str | None] = mapped_column(String(400))
    """Why a signer that runs cannot sign, in words for an operator."""


WORKER, SIGNER = "worker", "signer"
WORKER_REST = timedelta(minutes=3)
"""A worker that was not seen for so long is gone or stuck."""


def workers(at: datetime, *, kind: str = WORKER) -> list[WorkerSeen]:
    """The workers (or signers) that were at work lately, the newest sight first."""
    return list(
        db.session.scalars(
            select(WorkerSeen)
            .where(WorkerSeen.seen_at > at - timedelta(days=1), WorkerSeen.kind == kind)
            .order_by(WorkerSeen.seen_at.desc())
        )
    )


def note_worker(at: datetime, *, kind: str = WORKER, trouble: str = "") -> None:
    """Write down that this process is at work; ``trouble``: why it can do nothing all the same."""
    name = f"{socket.gethostname()}:{os.getpid()}"[:80]
    seen = db.session.get(WorkerSeen, name)
    if seen is None:
        db.session.execute(delete(WorkerSeen).where(WorkerSeen.seen_at < at - timedelta(days=7)))
        seen = WorkerSeen(name=name)
        db.session.add(seen)
    seen.seen_at, seen.kind, seen.trouble = at, kind, trouble[:400] or None


JOBS: dict[str, Job] = {}


def register(job: Job) -> Job:
    """Make a kind of work known; features call this in their jobs room."""
    JOBS[job.name] = job
    return job


def _nothing(_name: str, _row_id: int) -> None:
    """What Huey believes to run; we only carry its arguments."""


class Queue:
    """Wakes workers. Losing a message is harmless: the sweep finds the row."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.queue_url
        self._settings = settings

    @cached_property
    def _huey(self) -> Any:
        import huey  # with drivers of two databases in its train: for whoever has a message

        if self.url:
            return huey.RedisHuey("firefly", url=self.url, results=False, blocking=True, read_timeout=1)
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        return huey.SqliteHuey(
            "firefly", filename=str(self._settings.data_dir / "queue.sqlite3"), results=False
        )

    @cached_property
    def _wake(self) -> Any:
        return self._huey.task(name="wake")(_nothing)

    def put(self, name: str, row_id: int) -> None:
        """Say that ``row_id`` waits for job ``name``."""
        self._huey.enqueue(self._wake.s(name, row_id))

    def get(self) -> tuple[str, int] | None:
        """The next message, or None (Redis waits up to a second for one)."""
        task = self._huey.dequeue()
        if task is None:
            return None
        name, row_id = task.args
        return str(name), int(row_id)

    def length(self) -> int:
        """How many messages wait."""
        return int(self._huey.storage.queue_size())

    def clear(self) -> None:
        """Forget all messages (tests)."""
        self._huey.storage.flush_queue()

    @property
    def blocks(self) -> bool:
        """Whether ``get`` itself waits for a message."""
        return bool(self.url)


def init_app(app: Flask, settings: Settings) -> None:
    """Join the queue to the app."""
    app.extensions["lms_queue"] = Queue(settings)


def queue() -> Queue:
    """The queue of the current app."""
    found = site.extension("lms_queue")
    assert isinstance(found, Queue)
    return found


def enqueue(name: str, row_id: int) -> None:
    """After the current transaction has been committed, wake a worker for ``row_id``.

    The signer is not woken: messages of the queue are pickled objects, and whoever can write them could run code in the
    process that reads them. It looks into the database by itself.
    """
    if site.settings().signs_apart and name in JOBS and JOBS[name].signs:
        return
    waiting = queue()

    def leave() -> None:
        try:
            waiting.put(name, row_id)
        except Exception:  # noqa: BLE001 (the row is committed; the sweep will find it when the queue is back)
            log.warning("queue unreachable; %s %s waits for the sweep", name, row_id)

    after_commit(leave)


def _free(model: type[Any], at: datetime) -> ColumnElement[bool]:
    return or_(model.lease_until.is_(None), model.lease_until <= at) & or_(
        model.retry_at.is_(None), model.retry_at <= at
    )


def backlog(at: datetime) -> dict[str, int]:
    """Job → how many rows wait for it now, those that wait for another attempt left out."""
    return {
        job.name: db.session.scalar(
            select(func.count()).select_from(job.model()).where(job.ready(), _free(job.model(), at))
        )
        or 0
        for job in JOBS.values()
    }


def claim(job: Job, row_id: int, *, at: datetime) -> Lease | None:
    """Take the row by compare-and-set; None when it is not ready or somebody has it.

    A row whose attempts are used up is marked as failed instead.
    """
    model = job.model()
    owner = f"{socket.gethostname()}:{threading.get_ident()}:{ids.public_id()}"
    with transaction():
        spent = db.session.execute(
            select(model.id, model.failure)
            .where(model.id == row_id, job.ready(), _free(model, at), model.attempts >= job.max_attempts)
            .with_for_update(skip_locked=True)
        ).first()
        if spent:
            job.gave_up(row_id, spent.failure or "attempts used up")
            _fence_off(model, row_id)
            return None
        taken = db.session.execute(
            update(model)
            .where(model.id == row_id, job.ready(), _free(model, at), model.attempts < job.max_attempts)
            .values(
                lease_owner=owner,
                lease_until=at + timedelta(seconds=LEASE_S),
                lease_token=model.lease_token + 1,
                attempts=model.attempts + 1,
            )
            .returning(model.lease_token)
            .execution_options(synchronize_session=False)
        ).first()
    return Lease(model, row_id, taken[0]) if taken else None


def run_one(app: Flask, name: str, row_id: int) -> bool:
    """Claim one row and do its work; True if work was done. Never raises."""
    job = JOBS[name]
    with app.app_context():
        try:
            lease = claim(job, row_id, at=clock.now())
            if lease is None:
                return False
            try:
                with lease.kept(app):
                    job.run(row_id, lease)
            except Fenced:
                log.warning("%s %s: lease lost, result dropped", name, row_id)
            except GiveUp as problem:
                with transaction():
                    lease.check()
                    job.gave_up(row_id, str(problem)[:400])
                    _let_go(lease, str(problem))
                    _fence_off(lease.model, row_id)
            except (NotNow, Away) as problem:
                log.warning("%s %s waits: %s", name, row_id, problem)
                with transaction():
                    lease.check()
                    _wait(lease, str(problem))
            except Exception as problem:
                log.exception("%s %s failed", name, row_id)
                with transaction():
                    lease.check()
                    _let_go(lease, f"{type(problem).__name__}: {problem}")
            return True
        except Fenced:
            return True
        except Exception:
            log.exception("%s %s: could not be claimed", name, row_id)
            return False


def _fence_off(model: type[Any], row_id: int) -> None:
    """The row was given up: whoever still works on it is too late."""
    db.session.execute(
        update(model)
        .where(model.id == row_id)
        .values(lease_owner=None, lease_until=None, lease_token=model.lease_token + 1)
        .execution_options(synchronize_session=False)
    )


def _wait(lease: Lease, why: str) -> None:
    """Nothing is wrong with the row: what it needs is out of reach, and however long that lasts costs no attempt."""
    model = lease.model
    db.session.execute(
        update(model)
        .where(model.id == lease.row_id)
        .values(
            lease_owner=None,
            lease_until=None,
            attempts=model.attempts - 1,
            failure=why[:400],
            retry_at=clock.now() + timedelta(seconds=AWAY_S),
        )
        .execution_options(synchronize_session=False)
    )


def _let_go(lease: Lease, why: str) -> None:
    model = lease.model
    attempts = db.session.scalar(select(model.attempts).where(model.id == lease.row_id)) or 1
    db.session.execute(
        update(model)
        .where(model.id == lease.row_id)
        .values(
            lease_owner=None,
            lease_until=None,
            failure=why[:400],
            retry_at=clock.now() + timedelta(seconds=min(2**attempts, 300)),
        )
        .execution_options(synchronize_session=False)
    )


def sweep(
    *, at: datetime, limit: int = PORTION, takes: Callable[[Job], bool] = lambda _job: True
) -> list[tuple[str, int]]:
    """Rows that wait although nobody was woken for them (a crash, a lost message, a retry that is due).

    At most ``limit`` of each kind that ``takes`` admits, the kinds taking turns; rows whose attempts are used up come last.
    """
    portions = []
    for job in filter(takes, list(JOBS.values())):
        model = job.model()
        rows = db.session.scalars(
            select(model.id)
            .where(job.ready(), _free(model, at))
            .order_by(model.attempts >= job.max_attempts, model.id)
            .limit(limit)
        )
        portions.append([(job.name, row_id) for row_id in rows])
    db.session.rollback()
    return [one for turn in zip_longest(*portions) for one in turn if one]


EVERY: list[Callable[[datetime], None]] = []
"""Acts that the worker does about once a minute (materialise an expired sitting, seal the audit trail); idempotent."""
SIGNED: list[Callable[[datetime], None]] = []
"""Those that need a private key of the site (the daily head of a log): where a signer stands apart, only it does them."""


class Worker:
    """Takes messages and sweeps until it is stopped; a thread in the demonstration, a process in production."""

    def __init__(self, app: Flask, *, sweep_s: float = 15.0) -> None:
        self.app = app
        self.sweep_s = sweep_s
        self.stopping = threading.Event()
        self._next_chores = 0.0

    def takes(self, job: Job) -> bool:
        """Whether this worker does such work: where a signer stands apart, all but what needs a key."""
        return not (job.signs and self._signs_apart)

    @property
    def _signs_apart(self) -> bool:
        settings = self.app.extensions["lms_settings"]
        assert isinstance(settings, Settings)
        return settings.signs_apart

    def run(self) -> None:
        """Work until ``stop``."""
        next_sweep = 0.0
        waiting = self.app.extensions["lms_queue"]

        while not self.stopping.is_set():
            try:
                message = waiting.get()
            except Exception:  # noqa: BLE001 (whatever ails the queue, the database knows the work)
                log.warning("queue unreachable; working from the database alone")
                message = None
                self.stopping.wait(1.0)
            if message and message[0] in JOBS and self.takes(JOBS[message[0]]):
                run_one(self.app, *message)
            # Also under an endless stream of messages: a sitting expires, a day is sealed, a lost row is found.
            if time.monotonic() >= next_sweep:
                worked = self._guarded(partial(self.sweep_once, between=self._chores_if_due))
                next_sweep = time.monotonic() + (0 if worked else self.sweep_s)
            self._chores_if_due()
            if message is None and not waiting.blocks:
                self.stopping.wait(0.3)

    def sweep_once(self, *, between: Callable[[], None] = lambda: None) -> int:
        """One round over the waiting rows, ``between`` after each; returns how many were worked on.

        The kinds take turns, and a round that has lasted long ends once each kind had its first turn: twenty videos
        that wait hold up no letter.
        """
        with self.app.app_context():
            found = sweep(at=clock.now(), takes=self.takes)
        end = time.monotonic() + ROUND_S
        begun: set[str] = set()
        worked = 0
        for name, row_id in found:
            if self.stopping.is_set() or (name in begun and time.monotonic() >= end):
                break
            begun.add(name)
            worked += run_one(self.app, name, row_id)
            between()
        return worked

    def _chores_if_due(self) -> None:
        if time.monotonic() >= self._next_chores:
            self.chores()
            self._next_chores = time.monotonic() + 60

    def chores(self) -> None:
        """Do the once-a-minute acts, each in a transaction of its own; one that fails holds up no other."""
        for act in (note_worker, *EVERY, *(() if self._signs_apart else SIGNED)):
            self._guarded(partial(self._do, act))

    def _do(self, act: Callable[[datetime], None]) -> None:
        with self.app.app_context(), transaction():
            act(clock.now())

    def drain(self, *, rounds: int = 500) -> int:
        """Work until nothing waits (tests, demo building); returns the number of rows worked on."""
        done = 0
        for _ in range(rounds):
            worked = self.sweep_once()
            done += worked
            if not worked:
                break
        return done

    def stop(self) -> None:
        """Finish the current row and leave."""
        self.stopping.set()

    def _guarded(self, act: Callable[[], object]) -> object:
        try:
            return act()
        except Exception:
            log.exception("worker round failed")
            return None
