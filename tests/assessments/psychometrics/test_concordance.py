"""Script concordance: what a panel's answers are worth, and its scale."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.psychometrics.concordance import aggregate_shares, panel_scale, panel_totals
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word

ANSWERS = ("-2", "-1", "0", "1", "2")


def test_a_panel_of_fifteen_gives_the_shares_worked_out_by_hand():
    """Counts 1, 2, 7, 3, 2: each divided by the commonest."""
    found = aggregate_shares(dict(zip(ANSWERS, (1, 2, 7, 3, 2), strict=True)))
    assert list(map(float, found.values())) == pytest.approx(
        [0.142857, 0.285714, 1, 0.428571, 0.285714], abs=1e-6
    )


def test_an_empty_panel_gives_no_key():
    with pytest.raises(ValueError):
        aggregate_shares({"a": 0})


def test_an_expert_is_judged_by_the_others_alone():
    """Three say 0 and one says 1: the one earns nothing, for nobody else said so; each of the three earns all."""
    assert panel_totals([["0"], ["0"], ["0"], ["1"]]) == (1, 1, 1, 0)
    assert panel_totals([["0"], ["1"], [None]]) == (0, 0, 0)


def test_the_panel_itself_has_mean_80_and_standard_deviation_5_on_the_scale():
    totals = [Fraction(71), Fraction(74), Fraction(80), Fraction(68)]
    scale = panel_scale(totals)
    told = [scale.told(float(total)) for total in totals]
    assert sum(told) / 4 == pytest.approx(80)
    assert (sum((one - 80) ** 2 for one in told) / 3) ** 0.5 == pytest.approx(5)
    assert scale.is_small
    assert not panel_scale(range(10)).is_small


def test_a_panel_that_agrees_in_everything_gives_no_scale():
    found = panel_scale([5, 5, 5])
    assert (found.told(5), found.why["sd"]) == (None, Reason.CONSTANT_TOTAL)
    assert panel_scale([5]).why["sd"] is Reason.ONE_JUDGE
    assert panel_scale([]).why["mean"] is Reason.NO_JUDGES


@given(st.lists(st.lists(st.sampled_from([*ANSWERS, None]), min_size=3, max_size=3), max_size=8))
def test_an_expert_earns_between_nothing_and_one_for_each_question(answers):
    found = panel_totals(answers)
    assert all(0 <= total <= 3 for total in found)
    keeps_its_word(panel_scale(found))
