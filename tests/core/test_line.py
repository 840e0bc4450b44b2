"""A line of threads, and the line of those who write to SQLite."""

import threading
import time

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from lms.core.db import prepare_engine, writing
from lms.core.line import Line


def until(true):
    while not true():
        time.sleep(0.001)


def test_who_comes_first_goes_first():
    line, order = Line(), []
    assert line.enter(timeout_s=0)

    def come(number):
        assert line.enter(timeout_s=60)
        order.append(number)
        line.leave()

    people = []
    for number in range(8):
        people.append(threading.Thread(target=come, args=(number,)))
        people[-1].start()
        until(lambda: len(line._waiting) == len(people))
    line.leave()
    for one in people:
        one.join()
    assert order == list(range(8))
    assert line.enter(timeout_s=0)  # and nobody is left at its head


def test_who_waits_too_long_goes_away_and_holds_nobody_up():
    line = Line()
    assert line.enter(timeout_s=0)
    assert not line.enter(timeout_s=0.01)
    line.leave()
    assert line.enter(timeout_s=0)


def test_a_writer_of_sqlite_is_not_passed_by_one_that_comes_again_and_again(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/a.sqlite3")
    prepare_engine(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE word (said TEXT)"))
    done, over = [], threading.Event()

    def greedy():
        while not over.is_set():
            with writing(), engine.begin() as connection:
                connection.execute(text("INSERT INTO word VALUES ('again')"))
            done.append("again")

    hurry = threading.Thread(target=greedy)
    hurry.start()
    try:
        until(lambda: len(done) > 5)
        for _time in range(20):
            before = len(done)
            with writing(), engine.begin() as connection:
                connection.execute(text("INSERT INTO word VALUES ('mine')"))
            assert len(done) <= before + 3
    finally:
        over.set()
        hurry.join()
    engine.dispose()


def test_a_writer_leaves_the_line_however_it_ends(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/a.sqlite3")
    prepare_engine(engine)
    with writing(), engine.begin() as connection:
        connection.execute(text("CREATE TABLE word (said TEXT)"))
    with pytest.raises(OperationalError), writing(), engine.begin() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    with writing(), engine.connect() as connection:  # closed without a commit
        connection.execute(text("INSERT INTO word VALUES ('lost')"))
    with writing(), engine.connect() as connection:
        connection.execute(text("INSERT INTO word VALUES ('lost')"))
        connection.invalidate()
        connection.rollback()
    written = threading.Event()

    def other():
        with writing(), engine.begin() as connection:
            connection.execute(text("INSERT INTO word VALUES ('kept')"))
        written.set()

    threading.Thread(target=other).start()
    assert written.wait(8), "somebody is still at the head of the line"
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT said FROM word")).all() == ["kept"]
    engine.dispose()
