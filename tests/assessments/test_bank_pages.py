"""Pages of the item bank: who comes in, what a refused form keeps, review by a second person, import with a look before it."""

import base64
import io
import re

import pytest
from PIL import Image
from sqlalchemy import func, select

from lms.assessments import queries, rules, services
from lms.assessments.models import ItemImport, Question, QuestionVersion
from lms.core import imports
from lms.core.audit import AuditEvent
from lms.core.db import db, transaction


@pytest.fixture
def bank(app, cast, at):
    with transaction():
        return services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=cast.examiner
        )


@pytest.fixture
def examiner(app, cast, browser):
    return browser(cast.examiner, lang="en")


A1 = {
    "type": "A1",
    "stem-zh": "首选药物？",
    "stem-en": "Which drug first?",
    "o0-zh": "肾上腺素",
    "o1-zh": "阿托品",
    "o2-zh": "胺碘酮",
    "right": "0",
    "why-zh": "指南",
    "source": "PALS 2025",
    "topic": "复苏",
}


def count(model=Question):
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def written(examiner, bank, **more):
    answer = examiner.post(f"/bank/{bank.public_id}/new", data=A1 | more)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def test_only_those_of_the_bank_find_its_pages(bank, cast, browser):
    for who in (cast.trainee, cast.mentor, cast.educator, cast.administrator, cast.stranger):
        client = browser(who)
        for path in (
            f"/bank/{bank.public_id}",
            f"/bank/{bank.public_id}/import",
            f"/bank/{bank.public_id}/export",
        ):
            assert client.get(path).status_code == 404, path
    assert browser(cast.examiner).get("/bank").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/bank/zzzzzzzzzzzz",
        "/questions/zzzzzzzzzzzz",
        "/questions/1",
        "/imports/zzzzzzzzzzzz",
        "/items/media/zzzzzzzzzzzz",
    ],
)
def test_what_is_not_there_is_not_found(examiner, path):
    assert examiner.get(path).status_code == 404


def test_a_question_is_written_and_shown_as_a_candidate_sees_it(examiner, bank):
    page = examiner.get(written(examiner, bank)).text
    assert "Which drug first?" in page
    assert "A. 肾上腺素" in page
    assert "draft" in page


def test_a_refused_question_keeps_everything_that_was_typed(examiner, bank):
    answer = examiner.post(f"/bank/{bank.public_id}/new", data=A1 | {"right": ""})
    assert answer.status_code == 422
    assert "The key is not one of the options." in answer.text
    for typed in ("首选药物？", "肾上腺素", "阿托品", "指南", "PALS 2025", "复苏"):
        assert typed in answer.text
    assert count() == 0


def wrong(answer):
    """Where the error summary leads to, in its order; each place must be on the page, once, and say what is wrong."""
    assert answer.status_code == 422
    targets = re.findall(r'<a href="#([^"]+)" data-error>', answer.text)
    ids = re.findall(r'(?<![-\w])id="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids))
    for target in targets:
        assert target in ids, target
        assert (
            f'aria-describedby="{target}-error"' in answer.text
            or f"{target}-hint {target}-error" in answer.text
        )
        assert f"{target}-error" in ids
    assert not re.search(r"<li data-error>", answer.text)
    return targets


FORMS = list(rules.TYPES)


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("typed", ["nothing", "too little", "nonsense"])
def test_each_fault_leads_to_a_field_of_the_form(examiner, bank, kind, typed):
    names = re.findall(
        r'<(?:input|textarea|select)[^>]* name="([^"]+)"',
        examiner.get(f"/bank/{bank.public_id}/new?type={kind}").text,
    )
    fills = {
        "nothing": lambda _name: "",
        "too little": lambda name: "x" if "stem" in name else "",
        "nonsense": lambda _name: "x",
    }
    kept = {"type", "form_token", "base_n", "code", "source", "topic"}
    data = {
        name: fills[typed](name)
        for name in names
        if name not in kept and not name.endswith(("-id", "scoring"))
    }
    found = wrong(examiner.post(f"/bank/{bank.public_id}/new", data={**data, "type": kind}))
    assert found


@pytest.mark.parametrize(
    ("change", "targets"),
    [
        ({"right": ""}, ["right-0"]),
        ({"stem-zh": "", "stem-en": ""}, ["stem-zh"]),
        ({"o1-zh": "", "o4-zh": "肾上腺素"}, ["o4-zh"]),
        ({"type": "X", "right": "", "scoring": "all"}, ["o0-right"]),
        ({"type": "KF", "o0-role": "right", "limit": "9"}, ["limit"]),
        ({"type": "SHORT", "w1-text": "a", "w3-text": "b", "w3-share": "7"}, ["w3-share"]),
        ({"type": "NUM", "value": "10", "tolerance": "-1"}, ["tolerance"]),
        ({"type": "SLIDER", "low": "0", "high": "9", "step": "1", "value": "11"}, ["value"]),
        ({"type": "MATCH", "r0-zh": "甲", "r0-to": "A", "r2-zh": "乙", "r2-to": "Z"}, ["r0-to"]),
        ({"type": "ESSAY", "c1-zh": "一", "c1-marks": "1", "c3-zh": "二", "c3-marks": "0"}, ["c3-marks"]),
        (
            {"type": "A3", "right": "", "a0-stem-zh": "一？", "a2-stem-zh": "二？"}
            | {f"a{ask}-o{row}-zh": f"{row}" for ask in (0, 2) for row in range(3)}
            | {"a0-right": "0", "a2-o2-zh": "1", "a2-right": "2"},
            ["a2-o2-zh"],
        ),
        (
            {"type": "DOSE", "stem-zh": "体重 {weight}", "stem-en": "", "formula": "weight * y"}
            | {"p1-name": "weight", "p1-low": "3", "p1-high": "1", "p1-step": "1"},
            ["p1-low", "formula"],
        ),
    ],
)
def test_a_fault_leads_to_the_very_field_that_it_lies_in(examiner, bank, change, targets):
    assert wrong(examiner.post(f"/bank/{bank.public_id}/new", data=A1 | change)) == targets


def test_more_rows_are_given_and_nothing_is_saved(examiner, bank):
    answer = examiner.post(f"/bank/{bank.public_id}/new", data=A1 | {"act": "rows"})
    assert answer.status_code == 200
    assert answer.text.count('name="o9-zh"') == 1
    assert "首选药物？" in answer.text
    assert count() == 0


@pytest.mark.parametrize(
    "kind",
    [
        "A1",
        "A3",
        "B1",
        "EMQ",
        "X",
        "CASE",
        "TF",
        "SCT",
        "KF",
        "NUM",
        "DOSE",
        "SHORT",
        "ORDER",
        "MATCH",
        "GAP",
        "SLIDER",
        "UPLOAD",
        "ESSAY",
        "OSCE",
    ],
)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_type_has_its_form_in_both_languages(browser, cast, bank, kind, lang):
    client = browser(cast.examiner, lang=lang)
    assert client.get(f"/bank/{bank.public_id}/new?type={kind}").status_code == 200
    assert client.post(f"/bank/{bank.public_id}/new", data={"type": kind}).status_code == 422


def test_a_case_is_written_with_its_asks(examiner, bank):
    data = {"type": "CASE", "stem-zh": "早产儿，呼吸窘迫"}
    for k in range(2):
        data |= {f"a{k}-stem-zh": f"第{k + 1}问", f"a{k}-why-zh": "因为"}
        data |= {f"a{k}-o{i}-zh": f"选项{k}{i}" for i in range(6)}
        data |= {f"a{k}-o{i}-right": "1" for i in range(k + 1)}
    page = examiner.get(written(examiner, bank, **(dict.fromkeys(A1, "") | data))).text
    assert "Questions 1 to 2 of 2" in page
    version = db.session.scalars(select(QuestionVersion)).one()
    assert [ask["right"] for ask in queries.newest_keys([version.id])[version.id].key["asks"]] == [
        ["a"],
        ["a", "b"],
    ]


def test_changing_a_question_makes_a_version_and_the_difference_is_shown(examiner, bank):
    address = written(examiner, bank)
    page = examiner.get(f"{address}/edit").text
    fields = dict(re.findall(r'name="([\w-]+)"[^>]*value="([^"]*)"', page))
    del fields["act"]
    fields |= {"stem-zh": "首选哪种药？", "stem-en": "", "why-zh": "新指南", "right": "1"}
    assert examiner.post(f"{address}/edit", data=fields).status_code == 303
    assert count(QuestionVersion) == 2
    diff = examiner.get(f"{address}/changes").text
    assert "<ins>" in diff
    assert "首选哪种药？" in diff
    again = examiner.post(f"{address}/edit", data=fields)
    assert again.status_code == 422
    assert "Somebody has changed this question meanwhile." in again.text


def test_a_second_person_approves_in_the_browser(examiner, bank, cast, browser):
    address = written(examiner, bank)
    assert examiner.post(f"{address}/do/propose", data={"words": "please"}).status_code == 303
    assert "Approve wording and key" not in examiner.get(address).text
    director = browser(cast.director, lang="en")
    page = director.get(address).text
    seen = re.search(r'name="seen" value="(\w+)"', page)[1]
    refused = director.post(
        f"{address}/decide/review", data={"outcome": "refused", "seen": seen, "words": ""}
    )
    assert refused.status_code == 422
    assert (
        director.post(f"{address}/decide/review", data={"outcome": "approved", "seen": seen}).status_code
        == 303
    )
    assert examiner.post(f"{address}/do/activate").status_code == 303
    assert "in use" in examiner.get(address).text


def test_a_key_is_corrected_and_the_wording_is_not(examiner, bank, cast, browser):
    address = written(examiner, bank)
    examiner.post(f"{address}/do/propose")
    director = browser(cast.director, lang="en")
    seen = re.search(r'name="seen" value="(\w+)"', director.get(address).text)[1]
    director.post(f"{address}/decide/review", data={"outcome": "approved", "seen": seen})
    page = examiner.get(f"{address}/key").text
    fields = dict(re.findall(r'name="([\w-]+)"[^>]*value="([^"]*)"', page))
    del fields["act"]
    fields |= {
        "stem-zh": "首选药物？",
        "stem-en": "Which drug first?",
        "why-zh": "指南",
        "right": "2",
        "reason": "misprint",
    }
    changed = examiner.post(f"{address}/key", data=fields | {"stem-zh": "别的题"})
    assert changed.status_code == 422
    assert examiner.post(f"{address}/key", data=fields).status_code == 303
    seen = re.search(r'name="seen" value="(\w+)"', director.get(address).text)[1]
    assert (
        director.post(f"{address}/decide/key", data={"outcome": "approved", "seen": seen}).status_code == 303
    )
    assert "C. 胺碘酮" in director.get(address).text


def test_an_unknown_act_is_not_found(examiner, bank):
    address = written(examiner, bank)
    assert examiner.post(f"{address}/do/delete").status_code == 404
    assert examiner.post(f"{address}/decide/nothing", data={"outcome": "approved"}).status_code == 404


# ---------------------------------------------------------------- import and export

HEADER = ("题型", "题干", "选项A", "选项B", "选项C", "答案", "解析")
ROWS = [
    ("单选题", "按压与通气之比？", "3:1", "15:2", "30:2", "A", "指南"),
    ("多选题", "早产儿并发症？", "NEC", "ROP", "BPD", "ABC", ""),
    ("判断题", "足月儿需常规吸痰", "", "", "", "×", ""),
    ("单选题", "坏的题", "甲", "乙", "", "D", ""),
]


def sent(client, bank, data, name="items.xlsx"):
    return client.post(
        f"/bank/{bank.public_id}/import",
        data={"file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )


def test_a_file_is_looked_at_before_anything_is_saved_and_then_imported_once(examiner, bank):
    answer = sent(examiner, bank, imports.to_xlsx(HEADER, ROWS))
    assert answer.status_code == 303, answer.text
    address = answer.headers["Location"]
    page = examiner.get(address).text
    assert "3 questions can be imported." in page
    assert "1 place has a problem" in page
    assert "F5" in page
    assert count() == 0
    assert examiner.post(f"{address}/run", data={"act": "run"}).status_code == 422
    assert count() == 0
    done = {"act": "run", "leave_out": "1", "excluded": "2"}
    assert examiner.post(f"{address}/run", data=done).status_code == 303
    assert count() == 2
    assert examiner.post(f"{address}/run", data=done).status_code == 303
    assert count() == 2
    again = sent(examiner, bank, imports.to_xlsx(HEADER, ROWS[:1]))
    assert "1 is in the bank already" in examiner.get(again.headers["Location"]).text


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "a.xlsx"),
        (b"PK\x03\x04 not a zip", "a.xlsx"),
        (b"\x00\x01", "a.exe"),
        (b"words and no question", "a.txt"),
        ("姓名,年龄\n甲,3\n".encode(), "a.csv"),
    ],
)
def test_a_file_without_questions_is_refused_with_the_reason_and_not_kept(examiner, bank, data, name):
    answer = sent(examiner, bank, data, name)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert count(ItemImport) == 0


def test_a_file_that_is_put_away_adds_nothing(examiner, bank):
    address = sent(examiner, bank, b"What?\nA. one\nB. two\nC. three\nANSWER: B\n", "a.txt").headers[
        "Location"
    ]
    assert examiner.post(f"{address}/run", data={"act": "discard"}).status_code == 303
    assert count() == 0
    assert examiner.post(f"{address}/run", data={"act": "run"}).status_code == 303
    assert count() == 0


def test_a_stranger_does_not_find_the_file_of_another(examiner, bank, cast, browser):
    address = sent(examiner, bank, imports.to_xlsx(HEADER, ROWS)).headers["Location"]
    for who in (cast.trainee, cast.director, cast.educator):
        assert browser(who).get(address).status_code == 404


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("xlsx", "a.xlsx", "This format holds every question of the bank."),
        ("moodle", "a.xml", "1 question comes out changed or not at all:"),
        ("qti", "a.zip", "This format holds every question of the bank."),
    ],
)
def test_what_is_exported_comes_back_in_as_known(examiner, bank, kind, name, says):
    address = sent(examiner, bank, imports.to_xlsx(HEADER, ROWS[:3])).headers["Location"]
    examiner.post(f"{address}/run", data={"act": "run"})
    page = examiner.get(f"/bank/{bank.public_id}/export?format={kind}")
    assert says in page.text
    answer = examiner.post(f"/bank/{bank.public_id}/export", data={"format": kind})
    assert answer.status_code == 200
    page = examiner.get(sent(examiner, bank, answer.data, name).headers["Location"]).text
    assert "3 are in the bank already" in page
    acts = db.session.scalars(select(AuditEvent.act).where(AuditEvent.act == "assessments.bank.export")).all()
    assert len(acts) == 1


def test_a_picture_travels_out_and_in_again(examiner, bank):
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(picture, "PNG")
    source = f"""<quiz><question type="truefalse"><name><text>film</text></name><questiontext format="html"><text>
      &lt;p&gt;Normal film?&lt;/p&gt;&lt;img src="@@PLUGINFILE@@/film.png" alt="chest"&gt;</text>
      <file name="film.png" encoding="base64">{base64.b64encode(picture.getvalue()).decode()}</file></questiontext>
      <answer fraction="100"><text>true</text></answer><answer fraction="0"><text>false</text></answer></question></quiz>"""
    address = sent(examiner, bank, source.encode(), "film.xml").headers["Location"]
    examiner.post(f"{address}/run", data={"act": "run"})
    assert count() == 1
    for kind, name in (("moodle", "a.xml"), ("qti", "a.zip")):
        answer = examiner.post(f"/bank/{bank.public_id}/export", data={"format": kind})
        page = examiner.get(sent(examiner, bank, answer.data, name).headers["Location"]).text
        assert "1 is in the bank already" in page, kind


def test_an_unknown_format_does_not_exist(examiner, bank):
    assert examiner.get(f"/bank/{bank.public_id}/export?format=doc").status_code == 404


def test_the_list_is_narrowed_by_words_status_and_type(examiner, bank):
    written(examiner, bank)
    for query, is_there in (
        ("q=首选", True),
        ("q=nothing", False),
        ("state=live", False),
        ("type=A1", True),
        ("type=<x>", True),
        ("page=99", False),
    ):
        page = examiner.get(f"/bank/{bank.public_id}?{query}")
        assert page.status_code == 200
        assert ("/questions/" in page.text) is is_there, query


# ---------------------------------------------------------------- twice is once


def test_two_clicks_make_one_bank_one_question_and_one_comment(examiner, bank, cast):
    new = {
        "programme": cast.programme.public_id,
        "purpose": "practice",
        "title_zh": "练习",
        "title_en": "Practice",
    }
    places = {examiner.post("/bank", data=new).headers["Location"] for _ in range(2)}
    assert len(places) == 1
    addresses = {written(examiner, bank) for _ in range(2)}
    assert len(addresses) == 1
    address = addresses.pop()
    for _ in range(2):
        examiner.post(f"{address}/do/comment", data={"words": "two keys?"})
    assert examiner.get(address).text.count("two keys?") == 1


def test_a_refused_button_keeps_its_words_and_its_error_leads_to_them(examiner, bank, cast, browser):
    address = written(examiner, bank)
    answer = examiner.post(f"{address}/do/comment", data={"words": " "})
    assert answer.status_code == 422
    assert 'href="#words"' in answer.text
    assert answer.text.count('id="words"') == 1


def test_json_nested_without_end_is_a_bad_request(examiner):
    deep = "[" * 200_000 + "]" * 200_000
    answer = examiner.post("/sittings/zzzzzzzzzzzz/ops", data=deep, content_type="application/json")
    assert answer.status_code == 400


def test_where_a_question_is_used_leads_only_to_pages_that_open_for_the_reader(app, cast, browser, at):
    with transaction():
        test = services.add_sample_test(db.session.merge(cast.cohort), at=at, opens_at=at)
    question = db.session.scalars(select(Question)).first().public_id
    for who, path in (
        (cast.examiner, f"/tests/{test.public_id}/manage"),
        (cast.director, f"/tests/{test.public_id}"),
    ):
        client = browser(who)
        assert f'href="{path}"' in client.get(f"/questions/{question}").text
        assert client.get(path).status_code == 200


NAMED = "患儿张三，男，3岁，电话13800138000"


def test_a_wording_that_names_a_patient_is_refused_and_kept_on_the_page(bank, examiner):
    for field in ("stem-zh", "o1-en", "why-zh"):
        answer = examiner.post(f"/bank/{bank.public_id}/new", data=A1 | {field: NAMED})
        assert answer.status_code == 422, field
        assert "may identify a patient" in answer.text
        assert answer.text.count(NAMED) == 1
        assert "“13800138000”" in answer.text
    assert count() == 0
    address = written(examiner, bank)
    answer = examiner.post(f"{address}/edit", data=A1 | {"stem-zh": NAMED, "base_n": "1"})
    assert (answer.status_code, count(QuestionVersion)) == (422, 1)
    assert NAMED in answer.text


@pytest.mark.parametrize("act", ["comment", "propose", "retire"])
def test_words_about_a_question_that_name_a_patient_are_refused_and_kept_on_the_page(bank, examiner, act):
    address = written(examiner, bank)
    answer = examiner.post(f"{address}/do/{act}", data={"words": NAMED})
    assert answer.status_code == 422
    assert "may identify a patient" in answer.text
    if act != "propose":
        assert NAMED in answer.text
    db.session.rollback()
    question = db.session.scalars(select(Question)).one()
    assert question.state == "draft"


def test_an_import_leaves_out_what_names_a_patient(bank, examiner):
    text = f"1. {NAMED}，先做什么？\nA. 保暖\nB. 吸痰\n答案：A\n\n2. 首选药物？\nA. 肾上腺素\nB. 阿托品\n答案：A\n"
    sent = examiner.post(
        f"/bank/{bank.public_id}/import", data={"file": (io.BytesIO(text.encode()), "questions.txt")}
    )
    page = examiner.get(sent.headers["Location"]).text
    assert "1 question can be imported" in page
    assert "may identify a patient" in page
    examiner.post(f"{sent.headers['Location']}/run", data={"act": "run", "leave_out": "1"})
    assert count() == 1
