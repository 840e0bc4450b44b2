"""Puts a test of an essay, a file and a station into a built demonstration, with its markers: `python -m tests.browser.build_marking FOLDER`.

A process of its own, like build_demo. Mentor and educator mark; the examiner of the station is the educator. Prints the test's public id.
"""

import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import demo
from lms.accounts import services as people
from lms.accounts.models import Account, Person
from lms.app import create_app
from lms.assessments import models, rules, services
from lms.core import clock
from lms.core.db import db, transaction
from lms.policy import Role
from lms.programmes.models import Cohort
from lms.settings import load

LOGINS = {role: login for _name, role, login, _password in demo.accounts_shown()}
RUBRIC = {
    "rubric": [
        {"id": "a", "zh": "说明病情变化及其原因", "en": "Says what changed and why", "marks": 4},
        {"id": "b", "zh": "核对在用药物的剂量与途径", "en": "Checks doses and routes of all drugs", "marks": 6, "must": True},
    ]
}  # fmt: skip
QUESTIONS = (
    ("ESSAY", {"stem": {"zh": "请写出一名极低出生体重儿夜班交接的要点。", "en": "Write down what is handed over at night for an infant of very low birth weight."}, "max_chars": 2000}, RUBRIC),
    ("UPLOAD", {"stem": {"zh": "请上传您的呼吸机参数记录。", "en": "Send your record of the ventilator settings."}, "formats": ["png", "pdf"], "max_bytes": 2_000_000}, RUBRIC),
    ("OSCE", {"stem": {"zh": "考站：新生儿正压通气。", "en": "Station: ventilate a newborn."}}, {"checklist": [
        {"id": "a", "zh": "呼叫帮助", "en": "Calls for help", "marks": 2},
        {"id": "b", "zh": "面罩密闭良好，胸廓起伏", "en": "Mask seals, the chest rises", "marks": 3, "must": True},
    ]}),
)  # fmt: skip


def main(folder: Path) -> None:
    """Open since now, with everybody asked."""
    app, at = create_app(load({}, env="demo", data_dir=folder)), clock.now()
    with app.app_context(), transaction():
        cohort = db.session.scalars(select(Cohort).options(joinedload(Cohort.programme))).one()
        scope = f"programme:{cohort.programme_id}"
        markers = []
        for role in ("educator", "mentor"):
            person_id = db.session.scalars(
                select(Account.person_id).where(Account.email == LOGINS[role])
            ).one()
            markers.append(db.session.get_one(Person, person_id))
            people.grant(markers[-1], Role.MARKER, scope, at=at, by=None)
        bank = services.create_bank(
            cohort.programme, purpose=rules.Purpose.EXAM, title_zh="人工阅卷", title_en="By people", at=at, by=None
        )  # fmt: skip
        versions = [
            services.add_question(bank, kind=kind, body=body, key=key, rationale={}, is_sample=True, at=at, by=None)
            for kind, body, key in QUESTIONS
        ]  # fmt: skip
        for version in versions:
            version.question.bank = bank
        test = services.make_test(
            cohort, versions, title_zh="交接班与操作", title_en="Handover and skills", duration_s=3600, opens_at=at,
            closes_at=at + timedelta(days=1), cut_percent=60, is_sample=True, at=at, by=None,
        )  # fmt: skip
        services.publish(test, at=at, by=None)
        for version in versions:
            chosen = markers if version.type != "OSCE" else markers[:1]
            db.session.add_all(
                models.TestMarker(test_id=test.id, question_version_id=version.id, person_id=person.id, at=at)
                for person in chosen
            )
        print(test.public_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
