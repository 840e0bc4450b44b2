"""Marked-up texts as plain text, and bytes as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.assessments.interchange.plain import bilingual, clean, decode, decoded, read_html, said, to_plain


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>甲</p><p>乙<br>丙</p>", "甲\n\n乙\n丙"),
        ("<div>甲</div><div>乙</div>", "甲\n乙"),
        ("a\n  b&nbsp;&amp; &lt;c&gt; &#176;C &alpha;", "a b & <c> °C α"),
        ("H<sub>2</sub>O, 10<sup>-3</sup>, Ca<sup>2+</sup>, PaCO<sub>2</sub>", "H₂O, 10⁻³, Ca²⁺, PaCO₂"),
        (
            "2<sup>q+π</sup> is no product, e<sup>ω</sup> neither; C<sub>Max</sub>",
            "2^(q+π) is no product, e^ω neither; CMax",
        ),
        ("<ul><li>one</li><li>two</ul>after", "• one\n• two\n\nafter"),
        ("<ol><li>one</li><li>two</ol>", "1. one\n2. two"),
        ("<table><tr><th>Na</th><th>K</th></tr><tr><td>140</td><td>4</td></tr></table>", "Na | K\n140 | 4"),
        ("x<y and y>z, a<b and c>d, age <5", "x<y and y>z, a<b and c>d, age <5"),
        ("a<!-- <b>no</b> -->b<script>if (a<b) c()</script><style>p{}</style>", "ab"),
        ("<pre>if x:\n    y()</pre>", "if x:\n\xa0\xa0\xa0\xa0y()"),
        ("<![CDATA[a < b]]>", "a < b"),
        ("<b>bold</b>, <i>italic</i> <a href='x'>link</a>", "bold, italic link"),
        ("10<sup>3", "10³"),
        ("", ""),
    ],
)
def test_marks_become_signs_and_lines(html: str, expected: str) -> None:
    assert to_plain(html) == expected


def test_a_picture_leaves_its_words_behind_unless_they_are_a_file_name() -> None:
    assert to_plain('What is <img src="a.png" alt="a rash > 5 cm">?') == "What is [a rash > 5 cm]?"
    assert to_plain('What is <img src="a.png" alt="image001.png">?') == "What is ?"
    assert said("图片 1") == said("IMG_2041.JPG") == said("3f2504e04f8911d3") == ""


def test_what_a_text_embeds_is_found_with_its_kind() -> None:
    found = read_html(
        "<img src=x.png alt=one><audio src='a.mp3'></audio><video><source src=v.mp4 type=video/mp4></video>"
    )
    assert [(one.kind, one.source, one.alt) for one in found.embedded] == [
        ("image", "x.png", "one"),
        ("audio", "a.mp3", ""),
        ("video", "v.mp4", ""),
    ]


def test_a_data_address_carries_its_content() -> None:
    (good,) = read_html('<img src="data:image/png;base64,aGVsbG8=">').embedded
    assert good.content == b"hello"
    (bad,) = read_html('<img src="data:image/png;base64,***">').embedded
    assert bad.content is None


def test_source_lines_are_kept_only_where_they_are_breaks() -> None:
    assert read_html("a <b>b</b>\nc").text == "a b c"
    assert read_html("a <b>b</b>\nc", keeps_lines=True).text == "a b\nc"


@given(st.text(max_size=200))
def test_any_text_is_read_and_reading_twice_changes_nothing_more(text: str) -> None:
    once = to_plain(text)
    assert once == clean(once)
    assert "\n\n\n" not in once
    assert to_plain(once.replace("<", "&lt;").replace("&", "&amp;").replace("\n", "<br>")) is not None


SOUP = """<p> </p> <sub> </sub> <img src= ' " > < & &lt; <!-- --> a 1 <table><td> <li> <pre> ]]>"""


@given(st.lists(st.sampled_from([*SOUP.split(), "\n", " "]), max_size=60))
def test_any_soup_of_marks_is_read(parts: list[str]) -> None:
    to_plain("".join(parts))


@pytest.mark.parametrize(
    "soup", ["<a '\"", "<", "<p", "<sub>", "<img src='", "&", "<!--", "<table><tr>", "\"<b x='"]
)
def test_a_hostile_text_is_read_to_its_end(soup: str) -> None:
    to_plain(soup * (400_000 // len(soup)))  # would take hours if each sign made it look at all the others


@pytest.mark.parametrize(
    ("data", "expected", "is_guess"),
    [
        ("儿科é".encode(), "儿科é", False),
        (b"\xef\xbb\xbf" + "儿科".encode(), "儿科", False),
        ("儿科".encode("gb18030"), "儿科", False),
        ("﻿儿科".encode("utf-16-le"), "儿科", False),
        ("﻿儿科".encode("utf-16-be"), "儿科", False),
        (
            "¿Qué lesión pigmentada es más frecuente en el recién nacido?".encode("latin-1"),
            "¿Qué lesión pigmentada es más frecuente en el recién nacido?",
            True,
        ),
        ("新生儿黄疸的特点".encode() * 20 + b"\xff", "新生儿黄疸的特点" * 20 + "\ufffd", True),
    ],
)
def test_the_encoding_of_a_file_is_found(data: bytes, expected: str, is_guess: bool) -> None:
    assert decode(data) == (expected, is_guess)


@given(st.binary(max_size=300))
def test_any_bytes_are_text(data: bytes) -> None:
    assert isinstance(decoded(data), str)


@pytest.mark.parametrize(
    ("text", "tongue"), [("新生儿 RDS", "zh"), ("Newborn", "en"), ("12.5", "zh"), ("¿Qué?", "en")]
)
def test_a_text_is_kept_in_its_language(text: str, tongue: str) -> None:
    assert bilingual(text) == {tongue: text}
