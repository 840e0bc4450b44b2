"""Watch evidence: the laws it obeys, and what honest and dishonest viewers get."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core.errors import RuleBroken
from lms.courses import rules
from lms.courses.rules import LectureState, VideoState

LENGTH = 1800
BOUNDLESS = 1e9

moments = st.floats(0, LENGTH + 20, allow_nan=False)
spans = st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))
reports = st.lists(spans, max_size=12)
bitmaps = reports.map(lambda one: rules.credit(b"", one, duration_s=LENGTH, wall_budget_s=BOUNDLESS)[0])


# ---- laws ---------------------------------------------------------------------------------------------------------


@given(bitmaps, reports, st.floats(0, 5000))
def test_evidence_never_shrinks_and_what_is_credited_is_what_was_added(
    bitmap: bytes, report: list[tuple[float, float]], budget: float
) -> None:
    after, credited = rules.credit(bitmap, report, duration_s=LENGTH, wall_budget_s=budget)
    assert int.from_bytes(after, "little") & int.from_bytes(bitmap, "little") == int.from_bytes(
        bitmap, "little"
    )
    assert rules.watched_seconds(after) - rules.watched_seconds(bitmap) == credited


@given(bitmaps, reports, st.floats(-10, 5000))
def test_no_report_is_credited_above_its_budget(
    bitmap: bytes, report: list[tuple[float, float]], budget: float
) -> None:
    _, credited = rules.credit(bitmap, report, duration_s=LENGTH, wall_budget_s=budget)
    assert credited <= max(0, budget)


@given(bitmaps, reports)
def test_the_same_report_twice_counts_once(bitmap: bytes, report: list[tuple[float, float]]) -> None:
    once, _ = rules.credit(bitmap, report, duration_s=LENGTH, wall_budget_s=BOUNDLESS)
    assert rules.credit(once, report, duration_s=LENGTH, wall_budget_s=BOUNDLESS) == (once, 0)


@given(
    bitmaps, reports.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))), st.floats(0, 5000)
)
def test_the_order_of_intervals_does_not_matter(
    bitmap: bytes, orders: tuple[list[tuple[float, float]], list[tuple[float, float]]], budget: float
) -> None:
    first, second = (rules.credit(bitmap, one, duration_s=LENGTH, wall_budget_s=budget) for one in orders)
    assert first == second


@given(reports, reports)
def test_two_reports_in_either_order_are_their_union(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> None:
    def both(*parts: list[tuple[float, float]]) -> bytes:
        bitmap = b""
        for part in parts:
            bitmap, _ = rules.credit(bitmap, part, duration_s=LENGTH, wall_budget_s=BOUNDLESS)
        return bitmap

    assert both(one, other) == both(other, one) == both(one + other)


@given(bitmaps)
def test_spans_tell_the_same_as_the_bitmap(bitmap: bytes) -> None:
    found = rules.watched_spans(bitmap)
    assert sum(end - start for start, end in found) == rules.watched_seconds(bitmap)
    rebuilt, _ = rules.credit(b"", found, duration_s=LENGTH, wall_budget_s=BOUNDLESS)
    assert rules.watched_seconds(bitmap) == 0 or rebuilt == bitmap
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(found))


@given(bitmaps)
def test_the_share_is_exact_and_the_percent_never_promises_more(bitmap: bytes) -> None:
    share = rules.covered_share(bitmap, duration_s=LENGTH)
    assert share == Fraction(rules.watched_seconds(bitmap), LENGTH)
    assert Fraction(rules.shown_percent(share), 100) <= share


def test_a_report_cut_into_pieces_of_any_length_loses_nothing() -> None:
    for step in (0.25, 0.4, 1.0, 3.7, 14.99):
        bitmap, at = b"", 0.0
        while at < 300:
            bitmap, _ = rules.credit(bitmap, [(at, at + step)], duration_s=300, wall_budget_s=BOUNDLESS)
            at += step
        assert rules.watched_seconds(bitmap) == 300


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        "[[0,1]]",
        [[0]],
        [[0, 1, 2]],
        [["0", "1"]],
        [[True, False]],
        [[5, 4]],
        [[-1, 4]],
        [[0, float("nan")]],
        [[0, float("inf")]],
        [[0, 1e300]],
        [5],
        [[0, 1]] * 501,
    ],
)
def test_what_nobody_can_have_played_is_refused(bad: object) -> None:
    with pytest.raises(RuleBroken) as refusal:
        rules.intervals_from(bad)
    assert refusal.value.code == "bad_intervals"


def test_the_budget_keeps_the_earliest_seconds() -> None:
    bitmap, credited = rules.credit(b"", [(10, 100)], duration_s=LENGTH, wall_budget_s=5.9)
    assert (credited, rules.watched_spans(bitmap)) == (5, [(10, 15)])


def test_a_bitmap_of_a_longer_version_does_not_count_beyond_the_end() -> None:
    longer, _ = rules.credit(b"", [(0, 90)], duration_s=90, wall_budget_s=BOUNDLESS)
    assert rules.covered_share(longer, duration_s=60) == 1


def test_complete_is_nine_tenths_exactly() -> None:
    for watched, complete in ((26, False), (27, True), (30, True)):
        bitmap, _ = rules.credit(b"", [(0, watched)], duration_s=30, wall_budget_s=BOUNDLESS)
        assert rules.is_complete(rules.covered_share(bitmap, duration_s=30)) is complete


@pytest.mark.parametrize(
    ("stopped_at", "goes_on_at"),
    [(0, 0), (9, 0), (10, 7), (600.7, 597), (1790, 1787), (1791, 0), (5000, 0), (float("nan"), 0)],
)
def test_one_goes_on_three_seconds_before_one_stopped(stopped_at: float, goes_on_at: int) -> None:
    assert rules.resume_position_s(stopped_at, duration_s=LENGTH) == goes_on_at


# ---- viewers ------------------------------------------------------------------------------------------------------


@dataclass
class Viewer:
    """One person with a clock of their own, as the server sees them through reports."""

    length: int = LENGTH
    now: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    bitmap: bytes = b""
    purse: rules.Purse | None = None
    sessions: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def opens(self, name: str) -> None:
        self.purse = rules.open_purse(self.purse, at=self.now)
        self.sessions[name] = (self.now, 0)

    def waits(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def reports(self, name: str, *intervals: tuple[float, float]) -> int:
        assert self.purse
        opened, before = self.sessions[name]
        purse = rules.fill_purse(self.purse, at=self.now)
        budget = rules.wall_budget_s(purse, session_opened_at=opened, session_credited_s=before, at=self.now)
        self.bitmap, credited = rules.credit(
            self.bitmap, intervals, duration_s=self.length, wall_budget_s=budget
        )
        self.purse = rules.spend(purse, credited)
        self.sessions[name] = (opened, before + credited)
        return credited

    def plays(self, name: str, start: float, end: float, *, rate: float = 1.0) -> None:
        """Watch from ``start`` to ``end`` with a report every 15 seconds."""
        at = start
        while at < end:
            to = min(end, at + 15 * rate)
            self.waits((to - at) / rate)
            self.reports(name, (at, to))
            at = to

    @property
    def watched(self) -> int:
        return rules.watched_seconds(self.bitmap)

    @property
    def complete(self) -> bool:
        return rules.is_complete(rules.covered_share(self.bitmap, duration_s=self.length))


@pytest.fixture(params=[30, 60, LENGTH])
def viewer(request: pytest.FixtureRequest) -> Viewer:
    viewer = Viewer(length=request.param)
    viewer.opens("tab")
    return viewer


@pytest.mark.parametrize("rate", [0.5, 1.0, 1.25, 1.5, 2.0])
def test_whoever_watches_at_any_offered_speed_gets_every_second(viewer: Viewer, rate: float) -> None:
    viewer.plays("tab", 0, viewer.length, rate=rate)
    assert viewer.watched == viewer.length


def test_pauses_and_seeks_back_cost_nothing(viewer: Viewer) -> None:
    viewer.plays("tab", 0, viewer.length / 2)
    viewer.waits(400)
    viewer.plays("tab", viewer.length / 3, viewer.length * 0.75, rate=2)
    viewer.plays("tab", viewer.length * 0.75, viewer.length)
    assert viewer.watched == viewer.length


def test_lost_reports_are_made_good_by_the_next_one(viewer: Viewer) -> None:
    viewer.waits(viewer.length / 2)
    assert viewer.reports("tab", (0, viewer.length)) == viewer.length


def test_a_report_of_everything_so_far_heals_what_was_cut_before(viewer: Viewer) -> None:
    viewer.waits(1)
    cut = viewer.reports("tab", (0, 20))
    assert cut == 6
    viewer.waits(9)
    viewer.reports("tab", (0, 20))
    assert viewer.watched == 20


def test_a_reload_keeps_evidence_that_was_still_waiting(viewer: Viewer) -> None:
    viewer.waits(viewer.length)
    viewer.opens("reloaded")
    viewer.waits(2)
    viewer.reports("reloaded", (0, 2))
    viewer.reports("tab", (0, viewer.length))
    assert viewer.watched == viewer.length


def test_two_devices_in_turn_make_one_whole(viewer: Viewer) -> None:
    half = viewer.length // 2
    viewer.plays("tab", 0, half, rate=2)
    viewer.waits(5000)
    viewer.opens("phone")
    viewer.plays("phone", half, viewer.length, rate=2)
    assert viewer.watched == viewer.length


def test_coming_back_the_next_day_goes_on_where_it_was(viewer: Viewer) -> None:
    viewer.plays("tab", 0, 10)
    viewer.waits(86400)
    viewer.opens("next day")
    viewer.plays("next day", 10, viewer.length)
    assert viewer.watched == viewer.length


def test_claiming_all_after_five_seconds_gives_what_five_seconds_hold(viewer: Viewer) -> None:
    viewer.waits(5)
    assert viewer.reports("tab", (0, viewer.length)) == 14
    assert not viewer.complete


def test_claiming_all_at_once_gives_only_the_slack(viewer: Viewer) -> None:
    assert viewer.reports("tab", (0, viewer.length)) == 4


def test_seeking_to_the_end_gives_only_what_was_played(viewer: Viewer) -> None:
    viewer.waits(8)
    viewer.reports("tab", (0, 3), (viewer.length - 5, viewer.length))
    assert viewer.watched == 8
    assert not viewer.complete


def test_four_times_the_speed_leaves_holes() -> None:
    viewer = Viewer()
    viewer.opens("tab")
    viewer.plays("tab", 0, LENGTH, rate=4)
    assert viewer.watched <= LENGTH / 2 + rules.SLACK_S
    assert not viewer.complete


def test_replayed_reports_add_nothing(viewer: Viewer) -> None:
    viewer.waits(10)
    viewer.reports("tab", (0, 10))
    assert [viewer.reports("tab", (0, 10)) for _ in range(50)] == [0] * 50


def test_parallel_tabs_share_one_clock() -> None:
    viewer = Viewer()
    tabs = [f"tab {n}" for n in range(6)]
    for tab in tabs:
        viewer.opens(tab)
    for n in range(20):
        viewer.waits(15)
        for k, tab in enumerate(tabs):
            viewer.reports(tab, (k * 300 + n * 15, k * 300 + n * 15 + 15))
    assert viewer.watched <= rules.MAX_RATE * 300 + rules.SLACK_S


def test_a_night_away_buys_nothing() -> None:
    viewer = Viewer()
    viewer.opens("evening")
    viewer.waits(12 * 3600)
    viewer.opens("morning")
    assert viewer.reports("morning", (0, LENGTH)) == rules.SLACK_S


def test_fresh_tabs_do_not_make_fresh_time() -> None:
    viewer = Viewer()
    for n in range(60):
        viewer.opens(f"tab {n}")
        viewer.waits(1)
        viewer.reports(f"tab {n}", (0, LENGTH))
    assert viewer.watched <= rules.MAX_RATE * 60 + rules.SLACK_S


def test_a_server_clock_that_goes_back_fills_no_purse(viewer: Viewer) -> None:
    assert viewer.purse
    before = viewer.purse.seconds
    assert rules.fill_purse(viewer.purse, at=viewer.now - timedelta(hours=3)).seconds == before


@given(st.lists(st.tuples(st.floats(0, 600), st.integers(0, 2), reports), max_size=15))
def test_nobody_gets_more_than_twice_the_clock_whatever_they_send(
    acts: list[tuple[float, int, list[tuple[float, float]]]],
) -> None:
    viewer = Viewer()
    began = viewer.now
    for tab in range(3):
        viewer.opens(f"tab {tab}")
    for wait, tab, report in acts:
        viewer.waits(wait)
        viewer.reports(f"tab {tab}", *report)
        assert viewer.watched <= 2 * (viewer.now - began).total_seconds() + rules.SLACK_S


# ---- states -------------------------------------------------------------------------------------------------------


def test_a_video_goes_from_upload_to_ready_and_a_failed_one_may_try_again() -> None:
    state = VideoState.UPLOADED
    for name in ("start", "put_back", "start", "fail", "try_again", "start", "finish"):
        state = rules.move(rules.VIDEO_MOVES, name, state)
    assert state is VideoState.READY
    assert rules.possible(rules.VIDEO_MOVES, VideoState.READY) == []


def test_a_ready_video_cannot_fail_any_more() -> None:
    with pytest.raises(RuleBroken) as refusal:
        rules.move(rules.VIDEO_MOVES, "fail", VideoState.READY)
    assert refusal.value.code == "wrong_state"


def test_a_lecture_is_published_and_withdrawn() -> None:
    assert rules.move(rules.LECTURE_MOVES, "publish", LectureState.DRAFT) is LectureState.PUBLISHED
    assert rules.possible(rules.LECTURE_MOVES, LectureState.PUBLISHED) == ["withdraw"]
