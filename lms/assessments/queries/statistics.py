"""What the numbers of a test are computed from, and the numbers that were. Ask ``test`` with STATISTICS_READ first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import String, func, select, type_coerce

from lms import policy
from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    ExamForm,
    Grade,
    GradeRun,
    ItemBank,
    KeyRevision,
    Mark,
    Question,
    QuestionVersion,
    Sitting,
    Test,
    TestStatistics,
)
from lms.assessments.psychometrics.answers import ENGINE_VERSION, Answers, Asked
from lms.assessments.queries.catalogue import form_of, loaded_tests
from lms.core.db import db
from lms.core.digests import digest_of
from lms.core.errors import NotFound
from lms.policy import Actor, Permission
from lms.programmes.models import Enrolment, Hospital

LEAST_ANONYMOUS = 5
"""Who may not read results by name sees no numbers of fewer people."""


@dataclass(frozen=True)
class Sight:
    """What of a test's numbers somebody may see."""

    keys: bool
    """Questions, options and what is right."""
    names: bool
    """Who candidates are."""


def sight(test: Test, form: ExamForm, by: Actor) -> Sight:
    """Keys for whoever may read all banks of the paper, names for whoever may read results."""
    banks = db.session.scalars(
        select(ItemBank)
        .join(Question, Question.bank_id == ItemBank.id)
        .join(QuestionVersion, QuestionVersion.question_id == Question.id)
        .where(QuestionVersion.id.in_({slot["version"] for slot in form.slots}))
        .distinct()
    ).all()
    return Sight(
        keys=all(policy.allows(by, Permission.BANK_READ, bank) for bank in banks),
        names=policy.allows(by, Permission.SITTING_READ, test),
    )


@dataclass(frozen=True)
class Stand:
    """Which results a test has now."""

    run: GradeRun | None
    last_grade_id: int | None
    count: int


def stand(test_id: int) -> Stand:
    """The newest marking and its results."""
    run = db.session.scalars(
        select(GradeRun).where(GradeRun.test_id == test_id).order_by(GradeRun.n.desc()).limit(1)
    ).first()
    if run is None:
        return Stand(None, None, 0)
    last, count = db.session.execute(
        select(func.max(Grade.id), func.count()).where(Grade.grade_run_id == run.id)
    ).one()
    return Stand(run, last, count)


def statistics(test_id: int) -> TestStatistics | None:
    """The newest numbers of a test that are computed."""
    return db.session.scalars(_of(test_id).where(TestStatistics.state == "done").limit(1)).first()


def newest_request(test_id: int) -> TestStatistics | None:
    """What was asked for last, computed or not."""
    return db.session.scalars(_of(test_id).limit(1)).first()


def _of(test_id: int) -> Any:
    return select(TestStatistics).where(TestStatistics.test_id == test_id).order_by(TestStatistics.id.desc())


def is_current(found: TestStatistics | None, now: Stand) -> bool:
    """Whether numbers rest on all results there are, and were computed as they are today."""
    return (
        found is not None
        and now.run is not None
        and (found.grade_run_id, found.last_grade_id, found.engine_version)
        == (now.run.id, now.last_grade_id, ENGINE_VERSION)
        # A result that was written at the same moment may have the smaller id and be there a little later.
        and found.n + found.left_out == now.count
    )


def people_of(sittings: Sequence[str]) -> dict[str, Person]:
    """Public id of a sitting → who sat it."""
    rows = db.session.execute(
        select(Sitting.public_id, Person)
        .join(Person, Person.id == Sitting.trainee_person_id)
        .where(Sitting.public_id.in_(sittings))
    )
    return dict(rows.all())


# ---------------------------------------------------------------- data


@dataclass(frozen=True)
class Data:
    """What a report is computed from."""

    answers: Answers
    left_out: int
    sha256: str


def data_now(public_id: str) -> Data:
    """What stands now of a test, for an operator at the machine. Raises NotFound where nothing is marked."""
    found = db.session.scalar(loaded_tests().where(Test.public_id == public_id))
    now = stand(found.id) if found else None
    if found is None or now is None or now.run is None or now.last_grade_id is None:
        raise NotFound
    return data_of(found.id, now.run, now.last_grade_id)


def data_of(test_id: int, run: GradeRun, last_grade_id: int) -> Data:
    """First attempts at the newest form, marked in this run up to this result; in five queries for any number."""
    form = form_of(test_id)
    counted = (
        Grade.grade_run_id == run.id,
        Grade.id <= last_grade_id,
        Sitting.form_id == form.id,
        Sitting.attempt == 1,
    )
    people = db.session.execute(
        select(Sitting.id, Sitting.public_id, Sitting.receipt, Enrolment.track, Hospital.region)
        .join(Grade, Grade.sitting_id == Sitting.id)
        .join(Enrolment, Enrolment.id == Sitting.enrolment_id)
        .outerjoin(Hospital, Hospital.id == Enrolment.home_hospital_id)
        .where(*counted)
        .order_by(Sitting.id)
    ).all()
    results = db.session.execute(
        select(func.count()).where(Grade.grade_run_id == run.id, Grade.id <= last_grade_id)
    ).scalar_one()
    slots = [slot["slot"] for slot in form.slots]
    places = {slot: place for place, slot in enumerate(slots)}
    rows = {person.id: number for number, person in enumerate(people)}
    marks: list[list[float | None]] = [[None] * len(slots) for _person in people]
    said: list[list[str | tuple[str, ...] | None]] = [[None] * len(slots) for _person in people]
    is_chosen = bool(rules.choices_of(form.slots))
    had = [["choice" not in slot for slot in form.slots] for _person in people] if is_chosen else None
    worth: dict[str, float] = {}
    found = db.session.execute(
        select(Mark.sitting_id, Mark.slot, Mark.response, type_coerce(Mark.score, String).label("score"))
        .join(Grade, Grade.sitting_id == Mark.sitting_id)
        .join(Sitting, Sitting.id == Mark.sitting_id)
        .where(Mark.grade_run_id == run.id, *counted)
        .execution_options(yield_per=5000)
    )
    for sitting_id, slot, response, score in found:
        number, place = rows[sitting_id], places[slot]
        if had is not None:
            had[number][place] = True  # a mark says that the candidate had it
        if not rules.is_answered(response):
            continue
        if score not in worth:
            worth[score] = float(Fraction(score))
        marks[number][place] = worth[score]
        said[number][place] = _said(response)
    asked = _asked(form, run)
    maximum = float(rules.maximum(form.slots))
    return Data(
        answers=Answers(
            asked=asked,
            candidates=[person.public_id for person in people],
            marks=marks,
            said=said,
            groups={
                "track": [person.track for person in people],
                "region": [person.region or "" for person in people],
            },
            had=had,
            cut=maximum * run.cut_percent / 100,
            maximum=maximum,
        ),
        left_out=results - len(people),
        sha256=digest_of(
            {
                "form": form.sha256,
                "keys": run.keys_sha256,
                "marking": run.engine_version,
                "cut_percent": run.cut_percent,
                "sittings": [[person.receipt, person.track, person.region or ""] for person in people],
            }
        ),
    )


def _said(response: Mapping[str, Any]) -> str | tuple[str, ...]:
    """An answer as it is counted: the option, the options, or everything as text."""
    if isinstance(response.get("choice"), str):
        return str(response["choice"])
    if isinstance(response.get("choices"), list):
        return tuple(map(str, response["choices"]))
    return repr(sorted(response.items()))


def _asked(form: ExamForm, run: GradeRun) -> list[Asked]:
    rows = db.session.execute(
        select(QuestionVersion.id, QuestionVersion.type, QuestionVersion.body, Question.code, KeyRevision.key)
        .join(Question, Question.id == QuestionVersion.question_id)
        .join(KeyRevision, KeyRevision.question_version_id == QuestionVersion.id)
        .where(KeyRevision.id.in_(list(run.keys.values())))
    )
    versions = {row.id: row for row in rows}
    found = []
    for slot in form.slots:
        row, index = versions[slot["version"]], slot.get("ask")
        ask = rules.ask_of(row.type, row.body, index, row.key)
        has_options = ask.kind in {"choice", "multiple"}
        found.append(
            Asked(
                slot=slot["slot"],
                code=row.code if index is None else f"{row.code}.{index + 1}",
                maximum=float(slot["marks"]),
                options=tuple(option["id"] for option in ask.body.get("options") or ())
                if has_options
                else (),
                right=_right(ask) if has_options else frozenset(),
                choice=slot.get("choice"),
                case=rules.first_of(slot),
                is_closed=ask.kind in {"choice", "multiple", "order", "pairs"},
            )
        )
    return found


def _right(ask: rules.Ask) -> frozenset[str]:
    """Options that earn something: of a choice each that is worth marks, of several the right ones."""
    ids = [option["id"] for option in ask.body.get("options") or ()]
    if ask.kind == "choice":
        return frozenset(one for one in ids if (rules.share(ask, {"choice": one}) or 0) > 0)
    return frozenset(rules.model_response(ask.kind, ask.body, ask.key, {}).get("choices", ()))
