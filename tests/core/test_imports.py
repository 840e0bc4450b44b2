"""The one import of tables."""

import io
import struct
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lms.core import imports
from lms.core.errors import RuleBroken
from lms.core.imports import Column, preview, read

MIDNIGHT = datetime(2026, 3, 1)  # noqa: DTZ001 (a workbook knows no zones)


def level(text: str) -> int:
    number = imports.a_whole_number(text)
    if not 1 <= number <= 5:
        raise RuleBroken("level", "A level is 1 to 5.")
    return number


COLUMNS = [
    Column("name", ("姓名", "Name"), required=True),
    Column("phone", ("手机", "手机号", "Phone"), unique=True),
    Column("start", ("入职日期", "Start date"), parse=imports.a_date),
    Column("level", ("级别", "Level"), parse=level),
]


def workbook(*rows: list[Any], title: str = "学员") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def csv_of(text: str, encoding: str = "utf-8") -> imports.Sheet:
    return read(text.encode(encoding), "学员.csv")


def code(data: bytes, filename: str = "a.xlsx") -> str:
    with pytest.raises(RuleBroken) as refused:
        read(data, filename)
    return refused.value.code


def errors(found: imports.Preview) -> list[tuple[str, str, str]]:
    return [(error.cell, error.column, error.code) for error in found.errors]


# ---------------------------------------------------------------- reading


def test_a_workbook_is_read_as_a_person_would_type_it() -> None:
    sheet = read(
        workbook(
            ["姓名", "手机"],
            ["李芳", 13800138000.0],
            [None, None],
            ["王", 1.5, MIDNIGHT, date(2026, 3, 2), True, MIDNIGHT + timedelta(hours=8, minutes=30)],
        ),
        "x.xlsx",
    )
    assert sheet.name == "学员"
    assert [(line.number, line.cells) for line in sheet.lines] == [
        (1, ("姓名", "手机")),
        (2, ("李芳", "13800138000")),
        (4, ("王", "1.5", "2026-03-01", "2026-03-02", "1", "2026-03-01 08:30")),
    ]


def test_a_formula_is_never_computed() -> None:
    sheet = read(workbook(["a", "b"], ["=1+1", '=HYPERLINK("http://x")'], ["x", "y"]), "x.xlsx")
    assert [line.cells for line in sheet.lines] == [("a", "b"), ("x", "y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_of_any_excel_is_read(encoding: str) -> None:
    sheet = csv_of('姓名,手机\r\n李芳,138\r\n\r\n"王,\n芳",139\r\n', encoding)
    assert [line.cells for line in sheet.lines] == [("姓名", "手机"), ("李芳", "138"), ("王,\n芳", "139")]
    assert [line.number for line in sheet.lines] == [1, 2, 4]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_found(mark: str) -> None:
    assert csv_of(f"姓名{mark}手机\n李芳{mark}138\n").lines[1].cells == ("李芳", "138")


def test_only_the_first_visible_sheet_counts() -> None:
    book = openpyxl.Workbook()
    hidden = book.active
    assert hidden is not None
    hidden.append(["hidden"])
    hidden.sheet_state = "hidden"
    book.create_sheet("shown").append(["姓名"])
    out = io.BytesIO()
    book.save(out)
    assert read(out.getvalue(), "x.xlsx").name == "shown"


@pytest.mark.parametrize(
    ("data", "filename", "expected"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(100), "a.xls", "file_type"),
        (b"%PDF", "a.pdf", "file_type"),
        (b"PK\x03\x04" + bytes(50), "a.xlsx", "file_broken"),
        (b"", "a.csv", "file_empty"),
        (b"\n,,\n \n", "a.csv", "file_empty"),
        (b"a\x00b", "a.csv", "file_broken"),
        (b'"a"b,c\n', "a.csv", "file_broken"),
        (b"\xff\xff\xff", "a.csv", "file_encoding"),
        (b"a\n" * (imports.LIMIT_ROWS + 100), "a.csv", "too_many_rows"),
        (b"," * 200 + b"a", "a.csv", "too_many_columns"),
        (b"a" * 6000, "a.csv", "cell_too_long"),
        (b"a" * 200_000, "a.csv", "file_broken"),
        (b"a" * (imports.LIMIT_BYTES + 1), "a.csv", "file_too_large"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(data: bytes, filename: str, expected: str) -> None:
    assert code(data, filename) == expected


def changed(data: bytes, name: str, body: bytes) -> bytes:
    """The workbook with one part replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member.filename, old.read(member))
        new.writestr(name, body)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
LAUGHS = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (SHEET, LAUGHS.encode()),
        (SHEET, b" \n" + LAUGHS.replace('<?xml version="1.0"?>', "").encode()),
        (SHEET, LAUGHS.encode("utf-16")),
        (SHEET, LAUGHS.encode("utf-16-le")),
        (SHEET, LAUGHS.encode("utf-16-be")),
        (SHEET, b"<?xml version='1.0' encoding='cp037'?><a/>"),
        ("xl/other.dat", LAUGHS.encode()),
        ("xl/other.xml", b"<a>" + b" " * ((1 << 20) - 8) + b"<!DOCTYPE x><b/></a>"),
        ("xl/media/bomb.bin", bytes(imports.LIMIT_UNPACKED_BYTES + 1)),
    ],
)
def test_bombs_and_entities_are_refused(name: str, body: bytes) -> None:
    assert code(changed(workbook(["姓名"], ["李"]), name, body)) == "file_unsafe"


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    data = bytearray(changed(workbook(["姓名"]), "xl/big.bin", bytes(5_000_000)))
    place = 0
    while (place := data.find(b"PK\x01\x02", place)) >= 0:  # every size in the directory becomes 10 bytes
        data[place + 24 : place + 28] = struct.pack("<I", 10)
        place += 4
    assert code(bytes(data)) in {"file_unsafe", "file_broken"}


def test_a_cell_at_the_end_of_the_sheet_costs_nothing() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"] = "姓名"
    sheet["XFD1048576"] = "far"
    out = io.BytesIO()
    book.save(out)
    assert [line.cells for line in read(out.getvalue(), "a.xlsx").lines] == [("姓名",)]


# ---------------------------------------------------------------- preview


def test_columns_are_found_by_their_words_wherever_they_stand() -> None:
    found = preview(
        csv_of("2026年学员名单\n备注,Ｐｈｏｎｅ, 姓 名 *,入职日期（年-月-日）\n好,138,李芳,2026/3/1\n"),
        COLUMNS,
    )
    assert found.ok
    assert found.header == 2
    assert found.unknown == ("备注",)
    assert [row.values for row in found.rows] == [
        {"name": "李芳", "phone": "138", "start": date(2026, 3, 1), "level": None}
    ]
    assert found.matched["phone"] == "Ｐｈｏｎｅ"


def test_errors_name_their_cell() -> None:
    found = preview(
        csv_of("级别,姓名,手机,入职日期\n3,李芳,138,2026-03-01\n9,,138,2026-02-30\nx,王,139,\n"), COLUMNS
    )
    assert not found.ok
    assert errors(found) == [
        ("B3", "name", "required"),
        ("C3", "phone", "duplicate"),
        ("D3", "start", "invalid"),
        ("A3", "level", "level"),
        ("A4", "level", "invalid"),
    ]
    assert found.errors[1].message
    assert found.errors[2].value == "2026-02-30"
    assert [row.number for row in found.rows] == [2]


def test_rows_left_out_take_their_errors_with_them() -> None:
    sheet = csv_of("姓名,手机\n李芳,138\n,138\n王,139\n")
    found = preview(sheet, COLUMNS, excluded={3})
    assert found.ok
    assert found.excluded == (3,)
    assert [row.values["name"] for row in found.rows] == ["李芳", "王"]


def test_an_empty_cell_is_no_duplicate() -> None:
    assert preview(csv_of("姓名,手机\n李,\n王,\n"), COLUMNS).ok


def test_a_missing_or_doubled_column_is_named() -> None:
    assert errors(preview(csv_of("手机,级别\n138,3\n"), COLUMNS)) == [("", "name", "column_missing")]
    assert errors(preview(csv_of("姓名,Name\n李,王\n"), COLUMNS)) == [("B", "name", "column_twice")]


def test_without_a_header_there_is_no_preview() -> None:
    with pytest.raises(RuleBroken) as refused:
        preview(csv_of("李芳,138\n"), COLUMNS)
    assert refused.value.code == "no_header"


def test_a_header_alone_is_not_ok() -> None:
    assert not preview(csv_of("姓名\n"), COLUMNS).ok


def test_two_columns_may_not_share_a_word() -> None:
    with pytest.raises(ValueError, match="two columns"):
        preview(csv_of("姓名\n"), [*COLUMNS, Column("other", ("NAME ",))])


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026/3/1",
        "2026.03.01",
        "20260301",
        "2026年3月1日",
        "２０２６-０３-０１",
        "2026-03-01 00:00",
    ],
)
def test_days_are_understood(text: str) -> None:
    assert imports.a_date(text) == date(2026, 3, 1)


@pytest.mark.parametrize("text", ["2026-13-01", "01/03/2026", "2026-3/1", "2026", "", "46082"])
def test_other_days_are_not_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        imports.a_date(text)


# ---------------------------------------------------------------- writing

FORMULAS = ["'=1+1", "=1+1", "+86138", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", " =1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_export_becomes_a_formula(text: str) -> None:
    raw = imports.to_csv(["a"], [[text]]).decode("utf-8-sig")
    assert raw.split("\r\n", 1)[1].lstrip('"').startswith("'")
    data = imports.to_xlsx(["a"], [[text]])
    book = openpyxl.load_workbook(io.BytesIO(data))
    cell = book.worksheets[0]["A2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix


def test_numbers_and_days_stay_numbers_and_days() -> None:
    rows: list[list[imports.Cell]] = [[-5, 1.5, date(2026, 3, 1), None, datetime(2026, 3, 1, tzinfo=UTC)]]
    book = openpyxl.load_workbook(io.BytesIO(imports.to_xlsx(list("abcde"), rows)))
    assert [cell.value for cell in book.worksheets[0][2]] == [
        -5,
        1.5,
        MIDNIGHT,
        None,
        "2026-03-01T00:00:00+00:00",
    ]
    assert imports.to_csv(["a", "b"], [[-5, date(2026, 3, 1)]]).endswith(b"-5,2026-03-01\r\n")


cells = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf"], exclude_characters="\ufffe\uffff"), max_size=20
)


@example([["'=1", "''-1", "'x"]])
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    expected = [("名", "b", "c")] + [tuple(cell.strip() for cell in row) for row in rows]
    expected = [tuple(_trim(row)) for row in expected if any(row)]
    for data, name in (
        (imports.to_csv(["名", "b", "c"], rows), "x.csv"),
        (imports.to_xlsx(["名", "b", "c"], rows), "x.xlsx"),
    ):
        assert [line.cells for line in read(data, name).lines] == expected


def _trim(row: tuple[str, ...]) -> list[str]:
    kept = list(row)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def test_a_template_names_the_columns_and_is_read_by_them() -> None:
    sheet = read(imports.template_of(COLUMNS), "x.xlsx")
    assert sheet.lines[0].cells == ("姓名*", "手机", "入职日期", "级别")
    assert preview(sheet, COLUMNS).errors == ()


def test_errors_are_a_list_to_work_through() -> None:
    found = preview(csv_of("姓名,级别\n李,=9\n"), COLUMNS)
    text = imports.errors_csv(found).decode("utf-8-sig")
    assert "B2,level,'=9," in text


# ---------------------------------------------------------------- whole workbooks

DOT = (  # a PNG of one pixel
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def test_all_visible_sheets_that_hold_rows_are_read() -> None:
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "一"
    first.append(["甲"])
    book.create_sheet("空")
    hidden = book.create_sheet("藏")
    hidden.append(["乙"])
    hidden.sheet_state = "hidden"
    book.create_sheet("二").append([None, "丙"])
    out = io.BytesIO()
    book.save(out)
    assert [(sheet.name, sheet.lines[0].cells) for sheet in imports.read_all(out.getvalue(), "x.xlsx")] == [
        ("一", ("甲",)),
        ("二", ("", "丙")),
    ]


def test_a_book_has_pages_with_pictures_where_they_were_laid() -> None:
    data = imports.to_book(
        ["a", "b"], [imports.Page("一", [["1", "=2"]], [(0, 1, DOT)]), imports.Page("二/三", [])]
    )
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["一", "二 三"]
    assert [cell.value for cell in book["一"][2]] == ["1", "=2"]
    (picture,) = book["一"]._images
    assert (picture.anchor._from.row, picture.anchor._from.col) == (1, 1)
    assert [cell.value for cell in book["二 三"][1]] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "expected"), [(DOT, True), (DOT[:20], False), (b"words", False), (b"", False)]
)
def test_only_what_is_a_picture_can_be_laid(content: bytes, expected: bool) -> None:
    assert imports.is_picture(content) is expected


@pytest.mark.parametrize(("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA")])
def test_columns_are_called_as_a_spreadsheet_calls_them(index: int, letters: str) -> None:
    assert imports.column_letter(index) == letters
