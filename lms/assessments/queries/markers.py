"""What people mark: who is asked, what a marker sees of a response, and how the marking stands.

A marker is told a code and the answer, never whose it is nor what anybody else gave.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased, joinedload

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    ExamForm,
    GradeRun,
    KeyRevision,
    MarkedResponse,
    MarkerSeat,
    Marking,
    MarkingPlan,
    QuestionVersion,
    SettledMark,
    Sitting,
    SlotFile,
    Test,
    TestMarker,
)
from lms.assessments.psychometrics.settling import Outcome, outcome
from lms.assessments.queries.drawing import forms_of
from lms.assessments.queries.papers import standing
from lms.assessments.queries.shown import Item, as_written
from lms.assessments.rules import markers as rule
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission, Role
from lms.programmes.models import Cohort

# ---------------------------------------------------------------- facts


def human_slots(form: ExamForm) -> list[Mapping[str, Any]]:
    """The slots of a paper that people mark."""
    return [slot for slot in form.slots if rules.TYPES[slot["type"]].is_marked_by_people]


@dataclass(frozen=True)
class Plan:
    """How many people mark in a test, and how far two may lie apart."""

    markers: int = rule.MARKERS
    examiners: int = rule.EXAMINERS
    apart_percent: int = rule.APART_PERCENT

    @property
    def apart(self) -> Fraction:
        """As a share of what can be earned."""
        return Fraction(self.apart_percent, 100)

    def stand(self, kind: str, shares: Mapping[int, Fraction]) -> Outcome:
        """How a response of a kind stands by the newest share at each place."""
        at_station = kind == rule.STATION
        return outcome(
            dict(shares),
            wanted=self.examiners if at_station else self.markers,
            apart=self.apart,
            third=not at_station,
        )


def marking_plan(test_id: int) -> Plan:
    """What was said of a test, or the defaults."""
    row = db.session.get(MarkingPlan, test_id)
    return Plan(row.markers, row.examiners, row.apart_percent) if row else Plan()


def possible_markers(test: Test, *, on: date) -> Sequence[Person]:
    """Who holds the role of a marker where the test lies."""
    return accounts.persons_with_role(
        Role.MARKER, f"programme:{test.programme_id}", f"cohort:{test.cohort_id}", on=on
    )


def markers_of(test_id: int) -> dict[int, list[Person]]:
    """Question version → who was asked to mark it."""
    found: dict[int, list[Person]] = {}
    for row in db.session.scalars(
        select(TestMarker)
        .options(joinedload(TestMarker.person))
        .where(TestMarker.test_id == test_id)
        .order_by(TestMarker.at, TestMarker.person_id)
    ):
        found.setdefault(row.question_version_id, []).append(row.person)
    return found


def settled_shares(sitting_ids: Iterable[int]) -> dict[tuple[int, int], Fraction]:
    """(Sitting, slot) → what was settled last of it."""
    rows = db.session.execute(
        select(MarkedResponse.sitting_id, MarkedResponse.slot, SettledMark.share)
        .join(SettledMark, SettledMark.response_id == MarkedResponse.id)
        .where(MarkedResponse.sitting_id.in_(list(sitting_ids)))
        .order_by(SettledMark.round)
    )
    return {(row.sitting_id, row.slot): row.share for row in rows}


def settled_in_test(test_id: int) -> dict[tuple[int, int], Fraction]:
    """The same for all sittings of a test."""
    numbers = select(Sitting.id).where(Sitting.test_id == test_id)
    rows = db.session.execute(
        select(MarkedResponse.sitting_id, MarkedResponse.slot, SettledMark.share)
        .join(SettledMark, SettledMark.response_id == MarkedResponse.id)
        .where(MarkedResponse.sitting_id.in_(numbers))
        .order_by(SettledMark.round)
    )
    return {(row.sitting_id, row.slot): row.share for row in rows}


def kept_file(sitting_id: int, slot: int, response: Mapping[str, Any] | None) -> SlotFile | None:
    """The file that a response names, if its candidate sent it for this very slot; else there is none."""
    name = (response or {}).get("file")
    if not isinstance(name, str) or not ids.is_public_id(name):
        return None
    return db.session.scalar(
        select(SlotFile).where(
            SlotFile.public_id == name, SlotFile.sitting_id == sitting_id, SlotFile.slot == slot
        )
    )


def files_count(sitting_id: int, slot: int) -> int:
    """How many files a candidate has sent for a slot."""
    return db.session.execute(
        select(func.count()).where(SlotFile.sitting_id == sitting_id, SlotFile.slot == slot)
    ).scalar_one()


def waits_for_people(sitting: Sitting, answers: Mapping[int, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The slots of a handed-in sitting of which people have to say what they earn; without an answer nobody has to."""
    return [
        slot
        for slot in human_slots(sitting.form)
        if rules.TYPES[slot["type"]].kind == rule.STATION
        or is_there(sitting.id, slot, answers.get(slot["slot"]))
    ]


def is_there(sitting_id: int, slot: Mapping[str, Any], response: Mapping[str, Any] | None) -> bool:
    """Whether there is anything to mark: words, or a file that was really sent."""
    if rules.TYPES[slot["type"]].kind == "file":
        return kept_file(sitting_id, slot["slot"], response) is not None
    return rules.is_answered(response)


# ---------------------------------------------------------------- responses with their markings


@dataclass(frozen=True)
class Seated:
    """One person at one response with the newest of what they gave."""

    seat: MarkerSeat
    person: Person
    marking: Marking | None


@dataclass(frozen=True)
class Stood:
    """A response with everybody who marks it in its round, and how it stands."""

    response: MarkedResponse
    kind: str
    seated: Sequence[Seated]
    outcome: Outcome
    settled: SettledMark | None
    """Of this round."""

    @property
    def state(self) -> str:
        """``settled``, ``ready``, ``apart``, ``third`` (one was asked), ``waits`` or ``nobody`` (is asked)."""
        if self.settled is not None:
            return "settled"
        if self.outcome.stand == "apart":
            return "third" if any(one.seat.place == 3 for one in self.seated) else "apart"
        if self.outcome.stand == "waits" and not self.seated:
            return "nobody"
        return str(self.outcome.stand)


def newest_markings(seat_ids: Iterable[int]) -> dict[int, Marking]:
    """Seat → the newest marking."""
    rows = db.session.scalars(
        select(Marking).where(Marking.seat_id.in_(list(seat_ids))).order_by(Marking.seat_id, Marking.n)
    )
    return {row.seat_id: row for row in rows}


def stood(responses: Sequence[MarkedResponse], plan: Plan) -> list[Stood]:
    """How responses (version loaded) stand in their rounds; three queries for any number."""
    numbers = [one.id for one in responses]
    seats: dict[int, list[MarkerSeat]] = {}
    for seat in db.session.scalars(
        select(MarkerSeat)
        .join(MarkedResponse, MarkedResponse.id == MarkerSeat.response_id)
        .options(joinedload(MarkerSeat.person))
        .where(MarkerSeat.response_id.in_(numbers), MarkerSeat.round == MarkedResponse.round)
        .order_by(MarkerSeat.place)
    ):
        seats.setdefault(seat.response_id, []).append(seat)
    markings = newest_markings(seat.id for row in seats.values() for seat in row)
    settled = {
        (row.response_id, row.round): row
        for row in db.session.scalars(select(SettledMark).where(SettledMark.response_id.in_(numbers)))
    }
    found = []
    for one in responses:
        own = [Seated(seat, seat.person, markings.get(seat.id)) for seat in seats.get(one.id, [])]
        kind = rules.TYPES[one.version.type].kind
        shares = {row.seat.place: row.marking.share for row in own if row.marking}
        found.append(Stood(one, kind, own, plan.stand(kind, shares), settled.get((one.id, one.round))))
    return found


def responses_of(test_id: int, *, open_only: bool = False) -> Sequence[MarkedResponse]:
    """The responses of a test that people mark, versions and sittings loaded; ``open_only``: not settled in their round."""
    query = (
        select(MarkedResponse)
        .join(Sitting, Sitting.id == MarkedResponse.sitting_id)
        .options(joinedload(MarkedResponse.version), joinedload(MarkedResponse.sitting))
        .where(Sitting.test_id == test_id)
        .order_by(MarkedResponse.question_version_id, MarkedResponse.public_id)
    )
    if open_only:
        query = query.where(
            ~select(SettledMark.response_id)
            .where(SettledMark.response_id == MarkedResponse.id, SettledMark.round == MarkedResponse.round)
            .exists()
        )
    return db.session.scalars(query).all()


# ---------------------------------------------------------------- what a marker sees


@dataclass(frozen=True)
class Markable:
    """A response (or a station) as the policy asks about it."""

    cohort_id: int
    programme_id: int
    trainee_person_id: int | None
    marker_person_ids: frozenset[int]


@dataclass(frozen=True)
class Work:
    """One response before its marker."""

    seat: MarkerSeat
    response: MarkedResponse
    test: Test
    item: Item
    text: str
    """Of an essay."""
    file: SlotFile | None
    lines: Sequence[rule.Line]
    marking: Marking | None
    """What this marker gave last."""
    is_settled: bool

    @property
    def code(self) -> str:
        """By which it is known."""
        return self.response.public_id

    @property
    def worth(self) -> int:
        """All lines together."""
        return sum(line.marks for line in self.lines)


def rubric_of(test_id: int, version_id: int) -> tuple[int, list[rule.Line]]:
    """Key revision and lines by which a question of a test is marked: those of its newest run."""
    keys = db.session.scalar(
        select(GradeRun.keys).where(GradeRun.test_id == test_id).order_by(GradeRun.n.desc()).limit(1)
    )
    revision = db.session.get(KeyRevision, (keys or {}).get(str(version_id), 0))
    if revision is None:
        raise NotFound
    return revision.id, rule.lines_of(revision.key)


def seat(public_id: str, by: Actor) -> MarkerSeat:
    """A seat for the person on it; response, sitting, test and wording loaded. Raises NotFound for anybody else."""
    found = (
        db.session.scalar(
            select(MarkerSeat)
            .options(
                joinedload(MarkerSeat.response)
                .joinedload(MarkedResponse.sitting)
                .options(joinedload(Sitting.form), joinedload(Sitting.test).joinedload(Test.cohort)),
                joinedload(MarkerSeat.response).joinedload(MarkedResponse.version),
            )
            .where(MarkerSeat.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None or found.round != found.response.round:
        raise NotFound
    policy.require(by, Permission.RESPONSE_MARK, markable(found))
    return found


def markable(seat: MarkerSeat) -> Markable:
    """A seat for the policy: only its own person may mark on it."""
    sitting = seat.response.sitting
    return Markable(
        sitting.test.cohort_id,
        sitting.test.programme_id,
        sitting.trainee_person_id,
        frozenset({seat.person_id}),
    )


def work(found: MarkerSeat) -> Work:
    """What the person on a seat sees: question, answer, rubric, and their own marks."""
    response, sitting = found.response, found.response.sitting
    said = standing(sitting.id).answers.get(response.slot)
    _revision, lines = rubric_of(sitting.test_id, response.question_version_id)
    version = response.version
    settled = db.session.get(SettledMark, (response.id, response.round))
    return Work(
        seat=found,
        response=response,
        test=sitting.test,
        item=as_written(version.type, version.body, version_id=version.id)[0],
        text=str((said or {}).get("text", "")),
        file=kept_file(sitting.id, response.slot, said),
        lines=lines,
        marking=newest_markings([found.id]).get(found.id),
        is_settled=settled is not None,
    )


@dataclass(frozen=True)
class Batch:
    """What waits for a marker of one question of one test."""

    test: Test
    item: Item
    waiting: int
    done: int
    next: str
    """Seat of the next one that waits, else of the first that may still be changed; empty at a station."""
    question: str = ""
    """Public id of the question, at a station."""


def queue(by: Actor) -> list[Batch]:
    """The marker's written answers that are not settled, question by question, what waits first."""
    marked = select(Marking.id).where(Marking.seat_id == MarkerSeat.id).exists()
    rows = db.session.execute(
        select(
            MarkerSeat.public_id, Sitting.test_id, MarkedResponse.question_version_id, marked.label("done")
        )
        .join(MarkedResponse, MarkedResponse.id == MarkerSeat.response_id)
        .join(Sitting, Sitting.id == MarkedResponse.sitting_id)
        .join(QuestionVersion, QuestionVersion.id == MarkedResponse.question_version_id)
        .outerjoin(
            SettledMark,
            and_(SettledMark.response_id == MarkedResponse.id, SettledMark.round == MarkerSeat.round),
        )
        .where(
            MarkerSeat.person_id == by.person_id,
            MarkerSeat.round == MarkedResponse.round,
            SettledMark.response_id.is_(None),
            QuestionVersion.type != "OSCE",
        )
        .order_by(Sitting.test_id, MarkedResponse.question_version_id, MarkerSeat.public_id)
    ).all()
    groups: dict[tuple[int, int], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.test_id, row.question_version_id), []).append(row)
    tests, versions = _tests(key[0] for key in groups), _versions(key[1] for key in groups)
    found = []
    for (test_id, version_id), own in groups.items():
        waiting = [row for row in own if not row.done]
        if not policy.allows(by, Permission.RESPONSE_MARK, _any(tests[test_id], by)):
            continue
        found.append(
            Batch(
                tests[test_id],
                versions[version_id][1],
                len(waiting),
                len(own) - len(waiting),
                (waiting or own)[0].public_id,
            )
        )
    return sorted(found, key=lambda one: one.waiting == 0)


def _any(test: Test, by: Actor) -> Markable:
    return Markable(test.cohort_id, test.programme_id, None, frozenset({by.person_id}))


def _tests(test_ids: Iterable[int]) -> dict[int, Test]:
    rows = db.session.scalars(
        select(Test)
        .options(joinedload(Test.cohort).joinedload(Cohort.programme))
        .where(Test.id.in_(set(test_ids)))
    )
    return {row.id: row for row in rows}


def _versions(version_ids: Iterable[int]) -> dict[int, tuple[QuestionVersion, Item]]:
    rows = db.session.scalars(
        select(QuestionVersion)
        .options(joinedload(QuestionVersion.question))
        .where(QuestionVersion.id.in_(set(version_ids)))
    )
    return {row.id: (row, as_written(row.type, row.body, version_id=row.id)[0]) for row in rows}


def next_seat(found: MarkerSeat) -> str | None:
    """The seat of the same person, test and question that waits next; None: nothing waits there."""
    done = select(Marking.id).where(Marking.seat_id == MarkerSeat.id).exists()
    response = aliased(MarkedResponse)
    return db.session.scalar(
        select(MarkerSeat.public_id)
        .join(response, response.id == MarkerSeat.response_id)
        .join(Sitting, Sitting.id == response.sitting_id)
        .where(
            MarkerSeat.person_id == found.person_id,
            MarkerSeat.round == response.round,
            response.question_version_id == found.response.question_version_id,
            Sitting.test_id == found.response.sitting.test_id,
            ~done,
        )
        .order_by(MarkerSeat.public_id)
        .limit(1)
    )


# ---------------------------------------------------------------- stations


def stations(by: Actor) -> list[Batch]:
    """The stations at which the actor examines, those of the newest tests first; nothing is counted there."""
    rows = db.session.execute(
        select(TestMarker.test_id, TestMarker.question_version_id)
        .join(Test, Test.id == TestMarker.test_id)
        .join(QuestionVersion, QuestionVersion.id == TestMarker.question_version_id)
        .where(
            TestMarker.person_id == by.person_id,
            QuestionVersion.type == "OSCE",
            Test.state == rules.TestState.PUBLISHED,
        )
        .order_by(Test.opens_at.desc(), TestMarker.question_version_id)
    ).all()
    tests, versions = _tests(row.test_id for row in rows), _versions(row.question_version_id for row in rows)
    found = []
    for row in rows:
        test, (version, item) = tests[row.test_id], versions[row.question_version_id]
        if policy.allows(by, Permission.RESPONSE_MARK, _any(test, by)):
            found.append(Batch(test, item, 0, 0, "", version.question.public_id))
    return found


@dataclass(frozen=True)
class Station:
    """One station of a test for its examiner."""

    test: Test
    version: QuestionVersion
    item: Item
    lines: Sequence[rule.Line]


def station(test_id: str, question_id: str, by: Actor) -> Station:
    """A station for whoever examines at it. Raises NotFound for anybody else."""
    row = (
        db.session.execute(
            select(TestMarker.test_id, TestMarker.question_version_id)
            .join(Test, Test.id == TestMarker.test_id)
            .join(QuestionVersion, QuestionVersion.id == TestMarker.question_version_id)
            .where(
                Test.public_id == test_id,
                Test.state == rules.TestState.PUBLISHED,
                TestMarker.person_id == by.person_id,
                QuestionVersion.type == "OSCE",
                QuestionVersion.question.has(public_id=question_id),
            )
        ).first()
        if ids.is_public_id(test_id) and ids.is_public_id(question_id)
        else None
    )
    if row is None:
        raise NotFound
    test = _tests([row.test_id])[row.test_id]
    policy.require(by, Permission.RESPONSE_MARK, _any(test, by))
    version, item = _versions([row.question_version_id])[row.question_version_id]
    _revision, lines = rubric_of(test.id, version.id)
    return Station(test, version, item, lines)


@dataclass(frozen=True)
class AtStation:
    """One candidate of a station, as its examiner sees them."""

    sitting: Sitting
    slot: int
    name: str
    marking: Marking | None
    """What this examiner gave."""
    others: int
    """How many other examiners have a place at this candidate."""
    is_settled: bool

    @property
    def is_done(self) -> bool:
        """Whether this examiner has marked them."""
        return self.marking is not None


def station_people(test: Test, version_id: int, by: Actor) -> list[AtStation]:
    """Who has begun the test and has this station on their paper, but never the examiner themselves; by name."""
    places = {
        form.id: slot["slot"]
        for form in forms_of(test.id)
        for slot in form.slots
        if slot["version"] == version_id
    }
    rows = db.session.execute(
        select(Sitting, Person, MarkedResponse, SettledMark.response_id)
        .join(Person, Person.id == Sitting.trainee_person_id)
        .outerjoin(
            MarkedResponse,
            and_(MarkedResponse.sitting_id == Sitting.id, MarkedResponse.question_version_id == version_id),
        )
        .outerjoin(SettledMark, SettledMark.response_id == MarkedResponse.id)
        .where(
            Sitting.test_id == test.id,
            Sitting.form_id.in_(places),
            Sitting.trainee_person_id != by.person_id,
        )
        .order_by(Person.name_zh, Person.name_latin, Sitting.id)
    ).all()
    seats: dict[int, list[MarkerSeat]] = {}
    numbers = [response.id for _sitting, _person, response, _settled in rows if response]
    for one in db.session.scalars(select(MarkerSeat).where(MarkerSeat.response_id.in_(numbers))):
        seats.setdefault(one.response_id, []).append(one)
    markings = newest_markings(
        one.id for row in seats.values() for one in row if one.person_id == by.person_id
    )
    found = []
    for sitting, person, response, settled in rows:
        sitting.test = test
        own = seats.get(response.id, []) if response else []
        mine = next((one for one in own if one.person_id == by.person_id), None)
        found.append(
            AtStation(
                sitting,
                places[sitting.form_id],
                person.name,
                markings.get(mine.id) if mine else None,
                len([one for one in own if one.person_id != by.person_id]),
                settled is not None,
            )
        )
    return found


def is_settled(response: MarkedResponse) -> bool:
    """Whether a response is settled in its round."""
    return db.session.get(SettledMark, (response.id, response.round)) is not None
