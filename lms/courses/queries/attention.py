"""Where a lecture loses its viewers, and to whom a word may help. Nothing here compares people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from lms.accounts.models import Person
from lms.core.db import db
from lms.courses.models import Lecture, LectureCompletion, Replay, Watch
from lms.courses.rules import replays
from lms.courses.rules.attention import Stretch, seen_by_second, stretches
from lms.programmes.models import Enrolment

QUIET = timedelta(days=7)
"""Begun and untouched for so long: worth a message."""

FEWEST_VIEWERS = 3
"""With fewer, what was watched again would tell who did."""

MOST_BARS = 120


@dataclass(frozen=True)
class Again:
    """Which parts of a film were watched again, in how many visits; nobody's name is kept with it."""

    bars: Sequence[int]
    """Each the highest count of its parts, in the order of the film."""
    bar_s: int
    """Seconds of the film that one bar stands for."""
    by_stretch: Sequence[int]
    """The same for the stretches of the other chart."""

    @property
    def most(self) -> int:
        """Of the part that was repeated most."""
        return max(self.bars, default=0)


@dataclass(frozen=True)
class Attention:
    """A lecture's film as its cohort saw it."""

    begun: int
    """Trainees who watched any of it."""
    completed: int
    stretches: Sequence[Stretch]
    stopped: Sequence[str]
    """Names of those who began, did not finish, and have been quiet for a week; in the order of the alphabet."""
    again: Again | None
    """None where fewer than three have watched."""


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
    parts = stretches(seen_by_second([watch.bitmap for watch, *_rest in rows], duration))
    return Attention(
        len(rows),
        sum(done is not None for _watch, _person, _state, done in rows),
        parts,
        [
            (person.name_latin if english else person.name_zh) or person.name_zh
            for watch, person, state, done in rows
            if done is None and state == "active" and at - watch.updated_at > QUIET
        ],
        _again(lecture, duration, parts) if len(rows) >= FEWEST_VIEWERS else None,
    )


def _again(lecture: Lecture, duration_s: int, parts: Sequence[Stretch]) -> Again:
    times = [0] * replays.parts_of(duration_s)
    for place, count in db.session.execute(
        select(Replay.bin, Replay.times).where(Replay.video_id == lecture.video_id)
    ):
        if place < len(times):
            times[place] = count
    length, bars = replays.at_most(times, MOST_BARS)
    return Again(
        bars,
        length * replays.PART_S,
        [replays.highest(times, one.start_s, one.end_s) for one in parts],
    )
