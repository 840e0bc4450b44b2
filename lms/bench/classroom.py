"""A large class that gets its certificates at once: what each costs the web server and the worker, with every statement.

It is laid over a site that was measured already, so that its other figures stay what they are.
"""

from collections.abc import Iterator
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from lms.accounts import services as accounts
from lms.bench.figures import CERTIFICATE_OF_CLASS, Figure
from lms.bench.papers import FAMILY, GIVEN
from lms.bench.processes import working
from lms.bench.site import Site
from lms.bench.walk import Walk
from lms.certificates import services as certificates
from lms.certificates.models import Certificate
from lms.core import clock
from lms.core.db import db, transaction
from lms.courses import services as courses
from lms.courses.models import Lecture, LectureCompletion, Video
from lms.programmes import services as programmes
from lms.programmes.models import Cohort, Enrolment, Programme

CLASS = 1000
SHARE = 25
"""A class has so many members for each trainee of the site, and no more than ``CLASS``: a small site is measured quickly."""


def figures(app: Flask, site: Site, walk: Walk) -> Iterator[Figure]:
    """Enrol the class, let everybody have what the rule asks for, and issue to all in one batch."""
    with app.app_context():
        cohort, members = _build(min(CLASS, SHARE * site.trainees))
        db.session.remove()
    with working(walk.settings) as worker:
        batch = walk.issue(cohort, members, worker)
    with app.app_context():
        made = db.session.scalars(
            select(Certificate)
            .join(Cohort, Cohort.id == Certificate.cohort_id)
            .where(Cohort.public_id == cohort)
            .order_by(Certificate.id)
        ).all()
        db.session.remove()
    sizes = [one.pdf_bytes or 0 for one in made]
    yield walk.issued(
        "certificates of a class",
        batch,
        made=made,
        bytes_each=sum(sizes) / len(sizes),
        target=CERTIFICATE_OF_CLASS,
    )


def _build(many: int) -> tuple[str, list[str]]:
    """Public ids of a new cohort and of its members."""
    at = clock.now()
    with transaction():
        programme = db.session.scalars(select(Programme).order_by(Programme.id)).first()
        assert programme is not None
        today = clock.today(at)
        cohort = programmes.add_cohort(
            programme,
            code="CLASS",
            name_zh="大班",
            name_en="Large class",
            start_on=today - timedelta(days=100),
            end_on=today,
            hours=320,
            at=at,
            by=None,
        )
        rule = certificates.publish_rule(
            programme, {"all": [{"fact": "lectures", "at_least": "all"}]}, at=at, by=None
        )
        certificates.pin_rule(cohort, rule, at=at, by=None)
        lecture, video = _lecture(cohort)
        enrolments = [_member(number, cohort) for number in range(many)]
        db.session.add_all(
            LectureCompletion(
                enrolment_id=one.id, lecture_id=lecture.id, video_id=video.id, watched_s=30, at=at
            )
            for one in enrolments
        )
    return cohort.public_id, [one.public_id for one in enrolments]


def _lecture(cohort: Cohort) -> tuple[Lecture, Video]:
    at = clock.now()
    course = courses.add_course(cohort, code="C", title_zh="课程", title_en="Course", at=at, by=None)
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
    return lecture, video


def _member(number: int, cohort: Cohort) -> Enrolment:
    at = clock.now()
    name = FAMILY[number % 15] + GIVEN[number % 20] + GIVEN[number * 7 % 19]
    person = accounts.add_person(name_zh=name, name_latin=f"Member {number}", at=at, by=None)
    accounts.add_account(person, login=f"member{number}@bench.example", at=at, by=None)
    return programmes.enrol(person, cohort, track="PED", home_hospital=None, at=at, by=None)
