"""The form of the audit sample."""

from wtforms import RadioField, SelectChoice, TextAreaField
from wtforms.validators import Length, Optional

from lms.core.i18n import lazy
from lms.logbooks.rules import WORDS_MAX
from lms.logbooks.rules import sampling as rules
from lms.web.forms import Form


class CheckForm(Form):
    """What the ward's own record says of one entry."""

    outcome = RadioField(
        lazy("In the ward’s record"),
        [Optional()],
        choices=[SelectChoice(code, text) for code, text in rules.OUTCOMES.items()],
        validate_choice=False,
    )
    words = TextAreaField(
        lazy("In your words"), [Optional(), Length(max=WORDS_MAX)], filters=[lambda text: text or ""]
    )
