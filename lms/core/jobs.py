"""Background work: the doorman of Huey.

The domain row is the truth; the queue only wakes workers (Huey forgets a task whose worker is killed). A worker claims
the row by compare-and-set with a lease, a fencing token that grows at each claim, and an attempt limit (``leases``).
Output appears by one rename and one commit, and that commit holds only if the token is still the row's. A sweep wakes
what a crash left behind. Used by transcoding, certificates, mail and every later long task.

What comes by the hundred is taken in groups (``Group``): read and written for many rows at once, made row by row.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
from lms.core.leases import Fenced, Lease, Leased
from lms.core.storage import Away
from lms.settings import Settings

__all__ = [
    "EVERY",
    "JOBS",
    "LEASE_S",
    "MAX_ATTEMPTS",
    "SIGNED",
    "SIGNER",
    "WORKER",
    "WORKER_REST",
    "Fenced",
    "GiveUp",
    "Group",
    "Job",
    "Lease",
    "Leased",
    "NotNow",
    "Queue",
    "Worker",
    "WorkerSeen",
    "backlog",
    "claim",
    "enqueue",
    "enqueue_all",
    "init_app",
    "note_worker",
    "queue",
    "register",
    "run_one",
    "sweep",
    "workers",
]

log = logging.getLogger("lms.jobs")

MAX_ATTEMPTS = 5
LEASE_S = 60
PORTION = 20
"""Rows of one kind that a sweep takes at a time."""
ROUND_S = 15.0
"""After so long a round of the sweep ends, once each kind had its turn: what is left is found by the next one."""
KEEP_S = 2.0
"""What was made of a group is written down after so long, not only at its end: whoever looks sees how far it is."""
AWAY_S = 20
"""After so long a row is tried again that waited for files, or for the key, out of reach."""


class NotNow(Exception):
    """Raised by a job for a row that waits for something outside (the key, the token): no attempt is lost, it is tried again."""


class GiveUp(Exception):
    """Raised by a job for a row that no further attempt can mend; the text is kept as the reason."""


@dataclass(frozen=True)
class Group:
    """How work that comes by the hundred is done: many rows are taken, read and written at once, each is made by itself.

    A row that fails alone waits or is given up alone. One whose making was broken off before is taken by itself, so that
    what kills a worker takes no other row along a second time.
    """

    size: int
    load: Callable[[Sequence[int]], Mapping[int, Any]]
    """What the rows say, read at once; a row that is not there has failed."""
    make: Callable[[int, Any], Any]
    """Does the work for one row, from what was loaded of it and outside any transaction."""
    keep: Callable[[Lease, Mapping[int, Any]], None]
    """Writes down what was made of some rows, in a transaction of its own: of ``lease.held()``, and frees these."""


@dataclass(frozen=True)
class Job:
    """A kind of background work over the rows of one table."""

    name: str
    model: Callable[[], type[Any]]
    ready: Callable[[], ColumnElement[bool]]
    """Which rows wait for this job (states only; leases and attempts are added here)."""
    run: Callable[[int, Lease], None] | Group
    """Does the work for one row. Opens its own transactions; the last one calls ``lease.release()``. Or for a group."""
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

    @property
    def size(self) -> int:
        """So many rows are taken at once."""
        return self.run.size if isinstance(self.run, Group) else 1


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
    def _opened(self) -> tuple[Any, Any]:
        """Huey, and its one task, without which it can read no message either."""
        import huey  # with drivers of two databases in its train: for whoever has a message

        if self.url:
            made = huey.RedisHuey("firefly", url=self.url, results=False, blocking=True, read_timeout=1)
        else:
            file = self._settings.data_dir / "queue.sqlite3"
            file.parent.mkdir(parents=True, exist_ok=True)
            # SQLite's own files are never the group's, to which a signer who stands apart belongs.
            file.touch(mode=0o660)
            made = huey.SqliteHuey("firefly", filename=str(file), results=False)
        return made, made.task(name="wake")(_nothing)

    def put(self, name: str, row_id: int) -> None:
        """Say that ``row_id`` waits for job ``name``."""
        made, wake = self._opened
        made.enqueue(wake.s(name, row_id))

    def get(self) -> tuple[str, int] | None:
        """The next message, or None (Redis waits up to a second for one)."""
        task = self._opened[0].dequeue()
        if task is None:
            return None
        name, row_id = task.args
        return str(name), int(row_id)

    def length(self) -> int:
        """How many messages wait."""
        return int(self._opened[0].storage.queue_size())

    def clear(self) -> None:
        """Forget all messages (tests)."""
        self._opened[0].storage.flush_queue()

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
    enqueue_all(name, [row_id])


def enqueue_all(name: str, row_ids: Collection[int]) -> None:
    """The same for many rows: one message for each group in which they will be taken."""
    if site.settings().signs_apart and name in JOBS and JOBS[name].signs:
        return
    waiting, size = queue(), JOBS[name].size if name in JOBS else 1

    def leave() -> None:
        try:
            for row_id in sorted(row_ids)[::size]:
                waiting.put(name, row_id)
        except Exception as problem:  # noqa: BLE001 (the rows are committed; the sweep finds them)
            log.warning("queue unreachable (%r); %s %s waits for the sweep", problem, name, list(row_ids))

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
    """Take the row by compare-and-set; None when it is not ready or somebody has it. Of a group, those that follow it too.

    Rows whose attempts are used up are marked as failed instead.
    """
    model = job.model()
    owner = f"{socket.gethostname()}:{threading.get_ident()}:{ids.public_id()}"
    first = model.id == row_id if job.size == 1 else model.id >= row_id
    with transaction():
        found = db.session.execute(
            select(model.id, model.attempts, model.failure)
            .where(first, job.ready(), _free(model, at))
            .order_by(model.id)
            .limit(job.size)
            .with_for_update(key_share=True)
        ).all()
        for row in found:
            if row.attempts >= job.max_attempts:
                job.gave_up(row.id, row.failure or "attempts used up")
                _fence_off(model, [row.id])
        able = [row for row in found if row.attempts < job.max_attempts]
        if not able:
            return None
        takes = able[:1] if able[0].attempts else [row for row in able if not row.attempts]
        taken = db.session.execute(
            update(model)
            .where(model.id.in_([row.id for row in takes]))
            .values(
                lease_owner=owner,
                lease_until=at + timedelta(seconds=LEASE_S),
                lease_token=model.lease_token + 1,
                attempts=model.attempts + 1,
            )
            .returning(model.id, model.lease_token)
            .execution_options(synchronize_session=False)
        ).all()
    return Lease(model, {row.id: row.lease_token for row in taken}, lasts_s=LEASE_S)


def run_one(app: Flask, name: str, row_id: int, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Claim one row (or the group that begins with it) and do its work; how many rows were worked on. Never raises.

    ``stopping``: asked between the rows of a group whether the rest is to be left to somebody else.
    """
    job = JOBS[name]
    with app.app_context():
        try:
            lease = claim(job, row_id, at=clock.now())
            if lease is None:
                return 0
            with lease.kept(app):
                if isinstance(job.run, Group):
                    return _work_off(job, job.run, lease, stopping)
                try:
                    job.run(lease.row_id, lease)
                except Exception as problem:  # noqa: BLE001 (said in the row and in the log)
                    _failed(job, lease, problem)
            return 1
        except Exception:
            log.exception("%s %s: could not be claimed", name, row_id)
            return 0


def _work_off(job: Job, group: Group, lease: Lease, stopping: Callable[[], bool]) -> int:
    """Make one row after the other, and write down what there is whenever ``KEEP_S`` have passed; how many were begun."""
    left, made = lease.row_ids, dict[int, Any]()
    begun = kept = time.monotonic()
    try:
        loaded = group.load(left)
        while left:
            try:
                made[left[0]] = group.make(left[0], loaded[left[0]])
            except (NotNow, Away):
                raise
            except Exception as problem:  # noqa: BLE001 (said in the row and in the log)
                _failed(job, lease.of(left[:1]), problem)
            del left[0]
            if time.monotonic() - kept >= KEEP_S:
                _keep(job, group, lease, made)
                made, kept = {}, time.monotonic()
            if stopping() or time.monotonic() - begun >= ROUND_S:
                break
    except Exception as problem:  # noqa: BLE001 (what ails one of them here ails all)
        _failed(job, lease.of(left), problem)
    else:
        _give_back(lease.of(left))
    _keep(job, group, lease, made)
    return len(lease.tokens) - len(left) or 1


def _keep(job: Job, group: Group, lease: Lease, made: Mapping[int, Any]) -> None:
    """Write down what was made; where that fails for all together, for each by itself."""
    if not made:
        return
    try:
        group.keep(lease.of(made), made)
    except Exception as problem:
        if len(made) == 1 or isinstance(problem, Fenced | NotNow | Away):
            _failed(job, lease.of(made), problem)
            return
        log.exception("%s %s: could not be kept together", job.name, sorted(made))
        for row_id, one in made.items():
            _keep(job, group, lease, {row_id: one})


def _failed(job: Job, lease: Lease, problem: Exception) -> None:
    """Say in the rows why nothing came of them, and what happens now; nothing where somebody else has them."""
    try:
        if isinstance(problem, Fenced):
            raise problem
        with transaction():
            held = lease.held()
            if isinstance(problem, NotNow | Away):
                log.warning("%s %s waits: %s", job.name, held.row_ids, problem)
                _wait(held, str(problem))
            elif isinstance(problem, GiveUp):
                for row_id in held.row_ids:
                    job.gave_up(row_id, str(problem)[:400])
                _let_go(held, str(problem))
                _fence_off(held.model, held.row_ids)
            else:
                log.error("%s %s failed", job.name, held.row_ids, exc_info=problem)
                _let_go(held, f"{type(problem).__name__}: {problem}")
    except Fenced:
        log.warning("%s %s: lease lost, result dropped", job.name, lease.row_ids)


def _fence_off(model: type[Any], row_ids: Sequence[int]) -> None:
    """The rows were given up: whoever still works on them is too late."""
    db.session.execute(
        update(model)
        .where(model.id.in_(row_ids))
        .values(lease_owner=None, lease_until=None, lease_token=model.lease_token + 1)
        .execution_options(synchronize_session=False)
    )


def _wait(lease: Lease, why: str) -> None:
    """Nothing is wrong with the rows: what they need is out of reach, and however long that lasts costs no attempt."""
    lease.write(
        lease_owner=None,
        lease_until=None,
        attempts=lease.model.attempts - 1,
        failure=why[:400],
        retry_at=clock.now() + timedelta(seconds=AWAY_S),
    )


def _give_back(lease: Lease) -> None:
    """Rows of a group that were not begun are as they were before."""
    if lease.tokens:
        with transaction(), contextlib.suppress(Fenced):
            lease.held().write(lease_owner=None, lease_until=None, attempts=lease.model.attempts - 1)


def _let_go(lease: Lease, why: str) -> None:
    model = lease.model
    attempts = db.session.scalar(select(func.max(model.attempts)).where(model.id.in_(lease.row_ids))) or 1
    lease.write(
        lease_owner=None,
        lease_until=None,
        failure=why[:400],
        retry_at=clock.now() + timedelta(seconds=min(2**attempts, 300)),
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
            except Exception as problem:  # noqa: BLE001 (whatever ails the queue, the database knows the work)
                log.warning("queue unreachable (%r); working from the database alone", problem)
                message = None
                self.stopping.wait(1.0)
            if message and message[0] in JOBS and self.takes(JOBS[message[0]]):
                run_one(self.app, *message, stopping=self.stopping.is_set)
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
            worked += run_one(self.app, name, row_id, stopping=self.stopping.is_set)
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
