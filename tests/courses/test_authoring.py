"""The course's desk: units, order, words with their review, sources, and what a learner sees of it."""

import io
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import event, func, select

from lms.core import clock, markdown
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.courses import queries, services
from lms.courses.models import Course, CourseFile, Lecture, Unit, UnitDone, Wording
from lms.courses.queries import things
from lms.courses.rules import wordings
from tests.courses.conftest import fresh, one_module


def words(**changes):
    return {"title_zh": "补液", "title_en": "Fluids", "body_zh": "新", "body_en": "New"} | changes


# Units


def test_a_page_is_written_published_read_and_counts_by_the_learners_own_mark(app, browser, cast, course):
    teacher = browser(cast.educator)
    module = one_module(course)
    data = {"kind": "page", "title_zh": "补液", "title_en": "Fluids", "client_uuid": "u1"}
    for _click in range(2):
        answer = teacher.post(f"/modules/{module.public_id}/units", data=data)
    fresh()
    unit = db.session.scalars(select(Unit)).one()
    assert answer.location == f"/units/{unit.public_id}/edit"
    learner = browser(cast.trainee, lang="en")
    assert learner.get(f"/units/{unit.public_id}").status_code == 404
    preview = teacher.post(f"/units/{unit.public_id}/edit", data=words(body_zh="$x^2$", act="preview"))
    assert "<math" in preview.text
    assert not things_body(unit)
    text = words(body_en="|a|b|\n|-|-|\n|1|2|\n\n$\\frac{1}{2}$ [^1]\n\n[^1]: A note\n\n<b onclick=x>raw</b>")
    assert teacher.post(f"/units/{unit.public_id}/edit", data=text).status_code == 303
    assert teacher.post(f"/units/{unit.public_id}/publish").status_code == 303
    shown = learner.get(f"/units/{unit.public_id}").text
    assert all(part in shown for part in ("<table>", "<mfrac>", "A note", "&lt;b onclick=x&gt;"))
    for _click in range(2):
        assert learner.post(f"/units/{unit.public_id}/read").status_code == 303
    fresh()
    assert db.session.scalar(select(func.count()).select_from(UnitDone)) == 1
    assert "You have marked this as read." in learner.get(f"/units/{unit.public_id}").text
    assert browser(cast.stranger).get(f"/units/{unit.public_id}").status_code == 404
    assert browser(cast.stranger).post(f"/units/{unit.public_id}/read").status_code == 404


def things_body(unit):
    fresh()
    return db.session.get_one(Unit, unit.id).body_zh


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("![](/learn/pictures/AAAAAAAAAAAA)", "alt_missing"),
        ("![x](https://elsewhere.example/a.png)", "foreign_picture"),
        ("$\\frac{$", "formula"),
        ("家长电话13800138000", "identifying"),
        ("x" * (markdown.LIMIT + 1), "too_long"),
    ],
)
def test_a_text_that_cannot_be_shown_to_everybody_is_refused_with_its_reason(app, cast, page, at, text, code):
    with pytest.raises(RuleBroken) as refused:
        services.edit_unit(
            page, title_zh="一", title_en="One", body_zh=text, body_en="", at=at, by=cast.educator
        )
    assert (refused.value.code, refused.value.field) == (code, "body_zh")


def picture(size=(40, 30)):
    out = io.BytesIO()
    image = Image.new("RGB", size, "red")
    exif = image.getexif()
    exif[0x010F] = "Secret Camera"
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_a_picture_needs_words_and_loses_what_is_not_the_picture(app, browser, cast, page):
    teacher = browser(cast.educator, lang="en")

    def send(**alt):
        return teacher.post(
            f"/units/{page.public_id}/pictures",
            data={"picture": (io.BytesIO(picture()), "a.jpg"), "alt_zh": "红", "alt_en": "Red"} | alt,
            content_type="multipart/form-data",
        )

    assert send(alt_en=" ").status_code == 422
    assert send().status_code == 303
    fresh()
    kept = db.session.scalars(select(CourseFile)).one()
    address = f"/learn/pictures/{kept.public_id}"
    shown = browser(cast.trainee).get(address)
    assert shown.status_code == 200
    assert b"Secret Camera" not in shown.data
    assert browser(cast.stranger).get(address).status_code == 404
    assert f"]({address})" in teacher.get(f"/units/{page.public_id}/edit").text


def test_a_file_is_taken_by_its_content_and_given_to_learners_only(app, browser, cast, course):
    teacher, module = browser(cast.educator), one_module(course)

    def send(data, name):
        return teacher.post(
            f"/modules/{module.public_id}/units",
            data={"kind": "file", "title_zh": "流程", "title_en": "Flow", "file": (io.BytesIO(data), name)},
            content_type="multipart/form-data",
        )

    for data, name in ((b"MZ not a pdf", "a.pdf"), (b"%PDF-1.7", "a.exe")):
        assert send(data, name).status_code == 422
    assert send(b"%PDF-1.7 whole", "flow.pdf").status_code == 303
    fresh()
    unit = db.session.scalars(select(Unit)).one()
    assert browser(cast.trainee).get(f"/units/{unit.public_id}/file").status_code == 404
    teacher.post(f"/units/{unit.public_id}/publish")
    answer = browser(cast.trainee).get(f"/units/{unit.public_id}/file")
    assert answer.data == b"%PDF-1.7 whole"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert browser(cast.stranger).get(f"/units/{unit.public_id}/file").status_code == 404


def test_a_unit_leads_to_no_test_of_another_cohort(app, cast, course, at):
    with pytest.raises(RuleBroken) as refused:
        services.add_unit(
            one_module(course),
            kind="test",
            title_zh="考",
            title_en="T",
            test_ref="AAAAAAAAAAAA",
            at=at,
            by=cast.educator,
        )
    assert refused.value.code == "test_missing"


# Order


orders = st.lists(st.lists(st.integers(0, 99), max_size=4), min_size=1, max_size=4).map(
    lambda parts: [
        (f"module:{number}", [f"unit:{number}-{place}" for place, _each in enumerate(part)])
        for number, part in enumerate(parts)
    ]
)


@given(orders, st.data(), st.booleans())
def test_nudging_keeps_everything_and_nudging_back_undoes_it(order, data, up):
    refs = [module for module, _things in order] + [thing for _module, things in order for thing in things]
    ref = data.draw(st.sampled_from(refs))
    moved = wordings.nudged(order, ref, up=up)
    assert wordings.is_rearrangement(moved, order)
    if moved != order:
        assert wordings.nudged(moved, ref, up=not up) == order


def test_things_move_up_and_down_and_over_the_border_of_a_module_without_scripts(
    app, browser, cast, course, append_lecture, page, at
):
    first = append_lecture(title="First")
    teacher = browser(cast.educator)
    teacher.post(
        f"/learn/{course.public_id}/modules", data={"title_zh": "二", "title_en": "Two", "client_uuid": "m2"}
    )

    def order():
        fresh()
        return things.order(db.session.get_one(Course, course.id))

    (one, held), (two, none) = order()
    assert (held, none) == ([f"unit:{page.public_id}", f"lecture:{first.public_id}"], [])
    post = lambda **data: teacher.post(f"/learn/{course.public_id}/order", data=data)  # noqa: E731
    post(down=f"unit:{page.public_id}")
    assert order()[0][1] == held[::-1]
    post(down=f"unit:{page.public_id}")
    assert order() == [(one, held[1:]), (two, held[:1])]
    post(up=two)
    assert order() == [(two, held[:1]), (one, held[1:])]
    post(order=f"{one}={held[0]},{held[1]};{two}=")
    assert order() == [(one, held), (two, [])]
    post(order=f"{one}={held[0]};{two}=")
    assert order() == [(one, held), (two, [])], "an order that loses something changes nothing"
    assert browser(cast.trainee).post(f"/learn/{course.public_id}/order", data={"up": two}).status_code == 404


# Words: draft, review, publication


@given(st.text("甲乙ab \n", max_size=30), st.text("甲乙ab \n", max_size=30))
def test_a_comparison_loses_nothing_of_either_text(old, new):
    pieces = wordings.compared(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "gone") == new


def test_changes_of_a_published_page_stay_a_draft_until_they_are_published(app, browser, cast, page):
    teacher, learner = browser(cast.educator, lang="en"), browser(cast.trainee, lang="en")
    teacher.post(f"/units/{page.public_id}/edit", data=words(body_en="Give 10 mL/kg slowly"))
    assert "10 mL/kg" not in learner.get(f"/units/{page.public_id}").text
    compared = teacher.get(f"/units/{page.public_id}/changes").text
    assert "<ins>" in compared
    assert "<del>" in compared
    assert learner.get(f"/units/{page.public_id}/changes").status_code == 404
    teacher.post(f"/units/{page.public_id}/publish")
    assert "10 mL/kg" in learner.get(f"/units/{page.public_id}").text
    assert "Nothing differs" in teacher.get(f"/units/{page.public_id}/changes").text


def test_words_of_a_course_with_review_are_published_only_when_somebody_else_approved_them(
    app, cast, page, at
):
    course = page.module.course
    edit = lambda text: services.edit_unit(  # noqa: E731
        page, title_zh="补液", title_en="Fluids", body_zh=text, body_en="", at=at, by=cast.educator
    )
    with transaction():
        services.set_review(course, needed=True, at=at, by=cast.educator)
        edit("二")
    with pytest.raises(RuleBroken) as refused:
        services.publish_unit(page, at=at, by=cast.educator)
    assert refused.value.code == "not_approved"
    with transaction():
        services.ask_review(page, at=at, by=cast.educator)
    number = things.newest(page).number
    due = clock.today(at) + timedelta(days=365)
    assert [task.url for task in things.reviews_waiting(cast.director, at)] == [
        f"/units/{page.public_id}/changes"
    ]
    for person, problem in ((cast.educator, NotAllowed), (cast.trainee, NotFound), (cast.stranger, NotFound)):
        with pytest.raises(problem):
            services.approve(page, number=number, due_on=due, at=at, by=person)
    with pytest.raises(RuleBroken) as refused:
        services.approve(page, number=number, due_on=clock.today(at), at=at, by=cast.director)
    assert refused.value.code == "review_due"
    with pytest.raises(RuleBroken) as refused:
        services.return_words(page, number=number, why=" ", at=at, by=cast.director)
    assert refused.value.code == "reason_missing"
    with transaction():
        services.return_words(page, number=number, why="剂量不对", at=at, by=cast.director)
    with pytest.raises(RuleBroken) as refused:
        services.approve(page, number=number, due_on=due, at=at, by=cast.director)
    assert refused.value.code == "wrong_state"
    with transaction():
        edit("三")
        services.ask_review(page, at=at, by=cast.educator)
    with pytest.raises(RuleBroken) as refused:
        services.approve(page, number=number, due_on=due, at=at, by=cast.director)
    assert refused.value.code == "changed_meanwhile"
    with transaction():
        services.approve(page, number=number + 1, due_on=due, at=at, by=cast.director)
        services.publish_unit(page, at=at, by=cast.educator)
    assert (page.body_zh, page.review_due_on) == ("三", due)
    assert not things.reviews_waiting(cast.director, at)


def test_past_its_review_a_page_says_so_to_learner_and_author_until_it_is_reviewed_again(
    app, browser, cast, page, at
):
    with transaction():
        page.review_due_on = clock.today(at) - timedelta(days=1)
    learner, teacher = browser(cast.trainee, lang="en"), browser(cast.educator, lang="en")
    assert "was due on" in learner.get(f"/units/{page.public_id}").text
    assert "Review overdue" in teacher.get(f"/learn/{page.module.course.public_id}/desk").text
    with transaction():
        services.ask_review_again(page, at=at, by=cast.educator)
        services.approve(
            page,
            number=things.newest(page).number,
            due_on=clock.today(at) + timedelta(days=300),
            at=at,
            by=cast.director,
        )
    assert "was due on" not in learner.get(f"/units/{page.public_id}").text


def test_when_a_source_changes_everything_that_rests_on_it_is_marked_together(
    app, browser, cast, page, append_lecture, at
):
    append_lecture(title="Shock")
    course = page.module.course
    lecture = things.thing("lecture", db.session.scalars(select(Lecture.public_id)).one(), cast.educator)
    with transaction():
        source = services.add_source(
            course, title="Sepsis guideline", edition="2020", url="", at=at, by=cast.educator
        )
        services.link_sources(page, [source], at=at, by=cast.educator)
        services.link_sources(lecture, [source], at=at, by=cast.educator)
    desk = browser(cast.educator, lang="en")
    address = f"/learn/{course.public_id}/desk"
    assert "A source changed" not in desk.get(address).text
    assert (
        desk.post(
            f"/learn/{course.public_id}/sources",
            data={"source": source.public_id, "edition": "2026", "change": ""},
        ).status_code
        == 422
    )
    desk.post(
        f"/learn/{course.public_id}/sources",
        data={"source": source.public_id, "edition": "2026", "change": "Smaller boluses"},
    )
    fresh()
    marks = things.desk_marks(db.session.get_one(Course, course.id), at=at)
    assert all(mark.is_outdated for mark in marks.values())
    assert desk.get(address).text.count("A source changed") == 2


def test_wordings_cannot_be_rewritten(app, page):
    with pytest.raises(Exception, match="append-only"), transaction():
        db.session.query(Wording).update({"number": 9})


# Release


def test_a_closed_page_tells_its_learner_when_it_opens_and_gives_nothing_away(
    app, browser, cast, page, course, append_lecture, at
):
    lecture = append_lecture(seconds=100, title="Shock")
    with transaction():
        thing = things.thing("lecture", lecture.public_id, cast.educator)
        services.set_release(thing, {"all": [{"done": page.public_id}]}, at=at, by=cast.educator)
    learner = browser(cast.trainee, lang="en")
    shown = learner.get(f"/lectures/{lecture.public_id}")
    assert "Opens when “Fluids” is finished." in shown.text
    assert "data-session" not in shown.text
    assert "“补液”" in browser(cast.trainee, lang="zh_Hans").get(f"/lectures/{lecture.public_id}").text
    assert learner.get(f"/lectures/{lecture.public_id}/transcript").status_code == 404
    assert "Opens when" in learner.get(f"/learn/{course.public_id}").text
    assert "data-session" not in browser(cast.educator).get(f"/lectures/{lecture.public_id}").text
    assert [task.url for task in queries.tasks(cast.trainee, at)] == []
    assert learner.post(f"/units/{page.public_id}/read").location == f"/lectures/{lecture.public_id}"
    assert "data-session" in learner.get(f"/lectures/{lecture.public_id}").text
    fresh()
    assert [task.url for task in queries.tasks(cast.trainee, at)] == [f"/lectures/{lecture.public_id}"]


def test_a_condition_is_built_step_by_step_and_a_loop_is_refused(app, browser, cast, page, append_lecture):
    lecture = append_lecture(seconds=100)
    teacher = browser(cast.educator, lang="en")

    def add(address, **data):
        return teacher.post(address, data={"act": "add", "path": ""} | data)

    opens = f"/lectures/{lecture.public_id}/opens"
    assert add(opens, kind="any").status_code == 303
    assert add(opens, kind="done", done=page.public_id, path="0").status_code == 303
    assert add(opens, kind="from", day="2026-12-01", path="0").status_code == 303
    assert add(opens, kind="from", day="").status_code == 422
    fresh()
    kept = lambda: (fresh(), db.session.get_one(Lecture, lecture.id).release)[1]  # noqa: E731
    assert kept() == {"all": [{"any": [{"done": page.public_id}, {"from": "2026-12-01"}]}]}
    assert add(f"/units/{page.public_id}/opens", kind="done", done=lecture.public_id).status_code == 422
    teacher.post(opens, data={"act": "turn", "path": "0"})
    teacher.post(opens, data={"act": "remove", "path": "0.1"})
    assert kept() == {"all": [{"all": [{"done": page.public_id}]}]}
    assert teacher.get(opens).status_code == 200
    teacher.post(opens, data={"act": "remove", "path": "0"})
    assert not kept()


@pytest.mark.parametrize("path", ["/learn/{course}", "/lectures/{lecture}", "/units/{unit}"])
def test_hot_pages_keep_their_budget_of_queries_with_a_full_course(
    app, bare_app, browser, cast, course, append_lecture, page, at, path
):
    lecture = append_lecture(seconds=100)
    for _more in range(12):
        append_lecture(seconds=50)
    with transaction():
        thing = things.thing("lecture", lecture.public_id, cast.educator)
        services.set_release(
            thing, {"any": [{"from": "2020-01-01"}, {"done": page.public_id}]}, at=at, by=cast.educator
        )
    client, seen = browser(cast.trainee), []
    address = path.format(course=course.public_id, lecture=lecture.public_id, unit=page.public_id)
    client.get(address)
    count = lambda *_given: seen.append(_given[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", count)
    try:
        answer = client.get(address)
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    assert answer.status_code == 200
    seen = [one for one in seen if not one.startswith(("BEGIN", "PRAGMA"))]
    assert len(seen) <= 10, seen
