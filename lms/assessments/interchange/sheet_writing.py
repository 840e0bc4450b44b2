"""Items as a workbook that people edit and that is read back as the same items."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lms.assessments.interchange import package, words
from lms.assessments.interchange.columns import HEADERS
from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.package import LeftOut
from lms.assessments.rules.items import TYPES, Ask, asks
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import as_list, as_map
from lms.core import imports
from lms.core.i18n import _

SAID = {
    "A1": "A1型题", "A2": "A2型题", "A3": "A3型题", "A4": "A4型题", "B1": "B1型题", "EMQ": "扩展配伍题", "X": "X型题", "CASE": "案例分析题",
    "TF": "判断题", "SCT": "脚本一致性题", "KF": "关键特征题", "NUM": "数值题", "SHORT": "短答题", "CLOZE": "填空题", "ORDER": "排序题",
    "ESSAY": "问答题",
}  # fmt: skip
"""Types that a sheet carries, and how it says them."""

_BEFORE = ("type", "code", "group", "shared", "shared en", "stem", "stem en")
_AFTER = (
    "answer", "answer en", "why", "why en", "shared why", "shared why en", "scoring", "fixed", "must", "never", "limit", "tolerance",
    "unit", "longest", "marks", "difficulty", "topic", "tags", "source", "alt", "alt en",
)  # fmt: skip
_FEWEST_OPTIONS = 5
NO_WORDS = "–"
"""Stands in 图片说明 for a picture without words in this language."""


class _Unfit(Exception):
    """A sheet cannot say this."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


@dataclass
class _Line:
    cells: dict[str, str] = field(default_factory=dict)
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    """Name of the column and content, in the order of the words in 图片说明."""

    def put(self, name: str, text: object) -> None:
        """A text of two languages under a column and the one for English."""
        for tongue, column in (("zh", name), ("en", f"{name} en")):
            said = as_map(text).get(tongue)
            if said:
                self.cells[column] = str(said)


def write(items: Iterable[Draft]) -> tuple[bytes, tuple[LeftOut, ...]]:
    """A workbook of the items, and those that a sheet cannot carry with the reason. The same items make the same bytes."""
    pages: list[list[_Line]] = [[]]
    left_out: list[LeftOut] = []
    group = 0
    for item in items:
        is_group = item.type in TYPES and TYPES[item.type].is_group and item.type != "CLOZE"
        try:
            made = list(_lines(item, str(group + 1) if is_group else ""))
            if any(len(text) > imports.LIMIT_CELL for line in made for text in line.cells.values()):
                raise _Unfit("text_long", _("One of its texts is too long for a cell."))  # noqa: TRY301 (said once, below)
        except _Unfit as unfit:
            left_out.append(LeftOut(item.code or item.place.at, unfit.code, unfit.message))
            continue
        group += is_group
        if len(pages[-1]) + len(made) > imports.LIMIT_ROWS:
            pages.append([])
        pages[-1] += made
    return _book(pages), tuple(left_out)


def _book(pages: Sequence[Sequence[_Line]]) -> bytes:
    names = {
        name
        for lines in pages
        for line in lines
        for name in (*line.cells, *(column for column, _data in line.pictures))
    }
    used = max((words.LETTERS.index(name[7]) + 1 for name in names if name.startswith("option ")), default=0)
    letters = words.LETTERS[: max(used, _FEWEST_OPTIONS)]
    columns = [
        *_BEFORE,
        *(f"option {letter}" for letter in letters),
        *(f"option {letter} en" for letter in letters),
        *_AFTER,
    ]
    sheets = [
        imports.Page(
            f"试题{number}" if len(pages) > 1 else "试题",
            [[line.cells.get(name, "") for name in columns] for line in lines],
            [
                (row, columns.index(name), content)
                for row, line in enumerate(lines)
                for name, content in line.pictures
            ],
        )
        for number, lines in enumerate(pages, 1)
    ]
    files = dict(package.open(imports.to_book([_header(name) for name in columns], sheets)).files)
    files[_PROPERTIES] = _WRITTEN_AT.sub(b">2000-01-01T00:00:00Z<", files[_PROPERTIES])
    return package.packed(files)


_PROPERTIES = "docProps/core.xml"
_WRITTEN_AT = re.compile(rb">\d{4}-\d\d-\d\dT[\d:.]+Z<")
"""Without the hour, the same items make the same bytes."""


def _header(name: str) -> str:
    if name.startswith("option "):
        return f"英文选项{name[7]}" if name.endswith(" en") else f"选项{name[7]}"
    return HEADERS[name][0]


# ---------------------------------------------------------------- items as lines


def _lines(item: Draft, group: str) -> Iterator[_Line]:
    """The rows of one item. Raises _Unfit."""
    if item.type not in SAID:
        raise _Unfit("type", _("A sheet cannot carry questions of this type: %(type)s.", type=TYPES[item.type].words if item.type in TYPES else item.type))  # fmt: skip
    shape, body, why = TYPES[item.type], as_map(item.body), as_map(item.rationale)
    if item.type == "CLOZE":
        yield _with_facts(_gapped(item), item)
        return
    reasons = as_list(why.get("asks"))
    for index, ask in enumerate(asks(item.type, body, item.key)):
        line = _Line({"type": SAID[item.type], "group": group})
        if index == 0:
            _with_facts(line, item)
        if shape.is_group:
            line.put("shared", body.get("stem"))
            if index == 0:
                line.put("shared why", {name: why.get(name) for name in ("zh", "en")})
                _pictures(line, "shared", body.get("media"), item)
            line.put("stem", ask.body.get("stem"))
            line.put("why", reasons[index] if index < len(reasons) else None)
            _pictures(line, "stem", ask.body.get("media"), item)
        else:
            line.put("stem", body.get("stem"))
            line.put("why", why)
            _pictures(line, "stem", body.get("media"), item)
        if item.type != "TF" and (index == 0 or not shape.shares_options):
            _options(line, ask, item)
        _answer(line, item.type, ask)
        yield line


def _with_facts(line: _Line, item: Draft) -> _Line:
    facts = {
        "code": item.code,
        "topic": item.topic,
        "tags": "；".join(item.tags),
        "difficulty": item.difficulty,
        "source": item.source,
    }
    line.cells |= {name: text for name, text in facts.items() if text}
    return line


def _pictures(line: _Line, column: str, media: object, item: Draft) -> None:
    for one in map(as_map, as_list(media)):
        content = item.media.get(str(one.get("key")))
        if one.get("kind") != "image" or content is None or not imports.is_picture(content):
            raise _Unfit("media", _("Its pictures, sounds or films are not at hand for a sheet."))
        line.pictures.append((column, content))
        for tongue, name in (("zh", "alt"), ("en", "alt en")):
            said = " ".join(str(as_map(one.get("alt")).get(tongue) or "").split()) or NO_WORDS
            line.cells[name] = f"{line.cells[name]}\n{said}" if name in line.cells else said


def _options(line: _Line, ask: Ask, item: Draft) -> None:
    options = [as_map(one) for one in as_list(ask.body.get("options"))]
    if len(options) > len(words.LETTERS):
        raise _Unfit("options", _("It has more options than there are letters."))
    for letter, one in zip(words.LETTERS, options, strict=False):
        line.put(f"option {letter}", one)
        _pictures(line, f"option {letter}", one.get("media"), item)
    line.cells["fixed"] = "".join(
        letter for letter, one in zip(words.LETTERS, options, strict=False) if one.get("fixed")
    )


# ---------------------------------------------------------------- answers


def _weights() -> _Unfit:
    return _Unfit("weights", _("A sheet cannot carry the shares that its answers earn."))


def _answer(line: _Line, kind: str, ask: Ask) -> None:
    """What is right, and how it is marked."""
    body, key, cells = ask.body, ask.key, line.cells
    if isinstance(body.get("marks"), int):
        cells["marks"] = str(body["marks"])
    letters = {
        str(as_map(one).get("id")): letter
        for one, letter in zip(as_list(body.get("options")), words.LETTERS, strict=False)
    }

    def named(ids: object) -> str:
        return "".join(letters[one] for one in as_list(ids))

    if key.get("weights") or body.get("scoring") == "weights":
        raise _weights()
    if kind == "TF":
        cells["answer"] = "对" if key.get("right") == "true" else "错"
        if set(letters) != {"true", "false"}:
            raise _Unfit(
                "options", _("A sheet knows only the options true and false for questions of this type.")
            )
    elif ask.kind == "choice":
        panel = as_map(key.get("panel"))
        cells["answer"] = (
            " ".join(f"{letters[one]}{count}" for one, count in panel.items())
            if panel
            else letters[key["right"]]
        )
    elif ask.kind == "multiple":
        cells["answer"] = "".join(sorted(named(key.get("right"))))
        cells |= {name: "".join(sorted(named(key.get(name)))) for name in ("must", "never") if key.get(name)}
        if kind == "X":
            cells["scoring"] = {"partial": "部分得分", "plus_minus": "±"}.get(
                str(body.get("scoring")), "全对得分"
            )
        if body.get("limit"):
            cells["limit"] = str(body["limit"])
    elif ask.kind == "order":
        cells["answer"] = named(key.get("order"))
        cells["scoring"] = {"places": "位置", "pairs": "相邻"}.get(str(body.get("scoring")), "全对得分")
    elif ask.kind == "number":
        _number(cells, body, key)
    elif ask.kind == "text":
        cells["answer"] = _forms(key)
    else:
        _rubric(line, body, key)


def _number(cells: dict[str, str], body: Mapping[str, Any], key: Mapping[str, Any]) -> None:
    units = as_list(body.get("units"))
    if (
        key.get("answers")
        or len(units) > 1
        or (units and units[0] != key.get("unit"))
        or (key.get("unit") and not units)
    ):
        raise _Unfit("number", _("A sheet carries one right value in one unit."))
    cells["answer"] = str(key["value"])
    width = fraction(str(key.get("tolerance", "0"))) or Fraction(0)
    said = written(width * 100 if key.get("relative") else width)
    if "/" in said:
        raise _Unfit("number", _("A sheet carries one right value in one unit."))
    cells["tolerance"] = f"{said}%" if key.get("relative") else said
    if units:
        cells["unit"] = str(units[0])


def _forms(key: Mapping[str, Any]) -> str:
    forms = [as_map(one) for one in as_list(key.get("accepted"))]
    if key.get("case") or any(fraction(one.get("share", "1")) != 1 for one in forms):
        raise _weights()
    texts = [str(one.get("text")) for one in forms]
    if any(sign in text for text in texts for sign in "|｜\n"):
        raise _Unfit("accepted", _("One of its accepted answers holds a sign that parts answers in a sheet."))
    return "|".join(texts)


def _gapped(item: Draft) -> _Line:
    """A text with gaps, all of which are filled with words."""
    body, key = as_map(item.body), as_map(item.key)
    parts = [as_map(one) for one in as_list(body.get("asks"))]
    if (
        any(set(part) != {"kind"} or part["kind"] != "text" for part in parts)
        or as_map(item.rationale).get("asks")
        or body.get("media")
    ):
        raise _Unfit("gaps", _("A sheet carries only gaps that are filled with words."))
    line = _Line({"type": SAID["CLOZE"]})
    line.put("stem", body.get("stem"))
    line.put("why", item.rationale)
    answers = [_forms(as_map(one)) for one in as_list(key.get("asks"))]
    if len(answers) > 1 and any(sign in text for text in answers for sign in ";；("):
        raise _Unfit("accepted", _("One of its accepted answers holds a sign that parts answers in a sheet."))
    line.cells["answer"] = "；".join(answers)
    return line


def _rubric(line: _Line, body: Mapping[str, Any], key: Mapping[str, Any]) -> None:
    rubric = [as_map(one) for one in as_list(key.get("rubric"))]
    if body.get("max_chars"):
        line.cells["longest"] = str(body["max_chars"])
    for tongue, column in (("zh", "answer"), ("en", "answer en")):
        texts = [str(one.get(tongue) or "") for one in rubric]
        if any("\n" in text for text in texts):
            raise _Unfit("rubric", _("A line of its rubric has more than one paragraph."))
        if any(texts):
            line.cells[column] = "\n".join(
                f"{text}（{one.get('marks')}分）" for text, one in zip(texts, rubric, strict=True)
            )
