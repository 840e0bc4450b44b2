"""The command line: what it says, and with which exit status it ends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from lms import cli
from lms.app import create_app
from lms.core.db import db
from lms.settings import NAMES
from tests.conftest import POSTGRES


@pytest.fixture
def site(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The settings of a site of this test's own; answers its database's address."""
    for name in NAMES:
        monkeypatch.delenv(f"LMS_{name}", raising=False)
    monkeypatch.setenv("LMS_ENV", "test")
    monkeypatch.setenv("LMS_DATA_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("LMS_DATABASE_URL", database_url)
    made = []  # a command ends with its process; here its connections would stay open

    def create(*given):
        made.append(create_app(*given))
        return made[-1]

    monkeypatch.setattr("lms.app.create_app", create)
    yield database_url
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def init(login: str = "chen@example.org") -> int:
    return cli.main(["init", "--name", "陈静", "--login", login])


def run(url: str, *statements: str) -> None:
    """What somebody with the keys of the database does: past the program."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


UNGUARD = "ALTER TABLE audit_event DISABLE TRIGGER USER" if POSTGRES else "DROP TRIGGER audit_event_no_update"


def test_init_makes_keys_the_first_administrator_and_a_link(site, tmp_path, capsys):
    assert init() == 0
    said = capsys.readouterr().out
    assert "move root.key and issuing.key off this machine" in said
    link = re.search(r"http://\S+/invitation/\S+", said)
    assert link
    keys = {path.name for path in (tmp_path / "site" / "keys").iterdir()}
    assert {"root.crt", "root.key", "issuing.crt", "issuing.key", "signer.p12"} <= keys


def test_init_twice_keeps_the_keys_and_refuses_the_same_login(site, tmp_path, capsys):
    assert init() == 0
    root = (tmp_path / "site" / "keys" / "root.crt").read_bytes()
    assert init() == 2
    assert capsys.readouterr().err.startswith("lms: ")
    assert init("zhou@example.org") == 0
    assert (tmp_path / "site" / "keys" / "root.crt").read_bytes() == root


def test_an_untouched_trail_is_verified(site, capsys):
    init()
    capsys.readouterr()
    assert cli.main(["audit", "verify"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["broken"] == 0
    assert said["events"] >= 3
    assert cli.main(["audit", "verify", "--scope", "site"]) == 0


def test_a_link_changed_in_the_database_is_named(site, capsys):
    init()
    capsys.readouterr()
    run(site, UNGUARD, "UPDATE audit_event SET act = 'accounts.grant.end' WHERE scope = 'site' AND seq = 2")
    assert cli.main(["audit", "verify"]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == "broken: site at link 2: hash"
    assert json.loads(last)["broken"] == 1
    assert cli.main(["audit", "verify", "--scope", "site"]) == 1


def test_a_chain_that_does_not_exist_is_no_success(site, capsys):
    init()
    capsys.readouterr()
    assert cli.main(["audit", "verify", "--scope", "logbook:9999"]) == 2
    ended = capsys.readouterr()
    assert ended.out == ""
    assert "no chain called 'logbook:9999'" in ended.err


def test_init_of_a_production_makes_no_keys_under_the_name_of_the_demonstration(
    site, tmp_path, monkeypatch, capsys
):
    for name, value in {
        "ENV": "production",
        "SECRET_KEY": "k" + "0123456789abcdef" * 3,
        "KEYS_PASSPHRASE": "0123456789abcdef-passphrase",
        "BASE_URL": "https://lms.example.org",
    }.items():
        monkeypatch.setenv(f"LMS_{name}", value)
    monkeypatch.delenv("LMS_ORGANISATION", raising=False)
    assert init() == 2
    assert "LMS_ORGANISATION" in capsys.readouterr().err
    assert not (tmp_path / "site" / "keys").exists()
    monkeypatch.setenv("LMS_ORGANISATION", "某市儿童医院")
    assert init() == 0


def test_a_site_after_init_has_frameworks_to_log_by(site, capsys):
    init()
    engine = create_engine(site)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM framework WHERE state = 'published'")) == 2
    engine.dispose()


@pytest.mark.parametrize("command", [("audit", "verify"), ("certificates", "export", "--to", "out")])
def test_a_folder_without_a_site_is_refused_and_stays_as_it_was(site, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command, "--data", str(tmp_path / "nothing")]) == 2
    assert "nothing holds no demonstration" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("command", [("audit", "verify"), ("certificates", "export", "--to", "out")])
def test_a_database_without_a_site_is_no_broken_trail(site, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMS_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert cli.main([*command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("lms: the database does not answer")
    assert said.count("\n") <= 3


def test_data_names_the_site_whatever_the_shell_is_set_to(site, tmp_path, monkeypatch):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "firefly.sqlite3").touch()
    monkeypatch.setenv("LMS_KEYS_DIR", "/somewhere/else")
    settings = cli.acts._settings(folder)
    assert settings.database_url == f"sqlite:///{folder / 'firefly.sqlite3'}"
    assert settings.keys_dir == folder / "keys"


def test_an_export_without_the_root_certificate_says_which_file_is_missing(site, tmp_path, capsys):
    assert cli.main(["certificates", "export", "--to", str(tmp_path / "out")]) == 2
    assert "root.crt" in capsys.readouterr().err
