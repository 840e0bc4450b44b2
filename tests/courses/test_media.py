"""Media behind signed addresses: who gets which bytes, and who gets nothing."""

import re
from datetime import timedelta

import pytest

from lms.core import clock
from lms.core.errors import NotFound
from lms.courses import services
from tests.courses.test_watching import attributes


@pytest.fixture
def address(browser, cast, playable) -> str:
    """The folder's address as the page of the trainee states it."""
    page = browser(cast.trainee).get(f"/lectures/{playable.lecture.public_id}").text
    return attributes(page)["hls"].removesuffix("master.m3u8")


def test_everything_that_the_page_and_the_playlists_name_is_there(browser, cast, playable, address):
    client = browser(cast.trainee)
    page = client.get(f"/lectures/{playable.lecture.public_id}").text
    named = set(re.findall(r'"(/media/[^"]+)"', page))
    assert {one.rpartition(".")[2] for one in named} >= {"m3u8", "mp4", "m4a"}
    master = client.get(address + "master.m3u8")
    assert master.mimetype == "application/vnd.apple.mpegurl"
    playlists = re.findall(r'^[^#\s].*\.m3u8$|URI="([^"]+)"', master.text, re.MULTILINE)
    lists = [line for line in master.text.splitlines() if line and not line.startswith("#")] + [
        one for one in playlists if one
    ]
    for name in lists:
        folder, text = name.rpartition("/")[0], client.get(address + name).text
        named |= {
            f"{address}{folder}/{one}"
            for one in re.findall(r'^[^#\s]\S*$|(?<=URI=")[^"]+', text, re.MULTILINE)
        }
    for one in named:
        answer = client.get(one)
        assert (answer.status_code, len(answer.data) > 0) == (200, True), one


def test_ranges_are_the_bytes_asked_for(browser, playable, address):
    whole = (playable.folder / "lite.mp4").read_bytes()
    client = browser()
    for wanted, expected in (
        ("bytes=0-99", whole[:100]),
        ("bytes=1000-", whole[1000:]),
        ("bytes=-50", whole[-50:]),
    ):
        answer = client.get(address + "lite.mp4", headers={"Range": wanted})
        assert (answer.status_code, answer.data) == (206, expected)
        assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
    assert client.get(address + "lite.mp4", headers={"Range": "bytes=99999999-"}).status_code == 416
    assert client.get(address + "lite.mp4").data == whole
    assert client.head(address + "lite.mp4").headers["Accept-Ranges"] == "bytes"


def test_media_asks_no_database_and_stays_cached(browser, playable, address, queries):
    with queries() as seen:
        answer = browser().get(address + "lite.mp4")
        assert answer.status_code == 200
    assert seen.count == 0
    assert "immutable" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]


def test_the_address_stays_the_same_for_a_part_of_the_day(app, cast, playable):
    at = clock.now().replace(hour=7, minute=10)
    tokens = {
        services.media_token(playable.video, by=cast.trainee, at=at + timedelta(hours=h)) for h in range(4)
    }
    assert len(tokens) == 1
    assert services.media_token(playable.video, by=cast.other_trainee, at=at) not in tokens


def test_the_address_works_for_a_shift_and_not_for_ever(app, cast, playable):
    at, name = clock.now(), playable.video.public_id
    token = services.media_token(playable.video, by=cast.trainee, at=at)
    assert services.check_media_token(token, name, at=at + timedelta(hours=12)) == playable.video.folder_key
    with pytest.raises(NotFound):
        services.check_media_token(token, name, at=at + timedelta(hours=19))


def test_an_expired_address_does_not_exist(browser, playable, address):
    with clock.travelled(timedelta(hours=20)):
        assert browser().get(address + "lite.mp4").status_code == 404


def test_forged_addresses_do_not_exist(browser, cast, playable, address, add_lecture):
    _empty, _media, token, name, _rest = address.split("/")
    until, account, attempt, mac = token.split(".")
    other = add_lecture(seconds=10).video.public_id
    for forged, video in (
        (token, other),
        (f"{int(until) + 999999}.{account}.{attempt}.{mac}", name),
        (f"{until}.{cast.stranger.account_public_id}.{attempt}.{mac}", name),
        (f"{until}.{account}.2.{mac}", name),
        (f"{until}.{account}.{attempt}.{'0' * 32}", name),
        (f"{until}.{account}.{attempt}.中", name),
        ("", name),
        ("...", name),
        ("x", name),
    ):
        assert browser().get(f"/media/{forged}/{video}/lite.mp4").status_code == 404, forged


def test_nothing_outside_the_folder_and_no_other_kind_of_file_is_served(browser, playable, address):
    client = browser()
    for name in (
        "../../sources/x.mp4",
        "..%2f..%2fsources%2fx.mp4",
        "lite/../lite.mp4",
        "./lite.mp4",
        "//etc/passwd",
        "/etc/passwd.mp4",
        "lite",
        "lite/",
        "manifest.json",
        "nothing.mp4",
        ".tmp/x.mp4",
        "lite.mp4%00.jpg",
        "LITE.MP4",
    ):
        assert client.get(address + name, follow_redirects=True).status_code == 404, name


def test_nginx_serves_the_file_when_it_is_configured(bare_app, browser, playable, address):
    bare_app.config["X_ACCEL_PREFIX"] = "/_media/"
    answer = browser().get(address + "lite.mp4")
    assert answer.headers["X-Accel-Redirect"] == f"/_media/{playable.video.folder_key}/lite.mp4"
    assert answer.data == b""
    assert answer.mimetype == "video/mp4"
    assert browser().get(address + "nothing.mp4").status_code == 404
