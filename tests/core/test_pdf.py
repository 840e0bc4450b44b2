"""Drawing PDFs: what may go in, what the file says about itself, and that no name becomes a box."""

import logging
import os
import re
import subprocess
import sys
import unicodedata
import zlib
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pytest

from lms.core import pdf, qr

CREATED = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RARE = "䶮𬱖𫖮㛃𠮷𭝠𮧵"


class Desk:
    """A folder of art, a style sheet, and the habit of drawing with them."""

    def __init__(self, folder: Path) -> None:
        self.art = folder / "art"
        self.art.mkdir()
        self.css = folder / "sheet.css"
        families = ", ".join(f'"{family}"' for family in pdf.FAMILIES)
        self.css.write_text(f"html {{ font-family: {families} }} b {{ font-weight: 700 }}", encoding="utf-8")

    def draw(self, body: str, **changes: object) -> bytes:
        arguments: dict[str, object] = {
            "css": [self.css],
            "assets": self.art,
            "title": {"zh-CN": "结业证书", "en": "Certificate"},
            "identifier": "FF-2026-000001",
            "created": CREATED,
        }
        html = f'<!doctype html><html lang="zh-CN"><head><title>t</title></head><body>{body}</body></html>'
        return pdf.render(html, **(arguments | changes))  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def unpacked(data: bytes) -> bytes:
    """The file with what its streams hold behind it."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    return data + b"\n".join(zlib.decompress(stream) for stream in streams if stream[:1] == b"x")


def fonts_of(data: bytes) -> set[str]:
    data = unpacked(data)
    return {name.decode().replace("-", " ") for name in re.findall(rb"/BaseFont /[A-Z]{6}\+([\w-]+)", data)}


# ---------------------------------------------------------------- what the file says


def test_a_file_claims_pdf_a_3a_and_pdf_ua_1_together(desk: Desk) -> None:
    data = desk.draw("<h1>结业证书</h1><p>陈晓燕</p>")
    assert data.startswith(b"%PDF-1.7")
    for claim in ("<pdfaid:part>3</pdfaid:part>", "<pdfaid:conformance>A<", "<pdfuaid:part>1</pdfuaid:part>"):
        assert claim.encode() in data
    assert data.count(b"<rdf:RDF") == 1
    assert b"PDF/UA identification schema" in data
    for need in (b"/MarkInfo", b"/StructTreeRoot", b"/OutputIntents", b"/DisplayDocTitle true"):
        assert need in unpacked(data)


def test_the_metadata_names_title_identifier_and_languages_and_escapes_them(desk: Desk) -> None:
    data = desk.draw(
        "<p>x</p>", title={"zh-CN": "结业 <证书> & 名", "en": "A & B"}, author="医院 & Co", subject="S<1>"
    )
    text = data[data.index(b"<?xpacket begin") : data.index(b'<?xpacket end="r"?>')].decode()
    assert '<rdf:li xml:lang="x-default">结业 &lt;证书&gt; &amp; 名</rdf:li>' in text
    assert '<rdf:li xml:lang="en">A &amp; B</rdf:li>' in text
    assert "<dc:identifier>FF-2026-000001</dc:identifier>" in text
    assert "医院 &amp; Co" in text
    assert "S&lt;1&gt;" in text
    assert text.count("2026-11-21T01:00:00Z") == 2


def test_the_same_inputs_give_the_same_bytes(desk: Desk) -> None:
    body = (
        f"<h1>证书</h1><p><b>粗体</b> {RARE}</p><img src='{qr.data_uri('https://example.org/1')}' alt='QR'>"
    )
    file = pdf.Attachment("facts.json", "Facts", b"{}")
    first = desk.draw(body, attachments=[file])
    desk.draw("<p>something else in between, 其他</p>")
    assert desk.draw(body, attachments=[file]) == first
    assert desk.draw(body, attachments=[file], identifier="other") != first


def test_another_process_draws_the_same_bytes(desk: Desk) -> None:
    program = (
        "import sys,hashlib;from pathlib import Path;from datetime import datetime,UTC;from lms.core import pdf;"
        "b=pdf.render('<html lang=zh><body><p>陈晓燕</p></body></html>',css=[Path(sys.argv[1])],assets=Path(sys.argv[2]),"
        "title={'zh':'t'},identifier='i',created=datetime(2026,1,1,tzinfo=UTC));print(hashlib.sha256(b).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(desk.css), str(desk.art)],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_an_attachment_travels_inside_with_its_relationship(desk: Desk) -> None:
    data = desk.draw(
        "<p>x</p>", attachments=[pdf.Attachment("facts.json", "The facts", b'{"a":1}', "Source")]
    )
    assert b"/AFRelationship /Source" in unpacked(data)
    assert b'{"a":1}' in unpacked(data)


def test_a_naive_date_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="aware"):
        desk.draw("<p>x</p>", created=datetime(2026, 1, 1))  # noqa: DTZ001


# ---------------------------------------------------------------- what may go in


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "https://example.org/x.svg",
        "file:///etc/passwd",
        "../secret.svg",
        "ftp://example.org/x",
        "missing.svg",
        "art.svg/../../secret.svg",
        "data:text/html,<p>x</p>",
        "//example.org/x.svg",
    ],
)
def test_a_page_may_take_nothing_from_outside_its_folder(desk: Desk, address: str) -> None:
    (desk.art.parent / "secret.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    with pytest.raises(pdf.ForbiddenResource):
        desk.draw(f'<p>x</p><img alt="x" src="{address}">')


def test_a_link_in_the_art_folder_that_leads_out_is_refused(desk: Desk) -> None:
    (desk.art.parent / "secret.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (desk.art / "innocent.svg").symlink_to(desk.art.parent / "secret.svg")
    with pytest.raises(pdf.ForbiddenResource):
        desk.draw('<img alt="x" src="innocent.svg">')


def test_a_style_may_not_fetch_either(desk: Desk) -> None:
    with pytest.raises(pdf.ForbiddenResource):
        desk.draw('<style>p { background: url("http://127.0.0.1:9/x.png") }</style><p>x</p>')


def test_a_base_address_does_not_open_the_door(desk: Desk) -> None:
    with pytest.raises(pdf.ForbiddenResource):
        desk.draw('<base href="file:///etc/"><img alt="x" src="passwd">')


def test_art_in_the_folder_and_data_images_are_drawn(desk: Desk) -> None:
    (desk.art / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'
    )
    with_art = desk.draw(f'<img alt="a" src="dot.svg"><img alt="b" src="{PIXEL}">')
    assert unpacked(with_art).count(b"/S /Figure") == 2


def test_broken_art_is_an_error_not_a_gap(desk: Desk) -> None:
    (desk.art / "broken.svg").write_text("<svg")
    with pytest.raises(pdf.PdfError, match=r"broken\.svg"):
        desk.draw('<img alt="x" src="broken.svg">')


def test_an_undefined_name_in_a_template_is_an_error_and_values_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>{{ name }}</p>")
    template = pdf.templates(tmp_path).get_template("a.html")
    assert template.render(name="<b>") == "<p>&lt;b&gt;</p>"
    with pytest.raises(jinja2.UndefinedError):
        template.render(nom="x")


def test_more_pages_than_allowed_are_an_error(desk: Desk) -> None:
    two = '<p>x</p><p style="break-before: page">y</p>'
    assert len(re.findall(rb"/Type /Page\b(?!s)", unpacked(desk.draw(two, max_pages=2)))) == 2
    with pytest.raises(pdf.TooManyPages):
        desk.draw(two, max_pages=1)


def test_personal_images_do_not_stay_in_memory(desk: Desk) -> None:
    (desk.art / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'
    )
    for i in range(3):
        desk.draw(
            f'<img alt="a" src="dot.svg"><img alt="QR" src="{qr.data_uri(f"https://example.org/{i}")}">'
        )
    assert [address.rsplit("/", 1)[-1] for address in pdf.drawing._art(desk.art.resolve())] == ["dot.svg"]


def test_the_choice_of_fonts_does_not_leak_into_programs_started_later(desk: Desk) -> None:
    before = os.environ.get("FONTCONFIG_FILE")
    desk.draw("<p>x</p>")
    assert os.environ.get("FONTCONFIG_FILE") == before


def test_the_library_logs_nothing_of_a_good_page(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        desk.draw("<h1>证书</h1>")
    assert caplog.messages == []


# ---------------------------------------------------------------- fonts


def test_only_shipped_fonts_are_used_whatever_the_page_asks_for(desk: Desk) -> None:
    body = "<p style=\"font-family: 'Noto Serif CJK SC', 'DejaVu Sans', Arial, monospace\">A 陈 <b>B</b> <i>C</i></p>"
    assert fonts_of(desk.draw(body)) <= {
        "Noto Serif SC",
        "Noto Serif SC Bold",
        "Noto Serif SC Italic",
        "Noto Serif SC Bold Italic",
    }


def test_each_script_is_drawn_by_its_own_font(desk: Desk) -> None:
    data = desk.draw("<p>陈 𠮷 བོད་ཡིག ئۇيغۇر ᠮᠣᠩᠭᠣᠯ</p>")
    assert fonts_of(data) == set(pdf.FAMILIES)


def test_the_fonts_fit_into_the_repository_and_name_their_licences() -> None:
    files = list(pdf.FONTS.iterdir())
    assert sum(file.stat().st_size for file in files) < 40_000_000
    readme = (pdf.FONTS / "README.md").read_text(encoding="utf-8")
    for file in files:
        if file.suffix in {".ttf", ".txt"}:
            assert file.name in readme
        if file.suffix == ".txt":
            assert "SIL OPEN FONT LICENSE" in file.read_text(encoding="utf-8").upper()


def test_every_everyday_ideograph_and_pinyin_letter_has_a_glyph() -> None:
    everyday = {chr(c) for c in (*range(0x4E00, 0x9FA6), *range(0x3400, 0x4DB6))}
    gb18030_2005 = "".join(sorted(everyday))
    assert pdf.missing_glyphs(gb18030_2005) == []
    assert pdf.missing_glyphs("āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüÜ·’－—，。、；：？！（）《》“”0123456789") == []
    assert pdf.missing_glyphs("ئابدۇۋەلى مەمتىمىن گۈلنار ئۆمەر ھەبىبۇللا ژڭچ") == []
    assert pdf.missing_glyphs("བཀྲ་ཤིས་ཚེ་རིང་ ᠤᠯᠠᠭᠠᠨᠲᠤᠶᠠᠭ᠎ᠠ Nguyễn Öztürk Иван") == []


@pytest.mark.parametrize("name", ["王䶮", "欧阳𬱖", "刘𫖮", "李㛃", "𠮷田", "李𭝠", "张𮧵", "葛󠄀城"])
def test_rare_names_can_be_printed(name: str) -> None:
    assert pdf.missing_glyphs(name) == []


@pytest.mark.parametrize(
    ("name", "kind", "label"),
    [
        ("陈\ue863", pdf.PRIVATE_USE, "U+E863"),
        ("邱⽟", pdf.RADICAL, "U+2F5F ⽟"),
        ("朱\ufa19", pdf.NOT_NORMAL, "U+FA19 \ufa19"),
        ("张\U0003134a", pdf.NO_GLYPH, "U+3134A \U0003134a"),
        ("张\u202e三", pdf.CONTROL, "U+202E"),
        ("ก", pdf.NO_GLYPH, "U+0E01 ก"),
    ],
)
def test_what_cannot_be_printed_is_named(name: str, kind: str, label: str) -> None:
    (problem,) = pdf.glyph_problems(name)
    assert (problem.kind, problem.label) == (kind, label)
    assert pdf.missing_glyphs(name + name) == [label]


def test_a_decomposed_letter_is_reported_and_its_normal_form_is_not() -> None:
    decomposed = unicodedata.normalize("NFD", "José")
    assert [p.kind for p in pdf.glyph_problems(decomposed)] == [pdf.NOT_NORMAL]
    assert pdf.glyph_problems("José") == []


def test_a_page_with_a_character_nobody_can_draw_is_not_made(desk: Desk) -> None:
    with pytest.raises(pdf.MissingGlyphs) as refusal:
        desk.draw("<p>陈\ue863</p>")
    assert refusal.value.labels == ("U+E863",)
    with pytest.raises(pdf.MissingGlyphs):
        desk.draw("<p>&#x3134A;</p>")
    desk.draw("<!-- \ue863 --><p>陈</p>")


# ---------------------------------------------------------------- QR codes


def test_a_qr_code_says_what_it_is_and_escapes_it() -> None:
    drawing = qr.svg("https://example.org/verify/1", label='Verify "1" <now>')
    assert drawing.startswith("<svg ")
    assert 'aria-label="Verify &#34;1&#34; &lt;now&gt;"' in drawing
    assert 'role="img"' in drawing
    assert hasattr(drawing, "__html__")


def test_a_qr_code_as_an_address_is_an_svg_image_and_never_empty() -> None:
    assert qr.data_uri("https://example.org/1").startswith("data:image/svg+xml")
    assert qr.data_uri("https://example.org/1") != qr.data_uri("https://example.org/2")
    with pytest.raises(ValueError, match="say"):
        qr.data_uri("")
