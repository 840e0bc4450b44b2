"""What a regrade of a test would change: marks by the newest keys and another cut, compared with those that count."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, select

from lms.accounts.models import Person
from lms.assessments import rules
from lms.assessments.models import (
    ExamForm,
    Grade,
    GradeRun,
    KeyRevision,
    Mark,
    QuestionVersion,
    Sitting,
    Test,
)
from lms.assessments.queries.catalogue import counting_run, run_of
from lms.assessments.queries.drawing import forms_of
from lms.assessments.queries.markers import settled_in_test
from lms.assessments.queries.papers import form_items
from lms.assessments.queries.results import newest_keys
from lms.assessments.queries.staff import StaffItem
from lms.core import ports
from lms.core.db import db
from lms.core.digests import digest_of


@dataclass(frozen=True)
class NewMark:
    """The marks of one response now and by the newest keys."""

    slot: int
    key_revision_id: int
    response: Mapping[str, Any]
    old: Fraction
    new: Fraction
    maximum: Fraction

    @property
    def old_shown(self) -> str:
        """As shown."""
        return rules.shown(self.old)

    @property
    def new_shown(self) -> str:
        """As shown."""
        return rules.shown(self.new)


@dataclass(frozen=True)
class NewGrade:
    """One sitting now and by the regrade."""

    sitting_id: int
    sitting: str
    """Its public id."""
    enrolment_id: int
    name: str
    attempt: int
    marks: Sequence[NewMark]
    old: Fraction
    new: Fraction
    maximum: Fraction
    old_decision: str
    new_decision: str
    has_certificate: bool

    @property
    def changed(self) -> list[NewMark]:
        """The marks that would change."""
        return [mark for mark in self.marks if mark.old != mark.new]

    @property
    def flips(self) -> bool:
        """Whether pass becomes fail or fail becomes pass."""
        return self.old_decision != self.new_decision

    @property
    def old_percent(self) -> str:
        """As shown."""
        return rules.shown(rules.percent(self.old, self.maximum))

    @property
    def new_percent(self) -> str:
        """As shown."""
        return rules.shown(rules.percent(self.new, self.maximum))


@dataclass(frozen=True)
class Regrade:
    """A dry run: nothing of it is written."""

    run: GradeRun
    """The newest run, from which it starts."""
    keys: Mapping[str, int]
    keys_sha256: str
    cut_percent: int
    grades: Sequence[NewGrade]
    """Every marked sitting, changed or not."""
    newer_keys: int
    """How many wordings have a newer key than the newest run."""

    @property
    def changed(self) -> list[NewGrade]:
        """The sittings that would change."""
        return [grade for grade in self.grades if grade.changed or grade.flips]

    @property
    def is_empty(self) -> bool:
        """Whether no input is other than it was (keys, cut) and no sitting was marked by older ones meanwhile."""
        return not (self.newer_keys or self.changed) and self.cut_percent == self.run.cut_percent

    @property
    def counts(self) -> dict[str, int]:
        """Of what would change."""
        return {
            "sittings": len(self.grades),
            "marks": sum(len(grade.changed) for grade in self.grades),
            "to_pass": sum(grade.flips and grade.new_decision == "pass" for grade in self.grades),
            "to_fail": sum(grade.flips and grade.new_decision == "fail" for grade in self.grades),
            "certificates": len(
                {grade.enrolment_id for grade in self.grades if grade.flips and grade.has_certificate}
            ),
        }

    def payload(self, test: Test) -> dict[str, Any]:
        """What two people agree on: the inputs, and the digest of every mark before and after."""
        return {
            "test": test.public_id,
            "run": self.run.public_id,
            "keys_sha256": self.keys_sha256,
            "cut_percent": self.cut_percent,
            "counts": self.counts,
            "diff_sha256": digest_of(
                [
                    [
                        grade.sitting,
                        grade.old_decision,
                        grade.new_decision,
                        [[mark.slot, str(mark.old), str(mark.new)] for mark in grade.marks],
                    ]
                    for grade in self.grades
                ]
            ),
        }


def papers_and_keys(test_id: int) -> tuple[Sequence[ExamForm], Mapping[str, int]]:
    """The sealed papers of a test in order, with the keys of its newest run, in one query; no keys before it is published."""
    keys = (
        select(GradeRun.keys)
        .where(GradeRun.test_id == test_id)
        .order_by(GradeRun.n.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(ExamForm, keys).where(ExamForm.test_id == test_id).order_by(ExamForm.n)
    ).all()
    return [form for form, _keys in rows], next((found for _form, found in rows if found), {})


def newer_keys(items: Iterable[StaffItem], marked_by: Mapping[str, int]) -> int:
    """How many wordings of a paper have a newer key than the run that was ``marked_by`` these."""
    keys = {str(row.item.version_id): row.key_revision_id for row in items}
    return sum(marked_by.get(number, key) != key for number, key in keys.items())


def _newer(run: GradeRun, keys: Mapping[int, KeyRevision]) -> int:
    return sum(revision.id != run.keys[str(number)] for number, revision in keys.items())


def regrade(test: Test, cut_percent: int | None = None) -> Regrade:
    """Mark every marked sitting of a test anew by the newest keys, in memory; the number of queries grows with the papers only."""
    run = run_of(test.id)
    cut = run.cut_percent if cut_percent is None else cut_percent
    forms = forms_of(test.id)
    versions = {number: row for form in forms for number, row in form_items(form).items()}
    keys = newest_keys(versions)
    slots = {
        (form.id, slot["slot"]): _slot(slot, versions[slot["version"]], keys[slot["version"]])
        for form in forms
        for slot in form.slots
    }
    rows = db.session.execute(
        select(Sitting, Person, Grade)
        .join(Person, Person.id == Sitting.trainee_person_id)
        .join(Grade, Grade.sitting_id == Sitting.id)
        .where(Sitting.test_id == test.id, Grade.grade_run_id == counting_run(Sitting.id))
        .order_by(Sitting.id)
    ).all()
    marks: dict[int, list[Row[Any]]] = {}
    for mark in db.session.execute(
        select(Mark.sitting_id, Mark.slot, Mark.response, Mark.score, Mark.maximum)
        .join(Sitting, Sitting.id == Mark.sitting_id)
        .where(Sitting.test_id == test.id, Mark.grade_run_id == counting_run(Sitting.id))
        .order_by(Mark.sitting_id, Mark.slot)
    ):
        marks.setdefault(mark.sitting_id, []).append(mark)
    settled = settled_in_test(test.id)
    certified = _certified(sitting.enrolment_id for sitting, _person, _grade in rows)
    grades = []
    for sitting, person, grade in rows:
        anew = [
            _anew(mark, slots[sitting.form_id, mark.slot], sitting.seed, settled)
            for mark in marks.get(sitting.id, [])
        ]
        score = sum((mark.new for mark in anew), Fraction(0))
        grades.append(
            NewGrade(
                sitting_id=sitting.id,
                sitting=sitting.public_id,
                enrolment_id=sitting.enrolment_id,
                name=person.name,
                attempt=sitting.attempt,
                marks=anew,
                old=grade.score,
                new=score,
                maximum=grade.maximum,
                old_decision=grade.decision,
                new_decision=rules.decision(score, grade.maximum, cut),
                has_certificate=sitting.enrolment_id in certified,
            )
        )
    numbers = {str(version): revision.id for version, revision in sorted(keys.items())}
    return Regrade(
        run=run,
        keys=numbers,
        keys_sha256=digest_of({number: [keys[int(number)].key, key] for number, key in numbers.items()}),
        cut_percent=cut,
        grades=grades,
        newer_keys=_newer(run, keys),
    )


@dataclass(frozen=True)
class _Slot:
    """A place of a paper by the newest key, made once for all who answered it."""

    ask: rules.Ask
    marks: int
    key_revision_id: int


def _slot(slot: Mapping[str, Any], version: QuestionVersion, revision: KeyRevision) -> _Slot:
    ask = rules.ask_of(version.type, version.body, slot.get("ask"), revision.key)
    return _Slot(ask, slot["marks"], revision.id)


def _anew(mark: Row[Any], slot: _Slot, seed: str, settled: Mapping[tuple[int, int], Fraction]) -> NewMark:
    parameters = slot.ask.body.get("parameters")
    drawn = (
        rules.draw(parameters, rules.sub_seed(bytes.fromhex(seed), f"slot:{mark.slot}")) if parameters else {}
    )
    earned = rules.mark(slot.ask, mark.response or None, slot.marks, drawn)
    if earned is None:  # people marked it: what was settled last, by whatever rubric it was marked
        earned = slot.marks * settled.get((mark.sitting_id, mark.slot), Fraction(0))
    return NewMark(mark.slot, slot.key_revision_id, mark.response, mark.score, earned, mark.maximum)


def _certified(enrolment_ids: Any) -> frozenset[int]:
    """Which of them hold a certificate, as far as certificates tell."""
    numbers = frozenset(enrolment_ids)
    return frozenset().union(*(ask(numbers) for ask in ports.certificate_holders))
