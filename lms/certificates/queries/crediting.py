"""Questions about credits and hours: what a trainee did, what the ledger has of it, what a certificate could state."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import queries as assessments
from lms.certificates.models import Certificate, CreditEntry, CreditPlan
from lms.certificates.rules import CREDIT
from lms.certificates.rules import crediting as rules
from lms.core import clock, ports
from lms.core.db import db
from lms.core.errors import NotFound
from lms.courses.models import Lecture, LectureCompletion
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Placement, Programme
from lms.programmes.queries import EnrolmentScope
from lms.programmes.queries import attendance as attendance_queries
from lms.programmes.queries import roster as roster_queries
from lms.programmes.rules import attendance as attendance_rules
from lms.programmes.rules import roster as roster_rules

PLACEMENT = ("进修", "Training placement")


# How a cohort counts


def credit_plan(cohort_id: int) -> CreditPlan | None:
    """How a cohort's activities are counted now; None: they are not."""
    return db.session.scalar(
        select(CreditPlan)
        .where(CreditPlan.cohort_id == cohort_id)
        .order_by(CreditPlan.number.desc())
        .limit(1)
    )


def is_credited(enrolment_id: int) -> bool:
    """Whether the cohort of an enrolment counts credits at all."""
    return bool(
        db.session.scalar(
            select(CreditPlan.id)
            .join(Enrolment, Enrolment.cohort_id == CreditPlan.cohort_id)
            .where(Enrolment.id == enrolment_id)
            .limit(1)
        )
    )


# What a trainee did


@dataclass(frozen=True)
class Activity:
    """Something that a trainee did, and what it is worth."""

    key: str
    kind: str
    role: str
    title_zh: str
    title_en: str
    day: date
    seconds: int
    worth: rules.Worth


@dataclass(frozen=True)
class Done:
    """All that counts for one trainee, by the key of the activity."""

    counted: Mapping[str, Activity]
    untested: int
    """Lectures watched that wait for a passed test."""


def done(enrolment: Enrolment, plan: rules.Plan) -> Done:
    """What a trainee did, as the product knows it now: lectures watched, sessions attended, a placement that lasted."""
    is_tested = assessments.passed_tests([enrolment.id]).get(enrolment.id, 0) > 0
    counted: dict[str, Activity] = {}
    untested = 0
    for lecture, seconds, at in db.session.execute(
        select(Lecture, LectureCompletion.watched_s, LectureCompletion.at)
        .join(Lecture, Lecture.id == LectureCompletion.lecture_id)
        .where(LectureCompletion.enrolment_id == enrolment.id)
    ):
        day = clock.today(at)
        untested += not is_tested
        worth = rules.worth(
            "lecture", role="learner", seconds=seconds, day=day, plan=plan, is_tested=is_tested
        )
        if worth is not None:
            one = Activity(
                f"lecture:{lecture.public_id}",
                "lecture",
                "learner",
                lecture.title_zh,
                lecture.title_en,
                day,
                seconds,
                worth,
            )
            counted[one.key] = one
    for provider in ports.attended:
        for was in provider(enrolment.id):
            worth = rules.worth("session", role=was.role, seconds=was.seconds, day=was.day, plan=plan)
            if worth is not None:
                key = f"session:{was.key}"
                counted[key] = Activity(
                    key, "session", was.role, was.title_zh, was.title_en, was.day, was.seconds, worth
                )
    placed = _placement(enrolment, plan)
    if placed is not None:
        counted["placement"] = Activity(
            "placement", "placement", "learner", *PLACEMENT, placed.day, placed.seconds, placed.worth
        )
    return Done(counted, untested)


def _placement(enrolment: Enrolment, plan: rules.Plan) -> rules.Reached | None:
    placements = db.session.scalars(select(Placement).where(Placement.enrolment_id == enrolment.id)).all()
    confirmed = attendance_queries.confirmed(placements)
    halves = {day: attendance_rules.HALVES[row.kind] for day, row in confirmed.items()}
    if not halves:
        return None
    spans, until = [(one.from_on, one.to_on) for one in placements], max(halves)
    shifts = {day: duty.shift for day, duty in roster_queries.of_enrolment(enrolment).items()}
    weekdays = attendance_rules.planned_days(spans, until=until)
    planned = roster_rules.planned_days(weekdays, spans, shifts, until=until)
    return rules.reached(halves, planned, plan=plan)


# The ledger


def ledger(enrolment_id: int) -> Sequence[CreditEntry]:
    """Every line of a trainee's ledger, in the order in which it was written."""
    return ledgers([enrolment_id]).get(enrolment_id, [])


def ledgers(enrolment_ids: Collection[int]) -> dict[int, list[CreditEntry]]:
    """Enrolment → every line of its ledger, in the order in which it was written; without any line it is left out."""
    found: dict[int, list[CreditEntry]] = {}
    for entry in db.session.scalars(
        select(CreditEntry).where(CreditEntry.enrolment_id.in_(list(enrolment_ids))).order_by(CreditEntry.id)
    ):
        found.setdefault(entry.enrolment_id, []).append(entry)
    return found


def last_lines(entries: Iterable[CreditEntry]) -> dict[str, CreditEntry]:
    """Activity → its last line; what stands is where that takes nothing back."""
    return {entry.activity: entry for entry in sorted(entries, key=lambda one: one.number)}


def sums(
    entries: Iterable[CreditEntry],
    plan: rules.Plan | None,
    *,
    first: date | None = None,
    last: date | None = None,
) -> tuple[rules.YearTotal, ...]:
    """What the lines of a period come to, year by year; a period of None is all of it."""
    inside = [
        entry.line
        for entry in entries
        if (first is None or entry.day >= first) and (last is None or entry.day <= last)
    ]
    return rules.totals(inside, project_cap=plan.project_cap if plan else None)


@dataclass(frozen=True)
class LedgerPage:
    """One trainee's credits with what surrounds them."""

    enrolment: Enrolment
    plan: CreditPlan | None
    entries: Sequence[CreditEntry]
    """The newest activity first; lines that take back stand behind what they take back."""
    years: tuple[rules.YearTotal, ...]
    untested: int
    certificates: Sequence[Certificate]
    """Certificates of credits that count or are being made, the newest first."""

    @property
    def standing_ids(self) -> frozenset[int]:
        """Lines that count: they take nothing back, and nothing takes them back."""
        return standing_ids(self.entries)

    @property
    def struck(self) -> frozenset[int]:
        """Lines that somebody struck and that have not been put back."""
        return frozenset(
            entry.counters_id
            for entry in last_lines(self.entries).values()
            if entry.counters_id is not None and entry.account_id is not None
        )


def standing_ids(entries: Sequence[CreditEntry]) -> frozenset[int]:
    """Lines that count: they take nothing back, and nothing takes them back."""
    countered = {entry.counters_id for entry in entries}
    return frozenset(entry.id for entry in entries if not entry.is_counter and entry.id not in countered)


def own_credits(by: Actor) -> LedgerPage | None:
    """The actor's own ledger; None for whoever is no trainee."""
    enrolment = programmes.own_enrolment(by)
    return _page(enrolment) if enrolment is not None else None


def credits_of(enrolment_id: str, by: Actor) -> LedgerPage:
    """A trainee's ledger for those who may see it. Raises NotFound."""
    return _page(enrolment_for_credits(enrolment_id, by, permission=Permission.CREDIT_READ))


def enrolment_for_credits(enrolment_id: str, by: Actor, *, permission: Permission) -> Enrolment:
    """An enrolment whose ledger the actor may read (or correct). Raises NotFound, or NotAllowed to who may only read."""
    found = db.session.scalar(
        select(Enrolment)
        .options(
            joinedload(Enrolment.person),
            joinedload(Enrolment.cohort).joinedload(Cohort.programme).joinedload(Programme.sponsor),
        )
        .where(Enrolment.public_id == enrolment_id)
    )
    if found is None:
        raise NotFound
    policy.require(by, permission, ledger_scope(found), see=Permission.CREDIT_READ)
    return found


def ledger_scope(enrolment: Enrolment) -> EnrolmentScope:
    """The shape of a ledger that the policy asks for; its cohort is loaded."""
    return EnrolmentScope(
        enrolment.person_id, enrolment.cohort_id, enrolment.cohort.programme_id, frozenset()
    )


def _page(enrolment: Enrolment) -> LedgerPage:
    plan = credit_plan(enrolment.cohort_id)
    entries = sorted(ledger(enrolment.id), key=lambda one: (-one.day.toordinal(), one.activity, one.number))
    return LedgerPage(
        enrolment,
        plan,
        entries,
        sums(entries, plan.rules if plan else None),
        done(enrolment, plan.rules).untested if plan else 0,
        credit_certificates([enrolment.id], "good", "suspended", "reserved"),
    )


def credit_certificates(enrolment_ids: Collection[int], *states: str) -> Sequence[Certificate]:
    """Certificates of credits of some enrolments in some states, the newest first."""
    return db.session.scalars(
        select(Certificate)
        .where(
            Certificate.enrolment_id.in_(list(enrolment_ids)),
            Certificate.kind == CREDIT,
            Certificate.state.in_(states),
        )
        .order_by(Certificate.edition.desc())
    ).all()


# What a certificate of credits states


def statement(
    years: Iterable[rules.YearTotal], *, first: date, last: date, project_cap: int | None
) -> dict[str, Any]:
    """The period and the sums of a certificate as the register keeps them."""
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "project_cap": project_cap,
        "years": [
            {
                "year": one.year,
                "table": one.table,
                "credits": str(one.credits),
                "hours": str(one.hours),
                "seconds": one.seconds,
            }
            for one in years
        ],
    }


def ledger_covers(certificate: Certificate, entries: Sequence[CreditEntry]) -> bool:
    """Whether the ledger still has all that a certificate of credits states for its period."""
    stated = certificate.trace
    years = [
        rules.YearTotal(
            one["year"], one["table"], Fraction(one["credits"]), Fraction(one["hours"]), one["seconds"]
        )
        for one in stated["years"]
    ]
    first, last = date.fromisoformat(stated["first"]), date.fromisoformat(stated["last"])
    inside = [entry.line for entry in entries if first <= entry.day <= last]
    return rules.covers(rules.totals(inside, project_cap=stated["project_cap"]), years)


# A cohort


@dataclass(frozen=True)
class CohortLine:
    """One trainee in a cohort's credits."""

    enrolment: Enrolment
    years: tuple[rules.YearTotal, ...]
    certificates: Sequence[Certificate] = field(default_factory=list)


def cohort_credits(cohort: Cohort) -> list[CohortLine]:
    """What everybody of a cohort has, by name, in four queries. Ask ``programmes.cohort`` first: it holds the door."""
    plan = credit_plan(cohort.id)
    roll = [one for one in programmes.roll(cohort) if one.state != "withdrawn"]
    lines: dict[int, list[CreditEntry]] = {}
    for entry in cohort_ledger(cohort.id):
        lines.setdefault(entry.enrolment_id, []).append(entry)
    held: dict[int, list[Certificate]] = {}
    for row in credit_certificates([one.id for one in roll], "good", "suspended", "reserved"):
        held.setdefault(row.enrolment_id, []).append(row)
    return [
        CohortLine(one, sums(lines.get(one.id, []), plan.rules if plan else None), held.get(one.id, []))
        for one in roll
    ]


def uncertified_ids(cohort: Cohort) -> list[str]:
    """Public ids of the enrolments that have credits or hours and no certificate of them."""
    return [
        row.enrolment.public_id
        for row in cohort_credits(cohort)
        if not row.certificates and any(one.credits or one.hours for one in row.years)
    ]


def cohort_ledger(cohort_id: int) -> Sequence[CreditEntry]:
    """Every line of a cohort's ledgers, persons loaded, trainee by trainee."""
    return db.session.scalars(
        select(CreditEntry)
        .join(Enrolment, Enrolment.id == CreditEntry.enrolment_id)
        .options(
            joinedload(CreditEntry.enrolment).joinedload(Enrolment.person),
            joinedload(CreditEntry.enrolment).joinedload(Enrolment.home_hospital),
        )
        .where(Enrolment.cohort_id == cohort_id)
        .order_by(CreditEntry.enrolment_id, CreditEntry.id)
    ).all()
