"""When things open: the rules alone, and the laws that hold for every condition."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core.errors import RuleBroken
from lms.courses.rules import release
from lms.courses.rules.release import Facts

DAY = date(2026, 12, 1)
REFS, TESTS, GROUPS = ("a", "b", "c"), ("t",), ("GP", "NURSE")

leaf = st.one_of(
    st.sampled_from(REFS).map(lambda ref: {"done": ref}),
    st.dates(date(2026, 11, 1), date(2026, 12, 31)).map(lambda day: {"from": day.isoformat()}),
    st.integers(1, 100).map(lambda percent: {"score": "t", "percent": percent}),
    st.sampled_from(GROUPS).map(lambda group: {"group": group}),
)
condition = st.recursive(
    leaf,
    lambda part: st.builds(
        lambda kind, parts: {kind: parts}, st.sampled_from(("all", "any")), st.lists(part, max_size=3)
    ),
    max_leaves=6,
)
facts = st.builds(
    Facts,
    st.just(DAY),
    st.sampled_from(GROUPS),
    st.frozensets(st.sampled_from(REFS)),
    st.dictionaries(st.just("t"), st.integers(0, 100)),
)


def met(wanted, known):
    return release.verdict(wanted, known).met


def reference(wanted, known):
    """The same decision, written the other way round."""
    if "all" in wanted:
        return not any(not reference(part, known) for part in wanted["all"])
    if "any" in wanted:
        return bool([part for part in wanted["any"] if reference(part, known)])
    return (
        wanted.get("done") in known.done
        or ("from" in wanted and wanted["from"] <= known.day.isoformat())
        or ("score" in wanted and wanted["score"] in known.scores and known.scores["t"] >= wanted["percent"])
        or ("group" in wanted and wanted["group"] == known.group)
    )


@given(condition, facts)
def test_a_condition_holds_exactly_as_it_reads(wanted, known):
    assert met(wanted, known) == reference(wanted, known)


@given(condition, facts, st.sampled_from(REFS))
def test_doing_more_never_closes_what_was_open(wanted, known, ref):
    more = Facts(known.day, known.group, known.done | {ref}, {"t": 100})
    assert not met(wanted, known) or met(wanted, more)


@given(condition)
def test_turning_a_group_twice_gives_the_same_condition(wanted):
    whole = {"all": [wanted]}
    assert release.with_turned(release.with_turned(whole, ()), ()) == whole


@given(condition, leaf)
def test_what_is_added_last_can_be_removed_again(wanted, part):
    whole = {"all": [wanted]}
    assert release.with_removed(release.with_added(whole, (), part), (1,)) in (whole, None)


def test_without_a_condition_everything_is_open():
    assert met(None, Facts(DAY))
    assert not met({"any": []}, Facts(DAY))


@pytest.mark.parametrize(
    "wrong",
    [
        "all",
        {},
        {"all": {}},
        {"done": "x"},
        {"from": "31.12.2026"},
        {"score": "t"},
        {"score": "t", "percent": 101},
        {"score": "t", "percent": True},
        {"group": "KING"},
        {"done": "a", "from": "2026-01-01"},
        {"all": [{"all": [{"all": [{"all": [{"all": [{"done": "a"}]}]}]}]}]},
        {"all": [{"done": "a"}] * 50},
    ],
)
def test_a_condition_that_is_not_whole_is_refused(wrong):
    with pytest.raises(RuleBroken) as refused:
        release.checked(wrong, refs=REFS, tests=TESTS, groups=GROUPS)
    assert refused.value.code == "bad_condition"


@given(condition)
def test_every_whole_condition_is_let_through_unless_it_is_too_deep(wanted):
    depth = str(wanted).count("[")
    if depth < release.DEEPEST:
        assert release.checked(wanted, refs=REFS, tests=TESTS, groups=GROUPS) == wanted


def test_things_that_would_wait_for_each_other_are_refused_however_far_around():
    release.refuse_loop({"a": {"done": "b"}, "b": {"any": [{"done": "c"}]}, "c": None})
    for loop in (
        {"a": {"done": "a"}},
        {"a": {"done": "b"}, "b": {"done": "a"}},
        {"a": {"done": "b"}, "b": {"any": [{"done": "c"}, {"group": "GP"}]}, "c": {"all": [{"done": "a"}]}},
    ):
        with pytest.raises(RuleBroken) as refused:
            release.refuse_loop(loop)
        assert refused.value.code == "release_loop"
