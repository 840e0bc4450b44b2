"""Work that was given up: listed with its reason, tried again, or put away by whoever keeps the site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from lms.core import audit, jobs
from lms.core.approvals import By
from lms.core.db import Base, append_only, db
from lms.core.errors import NotFound
from lms.core.figures import Figure
from lms.core.i18n import lazy


class PutAway(Base):
    """Somebody has seen that a piece of work was given up and wants to read no more of it."""

    __tablename__ = "job_put_away"
    __table_args__ = (UniqueConstraint("job", "row_id", "token"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(60))
    row_id: Mapped[int]
    token: Mapped[int]
    """Fencing token of the attempt that was given up: a later failure of the same row is listed again."""
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


append_only("job_put_away")


@dataclass(frozen=True)
class Failed:
    """One piece of work that was given up."""

    job: str
    label: str
    row_id: int
    token: int
    reason: str
    attempts: int
    can_retry: bool


def _given_up(job: jobs.Job) -> list[Failed]:
    assert job.failed is not None
    model = job.model()
    put_away = (
        select(PutAway.id)
        .where(PutAway.job == job.name, PutAway.row_id == model.id, PutAway.token == model.lease_token)
        .exists()
    )
    rows = db.session.execute(
        select(model.id, model.lease_token, model.failure, model.attempts)
        .where(job.failed(), ~put_away)
        .order_by(model.id.desc())
        .limit(MOST)
    )
    return [
        Failed(
            job.name,
            job.label,
            row.id,
            row.lease_token,
            row.failure or "",
            row.attempts,
            job.again is not None,
        )
        for row in rows
    ]


MOST = 100
"""Of one kind at a time; the next ones move up."""


def failed() -> Sequence[Failed]:
    """What was given up and not put away, the newest of each kind first."""
    return [one for job in jobs.JOBS.values() if job.failed is not None for one in _given_up(job)]


def _held(name: str, row_id: int) -> tuple[jobs.Job, Failed]:
    job = jobs.JOBS.get(name)
    if job is None or job.failed is None:
        raise NotFound
    found = next((one for one in _given_up(job) if one.row_id == row_id), None)
    if found is None:
        raise NotFound
    return job, found


def retry(name: str, row_id: int, *, by: By, at: datetime) -> None:
    """Let a worker try once more from the beginning. Raises NotFound for what was not given up."""
    job, found = _held(name, row_id)
    if job.again is None:
        raise NotFound
    model = job.model()
    db.session.execute(
        update(model)
        .where(model.id == row_id)
        .values(attempts=0, retry_at=None, failure=None, **job.again)
        .execution_options(synchronize_session=False)
    )
    _record("retry", found, by=by, at=at)
    jobs.enqueue(name, row_id)


def put_away(name: str, row_id: int, *, by: By, at: datetime) -> None:
    """List it no more; the row itself stays as it is. Raises NotFound for what was not given up."""
    _job, found = _held(name, row_id)
    db.session.add(PutAway(job=name, row_id=row_id, token=found.token, account_id=by.account_id, at=at))
    db.session.flush()
    _record("put_away", found, by=by, at=at)


def _record(act: str, found: Failed, *, by: By, at: datetime) -> None:
    audit.record(
        f"core.job.{act}",
        scope="site",
        at=at,
        account_id=by.account_id,
        subject=f"job:{found.job}:{found.row_id}",
        reason=found.reason[:200],
    )


def figures(at: datetime) -> list[Figure]:
    """How much work waits and how much was given up, by kind."""
    waiting = jobs.backlog(at)
    found = [
        Figure("jobs_waiting", lazy("Work that waits"), count, {"job": name})
        for name, count in waiting.items()
    ]
    for job in jobs.JOBS.values():
        if job.failed is not None:
            count = db.session.scalar(select(func.count()).select_from(job.model()).where(job.failed())) or 0
            found.append(Figure("jobs_given_up", lazy("Work that was given up"), count, {"job": job.name}))
    return found
