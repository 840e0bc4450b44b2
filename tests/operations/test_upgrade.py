"""An upgrade is rehearsed on a copy first, and a site that it would break stays as it was."""

import dataclasses
import gzip
import json
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from lms import cli
from lms.app import create_app
from lms.core import audit, copies, ids, signing
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.migrations import missing, newest
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


@pytest.fixture
def command(released, tmp_path, monkeypatch):
    """`command()` upgrades the released site from the command line; `command.url` is where the site listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{listener.getsockname()[1]}"

    def act():
        with pytest.MonkeyPatch.context() as settings:
            for name in ("env", "data_dir", "database_url", "base_url"):
                settings.setenv(f"LMS_{name.upper()}", str(getattr(released, name)))
            return cli.main(["upgrade", "--to", str(tmp_path / ids.token()), "--bind", bind])

    act.url, act.bind = f"http://{bind}", bind
    return act


def asked(url, *, data=None, **headers):
    """Status, headers and text of what the site says."""
    request = urllib.request.Request(url, data=data, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=10)
    return answer.value.code, answer.value.headers, answer.value.read().decode()


def test_from_the_command_line(command, monkeypatch, capsys):
    with monkeypatch.context() as broken:
        broken.setattr(upgrade, "_exam", lambda *_given: (_ for _ in ()).throw(ValueError("broken")))
        assert command() == 1
    assert "not touched" in capsys.readouterr().err
    assert command() == 0
    assert f"from 0001 to {newest()}" in capsys.readouterr().out


def test_whoever_comes_meanwhile_reads_how_far_it_is(command, released, monkeypatch):
    seen, require = [], upgrade._require_sound

    def look(settings):
        seen.append(asked(command.url + "/logbook", **{"Accept": "text/html", "Accept-Language": "zh-CN"}))
        seen.append(
            asked(command.url + "/x", data=b"a=b", **{"Accept": "text/html", "Accept-Language": "en"})
        )
        seen.append(
            asked(command.url + "/sittings/1/ops", data=b"{}", **{"Content-Type": "application/json"})
        )
        require(settings)

    monkeypatch.setattr(upgrade, "_require_sound", look)
    assert command() == 0
    assert len(seen) == 6
    assert {status for status, _headers, _text in seen} == {503}
    (_, headers, rehearsing), (_, _, typed), (_, _, sent), (_, _, checking), _, (_, _, last) = seen
    assert headers["Retry-After"] == "5"
    assert headers["Cache-Control"] == "no-store"
    assert 'lang="zh-Hans"' in rehearsing
    assert "正在升级" in rehearsing
    assert 'http-equiv="refresh"' in rehearsing
    assert rehearsing.index('aria-current="step"') < checking.index('aria-current="step"')
    assert 'value="25"' in rehearsing
    assert 'value="75"' in checking
    assert "Go back in your browser" in typed
    assert 'http-equiv="refresh"' not in typed
    assert (json.loads(sent)["step"], json.loads(last)["step"]) == ("rehearsal", "checks")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(command.url, timeout=5)  # the address is free for the site again


def test_each_migration_moves_the_bar(released, tmp_path, at):
    heard = []
    upgrade.upgrade(
        released, tmp_path / "copies", passphrase="a passphrase on paper", at=at, says=lambda _line: None, tells=lambda *step: heard.append(step)
    )  # fmt: skip
    number = missing("0001")
    moved = [(done, of) for step, done, of in heard if step == "migration"]
    assert moved == [(done, number) for done in range(number + 1)]
    assert number > 20
    assert [step for step, done, _of in heard if not done] == list(upgrade.STEPS)


def test_a_site_that_still_runs_is_not_upgraded(command, released, capsys):
    before = rows(released)
    host, port = command.bind.split(":")
    with socket.create_server((host, int(port))):
        assert command() == 2
    assert "stop the site first" in capsys.readouterr().err
    assert upgrade.standing(released.database_url) == "0001"
    assert rows(released) == before
