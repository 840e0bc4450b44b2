"""Keeping the index of what can be found: published words and transcripts, brought up to date about once a minute."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from lms.core import markdown, search
from lms.core.db import db
from lms.courses.models import Caption, Course, Lecture, Module, SearchEntry, SearchTerm, Unit
from lms.courses.services.captions import cues


@dataclass(frozen=True)
class _Text:
    kind: str
    thing_id: int
    lang: str
    course_id: int
    title: str
    text: str


def _texts() -> Iterator[_Text]:
    """All that should be found: what is published in published courses."""
    in_course = (Module.course_id, Course.state == "published", Course.archived_at.is_(None))
    for lecture, course_id in db.session.execute(
        select(Lecture, in_course[0])
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .where(Lecture.state == "published", *in_course[1:])
    ):
        title = f"{lecture.title_zh} {lecture.title_en}"
        points = [text for point in lecture.key_points for text in point.values()]
        text = " ".join([lecture.summary_zh, lecture.summary_en, *points])
        yield _Text("lecture", lecture.id, "", course_id, title, text)
    for caption, title_zh, title_en, course_id in db.session.execute(
        select(Caption, Lecture.title_zh, Lecture.title_en, in_course[0])
        .join(Lecture, Lecture.id == Caption.lecture_id)
        .join(Module, Module.id == Lecture.module_id)
        .join(Course, Course.id == Module.course_id)
        .where(Lecture.state == "published", *in_course[1:])
    ):
        spoken = " ".join(cue.text for cue in cues(caption.text))
        yield _Text(
            "transcript", caption.lecture_id, caption.lang, course_id, f"{title_zh} {title_en}", spoken
        )
    for unit, course_id in db.session.execute(
        select(Unit, in_course[0])
        .join(Module, Module.id == Unit.module_id)
        .join(Course, Course.id == Module.course_id)
        .where(Unit.state == "published", *in_course[1:])
    ):
        text = " ".join(markdown.plain(body, limit=markdown.LIMIT) for body in (unit.body_zh, unit.body_en))
        yield _Text("unit", unit.id, "", course_id, f"{unit.title_zh} {unit.title_en}", text)


def refresh_search(_at: datetime) -> None:
    """Bring the index to what is published now; what did not change is left as it is."""
    kept = {(one.kind, one.thing_id, one.lang): one for one in db.session.scalars(select(SearchEntry))}
    for text in _texts():
        row = kept.pop((text.kind, text.thing_id, text.lang), None)
        if row is not None and (row.title, row.text, row.course_id) == (
            text.title,
            text.text,
            text.course_id,
        ):
            continue
        if row is None:
            row = SearchEntry(kind=text.kind, thing_id=text.thing_id, lang=text.lang)
            db.session.add(row)
        row.course_id, row.title, row.text = text.course_id, text.title, text.text
        db.session.flush()
        db.session.execute(delete(SearchTerm).where(SearchTerm.entry_id == row.id))
        db.session.add_all(
            SearchTerm(term=term, entry_id=row.id, weight=weight)
            for term, weight in search.pieces(text.title, text.text).items()
        )
        db.session.flush()
    gone = [one.id for one in kept.values()]
    if gone:
        db.session.execute(delete(SearchTerm).where(SearchTerm.entry_id.in_(gone)))
        db.session.execute(delete(SearchEntry).where(SearchEntry.id.in_(gone)))
        db.session.flush()
