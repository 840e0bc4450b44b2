"""Rate limits: how often a key (an account at sign-in, a network address, a serial being guessed) may be tried.

The rule is the generic cell rate algorithm: one number for each key, the instant at which its allowance will be whole
again. A burst of ``limit`` tries is let through, then one more each ``per_s / limit`` seconds; a refused try costs
nothing, so nobody can lock another person out for longer than the rate itself.

A count outlives the act it belongs to: a wrong password rolls its form back, and is still counted. So counters are
written through a connection of their own. On SQLite that connection leads to a file of their own beside the database,
since a request that holds the database's only write lock could not wait for itself.
"""

import hashlib
import math
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Float, String, case, create_engine, delete, event, select, update
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import CreateTable

from lms.core.db import Base, db, upsert
from lms.core.errors import TooManyTries

_MAKING = threading.Lock()


class RateLimit(Base):
    """Allowance of one key. On SQLite the rows live in a file of their own (see the module)."""

    __tablename__ = "rate_limit"

    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Digest of the key: keys hold addresses of people and of networks."""
    full_at: Mapped[float] = mapped_column(Float, index=True)
    """When the whole allowance is back, in seconds since 1970; a row whose instant is past means nothing."""


class Counter(Protocol):
    """Where allowances are kept; a site with many machines may keep them in another place than the database."""

    def take(self, key: str, *, step_s: float, span_s: float, now: float) -> float | None:
        """Take one try: None, or how many seconds to wait when the allowance is used up. One atomic act."""

    def give_back(self, key: str, *, step_s: float) -> None:
        """Give one try back."""

    def forget(self, key: str) -> None:
        """Give the whole allowance back."""

    def sweep(self, *, now: float) -> int:
        """Drop rows that mean nothing any more; returns how many."""


class TableCounter:
    """Allowances in the table ``rate_limit``, each act one statement that commits by itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def take(self, key: str, *, step_s: float, span_s: float, now: float) -> float | None:
        """See Counter."""
        full = case((RateLimit.full_at > now, RateLimit.full_at), else_=now) + step_s
        statement = (
            upsert(RateLimit, dialect=self._engine.dialect.name)
            .values(key_sha256=key, full_at=now + step_s)
            .on_conflict_do_update(
                index_elements=[RateLimit.key_sha256],
                set_={"full_at": full},
                where=full <= now + span_s + _ROUNDING_S,
            )
            .returning(RateLimit.full_at)
        )
        with self._engine.connect() as connection:
            if connection.execute(statement).first():
                return None
            full_at = connection.scalar(select(RateLimit.full_at).where(RateLimit.key_sha256 == key))
        return max(0.0, (full_at or now) + step_s - span_s - now)

    def give_back(self, key: str, *, step_s: float) -> None:
        """See Counter."""
        with self._engine.connect() as connection:
            connection.execute(
                update(RateLimit)
                .where(RateLimit.key_sha256 == key)
                .values(full_at=RateLimit.full_at - step_s)
            )

    def forget(self, key: str) -> None:
        """See Counter."""
        with self._engine.connect() as connection:
            connection.execute(delete(RateLimit).where(RateLimit.key_sha256 == key))

    def sweep(self, *, now: float) -> int:
        """See Counter."""
        with self._engine.connect() as connection:
            return connection.execute(delete(RateLimit).where(RateLimit.full_at < now)).rowcount


_ROUNDING_S = 1e-6
"""Adding ``per_s / limit`` ``limit`` times may pass ``per_s`` by the last bit; that is no further try."""


def hit(key: str, *, limit: int, per_s: float, at: datetime) -> None:
    """Count one try for ``key``; at most ``limit`` at once, and ``limit`` in ``per_s`` seconds in the long run.

    Stays counted when the caller's transaction is rolled back. Raises TooManyTries with the seconds to wait.
    """
    if limit < 1 or per_s <= 0:
        raise ValueError("a limit needs at least one try in some time")
    wait_s = _counter().take(_digest(key), step_s=per_s / limit, span_s=per_s, now=at.timestamp())
    if wait_s is not None:
        raise TooManyTries(max(1, math.ceil(wait_s)))


def give_back(key: str, *, limit: int, per_s: float) -> None:
    """Take back one counted try that turned out well, where good tries of many people share a key."""
    _counter().give_back(_digest(key), step_s=per_s / limit)


def clear(key: str) -> None:
    """Forget the tries for ``key`` (after the right password)."""
    _counter().forget(_digest(key))


def sweep(at: datetime) -> None:
    """Drop counters that mean nothing any more; one of the worker's chores."""
    _counter().sweep(now=at.timestamp())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


_counters: WeakKeyDictionary[Engine, Counter] = WeakKeyDictionary()


def _counter() -> Counter:
    """The counter beside the current database, made at first use."""
    engine = db.engine
    found = _counters.get(engine)
    if found is None:
        with _MAKING:
            found = _counters.get(engine) or TableCounter(_engine_for(engine))
            _counters[engine] = found
    return found


def _engine_for(engine: Engine) -> Engine:
    """The database's engine; on SQLite one for the file of the counters."""
    if engine.dialect.name != "sqlite":
        return engine
    database = engine.url.database
    if not database or database == ":memory:":
        beside = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        path = Path(database)
        beside = create_engine(
            f"sqlite:///{path.with_name(path.name + '-limits')}",
            poolclass=NullPool,
            connect_args={"timeout": 20},
        )

    @event.listens_for(beside, "connect")
    def _connect(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")  # counters may be lost with the power: no wait for the disk

    with beside.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.execute(CreateTable(RateLimit.__table__, if_not_exists=True))  # type: ignore[arg-type]
    return beside
