"""The gate that keeps names and numbers of patients out."""

import io
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from lms.core import deid
from lms.core.errors import RuleBroken

EXAMPLES_OF_THE_STANDARD = ["11010519491231002X", "440524188001010014"]


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in deid.check_text(text)]


def found(text: str) -> list[tuple[str, str]]:
    return [(finding.kind, finding.excerpt) for finding in deid.check_text(text)]


# ---------------------------------------------------------------- identity numbers


@pytest.mark.parametrize("number", EXAMPLES_OF_THE_STANDARD)
def test_the_examples_of_the_standard_are_valid(number: str) -> None:
    assert deid.valid_identity_number(number)
    assert deid.valid_identity_number(number.lower())


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",  # the standard's own wrong example
        "11010519491231002",
        "11010519491231002XX",
        "11010519490231002X",  # 31 February
        "99010519491231002X",
        "１１０１０５１９４９１２３１００２X",
        "",
        "11010519491231002X\n",
    ],
)
def test_other_numbers_are_not_valid(number: str) -> None:
    assert not deid.valid_identity_number(number)


seventeen = st.builds(
    lambda place, born, order: f"{place}{born:%Y%m%d}{order:03d}",
    st.sampled_from(["110105", "440524", "650102", "653125", "820000"]),
    st.dates(
        min_value=__import__("datetime").date(1900, 1, 1), max_value=__import__("datetime").date(2099, 12, 31)
    ),
    st.integers(0, 999),
)


@given(seventeen)
@settings(max_examples=100, deadline=None)
def test_exactly_one_check_character_of_eleven_is_right(digits: str) -> None:
    assert sum(deid.valid_identity_number(digits + character) for character in "0123456789X") == 1


@given(seventeen, st.integers(0, 16), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_every_single_wrong_digit_is_noticed(digits: str, place: int, by: int) -> None:
    right = digits + deid.identity_check_character(digits)
    wrong = right[:place] + str((int(right[place]) + by) % 10) + right[place + 1 :]
    assert not deid.valid_identity_number(wrong)


FULL_WIDTH = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")


@given(
    seventeen,
    st.lists(st.sampled_from(["", "", "", " ", "-", "　", "\u200b", "\n"]), min_size=17, max_size=17),
    st.booleans(),
    st.sampled_from(["", "患儿身份证号", "ID: ", "见3号表，"]),
    st.sampled_from(["", "。", " 入院", "，男"]),
)
@settings(max_examples=150, deadline=None)
def test_a_valid_number_is_found_however_it_is_written(
    digits: str, gaps: list[str], wide: bool, before: str, after: str
) -> None:
    number = digits + deid.identity_check_character(digits)
    written = "".join(character + gap for character, gap in zip(number, [*gaps, ""], strict=True))
    if wide:
        written = written.translate(FULL_WIDTH)
    text = before + written + after
    findings = [one for one in deid.check_text(text) if one.kind == "identity_number"]
    assert [one.excerpt for one in findings] == [written]
    assert text[findings[0].start : findings[0].end] == written


def test_a_mistyped_number_still_leads_to_the_person() -> None:
    assert kinds("身份证110105194912310021。") == ["identity_number"]


def test_the_old_number_of_fifteen_digits_is_found() -> None:
    assert kinds("旧身份证 110105491231002") == ["identity_number"]


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_findings_lie_in_the_text_in_order_and_apart(text: str) -> None:
    last = 0
    for finding in deid.check_text(text):
        assert last <= finding.start < finding.end <= len(text)
        assert text[finding.start : finding.end] == finding.excerpt
        assert finding.kind in deid.KINDS
        last = finding.end


# ---------------------------------------------------------------- what must be caught


@pytest.mark.parametrize(
    ("text", "kind", "excerpt"),
    [
        ("联系电话13800138000。", "phone", "13800138000"),
        ("电话 138 0013 8000", "phone", "138 0013 8000"),
        ("１３８００１３８０００", "phone", "１３８００１３８０００"),
        ("1 3 8 0 0 1 3 8 0 0 0", "phone", "1 3 8 0 0 1 3 8 0 0 0"),
        ("+86 138-0013-8000", "phone", "+86 138-0013-8000"),
        ("家长手机13\u200b800138000", "phone", "13\u200b800138000"),
        ("电话：0991-1234567", "phone", "0991-1234567"),
        ("患儿李某某,住院号0012345678", "record_number", "0012345678"),
        ("患儿李某某,住院号0012345678", "name", "李某某"),
        ("住院号：ZY20231234", "record_number", "ZY20231234"),
        ("门诊号 A12345", "record_number", "A12345"),
        ("病案号为 445566", "record_number", "445566"),
        ("条码690123456", "record_number", "690123456"),
        ("标本条形码:ＢＣ１２３４５", "record_number", "ＢＣ１２３４５"),
        ("MRN 445566", "record_number", "445566"),
        ("admission no. 20231", "record_number", "20231"),
        ("姓名:王芳", "name", "王芳"),
        ("患儿姓名：古丽努尔", "name", "古丽努尔"),
        ("患儿王小红因早产入院", "name", "王小红"),
        ("患儿张伟，男，3岁", "name", "张伟"),
        ("患儿高明（男）", "name", "高明"),
        ("患儿张小明因发热入院", "name", "张小明"),
        ("患者黄丽，", "name", "黄丽"),
        ("母亲李芳，28岁", "name", "李芳"),
        ("其母王××，孕2产1", "name", "王××"),
        ("父:白建国。", "name", "白建国"),
        ("患儿欧阳明明，女", "name", "欧阳明明"),
        ("患儿阿依古丽·买买提，女", "name", "阿依古丽·买买提"),
        ("Patient name: Zhang San", "name", "Zhang San"),
        ("住址：莎车县米夏镇3村", "address", "莎车县米夏镇"),
        ("和田市吉亚乡人", "address", "和田市吉亚乡"),
        ("北京路123号", "address", "北京路123号"),
        ("家住3号楼2单元501室", "address", "3号楼2单元501室"),
        ("家住幸福小区", "address", "幸福小区"),
        ("2024-03-05入院", "date", "2024-03-05"),
        ("2024/3/5", "date", "2024/3/5"),
        ("2024.03.05出生", "date", "2024.03.05"),
        ("20240305入院", "date", "20240305"),
        ("2024年3月5日", "date", "2024年3月5日"),
        ("２０２４年３月５日", "date", "２０２４年３月５日"),
        ("二〇二四年三月五日", "date", "二〇二四年三月五日"),
        ("3月5日夜间", "date", "3月5日"),
        ("born on 5 March 2024", "date", "5 March 2024"),
        ("March 5, 2024", "date", "March 5, 2024"),
        ("写信到li.fang@example.com", "email", "li.fang@example.com"),
        ("ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ", "email", "ｌｉ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("微信号：abc_12345", "email", "微信号：abc_12345"),
    ],
)
def test_what_names_a_person_is_caught(text: str, kind: str, excerpt: str) -> None:
    assert (kind, excerpt) in found(text)


def test_one_stretch_is_reported_once() -> None:
    assert kinds("110105 19491231 002X") == ["identity_number"]
    assert kinds("住院号20240305") == ["record_number"]


def test_a_refusal_names_what_was_found_and_its_field() -> None:
    with pytest.raises(RuleBroken) as refused:
        deid.require_clean("电话13800138000", field="reflection")
    assert refused.value.code == "identifying"
    assert refused.value.field == "reflection"
    assert refused.value.details["findings"] == [("phone", 2, 13)]
    deid.require_clean("生后第3天")


# ---------------------------------------------------------------- what must pass

HARMLESS = """
生后第3天, 28–31周, SpO2 88%
患儿高热3天，最高体温39.5℃，伴咳嗽、气促。
患儿黄疸消退，经皮胆红素 13 15 16 14 12 8 mg/dL。
患儿白细胞 15.2×10^9/L，中性粒细胞 0.78，CRP 45 mg/L。
患儿于生后6小时出现呼吸困难，呻吟，三凹征阳性。
患儿张口呼吸，面色发绀，予气囊面罩正压通气。
患儿安静，反应好，吸吮有力。
患儿曾有窒息史，Apgar评分1分钟3分、5分钟7分。
患儿金黄色葡萄球菌培养阳性。
患儿温箱保暖，禁食，静脉营养。
患儿余无异常，继续观察。
患儿严重脱水，予生理盐水20 ml/kg快速扩容。
患儿水肿明显，尿量0.5 ml/(kg·h)。
患儿何时撤机需结合血气分析。
患儿易激惹，前囟隆起，张力高。
患儿周身皮肤可见散在瘀点，压之不褪色。
患儿双肺呼吸音粗，可闻及湿罗音。
患儿唐氏综合征，合并房室间隔缺损。
患儿苏醒后拔除气管插管，改无创通气。
母亲妊娠期糖尿病，孕期规律产检。
母亲高血压，血压160/110 mmHg，予硫酸镁。
父亲体健，母亲乙肝表面抗原阳性，父母非近亲婚配。
母乳喂养，每次30 ml，每3小时一次。
母孕期无特殊，母血型O型，Rh阳性。
家长签署知情同意后行腰椎穿刺术，一次成功。
家属陈述患儿近2周反复腹泻，大便每日10余次。
胎龄32周+3天，出生体重1500–2499 g，单胎，剖宫产。
纠正胎龄36周，体重1850 g，全肠道喂养 150 ml/(kg·d)。
血气：pH 7.25，PaCO2 65 mmHg，PaO2 48 mmHg，BE -6.5。
呼吸机参数：PIP 18，PEEP 5，RR 40，FiO2 0.40。
第3次腰穿：白细胞 1200×10^6/L，蛋白 1500 mg/L，糖 1.2 mmol/L。
输注红细胞2单元，血红蛋白由68 g/L升至102 g/L。
建立静脉通路2条，通路1号管输血，2号管补液。
UVC置管深度8 cm，床旁X线定位于T9。
用药：氨苄西林 50 mg/kg q12h，庆大霉素 4 mg/kg q36h。
3个月龄婴儿，生长曲线P3–P15，3月龄能抬头。
病程第5天体温正常，第10天出院，随访1年。
从县医院转来，途中予CPAP，转运时间4小时。
培训对象为县、乡、镇各级儿科医师。
该县各乡镇卫生院均已配备T组合复苏器。
社区获得性肺炎，肺炎支原体抗体1:320。
家住农村，距最近医院约40 km。
左心室舒张末内径32 mm，射血分数65%，肺动脉收缩压45 mmHg。
依据2022版新生儿复苏指南和2019–2021年文献综述。
本月完成12例脐静脉置管，其中3例由我独立完成。
我下次会先确认胃管位置再开始喂养。
带教老师指出我按压深度不足，应达到胸廓前后径的1/3。
The infant was 29 weeks at birth, day 3 of life, on CPAP 6 cmH2O with FiO2 0.30.
The mother had pre-eclampsia and received two doses of betamethasone.
Patient improved after 20 ml/kg saline; lactate fell from 6.5 to 2.1 mmol/L.
I was too slow to call for help; next time I will call at 30 s.
患儿高胆红素血症，高钠血症，高危儿管理。
患儿张力高，伴黄染。
患儿严密监护，高度警惕休克。
患儿周围循环差，毛细血管再充盈时间延长。
患儿金黄色痰液，石膏固定，叶酸缺乏。
患儿任何时候出现呼吸暂停均应立即刺激。
患儿马上转入重症监护室。
患儿康复良好，予出院，嘱1周后门诊复查。
患者程度较重，需机械通气。
患儿常规补充维生素K1 1 mg肌注。
新生儿安全转运、新生儿黄疸、新生儿窒息复苏。
产妇石女士以外的信息从略。
每日3次，每次1包，共用7天；血糖 3.1、4.5、5.2 mmol/L。
心率150次/分，血压65/40 mmHg，毛细血管再充盈时间4秒。
姓名、住院号等信息不得写入本记录。
住院号不要填写；门诊号也不要填写。
评分标准：A 5分，B 4分，C 3分；得分 85 92 78 88 90 76。
See the WHO Patient Safety Curriculum, and the Baby Friendly Hospital steps.
""".strip().splitlines()


@pytest.mark.parametrize("sentence", HARMLESS)
def test_ordinary_clinical_prose_passes(sentence: str) -> None:
    assert found(sentence) == []


def test_all_harmless_sentences_together_pass() -> None:
    assert found("\n".join(HARMLESS)) == []


def test_a_long_text_is_searched_quickly() -> None:
    import time

    hostile = "1" * 20_000 + " 1" * 10_000 + "患儿" * 5_000 + "县" * 5_000 + "住址" + "米" * 5_000
    begun = time.process_time()
    deid.check_text(hostile)
    assert time.process_time() - begun < 5


# ---------------------------------------------------------------- images


def jpeg(*, mode: str = "RGB", size: tuple[int, int] = (40, 20), **options: object) -> bytes:
    out = io.BytesIO()
    picture = Image.new(mode, size, 128 if mode == "L" else "red")
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def with_gps() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825).update({1: "N", 2: (43.0, 49.0, 30.0), 3: "E", 4: (87.0, 37.0, 0.0)})
    exif.get_ifd(0x8769).update({0x9003: "2024:03:05 10:00:00"})
    return jpeg(exif=exif, comment=b"Zhang San 0012345678")


def test_place_time_and_comment_of_a_photograph_are_gone_and_it_stands_upright() -> None:
    data = with_gps()
    with Image.open(io.BytesIO(data)) as before:
        assert before.getexif().get_ifd(0x8825)  # it was there
    clean = deid.clean_image(data)
    with Image.open(io.BytesIO(clean)) as after:
        assert not after.getexif()
        assert after.size == (20, 40)
        assert not {"exif", "comment", "icc_profile", "xmp", "photoshop"} & set(after.info)
    for trace in (b"SecretPhone", b"Zhang San", b"Exif", b"2024:03:05", b"GPS"):
        assert trace not in clean


def test_text_chunks_of_a_png_are_gone_and_transparency_stays() -> None:
    info = PngInfo()
    info.add_text("Author", "Zhang San")
    info.add_itxt("XML:com.adobe.xmp", "<x>Zhang San</x>")
    out = io.BytesIO()
    Image.new("RGBA", (5, 5), (1, 2, 3, 100)).save(out, "PNG", pnginfo=info)
    clean = deid.clean_image(out.getvalue())
    assert b"Zhang" not in clean
    with Image.open(io.BytesIO(clean)) as after:
        assert after.format == "PNG"
        assert after.convert("RGBA").getpixel((0, 0)) == (1, 2, 3, 100)


def test_a_webp_stays_a_webp_without_its_exif() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "WEBP", exif=exif)
    clean = deid.clean_image(out.getvalue())
    assert deid.image_format(clean) == "WEBP"
    assert b"SecretPhone" not in clean


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_every_kind_of_jpeg_comes_out_as_a_jpeg(mode: str) -> None:
    with Image.open(io.BytesIO(deid.clean_image(jpeg(mode=mode)))) as after:
        assert after.format == "JPEG"
        assert after.mode == ("L" if mode == "L" else "RGB")


def test_a_grey_picture_of_sixteen_bits_keeps_its_greys() -> None:
    out = io.BytesIO()
    Image.new("I;16", (4, 4), 0x8000).save(out, "PNG")
    with Image.open(io.BytesIO(deid.clean_image(out.getvalue()))) as after:
        assert after.convert("L").getpixel((0, 0)) == 128


def test_a_colour_profile_is_used_and_then_dropped() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clean = deid.clean_image(jpeg(icc_profile=profile))
    with Image.open(io.BytesIO(clean)) as after:
        assert "icc_profile" not in after.info
    assert deid.image_format(deid.clean_image(jpeg(icc_profile=b"broken profile"))) == "JPEG"


def refused(data: bytes) -> str:
    with pytest.raises(RuleBroken) as refusal:
        deid.clean_image(data)
    return refusal.value.code


def test_a_dicom_file_is_refused_by_name() -> None:
    assert refused(bytes(128) + b"DICM" + bytes(200)) == "image_dicom"


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + bytes(50), b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"II*\x00"],
)
def test_other_types_are_refused(data: bytes) -> None:
    assert refused(data) == "image_type"


def test_a_broken_picture_is_refused() -> None:
    assert refused(jpeg(size=(400, 400))[:700]) == "image_broken"
    assert refused(b"\x89PNG\r\n\x1a\n" + bytes(40)) == "image_broken"


def test_a_picture_that_was_cut_off_is_refused_also_where_pdfs_are_made() -> None:
    import weasyprint  # noqa: F401 (it tells Pillow to take broken pictures)

    assert refused(jpeg(size=(400, 400))[:700]) == "image_broken"


def test_a_file_too_large_is_refused_before_it_is_opened() -> None:
    assert refused(b"\xff\xd8\xff" + bytes(deid.IMAGE_LIMIT_BYTES)) == "image_too_large"


@pytest.mark.parametrize("side", [7_000, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_from_its_header(side: int) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refused(bomb) == "image_pixels"
