"""Beside the film: chapters, one's own notes, the transcript that is searched, and what can be kept on a phone."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lms.core.db import db, transaction
from lms.courses import queries, services
from lms.courses.models import Lecture, LectureNote, Video
from tests.courses.conftest import fresh


def test_changes_of_slides_are_proposed_and_nothing_is_kept_before_the_educator_says_so(
    app, browser, cast, lecture
):
    with transaction():
        row = db.session.scalars(select(Video)).one()
        row.manifest = dict(row.manifest, slides=[20, 75])
    client = browser(cast.educator, lang="en")
    address = f"/lectures/{lecture.public_id}/chapters"
    page = client.get(address).text
    for line in ("00:00 | 第 1 部分 | Part 1", "00:20 | 第 2 部分 | Part 2", "01:15 | 第 3 部分 | Part 3"):
        assert line in page
    assert "data-follow" not in browser(cast.trainee).get(f"/lectures/{lecture.public_id}").text
    answer = client.post(address, data={"chapters": "0:00 | 气道 | Airway\n1:15 | 呼吸 | Breathing\n"})
    assert answer.status_code == 303
    fresh()
    assert db.session.scalars(select(Lecture.chapters)).one() == [
        {"at_s": 0, "zh": "气道", "en": "Airway"},
        {"at_s": 75, "zh": "呼吸", "en": "Breathing"},
    ]
    page = browser(cast.trainee, lang="en").get(f"/lectures/{lecture.public_id}").text
    assert 'data-seek="75"' in page
    assert "Breathing" in page


@pytest.mark.parametrize(
    "text",
    [
        "0:10 | 一 | One\n0:10 | 二 | Two",
        "0:99 | 一 | One",
        "0:10 | 只有中文",
        "here | 一 | One",
        "0:10 |  | One",
    ],
)
def test_lines_that_make_no_chapters_are_refused_and_kept_in_the_form(app, browser, cast, lecture, text):
    client = browser(cast.educator)
    answer = client.post(f"/lectures/{lecture.public_id}/chapters", data={"chapters": text})
    assert answer.status_code == 422
    assert text.splitlines()[0] in answer.text
    fresh()
    assert db.session.scalars(select(Lecture.chapters)).one() == []


def test_only_educators_set_chapters(browser, cast, lecture):
    for name, by in cast.everyone().items():
        answer = browser(by).post(f"/lectures/{lecture.public_id}/chapters", data={"chapters": ""})
        assert (answer.status_code == 303) == (by.is_any("educator") and name != "stranger"), name


def test_a_note_keeps_its_moment_and_a_double_click_makes_one(app, browser, cast, lecture):
    client = browser(cast.trainee)
    for _click in range(2):
        answer = client.post(
            f"/lectures/{lecture.public_id}/notes",
            data={"at_s": "42", "text": "问老师：剂量？", "client_uuid": "n1"},
        )
        assert answer.headers["Location"].endswith("?t=42#notes")
    page = client.get(f"/lectures/{lecture.public_id}").text
    assert page.count("问老师：剂量？") == 1
    assert 'data-seek="42"' in page


def test_nobody_else_reads_or_removes_a_note(app, browser, cast, lecture):
    browser(cast.trainee).post(f"/lectures/{lecture.public_id}/notes", data={"at_s": "1", "text": "Secret"})
    fresh()
    note = db.session.scalars(select(LectureNote.public_id)).one()
    address = f"/lectures/{lecture.public_id}/notes/{note}/remove"
    for name, by in cast.everyone().items():
        if name == "trainee":
            continue
        client = browser(by)
        assert "Secret" not in client.get(f"/lectures/{lecture.public_id}").text, name
        assert client.post(address).status_code == 404, name
    assert browser(cast.trainee).post(address).status_code == 303
    fresh()
    assert not db.session.scalars(select(LectureNote)).all()


def test_an_empty_or_endless_note_is_refused(browser, cast, lecture):
    for text in ("", "   ", "x" * 2001):
        answer = browser(cast.trainee).post(
            f"/lectures/{lecture.public_id}/notes", data={"at_s": "0", "text": text}
        )
        assert answer.status_code == 422


def test_the_transcript_is_searched_and_each_line_leads_to_its_moment(app, browser, cast, lecture, at):
    vtt = (
        "WEBVTT\n\n00:01.000 --> 00:03.000\nLook at the airway.\n\n01:05.000 --> 01:09.000\nThen breathing.\n"
    )
    with transaction():
        services.set_captions(
            queries.lecture(lecture.public_id, cast.educator), lang="en", text=vtt, at=at, by=None
        )
    client = browser(cast.trainee, lang="en")
    page = client.get(f"/lectures/{lecture.public_id}/transcript?q=BREATH").text
    assert "Then breathing." in page
    assert "airway" not in page
    assert f"/lectures/{lecture.public_id}?t=65" in page
    assert client.get(f"/lectures/{lecture.public_id}/transcript?q=nothing").status_code == 200


def test_what_can_be_kept_names_its_size_and_its_parts(app, made):
    _folder, manifest = made
    import json

    row = Video(manifest=json.loads(manifest.to_json()), audio_bytes=12_345)
    sound, lite, *_more = queries.keepable(row)
    assert (sound.lines, sound.size_bytes) == (0, 12_345)
    assert lite.playlists == ("lite/index.m3u8", "a-low/index.m3u8")
    sizes = {one.playlist: one.size_bytes for one in manifest.renditions}
    assert lite.size_bytes == sizes["lite/index.m3u8"] + sizes["a-low/index.m3u8"]


# Captions

SRT = "\ufeff1\r\n00:00:01,000 --> 00:00:03,5\r\n<i>Airway</i> {\\an8}first.\r\n\r\n2\r\n00:01:05,250 --> 00:01:09,000\r\n<font color=red>Then</font> breathing\r\nand 12\r\n\r\n"


def test_a_subrip_file_becomes_captions_with_the_same_times_and_words(app, browser, cast, lecture):
    client = browser(cast.educator)
    answer = client.post(
        f"/lectures/{lecture.public_id}/captions",
        data={"lang": "en", "captions": (io.BytesIO(SRT.encode()), "a.srt")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    text = client.get(f"/lectures/{lecture.public_id}/captions/en.vtt").text
    assert text.startswith("WEBVTT\n\n00:00:01.000 --> 00:00:03.500\n")
    assert [(cue.start_s, cue.end_s, cue.text) for cue in services.cues(text)] == [
        (1.0, 3.5, "Airway first."),
        (65.25, 69.0, "Then breathing and 12"),
    ]


def test_a_subrip_file_with_a_line_that_makes_no_sense_is_refused(app, browser, cast, lecture):
    client = browser(cast.educator)
    for broken in (SRT.replace("00:00:03,5", "00:00:00,5"), SRT.replace("00:01:05,250", "01:05")):
        answer = client.post(
            f"/lectures/{lecture.public_id}/captions",
            data={"lang": "en", "captions": (io.BytesIO(broken.encode()), "a.srt")},
            content_type="multipart/form-data",
        )
        assert answer.status_code == 422


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3_000_000),
            st.integers(1, 9000),
            st.text("气道 aB<&>7", min_size=1).filter(str.strip),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_captions_written_as_text_are_read_as_they_were(given_cues):
    cues = [services.Cue(a / 1000, (a + n) / 1000, " ".join(text.split())) for a, n, text in given_cues]
    assert services.cues(services.to_vtt(cues)) == cues


def test_captions_are_written_beside_the_film_and_a_refused_text_is_kept(app, browser, cast, lecture):
    client = browser(cast.educator, lang="en")
    address = f"/lectures/{lecture.public_id}/captions/zh-Hans/edit"
    page = client.get(address).text
    assert "WEBVTT" in page
    assert "<source src=" in page
    refused = client.post(address, data={"text": "WEBVTT\n\n00:05.000 --> 00:01.000\n倒过来\n"})
    assert (refused.status_code, "倒过来" in refused.text, "ends before it begins" in refused.text) == (
        422,
        True,
        True,
    )
    assert client.post(address, data={"text": "WEBVTT\n\n00:01.000 --> 00:02.000\n气道\n"}).status_code == 303
    assert "气道" in client.get(f"/lectures/{lecture.public_id}/captions/zh-Hans.vtt").text
    assert client.get(address.replace("zh-Hans", "fr")).status_code == 404
    for name, by in cast.everyone().items():
        assert (browser(by).get(address).status_code == 200) == (
            by.is_any("educator") and name != "stranger"
        ), name
