"""Shapes of input."""

import re
from collections.abc import Mapping
from typing import Any, Self

from wtforms import HiddenField, IntegerField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, StopValidation, ValidationError

from lms.core.i18n import lazy, pick
from lms.courses.models import Lecture
from lms.programmes.models import Cohort
from lms.web.forms import FileField, Form

MOST_KEY_POINTS = 12


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _title(label: str) -> StringField:
    return StringField(
        label,
        filters=[_stripped],
        validators=[InputRequired(lazy("Give a title in both languages.")), _some, Length(max=160)],
    )


def _some(_form: Form, field: Any) -> None:
    if not field.data:
        raise ValidationError(lazy("Give a title in both languages."))


class ModuleForm(Form):
    """A module's words."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    title_zh = _title(lazy("Title in Chinese"))
    title_en = _title(lazy("Title in English"))


class CourseForm(Form):
    """A course's words."""

    title_zh = _title(lazy("Title in Chinese"))
    title_en = _title(lazy("Title in English"))
    summary_zh = TextAreaField(lazy("Summary in Chinese"), filters=[_stripped], validators=[Length(max=1000)])
    summary_en = TextAreaField(lazy("Summary in English"), filters=[_stripped], validators=[Length(max=1000)])


class NewCourseForm(CourseForm):
    """A new course and the cohort it is for."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    cohort = SelectField(
        lazy("Cohort"), validators=[InputRequired(lazy("Choose the cohort."))], validate_choice=True
    )

    def offer(self, cohorts: Mapping[str, Cohort]) -> None:
        """The cohorts to choose from, by public id."""
        self.cohort.choices = [
            SelectChoice(
                key,
                " · ".join(
                    (
                        pick(cohort.programme.title_zh, cohort.programme.title_en),
                        pick(cohort.name_zh, cohort.name_en),
                    )
                ),
            )
            for key, cohort in cohorts.items()
        ]


class LectureForm(CourseForm):
    """A lecture's words. Key points: one on each line, Chinese and English parted by a vertical bar."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    key_points = TextAreaField(
        lazy("Key points"),
        description=lazy("One on each line: Chinese | English. At most 12."),
        filters=[_stripped],
        validators=[Length(max=4000)],
    )

    def validate_key_points(self, field: Any) -> None:
        """Name the line that lacks a language."""
        lines = [line for line in (field.data or "").splitlines() if line.strip()]
        if len(lines) > MOST_KEY_POINTS:
            raise ValidationError(lazy("Keep to 12 key points; nobody remembers more."))
        for number, line in enumerate(lines, 1):
            zh, bar, en = line.partition("|")
            if not bar or not zh.strip() or not en.strip():
                raise ValidationError(lazy("Key point %(number)s: write Chinese | English.", number=number))

    @classmethod
    def showing(cls, lecture: Lecture) -> Self:
        """The form with a lecture's present words."""
        return cls(
            title_zh=lecture.title_zh,
            title_en=lecture.title_en,
            summary_zh=lecture.summary_zh,
            summary_en=lecture.summary_en,
            key_points="\n".join(f"{point['zh']} | {point['en']}" for point in lecture.key_points),
        )

    @property
    def points(self) -> list[dict[str, str]]:
        """The key points as they are kept."""
        return [
            {"zh": zh.strip(), "en": en.strip()}
            for zh, _bar, en in (
                line.partition("|") for line in (self.key_points.data or "").splitlines() if line.strip()
            )
        ]


class _FileOrUpload:
    field_flags = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        if not form.upload.data and not getattr(field.data, "filename", ""):
            raise StopValidation(str(lazy("Choose a video file.")))


class VideoForm(Form):
    """A video to upload."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    upload = HiddenField(validators=[Length(max=12)])
    """An upload in pieces that is all there, instead of a file."""

    video = FileField(lazy("Video file"), validators=[_FileOrUpload()])


class CaptionsForm(Form):
    """Captions to upload."""

    lang = SelectField(
        lazy("Language of the captions"),
        choices=[SelectChoice("zh-Hans", lazy("Chinese")), SelectChoice("en", lazy("English"))],
        default="zh-Hans",
    )
    captions = FileField(
        lazy("Caption file (WebVTT or SRT)"), validators=[InputRequired(lazy("Choose a caption file."))]
    )


class CaptionTextForm(Form):
    """Captions as text, for the editor."""

    text = TextAreaField(
        lazy("Captions"),
        description=lazy("Times, the words below them, and an empty line after each caption."),
        validators=[InputRequired(lazy("Write something.")), Length(max=1_000_000)],
    )


class NoteForm(Form):
    """A note at a moment of a lecture."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    at_s = IntegerField(lazy("At second"), default=0, validators=[Optional(), NumberRange(min=0, max=86_400)])
    text = TextAreaField(
        lazy("Note"),
        filters=[_stripped],
        validators=[InputRequired(lazy("Write something.")), Length(max=2000)],
    )


MOST_CHAPTERS = 100
_CHAPTER = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d)", re.ASCII)


class ChaptersForm(Form):
    """Chapters: one on each line, time and title in both languages parted by vertical bars."""

    chapters = TextAreaField(
        lazy("Chapters"),
        description=lazy("One on each line: 12:30 | Chinese | English."),
        filters=[_stripped],
        validators=[Length(max=20_000)],
    )

    def validate_chapters(self, _field: Any) -> None:
        """Name the line that makes no chapter."""
        if len(self._lines) > MOST_CHAPTERS:
            raise ValidationError(lazy("Keep to 100 chapters."))
        for number, line in enumerate(self._lines, 1):
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 3 or not all(parts) or not _CHAPTER.fullmatch(parts[0]):
                raise ValidationError(
                    lazy(
                        "Line %(number)s: write time | Chinese | English, for example 12:30 | 气道 | Airway.",
                        number=number,
                    )
                )

    @property
    def _lines(self) -> list[str]:
        return [line for line in (self.chapters.data or "").splitlines() if line.strip()]

    @property
    def rows(self) -> list[tuple[int, str, str]]:
        """Second, Chinese and English title of each."""
        found = []
        for line in self._lines:
            time, zh, en = (part.strip() for part in line.split("|"))
            hours, minutes, seconds = (int(part or 0) for part in _CHAPTER.fullmatch(time).groups())  # type: ignore[union-attr]
            found.append((hours * 3600 + minutes * 60 + seconds, zh[:160], en[:160]))
        return found

    @classmethod
    def showing(cls, lecture: Lecture) -> Self:
        """The form with the present chapters, else with the changes of slides that were found in the film."""
        slides = (lecture.video.manifest or {}).get("slides", ()) if lecture.video else ()
        proposed = [
            {"at_s": second, "zh": f"第 {number} 部分", "en": f"Part {number}"}
            for number, second in enumerate([0, *slides] if slides else [], 1)
        ]
        return cls(
            chapters="\n".join(
                f"{one['at_s'] // 60:02d}:{one['at_s'] % 60:02d} | {one['zh']} | {one['en']}"
                for one in lecture.chapters or proposed
            )
        )
