"""What a trainee sees of courses and lectures, and what the server counts of their watching."""

import gzip
import html
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.core import clock, ports
from lms.core.db import db, transaction
from lms.courses import queries, services
from lms.courses.models import Course, Lecture, LectureCompletion, Video, Watch, WatchSession
from lms.programmes.models import Enrolment
from tests.courses.conftest import ready


def attributes(page: str) -> dict[str, str]:
    """The data attributes of the page's player."""
    tag = re.search(r"<video\b[^>]*>", page)
    assert tag
    return {name: html.unescape(value) for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', tag[0])}


class Viewer:
    """One browser with one player on one page, as player.js behaves."""

    def __init__(self, client, lecture) -> None:
        self.client, self.seq = client, 0
        answer = client.get(f"/lectures/{lecture.public_id}")
        assert answer.status_code == 200
        self.page = answer.text
        self.given = attributes(self.page)

    def report(self, intervals, *, position=0, seq=None, session=None, **kwargs):
        """Send one report; the answer as the browser gets it."""
        self.seq = seq or self.seq + 1
        body = {
            "session": session or self.given["session"],
            "seq": self.seq,
            "intervals": intervals,
            "position": position,
            "rate": 1,
        }
        return self.client.post(self.given["beat"], json=body, **kwargs)


def test_an_honest_viewer_is_counted_in_full_and_the_lecture_becomes_watched(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    for end in (15, 30, 45, 60, 75):
        with clock.travelled(timedelta(seconds=end)):
            answer = viewer.report([[0, end]], position=end)
            assert answer.json == {
                "acked_seq": end // 15,
                "watched_s": end,
                "duration_s": 100,
                "percent": end,
                "complete": False,
            }
    with clock.travelled(timedelta(seconds=100)):
        assert viewer.report([[0, 100]], position=100).json["complete"] is True
        page = viewer.client.get(f"/lectures/{lecture.public_id}", headers={"Cookie": "lang=en"}).text
    assert 'value="100" max="100"' in page


def test_twice_as_fast_is_counted_and_four_times_is_not(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=30)):
        assert viewer.report([[0, 60]]).json["watched_s"] == 60
    with clock.travelled(timedelta(seconds=33)):
        assert viewer.report([[0, 100]]).json["watched_s"] < 95


def test_whoever_claims_everything_at_once_gets_the_few_seconds_that_passed(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=5)):
        answer = viewer.report([[0, 100]]).json
    assert answer["watched_s"] <= 30, "14, and two for each second that a busy machine takes"
    assert answer["complete"] is False


def test_a_report_that_is_sent_again_changes_nothing(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=15)):
        assert viewer.report([[0, 15]]).json["watched_s"] == 15
    with clock.travelled(timedelta(seconds=60)):
        again = viewer.report([[0, 60]], seq=1).json
    assert (again["acked_seq"], again["watched_s"]) == (1, 15)


def test_many_tabs_at_once_earn_no_more_than_one_person_can_watch(browser, cast, lecture):
    client = browser(cast.trainee)
    tabs = [Viewer(client, lecture) for _ in range(5)]
    with clock.travelled(timedelta(seconds=10)):
        for number, tab in enumerate(tabs):
            watched = tab.report([[number * 20, number * 20 + 20]]).json["watched_s"]
    assert watched < 40, "five tabs would be 100"


def test_a_beacon_of_a_page_that_is_left_may_call_its_report_plain_text(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    body = json.dumps({"session": viewer.given["session"], "seq": 1, "intervals": [[0, 10]], "position": 10})
    with clock.travelled(timedelta(seconds=10)):
        answer = viewer.client.post(viewer.given["beat"], data=body, content_type="text/plain;charset=UTF-8")
    assert answer.json["watched_s"] == 10


NONSENSE = (
    b"",
    b"not json",
    b"[]",
    b"[" * 100_000,
    b'{"seq": 1, "intervals": []}',
    b'{"session": "x", "seq": "1", "intervals": []}',
    b'{"session": "x", "seq": true, "intervals": []}',
    b'{"session": "x", "seq": 99999999999, "intervals": []}',
    b'{"session": "x", "seq": 1, "intervals": []}',
    '{"session": "a.1.b.\u4e2d", "seq": 1, "intervals": []}'.encode(),
    b'{"session": "\\ud800.1.b.c", "seq": 1, "intervals": []}',
    b"\xff\xfe",
)


def test_what_no_player_sends_is_refused_as_a_problem(browser, cast, lecture):
    client = browser(cast.trainee)
    for body in NONSENSE:
        answer = client.post(
            f"/lectures/{lecture.public_id}/beats", data=body, content_type="application/json"
        )
        assert (answer.status_code, answer.mimetype) == (422, "application/problem+json"), body[:60]


def test_intervals_that_cannot_have_been_played_are_refused(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    for intervals in (
        None,
        "x",
        [[1]],
        [[5, 1]],
        [[-1, 3]],
        [["a", "b"]],
        [[0, float("nan")]],
        [[0, 1e30]],
        [[0, 1]] * 501,
    ):
        answer = viewer.report(intervals)
        assert (answer.status_code, answer.json["code"]) == (422, "bad_intervals"), intervals


def test_a_report_larger_than_any_player_makes_is_refused_unread(browser, cast, lecture):
    answer = browser(cast.trainee).post(
        f"/lectures/{lecture.public_id}/beats", data=b" " * 1_000_001, content_type="application/json"
    )
    assert answer.status_code == 413


def test_the_player_of_another_trainee_counts_for_nobody(browser, cast, lecture, app):
    stolen = Viewer(browser(cast.other_trainee), lecture).given["session"]
    thief = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=60)):
        answer = thief.report([[0, 60]], session=stolen)
    assert (answer.status_code, answer.json["code"]) == (422, "bad_session")
    assert not db.session.scalars(select(Watch)).all()


def test_the_player_of_another_lecture_counts_nothing_here(browser, cast, lecture, add_lecture):
    other = Viewer(browser(cast.trainee), add_lecture(seconds=50, title="Other"))
    here = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=60)):
        assert here.report([[0, 60]], session=other.given["session"]).status_code == 404


def test_a_session_with_an_earlier_opening_is_forged(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    nonce, opened, version, mac = viewer.given["session"].split(".")
    forged = f"{nonce}.{int(opened) - 3_600_000}.{version}.{mac}"
    assert viewer.report([[0, 100]], session=forged).json["code"] == "bad_session"


def test_whoever_watches_while_the_video_is_replaced_is_not_refused(app, browser, cast, lecture, at):
    viewer = Viewer(browser(cast.trainee), lecture)
    with transaction():
        ready(db.session.get_one(Lecture, lecture.id), 200, at)
    with clock.travelled(timedelta(seconds=100)):
        assert viewer.report([[0, 100]]).json["complete"] is True
        fresh = Viewer(viewer.client, lecture)
    assert "data-when-complete hidden" not in fresh.page, "the completion stays when the video is replaced"
    assert 'value="0" max="200"' in fresh.page, "the new version begins with no evidence"


def test_completion_is_told_once_to_whoever_builds_on_it(browser, cast, lecture):
    heard: list[ports.FactChanged] = []
    ports.fact_changed.subscribers.append(heard.append)
    try:
        viewer = Viewer(browser(cast.trainee), lecture)
        with clock.travelled(timedelta(seconds=60)):
            viewer.report([[0, 60]])
            assert not heard
        with clock.travelled(timedelta(seconds=95)):
            viewer.report([[0, 95]])
            viewer.report([[0, 95]])
    finally:
        ports.fact_changed.subscribers.remove(heard.append)
    assert [(change.fact, change.enrolment_id) for change in heard] == [("lectures", cast.enrolment.id)]


def test_a_completion_is_never_taken_back(app, browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=95)):
        viewer.report([[0, 95]])
    row = db.session.scalars(select(LectureCompletion)).one()
    row.watched_s = 1
    with pytest.raises(Exception, match="append-only"):
        db.session.flush()
    db.session.rollback()


def test_the_page_goes_on_where_one_stopped(browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    assert "resume" not in viewer.given
    with clock.travelled(timedelta(seconds=40)):
        viewer.report([[0, 40]], position=40.2)
        assert Viewer(viewer.client, lecture).given["resume"] == "37"


# Who sees what


def test_the_page_of_a_trainee_counts_and_the_page_of_staff_does_not(browser, cast, lecture):
    for name, by in cast.everyone().items():
        answer = browser(by, lang="en").get(f"/lectures/{lecture.public_id}")
        if name == "stranger":
            assert answer.status_code == 404
            continue
        if name in {"examiner", "second_assessor"}:
            assert answer.status_code == 404, "they have no business with courses"
            continue
        assert answer.status_code == 200, name
        assert ("data-beat" in answer.text) == (name in {"trainee", "other_trainee"}), name
        assert "<source src=" in answer.text


def test_only_trainees_of_the_cohort_may_report(browser, cast, lecture):
    session = Viewer(browser(cast.trainee), lecture).given["session"]
    body = {"session": session, "seq": 1, "intervals": [[0, 1]], "position": 1}
    for name, by in cast.everyone().items():
        answer = browser(by).post(f"/lectures/{lecture.public_id}/beats", json=body)
        expected = {"trainee": 200, "other_trainee": 422}.get(name, 404)
        assert answer.status_code == expected, name
    assert browser().post(f"/lectures/{lecture.public_id}/beats", json=body).status_code == 401


def test_drafts_do_not_exist_for_trainees(browser, cast, add_lecture):
    draft = add_lecture(seconds=100, published=False)
    assert browser(cast.trainee).get(f"/lectures/{draft.public_id}").status_code == 404
    assert browser(cast.trainee).get(f"/lectures/{draft.public_id}/captions/en.vtt").status_code == 404
    assert draft.public_id not in browser(cast.trainee).get("/learn").text
    assert draft.public_id in browser(cast.educator).get("/learn").text


def test_a_published_lecture_of_a_draft_course_neither_shows_nor_counts(app, browser, cast, lecture):
    with transaction():
        db.session.get_one(Course, db.session.scalars(select(Course.id)).one()).state = "draft"
    assert browser(cast.trainee).get(f"/lectures/{lecture.public_id}").status_code == 404
    assert queries.lecture_facts(cast.cohort.id).total == 0
    assert not queries.tasks(cast.trainee, clock.now())
    assert browser(cast.educator).get(f"/lectures/{lecture.public_id}").status_code == 200


def test_the_courses_listed_are_exactly_those_the_table_admits(app, cast, course, at):
    from lms import policy
    from lms.policy import Permission

    with transaction():
        services.add_course(cast.cohort, code="C2", title_zh="草稿", title_en="Draft", at=at, by=None)
    rows = queries.courses(cast.educator)
    assert len(rows) == 2
    for name, by in cast.everyone().items():
        admitted = {row.id for row in rows if policy.allows(by, Permission.COURSE_READ, row)}
        assert {row.id for row in queries.courses(by)} == admitted, name


def test_unknown_and_malformed_ids_do_not_exist(browser, cast, lecture):
    for client in (browser(cast.trainee), browser(cast.educator)):
        for name in ("aaaaaaaaaaaa", "1", "%00", "..", "x" * 300, "%F0%9F%90%9D"):
            for address in (f"/lectures/{name}", f"/learn/{name}", f"/lectures/{name}/captions/en.vtt"):
                assert client.get(address).status_code == 404, address
    body = {"session": "x", "seq": 1, "intervals": []}
    assert browser(cast.trainee).post("/lectures/%00/beats", json=body).status_code == 404


def test_a_trainee_without_a_course_reads_what_will_come(browser, cast):
    assert "appear here" in browser(cast.trainee, lang="en").get("/learn").text
    assert "/learn/new" in browser(cast.educator).get("/learn").text


def test_the_outline_tells_what_each_trainee_has_seen(browser, cast, lecture, add_lecture):
    add_lecture(seconds=60, title="Second")
    viewer = Viewer(browser(cast.trainee, lang="en"), lecture)
    with clock.travelled(timedelta(seconds=95)):
        viewer.report([[0, 95]])
    assert "1 of 2 lectures watched" in browser(cast.trainee, lang="en").get("/learn").text
    assert "0 of 2 lectures watched" in browser(cast.other_trainee, lang="en").get("/learn").text


def test_the_tasks_of_home_begin_with_the_lecture_under_way(app, browser, cast, lecture, add_lecture):
    second = add_lecture(seconds=60, title="Second")
    viewer = Viewer(browser(cast.trainee), second)
    with clock.travelled(timedelta(seconds=20)):
        viewer.report([[0, 20]])
    first, later = queries.tasks(cast.trainee, clock.now())
    assert (first.url, first.urgency, first.progress) == (f"/lectures/{second.public_id}", 2, 33)
    assert later.url == f"/lectures/{lecture.public_id}"


def test_a_withdrawn_trainee_watches_no_more(app, browser, cast, lecture):
    viewer = Viewer(browser(cast.trainee), lecture)
    with transaction():
        db.session.get_one(Enrolment, cast.enrolment.id).state = "withdrawn"
    assert viewer.report([[0, 1]]).status_code == 404


# Captions and the transcript

VTT = "WEBVTT\n\n00:00.000 --> 00:02.500\n{}\n\n00:03.000 --> 00:05.000\nThe end.\n"


@pytest.fixture
def captioned(app, lecture, at):
    """The lecture with captions in both languages."""
    from sqlalchemy.orm import joinedload

    with transaction():
        row = db.session.scalars(
            select(Lecture).options(joinedload(Lecture.cohort)).where(Lecture.id == lecture.id)
        ).one()
        services.set_captions(row, lang="zh-Hans", text=VTT.format("先评估气道。"), at=at, by=None)
        services.set_captions(
            row, lang="en", text=VTT.format("Airway first &amp; <i>always</i>."), at=at, by=None
        )
    return lecture


def test_captions_come_in_both_languages_and_the_transcript_follows_the_reader(browser, cast, captioned):
    zh = browser(cast.trainee, lang="zh_Hans").get(f"/lectures/{captioned.public_id}").text
    en = browser(cast.trainee, lang="en").get(f"/lectures/{captioned.public_id}").text
    assert zh.count("<track ") == en.count("<track ") == 2
    assert "先评估气道。" in zh
    assert "先评估气道。" not in en
    assert "Airway first &amp; always." in en
    answer = browser(cast.trainee).get(f"/lectures/{captioned.public_id}/captions/zh-Hans.vtt")
    assert answer.mimetype == "text/vtt"
    assert answer.text.startswith("WEBVTT")
    assert browser(cast.stranger).get(f"/lectures/{captioned.public_id}/captions/en.vtt").status_code == 404
    assert browser(cast.trainee).get(f"/lectures/{captioned.public_id}/captions/fr.vtt").status_code == 404


# Budgets


def test_pages_stay_within_their_budget_of_queries_and_bytes(browser, cast, add_lecture, captioned, queries):
    for number in range(40):
        add_lecture(seconds=600, title=f"Lecture number {number} about something else")
    for by in (cast.trainee, cast.educator):
        client = browser(by)
        for address in ("/learn", f"/lectures/{captioned.public_id}"):
            client.get(address)
            with queries() as seen:
                page = client.get(address, headers={"Cookie": "css=x"})
            assert page.status_code == 200
            assert seen.count <= 12, (address, seen.statements)
            assert len(gzip.compress(page.data)) <= 14 * 1024 + 6 * 1024, address


def test_a_report_costs_few_statements(browser, cast, lecture, queries):
    viewer = Viewer(browser(cast.trainee), lecture)
    with clock.travelled(timedelta(seconds=15)):
        viewer.report([[0, 15]])
    with clock.travelled(timedelta(seconds=30)), queries() as seen:
        assert viewer.report([[0, 30]]).json["watched_s"] == 30
    assert seen.count <= 9, seen.statements


def test_no_row_of_a_report_is_left_when_it_is_refused(app, browser, cast, lecture):
    Viewer(browser(cast.trainee), lecture).report([[5, 1]])
    assert not db.session.scalars(select(WatchSession)).all()
    assert db.session.scalars(select(Video.duration_s)).all() == [100]
