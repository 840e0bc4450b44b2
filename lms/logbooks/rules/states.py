"""The state machine of an entry, as data: which act leads where, in whose hand."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

DRAFT, SUBMITTED, RETURNED, DECLINED, SIGNED = "draft", "submitted", "returned", "declined", "signed"
COUNTERSIGNED, SUPERSEDED, VOIDED, LAPSED, DISCARDED = (
    "countersigned",
    "superseded",
    "voided",
    "lapsed",
    "discarded",
)

STATES: dict[str, str] = {
    DRAFT: lazy("Draft"),
    SUBMITTED: lazy("Waiting for a signature"),
    RETURNED: lazy("Returned"),
    DECLINED: lazy("Needs another signer"),
    SIGNED: lazy("Signed"),
    COUNTERSIGNED: lazy("Signed by two"),
    SUPERSEDED: lazy("Replaced by a later version"),
    VOIDED: lazy("Void"),
    LAPSED: lazy("Lapsed"),
    DISCARDED: lazy("Discarded"),
}

AUTHOR, SIGNER, SECOND, DIRECTOR, CLOCK = "author", "signer", "second", "director", "clock"
"""Hands. ``second``: another supervisor of that day, or a unit lead."""


@dataclass(frozen=True)
class Move:
    """One act of the state machine."""

    before: frozenset[str]
    after: str
    hands: tuple[str, ...]


MOVES: dict[str, Move] = {
    "submit": Move(frozenset({DRAFT}), SUBMITTED, (AUTHOR,)),
    "resubmit": Move(frozenset({RETURNED, DECLINED}), SUBMITTED, (AUTHOR,)),
    "recall": Move(frozenset({SUBMITTED}), DRAFT, (AUTHOR,)),
    "discard": Move(frozenset({DRAFT}), DISCARDED, (AUTHOR,)),
    "sign": Move(frozenset({SUBMITTED}), SIGNED, (SIGNER,)),
    "return": Move(frozenset({SUBMITTED}), RETURNED, (SIGNER,)),
    "decline": Move(frozenset({SUBMITTED}), DECLINED, (SIGNER,)),
    "withdraw": Move(frozenset({SIGNED}), SUBMITTED, (SIGNER,)),
    "countersign": Move(frozenset({SIGNED}), COUNTERSIGNED, (SECOND,)),
    "amend": Move(frozenset({SIGNED, COUNTERSIGNED}), SUPERSEDED, (AUTHOR, SIGNER)),
    "void": Move(frozenset({SIGNED, COUNTERSIGNED}), VOIDED, (DIRECTOR,)),
    "escalate": Move(frozenset({SUBMITTED}), SUBMITTED, (CLOCK,)),
    "lapse": Move(frozenset({DRAFT, SUBMITTED, RETURNED, DECLINED}), LAPSED, (CLOCK,)),
    "revive": Move(frozenset({LAPSED}), DRAFT, (DIRECTOR,)),
}

IN_HAND = frozenset({DRAFT, RETURNED, DECLINED})
"""The author may write in it."""

OPEN = IN_HAND | {SUBMITTED}
"""Not decided yet: lapses thirty days after the placement."""

COUNTED = frozenset({SIGNED, COUNTERSIGNED})
"""L4: only these count towards anything."""

SHOWN = (RETURNED, DECLINED, DRAFT, SUBMITTED, SIGNED, COUNTERSIGNED, LAPSED, VOIDED, SUPERSEDED)
"""States in the author's list, in the order in which they ask for attention."""

LAPSES_AFTER = timedelta(days=30)
"""After the last day of the placement."""


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken ``entry_state`` where the machine has no such way."""
    way = MOVES[act]
    if state not in way.before:
        raise RuleBroken(
            "entry_state",
            _("This entry is in another state now: %(state)s. Reload the page.", state=str(STATES[state])),
        )
    return way.after


def acts(
    state: str,
    *,
    hands: Collection[str],
    opened: bool = False,
    waited_long: bool = False,
    submitted_before: bool = True,
    seen: bool = False,
    needs_second: bool = False,
) -> list[str]:
    """What may be done with an entry now by whoever holds these hands; buttons are drawn from this."""
    closed = {
        "recall": opened and not waited_long,
        "discard": submitted_before,
        "withdraw": seen,
        "countersign": not needs_second,
    }
    return [
        act
        for act, way in MOVES.items()
        if state in way.before and set(way.hands) & set(hands) and not closed.get(act, False)
    ]


def require_unopened(*, opened: bool, waited_long: bool) -> None:
    """A submitted entry can be taken back while its signer has not seen it, or has let it wait for a week."""
    if opened and not waited_long:
        raise RuleBroken(
            "entry_opened", _("Your mentor has already opened this entry. Ask for it to be returned.")
        )


def require_never_submitted(*, revision_no: int) -> None:
    """What a signer may have seen is kept; only a draft that never left can be thrown away."""
    if revision_no:
        raise RuleBroken("entry_kept", _("This entry was sent before and is kept."))


def require_unseen(*, seen: bool) -> None:
    """A signature can be taken back only while nobody has read it and nothing has counted it."""
    if seen:
        raise RuleBroken(
            "signature_seen",
            _(
                "Somebody has already seen this signature. Correct the entry instead: the old version is kept."
            ),
        )


def needs_second(*, critical: bool, complication: str) -> bool:
    """Whether two must sign: a critical item, or a major complication."""
    return critical or complication == "major"


def require_second_needed(*, critical: bool, complication: str) -> None:
    """A second signature says something only where the reference asks for it."""
    if not needs_second(critical=critical, complication=complication):
        raise RuleBroken("second_not_needed", _("This entry needs no second signature."))


VOID_REASONS: dict[str, str] = {
    "duplicate": lazy("Entered twice"),
    "identifying": lazy("It could identify a patient"),
    "misconduct": lazy("It did not happen as written"),
}


def require_void_reason(reason: str) -> None:
    """A signed entry becomes void for one of three reasons."""
    if reason not in VOID_REASONS:
        raise RuleBroken("reason_missing", _("Choose a reason."), field="reason")
