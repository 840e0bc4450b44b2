"""Pure decisions about cohorts, placements and pairings."""

import re
from collections.abc import Iterable
from datetime import date

from lms.core.errors import RuleBroken
from lms.core.i18n import _

TRACKS = ("GP", "PED", "NURSE")
UNITS = ("NICU", "PICU", "other")
KINDS = ("primary", "second", "deputy")

Span = tuple[date, date]


_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,19}")


def require_cohort_code(code: str) -> None:
    """A cohort's code stands in lists and file names: short, letters, digits and hyphens."""
    if not _CODE.fullmatch(code):
        raise RuleBroken("cohort_code", _("The code has up to 20 letters, digits or hyphens."), field="code")


def require_span(from_on: date, to_on: date, *, within: Span | None = None, field: str = "to_on") -> None:
    """A span of days runs forward and lies within the one around it (a placement in its cohort, a pairing in its placement)."""
    if to_on < from_on:
        raise RuleBroken("dates_reversed", _("The last day lies before the first."), field=field)
    if within is not None and not (within[0] <= from_on and to_on <= within[1]):
        raise RuleBroken(
            "dates_outside", _("These days lie outside the span they belong to."), field="from_on"
        )


def overlaps(span: Span, others: Iterable[Span]) -> bool:
    """Whether any day of ``span`` lies in one of ``others``; both ends inclusive."""
    return any(span[0] <= last and first <= span[1] for first, last in others)


def require_single_primary(kind: str, span: Span, primaries: Iterable[Span]) -> None:
    """P1: exactly one primary mentor on any placement day."""
    if kind == "primary" and overlaps(span, primaries):
        raise RuleBroken(
            "two_primaries",
            _("On some of these days the trainee already has a primary mentor."),
            field="from_on",
        )


def require_other_person(trainee_person_id: int, mentor_person_id: int) -> None:
    """P2: nobody mentors themselves, not even through a second account."""
    if trainee_person_id == mentor_person_id:
        raise RuleBroken("own_mentor", _("Nobody can be their own mentor."), field="mentor")
