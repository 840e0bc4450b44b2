"""What of a course is carried to another cohort: tests that are there too, dates, sources; and what is not, by name."""
# ruff: noqa: F811 (fixtures of another module are asked for by name)

import io
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from lms.core import ports
from lms.core.db import db, transaction
from lms.courses import services
from lms.courses.models import Course, Lecture, Source, Unit
from lms.courses.queries import things
from lms.courses.rules import carrying, release
from tests.courses.conftest import fresh, one_module
from tests.courses.test_packages import full, next_cohort  # noqa: F401 (fixtures)


def linked(ref, title, purpose="exam", at=None):
    """A test as the port tells of it."""
    return ports.LinkedTest(ref, f"测{title}", title, purpose, f"/tests/{ref}", at, at)


@pytest.fixture
def tests(monkeypatch, at, cast):
    """Tests by cohort, as the assessments would tell."""
    by_cohort = {
        cast.cohort.id: [
            linked("EXAMEXAMEXAM", "Shock", at=at),
            linked("PRACPRACPRAC", "Try", "practice", at),
        ]
    }
    provider = ports.LinkedTests(
        of=lambda cohort: by_cohort.get(cohort, []), results=lambda _refs, _person: []
    )
    monkeypatch.setattr(ports, "linked_tests", [provider])
    return by_cohort


@pytest.fixture
def with_tests(app, cast, full, tests, at):
    """The whole course with a test, a checkpoint, a condition on a result, and a source."""
    module, by = one_module(full), cast.educator
    with transaction():
        module.course.cohort = cast.cohort
        services.add_unit(
            module, kind="test", title_zh="考", title_en="Exam", test_ref="EXAMEXAMEXAM", at=at, by=by
        )
        services.add_unit(
            module,
            kind="checkpoint",
            title_zh="练",
            title_en="Practice",
            test_ref="PRACPRACPRAC",
            at=at,
            by=by,
        )
        last = services.add_unit(module, kind="page", title_zh="后", title_en="After", at=at, by=by)
        services.set_release(last, {"score": "EXAMEXAMEXAM", "percent": 70}, at=at, by=by)
        row = services.add_source(
            full, title="WHO 2013", edition="2nd", url="https://who.int/x", at=at, by=by
        )
        services.link_sources(last, [row], at=at, by=by)
    return full


def kinds(course):
    """What stands in a course, in order."""
    return [one.title_en for one in sorted(things.things_of(course), key=lambda one: one.number)]


def test_a_copy_leads_to_the_tests_of_the_same_title_that_the_next_cohort_has(
    app, cast, with_tests, tests, next_cohort, at
):
    cohort, teacher = next_cohort
    tests[cohort.id] = [linked("OTHEROTHER00", "Shock", at=at)]
    with_tests.cohort = cast.cohort
    plan = services.plan_of_copy(with_tests, cohort, by=teacher)
    assert [(one.kind, one.title_en) for one in plan.lost] == [("test", "Practice")]
    with transaction():
        made = services.copy_course(with_tests, cohort, client_uuid="k", at=at, by=teacher)
    assert kinds(made) == ["Page", "Talk", "File", "Exam", "After"]
    by_title = {one.title_en: one for one in things.things_of(made)}
    assert by_title["Exam"].test_ref == "OTHEROTHER00"
    assert by_title["After"].release == {"score": "OTHEROTHER00", "percent": 70}
    assert [row.title for row in things.sources_of(by_title["After"])] == ["WHO 2013"]
    assert db.session.scalar(select(func.count()).select_from(Source)) == 1, (
        "the programme has the source already"
    )


def test_what_cannot_be_carried_is_named_before_anything_is_made(app, browser, cast, with_tests, tests):
    teacher = browser(cast.educator, lang="en")
    data = teacher.get(f"/learn/{with_tests.public_id}/export").data
    teacher.post(
        "/learn/import", data={"package": (io.BytesIO(data), "c.zip")}, content_type="multipart/form-data"
    )
    page = teacher.get("/learn/import/preview").text
    assert "2 tests of the file are here too" in page
    assert "Everything in the file can be carried." in page
    tests[cast.cohort.id] = []
    page = teacher.get(f"/learn/import/preview?cohort={cast.cohort.public_id}").text
    assert "“Exam”: this cohort has no test of that title." in page
    assert "“After” waited for the result of a test that this cohort has not: 测Shock / Shock" in page
    sent = {"cohort": cast.cohort.public_id, "client_uuid": "once"}
    refused = teacher.post("/learn/import/preview", data=sent)
    assert refused.status_code == 422, "nothing is left out unseen"
    assert "“Exam”: this cohort has no test of that title." in refused.text
    fresh()
    assert len(db.session.scalars(select(Course)).all()) == 1
    assert (
        teacher.post("/learn/import/preview", data=sent | {"seen_for": cast.cohort.public_id}).status_code
        == 303
    )
    fresh()
    made = db.session.scalars(select(Course).order_by(Course.id.desc())).first()
    assert kinds(made) == ["Page", "Talk", "File", "After"]
    assert next(one for one in things.things_of(made) if one.title_en == "After").release is None


def test_the_same_file_comes_back_whole_to_its_own_cohort(app, browser, cast, with_tests):
    teacher = browser(cast.educator)
    data = teacher.get(f"/learn/{with_tests.public_id}/export").data
    teacher.post(
        "/learn/import", data={"package": (io.BytesIO(data), "c.zip")}, content_type="multipart/form-data"
    )
    made = teacher.post(
        "/learn/import/preview", data={"cohort": cast.cohort.public_id, "client_uuid": "once"}
    )
    assert made.status_code == 303
    fresh()
    new = db.session.scalars(select(Course).order_by(Course.id.desc())).first()
    found = {one.title_en: one for one in things.things_of(new)}
    assert found["Exam"].test_ref == "EXAMEXAMEXAM"
    assert found["Practice"].kind == "checkpoint"
    assert found["After"].release == {"score": "EXAMEXAMEXAM", "percent": 70}
    assert isinstance(found["Talk"], Lecture)
    assert isinstance(found["Page"], Unit)


def manifest(**changes):
    """What a rule sees of a course file."""
    item = {"kind": "page", "title_zh": "页", "title_en": "Page", "release": {"from": "2026-03-02"}}
    return {"begins": "2026-03-01", "tests": [], "modules": [{"items": [item]}]} | changes


def test_dates_move_by_the_days_between_the_two_beginnings():
    assert carrying.plan(manifest(), begins=date(2026, 9, 1), tests=[]).shift_days == 184
    moved = release.renamed({"any": [{"from": "2026-03-02"}, {"group": "GP"}]}, {}, shift_days=184)
    assert moved == {"any": [{"from": "2026-09-02"}, {"group": "GP"}]}
    assert date(2026, 9, 2) - date(2026, 3, 2) == timedelta(days=184)


def test_a_file_that_does_not_say_when_it_began_loses_its_dates_by_name():
    plan = carrying.plan(manifest(begins=None), begins=date(2026, 9, 1), tests=[])
    assert [(one.kind, one.title_en, one.detail) for one in plan.lost] == [("date", "Page", "2026-03-02")]
    assert release.renamed({"from": "2026-03-02"}, {}) is None


def test_two_tests_of_the_same_title_are_not_guessed_between():
    wanted = {"ref": "A", "title_zh": "测T", "title_en": "T", "purpose": "exam"}
    item = {"kind": "test", "title_zh": "考", "title_en": "Exam", "release": None, "test": "A"}
    given = manifest(tests=[wanted], modules=[{"items": [item]}])
    twice = [linked("X", "T"), linked("Y", "T")]
    assert [one.kind for one in carrying.plan(given, begins=date(2026, 9, 1), tests=twice).lost] == ["test"]
    assert carrying.plan(given, begins=date(2026, 9, 1), tests=twice[:1]).tests == {"A": "X"}
    assert not carrying.plan(given, begins=date(2026, 9, 1), tests=[linked("A", "T", "practice")]).tests
