"""Aiken: lettered options and a line that names the right one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.interchange import aiken
from lms.assessments.interchange.drafts import Reading
from lms.assessments.rules.items import faults

SAMPLE = """Which organ conjugates bilirubin?
A. Spleen
B. Liver
C) Kidney
ANSWER: B

新生儿生理性黄疸
何时最重？
A．第一天
B．第三天
C．第十天
答案：B
解析：出生后第三天前后最重。

Which are signs of distress?
A. Grunting
B. Nasal flaring,
often the first
C. Hiccups
ANSWER: A, B
"""


def codes(found: Reading) -> list[tuple[str, str]]:
    return [(one.place.at, one.code) for one in found.problems]


def test_questions_with_one_and_with_several_answers() -> None:
    found = aiken.read(SAMPLE)
    assert found.problems == ()
    assert [(one.place.at, one.type, one.key) for one in found.drafts] == [
        ("1", "A1", {"right": "b"}),
        ("7", "A1", {"right": "b"}),
        ("15", "X", {"right": ["a", "b"]}),
    ]
    assert found.drafts[1].body["stem"] == {"zh": "新生儿生理性黄疸\n何时最重？"}
    assert found.drafts[1].rationale == {"zh": "出生后第三天前后最重。"}
    assert found.drafts[2].body["options"][1] == {"id": "b", "en": "Nasal flaring,\noften the first"}
    assert all(faults(one.type, one.body, one.key) == [] for one in found.drafts)


def test_a_text_is_no_html() -> None:
    (item,) = aiken.read("Which makes a paragraph?\nA) <p>\nB) <br>\nANSWER: A\n").drafts
    assert [one["en"] for one in item.body["options"]] == ["<p>", "<br>"]


def test_what_is_incomplete_is_named_by_its_line_and_the_rest_is_read() -> None:
    found = aiken.read(
        "Too few\nA) Only one\nANSWER: A\n\n"
        "A) No question\n\n"
        "ANSWER: B\n\n"
        "Good\nA) Right\nB) Wrong\nANSWER: A\n\n"
        "Not finished\nA) one\nB) two\n\n"
        "Second\nA)no space\nB)here\nANSWER: B\n\n"
        "Wrong letter\nA. one\nB. two\nANSWER: E\n\n"
        "Words that nothing follows"
    )
    assert [one.place.at for one in found.drafts] == ["9", "18"]
    assert codes(found) == [
        ("1", "no_options"),
        ("5", "no_stem"),
        ("7", "no_stem"),
        ("14", "no_key"),
        ("26", "no_key"),
        ("28", "no_options"),
    ]
    assert all(one.is_blocking for one in found.problems)


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("b", "b"),
        ("B.", "b"),
        ("B) the second", "b"),
        ("Ｂ", "b"),
        ("A,C", ["a", "c"]),
        ("A and C", ["a", "c"]),
        ("AC", ["a", "c"]),
        ("A；C", ["a", "c"]),
    ],
)
def test_an_answer_is_understood_as_people_write_it(said: str, right: str | list[str]) -> None:
    (item,) = aiken.read(f"q\nA. one\nB. two\nC. three\nANSWER: {said}\n").drafts
    assert item.key == {"right": right}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_files_are_read_in_their_encodings(encoding: str) -> None:
    found = aiken.read("哪一项？\r\nA. 甲\r\nB. 乙\r\nANSWER: A\r\n".encode(encoding))
    assert found.drafts[0].body["stem"] == {"zh": "哪一项？"}
    assert found.problems == ()


def test_an_empty_file_says_so() -> None:
    assert codes(aiken.read(b"")) == [("", "no_items")]


def check(found: Reading) -> None:
    assert found.drafts or any(one.is_blocking for one in found.problems)
    assert all(faults(one.type, one.body, one.key) == [] for one in found.drafts)
    assert all(one.message for one in found.problems)


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    check(aiken.read(data))


@given(
    st.lists(
        st.sampled_from([*SAMPLE.split("\n"), "A. x", "B) y", "ANSWER: C", "ANSWER:", "", "words", "解析："]),
        max_size=30,
    )
)
def test_any_order_of_lines_is_read_and_no_question_is_lost(lines: list[str]) -> None:
    found = aiken.read("\n".join(lines))
    check(found)
    answers = sum(line.startswith(("ANSWER", "答案")) for line in lines)
    assert len(found.drafts) + sum(one.is_blocking for one in found.problems) >= answers
