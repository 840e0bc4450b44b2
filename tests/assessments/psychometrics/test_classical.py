"""Classical statistics: against published numbers, and by their laws."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from lms.assessments.psychometrics.classical import classical, extreme_groups, group_size, totals
from lms.assessments.psychometrics.terms import DEFINITIONS, REASONS, Definition, Reason
from tests.assessments.psychometrics.published import MOODLE_QUIZ, keeps_its_word, lsat6, lsat7

LSAT = classical(lsat6())

RIGHT_OR_WRONG = arrays.arrays(
    np.int64, st.tuples(st.integers(0, 12), st.integers(0, 6)), elements=st.integers(0, 1)
)
PARTIAL = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.integers(0, 6)),
    elements=st.sampled_from([0, 1 / 3, 0.5, 1, 2]),
)


# ---------------------------------------------------------------- published numbers


def test_lsat_6_has_its_published_means_variance_and_reliability():
    """Bock and Lieberman (1970), as computed from ``LSAT`` of R's ltm package."""
    assert [item.facility for item in LSAT.items] == pytest.approx(
        [0.924, 0.709, 0.553, 0.763, 0.870], abs=1e-12
    )
    assert LSAT.totals.mean == pytest.approx(3.819, abs=1e-12)
    assert LSAT.totals.variance == pytest.approx(1.0713103, abs=1e-7)
    assert LSAT.alpha == pytest.approx(0.29499719, abs=1e-8)
    assert LSAT.kr20 == pytest.approx(0.29499719, abs=1e-8)
    assert LSAT.kr21 == pytest.approx(0.19644117, abs=1e-8)
    assert LSAT.sem == pytest.approx(0.86906661, abs=1e-8)


def test_lsat_6_has_its_published_item_rest_correlations_and_alphas_without_an_item():
    """Bock and Lieberman (1970), as computed from ``LSAT`` of R's ltm package."""
    assert [item.item_rest for item in LSAT.items] == pytest.approx(
        [0.11283269, 0.15317812, 0.17277894, 0.14442810, 0.12159640], abs=1e-6
    )
    assert [item.alpha_if_deleted for item in LSAT.items] == pytest.approx(
        [0.27535621, 0.23758390, 0.21679946, 0.24593271, 0.26629441], abs=1e-6
    )


def test_lsat_7_has_its_published_item_means_and_alpha():
    """Bock and Lieberman (1970), ``LSAT7`` of R's mirt package; alpha to the three digits that its documentation shows."""
    found = classical(lsat7())
    assert [item.facility for item in found.items] == pytest.approx([0.828, 0.658, 0.772, 0.606, 0.843])
    assert found.alpha == pytest.approx(0.453, abs=5e-4)


def test_partial_marks_have_the_alpha_and_the_k_statistics_that_moodle_tests_for():
    """Moodle's own test of its quiz statistics (quiz 00), computed there in a spreadsheet; 1.5e-5 relative."""
    found = classical(MOODLE_QUIZ)
    assert 100 * found.alpha == pytest.approx(-87.2230935542, rel=1.5e-5)
    assert found.totals.sd == pytest.approx(0.8117265554, rel=1.5e-5)
    assert found.totals.skewness == pytest.approx(-0.092502502, rel=1.5e-5)
    assert found.totals.kurtosis == pytest.approx(-0.7073968557, rel=1.5e-5)
    assert found.totals.median == 4.5
    assert (found.kr20, found.why["kr20"]) == (None, Reason.NOT_DICHOTOMOUS)


def test_k_statistics_agree_with_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=40)
    k2, k3, k4 = (stats.kstat(values, order) for order in (2, 3, 4))
    found = totals(values)
    assert (found.variance, found.skewness, found.kurtosis) == pytest.approx((k2, k3 / k2**1.5, k4 / k2**2))


def test_item_rest_agrees_with_scipy_on_partial_marks():
    found = classical(MOODLE_QUIZ)
    for place, item in enumerate(found.items):
        rest = np.delete(MOODLE_QUIZ, place, axis=1).sum(axis=1)
        assert item.item_rest == pytest.approx(stats.pearsonr(MOODLE_QUIZ[:, place], rest).statistic)
        assert item.variance == pytest.approx(MOODLE_QUIZ[:, place].var(ddof=1))


# ---------------------------------------------------------------- groups of 27 per cent


@pytest.mark.parametrize(
    ("n", "size"), [(0, 0), (1, 0), (2, 1), (3, 1), (10, 3), (50, 14), (100, 27), (1000, 270)]
)
def test_a_group_is_27_per_cent_with_half_rounded_up(n, size):
    assert group_size(n) == size


def test_equal_totals_stay_in_the_order_of_candidates():
    lower, upper = extreme_groups(np.array([2.0, 1.0, 2.0, 1.0, 3.0, 1.0, 2.0, 2.0]))
    assert lower.tolist() == [1, 3]
    assert upper.tolist() == [7, 4]


def test_totals_that_differ_only_by_rounding_are_equal():
    third = Fraction(1, 3)
    found = extreme_groups(np.array([float(third) * 3, 0.1 + 0.2 + 0.7, 1.0, 0.9999999999999999]))
    assert [group.tolist() for group in found] == [[0], [3]]


def test_discrimination_is_the_difference_of_the_two_facilities():
    found = classical([[1, 1], [1, 0], [0, 1], [0, 0]], maxima=[1, 1])
    assert found.group_size == 1
    assert [(item.upper, item.lower, item.discrimination) for item in found.items] == [(1, 0, 1), (1, 0, 1)]


def test_discrimination_of_partial_marks_is_a_share_of_what_can_be_earned():
    rows = [[5, 1], [4, 1], [2, 0], [1, 0]]
    assert classical(rows, maxima=[5, 1]).items[0].discrimination == pytest.approx((5 - 1) / 5)


# ---------------------------------------------------------------- what is missing


def test_no_answer_earns_nothing_and_is_counted():
    found = classical([[1, None], [float("nan"), 1], [1, 1]])
    assert [item.omitted for item in found.items] == [1, 1]
    assert [item.facility for item in found.items] == pytest.approx([2 / 3, 2 / 3])


def test_exact_fractions_are_read():
    found = classical([[Fraction(1, 3), 1], [Fraction(2, 3), 0], [1, 1]])
    assert found.items[0].mean == pytest.approx(2 / 3)


def test_nobody_gives_no_numbers_but_the_reason():
    found = classical(np.zeros((0, 3)))
    assert (found.n, found.k, found.alpha) == (0, 3, None)
    assert {*found.why.values(), *found.totals.why.values(), *found.items[0].why.values()} == {Reason.NOBODY}
    keeps_its_word(found)


def test_one_candidate_has_a_facility_and_nothing_that_compares():
    found = classical([[1, 0, 0.5]])
    assert [item.facility for item in found.items] == [1, 0, 0.5]
    assert found.items[0].why["item_rest"] is Reason.ONE_CANDIDATE
    assert found.totals.why["variance"] is Reason.ONE_CANDIDATE
    keeps_its_word(found)


def test_an_item_that_everybody_got_right_has_no_correlation():
    found = classical([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    assert found.items[0].item_rest is None
    assert found.items[0].why["item_rest"] is Reason.CONSTANT_ITEM
    assert found.items[0].facility == 1
    keeps_its_word(found)


def test_equal_totals_give_no_reliability_and_no_groups():
    found = classical([[1, 0], [0, 1]])
    assert found.why["alpha"] is Reason.CONSTANT_TOTAL
    assert found.items[0].why["discrimination"] is Reason.CONSTANT_TOTAL
    assert found.items[0].item_rest == -1
    keeps_its_word(found)


def test_one_item_alone_has_no_reliability():
    found = classical([[1], [0], [1]])
    assert found.why["alpha"] is Reason.ONE_ITEM
    assert found.items[0].why["item_rest"] is Reason.CONSTANT_REST
    keeps_its_word(found)


def test_an_item_without_marks_has_no_facility():
    found = classical([[0, 1], [0, 0]], maxima=[0, 1])
    assert found.items[0].why["facility"] is Reason.NO_MARKS
    keeps_its_word(found)


def test_items_that_weigh_differently_have_no_kuder_richardson():
    found = classical([[2, 0], [0, 1], [2, 1]], maxima=[2, 1])
    assert found.why["kr20"] is Reason.NOT_DICHOTOMOUS
    assert found.alpha is not None


def test_right_or_wrong_items_of_two_marks_each_have_the_kr_20_of_one_mark():
    assert classical(2 * lsat6(), maxima=[2] * 5).kr20 == pytest.approx(LSAT.kr20)


def test_every_reason_and_every_definition_has_its_sentence():
    assert set(REASONS) == set(Reason)
    assert set(DEFINITIONS) == set(Definition)
    assert all(map(str, REASONS.values()))
    assert all(map(str, DEFINITIONS.values()))


# ---------------------------------------------------------------- laws


@given(RIGHT_OR_WRONG)
def test_whatever_the_marks_nothing_is_nan_and_every_gap_has_its_reason(rows):
    keeps_its_word(classical(rows))


@given(PARTIAL)
def test_the_same_holds_for_partial_marks(rows):
    keeps_its_word(classical(rows, maxima=[2] * rows.shape[1]))


@given(RIGHT_OR_WRONG, st.randoms(use_true_random=False))
def test_reliability_does_not_depend_on_the_order_of_candidates_or_items(rows, random):
    people, items = list(range(rows.shape[0])), list(range(rows.shape[1]))
    random.shuffle(people)
    random.shuffle(items)
    one, other = classical(rows), classical(rows[people][:, items])
    for name in ("alpha", "kr20", "kr21", "sem"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)


@given(RIGHT_OR_WRONG)
def test_alpha_of_right_or_wrong_items_is_kr_20_and_no_less_than_kr_21(rows):
    found = classical(rows)
    if found.alpha is not None:
        assert found.alpha == pytest.approx(found.kr20, abs=1e-9)
        assert found.kr21 <= found.kr20 + 1e-9


@given(PARTIAL, st.integers(1, 9))
def test_correlations_do_not_depend_on_the_unit_of_marks(rows, unit):
    one, other = classical(rows), classical(rows * unit)
    assert one.alpha == pytest.approx(other.alpha, abs=1e-9)
    for item, same in zip(one.items, other.items, strict=True):
        assert item.item_rest == pytest.approx(same.item_rest, abs=1e-9)


@given(PARTIAL)
def test_everything_stays_within_its_bounds(rows):
    found = classical(rows, maxima=[2] * rows.shape[1])
    assert found.alpha is None or found.alpha <= 1 + 1e-9
    for item in found.items:
        assert item.facility is None or 0 <= item.facility <= 1
        assert item.discrimination is None or -1 <= item.discrimination <= 1
        for r in (item.item_rest, item.item_total):
            assert r is None or -1 <= r <= 1


@given(RIGHT_OR_WRONG)
def test_alpha_without_an_item_is_that_of_the_others(rows):
    found = classical(rows)
    for place, item in enumerate(found.items):
        others = classical(np.delete(rows, place, axis=1))
        assert item.alpha_if_deleted == pytest.approx(others.alpha, abs=1e-9)
