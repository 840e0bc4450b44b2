"""The sample practice bank: every question can be practised, and its own key is right."""

from sqlalchemy import select

from lms.assessments import models, queries, rules, services
from lms.core import clock
from lms.core.db import db, transaction


def test_every_sample_question_can_be_practised_and_twice_is_once(app, cast, at):
    with transaction():
        bank = services.add_sample_practice(cast.programme, at=at)
        assert services.add_sample_practice(cast.programme, at=at) is bank
    topics = dict(queries.practice_topics(cast.programme.id, clock.today(at)))
    assert topics == {"休克": 2, "新生儿复苏": 2, "呼吸窘迫": 1, "惊厥": 1}
    rows = db.session.execute(
        select(models.QuestionVersion, models.KeyRevision)
        .join(models.KeyRevision, models.KeyRevision.question_version_id == models.QuestionVersion.id)
        .join(models.Question, models.Question.id == models.QuestionVersion.question_id)
        .where(models.Question.bank_id == bank.id)
    ).all()
    assert len(rows) == 6
    for version, key in rows:
        right = key.key.get("right")
        answer = (
            {"number": key.key["value"], "unit": key.key["unit"]}
            if version.type == "NUM"
            else {"choices": right}
            if isinstance(right, list)
            else {"choice": right}
        )
        ask = rules.ask_of(version.type, version.body, None, key.key)
        assert rules.mark(ask, answer, 1, {}) == 1
