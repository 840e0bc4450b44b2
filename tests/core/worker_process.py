"""A worker process that tests kill: publishes one folder for each delivery that is due, slowly if told to.

``python -m tests.core.worker_process DATA DATABASE_URL QUEUE_URL SLOW_S`` works until it is stopped. Says ``begun`` once
a result is nearly ready, and sleeps then.
"""

import sys
import time
from functools import partial
from pathlib import Path

from sqlalchemy import update

from lms.core import jobs
from lms.core.db import db, transaction
from lms.core.notices import NoticeDelivery
from lms.core.storage import storage
from lms.settings import Settings, load

NAME = "tests.publish"


def publish(row_id: int, lease: jobs.Lease, *, slow_s: float = 0) -> None:
    """Make a folder, publish it under the token's name, and only then say so in the row."""
    with storage().temporary() as folder:
        out = folder / "out"
        out.mkdir()
        (out / "result.txt").write_text(f"row {row_id}")
        if slow_s:
            print("begun", flush=True)
            time.sleep(slow_s)
        key = f"out/{row_id}/{lease.token}"
        storage().publish(out, key)
    with transaction():
        lease.release()
        db.session.execute(
            update(NoticeDelivery).where(NoticeDelivery.id == row_id).values(state="sent", target=key)
        )


def gave_up(row_id: int, why: str) -> None:
    """Mark the row as failed for good."""
    db.session.execute(
        update(NoticeDelivery).where(NoticeDelivery.id == row_id).values(state="failed", failure=why)
    )


def register(*, slow_s: float = 0) -> jobs.Job:
    """Make this the only kind of work that is known."""
    jobs.JOBS.clear()
    return jobs.register(
        jobs.Job(
            name=NAME,
            model=lambda: NoticeDelivery,
            ready=lambda: NoticeDelivery.state == "due",
            run=partial(publish, slow_s=slow_s),
            gave_up=gave_up,
            max_attempts=3,
        )
    )


def settings_of(data: str, database_url: str, queue_url: str) -> Settings:
    """The settings of the test that started this process."""
    return load(
        {},
        env="test",
        data_dir=Path(data),
        database_url=database_url,
        queue_url=queue_url,
        secret_key="a secret for tests only, long enough",
        keys_passphrase="a passphrase for tests",
    )


if __name__ == "__main__":
    from lms.app import create_app

    app = create_app(settings_of(*sys.argv[1:4]))
    register(slow_s=float(sys.argv[4]))
    jobs.EVERY.clear()
    jobs.Worker(app, sweep_s=0.2).run()
