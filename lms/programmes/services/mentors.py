"""Who mentors from which day on: change, end, hand over, delegate. An old signature stays with whoever gave it (P3)."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Person
from lms.core import audit, clock, deid
from lms.core.db import db
from lms.core.errors import NotFound, RuleBroken
from lms.core.i18n import _
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement
from lms.programmes.rules import board as rules
from lms.programmes.services import join

DAY = timedelta(days=1)
_around = joinedload(Pairing.placement).joinedload(Placement.enrolment)


def _locked(placement: Placement) -> list[Pairing]:
    """The pairings of a placement, which nobody else changes until the act is done."""
    db.session.execute(select(Placement.id).where(Placement.id == placement.id).with_for_update())
    return list(
        db.session.scalars(
            select(Pairing)
            .options(
                joinedload(Pairing.mentor),
                _around.joinedload(Enrolment.person),
                _around.joinedload(Enrolment.cohort),
            )
            .where(Pairing.placement_id == placement.id)
            .order_by(Pairing.from_on, Pairing.id)
            .execution_options(populate_existing=True)
        )
    )


def _require_from_today(day: date, at: datetime, *, field: str = "from_on") -> None:
    if day < clock.today(at):
        raise RuleBroken(
            "from_today", _("What is past stays as it was: choose today or a later day."), field=field
        )


def _note(what: str, pairing: Pairing, cohort: Cohort, *, at: datetime, by: Actor) -> None:
    audit.record(
        f"programmes.pairing.{what}",
        scope=f"programme:{cohort.programme_id}",
        at=at,
        account_id=by.account_id,
        subject=f"pairing:{pairing.public_id}",
        kind=pairing.kind,
        to_on=pairing.to_on.isoformat(),
    )


def _stop(pairing: Pairing, last_on: date, cohort: Cohort, *, reason: str, at: datetime, by: Actor) -> None:
    """End a pairing after ``last_on`` with whatever it gave to deputies; one that has not begun is taken away."""
    given = db.session.scalars(
        select(Pairing).where(Pairing.given_by_id == pairing.id, Pairing.to_on > last_on)
    ).all()
    for deputy in given:
        _stop(deputy, last_on, cohort, reason=reason, at=at, by=by)
    if pairing.from_on > last_on:
        _note("remove", pairing, cohort, at=at, by=by)
        db.session.delete(pairing)
    else:
        pairing.to_on, pairing.reason = last_on, reason
        _note("end", pairing, cohort, at=at, by=by)
    db.session.flush()


def change_mentor(
    enrolment: Enrolment,
    placement: Placement,
    mentor: Person,
    *,
    from_on: date,
    reason: str,
    at: datetime,
    by: Actor,
    beyond: str = "",
) -> Pairing:
    """From a day on another primary mentor takes the days of the one who has them; free days until the next one's. Twice is once.

    Raises RuleBroken ``from_today``, ``dates_outside``, ``own_mentor``.
    """
    policy.require(by, Permission.COHORT_MANAGE, enrolment.cohort)
    deid.require_clean(reason, field="reason")
    _require_from_today(from_on, at)
    primaries = [row for row in _locked(placement) if row.kind == "primary"]
    now = next((row for row in primaries if row.from_on <= from_on <= row.to_on), None)
    if now is not None and now.mentor_person_id == mentor.id:
        return now
    last_on = min([placement.to_on, *(row.from_on - DAY for row in primaries if row.from_on > from_on)])
    if now is not None:
        last_on = now.to_on
        _stop(now, from_on - DAY, enrolment.cohort, reason=reason, at=at, by=by)
    return join(
        enrolment,
        placement,
        mentor,
        kind="primary",
        from_on=from_on,
        to_on=last_on,
        at=at,
        by=by,
        reason=reason if now is None else "",
        beyond=beyond,
    )


def end_pairing(pairing: Pairing, *, last_on: date, reason: str, at: datetime, by: Actor) -> None:
    """End a pairing after a day, at the earliest yesterday; one that has not begun then is taken away. Twice is once."""
    cohort = pairing.placement.enrolment.cohort
    policy.require(by, Permission.COHORT_MANAGE, cohort)
    if pairing.to_on <= last_on:
        return
    deid.require_clean(reason, field="reason")
    _require_from_today(last_on + DAY, at, field="last_on")
    _locked(pairing.placement)
    _stop(pairing, last_on, cohort, reason=reason, at=at, by=by)


def hand_over(
    pairings: Mapping[Pairing, Person],
    *,
    from_on: date,
    reason: str,
    at: datetime,
    by: Actor,
    beyond: str = "",
) -> int:
    """A mentor leaves: each of their trainees gets the successor from a day on. Answers how many were handed over.

    All or none: the first refusal undoes the rest.
    """
    for pairing, successor in pairings.items():
        placement = pairing.placement
        first = max(from_on, pairing.from_on)
        if pairing.kind == "primary":
            change_mentor(
                placement.enrolment,
                placement,
                successor,
                from_on=first,
                reason=reason,
                at=at,
                by=by,
                beyond=beyond,
            )
            continue
        policy.require(by, Permission.COHORT_MANAGE, placement.enrolment.cohort)
        deid.require_clean(reason, field="reason")
        _require_from_today(from_on, at)
        last = pairing.to_on
        _locked(placement)
        _stop(pairing, first - DAY, placement.enrolment.cohort, reason=reason, at=at, by=by)
        join(
            placement.enrolment,
            placement,
            successor,
            kind=pairing.kind,
            from_on=first,
            to_on=last,
            at=at,
            by=by,
        )
    return len(pairings)


def delegate(
    pairings: list[Pairing],
    deputy: Person,
    *,
    from_on: date,
    to_on: date,
    reason: str,
    at: datetime,
    by: Actor,
) -> list[Pairing]:
    """A primary mentor lets a colleague sign for their trainees for at most 14 days, in the colleague's own name.

    ``pairings`` are the mentor's own as primary. What a deputy holds cannot be passed on. Twice is once.

    Raises RuleBroken ``from_today``, ``dates_reversed``, ``delegation_long``, ``delegation_none``, ``own_mentor``.
    """
    deid.require_clean(reason, field="reason")
    _require_from_today(from_on, at)
    if to_on < from_on:
        raise RuleBroken("dates_reversed", _("The last day lies before the first."), field="to_on")
    if (to_on - from_on).days >= rules.DELEGATION_DAYS:
        raise RuleBroken(
            "delegation_long",
            _("A delegation lasts at most %(days)s days.", days=rules.DELEGATION_DAYS),
            field="to_on",
        )
    if deputy.id == by.person_id:
        raise RuleBroken("delegation_self", _("Choose a colleague, not yourself."), field="deputy")
    made: list[Pairing] = []
    for pairing in pairings:
        policy.require(by, Permission.SIGNING_DELEGATE, Given(pairing))
        first, last = max(from_on, pairing.from_on), min(to_on, pairing.to_on)
        if pairing.kind != "primary" or first > last:
            continue
        held = _locked(pairing.placement)
        same = next(
            (
                row
                for row in held
                if row.given_by_id == pairing.id
                and row.mentor_person_id == deputy.id
                and (row.from_on, row.to_on) == (first, last)
            ),
            None,
        )
        _require_room(held, pairing, deputy, first, last)
        made.append(
            same
            or join(
                pairing.placement.enrolment,
                pairing.placement,
                deputy,
                kind="deputy",
                from_on=first,
                to_on=last,
                at=at,
                by=by,
                given_by=pairing,
                reason=reason,
            )
        )
    if not made:
        raise RuleBroken("delegation_none", _("You have no trainee on these days."), field="from_on")
    return made


def _require_room(held: list[Pairing], pairing: Pairing, deputy: Person, first: date, last: date) -> None:
    """What was delegated to one colleague shortly before or after counts towards the longest delegation."""
    window = timedelta(days=rules.DELEGATION_DAYS)
    days = sum(
        rules.shared_days((first - window, last + window), (row.from_on, row.to_on))
        for row in held
        if row.given_by_id == pairing.id
        and row.mentor_person_id == deputy.id
        and (row.from_on, row.to_on) != (first, last)
    )
    if days + (last - first).days + 1 > rules.DELEGATION_DAYS:
        raise RuleBroken(
            "delegation_long",
            _(
                "With what you delegated before, these would be more than %(days)s days.",
                days=rules.DELEGATION_DAYS,
            ),
            field="to_on",
        )


def end_delegation(pairing: Pairing, *, at: datetime, by: Actor) -> None:
    """Take a delegation back from today on; what was signed under it stands. Twice is once."""
    if pairing.given_by_id is None:
        raise NotFound
    origin = db.session.get(Pairing, pairing.given_by_id)
    if origin is None:
        raise NotFound
    cohort = pairing.placement.enrolment.cohort
    if not policy.allows(by, Permission.SIGNING_DELEGATE, Given(origin)):
        policy.require(by, Permission.COHORT_MANAGE, cohort)
    _locked(pairing.placement)
    yesterday = clock.today(at) - DAY
    if pairing.to_on > yesterday:
        _stop(pairing, yesterday, cohort, reason=pairing.reason, at=at, by=by)


class Given:
    """The shape of a pairing that the policy asks for: whose it is."""

    def __init__(self, pairing: Pairing) -> None:
        self.mentor_person_ids = frozenset({pairing.mentor_person_id})
