"""The form of a duty roster's file."""

from wtforms import SelectChoice, SelectField

from lms.core.i18n import lazy
from lms.programmes.forms import UNITS
from lms.web.importing import ImportFileForm


class RosterFileForm(ImportFileForm):
    """The file, and the unit whose roster it is."""

    unit = SelectField(
        lazy("Whose roster is it?"),
        choices=[SelectChoice("", lazy("All units")), *UNITS],
        default="",
        description=lazy(
            "A roster of one unit is refused for trainees who are placed elsewhere on these days."
        ),
    )
