"""What votes lead to, and which entrustment is in force."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core.errors import RuleBroken
from lms.logbooks.rules import committee as rules
from lms.logbooks.rules.committee import Ballot, Held

DAY = date(2026, 3, 2)

ballots = st.lists(
    st.one_of(
        st.integers(1, 5).map(lambda level: Ballot("approve", level)),
        st.sampled_from([Ballot("defer"), Ballot("abstain")]),
    ),
    max_size=9,
)


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ((3, 3, 3), 3),
        ((2, 3, 4), 3),
        ((5, 5, 2), 5),
        ((5, 2, 2), 2),
        ((3, 3, 0), 3),
        ((3, 0, 0), None),
        ((3, 3, 0, 0), None),
        ((3, 3), None),
    ],
)
def test_the_level_is_the_highest_that_more_than_half_would_grant(levels, level):
    given_ = [Ballot("approve", one) if one else Ballot("defer") for one in levels]
    assert rules.outcome(given_, quorum=3).level == level


@given(ballots)
def test_below_the_quorum_nothing_is_approved_and_abstentions_do_not_help(votes):
    found = rules.outcome(votes, quorum=3)
    cast = [one for one in votes if one.choice != "abstain"]
    assert found.cast == len(cast)
    assert found.quorate == (len(cast) >= 3)
    assert found.quorate or found.level is None
    assert found == rules.outcome(cast, quorum=3)


@given(ballots)
def test_one_more_vote_to_defer_never_raises_the_level(votes):
    before = rules.outcome(votes, quorum=3)
    after = rules.outcome([*votes, Ballot("defer")], quorum=3)
    if before.quorate:
        assert (after.level or 0) <= (before.level or 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.one_of(st.none(), st.integers(1, 183)), st.booleans()), min_size=1
    ),
    st.integers(0, 800),
)
def test_at_most_one_record_is_in_force(rows, today):
    held = [
        Held(
            number,
            DAY + timedelta(days=start),
            DAY + timedelta(days=start + lasts) if lasts else None,
            revoked,
        )
        for number, (start, lasts, revoked) in enumerate(rows, start=1)
    ]
    found = [rules.standing(held, one.number, today=DAY + timedelta(days=today)) for one in held]
    assert found.count("in_force") <= 1
    assert all(one == "superseded" for one in found[:-1])


def test_a_critical_item_expires_after_183_days_and_others_do_not():
    assert rules.expires_on(DAY, critical=True) == DAY + timedelta(days=183)
    assert rules.expires_on(DAY, critical=False) is None
    held = [Held(1, DAY, DAY + timedelta(days=183))]
    assert rules.standing(held, 1, today=DAY + timedelta(days=182)) == "in_force"
    assert rules.standing(held, 1, today=DAY + timedelta(days=183)) == "expired"


def test_an_appeal_comes_within_14_days():
    rules.require_in_time(DAY, today=DAY + timedelta(days=14))
    with pytest.raises(RuleBroken) as refused:
        rules.require_in_time(DAY, today=DAY + timedelta(days=15))
    assert refused.value.code == "appeal_late"


@pytest.mark.parametrize(
    ("choice", "level", "words", "code"),
    [
        ("approve", None, "", "level"),
        ("approve", 6, "", "level"),
        ("defer", None, "", "reason_missing"),
        ("no", 3, "x", "vote"),
    ],
)
def test_a_vote_says_what_it_must(choice, level, words, code):
    with pytest.raises(RuleBroken) as refused:
        rules.require_ballot(choice, level, words)
    assert refused.value.code == code
