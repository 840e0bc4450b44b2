"""The demonstration's pass mark: an exam in the making, and three judges who sorted its questions by Ebel's method."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts.models import Person
from lms.assessments import queries, rules
from lms.assessments import services as assessments
from lms.assessments.models import ItemBank, Question, QuestionVersion
from lms.assessments.rules.standards import CELLS, Sorted
from lms.core.db import db
from lms.policy import Actor
from lms.programmes.models import Cohort

EXPECTED = dict(zip(CELLS, (85, 70, 50, 80, 65, 45, 70, 55, 40), strict=True))
"""What the first judge expects in each cell, in per cent; the others a little less, a little more."""


def add_sample_panel(
    cohort: Cohort, judges: Sequence[tuple[Person, Actor]], *, at: datetime, by: Actor
) -> None:
    """Draft a sample exam from the questions of the sample test, and let a panel finish its two rounds.

    ``by``: the examiner who asks. The judgements are samples, made by counting, and nobody has agreed to the pass mark yet.
    """
    versions = db.session.scalars(
        select(QuestionVersion)
        .options(joinedload(QuestionVersion.question).joinedload(Question.bank))
        .join(Question, Question.id == QuestionVersion.question_id)
        .join(ItemBank, ItemBank.id == Question.bank_id)
        .where(
            ItemBank.programme_id == cohort.programme_id,
            ItemBank.purpose == rules.Purpose.EXAM,
            QuestionVersion.is_sample,
        )
        .order_by(Question.code)
    ).all()
    test = assessments.make_test(
        cohort,
        versions,
        title_zh="期末考试（示例，及格线评定中）",
        title_en="Final exam (sample, pass mark in the making)",
        duration_s=3600,
        opens_at=at + timedelta(days=60),
        closes_at=at + timedelta(days=61),
        cut_percent=60,
        release=rules.Release.HELD,
        is_sample=True,
        at=at,
        by=by,
    )
    paper = queries.forms_of(test.id)[0]
    study = assessments.start_panel(test, paper, "ebel", [person for person, _actor in judges], by=by, at=at)
    slots = [slot["slot"] for slot in paper.slots]
    for turn, act in ((1, "next_round"), (2, "close")):
        for number, (_person, judge) in enumerate(judges):
            # In the second round the judges come nearer to one another.
            shift = (0, 4, -3)[number % 3] // turn
            cells = {slot: CELLS[(slot * 2 + number // turn) % 6] for slot in slots}
            said = Sorted(cells, {cell: EXPECTED[cell] + shift for cell in dict.fromkeys(cells.values())})
            assessments.sort_questions(study, turn, said, by=judge, at=at)
        study = assessments.move_panel(study, act, by=by, at=at)
