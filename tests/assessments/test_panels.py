"""Pass marks by Ebel, Hofstee and borderline regression: what judges and results show, agreed by two people."""

import re
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts.models import Person
from lms.assessments import models, queries, services
from lms.assessments.psychometrics.standards import borderline_regression, ebel
from lms.assessments.queries import markers
from lms.assessments.queries import standards as query
from lms.assessments.rules.standards import CELLS, Sorted
from lms.core import approvals
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.programmes.models import Enrolment
from tests.assessments.papers import agreed, drafted, sealed
from tests.assessments.psychometrics.published import lsat6
from tests.assessments.test_human_marking import make_hall

LIMITS = {"least_cut": 40, "most_cut": 80, "least_fail": 2, "most_fail": 30}


@pytest.fixture
def test(app, cast, stocked_bank, at):
    """An exam with two sealed papers of five questions, its results held."""
    found = drafted(cast, stocked_bank, at, release="held")
    sealed(found, cast, at)
    return found


def refused(act, code):
    with pytest.raises(RuleBroken) as caught, transaction():
        act()
    assert caught.value.code == code


def asked(test, cast, at, method):
    people = [db.session.get_one(Person, who.person_id) for who in (cast.mentor, cast.other_mentor)]
    with transaction():
        return services.start_panel(
            test, queries.forms_of(test.id)[0], method, people, by=cast.examiner, at=at
        )


def approve(test, approval, cast, at):
    with transaction():
        services.decide_cut(
            test, outcome="approved", seen_sha256=approval.payload_sha256, words="", by=cast.director, at=at
        )


# ---------------------------------------------------------------- Ebel


def test_judges_sort_in_two_rounds_and_their_cut_is_that_of_ebel(test, cast, at):
    """By hand: judge one expects 80 of 3 and 50 of 2 marks: 68 per cent; judge two 60 of all: 60; mean 64, SE 4."""
    study, again = (asked(test, cast, at, "ebel") for _click in range(2))
    assert study.id == again.id
    one = Sorted(
        {1: CELLS[0], 2: CELLS[0], 3: CELLS[0], 4: CELLS[5], 5: CELLS[5]}, {CELLS[0]: 80, CELLS[5]: 50}
    )
    two = Sorted(dict.fromkeys(range(1, 6), CELLS[4]), {CELLS[4]: 60})

    def sort(who, said, round_=1):
        with transaction():
            services.sort_questions(study, round_, said, by=who, at=at)

    def move(act):
        with transaction():
            return services.move_panel(study, act, by=cast.examiner, at=at)

    sort(cast.mentor, one)
    sort(cast.mentor, one)
    assert db.session.scalar(select(func.count()).select_from(models.StandardJudgement)) == 1
    refused(lambda: move("next_round"), "too_few_judges")
    refused(lambda: sort(cast.mentor, Sorted({1: "other"}, {})), "cell")
    refused(lambda: sort(cast.mentor, Sorted({}, {CELLS[0]: 101})), "rating")
    sort(cast.other_mentor, two)
    assert query.own_sheet(study, cast.mentor.person_id).others == {}
    for _click in range(2):
        move("next_round")
    refused(lambda: sort(cast.mentor, one), "round_over")
    sheet = query.own_sheet(study, cast.mentor.person_id)
    assert sheet.others[1] == {CELLS[0]: 1, CELLS[4]: 1}
    assert sheet.mine == one.given()
    sort(cast.mentor, one, 2)
    sort(cast.other_mentor, two, 2)
    study = move("close")
    (view,) = query.panel_views([study])
    assert (view.last.percent, view.last.whole_percent) == (64, 64)
    assert view.last.se_percent == pytest.approx(4)
    grids = [[[3, 0], [0, 2]], [[0, 0], [0, 5]]]
    published = ebel(grids, [[[0.8, 0], [0, 0.5]], [[0, 0], [0, 0.6]]])
    assert 20 * published.cut == pytest.approx(64)
    assert 20 * published.se == pytest.approx(view.last.se_percent)

    def propose(percent):
        return services.propose_standard(
            test, "ebel", study, percent=percent, reason="panel", by=cast.examiner, at=at
        )

    refused(lambda: propose(60), "not_the_result")
    with transaction():
        approval = propose(64)
    approve(test, approval, cast, at)
    (score,) = queries.cut_scores(test.id)
    assert (score.method, score.percent, score.evidence["cuts"]) == ("ebel", 64, [68.0, 60.0])
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text("UPDATE standard_judgement SET round = 2"))


def test_only_judges_find_a_panel(test, cast, at):
    study = asked(test, cast, at, "ebel")
    for name, who in cast.everyone().items():
        if name in {"mentor", "other_mentor"}:
            assert queries.standard_study(study.public_id, who).id == study.id
        else:
            with pytest.raises(NotFound):
                queries.standard_study(study.public_id, who)
            with pytest.raises(NotFound), transaction():
                services.sort_questions(study, 1, Sorted({}, {}), by=who, at=at)
    with pytest.raises(NotAllowed), transaction():
        services.move_panel(study, "close", by=cast.educator, at=at)


# ---------------------------------------------------------------- Hofstee


def closed_hofstee(test, cast, at, *said):
    study = asked(test, cast, at, "hofstee")
    for who, limits in zip((cast.mentor, cast.other_mentor), said, strict=True):
        for _click in range(2):
            with transaction():
                services.accept_limits(study, limits, by=who, at=at)
    with transaction():
        return services.move_panel(study, "close", by=cast.examiner, at=at)


def test_hofstee_finds_the_published_cut_of_lsat_6(test, cast, at):
    """Two judges whose means are 2 to 4 of 5 marks and fail rates of 2 to 30 per cent: 3.137931034 marks."""
    study = closed_hofstee(
        test, cast, at,
        {"least_cut": 30, "most_cut": 70, "least_fail": 0, "most_fail": 20},
        {"least_cut": 50, "most_cut": 90, "least_fail": 4, "most_fail": 40},
    )  # fmt: skip
    assert db.session.scalar(select(func.count()).select_from(models.StandardJudgement)) == 2
    (view,) = query.panel_views([study])
    assert view.limits == LIMITS
    percents = [20.0 * float(total) for total in lsat6().sum(axis=1)]
    found = query.hofstee_found(view, query.Results(percents, 0, ""))
    assert found.percent / 20 == pytest.approx(3.137931034, abs=1e-9)
    assert found.fail_rate == pytest.approx(0.140689655, abs=1e-9)
    assert (found.n, found.judges, len(found.cuts)) == (1000, 2, 2)
    assert found.se == pytest.approx(abs(found.cuts[0] - found.cuts[1]) / 2)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"most_cut": 40}, "order"), ({"most_fail": 1}, "order"), ({"least_fail": 101}, "limit"), ({"least_cut": -1}, "limit")],
)  # fmt: skip
def test_limits_out_of_order_are_refused(test, cast, at, change, code):
    study = asked(test, cast, at, "hofstee")
    refused(lambda: services.accept_limits(study, LIMITS | change, by=cast.mentor, at=at), code)


def with_results(test, scores, at):
    """First attempts at five marks, marked in the run of the test, each by a trainee of their own."""
    run, form = queries.run_of(test.id), queries.forms_of(test.id)[-1]
    keys = {slot["slot"]: run.keys[str(slot["version"])] for slot in form.slots}
    with transaction():
        for number, score in enumerate(scores):
            person = Person(
                name_zh=f"学员{number}", name_latin="", created_at=at
            )  # fmt: skip
            db.session.add(person)
            db.session.flush()
            enrolment = Enrolment(cohort_id=test.cohort_id, person_id=person.id, track="NICU", enrolled_at=at)
            db.session.add(enrolment)
            db.session.flush()
            sitting = models.Sitting(
                test_id=test.id, form_id=form.id, enrolment_id=enrolment.id, trainee_person_id=person.id, attempt=1,
                client_uuid=f"one-{number:05d}", seed="0" * 64, started_at=at, state="submitted", submitted_at=at, marked_at=at,
            )  # fmt: skip
            db.session.add(sitting)
            db.session.flush()
            db.session.add(
                models.Grade(
                    grade_run_id=run.id, sitting_id=sitting.id, score=Fraction(score), maximum=Fraction(5),
                    cut_percent=run.cut_percent, decision="pass" if 20 * score >= run.cut_percent else "fail", at=at,
                )
            )  # fmt: skip
            db.session.add_all(
                models.Mark(
                    grade_run_id=run.id, sitting_id=sitting.id, slot=slot, key_revision_id=key, response={"choice": "a" if slot <= score else "b"},
                    score=Fraction(slot <= score), maximum=Fraction(1),
                )
                for slot, key in keys.items()
            )  # fmt: skip


def published(test, cast, at):
    agreed(test, cast, at, 60)
    with transaction():
        services.publish(test, at=at, by=cast.examiner)


def decisions_of(test):
    run = queries.run_of(test.id)
    return run, dict(
        db.session.execute(
            select(models.Grade.decision, func.count())
            .where(models.Grade.grade_run_id == run.id)
            .group_by(models.Grade.decision)
        ).all()
    )


WIDE = {"least_cut": 40, "most_cut": 80, "least_fail": 10, "most_fail": 60}
"""Between 60 and 80 per cent the curve rises from .2 to .4 and the line falls from .35 to .1: they meet at 66.67."""
SCORES = (1, 2, 3, 3, 4, 4, 4, 5, 5, 5)


def test_before_the_release_grades_are_made_anew_by_the_pass_mark_of_the_results(test, cast, at):
    published(test, cast, at)
    study = closed_hofstee(test, cast, at, WIDE, WIDE)
    with_results(test, SCORES, at)
    later = at + timedelta(days=3)

    def propose(percent, when=later):
        return services.propose_standard(
            test, "hofstee", study, percent=percent, reason="panel", by=cast.examiner, at=when
        )

    refused(lambda: propose(60, at), "still_open")
    refused(lambda: propose(1), "not_the_result")
    percent = services.standard_evidence(test, "hofstee", study, at=later)["whole_percent"]
    assert percent == 67
    with transaction():
        approval, again = (propose(percent) for _click in range(2))
    assert approval.id == again.id
    assert approval.payload["evidence"]["quality"]["wrong"] > 0
    first, before = decisions_of(test)
    assert before == {"pass": 8, "fail": 2}
    approve(test, approval, cast, later)
    run, now = decisions_of(test)
    assert (run.n, run.keys, run.cut_percent) == (first.n + 1, first.keys, percent)
    assert now == {"pass": 6, "fail": 4}
    assert queries.cut_scores(test.id)[0].method == "hofstee"
    assert queries.is_cut_approved(test)
    assert db.session.scalar(select(func.count()).where(models.Mark.grade_run_id == run.id)) == 50


def test_results_that_changed_meanwhile_make_the_proposal_stale(test, cast, at):
    published(test, cast, at)
    study = closed_hofstee(test, cast, at, WIDE, WIDE)
    with_results(test, SCORES, at)
    later = at + timedelta(days=3)
    percent = services.standard_evidence(test, "hofstee", study, at=later)["whole_percent"]
    with transaction():
        approval = services.propose_standard(
            test, "hofstee", study, percent=percent, reason="panel", by=cast.examiner, at=later
        )
    with transaction():
        services.release(test, at=later, by=cast.examiner)
    refused(lambda: approve(test, approval, cast, later), "stale")


def test_after_the_release_it_is_a_regrade_that_two_people_agree_on(test, cast, at):
    published(test, cast, at)
    study = closed_hofstee(test, cast, at, WIDE, WIDE)
    with_results(test, SCORES, at)
    later = at + timedelta(days=3)
    with transaction():
        services.release(test, at=later, by=cast.examiner)
    refused(
        lambda: services.propose_standard(
            test, "hofstee", study, percent=70, reason="panel", by=cast.examiner, at=later
        ),
        "released",
    )
    percent = services.standard_evidence(test, "hofstee", study, at=later)["whole_percent"]
    seen = approvals.digest(queries.regrade(test, percent).payload(test))
    with transaction():
        approval = services.propose_regrade(
            test, cut_percent=percent, seen_sha256=seen, reason="panel", standard=("hofstee", study),
            by=cast.examiner, at=later,
        )  # fmt: skip
    with transaction():
        services.decide_regrade(
            test,
            outcome="approved",
            seen_sha256=approval.payload_sha256,
            words="",
            by=cast.director,
            at=later,
        )
    assert decisions_of(test)[1] == {"pass": 6, "fail": 4}
    score = queries.cut_scores(test.id)[0]
    assert (score.method, score.percent) == ("hofstee", percent)


# ---------------------------------------------------------------- borderline regression

RATINGS = [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5]
POINTS = [8, 10, 11, 12, 13, 14, 15, 16, 18, 19, 21, 22]


def test_a_test_without_a_station_has_no_borderline_regression(test, cast, at):
    published(test, cast, at)
    later = at + timedelta(days=3)
    refused(lambda: services.standard_evidence(test, "borderline", None, at=later), "no_stations")


def test_an_examiner_rates_the_candidate_as_a_whole(app, cast, at):
    hall = make_hall(cast, at, kinds=("A1", "OSCE"))
    hall.ask("OSCE", hall.markers[0])
    with transaction():
        sitting = services.start(hall.test, client_uuid="click-0001", by=cast.trainee, at=at)
    by = hall.markers[0]

    def examine(rating):
        place = markers.station(hall.test.public_id, hall.question("OSCE"), by)
        (row,) = markers.station_people(place.test, place.version.id, by)
        return services.mark_at_station(
            place, row.sitting, {"a": Fraction(2), "b": Fraction(3)}, "", client_uuid=f"rate-{rating:04d}",
            rating=rating, by=by, at=at,
        )  # fmt: skip

    refused(lambda: examine(6), "global_rating")
    with transaction():
        assert examine(2).rating == 2
    with transaction():
        services.submit(queries.sitting(sitting.public_id, cast.trainee), by=cast.trainee, at=at)
    hall.settle()
    (station,) = queries.borderline_found(hall.test).stations
    assert station.points == [(2.0, 5.0)]
    assert not station.is_usable


def test_the_page_of_a_station_keeps_the_rating_and_names_one_that_is_none(app, cast, at, browser):
    hall = make_hall(cast, at, kinds=("A1", "OSCE"))
    hall.ask("OSCE", hall.markers[0])
    with transaction():
        sitting = services.start(hall.test, client_uuid="click-0001", by=cast.trainee, at=at)
    address = f"/tests/{hall.test.public_id}/stations/{hall.question('OSCE')}/{sitting.public_id}"
    client = browser(hall.markers[0], lang="en")
    assert "The candidate as a whole" in client.get(address).text
    typed = {"client_uuid": "rate-page-1", "line-a": "2", "line-b": "3", "note": ""}
    assert client.post(address, data=typed | {"rating": "9"}).status_code == 422
    for _click in range(2):
        assert client.post(address, data=typed | {"rating": "2"}).status_code == 303
    db.session.rollback()
    assert db.session.scalars(select(models.Marking.rating)).all() == [2]
    assert re.search(r'value="2"[^>]*checked', client.get(address).text)


def test_borderline_regression_adds_up_the_published_cut_of_a_station():
    """Cut 12.0279 of a station of 25 marks is 48.1116 per cent of its paper."""
    line = borderline_regression(RATINGS, POINTS, borderline=2)
    station = query.StationFound(1, "S1", 25, list(zip(RATINGS, POINTS, strict=True)), 0, line)
    found = query.BorderlineFound([station], 25, 0, 60, "")
    assert line.cut == pytest.approx(12.0279, abs=1e-4)
    assert found.percent == pytest.approx(4 * 12.0279, abs=4e-4)
    assert found.se_percent == pytest.approx(4 * line.cut_se)
