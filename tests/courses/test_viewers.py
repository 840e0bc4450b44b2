"""A corpus of viewers, honest and not, on a clock of the script: nobody who watched is refused, nobody who did not is counted.

Each viewer is a list of steps that a person or a cheat takes; the browser between them behaves as player.js does (it keeps
every interval of a session, reports each 15 s, and sends what a lost line left behind).
"""

import random
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lms.core import clock
from lms.core.db import db
from lms.courses.models import LectureCompletion, Watch
from tests.courses.conftest import fresh
from tests.courses.test_watching import attributes

LENGTH_S = 300


class Player:
    """One page with its player: what it has played and what the server has of it."""

    def __init__(self, person: "Person", session: str | None = None) -> None:
        self.person = person
        page = person.client.get(f"/lectures/{person.lecture.public_id}")
        assert page.status_code == 200
        self.given = attributes(page.text)
        self.session = session or self.given["session"]
        self.played: list[list[float]] = []
        self.seq, self.at = 0, float(self.given.get("resume", 0))

    def play(self, seconds: float, rate: float = 1.0, *, heard: bool = True) -> None:
        """Play so many seconds of the clock; a report every 15 s, which the server may not hear."""
        while seconds > 0:
            step = min(15.0, seconds)
            end = min(LENGTH_S, self.at + step * rate)
            self.played.append([self.at, end])
            self.person.seen |= set(range(round(self.at), round(end)))
            self.at = end
            self.person.passed += step
            seconds -= step
            self.report(heard=heard)

    def report(self, *, heard: bool = True) -> dict[str, Any]:
        """Send all intervals of this session."""
        self.seq += 1
        if not heard:
            return {}
        return self.person.post(
            self.given["beat"], self.session, self.seq, [list(span) for span in self.played], self.at
        )


class Person:
    """Somebody with a browser, at a time of the script."""

    def __init__(self, client, lecture) -> None:
        self.client, self.lecture = client, lecture
        self.passed = 0.0
        self.seen: set[int] = set()

    def open(self, session: str | None = None) -> Player:
        """Open the lecture's page."""
        with clock.travelled(timedelta(seconds=self.passed)):
            return Player(self, session)

    def lease(self) -> str:
        """Keep the lecture on the phone."""
        with clock.travelled(timedelta(seconds=self.passed)):
            answer = self.client.post(f"/lectures/{self.lecture.public_id}/lease")
            assert answer.status_code == 200
            return str(answer.json["lease"])

    def post(self, url, session, seq, intervals, position=0.0) -> dict[str, Any]:
        """One report, at the time of the script."""
        with clock.travelled(timedelta(seconds=self.passed)):
            answer = self.client.post(
                url,
                json={
                    "session": session,
                    "seq": seq,
                    "intervals": intervals,
                    "position": position,
                    "rate": 1,
                },
            )
            assert answer.status_code == 200, answer.text
            return dict(answer.json)

    def counted(self) -> int:
        """What the server has counted for this person in this lecture."""
        fresh()
        return sum(db.session.scalars(select(Watch.watched_s)).all())


@pytest.fixture
def person(browser, cast, add_lecture):
    """A trainee before a lecture of five minutes."""
    return Person(browser(cast.trainee), add_lecture(seconds=LENGTH_S))


# ---- honest ---------------------------------------------------------------------------------------------------------


def at_normal_speed(one: Person) -> None:
    one.open().play(LENGTH_S)


def at_double_speed(one: Person) -> None:
    one.open().play(LENGTH_S / 2, 2.0)


def slowly_and_then_fast(one: Person) -> None:
    player = one.open()
    player.play(200, 0.5)
    player.play(100, 2.0)


def with_pauses(one: Person) -> None:
    player = one.open()
    for _part in range(10):
        player.play(30)
        one.passed += 600


def with_a_night_between(one: Person) -> None:
    one.open().play(150)
    one.passed += 12 * 3600
    player = one.open()
    player.at = 150
    player.play(150)


def on_a_page_left_open_for_a_night(one: Person) -> None:
    player = one.open()
    player.play(150)
    one.passed += 12 * 3600
    player.play(150)


def seeking_back_to_hear_it_again(one: Person) -> None:
    player = one.open()
    for _part in range(6):
        player.play(60)
        player.at = max(0.0, player.at - 10)


def with_reports_lost_on_the_way(one: Person) -> None:
    player = one.open()
    for part in range(20):
        player.play(15, heard=part % 3 == 2)
    player.report()


def with_only_the_last_report_heard(one: Person) -> None:
    player = one.open()
    player.play(LENGTH_S, heard=False)
    player.report()


def with_reports_heard_twice_and_late(one: Person) -> None:
    player = one.open()
    player.play(100)
    late = [list(span) for span in player.played]
    player.play(200)
    one.post(player.given["beat"], player.session, 3, late)
    player.report()


def on_two_devices_in_turn(one: Person) -> None:
    phone, desk = one.open(), one.open()
    for part in range(10):
        device = (phone, desk)[part % 2]
        device.at = part * 30.0
        device.play(30)


def reloading_all_the_time(one: Person) -> None:
    at = 0.0
    for _page in range(10):
        player = one.open()
        player.at = at
        player.play(30)
        at = player.at


def in_small_pieces_out_of_order(one: Person) -> None:
    player, dice = one.open(), random.Random(3)
    starts = list(range(0, LENGTH_S, 10))
    dice.shuffle(starts)
    for start in starts:
        player.at = float(start)
        player.play(10)


def offline_for_days_under_a_lease(one: Person) -> None:
    lease = one.lease()
    player = one.open(session=lease)
    one.passed += 3 * 24 * 3600
    player.play(LENGTH_S, heard=False)
    one.passed += 2 * 24 * 3600
    player.report()


def offline_while_the_desk_at_work_was_used_meanwhile(one: Person) -> None:
    lease = one.lease()
    phone, desk = one.open(session=lease), one.open()
    desk.play(100)
    one.passed += 24 * 3600
    phone.at = 100
    phone.play(200, heard=False)
    one.passed += 24 * 3600
    one.open().play(15)
    phone.report()


def offline_on_a_page_opened_again_from_the_phone(one: Person) -> None:
    lease = one.lease()
    first = one.open(session=lease)
    one.passed += 24 * 3600
    first.play(150, heard=False)
    again = one.open(session=lease)  # player.js goes on with the report that it kept
    again.played, again.seq, again.at = [list(span) for span in first.played], first.seq, 150.0
    one.passed += 24 * 3600
    again.play(150, heard=False)
    again.report()


HONEST = [
    at_normal_speed,
    at_double_speed,
    slowly_and_then_fast,
    with_pauses,
    with_a_night_between,
    on_a_page_left_open_for_a_night,
    seeking_back_to_hear_it_again,
    with_reports_lost_on_the_way,
    with_only_the_last_report_heard,
    with_reports_heard_twice_and_late,
    on_two_devices_in_turn,
    reloading_all_the_time,
    in_small_pieces_out_of_order,
    offline_for_days_under_a_lease,
    offline_while_the_desk_at_work_was_used_meanwhile,
    offline_on_a_page_opened_again_from_the_phone,
]


@pytest.mark.parametrize("script", HONEST, ids=lambda script: script.__name__)
def test_whoever_watches_is_counted_to_the_second(app, person, script):
    script(person)
    assert len(person.seen) == LENGTH_S
    assert person.counted() == LENGTH_S
    assert db.session.scalars(select(LectureCompletion)).one()


@pytest.mark.parametrize("seed", range(12))
def test_whoever_watches_in_any_way_at_all_is_counted_to_the_second(app, person, seed):
    """Pages opened and left, jumps, pauses, speeds and lost reports as dice have it; what was really played is counted."""
    dice = random.Random(seed)
    player = person.open()
    for _step in range(40):
        if dice.random() < 0.15:
            player.report()
            player = person.open()
            player.at = dice.uniform(0, LENGTH_S)
        if dice.random() < 0.3:
            player.at = float(dice.randrange(LENGTH_S))
        person.passed += dice.choice([0, 0, 0, 5, 60, 4000])
        player.at = float(round(player.at))
        player.play(dice.randrange(2, 40), dice.choice([1.0, 1.0, 2.0]), heard=dice.random() < 0.7)
    player.report()
    assert person.counted() == len(person.seen)


# ---- dishonest ------------------------------------------------------------------------------------------------------


def claims_all_at_once(one: Person) -> None:
    player = one.open()
    one.passed += 5
    one.post(player.given["beat"], player.session, 1, [[0, LENGTH_S]])


def seeks_to_the_end(one: Person) -> None:
    player = one.open()
    player.play(5)
    player.at = LENGTH_S - 5.0
    player.play(5)


def plays_four_times_as_fast(one: Person) -> None:
    player = one.open()
    player.play(LENGTH_S / 4 - 1, 4.0)


def sends_the_same_report_for_an_hour(one: Person) -> None:
    player = one.open()
    player.play(15)
    for _again in range(20):
        one.passed += 180
        one.post(player.given["beat"], player.session, 1, [[0, LENGTH_S]])


def opens_many_tabs_at_once(one: Person) -> None:
    tabs = [one.open() for _tab in range(10)]
    one.passed += 20
    for number, tab in enumerate(tabs):
        one.post(tab.given["beat"], tab.session, 1, [[number * 30, number * 30 + 30]])


def opens_a_new_page_for_each_claim(one: Person) -> None:
    for number in range(30):
        page = one.open()
        one.passed += 1
        one.post(page.given["beat"], page.session, 1, [[number * 10, number * 10 + 10]])


def collects_leases_and_claims_under_each(one: Person) -> None:
    leases = [one.lease() for _lease in range(20)]
    url = one.open().given["beat"]
    one.passed += 20
    for number, lease in enumerate(leases):
        one.post(url, lease, 1, [[number * 15, number * 15 + 15]])


def claims_under_a_lease_and_on_a_page_for_the_same_time(one: Person) -> None:
    lease, page = one.lease(), one.open()
    one.passed += 40
    one.post(page.given["beat"], lease, 1, [[0, 150]])
    one.post(page.given["beat"], page.session, 1, [[150, LENGTH_S]])


def claims_on_a_page_and_under_a_lease_for_the_same_time(one: Person) -> None:
    lease, page = one.lease(), one.open()
    one.passed += 40
    one.post(page.given["beat"], page.session, 1, [[0, 150]])
    one.post(page.given["beat"], lease, 1, [[150, LENGTH_S]])


DISHONEST = [
    claims_all_at_once,
    seeks_to_the_end,
    plays_four_times_as_fast,
    sends_the_same_report_for_an_hour,
    opens_many_tabs_at_once,
    opens_a_new_page_for_each_claim,
    collects_leases_and_claims_under_each,
    claims_under_a_lease_and_on_a_page_for_the_same_time,
    claims_on_a_page_and_under_a_lease_for_the_same_time,
]


@pytest.mark.parametrize("script", DISHONEST, ids=lambda script: script.__name__)
def test_whoever_does_not_watch_gets_no_more_than_the_clock_and_no_lecture(app, person, script):
    began = time.monotonic()
    script(person)
    passed = person.passed + time.monotonic() - began  # the real clock runs on under that of the script
    assert person.counted() <= 2 * passed + 8
    assert person.counted() < LENGTH_S * 0.9
    assert not db.session.scalars(select(LectureCompletion)).all()


def test_a_clock_that_is_turned_back_or_forward_earns_nothing(app, browser, cast, add_lecture):
    """The times are the server's; what a browser says of time has no place in a report."""
    one = Person(browser(cast.trainee), add_lecture(seconds=LENGTH_S))
    began = time.monotonic()
    player = one.open()
    with clock.travelled(timedelta(seconds=4)):
        answer = one.client.post(
            player.given["beat"],
            json={
                "session": player.session,
                "seq": 1,
                "intervals": [[0, LENGTH_S]],
                "position": 1,
                "at": 4_102_444_800,
                "opened": 0,
                "rate": 1000,
            },
            headers={"Date": "Fri, 01 Jan 2100 00:00:00 GMT"},
        )
    passed = 4 + time.monotonic() - began
    assert answer.json["watched_s"] <= 2 * passed + 4
    now = clock.now()  # roles and placements of the cast begin on today's day in Beijing: not back beyond it
    midnight = datetime.combine(clock.today(now), datetime.min.time(), clock.BEIJING)
    with clock.travelled(-min(timedelta(hours=5), now - midnight)):  # the clock was set right meanwhile
        again = one.client.post(
            player.given["beat"],
            json={"session": player.session, "seq": 2, "intervals": [[0, LENGTH_S]], "position": 1},
        )
    assert again.json["watched_s"] <= 2 * (passed + time.monotonic() - began) + 4


def test_forged_leases_count_for_nobody(app, browser, cast, person):
    lease = person.lease()
    nonce, opened, version, counted, mac = lease.split(".")
    url = person.open().given["beat"]
    others = Person(browser(cast.other_trainee), person.lecture).lease()
    for forged in (
        f"{nonce}.{int(opened) - 3_600_000}.{version}.{counted}.{mac}",
        f"{nonce}.{opened}.{version}.-100000.{mac}",
        f"aaaaaaaaaaaa.{opened}.{version}.{counted}.{mac}",
        f"{nonce}.{opened}.{version}.{counted}.{'0' * 32}",
        f"{nonce}.{opened}.{version}.{mac}",
        others,
    ):
        answer = person.client.post(
            url, json={"session": forged, "seq": 1, "intervals": [[0, 10]], "position": 1}
        )
        assert (answer.status_code, answer.json["code"]) == (422, "bad_session"), forged
    assert person.counted() == 0


def test_a_lease_is_for_two_weeks_of_watching_and_may_be_reported_later(app, person):
    """What the clock of the lease allowed stays; the time after its end earns nothing more."""
    from lms.courses import rules

    opened = clock.now()
    for days, expected in ((1, 2 * 86_400 + 4), (14, 28 * 86_400 + 4), (40, 28 * 86_400 + 4)):
        assert rules.lease_budget_s(
            opened_at=opened, counted_then_s=0, counted_now_s=0, at=opened + timedelta(days=days)
        ) == pytest.approx(expected)
    assert rules.lease_budget_s(opened_at=opened, counted_then_s=5, counted_now_s=50, at=opened) == 0


def test_only_those_who_learn_get_a_lease(browser, cast, person):
    for name, by in cast.everyone().items():
        answer = browser(by).post(f"/lectures/{person.lecture.public_id}/lease")
        assert answer.status_code == (200 if name in {"trainee", "other_trainee"} else 404), name
