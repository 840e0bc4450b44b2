"""The signer as a process of its own: it alone needs keys, it takes rows and no bytes, and nothing is lost while it is away."""

import contextlib
import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from lms import cli
from lms.app import create_app
from lms.certificates import queries, services
from lms.certificates.jobs import key_trouble
from lms.certificates.models import Certificate, CertificateDocument, CertificateFile, LogHead, StatusList
from lms.core import clock, jobs, signer, signing
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.core.signer import Signer
from lms.core.storage import storage
from lms.settings import as_lines
from tests.certificates.conftest import issue_to


@pytest.fixture
def settings(settings):
    """This site's signer stands apart; the keys folder of web and worker holds what is public, and no key."""
    return dataclasses.replace(settings, signer="separate")


@pytest.fixture
def public(settings, authority):
    """What web and worker can read of the authority."""
    settings.keys_dir.mkdir()
    for name in (*signing.PUBLIC, signing.CREDENTIALS_PUBLIC):
        shutil.copy(authority / name, settings.keys_dir)
    assert signing.private_files(settings.keys_dir) == []


@pytest.fixture
def its_settings(settings, authority, tmp_path):
    """The signer's: the same site, with the keys."""
    folder = tmp_path / "signer-keys"
    shutil.copytree(authority, folder)
    return dataclasses.replace(settings, keys_dir=folder)


@pytest.fixture
def the_signer(bare_app, public, its_settings):
    """The signer over the site's database."""
    app = create_app(its_settings)
    yield Signer(app, trouble=key_trouble)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def heard(monkeypatch):
    """The jobs for which this process leaves a message in the queue (which tests that run beside may share)."""
    names, put = [], jobs.Queue.put

    def noted(self, name, row_id):
        names.append(name)
        put(self, name, row_id)

    monkeypatch.setattr(jobs.Queue, "put", noted)
    return names


@pytest.fixture
def reserved(app, ruled, complete, public, at):
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    return db.session.scalars(select(Certificate)).one()


def fresh(row_id=None):
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Certificate, row_id) if row_id else None


def test_a_worker_leaves_what_needs_a_key_and_the_signer_takes_nothing_else(
    bare_app, heard, reserved, the_signer, cast
):
    assert heard, "others are woken"
    assert services.ISSUE not in heard, "the signer is woken by no message"
    Worker(bare_app).drain()
    row = fresh(reserved.id)
    assert (row.state, row.attempts, row.failure) == ("reserved", 0, None)
    the_signer.drain()
    row = fresh(reserved.id)
    assert row.state == "good"
    data = storage().path(row.pdf_key).read_bytes()
    assert signing.check_pdf(data, root=(the_signer_root(the_signer)).read_bytes()).code == "valid"
    fresh()
    waiting = {name for name, count in jobs.backlog(clock.now()).items() if count}
    assert waiting == {"notices.deliver"}, "letters are the worker's"
    Worker(bare_app).drain()
    fresh()
    assert not any(jobs.backlog(clock.now()).values())


def the_signer_root(the_signer) -> Path:
    return the_signer.app.extensions["lms_settings"].keys_dir / signing.ROOT


def test_without_any_key_web_and_worker_do_all_the_rest(bare_app, reserved, the_signer, ruled, browser, at):
    the_signer.drain()
    Worker(bare_app).chores()
    assert db.session.scalars(select(LogHead)).all() == [], "the head of the log is the signer's to sign"
    the_signer.chores()
    row = fresh(reserved.id)
    assert db.session.scalars(select(LogHead)).one().size == 1
    assert not (bare_app.extensions["lms_settings"].data_dir / signing.LOG_KEY).exists()
    client = browser(ruled.director, lang="en")
    for address in (
        f"/verify/{row.serial}",
        f"/verify/{row.serial}/proof.json",
        "/verify/log.json",
        "/verify/offline.html",
        "/.well-known/did.json",
        "/status/revocation/1",
        "/pki/root.crt",
        f"/certificates/{row.serial}",
        f"/certificates/{row.serial}/{row.serial}.pdf",
        f"/certificates/{row.serial}/credential.json",
        f"/certificates/cohorts/{ruled.cohort.public_id}?state=all",
    ):
        assert client.get(address).status_code == 200, address
    data = storage().path(row.pdf_key).read_bytes()
    assert queries.inspect_here(data).code == "genuine"
    with transaction():
        services.revoke(row, reason="wrong", at=at, by=ruled.director)
    listed = select(StatusList.listed).where(StatusList.purpose == "revocation")
    Worker(bare_app).drain()
    assert db.session.scalar(listed) == 0
    the_signer.drain()
    fresh()
    assert db.session.scalar(listed) == 1
    assert queries.check_log().broken == ()


def test_every_page_says_that_certificates_wait_until_a_signer_is_there(
    bare_app, reserved, the_signer, ruled, browser
):
    client = browser(ruled.administrator, lang="en")
    batch = f"/certificates/batches/{db.session.scalar(text('SELECT public_id FROM certificate_batch'))}"
    pages = (
        batch,
        f"/certificates/{reserved.serial}",
        f"/certificates/cohorts/{ruled.cohort.public_id}?state=making",
    )
    for page in pages:
        assert "Waiting for the signer" in client.get(page).text, page
    told = client.get(batch, headers={"Accept": "application/json"}).get_json()
    assert (told["done"], told["text"]) == (0, "0 of 1 made; waiting for the signer")
    assert "No signer is at work" in client.get("/operation").text
    the_signer.look()
    the_signer.chores()
    for page in pages:
        assert "aiting for the signer" not in client.get(page).text, page
    assert "No signer is at work" not in client.get("/operation").text
    with clock.travelled(timedelta(minutes=4)):
        assert "Waiting for the signer" in client.get(pages[1]).text


def test_a_key_that_is_away_loses_nothing_and_is_told_in_words(
    bare_app, reserved, the_signer, its_settings, ruled, browser
):
    away = its_settings.keys_dir / "away"
    (its_settings.keys_dir / signing.SIGNER).rename(away)
    assert the_signer.drain() == 0
    the_signer.chores()
    row = fresh(reserved.id)
    assert (row.state, row.attempts, row.gave_up_at) == ("reserved", 0, None)
    page = browser(ruled.administrator, lang="en").get("/operation").text
    assert "The signer cannot sign" in page
    assert "signer.p12" in page
    away.rename(its_settings.keys_dir / signing.SIGNER)
    the_signer.drain()
    assert fresh(reserved.id).state == "good"


def test_a_key_that_goes_while_it_signs_costs_no_attempt(
    bare_app, reserved, the_signer, its_settings, monkeypatch
):
    away = its_settings.keys_dir / "away"
    (its_settings.keys_dir / signing.SIGNER).rename(away)
    for turn in range(jobs.MAX_ATTEMPTS + 2):  # more often than a row may fail
        with clock.travelled(timedelta(minutes=turn)):
            assert jobs.run_one(the_signer.app, services.ISSUE, reserved.id)
    row = fresh(reserved.id)
    assert (row.state, row.attempts, row.gave_up_at, row.lease_until) == ("reserved", 0, None, None)
    assert "signer.p12" in row.failure
    away.rename(its_settings.keys_dir / signing.SIGNER)
    with clock.travelled(timedelta(minutes=20)):
        the_signer.drain()
    assert fresh(reserved.id).state == "good"


def test_the_signer_reads_no_message(bare_app, reserved, the_signer):
    jobs.queue().clear()
    jobs.queue().put(services.ISSUE, reserved.id)
    thread = threading.Thread(target=the_signer.run)
    thread.start()
    end = time.monotonic() + 240
    while fresh(reserved.id).state != "good" and time.monotonic() < end:
        time.sleep(0.1)
    the_signer.stop()
    thread.join(30)
    assert fresh(reserved.id).state == "good"
    assert jobs.queue().get() == (services.ISSUE, reserved.id)


def test_killed_while_it_signs_leaves_one_certificate(bare_app, reserved, the_signer, its_settings, tmp_path):
    (tmp_path / "signer.env").write_text(as_lines(its_settings), encoding="utf-8")
    command = [sys.executable, "-m", "tests.certificates.signer_process", str(tmp_path / "signer.env")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
        finally:
            process.send_signal(signal.SIGKILL)
    assert the_signer.drain() == 0, "the dead one's lease still runs"
    with clock.travelled(timedelta(seconds=jobs.LEASE_S + 1)):
        the_signer.drain()
    fresh()
    row = db.session.scalars(select(Certificate)).one()
    assert (row.state, row.attempts) == ("good", 2)
    assert db.session.scalar(select(func.count()).select_from(CertificateFile)) == 1
    assert queries.check_log().size == 1


def unguarded(table):
    """The database lets history of the table be rewritten, as for somebody who has broken into it."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    names = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
    for name in db.session.scalars(names, {"table": table}).all():
        db.session.execute(text(f'DROP TRIGGER "{name}"'))


def test_facts_that_were_changed_after_the_reservation_are_not_signed(bare_app, reserved, the_signer):
    with transaction():
        unguarded("certificate")
        reserved.facts = {**reserved.facts, "name_zh": "另一个人"}
    the_signer.drain()
    row = fresh(reserved.id)
    assert (row.state, row.gave_up_at is None) == ("reserved", False)
    assert "frozen" in row.failure


def test_a_file_that_was_changed_is_not_stamped(bare_app, reserved, the_signer, its_settings):
    the_signer.drain()
    row = fresh(reserved.id)
    path = storage().path(row.pdf_key)
    path.write_bytes(path.read_bytes() + b"%")
    object.__setattr__(its_settings, "signature_level", "B-LTA")
    the_signer.drain(rounds=2)
    fresh()
    document = db.session.get_one(CertificateDocument, row.id)
    assert document.level == "B-B"
    assert "is not the one that the register knows" in document.failure


def test_of_two_signers_one_that_can_sign_is_enough(app, settings, at):
    with transaction():
        for name, trouble in (("a:1", "no token"), ("b:2", None)):
            db.session.add(jobs.WorkerSeen(name=name, seen_at=at, kind=jobs.SIGNER, trouble=trouble))
    assert not signer.state(at).waits
    with transaction():
        db.session.get_one(jobs.WorkerSeen, "b:2").seen_at = at - timedelta(minutes=5)
    assert signer.state(at).waits
    assert signer.state(at).trouble == "no token"


def test_where_the_worker_signs_there_is_no_signer_to_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LMS_ENV", "demo")
    monkeypatch.setenv("LMS_DATA_DIR", str(tmp_path))
    assert cli.main(["signer"]) == 2
    assert "LMS_SIGNER=separate" in capsys.readouterr().err


# ---------------------------------------------------------------- users of their own

SITE_USER, SIGNER_USER = "daemon", "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users, which needs root")
@pytest.mark.skipif(bool(os.environ.get("LMS_TEST_DATABASE_URL")), reason="about the files of SQLite")
def test_two_users_share_the_site_and_one_alone_reads_the_keys(
    bare_app, ruled, complete, settings, authority, at, tmp_path_factory, monkeypatch, capsys
):
    import grp
    import pwd

    site, its = pwd.getpwnam(SITE_USER), pwd.getpwnam(SIGNER_USER)
    assert grp.getgrgid(site.pw_gid)
    # The place of a real site: outside the folder that pytest closes to others.
    place = Path("/tmp") / f"firefly-two-users-{os.getpid()}"
    place.mkdir(mode=0o755)
    try:
        data = place / "data"
        data.mkdir()
        db_path = Path(settings.database_url.removeprefix("sqlite:///"))
        with bare_app.app_context():
            complete(ruled.enrolment)
            issue_to(ruled, ruled.enrolment, at)
            db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            db.session.remove()
            db.engine.dispose()
        shutil.copy(db_path, data / "firefly.sqlite3")
        shutil.copytree(authority, data / "keys")
        there = dataclasses.replace(
            settings,
            data_dir=data,
            media_dir=data / "media",
            keys_dir=data / "keys",
            database_url=f"sqlite:///{data / 'firefly.sqlite3'}",
            signer="worker",
        )
        file = place / "settings.env"
        file.write_text(as_lines(there), encoding="utf-8")
        for path in (data, *data.rglob("*")):
            os.chown(path, site.pw_uid, site.pw_gid)
        for name in os.environ:
            if name.startswith("LMS_"):
                monkeypatch.delenv(name)
        apart = [
            *("--settings", str(file), "certificates", "keys", "apart", "--user", SIGNER_USER),
            *("--to", str(place / "keys"), "--passphrase-file", str(place / "passphrase")),
        ]
        with monkeypatch.context() as shell:
            for line in file.read_text().splitlines():
                name, _equals, _value = line.partition("=")
                shell.setenv(name, "")
                shell.delenv(name)
            assert cli.main(apart) == 0, capsys.readouterr()
            assert not (data / "keys").exists()
            assert cli.main(apart) == 0, "again, as after a restore"
        script = (
            "import pathlib, sys\n"
            "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
            "    try:\n"
            "        path.is_dir() or path.read_bytes(); print(path.name)\n"
            "    except PermissionError: pass\n"
        )
        seen = {
            who.pw_name: set(
                subprocess.run(
                    ["/usr/bin/env", "python3", "-c", script, str(place / "keys")],
                    user=who.pw_uid,
                    group=site.pw_gid,
                    extra_groups=[],
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd="/",
                ).stdout.split()
            )
            for who in (site, its)
        }
        private = {path.name for path in signing.private_files(place / "keys")}
        assert {signing.SIGNER, signing.CREDENTIALS} <= private
        assert not seen[SITE_USER] & private
        assert {*signing.PUBLIC, signing.CREDENTIALS_PUBLIC, signing.SIGNER_OPEN} <= seen[SITE_USER]
        assert private <= seen[SIGNER_USER]

        def as_user(who, kind):
            process = "tests.certificates.user_process"
            return subprocess.Popen(
                [sys.executable, "-m", process, kind, str(file), str(who.pw_uid), str(site.pw_gid)],
                stderr=subprocess.PIPE,
                text=True,
            )

        worker, its_process = as_user(site, "worker"), as_user(its, "signer")
        try:
            end, pdf_key = time.monotonic() + 300, None
            with contextlib.closing(sqlite3.connect(data / "firefly.sqlite3")) as register:
                while pdf_key is None and time.monotonic() < end and its_process.poll() is None:
                    ((pdf_key,),) = register.execute("SELECT pdf_key FROM certificate").fetchall()
                    time.sleep(0.2)
        finally:
            for process in (worker, its_process):
                process.terminate()
            said = [process.communicate()[1] for process in (worker, its_process)]
        assert pdf_key, said
        data_ = (data / "media" / pdf_key).read_bytes()
        assert signing.check_pdf(data_, root=(place / "keys" / signing.ROOT).read_bytes()).code == "valid", (
            said
        )
        assert "PermissionError" not in "".join(said), said
        assert "readonly" not in "".join(said), said
    finally:
        shutil.rmtree(place)
