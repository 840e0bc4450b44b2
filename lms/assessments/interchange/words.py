"""The words of Chinese question files: types, answers, options in a line, blanks, measured values."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_FOLD = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ",
    0x2002: " ",
    0x2003: " ",
    0xA0: " ",
}
_FOLD |= {ord("〔"): "[", ord("〕"): "]", ord("［"): "[", ord("］"): "]", ord("。"): "。"}


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Full-width signs as the common ones, sign for sign, so that places in both texts are the same."""
    return text.translate(_FOLD)


def normal(text: str) -> str:
    """NFKC, without white space at the ends: full-width letters, digits and signs become the common ones."""
    return unicodedata.normalize("NFKC", text).strip()


# ---------------------------------------------------------------- types

CALCULATION = "CALC"
"""A calculation: a number if its answer is one, else worked out in writing and marked by people."""
BLANKS = "BLANKS"
"""Blanks to be filled: a short answer, or with several blanks a text with gaps."""

CHOICE = "CHOICE"
"""Options without a word whether one or several are right: the answer tells."""

_TYPE_WORDS: Sequence[tuple[str, str]] = (
    ("CASE", r"案例(?:分析)?|病例分析|病案分析|case ?(?:analysis|study)|case"),
    ("EMQ", r"扩展配伍|扩展匹配|emq|extended matching"),
    ("SCT", r"脚本一致|sct|script concordance"),
    ("KF", r"关键特征|关键决策|kf|key[ -]?features?"),
    ("CLOZE", r"cloze|完形填空"),
    ("A1", r"a1\s*[/、,和与及-]?\s*a2"),
    ("A3", r"a3\s*[/、,和与及-]?\s*a4|a3|病例组|共用题干(?:单选|选择)?|材料题|组合题|题组"),
    ("A4", r"a4|病例串"),
    ("A2", r"a2|病例摘要"),
    ("A1", r"a1|a型|单句型"),
    ("B1", r"b1|b型|配伍|共用(?:备选)?(?:答案|选项)"),
    ("X", r"x型|x|多选|多项选择|多项|不定项|复选|multiple[ -]?(?:answers?|responses?|selections?|select|correct)|multi[ -]?select|checkbox|multiple"),
    ("TF", r"判断|是非|对错|true\s*(?:/|or)?\s*false|tf|t/f|judge?ment|boolean"),
    ("SHORT", r"短答|short[ -]?answers?"),
    (BLANKS, r"填空|填充|fill[ -]?in(?:[ -]?the[ -]?blanks?)?|blanks?"),
    ("ESSAY", r"简答|问答|论述|名词解释|主观|简述|综合(?:应用)?题|essay|open(?:[ -]?ended)?"),
    (CALCULATION, r"计算|calculation"),
    ("NUM", r"数值|数字|num(?:ber|eric(?:al)?)?"),
    ("ORDER", r"排序|排列|order(?:ing)?|sequenc(?:e|ing)"),
    ("MATCH", r"匹配|连线|match(?:ing)?"),
    ("A1", r"单选|单项选择|单项|最佳选择|single[ -]?(?:choice|answers?|select|best answer|correct)?|radio|sba"),
    (CHOICE, r"选择|mcq|choice"),
)  # fmt: skip
_TYPES = [(code, re.compile(pattern)) for code, pattern in _TYPE_WORDS]
_MULTIPLE_CHOICE = re.compile(r"multiple[ _-]?choices?")
_BRACKETED = re.compile(r"[(\[【《].*?[)\]】》]")


@lru_cache(maxsize=4096)
def type_of(text: str) -> str:
    """The code of a type as people write it (``A1型题``, ``二、多选题（每题2分）``, ``True/False``); empty if it is none."""
    whole = re.sub(r"[*_#]", " ", normal(text).lower())
    plain = _BRACKETED.sub(" ", whole)
    plain = plain if re.search(r"\w", plain) else re.sub(r"[(\[【《)\]】》]", " ", whole)
    plain = re.sub(r"^\s*(?:第?[一二三四五六七八九十\d]+(?:部分|大题|章)?\s*[、.:]\s*)+", "", plain).strip()
    if not plain or len(plain) > 30:
        return ""
    if _MULTIPLE_CHOICE.search(plain):
        return CHOICE
    for code, pattern in _TYPES:
        if any(_is_word(plain, found.start(), found.end()) for found in pattern.finditer(plain)):
            return code
    return ""


def _is_word(text: str, start: int, end: int) -> bool:
    """Whether Latin letters at the ends of a find are not in the middle of a longer word."""
    before, first, last, after = text[start - 1 : start], text[start], text[end - 1], text[end : end + 1]
    return not (re.match(r"[a-z0-9]{2}", before + first) or re.match(r"[a-z0-9]{2}", last + after))


# ---------------------------------------------------------------- answers

_TRUE = (
    "正确",
    "对的",
    "对",
    "√",
    "✓",
    "✔",
    "☑",
    "是",
    "true",
    "yes",
    "right",
    "correct",
    "t",
    "y",
    "v",
    "r",
    "1",
)
_FALSE = ("错误", "不正确", "不对", "错的", "错", "×", "✗", "✘", "✕", "✖", "╳", "否", "非", "false", "no", "wrong", "incorrect", "f", "n", "x", "w", "0")  # fmt: skip
_BY_TRUTH = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)


def truth(text: str) -> bool | None:
    """What an answer to a true-or-false question says; None if it says neither."""
    return _BY_TRUTH.get(normal(text).lower().replace("\ufe0f", "").strip(" .。;；()[]【】"))


def letters_of(text: str) -> list[str] | None:
    """The letters of an answer such as ``ABD``, ``A,B,D``, ``A、B``, ``A；B`` or ``A B``, sorted; None if it is something else."""
    found = sequence_of(text)
    return None if found is None else sorted(found)


def sequence_of(text: str) -> list[str] | None:
    """The letters of an answer in the order in which they stand: ``B-A-D-C``, ``B→A``; None if it is something else."""
    plain = re.sub(r"^(?:(?:正确|参考|标准)?答案|选项|选)\s*[:]?|\(\d{2,4}\)", "", normal(text).upper())
    plain = re.sub(r"[\s,、;；，/|和与及&+.。\-→>()\[\]【】\"'“”]", "", plain)
    if not plain or not all(sign in LETTERS for sign in plain) or len(set(plain)) != len(plain):
        return None
    return list(plain)


def numbers_of(text: str) -> list[int] | None:
    """The options an answer counts instead of naming them: ``2``, ``1,3``, ``②①③``; None if it is something else."""
    parts = [part for part in re.split(r"[\s,、;；/|\-→>]+", normal(" ".join(_parted(text)))) if part]
    if not parts or not all(part.isascii() and part.isdigit() and len(part) <= 2 for part in parts):
        return None
    found = [int(part) for part in parts]
    return found if len(set(found)) == len(found) and all(found) else None


def _parted(text: str) -> list[str]:
    return re.findall(r"[\u2460-\u2473]|[^\u2460-\u2473]+", text)


def key_and_reason(text: str) -> tuple[str, str]:
    """An answer line as its key and what follows as the reason: ``D（皮内注射）``, ``A 解析：…``, ``错误。应为…``."""
    plain = fold(text).strip()
    if found := re.search(r"[【\[]?\s*(?:答案)?(?:解析|分析|解释)\s*[】\]]?\s*:?\s*", plain):
        head, tail = text.strip()[: found.start()], text.strip()[found.end() :]
        key, more = key_and_reason(head)
        return key, "\n".join(part for part in (more, tail.strip()) if part)
    shown = text.strip()
    verdicts = "|".join(re.escape(word) for word in (*_TRUE[:9], *_FALSE[:13], "T", "F"))
    for pattern in (r"[A-Z](?:[\s,、;/]*[A-Z])*", verdicts):
        if (found := re.match(rf"({pattern})\s*(?=[(\[,。;:.]|\Z)", plain)) and found.end() < len(plain):
            rest = shown[found.end() :].strip()
            if len(rest) > 1 and re.search(r"[\u4e00-\u9fff]", rest):
                inner = re.fullmatch(r"[(（\[](.*)[)）\]][。.]?", rest, re.DOTALL)
                return shown[: found.end()].strip(), (
                    inner[1] if inner else rest.lstrip("。.,，;；:： ")
                ).strip()
    return shown, ""


# ---------------------------------------------------------------- options in a line


def marker(letter: str) -> str:
    """What stands before an option in folded text: ``A.``, ``A、``, ``(A)``, ``【A】``, ``A ``, also after a star."""
    either = f"[{letter}{letter.lower()}]"
    return rf"\*?\s*(?:[(\[【]\s*{either}\s*[)\]】]\s*[.、:]?|{either}\s*[.、:)]|{letter}(?=[ \t]+\S))\s*"


def _inline(letter: str) -> re.Pattern[str]:
    """The marker of a later option of the same line."""
    return re.compile(
        rf"(?:(?<=\s)|(?<=[。;；])){marker(letter)}|(?<![A-Za-z0-9、,/和与及\s])(?:\*?[(\[【]{letter}[)\]】]|{letter}\s*[.:)]|{letter}、)\s*"
    )


class Part(NamedTuple):
    """One option of a line."""

    letter: str
    text: str
    at: int
    """Where its text begins in the line."""
    is_starred: bool = False


def options_in(text: str, begin: int = 0) -> list[Part]:
    """Options that stand in one line from the letter number ``begin``; none if the line begins otherwise."""
    plain = fold(text)
    first = re.match(rf"\s*{marker(LETTERS[begin])}", plain) if begin < 26 else None
    if first is None:
        return []
    marks = [(first.start(), first.end())]
    for letter in LETTERS[begin + 1 :]:
        found = _inline(letter).search(plain, marks[-1][1])
        if found is None:
            break
        marks.append((found.start(), found.end()))
    ends = [start for start, _stop in marks[1:]] + [len(text)]
    parts = [
        Part(LETTERS[begin + index], text[stop:end].strip(" \t\n;；"), stop, "*" in plain[start:stop])
        for index, ((start, stop), end) in enumerate(zip(marks, ends, strict=True))
    ]
    if len(parts) > 1 and any(not part.text for part in parts):
        return [parts[0]._replace(text=text[parts[0].at :].strip(" \t\n;；"))]
    return parts


def lettered(text: str, letter: str) -> str | None:
    """The text after its own letter (``A. text``); None if it does not begin with it."""
    found = re.match(rf"\s*[(\[【]?\s*{letter}\s*(?:[)\]】]\s*[.、:]?|[.、:)])\s*", fold(text))
    return text[found.end() :] if found and found.end() < len(text) else None


def split_options(text: str) -> list[tuple[str, str]]:
    """Letters and texts of options that stand in one cell: in lines or side by side, with letters or without."""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    found: list[tuple[str, str]] = []
    for line in lines:
        more = options_in(line, len(found))
        if more:
            found += [(part.letter, part.text) for part in more]
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        else:
            break
    if len(found) > 1:
        return found
    for mark in ("\n", "|", "｜", ";", "；", "$$", "###"):
        parts = [part.strip() for part in text.split(mark) if part.strip()]
        if 2 <= len(parts) <= 26:
            return list(zip(LETTERS, parts, strict=False))
    return []


# ---------------------------------------------------------------- blanks and measured values

BLANK = re.compile(r"_{2,}|＿+|﹍+|[(（][\s_　]*[)）]|【[\s_　]*】|\[\s+\]")


def blank_answers(text: str, count: int) -> list[str] | None:
    """The answers for ``count`` blanks; None where they cannot be told apart."""
    plain = text.strip()
    bracketed = re.findall(r"[(（\[【]([^()（）\[\]【】]+)[)）\]】]", plain)
    outside = re.sub(r"[(（\[【][^()（）\[\]【】]+[)）\]】]|[\s,，、;；]", "", plain)
    if len(bracketed) == count and not outside:
        return [part.strip() for part in bracketed]
    for mark in (r"\n", r"[;；]", r"#+", r"[、,，]", r"\s+"):
        parts = [
            re.sub(r"^(?:[(（]?\d{1,2}[)）]?[.、:：)）．]|[①-⑳])\s*", "", part.strip())
            for part in re.split(mark, plain)
        ]
        parts = [part for part in parts if part]
        if len(parts) == count:
            return parts
    return None


def alternatives(text: str, *, divides: bool = False) -> tuple[list[str], bool]:
    """The accepted forms of one blank, parted by ``|``, and whether they were taken apart at 或 (``divides``), which may mean something else."""
    parts = [part.strip() for part in re.split(r"[|｜]", text) if part.strip()]
    if divides and len(parts) == 1:
        again = [part.strip() for part in re.split(r"[，,]?(?:或者|或)", parts[0]) if part.strip()]
        return again, len(again) > 1
    return parts, False


_VALUE = r"[+\-−]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?(?:/\d+)?"
_MEASURED = re.compile(
    rf"(?:约|=|≈)?\s*({_VALUE})\s*(?:(±|\+/-|\+-)\s*(\d+(?:\.\d+)?)\s*(%)?|(?:~|-|–|—|至|到)\s*({_VALUE}))?\s*(\D.{{0,20}})?"
)


def measured(text: str) -> tuple[str, str, bool, str] | None:
    """``12.5±0.5 mg`` as value, tolerance, whether the tolerance is a part of the value, and unit; a range as its two ends.

    A range comes back as value ``low..high`` without tolerance. None if the text is no number.
    """
    plain = normal(text).replace("−", "-").replace(",", "").rstrip("。")
    found = _MEASURED.fullmatch(plain)
    if found is None:
        return None
    value, _sign, margin, percent, high, unit = found.groups()
    shown = (unit or "").strip()
    if high is not None:
        return f"{value}..{high}", "", False, shown
    return value, margin or "0", bool(percent), shown
