"""Settings: an unsafe production does not start."""

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lms.settings import NAMES, UnsafeSettings, load

SAFE = {
    "LMS_ENV": "production",
    "LMS_SECRET_KEY": "kJ8s0d9f8sd7f6s5d4f3s2d1f0s9d8f7s6d5f4",
    "LMS_KEYS_PASSPHRASE": "correct horse battery staple",
    "LMS_BASE_URL": "https://lms.example.org/",
}


def test_a_safe_production_starts(tmp_path: Path) -> None:
    found = load({**SAFE, "LMS_DATA_DIR": str(tmp_path)})
    assert found.is_production
    assert not found.is_demo
    assert found.base_url == "https://lms.example.org"
    assert found.secure_cookies
    assert list(tmp_path.iterdir()) == []  # nothing is made up for a production


def test_production_is_what_one_gets_without_saying() -> None:
    with pytest.raises(UnsafeSettings):
        load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LMS_SECRET_KEY", None),
        ("LMS_SECRET_KEY", ""),
        ("LMS_SECRET_KEY", "changeme"),
        ("LMS_SECRET_KEY", "short-but-random-8f7s6d5f4"),
        ("LMS_SECRET_KEY", "a" * 64),
        ("LMS_SECRET_KEY", "abab" * 16),
        ("LMS_KEYS_PASSPHRASE", None),
        ("LMS_KEYS_PASSPHRASE", "firefly"),
        ("LMS_KEYS_PASSPHRASE", "1111111111111111"),
        ("LMS_BASE_URL", None),
        ("LMS_BASE_URL", "lms.example.org"),
        ("LMS_BASE_URL", "http://lms.example.org"),
        ("LMS_BASE_URL", "http://localhost.example.org"),
        ("LMS_ENV", "prod"),
        ("LMS_ENV", ""),
    ],
)
def test_a_weak_production_is_refused_by_the_name_of_the_setting(name: str, value: str | None) -> None:
    environ = {**SAFE}
    environ.pop(name)
    if value is not None:
        environ[name] = value
    if name == "LMS_ENV" and value is None:
        return
    with pytest.raises(UnsafeSettings, match=name):
        load(environ)


@pytest.mark.parametrize(
    ("base_url", "plain_http"),
    [
        ("http://10.1.2.3:8000", "1"),
        ("http://localhost:8000", "0"),
        ("http://127.0.0.1", "0"),
        ("http://[::1]:8000", "0"),
    ],
)
def test_a_production_without_encryption_starts_only_where_nobody_listens(
    base_url: str, plain_http: str
) -> None:
    found = load({**SAFE, "LMS_BASE_URL": base_url, "LMS_PLAIN_HTTP": plain_http})
    assert (found.base_url, found.secure_cookies) == (base_url, False)


def test_the_refusal_of_an_unencrypted_address_says_both_ways_out() -> None:
    with pytest.raises(UnsafeSettings, match=r"https://.*LMS_PLAIN_HTTP=1"):
        load({**SAFE, "LMS_BASE_URL": "http://lms.example.org", "LMS_PLAIN_HTTP": "0"})


def test_the_refusal_does_not_tell_the_secret() -> None:
    with pytest.raises(UnsafeSettings) as refused:
        load({**SAFE, "LMS_SECRET_KEY": "short-but-random-8f7s6d5f4"})
    assert "8f7s6d5f4" not in str(refused.value)


@pytest.mark.parametrize("value", ["one", "-1", "1.5"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(UnsafeSettings, match="LMS_TRUSTED_PROXIES"):
        load({**SAFE, "LMS_TRUSTED_PROXIES": value})


def test_a_demonstration_makes_its_own_secrets_and_keeps_them(tmp_path: Path) -> None:
    first = load({"LMS_ENV": "demo", "LMS_DATA_DIR": str(tmp_path)})
    second = load({"LMS_ENV": "demo", "LMS_DATA_DIR": str(tmp_path)})
    other = load({"LMS_ENV": "demo", "LMS_DATA_DIR": str(tmp_path / "other")})
    assert first == second
    assert len(first.secret_key) >= 32
    assert len({first.secret_key, first.keys_passphrase, other.secret_key}) == 3
    for name in ("secret_key", "keys_passphrase"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda _number: load({"LMS_ENV": "demo", "LMS_DATA_DIR": str(tmp_path)}).secret_key, range(16)
            )
        )
    assert len(set(found)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys_passphrase", "secret_key"]


def test_overrides_win_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    found = load(
        {"LMS_ENV": "demo", "LMS_ORGANISATION": "A"}, data_dir=tmp_path, organisation="B", mail_url=None
    )
    assert found.organisation == "B"
    assert found.data_dir == tmp_path
    with pytest.raises(UnsafeSettings, match="colour"):
        load({"LMS_ENV": "demo"}, data_dir=tmp_path, colour="red")


def test_everything_lies_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    found = load({"LMS_ENV": "test"}, data_dir=tmp_path)
    assert found.database_url == f"sqlite:///{tmp_path / 'firefly.sqlite3'}"
    assert found.media_dir == tmp_path / "media"
    assert found.keys_dir == tmp_path / "keys"
    assert not found.secure_cookies
    moved = load({"LMS_ENV": "test", "LMS_MEDIA_DIR": str(tmp_path / "m")}, data_dir=tmp_path)
    assert moved.media_dir == tmp_path / "m"


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    found = load({"LMS_ENV": "test"}, data_dir=tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.env = "production"  # type: ignore[misc]


def test_every_setting_is_a_field() -> None:
    assert {name.lower() for name in NAMES} == set(load({**SAFE}).__dataclass_fields__)


def test_a_weak_production_does_not_start_from_the_command_line() -> None:
    command = [sys.executable, "-m", "lms.cli", "serve"]
    environ = {
        **SAFE,
        "LMS_SECRET_KEY": "changeme",
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "LMS_SECRET_KEY" in ended.stderr
    assert "Traceback" not in ended.stderr
