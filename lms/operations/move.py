"""``lms move``: a site that outgrew SQLite goes to PostgreSQL, every row compared by its digest before anything is kept.

The source is locked against writing while it is read, and the target is filled in one transaction: it holds the whole site or nothing.
Files stay where they are.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, func, select, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import AddConstraint, DropConstraint, sort_tables_and_constraints

from lms.core import copies
from lms.core.db import Base, prepare_engine, writing
from lms.core.digests import canonical_json
from lms.core.errors import RuleBroken
from lms.migrations import build_schema, newest, revision_of

BATCH = 1000
Says = Callable[[str], None]


@dataclass(frozen=True)
class Moved:
    """One table as it stands on both sides."""

    table: str
    rows: int
    sha256: str
    """Over all rows in the order of their keys."""


def move(source_url: str, target_url: str, *, says: Says) -> list[Moved]:
    """Copy a SQLite site into an empty PostgreSQL database. Both sides are read and compared before the target is kept.

    Raises RuleBroken where the one is no SQLite site of this version, or the other is not empty or comes out different.
    """
    if not copies.is_sqlite(source_url) or copies.is_sqlite(target_url):
        raise RuleBroken("wrong_kind", "A site is moved from SQLite to PostgreSQL only.")
    if copies.is_empty(source_url):
        raise RuleBroken("none", "There is no SQLite database to move.")
    if not copies.is_empty(target_url):
        raise RuleBroken("not_empty", "The PostgreSQL database holds something: make an empty one.")
    source, target = (
        create_engine(source_url, poolclass=NullPool),
        create_engine(target_url, poolclass=NullPool),
    )
    prepare_engine(source)
    with writing(), source.connect() as old:  # nobody writes there until this is over
        if revision_of(old) != newest():
            raise RuleBroken(
                "old_schema", "The schema of the site is older than this version: run lms db upgrade first."
            )
        says("Making the schema …")
        build_schema(target_url)
        try:
            return _filled(old, target, says=says)
        except BaseException:
            with target.begin() as new:  # so that the next try finds an empty database
                copies.forget_everything(new)
            raise


def _filled(old: Connection, target: Engine, *, says: Says) -> list[Moved]:
    ordered = list(sort_tables_and_constraints(Base.metadata.tables.values()))  # type: ignore[no-untyped-call]
    tables = [table for table, _later in ordered if table is not None]
    in_a_circle = [constraint for table, later in ordered if table is None for constraint in later]
    with target.begin() as new:
        for constraint in in_a_circle:
            new.execute(DropConstraint(constraint))
        for table in tables:
            new.execute(text(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER'))
            new.execute(text(f'DELETE FROM "{table.name}"'))  # noqa: S608 (what a migration put there; a name of our schema)
        for number, table in enumerate(tables, start=1):
            says(f"{number} of {len(tables)}: {table.name}")
            for batch in _batches(old, table):
                new.execute(table.insert(), batch)
            _count_on(new, table)
        for table in tables:
            new.execute(text(f'ALTER TABLE "{table.name}" ENABLE TRIGGER USER'))
        for constraint in in_a_circle:
            new.execute(AddConstraint(constraint))
        says("Comparing …")
        return [_compared(old, new, table) for table in tables]


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[dict[str, Any]]]:
    rows = connection.execution_options(stream_results=True).execute(
        select(table).order_by(*table.primary_key)
    )
    for part in rows.mappings().partitions(BATCH):
        yield [dict(row) for row in part]


def _count_on(new: Connection, table: Table) -> None:
    """The next row gets the number after the last one."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = new.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
    largest = new.scalar(select(func.max(column)))
    if sequence and largest:
        new.execute(select(func.setval(sequence, largest)))


def _compared(old: Connection, new: Connection, table: Table) -> Moved:
    found = [_digest(connection, table) for connection in (old, new)]
    if found[0] != found[1]:
        raise RuleBroken("differs", f"The table {table.name} came out different; nothing was kept.")
    rows, sha256 = found[0]
    return Moved(table.name, rows, sha256)


def _digest(connection: Connection, table: Table) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    # By the keys as Python sees them: the two databases order texts each in its own way.
    for row in sorted(_lines(connection, table)):
        digest.update(row)
        count += 1
    return count, digest.hexdigest()


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    for batch in _batches(connection, table):
        for row in batch:
            yield hashlib.sha256(
                canonical_json({name: _plain(value) for name, value in row.items()})
            ).digest()


def _plain(value: Any) -> Any:
    """A value as JSON can say it; JSON documents themselves stay as they are."""
    if value is None or isinstance(value, bool | str | dict | list):
        return value
    return f"{type(value).__name__} {value.hex() if isinstance(value, bytes | float) else value}"
