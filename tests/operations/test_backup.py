"""Copies of a site: whole, made while it runs, and put back with every proof in them."""

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from lms import cli
from lms.app import create_app
from lms.certificates import queries as certificates
from lms.core import audit, copies, ids, signing
from lms.core.copies import CopyFailed
from lms.core.db import db, transaction
from lms.core.digests import NotOpened, seal, unseal
from lms.core.errors import RuleBroken
from lms.core.storage import storage
from lms.migrations import newest
from lms.operations import backup
from lms.settings import NAMES
from tests.conftest import POSTGRES, _postgres

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def make(app, settings, tmp_path, at):
    """`make()` copies the site; each time a minute later."""
    minutes = itertools.count()

    def act(**given):
        when = given.pop("at", at + timedelta(minutes=next(minutes)))
        return backup.make(
            settings,
            tmp_path / "copies",
            **{"revision": newest(), "passphrase": PASSPHRASE, "at": when, "says": lambda _line: None}
            | given,
        )

    return act


@pytest.fixture
def elsewhere(settings, tmp_path):
    """Settings of an empty place for a site of the same kind."""
    place = tmp_path / "elsewhere"
    url = f"sqlite:///{place / 'firefly.sqlite3'}"
    if POSTGRES:
        name = f"restored_{ids.public_id().lower()}"
        with _postgres().connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        url = make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    yield dataclasses.replace(
        settings,
        data_dir=place,
        media_dir=place / "media",
        keys_dir=place / "keys",
        database_url=url,
        queue_url="",
    )
    if POSTGRES:
        with _postgres().connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def put_back(snapshot, settings, passphrase=PASSPHRASE):
    backup.restore(snapshot, settings, passphrase=passphrase, says=lambda _line: None)


def checked(snapshot, settings, passphrase=PASSPHRASE):
    return backup.check(snapshot, settings, passphrase=passphrase, says=lambda _line: None)


def test_what_comes_back_proves_every_signature_certificate_and_link(app, issued, make, elsewhere, settings):
    events = audit.verify().events
    snapshot = make()
    assert checked(snapshot, settings) == []
    put_back(snapshot, elsewhere)
    root = (elsewhere.keys_dir / "root.crt").read_bytes()
    with create_app(elsewhere).app_context():
        verdict = audit.verify()
        assert (verdict.broken, verdict.events) == ((), events)
        found = certificates.issued()
        assert [one.serial for one in found] == [issued.serial]
        for one in found:
            assert signing.check_pdf(storage().read(one.pdf_key), root=root).code == "valid"
        assert signing.load_signer(elsewhere.keys_dir, elsewhere.keys_passphrase)
        with pytest.raises(Exception, match="append-only"):  # the triggers came along
            db.session.execute(text("UPDATE certificate SET serial = 'X'"))
        db.session.rollback()
        db.session.remove()
        db.engine.dispose()
    assert (
        "LMS_SECRET_KEY='a secret for tests only, long enough'"
        in (elsewhere.data_dir / backup.SETTINGS).read_text()
    )


def test_the_keys_of_a_signer_that_stands_apart_come_back_with_what_opens_them(
    app, cast, settings, authority, elsewhere, tmp_path, at
):
    apart = tmp_path / "apart"
    signing.set_apart(
        authority,
        apart,
        before=settings.keys_passphrase,
        after="a passphrase of its own",
        owner=(os.getuid(), os.getgid()),
    )
    word = tmp_path / "word"
    word.write_text("a passphrase of its own\n")
    there = dataclasses.replace(settings, signer="separate", keys_dir=apart, signer_passphrase_file=str(word))
    snapshot = backup.make(
        there, tmp_path / "copies", revision=newest(), passphrase=PASSPHRASE, at=at, says=lambda _line: None
    )
    put_back(snapshot, elsewhere)
    opens = elsewhere.data_dir / backup.SIGNER_WORD
    with pytest.raises(signing.SigningFailed):
        signing.load_signer(elsewhere.keys_dir, settings.keys_passphrase)
    found = signing.passphrase_of(
        dataclasses.replace(elsewhere, signer="separate", signer_passphrase_file=str(opens))
    )
    assert signing.load_signer(elsewhere.keys_dir, found)


def test_keys_that_are_not_for_this_user_are_named_and_no_half_copy_stays(
    app, cast, settings, tmp_path, at, monkeypatch
):
    def refused(_settings):
        raise PermissionError(13, "Permission denied", "/var/lib/firefly-signer/keys/signer.p12")

    monkeypatch.setattr(backup, "_packed", refused)
    with pytest.raises(RuleBroken, match=r"signer.p12 is not for this user"):
        backup.make(
            settings, tmp_path / "c", revision=newest(), passphrase=PASSPHRASE, at=at, says=lambda _line: None
        )
    assert list((tmp_path / "c" / "snapshots").iterdir()) == []


def test_only_new_files_are_copied_again(app, cast, make, monkeypatch):
    storage().put("items", b"one")
    read = []
    kept = backup._kept
    monkeypatch.setattr(
        backup, "_kept", lambda name, chunks, objects: read.append(name) or kept(name, chunks, objects)
    )
    first = make()
    storage().put("items", b"two")
    second = make()
    assert len(read) == 2
    assert len(first.body["files"]) == 1
    assert len(second.body["files"]) == 2
    assert len(list(second.objects.glob("??/*"))) == 2


def test_a_copy_is_made_while_people_write(app, bare_app, cast, make, elsewhere):
    done = threading.Event()

    def write():
        with bare_app.app_context():
            number = 0
            while not done.is_set() and number < 400:
                with transaction():
                    audit.record(
                        "accounts.session.start",
                        scope=f"account:{number % 3}",
                        at=datetime.now(UTC),
                        account_id=None,
                        subject="x",
                    )
                number += 1
            db.session.remove()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        snapshot = make()
    finally:
        done.set()
        writer.join()
    put_back(snapshot, elsewhere)
    with create_app(elsewhere).app_context():
        assert audit.verify().broken == ()
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("spoil", ["flip", "cut", "gone"])
@pytest.mark.parametrize("what", ["database", "keys", "file"])
def test_every_damage_is_named_and_nothing_damaged_is_put_back(
    app, cast, make, elsewhere, settings, what, spoil
):
    storage().put("items", b"a picture")
    snapshot = make()
    path = {
        "database": snapshot.database,
        "keys": snapshot.folder / backup.KEYS,
        "file": next(iter(snapshot.objects.glob("??/*"))),
    }[what]
    content = path.read_bytes()
    if spoil == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(
            content[:middle]
            + (b"" if spoil == "cut" else bytes([content[middle] ^ 1]) + content[middle + 1 :])
        )
    assert checked(snapshot, settings)
    with pytest.raises((CopyFailed, RuleBroken, OSError)):
        put_back(snapshot, elsewhere)
    assert copies.is_empty(elsewhere.database_url)


def test_a_changed_manifest_is_refused(app, cast, make):
    snapshot = make()
    document = json.loads((snapshot.folder / backup.MANIFEST).read_bytes())
    document["body"]["files"]["../../etc/passwd"] = {"sha256": "0" * 64, "size": 1, "mtime_ns": "1"}
    (snapshot.folder / backup.MANIFEST).write_text(json.dumps(document))
    with pytest.raises(CopyFailed, match="changed"):
        backup.opened(snapshot.folder)


def test_nothing_that_stands_is_overwritten(app, cast, make, settings, elsewhere):
    snapshot = make()
    with pytest.raises(RuleBroken) as refusal:
        put_back(snapshot, settings)
    assert refusal.value.code == "not_empty"
    elsewhere.media_dir.mkdir(parents=True)
    (elsewhere.media_dir / "holiday.mp4").touch()
    with pytest.raises(RuleBroken) as refusal:
        put_back(snapshot, elsewhere)
    assert refusal.value.code == "not_empty"
    assert copies.is_empty(elsewhere.database_url)


def test_certificates_of_signers_from_before_come_back_too(app, cast, make, elsewhere, settings, at):
    word = settings.keys_passphrase
    signing.create_authority(
        settings.keys_dir, organisation="Test hospital", at=at, passphrase=word, kind=signing.P256
    )
    signing.rotate(settings.keys_dir, at=at, passphrase=word, kind=signing.P256)

    def held(folder):
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }

    before = held(settings.keys_dir)
    assert any(name.startswith("retired/") for name in before)
    put_back(make(), elsewhere)
    assert held(elsewhere.keys_dir) == before
    known = [
        {one.fingerprint for one in signing.status(place.keys_dir, word, at=at)}
        for place in (settings, elsewhere)
    ]
    assert known[0] == known[1]


def test_another_passphrase_opens_nothing_and_puts_nothing_back(app, cast, keys, make, elsewhere, settings):
    snapshot = make()
    assert checked(snapshot, settings, passphrase="another passphrase")
    with pytest.raises(RuleBroken) as refusal:
        put_back(snapshot, elsewhere, passphrase="another passphrase")
    assert refusal.value.code == "passphrase"
    assert copies.is_empty(elsewhere.database_url)


def test_without_a_passphrase_the_keys_stay_at_home(app, cast, keys, make, elsewhere):
    snapshot = make(passphrase="")
    assert snapshot.body["keys"] is None
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    put_back(snapshot, elsewhere, passphrase="")
    assert not elsewhere.keys_dir.exists()
    with pytest.raises(RuleBroken) as refusal:
        make(passphrase="short")
    assert refusal.value.code == "short_passphrase"


def test_a_copy_of_a_newer_version_is_refused(app, cast, make, elsewhere, settings):
    snapshot = make(revision="9999")
    assert "newer version" in checked(snapshot, settings)[0]
    with pytest.raises(RuleBroken) as refusal:
        put_back(snapshot, elsewhere)
    assert refusal.value.code == "newer"


def test_a_copy_that_fails_leaves_nothing_and_disturbs_no_other(app, cast, make, settings, tmp_path):
    good = make()
    gone = dataclasses.replace(settings, database_url=f"sqlite:///{tmp_path / 'nowhere.sqlite3'}")
    with pytest.raises(CopyFailed):
        backup.make(
            gone,
            tmp_path / "copies",
            revision=newest(),
            passphrase="",
            at=datetime.now(UTC) + timedelta(days=1),
            says=lambda _line: None,
        )
    assert [one.name for one in backup.snapshots(tmp_path / "copies")] == [good.name]
    assert len(list((tmp_path / "copies" / "snapshots").iterdir())) == 1


def test_two_copies_at_once_are_one_after_the_other(app, cast, make, tmp_path):
    make()
    with backup._alone(tmp_path / "copies"), pytest.raises(RuleBroken) as refusal:
        make()
    assert refusal.value.code == "busy"


def test_the_rule_keeps_days_weeks_and_months_and_the_files_they_need(app, cast, make, tmp_path):
    start = datetime(2026, 1, 1, 2, tzinfo=UTC)
    for day in (0, 1, 20, 40, 58, 59, 60):
        storage().put("items", str(day).encode())
        make(at=start + timedelta(days=day))
    gone = backup.prune(tmp_path / "copies", backup.Keep(daily=2, weekly=1, monthly=3))
    left = [one.at for one in backup.snapshots(tmp_path / "copies")]
    assert left == [start + timedelta(days=day) for day in (20, 58, 59, 60)]
    assert len(gone) == 3
    newest_ = backup.opened(tmp_path / "copies")
    assert backup._damage(newest_) == []
    backup.prune(tmp_path / "copies", backup.Keep(0, 0, 0))
    assert [one.name for one in backup.snapshots(tmp_path / "copies")] == [newest_.name]


def test_what_no_copy_names_is_forgotten(app, cast, make, settings, tmp_path):
    key = storage().put("items", b"once")
    make()
    storage().remove(key)
    make()
    backup.prune(tmp_path / "copies", backup.Keep(0, 0, 0))
    assert not list((tmp_path / "copies" / "objects").glob("??/*"))


def test_a_copy_that_was_cut_off_is_swept_away(app, cast, make, tmp_path):
    make()
    (tmp_path / "copies" / "snapshots" / ".20260101T000000Z").mkdir()
    make()
    assert all(not path.name.startswith(".") for path in (tmp_path / "copies" / "snapshots").iterdir())


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(5000)])
def test_a_sealed_file_opens_with_its_passphrase_only_and_unchanged_only(data):
    sealed = seal(data, PASSPHRASE)
    assert unseal(sealed, PASSPHRASE) == data
    assert data == b"" or data not in sealed or len(data) < 2
    for broken in (
        sealed[:-1],
        sealed + b"x",
        sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:],
        b"",
        sealed[:20],
    ):
        with pytest.raises(NotOpened):
            unseal(broken, PASSPHRASE)
    with pytest.raises(NotOpened):
        unseal(sealed, PASSPHRASE + "!")


@pytest.fixture
def shell(settings, monkeypatch):
    """The settings of the site as a person's shell has them."""
    for name in NAMES:
        value = getattr(settings, name.lower())
        monkeypatch.setenv(f"LMS_{name}", str(int(value)) if isinstance(value, bool) else str(value))


def test_from_the_command_line(app, cast, keys, shell, elsewhere, monkeypatch, tmp_path, capsys):
    storage().put("items", b"a picture")
    db.session.remove()
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    given = ["--passphrase-file", str(secret)]
    assert cli.main(["backup", "--to", str(tmp_path / "copies"), *given, "--keep", "7", "4", "12"]) == 0
    made = Path(capsys.readouterr().out.strip())
    assert cli.main(["restore", str(tmp_path / "copies"), "--check", *given]) == 0
    assert "is whole" in capsys.readouterr().out
    assert cli.main(["restore", str(made), *given]) == 2  # the site stands
    assert "not_empty" in capsys.readouterr().err
    for name in ("data_dir", "media_dir", "keys_dir", "database_url"):
        monkeypatch.setenv(f"LMS_{name.upper()}", str(getattr(elsewhere, name)))
    assert cli.main(["restore", str(made), *given]) == 0
    assert "settings.env" in capsys.readouterr().err
    sourced = subprocess.run(
        ["/bin/sh", "-c", f". '{elsewhere.data_dir / backup.SETTINGS}'; printf %s \"$LMS_SECRET_KEY\""],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sourced.stdout == "a secret for tests only, long enough"
    (next(iter(made.parent.parent.glob("objects/??/*")))).write_bytes(b"another")
    assert cli.main(["restore", str(made), "--check"]) == 1
    assert "was changed" in capsys.readouterr().out
    assert cli.main(["restore", str(tmp_path), "--check"]) == 2
    assert (
        cli.main(["backup", "--to", str(tmp_path / "copies"), "--passphrase-file", str(tmp_path / "no")]) == 2
    )


def test_a_backup_that_is_killed_leaves_no_half_copy(app, cast, settings, tmp_path, shell):
    for number in range(30):
        storage().put("items", os.urandom(2_000_000) + bytes([number]))
    db.session.remove()
    for _try in range(10):  # a busy machine may let it come to its end first; then once more
        process = subprocess.Popen(
            [sys.executable, "-m", "lms.cli", "backup", "--to", str(tmp_path / "copies")]
        )
        while process.poll() is None and not list((tmp_path / "copies").glob("objects/??/*")):
            pass
        process.kill()
        process.wait()
        if not backup.snapshots(tmp_path / "copies"):
            break
        shutil.rmtree(tmp_path / "copies")
    assert list((tmp_path / "copies").glob("objects/??/*"))  # killed in the middle
    assert backup.snapshots(tmp_path / "copies") == []
    assert cli.main(["backup", "--to", str(tmp_path / "copies")]) == 0
    assert checked(backup.opened(tmp_path / "copies"), settings) == []
    shutil.rmtree(tmp_path / "copies")
