"""Everything that is told of a test: what was planted in it is found, and all of it can be kept as JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.psychometrics.answers import Answers, Asked
from lms.assessments.psychometrics.listing import HEADS, lines
from lms.assessments.psychometrics.report import report
from lms.assessments.psychometrics.terms import Definition, Reason

OPTIONS = ("a", "b", "c", "d", "e")


def sat(n, k, *, seed=1, wrong_key=None, unequal=None, copied=()):
    """Answers of n people to k questions whose right option is ``a``, as a test keeps them."""
    chance = np.random.default_rng(seed)
    track = ["GP" if number % 5 < 2 else "PED" for number in range(n)]
    difficulty = np.tile(chance.normal(-0.5, 0.8, k), (n, 1))
    if unequal is not None:
        difficulty[[one == "GP" for one in track], unequal] += 1.2
    theta = chance.normal(size=n)
    theta[[other for _one, other, _questions in copied]] = -1.5
    right = chance.random((n, k)) < 1 / (1 + np.exp(-(theta[:, None] - difficulty)))
    options = np.where(right, "a", chance.choice(["b", "c", "d"], (n, k), p=[0.5, 0.3, 0.2]))
    for one, other, questions in copied:
        options[one, questions] = options[other, questions]
    keys = ["b" if place == wrong_key else "a" for place in range(k)]
    return Answers(
        asked=[
            Asked(place + 1, f"Q{place + 1}", 1.0, OPTIONS, frozenset(keys[place]), is_closed=True)
            for place in range(k)
        ],
        candidates=[f"sitting-{number}" for number in range(n)],
        marks=[[float(one == key) for one, key in zip(row, keys, strict=True)] for row in options],
        said=[[str(one) for one in row] for row in options],
        groups={"track": track, "region": ["west"] * n},
        cut=0.6 * k,
    )


@pytest.fixture(scope="module")
def found():
    """600 people, 40 questions: the sixth with a wrong key, the tenth unequal, person 7 copied of person 8."""
    return report(sat(600, 40, wrong_key=5, unequal=9, copied=[(7, 8, slice(0, 36)), (11, 12, slice(0, 36))]))


def asked(found, slot):
    return found["asked"][slot - 1]


def test_it_can_be_kept_as_json_and_read_back(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_wrong_key_is_flagged(found):
    assert "negative" in asked(found, 6)["flags"]
    flags = {option["id"]: option["flags"] for option in asked(found, 6)["options"]}
    assert {"chosen_by_the_strong", "better_than_the_key"} <= set(flags["a"])
    assert "key_chosen_by_the_weak" in flags["b"]
    assert asked(found, 6)["two_pl"]["a"] < 0


def test_an_option_that_nobody_chose_is_flagged(found):
    assert asked(found, 1)["options"][4]["flags"] == ["rarely_chosen"]


def test_an_unequal_question_is_flagged_and_says_whom_it_favours(found):
    (one,) = asked(found, 10)["dif"]
    assert (one["ets"], one["favours"], one["focal"]) == ("C", "PED", "GP")
    assert "unequal" in asked(found, 10)["flags"]
    assert [one["slot"] for one in found["asked"] if "unequal" in one["flags"]] == [10]
    (whole,) = found["dif"]
    assert (whole["kind"], whole["n_reference"], whole["n_focal"], whole["why"]) == ("track", 360, 240, None)


def test_who_copied_is_suggested_with_sittings_and_questions(found):
    pairs = {tuple(pair["sittings"]) for pair in found["similarity"]["suggested"]}
    assert pairs == {("sitting-7", "sitting-8"), ("sitting-11", "sitting-12")}
    for pair in found["similarity"]["suggested"]:
        assert len(pair["slots"]) == pair["identical_wrong"] > 2 * pair["expected"]


def test_both_models_are_fitted_and_say_how_exact_the_test_is_at_the_pass_mark(found):
    for model in found["models"].values():
        assert model["log_likelihood"] < 0
        assert -3 < model["at_cut"] < 3
        assert 0 < model["sem_at_cut"] < 1
        assert 1 < model["marks_sem_at_cut"] < 40**0.5 / 2
        assert max(information for _theta, information in model["curve"]) > 1
        assert "abilities" not in model


def test_shares_of_fifths_follow_the_groups(found):
    assert sum(found["groups"]) == 600
    share = asked(found, 1)["shares"][0]
    assert share[0] < share[-1]


@pytest.mark.parametrize(
    ("n", "rasch", "two_pl"),
    [
        (0, Reason.FEWER_THAN_100, Reason.FEWER_THAN_250),
        (99, Reason.FEWER_THAN_100, Reason.FEWER_THAN_250),
        (100, None, Reason.FEWER_THAN_250),
        (249, None, Reason.FEWER_THAN_250),
        (250, None, None),
    ],
)
def test_a_model_is_shown_from_100_and_250_people_on(n, rasch, two_pl):
    models = report(sat(n, 8))["models"]
    assert models["rasch"]["why"].get("log_likelihood") == rasch
    assert models["two_pl"]["why"].get("log_likelihood") == two_pl


def test_small_groups_are_not_compared_or_not_judged():
    few = report(sat(60, 5))["dif"][0]
    assert (few["n_focal"], few["is_made"], few["why"]) == (24, False, Reason.FEWER_THAN_30)
    more = report(sat(100, 5))
    assert (more["dif"][0]["is_made"], more["dif"][0]["why"]) == (True, Reason.FEW_IN_A_GROUP)
    assert {one["ets"] for question in more["asked"] for one in question["dif"]} == {None}


def test_a_whole_test_is_flagged_for_what_its_staff_can_act_on(found):
    assert found["decisions"]["wrong"] > 0.1
    assert found["flags"] == ["unsure_at_the_cut"]
    assert report(replace(sat(600, 40), cut=12.0))["flags"] == []
    few = report(sat(200, 4))
    assert {"unreliable", "unsure_at_the_cut"} <= set(few["flags"])
    answers = sat(50, 10)
    easy = replace(answers, marks=[[1.0] * 10 for _row in answers.marks[1:]] + [[0.0] * 10])
    assert report(easy)["flags"] == ["too_easy"]
    hard = replace(answers, marks=[[0.0] * 10 for _row in answers.marks[1:]] + [[1.0] * 10])
    assert "too_hard" in report(hard)["flags"]


def test_those_near_the_pass_mark_are_counted(found):
    sem = found["test"]["sem"]
    assert found["near_cut"] == sum(
        count for score, count in found["scores"] if abs(score - found["cut"]) <= sem
    )
    assert 0 < found["near_cut"] < 600


def test_every_definition_that_was_used_is_named(found):
    assert set(found["definitions"]) <= set(Definition)
    assert {"alpha", "rasch", "two_pl", "mantel_haenszel", "identical_wrong", "first_attempt"} <= set(
        found["definitions"]
    )


def test_lines_hold_keys_and_pairs_only_for_those_who_may_see_them(found):
    everything = list(lines(found, {"n": 600}, keys=True, pairs=True))
    little = list(lines(found, {"n": 600}, keys=False, pairs=False))
    assert {len(line) for line in everything} == {len(HEADS)}
    assert {line[0] for line in everything} - {line[0] for line in little} == {"option", "pair to review"}
    assert not any("sitting-" in str(value) for line in little for value in line)
    assert not any(line[4] in {"is_right", "works", "working_distractors"} for line in little)


def test_no_spreadsheet_takes_a_code_for_a_formula():
    answers = replace(sat(3, 1), asked=[Asked(1, "=1+1", 1.0)])
    codes = {line[2] for line in lines(report(answers), {}, keys=True, pairs=True)}
    assert codes == {"", "'=1+1"}


@given(st.integers(0, 3), st.integers(0, 12), st.integers(0, 50))
def test_however_few_there_are_it_is_told_without_nan(k, n, seed):
    found = report(sat(n, k, seed=seed))
    json.dumps(found, allow_nan=False)
    list(lines(found, {}, keys=True, pairs=True))


def test_answers_that_are_no_choice_and_partial_marks_are_counted_too():
    answers = Answers(
        asked=[Asked(1, "N", 2.0), Asked(2, "C", 1.0, ("a", "b"), frozenset("a"), is_closed=True)],
        candidates=["one", "two", "three"],
        marks=[[1.5, 1.0], [None, 0.0], [2.0, None]],
        said=[["12.5", "a"], [None, "b"], ["13", None]],
        cut=2.0,
    )
    found = report(answers)
    assert [one["omitted"] for one in found["asked"]] == [1, 1]
    assert found["asked"][0]["facility"] == pytest.approx(3.5 / 6)
    assert found["asked"][0]["options"] is None
    assert found["maximum"] == 3
