"""Response models: against published estimates, against simulated truth, and in awkward cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.assessments.psychometrics.irt import (
    Model,
    ability_at,
    conditional_sem,
    expected_score,
    fit,
    information,
    score_sem,
)
from lms.assessments.psychometrics.terms import Definition, Reason
from tests.assessments.psychometrics.published import keeps_its_word, lsat6, lsat7

RASCH, ONE_PL, TWO_PL = (fit(lsat6(), model) for model in Model)


def simulated(seed, n, k):
    """Answers of normal abilities to items of known a and b."""
    chance = np.random.default_rng(seed)
    a, b = np.exp(chance.normal(0, 0.3, k)), chance.normal(0, 1, k)
    theta = chance.normal(size=n)
    rows = (chance.random((n, k)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(int)
    return rows, a, b, theta


# ---------------------------------------------------------------- published numbers


def test_lsat_6_has_its_published_rasch_difficulties():
    """``rasch(LSAT, constraint = cbind(6, 1))`` in R's ltm; b 5e-3, log-likelihood 1e-3."""
    assert [item.b for item in RASCH.items] == pytest.approx(
        [-2.87197, -1.06303, -0.25761, -1.38806, -2.21878], abs=5e-3
    )
    assert {item.a for item in RASCH.items} == {1.0}
    assert RASCH.log_likelihood == pytest.approx(-2473.0538, abs=1e-3)
    assert RASCH.parameters == 5


def test_lsat_6_has_its_published_two_parameter_estimates():
    """``ltm(LSAT ~ z1)`` in R's ltm; a and b 5e-3, log-likelihood 1e-3."""
    assert [item.a for item in TWO_PL.items] == pytest.approx(
        [0.82537, 0.72295, 0.89047, 0.68855, 0.65745], abs=5e-3
    )
    assert [item.b for item in TWO_PL.items] == pytest.approx(
        [-3.35973, -1.36965, -0.27990, -1.86592, -3.12357], abs=5e-3
    )
    assert TWO_PL.log_likelihood == pytest.approx(-2466.6534, abs=1e-3)
    assert TWO_PL.parameters == 10


def test_lsat_6_has_its_published_standard_errors():
    """``summary(ltm(LSAT ~ z1))`` in R's ltm, rounded there to four digits; its optimiser stops a little early."""
    assert [item.se_a for item in TWO_PL.items] == pytest.approx(
        [0.2581, 0.1867, 0.2326, 0.1852, 0.2100], abs=5e-4
    )
    assert [item.se_b for item in TWO_PL.items] == pytest.approx(
        [0.8669, 0.3073, 0.0997, 0.4341, 0.8700], abs=2e-3
    )


def test_lsat_6_has_its_published_common_discrimination():
    """``rasch(LSAT)`` in R's ltm: discrimination 0.7551, log-likelihood −2466.938."""
    assert {round(item.a, 4) for item in ONE_PL.items} == {0.7551}
    assert ONE_PL.log_likelihood == pytest.approx(-2466.938, abs=1e-3)
    assert ONE_PL.parameters == 6


def test_lsat_7_has_its_published_slopes_and_intercepts():
    """``mirt(expand.table(LSAT7), 1)`` in R's mirt, which stops at 1e-4; log-likelihood −2658.805."""
    found = fit(lsat7(), Model.TWO_PL)
    assert [item.a for item in found.items] == pytest.approx(
        [0.9879254, 1.0808847, 1.7058006, 0.7651853, 0.7357980], abs=2e-3
    )
    assert [item.d for item in found.items] == pytest.approx(
        [1.8560605, 0.8079786, 1.8042187, 0.4859966, 1.8545127], abs=2e-3
    )
    assert [item.b for item in found.items] == pytest.approx(
        [-1.8787456, -0.7475160, -1.0576962, -0.6351358, -2.5204102], abs=2e-3
    )
    assert found.log_likelihood == pytest.approx(-2658.805, abs=1e-3)


def test_the_information_of_an_item_over_all_abilities_is_its_discrimination():
    """``areainfo`` of R's mirt on LSAT7: 0.9879254 for item 1 and 5.275594 for all, of which 2.568988 from −2 to 0."""
    items = fit(lsat7(), Model.TWO_PL).items
    wide, near = np.linspace(-30, 30, 6001), np.linspace(-2, 0, 2001)
    whole = [information(items, theta) for theta in wide]
    assert np.trapezoid([information(items[:1], theta) for theta in wide], wide) == pytest.approx(
        0.9879254, abs=2e-3
    )
    assert np.trapezoid(whole, wide) == pytest.approx(5.275594, abs=2e-3)
    assert np.trapezoid([information(items, theta) for theta in near], near) == pytest.approx(
        2.568988, abs=2e-3
    )


# ---------------------------------------------------------------- truth


def test_simulated_items_are_found_again_within_their_standard_errors():
    rows, a, b, _theta = simulated(7, 1500, 20)
    found = fit(rows, Model.TWO_PL)
    z = [(item.a - true) / item.se_a for item, true in zip(found.items, a, strict=True)]
    z += [(item.b - true) / item.se_b for item, true in zip(found.items, b, strict=True)]
    assert max(map(abs, z)) < 4
    assert 0.6 < np.std(z) < 1.5


def test_abilities_are_found_again_as_surely_as_they_say():
    rows, _a, _b, theta = simulated(8, 800, 40)
    found = fit(rows, Model.TWO_PL).abilities
    estimates, errors = np.array([(one.theta, one.se) for one in found]).T
    assert np.corrcoef(estimates, theta)[0, 1] > 0.9
    assert np.std((theta - estimates) / errors) == pytest.approx(1, abs=0.1)
    assert np.mean(estimates**2 + errors**2) == pytest.approx(1, abs=0.05)


def test_no_other_parameters_are_more_likely():
    """The gradient is nought at the estimate: moving any item either way makes the answers less likely."""
    rows = lsat6()
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)

    def log_likelihood(a, d):
        z = np.outer(a, nodes) + d[:, None]
        logs = rows @ z - np.logaddexp(0, z).sum(axis=0)
        return np.log(np.exp(logs) @ (weights / weights.sum())).sum()

    a, d = (np.array([getattr(item, name) for item in TWO_PL.items]) for name in ("a", "d"))
    best = log_likelihood(a, d)
    assert best == pytest.approx(TWO_PL.log_likelihood, abs=1e-6)
    for move in np.vstack([np.eye(10), -np.eye(10)]) * 0.02:
        assert log_likelihood(a + move[:5], d + move[5:]) < best


def test_standard_errors_are_those_of_the_curvature_of_the_likelihood():
    """Louis' formula against second differences of the log-likelihood."""
    rows = lsat7()
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)

    def log_likelihood(values):
        z = np.outer(values[:5], nodes) + values[5:, None]
        logs = rows @ z - np.logaddexp(0, z).sum(axis=0)
        return np.log(np.exp(logs) @ (weights / weights.sum())).sum()

    found = fit(rows, Model.TWO_PL).items
    at = np.array([item.a for item in found] + [item.d for item in found])
    step = 1e-3 * np.eye(10)
    curvature = np.array(
        [
            [
                sum(
                    sign * log_likelihood(at + one * step[i] + other * step[j])
                    for one, other, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
                )
                / 4e-6
                for j in range(10)
            ]
            for i in range(10)
        ]
    )
    errors = np.sqrt(np.diag(np.linalg.inv(-curvature)))
    assert [item.se_a for item in found] == pytest.approx(errors[:5], rel=1e-3)
    assert [item.se_d for item in found] == pytest.approx(errors[5:], rel=1e-3)


def test_more_right_answers_never_give_less_ability_in_the_rasch_model():
    totals = lsat6().sum(axis=1)
    by_total = {int(total): RASCH.abilities[at].theta for at, total in enumerate(totals)}
    assert [by_total[total] for total in range(6)] == sorted(by_total.values())
    for at, total in enumerate(totals):
        assert RASCH.abilities[at].theta == pytest.approx(by_total[int(total)])


# ---------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("model", "n", "reason"),
    [
        (Model.RASCH, 99, Reason.FEWER_THAN_100),
        (Model.ONE_PL, 99, Reason.FEWER_THAN_100),
        (Model.TWO_PL, 249, Reason.FEWER_THAN_250),
        (Model.RASCH, 0, Reason.FEWER_THAN_100),
    ],
)
def test_with_too_few_candidates_there_is_only_the_reason(model, n, reason):
    rows = lsat6()[:: max(1, 1000 // max(n, 1))][:n] if n else np.zeros((0, 5))
    found = fit(rows, model)
    assert (found.n, found.is_fitted, found.abilities) == (n, False, ())
    assert found.why["log_likelihood"] is reason
    keeps_its_word(found)


@pytest.mark.parametrize(("model", "n"), [(Model.RASCH, 100), (Model.ONE_PL, 100), (Model.TWO_PL, 250)])
def test_with_just_enough_candidates_there_is_a_fit(model, n):
    rows = simulated(3, n, 10)[0]
    found = fit(rows, model)
    assert found.is_fitted
    assert len(found.abilities) == n
    assert found.definitions[0] is Definition(model.value)


def test_one_item_alone_cannot_be_fitted():
    rows = lsat6()[:, :1]
    assert fit(rows, Model.RASCH).why["log_likelihood"] is Reason.FEW_ITEMS


# ---------------------------------------------------------------- awkward items


def awkward(n=400):
    rows = simulated(4, n, 12)[0].astype(float)
    rows[:, 0], rows[:, 1] = 1, 0
    rows[:, 2] = 0
    rows[7, 2] = 1
    rows[:, 3] = 0.5 * rows[:, 3]
    rows[:, 4] = 1 - rows[:, 4]
    rows[:, 5] = rows[:, 6]
    return rows


@pytest.mark.parametrize("model", list(Model))
def test_items_without_a_finite_difficulty_are_left_out_and_say_why(model):
    found = fit(awkward(), model)
    assert found.is_fitted
    assert [found.items[at].why["b"] for at in (0, 1, 3)] == [
        Reason.EVERYBODY_RIGHT,
        Reason.NOBODY_RIGHT,
        Reason.NOT_DICHOTOMOUS,
    ]
    assert found.items[2].b is not None
    keeps_its_word(found)


def test_an_item_with_a_wrong_key_has_a_negative_discrimination():
    assert fit(awkward(), Model.TWO_PL).items[4].a < -0.3


def test_equal_items_have_equal_curves():
    items = fit(awkward(), Model.TWO_PL).items
    assert (items[5].a, items[5].b) == pytest.approx((items[6].a, items[6].b))


def test_a_likelihood_without_a_maximum_ends_at_the_bound_and_says_so():
    """Guttman's perfect scale: whoever solves a hard item solves every easier one."""
    rows = [[int(level > item) for item in range(6)] for level in range(7) for _ in range(50)]
    found = fit(rows, Model.TWO_PL)
    assert found.is_fitted
    assert {item.why["se_a"] for item in found.items} == {Reason.AT_BOUND}
    assert [item.b for item in found.items] == sorted(item.b for item in found.items)
    keeps_its_word(found)


def test_answers_by_chance_give_curves_that_say_nothing_much():
    rows = np.random.default_rng(5).integers(0, 2, (300, 8))
    found = fit(rows, Model.TWO_PL)
    assert found.is_fitted
    keeps_its_word(found)


def test_items_that_carry_several_marks_are_right_or_wrong_too():
    doubled = fit(2 * lsat6(), Model.RASCH, maxima=[2] * 5)
    assert [item.b for item in doubled.items] == pytest.approx([item.b for item in RASCH.items])


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from(list(Model)))
def test_whatever_the_answers_nothing_is_nan_and_every_gap_has_its_reason(seed, model):
    chance = np.random.default_rng(seed)
    rows = (chance.random((260, 5)) < chance.random(5)).astype(int)
    keeps_its_word(fit(rows, model))


# ---------------------------------------------------------------- the test as a whole


def test_the_error_at_an_ability_follows_from_the_information():
    at = 0.5
    assert conditional_sem(TWO_PL.items, at) == pytest.approx(information(TWO_PL.items, at) ** -0.5)
    assert conditional_sem((), at) is None


def test_information_of_rasch_items_is_the_variance_of_the_score():
    assert score_sem(RASCH.items, -1.0) == pytest.approx(information(RASCH.items, -1.0) ** 0.5)


def test_the_ability_at_a_score_is_where_the_score_is_expected():
    theta = ability_at(TWO_PL.items, 3.0)
    assert expected_score(TWO_PL.items, theta) == pytest.approx(3.0)


def test_no_ability_is_expected_to_have_everything_right():
    assert ability_at(TWO_PL.items, 5.0) is None
    assert ability_at(TWO_PL.items, 0.0) is None
    assert ability_at((), 1.0) is None
