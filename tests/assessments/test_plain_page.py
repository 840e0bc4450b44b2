"""The paper without scripts: what cannot be read is said, shown as it was given, and keeps the test open; the rest is saved."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lms.assessments import rules, services
from lms.assessments.models import Mark, ResponseHead, Sitting
from lms.core.db import db, transaction
from tests.assessments.test_items import ITEMS, STEM, options

GAPS, LIST = ITEMS["GAP"], ITEMS["CLOZE"]
QUESTIONS = [
    *((kind, *ITEMS[kind]) for kind in ("X", "KF", "ORDER", "NUM", "MATCH", "SLIDER", "SHORT")),
    ("GAP", {**GAPS[0], "per_option": 1}, GAPS[1]),
    ("MATCH", {**STEM, "options": options("abcd"), "symmetric": True}, {"pairs": [["a", "b"], ["c", "d"]]}),
    ("HOTSPOT", *ITEMS["HOTSPOT"]),
    ("CLOZE", *LIST),
]
KF, ORDER, NUM, MATCH, SLIDER, SHORT, GAP, PAIRS, SPOT, WORD, DOSE = SLOTS = range(2, 13)
ALL = {1, *SLOTS}

SOUND = {
    "slot-1-here": "1", "slot-1": ["a", "c"],
    "slot-2-here": "1", "slot-2": ["a", "b"],
    "slot-3-a": "2", "slot-3-b": "4", "slot-3-c": "1", "slot-3-d": "3",
    "slot-4-number": "12.5", "slot-4-unit": "mg",
    "slot-5-x": "a", "slot-5-y": "b", "slot-5-z": "",
    "slot-6-number": "7.5",
    "slot-7": "adrenaline",
    "slot-8-g1": "a", "slot-8-g2": "c",
    "slot-9-a": "b", "slot-9-b": "", "slot-9-c": "", "slot-9-d": "c",
    "slot-10-x": "100", "slot-10-y": "110",
    "slot-11": "a", "slot-12-number": "20",
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
                bank, kind=kind, body=body, key=key, rationale={"zh": "因为"}, at=at, by=None
            )
            for kind, body, key in QUESTIONS
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
    assert set(heads) == ALL
    assert heads[GAP] == {"pairs": [["g1", "a"], ["g2", "c"]]}
    assert heads[PAIRS] == {"pairs": [["a", "b"], ["c", "d"]]}
    assert heads[SPOT] == {"points": [[100, 110]]}
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
        (GAP, {"slot-8-g1": "c"}, "“option c (en)” may be used once"),
        (PAIRS, {"slot-9-b": "c"}, "“option b (en)” may be used once"),
        (SPOT, {"slot-10-x": "401"}, 'value="401"'),
        (DOSE, {"slot-12-number": "half"}, 'value="half"'),
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
    assert set(heads) == ALL - {slot}, "the others are saved"
    assert state == "in_progress", "nothing is handed in over a person's head"
    assert press(taken, "submit").status_code == 303
    assert set(stands(bare_app)[0]) == ALL


def chosen(page, name):
    """The line that stands in a list."""
    inside = page.partition(f'name="{name}"')[2].partition("</select>")[0]
    return re.findall(r'value="(\w*)" selected', inside)


@pytest.mark.parametrize(
    "typed",
    [
        {"slot-8-g1": "c", "slot-8-g2": "c"},
        {"slot-9-a": "b", "slot-9-b": "c", "slot-9-c": "", "slot-9-d": "c"},
        {"slot-9-a": "d", "slot-9-b": "d", "slot-9-c": "d", "slot-9-d": "a"},
    ],
)
def test_lists_that_are_refused_stand_as_they_were_chosen(taken, typed):
    page = press(taken, "save", **typed).text
    assert {name: chosen(page, name) for name in typed} == {
        name: [value] if value else [] for name, value in typed.items()
    }
    assert 'class="error-text"' in page


def test_what_was_chosen_in_a_list_is_taken_back_by_its_first_line(bare_app, taken):
    press(taken, "save")
    press(taken, "save", **{"slot-8-g1": "", "slot-11": "", "slot-12-number": ""})
    heads, _state = stands(bare_app)
    assert heads[GAP] == {"pairs": [["g2", "c"]]}
    assert heads[WORD] == {"choice": None}
    assert not rules.is_answered(heads[DOSE])


def test_an_untouched_page_writes_nothing(bare_app, taken):
    taken.client.post(
        f"{taken.url}/answers",
        data={"act": "save", **dict.fromkeys(SOUND, ""), "slot-3-a": "", "slot-8-g1": ""},
    )
    assert stands(bare_app)[0] == {}


def test_pairs_gaps_and_places_of_a_plain_page_earn_their_marks(bare_app, taken, at):
    press(taken, "submit", **{"slot-8-g2": "b"})
    with bare_app.app_context():
        with transaction():
            services.mark_sitting(db.session.scalars(select(Sitting.id)).one(), at=at + timedelta(hours=1))
        earned = dict(db.session.execute(select(Mark.slot, Mark.score)).all())
    assert {slot: earned[slot] for slot in (GAP, PAIRS, SPOT, WORD, DOSE)} == {
        GAP: 0, PAIRS: 1, SPOT: 1, WORD: 1, DOSE: 1,
    }  # fmt: skip


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
