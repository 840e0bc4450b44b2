"""Multisource feedback: rounds, who is asked, who may read, what is due. No question here leads from a rater to an answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts.models import Account, Grant, Person
from lms.core.db import db
from lms.core.digests import sha256_hex
from lms.core.errors import NotFound
from lms.core.ids import is_public_id
from lms.logbooks.models.multisource import (
    FeedbackBox,
    FeedbackGuest,
    FeedbackRater,
    FeedbackRelease,
    FeedbackResult,
    FeedbackRound,
    FeedbackSelf,
)
from lms.logbooks.rules import multisource as rules
from lms.policy import Actor, Permission
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort, Enrolment, Pairing, Placement

FOUND_MAX = 25
"""So many people a search shows."""


class FeedbackScope:
    """The shape of a round, or of any feedback about a trainee, that the policy table asks for."""

    def __init__(
        self, enrolment: Enrolment, *, rater_person_ids: frozenset[int] = frozenset(), released: bool = False
    ) -> None:
        self._enrolment_id = enrolment.id
        self.trainee_person_id = enrolment.person_id
        self.cohort_id = enrolment.cohort_id
        self.programme_id = enrolment.cohort.programme_id
        self.rater_person_ids = rater_person_ids
        self.is_released = released

    @cached_property
    def mentor_person_ids(self) -> frozenset[int]:
        """Who is or was paired with the trainee."""
        return frozenset(programmes.mentor_ids(self._enrolment_id))


def scope_of(found: FeedbackRound, *, released: bool = False) -> FeedbackScope:
    """The policy's view of a round (its enrolment and cohort loaded)."""
    return FeedbackScope(found.enrolment, released=released)


def hands_of(by: Actor, scope: FeedbackScope) -> frozenset[str]:
    """Which hands of the state machine the actor has."""
    asked = ((rules.TRAINEE, Permission.FEEDBACK_ASK), (rules.RUNNER, Permission.FEEDBACK_RUN))
    return frozenset(hand for hand, permission in asked if policy.allows(by, permission, scope))


def seen_enrolment(public_id: str, by: Actor) -> Enrolment:
    """A trainee whose rounds the actor may see. Raises NotFound."""
    found = programmes.enrolment(public_id, by)
    policy.require(by, Permission.FEEDBACK_SEE, FeedbackScope(found))
    return found


def may_see_rounds(by: Actor, enrolment: Enrolment) -> bool:
    """Whether the actor may see that there are rounds about this trainee."""
    return policy.allows(by, Permission.FEEDBACK_SEE, FeedbackScope(enrolment))


# ---------------------------------------------------------------- rounds


def _loaded(query: Select[FeedbackRound]) -> Select[FeedbackRound]:
    return query.options(
        joinedload(FeedbackRound.trainee),
        joinedload(FeedbackRound.enrolment).joinedload(Enrolment.cohort).joinedload(Cohort.programme),
        joinedload(FeedbackRound.enrolment).joinedload(Enrolment.person),
    )


def _found(public_id: str, *, for_update: bool) -> FeedbackRound:
    if not is_public_id(public_id):
        raise NotFound
    query = _loaded(select(FeedbackRound).where(FeedbackRound.public_id == public_id))
    if for_update:
        query = query.with_for_update(of=FeedbackRound).execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    return found


def feedback_round(public_id: str, by: Actor, *, for_update: bool = False) -> FeedbackRound:
    """One round. Raises NotFound for whoever may not see it. ``for_update``: held until the transaction ends."""
    found = _found(public_id, for_update=for_update)
    policy.require(by, Permission.FEEDBACK_SEE, scope_of(found))
    return found


def asked_round(
    public_id: str, by: Actor, *, for_update: bool = False
) -> tuple[FeedbackRound, FeedbackRater]:
    """A round for somebody who is asked in it, with their own row. Raises NotFound for everybody else, and once it has ended."""
    found = _found(public_id, for_update=for_update)
    mine = db.session.scalar(
        select(FeedbackRater)
        .where(FeedbackRater.round_id == found.id, FeedbackRater.person_id == by.person_id)
        .execution_options(populate_existing=True)
    )
    if mine is None or found.state != rules.OPEN:
        raise NotFound
    scope = FeedbackScope(found.enrolment, rater_person_ids=frozenset({mine.person_id}))
    policy.require(by, Permission.FEEDBACK_RATE, scope)
    return found, mine


def rounds_of(enrolment: Enrolment) -> Sequence[FeedbackRound]:
    """All rounds about a trainee, the newest first. The caller holds the door."""
    return db.session.scalars(
        select(FeedbackRound)
        .where(FeedbackRound.enrolment_id == enrolment.id)
        .order_by(FeedbackRound.id.desc())
    ).all()


def under_way(enrolment_id: int) -> FeedbackRound | None:
    """The round of a trainee that is being prepared or open."""
    return db.session.scalar(
        _loaded(
            select(FeedbackRound).where(
                FeedbackRound.enrolment_id == enrolment_id, FeedbackRound.state.in_(rules.UNDER_WAY)
            )
        )
    )


# ---------------------------------------------------------------- raters


def raters(found: FeedbackRound) -> Sequence[FeedbackRater]:
    """Who is asked, by name."""
    return db.session.scalars(
        select(FeedbackRater)
        .join(Person, Person.id == FeedbackRater.person_id)
        .options(joinedload(FeedbackRater.person))
        .where(FeedbackRater.round_id == found.id)
        .order_by(Person.name_latin, Person.name_zh, Person.id)
        .execution_options(populate_existing=True)
    ).all()


def answered_count(found: FeedbackRound) -> int:
    """How many have answered an open round, with or without an account."""
    return sum(
        db.session.scalar(
            select(func.count(table.id)).where(table.round_id == found.id, table.state == rules.ANSWERED)
        )
        or 0
        for table in (FeedbackRater, FeedbackGuest)
    )


def guests(found: FeedbackRound) -> Sequence[FeedbackGuest]:
    """Who is asked without an account, by name."""
    return db.session.scalars(
        select(FeedbackGuest)
        .where(FeedbackGuest.round_id == found.id)
        .order_by(FeedbackGuest.name)
        .execution_options(populate_existing=True)
    ).all()


def linked_round(
    token: str, by: Actor | None, *, for_update: bool = False
) -> tuple[FeedbackRound, FeedbackGuest]:
    """A round for whoever holds a link, with their own row. Raises NotFound for links that are void, and once it has ended.

    ``by``: who is signed in, if anybody; the trainee and who reads the result get nothing by a link.
    """
    mine = db.session.scalar(
        select(FeedbackGuest).where(FeedbackGuest.token_sha256 == sha256_hex(token.encode()))
    )
    if mine is None:
        raise NotFound
    query = _loaded(select(FeedbackRound).where(FeedbackRound.id == mine.round_id))
    if for_update:
        query = query.with_for_update(of=FeedbackRound).execution_options(populate_existing=True)
    found = db.session.scalars(query).one()
    if for_update:
        db.session.refresh(mine)
    scope = scope_of(found)
    if found.state not in rules.UNDER_WAY or (
        by is not None and by.person_id in {scope.trainee_person_id, *scope.mentor_person_ids}
    ):
        raise NotFound
    return found, mine


def box(found: FeedbackRound) -> FeedbackBox | None:
    """The box of an open round (which is held for update)."""
    return db.session.scalar(
        select(FeedbackBox).where(FeedbackBox.round_id == found.id).execution_options(populate_existing=True)
    )


def candidates(
    enrolment: Enrolment,
    *,
    search: str = "",
    everybody: bool,
    without: Collection[int] = (),
    on: date,
) -> tuple[Sequence[Person], int]:
    """Who could be asked about a trainee, by name, and how many there are.

    Colleagues: whoever holds a role in the programme, its cohorts or its house, with an account that is open; with
    ``everybody`` and words to search for, all persons with such an account. Never the trainee, nor who reads the result.
    ``without``: who is on the list already.
    """
    programme = enrolment.cohort.programme
    scopes = (
        f"programme:{programme.id}",
        f"cohort:{enrolment.cohort_id}",
        f"hospital:{programme.sponsor_id}",
    )
    open_account = select(Account.person_id).where(Account.disabled_at.is_(None))
    holds = select(Grant.person_id).where(
        Grant.scope.in_(scopes),
        Grant.from_on <= on,
        or_(Grant.to_on.is_(None), Grant.to_on >= on),
        Grant.ended_at.is_(None),
    )
    readers = (
        select(Pairing.mentor_person_id)
        .join(Placement, Placement.id == Pairing.placement_id)
        .where(Placement.enrolment_id == enrolment.id)
    )
    query = select(Person).where(
        Person.id.in_(open_account),
        Person.id.not_in([enrolment.person_id, *without]),
        Person.id.not_in(readers),
    )
    text = search.strip().lower()
    if not (everybody and len(text) > 1):
        query = query.where(Person.id.in_(holds))
    if text:
        query = query.where(
            or_(
                func.lower(Person.name_zh).contains(text, autoescape=True),
                func.lower(Person.name_latin).contains(text, autoescape=True),
            )
        )
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = db.session.scalars(
        query.order_by(Person.name_latin, Person.name_zh, Person.id).limit(FOUND_MAX)
    ).all()
    return rows, total


def persons(public_ids: Sequence[str]) -> dict[str, Person]:
    """Persons with an open account, by public id."""
    rows = db.session.scalars(
        select(Person).where(
            Person.public_id.in_(list(public_ids)),
            Person.id.in_(select(Account.person_id).where(Account.disabled_at.is_(None))),
        )
    )
    return {one.public_id: one for one in rows}


def to_rate(by: Actor) -> Sequence[FeedbackRound]:
    """Open rounds in which the actor is asked and has not answered, the one that closes first on top."""
    return db.session.scalars(
        select(FeedbackRound)
        .join(FeedbackRater, FeedbackRater.round_id == FeedbackRound.id)
        .options(joinedload(FeedbackRound.trainee))
        .where(
            FeedbackRater.person_id == by.person_id,
            FeedbackRater.state == rules.ASKED,
            FeedbackRound.state == rules.OPEN,
        )
        .order_by(FeedbackRound.closes_on, FeedbackRound.id)
    ).all()


# ---------------------------------------------------------------- what is left


@dataclass(frozen=True)
class Result:
    """A result as its reader sees it."""

    result: FeedbackResult
    own: FeedbackSelf | None
    seen: tuple[rules.Seen, ...]
    before: FeedbackRound | None
    """The round before, where there was one with a result."""

    @property
    def answers(self) -> int:
        """How many answered."""
        return int(self.result.summed["answers"])


def own_view(found: FeedbackRound) -> FeedbackSelf | None:
    """The trainee's own view in a round."""
    return db.session.scalar(select(FeedbackSelf).where(FeedbackSelf.round_id == found.id))


def release_of(found: FeedbackRound) -> FeedbackRelease | None:
    """How the result came to the trainee; None while it has not."""
    return db.session.scalar(
        select(FeedbackRelease)
        .options(joinedload(FeedbackRelease.person))
        .where(FeedbackRelease.round_id == found.id)
    )


def may_read(by: Actor, found: FeedbackRound, *, released: bool) -> bool:
    """Whether the actor may read the result of a closed round."""
    return found.state == rules.CLOSED and policy.allows(
        by, Permission.FEEDBACK_READ, scope_of(found, released=released)
    )


def result_of(found: FeedbackRound) -> Result:
    """The result of a closed round beside the own view and the round before. Ask ``may_read`` first."""
    rows = db.session.execute(
        select(FeedbackRound, FeedbackResult, FeedbackSelf)
        .join(FeedbackResult, FeedbackResult.round_id == FeedbackRound.id)
        .outerjoin(FeedbackSelf, FeedbackSelf.round_id == FeedbackRound.id)
        .where(FeedbackRound.enrolment_id == found.enrolment_id, FeedbackRound.id <= found.id)
        .order_by(FeedbackRound.id.desc())
        .limit(2)
    ).all()
    if not rows or rows[0][0].id != found.id:
        raise NotFound
    _round, result, own = rows[0]
    before: tuple[Any, ...] = tuple(rows[1]) if len(rows) > 1 else (None, None, None)
    return Result(
        result,
        own,
        rules.seen(
            result.summed,
            own.ratings if own else {},
            before=before[1].summed if before[1] else None,
            own_before=before[2].ratings if before[2] else None,
        ),
        before[0],
    )


# ---------------------------------------------------------------- the clock


def _due(*conditions: Any, limit: int) -> Sequence[FeedbackRound]:
    return db.session.scalars(
        _loaded(select(FeedbackRound).where(*conditions))
        .order_by(FeedbackRound.id)
        .limit(limit)
        .with_for_update(of=FeedbackRound, skip_locked=True)
    ).all()


def due_to_end(today: date, *, limit: int) -> Sequence[FeedbackRound]:
    """Open rounds whose last day is over."""
    return _due(FeedbackRound.state == rules.OPEN, FeedbackRound.closes_on < today, limit=limit)


def due_to_remind(today: date, *, limit: int) -> Sequence[FeedbackRound]:
    """Open rounds that close soon and whose raters were not reminded by the clock."""
    return _due(
        FeedbackRound.state == rules.OPEN,
        FeedbackRound.reminded.is_(False),
        FeedbackRound.closes_on <= today + rules.REMINDS_BEFORE,
        FeedbackRound.closes_on >= today,
        limit=limit,
    )


def due_to_release(today: date, *, limit: int) -> Sequence[FeedbackRound]:
    """Closed rounds whose result the mentor has not released in time."""
    return _due(
        FeedbackRound.state == rules.CLOSED,
        FeedbackRound.ended_on <= today - rules.RELEASED_AFTER,
        FeedbackRound.id.not_in(select(FeedbackRelease.round_id)),
        limit=limit,
    )
