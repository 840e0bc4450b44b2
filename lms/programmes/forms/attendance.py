"""The form of a week's attendance: one field for each day that may be confirmed."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from wtforms import HiddenField, SelectChoice, SelectField

from lms.core.i18n import _
from lms.programmes.rules.attendance import field_of
from lms.web.forms import Form


class WeekForm(Form):
    """Made anew for each week by ``week_form``."""

    days: Sequence[date] = ()

    def given(self) -> dict[date, tuple[str, str]]:
        """What stood on the page and what is chosen now, by day."""
        return {
            day: (self[f"was_{field_of(day)}"].data or "", self[field_of(day)].data or "")
            for day in self.days
        }


def week_form(days: Mapping[date, tuple[str, str]], names: Mapping[str, str], *, posted: bool) -> WeekForm:
    """The form of some days, each with its label and what stands; filled from the request where ``posted``."""
    fields: dict[str, Any] = {"days": tuple(days)}
    for day, (label, kind) in days.items():
        choices = [SelectChoice(code, name) for code, name in names.items()]
        blank = [] if kind else [SelectChoice("", _("Not confirmed yet"))]
        fields[field_of(day)] = SelectField(
            label, choices=[*blank, *choices], default=kind, validate_choice=False
        )
        fields[f"was_{field_of(day)}"] = HiddenField(default="" if posted else kind)
    made: type[WeekForm] = type("WeekForm", (WeekForm,), fields)
    return made.of_request() if posted else made()
