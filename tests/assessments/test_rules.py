"""Order, deadline, judgement of operations, marks: the pure decisions."""

import hashlib
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments import rules
from lms.assessments.writer import Clock
from lms.core.errors import RuleBroken

SEED = hashlib.sha256(b"form-key|sitting:42").digest()
NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FIFTEEN = 15 * 60
DAY = NINE + timedelta(days=1)


def test_options_are_shuffled_as_the_reference_vector_says():
    assert rules.shuffled(list("ABCDE"), SEED) == list("ACEDB")


def test_questions_are_shuffled_as_the_reference_vector_says():
    expected = ["q5", "q8", "q6", "q10", "q1", "q4", "q2", "q3", "q9", "q7"]
    assert rules.shuffled([f"q{n}" for n in range(1, 11)], SEED) == expected


@given(
    st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=12),
    st.binary(min_size=32, max_size=32),
    st.randoms(),
)
def test_a_shuffle_is_a_permutation_that_depends_on_seed_and_ids_alone(ids, seed, random):
    mixed = ids[:]
    random.shuffle(mixed)
    assert sorted(rules.shuffled(ids, seed)) == sorted(ids)
    assert rules.shuffled(mixed, seed) == rules.shuffled(ids, seed)


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    st.binary(min_size=32, max_size=32),
    st.data(),
)
def test_options_that_are_fixed_stay_in_their_place(ids, seed, data):
    fixed = data.draw(st.sets(st.sampled_from(ids)))
    mixed = rules.shuffled(ids, seed, fixed=fixed)
    assert sorted(mixed) == sorted(ids)
    assert all(mixed[ids.index(name)] == name for name in fixed)


def test_all_orders_of_four_options_come_up_equally_often():
    counts: dict[tuple[str, ...], int] = {}
    for n in range(4800):
        order = tuple(rules.shuffled(list("abcd"), n.to_bytes(32, "big")))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert min(counts.values()) > 140
    assert max(counts.values()) < 260


def test_equal_option_ids_are_ordered_differently_from_question_to_question():
    orders = {tuple(rules.shuffled(list("abcde"), rules.sub_seed(SEED, f"slot:{n}"))) for n in range(10)}
    assert len(orders) > 6


def ends(*extensions_ms, duration_s=FIFTEEN, closes_at=DAY):
    ticks = [Clock("start", NINE, 0), *(Clock("extend", NINE, ms) for ms in extensions_ms)]
    return rules.deadline(ticks, duration_s=duration_s, closes_at=closes_at, at=NINE)


def test_the_deadline_is_the_start_and_the_duration():
    assert ends() == NINE + timedelta(minutes=15)


def test_a_late_start_ends_when_the_window_closes():
    assert ends(closes_at=NINE + timedelta(minutes=4)) == NINE + timedelta(minutes=4)


def test_an_extension_is_not_eaten_up_by_the_window():
    assert ends(600_000, closes_at=NINE + timedelta(minutes=4)) == NINE + timedelta(minutes=14)


@given(
    st.lists(st.integers(0, 4 * 3600 * 1000), max_size=6),
    st.integers(0, 4 * 3600 * 1000),
    st.integers(1, 200_000),
)
def test_more_time_never_brings_the_deadline_nearer(extensions, more, window_s):
    closes = NINE + timedelta(seconds=window_s)
    assert ends(*extensions, more, closes_at=closes) == ends(*extensions, closes_at=closes) + timedelta(
        milliseconds=more
    )


def test_a_clock_without_a_start_has_no_deadline():
    with pytest.raises(ValueError):
        rules.deadline([], duration_s=FIFTEEN, closes_at=DAY, at=NINE)


TICKS = st.lists(st.sampled_from(["pause", "resume", "extend"]), max_size=8)


@given(TICKS, st.integers(0, 3_600), st.integers(0, 3_600))
def test_a_pause_never_costs_time_and_a_standing_clock_keeps_what_is_left(kinds, gap_s, later_s):
    ticks, at = [Clock("start", NINE, 0)], NINE
    for kind in kinds:
        at += timedelta(seconds=gap_s)
        before = rules.reckon(ticks, duration_s=FIFTEEN, closes_at=DAY, at=at)
        ticks.append(Clock(kind, at, 60_000 if kind == "extend" else 0))
        after = rules.reckon(ticks, duration_s=FIFTEEN, closes_at=DAY, at=at)
        assert after.ends_at - before.ends_at == timedelta(minutes=kind == "extend")
    now = rules.reckon(ticks, duration_s=FIFTEEN, closes_at=DAY, at=at)
    then = rules.reckon(ticks, duration_s=FIFTEEN, closes_at=DAY, at=at + timedelta(seconds=later_s))
    moved = timedelta(seconds=later_s if now.paused_since else 0)
    assert then.ends_at == now.ends_at + moved
    assert then.ordinary_end == NINE + timedelta(minutes=15)
    assert then.ends_at == then.ordinary_end + sum(then.given, timedelta(0)) + then.paused


BODY = {"stem": {"zh": "题"}, "options": [{"id": one, "zh": one} for one in "abcde"]}
CASE = {"stem": {"zh": "病例"}, "asks": [BODY, BODY, BODY]}
PAPER = rules.paper_of(
    [
        {"slot": 1, "version": 1},
        {"slot": 2, "version": 1},
        *({"slot": 3 + n, "version": 2, "ask": n} for n in range(3)),
    ],
    {1: ("A1", BODY), 2: ("A4", CASE)},
)


A = {"choice": "a"}


def judged(at, *, body=None, slot=1, state="in_progress", epoch=1, current_epoch=1, locked=frozenset()):
    op = rules.read_op({"device": "d1", "seq": 1, "slot": slot, "body": body or {"choice": "a"}})
    assert op is not None
    return rules.decide(
        op,
        state=state,
        epoch=epoch,
        current_epoch=current_epoch,
        ends_at=ends(),
        at=at,
        paper=PAPER,
        locked=locked,
    )


def test_an_answer_just_before_the_deadline_counts():
    assert judged(ends() - timedelta(microseconds=1)) == rules.Decision(applied=True, body=A)


def test_an_answer_at_the_deadline_itself_lives_on_the_grace_and_says_so():
    assert judged(ends()) == rules.Decision(applied=True, late_ms=1, body=A)


def test_an_answer_within_the_grace_counts_and_keeps_how_late_it_was():
    assert judged(ends() + timedelta(milliseconds=14_999)) == rules.Decision(
        applied=True, late_ms=14_999, body=A
    )


def test_an_answer_at_the_end_of_the_grace_is_late():
    assert judged(ends() + rules.GRACE) == rules.Decision(applied=False, reason="late", late_ms=15_000)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"state": "submitted"}, "submitted"),
        ({"state": "auto_submitted"}, "late"),
        ({"epoch": 1, "current_epoch": 2}, "stale_epoch"),
        ({"epoch": 3, "current_epoch": 2}, "stale_epoch"),
        ({"slot": 9}, "unknown_slot"),
        ({"body": {"choice": "z"}}, "malformed"),
        ({"body": {"choice": 1}}, "malformed"),
        ({"body": {"choice": "a", "more": 1}}, "malformed"),
    ],
)
def test_what_does_not_count_says_why(more, reason):
    assert judged(NINE, **more) == rules.Decision(applied=False, reason=reason)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        7,
        {},
        {"device": "d"},
        {"device": "d", "seq": 0},
        {"device": "d", "seq": True},
        {"device": "d", "seq": 1.5},
        {"device": "", "seq": 1},
        {"device": "a b", "seq": 1},
        {"device": "d" * 65, "seq": 1},
        {"device": "d", "seq": 2**31},
        {"device": "form", "seq": 1},
    ],
)
def test_an_operation_that_cannot_be_numbered_is_none(raw):
    assert rules.read_op(raw) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_client_sends_is_read_or_refused_and_never_breaks(raw):
    rules.read_op({"device": "d", "seq": 1, "slot": raw, "body": raw, "mono_ms": raw})
    rules.read_op(raw)


def test_the_window_is_half_open():
    assert [
        rules.window(NINE, DAY, at)
        for at in (NINE - timedelta(microseconds=1), NINE, DAY - timedelta(microseconds=1), DAY)
    ] == ["before", "open", "open", "after"]


def require(**more):
    terms = {"opens_at": NINE, "closes_at": DAY, "at": NINE, "used": 0, "allowed": 2, "passed": False} | more
    rules.require_start(**terms)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"at": NINE - timedelta(seconds=1)}, "not_open_yet"),
        ({"at": DAY}, "closed"),
        ({"passed": True}, "already_passed"),
        ({"used": 2}, "no_attempts_left"),
    ],
)
def test_an_attempt_that_may_not_begin_says_why(app, more, code):
    with pytest.raises(RuleBroken) as refusal:
        require(**more)
    assert refusal.value.code == code


def test_an_attempt_may_begin_while_the_window_is_open_and_attempts_are_left():
    require(used=1)


@pytest.mark.parametrize(
    ("released", "passed", "attempts_left", "closed", "seen"),
    [
        (True, True, 1, False, True),
        (True, False, 0, False, True),
        (True, False, 1, True, True),
        (True, False, 1, False, False),
        (False, True, 0, True, False),
    ],
)
def test_right_answers_are_shown_only_when_nothing_can_be_gained_with_them(
    released, passed, attempts_left, closed, seen
):
    assert (
        rules.may_see_keys(released=released, passed=passed, attempts_left=attempts_left, closed=closed)
        is seen
    )


def test_one_best_answer_gets_all_marks_and_every_other_none():
    key = {"right": "c"}
    assert [
        rules.mark(rules.Ask(None, "choice", {}, key), response, 1)
        for response in ({"choice": "c"}, {"choice": "a"}, {"choice": None}, {}, None)
    ] == [1, 0, 0, 0, 0]


def test_the_cut_is_compared_exactly():
    assert rules.decision(Fraction(7), Fraction(10), 70) == "pass"
    assert rules.decision(Fraction(6997, 1000), Fraction(10), 70) == "fail"


@given(st.fractions(0, 100, max_denominator=10_000), st.integers(1, 100))
def test_a_failing_result_never_looks_like_the_cut_score(value, cut):
    if value < cut:
        assert Fraction(rules.shown(value)) < cut


def test_numbers_are_shown_with_at_most_one_decimal():
    assert [rules.shown(Fraction(n, d)) for n, d in ((200, 3), (70, 1), (5997, 100), (1, 100))] == [
        "66.6",
        "70",
        "59.9",
        "0",
    ]


@pytest.mark.parametrize(
    ("moves", "name", "state"),
    [
        (rules.SITTING_MOVES, "submit", "submitted"),
        (rules.SITTING_MOVES, "extend", "auto_submitted"),
        (rules.TEST_MOVES, "publish", "published"),
    ],
)
def test_a_move_from_the_wrong_state_is_refused(app, moves, name, state):
    with pytest.raises(RuleBroken) as refusal:
        rules.move(moves, name, state)
    assert refusal.value.code == "wrong_state"


def test_a_later_ask_of_a_serial_case_counts_only_after_the_one_before_is_locked():
    assert judged(NINE, slot=4).reason == "not_shown"
    assert judged(NINE, slot=4, locked={3}).applied
    assert judged(NINE, slot=5, locked={3}).reason == "not_shown"


def test_what_is_locked_stays_as_it_is():
    assert judged(NINE, slot=3, locked={3}).reason == "locked"
    assert judged(NINE, slot=3, body={"lock": True}, locked={3}).reason == "locked"
    assert judged(NINE, slot=3, body={"lock": True}).applied
    assert judged(NINE, slot=3, body={"flag": True}, locked={3}).applied


def test_only_steps_of_a_serial_case_can_be_locked():
    assert judged(NINE, slot=1, body={"lock": True}).reason == "unknown_slot"


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "x" * 70_000])
def test_what_no_database_keeps_is_malformed_and_leaves_nothing_behind(text):
    op = rules.read_op({"device": "d1", "seq": 1, "slot": 1, "body": {"text": text}})
    assert (op.kind, op.body) == ("malformed", {})


@pytest.mark.parametrize("text", ["😀", "a\\u0000b", "第一步：复苏"])
def test_what_looks_odd_and_is_sound_is_an_answer(text):
    assert rules.read_op({"device": "d1", "seq": 1, "slot": 1, "body": {"text": text}}).kind == "answer"


def test_an_answer_nested_without_end_is_malformed():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert rules.read_op({"device": "d1", "seq": 1, "slot": 1, "body": {"choices": deep}}).kind == "malformed"
    while deep:
        deep = deep[0]
