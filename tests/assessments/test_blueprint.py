"""Blueprints: their faults, what a pool lacks for them, and the proof that a form fills them."""

import re
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.rules import TYPES
from lms.assessments.rules.blueprint import (
    MOST_CELLS,
    MOST_COUNT,
    Blueprint,
    Cell,
    Per,
    Pick,
    PoolItem,
    Shortfall,
    enemy_pairs,
    faults,
    fits,
    form_faults,
    forms_faults,
    in_words,
    is_rested,
    most_shared,
    places,
    shortfall,
    shortfalls,
)
from lms.core.i18n import speaking

NEWBORN, CHILD = "newborn", "child"


def codes(found):
    return [(fault.path, fault.code) for fault in found]


# ---------------------------------------------------------------- fitting


def test_a_cell_without_conditions_takes_any_item():
    assert fits(PoolItem(1), Cell(1))


@pytest.mark.parametrize(
    "cell",
    [
        Cell(1, topic=CHILD),
        Cell(1, type="A2"),
        Cell(1, cognitive="apply"),
        Cell(1, difficulty=(71, 100)),
        Cell(1, difficulty=(0, 69)),
    ],
)
def test_an_item_that_misses_one_condition_does_not_fit(cell):
    item = PoolItem(1, topic=NEWBORN, type="A1", cognitive="recall", difficulty=70)
    assert fits(item, Cell(1, topic=NEWBORN, type="A1", cognitive="recall", difficulty=(60, 80)))
    assert not fits(item, cell)


def test_both_ends_of_a_band_belong_to_it():
    band = Cell(1, difficulty=(30, 70))
    assert [fits(PoolItem(1, difficulty=at), band) for at in (29.9, 30, 70, 70.1)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_item_of_unknown_difficulty_fits_no_band_not_even_the_whole():
    assert not fits(PoolItem(1, difficulty=None), Cell(1, difficulty=(0, 100)))


def test_a_case_fills_as_many_places_as_it_has_asks_or_one_where_cases_are_counted():
    case = PoolItem(1, asks=4)
    assert places(case, Cell(4)) == 4
    assert places(case, Cell(4, per=Per.ITEM)) == 1


def test_an_item_shown_exactly_as_often_as_allowed_may_be_drawn_again():
    quarter = Fraction(1, 4)
    assert is_rested(PoolItem(1, exposure=quarter), quarter)
    assert not is_rested(PoolItem(1, exposure=Fraction(251, 1000)), quarter)
    assert is_rested(PoolItem(1, exposure=Fraction(1)), None)


def test_sharing_is_said_in_words_or_as_a_number():
    assert [most_shared(said) for said in ("disjoint", 0, 7, "any")] == [0, 0, 7, None]


# ---------------------------------------------------------------- faults of a blueprint


def test_a_sensible_blueprint_has_no_faults():
    blueprint = Blueprint(
        (
            Cell(10, topic=NEWBORN, type="A1", cognitive="apply", difficulty=(30, 70), marks=10),
            Cell(11, type="CASE", per=Per.ITEM),
            Cell(2, type="B1"),
            Cell(1),
        )
    )
    assert faults(blueprint) == []


@pytest.mark.parametrize("count", [0, MOST_CELLS + 1])
def test_a_blueprint_has_lines_but_not_without_end(count):
    blueprint = Blueprint(tuple(Cell(1, topic=str(n)) for n in range(count)))
    assert codes(faults(blueprint)) == [("cells", "cells")]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (Cell(0), ("cells.0.count", "count")),
        (Cell(MOST_COUNT + 1), ("cells.0.count", "count")),
        (Cell(1, marks=0), ("cells.0.marks", "marks")),
        (Cell(1, type="A9"), ("cells.0.type", "item_type")),
        (Cell(1, cognitive="guess"), ("cells.0.cognitive", "cognitive")),
        (Cell(1, difficulty=(70, 30)), ("cells.0.difficulty", "band")),
        (Cell(1, difficulty=(-1, 30)), ("cells.0.difficulty", "band")),
        (Cell(1, difficulty=(30, 101)), ("cells.0.difficulty", "band")),
        (Cell(1, difficulty=(float("nan"), 50)), ("cells.0.difficulty", "band")),
        (Cell(1, type="A3"), ("cells.0.count", "too_few")),
    ],
)
def test_a_fault_names_its_line_and_its_part(cell, found):
    assert codes(faults(Blueprint((cell,)))) == [found]


def test_one_case_is_enough_where_whole_cases_are_counted():
    assert not faults(Blueprint((Cell(1, type="A3", per=Per.ITEM),)))


def test_the_same_line_twice_is_a_fault_of_the_second():
    assert codes(faults(Blueprint((Cell(2), Cell(3), Cell(2))))) == [("cells.2", "twice")]


# ---------------------------------------------------------------- what a pool lacks


def test_a_pool_that_has_enough_lacks_nothing():
    assert (
        shortfalls(Blueprint((Cell(2, topic=NEWBORN),)), [PoolItem(n, topic=NEWBORN) for n in range(2)]) == []
    )


def test_each_cell_says_how_much_it_lacks():
    blueprint = Blueprint((Cell(3, topic=NEWBORN), Cell(1, topic=CHILD), Cell(2, type="A1")))
    items = [PoolItem(1, topic=NEWBORN), PoolItem(2, topic=CHILD)]
    assert [(lack.cell, lack.missing) for lack in shortfalls(blueprint, items)] == [(0, 2), (2, 2)]


def test_items_that_were_shown_too_often_are_not_counted():
    items = [PoolItem(1, exposure=Fraction(1, 2)), PoolItem(2)]
    assert shortfalls(Blueprint((Cell(2),)), items) == []
    (lack,) = shortfalls(Blueprint((Cell(2),)), items, max_exposure=Fraction(1, 4))
    assert lack.missing == 1


def test_cases_of_three_asks_cannot_fill_four_places():
    (lack,) = shortfalls(Blueprint((Cell(4),)), [PoolItem(n, asks=3, marks=3) for n in range(9)])
    assert (lack.missing, lack.marks_off) == (1, 0)


def test_marks_that_cannot_be_reached_are_a_lack_of_their_own():
    (lack,) = shortfalls(Blueprint((Cell(2, marks=7),)), [PoolItem(n, marks=2) for n in range(9)])
    assert (lack.missing, lack.marks_off) == (0, 3)


def items_of(*, most=6):
    return st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.sampled_from((NEWBORN, CHILD))), max_size=most
    ).map(
        lambda rows: [
            PoolItem(n, asks=asks, marks=marks, topic=topic) for n, (asks, marks, topic) in enumerate(rows)
        ]
    )


@given(
    items_of(most=8),
    st.builds(
        Cell,
        count=st.integers(1, 6),
        topic=st.sampled_from(("", NEWBORN)),
        marks=st.none() | st.integers(1, 12),
        per=st.sampled_from(Per),
    ),
)
def test_a_lack_is_what_trying_every_choice_of_items_finds(items, cell):
    fitting = [item for item in items if fits(item, cell)]
    best = None
    for size in range(len(fitting) + 1):
        for chosen in combinations(fitting, size):
            filled = sum(places(item, cell) for item in chosen)
            if filled <= cell.count:
                missing = cell.count - filled
                marks = sum(item.marks for item in chosen)
                off = 0 if missing or cell.marks is None else abs(marks - cell.marks)
                best = min(best or (missing, off), (missing, off))
    found = [(lack.missing, lack.marks_off) for lack in shortfalls(Blueprint((cell,)), items)]
    assert found == ([best] if best != (0, 0) else [])


def test_a_lack_is_said_in_words_with_its_line_and_the_number_over_all_forms():
    cell = Cell(10, type="A1", topic="新生儿", cognitive="apply", difficulty=(30, 62.5))
    with speaking("en"):
        lack = shortfall(Blueprint((Cell(7), cell)), 1, missing=4, forms=3)
        what = in_words(cell)
    assert lack == Shortfall(1, 4, 0, lack.message)
    assert what in lack.message
    assert {"2", "30", "4"} <= set(re.findall(r"\d+", lack.message.replace(what, "")))
    assert all(word in what for word in (str(TYPES["A1"].words), "新生儿", "30", "62.5 %"))


def test_a_cell_without_conditions_has_words_too():
    assert in_words(Cell(1))


# ---------------------------------------------------------------- proof

BLUEPRINT = Blueprint((Cell(2, topic=NEWBORN, marks=2), Cell(3, topic=CHILD)))
POOL = [
    PoolItem(1, topic=NEWBORN),
    PoolItem(2, topic=NEWBORN, enemies=frozenset({1})),
    PoolItem(3, topic=NEWBORN, exposure=Fraction(1, 2)),
    PoolItem(4, topic=NEWBORN, marks=2),
    PoolItem(5, topic=CHILD, asks=2, marks=2),
    PoolItem(6, topic=CHILD),
    PoolItem(7, topic=CHILD, asks=3, marks=3),
]


def form(newborns, children):
    return [*(Pick(0, item) for item in newborns), *(Pick(1, item) for item in children)]


def test_a_form_that_fills_every_cell_exactly_stands():
    assert form_faults(BLUEPRINT, form([1, 3], [5, 6]), POOL) == []
    assert form_faults(BLUEPRINT, form([1, 3], [7]), POOL, max_exposure=Fraction(1, 2)) == []


@pytest.mark.parametrize(
    ("picks", "found"),
    [
        (form([1], [7]), [("cells.0", "cell_count"), ("cells.0", "cell_marks")]),
        (form([1, 3], [5]), [("cells.1", "cell_count")]),
        (form([1, 3], [5, 6, 7]), [("cells.1", "cell_count")]),
        (form([1, 4], [7]), [("cells.0", "cell_marks")]),
        (form([1, 2], [7]), [("items.1.2", "enemies")]),
        (form([1, 6], [7]), [("items.6", "misfit")]),
        ([*form([1, 3], [7]), Pick(2, 4)], [("items.4", "misfit")]),
        ([*form([1, 3], [7]), Pick(-1, 4)], [("items.4", "misfit")]),
        (form([3, 3], [7]), [("items.3", "twice")]),
        ([*form([1, 3], [7]), Pick(0, 99)], [("items.99", "unknown_item")]),
        ([], [("cells.0", "cell_count"), ("cells.0", "cell_marks"), ("cells.1", "cell_count")]),
    ],
)
def test_what_a_form_lacks_is_named(picks, found):
    assert codes(form_faults(BLUEPRINT, picks, POOL)) == found


def test_an_item_that_was_shown_too_often_is_named():
    found = form_faults(BLUEPRINT, form([1, 3], [7]), POOL, max_exposure=Fraction(1, 4))
    assert codes(found) == [("items.3", "exposure")]


def test_enemies_are_enemies_whichever_of_the_two_says_so():
    one, other = PoolItem(1, enemies=frozenset({2})), PoolItem(2, enemies=frozenset({1, 9}))
    assert enemy_pairs([other, PoolItem(1)]) == [(1, 2)]
    assert enemy_pairs([PoolItem(2), one]) == [(1, 2)]
    assert enemy_pairs([one, other]) == [(1, 2)]


def test_an_item_is_not_its_own_enemy():
    assert enemy_pairs([PoolItem(1, enemies=frozenset({1}))]) == []


@pytest.mark.parametrize(
    ("overlap", "found"),
    [
        ("any", []),
        (2, []),
        (1, [("forms.0.1", "overlap")]),
        ("disjoint", [("forms.0.1", "overlap")]),
    ],
)
def test_forms_share_no_more_items_than_they_may(overlap, found):
    blueprint, pool = Blueprint((Cell(3),)), [PoolItem(n) for n in range(9)]
    forms = [[Pick(0, n) for n in picked] for picked in ((0, 1, 2), (1, 2, 3), (4, 5, 6))]
    assert codes(forms_faults(blueprint, forms, pool, overlap=overlap)) == found


def test_the_faults_of_several_forms_name_the_form():
    pool = [PoolItem(n) for n in range(9)]
    found = forms_faults(Blueprint((Cell(1),)), [[Pick(0, 1)], [Pick(0, 2), Pick(0, 3)]], pool)
    assert codes(found) == [("forms.1.cells.0", "cell_count")]
