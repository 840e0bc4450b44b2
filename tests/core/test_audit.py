"""The audit trail: whoever changes, removes or swaps a link is found, and the first broken link is named."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lms.core import audit
from lms.core.db import append_only_tables, db, transaction

DAY = date(2026, 3, 1)


def say(act: str, at: datetime, *, scope: str = "logbook:1", **detail: object) -> None:
    with transaction():
        audit.record(act, scope=scope, at=at, account_id=7, acted_as="mentor", subject="entry:abc", **detail)


def broken() -> list[tuple[str, int, str]]:
    db.session.expire_all()
    found = [(link.scope, link.seq, link.why) for link in audit.verify().broken]
    db.session.rollback()
    return found


def run(statement: str, **values: object) -> None:
    with transaction():
        db.session.execute(text(statement), values)


def without_triggers() -> None:
    """What somebody with the keys of the database does first."""
    with transaction():
        if db.engine.dialect.name == "sqlite":
            for name in db.session.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                db.session.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("audit_event", "audit_root"):
                db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


@pytest.fixture
def trail(app: Flask, at: datetime) -> None:
    """Five events of a logbook, two of the site, sealed, then one more each."""
    for number in range(5):
        say("logbooks.entry.sign", at + timedelta(seconds=number), number=number)
    for number in range(2):
        say("core.backup.made", at, scope="site", number=number)
    with transaction():
        audit.seal(DAY, at=at)
    say("logbooks.entry.sign", at, number=5)
    say("core.backup.made", at, scope="site", number=2)
    with transaction():
        audit.seal(DAY + timedelta(days=1), at=at)
    without_triggers()


def test_an_untouched_trail_holds(trail: None) -> None:
    verdict = audit.verify()
    assert verdict == audit.Verdict(events=9, chains=2, roots=2, broken=())
    assert audit.verify(scope="site") == audit.Verdict(events=3, chains=1, roots=2, broken=())


@pytest.mark.parametrize(
    "change",
    [
        "act = 'logbooks.entry.return'",
        "account_id = 8",
        "account_id = NULL",
        "acted_as = 'director'",
        "subject = 'entry:xyz'",
        "detail = '{\"number\": 9}'",
        "detail = '{}'",
        "at = '2020-01-01 00:00:00.000000'",
        "hash = :zeros",
    ],
)
def test_every_changed_field_of_an_event_is_named(trail: None, change: str) -> None:
    values = {"zeros": "0" * 64} if ":zeros" in change else {}
    run(f"UPDATE audit_event SET {change} WHERE scope = 'logbook:1' AND seq = 3", **values)
    assert broken() == [("logbook:1", 3, "hash")]


def test_a_changed_link_back_is_named(trail: None) -> None:
    run("UPDATE audit_event SET prev = :zeros WHERE scope = 'logbook:1' AND seq = 3", zeros="0" * 64)
    assert broken() == [("logbook:1", 3, "prev")]


def test_a_removed_event_is_a_gap(trail: None) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1' AND seq = 3")
    assert broken() == [("logbook:1", 4, "gap")]


def test_a_removed_first_event_is_a_gap(trail: None) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1' AND seq = 1")
    assert broken() == [("logbook:1", 2, "gap")]


def test_a_removed_last_event_does_not_match_its_head(trail: None) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1' AND seq = 6")
    assert broken() == [("logbook:1", 6, "head")]


def test_a_moved_head_is_named(trail: None) -> None:
    run("UPDATE audit_chain SET head = :zeros WHERE scope = 'site'", zeros="0" * 64)
    assert broken() == [("site", 3, "head")]


def test_a_tail_cut_off_together_with_its_head_does_not_match_the_seal(trail: None) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1' AND seq > 3")
    run(
        "UPDATE audit_chain SET seq = 3, head = (SELECT hash FROM audit_event WHERE scope = 'logbook:1' AND seq = 3) "
        "WHERE scope = 'logbook:1'"
    )
    assert broken() == [("logbook:1", 5, "sealed")]
    assert audit.verify(scope="logbook:1").broken == (audit.Broken("logbook:1", 5, "sealed"),)
    assert audit.verify(scope="site").broken == ()


def test_a_chain_written_anew_from_its_beginning_does_not_match_the_seal(trail: None, at: datetime) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1'")
    run("UPDATE audit_chain SET seq = 0, head = :genesis WHERE scope = 'logbook:1'", genesis=audit.GENESIS)
    for number in range(6):
        say("logbooks.entry.sign", at, number=number + 100)
    assert broken() == [("logbook:1", 5, "sealed")]


def test_a_chain_that_vanished_altogether_is_missed(trail: None) -> None:
    run("DELETE FROM audit_event WHERE scope = 'logbook:1'")
    run("DELETE FROM audit_chain WHERE scope = 'logbook:1'")
    assert {scope for scope, _seq, _why in broken()} == {"logbook:1"}
    assert [link.scope for link in audit.verify(scope="logbook:1").broken] == ["logbook:1"]


def test_a_chain_that_lost_its_head_row_is_named(trail: None) -> None:
    if db.engine.dialect.name == "sqlite":  # keys are switched off outside a transaction only
        db.session.rollback()
        with db.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA foreign_keys=OFF")
            raw.execute("DELETE FROM audit_chain WHERE scope = 'logbook:1'")
            raw.execute("PRAGMA foreign_keys=ON")
    else:
        run("ALTER TABLE audit_event DROP CONSTRAINT fk_audit_event_scope_audit_chain")
        run("DELETE FROM audit_chain WHERE scope = 'logbook:1'")
    assert broken() == [("logbook:1", 6, "head")]
    assert audit.verify(scope="logbook:1").broken == (audit.Broken("logbook:1", 6, "head"),)
    assert audit.verify(scope="site").broken == ()


def test_a_chain_that_never_was_is_told_from_one_that_holds(trail: None) -> None:
    assert audit.verify(scope="logbook:99").is_empty
    assert not audit.verify(scope="logbook:1").is_empty


def test_who_writes_while_the_trail_is_checked_does_not_disturb(
    trail: None, bare_app: Flask, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = audit._event_hash
    written = []

    def somebody_writes(event: audit.AuditEvent) -> str:
        if not written:
            written.append(event)
            thread = threading.Thread(target=write)
            thread.start()
            thread.join()
        return hashed(event)

    def write() -> None:
        monkeypatch.setattr(audit, "_event_hash", hashed)
        with bare_app.app_context():
            say("core.backup.made", at, scope="site", number=3)

    monkeypatch.setattr(audit, "_event_hash", somebody_writes)
    assert audit.verify() == audit.Verdict(events=9, chains=2, roots=2, broken=())
    assert audit.verify() == audit.Verdict(events=10, chains=2, roots=2, broken=())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE audit_root SET heads = '{}' WHERE day = '2026-03-01'", "root"),
        ("UPDATE audit_root SET root = :zeros WHERE day = '2026-03-01'", "root"),
        ("UPDATE audit_root SET prev = :ones WHERE day = '2026-03-02'", "root-order"),
        ("DELETE FROM audit_root WHERE day = '2026-03-01'", "root-order"),
    ],
)
def test_a_changed_or_removed_root_is_named(trail: None, change: str, why: str) -> None:
    values = {name: letter * 64 for name, letter in (("zeros", "0"), ("ones", "1")) if f":{name}" in change}
    run(change, **values)
    found = broken()
    assert found
    assert why in {reason for _scope, _seq, reason in found}
    assert found[0][0].startswith("root:2026-03-0")


def test_only_the_first_broken_link_of_a_chain_is_named(trail: None) -> None:
    run("UPDATE audit_event SET act = 'x' WHERE scope = 'logbook:1' AND seq IN (2, 4)")
    run("UPDATE audit_event SET act = 'x' WHERE scope = 'site' AND seq = 1")
    assert broken() == [("logbook:1", 2, "hash"), ("site", 1, "hash")]
    assert [link.seq for link in audit.verify(scope="site").broken] == [1]


# ---------------------------------------------------------------- appending


def test_several_events_of_one_transaction_follow_each_other(app: Flask, at: datetime) -> None:
    with transaction():
        for number in range(3):
            audit.record("a.b.c", scope="x:1", at=at, account_id=None, number=number)
            audit.record("a.b.c", scope="x:2", at=at, account_id=None, number=number)
    assert broken() == []
    assert audit.verify().events == 6


def test_an_act_that_is_rolled_back_leaves_no_event_and_no_gap(app: Flask, at: datetime) -> None:
    say("a.b.c", at)

    def fail() -> None:
        with transaction():
            audit.record("a.b.c", scope="logbook:1", at=at, account_id=None)
            audit.record("a.b.c", scope="new:1", at=at, account_id=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    say("a.b.c", at)
    assert broken() == []
    assert audit.verify() == audit.Verdict(events=2, chains=1, roots=0, broken=())


def test_an_event_undone_by_a_savepoint_leaves_no_gap(app: Flask, at: datetime) -> None:
    with transaction():
        audit.record("a.b.c", scope="x:1", at=at, account_id=None)
        nested = db.session.begin_nested()
        audit.record("a.b.c", scope="x:1", at=at, account_id=None)
        nested.rollback()
        audit.record("a.b.c", scope="x:1", at=at, account_id=None)
    assert broken() == []
    assert audit.verify().events == 2


def test_many_append_at_once_and_the_chain_holds(bare_app: Flask, at: datetime) -> None:
    gate = threading.Barrier(4)
    problems: list[BaseException] = []

    def work() -> None:
        gate.wait()
        for number in range(6):
            try:
                with bare_app.app_context():
                    say("a.b.c", at, scope="busy:1", number=number)
            except BaseException as problem:  # noqa: BLE001
                problems.append(problem)

    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with bare_app.app_context():
        assert broken() == []
        assert audit.verify().events == 24


leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
)
details = st.dictionaries(
    st.text("abc_", min_size=1, max_size=5),
    st.recursive(
        leaf | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=4, alphabet="xyz") | st.integers(0, 20), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)


@given(detail=details, shift=st.integers(-12, 12), microsecond=st.integers(0, 999_999))
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_recorded_verifies_when_it_is_read_back(
    app: Flask, detail: dict[str, Any], shift: int, microsecond: int
) -> None:
    at = datetime(2026, 3, 1, 8, 0, 0, microsecond, tzinfo=timezone(timedelta(hours=shift)))
    with transaction():
        audit.record("a.b.c", scope="x:1", at=at, account_id=None)
        db.session.rollback()
    with transaction():
        audit.record(
            "a.b.c", scope="x:1", at=at, account_id=1, **{f"k_{key}": value for key, value in detail.items()}
        )
    db.session.rollback()
    assert broken() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, datetime(2026, 3, 1, tzinfo=UTC), object(), b"x"])
def test_what_json_cannot_say_is_refused_before_it_is_written(
    app: Flask, at: datetime, value: object
) -> None:
    with pytest.raises((TypeError, ValueError)):
        say("a.b.c", at, value=value)
    assert audit.verify().events == 0


# ---------------------------------------------------------------- seals


def test_a_day_is_sealed_once_and_holds_what_moved(app: Flask, at: datetime) -> None:
    say("a.b.c", at, scope="x:1")
    say("a.b.c", at, scope="x:2")
    with transaction():
        first = audit.seal(DAY, at=at)
    with transaction():
        assert audit.seal(DAY, at=at) is None
    say("a.b.c", at, scope="x:2")
    with transaction():
        second = audit.seal(DAY + timedelta(days=1), at=at)
    with transaction():
        third = audit.seal(DAY + timedelta(days=2), at=at)
    assert first
    assert second
    assert third
    assert set(first.heads) == {"x:1", "x:2"}
    assert set(second.heads) == {"x:2"}
    assert third.heads == {}
    assert (first.prev, second.prev, third.prev) == (audit.GENESIS, first.root, second.root)
    assert broken() == []


def test_a_day_before_one_that_is_sealed_is_not_sealed_any_more(app: Flask, at: datetime) -> None:
    say("a.b.c", at)
    with transaction():
        assert audit.seal(DAY, at=at)
    with transaction():
        assert audit.seal(DAY - timedelta(days=1), at=at) is None
    assert broken() == []


def test_workers_that_seal_at_once_make_one_seal(bare_app: Flask, at: datetime) -> None:
    with bare_app.app_context():
        say("a.b.c", at)
    gate = threading.Barrier(4)
    made: list[bool] = []

    def work() -> None:
        with bare_app.app_context():
            gate.wait()
            with transaction():
                made.append(audit.seal(DAY, at=at) is not None)

    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]
    with bare_app.app_context():
        assert broken() == []


# ---------------------------------------------------------------- append-only


@dataclass
class Case:
    statement: str
    lets_through: bool = False


@pytest.mark.parametrize("table", ["audit_event", "audit_root"])
@pytest.mark.parametrize(
    "form",
    ["UPDATE {table} SET prev = prev", "DELETE FROM {table}", "UPDATE {table} SET prev = 'x' WHERE 1 = 1"],
)
def test_the_database_itself_refuses_a_change(app: Flask, at: datetime, table: str, form: str) -> None:
    say("a.b.c", at)
    with transaction():
        audit.seal(DAY, at=at)
    with pytest.raises(DBAPIError, match="append-only"):
        run(form.format(table=table))
    assert broken() == []


def test_the_database_refuses_to_replace_or_empty(app: Flask, at: datetime) -> None:
    say("a.b.c", at)
    if db.engine.dialect.name == "sqlite":
        statement = "INSERT OR REPLACE INTO audit_event SELECT * FROM audit_event"
    else:
        statement = "TRUNCATE audit_event"
    with pytest.raises(DBAPIError, match="append-only"):
        run(statement)
    assert audit.verify().events == 1


def test_every_declared_table_is_guarded(app: Flask) -> None:
    if db.engine.dialect.name == "sqlite":
        query = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_no_delete'"
    else:
        query = "SELECT relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE tgname LIKE '%_no_change'"
    assert set(db.session.scalars(text(query))) == set(append_only_tables())


def of_condition(value: str) -> Callable[[], None]:
    return lambda: run(f"UPDATE guarded SET a = {value}")


@pytest.mark.parametrize(("value", "passes"), [("1", True), ("2", False), ("NULL", False)])
def test_a_condition_that_is_neither_true_nor_false_lets_nothing_through(
    app: Flask, value: str, passes: bool
) -> None:
    from lms.core.db import append_only_ddl

    with transaction():
        db.session.execute(text("CREATE TABLE guarded (a INTEGER)"))
        for statement in append_only_ddl(db.engine.dialect.name, "guarded", "NEW.a = OLD.a"):
            db.session.connection().exec_driver_sql(statement)
        db.session.execute(text("INSERT INTO guarded VALUES (1)"))
    if passes:
        of_condition(value)()
    else:
        with pytest.raises(DBAPIError, match="append-only"):
            of_condition(value)()
