"""Captions: WebVTT read strictly, so that what is kept shows in every browser and makes a transcript."""

import html
import re
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
    start = parts[0] * 3600 + parts[1] * 60 + parts[2] + parts[3] / 1000
    end = parts[4] * 3600 + parts[5] * 60 + parts[6] + parts[7] / 1000
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
    """Keep the captions of a lecture in one language; the newest replaces the one before."""
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    if lang not in CAPTION_LANGS:
        raise RuleBroken("captions_lang", _("Choose the language of the captions."), field="lang")
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
