"""Writes tests/releases/VERSION: dumps of a populated site on SQLite and PostgreSQL, from which later migrations are tested.

    python tools/services.py -- .venv/bin/python tools/release_dump.py

Run once for each release, never again for the same one. The videos themselves are not part of it, only their rows.
"""

import gzip
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lms import __version__, demo  # noqa: E402
from lms.app import create_app  # noqa: E402
from lms.core import clock  # noqa: E402
from lms.core.db import db  # noqa: E402
from lms.core.jobs import Worker  # noqa: E402
from lms.settings import load  # noqa: E402


def populate(data: Path, url: str) -> None:
    """Build the whole demonstration in a database."""
    settings = load({}, env="demo", data_dir=data, database_url=url)
    demo.prepare(settings)
    app = create_app(settings)
    demo.build(app, at=clock.now())
    Worker(app).drain()
    demo.enliven(app, at=clock.now())
    Worker(app).drain()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def counts(url: str) -> str:
    """Rows of each table, one line per table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = sorted(set(inspect(engine).get_table_names()) - {"alembic_version", "rate_limit"})
        found = [
            f"{name} {connection.execute(text(f'SELECT count(*) FROM {name}')).scalar()}" for name in names
        ]
    engine.dispose()
    return "\n".join(found) + "\n"


def main() -> None:
    """Write both dumps and the counts."""
    folder = ROOT / "tests" / "releases" / __version__
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        lite = f"sqlite:///{scratch}/site.sqlite3"
        populate(Path(scratch) / "lite", lite)
        connection = sqlite3.connect(f"{scratch}/site.sqlite3")
        dump = "\n".join(connection.iterdump()) + "\n"
        connection.close()
        (folder / "sqlite.sql.gz").write_bytes(gzip.compress(dump.encode(), 9, mtime=0))
        server = make_url(os.environ["LMS_TEST_DATABASE_URL"])
        name = "firefly_release"
        admin = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        url = server.set(database=name).render_as_string(hide_password=False)
        populate(Path(scratch) / "postgres", url)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        done = subprocess.run(
            ["pg_dump", "--no-owner", "--no-privileges", plain], check=True, capture_output=True
        )
        lines = [
            line
            for line in done.stdout.decode().splitlines()
            if not line.startswith(("\\restrict", "\\unrestrict", "SET transaction_timeout"))
        ]
        (folder / "postgresql.sql.gz").write_bytes(
            gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
        )
        (folder / "rows.txt").write_text(counts(lite))
        if counts(lite) != counts(url):
            raise SystemExit("the two databases differ in their rows")


if __name__ == "__main__":
    main()
