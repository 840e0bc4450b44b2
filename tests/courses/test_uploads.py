"""Uploads in pieces: what arrived stays, whatever happens to the line, the browser or the day."""

import base64
import hashlib
import io
import random
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from lms.core import clock, storage, video
from lms.core.db import db
from lms.core.jobs import Worker
from lms.courses import services
from lms.courses.models import Lecture, Video, VideoUpload
from tests.courses.conftest import fresh

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}


def metadata(name: str, modified: int = 1) -> str:
    pairs = {"filename": name, "modified": str(modified)}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def begin(client, lecture, size: int, name: str = "讲座.mp4", modified: int = 1):
    """Ask for room for a file."""
    return client.post(
        f"/lectures/{lecture.public_id}/uploads",
        headers=TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata(name, modified)},
    )


def send(client, address: str, data: bytes, offset: int):
    """Send one piece."""
    return client.patch(address, data=data, headers=PIECE | {"Upload-Offset": str(offset)})


def test_the_server_tells_what_it_can(browser, cast, lecture):
    answer = browser(cast.educator).options(f"/lectures/{lecture.public_id}/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == str(8 << 30)
    assert "creation" in answer.headers["Tus-Extension"]


def test_a_film_in_pieces_over_two_days_becomes_a_lecture_that_plays(
    app, bare_app, browser, cast, add_lecture, film
):
    lecture, data = add_lecture(), film.read_bytes()
    client = browser(cast.educator, lang="en")
    address = begin(client, lecture, len(data)).headers["Location"]
    third = len(data) // 3
    assert send(client, address, data[:third], 0).headers["Upload-Offset"] == str(third)
    with clock.travelled(timedelta(days=1)):
        other_device = browser(cast.educator, lang="en")
        page = other_device.get(f"/lectures/{lecture.public_id}/edit").text
        assert "讲座.mp4" in page
        again = begin(other_device, lecture, len(data))
        assert again.headers["Location"] == address, "the same file goes on where it stopped"
        assert other_device.head(address).headers["Upload-Offset"] == str(third)
        send(other_device, address, data[third:], third)
        upload = address.rpartition("/")[2]
        for _click in range(2):
            answer = other_device.post(
                f"/lectures/{lecture.public_id}/video", data={"upload": upload, "client_uuid": "k"}
            )
            assert answer.status_code == 303
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert (row.source_name, row.source_sha256) == ("讲座.mp4", hashlib.sha256(data).hexdigest())
    assert storage.storage().read(row.source_key) == data
    assert not db.session.scalars(select(VideoUpload)).all()
    assert not list((storage.storage().root / "uploads").iterdir())
    with clock.travelled(timedelta(days=1, seconds=30)):
        Worker(bare_app).drain()
    fresh()
    assert db.session.scalars(select(Lecture.video_id)).one() == row.id


@pytest.fixture
def served(bare_app):
    """The app on a real socket, so that lines can really break."""
    server = make_server("127.0.0.1", 0, bare_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()


def test_a_line_that_breaks_at_five_places_loses_no_byte(app, browser, cast, lecture, served):
    """Each break leaves the server with part of a piece; the next piece begins where that part ends."""
    dice = random.Random(5)
    data = dice.randbytes(700_000)
    client = browser(cast.educator)
    address = begin(client, lecture, len(data)).headers["Location"]
    cookie = "; ".join(f"{c.key}={c.value}" for c in client._cookies.values())
    breaks = 0
    while (offset := int(client.head(address).headers["Upload-Offset"])) < len(data):
        rest = data[offset:]
        cut = dice.randrange(20_000, 120_000) if breaks < 5 else len(rest)
        breaks += cut < len(rest)
        with socket.create_connection(("127.0.0.1", served)) as line:
            head = f"PATCH {address} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"
            head += f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
            head += f"Content-Length: {len(rest)}\r\nConnection: close\r\n\r\n"
            line.sendall(head.encode() + rest[:cut])
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            while line.recv(65536):
                pass
    assert breaks == 5
    upload = address.rpartition("/")[2]
    assert hashlib.sha256(storage.storage().read(f"uploads/{upload}")).digest() == hashlib.sha256(data).digest()  # fmt: skip


def test_a_piece_at_the_wrong_place_changes_nothing(browser, cast, lecture):
    client = browser(cast.educator)
    address = begin(client, lecture, 100).headers["Location"]
    send(client, address, b"a" * 40, 0)
    for offset in (0, 39, 41, 100, -1):
        assert send(client, address, b"b" * 10, offset).status_code == 409, offset
    assert client.head(address).headers["Upload-Offset"] == "40"


def test_more_than_was_announced_is_not_kept(browser, cast, lecture):
    client = browser(cast.educator)
    address = begin(client, lecture, 50).headers["Location"]
    assert send(client, address, b"a" * 80, 0).headers["Upload-Offset"] == "50"
    assert send(client, address, b"a", 50).headers["Upload-Offset"] == "50"


def test_two_requests_at_once_do_not_mix_their_bytes(app, lecture):
    store = storage.storage()
    reached = threading.Event()
    go_on = threading.Event()

    class Slow(io.BytesIO):
        def read(self, size=-1):
            reached.set()
            go_on.wait(5)
            return super().read(size)

    first = threading.Thread(target=lambda: store.grow(Slow(b"a" * 10), "uploads/x", offset=0, most_bytes=10))
    first.start()
    reached.wait(5)
    with pytest.raises(storage.Busy):
        store.grow(io.BytesIO(b"b" * 10), "uploads/x", offset=0, most_bytes=10)
    go_on.set()
    first.join()
    assert store.path("uploads/x").read_bytes() == b"a" * 10


def test_sizes_that_no_lecture_has_are_refused_before_a_byte_comes(browser, cast, lecture, monkeypatch):
    client = browser(cast.educator)
    for size, status, code in ((0, 400, "empty"), (-5, 400, "empty"), ((8 << 30) + 1, 413, "too_large")):
        answer = begin(client, lecture, size)
        assert (answer.status_code, answer.json["code"]) == (status, code)
    monkeypatch.setattr(storage.LocalStorage, "free_bytes", lambda _self: 1 << 30)
    answer = begin(client, lecture, 1 << 20)
    assert (answer.status_code, answer.json["code"]) == (507, "no_space")


def test_nobody_keeps_more_than_five_files_half_sent(browser, cast, lecture):
    client = browser(cast.educator)
    for number in range(5):
        assert begin(client, lecture, 1000, modified=number).status_code == 201
    assert begin(client, lecture, 1000, modified=4).status_code == 201, "a file that is known already"
    assert begin(client, lecture, 1000, modified=9).json["code"] == "too_many_uploads"


def test_an_upload_belongs_to_whoever_began_it(browser, cast, lecture):
    address = begin(browser(cast.educator), lecture, 100).headers["Location"]
    for name, by in cast.everyone().items():
        if by.account_id == cast.educator.account_id:
            continue
        client = browser(by)
        assert client.head(address).status_code == 404, name
        assert send(client, address, b"x", 0).status_code == 404, name
        assert client.delete(address).status_code == 404, name
        assert begin(client, lecture, 10).status_code == 404 or by.is_any("educator"), name


def test_an_unfinished_file_makes_no_lecture_and_can_be_discarded(app, browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    address = begin(client, lecture, 100).headers["Location"]
    send(client, address, b"x" * 60, 0)
    upload = address.rpartition("/")[2]
    answer = client.post(f"/lectures/{lecture.public_id}/video", data={"upload": upload})
    assert (answer.status_code, "has not come in completely" in answer.text) == (422, True)
    assert client.head(address).headers["Upload-Offset"] == "60", "a refusal loses nothing"
    assert client.post(f"/uploads/{upload}/discard").status_code == 303
    assert client.head(address).status_code == 404
    assert not storage.storage().exists(f"uploads/{upload}")


def test_a_whole_file_that_is_no_film_is_refused_with_the_reason_and_not_kept(app, browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    data = b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n"
    address = begin(client, lecture, len(data)).headers["Location"]
    send(client, address, data, 0)
    answer = client.post(f"/lectures/{lecture.public_id}/video", data={"upload": address.rpartition("/")[2]})
    assert (answer.status_code, "playlist that names other files" in answer.text) == (422, True)
    assert client.head(address).status_code == 404


def test_what_nobody_touched_for_two_weeks_is_forgotten(app, browser, cast, lecture):
    client = browser(cast.educator)
    address = begin(client, lecture, 100).headers["Location"]
    send(client, address, b"x" * 60, 0)
    from lms.core.db import transaction

    with transaction():
        services.forget_old_uploads(clock.now() + timedelta(days=13))
    assert client.head(address).status_code == 200
    with transaction():
        services.forget_old_uploads(clock.now() + timedelta(days=15))
    assert client.head(address).status_code == 404


def test_a_preparation_can_be_stopped_and_begun_again(app, bare_app, browser, cast, add_lecture, film):
    lecture = add_lecture()
    client = browser(cast.educator, lang="en")
    with film.open("rb") as file:
        client.post(
            f"/lectures/{lecture.public_id}/video",
            data={"video": (file, "a.mp4")},
            content_type="multipart/form-data",
        )
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert client.post(f"/lectures/{lecture.public_id}/videos/{row.public_id}/cancel").status_code == 303
    fresh()
    assert (row.state, row.refusal) == ("failed", "cancelled")
    assert "The preparation was stopped." in client.get(f"/lectures/{lecture.public_id}/edit").text
    Worker(bare_app).drain()
    fresh()
    assert row.state == "failed"
    client.post(f"/lectures/{lecture.public_id}/videos/{row.public_id}/retry")
    Worker(bare_app).drain()
    fresh()
    assert row.state == "ready"


def test_a_worker_whose_video_is_stopped_in_the_middle_lets_go_and_publishes_nothing(
    app, bare_app, cast, lecture, film, at, browser, monkeypatch, shared_dir
):
    from tests.courses.conftest import clip

    old = db.session.scalars(select(Lecture.video_id)).one()
    long = clip(shared_dir / "stop.mp4", seconds=20, size="640x360")
    client = browser(cast.educator)
    with Path(long).open("rb") as file:
        client.post(
            f"/lectures/{lecture.public_id}/video",
            data={"video": (file, "a.mp4")},
            content_type="multipart/form-data",
        )
    fresh()
    public_id = db.session.scalars(select(Video.public_id).where(Video.id != old)).one()
    db.session.rollback()
    real = video.transcode

    def stopped_soon(*args, on_progress, **kwargs):
        def tell(share):
            if share > 0.05:
                client.post(f"/lectures/{lecture.public_id}/videos/{public_id}/cancel")
            on_progress(share)

        return real(*args, on_progress=tell, **kwargs)

    monkeypatch.setattr(video, "transcode", stopped_soon)
    Worker(bare_app).drain(rounds=1)
    fresh()
    row = db.session.scalars(select(Video).where(Video.id != old)).one()
    assert (row.state, row.refusal, row.folder_key) == ("failed", "cancelled", None)
    assert db.session.scalars(select(Lecture.video_id)).one() == old


def test_an_upload_outlives_a_failure_that_is_not_its_own(app, browser, cast, lecture, film, monkeypatch):
    data, client = film.read_bytes(), browser(cast.educator)
    address = begin(client, lecture, len(data)).headers["Location"]
    send(client, address, data, 0)
    upload = address.rpartition("/")[2]
    real = storage.LocalStorage.adopt

    def full(self, path, key):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.LocalStorage, "adopt", full)
    with pytest.raises(OSError, match="No space"):
        client.post(f"/lectures/{lecture.public_id}/video", data={"upload": upload})
    monkeypatch.setattr(storage.LocalStorage, "adopt", real)
    assert client.head(address).headers["Upload-Offset"] == str(len(data))
    answer = client.post(f"/lectures/{lecture.public_id}/video", data={"upload": upload})
    assert answer.status_code == 303
    fresh()
    assert len(db.session.scalars(select(Video).where(Video.source_name != "")).all()) == 1
