"""Two thousand who sit one test: the board's questions, and what “for all” costs."""

import secrets

import pytest
from sqlalchemy import func, insert, select

from lms.accounts.models import Person
from lms.assessments import models, queries, services
from lms.core import ids
from lms.core.db import db, transaction
from lms.programmes.models import Enrolment
from tests.conftest import QueryCounter

MANY = 2_000
MOST_QUERIES = 12


@pytest.fixture
def crowd(desk, at):
    """Two thousand more trainees of the cohort, each of them sitting; written in bulk."""
    with desk.app.app_context(), transaction():
        model = db.session.scalars(
            select(Enrolment).where(Enrolment.cohort_id == desk.test.cohort_id)
        ).first()
        copied = {
            column.name: getattr(model, column.key)
            for column in Enrolment.__table__.columns
            if column.name not in {"id", "public_id", "person_id"}
        }
        person = db.session.get_one(Person, model.person_id)
        described = {
            column.name: getattr(person, column.key)
            for column in Person.__table__.columns
            if column.name not in {"id", "public_id"}
        }
        people = [{**described, "public_id": ids.public_id(), "name_zh": f"考生{n}"} for n in range(MANY)]
        numbers = db.session.scalars(insert(Person.__table__).returning(Person.__table__.c.id), people).all()
        rows = [{**copied, "public_id": ids.public_id(), "person_id": number} for number in numbers]
        enrolled = db.session.execute(
            insert(Enrolment.__table__).returning(Enrolment.__table__.c.id, Enrolment.__table__.c.person_id),
            rows,
        ).all()
        sittings = [
            {
                "public_id": ids.public_id(),
                "test_id": desk.test.id,
                "form_id": desk.form.id,
                "enrolment_id": enrolment,
                "trainee_person_id": number,
                "attempt": 1,
                "client_uuid": "bulk-0001",
                "seed": secrets.token_hex(32),
                "started_at": at,
                "writer_epoch": 1,
                "state": "in_progress",
                "lease_token": 0,
                "attempts": 0,
            }
            for enrolment, number in enrolled
        ]
        table = models.Sitting.__table__
        made = db.session.scalars(insert(table).returning(table.c.id), sittings).all()
        db.session.execute(
            insert(models.ClockEvent.__table__),
            [{"sitting_id": one, "kind": "start", "ms": 0, "reason": "", "at": at} for one in made],
        )
        db.session.execute(
            insert(models.Presence.__table__), [{"sitting_id": one, "seen_at": at} for one in made]
        )
    return made


def test_the_board_of_two_thousand_asks_no_more_than_twelve_questions(desk, crowd, browser, cast, queries):
    examiner = browser(cast.examiner, lang="en")
    examiner.get("/")
    with queries() as seen:
        page = examiner.get(f"/tests/{desk.test.public_id}/board")
    assert page.status_code == 200
    assert seen.count <= MOST_QUERIES


def test_the_clock_of_two_thousand_is_stopped_with_a_handful_of_statements(desk, crowd, cast, at):
    with desk.app.app_context():
        acts = {
            "pause": lambda found, by: services.pause_all(found, reason="fire alarm", by=by, at=at),
            "resume": lambda found, by: services.resume_all(found, by=by, at=at),
            "extend": lambda found, by: services.extend_all(found, minutes=5, reason="alarm", by=by, at=at),
        }
        for kind, act in acts.items():
            with QueryCounter(db.engine) as seen, transaction():
                assert act(queries.test(desk.test.public_id, cast.examiner), cast.examiner) == MANY
            assert seen.count <= MOST_QUERIES
            with transaction():  # a second click changes nothing
                assert act(queries.test(desk.test.public_id, cast.examiner), cast.examiner) == MANY
            count = select(func.count()).where(models.ClockEvent.kind == kind)
            assert db.session.execute(count).scalar_one() == MANY


def test_all_are_reached_but_those_whose_clock_already_stands(desk, crowd, cast, at):
    with desk.app.app_context():
        with transaction():
            db.session.execute(
                insert(models.ClockEvent),
                [{"sitting_id": crowd[0], "kind": "pause", "ms": 0, "reason": "toilet", "at": at}],
            )
        with transaction():
            services.pause_all(
                queries.test(desk.test.public_id, cast.examiner), reason="alarm", by=cast.examiner, at=at
            )
        alarmed = set(
            db.session.scalars(
                select(models.ClockEvent.sitting_id).where(models.ClockEvent.reason == "alarm")
            )
        )
        assert alarmed == set(crowd[1:])
