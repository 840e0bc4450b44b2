"""Differential item functioning, against published tables and simulated truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lms.assessments.psychometrics.dif import association, dif
from lms.assessments.psychometrics.terms import Definition, Reason
from tests.assessments.psychometrics.published import keeps_its_word

BERKELEY = [
    [[512, 313], [89, 19]],
    [[353, 207], [17, 8]],
    [[120, 205], [202, 391]],
    [[138, 279], [131, 244]],
    [[53, 138], [94, 299]],
    [[22, 351], [24, 317]],
]
"""Departments × (men, women) × (admitted, rejected): ``UCBAdmissions`` in R, Bickel et al. (1975)."""

RABBITS = [
    [[0, 6], [0, 5]],
    [[3, 3], [0, 6]],
    [[6, 0], [2, 4]],
    [[5, 1], [6, 0]],
    [[2, 0], [5, 0]],
]
"""Penicillin levels × delay × (cured, died): Mantel (1963), as in ``mantelhaen.test`` of R."""


def simulated(seed, n=2000, k=30, shift=1.0):
    """Two equally able groups; item 3 is harder, item 7 easier, for the focal group."""
    chance = np.random.default_rng(seed)
    difficulty = np.tile(chance.normal(0, 1, k), (n, 1))
    focal = chance.random(n) < 0.4
    difficulty[focal, 3] += shift
    difficulty[focal, 7] -= shift
    theta = chance.normal(size=n)
    rows = (chance.random((n, k)) < 1 / (1 + np.exp(-(theta[:, None] - difficulty)))).astype(int)
    return rows, ["NICU" if one else "PICU" for one in focal]


def compared(rows, groups, **terms):
    return dif(rows, groups, reference="PICU", focal="NICU", **terms)


def test_berkeley_admissions_have_their_published_odds_ratio_and_chi_square():
    """R: ``mantelhaen.test(UCBAdmissions)`` gives X² 1.4269, p 0.2323, common odds ratio 0.9046968."""
    found = association(BERKELEY)
    assert found.odds_ratio == pytest.approx(0.9046968, abs=1e-7)
    assert found.chi_square == pytest.approx(1.4269, abs=5e-5)
    assert found.p == pytest.approx(0.2323, abs=5e-5)
    assert (found.n, found.strata) == (4526, 6)


def test_berkeley_admissions_have_their_published_confidence_interval():
    """R: the same test's 95 per cent interval is 0.7719074 to 1.0603298, by the variance of Robins et al."""
    found = association(BERKELEY)
    ends = found.odds_ratio * np.exp(np.array([-1, 1]) * 1.959963984540054 * found.log_odds_se)
    assert ends == pytest.approx([0.7719074, 1.0603298], abs=1e-6)


def test_penicillin_and_rabbits_have_their_published_probability():
    """R: ``mantelhaen.test(Rabbits)`` gives X² 3.9286, p 0.047; common odds ratio 7."""
    found = association(RABBITS)
    assert found.odds_ratio == pytest.approx(7)
    assert found.chi_square == pytest.approx(3.9286, abs=5e-5)
    assert found.p == pytest.approx(0.047, abs=5e-4)
    assert found.strata == 3


def test_delta_is_minus_2_35_times_the_logarithm_of_the_odds_ratio():
    item = compared(*simulated(1)).items[3]
    assert item.delta == pytest.approx(-2.35 * np.log(item.association.odds_ratio))
    assert item.delta_se == pytest.approx(2.35 * item.association.log_odds_se)


def test_items_that_treat_groups_differently_are_found_and_say_whom_they_favour():
    found = compared(*simulated(2))
    assert [(at, found.items[at].ets, found.items[at].favours) for at in (3, 7)] == [
        (3, "C", "reference"),
        (7, "C", "focal"),
    ]
    assert [item.index for item in found.items if item.ets == "C"] == [3, 7]
    assert found.n == 2000


def test_a_moderate_difference_is_class_b():
    """Half a logit is a delta of 1.18; 8,000 people tell it from 1 and from 1.5."""
    found = compared(*simulated(2, n=8000, shift=0.5))
    assert [(at, found.items[at].ets, found.items[at].favours) for at in (3, 7)] == [
        (3, "B", "reference"),
        (7, "B", "focal"),
    ]


def test_purification_leaves_the_unequal_items_out_of_the_total():
    found = compared(*simulated(2), purify=True)
    assert {3, 7} <= set(found.left_out)
    assert Definition.PURIFIED in found.definitions
    assert found.items[3].ets == "C"


def test_a_difference_in_ability_alone_is_no_difference_of_items():
    chance = np.random.default_rng(6)
    focal = np.arange(3000) % 2 == 1
    theta = chance.normal(size=3000) - 0.8 * focal
    difficulty = chance.normal(0, 1, 40)
    rows = (chance.random((3000, 40)) < 1 / (1 + np.exp(-(theta[:, None] - difficulty)))).astype(int)
    found = compared(rows, ["NICU" if one else "PICU" for one in focal])
    assert {item.ets for item in found.items} == {"A"}


def test_small_groups_get_numbers_but_no_class():
    rows, groups = simulated(2)
    found = compared(rows[:150], groups[:150])
    item = found.items[3]
    assert item.delta is not None
    assert (item.ets, item.why["ets"]) == (None, Reason.FEW_IN_A_GROUP)
    assert item.size in "ABC"


def test_candidates_of_other_groups_are_left_out():
    rows, groups = simulated(2)
    mixed = [*groups, *["ED"] * 50]
    found = compared(np.vstack([rows, np.ones((50, rows.shape[1]), dtype=int)]), mixed)
    assert found == compared(rows, groups)


def test_partial_marks_are_not_judged_but_count_in_the_total():
    rows, groups = simulated(2)
    rows = rows.astype(float)
    rows[:, 0] *= np.where(np.arange(len(rows)) % 2, 1, 0.5)
    found = compared(rows, groups)
    assert found.items[0].why["delta"] is Reason.NOT_DICHOTOMOUS
    assert found.items[3].ets == "C"


def test_a_group_without_people_gives_only_the_reason():
    found = compared([[1, 0], [0, 1]], ["PICU", "PICU"])
    assert {item.why["delta"] for item in found.items} == {Reason.NO_COMPARISON}
    keeps_its_word(found, silent={"favours"})


def test_exchanging_the_groups_turns_delta_round():
    rows, groups = simulated(3)
    one = compared(rows, groups)
    other = dif(rows, groups, reference="NICU", focal="PICU")
    for item, turned in zip(one.items, other.items, strict=True):
        assert item.delta == pytest.approx(-turned.delta)
        assert item.association.chi_square == pytest.approx(turned.association.chi_square)


@given(
    arrays.arrays(np.int64, st.tuples(st.integers(0, 12), st.integers(1, 4)), elements=st.integers(0, 1)),
    st.booleans(),
)
def test_whatever_the_answers_nothing_is_nan_and_every_gap_has_its_reason(rows, purify):
    groups = ["NICU" if at % 2 else "PICU" for at in range(len(rows))]
    keeps_its_word(compared(rows, groups, purify=purify), silent={"favours"})
