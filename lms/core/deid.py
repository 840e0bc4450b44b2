"""The de-identification gate: no free text or image that names a child passes into the site unseen.

Text is searched for direct identifiers and the finer quasi-identifiers of HIPAA Safe Harbor and of Chinese practice
(GB/T 37964-2019, GB/T 39725-2020): identity, record and telephone numbers, names, addresses below the county, exact dates,
electronic addresses. It errs towards passing ordinary clinical prose: an alarm that cries wolf is clicked away. What it
finds is shown to the writer with its place; what it cannot see (a rare disease in a small town) stays with the reviewer.

Images are decoded and encoded anew, so that nothing but pixels survives. A name that is burnt into the pixels is a
matter for the second person's eye.
"""

import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from PIL import Image, ImageCms, ImageFile, ImageOps

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

# ---------------------------------------------------------------- findings


@dataclass(frozen=True)
class Finding:
    """A stretch of text that identifies somebody."""

    kind: str
    """One of KINDS."""
    start: int
    end: int
    """Half-open, in characters of the text as it was given."""
    excerpt: str


KINDS: dict[str, str] = {
    "identity_number": lazy("identity card number"),
    "phone": lazy("phone number"),
    "record_number": lazy("admission, outpatient or record number"),
    "email": lazy("e-mail or messenger address"),
    "date": lazy("exact date"),
    "address": lazy("address below the county"),
    "name": lazy("name of a person"),
}
"""What may be found, in order of precedence where two overlap, with the words for a reader."""


def check_text(text: str) -> list[Finding]:
    """Everything in ``text`` that identifies a person, in reading order, never overlapping."""
    plain, where = _plain(text)
    found: list[tuple[int, int, str]] = []
    for kind in KINDS:
        for start, end in _SEARCHES[kind](plain):
            if all(end <= begun or start >= ended for begun, ended, _kind in found):
                found.append((start, end, kind))
    return [
        Finding(kind, where[start], where[end - 1] + 1, text[where[start] : where[end - 1] + 1])
        for start, end, kind in sorted(found)
    ]


def require_clean(text: str, *, field: str | None = None) -> None:
    """Raise RuleBroken("identifying") naming what was found, for the form field ``field``."""
    found = check_text(text)
    if not found:
        return
    raise RuleBroken(
        "identifying",
        _(
            "This text may identify a patient: %(what)s. Leave it out, or write a day of life, a band or a role instead.",
            what="; ".join(f"{KINDS[one.kind]} “{one.excerpt}”" for one in found[:5]),
        ),
        field=field,
        details={"findings": [(one.kind, one.start, one.end) for one in found]},
    )


def _plain(text: str) -> tuple[str, list[int]]:
    """The text with digits and full-width forms of any script as ASCII and invisible characters left out.

    Second: the place in ``text`` of each character, so that a finding can be shown where the writer sees it.
    """
    letters: list[str] = []
    where: list[int] = []
    for place, letter in enumerate(text):
        code = ord(letter)
        if code < 0x80:
            pass
        elif unicodedata.category(letter) in {"Cf", "Mn", "Me"}:
            continue
        elif 0xFF01 <= code <= 0xFF5E:
            letter = chr(code - 0xFEE0)
        elif unicodedata.category(letter) == "Nd":
            letter = str(unicodedata.decimal(letter))
        elif unicodedata.category(letter) == "Zs":
            letter = " "
        elif unicodedata.category(letter) == "Pd":
            letter = "-"
        letters.append(letter)
        where.append(place)
    return "".join(letters), where


# ---------------------------------------------------------------- numbers

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91".split()  # noqa: SIM905 (a list of words is read as one text)
)
"""First two digits of the administrative division (GB/T 2260); 91: permanent residence card of 2023."""


def identity_check_character(digits: str) -> str:
    """The eighteenth character for seventeen digits: ISO 7064 MOD 11-2, as in GB 11643-1999."""
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def valid_identity_number(text: str) -> bool:
    """Whether ``text`` is a citizen identification number: province, real birthday and check character (GB 11643-1999)."""
    number = text.upper()
    return (
        bool(re.fullmatch(r"[0-9]{17}[0-9X]", number, re.ASCII))
        and _plausible(number)
        and number[17] == identity_check_character(number[:17])
    )


def _plausible(number: str) -> bool:
    """Whether eighteen (or the fifteen of before 1999) characters begin with a province and a birthday."""
    born = number[6:14] if len(number) == 18 else "19" + number[6:12]
    return number[:2] in _PROVINCES and _is_day(born[:4], born[4:6], born[6:8])


def _is_day(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return 1800 <= int(year) <= 2199


_GAP = r"[ \t\r\n_.·-]{0,3}"
_IDENTITY = re.compile(rf"(?<![0-9])(?=([0-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx])(?![0-9A-Za-z]))")
_OLD_IDENTITY = re.compile(r"(?<![0-9.])[0-9]{15}(?![0-9.])")


def _identity_numbers(text: str) -> Iterator[tuple[int, int]]:
    for match in _IDENTITY.finditer(text):
        written = match[1]
        number = re.sub(r"[^0-9X]", "", written.upper())
        # One wrong digit still leads to the person; but separate numbers in a row must add up to be one number.
        if valid_identity_number(number) or (len(written) == 18 and _plausible(number)):
            yield match.start(1), match.end(1)
    for match in _OLD_IDENTITY.finditer(text):
        if _plausible(match[0]):
            yield match.span()


_MOBILE_GROUPS = ((3, 4, 4), (3, 3, 5), (3, 8), (7, 4), (5, 6), (4, 4, 3), (1,) * 11)
"""How people break a mobile number; any other grouping is a row of measurements."""


def _mobile(groups: tuple[int, ...]) -> str:
    first, *others = groups
    head = "1" if first == 1 else f"1[3-9][0-9]{{{first - 2}}}"
    tail = "".join(f"[ .·-]{{1,3}}[0-9]{{{size}}}" for size in others)
    return head + (tail.replace("[0-9]{1}", "[3-9]", 1) if first == 1 else tail)


_PHONE = re.compile(
    r"(?<![0-9])(?<![0-9]\.)(?:\+?0{0,2}86[ -]{0,2})?(?:1[3-9][0-9]{9}|"
    + "|".join(_mobile(groups) for groups in _MOBILE_GROUPS)
    + r")(?![0-9])"
    r"|(?<![0-9.])(?:\(0[1-9][0-9]{1,2}\) ?|0[1-9][0-9]{1,2}-)[1-9][0-9]{6,7}(?![0-9])"
)


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    """A search for what ``pattern`` (or its group ``it``) matches."""
    group: str | int = "it" if "it" in pattern.groupindex else 0

    def search(text: str) -> Iterator[tuple[int, int]]:
        for match in pattern.finditer(text):
            yield match.span(group)

    return search


_RECORD = re.compile(
    r"(?:(?:住院|入院|门诊|急诊|病案|病历|病例|登记|就诊|就诊卡|诊疗卡|患者|病人|检查|检验|影像|放射|病理|标本|样本|条形?码|条码|腕带|医保卡?|社保卡?|银行卡|身份证|护照|出生(?:医学)?证明?|床头卡)"
    r"(?:流水|编|卡)?(?:号码?|ID)|条形?码|[Ii][Dd]\s?号|\b(?:MRN|mrn|[Aa]dmission (?:[Nn]o\.?|[Nn]umber)|[Rr]ecord (?:[Nn]o\.?|[Nn]umber)|[Hh]ospital (?:[Nn]o\.?|[Nn]umber)|(?:[Pp]atient|PATIENT) ID))"
    r"\s{0,3}[:#=(为是]{0,3}\s{0,3}(?P<it>[A-Za-z]{0,4}-?[0-9][0-9A-Za-z-]{2,})"
)

_EMAIL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} ?@ ?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}"
    r"|(?:微信|[Ww]e[Cc]hat|QQ|qq)(?:号|ID|:| |是|为){1,4}[A-Za-z0-9][A-Za-z0-9_-]{4,}"
)

# ---------------------------------------------------------------- dates

_MONTHS = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_HAN_DIGITS = "〇零○一二三四五六七八九十廿"
_DATES = (
    re.compile(
        r"(?<![0-9.])(?P<y>(?:18|19|20|21)[0-9]{2})\s?(?P<s>[-/.])\s?(?P<m>[0-9]{1,2})\s?(?P=s)\s?(?P<d>[0-9]{1,2})(?![0-9])"
    ),
    re.compile(r"(?<![0-9.])(?P<y>(?:19|20)[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?![0-9])"),
    re.compile(r"(?P<y>[0-9]{2,4})\s?年\s?(?P<m>[0-9]{1,2})\s?月\s?(?P<d>[0-9]{1,2})\s?[日号]"),
    re.compile(r"(?<![0-9年.个第+-])(?P<m>[0-9]{1,2})\s?月\s?(?P<d>[0-9]{1,2})\s?[日号](?![龄])"),
)
_WORDY_DATES = (
    re.compile(rf"[{_HAN_DIGITS}]{{2,4}}年[{_HAN_DIGITS}]{{1,2}}月[{_HAN_DIGITS}]{{1,3}}[日号]"),
    re.compile(rf"(?<![{_HAN_DIGITS}个第年])[{_HAN_DIGITS}]{{1,2}}月[{_HAN_DIGITS}]{{1,3}}[日号]"),
    re.compile(rf"\b[0-9]{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTHS},? (?:19|20)[0-9]{{2}}\b"),
    re.compile(rf"\b{_MONTHS} [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}\b"),
)


def _dates(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            year = match.groupdict().get("y") or "2000"
            if _is_day(year if len(year) == 4 else "20" + year[-2:], match["m"], match["d"]):
                yield match.span()
    for pattern in _WORDY_DATES:
        for match in pattern.finditer(text):
            yield match.span()


# ---------------------------------------------------------------- addresses

_HAN = "\u4e00-\u9fff"
_NAMED = rf"(?:(?![农乡镇村县市区各等级和及与的内为本该两三全])[{_HAN}]){{2,6}}?"
"""A place's own name: not the words that stand before 乡 or 村 in ordinary sentences."""
_COUNT = r"[0-9一二三四五六七八九十百]{1,5}"
_ADDRESSES = (
    # 北京路123号, 团结巷5号院; not 静脉通路2号管
    re.compile(
        rf"[{_HAN}]{{1,8}}(?:(?<![通尿气回管线思电胆水])路|大道|街|巷|弄|胡同)(?:[东西南北中]段?)?{_COUNT}(?:号(?!管|位|线)|弄)(?:院|楼)?"
    ),
    # 3号楼2单元501室, 5栋1203
    re.compile(r"[0-9]{1,3}(?:号楼|栋|幢)[0-9]{0,2}(?:单元[0-9]{1,4}室?|[0-9]{3,4}室?)"),
    re.compile(r"[0-9]{1,2}单元[0-9]{3,4}室?"),
    # 莎车县米夏镇, 和田市吉亚乡
    re.compile(
        rf"[{_HAN}]{{1,8}}(?:县|(?<![病辖灌疫]|地)区|市|旗)(?:{_NAMED}(?:乡|镇|街道|苏木|村|嘎查|屯|社区|小区)(?![级上医])){{1,3}}"
    ),
    # 住址: 幸福小区…, 家住某某村
    re.compile(
        r"(?:(?:家庭|现|居|通信|户籍|出生)?(?:住址|地址)|家住|现住|住在|居住[于在地]|户籍[地在]?|籍贯)\s?[:为是在于]{0,2}\s?"
        rf"(?P<it>(?:[{_HAN}]{{1,12}}?(?:县|区|市|旗))?{_NAMED}(?:乡|镇|街道|苏木|村|嘎查|屯|社区|小区|[路街巷弄](?={_COUNT})|团{_COUNT}连)[0-9{_HAN}]{{0,20}})"
    ),
    re.compile(r"\b[0-9]{1,5} [A-Z][a-z]+(?: [A-Z][a-z]+)? (?:Street|Road|Avenue|Lane)\b"),
)


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _ADDRESSES:
        yield from _matches(pattern)(text)


# ---------------------------------------------------------------- names

_TWO = "欧阳|上官|司马|诸葛|夏侯|皇甫|尉迟|公孙|慕容|司徒|令狐|东方|西门|南宫|独孤|长孙|宇文|端木|轩辕"
_PLAIN_SURNAMES = (
    "李王刘陈赵吴徐孙朱胡郭林罗梁宋郑谢韩唐冯董萧程曹袁邓许傅沈彭吕苏卢蒋蔡贾魏薛阎潘杜钟姜崔谭廖范汪陆韦付丘邹熊孟秦邱侯尹薛闫段郝邵"
    "赖武贺龚庞樊殷施陶翟倪颜俞章鲁葛韦申尤毕聂焦柳邢骆岳齐梅庄辛冉涂甘耿葛欧佟仇桂娄苗冀柯米卞祁郎阮牟古卓蒲褚甄魏滕靳谷晏麦卜杨丁夏肖吉胥"
    "张黄高周马钱汤戴江石田顾雷史龙万金康叶洪何严孔任毛"
)
_WORDY_SURNAMES = (
    "白于曾常方安时应易温余成尚连管车全项向解宁单包平左皮路关兰祝戚喻游牛简饶沙鞠房计明国木水年多那干花"
)
"""Surnames that also begin ordinary words (患儿于今晨, 患儿常规): a name only where something else says so."""
_NOT_IN_NAMES = (
    "的了着过在是有无不未没已为被把将及与或和并因由从至到后前上下内外中间时日天周岁次例各某些这那其他她它每均尚仍再又也都即则而但于以可能应须需要"
    "发热咳喘吐泻痛肿胀疸症病型性炎状体征征述诉言度围行虑醒绝院科室入出转诊查治疗术药血尿便氧压肺心肝脑肾胃肠皮肤肌骨眼耳鼻口喉气呼吸管饮食奶喂睡哭吵闹抽搐"
    "孕产妊娠胎龄岁钠钾糖碳氨酸胆渗浓敏压脂亲母父儿孩者家属等呈示见显重轻增减升降正异常"
)
_NOT_NAMES = frozenset(
    """
    唐氏 陈旧 陈述 程度 苏醒 施行 施用 范围 尤其 焦虑 杜绝 谢绝 胡言 许可 许多 武汉 古老 齐全 申请 申报 章程 吉兰 林格 罗氏 罗红 韦氏 韦格 郎格 朗格 罗音 谷草 谷丙 谷氨 谷胱 甘露
    甘油 焦躁 柯萨 卜卦 夏季 夏天 肖氏 米汤 米粉 米糊 麦粒 辛伐 章节 段落 杨梅 吉氏 古典 卓越 欧洲 庄重 蔡司 齐整 柳氮 付费 付款 武器 秦皇 岳阳 郑州 徐州 苏州 徐缓 徐徐 许久 唐山
    张口 张力 黄染 黄色 黄绿 黄褐 黄金 黄豆 周身 周围 周期 周边 周末 周一 周二 周三 周四 周五 周六 马上 马蹄 马方 马凡 马来 马丁
    戴口 戴帽 戴眼 石膏 石蜡 田园 顾虑 雷诺 雷暴 雷尼 史密 龙胆 万古 万分 万一 金黄 金葡 金属 金刚 康复 康健 叶酸 何种 何谓 何处 严密
    严格 严密 孔源 孔径 任何 任意 任务 毛细 毛糙 毛发 毛玻 钱币 汤勺 江河 洪亮 高危 高度 高级 高调 高处 高坠 高烧 高频 高流 高铁 高敏 高浓
    吴茱 葛根 葛兰 苗条 苗木 颜面 颜色 毕竟 毕业 阎王 彭隆 鲁米 佟氏 贾第 范可 侯选
    """.split()  # noqa: SIM905
)
_ROLE = r"(?:(?:患[儿者]|病[儿人]|产妇|新生儿|婴儿|患婴|家属|家长|监护人|其?[父母]亲?|爸爸|妈妈|爷爷|奶奶|姥姥|外婆)(?:姓名|名叫|名字)?|姓名|名字|名叫)"
_SURNAME = f"(?:{_TWO}|[{_PLAIN_SURNAMES}{_WORDY_SURNAMES}])"
_GIVEN = rf"(?:(?![{_NOT_IN_NAMES}])[{_HAN}]){{1,2}}"
_END = rf"(?![{_HAN}])|(?=[,，。;；、(（\s男女系因]|$)"
_MASK = r"[某xX*×○〇□_△]{1,3}"
_NAMES = (
    # 姓名: whatever stands there
    re.compile(
        rf"(?:姓名|名字|名叫)\s?[:=为是]{{0,2}}\s?(?P<it>(?!不详|未知|保密|匿名|略|无|未填|隐去|已隐|待|[和及与、]|等|栏|信息|一栏|要|须|应)[{_HAN}·•]{{2,12}}?(?=[^{_HAN}·•]|[男女]|$))"
    ),
    # 患儿李某某, 母王××
    re.compile(rf"{_ROLE}\s?[:,，、]?\s?(?P<it>{_SURNAME}{_MASK})"),
    # 患儿李小明, 男
    re.compile(rf"{_ROLE}\s?[:]?\s?(?P<it>(?:{_TWO}|[{_PLAIN_SURNAMES}]){_GIVEN})(?:{_END})"),
    # 患儿张伟,男: a wordy surname only before a sex or an age, or after a colon
    re.compile(
        rf"{_ROLE}\s?[:,，]?\s?(?P<it>{_SURNAME}{_GIVEN})(?=\s?[,，(（、]?\s?(?:[男女](?![{_HAN}])|[男女][,，婴孩童]|[0-9]{{1,2}}岁))"
    ),
    re.compile(rf"{_ROLE}\s?:\s?(?P<it>{_SURNAME}{_GIVEN})(?={_END})"),
    # 患儿阿依古丽·买买提
    re.compile(
        rf"{_ROLE}\s?[:,，]?\s?(?P<it>[{_HAN}]{{2,10}}[·•‧・][{_HAN}]{{2,10}}?)(?=[^{_HAN}]|[男女因系于]|$)"
    ),
    re.compile(
        r"(?:\b[Nn]ame|\bNAME|姓名)\s?[:=]\s?(?P<it>[A-Z][A-Za-z'-]+(?:[ ,]{1,2}[A-Z][A-Za-z'-]+){0,3})"
    ),
    re.compile(
        r"\b(?:[Pp]atient|[Mm]other|[Ff]ather|[Bb]aby) (?!(?:Safety|Care|Health|Education|Outcome|Reported|Rights|Friendly) )(?P<it>(?:Mr|Mrs|Ms|Miss)\.? [A-Z][a-z]+|[A-Z][a-z]+ [A-Z][a-z]+)(?=[,. ;(]|$)"
    ),
)


def _names(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _NAMES:
        for match in pattern.finditer(text):
            if match["it"][:2] not in _NOT_NAMES:
                yield match.span("it")


_SEARCHES: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "identity_number": _identity_numbers,
    "phone": _matches(_PHONE),
    "record_number": _matches(_RECORD),
    "email": _matches(_EMAIL),
    "date": _dates,
    "address": _addresses,
    "name": _names,
}

# ---------------------------------------------------------------- images

IMAGE_LIMIT_BYTES = 20 * 1024 * 1024
IMAGE_LIMIT_PIXELS = 40_000_000
"""A telephone's photograph has 12 to 50 million; decoding 40 million takes 120 MB."""

_SIGNATURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"))
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def image_format(data: bytes) -> str | None:
    """``JPEG``, ``PNG`` or ``WEBP`` by content, whatever the file is called; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for beginning, name in _SIGNATURES if data.startswith(beginning)), None)


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a picture that ``clean_image`` gave back."""
    with Image.open(io.BytesIO(data)) as opened:
        return opened.width, opened.height


def clean_image(data: bytes) -> bytes:
    """The picture alone: upright, in sRGB, in the format it came in, without EXIF, GPS, comments, thumbnails or profiles.

    Raises RuleBroken with the code ``image_too_large``, ``image_dicom``, ``image_type``, ``image_pixels`` or ``image_broken``.
    """
    if len(data) > IMAGE_LIMIT_BYTES:
        raise RuleBroken(
            "image_too_large",
            _("The picture is larger than %(limit)s MB.", limit=IMAGE_LIMIT_BYTES // (1024 * 1024)),
        )
    if data[128:132] == b"DICM":
        raise RuleBroken(
            "image_dicom",
            _(
                "This is a DICOM file: it carries the patient's name. Export a picture without overlay from the viewer."
            ),
        )
    kind = image_format(data)
    if kind is None:
        raise RuleBroken("image_type", _("Only JPEG, PNG and WebP pictures are accepted."))
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as opened:
            _refuse_many_pixels(opened)
            return _encoded(_pixels(opened), kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise _too_many_pixels() from problem
    except RuleBroken:
        raise
    except Exception as problem:  # hostile input: decoders raise whatever they like
        raise RuleBroken("image_broken", _("The picture is damaged and cannot be opened.")) from problem


def _refuse_many_pixels(opened: Image.Image) -> None:
    """Before anything is decoded: the header alone says the size."""
    if opened.width * opened.height > IMAGE_LIMIT_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> RuleBroken:
    return RuleBroken(
        "image_pixels",
        _("The picture has more than %(limit)s million pixels.", limit=IMAGE_LIMIT_PIXELS // 1_000_000),
    )


def _pixels(opened: Image.Image) -> Image.Image:
    """A new picture with the pixels of the first frame and nothing else."""
    # WeasyPrint switches this on for the whole process when it is imported; a cut-off upload must not pass for a picture.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    opened.load()
    profile = opened.info.get("icc_profile")
    upright = ImageOps.exif_transpose(opened)
    see_through = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
    mode = "RGBA" if see_through else "L" if upright.mode in {"1", "L", "I;16", "I"} else "RGB"
    if upright.mode in {"I;16", "I"}:
        upright = upright.point(lambda value: value / 256).convert("L")  # 16 bits of grey
    converted = _in_srgb(upright, profile) if profile else upright
    converted = converted.convert(mode)
    return Image.frombytes(mode, converted.size, converted.tobytes())


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """The picture in the browser's own colours; as it is where its profile is of no use."""
    if picture.mode not in {"RGB", "CMYK", "L"}:
        return picture
    try:
        wanted: Any = "L" if picture.mode == "L" else "RGB"
        if wanted == "L":
            return picture
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return (
            ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=wanted)
            or picture
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "JPEG":
        picture.convert("L" if picture.mode == "L" else "RGB").save(out, "JPEG", quality=88, optimize=True)
    elif kind == "PNG":
        picture.save(out, "PNG", optimize=True)
    else:
        picture.save(out, "WEBP", quality=88, method=4)
    return out.getvalue()
