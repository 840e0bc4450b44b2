"""Moodle's statistics, against the numbers by which Moodle tests itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lms.assessments.psychometrics.classical import classical
from lms.assessments.psychometrics.moodle import moodle
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import MOODLE_QUIZ, keeps_its_word

EXPECTED = [
    (0.704, 0.4513682901, 21.2922742344, -7.0650767526, -9.4550536967),
    (0.48, 0.5099019514, 18.8979800309, -28.8982125772, -36.7834118938),
    (0.973333332, 0.13333334, 4.443012573, -9.1230674268, -21.6545012165),
    (0.68, 0.4760952286, 18.9347251357, -22.6306444113, -31.4411395613),
    (0.52, 0.3055050463, 11.1450138688, -17.6997047674, -21.1794802584),
    (0.64, 0.4898979486, 9.8081339177, -45.3785178421, -56.9365974439),
    (0.62, 0.331662479, 15.4788602394, -5.6543166602, -6.5043742058),
]
"""Facility, standard deviation, effective weight, discrimination index, discriminative efficiency (qstats00.csv)."""

ROWS = arrays.arrays(
    np.float64, st.tuples(st.integers(0, 10), st.integers(0, 5)), elements=st.sampled_from([0, 0.5, 1])
)


def test_questions_have_the_numbers_of_moodle_s_own_test():
    """Moodle, quiz statistics report, quiz 00: qstats00.csv; 1e-5 relative, as Moodle compares them."""
    found = moodle(MOODLE_QUIZ)
    for item, (facility, sd, weight, index, efficiency) in zip(found.items, EXPECTED, strict=True):
        assert item.facility_index == pytest.approx(100 * facility, rel=1e-6)
        assert item.sd == pytest.approx(sd, rel=1e-6)
        assert item.effective_weight == pytest.approx(weight, rel=1e-5)
        assert item.discrimination_index == pytest.approx(index, rel=1e-5)
        assert item.discriminative_efficiency == pytest.approx(efficiency, rel=1e-5)


def test_the_quiz_has_the_consistency_and_the_error_of_moodle_s_own_test():
    """Moodle, quiz statistics report, quiz 00: expected quiz statistics; 1.5e-5 relative, as Moodle compares them."""
    found = moodle(MOODLE_QUIZ)
    assert found.cic == pytest.approx(-87.2230935542, rel=1.5e-5)
    assert found.error_ratio == pytest.approx(136.8294900795, rel=1.5e-5)
    assert found.standard_error == pytest.approx(1.1106813066, rel=1.5e-5)


def test_a_question_that_works_against_the_quiz_has_no_effective_weight():
    found = moodle([[0, 2, 2], [1, 1, 1], [2, 0, 0]], maxima=[2, 2, 2])
    assert found.items[0].effective_weight is None
    assert found.items[0].why["effective_weight"] is Reason.NEGATIVE_COVARIANCE
    assert [item.effective_weight for item in found.items[1:]] == pytest.approx([50, 50])


def test_a_question_without_marks_has_no_facility_index():
    found = moodle([[0, 1], [0, 0]], maxima=[0, 1])
    assert found.items[0].why["facility_index"] is Reason.NO_MARKS
    assert found.items[0].why["discrimination_index"] is Reason.CONSTANT_ITEM
    keeps_its_word(found)


def test_intended_weights_follow_from_the_marks():
    assert [item.intended_weight for item in moodle([[1, 3]], maxima=[1, 3]).items] == [25, 75]


@given(ROWS)
def test_whatever_the_marks_nothing_is_nan_and_every_gap_has_its_reason(rows):
    keeps_its_word(moodle(rows))


@given(ROWS)
def test_effective_weights_add_up_to_a_hundred(rows):
    weights = [item.effective_weight for item in moodle(rows).items if item.effective_weight is not None]
    assert not any(weights) or sum(weights) == pytest.approx(100)


@given(ROWS)
def test_the_discrimination_index_is_the_point_biserial_and_smaller_than_the_efficiency(rows):
    for item, same in zip(moodle(rows).items, classical(rows).items, strict=True):
        if item.discrimination_index is not None:
            assert item.discrimination_index == pytest.approx(100 * same.item_rest, abs=1e-7)
            assert abs(item.discrimination_index) <= abs(item.discriminative_efficiency) + 1e-7


@given(ROWS)
def test_the_coefficient_of_internal_consistency_is_alpha(rows):
    alpha = classical(rows).alpha
    assert moodle(rows).cic == (None if alpha is None else pytest.approx(100 * alpha, abs=1e-7))
