"""Cut scores: worked out by hand, and by their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lms.assessments.psychometrics.standards import (
    angoff,
    borderline_regression,
    cohen,
    ebel,
    fixed,
    hofstee,
)
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word, lsat6

RATINGS = [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5]
SCORES = [8, 10, 11, 12, 13, 14, 15, 16, 18, 19, 21, 22]

# ---------------------------------------------------------------- Hofstee


def test_hofstee_on_lsat_6_by_hand():
    """Totals of LSAT-6, cuts 2 to 4, fail rates 2 to 30 %: between 3 and 4 the curve rises from .121 to .358 …"""
    found = hofstee(lsat6().sum(axis=1), kmin=2, kmax=4, fmin=0.02, fmax=0.30)
    assert found.cut == pytest.approx(3.137931034, abs=1e-9)
    assert found.fail_rate == pytest.approx(0.140689655, abs=1e-9)
    assert found.n == 1000


def test_hofstee_without_an_intersection_says_so_and_where_the_curve_lies():
    over = hofstee([1, 2, 3, 4], kmin=3, kmax=4, fmin=0.0, fmax=0.2)
    assert (over.cut, over.why["cut"]) == (None, Reason.NO_INTERSECTION)
    assert over.at_lowest == 0.5
    under = hofstee([8, 9, 10], kmin=2, kmax=4, fmin=0.1, fmax=0.3)
    assert (under.why["cut"], under.at_highest) == (Reason.NO_INTERSECTION, 0.0)


def test_hofstee_refuses_limits_out_of_order():
    for terms in (
        {"kmin": 4, "kmax": 2, "fmin": 0, "fmax": 1},
        {"kmin": 2, "kmax": 4, "fmin": 0.5, "fmax": 0.1},
    ):
        with pytest.raises(ValueError):
            hofstee([1, 2, 3], **terms)


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(0, 10), st.integers(1, 10), st.floats(0, 0.5))
def test_a_cut_of_hofstee_lies_on_the_line_of_the_judges(totals, kmin, width, fmin):
    kmax, fmax = kmin + width, fmin + 0.4
    found = hofstee(totals, kmin=kmin, kmax=kmax, fmin=fmin, fmax=fmax)
    keeps_its_word(found)
    if found.cut is not None:
        line = fmax + (fmin - fmax) * (found.cut - kmin) / (kmax - kmin)
        assert found.fail_rate == pytest.approx(line, abs=1e-9)
        assert kmin <= found.cut <= kmax


# ---------------------------------------------------------------- borderline regression


def test_borderline_regression_by_hand():
    found = borderline_regression(RATINGS, SCORES, borderline=2)
    assert found.slope == pytest.approx(3.15139, abs=1e-5)
    assert found.intercept == pytest.approx(5.7251, abs=1e-4)
    assert found.r_squared == pytest.approx(0.966558, abs=1e-6)
    assert found.cut == pytest.approx(12.0279, abs=1e-4)


def test_borderline_regression_agrees_with_scipy():
    found, line = borderline_regression(RATINGS, SCORES, borderline=2), stats.linregress(RATINGS, SCORES)
    residuals = np.subtract(SCORES, line.intercept + line.slope * np.array(RATINGS))
    assert found.rmse == pytest.approx(np.sqrt(np.mean(residuals**2)))
    spread = np.sqrt((residuals @ residuals) / 10)
    off = 2 - np.mean(RATINGS)
    expected = spread * np.sqrt(1 / 12 + off**2 / (12 * np.var(RATINGS)))
    assert (found.residual_se, found.cut_se) == pytest.approx((spread, expected))
    assert [(group.n, group.mean) for group in found.groups][:2] == [(2, 9), (3, 12)]


def test_equal_ratings_give_no_line():
    found = borderline_regression([2, 2], [5, 9], borderline=2)
    assert (found.cut, found.why["cut"]) == (None, Reason.CONSTANT_RATINGS)
    assert borderline_regression([1, 2], [3, 5], borderline=2).why["cut_se"] is Reason.FEWER_THAN_3
    with pytest.raises(ValueError):
        borderline_regression([1], [1, 2], borderline=2)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), max_size=15))
def test_whatever_the_ratings_nothing_is_nan_and_every_gap_has_its_reason(pairs):
    keeps_its_word(borderline_regression([x for x, _y in pairs], [y for _x, y in pairs], borderline=2))


# ---------------------------------------------------------------- judges


def test_angoff_by_hand():
    """Three judges, three items of 1, 1 and 2 marks: cuts 2.0, 2.4 and 2.2."""
    found = angoff([[0.4, 0.6, 0.5], [0.6, 0.8, 0.5], [0.5, 0.5, 0.6]], maxima=[1, 1, 2])
    assert [judge.cut for judge in found.judges] == pytest.approx([2.0, 2.4, 2.2])
    assert (found.cut, found.sd, found.se) == pytest.approx((2.2, 0.2, 0.2 / 3**0.5))
    assert found.item_means == pytest.approx((0.5, 1.9 / 3, 1.6 / 3))
    assert found.why["change"] is Reason.FIRST_ROUND_ONLY


def test_a_second_round_counts_and_says_what_it_changed():
    found = angoff([[0.2, 0.4], [0.8, 0.6]], [[0.5, 0.5], [0.6, 0.6]])
    assert (found.first_cut, found.cut, found.change) == pytest.approx((1.0, 1.1, 0.1))
    assert found.sd < found.first_sd
    assert [judge.change for judge in found.judges] == pytest.approx([0.4, -0.2])


def test_a_judge_is_consistent_with_what_the_items_turned_out_to_be():
    found = angoff([[0.3, 0.6, 0.9], [0.9, 0.6, 0.3]], facility=[0.4, 0.6, 0.8])
    assert [judge.consistency for judge in found.judges] == pytest.approx([1, -1])


def test_missing_ratings_give_no_cut():
    assert set(angoff([[0.5, None]]).why.values()) == {Reason.RATINGS_INCOMPLETE}
    assert angoff([]).why["cut"] is Reason.NO_JUDGES
    assert angoff([[0.5]]).why["se"] is Reason.ONE_JUDGE
    keeps_its_word(angoff([[0.5, None]]))


def test_ebel_by_hand():
    """Nine cells of 10, 5, 0 … marks; what is empty needs no share."""
    cells = [[10, 5, 0], [20, 10, 5], [5, 0, 0]]
    expected = [[0.9, 0.8, None], [0.7, 0.6, 0.5], [0.5, None, None]]
    found = ebel(cells, expected)
    assert found.cut == pytest.approx(9 + 4 + 14 + 6 + 2.5 + 2.5)
    assert found.why["se"] is Reason.ONE_JUDGE


def test_judges_of_ebel_are_averaged():
    found = ebel([[10]], [[[0.5]], [[0.7]]])
    assert (found.cut, found.sd, found.se) == pytest.approx((6, 2**0.5, 1))
    assert ebel([[10]], [[None]]).why["cut"] is Reason.RATINGS_INCOMPLETE
    assert ebel([[10]], []).why["cut"] is Reason.NO_JUDGES


# ---------------------------------------------------------------- relative and fixed


def test_cohen_is_a_share_of_the_95th_percentile():
    assert cohen(range(101)).cut == pytest.approx(0.6 * 95)
    assert cohen(range(101), guess=20).cut == pytest.approx(20 + 0.6 * 75)
    assert cohen([]).why["cut"] is Reason.NOBODY


def test_a_fixed_cut_rests_on_nobody():
    found = fixed(80, share=0.6)
    assert (found.n, found.cut) == (0, pytest.approx(48))
