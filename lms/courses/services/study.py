"""Acts beside the film: chapters by its educator, notes that a person writes for themselves."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from lms import policy
from lms.core import audit, ids
from lms.core.db import db
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.courses.models import Lecture, LectureNote
from lms.courses.services.base import lock, scope_of, who
from lms.policy import Actor, Permission

NOTE_CHARACTERS = 2000
MOST_NOTES = 200
"""Of one person in one lecture."""


def set_chapters(
    lecture: Lecture, chapters: Sequence[tuple[int, str, str]], *, at: datetime, by: Actor | None
) -> None:
    """Give the lecture its chapters: second, Chinese and English title, in the order of the film.

    Raises RuleBroken("chapters_order") unless each begins after the one before.
    """
    if by is not None:
        policy.require(by, Permission.COURSE_EDIT, lecture, see=Permission.COURSE_READ)
    lock(Lecture, lecture.id)
    last = -1
    for second, _zh, _en in chapters:
        if second <= last:
            raise RuleBroken(
                "chapters_order", _("Each chapter must begin after the one before."), field="chapters"
            )
        last = second
    lecture.chapters = [{"at_s": second, "zh": zh, "en": en} for second, zh, en in chapters]
    db.session.flush()
    audit.record(
        "courses.chapters.set",
        scope=scope_of(lecture.cohort),
        at=at,
        account_id=who(by),
        subject=f"lecture:{lecture.public_id}",
        count=len(chapters),
    )


def add_note(
    lecture: Lecture, *, at_s: int, text: str, client_uuid: str | None, at: datetime, by: Actor
) -> LectureNote:
    """Keep a note at a moment of a lecture, for its writer alone. The same ``client_uuid`` twice is one note."""
    policy.require(by, Permission.COURSE_READ, lecture)
    mine = (LectureNote.person_id == by.person_id,)
    if client_uuid and (
        again := db.session.scalar(select(LectureNote).where(*mine, LectureNote.client_uuid == client_uuid))
    ):
        return again
    text = text.replace("\0", "").strip()
    if not text or len(text) > NOTE_CHARACTERS:
        raise RuleBroken(
            "note_length", _("Write between 1 and %(most)s characters.", most=NOTE_CHARACTERS), field="text"
        )
    count = db.session.scalar(
        select(func.count()).select_from(LectureNote).where(*mine, LectureNote.lecture_id == lecture.id)
    )
    if (count or 0) >= MOST_NOTES:
        raise RuleBroken("too_many_notes", _("You have very many notes here. Remove some first."))
    row = LectureNote(
        public_id=ids.public_id(),
        lecture_id=lecture.id,
        person_id=by.person_id,
        client_uuid=client_uuid or None,
        at_s=max(0, at_s),
        text=text,
        made_at=at,
    )
    db.session.add(row)
    db.session.flush()
    return row


def remove_note(row: LectureNote) -> None:
    """Throw a note away; the caller found it among the writer's own."""
    db.session.delete(row)
    db.session.flush()
