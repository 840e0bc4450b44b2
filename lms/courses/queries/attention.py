"""Where a lecture loses its viewers, and to whom a word may help. Nothing here compares people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from lms.accounts.models import Person
from lms.core.db import db
from lms.courses.models import Lecture, LectureCompletion, Watch
from lms.courses.rules.attention import Stretch, seen_by_second, stretches
from lms.programmes.models import Enrolment

QUIET = timedelta(days=7)
"""Begun and untouched for so long: worth a message."""


@dataclass(frozen=True)
class Attention:
    """A lecture's film as its cohort saw it."""

    begun: int
    """Trainees who watched any of it."""
    completed: int
    stretches: Sequence[Stretch]
    stopped: Sequence[str]
    """Names of those who began, did not finish, and have been quiet for a week; in the order of the alphabet."""


def attention(lecture: Lecture, *, at: datetime, english: bool) -> Attention:
    """Of the present version of the film; whoever asks holds the lecture's desk."""
    rows = db.session.execute(
        select(Watch, Person, Enrolment.state, LectureCompletion.id)
        .join(Enrolment, Enrolment.id == Watch.enrolment_id)
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(
            LectureCompletion,
            (LectureCompletion.enrolment_id == Watch.enrolment_id)
            & (LectureCompletion.lecture_id == Watch.lecture_id),
        )
        .where(
            Watch.lecture_id == lecture.id,
            Watch.video_id == lecture.video_id,
            Watch.watched_s > 0,
            Enrolment.state != "withdrawn",
        )
        .order_by(Person.name_latin, Person.id)
    ).all()
    duration = lecture.video.duration_s if lecture.video else 0
    return Attention(
        len(rows),
        sum(done is not None for _watch, _person, _state, done in rows),
        stretches(seen_by_second([watch.bitmap for watch, *_rest in rows], duration)),
        [
            (person.name_latin if english else person.name_zh) or person.name_zh
            for watch, person, state, done in rows
            if done is None and state == "active" and at - watch.updated_at > QUIET
        ],
    )
