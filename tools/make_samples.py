#!/usr/bin/env python3
"""Make the sample lectures that ``lms demo`` uploads: three short narrated slide films with captions.

Written for this project from the sample curriculum, at textbook level, and marked on every slide as not clinically
reviewed. Needs ffmpeg, espeak-ng and the Noto Sans CJK fonts; the results are committed in ``lms/samples/lectures``, so
nobody else needs them. espeak-ng's Mandarin voice spells most Han characters as English, hence the way over pinyin.
"""

import json
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pypinyin import Style, lazy_pinyin, load_phrases_dict

TARGET = Path(__file__).resolve().parent.parent / "lms" / "samples" / "lectures"
FONTS = Path("/usr/share/fonts/opentype/noto")
SIMPLIFIED = 2  # the face of the collection with mainland glyphs

WIDTH, HEIGHT, SCALE = 1280, 720, 2
PAUSE_S, SLIDE_PAUSE_S, LEAD_S, TAIL_S = 0.28, 0.6, 0.35, 0.8
VOICE = ("-v", "cmn-latn-pinyin", "-s", "184", "-p", "42", "-a", "150")
WARM = (
    "highpass=f=90,lowpass=f=6800,equalizer=f=250:t=q:w=1.2:g=2.5,equalizer=f=3400:t=q:w=1.5:g=-4,"
    "acompressor=threshold=0.12:ratio=2.5:attack=8:release=120,aecho=0.9:0.5:18|31:0.10|0.06,"
    "loudnorm=I=-17:TP=-3:LRA=9,aresample=48000"
)

load_phrases_dict(
    {
        "啰音": [["luó"], ["yīn"]],
        "矫正": [["jiǎo"], ["zhèng"]],
        "擦干": [["cā"], ["gān"]],
        "出现得": [["chū"], ["xiàn"], ["de"]],
    }
)

BACK, SURFACE, SUNKEN, INK, MUTED, LINE = "#f5f3ee", "#ffffff", "#eeebe3", "#1b2a2c", "#566467", "#dfdbd0"
BRAND, BRAND_SOFT, BRAND_INK = "#0b6a61", "#ddf0ec", "#0a4f49"
HERO = ((11, 106, 97), (18, 80, 107))
GLOW = "#ffcf3f"
WARN, WARN_SOFT = "#7a4b00", "#fdefcf"
TONES = ("#0b6a61", "#12506b", "#a3261b", "#7a4b00", "#1f4f8f")
NOTICE = ("样例内容，未经临床审定", "Sample content, not clinically reviewed")


@dataclass(frozen=True)
class Item:
    """One line or card of a slide."""

    zh: str
    en: str
    mark: str = ""
    """One letter, digit or character for the badge."""


@dataclass(frozen=True)
class Line:
    """One sentence of the narration. ``|`` in the Chinese lights up the next item of the slide."""

    zh: str
    en: str

    @property
    def words(self) -> str:
        return self.zh.replace("|", "")


@dataclass(frozen=True)
class Slide:
    """One picture with its narration. ``kind``: cover, tiles, cards, rows or figure."""

    kind: str
    zh: str
    en: str
    lines: tuple[Line, ...]
    items: tuple[Item, ...] = ()
    figure: tuple[str, str, str] = ("", "", "")
    """For ``figure``: the number, and what it counts in both languages."""


@dataclass(frozen=True)
class Lecture:
    """One sample lecture."""

    code: str
    module: int
    title_zh: str
    title_en: str
    summary_zh: str
    summary_en: str
    points: tuple[tuple[str, str], ...]
    slides: tuple[Slide, ...]


LECTURES = (
    Lecture(
        code="m01-critically-ill-child",
        module=1,
        title_zh="识别危重患儿：最初十分钟",
        title_en="Recognising the critically ill child: the first ten minutes",
        summary_zh="每次都按 ABCDE 的顺序评估，认出必须立即呼救的表现，先做对患儿最有用的几件事。",
        summary_en="Assess by ABCDE every time, know the signs that call for help at once, and do first what helps most.",
        points=(
            (
                "按 ABCDE 评估，发现问题先处理，再往下走。",
                "Assess by ABCDE; treat each problem before moving on.",
            ),
            (
                "呼吸费力、皮肤花斑、毛细血管再充盈超过 3 秒、反应变差：立即呼救。",
                "Laboured breathing, mottled skin, capillary refill over 3 s, poor response: call for help at once.",
            ),
            (
                "低血压是晚期表现，血压正常不能排除休克。",
                "Low blood pressure is late; a normal one does not exclude shock.",
            ),
            ("给氧、测血糖、保暖，并反复评估。", "Give oxygen, check glucose, keep warm, and assess again."),
        ),
        slides=(
            Slide(
                "cover",
                "识别危重患儿",
                "Recognising the critically ill child",
                (Line("第一单元：识别危重患儿。", "Module 1: recognising the critically ill child."),),
            ),
            Slide(
                "tiles",
                "每次都按同样的顺序",
                "The same order every time",
                (
                    Line(
                        "按同样的顺序评估：|气道，|呼吸，|循环，|神志，|全身检查。",
                        "Assess in the same order: airway, breathing, circulation, disability, exposure.",
                    ),
                    Line("发现一个问题，就先处理。", "Treat each problem as you find it."),
                ),
                (
                    Item("气道", "Airway", "A"),
                    Item("呼吸", "Breathing", "B"),
                    Item("循环", "Circulation", "C"),
                    Item("神志", "Disability", "D"),
                    Item("全身检查", "Exposure", "E"),
                ),
            ),
            Slide(
                "cards",
                "见到这些，立即呼救",
                "Call for help when you see these",
                (
                    Line(
                        "|呼吸费力、|皮肤花斑、|再充盈超过三秒、|反应变差，都是危险信号。",
                        "Laboured breathing, mottled skin, refill over three seconds, poor response: danger signs.",
                    ),
                    Line("血压下降出现得很晚。", "A falling blood pressure comes late."),
                ),
                (
                    Item("呼吸费力或呻吟", "Laboured breathing, grunting", "呼"),
                    Item("皮肤花斑、四肢凉", "Mottled skin, cold limbs", "肤"),
                    Item("再充盈超过 3 秒", "Capillary refill over 3 s", "充"),
                    Item("反应变差、嗜睡", "Poor response, drowsy", "神"),
                ),
            ),
            Slide(
                "rows",
                "先做这几件事",
                "Do these first",
                (
                    Line(
                        "|马上呼救，|给氧，|测血糖，|注意保暖，|反复评估。",
                        "Call for help, give oxygen, check glucose, keep warm, and assess again.",
                    ),
                ),
                (
                    Item("呼救（I-SBAR）", "Call for help (I-SBAR)", "1"),
                    Item("给氧，接监护", "Oxygen and monitoring", "2"),
                    Item("测血糖", "Check glucose", "3"),
                    Item("保暖", "Keep warm", "4"),
                    Item("反复评估", "Assess again", "5"),
                ),
            ),
        ),
    ),
    Lecture(
        code="m02-newborn-golden-minute",
        module=2,
        title_zh="新生儿复苏：黄金一分钟",
        title_en="Newborn resuscitation: the golden minute",
        summary_zh="初步复苏的顺序，何时开始正压通气，怎样判断通气有效，什么时候才做胸外按压。",
        summary_en="The initial steps, when to start ventilation, how to know that it works, and when to compress the chest.",
        points=(
            (
                "保暖、摆正体位、擦干、刺激，需要时清理气道。",
                "Warm, position, dry, stimulate; clear the airway if needed.",
            ),
            (
                "无呼吸、喘息样呼吸或心率低于 100 次/分：出生后 60 秒内开始正压通气。",
                "No breathing, gasping, or heart rate under 100 a minute: ventilate within 60 s of birth.",
            ),
            (
                "心率上升是通气有效的最好标志；胸廓不起伏，先按 MR. SOPA 矫正通气。",
                "A rising heart rate is the best sign; if the chest does not move, correct ventilation (MR. SOPA).",
            ),
            (
                "有效通气 30 秒后心率仍低于 60 次/分，才做胸外按压。",
                "Compress the chest only if the rate stays under 60 after 30 s of effective ventilation.",
            ),
        ),
        slides=(
            Slide(
                "cover",
                "新生儿复苏：黄金一分钟",
                "Newborn resuscitation: the golden minute",
                (
                    Line(
                        "第二单元：新生儿复苏的黄金一分钟。",
                        "Module 2: the golden minute of newborn resuscitation.",
                    ),
                ),
            ),
            Slide(
                "rows",
                "初步复苏",
                "Initial steps",
                (
                    Line(
                        "出生后先|保暖，|摆正体位，|擦干，|刺激，|需要时清理气道。",
                        "After birth keep warm, position, dry and stimulate; clear the airway if needed.",
                    ),
                ),
                (
                    Item("保暖", "Keep warm", "1"),
                    Item("摆正体位", "Position the head", "2"),
                    Item("擦干", "Dry", "3"),
                    Item("刺激", "Stimulate", "4"),
                    Item("需要时清理气道", "Clear the airway if needed", "5"),
                ),
            ),
            Slide(
                "figure",
                "何时开始正压通气",
                "When to start ventilation",
                (
                    Line(
                        "|没有呼吸、|喘息样呼吸，|或心率低于一百，六十秒内开始正压通气。",
                        "No breathing, gasping, or a heart rate under 100: start ventilation within sixty seconds.",
                    ),
                ),
                (
                    Item("没有呼吸", "No breathing", "呼"),
                    Item("喘息样呼吸", "Gasping", "喘"),
                    Item("心率 < 100 次/分", "Heart rate under 100/min", "心"),
                ),
                ("60", "秒内开始通气", "seconds to the first breath"),
            ),
            Slide(
                "cards",
                "通气有效吗？",
                "Is the ventilation working?",
                (
                    Line("|心率上升，说明通气有效。", "A rising heart rate means that ventilation works."),
                    Line(
                        "|胸廓没有起伏，|先矫正通气。",
                        "If the chest does not move, correct the ventilation first.",
                    ),
                    Line(
                        "有效通气三十秒后，|心率仍低于六十，再做胸外按压。",
                        "Compress only if the rate stays under 60 after thirty seconds of effective ventilation.",
                    ),
                ),
                (
                    Item("心率上升：有效", "Rising heart rate: it works", "升"),
                    Item("胸廓无起伏：无效", "No chest rise: it does not", "胸"),
                    Item("先用 MR. SOPA 矫正", "First correct: MR. SOPA", "矫"),
                    Item("30 秒后 < 60：按压", "After 30 s under 60: compress", "压"),
                ),
            ),
        ),
    ),
    Lecture(
        code="m08-shock-sepsis",
        module=8,
        title_zh="休克与脓毒症：早识别、慎补液",
        title_en="Shock and sepsis: see it early, give fluids with care",
        summary_zh="血压下降之前就认出休克，补液分次、每次之后重新评估，脓毒性休克一小时内给抗菌药。",
        summary_en="Recognise shock before the pressure falls, reassess after every bolus, antimicrobials within the hour.",
        points=(
            (
                "心率快、四肢凉、再充盈慢、尿少、反应变差：想到休克，血压正常也不能排除。",
                "Fast pulse, cold limbs, slow refill, little urine, poor response: think of shock, even with normal pressure.",
            ),
            (
                "需要扩容时每次 10–20 mL/kg 晶体液，每次之后重新评估。",
                "Where a bolus is needed: 10–20 mL/kg crystalloid at a time, then reassess.",
            ),
            (
                "出现肺部啰音或肝脏增大，停止补液；无重症监护条件且血压正常时不做快速扩容。",
                "Stop at lung crackles or a growing liver; no bolus where there is no intensive care and no hypotension.",
            ),
            (
                "脓毒性休克一小时内给抗菌药；先留血培养，但不因此延误；尽早呼叫上级。",
                "In septic shock give antimicrobials within one hour; culture first if it costs no time; call early.",
            ),
        ),
        slides=(
            Slide(
                "cover",
                "休克与脓毒症",
                "Shock and sepsis",
                (
                    Line(
                        "第八单元：早期识别休克和脓毒症。", "Module 8: early recognition of shock and sepsis."
                    ),
                ),
            ),
            Slide(
                "tiles",
                "血压正常，也可能是休克",
                "Shock can hide behind a normal pressure",
                (
                    Line(
                        "|心率快、|四肢凉、|再充盈慢、|尿少、|反应变差，就要想到休克。",
                        "Fast pulse, cold limbs, slow refill, little urine, poor response: think of shock.",
                    ),
                    Line("血压正常也不能排除。", "A normal blood pressure does not exclude it."),
                ),
                (
                    Item("心率快", "Fast pulse", "心"),
                    Item("四肢凉", "Cold limbs", "凉"),
                    Item("再充盈慢", "Slow refill", "充"),
                    Item("尿少", "Little urine", "尿"),
                    Item("反应变差", "Poor response", "神"),
                ),
            ),
            Slide(
                "figure",
                "补液：分次，慎重",
                "Fluids: small steps, with care",
                (
                    Line(
                        "补液要分次，每次每公斤十到二十毫升，|每次之后重新评估。",
                        "Give fluid in steps of ten to twenty millilitres a kilogram, and reassess after each.",
                    ),
                    Line("出现|肺部啰音或肝脏增大，停止补液。", "Stop at lung crackles or a growing liver."),
                ),
                (
                    Item("每次之后重新评估", "Reassess after every step", "评"),
                    Item("啰音或肝大：停止", "Crackles, big liver: stop", "停"),
                    Item("无重症条件且血压正常：不推注", "No ICU, normal pressure: no bolus", "慎"),
                ),
                ("10–20", "mL/kg，每次", "mL/kg at a time"),
            ),
            Slide(
                "rows",
                "脓毒性休克：一小时内",
                "Septic shock: within one hour",
                (
                    Line(
                        "|脓毒性休克，|一小时内|给抗菌药。|尽早呼叫上级。",
                        "In septic shock give antimicrobials within one hour. Call for senior help early.",
                    ),
                ),
                (
                    Item("开通静脉或骨髓通路", "IV or intraosseous access", "1"),
                    Item("留血培养，不延误用药", "Culture, without delay", "2"),
                    Item("给抗菌药", "Antimicrobials", "3"),
                    Item("呼叫上级，准备转运", "Call, prepare transport", "4"),
                ),
            ),
        ),
    ),
)


# ---- pictures ---------------------------------------------------------------------------------------------------------


def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Noto Sans CJK with mainland glyphs, ``size`` in pixels of the film."""
    name = "NotoSansCJK-Bold.ttc" if bold else "NotoSansCJK-Regular.ttc"
    return ImageFont.truetype(FONTS / name, size * SCALE, index=SIMPLIFIED)


class Canvas:
    """A slide in the making, in pixels of the film; drawn at twice the size and reduced for smooth edges."""

    def __init__(self, back: str = BACK) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), back)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        fill: str,
        r: float = 0,
        edge: str = "",
        thick: int = 2,
    ) -> None:
        self.pen.rounded_rectangle(
            [x * SCALE, y * SCALE, (x + w) * SCALE, (y + h) * SCALE],
            r * SCALE,
            fill=fill,
            outline=edge or None,
            width=thick * SCALE if edge else 1,
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: int,
        *,
        fill: str = INK,
        bold: bool = False,
        anchor: str = "lm",
        room: float = 0,
    ) -> None:
        """Words at a point; ``room`` shrinks them until they fit a width."""
        face = font(size, bold=bold)
        while room and face.getlength(words) > room * SCALE and size > 18:
            size -= 1
            face = font(size, bold=bold)
        self.pen.text((x * SCALE, y * SCALE), words, font=face, fill=fill, anchor=anchor)

    def gradient(self, x: int, y: int, w: int, h: int, *, r: int = 0) -> None:
        """A panel in the colours of the hero, from the upper left to the lower right."""
        small = Image.new("RGB", (64, 64))
        for row in range(64):
            for column in range(64):
                t = (row + column) / 126
                small.putpixel(
                    (column, row), tuple(round(a + (b - a) * t) for a, b in zip(*HERO, strict=True))
                )
        panel = small.resize((w * SCALE, h * SCALE), Image.Resampling.BICUBIC)
        mask = Image.new("L", panel.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle([0, 0, w * SCALE - 1, h * SCALE - 1], r * SCALE, fill=255)
        self.image.paste(panel, (x * SCALE, y * SCALE), mask)

    def glow(self, x: float, y: float, radius: float, *, strength: int = 190) -> None:
        """A firefly."""
        size = int(radius * 8 * SCALE)
        light = Image.new("L", (size, size), 0)
        middle = size / 2
        halo = radius * 1.7 * SCALE
        ImageDraw.Draw(light).ellipse(
            [middle - halo, middle - halo, middle + halo, middle + halo], fill=strength
        )
        light = light.filter(ImageFilter.GaussianBlur(radius * 0.9 * SCALE))
        core = radius * 0.55 * SCALE
        ImageDraw.Draw(light).ellipse([middle - core, middle - core, middle + core, middle + core], fill=255)
        at = (int(x * SCALE - middle), int(y * SCALE - middle))
        self.image.paste(Image.new("RGB", light.size, GLOW), at, light)

    def done(self) -> Image.Image:
        return self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def badge(canvas: Canvas, x: float, y: float, size: int, mark: str, tone: str, *, lit: bool) -> None:
    """The rounded square with one character at the head of an item."""
    canvas.box(x, y, size, size, fill=tone if lit else SUNKEN, r=size * 0.28)
    canvas.text(
        x + size / 2,
        y + size / 2,
        mark,
        round(size * 0.55),
        fill="#ffffff" if lit else "#a9b0ae",
        bold=True,
        anchor="mm",
    )


def notice(canvas: Canvas, number: int, count: int) -> None:
    """The band at the foot of every slide: what this is, and how far we are."""
    canvas.box(0, 662, WIDTH, 58, fill=WARN_SOFT)
    canvas.text(56, 691, NOTICE[0], 26, fill=WARN, bold=True)
    canvas.text(56 + 26 * len(NOTICE[0]) + 22, 691, NOTICE[1], 24, fill=WARN)
    for k in range(count):
        canvas.box(WIDTH - 56 - (count - k) * 30, 686, 20, 10, fill=WARN if k <= number else "#e6cf9c", r=5)


def draw(lecture: Lecture, number: int, lit: int) -> Image.Image:
    """One state of one slide: the first ``lit`` items are lit up."""
    slide = lecture.slides[number]
    canvas = Canvas()
    if slide.kind == "cover":
        cover(canvas, lecture, slide)
    else:
        pill = f"第 {lecture.module} 单元"
        canvas.box(56, 40, 150, 44, fill=BRAND_SOFT, r=22)
        canvas.text(131, 62, pill, 26, fill=BRAND_INK, bold=True, anchor="mm")
        canvas.text(222, 62, lecture.title_en.split(":")[0], 26, fill=MUTED)
        canvas.glow(WIDTH - 78, 62, 13)
        canvas.text(56, 134, slide.zh, 58, bold=True)
        canvas.text(56, 194, slide.en, 31, fill=MUTED)
        {"tiles": tiles, "cards": cards, "rows": rows, "figure": figure}[slide.kind](canvas, slide, lit)
    notice(canvas, number, len(lecture.slides))
    return canvas.done()


def cover(canvas: Canvas, lecture: Lecture, slide: Slide) -> None:
    """The first slide: the hero with a heartbeat that ends in a firefly."""
    canvas.gradient(0, 0, WIDTH, 664)
    beat = [
        (0, 0),
        (330, 0),
        (372, -26),
        (410, 0),
        (470, 0),
        (496, 24),
        (536, -150),
        (580, 50),
        (612, 0),
        (690, 0),
        (742, -44),
        (792, 0),
        (1090, 0),
    ]
    canvas.pen.line(
        [((x + 56) * SCALE, (520 + y) * SCALE) for x, y in beat],
        fill=(255, 255, 255, 90),
        width=6 * SCALE,
        joint="curve",
    )
    canvas.glow(1146, 520, 30, strength=210)
    for x, y, radius in ((1030, 130, 9), (1120, 230, 6), (880, 110, 5), (1190, 90, 5)):
        canvas.glow(x, y, radius, strength=150)
    canvas.box(84, 84, 310, 56, fill="#ffffff", r=28)
    canvas.text(
        239,
        112,
        f"第 {lecture.module} 单元  Module {lecture.module}",
        28,
        fill=BRAND_INK,
        bold=True,
        anchor="mm",
    )
    canvas.text(84, 238, slide.zh, 88, fill="#ffffff", bold=True, room=1100)
    canvas.text(86, 330, slide.en, 42, fill="#d5ece8", room=1080)
    canvas.text(86, 606, "儿科高级培训", 30, fill="#ffffff", bold=True)
    canvas.text(86 + 30 * 6 + 20, 606, "Advanced pediatric training", 28, fill="#d5ece8")


def tiles(canvas: Canvas, slide: Slide, lit: int) -> None:
    """Five columns, one after the other."""
    width, gap = 220, 17
    for k, item in enumerate(slide.items):
        x, on = 56 + k * (width + gap), k < lit
        canvas.box(
            x,
            252,
            width,
            376,
            fill=SURFACE if on else BACK,
            r=24,
            edge=TONES[k] if k == lit - 1 else LINE,
            thick=4 if k == lit - 1 else 2,
        )
        badge(canvas, x + width / 2 - 56, 288, 112, item.mark, TONES[k], lit=on)
        canvas.text(
            x + width / 2,
            478,
            item.zh,
            48,
            fill=INK if on else "#a9b0ae",
            bold=True,
            anchor="mm",
            room=width - 20,
        )
        canvas.text(
            x + width / 2, 546, item.en, 30, fill=MUTED if on else "#b9bebb", anchor="mm", room=width - 20
        )
        canvas.box(x + width / 2 - 34, 588, 68, 8, fill=TONES[k] if on else LINE, r=4)


def cards(canvas: Canvas, slide: Slide, lit: int) -> None:
    """Two by two."""
    width, height = 574, 184
    for k, item in enumerate(slide.items):
        x, y, on = 56 + (k % 2) * (width + 20), 248 + (k // 2) * (height + 20), k < lit
        canvas.box(
            x,
            y,
            width,
            height,
            fill=SURFACE if on else BACK,
            r=24,
            edge=TONES[k] if k == lit - 1 else LINE,
            thick=4 if k == lit - 1 else 2,
        )
        badge(canvas, x + 28, y + 36, 112, item.mark, TONES[k], lit=on)
        canvas.text(x + 168, y + 72, item.zh, 46, fill=INK if on else "#a9b0ae", bold=True, room=width - 192)
        canvas.text(x + 168, y + 132, item.en, 30, fill=MUTED if on else "#b9bebb", room=width - 192)


def rows(canvas: Canvas, slide: Slide, lit: int) -> None:
    """A numbered list."""
    count = len(slide.items)
    height = (396 - 12 * (count - 1)) / count
    for k, item in enumerate(slide.items):
        y, on, now = 240 + k * (height + 12), k < lit, k == lit - 1
        canvas.box(
            56,
            y,
            1168,
            height,
            fill=SURFACE if on else BACK,
            r=18,
            edge=BRAND if now else LINE,
            thick=4 if now else 2,
        )
        size = round(height - 20)
        badge(canvas, 68, y + 10, size, item.mark, BRAND, lit=on)
        canvas.text(68 + size + 28, y + height / 2, item.zh, 44, fill=INK if on else "#a9b0ae", bold=True)
        canvas.text(1196, y + height / 2, item.en, 32, fill=MUTED if on else "#b9bebb", anchor="rm")


def figure(canvas: Canvas, slide: Slide, lit: int) -> None:
    """One number that must stay in mind, and its conditions."""
    number, unit_zh, unit_en = slide.figure
    canvas.gradient(56, 248, 430, 388, r=28)
    canvas.text(271, 390, number, 168, fill="#ffffff", bold=True, anchor="mm", room=380)
    canvas.text(271, 512, unit_zh, 44, fill="#ffffff", bold=True, anchor="mm", room=390)
    canvas.text(271, 572, unit_en, 32, fill="#d5ece8", anchor="mm", room=390)
    canvas.glow(448, 286, 9, strength=170)
    for k, item in enumerate(slide.items):
        y, on, now = 248 + k * 132, k < lit, k == lit - 1
        canvas.box(
            510,
            y,
            714,
            124,
            fill=SURFACE if on else BACK,
            r=22,
            edge=BRAND if now else LINE,
            thick=4 if now else 2,
        )
        badge(canvas, 530, y + 18, 88, item.mark, TONES[k], lit=on)
        canvas.text(644, y + 44, item.zh, 44, fill=INK if on else "#a9b0ae", bold=True, room=560)
        canvas.text(644, y + 92, item.en, 30, fill=MUTED if on else "#b9bebb", room=560)


# ---- sound and time ---------------------------------------------------------------------------------------------------


def pinyin(words: str) -> list[str]:
    """One syllable a character, punctuation as it is."""
    return lazy_pinyin(words, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True)


def speak(words: str, path: Path) -> float:
    """Say one sentence into a file; returns its seconds."""
    subprocess.run(["espeak-ng", *VOICE, "-w", str(path), " ".join(pinyin(words))], check=True)
    subprocess.run(
        [
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-i",
            str(path),
            "-af",
            "silenceremove=start_periods=1:start_threshold=-50dB,areverse,silenceremove=start_periods=1:start_threshold=-50dB,areverse",
            "-bitexact",
            str(path.with_suffix(".cut.wav")),
        ],
        check=True,
    )
    path.with_suffix(".cut.wav").replace(path)
    with wave.open(str(path)) as sound:
        return sound.getnframes() / sound.getframerate()


def sparks(zh: str) -> Iterator[float]:
    """For every ``|`` the share of the sentence that is spoken before it."""
    total = sum(1 for character in zh if character.isalnum())
    spoken = 0
    for character in zh:
        if character == "|":
            yield spoken / total
        elif character.isalnum():
            spoken += 1


def stamp(seconds: float) -> str:
    """A time of WebVTT."""
    minutes, rest = divmod(seconds, 60)
    return f"00:{int(minutes):02d}:{rest:06.3f}"


def captions(cues: list[tuple[float, float, str]], language: str) -> str:
    """A WebVTT file. Its note keeps the warning with the text wherever it goes."""
    blocks = [f"WEBVTT\nLanguage: {language}", f"NOTE {NOTICE[0]} {NOTICE[1]}"]
    blocks += [
        f"{n}\n{stamp(start)} --> {stamp(end)}\n{words}" for n, (start, end, words) in enumerate(cues, 1)
    ]
    return "\n\n".join(blocks) + "\n"


def make(lecture: Lecture, target: Path) -> dict[str, object]:
    """Film and captions of one lecture; returns its entry of lectures.json."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        now = LEAD_S
        states: list[tuple[float, int, int]] = []
        cues: list[tuple[float, float, Line]] = []
        for number, slide in enumerate(lecture.slides):
            lit = 0
            states.append((now - (LEAD_S if number == 0 else SLIDE_PAUSE_S / 2), number, lit))
            for line in slide.lines:
                path = work / f"{len(cues):02d}.wav"
                seconds = speak(line.words, path)
                for share in sparks(line.zh):
                    lit += 1
                    states.append((now + share * seconds, number, lit))
                cues.append((now, now + seconds, line))
                now += seconds + PAUSE_S
            if slide.items and lit < len(slide.items):
                states.append((now - PAUSE_S - 0.1, number, len(slide.items)))
            now += SLIDE_PAUSE_S - PAUSE_S
        length = now + TAIL_S
        listing = ["ffconcat version 1.0"]
        for k, (start, number, lit) in enumerate(states):
            end = states[k + 1][0] if k + 1 < len(states) else length
            draw(lecture, number, lit).save(work / f"{k:02d}.png")
            listing += [f"file {k:02d}.png", f"duration {end - start:.3f}"]
        listing.append(f"file {len(states) - 1:02d}.png")
        (work / "pictures.txt").write_text("\n".join(listing) + "\n")
        film(work, cues, length, target / f"{lecture.code}.mp4")
        if "--frames" in sys.argv:
            for path in sorted(work.glob("*.png")):
                path.rename(Path("/tmp") / f"{lecture.code}-{path.name}")  # for a look at them
    spans = [(start, end + 0.25) for start, end, _line in cues]
    zh = captions([(a, b, line.words) for (a, b), (_s, _e, line) in zip(spans, cues, strict=True)], "zh-Hans")
    en = captions([(a, b, line.en) for (a, b), (_s, _e, line) in zip(spans, cues, strict=True)], "en")
    (target / f"{lecture.code}.zh.vtt").write_text(zh, "utf-8")
    (target / f"{lecture.code}.en.vtt").write_text(en, "utf-8")
    return {
        "code": lecture.code,
        "module": lecture.module,
        "title": {"zh": lecture.title_zh, "en": lecture.title_en},
        "summary": {"zh": lecture.summary_zh, "en": lecture.summary_en},
        "key_points": [{"zh": zh, "en": en} for zh, en in lecture.points],
        "duration_s": round(length, 1),
        "notice": {"zh": NOTICE[0], "en": NOTICE[1]},
        "video": f"{lecture.code}.mp4",
        "captions": {"zh": f"{lecture.code}.zh.vtt", "en": f"{lecture.code}.en.vtt"},
    }


def film(work: Path, cues: list[tuple[float, float, Line]], length: float, target: Path) -> None:
    """Join pictures and sentences."""
    inputs: list[str] = []
    chains = []
    for n, (start, _end, _line) in enumerate(cues):
        inputs += ["-i", str(work / f"{n:02d}.wav")]
        chains.append(f"[{n + 1}:a]adelay={start * 1000:.0f}:all=1[s{n}]")
    mixed = "".join(f"[s{n}]" for n in range(len(cues)))
    chains.append(f"{mixed}amix=inputs={len(cues)}:normalize=0,apad=whole_dur={length:.3f},{WARM}[sound]")
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-f",
        "concat",
        "-i",
        str(work / "pictures.txt"),
        *inputs,
    ]
    command += [
        "-filter_complex",
        ";".join([*chains, "[0:v]fps=25,format=yuv420p[picture]"]),
        "-map",
        "[picture]",
        "-map",
        "[sound]",
    ]
    command += [
        "-t",
        f"{length:.3f}",
        "-c:v",
        "libx264",
        "-preset",
        "veryslow",
        "-tune",
        "animation",
        "-crf",
        "19",
        "-g",
        "250",
    ]
    command += ["-c:a", "aac", "-b:a", "96k", "-ac", "1", "-movflags", "+faststart", "-map_metadata", "-1"]
    command += ["-fflags", "+bitexact", "-flags", "+bitexact", str(target)]
    subprocess.run(command, check=True)


def main() -> None:
    """Make everything anew."""
    TARGET.mkdir(parents=True, exist_ok=True)
    entries = [make(lecture, TARGET) for lecture in LECTURES]
    (TARGET / "lectures.json").write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for entry in entries:
        size = (TARGET / str(entry["video"])).stat().st_size
        print(f"{entry['video']}  {entry['duration_s']} s  {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
