"""The database: the base of all models, and the one place that commits.

SQLite by default (WAL, foreign keys, ``synchronous=FULL``: an acknowledged write survives the loss of power),
PostgreSQL by setting; the same code and the same tests on both.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast
from weakref import WeakSet

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, String, event, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from lms.core import ids
from lms.core.line import Line


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, kept as UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive instants; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document column: plain on SQLite, JSONB on PostgreSQL."""


class Base(DeclarativeBase):
    """Base of all tables; constraint names follow one convention."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: UtcDateTime(), dict[str, Any]: Json, list[Any]: Json},
    )


_AT_THE_HEAD = "at the head"
"""Set in a connection that the writers of this process wait for."""
_LINE_S = 10.0

_writing: ContextVar[bool] = ContextVar("writing", default=False)


class _Session(FlaskSession):
    """The request's session; never expires objects at commit, so that a view may still show them."""


db = SQLAlchemy(model_class=Base, session_options={"class_": _Session, "expire_on_commit": False})


def public_id_column() -> Mapped[str]:
    """The column for the unguessable id that addresses use."""
    return mapped_column(String(ids.LENGTH), unique=True, default=ids.public_id)


class WithId:
    """Integer key inside, public id in addresses."""

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(ids.LENGTH), unique=True, default=ids.public_id)


def init_app(app: Flask) -> None:
    """Join the database to the app."""
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)


_prepared: "WeakSet[Engine]" = WeakSet()


def prepare_engine(engine: Engine) -> None:
    """Give SQLite its durability and its transactions (the driver's own begin is switched off)."""
    if engine.dialect.name != "sqlite" or engine in _prepared:
        return
    _prepared.add(engine)

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None
        cursor = raw.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=20000",
            "cache_size=-4000",
            "temp_store=MEMORY",
            "recursive_triggers=ON",  # otherwise INSERT OR REPLACE deletes a row without asking its triggers
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    line = Line()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that will write takes the write lock at its start: otherwise two readers that both
        # go on to write would deadlock, and SQLite answers the second one with an error at once.
        if not _writing.get():
            connection.exec_driver_sql("BEGIN")
            return
        # Who meets that lock looks again every tenth of a second, and whoever comes just then goes first; so the
        # threads of a process stand in line for it. Only a line: where it does not move, SQLite itself decides.
        if not connection.info.get(_AT_THE_HEAD):
            connection.info[_AT_THE_HEAD] = line.enter(timeout_s=_LINE_S)
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _leave(_raw: object, record: ConnectionPoolEntry, _problem: object = None) -> None:
        if record.info.pop(_AT_THE_HEAD, False):
            line.leave()

    for end in ("checkin", "close", "invalidate", "soft_invalidate"):
        event.listen(engine, end, _leave)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Every database transaction begun inside is one that writes (a POST request from its first query on)."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


AfterCommit = Callable[[], None]


def after_commit(act: AfterCommit) -> None:
    """Run ``act`` once the current transaction has been committed; forget it if it is rolled back."""
    cast("list[AfterCommit]", db.session.info.setdefault("after_commit", [])).append(act)


@contextlib.contextmanager
def transaction() -> Iterator[None]:
    """One unit of work: commits at the end, rolls back on any exception, then lets the jobs leave.

    Opened at the edges only: a form, a JSON endpoint, a job, a command. Inside another one it joins it.
    """
    session = db.session()
    if session.info.get("in_transaction"):
        yield
        return
    if session.in_transaction() and not _writing.get():
        session.commit()  # a snapshot for reading cannot be raised to a writing one; what was loaded stays usable
    session.info["in_transaction"] = True
    session.info["after_commit"] = []
    try:
        with writing():
            yield
            session.commit()
        leaving = cast("list[AfterCommit]", session.info.pop("after_commit", []))
    except BaseException:
        session.rollback()
        session.info.pop("after_commit", None)
        raise
    finally:
        session.info["in_transaction"] = False
    for act in leaving:
        act()


def upsert(table: Any, *, dialect: str = "") -> Any:
    """An insert that may say ``on_conflict_…``, as the database at hand (or ``dialect``) spells it."""
    name = dialect or db.session.get_bind().dialect.name
    return postgresql.insert(table) if name == "postgresql" else sqlite.insert(table)


def insert_all(model: Any, rows: Sequence[Mapping[str, Any]], *, giving: Any = None) -> list[Any]:
    """Add rows of a table in one statement, and give back their keys (or what ``giving`` says) in whatever order.

    The unit of work would ask for the order of the rows, and some databases then get them one by one; it also sends
    them so where it asks for nothing back.
    """
    if not rows:
        return []
    db.session.flush()
    back = model.__table__.primary_key.columns.values()[0] if giving is None else giving
    return list(db.session.scalars(insert(model).returning(back), list(rows)))


_append_only: dict[str, str] = {}


def append_only(table: str, *, unless: str = "0") -> None:
    """Declare a table whose rows the database itself refuses to update or delete.

    ``unless`` is an SQL condition over OLD and NEW under which an update is let through (deletes never are);
    the default lets nothing through. Triggers are made by ``append_only_ddl`` in migrations and test databases.
    """
    _append_only[table] = unless


def append_only_tables() -> dict[str, str]:
    """All declared append-only tables with their exceptions."""
    return dict(_append_only)


def unguarded_tables() -> list[str]:
    """Append-only tables whose triggers are missing in the database: there history could be rewritten."""
    if db.engine.dialect.name == "sqlite":
        found = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        wanted = ("no_update", "no_delete")
    else:
        found = text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        wanted = ("no_change", "no_truncate")
    known = set(db.session.scalars(found))
    return [table for table in sorted(_append_only) if not {f"{table}_{one}" for one in wanted} <= known]


def quick_check() -> str:
    """What the database says of its own files: empty where all is well, or it cannot be asked."""
    if db.engine.dialect.name != "sqlite":
        return ""
    said = db.session.scalars(text("PRAGMA quick_check(3)")).all()
    strangers = db.session.execute(text("PRAGMA foreign_key_check")).first()
    return "; ".join(
        [*(line for line in said if line != "ok"), *(["a row without its owner"] if strangers else [])]
    )


def append_only_ddl(dialect: str, table: str, unless: str = "0") -> Iterable[str]:
    """The statements that make a table append-only."""
    allowed = "FALSE" if unless == "0" else unless
    if dialect == "sqlite":
        # A condition that is NULL lets nothing through, as in PostgreSQL's IF.
        condition = "" if unless == "0" else f"WHEN NOT COALESCE(({unless}), 0) "
        yield (
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {condition}"
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        yield (
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        return
    yield (
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {allowed} THEN RETURN NEW; END IF; END IF; "
        f"RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    yield f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"
    yield f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
