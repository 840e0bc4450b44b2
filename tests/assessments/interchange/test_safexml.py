"""XML and archives of strangers: what is refused by name, what is read all the same, and that nothing else ever happens."""

import io
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.interchange import package, safexml
from lms.assessments.interchange.safexml_math import without_math
from lms.core.errors import RuleBroken

DECLARATION = '<?xml version="1.0" encoding="{}"?>'
LAUGHS = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'


def code_of(data: bytes) -> str:
    with pytest.raises(RuleBroken) as refusal:
        safexml.parse(data)
    return refusal.value.code


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS,
        b'<?xml version="1.0"?>\n<!-- a --><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://host/a.dtd" [<!ELEMENT a ANY>]><a/>',
        (DECLARATION.format("UTF-16") + LAUGHS.decode()).encode("utf-16"),
        b"<a>&unknown;</a>",
        b"<!doctype a [ ]><a/>",
    ],
)
def test_xml_that_declares_entities_is_refused_by_name(data):
    assert code_of(data) == "xml_entities"


def test_a_document_type_that_only_names_an_outer_file_is_passed_over():
    root = safexml.parse(b'<?xml version="1.0"?><!DOCTYPE quiz SYSTEM "http://host/quiz.dtd"><quiz>a</quiz>')
    assert safexml.said(root) == "a"


def test_a_document_type_within_a_text_is_a_text():
    root = safexml.parse(b"<a><![CDATA[<!DOCTYPE html [x]> &nbsp; &foo;]]></a>")
    assert root.text == "<!DOCTYPE html [x]> &nbsp; &foo;"


def test_the_names_of_html_are_known():
    assert safexml.parse(b"<a>5&nbsp;&micro;g &amp; more</a>").text == "5\xa0µg & more"


@pytest.mark.parametrize(
    ("declared", "written"),
    [("gb2312", "gb18030"), ("GBK", "gbk"), ("big5", "big5"), ("UTF-16", "utf-16"), ("iso-8859-1", "utf-8"), ("utf-8", "gb18030")],
)  # fmt: skip
def test_chinese_is_read_in_the_encodings_that_programs_write(declared, written):
    words = "新生"
    root = safexml.parse(f"{DECLARATION.format(declared)}<a>{words}</a>".encode(written))
    assert root.text == words


def test_an_encoding_that_could_hide_entities_is_refused():
    assert code_of(b'<?xml version="1.0" encoding="utf-7"?><a/>') == "xml_encoding"
    assert code_of(b'<?xml version="1.0" encoding="cp037"?><a/>') == "xml_encoding"


def test_what_is_no_xml_is_refused_with_its_line():
    assert code_of(b"<a>\n<b>\n</a>") == "xml_broken"
    assert code_of(b"") == "xml_broken"
    assert code_of(b"<a/><b/>") == "xml_broken"


def test_signs_that_xml_forbids_are_left_out():
    assert safexml.parse(b"<a>x\x0by\x00z</a>").text == "xyz"


def test_depth_and_size_have_limits():
    assert code_of(b"<a>" * 150 + b"</a>" * 150) == "xml_deep"
    assert code_of(b"<a>" * 5_000 + b"</a>" * 5_000) == "xml_deep"
    assert code_of(b"<a>" + b"<b/>" * (safexml.MOST_ELEMENTS + 1) + b"</a>") == "xml_large"


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: f"<a>{text}</a>".encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused(data):
    refused = ""
    try:
        safexml.parse(data)
    except RuleBroken as refusal:
        refused = refusal.code
    assert refused in {"", "xml_broken", "xml_entities", "xml_encoding", "xml_deep", "xml_large"}


@pytest.mark.parametrize(
    ("inner", "line"),
    [
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac>", "1/2"),
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac>", "(a + b)/2"),
        ("<msup><mi>x</mi><mn>2</mn></msup>", "x²"),
        ("<msup><mn>10</mn><mrow><mo>-</mo><mn>3</mn></mrow></msup>", "10⁻³"),
        ("<msub><mi>P</mi><mi>CO</mi></msub>", "P_CO"),
        ("<msqrt><mi>a</mi><mo>+</mo><mn>1</mn></msqrt>", "√(a + 1)"),
        ("<mfrac><mfrac><mn>1</mn><mn>2</mn></mfrac><mn>3</mn></mfrac>", "(1/2)/3"),
    ],
)
def test_a_formula_in_a_line_keeps_what_stands_below_the_stroke(inner, line):
    math = f'<m:math xmlns:m="http://www.w3.org/1998/Math/MathML">{inner.replace("<m", "<m:m").replace("</m", "</m:m")}</m:math>'
    assert without_math(f"<p>{math}</p>") == f"<p>{line}</p>"


# ---------------------------------------------------------------- archives


def zipped(files, **changes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in changes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content)
    return made.getvalue()


def zip_code(data: bytes) -> str:
    with pytest.raises(RuleBroken) as refusal:
        package.open(data)
    return refusal.value.code


@pytest.mark.parametrize(
    "name", ["../a.xml", "a/../../b.xml", "/etc/passwd", "C:/a.xml", "a\\b.xml", "..\\a", "a\nb"]
)
def test_a_path_that_leads_out_of_the_archive_is_refused(name):
    assert zip_code(zipped({"ok.xml": b"<a/>", name: b"x"})) == "zip_path"


def test_a_link_is_refused():
    assert zip_code(zipped({"a": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)) == "zip_path"


def test_what_grows_without_bound_is_refused():
    assert zip_code(zipped({"a.xml": b"0" * (2 * 1024 * 1024)})) == "zip_bomb"
    assert zip_code(zipped({f"{n}.xml": b"" for n in range(package.MOST_MEMBERS + 1)})) == "zip_bomb"


def doubled() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.xml", b"1")
        archive.writestr("a.xml", b"2")
    return made.getvalue()


def test_an_archive_that_is_protected_double_or_damaged_is_refused():
    protected = bytearray(zipped({"a.xml": b"<a/>"}))
    start = protected.rindex(b"PK\x01\x02")
    protected[start + 8] |= 1
    assert zip_code(bytes(protected)) == "zip_unsafe"
    with pytest.warns(UserWarning, match="Duplicate name"):
        double = doubled()
    assert zip_code(double) == "zip_unsafe"
    assert zip_code(b"PK\x03\x04 no archive") == "zip_broken"
    whole = zipped({"a.xml": b"some content that is long enough to be packed" * 20})
    assert zip_code(whole[:50] + b"\xff" * 10 + whole[60:]) in {"zip_broken", "zip_unsafe"}


def test_files_are_found_by_the_addresses_that_programs_write():
    files = package.open(zipped({"items/q 1.xml": b"item", "items/img/A.png": b"picture", "top.png": b"top"}))
    assert files.content("img/A.png", "items/q 1.xml") == b"picture"
    assert files.content("img/a.PNG?x=1#y", "items/q 1.xml") == b"picture"
    assert files.content("../top.png", "items/q 1.xml") == b"top"
    assert files.content("/top.png", "items/q 1.xml") == b"top"
    assert files.path("items/q%201.xml") == "items/q 1.xml"
    assert files.content("../../../etc/passwd", "items/q 1.xml") is None
    assert files.content("", "items/q 1.xml") is None


@given(
    st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: zipped({"a.xml": b"<a/>"})[:60] + tail)
)
def test_any_archive_is_opened_or_refused(data):
    refused = "zip_"
    try:
        package.open(data)
    except RuleBroken as refusal:
        refused = refusal.code
    assert refused.startswith("zip_")


def test_the_same_files_make_the_same_archive():
    assert package.packed({"a": b"1", "b": b"2"}) == package.packed({"a": b"1", "b": b"2"})
