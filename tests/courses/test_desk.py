"""The educator's desk: from an empty course to a lecture that plays, and everything that is refused on the way."""

import contextlib
import io
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lms.core import clock, ports
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.core.jobs import Worker
from lms.core.storage import storage
from lms.courses import queries, services
from lms.courses.models import Caption, Course, Lecture, Module, Video
from tests.courses.conftest import clip, fresh, ready

VTT = b"WEBVTT\n\n00:00.000 --> 00:02.500\nAirway first.\n\n01:00:03.000 --> 01:00:05.000 line:0\nThe end.\n"


def send(client, lecture, path: Path, *, key: str = "", name: str = "lecture.mp4"):
    """Upload a file as the desk's form does."""
    with path.open("rb") as file:
        return client.post(
            f"/lectures/{lecture.public_id}/video",
            data={"video": (io.BytesIO(file.read()), name), "client_uuid": key},
            content_type="multipart/form-data",
        )


def words(**changes: str) -> dict[str, str]:
    """A filled form of a lecture's words."""
    return {
        "title_zh": "休克",
        "title_en": "Shock",
        "summary_zh": "",
        "summary_en": "",
        "key_points": "",
    } | changes


# From nothing to a lecture


def test_an_educator_opens_course_module_and_lecture_and_a_double_click_makes_one_of_each(app, browser, cast):
    client = browser(cast.educator)
    for _click in range(2):
        answer = client.post(
            "/learn/new",
            data={
                "cohort": cast.cohort.public_id,
                "title_zh": "急症",
                "title_en": "Emergencies",
                "client_uuid": "k1",
            },
        )
    fresh()
    course = db.session.scalars(select(Course)).one()
    assert (answer.status_code, answer.location) == (303, f"/learn/{course.public_id}")
    for _click in range(2):
        client.post(
            f"/learn/{course.public_id}/modules",
            data={"title_zh": "一", "title_en": "One", "client_uuid": "k2"},
        )
    fresh()
    module = db.session.scalars(select(Module)).one()
    for _click in range(2):
        answer = client.post(
            f"/modules/{module.public_id}/lectures",
            data=words(key_points="先看 | Look first\n", client_uuid="k3"),
        )
    fresh()
    lecture = db.session.scalars(select(Lecture)).one()
    assert answer.location == f"/lectures/{lecture.public_id}/edit"
    assert lecture.key_points == [{"zh": "先看", "en": "Look first"}]
    assert (course.state, lecture.state) == ("draft", "draft")
    assert browser(cast.trainee).get(f"/learn/{course.public_id}").status_code == 404
    assert client.post(f"/learn/{course.public_id}/publish").status_code == 303
    assert client.post(f"/lectures/{lecture.public_id}/publish").status_code == 303
    page = browser(cast.trainee, lang="en").get(f"/learn/{course.public_id}").text
    assert "Being prepared" in page
    fresh()
    acts = db.session.scalars(select(AuditEvent.act).where(AuditEvent.act.startswith("courses."))).all()
    assert acts == [
        "courses.course.add",
        "courses.module.add",
        "courses.lecture.add",
        "courses.course.publish",
        "courses.lecture.publish",
    ]


REFUSED_WORDS = (
    ({"title_zh": "  "}, "Give a title in both languages."),
    ({"title_en": ""}, "Give a title in both languages."),
    ({"title_en": "x" * 161}, "longer than 160"),
    ({"key_points": "先看 | Look\nno bar here"}, "Key point 2: write Chinese | English."),
    ({"key_points": "一 | one\n" * 13}, "Keep to 12 key points"),
    ({"title_zh": "患儿张三，男，3岁"}, "may identify a patient"),
    ({"summary_zh": "家长电话13800138000"}, "“13800138000”"),
    ({"key_points": "先看患儿李小明，男 | Look first"}, "may identify a patient"),
)


def test_words_that_will_not_do_are_refused_at_their_field_and_kept(browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    for changes, sentence in REFUSED_WORDS:
        given = words(summary_en="Typed with care") | changes
        answer = client.post(f"/lectures/{lecture.public_id}/edit", data=given)
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "Typed with care" in answer.text
        assert f'href="#{next(iter(changes))}"' in answer.text


def test_a_course_for_a_cohort_of_others_is_refused(app, browser, cast):
    data = {"cohort": "aaaaaaaaaaaa", "title_zh": "一", "title_en": "One"}
    assert browser(cast.educator).post("/learn/new", data=data).status_code == 422
    assert not db.session.scalars(select(Course)).all()


def test_publishing_twice_is_once_and_withdrawing_keeps_the_evidence(app, browser, cast, lecture):
    heard: list[ports.FactChanged] = []
    ports.fact_changed.subscribers.append(heard.append)
    try:
        client = browser(cast.educator)
        for act in ("publish", "withdraw", "withdraw", "publish", "publish"):
            assert client.post(f"/lectures/{lecture.public_id}/{act}").status_code == 303
    finally:
        ports.fact_changed.subscribers.remove(heard.append)
    assert [(one.fact, one.cohort_id) for one in heard] == [("lectures", cast.cohort.id)] * 2
    assert queries.lecture_facts(cast.cohort.id).total == 1


DESK = ("edit", "publish", "withdraw", "captions", "video")


def test_only_educators_of_the_programme_come_to_the_desk(browser, cast, lecture):
    for name, by in cast.everyone().items():
        client = browser(by)
        assert (client.get(f"/lectures/{lecture.public_id}/edit").status_code == 200) == (
            name == "educator"
        ), name
        if name == "educator":
            continue
        for act in DESK:
            answer = client.post(f"/lectures/{lecture.public_id}/{act}", data=words())
            assert answer.status_code == 404, (name, act)
        assert client.get("/learn/new").status_code == 404


def test_an_educator_of_another_programme_finds_nothing_of_it(app, browser, cast, lecture, at):
    from dataclasses import replace

    from lms.accounts import services as accounts
    from lms.accounts.models import Person
    from lms.policy import Role

    with transaction():
        person = db.session.get_one(Person, cast.stranger.person_id)
        accounts.grant(person, Role.EDUCATOR, "programme:999", at=at, by=None)
    client = browser(replace(cast.stranger))
    for address in (f"/lectures/{lecture.public_id}", f"/lectures/{lecture.public_id}/edit"):
        assert client.get(address).status_code == 404
    assert client.post(f"/lectures/{lecture.public_id}/video", data={}).status_code == 404
    assert lecture.public_id not in client.get("/learn").text


# Captions


def test_captions_are_kept_and_the_newest_replaces_the_one_before(app, browser, cast, lecture):
    client = browser(cast.educator)
    for data in (VTT, b"\xef\xbb\xbf" + VTT.replace(b"\n", b"\r\n").replace(b"Airway", b"The airway")):
        answer = client.post(
            f"/lectures/{lecture.public_id}/captions",
            data={"lang": "en", "captions": (io.BytesIO(data), "a.vtt")},
        )
        assert answer.status_code == 303
    kept = db.session.scalars(select(Caption)).one()
    first, last = services.cues(kept.text)
    assert (first.start_s, first.end_s, first.text) == (0, 2.5, "The airway first.")
    assert last.start_s == 3603


REFUSED_CAPTIONS = (
    (b"00:01.000 --> 00:02.000\nx\n", "The first line of a caption file must be WEBVTT."),
    (b"WEBVTT\n\n00:01.000 -> 00:02.000\nx\n", "The file holds no caption."),
    (b"WEBVTT\n\n00:01,000 --> 00:02,000\nx\n", "Line 3: this is no time span."),
    (
        b"WEBVTT\n\n00:00.000 --> 00:01.000\nx\n\n00:75.000 --> 00:80.000\nx\n",
        "Line 6: this is no time span.",
    ),
    (b"WEBVTT\n\n00:05.000 --> 00:02.000\nx\n", "Line 3: the caption ends before it begins."),
    (
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nx\n00:02.000 --> 00:03.000\ny\n",
        "Line 5: an empty line is missing before this caption.",
    ),
    (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n气道\n".encode("gb18030"),
        "Line 4 cannot be read. Save the file as UTF-8",
    ),
    (b"WEBVTT\n\n00:01.000 --> 00:02.000\n\0\n", "This is not a text file."),
    ("WEBVTT\n\n00:01.000 --> 00:02.000\n患儿张三，男\n".encode(), "may identify a patient"),
)


def test_captions_are_refused_with_what_is_wrong_in_them(app, browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    for data, sentence in (*REFUSED_CAPTIONS, (b"", "Choose a caption file.")):
        answer = client.post(
            f"/lectures/{lecture.public_id}/captions",
            data={"lang": "en", "captions": (io.BytesIO(data), "a.vtt" if data else "")},
        )
        assert (answer.status_code, sentence in answer.text) == (422, True), sentence
        assert 'href="#captions"' in answer.text
        assert re.search(r'<option (selected value="en"|value="en" selected)', answer.text) or re.search(
            r'<option selected value="en"', answer.text
        ), "the choice is kept"
    assert not db.session.scalars(select(Caption)).all()


def test_a_caption_file_of_the_size_of_a_film_is_none(app):
    with pytest.raises(RuleBroken, match="captions_large"):
        services.captions_text(b"WEBVTT\n" + b" " * 1_000_000)


def test_chinese_lines_of_a_caption_are_joined_without_a_space():
    both = "WEBVTT\n\n00:01.000 --> 00:02.000\n先看\n气道\n\n00:02.000 --> 00:03.000\nairway\nfirst\n"
    assert [cue.text for cue in services.cues(both)] == ["先看气道", "airway first"]


# Uploads


def test_an_upload_becomes_a_lecture_that_plays(app, bare_app, browser, cast, add_lecture, film, queries):
    lecture = add_lecture()
    client = browser(cast.educator, lang="en")
    answer = send(client, lecture, film, key="once", name="C:\\films\\休克.mp4")
    assert (answer.status_code, answer.location) == (303, f"/lectures/{lecture.public_id}/edit#video-part")
    row = db.session.scalars(select(Video)).one()
    progress = f"/lectures/{lecture.public_id}/videos/{row.public_id}"
    assert client.get(progress, headers={"Accept": "application/json"}).json == {
        "done": 0,
        "total": 100,
        "text": "Received. Waiting to be prepared.",
        "state": "uploaded",
    }
    desk = client.get(f"/lectures/{lecture.public_id}/edit").text
    assert f'data-job="{progress}"' in desk
    assert '<noscript><meta http-equiv="refresh"' in desk
    heard: list[ports.FactChanged] = []
    ports.fact_changed.subscribers.append(heard.append)
    try:
        assert Worker(bare_app).drain() == 1
    finally:
        ports.fact_changed.subscribers.remove(heard.append)
    assert [one.cohort_id for one in heard if one.fact == "lectures"] == [cast.cohort.id]
    assert client.get(progress, headers={"Accept": "application/json"}).json["state"] == "ready"
    page = browser(cast.trainee, lang="en").get(f"/lectures/{lecture.public_id}").text
    master = re.search(r'data-hls="([^"]+)"', page)
    assert master
    assert browser(cast.trainee).get(master[1]).data.startswith(b"#EXTM3U")
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert (row.state, row.duration_s, row.progress_percent, row.lease_owner) == ("ready", 4, 100, None)
    assert row.lite_bytes > 1000
    assert row.audio_bytes > 1000
    with queries() as seen:
        assert client.get(f"/lectures/{lecture.public_id}/edit").status_code == 200
    assert seen.count <= 12, seen.statements


def test_the_same_upload_twice_is_one_video(app, browser, cast, lecture, add_lecture, film):
    client = browser(cast.educator)
    before = len(db.session.scalars(select(Video)).all())
    for _click in range(2):
        assert send(client, lecture, film, key="same").status_code == 303
    fresh()
    assert len(db.session.scalars(select(Video)).all()) == before + 1
    assert send(client, add_lecture(title="Other"), film, key="same").status_code == 422
    assert not [path for path in (storage().root / ".tmp").iterdir() if path.name.startswith("upload-")]
    assert len(list((storage().root / "sources").iterdir())) == 1


@pytest.fixture(scope="session")
def bad_files(shared_dir: Path, film: Path) -> dict[str, Path]:
    """Files that must be refused, by what is wrong with them."""
    whole = film.read_bytes()
    found = {
        "text": b"this is no video at all, " * 100,
        "cut": whole[: len(whole) // 2],
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    }
    paths = {}
    for name, data in found.items():
        paths[name] = shared_dir / f"bad-{name}"
        paths[name].write_bytes(data)
    paths["silent"] = clip(shared_dir / "silent.mp4", seconds=2, sound=False)
    paths["sound"] = clip(shared_dir / "sound.m4a", seconds=2, picture=False)
    return paths


def test_a_file_that_cannot_become_a_lecture_is_refused_by_name_and_nothing_is_kept(
    app, browser, cast, add_lecture, bad_files
):
    lecture = add_lecture()
    client = browser(cast.educator, lang="en")
    for kind, sentence in {
        "text": "This is not a video file that we know.",
        "cut": "The file ends too early",
        "playlist": "The file is a playlist that names other files.",
        "silent": "The file has no sound.",
        "sound": "The file has no picture.",
    }.items():
        answer = send(client, lecture, bad_files[kind])
        assert (answer.status_code, sentence in answer.text) == (422, True), kind
        assert 'href="#video"' in answer.text
    assert not db.session.scalars(select(Video)).all()
    assert not [path for path in (storage().root / ".tmp").iterdir() if path.name.startswith("upload-")]
    assert not (storage().root / "sources").exists()


def test_text_where_a_file_belongs_is_no_file(browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    for kind, says in (("video", "Choose a video file."), ("captions", "Choose a caption file.")):
        answer = client.post(f"/lectures/{lecture.public_id}/{kind}", data={kind: "words", "lang": "en"})
        assert (answer.status_code, says in answer.text) == (422, True), kind


def test_no_file_and_too_large_a_file_are_refused(browser, cast, lecture, film, monkeypatch):
    client = browser(cast.educator, lang="en")
    answer = client.post(f"/lectures/{lecture.public_id}/video", data={}, content_type="multipart/form-data")
    assert (answer.status_code, "Choose a video file." in answer.text) == (422, True)
    monkeypatch.setattr("lms.courses.views.lectures.UPLOAD_LIMIT_BYTES", 10_000)
    answer = send(client, lecture, film)
    assert (answer.status_code, "larger than this site accepts" in answer.text) == (422, True)


def test_a_failed_video_says_why_and_can_be_tried_again(
    app, bare_app, browser, cast, add_lecture, film, settings
):
    lecture = add_lecture()
    client = browser(cast.educator, lang="en")
    send(client, lecture, film)
    row = db.session.scalars(select(Video)).one()
    source = storage().path(row.source_key)
    good = source.read_bytes()
    source.write_bytes(b"broken on the disk")
    Worker(bare_app).drain()
    desk = client.get(f"/lectures/{lecture.public_id}/edit").text
    assert "This is not a video file that we know." in desk
    source.write_bytes(good)
    retry = f"/lectures/{lecture.public_id}/videos/{row.public_id}/retry"
    assert browser(cast.trainee).post(retry).status_code == 404
    assert client.post(retry).status_code == 303
    Worker(bare_app).drain()
    fresh()
    assert db.session.scalars(select(Video.state)).one() == "ready"


def test_work_that_fails_without_fault_of_the_file_is_tried_three_times_and_then_given_up(
    app, bare_app, browser, cast, add_lecture, film, settings
):
    lecture = add_lecture()
    client = browser(cast.educator, lang="en")
    send(client, lecture, film)
    storage().path(db.session.scalars(select(Video.source_key)).one()).unlink()
    passed = timedelta(0)
    for _attempt in range(5):
        passed += timedelta(minutes=10)
        with clock.travelled(passed):
            Worker(bare_app).drain(rounds=1)
    fresh()
    row = db.session.scalars(select(Video)).one()
    assert (row.state, row.attempts, row.refusal) == ("failed", 3, "transcode")
    assert "the file is probably not to blame" in client.get(f"/lectures/{lecture.public_id}/edit").text


def test_an_older_version_that_gets_ready_later_never_comes_back(app, cast, lecture, film, made, at):
    with transaction():
        loaded = queries.lecture(lecture.public_id, cast.educator)
        with film.open("rb") as file:
            received = storage().receive(file, limit_bytes=1 << 30)
        second = services.receive_video(
            loaded, received, name="2.mp4", client_uuid=None, at=at, by=cast.educator
        )
        third = ready(db.session.get_one(Lecture, lecture.id), 50, at)
    assert (second.version, third.version) == (2, 3)
    with transaction():
        services.start_transcode(second)
        services.finish_transcode(second, folder_key="lectures/x/1", manifest=made[1], document={}, at=at)
    assert second.state == "ready"
    assert db.session.scalars(select(Lecture.video_id)).one() == third.id


# A worker that dies

DYING = """
import sys
from lms.app import create_app
from lms.core.jobs import Worker
from lms.settings import load
Worker(create_app(load({}, env="test", **eval(sys.argv[1])))).drain()
"""


def test_a_worker_killed_in_the_middle_leaves_the_old_version_and_the_work_is_done_again(
    app, bare_app, cast, lecture, shared_dir, settings, at
):
    long = clip(shared_dir / "long.mp4", seconds=12, size="640x360")
    old = db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one()
    with transaction(), long.open("rb") as file:
        services.receive_video(
            queries.lecture(lecture.public_id, cast.educator),
            storage().receive(file, limit_bytes=1 << 30),
            name="long.mp4",
            client_uuid=None,
            at=at,
            by=cast.educator,
        )
    given = {
        "data_dir": str(settings.data_dir),
        "database_url": settings.database_url,
        "queue_url": settings.queue_url,
        "secret_key": settings.secret_key,
        "keys_passphrase": settings.keys_passphrase,
    }
    worker = subprocess.Popen([sys.executable, "-c", DYING, repr(given)], cwd=Path(__file__).parents[2])
    try:
        percent = 0
        for _wait in range(400):
            time.sleep(0.05)
            fresh()
            percent = max(db.session.scalars(select(Video.progress_percent).where(Video.id != old)))
            if percent:
                break
        assert 0 < percent < 100, "it was in the middle"
    finally:
        worker.kill()
        worker.wait()
    fresh()
    row = db.session.scalars(select(Video).where(Video.id != old)).one()
    assert row.state == "transcoding"
    assert db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one() == old
    assert not _running(str(storage().root)), "ffmpeg died with its worker"
    assert Worker(bare_app).drain() == 0, "the dead worker's lease still holds"
    (storage().root / f"lectures/{row.public_id}/1").mkdir(parents=True)
    with clock.travelled(timedelta(seconds=90)):
        assert Worker(bare_app).drain() == 1
    fresh()
    assert (row.state, row.attempts, row.folder_key) == ("ready", 2, f"lectures/{row.public_id}/2")
    assert db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one() == row.id
    assert [path.name for path in (storage().root / f"lectures/{row.public_id}").iterdir()] == ["2"]


def _running(folder: str) -> list[int]:
    """Programs whose command names the folder (the kernel needs a moment to end a child of the killed)."""
    found: list[int] = []
    for _wait in range(40):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if folder.encode() in command and b"ffmpeg" in command.split(b"\0")[0]:
                    found.append(int(process.name))
        if not found:
            return []
        time.sleep(0.05)
    return found
