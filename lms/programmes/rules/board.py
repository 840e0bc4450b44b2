"""What a cohort's board finds: days without a place, without a mentor, without a second assessor, and mentors with too many.

Invariants P1 (exactly one primary mentor on any placement day) and P4 (a named second assessor from the first day).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lms.programmes.rules import Span

PRIMARY_CAP = 1
"""Trainees whom a mentor has as primary mentor on any one day: training is one-to-one."""

DELEGATION_DAYS = 14
"""The longest delegation; both ends count."""

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A colleague's days with a trainee."""

    person_id: int
    kind: str
    span: Span


@dataclass(frozen=True)
class Stay:
    """A placement with its pairings."""

    key: str
    unit: str
    span: Span
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Gap:
    """Days on which something is missing: ``unplaced``, ``no_primary`` or ``no_second``."""

    kind: str
    span: Span
    placement: str = ""


@dataclass(frozen=True)
class Load:
    """Days on which a mentor has more trainees than the cap."""

    person_id: int
    span: Span
    trainees: int


def uncovered(span: Span, parts: Iterable[Span]) -> list[Span]:
    """The spans of days within ``span`` that no part covers, in order; both ends inclusive."""
    found: list[Span] = []
    day = span[0]
    for first, last in sorted(parts):
        if first > span[1]:
            break
        if first > day:
            found.append((day, first - DAY))
        day = max(day, last + DAY)
    if day <= span[1]:
        found.append((day, span[1]))
    return found


def gaps(whole: Span, stays: Sequence[Stay]) -> list[Gap]:
    """What is missing between the first and the last day of a trainee's training, in order of time."""
    found = [Gap("unplaced", span) for span in uncovered(whole, [stay.span for stay in stays])]
    for stay in stays:
        for kind, word in (("primary", "no_primary"), ("second", "no_second")):
            parts = [pair.span for pair in stay.pairs if pair.kind == kind]
            found += [Gap(word, span, stay.key) for span in uncovered(stay.span, parts)]
    return sorted(found, key=lambda gap: (gap.span, gap.kind))


def overloads(pairs: Iterable[Pair], cap: int = PRIMARY_CAP) -> list[Load]:
    """The spans on which a mentor is the primary mentor of more than ``cap`` trainees, each with the most there are."""
    changes: dict[int, dict[date, int]] = {}
    for pair in pairs:
        if pair.kind == "primary":
            days = changes.setdefault(pair.person_id, {})
            days[pair.span[0]] = days.get(pair.span[0], 0) + 1
            days[pair.span[1] + DAY] = days.get(pair.span[1] + DAY, 0) - 1
    found: list[Load] = []
    for person_id, days in changes.items():
        held, begun, most = 0, None, 0
        for day in sorted(days):
            held += days[day]
            if held > cap:
                begun = begun or day
                most = max(most, held)
            elif begun is not None:
                found.append(Load(person_id, (begun, day - DAY), most))
                begun, most = None, 0
    return sorted(found, key=lambda load: (load.span, load.person_id))


@dataclass(frozen=True)
class Stretch:
    """Consecutive weeks of a trainee that look the same on the board."""

    weeks: int
    unit: str
    mentor_id: int | None
    has_now: bool


def stretches(start_on: date, weeks: int, stays: Sequence[Stay], now: int) -> list[Stretch]:
    """A trainee's weeks from the first to the last, equal neighbours joined. A week shows where its most days are spent."""
    found: list[Stretch] = []
    for number in range(weeks):
        first = start_on + timedelta(weeks=number)
        unit, mentor = _week((first, first + timedelta(days=6)), stays)
        before = found[-1] if found else None
        has_now = number + 1 == now
        if before is not None and (before.unit, before.mentor_id) == (unit, mentor):
            found[-1] = Stretch(before.weeks + 1, unit, mentor, before.has_now or has_now)
        else:
            found.append(Stretch(1, unit, mentor, has_now))
    return found


def _week(week: Span, stays: Sequence[Stay]) -> tuple[str, int | None]:
    stay = max(stays, key=lambda row: shared_days(week, row.span), default=None)
    if stay is None or not shared_days(week, stay.span):
        return "", None
    primaries = [pair for pair in stay.pairs if pair.kind == "primary" and shared_days(week, pair.span)]
    mentor = max(primaries, key=lambda pair: shared_days(week, pair.span), default=None)
    return stay.unit, mentor.person_id if mentor else None


def shared_days(one: Span, other: Span) -> int:
    """How many days two spans have in common."""
    return max((min(one[1], other[1]) - max(one[0], other[0])).days + 1, 0)
