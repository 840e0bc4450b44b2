"""Work in groups: many rows are taken and written at once, and yet each fails, waits or is lost by itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from lms.core import clock, jobs
from lms.core.db import db, transaction
from lms.core.jobs import GiveUp, Group, Job, Lease, NotNow
from lms.core.notices import NoticeDelivery
from tests.core import worker_process
from tests.core.test_jobs import new_row
from tests.core.worker_process import NAME

LATER = timedelta(seconds=jobs.LEASE_S + 1)


class Bench:
    """A job over deliveries whose making and keeping the test decides; it notes what was kept together."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []
        self.made: list[int] = []
        self.trouble: dict[int, Exception] = {}
        self.unkept: set[int] = set()
        self.between: Callable[[int], None] = lambda _row_id: None

    def load(self, row_ids: Sequence[int]) -> Mapping[int, str]:
        return {one: f"row {one}" for one in row_ids}

    def make(self, row_id: int, row: str) -> str:
        self.made.append(row_id)
        self.between(row_id)
        if row_id in self.trouble:
            raise self.trouble[row_id]
        return row

    def keep(self, lease: Lease, made: Mapping[int, str]) -> None:
        with transaction():
            held = lease.held()
            assert all(made[one] == f"row {one}" for one in held.row_ids)
            if self.unkept & set(held.row_ids):
                raise ZeroDivisionError
            held.write(state="sent")
            held.free()
        self.kept.append(held.row_ids)


@pytest.fixture
def bench(bare_app: Flask) -> Iterator[Bench]:
    known, chores = dict(jobs.JOBS), list(jobs.EVERY)
    jobs.EVERY.clear()
    ours, made = worker_process.register(), Bench()
    group = Group(4, load=made.load, make=made.make, keep=made.keep)
    jobs.register(Job(NAME, ours.model, ours.ready, group, ours.gave_up, max_attempts=3))
    yield made
    jobs.JOBS.clear()
    jobs.JOBS.update(known)
    jobs.EVERY[:] = chores


@pytest.fixture
def rows(app: Flask, bench: Bench, at: datetime) -> list[int]:
    return [new_row(at) for _number in range(4)]


def seen(rows: Sequence[int]) -> list[NoticeDelivery]:
    db.session.rollback()
    query = select(NoticeDelivery).where(NoticeDelivery.id.in_(rows)).order_by(NoticeDelivery.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def states(rows: Sequence[int]) -> list[tuple[str, int, str | None]]:
    """State, attempts and failure of each row; nobody may hold any of them still."""
    found = seen(rows)
    assert all((row.lease_owner, row.lease_until) == (None, None) for row in found)
    return [(row.state, row.attempts, row.failure) for row in found]


def test_a_group_is_taken_and_written_in_as_many_statements_as_one_row(
    app: Flask, bench: Bench, rows: list[int], queries: Any
) -> None:
    with queries() as alone:
        assert jobs.run_one(app, NAME, rows[3]) == 1
    with queries() as together:
        assert jobs.run_one(app, NAME, rows[0]) == 3
    assert together.count == alone.count
    assert bench.kept == [rows[3:], rows[:3]]
    assert states(rows) == [("sent", 1, None)] * 4


def test_a_group_has_its_size_and_what_is_left_is_another(
    app: Flask, bench: Bench, rows: list[int], at: datetime
) -> None:
    more = [new_row(at) for _number in range(2)]
    assert jobs.run_one(app, NAME, rows[0]) == 4
    assert jobs.run_one(app, NAME, rows[0]) == 2
    assert bench.kept == [rows, more]


def test_one_that_fails_stops_no_other(app: Flask, bench: Bench, rows: list[int]) -> None:
    bench.trouble = {rows[0]: OSError("disk full"), rows[2]: GiveUp("no such character")}
    assert jobs.run_one(app, NAME, rows[0]) == 4
    assert states(rows) == [
        ("due", 1, "OSError: disk full"),
        ("sent", 1, None),
        ("failed", 1, "no such character"),
        ("sent", 1, None),
    ]
    assert bench.kept == [[rows[1], rows[3]]]


def test_what_is_out_of_reach_for_one_is_so_for_those_that_follow_and_costs_no_attempt(
    app: Flask, bench: Bench, rows: list[int]
) -> None:
    bench.trouble = {rows[1]: NotNow("no key")}
    assert jobs.run_one(app, NAME, rows[0])
    assert states(rows) == [("sent", 1, None)] + [("due", 0, "no key")] * 3
    assert bench.made == rows[:2]
    assert jobs.run_one(app, NAME, rows[0]) == 0, "they wait"
    bench.trouble = {}
    with clock.travelled(timedelta(seconds=jobs.AWAY_S + 1)):
        assert jobs.run_one(app, NAME, rows[0]) == 3
    assert states(rows) == [("sent", 1, None)] * 4


def test_what_cannot_be_written_together_is_written_one_by_one(
    app: Flask, bench: Bench, rows: list[int]
) -> None:
    bench.unkept = {rows[1]}
    assert jobs.run_one(app, NAME, rows[0]) == 4
    assert bench.kept == [[rows[0]], [rows[2]], [rows[3]]]
    assert states(rows)[1] == ("due", 1, "ZeroDivisionError: ")


def test_what_was_made_is_written_down_before_the_group_is_at_its_end(
    app: Flask, bench: Bench, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEEP_S", 0.0)  # no waiting: each is written down before the next is begun
    assert jobs.run_one(app, NAME, rows[0]) == 4
    assert bench.kept == [[one] for one in rows]


def test_a_worker_that_is_to_stop_gives_the_rest_back_as_it_was(
    app: Flask, bench: Bench, rows: list[int]
) -> None:
    assert jobs.run_one(app, NAME, rows[0], stopping=lambda: len(bench.made) == 2) == 2
    assert states(rows) == [("sent", 1, None)] * 2 + [("due", 0, None)] * 2
    assert jobs.run_one(app, NAME, rows[0]) == 2


def test_what_a_dead_worker_had_begun_is_taken_row_by_row_and_one_that_kills_takes_no_other_along(
    app: Flask, bench: Bench, rows: list[int]
) -> None:
    job, at = jobs.JOBS[NAME], clock.now()
    dead = jobs.claim(job, rows[0], at=at)
    assert dead
    assert dead.row_ids == rows
    assert jobs.claim(job, rows[0], at=at) is None
    for attempt in (1, 2):  # the first row kills two more workers
        again = jobs.claim(job, rows[0], at=at + attempt * LATER)
        assert again
        assert again.row_ids == rows[:1]
    with clock.travelled(3 * LATER):
        assert jobs.Worker(app).drain() == 3
    assert bench.kept == [[one] for one in rows[1:]]
    assert states(rows) == [("failed", 3, "attempts used up")] + [("sent", 2, None)] * 3


def test_of_a_group_that_was_taken_up_by_another_only_what_is_still_ours_is_written(
    app: Flask, bench: Bench, rows: list[int]
) -> None:
    def taken(row_id: int) -> None:
        if row_id == rows[3]:
            with transaction():
                db.session.execute(
                    update(NoticeDelivery)
                    .where(NoticeDelivery.id.in_(rows[1:3]))
                    .values(lease_token=NoticeDelivery.lease_token + 1, lease_owner="another")
                )

    bench.between = taken
    assert jobs.run_one(app, NAME, rows[0]) == 4
    assert bench.kept == [[rows[0], rows[3]]]
    assert [row.state for row in seen(rows)] == ["sent", "due", "due", "sent"]
    assert [row.lease_owner for row in seen(rows)] == [None, "another", "another", None]


def test_one_message_wakes_for_a_whole_group(app: Flask, bench: Bench, rows: list[int]) -> None:
    jobs.queue().clear()
    with transaction():
        jobs.enqueue_all(NAME, [9, *range(1, 7)])
    assert [jobs.queue().get(), jobs.queue().get(), jobs.queue().get()] == [(NAME, 1), (NAME, 5), None]
