"""Confirm what the days of a placement were."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import select

from lms import policy
from lms.core import audit, clock, ports
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Attendance, Enrolment, Placement
from lms.programmes.queries import attendance as queries
from lms.programmes.queries.meetings import scope_of
from lms.programmes.rules import attendance as rules
from lms.programmes.rules.meetings import require_past


def confirm(
    enrolment: Enrolment,
    placements: Sequence[Placement],
    days: Mapping[date, tuple[str, str]],
    *,
    at: datetime,
    by: Actor,
) -> int:
    """Confirm days, each with what stood on the page (empty: nothing) and what it was; answers how many were written.

    The mentor of the day or a coordinator does it. What stood before is superseded and stays; the same twice is once.
    ``placements``: all of the enrolment, pairings loaded. Raises RuleBroken ``future``, ``no_placement``, ``not_paired``
    and those of ``rules.changes``, at the day's field.
    """
    scope = scope_of(enrolment, placements)
    policy.require(by, Permission.ATTENDANCE_CONFIRM, scope, see=Permission.ATTENDANCE_READ)
    db.session.execute(
        select(Placement.id)
        .where(Placement.enrolment_id == enrolment.id)
        .order_by(Placement.id)
        .with_for_update()
    )
    known = queries.confirmed(placements)
    written = 0
    for day, (seen, wanted) in sorted(days.items()):
        before = known.get(day)
        if not rules.changes(day, seen=seen, wanted=wanted, known=before.kind if before else ""):
            continue
        placement = _placement(enrolment, placements, day, at=at, by=by)
        db.session.add(
            Attendance(
                placement_id=placement.id,
                day=day,
                kind=wanted,
                confirmed_by=by.person_id,
                confirmed_at=at,
                supersedes_id=before.id if before else None,
            )
        )
        written += 1
    if written:
        db.session.flush()
        audit.record(
            "programmes.attendance.confirm",
            scope=f"programme:{enrolment.cohort.programme_id}",
            at=at,
            account_id=by.account_id,
            subject=f"enrolment:{enrolment.public_id}",
            days=written,
        )
        ports.fact_changed.tell(ports.FactChanged("attendance", enrolment.id, at))
    return written


def _placement(
    enrolment: Enrolment, placements: Sequence[Placement], day: date, *, at: datetime, by: Actor
) -> Placement:
    """The placement of a day that the actor may confirm."""
    field = rules.field_of(day)
    require_past(day, today=clock.today(at), field=field)
    placement = queries.placement_of(placements, day)
    if placement is None:
        raise RuleBroken("no_placement", _("The trainee has no placement on this day."), field=field)
    scope = queries.scope_on(enrolment, placements, day)
    if not policy.allows(by, Permission.ATTENDANCE_CONFIRM, scope):
        raise RuleBroken(
            "not_paired",
            _("On this day you were not paired with the trainee as mentor or deputy."),
            field=field,
        )
    return placement
