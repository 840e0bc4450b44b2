"""Headers of item sheets, as hospitals, examination systems and this one write them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

HEADERS: Mapping[str, Sequence[str]] = {
    "type": ("题型", "题目类型", "试题类型", "题目类别", "类型", "题型名称", "type", "question type", "item type", "kind"),
    "stem": (
        "题干", "题目", "问题", "试题", "题目内容", "试题内容", "题干内容", "试题题干", "题目题干", "题目名称", "题目描述", "问题内容", "试题名称",
        "题干标题", "内容", "中文题干", "question", "question text", "questions", "stem", "item", "prompt", "title", "content", "question content",
    ),
    "stem en": ("英文题干", "题干英文", "英文题目", "english stem", "stem english", "question english", "stem en", "question en"),
    "shared": (
        "共用题干", "公共题干", "共同题干", "大题干", "主题干", "材料", "病例", "案例", "病例摘要", "案例题干", "题组题干", "背景材料", "题干材料",
        "共用题干或材料", "shared stem", "case", "vignette", "passage", "stimulus", "scenario",
    ),
    "shared en": ("英文共用题干", "共用题干英文", "shared stem english", "shared stem en", "case english"),
    "group": ("题组", "题组号", "组号", "题组编号", "组别", "案例编号", "案例号", "病例号", "大题号", "父题号", "父题编号", "group", "group id", "set", "case id"),
    "options": ("选项", "备选答案", "选项内容", "答案选项", "备选项", "候选答案", "可选项", "可选答案", "题目选项", "options", "choices", "answer options"),
    "answer": (
        "答案", "正确答案", "标准答案", "参考答案", "正确选项", "题目答案", "试题答案", "答案内容", "正确项", "答题答案", "选项答案", "key", "answer",
        "answers", "correct answer", "correct answers", "correct", "right answer", "correct option", "answer key", "solution",
    ),
    "answer en": ("英文答案", "答案英文", "english answer", "answer english", "answer en"),
    "why": (
        "解析", "答案解析", "试题解析", "题目解析", "解题思路", "答案分析", "分析", "解释", "答案说明", "试题分析", "详解", "explanation", "explanations",
        "rationale", "feedback", "analysis", "general feedback",
    ),
    "why en": ("英文解析", "解析英文", "english explanation", "explanation english", "rationale english", "explanation en"),
    "shared why": ("共用解析", "题组解析", "shared explanation"),
    "shared why en": ("英文共用解析", "共用解析英文", "shared explanation english"),
    "difficulty": ("难度", "难易度", "难易程度", "难度系数", "难度等级", "题目难度", "试题难度", "difficulty", "level", "difficulty level"),
    "marks": ("分值", "分数", "题目分值", "试题分值", "得分", "本题分值", "每题分值", "题目分数", "score", "marks", "points", "mark", "point"),
    "topic": ("知识点", "知识点名称", "考点", "所属知识点", "topic", "knowledge point", "objective", "learning objective"),
    "chapter": ("章节", "章", "所属章节", "单元", "章节名称", "chapter", "section", "unit"),
    "subject": ("学科", "科目", "专业", "课程", "科室", "所属科目", "题目分类", "试题分类", "分类", "所属分类", "题库", "subject", "category", "course", "discipline"),
    "tags": ("标签", "关键词", "关键字", "题目标签", "试题标签", "tags", "tag", "keywords", "labels"),
    "source": ("依据", "出处", "来源", "参考文献", "试题来源", "题目来源", "参考依据", "命题依据", "指南", "source", "reference", "references", "citation"),
    "code": ("编号", "试题编号", "题目编号", "试题编码", "题目编码", "题库编号", "题目id", "试题id", "code", "id", "question id", "item id", "item code"),
    "scoring": ("计分方式", "评分方式", "得分规则", "计分规则", "scoring", "scoring rule"),
    "limit": ("限选", "最多选", "限选数", "limit", "most choices"),
    "must": ("必选", "必选项", "must", "must choose"),
    "never": ("禁选", "禁选项", "never", "must not choose"),
    "fixed": ("固定选项", "不乱序选项", "fixed", "fixed options"),
    "tolerance": ("误差", "允许误差", "容差", "tolerance", "margin"),
    "unit": ("单位", "计量单位", "unit", "units of measure"),
    "longest": ("字数上限", "字数", "max chars", "word limit"),
    "alt": ("图片说明", "图片描述", "附图说明", "alt", "picture description", "image description"),
    "alt en": ("英文图片说明", "图片说明英文", "alt english", "alt en"),
}  # fmt: skip
"""Name of a column → what its header may say; the first is what an export writes."""

SILENT = frozenset(
    [
        "序号",
        "题号",
        "no",
        "no.",
        "编写人",
        "出题人",
        "命题人",
        "创建人",
        "创建时间",
        "更新时间",
        "修改时间",
        "备注",
        "状态",
        "审核人",
        "number",
        "#",
        "index",
        "选项数",
        "选项个数",
        "使用次数",
        "是否启用",
        "时间",
        "日期",
        "note",
        "notes",
        "remark",
        "remarks",
        "status",
        "author",
        "date",
    ]
)
"""Headers that say nothing about a question; the others that nobody knows are named."""

_BRACKETED = re.compile(r"[(\[【〔「{《<].*?[)\]】〕」}》>]")
_SIGNS = re.compile(r"[\s*()\[\]【】〔〕「」{}《》<>:_\-/·.、,;'\"!?#]+")


def _plain(text: str) -> str:
    return _SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold())


_BY_WORD = {_plain(word): name for name, words in HEADERS.items() for word in words}
_SILENT_PLAIN = frozenset(_plain(word) for word in SILENT)
_OPTION = re.compile(
    r"(?:选项|备选项|备选答案|答案选项|答案|选择|可选项|option|choice|answer)?([a-z]|\d{1,2})(?:选项|项|答案|option)?(英文|en|english)?"
)
_OPTION_EN = re.compile(r"英文(?:选项|备选答案)?([a-z])(?:选项)?")


@lru_cache(maxsize=4096)
def column_name(header: str) -> str:
    """What a column holds by its header: a name of HEADERS, ``option A``, ``option A en``, or nothing that is known.

    Case, width, spaces and signs do not count; a note in brackets only where the header means nothing with it.
    """
    if not header.strip() or len(header) > 200:
        return ""
    normal = unicodedata.normalize("NFKC", header).casefold()
    first = normal.strip().split("\n")[0]
    for text in (normal, _BRACKETED.sub("", normal), first, _BRACKETED.sub("", first)):
        plain = _plain(text)
        if plain in _BY_WORD:
            return _BY_WORD[plain]
        if found := _OPTION_EN.fullmatch(plain):
            return f"option {found[1].upper()} en"
        if (found := _OPTION.fullmatch(plain)) and (letter := _letter(found[1], plain)):
            return f"option {letter} en" if found[2] else f"option {letter}"
    return ""


def _letter(named: str, whole: str) -> str:
    """The letter of an option column; a number counts only beside a word (``选项1``), and ``答案1`` is no option."""
    if named.isdigit():
        is_option = re.match(r"选项|备选|选择|可选|option|choice", whole) is not None
        return chr(64 + int(named)) if is_option and 1 <= int(named) <= 26 else ""
    return named.upper()


def is_silent(header: str) -> bool:
    """Whether a header that is not known is of no interest."""
    return _plain(header) in _SILENT_PLAIN or not _plain(header)


_NUMBERED_TYPE = re.compile(r"(\d{1,2})\s*[-:=.、]?\s*([^\d,;、()\s]{2,12})")


def numbered_types(header: str) -> dict[str, str]:
    """Words of types by the numbers that a header gives them: ``题型（0单选，1判断，2多选）``."""
    notes = "".join(_BRACKETED.findall(unicodedata.normalize("NFKC", header)))
    return dict(_NUMBERED_TYPE.findall(notes))
