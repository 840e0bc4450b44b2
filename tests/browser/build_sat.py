"""Lets forty candidates sit the sample test of a built demonstration: `python -m tests.browser.build_sat FOLDER`.

A process of its own, like build_demo: nothing of it stays in the tests' process. Prints the test's public id.
"""

import random
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from lms.accounts import queries as accounts
from lms.accounts import services as people
from lms.accounts.models import Account
from lms.app import create_app
from lms.assessments import queries, rules, services
from lms.assessments.models import Test
from lms.assessments.writer import Writer
from lms.core import clock
from lms.core.db import db, transaction
from lms.policy import Actor
from lms.programmes import services as programmes
from lms.programmes.models import Cohort
from lms.settings import load

CANDIDATES = 40


def main(folder: Path) -> None:
    """The harder the later questions; wrong options are not equally tempting; two candidates answered alike."""
    app, at, chance = create_app(load({}, env="demo", data_dir=folder)), clock.now(), random.Random(3)
    with app.app_context():
        test = db.session.scalars(select(Test).where(Test.state == "published", Test.purpose == "exam")).one()
        form = queries.form_of(test.id)
        keys = queries.newest_keys(slot["version"] for slot in form.slots)
        right = {slot["slot"]: keys[slot["version"]].key["right"] for slot in form.slots}
        writer = Writer(db.engine)
        answers: dict[int, str] = {}
        for number in range(CANDIDATES):
            ability = chance.gauss(0.5, 1.2)
            if number != 1:  # who copies the one before
                answers = {
                    slot: key
                    if chance.random() < 1 / (1 + 2.718 ** ((slot - 5) / 3 - ability))
                    else chance.choice([one for one in "abcde" if one != key][:3])
                    for slot, key in right.items()
                }
            _sit(test, candidate(number, at), answers, writer, at)
        print(test.public_id)


def candidate(number: int, at: object) -> Actor:
    """A trainee of the demonstration's cohort who is signed in."""
    with transaction():
        cohort = db.session.scalars(select(Cohort).options(joinedload(Cohort.programme))).one()
        person = people.add_person(name_zh=f"考生{number}", name_latin="", at=at, by=None)
        account = people.add_account(person, login=f"candidate{number}@firefly.example", at=at, by=None)
        programmes.enrol(person, cohort, track=("PED", "GP")[number % 2], home_hospital=None, at=at, by=None)
    with transaction():
        token = people.sign_in(db.session.get_one(Account, account.id), at=at, user_agent="test", address="")
    found = accounts.actor_of_token(token, at=at)
    assert found is not None
    return found


def _sit(test: Test, by: Actor, answers: dict[int, str], writer: Writer, at: object) -> None:
    with transaction():
        sitting = services.start(
            queries.test(test.public_id, by), client_uuid="once-and-for-all", by=by, at=at
        )
    ops = [
        rules.Op("test", number, slot, "answer", {"choice": choice})
        for number, (slot, choice) in enumerate(answers.items(), 1)
    ]
    writer.save(sitting.id, ops, epoch=sitting.writer_epoch, at=at)
    with transaction():
        services.submit(queries.sitting(sitting.public_id, by), by=by, at=at + timedelta(minutes=6))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
