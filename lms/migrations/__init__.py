"""The schema's history, and the one way to bring a database up to it."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

HERE = Path(__file__).resolve().parent


def config(database_url: str) -> Config:
    """Alembic's configuration for a database."""
    found = Config()
    found.set_main_option("script_location", str(HERE))
    found.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return found


def build_schema(
    database_url: str, revision: str = "head", *, applied: Callable[[], None] | None = None
) -> None:
    """Bring a database (empty or older) up to ``revision``; ``applied`` is called after each migration."""
    found = config(database_url)
    found.attributes["applied"] = applied
    command.upgrade(found, revision)


def missing(revision: str) -> int:
    """How many migrations lead from a revision to the newest."""
    return sum(1 for _one in ScriptDirectory(str(HERE)).iterate_revisions("head", revision))


def newest() -> str:
    """The revision that this version of the product wants."""
    return ScriptDirectory(str(HERE)).get_current_head() or ""


def is_known(revision: str) -> bool:
    """Whether a revision belongs to this version's history: otherwise a newer version wrote it."""
    return any(one.revision == revision for one in ScriptDirectory(str(HERE)).walk_revisions())


def revision_of(connection: Connection) -> str:
    """The revision that a database stands at; empty for one without a schema."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def create_everything(database_url: str) -> None:
    """Make the schema straight from the models; for writing a first migration only."""
    from lms.core.db import Base, append_only_ddl, append_only_tables, prepare_engine

    engine = create_engine(database_url)
    prepare_engine(engine)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for table, unless in append_only_tables().items():
            for statement in append_only_ddl(engine.dialect.name, table, unless):
                connection.exec_driver_sql(statement)
    engine.dispose()
