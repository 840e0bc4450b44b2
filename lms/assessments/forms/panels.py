"""Forms of pass marks beyond Angoff's: the proposal, and what judges say by Ebel's and Hofstee's methods."""

from collections.abc import Iterable
from typing import Any

from wtforms import HiddenField, IntegerField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange

from lms.assessments.rules.standards import CELLS, Sorted, cell_words
from lms.core.i18n import _, lazy
from lms.web.forms import Form, request_value


class StandardForm(Form):
    """The proposal of what judges or results showed."""

    percent = IntegerField(lazy("Pass mark, per cent"), validators=[InputRequired()])
    reason = TextAreaField(lazy("Why this pass mark is right"), validators=[Length(max=1000)])
    study = HiddenField(validators=[Length(max=12)])


def _limit(label: str) -> IntegerField:
    return IntegerField(
        label,
        validators=[
            InputRequired(lazy("Enter a number.")),
            NumberRange(0, 100, lazy("Give a number from 0 to 100.")),
        ],
    )


class LimitsForm(Form):
    """Which pass marks and fail rates a judge accepts (Hofstee)."""

    least_cut = _limit(lazy("Lowest pass mark you accept, per cent of the marks"))
    most_cut = _limit(lazy("Highest pass mark you accept, per cent of the marks"))
    least_fail = _limit(lazy("Lowest fail rate you accept, per cent of the candidates"))
    most_fail = _limit(lazy("Highest fail rate you accept, per cent of the candidates"))


class SortForm(Form):
    """How a judge sorts the questions (Ebel): ``cell-3`` is the cell of slot 3, ``expect-essential-easy`` the per cent of a cell."""

    round = IntegerField(validators=[InputRequired(), NumberRange(1, 2)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: dict[str, str] = {}
        """Name of a control → what is wrong."""
        self.typed: dict[str, str] = {}

    def read(self, slots: Iterable[int]) -> Sorted:
        """What was chosen and typed, as far as it can be read."""
        cells, expected = {}, {}
        for cell in CELLS:
            text = self._text(f"expect-{cell}")
            if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 100:
                expected[cell] = int(text)
            elif text:
                self._fault(f"expect-{cell}", cell_words(cell), _("Give a number from 0 to 100."))
        for place, slot in enumerate(slots, 1):
            text = self._text(f"cell-{slot}")
            if text in CELLS:
                cells[slot] = text
            elif text:
                self._fault(f"cell-{slot}", _("Question %(n)s", n=place), _("Choose one of the nine cells."))
        return Sorted(cells, expected)

    def _text(self, name: str) -> str:
        self.typed[name] = request_value(name).strip()[:24]
        return self.typed[name]

    def _fault(self, name: str, where: str, text: str) -> None:
        self.faults[name] = text
        self.linked.append((name, _("%(where)s: %(what)s", where=where, what=text)))

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Whether everything could be read."""
        return bool(super().validate(*args, **kwargs)) and not self.faults
