"""GIFT: the whole syntax, and whatever people make of it."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.assessments.interchange import gift
from lms.assessments.interchange.drafts import Draft, Reading
from lms.assessments.rules.items import asks, faults, share

SAMPLE = r"""// Items of a ward, for practice
$CATEGORY: $course$/top/Neonatology/Jaundice

// [id:J-17] [tag:bilirubin] [tag:term infant]
::Physiological jaundice::Jaundice of a healthy term infant peaks on day {
    ~one#Jaundice on the first day is never physiological.
    =three#Right.
    ~%50%five
    ~ten
    ####Bilirubin peaks on day 3 to 4.
}

Phototherapy is a treatment of jaundice.{TRUE#It is.#Well done.}

Which bilirubin is neurotoxic? {=unconjugated =%75%indirect#The older word. =%0%*#No.}

Normal glucose in mmol/L {#2.6..7.0#Well done.}

Weight of a term infant in kg {#
   =3.3:0.2
   =%50%3.3:0.8
   ~#Far off.
}

Match each finding. {
    =pale stool -> biliary atresia
    =dark urine -> conjugated bilirubin
    =kernicterus -> unconjugated bilirubin
    = -> nothing
}

Give two risk factors {
   ~%50%prematurity
   ~%50%ABO incompatibility
   ~%-100%breast feeding at four months
   ~%-100%a sunny room
}

::Essay::Describe the first hour.{}

This is only a note.
"""


def draft_of(text: str) -> Draft:
    found = gift.read(text)
    assert len(found.drafts) == 1, found.problems
    return found.drafts[0]


def codes(found: Reading) -> list[tuple[str, str]]:
    return [(one.place.at, one.code) for one in found.problems]


def earned(draft: Draft, response: dict[str, Any]) -> Fraction | None:
    (ask,) = asks(draft.type, draft.body, draft.key)
    return share(ask, response)


def test_every_type_of_question_becomes_an_item() -> None:
    found = gift.read(SAMPLE)
    assert [one.type for one in found.drafts] == ["A1", "TF", "SHORT", "NUM", "NUM", "MATCH", "X", "ESSAY"]
    assert codes(found) == [(str(SAMPLE.split("\n").index("This is only a note.") + 1), "description")]
    assert not any(one.is_blocking for one in found.problems)
    assert all(faults(one.type, one.body, one.key) == [] for one in found.drafts)
    assert {one.topic for one in found.drafts} == {"Neonatology/Jaundice"}
    assert found.drafts[0].code == "J-17"
    assert found.drafts[0].tags == ("bilirubin", "term infant")
    assert found.drafts[7].code == "Essay"
    assert found.drafts[7].review


def test_a_missing_word_becomes_a_gap_and_shares_stay_exact() -> None:
    first = gift.read(SAMPLE).drafts[0]
    assert first.body["stem"] == {"en": "Jaundice of a healthy term infant peaks on day"}
    assert [one["en"] for one in first.body["options"]] == ["one", "three", "five", "ten"]
    assert first.key == {"right": "b", "weights": {"c": "0.5"}}
    assert first.rationale["en"].startswith("Bilirubin peaks on day 3 to 4.\none: Jaundice on the first day")
    assert draft_of("The {=liver ~spleen} conjugates bilirubin.").body["stem"] == {
        "en": "The _____ conjugates bilirubin."
    }
    assert draft_of("What is pi? {#3.14:0.01}.").body["stem"] == {"en": "What is pi?"}
    assert draft_of("Two and two are {=four =4}.").body["stem"] == {"en": "Two and two are _____."}


def test_several_right_options_add_their_shares_as_in_moodle() -> None:
    item = gift.read(SAMPLE).drafts[6]
    assert item.body["scoring"] == "weights"
    assert earned(item, {"choices": ["a", "b"]}) == 1
    assert earned(item, {"choices": ["a"]}) == Fraction(1, 2)
    assert earned(item, {"choices": ["a", "b", "c"]}) == 0


def test_a_third_that_was_rounded_is_a_third() -> None:
    item = draft_of("三项 {~%33.33333%甲 ~%33.33333%乙 ~%33.33333%丙 ~%-33.33333%丁}")
    assert item.key["weights"] == {"a": "1/3", "b": "1/3", "c": "1/3", "d": "-1/3"}
    assert earned(item, {"choices": ["a", "b", "c"]}) == 1
    assert draft_of("q {~%33%a ~%33%b ~%34%c}").key["weights"] == {"a": "0.33", "b": "0.33", "c": "0.34"}
    assert earned(draft_of("q {~%33%a ~%33%b ~%33%c ~d}"), {"choices": ["a", "b", "c"]}) == 1


def test_what_earns_nothing_is_no_accepted_answer() -> None:
    item = gift.read(SAMPLE).drafts[2]
    assert item.key == {"accepted": [{"text": "unconjugated"}, {"text": "indirect", "share": "0.75"}]}
    assert "No." in item.rationale["en"]


@pytest.mark.parametrize(
    ("answers", "key"),
    [
        ("#1822", {"value": "1822", "tolerance": "0"}),
        ("#1822:5", {"value": "1822", "tolerance": "5"}),
        ("# 3.141 .. 3.142 ", {"value": "3.1415", "tolerance": "0.0005"}),
        ("#-5..-1", {"value": "-3", "tolerance": "2"}),
        ("#=1.6e-19:1e-21", {"value": "1.6e-19", "tolerance": "1e-21"}),
        ("#3:2~#Completely wrong", {"value": "3", "tolerance": "2"}),
        (
            "#=1:0 =%50%1:2 =%0%*",
            {
                "answers": [
                    {"share": "1", "value": "1", "tolerance": "0"},
                    {"share": "0.5", "value": "1", "tolerance": "2"},
                ]
            },
        ),
    ],
)
def test_numbers_are_exact(answers: str, key: dict[str, Any]) -> None:
    found = dict(draft_of(f"How much? {{{answers}}}").key)
    for name in ("value", "tolerance"):
        if name in key:
            assert Fraction(found.pop(name)) == Fraction(key.pop(name))
    assert found == key


@pytest.mark.parametrize(
    ("word", "right"),
    [("T", "true"), ("TRUE", "true"), ("F", "false"), ("FALSE", "false"), ("true", "true"), (" F ", "false")],
)
def test_true_and_false(word: str, right: str) -> None:
    assert draft_of(f"So? {{{word}}}").key == {"right": right}
    assert draft_of(f"So? {{{word}#no#yes####because}}").rationale == {"en": "because\nno\nyes"}


def test_escaped_signs_are_text() -> None:
    item = draft_of(r"::A\:B:: 1 \= 1, \{x\} \#3 \~4 {=\=a ~\~b \\ c ~d\: e\nf}")
    assert item.code == "A:B"
    assert item.body["stem"] == {"en": "1 = 1, {x} #3 ~4"}
    assert [one["en"] for one in item.body["options"]] == ["=a", "~b \\ c", "d: e\nf"]


def test_formats_are_respected_and_inherited() -> None:
    html = draft_of("[html]<p>What is<br>H<sub>2</sub>O?</p>{=<b>water</b> ~[plain]<b>wine</b>}")
    assert html.body["stem"] == {"en": "What is\nH₂O?"}
    assert [one["en"] for one in html.body["options"]] == ["water", "<b>wine</b>"]
    assert draft_of("[markdown]**Bold** and *so on*{T}").body["stem"] == {"en": "Bold and so on"}
    assert draft_of("a < b\nand c{T}").body["stem"] == {"en": "a < b\nand c"}
    assert draft_of("[html]a\nb{T}").body["stem"] == {"en": "a b"}


def test_signs_inside_tags_and_entities_are_no_syntax() -> None:
    item = draft_of('[html]<span style="color:#f00">Red</span> &#176;C{=<i class="x">one</i> ~two}')
    assert item.body["stem"] == {"en": "Red °C"}
    assert [one["en"] for one in item.body["options"]] == ["one", "two"]


def test_formulas_in_braces_are_not_taken_for_answers() -> None:
    item = draft_of("What is \\(\\frac{1}{2} + x^{2}\\)? {=\\(\\frac{3}{2}\\) ~0}")
    assert item.body["stem"] == {"en": "What is \\(\\frac{1}{2} + x^{2}\\)?"}
    assert [one["en"] for one in item.body["options"]] == ["\\(\\frac{3}{2}\\)", "0"]


def test_a_picture_in_the_file_stands_beside_the_question() -> None:
    item = draft_of('Which rash? <img src="data:image/png;base64,iVBORw0KGgo=" alt="A red macule">{=a ~b ~c}')
    assert item.body["media"] == [{"kind": "image", "key": "1.png", "alt": {"en": "A red macule"}}]
    assert item.media == {"1.png": b"\x89PNG\r\n\x1a\n"}
    assert item.review == ""


def test_a_picture_that_is_missing_is_named_and_its_words_stay() -> None:
    found = gift.read('Which rash? <img src="@@PLUGINFILE@@/a.png" alt="A red macule">{=a ~b ~c}')
    assert found.drafts[0].body["stem"] == {"en": "Which rash? [A red macule]"}
    assert "media" not in found.drafts[0].body
    assert [(one.code, one.is_blocking) for one in found.problems] == [("media_missing", False)]
    assert found.drafts[0].review


def test_an_empty_line_inside_braces_does_not_end_a_question() -> None:
    assert len(draft_of("Which?\n{\n~a\n\n=b\n\n~c\n}\n").body["options"]) == 3


def test_questions_without_an_empty_line_between_them_are_told_apart() -> None:
    found = gift.read("One {T}\nTwo {F}\n::t::Three {=a ~b}\n")
    assert [(one.place.at, one.type) for one in found.drafts] == [("1", "TF"), ("2", "TF"), ("3", "A1")]


def test_a_comment_inside_a_question_is_left_out() -> None:
    item = draft_of("Which?{\n~a\n// not this\n=b\n}")
    assert [one["en"] for one in item.body["options"]] == ["a", "b"]


def test_a_category_needs_no_empty_line_and_holds_until_the_next() -> None:
    found = gift.read("$CATEGORY: top/A\nOne {T}\n\nTwo {T}\n$CATEGORY: B//C/D\nThree{T}")
    assert [one.topic for one in found.drafts] == ["A", "A", "B//C/D"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Unclosed {=a\n\n::next::Fine {T}", [("1", "braces")]),
        ("Closed too early }\n\nFine {T}", [("1", "braces")]),
        ("The {=cat} sat on the {=mat}\n\nFine {T}", [("1", "several_answers")]),
        ("None right {~a ~b}\n\nFine {T}", [("1", "no_key")]),
        ("One option {~a}\n\nFine {T}", [("1", "options")]),
        ("Empty option {=a ~}\n\nFine {T}", [("1", "text")]),
        ("Twice {=a ~b ~b}\n\nFine {T}", [("1", "same_options")]),
        ("Not a number {#abc}\n\nFine {T}", [("1", "number")]),
        ("A comma {#3,14}\n\nFine {T}", [("1", "number")]),
        ("No value {#}\n\nFine {T}", [("1", "no_key")]),
        ("No arrow {=a -> b =c}\n\nFine {T}", [("1", "pairs")]),
        ("{=no question}\n\nFine {T}", [("1", "text")]),
    ],
)
def test_what_cannot_be_imported_is_named_by_its_line(text: str, expected: list[tuple[str, str]]) -> None:
    found = gift.read(text)
    assert len(found.drafts) == 1
    assert codes(found) == expected
    assert all(one.is_blocking and one.message for one in found.problems)


def test_a_title_is_the_question_where_it_has_no_other_words() -> None:
    assert draft_of("::Which organ?::{=liver ~spleen}").body["stem"] == {"en": "Which organ?"}


def test_a_file_without_questions_says_so() -> None:
    assert codes(gift.read("")) == [("", "no_items")]
    assert codes(gift.read("words\n\nmore words"))[-1] == ("", "no_items")


def test_two_wholly_right_options_are_looked_at_by_a_person() -> None:
    item = draft_of("q {=a =b ~c}")
    assert (item.type, item.key) == ("A1", {"right": "a", "weights": {"b": "1"}})
    assert item.review


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_files_are_read_in_their_encodings(encoding: str) -> None:
    found = gift.read("新生儿黄疸何时最重？{~第一天 =第三天 ~第十天}".encode(encoding))
    assert found.drafts[0].body["stem"] == {"zh": "新生儿黄疸何时最重？"}
    assert found.problems == ()


# ---------------------------------------------------------------- laws


def check(found: Reading) -> None:
    assert found.drafts or any(one.is_blocking for one in found.problems)
    for one in found.drafts:
        assert faults(one.type, one.body, one.key) == []
        assert one.place.kind == "line"
    for problem in found.problems:
        assert problem.code.isidentifier()
        assert problem.message


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    check(gift.read(data))


@given(
    st.lists(
        st.sampled_from(
            [
                *"{}=~#:\\[]%$/<>*.",
                "::",
                "->",
                "####",
                "\n",
                "\n\n",
                "//",
                "T",
                "50",
                " a ",
                "[html]",
                "$CATEGORY:",
                "儿",
                "<b>",
                "&#39;",
            ]
        ),
        max_size=80,
    )
)
def test_any_soup_of_signs_is_read(parts: list[str]) -> None:
    check(gift.read("".join(parts)))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_file_is_read(data: st.DataObject) -> None:
    text = list(SAMPLE)
    for _cut in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 12))] = data.draw(
            st.sampled_from(["", "{", "}", "=", "~", "\\", "\n\n", "#", "%", "::"])
        )
    check(gift.read("".join(text)))


_WORDS = st.text(st.sampled_from("abcxyz 儿科=~#{}:\\"), min_size=1, max_size=12).filter(
    lambda text: text.strip() and "\\n" not in text
)


@given(_WORDS, st.lists(_WORDS, min_size=2, max_size=6, unique_by=str.strip), st.integers(0, 5))
def test_an_escaped_question_is_read_as_it_was_written(stem: str, options: list[str], right: int) -> None:
    def escaped(text: str) -> str:
        return "".join(f"\\{sign}" if sign in "~=#{}:\\" else sign for sign in text)

    right %= len(options)
    marks = "\n".join(("=" if index == right else "~") + escaped(one) for index, one in enumerate(options))
    found = gift.read(f"::t::[plain]x {escaped(stem)}{{\n{marks}\n}}")
    assert [problem.code for problem in found.problems if problem.code != "same_options"] == []
    if found.drafts:
        (item,) = found.drafts
        said = [
            next(text for name, text in one.items() if name in {"zh", "en"}) for one in item.body["options"]
        ]
        assert said == [one.strip() for one in options]
        assert item.key["right"] == "abcdef"[right]
