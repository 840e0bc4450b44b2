"""Settling: what markers gave becomes the mark of a response, and a sitting whose responses are all settled gets its result."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lms import policy
from lms.assessments import rules
from lms.assessments.models import MarkedResponse, SettledMark, Sitting, Test
from lms.assessments.queries import markers as query
from lms.assessments.services.sitting import locked, mark_settled
from lms.core import audit
from lms.core.db import db
from lms.policy import Actor, Permission


@dataclass(frozen=True)
class Settled:
    """What one settling did."""

    sittings: int
    """Got their result."""
    remarks: int
    """Responses marked once more whose mark is known now; it enters by a regrade."""
    waiting: int
    """Sittings that still wait for somebody."""


def settle(test: Test, *, by: Actor, at: datetime) -> Settled:
    """Settle every sitting of a test of which all is marked; the others wait. Done twice, the second time finds nothing to do."""
    policy.require(by, Permission.MARKING_MANAGE, test, see=Permission.TEST_READ)
    in_test = select(Sitting.id).where(Sitting.test_id == test.id)
    db.session.execute(
        select(MarkedResponse.id).where(MarkedResponse.sitting_id.in_(in_test)).with_for_update()
    )
    groups: dict[int, list[query.Stood]] = {}
    for one in query.stood(query.responses_of(test.id, open_only=True), query.marking_plan(test.id)):
        groups.setdefault(one.response.sitting_id, []).append(one)
    sittings = remarks = waiting = 0
    for sitting_id, own in sorted(groups.items()):
        sitting = locked(sitting_id)
        if sitting.state == rules.SittingState.IN_PROGRESS:
            continue
        ready = [one for one in own if one.state == "ready"]
        if sitting.marked_at is not None:
            for one in ready:
                _write(one, at)
            remarks += len(ready)
        elif len(ready) == len(own):
            for one in own:
                _write(one, at)
            mark_settled(sitting, at=at)
            sittings += 1
        else:
            waiting += 1
    db.session.flush()
    if sittings or remarks:
        audit.record(
            "assessments.marking.settle",
            scope=f"programme:{test.programme_id}",
            at=at,
            account_id=by.account_id,
            subject=f"test:{test.public_id}",
            sittings=sittings,
            remarks=remarks,
        )
    return Settled(sittings, remarks, waiting)


def _write(one: query.Stood, at: datetime) -> None:
    assert one.outcome.share is not None
    used = [row.marking.id for row in one.seated if row.marking and row.seat.place in one.outcome.places]
    db.session.add(
        SettledMark(
            response_id=one.response.id,
            round=one.response.round,
            share=one.outcome.share,
            markings=used,
            at=at,
        )
    )
    db.session.flush()
