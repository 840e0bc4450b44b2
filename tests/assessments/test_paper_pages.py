"""Pages on which a test is made: the way from the terms to the opening, what refused forms keep, and who finds them."""

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from lms.assessments import models, queries, services
from lms.assessments.rules.blueprint import Cell
from lms.core import clock
from lms.core.db import db, transaction
from tests.assessments.papers import drafted, drawn, sealed


@pytest.fixture
def bank(stocked_bank):
    return stocked_bank


@pytest.fixture
def examiner(app, cast, browser):
    return browser(cast.examiner, lang="en")


def local(at: datetime) -> str:
    return at.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")


def fields(cast, bank, at, **more):
    return {
        "client_uuid": "form-0001", "cohort": cast.cohort.public_id, "bank": bank.public_id, "title_zh": "期中考试",
        "title_en": "Mid-term", "minutes": "30", "opens_at": local(at - timedelta(hours=1)),
        "closes_at": local(at + timedelta(days=2)), "starts_until": "", "attempts_allowed": "1", "cut_percent": "60",
        "release": "at_once", "forms_wanted": "2", "max_shared": "0", "max_exposure_percent": "",
    } | more  # fmt: skip


LINES = {
    "c0-count": "3", "c0-topic": "shock", "c0-type": "A1", "c0-cognitive": "", "c0-low": "", "c0-high": "", "c0-marks": "",
    "c1-count": "2", "c1-topic": "airway", "c1-type": "", "c1-cognitive": "apply", "c1-low": "40", "c1-high": "", "c1-marks": "2",
}  # fmt: skip


def count(model):
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def made(examiner, cast, bank, at):
    answer = examiner.post("/tests/new", data=fields(cast, bank, at))
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removesuffix("/blueprint")


def seen(page):
    return re.search(r'name="seen" value="(\w+)"', page)[1]


def test_a_test_is_made_drawn_sealed_and_opened(examiner, cast, bank, at, browser):
    address = made(examiner, cast, bank, at)
    assert made(examiner, cast, bank, at) == address
    assert count(models.Test) == 1
    assert examiner.post(f"{address}/blueprint", data=LINES | {"act": "save"}).status_code == 303
    desk = examiner.get(f"{address}/manage").text
    assert "5 questions in all" in desk
    assert "The papers cannot be sealed yet" in desk
    for _click in range(2):
        assert examiner.post(f"{address}/draw", data={"client_uuid": "draw-0001"}).status_code == 303
    desk = examiner.get(f"{address}/manage").text
    assert "Papers 1 and 2 share 0 questions." in desk
    assert desk.count("2 of 2 lines filled") == 2
    assert "Question 3 of 5" in examiner.get(f"{address}/papers/1/preview").text
    for _click in range(2):
        assert examiner.post(f"{address}/seal", data={"seen": seen(desk)}).status_code == 303
    assert count(models.ExamForm) == 2
    assert count(models.DraftForm) == 0
    desk = examiner.get(f"{address}/manage").text
    assert all(form.sha256 in desk for form in db.session.scalars(select(models.ExamForm)))
    assert browser(cast.trainee).get(address).status_code == 404
    refused = examiner.post(f"{address}/publish")
    assert refused.status_code == 422
    assert "A second person has to agree to the pass mark first." in refused.text
    director = browser(cast.director, lang="en")
    reason = {"percent": "65", "reason": "as in the last years"}
    assert examiner.post(f"{address}/cut/propose", data=reason).status_code == 303
    page = director.get(f"{address}/cut").text
    decision = {"outcome": "approved", "seen": seen(page)}
    for _click in range(2):
        assert director.post(f"{address}/cut/decide", data=decision).status_code == 303
    assert examiner.post(f"{address}/publish").status_code == 303
    db.session.rollback()
    assert [run.cut_percent for run in db.session.scalars(select(models.GradeRun))] == [65]
    trainee = browser(cast.trainee, lang="en")
    assert "Start now" in trainee.get(address).text
    assert trainee.post(f"{address}/start", data={"client_uuid": "click-0001"}).status_code == 303
    assert "Paper 2" in examiner.get(f"{address}/manage?paper=2").text
    assert examiner.get(f"{address}/edit").status_code == 404


def test_refused_terms_keep_what_was_typed_at_their_fields(examiner, cast, bank, at):
    answer = examiner.post(
        "/tests/new", data=fields(cast, bank, at, closes_at=local(at - timedelta(days=3)), minutes="45")
    )
    assert answer.status_code == 422
    assert 'href="#closes_at"' in answer.text
    for typed in ("期中考试", "Mid-term", 'value="45"', local(at - timedelta(days=3)), "form-0001"):
        assert typed in answer.text
    missing = examiner.post("/tests/new", data=fields(cast, bank, at, opens_at="", minutes="x"))
    assert missing.status_code == 422
    assert 'href="#opens_at"' in missing.text
    assert 'href="#minutes"' in missing.text
    assert count(models.Test) == 0


def test_lines_are_added_taken_out_and_kept_when_refused(examiner, cast, bank, at):
    address = made(examiner, cast, bank, at)
    more = examiner.post(f"{address}/blueprint", data=LINES | {"act": "add"})
    assert more.status_code == 200
    assert 'name="c2-count"' in more.text
    fewer = examiner.post(f"{address}/blueprint", data=LINES | {"act": "count", "c0-gone": "1"})
    assert 'name="c1-count"' not in fewer.text
    assert re.search(r'name="c0-count" value="2"', fewer.text)
    for wrong, where in (
        ({"c1-count": "two"}, "c1-count"),
        ({"c1-count": "0"}, "c1-count"),
        ({"c0-low": "90", "c0-high": "10"}, "c0-low"),
    ):
        refused = examiner.post(f"{address}/blueprint", data=LINES | wrong | {"act": "save"})
        assert refused.status_code == 422
        assert f'href="#{where}"' in refused.text
        assert f'id="{where}-error"' in refused.text
        assert 'value="airway" selected' in refused.text
    assert db.session.scalars(select(models.TestPlan.blueprint)).one() == []


def test_beside_each_line_stands_what_the_bank_has(examiner, cast, bank, at):
    address = made(examiner, cast, bank, at)
    page = examiner.post(f"{address}/blueprint", data=LINES | {"c0-count": "5", "act": "count"}).text
    assert "8 of 10" in page
    assert "7 questions in all" in page
    assert "2 marks prescribed" in page


def test_what_the_bank_lacks_is_said_line_by_line_and_nothing_is_drawn(examiner, cast, bank, at):
    address = made(examiner, cast, bank, at)
    examiner.post(f"{address}/blueprint", data=LINES | {"c0-count": "5", "act": "save"})
    answer = examiner.post(f"{address}/draw", data={"client_uuid": "draw-0001"})
    assert answer.status_code == 422
    assert "10 asks needed, 2 missing" in answer.text
    assert count(models.DraftForm) == 0


def test_a_question_is_exchanged_and_the_order_changed_by_hand(examiner, cast, bank, at):
    test = drafted(cast, bank, at)
    papers = drawn(test, cast, at).papers
    row, taken = papers[0].rows[0], {pick.item for paper in papers for pick in paper.picks}
    address = f"/tests/{test.public_id}/papers/1"
    page = examiner.get(f"{address}/exchange/{row.question.public_id}").text
    offered = re.findall(r'name="seen" value="(\w+)"', page)
    assert len(offered) == 2  # eight on shock, six of them in the two papers
    moved = examiner.post(f"{address}/exchange/{row.question.public_id}", data={"seen": offered[0]})
    assert moved.status_code == 303
    airway = next(
        one.question
        for one in queries.offered(bank, at=at, today=clock.today(at)).values()
        if one.item.topic == "airway" and one.item.id not in taken
    )
    refused = examiner.post(f"{address}/exchange/{offered[0]}", data={"seen": airway.public_id})
    assert refused.status_code == 422
    assert "does not fit its line" in refused.text
    assert examiner.post(address, data={f"place-{offered[0]}": "5"}).status_code == 303
    db.session.rollback()
    papers = queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at)).papers
    assert papers[0].rows[-1].question.public_id == offered[0]


def test_papers_that_changed_since_they_were_seen_are_not_sealed(examiner, cast, bank, at):
    test = drafted(cast, bank, at)
    drawn(test, cast, at)
    desk = examiner.get(f"/tests/{test.public_id}/manage").text
    drawn(test, cast, at, "draw-0002")
    answer = examiner.post(f"/tests/{test.public_id}/seal", data={"seen": seen(desk)})
    assert answer.status_code == 422
    assert count(models.ExamForm) == 0


def test_a_suspended_question_is_named_where_it_keeps_the_papers_from_being_sealed(examiner, cast, bank, at):
    test = drafted(cast, bank, at)
    row = drawn(test, cast, at).papers[1].rows[0]
    with transaction():
        services.suspend(row.question, words="leak", by=cast.examiner, at=at)
    desk = examiner.get(f"/tests/{test.public_id}/manage").text
    assert f"Paper 2: question {row.question.code} was suspended." in desk
    assert 'action="/tests/' + test.public_id + '/seal"' not in desk
    assert "suspended" in examiner.get(f"/tests/{test.public_id}/papers/2").text


def test_sealed_terms_change_where_they_do_not_touch_the_papers(examiner, cast, bank, at):
    test = drafted(cast, bank, at)
    sealed(test, cast, at)
    page = examiner.get(f"/tests/{test.public_id}/edit").text
    assert 'name="forms_wanted"' not in page
    data = fields(cast, bank, at, title_en="Renamed", forms_wanted="5")
    assert examiner.post(f"/tests/{test.public_id}/edit", data=data).status_code == 303
    db.session.rollback()
    assert queries.test(test.public_id, cast.examiner).title_en == "Renamed"
    assert queries.plan_of(test.id).forms_wanted == 2


def test_a_copy_is_made_once_and_a_draft_is_deleted_after_a_question(examiner, cast, bank, at):
    test = drafted(cast, bank, at)
    places = {
        examiner.post(f"/tests/{test.public_id}/copy", data={"client_uuid": "copy-0001"}).headers["Location"]
        for _click in range(2)
    }
    assert len(places) == 1
    assert count(models.Test) == 2
    copy = places.pop().removesuffix("/edit")
    assert "Delete the draft?" in examiner.get(f"{copy}/delete").text
    assert examiner.post(f"{copy}/delete").status_code == 303
    assert examiner.get(f"{copy}/manage").status_code == 404
    assert count(models.Test) == 1


def test_an_educator_makes_practice_and_no_exam(cast, bank, at, browser):
    with transaction():
        practice = services.create_bank(
            cast.programme, purpose="practice", title_zh="练习", title_en="Drill", at=at, by=None
        )
    educator = browser(cast.educator, lang="en")
    page = educator.get("/tests/new").text
    assert practice.public_id in page
    assert bank.public_id not in page
    assert educator.post("/tests/new", data=fields(cast, bank, at)).status_code == 422
    assert educator.post("/tests/new", data=fields(cast, practice, at)).status_code == 303
    exam = drafted(cast, bank, at)
    assert educator.get(f"/tests/{exam.public_id}/manage").status_code == 404


def test_strangers_find_none_of_the_pages(cast, bank, at, browser):
    test = drafted(cast, bank, at)
    row = drawn(test, cast, at).papers[0].rows[0]
    paths = (
        "/tests/new", *(
            f"/tests/{test.public_id}/{page}"
            for page in ("manage", "edit", "blueprint", "delete", "papers/1", "papers/1/preview", f"papers/1/exchange/{row.question.public_id}")
        ),
    )  # fmt: skip
    for who in (cast.trainee, cast.mentor, cast.administrator, cast.stranger):
        client = browser(who)
        for path in paths:
            assert client.get(path).status_code == 404, path
        for act in ("draw", "seal", "copy", "publish", "delete"):
            assert client.post(f"/tests/{test.public_id}/{act}").status_code == 404, act
    examiner = browser(cast.examiner)
    for path in (
        "papers/3",
        "papers/3/preview",
        "papers/1/exchange/zzzzzzzzzzzz",
        f"papers/2/exchange/{row.question.public_id}",
    ):
        assert examiner.get(f"/tests/{test.public_id}/{path}").status_code == 404, path
    assert count(models.Test) == 1


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_pages_ask_the_database_no_more_for_more_questions(cast, bank, at, browser, queries, lang):
    test = drafted(cast, bank, at)
    examiner = browser(cast.examiner, lang=lang)
    numbers = []
    for size in (1, 3):
        row = (
            drawn(test, cast, at, f"draw-{size:04d}", (Cell(size, topic="shock"), Cell(size, topic="airway")))
            .papers[0]
            .rows[0]
        )
        for path in (
            "manage",
            "blueprint",
            "papers/1",
            "papers/1/preview",
            f"papers/1/exchange/{row.question.public_id}",
            "edit",
        ):
            with queries() as asked_:
                assert examiner.get(f"/tests/{test.public_id}/{path}").status_code == 200, path
            numbers.append(asked_.count)
    assert numbers[:6] == numbers[6:]
    assert max(numbers) <= 20
    with queries() as few:
        examiner.get("/tests")
    for number in range(4):
        drafted(cast, bank, at, f"uuid-1{number:03d}")
    with queries() as many:
        examiner.get("/tests")
    assert few.count == many.count


def test_a_line_counts_whole_cases_however_much_each_asks(examiner, cast, bank, at):
    with transaction():
        for number, size in enumerate((2, 3, 4)):
            services.add_question(
                bank,
                kind="A3",
                body={
                    "stem": {"zh": f"患儿{number}"},
                    "asks": [
                        {"stem": {"zh": f"{ask}？"}, "options": [{"id": one, "zh": one} for one in "abc"]}
                        for ask in range(size)
                    ],
                },
                key={"asks": [{"right": "a"}] * size},
                rationale={},
                facts=services.Facts(topic="case"),
                at=at,
                by=None,
            )
    address = examiner.post(
        "/tests/new", data=fields(cast, bank, at, forms_wanted="1")
    ).location.removesuffix("/blueprint")
    lines = LINES | {"c1-count": "3", "c1-per": "item", "c1-topic": "case", "c1-cognitive": ""}
    lines |= {"c1-low": "", "c1-marks": ""}
    assert (
        "and 3 whole questions" in examiner.post(f"{address}/blueprint", data=lines | {"act": "count"}).text
    )
    assert examiner.post(f"{address}/blueprint", data=lines | {"act": "save"}).status_code == 303
    kept = examiner.get(f"{address}/blueprint").text
    assert '<option value="item" selected>' in kept
    assert examiner.post(f"{address}/draw", data={"client_uuid": "draw-0001"}).status_code == 303
    assert "2 of 2 lines filled" in examiner.get(f"{address}/manage").text
    assert "of 12" in examiner.get(f"{address}/papers/1/preview").text  # 3 single ones, 2 + 3 + 4 asks
