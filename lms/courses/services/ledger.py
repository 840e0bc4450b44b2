"""The rows that a player's report touches, read and written as columns.

Everybody who watches asks for them every 15 seconds, so they go around the unit of work: no objects are made of them, and
three short updates are all that is written. Whoever holds such an object in the session sees what was written.
"""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, Table, Update, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from lms.core.db import Base, db
from lms.core.errors import NotFound
from lms.courses import rules
from lms.courses.models import LectureCompletion, Video, Watch, WatchPurse, WatchSession
from lms.courses.rules import VideoState


def _table(model: type[Base]) -> Table:
    return model.__table__  # type: ignore[return-value]


@cache
def _purse_query() -> Select[Any]:
    purse = _table(WatchPurse)
    return (
        select(purse.c.filled_at, purse.c.seconds, purse.c.counted_s)
        .where(purse.c.person_id == bindparam("owner"))
        .with_for_update()
    )


@cache
def _evidence_query() -> Select[Any]:
    video, session, watch, done = (_table(one) for one in (Video, WatchSession, Watch, LectureCompletion))
    enrolment_id: Any = bindparam("enrolment_id")
    return (
        select(
            video.c.id.label("video_id"),
            video.c.duration_s,
            session.c.id.label("session_id"),
            session.c.last_seq,
            session.c.credited_s,
            session.c.known_bins,
            session.c.again_bins,
            watch.c.id.label("watch_id"),
            watch.c.bitmap,
            watch.c.watched_s,
            watch.c.position_s,
            done.c.id.label("completion_id"),
        )
        .select_from(video)
        .outerjoin(session, session.c.nonce == bindparam("player"))
        .outerjoin(watch, (watch.c.video_id == video.c.id) & (watch.c.enrolment_id == enrolment_id))
        .outerjoin(done, (done.c.lecture_id == video.c.lecture_id) & (done.c.enrolment_id == enrolment_id))
        .where(
            video.c.public_id == bindparam("version"),
            video.c.lecture_id == bindparam("lecture_id"),
            video.c.state == VideoState.READY,
        )
    )


@cache
def _update(model: type[Base], key: str, *names: str) -> Update:
    table = _table(model)
    return (
        update(table)
        .where(table.c[key] == bindparam("row"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )


def locked_purse(person_id: int, opened_at: datetime) -> Row[Any]:
    """A person's purse, which nobody else changes before this transaction ends; made where there is none."""
    db.session.flush()
    row = db.session.connection().execute(_purse_query(), {"owner": person_id}).first()
    if row is None:
        first = rules.open_purse(None, at=opened_at)
        with contextlib.suppress(IntegrityError), db.session.begin_nested():  # two first reports at once
            db.session.add(
                WatchPurse(person_id=person_id, filled_at=first.at, seconds=first.seconds, counted_s=0)
            )
        row = db.session.connection().execute(_purse_query(), {"owner": person_id}).one()
    return row


def evidence(lecture_id: int, enrolment_id: int, nonce: str, version: str) -> Row[Any]:
    """All that a report touches in one query; read after the purse was locked, so nobody else changes it meanwhile.

    Raises NotFound for a version that is not this lecture's or cannot be played.
    """
    found = (
        db.session.connection()
        .execute(
            _evidence_query(),
            {"version": version, "lecture_id": lecture_id, "enrolment_id": enrolment_id, "player": nonce},
        )
        .first()
    )
    if found is None:
        raise NotFound
    return found


def add(model: type[Base], values: Mapping[str, Any]) -> int:
    """Make a row; its key."""
    made = db.session.connection().execute(insert(_table(model)), dict(values))
    assert made.inserted_primary_key
    return int(made.inserted_primary_key[0])


def write(model: type[Base], key: int, values: Mapping[str, Any]) -> None:
    """Change a row by its key; an object of it that the session holds is read anew when it is next looked at."""
    name = "person_id" if model is WatchPurse else "id"
    db.session.connection().execute(
        _update(model, name, *values), {"row": key} | {f"new_{one}": value for one, value in values.items()}
    )
    held = db.session.identity_map.get(db.session.identity_key(model, key))
    if held is not None:
        db.session.expire(held)
