"""Fixtures of all tests: a fresh database each, the real app, the cast."""

import contextvars
import functools
import gc
import itertools
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from lms.app import create_app
from lms.core import clock, digests
from lms.core.db import db, transaction
from lms.migrations import build_schema
from lms.settings import Settings, load
from lms.web import assets
from tests.cast import Cast, build_cast, recall_cast
from tests.servers import ObjectStore

POSTGRES = os.environ.get("LMS_TEST_DATABASE_URL", "")
REDIS = re.sub(  # a numbered database of its own for each process that runs tests; Redis has sixteen
    r"/0$",
    f"/{int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')) % 16}",
    os.environ.get("LMS_TEST_QUEUE_URL", ""),
)
_numbers = itertools.count()

gc.freeze()  # what is read in by now stays to the end: looking through it again and again took a tenth of the time
gc.set_threshold(100_000, 50, 50)

_rules: dict[object, tuple[object, ...]] = {}
_compile_rule = Rule.compile


def _compile(rule: Rule) -> None:
    """Werkzeug takes every address of every app apart and compiles two functions for it: most of the cost of an app, and
    the same for all apps of ours."""
    about = (rule.rule, rule.host, rule.subdomain, tuple(sorted((rule.defaults or {}).items())))
    if about not in _rules:
        _compile_rule(rule)
        builders = rule._build.__func__, rule._build_unknown.__func__  # type: ignore[attr-defined]
        _rules[about] = rule._parts, rule._trace, rule._converters, frozenset(rule.arguments), builders
        return
    rule._parts, rule._trace, rule._converters, arguments, builders = _rules[about]  # type: ignore[assignment]
    rule.arguments.update(arguments)
    rule._build, rule._build_unknown = (builder.__get__(rule) for builder in builders)  # type: ignore[attr-defined]


Rule.compile = _compile  # type: ignore[method-assign]

# And SQLAlchemy compiles each statement once for each engine. The dialects of one kind are alike here.
_statements: LRUCache[object, object] = LRUCache(2000)
for _kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
    _kind.__eq__ = lambda one, other: type(one) is type(other)
    _kind.__hash__ = lambda one: hash(type(one))

# One salt for all: scrypt, slow on purpose, answers once for each passphrase and not once for each key that is sealed.
digests._new_salt = lambda: b"a salt for tests"  # type: ignore[attr-defined]

# The files of the pages do not change while tests run, and all apps of a run share the folder into which they are built.
assets.sources = functools.cache(assets.sources)  # type: ignore[assignment]
_served: dict[Path, dict[str, object]] = {}


class _Files(assets.WhiteNoise):
    """Looks at the files of a folder once."""

    def add_files(self, root: str, prefix: str | None = None) -> None:
        """See WhiteNoise."""
        folder = Path(root).resolve()
        if folder not in _served:
            before = set(self.files)
            super().add_files(str(folder), prefix=prefix)
            _served[folder] = {name: self.files[name] for name in set(self.files) - before}
        self.files.update(_served[folder])


assets.WhiteNoise = _Files  # type: ignore[misc]
assets.published_name = functools.cache(assets.published_name)
assets.minified = functools.cache(assets.minified)

hypothesis_settings.register_profile(
    "house", deadline=None
)  # tests do not time: a busy machine is no failure
hypothesis_settings.load_profile("house")


ASKS_SERVICES = re.compile(r"\b(POSTGRES|REDIS|LMS_TEST_\w+|tests\.servers)\b")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL and Redis: leave out what asks neither, for it would be the same test over again."""
    if not POSTGRES:
        return
    texts = {path: path.read_text(encoding="utf-8") for path in {item.path for item in items}}
    same = [
        item
        for item in items
        if not {"database_url", "schema"} & set(getattr(item, "fixturenames", ()))
        and not ASKS_SERVICES.search(texts[item.path])
    ]
    config.hook.pytest_deselected(items=same)
    left_out = set(same)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def at() -> datetime:
    """The instant at which a test's acts happen, unless it says otherwise: now, so that views agree with it."""
    return clock.now().replace(microsecond=0)


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what all tests of a run share."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def schema(shared_dir: Path) -> str:
    """URL of a database that holds the schema and no rows; each test gets a copy."""
    if not POSTGRES:
        url = f"sqlite:///{shared_dir / 'schema.sqlite3'}"
        build_schema(url)
        return url
    name = f"schema_{os.getpid()}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with _postgres().connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    url = make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    build_schema(url)
    return url


def _postgres():
    return create_engine(
        make_url(POSTGRES).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
    )


def _create(connection: Connection, name: str, template: str) -> None:
    """A database like another; since PostgreSQL 15 there are two ways, and for small ones that of before is the faster."""
    version = connection.dialect.server_version_info or (0,)
    how = " STRATEGY FILE_COPY" if version >= (15,) else ""
    connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}'))


def _copy(template_url: str, name: str) -> str:
    """A copy of a database under another name; answers its URL."""
    url = make_url(template_url)
    if not POSTGRES:
        target = Path(url.database or "").with_name(f"{name}.sqlite3")
        shutil.copy(url.database or "", target)
        return f"sqlite:///{target}"
    with _postgres().connect() as connection:
        _create(connection, name, url.database or "")
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def with_cast(schema: str, shared_dir: Path) -> tuple[str, Cast]:
    """URL of a database in which everybody of the cast is at work, and who they are; made once, copied for each test."""
    url = _copy(schema, f"{make_url(schema).database}_cast" if POSTGRES else "cast")
    app = create_app(
        load({}, env="test", data_dir=shared_dir / "cast", database_url=url, secret_key="of no account " * 3)
    )
    with app.app_context():
        with transaction():
            cast = build_cast(clock.now().replace(microsecond=0))
        if not POSTGRES:
            db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
    return url, cast


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own; with the cast in it where the test asks for them."""
    has_cast = "cast" in request.fixturenames
    schema = request.getfixturevalue("with_cast")[0] if has_cast else request.getfixturevalue("schema")
    if not POSTGRES:
        path = tmp_path / "firefly.sqlite3"
        shutil.copy(make_url(schema).database or "", path)
        yield f"sqlite:///{path}"
        return
    template = make_url(schema).database
    name = f"{template}_{next(_numbers)}"
    engine = _postgres()
    with engine.connect() as connection:
        _create(connection, name, template or "")
    yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


@pytest.fixture(scope="session")
def object_store(shared_dir: Path) -> Iterator[ObjectStore]:
    """A running S3 service."""
    service = ObjectStore(shared_dir / "objects")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def bucket(object_store: ObjectStore) -> dict[str, str]:
    """Settings that name an empty bucket."""
    return object_store.new_bucket()


@pytest.fixture
def media() -> dict[str, str]:
    """Settings of the place of files: a folder, unless a module of tests says otherwise."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, database_url: str, shared_dir: Path, media: dict[str, str]) -> Settings:
    """A test site's settings."""
    return load(
        {},
        env="test",
        data_dir=tmp_path,
        database_url=database_url,
        queue_url=REDIS,
        base_url="http://localhost",
        secret_key="a secret for tests only, long enough",
        keys_passphrase="a passphrase for tests",
        **media,
    )


class Compiled(BytecodeCache):
    """The compiled templates of all apps of a run."""

    def __init__(self) -> None:
        self.code: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand out what another app compiled."""
        bucket.code = self.code.get(bucket.key + bucket.checksum)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what an app compiled."""
        if bucket.code is not None:
            self.code[bucket.key + bucket.checksum] = bucket.code


_compiled_templates = Compiled()


def _no_wait(raw: sqlite3.Connection, _record: object) -> None:
    raw.execute("PRAGMA synchronous=OFF")


@pytest.fixture
def bare_app(settings: Settings, shared_dir: Path) -> Iterator[Flask]:
    """The real app outside any context: for clients, workers and threads."""
    static = shared_dir / "static"
    static.mkdir(exist_ok=True)
    if not (settings.data_dir / "static").exists():
        (settings.data_dir / "static").symlink_to(static)
    app = create_app(settings)
    app.jinja_env.bytecode_cache = _compiled_templates
    with app.app_context():
        db.engine._compiled_cache = _statements
        if db.engine.dialect.name == "sqlite":  # no test pulls the plug of the machine it runs on
            event.listen(db.engine, "connect", _no_wait)
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(bare_app: Flask) -> Iterator[Flask]:
    """The real app with an application context pushed: services and queries can be called straight away."""
    with bare_app.app_context():
        yield bare_app
        db.session.remove()


@pytest.fixture
def cast(bare_app: Flask, with_cast: tuple[str, Cast]) -> Cast:
    """The people of all tests (tests/cast.py), in a running cohort."""
    with bare_app.app_context():
        return recall_cast(with_cast[1])


class Browser(FlaskClient):
    """A test client that looks like our own pages to the forgery check."""

    def open(self, *args, **kwargs):
        """Send Sec-Fetch-Site as a browser does; no application context of the test leaks into the request."""
        headers = dict(kwargs.pop("headers", None) or {})
        headers.setdefault("Sec-Fetch-Site", "same-origin")
        kwargs["headers"] = headers
        return contextvars.Context().run(super().open, *args, **kwargs)


@pytest.fixture
def browser(bare_app: Flask) -> Callable[..., Browser]:
    """A maker of browsers: ``browser()`` for a stranger, ``browser(cast.mentor)`` signed in; ``lang="en"`` for English."""
    from lms.accounts import services
    from lms.accounts.models import Account

    bare_app.test_client_class = Browser

    def make(who=None, *, lang: str | None = None) -> Browser:
        client = bare_app.test_client()
        if lang:
            client.set_cookie("lang", lang)
        if who is not None:
            with bare_app.app_context(), transaction():
                token = services.sign_in(
                    db.session.get_one(Account, who.account_id),
                    at=clock.now(),
                    user_agent="test",
                    address="127.0.0.1",
                )
            with client.session_transaction() as cookie:
                cookie["_user_id"] = token
                cookie["_fresh"] = True
        return client

    return make


@pytest.fixture
def queries(bare_app: Flask) -> Callable[[], "QueryCounter"]:
    """Counts statements: ``with queries() as seen: …; assert seen.count <= 12``."""

    def make() -> QueryCounter:
        with bare_app.app_context():
            return QueryCounter(db.engine)

    return make


class QueryCounter:
    """Statements sent to the database while it is open (transaction control left out)."""

    def __init__(self, engine) -> None:
        self.engine = engine
        self.statements: list[str] = []

    @property
    def count(self) -> int:
        """How many statements."""
        return len(self.statements)

    def __enter__(self) -> "QueryCounter":
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_problem: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement: str, *_rest: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")):
            self.statements.append(statement)


@pytest.fixture
def long_ago() -> datetime:
    """An instant well before every test."""
    return datetime(2020, 1, 1, tzinfo=UTC)
