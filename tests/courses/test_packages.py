"""A whole course as one file: out, in again, and every file that is no course; copies and the archive."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, RuleBroken
from lms.core.storage import storage
from lms.courses import interchange, queries, services
from lms.courses.models import Caption, Course, CourseFile, Lecture, Unit, Video
from lms.courses.queries import things
from lms.policy import Role
from lms.programmes import services as programmes
from tests.courses.conftest import fresh, one_module
from tests.courses.test_authoring import picture


@pytest.fixture
def full(app, cast, course, at, film):
    """A course with a page that shows a picture, a lecture with film and captions that waits for it, and a file."""
    module, by = one_module(course), cast.educator
    with transaction():
        course.cohort = module.course.cohort = cast.cohort
        shown = services.add_picture(course, picture(), name="a.jpg", alt_zh="红", alt_en="Red", at=at, by=by)
        page = services.add_unit(
            module,
            kind="page",
            title_zh="页",
            title_en="Page",
            body_zh=f"![红](/learn/pictures/{shown.public_id}) $x^2$",
            at=at,
            by=by,
        )
        lecture = services.add_lecture(
            module, title_zh="讲", title_en="Talk", key_points=[{"zh": "一", "en": "one"}], at=at, by=by
        )
        services.set_captions(
            lecture, lang="en", text="WEBVTT\n\n00:00.000 --> 00:02.000\nAirway\n", at=at, by=by
        )
        with film.open("rb") as stream:
            received = storage().receive(stream, limit_bytes=10_000_000)
        video = services.receive_video(lecture, received, name="talk.mp4", client_uuid=None, at=at, by=by)
        lecture.video_id = video.id
        services.set_release(
            lecture, {"all": [{"done": page.public_id}, {"from": "2026-01-01"}]}, at=at, by=by
        )
        file = services.add_file(course, b"%PDF-1.7 flow", name="flow.pdf", at=at, by=by)
        services.add_unit(module, kind="file", title_zh="件", title_en="File", file=file, at=at, by=by)
    return course


@pytest.fixture
def next_cohort(app, cast, at):
    """The cohort that comes after."""
    with transaction():
        made = programmes.add_cohort(
            cast.programme,
            code="NEXT",
            name_zh="下一期",
            name_en="Next",
            start_on=cast.cohort.end_on + timedelta(days=1),
            end_on=cast.cohort.end_on + timedelta(days=90),
            hours=None,
            at=at,
            by=None,
        )
    teacher = replace(cast.educator, grants=cast.educator.grants | {(Role.EDUCATOR, f"cohort:{made.id}")})
    return made, teacher


def comparable(course):
    """What a course consists of, without the names that differ between copies."""
    manifest = services.describe(course, with_films=True).manifest
    names = {one["ref"]: f"picture{n}" for n, one in enumerate(manifest["pictures"])}
    names |= {
        item["ref"]: f"item{n}"
        for n, item in enumerate(item for part in manifest["modules"] for item in part["items"])
    }
    text = json.dumps(manifest, sort_keys=True)
    for ref, name in names.items():
        text = text.replace(ref, name)
    return json.loads(text)


def test_a_course_comes_out_as_one_file_and_in_again_the_same(app, browser, cast, full, tmp_path):
    teacher = browser(cast.educator, lang="en")
    answer = teacher.get(f"/learn/{full.public_id}/export?films=yes")
    assert answer.headers["Content-Disposition"].endswith(".course.zip")
    looked = tmp_path / "c.zip"
    looked.write_bytes(answer.data)
    package = interchange.read(looked)
    assert (package.count("lecture"), package.films, package.count("file")) == (1, 1, 1)
    sent = {"package": (io.BytesIO(answer.data), "c.course.zip")}
    preview = teacher.post("/learn/import", data=sent, content_type="multipart/form-data")
    assert preview.location == "/learn/import/preview"
    assert "Talk" in teacher.get("/learn/import/preview").text
    assert browser(cast.examiner).get("/learn/import/preview").status_code == 404
    fresh()
    assert len(db.session.scalars(select(Course)).all()) == 1, "a preview makes nothing"
    for _click in range(2):
        made = teacher.post(
            "/learn/import/preview", data={"cohort": cast.cohort.public_id, "client_uuid": "once"}
        )
    assert made.status_code == 404, "what was taken in does not wait any more"
    fresh()
    old, new = db.session.scalars(select(Course).order_by(Course.id)).all()
    assert new.state == "draft"
    before, after = comparable(old), comparable(new)
    item = before["modules"][0]["items"][1]
    assert item["release"] == {"all": [{"done": "item0"}, {"from": "2026-01-01"}]}
    assert item["release"] == after["modules"][0]["items"][1]["release"], "the same cohort, the same dates"
    for one in (*before["pictures"], *after["pictures"]):
        one.pop("sha256")  # the gate writes a picture anew
    assert after["modules"][0]["items"][1].pop("film", None) is None, "a film shows only when it is prepared"
    item.pop("film")
    after["modules"][0]["items"][1].pop("media_name", None)
    item.pop("media_name")
    assert before == after
    lecture = db.session.scalars(select(Lecture).order_by(Lecture.id.desc())).first()
    assert db.session.scalars(select(Video.state).where(Video.lecture_id == lecture.id)).one() == "uploaded"


def packed(manifest=None, **members):
    """A zip with a manifest and more."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if manifest is not None:
            archive.writestr("course.json", manifest if isinstance(manifest, str) else json.dumps(manifest))
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def whole(**changes):
    """A manifest of an almost empty course."""
    return {
        "format": "firefly-course",
        "version": 1,
        "course": {"title_zh": "课", "title_en": "Course"},
        "pictures": [],
        "modules": [{"title_zh": "一", "title_en": "One", "items": []}],
    } | changes


def page(**changes):
    """A manifest with one page."""
    item = {"kind": "page", "ref": "r", "title_zh": "页", "title_en": "Page", "body_zh": "好"} | changes
    return whole(modules=[{"title_zh": "一", "title_en": "One", "items": [item]}])


WRONG = (
    (b"no zip at all", "package_broken"),
    (packed(), "package_broken"),
    (packed("{"), "package_broken"),
    (packed("[" * 100_000), "package_broken"),
    (packed(whole(version=3)), "package_broken"),
    (packed(whole(course={"title_zh": "课"})), "package_broken"),
    (packed(page(kind="test")), "package_broken"),
    (packed(page(kind="file")), "package_broken"),
    (packed(page(kind="test", test="t")), "package_broken"),
    (packed(page(kind="test", test=["t"])), "package_broken"),
    (packed(page(film=[1])), "package_broken"),
    (packed(page(sources=["s"])), "package_broken"),
    (packed(whole(begins="soon")), "package_broken"),
    (
        packed(whole(tests=[{"ref": "t", "title_zh": "测", "title_en": "T", "purpose": "bribe"}])),
        "package_broken",
    ),
    (packed(whole(sources=[{"ref": "s", "title": "G", "url": "javascript:1"}])), "package_broken"),
    (packed(whole(), **{"..__..__etc__passwd": "x"}), "package_names"),
    (packed(whole(), __etc__passwd="x"), "package_names"),
    (packed(whole(), media__x="x"), "package_names"),
    (packed(whole(), **{"media__" + "0" * 64: "x"}), "package_digest"),
    (packed(" " * 20_000_001), "package_bomb"),
)


@pytest.mark.parametrize(
    ("data", "code"), WRONG, ids=[f"{code}-{n}" for n, (_data, code) in enumerate(WRONG)]
)
def test_a_file_that_is_no_course_is_refused_with_its_reason(tmp_path, app, data, code):
    path = tmp_path / "c.zip"
    path.write_bytes(data)
    with pytest.raises(RuleBroken) as refused:
        interchange.read(path)
    assert refused.value.code == code


def test_a_file_that_unpacks_without_bound_is_refused_whatever_its_directory_says(tmp_path, app, monkeypatch):
    path = tmp_path / "bomb.zip"
    zeros = bytes(2_000_000)
    path.write_bytes(packed(whole(), **{f"media__{hashlib.sha256(zeros).hexdigest()}": zeros}))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(interchange, "LIMIT_BYTES", 1_500_000)
    with pytest.raises(RuleBroken) as refused:
        interchange.read(path)
    assert refused.value.code == "package_bomb"


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (page(body_zh="家长电话13800138000"), "identifying"),
        (page(body_zh="![](/learn/pictures/AAAAAAAAAAAA)"), "alt_missing"),
        (page(release={"group": "KING"}), "bad_condition"),
        (page(release=[1]), "bad_condition"),
        (page(release={"done": "r"}), "release_loop"),
    ],
)
def test_what_a_course_file_says_passes_the_same_gates_as_what_is_typed(
    app, cast, at, tmp_path, manifest, code
):
    path = tmp_path / "c.zip"
    path.write_bytes(packed(manifest))
    package = interchange.read(path)
    with pytest.raises(RuleBroken) as refused, transaction():
        services.import_course(
            path, package, cast.cohort, films={}, client_uuid=None, at=at, by=cast.educator
        )
    assert refused.value.code == code
    assert not db.session.scalars(select(Course)).all()


def test_a_course_is_copied_for_the_next_cohort_and_its_dates_move_along(app, cast, full, next_cohort, at):
    cohort, teacher = next_cohort
    full.cohort = cast.cohort
    with pytest.raises(NotAllowed):
        services.copy_course(full, cohort, client_uuid=None, at=at, by=cast.trainee)
    with transaction():
        made = services.copy_course(full, cohort, client_uuid="k", at=at, by=teacher)
    assert services.copy_course(full, cohort, client_uuid="k", at=at, by=teacher) is made
    copied = things.things_of(made)
    assert [one.title_en for one in copied] == ["Talk", "Page", "File"]
    assert {one.cohort_id for one in copied} == {cohort.id}
    lecture = next(one for one in copied if isinstance(one, Lecture))
    unit = next(one for one in copied if isinstance(one, Unit) and one.kind == "page")
    moved = date(2026, 1, 1) + (cohort.start_on - cast.cohort.start_on)
    assert lecture.release == {"all": [{"done": unit.public_id}, {"from": moved.isoformat()}]}
    shown = db.session.scalars(
        select(CourseFile).where(CourseFile.course_id == made.id, CourseFile.kind == "picture")
    ).one()
    assert shown.public_id in unit.body_zh
    assert db.session.scalars(select(Caption.text).where(Caption.lecture_id == lecture.id)).one()
    sources = db.session.scalars(select(Video)).all()
    assert len({video.source_sha256 for video in sources}) == 1
    assert len(sources) == 2
    assert (
        len({video.source_key for video in sources}) == 1
    )  # sources stay for ever: both lead to the same file


def test_an_archived_course_leaves_the_lists_and_keeps_what_counts(app, browser, cast, full):
    teacher, learner = browser(cast.educator, lang="en"), browser(cast.trainee, lang="en")
    facts = queries.lecture_facts(cast.cohort.id)
    teacher.post(f"/learn/{full.public_id}/archive", data={"archived": "yes"})
    fresh()
    assert not queries.courses(cast.trainee)
    assert queries.lecture_facts(cast.cohort.id) == facts
    assert learner.get(f"/learn/{full.public_id}").status_code == 200
    assert "Archive" in teacher.get("/learn/catalogue").text
    teacher.post(f"/learn/{full.public_id}/archive", data={"archived": "no"})
    assert "Emergencies" in learner.get("/learn/catalogue").text
    assert "one" in teacher.get(f"/learn/{full.public_id}/syllabus").text
