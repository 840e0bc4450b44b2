"""What is found in courses, and where a lecture loses its viewers."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from lms.core.db import db, transaction
from lms.courses import services
from lms.courses.models import Lecture, SearchEntry, Watch
from lms.courses.queries import finding, things
from lms.courses.rules import attention
from tests.courses.conftest import fresh


def refreshed(at):
    """What the worker does about once a minute."""
    with transaction():
        services.refresh_search(at)


def urls(query, by, at):
    """Where the hits lead."""
    return [hit.url for hit in finding.find(query, by, at=at)]


def test_lectures_transcripts_and_pages_are_found_by_who_may_see_them_only(
    app, cast, page, append_lecture, at
):
    lecture = append_lecture(seconds=60, title="Shock")
    with transaction():
        found = things.thing("lecture", lecture.public_id, cast.educator)
        text = "WEBVTT\n\n00:00.000 --> 00:02.000\n先看毛细血管再充盈\n"
        services.set_captions(found, lang="zh-Hans", text=text, at=at, by=cast.educator)
    assert urls("补液", cast.trainee, at) == []
    refreshed(at)
    refreshed(at)
    assert urls("补液", cast.trainee, at) == [f"/units/{page.public_id}"]
    assert urls("by", cast.trainee, at) == [f"/units/{page.public_id}"], "initials of the title"
    assert urls("毛细血管", cast.trainee, at) == [f"/lectures/{lecture.public_id}/transcript"]
    assert urls("shock", cast.educator, at)[0] == f"/lectures/{lecture.public_id}"
    assert urls("shock", cast.stranger, at) == []
    with transaction():
        services.set_release(found, {"from": "2999-01-01"}, at=at, by=cast.educator)
    assert urls("shock", cast.trainee, at) == [], "what is not open yet gives nothing away"
    assert urls("shock", cast.educator, at)
    with transaction():
        services.withdraw_unit(page, at=at, by=cast.educator)
    assert urls("补液", cast.trainee, at) == []
    refreshed(at)
    assert not db.session.scalar(select(func.count()).where(SearchEntry.kind == "unit"))


def test_the_page_of_search_marks_what_was_found(app, browser, cast, page, at):
    refreshed(at)
    client = browser(cast.trainee, lang="en")
    assert "<mark>" in client.get("/search?q=kg").text
    assert "Nothing found" in client.get("/search?q=zebra").text
    assert client.get("/search?q=" + "%00x" * 40).status_code == 200


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=4)


def bitmap(parts, duration):
    """The evidence of someone who watched these parts."""
    bits = 0
    for start, length in parts:
        for second in range(start, min(start + length, duration)):
            bits |= 1 << second
    return bits.to_bytes(16, "little")


@given(st.lists(spans, max_size=5), st.integers(1, 90))
def test_the_map_counts_each_viewer_once_in_each_second(viewers, duration):
    bitmaps = [bitmap(parts, duration) for parts in viewers]
    counts = attention.seen_by_second(bitmaps, duration)
    assert counts == [
        sum(int.from_bytes(one, "little") >> second & 1 for one in bitmaps) for second in range(duration)
    ]
    parts = attention.stretches(counts)
    assert [part.start_s for part in parts[1:]] == [part.end_s for part in parts[:-1]]
    assert (parts[0].start_s, parts[-1].end_s) == (0, duration)
    assert len(parts) <= attention.MOST_STRETCHES


def test_an_author_sees_where_viewers_stay_and_who_stopped_and_nobody_else_does(
    app, browser, cast, append_lecture, at
):
    lecture = append_lecture(seconds=100, title="Shock")
    with transaction():
        row = db.session.get_one(Lecture, lecture.id)
        for enrolment, seconds, days in ((cast.enrolment, 40, 8), (cast.other_enrolment, 90, 1)):
            db.session.add(
                Watch(
                    enrolment_id=enrolment.id,
                    lecture_id=row.id,
                    video_id=row.video_id,
                    bitmap=bitmap([(0, seconds)], 100),
                    watched_s=seconds,
                    updated_at=at - timedelta(days=days),
                )
            )
    fresh()
    address = f"/lectures/{lecture.public_id}/attention"
    shown = browser(cast.educator, lang="en").get(address).text
    assert "of 2 viewers" in shown
    assert "Li Siyuan" in shown
    assert "Tashi" not in shown
    assert browser(cast.trainee).get(address).status_code == 404
