"""Ports: the two ways a lower feature reaches a higher one without importing it.

*Ask*: the lower feature asks a question that a higher one answers (``facts_for``).
*Fact changed*: the lower feature says that something others build on has changed; subscribers run inside the same
transaction, before its commit. ``app.py`` joins providers to ports on one page; nothing else does.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class FactChanged:
    """Something that a certificate rule may count has changed for one enrolment."""

    fact: str
    """Name of the fact as certificate rules write it: ``lectures``, ``tests``, ``entries_signed`` or ``items_approved``; also
    ``attendance`` and ``sessions``, which credits are counted from."""
    enrolment_id: int | None
    """None: it changed for everybody in the cohort (a lecture was published)."""
    at: datetime
    cohort_id: int | None = None
    """Needed where ``enrolment_id`` is None."""


@dataclass
class FactPort:
    """Subscribers to changed facts."""

    subscribers: list[Callable[[FactChanged], None]] = field(default_factory=list)

    def subscribe(self, subscriber: Callable[[FactChanged], None]) -> None:
        """Join a subscriber once; called from ``app.py`` only."""
        if subscriber not in self.subscribers:
            self.subscribers.append(subscriber)

    def tell(self, change: FactChanged) -> None:
        """Run every subscriber inside the current transaction."""
        for subscriber in self.subscribers:
            subscriber(change)


fact_changed = FactPort()

certificate_holders: list[Callable[[Collection[int]], frozenset[int]]] = []
"""Which of some enrolments hold a certificate; at most one provider: certificates."""


@dataclass(frozen=True)
class Attended:
    """A session (a conference, a round, a workshop) at which somebody was, for credits and hours."""

    key: str
    """The same for the same session, for ever; at most 60 characters."""
    title_zh: str
    title_en: str
    day: date
    seconds: int
    """How long the person was there, not how long it was planned."""
    role: str = "learner"
    """``learner`` or ``speaker``."""


attended: list[Callable[[int], Sequence[Attended]]] = []
"""What each feature knows of the sessions that an enrolment (its id) attended or gave; ``fact_changed`` says ``sessions``."""


@dataclass(frozen=True)
class Task:
    """One thing a person should do next, offered by a feature for the home page."""

    kind: str
    """``entry_returned``, ``test``, ``lecture``, ``entries_to_sign``, ``certificate``, ``cards``, ``decision`` (a proposal of somebody
    else waits for the actor), ``trouble`` (something stopped that the actor can set going again) … also picks the icon."""
    title: str
    url: str
    urgency: int
    """Order on the page: 0 returned work, 1 test due, 2 lecture under way, 3 next unmet requirement, 4 later."""
    action: str
    """The words on the button."""
    meta: tuple[str, ...] = ()
    """Short facts shown beside the title (minutes, MB, due time)."""
    progress: int | None = None
    """Percent done, where the task has one."""
    due_at: datetime | None = None


class Asker(Protocol):
    """Who asks, as far as ports need to know (the policy's actor fits)."""

    @property
    def account_id(self) -> int:
        """The account."""

    @property
    def person_id(self) -> int:
        """The person behind it."""


@dataclass(frozen=True)
class Requirement:
    """One clause of a certificate rule for one trainee: the same words for trainee, mentor and administrator."""

    fact: str
    title: str
    have: int
    need: int
    unit: str
    """Empty or ``%``."""
    met: bool
    missing: str
    """What is still missing, in one sentence; empty when met."""


@dataclass(frozen=True)
class Progress:
    """A trainee's way to the certificate."""

    requirements: tuple[Requirement, ...]
    url: str
    certificate_url: str | None = None
    """Set once a certificate has been issued."""

    @property
    def is_complete(self) -> bool:
        """Whether every requirement is met."""
        return all(requirement.met for requirement in self.requirements)


TasksOf = Callable[[Any, datetime], Sequence[Task]]
ProgressOf = Callable[[Any, datetime], Progress | None]
CountOf = Callable[[Any], int]

home_tasks: list[TasksOf] = []
"""Each feature's next tasks for the actor (first argument) at an instant; shown on the home page."""

home_progress: list[ProgressOf] = []
"""The certificates' answer to "how far am I?"; at most one provider."""

tab_counts: dict[str, CountOf] = {}
"""Number beside a tab (key of the tab → waiting things for the actor)."""


@dataclass(frozen=True)
class ConfirmationState:
    """Whether a person has lately proved that they themselves are at the device, and what they could prove it with."""

    until: datetime | None = None
    """End of the fresh confirmation; None while there is none."""
    has_pin: bool = False
    passkeys: int = 0

    @property
    def fresh(self) -> bool:
        """Whether nothing more is asked."""
        return self.until is not None


@dataclass(frozen=True)
class Presence:
    """Fresh confirmation, for forms of features that may not enter the services of accounts."""

    state: Callable[[Any, datetime], ConfirmationState]
    """Of the actor (first argument) at an instant."""
    check_pin: Callable[[Any, str, datetime], None]
    """Refuse a wrong PIN (RuleBroken at ``pin``, TooManyTries). Slow on purpose: outside a writing transaction."""
    note_pin: Callable[[Any, datetime], None]
    """Inside a transaction: the PIN was right, the confirmation is fresh for five minutes."""


presence: list[Presence] = []
"""At most one provider: accounts."""


@dataclass(frozen=True)
class Checkpoint:
    """A question in a lecture, as its page shows it to one person."""

    url: str
    at_s: int | None
    """Second of the film; None: after it."""
    is_required: bool
    is_answered: bool


@dataclass(frozen=True)
class Checkpoints:
    """What a lecture asks about the questions in it."""

    of: Callable[[int, int], Sequence[Checkpoint]]
    """Of a lecture (its id) for a person (their id), in their order."""
    wait: Callable[[int, int], bool]
    """Whether the person has not answered one that is required."""


checkpoints: list[Checkpoints] = []
"""At most one provider: assessments."""

checkpoint_answered: list[Callable[[int, int, datetime], None]] = []
"""Told inside the transaction: an enrolment answered a checkpoint of a lecture, at an instant; at most one listener: courses."""


@dataclass(frozen=True)
class LinkedTest:
    """A test that a course leads to, with what one person has reached in it as far as they may see it."""

    ref: str
    """Its public id."""
    title_zh: str
    title_en: str
    purpose: str
    """``exam`` or ``practice``."""
    url: str
    opens_at: datetime
    closes_at: datetime
    percent: int | None = None
    """The best released result, rounded down."""
    is_passed: bool = False
    is_handed_in: bool = False


@dataclass(frozen=True)
class LinkedTests:
    """What a course asks about tests."""

    of: Callable[[int], Sequence[LinkedTest]]
    """Those of a cohort (its id), drafts too: for its teachers."""
    results: Callable[[Collection[str], int], Sequence[LinkedTest]]
    """Published ones by their public ids, for a person (their id)."""


linked_tests: list[LinkedTests] = []
"""At most one provider: assessments."""


@dataclass(frozen=True)
class Dated:
    """A date of one person, for their calendar."""

    key: str
    """The same for the same date, for ever."""
    title_zh: str
    title_en: str
    begins: date
    """A day, or a moment of one."""
    ends: date
    url: str


dates: list[Callable[[int], Sequence[Dated]]] = []
"""What each feature knows of a person's (their id) dates: tests, timetables."""


@dataclass(frozen=True)
class Scope:
    """A place in which a role can be held."""

    code: str
    """``cohort:<id>``, ``programme:<id>`` or ``hospital:<id>``, as grants keep it."""
    kind: str
    name_zh: str
    name_en: str
    short: str
    """Code that people write in lists (2026A, FFLY, BASE)."""
    inside: str = ""
    """Code of the programme in which a cohort lies; empty for all else."""


@dataclass(frozen=True)
class Places:
    """Where roles can be held, and the one role that begins with an act of another feature: a trainee is enrolled."""

    scopes: Callable[[], Sequence[Scope]]
    """All places of the site, in the order of a picker."""
    tracks: Callable[[], Sequence[tuple[str, str]]]
    """Code and name of each track that a trainee can follow."""
    enrol: Callable[[Any, str, str, Any, datetime], object]
    """Enrol a person in a cohort (its scope code) on a track, by an actor, at an instant; twice is once."""


places: list[Places] = []
"""At most one provider: programmes."""
