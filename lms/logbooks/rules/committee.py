"""The competence committee: who may do what when, what votes lead to, and which entrustment is in force."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

SCHEDULED, IN_SESSION, RATIFIED, CANCELLED = "scheduled", "in_session", "ratified", "cancelled"
STATES = (SCHEDULED, IN_SESSION, RATIFIED, CANCELLED)

CONVENER, VOTER, CHAIR = "convener", "voter", "chair"


@dataclass(frozen=True)
class Move:
    """One act on a meeting."""

    before: frozenset[str]
    after: str
    hand: str


MOVES: Mapping[str, Move] = {
    "open": Move(frozenset({SCHEDULED}), IN_SESSION, CONVENER),
    "vote": Move(frozenset({IN_SESSION}), IN_SESSION, VOTER),
    "close": Move(frozenset({IN_SESSION}), RATIFIED, CHAIR),
    "cancel": Move(frozenset({SCHEDULED, IN_SESSION}), CANCELLED, CONVENER),
}

QUORUM = 3
"""Votes that an approval needs (clinical.md 2.5)."""
APPEAL_DAYS = 14
"""So long after the decision a trainee may appeal; a choice of the programme."""
CURRENCY_DAYS = 183
"""Critical items: six months, then the refresher (competencies.md 3.2)."""


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken where the act is not legal now."""
    way = MOVES[act]
    if state not in way.before:
        raise RuleBroken(
            "meeting_state", _("The meeting has changed meanwhile. Reload the page to see how it stands.")
        )
    return way.after


@dataclass(frozen=True)
class Ballot:
    """The latest vote of one member."""

    choice: str
    """``approve``, ``defer`` or ``abstain``."""
    level: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What votes lead to."""

    level: int | None
    """None: not approved."""
    cast: int
    quorate: bool


def outcome(ballots: Sequence[Ballot], *, quorum: int) -> Outcome:
    """The highest level that more than half of the votes cast would grant, if there are enough votes.

    A vote for a level is one for every lower level too; who abstains casts none.
    """
    cast = [one for one in ballots if one.choice != "abstain"]
    if len(cast) < quorum:
        return Outcome(None, len(cast), quorate=False)
    for level in (5, 4, 3, 2, 1):
        agree = sum(one.choice == "approve" and (one.level or 0) >= level for one in cast)
        if 2 * agree > len(cast):
            return Outcome(level, len(cast), quorate=True)
    return Outcome(None, len(cast), quorate=True)


def require_members(chair: int, others: Collection[int], *, quorum: int) -> None:
    """A meeting has a chair and enough members to reach the quorum."""
    if len({chair, *others}) < quorum:
        raise RuleBroken(
            "members_few",
            _("A meeting needs at least %(num)s members, the chair counted.", num=quorum),
            field="members",
        )


def require_ballot(choice: str, level: int | None, words: str) -> None:
    """A vote is one of three; an approval names a level, everything else its reason."""
    if choice not in {"approve", "defer", "abstain"}:
        raise RuleBroken("vote", _("Choose how you vote."), field="choice")
    if choice == "approve" and level not in range(1, 6):
        raise RuleBroken("level", _("Choose a level of supervision from 1 to 5."), field="level")
    if choice != "approve" and not words:
        raise RuleBroken("reason_missing", _("Write the reason."), field="words")


def appeal_until(decided_on: date) -> date:
    """The last day on which a trainee may appeal."""
    return decided_on + timedelta(days=APPEAL_DAYS)


def expires_on(from_on: date, *, critical: bool) -> date | None:
    """The first day on which an entrustment is out of date."""
    return from_on + timedelta(days=CURRENCY_DAYS) if critical else None


@dataclass(frozen=True)
class Held:
    """One entrustment of a trainee for one item, as far as its standing asks."""

    number: int
    from_on: date
    expires_on: date | None
    revoked: bool = False


def standing(records: Sequence[Held], number: int, *, today: date) -> str:
    """How one of the records stands: ``superseded``, ``revoked``, ``expired``, ``later`` or ``in_force``.

    Only the latest can be in force: what it superseded never comes back.
    """
    one = next(held for held in records if held.number == number)
    if number != max(held.number for held in records):
        return "superseded"
    if one.revoked:
        return "revoked"
    if one.expires_on is not None and today >= one.expires_on:
        return "expired"
    return "in_force" if one.from_on <= today else "later"


LEVELS: dict[int, str] = {
    1: lazy("May watch only"),
    2: lazy("Under direct supervision, the supervisor in the room"),
    3: lazy("Under indirect supervision, the supervisor quickly at hand"),
    4: lazy("Unsupervised, the supervisor within reach"),
    5: lazy("May supervise others"),
}
"""ten Cate's levels of supervision."""


def require_chair_words(*, approved: bool, achieved: bool, words: str, field: str) -> None:
    """A deferral has a reason, and so has an approval although the numbers are not met."""
    if words:
        return
    if not approved:
        raise RuleBroken("reason_missing", _("Write why this item is deferred."), field=field)
    if not achieved:
        raise RuleBroken(
            "reason_missing",
            _("Write why this item is approved although its numbers are not met."),
            field=field,
        )


def require_in_time(decided_on: date, *, today: date) -> None:
    """An appeal comes within its days."""
    if today > appeal_until(decided_on):
        raise RuleBroken(
            "appeal_late", _("An appeal is possible within %(days)s days of the decision.", days=APPEAL_DAYS)
        )


CHOICES: dict[str, str] = {"approve": lazy("Approve"), "defer": lazy("Defer"), "abstain": lazy("Abstain")}
ANSWERS: dict[str, str] = {
    "upheld": lazy("The decision stands"),
    "remitted": lazy("A meeting decides anew"),
}
STATE_WORDS: dict[str, str] = {
    SCHEDULED: lazy("Planned"),
    IN_SESSION: lazy("In session"),
    RATIFIED: lazy("Closed"),
    CANCELLED: lazy("Cancelled"),
}
STANDINGS: dict[str, str] = {
    "in_force": lazy("in force"),
    "later": lazy("not yet in force"),
    "expired": lazy("out of date"),
    "revoked": lazy("revoked"),
    "superseded": lazy("superseded"),
}
