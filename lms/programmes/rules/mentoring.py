"""Pure decisions about who may be a primary mentor, and of how many trainees at a time."""

from collections.abc import Iterable
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n
from lms.programmes.rules import Span

TITLES: dict[str, tuple[str, str]] = {
    "attending": ("主治医师", "Attending physician"),
    "associate": ("副主任医师", "Associate chief physician"),
    "chief": ("主任医师", "Chief physician"),
    "nurse_in_charge": ("主管护师", "Nurse in charge"),
    "associate_nurse": ("副主任护师", "Associate chief nurse"),
    "chief_nurse": ("主任护师", "Chief nurse"),
    "other": ("其他", "Other"),
}
"""Professional titles with their names in Chinese and English; all but the last are those of attending rank or above."""

OF_PROFILES = {
    "attending": "attending",
    "associate_chief": "associate",
    "chief": "chief",
    "charge_nurse": "nurse_in_charge",
    "associate_chief_nurse": "associate_nurse",
    "chief_nurse": "chief_nurse",
}
"""Titles as a person's professional details name them → as here; those of lower rank are ``other``."""

LEAST_YEARS = 3
"""Years in such a unit from which a title of attending rank is ground enough."""
MOST_YEARS = 60
MOST_CAP = 10


def is_as_in_profile(title: str, profile_title: str) -> bool:
    """Whether a qualification rests on the title that the person's professional details say; also where they say none."""
    return not profile_title or OF_PROFILES.get(profile_title, "other") == title


def is_by_title(title: str, years: int) -> bool:
    """Whether title and years are the ground, rather than an exception that the director answers for."""
    return title != "other" and title in TITLES and years >= LEAST_YEARS


def require_record(title: str, years: int, from_on: date, to_on: date | None) -> None:
    """A qualification says which title, how many years, from when until when."""
    if title not in TITLES:
        raise RuleBroken("title", _("Choose a title."), field="title")
    if not 0 <= years <= MOST_YEARS:
        raise RuleBroken("years", _("Years are a number from 0 to %(most)s.", most=MOST_YEARS), field="years")
    if to_on is not None and to_on < from_on:
        raise RuleBroken("dates_reversed", _("The last day lies before the first."), field="to_on")


def require_qualified(span: Span, held: Iterable[tuple[date, date | None]]) -> None:
    """Qualifications cover every day of a pairing, one after the other. Raises RuleBroken ``not_qualified``."""
    day = span[0]
    for first, last in sorted(held, key=lambda one: one[0]):
        if first > day:
            break
        if last is None or last >= span[1]:
            return
        day = max(day, last + timedelta(days=1))
    raise RuleBroken(
        "not_qualified",
        _(
            "No qualification as primary mentor is entered for this colleague and these days. The director enters it."
        ),
        field="mentor",
    )


def most_at_once(span: Span, others: Iterable[Span]) -> int:
    """The most of ``others`` that lie on any one day of ``span``."""
    clipped = [(max(first, span[0]), min(last, span[1])) for first, last in others]
    real = [(first, last) for first, last in clipped if first <= last]
    return max((sum(one <= day <= last for one, last in real) for day, _last in real), default=0)


def require_room(span: Span, others: Iterable[Span], cap: int) -> None:
    """A mentor has room for one more trainee on these days. Raises RuleBroken ``load_cap``."""
    held = most_at_once(span, others)
    if held + 1 > cap:
        raise RuleBroken(
            "load_cap",
            _n(
                "On some of these days this colleague is the primary mentor of %(num)s trainee already; the cap is %(cap)s. The director can go beyond it with a reason.",
                "On some of these days this colleague is the primary mentor of %(num)s trainees already; the cap is %(cap)s. The director can go beyond it with a reason.",
                held,
                cap=cap,
            ),
            field="mentor",
        )
