"""The pure decisions about entries."""

from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.core.errors import RuleBroken
from lms.logbooks import rules
from lms.logbooks.rules import Content

DAY = date(2026, 11, 22)


def refused(act, *args, **kwargs) -> str:
    """The code with which a rule refuses."""
    with pytest.raises(RuleBroken) as problem:
        act(*args, **kwargs)
    return problem.value.code


@pytest.mark.parametrize("state", rules.STATES)
@pytest.mark.parametrize("act", rules.MOVES)
def test_an_act_leads_where_the_table_says_and_is_refused_from_everywhere_else(act, state):
    way = rules.MOVES[act]
    if state in way.before:
        assert rules.move(state, act) == way.after
    else:
        assert refused(rules.move, state, act) == "entry_state"


def test_nothing_but_a_withdrawal_leads_back_into_the_author_s_hand_once_it_is_signed():
    reached, frontier = set(), {rules.SIGNED}
    while frontier:
        state = frontier.pop()
        reached.add(state)
        frontier |= {
            way.after for act, way in rules.MOVES.items() if state in way.before and act != "withdraw"
        } - reached
    assert reached == {rules.SIGNED, rules.COUNTERSIGNED, rules.SUPERSEDED, rules.VOIDED}


def test_buttons_are_those_acts_that_the_guards_let_through():
    author = {"hands": {rules.AUTHOR}}
    assert "discard" in rules.acts(rules.DRAFT, **author, submitted_before=False)
    assert "discard" not in rules.acts(rules.DRAFT, **author, submitted_before=True)
    assert "recall" in rules.acts(rules.SUBMITTED, **author)
    assert "recall" not in rules.acts(rules.SUBMITTED, **author, opened=True)
    assert "recall" in rules.acts(rules.SUBMITTED, **author, opened=True, waited_long=True)
    assert rules.acts(rules.SIGNED, **author) == ["amend"]
    assert rules.acts(rules.SIGNED, hands={rules.SIGNER}) == ["withdraw", "amend"]
    assert rules.acts(rules.SIGNED, hands={rules.SIGNER}, seen=True) == ["amend"]
    assert rules.acts(rules.SIGNED, hands={rules.SECOND}) == []
    assert rules.acts(rules.SIGNED, hands={rules.SECOND}, needs_second=True) == ["countersign"]
    assert rules.acts(rules.LAPSED, hands={rules.DIRECTOR}) == ["revive"]


def test_the_clock_s_acts_are_in_nobody_s_hand():
    for state in rules.STATES:
        found = rules.acts(
            state, hands={rules.AUTHOR, rules.SIGNER, rules.SECOND, rules.DIRECTOR}, needs_second=True
        )
        assert not {"escalate", "lapse"} & set(found)


@pytest.mark.parametrize(("ago", "code"), [(-1, "future"), (0, None), (30, None), (31, "too_late")])
def test_an_entry_is_for_today_or_the_thirty_days_before(ago, code):
    day = DAY - timedelta(days=ago)
    if code:
        assert refused(rules.require_day, day, today=DAY, first_submitted_on=DAY) == code
    else:
        rules.require_day(day, today=DAY, first_submitted_on=DAY)


def test_what_was_sent_in_time_may_be_corrected_later():
    rules.require_day(DAY - timedelta(days=40), today=DAY, first_submitted_on=DAY - timedelta(days=35))


@pytest.mark.parametrize(("ago", "late"), [(0, False), (7, False), (8, True)])
def test_late_is_more_than_seven_days(ago, late):
    assert rules.is_late(DAY - timedelta(days=ago), first_submitted_on=DAY) is late


def test_the_signer_is_the_primary_mentor_unless_another_valid_one_is_chosen():
    assert rules.require_signer(1, None, [5, 6]) == 5
    assert rules.require_signer(1, 6, [5, 6]) == 6
    assert refused(rules.require_signer, 1, 7, [5, 6]) == "signer_invalid"
    assert refused(rules.require_signer, 1, None, []) == "no_signer"
    assert refused(rules.require_signer, 5, 5, [5, 6]) == "own_entry"


@pytest.mark.parametrize("level", [1, 2])
def test_a_low_level_needs_words(level):
    assert refused(rules.require_words, level, Content(), "") == "words_missing"
    rules.require_words(level, Content(), "先定位再进针")


def test_a_major_complication_needs_words_at_any_level():
    assert refused(rules.require_words, 5, Content(complication="major"), "") == "words_missing"
    rules.require_words(5, Content(complication="minor"), "")
    rules.require_words(3, Content(), "")


@pytest.mark.parametrize("level", [0, 6, -1])
def test_there_are_five_levels(level):
    assert refused(rules.require_level, level) == "level"


def test_a_return_needs_a_phrase_or_words():
    assert refused(rules.require_reason, "", "") == "reason_missing"
    assert refused(rules.require_reason, "other", "") == "reason_missing"
    assert refused(rules.require_reason, "made up", "x") == "unknown_value"
    rules.require_reason("talk", "")
    rules.require_reason("", "请补充")
    rules.require_reason(rules.DECLINE_REASON, "")


@pytest.mark.parametrize(
    "field",
    [
        "operator_role",
        "age_band",
        "gestation_band",
        "weight_band",
        "setting",
        "mode",
        "success",
        "complication",
    ],
)
def test_every_clinical_fact_is_one_of_its_bands(field):
    assert refused(rules.require_known, Content(**{field: "28 weeks and 3 days"})) == "unknown_value"


def test_bands_and_roles_are_those_of_the_domain():
    assert list(rules.ROLES) == ["O", "A", "S_TS", "S_TU", "P", "T"]
    assert len(rules.AGE_BANDS) == 7
    assert len(rules.GESTATION_BANDS) == 5
    assert len(rules.WEIGHT_BANDS) == 10


def test_content_keeps_only_what_was_given_and_comes_back_the_same():
    content = Content(operator_role="P", age_band="1-4y", attempts=2)
    assert content.as_json() == {"operator_role": "P", "age_band": "1-4y", "attempts": 2}
    assert Content.of_json(content.as_json()) == content
    assert Content.of_json({**content.as_json(), "field_of_a_later_form": 1}) == content


def test_the_note_and_the_attempts_have_bounds():
    assert refused(rules.require_known, Content(note="长" * 501)) == "note_long"
    rules.require_known(Content(note="长" * 500))
    assert refused(rules.require_known, Content(attempts=0)) == "attempts"
    assert refused(rules.require_known, Content(self_level=6)) == "unknown_value"


ITEMS = [
    SimpleNamespace(
        code="N13", title_zh="新生儿腰椎穿刺", title_en="Lumbar puncture, newborn", initials="xseyzcc"
    ),
    SimpleNamespace(
        code="P14", title_zh="儿童腰椎穿刺", title_en="Lumbar puncture, child", initials="etyzcc"
    ),
    SimpleNamespace(
        code="N09", title_zh="脐静脉置管", title_en="Umbilical venous catheter", initials="qjmzg"
    ),
]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("腰椎", ["N13", "P14"]),
        ("yzcc", ["N13", "P14"]),
        ("YZCC", ["N13", "P14"]),
        ("qjm", ["N09"]),
        ("umbil", ["N09"]),
        ("lumbar  PUNCTURE", ["N13", "P14"]),
        ("n13", ["N13"]),
        ("Ｎ１３", ["N13"]),
        ("新生儿腰椎穿刺", ["N13"]),
        ("Lumbar puncture, child", ["P14"]),
        ("骨髓", []),
        ("  ", []),
        ("、。", []),
    ],
)
def test_items_are_found_by_chinese_by_pinyin_initials_by_english_and_by_code(text, codes):
    assert [item.code for item in rules.find_items(ITEMS, text)] == codes


SAID = {
    "payload_sha256": "",
    "signer": "s",
    "acted_as": "mentor",
    "kind": "sign",
    "level": 4,
    "words": "",
    "method": "pin",
    "signed_at": "t",
}


@given(
    payload=st.dictionaries(
        st.text(max_size=6),
        st.one_of(st.text(max_size=8), st.integers(0, 99), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    change=st.text(min_size=1, max_size=4),
)
def test_any_change_of_the_payload_breaks_the_record(payload, change):
    from lms.core.digests import digest_of

    digest = digest_of(payload)
    said = {**SAID, "payload_sha256": digest}
    sealed = digest_of(said)

    def link(payload, said=said):
        return rules.broken_link(
            payload=payload,
            revision_sha256=digest,
            signed_payload_sha256=digest,
            said=said,
            statement_sha256=sealed,
            witnessed={"payload": digest, "statement": sealed},
        )

    assert link(payload) == ""
    assert link({**payload, "added" + change: change}) == "record"
    assert link(payload, {**said, "level": 5}) == "statement"
    assert link(payload, {**said, "words": change}) == "statement"


def test_a_signature_that_the_trail_does_not_know_does_not_hold():
    from lms.core.digests import digest_of

    digest = digest_of({"a": 1})
    said = {**SAID, "payload_sha256": digest}
    facts = {
        "payload": {"a": 1},
        "revision_sha256": digest,
        "signed_payload_sha256": digest,
        "said": said,
        "statement_sha256": digest_of(said),
    }
    assert rules.broken_link(**facts, witnessed=None) == "trail"
    assert rules.broken_link(**facts, witnessed={"payload": digest, "statement": "another"}) == "trail"
