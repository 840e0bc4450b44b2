"""Pure decisions about what a cohort may become: its dates, its seats, its state, its timetable."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.programmes import rules
from lms.programmes.rules.places import REGIONS

STATES = ("planned", "running", "closed")
MOST_SEATS = 2_000

Seats = Mapping[str, Any]
"""``{"total": 40, "track": {"GP": 20}, "region": {"west": 30}}``; what is not named has no limit."""
Taken = tuple[str, str]
"""Track and region (of the home hospital, empty where not known) of somebody who holds a seat."""


def stamp(facts: Mapping[str, Any]) -> str:
    """A short word for what stands, the same for the same facts: a form carries it and so knows whether they moved."""
    said = json.dumps({name: str(value) for name, value in facts.items()}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def require_unmoved(facts: Mapping[str, Any], wanted: Mapping[str, Any], seen: str) -> None:
    """Nobody overwrites what they have not seen. ``seen``: the stamp of what the form showed; empty where none did.

    Raises RuleBroken ``changed_meanwhile``, unless what is wanted stands already.
    """
    if seen and seen != stamp(facts) and any(facts[name] != value for name, value in wanted.items()):
        raise RuleBroken(
            "changed_meanwhile",
            _("Somebody else changed this meanwhile. Compare with what stands now, then save again."),
        )


def seats_of(
    total: int | None, by_track: Mapping[str, int | None], by_region: Mapping[str, int | None]
) -> dict[str, Any]:
    """The seats as a cohort keeps them; what is left empty has no limit. Raises RuleBroken ``seats``."""
    found: dict[str, Any] = {} if total is None else {"total": total}
    for kind, names, given in (("track", rules.TRACKS, by_track), ("region", REGIONS, by_region)):
        limits = {name: given[name] for name in names if given.get(name) is not None}
        if limits:
            found[kind] = limits
    counts = [total or 0, *(n or 0 for n in by_track.values()), *(n or 0 for n in by_region.values())]
    if not all(0 <= count <= MOST_SEATS for count in counts):
        raise RuleBroken("seats", _("Seats are a number from 0 to %(most)s.", most=MOST_SEATS))
    return found


def full(seats: Seats, taken: Iterable[Taken]) -> list[tuple[str, str, int, int]]:
    """Which limits are passed: kind, name, seats, how many hold one. A total has no name."""
    held = list(taken)
    found = []
    if "total" in seats and len(held) > seats["total"]:
        found.append(("total", "", seats["total"], len(held)))
    for place, kind in enumerate(("track", "region")):
        for name, limit in seats.get(kind, {}).items():
            count = sum(1 for one in held if one[place] == name)
            if count > limit:
                found.append((kind, name, limit, count))
    return found


def require_seat(seats: Seats, taken: Iterable[Taken], track: str, region: str) -> None:
    """There is a seat for one more. Raises RuleBroken ``seats_full``."""
    own = ("", track, region)
    for kind, name, limit, _count in full(seats, [*taken, (track, region)]):
        if name not in own:
            continue  # passed already, and not by this person
        if kind == "total":
            raise RuleBroken(
                "seats_full", _("All %(n)s seats of this cohort are taken.", n=limit), field="login"
            )
        if kind == "track":
            raise RuleBroken(
                "seats_full", _("All %(n)s seats of this track are taken.", n=limit), field="track"
            )
        raise RuleBroken(
            "seats_full",
            _("All %(n)s seats for the home hospital’s region are taken.", n=limit),
            field="home_hospital",
        )


def require_seats_enough(seats: Seats, taken: Iterable[Taken]) -> None:
    """Nobody who holds a seat loses it. Raises RuleBroken ``seats_taken``."""
    for kind, name, _limit, count in full(seats, taken):
        raise RuleBroken(
            "seats_taken",
            _("%(n)s trainees hold such a seat already; it cannot be fewer.", n=count),
            field="seats_total" if kind == "total" else f"seats_{name}",
        )


def require_open(state: str) -> None:
    """Nobody joins a cohort that is closed."""
    if state == "closed":
        raise RuleBroken(
            "cohort_closed", _("This cohort is closed; nobody joins it any more."), field="login"
        )


def require_around(start_on: date, end_on: date, first: date | None, last: date | None) -> None:
    """A cohort's days hold all its placements."""
    rules.require_span(start_on, end_on, field="end_on")
    if start_on == end_on:
        raise RuleBroken("dates_reversed", _("A cohort lasts more than a day."), field="end_on")
    if first is not None and start_on > first:
        raise RuleBroken(
            "placements_outside",
            _("A placement begins on %(day)s, before this day.", day=first.isoformat()),
            field="start_on",
        )
    if last is not None and end_on < last:
        raise RuleBroken(
            "placements_outside",
            _("A placement ends on %(day)s, after this day.", day=last.isoformat()),
            field="end_on",
        )


def require_event(day: date, begins: time | None, ends: time | None) -> None:
    """A date of the timetable lies in our time, and ends after it begins."""
    if not 2000 <= day.year <= 2100:
        raise RuleBroken("event_day", _("Give a day from 2000 to 2100."), field="day")
    if ends is not None and begins is None:
        raise RuleBroken("event_times", _("Give the time at which it begins."), field="begins")
    if begins is not None and ends is not None and ends <= begins:
        raise RuleBroken("event_times", _("It ends before it begins."), field="ends")
