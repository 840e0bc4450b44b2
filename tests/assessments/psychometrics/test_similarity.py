"""Equal wrong answers: who copied is found, who did not is left in peace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from lms.assessments.psychometrics.similarity import adjusted, at_least, coded, similarity
from lms.assessments.psychometrics.terms import Reason


def cohort(seed, n=200, k=60):
    """Answers 0 (right) to 4 (the wrong ones unequally tempting), and who is right."""
    chance = np.random.default_rng(seed)
    theta, difficulty = chance.normal(size=n), chance.normal(0, 1, k)
    right = chance.random((n, k)) < 1 / (1 + np.exp(-(theta[:, None] - difficulty)))
    tempting = chance.dirichlet([1.5] * 4, k)
    wrong = np.array([[chance.choice(4, p=tempting[item]) + 1 for item in range(k)] for _person in range(n)])
    return np.where(right, 0, wrong)


def compared(answers, **terms):
    return similarity(answers, answers == 0, **terms)


def test_who_copied_half_of_the_paper_is_suggested_for_review():
    answers = cohort(1)
    weak = int(np.argsort((answers == 0).sum(axis=1))[30])
    other = (weak + 1) % 200
    answers[other, :40] = answers[weak, :40]
    found = compared(answers)
    assert [(pair.first, pair.second) for pair in found.suggested] == [tuple(sorted((weak, other)))]
    pair = found.suggested[0]
    assert pair.identical_wrong == len(pair.items) > pair.expected
    assert pair.q <= found.false_discoveries
    assert found.pairs == 200 * 199 // 2


def test_nobody_is_suggested_where_nobody_copied():
    assert sum(len(compared(cohort(seed)).suggested) for seed in range(5)) == 0


def test_the_probability_is_never_smaller_than_it_should_be_by_chance_alone():
    """Of all pairs, no more than a share α has a probability below α (its least likely pairs are computed)."""
    found = compared(cohort(9), tested=2000)
    for alpha in (1e-2, 1e-3):
        assert sum(pair.p < alpha for pair in found.tested) <= 1.5 * alpha * found.pairs


def test_equal_right_answers_and_equal_blanks_are_no_sign():
    answers = cohort(2)
    answers[0], answers[1] = 0, 0
    answers[2], answers[3] = -1, -1
    assert {*compared(answers).suggested} == set()


def test_a_small_cohort_is_not_compared():
    found = compared(cohort(3, n=29))
    assert (found.reason, found.suggested, found.tested) == (Reason.FEWER_THAN_30, (), ())


def test_a_cohort_without_wrong_answers_gives_no_pairs():
    assert compared(np.zeros((40, 5), dtype=int)).tested == ()
    assert compared(np.zeros((40, 0), dtype=int)).reason is Reason.NO_ITEMS


def test_answers_are_coded_question_by_question():
    assert coded([["a", ("b", "c")], ["b", None], ["a", ("b", "c")]]).tolist() == [[0, 0], [1, -1], [0, 0]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_probabilities_are_those_of_benjamini_and_hochberg(p):
    assert adjusted(p) == pytest.approx(tuple(stats.false_discovery_control(p)))


def test_tests_that_are_not_given_count_too():
    p = [0.001, 0.2, 0.01]
    assert adjusted(p, tests=10) == pytest.approx(tuple(stats.false_discovery_control([*p, *[1.0] * 7])[:3]))


def test_equal_chances_give_the_binomial_tail():
    found = at_least(np.full((3, 12), 0.3), [0, 5, 12])
    assert found == pytest.approx(stats.binom.sf([-1, 4, 11], 12, 0.3))


@given(arrays.arrays(np.int64, (35, 4), elements=st.integers(-1, 3)))
def test_whatever_is_answered_probabilities_are_probabilities(answers):
    for pair in compared(answers).tested:
        assert 0 <= pair.p <= pair.q <= 1
        assert pair.first < pair.second
        assert pair.identical_wrong <= pair.both_wrong
