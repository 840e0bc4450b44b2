"""The drill before a test: who may start it, what holds it back, its job, and the sheet."""

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DatabaseError

from lms.assessments import models, queries, services
from lms.assessments.rules.readiness import Check, readiness
from lms.core import clock, jobs
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes.models import Enrolment

WELL = {
    "users": 40,
    "questions": 10,
    "minutes": 3.0,
    "lost": 0,
    "duplicated": 0,
    "errors": 0,
    "kills": 3,
    "save_p99_ms": 31.5,
    "start_p95_ms": 250.0,
    "save_cpu_ms": 0.9,
    "start_cpu_ms": 9.0,
    "fsync_ms": 1.2,
    "disk_free_gb": 40.0,
    "clock_ok": True,
    "acknowledged": 440,
    "replies_dropped": 21,
    "database": "sqlite",
    "cores": 2,
}
GIVEN = {"users": 40, "minutes": 3, "drop_percent": 5, "kills": 3, "client_uuid": "drill-0001"}


@pytest.fixture
def ask(desk, cast, at):
    """Ask for a drill as the director."""

    def asked(by=None, **changed):
        by = by or cast.director
        with desk.app.app_context(), transaction():
            found = queries.test(desk.test.public_id, by)
            return services.request_drill(found, by=by, at=at, **GIVEN | changed).id

    return asked


@pytest.fixture
def finished(desk, ask, at):
    """A drill that found this; its public id."""

    def finish(**changed):
        number = ask()
        with desk.app.app_context(), transaction():
            services.finish_drill(number, WELL | changed, at=at)
            return db.session.get_one(models.ExamDrill, number).public_id

    return finish


def address(desk, *parts):
    return "/".join(["/tests", desk.test.public_id, "drill", *parts])


@pytest.mark.parametrize(
    "who", ["trainee", "mentor", "examiner", "coordinator", "educator", "auditor", "stranger"]
)
def test_to_all_but_those_who_answer_for_the_site_there_is_no_drill(who, desk, finished, browser, cast):
    drill = finished()
    visitor = browser(getattr(cast, who))
    assert visitor.get(address(desk)).status_code == 404
    assert visitor.get(address(desk, drill)).status_code == 404
    assert visitor.post(address(desk), data=GIVEN).status_code == 404


def test_an_unknown_drill_is_not_found(desk, browser, cast):
    director = browser(cast.director)
    assert director.get(address(desk, "AAAAAAAAAAAA")).status_code == 404
    assert director.get("/tests/AAAAAAAAAAAA/drill").status_code == 404


@pytest.mark.parametrize("who", ["director", "administrator"])
def test_the_page_knows_how_many_candidates_to_expect(who, desk, browser, cast, queries):
    visitor = browser(getattr(cast, who), lang="en")
    with queries() as seen:
        page = visitor.get(address(desk))
    assert page.status_code == 200
    with desk.app.app_context():
        expected = db.session.execute(
            select(func.count()).where(
                Enrolment.cohort_id == desk.test.cohort_id, Enrolment.state == "active"
            )
        ).scalar_one()
    assert f'value="{expected}"' in page.text
    assert seen.count <= 12


def test_a_press_of_the_button_asks_once_and_shows_how_far_it_is(desk, browser, cast):
    director = browser(cast.director, lang="en")
    for _time in range(2):
        assert director.post(address(desk), data=GIVEN).status_code == 303
    with desk.app.app_context():
        (row,) = db.session.scalars(select(models.ExamDrill)).all()
        assert (row.users, row.questions, row.kills, row.state) == (40, 10, 3, "waiting")
    told = director.get(address(desk), headers={"Accept": "application/json"}).json
    assert (told["done"], told["total"]) == (0, 6)
    assert director.post(address(desk), data=GIVEN | {"client_uuid": "drill-0002"}).status_code == 422


def test_one_drill_at_a_time(ask):
    ask()
    with pytest.raises(RuleBroken) as refused:
        ask(client_uuid="drill-0002")
    assert refused.value.code == "drill_runs"


def test_no_drill_takes_the_server_from_somebody_who_sits_a_test(desk, ask, at):
    sitting = desk.start(at=at)
    with desk.app.app_context(), transaction():
        db.session.add(models.Presence(sitting_id=sitting.id, seen_at=at))
    with pytest.raises(RuleBroken) as refused:
        ask()
    assert refused.value.code == "somebody_sits"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"users": 0}, "drill_users"),
        ({"minutes": 11}, "drill_minutes"),
        ({"drop_percent": 51}, "drill_drop"),
        ({"kills": -1}, "drill_kills"),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(changed, code, ask):
    with pytest.raises(RuleBroken) as refused:
        ask(**changed)
    assert refused.value.code == code


@pytest.mark.parametrize("lang", ["en", "zh_Hans"])
def test_a_sheet_with_nothing_against_it_says_ready(lang, desk, finished, browser, cast):
    page = browser(cast.director, lang=lang).get(address(desk, finished()))
    assert page.status_code == 200
    assert 'class="note ok"' in page.text
    assert 'class="note bad"' not in page.text
    assert "31.5 ms" in page.text


@pytest.mark.parametrize(
    "changed",
    [{"lost": 1}, {"errors": 2}, {"save_p99_ms": 251.0}, {"clock_ok": False}, {"start_p95_ms": None}],
)
def test_a_sheet_with_one_thing_against_it_says_not_ready_and_why(changed, desk, finished, browser, cast):
    page = browser(cast.administrator, lang="en").get(address(desk, finished(**changed)))
    assert 'class="note bad"' in page.text
    assert "Not ready" in page.text


def test_what_the_machine_does_not_say_is_no_reason_against():
    lines = {line.check: line for line in readiness(WELL | {"clock_ok": None}, kills=3)}
    assert lines[Check.CLOCK].ok
    assert not {line.check for line in readiness(WELL | {"lost": None}, kills=3) if line.ok} & {Check.LOST}
    assert all(line.ok for line in readiness(WELL, kills=3))
    assert [line.check for line in readiness(WELL, kills=4) if not line.ok] == [Check.KILLS]


def test_a_result_is_never_changed(desk, finished):
    finished()
    with desk.app.app_context(), pytest.raises(DatabaseError), transaction():
        db.session.execute(update(models.ExamDrillResult).values(figures={}))


def test_a_drill_that_cannot_be_run_says_why_and_lets_the_next_one_begin(desk, ask, browser, cast):
    number = ask()
    with desk.app.app_context(), transaction():
        db.session.execute(update(models.ExamDrill).values(questions=0))
    assert jobs.run_one(desk.app, services.DRILL_JOB, number)
    with desk.app.app_context():
        row = db.session.get_one(models.ExamDrill, number)
        assert row.state == "failed"
        assert "questions" in row.failure
    assert "could not be run" in browser(cast.director, lang="en").get(address(desk)).text
    assert ask(client_uuid="drill-0002") != number


@pytest.mark.slow
def test_the_job_runs_a_real_drill_and_touches_no_row_of_the_site(desk, ask, settings):
    number = ask(users=5, minutes=1, kills=1)
    with desk.app.app_context():
        people = db.session.execute(select(func.count()).select_from(models.Sitting)).scalar_one()
    before = set(settings.data_dir.iterdir())
    assert jobs.run_one(desk.app, services.DRILL_JOB, number)
    with desk.app.app_context():
        row = db.session.get_one(models.ExamDrill, number)
        assert (row.state, row.failure) == ("done", None)
        result = db.session.get_one(models.ExamDrillResult, number)
        assert (result.figures["lost"], result.figures["duplicated"]) == (0, 0)
        assert result.figures["acknowledged"] == 5 * 11
        assert result.at <= clock.now()
        assert db.session.execute(select(func.count()).select_from(models.Sitting)).scalar_one() == people
    assert set(settings.data_dir.iterdir()) == before
