"""Every kind of item: what is wrong with it, how a response is read, which share it earns."""

import contextlib
from fractions import Fraction
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments import rules
from lms.assessments.rules.items import formulas, numbers, sheet, units
from lms.assessments.rules.items.places import is_inside
from lms.assessments.rules.items.wording import fits
from lms.core.errors import RuleBroken


def text(words):
    return {"zh": words, "en": f"{words} (en)"}


def options(letters):
    return [{"id": letter, **text(f"option {letter}")} for letter in letters]


STEM = {"stem": text("What is done first?")}
ITEMS = {
    "A1": ({**STEM, "options": options("abcde")}, {"right": "b"}),
    "A2": ({**STEM, "options": options("abcde")}, {"right": "e"}),
    "A3": (
        {"stem": text("A boy of 3"), "asks": [{**STEM, "options": options("abcde")}] * 2},
        {"asks": [{"right": "a"}, {"right": "c"}]},
    ),
    "A4": (
        {"stem": text("A girl of 5"), "asks": [{**STEM, "options": options("abcd")}] * 3},
        {"asks": [{"right": "a"}, {"right": "c"}, {"right": "d"}]},
    ),
    "B1": ({"options": options("abcde"), "asks": [STEM, STEM]}, {"asks": [{"right": "a"}, {"right": "a"}]}),
    "EMQ": (
        {"options": options("abcdefgh"), "asks": [STEM, STEM]},
        {"asks": [{"right": ["a", "c"]}, {"right": ["h"]}]},
    ),
    "X": ({**STEM, "options": options("abcde")}, {"right": ["a", "c", "e"]}),
    "CASE": (
        {"stem": text("A newborn"), "asks": [{**STEM, "options": options("ABCDEF")}] * 3},
        {"asks": [{"right": ["A", "C", "E"]}, {"right": ["B"]}, {"right": ["A", "F"]}]},
    ),
    "TF": ({**STEM, "options": options(["true", "false"])}, {"right": "true"}),
    "SCT": ({**STEM, "options": options("12345")}, {"panel": {"1": 1, "2": 2, "3": 7, "4": 3, "5": 2}}),
    "KF": ({**STEM, "options": options("abcdef"), "limit": 3}, {"right": ["a", "b"], "must": ["a"], "never": ["f"]}),
    "NUM": ({**STEM, "units": ["mg", "g"]}, {"value": "12.5", "tolerance": "0.5", "unit": "mg"}),
    "DOSE": (
        {
            "stem": {"zh": "体重 {weight} kg", "en": "weight {weight} kg"},
            "units": ["mg"],
            "parameters": [{"name": "weight", "low": "3", "high": "20", "step": "0.5"}],
        },
        {
            "formula": "round(weight * 15, 5)", "unit": "mg", "tolerance": "0.05", "relative": True,
            "traps": [{"name": "tenfold", "formula": "weight * 150"}],
        },
    ),
    "SHORT": (STEM, {"accepted": [{"text": "adrenaline"}, {"text": "epinephrine", "share": "1/2"}]}),
    "CLOZE": (
        {
            "stem": {"zh": "先给[[1]]，再给[[2]]毫升"},
            "asks": [{"kind": "choice", "options": options("ab")}, {"kind": "number", "units": []}],
        },
        {"asks": [{"right": "a"}, {"value": "20"}]},
    ),
    "ORDER": ({**STEM, "options": options("abcd")}, {"order": ["c", "a", "d", "b"]}),
    "MATCH": (
        {**STEM, "rows": options("xyz"), "options": options("abcd"), "scoring": "each"},
        {"pairs": [["x", "a"], ["y", "b"], ["z", "d"]]},
    ),
    "GAP": (
        {"stem": {"zh": "[[g1]]和[[g2]]"}, "rows": options(["g1", "g2"]), "options": options("abc")},
        {"pairs": [["g1", "a"], ["g2", "c"]]},
    ),
    "HOTSPOT": (
        {**STEM, "image": "items/ab/abc", "alt": text("a chest film"), "width": 400, "height": 300},
        {"areas": [{"shape": "circle", "coords": [100, 100, 20]}]},
    ),
    "SLIDER": ({**STEM, "low": "0", "high": "10", "step": "0.5"}, {"value": "7", "tolerance": "0.5"}),
    "UPLOAD": (
        {**STEM, "formats": ["pdf"], "max_bytes": 1000},
        {"rubric": [{"id": "r1", **text("clear"), "marks": 3}]},
    ),
    "ESSAY": ({**STEM, "max_chars": 2000}, {"rubric": [{"id": "r1", **text("clear"), "marks": 3}]}),
    "OSCE": (STEM, {"checklist": [{"id": "c1", **text("washes hands"), "marks": 2, "must": True}]}),
}  # fmt: skip

RIGHT = {
    "A1": [{"choice": "b"}],
    "A2": [{"choice": "e"}],
    "A3": [{"choice": "a"}, {"choice": "c"}],
    "A4": [{"choice": "a"}, {"choice": "c"}, {"choice": "d"}],
    "B1": [{"choice": "a"}, {"choice": "a"}],
    "EMQ": [{"choices": ["c", "a"]}, {"choices": ["h"]}],
    "X": [{"choices": ["e", "a", "c"]}],
    "CASE": [{"choices": ["A", "C", "E"]}, {"choices": ["B"]}, {"choices": ["F", "A"]}],
    "TF": [{"choice": "true"}],
    "SCT": [{"choice": "3"}],
    "KF": [{"choices": ["a", "b"]}],
    "NUM": [{"number": "0.0125", "unit": "g"}],
    "DOSE": [{"number": "150", "unit": "mg"}],
    "SHORT": [{"text": "  ＡＤＲＥＮＡＬＩＮＥ。"}],
    "CLOZE": [{"choice": "a"}, {"number": "20.0"}],
    "ORDER": [{"order": ["c", "a", "d", "b"]}],
    "MATCH": [{"pairs": [["z", "d"], ["x", "a"], ["y", "b"]]}],
    "GAP": [{"pairs": [["g1", "a"], ["g2", "c"]]}],
    "HOTSPOT": [{"points": [[100, 120]]}],
    "SLIDER": [{"number": "7.5"}],
}


def test_there_is_a_sample_of_every_type():
    assert set(ITEMS) == set(rules.TYPES)
    assert set(RIGHT) == {code for code, shape in rules.TYPES.items() if not shape.is_marked_by_people}


@pytest.mark.parametrize("code", ITEMS)
def test_a_sound_item_has_no_fault(code):
    assert rules.faults(code, *ITEMS[code]) == []
    rules.require_item(code, *ITEMS[code])


@pytest.mark.parametrize("code", RIGHT)
def test_the_right_response_earns_everything_and_none_earns_nothing(code):
    body, key = ITEMS[code]
    asks = rules.asks(code, body, key)
    assert len(asks) == len(RIGHT[code])
    for ask, raw in zip(asks, RIGHT[code], strict=True):
        response = rules.read_response(ask, raw)
        assert response is not None
        assert rules.is_answered(response)
        drawn = {"weight": Fraction(10)}
        assert rules.share(ask, response, drawn) == 1
        assert rules.share(ask, {}, drawn) == rules.share(ask, None, drawn) == 0


@pytest.mark.parametrize("code", [code for code, shape in rules.TYPES.items() if shape.is_marked_by_people])
def test_what_people_mark_gets_no_marks_from_a_rule(code):
    (ask,) = rules.asks(code, *ITEMS[code])
    assert rules.share(ask, {"text": "all I know"}) is None
    assert ask.marks == (2 if code == "OSCE" else 3)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=6)
    | st.sampled_from(["a", "1/2", "true", "all"]),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "stem",
                    "options",
                    "right",
                    "asks",
                    "zh",
                    "en",
                    "id",
                    "kind",
                    "key",
                    "scoring",
                    "units",
                    "value",
                    "tolerance",
                    "accepted",
                    "text",
                    "pairs",
                    "rows",
                    "order",
                    "areas",
                    "shape",
                    "coords",
                    "image",
                    "alt",
                    "width",
                    "height",
                    "low",
                    "high",
                    "step",
                    "weights",
                    "panel",
                    "must",
                    "never",
                    "limit",
                    "parameters",
                    "formula",
                    "traps",
                    "name",
                    "rubric",
                    "marks",
                ]
            ),
            part,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(list(ITEMS)), JSON, JSON)
def test_whatever_is_handed_in_faults_are_named_and_nothing_is_raised(code, body, key):
    for fault in rules.faults(code, body, key):
        assert fault.code
        assert fault.message
    if isinstance(body, dict):
        for ask in rules.asks(code, body, key):
            assert ask.marks >= 1


@given(st.sampled_from(list(ITEMS)), JSON)
def test_whatever_a_client_sends_is_read_or_refused_and_earns_between_nothing_and_all(code, raw):
    for ask in rules.asks(code, *ITEMS[code]):
        response = rules.read_response(ask, raw)
        if response is not None:
            earned = rules.share(ask, response, {"weight": Fraction(4)})
            assert earned is None or 0 <= earned <= 1
            assert rules.read_response(ask, response) == response


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body, key: body.update(stem={"zh": " "}), "text"),
        (lambda body, key: body.update(options=options("a")), "options"),
        (lambda body, key: body.update(options=[*options("abcd"), *options("a")]), "option_ids"),
        (lambda body, key: body["options"].__setitem__(1, {"id": "b", **text("option a")}), "same_options"),
        (lambda body, key: key.update(right="z"), "no_key"),
        (lambda body, key: body.update(media=[{"kind": "image", "key": "k"}]), "no_alt"),
    ],
)
def test_a_fault_is_named_by_its_code(change, code):
    body, key = {**STEM, "options": options("abcde")}, {"right": "b"}
    change(body, key)
    assert code in {fault.code for fault in rules.faults("A1", body, key)}
    with pytest.raises(RuleBroken):
        rules.require_item("A1", body, key)


def test_a_fault_in_a_group_names_the_ask():
    body, key = ITEMS["CASE"]
    broken = {
        **body,
        "asks": [body["asks"][0], {**body["asks"][1], "options": options("A")}, body["asks"][2]],
    }
    assert [fault.path for fault in rules.faults("CASE", broken, key)] == ["asks.1.options", "asks.1.right"]


# ---------------------------------------------------------------- several of several


@pytest.mark.parametrize(("chosen", "points"), [("ACE", 3), ("ACB", 1), ("ABD", 0), ("", 0), ("ABCDE", 1)])
def test_case_analysis_gives_one_for_each_right_option_and_takes_one_for_each_wrong(chosen, points):
    """案例分析题 of the national title examinations (高级卫生专业技术资格考试), their published rule: +1, −1, never below nought for one ask."""
    (ask, *_rest) = rules.asks("CASE", *ITEMS["CASE"])
    assert ask.marks == 3
    assert rules.mark(ask, {"choices": list(chosen)}, ask.marks) == points


@given(st.sets(st.sampled_from("abcde")), st.permutations("abcde"))
def test_type_x_takes_all_or_nothing_whatever_the_order(chosen, order):
    (ask,) = rules.asks("X", *ITEMS["X"])
    response = rules.read_response(ask, {"choices": [one for one in order if one in chosen]})
    assert rules.share(ask, response) == (1 if chosen == {"a", "c", "e"} else 0)


@given(st.sets(st.sampled_from("abcde")))
def test_partial_marks_lie_between_all_or_nothing_and_plus_minus(chosen):
    body, key = ITEMS["X"]
    shares = [
        rules.share(rules.ask_of("X", {**body, "scoring": scoring}, None, key), {"choices": sorted(chosen)})
        for scoring in ("all", "partial", "plus_minus")
    ]
    assert shares == sorted(shares)


def test_a_key_feature_is_lost_with_a_missing_must_or_a_chosen_never():
    (ask,) = rules.asks("KF", *ITEMS["KF"])
    assert rules.share(ask, {"choices": ["a"]}) == Fraction(1, 2)
    assert rules.share(ask, {"choices": ["b"]}) == 0
    assert rules.share(ask, {"choices": ["a", "b", "f"]}) == 0
    assert rules.read_response(ask, {"choices": ["a", "b", "c", "d"]}) is None


def test_script_concordance_follows_the_panel():
    """Panel counts 1, 2, 7, 3, 2: each option earns its count over that of the mode (aggregate scoring, BMC Surgery 2016, s12893-016-0173-y)."""
    (ask,) = rules.asks("SCT", *ITEMS["SCT"])
    shares = [rules.share(ask, {"choice": option}) for option in "12345"]
    assert [round(float(one), 6) for one in shares] == [0.142857, 0.285714, 1, 0.428571, 0.285714]


def test_certainty_is_rewarded_and_false_certainty_costs():
    """Right 1, 2, 3; wrong 0, −2, −6; half right half of right (Gardner-Medwin's certainty-based marking)."""
    assert [rules.confidence(Fraction(1), c) for c in (1, 2, 3)] == [1, 2, 3]
    assert [rules.confidence(Fraction(0), c) for c in (1, 2, 3)] == [0, -2, -6]
    assert [rules.confidence(Fraction(1, 2), c) for c in (1, 2, 3)] == [Fraction(1, 2), 1, Fraction(3, 2)]


# ---------------------------------------------------------------- numbers, units, doses


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12.5", "25/2"),
        ("１２．５", "25/2"),
        (" .5", "1/2"),
        ("1.5e-3", "3/2000"),
        ("−2", "-2"),
        ("007", "7"),
    ],
)
def test_a_number_is_read_exactly(written, value):
    assert numbers.number(written) == Fraction(value)


@pytest.mark.parametrize(
    "written",
    ["", "1,5", "1 000", "nan", "inf", "1e99", "0x1", "1/2", "½½", "٣", "5²", "①", None, 3, "1" * 90],
)
def test_what_is_no_plain_number_is_refused(written):
    assert numbers.number(written) is None


@given(st.fractions(min_value=-(10**12), max_value=10**12, max_denominator=10**6))
def test_a_value_is_written_so_that_it_reads_back(value):
    assert numbers.fraction(numbers.written(value)) == value


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        ("1", "g", "mg", "1000"),
        ("250", "mcg", "mg", "1/4"),
        ("250", "μg", "mg", "1/4"),
        ("5", "毫升", "mL", "5"),
        ("6", "mg/kg/d", "mg/kg/h", "1/4"),
        ("0.1", "µg/kg/min", "mg/kg/h", "3/500"),
        ("3", "mL/h", "mL/d", "72"),
        ("10", "kPa", "Pa", "10000"),
        ("750", "mmHg", "Pa", "99991.79056125"),
        ("5", "cmH2O", "Pa", "490.3325"),
        ("6", "mg/kg/d", "mg/d/kg", "6"),
        ("8", "10⁹/L", "10^9/L", "8"),
        ("200", "kcal/kg/d", "J/kg/s", "1046/108"),
    ],
)
def test_units_convert_exactly(value, unit, wanted, expected):
    assert units.converted(Fraction(value), unit, wanted) == Fraction(expected)


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("mg", "mL"),
        ("IU", "mg"),
        ("U", "IU"),
        ("mg/kg", "mg"),
        ("mg/kg/h", "mg/h/mL"),
        ("mg", "drops"),
        ("mmol", "mEq"),
        ("mg/kg/d/h/min", "mg/kg/d/h/min"),
        ("spoon", "spoon"),
        ("109/L", "10^9/L"),
    ],
)
def test_what_measures_something_else_is_not_converted(unit, wanted):
    assert units.converted(Fraction(1), unit, wanted) is None


@pytest.mark.parametrize(
    ("typed", "unit", "earned"),
    [
        ("12.5", "mg", 1),
        ("13", "mg", 1),
        ("12.0", "mg", 1),
        ("13.01", "mg", 0),
        ("0.0125", "g", 1),
        ("12.5", "g", 0),
        ("12.5", "", 0),
    ],
)
def test_a_number_counts_within_its_tolerance_in_any_offered_unit(typed, unit, earned):
    (ask,) = rules.asks("NUM", *ITEMS["NUM"])
    response = rules.read_response(ask, {"number": typed, "unit": unit})
    assert rules.share(ask, response) == earned


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2+3)*4", 20),
        ("-w / 4", "-5/2"),
        ("min(w, 3) + max(1, 2)", 5),
        ("round(w / 3, 0.5)", "7/2"),
        ("round(-w/4, 1)", -3),
    ],
)
def test_a_formula_is_computed_exactly(formula, value):
    assert formulas.compute(formula, {"w": Fraction(10)}) == Fraction(value)


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "2 +",
        "w w",
        "x",
        "1/0",
        "round(w, 0)",
        "__import__('os')",
        "w.real",
        "2 ** 3",
        "(" * 60,
        "9" * 600,
        "min(w)",
        "-" * 300 + "1",
    ],
)
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(formulas.BadFormula):
        formulas.compute(formula, {"w": Fraction(10)})


@given(st.text(alphabet="w0123456789.+-*/(), minaxroud", max_size=40))
def test_a_formula_is_computed_or_refused(text):
    with contextlib.suppress(formulas.BadFormula):
        assert isinstance(formulas.compute(text, {"w": Fraction(10)}), Fraction)


@given(st.binary(min_size=8, max_size=32))
def test_a_drawn_dose_has_exactly_the_key_that_its_formula_gives(seed):
    body, key = ITEMS["DOSE"]
    (ask,) = rules.asks("DOSE", body, key)
    drawn = rules.draw(body["parameters"], seed)
    assert drawn == rules.draw(body["parameters"], seed)
    assert 3 <= drawn["weight"] <= 20
    assert (drawn["weight"] * 2).denominator == 1
    assert "{" not in rules.fill(body["stem"]["zh"], drawn)
    right = formulas.compute(key["formula"], drawn)
    assert rules.share(ask, {"number": rules.written(right), "unit": "mg"}, drawn) == 1
    assert rules.share(ask, {"number": rules.written(right * 10), "unit": "mg"}, drawn) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"formula": "weight - 3"}, "not_positive"),
        ({"formula": "weight * dose"}, "formula"),
        ({"traps": [{"name": "rounded", "formula": "weight * 15.1"}]}, "trap"),
    ],
)
def test_a_dose_is_proven_over_all_its_values(change, code):
    body, key = ITEMS["DOSE"]
    assert code in {fault.code for fault in rules.faults("DOSE", body, {**key, **change})}


# ---------------------------------------------------------------- words, order, pairs, places


@pytest.mark.parametrize(
    ("pattern", "typed", "is_right"),
    [
        ("adrenaline", "Adrenaline.", True),
        ("adrenaline", "adrenalin", False),
        ("adrenalin*", "Adrenaline hydrochloride", True),
        ("*肾上腺素*", "静注肾上腺素 0.1 ml", True),
        (r"5\*3", "5*3", True),
        (r"5\*3", "5003", False),
        ("a*b*c", "a b c", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("肾上腺素", "肾上腺素。", True),
        ("5", ".5", False),
        ("5 *", "50 ml", False),
        ("* ml", "5 ML.", True),
        ("* ml", "5ml", False),
        ("＊", "anything", False),
    ],
)
def test_a_short_answer_is_compared_as_people_mean_it(pattern, typed, is_right):
    assert fits(pattern, typed) is is_right


def test_a_pattern_of_many_stars_takes_no_time():
    assert not fits("*a" * 200 + "b", "a" * 900)


def test_case_counts_only_where_it_is_said():
    ask = rules.Ask(None, "text", {}, {"accepted": [{"text": "pH"}], "case": True})
    assert rules.share(ask, {"text": "pH"}) == 1
    assert rules.share(ask, {"text": "PH"}) == 0


@given(st.permutations("abcd"))
def test_an_order_earns_by_places_and_neighbours(given_order):
    body, key = ITEMS["ORDER"]
    right = key["order"]
    shares = {
        scoring: rules.share(
            rules.ask_of("ORDER", {**body, "scoring": scoring}, None, key), {"order": list(given_order)}
        )
        for scoring in ("all", "places", "pairs")
    }
    assert shares["all"] == (1 if list(given_order) == right else 0)
    assert shares["places"] == Fraction(sum(a == b for a, b in zip(given_order, right, strict=True)), 4)
    assert shares["all"] <= shares["pairs"] <= 1


def test_pairs_earn_one_by_one_and_more_than_are_right_cost():
    body, key = ITEMS["MATCH"]
    (ask,) = rules.asks("MATCH", {**body, "per_row": 0}, key)
    assert rules.share(ask, {"pairs": [["x", "a"], ["y", "a"]]}) == Fraction(1, 3)
    everything = [[row, option] for row in "xyz" for option in "abcd"]
    assert rules.share(ask, {"pairs": everything}) == 0


def test_a_pair_without_direction_counts_both_ways():
    body = {**STEM, "options": options("abcd"), "symmetric": True}
    (ask,) = rules.asks("MATCH", body, {"pairs": [["a", "b"], ["c", "d"]]})
    assert rules.share(ask, rules.read_response(ask, {"pairs": [["b", "a"], ["d", "c"]]})) == 1
    assert rules.read_response(ask, {"pairs": [["a", "b"], ["b", "a"]]}) is None


@pytest.mark.parametrize(
    ("area", "inside", "outside"),
    [
        ({"shape": "rect", "coords": [10, 10, 30, 20]}, [(10, 10), (30, 20), (20, 15)], [(9, 15), (31, 15), (20, 21)]),
        ({"shape": "circle", "coords": [50, 50, 10]}, [(60, 50), (50, 40), (57, 57)], [(61, 50), (58, 58)]),
        ({"shape": "ellipse", "coords": [50, 50, 20, 10]}, [(70, 50), (50, 60)], [(70, 51), (65, 58)]),
        ({"shape": "poly", "coords": [0, 0, 100, 0, 100, 100]}, [(50, 50), (0, 0), (100, 60), (60, 20)], [(20, 60), (101, 50)]),
    ],
)  # fmt: skip
def test_the_edge_belongs_to_an_area(area, inside, outside):
    assert all(is_inside(area, x, y) for x, y in inside)
    assert not any(is_inside(area, x, y) for x, y in outside)


@given(st.integers(-10, 110), st.integers(-10, 110))
def test_a_rectangle_drawn_as_a_polygon_is_the_same_area(x, y):
    corners = [20, 30, 80, 30, 80, 70, 20, 70]
    assert is_inside({"shape": "poly", "coords": corners}, x, y) == is_inside(
        {"shape": "rect", "coords": [20, 30, 80, 70]}, x, y
    )


def test_a_place_is_counted_once_and_lies_on_the_picture():
    body, key = ITEMS["HOTSPOT"]
    (ask,) = rules.asks(
        "HOTSPOT",
        {**body, "points": 2},
        {"areas": [*key["areas"], {"shape": "rect", "coords": [0, 0, 5, 5], "share": "-1/2"}]},
    )
    assert rules.share(ask, {"points": [[100, 100], [101, 101]]}) == 1
    assert rules.share(ask, {"points": [[100, 100], [1, 1]]}) == Fraction(1, 2)
    assert rules.read_response(ask, {"points": [[401, 10]]}) is None


def test_shares_of_a_mapping_add_up_between_their_bounds():
    body = {**STEM, "options": options("abcd"), "scoring": "weights"}
    (ask,) = rules.asks("X", body, {"weights": {"a": "1/2", "b": "1/2", "c": "-1/2"}, "lower": "0"})
    assert rules.faults("X", body, ask.key) == []
    for size in range(5):
        for chosen in combinations("abcd", size):
            total = sum({"a": 1, "b": 1, "c": -1}.get(one, 0) for one in chosen)
            assert rules.share(ask, {"choices": list(chosen)}) == Fraction(max(0, total), 2)


def test_every_order_of_the_same_choices_is_one_response():
    (ask,) = rules.asks("X", *ITEMS["X"])
    assert {str(rules.read_response(ask, {"choices": list(order)})) for order in permutations("aec")} == {
        "{'choices': ['a', 'c', 'e']}"
    }


# ---------------------------------------------------------------- the author's form


@pytest.mark.parametrize("code", sorted(ITEMS))
def test_an_item_goes_through_its_form_and_comes_back_meaning_the_same(code):
    body, key = ITEMS[code]
    fields = sheet.fields_of(code, body, key, text("because"))
    again, its_key, reason = sheet.read(code, lambda name: fields.get(name, ""), body)
    assert rules.faults(code, again, its_key) == []
    assert reason["zh"] == "because"
    before, after = rules.asks(code, body, key), rules.asks(code, again, its_key)
    assert [ask.marks for ask in before] == [ask.marks for ask in after]
    for old, new, raw in zip(before, after, RIGHT.get(code, [{}] * len(before)), strict=True):
        assert old.kind == new.kind
        response = rules.read_response(new, raw)
        assert rules.share(new, response, {"weight": Fraction(10)}) == rules.share(
            old, response, {"weight": Fraction(10)}
        )


def test_a_new_question_of_true_or_false_gets_the_ids_of_its_type_from_the_form():
    fields = {"stem-zh": "新生儿用 100% 氧复苏", "o0-zh": "对", "o1-zh": "错", "right": "1"}
    body, key, _reason = sheet.read("TF", lambda name: fields.get(name, ""))
    assert rules.faults("TF", body, key) == []
    assert key == {"right": "false"}


@given(
    st.sampled_from(sorted(ITEMS)),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8)),
)
def test_whatever_a_form_holds_it_is_read_and_its_faults_are_named(code, fields):
    body, key, _reason = sheet.read(code, lambda name: fields.get(name, ""))
    assert rules.faults(code, body, key)
