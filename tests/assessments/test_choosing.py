"""Cases of which candidates choose some, and papers in parts: from the blueprint to the statistics."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from lms.assessments import queries, rules, services
from lms.assessments.models import Grade, Mark, ResponseEvent, ResponseHead, Sitting
from lms.assessments.psychometrics.chosen import Chosen, stratified_alpha
from lms.assessments.psychometrics.classical import classical
from lms.assessments.psychometrics.report import report
from lms.assessments.rules.blueprint import Blueprint, Cell, Per, PoolItem, faults, fits
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from tests.assessments.cases import CASES, case_test
from tests.assessments.conftest import Candidate

CHOICE = 20_002
"""The second line of the blueprint is the one to choose from."""
PART = 30_001


@pytest.fixture
def opened(bare_app, cast, at):
    """Two ordinary questions (slots 1 and 2) and three cases of two asks, of which two are chosen (3, 5 and 7 begin them)."""
    with bare_app.app_context():
        return case_test(cast, at)


@pytest.fixture
def parted(bare_app, cast, at):
    """The same in two parts: first the questions, then the cases."""
    with bare_app.app_context():
        return case_test(
            cast,
            at,
            cells=(Cell(2, type="A1"), Cell(3, type="CASE", marks=8, per=Per.ITEM, choose=2, part=2)),
        )


@pytest.fixture
def chooser(opened, candidate):
    """A candidate before that paper."""
    found = candidate()
    found.start(opened)
    return found


def rejected(answer):
    return [one["reason"] for one in answer.json["rejected"]]


def result_of(bare_app):
    with bare_app.app_context():
        return db.session.scalars(select(Grade)).one()


# ---------------------------------------------------------------- blueprint


@pytest.mark.parametrize(
    ("cell", "path", "code"),
    [
        (Cell(3, type="CASE", marks=8, per=Per.ITEM, choose=3), "cells.0.choose", "choose"),
        (Cell(3, type="CASE", marks=8, per=Per.ITEM, choose=0), "cells.0.choose", "choose"),
        (Cell(9, type="CASE", marks=8, choose=2), "cells.0.choose", "choose_asks"),
        (Cell(3, type="A1", marks=8, per=Per.ITEM, choose=2), "cells.0.type", "choose_type"),
        (Cell(3, marks=8, per=Per.ITEM, choose=2), "cells.0.type", "choose_type"),
        (Cell(3, type="CASE", per=Per.ITEM, choose=2), "cells.0.marks", "choose_marks"),
        (Cell(3, type="CASE", marks=9, per=Per.ITEM, choose=2), "cells.0.marks", "choose_marks"),
        (Cell(21, type="CASE", marks=8, per=Per.ITEM, choose=2), "cells.0.count", "choose_many"),
        (Cell(3, type="A1", part=10), "cells.0.part", "part"),
        (Cell(3, type="A1", part=2), "cells.0.part", "parts"),
    ],
)
def test_a_line_to_choose_from_that_makes_no_sense_is_refused_at_its_field(bare_app, cell, path, code):
    with bare_app.test_request_context():
        assert [(fault.path, fault.code) for fault in faults(Blueprint((cell,)))] == [(path, code)]


def test_only_cases_of_equal_worth_are_drawn_to_choose_from():
    assert fits(PoolItem(1, type="CASE", marks=4), CASES)
    assert not fits(PoolItem(1, type="CASE", marks=5), CASES)


def test_what_the_bank_lacks_of_equal_cases_is_said(bare_app, cast, at):
    with bare_app.app_context(), pytest.raises(RuleBroken) as refusal:
        case_test(cast, at, cells=(Cell(3, type="CASE", marks=10, per=Per.ITEM, choose=2),))
    assert refusal.value.code == "infeasible"


def test_the_form_says_what_is_chosen_and_everybody_can_earn_the_same(bare_app, opened):
    with bare_app.app_context():
        slots = queries.form_of(opened.id).slots
    assert [slot.get("choice") for slot in slots] == [None, None, 2, 2, 2, 2, 2, 2]
    assert {slot["take"] for slot in slots[2:]} == {2}
    assert rules.maximum(slots) == 2 + 8
    assert rules.ask_counts(slots) == (6, 6)
    assert rules.choices_of(slots) == {CHOICE: (2, (3, 5, 7))}
    assert sum(rules.weights(slots).values()) == 10


@given(st.data())
def test_whatever_is_chosen_the_marks_that_can_be_earned_are_the_maximum(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=6))
    take, worth = data.draw(st.integers(1, len(sizes) - 1)), 12
    slots, number = [{"slot": 1, "marks": 3}], itertools.count(2)
    for size in sizes:
        marks = [worth - size + 1] + [1] * (size - 1)
        slots += [
            {"slot": next(number), "marks": mark, "ask": ask, "choice": 1, "take": take}
            for ask, mark in enumerate(marks)
        ]
    _take, firsts = rules.choices_of(slots)[20_001]
    chosen = data.draw(st.permutations(firsts))[:take]
    locked = rules.locked_by(20_001, {"lock": list(chosen)})
    had = rules.administered(slots, locked)
    assert sum(slot["marks"] for slot in had) == rules.maximum(slots) == 3 + take * worth
    assert rules.ask_counts(slots)[0] <= len(had) <= rules.ask_counts(slots)[1]


# ---------------------------------------------------------------- choosing


def test_before_the_choice_only_the_stems_are_in_any_byte(chooser):
    page = chooser.client.get(chooser.url).text
    assert "Case 1: an infant" in page
    assert "Case 3: an infant" in page
    assert not re.search(r"Case \d ask", page)
    for slot in range(3, 9):
        assert chooser.client.get(f"{chooser.url}/slots/{slot}").status_code == 404
        assert rejected(chooser.send(chooser.op(slot, {"choices": ["a"]}))) == ["not_shown"]
        assert rejected(chooser.send(chooser.op(slot, {"lock": True}))) == ["not_shown"]


def test_a_choice_may_change_until_it_is_confirmed_and_then_never(bare_app, chooser):
    assert (
        rejected(chooser.send(chooser.op(CHOICE, {"choose": [3, 5]}), chooser.op(CHOICE, {"choose": [7, 3]})))
        == []
    )
    with bare_app.app_context():
        sitting = db.session.scalars(select(Sitting)).one()
        assert queries.standing(sitting.id).chosen == {CHOICE: [3, 7]}
    assert rejected(chooser.send(chooser.op(CHOICE, {"lock": [3, 7]}))) == []
    page = chooser.client.get(chooser.url).text
    assert "Case 1 ask 1" in page
    assert "Case 3 ask 1" in page
    assert "Case 2" not in page
    assert "Case 1 ask 2" not in page
    assert (
        rejected(chooser.send(chooser.op(CHOICE, {"choose": [5]}), chooser.op(CHOICE, {"lock": [5, 7]})))
        == ["locked"] * 2
    )
    assert rejected(chooser.send(chooser.op(5, {"choices": ["a"]}))) == ["not_shown"]
    assert rejected(chooser.send(chooser.op(3, {"choices": ["a"]}), chooser.op(3, {"lock": True}))) == []
    assert "Case 1 ask 2" in chooser.client.get(f"{chooser.url}/slots/4").text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"choose": [3, 5, 7]}, "too_many"),
        ({"lock": [3, 5, 7]}, "too_many"),
        ({"lock": [3]}, "too_few"),
        ({"lock": []}, "too_few"),
        ({"lock": True}, "malformed"),
        ({"choose": [4]}, "malformed"),
        ({"choose": [3, 3]}, "malformed"),
        ({"choose": [True]}, "malformed"),
        ({"choose": ["3"]}, "malformed"),
        ({"choose": 3}, "malformed"),
        ({"choice": "a"}, "unknown_slot"),
        ({"flag": True}, "unknown_slot"),
    ],
)
def test_what_is_no_choice_is_kept_and_does_not_count(chooser, body, reason):
    assert rejected(chooser.send(chooser.op(CHOICE, body))) == [reason]
    assert "Case 2: an infant" in chooser.client.get(chooser.url).text


def test_a_choice_at_a_slot_that_has_none_does_not_count(chooser):
    for slot in (1, 3, 20_001, 20_003, 30_001):
        assert rejected(chooser.send(chooser.op(slot, {"choose": [3]}))) == ["unknown_slot"]


def test_two_clicks_and_a_lost_reply_make_one_choice(bare_app, chooser):
    op = chooser.op(CHOICE, {"lock": [3, 5]})
    for _ in range(3):
        answer = chooser.send(op, op)
        assert answer.json["acked"] == 1
        assert not answer.json["rejected"]
    assert rejected(chooser.send(chooser.op(CHOICE, {"lock": [3, 5]}))) == ["locked"]
    with bare_app.app_context():
        event = select(func.count()).where(ResponseEvent.slot == CHOICE, ResponseEvent.applied)
        assert db.session.scalar(event) == 1


def test_two_pages_that_confirm_at_once_make_one_choice(bare_app, chooser):
    other = Candidate(chooser.client, "device-2")
    other.url = chooser.url
    both = [
        rejected(chooser.send(chooser.op(CHOICE, {"lock": [3, 5]}))),
        rejected(other.send(other.op(CHOICE, {"lock": [5, 7]}))),
    ]
    assert both == [[], ["locked"]]
    with bare_app.app_context():
        head = db.session.scalars(select(ResponseHead).where(ResponseHead.kind == "lock")).one()
        assert head.body == {"lock": [3, 5]}


def test_heads_of_choices_are_rebuilt_from_the_events(bare_app, chooser):
    chooser.send(chooser.op(CHOICE, {"choose": [7]}), chooser.op(CHOICE, {"choose": [3, 7]}))
    chooser.send(chooser.op(CHOICE, {"lock": [7, 3]}))
    with bare_app.app_context():
        sitting = db.session.scalars(select(Sitting)).one()
        folded = {key: event.body for key, event in rules.fold(queries.kept_events(sitting.id)).items()}
        heads = {(row.slot, row.kind): row.body for row in db.session.scalars(select(ResponseHead))}
    assert folded == heads == {(CHOICE, "choose"): {"choose": [3, 7]}, (CHOICE, "lock"): {"lock": [3, 7]}}


# ---------------------------------------------------------------- without scripts


def press(candidate, act, **fields):
    return candidate.client.post(
        f"{candidate.url}/answers", data={"act": act, f"choose-{CHOICE}-here": "1", **fields}
    )


def test_the_plain_page_chooses_confirms_and_goes_on(bare_app, chooser):
    assert press(chooser, "save", **{f"choose-{CHOICE}": ["5"], "slot-1": "a"}).status_code == 303
    page = chooser.client.get(chooser.url).text
    assert re.search(r'name="choose-20002" value="5" checked', page)
    too_few = press(chooser, f"lock-{CHOICE}", **{f"choose-{CHOICE}": ["5"]})
    assert too_few.status_code == 422
    assert "You have chosen 1 of 2" in too_few.text
    too_many = press(chooser, "save", **{f"choose-{CHOICE}": ["3", "5", "7"]})
    assert too_many.status_code == 422
    assert "Choose 2 of these 3, no more" in too_many.text
    assert len(re.findall(r'name="choose-20002" value="\d" checked', too_many.text)) == 3  # as it was typed
    assert press(chooser, f"lock-{CHOICE}", **{f"choose-{CHOICE}": ["5", "7"]}).status_code == 303
    page = chooser.client.get(chooser.url).text
    assert "Case 2 ask 1" in page
    assert "Case 3 ask 1" in page
    assert "Case 1" not in page
    assert press(chooser, "lock-5", **{"slot-5-here": "1", "slot-5": ["a", "b"]}).status_code == 303
    assert "Case 2 ask 2" in chooser.client.get(chooser.url).text


def test_handing_in_without_a_choice_is_asked_once_more(bare_app, chooser):
    asked = press(chooser, "submit", **{f"choose-{CHOICE}": ["3"], "slot-1": "a"})
    assert asked.status_code == 422
    assert "You have not confirmed which 2 of the 3 cases you answer" in asked.text
    with bare_app.app_context():
        assert db.session.scalars(select(Sitting.state)).one() == "in_progress"
    assert press(chooser, "sure").status_code == 303
    grade = result_of(bare_app)
    assert (grade.score, grade.maximum) == (1, 10)
    page = chooser.client.get(f"{chooser.url}/result").text
    assert "the choice was not confirmed" in page
    assert "Case 1" not in page


# ---------------------------------------------------------------- marks


def play(candidate, chosen=(3, 5), answers=None):
    """Choose cases, answer their asks in turn, hand in."""
    candidate.send(candidate.op(CHOICE, {"lock": list(chosen)}))
    for first, right in zip(chosen, answers or [("ab", "cd")] * 2, strict=True):
        for slot, letters in zip((first, first + 1), right, strict=True):
            assert not rejected(
                candidate.send(
                    candidate.op(slot, {"choices": list(letters)}), candidate.op(slot, {"lock": True})
                )
            )
    return candidate.send(candidate.op(None, {"submit": True}))


def test_only_the_chosen_cases_are_marked_and_the_maximum_is_the_same(bare_app, chooser):
    chooser.send(chooser.op(1, {"choice": "a"}))
    answer = play(chooser, (3, 7), [("ab", "cd"), ("a", "ce")])
    grade = result_of(bare_app)
    assert (grade.score, grade.maximum) == (1 + 4 + 1, 10)
    with bare_app.app_context():
        marks = {mark.slot: mark.score for mark in db.session.scalars(select(Mark))}
    assert marks == {1: 1, 2: 0, 3: 2, 4: 2, 7: 1, 8: 0}
    assert '"questions":6' in answer.json["receipt"]
    page = chooser.client.get(f"{chooser.url}/result").text
    assert "5 of 6" in page
    assert "Case 2" not in page
    assert "2 of 3 cases were to be chosen" in page


def test_a_regrade_of_a_case_that_was_not_chosen_changes_nothing(bare_app, opened, chooser):
    play(chooser, (3, 5))
    with bare_app.app_context():
        found = queries.regrade(opened)
    assert found.is_empty
    assert found.grades[0].maximum == 10
    assert {mark.slot for mark in found.grades[0].marks} == {1, 2, 3, 4, 5, 6}


def test_an_appeal_against_a_case_that_was_not_chosen_is_about_nothing(bare_app, cast, at, chooser):
    play(chooser, (3, 5))
    with bare_app.app_context():
        public_id = db.session.scalars(select(Sitting.public_id)).one()
        sitting = queries.sitting(public_id, cast.trainee)
        with pytest.raises(NotFound):
            services.appeal(sitting, 7, "Why?", client_uuid="uuid-0009", by=cast.trainee, at=at)


def test_the_expiry_of_a_sitting_without_a_choice_leaves_the_maximum(bare_app, chooser, later):
    chooser.send(chooser.op(CHOICE, {"choose": [3, 5]}))
    with later(hours=2):
        assert rejected(chooser.send(chooser.op(CHOICE, {"lock": [3, 5]}))) == ["late"]
        chooser.client.get(f"{chooser.url}/result")
    grade = result_of(bare_app)
    assert (grade.score, grade.maximum) == (0, 10)


# ---------------------------------------------------------------- parts


def test_a_part_opens_when_the_one_before_is_finished_and_closes_for_good(bare_app, parted, candidate):
    taker = candidate()
    taker.start(parted)
    page = taker.client.get(taker.url).text
    assert "Part 1 of 2" in page
    assert "an infant" not in page
    assert "Finish part 1" in page
    assert rejected(taker.send(taker.op(CHOICE, {"lock": [3, 5]}))) == ["not_shown"]
    assert rejected(taker.send(taker.op(30_002, {"lock": True}))) == ["unknown_slot"]
    assert rejected(taker.send(taker.op(1, {"choice": "a"}), taker.op(PART, {"lock": True}))) == []
    assert (
        rejected(taker.send(taker.op(1, {"choice": "b"}), taker.op(PART, {"lock": True}))) == ["locked"] * 2
    )
    page = taker.client.get(taker.url).text
    assert "Part 2 of 2" in page
    assert "Case 1: an infant" in page
    assert "Question 0" not in page
    play(taker)
    grade = result_of(bare_app)
    assert (grade.score, grade.maximum) == (9, 10)


def test_the_plain_page_finishes_a_part_and_warns_before_the_rest_is_given_up(bare_app, parted, candidate):
    taker = candidate()
    taker.start(parted)
    warned = taker.client.post(f"{taker.url}/answers", data={"act": "submit", "slot-1": "a"})
    assert warned.status_code == 422
    assert "1 part of the paper is not open yet" in warned.text
    assert (
        taker.client.post(
            f"{taker.url}/answers", data={"act": f"lock-{PART}.sure", "slot-2": "a"}
        ).status_code
        == 303
    )
    page = taker.client.get(taker.url).text
    assert "Part 2 of 2" in page
    assert 'name="slot-1"' not in page
    taker.client.post(f"{taker.url}/answers", data={"act": "sure"})
    grade = result_of(bare_app)
    assert (grade.score, grade.maximum) == (2, 10)


# ---------------------------------------------------------------- statistics


def test_statistics_count_who_chose_a_case_and_nobody_else(bare_app, cast, opened, candidate):
    plays = [
        (cast.trainee, (3, 5), [("ab", "cd"), ("ab", "cd")]),
        (cast.other_trainee, (3, 7), [("a", "c"), ("ab", "")]),
    ]
    for number, (who, chosen, answers) in enumerate(plays):
        taker = candidate(who, device=f"device-{number}")
        taker.start(opened, uuid=f"click-{number:04d}")
        play(taker, chosen, answers)
    with bare_app.app_context():
        now = queries.stand(opened.id)
        found = report(queries.data_of(opened.id, now.run, now.last_grade_id).answers)
    by_slot = {one["slot"]: one for one in found["asked"]}
    assert [by_slot[slot]["n"] for slot in range(1, 9)] == [2, 2, 2, 2, 1, 1, 1, 1]
    assert [by_slot[slot]["omitted"] for slot in range(1, 9)] == [2, 2, 0, 0, 0, 0, 0, 1]
    assert by_slot[3]["facility"] == pytest.approx(0.75)  # 2 and 1 of 2 marks
    assert by_slot[5]["facility"] == 1
    assert by_slot[8]["facility"] == 0
    assert found["maximum"] == 10
    assert found["totals"]["mean"] == 6
    assert found["test"]["why"]["kr20"] == by_slot[3]["why"]["alpha_if_deleted"] == "chosen"
    assert found["models"]["rasch"]["why"]["log_likelihood"] == "chosen"
    # The common questions earned nobody anything; the cases (4, 4) and (2, 2) have no spread within persons.
    assert found["test"]["alpha"] == 1


def test_reliability_of_chosen_cases_alone_is_the_intraclass_correlation(at):
    chance = np.random.default_rng(8)
    n, cases, take = 40, 11, 8
    skill = chance.normal(size=n)
    had = np.zeros((n, cases), dtype=bool)
    for row in had:
        row[chance.choice(cases, take, replace=False)] = True
    scores = np.where(had, skill[:, None] + chance.normal(size=(n, cases)), 0.0)
    found = stratified_alpha(scores, Chosen(had, [1] * cases, list(range(cases))))
    own = scores[had].reshape(n, take)
    between, within = take * own.mean(axis=1).var(ddof=1), own.var(axis=1, ddof=1).mean()
    assert found == pytest.approx(1 - within / between)  # ICC(1,k), Shrout and Fleiss 1979
    everybody = classical(own)
    nobody_chose = stratified_alpha(
        own, Chosen(np.ones_like(own, dtype=bool), [None] * take, list(range(take)))
    )
    assert nobody_chose == pytest.approx(everybody.alpha)


# ---------------------------------------------------------------- the invigilator


def test_the_invigilator_sees_whose_cases_are_confirmed(opened, chooser, cast, browser, queries):
    examiner = browser(cast.examiner, lang="en")
    board, one = f"/tests/{opened.public_id}/board", f"{chooser.url}/supervise"
    chooser.send(chooser.op(CHOICE, {"choose": [3, 5]}))
    with queries() as before:
        page = examiner.get(board).text
    assert "cases not confirmed" in page
    assert "cases not confirmed" in examiner.get(one).text
    chooser.send(chooser.op(CHOICE, {"lock": [3, 5]}))
    with queries() as after:
        page = examiner.get(board).text
    assert "cases confirmed" in page
    assert "not confirmed" not in page
    assert "cases confirmed" in examiner.get(one).text
    assert after.count == before.count


def test_a_board_without_a_choice_says_nothing_of_cases(desk, candidate, cast, browser):
    trainee = candidate()
    trainee.start(desk.test)
    examiner = browser(cast.examiner, lang="en")
    for address in (f"/tests/{desk.test.public_id}/board", f"{trainee.url}/supervise"):
        assert "confirmed" not in examiner.get(address).text
