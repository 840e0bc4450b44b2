"""The settings file, and the files that start a site."""

import dataclasses
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms import cli
from lms.operations import deploy
from lms.serving import fitting_processes
from lms.settings import NAMES, UnsafeSettings, amend_file, as_lines, load, read_file, write_file


@pytest.fixture(autouse=True)
def bare_shell(monkeypatch):
    """No LMS_* variables before, and none left behind."""
    for name in NAMES:
        monkeypatch.setenv(f"LMS_{name}", "")
        monkeypatch.delenv(f"LMS_{name}")


@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85")))
def test_every_value_survives_the_settings_file(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("settings")
    settings = dataclasses.replace(load({}, env="test", data_dir=folder), organisation=value)
    (folder / "settings.env").write_text(as_lines(settings), encoding="utf-8")
    assert read_file(folder / "settings.env")["LMS_ORGANISATION"] == value
    assert set(read_file(folder / "settings.env")) == {f"LMS_{name}" for name in NAMES}


@pytest.mark.parametrize(
    "line", ["LMS_typo=1", "LMS_ENV", "export LMS_ENV=demo", "LMS_ENV='demo", "PATH=/bin", "LMS_ENV=a b"]
)
def test_a_line_that_is_no_setting_is_refused_by_its_number(tmp_path, line):
    (tmp_path / "settings.env").write_text(f"# ours\n\n{line}\n")
    with pytest.raises(UnsafeSettings, match="line 3"):
        read_file(tmp_path / "settings.env")


def test_a_new_production_gets_fresh_secrets_that_only_its_owner_reads(tmp_path):
    for name in ("a", "b"):
        write_file(
            tmp_path / name, base_url="https://lms.example.org", data_dir=tmp_path, organisation="儿童医院"
        )
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert load(read_file(tmp_path / name)).is_production
    one, other = read_file(tmp_path / "a"), read_file(tmp_path / "b")
    assert all(one[name] != other[name] for name in ("LMS_SECRET_KEY", "LMS_KEYS_PASSPHRASE"))
    with pytest.raises(UnsafeSettings, match="written"):
        write_file(tmp_path / "a", base_url="https://lms.example.org", data_dir=tmp_path)
    assert read_file(tmp_path / "a") == one
    with pytest.raises(UnsafeSettings, match="http://"):
        write_file(tmp_path / "c", base_url="http://lms.example.org", data_dir=tmp_path)
    assert not (tmp_path / "c").exists()


def test_init_writes_the_settings_once_and_every_command_reads_them(tmp_path, capsys):
    file = tmp_path / "etc" / "settings.env"
    given_ = ["--settings", str(file)]
    people = ["init", "--name", "陈静", "--login"]
    assert cli.main([*given_, *people, "chen@example.org"]) == 2
    assert "--base-url" in capsys.readouterr().err
    more = ["--base-url", "https://lms.example.org", "--data-dir", str(tmp_path / "data")]
    assert cli.main([*given_, *people, "chen@example.org", *more]) == 2
    assert "--organisation" in capsys.readouterr().err
    assert not file.exists()
    more += ["--organisation", "某市儿童医院"]
    assert cli.main([*given_, *people, "chen@example.org", *more]) == 0
    assert "fresh secrets" in capsys.readouterr().out
    before = file.read_bytes()
    assert cli.main([*given_, *people, "zhou@example.org"]) == 0
    assert file.read_bytes() == before
    assert cli.main([*given_, "doctor"]) == 0
    assert "production" in capsys.readouterr().out
    assert cli.main(["--settings", str(tmp_path / "none"), "doctor"]) == 2


@pytest.mark.parametrize("database", ["", "postgresql+psycopg://firefly@localhost/firefly"])
@pytest.mark.parametrize(
    ("base_url", "listen"),
    [
        ("https://lms.example.org", "443 ssl"),
        ("http://localhost:8080", "8080"),
        ("https://lms.example.org:8443", "8443 ssl"),
    ],
)
def test_no_blank_stays_in_a_written_file(tmp_path, base_url, listen, database):
    settings = load({}, env="test", data_dir=tmp_path, base_url=base_url, database_url=database)
    files = {
        **deploy.written("nginx", settings, bind=["127.0.0.1:9000"]),
        **deploy.written(
            "systemd", settings, bind=["127.0.0.1:9000"], settings_file=Path("/etc/firefly/settings.env")
        ),
    }
    assert set(files) == {
        "firefly.conf", "firefly-web.service", "firefly-worker.service", "firefly-backup.service", "firefly-backup.timer",
    }  # fmt: skip
    assert not any(
        "${FIREFLY_" in line
        for content in files.values()
        for line in content.splitlines()
        if not line.startswith("#")
    )
    assert f"listen {listen};" in files["firefly.conf"]
    assert "server 127.0.0.1:9000;" in files["firefly.conf"]
    assert files["firefly-backup.service"].count("User=firefly\n") == 1
    assert f"--processes {fitting_processes(settings)}\n" in files["firefly-web.service"]
    assert ("postgresql.service" in files["firefly-web.service"]) == bool(database)


def test_a_signer_that_stands_apart_has_a_unit_and_a_user_of_its_own(tmp_path):
    settings = load({}, env="test", data_dir=tmp_path / "data", keys_dir=tmp_path / "keys", signer="separate")
    files = deploy.written("systemd", settings, bind=["127.0.0.1:8000"])
    unit = files["firefly-signer.service"].splitlines()
    assert {"User=firefly-signer", "Group=firefly", "CapabilityBoundingSet="} <= set(unit)
    assert next(line for line in unit if line.startswith("ExecStart=")).endswith(" signer")
    assert f"ReadWritePaths={tmp_path}/data {tmp_path}/data/media {tmp_path}/keys" in unit
    for name in ("web", "worker"):
        lines = files[f"firefly-{name}.service"].splitlines()
        assert {"User=firefly", "UMask=0007"} <= set(lines), "both users write the database"
        assert not any(str(tmp_path / "keys") in line for line in lines)
    assert "User=firefly-signer" in files["firefly-backup.service"], "copies hold the keys, sealed"


def test_a_settings_file_is_amended_and_keeps_the_rest(tmp_path):
    file = tmp_path / "settings.env"
    file.write_text("# ours\nLMS_ENV=demo\nLMS_SIGNER=worker\nLMS_ORGANISATION='某 院'\n", encoding="utf-8")
    file.chmod(0o640)
    amend_file(file, {"LMS_SIGNER": "separate", "LMS_KEYS_DIR": "/a b"})
    assert read_file(file) == {
        "LMS_ENV": "demo",
        "LMS_ORGANISATION": "某 院",
        "LMS_SIGNER": "separate",
        "LMS_KEYS_DIR": "/a b",
    }
    assert file.read_text(encoding="utf-8").startswith("# ours\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["settings.env"]
    with pytest.raises(UnsafeSettings):
        amend_file(tmp_path / "none", {"LMS_ENV": "demo"})


def test_deploy_prints_or_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LMS_ENV", "test")
    monkeypatch.setenv("LMS_DATA_DIR", str(tmp_path))
    assert cli.main(["deploy", "systemd"]) == 0
    assert "# ---- firefly-web.service" in capsys.readouterr().out
    assert cli.main(["deploy", "nginx", "--to", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "firefly.conf").is_file()


@pytest.mark.parametrize(("cores", "sqlite", "postgresql"), [(1, 1, 2), (2, 2, 2), (8, 2, 8)])
def test_web_processes_fit_the_machine(tmp_path, monkeypatch, cores, sqlite, postgresql):
    monkeypatch.setattr("os.cpu_count", lambda: cores)

    def fitting(url):
        return fitting_processes(load({}, env="test", data_dir=tmp_path, database_url=url))

    assert fitting("") == sqlite
    assert fitting("postgresql+psycopg://user@host/any") == postgresql
