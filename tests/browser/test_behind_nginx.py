"""The product behind the nginx of deploy/nginx: addresses, forgery check and media survive the proxy."""

import re

import pytest
import requests

from lms import demo
from tests.browser.conftest import served
from tests.browser.inspection import wait_until

ACCOUNTS = {role: (login, password) for _name, role, login, password in demo.accounts_shown()}


@pytest.fixture(scope="module")
def address(demo_data, tmp_path_factory, nginx):
    """Where nginx answers for the site."""
    settings = {"LMS_X_ACCEL_PREFIX": "/_media/", "LMS_TRUSTED_PROXIES": "1"}
    with served(demo_data, tmp_path_factory.mktemp("site"), **settings) as site:
        yield nginx(site)


def signed_in(address, role, *, claimed=""):
    """A visitor with cookies, signed in; ``claimed``: the address that they say they come from."""
    visitor = requests.Session()
    visitor.headers.update({"Origin": address} | ({"X-Forwarded-For": claimed} if claimed else {}))
    login, password = ACCOUNTS[role]
    answer = visitor.post(address + "/sign-in", data={"login": login, "password": password}, timeout=20)
    assert answer.status_code == 200
    assert not answer.url.endswith("/sign-in")
    return visitor


def first_lecture(visitor, address):
    """The page of a lecture that plays, and the address of its video."""
    found = visitor.get(address + "/learn", timeout=20).text
    for course in re.findall(r'href="(/learn/[\w-]+)"', found):
        found += visitor.get(address + course, timeout=20).text
    page = address + re.search(r'href="(/lectures/[\w-]+)"', found)[1]
    return page, address + re.search(r'<source src="([^"]+)"', visitor.get(page, timeout=20).text)[1]


def test_nginx_sends_the_video_after_the_application_has_said_yes(address):
    visitor = signed_in(address, "trainee")
    _page, video = first_lecture(visitor, address)
    answer = visitor.get(video, headers={"Range": "bytes=1000-1999"}, timeout=20)
    assert answer.status_code == 206
    assert len(answer.content) == 1000
    assert answer.headers["Content-Range"].startswith("bytes 1000-1999/")
    assert answer.headers["Content-Type"] == "video/mp4"
    assert "private" in answer.headers["Cache-Control"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "nginx"
    assert "X-Accel-Redirect" not in answer.headers


def test_nobody_reaches_the_media_folder_around_the_application(address):
    visitor = signed_in(address, "trainee")
    _page, video = first_lecture(visitor, address)
    name = video.split("/", 6)[-1]
    for path in ("/_media/", f"/_media/{name}", "/_media/../firefly.sqlite3", "/_media/..%2ffirefly.sqlite3"):
        assert visitor.get(address + path, timeout=20).status_code in {400, 404}, path


def test_a_form_from_another_site_is_refused_behind_nginx_too(address):
    visitor = signed_in(address, "trainee")
    for origin in ("https://elsewhere.example", address.replace("localhost", "127.0.0.1")):
        assert visitor.post(address + "/sign-out", headers={"Origin": origin}, timeout=20).status_code == 403


def test_the_address_that_nginx_saw_counts_and_not_the_one_a_caller_claims(address):
    visitor = signed_in(address, "trainee", claimed="203.0.113.7")
    sessions = visitor.get(address + "/account", timeout=20).text
    assert "127.0.0." in sessions
    assert "203.0.113." not in sessions


def test_a_lecture_plays_in_chromium_through_nginx(address, desk, sign_in):
    page = desk("zh", base_url=address).new_page()
    sign_in(page, *ACCOUNTS["trainee"])
    lecture, _video = first_lecture(signed_in(address, "trainee"), address)
    page.goto(lecture)
    page.evaluate("document.querySelector('video').play()")
    wait_until(page, "document.querySelector('video').currentTime > 1")
