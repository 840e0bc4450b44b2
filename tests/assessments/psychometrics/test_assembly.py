"""Forms are drawn exactly by their blueprint, or it is said what is lacking."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lms.assessments.psychometrics.assembly import (
    DIFFICULTY_TOLERANCE,
    INFORMATION_TOLERANCE,
    WITHOUT,
    Drawn,
    Infeasible,
    Limit,
    draw,
)
from lms.assessments.rules.blueprint import (
    Blueprint,
    Cell,
    Per,
    Pick,
    PoolItem,
    enemy_pairs,
    fits,
    forms_faults,
    is_rested,
    most_shared,
    places,
    shortfalls,
)

SEED = b"form"
A, B = "a", "b"


def drawn(blueprint, items, **terms):
    """The forms, proven independently."""
    found = draw(blueprint, items, seed=SEED, **terms)
    assert isinstance(found, Drawn), found
    kept = {name: terms[name] for name in ("overlap", "max_exposure") if name in terms}
    assert forms_faults(blueprint, found.forms, items, **kept) == []
    return found


def refused(blueprint, items, **terms):
    found = draw(blueprint, items, seed=SEED, **terms)
    assert isinstance(found, Infeasible), found
    assert found.is_proven
    return found


def ids(form):
    return {pick.item for pick in form}


def spread(levels):
    return max(levels) - min(levels)


# ---------------------------------------------------------------- against every possibility


def every_form(blueprint, items, *, may_lack=False):
    """All ways to fill a blueprint (or a part of it) that break no rule inside a form."""
    enemies = enemy_pairs(items)
    ways = [
        [None, *(index for index, cell in enumerate(blueprint.cells) if fits(item, cell))] for item in items
    ]
    found = []
    for way in product(*ways):
        chosen = [(item, cell) for item, cell in zip(items, way, strict=True) if cell is not None]
        names = {item.id for item, _cell in chosen}
        if any(one in names and other in names for one, other in enemies):
            continue
        lack = 0
        for index, cell in enumerate(blueprint.cells):
            inside = [item for item, at in chosen if at == index]
            missing = cell.count - sum(places(item, cell) for item in inside)
            off = 0 if cell.marks is None else abs(cell.marks - sum(item.marks for item in inside))
            if missing < 0 or (not may_lack and (missing or off)):
                break
            lack += 10 * missing + off
        else:
            found.append((tuple(sorted(Pick(cell, item.id) for item, cell in chosen)), lack))
    return found


def every_set(blueprint, items, *, forms, overlap, may_lack=False):
    most = most_shared(overlap)
    single = every_form(blueprint, items, may_lack=may_lack)
    for chosen in product(single, repeat=forms):
        if most is None or all(
            len(ids(one) & ids(other)) <= most for (one, _x), (other, _y) in combinations(chosen, 2)
        ):
            yield tuple(form for form, _lack in chosen), sum(lack for _form, lack in chosen)


CELLS = st.builds(
    Cell,
    count=st.integers(1, 3),
    topic=st.sampled_from(("", A, B)),
    difficulty=st.sampled_from((None, None, (0, 50), (50, 100))),
    marks=st.sampled_from((None, None, 2, 3)),
    per=st.sampled_from(Per),
)


@st.composite
def pools(draw_from, most=5):
    size = draw_from(st.integers(0, most))
    names = list(range(size))
    return [
        PoolItem(
            name,
            topic=draw_from(st.sampled_from((A, B))),
            difficulty=draw_from(st.sampled_from((None, 20, 50, 80))),
            asks=draw_from(st.sampled_from((1, 1, 2))),
            marks=draw_from(st.sampled_from((1, 1, 2))),
            exposure=draw_from(st.sampled_from((Fraction(0), Fraction(1, 4), Fraction(1, 2)))),
            enemies=draw_from(st.frozensets(st.sampled_from(names), max_size=1)),
            information=draw_from(st.sampled_from((None, 0.1, 0.4))),
        )
        for name in names
    ]


BLUEPRINTS = st.lists(CELLS, min_size=1, max_size=2).map(lambda cells: Blueprint(tuple(cells)))


def outcome(found, blueprint, items, *, forms, overlap):
    """Judge what was drawn from items that are rested by trying everything."""
    if isinstance(found, Drawn):
        assert forms_faults(blueprint, found.forms, items, overlap=overlap) == []
        return
    least = min(
        lack for _forms, lack in every_set(blueprint, items, forms=forms, overlap=overlap, may_lack=True)
    )
    assert least > 0, "there are forms"
    assert found.is_proven
    named = sum(10 * lack.missing + lack.marks_off for lack in found.lacks)
    assert 0 < named <= least, "marks are not named where places are missing"
    if not any(cell.marks for cell in blueprint.cells):
        assert named == least


@settings(deadline=None)
@given(BLUEPRINTS, pools(), st.sampled_from((None, Fraction(1, 4))), st.binary(max_size=4))
def test_one_form_is_drawn_if_there_is_one_and_else_the_smallest_lack_is_named(
    blueprint, items, max_exposure, seed
):
    found = draw(blueprint, items, max_exposure=max_exposure, seed=seed)
    rested = [item for item in items if is_rested(item, max_exposure)]
    outcome(found, blueprint, rested, forms=1, overlap="any")


@settings(deadline=None, max_examples=60)
@given(BLUEPRINTS, pools(most=4), st.sampled_from(("disjoint", 1, "any")), st.booleans())
def test_two_forms_are_drawn_if_there_are_two_and_else_the_smallest_lack_is_named(
    blueprint, items, overlap, parallel
):
    found = draw(blueprint, items, forms=2, overlap=overlap, parallel=parallel, seed=SEED)
    outcome(found, blueprint, items, forms=2, overlap=overlap)


@settings(deadline=None, max_examples=60)
@given(BLUEPRINTS, pools(most=4), st.sampled_from(("disjoint", 1)))
def test_a_limit_would_help_exactly_where_lifting_it_gives_forms(blueprint, items, overlap):
    terms = {"forms": 2, "overlap": overlap, "max_exposure": Fraction(1, 4), "seed": SEED}
    found = draw(blueprint, items, **terms)
    assume(isinstance(found, Infeasible))
    peaceful = [replace(item, enemies=frozenset()) for item in items]
    helped = {
        Limit.EXPOSURE: draw(blueprint, items, **{**terms, "max_exposure": None}),
        Limit.ENEMIES: draw(blueprint, peaceful, **terms),
        Limit.OVERLAP: draw(blueprint, items, **{**terms, "overlap": "any"}),
    }
    assert list(found.would_help) == [limit for limit in Limit if isinstance(helped[limit], Drawn)]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 100), min_size=4, max_size=7),
    st.integers(1, 2),
    st.sampled_from(("disjoint", 1)),
)
def test_no_other_forms_differ_less_in_their_mean_difficulty(difficulties, count, overlap):
    items = [PoolItem(n, difficulty=at) for n, at in enumerate(difficulties)]
    blueprint = Blueprint((Cell(count),))
    found = drawn(blueprint, items, forms=2, overlap=overlap)
    level = {item.id: item.difficulty for item in items}
    means = [
        [sum(level[name] for name in ids(form)) / count for form in forms]
        for forms, _lack in every_set(blueprint, items, forms=2, overlap=overlap)
    ]
    assert found.is_best
    assert spread(found.difficulty) <= max(min(map(spread, means)), DIFFICULTY_TOLERANCE) + 0.01


# ---------------------------------------------------------------- many items


def large_pool(number):
    chance = Random(number)
    return [
        PoolItem(
            name,
            topic=chance.choice("abcd"),
            type=chance.choice(("A1", "A1", "A2")),
            difficulty=chance.choice((None, *range(30, 95))),
            asks=(asks := chance.choice((1, 1, 1, 3))),
            marks=asks,
            exposure=Fraction(chance.randrange(40), 100),
            enemies=frozenset(chance.sample(range(160), chance.choice((0, 0, 1, 2)))),
            information=chance.random(),
        )
        for name in range(160)
    ]


LARGE_POOLS = st.integers(0, 10_000).map(large_pool)

LARGE = Blueprint(
    (
        *(Cell(3, topic=topic, type="A1", marks=3) for topic in "abcd"),
        Cell(4, type="A2"),
        Cell(2, topic="a", per=Per.ITEM),
        Cell(3, difficulty=(60, 100)),
    )
)


@settings(deadline=None, max_examples=15)
@given(
    LARGE_POOLS,
    st.integers(1, 3),
    st.sampled_from(("disjoint", 2, "any")),
    st.sampled_from((None, Fraction(1, 4))),
    st.booleans(),
)
def test_whatever_is_drawn_from_a_large_pool_passes_the_independent_proof(
    items, forms, overlap, max_exposure, parallel
):
    found = drawn(LARGE, items, forms=forms, overlap=overlap, max_exposure=max_exposure, parallel=parallel)
    assert len(found.forms) == forms


@settings(deadline=None, max_examples=10)
@given(LARGE_POOLS, st.binary(max_size=8), st.randoms(use_true_random=False))
def test_the_same_seed_draws_the_same_forms_in_whatever_order_the_items_come(items, seed, random):
    mixed = items[:]
    random.shuffle(mixed)
    terms = {"forms": 2, "seed": seed, "time_limit_s": 60.0}
    assert draw(LARGE, items, **terms) == draw(LARGE, mixed, **terms)


def test_another_seed_draws_other_forms():
    items = [PoolItem(n, difficulty=50 + n % 7) for n in range(60)]
    blueprint = Blueprint((Cell(10),))
    forms = {draw(blueprint, items, forms=2, seed=bytes([n])).forms for n in range(5)}
    assert len(forms) == 5


def test_over_many_seeds_every_item_gets_its_turn():
    items = [PoolItem(n) for n in range(12)]
    seen = [
        name for n in range(60) for name in ids(draw(Blueprint((Cell(3),)), items, seed=bytes([n])).forms[0])
    ]
    assert all(5 <= seen.count(item.id) <= 30 for item in items)


def test_three_forms_of_sixty_from_a_thousand_are_apart_and_alike():
    items = [
        PoolItem(
            n,
            topic="abcdefghijkl"[n % 12],
            difficulty=20 + (n * 37) % 75,
            enemies=frozenset({(n * 7 + 1) % 1000}) if n % 9 == 0 else frozenset(),
            information=((n * 53) % 100 + 1) / 100,
        )
        for n in range(1000)
    ]
    found = drawn(Blueprint(tuple(Cell(5, topic=topic) for topic in "abcdefghijkl")), items, forms=3)
    assert [len(form) for form in found.forms] == [60, 60, 60]
    assert len(set().union(*map(ids, found.forms))) == 180
    assert spread(found.difficulty) <= DIFFICULTY_TOLERANCE * 1.01
    assert spread(found.information) <= INFORMATION_TOLERANCE * 60 * 0.505 * 1.01
    assert found.is_best


# ---------------------------------------------------------------- parallel forms


def test_parallel_forms_are_closer_than_chance_leaves_them():
    items = [PoolItem(n, difficulty=10 * (n % 10), information=n / 40) for n in range(40)]
    blueprint = Blueprint((Cell(10),))
    alike = drawn(blueprint, items, forms=3)
    loose = drawn(blueprint, items, forms=3, parallel=False)
    assert spread(alike.difficulty) < DIFFICULTY_TOLERANCE * 1.01 < spread(loose.difficulty)
    assert spread(alike.information) < spread(loose.information)


def test_information_alone_makes_forms_alike_where_no_difficulty_is_known():
    items = [PoolItem(n, information=2.0**n) for n in range(8)]
    found = drawn(Blueprint((Cell(4),)), items, forms=2)
    assert found.difficulty is None
    # 128 + 4 + 2 + 1 against 64 + 32 + 16 + 8 is the closest that 1, 2, 4 … 128 in two fours can be
    assert sorted(found.information) == pytest.approx([120, 135])


def test_forms_of_items_of_which_nothing_is_known_are_drawn_by_chance():
    found = drawn(Blueprint((Cell(2),)), [PoolItem(n) for n in range(6)], forms=3)
    assert (found.difficulty, found.information) == (None, None)


def test_an_item_of_unknown_difficulty_weighs_as_the_mean_of_the_known():
    items = [PoolItem(1, difficulty=40), PoolItem(2), PoolItem(3, difficulty=80)]
    found = drawn(Blueprint((Cell(3),)), items)
    assert found.difficulty == pytest.approx((60,))


def test_a_case_weighs_by_its_asks_in_a_cell_of_asks_and_as_one_in_a_cell_of_items():
    items = [PoolItem(1, difficulty=80, asks=3), PoolItem(2, difficulty=40)]
    assert drawn(Blueprint((Cell(4),)), items).difficulty == pytest.approx((70,))
    assert drawn(Blueprint((Cell(2, per=Per.ITEM),)), items).difficulty == pytest.approx((60,))


# ---------------------------------------------------------------- what the cells count


def test_a_cell_of_asks_is_filled_by_whole_cases():
    items = [*(PoolItem(n, type="A3", asks=3) for n in range(3)), PoolItem(9, type="A3", asks=2)]
    found = drawn(Blueprint((Cell(8, type="A3"),)), items)
    assert 9 in ids(found.forms[0])
    assert len(found.forms[0]) == 3


def test_a_cell_of_cases_takes_so_many_cases_whatever_they_ask():
    items = [PoolItem(n, type="CASE", asks=3 + n % 4) for n in range(12)]
    found = drawn(Blueprint((Cell(11, type="CASE", per=Per.ITEM),)), items)
    assert len(found.forms[0]) == 11


def test_marks_of_a_cell_add_up_exactly():
    items = [PoolItem(n, marks=1 + n % 3) for n in range(30)]
    (form,) = drawn(Blueprint((Cell(10, marks=23),)), items).forms
    assert sum(1 + name % 3 for name in ids(form)) == 23


def test_an_item_that_two_cells_want_fills_only_one_of_them():
    blueprint = Blueprint((Cell(2, topic=A), Cell(2)))
    items = [PoolItem(1, topic=A), PoolItem(2, topic=A), PoolItem(3, topic=B), PoolItem(4, topic=B)]
    (form,) = drawn(blueprint, items).forms
    assert form == (Pick(0, 1), Pick(0, 2), Pick(1, 3), Pick(1, 4))


# ---------------------------------------------------------------- why not


def test_the_lack_of_a_small_pool_is_that_of_its_cells():
    blueprint = Blueprint((Cell(3, topic=A), Cell(2, topic=B)))
    items = [PoolItem(1, topic=A), PoolItem(2, topic=B), PoolItem(3, topic=B)]
    found = refused(blueprint, items)
    assert [(lack.cell, lack.missing) for lack in found.lacks] == [(0, 2)]
    assert list(found.lacks) == shortfalls(blueprint, items)
    assert found.would_help == ()


def test_a_lack_counts_over_all_forms():
    found = refused(Blueprint((Cell(3),)), [PoolItem(n) for n in range(7)], forms=3)
    assert [(lack.cell, lack.missing) for lack in found.lacks] == [(0, 2)]
    assert found.would_help == (Limit.OVERLAP,)


def test_enemies_can_be_what_keeps_a_form_from_being_drawn():
    items = [PoolItem(n, enemies=frozenset(range(4))) for n in range(4)]
    found = refused(Blueprint((Cell(2),)), items)
    assert [(lack.cell, lack.missing) for lack in found.lacks] == [(0, 1)]
    assert found.would_help == (Limit.ENEMIES,)


def test_the_limit_on_exposure_can_be_what_keeps_a_form_from_being_drawn():
    items = [PoolItem(1), PoolItem(2, exposure=Fraction(1, 2))]
    found = refused(Blueprint((Cell(2),)), items, max_exposure=Fraction(1, 4))
    assert [(lack.cell, lack.missing) for lack in found.lacks] == [(0, 1)]
    assert found.would_help == (Limit.EXPOSURE,)


def test_cells_that_take_items_from_one_another_lack_together():
    blueprint = Blueprint((Cell(2, topic=A), Cell(2)))
    items = [PoolItem(n, topic=A) for n in range(3)]
    assert shortfalls(blueprint, items) == []
    assert sum(lack.missing for lack in refused(blueprint, items).lacks) == 1


def test_marks_that_cannot_add_up_are_named_as_such():
    found = refused(Blueprint((Cell(2, marks=5),)), [PoolItem(n, marks=2) for n in range(5)])
    assert [(lack.missing, lack.marks_off) for lack in found.lacks] == [(0, 1)]


def test_an_empty_pool_lacks_everything():
    found = refused(Blueprint((Cell(2), Cell(1, marks=3, topic=A))), [], forms=2)
    assert [(lack.cell, lack.missing) for lack in found.lacks] == [(0, 4), (1, 2)]


def test_every_limit_has_its_sentence():
    assert set(WITHOUT) == set(Limit)
    assert all(map(str, WITHOUT.values()))


def test_without_time_nothing_is_claimed_to_be_proven():
    items = [PoolItem(n, difficulty=n % 89, information=n % 13) for n in range(300)]
    found = draw(Blueprint((Cell(40),)), items, forms=6, seed=SEED, time_limit_s=0.0)
    if isinstance(found, Drawn):
        assert forms_faults(Blueprint((Cell(40),)), found.forms, items) == []
        assert not found.is_best
    else:
        assert not found.is_proven


def test_a_program_that_the_solver_gives_up_with_its_presolving_is_solved_without():
    blueprint = Blueprint((Cell(1, per=Per.ITEM), Cell(2, marks=2, per=Per.ASK)))
    items = [PoolItem(0, topic="a", asks=2), PoolItem(1, topic="a", marks=2), PoolItem(2, topic="a")]
    outcome(draw(blueprint, items, seed=b""), blueprint, items, forms=1, overlap="any")
