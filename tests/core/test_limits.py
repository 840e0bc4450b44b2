"""Rate limits: counted once, by everybody, whatever becomes of the act."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from lms.core import limits
from lms.core.db import db, transaction
from lms.core.errors import TooManyTries

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def tries(key: str, number: int, *, limit: int = 5, per_s: float = 900, at: datetime = AT) -> int:
    """How many of ``number`` tries are let through."""
    passed = 0
    for _number in range(number):
        try:
            limits.hit(key, limit=limit, per_s=per_s, at=at)
            passed += 1
        except TooManyTries:
            pass
    return passed


def test_the_sixth_try_of_five_waits_and_is_told_how_long(app: Flask) -> None:
    assert tries("a", 5) == 5
    with pytest.raises(TooManyTries) as refused:
        limits.hit("a", limit=5, per_s=900, at=AT)
    assert refused.value.wait_s == 180
    assert tries("b", 5) == 5  # another key has its own allowance


def test_after_the_wait_one_more_try_passes_and_a_refused_one_cost_nothing(app: Flask) -> None:
    tries("a", 50)
    assert tries("a", 3, at=AT + timedelta(seconds=179)) == 0
    assert tries("a", 3, at=AT + timedelta(seconds=180)) == 1
    assert tries("a", 9, at=AT + timedelta(seconds=180 + 900)) == 5


def test_the_right_password_clears_the_count(app: Flask) -> None:
    tries("a", 5)
    limits.clear("a")
    assert tries("a", 6) == 5


def test_a_try_that_turned_out_well_is_given_back_and_only_that_one(app: Flask) -> None:
    tries("ward", 5)
    limits.give_back("ward", limit=5, per_s=900)
    assert tries("ward", 3) == 1
    limits.give_back("nobody", limit=5, per_s=900)
    assert tries("nobody", 6) == 5


def act_that_fails() -> None:
    with transaction():
        limits.hit("a", limit=5, per_s=900, at=AT)
        raise ZeroDivisionError


def test_a_try_stays_counted_when_the_act_is_rolled_back(app: Flask) -> None:
    for _number in range(5):
        with pytest.raises(ZeroDivisionError):
            act_that_fails()
    assert tries("a", 1) == 0


def test_a_hit_inside_a_transaction_that_holds_the_write_lock_does_not_wait_for_it(app: Flask) -> None:
    with transaction():
        db.session.connection()  # BEGIN IMMEDIATE on SQLite
        assert tries("a", 6) == 5
        limits.clear("a")


def test_tries_of_many_threads_at_once_pass_no_more_than_the_limit(bare_app: Flask) -> None:
    passed: list[int] = []

    def work() -> None:
        with bare_app.app_context():
            passed.append(tries("a", 5, limit=7))

    threads = [threading.Thread(target=work) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 6
    assert sum(passed) == 7


def test_keys_are_kept_as_digests_only(app: Flask) -> None:
    limits.hit("sign-in:li.fang@example.com", limit=5, per_s=900, at=AT)
    counter = limits._counter()
    assert isinstance(counter, limits.TableCounter)
    with counter._engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT key_sha256, full_at FROM rate_limit").all()
    assert len(rows) == 1
    assert len(rows[0][0]) == 64
    assert rows[0][1] == pytest.approx(AT.timestamp() + 180)


def test_the_sweep_forgets_what_means_nothing_any_more(app: Flask) -> None:
    tries("a", 1)
    tries("b", 5)
    counter = limits._counter()
    assert counter.sweep(now=AT.timestamp() + 200) == 1
    assert tries("b", 1) == 0
    limits.sweep(AT + timedelta(hours=1))
    assert counter.sweep(now=AT.timestamp() + 10_000) == 0


def test_a_limit_of_nothing_is_a_mistake_of_the_programmer(app: Flask) -> None:
    with pytest.raises(ValueError, match="at least one"):
        limits.hit("a", limit=0, per_s=1, at=AT)


@pytest.fixture(scope="module")
def counter() -> Iterator[limits.TableCounter]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    limits.RateLimit.__table__.create(engine)  # type: ignore[attr-defined]
    yield limits.TableCounter(engine)
    engine.dispose()


@given(
    limit=st.integers(1, 9),
    per_s=st.integers(1, 1000),
    waits=st.lists(st.floats(0, 400), min_size=1, max_size=40),
)
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_stretch_of_time_lets_more_through_than_its_burst_and_its_rate(
    counter: limits.TableCounter, limit: int, per_s: int, waits: list[float]
) -> None:
    counter.forget("k")
    now, passed = 0.0, []
    for wait in waits:
        now += wait
        if counter.take("k", step_s=per_s / limit, span_s=per_s, now=now) is None:
            passed.append(now)
    for first, begun in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= limit + (passed[last] - begun) * limit / per_s + 1e-3
