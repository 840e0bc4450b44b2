"""What must be put right before an item is used: every fault is named with its place, and nothing is ever raised."""

import copy
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments import rules
from tests.assessments.test_items import ITEMS, STEM, options, text

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["a", "1/2", "1e30", "\ud800", "\x00", "weight", "(" * 60, "9" * 600]),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=4), part, max_size=4),
    max_leaves=12,
)


def places_of(part, at=()):
    """Every place in a JSON value."""
    yield at
    children = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, child in children:
        yield from places_of(child, (*at, name))


def replaced(whole, at, value):
    """The same JSON value with another one at a place."""
    if not at:
        return value
    whole = copy.deepcopy(whole)
    part = whole
    for name in at[:-1]:
        part = part[name]
    part[at[-1]] = value
    return whole


@st.composite
def damaged(draw):
    """A sound item in which one or two values became anything at all."""
    code = draw(st.sampled_from(list(ITEMS)))
    both = {"body": ITEMS[code][0], "key": ITEMS[code][1], "rationale": {"zh": "因为", "asks": []}}
    for _time in range(draw(st.integers(1, 2))):
        at = draw(st.sampled_from([place for place in places_of(both) if place]))
        both = replaced(both, at, draw(ANYTHING))
    return code, both["body"], both["key"], both["rationale"]


@given(damaged())
def test_a_damaged_item_has_named_faults_or_can_still_be_answered_in_full(item):
    code, body, key, rationale = item
    found = rules.faults(code, body, key, rationale)
    for fault in found:
        assert fault.path
        assert fault.code.isidentifier()
        assert fault.message
    if found or rules.TYPES[code].is_marked_by_people or code == "HOTSPOT":
        return
    for ask in rules.asks(code, body, key):
        drawn = rules.draw(ask.body.get("parameters") or [], b"seed")
        response = rules.read_response(ask, rules.model_response(ask.kind, ask.body, ask.key, drawn))
        assert response is not None
        assert rules.share(ask, response, drawn) == 1


@given(damaged(), ANYTHING | st.dictionaries(st.sampled_from(["choice", "choices", "number", "unit", "text", "order", "pairs", "points", "file", "name"]), ANYTHING))  # fmt: skip
def test_whatever_is_sent_for_a_damaged_item_is_read_or_refused(item, raw):
    code, body, key, _rationale = item
    for ask in rules.asks(code, body if isinstance(body, dict) else {}, key):
        response = rules.read_response(ask, raw)
        assert response is None or rules.is_answered(response) in {True, False}


@pytest.mark.parametrize("code", [None, 3, [], {}, "", "a1", "Z9"])
def test_an_unknown_type_is_the_only_fault(code):
    assert [(fault.path, fault.code) for fault in rules.faults(code, {}, {})] == [("type", "item_type")]


# ---------------------------------------------------------------- place and code of each fault

LONG = "x" * 8_001
OTHER_OPTIONS = options("ab")


@pytest.mark.parametrize(
    ("code", "at", "value", "path", "fault"),
    [
        # texts
        ("A1", ("body", "stem"), {"zh": "  ", "en": ""}, "stem", "text"),
        ("A1", ("body", "stem", "zh"), LONG, "stem.zh", "text_long"),
        ("A1", ("body", "stem", "en"), "a\x00b", "stem.en", "text_unreadable"),
        ("A1", ("body", "stem", "en"), "\ud800", "stem.en", "text_unreadable"),
        ("A1", ("body", "stem", "en"), 7, "stem.en", "text_unreadable"),
        ("A1", ("rationale", "zh"), LONG, "rationale.zh", "text_long"),
        ("A1", ("rationale",), "because", "rationale", "text_unreadable"),
        ("A1", ("rationale",), {"asks": [{"zh": "因为"}]}, "rationale.asks", "rationale"),
        ("CASE", ("rationale",), {"asks": [{}, {"zh": 3}]}, "rationale.asks.1.zh", "text_unreadable"),
        # options
        ("A1", ("body", "options", 2, "zh"), LONG, "options.2.zh", "text_long"),
        ("A1", ("body", "options", 2), {"id": "c"}, "options.2", "text"),
        ("A1", ("body", "options", 2, "id"), "c d", "options", "option_ids"),
        ("A1", ("body", "options", 2, "id"), "a", "options", "option_ids"),
        ("A1", ("body", "options", 2), {"id": "c", **text("option a")}, "options.2", "same_options"),
        ("A1", ("body", "options", 2, "fixed"), "false", "options.2.fixed", "fixed"),
        ("A1", ("body", "options"), options("abcdefghijklmnopqrstuvwxyzA"), "options", "options"),
        ("A3", ("body", "asks", 1, "options", 2, "zh"), LONG, "asks.1.options.2.zh", "text_long"),
        ("B1", ("body", "options", 2, "zh"), LONG, "options.2.zh", "text_long"),
        ("TF", ("body", "options"), options("ab"), "options", "option_ids"),
        # media
        ("A1", ("body", "media"), [{"kind": "image", "key": "items/a"}], "media.0.alt", "no_alt"),
        ("A1", ("body", "media"), [{"kind": ["image"], "key": "items/a"}], "media.0", "media"),
        ("A1", ("body", "media"), [{"kind": "audio", "key": " "}], "media.0", "media"),
        ("A1", ("body", "media"), [{"kind": "audio", "key": "items/\x00"}], "media.0", "media"),
        ("A1", ("body", "media"), "picture", "media", "media"),
        ("CASE", ("body", "asks", 1, "media"), [{"kind": "film", "key": "a"}], "asks.1.media.0", "media"),
        ("A1", ("body", "options", 1, "media"), [{"kind": "image", "key": "a"}], "options.1.media.0.alt", "no_alt"),
        # groups and marks
        ("CASE", ("body", "asks"), [{**STEM, "options": OTHER_OPTIONS}], "asks", "asks"),
        ("CASE", ("key", "asks"), [{"right": ["A"]}], "asks", "no_key"),
        ("CASE", ("key", "asks"), [{"right": ["A"]}], "asks.2.right", "no_key"),
        ("CASE", ("body", "reveal"), "all", "reveal", "reveal"),
        ("B1", ("body", "reveal"), "serial", "reveal", "reveal"),
        ("A4", ("body", "asks", 2, "marks"), 0, "asks.2.marks", "marks"),
        ("A1", ("body", "marks"), True, "marks", "marks"),
        # keys of choices
        ("A1", ("key", "right"), "z", "right", "no_key"),
        ("A1", ("key", "weights"), {"a": "0.5", "z": "1"}, "weights", "weights"),
        ("A1", ("key", "weights"), {"a": 0.5}, "weights", "weights"),
        ("SCT", ("key",), {"right": "1"}, "panel", "panel"),
        ("SCT", ("key", "panel"), {"1": 0}, "panel", "panel"),
        ("SCT", ("key", "panel", "1"), -1, "panel", "panel"),
        ("X", ("key", "right"), [], "right", "no_key"),
        ("X", ("key", "right"), ["a", "a"], "right", "key_twice"),
        ("X", ("body", "limit"), 2, "limit", "limit"),
        ("X", ("body", "scoring"), ["all"], "scoring", "scoring"),
        ("KF", ("key", "must"), ["c"], "must", "key_feature"),
        ("KF", ("key", "never"), ["a"], "never", "key_feature"),
        # numbers
        ("NUM", ("body", "units"), ["mg", "spoon"], "units", "unit"),
        ("NUM", ("body", "units"), [], "units", "unit"),
        ("NUM", ("key", "unit"), "mL", "unit", "unit"),
        ("NUM", ("key", "unit"), "", "unit", "unit"),
        ("NUM", ("key", "value"), "12,5", "value", "number"),
        ("NUM", ("key", "value"), 12.5, "value", "number"),
        ("NUM", ("key",), {"unit": "mg"}, "value", "no_key"),
        ("NUM", ("key",), {"value": "1/3", "unit": "mg"}, "value", "not_decimal"),
        ("NUM", ("key", "tolerance"), "-1", "tolerance", "tolerance"),
        ("NUM", ("key",), {"value": "5", "unit": "mg", "tolerance": "5", "relative": True}, "tolerance", "tolerance"),
        ("NUM", ("key",), {"answers": [{"value": "5", "unit": "mg", "share": "1/2"}]}, "share", "unreachable"),
        ("NUM", ("key",), {"answers": [{"value": "5", "unit": "mg"}, {"value": "x", "unit": "mg"}]}, "answers.1.value", "number"),
        ("NUM", ("body", "parameters"), [{"name": "weight", "low": "1", "high": "2", "step": "1"}], "parameters", "parameters"),
        ("SLIDER", ("key", "value"), "10.5", "value", "no_key"),
        ("SLIDER", ("key",), {"value": "7.3"}, "value", "unreachable"),
        ("SLIDER", ("body", "step"), "0", "low", "range"),
        # doses
        ("DOSE", ("body", "parameters"), [], "parameters", "parameters"),
        ("DOSE", ("body", "parameters", 0, "name"), "max", "parameters.0.name", "parameter_name"),
        ("DOSE", ("body", "parameters", 0, "step"), "0.0001", "parameters.0", "range"),
        ("DOSE", ("body", "stem", "en"), "a child", "stem.en", "parameter_unused"),
        ("DOSE", ("body", "units"), ["mL"], "unit", "unit"),
        ("DOSE", ("key", "formula"), "weight * height", "formula", "formula"),
        ("DOSE", ("key", "formula"), "100 / (weight - 10)", "formula", "not_positive"),
        ("DOSE", ("key", "formula"), "1 / ((weight - 10) * (weight - 10))", "formula", "formula"),
        ("DOSE", ("key",), {"formula": "weight / 3", "unit": "mg"}, "formula", "not_decimal"),
        ("DOSE", ("key", "round"), "0", "round", "round"),
        ("DOSE", ("key", "traps", 0, "formula"), "weight *", "traps.0.formula", "formula"),
        ("DOSE", ("key", "traps", 0, "formula"), "15 * weight", "traps.0.formula", "trap"),
        ("DOSE", ("key", "traps", 0, "name"), "", "traps.0.name", "trap_name"),
        # words
        ("SHORT", ("key", "accepted"), [], "accepted", "no_key"),
        ("SHORT", ("key", "accepted", 0, "text"), " 。", "accepted.0.text", "no_key"),
        ("SHORT", ("key", "accepted", 1, "share"), "2", "accepted.1.share", "weights"),
        ("SHORT", ("key", "accepted", 0, "share"), "0.5", "accepted", "unreachable"),
        ("SHORT", ("key", "case"), "yes", "case", "case"),
        # order, pairs, gaps
        ("ORDER", ("key", "order"), ["a", "b", "c"], "order", "no_key"),
        ("ORDER", ("body", "scoring"), {}, "scoring", "scoring"),
        ("MATCH", ("key", "pairs", 0), ["x", "z"], "pairs", "no_key"),
        ("MATCH", ("key", "pairs", 0), ["y", "a"], "pairs", "limit"),
        ("MATCH", ("key", "pairs", 0), ["y", "b"], "pairs", "key_twice"),
        ("MATCH", ("body", "per_row"), -1, "per_row", "limit"),
        ("MATCH", ("body", "symmetric"), "no", "symmetric", "symmetric"),
        ("GAP", ("body", "stem", "zh"), "[[g1]]和[[g3]]", "stem.zh", "gaps"),
        ("CLOZE", ("body", "stem", "en"), "[[1]] and [[1]]", "stem.en", "gaps"),
        ("CLOZE", ("body", "asks", 0, "kind"), "essay", "asks.0.kind", "item_type"),
        # places
        ("HOTSPOT", ("body", "alt"), {}, "alt", "no_alt"),
        ("HOTSPOT", ("body", "height"), 0, "height", "size"),
        ("HOTSPOT", ("key", "areas", 0, "coords"), [100, 100, 0], "areas.0", "area"),
        ("HOTSPOT", ("key", "areas", 0, "coords"), [500, 100, 20], "areas.0", "area"),
        ("HOTSPOT", ("key", "areas", 0, "share"), "1/2", "areas", "unreachable"),
        # what people mark
        ("ESSAY", ("key", "rubric"), [], "rubric", "no_key"),
        ("ESSAY", ("key", "rubric", 0, "marks"), 0, "rubric.0.marks", "rubric"),
        ("OSCE", ("key", "checklist", 0, "must"), 1, "checklist.0.must", "rubric"),
        ("UPLOAD", ("body", "formats"), ["PDF"], "formats", "formats"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(code, at, value, path, fault):
    item = {"body": ITEMS[code][0], "key": ITEMS[code][1], "rationale": {}}
    assert rules.faults(code, **item) == []
    found = rules.faults(code, **replaced(item, at, value))
    assert (path, fault) in {(one.path, one.code) for one in found}


def test_weights_that_do_not_reach_all_the_marks_are_refused():
    body = {**STEM, "options": options("abcd"), "scoring": "weights"}
    short, whole = {"a": "1/3", "b": "1/3"}, {"a": "1/3", "b": "1/3", "c": "1/3"}
    assert "unreachable" in {fault.code for fault in rules.faults("X", body, {"weights": short})}
    assert rules.faults("X", body, {"weights": whole}) == []
    limited = {**body, "limit": 2}
    assert "unreachable" in {fault.code for fault in rules.faults("X", limited, {"weights": whole})}


def test_the_options_that_a_group_shares_are_judged_once():
    body, key = ITEMS["B1"]
    found = rules.faults("B1", {**body, "options": options("aabc")}, key)
    assert [(fault.path, fault.code) for fault in found] == [
        ("options", "option_ids"),
        ("options.1", "same_options"),
    ]


def test_all_faults_are_named_and_not_only_the_first():
    body = {"stem": {}, "asks": [{}, {}]}
    paths = {fault.path for fault in rules.faults("A3", body, {})}
    assert {"stem", "asks", "asks.0.stem", "asks.0.right", "asks.1.stem", "asks.1.options"} <= paths


def test_a_text_in_one_language_is_enough():
    body = {"stem": {"zh": "首选？"}, "options": [{"id": one, "zh": f"选项{one}", "en": ""} for one in "ab"]}
    assert rules.faults("A1", body, {"right": "a"}) == []


# ---------------------------------------------------------------- doses, proven


def test_a_dose_that_can_be_drawn_in_too_many_ways_is_refused():
    body, key = ITEMS["DOSE"]
    parameters = [{"name": name, "low": "1", "high": "200", "step": "1"} for name in ("weight", "dose")]
    stem = {"zh": "{weight} {dose}"}
    found = rules.faults("DOSE", {**body, "stem": stem, "parameters": parameters}, {**key, "traps": []})
    assert [fault.code for fault in found] == ["combinations"]


def test_a_trap_that_meets_the_right_value_in_one_combination_only_is_found():
    """10 mg/kg and a ceiling of 200 mg: who forgets the weight and takes the ceiling is right at 20 kg."""
    body, _key = ITEMS["DOSE"]
    key = {"formula": "min(weight * 10, 200)", "unit": "mg", "traps": [{"name": "ceiling", "formula": "200"}]}
    found = rules.faults("DOSE", body, key)
    assert [(fault.path, fault.code) for fault in found] == [("traps.0.formula", "trap")]


def test_a_trap_that_rounds_to_the_right_value_is_found():
    body, _key = ITEMS["DOSE"]
    key = {
        "formula": "100 + weight",
        "round": "50",
        "unit": "mg",
        "traps": [{"name": "sum", "formula": "104"}],
    }
    assert [fault.code for fault in rules.faults("DOSE", body, key)] == ["trap"]


def test_a_dose_of_thirds_needs_a_tolerance_or_a_unit_in_which_it_is_whole():
    body, _key = ITEMS["DOSE"]
    thirds = {"formula": "weight / 3", "unit": "h"}
    whole = {**body, "parameters": [{"name": "weight", "low": "3", "high": "20", "step": "1"}]}
    assert [fault.code for fault in rules.faults("DOSE", {**whole, "units": ["h"]}, thirds)] == [
        "not_decimal"
    ]
    assert rules.faults("DOSE", {**whole, "units": ["h", "min"]}, thirds) == []
    assert rules.faults("DOSE", {**whole, "units": ["h"]}, {**thirds, "tolerance": "0.01"}) == []


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["0.1", "0.5", "1", "5"]), st.integers(1, 30))
def test_a_dose_without_faults_has_one_right_value_for_everything_that_can_be_drawn(low, count, step, per_kg):
    high = str(low + count * Fraction(step))
    parameters = [{"name": "weight", "low": str(low), "high": rules.written(Fraction(high)), "step": step}]
    body = {"stem": {"zh": "{weight}"}, "units": ["mg"], "parameters": parameters}
    key = {
        "formula": f"weight * {per_kg}",
        "unit": "mg",
        "traps": [{"name": "tenfold", "formula": f"weight * {per_kg}0"}],
    }
    assert rules.faults("DOSE", body, key) == []
    (ask,) = rules.asks("DOSE", body, key)
    for place in range(count + 1):
        drawn = {"weight": low + place * Fraction(step)}
        right = drawn["weight"] * per_kg
        shares = [
            rules.share(ask, {"number": rules.written(value), "unit": "mg"}, drawn)
            for value in (right, right * 10, right + Fraction(1, 1000))
        ]
        assert shares == [1, 0, 0]


# ---------------------------------------------------------------- responses that are refused


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("A1", {"choice": "z"}),
        ("A1", {"choice": ["a"]}),
        ("A1", {"choices": ["a"]}),
        ("A1", "a"),
        ("X", {"choices": ["a", "a"]}),
        ("X", {"choices": "a"}),
        ("X", {"choices": ["a", "z"]}),
        ("KF", {"choices": ["a", "b", "c", "d"]}),
        ("NUM", {"number": "12,5", "unit": "mg"}),
        ("NUM", {"number": 12.5, "unit": "mg"}),
        ("NUM", {"number": "nan", "unit": "mg"}),
        ("NUM", {"number": "12.5", "unit": "µg"}),
        ("SLIDER", {"number": "7.3"}),
        ("SLIDER", {"number": "10.5"}),
        ("SLIDER", {"number": "-0.5"}),
        ("SHORT", {"text": "a" * 1_001}),
        ("SHORT", {"text": "\ud800"}),
        ("SHORT", {"text": "a\x00"}),
        ("ESSAY", {"text": "a" * 2_001}),
        ("ORDER", {"order": ["a", "b", "c"]}),
        ("ORDER", {"order": ["a", "b", "c", "c"]}),
        ("MATCH", {"pairs": [["x", "a"], ["x", "b"]]}),
        ("MATCH", {"pairs": [["x"]]}),
        ("MATCH", {"pairs": [["x", "z"]]}),
        ("MATCH", {"pairs": [[["x"], "a"]]}),
        ("HOTSPOT", {"points": [[1, 2], [3, 4]]}),
        ("HOTSPOT", {"points": [[401, 10]]}),
        ("HOTSPOT", {"points": [[1.5, 10]]}),
        ("HOTSPOT", {"points": [[True, 10]]}),
        ("UPLOAD", {"file": "k" * 201, "name": "a.pdf"}),
        ("OSCE", {"text": "done"}),
    ],
)
def test_a_response_that_does_not_fit_its_ask_is_refused(code, raw):
    (ask,) = rules.asks(code, *ITEMS[code])
    assert rules.read_response(ask, raw) is None


def test_nothing_is_paired_with_itself():
    body = {**STEM, "options": options("abcd"), "symmetric": True, "per_row": 0}
    (ask,) = rules.asks("MATCH", body, {"pairs": [["a", "b"]]})
    assert rules.read_response(ask, {"pairs": [["a", "b"], ["a", "c"]]}) is not None
    assert rules.read_response(ask, {"pairs": [["a", "a"]]}) is None


def test_a_response_is_no_longer_than_64_kb():
    ids = [f"{number:040d}" for number in range(40)]
    body = {**STEM, "rows": options(ids), "options": options(ids), "per_row": 0}
    (ask,) = rules.asks("MATCH", body, {"pairs": [[ids[0], ids[0]]]})
    pairs = [[row, option] for row in ids for option in ids]
    assert rules.read_response(ask, {"pairs": pairs[:600]}) is not None
    assert rules.read_response(ask, {"pairs": pairs}) is None


def test_a_single_unit_stands_in_the_response_although_nobody_chose_it():
    ask = rules.ask_of("NUM", {**STEM, "units": ["mg"]}, None, {"value": "5", "unit": "g"})
    response = rules.read_response(ask, {"number": "5000"})
    assert response == {"number": "5000", "unit": "mg"}
    assert rules.share(rules.Ask(None, "number", {}, ask.key), response) == 1
    assert rules.model_response("number", ask.body, ask.key, {}) == response
