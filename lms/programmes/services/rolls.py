"""Import of a cohort's roll: known people with track, home hospital, placements and mentors. Doing it twice changes nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from lms import policy
from lms.accounts import rules as account_rules
from lms.accounts.models import Person
from lms.core import audit, imports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import Cells, Column, Preview, Row, Sheet
from lms.policy import Actor, Permission
from lms.programmes import rules
from lms.programmes.models import Cohort, Enrolment, Hospital, Placement
from lms.programmes.queries import mentoring
from lms.programmes.queries import rolls as queries
from lms.programmes.rules import intakes, lists
from lms.programmes.rules.mentoring import require_qualified, require_room
from lms.programmes.services import enrol, pair, place
from lms.programmes.services.intakes import lock, taken

MOST_ROWS = 500


@dataclass(frozen=True)
class Planned:
    """One row of the roll, and what will happen."""

    number: int
    person: Person
    track: str
    hospital: Hospital | None
    unit: str
    from_on: date | None
    to_on: date | None
    mentor: Person | None
    second: Person | None
    is_enrolled: bool
    """Whether the person is in the cohort already, or by an earlier row."""
    is_placed: bool


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    preview: Preview
    rows: tuple[Planned, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is left to put right."""
        return not self.preview.errors and bool(self.rows)


def columns() -> list[Column]:
    """The columns of the roll, with the words that their headers may say."""
    return [
        Column("name", ("姓名", "Name", "学员姓名", "中文姓名", "学员", "Trainee")),
        Column(
            "login",
            (
                "手机号或邮箱",
                "E-mail or phone",
                "Login",
                "联系方式",
                "联系电话",
                "手机号",
                "手机",
                "邮箱",
                "电子邮箱",
                "登录名",
                "E-mail",
                "Phone",
            ),
            required=True,
            parse=account_rules.clean_login,
        ),
        Column("hospital", ("派出医院", "Home hospital", "选送医院", "选送单位", "所在单位", "单位", "医院")),
        Column("track", ("培训方向", "Track", "方向", "专业"), parse=lists.track_word),
        Column("region", ("地区", "Region", "区域"), parse=lists.region_word),
        Column("unit", ("科室", "Unit", "轮转科室", "病区", "轮转病区"), parse=lists.unit_word),
        Column(
            "from_on",
            ("开始日期", "First day", "起始日期", "入科日期", "轮转开始", "From"),
            parse=imports.a_date,
        ),
        Column(
            "to_on", ("结束日期", "Last day", "截止日期", "出科日期", "轮转结束", "To"), parse=imports.a_date
        ),
        Column("mentor", ("带教老师", "Mentor", "导师", "带教")),
        Column("second", ("第二评估人", "Second assessor", "第二评价人")),
    ]


@dataclass
class _Standing:
    """A trainee as they would stand after the rows before."""

    track: str
    hospital: Hospital | None
    enrolled: bool
    spans: dict[tuple[str, date, date], set[tuple[int, str]]] = field(default_factory=dict)
    """Placements (unit, first and last day), each with its pairings over the whole of it: person and kind."""
    primaries: list[rules.Span] = field(default_factory=list)


def plan(sheet: Sheet, cohort: Cohort, *, excluded: Collection[int], by: Actor) -> Plan:
    """What the roll would do, without doing it. Raises RuleBroken where the file holds no roll."""
    policy.require(by, Permission.COHORT_MANAGE, cohort, see=Permission.COHORT_READ)
    found = imports.preview(sheet, columns(), excluded=excluded)
    if len(found.rows) > MOST_ROWS:
        raise RuleBroken("too_many_rows", _("The file has more than %(limit)s rows.", limit=MOST_ROWS))
    reading = _Reading(cohort, found)
    cells = Cells(sheet, found)
    rows: list[Planned] = []
    for row in found.rows:
        try:
            rows.append(reading.planned(row))
        except RuleBroken as refusal:
            cells.refuse(row, refusal.field if refusal.field in row.values else "login", refusal)
    return Plan(replace(found, errors=tuple(cells.errors)), tuple(rows))


class _Reading:
    """A roll, read row by row against what stands and what the rows before would make."""

    def __init__(self, cohort: Cohort, found: Preview) -> None:
        self.cohort = cohort
        logins = {row.values["login"] for row in found.rows}
        named = {row.values[part] for row in found.rows for part in ("mentor", "second")} - {None}
        self.people = queries.people_by_login(logins | {account_rules.clean_login(one) for one in named})
        self.colleagues = queries.colleagues_by_name(cohort.programme_id)
        self.hospitals = queries.hospitals_by_word()
        self.taken = taken(cohort)
        mentors = {one.id for one in self.people.values()}
        mentors |= {one.id for some in self.colleagues.values() for one in some}
        self.loads = mentoring.primary_spans(mentors)
        self.qualified = mentoring.qualified(cohort.programme_id, mentors)
        self.standing: dict[int, _Standing] = {}
        known = queries.standing(cohort, [person.id for person in self.people.values()])
        for enrolment in known:
            one = _Standing(enrolment.track, enrolment.home_hospital, enrolled=True)
            for row in enrolment.placements:
                whole = {
                    (pairing.mentor_person_id, pairing.kind)
                    for pairing in row.pairings
                    if (pairing.from_on, pairing.to_on) == (row.from_on, row.to_on)
                }
                one.spans[row.unit, row.from_on, row.to_on] = whole
                one.primaries += [(p.from_on, p.to_on) for p in row.pairings if p.kind == "primary"]
            self.standing[enrolment.person_id] = one

    def planned(self, row: Row) -> Planned:
        """What a row would do. Raises RuleBroken, its field the column."""
        values = row.values
        person = self._trainee(values["login"], values["name"])
        hospital = self._hospital(values["hospital"], values["region"])
        before = self.standing.get(person.id)
        now = before or self._enrolled(values["track"], hospital)
        is_enrolled, home = now.enrolled, now.hospital
        if before is not None:
            home = self._same(before, values["track"], hospital)
        span = self._span(now, values["unit"], values["from_on"], values["to_on"])
        is_placed = span in now.spans
        pairs = [
            (self._colleague(values[part], part, person), kind)
            for part, kind in (("mentor", "primary"), ("second", "second"))
            if values[part]
        ]
        fresh = self._paired(now, span, pairs)
        now.enrolled, now.hospital = True, home
        if before is None:
            self.standing[person.id] = now
            self.taken.append((now.track, home.region if home else ""))
        if span is not None:
            now.spans.setdefault(span, set()).update((one.id, kind) for one, kind in fresh)
            now.primaries += [span[1:] for _one, kind in fresh if kind == "primary"]
        chosen = {kind: one for one, kind in pairs}
        return Planned(
            row.number,
            person,
            now.track,
            home,
            values["unit"] or "",
            values["from_on"],
            values["to_on"],
            chosen.get("primary"),
            chosen.get("second"),
            is_enrolled,
            is_placed,
        )

    def _trainee(self, login: str, name: str | None) -> Person:
        person = self.people.get(login)
        if person is None:
            raise RuleBroken(
                "login_unknown",
                _(
                    "No account has this e-mail address or phone number. Import the person under People first."
                ),
                field="login",
            )
        names = {lists.plain(one) for one in (person.name_zh, person.name_latin) if one}
        if name and lists.plain(name) not in names:
            raise RuleBroken(
                "name_differs",
                _("This e-mail address or phone number belongs to %(name)s.", name=person.name),
                field="name",
            )
        return person

    def _hospital(self, word: str | None, region: str | None) -> Hospital | None:
        if not word:
            return None
        found = self.hospitals.get(lists.plain(word))
        if found is None:
            raise RuleBroken(
                "hospital_unknown",
                _("No open hospital is called so or has this code."),
                field="hospital",
            )
        if region and found.region and region != found.region:
            raise RuleBroken("region", _("The hospital lies in another region."), field="region")
        return found

    def _enrolled(self, track: str | None, hospital: Hospital | None) -> _Standing:
        if not track:
            raise RuleBroken("track", _("Choose a track."), field="track")
        intakes.require_open(self.cohort.state)
        region = hospital.region if hospital else ""
        try:
            intakes.require_seat(self.cohort.seats, self.taken, track, region)
        except RuleBroken as refusal:
            column = {"home_hospital": "hospital"}.get(refusal.field or "", refusal.field)
            raise RuleBroken(refusal.code, refusal.message, field=column) from refusal
        return _Standing(track, hospital, enrolled=False)

    def _same(self, before: _Standing, track: str | None, hospital: Hospital | None) -> Hospital | None:
        """The home hospital of somebody who is enrolled; a row may say what is not known yet, and contradict nothing."""
        if track and track != before.track:
            raise RuleBroken("track_differs", _("This person is enrolled with another track."), field="track")
        if hospital is None or before.hospital is hospital:
            return before.hospital
        if before.hospital is not None:
            raise RuleBroken(
                "hospital_differs",
                _("This person is enrolled from %(name)s.", name=before.hospital.name_zh),
                field="hospital",
            )
        held = list(self.taken)
        if (before.track, "") in held:
            held.remove((before.track, ""))
        try:
            intakes.require_seat(self.cohort.seats, held, before.track, hospital.region)
        except RuleBroken as refusal:
            raise RuleBroken(refusal.code, refusal.message, field="hospital") from refusal
        self.taken = [*held, (before.track, hospital.region)]
        return hospital

    def _span(
        self, now: _Standing, unit: str | None, from_on: date | None, to_on: date | None
    ) -> tuple[str, date, date] | None:
        if unit is None and from_on is None and to_on is None:
            return None
        if unit is None or from_on is None or to_on is None:
            missing = "unit" if unit is None else "from_on" if from_on is None else "to_on"
            raise RuleBroken(
                "placement_part", _("A placement has a unit, a first and a last day."), field=missing
            )
        span = (unit, from_on, to_on)
        if span in now.spans:
            return span
        rules.require_span(from_on, to_on, within=(self.cohort.start_on, self.cohort.end_on))
        if rules.overlaps((from_on, to_on), [(first, last) for _unit, first, last in now.spans]):
            raise RuleBroken(
                "placement_overlaps",
                _("On some of these days the trainee is already placed elsewhere."),
                field="from_on",
            )
        return span

    def _colleague(self, word: str, part: str, trainee: Person) -> Person:
        found = self.people.get(account_rules.clean_login(word))
        if found is None:
            named = self.colleagues.get(lists.plain(word), [])
            if len(named) != 1:
                raise RuleBroken(
                    "mentor_unknown" if not named else "mentor_unclear",
                    _("Nobody who mentors here is called so. Write their e-mail address or phone number.")
                    if not named
                    else _(
                        "Several who mentor here are called so. Write the e-mail address or phone number."
                    ),
                    field=part,
                )
            found = named[0]
        if found.id == trainee.id:
            raise RuleBroken("own_mentor", _("Nobody can be their own mentor."), field=part)
        return found

    def _paired(
        self, now: _Standing, span: tuple[str, date, date] | None, pairs: list[tuple[Person, str]]
    ) -> list[tuple[Person, str]]:
        """The pairings that do not stand yet."""
        columns = {"primary": "mentor", "second": "second"}
        if span is None:
            if pairs:
                raise RuleBroken(
                    "placement_part",
                    _("A mentor needs a placement in the same row."),
                    field=columns[pairs[0][1]],
                )
            return []
        held = now.spans.get(span, set())
        fresh = [(one, kind) for one, kind in pairs if (one.id, kind) not in held]
        for one, kind in fresh:
            try:
                rules.require_single_primary(kind, span[1:], now.primaries)
                if kind == "primary":
                    self._require_fit(one, span[1:])
            except RuleBroken as refusal:
                raise RuleBroken(refusal.code, refusal.message, field="mentor") from refusal
        return fresh

    def _require_fit(self, mentor: Person, span: rules.Span) -> None:
        """The mentor is qualified and has room, with what the rows before give them."""
        if self.cohort.programme.asks_qualification:
            require_qualified(span, self.qualified.get(mentor.id, ()))
        require_room(span, self.loads.get(mentor.id, ()), self.cohort.programme.mentor_cap)
        self.loads.setdefault(mentor.id, []).append(span)


def carry_out(cohort: Cohort, rows: Iterable[Planned], *, at: datetime, by: Actor) -> int:
    """Enrol, place and pair what a roll says, all or none; answers how many rows were read.

    Raises RuleBroken where something changed since it was shown.
    """
    policy.require(by, Permission.COHORT_MANAGE, cohort, see=Permission.COHORT_READ)
    lock(cohort)
    count = 0
    changed = False
    for row in rows:
        count += 1
        enrolment = enrol(row.person, cohort, track=row.track, home_hospital=row.hospital, at=at, by=by)
        changed = _settle_home(enrolment, row.hospital) or changed or not row.is_enrolled
        if row.from_on is None or row.to_on is None:
            continue
        placement = place(enrolment, unit=row.unit, from_on=row.from_on, to_on=row.to_on, at=at, by=by)
        changed = changed or not row.is_placed
        for mentor, kind in ((row.mentor, "primary"), (row.second, "second")):
            if mentor is not None:
                _pair(enrolment, placement, mentor, kind, at=at, by=by)
    if changed:
        audit.record(
            "programmes.roll.import",
            scope=f"programme:{cohort.programme_id}",
            at=at,
            account_id=by.account_id,
            subject=f"cohort:{cohort.public_id}",
            rows=count,
        )
    return count


def _pair(
    enrolment: Enrolment, placement: Placement, mentor: Person, kind: str, *, at: datetime, by: Actor
) -> None:
    pair(
        enrolment,
        placement,
        mentor,
        kind=kind,
        from_on=placement.from_on,
        to_on=placement.to_on,
        at=at,
        by=by,
    )


def _settle_home(enrolment: Enrolment, hospital: Hospital | None) -> bool:
    """Note the home hospital of a trainee of whom none is known; whether there was anything to note."""
    if hospital is None or enrolment.home_hospital_id is not None:
        return False
    enrolment.home_hospital_id = hospital.id
    db.session.flush()
    return True
