"""What is right, as people write it in a cell or after 答案：, and the body that belongs to it."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lms.assessments.interchange import words
from lms.assessments.interchange.drafting import (
    Json,
    Refused,
    no_rubric,
    true_or_false,
    whole_rubric,
    with_media,
)
from lms.assessments.interchange.rows import Choice, Row
from lms.assessments.rules.items import TYPES, gaps
from lms.assessments.rules.items.numbers import fraction, number, written
from lms.assessments.rules.items.units import unit_parts
from lms.core.i18n import _


@dataclass(frozen=True)
class Made:
    """Body (without stem and media) and key of one thing that is asked."""

    kind: str
    """The item's type; of a group, the kind of the ask."""
    stem: Mapping[str, str]
    body: Json
    key: Json


def kind_of(row: Row) -> str:
    """The type of a row: as the file says, or as its options and its answer tell. Raises Refused where nothing tells."""
    if row.type == words.CHOICE:
        return "X" if len(words.letters_of(row.answer) or ()) > 1 else "A1"
    if row.type:
        return row.type
    if row.said_type:
        raise Refused("unknown_type", _("“%(type)s” is no type of question that is known here.", type=row.said_type[:40]), part="type")  # fmt: skip
    if row.options:
        letters = words.letters_of(row.answer)
        if words.truth(row.answer) is not None and letters is None:
            return "TF"
        return "X" if letters and len(letters) > 1 else "A1"
    if words.truth(row.answer) is not None:
        return "TF"
    raise Refused(
        "unknown_type", _("Say of what type the question is, such as 单选题, 填空题 or 简答题."), part="type"
    )


def made(row: Row, kind: str, stem: Mapping[str, str]) -> Made:
    """What is asked in a row, as an item of the type ``kind`` (or an ask of that kind) keeps it. Raises Refused."""
    if kind == words.CALCULATION:
        kind = "NUM" if words.measured(row.answer) else "ESSAY"
    if kind == words.BLANKS:
        return _filled_in(row, stem)
    if kind == "CLOZE":
        return _gapped(row, stem, _gap_count(stem))
    if kind in {"MATCH", "GAP", "HOTSPOT", "SLIDER", "DOSE", "UPLOAD", "OSCE"}:
        raise Refused("not_in_sheet", _("Questions of this type cannot be read from tables and documents: %(type)s.", type=TYPES[kind].words), part="type")  # fmt: skip
    ask = TYPES[kind].kind if kind in TYPES else kind
    body, key = {
        "choice": _choice,
        "multiple": _multiple,
        "order": _order,
        "number": _number,
        "text": _text,
        "essay": _essay,
    }[ask](row, kind)
    unit = body.pop("stem_unit", "")
    if unit:
        stem = {
            name: f"{text}（单位：{unit}）" if name == "zh" else f"{text} ({unit})"
            for name, text in stem.items()
        }
    return Made(kind, stem, body, key)


# ---------------------------------------------------------------- options

_STAYS = re.compile(
    r"(?:以上|上述)(?:都|均|全|各项)|(?:都|均)(?:不|是|对|正确)$|none of the above|all of the above",
    re.IGNORECASE,
)


def options_of(options: Sequence[Choice], fixed: str | None) -> list[Json]:
    """Options as an item keeps them. ``fixed``: letters of those that keep their place; None: "all of the above" does."""
    stay = set(words.letters_of(fixed) or ()) if fixed is not None else None
    found: list[Json] = []
    for one in options:
        option: Json = {"id": one.letter.lower(), **one.text}
        is_fixed = one.letter in stay if stay is not None else one is options[-1] and any(_STAYS.search(text) for text in one.text.values())  # fmt: skip
        found.append(with_media({**option, "fixed": True} if is_fixed else option, one.media))
    return found


def _options(row: Row) -> list[Json]:
    if len(row.options) < 2:
        raise Refused("no_options", _("The options are missing."), part="options")
    return options_of(row.options, row.more.get("fixed"))


def _no_key(row: Row) -> Refused:
    if not row.answer.strip():
        return Refused("no_key", _("The answer is missing."), part="answer")
    return Refused("no_key", _("The answer “%(text)s” names no option of this question.", text=row.answer.strip()[:40]), part="answer")  # fmt: skip


def _named(row: Row, said: str, *, part: str = "answer") -> list[str]:
    """The letters that a cell names: as letters, as numbers of options, as the text of one option. Raises Refused."""
    known = [one.letter for one in row.options]
    found = words.sequence_of(said)
    if found is None and (counted := words.numbers_of(said)) and max(counted) <= len(known):
        found = [known[number - 1] for number in counted]
    if found is None or not set(found) <= set(known):
        plain = words.normal(said).casefold()
        same = [
            one.letter
            for one in row.options
            if plain in {words.normal(text).casefold() for text in one.text.values()}
        ]
        lettered = re.match(r"([A-Z])\s*[.、:)]", words.normal(said))
        found = same or ([lettered[1]] if lettered and lettered[1] in known else None)
    if not found:
        raise _no_key(row) if part == "answer" else Refused("no_key", _("“%(text)s” names no option of this question.", text=said[:40]), part=part)  # fmt: skip
    return found


def _choice(row: Row, kind: str) -> tuple[Json, Json]:
    if kind == "TF":
        return {"options": true_or_false()}, {"right": "true" if _verdict(row) else "false"}
    options = _options(row)
    if kind == "SCT":
        return {"options": options}, {"panel": _panel(row)}
    letters = _named(row, row.answer)
    if len(letters) != 1:
        message = _(
            "One answer is wanted here, and %(n)s are given; is it a multiple-answer question?",
            n=len(letters),
        )
        raise Refused("several_keys", message, part="answer")
    return {"options": options}, {"right": letters[0].lower()}


def _verdict(row: Row) -> bool:
    found = words.truth(row.answer)
    if row.options and (found is None or words.letters_of(row.answer)):
        chosen = words.letters_of(row.answer) or [""]
        texts = next((one.text for one in row.options if one.letter == chosen[0]), {})
        found = next((verdict for text in texts.values() if (verdict := words.truth(text)) is not None), None)
    if found is None:
        raise Refused("no_key", _("Write 对 or 错, √ or ×, true or false."), part="answer")
    return found


def _panel(row: Row) -> Json:
    counts = {
        one[0].lower(): int(one[1])
        for one in re.findall(r"([A-Z])\D{0,3}(\d{1,3})", words.normal(row.answer).upper())
    }
    if not counts:
        raise Refused("panel", _("Say how many of the panel chose each option: A1 B2 C7."), part="answer")
    return counts


_SCORINGS = (
    ("all", r"all|全对|全部|完全|不得分"),
    ("partial", r"partial|部分|漏选|少选"),
    ("plus_minus", r"plus|±|\+1|正负"),
    ("places", r"places|位置"),
    ("pairs", r"pairs|相邻"),
)


def _scoring(row: Row, among: Sequence[str]) -> str:
    said = words.normal(row.said("scoring")).lower()
    if not said:
        return "all"
    found = next((code for code, pattern in _SCORINGS if code in among and re.search(pattern, said)), "")
    if not found:
        raise Refused(
            "scoring",
            _("“%(text)s” is no way of giving marks that is known here.", text=said[:40]),
            part="scoring",
        )
    return found


def _multiple(row: Row, kind: str) -> tuple[Json, Json]:
    body: Json = {"options": _options(row)}
    key: Json = {"right": [letter.lower() for letter in sorted(_named(row, row.answer))]}
    if limit := words.normal(row.said("limit")):
        if not (limit.isascii() and limit.isdigit() and len(limit) < 3):
            raise Refused("limit", _("“%(text)s” is no whole number.", text=limit[:20]), part="limit")
        body["limit"] = int(limit)
    if kind == "KF":
        for role in ("must", "never"):
            if row.said(role):
                key[role] = [letter.lower() for letter in sorted(_named(row, row.said(role), part=role))]
    elif kind == "X":
        body["scoring"] = _scoring(row, ("all", "partial", "plus_minus"))
    return body, key


def _order(row: Row, _kind: str) -> tuple[Json, Json]:
    options = _options(row)
    letters = [letter.lower() for letter in _named(row, row.answer)]
    if sorted(letters) != sorted(one["id"] for one in options):
        raise Refused("no_key", _("The right order holds every option once."), part="answer")
    return {"options": options, "scoring": _scoring(row, ("all", "places", "pairs"))}, {"order": letters}


# ---------------------------------------------------------------- words and numbers


def _gap_count(stem: Mapping[str, str]) -> int:
    return max((len(gaps(text)) for text in stem.values()), default=0)


def _filled_in(row: Row, stem: Mapping[str, str]) -> Made:
    """A short answer; with several blanks, a text with gaps."""
    if count := _gap_count(stem):
        return _gapped(row, stem, count)
    count = max((len(words.BLANK.findall(text)) for text in stem.values()), default=0)
    if count > 1:
        return _gapped(row, {name: _numbered(text) for name, text in stem.items()}, count, divides=True)
    return Made("SHORT", stem, {}, {"accepted": _accepted(row, row.answer, divides=True)})


def _numbered(text: str) -> str:
    """A text with ``[[1]]``, ``[[2]]``… in its blanks."""
    places = itertools.count(1)
    return words.BLANK.sub(lambda _blank: f"[[{next(places)}]]", text)


def _gapped(row: Row, stem: Mapping[str, str], count: int, *, divides: bool = False) -> Made:
    parts = [row.answer] if count == 1 else words.blank_answers(row.answer, count)
    if not parts:
        raise Refused(
            "blanks", _("The text has %(n)s blanks; part their answers with ；.", n=count), part="answer"
        )
    keys = [{"accepted": _accepted(row, part, divides=divides)} for part in parts]
    return Made(
        "CLOZE", stem, {"reveal": "all", "asks": [{"kind": "text"} for _part in parts]}, {"asks": keys}
    )


def _text(row: Row, _kind: str) -> tuple[Json, Json]:
    return {}, {"accepted": _accepted(row, row.answer)}


def _accepted(row: Row, said: str, *, divides: bool = False) -> list[Json]:
    """The accepted forms. ``divides``: an 或 parts them, as it mostly does where people write keys by hand."""
    forms, is_guess = words.alternatives(said, divides=divides)
    if not forms:
        raise Refused("no_key", _("The answer is missing."), part="answer")
    if is_guess:
        row.reviews.append(_("The accepted answers were taken apart at 或: is each of them right by itself?"))
    return [{"text": form} for form in forms]


def _number(row: Row, _kind: str) -> tuple[Json, Json]:
    found = words.measured(row.answer)
    if found is None:
        said = row.answer.strip()[:40]
        message = (
            _("“%(text)s” is no number that is understood.", text=said)
            if said
            else _("The answer is missing.")
        )
        raise Refused("number" if said else "no_key", message, part="answer")
    value, margin, is_relative, unit = found
    key = _with_tolerance(row, value, margin, is_relative=is_relative)
    unit = row.said("unit") or unit
    if not unit:
        return {"units": []}, key
    if unit_parts(unit) is None:
        return {"units": [], "stem_unit": unit}, key
    return {"units": [unit]}, {**key, "unit": unit}


def _with_tolerance(row: Row, value: str, margin: str, *, is_relative: bool) -> Json:
    """Value and tolerance, exact; a range is its middle with half its width."""
    low, dots, high = value.partition("..")
    first, last = fraction(low), fraction(high) if dots else None
    if first is None or (dots and last is None):
        raise Refused(
            "number", _("“%(text)s” is no number that is understood.", text=value[:40]), part="answer"
        )
    if last is not None:
        low_end, high_end = sorted((first, last))
        return {"value": written((low_end + high_end) / 2), "tolerance": written((high_end - low_end) / 2)}
    said = words.normal(row.said("tolerance")).removeprefix("±")
    if said:
        is_relative, margin = said.endswith("%"), said.removesuffix("%").strip()
    width = number(margin)
    if width is None or width < 0:
        raise Refused(
            "tolerance", _("“%(text)s” is no tolerance: write 0.5 or 5%%.", text=said[:20]), part="tolerance"
        )
    if is_relative:
        return {"value": low, "tolerance": written(width / 100), "relative": True}
    return {"value": low, "tolerance": written(width)}


_LINE_MARKS = re.compile(r"(.*?)[（(\[【]?\s*(\d{1,3})\s*分\s*[)）\]】]?\s*[。;；]?", re.DOTALL)


def _essay(row: Row, _kind: str) -> tuple[Json, Json]:
    """A rubric of one line for each line of the answer that says its marks; else one line for the whole."""
    longest = words.normal(row.said("longest"))
    body: Json = {
        "max_chars": int(longest) if longest.isascii() and longest.isdigit() and len(longest) < 6 else 2_000
    }
    if not row.answer.strip() and row.answer_en.strip():
        row.answer, row.answer_en, row.tongue = row.answer_en, "", "en"
    if not row.answer.strip():
        row.reviews.append(no_rubric())
        return body, {"rubric": whole_rubric()}
    lines = [line.strip() for line in row.answer.split("\n") if line.strip()]
    english = [line.strip() for line in row.answer_en.split("\n") if line.strip()]
    marked = [_LINE_MARKS.fullmatch(line) for line in lines]
    tongue = row.tongue
    if all(one is not None and one[1].strip() for one in marked):
        rubric = [
            {"id": f"c{index}", tongue: one[1].strip(), "marks": int(one[2])}
            for index, one in enumerate(marked, 1)
            if one
        ]
    else:
        said = re.fullmatch(r"(\d{1,3})(?:\.0+)?\s*分?", words.normal(row.said("marks")))
        rubric = [
            {"id": "c1", tongue: row.answer.strip(), "marks": int(said[1]) if said and int(said[1]) else 1}
        ]
        english = [row.answer_en.strip()] if row.answer_en.strip() else []
    for line, text in zip(rubric, english, strict=False):
        shown = _LINE_MARKS.fullmatch(text) if len(rubric) > 1 else None
        line["en"] = shown[1].strip() if shown else text
    return body, {"rubric": rubric}
