"""Whole copies of a database, made while the site runs, and put back into an empty place.

SQLite by ``VACUUM INTO`` (one snapshot; writers are not held up in WAL mode), PostgreSQL by its own ``pg_dump`` and ``pg_restore``
on one exported snapshot, so that what was counted is what was copied.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from lms.core import ids
from lms.core.errors import LmsError


class CopyFailed(LmsError):
    """The database could not be copied or put back; the text says why."""


def is_sqlite(database_url: str) -> bool:
    """Whether a database is a file of ours."""
    return make_url(database_url).get_backend_name() == "sqlite"


def file_of(database_url: str) -> Path:
    """The file of a SQLite database."""
    return Path(make_url(database_url).database or "")


def copy(database_url: str, target: Path) -> dict[str, int]:
    """Write a copy to the new file ``target``, on the disk when this returns; table → rows in it. Raises CopyFailed."""
    try:
        counts = (
            _copy_sqlite(database_url, target)
            if is_sqlite(database_url)
            else _copy_postgresql(database_url, target)
        )
    except (sqlite3.Error, OSError) as problem:
        raise CopyFailed(f"the database could not be copied: {problem}") from problem
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return counts


def _copy_sqlite(database_url: str, target: Path) -> dict[str, int]:
    source = file_of(database_url)
    if not source.is_file():
        raise CopyFailed(f"there is no database at {source}")
    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    return _sound(target)


def _sound(copied: Path) -> dict[str, int]:
    """Table → rows of a SQLite file. Raises CopyFailed where it is damaged."""
    with contextlib.closing(sqlite3.connect(f"file:{copied}?mode=ro", uri=True)) as connection:
        said = connection.execute("PRAGMA integrity_check(3)").fetchall()
        if said != [("ok",)]:
            raise CopyFailed(f"the copy is damaged: {'; '.join(str(line[0]) for line in said)[:300]}")
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
        return {
            name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 (a name of our schema)
            for (name,) in names
        }


def _copy_postgresql(database_url: str, target: Path) -> dict[str, int]:
    engine = create_engine(database_url, isolation_level="REPEATABLE READ", poolclass=NullPool)
    with engine.connect() as connection:
        snapshot = str(connection.scalar(text("SELECT pg_export_snapshot()")))
        counts = _counted(connection)
        _tool(
            "pg_dump",
            database_url,
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={snapshot}",
            f"--file={target}",
        )
    return counts


def counts(database_url: str) -> dict[str, int]:
    """Table → rows of a database. Raises CopyFailed where it is damaged."""
    if is_sqlite(database_url):
        return _sound(file_of(database_url))
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return _counted(connection)


def _counted(connection: Connection) -> dict[str, int]:
    names = sorted(inspect(connection).get_table_names())
    return {
        name: int(connection.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0)  # noqa: S608 (a name of our schema)
        for name in names
    }


def is_empty(database_url: str) -> bool:
    """Whether nothing would be overwritten. Raises CopyFailed where the server does not answer."""
    if is_sqlite(database_url):
        return not file_of(database_url).exists()
    try:
        with create_engine(database_url, poolclass=NullPool).connect() as connection:
            return not inspect(connection).get_table_names()
    except Exception as problem:
        raise CopyFailed(f"the database does not answer: {problem}") from problem


def put_back(copied: Path, database_url: str) -> None:
    """Fill an empty place from a copy; it is there whole or not at all. Raises CopyFailed."""
    if not is_empty(database_url):
        raise CopyFailed("the database holds something: it is not overwritten")
    if not is_sqlite(database_url):
        _tool(
            "pg_restore",
            database_url,
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            "--single-transaction",
            str(copied),
        )
        return
    target = file_of(database_url)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{ids.public_id()}")
    try:
        shutil.copyfile(copied, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        _sound(fresh)
        fresh.rename(target)
    finally:
        fresh.unlink(missing_ok=True)


def replace(copied: Path, database_url: str) -> None:
    """Put a copy in the place of what stands there, which must be in nobody's hands. Raises CopyFailed.

    What stood there before is gone from PostgreSQL and lies beside a SQLite file under ``….before``.
    """
    if is_sqlite(database_url):
        target = file_of(database_url)
        for end in ("", "-wal", "-shm"):  # together they are one database
            path = target.with_name(target.name + end)
            if path.exists():
                path.rename(target.with_name(f"{target.name}.before{end}"))
    else:
        with create_engine(database_url, poolclass=NullPool).begin() as connection:
            forget_everything(connection)
    put_back(copied, database_url)


def forget_everything(connection: Connection) -> None:
    """Take every table and function out of a PostgreSQL schema."""
    for name in inspect(connection).get_table_names():
        connection.execute(text(f'DROP TABLE "{name}" CASCADE'))
    functions = text("SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace")
    for name in connection.scalars(functions).all():
        connection.execute(text(f'DROP FUNCTION IF EXISTS "{name}" CASCADE'))


@contextlib.contextmanager
def scratch(database_url: str, folder: Path) -> Iterator[str]:
    """The address of a database of the same kind for a trial, gone afterwards. Raises CopyFailed."""
    if is_sqlite(database_url):
        yield f"sqlite:///{folder / 'trial.sqlite3'}"
        return
    url, name = make_url(database_url), f"firefly_trial_{ids.public_id().lower()}"
    server = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with server.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    except Exception as problem:
        raise CopyFailed(f"no database for a trial can be made: {problem}") from problem
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _tool(name: str, database_url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database; the password goes by the environment, where no list of processes shows it."""
    program = shutil.which(name)
    if program is None:
        raise CopyFailed(f"{name} is not installed (apt install postgresql-client)")
    url = make_url(database_url)
    finished = subprocess.run(  # noqa: S603 (a list made by us, no shell)
        [program, f"--dbname={_without_password(url)}", *arguments],
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if finished.returncode != 0:
        raise CopyFailed(
            f"{name} ended with {finished.returncode}: {finished.stderr.decode(errors='replace').strip()[-400:]}"
        )


def _without_password(url: URL) -> str:
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _environment(url: URL) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return kept | ({"PGPASSWORD": str(url.password)} if url.password else {})
