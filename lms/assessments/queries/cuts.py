"""Pass marks: what was approved, what is proposed, and what judges said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from lms import policy
from lms.accounts import queries as accounts
from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    AngoffJudge,
    AngoffRating,
    AngoffStudy,
    CutScore,
    ExamForm,
    KeyRevision,
    Mark,
    QuestionVersion,
    Sitting,
    Test,
)
from lms.assessments.queries.catalogue import counting_run
from lms.assessments.rules.cuts import Cut, Spread, angoff, spread
from lms.core import ids
from lms.core.db import db
from lms.core.errors import NotFound
from lms.core.i18n import pick
from lms.policy import Actor, Permission, Role
from lms.programmes import queries as programmes
from lms.programmes.models import Cohort

DECIDERS = (Role.EXAMINER, Role.DIRECTOR, Role.COMMITTEE_CHAIR, Role.ADMINISTRATOR)
LEAST_ANSWERS = 5
"""A facility from fewer answers is not shown."""


def cut_scores(test_id: int) -> Sequence[CutScore]:
    """The pass marks that two people agreed on, the newest first."""
    return db.session.scalars(
        select(CutScore).where(CutScore.test_id == test_id).order_by(CutScore.n.desc())
    ).all()


def is_cut_approved(test: Test) -> bool:
    """Whether the pass mark of a test, as it stands, is the one that two people agreed on last."""
    newest = db.session.scalar(
        select(CutScore.percent).where(CutScore.test_id == test.id).order_by(CutScore.n.desc()).limit(1)
    )
    return newest == test.cut_percent


# ---------------------------------------------------------------- judges


@dataclass(frozen=True)
class Judged:
    """A study as the policy asks about it."""

    cohort_id: int
    programme_id: int
    judge_person_ids: frozenset[int]


def study(public_id: str, by: Actor) -> AngoffStudy:
    """A study for one of its judges; test, cohort, programme and paper loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(AngoffStudy)
            .options(
                joinedload(AngoffStudy.test).joinedload(Test.cohort).joinedload(Cohort.programme),
                joinedload(AngoffStudy.form),
            )
            .where(AngoffStudy.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.CUT_RATE, judged(found))
    return found


def judged(study: AngoffStudy) -> Judged:
    """The study with its judges, for the policy."""
    people = db.session.scalars(select(AngoffJudge.person_id).where(AngoffJudge.study_id == study.id))
    return Judged(study.test.cohort_id, study.test.programme_id, frozenset(people))


def studies(test_id: int) -> Sequence[AngoffStudy]:
    """The studies of a test, the newest first; papers loaded."""
    return db.session.scalars(
        select(AngoffStudy)
        .options(joinedload(AngoffStudy.form))
        .where(AngoffStudy.test_id == test_id)
        .order_by(AngoffStudy.id.desc())
    ).all()


def possible_judges(programme_id: int, *, on: date) -> list[Person]:
    """Educators and mentors of a programme, by name."""
    found = {
        person.id: person
        for person in (
            *accounts.persons_with_role(Role.EDUCATOR, f"programme:{programme_id}", on=on),
            *programmes.colleagues(programme_id),
        )
    }
    return sorted(found.values(), key=lambda person: (person.name_zh or person.name_latin, person.id))


def ratings(study_ids: Iterable[int]) -> dict[tuple[int, int], dict[int, dict[int, int]]]:
    """(Study, round) → judge → slot → per cent, the newest of each."""
    found: dict[tuple[int, int], dict[int, dict[int, int]]] = {}
    rows = db.session.scalars(
        select(AngoffRating).where(AngoffRating.study_id.in_(list(study_ids))).order_by(AngoffRating.id)
    )
    for row in rows:
        judge = found.setdefault((row.study_id, row.round), {}).setdefault(row.person_id, {})
        judge[row.slot] = row.percent
    return found


@dataclass(frozen=True)
class JudgeRow:
    """How far one judge has come."""

    person_id: int
    name: str
    rated: tuple[int, int]
    """Questions in each round."""


@dataclass(frozen=True)
class StudyView:
    """A study as the examiner sees it."""

    study: AngoffStudy
    paper: int
    size: int
    """Questions to rate."""
    judges: Sequence[JudgeRow]
    first: Cut | None
    """After the first round, from who rated all of it."""
    last: Cut | None
    """After the second, from who rated all of both."""

    def is_complete(self, judge: JudgeRow, round_: int) -> bool:
        """Whether a judge rated every question of a round (from 1)."""
        return judge.rated[round_ - 1] == self.size


def study_views(studies: Sequence[AngoffStudy]) -> list[StudyView]:
    """Studies with their judges and what they come to; two queries for any number."""
    numbers = [one.id for one in studies]
    said = ratings(numbers)
    judges: dict[int, list[AngoffJudge]] = {}
    for judge in db.session.scalars(
        select(AngoffJudge)
        .options(joinedload(AngoffJudge.person))
        .where(AngoffJudge.study_id.in_(numbers))
        .order_by(AngoffJudge.invited_at, AngoffJudge.person_id)
    ):
        judges.setdefault(judge.study_id, []).append(judge)
    found = []
    for one in studies:
        marks = marks_of(one.form)
        rounds = [said.get((one.id, n), {}) for n in (1, 2)]
        found.append(
            StudyView(
                one,
                one.form.n,
                len(marks),
                [
                    JudgeRow(
                        judge.person_id,
                        pick(judge.person.name_zh, judge.person.name_latin),
                        (len(rounds[0].get(judge.person_id, {})), len(rounds[1].get(judge.person_id, {}))),
                    )
                    for judge in judges.get(one.id, [])
                ],
                angoff(complete(marks, rounds[0]).values(), marks),
                angoff(_last(marks, rounds).values(), marks),
            )
        )
    return found


def marks_of(form: ExamForm) -> dict[int, Fraction]:
    """Slot → what it is worth, as it counts in the maximum (see rules.weights)."""
    return rules.weights(form.slots)


def complete(
    marks: Mapping[int, Fraction], said: Mapping[int, Mapping[int, int]]
) -> dict[int, Mapping[int, int]]:
    """The judges who rated every question."""
    return {judge: given for judge, given in said.items() if given.keys() == marks.keys()}


def _last(
    marks: Mapping[int, Fraction], rounds: Sequence[Mapping[int, Mapping[int, int]]]
) -> dict[int, Mapping[int, int]]:
    """The second ratings of who rated every question in both rounds."""
    first = complete(marks, rounds[0])
    return {judge: given for judge, given in complete(marks, rounds[1]).items() if judge in first}


@dataclass(frozen=True)
class Seen:
    """What a judge sees of one question beside its words."""

    mine: int | None
    """Their newest rating in this round; in the second, until then, that of the first."""
    before: int | None
    """Their rating of the first round, in the second."""
    spread: Spread | None
    """Of all judges in the first round, in the second."""
    facility: int | None
    """Per cent of marks that candidates earned with it; None: not known well enough."""


def seen_by(study: AngoffStudy, person_id: int) -> dict[int, Seen]:
    """Slot → what the judge sees beside the question. The ratings of others only in the second round, and only as a spread."""
    said = ratings([study.id])
    marks = marks_of(study.form)
    first, second = (said.get((study.id, n), {}) for n in (1, 2))
    own = (first if study.round == 1 else second).get(person_id, {})
    known = facilities(study.form) if study.round == 2 else {}
    group = complete(marks, first)
    found = {}
    for slot in marks:
        before = first.get(person_id, {}).get(slot) if study.round == 2 else None
        found[slot] = Seen(
            own.get(slot, before),
            before,
            spread(given[slot] for given in group.values()) if study.round == 2 else None,
            known.get(slot),
        )
    return found


def facilities(form: ExamForm) -> dict[int, int]:
    """Slot → per cent of its marks that candidates earned so far, over all tests that asked it in this wording."""
    place = {(slot["version"], slot.get("ask")): slot["slot"] for slot in form.slots}
    rows = db.session.execute(
        select(Sitting.form_id, Mark.slot, Mark.score, Mark.maximum, func.count())
        .select_from(Mark)
        .join(KeyRevision, KeyRevision.id == Mark.key_revision_id)
        .join(QuestionVersion, QuestionVersion.id == KeyRevision.question_version_id)
        .join(Sitting, Sitting.id == Mark.sitting_id)
        .where(
            QuestionVersion.id.in_({version for version, _ask in place}),
            Mark.grade_run_id == counting_run(Sitting.id),
        )
        .group_by(Sitting.form_id, Mark.slot, Mark.score, Mark.maximum)
    ).all()
    slots = {
        number: {slot["slot"]: (slot["version"], slot.get("ask")) for slot in asked}
        for number, asked in db.session.execute(
            select(ExamForm.id, ExamForm.slots).where(ExamForm.id.in_({row[0] for row in rows}))
        )
    }
    earned: dict[int, Fraction] = {}
    counts: dict[int, int] = {}
    for form_id, number, score, maximum, count in rows:
        slot = place.get(slots[form_id][number])
        if slot is not None and maximum:
            earned[slot] = earned.get(slot, Fraction(0)) + count * score / maximum
            counts[slot] = counts.get(slot, 0) + count
    return {
        slot: round(100 * earned[slot] / count) for slot, count in counts.items() if count >= LEAST_ANSWERS
    }
