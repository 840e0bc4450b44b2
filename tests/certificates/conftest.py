"""A cohort with a rule, and a shortcut past the facts: they are tested where they are made."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from lms.certificates import queries, services
from lms.certificates.models import Certificate
from lms.core import signing
from lms.core.db import db, transaction
from lms.core.jobs import Worker
from lms.courses import services as courses
from lms.courses.models import LectureCompletion, Video
from tests.cast import Cast


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory):
    """A signing authority made once for all tests."""
    from datetime import UTC, datetime

    folder = tmp_path_factory.mktemp("authority") / "keys"
    signing.create_authority(
        folder,
        organisation="Test hospital",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        passphrase="a passphrase for tests",
    )
    return folder


@pytest.fixture
def keys(settings, authority) -> None:
    """The site has its signing keys."""
    settings.keys_dir.symlink_to(authority)


@pytest.fixture
def ruled(bare_app, cast: Cast, at) -> Cast:
    """The cohort runs under a rule of one lecture; there is one published lecture."""
    with bare_app.app_context(), transaction():
        course = courses.add_course(cast.cohort, code="C", title_zh="课程", title_en="Course", at=at, by=None)
        courses.publish_course(course, at=at, by=None)
        module = courses.add_module(course, title_zh="模块", title_en="Module", at=at, by=None)
        lecture = courses.add_lecture(module, title_zh="讲座", title_en="Lecture", at=at, by=None)
        video = Video(
            lecture_id=lecture.id,
            version=1,
            source_key="x",
            source_bytes=1,
            source_sha256="0" * 64,
            uploaded_at=at,
            state="ready",
            duration_s=30,
        )
        db.session.add(video)
        db.session.flush()
        lecture.video_id = video.id
        courses.publish_lecture(lecture, at=at, by=None)
        rule = services.publish_rule(
            cast.programme, {"all": [{"fact": "lectures", "at_least": "all"}]}, at=at, by=None
        )
        services.pin_rule(cast.cohort, rule, at=at, by=None)
    return cast


@pytest.fixture
def complete(bare_app, ruled: Cast, at) -> Callable[..., None]:
    """Let a trainee have watched everything."""
    from sqlalchemy import select

    from lms.core import ports
    from lms.courses.models import Lecture

    def act(enrolment) -> None:
        with bare_app.app_context(), transaction():
            lecture = db.session.scalars(select(Lecture)).one()
            db.session.add(
                LectureCompletion(
                    enrolment_id=enrolment.id,
                    lecture_id=lecture.id,
                    video_id=lecture.video_id,
                    watched_s=30,
                    at=at,
                )
            )
            db.session.flush()
            ports.fact_changed.tell(ports.FactChanged("lectures", enrolment.id, at))

    return act


def issue_to(cast, enrolment, at, *, uuid="one"):
    """Issue to one trainee, by the administrator."""
    chosen = queries.chosen(cast.cohort, [enrolment.public_id])
    with transaction():
        return services.issue(cast.cohort, chosen, client_uuid=uuid, at=at, by=cast.administrator)


@pytest.fixture
def issued(app, bare_app, ruled, complete, keys, at) -> Certificate:
    """Li Siyuan's certificate, made and good."""
    complete(ruled.enrolment)
    issue_to(ruled, ruled.enrolment, at)
    Worker(bare_app).drain()
    db.session.expire_all()
    return db.session.scalars(select(Certificate)).one()
