"""What the lines of a Chinese question paper are: headings, cases, questions, options, keys. Full and half width alike."""

import re
from dataclasses import dataclass, field

from lms.assessments.interchange import words
from lms.assessments.interchange.docx_parts import Shown
from lms.assessments.interchange.words import fold

_CHINESE = "一二三四五六七八九十"


@dataclass(frozen=True)
class Section:
    """A heading that gives the type of what follows."""

    index: int = 0
    said: str = ""
    code: str = ""
    marks: str = ""
    topic: str = ""


@dataclass
class Option:
    """One option while it is read."""

    letter: str
    text: str
    number: int
    """Of its paragraph."""
    is_starred: bool = False
    marks: int = 0
    """How all of it is marked: docx_parts.RED and the others."""
    pictures: list[Shown] = field(default_factory=list)


@dataclass(eq=False)
class Asked:
    """One question while it is read."""

    place: int
    number: int | None
    section: Section
    stem: list[str] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    key: list[str] | None = None
    """What follows 答案：; None: nothing has said it."""
    why: list[str] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    zone: str = "stem"
    """Where the next line belongs that says nothing of itself: ``stem``, ``options``, ``key`` or ``why``."""
    has_weak_key: bool = False
    points: int = 0
    """Numbered points of an answer that were read."""

    @property
    def is_open(self) -> bool:
        """Whether it has neither options nor a key yet."""
        return not self.options and self.key is None and not self.why

    @property
    def awaits_words(self) -> bool:
        """Whether its answer is written in words, so that it may have numbered points."""
        return not self.options and self.section.code not in {"TF", "A1", "A2", "X"}


@dataclass(eq=False)
class Group:
    """Questions that share a case or options while they are read."""

    place: int
    section: Section
    code: str = ""
    shared: list[str] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    span: tuple[int, int] | None = None
    """Numbers of its first and last question, where the file says them."""
    shares_options: bool = False
    pending: list[str] = field(default_factory=list)
    """New information that stands before the next question."""

    style: str = ""
    """How its questions are numbered; one that is numbered otherwise does not belong to it."""

    def takes(self, number: int | None, style: str) -> bool:
        """Whether a question of this number belongs to it."""
        if self.span is not None and number is not None:
            return self.span[0] <= number <= self.span[1] or (
                number <= len(self.asked) + 1 <= self.span[1] - self.span[0] + 1
            )
        if self.span is not None:
            return len(self.asked) < self.span[1] - self.span[0] + 1
        self.style = self.style or style
        return self.style == style


# ---------------------------------------------------------------- lines

_STEM = re.compile(
    r"\s*(?:(?P<open>[(\[【])\s*(?P<inner>\d{1,4})\s*[)\]】]\s*[.、:]?"
    r"|第\s*(?P<named>\d{1,4})\s*题\s*[:.、]?|(?P<plain>\d{1,4})\s*(?P<mark>[.、:)]))\s*"
)


@dataclass(frozen=True)
class Numbered:
    """A line that begins with a number."""

    number: int
    rest: str
    is_bracketed: bool
    is_doubtful: bool
    """Whether the number may be the first part of a decimal: ``1.5``."""


def numbered(text: str) -> Numbered | None:
    """The number with which a line begins, and what follows; None if it begins otherwise."""
    plain = fold(text)
    found = _STEM.match(plain)
    if found is None:
        return None
    number = int(found["inner"] or found["named"] or found["plain"])
    rest = text[found.end() :].strip()
    doubtful = found["mark"] == "." and bool(re.match(r"\d", plain[found.end("mark") :]))
    return Numbered(number, rest, found["open"] is not None, doubtful)


_GROUP = re.compile(
    r"\s*[(\[【]?\s*第?\s*(\d{1,4})\s*(?:题)?\s*(?:[~\-–—〜至到]+|、)\s*第?\s*(\d{1,4})\s*(?:小题|题|问)?\s*[,、]?\s*(?:为|是)?\s*"
    r"(?:共用|共同|公用|合用|基于|根据)(?:同一个?|以下|下列|下面的?)?(题干|病例|案例|材料|资料|备选答案|答案|选项)[^)\]】:]{0,12}[)\]】]?\s*[:]?\s*"
)
_GROUP_BARE = re.compile(
    r"\s*[(\[【]?\s*(?:共用|共同|公用)(题干|病例|案例|材料|备选答案|答案|选项)\s*[)\]】]?\s*[:]?\s*"
    r"(?:[(\[【]\s*第?\s*(\d{1,4})\s*(?:[~\-–—〜至到]+|、)\s*(\d{1,4})\s*题?\s*[)\]】]\s*[:]?\s*)?"
)
_CASE = re.compile(
    rf"\s*[(\[【]?\s*(?:案例|病例|病案|案例分析题)\s*([{_CHINESE}\d]{{1,3}})\s*[)\]】]?\s*[:.、]?\s*(?!题)"
)
_ASK = re.compile(
    rf"\s*[(\[【]?\s*(?:(?:提问|问题|设问)\s*([{_CHINESE}\d]{{1,3}})|第\s*([{_CHINESE}\d]{{1,3}})\s*问)\s*[)\]】]?\s*[:.、]\s*"
)
_HINT = re.compile(r"\s*[(\[【]?\s*提示\s*(?:[)\]】]\s*:?|:)\s*")
_REPLY = re.compile(r"\s*答\s*:\s*(?=\S)")
_KEY = re.compile(
    r"\s*[(\[【<]?\s*(?:(?:正确|参考|标准|对的)?答案(?:[及与和]\s*(?:解析|详解|分析|评分标准))?|正确选项|answer|correct answer|key)\s*[)\]】>]?\s*(?P<colon>[:：])?\s*",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"\s*(?:本题思路\s*:?\s*)?[(\[【]?\s*(?:(?:答案|试题|题目|考点)?(?:解析|详解|分析)|解题思路|本题思路|explanation|rationale)\s*(?:[)\]】]\s*:?|:)\s*",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\s*(?P<open>[(\[【])?\s*(?P<name>难度系数|难易度|难易程度|难度|知识点|考点|章节|学科|科目|分值|分数|score|依据|出处|来源|参考文献|标签|关键词|题型|试题编号|编号|误差|单位)"
    r"\s*(?:(?P<colon>:)\s*(?P<inner>[^)\]】]*?)\s*(?P<close>[)\]】])|[)\]】]\s*:?\s*(?P<after>.*)|:\s*(?P<rest>.*))\s*",
    re.IGNORECASE,
)
_MORE_NAMES = {
    "难度": "difficulty", "难度系数": "difficulty", "难易度": "difficulty", "难易程度": "difficulty", "知识点": "topic", "考点": "topic", "章节": "topic",
    "学科": "tags", "科目": "tags", "分值": "marks", "分数": "marks", "score": "marks", "依据": "source", "出处": "source", "来源": "source",
    "参考文献": "source", "标签": "tags", "关键词": "tags", "题型": "type", "试题编号": "code", "编号": "code", "误差": "tolerance", "单位": "unit",
}  # fmt: skip


@dataclass(frozen=True)
class Heading:
    """A line that begins a group, a question of a case, a key…"""

    rest: str
    span: tuple[int, int] | None = None
    shares_options: bool = False
    number: int | None = None
    has_colon: bool = False
    is_weak: bool = False
    """A reply that a later key replaces: ``答：``."""


def group_heading(text: str) -> Heading | None:
    """``(1～3题共用题干)``, ``【共用备选答案】`` and what follows in the line."""
    plain = fold(text)
    if found := _GROUP.match(plain):
        low, high = int(found[1]), int(found[2])
        span = (low, high) if low < high <= low + 30 else None
        return Heading(text[found.end() :].strip(), span, found[3] in {"备选答案", "答案", "选项"})
    if (found := _GROUP_BARE.match(plain)) and found.end() > 0:
        span = (int(found[2]), int(found[3])) if found[2] and int(found[2]) < int(found[3]) else None
        rest = text[found.end() :].strip()
        is_sentence = found[0].strip()[-1:] not in ")]】:" and rest
        return None if is_sentence else Heading(rest, span, found[1] in {"备选答案", "答案", "选项"})
    return None


def case_heading(text: str) -> Heading | None:
    """``案例一：…``, ``【病例2】…`` and what follows."""
    found = _CASE.match(fold(text))
    if found is None or (not re.search(r"[)\]】:.、\s]\Z", found[0]) and found.end() < len(text)):
        return None
    return Heading(text[found.end() :].strip(), number=number_of(found[1]))


def ask_heading(text: str) -> Heading | None:
    """``提问1：…``, ``第2问：…`` and what follows."""
    found = _ASK.match(fold(text))
    return (
        None
        if found is None
        else Heading(text[found.end() :].strip(), number=number_of(found[1] or found[2]))
    )


def hint(text: str) -> str | None:
    """New information for the next question: what follows 提示：."""
    found = _HINT.match(fold(text))
    return None if found is None else text[found.end() :].strip()


def key_line(text: str) -> Heading | None:
    """What follows 答案：; also after the number of its question."""
    plain = fold(text)
    before = re.match(r"\s*\d{1,4}\s*[.、]\s*(?=[【\[(]?\s*(?:正确|参考|标准)?答案)", plain)
    start = before.end() if before else 0
    found = _KEY.match(plain, start)
    if found is None:
        reply = _REPLY.match(plain)
        return Heading(text[reply.end() :].strip(), is_weak=True, has_colon=True) if reply else None
    is_marked = found["colon"] is not None or re.match(r"\s*[(\[【<]", plain[start:]) is not None
    rest = text[found.end() :].strip()
    is_short = len(rest) <= 12 and (words.letters_of(rest) is not None or words.truth(rest) is not None)
    if not is_marked and rest and not is_short and not key_tokens(rest):
        return None
    return Heading(rest, has_colon=is_marked, number=int(plain[:start].strip(" .、\t")) if before else None)


def is_numbered_key(text: str) -> bool:
    """``1.【答案】A``."""
    found = numbered(text)
    return found is not None and key_line(found.rest) is not None


def why_line(text: str) -> str | None:
    """What follows 解析：."""
    found = _WHY.match(fold(text))
    if found is None:
        return None
    rest = text[found.end() :].strip()
    again = _WHY.match(fold(rest))  # 本题思路:[解析]
    return rest[again.end() :].strip() if again else rest


def more_line(text: str) -> tuple[str, str] | None:
    """``难度：中``, ``【考点】黄疸``, ``【score:2 分】`` as the name of a column and what it says."""
    found = _MORE.fullmatch(fold(text))
    if found is None:
        return None
    part = next(name for name in ("inner", "after", "rest") if found[name] is not None)
    said = text[found.start(part) : found.end(part)].strip()
    return _MORE_NAMES[found["name"].lower()], said


_MARKS = re.compile(
    r"\s*[(\[【]\s*(?:分数|分值|score|本题)\s*[:]?\s*(\d+(?:\.\d+)?)\s*分?\s*[)\]】]\s*\Z", re.IGNORECASE
)
_RULED = re.compile(r"[_＿\s]{20,}")


def without_marks(text: str) -> tuple[str, str]:
    """A stem without ``(分数：1.00)`` at its end, and the number there; a line that is only ruled for the answer is nothing."""
    if _RULED.fullmatch(text):
        return "", ""
    found = _MARKS.search(fold(text))
    return (text[: found.start()], found[1]) if found else (text, "")


_SECTION_MARK = re.compile(
    rf"\s*(?:第?\s*[{_CHINESE}]{{1,3}}\s*(?:部分|大题|章|节)?\s*[、.:]?|[IVX]{{1,4}}\s*[、.]|[Ⅰ-Ⅻ]\s*[、.]?|[(\[][{_CHINESE}]{{1,3}}[)\]])\s*"
)
_TYPE_LINE = re.compile(
    r".{0,14}(?:题|型|判断|填空|问答|简答|论述|选择|名词解释|questions?|choices?)(?:部分)?[:：]?",
    re.IGNORECASE,
)
_EACH = re.compile(r"每(?:小)?题\s*(\d+(?:\.\d+)?)\s*分")


def section(text: str, index: int, before: Section, *, is_heading: bool) -> Section | None:
    """A heading such as ``一、A1型题（每题1分，共20题）`` or, with a type carried over, ``第一章 绪论``; None for any other line."""
    plain = fold(text).strip()
    if len(plain) > 120:
        return None
    mark = _SECTION_MARK.match(plain)
    bare = re.sub(r"[(\[【].*?[)\]】]", "", plain[mark.end() :] if mark else plain).strip(" :：.。、")
    if not bare and not mark:
        bare = plain.strip("()[]【】 :：")
    head = re.split(r"[(\[【:：]", bare)[0].strip() or bare
    code = words.type_of(head)
    is_line = _TYPE_LINE.fullmatch(head) is not None or (mark is not None and len(head) <= 6)
    number = numbered(text)
    if number is not None and not re.fullmatch(r".{0,8}题", fold(number.rest).strip(" :：")):
        return None
    each = _EACH.search(plain)
    if code and (is_line or is_heading) and not re.search(r"[?？。!！]", head):
        return Section(index, head, code, each[1] if each else "", before.topic)
    is_title = (is_heading or (mark is not None and ("、" in mark[0] or mark[0].strip()[0] == "第"))) and len(
        head
    ) <= 30
    if is_title and head and not re.search(r"[?？。!！:：,，]", bare):
        return Section(index, before.said, before.code, before.marks, head)
    return None


def number_of(text: str) -> int:
    """A number in digits or in Chinese up to 99."""
    if text.isascii() and text.isdigit():
        return int(text)
    tens, has_ten, ones = text.rpartition("十")
    value = {sign: at for at, sign in enumerate(_CHINESE, 1)}
    return (value.get(tens, 1) * 10 if has_ten else 0) + (value.get(ones, 0) if ones else 0)


# ---------------------------------------------------------------- tables of keys

_RANGE_KEY = re.compile(
    r"(\d{1,4})\s*(?:[~\-–—〜至到]+)\s*(\d{1,4})\s*(?:题)?\s*[.、:)]?\s*((?:[A-Z][ \t,、]*){2,60}|(?:[√×对错TF✓✗][ \t,、]*){2,60})(?![a-z])"
)
_ONE_KEY = re.compile(
    r"(?<![\d.])(\d{1,4})\s*[.、:)\]】]?\s*[(\[【]?\s*((?:[A-Z][,、]){1,11}[A-Z](?![A-Za-z])|[A-Z]{1,12}(?![A-Za-z])|[√×✓✗]|正确|错误|对|错)\s*[)\]】]?(?=[\s,，;；。、.]|\d|\Z)"
)


def key_tokens(text: str) -> dict[int, str]:
    """``1.A 2.B 3-5 CDE`` as the key of each number; empty unless the whole line is such a table."""
    plain = fold(text)
    found: dict[int, str] = {}

    def each(one: re.Match[str]) -> str:
        low, high = int(one[1]), int(one[2])
        keys = re.sub(r"[\s,、]", "", one[3])
        if high - low + 1 != len(keys):
            return one[0]
        found.update(zip(range(low, high + 1), keys, strict=True))
        return " "

    rest = _RANGE_KEY.sub(each, plain)

    def single(one: re.Match[str]) -> str:
        found.setdefault(int(one[1]), one[2])
        return " "

    rest = _ONE_KEY.sub(single, rest)
    return found if found and not re.sub(r"[\s,，;；。、.:：()\[\]|]", "", rest) else {}
