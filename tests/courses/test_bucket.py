# ruff: noqa: F811 (fixtures of other modules)
"""Lectures of a site whose files lie in a bucket: taken in on one machine, prepared on another, shown on a third."""

import dataclasses
import io
import threading
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select
from werkzeug.serving import make_server

from lms.app import create_app
from lms.core import clock, storage
from lms.core.db import db
from lms.core.jobs import Worker, run_one
from lms.courses import services
from lms.courses.models import Lecture, Video, VideoUpload
from tests import servers
from tests.courses.conftest import fresh, one_module
from tests.courses.test_media import (  # noqa: F401 (the same promises, kept by a bucket)
    address,
    test_everything_that_the_page_and_the_playlists_name_is_there,
    test_media_asks_no_database_and_stays_cached,
    test_ranges_are_the_bytes_asked_for,
)
from tests.courses.test_packages import (  # noqa: F401 (whole courses out, in and copied, their films too)
    full,
    next_cohort,
    test_a_course_comes_out_as_one_file_and_in_again_the_same,
    test_a_course_is_copied_for_the_next_cohort_and_its_dates_move_along,
)
from tests.courses.test_uploads import (  # noqa: F401
    begin,
    send,
    served,
    test_a_piece_at_the_wrong_place_changes_nothing,
    test_more_than_was_announced_is_not_kept,
)


@pytest.fixture
def media(bucket):
    """Every test of this module keeps its files in a bucket."""
    return bucket


@pytest.fixture
def other_machine(bare_app, settings, tmp_path):
    """A second machine of the site: the same database and bucket, no disk in common."""
    other = create_app(
        dataclasses.replace(settings, data_dir=tmp_path / "b", media_dir=tmp_path / "b" / "media")
    )
    other.test_client_class = bare_app.test_client_class
    yield other
    with other.app_context():
        db.session.remove()
        db.engine.dispose()


def moved_to(other, client):
    """The same person's next request, sent to another machine."""
    there = other.test_client()
    for cookie in client._cookies.values():
        there.set_cookie(cookie.key, cookie.value)
    return there


def test_a_film_comes_in_on_two_machines_and_is_prepared_on_a_third(
    app, bare_app, browser, cast, add_lecture, film, request, settings, tmp_path
):
    lecture, data = add_lecture(), film.read_bytes()
    client = browser(cast.educator)
    where = begin(client, lecture, len(data)).headers["Location"]
    half = len(data) // 2
    assert send(client, where, data[:half], 0).headers["Upload-Offset"] == str(half)
    there = moved_to(request.getfixturevalue("other_machine"), client)
    assert there.head(where).headers["Upload-Offset"] == str(half)
    send(there, where, data[half:], half)
    answer = there.post(
        f"/lectures/{lecture.public_id}/video", data={"upload": where.rpartition("/")[2], "client_uuid": "k"}
    )
    assert answer.status_code == 303
    place = storage.place_of(dataclasses.replace(settings, media_dir=tmp_path / "c"))
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert place.read(row.source_key) == data
    assert {one.name for one in place.objects.below()} == {row.source_key}, "no piece and no note is left"
    assert not db.session.scalars(select(VideoUpload)).all()
    Worker(bare_app).drain()
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert db.session.scalars(select(Lecture.video_id)).one() == row.id
    assert place.exists(f"{row.folder_key}/manifest.json")
    for folder in (settings.media_dir, tmp_path / "b" / "media"):
        assert [path.name for path in folder.iterdir()] == [".tmp"]
        assert list((folder / ".tmp").iterdir()) == []


def test_a_film_that_is_refused_leaves_nothing_in_the_bucket(app, browser, cast, lecture):
    client, data = browser(cast.educator), b"no film at all" * 100
    where = begin(client, lecture, len(data)).headers["Location"]
    send(client, where, data, 0)
    before = {one.name for one in storage.storage().everything()}
    answer = client.post(
        f"/lectures/{lecture.public_id}/video", data={"upload": where.rpartition("/")[2], "client_uuid": "k"}
    )
    assert answer.status_code == 422
    assert {one.name for one in storage.storage().objects.below()} == before


def test_a_second_click_does_not_keep_the_film_twice(app, browser, cast, lecture, film):
    client = browser(cast.educator)
    for _click in range(2):
        with film.open("rb") as file:
            answer = client.post(
                f"/lectures/{lecture.public_id}/video",
                data={"video": (file, "film.mp4"), "client_uuid": "same"},
                content_type="multipart/form-data",
            )
        assert answer.status_code == 303
    assert len(storage.storage().names("sources")) == 1
    assert storage.storage().names("ahead") == []


def test_nginx_is_told_an_address_that_opens_this_file_and_no_other(bare_app, browser, playable, address):
    bare_app.config["X_ACCEL_PREFIX"] = "/_media/"
    answer = browser().get(address + "lite.mp4")
    name, _mark, query = answer.headers["X-Accel-Redirect"].partition("?")
    assert name == f"/_media/{playable.video.folder_key}/lite.mp4"
    assert answer.data == b""
    base = f"{storage.storage().objects.bucket.url}/media/{playable.video.folder_key}"
    with urllib.request.urlopen(f"{base}/lite.mp4?{query}", timeout=10) as got:
        assert got.read() == (playable.folder / "lite.mp4").read_bytes()
        assert got.headers["Content-Type"] == "video/mp4"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{base}/master.m3u8?{query}", timeout=10)


# ---------------------------------------------------------------- away


@pytest.fixture
def own_store(tmp_path):
    """A service of this test's own, to be taken away."""
    service = servers.ObjectStore(tmp_path / "own-objects")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def leaving(own_store, settings, bare_app):
    """The site's files lie with a service that leaves: `leaving.stop()`, `leaving.start()`."""
    storage.init_storage(dataclasses.replace(settings, **own_store.new_bucket()))
    return own_store


def test_while_the_bucket_is_away_pages_say_so_and_everything_else_works(
    app, bare_app, browser, cast, leaving, add_lecture, film, at
):
    lecture, data = add_lecture(), film.read_bytes()
    client = browser(cast.educator, lang="en")
    where = begin(client, lecture, len(data)).headers["Location"]
    send(client, where, data[:1000], 0)
    leaving.stop()
    answer = send(client, where, data[1000:], 1000)
    assert answer.status_code == 503, "nothing is acknowledged that is not kept"
    assert int(answer.headers["Retry-After"]) > 0
    page = client.get("/learn/import/preview")
    assert page.status_code == 503
    assert "files are kept does not answer" in page.text
    assert client.get("/learn").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert (
        "The bucket of the files does not answer"
        in browser(cast.administrator, lang="en").get("/operation").text
    )
    leaving.start()
    storage.storage().objects._rests_until = 0.0
    assert client.head(where).headers["Upload-Offset"] == "1000"
    assert send(client, where, data[1000:], 1000).headers["Upload-Offset"] == str(len(data))


def test_a_form_that_cannot_keep_its_file_keeps_what_was_typed(app, browser, cast, course, leaving):
    client = browser(cast.educator, lang="en")
    module_id = one_module(course).public_id
    db.session.rollback()
    leaving.stop()

    def post():
        words = {"kind": "file", "title_zh": "讲义", "title_en": "A handout", "client_uuid": "k"}
        return client.post(
            f"/modules/{module_id}/units", data=words | {"file": (io.BytesIO(b"%PDF-1.7\n%%EOF"), "a.pdf")}
        )

    answer = post()
    assert answer.status_code == 503
    assert "files are kept does not answer" in answer.text
    assert 'value="A handout"' in answer.text
    leaving.start()
    storage.storage().objects._rests_until = 0.0
    assert post().status_code == 303


def test_a_job_waits_for_the_bucket_however_long_and_goes_on_by_itself(
    app, bare_app, browser, cast, leaving, add_lecture, film, at
):
    lecture = add_lecture()
    client = browser(cast.educator)
    with film.open("rb") as file:
        client.post(
            f"/lectures/{lecture.public_id}/video",
            data={"video": (file, "film.mp4"), "client_uuid": "k"},
            content_type="multipart/form-data",
        )
    fresh()
    number = db.session.scalars(select(Video.id)).one()
    db.session.rollback()
    leaving.stop()
    for minutes in range(5):  # more often than a job has attempts
        with clock.travelled(timedelta(minutes=minutes)):
            assert run_one(bare_app, services.TRANSCODE, number)
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert (row.state, row.attempts) == ("transcoding", 0)
    assert "does not answer" in row.failure
    db.session.rollback()
    leaving.start()
    storage.storage().objects._rests_until = 0.0
    with clock.travelled(timedelta(minutes=9)):
        Worker(bare_app).drain()
    fresh()
    assert db.session.scalars(select(Video.state)).one() == "ready"


# ---------------------------------------------------------------- behind nginx


@pytest.mark.outside
def test_nginx_brings_a_film_from_the_bucket_and_tells_nobody_where_it_lies(
    bare_app,
    settings,
    browser,
    playable,
    address,
    tmp_path,
    object_store,
):
    bare_app.config["X_ACCEL_PREFIX"] = "/_media/"
    server = make_server("127.0.0.1", 0, bare_app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = servers.free_port()
    site = dataclasses.replace(settings, base_url=f"http://localhost:{port}", x_accel_prefix="/_media/")
    (tmp_path / "nginx").mkdir()
    whole = (playable.folder / "lite.mp4").read_bytes()
    url = f"http://127.0.0.1:{port}{address}"
    try:
        with servers.nginx(site, tmp_path / "nginx", port=port, bind=[f"127.0.0.1:{server.server_port}"]):
            part = requests.get(
                url + "lite.mp4", headers={"Range": "bytes=100-299", "Cookie": "a=b"}, timeout=20
            )
            assert (part.status_code, part.content) == (206, whole[100:300])
            assert part.headers["Content-Range"] == f"bytes 100-299/{len(whole)}"
            assert part.headers["Content-Type"] == "video/mp4"
            assert part.headers["Cache-Control"] == "private, max-age=2592000, immutable"
            assert part.headers["X-Content-Type-Options"] == "nosniff"
            assert part.headers["Server"] == "nginx"
            assert not [name for name in part.headers if name.lower().startswith("x-amz")]
            assert str(object_store.port) not in str(part.headers)
            assert requests.get(url + "lite.mp4", timeout=20).content == whole
            head = requests.head(url + "lite.mp4", timeout=20)
            assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(whole)))
            assert requests.get(url + "nothing.mp4", timeout=20).status_code == 404
            around = f"http://127.0.0.1:{port}/_media/{playable.video.folder_key}/lite.mp4"
            assert requests.get(around, timeout=20).status_code == 404
            storage.storage().objects._keys = ("nobody", "another secret")  # a key that was taken back
            del storage.storage().objects._small
            refused = requests.get(url + "lite.mp4", timeout=20)
            assert refused.status_code == 503
            assert b"Access" not in refused.content
            assert int(refused.headers["Retry-After"]) > 0
    finally:
        server.shutdown()
