"""The schema's history, and the one way to bring a database up to it."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect, text

if TYPE_CHECKING:  # Alembic is read in when somebody asks: every process of the site knows this room
    from alembic.config import Config

HERE = Path(__file__).resolve().parent
_HEADER = re.compile(
    r"""^revision = ["'](?P<revision>\w+)["']\ndown_revision = (?:None|["'](?P<before>\w+)["'])$""",
    re.MULTILINE,
)


def config(database_url: str) -> "Config":
    """Alembic's configuration for a database."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(HERE))
    found.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return found


def build_schema(
    database_url: str, revision: str = "head", *, applied: Callable[[], None] | None = None
) -> None:
    """Bring a database (empty or older) up to ``revision``; ``applied`` is called after each migration."""
    from alembic import command

    found = config(database_url)
    found.attributes["applied"] = applied
    command.upgrade(found, revision)


@cache
def _before() -> dict[str, str]:
    """Each revision with the one that it builds on (empty for the first), as the files say."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((HERE / "versions").glob("*.py"))]
    found = [_HEADER.search(text) for text in texts]
    return {one["revision"]: one["before"] or "" for one in found if one is not None}


def missing(revision: str) -> int:
    """How many migrations lead from a revision to the newest."""
    before, here, count = _before(), newest(), 0
    while here not in {revision, ""}:
        here, count = before[here], count + 1
    return count


def newest() -> str:
    """The revision that this version of the product wants."""
    before = _before()
    (head,) = set(before) - set(before.values())
    return head


def is_known(revision: str) -> bool:
    """Whether a revision belongs to this version's history: otherwise a newer version wrote it."""
    return revision in _before()


def revision_of(connection: Connection) -> str:
    """The revision that a database stands at; empty for one without a schema."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


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
