"""Forms of logbooks."""

import re
from collections.abc import Mapping, Sequence

from wtforms import (
    BooleanField,
    DateField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from lms.accounts.models import Person
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy, pick
from lms.logbooks import rules
from lms.logbooks.models import Entry, Item
from lms.logbooks.rules import Content, committee
from lms.programmes.models import Enrolment
from lms.web.confirm import ConfirmingForm
from lms.web.forms import Form


def _choices(words: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(code, text) for code, text in words.items()]


class EntryForm(Form):
    """One log entry: four taps, and whatever more the trainee wants to say."""

    item = RadioField(lazy("What did you do?"), [Optional()], validate_choice=False)
    other = StringField(lazy("Search the list"), [Optional(), Length(max=160)])
    operator_role = RadioField(
        lazy("Your part"), [InputRequired(lazy("Choose your part."))], choices=_choices(rules.ROLES)
    )
    age_band = RadioField(
        lazy("The child’s age"),
        [InputRequired(lazy("Choose the child’s age."))],
        choices=_choices(rules.AGE_BANDS),
    )
    performed_on = DateField(lazy("Date"), [InputRequired(lazy("Give the date."))])
    signer = SelectField(lazy("Who supervised you?"), [Optional()], validate_choice=False)
    note = TextAreaField(
        lazy("What did you learn?"),
        [Optional(), Length(max=rules.NOTE_MAX)],
        filters=[lambda text: text or ""],
    )
    success = RadioField(
        lazy("Did it succeed?"), [Optional()], choices=_choices(rules.SUCCESS), validate_choice=False
    )
    attempts = IntegerField(lazy("Attempts"), [Optional(), NumberRange(1, 20)])
    complication = RadioField(
        lazy("Complications"), [Optional()], choices=_choices(rules.COMPLICATIONS), validate_choice=False
    )
    mode = SelectField(lazy("On whom?"), [Optional()], validate_choice=False)
    setting = SelectField(lazy("Where?"), [Optional()], validate_choice=False)
    gestation_band = SelectField(lazy("Gestation"), [Optional()], validate_choice=False)
    weight_band = SelectField(lazy("Body weight"), [Optional()], validate_choice=False)
    self_level = SelectField(lazy("How much help did you need?"), [Optional()], validate_choice=False)
    complication_kind = SelectField(lazy("Which complication?"), [Optional()], validate_choice=False)
    shift = RadioField(lazy("Shift"), [Optional()], choices=_choices(rules.SHIFTS), validate_choice=False)
    kind = SelectField(lazy("What kind of thing was it?"), [Optional()], validate_choice=False)
    diagnosis = StringField(lazy("Diagnosis (ICD-10)"), [Optional(), Length(max=8)])
    indication = StringField(lazy("Why was it done?"), [Optional(), Length(max=rules.INDICATION_MAX)])
    device_route = SelectField(lazy("By which route?"), [Optional()], validate_choice=False)
    pain_relief = SelectField(lazy("Pain relief given?"), [Optional()], validate_choice=False)
    consent_seen = SelectField(lazy("Consent seen?"), [Optional()], validate_choice=False)
    difficulty = RadioField(
        lazy("How hard was it?"), [Optional()], choices=_choices(rules.DIFFICULTIES), validate_choice=False
    )

    DETAILS = (
        "success",
        "attempts",
        "complication",
        "complication_kind",
        "shift",
        "kind",
        "diagnosis",
        "indication",
        "device_route",
        "pain_relief",
        "consent_seen",
        "difficulty",
        "mode",
        "setting",
        "gestation_band",
        "weight_band",
        "self_level",
    )
    """Fields of the fold: none of them is needed, none of them is filled in for the trainee."""

    def allow_gaps(self) -> None:
        """A draft may lack what the signer will have to read."""
        for field in (self.operator_role, self.age_band):
            field.validators = [Optional()]

    def offer(self, items: Sequence[Item], signers: Sequence[Person]) -> None:
        """Give the choices that depend on who asks."""
        self.items = items
        self.item.choices = [SelectChoice(item.code, pick(item.title_zh, item.title_en)) for item in items]
        self._signers = {person.public_id: person.id for person in signers}
        self.signer.choices = [SelectChoice(person.public_id, person.name) for person in signers]
        empty = SelectChoice("", _("Not given"))
        for field, words in (
            (self.mode, rules.MODES),
            (self.setting, rules.SETTINGS),
            (self.gestation_band, rules.GESTATION_BANDS),
            (self.weight_band, rules.WEIGHT_BANDS),
            (self.complication_kind, rules.COMPLICATION_KINDS),
            (self.kind, rules.KINDS),
            (self.device_route, rules.ROUTES),
            (self.pain_relief, rules.SUCCESS),
            (self.consent_seen, rules.SUCCESS),
        ):
            field.choices = [empty, *_choices(words)]
        self.self_level.choices = [
            empty,
            *(SelectChoice(str(level), f"{level} · {text}") for level, text in rules.O_SCORE_SELF.items()),
        ]

    def fill(self, entry: Entry) -> None:
        """Show an entry that exists."""
        self.item.data = entry.item.code
        self.performed_on.data = entry.performed_on
        self.signer.data = entry.signer.public_id if entry.signer else ""
        for name, value in entry.content.items():
            if name in self._fields:
                self._fields[name].data = value if name == "attempts" else str(value)

    def chosen_item(self) -> Item:
        """The item that was tapped or typed. Raises RuleBroken where that is none, or more than one."""
        tapped = next((item for item in self.items if item.code == self.item.data), None)
        typed = (self.other.data or "").strip()
        found = rules.find_items(self.items, typed) if typed else []
        if tapped is not None and (not typed or tapped in found):
            return tapped
        if tapped is not None:
            raise RuleBroken(
                "two_items", _("You tapped one thing and typed another. Keep one of them."), field="item"
            )
        if len(found) == 1:
            return found[0]
        self.found = [item.code for item in found]
        if found:
            raise RuleBroken("many_items", _("Several things fit what you typed. Choose one."), field="item")
        if typed:
            raise RuleBroken(
                "no_item",
                _(
                    "Nothing in the list fits “%(text)s”. Try fewer letters, pinyin initials or English.",
                    text=typed,
                ),
                field="other",
            )
        raise RuleBroken("item_missing", _("Choose what you did."), field="item")

    found: Sequence[str] = ()
    """Codes of the items that fit what was typed, when there are several."""
    items: Sequence[Item] = ()
    """Everything that can be logged."""

    def signer_person_id(self) -> int | None:
        """The chosen signer; None leaves it to the pairing of the day. Raises RuleBroken for a stranger."""
        if not self.signer.data:
            return None
        found = self._signers.get(self.signer.data)
        if found is None:
            raise RuleBroken(
                "signer_invalid",
                _("This person did not supervise you on this day. Choose another."),
                field="signer",
            )
        return found

    def content(self) -> Content:
        """The clinical facts as they were given."""
        return Content(
            operator_role=self.operator_role.data or "",
            age_band=self.age_band.data or "",
            gestation_band=self.gestation_band.data or "",
            weight_band=self.weight_band.data or "",
            setting=self.setting.data or "",
            mode=self.mode.data or "",
            attempts=self.attempts.data,
            success=self.success.data or "",
            complication=self.complication.data or "",
            complication_kind=self.complication_kind.data or "",
            shift=self.shift.data or "",
            kind=self.kind.data or "",
            diagnosis=self.diagnosis.data or "",
            indication=self.indication.data or "",
            device_route=self.device_route.data or "",
            pain_relief=self.pain_relief.data or "",
            consent_seen=self.consent_seen.data or "",
            difficulty=self.difficulty.data or "",
            self_level=int(self.self_level.data)
            if re.fullmatch("[0-9]{1,2}", self.self_level.data or "")
            else None,
            note=self.note.data or "",
        )


class AmendForm(EntryForm):
    """A signed entry put right: the same form, and why."""

    reason = TextAreaField(
        lazy("Why do you correct it?"),
        [InputRequired(lazy("Write the reason.")), Length(max=rules.WORDS_MAX)],
        filters=[lambda text: text or ""],
    )


class SignForm(ConfirmingForm):
    """The mentor's word on an entry: tapping a level is the signature."""

    revision = IntegerField(validators=[InputRequired()])
    level = IntegerField(
        lazy("How much did you have to help?"), [InputRequired(lazy("Choose a level from 1 to 5."))]
    )
    words = TextAreaField(
        lazy("Your words"), [Optional(), Length(max=rules.WORDS_MAX)], filters=[lambda text: text or ""]
    )


class ReturnForm(Form):
    """Why an entry goes back."""

    revision = IntegerField(validators=[InputRequired()])
    reason = RadioField(
        lazy("What should change?"),
        [Optional()],
        choices=_choices({**rules.RETURN_REASONS, rules.DECLINE_REASON: rules.DECLINE_TEXT}),
        validate_choice=False,
    )
    words = TextAreaField(
        lazy("In your words"), [Optional(), Length(max=rules.WORDS_MAX)], filters=[lambda text: text or ""]
    )


class SeveralForm(ConfirmingForm):
    """Several routine entries at once; each level has a name of its own."""


class VoidForm(Form):
    """Why a signed entry becomes void."""

    reason = RadioField(
        lazy("Reason"),
        [InputRequired(lazy("Choose a reason."))],
        choices=_choices(rules.VOID_REASONS),
        validate_choice=False,
    )
    words = TextAreaField(
        lazy("In your words"), [InputRequired(lazy("Write the reason.")), Length(max=rules.WORDS_MAX)]
    )


class ReviveForm(Form):
    """Why a lapsed entry comes back."""

    words = TextAreaField(
        lazy("In your words"), [InputRequired(lazy("Write the reason.")), Length(max=rules.WORDS_MAX)]
    )


class LateForm(Form):
    """Days of which late entries are let in."""

    from_on = DateField(lazy("First day"), [InputRequired(lazy("Give the date."))])
    to_on = DateField(lazy("Last day"), [InputRequired(lazy("Give the date."))])
    reason = TextAreaField(
        lazy("Reason"), [InputRequired(lazy("Write the reason.")), Length(max=rules.WORDS_MAX)]
    )


class ReflectionForm(Form):
    """The trainee's own thoughts."""

    text = TextAreaField(
        lazy("Your thoughts"),
        [Optional(), Length(max=rules.REFLECTION_MAX)],
        filters=[lambda text: text or ""],
    )
    shared = BooleanField(lazy("Whoever may read this entry may read this too"))


class MultiCheckboxField(SelectMultipleField):  # type: ignore[misc]
    """Several choices as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class ConveneForm(Form):
    """A meeting of the competence committee: when, and who sits in it."""

    held_on = DateField(lazy("Date"), [InputRequired(lazy("Give the date."))])
    chair = SelectField(lazy("Chair"), validate_choice=False)
    members = MultiCheckboxField(lazy("Members"), validate_choice=False)
    client_uuid = StringField(validators=[Length(max=64)], filters=[lambda text: text or ""])

    def offer(self, chairs: Sequence[Person], members: Sequence[Person]) -> None:
        """Give the choices."""
        self._people = {one.public_id: one for one in [*chairs, *members]}
        self.chair.choices = [SelectChoice(one.public_id, one.name) for one in chairs]
        self.members.choices = [SelectChoice(one.public_id, one.name) for one in members]

    def chosen_chair(self) -> Person:
        """Who chairs. Raises RuleBroken."""
        found = self._people.get(self.chair.data or "")
        if found is None:
            raise RuleBroken("chair_role", _("Choose who holds the role of the chair."), field="chair")
        return found

    def chosen_members(self) -> list[Person]:
        """Who sits in it beside the chair; an unknown id is nobody."""
        return [self._people[one] for one in dict.fromkeys(self.members.data or ()) if one in self._people]


class AgendaForm(Form):
    """Items of one trainee for the agenda of a meeting."""

    trainee = SelectField(lazy("Trainee"), [InputRequired(lazy("Choose a trainee."))], validate_choice=False)
    items = MultiCheckboxField(lazy("Items"), validate_choice=False)

    def offer(self, enrolments: Sequence[Enrolment], items: Sequence[Item]) -> None:
        """Give the choices."""
        self.trainee.choices = [SelectChoice(one.public_id, one.person.name) for one in enrolments]
        self.items.choices = [
            SelectChoice(one.code, f"{one.code} · {pick(one.title_zh, one.title_en)}") for one in items
        ]


class VoteForm(Form):
    """A member's vote on one line of an agenda."""

    choice = RadioField(
        lazy("Your vote"),
        [InputRequired(lazy("Choose how you vote."))],
        choices=_choices(committee.CHOICES),
        validate_choice=False,
    )
    level = SelectField(
        lazy("Level of supervision"),
        [Optional()],
        choices=[
            SelectChoice("", lazy("Not given")),
            *(SelectChoice(str(level), text) for level, text in committee.LEVELS.items()),
        ],
        validate_choice=False,
    )
    words = TextAreaField(
        lazy("Your words"), [Optional(), Length(max=rules.WORDS_MAX)], filters=[lambda text: text or ""]
    )

    @property
    def chosen_level(self) -> int | None:
        """The level as a number; what is none is None."""
        return int(self.level.data) if re.fullmatch("[1-5]", self.level.data or "") else None


class CloseForm(Form):
    """Closing a meeting; each line has the chair's words in a field of its own."""

    def refuse(self, refusal: RuleBroken) -> None:
        """Show a refusal at the words of its line."""
        if (refusal.field or "").startswith("words-"):
            self.linked.append((refusal.field or "", refusal.message))
        else:
            super().refuse(refusal)


class ReasonForm(Form):
    """Words that an act of the committee needs."""

    words = TextAreaField(
        lazy("In your words"), [InputRequired(lazy("Write the reason.")), Length(max=rules.WORDS_MAX)]
    )


class AnswerForm(ReasonForm):
    """The answer to an appeal."""

    outcome = RadioField(
        lazy("Answer to the appeal"),
        [InputRequired(lazy("Choose an answer."))],
        choices=_choices(committee.ANSWERS),
        validate_choice=False,
    )
