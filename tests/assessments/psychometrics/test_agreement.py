"""Agreement of raters, against published numbers, and by its laws."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lms.assessments.psychometrics.agreement import Weights, cross_table, icc, kappa
from lms.assessments.psychometrics.settling import needs_third, settled
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]

MARKS = st.fractions(min_value=0, max_value=10, max_denominator=4)
TABLES = arrays.arrays(np.int64, st.integers(1, 5).map(lambda k: (k, k)), elements=st.integers(0, 9))
RATINGS = arrays.arrays(np.int64, st.tuples(st.integers(0, 7), st.integers(1, 5)), elements=st.integers(0, 5))


def test_the_six_intraclass_correlations_of_shrout_and_fleiss():
    """Shrout and Fleiss (Psychological Bulletin 1979), table 2: six targets, four judges; to six digits."""
    found = icc(SHROUT_FLEISS)
    assert (found.n, found.k) == (6, 4)
    assert found.icc_1_1 == pytest.approx(0.165742, abs=1e-6)
    assert found.icc_2_1 == pytest.approx(0.289764, abs=1e-6)
    assert found.icc_3_1 == pytest.approx(0.714841, abs=1e-6)
    assert found.icc_1_k == pytest.approx(0.442797, abs=1e-6)
    assert found.icc_2_k == pytest.approx(0.620051, abs=1e-6)
    assert found.icc_3_k == pytest.approx(0.909316, abs=1e-6)


def test_kappa_of_the_textbook_table():
    """Two readers, fifty cases: [[20, 5], [10, 15]]."""
    found = kappa([[20, 5], [10, 15]])
    assert found.kappa == pytest.approx(0.40, abs=1e-12)
    assert (found.n, found.observed, found.by_chance) == (50, pytest.approx(0.7), pytest.approx(0.5))


def test_weighted_kappa_of_cohen_s_own_example():
    """Cohen (1968): proportions of 200 psychiatric judgements, weights of disagreement 0, 1, 3 and 6, unweighted 0.492."""
    assert kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]).kappa == pytest.approx(0.492, abs=5e-4)


def test_weights_by_hand():
    """Linear: 1 − (10 + 2·1)/(sum of chance); written out from the table [[10, 5, 1], [3, 12, 4], [0, 2, 8]]."""
    cells = np.array([[10, 5, 1], [3, 12, 4], [0, 2, 8]])
    chance = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()
    apart = np.abs(np.subtract.outer(range(3), range(3)))
    for weights, power in ((Weights.LINEAR, apart), (Weights.QUADRATIC, apart**2)):
        expected = 1 - (power * cells).sum() / (power * chance).sum()
        assert kappa(cells, weights).kappa == pytest.approx(expected)


def test_quadratic_kappa_is_close_to_the_intraclass_correlation_of_absolute_agreement():
    """Fleiss and Cohen (1973): equal but for a term of the order of 1/n."""
    chance = np.random.default_rng(1)
    first = chance.integers(0, 5, 2000)
    second = np.clip(first + chance.integers(-1, 2, 2000), 0, 4)
    table = cross_table(first.tolist(), second.tolist(), range(5))
    both = icc(np.column_stack([first, second]))
    assert kappa(table, Weights.QUADRATIC).kappa == pytest.approx(both.icc_2_1, abs=1e-3)


def test_a_cross_table_counts_pairs_in_the_order_of_the_categories():
    assert cross_table("aab", "abb", "ab") == ((1, 1), (0, 1))


def test_full_agreement_by_chance_alone_says_nothing():
    found = kappa([[7, 0], [0, 0]])
    assert (found.kappa, found.why["kappa"]) == (None, Reason.AGREEMENT_BY_CHANCE)
    assert kappa([[0, 0], [0, 0]]).why["kappa"] is Reason.NOBODY


def test_targets_with_a_missing_rating_are_left_out():
    found = icc([*SHROUT_FLEISS, [1, None, 2, 3]])
    assert (found.n, found.left_out) == (6, 1)
    assert found.icc_2_1 == pytest.approx(0.289764, abs=1e-6)


def test_equal_ratings_have_no_intraclass_correlation():
    found = icc([[3, 3], [3, 3]])
    assert set(found.why.values()) == {Reason.CONSTANT_RATINGS}
    assert set(icc([[3], [4]]).why.values()) == {Reason.ONE_JUDGE}
    assert set(icc([]).why.values()) == {Reason.NOBODY}


@given(TABLES, st.sampled_from(list(Weights)))
def test_kappa_lies_between_minus_1_and_1_and_is_1_only_in_full_agreement(cells, weights):
    found = kappa(cells, weights)
    keeps_its_word(found)
    if found.kappa is not None:
        assert -1 - 1e-9 <= found.kappa <= 1
        assert (found.kappa == 1) == (cells.trace() == cells.sum())


@given(TABLES, st.sampled_from(list(Weights)))
def test_kappa_does_not_depend_on_who_is_first(cells, weights):
    assert kappa(cells, weights).kappa == pytest.approx(kappa(cells.T, weights).kappa)


@given(RATINGS)
def test_intraclass_correlations_are_at_most_1_and_every_gap_has_its_reason(rows):
    found = icc(rows)
    keeps_its_word(found)
    for value in (found.icc_1_1, found.icc_2_1, found.icc_3_1):
        assert value is None or value <= 1 + 1e-9


@given(RATINGS)
def test_a_severe_rater_does_not_change_consistency(rows):
    before, after = icc(rows), icc(rows + np.arange(rows.shape[1]) * 3)
    if before.icc_3_1 is not None and after.icc_3_1 is not None:
        assert after.icc_3_1 == pytest.approx(before.icc_3_1, abs=1e-6)


# ---------------------------------------------------------------- third marker


def test_marks_far_apart_need_a_third():
    terms = {"maximum": Fraction(20), "apart": Fraction(1, 10)}
    assert not needs_third(Fraction(12), Fraction(14), **terms)
    assert needs_third(Fraction(12), Fraction(29, 2), **terms)


def test_marks_on_both_sides_of_the_cut_need_a_third():
    terms = {"maximum": Fraction(20), "apart": Fraction(1, 10), "cut": Fraction(12)}
    assert needs_third(Fraction(12), Fraction(23, 2), **terms)
    assert not needs_third(Fraction(12), Fraction(13), **terms)


def test_the_third_mark_is_averaged_with_the_nearer():
    assert settled(Fraction(12), Fraction(18)) == 15
    assert settled(Fraction(12), Fraction(18), Fraction(17)) == Fraction(35, 2)
    assert settled(Fraction(12), Fraction(18), Fraction(15)) == 15
    assert settled(Fraction(12), Fraction(12), Fraction(14)) == 13


@given(MARKS, MARKS, MARKS)
def test_what_counts_lies_between_the_marks_whoever_was_first(first, second, third):
    assert settled(first, second, third) == settled(second, first, third)
    assert min(first, second, third) <= settled(first, second, third) <= max(first, second, third)
