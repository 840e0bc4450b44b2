"""`lms doctor`: what is wrong is named with its mend, and nothing that is wrong makes it fall over."""

import dataclasses
import json
import os
import pwd
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from lms import cli
from lms.app import create_app
from lms.core import jobs, notices, signing
from lms.core.db import db, transaction
from lms.logbooks.services import SUBMITTED
from lms.operations import doctor
from lms.settings import NAMES
from tests.conftest import POSTGRES

NAMED = {
    "settings", "database", "migrations", "history", "clock", "queue", "disk", "fsync", "media", "ffmpeg", "transcriber", "pdf", "signing", "signer", "mail", "audit",
}  # fmt: skip
HASTY = "PostgreSQL answers before it has written."
UNGUARD = "ALTER TABLE audit_event DISABLE TRIGGER USER" if POSTGRES else "DROP TRIGGER audit_event_no_update"


@pytest.fixture
def keys(settings, at):
    """The signing authority of the site."""
    signing.create_authority(
        settings.keys_dir, organisation="Firefly", at=at, passphrase=settings.keys_passphrase
    )


@pytest.fixture
def ask(app, settings, keys, at):
    """`ask(mail_url=…)`: name → findings, on a site with other settings."""

    def act(*, when=at, **other):
        return by_name(doctor.examine(dataclasses.replace(settings, **other), at=when))

    return act


def by_name(checks):
    """Name → findings. The PostgreSQL of the tests is told not to wait for its disk; the doctor sees it, and here it is no fault."""
    found = {}
    for check in checks:
        if not (POSTGRES and check.says == HASTY):
            found.setdefault(check.name, []).append(check)
    return found


def wrong(found):
    """The names of what does not hold."""
    return {name for name, checks in found.items() if not all(check.ok for check in checks)}


def test_a_healthy_site_holds_in_every_respect(cast, ask):
    found = ask()
    assert set(found) == NAMED
    assert not wrong(found)
    assert int(found["audit"][0].says.split()[0]) > 0


def test_what_is_wrong_always_has_a_mend(cast, ask, at, monkeypatch):
    with db.engine.begin() as connection:
        connection.execute(text(UNGUARD))
        connection.execute(text("UPDATE audit_event SET act = 'x' WHERE seq = 1"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    found = ask(
        when=at + timedelta(days=4000),
        keys_passphrase="another",
        ffmpeg="/nowhere/ffmpeg",
        mail_url="smtp://127.0.0.1:1",
    )
    assert wrong(found) == {"migrations", "history", "signing", "ffmpeg", "mail", "audit"}
    assert all(check.mend for checks in found.values() for check in checks if not check.ok)
    assert "audit_event" in found["history"][0].says
    assert "0001" in found["migrations"][0].says


@pytest.mark.skipif(not POSTGRES, reason="SQLite's is our own pragma")
def test_a_server_that_does_not_wait_for_its_disk_is_wrong(app, settings, keys, at):
    assert HASTY in [check.says for check in doctor.examine(settings, at=at) if not check.ok]


def test_a_clock_that_was_set_back_is_seen(cast, ask, at):
    assert wrong(ask(when=at - timedelta(days=1))) == {"clock"}


def test_certificates_that_end_are_told_before_they_end(app, ask, at):
    soon = ask(when=at + timedelta(days=365 * 3 - 30))["signing"]
    assert [(check.ok, bool(check.mend)) for check in soon if "signer" in check.says] == [(True, True)]
    assert wrong(ask(when=at + timedelta(days=365 * 3 + 2))) == {"signing"}


def test_keys_that_are_gone_are_missed(app, settings, ask):
    (settings.keys_dir / signing.SIGNER).unlink()
    assert wrong(ask()) == {"signing"}


def test_the_keys_of_the_authorities_should_not_lie_on_a_real_site(app, ask):
    found = ask(env="production", base_url="https://lms.example.org", trusted_proxies=1)
    assert not wrong(found)
    assert any(check.mend and "root.key" in check.says for check in found["signing"])


def test_where_the_worker_signs_a_real_site_is_told_so(app, ask):
    (here,) = ask()["signer"]
    assert (here.ok, here.mend) == (True, "")
    (real,) = ask(env="production", base_url="https://lms.example.org", trusted_proxies=1)["signer"]
    assert (real.ok, bool(real.mend)) == (True, True)


@pytest.fixture
def apart(app, settings, keys, monkeypatch):
    """A site whose signer stands apart."""
    there = dataclasses.replace(settings, signer="separate")
    monkeypatch.setitem(app.extensions, "lms_settings", there)
    return there


def test_a_signer_that_is_missing_or_troubled_is_told_with_what_waits(app, apart, at, monkeypatch):
    def found():
        db.session.rollback()
        return doctor.examine(apart, at=at)

    def says():
        return next(check for check in found() if check.name == "signer")

    assert (says().ok, "systemctl start firefly-signer" in says().mend) == (True, True)
    monkeypatch.setattr(jobs, "backlog", lambda _at: {"certificates.issue": 3, "notices.deliver": 9})
    assert (says().ok, "3 wait for it" in says().says) == (False, True)
    with transaction():
        jobs.note_worker(at, kind=jobs.SIGNER)
    assert (says().ok, says().mend) == (True, "")
    with transaction():
        jobs.note_worker(at, kind=jobs.SIGNER, trouble="no token is called X")
    assert not says().ok
    assert "no token is called X" in says().says


@pytest.mark.parametrize(
    ("owner", "mode", "seen"), [("site", 0o600, True), ("signer", 0o644, True), ("signer", 0o600, False)]
)
def test_keys_that_the_web_server_can_read_are_named(settings, authority_of, owner, mode, seen):
    """The web server's user is whom the data folder belongs to; only root can give the keys to another."""
    if owner == "signer" and os.geteuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        data, keys = place / "data", place / "keys"
        data.mkdir()
        shutil.copytree(authority_of, keys)
        keys.chmod(0o755)
        if os.geteuid() == 0:
            site, signer = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
            os.chown(data, site.pw_uid, site.pw_gid)
            who = site if owner == "site" else signer
            for path in keys.iterdir():
                os.chown(path, who.pw_uid, who.pw_gid)
        for path in signing.private_files(keys):
            path.chmod(mode)
        there = dataclasses.replace(settings, data_dir=data, keys_dir=keys, signer="separate")
        assert (signing.SIGNER in doctor.readable_by_web(there)) == seen


@pytest.fixture
def authority_of(settings, keys):
    """The folder of the authority."""
    return settings.keys_dir


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a folder in memory")  # a Mac has none
def test_a_disk_that_keeps_nothing_is_suspected(app, ask, tmp_path_factory):
    found = ask(data_dir=Path("/dev/shm"))
    assert "No disk is so fast" in found["fsync"][0].says
    assert found["fsync"][0].mend


def test_a_full_disk_is_wrong_and_a_filling_one_worth_a_look(app, ask, monkeypatch):
    usage = doctor.shutil.disk_usage("/")
    for free, ok in ((2_000_000_000, True), (900_000_000, False)):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path, free=free: usage._replace(free=free))
        (check,) = ask()["disk"][:1]
        assert (check.ok, bool(check.mend)) == (ok, True)


def test_a_queue_that_is_gone_is_wrong_and_stops_nothing_else(settings, keys, at):
    gone = dataclasses.replace(settings, queue_url="redis://127.0.0.1:1/0")
    with create_app(gone).app_context():
        found = by_name(doctor.examine(gone, at=at))
        db.session.remove()
        db.engine.dispose()
    assert wrong(found) == {"queue"}


def test_work_that_waits_is_counted(app, cast, ask, at):
    with transaction():
        notices.notify(
            cast.mentor.account_id,
            SUBMITTED,
            values={"trainee": "李思远", "item": "腰椎穿刺", "day": "2026-11-01"},
            url="/to-sign",
            at=at,
        )
    assert "nothing" not in ask()["queue"][0].says
    assert "lms worker" in ask()["queue"][0].mend


@pytest.fixture
def command(monkeypatch, tmp_path):
    """`command(LMS_…="…")` runs `lms doctor --json` with these settings and answers status and checks."""
    for name in NAMES:
        monkeypatch.delenv(f"LMS_{name}", raising=False)

    def run(capsys, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        status = cli.main(["doctor", "--json"])
        return status, json.loads(capsys.readouterr().out)["checks"]

    return run


def test_a_database_that_is_gone_is_said_and_not_raised(command, tmp_path, capsys):
    status, checks = command(
        capsys,
        LMS_ENV="test",
        LMS_DATA_DIR=str(tmp_path),
        LMS_DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    )
    assert status == 1
    assert {"database", "migrations", "history", "audit"} <= {
        check["name"] for check in checks if not check["ok"]
    }
    assert {"disk", "ffmpeg", "pdf"} <= {check["name"] for check in checks if check["ok"]}
    assert all(set(check) == {"name", "ok", "says", "mend"} for check in checks)


def test_refused_settings_are_the_first_finding(command, capsys):
    status, checks = command(capsys, LMS_SECRET_KEY="changeme")
    assert status == 1
    assert [check["name"] for check in checks if not check["ok"]] == ["settings"]
    assert "LMS_SECRET_KEY" in checks[0]["says"]


def test_the_text_says_the_same(app, ask):
    checks = [check for found in ask(ffmpeg="/nowhere").values() for check in found]
    text_ = doctor.as_text(checks)
    assert "WRONG ffmpeg" in text_
    assert "→ Install ffmpeg" in text_
    assert text_.endswith(f"1 of {len(checks)} are wrong.")
