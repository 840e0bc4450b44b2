"""QTI: what each interaction becomes, what its marking means, what is refused or put before a person, and the way back."""

import copy
import io
import random
import zipfile
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from lms.assessments import rules
from lms.assessments.interchange import package, qti
from lms.assessments.interchange.drafts import Draft, Place
from lms.assessments.interchange.qti.pictures import blank
from lms.assessments.rules.items.numbers import written
from tests.assessments.interchange.meaning import QTI_ONLY, VARIANTS, draft, facts, meaning, same_marks

V21 = "http://www.imsglobal.org/xsd/imsqti_v2p1"
V22 = "http://www.imsglobal.org/xsd/imsqti_v2p2"
V30 = "http://www.imsglobal.org/xsd/imsqtiasi_v3p0"
RP = "http://www.imsglobal.org/question/qti_v2p1/rptemplates/"
SCORE = '<outcomeDeclaration identifier="SCORE" cardinality="single" baseType="float"/>'
CORRECT = f'<responseProcessing template="{RP}match_correct"/>'
MAPPED = f'<responseProcessing template="{RP}map_response"/>'


def item(declared, body, processing=CORRECT, *, space=V21, attributes="", tail=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><assessmentItem xmlns="{space}" identifier="q1" title="A title"'
        f' adaptive="false" timeDependent="false" {attributes}>{declared}{SCORE}<itemBody>{body}</itemBody>'
        f"{processing}{tail}</assessmentItem>"
    ).encode()


def response(correct=(), *, name="RESPONSE", cardinality="single", base="identifier", more=""):
    values = "".join(f"<value>{one}</value>" for one in correct)
    told = f"<correctResponse>{values}</correctResponse>" if correct else ""
    return f'<responseDeclaration identifier="{name}" cardinality="{cardinality}" baseType="{base}">{told}{more}</responseDeclaration>'


def mapping(entries, **bounds):
    attributes = "".join(f' {name}="{value}"' for name, value in bounds.items())
    told = "".join(f'<mapEntry mapKey="{key}" mappedValue="{value}"/>' for key, value in entries.items())
    return f"<mapping{attributes}>{told}</mapping>"


def choices(ids="ABCD", *, name="RESPONSE", most=1, more=""):
    told = "".join(f'<simpleChoice identifier="{one}">Choice {one}</simpleChoice>' for one in ids)
    return f'<choiceInteraction responseIdentifier="{name}" shuffle="true" maxChoices="{most}" {more}>{told}</choiceInteraction>'


def read_one(data, filename="item.xml") -> Draft:
    reading = qti.read(data, filename)
    assert [one.code for one in reading.problems if one.is_blocking] == []
    (found,) = reading.drafts
    assert rules.faults(found.type, found.body, found.key) == []
    return found


def refusal(data) -> str:
    reading = qti.read(data, "item.xml")
    assert reading.drafts == ()
    return next(one.code for one in reading.problems if one.is_blocking)


def share(found: Draft, answer, ask=0):
    own = rules.asks(found.type, found.body, found.key)[ask]
    told = rules.read_response(own, answer)
    assert told is not None
    return rules.share(own, told)


def en(text):
    return {"en": text}


# ---------------------------------------------------------------- interactions


def test_a_single_choice_keeps_its_options_and_its_key():
    body = f"<p>Which one?</p>{choices(more='')}".replace('identifier="D"', 'identifier="D" fixed="true"')
    found = read_one(item(response(["B"]), body))
    assert (found.type, found.code, found.review) == ("A1", "q1", "")
    assert found.body["stem"] == en("Which one?")
    assert [one["id"] for one in found.body["options"]] == list("ABCD")
    assert [one.get("fixed", False) for one in found.body["options"]] == [False, False, False, True]
    assert found.key == {"right": "B"}


def test_options_that_the_file_does_not_shuffle_stay_where_they_are():
    body = choices("AB").replace('shuffle="true"', 'shuffle="false"')
    assert all(one["fixed"] for one in read_one(item(response(["A"]), body)).body["options"])


def test_true_and_false_are_a_question_of_truth():
    body = choices("AB").replace("Choice A", "True").replace("Choice B", "False")
    found = read_one(item(response(["B"]), body))
    assert (found.type, found.key) == ("TF", {"right": "false"})


def test_a_multiple_choice_is_all_or_nothing_by_match_correct():
    found = read_one(item(response(["A", "C"], cardinality="multiple"), choices(most=0)))
    assert found.type == "X"
    assert [share(found, {"choices": list(chosen)}) for chosen in ("AC", "A", "ACD", "")] == [1, 0, 0, 0]


def test_inline_choice_leaves_a_blank_in_the_text():
    body = (
        '<p>Give <inlineChoiceInteraction responseIdentifier="RESPONSE" shuffle="true"><inlineChoice identifier="a">oxygen'
        '</inlineChoice><inlineChoice identifier="b">air</inlineChoice></inlineChoiceInteraction> first.</p>'
    )
    found = read_one(item(response(["a"]), body, space=V22))
    assert (found.type, found.body["stem"]) == ("A1", en("Give _____ first."))


def test_a_text_entry_is_a_short_answer_with_its_shares():
    more = mapping({"York": 1, "york": 0.5})
    body = '<p>This sun of <textEntryInteraction responseIdentifier="RESPONSE"/>.</p>'
    found = read_one(item(response(["York"], base="string", more=more), body, MAPPED))
    assert found.type == "SHORT"
    assert [share(found, {"text": one}) for one in ("York", "york", "YORK", "Leeds")] == [
        1,
        Fraction(1, 2),
        0,
        0,
    ]


def test_a_text_entry_of_a_number_takes_its_tolerance():
    processing = (
        "<responseProcessing><responseCondition><responseIf>"
        '<equal toleranceMode="absolute" tolerance="0.5 0.5"><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></equal>'
        '<setOutcomeValue identifier="SCORE"><baseValue baseType="float">2</baseValue></setOutcomeValue>'
        "</responseIf></responseCondition></responseProcessing>"
    )
    body = '<p>mg: <textEntryInteraction responseIdentifier="RESPONSE"/></p>'
    found = read_one(item(response(["12.5"], base="float"), body, processing))
    assert (found.type, found.body["marks"], found.review) == ("NUM", 2, "")
    assert [share(found, {"number": one}) for one in ("12", "13", "13.01", "11.9")] == [1, 1, 0, 0]


def test_several_fields_in_a_text_are_a_cloze():
    declared = response(["kat"], name="R1", base="string") + response(["2"], name="R2", base="integer")
    rules_of = "".join(
        f'<responseCondition><responseIf><match><variable identifier="{name}"/><correct identifier="{name}"/></match>'
        '<setOutcomeValue identifier="SCORE"><sum><variable identifier="SCORE"/><baseValue baseType="integer">1</baseValue></sum>'
        "</setOutcomeValue></responseIf></responseCondition>"
        for name in ("R1", "R2")
    )
    body = '<p>De <textEntryInteraction responseIdentifier="R1"/> [[x]] <textEntryInteraction responseIdentifier="R2"/></p>'
    found = read_one(item(declared, body, f"<responseProcessing>{rules_of}</responseProcessing>"))
    assert (found.type, found.review) == ("CLOZE", "")
    assert found.body["stem"] == en("De [[1]] [ [x] ] [[2]]")
    assert [ask["kind"] for ask in found.body["asks"]] == ["text", "number"]
    assert share(found, {"text": "kat"}) == 1
    assert share(found, {"number": "2.0"}, 1) == 1


def test_an_extended_text_is_an_essay_with_the_rubric_of_the_scorer():
    body = (
        '<extendedTextInteraction responseIdentifier="RESPONSE"><prompt>Why?</prompt></extendedTextInteraction>'
        '<rubricBlock view="scorer"><p>Names two causes.</p></rubricBlock>'
    )
    found = read_one(item(response(base="string"), body, ""))
    assert (found.type, found.review) == ("ESSAY", "")
    assert found.body["stem"] == en("Why?")
    assert found.key["rubric"][0]["en"] == "Names two causes."


@pytest.mark.parametrize(
    ("declared", "kind", "is_reviewed"),
    [
        (response(base="string"), "ESSAY", True),
        (response(["oxygen"], base="string"), "SHORT", False),
        (response(["oxygen " * 60], base="string"), "ESSAY", True),
    ],
)
def test_a_long_field_is_marked_by_a_program_only_where_the_file_says_what_is_right(
    declared, kind, is_reviewed
):
    body = '<extendedTextInteraction responseIdentifier="RESPONSE"><prompt>Why?</prompt></extendedTextInteraction>'
    found = read_one(item(declared, body))
    assert (found.type, bool(found.review)) == (kind, is_reviewed)


def test_signs_over_a_text_stand_behind_it():
    ruby = "<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>"
    assert read_one(item(response(["A"]), f"<p>{ruby}?</p>{choices()}")).body["stem"] == {
        "zh": "漢字(かんじ)?"
    }


def test_a_match_is_an_association_of_its_two_lists():
    def group(ids, most):
        told = "".join(
            f'<simpleAssociableChoice identifier="{one}" matchMax="{most}">{one}</simpleAssociableChoice>'
            for one in ids
        )
        return f"<simpleMatchSet>{told}</simpleMatchSet>"

    more = mapping({"C R": 1, "D M": 0.5, "P T": 0.5}, defaultValue=0)
    body = f'<matchInteraction responseIdentifier="RESPONSE" shuffle="true" maxAssociations="3">{group("CDP", 1)}{group("MRT", 3)}</matchInteraction>'
    found = read_one(item(response(cardinality="multiple", base="directedPair", more=more), body, MAPPED))
    assert (found.type, found.body["marks"], found.review) == ("MATCH", 2, "")
    assert share(found, {"pairs": [["C", "R"], ["D", "T"]]}) == Fraction(1, 2)
    assert share(found, {"pairs": [["C", "R"], ["D", "M"], ["P", "T"]]}) == 1


def test_an_associate_has_no_direction():
    told = "".join(
        f'<simpleAssociableChoice identifier="{one}" matchMax="1">{one}</simpleAssociableChoice>'
        for one in "ABCD"
    )
    body = f'<associateInteraction responseIdentifier="RESPONSE" shuffle="true" maxAssociations="2">{told}</associateInteraction>'
    found = read_one(item(response(["A B", "C D"], cardinality="multiple", base="pair"), body))
    assert found.type == "MATCH"
    assert share(found, {"pairs": [["B", "A"], ["D", "C"]]}) == 1
    assert share(found, {"pairs": [["B", "A"]]}) == 0


def test_an_order_is_right_as_a_whole():
    told = "".join(f'<simpleChoice identifier="{one}">Step {one}</simpleChoice>' for one in "XYZ")
    body = f'<orderInteraction responseIdentifier="RESPONSE" shuffle="true">{told}</orderInteraction>'
    found = read_one(item(response("ZXY", cardinality="ordered"), body))
    assert (found.type, found.key) == ("ORDER", {"order": ["Z", "X", "Y"]})


def test_gaps_of_a_gap_match_stand_in_the_text():
    body = (
        '<gapMatchInteraction responseIdentifier="RESPONSE" shuffle="false"><gapText identifier="W" matchMax="1">winter</gapText>'
        '<gapText identifier="S" matchMax="0">summer</gapText><blockquote><p>Now is the <gap identifier="G1"/> made glorious '
        '<gap identifier="G2"/></p></blockquote></gapMatchInteraction>'
    )
    more = mapping({"W G1": 1, "S G2": 2}, defaultValue=-1, lowerBound=0)
    found = read_one(item(response(cardinality="multiple", base="directedPair", more=more), body, MAPPED))
    assert found.type == "GAP"
    assert found.body["stem"] == en("Now is the [[G1]] made glorious [[G2]]")
    assert share(found, {"pairs": [["G1", "W"], ["G2", "S"]]}) == 1
    assert share(found, {"pairs": [["G1", "S"], ["G2", "S"]]}) == Fraction(1, 3)


GRAPHIC = '<object type="image/png" data="map.png" width="206" height="280">A map</object>'


def test_a_select_point_is_a_place_on_its_picture():
    areas = '<areaMapping defaultValue="0"><areaMapEntry shape="circle" coords="102,113,16" mappedValue="1"/></areaMapping>'
    body = f'<selectPointInteraction responseIdentifier="RESPONSE" maxChoices="1"><prompt>Mark it.</prompt>{GRAPHIC}</selectPointInteraction>'
    data = item(
        response(["102 113"], base="point", more=areas),
        body,
        f'<responseProcessing template="{RP}map_response_point"/>',
    )
    files = {"items/q.xml": data, "items/map.png": blank(206, 280)}
    found = read_one(package.packed(files), "p.zip")
    assert (found.type, found.review) == ("HOTSPOT", "")
    assert (found.body["width"], found.body["height"], found.body["alt"]) == (206, 280, en("A map"))
    assert found.media[found.body["image"]] == blank(206, 280)
    assert [share(found, {"points": [point]}) for point in ([102, 129], [102, 130])] == [1, 0]


def test_a_hotspot_is_the_area_of_the_right_one():
    told = '<hotspotChoice identifier="A" shape="circle" coords="77,115,8"/><hotspotChoice identifier="B" shape="rect" coords="100,100,120,130"/>'
    body = f'<hotspotInteraction responseIdentifier="RESPONSE" maxChoices="1">{GRAPHIC}{told}</hotspotInteraction>'
    found = read_one(item(response(["B"]), body))
    assert found.type == "HOTSPOT"
    assert [share(found, {"points": [point]}) for point in ([110, 110], [77, 115])] == [1, 0]
    assert found.review  # the picture is not in the file


def test_several_hotspots_that_must_all_be_found_are_put_before_a_person():
    told = "".join(
        f'<hotspotChoice identifier="{one}" shape="rect" coords="{n},0,{n + 9},9"/>'
        for n, one in enumerate("ABC")
    )
    body = f'<hotspotInteraction responseIdentifier="RESPONSE" maxChoices="0">{GRAPHIC}{told}</hotspotInteraction>'
    files = {"q.xml": item(response(["A", "C"], cardinality="multiple"), body), "map.png": blank(206, 280)}
    assert "at once" in read_one(package.packed(files), "p.zip").review


@pytest.mark.parametrize(
    ("name", "inner", "declared", "kind"),
    [
        (
            "graphicGapMatchInteraction",
            (
                '<gapImg identifier="G" matchMax="1"><object data="g.png" type="image/png"/></gapImg><gapText identifier="T" matchMax="1">Tag</gapText>'
                '<associableHotspot identifier="H" shape="rect" coords="1,1,9,9" matchMax="1"/>'
            ),
            response(["T H"], cardinality="multiple", base="directedPair"),
            "MATCH",
        ),
        (
            "graphicOrderInteraction",
            "".join(f'<hotspotChoice identifier="{one}" shape="circle" coords="1,1,9"/>' for one in "AB"),
            response(["B", "A"], cardinality="ordered"),
            "ORDER",
        ),
        (
            "graphicAssociateInteraction",
            "".join(
                f'<associableHotspot identifier="{one}" shape="circle" coords="1,1,9" matchMax="2"/>'
                for one in "ABC"
            ),
            response(["B A"], cardinality="multiple", base="pair"),
            "MATCH",
        ),
    ],
)
def test_places_that_become_words_are_put_before_a_person(name, inner, declared, kind):
    body = f'<{name} responseIdentifier="RESPONSE">{GRAPHIC}{inner}</{name}>'
    files = {"q.xml": item(declared, body), "map.png": blank(206, 280), "g.png": blank(5, 5)}
    found = read_one(package.packed(files), "p.zip")
    assert found.type == kind
    assert "picture" in found.review
    assert found.body["media"]


def test_a_slider_an_upload_and_a_drawing():
    scale = '<sliderInteraction responseIdentifier="RESPONSE" lowerBound="0" upperBound="100" step="5"><prompt>How sure?</prompt></sliderInteraction>'
    found = read_one(item(response(["15"], base="integer"), scale))
    assert (found.type, found.key["value"], found.body["step"]) == ("SLIDER", "15", "5")
    upload = '<uploadInteraction responseIdentifier="RESPONSE" type="application/pdf"><prompt>Hand in.</prompt></uploadInteraction>'
    found = read_one(item(response(base="file"), upload, ""))
    assert (found.type, found.body["formats"]) == ("UPLOAD", ["pdf"])
    drawing = f'<drawingInteraction responseIdentifier="RESPONSE"><prompt>Draw.</prompt>{GRAPHIC}</drawingInteraction>'
    found = read_one(item(response(base="file"), drawing, ""))
    assert (found.type, "draws" in found.review) == ("UPLOAD", True)


def test_words_of_a_text_that_are_chosen_are_options():
    body = '<hottextInteraction responseIdentifier="RESPONSE" maxChoices="1"><p>Sponsors of the <hottext identifier="A">Olympics</hottext> like <hottext identifier="B">bread</hottext>.</p></hottextInteraction>'
    found = read_one(item(response(["B"]), body))
    assert found.body["stem"] == en("Sponsors of the Olympics like bread.")
    assert [one["en"] for one in found.body["options"]] == ["Olympics", "bread"]


def test_what_nothing_here_is_like_is_refused_by_name():
    custom = '<customInteraction responseIdentifier="RESPONSE"/>'
    assert refusal(item(response(["a"]), custom)) == "unknown_interaction"
    assert refusal(item("", "<p>Read this.</p>")) == "no_question"
    assert refusal(item(response(), choices())) == "no_key"
    assert refusal(item("", choices())) == "no_response"
    assert refusal(b'<questestinterop><item ident="1"/></questestinterop>') == "qti_1"
    assert refusal(b"<html/>") == "no_items"
    assert refusal(b"no xml") == "xml_broken"
    assert refusal(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>') == "xml_entities"


def test_feedback_becomes_the_reason_and_never_shows_in_the_question():
    body = choices("AB").replace(
        "Choice A",
        'Choice A<feedbackInline outcomeIdentifier="F" identifier="A" showHide="show">No.</feedbackInline>',
    )
    tail = '<modalFeedback outcomeIdentifier="F" identifier="x" showHide="show"><p>Because of B.</p></modalFeedback>'
    found = read_one(
        item(
            response(["B"]),
            f'<p>Which?</p>{body}<feedbackBlock outcomeIdentifier="F" identifier="s"><p>Solution</p></feedbackBlock>',
            tail=tail,
        )
    )
    assert found.body["stem"] == en("Which?")
    assert found.body["options"][0]["en"] == "Choice A"
    assert found.rationale == en("No.\nSolution\nBecause of B.")


def test_formulas_stay_what_they_are():
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mfrac><mn>1</mn><mn>2</mn></mfrac></math>'
    assert read_one(item(response(["A"]), f"<p>Take {math} of it.</p>{choices()}")).body["stem"] == en(
        "Take 1/2 of it."
    )


def test_names_that_an_item_may_not_have_become_others_everywhere():
    body = choices("AB").replace('"A"', '"选:项"')
    found = read_one(item(response(["选:项"]), body))
    assert found.key["right"] == found.body["options"][0]["id"]


def test_the_kebab_names_of_version_3_mean_the_same():
    def kebab(data):
        root = etree.fromstring(data)
        for one in root.iter():
            name = etree.QName(one).localname
            inline = name in {"p", "prompt_"}
            parts = "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in name)
            one.tag = f"{{{V30}}}{'' if inline else 'qti-'}{parts}"
            for attribute, value in list(one.attrib.items()):
                if attribute.startswith("{"):
                    continue
                del one.attrib[attribute]
                one.set("".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in attribute), value)
        return etree.tostring(root)

    more = mapping({"A": 1, "B": 1}, defaultValue=-2, lowerBound=0, upperBound=2)
    data = item(
        response(["A", "B"], cardinality="multiple", more=more), f"<p>Which?</p>{choices(most=0)}", MAPPED
    )
    old, new = qti.read(data, "a.xml"), qti.read(kebab(data), "b.xml")
    assert (old.format, new.format) == ("qti_2", "qti_3")
    assert meaning(old.drafts[0]) == meaning(new.drafts[0])


# ---------------------------------------------------------------- marking


def processing(rules_of):
    return f"<responseProcessing>{rules_of}</responseProcessing>"


def condition(test, points, otherwise=""):
    def put(value):
        return f'<setOutcomeValue identifier="SCORE">{value}</setOutcomeValue>'

    told = f"<responseElse>{put(otherwise)}</responseElse>" if otherwise else ""
    return f"<responseCondition><responseIf>{test}{put(points)}</responseIf>{told}</responseCondition>"


def base(value, kind="float"):
    return f'<baseValue baseType="{kind}">{value}</baseValue>'


IS_NULL = '<isNull><variable identifier="RESPONSE"/></isNull>'
MATCHED = '<match><variable identifier="RESPONSE"/><correct identifier="RESPONSE"/></match>'
MAP = '<mapResponse identifier="RESPONSE"/>'


@pytest.mark.parametrize(
    "rules_of",
    [
        condition(IS_NULL, base(0), MAP),
        condition(f"<not>{IS_NULL}</not>", f'<sum><variable identifier="SCORE"/>{MAP}</sum>'),
        f'<setOutcomeValue identifier="SCORE">{MAP}</setOutcomeValue>',
        f'<setOutcomeValue identifier="RAW">{MAP}</setOutcomeValue><setOutcomeValue identifier="SCORE"><product><variable identifier="RAW"/>{base(1)}</product></setOutcomeValue>',
    ],
)
def test_what_says_map_response_in_other_words_is_map_response(rules_of):
    declared = response(
        ["A", "B"], cardinality="multiple", more=mapping({"A": 1, "B": 1, "C": -1, "D": -1}, lowerBound=0)
    )
    raw = '<outcomeDeclaration identifier="RAW" cardinality="single" baseType="float"/>'
    found = read_one(item(declared + raw, choices(most=0), processing(rules_of)))
    assert found.review == ""
    assert found.body["scoring"] == "plus_minus"
    assert found.key == {"right": ["A", "B"]}


@pytest.mark.parametrize(
    "rules_of",
    [
        condition(MATCHED, base(1), base(0)),
        condition(MATCHED, '<variable identifier="MAXSCORE"/>'),
        condition(f"<and>{MATCHED}<not>{IS_NULL}</not></and>", base(1)),
        condition(f"<not>{MATCHED}</not>", base(0), base(1)),
        condition(MATCHED, base(1))
        + '<responseCondition><responseIf><gte><variable identifier="SCORE"/><baseValue baseType="float">1</baseValue></gte>'
        '<setOutcomeValue identifier="FEEDBACK"><baseValue baseType="identifier">good</baseValue></setOutcomeValue></responseIf></responseCondition>',
    ],
)
def test_what_says_match_correct_in_other_words_is_match_correct(rules_of):
    more = (
        '<outcomeDeclaration identifier="MAXSCORE" cardinality="single" baseType="float"><defaultValue><value>1</value></defaultValue></outcomeDeclaration>'
        '<outcomeDeclaration identifier="FEEDBACK" cardinality="single" baseType="identifier"/>'
    )
    found = read_one(item(response(["B"]) + more, choices(), processing(rules_of)))
    assert (found.review, found.key) == ("", {"right": "B"})


@pytest.mark.parametrize(
    "rules_of",
    [
        '<lookupOutcomeValue identifier="SCORE"><variable identifier="RESPONSE"/></lookupOutcomeValue>',
        condition('<customOperator class="x"><variable identifier="RESPONSE"/></customOperator>', base(1)),
        f'<setOutcomeValue identifier="SCORE"><sum>{MAP}<random><multiple>{base(1)}</multiple></random></sum></setOutcomeValue>',
        condition(MATCHED, base(1))
        + f'<setOutcomeValue identifier="SCORE"><sum><variable identifier="SCORE"/>{base(1)}</sum></setOutcomeValue>',
        condition(f'<gte><variable identifier="duration"/>{base(3)}</gte>', base(1)),
        condition(MATCHED, base(1)) + "<exitResponse/>",
        "",
    ],
)
def test_marking_that_has_no_like_is_put_before_a_person_with_the_right_answer(rules_of):
    found = read_one(item(response(["B"], more=mapping({"B": 1})), choices(), processing(rules_of)))
    assert found.review
    assert found.key == {"right": "B"}


def test_marking_without_any_right_answer_is_an_essay_before_a_person():
    rules_of = condition(
        '<customOperator class="x"><variable identifier="RESPONSE"/></customOperator>', base(1)
    )
    found = read_one(item(response(), f"<p>Which?</p>{choices('AB')}", processing(rules_of)))
    assert (found.type, bool(found.review)) == ("ESSAY", True)
    assert found.body["stem"]["en"].splitlines() == ["Which?", "", "• Choice A", "• Choice B"]


def test_a_wrong_answer_that_costs_marks_elsewhere_is_put_before_a_person():
    declared = response(
        ["A"], cardinality="multiple", more=mapping({"A": 1, "B": -0.5, "C": -0.5, "D": -0.5})
    )
    assert "takes marks off" in read_one(item(declared, choices(most=0), MAPPED)).review


def test_what_is_asked_twice_in_one_condition_is_put_before_a_person():
    test = (
        "<and>"
        + "".join(
            f'<match><variable identifier="{one}"/><correct identifier="{one}"/></match>'
            for one in ("R1", "R2")
        )
        + "</and>"
    )
    body = choices(name="R1") + choices(name="R2")
    found = read_one(
        item(
            response(["A"], name="R1") + response(["B"], name="R2"),
            body,
            processing(condition(test, base(1))),
        )
    )
    assert found.type == "CLOZE"
    assert found.review


def test_things_of_different_kinds_in_one_item_are_put_before_a_person():
    told = "".join(f'<simpleChoice identifier="{one}">Step {one}</simpleChoice>' for one in "XY")
    body = (
        f'<p>First</p>{choices(name="R1")}<orderInteraction responseIdentifier="R2">{told}</orderInteraction>'
    )
    declared = response(["A"], name="R1") + response("XY", name="R2", cardinality="ordered")
    found = read_one(item(declared, body, ""))
    assert found.type == "ESSAY"
    assert "Choice A" in found.body["stem"]["en"]
    assert found.review


POINTS = st.integers(-4, 4).map(lambda n: Fraction(n, 2))


def by_mapping(chosen, entries, default, lower, upper):
    """The standard's own definition of mapResponse for a container."""
    total = sum((entries.get(one, default) for one in chosen), Fraction(0))
    total = total if upper is None else min(total, upper)
    return total if lower is None else max(total, lower)


@given(
    st.dictionaries(st.sampled_from("ABCD"), POINTS, min_size=1),
    POINTS,
    st.sampled_from([None, Fraction(0)]),
    st.sampled_from([None, Fraction(1), Fraction(2)]),
)
def test_a_mapping_gives_the_same_marks_or_is_put_before_a_person(entries, default, lower, upper):
    bounds = {"defaultValue": float(default)}
    bounds |= {
        name: float(value)
        for name, value in (("lowerBound", lower), ("upperBound", upper))
        if value is not None
    }
    more = mapping({key: float(value) for key, value in entries.items()}, **bounds)
    reading = qti.read(item(response(cardinality="multiple", more=more), choices(most=0), MAPPED), "i.xml")
    if not reading.drafts:
        assert reading.problems[0].code in {"no_key", "unreachable"}
        return
    (found,) = reading.drafts
    if found.review:
        return
    every = ["".join(some) for n in range(5) for some in combinations("ABCD", n)]
    scores = {
        chosen: by_mapping(chosen, entries, default, lower, upper) if chosen else Fraction(0)
        for chosen in every
    }
    most = max(scores.values())
    assert {chosen: share(found, {"choices": list(chosen)}) for chosen in every} == {
        chosen: max(Fraction(0), score / most) for chosen, score in scores.items()
    }


@given(st.dictionaries(st.sampled_from("ABCD"), POINTS, min_size=1), POINTS)
def test_a_mapping_of_a_single_choice_gives_the_same_marks_or_is_put_before_a_person(entries, default):
    more = mapping(
        {key: float(value) for key, value in entries.items()}, defaultValue=float(default), lowerBound=0
    )
    reading = qti.read(item(response(more=more), choices(), MAPPED), "i.xml")
    scores = {one: max(Fraction(0), entries.get(one, default)) for one in "ABCD"}
    if max(scores.values()) <= 0:
        assert reading.problems[0].code == "no_key"
        return
    (found,) = reading.drafts
    assert {one: share(found, {"choice": one}) for one in "ABCD"} == {
        one: score / max(scores.values()) for one, score in scores.items()
    }


# ---------------------------------------------------------------- packages


def manifest(*hrefs, kind="imsqti_item_xmlv2p1"):
    told = "".join(
        f'<resource identifier="r{n}" type="{kind}" href="{href}"><file href="{href}"/></resource>'
        for n, href in enumerate(hrefs)
    )
    return f'<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1"><resources>{told}</resources></manifest>'.encode()


ONE = item(response(["A"]), choices("AB"))


def test_the_manifest_says_which_files_are_items():
    reading = qti.read(
        package.packed({"imsmanifest.xml": manifest("a/qti.xml"), "a/qti.xml": ONE, "b/other.xml": ONE}),
        "p.zip",
    )
    assert [one.place for one in reading.drafts] == [Place("element", "a/qti.xml")]


@pytest.mark.parametrize(
    "broken", [None, b"<manifest", b"<manifest/>", manifest("gone.xml"), manifest("a.xml", kind="webcontent")]
)
def test_without_a_sound_manifest_every_item_is_read(broken):
    files = {"a.xml": ONE, "sub/b.xml": ONE, "c.txt": b"text", "test.xml": b"<assessmentTest/>"}
    reading = qti.read(
        package.packed({**files, **({"imsmanifest.xml": broken} if broken is not None else {})}), "p.zip"
    )
    assert sorted(one.place.at for one in reading.drafts) == ["a.xml", "sub/b.xml"]


def test_one_broken_item_does_not_hold_up_the_others():
    files = {
        "imsmanifest.xml": manifest("a.xml", "b.xml", "gone.xml"),
        "a.xml": b"<assessmentItem>",
        "b.xml": ONE,
    }
    reading = qti.read(package.packed(files), "p.zip")
    assert len(reading.drafts) == 1
    assert {(one.place.at, one.code) for one in reading.problems} == {
        ("a.xml", "xml_broken"),
        ("gone.xml", "file_missing"),
    }


def test_a_hostile_package_is_refused_by_name():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("../item.xml", ONE)
    assert [one.code for one in qti.read(made.getvalue(), "p.zip").problems] == ["zip_path"]
    assert [one.code for one in qti.read(package.packed({"a.txt": b"nothing"}), "p.zip").problems] == [
        "no_items"
    ]


def test_pictures_and_shared_texts_are_found_in_the_package():
    stimulus = (
        f'<qti-assessment-stimulus xmlns="{V30}" identifier="s" title="s"><qti-stimulus-body><p>A boy of 3.</p><img src="film.png" alt="His film"/>'
        "</qti-stimulus-body></qti-assessment-stimulus>"
    ).encode()
    body = f"<p>What now?</p>{choices('AB')}"
    data = item(response(["A"]), body).replace(
        b"<itemBody>", b'<assessmentStimulusRef identifier="s" href="../texts/s.xml"/><itemBody>'
    )
    found = read_one(
        package.packed({"items/q.xml": data, "texts/s.xml": stimulus, "texts/film.png": blank(7, 7)}), "p.zip"
    )
    assert found.body["stem"] == en("A boy of 3.\n\nWhat now?")
    (medium,) = found.body["media"]
    assert (found.media[medium["key"]], medium["alt"]) == (blank(7, 7), en("His film"))
    assert refusal_of_package({"items/q.xml": data}) == "stimulus_missing"


def refusal_of_package(files):
    return qti.read(package.packed(files), "p.zip").problems[0].code


def test_a_picture_that_is_missing_is_named_and_the_item_put_before_a_person():
    reading = qti.read(
        item(response(["A"]), f'<p>Look: <img src="film.png" alt="a film"/></p>{choices()}'), "i.xml"
    )
    assert [(one.code, one.is_blocking) for one in reading.problems] == [("media_missing", False)]
    assert reading.drafts[0].body["stem"] == en("Look: [a film]")
    assert reading.drafts[0].review


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("name", [*VARIANTS, *QTI_ONLY])
def test_what_is_written_reads_back_meaning_the_same(name):
    before = draft(name)
    written_ = qti.write([before])
    assert written_.left_out == ()
    after = read_one(written_.data, "package.zip")
    assert after.review == ""
    assert meaning(after) == meaning(before)
    assert facts(after) == facts(before)
    same_marks(before, after)


def test_many_items_are_one_package_with_a_file_each():
    every = [draft(name) for name in VARIANTS]
    found = qti.write(every)
    files = package.open(found.data).files
    assert len([name for name in files if name.startswith("items/")]) == len(every)
    assert [meaning(one) for one in qti.read(found.data, "p.zip").drafts] == [meaning(one) for one in every]
    assert qti.write(every).data == found.data


def test_a_written_item_has_the_shape_of_the_standard():
    files = package.open(qti.write([draft(name) for name in VARIANTS]).data).files
    listed = etree.fromstring(files["imsmanifest.xml"])
    resources = listed.findall("{*}resources/{*}resource")
    assert {one.get("type") for one in resources} == {"imsqti_item_xmlv3p0"}
    assert {one.get("href") for one in listed.iter("{*}file")} == set(files) - {"imsmanifest.xml"}
    order = [
        "qti-response-declaration",
        "qti-outcome-declaration",
        "qti-template-declaration",
        "qti-template-processing",
        "qti-item-body",
    ]
    order += ["qti-response-processing", "qti-modal-feedback"]
    for name, content in files.items():
        if not name.startswith("items/"):
            continue
        root = etree.fromstring(content)
        assert root.tag == f"{{{V30}}}qti-assessment-item"
        assert {etree.QName(one).namespace for one in root.iter()} == {V30}
        places = [order.index(etree.QName(one).localname) for one in root]
        assert places == sorted(places), name
        declared = {one.get("identifier") for one in root.iter("{*}qti-response-declaration")}
        asked = [one.get("response-identifier") for one in root.iter() if one.get("response-identifier")]
        assert sorted(asked) == sorted(declared), name
        ids = [one.get("identifier") for one in root.iter("{*}qti-gap")]
        assert len(set(ids)) == len(ids), name


def test_case_analysis_is_a_mapping_of_one_for_right_and_minus_one_for_wrong_with_a_floor():
    root = etree.fromstring(package.open(qti.write([draft("CASE")]).data).files["items/item-1.xml"])
    declared = next(root.iter("{*}qti-response-declaration"))
    told = {one.get("map-key"): one.get("mapped-value") for one in declared.iter("{*}qti-map-entry")}
    assert told == {"A": "1", "C": "1", "E": "1", "B": "-1", "D": "-1", "F": "-1"}
    assert next(declared.iter("{*}qti-mapping")).get("lower-bound") == "0"


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("A1", "match_correct"),
        ("X", "match_correct"),
        ("HOTSPOT", "map_response_point"),
        ("SHORT", "map_response"),
    ],
)
def test_the_templates_of_the_standard_are_used_where_they_say_it(name, template):
    root = etree.fromstring(package.open(qti.write([draft(name)]).data).files["items/item-1.xml"])
    assert next(root.iter("{*}qti-response-processing")).get("template").endswith(f"/{template}.xml")


@pytest.mark.parametrize(
    ("code", "change", "reason"),
    [
        ("ORDER", {"body": {"scoring": "pairs"}}, "scoring"),
        ("NUM", {"body": {"units": []}, "key": {"value": "1/3", "tolerance": "0.1", "unit": ""}}, ""),
        ("DOSE", {"body": {"units": ["mg", "g"]}}, "units"),
        ("GAP", {"body": {"per_row": 2}}, "limit"),
        ("HOTSPOT", {"media": {}}, "media_missing"),
        ("A1", {"key": {"right": "z"}}, "no_key"),
    ],
)
def test_what_qti_cannot_carry_is_told_with_its_reason(code, change, reason):
    one = draft(code)
    one = Draft(
        one.place,
        code,
        {**one.body, **change.get("body", {})},
        {**one.key, **change.get("key", {})},
        code="q7",
        media=change.get("media", one.media),
    )
    found = qti.write([one, draft("TF")])
    assert [(left.item, left.code) for left in found.left_out] == ([("q7", reason)] if reason else [])
    assert len(qti.read(found.data, "p.zip").drafts) == (1 if reason else 2)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.fractions(-1, 1, max_denominator=12), min_size=1),
    st.integers(1, 5),
)
@settings(max_examples=40)
def test_weights_of_any_fraction_come_back_exactly(weights, marks):
    body = {
        "stem": en("Which?"),
        "options": [{"id": one, "en": f"option {one}"} for one in "abcd"],
        "scoring": "weights",
        "marks": marks,
    }
    key = {"weights": {name: written(share_) for name, share_ in weights.items()}, "lower": "0"}
    if rules.faults("X", body, key):
        return
    before = Draft(Place("row"), "X", body, key)
    after = read_one(qti.write([before]).data, "p.zip")
    same_marks(before, after)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40).filter(
    lambda text: text.strip()
)


@given(WORDS, WORDS, WORDS)
@settings(max_examples=60)
def test_words_of_any_kind_come_back(stem, first, second):
    one, other = (" ".join(words.split()) for words in (first, second))
    body = {
        "stem": {"zh": " ".join(stem.split())},
        "options": [{"id": "a", "zh": one}, {"id": "b", "zh": other}],
    }
    if rules.faults("A1", body, {"right": "a"}):
        return
    (found,) = qti.read(
        qti.write([Draft(Place("row"), "A1", body, {"right": "a"})]).data, "p.zip"
    ).drafts or [None]
    told = next(iter(found.body["stem"].values()))
    assert told.replace(" ", "") == body["stem"]["zh"].replace(" ", "")


# ---------------------------------------------------------------- whatever there is


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reading(data):
    reading = qti.read(data, "x.xml")
    assert reading.drafts == ()
    assert reading.problems


SAMPLES = [
    *package.open(qti.write([draft(name) for name in {**VARIANTS, **QTI_ONLY}]).data).files.items(),
    ("one.xml", ONE),
]
SAMPLES = [content for name, content in SAMPLES if name.endswith(".xml") and "manifest" not in name]


@given(st.sampled_from(SAMPLES), st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=150)
def test_items_with_parts_missing_double_or_moved_are_read_or_refused(data, seed, times):
    chance = random.Random(seed)
    root = etree.fromstring(data)
    for _n in range(times):
        every = [one for one in root.iter() if one is not root]
        one, other = chance.choice(every), chance.choice(every)
        match chance.randrange(5):
            case 0:
                one.getparent().remove(one)
            case 1:
                other.append(copy.deepcopy(one))
            case 2 if one.attrib:
                one.attrib.pop(chance.choice(list(one.attrib)))
            case 3 if one.attrib:
                one.set(
                    chance.choice(list(one.attrib)),
                    chance.choice(["", "-1", "1e9", "x", "RESPONSE", "1/0", "9" * 30]),
                )
            case _:
                one.text = chance.choice(["", "A B", "0", "-5", "x"])
    reading = qti.read(etree.tostring(root), "x.xml")
    assert reading.drafts or reading.problems
    assert "unreadable" not in {one.code for one in reading.problems}
    for found in reading.drafts:
        assert rules.faults(found.type, found.body, found.key) == []
