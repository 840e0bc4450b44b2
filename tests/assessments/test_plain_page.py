"""The paper without scripts: what cannot be read is said, shown as it was given, and keeps the test open; the rest is saved."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.assessments import rules, services
from lms.assessments.models import ResponseHead, Sitting
from lms.core.db import db, transaction
from tests.assessments.test_items import ITEMS

KINDS = ("X", "KF", "ORDER", "NUM", "MATCH", "SLIDER", "SHORT")
KF, ORDER, NUM, MATCH, SLIDER, SHORT = range(2, 8)

SOUND = {
    "slot-1-here": "1", "slot-1": ["a", "c"],
    "slot-2-here": "1", "slot-2": ["a", "b"],
    "slot-3-a": "2", "slot-3-b": "4", "slot-3-c": "1", "slot-3-d": "3",
    "slot-4-number": "12.5", "slot-4-unit": "mg",
    "slot-5-x": "a", "slot-5-y": "b", "slot-5-z": "",
    "slot-6-number": "7.5",
    "slot-7": "adrenaline",
}  # fmt: skip


@pytest.fixture
def taken(bare_app, cast, at, candidate):
    """A candidate before a paper with one question of each kind that a plain form can get wrong."""
    with bare_app.app_context(), transaction():
        bank = services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=None
        )
        versions = [
            services.add_question(
                bank, code=kind, kind=kind, body=ITEMS[kind][0], key=ITEMS[kind][1], rationale={"zh": "因为"}, at=at, by=None
            )
            for kind in KINDS
        ]  # fmt: skip
        test = services.make_test(
            cast.cohort, versions, title_zh="测验", title_en="Test", duration_s=1800, cut_percent=60,
            opens_at=at - timedelta(hours=1), closes_at=at + timedelta(days=1), at=at, by=None,
        )  # fmt: skip
        services.publish(test, at=at, by=None)
    trainee = candidate()
    trainee.start(test)
    return trainee


def stands(bare_app):
    with bare_app.app_context():
        heads = db.session.execute(select(ResponseHead.slot, ResponseHead.body)).all()
        return dict(heads), db.session.scalars(select(Sitting.state)).one()


def press(taken, act, **fields):
    return taken.client.post(f"{taken.url}/answers", data={"act": act, **SOUND, **fields})


def test_a_sound_page_is_handed_in(bare_app, taken):
    assert press(taken, "submit").status_code == 303
    heads, state = stands(bare_app)
    assert len(heads) == len(KINDS)
    assert state == "submitted"


@pytest.mark.parametrize(
    ("slot", "fields", "kept"),
    [
        (KF, {"slot-2": ["a", "b", "c", "d"]}, 'value="d" checked'),
        (ORDER, {"slot-3-a": "1"}, '<option value="1" selected>'),
        (ORDER, {"slot-3-b": ""}, '<option value="2" selected>'),
        (NUM, {"slot-4-number": "about ten"}, 'value="about ten"'),
        (MATCH, {"slot-5-x": "nonsense"}, 'name="slot-5-x"'),
        (SLIDER, {"slot-6-number": "7.3"}, 'value="7.3"'),
        (SHORT, {"slot-7": "x" * 1001}, "x" * 1001),
    ],
)
@pytest.mark.parametrize("act", ["save", "submit"])
def test_an_answer_that_cannot_be_read_is_named_and_shown_as_given(bare_app, taken, slot, fields, kept, act):
    answer = press(taken, act, **fields)
    assert answer.status_code == 422
    number = re.search(rf'id="q(\d+)" data-slot="{slot}"', answer.text)[1]
    assert f'href="#q{number}" data-error' in answer.text
    assert answer.text.count("data-error") == 1
    assert kept in answer.text
    heads, state = stands(bare_app)
    assert set(heads) == set(range(1, 8)) - {slot}, "the others are saved"
    assert state == "in_progress", "nothing is handed in over a person's head"
    assert press(taken, "submit").status_code == 303
    assert set(stands(bare_app)[0]) == set(range(1, 8))


def test_a_pair_without_direction_that_both_rows_say_is_one_pair():
    body = {"symmetric": True, "options": [{"id": one} for one in "abcd"], "per_row": 1}
    given = {"slot-1-a": ["b"], "slot-1-b": ["a"], "slot-1-c": ["d"], "slot-1-d": ["c"]}
    ask = rules.ask_of("MATCH", body, None)
    raw = rules.from_fields(ask, 1, lambda name: given.get(name, []))
    assert rules.read_response(ask, raw) == {"pairs": [["a", "b"], ["c", "d"]]}


def test_an_order_is_taken_back_by_emptying_its_places(bare_app, taken):
    press(taken, "save")
    press(taken, "save", **{f"slot-3-{one}": "" for one in "abcd"})
    assert stands(bare_app)[0][ORDER] == {"order": []}


def test_after_the_time_is_up_an_unreadable_answer_does_not_keep_the_page_open(taken, later):
    with later(hours=3):
        answer = press(taken, "submit", **{"slot-4-number": "about ten"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{taken.url}/result"
