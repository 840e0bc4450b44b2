"""Search across lectures, transcripts and pages: only what the searcher may see, and what is open to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lms.core import search
from lms.core.db import db
from lms.courses import queries
from lms.courses.models import Lecture, SearchEntry, SearchTerm, Unit
from lms.courses.queries.outlining import Line
from lms.policy import Actor

MOST = 50


@dataclass(frozen=True)
class Hit:
    """Something that was found."""

    kind: str
    """``lecture``, ``transcript`` or ``unit``."""
    line: Line
    before: str
    found: str
    after: str
    url: str


def find(query: str, by: Actor, *, at: datetime) -> Sequence[Hit]:
    """What answers a query, the best first."""
    wanted = search.tokens(query)
    courses = {course.id: course for course in queries.courses(by)}
    if not wanted or not courses:
        return []
    terms = {piece for token in wanted for piece in token.words | token.initials}
    rows = db.session.execute(
        select(SearchTerm.entry_id, SearchTerm.term, SearchTerm.weight)
        .join(SearchEntry, SearchEntry.id == SearchTerm.entry_id)
        .where(SearchTerm.term.in_(terms), SearchEntry.course_id.in_(list(courses)))
    ).all()
    held: dict[int, dict[str, int]] = {}
    for entry_id, term, weight in rows:
        held.setdefault(entry_id, {})[term] = weight
    likely = [
        entry_id
        for entry_id, pieces in held.items()
        if all(
            token.words <= pieces.keys() or (token.initials and token.initials <= pieces.keys())
            for token in wanted
        )
    ]
    entries = db.session.scalars(select(SearchEntry).where(SearchEntry.id.in_(likely))).all()
    ranked = sorted(
        (
            (-score, entry.id, entry)
            for entry in entries
            if (score := search.score(wanted, held[entry.id], entry.title, entry.text))
        ),
        key=lambda one: one[:2],
    )
    outlines = queries.outlines(
        [courses[course_id] for course_id in {entry.course_id for _score, _id, entry in ranked}], by, at=at
    )
    lines = {line.public_id: line for outline in outlines.values() for line in outline.steps}
    names = {
        (kind, row.id): row.public_id
        for kind, model in (("lecture", Lecture), ("unit", Unit))
        for row in db.session.execute(
            select(model.id, model.public_id).where(
                model.id.in_([one.thing_id for _score, _id, one in ranked if _thing(one) == kind])
            )
        )
    }
    hits = []
    for _score, _id, entry in ranked:
        line = lines.get(names.get((_thing(entry), entry.thing_id), ""))
        if line is None or line.closed:
            continue
        before, found, after = search.excerpt(wanted, entry.text)
        url = f"{line.url}/transcript" if entry.kind == "transcript" else line.url
        hits.append(Hit(entry.kind, line, before, found, after, url))
    return hits[:MOST]


def _thing(entry: SearchEntry) -> str:
    return "unit" if entry.kind == "unit" else "lecture"
