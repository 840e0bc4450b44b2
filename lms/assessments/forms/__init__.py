"""Forms of assessments."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from wtforms import (
    BooleanField,
    DateTimeLocalField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, InputRequired, Length, NumberRange, Optional

from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.forms.blueprint import BlueprintForm as BlueprintForm
from lms.assessments.forms.describing import DescribeForm as DescribeForm
from lms.assessments.models import ExamForm, ItemBank, KeyRevision, QuestionVersion, Test, TestPlan
from lms.assessments.rules import drawable, field_at, fields_of, read_sheet
from lms.assessments.rules.papers import Limits
from lms.assessments.rules.standards import FROM_RESULTS
from lms.assessments.services import Terms
from lms.assessments.services.pictures import Picture
from lms.core import clock
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy, pick
from lms.programmes.models import Cohort, Programme
from lms.web.forms import FileField, Form, request_value, request_values


def _number(label: Any, default: int | None = None) -> IntegerField:
    return IntegerField(label, default=default, validators=[InputRequired(lazy("Enter a number."))])


class StartForm(Form):
    """The start button."""

    client_uuid = HiddenField(validators=[InputRequired(), Length(min=8, max=64)])


class ExtendForm(Form):
    """More time for one candidate."""

    minutes = IntegerField(lazy("Minutes more"), validators=[InputRequired(lazy("Enter the minutes."))])
    reason = StringField(
        lazy("Why"), validators=[InputRequired(lazy("Say why the time is extended.")), Length(max=200)]
    )


class PauseForm(Form):
    """The clock stands."""

    reason = StringField(
        lazy("Why"), validators=[InputRequired(lazy("Say why the clock is stopped.")), Length(max=200)]
    )


class NoteForm(Form):
    """A message to candidates, or an incident for the record."""

    client_uuid = HiddenField(validators=[InputRequired(), Length(min=8, max=64)])
    kind = RadioField(
        lazy("What it is"),
        choices=[
            SelectChoice("message", lazy("Message that candidates see")),
            SelectChoice("incident", lazy("Incident for the record")),
        ],
        default="message",
    )
    words = TextAreaField(
        lazy("Words"), validators=[InputRequired(lazy("Write a few words.")), Length(max=500)]
    )


class AccommodationForm(Form):
    """More time for one trainee in every test."""

    percent = _number(lazy("Per cent more"), 0)
    minutes = _number(lazy("Minutes more"), 0)
    need = RadioField(
        lazy("Why"),
        choices=[
            SelectChoice(rules.Need.LANGUAGE, lazy("The language of the test is a second one")),
            SelectChoice(rules.Need.READING, lazy("Reading or writing takes longer")),
            SelectChoice(rules.Need.BREAKS, lazy("Breaks are needed")),
            SelectChoice(rules.Need.OTHER, lazy("Other, agreed with the coordinator")),
        ],
        default=rules.Need.LANGUAGE,
    )


class BankForm(Form):
    """A new bank."""

    programme = SelectField(lazy("Programme"), validators=[InputRequired()])
    purpose = RadioField(
        lazy("What its questions are for"),
        choices=[SelectChoice("exam", lazy("Exams")), SelectChoice("practice", lazy("Practice"))],
        default="exam",
    )
    title_zh = StringField(lazy("Name in Chinese"), validators=[Length(max=160)])
    title_en = StringField(lazy("Name in English"), validators=[Length(max=160)])

    def offer(self, programmes: Sequence[Programme]) -> None:
        """Hand in what can be chosen."""
        self.programme.choices = [
            SelectChoice(one.public_id, pick(one.title_zh, one.title_en)) for one in programmes
        ]


class WordsForm(Form):
    """A button with a few words."""

    words = TextAreaField(lazy("Words"), validators=[Length(max=2000)])


class DecideForm(WordsForm):
    """The decision on what another person proposed."""

    outcome = StringField(validators=[AnyOf(["approved", "refused"])])
    seen = StringField(validators=[Length(max=64)])
    """Digest of what was shown."""

    def refuse(self, refusal: RuleBroken) -> None:
        """The shared approval calls the decider's words a note."""
        field = "words" if refusal.field == "note" else refusal.field
        super().refuse(RuleBroken(refusal.code, refusal.message, field=field))


class RegradeForm(Form):
    """The proposal of a regrade that was looked at."""

    cut = IntegerField(lazy("Pass mark in percent"), validators=[InputRequired(), NumberRange(1, 100)])
    reason = TextAreaField(lazy("Why"), validators=[Length(max=200)])
    seen = HiddenField(validators=[Length(max=64)])
    """Digest of what was shown."""
    standard = HiddenField(validators=[Optional(), AnyOf(sorted(FROM_RESULTS))])
    """The method that found the pass mark; empty: chosen."""
    study = HiddenField(validators=[Length(max=12)])


class LateForm(Form):
    """Which answers that came too late should count, and why."""

    reason = TextAreaField(lazy("What happened"), validators=[Length(max=200)])
    ticked: frozenset[int] | set[int] = frozenset()
    """Operations that were ticked."""


class WordingForm(Form):
    """A wording with its key; the fields of its type stand in the page under the names of rules.items.sheet."""

    code = StringField(
        lazy("Code"), validators=[Length(max=40)], description=lazy("Empty: the bank’s next number")
    )
    topic = StringField(lazy("Topic"), validators=[Length(max=120)])
    source = StringField(
        lazy("Source"),
        validators=[Length(max=300)],
        description=lazy("The guideline or book it rests on, with its year"),
    )
    reason = TextAreaField(lazy("Why the key is wrong"), validators=[Length(max=1000)])
    picture = FileField(lazy("The picture"))
    base_n = IntegerField(validators=[Optional()])

    shown: Mapping[str, str] | None = None
    kind: str = ""
    base: Mapping[str, Any] | None = None
    held: Mapping[str, str] = {}
    """What the page says in the place of what was sent: the picture that was just taken."""

    preview: Sequence[Any] = ()
    """The asks as a candidate sees them."""

    def read(
        self, kind: str, base: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Body, key and explanation as they were typed. ``base``: the body of the wording that one began with."""
        self.kind, self.base = kind, base
        return read_sheet(kind, self.typed, base)

    def refuse(self, refusal: RuleBroken) -> None:
        """Show each fault of the item at the field that it lies in."""
        faults = refusal.details.get("faults")
        if not isinstance(faults, list):
            super().refuse(refusal)
            return
        for fault in faults:
            target = field_at(self.kind, self.typed, fault["path"], self.base)
            if (target, fault["message"]) not in self.linked:
                self.linked.append((target, fault["message"]))

    @property
    def said(self) -> Mapping[str, str]:
        """What is wrong, by the field of the type."""
        return dict(reversed(self.linked))

    def typed(self, name: str) -> str:
        """What was typed into a field of the type."""
        return self.held[name] if name in self.held else request_value(name)

    def hold(self, picture: Picture) -> None:
        """Go on with a picture that was taken."""
        self.held = {
            "image": picture.public_id,
            "width": str(picture.width),
            "height": str(picture.height),
        }

    def show(self, version: QuestionVersion, revision: KeyRevision) -> None:
        """Begin with a wording and its key."""
        self.shown = fields_of(version.type, version.body, revision.key, revision.rationale)
        self.source.data, self.base_n.data = version.source, version.n

    def values(self) -> Mapping[str, str]:
        """What the fields of the type show: the wording that one began with, or what was typed."""
        return self.shown if self.shown is not None else {**request_values(), **self.held}

    @property
    def areas(self) -> list[tuple[int, str, list[int]]]:
        """The areas of a picture as far as they can be drawn: (number, shape, coordinates)."""
        values = self.values()
        return drawable(lambda name: values.get(name, ""))


class ItemFileForm(Form):
    """A file of questions."""

    file = FileField(lazy("File with questions"))


class PressForm(Form):
    """A button that says what was seen, or what it is about."""

    seen = StringField(validators=[Length(max=64)])


_LOCAL = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]


class TestForm(Form):
    """The terms of a test; times are those of Beijing."""

    client_uuid = HiddenField(validators=[Length(max=64)])
    cohort = SelectField(lazy("Cohort"), validators=[InputRequired()])
    bank = SelectField(
        lazy("Bank"),
        validators=[InputRequired()],
        description=lazy("Its purpose is that of the test; practice counts for no certificate."),
    )
    title_zh = StringField(lazy("Title in Chinese"), validators=[Length(max=160)])
    title_en = StringField(lazy("Title in English"), validators=[Length(max=160)])
    minutes = IntegerField(
        lazy("Minutes to work on it"),
        validators=[InputRequired(lazy("Enter the minutes.")), NumberRange(1, 1440)],
    )
    opens_at = DateTimeLocalField(
        lazy("Opens (Beijing time)"), format=_LOCAL, validators=[InputRequired(lazy("Say when it opens."))]
    )
    closes_at = DateTimeLocalField(
        lazy("Closes (Beijing time)"), format=_LOCAL, validators=[InputRequired(lazy("Say when it closes."))]
    )
    starts_until = DateTimeLocalField(
        lazy("Nobody begins after"),
        format=_LOCAL,
        validators=[Optional()],
        description=lazy("Empty: one may begin until it closes. Whoever begins late ends when it closes."),
    )
    attempts_allowed = IntegerField(
        lazy("Attempts"), default=1, validators=[InputRequired(lazy("Enter the attempts."))]
    )
    cooldown_days = IntegerField(
        lazy("Days between two attempts"),
        default=0,
        validators=[Optional()],
        description=lazy("0: the next attempt may begin at once."),
    )
    appeal_days = IntegerField(
        lazy("Days for appeals"),
        default=7,
        validators=[Optional()],
        description=lazy("Counted from when a result can be seen. 0: its marking cannot be appealed."),
    )
    cut_percent = IntegerField(
        lazy("Pass mark, per cent"), default=60, validators=[InputRequired(lazy("Enter the pass mark."))]
    )
    release = RadioField(
        lazy("Results are shown"),
        choices=[
            SelectChoice("at_once", lazy("as soon as a sitting is marked")),
            SelectChoice("held", lazy("when the examiner releases them")),
        ],
        default="at_once",
    )
    forms_wanted = IntegerField(
        lazy("Number of papers"),
        default=1,
        validators=[InputRequired(lazy("Enter how many papers."))],
        description=lazy(
            "Each fills the same blueprint; neighbours get different ones, and a retake another."
        ),
    )
    max_shared = IntegerField(
        lazy("Questions that two papers may share"),
        default=0,
        validators=[Optional()],
        description=lazy("Empty: any number."),
    )
    max_exposure_percent = IntegerField(
        lazy("Leave out what more than so many per cent of the year’s sittings showed"),
        validators=[Optional()],
        description=lazy("Empty: no limit."),
    )
    keeps_order = BooleanField(lazy("Everybody gets the questions in the order of the paper"))

    def offer(self, banks: Iterable[ItemBank], cohorts: Iterable[Cohort]) -> None:
        """Hand in what can be chosen."""
        self.cohort.choices = [
            SelectChoice(
                one.public_id,
                f"{pick(one.name_zh, one.name_en)} · {pick(one.programme.title_zh, one.programme.title_en)}",
            )
            for one in cohorts
        ]
        words = {"exam": _("Exams"), "practice": _("Practice")}
        self.bank.choices = [
            SelectChoice(one.public_id, f"{words[one.purpose]} · {pick(one.title_zh, one.title_en)}")
            for one in banks
        ]

    def settle(self, plan: TestPlan, *, is_sealed: bool) -> None:
        """Leave out what a draft that exists does not ask: its cohort, and what touches sealed papers."""
        del self.cohort
        if is_sealed:
            self._plan = plan
            for name in ("bank", "forms_wanted", "max_shared", "max_exposure_percent", "keeps_order"):
                delattr(self, name)

    _plan: TestPlan | None = None

    @classmethod
    def showing(cls, test: Test, plan: TestPlan) -> "TestForm":
        """The form as the draft stands."""

        def local(at: datetime | None) -> datetime | None:
            return at and at.astimezone(clock.BEIJING)

        return cls(
            data={
                "bank": plan.bank.public_id,
                "title_zh": test.title_zh,
                "title_en": test.title_en,
                "minutes": test.duration_s // 60,
                "opens_at": local(test.opens_at),
                "closes_at": local(test.closes_at),
                "starts_until": local(test.starts_until),
                "attempts_allowed": test.attempts_allowed,
                "cooldown_days": test.cooldown_days,
                "appeal_days": test.appeal_days,
                "cut_percent": test.cut_percent,
                "release": test.release,
                "forms_wanted": plan.forms_wanted,
                "max_shared": plan.max_shared,
                "max_exposure_percent": plan.max_exposure_percent,
                "keeps_order": plan.keeps_order,
            }
        )

    def terms(self) -> Terms:
        """What was typed, for the service."""

        def aware(local: datetime) -> datetime:
            return local.replace(tzinfo=clock.BEIJING)

        plan = self._plan
        return Terms(
            title_zh=self.title_zh.data or "",
            title_en=self.title_en.data or "",
            duration_s=self.minutes.data * 60,
            opens_at=aware(self.opens_at.data),
            closes_at=aware(self.closes_at.data),
            starts_until=self.starts_until.data and aware(self.starts_until.data),
            attempts_allowed=self.attempts_allowed.data,
            cooldown_days=self.cooldown_days.data or 0,
            appeal_days=7 if self.appeal_days.data is None else self.appeal_days.data,
            cut_percent=self.cut_percent.data,
            release=self.release.data,
            keeps_order=plan.keeps_order if plan else bool(self.keeps_order.data),
            limits=plan.limits
            if plan
            else Limits(self.forms_wanted.data, self.max_shared.data, self.max_exposure_percent.data),
        )

    def refuse(self, refusal: RuleBroken) -> None:
        """The rules speak of seconds, the form of minutes."""
        field = "minutes" if refusal.field == "duration_s" else refusal.field
        super().refuse(RuleBroken(refusal.code, refusal.message, field=field))


class CutForm(Form):
    """A pass mark and its reason; with a study, what its judges found."""

    percent = IntegerField(
        lazy("Pass mark, per cent"), validators=[InputRequired(lazy("Enter the pass mark."))]
    )
    reason = TextAreaField(lazy("Why this pass mark is right"), validators=[Length(max=1000)])
    study = HiddenField(validators=[Length(max=12)])


class MultiCheckboxField(SelectMultipleField):  # type: ignore[misc]
    """Several of a list, each with a box to tick."""


class StudyForm(Form):
    """Who judges which paper."""

    paper = SelectField(lazy("Paper"), validators=[InputRequired()])
    judges = MultiCheckboxField(lazy("Judges"), validators=[])

    def offer(self, papers: Iterable[ExamForm], people: Iterable[Person]) -> None:
        """Hand in what can be chosen."""
        self.paper.choices = [SelectChoice(str(one.n), _("Paper %(n)s", n=one.n)) for one in papers]
        self.judges.choices = [
            SelectChoice(one.public_id, pick(one.name_zh, one.name_latin)) for one in people
        ]


class RatingForm(Form):
    """What a judge says of each question; the field of slot 3 is called ``rate-3``."""

    round = IntegerField(validators=[InputRequired(), NumberRange(1, 2)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: dict[int, str] = {}
        """Slot → what is wrong."""
        self.typed: dict[int, str] = {}

    def read(self, slots: Iterable[int]) -> dict[int, int]:
        """Slot → per cent, of the questions that were filled in."""
        found = {}
        for slot in slots:
            text = request_value(f"rate-{slot}").strip()[:10]
            self.typed[slot] = text
            if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 100:
                found[slot] = int(text)
            elif text:
                self.faults[slot] = _("Give a number from 0 to 100.")
        return found

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Whether every number could be read."""
        return bool(super().validate(*args, **kwargs)) and not self.faults

    @property
    def failed(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.faults) or bool(super().failed)


class DrillForm(StartForm):
    """An exam drill before a test."""

    users = _number(lazy("Candidates"))
    minutes = _number(lazy("Minutes"), 3)
    drop_percent = _number(lazy("Replies lost on the way, per cent"), 5)
    kills = _number(lazy("Times the server is killed"), 3)


class SebForm(Form):
    """Whether a test asks for Safe Exam Browser."""

    is_needed = BooleanField(lazy("Candidates need Safe Exam Browser for this test"))
    exam_keys = TextAreaField(lazy("Browser Exam Keys"), validators=[Length(max=4000)])
    quit_password = StringField(lazy("Password to quit"), validators=[Length(max=64)])
