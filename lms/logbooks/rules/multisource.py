"""Multisource feedback: who may be asked, when a round closes, and how small groups vanish.

Nothing here can say who answered what: answers come in without a name, and what leaves is, question by question, how
often each step was chosen by sets of at least five people, with comments that belong to no answer.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy
from lms.logbooks.rules.states import Move

RATERS_MIN = 8
"""So many are asked, and so many answer, before there is a result (RCPCH; see docs/feedback.md)."""
SHOWN_FROM = 5
"""Answers from which anything is shown by itself."""
RATERS_MAX = 40
TEXT_MAX = 400
GUEST_NAME_MAX = 80
ANSWER_BYTES = 4096
"""Room for one answer in the box: two comments of 400 characters of four bytes each, and the ratings."""

GROUPS: dict[str, str] = {
    "doctor": lazy("Doctors"),
    "nurse": lazy("Nurses"),
    "other": lazy("Others of the team"),
}
"""Colleagues only; families are asked by other means."""

QUESTIONS: dict[str, str] = {
    "care": lazy("Looks after children safely and with care"),
    "families": lazy("Speaks with families clearly and kindly"),
    "team": lazy("Works well with everybody in the team"),
    "reliable": lazy("Can be relied on: on time, finishes what was begun"),
    "respect": lazy("Treats others with respect, also under pressure"),
    "limits": lazy("Knows own limits and asks for help in time"),
    "learning": lazy("Accepts feedback and learns from it"),
}

SCALE: dict[int, str] = {
    1: lazy("Worries me"),
    2: lazy("Could be better"),
    3: lazy("Good"),
    4: lazy("Outstanding"),
}
"""A scale of its own family (how colleagues see it); a question may be left out: “I cannot say”."""

PROPOSED, OPEN, CLOSED, LAPSED, CANCELLED = "proposed", "open", "closed", "lapsed", "cancelled"
STATES: dict[str, str] = {
    PROPOSED: lazy("Raters are being chosen"),
    OPEN: lazy("Open"),
    CLOSED: lazy("Closed"),
    LAPSED: lazy("Ended without enough answers"),
    CANCELLED: lazy("Taken back"),
}
UNDER_WAY = frozenset({PROPOSED, OPEN})
"""One such round of a trainee at a time."""

ASKED, ANSWERED, DECLINED = "asked", "answered", "declined"
RATER_STATES: dict[str, str] = {
    ASKED: lazy("Asked"),
    ANSWERED: lazy("Has answered"),
    DECLINED: lazy("Cannot say"),
}

TRAINEE, RUNNER, CLOCK = "trainee", "runner", "clock"
"""Hands. ``runner``: a mentor of the trainee, or who runs the programme."""

MOVES: dict[str, Move] = {
    "choose": Move(frozenset({PROPOSED}), PROPOSED, (TRAINEE, RUNNER)),
    "open": Move(frozenset({PROPOSED}), OPEN, (RUNNER,)),
    "add": Move(frozenset({OPEN}), OPEN, (RUNNER,)),
    "extend": Move(frozenset({OPEN}), OPEN, (RUNNER,)),
    "remind": Move(frozenset({OPEN}), OPEN, (RUNNER, CLOCK)),
    "close": Move(frozenset({OPEN}), CLOSED, (RUNNER, CLOCK)),
    "cancel": Move(frozenset({PROPOSED, OPEN}), CANCELLED, (RUNNER,)),
    "drop": Move(frozenset({PROPOSED}), CANCELLED, (TRAINEE, RUNNER)),
    "lapse": Move(frozenset({OPEN}), LAPSED, (CLOCK,)),
}

LASTS = timedelta(days=21)
EXTENDS = timedelta(days=14)
REMINDS_BEFORE = timedelta(days=5)
RELEASED_AFTER = timedelta(days=14)
"""After the close the mentor has so long to talk the result over; then the trainee reads it all the same."""


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken ``round_state`` where the machine has no such way."""
    way = MOVES[act]
    if state not in way.before:
        raise RuleBroken(
            "round_state", _("This round is in another state now: %(state)s.", state=str(STATES[state]))
        )
    return way.after


def acts(state: str, *, hands: Collection[str]) -> frozenset[str]:
    """What somebody with these hands may do with a round in a state; its buttons are drawn from it."""
    return frozenset(act for act, way in MOVES.items() if state in way.before and set(hands) & set(way.hands))


def require_raters(
    chosen: Mapping[int, str],
    *,
    trainee_person_id: int,
    readers: Collection[int],
    known: Collection[int],
    before: int = 0,
) -> None:
    """Colleagues, each in a group; not the trainee, and nobody who will read the result. ``before``: chosen earlier."""
    if trainee_person_id in chosen:
        raise RuleBroken(
            "own_feedback", _("The trainee is no rater of their own; their own view is asked beside it.")
        )
    if set(chosen) & set(readers):
        raise RuleBroken("reader_rates", _("Whoever reads the result is no rater."))
    if set(chosen) - set(known) or any(group not in GROUPS for group in chosen.values()):
        raise RuleBroken("unknown_value", _("Choose one of the answers given."))
    if not chosen:
        raise RuleBroken("nobody_chosen", _("Choose a group for at least one person."))
    if before + len(chosen) > RATERS_MAX:
        raise RuleBroken("raters_many", _("Choose at most %(max)s raters.", max=RATERS_MAX))


def require_guest(name: str, group: str, *, others: int) -> None:
    """Somebody without an account has a name and a group. ``others``: raters besides them."""
    if not name:
        raise RuleBroken("name_missing", _("Write the name of the colleague."), field="name")
    if len(name) > GUEST_NAME_MAX:
        raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=GUEST_NAME_MAX), field="name")
    if group not in GROUPS:
        raise RuleBroken("unknown_value", _("Choose one of the answers given."), field="group")
    if others >= RATERS_MAX:
        raise RuleBroken("raters_many", _("Choose at most %(max)s raters.", max=RATERS_MAX))


def require_opening(raters: int) -> None:
    """A round opens only with raters enough."""
    if raters < RATERS_MIN:
        raise RuleBroken(
            "raters_few",
            _("Choose at least %(min)s raters; %(num)s are chosen.", min=RATERS_MIN, num=raters),
        )


def require_extension(*, extended: bool) -> None:
    """A round is extended once."""
    if extended:
        raise RuleBroken("extended_already", _("This round was extended already."))


def require_answer(ratings: Mapping[str, int], well: str, better: str) -> None:
    """Known questions and steps, at least one; comments short."""
    if set(ratings) - set(QUESTIONS) or any(step not in SCALE for step in ratings.values()):
        raise RuleBroken("unknown_value", _("Choose one of the answers given."))
    if not ratings:
        raise RuleBroken("nothing_rated", _("Answer at least one of the questions."))
    for field, text in (("well", well), ("better", better)):
        if len(text) > TEXT_MAX:
            raise RuleBroken("words_long", _("Use at most %(max)s characters.", max=TEXT_MAX), field=field)


def is_enough(answers: int) -> bool:
    """Whether a round may close with a result."""
    return answers >= RATERS_MIN


def require_enough(answers: int) -> None:
    """A round closes early only when the minimum is reached."""
    if not is_enough(answers):
        raise RuleBroken(
            "answers_few",
            _(
                "%(num)s have answered; the round can close from %(min)s answers on.",
                num=answers,
                min=RATERS_MIN,
            ),
        )


# ---------------------------------------------------------------- what may be shown


def merged(sizes: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Which groups are shown together, so that each set has at least five answers and none can be reckoned from the others.

    Groups below five go together; where they are still too few they join the smallest of the larger ones. Nothing is
    hidden beside a total, since what is hidden could be subtracted. Fewer than five in all: nothing.

    >>> merged({"doctor": 6, "nurse": 2, "other": 1})
    (('doctor', 'nurse', 'other'),)
    """
    if sum(sizes.values()) < SHOWN_FROM:
        return ()
    large = sorted(
        (name for name in sizes if sizes[name] >= SHOWN_FROM), key=lambda name: (sizes[name], name)
    )
    small = [name for name in sizes if 0 < sizes[name] < SHOWN_FROM]
    shown: list[tuple[str, ...]] = [(name,) for name in large]
    together = sum(sizes[name] for name in small)
    if small and together >= SHOWN_FROM:
        shown.append(tuple(small))
    elif small:
        shown[0] = (*shown[0], *small)
    order = list(GROUPS)
    return tuple(
        sorted(
            (tuple(sorted(names, key=order.index)) for names in shown),
            key=lambda names: order.index(names[0]),
        )
    )


def summed(answers: Iterable[tuple[str, Mapping[str, int]]]) -> dict[str, Any]:
    """What is kept of the answers (group, ratings): for each question by itself, sets of at least five who rated it.

    Questions are grouped one by one, since whoever left one out makes its groups smaller. What one rater said to two
    questions cannot be put together again.
    """
    rows = list(answers)
    questions = {}
    for question in QUESTIONS:
        rated = [(group, ratings[question]) for group, ratings in rows if question in ratings]
        sizes = Counter(group for group, _step in rated)
        questions[question] = [
            {
                "groups": list(names),
                "counts": [sum(group in names and one == step for group, one in rated) for step in SCALE],
            }
            for names in merged(sizes)
        ]
    return {"answers": len(rows), "questions": questions}


@dataclass(frozen=True)
class Line:
    """How one set of people rated one question."""

    groups: tuple[str, ...]
    counts: tuple[int, ...]
    """How often each step of the scale was chosen."""

    @property
    def count(self) -> int:
        """Who rated it."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Their mean on the scale."""
        return sum(step * number for step, number in zip(SCALE, self.counts, strict=True)) / self.count


@dataclass(frozen=True)
class Seen:
    """One question as its reader sees it."""

    code: str
    title: str
    lines: tuple[Line, ...]
    own: int | None
    """The trainee's own step."""
    before: float | None
    """The mean of the round before."""
    own_before: int | None

    @property
    def mean(self) -> float | None:
        """Of all that is shown (so that it adds nothing to what is shown); None where nothing is."""
        return mean_of(self.lines)

    @property
    def gap(self) -> float | None:
        """How far the own view lies above (+) or below (−) the others'."""
        return None if self.mean is None or self.own is None else self.own - self.mean


def mean_of(lines: Sequence[Line]) -> float | None:
    """The mean over lines of one question; None where there is none."""
    total = sum(line.count for line in lines)
    return sum(line.mean * line.count for line in lines) / total if total else None


def lines_of(kept: Mapping[str, Any], question: str) -> tuple[Line, ...]:
    """The lines of a question in what ``summed`` kept."""
    return tuple(
        Line(tuple(one["groups"]), tuple(one["counts"])) for one in kept["questions"].get(question, ())
    )


def seen(
    kept: Mapping[str, Any],
    own: Mapping[str, int],
    *,
    before: Mapping[str, Any] | None = None,
    own_before: Mapping[str, int] | None = None,
) -> tuple[Seen, ...]:
    """A result question by question, beside the own view and the round before."""
    return tuple(
        Seen(
            code,
            title,
            lines_of(kept, code),
            own.get(code),
            mean_of(lines_of(before, code)) if before else None,
            (own_before or {}).get(code),
        )
        for code, title in QUESTIONS.items()
    )


def closes_on(opened_on: date) -> date:
    """The last day of a round, unless it is extended."""
    return opened_on + LASTS
