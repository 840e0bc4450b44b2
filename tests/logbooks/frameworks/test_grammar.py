"""What a framework may say: the validator, the document, the comparison, and that counting reads what is allowed."""

import copy
import json
from datetime import date
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.core.errors import RuleBroken
from lms.logbooks import rules
from lms.logbooks.rules import framework_documents as documents
from lms.logbooks.rules import frameworks as grammar
from lms.logbooks.rules.content import Content
from lms.logbooks.rules.counting import Evidence, counts, progress, requirement_of

TODAY = date(2026, 11, 27)


def sample(name="nicu"):
    """A sample as a document."""
    path = files("lms") / "samples" / "frameworks" / f"{name}.json"
    return documents.read_sample(json.loads(path.read_text(encoding="utf-8")))


def sound():
    """A small framework without a problem."""
    return documents.read(
        {
            "code": "NICU",
            "title_zh": "新生儿",
            "title_en": "Newborns",
            "domains": [{"code": "AIR", "title_zh": "气道", "title_en": "Airway"}],
            "items": [
                {
                    "code": "N01",
                    "kind": "PROCEDURE",
                    "domain": "AIR",
                    "title_zh": "插管",
                    "title_en": "Intubation",
                    "targets": {
                        "PED": {"level": 3, "min_count": 5},
                        "GP": {"role": "A", "min_count": 2},
                        "NURSE": None,
                    },
                    "facets": [{"dim": "attempts", "at_most": 2, "at_least": 3}],
                    "cusum": {"p0": 0.2, "p1": 0.4},
                }
            ],
        }
    )


def stopping(document, **kwargs):
    """Problems that stop a review."""
    return [one for one in grammar.problems(document, **kwargs) if one.stops]


@pytest.mark.parametrize("name", ["nicu", "picu"])
def test_the_samples_have_no_problem_that_stops_a_review(name):
    assert stopping(sample(name)) == []


def test_an_audit_that_no_entry_shows_is_said_and_not_counted():
    said = [one for one in grammar.problems(sample("picu")) if not one.stops]
    assert {one.key for one in said} == {"P25"}


def test_a_sound_framework_has_no_problem():
    assert grammar.problems(sound()) == []


def changed(**values):
    """The small framework with its item changed."""
    document = sound()
    document["items"][0].update(values)
    return document


PED = {"level": 3, "min_count": 5}


def targets(**ped):
    """Targets where the pediatrician's is this."""
    return {"targets": {"PED": ped, "GP": None, "NURSE": None}}


@pytest.mark.parametrize(
    "values",
    [
        {"code": "n 1"},
        {"title_zh": " "},
        {"title_en": "x" * 161},
        {"kind": "THING"},
        {"kind": []},
        {"critical": "yes"},
        {"domain": ""},
        {"domain": "HEART"},
        {"weight": 3},
        {"sources": "E"},
        {"targets": {"PED": PED, "GP": None}},
        {"targets": {"PED": PED, "GP": None, "NURSE": None, "VET": PED}},
        {"targets": {"PED": PED, "GP": [], "NURSE": None}},
        targets(level=6),
        targets(level=True),
        targets(min_count=5),
        targets(level=3, role="P", min_count=5),
        targets(level=3, assist=True),
        targets(role="X"),
        targets(role="A", assist=True),
        targets(level=3, level_to=3),
        targets(level=3, level_to=6),
        targets(min_level=3, level_to=4),
        targets(level=3, min_count=5, min_level=6),
        targets(level=3, min_count=5, max_simulated=6),
        targets(level=3, min_count="5"),
        targets(level=3, min_count=5, min_success_percent=101),
        targets(level=3, currency_days=30),
        targets(level=3, min_count=5, spread={"distinct_days": 6}),
        targets(level=3, min_count=5, spread={"distinct_moons": 1}),
        targets(level=3, min_count=5, stars=1),
        targets(level=3, min_count=5, facets=[{"dim": "moon", "at_least": 1}]),
        {"facets": [{"dim": "note", "at_least": 1, "of": ["x"]}]},
        {"facets": [{"dim": "age_band", "at_least": 1, "of": ["old"]}]},
        {"facets": [{"dim": "age_band", "at_least": 1}]},
        {"facets": [{"dim": "age_band", "at_least": 6, "of": ["1-4y"]}]},
        {"facets": [{"dim": "shift", "at_least": 3, "distinct": True}]},
        {"facets": [{"dim": "observer", "at_least": 2}]},
        {"facets": [{"dim": "observer", "at_least": 2, "distinct": True, "of": ["1"]}]},
        {"facets": [{"dim": "attempts", "at_least": 2}]},
        {"facets": [{"dim": "shift", "of": ["night"], "at_most": 2, "at_least": 1}]},
        {"facets": [{"dim": "diagnosis", "of": ["sepsis"], "at_least": 1}]},
        {"facets": [{"dim": "shift", "of": ["night"], "at_least": 0}]},
        {"facets": [{"dim": "shift", "of": ["night"], "at_least": 1, "zh": "夜"}]},
        {"facets": [{"dim": "shift", "of": ["night"], "at_least": 1, "phase": "full"}]},
        {"facets": "many"},
        {"cusum": {"p0": 0.4, "p1": 0.4}},
        {"cusum": {"p0": 0, "p1": 0.4}},
        {"cusum": {"p0": 0.2}},
        {"cusum": {"p0": 0.2, "p1": 0.4, "alpha": 0.6, "beta": 0.5}},
        {"cusum": [0.2, 0.4]},
    ],
)
def test_what_is_wrong_with_an_item_is_named_at_the_item(values):
    found = stopping(changed(**values))
    assert "N01" in {one.key for one in found}
    assert all(one.text for one in found)


def test_a_code_twice_and_a_code_of_another_framework_are_named():
    document = sound()
    document["items"].append({**copy.deepcopy(document["items"][0]), "key": "N01.2"})
    assert {one.key for one in stopping(document)} == {"N01", "N01.2"}
    assert [one.key for one in stopping(sound(), taken={"N01"})] == ["N01"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
odd_targets = st.dictionaries(
    st.sampled_from(
        [*grammar.NUMBERS, "level", "level_to", "role", "assist", "observed", "spread", "facets", "cusum"]
    ),
    json_values,
    max_size=5,
)
odd_facets = st.dictionaries(
    st.sampled_from(["dim", "at_least", "of", "distinct", "at_most", "zh", "en"]),
    json_values | st.sampled_from(sorted(grammar.DIMS)),
    max_size=5,
)
odd_items = st.fixed_dictionaries(
    {},
    optional={
        "code": json_values,
        "kind": json_values,
        "critical": json_values,
        "domain": json_values,
        "title_zh": json_values,
        "sources": json_values,
        "targets": json_values
        | st.dictionaries(st.sampled_from(["PED", "GP", "NURSE"]), odd_targets | json_values),
        "facets": json_values | st.lists(odd_facets, max_size=3),
        "cusum": json_values | st.dictionaries(st.sampled_from(["p0", "p1", "alpha", "beta"]), json_values),
    },
)


@given(st.lists(odd_items, max_size=3), json_values)
@settings(max_examples=60)
def test_whatever_a_file_says_its_problems_are_named_and_its_words_found(items, domains):
    raw = {"code": "NICU", "items": items, "domains": domains if isinstance(domains, list) else []}
    try:
        document = documents.read_file(json.dumps(raw).encode())
    except RuleBroken:
        return
    keys = [row["key"] for row in document["items"]]
    assert len(set(keys)) == len(keys)
    found = grammar.problems(document)
    assert all(one.part != "item" or one.key in keys for one in found)
    documents.changes(sound(), document)


def _facets(dim):
    if dim == "observer":
        return st.builds(lambda n: {"dim": dim, "at_least": n, "distinct": True}, st.integers(1, 5))
    if dim == "attempts":
        return st.builds(
            lambda n, most: {"dim": dim, "at_least": n, "at_most": most},
            st.integers(1, 5),
            st.integers(1, 20),
        )
    values = ["P22", "A41", "J96"] if dim in grammar.CODED else sorted(grammar.VALUES[dim])
    return st.builds(
        lambda n, of: {"dim": dim, "at_least": n, "of": of},
        st.integers(1, 5),
        st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True),
    )


@given(st.sampled_from(sorted(grammar.DIMS)).flatmap(_facets))
def test_every_facet_that_is_allowed_can_be_met_by_entries_that_counting_reads(facet):
    assert not list(grammar.facet_problems(facet, most=5))
    requirement = requirement_of({"PED": {"level": 3, "min_count": 5}}, {"facets": [facet]}, "PED")
    dim = facet["dim"]
    rows = []
    for number in range(20):
        value = facet["of"][0] if facet.get("of") else "1"
        facts = {"operator_role": "P", "age_band": "1-4y", "attempts": 1}
        name = "diagnosis" if dim == "presentation" else dim
        if name not in {"observer", "observer_role", "attempts"}:
            facts[name] = value
        role = value if dim == "observer_role" else "mentor"
        rows.append(Evidence(number, TODAY, Content(**facts), 5, number, role))
    met = next(
        tally
        for tally in progress(rows, requirement, today=TODAY).tallies[1:]
        if tally.need == facet["at_least"]
    )
    unreachable = {
        "mode": {"simulation", "observed_broadcast"},
        "setting": {"simulation"},
        "operator_role": {"O"},
    }
    if not set(facet.get("of", ())) & unreachable.get(dim, set()):
        assert met.have >= min(20, facet["at_least"])


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        ("A", "A", True),
        ("P", "S_TU", False),
        ("P", "T", True),
        ("S_TS", "P", True),
        ("O", "O", True),
        ("A", "O", False),
    ],
)
def test_a_part_that_is_asked_for_is_the_least_that_counts(wanted, given, expected):
    requirement = requirement_of({"NURSE": {"role": wanted, "min_count": 2}}, {}, "NURSE")
    one = Evidence(1, TODAY, Content(operator_role=given), 4, 7, "mentor")
    assert counts(one, requirement, today=TODAY) is expected


def test_to_assist_is_the_same_as_the_part_a():
    assert requirement_of({"NURSE": {"assist": True, "min_count": 2}}, {}, "NURSE") == requirement_of(
        {"NURSE": {"role": "A", "min_count": 2}}, {}, "NURSE"
    )


# ---------------------------------------------------------------- files and comparison


@pytest.mark.parametrize("name", ["nicu", "picu"])
def test_a_framework_written_to_a_file_reads_back_the_same(name):
    document = sample(name)
    assert documents.read_file(documents.written(document, version=1)) == document


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"items": 1}',
        b'{"items": [1]}',
        b"\xff\xfe",
        b'{"items": [], "x": NaN}',
        b"[" * 5000,
        b'{"items": [], "title_zh": "\\ud800"}',
        b" " * (documents.FILE_MAX + 1),
    ],
)
def test_a_file_that_is_no_framework_is_refused(data):
    with pytest.raises(RuleBroken) as refused:
        documents.read_file(data)
    assert refused.value.code == "framework_file"


def test_what_changed_is_said_by_place_and_field():
    before, after = sound(), sound()
    after["title_en"] = "Babies"
    after["items"][0]["targets"]["PED"] = {"level": 4, "min_count": 8}
    after["items"].append({**copy.deepcopy(after["items"][0]), "key": "N02", "code": "N02"})
    after["domains"] = []
    found = documents.changes(before, after)
    assert documents.changes(before, sound()) == []
    assert [(one.kind, one.place.split(" ")[0]) for one in found] == [
        ("changed", found[0].place),
        ("removed", found[1].place.split(" ")[0]),
        ("changed", "N01"),
        ("added", "N02"),
    ]
    assert [field[1:] for field in found[0].fields] == [("Newborns", "Babies")]
    assert len(found[2].fields) == 1


def test_an_item_that_got_another_code_or_place_is_the_same_item():
    before = sound()
    before["items"].append({**copy.deepcopy(before["items"][0]), "key": "N02", "code": "N02"})
    after = copy.deepcopy(before)
    after["items"].reverse()
    after["items"][0]["code"] = "N09"
    found = documents.changes(before, after)
    assert [one.kind for one in found] == ["changed", "moved"]


@given(st.permutations(range(6)))
def test_keys_stay_different_whatever_codes_come(order):
    codes = ["N01", "N01", "", "x", "N01", "N02"]
    document = documents.read({"items": [{"code": codes[place]} for place in order]})
    assert len({row["key"] for row in document["items"]}) == 6


def test_the_words_of_a_target_name_its_one_scale():
    said = [documents.target_words(one)[0] for one in ({"level": 3}, {"role": "A"}, {"assist": True})]
    assert said[1] == said[2] != said[0]
    assert documents.target_words(None)
    assert rules.MIN_LEVEL == 3
