"""Pure decisions about the meetings of a trainee with their mentor: which are due, when, and who may write one down."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _

MEETINGS = ("induction", "mid", "final", "concern")
PLANNED = ("induction", "mid", "final")
"""Those with a due date; a talk about a concern has none."""

INDUCTION_AFTER = timedelta(days=4)
MID_WEEKS = (6, 13, 19)
"""A mid meeting is due on the last day of these weeks of a placement."""
MID_BEFORE_FINAL = timedelta(days=10)
"""A mid meeting that would fall nearer to the final one is left out."""
FINAL_BEFORE_END = timedelta(days=7)

SOON = timedelta(days=7)
"""So long before its day a meeting is shown as due."""
TOLD_FOR = timedelta(days=30)
"""What is overdue longer is told no more; the page goes on showing it."""
UNREAD_AFTER = timedelta(days=3)
"""So long after it was written down an unconfirmed meeting is brought up once more."""

TEXT_LIMIT = 2000


@dataclass(frozen=True, order=True)
class Due:
    """A meeting that a placement asks for."""

    due_on: date
    kind: str


def due_dates(from_on: date, to_on: date) -> tuple[Due, ...]:
    """The meetings that a placement from ``from_on`` to ``to_on`` (inclusive) asks for, in order of time.

    In a placement too short for both, the induction is due on its last day at the latest, and the final meeting never before it.
    """
    induction = min(from_on + INDUCTION_AFTER, to_on)
    final = max(to_on - FINAL_BEFORE_END, induction)
    ends = (from_on + timedelta(days=7 * week - 1) for week in MID_WEEKS)
    mids = [Due(end, "mid") for end in ends if end <= final - MID_BEFORE_FINAL]
    return (Due(induction, "induction"), *mids, Due(final, "final"))


def standing(due_on: date, *, today: date, held: bool) -> str:
    """Where a planned meeting stands: ``held``, ``overdue`` (its day is over), ``due`` (within a week) or ``later``."""
    if held:
        return "held"
    if due_on < today:
        return "overdue"
    return "due" if due_on - today <= SOON else "later"


def require_past(day: date, *, today: date, field: str) -> None:
    """Nothing is written down before it has happened; the day is the server's, in Beijing."""
    if day > today:
        raise RuleBroken("future", _("This day has not come yet."), field=field)


def require_paired(person_id: int, mentor_person_ids: Collection[int], *, field: str) -> None:
    """Only who mentored the trainee on that day may say what happened on it."""
    if person_id not in mentor_person_ids:
        raise RuleBroken(
            "not_paired",
            _("On this day you were not paired with the trainee as mentor or deputy."),
            field=field,
        )


def require_due(due: Due, from_on: date, to_on: date) -> None:
    """A planned meeting is one of those that the placement asks for."""
    if due not in due_dates(from_on, to_on):
        raise RuleBroken("not_due", _("This placement asks for no such meeting."), field="what")
