"""What of a film is watched again: counted once for each visit, within what the clock allows, without a name."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select

from lms.core import clock
from lms.core.db import db, transaction
from lms.courses import services
from lms.courses.models import Lecture, Replay, Watch, WatchSession
from lms.courses.rules import replays
from lms.programmes.models import Enrolment
from tests.courses.conftest import fresh
from tests.courses.test_viewers import LENGTH_S, Person


@pytest.fixture
def person(app, browser, cast, add_lecture):
    """A trainee before a lecture of five minutes."""
    return Person(browser(cast.trainee), add_lecture(seconds=LENGTH_S))


def counted() -> dict[int, int]:
    """Part → how often it was watched again."""
    fresh()
    return {row.bin: row.times for row in db.session.scalars(select(Replay))}


def again(player, spans, *, passed=0.0):
    """A report that says what was played twice on this page."""
    person = player.person
    person.passed += passed
    player.seq += 1
    with clock.travelled(timedelta(seconds=person.passed)):
        return person.client.post(
            player.given["beat"],
            json={
                "session": player.session,
                "seq": player.seq,
                "intervals": player.played,
                "again": spans,
                "position": 0,
            },
        )


def test_watching_a_film_once_counts_nothing_as_watched_again(person):
    player = person.open()
    player.play(LENGTH_S)
    player.report()
    assert counted() == {}


def test_a_part_that_is_watched_in_a_later_visit_counts_once_for_that_visit(person):
    person.open().play(100)
    person.passed += 3600
    later = person.open()
    later.at = 40
    later.play(30)
    later.at = 40
    later.play(30)
    assert counted() == {4: 1, 5: 1, 6: 1}
    assert person.counted() == 100
    person.passed += 3600
    third = person.open()
    third.at = 52
    third.play(20)  # 52 to 72: most of the sixth and seventh ten seconds, a fifth of the eighth
    assert counted() == {4: 1, 5: 2, 6: 2}


def test_the_parts_of_an_old_visit_are_forgotten_and_never_counted_again(person):
    person.open().play(100)
    person.passed += 3600
    later = person.open()
    later.at = 0
    later.play(30)
    assert counted() == {0: 1, 1: 1, 2: 1}
    lasts = timedelta(days=replays.VISIT_COUNTS_DAYS)

    def sweep() -> list[tuple[bool, bool]]:
        with clock.travelled(timedelta(seconds=person.passed)), transaction():
            services.forget_parts(clock.now())
        fresh()
        rows = db.session.scalars(select(WatchSession).order_by(WatchSession.id)).all()
        return [(row.known_bins is not None, row.again_bins is not None) for row in rows]

    person.passed += lasts.total_seconds() - 7200
    assert sweep() == [(False, False), (True, True)], "still young"
    person.passed += 7200
    assert sweep() == [(False, False), (False, False)]

    late = clock.now() + timedelta(seconds=person.passed)
    watch = db.session.scalars(select(Watch)).one()
    with transaction():  # the person is signed out by now; the report itself comes as it came before
        enrolment = db.session.get_one(Enrolment, watch.enrolment_id)
        services.beat(person.lecture, enrolment, session=later.session, seq=later.seq + 1, intervals=[[0, 60]], again=[[0, 60]], position_s=0, at=late)  # fmt: skip
    assert counted() == {0: 1, 1: 1, 2: 1}, "it counts nothing again"
    assert person.counted() == 100
    assert sweep() == [(False, False), (False, False)]


def test_going_on_in_a_later_visit_is_not_watching_again(person):
    person.open().play(97)
    person.passed += 3600
    later = person.open()
    later.at = 94  # the player goes back three seconds to find the thread
    later.play(60)
    assert counted() == {}


def test_what_the_player_says_was_played_twice_counts_once_however_often_it_says_so(person):
    player = person.open()
    player.play(60)
    assert again(player, [[10, 31]], passed=21).status_code == 200
    assert again(player, [[10, 31]], passed=15).status_code == 200
    assert again(player, [[10, 31], [10, 41]], passed=10).status_code == 200
    assert counted() == {1: 1, 2: 1, 3: 1}
    assert person.counted() == 60


def test_nobody_claims_more_repetition_than_the_clock_has_room_for(person):
    player = person.open()
    assert again(player, [[0, LENGTH_S]]).status_code == 200
    assert counted() == {}
    assert again(player, [[0, LENGTH_S]], passed=10).status_code == 200
    assert sum(counted().values()) <= (2 * 10 + 4) // 5


@pytest.mark.parametrize(
    "spans", [[[5, 1]], [["a", "b"]], [[1, 2]] * 501, "much", 7, {"a": 1}, [[0, math.inf]]]
)
def test_what_nobody_can_have_played_twice_is_refused_and_nothing_of_the_report_counts(person, spans):
    player = person.open()
    player.played.append([0, 10])
    assert again(player, spans, passed=20).status_code == 422
    assert counted() == {}
    assert person.counted() == 0


def test_a_player_of_before_that_says_nothing_of_it_is_heard(person):
    player = person.open()
    player.play(30)
    assert person.counted() == 30


def test_the_counter_names_nobody(app):
    columns = {one["name"] for one in inspect(db.engine).get_columns("replay")}
    assert columns == {"video_id", "bin", "times"}


parts = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda p: (p[0], p[0] + p[1])), max_size=6
)


@given(parts, parts, st.integers(1, 230), st.floats(0, 500))
def test_a_second_report_of_the_same_counts_nothing_new(played, twice, duration, alive):
    known = replays.known_parts(b"\xff" * 30, duration)
    first, new = replays.watched_again(
        played, twice, known=known, counted=b"", duration_s=duration, alive_s=alive, credited_s=0
    )
    assert new == sorted(set(new))
    assert all(0 <= one < replays.parts_of(duration) for one in new)
    assert len(new) <= (2 * alive + 4) / 5
    _same, more = replays.watched_again(
        played, twice, known=known, counted=first, duration_s=duration, alive_s=alive, credited_s=0
    )
    assert not set(more) & set(new)
    if alive >= 300:
        assert more == []


@given(st.integers(0, 230))
def test_a_part_that_was_wholly_watched_is_known_and_an_untouched_one_is_not(seen):
    known = int.from_bytes(replays.known_parts(((1 << seen) - 1).to_bytes(30, "little"), 230), "little")
    for place in range(23):
        if seen >= place * 10 + 10:
            assert known >> place & 1
        if seen <= place * 10 + 5:
            assert not known >> place & 1


def test_the_map_is_drawn_beside_the_other_once_three_have_watched(app, browser, cast, append_lecture, at):
    lecture = append_lecture(seconds=100, title="Shock")
    with transaction():
        row = db.session.get_one(Lecture, lecture.id)
        for place, times in ((2, 5), (3, 1), (99, 7)):
            db.session.add(Replay(video_id=row.video_id, bin=place, times=times))
        for enrolment in (cast.enrolment, cast.other_enrolment):
            db.session.add(
                Watch(
                    enrolment_id=enrolment.id,
                    lecture_id=row.id,
                    video_id=row.video_id,
                    bitmap=b"\xff" * 12,
                    watched_s=96,
                    updated_at=at,
                )
            )
    fresh()
    address = f"/lectures/{lecture.public_id}/attention"
    page = browser(cast.educator, lang="en").get(address).text
    assert "is shown once three people have watched" in page
    assert "Visits that watched it again" not in page
    from lms.courses.queries import attention

    found = attention._again(row, 100, attention.stretches([1] * 100))
    assert list(found.bars) == [0, 0, 5, 1, 0, 0, 0, 0, 0, 0]
    assert found.most == 5
    assert max(found.by_stretch) == 5
    attention.FEWEST_VIEWERS, before = 2, attention.FEWEST_VIEWERS
    try:
        page = browser(cast.educator, lang="en").get(address).text
    finally:
        attention.FEWEST_VIEWERS = before
    assert "the most repeated one in 5 visits" in page
    assert page.count('<rect class="bar"') == 20 + 2
