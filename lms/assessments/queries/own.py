"""A trainee and their tests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import and_, select

from lms.assessments import rules
from lms.assessments.models import ExamForm, Grade, Sitting, Test
from lms.assessments.queries.catalogue import counting_run, loaded_tests
from lms.assessments.queries.papers import clock_events
from lms.core.db import db
from lms.core.i18n import _, _n, pick
from lms.core.ports import Task
from lms.policy import Actor, Role
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class Attempt:
    """One sitting of a trainee as the list shows it."""

    sitting_id: int
    public_id: str
    attempt: int
    state: rules.SittingState
    ends_at: datetime
    submitted_at: datetime | None
    score: Fraction | None
    """None until marked and released."""
    maximum: Fraction | None
    decision: str | None
    is_being_marked: bool = False
    """Whether it waits for people who mark it."""

    @property
    def percent(self) -> str:
        """As shown."""
        return (
            rules.shown(rules.percent(self.score, self.maximum))
            if self.score is not None and self.maximum is not None
            else ""
        )


@dataclass(frozen=True)
class Extent:
    """How large a paper is, as its candidates are told beforehand."""

    asks: tuple[int, int] = (0, 0)
    """The fewest and the most; they differ where cases to choose from ask differently much."""
    choices: Sequence[tuple[int, int]] = ()
    """So many of so many questions are chosen."""
    parts: int = 0
    """0: one whole."""

    @property
    def asks_shown(self) -> str:
        """As shown."""
        fewest, most = self.asks
        return str(most) if fewest == most else f"{fewest}–{most}"


@dataclass(frozen=True)
class OwnTest:
    """A test as its candidate sees it."""

    test: Test
    paper: "Extent"
    attempts: Sequence[Attempt]
    """In order of time."""
    window: str
    """``before``, ``open`` or ``after``."""
    at: datetime
    """The moment of looking."""

    @property
    def passed(self) -> Attempt | None:
        """The attempt that passed, where results are released."""
        return next((attempt for attempt in self.attempts if attempt.decision == "pass"), None)

    @property
    def running(self) -> Attempt | None:
        """The attempt that is under way."""
        return next(
            (attempt for attempt in self.attempts if attempt.state == rules.SittingState.IN_PROGRESS), None
        )

    @property
    def attempts_left(self) -> int:
        """How many attempts may still begin."""
        return max(0, self.test.attempts_allowed - len(self.attempts))

    @property
    def free_from(self) -> datetime | None:
        """From when the next attempt may begin by the days between attempts; None: those ask for nothing (any more)."""
        if not (self.attempts and self.attempts_left):
            return None
        last = self.attempts[-1]
        free = rules.free_from(last.submitted_at or last.ends_at, self.test.cooldown_days)
        return free if free is not None and self.at < free else None

    @property
    def is_free_in_time(self) -> bool:
        """Whether the days between attempts are over before nobody begins any more."""
        return self.free_from is None or self.free_from < self.test.last_start_at

    @property
    def state(self) -> str:
        """How the candidate stands.

        ``running``, ``passed``, ``waiting`` (for release), ``marked`` (people mark it now), ``before``, ``open``, ``cooling`` (days between attempts),
        ``used_up`` or ``closed``.
        """
        if self.running:
            return "running"
        if self.passed:
            return "passed"
        if any(attempt.is_being_marked for attempt in self.attempts):
            return "marked"
        if self.window == "before":
            return "before"
        if self.window == "open" and self.attempts_left:
            return "cooling" if self.free_from else "open"
        if self.attempts and self.attempts[-1].decision is None:
            return "waiting"
        return "used_up" if self.attempts and not self.attempts_left else "closed"


def own_tests(tests: Sequence[Test], by: Actor, at: datetime) -> list[OwnTest]:
    """Each of the tests as the actor, its candidate, stands to it; three queries for all of them."""
    if not tests:
        return []
    numbers = [test.id for test in tests]
    papers = _extents(numbers)
    attempts = _attempts(tests, by.person_id, at)
    return [
        OwnTest(
            test,
            papers.get(test.id, Extent()),
            attempts.get(test.id, []),
            rules.window(test.opens_at, test.last_start_at, at),
            at,
        )
        for test in tests
    ]


def _extents(test_ids: Iterable[int]) -> dict[int, Extent]:
    rows = db.session.execute(
        select(ExamForm.test_id, ExamForm.slots)
        .where(ExamForm.test_id.in_(list(test_ids)))
        .order_by(ExamForm.n)
    )
    return {
        test_id: Extent(
            rules.ask_counts(slots),
            [(take, len(firsts)) for take, firsts in rules.choices_of(slots).values()],
            len(rules.parts_of(slots)),
        )
        for test_id, slots in rows
    }


def _attempts(tests: Sequence[Test], person_id: int, at: datetime) -> dict[int, list[Attempt]]:
    by_id = {test.id: test for test in tests}
    sittings = db.session.execute(
        select(Sitting, Grade)
        .select_from(Sitting)
        .outerjoin(
            Grade, and_(Grade.sitting_id == Sitting.id, Grade.grade_run_id == counting_run(Sitting.id))
        )
        .where(Sitting.test_id.in_(list(by_id)), Sitting.trainee_person_id == person_id)
        .order_by(Sitting.test_id, Sitting.attempt)
    ).all()
    clock = clock_events([sitting.id for sitting, _grade in sittings])
    found: dict[int, list[Attempt]] = {}
    for sitting, grade in sittings:
        test = by_id[sitting.test_id]
        shown = grade if test.is_released else None
        ends_at = rules.deadline(
            clock[sitting.id], duration_s=test.duration_s, closes_at=test.closes_at, at=at
        )
        found.setdefault(test.id, []).append(
            Attempt(
                sitting_id=sitting.id,
                public_id=sitting.public_id,
                attempt=sitting.attempt,
                state=rules.state_at(sitting.state, ends_at, at),
                ends_at=ends_at,
                submitted_at=sitting.submitted_at,
                score=shown.score if shown else None,
                maximum=shown.maximum if shown else None,
                decision=shown.decision if shown else None,
                is_being_marked=sitting.marking_since is not None and sitting.marked_at is None,
            )
        )
    return found


def tasks(by: Actor, at: datetime) -> Sequence[Task]:
    """The tests a trainee should take or finish now, for the home page."""
    if not by.is_any(Role.TRAINEE):
        return []
    open_tests = db.session.scalars(
        loaded_tests()
        .join(
            Enrolment,
            and_(
                Enrolment.cohort_id == Test.cohort_id,
                Enrolment.person_id == by.person_id,
                Enrolment.state == "active",
            ),
        )
        .where(
            Test.state == rules.TestState.PUBLISHED,
            Test.opens_at <= at,
            Test.closes_at > at - rules.MAX_EXTENSION,
        )
        .order_by(Test.closes_at, Test.id)
    ).all()
    found = []
    for own in own_tests(open_tests, by, at):
        title = pick(own.test.title_zh, own.test.title_en)
        facts = (
            _n("%(num)s question", "%(num)s questions", own.paper.asks[1]),
            _n("%(num)s minute", "%(num)s minutes", own.test.duration_s // 60),
        )
        if own.running:
            found.append(
                Task(
                    "test",
                    title,
                    f"/sittings/{own.running.public_id}",
                    0,
                    _("Continue the test"),
                    due_at=own.running.ends_at,
                )
            )
        elif own.state == "open":
            soon = own.test.closes_at - at <= timedelta(hours=48)
            found.append(
                Task(
                    "test",
                    title,
                    f"/tests/{own.test.public_id}",
                    1 if soon else 3,
                    _("To the test"),
                    facts,
                    due_at=own.test.closes_at,
                )
            )
    return found
