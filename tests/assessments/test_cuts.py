"""Pass marks: two people agree on them, and judges find them in two rounds."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from lms.accounts.models import Person
from lms.assessments import models, queries, services
from lms.assessments.rules.cuts import angoff, spread
from lms.core import approvals
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.core.notices import Notice
from tests.assessments.papers import agreed, drafted, sealed


@pytest.fixture
def test(app, cast, stocked_bank, at):
    """An exam with two sealed papers of five questions."""
    found = drafted(cast, stocked_bank, at)
    sealed(found, cast, at)
    return found


def refused(act, code):
    with pytest.raises(RuleBroken) as refusal, transaction():
        act()
    assert refusal.value.code == code
    return refusal.value


# ---------------------------------------------------------------- rules


def test_the_cut_is_the_mean_of_the_judges_sums_with_its_standard_error():
    """By hand: cuts 1.9, 2.3 and 2.1 of 4 marks; mean 2.1, SD 0.2, SE 0.2 / √3."""
    marks = {1: 1, 2: 1, 3: 2}
    ratings = [{1: 50, 2: 40, 3: 50}, {1: 60, 2: 50, 3: 60}, {1: 70, 2: 40, 3: 50}]
    found = angoff(ratings, marks)
    assert found.marks == Fraction(21, 10)
    assert found.percent == Fraction(105, 2)
    assert found.whole_percent == 53
    assert found.sd == pytest.approx(0.2)
    assert found.se == pytest.approx(0.115470, abs=1e-6)
    assert angoff(ratings[:1], marks) is None


@given(st.lists(st.integers(0, 100), min_size=2, max_size=9))
def test_the_spread_lies_between_its_ends_and_says_nothing_of_one_judge(said):
    found = spread(said)
    assert found.low <= found.mean <= found.high
    assert found.low <= found.middle <= found.high
    assert spread(said[:1]) is None


# ---------------------------------------------------------------- two people


def test_a_pass_mark_is_set_by_two_people_and_stays_written(test, cast, at):
    with transaction():
        approval = services.propose_cut(test, percent=70, reason="policy", by=cast.examiner, at=at)
        again = services.propose_cut(test, percent=70, reason="policy", by=cast.examiner, at=at)
    assert approval.id == again.id
    assert not queries.is_cut_approved(test)

    def decide(who, outcome="approved", seen=approval.payload_sha256):
        services.decide_cut(test, outcome=outcome, seen_sha256=seen, words="", by=who, at=at)

    refused(lambda: decide(cast.examiner), "same_person")
    refused(lambda: decide(cast.director, seen="0" * 64), "stale")
    with pytest.raises(NotAllowed), transaction():
        decide(cast.educator)
    for _click in range(2):
        with transaction():
            decide(cast.director)
    (score,) = queries.cut_scores(test.id)
    assert (score.percent, score.method, score.reason) == (70, "fixed", "policy")
    assert test.cut_percent == 70
    for change in ("DELETE FROM cut_score", "UPDATE cut_score SET percent = 1"):
        with pytest.raises(DBAPIError, match="append-only"), transaction():
            db.session.execute(text(change))


def test_another_value_typed_into_the_terms_has_to_be_agreed_anew(test, cast, at, stocked_bank):
    from tests.assessments.papers import terms

    agreed(test, cast, at, 60)
    assert queries.is_cut_approved(test)
    with transaction():
        services.edit_terms(test, terms(at, cut_percent=40), bank=stocked_bank, by=cast.examiner, at=at)
    refused(lambda: services.publish(test, at=at, by=cast.examiner), "cut_not_approved")


def test_an_open_test_keeps_its_pass_mark(test, cast, at):
    agreed(test, cast, at)
    with transaction():
        services.publish(test, at=at, by=cast.examiner)
    refused(
        lambda: services.propose_cut(test, percent=10, reason="kind", by=cast.examiner, at=at), "wrong_state"
    )


@pytest.mark.parametrize(
    ("percent", "reason", "code"), [(0, "x", "cut"), (101, "x", "cut"), (60, " ", "reason")]
)
def test_a_pass_mark_without_sense_or_reason_is_not_proposed(test, cast, at, percent, reason, code):
    refused(lambda: services.propose_cut(test, percent=percent, reason=reason, by=cast.examiner, at=at), code)


# ---------------------------------------------------------------- judges


def persons(*actors):
    return [db.session.get_one(Person, actor.person_id) for actor in actors]


def started(test, cast, at):
    with transaction():
        return services.start_study(
            test, queries.forms_of(test.id)[0], persons(cast.mentor, cast.other_mentor, cast.educator),
            by=cast.examiner, at=at,
        )  # fmt: skip


def rated(study, who, percent, at, round_=1, slots=range(1, 6)):
    with transaction():
        services.rate(study, round_, dict.fromkeys(slots, percent), by=who, at=at)


def test_judges_rate_in_two_rounds_and_what_they_find_is_approved_by_another(test, cast, at):
    study, again = (started(test, cast, at) for _click in range(2))
    assert study.id == again.id
    rated(study, cast.mentor, 40, at)
    refused(lambda: services.move_study(study, "next_round", by=cast.examiner, at=at), "too_few_judges")
    rated(study, cast.other_mentor, 60, at)
    rated(study, cast.educator, 10, at, slots=range(1, 3))  # not all of it: does not count
    seen = queries.seen_by(study, cast.mentor.person_id)
    assert seen[1].mine == 40
    assert all(one.spread is None and one.before is None and one.facility is None for one in seen.values())
    for _click in range(2):
        with transaction():
            study = services.move_study(study, "next_round", by=cast.examiner, at=at)
    seen = queries.seen_by(study, cast.mentor.person_id)
    assert (seen[1].mine, seen[1].before, seen[1].spread.low, seen[1].spread.high) == (40, 40, 40, 60)
    refused(lambda: rated(study, cast.mentor, 50, at), "round_over")
    refused(lambda: rated(study, cast.educator, 50, at, 2), "first_missing")
    rated(study, cast.mentor, 50, at, 2)
    rated(study, cast.other_mentor, 60, at, 2)
    with transaction():
        study = services.move_study(study, "close", by=cast.examiner, at=at)
    refused(lambda: rated(study, cast.mentor, 90, at, 2), "round_over")
    (view,) = queries.study_views([study])
    assert (view.first.percent, view.last.percent, view.last.whole_percent) == (50, 55, 55)
    assert view.last.se_percent == pytest.approx(5.0)

    def propose(percent):
        return services.propose_cut(
            test, percent=percent, reason="judges", study=study, by=cast.examiner, at=at
        )

    refused(lambda: propose(50), "not_the_result")
    with transaction():
        approval = propose(55)
        services.decide_cut(
            test, outcome="approved", seen_sha256=approval.payload_sha256, words="", by=cast.director, at=at
        )
    (score,) = queries.cut_scores(test.id)
    assert (score.method, score.percent, score.evidence["judges"]) == ("angoff", 55, 2)
    assert score.evidence["form_sha256"] == queries.forms_of(test.id)[0].sha256


def test_a_rating_is_never_changed_the_newest_counts(test, cast, at):
    study = started(test, cast, at)
    for percent in (30, 30, 35):
        rated(study, cast.mentor, percent, at)
    assert db.session.scalar(select(func.count()).select_from(models.AngoffRating)) == 10
    assert set(queries.ratings([study.id])[study.id, 1][cast.mentor.person_id].values()) == {35}
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text("UPDATE angoff_rating SET percent = 0"))


def test_only_judges_find_the_questions_and_the_rest_is_for_examiners(test, cast, at):
    study = started(test, cast, at)
    for name, who in cast.everyone().items():
        if name in {"mentor", "other_mentor", "educator"}:
            assert queries.study(study.public_id, who).id == study.id
        else:
            with pytest.raises(NotFound):
                queries.study(study.public_id, who)
            with pytest.raises(NotFound), transaction():
                services.rate(study, 1, {1: 50}, by=who, at=at)
    with pytest.raises(NotAllowed), transaction():
        services.move_study(study, "close", by=cast.educator, at=at)
    told = db.session.scalars(select(Notice.url).where(Notice.kind == "assessments.judge_invited")).all()
    assert told == [f"/judging/{study.public_id}"] * 3


def test_a_judge_sees_the_pictures_of_the_questions_while_they_judge(test, cast, at):
    with transaction():
        medium = models.ItemMedia(
            programme_id=cast.programme.id, sha256="0" * 64, storage_key="items/x.png", mime="image/png", size_bytes=1,
            created_at=at,
        )  # fmt: skip
        db.session.add(medium)
    with pytest.raises(NotFound):
        queries.item_media(medium.public_id, cast.mentor)
    started(test, cast, at)
    assert queries.item_media(medium.public_id, cast.mentor).id == medium.id
    with pytest.raises(NotFound):
        queries.item_media(medium.public_id, cast.second_assessor)


def test_in_the_second_round_a_judge_sees_how_questions_turned_out_elsewhere(desk, at, cast, candidate):
    """Five sittings are needed; with fewer nothing is shown."""
    trainee = candidate()
    trainee.start(desk.test)
    for slot in range(1, 6):
        trainee.choose(slot, desk.keys[slot])
    trainee.client.post(f"{trainee.url}/submit")
    with desk.app.app_context():
        assert queries.cuts.facilities(desk.form) == {}
        sitting = db.session.scalars(select(models.Sitting)).one()
        run = queries.run_of(desk.test.id)
        marks = db.session.scalars(select(models.Mark)).all()
        with transaction():
            for number in range(4):
                other = models.Sitting(
                    test_id=sitting.test_id, form_id=sitting.form_id, enrolment_id=sitting.enrolment_id,
                    trainee_person_id=sitting.trainee_person_id, attempt=10 + number, client_uuid=f"more-{number:04d}",
                    seed=sitting.seed, started_at=at, state="submitted", submitted_at=at, marked_at=at,
                )  # fmt: skip
                db.session.add(other)
                db.session.flush()
                db.session.add(
                    models.Grade(
                        grade_run_id=run.id,
                        sitting_id=other.id,
                        score=Fraction(0),
                        maximum=Fraction(10),
                        cut_percent=60,
                        decision="fail",
                        at=at,
                    )
                )
                db.session.add_all(
                    models.Mark(
                        grade_run_id=run.id, sitting_id=other.id, slot=mark.slot, key_revision_id=mark.key_revision_id,
                        response={}, score=Fraction(0), maximum=mark.maximum,
                    )
                    for mark in marks
                )  # fmt: skip
        found = queries.cuts.facilities(desk.form)
    assert found[1] == 20
    assert found[10] == 0


# ---------------------------------------------------------------- pages


def test_the_pages_of_a_pass_mark_from_the_judges_to_the_decision(test, cast, at, browser):
    examiner, director = browser(cast.examiner, lang="en"), browser(cast.director, lang="en")
    address = f"/tests/{test.public_id}/cut"
    page = examiner.get(address).text
    people = {
        name: re.search(rf'value="(\w+)"[^>]*><span>{name}', page)[1]
        for name in ("Wang Jianguo", "Dawa Droma")
    }
    one = examiner.post(f"{address}/judges", data={"paper": "1", "judges": [people["Wang Jianguo"]]})
    assert one.status_code == 422
    assert "Ask at least 2 judges." in one.text
    asked = {"paper": "1", "judges": list(people.values())}
    assert examiner.post(f"{address}/judges", data=asked).status_code == 303
    db.session.rollback()
    study = db.session.scalars(select(models.AngoffStudy)).one()
    mine = f"/judging/{study.public_id}"
    judges = [browser(who, lang="en") for who in (cast.mentor, cast.other_mentor)]
    assert judges[0].get(mine).text.count("<fieldset") == 5
    wrong = judges[0].post(mine, data={"round": "1", "rate-1": "60", "rate-2": "120"})
    assert wrong.status_code == 422
    assert 'href="#rate-2"' in wrong.text
    assert 'value="60"' in wrong.text
    assert 'value="120"' in wrong.text
    for number, step in ((1, "next_round"), (2, "close")):
        for judge, percent in zip(judges, (60, 70), strict=True):
            data = {"round": str(number)} | {f"rate-{slot}": str(percent) for slot in range(1, 6)}
            assert judge.post(mine, data=data).status_code == 303
        early = examiner.post(f"{address}/judges/{study.public_id}/{step}")
        assert early.status_code == 303
        if number == 1:
            shown = judges[0].get(mine).text
            assert "all 2 judges: 60 to 70, mean 65" in shown
            assert "your first round: 60" in shown
    page = examiner.get(address).text
    assert "65.0% ± 5.0 (standard error), 2 judges" in page
    result = {"study": study.public_id, "percent": "65", "reason": ""}
    assert examiner.post(f"{address}/propose", data=result).status_code == 422
    assert examiner.post(f"{address}/propose", data=result | {"reason": "the judges"}).status_code == 303
    page = director.get(address).text
    assert "65.00" in page
    seen = re.search(r'name="seen" value="(\w+)"', page)[1]
    assert director.post(f"{address}/decide", data={"outcome": "refused", "seen": seen}).status_code == 422
    assert director.post(f"{address}/decide", data={"outcome": "approved", "seen": seen}).status_code == 303
    assert "agreed by two people" in examiner.get(address).text
    assert approvals.open_for(services.CUT, f"test:{test.public_id}") is None


def test_strangers_find_neither_the_pass_mark_nor_the_judging(test, cast, at, browser):
    study = started(test, cast, at)
    address = f"/tests/{test.public_id}/cut"
    for who in (cast.trainee, cast.mentor, cast.educator, cast.auditor, cast.stranger):
        client = browser(who)
        assert client.get(address).status_code == 404
        for act in ("propose", "decide", "withdraw", "judges", f"judges/{study.public_id}/close"):
            assert client.post(f"{address}/{act}").status_code == 404, act
    for who in (cast.trainee, cast.examiner, cast.director, cast.second_assessor):
        assert browser(who).get(f"/judging/{study.public_id}").status_code == 404
    examiner = browser(cast.examiner)
    assert examiner.post(f"{address}/judges/zzzzzzzzzzzz/close").status_code == 404
    assert examiner.post(f"{address}/judges/{study.public_id}/open").status_code == 404
    other = {"percent": "60", "reason": "x", "study": "zzzzzzzzzzzz"}
    assert examiner.post(f"{address}/propose", data=other).status_code == 404


def test_the_page_asks_the_database_no_more_for_more_judges(test, cast, at, browser, queries):
    examiner = browser(cast.examiner)
    study = started(test, cast, at)
    counts = []
    for who in (cast.mentor, cast.other_mentor, cast.educator):
        rated(study, who, 50, at)
        with queries() as seen:
            assert examiner.get(f"/tests/{test.public_id}/cut").status_code == 200
        counts.append(seen.count)
    assert len(set(counts)) == 1
    assert counts[0] <= 20
