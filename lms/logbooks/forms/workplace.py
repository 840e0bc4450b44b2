"""Forms of assessments in the workplace."""

from collections.abc import Mapping, Sequence

from wtforms import DateField, IntegerField, RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from lms.accounts.models import Person
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy, pick
from lms.logbooks.models import Item
from lms.logbooks.rules import AGE_BANDS, SETTINGS, WORDS_MAX
from lms.logbooks.rules import workplace as rules
from lms.web.confirm import ConfirmingForm
from lms.web.forms import Form


def _choices(words: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(code, text) for code, text in words.items()]


class StartForm(Form):
    """An assessor begins: what kind, about what, when."""

    kind = RadioField(
        lazy("What should be assessed?"),
        [InputRequired(lazy("Choose what should be assessed."))],
        choices=_choices({code: kind.name for code, kind in rules.KINDS.items()}),
        validate_choice=False,
    )
    item = SelectField(lazy("Which item is it about?"), [Optional()], validate_choice=False)
    happened_on = DateField(lazy("Date"), [InputRequired(lazy("Give the date."))])
    setting = SelectField(lazy("Where?"), [Optional()], validate_choice=False)
    age_band = SelectField(lazy("The child’s age"), [Optional()], validate_choice=False)

    items: Sequence[Item] = ()

    def offer(self, items: Sequence[Item], people: Sequence[Person] = ()) -> None:
        """Give the choices that depend on who asks."""
        self.items = items
        self.item.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(item.code, f"{item.code} {pick(item.title_zh, item.title_en)}") for item in items),
        ]
        empty = SelectChoice("", _("Not given"))
        self.setting.choices = [empty, *_choices(SETTINGS)]
        self.age_band.choices = [empty, *_choices(AGE_BANDS)]

    def chosen_item(self) -> Item:
        """The item. Raises RuleBroken where none was chosen."""
        for item in self.items:
            if item.code == self.item.data:
                return item
        raise RuleBroken("item_missing", _("Choose an item."), field="item")


class AskForm(StartForm):
    """A trainee asks: the same, of whom, and what to look at."""

    assessor = SelectField(lazy("Who saw it?"), [Optional()], validate_choice=False)
    focus = StringField(
        lazy("What should be looked at?"),
        [Optional(), Length(max=rules.FOCUS_MAX)],
        filters=[lambda text: text or ""],
    )

    people: Sequence[Person] = ()

    def offer(self, items: Sequence[Item], people: Sequence[Person] = ()) -> None:
        """Give the choices that depend on who asks."""
        super().offer(items)
        self.people = people
        self.assessor.choices = [
            SelectChoice("", _("Choose")),
            *(SelectChoice(person.public_id, person.name) for person in people),
        ]

    def assessor_person_id(self) -> int:
        """The person who was chosen. Raises RuleBroken for nobody, and for a stranger."""
        for person in self.people:
            if person.public_id == self.assessor.data:
                return person.id
        raise RuleBroken("assessor_missing", _("Choose who saw it."), field="assessor")


def _sentence(label: str) -> TextAreaField:
    return TextAreaField(label, [Optional(), Length(max=rules.TEXT_MAX)], filters=[lambda text: text or ""])


class AssessForm(ConfirmingForm):
    """The assessor's form; each domain has a name of its own, and the level that is tapped signs."""

    level = IntegerField(
        lazy("How much did you have to help?"), [InputRequired(lazy("Choose a level from 1 to 5."))]
    )
    strength = _sentence(lazy("What went well"))
    improvement = _sentence(lazy("What would make it better"))
    plan = _sentence(lazy("What you agreed on"))


class DeclineForm(Form):
    """Why somebody does not assess."""

    reason = RadioField(
        lazy("Reason"), [Optional()], choices=_choices(rules.DECLINE_REASONS), validate_choice=False
    )
    words = TextAreaField(
        lazy("In your words"), [Optional(), Length(max=WORDS_MAX)], filters=[lambda text: text or ""]
    )


class RespondForm(Form):
    """What the trainee makes of it."""

    words = TextAreaField(
        lazy("What do you make of it, and what will you do?"),
        [InputRequired(lazy("One sentence is needed here.")), Length(max=rules.TEXT_MAX)],
    )


class VoidAssessmentForm(Form):
    """Why a signed assessment becomes void."""

    reason = RadioField(
        lazy("Reason"),
        [InputRequired(lazy("Choose a reason."))],
        choices=_choices(rules.VOID_REASONS),
        validate_choice=False,
    )
    words = TextAreaField(
        lazy("In your words"), [InputRequired(lazy("Write the reason.")), Length(max=WORDS_MAX)]
    )
