"""A site goes from SQLite to PostgreSQL, whole or not at all."""

import threading

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from lms import cli
from lms.app import create_app
from lms.core import audit, clock, copies, ids
from lms.core.db import db, transaction, unguarded_tables
from lms.core.errors import RuleBroken
from lms.migrations import build_schema
from lms.operations import move
from lms.settings import load
from tests.cast import build_cast
from tests.conftest import POSTGRES, _postgres

needs_postgresql = pytest.mark.skipif(not POSTGRES, reason="moves to a PostgreSQL")


@pytest.fixture
def source(tmp_path):
    """A SQLite site with people, roles, placements, notices and a lecture that names its video."""
    url = f"sqlite:///{tmp_path / 'source.sqlite3'}"
    build_schema(url)
    settings = load({}, env="test", data_dir=tmp_path / "site", database_url=url)
    with create_app(settings).app_context():
        with transaction():
            cast = build_cast(clock.now())
            _lecture(cast)
        db.session.remove()
        db.engine.dispose()
    return url


def _lecture(cast):
    """A lecture and its video name each other: neither can be the first."""
    from lms.courses import services as courses
    from lms.courses.models import Video

    at = clock.now()
    course = courses.add_course(cast.cohort, code="C", title_zh="课程", title_en="Course", at=at, by=None)
    module = courses.add_module(course, title_zh="模块", title_en="Module", at=at, by=None)
    lecture = courses.add_lecture(module, title_zh="讲座", title_en="Lecture", at=at, by=None)
    video = Video(
        lecture_id=lecture.id,
        version=1,
        source_key="x",
        source_bytes=1,
        source_sha256="0" * 64,
        uploaded_at=at,
        state="ready",
        duration_s=30,
    )
    db.session.add(video)
    db.session.flush()
    lecture.video_id = video.id


@pytest.fixture
def target():
    """An empty PostgreSQL database."""
    name = f"moved_{ids.public_id().lower()}"
    with _postgres().connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    with _postgres().connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def moved(source, target):
    return move.move(source, target, says=lambda _line: None)


@needs_postgresql
def test_a_moved_site_is_the_same_site_and_goes_on(source, target, tmp_path):
    found = moved(source, target)
    counted = copies.counts(source)
    assert {one.table: one.rows for one in found} == {
        name: n for name, n in counted.items() if name != "alembic_version"
    }
    assert sum(one.rows for one in found) > 30
    settings = load({}, env="test", data_dir=tmp_path / "site", database_url=target)
    with create_app(settings).app_context():
        assert audit.verify().broken == ()
        assert unguarded_tables() == []
        with transaction():  # the next number is free
            audit.record(
                "accounts.session.start", scope="account:1", at=clock.now(), account_id=None, subject="x"
            )
            from lms.accounts import services as accounts

            accounts.add_person(name_zh="新人", name_latin="", at=clock.now(), by=None)
        assert audit.verify().broken == ()
        with pytest.raises(Exception, match="append-only"):
            db.session.execute(text("DELETE FROM audit_event"))
        db.session.rollback()
        with pytest.raises(Exception, match="foreign key"):
            db.session.execute(text("UPDATE lecture SET video_id = 999999"))
        db.session.rollback()
        db.session.remove()
        db.engine.dispose()


@needs_postgresql
def test_nobody_writes_in_the_old_site_meanwhile(source, target):
    """What the old site said was saved is in the new one: its writers wait until the move is over, or come before it."""
    engine = create_engine(source)
    refused = []

    def write():
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            try:
                connection.exec_driver_sql("UPDATE person SET name_latin = 'Too Late'")
                connection.commit()
            except OperationalError as problem:
                refused.append(str(problem))

    def says(line):
        if line.startswith("1 of"):
            writer = threading.Thread(target=write)
            writer.start()
            writer.join()

    move.move(source, target, says=says)
    engine.dispose()
    assert "locked" in refused[0]


@needs_postgresql
def test_a_difference_is_found_and_nothing_is_kept(source, target, monkeypatch):
    original = move._count_on

    def spoil(new, table):
        if table.name == "person":
            new.execute(text("UPDATE person SET name_zh = '别人' WHERE id = (SELECT min(id) FROM person)"))
        original(new, table)

    monkeypatch.setattr(move, "_count_on", spoil)
    with pytest.raises(RuleBroken) as refusal:
        moved(source, target)
    assert refusal.value.code == "differs"
    assert "person" in refusal.value.message
    assert copies.is_empty(target)
    monkeypatch.undo()
    assert moved(source, target)


@needs_postgresql
def test_an_old_schema_or_a_target_in_use_is_refused(source, target):
    engine = create_engine(target)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id int)"))
    with pytest.raises(RuleBroken) as refusal:
        moved(source, target)
    assert refusal.value.code == "not_empty"
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE somebody_elses"))
    engine.dispose()
    engine = create_engine(source)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    with pytest.raises(RuleBroken) as refusal:
        moved(source, target)
    assert refusal.value.code == "old_schema"


@needs_postgresql
def test_from_the_command_line(source, target, tmp_path, monkeypatch, capsys):
    settings = load({}, env="test", data_dir=tmp_path / "site", database_url=source)
    for name in ("env", "data_dir", "database_url"):
        monkeypatch.setenv(f"LMS_{name.upper()}", str(getattr(settings, name)))
    assert cli.main(["move", "--to", target]) == 0
    assert "are the same on both sides" in capsys.readouterr().out
    assert cli.main(["move", "--to", target]) == 2
    assert "not_empty" in capsys.readouterr().err


def test_only_from_sqlite_to_postgresql(source):
    for one, other in ((source, source), ("postgresql+psycopg://h/x", "postgresql+psycopg://h/y")):
        with pytest.raises(RuleBroken) as refusal:
            moved(one, other)
        assert refusal.value.code == "wrong_kind"
    with pytest.raises(RuleBroken) as refusal:
        moved(source.replace("source", "nowhere"), "postgresql+psycopg://h/x")
    assert refusal.value.code == "none"
