"""The paper: what stands on it, in two languages, and that it always fits on one sheet."""

import json
import re
from dataclasses import replace
from datetime import date

import jinja2
import pytest

from lms.certificates import rendering
from lms.certificates.face import (
    AnnexLine,
    CertificateFace,
    CreditFace,
    CreditYear,
    date_en,
    date_zh,
    face_from,
)
from lms.core import pdf
from lms.core.digests import canonical_json
from lms.core.pdf import plate, stamping

FACE = CertificateFace(
    serial="FF-2026-000017-K",
    name_zh="陈晓燕",
    name_latin="Chen Xiaoyan",
    hospital_zh="青石县人民医院",
    hospital_en="Qingshi County People’s Hospital",
    programme_zh="萤火高级儿科培训项目",
    programme_en="Firefly Advanced Pediatric Training Programme",
    cohort_zh="2026年春季班",
    cohort_en="Spring 2026 cohort",
    sponsor_zh="东湖大学附属儿童医院",
    sponsor_en="Children’s Hospital of Donghu University",
    from_on=date(2026, 3, 2),
    to_on=date(2026, 6, 21),
    weeks=16,
    units=(
        ("新生儿重症监护病房", "the neonatal intensive care unit"),
        ("儿童重症监护病房", "the pediatric intensive care unit"),
    ),
    hours=320,
    director_name="林知远",
    issued_on=date(2026, 11, 21),
    verify_url="https://firefly.example.org/verify/FF-2026-000017-K",
    demo=True,
)


def text_of(face: CertificateFace) -> str:
    """The words of the filled template, tags taken out and blanks joined."""
    html = (
        rendering._templates()
        .get_template("completion.html")
        .render(face=face, qr="data:image/svg+xml,x", fit=0)
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html[html.index("<body") :])).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def test_a_day_reads_as_each_language_writes_it() -> None:
    assert date_zh(date(2026, 3, 2)) == "2026年3月2日"
    assert date_en(date(2026, 12, 31)) == "31\N{NO-BREAK SPACE}December 2026"


def test_the_chinese_and_the_english_say_the_same() -> None:
    text = text_of(FACE)
    assert (
        "兹证明青石县人民医院　陈晓燕　于2026年3月2日至2026年6月21日参加下列培训（2026年春季班），为期16周，共320学时，"
        "在新生儿重症监护病房、儿童重症监护病房完成轮转，各项考核合格，准予结业，特发此证。"
    ).replace("　", " ") in text.replace("　", " ")
    assert (
        "This is to certify that Chen Xiaoyan of Qingshi County People’s Hospital took part in this 16-week programme "
        "(Spring 2026 cohort) from 2 March 2026 to 21 June 2026, 320 learning hours in all, with placements in "
        "the neonatal intensive care unit and the pediatric intensive care unit, and has met every requirement for its completion."
    ) in text
    for fact in (
        FACE.serial,
        "林知远",
        "2026年11月21日",
        "21 November 2026",
        "firefly.example.org/verify/FF-2026-000017-K",
    ):
        assert fact in text


def test_what_is_not_known_leaves_no_hole_in_the_sentence() -> None:
    bare = replace(
        FACE, hours=None, units=(), cohort_zh="", cohort_en="", hospital_en="", name_latin="", programme_en=""
    )
    text = text_of(bare)
    assert "参加下列培训，为期16周，各项考核合格" in text
    assert (
        "certify that 陈晓燕 took part in this 16-week programme from 2 March 2026 to 21 June 2026, and has met"
        in text
    )
    assert "None" not in text


def test_a_person_without_a_chinese_name_stands_under_the_latin_one() -> None:
    text = text_of(replace(FACE, name_zh="", name_latin="María José Nguyễn"))
    assert "青石县人民医院　María José Nguyễn　于".replace("　", " ") in text.replace("　", " ")


def test_only_the_demonstration_says_sample() -> None:
    assert "样例：演示项目" in text_of(FACE)
    assert "Sample: demonstration programme" in text_of(FACE)
    assert "样例" not in text_of(replace(FACE, demo=False))
    assert "Sample" not in text_of(replace(FACE, demo=False))


def test_three_units_are_joined_as_each_language_does() -> None:
    face = replace(FACE, units=(("甲", "A"), ("乙", ""), ("丙", "C")))
    assert (face.units_zh, face.units_en) == ("甲、乙、丙", "A, 乙 and C")
    assert replace(FACE, units=(("甲", "A"),)).units_en == "A"


def test_a_native_name_runs_in_its_own_direction() -> None:
    assert replace(FACE, name_native="ئابدۇۋەلى", native_lang="ug").native_direction == "rtl"
    assert replace(FACE, name_native="བཀྲ་ཤིས", native_lang="bo").native_direction == "ltr"
    assert replace(FACE, name_native="Ардақ", native_lang="kk").native_direction == "ltr"
    assert replace(FACE, name_native="ارداق", native_lang="kk-Arab").native_direction == "rtl"


def test_a_hostile_name_is_text() -> None:
    html = (
        rendering._templates()
        .get_template("completion.html")
        .render(face=replace(FACE, name_zh="<img src=x>"), qr="data:x", fit=0)
    )
    assert "<img src=x>" not in html


def test_facts_survive_the_register() -> None:
    face = replace(FACE, name_native="བཀྲ་ཤིས", native_lang="bo", hours=None)
    stored = json.loads(canonical_json(face.facts()))
    assert CertificateFace.from_facts(stored) == face


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": ""},
        {"name_zh": "", "name_latin": ""},
        {"hospital_zh": ""},
        {"to_on": date(2026, 3, 1)},
        {"weeks": 0},
        {"name_native": "བཀྲ་ཤིས"},
        {"verify_url": "/verify/1"},
        {"verify_url": "javascript:alert(1)"},
    ],
)
def test_a_face_that_no_certificate_can_have_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needs|takes|must"):
        replace(FACE, **changes)  # type: ignore[arg-type]


def test_a_face_without_one_of_its_facts_cannot_be_drawn() -> None:
    with pytest.raises(jinja2.UndefinedError):
        rendering._templates().get_template("completion.html").render(qr="data:x", fit=0)


def test_the_same_face_gives_the_same_bytes_and_another_does_not() -> None:
    first = rendering.render_face(FACE)
    assert rendering.render_face(FACE) == first
    assert rendering.render_face(replace(FACE, name_zh="陈晓艳")) != first
    assert len(first) < 110_000


LONG = replace(
    FACE,
    name_zh="阿卜杜热合曼·买买提吐尔逊·阿布都克里木·努尔麦麦提",
    name_latin="Abdurahman Memettursun Abdukerim Nurmemet",
    name_native="ئابدۇراخمان مەمەتتۇرسۇن ئابدۇكېرىم نۇرمەمەت",
    native_lang="ug",
    hospital_zh="新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿合奇县人民医院医共体总院儿童医学中心",
    hospital_en="the Children’s Medical Centre of the General Hospital of Akqi County, Kizilsu, Xinjiang Uyghur Autonomous Region",
    programme_zh="国家儿童健康与疾病临床研究中心基层儿科医师重症医学高级进修培训项目（第三期）",
    programme_en="Advanced Training Programme in Pediatric Intensive Care for Physicians of County Hospitals, Third Edition",
    units=tuple(
        (f"第{i}新生儿与儿童重症监护病区", f"neonatal and pediatric intensive care ward {i}")
        for i in range(1, 7)
    ),
)


def test_long_names_and_many_units_still_fit_on_one_sheet() -> None:
    assert rendering.render_face(LONG).startswith(b"%PDF")


def test_what_cannot_fit_is_refused_instead_of_overlapping() -> None:
    with pytest.raises(pdf.TooManyPages):
        rendering.render_face(replace(LONG, hospital_zh="青石县人民医院" * 60))


def test_a_name_that_no_font_can_draw_is_refused() -> None:
    with pytest.raises(pdf.MissingGlyphs) as refusal:
        rendering.render_face(replace(FACE, name_zh="陈\ue863"))
    assert refusal.value.labels == ("U+E863",)


def test_the_digest_of_the_look_is_that_of_its_files() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", rendering.template_sha256())


ANNEX = (
    AnnexLine("N13", "新生儿腰椎穿刺", "Lumbar puncture, newborn", 3, date(2026, 9, 1)),
    AnnexLine("N02", "复苏：初始步骤与面罩通气" * 4, "Resuscitation, ventilation " * 4, 5, date(2026, 9, 2)),
)


def test_the_annex_has_a_sheet_for_each_ten_items_and_facts_without_one_are_as_before() -> None:
    assert "annex" not in FACE.facts()
    face = replace(FACE, annex=ANNEX * 7)
    assert face_from(json.loads(json.dumps(face.facts()))) == face
    assert [len(sheet) for sheet in face.annex_sheets] == [10, 4]
    assert rendering.render_face(face)  # three sheets and no more, or it would refuse
    words = text_of(face)
    assert "附页：授权操作" in words
    assert "direct supervision" in words
    assert "附页" not in text_of(FACE)


CREDITS = CreditFace(
    **{name: value for name, value in vars(FACE).items() if name != "hours"},
    credits="27.5",
    study_hours="97.5",
    minutes=1200,
    years=(CreditYear(2026, "CN-2024", "2.5", "7.5"), CreditYear(2027, "CN-2024", "25", "90")),
    project_number="2026-06-01-012",
)


def test_a_certificate_of_credits_fits_on_its_sheet_and_is_drawn_again_byte_for_byte() -> None:
    long = replace(
        CREDITS,
        name_zh="阿卜杜热西提·麦麦提明·伊敏江",
        hospital_zh="新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿克陶县人民医院儿科重症监护中心",
        hospital_en="Akto County People's Hospital of the Kizilsu Kirghiz Autonomous Prefecture",
    )
    for face in (CREDITS, long):
        again = face_from(json.loads(json.dumps(face.facts())))
        assert again == face
        assert rendering.render_face(face) == rendering.render_face(again)


@pytest.mark.parametrize("base", [replace(FACE, annex=ANNEX), CREDITS], ids=["completion", "credits"])
def test_a_cohort_is_stamped_and_each_is_what_a_drawing_from_nothing_gives(base, monkeypatch):
    stamping.forget()
    done = []
    stamp = plate.Plate.stamp
    monkeypatch.setattr(plate.Plate, "stamp", lambda self, *a: done.append(stamp(self, *a)) or done[-1])
    people = [
        ("陈晓燕", "Chen Xiaoyan"),
        ("李思远", "Li Siyuan"),
        ("欧阳娜娜", "Ouyang Nana"),
        ("赵云", "Zhao Yun"),
    ]
    for number, (zh, latin) in enumerate(people * 2):
        serial = f"FF-2026-{number:06d}-K"
        face = replace(
            base,
            serial=serial,
            name_zh=zh,
            name_latin=latin,
            verify_url=f"https://firefly.example.org/verify/{serial}?k={number * 7919:012d}",
            annex=tuple(replace(one, level=number % 5 + 1, code=f"N{number:02d}") for one in base.annex),
        )
        if isinstance(face, CreditFace):
            face = replace(face, credits=str(number), minutes=number * 45)
        credential = json.dumps(face.facts(), ensure_ascii=False).encode()
        drawn = rendering.render_face(face, credential=credential, afresh=True)
        assert rendering.render_face(face, credential=credential) == drawn
    assert (
        len(done) == 2 * len(people) - 2
    )  # the first is drawn, the second drawn and kept, the third compared
