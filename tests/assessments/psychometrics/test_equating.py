"""Equating: against the textbook's numbers, and by its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.psychometrics.equating import (
    Anchor,
    Moments,
    equipercentile,
    levine,
    linear_equating,
    mean_equating,
    moments,
    tucker,
)
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word

FORM_X = Moments(1655, 15.8205, 6.5278**2, 5.1063, 2.3760**2, 13.4088)
FORM_Y = Moments(1638, 18.6728, 6.8784**2, 5.8626, 2.4515**2, 14.7603)
"""Kolen and Brennan, chapter 4: 36 items, 12 of them common to both forms."""

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=30)


def spread(counts):
    return [score for score, count in enumerate(counts) for _ in range(count)]


def test_equivalents_are_those_of_the_textbook():
    """Kolen and Brennan, chapter 2: relative frequencies .2 .3 .2 .2 .1 on X, .1 .2 .2 .3 .2 on Y."""
    found = equipercentile(spread([2, 3, 2, 2, 1]), spread([1, 2, 2, 3, 2]), max_x=4, max_y=4)
    assert found.ranks == pytest.approx((10, 35, 60, 80, 95))
    assert found.equivalents == pytest.approx((0.50, 1.75, 2.8333, 3.50, 4.25), abs=1e-4)


def test_a_gap_is_met_in_its_middle():
    """Nobody has 1 or 2 on Y: the rank of 50 per cent lies anywhere between 0.5 and 2.5."""
    found = equipercentile([0, 1, 2], [0, 3], max_x=2, max_y=3)
    assert found.equivalents[1] == pytest.approx(1.5)


def test_tucker_is_that_of_the_textbook():
    """Kolen and Brennan, chapter 4, for the population that took X: mean 16.8153, standard deviation 6.7168 on Y."""
    line = tucker(FORM_X, FORM_Y, weight=1.0)
    assert line(FORM_X.mean) == pytest.approx(16.8153, abs=5e-4)
    assert line.slope * 6.5278 == pytest.approx(6.7168, abs=5e-4)


def test_levine_is_that_of_the_textbook():
    """The same data by Levine: mean 16.2485, standard deviation 6.6006; intercept .2513."""
    line = levine(FORM_X, FORM_Y, weight=1.0)
    assert line(FORM_X.mean) == pytest.approx(16.2485, abs=5e-4)
    assert line.slope * 6.5278 == pytest.approx(6.6006, abs=5e-4)
    assert line.intercept == pytest.approx(0.2513, abs=2e-3)


@pytest.mark.parametrize("anchor", list(Anchor))
def test_groups_that_are_alike_on_the_anchor_are_equated_linearly(anchor):
    x, y = FORM_X, Moments(1655, 18.0, 40.0, FORM_X.anchor_mean, FORM_X.anchor_variance, 13.0)
    for line in (tucker(x, y), levine(x, y, anchor=anchor)):
        assert line(x.mean) == pytest.approx(y.mean)
        assert line.slope == pytest.approx((y.variance / x.variance) ** 0.5)


def test_true_scores_that_relate_alike_are_found_again_by_levine():
    """Groups of different ability: Y is worth 3 marks more throughout, and both methods know it; Tucker sees errors."""
    chance = np.random.default_rng(2)

    def sat(ability, harder):
        theta = chance.normal(ability, 1.0, 60_000)
        anchor = 2 * theta + chance.normal(0, 0.8, len(theta))
        return moments(6 * theta + harder + chance.normal(0, 1.5, len(theta)), anchor)

    line = levine(sat(0.0, 0.0), sat(0.5, 3.0), anchor=Anchor.EXTERNAL)
    assert [line(score) - score for score in (-6, 0, 6)] == pytest.approx([3, 3, 3], abs=0.3)


def test_mean_and_linear_equating_by_hand():
    assert mean_equating([1, 2, 3], [4, 6])(2) == pytest.approx(5)
    line = linear_equating([0, 2], [1, 7])
    assert (line.slope, line(1)) == pytest.approx((3, 4))


def test_what_cannot_be_equated_says_why():
    assert linear_equating([2, 2], [1, 7]).why["slope"] is Reason.CONSTANT_TOTAL
    assert mean_equating([], [1])(3) is None
    flat = moments([1, 2, 3], [4, 4, 4])
    assert tucker(flat, flat).why["slope"] is Reason.CONSTANT_ANCHOR
    assert levine(flat, flat).why["slope"] is Reason.CONSTANT_ANCHOR
    with pytest.raises(ValueError):
        equipercentile([1.5], [1], max_x=2, max_y=2)
    with pytest.raises(ValueError):
        moments([], [])


@given(SCORES)
def test_a_form_is_worth_itself(scores):
    found = equipercentile(scores, scores, max_x=6, max_y=6)
    held = [score for score in range(7) if score in scores]
    assert [found.equivalents[score] for score in held] == pytest.approx(held)
    assert mean_equating(scores, scores)(3) == pytest.approx(3)


@given(SCORES, SCORES)
def test_equivalents_never_fall(x, y):
    found = equipercentile(x, y, max_x=6, max_y=6)
    keeps_its_word(linear_equating(x, y))
    assert all(-0.5 <= one <= 6.5 for one in found.equivalents)
    assert list(found.equivalents) == pytest.approx(sorted(found.equivalents))
