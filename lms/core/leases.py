"""Leases: who works on which rows of a table, until when, and how a result that comes too late is refused.

Part of background work; how rows are found, claimed and worked on stands in ``jobs``.
"""

import contextlib
import threading
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, String, and_, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from lms.core import clock
from lms.core.db import db, transaction


class Leased:
    """Columns of a row that a job works on."""

    lease_owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[int] = mapped_column(default=0)
    """Fencing token: grows at each claim; a worker that slept past its lease finds a larger one and its work is dropped."""
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]
    """Not to be tried again before; None: at once."""
    failure: Mapped[str | None] = mapped_column(String(400))
    """Why the last attempt failed, in words for an operator."""


class Fenced(Exception):
    """The lease was lost: another worker has the row, and this one's result must not be kept."""


class Lease:
    """One worker's hold on the rows that it took at once: on one, or on a group."""

    def __init__(self, model: type[Any], tokens: Mapping[int, int], *, lasts_s: float) -> None:
        """``tokens``: row → the fencing token that it had when it was claimed. ``lasts_s``: so long, unless renewed."""
        self.model = model
        self.tokens = dict(tokens)
        self.lasts_s = lasts_s
        self.lost = threading.Event()

    @property
    def row_ids(self) -> list[int]:
        """The rows, in their order."""
        return sorted(self.tokens)

    @property
    def row_id(self) -> int:
        """The row, where there is one."""
        (only,) = self.tokens
        return only

    @property
    def token(self) -> int:
        """The fencing token of the row, where there is one."""
        return self.tokens[self.row_id]

    def of(self, row_ids: Collection[int]) -> "Lease":
        """The hold on some of the rows."""
        return Lease(self.model, {one: self.tokens[one] for one in row_ids}, lasts_s=self.lasts_s)

    def held(self) -> "Lease":
        """Inside the final transaction: lock the rows, and give back the hold on those that are still ours.

        Raises Fenced where none is.
        """
        model = self.model
        rows = select(model.id).where(self._ours).order_by(model.id).with_for_update(key_share=True)
        ours = db.session.scalars(rows).all()
        if not ours:
            raise Fenced
        return self if len(ours) == len(self.tokens) else self.of(ours)

    def check(self) -> None:
        """Inside the final transaction: lock the rows and raise Fenced unless all are still ours."""
        if self.held() is not self:
            raise Fenced

    def release(self) -> None:
        """Inside the final transaction: check, then give the rows back."""
        self.check()
        self.free()

    def free(self) -> None:
        """The same for rows that were just found ``held``."""
        self.write(lease_owner=None, lease_until=None, failure=None)

    def write(self, **values: object) -> None:
        """Set columns of the rows. They are locked by the caller, who has made sure that they are ours."""
        db.session.execute(
            update(self.model)
            .where(self.model.id.in_(self.row_ids))
            .values(**values)
            .execution_options(synchronize_session=False)
        )

    @contextlib.contextmanager
    def kept(self, app: Flask) -> Iterator[None]:
        """Renew the lease from a thread of its own while long work runs."""
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(self.lasts_s / 3):
                with app.app_context(), contextlib.suppress(Exception), transaction():
                    self._extend()

        thread = threading.Thread(target=renew, daemon=True, name=f"lease-{self.row_ids[0]}")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @property
    def _ours(self) -> ColumnElement[bool]:
        model = self.model
        return or_(*(and_(model.id == one, model.lease_token == self.tokens[one]) for one in self.row_ids))

    def _extend(self) -> None:
        """Rows of the group that are done already keep no lease."""
        model = self.model
        held = db.session.execute(
            update(model)
            .where(self._ours, model.lease_owner.is_not(None))
            .values(lease_until=clock.now() + timedelta(seconds=self.lasts_s))
            .execution_options(synchronize_session=False)
        )
        if not held.rowcount:  # type: ignore[attr-defined]
            self.lost.set()
