"""Shapes of input."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

from wtforms import (
    DateField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    StopValidation,
    ValidationError,
)

from lms.core.i18n import lazy, pick
from lms.core.ports import LinkedTest
from lms.courses.models import Lecture
from lms.courses.rules import release
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
    def showing(cls, words: Mapping[str, Any]) -> Self:
        """The form with a lecture's newest words."""
        return cls(
            **{name: words[name] for name in ("title_zh", "title_en", "summary_zh", "summary_en")},
            key_points="\n".join(f"{point['zh']} | {point['en']}" for point in words["key_points"]),
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


class NewUnitForm(Form):
    """A new page, file, test or checkpoint."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    title_zh = _title(lazy("Title in Chinese"))
    title_en = _title(lazy("Title in English"))
    test_ref = SelectField(lazy("Test"), validate_choice=False)
    file = FileField(lazy("File"))

    def offer(self, tests: Iterable[LinkedTest], kind: str) -> None:
        """The tests that it may lead to."""
        purpose = {"test": "exam", "checkpoint": "practice"}.get(kind, "")
        self.test_ref.choices = [
            SelectChoice(one.ref, pick(one.title_zh, one.title_en)) for one in tests if one.purpose == purpose
        ]


class UnitForm(Form):
    """The words of a unit."""

    title_zh = _title(lazy("Title in Chinese"))
    title_en = _title(lazy("Title in English"))
    body_zh = TextAreaField(lazy("Text in Chinese"), filters=[_stripped], validators=[Length(max=200_000)])
    body_en = TextAreaField(lazy("Text in English"), filters=[_stripped], validators=[Length(max=200_000)])


class PictureForm(Form):
    """A picture for the pages of a course."""

    picture = FileField(lazy("Picture"), validators=[InputRequired(lazy("Choose a picture."))])
    alt_zh = StringField(lazy("What it shows, in Chinese"), filters=[_stripped], validators=[Length(max=300)])
    alt_en = StringField(lazy("What it shows, in English"), filters=[_stripped], validators=[Length(max=300)])


class ReviewForm(Form):
    """What a reviewer says."""

    number = HiddenField()
    due_on = DateField(lazy("Next review by"), validators=[Optional()])
    why = TextAreaField(lazy("What has to be changed"), filters=[_stripped], validators=[Length(max=600)])


class SourceForm(Form):
    """A source of content, or what changed in one."""

    source = HiddenField()
    title = StringField(lazy("Title of the source"), filters=[_stripped], validators=[Length(max=240)])
    edition = StringField(lazy("Edition or year"), filters=[_stripped], validators=[Length(max=80)])
    url = StringField(
        lazy("Web address"),
        filters=[_stripped],
        validators=[Optional(), Length(max=400), Regexp(r"https?://", message=lazy("Begin with https://."))],
    )
    change = StringField(lazy("What changed"), filters=[_stripped], validators=[Length(max=400)])


class ConditionForm(Form):
    """One small change of a condition: a part more, a part less, all turned to any."""

    act = HiddenField()
    path = HiddenField()
    kind = RadioField(
        lazy("Condition"),
        choices=[
            SelectChoice("done", lazy("Something is finished")),
            SelectChoice("from", lazy("A day has come")),
            SelectChoice("score", lazy("A test result")),
            SelectChoice("group", lazy("A track")),
            SelectChoice("all", lazy("A group: all of …")),
            SelectChoice("any", lazy("A group: one of …")),
        ],
        default="done",
        validators=[Optional()],
    )
    done = SelectField(lazy("What is finished"), validate_choice=False)
    day = DateField(lazy("From this day"), validators=[Optional()])
    test = SelectField(lazy("Test"), validate_choice=False)
    percent = IntegerField(lazy("At least, per cent"), default=60, validators=[Optional()])
    group = SelectField(lazy("Track"), validate_choice=False)

    def offer(
        self,
        things: Iterable[tuple[str, str]],
        tests: Iterable[tuple[str, str]],
        groups: Iterable[tuple[str, str]],
    ) -> None:
        """What can be chosen."""
        for field, pairs in ((self.done, things), (self.test, tests), (self.group, groups)):
            field.choices = [SelectChoice(value, label) for value, label in pairs]

    @property
    def _place(self) -> list[int]:
        return [int(part) for part in (self.path.data or "").split(".") if part.isdecimal()]

    def changed(self, condition: Any) -> Any:
        """The condition after what was asked for."""
        if self.act.data == "remove":
            return release.with_removed(condition, self._place)
        if self.act.data == "turn":
            return release.with_turned(condition, self._place)
        kind = self.kind.data
        if kind in release.GROUPS:
            part: dict[str, Any] = {kind: []}
        elif kind == "from":
            part = {"from": self.day.data.isoformat() if self.day.data else ""}
        elif kind == "score":
            part = {"score": self.test.data, "percent": self.percent.data}
        else:
            part = {kind: self.done.data if kind == "done" else self.group.data}
        return release.with_added(condition, self._place, part)


class CopyForm(Form):
    """The cohort that a course is copied or taken in for."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    cohort = SelectField(lazy("Cohort"), validators=[InputRequired(lazy("Choose the cohort."))])
    seen_for = HiddenField(validators=[Length(max=12)])
    """The cohort for which the page has named what cannot be carried."""

    def offer(self, cohorts: Iterable[Cohort], but_not: int | None) -> None:
        """The cohorts to choose from."""
        self.cohort.choices = [
            SelectChoice(
                cohort.public_id,
                f"{pick(cohort.programme.title_zh, cohort.programme.title_en)} · {pick(cohort.name_zh, cohort.name_en)}",
            )
            for cohort in cohorts
            if cohort.id != but_not
        ]


class PackageForm(Form):
    """A course file."""

    package = FileField(lazy("Course file"), validators=[InputRequired(lazy("Choose a course file."))])


class AnnounceForm(Form):
    """An announcement to a cohort."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    cohort = SelectField(lazy("Cohort"), validators=[InputRequired(lazy("Choose the cohort."))])
    title = StringField(
        lazy("Title"), filters=[_stripped], validators=[InputRequired(lazy("Give a title.")), Length(max=160)]
    )
    text = TextAreaField(
        lazy("Words"),
        filters=[_stripped],
        validators=[InputRequired(lazy("Write a few words.")), Length(max=5000)],
    )

    def offer(self, cohorts: Iterable[Cohort]) -> None:
        """The cohorts to choose from."""
        self.cohort.choices = [
            SelectChoice(
                cohort.public_id,
                f"{pick(cohort.programme.title_zh, cohort.programme.title_en)} · {pick(cohort.name_zh, cohort.name_en)}",
            )
            for cohort in cohorts
        ]


class PostForm(Form):
    """A question or an answer under a lecture."""

    client_uuid = HiddenField(validators=[Length(max=80)])
    moment = StringField(
        lazy("Moment of the film"),
        description=lazy("Minutes and seconds, for example 3:20. Empty: the whole lecture."),
        validators=[Optional(), Regexp(r"\s*(\d{1,4}:)?\d{1,5}\s*$", message=lazy("Write 3:20."))],
    )
    text = TextAreaField(
        lazy("Words"),
        description=lazy("No names, numbers or dates of patients."),
        filters=[_stripped],
        validators=[InputRequired(lazy("Write a few words.")), Length(max=3000)],
    )


class HideForm(Form):
    """Why a post is hidden."""

    why = StringField(lazy("Why"), filters=[_stripped], validators=[Length(max=200)])
