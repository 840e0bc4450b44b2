"""What people mark: who is asked, where everybody sits, and what they give. Settling is a room of its own (settling)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.assessments import queries, rules
from lms.assessments.models import (
    MarkedResponse,
    MarkerSeat,
    Marking,
    MarkingPlan,
    QuestionVersion,
    RemarkOrder,
    Sitting,
    Test,
    TestMarker,
)
from lms.assessments.queries import markers as query
from lms.assessments.rules import markers as rule
from lms.assessments.rules.standards import require_rating_of_station
from lms.core import audit, clock, deid, notices
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _, lazy
from lms.policy import Actor, Permission, Role

ASKED = notices.Kind(
    code="assessments.marking_asked",
    title=lazy("Answers wait for your marks: %(test)s"),
    label=lazy("Answers wait for your marks"),
)
THIRD = notices.Kind(
    code="assessments.third_marker",
    title=lazy("Two markers lie apart, and there is no third: %(test)s"),
    label=lazy("Two markers lie apart, and there is no third"),
)


def _record(
    act: str,
    test: Test,
    *,
    by: Actor | None,
    at: datetime,
    subject: str = "",
    scope: str = "",
    **detail: Any,
) -> None:
    audit.record(
        f"assessments.marking.{act}",
        scope=scope or f"programme:{test.programme_id}",
        at=at,
        account_id=by.account_id if by else None,
        subject=subject or f"test:{test.public_id}",
        **detail,
    )


def _tell(person_id: int, kind: notices.Kind, test: Test, url: str, once: str, at: datetime) -> None:
    for account in accounts.accounts_of_person(person_id):
        title = test.title_en or test.title_zh if account.locale == "en" else test.title_zh or test.title_en
        notices.notify(account.id, kind, values={"test": title}, url=url, at=at, once=once)


# ---------------------------------------------------------------- who is asked


def set_marking(
    test: Test, *, markers: int, examiners: int, apart_percent: int, by: Actor, at: datetime
) -> None:
    """Say how many people mark and how far two may lie apart. Raises RuleBroken("marking_begun") once somebody has marked."""
    policy.require(by, Permission.MARKING_MANAGE, test, see=Permission.TEST_READ)
    rule.require_plan(markers, examiners, apart_percent)
    if query.marking_plan(test.id) == query.Plan(markers, examiners, apart_percent):
        return
    if _is_begun(test):
        raise RuleBroken("marking_begun", _("The marking has begun; by these terms it goes on."))
    row = db.session.get(MarkingPlan, test.id)
    if row is None:
        row = MarkingPlan(test_id=test.id)
        db.session.add(row)
    row.markers, row.examiners, row.apart_percent = markers, examiners, apart_percent
    db.session.flush()
    db.session.execute(delete(MarkerSeat).where(MarkerSeat.response_id.in_(_in_test(test))))
    seat_markers(test, query.responses_of(test.id, open_only=True), at=at)
    _record("plan", test, by=by, at=at, markers=markers, examiners=examiners, apart_percent=apart_percent)


def _in_test(test: Test):  # type: ignore[no-untyped-def]
    """The ids of the responses of a test, as a subquery."""
    return (
        select(MarkedResponse.id)
        .join(Sitting, Sitting.id == MarkedResponse.sitting_id)
        .where(Sitting.test_id == test.id)
    )


def _is_begun(test: Test) -> bool:
    return (
        db.session.execute(
            select(Marking.id)
            .join(MarkerSeat, MarkerSeat.id == Marking.seat_id)
            .where(MarkerSeat.response_id.in_(_in_test(test)))
            .limit(1)
        ).first()
        is not None
    )


def ask_markers(
    test: Test, version: QuestionVersion, people: Collection[Person], *, by: Actor, at: datetime
) -> None:
    """Ask these people, and only these, to mark one question of a test (to examine at its station).

    What somebody who is not asked any more has marked stays; what they have not goes to others. Raises
    RuleBroken("not_a_marker") for whoever lacks the role.
    """
    policy.require(by, Permission.MARKING_MANAGE, test, see=Permission.TEST_READ)
    if version.id not in {
        slot["version"] for form in queries.forms_of(test.id) for slot in query.human_slots(form)
    }:
        raise NotFound
    known = {person.id for person in query.possible_markers(test, on=clock.today(at))}
    wanted = {person.id for person in people}
    before = {person.id for person in query.markers_of(test.id).get(version.id, [])}
    if wanted - before - known:
        raise RuleBroken("not_a_marker", _("Only people with the role of a marker can be asked."))
    if wanted == before:
        return
    mine = (TestMarker.test_id == test.id, TestMarker.question_version_id == version.id)
    db.session.execute(delete(TestMarker).where(*mine, TestMarker.person_id.in_(before - wanted)))
    for person_id in sorted(wanted - before):
        db.session.add(
            TestMarker(test_id=test.id, question_version_id=version.id, person_id=person_id, at=at)
        )
    db.session.flush()
    _free_seats(test, version.id, before - wanted)
    own = [
        row for row in query.responses_of(test.id, open_only=True) if row.question_version_id == version.id
    ]
    seat_markers(test, own, at=at)
    _record("ask", test, by=by, at=at, question=version.id, people=sorted(wanted))


def _free_seats(test: Test, version_id: int, people: set[int]) -> None:
    """Take away the seats of some people on which nothing was marked."""
    numbers = _in_test(test).where(MarkedResponse.question_version_id == version_id)
    marked = select(Marking.id).where(Marking.seat_id == MarkerSeat.id).exists()
    db.session.execute(
        delete(MarkerSeat)
        .where(MarkerSeat.response_id.in_(numbers), MarkerSeat.person_id.in_(people), ~marked)
        .execution_options(synchronize_session=False)
    )


# ---------------------------------------------------------------- seats


def begin_waiting(sitting: Sitting, slots: Sequence[Mapping[str, object]], *, at: datetime) -> None:
    """Hand the responses of a sitting to their markers; a second time changes nothing."""
    if sitting.marking_since is None:
        sitting.marking_since = at
        own = f"sitting:{sitting.public_id}"
        _record("wait", sitting.test, by=None, at=at, subject=own, scope=f"sitting:{sitting.id}")
    made = [response_for(sitting, int(str(slot["slot"])), int(str(slot["version"])), at=at) for slot in slots]
    seat_markers(sitting.test, made, at=at)


def response_for(sitting: Sitting, slot: int, version_id: int, *, at: datetime) -> MarkedResponse:
    """The response of a slot under its code; version loaded."""
    loaded = (
        select(MarkedResponse)
        .options(joinedload(MarkedResponse.version))
        .where(MarkedResponse.sitting_id == sitting.id, MarkedResponse.slot == slot)
    )
    found = db.session.scalar(loaded)
    if found is None:
        try:
            with db.session.begin_nested():
                db.session.add(
                    MarkedResponse(
                        sitting_id=sitting.id, slot=slot, question_version_id=version_id, round=1, made_at=at
                    )
                )
                db.session.flush()
        except IntegrityError:  # another examiner was faster
            pass
        found = db.session.scalars(loaded.execution_options(populate_existing=True)).one()
    found.sitting = sitting
    return found


def seat_markers(test: Test, responses: Sequence[MarkedResponse], *, at: datetime) -> None:
    """Give every free place at written responses to whoever of those asked has least; at stations the examiner sits down."""
    plan = query.marking_plan(test.id)
    written = [one for one in query.stood(responses, plan) if one.kind != rule.STATION]
    if not written:
        return
    asked = query.markers_of(test.id)
    load = _load(test)
    sat = _ever_seated(one.response.id for one in written)
    told: set[int] = set()
    missing = False
    for one in written:
        if one.settled is not None:
            continue
        response = one.response
        places = [*range(1, plan.markers + 1), *([3] if one.outcome.stand == "apart" else [])]
        taken = {row.seat.place for row in one.seated}
        for place in places:
            if place in taken:
                continue
            possible = (
                {person.id for person in asked.get(response.question_version_id, [])}
                - sat.get(response.id, set())
                - {response.sitting.trainee_person_id}
            )
            person_id = rule.least_loaded(possible, load, response.id)
            if person_id is None:
                missing = missing or place == 3
                continue
            db.session.add(
                MarkerSeat(
                    response_id=response.id, round=response.round, place=place, person_id=person_id, at=at
                )
            )
            sat.setdefault(response.id, set()).add(person_id)
            load[person_id] = load.get(person_id, 0) + 1
            told.add(person_id)
    db.session.flush()
    day = clock.today(at).isoformat()
    for person_id in sorted(told):
        _tell(person_id, ASKED, test, "/marking", f"marking:{test.public_id}:{day}", at)
    if missing:
        _tell_third(test, day, at)


def _tell_third(test: Test, day: str, at: datetime) -> None:
    scopes = (f"programme:{test.programme_id}", f"cohort:{test.cohort_id}")
    for person in accounts.persons_with_role(Role.COORDINATOR, *scopes, on=clock.today(at)):
        url = f"/tests/{test.public_id}/marking"
        _tell(person.id, THIRD, test, url, f"third:{test.public_id}:{day}", at)


def _load(test: Test) -> dict[int, int]:
    """Person → seats in a test."""
    rows = db.session.execute(
        select(MarkerSeat.person_id, func.count())
        .where(MarkerSeat.response_id.in_(_in_test(test)))
        .group_by(MarkerSeat.person_id)
    )
    return {row[0]: row[1] for row in rows}


def _ever_seated(response_ids) -> dict[int, set[int]]:  # type: ignore[no-untyped-def]
    """Response → who sat at it in any round."""
    found: dict[int, set[int]] = {}
    for response_id, person_id in db.session.execute(
        select(MarkerSeat.response_id, MarkerSeat.person_id).where(
            MarkerSeat.response_id.in_(list(response_ids))
        )
    ):
        found.setdefault(response_id, set()).add(person_id)
    return found


# ---------------------------------------------------------------- marking


def mark_response(
    seat: MarkerSeat,
    given: Mapping[str, Fraction],
    note: str,
    *,
    client_uuid: str,
    by: Actor,
    at: datetime,
) -> Marking:
    """Give marks for every line of a response (as ``queries.seat`` loads it); until it is settled they may be changed.

    Twice the same form is once. Raises RuleBroken ("settled", "lines", "line_marks", "note", "identifying").
    """
    policy.require(by, Permission.RESPONSE_MARK, query.markable(seat))
    made = _mark(seat, given, note, client_uuid=client_uuid, by=by, at=at)
    seat_third(seat, at=at)
    return made


def _mark(
    seat: MarkerSeat,
    given: Mapping[str, Fraction],
    note: str,
    *,
    client_uuid: str,
    by: Actor,
    at: datetime,
    rating: int | None = None,
) -> Marking:
    response, sitting = seat.response, seat.response.sitting
    db.session.execute(select(MarkedResponse.id).where(MarkedResponse.id == response.id).with_for_update())
    before = query.newest_markings([seat.id]).get(seat.id)
    again = db.session.scalar(
        select(Marking).where(Marking.seat_id == seat.id, Marking.client_uuid == client_uuid)
    )
    if again is not None:
        return again
    if query.is_settled(response):
        raise RuleBroken(
            "settled", _("The marks of this answer are settled; they cannot be changed any more.")
        )
    revision_id, lines = query.rubric_of(sitting.test_id, response.question_version_id)
    rule.require_given(lines, given)
    words = note.strip()
    if len(words) > 2000:
        raise RuleBroken("note", _("The note is too long."), field="note")
    if words:
        deid.require_clean(words, field="note")
    made = Marking(
        seat_id=seat.id,
        n=before.n + 1 if before else 1,
        client_uuid=client_uuid,
        key_revision_id=revision_id,
        given={name: str(value) for name, value in sorted(given.items())},
        share=rule.earned(lines, given),
        note=words,
        rating=rating,
        account_id=by.account_id,
        at=at,
    )
    db.session.add(made)
    db.session.flush()
    _record("mark", sitting.test, by=by, at=at, response=response.public_id, place=seat.place, n=made.n)
    return made


def seat_third(seat: MarkerSeat, *, at: datetime) -> None:
    """Ask a third where the two lie apart; where they do no longer, a third who has not begun is not needed."""
    response, test = seat.response, seat.response.sitting.test
    now = query.stood([response], query.marking_plan(test.id))[0]
    if now.outcome.stand == "apart":
        seat_markers(test, [response], at=at)
        return
    third = next((one for one in now.seated if one.seat.place == 3 and one.marking is None), None)
    if third is not None:
        db.session.execute(delete(MarkerSeat).where(MarkerSeat.id == third.seat.id))


def mark_at_station(
    station: query.Station,
    sitting: Sitting,
    given: Mapping[str, Fraction],
    note: str,
    *,
    client_uuid: str,
    rating: int | None = None,
    by: Actor,
    at: datetime,
) -> Marking:
    """Fill in the checklist of a station for one candidate (sitting as ``queries.station_people`` loads it).

    ``rating``: how the examiner rates the candidate as a whole; it earns nothing and serves the pass mark by borderline
    regression. Raises RuleBroken ("station_full" where other examiners have taken every place, "global_rating").
    """
    require_rating_of_station(rating)
    slot = next(
        (
            one["slot"]
            for form in queries.forms_of(sitting.test_id)
            if form.id == sitting.form_id
            for one in form.slots
            if one["version"] == station.version.id
        ),
        None,
    )
    if slot is None or sitting.trainee_person_id == by.person_id:
        raise NotFound
    response = response_for(sitting, slot, station.version.id, at=at)
    seat = _sit_down(response, query.marking_plan(sitting.test_id).examiners, by, at)
    policy.require(by, Permission.RESPONSE_MARK, query.markable(seat))
    return _mark(seat, given, note, client_uuid=client_uuid, by=by, at=at, rating=rating)


def _sit_down(response: MarkedResponse, examiners: int, by: Actor, at: datetime) -> MarkerSeat:
    db.session.execute(select(MarkedResponse.id).where(MarkedResponse.id == response.id).with_for_update())
    seats = db.session.scalars(
        select(MarkerSeat).where(MarkerSeat.response_id == response.id).order_by(MarkerSeat.place)
    ).all()
    found = next((one for one in seats if one.person_id == by.person_id), None)
    if found is None:
        if len(seats) >= examiners:
            raise RuleBroken("station_full", _("Another examiner has marked this candidate already."))
        found = MarkerSeat(
            response_id=response.id,
            round=response.round,
            place=len(seats) + 1,
            person_id=by.person_id,
            at=at,
        )
        db.session.add(found)
        db.session.flush()
    found.response = response
    return found


# ---------------------------------------------------------------- marking once more


def order_remark(response: MarkedResponse, reason: str, *, by: Actor, at: datetime) -> MarkedResponse:
    """Have a response whose marks are settled marked anew by people who have not marked it (as ``queries.response`` loads it).

    After the result of the sitting was written, the new mark enters by a regrade, which two people approve. Raises
    RuleBroken ("remark_reason", "at_station", "not_settled", "no_markers").
    """
    test = response.sitting.test
    policy.require(by, Permission.MARKING_MANAGE, test, see=Permission.TEST_READ)
    words = reason.strip()[:500]
    if not words:
        raise RuleBroken("remark_reason", _("Say why it is marked once more."), field="reason")
    deid.require_clean(words, field="reason")
    db.session.refresh(response, ["round"], with_for_update=True)
    if rules.TYPES[response.version.type].kind == rule.STATION:
        raise RuleBroken("at_station", _("What happened at a station cannot be marked once more."))
    if not query.is_settled(response):
        raise RuleBroken("not_settled", _("Its marks are not settled yet."))
    sat = _ever_seated([response.id])[response.id] | {response.sitting.trainee_person_id}
    asked = {person.id for person in query.markers_of(test.id).get(response.question_version_id, [])}
    if len(asked - sat) < query.marking_plan(test.id).markers:
        raise RuleBroken(
            "no_markers", _("Ask more people first: whoever has marked it does not mark it once more.")
        )
    response.round += 1
    db.session.flush()
    db.session.add(
        RemarkOrder(
            response_id=response.id, round=response.round, reason=words, account_id=by.account_id, at=at
        )
    )
    seat_markers(test, [response], at=at)
    _record("remark", test, by=by, at=at, response=response.public_id, round=response.round)
    return response
