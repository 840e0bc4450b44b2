"""Question papers in Word, as hospitals write them."""

import io
import itertools
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.assessments.interchange import document, docx_numbering, paper, words
from lms.assessments.interchange.docx_parts import Line
from lms.assessments.interchange.drafting import Gathered
from lms.assessments.interchange.drafts import Draft, Reading
from lms.assessments.interchange.paper_reading import PaperReader
from lms.assessments.rules.items import faults
from tests.assessments.interchange.sheets import add_paragraph, document_of, png, saved, with_parts


def read(text: str) -> Reading:
    return document.read(document_of(text), "卷.docx")


def one(text: str) -> Draft:
    found = read(text)
    assert [problem for problem in found.problems if problem.is_blocking] == []
    (draft,) = found.drafts
    return draft


def codes(found: Reading) -> list[tuple[str, str]]:
    return [(problem.place.at, problem.code) for problem in found.problems]


def said(draft: Draft) -> list[str]:
    return [option["zh"] for option in draft.body["options"]]


# ---------------------------------------------------------------- stems and options


@pytest.mark.parametrize("number", ["1.", "1、", "1．", "（1）", "1 .", "１．", "第1题", "1)", "1. "])
@pytest.mark.parametrize(
    "options",
    ["A.甲\nB.乙\nC.丙", "A、甲\nB、乙\nC、丙", "A．甲  B．乙  C．丙", "A 甲\nB 乙\nC 丙", "（A）甲（B）乙（C）丙", "Ａ．甲\nＢ．乙 Ｃ．丙", "A.甲B.乙C.丙", "【A】甲\n【B】乙\n【C】丙", "a.甲\nb.乙\nc.丙", "A:甲\tB:乙\tC:丙"],
)  # fmt: skip
def test_stems_and_options_as_they_are_written(number: str, options: str) -> None:
    draft = one(f"{number}新生儿期是指？\n{options}\n答案：B")
    assert draft.body["stem"] == {"zh": "新生儿期是指？"}
    assert said(draft) == ["甲", "乙", "丙"]
    assert (draft.type, draft.key) == ("A1", {"right": "b"})


def test_options_and_a_key_may_follow_the_stem_in_its_line() -> None:
    draft = one("1、头围正确的是：A.出生时32cm B.3个月时34cm C.1岁时46cm 标准答案：C")
    assert draft.key == {"right": "c"}
    assert draft.body["stem"] == {"zh": "头围正确的是："}
    assert said(draft) == ["出生时32cm", "3个月时34cm", "1岁时46cm"]


def test_a_decimal_is_no_number_of_a_question_and_a_letter_no_option() -> None:
    draft = one(
        "1.患儿需补液\n1.5倍生理需要量，维生素A、B、C都缺乏，应先给\nA.维生素A、B、C\nB.葡萄糖\nA型血的人禁用\nC.钠\n答案：B"
    )
    assert draft.body["stem"] == {"zh": "患儿需补液\n1.5倍生理需要量，维生素A、B、C都缺乏，应先给"}
    assert said(draft) == ["维生素A、B、C", "葡萄糖\nA型血的人禁用", "钠"]


def test_a_number_that_runs_into_its_stem_is_still_a_number() -> None:
    found = read("1.40kg小儿的体表面积为\nA.1.05m²\nB.1.15m²\n答案：A\n2.3岁小儿身高\nA.95\nB.96\n答案：B")
    assert [draft.body["stem"]["zh"] for draft in found.drafts] == ["40kg小儿的体表面积为", "3岁小儿身高"]


def test_questions_without_numbers_are_told_by_their_options() -> None:
    found = read("新生儿期是指\nA.甲\nB.乙\n答案：A\n婴儿期是指\nA.丙\nB.丁\n答案：B")
    assert [(draft.body["stem"]["zh"], draft.key) for draft in found.drafts] == [
        ("新生儿期是指", {"right": "a"}),
        ("婴儿期是指", {"right": "b"}),
    ]


def test_raised_and_lowered_signs_are_kept() -> None:
    assert one("1.血气 PaCO{_:2} 与 10{^:9}/L\nA.甲\nB.乙\n答案：A").body["stem"] == {
        "zh": "血气 PaCO₂ 与 10⁹/L"
    }


def test_an_option_that_a_misprint_left_out_is_named() -> None:
    found = read("1.哪一项\nA.甲\nB.乙\nD.丁\n答案：D")
    assert codes(found) == [("4", "option_gap")]
    assert found.drafts[0].key == {"right": "d"}


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "line",
    ["答案：ABD", "答案:A,B,D", "【答案】ABD", "[答案] A、B、D", "正确答案：ＡＢＤ", "参考答案：ABD", "答案 ABD", "标准答案：ABD。", "1.答案：ABD", "Answer: ABD", "答案：ABD（2019真题）"],
)  # fmt: skip
def test_a_key_as_it_is_written(line: str) -> None:
    draft = one(f"1.哪些\nA.甲 B.乙 C.丙 D.丁\n{line}")
    assert (draft.type, draft.key) == ("X", {"right": ["a", "b", "d"]})


@pytest.mark.parametrize(
    "lines",
    ["答案：B\n解析：因为如此", "答案：B 解析：因为如此", "【答案】B【解析】因为如此", "答案：B（因为如此）", "答案：B。因为如此", "答案：B\n答案解析：因为如此", "答案：B\n本题思路:[解析] 因为如此", "答案：B\n【解析】\n因为如此"],
)  # fmt: skip
def test_a_reason_follows_its_key(lines: str) -> None:
    draft = one(f"1.哪一项\nA.甲\nB.乙\n{lines}")
    assert draft.key == {"right": "b"}
    assert draft.rationale == {"zh": "因为如此"}


def test_a_star_marks_a_right_option() -> None:
    assert one("1.哪些\nA.甲\n*B.乙\n*C.丙\nD.丁").key == {"right": ["b", "c"]}
    assert one("1.哪一项\n【A】甲\n【B】乙 【此项为本题正确答案】\n【C】丙").key == {"right": "b"}


def test_the_brackets_of_the_stem_may_hold_the_key() -> None:
    draft = one("1.新生儿期是指（B）。\nA.甲\nB.乙\nC.丙")
    assert draft.body["stem"] == {"zh": "新生儿期是指（　　）。"}
    assert draft.key == {"right": "b"}
    assert one("1.IgG（A）能通过胎盘吗\nA.能\nB.不能\n答案：B").body["stem"] == {"zh": "IgG（A）能通过胎盘吗"}


@pytest.mark.parametrize("mark", ["r", "h", "b"])
def test_marked_options_are_the_key_and_only_they(mark: str) -> None:
    draft = one(f"1.哪些\nA.甲\n{{{mark}:B.乙}}\nC.丙 {{{mark}:D.丁}}")
    assert draft.key == {"right": ["b", "d"]}


def test_marks_count_only_where_no_key_is_written() -> None:
    assert one("1.哪一项\n{r:A.甲}\nB.乙\n答案：B").key == {"right": "b"}
    assert one("1.哪一项\n{r:A.甲}\n{b:B.乙}\nC.丙").key == {"right": "a"}
    assert one("1.哪一项\n{b:A.甲}\n{b:B.乙}\n答案：A").key == {"right": "a"}
    assert one("1.哪一项\nA.甲是{b:重要}的\nB.乙\n{b:C.丙}").key == {"right": "c"}


def test_a_question_without_a_key_is_named_by_its_paragraph() -> None:
    found = read("1.哪一项\nA.甲\nB.乙\n2.哪一项\n{b:A.甲}\n{b:B.乙}\n3.好的\nA.甲\nB.乙\n答案：A")
    assert codes(found) == [("1", "no_key"), ("4", "no_key")]
    assert all(problem.is_blocking and problem.place.kind == "paragraph" for problem in found.problems)
    assert len(found.drafts) == 1


# ---------------------------------------------------------------- sections and types


def test_headings_give_the_type_and_the_marks() -> None:
    found = read(
        "儿科试卷\n一、A1型题（每题1分，共1题）\n1.哪一项\nA.甲 B.乙 C.丙\n答案：A\n"
        "二、多选题\n1.哪些\nA.甲 B.乙 C.丙\n答案：A\n"
        "三、判断题（每题2分）\n1.对吗（√）\n2.不对（ × ）\n3.（错）也不对\n4.再问\n答案：正确\n"
        "四、填空题\n1.____和（　　）。\n答案：甲；乙\n"
        "五、名词解释\n1.新生儿\n答案：脐带结扎至28天\n"
        "六、问答题\n1.简述黄疸\n答案：\n1.生后2天出现（2分）\n2.5天最重（3分）\n2.再述\n答：略\n"
    )
    assert [draft.type for draft in found.drafts] == [
        "A1",
        "X",
        "TF",
        "TF",
        "TF",
        "TF",
        "CLOZE",
        "ESSAY",
        "ESSAY",
        "ESSAY",
    ]
    assert [draft.key["right"] for draft in found.drafts[2:6]] == ["true", "false", "false", "true"]
    assert [draft.body.get("marks") for draft in found.drafts[:4]] == [1, None, 2, 2]
    assert found.drafts[4].body["stem"] == {"zh": "也不对"}
    assert [line["marks"] for line in found.drafts[8].key["rubric"]] == [2, 3]
    assert codes(found) == [("1", "text_unread")]


def test_a_type_that_an_answer_contradicts_is_named() -> None:
    assert codes(read("一、单选题\n1.哪一项\nA.甲\nB.乙\n答案：AB")) == [("2", "several_keys")]
    assert one("一、选择题\n1.哪一项\nA.甲\nB.乙\n答案：AB").type == "X"


def test_what_is_said_about_a_question_is_kept() -> None:
    draft = one(
        "第三章 新生儿黄疸\n1.哪一项\n【score:2 分】\nA.甲\nB.乙\n答案：A\n难度：中\n【考点】胆红素\n出处：指南2024\n编号：N-1\n解析：因为"
    )
    assert (draft.body["marks"], draft.difficulty, draft.topic, draft.source, draft.code) == (
        2,
        "中",
        "胆红素",
        "指南2024",
        "N-1",
    )
    assert one("第三章 新生儿黄疸\n1.哪一项\nA.甲\nB.乙\n答案：A").topic == "新生儿黄疸"


# ---------------------------------------------------------------- shared cases and options


@pytest.mark.parametrize(
    "heading",
    [
        "(1~3题共用题干)",
        "（1～3题共用题干）",
        "（1-3题共用题干）",
        "第1至3题共用题干：",
        "【1～3题共用题干】",
        "共用题干（1～3题）",
    ],
)
def test_questions_share_a_case(heading: str) -> None:
    found = read(
        f"A3/A4型题\n{heading}\n男，3岁，发热3天。\n查体：咽红。\n"
        + "".join(
            f"{number}.问{number}\nA.甲 B.乙 C.丙\n答案：{letter}\n"
            for number, letter in ((1, "A"), (2, "B"), (3, "C"))
        )
        + "4.女，5岁，咳嗽。诊断？\nA.甲 B.乙 C.丙\n答案：A"
    )
    first, second = found.drafts
    assert first.type == "A3"
    assert first.body["stem"] == {"zh": "男，3岁，发热3天。\n查体：咽红。"}
    assert [ask["stem"]["zh"] for ask in first.body["asks"]] == ["问1", "问2", "问3"]
    assert first.key == {"asks": [{"right": "a"}, {"right": "b"}, {"right": "c"}]}
    assert second.type == "A2"
    assert second.review


def test_questions_share_their_options() -> None:
    found = read(
        "（1～2题共用备选答案）\nA.维生素A\nB.维生素C\nC.维生素D\n1.佝偻病\n答案：C\n2.坏血病\n答案：B\n"
        "（3～4题共用备选答案）\nA.铁 B.碘 C.锌\n3.贫血\n4.克汀病\n参考答案\n3.A 4.B"
    )
    assert [(draft.type, draft.key) for draft in found.drafts] == [
        ("B1", {"asks": [{"right": "c"}, {"right": "b"}]}),
        ("B1", {"asks": [{"right": "a"}, {"right": "b"}]}),
    ]
    assert [option["zh"] for option in found.drafts[1].body["options"]] == ["铁", "碘", "锌"]


def test_a_case_analysis_has_asks_and_new_information() -> None:
    draft = one(
        "四、案例分析题\n案例一：女，生后2小时，呻吟。\n提问1：应做哪些检查\nA.血气 B.胸片 C.血糖 D.CT E.脑电图 F.肝功\n答案：ABC\n"
        "提示：血气 pH 7.1。\n提问2：诊断\nA.RDS B.MAS C.湿肺 D.肺炎\n答案：A\n解析：因为"
    )
    assert draft.type == "CASE"
    assert draft.body["stem"] == {"zh": "女，生后2小时，呻吟。"}
    assert [ask["stem"]["zh"] for ask in draft.body["asks"]] == ["应做哪些检查", "提示：血气 pH 7.1。\n诊断"]
    assert draft.key == {"asks": [{"right": ["a", "b", "c"]}, {"right": ["a"]}]}
    assert draft.rationale == {"asks": [{}, {"zh": "因为"}]}


def test_bracketed_questions_under_a_numbered_case() -> None:
    found = read(
        "A4型题\n"
        + "".join(
            f"{case}.患儿{case}\n（1）诊断\nA.甲 B.乙 C.丙\n答案：A\n（2）治疗\nA.甲 B.乙 C.丙\n答案：B\n"
            for case in (1, 2)
        )
    )
    assert [(draft.type, draft.body["stem"]["zh"]) for draft in found.drafts] == [
        ("A4", "患儿1"),
        ("A4", "患儿2"),
    ]


def test_a_case_without_questions_is_named() -> None:
    assert codes(read("（1～2题共用题干）男，3岁。\n二、单选题\n1.哪一项\nA.甲\nB.乙\n答案：A")) == [
        ("1", "asks")
    ]


# ---------------------------------------------------------------- tables of keys

THREE = (
    "1.问一\nA.甲 B.乙 C.丙 D.丁 E.戊\n2.问二\nA.甲 B.乙 C.丙 D.丁 E.戊\n3.问三\nA.甲 B.乙 C.丙 D.丁 E.戊\n"
)


@pytest.mark.parametrize(
    "table",
    ["参考答案 1.A 2.B 3.E", "参考答案\n1-3 ABE", "答案：1.A 2.B 3.E", "参考答案：\n1．A\n2．B\n3．E", "【参考答案】1~2 AB 3 E", "答案\n1.【答案】A\n2.【答案】B\n【解析】因为\n3.【答案】E", "参考答案及解析\n1.A\n2.B\n3.E"],
)  # fmt: skip
def test_a_table_of_keys_at_the_end(table: str) -> None:
    found = read(THREE + table)
    assert [problem for problem in found.problems if problem.is_blocking] == []
    assert [draft.key["right"] for draft in found.drafts] == ["a", "b", "e"]


def test_a_table_of_keys_for_each_section_and_in_words() -> None:
    found = read(
        "一、单选题\n" + THREE + "二、判断题\n1.对\n2.错\n三、填空题\n1.首选____\n四、简答题\n1.简述\n"
        "参考答案\n一、单选题\n1-3 ABE\n二、判断题\n1.√ 2.×\n三、填空题\n1.肾上腺素\n四、简答题\n1.第一步\n第二步"
    )
    assert found.problems == ()
    assert [draft.key.get("right") for draft in found.drafts[:5]] == ["a", "b", "e", "true", "false"]
    assert found.drafts[5].key == {"accepted": [{"text": "肾上腺素"}]}
    assert found.drafts[6].key["rubric"][0]["zh"] == "第一步\n第二步"


def test_chapters_have_tables_of_their_own() -> None:
    found = read(f"第一章 绪论\n{THREE}参考答案：1.A 2.B 3.C\n第二章 发育\n{THREE}参考答案：1.C 2.D 3.E")
    assert [draft.key["right"] for draft in found.drafts] == ["a", "b", "c", "c", "d", "e"]
    assert {draft.topic for draft in found.drafts} == {"绪论", "发育"}


def test_a_table_of_keys_drawn_as_a_table() -> None:
    paper_ = docx.Document(io.BytesIO(document_of(THREE)))
    table = paper_.add_table(rows=2, cols=4)
    for row, texts in zip(table.rows, (["题号", "1", "2", "3"], ["答案", "A", "B", "CE"]), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    found = document.read(saved(paper_), "x.docx")
    assert [draft.key["right"] for draft in found.drafts] == ["a", "b", ["c", "e"]]


def test_a_key_beside_its_question_comes_before_the_table() -> None:
    found = read("1.问一\nA.甲\nB.乙\n答案：A\n2.问二\nA.甲\nB.乙\n参考答案 1.B 2.B")
    assert [draft.key["right"] for draft in found.drafts] == ["a", "b"]


# ---------------------------------------------------------------- Word's own


def listed(*lines: tuple[str, int, str], restarts: bool = True) -> bytes:
    """Lists numbered by Word: (text, level, numId) with ``1`` for stems and others for options."""
    made = docx.Document()
    numbering = made.part.numbering_part.element
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="%{level + 1}{mark}"/></w:lvl>'
        for level, form, mark in ((0, "decimal", "."), (1, "upperLetter", "."))
    )
    numbering.insert(
        0, parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="90">{levels}</w:abstractNum>')
    )
    for number in {number for _text, _level, number in lines if number}:
        again = '<w:lvlOverride w:ilvl="1"><w:startOverride w:val="1"/></w:lvlOverride>' if restarts else ""
        numbering.append(
            parse_xml(
                f'<w:num {nsdecls("w")} w:numId="{number}"><w:abstractNumId w:val="90"/>{again}</w:num>'
            )
        )
    for text, level, number in lines:
        paragraph = add_paragraph(made, text)
        if number:
            properties = paragraph._p.get_or_add_pPr()
            properties.append(
                parse_xml(
                    f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
                )
            )
    return saved(made)


@pytest.mark.parametrize("restarts", [True, False])
def test_numbers_and_letters_that_word_writes_itself(restarts: bool) -> None:
    data = listed(
        ("问一", 0, "91"), ("甲", 1, "91"), ("乙", 1, "91"), ("{r:丙}", 1, "91"),
        ("问二", 0, "91"), ("甲", 1, "91"), ("乙", 1, "91"), ("答案：B", 0, ""),
        restarts=restarts,
    )  # fmt: skip
    found = document.read(data, "x.docx")
    assert found.problems == ()
    assert [(draft.body["stem"]["zh"], said(draft), draft.key) for draft in found.drafts] == [
        ("问一", ["甲", "乙", "丙"], {"right": "c"}),
        ("问二", ["甲", "乙"], {"right": "b"}),
    ]


@pytest.mark.parametrize(
    ("number", "form", "expected"),
    [
        (3, "decimal", "3"), (28, "upperLetter", "BB"), (2, "lowerLetter", "b"), (14, "upperRoman", "XIV"), (4, "lowerRoman", "iv"),
        (10, "chineseCounting", "十"), (21, "chineseCountingThousand", "二十一"), (3, "ideographTraditional", "丙"),
        (5, "decimalEnclosedCircle", "⑤"), (7, "decimalZero", "07"), (2, "decimalEnclosedParen", "(2)"), (4, "unknown", "4"),
    ],
)  # fmt: skip
def test_the_forms_of_words_numbers(number: int, form: str, expected: str) -> None:
    assert docx_numbering.formatted(number, form) == expected


def test_pictures_belong_to_the_part_in_which_they_stand() -> None:
    made = docx.Document()
    add_paragraph(made, "1.这张片子").add_run().add_picture(io.BytesIO(png(1)))
    made.paragraphs[0]._p.xpath(".//wp:docPr")[0].set("descr", "胸片")
    add_paragraph(made, "A.甲")
    add_paragraph(made, "B.").add_run().add_picture(io.BytesIO(png(2)))
    add_paragraph(made, "答案：A")
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert draft.body["stem"] == {"zh": "这张片子"}
    assert draft.body["media"] == [{"kind": "image", "key": "1.png", "alt": {"zh": "胸片"}}]
    assert [entry["key"] for entry in draft.body["options"][1]["media"]] == ["2.png"]
    assert draft.media == {"1.png": png(1), "2.png": png(2)}
    assert draft.review


def test_a_table_in_a_stem_stays_readable() -> None:
    made = docx.Document()
    add_paragraph(made, "1.下表提示")
    table = made.add_table(rows=2, cols=2)
    for row, texts in zip(table.rows, (["Na", "K"], ["140", "6.5"]), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    for line in ("A.高钾", "B.低钾", "答案：A"):
        add_paragraph(made, line)
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert draft.body["stem"] == {"zh": "下表提示\nNa | K\n140 | 6.5"}


def test_options_laid_out_in_a_table_are_options() -> None:
    made = docx.Document()
    add_paragraph(made, "1.哪一项")
    table = made.add_table(rows=2, cols=2)
    for cell, text in zip(
        [cell for row in table.rows for cell in row.cells], ["A.甲", "B.乙", "C.丙", "D.丁"], strict=True
    ):
        cell.text = text
    add_paragraph(made, "答案：D")
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert said(draft) == ["甲", "乙", "丙", "丁"]


def test_deleted_and_hidden_text_is_left_out_and_inserted_text_read() -> None:
    made = docx.Document()
    paragraph = add_paragraph(made, "1.哪")
    run = "<w:r><w:t>{}</w:t></w:r>"
    for name, text in (("ins", "一项"), ("del", "些")):
        element = run.format(text).replace("w:t>", "w:delText>") if name == "del" else run.format(text)
        paragraph._p.append(parse_xml(f'<w:{name} {nsdecls("w")} w:id="1" w:author="x">{element}</w:{name}>'))
    paragraph.add_run("（答案是A）").font.hidden = True
    for line in ("A.甲", "B.乙", "答案：A"):
        add_paragraph(made, line)
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert draft.body["stem"] == {"zh": "哪一项"}


def test_formulas_are_read_as_people_type_them() -> None:
    made = docx.Document()
    paragraph = add_paragraph(made, "1.体表面积=")
    maths = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    text = "<m:r><m:t>{}</m:t></m:r>"
    fraction = f"<m:f><m:num>{text.format('m+1')}</m:num><m:den>{text.format('3')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{text.format('x')}</m:e><m:sup>{text.format('2')}</m:sup></m:sSup>"
    paragraph._p.append(
        parse_xml(f'<m:oMath xmlns:m="{maths}">{power}{text.format("+")}{fraction}</m:oMath>')
    )
    for line in ("A.甲", "B.乙", "答案：A"):
        add_paragraph(made, line)
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert draft.body["stem"] == {"zh": "体表面积=x²+(m+1)/3"}


def test_lines_of_one_paragraph_are_lines() -> None:
    made = docx.Document()
    made.add_paragraph("1.哪一项\nA.甲\nB.乙\n答案：B")
    (draft,) = document.read(saved(made), "x.docx").drafts
    assert draft.key == {"right": "b"}
    assert draft.place.at == "1"


# ---------------------------------------------------------------- files that are none


@pytest.mark.parametrize("data", [b"", b"words", b"PK\x03\x04" + bytes(40), b"\xd0\xcf\x11\xe0" + bytes(40)])
def test_what_is_no_document_is_one_problem(data: bytes) -> None:
    found = document.read(data, "x.docx")
    assert found.drafts == ()
    assert [problem.place.kind for problem in found.problems] == ["file"]


def test_entities_and_other_packages_are_refused() -> None:
    hostile = b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "b">]><w:document/>'
    data = with_parts(document_of("1.哪一项"), {"word/document.xml": hostile})
    assert codes(document.read(data, "x.docx")) == [("", "xml_entities")]
    utf16 = hostile.decode().replace('<?xml version="1.0"?>', "").encode("utf-16")
    assert codes(document.read(with_parts(data, {"word/document.xml": utf16}), "x.docx")) == [
        ("", "xml_entities")
    ]


def test_a_document_without_questions_says_so() -> None:
    assert codes(read("通知\n明天考试。"))[-1] == ("", "no_items")


# ---------------------------------------------------------------- laws

SAMPLE = (
    "儿科试卷\n一、A1型题\n"
    + THREE
    + "（4～5题共用题干）男，3岁。\n4.诊断\nA.甲 B.乙\n答案：A\n5.治疗\n*A.甲\nB.乙\n"
    "（6～7题共用备选答案）\nA.铁\nB.碘\n6.贫血\n7.克汀病\n二、判断题\n8.对（√）\n三、案例分析题\n案例一 女\n提问1：查\nA.1 B.2 C.3 D.4\n答案：AB\n"
    "提示：新\n提问2：治\nA.1 B.2\n答案：A\n四、简答题\n9.简述\n答案：\n1.甲（1分）\n2.乙（2分）\n五、填空题\n10.__和__\n"
    "参考答案\n一、A1型题\n1-3 ABC 6.A 7.B\n二、判断题\n8.√\n五、填空题\n10.甲；乙\n【解析】无"
)


def check(found: Reading) -> None:
    assert found.drafts or any(problem.is_blocking for problem in found.problems)
    assert all(faults(draft.type, draft.body, draft.key) == [] for draft in found.drafts)
    assert all(problem.message and problem.code.isidentifier() for problem in found.problems)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    check(document.read(data, "x.docx"))
    check(document.read(b"PK\x03\x04" + data, "x.docx"))


def questions(lines: list[str]) -> Any:
    gathered = Gathered()
    reader = PaperReader(
        [Line(number, line) for number, line in enumerate(lines, 1) if line.strip()], gathered
    )
    return reader.read(), reader, gathered


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(SAMPLE.split("\n")), max_size=40))
def test_any_order_of_lines_is_read_and_every_numbered_question_with_options_is_found(
    lines: list[str],
) -> None:
    chapters, _reader, _gathered = questions(lines)
    count = sum(1 for chapter in chapters for _one in chapter.asked())
    begun = sum(
        paper.numbered(line) is not None and bool(words.options_in(following)) and not paper.key_tokens(line)
        for line, following in itertools.pairwise(lines)
    )
    assert count >= begun


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_paper_is_read(data: st.DataObject) -> None:
    text = list(SAMPLE)
    for _cut in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 6))] = data.draw(
            st.sampled_from(["", "\n", "1.", "A.", "答案：", "（", "*", "\n2.", "～"])
        )
    check(read("".join(text)))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_damaged_file_is_read(data: st.DataObject) -> None:
    whole = bytearray(WHOLE)
    for _hit in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    check(document.read(bytes(whole), "x.docx"))


WHOLE = document_of(SAMPLE)
