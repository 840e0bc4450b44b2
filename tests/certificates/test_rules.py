"""Rules, serials, masked names: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certificates import rules
from lms.certificates.rules import FactValue
from lms.core.errors import RuleBroken

RULE = {
    "all": [
        {"fact": "lectures", "at_least": "all"},
        {"fact": "tests", "at_least": "all"},
        {"fact": "entries_signed", "at_least": 3},
    ]
}


def facts(lectures=(3, 3), tests=(1, 1), entries=3):
    return {
        "lectures": FactValue(*lectures),
        "tests": FactValue(*tests),
        "entries_signed": FactValue(entries),
    }


def test_everything_met_is_met():
    assert rules.evaluate(RULE, facts()).met


@pytest.mark.parametrize(
    "lacking",
    [
        facts(lectures=(2, 3)),
        facts(tests=(0, 1)),
        facts(entries=2),
        facts(lectures=(0, 0)),
        facts(tests=(0, 0)),
    ],
)
def test_one_open_clause_leaves_the_rule_open(lacking):
    trace = rules.evaluate(RULE, lacking)
    assert not trace.met
    assert sum(not clause.met for clause in trace.clauses) == 1


def test_any_needs_only_one_of_its_parts():
    rule = {"any": [{"fact": "tests", "at_least": 1}, {"fact": "entries_signed", "at_least": 99}]}
    assert rules.evaluate(rule, facts()).met


def test_a_trace_survives_being_stored():
    trace = rules.evaluate(RULE, facts(entries=1))
    assert rules.Trace.of_document(trace.document()) == trace


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ([], "rule_shape"),
        ({"all": []}, "rule_empty"),
        ({"none": [1]}, "rule_shape"),
        ({"fact": "shoe_size", "at_least": 1}, "rule_fact"),
        ({"fact": "tests", "at_least": 0}, "rule_number"),
        ({"fact": "tests", "at_least": True}, "rule_number"),
        ({"all": [{"fact": "tests", "at_least": "most"}]}, "rule_number"),
    ],
)
def test_a_rule_that_nobody_could_answer_is_refused(expression, code):
    with pytest.raises(RuleBroken) as refusal:
        rules.require_expression(expression)
    assert refusal.value.code == code


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_more_of_a_fact_never_closes_what_was_met(lectures, tests, entries):
    before = rules.evaluate(RULE, facts((lectures, 5), (tests, 5), entries))
    after = rules.evaluate(RULE, facts((lectures + 1, 5), (tests + 1, 5), entries + 1))
    assert after.met or not before.met


def test_the_check_character_is_that_of_iso_7064():
    # ISO/IEC 7064 MOD 37,36: the standard's own kind of example, as used by the GRid (identifier of music releases).
    assert rules.check_character("A12425GABC1234002") == "M"


def test_a_serial_is_read_however_it_was_typed():
    serial = rules.serial("FFLY", 2026, 412)
    assert rules.read_serial(serial.lower().replace("-", " ")) == serial
    assert rules.read_serial("ＦＦＬＹ" + serial[4:]) == serial


@given(st.integers(1, 999_999), st.data())
def test_any_single_slip_in_a_serial_is_found(number, data):
    serial = rules.serial("FFLY", 2026, number).replace("-", "")
    place = data.draw(st.integers(0, len(serial) - 1))
    other = data.draw(
        st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ").filter(lambda c: c != serial[place])
    )
    assert rules.read_serial(serial[:place] + other + serial[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "x", "FFLY-2026-1-K", "'; drop table", "FFLY" * 40, "\x00"])
def test_what_cannot_be_a_serial_is_none(text):
    assert rules.read_serial(text) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [("李思远", "李*远"), ("王明", "王*"), ("热娜·吐尔逊", "热****逊"), ("Li Siyuan", "L* S*")],
)
def test_a_masked_name_gives_little_away(name, shown):
    assert rules.masked(name) == shown


@pytest.mark.parametrize(
    ("state", "act"),
    [("reserved", "revoke"), ("revoked", "revoke"), ("revoked", "finish"), ("superseded", "finish")],
)
def test_an_illegal_move_is_refused(state, act):
    with pytest.raises(RuleBroken):
        rules.move(state, act)


LEAVES = st.builds(
    lambda fact, need: {"fact": fact, "at_least": need},
    st.sampled_from(rules.FACTS),
    st.one_of(st.just(rules.ALL), st.integers(1, 6)),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda how, parts: {how: parts},
        st.sampled_from(("all", "any")),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
FOUND = st.fixed_dictionaries(
    {fact: st.builds(rules.FactValue, st.integers(0, 6), st.integers(0, 6)) for fact in rules.FACTS}
)


@given(EXPRESSIONS, FOUND, st.integers(0, 5))
def test_what_is_asked_anew_never_takes_a_certificate_away(expression, found, more):
    trace = rules.evaluate(expression, found)
    if trace.met:
        grown = {fact: rules.FactValue(value.have, (value.of or 0) + more) for fact, value in found.items()}
        assert rules.still_holds(expression, trace, grown)


@given(EXPRESSIONS, FOUND)
def test_who_has_nothing_left_holds_nothing_unless_all_is_waived(expression, found):
    trace = rules.evaluate(expression, found)
    nothing = {fact: rules.FactValue(0, (value.of or 0) + 1) for fact, value in found.items()}
    asked = [clause for clause in trace.clauses if clause.need > 0]
    if trace.met and len(asked) == len(trace.clauses):
        assert not rules.still_holds(expression, trace, nothing)
    assert rules.evaluate(expression, nothing, rules.FACTS).met
