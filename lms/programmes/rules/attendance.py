"""Pure decisions about attendance: weeks, planned days, what counts as attended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _

DAYS = ("duty", "night", "half", "study", "leave", "sick", "absent")
"""What a day can have been, as it is offered."""

HALVES = {"duty": 2, "night": 2, "half": 1, "study": 2, "leave": 0, "sick": 0, "absent": 0}
"""Half days that count as attended; a study day is a day of the programme."""

Span = tuple[date, date]


def monday_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def week_from(text: str, *, today: date) -> date:
    """The Monday that an address asks for; this week's where it asks for none that can be."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return monday_of(today)
    return monday_of(day) if date(2000, 1, 3) <= day <= date(2100, 1, 1) else monday_of(today)


def planned_days(spans: Collection[Span], *, until: date) -> list[date]:
    """Mondays to Fridays of some spans (inclusive) up to ``until``, each once. Public holidays are not left out."""
    return sorted(
        {
            first + timedelta(days=n)
            for first, last in spans
            for n in range((min(last, until) - first).days + 1)
            if (first + timedelta(days=n)).weekday() < 5
        }
    )


@dataclass(frozen=True)
class Totals:
    """How planned and attended days stand against each other."""

    planned: int
    halves: int
    """Attended half days, those of weekends with them."""
    open: int
    """Planned days of which nobody has said anything yet."""
    kinds: Mapping[str, int]
    """Days by what they were; only those that occur."""

    @property
    def attended(self) -> str:
        """Attended days as a number with at most one decimal."""
        return f"{self.halves / 2:g}"


def totals(planned: Collection[date], confirmed: Mapping[date, str]) -> Totals:
    """Count confirmed days against planned ones."""
    kinds = {kind: sum(one == kind for one in confirmed.values()) for kind in DAYS}
    return Totals(
        planned=len(planned),
        halves=sum(HALVES[kind] for kind in confirmed.values()),
        open=sum(day not in confirmed for day in planned),
        kinds={kind: number for kind, number in kinds.items() if number},
    )


def field_of(day: date) -> str:
    """The form field of a day."""
    return f"d{day:%Y%m%d}"


def changes(day: date, *, seen: str, wanted: str, known: str) -> bool:
    """Whether a day is to be written: ``seen`` stood on the page, ``wanted`` is asked for, ``known`` is kept now.

    Raises RuleBroken ``attendance_moved`` where somebody else has said something different since, ``attendance_kind`` for
    a day that cannot be, ``attendance_blank`` where a confirmed day would be emptied.
    """
    if wanted in (seen, known):
        return False
    if seen != known:
        raise RuleBroken(
            "attendance_moved",
            _("Somebody else confirmed this day in the meantime. Look at the week again."),
            field=field_of(day),
        )
    if not wanted:
        raise RuleBroken(
            "attendance_blank", _("A confirmed day can be corrected, not emptied."), field=field_of(day)
        )
    if wanted not in DAYS:
        raise RuleBroken("attendance_kind", _("Choose what the day was."), field=field_of(day))
    return True
