"""Which lecture teaches a question, and what it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from lms.assessments.models import Question, QuestionVersion
from lms.assessments.rules import teaching
from lms.core.db import db
from lms.core.i18n import pick
from lms.courses.models import Lecture
from lms.courses.rules import LectureState
from lms.programmes.models import Cohort


@dataclass(frozen=True)
class Taught:
    """The place in a film that teaches a question, in one cohort."""

    lecture: str
    """Its public id."""
    title: str
    second: int

    @property
    def moment(self) -> str:
        """As shown."""
        return teaching.moment(self.second)


@dataclass(frozen=True)
class Subject:
    """What a question is about."""

    topic: str
    taught: Taught | None


def subjects(version_ids: Iterable[int], cohort_id: int) -> Mapping[int, Subject]:
    """Question version → topic, and the published lecture of that cohort which teaches it; two queries."""
    rows = db.session.execute(
        select(QuestionVersion.id, Question.topic, Question.lecture_code, Question.lecture_second)
        .join(Question, Question.id == QuestionVersion.question_id)
        .where(QuestionVersion.id.in_(set(version_ids)))
    ).all()
    codes = {row.lecture_code for row in rows if row.lecture_code}
    lectures = {
        row.code: row
        for row in (
            db.session.execute(
                select(Lecture.code, Lecture.public_id, Lecture.title_zh, Lecture.title_en).where(
                    Lecture.cohort_id == cohort_id,
                    Lecture.code.in_(codes),
                    Lecture.state == LectureState.PUBLISHED,
                )
            )
            if codes
            else ()
        )
    }
    found = {}
    for row in rows:
        lecture = lectures.get(row.lecture_code)
        taught = lecture and Taught(
            lecture.public_id, pick(lecture.title_zh, lecture.title_en), row.lecture_second
        )
        found[row.id] = Subject(row.topic, taught)
    return found


def lectures(programme_id: int) -> Sequence[tuple[str, str]]:
    """Code and title of each lecture that a programme teaches, as its newest cohort has it."""
    rows = db.session.execute(
        select(Lecture.code, Lecture.title_zh, Lecture.title_en)
        .join(Cohort, Cohort.id == Lecture.cohort_id)
        .where(Cohort.programme_id == programme_id)
        .order_by(Lecture.code, Lecture.id)
    )
    return list({row.code: (row.code, pick(row.title_zh, row.title_en)) for row in rows}.values())
