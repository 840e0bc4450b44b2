"""What options did, and what an author is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.psychometrics.classical import classical
from lms.assessments.psychometrics.flags import FLAGS, Flag, item_flags
from lms.assessments.psychometrics.options import option_table
from lms.assessments.psychometrics.terms import Reason
from tests.assessments.psychometrics.published import keeps_its_word

IDS = ("a", "b", "c", "d")


def tabled(answers, totals, right="a"):
    own = [float(one == right) for one in answers]
    whole = np.array(own) + np.array(totals)
    return option_table([{one} if one else set() for one in answers], own, whole, options=IDS, right={right})


def by_id(table):
    return {option.id: option for option in table.options}


def test_shares_and_omissions_add_up():
    table = tabled(["a", "a", "b", None], [3, 2, 1, 0])
    assert (table.n, table.omitted) == (4, 1)
    assert [option.share for option in table.options] == [0.5, 0.25, 0, 0]


def test_the_point_biserial_of_the_key_is_that_of_the_item():
    rows = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]])
    chosen = [{"a"} if mark else {"b"} for mark in rows[:, 0]]
    table = option_table(chosen, rows[:, 0], rows.sum(axis=1), options=IDS, right={"a"})
    item = classical(rows).items[0]
    assert by_id(table)["a"].point_biserial == pytest.approx(item.item_rest)
    assert by_id(table)["a"].point_biserial_total == pytest.approx(item.item_total)
    assert by_id(table)["b"].point_biserial == pytest.approx(-item.item_rest)


def test_a_wrong_option_that_the_weak_choose_works():
    table = tabled(["a", "a", "a", "b", "b"], [5, 4, 5, 1, 2])
    assert by_id(table)["b"].works
    assert by_id(table)["b"].flags == ()
    assert table.working_distractors == 1


def test_a_wrong_option_that_hardly_anybody_chooses_is_flagged():
    table = tabled(["a"] * 30 + ["b"] * 20 + ["c"], [9, 8, 7] * 10 + [3, 4] * 10 + [1])
    assert by_id(table)["c"].flags == (Flag.RARELY_CHOSEN,)
    assert by_id(table)["c"].works is False
    assert by_id(table)["d"].why["point_biserial"] is Reason.CONSTANT_OPTION


def test_five_per_cent_are_enough():
    table = tabled(["b"] + ["a"] * 19, [0, *range(1, 20)])
    assert by_id(table)["b"].works


def test_a_wrong_option_that_the_strong_choose_casts_doubt_on_the_key():
    table = tabled(["b", "b", "b", "a", "a", "c"], [9, 8, 9, 3, 2, 1])
    assert by_id(table)["b"].flags == (Flag.CHOSEN_BY_THE_STRONG, Flag.BETTER_THAN_THE_KEY)
    assert by_id(table)["a"].flags == (Flag.KEY_CHOSEN_BY_THE_WEAK,)
    assert by_id(table)["a"].works is None


def test_several_right_options_are_judged_one_by_one():
    chosen = [{"a", "b"}, {"a", "c"}, {"c"}, {"a", "b"}]
    table = option_table(chosen, [1, 0, 0, 1], [6, 3, 1, 5], options=IDS, right={"a", "b"})
    assert [option.count for option in table.options] == [3, 2, 2, 0]
    assert [option.is_right for option in table.options] == [True, True, False, False]


def test_shares_of_the_extreme_groups_show_who_chose_what():
    table = tabled(["a", "a", "c", "b"], [9, 5, 4, 1])
    assert (by_id(table)["a"].upper, by_id(table)["a"].lower) == (1, 0)
    assert (by_id(table)["b"].upper, by_id(table)["b"].lower) == (0, 1)


def test_items_are_flagged_for_what_an_author_can_act_on():
    rows = np.array([[1, 0, n % 2, n > 20, n < 20] for n in range(40)])
    flags = [item_flags(item) for item in classical(rows).items]
    assert flags[0] == (Flag.VERY_EASY,)
    assert flags[1] == (Flag.VERY_HARD,)
    assert Flag.NEGATIVE in flags[4]
    assert set(FLAGS) == set(Flag)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.integers(0, 5)), max_size=12))
def test_whatever_is_chosen_nothing_is_nan_and_every_gap_has_its_reason(rows):
    table = tabled([answer for answer, _rest in rows], [rest for _answer, rest in rows])
    keeps_its_word(table, silent={"works"})
    assert sum(option.count for option in table.options) + table.omitted == table.n
