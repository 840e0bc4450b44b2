"""Gaps typed into their text, areas of a picture as numbers: forms, previews, files."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import func, select

from lms.assessments import queries, rules, services
from lms.assessments.interchange import formats
from lms.assessments.interchange.drafts import Draft, Place
from lms.assessments.models import ItemMedia, Question, QuestionVersion
from lms.assessments.rules.items import sheet, woven
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken

# ---------------------------------------------------------------- gaps


def read(zh, en="", before=None):
    return woven.unweave({"zh": zh, "en": en}, before or {})


def test_each_kind_of_gap_is_typed_in_its_text():
    stem, asks, keys = read(
        "首选[[肾上腺素|adrenaline|=1/2 epi]]，经[[?静脉|=肌肉|口服]]，[[#0.01±5%|mg|=g]]，[[^ATP]]"
    )
    assert stem["zh"] == "首选[[1]]，经[[2]]，[[3]]，[[4]]"
    assert [ask["kind"] for ask in asks] == ["text", "choice", "number", "text"]
    assert keys[0] == {
        "accepted": [{"text": "肾上腺素"}, {"text": "adrenaline"}, {"text": "epi", "share": "1/2"}]
    }
    assert [one["zh"] for one in asks[1]["options"]] == ["静脉", "肌肉", "口服"]
    assert keys[1] == {"right": "b"}
    assert asks[2]["units"] == ["mg", "g"]
    assert keys[2] == {"value": "0.01", "tolerance": "0.05", "relative": True, "unit": "g"}
    assert keys[3] == {"accepted": [{"text": "ATP"}], "case": True}
    assert rules.faults("CLOZE", {"stem": stem, "asks": asks}, {"asks": keys}) == []


def test_two_languages_fill_the_same_gaps_in_their_own_order():
    stem, asks, keys = read("给[[肾上腺素]]，经[[?=静脉|口服]]", "Give [[@2 ?=IV|oral]] [[1]]")
    assert stem == {"zh": "给[[1]]，经[[2]]", "en": "Give [[2]] [[1]]"}
    assert [(one["zh"], one["en"]) for one in asks[1]["options"]] == [("静脉", "IV"), ("口服", "oral")]
    assert [sorted(key) for key in keys] == [["accepted"], ["right"]]
    assert rules.faults("CLOZE", {"stem": stem, "asks": asks}, {"asks": keys}) == []
    assert woven.can_be_typed({"stem": stem, "asks": asks}, {"asks": keys})


@pytest.mark.parametrize(
    ("typed", "accepted"),
    [
        (r"1:1000", ["1:1000"]),
        (r"=3", ["3"]),
        (r"a\|b|c\]\]d", ["a|b", "c]]d"]),
        (r"\=x|\\|\#1", ["=x", "\\", "#1"]),
        (r"5\*", [r"5\*"]),
        ("全角｜也分开", ["全角", "也分开"]),
    ],
)
def test_signs_are_taken_as_they_are_meant(typed, accepted):
    _stem, asks, keys = read(f"是[[{typed}]]吗")
    assert [one["text"] for one in keys[0]["accepted"]] == accepted
    body = {"stem": {"zh": "是[[1]]吗", "en": ""}, "asks": asks}
    assert woven.can_be_typed(body, {"asks": keys})


words = st.text(st.sampled_from("ab|[]=#?^@\\*±% 1/2药"), min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
def test_whatever_is_accepted_comes_back_from_its_text(gaps):
    stem = "".join(f"甲[[{n}]]" for n in range(1, len(gaps) + 1))
    body = {"stem": {"zh": stem, "en": ""}, "asks": [{"kind": "text"} for _gap in gaps]}
    key = {"asks": [{"accepted": [{"text": one} for one in gap]} for gap in gaps]}
    again, _asks, keys = woven.unweave(woven.weave(body, key), body)
    assert again == body["stem"]
    assert [[one["text"] for one in its["accepted"]] for its in keys] == gaps


@given(st.text(st.sampled_from("[]|=#?^@\\ 12ab")), st.text(st.sampled_from("[]|=#?^@\\ 12ab")))
def test_whatever_is_typed_is_read(zh, en):
    stem, asks, keys = read(zh, en)
    assert isinstance(rules.faults("CLOZE", {"stem": stem, "asks": asks}, {"asks": keys}), list)


def test_what_no_gap_shows_stays_with_its_gap():
    before = {
        "asks": [{"kind": "choice", "marks": 2, "options": [{"id": "x", "zh": "甲", "media": [1]}] * 2}]
    }
    _stem, asks, keys = read("[[?=甲|乙]]", "", before)
    assert asks[0]["marks"] == 2
    assert asks[0]["options"][0] == {"id": "x", "zh": "甲", "en": "", "media": [1]}
    assert keys == [{"right": "x"}]


def test_gaps_of_a_file_that_hold_more_than_can_be_typed_are_told_apart():
    body = {"stem": {"zh": "[[1]]"}, "asks": [{"kind": "number", "units": []}]}
    assert woven.can_be_typed(body, {"asks": [{"value": "1", "tolerance": "0"}]})
    several = {"answers": [{"value": "1"}, {"value": "2", "share": "1/2"}]}
    assert not woven.can_be_typed(body, {"asks": [several]})


# ---------------------------------------------------------------- areas


def spots(**fields):
    typed = {
        "stem-zh": "在哪里？",
        "alt-zh": "胸片",
        "image": "abc",
        "width": "400",
        "height": "300",
    } | fields
    return sheet.read("HOTSPOT", lambda name: typed.get(name, ""))[:2]


def test_areas_are_numbers_however_they_are_set_apart():
    body, key = spots(
        **{"h0-coords": "10，20；5", "h2-shape": "poly", "h2-coords": "0,0 9,0 9,9", "h2-share": "1/2"}
    )
    assert key == {
        "areas": [
            {"shape": "circle", "coords": [10, 20, 5]},
            {"shape": "poly", "coords": [0, 0, 9, 0, 9, 9], "share": "1/2"},
        ]
    }
    assert rules.faults("HOTSPOT", body, key) == []


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"h1-coords": "10, 20"}, "h1-coords"),
        ({"h1-coords": "10, x, 5"}, "h1-coords"),
        ({"h1-coords": "10, 20, 5", "h1-share": "7"}, "h1-share"),
        ({}, "h0-coords"),
        ({"h0-coords": "1,1,1", "image": ""}, "picture"),
        ({"h0-coords": "1,1,1", "alt-zh": ""}, "alt-zh"),
        ({"h0-coords": "1,1,1", "points": "0"}, "points"),
    ],
)
def test_a_fault_of_a_picture_leads_to_its_field(fields, target):
    typed = {"stem-zh": "?", "alt-zh": "胸片", "image": "abc", "width": "400", "height": "300"} | fields
    get = lambda name: typed.get(name, "")  # noqa: E731
    body, key, _reason = sheet.read("HOTSPOT", get)
    fault = rules.faults("HOTSPOT", body, key)[0]
    assert rules.field_at("HOTSPOT", get, fault.path) == target


# ---------------------------------------------------------------- pages


@pytest.fixture
def bank(app, cast, at):
    with transaction():
        return services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=cast.examiner
        )


@pytest.fixture
def examiner(app, cast, browser):
    return browser(cast.examiner, lang="en")


def film(colour="grey"):
    out = io.BytesIO()
    Image.new("RGB", (120, 80), colour).save(out, "JPEG", comment=b"Anna")
    return io.BytesIO(out.getvalue()), "film.jpg"


def fields_of(page):
    found = dict(re.findall(r'<input[^>]* name="([\w-]+)"[^>]*? value="([^"]*)"', page))
    return {name: value for name, value in found.items() if name in {"image", "width", "height", "base_n"}}


CLOZE = {
    "type": "CLOZE",
    "stem-zh": "首选[[肾上腺素|adrenaline]]，经[[?=肌肉|静脉]]。",
    "stem-en": "First [[1]], given [[?=IM|IV]].",
}
SPOT = {"type": "HOTSPOT", "stem-zh": "气胸在哪里？", "alt-zh": "胸片", "h0-coords": "30, 40, 10"}


def newest():
    db.session.rollback()
    version = db.session.scalars(select(QuestionVersion).order_by(QuestionVersion.id.desc())).first()
    return version, queries.newest_keys([version.id])[version.id].key


def test_a_text_with_gaps_is_looked_at_written_and_changed(examiner, bank):
    address = f"/bank/{bank.public_id}/new"
    looked = examiner.post(address, data=CLOZE | {"act": "preview"})
    assert looked.status_code == 200
    shown = looked.text[looked.text.index('id="preview"') :]
    assert 'class="question gap"' in shown
    assert "肾上腺素" not in shown  # the key is no part of what candidates see
    assert db.session.scalar(select(func.count(Question.id))) == 0
    saved = examiner.post(address, data=CLOZE)
    assert saved.status_code == 303
    version, key = newest()
    assert version.body["stem"]["en"] == "First [[1]], given [[2]]."
    assert key["asks"][1] == {"right": "a"}
    edit = examiner.get(f"{saved.location}/edit").text
    assert "首选[[肾上腺素|adrenaline]]，经[[?=肌肉|静脉]]。" in edit
    assert "First [[1]], given [[?=IM|IV]]." in edit
    changed = CLOZE | {"stem-zh": "首选[[肾上腺素]]，经[[?=肌肉|静脉]]。", "base_n": "1"}
    assert examiner.post(f"{saved.location}/edit", data=changed).status_code == 303
    assert newest()[1]["asks"][0] == {"accepted": [{"text": "肾上腺素"}]}


def test_the_same_gaps_again_make_no_version(examiner, bank):
    saved = examiner.post(f"/bank/{bank.public_id}/new", data=CLOZE)
    assert examiner.post(f"{saved.location}/edit", data=CLOZE | {"base_n": "1"}).status_code == 303
    assert newest()[0].n == 1


def test_gaps_that_fail_say_so_at_the_text_and_keep_it(examiner, bank):
    answer = examiner.post(
        f"/bank/{bank.public_id}/new",
        data=CLOZE | {"stem-zh": "甲[[?乙|丙]]", "stem-en": "", "act": "preview"},
    )
    assert answer.status_code == 422
    assert 'href="#stem-zh"' in answer.text
    assert "甲[[?乙|丙]]" in answer.text


def test_a_place_on_a_picture_is_written_without_scripts(examiner, bank):
    address = f"/bank/{bank.public_id}/new"
    taken = examiner.post(address, data=SPOT | {"act": "picture", "picture": film()})
    assert taken.status_code == 200
    kept = fields_of(taken.text)
    assert (kept["width"], kept["height"]) == ("120", "80")
    assert '<circle cx="30" cy="40" r="10"/>' in taken.text
    looked = examiner.post(address, data=SPOT | kept | {"act": "preview"})
    shown = looked.text[looked.text.index('id="preview"') :]
    assert f"/items/media/{kept['image']}" in shown
    assert '<circle cx="30"' not in shown
    saved = examiner.post(address, data=SPOT | kept)
    assert saved.status_code == 303
    version, key = newest()
    assert version.body["image"] == kept["image"]
    assert key == {"areas": [{"shape": "circle", "coords": [30, 40, 10]}]}
    assert b"Anna" not in examiner.get(f"/items/media/{kept['image']}").data
    edit = examiner.get(f"{saved.location}/edit").text
    assert 'value="30, 40, 10"' in edit


def test_a_picture_chosen_while_saving_stays_when_something_else_is_wrong(examiner, bank):
    address = f"/bank/{bank.public_id}/new"
    refused = examiner.post(address, data=SPOT | {"h0-coords": "", "picture": film()})
    assert refused.status_code == 422
    kept = fields_of(refused.text)
    assert kept["image"]
    assert examiner.post(address, data=SPOT | kept).status_code == 303
    again = examiner.post(address, data=SPOT | {"stem-zh": "再问", "picture": film()})
    assert again.status_code == 303
    assert db.session.scalar(select(func.count(ItemMedia.id))) == 1


def test_what_is_no_picture_is_refused_at_its_field(examiner, bank):
    answer = examiner.post(
        f"/bank/{bank.public_id}/new", data=SPOT | {"act": "picture", "picture": (io.BytesIO(b"no"), "a.jpg")}
    )
    assert answer.status_code == 422
    assert 'href="#picture"' in answer.text
    assert "picture-hint picture-error" in answer.text


def test_a_picture_of_another_programme_is_none(app, cast, bank, at):
    body, key = spots(**{"h0-coords": "10, 20, 5"})
    with pytest.raises(RuleBroken) as refused, transaction():
        services.add_question(bank, kind="HOTSPOT", body=body, key=key, rationale={}, by=cast.examiner, at=at)
    assert refused.value.code == "no_image"


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("kind", ["moodle", "qti"])
def test_what_was_typed_goes_out_into_a_file_and_comes_back_meaning_the_same(examiner, bank, kind):
    address = f"/bank/{bank.public_id}/new"
    examiner.post(address, data=CLOZE)
    examiner.post(
        address, data=SPOT | {"picture": film(), "h0-shape": "poly", "h0-coords": "0, 0, 9, 0, 9, 9"}
    )
    drafts: list[Draft] = []
    for _question, version in queries.newest_versions(bank.id):
        key = queries.newest_keys([version.id])[version.id].key
        media = {version.body["image"]: film()[0].getvalue()} if "image" in version.body else {}
        drafts.append(
            Draft(Place("row", "1"), version.type, version.body, key, code=version.type, media=media)
        )
    file = formats.write(kind, drafts)
    assert file.left_out == ()
    assert len(drafts) == 2
    back = {one.type: one for one in formats.read(file.data, "a.xml" if kind == "moodle" else "a.zip").drafts}
    for old in drafts:
        new = back[old.type]
        fields = sheet.fields_of(old.type, old.body, old.key, {})
        again = sheet.fields_of(new.type, new.body, new.key, {})
        kept = {name for name in fields if name.startswith(("stem", "h"))}
        if kind == "qti" or old.type == "HOTSPOT":
            assert {name: again.get(name, "") for name in kept} == {name: fields[name] for name in kept}
        for before, after in zip(
            rules.asks(old.type, old.body, old.key), rules.asks(new.type, new.body, new.key), strict=True
        ):
            assert before.kind == after.kind
            point = {"points": [[9, 1]]} if before.kind == "point" else None
            for ask in (before, after):
                right = point or rules.model_response(ask.kind, ask.body, ask.key, {})
                assert rules.share(ask, right) == 1
