"""An upgrade is rehearsed on a copy first, and a site that it would break stays as it was."""

import dataclasses
import gzip
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from lms import cli
from lms.app import create_app
from lms.core import audit, copies, ids, signing
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.migrations import newest
from lms.operations import backup, upgrade
from lms.settings import load
from tests.conftest import POSTGRES, _postgres

RELEASE = Path(__file__).resolve().parents[1] / "releases" / "0.1.0"


@pytest.fixture
def released(tmp_path):
    """Settings of a site as version 0.1.0 left it, with people, sittings and entries."""
    folder = tmp_path / "released"
    folder.mkdir()
    url = f"sqlite:///{folder / 'firefly.sqlite3'}"
    if POSTGRES:
        name = f"released_{ids.public_id().lower()}"
        with _postgres().connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        url = make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        subprocess.run(
            ["psql", "-q", "-v", "ON_ERROR_STOP=1", make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)],
            input=gzip.decompress((RELEASE / "postgresql.sql.gz").read_bytes()), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    else:
        connection = sqlite3.connect(folder / "firefly.sqlite3")
        connection.executescript(gzip.decompress((RELEASE / "sqlite.sql.gz").read_bytes()).decode())
        connection.close()
    _without_files(url)
    yield load({}, env="test", data_dir=folder, database_url=url, base_url="http://localhost")
    if POSTGRES:
        with _postgres().connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def _without_files(url):
    """The dump has rows and no files: its certificates' PDFs are not at hand."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if POSTGRES:
            connection.execute(text("ALTER TABLE certificate DISABLE TRIGGER USER"))
            connection.execute(text("UPDATE certificate SET pdf_key = NULL"))
            connection.execute(text("ALTER TABLE certificate ENABLE TRIGGER USER"))
        else:
            stored = connection.execute(
                text(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'certificate'"
                )
            ).all()
            for name, _sql in stored:
                connection.execute(text(f'DROP TRIGGER "{name}"'))
            connection.execute(text("UPDATE certificate SET pdf_key = NULL"))
            for _name, sql in stored:
                connection.exec_driver_sql(sql)
    engine.dispose()


def go(settings, folder, at, passphrase=""):
    return upgrade.upgrade(settings, folder / "copies", passphrase=passphrase, at=at, says=lambda _line: None)


def rows(settings):
    return {name: n for name, n in copies.counts(settings.database_url).items() if n}


def test_a_released_site_is_upgraded_with_all_its_rows(released, tmp_path, at):
    before = rows(released)
    done = go(released, tmp_path, at)
    assert (done.before, done.after) == ("0001", newest())
    assert upgrade.standing(released.database_url) == newest()
    after = rows(released)
    assert {name: after.get(name) for name in before} == before  # and nobody of the rehearsal
    with create_app(released).app_context():
        assert audit.verify().broken == ()
        db.session.remove()
        db.engine.dispose()
    assert backup.opened(done.copy).body["revision"] == "0001"
    assert go(released, tmp_path, at - timedelta(minutes=1)).before == newest()  # again is nothing new


@pytest.mark.parametrize("step", ["_pages", "_exam", "_certificate", "_require_sound"])
def test_what_fails_in_the_rehearsal_never_touches_the_site(released, tmp_path, at, monkeypatch, step):
    before = rows(released)

    def fail(*_given):
        raise ValueError("the new version is broken")

    monkeypatch.setattr(upgrade, step, fail)
    with pytest.raises(upgrade.NotUpgraded, match=r"not touched.*the new version is broken"):
        go(released, tmp_path, at)
    assert upgrade.standing(released.database_url) == "0001"
    assert rows(released) == before


def test_what_fails_on_the_site_itself_is_put_back(released, tmp_path, at, monkeypatch):
    before = rows(released)
    require = upgrade._require_sound

    def fail_there(settings):
        if settings.database_url == released.database_url:
            raise ValueError("only here")
        require(settings)

    monkeypatch.setattr(upgrade, "_require_sound", fail_there)
    with pytest.raises(upgrade.NotUpgraded, match="put back as it was: only here"):
        go(released, tmp_path, at)
    assert upgrade.standing(released.database_url) == "0001"
    assert rows(released) == before
    monkeypatch.undo()
    assert go(released, tmp_path, at - timedelta(minutes=1)).after == newest()


def test_the_rehearsal_verifies_the_newest_certificate(app, issued, settings, tmp_path, at):
    db.session.remove()
    db.engine.dispose()
    assert go(settings, tmp_path, at).after == newest()
    keys = tmp_path / "other keys"
    signing.create_authority(keys, organisation="Another", at=at, passphrase=settings.keys_passphrase)
    with pytest.raises(upgrade.NotUpgraded, match=issued.serial):
        go(dataclasses.replace(settings, keys_dir=keys), tmp_path, at - timedelta(minutes=1))


def test_a_newer_site_or_none_is_refused(released, tmp_path, at):
    engine = create_engine(released.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RuleBroken) as refusal:
        go(released, tmp_path, at)
    assert refusal.value.code == "newer"
    with pytest.raises(RuleBroken) as refusal:
        go(dataclasses.replace(released, database_url=f"sqlite:///{tmp_path}/nothing.sqlite3"), tmp_path, at)
    assert refusal.value.code == "none"


def test_from_the_command_line(released, tmp_path, monkeypatch, capsys):
    for name in ("env", "data_dir", "database_url", "base_url"):
        monkeypatch.setenv(f"LMS_{name.upper()}", str(getattr(released, name)))
    monkeypatch.setattr(upgrade, "_exam", lambda *_given: (_ for _ in ()).throw(ValueError("broken")))
    assert cli.main(["upgrade", "--to", str(tmp_path / "copies")]) == 1
    assert "not touched" in capsys.readouterr().err
    monkeypatch.undo()
    for name in ("env", "data_dir", "database_url", "base_url"):
        monkeypatch.setenv(f"LMS_{name.upper()}", str(getattr(released, name)))
    assert cli.main(["upgrade", "--to", str(tmp_path / "more copies")]) == 0
    assert f"from 0001 to {newest()}" in capsys.readouterr().out
