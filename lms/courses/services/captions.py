"""Captions: WebVTT read strictly, so that what is kept shows in every browser and makes a transcript."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.core import audit, deid
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.courses.models import Caption, Lecture
from lms.courses.services.base import lock, scope_of, who
from lms.policy import Actor, Permission

CAPTION_LANGS = ("zh-Hans", "en")
CAPTIONS_LIMIT_BYTES = 1_000_000

_TIME = r"(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_CUE = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t].*)?", re.ASCII)


@dataclass(frozen=True)
class Cue:
    """One caption with its times in seconds."""

    start_s: float
    end_s: float
    text: str


def cues(vtt: str) -> list[Cue]:
    """The cues of a WebVTT file. Raises RuleBroken naming the line that makes no sense."""
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", vtt.removeprefix("\ufeff"))]
    if re.match(r"WEBVTT(?:[ \t]|$)", lines[0]) is None:
        raise RuleBroken(
            "captions_header", _("The first line of a caption file must be WEBVTT."), field="captions"
        )
    found: list[Cue] = []
    index = 0
    while index < len(lines):
        if "-->" not in lines[index]:
            index += 1
            continue
        start, end = _span(lines[index], index + 1)
        number, text = index + 1, ""
        while number < len(lines) and lines[number]:
            if "-->" in lines[number]:
                raise RuleBroken(
                    "captions_blank",
                    _("Line %(number)s: an empty line is missing before this caption.", number=number + 1),
                    field="captions",
                )
            text = _joined(text, html.unescape(re.sub(r"<[^>]*>", "", lines[number])))
            number += 1
        if text:
            found.append(Cue(start, end, text))
        index = number
    if not found:
        raise RuleBroken("captions_empty", _("The file holds no caption."), field="captions")
    return found


_SRT_TIME = re.compile(
    r"(\d{1,4}):([0-5]\d):([0-5]\d)[,.](\d{1,3})[ \t]*-->[ \t]*(\d{1,4}):([0-5]\d):([0-5]\d)[,.](\d{1,3})(?:[ \t].*)?",
    re.ASCII,
)
_SRT_TAG = re.compile(r"\{\\[^}]*\}|</?font[^>]*>", re.IGNORECASE)


def looks_like_srt(text: str) -> bool:
    """Whether the file is SubRip, which other programs write: no header, a comma before the thousandths."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()][:2]
    return any(_SRT_TIME.fullmatch(line) for line in lines) and not (lines[0].startswith("WEBVTT"))


def from_srt(text: str) -> str:
    """WebVTT with the cues of a SubRip file; lines that make no sense are kept, so that ``cues`` names them."""
    lines = ["WEBVTT", ""]
    given = [line.rstrip() for line in re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))]
    for place, line in enumerate(given):
        match = _SRT_TIME.fullmatch(line.strip())
        if match:
            begin, end = match.groups()[:4], match.groups()[4:]
            lines.append(" --> ".join(f"{int(h):02d}:{m}:{s}.{t:0<3}" for h, m, s, t in (begin, end)))
            continue
        is_number = line.strip().isdecimal() and place + 1 < len(given) and "-->" in given[place + 1]
        if not is_number:
            lines.append(_SRT_TAG.sub("", line))
    return "\n".join(lines).rstrip() + "\n"


def to_vtt(found: Sequence[Cue]) -> str:
    """WebVTT of these cues, as the editor shows it."""
    lines = ["WEBVTT", ""]
    for cue in found:
        lines += [f"{_clock(cue.start_s)} --> {_clock(cue.end_s)}", html.escape(cue.text, quote=False), ""]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"


def _span(line: str, number: int) -> tuple[float, float]:
    match = _CUE.fullmatch(line)
    if match is None:
        raise RuleBroken(
            "captions_time",
            _(
                "Line %(number)s: this is no time span. It should look like 00:01.000 --> 00:04.500.",
                number=number,
            ),
            field="captions",
        )
    parts = [int(part or 0) for part in match.groups()]
    start = ((parts[0] * 60 + parts[1]) * 60000 + parts[2] * 1000 + parts[3]) / 1000
    end = ((parts[4] * 60 + parts[5]) * 60000 + parts[6] * 1000 + parts[7]) / 1000
    if end <= start:
        raise RuleBroken(
            "captions_time",
            _("Line %(number)s: the caption ends before it begins.", number=number),
            field="captions",
        )
    return start, end


def _joined(text: str, more: str) -> str:
    """Two lines of a caption as one; Chinese needs no space between them."""
    return f"{text} {more}" if text[-1:].isascii() and text and more else text + more


def captions_text(data: bytes) -> str:
    """The text of an uploaded caption file. Raises RuleBroken for what is no text or too much of it."""
    if len(data) > CAPTIONS_LIMIT_BYTES:
        raise RuleBroken("captions_large", _("The file is too large for captions."), field="captions")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        number = data[: problem.start].count(b"\n") + 1
        raise RuleBroken(
            "captions_encoding",
            _("Line %(number)s cannot be read. Save the file as UTF-8 and choose it again.", number=number),
            field="captions",
        ) from None
    if "\0" in text:
        raise RuleBroken("captions_binary", _("This is not a text file."), field="captions")
    return text


def set_captions(lecture: Lecture, *, lang: str, text: str, at: datetime, by: Actor | None) -> Caption:
    """Keep the captions of a lecture in one language, WebVTT or SubRip; the newest replaces the one before."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if lang not in CAPTION_LANGS:
        raise RuleBroken("captions_lang", _("Choose the language of the captions."), field="lang")
    if looks_like_srt(text):
        text = from_srt(text)
    spoken = "\n".join(cue.text for cue in cues(text))
    if by is not None:
        deid.require_clean(spoken, field="captions")
    lock(Lecture, lecture.id)
    row = db.session.scalar(select(Caption).where(Caption.lecture_id == lecture.id, Caption.lang == lang))
    if row is None:
        row = Caption(lecture_id=lecture.id, lang=lang, text=text)
        db.session.add(row)
    row.text = text
    db.session.flush()
    audit.record(
        "courses.captions.set",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=who(by),
        subject=f"lecture:{lecture.public_id}",
        lang=lang,
    )
    return row
