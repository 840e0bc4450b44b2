"""Courses for the tests of lectures: one published course, with a real lecture where a test needs one that plays."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from sqlalchemy import select

from lms.core import video
from lms.core.db import db, transaction
from lms.core.ids import public_id
from lms.core.storage import storage
from lms.courses import services
from lms.courses.models import Course, Lecture, Module, Video
from tests.cast import Cast


def clip(
    path: Path, *, seconds: int = 4, size: str = "320x180", picture: bool = True, sound: bool = True
) -> Path:
    """Make a small real film with the ffmpeg that the product uses."""
    command = [video.find_ffmpeg(), "-nostdin", "-v", "error", "-y"]
    if picture:
        command += ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=10:duration={seconds}"]
    if sound:
        command += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:a", "aac"]
    if picture:
        command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def film(shared_dir: Path) -> Path:
    """A film of four seconds."""
    return clip(shared_dir / "film.mp4", size="160x90")


@pytest.fixture(scope="session")
def made(film: Path, shared_dir: Path) -> tuple[Path, video.Manifest]:
    """The published folder of that film, transcoded once for all tests of a run."""
    folder = shared_dir / "made"
    return folder, video.transcode(film, folder)


@pytest.fixture
def course(bare_app: Flask, cast: Cast, at: datetime) -> Course:
    """A published course with one module."""
    with bare_app.app_context(), transaction():
        course = services.add_course(
            cast.cohort, code="C1", title_zh="儿科急症", title_en="Emergencies", at=at, by=None
        )
        services.publish_course(course, at=at, by=None)
        services.add_module(course, title_zh="休克", title_en="Shock", at=at, by=None)
        return course


@pytest.fixture
def add_lecture(bare_app: Flask, course: Course, at: datetime) -> Callable[..., Lecture]:
    """Add lectures with a video of any length (rows only; its files are not there)."""

    def add(*, seconds: int = 0, published: bool = True, title: str = "Lecture") -> Lecture:
        with bare_app.app_context(), transaction():
            module = db.session.query(Module).filter_by(course_id=course.id).one()
            module.course = course
            lecture = services.add_lecture(
                module,
                title_zh="讲座",
                title_en=title,
                key_points=[{"zh": "要点", "en": "Key point"}],
                at=at,
                by=None,
            )
            if seconds:
                ready(lecture, seconds, at)
            if published:
                services.publish_lecture(lecture, at=at, by=None)
            return lecture

    return add


def ready(lecture: Lecture, seconds: int, at: datetime) -> Video:
    """A ready version of a video of this length; nothing lies in its folder."""
    last = db.session.query(Video).filter_by(lecture_id=lecture.id).count()
    key = public_id()
    row = Video(
        public_id=key,
        lecture_id=lecture.id,
        version=last + 1,
        source_key=f"sources/{key}",
        source_bytes=1,
        source_sha256="0" * 64,
        uploaded_at=at,
        state="ready",
        duration_s=seconds,
        lite_bytes=1_234_567,
        audio_bytes=345_678,
        folder_key=f"lectures/{key}/1",
        manifest={
            "master": "master.m3u8",
            "video_file": "lite.mp4",
            "audio_file": "audio.m4a",
            "poster": "poster.webp",
            "width": 640,
            "height": 360,
        },
    )
    db.session.add(row)
    db.session.flush()
    lecture.video_id = row.id
    lecture.video = row
    return row


@pytest.fixture
def lecture(add_lecture: Callable[..., Lecture]) -> Lecture:
    """A published lecture of a hundred seconds."""
    return add_lecture(seconds=100)


@pytest.fixture
def playable(
    bare_app: Flask, add_lecture: Callable[..., Lecture], made: tuple[Path, video.Manifest], at: datetime
) -> SimpleNamespace:
    """A published lecture whose files are really there."""
    folder, manifest = made
    lecture = add_lecture()
    with bare_app.app_context(), transaction():
        lecture = db.session.get_one(Lecture, lecture.id)
        row = ready(lecture, manifest.seconds, at)
        with storage().temporary() as temporary:
            shutil.copytree(folder, temporary / "out")
            storage().publish(temporary / "out", row.folder_key or "")
        return SimpleNamespace(lecture=lecture, video=row, folder=folder)


def fresh() -> None:
    """See what others have committed meanwhile."""
    db.session.rollback()
    db.session.expire_all()


@pytest.fixture
def page(app, cast, course, at):
    """A published page with a formula."""
    with transaction():
        unit = services.add_unit(
            one_module(course),
            kind="page",
            title_zh="补液",
            title_en="Fluids",
            body_zh="先 $\\frac{20}{1}$ mL/kg",
            body_en="First $\\frac{20}{1}$ mL/kg",
            at=at,
            by=cast.educator,
        )
        services.publish_unit(unit, at=at, by=cast.educator)
    return unit


def one_module(course):
    module = db.session.scalars(select(Module).where(Module.course_id == course.id)).first()
    module.course = course
    return module


@pytest.fixture
def append_lecture(app, course, at):
    """Append a published lecture in the test's own session."""

    def add(*, seconds=0, title="Lecture"):
        with transaction():
            lecture = services.add_lecture(
                one_module(course), title_zh="讲座", title_en=title, at=at, by=None
            )
            if seconds:
                ready(lecture, seconds, at)
            services.publish_lecture(lecture, at=at, by=None)
        return lecture

    return add
