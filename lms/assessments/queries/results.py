"""Results and keys, as far as they may be seen."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select

from lms.assessments import rules
from lms.assessments.models import Grade, GradeRun, KeyRevision, Mark, Sitting
from lms.assessments.queries.criteria import Criteria, criteria
from lms.assessments.queries.papers import paper
from lms.assessments.queries.shown import Item, key_words
from lms.assessments.queries.teaching import Taught, subjects
from lms.assessments.rules.teaching import TopicMarks, by_topic
from lms.core.db import db
from lms.core.i18n import pick


@dataclass(frozen=True)
class ResultItem:
    """One question with what was answered; key and reason only where they may be seen."""

    item: Item
    said: str
    """The answer in words; empty for none."""
    score: Fraction | None
    maximum: Fraction
    right: str
    """The right answer in words; empty where it may not be seen."""
    rationale: str
    taught: Taught | None = None
    """Where it is taught."""
    criteria: Criteria | None = None
    """What people gave line by line, where they marked it and it may be seen."""

    @property
    def is_right(self) -> bool:
        """Whether it earned everything."""
        return self.score == self.maximum

    @property
    def points(self) -> str:
        """What it earned of what it is worth, where a part of it was earned."""
        if self.score is None or self.score in {0, self.maximum}:
            return ""
        return f"{rules.shown(self.score)} / {rules.shown(self.maximum)}"


@dataclass(frozen=True)
class Change:
    """What a regrade did to a result."""

    old_percent: str
    new_percent: str
    old_decision: str
    new_decision: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Chosen:
    """What became of questions of which a candidate chose some."""

    take: int
    total: int
    is_made: bool
    """False: the choice was never confirmed, so none of them counted."""
    marks: int
    """That could be earned in it."""


@dataclass(frozen=True)
class Result:
    """A marked and released sitting as its candidate may see it."""

    score: Fraction
    maximum: Fraction
    cut_percent: int
    decision: str
    items: Sequence[ResultItem]
    shows_keys: bool
    topics: Sequence[TopicMarks] = ()
    """Marks of each topic, the weakest first; empty where no question has one."""
    choices: Sequence[Chosen] = ()
    """Where questions were to be chosen: how many were."""
    change: Change | None = None
    """Set where a regrade after the release gave another result than the marking before."""

    @property
    def percent(self) -> str:
        """As shown."""
        return rules.shown(rules.percent(self.score, self.maximum))

    @property
    def answered(self) -> int:
        """How many questions have an answer."""
        return sum(1 for row in self.items if row.said)

    @property
    def score_shown(self) -> str:
        """The points, as shown."""
        return rules.shown(self.score)

    @property
    def maximum_shown(self) -> str:
        """The points there were, as shown."""
        return rules.shown(self.maximum)


def result(sitting: Sitting, at: datetime, *, for_staff: bool = False) -> Result | None:
    """The result of a sitting (as ``sitting`` loaded it); None while it is not marked or not released."""
    if not (for_staff or sitting.test.is_released):
        return None
    attempts = (
        select(func.count())
        .where(Sitting.test_id == sitting.test_id, Sitting.enrolment_id == sitting.enrolment_id)
        .scalar_subquery()
    )
    found = db.session.execute(
        select(Grade, GradeRun, attempts)
        .join(GradeRun, GradeRun.id == Grade.grade_run_id)
        .where(Grade.sitting_id == sitting.id)
        .order_by(GradeRun.n.desc())
    ).all()
    if not found:
        return None
    grade, run, used = found[0]
    marks = {
        mark.slot: mark
        for mark in db.session.scalars(
            select(Mark).where(Mark.grade_run_id == run.id, Mark.sitting_id == sitting.id)
        )
    }
    shows_keys = for_staff or rules.may_see_keys(
        released=sitting.test.is_released,
        passed=grade.decision == "pass",
        attempts_left=sitting.test.attempts_allowed - used,
        closed=at >= sitting.test.closes_at,
    )
    keys = _keys(mark.key_revision_id for mark in marks.values()) if shows_keys else {}
    by_people = criteria(sitting, marks) if shows_keys else {}
    about = subjects({slot["version"] for slot in sitting.form.slots}, sitting.test.cohort_id)
    topics = by_topic(
        (about[slot["version"]].topic, marks[slot["slot"]].score, marks[slot["slot"]].maximum)
        for slot in sitting.form.slots
        if slot["slot"] in marks
    )
    items = []
    for item in paper(sitting.form, sitting.seed):
        if item.slot not in marks:  # of a choice, and not chosen
            continue
        mark = marks[item.slot]
        key = keys.get(mark.key_revision_id)
        items.append(
            ResultItem(
                item=item,
                said=item.said(mark.response),
                score=mark.score,
                maximum=mark.maximum,
                right=key_words(item, key_of(key, item.index)) if key and item.slot not in by_people else "",
                rationale=reason_of(key, item.index) if key else "",
                taught=about[item.version_id].taught,
                criteria=by_people.get(item.slot),
            )
        )
    released_at = sitting.test.released_at
    was_seen = released_at is None or run.created_at >= released_at
    change = _change(found[1][0], grade, run) if len(found) > 1 and was_seen else None
    return Result(
        grade.score,
        grade.maximum,
        grade.cut_percent,
        grade.decision,
        items,
        shows_keys,
        topics if any(one.topic for one in topics) else (),
        _choices(sitting.form.slots, marks),
        change,
    )


def _choices(slots: Sequence[Mapping[str, Any]], marks: Container[int]) -> list[Chosen]:
    found = []
    for take, firsts in rules.choices_of(slots).values():
        worth = sum(slot["marks"] for slot in slots if rules.first_of(slot) == firsts[0])
        found.append(Chosen(take, len(firsts), any(first in marks for first in firsts), take * worth))
    return found


def _change(old: Grade, new: Grade, run: GradeRun) -> Change | None:
    if (old.score, old.decision) == (new.score, new.decision):
        return None
    return Change(
        rules.shown(rules.percent(old.score, old.maximum)),
        rules.shown(rules.percent(new.score, new.maximum)),
        old.decision,
        new.decision,
        run.created_at,
        run.reason,
    )


def key_of(revision: KeyRevision, index: int | None) -> Mapping[str, Any]:
    """The key of one ask."""
    found: Mapping[str, Any] = revision.key if index is None else revision.key["asks"][index]
    return found


def reason_of(revision: KeyRevision, index: int | None) -> str:
    """Why the right answer of an ask is right, in the reader's language; the whole item's reason where the ask has none."""
    whole = revision.rationale
    own = (whole.get("asks") or [])[index : index + 1] if index is not None else []
    text = own[0] if own else whole
    return pick(text.get("zh") or "", text.get("en") or "")


def _keys(key_revision_ids: Iterable[int]) -> dict[int, KeyRevision]:
    rows = db.session.scalars(select(KeyRevision).where(KeyRevision.id.in_(list(key_revision_ids))))
    return {row.id: row for row in rows}


def newest_keys(version_ids: Iterable[int]) -> dict[int, KeyRevision]:
    """Question version → its newest key revision."""
    rows = db.session.scalars(
        select(KeyRevision)
        .where(KeyRevision.question_version_id.in_(list(version_ids)))
        .order_by(KeyRevision.question_version_id, KeyRevision.n)
    )
    return {row.question_version_id: row for row in rows}
