"""How the marking of a test stands, for whoever manages it. Ask ``test`` with MARKING_MANAGE first.

Responses stand here under their codes. Whoever marks one of them does not see what others gave for it before it is settled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    KeyRevision,
    MarkedResponse,
    MarkerSeat,
    Marking,
    Question,
    QuestionVersion,
    RemarkOrder,
    SettledMark,
    Sitting,
    Test,
)
from lms.assessments.queries.drawing import forms_of
from lms.assessments.queries.markers import (
    Plan,
    Stood,
    human_slots,
    markers_of,
    marking_plan,
    newest_markings,
    possible_markers,
    responses_of,
    stood,
)
from lms.assessments.queries.results import newest_keys
from lms.assessments.queries.shown import Item, as_written
from lms.assessments.rules import markers as rule
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

if TYPE_CHECKING:
    from lms.assessments.psychometrics.agreement import Icc, Kappa

STATES = ("nobody", "waits", "apart", "third", "ready", "settled")
BANDS = 10
"""Marks are compared in so many bands of equal width for kappa."""


@dataclass(frozen=True)
class Agreement:
    """How far first and second markers of one question agree, before any third."""

    n: int
    kappa: "Kappa"
    icc: "Icc"


@dataclass(frozen=True)
class AskedOf:
    """One question that people mark."""

    version: QuestionVersion
    question: Question
    item: Item
    worth: int
    markers: Sequence[Person]
    counts: Mapping[str, int]
    """State → responses."""
    agreement: Agreement | None
    """None where one marks alone."""

    @property
    def total(self) -> int:
        """All responses."""
        return sum(self.counts.values())

    @property
    def is_station(self) -> bool:
        """Whether an examiner sees the candidate."""
        return self.item.kind == rule.STATION


@dataclass(frozen=True)
class Row:
    """One response under its code."""

    code: str
    n: int
    """Of its question, from 1."""
    state: str
    marks: Sequence[tuple[str, str]]
    """Marker and percent, as far as the viewer may see them."""


@dataclass(frozen=True)
class Overview:
    """The marking of one test."""

    plan: Plan
    questions: Sequence[AskedOf]
    possible: Sequence[Person]
    waiting: int
    """Sittings that wait for their markers."""
    ready: int
    """Of them, those of which everything can be settled."""
    remarks: int
    """Responses marked once more that can be settled."""
    apart: Sequence[Row]
    """Where two lie apart."""
    is_begun: bool


def overview(test: Test, by: Actor, *, on: date) -> Overview:
    """Progress, disagreements and agreement, question by question."""
    plan = marking_plan(test.id)
    asked = markers_of(test.id)
    order: list[int] = []
    for form in forms_of(test.id):
        order += [slot["version"] for slot in human_slots(form) if slot["version"] not in order]
    versions = {
        row.id: row
        for row in db.session.scalars(
            select(QuestionVersion)
            .options(joinedload(QuestionVersion.question))
            .where(QuestionVersion.id.in_(order))
        )
    }
    keys = newest_keys(order)
    rows = stood(responses_of(test.id), plan)
    questions = [
        _asked(versions[one], n, keys[one], asked.get(one, []), rows, plan) for n, one in enumerate(order, 1)
    ]
    waiting: dict[int, list[Stood]] = {}
    for row in rows:
        if row.response.sitting.marked_at is None and row.response.sitting.marking_since is not None:
            waiting.setdefault(row.response.sitting_id, []).append(row)
    places = {version_id: n for n, version_id in enumerate(order, 1)}
    return Overview(
        plan=plan,
        questions=questions,
        possible=possible_markers(test, on=on),
        waiting=len(waiting),
        ready=sum(all(row.state in {"ready", "settled"} for row in own) for own in waiting.values()),
        remarks=sum(row.state == "ready" and row.response.sitting.marked_at is not None for row in rows),
        apart=[
            _row(row, places[row.response.question_version_id], by)
            for row in rows
            if row.state in {"apart", "third"}
        ],
        is_begun=any(one.marking for row in rows for one in row.seated),
    )


def _asked(
    version: QuestionVersion,
    n: int,
    key: KeyRevision,
    people: Sequence[Person],
    rows: Sequence[Stood],
    plan: Plan,
) -> AskedOf:
    own = [row for row in rows if row.response.question_version_id == version.id]
    item = as_written(version.type, version.body, version_id=version.id, first_slot=n)[0]
    wanted = plan.examiners if item.kind == rule.STATION else plan.markers
    return AskedOf(
        version,
        version.question,
        item,
        sum(line.marks for line in rule.lines_of(key.key)),
        people,
        {state: count for state in STATES if (count := sum(row.state == state for row in own))},
        agreement(own) if wanted == 2 else None,
    )


def agreement(rows: Sequence[Stood]) -> Agreement:
    """Quadratic kappa of bands and intraclass correlation of what the first two gave in the first round."""
    from lms.assessments.psychometrics.agreement import Weights, cross_table, icc, kappa

    pairs = []
    for row in rows:
        given = {one.seat.place: one.marking.share for one in row.seated if one.marking}
        if row.response.round == 1 and 1 in given and 2 in given:
            pairs.append((given[1], given[2]))
    bands = [tuple(min(BANDS - 1, int(share * BANDS)) for share in pair) for pair in pairs]
    table = cross_table([one for one, _other in bands], [other for _one, other in bands], range(BANDS))
    return Agreement(
        len(pairs),
        kappa(table, Weights.QUADRATIC),
        icc([[float(one), float(other)] for one, other in pairs] or [[0.0, 0.0]][:0]),
    )


def _row(row: Stood, n: int, by: Actor) -> Row:
    hides = row.settled is None and any(one.person.id == by.person_id for one in row.seated)
    return Row(
        row.response.public_id,
        n,
        row.state,
        [
            (one.person.name, _percent(one.marking.share) if one.marking and not hides else "")
            for one in row.seated
        ],
    )


def _percent(share: Fraction) -> str:
    return rules.shown(100 * share)


# ---------------------------------------------------------------- one response


@dataclass(frozen=True)
class Given:
    """What one marker gave in one round, newest last."""

    round: int
    place: int
    name: str
    percent: str
    """Empty where the viewer may not see it, or nothing was given."""
    changes: int
    """How many times it was changed."""
    note: str


@dataclass(frozen=True)
class ResponseView:
    """One response with everything that was given for it."""

    response: MarkedResponse
    item: Item
    row: Row
    given: Sequence[Given]
    settled: Sequence[tuple[int, str]]
    """Round and per cent."""
    orders: Sequence[RemarkOrder]
    can_remark: bool


def response(public_id: str, by: Actor) -> MarkedResponse:
    """A response by its code, for whoever manages the marking; wording, sitting and test loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(MarkedResponse)
            .options(
                joinedload(MarkedResponse.version),
                joinedload(MarkedResponse.sitting)
                .joinedload(Sitting.test)
                .joinedload(Test.cohort)
                .joinedload(Cohort.programme),
            )
            .where(MarkedResponse.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.MARKING_MANAGE, found.sitting.test)
    return found


def response_view(found: MarkedResponse, by: Actor) -> ResponseView:
    """All rounds of a response."""
    now = stood([found], marking_plan(found.sitting.test_id))[0]
    row = _row(now, 1, by)
    seats = db.session.scalars(
        select(MarkerSeat)
        .options(joinedload(MarkerSeat.person))
        .where(MarkerSeat.response_id == found.id)
        .order_by(MarkerSeat.round, MarkerSeat.place)
    ).all()
    newest = newest_markings(seat.id for seat in seats)
    hidden = now.settled is None and any(seat.person_id == by.person_id for seat in seats)
    settled = db.session.scalars(
        select(SettledMark).where(SettledMark.response_id == found.id).order_by(SettledMark.round)
    ).all()
    orders = db.session.scalars(
        select(RemarkOrder).where(RemarkOrder.response_id == found.id).order_by(RemarkOrder.round)
    ).all()
    return ResponseView(
        found,
        as_written(found.version.type, found.version.body, version_id=found.version.id)[0],
        row,
        [_given(seat, newest.get(seat.id), hidden=hidden) for seat in seats],
        [] if hidden else [(one.round, _percent(one.share)) for one in settled],
        orders,
        now.settled is not None and now.kind != rule.STATION,
    )


def _given(seat: MarkerSeat, marking: Marking | None, *, hidden: bool) -> Given:
    if marking is None or hidden:
        return Given(seat.round, seat.place, seat.person.name, "", 0, "")
    return Given(
        seat.round, seat.place, seat.person.name, _percent(marking.share), marking.n - 1, marking.note
    )


def has_human_slots(test: Test) -> bool:
    """Whether people mark anything in a test."""
    return any(human_slots(form) for form in forms_of(test.id))


def waiting_count(test_id: int) -> int:
    """How many sittings of a test wait for their markers."""
    return db.session.execute(
        select(func.count()).where(
            Sitting.test_id == test_id, Sitting.marking_since.is_not(None), Sitting.marked_at.is_(None)
        )
    ).scalar_one()
