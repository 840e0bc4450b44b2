"""The database: durable, strict about time, and one place that commits."""

import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from lms.accounts.models import Account, Person
from lms.app import create_app
from lms.core import audit
from lms.core.db import UtcDateTime, after_commit, db, transaction, writing
from lms.settings import Settings

sqlite_only = pytest.mark.skipif(
    "__import__('os').environ.get('LMS_TEST_DATABASE_URL')", reason="what SQLite needs to be told"
)


def add(name: str, at: datetime, **more: Any) -> None:
    db.session.add(Person(name_zh=name, created_at=at, **more))
    db.session.flush()


def names() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Person.name_zh).order_by(Person.id)))


# ---------------------------------------------------------------- instants


def test_instants_come_back_aware_and_in_utc(app: Flask) -> None:
    at = datetime(2026, 3, 1, 8, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    with transaction():
        add("李", at)
    db.session.expunge_all()
    found = db.session.scalars(select(Person)).one().created_at
    assert found == at
    assert found.tzinfo is UTC
    assert db.session.scalar(select(Person.name_zh).where(Person.created_at == at)) == "李"
    assert db.session.scalar(select(Person.name_zh).where(Person.created_at < at)) is None


def test_a_naive_instant_is_refused(app: Flask) -> None:
    with pytest.raises(StatementError, match="naive"), transaction():
        add("李", datetime(2026, 3, 1))  # noqa: DTZ001
    with pytest.raises(StatementError, match="naive"):
        db.session.scalar(select(Person.id).where(Person.created_at == datetime(2026, 3, 1)))  # noqa: DTZ001


def test_no_instant_stays_no_instant(app: Flask) -> None:
    kind = UtcDateTime()
    assert kind.process_bind_param(None, db.engine.dialect) is None
    assert kind.process_result_value(None, db.engine.dialect) is None


# ---------------------------------------------------------------- one unit of work


def test_a_unit_of_work_is_kept_whole_or_not_at_all(app: Flask, at: datetime) -> None:
    with transaction():
        add("李", at)

    def fail() -> None:
        with transaction():
            add("王", at)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names() == ["李"]


def test_an_inner_unit_joins_the_outer_one(app: Flask, at: datetime) -> None:
    def fail() -> None:
        with transaction():
            with transaction():
                add("李", at)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names() == []
    with transaction():
        add("王", at)
        with transaction():
            add("赵", at)
    assert names() == ["王", "赵"]


def test_what_leaves_after_the_commit_leaves_only_then_and_once(app: Flask, at: datetime) -> None:
    left: list[str] = []

    def fail() -> None:
        with transaction():
            after_commit(lambda: left.append("lost"))
            raise ZeroDivisionError

    with transaction():
        after_commit(lambda: left.append("kept"))
        with transaction():
            after_commit(lambda: left.append("inner"))
        assert left == []
    assert left == ["kept", "inner"]
    with pytest.raises(ZeroDivisionError):
        fail()
    with transaction():
        pass
    assert left == ["kept", "inner"]


def test_a_commit_that_the_database_refuses_lets_nothing_leave(app: Flask, at: datetime) -> None:
    left: list[str] = []

    def fail() -> None:
        with transaction():
            after_commit(lambda: left.append("x"))
            db.session.add(Account(person_id=10**6, created_at=at))

    with pytest.raises(IntegrityError):
        fail()
    assert left == []
    with transaction():
        add("李", at)
    assert names() == ["李"]


def test_what_was_shown_before_may_be_shown_after_the_commit(app: Flask, at: datetime) -> None:
    with transaction():
        person = Person(name_zh="李", created_at=at)
        db.session.add(person)
    db.session.close()
    assert person.name_zh == "李"  # no further query, the session is gone


def test_a_reader_that_goes_on_to_write_sees_what_others_wrote_meanwhile(
    bare_app: Flask, at: datetime
) -> None:
    def other() -> None:
        with bare_app.app_context(), transaction():
            add("王", at)

    with bare_app.app_context():
        assert names() == []
        db.session.scalar(select(func.count()).select_from(Person))  # a snapshot is open
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with transaction():
            assert db.session.scalar(select(func.count()).select_from(Person)) == 1
            add("李", at)
        assert names() == ["王", "李"]


def test_many_who_read_and_then_write_at_once_all_get_through(bare_app: Flask, at: datetime) -> None:
    gate = threading.Barrier(6)
    problems: list[BaseException] = []

    def work() -> None:
        gate.wait()
        try:
            for _number in range(5):
                with bare_app.app_context(), transaction():
                    count = db.session.scalar(select(func.count()).select_from(Person))
                    time.sleep(0.002)
                    add(str(count), at)
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=work) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with bare_app.app_context():
        assert len(names()) == 30


# ---------------------------------------------------------------- what SQLite is told


@sqlite_only
def test_an_acknowledged_write_survives_the_loss_of_power(settings: Settings) -> None:
    with create_app(settings).app_context():
        asked = {
            name: db.session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
        db.session.remove()
        db.engine.dispose()
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}


@sqlite_only
def test_a_writing_transaction_takes_the_lock_at_its_beginning(bare_app: Flask, at: datetime) -> None:
    held, order = threading.Event(), []

    def other() -> None:
        with bare_app.app_context():
            held.wait()
            with transaction():
                add("second", at)
                order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with bare_app.app_context(), transaction():
        db.session.scalar(select(func.count()).select_from(Person))
        held.set()
        time.sleep(0.15)
        order.append("first")
        add("first", at)
    thread.join()
    assert order == ["first", "second"]


@sqlite_only
def test_a_reader_does_not_wait_for_a_writer(bare_app: Flask, at: datetime) -> None:
    seen: list[int | None] = []

    def read() -> None:
        with bare_app.app_context():
            begun = time.monotonic()
            seen.append(db.session.scalar(select(func.count()).select_from(Person)))
            assert time.monotonic() - begun < 2

    with bare_app.app_context(), transaction():
        add("李", at)
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert seen == [0]


def test_a_request_that_writes_holds_one_writing_transaction_from_its_first_query(
    app: Flask, at: datetime
) -> None:
    with writing():
        person = Person(name_zh="李", created_at=at)
        db.session.scalar(select(func.count()).select_from(Person))
        with transaction():
            db.session.add(person)
    assert names() == ["李"]


def test_a_foreign_key_holds(app: Flask, at: datetime) -> None:
    with pytest.raises(IntegrityError), transaction():
        db.session.add(Account(person_id=10**6, created_at=at))


def test_a_savepoint_is_undone_alone(app: Flask, at: datetime) -> None:
    with transaction():
        add("李", at)
        nested = db.session.begin_nested()
        add("王", at)
        nested.rollback()
        add("赵", at)
    assert names() == ["李", "赵"]


def test_the_trail_and_the_act_are_one(app: Flask, at: datetime) -> None:
    def fail() -> None:
        with transaction():
            add("李", at)
            audit.record("a.b.c", scope="x:1", at=at, account_id=None)
            db.session.add(Account(person_id=10**6, created_at=at))

    with pytest.raises(IntegrityError):
        fail()
    assert names() == []
    assert audit.verify().events == 0
