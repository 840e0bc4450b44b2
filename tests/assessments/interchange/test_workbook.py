"""Item banks in sheets: as hospitals write them, and as they are written and read again."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lms.assessments.interchange import columns, workbook
from lms.assessments.interchange.drafts import Draft, Place, Reading
from lms.assessments.rules.items import faults
from tests.assessments.interchange.sheets import part_of, png, with_parts, workbook_of

HEADER = ["题型", "题干", "选项A", "选项B", "选项C", "选项D", "选项E", "正确答案", "解析"]


def rows(*lines: list[Any], header: list[str] | None = None, title: str = "题库") -> Reading:
    return workbook.read(workbook_of({title: [header or HEADER, *lines]}), "题库.xlsx")


def one(*cells: Any, header: list[str] | None = None, title: str = "题库") -> Draft:
    found = rows(list(cells), header=header, title=title)
    assert [problem for problem in found.problems if problem.is_blocking] == []
    (draft,) = found.drafts
    return draft


def codes(found: Reading) -> list[tuple[str, str]]:
    return [(problem.place.at, problem.code) for problem in found.problems]


# ---------------------------------------------------------------- columns


def test_columns_are_found_by_their_words_wherever_they_stand() -> None:
    found = workbook.read(
        workbook_of(
            {
                "Sheet1": [
                    ["某医院儿科题库（2026年）"],
                    [
                        "答案（多选用英文逗号分隔，如：A,B）",
                        "（Ｃ）选项",
                        "选项 a",
                        "B",
                        "题目内容 *",
                        "序号",
                        "知识点/标签",
                        "难度",
                        "学科",
                    ],
                    ["b", "丙", "甲", "乙", "哪一项？", 1, "黄疸", "易", "新生儿"],
                ]
            }
        ),
        "x.xlsx",
    )
    (draft,) = found.drafts
    assert draft.place == Place("row", "Sheet1!3")
    assert draft.type == "A1"
    assert draft.body["options"] == [
        {"id": "a", "zh": "甲"},
        {"id": "b", "zh": "乙"},
        {"id": "c", "zh": "丙"},
    ]
    assert draft.key == {"right": "b"}
    assert (draft.difficulty, draft.tags) == ("易", ())
    assert codes(found) == [("Sheet1!2", "column_unknown")]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("题目（必填）", "stem"),
        ("Question Text", "stem"),
        ("正确选项（请填入ABCD）", "answer"),
        ("correct_answer", "answer"),
        ("答案", "answer"),
        ("答案A", "option A"),
        ("选项Ｆ", "option F"),
        ("option_c", "option C"),
        ("选项2", "option B"),
        ("(D) Option", "option D"),
        ("英文选项B", "option B en"),
        ("选项B（英文）", "option B en"),
        ("备选答案", "options"),
        ("共用题干", "shared"),
        ("题干(英文)", "stem en"),
        ("出处", "source"),
        ("1", ""),
        ("审核意见", ""),
    ],
)
def test_a_header_is_understood(header: str, name: str) -> None:
    assert columns.column_name(header) == name


def test_a_sheet_without_headers_is_named_and_the_others_are_read() -> None:
    found = workbook.read(
        workbook_of({"填写说明": [["请按模板填写"]], "判断": [["题目", "答案"], ["对吗", "√"]]}), "x.xlsx"
    )
    assert [draft.type for draft in found.drafts] == ["TF"]
    assert codes(found) == [("填写说明", "no_header")]
    assert not found.problems[0].is_blocking
    alone = workbook.read(workbook_of({"题库": [["甲", "乙"], ["丙", "丁"]]}), "x.xlsx")
    assert codes(alone) == [("题库", "no_header")]
    assert alone.problems[0].is_blocking


def test_one_sheet_may_hold_several_tables_and_headings_give_the_type() -> None:
    found = workbook.read(
        workbook_of(
            {
                "卷": [
                    ["一、多选题（每题2分）"],
                    ["题干", "A", "B", "C", "答案"],
                    ["哪些？", "甲", "乙", "丙", "AC"],
                    ["二、判断题"],
                    ["题干", "答案", "解析"],
                    ["对吗？", "×", "不对"],
                ]
            }
        ),
        "x.xlsx",
    )
    assert [(draft.type, draft.key) for draft in found.drafts] == [
        ("X", {"right": ["a", "c"]}),
        ("TF", {"right": "false"}),
    ]


def test_numbers_that_a_header_explains_are_types() -> None:
    header = ["问题", "题型（0单选，1判断，2多选）", "选项A", "选项B", "选项C", "答案"]
    found = rows(
        ["q", 0, "甲", "乙", "丙", "A"],
        ["q", 1, "", "", "", "对"],
        ["q", 2, "甲", "乙", "丙", "A,B"],
        header=header,
    )
    assert [draft.type for draft in found.drafts] == ["A1", "TF", "X"]


# ---------------------------------------------------------------- types and answers


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("A1", "A1"),
        ("A1型题", "A1"),
        ("单选题", "A1"),
        ("单项选择题", "A1"),
        ("A2型题", "A2"),
        ("选择题", "A1"),
        ("single choice", "A1"),
    ],
)
def test_words_for_one_right_option(word: str, code: str) -> None:
    assert one(word, "哪一项？", "甲", "乙", "丙", "", "", "B").type == code


@pytest.mark.parametrize(
    "answer", ["ABD", "A,B,D", "A、B、D", "Ａ；Ｂ；Ｄ", "a b d", "A/B/D", "DBA", "答案：ABD", "1,2,4", "①②④"]
)
def test_an_answer_of_several_letters_is_understood_as_people_write_it(answer: str) -> None:
    draft = one("多选题", "哪些？", "甲", "乙", "丙", "丁", "戊", answer)
    assert (draft.type, draft.key) == ("X", {"right": ["a", "b", "d"]})


@pytest.mark.parametrize(
    ("answer", "right"),
    [("对", "true"), ("错", "false"), ("√", "true"), ("×", "false"), ("正确", "true"), ("错误", "false"), ("T", "true"), ("F", "false"), ("1", "true"), (0, "false"), (True, "true"), ("是", "true"), ("✓", "true"), ("Ｘ", "false")],
)  # fmt: skip
def test_an_answer_of_a_true_or_false_question(answer: object, right: str) -> None:
    assert one("判断题", "对吗？", "", "", "", "", "", answer).key == {"right": right}


def test_a_true_or_false_question_with_lettered_options() -> None:
    assert one("判断", "对吗？", "正确", "错误", "", "", "", "B").key == {"right": "false"}


def test_an_answer_may_be_the_text_of_its_option() -> None:
    assert one("单选", "哪一项？", "甲", "乙", "丙", "", "", "乙").key == {"right": "b"}
    assert one("单选", "哪一项？", "甲", "乙", "丙", "", "", "C. 丙").key == {"right": "c"}


@pytest.mark.parametrize(
    "cell", ["A.甲\nB.乙\nC.丙", "A、甲 B、乙 C、丙", "甲|乙|丙", "甲\n乙\n丙", "（A）甲；（B）乙；（C）丙"]
)
def test_options_may_stand_in_one_cell(cell: str) -> None:
    draft = one("单选", "哪一项？", cell, "C", header=["题型", "题干", "选项", "答案"])
    assert [option["zh"] for option in draft.body["options"]] == ["甲", "乙", "丙"]
    assert draft.key == {"right": "c"}


def test_letters_before_the_options_are_left_out_if_all_have_them() -> None:
    assert one("单选", "q？", "A. 甲", "B. 乙", "C. 丙", "", "", "A").body["options"][0]["zh"] == "甲"
    assert one("单选", "q？", "A. 甲", "乙", "丙", "", "", "A").body["options"][0]["zh"] == "A. 甲"


def test_all_of_the_above_keeps_its_place() -> None:
    draft = one("单选", "哪一项？", "甲", "乙", "以上都不是", "", "", "C")
    assert [bool(option.get("fixed")) for option in draft.body["options"]] == [False, False, True]


def test_blanks_become_gaps() -> None:
    draft = one("填空题", "首选____，其次（　）。", "", "", "", "", "", "肾上腺素|副肾素；阿托品")
    assert draft.type == "CLOZE"
    assert draft.body["stem"] == {"zh": "首选[[1]]，其次[[2]]。"}
    assert draft.key["asks"] == [
        {"accepted": [{"text": "肾上腺素"}, {"text": "副肾素"}]},
        {"accepted": [{"text": "阿托品"}]},
    ]
    single = one("填空题", "首选____。", "", "", "", "", "", "肾上腺素或副肾素")
    assert (single.type, single.key) == ("SHORT", {"accepted": [{"text": "肾上腺素"}, {"text": "副肾素"}]})
    assert single.review


def test_an_essay_has_a_rubric_line_for_each_line_with_marks() -> None:
    draft = one("简答题", "简述。", "", "", "", "", "", "第一步（2分）\n第二步（3分）")
    assert draft.key == {
        "rubric": [{"id": "c1", "zh": "第一步", "marks": 2}, {"id": "c2", "zh": "第二步", "marks": 3}]
    }
    assert one("问答", "论述。").review


@pytest.mark.parametrize(
    ("answer", "body", "key"),
    [
        ("12.5", {"units": []}, {"value": "12.5", "tolerance": "0"}),
        (12.5, {"units": []}, {"value": "12.5", "tolerance": "0"}),
        ("12.5±0.5 mg", {"units": ["mg"]}, {"value": "12.5", "tolerance": "0.5", "unit": "mg"}),
        ("10～12ml", {"units": ["ml"]}, {"value": "11", "tolerance": "1", "unit": "ml"}),
        ("200±5%", {"units": []}, {"value": "200", "tolerance": "0.05", "relative": True}),
    ],
)
def test_numbers_are_exact(answer: object, body: Mapping[str, Any], key: Mapping[str, Any]) -> None:
    draft = one("计算题", "多少？", "", "", "", "", "", answer)
    assert draft.type == "NUM"
    assert {name: draft.body[name] for name in body} == body
    assert draft.key == key


def test_a_calculation_without_a_number_is_marked_by_people() -> None:
    assert one("计算题", "多少？", "", "", "", "", "", "先算体重，再算剂量").type == "ESSAY"


def test_an_order_is_read_from_its_letters() -> None:
    assert one("排序题", "顺序？", "甲", "乙", "丙", "", "", "C-A-B").key == {"order": ["c", "a", "b"]}


def test_marks_and_what_is_said_about_a_question() -> None:
    header = ["题型", "题干", "A", "B", "答案", "分值", "知识点", "章节", "标签", "依据", "编号", "难度"]
    draft = one(
        "单选",
        "q？",
        "甲",
        "乙",
        "A",
        "2分",
        "黄疸",
        "第三章",
        "足月儿、胆红素",
        "指南2024",
        "N-1",
        "中",
        header=header,
    )
    assert draft.body["marks"] == 2
    assert (draft.topic, draft.tags, draft.source, draft.code, draft.difficulty) == (
        "黄疸",
        ("足月儿", "胆红素", "第三章"),
        "指南2024",
        "N-1",
        "中",
    )


def test_half_marks_are_named_and_left_to_the_paper() -> None:
    found = rows(["单选", "q？", "甲", "乙", "A", 0.5], header=["题型", "题干", "A", "B", "答案", "分值"])
    assert "marks" not in found.drafts[0].body
    assert codes(found) == [("题库!F2", "marks_ignored")]


# ---------------------------------------------------------------- problems


def test_every_problem_is_named_by_its_cell() -> None:
    found = rows(
        ["单选题", "q？", "甲", "乙", "丙", "", "", "AB"],
        ["单选题", "q？", "甲", "乙", "丙", "", "", "E"],
        ["单选题", "q？", "甲", "乙", "丙", "", "", ""],
        ["单选题", "q？", "", "", "", "", "", "A"],
        ["单选题", "q？", "甲", "甲", "丙", "", "", "A"],
        ["单选题", "", "甲", "乙", "丙", "", "", "A"],
        ["奇怪题", "q？", "甲", "乙", "丙", "", "", "A"],
        ["判断题", "q？", "", "", "", "", "", "可能"],
        ["填空题", "__、__、__", "", "", "", "", "", "甲；乙"],
        ["数值题", "q？", "", "", "", "", "", "很多"],
        ["排序题", "q？", "甲", "乙", "丙", "", "", "AB"],
        ["", "没有题型", "", "", "", "", "", "随便"],
        ["单选题", "好的", "甲", "乙", "丙", "", "", "A"],
    )
    assert [draft.body["stem"] for draft in found.drafts] == [{"zh": "好的"}]
    assert codes(found) == [
        ("题库!H2", "several_keys"),
        ("题库!H3", "no_key"),
        ("题库!H4", "no_key"),
        ("题库!C5", "no_options"),
        ("题库!D6", "same_options"),
        ("题库!B7", "text"),
        ("题库!A8", "unknown_type"),
        ("题库!H9", "no_key"),
        ("题库!H10", "blanks"),
        ("题库!H11", "number"),
        ("题库!H12", "no_key"),
        ("题库!A13", "unknown_type"),
    ]
    assert all(problem.is_blocking and problem.place.kind == "cell" for problem in found.problems)


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.xlsx", "file_type"),
        (b"PK\x03\x04" + bytes(40), "a.xlsx", "file_broken"),
        (b"\xd0\xcf\x11\xe0" + bytes(40), "a.xls", "file_type"),
        (b"a\n\xff\xff\xff", "a.csv", "file_encoding"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(data: bytes, name: str, code: str) -> None:
    found = workbook.read(data, name)
    assert found.drafts == ()
    assert [problem.code for problem in found.problems] == [code]


def test_entities_are_refused() -> None:
    data = with_parts(
        workbook_of({"a": [["题干", "答案"]]}),
        {
            "xl/worksheets/sheet1.xml": b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "b">]><worksheet>&a;</worksheet>'
        },
    )
    assert codes(workbook.read(data, "a.xlsx")) == [("", "file_unsafe")]


def test_a_csv_of_a_chinese_excel_is_read() -> None:
    text = "题型,题干,A,B,答案\r\n单选题,哪一项？,甲,乙,B\r\n单选题,q,甲,乙,C\r\n"
    found = workbook.read(text.encode("gb18030"), "题库.csv")
    assert found.drafts[0].key == {"right": "b"}
    assert found.drafts[0].place == Place("row", "2")
    assert codes(found) == [("E3", "no_key")]


# ---------------------------------------------------------------- what belongs together

CASES = ["题型", "共用题干", "题干", "A", "B", "C", "答案", "解析"]


def test_rows_that_repeat_or_go_on_with_a_case_are_one_item() -> None:
    found = rows(
        ["A3", "男孩，3岁", "诊断？", "甲", "乙", "丙", "A", "因为"],
        ["A3", "男孩，3岁", "检查？", "甲", "乙", "丙", "B", ""],
        ["A3", "女孩，5岁", "诊断？", "甲", "乙", "丙", "C", ""],
        ["A3", "", "治疗？", "甲", "乙", "丙", "A", ""],
        header=CASES,
    )
    assert found.problems == ()
    assert [(draft.type, len(draft.body["asks"])) for draft in found.drafts] == [("A3", 2), ("A3", 2)]
    assert found.drafts[0].body["stem"] == {"zh": "男孩，3岁"}
    assert found.drafts[0].body["reveal"] == "serial"
    assert found.drafts[0].key == {"asks": [{"right": "a"}, {"right": "b"}]}
    assert found.drafts[0].rationale == {"asks": [{"zh": "因为"}, {}]}


def test_merged_cells_hold_for_all_their_rows() -> None:
    data = workbook_of(
        {
            "A3型题": [
                ["共用题干", "题干", "A", "B", "C", "答案"],
                ["男孩", "诊断？", "甲", "乙", "丙", "A"],
                ["", "检查？", "甲", "乙", "丙", "B"],
                ["女孩", "诊断？", "甲", "乙", "丙", "C"],
                ["", "检查？", "甲", "乙", "丙", "C"],
            ]
        },
        merged=[("A3型题", "A2:A3"), ("A3型题", "A4:A5")],
    )
    found = workbook.read(data, "x.xlsx")
    assert [draft.body["stem"] for draft in found.drafts] == [{"zh": "男孩"}, {"zh": "女孩"}]


def test_rows_of_one_group_number_are_one_item_of_the_type_that_their_answers_tell() -> None:
    header = ["题组号", "题型", "共用题干", "题干", "A", "B", "C", "D", "答案"]
    found = rows(
        [1, "单选", "男孩", "诊断？", "甲", "乙", "丙", "丁", "A"],
        [1, "单选", "", "检查？", "甲", "乙", "丙", "丁", "B"],
        [2, "多选", "女孩", "检查？", "甲", "乙", "丙", "丁", "ABC"],
        [2, "单选", "", "诊断？", "甲", "乙", "丙", "丁", "D"],
        header=header,
    )
    assert [draft.type for draft in found.drafts] == ["A3", "CASE"]
    assert found.drafts[1].key == {"asks": [{"right": ["a", "b", "c"]}, {"right": ["d"]}]}
    assert found.drafts[1].review


def test_a_row_that_holds_only_the_case_begins_a_group() -> None:
    header = ["题型", "题干", "A", "B", "C", "D", "E", "F", "答案"]
    found = rows(
        ["案例分析题", "患儿，女，生后2小时", "", "", "", "", "", "", ""],
        ["案例分析题", "检查？", "1", "2", "3", "4", "5", "6", "ABD"],
        ["案例分析题", "诊断？", "1", "2", "3", "4", "5", "6", "C"],
        ["单选", "别的", "甲", "乙", "丙", "", "", "", "A"],
        header=header,
    )
    assert [draft.type for draft in found.drafts] == ["CASE", "A1"]
    assert found.drafts[0].body["stem"] == {"zh": "患儿，女，生后2小时"}


def test_shared_options_stand_in_the_first_row_or_in_each() -> None:
    header = ["题型", "题干", "A", "B", "C", "答案"]
    found = rows(
        ["B1", "佝偻病", "维生素A", "维生素C", "维生素D", "C"],
        ["B1", "坏血病", "", "", "", "B"],
        ["B1型题", "夜盲", "铁", "碘", "维A", "C"],
        ["B1型题", "克汀病", "铁", "碘", "维A", "B"],
        header=header,
    )
    assert [(draft.type, len(draft.body["options"]), len(draft.body["asks"])) for draft in found.drafts] == [
        ("B1", 3, 2),
        ("B1", 3, 2),
    ]
    assert "options" not in found.drafts[0].body["asks"][0]


def test_a_problem_in_a_group_is_named_by_the_cell_of_its_row() -> None:
    found = rows(
        ["A3", "男孩", "诊断？", "甲", "乙", "丙", "A"],
        ["A3", "男孩", "检查？", "甲", "乙", "丙", "E"],
        header=CASES,
    )
    assert codes(found) == [("题库!G3", "no_key")]


def test_a_group_without_its_case_is_named_at_the_cell_where_it_belongs() -> None:
    header = ["题型", "题组号", *CASES[1:]]
    found = rows(
        ["A3", 7, "", "诊断？", "甲", "乙", "丙", "A"],
        ["A3", 7, "", "检查？", "甲", "乙", "丙", "A"],
        header=header,
    )
    assert codes(found) == [("题库!C2", "no_shared")]


def test_a_case_with_one_question_is_a_question_on_a_case() -> None:
    draft = one("A3", "男孩，3岁", "诊断？", "甲", "乙", "丙", "A", header=CASES)
    assert (draft.type, draft.body["stem"]) == ("A2", {"zh": "男孩，3岁\n\n诊断？"})


# ---------------------------------------------------------------- pictures


def test_pictures_over_cells_belong_to_the_part_on_which_they_lie() -> None:
    data = workbook_of(
        {
            "题库": [
                ["题型", "题干", "A", "B", "答案", "图片说明"],
                ["单选", "哪一张？", "甲", "乙", "A", "一张X线片\n放大"],
            ]
        },
        pictures=[("题库", "B2", png(1)), ("题库", "D2", png(2)), ("题库", "A9", png(3))],
    )
    found = workbook.read(data, "x.xlsx")
    (draft,) = found.drafts
    assert draft.body["media"] == [{"kind": "image", "key": "1.png", "alt": {"zh": "一张X线片"}}]
    assert draft.body["options"][1]["media"] == [{"kind": "image", "key": "2.png", "alt": {"zh": "放大"}}]
    assert draft.media == {"1.png": png(1), "2.png": png(2)}
    assert draft.review == ""
    assert codes(found) == [("题库!A9", "picture_lost")]


def test_a_picture_without_words_is_imported_for_a_persons_eye() -> None:
    data = workbook_of(
        {"题库": [["题型", "题干", "A", "B", "答案"], ["单选", "q？", "甲", "乙", "A"]]},
        pictures=[("题库", "B2", png())],
    )
    (draft,) = workbook.read(data, "x.xlsx").drafts
    assert draft.body["media"][0]["alt"]
    assert draft.review


def test_pictures_in_cells_of_wps_are_read() -> None:
    data = workbook_of(
        {"题库": [["题型", "题干", "A", "B", "答案"], ["单选", "哪一张？[1]", "[1]", "乙", "A"]]}
    )
    shown = '=DISPIMG("ID_1",1)'  # what WPS keeps as the result of the formula
    sheet = part_of(data, "xl/worksheets/sheet1.xml").replace(b"[1]", shown.replace('"', "&quot;").encode())
    picture = (
        '<etc:cellImages xmlns:etc="http://www.wps.cn/officeDocument/2017/etCustomData" xmlns:xdr="http://schemas.openxmlformats.org/'
        'drawingml/2006/spreadsheetDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="http://schemas.open'
        'xmlformats.org/officeDocument/2006/relationships"><etc:cellImage><xdr:pic><xdr:nvPicPr><xdr:cNvPr id="2" name="ID_1" descr='
        '"红色斑疹"/></xdr:nvPicPr><xdr:blipFill><a:blip r:embed="rId1"/></xdr:blipFill></xdr:pic></etc:cellImage></etc:cellImages>'
    )
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="x/image"'
        ' Target="media/image1.png"/></Relationships>'
    )
    data = with_parts(
        data,
        {
            "xl/worksheets/sheet1.xml": sheet,
            "xl/cellimages.xml": picture.encode(),
            "xl/_rels/cellimages.xml.rels": relation.encode(),
            "xl/media/image1.png": png(),
        },
    )
    (draft,) = workbook.read(data, "x.xlsx").drafts
    assert draft.body["stem"] == {"zh": "哪一张？"}
    assert draft.body["media"] == [{"kind": "image", "key": "1.png", "alt": {"zh": "红色斑疹"}}]
    assert draft.body["options"][0] == {
        "id": "a",
        "media": [{"kind": "image", "key": "1.png", "alt": {"zh": "红色斑疹"}}],
    }
    assert draft.media == {"1.png": png()}


def test_marks_of_html_in_a_cell_are_left_out() -> None:
    draft = one("单选", "<p>H<sub>2</sub>O 是&nbsp;<b>什么</b>？</p>", "水", "酒", "a<b", "", "", "A")
    assert draft.body["stem"] == {"zh": "H₂O 是 什么？"}
    assert draft.body["options"][2]["zh"] == "a<b"


# ---------------------------------------------------------------- there and back


def text(words: str) -> dict[str, str]:
    return {"zh": f"{words}题", "en": f"{words} (en)"}


def options(letters: str) -> list[dict[str, Any]]:
    return [{"id": letter, **text(letter)} for letter in letters]


STEM = {"stem": {"zh": "首先做什么？", "en": "What first?"}}
FACTS = {
    "code": "N-1",
    "topic": "黄疸",
    "tags": ("胆红素", "足月儿"),
    "difficulty": "中",
    "source": "指南 2024",
}
WHY = {"zh": "因为", "en": "because"}
ITEMS: dict[str, Draft] = {
    name: Draft(Place("row", "1"), name.split()[0], body, key, why, **FACTS)  # type: ignore[arg-type]
    for name, (body, key, why) in {
        "A1": ({**STEM, "options": [*options("abcd"), {"id": "e", "zh": "以上都不是", "fixed": True}], "marks": 2}, {"right": "b"}, WHY),
        "A1 that fixes nothing": ({**STEM, "options": [*options("ab"), {"id": "c", "zh": "以上都是"}]}, {"right": "c"}, {}),
        "A2 in English": ({"stem": {"en": "A girl of 5.\n\nWhat next?"}, "options": [{"id": "a", "en": "Wait"}, {"id": "b", "en": "Act"}]}, {"right": "a"}, {"en": "why"}),
        "A3": (
            {"stem": text("男孩"), "reveal": "serial", "asks": [{**STEM, "options": options("abc")}, {"stem": text("再"), "options": options("abcde"), "marks": 3}]},
            {"asks": [{"right": "a"}, {"right": "e"}]},
            {**WHY, "asks": [{"zh": "甲"}, {}]},
        ),
        "A4": ({"stem": text("女孩"), "reveal": "serial", "asks": [{**STEM, "options": options("abc")}] * 3}, {"asks": [{"right": "a"}] * 3}, {}),
        "B1": (
            {"options": options("abcde"), "reveal": "all", "asks": [{"stem": text("一")}, {"stem": text("二")}]},
            {"asks": [{"right": "a"}, {"right": "a"}]},
            {"asks": [{}, {"zh": "乙", "en": "b"}]},
        ),
        "EMQ": (
            {"stem": text("组"), "options": options("abcdefgh"), "reveal": "all", "asks": [{"stem": text("一")}, {"stem": text("二")}]},
            {"asks": [{"right": ["a", "c"]}, {"right": ["h"]}]},
            {},
        ),
        "X": ({**STEM, "options": options("abcde"), "scoring": "all"}, {"right": ["a", "c", "e"]}, WHY),
        "X in part": ({**STEM, "options": options("abcde"), "scoring": "partial", "limit": 3}, {"right": ["a", "c"]}, {}),
        "X with minus": ({**STEM, "options": options("abcd"), "scoring": "plus_minus"}, {"right": ["d"]}, {}),
        "CASE": (
            {"stem": text("新生儿"), "reveal": "serial", "asks": [{**STEM, "options": options("abcdef")}, {**STEM, "options": options("abcdefghijkl")}]},
            {"asks": [{"right": ["a", "c", "e"]}, {"right": ["l"]}]},
            {},
        ),
        "TF": (
            {**STEM, "options": [{"id": "true", "zh": "对", "en": "True", "fixed": True}, {"id": "false", "zh": "错", "en": "False", "fixed": True}]},
            {"right": "false"},
            WHY,
        ),
        "SCT": ({**STEM, "options": options("abcde")}, {"panel": {"a": 1, "b": 2, "c": 7, "e": 2}}, {}),
        "KF": ({**STEM, "options": options("abcdef"), "limit": 3}, {"right": ["a", "b"], "must": ["a"], "never": ["f"]}, {}),
        "NUM": ({**STEM, "units": ["mg"]}, {"value": "12.5", "tolerance": "0.5", "unit": "mg"}, WHY),
        "NUM in part": ({**STEM, "units": []}, {"value": "200", "tolerance": "0.05", "relative": True}, {}),
        "SHORT": ({"stem": {"zh": "____与____的总称？"}}, {"accepted": [{"text": "肾上腺素或副肾素"}, {"text": "adrenaline"}]}, {}),
        "CLOZE": (
            {"stem": {"zh": "先给[[1]]，再给[[2]]", "en": "[[1]], then [[2]]"}, "reveal": "all", "asks": [{"kind": "text"}, {"kind": "text"}]},
            {"asks": [{"accepted": [{"text": "甲"}, {"text": "A"}]}, {"accepted": [{"text": "乙、丙"}]}]},
            WHY,
        ),
        "ORDER": ({**STEM, "options": options("abcd"), "scoring": "places"}, {"order": ["c", "a", "d", "b"]}, {}),
        "ESSAY": (
            {**STEM, "max_chars": 800},
            {"rubric": [{"id": "c1", "zh": "甲", "en": "one", "marks": 2}, {"id": "c2", "zh": "乙", "en": "two", "marks": 3}]},
            WHY,
        ),
        "ESSAY in English": ({"stem": {"en": "Why?"}, "max_chars": 2000}, {"rubric": [{"id": "c1", "en": "Because", "marks": 4}]}, {}),
    }.items()
}  # fmt: skip


def back(items: list[Draft]) -> list[Draft]:
    data, left_out = workbook.write(items)
    assert left_out == ()
    found = workbook.read(data, "export.xlsx")
    assert [problem for problem in found.problems if problem.is_blocking] == []
    return list(found.drafts)


def same(one: Draft, other: Draft) -> None:
    for name in (
        "type",
        "body",
        "key",
        "rationale",
        "code",
        "topic",
        "tags",
        "difficulty",
        "source",
        "media",
    ):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("name", ITEMS)
def test_what_is_written_is_read_as_the_same_item(name: str) -> None:
    item = ITEMS[name]
    assert faults(item.type, item.body, item.key) == []
    (read,) = back([item])
    same(read, item)
    assert read.review == ""


def test_all_types_in_one_workbook_stay_apart_and_in_order() -> None:
    items = list(ITEMS.values())
    for read, item in zip(back(items), items, strict=True):
        same(read, item)


def test_pictures_and_their_words_come_back() -> None:
    def medium(key: str, alt: dict[str, str]) -> dict[str, Any]:
        return {"kind": "image", "key": key, "alt": alt}

    body = {
        "stem": {"zh": "男孩"},
        "media": [medium("1.png", {"zh": "胸片"})],
        "reveal": "serial",
        "asks": [
            {"stem": {"zh": "哪一张？"}, "media": [medium("2.png", {"zh": "甲", "en": "a film"})], "options": [{"id": "a", "zh": "甲"}, {"id": "b", "media": [medium("3.png", {"en": "b only"})]}]},
            {"stem": {"zh": "再？"}, "options": [{"id": "a", "zh": "甲"}, {"id": "b", "zh": "乙"}]},
        ],
    }  # fmt: skip
    item = Draft(
        Place("row"), "A3", body, {"asks": [{"right": "a"}, {"right": "b"}]},
        media={"1.png": png(1), "2.png": png(2), "3.png": png(3)},
    )  # fmt: skip
    assert faults(item.type, item.body, item.key) == []
    (read,) = back([item])
    same(read, item)


def test_the_same_items_make_the_same_bytes() -> None:
    items = list(ITEMS.values())
    data, _left_out = workbook.write(items)
    assert workbook.write(items)[0] == data
    assert workbook.write(back(items))[0] == data


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (Draft(Place("row", "1"), "DOSE", {}, {}), "type"),
        (Draft(Place("row", "1"), "MATCH", {}, {}), "type"),
        (Draft(Place("row", "1"), "A1", {**STEM, "options": options("ab")}, {"right": "a", "weights": {"b": "1/2"}}), "weights"),
        (Draft(Place("row", "1"), "SHORT", STEM, {"accepted": [{"text": "甲"}, {"text": "乙", "share": "1/2"}]}), "weights"),
        (Draft(Place("row", "1"), "SHORT", STEM, {"accepted": [{"text": "甲|乙"}]}), "accepted"),
        (Draft(Place("row", "1"), "NUM", {**STEM, "units": ["mg", "g"]}, {"value": "1", "unit": "mg"}), "number"),
        (Draft(Place("row", "1"), "NUM", {**STEM, "units": []}, {"value": "1", "tolerance": "1/3"}), "number"),
        (Draft(Place("row", "1"), "A1", {**STEM, "options": options("ab"), "media": [{"kind": "image", "key": "stored"}]}, {"right": "a"}), "media"),
        (Draft(Place("row", "1"), "A1", {"stem": {"zh": "长" * 6000}, "options": options("ab")}, {"right": "a"}), "text_long"),
        (
            Draft(Place("row", "1"), "CLOZE", {"stem": {"zh": "[[1]]"}, "asks": [{"kind": "number", "units": []}]}, {"asks": [{"value": "1"}]}),
            "gaps",
        ),
    ],
)  # fmt: skip
def test_what_a_sheet_cannot_carry_is_named_and_not_dropped(item: Draft, code: str) -> None:
    data, left_out = workbook.write([item, ITEMS["A1"]])
    assert [(one.item, one.code) for one in left_out] == [("1", code)]
    assert all(one.message for one in left_out)
    assert len(workbook.read(data, "x.xlsx").drafts) == 1


# ---------------------------------------------------------------- laws

_SAID = (
    st.text(st.sampled_from("甲乙丙儿科 AabcXYZ012=+-@'\"<>&.,，。（）\n"), min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda said: bool(said) and "\n\n\n" not in said)
)


def _lines(said: str) -> str:
    return "\n".join(part.strip() for part in said.split("\n"))


@st.composite
def choices(draw: st.DrawFn) -> Draft:
    said = draw(st.lists(_SAID.map(_lines), min_size=2, max_size=8, unique=True))
    items = [{"id": letter, "zh": one} for letter, one in zip("abcdefgh", said, strict=False)]
    body = {"stem": {"zh": draw(_SAID.map(_lines))}, "options": items}
    if draw(st.booleans()):
        right = sorted(draw(st.sets(st.sampled_from("abcdefgh"[: len(said)]), min_size=1)))
        return Draft(Place("row"), "X", {**body, "scoring": "all"}, {"right": right})
    return Draft(Place("row"), "A1", body, {"right": draw(st.sampled_from("abcdefgh"[: len(said)]))})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(choices(), min_size=1, max_size=4))
def test_any_choices_come_back_as_they_were(items: list[Draft]) -> None:
    for read, item in zip(back(items), items, strict=True):
        assert (read.type, read.body, read.key) == (item.type, item.body, item.key)


def check(found: Reading) -> None:
    assert found.drafts or any(one.is_blocking for one in found.problems)
    assert all(faults(one.type, one.body, one.key) == [] for one in found.drafts)
    assert all(one.message and one.code.isidentifier() for one in found.problems)


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.xlsx", "a.csv", "a.txt"]))
def test_any_bytes_are_read(data: bytes, name: str) -> None:
    check(workbook.read(data, name))
    check(workbook.read(b"PK\x03\x04" + data, name))


_CELLS = st.sampled_from(
    ["", "A3", "B1", "案例分析题", "单选", "多选", "填空", "判断", "排序", "数值", "脚本一致性", "ABD", "A", "√", "甲", "____", "12±1 mg", "1", "<b>x", "A.甲\nB.乙", "题干", "答案", '=DISPIMG("x",1)']
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(_CELLS, min_size=3, max_size=9), max_size=12),
    st.permutations(["题型", "题组号", "共用题干", "题干", "A", "B", "C", "答案", "选项"]),
)
def test_any_cells_are_read_and_no_row_is_lost(lines: list[list[str]], header: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(
        [["题干", "答案", *[name for name in header if name not in {"题干", "答案"}]], *lines]
    )
    check(workbook.read(out.getvalue().encode(), "x.csv"))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_workbook_is_read(data: st.DataObject) -> None:
    whole = bytearray(SAMPLE)
    for _hit in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    check(workbook.read(bytes(whole), "x.xlsx"))


SAMPLE = workbook_of(
    {"题库": [HEADER, ["单选", "哪一项？", "甲", "乙", "丙", "", "", "B"]]}, pictures=[("题库", "B2", png())]
)
