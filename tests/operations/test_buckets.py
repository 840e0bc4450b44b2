"""A site whose files lie in a bucket: copied, put back, looked at, and carried there out of a folder."""

import dataclasses

import pytest

from lms import cli
from lms.core import clock, storage
from lms.core.errors import RuleBroken
from lms.operations import backup, buckets, deploy, doctor
from lms.settings import UnsafeSettings, as_lines, load
from tests import servers
from tests.operations.test_backup import (  # noqa: F401 (the same promises, kept by a bucket)
    elsewhere,
    make,
    put_back,
    test_only_new_files_are_copied_again,
)


@pytest.fixture
def media(bucket):
    """Every test of this module keeps its files in a bucket."""
    return bucket


@pytest.fixture
def place(app):
    """The site's bucket."""
    return storage.storage()


def facts(place):
    return {one.name: place.read(one.name) for one in place.everything()}


@pytest.mark.parametrize("to", ["bucket", "folder"])
def test_a_copy_comes_back_into_a_bucket_and_into_a_folder(app, place, make, elsewhere, object_store, to):  # noqa: F811
    place.put("items", b"a picture")
    place.put("certificates", b"%PDF", suffix=".pdf")
    held = facts(place)
    snapshot = make()
    other = object_store.new_bucket() if to == "bucket" else {"media_url": ""}
    target = dataclasses.replace(elsewhere, **other)
    put_back(snapshot, target)
    assert facts(storage.place_of(target)) == held
    (target.data_dir / "firefly.sqlite3").unlink(missing_ok=True)
    with pytest.raises(RuleBroken, match="There is something in"):
        put_back(snapshot, target, passphrase="")


def test_a_backup_whose_bucket_is_away_leaves_nothing_behind(app, settings, place, tmp_path, at, make):  # noqa: F811
    place.put("items", b"a picture")
    gone = dataclasses.replace(settings, media_endpoint=f"http://127.0.0.1:{servers.free_port()}")
    with pytest.raises(storage.Away):
        backup.make(gone, tmp_path / "copies", revision="x", passphrase="", at=at, says=lambda _line: None)
    assert list((tmp_path / "copies" / "snapshots").iterdir()) == []


# ---------------------------------------------------------------- doctor


def looked(settings, at):
    return [one for one in doctor.examine(settings, at=at) if one.name == "media"]


def test_a_healthy_bucket_holds_in_every_respect(app, settings, place):
    found = looked(settings, clock.now())
    assert [one.ok for one in found] == [True, True, True]
    assert settings.media_url in found[0].says
    assert list(place.everything()) == []


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"media_secret_key": "another"}, "LMS_MEDIA_SECRET_KEY"),
        ({"media_access_key": "nobody"}, "LMS_MEDIA_ACCESS_KEY"),
        ({"media_url": "s3://no-such-bucket"}, "LMS_MEDIA_URL"),
        ({"media_endpoint": "http://127.0.0.1:9"}, "LMS_MEDIA_ENDPOINT"),
    ],
)
def test_what_is_wrong_with_a_bucket_has_its_mend(app, settings, wrong, mend):
    other = dataclasses.replace(settings, **wrong)
    storage.init_storage(other)
    (found,) = looked(other, clock.now())
    assert not found.ok
    assert mend in found.mend
    assert settings.media_secret_key not in found.says + found.mend


def test_a_bucket_that_strangers_can_read_is_wrong(app, settings, place, monkeypatch):
    monkeypatch.setattr(
        buckets, "_status", lambda _url: 200
    )  # the service of the tests has no public buckets
    found = looked(settings, clock.now())
    assert [one.ok for one in found] == [True, True, False]
    assert "public" in found[2].mend


def test_files_that_stayed_in_the_folder_are_missed_until_they_are_carried(app, settings, place):
    folder = storage.LocalStorage(settings.media_dir)
    key = folder.put("items", b"a picture")
    found = looked(settings, clock.now())[-1]
    assert (found.ok, found.mend) == (False, "Run: lms move --media")
    buckets.carry(folder, place, says=lambda _line: None)
    assert all(one.ok for one in looked(settings, clock.now()))
    assert place.read(key) == b"a picture"


# ---------------------------------------------------------------- from a folder into it


def test_a_folder_is_carried_counted_compared_and_carried_on_where_it_was_cut_off(
    app, settings, place, tmp_path
):
    folder = storage.LocalStorage(tmp_path / "folder")
    for number in range(5):
        folder.put("items", bytes([number]) * 1000)
    (tmp_path / "folder" / "By Hand.PDF").write_bytes(b"%PDF")
    first = sorted(one.name for one in folder.everything())[1]
    place.put_back(
        folder.root / first, next(folder.everything())
    )  # another file under that name, as long as it
    done = buckets.carry(folder, place, says=lambda _line: None)
    assert (done.files, done.size_bytes) == (6, 5004)
    assert {one.name: b"".join(place.contents(one.name)) for one in place.everything()} == {
        one.name: b"".join(folder.contents(one.name)) for one in folder.everything()
    }
    assert buckets.carry(folder, place, says=lambda _line: None).new == 0


def test_the_command_carries_and_says_what_comes_next(settings, place, tmp_path, capsys):
    storage.LocalStorage(settings.media_dir).put("items", b"a picture")
    (tmp_path / "settings.env").write_text(as_lines(settings))
    assert cli.main(["--settings", str(tmp_path / "settings.env"), "move", "--media"]) == 0
    said = capsys.readouterr().out
    assert "All 1 files" in said
    assert "lms deploy nginx" in said
    assert len(list(place.everything())) == 1


def test_without_a_bucket_there_is_nowhere_to_carry(settings, tmp_path, capsys):
    bare = {
        "media_url": "",
        "media_endpoint": "",
        "media_region": "",
        "media_access_key": "",
        "media_secret_key": "",
    }
    (tmp_path / "settings.env").write_text(as_lines(dataclasses.replace(settings, **bare)))
    assert cli.main(["--settings", str(tmp_path / "settings.env"), "move", "--media"]) == 2
    assert "LMS_MEDIA_URL" in capsys.readouterr().err


# ---------------------------------------------------------------- settings

KEYS = {"media_access_key": "key", "media_secret_key": "secret"}
LIVE = {
    "env": "production",
    "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz",
    "keys_passphrase": "0123456789abcdefgh",
    "base_url": "https://lms.example.org",
}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"media_url": "s3://firefly"}, "LMS_MEDIA_ACCESS_KEY and LMS_MEDIA_SECRET_KEY are missing"),
        ({"media_url": "s3://firefly", "media_access_key": "key"}, "LMS_MEDIA_SECRET_KEY is missing"),
        ({"media_access_key": "key"}, "LMS_MEDIA_URL is empty"),
        ({"media_endpoint": "https://minio.example.org", **KEYS}, "LMS_MEDIA_URL is empty"),
        ({"media_url": "/srv/media", **KEYS}, "s3://BUCKET"),
        ({"media_url": "s3://Firefly", **KEYS}, "s3://BUCKET"),
        ({"media_url": "s3://firefly/../etc", **KEYS}, "s3://BUCKET"),
        ({"media_url": "s3://firefly", "media_endpoint": "minio:9000", **KEYS}, "LMS_MEDIA_ENDPOINT"),
        ({"media_url": "s3://firefly", "media_endpoint": "https://m.example.org/x", **KEYS}, "LMS_MEDIA_ENDPOINT"),
        ({"media_url": "s3://firefly", "media_region": "Mond 1", **KEYS}, "LMS_MEDIA_REGION"),
        ({"media_url": "s3://firefly", "media_endpoint": "http://minio:9000", **KEYS}, "unencrypted"),
    ],
)  # fmt: skip
def test_a_bucket_that_is_half_set_starts_nothing(tmp_path, given, named):
    with pytest.raises(UnsafeSettings, match=named):
        load({}, data_dir=tmp_path, **LIVE, **given)


@pytest.mark.parametrize(
    ("given", "url", "is_in_host"),
    [
        ({}, "https://firefly.s3.us-east-1.amazonaws.com", True),
        ({"media_region": "cn-north-1"}, "https://firefly.s3.cn-north-1.amazonaws.com.cn", True),
        (
            {"media_endpoint": "https://minio.example.org:9000/"},
            "https://minio.example.org:9000/firefly",
            False,
        ),
        (
            {"media_endpoint": "https://firefly.oss-cn-hangzhou.aliyuncs.com"},
            "https://firefly.oss-cn-hangzhou.aliyuncs.com",
            True,
        ),
    ],
)
def test_the_buckets_name_stands_where_its_service_wants_it(tmp_path, given, url, is_in_host):
    settings = load({}, data_dir=tmp_path, media_url="s3://firefly/media/", **LIVE, **KEYS, **given)
    assert settings.bucket is not None
    assert (settings.bucket.url, settings.bucket.is_in_host, settings.bucket.prefix) == (
        url,
        is_in_host,
        "media",
    )
    signed = storage.BucketStorage(dataclasses.replace(settings, media_dir=tmp_path / "m")).objects.signed(
        "items/a", method="GET"
    )
    assert signed.startswith(f"{url}/media/items/a?X-Amz-")


def test_nginx_asks_the_bucket_by_name_again_and_again_and_checks_its_certificate(tmp_path, monkeypatch):
    (tmp_path / "resolv.conf").write_text("# ours\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n")
    monkeypatch.setattr(deploy, "_RESOLV", tmp_path / "resolv.conf")
    settings = load({}, data_dir=tmp_path, media_url="s3://firefly/media", **LIVE, **KEYS)
    text = deploy.written("nginx", settings, bind=["127.0.0.1:8000"])["firefly.conf"]
    assert "resolver 10.0.0.2 [fe80::1] valid=30s;" in text
    assert "proxy_ssl_verify on;" in text
    assert "rewrite ^/_media/(.*)$ /media/$1 break;" in text
    assert "proxy_set_header Host firefly.s3.us-east-1.amazonaws.com;" in text
    assert "alias" not in text
    assert settings.media_secret_key not in text.replace("firefly", "")
