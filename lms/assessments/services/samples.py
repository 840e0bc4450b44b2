"""The sample test and the sample practice bank of the sample curriculum."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.assessments import rules
from lms.assessments.models import ItemBank, Question, QuestionVersion, Test
from lms.assessments.services.authoring import make_test, publish
from lms.assessments.services.bank import Facts, create_bank
from lms.assessments.services.questions import add_question
from lms.core.db import db
from lms.policy import Actor
from lms.programmes.models import Cohort, Programme

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def add_sample_test(
    cohort: Cohort,
    *,
    at: datetime,
    by: Actor | None = None,
    name: str = "first-hour",
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
) -> Test:
    """Publish a sample test of the sample curriculum for a cohort (its programme loaded); twice is once.

    Opens at ``at`` and stays open for sixty days unless told otherwise. Its items are marked as not reviewed.
    """
    content = json.loads((SAMPLES / "tests" / f"{name}.json").read_text("utf-8"))
    title_zh, title_en = content["title"]["zh"], content["title"]["en"]
    known = db.session.scalar(
        select(Test)
        .options(joinedload(Test.cohort))
        .where(Test.cohort_id == cohort.id, Test.title_en == title_en, Test.is_sample)
    )
    if known is not None:
        return known
    purpose = rules.Purpose(content.get("purpose", rules.Purpose.EXAM))
    bank_titles = content["bank"]
    bank = db.session.scalar(
        select(ItemBank).where(
            ItemBank.programme_id == cohort.programme_id,
            ItemBank.title_en == bank_titles["en"],
            ItemBank.purpose == purpose,
        )
    )
    if bank is None:
        bank = create_bank(
            cohort.programme,
            purpose=purpose,
            title_zh=bank_titles["zh"],
            title_en=bank_titles["en"],
            at=at,
            by=by,
        )
    versions = [add_sample_question(bank, item, at=at, by=by) for item in content["items"]]
    choose = content.get("choose", 0)
    test = make_test(
        cohort,
        () if choose else versions,
        title_zh=title_zh,
        title_en=title_en,
        duration_s=content["duration_s"],
        opens_at=opens_at or at,
        closes_at=closes_at or at + timedelta(days=60),
        cut_percent=content["cut_percent"],
        attempts_allowed=content["attempts_allowed"],
        purpose=purpose,
        cases=versions if choose else (),
        choose=choose,
        is_sample=True,
        at=at,
        by=by,
    )
    return publish(test, at=at, by=by)


def add_sample_question(
    bank: ItemBank, item: Mapping[str, Any], *, at: datetime, by: Actor | None
) -> QuestionVersion:
    """A question of the sample, added if the bank (of another cohort's sample) does not hold it yet."""
    known = db.session.scalar(
        select(QuestionVersion)
        .options(joinedload(QuestionVersion.question).joinedload(Question.bank))
        .join(Question, Question.id == QuestionVersion.question_id)
        .where(Question.bank_id == bank.id, Question.code == item["code"])
        .order_by(QuestionVersion.n.desc())
        .limit(1)
    )
    if known is not None:
        return known
    body, key = _asked(item)
    return add_question(
        bank,
        code=item["code"],
        kind=item["type"],
        body=body,
        key=key,
        rationale=item["rationale"],
        source=item["source"],
        is_sample=True,
        facts=Facts(topic=item.get("topic", "")),
        at=at,
        by=by,
    )


def add_sample_practice(
    programme: Programme, *, at: datetime, by: Actor | None = None, name: str = "first-hour"
) -> ItemBank:
    """A practice bank with a few questions by topic, in use at once and marked as not reviewed; twice is once."""
    content = json.loads((SAMPLES / "practice" / f"{name}.json").read_text("utf-8"))
    titles = content["bank"]
    known = db.session.scalar(
        select(ItemBank).where(
            ItemBank.programme_id == programme.id,
            ItemBank.title_en == titles["en"],
            ItemBank.purpose == rules.Purpose.PRACTICE,
        )
    )
    if known is not None:
        return known
    bank = create_bank(
        programme, purpose=rules.Purpose.PRACTICE, title_zh=titles["zh"], title_en=titles["en"], at=at, by=by
    )
    for item in content["items"]:
        body, key = _asked(item)
        add_question(
            bank,
            code=item["code"],
            kind=item["type"],
            body=body,
            key=key,
            rationale=item["rationale"],
            source=item["source"],
            is_sample=True,
            facts=Facts(topic=item["topic"]),
            at=at,
            by=by,
        )
    return bank


TRUE_FALSE = [
    {"id": "true", "zh": "对", "en": "True", "fixed": True},
    {"id": "false", "zh": "错", "en": "False", "fixed": True},
]


def _asked(item: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Body and key of a sample question, from its short form in the file."""
    if item["type"] == "NUM":
        body = {"stem": item["stem"], "units": item["units"]}
        return body, {"value": item["value"], "tolerance": "0", "unit": item["unit"]}
    if "asks" in item:
        asked = [_asked({"type": "", **ask}) for ask in item["asks"]]
        return (
            {"stem": item["stem"], "asks": [body for body, _key in asked]},
            {"asks": [key for _body, key in asked]},
        )
    options = TRUE_FALSE if item["type"] == "TF" else item["options"]
    return {"stem": item["stem"], "options": options}, {"right": item["right"]}
