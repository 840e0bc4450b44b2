"""How likely a decision is wrong: by hand, against numerical integration, against a simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lms.assessments.psychometrics.decisions import chance_of_passing, decisions
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word


def decided(reliability, cut, *, mean=60.0, sd=10.0):
    return decisions(n=100, mean=mean, sd=sd, reliability=reliability, cut=cut)


def test_at_the_mean_a_reliability_of_three_quarters_errs_in_one_of_six():
    """Sheppard: P(X < 0, T < 0) = ¼ + arcsin ρ/2π; ρ = √¾ is the sine of 60°."""
    found = decided(0.75, 60.0)
    assert found.wrong == pytest.approx(1 / 6)
    assert found.false_pass == pytest.approx(found.false_fail)
    assert found.consistency == pytest.approx(0.5 + np.arcsin(0.75) / np.pi)
    assert found.sem == pytest.approx(5.0)


@pytest.mark.parametrize("cut", [40.0, 55.0, 60.0, 71.5])
@pytest.mark.parametrize("reliability", [0.3, 0.8, 0.97])
def test_shares_are_quadrants_of_a_bivariate_normal_distribution(cut, reliability):
    found = decided(reliability, cut)
    both = stats.multivariate_normal([60, 60], 100 * np.array([[1, reliability], [reliability, reliability]]))
    fails, truly = stats.norm.cdf(cut, 60, 10), stats.norm.cdf(cut, 60, 10 * reliability**0.5)
    assert found.false_fail == pytest.approx(fails - both.cdf([cut, cut]), abs=1e-5)
    assert found.false_pass == pytest.approx(truly - both.cdf([cut, cut]), abs=1e-5)


def test_the_shares_are_those_of_people_with_true_scores_and_errors():
    chance = np.random.default_rng(3)
    true = chance.normal(60, 10 * 0.8**0.5, 400_000)
    first, second = (true + chance.normal(0, 10 * 0.2**0.5, len(true)) for _form in range(2))
    found = decided(0.8, 52.0)
    assert found.false_pass == pytest.approx(np.mean((first >= 52) & (true < 52)), abs=2e-3)
    assert found.false_fail == pytest.approx(np.mean((first < 52) & (true >= 52)), abs=2e-3)
    assert found.consistency == pytest.approx(np.mean((first >= 52) == (second >= 52)), abs=2e-3)


def test_a_test_without_error_decides_rightly():
    found = decided(1.0, 57.0)
    assert (found.wrong, found.consistency, found.kappa) == pytest.approx((0, 1, 1))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((None, None, None), Reason.NOBODY),
        ((60.0, None, None), Reason.ONE_CANDIDATE),
        ((60.0, 0.0, None), Reason.CONSTANT_TOTAL),
        ((60.0, 10.0, None), Reason.NO_RELIABILITY),
        ((60.0, 10.0, -0.2), Reason.NO_RELIABILITY),
    ],
)
def test_without_a_reliability_there_is_only_the_reason(given, reason):
    mean, sd, reliability = given
    found = decisions(n=0, mean=mean, sd=sd, reliability=reliability, cut=60.0)
    assert set(found.why.values()) == {reason}
    keeps_its_word(found)


def test_a_score_at_the_cut_is_a_coin_toss():
    assert chance_of_passing(60, cut=60, sem=4) == 0.5
    assert chance_of_passing(64, cut=60, sem=4) == pytest.approx(stats.norm.cdf(1))
    assert [chance_of_passing(score, cut=60, sem=0) for score in (59.9, 60)] == [0, 1]


@given(st.floats(0.01, 1), st.floats(0, 120))
def test_shares_are_shares_and_every_gap_has_its_reason(reliability, cut):
    found = decided(reliability, cut)
    keeps_its_word(found)
    assert 0 <= found.wrong <= 0.5 + 1e-9
    assert -1e-9 <= found.consistency <= 1 + 1e-9
