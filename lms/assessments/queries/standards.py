"""Pass marks by Ebel, Hofstee and borderline regression: what judges said, what results show, and what both come to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from statistics import stdev
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, func, select, type_coerce
from sqlalchemy.orm import joinedload

from lms import policy
from lms.assessments import rules
from lms.assessments.models import (
    CutScore,
    Grade,
    MarkedResponse,
    MarkerSeat,
    Marking,
    Question,
    QuestionVersion,
    SettledMark,
    Sitting,
    StandardJudge,
    StandardJudgement,
    StandardStudy,
    Test,
)
from lms.assessments.queries.catalogue import counting_run, form_of
from lms.assessments.queries.cuts import Judged, marks_of
from lms.assessments.rules import markers as rule
from lms.assessments.rules import standards
from lms.assessments.rules.cuts import LEAST_JUDGES, Cut, angoff
from lms.assessments.rules.standards import BORDERLINE, CELLS, LEAST_RESULTS, LIMITS, Sorted
from lms.core import approvals, ids
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound
from lms.core.i18n import pick
from lms.policy import Actor, Permission
from lms.programmes.models import Cohort

if TYPE_CHECKING:
    from lms.assessments.psychometrics.standards import BorderlineRegression

# ---------------------------------------------------------------- studies


def standard_study(public_id: str, by: Actor) -> StandardStudy:
    """A study for one of its judges; test, cohort, programme and paper loaded. Raises NotFound."""
    found = (
        db.session.scalar(
            select(StandardStudy)
            .options(
                joinedload(StandardStudy.test).joinedload(Test.cohort).joinedload(Cohort.programme),
                joinedload(StandardStudy.form),
            )
            .where(StandardStudy.public_id == public_id)
        )
        if ids.is_public_id(public_id)
        else None
    )
    if found is None:
        raise NotFound
    policy.require(by, Permission.CUT_RATE, standard_judged(found))
    return found


def standard_judged(study: StandardStudy) -> Judged:
    """The study with its judges, for the policy."""
    people = db.session.scalars(select(StandardJudge.person_id).where(StandardJudge.study_id == study.id))
    return Judged(study.test.cohort_id, study.test.programme_id, frozenset(people))


def standard_studies(test_id: int, method: str) -> Sequence[StandardStudy]:
    """The studies of a test by one method, the newest first; papers loaded."""
    return db.session.scalars(
        select(StandardStudy)
        .options(joinedload(StandardStudy.form))
        .where(StandardStudy.test_id == test_id, StandardStudy.method == method)
        .order_by(StandardStudy.id.desc())
    ).all()


def judgements(study_ids: Iterable[int]) -> dict[tuple[int, int], dict[int, Mapping[str, Any]]]:
    """(Study, round) → judge → what they said, the newest of each."""
    found: dict[tuple[int, int], dict[int, Mapping[str, Any]]] = {}
    for row in db.session.scalars(
        select(StandardJudgement)
        .where(StandardJudgement.study_id.in_(list(study_ids)))
        .order_by(StandardJudgement.id)
    ):
        found.setdefault((row.study_id, row.round), {})[row.person_id] = row.given
    return found


@dataclass(frozen=True)
class PanelRow:
    """How far one judge has come."""

    name: str
    is_done: tuple[bool, bool]
    """In each round."""
    cut: Fraction | None
    """Their own pass mark in the last round, in per cent; Ebel only."""
    limits: Mapping[str, int] | None
    """What they accept; Hofstee only."""


@dataclass(frozen=True)
class CellMean:
    """What the panel said of one cell."""

    cell: str
    marks: float
    """That the judges put into it, on average."""
    expected: float | None
    """Mean of the judges, in per cent; None: nobody said."""

    @property
    def words(self) -> str:
        """The cell in words."""
        return standards.cell_words(self.cell)


@dataclass(frozen=True)
class PanelView:
    """A study as the examiner sees it."""

    study: StandardStudy
    rows: Sequence[PanelRow]
    first: Cut | None
    """Ebel: after the first round."""
    last: Cut | None
    """Ebel: after the second, from who judged everything in both."""
    grid: Sequence[CellMean]
    limits: Mapping[str, float] | None
    """Hofstee: the panel's means; None of fewer than two judges."""
    each: Sequence[Mapping[str, int]]
    """Hofstee: what each judge accepts."""

    @property
    def has_enough(self) -> bool:
        """Whether so many judges are done that the study can go on."""
        if self.study.method == "hofstee":
            return self.limits is not None
        return (self.first if self.study.state == "round_1" else self.last) is not None


def panel_views(found: Sequence[StandardStudy]) -> list[PanelView]:
    """Studies with their judges and what they come to; two queries for any number."""
    numbers = [one.id for one in found]
    said = judgements(numbers)
    judges: dict[int, list[StandardJudge]] = {}
    for judge in db.session.scalars(
        select(StandardJudge)
        .options(joinedload(StandardJudge.person))
        .where(StandardJudge.study_id.in_(numbers))
        .order_by(StandardJudge.invited_at, StandardJudge.person_id)
    ):
        judges.setdefault(judge.study_id, []).append(judge)
    make = {"ebel": _ebel_view, "hofstee": _hofstee_view}
    return [make[one.method](one, judges.get(one.id, []), said) for one in found]


Said = Mapping[tuple[int, int], Mapping[int, Mapping[str, Any]]]


def _ebel_view(study: StandardStudy, judges: Sequence[StandardJudge], said: Said) -> PanelView:
    marks = marks_of(study.form)
    rounds = [
        {
            person: one
            for person, given in said.get((study.id, n), {}).items()
            if (one := Sorted.of(given)).is_complete(marks)
        }
        for n in (1, 2)
    ]
    final = {person: one for person, one in rounds[1].items() if person in rounds[0]}
    newest = final or rounds[0]
    return PanelView(
        study,
        [
            PanelRow(
                pick(judge.person.name_zh, judge.person.name_latin),
                (judge.person_id in rounds[0], judge.person_id in rounds[1]),
                _own_cut(newest.get(judge.person_id), marks),
                None,
            )
            for judge in judges
        ],
        angoff((one.ratings() for one in rounds[0].values()), marks),
        angoff((one.ratings() for one in final.values()), marks),
        cell_means(list(newest.values()), marks),
        None,
        (),
    )


def _own_cut(said: Sorted | None, marks: Mapping[int, Fraction]) -> Fraction | None:
    if said is None:
        return None
    ratings = said.ratings()
    return Fraction(sum(ratings[slot] * worth for slot, worth in marks.items()), sum(marks.values()))


def cell_means(said: Sequence[Sorted], marks: Mapping[int, Fraction]) -> list[CellMean]:
    """Of each cell: the marks in it and what is expected, on average over the judges; empty without judges."""
    if not said:
        return []
    found = []
    for cell in CELLS:
        expected = [one.expected[cell] for one in said if cell in one.expected]
        inside = sum(worth for one in said for slot, worth in marks.items() if one.cells.get(slot) == cell)
        found.append(
            CellMean(cell, float(inside / len(said)), sum(expected) / len(expected) if expected else None)
        )
    return found


def _hofstee_view(study: StandardStudy, judges: Sequence[StandardJudge], said: Said) -> PanelView:
    given = said.get((study.id, 1), {})
    each = [{name: int(one[name]) for name in LIMITS} for one in given.values()]
    means = (
        {name: sum(one[name] for one in each) / len(each) for name in LIMITS}
        if len(each) >= LEAST_JUDGES
        else None
    )
    return PanelView(
        study,
        [
            PanelRow(
                pick(judge.person.name_zh, judge.person.name_latin),
                (judge.person_id in given, False),
                None,
                {name: int(given[judge.person_id][name]) for name in LIMITS}
                if judge.person_id in given
                else None,
            )
            for judge in judges
        ],
        None,
        None,
        (),
        means,
        each,
    )


@dataclass(frozen=True)
class OwnSheet:
    """What a judge sees beside their fields."""

    mine: Mapping[str, Any]
    """Their newest judgement in this round; in the second round of Ebel, until then, that of the first."""
    has_first: bool
    """Whether they judged everything in the first round."""
    is_saved: bool
    others: Mapping[int, Mapping[str, int]]
    """Slot → cell → judges who put it there in the first round; in the second round only."""
    grid: Sequence[CellMean]
    """The panel's first round, in the second only."""


def own_sheet(study: StandardStudy, person_id: int) -> OwnSheet:
    """The judge's own sheet. What others said only in the second round, and without their names."""
    said = judgements([study.id])
    first = said.get((study.id, 1), {})
    own = said.get((study.id, study.round), {}).get(person_id)
    if study.method == "hofstee":
        return OwnSheet(mine=own or {}, has_first=True, is_saved=own is not None, others={}, grid=())
    marks = marks_of(study.form)
    complete = {
        person: one for person, given in first.items() if (one := Sorted.of(given)).is_complete(marks)
    }
    others: dict[int, dict[str, int]] = {}
    if study.round == 2:
        for one in complete.values():
            for slot, cell in one.cells.items():
                counts = others.setdefault(slot, {})
                counts[cell] = counts.get(cell, 0) + 1
    return OwnSheet(
        own or first.get(person_id) or {},
        person_id in complete,
        own is not None,
        others,
        cell_means(list(complete.values()), marks) if study.round == 2 else (),
    )


# ---------------------------------------------------------------- results


@dataclass(frozen=True)
class Results:
    """First attempts at a test, as they count."""

    percents: Sequence[float]
    """In the order of the sittings."""
    unmarked: int
    """Sittings of any attempt without a result."""
    sha256: str
    """Of who earned what."""


def first_results(test_id: int) -> Results:
    """The results of all first attempts, whichever paper; one query, and another where there are none."""
    unmarked = select(func.count()).where(Sitting.test_id == test_id, Sitting.marked_at.is_(None))
    rows = db.session.execute(
        select(Sitting.public_id, Grade.score, Grade.maximum, unmarked.correlate(None).scalar_subquery())
        .join(Grade, Grade.sitting_id == Sitting.id)
        .where(
            Sitting.test_id == test_id, Sitting.attempt == 1, Grade.grade_run_id == counting_run(Sitting.id)
        )
        .order_by(Sitting.id)
    ).all()
    return Results(
        [float(100 * score / maximum) for _sitting, score, maximum, _unmarked in rows],
        (rows[0][3] if rows else db.session.scalar(unmarked)) or 0,
        digest_of([[sitting, str(score), str(maximum)] for sitting, score, maximum, _unmarked in rows]),
    )


@dataclass(frozen=True)
class HofsteeFound:
    """Where the results meet what the panel accepts."""

    n: int
    percent: float | None
    fail_rate: float | None
    at_lowest: float | None
    at_highest: float | None
    limits: Mapping[str, float]
    curve: Sequence[tuple[float, float]]
    """Pass mark in per cent, and share that fails."""
    cuts: Sequence[float]
    """The pass marks of the judges whose own limits meet the results."""
    judges: int

    @property
    def se(self) -> float | None:
        """Standard error of the judges' own pass marks; None of fewer than two."""
        return stdev(self.cuts) / math.sqrt(len(self.cuts)) if len(self.cuts) >= LEAST_JUDGES else None


def hofstee_found(view: PanelView, results: Results) -> HofsteeFound | None:
    """What a study comes to; None of fewer judges than two, or results than a few."""
    from lms.assessments.psychometrics.standards import hofstee

    if view.limits is None or len(results.percents) < LEAST_RESULTS:
        return None

    def met(limits: Mapping[str, float]) -> Any:
        return hofstee(
            results.percents,
            kmin=limits["least_cut"],
            kmax=limits["most_cut"],
            fmin=limits["least_fail"] / 100,
            fmax=limits["most_fail"] / 100,
        )

    found = met(view.limits)
    values = sorted(results.percents)
    knots = sorted(set(values))
    return HofsteeFound(
        n=found.n,
        percent=found.cut,
        fail_rate=found.fail_rate,
        at_lowest=found.at_lowest,
        at_highest=found.at_highest,
        limits=view.limits,
        curve=[(knot, sum(value < knot for value in values) / len(values)) for knot in knots]
        if len(knots) <= 200
        else _thinned(values),
        cuts=[own.cut for one in view.each if (own := met(one)).cut is not None],
        judges=len(view.each),
    )


def _thinned(values: Sequence[float]) -> list[tuple[float, float]]:
    """The curve at whole per cents, for a drawing."""
    return [(float(at), sum(value < at for value in values) / len(values)) for at in range(101)]


# ---------------------------------------------------------------- stations


@dataclass(frozen=True)
class StationFound:
    """The regression of one station."""

    slot: int
    code: str
    maximum: int
    points: Sequence[tuple[float, float]]
    """Rating and score of each candidate."""
    unrated: int
    """Candidates whose examiner gave no rating."""
    line: "BorderlineRegression"

    @property
    def is_usable(self) -> bool:
        """Whether there are enough ratings, and not all the same."""
        return self.line.n >= LEAST_RESULTS and self.line.cut is not None


@dataclass(frozen=True)
class BorderlineFound:
    """The cuts of the stations together."""

    stations: Sequence[StationFound]
    total: int
    rest: int
    """Marks of questions that are no stations; they enter with the pass mark as it stands."""
    rest_percent: int
    sha256: str

    @property
    def is_usable(self) -> bool:
        """Whether every station has its cut."""
        return bool(self.stations) and all(one.is_usable for one in self.stations)

    @property
    def percent(self) -> float | None:
        """Of all marks of the paper."""
        if not self.is_usable:
            return None
        marks = sum(one.line.cut or 0.0 for one in self.stations) + self.rest * self.rest_percent / 100
        return 100 * marks / self.total

    @property
    def se_percent(self) -> float | None:
        """The root of the sum of the stations' squared errors, of all marks."""
        errors = [one.line.cut_se for one in self.stations]
        if not self.is_usable or any(error is None for error in errors):
            return None
        return 100 * math.sqrt(sum((error or 0.0) ** 2 for error in errors)) / self.total


def borderline_found(test: Test) -> BorderlineFound | None:
    """What the examiners' ratings at the stations of the newest paper come to; None where it has no station."""
    from lms.assessments.psychometrics.standards import borderline_regression

    form = form_of(test.id)
    stations = [slot for slot in form.slots if rules.TYPES[slot["type"]].kind == rule.STATION]
    if not stations:
        return None
    codes = dict(
        db.session.execute(
            select(QuestionVersion.id, Question.code)
            .join(Question, Question.id == QuestionVersion.question_id)
            .where(QuestionVersion.id.in_({slot["version"] for slot in stations}))
        ).all()
    )
    said = _ratings(test.id)
    found = []
    for slot in stations:
        rows = said.get(slot["version"], [])
        rated = [(rating, float(share * slot["marks"])) for rating, share in rows if rating is not None]
        found.append(
            StationFound(
                slot["slot"],
                str(codes[slot["version"]]),
                slot["marks"],
                rated,
                len(rows) - len(rated),
                borderline_regression(
                    [rating for rating, _score in rated],
                    [score for _rating, score in rated],
                    borderline=BORDERLINE,
                ),
            )
        )
    total = rules.maximum(form.slots)
    return BorderlineFound(
        found,
        total,
        total - sum(slot["marks"] for slot in stations),
        test.cut_percent,
        digest_of(
            {
                str(version): [[str(rating), str(share)] for rating, share in rows]
                for version, rows in said.items()
            }
        ),
    )


def _ratings(test_id: int) -> dict[int, list[tuple[float | None, Fraction]]]:
    """Wording of a station → of each first attempt the mean of its examiners' ratings, and the settled share."""
    settled = db.session.execute(
        select(MarkedResponse.id, MarkedResponse.question_version_id, SettledMark.share, SettledMark.markings)
        .join(SettledMark, SettledMark.response_id == MarkedResponse.id)
        .join(Sitting, Sitting.id == MarkedResponse.sitting_id)
        .where(
            Sitting.test_id == test_id,
            Sitting.attempt == 1,
            Sitting.marked_at.is_not(None),
            SettledMark.round == MarkedResponse.round,
        )
        .order_by(MarkedResponse.id)
    ).all()
    ratings: dict[int, int] = dict(
        db.session.execute(
            select(Marking.id, type_coerce(Marking.rating, Integer))
            .join(MarkerSeat, MarkerSeat.id == Marking.seat_id)
            .join(MarkedResponse, MarkedResponse.id == MarkerSeat.response_id)
            .join(Sitting, Sitting.id == MarkedResponse.sitting_id)
            .where(Sitting.test_id == test_id, Marking.rating.is_not(None))
        ).all()
    )
    found: dict[int, list[tuple[float | None, Fraction]]] = {}
    for _response, version, share, markings in settled:
        own: list[int] = [ratings[number] for number in markings if number in ratings]
        found.setdefault(version, []).append((sum(own) / len(own) if own else None, share))
    return found


@dataclass(frozen=True)
class AgreedCut:
    """A pass mark with the two people who agreed on it."""

    score: CutScore
    approval: approvals.Approval


def agreed_cut(test: Test, n: int) -> AgreedCut:
    """One pass mark of a test, for its sheet. Raises NotFound."""
    row = db.session.execute(
        select(CutScore, approvals.Approval)
        .join(approvals.Approval, approvals.Approval.id == CutScore.approval_id)
        .where(CutScore.test_id == test.id, CutScore.n == n)
    ).first()
    if row is None:
        raise NotFound
    return AgreedCut(*row)


def is_over(test: Test, at: datetime) -> bool:
    """Whether nobody can sit a test any more."""
    return test.state == rules.TestState.PUBLISHED and at >= test.closes_at


def fails_at(results: Results, percent: int) -> int:
    """How many first attempts are below a pass mark."""
    return sum(value < percent for value in results.percents)
