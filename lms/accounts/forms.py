"""Forms of accounts: shape of input and labels."""

from collections.abc import Sequence
from typing import Self

from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import EqualTo, InputRequired, Length, Optional

from lms.accounts.rules import profiles
from lms.accounts.rules.profiles import ProfileFacts
from lms.core.errors import RuleBroken
from lms.core.i18n import lazy
from lms.web.confirm import ConfirmingForm
from lms.web.forms import Form

LONGEST_PASSWORD = 200


class SignInForm(Form):
    """E-mail address or phone number, and password."""

    login = StringField(
        lazy("E-mail address or phone number"),
        [InputRequired(lazy("Enter your e-mail address or phone number.")), Length(max=254)],
    )
    password = PasswordField(
        lazy("Password"), [InputRequired(lazy("Enter your password.")), Length(max=LONGEST_PASSWORD)]
    )
    next = HiddenField()
    kept = HiddenField()
    """A form whose session had ended (``web.kept``)."""


class NewPasswordForm(Form):
    """A password, twice: on a phone one does not see what one types."""

    password = PasswordField(
        lazy("New password"), [InputRequired(lazy("Choose a password.")), Length(max=LONGEST_PASSWORD)]
    )
    again = PasswordField(
        lazy("The same password once more"),
        [EqualTo("password", lazy("The two passwords are not the same.")), Length(max=LONGEST_PASSWORD)],
    )


class ResetForm(Form):
    """Whose link is asked for."""

    login = StringField(
        lazy("E-mail address or phone number"),
        [InputRequired(lazy("Enter your e-mail address or phone number.")), Length(max=254)],
    )


class PreferencesForm(Form):
    """Language and time."""

    locale = RadioField(
        lazy("Language"), choices=[SelectChoice("zh_Hans", "中文"), SelectChoice("en", "English")]
    )
    xinjiang_time = BooleanField(lazy("Show Xinjiang time beside Beijing time"))


class PasswordForm(Form):
    """Change one's own password."""

    old = PasswordField(
        lazy("Present password"),
        [InputRequired(lazy("Enter your present password.")), Length(max=LONGEST_PASSWORD)],
    )
    new = PasswordField(
        lazy("New password"), [InputRequired(lazy("Choose a password.")), Length(max=LONGEST_PASSWORD)]
    )
    again = PasswordField(
        lazy("The same password once more"),
        [EqualTo("new", lazy("The two passwords are not the same.")), Length(max=LONGEST_PASSWORD)],
    )


class PinForm(Form):
    """Set the PIN of the bedside."""

    pin = PasswordField(lazy("New PIN"), [InputRequired(lazy("Choose a PIN.")), Length(max=20)])
    pin_password = PasswordField(
        lazy("Your password"), [InputRequired(lazy("Enter your password.")), Length(max=LONGEST_PASSWORD)]
    )
    next = HiddenField()
    """Where the PIN was asked for; empty on one's own account page."""


class ConfirmForm(ConfirmingForm):
    """Confirm, then go on."""

    next = HiddenField()


class PersonForm(Form):
    """A person's names."""

    name_zh = StringField(
        lazy("Name in Chinese"), [Length(max=60)], description=lazy("As it will stand on the certificate.")
    )
    name_latin = StringField(lazy("Name in Latin letters"), [Length(max=120)])
    name_native = StringField(lazy("Name in its own script"), [Length(max=120)])
    native_lang = SelectField(
        lazy("Language of that name"),
        choices=[
            SelectChoice("", "—"),
            SelectChoice("ug", "ئۇيغۇرچە", {"lang": "ug"}),
            SelectChoice("bo", "བོད་ཡིག", {"lang": "bo"}),
            SelectChoice("mn-Mong", "ᠮᠣᠩᠭᠣᠯ", {"lang": "mn-Mong"}),
            SelectChoice("kk", "قازاقشا", {"lang": "kk-Arab"}),
            SelectChoice("ii", "ꆈꌠꉙ", {"lang": "ii"}),
            SelectChoice("za", "Vahcuengh", {"lang": "za"}),
        ],
    )


class LoginForm(Form):
    """A further way to sign in."""

    login = StringField(
        lazy("E-mail address or phone number"),
        [InputRequired(lazy("Give an e-mail address or a mobile phone number.")), Length(max=254)],
    )


class GrantForm(Form):
    """A role in a place."""

    role = SelectField(lazy("Role"), [InputRequired(lazy("Choose a role."))])
    scope = SelectField(lazy("Where"), [InputRequired(lazy("Choose where the role is held."))])
    track = SelectField(lazy("Track, for trainees"), [Optional()])
    from_on = DateField(lazy("First day"), [Optional()])
    to_on = DateField(
        lazy("Last day"),
        [Optional()],
        description=lazy("The role still counts on this day. Empty: until it is ended."),
    )

    def offer(
        self,
        roles: Sequence[SelectChoice],
        scopes: Sequence[SelectChoice],
        tracks: Sequence[SelectChoice],
    ) -> None:
        """Hand in what can be chosen."""
        self.role.choices = [SelectChoice("", "—"), *roles]
        self.scope.choices = [SelectChoice("", "—"), *scopes]
        self.track.choices = list(tracks)


class EndGrantForm(Form):
    """When a role ends."""

    last_day = DateField(
        lazy("Last day"), [Optional()], description=lazy("Empty: the role ends now, at once.")
    )

    def of_grant(self, public_id: str) -> Self:
        """The form of one role among several of a page."""
        self.last_day.id = f"last-day-{public_id}"
        return self


class NewPersonForm(PersonForm):
    """A person, their account, their first roles."""

    login = StringField(
        lazy("E-mail address or phone number"),
        [InputRequired(lazy("Give an e-mail address or a mobile phone number.")), Length(max=254)],
        description=lazy("The person signs in with it. An invitation goes to an e-mail address by mail."),
    )
    locale = RadioField(
        lazy("Language"),
        choices=[SelectChoice("zh_Hans", "中文"), SelectChoice("en", "English")],
        default="zh_Hans",
    )
    roles = SelectMultipleField(lazy("Roles"), [Optional()])
    scope = SelectField(lazy("Where the roles are held"), [Optional()])
    track = SelectField(lazy("Track, for trainees"), [Optional()])
    client_uuid = StringField(validators=[Length(max=64)])

    def offer(
        self,
        roles: Sequence[SelectChoice],
        scopes: Sequence[SelectChoice],
        tracks: Sequence[SelectChoice],
    ) -> None:
        """Hand in what can be chosen."""
        self.roles.choices = list(roles)
        self.scope.choices = [SelectChoice("", "—"), *scopes]
        self.track.choices = list(tracks)


class WebhookForm(Form):
    """Another system that is told."""

    url = StringField(
        lazy("Address"),
        [InputRequired(lazy("Enter the address.")), Length(max=500)],
        description=lazy("As the other system gives it, beginning with https://"),
    )
    shape = RadioField(
        lazy("What listens there"),
        choices=[
            SelectChoice("wecom", lazy("WeCom group robot")),
            SelectChoice("dingtalk", lazy("DingTalk group robot")),
            SelectChoice("firefly", lazy("A program of your own (signed JSON)")),
        ],
        default="wecom",
    )
    secret = StringField(
        lazy("Secret"),
        [Length(max=200)],
        description=lazy(
            "DingTalk: the one that begins with SEC. A program of your own: at least 16 characters, by which it checks the signature. WeCom has none."
        ),
    )
    private_allowed = BooleanField(lazy("It stands in the hospital’s own network"))


_NURSES = ("nurse", "senior_nurse", "charge_nurse", "associate_chief_nurse", "chief_nurse")


class ProfileForm(Form):
    """What a person is professionally."""

    title = SelectField(
        lazy("Professional title"),
        choices=[
            SelectChoice("", "—"),
            *(
                SelectChoice(code, name, optgroup=lazy("Nurses") if code in _NURSES else lazy("Doctors"))
                for code, name in profiles.TITLES.items()
            ),
        ],
    )
    specialty = StringField(
        lazy("Specialty"),
        [Length(max=profiles.SPECIALTY_LIMIT)],
        description=lazy("In a few words, for example neonatology."),
    )
    licence_number = StringField(
        lazy("Number of the licence to practise"),
        [Length(max=60)],
        description=lazy("15 characters on a doctor’s licence, 12 on a nurse’s."),
    )
    practice_scope = SelectField(
        lazy("Scope of the licence"),
        choices=[
            SelectChoice("", "—"),
            *(SelectChoice(code, name) for code, name in profiles.PRACTICE_SCOPES.items()),
        ],
    )
    degree = SelectField(
        lazy("Highest degree"),
        choices=[
            SelectChoice("", "—"),
            *(SelectChoice(code, name) for code, name in profiles.DEGREES.items()),
        ],
    )
    practising_since = IntegerField(lazy("In practice since (year)"), [Optional()])
    seen = HiddenField()

    @classmethod
    def of(cls, facts: ProfileFacts, number: int) -> Self:
        """The form with what stands, and the number of that version."""
        return cls(obj=facts, seen=str(number))

    def facts(self) -> ProfileFacts:
        """What was typed."""
        return ProfileFacts(
            licence_number=self.licence_number.data or "",
            practice_scope=self.practice_scope.data or "",
            title=self.title.data or "",
            specialty=self.specialty.data or "",
            degree=self.degree.data or "",
            practising_since=self.practising_since.data,
        )


class UnshownField(StringField):  # type: ignore[misc]
    """Typed in the clear, for it is copied from a card, and never written back into a page."""

    def _value(self) -> str:
        return ""


class IdentityForm(Form):
    """A person's identity card number."""

    identity_number = UnshownField(
        lazy("Identity card number"),
        [InputRequired(lazy("Enter the identity card number.")), Length(max=60)],
        description=lazy("18 characters. It is kept encrypted, and shown only as 110101********1234."),
    )
    refusal: RuleBroken | None = None
    """What the service refused with."""

    def refuse(self, refusal: RuleBroken) -> None:
        """See Form."""
        self.refusal = refusal
        super().refuse(refusal)


class RevealForm(ConfirmingForm):
    """Why a whole identity number is looked at."""

    reason = RadioField(
        lazy("Why do you need the whole number?"),
        [InputRequired(lazy("Choose why you need the whole number."))],
        choices=[SelectChoice(code, name) for code, name in profiles.REVEAL_REASONS.items()],
    )
