"""Puts an exam in two parts into a built demonstration, the second with 2 of 3 cases to choose: `python -m tests.browser.build_cases FOLDER`.

A process of its own, like build_demo. Prints the test's public id.
"""

import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms import demo
from lms.accounts.models import Account, Person
from lms.app import create_app
from lms.assessments import queries, rules, services
from lms.assessments.rules.blueprint import Cell, Per
from lms.core import clock
from lms.core.db import db, transaction
from lms.demo.people import known
from lms.programmes.models import Cohort
from lms.settings import load

LOGINS = {role: login for _name, role, login, _password in demo.accounts_shown()}
OPTIONS = [
    {"id": one, "zh": f"处理措施{one.upper()}", "en": f"Measure {one.upper()}"}
    for one in ("a", "b", "c", "d", "e", "f")
]
CASES = (
    ("患儿，男，3 天，胎龄 30 周，出现反复呼吸暂停。", "A boy of 3 days, born at 30 weeks, stops breathing again and again."),
    ("患儿，女，8 月，发热 2 天，抽搐 1 次。", "A girl of 8 months has had fever for 2 days and one seizure."),
    ("患儿，男，5 岁，多饮多尿 1 周，嗜睡半天。", "A boy of 5 years has drunk much for a week and is drowsy since noon."),
)  # fmt: skip


def _case(stem: tuple[str, str], number: int) -> tuple[dict, dict]:
    asks = [
        {"stem": {"zh": f"病例{number}第{n}问：应采取哪些措施？", "en": f"Case {number}, ask {n}: what do you do?"}, "options": OPTIONS}
        for n in (1, 2)
    ]  # fmt: skip
    body = {"stem": {"zh": stem[0], "en": stem[1]}, "reveal": "serial", "asks": asks}
    return body, {"asks": [{"right": ["a", "b"]}, {"right": ["c", "d"]}]}


def main(folder: Path) -> None:
    """Open since now."""
    app, at = create_app(load({}, env="demo", data_dir=folder)), clock.now()
    today = clock.today(at)
    with app.app_context():
        examiner, director = (_actor(role, at) for role in ("examiner", "director"))
        with transaction():
            cohort = db.session.scalars(select(Cohort).options(joinedload(Cohort.programme))).one()
            bank = services.create_bank(
                cohort.programme,
                purpose=rules.Purpose.EXAM,
                title_zh="病例",
                title_en="Cases",
                at=at,
                by=None,
            )
            for number, stem in enumerate(CASES, 1):
                body, key = _case(stem, number)
                services.add_question(
                    bank, code=f"C{number}", kind="CASE", body=body, key=key, rationale={}, is_sample=True, at=at, by=None
                )  # fmt: skip
            services.add_question(
                bank, code="A1", kind="A1", rationale={}, is_sample=True, at=at, by=None, key={"right": "a"},
                body={"stem": {"zh": "首选哪项？", "en": "Which comes first?"}, "options": OPTIONS[:5]},
            )  # fmt: skip
            test = services.draft_test(
                cohort, bank,
                services.Terms(
                    title_zh="病例分析考试", title_en="Case exam", duration_s=3600, opens_at=at,
                    closes_at=at + timedelta(days=1), cut_percent=60, keeps_order=True,
                ),
                client_uuid="build-cases", by=examiner, at=at,
            )  # fmt: skip
            services.set_blueprint(
                test,
                [Cell(1, type="A1"), Cell(3, type="CASE", marks=8, per=Per.ITEM, choose=2, part=2)],
                by=examiner,
                at=at,
            )
        drawing = services.draw(test, client_uuid="draw-cases", by=examiner, at=at, today=today)
        with transaction():
            services.keep(test, drawing, by=examiner, at=at, today=today)
        drafts = queries.drafts(queries.plan_of(test.id), at=at, today=today)
        with transaction():
            services.seal(test, seen_sha256=drafts.sha256, by=examiner, at=at, today=today)
        with transaction():
            asked = services.propose_cut(test, percent=60, reason="browser", by=examiner, at=at)
        with transaction():
            services.decide_cut(
                test, outcome="approved", seen_sha256=asked.payload_sha256, words="", by=director, at=at
            )
        with transaction():
            services.publish(queries.test(test.public_id, examiner), at=at, by=examiner)
        print(test.public_id)


def _actor(role: str, at):
    number = db.session.scalars(select(Account.person_id).where(Account.email == LOGINS[role])).one()
    return known(db.session.get_one(Person, number), at=at)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
