"""Watch evidence: what a player reports, counted within what the wall clock allows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

from sqlalchemy import Row, or_, select, update

from lms.core import audit, ports
from lms.core.db import db, upsert
from lms.core.errors import NotFound
from lms.courses import rules
from lms.courses.models import Lecture, LectureCompletion, Replay, Video, Watch, WatchPurse, WatchSession
from lms.courses.rules import Purse, VideoState, replays
from lms.courses.services import ledger
from lms.courses.services.addresses import Session, offline_lease, read_session
from lms.programmes.models import Enrolment

FORGOTTEN_AT_ONCE = 1000


class Watchable(Protocol):
    """A lecture, as far as a report needs to know it."""

    @property
    def id(self) -> int:
        """Its key."""

    @property
    def public_id(self) -> str:
        """Its name in addresses."""


class Learner(Protocol):
    """An enrolment, as far as a report needs to know it."""

    @property
    def id(self) -> int:
        """Its key."""

    @property
    def person_id(self) -> int:
        """Whose it is."""


@dataclass(frozen=True)
class Counted:
    """The server's answer to a player's report."""

    acked_seq: int
    watched_s: int
    duration_s: int
    percent: int
    complete: bool


def beat(
    lecture: Watchable,
    enrolment: Learner,
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
    opened_at = token.opened_at
    played = rules.intervals_from(intervals)
    repeated = rules.intervals_from(list(again) if isinstance(again, list | tuple) else again)
    purse_row = ledger.locked_purse(enrolment.person_id, opened_at)
    row = ledger.evidence(lecture.id, enrolment.id, token.nonce, token.video_public_id)
    last_seq, watched_s, done = row.last_seq or 0, row.watched_s or 0, row.completion_id is not None
    if seq > last_seq:
        purse = rules.fill_purse(_purse(purse_row, opened_at), at=at)
        if token.counted_then_s is None:
            budget = rules.wall_budget_s(
                purse, session_opened_at=opened_at, session_credited_s=row.credited_s or 0, at=at
            )
        else:
            budget = rules.lease_budget_s(
                opened_at=opened_at,
                counted_then_s=token.counted_then_s,
                counted_now_s=purse_row.counted_s,
                at=at,
            )
        bitmap, credited = rules.credit(
            row.bitmap or b"", played, duration_s=row.duration_s, wall_budget_s=budget
        )
        purse = (
            rules.spend(purse, credited)
            if token.counted_then_s is None
            else rules.at_most(purse, budget - credited)  # the same hours are not worth twice
        )
        last_seq = seq
        watched_s = rules.watched_seconds(bitmap) if credited or row.watch_id is None else watched_s
        moved = position_s is not None and 0 <= position_s <= row.duration_s + 1
        ledger.write(
            WatchPurse,
            enrolment.person_id,
            {
                "filled_at": purse.at,
                "seconds": purse.seconds,
                "counted_s": purse_row.counted_s + credited,
            },
        )
        _keep_watch(
            lecture,
            enrolment,
            row,
            {
                "bitmap": bitmap,
                "watched_s": watched_s,
                "position_s": position_s if moved else row.position_s or 0.0,
                "updated_at": at,
            },
        )
        _keep_player(token, enrolment, row, seq, (row.credited_s or 0) + credited, played, repeated, at=at)
    share = Fraction(watched_s, row.duration_s)
    if not done and rules.is_complete(share) and not _waits(lecture.id, enrolment.person_id):
        _complete(lecture, enrolment, row.video_id, watched_s, at=at)
        done = True
    return Counted(last_seq, watched_s, row.duration_s, rules.shown_percent(share), done)


def _keep_watch(lecture: Watchable, enrolment: Learner, row: Row[Any], values: dict[str, Any]) -> None:
    if row.watch_id is not None:
        ledger.write(Watch, row.watch_id, values)
        return
    keys = {"enrolment_id": enrolment.id, "lecture_id": lecture.id, "video_id": row.video_id}
    ledger.add(Watch, keys | values)


def _keep_player(
    token: Session,
    enrolment: Learner,
    row: Row[Any],
    seq: int,
    credited_s: int,
    played: list[rules.Interval],
    repeated: list[rules.Interval],
    *,
    at: datetime,
) -> None:
    known = row.known_bins
    is_over = at - token.opened_at >= timedelta(days=replays.VISIT_COUNTS_DAYS)
    if row.session_id is None and row.bitmap and not is_over:
        known = replays.known_parts(row.bitmap, row.duration_s)
    values: dict[str, Any] = {"last_seq": seq, "credited_s": credited_s}
    if (repeated or known) and not is_over:
        counted, new = replays.watched_again(
            played,
            repeated,
            known=known or b"",
            counted=row.again_bins or b"",
            duration_s=row.duration_s,
            alive_s=min((at - token.opened_at).total_seconds(), rules.LEASE_LASTS_S),
            credited_s=credited_s,
        )
        if new:
            values["again_bins"] = counted
            _count_replays(row.video_id, new)
    if row.session_id is not None:
        ledger.write(WatchSession, row.session_id, values)
        return
    keys = {
        "nonce": token.nonce,
        "enrolment_id": enrolment.id,
        "video_id": row.video_id,
        "opened_at": token.opened_at,
        "known_bins": known,
    }
    ledger.add(WatchSession, keys | values)


def _count_replays(video_id: int, parts: list[int]) -> None:
    """One more visit in which these parts were watched again; no name goes along."""
    rows = [
        {"video_id": video_id, "bin": place, "times": 1} for place in parts
    ]  # in the order of the film: no two reports ever wait for each other
    db.session.execute(
        upsert(Replay)
        .values(rows)
        .on_conflict_do_update(index_elements=["video_id", "bin"], set_={"times": Replay.times + 1})
    )


def forget_parts(at: datetime) -> None:
    """Of visits that count no more, forget which parts they knew and counted; their numbers and clocks stay.

    At most ``FORGOTTEN_AT_ONCE`` in one go, the oldest first, so that reports never wait for long.
    """
    old = (
        select(WatchSession.id)
        .where(
            WatchSession.opened_at < at - timedelta(days=replays.VISIT_COUNTS_DAYS),
            or_(WatchSession.known_bins.is_not(None), WatchSession.again_bins.is_not(None)),
        )
        .order_by(WatchSession.opened_at)
        .limit(FORGOTTEN_AT_ONCE)
    )
    db.session.execute(
        update(WatchSession)
        .where(WatchSession.id.in_(old.scalar_subquery()))
        .values(known_bins=None, again_bins=None)
        .execution_options(synchronize_session=False)
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
    ledger.locked_purse(enrolment.person_id, at)
    done = db.session.scalar(
        select(LectureCompletion.id).where(
            LectureCompletion.enrolment_id == enrolment_id, LectureCompletion.lecture_id == lecture_id
        )
    )
    is_watched = video.duration_s > 0 and rules.is_complete(Fraction(watch.watched_s, video.duration_s))
    if done is None and is_watched and not _waits(lecture_id, enrolment.person_id):
        _complete(lecture, enrolment, video.id, watch.watched_s, at=at)


def _purse(row: Row[Any], opened_at: datetime) -> Purse:
    kept = Purse(row.filled_at, row.seconds)
    return kept if kept.at >= opened_at else rules.open_purse(kept, at=opened_at)


def _complete(lecture: Watchable, enrolment: Learner, video_id: int, watched_s: int, *, at: datetime) -> None:
    db.session.add(
        LectureCompletion(
            enrolment_id=enrolment.id,
            lecture_id=lecture.id,
            video_id=video_id,
            watched_s=watched_s,
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
        seconds=watched_s,
    )
    ports.fact_changed.tell(ports.FactChanged("lectures", enrolment.id, at))
