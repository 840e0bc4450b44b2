"""Watch evidence: what a player reports, counted within what the wall clock allows."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import load_only

from lms.core import audit, ports
from lms.core.db import db
from lms.core.errors import NotFound
from lms.courses import rules
from lms.courses.models import Lecture, LectureCompletion, Replay, Video, Watch, WatchPurse, WatchSession
from lms.courses.rules import Purse, VideoState, replays
from lms.courses.services.addresses import offline_lease, read_session
from lms.programmes.models import Enrolment


@dataclass(frozen=True)
class Counted:
    """The server's answer to a player's report."""

    acked_seq: int
    watched_s: int
    duration_s: int
    percent: int
    complete: bool


def beat(
    lecture: Lecture,
    enrolment: Enrolment,
    *,
    session: str,
    seq: int,
    intervals: object,
    position_s: float | None,
    at: datetime,
    again: object = (),
) -> Counted:
    """Count a player's report: union of intervals, within what the wall clock allows, each report once.

    The caller has checked that the trainee may watch the lecture. ``session`` is the token of a page or an offline lease.
    The version is the one that the player was opened
    with: who watches while the video is replaced is not refused. ``again``: what of the intervals was played a second
    time on this page; it adds nothing to the evidence, only to the map of what is watched again. Raises RuleBroken for a
    forged session or intervals that nobody can have played.
    """
    token = read_session(session, enrolment)
    nonce, opened_at, video_public_id = token.nonce, token.opened_at, token.video_public_id
    played = rules.intervals_from(intervals)
    repeated = rules.intervals_from(list(again) if isinstance(again, list | tuple) else again)
    purse_row = _locked_purse(enrolment.person_id, opened_at)
    row, player, watch, done = _evidence(lecture, enrolment, nonce, video_public_id)
    if player is None:
        player = WatchSession(
            nonce=nonce,
            enrolment_id=enrolment.id,
            video_id=row.id,
            opened_at=opened_at,
            last_seq=0,
            credited_s=0,
            known_bins=replays.known_parts(watch.bitmap, row.duration_s) if watch and watch.bitmap else None,
        )
        db.session.add(player)
    if watch is None:
        watch = Watch(
            enrolment_id=enrolment.id,
            lecture_id=lecture.id,
            video_id=row.id,
            bitmap=b"",
            watched_s=0,
            position_s=0.0,
            updated_at=at,
        )
        db.session.add(watch)
    if seq > player.last_seq:
        purse = rules.fill_purse(_purse(purse_row, opened_at), at=at)
        if token.counted_then_s is None:
            budget = rules.wall_budget_s(
                purse, session_opened_at=opened_at, session_credited_s=player.credited_s, at=at
            )
        else:
            budget = rules.lease_budget_s(
                opened_at=opened_at,
                counted_then_s=token.counted_then_s,
                counted_now_s=purse_row.counted_s,
                at=at,
            )
        watch.bitmap, credited = rules.credit(
            watch.bitmap, played, duration_s=row.duration_s, wall_budget_s=budget
        )
        purse = (
            rules.spend(purse, credited)
            if token.counted_then_s is None
            else rules.at_most(purse, budget - credited)  # the same hours are not worth twice
        )
        purse_row.filled_at, purse_row.seconds = purse.at, purse.seconds
        purse_row.counted_s += credited
        player.last_seq = seq
        player.credited_s += credited
        if repeated or player.known_bins:
            _note_replays(player, played, repeated, row, at=at)
        watch.watched_s = rules.watched_seconds(watch.bitmap)
        watch.updated_at = at
        if position_s is not None and 0 <= position_s <= row.duration_s + 1:
            watch.position_s = position_s
    share = Fraction(watch.watched_s, row.duration_s)
    db.session.flush()
    if not done and rules.is_complete(share) and not _waits(lecture.id, enrolment.person_id):
        _complete(lecture, enrolment, row, watch, at=at)
        done = True
    return Counted(player.last_seq, watch.watched_s, row.duration_s, rules.shown_percent(share), done)


def _note_replays(
    player: WatchSession,
    played: list[rules.Interval],
    repeated: list[rules.Interval],
    row: Video,
    *,
    at: datetime,
) -> None:
    """Count the parts that this visit has watched again and that were not counted for it before; no name goes along."""
    counted, new = replays.watched_again(
        played,
        repeated,
        known=player.known_bins or b"",
        counted=player.again_bins or b"",
        duration_s=row.duration_s,
        alive_s=min((at - player.opened_at).total_seconds(), rules.LEASE_LASTS_S),
        credited_s=player.credited_s,
    )
    if not new:
        return
    player.again_bins = counted
    insert: Any = postgresql.insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    rows = [
        {"video_id": row.id, "bin": place, "times": 1} for place in new
    ]  # in order: no two ever wait in a ring
    db.session.execute(
        insert(Replay)
        .values(rows)
        .on_conflict_do_update(index_elements=["video_id", "bin"], set_={"times": Replay.times + 1})
    )


def give_lease(lecture: Lecture, enrolment: Enrolment, *, at: datetime) -> str:
    """A lease for the present version, for whoever keeps it on a phone. Raises NotFound where nothing can be played."""
    row = db.session.scalar(
        select(Video).where(Video.id == lecture.video_id, Video.state == VideoState.READY)
    )
    if row is None:
        raise NotFound
    counted = db.session.scalar(
        select(WatchPurse.counted_s).where(WatchPurse.person_id == enrolment.person_id)
    )
    return offline_lease(row, enrolment, counted_s=counted or 0, at=at)


def _waits(lecture_id: int, person_id: int) -> bool:
    """Whether a checkpoint of the lecture that is required has no answer yet."""
    return any(provider.wait(lecture_id, person_id) for provider in ports.checkpoints)


def complete_if_watched(enrolment_id: int, lecture_id: int, at: datetime) -> None:
    """A checkpoint was answered: the lecture counts as watched if only that was missing. Twice is once."""
    row = db.session.execute(
        select(Watch, Video, Lecture, Enrolment)
        .join(Video, Video.id == Watch.video_id)
        .join(Lecture, Lecture.id == Watch.lecture_id)
        .join(Enrolment, Enrolment.id == Watch.enrolment_id)
        .where(Watch.enrolment_id == enrolment_id, Watch.lecture_id == lecture_id)
        .order_by(Watch.watched_s.desc())
        .limit(1)
    ).first()
    if row is None:
        return
    watch, video, lecture, enrolment = row
    _locked_purse(enrolment.person_id, at)
    done = db.session.scalar(
        select(LectureCompletion.id).where(
            LectureCompletion.enrolment_id == enrolment_id, LectureCompletion.lecture_id == lecture_id
        )
    )
    is_watched = video.duration_s > 0 and rules.is_complete(Fraction(watch.watched_s, video.duration_s))
    if done is None and is_watched and not _waits(lecture_id, enrolment.person_id):
        _complete(lecture, enrolment, video, watch, at=at)


@cache
def _evidence_query() -> Select[Video, WatchSession, Watch, int]:
    enrolment_id: Any = bindparam("enrolment_id")
    return (
        select(Video, WatchSession, Watch, LectureCompletion.id)
        .select_from(Video)
        .options(load_only(Video.duration_s))
        .outerjoin(WatchSession, WatchSession.nonce == bindparam("player"))
        .outerjoin(Watch, (Watch.video_id == Video.id) & (Watch.enrolment_id == enrolment_id))
        .outerjoin(
            LectureCompletion,
            (LectureCompletion.lecture_id == Video.lecture_id)
            & (LectureCompletion.enrolment_id == enrolment_id),
        )
        .where(
            Video.public_id == bindparam("version"),
            Video.lecture_id == bindparam("lecture_id"),
            Video.state == VideoState.READY,
        )
    )


@cache
def _purse_query() -> Select[WatchPurse]:
    return (
        select(WatchPurse)
        .where(WatchPurse.person_id == bindparam("owner"))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _evidence(
    lecture: Lecture, enrolment: Enrolment, nonce: str, video_public_id: str
) -> tuple[Video, WatchSession | None, Watch | None, bool]:
    """All that a report touches in one query; read after the purse was locked, so nobody else changes it meanwhile."""
    found = db.session.execute(
        _evidence_query(),
        {
            "version": video_public_id,
            "lecture_id": lecture.id,
            "enrolment_id": enrolment.id,
            "player": nonce,
        },
    ).first()
    if found is None:
        raise NotFound
    return found[0], found[1], found[2], found[3] is not None


def _locked_purse(person_id: int, opened_at: datetime) -> WatchPurse:
    row = db.session.scalar(_purse_query(), {"owner": person_id})
    if row is None:
        first = rules.open_purse(None, at=opened_at)
        with contextlib.suppress(IntegrityError), db.session.begin_nested():  # two first reports at once
            db.session.add(
                WatchPurse(person_id=person_id, filled_at=first.at, seconds=first.seconds, counted_s=0)
            )
        row = db.session.scalars(_purse_query(), {"owner": person_id}).one()
    return row


def _purse(row: WatchPurse, opened_at: datetime) -> Purse:
    kept = Purse(row.filled_at, row.seconds)
    return kept if kept.at >= opened_at else rules.open_purse(kept, at=opened_at)


def _complete(lecture: Lecture, enrolment: Enrolment, row: Video, watch: Watch, *, at: datetime) -> None:
    db.session.add(
        LectureCompletion(
            enrolment_id=enrolment.id,
            lecture_id=lecture.id,
            video_id=row.id,
            watched_s=watch.watched_s,
            at=at,
        )
    )
    db.session.flush()
    audit.record(
        "courses.lecture.complete",
        scope=f"learning:{enrolment.id}",
        at=at,
        account_id=None,
        subject=f"lecture:{lecture.public_id}",
        seconds=watch.watched_s,
    )
    ports.fact_changed.tell(ports.FactChanged("lectures", enrolment.id, at))
