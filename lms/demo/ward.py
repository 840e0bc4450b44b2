"""What the ward of the demonstration keeps: roster, attendance, meetings, qualifications, a competence committee. Sample words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from lms.accounts import services as accounts
from lms.accounts.models import Person
from lms.core import clock, ids
from lms.core.imports import Line, Sheet
from lms.demo.people import known
from lms.logbooks.queries import committee as committee_queries
from lms.logbooks.services import committee
from lms.policy import Actor, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment
from lms.programmes.queries import attendance as attendance_queries
from lms.programmes.queries import roster as roster_queries
from lms.programmes.rules.meetings import due_dates
from lms.programmes.services import attendance, meetings, qualifications, rosters

ActorAt = Callable[[str, datetime], Actor]
"""Who acts, by key, as they are at an instant."""

DAY = timedelta(days=1)
TURNS = ("白", "白", "夜", "下夜", "白", "休", "学")
"""A week of turns; each trainee is a day further on, and the mentor has the same turns as the trainee."""


def add_ward(
    cohort: Cohort,
    people: Mapping[str, Person],
    pairs: Sequence[tuple[str, str]],
    *,
    at: datetime,
) -> None:
    """Fill the pages of the ward; ``pairs`` are trainee and mentor by key."""

    def acting(who: str, moment: datetime) -> Actor:
        return known(people[who], at=moment)

    enrolments = {row.person_id: row for row in programmes.roll(cohort)}
    for row in enrolments.values():
        row.cohort = cohort
    _qualify(cohort, people, pairs, acting, at=at)
    _roster(cohort, people, pairs, acting, at=at)
    for number, (trainee, mentor) in enumerate(pairs):
        enrolment = enrolments[people[trainee].id]
        if number < 4:
            _attend(enrolment, mentor, acting, at=at)
            _meet(enrolment, trainee, mentor, acting, at=at, is_read=number != 1)
    _committee(cohort, people, enrolments, acting, at=at)


def _qualify(
    cohort: Cohort,
    people: Mapping[str, Person],
    pairs: Sequence[tuple[str, str]],
    acting: ActorAt,
    *,
    at: datetime,
) -> None:
    moment = at - timedelta(days=66)
    director = acting("lin", moment)
    for number, (_trainee, mentor) in enumerate(pairs):
        is_nurse = number % 3 == 2
        qualifications.enter(
            cohort.programme,
            people[mentor],
            title=("nurse_in_charge" if is_nurse else ("attending", "associate", "chief")[number % 3]),
            years=2 if number == 4 else 5 + number,
            from_on=cohort.start_on,
            to_on=cohort.end_on,
            reason="年限不足，已完成师资培训，破例（样例）" if number == 4 else "已完成师资培训（样例）",
            at=moment,
            by=director,
        )


def _roster(
    cohort: Cohort,
    people: Mapping[str, Person],
    pairs: Sequence[tuple[str, str]],
    acting: ActorAt,
    *,
    at: datetime,
) -> None:
    """Two weeks back and two ahead, as a ward would write them, read by the import itself."""
    first = clock.today(at) - 14 * DAY
    days = [first + n * DAY for n in range(28)]
    lines = [Line(1, ("姓名", *(day.isoformat() for day in days)))]
    for number, pair in enumerate(pairs):
        turns = tuple(TURNS[(n + number) % len(TURNS)] for n in range(len(days)))
        lines += [Line(len(lines) + n, (people[key].name_zh, *turns)) for n, key in enumerate(pair, start=1)]
    moment = at - timedelta(days=15)
    plan = rosters.plan(Sheet("", tuple(lines)), cohort, unit="", excluded=(), by=acting("wu", moment))
    rosters.carry_out(cohort, plan.rows, at=moment, by=acting("wu", moment))


KINDS = {"day": "duty", "night": "night", "study": "study"}
"""What a planned day turned out to be, but for one day of illness."""


def _attend(enrolment: Enrolment, mentor: str, acting: ActorAt, *, at: datetime) -> None:
    """The mentor has confirmed three weeks up to the day before yesterday, nearly as planned."""
    today = clock.today(at)
    placements = programmes.placements(enrolment.id)
    known = roster_queries.of_enrolment(enrolment)
    given = {}
    for day in (today - n * DAY for n in range(2, 23)):
        if attendance_queries.placement_of(placements, day) is None:
            continue
        shift = known[day].shift if day in known else "day" if day.weekday() < 5 else "off"
        if shift in KINDS:
            given[day] = ("", "sick" if day == today - 9 * DAY else KINDS[shift])
    attendance.confirm(enrolment, placements, given, at=at - DAY, by=acting(mentor, at - DAY))


SUMMARY = {
    "induction": "介绍了科室、带教计划和求助方式；学员希望多练气道管理。（样例）",
    "mid": "复盘了前六周的操作和签核；病情告知要更早请老师旁听。（样例）",
}
PLAN = {
    "induction": "第一周随同查房，第二周起在旁指导下完成面罩通气。\n有疑问随时呼叫值班二线。",
    "mid": "两周内完成一次独立病情告知，由带教旁听。\n每周五一起看一次日志。",
}


def _meet(
    enrolment: Enrolment, trainee: str, mentor: str, acting: ActorAt, *, at: datetime, is_read: bool
) -> None:
    """Induction and first mid meeting of the first placement; one trainee has not confirmed the latter yet."""
    placement = programmes.placements(enrolment.id)[0]
    for due in due_dates(placement.from_on, placement.to_on)[:2]:
        if due.due_on >= clock.today(at):
            continue
        moment = at - (clock.today(at) - due.due_on)
        made = meetings.hold(
            enrolment,
            placement,
            kind=due.kind,
            due_on=due.due_on,
            held_on=due.due_on,
            summary=SUMMARY[due.kind],
            plan=PLAN[due.kind],
            at=moment,
            by=acting(mentor, moment),
        )
        if is_read or due.kind == "induction":
            reader = acting(trainee, moment + DAY)
            meetings.acknowledge(enrolment, [placement], made, at=moment + DAY, by=reader)


def _committee(
    cohort: Cohort,
    people: Mapping[str, Person],
    enrolments: Mapping[int, Enrolment],
    acting: ActorAt,
    *,
    at: datetime,
) -> None:
    """One meeting that has decided, and one that is called."""
    scope = f"programme:{cohort.programme_id}"
    before = at - timedelta(days=60)
    accounts.grant(people["gao"], Role.COMMITTEE_CHAIR, scope, at=before, by=None)
    seats = ("rena", "liu", "sun")
    for key in seats:
        accounts.grant(people[key], Role.COMMITTEE_MEMBER, scope, at=before, by=None)
    for days, codes, trainee in ((9, ("N02", "N13"), "li"), (-6, ("N06",), "li")):
        moment = at - timedelta(days=max(days, 1))
        by = acting("wu", moment)
        made = committee.convene(
            cohort,
            held_on=clock.today(moment) if days > 0 else clock.today(at) - days * DAY,
            chair=people["gao"],
            others=[people[key] for key in seats],
            client_uuid=ids.token(),
            at=moment,
            by=by,
        )
        called = committee_queries.meeting(made.public_id, by, for_update=True)
        committee.add_lines(called, enrolments[people[trainee].id], codes, at=moment, by=by)
        if days < 0:
            continue
        committee.open_meeting(called, at=moment, by=by)
        for number, key in enumerate(seats):
            voter = acting(key, moment)
            called = committee_queries.meeting(made.public_id, voter, for_update=True)
            for line in committee_queries.lines(called):
                is_first = line.agenda.item.code == codes[0]
                committee.vote(
                    called,
                    line,
                    choice="approve" if is_first else "defer",
                    level=3 if is_first else None,
                    words=""
                    if is_first
                    else ("例数尚少，待补充不同体重患儿（样例）", "同意暂缓（样例）", "同意暂缓（样例）")[
                        number
                    ],
                    at=moment,
                    by=voter,
                )
        chair = acting("gao", moment)
        called = committee_queries.meeting(made.public_id, chair, for_update=True)
        words = {
            line.agenda.public_id: "例数未满，但三位委员均亲见其独立完成（样例）"
            if line.agenda.item.code == codes[0]
            else "三个月后再议（样例）"
            for line in committee_queries.lines(called)
        }
        committee.close_meeting(called, words, at=moment + timedelta(hours=1), by=chair)
