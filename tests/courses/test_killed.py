"""A worker killed at ten moments of its work: learners see the old film or the new one, and never anything between."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lms.core import clock
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.core.storage import storage
from lms.core.video import Manifest
from lms.courses import queries, services
from lms.courses.models import Lecture, Video
from tests.courses.conftest import clip, fresh
from tests.courses.test_desk import DYING, _running

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("moment", range(10))
def test_killed_at_any_moment_the_old_film_stays_and_the_new_one_comes_whole(
    app, bare_app, cast, lecture, shared_dir, settings, at, moment
):
    film = shared_dir / "killed.mp4"
    if not film.exists():
        clip(film, seconds=8, size="320x180")
    old = db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one()
    with transaction(), film.open("rb") as file:
        services.receive_video(
            queries.lecture(lecture.public_id, cast.educator),
            storage().receive(file, limit_bytes=1 << 30),
            name="film.mp4",
            client_uuid=None,
            at=at,
            by=cast.educator,
        )
    given = {
        "data_dir": str(settings.data_dir),
        "database_url": settings.database_url,
        "queue_url": settings.queue_url,
        "secret_key": settings.secret_key,
        "keys_passphrase": settings.keys_passphrase,
    }
    worker = subprocess.Popen([sys.executable, "-c", DYING, repr(given)], cwd=Path(__file__).parents[2])
    try:
        for _wait in range(600):
            fresh()
            row = db.session.scalars(select(Video).where(Video.id != old)).one()
            if row.state != "uploaded":
                break
            time.sleep(0.02)
        db.session.rollback()
        time.sleep(moment * 0.35)
    finally:
        worker.kill()
        worker.wait()
    assert not _running(str(storage().root)), "ffmpeg died with its worker"
    fresh()
    row = db.session.scalars(select(Video).where(Video.id != old)).one()
    shown = db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one()
    assert shown == (row.id if row.state == "ready" else old)
    with clock.travelled(timedelta(seconds=90)):
        Worker(bare_app).drain()
    fresh()
    row = db.session.scalars(select(Video).where(Video.id != old)).one()
    assert row.state == "ready"
    assert db.session.scalars(select(Lecture.video_id).where(Lecture.id == lecture.id)).one() == row.id
    folder = storage().path(row.folder_key)
    manifest = Manifest.load(folder)
    assert all((folder / one.playlist).exists() for one in manifest.renditions)
    assert manifest.size_bytes == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"
    )
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], (
        "nothing of a dead attempt is left"
    )
