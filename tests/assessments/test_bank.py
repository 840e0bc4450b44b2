"""The item bank: wordings and keys that are never changed, review by two people, use, search."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import joinedload

from lms.assessments import queries, rules, services
from lms.core import approvals
from lms.core.db import db, transaction
from lms.core.errors import NotAllowed, NotFound, RuleBroken
from lms.programmes.models import Cohort

BODY = {
    "stem": {"zh": "新生儿复苏先做什么？", "en": "What comes first in neonatal resuscitation?"},
    "options": [{"id": one, "zh": f"选项{one}", "en": f"Option {one}"} for one in "abcde"],
}
OTHER = {**BODY, "stem": {"zh": "其次做什么？"}}
KEY = {"right": "b"}
WHY = {"zh": "先保暖", "en": "Warmth first"}


@pytest.fixture
def bank(app, cast, at):
    """An exam bank of the cast's programme."""
    with transaction():
        return services.create_bank(
            cast.programme, purpose="exam", title_zh="题库", title_en="Bank", at=at, by=cast.examiner
        )


@pytest.fixture
def question(bank, cast, at):
    """A draft that the examiner wrote."""
    with transaction():
        version = services.add_question(
            bank, kind="A1", body=BODY, key=KEY, rationale=WHY, source="NRP 2021", at=at, by=cast.examiner
        )
    return again(version.question, cast)


def again(question, cast):
    db.session.rollback()
    db.session.expire_all()
    return queries.question(question.public_id, cast.examiner)


def rewritten(question, cast, at, *, base_n, words="先保暖"):
    with transaction():
        return services.rewrite(
            again(question, cast),
            base_n=base_n,
            kind="A1",
            body={**BODY, "stem": {"zh": words, "en": ""}},
            key=KEY,
            rationale=WHY,
            source="NRP 2021",
            by=cast.examiner,
            at=at,
        )


def proposed(question, cast, at):
    with transaction():
        return services.propose(again(question, cast), words="please look", by=cast.examiner, at=at)


def reviewed(question, cast, at, *, by, outcome="approved", words=""):
    waiting = approvals.open_for(services.REVIEW, f"question:{question.public_id}")
    with transaction():
        return services.review(
            again(question, cast),
            outcome=outcome,
            seen_sha256=waiting.payload_sha256,
            words=words,
            by=by,
            at=at,
        )


def live(question, cast, at):
    proposed(question, cast, at)
    reviewed(question, cast, at, by=cast.director)
    with transaction():
        return services.activate(again(question, cast), today=at.date(), by=cast.examiner, at=at)


def test_a_question_gets_the_next_number_and_is_a_draft(question, bank, cast, at):
    assert (question.code, question.state, question.live_n) == ("0001", "draft", None)
    with transaction():
        other = services.add_question(
            bank, kind="A1", body=OTHER, key=KEY, rationale=WHY, at=at, by=cast.examiner
        )
    assert other.question.code == "0002"


def test_a_code_is_given_once(question, bank, cast, at):
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.add_question(
            bank, code="0001", kind="A1", body=OTHER, key=KEY, rationale=WHY, at=at, by=cast.examiner
        )
    assert refusal.value.code == "code_taken"


def test_a_further_wording_leaves_the_first_as_it_was(question, cast, at):
    version = rewritten(question, cast, at, base_n=1)
    assert version.n == 2
    first = queries.version_of(question.id, 1)
    assert first.body == BODY
    assert [line for line in queries.changes(question.id, 1, 2) if line[0] in "+-"]


def test_the_same_words_again_make_no_version(question, cast, at):
    with transaction():
        version = services.rewrite(
            again(question, cast), base_n=1, kind="A1", body=BODY, key=KEY, rationale=WHY, source="NRP 2021",
            by=cast.examiner, at=at,
        )  # fmt: skip
    assert version.n == 1


def test_whoever_wrote_on_an_older_wording_is_told(question, cast, at):
    rewritten(question, cast, at, base_n=1)
    with pytest.raises(RuleBroken) as refusal:
        rewritten(question, cast, at, base_n=1, words="别的")
    assert refusal.value.code == "changed_meanwhile"


@pytest.mark.parametrize("table", ["question_version", "key_revision", "question_event"])
def test_the_database_refuses_a_change_of_history(question, cast, at, table):
    proposed(question, cast, at)
    for statement in (f"UPDATE {table} SET n = 9", f"DELETE FROM {table}"):
        with pytest.raises(Exception, match="append-only"):
            db.session.execute(text(statement))
        db.session.rollback()


def test_an_author_does_not_approve_their_own_question(question, cast, at):
    proposed(question, cast, at)
    with pytest.raises(NotAllowed):
        reviewed(question, cast, at, by=cast.examiner)
    assert again(question, cast).state == "in_review"


def test_another_person_approves_wording_and_key_and_then_it_goes_into_use(question, cast, at):
    found = live(question, cast, at)
    assert (found.state, found.live_n) == ("live", 1)
    acts = [event.act for event in queries.dossier(again(question, cast)).events]
    assert acts == ["activate", "approve", "propose"]


def test_what_is_sent_back_needs_words_and_is_a_draft_again(question, cast, at):
    proposed(question, cast, at)
    with pytest.raises(RuleBroken) as refusal:
        reviewed(question, cast, at, by=cast.director, outcome="refused")
    assert refusal.value.code == "reason_needed"
    reviewed(question, cast, at, by=cast.director, outcome="refused", words="two keys are right")
    assert again(question, cast).state == "draft"


def test_a_question_in_review_is_not_changed_and_can_be_taken_back(question, cast, at):
    proposed(question, cast, at)
    with pytest.raises(RuleBroken) as refusal:
        rewritten(question, cast, at, base_n=1)
    assert refusal.value.code == "in_review"
    with transaction():
        services.take_back(again(question, cast), by=cast.examiner, at=at)
    assert again(question, cast).state == "draft"
    assert rewritten(question, cast, at, base_n=1).n == 2


def test_the_wording_in_use_stays_in_use_while_a_newer_one_is_written(question, cast, at):
    live(question, cast, at)
    rewritten(question, cast, at, base_n=1)
    found = again(question, cast)
    assert (found.state, found.live_n) == ("draft", 1)


def test_an_approved_question_past_its_review_date_is_not_taken_into_use(question, cast, at):
    with transaction():
        services.describe(
            again(question, cast),
            services.Facts(review_due=at.date() - timedelta(days=1)),
            by=cast.examiner,
            at=at,
        )
    proposed(question, cast, at)
    reviewed(question, cast, at, by=cast.director)
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.activate(again(question, cast), today=at.date(), by=cast.examiner, at=at)
    assert refusal.value.code == "past_due"


def test_the_clock_suspends_questions_past_their_review_date_once(question, cast, at):
    live(question, cast, at)
    with transaction():
        services.describe(
            again(question, cast), services.Facts(review_due=at.date()), by=cast.examiner, at=at
        )
    with transaction():
        assert services.suspend_past_due(today=at.date(), at=at) == 0
    with transaction():
        assert services.suspend_past_due(today=at.date() + timedelta(days=1), at=at) == 1
    with transaction():
        assert services.suspend_past_due(today=at.date() + timedelta(days=1), at=at) == 0
    assert again(question, cast).state == "suspended"


def test_a_key_is_corrected_by_two_people_and_the_old_one_stays(question, cast, at):
    live(question, cast, at)
    with transaction():
        approval = services.propose_key(
            again(question, cast),
            n=1,
            key={"right": "c"},
            rationale=WHY,
            reason="NRP 2025",
            by=cast.examiner,
            at=at,
        )
    seen = approval.payload_sha256
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.decide_key(
            again(question, cast), outcome="approved", seen_sha256=seen, words="", by=cast.examiner, at=at
        )
    assert refusal.value.code == "same_person"
    assert [key.key for key in queries.dossier(again(question, cast)).keys] == [KEY]


def test_facts_tags_and_enemies_are_kept_and_found(question, bank, cast, at):
    with transaction():
        services.add_question(
            bank, code="E2", kind="A1", body=BODY, key=KEY, rationale=WHY, at=at, by=cast.examiner
        )
    found = again(question, cast)
    with transaction():
        facts = services.Facts(topic="复苏", cognitive="apply", difficulty=60, tags=["NICU", "气道", "NICU"])
        services.describe(found, facts, by=cast.examiner, at=at)
        services.set_enemies(found, ["E2"], by=cast.examiner, at=at)
    dossier = queries.dossier(again(question, cast))
    assert list(dossier.tags) == ["NICU", "气道"]
    assert [enemy.code for enemy in dossier.enemies] == ["E2"]
    for wanted, count in (
        (queries.Wanted(tag="气道"), 1),
        (queries.Wanted(topic="复苏"), 1),
        (queries.Wanted(text="NEONATAL resus"), 2),
        (queries.Wanted(text="复苏 e2"), 1),
        (queries.Wanted(text="100%"), 0),
        (queries.Wanted(state="live"), 0),
        (queries.Wanted(kind="A1"), 2),
    ):
        assert queries.questions(bank, wanted, at.date())[1] == count


def test_an_unknown_enemy_is_named(question, cast, at):
    with pytest.raises(RuleBroken) as refusal, transaction():
        services.set_enemies(again(question, cast), ["nobody"], by=cast.examiner, at=at)
    assert (refusal.value.code, refusal.value.field) == ("unknown_code", "enemies")


def test_exam_questions_do_not_exist_for_those_who_must_not_see_them(question, bank, cast):
    for who in (
        cast.trainee,
        cast.mentor,
        cast.educator,
        cast.coordinator,
        cast.administrator,
        cast.auditor,
        cast.stranger,
    ):
        with pytest.raises(NotFound):
            queries.question(question.public_id, who)
        with pytest.raises(NotFound):
            queries.bank(bank.public_id, who)
        assert bank.id not in {row.bank.id for row in queries.banks(who)}


def test_an_educator_writes_for_practice_only(cast, at, app):
    with transaction():
        practice = services.create_bank(
            cast.programme, purpose="practice", title_zh="练习", title_en="Practice", at=at, by=cast.examiner
        )
        version = services.add_question(
            practice, kind="A1", body=BODY, key=KEY, rationale=WHY, at=at, by=cast.educator
        )
    assert queries.question(version.question.public_id, cast.educator).id == version.question_id


def test_every_move_is_refused_from_every_state_that_it_does_not_start_from():
    for name, (sources, _target) in rules.ITEM_MOVES.items():
        for state in set(rules.ItemState) - sources:
            with pytest.raises(RuleBroken):
                rules.move(rules.ITEM_MOVES, name, state)


def test_a_question_that_people_mark_may_stand_in_a_test(bank, cast, at, app):
    essay = {"stem": BODY["stem"], "max_chars": 500}
    with transaction():
        version = services.add_question(
            bank, kind="ESSAY", body=essay, key={"rubric": [{"id": "c1", "zh": "清楚", "marks": 2}]}, rationale=WHY,
            at=at, by=cast.examiner,
        )  # fmt: skip
    cohort = db.session.scalars(
        select(Cohort).options(joinedload(Cohort.programme)).where(Cohort.id == cast.cohort.id)
    ).one()
    with transaction():
        made = services.make_test(
            cohort, [version], title_zh="测", title_en="T", duration_s=600, opens_at=at,
            closes_at=at + timedelta(days=1), cut_percent=60, at=at, by=None,
        )  # fmt: skip
        services.publish(made, at=at, by=None)
    assert made.state == "published"
