"""Tests in the making: terms, blueprint, drawing, changes by hand, the seal, and who gets which paper."""

from collections import Counter
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from lms.assessments import models, queries, services
from lms.assessments.rules.blueprint import Blueprint, Cell, Pick, PoolItem, forms_faults
from lms.assessments.rules.papers import Limits, equivalents, form_for, new_faults, ordered, read_cells
from lms.core import clock
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from tests.assessments.papers import CELLS, agreed, asked, drafted, drawn, sealed, terms


@pytest.fixture
def bank(stocked_bank):
    return stocked_bank


def refused(act, code):
    with pytest.raises(RuleBroken) as refusal, transaction():
        act()
    assert refusal.value.code == code
    return refusal.value


# ---------------------------------------------------------------- rules


@given(st.integers(1, 6), st.integers(1, 40), st.binary(min_size=8, max_size=8))
def test_papers_are_given_out_evenly_and_a_retake_gets_another(count, candidates, seed):
    forms = list(range(10, 10 + count))
    first = [form_for(rank, [], forms, seed) for rank in range(candidates)]
    numbers = Counter(first)
    assert max(numbers.values()) - min(numbers[form] for form in forms) <= 1
    for rank in range(candidates):
        seen = []
        for _attempt in range(count):
            seen.append(form_for(rank, seen, forms, seed))
        assert sorted(seen) == forms
        assert form_for(rank, seen, forms, seed) == seen[0]


def test_a_place_that_is_wished_for_is_given():
    form = [Pick(0, number) for number in range(1, 7)]
    assert [pick.item for pick in ordered(form, {5: 2})] == [1, 5, 2, 3, 4, 6]
    assert [pick.item for pick in ordered(form, {2: 5})] == [1, 3, 4, 5, 2, 6]
    assert [pick.item for pick in ordered(form, {})] == [1, 2, 3, 4, 5, 6]
    assert [pick.item for pick in ordered(form, {1: 6, 6: 1})] == [6, 2, 3, 4, 5, 1]


def test_equivalents_are_those_that_break_no_rule():
    blueprint = Blueprint((Cell(2, topic="a"),))
    pool = [
        PoolItem(1, "a", difficulty=50), PoolItem(2, "a", difficulty=60), PoolItem(3, "a", difficulty=90), PoolItem(4, "b"),
        PoolItem(5, "a", enemies=frozenset({2})), PoolItem(6, "a", exposure=Fraction(1, 2)), PoolItem(7, "a", asks=2, difficulty=50),
        PoolItem(8, "a", difficulty=55), PoolItem(9, "a"), PoolItem(10, "a"),
    ]  # fmt: skip
    forms = [[Pick(0, 1), Pick(0, 2)], [Pick(0, 9), Pick(0, 10)]]
    limits = Limits(forms=2, max_shared=0, max_exposure_percent=25)
    found = [item.id for item in equivalents(blueprint, forms, 0, 1, pool, limits)]
    assert found == [8, 3]
    for item in pool:
        changed = [[Pick(0, item.id), Pick(0, 2)], forms[1]]
        if item.id != 1:
            assert (not new_faults(blueprint, forms, changed, pool, limits)) == (item.id in found), item


# ---------------------------------------------------------------- terms


def test_two_clicks_make_one_draft_and_the_trail_says_who(app, cast, bank, at):
    one, two = (drafted(cast, bank, at) for _click in range(2))
    assert one.id == two.id
    assert one.purpose == "exam"
    assert queries.plan_of(one.id).bank.id == bank.id


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"title_zh": " ", "title_en": ""}, "title", "title_zh"),
        ({"closes_at": None}, "window", "closes_at"),
        ({"limits": Limits(forms=0)}, "forms", "forms_wanted"),
        ({"limits": Limits(max_exposure_percent=0)}, "max_exposure", "max_exposure_percent"),
        ({"starts_until": timedelta(days=3)}, "starts_until", "starts_until"),
        ({"attempts_allowed": 0}, "attempts", "attempts_allowed"),
    ],
)
def test_terms_that_make_no_sense_are_refused_at_their_field(app, cast, bank, at, more, code, field):
    if "closes_at" in more:
        more = {"closes_at": at - timedelta(days=9)}
    if "starts_until" in more:
        more = {"starts_until": at + more["starts_until"]}
    assert refused(lambda: drafted(cast, bank, at, **more), code).field == field


def test_exams_and_practice_stay_apart(app, cast, bank, at):
    with transaction():
        practice = services.create_bank(
            cast.programme, purpose="practice", title_zh="练", title_en="P", at=at, by=None
        )
    test = drafted(cast, bank, at)
    refused(lambda: services.edit_terms(test, terms(at), bank=practice, by=cast.examiner, at=at), "purpose")
    with transaction():
        own = services.draft_test(
            cast.cohort, practice, terms(at), client_uuid="uuid-0002", by=cast.educator, at=at
        )
    assert own.purpose == "practice"
    with pytest.raises(NotFound), transaction():
        services.draft_test(cast.cohort, bank, terms(at), client_uuid="uuid-0003", by=cast.educator, at=at)
    with pytest.raises(NotAllowed), transaction():
        services.edit_terms(test, terms(at), bank=bank, by=cast.educator, at=at)


def test_what_is_for_practice_counts_for_no_certificate(app, cast, bank, at):
    with transaction():
        practice = services.create_bank(
            cast.programme, purpose="practice", title_zh="练", title_en="P", at=at, by=None
        )
        for number in range(12):
            asked(practice, number, at, topic=("shock", "airway")[number % 2])
        test = services.draft_test(
            cast.cohort, practice, terms(at), client_uuid="uuid-0002", by=cast.educator, at=at
        )
    before = queries.test_facts_of(cast.enrolment)
    sealed(test, cast, at)
    with transaction():
        services.publish(test, at=at, by=cast.educator)
    assert queries.test_facts_of(cast.enrolment) == before


def test_a_draft_is_deleted_with_its_papers_and_a_sealed_one_is_not(app, cast, bank, at):
    test, other = drafted(cast, bank, at), drafted(cast, bank, at, "uuid-0002")
    drawn(test, cast, at)
    with transaction():
        services.delete_draft(test, by=cast.examiner, at=at)
    assert db.session.get(models.Test, test.id) is None
    sealed(other, cast, at)
    refused(lambda: services.delete_draft(other, by=cast.examiner, at=at), "sealed")


def test_a_copy_has_the_terms_and_the_blueprint_and_a_window_to_come(app, cast, bank, at):
    test = drafted(cast, bank, at, starts_until=at + timedelta(hours=5))
    sealed(test, cast, at)
    later = at + timedelta(days=10)
    with transaction():
        copy = services.copy_test(test, client_uuid="copy-0001", by=cast.examiner, at=later)
        again = services.copy_test(test, client_uuid="copy-0001", by=cast.examiner, at=later)
    assert copy.id == again.id != test.id
    assert later <= copy.opens_at < later + timedelta(days=7)
    assert copy.closes_at - copy.opens_at == test.closes_at - test.opens_at
    assert (copy.opens_at - test.opens_at) % timedelta(days=7) == timedelta(0)
    assert copy.starts_until - copy.opens_at == test.starts_until - test.opens_at
    plan = queries.plan_of(copy.id)
    assert read_cells(plan.blueprint) == CELLS
    assert (plan.limits, copy.state, queries.forms_of(copy.id)) == (Limits(forms=2), "draft", [])


def test_a_test_whose_questions_were_named_one_by_one_can_be_copied(desk, at, cast):
    with desk.app.app_context(), transaction():
        old = queries.test(desk.test.public_id, cast.examiner)
        copy = services.copy_test(old, client_uuid="copy-0001", by=cast.examiner, at=at)
        assert queries.plan_of(copy.id).bank.title_en
        assert copy.is_sample is False


# ---------------------------------------------------------------- drawing


def test_papers_fill_the_blueprint_share_nothing_and_the_same_drawing_is_kept_once(app, cast, bank, at):
    test = drafted(cast, bank, at)
    drafts = drawn(test, cast, at)
    assert not drafts.problems
    assert [len(paper.rows) for paper in drafts.papers] == [5, 5]
    assert drafts.shared == [(1, 2, 0)]
    assert all(cell.is_exact for paper in drafts.papers for cell in paper.cells)
    assert drawn(test, cast, at).sha256 == drafts.sha256
    others = {drawn(test, cast, at, f"draw-{n:04d}").sha256 for n in range(2, 5)}
    assert others - {drafts.sha256}


def test_what_cannot_be_drawn_says_which_line_lacks_how_many(app, cast, bank, at):
    test = drafted(cast, bank, at)
    cells = (Cell(5, topic="shock"), Cell(2, topic="airway"))
    with transaction():
        services.set_blueprint(test, cells, by=cast.examiner, at=at)
    drawing = services.draw(test, client_uuid="d", by=cast.examiner, at=at, today=clock.today(at))
    assert "2" in drawing.lacks[0]
    assert "shock" in drawing.lacks[0]
    refused(
        lambda: services.keep(test, drawing, by=cast.examiner, at=at, today=clock.today(at)), "infeasible"
    )


def test_papers_drawn_from_an_older_blueprint_are_not_kept(app, cast, bank, at):
    test = drafted(cast, bank, at)
    today = clock.today(at)
    with transaction():
        services.set_blueprint(test, CELLS, by=cast.examiner, at=at)
    drawing = services.draw(test, client_uuid="d", by=cast.examiner, at=at, today=today)
    with transaction():
        services.set_blueprint(test, CELLS[:1], by=cast.examiner, at=at)
    refused(lambda: services.keep(test, drawing, by=cast.examiner, at=at, today=today), "changed_meanwhile")


def test_another_blueprint_or_other_limits_let_the_papers_go_and_a_title_does_not(app, cast, bank, at):
    test = drafted(cast, bank, at)
    drawn(test, cast, at)
    with transaction():
        services.edit_terms(test, terms(at, title_en="Other"), bank=bank, by=cast.examiner, at=at)
    assert len(queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at)).papers) == 2
    with transaction():
        services.edit_terms(test, terms(at, limits=Limits(forms=3)), bank=bank, by=cast.examiner, at=at)
    assert not queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at)).papers


def test_a_blueprint_with_a_fault_names_its_line(app, cast, bank, at):
    test = drafted(cast, bank, at)
    found = refused(
        lambda: services.set_blueprint(test, (Cell(1), Cell(0)), by=cast.examiner, at=at), "blueprint"
    )
    assert found.field == "cells.1.count"


def test_a_question_is_exchanged_for_an_equivalent_one_only(app, cast, bank, at):
    test = drafted(cast, bank, at)
    drafts = drawn(test, cast, at)
    first, second = drafts.papers
    old = first.rows[0].question
    taken = {row.question.id for paper in drafts.papers for row in paper.rows}
    free = [
        one
        for one in queries.offered(bank, at=at, today=clock.today(at)).values()
        if one.question.id not in taken
    ]
    good = next(one.question for one in free if one.item.topic == old.topic)
    wrong = next(one.question for one in free if one.item.topic != old.topic)

    def exchange(new):
        return services.exchange(test, 1, old, new, by=cast.examiner, at=at, today=clock.today(at))

    refused(lambda: exchange(wrong), "not_equivalent")
    refused(lambda: exchange(second.rows[0].question), "not_equivalent")
    for _click in range(2):
        with transaction():
            exchange(good)
    after = queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at))
    assert after.papers[0].rows[0].question.id == good.id
    assert not after.problems
    with transaction():
        services.reorder(test, 1, {good.id: 5}, by=cast.examiner, at=at)
    after = queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at))
    assert after.papers[0].rows[-1].question.id == good.id


# ---------------------------------------------------------------- the seal


def test_a_seal_holds_what_was_seen_and_nothing_changes_it_any_more(app, cast, bank, at):
    test = drafted(cast, bank, at)
    drafts = drawn(test, cast, at)
    today = clock.today(at)
    refused(
        lambda: services.seal(test, seen_sha256="0" * 64, by=cast.examiner, at=at, today=today),
        "changed_meanwhile",
    )
    for _click in range(2):
        with transaction():
            services.seal(test, seen_sha256=drafts.sha256, by=cast.examiner, at=at, today=today)
    forms = queries.forms_of(test.id)
    assert [form.sha256 for form in forms] == [paper.sha256 for paper in drafts.papers]
    for act in (
        lambda: services.set_blueprint(test, CELLS[:1], by=cast.examiner, at=at),
        lambda: services.draw(test, client_uuid="x", by=cast.examiner, at=at, today=today),
        lambda: services.reorder(test, 1, {}, by=cast.examiner, at=at),
        lambda: services.edit_terms(
            test, terms(at, limits=Limits(forms=1)), bank=bank, by=cast.examiner, at=at
        ),
    ):
        refused(act, "sealed")
    with pytest.raises(DBAPIError, match="append-only"), transaction():
        db.session.execute(text("UPDATE exam_form SET slots = '[]'"))


def test_what_was_sealed_proves_itself_without_the_bank(app, cast, bank, at):
    forms = sealed(drafted(cast, bank, at), cast, at)
    papers, items = [], {}
    for form in forms:
        papers.append([Pick(*pick) for pick in form.drawn["picks"]])
        items |= {
            one["id"]: PoolItem(**{**one, "exposure": Fraction(one["exposure"])})
            for one in form.drawn["items"]
        }
    assert not forms_faults(Blueprint(read_cells(forms[0].drawn["blueprint"])), papers, items.values())


@pytest.mark.parametrize("act", ["suspend", "retire"])
def test_a_question_put_away_since_the_draw_keeps_the_papers_from_being_sealed(app, cast, bank, at, act):
    test = drafted(cast, bank, at)
    drafts = drawn(test, cast, at)
    question = drafts.papers[1].rows[0].question
    with transaction():
        getattr(services, act)(question, words="leaked", by=cast.examiner, at=at)
    now = queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at))
    assert len(now.problems) == 1
    assert question.code in now.problems[0]
    refused(
        lambda: services.seal(test, seen_sha256=now.sha256, by=cast.examiner, at=at, today=clock.today(at)),
        "not_ready",
    )
    place = equivalents(
        now.blueprint, [paper.picks for paper in now.papers], 1, question.id, now.pool, Limits(forms=2)
    )
    new = db.session.get_one(models.Question, place[0].id)
    with transaction():
        services.exchange(test, 2, question, new, by=cast.examiner, at=at, today=clock.today(at))
    assert not queries.drafts(queries.plan_of(test.id), at=at, today=clock.today(at)).problems


def test_a_test_opens_with_sealed_papers_only(app, cast, bank, at):
    test = drafted(cast, bank, at)
    drawn(test, cast, at)
    refused(lambda: services.publish(test, at=at, by=cast.examiner), "not_sealed")
    sealed(test, cast, at)
    late = at + timedelta(days=3)
    refused(lambda: services.publish(test, at=late, by=cast.examiner), "closed")
    refused(lambda: services.publish(test, at=at, by=cast.examiner), "cut_not_approved")
    agreed(test, cast, at)
    with transaction():
        services.publish(test, at=at, by=cast.examiner)
    refused(lambda: services.edit_terms(test, terms(at), bank=bank, by=cast.examiner, at=at), "wrong_state")


# ---------------------------------------------------------------- who gets which


def test_each_trainee_gets_a_paper_a_retake_another_and_nobody_starts_late(app, cast, bank, at):
    test = drafted(cast, bank, at, attempts_allowed=3, starts_until=at + timedelta(hours=1))
    sealed(test, cast, at)
    agreed(test, cast, at)
    with transaction():
        services.publish(test, at=at, by=cast.examiner)

    def sit(who, uuid, when):
        with transaction():
            sitting = services.start(test, client_uuid=uuid, by=who, at=when)
            services.submit(sitting, by=who, at=when)
        return sitting

    one, two = sit(cast.trainee, "click-0001", at), sit(cast.other_trainee, "click-0001", at)
    assert one.form_id != two.form_id
    retake = sit(cast.trainee, "click-0002", at)
    assert retake.form_id == two.form_id
    assert sit(cast.trainee, "click-0002", at).id == retake.id
    refused(lambda: sit(cast.other_trainee, "click-0003", at + timedelta(hours=1)), "closed")
    marks = db.session.scalars(select(models.Mark).where(models.Mark.sitting_id == retake.id)).all()
    assert len(marks) == 5


def test_exposure_is_the_share_of_the_years_sittings(app, cast, bank, at):
    test = drafted(cast, bank, at)
    sealed(test, cast, at)
    agreed(test, cast, at)
    with transaction():
        services.publish(test, at=at, by=cast.examiner)
        for who in (cast.trainee, cast.other_trainee):
            services.start(test, client_uuid="click-0001", by=who, at=at)
    shown = queries.drawing.exposure(bank, at)
    assert sorted(shown.values()) == [Fraction(1, 2)] * 10
    assert queries.drawing.exposure(bank, at + timedelta(days=366)) == {}
    limits = Limits(forms=1, max_exposure_percent=40)
    second = drafted(cast, bank, at, "uuid-0002", limits=limits)
    drafts = drawn(second, cast, at, cells=(Cell(3),))
    assert not {row.question.id for paper in drafts.papers for row in paper.rows} & shown.keys()


def test_a_paper_that_keeps_its_order_shows_everybody_the_same_order(app, cast, bank, at):
    test = drafted(cast, bank, at, keeps_order=True)
    forms = sealed(test, cast, at)
    for seed in ("00" * 32, "11" * 32):
        assert [item.slot for item in queries.paper(forms[0], seed)] == [1, 2, 3, 4, 5]
    orders = {
        tuple(option.id for option in queries.paper(forms[0], f"{n:02d}" * 32)[0].options) for n in range(8)
    }
    assert len(orders) > 1
