"""What was gained: by hand, and against the noncentral t distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lms.assessments.psychometrics.gains import gains
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word

BEFORE = [10, 12, 8, 15, 20, 11, 9, 14, 13, 12]
AFTER = [15, 16, 14, 17, 20, 15, 11, 17, 18, 13]
RESULTS = st.lists(st.tuples(*(st.one_of(st.none(), st.integers(0, 20)) for _time in "12")), max_size=20)


def test_gains_of_a_class_by_hand():
    """Means 12.4 and 15.6 of 20: 3.2 gained of 7.6 that could be."""
    found = gains(BEFORE, AFTER, maximum=20)
    assert (found.n, found.n_g, found.left_out) == (10, 9, 0)
    assert (found.mean_change, found.class_g) == pytest.approx((3.2, 3.2 / 7.6))
    single = [
        (after - before) / (20 - before) for before, after in zip(BEFORE, AFTER, strict=True) if before < 20
    ]
    assert found.median_g == pytest.approx(np.median(single))
    change = np.subtract(AFTER, BEFORE)
    assert found.d_z == pytest.approx(change.mean() / change.std(ddof=1))


def test_the_interval_of_d_leaves_two_and_a_half_per_cent_on_either_side():
    found = gains(BEFORE, AFTER, maximum=20)
    t, root = found.d_z * 10**0.5, 10**0.5
    assert stats.nct.sf(t, 9, found.d_low * root) == pytest.approx(0.025, abs=1e-6)
    assert stats.nct.cdf(t, 9, found.d_high * root) == pytest.approx(0.025, abs=1e-6)


def test_full_marks_before_leave_nothing_to_gain():
    found = gains(BEFORE, AFTER, maximum=20)
    assert (found.people[4].g, found.people[4].why["g"]) == (None, Reason.FULL_MARKS_BEFORE)
    assert gains([5] * 10, [5] * 9 + [4], maximum=5).why["class_g"] is Reason.EVERYBODY_FULL_BEFORE


def test_a_missing_result_leaves_the_person_out():
    found = gains([*BEFORE, 3], [*AFTER, None], maximum=20)
    assert (found.n, found.left_out, found.people[10]) == (10, 1, None)
    assert found.class_g == pytest.approx(3.2 / 7.6)


def test_of_fewer_than_ten_nothing_is_shown_of_the_group():
    found = gains(BEFORE[:9], AFTER[:9], maximum=20)
    assert set(found.why.values()) == {Reason.FEWER_THAN_10}
    assert found.people[0].g == pytest.approx(0.5)


def test_equal_changes_have_no_effect_size():
    found = gains(range(10), range(1, 11), maximum=20)
    assert found.why["d_z"] is Reason.CONSTANT_CHANGE
    assert found.mean_change == 1


def test_lists_of_two_lengths_are_refused():
    with pytest.raises(ValueError):
        gains([1], [1, 2], maximum=3)


@given(RESULTS)
def test_whatever_the_results_nothing_is_nan_and_every_gap_has_its_reason(pairs):
    found = gains([one for one, _other in pairs], [other for _one, other in pairs], maximum=20)
    keeps_its_word(found)
    if found.d_z is not None:
        assert found.d_low < found.d_z < found.d_high
