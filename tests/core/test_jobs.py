"""Background work: one worker at a time, nothing lost by a crash, nothing kept from a worker that came too late."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from lms.accounts.models import Account, Person
from lms.core import clock, jobs
from lms.core.db import db, transaction
from lms.core.jobs import Fenced, GiveUp, Job, Lease, Worker
from lms.core.notices import Notice, NoticeDelivery
from lms.core.storage import storage
from lms.settings import Settings
from tests.core import worker_process
from tests.core.worker_process import NAME

LATER = timedelta(seconds=jobs.LEASE_S + 1)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def only_our_job(bare_app: Flask) -> Iterator[Job]:
    known, chores = dict(jobs.JOBS), list(jobs.EVERY)
    jobs.EVERY.clear()
    yield worker_process.register()
    jobs.JOBS.clear()
    jobs.JOBS.update(known)
    jobs.EVERY[:] = chores


@pytest.fixture
def row(bare_app: Flask, at: datetime) -> int:
    with bare_app.app_context():
        return new_row(at)


def new_row(at: datetime) -> int:
    with transaction():
        person = Person(created_at=at)
        account = Account(person=person, created_at=at)
        db.session.add(account)
        db.session.flush()
        notice = Notice(account_id=account.id, kind="tests", made_at=at)
        db.session.add(notice)
        db.session.flush()
        delivery = NoticeDelivery(notice_id=notice.id, target="mail")
        db.session.add(delivery)
        db.session.flush()
        return delivery.id


def seen(row_id: int) -> NoticeDelivery:
    db.session.rollback()
    return db.session.get_one(NoticeDelivery, row_id, populate_existing=True)


def doing(run: Any, **more: Any) -> Job:
    """The job of these tests with another act."""
    old = jobs.JOBS[NAME]
    return jobs.register(Job(NAME, old.model, old.ready, run, old.gave_up, **more))


def refused_by(act: Any) -> None:
    with transaction():
        act()


# ---------------------------------------------------------------- claims and fences


def test_a_row_is_worked_on_once(app: Flask, row: int) -> None:
    assert jobs.run_one(app, NAME, row)
    assert not jobs.run_one(app, NAME, row)
    done = seen(row)
    assert (done.state, done.attempts, done.lease_token) == ("sent", 1, 1)
    assert (done.lease_owner, done.lease_until, done.failure) == (None, None, None)
    assert storage().path(done.target)


def test_one_of_many_who_claim_at_once_gets_the_row(bare_app: Flask, row: int, only_our_job: Job) -> None:
    gate = threading.Barrier(8)
    leases: list[Lease | None] = []

    def claim() -> None:
        with bare_app.app_context():
            gate.wait()
            leases.append(jobs.claim(only_our_job, row, at=clock.now()))

    threads = [threading.Thread(target=claim) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == 8
    assert len([lease for lease in leases if lease]) == 1


def test_a_row_is_free_again_when_its_lease_has_run_out(app: Flask, row: int, only_our_job: Job) -> None:
    at = clock.now()
    first = jobs.claim(only_our_job, row, at=at)
    assert first
    assert jobs.claim(only_our_job, row, at=at + timedelta(seconds=jobs.LEASE_S - 1)) is None
    second = jobs.claim(only_our_job, row, at=at + LATER)
    assert second
    assert second.token == first.token + 1
    with pytest.raises(Fenced):
        refused_by(first.check)
    with pytest.raises(Fenced):
        refused_by(first.release)
    refused_by(second.release)
    assert seen(row).lease_owner is None


def test_what_a_late_worker_did_is_not_kept(app: Flask, row: int, only_our_job: Job) -> None:
    at = clock.now()
    late = jobs.claim(only_our_job, row, at=at)
    assert late
    with clock.travelled(LATER):
        assert jobs.run_one(app, NAME, row)
    with pytest.raises(Fenced):
        worker_process.publish(row, late)
    done = seen(row)
    assert (done.state, done.target) == ("sent", f"out/{row}/2")
    assert (storage().path(done.target) / "result.txt").exists()


def test_a_long_act_keeps_its_lease(app: Flask, row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LEASE_S", 0.6)
    begun = clock.now()
    untils: list[datetime | None] = []

    def run(row_id: int, lease: Lease) -> None:
        for _number in range(4):
            time.sleep(0.3)
            untils.append(seen(row_id).lease_until)
            db.session.rollback()
        assert not lease.lost.is_set()
        with transaction():
            lease.release()

    doing(run)
    assert jobs.run_one(app, NAME, row)
    assert untils[-1]
    assert untils[-1] > begun + timedelta(seconds=1.2)


def test_a_worker_learns_that_it_lost_its_lease(
    app: Flask, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE_S", 0.3)
    noticed: list[bool] = []

    def run(row_id: int, lease: Lease) -> None:
        with transaction():
            db.session.execute(update(NoticeDelivery).values(lease_token=NoticeDelivery.lease_token + 1))
        noticed.append(lease.lost.wait(3))
        with transaction():
            lease.release()

    doing(run)
    assert jobs.run_one(app, NAME, row)
    assert noticed == [True]
    assert seen(row).state == "due"


# ---------------------------------------------------------------- failures


def failing(problem: BaseException, row_id: int, _lease: Lease) -> None:
    raise problem


def test_a_failure_is_tried_again_with_growing_pauses_and_then_given_up(app: Flask, row: int) -> None:
    doing(partial(failing, OSError("disk full")), max_attempts=3)
    pauses = []
    for attempt in (1, 2, 3):
        before = clock.now()
        assert jobs.run_one(app, NAME, row)
        found = seen(row)
        assert (found.state, found.attempts, found.failure) == ("due", attempt, "OSError: disk full")
        assert found.lease_until is None
        assert found.retry_at
        pauses.append((found.retry_at - before).total_seconds())
        assert not jobs.run_one(app, NAME, row)  # not before its time
        with transaction():
            db.session.execute(update(NoticeDelivery).values(retry_at=None))
    assert pauses == pytest.approx([2, 4, 8], abs=1)
    assert not jobs.run_one(app, NAME, row)
    found = seen(row)
    assert (found.state, found.attempts, found.failure) == ("failed", 3, "OSError: disk full")
    assert jobs.sweep(at=clock.now() + timedelta(days=1)) == []


def test_what_no_attempt_can_mend_is_given_up_at_once(app: Flask, row: int) -> None:
    doing(partial(failing, GiveUp("no such address")))
    assert jobs.run_one(app, NAME, row)
    assert (seen(row).state, seen(row).failure) == ("failed", "no such address")


def test_a_failure_inside_the_last_transaction_leaves_nothing_half_done(app: Flask, row: int) -> None:
    def run(row_id: int, lease: Lease) -> None:
        with transaction():
            lease.release()
            db.session.execute(update(NoticeDelivery).values(state="sent"))
            raise ZeroDivisionError

    doing(run)
    assert jobs.run_one(app, NAME, row)
    assert (seen(row).state, seen(row).failure) == ("due", "ZeroDivisionError: ")


def test_a_row_whose_workers_all_died_is_given_up_in_the_end(app: Flask, row: int, only_our_job: Job) -> None:
    at = clock.now()
    for _number in range(3):
        assert jobs.claim(only_our_job, row, at=at)
        at += LATER
    assert jobs.claim(only_our_job, row, at=at) is None
    assert seen(row).state == "failed"


def test_what_a_late_worker_did_after_the_give_up_is_not_kept(
    app: Flask, row: int, only_our_job: Job
) -> None:
    at = clock.now()
    leases = []
    for _number in range(3):
        leases.append(jobs.claim(only_our_job, row, at=at))
        at += LATER
    assert jobs.claim(only_our_job, row, at=at) is None
    late = leases[-1]
    assert late
    with pytest.raises(Fenced):
        worker_process.publish(row, late)
    assert (seen(row).state, seen(row).lease_owner, seen(row).lease_until) == ("failed", None, None)


# ---------------------------------------------------------------- queue and sweep


def test_a_message_leaves_only_with_its_commit(app: Flask, row: int) -> None:
    waiting = jobs.queue()
    waiting.clear()

    def fail() -> None:
        with transaction():
            jobs.enqueue(NAME, row)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert waiting.length() == 0
    with transaction():
        jobs.enqueue(NAME, row)
        assert waiting.length() == 0
    assert waiting.length() == 1
    assert waiting.get() == (NAME, row)
    assert waiting.get() is None


def test_a_row_whose_message_was_lost_is_found_by_the_sweep(app: Flask, row: int) -> None:
    jobs.queue().clear()
    assert jobs.sweep(at=clock.now()) == [(NAME, row)]
    assert Worker(app).drain() == 1
    assert jobs.sweep(at=clock.now()) == []


def test_kinds_take_turns_in_a_sweep_and_a_long_round_ends_once_each_had_one(
    app: Flask, row: int, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = jobs.JOBS[NAME]
    rows = [row] + [new_row(at) for _number in range(4)]
    jobs.register(
        Job("core.other", ours.model, ours.ready, partial(failing, GiveUp("not ours")), ours.gave_up)
    )
    assert jobs.sweep(at=clock.now(), limit=2) == [
        (name, row_id) for row_id in rows[:2] for name in (NAME, "core.other")
    ]
    monkeypatch.setattr(jobs, "ROUND_S", 0.0)
    left: list[int] = []
    assert Worker(app).sweep_once(between=lambda: left.append(len(jobs.sweep(at=clock.now())))) == 1
    assert left == [8, 8]  # one of ours; the other kind had its turn, too, and found the row done
    monkeypatch.setattr(jobs, "ROUND_S", 60.0)
    assert Worker(app).drain() == 4


def test_chores_that_are_due_do_not_wait_for_the_end_of_a_round(app: Flask, row: int, at: datetime) -> None:
    for _number in range(3):
        new_row(at)
    left: list[int] = []
    jobs.EVERY[:] = [lambda _at: left.append(len(jobs.sweep(at=clock.now())))]
    worker = Worker(app)
    assert worker.sweep_once(between=worker._chores_if_due) == 4
    assert left == [3]


def test_rows_whose_attempts_are_used_up_hold_up_no_fresh_ones(app: Flask, row: int, at: datetime) -> None:
    with transaction():
        db.session.execute(update(NoticeDelivery).values(attempts=99))
    fresh = new_row(at)
    assert jobs.sweep(at=clock.now(), limit=1) == [(NAME, fresh)]


def test_an_unreachable_queue_does_not_undo_the_act(
    app: Flask, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_args: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(jobs.queue()._opened[0], "enqueue", unreachable)
    with transaction():
        db.session.execute(update(NoticeDelivery).values(failure="note"))
        jobs.enqueue(NAME, row)
    assert seen(row).failure == "note"


@contextmanager
def working(app: Flask, **more: Any) -> Iterator[Worker]:
    worker = Worker(app, **more)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive()


def until(met: Any, *, within_s: float = 15) -> None:
    end = time.monotonic() + within_s
    while not met():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.05)


def test_a_message_wakes_a_worker(app: Flask, row: int) -> None:
    with working(app, sweep_s=1000):
        time.sleep(0.4)  # past its first sweep? then only the message can wake it for the new row
        until(lambda: seen(row).state == "sent")
        another = new_row(clock.now())
        with transaction():
            jobs.enqueue(NAME, another)
        until(lambda: seen(another).state == "sent")


def test_chores_are_done_under_an_endless_stream_of_messages_and_a_failing_one_holds_up_no_other(
    app: Flask, row: int
) -> None:
    jobs.queue().clear()
    for _number in range(300):
        jobs.queue().put(NAME, 10**6)  # rows that are not there
    left: list[int] = []

    def fails(_at: datetime) -> None:
        raise ZeroDivisionError

    jobs.EVERY[:] = [fails, lambda _at: left.append(jobs.queue().length())]
    with working(app):
        until(lambda: left)
    assert left[0] > 200


def test_a_message_for_work_that_is_unknown_here_harms_nobody(app: Flask, row: int) -> None:
    jobs.queue().clear()
    jobs.queue().put("of.another.version", 1)
    with working(app):
        until(lambda: seen(row).state == "sent")


def test_a_worker_reads_what_another_process_sent_though_it_never_sent_anything_itself(
    bare_app: Flask, settings: Settings
) -> None:
    with bare_app.app_context():
        jobs.queue().clear()
    jobs.Queue(settings).put(NAME, 7)
    reader = jobs.Queue(settings)
    assert reader.get() == (NAME, 7)
    assert reader.get() is None


# ---------------------------------------------------------------- real processes


@contextmanager
def process(settings: Settings, slow_s: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.core.worker_process"]
    arguments = [str(settings.data_dir), settings.database_url, settings.queue_url, str(slow_s)]
    started = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout
    try:
        assert started.stdout.readline() == "begun\n"
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def published(row_id: int) -> list[str]:
    folder = storage().root / "out" / str(row_id)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_worker_killed_in_the_middle_leads_to_exactly_one_result(
    app: Flask, row: int, settings: Settings
) -> None:
    with process(settings, 60) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert seen(row).state == "due"
    assert published(row) == []
    assert Worker(app).drain() == 0  # the dead one's lease still runs
    with clock.travelled(LATER):
        assert Worker(app).drain() == 1
        assert Worker(app).drain() == 0
    assert published(row) == ["2"]
    done = seen(row)
    assert (done.state, done.target, done.attempts) == ("sent", f"out/{row}/2", 2)


def test_a_worker_that_slept_past_its_lease_is_fenced_off(app: Flask, row: int, settings: Settings) -> None:
    with process(settings, 0.5) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        with clock.travelled(LATER):
            assert Worker(app).drain() == 1
        os.kill(worker.pid, signal.SIGCONT)
        until(lambda: published(row) == ["1", "2"])  # it goes on as if nothing had happened
        time.sleep(0.3)
        done = seen(row)
        assert (done.state, done.target, done.lease_token) == ("sent", f"out/{row}/2", 2)
