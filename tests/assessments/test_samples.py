"""The samples that a demonstration shows: sound by the rules of the bank, marked as samples, and what they are meant to show."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.assessments import models, queries, rules, services
from lms.core.db import db, transaction
from lms.core.errors import RuleBroken
from lms.programmes.models import Cohort
from tests.assessments.cases import case
from tests.assessments.papers import asked


@pytest.fixture
def sample(app, cast, at):
    """The sample of cases to choose from, open since an hour."""
    with transaction():
        return services.add_sample_test(
            whole_cohort(cast), at=at, opens_at=at - timedelta(hours=1), name="cases"
        )


def whole_cohort(cast):
    """The cast's cohort with its programme, in this session."""
    return db.session.scalars(
        select(Cohort).options(joinedload(Cohort.programme)).where(Cohort.id == cast.cohort.id)
    ).one()


def test_two_of_three_sample_cases_are_chosen_and_earn_the_same(sample):
    slots = queries.form_of(sample.id).slots
    (take, firsts), *others = rules.choices_of(slots).values()
    assert (take, len(firsts), others) == (2, 3, [])
    assert rules.maximum(slots) == 10
    assert set(rules.weights(slots).values()) == {Fraction(3) * 2 / 3, Fraction(2) * 2 / 3}
    assert sample.is_sample
    versions = db.session.scalars(select(models.QuestionVersion)).all()
    assert {(one.type, one.is_sample) for one in versions} == {("CASE", True)}


def test_the_sample_of_cases_is_practice_which_no_certificate_asks_for(sample, cast):
    assert sample.purpose == rules.Purpose.PRACTICE
    assert {facts.tests_total for facts in queries.test_facts(cast.cohort.id).values()} == {0}


def test_the_sample_of_cases_comes_once(sample, cast, at):
    with transaction():
        again = services.add_sample_test(whole_cohort(cast), at=at, name="cases")
    assert again.id == sample.id


@pytest.mark.parametrize(
    ("right", "choose", "code"),
    [
        ((("a",), ("c",)), 2, "choose_marks"),  # the third is worth less
        ((("a", "b"), ("c", "d")), 3, "choose"),
        ((("a", "b"), ("c", "d")), 0, "marks"),
    ],
)
def test_cases_to_choose_from_are_worth_the_same_and_fewer_are_taken(app, cast, at, right, choose, code):
    with transaction():
        bank = services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=None
        )
        versions = [case(bank, 1, at), case(bank, 2, at), case(bank, 3, at, right=right)]
    with pytest.raises(RuleBroken) as refused, transaction():
        made(cast, versions, at, choose=choose)
    assert refused.value.code == code


def test_ordinary_questions_are_not_chosen_from(app, cast, at):
    with transaction():
        bank = services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=None
        )
        versions = [asked(bank, number, at) for number in range(3)]
    with pytest.raises(RuleBroken) as refused, transaction():
        made(cast, versions, at, choose=2)
    assert refused.value.code == "choose_type"


def made(cast, versions, at, **more):
    """A test of these."""
    return services.make_test(
        cast.cohort, (), cases=versions, title_zh="测验", title_en="Test", duration_s=1800, cut_percent=60,
        opens_at=at, closes_at=at + timedelta(days=1), at=at, by=None, **more,
    )  # fmt: skip
