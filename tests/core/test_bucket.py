"""The same promises of a place for files, kept by a folder and by a bucket of a real S3 service."""

import hashlib
import io
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lms.core.storage import Away, BucketStorage, Storage, Stored, WrongOffset, place_of
from lms.core.storage import objects as objects_module
from lms.settings import Settings, load
from tests.servers import ObjectStore


def settings_of(folder: Path, **media: str) -> Settings:
    return load({}, env="test", data_dir=folder, **media)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    media = request.getfixturevalue("bucket") if request.param == "bucket" else {}
    return place_of(settings_of(tmp_path, **media))


@pytest.fixture
def far(bucket: dict[str, str], tmp_path: Path) -> BucketStorage:
    made = place_of(settings_of(tmp_path, **bucket))
    assert isinstance(made, BucketStorage)
    return made


def on_the_way(place: Storage) -> list[str]:
    return [path.name for path in (place.root / ".tmp").iterdir()]


def test_a_file_is_kept_under_its_digest_once(place: Storage) -> None:
    key = place.put("certificates", b"%PDF", suffix=".pdf")
    digest = hashlib.sha256(b"%PDF").hexdigest()
    assert key == f"certificates/{digest[:2]}/{digest}.pdf"
    assert place.put("certificates", b"%PDF", suffix=".pdf") == key
    assert (place.read(key), place.size(key), place.exists(key)) == (b"%PDF", 4, True)
    assert [one.name for one in place.everything()] == [key]
    with place.local(key) as path:
        assert path.read_bytes() == b"%PDF"
    assert on_the_way(place) == []
    place.remove(key)
    assert not place.exists(key)


def test_what_is_not_there_is_not_found(place: Storage) -> None:
    key = "certificates/aa/bb.pdf"
    assert not place.exists(key)
    assert place.names("certificates") == []
    assert place.grown(key) == 0
    place.remove(key)
    for act in (place.read, place.size, lambda one: list(place.chunks(one)), place.second_name):
        with pytest.raises(FileNotFoundError):
            act(key)
    with pytest.raises(FileNotFoundError), place.local(key):
        pass
    assert on_the_way(place) == []


@pytest.mark.parametrize(
    "key", ["", "..", "/etc/passwd", "../secret", "a/../../b", ".tmp/x", "A", "a b", "a/"]
)
def test_a_key_cannot_leave_its_place(place: Storage, key: str) -> None:
    for act in (place.read, place.size, place.exists, place.remove, place.names, place.grown):
        with pytest.raises(FileNotFoundError):
            act(key)
    with pytest.raises(FileNotFoundError):
        place.address(key, method="GET")


def test_ranges_are_the_bytes_asked_for(place: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "PART_BYTES", 1000)
    data = bytes(range(256)) * 20
    key = place.put("a", data)
    for start, stop in ((0, None), (0, 1), (10, 20), (990, 3010), (5119, 5120), (7, 7)):
        assert b"".join(place.chunks(key, start, stop)) == data[start : len(data) if stop is None else stop]


def test_a_folder_is_published_whole_and_replaced_whole(place: Storage) -> None:
    for word in ("old", "new"):
        with place.temporary() as folder:
            (folder / "out" / "deep").mkdir(parents=True)
            (folder / "out" / f"{word}.m4s").write_text(word)
            (folder / "out" / "deep" / "a.vtt").write_text(word)
            place.publish(folder / "out", "lectures/abc/1")
    assert place.names("lectures/abc/1") == ["deep", "new.m4s"]
    assert place.names("lectures/abc") == ["1"]
    assert place.read("lectures/abc/1/deep/a.vtt") == b"new"
    assert place.exists("lectures/abc/1")
    place.put("lectures", b"another")
    place.remove("lectures/abc")
    assert not place.exists("lectures/abc/1")
    assert len(list(place.everything())) == 1


@pytest.mark.parametrize("is_sent_ahead", [False, True])
def test_a_received_file_is_adopted_or_leaves_nothing(place: Storage, is_sent_ahead: bool) -> None:
    for key in ("sources/abc", "sources/def"):
        path = place.receive(io.BytesIO(b"x" * 3_000_000), limit_bytes=3_000_000)
        if is_sent_ahead:
            place.send_ahead(path, key)
        if key == "sources/abc":
            place.adopt(path, key)
        place.discard(path)
    assert [(one.name, one.size_bytes) for one in place.everything()] == [("sources/abc", 3_000_000)]
    assert place.forget_leftovers(before=datetime.now(UTC) + timedelta(minutes=1)) == 0
    assert on_the_way(place) == []


def test_a_file_grows_in_pieces_on_whichever_machine(
    request: pytest.FixtureRequest, place: Storage, tmp_path: Path
) -> None:
    other = place
    if isinstance(place, BucketStorage):
        other = place_of(settings_of(tmp_path / "other", **request.getfixturevalue("bucket")))
    data = bytes(range(256)) * 40
    assert place.grow(io.BytesIO(data[:4000]), "uploads/abc", offset=0, most_bytes=len(data)) == 4000
    with pytest.raises(WrongOffset):
        other.grow(io.BytesIO(b"x"), "uploads/abc", offset=0, most_bytes=len(data))
    assert other.grown("uploads/abc") == 4000
    assert other.grow(io.BytesIO(b""), "uploads/abc", offset=4000, most_bytes=len(data)) == 4000
    assert other.grow(
        io.BytesIO(data[4000:] + b"more"), "uploads/abc", offset=4000, most_bytes=len(data)
    ) == len(data)
    second = place.second_name("uploads/abc")
    assert second.read_bytes() == data
    place.adopt(second, "sources/abc")
    place.remove("uploads/abc")
    assert place.read("sources/abc") == data
    assert [one.name for one in other.everything()] == ["sources/abc"]


class Breaks(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int = -1) -> bytes:
        given, self.data = self.data[:size], self.data[size:]
        if not given:
            raise ConnectionResetError
        return given


def test_what_came_before_the_line_broke_stays(place: Storage) -> None:
    assert place.grow(Breaks(b"abc"), "uploads/abc", offset=0, most_bytes=9) == 3  # type: ignore[arg-type]
    assert place.grow(io.BytesIO(b"def"), "uploads/abc", offset=3, most_bytes=9) == 6
    assert place.second_name("uploads/abc").read_bytes() == b"abcdef"


def test_two_requests_for_one_place_lose_nothing(far: BucketStorage) -> None:
    data = bytes(range(100))
    both = threading.Barrier(2)

    class Waits(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 0:
                both.wait(10)  # both have asked where the file ends
            return super().read(size)

    threads = [
        threading.Thread(target=far.grow, args=(Waits(data[:end]), "uploads/abc"), kwargs={"offset": 0, "most_bytes": 100})
        for end in (30, 50)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert far.grown("uploads/abc") == 50
    assert far.grow(io.BytesIO(data[50:]), "uploads/abc", offset=50, most_bytes=100) == 100
    far.objects.put(f"pieces/uploads/abc/{30:016d}-{60:016d}", data[30:60])  # a late one, of an older answer
    assert far.grown("uploads/abc") == 100
    assert far.second_name("uploads/abc").read_bytes() == data
    assert list(far.everything()) == []
    far.remove("uploads/abc")
    assert list(far.objects.below()) == []


def test_an_upload_carried_from_a_folder_goes_on(far: BucketStorage, tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"abc")
    far.put_back(tmp_path / "half", Stored("uploads/abc", 3, 0))
    assert far.grow(io.BytesIO(b"def"), "uploads/abc", offset=3, most_bytes=6) == 6
    assert far.second_name("uploads/abc").read_bytes() == b"abcdef"
    far.remove("uploads/abc")
    assert list(far.objects.below()) == []


def test_many_parts_make_one_object(
    far: BucketStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "PART_BYTES", 5 << 20)
    data = hashlib.sha256(b"seed").digest() * ((11 << 20) // 32)
    (tmp_path / "film").write_bytes(data)
    far.adopt(tmp_path / "film", "sources/film")
    with far.local("sources/film") as path:
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_what_was_sent_ahead_by_a_dead_process_is_swept(far: BucketStorage) -> None:
    path = far.receive(io.BytesIO(b"film"), limit_bytes=9)
    far.send_ahead(path, "sources/abc")
    assert far.forget_leftovers(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert far.exists("sources/abc")
    far.forget_leftovers(before=datetime.now(UTC) + timedelta(minutes=1))
    assert not far.exists("sources/abc")
    assert far.names("ahead") == []


def asked(url: str, *, method: str = "GET", span: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(url, method=method, headers={"Range": span} if span else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, b""


def test_a_file_opens_by_its_signed_address_only(far: BucketStorage) -> None:
    key = far.put("certificates", b"%PDF-1.7", suffix=".pdf")
    url = f"{far.objects.bucket.url}/media/{far.address(key, method='GET')}"
    assert asked(url) == (200, b"%PDF-1.7")
    assert asked(url, span="bytes=1-3") == (206, b"PDF")
    head = f"{far.objects.bucket.url}/media/{far.address(key, method='HEAD')}"
    assert asked(head, method="HEAD")[0] == 200
    other = far.put("certificates", b"%PDF-2.0", suffix=".pdf")
    for wrong in (
        url.partition("?")[0],
        url.replace(key, other),
        url.replace("Expires=600", "Expires=6000"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
    ):
        assert asked(wrong)[0] == 403, wrong
    assert far.objects._keys[1] not in url


def test_the_shell_of_whoever_starts_it_takes_no_part(
    bucket: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "another")
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "elsewhere-1")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    place = place_of(settings_of(tmp_path, **bucket))
    key = place.put("a", b"x")
    assert place.read(key) == b"x"
    assert "Security-Token" not in place.address(key, method="GET")


def test_a_service_that_is_away_says_so_and_is_found_again(tmp_path: Path) -> None:
    service = ObjectStore(tmp_path / "objects")
    service.start()
    try:
        place = place_of(settings_of(tmp_path, **service.new_bucket()))
        key = place.put("a", b"kept")
        service.stop()
        for act in (
            lambda: place.put("a", b"more"),
            lambda: place.read(key),
            lambda: place.size(key),
            lambda: place.exists(key),
            lambda: list(place.everything()),
            lambda: place.grow(io.BytesIO(b"x"), "uploads/abc", offset=0, most_bytes=9),
        ):
            with pytest.raises(Away):
                act()
        assert on_the_way(place) == []
        service.start()
        place.objects._rests_until = 0.0  # the pause in which nobody asks is over
        assert place.read(key) == b"kept"
        assert place.put("a", b"more")
    finally:
        service.stop()


@pytest.mark.parametrize("wrong", ["media_access_key", "media_secret_key", "media_url"])
def test_wrong_settings_are_away_and_never_an_empty_place(
    bucket: dict[str, str], tmp_path: Path, wrong: str
) -> None:
    other = {"media_url": "s3://no-such-bucket"}.get(wrong, "another")
    place = place_of(settings_of(tmp_path, **(bucket | {wrong: other})))
    with pytest.raises(Away) as said:
        place.put("a", b"x")
    with pytest.raises(Away):
        list(place.everything())
    assert bucket["media_secret_key"] not in str(said.value)
    assert bucket["media_secret_key"] not in repr(settings_of(tmp_path, **bucket))
