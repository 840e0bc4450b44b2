"""The pages of pass marks by Ebel, Hofstee and borderline regression, from the panel to the printed sheet."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select

from lms.accounts import queries as accounts_queries
from lms.accounts import services as accounts
from lms.assessments import models, queries, services
from lms.assessments.queries import markers
from lms.assessments.rules.standards import CELLS
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes import services as programmes
from tests.assessments.papers import agreed, drafted, sealed
from tests.assessments.test_human_marking import make_hall
from tests.assessments.test_panels import SCORES, WIDE, asked, closed_hofstee, published, with_results


@pytest.fixture
def test(app, cast, stocked_bank, at):
    """An exam with two sealed papers of five questions, its results held."""
    found = drafted(cast, stocked_bank, at, release="held")
    sealed(found, cast, at)
    return found


@pytest.fixture
def later(at, monkeypatch):
    """Three days on, when the test is over, from the moment it is called."""
    return lambda: monkeypatch.setattr(clock, "now", lambda: at + timedelta(days=3))


def seen_of(page):
    return re.search(r'name="seen" value="(\w+)"', page)[1]


def test_ebel_from_the_panel_to_the_printed_sheet(test, cast, at, browser):
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    address = f"/tests/{test.public_id}/cut/ebel"
    assert address in examiner.get(f"/tests/{test.public_id}/cut").text
    page = examiner.get(address).text
    people = [
        re.search(rf'value="(\w+)"[^>]*><span>{name}', page)[1] for name in ("Wang Jianguo", "Dawa Droma")
    ]
    one = examiner.post(f"{address}/judges", data={"paper": "1", "judges": people[:1]})
    assert one.status_code == 422
    assert "Ask at least 2 judges." in one.text
    assert re.search(rf'value="{people[0]}" checked', one.text)
    data = {"paper": "1", "judges": people}
    assert [examiner.post(f"{address}/judges", data=data).status_code for _click in range(2)] == [303, 303]
    db.session.rollback()
    study = db.session.scalars(select(models.StandardStudy)).one()
    mine, judges = (
        f"/panels/{study.public_id}",
        [browser(who, lang="en") for who in (cast.mentor, cast.other_mentor)],
    )
    assert judges[0].get(mine).text.count("<select") == 5
    cells = {f"cell-{slot}": CELLS[0] for slot in range(1, 6)}
    wrong = judges[0].post(
        mine, data=cells | {"round": "1", f"expect-{CELLS[0]}": "120", f"expect-{CELLS[1]}": "40"}
    )
    assert wrong.status_code == 422
    assert f'href="#expect-{CELLS[0]}"' in wrong.text
    assert "Essential · Easy: Give a number from 0 to 100." in wrong.text
    assert 'value="120"' in wrong.text
    assert 'value="40"' in wrong.text
    assert wrong.text.count(" selected") == 5
    assert judges[0].post(mine, data={"round": "1", "cell-1": "nowhere"}).status_code == 422
    assert judges[0].post(mine, data={"round": "1", "cell-1": CELLS[0]}).status_code == 303
    part = judges[0].get(mine).text
    assert "4 questions have no cell yet." in part
    assert f'<a href="#expect-{CELLS[0]}">' in part
    early = examiner.post(f"{address}/judges/{study.public_id}/next_round")
    assert early.status_code == 422
    for number, step in ((1, "next_round"), (2, "close")):
        for judge, percent in zip(judges, ("60", "70"), strict=True):
            given = cells | {"round": str(number), f"expect-{CELLS[0]}": percent}
            assert judge.post(mine, data=given).status_code == 303
        assert examiner.post(f"{address}/judges/{study.public_id}/{step}").status_code == 303
        if number == 1:
            shown = judges[0].get(mine).text
            assert "panel: 65" in shown
            assert "× 2" in shown
            assert judges[0].post(mine, data=cells | {"round": "1"}).status_code == 422
    assert "The judging is finished." in judges[0].get(mine).text
    page = examiner.get(address).text
    assert "65.0% ± 5.0 (standard error), 2 judges" in page
    assert "<svg" in page
    assert "Results counted" not in page
    result = {"study": study.public_id, "percent": "65", "reason": ""}
    assert examiner.post(f"{address}/propose", data=result).status_code == 422
    other = examiner.post(f"{address}/propose", data=result | {"percent": "60", "reason": "the panel"})
    assert other.status_code == 422
    assert "the panel</textarea>" in other.text.replace("\r", "").replace("\n", "")
    assert examiner.post(f"{address}/propose", data=result | {"reason": "the panel"}).status_code == 303
    assert "A proposal waits for a second person." in examiner.get(address).text
    decision = director.get(f"/tests/{test.public_id}/cut").text
    assert "Ebel" in decision
    given = {"outcome": "approved", "seen": seen_of(decision)}
    assert director.post(f"/tests/{test.public_id}/cut/decide", data=given).status_code == 303
    sheet = director.get(f"/tests/{test.public_id}/cut/1")
    assert sheet.status_code == 200
    for text in (
        "Ebel",
        "Standard error of the judges",
        "5.00",
        "<svg",
        "Essential · Easy",
        "There are no results yet",
    ):
        assert text in sheet.text, text
    assert director.get(f"/tests/{test.public_id}/cut/2").status_code == 404


def test_hofstee_waits_for_the_results_and_is_approved_before_the_release(test, cast, at, browser, later):
    study = asked(test, cast, at, "hofstee")
    address, mine = f"/tests/{test.public_id}/cut/hofstee", f"/panels/{study.public_id}"
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    for who in (cast.mentor, cast.other_mentor):
        judge = browser(who, lang="en")
        wrong = judge.post(mine, data=WIDE | {"most_cut": "30", "least_fail": "x"})
        assert wrong.status_code == 422
        assert 'value="x"' in wrong.text
        wrong = judge.post(mine, data=WIDE | {"most_cut": "30"})
        assert wrong.status_code == 422
        assert 'href="#most_cut"' in wrong.text
        assert 'value="30"' in wrong.text
        assert [judge.post(mine, data=WIDE).status_code for _click in range(2)] == [303, 303]
        assert 'value="80"' in judge.get(mine).text
    assert examiner.post(f"{address}/judges/{study.public_id}/next_round").status_code == 404
    assert examiner.post(f"{address}/judges/{study.public_id}/close").status_code == 303
    published(test, cast, at)
    with_results(test, SCORES, at)
    page = examiner.get(address).text
    assert "The test is still open." in page
    assert "<svg class" not in page.split('id="result"')[1].split("</section>")[0]
    later()
    page = examiner.get(address).text
    for text in ("67% or more", "Probability of a wrong decision", "Few results", "Propose 67%"):
        assert text in page, text
    data = {"study": study.public_id, "percent": "67", "reason": "panel"}
    assert examiner.post(f"{address}/propose", data=data | {"study": "zzzzzzzzzzzz"}).status_code == 404
    assert examiner.post(f"{address}/propose", data=data).status_code == 303
    given = {"outcome": "approved", "seen": seen_of(director.get(f"/tests/{test.public_id}/cut").text)}
    assert director.post(f"/tests/{test.public_id}/cut/decide", data=given).status_code == 303
    db.session.rollback()
    assert queries.run_of(test.id).cut_percent == 67
    sheet = examiner.get(f"/tests/{test.public_id}/cut/2").text
    for text in ("Hofstee", "Share that fails", "Probability of a wrong decision", "40.0 to 80.0", "<svg"):
        assert text in sheet, text
    assert "Fixed value" in examiner.get(f"/tests/{test.public_id}/cut/1").text


def test_after_the_release_the_pass_mark_goes_by_a_regrade(test, cast, at, browser, later):
    published(test, cast, at)
    study = closed_hofstee(test, cast, at, WIDE, WIDE)
    with_results(test, SCORES, at)
    with transaction():
        services.release(test, at=at + timedelta(days=3), by=cast.examiner)
    later()
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    page = examiner.get(f"/tests/{test.public_id}/cut/hofstee").text
    link = re.search(r'href="(/tests/\w+/regrade\?[^"]+)"', page)[1].replace("&amp;", "&")
    page = examiner.get(link).text
    assert "This pass mark comes from Hofstee." in page
    data = {"cut": "67", "seen": seen_of(page), "standard": "hofstee", "study": study.public_id, "reason": ""}
    address = f"/tests/{test.public_id}/regrade"
    wrong = examiner.post(address, data=data)
    assert wrong.status_code == 422
    assert f'value="{study.public_id}"' in wrong.text
    assert examiner.post(address, data=data | {"standard": "guess", "reason": "x"}).status_code == 422
    assert examiner.post(address, data=data | {"study": "zzzzzzzzzzzz", "reason": "x"}).status_code == 404
    assert examiner.post(address, data=data | {"reason": "the panel"}).status_code == 303
    page = director.get(address).text
    assert "Share that fails" in page
    assert "Approve and regrade" in page
    waiting = re.search(r'name="seen" value="(\w+)"', page)[1]
    given = {"outcome": "approved", "seen": waiting, "words": ""}
    assert director.post(f"{address}/decide", data=given).status_code == 303
    db.session.rollback()
    score = queries.cut_scores(test.id)[0]
    assert (score.method, score.percent) == ("hofstee", 67)


def test_after_the_release_no_judge_says_any_more_what_is_acceptable(test, cast, at, browser):
    published(test, cast, at)
    study = asked(test, cast, at, "hofstee")
    with_results(test, SCORES, at)
    with transaction():
        services.release(test, at=at + timedelta(days=3), by=cast.examiner)
    judge, address = browser(cast.mentor, lang="en"), f"/panels/{study.public_id}"
    assert 'name="least_cut"' not in judge.get(address).text
    late = judge.post(address, data=WIDE)
    assert late.status_code == 422
    assert "Results are released" in late.text
    examiner = browser(cast.examiner, lang="en")
    assert "Ask them" not in examiner.get(f"/tests/{test.public_id}/cut/hofstee").text
    with pytest.raises(RuleBroken) as refused, transaction():
        services.start_panel(test, queries.forms_of(test.id)[0], "hofstee", [], by=cast.examiner, at=at)
    assert refused.value.code == "released"


def test_a_draft_that_will_show_results_at_once_can_have_its_judges(cast, stocked_bank, at, browser):
    test = drafted(cast, stocked_bank, at, release="at_once")
    sealed(test, cast, at)
    assert "Ask them" in browser(cast.examiner, lang="en").get(f"/tests/{test.public_id}/cut/hofstee").text
    study = asked(test, cast, at, "hofstee")
    assert browser(cast.mentor).post(f"/panels/{study.public_id}", data=WIDE).status_code == 303


def test_marked_stations_give_the_borderline_cut(app, cast, at, browser, later):
    """By hand: ratings 1, 2, 2, 3, 4, 5 against 1, 2, 2, 3, 4, 5 of 5 marks: the line gives 2 at borderline, and the question
    beside it, 1 mark, enters with 60 per cent: 2.6 of 6 marks, 43.33 per cent."""
    hall = make_hall(cast, at, kinds=("A1", "OSCE"), release="held")
    hall.ask("OSCE", hall.markers[0])
    by = hall.markers[0]
    for number, (rating, a, b) in enumerate(
        [(1, "1", "0"), (2, "2", "0"), (2, "2", "0"), (3, "2", "1"), (4, "2", "2"), (5, "2", "3")]
    ):
        trainee = enrolled(cast, at, number)
        sitting = hall.hand_in(trainee, uuid=f"click-{number:04d}", A1={"choice": "a"})
        place = markers.station(hall.test.public_id, hall.question("OSCE"), by)
        row = next(
            one
            for one in markers.station_people(place.test, place.version.id, by)
            if one.sitting.id == sitting.id
        )
        with transaction():
            services.mark_at_station(
                place, row.sitting, {"a": Fraction(a), "b": Fraction(b)}, "", client_uuid=f"rate-{number:04d}",
                rating=rating, by=by, at=at,
            )  # fmt: skip
    hall.settle()
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    address = f"/tests/{hall.test.public_id}/cut"
    later()
    page = examiner.get(f"{address}/borderline").text
    assert "43.33" in page
    assert "Propose 43%" in page
    assert page.count("<figcaption") == 1
    assert examiner.post(f"{address}/borderline/judges", data={}).status_code == 404
    assert (
        examiner.post(f"{address}/borderline/propose", data={"percent": "43", "reason": "line"}).status_code
        == 303
    )
    given = {"outcome": "approved", "seen": seen_of(director.get(address).text)}
    assert director.post(f"{address}/decide", data=given).status_code == 303
    db.session.rollback()
    score = queries.cut_scores(hall.test.id)[0]
    assert (score.method, score.percent) == ("borderline", 43)
    grades = db.session.scalars(
        select(models.Grade.decision).where(models.Grade.grade_run_id == queries.run_of(hall.test.id).id)
    ).all()
    assert sorted(grades) == ["fail"] + ["pass"] * 5
    sheet = examiner.get(f"{address}/{score.n}").text
    assert "Standard error of the regression" in sheet
    assert "H1" in sheet


def enrolled(cast, at, number):
    """A further trainee of the cohort with an account, as an actor."""
    with transaction():
        person = accounts.add_person(name_zh=f"学员{number}", name_latin=f"Trainee {number}", at=at, by=None)
        account = accounts.add_account(person, login=f"trainee-{number}@example.org", at=at, by=None)
        programmes.enrol(person, cast.cohort, track="PED", home_hospital=None, at=at, by=None)
    return accounts_queries.actor_of(account, at=at)


def test_pages_are_for_those_who_propose_or_decide_and_a_panel_for_its_judges(test, cast, at, browser):
    study = asked(test, cast, at, "ebel")
    agreed(test, cast, at)
    address = f"/tests/{test.public_id}/cut"
    pages = [f"{address}/{one}" for one in ("ebel", "hofstee", "borderline", "1")]
    posts = [f"{address}/{one}/{act}" for one in ("ebel", "hofstee") for act in ("judges", "propose")]
    for who in (cast.trainee, cast.mentor, cast.educator, cast.auditor, cast.stranger):
        client = browser(who)
        for page in pages:
            assert client.get(page).status_code in (403, 404), page
        for post in (*posts, f"{address}/ebel/judges/{study.public_id}/close"):
            assert client.post(post).status_code in (403, 404), post
    for who in (cast.examiner, cast.director):
        assert [browser(who).get(page).status_code for page in pages] == [200] * 4
    for name, who in cast.everyone().items():
        is_judge = name in {"mentor", "other_mentor"}
        assert browser(who).get(f"/panels/{study.public_id}").status_code == (200 if is_judge else 404), name
    director, examiner = browser(cast.director), browser(cast.examiner)
    asking = {"paper": "1", "judges": ["x"]}
    assert director.post(f"{address}/hofstee/judges", data=asking).status_code in (403, 404, 422)
    assert examiner.post(f"{address}/ebel/judges/zzzzzzzzzzzz/close").status_code == 404
    assert examiner.post(f"{address}/hofstee/judges/{study.public_id}/close").status_code == 404
    assert examiner.get(f"{address}/guess").status_code == 404


def test_the_pages_ask_the_database_no_more_for_more_people(test, cast, at, browser, later, queries):
    published(test, cast, at)
    closed_hofstee(test, cast, at, WIDE, WIDE)
    examiner = browser(cast.examiner)
    later()
    examiner.get("/")
    counts = []
    for _time in range(2):
        with_results(test, SCORES, at)
        with queries() as seen:
            assert examiner.get(f"/tests/{test.public_id}/cut/hofstee").status_code == 200
        counts.append(seen.count)
    assert counts[0] == counts[1]
    assert counts[0] <= 17


@pytest.mark.parametrize("method", ["hofstee", "ebel", "borderline"])
def test_the_page_of_a_method_asks_few_questions(test, cast, at, browser, later, method, request):
    counted = request.getfixturevalue("queries")
    closed_hofstee(test, cast, at, WIDE, WIDE)
    published(test, cast, at)
    with_results(test, SCORES, at)
    later()
    examiner = browser(cast.examiner, lang="en")
    examiner.get("/tests")
    with counted() as seen:
        assert examiner.get(f"/tests/{test.public_id}/cut/{method}").status_code == 200
    assert seen.count <= 12
