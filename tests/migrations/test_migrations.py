"""The schema's history: up, down and up again on an empty database, and up from every released site with its rows."""

import gzip
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text

from lms.app import create_app
from lms.core import audit
from lms.core.db import append_only_tables, db
from lms.migrations import HERE, build_schema, config, is_known, missing, newest
from lms.settings import load
from tests.conftest import POSTGRES

RELEASES = Path(__file__).resolve().parents[1] / "releases"
VERSIONS = sorted(path.name for path in RELEASES.iterdir() if path.is_dir())


@pytest.fixture
def empty_url(tmp_path: Path) -> Iterator[str]:
    """An empty database of this test's own."""
    if not POSTGRES:
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    name = f"empty_{os.getpid()}"
    server = create_engine(make_url(POSTGRES).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    server.dispose()


def tables(url: str) -> set[str]:
    """Names of all tables."""
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def triggers(url: str) -> set[str]:
    """Names of all triggers."""
    engine = create_engine(url)
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if url.startswith("sqlite")
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with engine.connect() as connection:
        found = set(connection.execute(text(query)).scalars())
    engine.dispose()
    return found


def test_every_migration_goes_up_and_down_and_up(empty_url):
    for script in reversed(list(ScriptDirectory.from_config(config(empty_url)).walk_revisions())):
        build_schema(empty_url, script.revision)
        after = tables(empty_url)
        command.downgrade(config(empty_url), script.down_revision or "base")
        build_schema(empty_url, script.revision)
        assert tables(empty_url) == after
    command.downgrade(config(empty_url), "base")
    assert tables(empty_url) <= {"alembic_version"}
    assert not triggers(empty_url)


def test_the_history_that_is_read_without_alembic_is_alembic_s():
    """The web process answers for its schema without reading Alembic in."""
    script = ScriptDirectory(str(HERE))
    assert newest() == script.get_current_head()
    for one in script.walk_revisions():
        assert is_known(one.revision)
        assert missing(one.revision) == len(list(script.iterate_revisions("head", one.revision)))
    assert missing("") == len(list(script.walk_revisions()))
    assert not is_known("9999")


def test_the_schema_is_what_the_models_say(empty_url):
    build_schema(empty_url)
    command.check(config(empty_url))


def test_every_append_only_table_is_guarded_by_the_database(empty_url):
    build_schema(empty_url)
    found = triggers(empty_url)
    for table in append_only_tables():
        assert any(name.startswith(f"{table}_no_") for name in found), table


def test_migrations_never_import_the_product():
    folder = Path(ScriptDirectory.from_config(config("sqlite://")).versions)
    assert [
        path.name
        for path in folder.glob("*.py")
        if "import lms" in path.read_text() or "from lms" in path.read_text()
    ] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_site_comes_up_with_all_its_rows(version, empty_url, tmp_path):
    """Load the stored dump of a populated site, migrate it, count its rows and verify its audit trail."""
    folder = RELEASES / version
    if POSTGRES:
        if shutil.which("psql") is None:
            pytest.fail("psql is needed to load the dump")
        subprocess.run(
            [
                "psql",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                make_url(empty_url).set(drivername="postgresql").render_as_string(hide_password=False),
            ],
            input=gzip.decompress((folder / "postgresql.sql.gz").read_bytes()),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    else:
        connection = sqlite3.connect(make_url(empty_url).database or "")
        connection.executescript(gzip.decompress((folder / "sqlite.sql.gz").read_bytes()).decode())
        connection.close()
    expected = dict(line.split() for line in (folder / "rows.txt").read_text().splitlines())
    build_schema(empty_url)
    app = create_app(load({}, env="test", data_dir=tmp_path / "site", database_url=empty_url))
    with app.app_context():
        counted = {
            table: str(db.session.scalar(text(f'SELECT count(*) FROM "{table}"'))) for table in expected
        }
        verdict = audit.verify()
        db.session.remove()
        db.engine.dispose()
    assert counted == expected
    assert verdict.events > 100
    assert verdict.broken == ()
