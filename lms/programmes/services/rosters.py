"""Import of a duty roster: what it would do, then doing it. Days of an earlier roster are superseded, never changed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import insert

from lms import policy
from lms.accounts.models import Person
from lms.core import audit
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import CellError, Preview, Sheet
from lms.policy import Actor, Permission
from lms.programmes import rules as places
from lms.programmes.models import Cohort, Duty
from lms.programmes.queries import roster as queries
from lms.programmes.queries.rolls import people_by_login
from lms.programmes.rules import lists
from lms.programmes.rules import roster as rules
from lms.programmes.services.intakes import lock
from lms.programmes.services.roster_sheets import Said, read


@dataclass(frozen=True)
class Day:
    """One day of one person as a roster plans it."""

    day: date
    shift: str
    unit: str
    written: str
    before: str
    """Shift of an earlier roster; empty where none speaks of the day."""


@dataclass(frozen=True)
class Planned:
    """One person of the roster."""

    number: int
    """The first row that speaks of them."""
    person: Person
    is_trainee: bool
    days: tuple[Day, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many days of which shift, in the order of ``rules.SHIFTS``."""
        found = {shift: sum(day.shift == shift for day in self.days) for shift in rules.SHIFTS}
        return {shift: number for shift, number in found.items() if number}

    @property
    def changed(self) -> int:
        """Days that replace what an earlier roster says."""
        return sum(bool(day.before) and day.before != day.shift for day in self.days)


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    preview: Preview
    rows: tuple[Planned, ...]
    strangers: tuple[str, ...]
    """Names in the file that belong to nobody of the cohort; their rows are not read."""

    @property
    def ok(self) -> bool:
        """Whether nothing is left to put right."""
        return not self.preview.errors and bool(self.rows)


def plan(sheet: Sheet, cohort: Cohort, *, unit: str, excluded: Collection[int], by: Actor) -> Plan:
    """What a roster would do, without doing it; of one unit, or of all where ``unit`` is empty.

    Raises RuleBroken where the file holds no roster, or nobody of the cohort.
    """
    policy.require(by, Permission.COHORT_MANAGE, cohort, see=Permission.COHORT_READ)
    if unit and unit not in places.UNITS:
        raise RuleBroken("unit", _("Choose a unit."), field="unit")
    reading = read(sheet, (cohort.start_on, cohort.end_on), excluded=excluded)
    found = _Finding(cohort, reading.said, unit)
    errors = [*reading.preview.errors, *found.errors]
    if not found.days and not errors:
        raise RuleBroken("roster_nobody", _("The file names nobody of this cohort."))
    known = queries.of_people(
        cohort.id, found.members.keys(), [day for days in found.days.values() for day in days]
    )
    rows = []
    for number, days in found.days.items():
        member, first = found.members[number]
        rows.append(
            Planned(
                first,
                member.person,
                member.is_trainee,
                tuple(
                    Day(one.day, one.shift, where, one.written, _shift(known.get((number, one.day))))
                    for one, where in sorted(days.values(), key=lambda pair: pair[0].day)
                ),
            )
        )
    rows.sort(key=lambda row: (not row.is_trainee, row.number))
    return Plan(replace(reading.preview, errors=tuple(errors)), tuple(rows), tuple(found.strangers))


def _shift(row: Duty | None) -> str:
    return row.shift if row else ""


class _Finding:
    """Whom the cells of a roster are about, and what is wrong with them."""

    def __init__(self, cohort: Cohort, said: Sequence[Said], unit: str) -> None:
        self.errors: list[CellError] = []
        self.members: dict[int, tuple[queries.Member, int]] = {}
        self.days: dict[int, dict[date, tuple[Said, str]]] = defaultdict(dict)
        self.strangers: list[str] = []
        self._unit = unit
        self._by_name: dict[str, list[queries.Member]] = defaultdict(list)
        self._by_person: dict[int, queries.Member] = {}
        for member in queries.members(cohort):
            self._by_person[member.person.id] = member
            for name in {lists.plain(member.person.name_zh), lists.plain(member.person.name_latin)} - {""}:
                self._by_name[name].append(member)
        self._logins = people_by_login({one.login for one in said if one.login})
        unclear: set[int] = set()
        for one in said:
            try:
                member_found = self._member(one)
            except RuleBroken as refusal:
                if one.row not in unclear:
                    unclear.add(one.row)
                    self.errors.append(
                        CellError(one.name_cell, "name", refusal.code, refusal.message, one.name[:40])
                    )
                continue
            if member_found is None:
                if one.name[:60] not in self.strangers:
                    self.strangers.append(one.name[:60])
                continue
            self._note(one, member_found)

    def _member(self, one: Said) -> queries.Member | None:
        if one.login:
            person = self._logins.get(one.login)
            return self._by_person.get(person.id) if person else None
        found = self._by_name.get(lists.plain(one.name), [])
        if len(found) > 1:
            raise RuleBroken(
                "name_unclear",
                _(
                    "Several people of this cohort are called so. Add a column with e-mail address or phone number."
                ),
            )
        return found[0] if found else None

    def _note(self, one: Said, member: queries.Member) -> None:
        where = member.unit_on(one.day)
        refusal: RuleBroken | None = None
        if member.is_trainee:
            if not where and one.shift in rules.PLANNED:
                refusal = RuleBroken("no_placement", _("The trainee has no placement on this day."))
            elif self._unit and where and where != self._unit and one.shift in rules.WARD:
                refusal = RuleBroken(
                    "other_unit",
                    _("On this day the trainee is placed in another unit: %(unit)s.", unit=where),
                )
            elif not where:
                return  # a day off outside any placement says nothing
        else:
            where = self._unit or where
        number = member.person.id
        before = self.days[number].get(one.day) if number in self.days else None
        if refusal is None and before is not None and before[0].shift != one.shift:
            refusal = RuleBroken(
                "day_twice", _("%(cell)s says something else of this day.", cell=before[0].cell)
            )
        if refusal is not None:
            self.errors.append(
                CellError(
                    one.cell, "shift", refusal.code, refusal.message, f"{one.name} {one.day} {one.written}"
                )
            )
            return
        self.members.setdefault(number, (member, one.row))
        self.days[number][one.day] = (one, where)


def carry_out(cohort: Cohort, rows: Iterable[Planned], *, at: datetime, by: Actor | None) -> int:
    """Keep what a roster says; answers how many days are new or different. The same roster twice is once."""
    if by is not None:
        policy.require(by, Permission.COHORT_MANAGE, cohort, see=Permission.COHORT_READ)
    lock(cohort)
    people = list(rows)
    known = queries.of_people(
        cohort.id, [row.person.id for row in people], [day.day for row in people for day in row.days]
    )
    fresh: list[dict[str, object]] = []
    days: list[date] = []
    for row in people:
        for one in row.days:
            before = known.get((row.person.id, one.day))
            if before is not None and (before.shift, before.unit) == (one.shift, one.unit):
                continue
            days.append(one.day)
            fresh.append(
                {
                    "cohort_id": cohort.id,
                    "person_id": row.person.id,
                    "day": one.day,
                    "shift": one.shift,
                    "unit": one.unit,
                    "written": one.written,
                    "imported_at": at,
                    "account_id": by.account_id if by else None,
                    "supersedes_id": before.id if before else None,
                }
            )
    if fresh:
        db.session.execute(insert(Duty), fresh)
        audit.record(
            "programmes.roster.import",
            scope=f"programme:{cohort.programme_id}",
            at=at,
            account_id=by.account_id if by else None,
            subject=f"cohort:{cohort.public_id}",
            days=len(fresh),
            first=min(days).isoformat(),
            last=max(days).isoformat(),
        )
    return len(fresh)
